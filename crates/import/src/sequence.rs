//! The order of rows: duplicates, conflicts, overlaps, gaps.

use crate::Repair;
use crate::ledger::{Ledger, Problem};
use units::{Duration, Timestamp};

/// A row on its way to the tape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row<T> {
    /// Its place in the source.
    pub(crate) number: u64,
    /// What orders it: a bar's open, a funding's due time, a series' label.
    pub(crate) at: Timestamp,
    /// The time as recorded.
    pub(crate) venue: Timestamp,
    /// The step from the row before it, where it says so itself.
    pub(crate) every: Option<Duration>,
    pub(crate) content: T,
}

/// Holds one row back until the next one shows that it has no duplicate.
pub(crate) struct Sequence<T> {
    interval: Option<Duration>,
    /// How long a row lasts; nothing may begin within it. Zero for instants.
    width: Duration,
    held: Option<Row<T>>,
}

impl<T: Copy + PartialEq> Sequence<T> {
    pub(crate) fn new(interval: Option<Duration>, width: Duration) -> Self {
        Self { interval, width, held: None }
    }

    /// Takes a row; gives back the one before it once that is settled.
    pub(crate) fn offer(&mut self, row: Row<T>, ledger: &mut Ledger) -> Option<Row<T>> {
        let Some(held) = self.held else {
            self.held = Some(row);
            return None;
        };
        if row.at < held.at {
            ledger.refuse(Problem::Backwards, row.number, || format!("{} after {}", row.at, held.at));
            return None;
        }
        if row.at == held.at {
            self.same_time(held, row, ledger);
            return None;
        }
        if row.at < held.at + self.width {
            ledger.refuse(Problem::Overlap, row.number, || format!("{} after {}", row.at, held.at));
            return None;
        }
        if let Some(interval) = row.every.or(self.interval) {
            ledger.step(held.at, row.at, interval, self.width);
        }
        self.held.replace(row)
    }

    /// The last row.
    pub(crate) fn finish(&mut self) -> Option<Row<T>> {
        self.held.take()
    }

    fn same_time(&mut self, held: Row<T>, row: Row<T>, ledger: &mut Ledger) {
        if row.content == held.content {
            ledger.duplicates += 1;
        } else if ledger.repair(Repair::KeepLast) {
            self.held = Some(row);
        } else if !ledger.repair(Repair::KeepFirst) {
            ledger.refuse(Problem::Conflict, row.number, || format!("{} again", row.at));
        }
    }
}
