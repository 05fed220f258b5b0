//! A run with everything computed once that several sections need.

use super::risk::{Tested, tested, tested_facts};
use super::summary::{Columns, Fill, Purpose, RunSummary, Traded};
use crate::metrics::{EqualVol, Missing, Path, Scores};
use std::collections::BTreeSet;
use units::show::{self, Style};
use units::{Duration, Price, Qty, Round, Timestamp};

/// How much of a run a page takes in, so that it stays within its size: 400 KB for a month of one instrument, 3 MB for
/// any run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of the whole page.
    pub(super) page: usize,
    /// Marks on one figure.
    pub(super) marks: usize,
    /// Rows of the table of campaigns.
    pub(super) campaigns: usize,
    /// Campaigns with a price plot of their own, and the bytes that these may take.
    pub(super) plots: usize,
    pub(super) plot_bytes: usize,
    /// Fills, gaps and campaigns each in the embedded summary.
    pub(super) embedded: usize,
    /// Bytes of the figures of instruments.
    pub(super) instrument_bytes: usize,
    /// Pixels that share a column of an instrument's figure, and rows of its data.
    pub(super) column: f64,
    pub(super) data_rows: usize,
}

impl Limits {
    const MONTH: Self = Self {
        page: 400_000,
        marks: 180,
        campaigns: 80,
        plots: 8,
        plot_bytes: 70_000,
        embedded: 30,
        instrument_bytes: 300_000,
        column: 1.0,
        data_rows: 80,
    };
    const LONG: Self = Self {
        page: 3_000_000,
        marks: 500,
        campaigns: 800,
        plots: 40,
        plot_bytes: 500_000,
        embedded: 500,
        instrument_bytes: 1_500_000,
        ..Self::MONTH
    };

    /// The more instruments, the coarser is the figure of each.
    fn of(is_month: bool, instruments: usize) -> Self {
        let one = if is_month { Self::MONTH } else { Self::LONG };
        let page = (one.page + 150_000 * instruments.saturating_sub(1)).min(Self::LONG.page);
        let several = Self { page, instrument_bytes: page / 2, embedded: one.embedded / instruments.max(1) + 1, ..one };
        match instruments {
            0..=1 => one,
            2..=6 => Self { marks: one.marks.min(180), data_rows: 40, ..several },
            7..=25 => Self { marks: 60, column: 2.0, data_rows: 16, ..several },
            // A browser is to be ready with it as soon as with any other.
            _ => Self {
                page: page.min(2_200_000),
                marks: 16,
                column: 4.0,
                data_rows: 8,
                campaigns: one.campaigns.min(400),
                plots: 12,
                plot_bytes: one.plot_bytes.min(150_000),
                instrument_bytes: 1_400_000,
                ..several
            },
        }
    }
}

/// An instrument as the sections read it: in its own grid and currency.
pub(super) struct Known<'a> {
    /// Its position in the run.
    pub(super) at: usize,
    pub(super) traded: &'a Traded,
    /// Average entry price after each bar, while a position is held; one list a strategy, as its stops.
    pub(super) average: Vec<Vec<Option<f64>>>,
    label: String,
    tick: Price,
    lot: Qty,
}

impl<'a> Known<'a> {
    fn new(at: usize, traded: &'a Traded, label: String) -> Self {
        let average = |strategy: usize| {
            let own: Vec<&Fill> = traded.fills.iter().filter(|fill| fill.strategy == strategy).collect();
            // Quantities of an inverse contract are in the quote currency.
            average_entry(&own, &traded.time, traded.unit == traded.quote)
        };
        let tick = Price::from_estimate(traded.tick, Round::Nearest);
        let lot = Qty::from_estimate(traded.lot, Round::Nearest);
        Self {
            at,
            traded,
            average: traded.stops.iter().map(|stops| average(stops.strategy)).collect(),
            label,
            tick: tick.filter(|tick| tick.raw() > 0).unwrap_or(Price::from_raw(1)),
            lot: lot.filter(|lot| lot.raw() > 0).unwrap_or(Qty::from_raw(1)),
        }
    }

    pub(super) fn price(&self, value: f64) -> String {
        show::price_estimate(value, self.tick, Style::Page)
    }

    pub(super) fn qty(&self, value: f64) -> String {
        show::qty_estimate(value, self.lot, Style::Page)
    }

    /// `BTCUSDT-PERP` of `binance:BTCUSDT-PERP`; `BTCUSDT-PERP at binance` where another venue of the run lists that symbol too.
    pub(super) fn symbol(&self) -> &str {
        &self.label
    }

    /// The first and last bar that lie within two moments.
    pub(super) fn between(&self, from: i64, to: i64) -> std::ops::Range<usize> {
        let time = &self.traded.time;
        time.partition_point(|at| *at < from)..time.partition_point(|at| *at <= to)
    }
}

/// What instruments are called beside each other: their symbols, with the venue where several list an equal one.
fn labels(instruments: &[Traded]) -> Vec<String> {
    let all: Vec<(&str, &str)> =
        instruments.iter().map(|of| of.symbol.split_once(':').unwrap_or(("", of.symbol.as_str()))).collect();
    let label = |(venue, symbol): &(&str, &str)| {
        let is_twice = all.iter().any(|(other, own)| own == symbol && other != venue);
        if is_twice { format!("{symbol} at {venue}") } else { (*symbol).to_owned() }
    };
    all.iter().map(label).collect()
}

/// A run as the sections read it.
pub(super) struct View<'a> {
    pub(super) run: &'a RunSummary,
    /// Those traded, the main one first.
    pub(super) instruments: Vec<Known<'a>>,
    /// The start, then each bar.
    pub(super) times: Vec<Timestamp>,
    /// The deposit, then what it would have become at each bar had no money been moved.
    pub(super) equity: Vec<f64>,
    pub(super) twin_equity: Vec<f64>,
    pub(super) scaled: Scores,
    pub(super) twin: Scores,
    /// The twin at equal volatility: its path and its column.
    pub(super) equal: Result<(EqualVol, Scores), Missing>,
    pub(super) limits: Limits,
    /// Plans that the page holds; a link to any other would lead nowhere.
    pub(super) plans: BTreeSet<u64>,
    /// Tests of its value at risk.
    pub(super) tested: Vec<Tested>,
    /// Tests of what rules were told of it, fact by fact.
    pub(super) tested_facts: Vec<Vec<Tested>>,
    minor: usize,
}

impl<'a> View<'a> {
    /// Without plans: the page says later how many it can hold.
    pub(super) fn new(run: &'a RunSummary) -> Self {
        let Columns { times, equity, twin_equity, scaled, twin, equal } = run.columns();
        let span = Path { times: &times, equity: &equity }.span();
        let is_month = span <= Duration::from_nanos(40 * Duration::DAY.nanos());
        let known = run.instruments.iter().zip(labels(&run.instruments)).enumerate();
        Self {
            instruments: known.map(|(at, (traded, label))| Known::new(at, traded, label)).collect(),
            minor: show::minor_unit(&run.header.currency),
            tested: tested(run),
            tested_facts: tested_facts(run),
            limits: Limits::of(is_month, run.instruments.len()),
            run,
            times,
            equity,
            twin_equity,
            scaled,
            twin,
            equal,
            plans: BTreeSet::new(),
        }
    }

    pub(super) fn path(&self) -> Path<'_> {
        Path { times: &self.times, equity: &self.equity }
    }

    pub(super) fn twin_path(&self) -> Path<'_> {
        Path { times: &self.times, equity: &self.twin_equity }
    }

    /// Whether the run is too short to annualise.
    pub(super) fn is_short(&self) -> bool {
        self.path().is_short()
    }

    /// Whether several instruments or strategies share the book.
    pub(super) fn is_shared(&self) -> bool {
        self.instruments.len() > 1 || self.run.strategies.len() > 1
    }

    pub(super) fn money(&self, value: f64) -> String {
        show::money_estimate(value, self.minor, Style::Page)
    }

    /// A strategy's name.
    pub(super) fn strategy(&self, at: usize) -> &'a str {
        self.run.strategies.get(at).map_or("", String::as_str)
    }

    /// Fills of all instruments.
    pub(super) fn fills(&self) -> impl Iterator<Item = &'a Fill> + '_ {
        self.run.instruments.iter().flat_map(|traded| &traded.fills)
    }

    /// The most that was ever paid in: what amounts are shown as a share of.
    pub(super) fn put_in(&self) -> f64 {
        self.run.bars.paid_in.iter().copied().fold(self.run.header.deposit, f64::max)
    }

    /// Whether money was moved after the start.
    pub(super) fn has_flows(&self) -> bool {
        self.run.bars.paid_in.iter().any(|paid_in| *paid_in != self.run.header.deposit)
    }

    /// The bar's length in words: `5-minute`, `1-hour`.
    pub(super) fn bar_name(&self) -> String {
        let bar = Duration::from_nanos(self.run.header.bar);
        let text = show::duration(bar, Style::Page);
        match text.split_once(' ') {
            Some((count, "min")) => format!("{count}-minute"),
            Some((count, "h")) => format!("{count}-hour"),
            Some((count, "d")) => format!("{count}-day"),
            Some((count, "s")) => format!("{count}-second"),
            _ => text,
        }
    }

    /// Where a plan stands on this page.
    pub(super) fn link(&self, plan: u64) -> Option<String> {
        self.plans.contains(&plan).then(|| format!("#p{plan}"))
    }

    /// The index of the row of equity that a moment belongs to.
    pub(super) fn bar_at(&self, time: i64) -> usize {
        let bars = &self.run.bars.time;
        bars.partition_point(|bar| *bar < time).min(bars.len().saturating_sub(1))
    }
}

/// `2025-10-10 21:20:00Z`.
pub(super) fn time(nanos: i64) -> String {
    show::time(Timestamp::from_nanos(nanos))
}

/// A plan's sentence as a page shows it: the minus of its numbers is U+2212. A hyphen within a word or date stays.
pub(super) fn sentence(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let starts_number = char == '-' && !before.is_alphanumeric() && chars.peek().is_some_and(char::is_ascii_digit);
        shown.push(if starts_number { '\u{2212}' } else { char });
        before = char;
    }
    shown
}

/// A figure or the dash that stands for it.
pub(super) fn or_missing(value: Option<f64>, shown: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| show::MISSING.to_owned(), shown)
}

/// `1 fill`, `3 fills`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", show::count(count as u64, Style::Page), if count == 1 { one } else { many })
}

/// A purpose's mark and name.
pub(super) fn purpose(purpose: Purpose) -> (&'static str, String) {
    match purpose {
        Purpose::Entry => ("entry", "entry".into()),
        Purpose::Add(unit) => ("add", format!("add, unit {unit}")),
        Purpose::Resize => ("resize", "resized".into()),
        Purpose::Rung(index) => ("rung", format!("rung {index}")),
        Purpose::Exit => ("exit", "exit".into()),
        Purpose::Stop => ("stop", "stop".into()),
        Purpose::Cut => ("cut", "limit cut".into()),
        Purpose::Hedge => ("hedge", "hedge".into()),
        Purpose::Liquidation => ("liquidation", "liquidated by the venue".into()),
        Purpose::Roll => ("resize", "rolled".into()),
        Purpose::Settlement => ("exit", "settled at expiry".into()),
    }
}

/// Average entry price after each bar: display only, so plain averages over the fills; harmonic for an inverse contract.
fn average_entry(fills: &[&Fill], times: &[i64], is_inverse: bool) -> Vec<Option<f64>> {
    let (mut held, mut average, mut next) = (0.0_f64, 0.0, 0);
    let mut after = Vec::with_capacity(times.len());
    for time in times {
        while let Some(fill) = fills.get(next).filter(|fill| fill.time <= *time) {
            let total = held + fill.quantity;
            if held.abs() < 1e-9 || (total * held < 0.0 && total.abs() > 1e-9) {
                average = fill.price;
            } else if held * fill.quantity > 0.0 {
                average = if is_inverse {
                    total / (held / average + fill.quantity / fill.price)
                } else {
                    (average * held + fill.price * fill.quantity) / total
                };
            }
            held = total;
            next += 1;
        }
        after.push((held.abs() > 1e-9).then_some(average));
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_that_two_venues_list_have_their_venue() {
        let of = |symbol: &str| Traded { symbol: symbol.to_owned(), ..Traded::default() };
        let all = ["binance:BTCUSDT-PERP", "bybit:BTCUSDT-PERP", "binance:ETHUSDT-PERP", "plain"].map(of);
        let expected = ["BTCUSDT-PERP at binance", "BTCUSDT-PERP at bybit", "ETHUSDT-PERP", "plain"];
        assert_eq!(labels(&all), expected);
    }

    #[test]
    fn a_minus_is_one_before_numbers_only() {
        assert_eq!(
            sentence("holds -5.357 since 2025-10-10, p12-3 (-1)"),
            "holds \u{2212}5.357 since 2025-10-10, p12-3 (\u{2212}1)"
        );
    }

    #[test]
    fn the_average_entry_moves_with_adds_alone() {
        let fill = |time, price, quantity| Fill {
            strategy: 0,
            time,
            price,
            quantity,
            purpose: Purpose::Entry,
            plan: 1,
            because: String::new(),
        };
        let fills =
            [fill(1, 100.0, 1.0), fill(2, 110.0, 1.0), fill(3, 200.0, -1.5), fill(4, 90.0, -1.0), fill(5, 80.0, 0.5)];
        let expected = [None, Some(100.0), Some(105.0), Some(105.0), Some(90.0), None];
        let fills: Vec<&Fill> = fills.iter().collect();
        assert_eq!(average_entry(&fills, &[0, 1, 2, 3, 4, 5], false), expected);
        // As much coin for 1 at 100 and 1 at 110 as for 2 at 2 ÷ (1/100 + 1/110).
        let inverse = average_entry(&fills, &[2], true);
        assert!((inverse[0].unwrap() - 22_000.0 / 210.0).abs() < 1e-9, "{inverse:?}");
    }
}
