//! Marks: what venues valued contracts at, a row each.

use super::{Content, NamedRow, Names, Request, column};
use crate::cell::CellFault;
use crate::columns::{self, ColumnMap};
use crate::instruments;
use crate::ledger::{Ledger, Problem};
use crate::report::{ImportReport, count};
use crate::scan::Progress;
use crate::source::Source;
use crate::{ImportError, Repair, Terms};
use market::{Catalogue, Event, Instrument, Mark};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tape::Kind;
use units::{Price, Timestamp};

/// An import of marks.
#[derive(Debug, Clone)]
pub struct MarksRequest {
    /// The CSV or Parquet file.
    pub source: PathBuf,
    /// Whose marks they are, where a column of names does not say it.
    pub instrument: Option<String>,
    /// The column that holds the mark; by default it is recognised by its name.
    pub price: Option<String>,
    /// What the names leave open: grids where they are not known, the settlement where it is not.
    pub terms: Terms,
    /// Changes that are allowed.
    pub repair: Vec<Repair>,
    /// Columns named by the user.
    pub columns: ColumnMap,
    /// The tape to write.
    pub out: PathBuf,
}

impl MarksRequest {
    /// An import with everything recognised by name, and no repairs.
    #[must_use]
    pub fn new(source: impl Into<PathBuf>, out: impl AsRef<Path>) -> Self {
        Self {
            source: source.into(),
            instrument: None,
            price: None,
            terms: Terms::default(),
            repair: Vec::new(),
            columns: ColumnMap::default(),
            out: out.as_ref().to_owned(),
        }
    }
}

/// Columns known to hold a mark, in order of preference, each with the column that says when it was known where that may be
/// later than the time of its row: a price from the end of the minute that holds the row's time is known at that end.
const PRICES: [(&str, Option<&str>); 6] = [
    ("snapshot_term_mark_price", None),
    ("perp_futures_mark_price", Some("candle_price_timestamp_ms")),
    ("mark_price", None),
    ("markprice", None),
    ("mark", None),
    ("candle_price_used", Some("candle_price_timestamp_ms")),
];

const SYMBOLS: [&str; 5] = ["instrument_name", "futures_instrument_name", "symbol", "instrument", "of"];
const TIMES: [&str; 9] =
    ["local_timestamp", "timestamp", "obs_datetime", "quote_unixtime", "time", "ts", "datetime", "date", "receipt"];

/// Makes a tape of marks: every row names its contract, or all are of the one named in the request.
pub fn marks(request: &MarksRequest, progress: &mut dyn FnMut(u64, u64)) -> Result<ImportReport, ImportError> {
    let source = Source::open(&request.source, &request.columns)?;
    let missing = |what: &str, flag: &str| {
        let columns = columns::list(&source);
        let what = format!("has no column known as {what}; name one with `{flag}`; it has {columns}");
        ImportError::column(&source.path, "column-missing", what)
    };
    let price = column(&source, request.price.as_ref(), "--price-column", &PRICES.map(|(name, _)| name))?
        .ok_or_else(|| missing("a mark", "--price-column NAME"))?;
    let receipt = column(&source, request.columns.time.as_ref(), "--time-column", &TIMES)?
        .ok_or_else(|| missing("time", "--time-column NAME"))?;
    let symbol = if request.instrument.is_some() { None } else { columns::recognised(&source, &SYMBOLS) };
    if symbol.is_none() && request.instrument.is_none() {
        return Err(missing("the name of a contract", "--instrument SYMBOL"));
    }
    let name = source.columns.get(price).map_or("", String::as_str);
    let known_at = PRICES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).and_then(|(_, at)| *at);
    let is = |name: &str| columns::recognised(&source, &[name]) == Some(receipt);
    let happened = if is("local_timestamp") { Some("timestamp") } else { is("receipt").then_some("venue") };
    let names = Names {
        symbol,
        exchange: columns::recognised(&source, &["exchange"]).filter(|_| symbol.is_some()),
        venue: request.instrument.clone().unwrap_or_else(|| "deribit".to_owned()),
        receipt,
        happened: happened.and_then(|name| columns::recognised(&source, &[name])),
        known: known_at.and_then(|at| columns::recognised(&source, &[at])),
    };
    let mut content = Marks { terms: request.terms, ..Marks::default() };
    let job = Request {
        source: &source,
        columns: &request.columns,
        out: &request.out,
        repair: &request.repair,
        kind: Kind::Mark,
        noun: "mark",
        thing: "contract",
        options: BTreeMap::from([("price-column".to_owned(), name.to_owned())]),
    };
    let mut progress = Progress::new(&source, progress);
    super::run(&job, &names, &[price], &mut content, &mut progress)
}

#[derive(Default)]
struct Marks {
    terms: Terms,
    times: u64,
    last: Option<Timestamp>,
    late: u64,
}

impl Content for Marks {
    fn instrument(&self, symbol: &str) -> Result<Option<Instrument>, ImportError> {
        // A name that is none is a bad row; one that is not known well enough needs the user.
        if crate::symbol::parts(symbol).is_none() {
            return Ok(None);
        }
        instruments::instrument(symbol, &self.terms).map(Some)
    }

    fn take(&mut self, row: &NamedRow<'_>, ledger: &mut Ledger) -> Option<Event> {
        let cell = row.cell(0);
        if cell.is_empty() {
            ledger.empty += 1;
            return None;
        }
        // Marks lie between the steps of a grid: to the nearest 1e-8.
        let price = match cell.price(Price::from_raw(1)) {
            Ok(price) => Ok(price),
            Err(CellFault::OffGrid(nearest)) => Ok(Price::from_raw(nearest)),
            Err(CellFault::NotANumber) => Err(Problem::NotANumber),
            Err(CellFault::TooLarge) => Err(Problem::TooLarge),
        };
        let least = if row.instrument.kind.is_option() { Price::ZERO } else { Price::from_raw(1) };
        let price = price.and_then(|price| if price < least { Err(Problem::NotPositive) } else { Ok(price) });
        match price {
            Ok(price) => {
                self.late += u64::from(row.is_late);
                Some(Event::Mark(Mark { instrument: row.id, price }))
            }
            Err(problem) => {
                ledger.refuse(problem, row.number, || format!("mark {cell} of {}", row.instrument.symbol));
                None
            }
        }
    }

    fn count(&mut self, at: Timestamp, _event: &Event) {
        self.times += u64::from(self.last.replace(at) != Some(at));
    }

    fn conclude(&self, catalogue: &Catalogue, ledger: &mut Ledger) -> String {
        ledger.counts.insert("contracts", catalogue.instruments.len() as u64);
        ledger.counts.insert("times", self.times);
        if self.late > 0 {
            let marks = count(self.late, "mark");
            ledger.notes.push(format!("{marks} known later than the time of the row says; received when known"));
        }
        let contracts = count(catalogue.instruments.len() as u64, "contract");
        format!("{contracts} at {}", count(self.times, "time"))
    }
}
