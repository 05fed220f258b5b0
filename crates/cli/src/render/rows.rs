//! Rows of a tape as aligned text, CSV and JSON.

use market::{Catalogue, Event, Instrument, OptionQuote};
use serde::Serialize;
use std::io::{self, Write};
use tape::{Kind, TapeInfo, TapeRow};
use units::show::{self, Style};
use units::{Price, Qty, Rate};

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Csv,
    Json,
}

/// Prints rows of one tape.
pub(crate) struct Printer<'a> {
    form: Form,
    catalogue: Catalogue,
    /// How wide the names of instruments and series are.
    width: usize,
    /// Whether the tape has the columns of quotes and marks.
    has_quotes: bool,
    out: &'a mut dyn Write,
}

const CSV_HEADER: &str = "receipt,venue,kind,of,opened,open,high,low,close,volume,rate,interval_s,value";
/// What follows it where a tape has quotes and marks.
const CSV_QUOTES: &str = ",bid,ask,bid_qty,ask_qty,mark,underlying,open_interest";
/// The version of the format that has them.
const QUOTES_VERSION: u32 = 3;

/// A row for a program. Decimals are text, so that they stay what they are.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    receipt: String,
    venue: String,
    kind: Kind,
    of: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(flatten)]
    quote: Option<QuoteLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<String>,
}

/// The cells of a quote but its mark, each where it is told.
#[derive(Serialize)]
struct QuoteLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    bid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_qty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_qty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    underlying: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_interest: Option<String>,
}

impl QuoteLine {
    fn of(quote: &OptionQuote) -> Self {
        Self {
            bid: quote.bid().map(|price| price.to_string()),
            ask: quote.ask().map(|price| price.to_string()),
            bid_qty: quote.bid_qty().map(|qty| qty.to_string()),
            ask_qty: quote.ask_qty().map(|qty| qty.to_string()),
            underlying: quote.underlying().map(|price| price.to_string()),
            open_interest: quote.open_interest().map(|qty| qty.to_string()),
        }
    }
}

impl<'a> Printer<'a> {
    /// Prints what stands above the rows.
    pub(crate) fn new(form: Form, info: &TapeInfo, out: &'a mut dyn Write) -> io::Result<Self> {
        let symbols = info.catalogue.instruments.iter().map(|instrument| &instrument.symbol);
        let width = symbols.chain(&info.catalogue.series).map(|name| name.chars().count()).max().unwrap_or(2).max(2);
        let has_quotes = info.version >= QUOTES_VERSION;
        match form {
            Form::Json => {}
            Form::Csv => writeln!(out, "{CSV_HEADER}{}", if has_quotes { CSV_QUOTES } else { "" })?,
            Form::Text => {
                let has = |kind| info.span(kind).is_some();
                let names = [
                    (Kind::Bar, "open"),
                    (Kind::Funding, "rate %"),
                    (Kind::Series, "value"),
                    (Kind::Mark, "mark"),
                    (Kind::Quote, "quote"),
                ];
                let present: Vec<_> = names.iter().filter(|(kind, _)| has(*kind)).map(|(_, name)| *name).collect();
                // The other columns are those of a bar.
                let first = if has(Kind::Bar) { "open".to_owned() } else { present.join(", ") };
                let received = received_width(has_quotes);
                write!(out, "{:<received$}  {:<7}  {:<width$}  {first:>14}", "received", "kind", "of")?;
                if has(Kind::Bar) {
                    write!(out, " {:>14} {:>14} {:>14} {:>16}", "high", "low", "close", "volume")?;
                }
                writeln!(out)?;
            }
        }
        Ok(Self { form, catalogue: info.catalogue.clone(), width, has_quotes, out })
    }

    pub(crate) fn row(&mut self, row: &TapeRow) -> io::Result<()> {
        match self.form {
            Form::Text => self.text(row),
            Form::Csv => self.csv(row),
            Form::Json => self.json(row),
        }
    }

    fn text(&mut self, row: &TapeRow) -> io::Result<()> {
        let (kind, instrument, name) = what(&self.catalogue, &row.event);
        let (out, width) = (&mut *self.out, self.width);
        let received = received_width(self.has_quotes);
        write!(out, "{:<received$}  {:<7}  {name:<width$}", show::time(row.receipt), kind.to_string())?;
        match &row.event {
            Event::Bar(bar) => {
                let tick = instrument.map_or(Price::from_raw(1), |instrument| instrument.tick);
                let price = |price| show::price(price, tick, Style::Terminal);
                let [open, high, low, close] = [bar.open, bar.high, bar.low, bar.close].map(price);
                writeln!(out, "  {open:>14} {high:>14} {low:>14} {close:>14} {:>16}", bar.volume.to_string())
            }
            Event::Funding(funding) => {
                // A percent of a rate is the rate with its point moved: exact, unlike a division of doubles.
                let percent = Rate::from_raw(funding.rate.raw().saturating_mul(100)).to_string();
                writeln!(out, "  {percent:>14} for {}", funding.interval)
            }
            Event::Series(point) => writeln!(out, "  {:>14}", point.value.get().to_string()),
            Event::Mark(mark) => writeln!(out, "  {:>14}", mark.price.to_string()),
            Event::OptionQuote(quote) => {
                let side = |price: Option<Price>, size: Option<Qty>| match (price, size) {
                    (Some(price), Some(size)) => format!("{price} x {size}"),
                    (Some(price), None) => price.to_string(),
                    (None, _) => "none".to_owned(),
                };
                let told = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
                writeln!(
                    out,
                    "  bid {:<16} ask {:<16} mark {:<12} underlying {:<12} interest {}",
                    side(quote.bid(), quote.bid_qty()),
                    side(quote.ask(), quote.ask_qty()),
                    told(quote.mark().map(|price| price.to_string())),
                    told(quote.underlying().map(|price| price.to_string())),
                    told(quote.open_interest().map(|qty| qty.to_string())),
                )
            }
            Event::Trade(_) | Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => writeln!(out),
        }
    }

    fn csv(&mut self, row: &TapeRow) -> io::Result<()> {
        let (kind, _, name) = what(&self.catalogue, &row.event);
        let out = &mut *self.out;
        write!(out, "{},{},{kind},{},", row.receipt, row.venue, quoted(name))?;
        match &row.event {
            Event::Bar(bar) => {
                let market::Bar { opened, open, high, low, close, volume, .. } = bar;
                write!(out, "{opened},{open},{high},{low},{close},{volume},,,")?;
            }
            Event::Funding(funding) => {
                let nanos = funding.interval.nanos();
                let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
                let fraction = if rest == 0 { String::new() } else { format!(".{rest:09}") };
                write!(out, ",,,,,,{},{seconds}{fraction},", funding.rate)?;
            }
            Event::Series(point) => write!(out, ",,,,,,,,{}", point.value.get())?,
            Event::Mark(mark) => return writeln!(out, ",,,,,,,,,,,,,{},,", mark.price),
            Event::OptionQuote(quote) => {
                let text = |cell: Option<String>| cell.unwrap_or_default();
                let QuoteLine { bid, ask, bid_qty, ask_qty, underlying, open_interest } = QuoteLine::of(quote);
                let mark = text(quote.mark().map(|price| price.to_string()));
                let [bid, ask, bid_qty, ask_qty] = [bid, ask, bid_qty, ask_qty].map(text);
                let [underlying, open_interest] = [underlying, open_interest].map(text);
                return writeln!(out, ",,,,,,,,,{bid},{ask},{bid_qty},{ask_qty},{mark},{underlying},{open_interest}");
            }
            Event::Trade(_) | Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => write!(out, ",,,,,,,,")?,
        }
        writeln!(out, "{}", if self.has_quotes { ",,,,,,," } else { "" })
    }

    fn json(&mut self, row: &TapeRow) -> io::Result<()> {
        let (kind, _, of) = what(&self.catalogue, &row.event);
        let (mut bar, mut funding, mut point, mut quote, mut mark) = (None, None, None, None, None);
        match &row.event {
            Event::Bar(of) => bar = Some(of),
            Event::Funding(of) => funding = Some(of),
            Event::Series(of) => point = Some(of),
            Event::Mark(of) => mark = Some(of.price),
            Event::OptionQuote(of) => (quote, mark) = (Some(of), of.mark()),
            Event::Trade(_) | Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => {}
        }
        let line = Line {
            schema: "trimtab.row/1",
            receipt: row.receipt.to_string(),
            venue: row.venue.to_string(),
            kind,
            of,
            opened: bar.map(|bar| bar.opened.to_string()),
            open: bar.map(|bar| bar.open.to_string()),
            high: bar.map(|bar| bar.high.to_string()),
            low: bar.map(|bar| bar.low.to_string()),
            close: bar.map(|bar| bar.close.to_string()),
            volume: bar.map(|bar| bar.volume.to_string()),
            rate: funding.map(|funding| funding.rate.to_string()),
            interval: funding.map(|funding| funding.interval.to_string()),
            value: point.map(|point| point.value.get()),
            quote: quote.map(QuoteLine::of),
            mark: mark.map(|mark| mark.to_string()),
        };
        serde_json::to_writer(&mut *self.out, &line).map_err(io::Error::from)?;
        self.out.write_all(b"\n")
    }
}

/// How wide receipt times are: those of quotes have fractions of a second.
fn received_width(has_quotes: bool) -> usize {
    if has_quotes { 27 } else { 20 }
}

/// What an event is of. The reader has checked that its id is in the catalogue.
fn what<'a>(catalogue: &'a Catalogue, event: &Event) -> (Kind, Option<&'a Instrument>, &'a str) {
    let of = |kind, id: units::InstrumentId| {
        let instrument = catalogue.instruments.get(id.index());
        (kind, instrument, instrument.map_or("", |instrument| instrument.symbol.as_str()))
    };
    match event {
        Event::Bar(bar) => of(Kind::Bar, bar.instrument),
        Event::Funding(funding) => of(Kind::Funding, funding.instrument),
        Event::Series(point) => {
            (Kind::Series, None, catalogue.series.get(point.series.index()).map_or("", String::as_str))
        }
        Event::Mark(mark) => of(Kind::Mark, mark.instrument),
        Event::OptionQuote(quote) => of(Kind::Quote, quote.instrument),
        // A tape has none of them.
        Event::Trade(_) | Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => (Kind::Bar, None, ""),
    }
}

/// A name as a cell of CSV.
fn quoted(name: &str) -> std::borrow::Cow<'_, str> {
    if name.contains([',', '"']) { format!("\"{}\"", name.replace('"', "\"\"")).into() } else { name.into() }
}
