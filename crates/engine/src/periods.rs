//! Equity when the UTC day and week began, and the money moved since the beginning.

use crate::book::with_money;
use policy::facts::{self, Facts};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Duration, Timestamp};

/// Where the account stood when the day and the week began, net of deposits and withdrawals since.
#[derive(Debug, Clone, Default)]
pub(crate) struct Periods {
    day: Start,
    week: Start,
    deposits: Cash,
    /// Equity after the input before.
    last: Cash,
    /// Counts changes, so that facts are set only after one.
    pub(crate) version: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Start {
    at: Timestamp,
    equity: Cash,
}

const WEEK: Duration = Duration::from_nanos(7 * Duration::DAY.nanos());
/// 1970-01-01 was a Thursday: weeks that begin on a Monday begin four days later.
const MONDAY: Duration = Duration::from_nanos(4 * Duration::DAY.nanos());

impl Periods {
    /// Money was paid in or out: no profit, no loss.
    pub(crate) fn deposit(&mut self, amount: Cash, before: Cash) {
        self.deposits += amount;
        for start in [&mut self.day, &mut self.week] {
            start.equity = with_money(start.equity, amount, before);
        }
        self.last += amount;
        self.version = self.version.wrapping_add(1);
    }

    /// An input was taken in. At the very boundary a period begins with the equity after it, later with the one before it:
    /// a move over the boundary belongs to the new period.
    #[inline]
    pub(crate) fn reach(&mut self, now: Timestamp, equity: Cash) {
        // A period has begun when its end was passed, or while time stands at its begin.
        if now >= self.day.at + Duration::DAY || now == self.day.at {
            self.begin(now, equity);
        }
        self.last = equity;
    }

    #[cold]
    fn begin(&mut self, now: Timestamp, equity: Cash) {
        let starts = [(&mut self.day, now.floor(Duration::DAY)), (&mut self.week, (now - MONDAY).floor(WEEK) + MONDAY)];
        for (start, at) in starts {
            if at != start.at || now == at {
                *start = Start { at, equity: if now == at { equity } else { self.last } };
            }
        }
        self.version = self.version.wrapping_add(1);
    }

    /// Sets the facts, each amount as `settled` translates it.
    pub(crate) fn publish(&self, settled: impl Fn(Cash) -> Cash, facts: &mut Facts) {
        facts.set(facts::DEPOSITS, settled(self.deposits));
        facts.set(facts::DAY_START, settled(self.day.equity));
        facts.set(facts::WEEK_START, settled(self.week.equity));
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        for start in [self.day, self.week] {
            out.i64(start.at.nanos());
            out.i128(start.equity.raw());
        }
        out.i128(self.deposits.raw());
        out.i128(self.last.raw());
        out.u32(self.version);
    }

    pub(crate) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let mut start = || Ok(Start { at: Timestamp::from_nanos(from.i64()?), equity: Cash::from_raw(from.i128()?) });
        let (day, week) = (start()?, start()?);
        let (deposits, last) = (Cash::from_raw(from.i128()?), Cash::from_raw(from.i128()?));
        Ok(Self { day, week, deposits, last, version: from.u32()? })
    }
}
