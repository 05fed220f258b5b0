//! One instrument's bars beside the run's equity: what a picture of it shows.

use crate::records::PositionRow;
use crate::run::Run;
use std::collections::BTreeMap;
use units::{Cash, Price, Qty, Timestamp};

/// The run at a row of equity, as one of its instruments sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BarRow<'a> {
    pub(crate) time: Timestamp,
    pub(crate) mark: Price,
    pub(crate) open: Price,
    pub(crate) high: Price,
    pub(crate) low: Price,
    /// Of all strategies in the instrument together.
    pub(crate) position: Qty,
    pub(crate) twin_position: Qty,
    pub(crate) stop: Option<Price>,
    pub(crate) volatility: Option<f64>,
    pub(crate) cap: &'a str,
    pub(crate) equity: Cash,
    pub(crate) twin_equity: Cash,
    pub(crate) drawdown: f64,
    /// Of all instruments.
    pub(crate) exposure: f64,
    pub(crate) gross: f64,
    pub(crate) twin_exposure: f64,
}

impl Run {
    /// The instrument that most was traded in: the one that is shown where only one can be.
    #[must_use]
    pub fn main_instrument(&self) -> &str {
        let mut traded: BTreeMap<&str, f64> = BTreeMap::new();
        for fill in &self.tables.fills {
            // In USD of either kind of contract, near enough to choose by.
            let inverse = self
                .record
                .instruments
                .iter()
                .any(|known| known.symbol == fill.instrument && known.settle == known.base);
            let value = if inverse { 1.0 } else { fill.price.approximate() };
            *traded.entry(&fill.instrument).or_default() += fill.quantity.approximate() * value;
        }
        let mut main = self.record.instrument().symbol.as_str();
        for instrument in &self.record.instruments {
            let of = |symbol: &str| traded.get(symbol).copied().unwrap_or_default();
            if of(&instrument.symbol) > of(main) {
                main = &instrument.symbol;
            }
        }
        main
    }

    /// Each row of equity with the bar of an instrument; where it had none, flat at its last price. Rows before its first
    /// bar are flat at that bar's open.
    pub(crate) fn bar_rows(&self, instrument: &str) -> Vec<BarRow<'_>> {
        let own: Vec<&PositionRow> =
            self.tables.positions.iter().filter(|row| &*row.instrument == instrument).collect();
        let mut next = own.as_slice();
        let mut last: Option<BarRow<'_>> = None;
        let first = own.first().map_or(Price::ZERO, |row| row.open);
        let mut rows = Vec::with_capacity(self.tables.equity.len());
        for equity in &self.tables.equity {
            let here = next.iter().take_while(|row| row.time <= equity.time).count();
            let (now, later) = next.split_at(here);
            next = later;
            let mark = last.map_or(first, |last| last.mark);
            let mut row = BarRow {
                time: equity.time,
                mark,
                open: mark,
                high: mark,
                low: mark,
                position: last.map_or(Qty::ZERO, |last| last.position),
                twin_position: last.map_or(Qty::ZERO, |last| last.twin_position),
                stop: last.and_then(|last| last.stop),
                volatility: last.and_then(|last| last.volatility),
                cap: last.map_or("", |last| last.cap),
                equity: equity.equity,
                twin_equity: equity.twin_equity,
                drawdown: equity.drawdown,
                exposure: equity.exposure,
                gross: equity.gross,
                twin_exposure: equity.twin_exposure,
            };
            if let Some(bar) = now.first() {
                (row.open, row.high, row.low, row.mark) = (bar.open, bar.high, bar.low, bar.mark);
                row.position = now.iter().map(|row| row.position).sum();
                row.twin_position = now.iter().map(|row| row.twin_position).sum();
                row.stop = now.iter().find_map(|row| row.stop);
                row.volatility = now.iter().find_map(|row| row.volatility);
                row.cap = now.iter().map(|row| &*row.cap).find(|cap| !cap.is_empty()).unwrap_or("");
            }
            last = Some(row);
            rows.push(row);
        }
        rows
    }
}
