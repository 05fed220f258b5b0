//! One instrument's bars beside the run's equity: what a picture of it shows.

use crate::metrics::{mean, time_weighted};
use crate::records::{EquityRow, PositionRow};
use crate::run::{InstrumentStamp, Run};
use std::collections::{BTreeMap, BTreeSet};
use units::{Cash, Contract, Duration, Price, Qty, Timestamp};

/// What a pass was worth over time: its start, then each row of equity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Worth {
    pub(crate) times: Vec<Timestamp>,
    /// As if no money had been moved after the start.
    pub(crate) growth: Vec<f64>,
    /// Flows included.
    pub(crate) mean_equity: f64,
}

impl Worth {
    /// `read` gives equity and what was paid in.
    pub(crate) fn of(rows: &[EquityRow], read: impl Fn(&EquityRow) -> (Cash, Cash)) -> Self {
        let bar = match rows {
            [first, second, ..] => second.time.since(first.time),
            _ => Duration::ZERO,
        };
        let start = rows.first().map_or(Timestamp::MIN, |row| row.time - bar);
        let deposit = rows.first().map_or(0.0, |row| read(row).1.approximate());
        let each = |pick: &dyn Fn((Cash, Cash)) -> Cash| -> Vec<f64> {
            std::iter::once(deposit).chain(rows.iter().map(|row| pick(read(row)).approximate())).collect()
        };
        let (equity, paid_in) = (each(&|pair| pair.0), each(&|pair| pair.1));
        Self {
            times: std::iter::once(start).chain(rows.iter().map(|row| row.time)).collect(),
            growth: time_weighted(&equity, &paid_in),
            mean_equity: mean(equity.iter().copied()),
        }
    }
}

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
    /// Of the instrument's account.
    pub(crate) equity: Cash,
    pub(crate) drawdown: f64,
    pub(crate) gross: f64,
}

impl Run {
    /// The instruments in order of the value traded in them.
    pub(crate) fn by_value_traded(&self) -> Vec<&InstrumentStamp> {
        let mut traded: BTreeMap<&str, f64> = BTreeMap::new();
        for known in &self.record.instruments {
            traded.insert(&known.symbol, 0.0);
        }
        let inverse: BTreeSet<&str> = self
            .record
            .instruments
            .iter()
            .filter(|known| known.contract() == Contract::Inverse)
            .map(|known| known.symbol.as_str())
            .collect();
        for fill in &self.tables.fills {
            // In the quote currency of either kind of contract: near enough to choose by.
            let price = if inverse.contains(fill.instrument.as_str()) { 1.0 } else { fill.price.approximate() };
            if let Some(sum) = traded.get_mut(fill.instrument.as_str()) {
                *sum += fill.quantity.approximate() * price;
            }
        }
        let mut order: Vec<&InstrumentStamp> = self.record.instruments.iter().collect();
        let of = |known: &InstrumentStamp| traded.get(known.symbol.as_str()).copied().unwrap_or_default();
        order.sort_by(|a, b| of(b).total_cmp(&of(a)));
        order
    }

    /// The instrument that most was traded in: the one that is shown where only one can be.
    #[must_use]
    pub fn main_instrument(&self) -> &str {
        self.by_value_traded().first().map_or("", |known| known.symbol.as_str())
    }

    /// Each row of equity with the bar of an instrument; where it had none, flat at its last price. Rows before its first
    /// bar are flat at that bar's open.
    pub(crate) fn bar_rows(&self, instrument: &str) -> Vec<BarRow<'_>> {
        let own: Vec<&PositionRow> =
            self.tables.positions.iter().filter(|row| &*row.instrument == instrument).collect();
        let mut next = own.as_slice();
        let mut last: Option<BarRow<'_>> = None;
        let first = own.first().map_or(Price::ZERO, |row| row.open);
        let account = self.account_rows(instrument);
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
                drawdown: equity.drawdown,
                gross: equity.gross,
            };
            if let Some((equity, drawdown, gross)) = account.get(rows.len()) {
                (row.equity, row.drawdown, row.gross) = (*equity, *drawdown, *gross);
            }
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

    /// Equity, drawdown and gross exposure over equity of an instrument's account at each row of equity. Empty where there
    /// is one account: the run's own rows say it.
    fn account_rows(&self, instrument: &str) -> Vec<(Cash, f64, f64)> {
        let venue = |symbol: &str| symbol.split_once(':').map_or(String::new(), |(venue, _)| venue.to_owned());
        let own = venue(instrument);
        let mut held: BTreeMap<&str, f64> = BTreeMap::new();
        let mut positions = self.tables.positions.iter().peekable();
        let mut rows = Vec::new();
        for account in self.tables.accounts.iter().filter(|row| *row.venue == *own) {
            let mut fresh: BTreeMap<&str, f64> = BTreeMap::new();
            while let Some(row) = positions.next_if(|row| row.time <= account.time) {
                if row.instrument.starts_with(own.as_str()) && venue(&row.instrument) == own {
                    *fresh.entry(&row.instrument).or_default() += row.exposure;
                }
            }
            held.extend(fresh);
            rows.push((account.equity, account.drawdown, held.values().map(|held| held.abs()).sum()));
        }
        rows
    }
}
