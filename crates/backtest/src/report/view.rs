//! A run with everything computed once that several sections need.

use super::summary::{CostLines, Fill, Purpose, RunSummary};
use crate::metrics::{EqualVol, Missing, Path, Scores, equal_volatility};
use std::collections::BTreeSet;
use units::show::{self, Style};
use units::{Duration, Price, Qty, Round, Timestamp};

/// How much of a run a page takes in, so that it stays within its size: 400 KB for a month, 3 MB for any run.
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
}

impl Limits {
    const MONTH: Self = Self { page: 400_000, marks: 180, campaigns: 80, plots: 8, plot_bytes: 70_000, embedded: 30 };
    const LONG: Self =
        Self { page: 3_000_000, marks: 500, campaigns: 800, plots: 40, plot_bytes: 500_000, embedded: 500 };
}

/// A run as the sections read it.
pub(super) struct View<'a> {
    pub(super) run: &'a RunSummary,
    /// The start, then each bar.
    pub(super) times: Vec<Timestamp>,
    /// The deposit, then equity at each bar.
    pub(super) equity: Vec<f64>,
    pub(super) twin_equity: Vec<f64>,
    pub(super) scaled: Scores,
    pub(super) twin: Scores,
    /// The twin at equal volatility: its path and its column.
    pub(super) equal: Result<(EqualVol, Scores), Missing>,
    pub(super) limits: Limits,
    /// Plans that the page holds; a link to any other would lead nowhere.
    pub(super) plans: BTreeSet<u64>,
    /// Average entry price after each bar, while a position is held.
    pub(super) average: Vec<Option<f64>>,
    tick: Price,
    lot: Qty,
    minor: usize,
}

impl<'a> View<'a> {
    /// Without plans: the page says later how many it can hold.
    pub(super) fn new(run: &'a RunSummary) -> Self {
        let start = |values: &[f64]| -> Vec<f64> {
            std::iter::once(run.header.deposit).chain(values.iter().copied()).collect()
        };
        let nanos = std::iter::once(run.header.start).chain(run.bars.time.iter().copied());
        let times: Vec<Timestamp> = nanos.map(Timestamp::from_nanos).collect();
        let (equity, twin_equity) = (start(&run.bars.equity), start(&run.twin.equity));
        let column = |equity: &[f64], costs: &CostLines| {
            Scores::of(Path { times: &times, equity }, costs.traded, costs.fees - costs.funding)
        };
        let scaled = column(&equity, &run.costs.scaled);
        let twin = column(&twin_equity, &run.costs.twin);
        let path = Path { times: &times, equity: &twin_equity };
        let equal = scaled.volatility.and_then(|target| equal_volatility(path, target)).map(|equal| {
            let scores = Scores::of_equal_vol(&times, &equal, &twin);
            (equal, scores)
        });
        let is_month = path.span() <= Duration::from_nanos(40 * Duration::DAY.nanos());
        let limits = if is_month { Limits::MONTH } else { Limits::LONG };
        Self {
            average: average_entry(&run.fills, &run.bars.time),
            tick: Price::from_estimate(run.header.tick, Round::Nearest).unwrap_or(Price::from_raw(1)),
            lot: Qty::from_estimate(run.header.lot, Round::Nearest).unwrap_or(Qty::from_raw(1)),
            minor: show::minor_unit(&run.header.currency),
            run,
            times,
            equity,
            twin_equity,
            scaled,
            twin,
            equal,
            limits,
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

    pub(super) fn price(&self, value: f64) -> String {
        show::price_estimate(value, self.tick, Style::Page)
    }

    pub(super) fn qty(&self, value: f64) -> String {
        show::qty_estimate(value, self.lot, Style::Page)
    }

    pub(super) fn money(&self, value: f64) -> String {
        show::money_estimate(value, self.minor, Style::Page)
    }

    /// `BTCUSDT-PERP, Binance` of `binance:BTCUSDT-PERP`.
    pub(super) fn instrument(&self) -> String {
        match self.run.header.instrument.split_once(':') {
            Some((venue, symbol)) => {
                let mut letters = venue.chars();
                let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
                format!("{symbol}, {first}{}", letters.as_str())
            }
            None => self.run.header.instrument.clone(),
        }
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

    /// The index of the bar that a moment belongs to.
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
    }
}

/// Average entry price after each bar: display only, so plain averages over the fills.
fn average_entry(fills: &[Fill], times: &[i64]) -> Vec<Option<f64>> {
    let (mut held, mut average, mut next) = (0.0_f64, 0.0, 0);
    let mut after = Vec::with_capacity(times.len());
    for time in times {
        while let Some(fill) = fills.get(next).filter(|fill| fill.time <= *time) {
            let total = held + fill.quantity;
            if held.abs() < 1e-9 || (total * held < 0.0 && total.abs() > 1e-9) {
                average = fill.price;
            } else if held * fill.quantity > 0.0 {
                average = (average * held + fill.price * fill.quantity) / total;
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
    fn a_minus_is_one_before_numbers_only() {
        assert_eq!(
            sentence("holds -5.357 since 2025-10-10, p12-3 (-1)"),
            "holds \u{2212}5.357 since 2025-10-10, p12-3 (\u{2212}1)"
        );
    }

    #[test]
    fn the_average_entry_moves_with_adds_alone() {
        let fill = |time, price, quantity| Fill {
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
        assert_eq!(average_entry(&fills, &[0, 1, 2, 3, 4, 5]), expected);
    }
}
