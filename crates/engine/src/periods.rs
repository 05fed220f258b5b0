//! Equity when the UTC day and week began, the money moved since the beginning, and the returns of days where something reads them.

use crate::book::with_money;
use policy::facts::{self, Facts};
use std::collections::VecDeque;
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
    /// Counts changes, those of the account's highest equity among them, so that facts are set only after one.
    pub(crate) version: u32,
    returns: Option<Box<DayReturns>>,
}

/// Days whose returns are kept.
const KEPT: usize = 365;

/// Returns of whole days, from midnight to midnight, the oldest first; across a hole in the market, one. Money moved is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct DayReturns {
    days: VecDeque<f64>,
    /// Where the last of them began.
    before: Cash,
    /// Counts changes.
    pub(crate) version: u32,
}

impl DayReturns {
    /// A day that began at `before` has ended at `after`.
    fn close(&mut self, before: Cash, after: Cash) {
        if before.signum() > 0 {
            if self.days.len() == KEPT {
                self.days.pop_front();
            }
            self.days.push_back(0.0);
        }
        self.before = before;
        self.end(after);
    }

    /// The end of the last day, which more inputs of that very moment move.
    fn end(&mut self, after: Cash) {
        if self.before.signum() > 0
            && let Some(last) = self.days.back_mut()
        {
            *last = after.approximate() / self.before.approximate() - 1.0;
        }
        self.version = self.version.wrapping_add(1);
    }

    /// The last days, at most so many.
    pub(crate) fn last(&self, most: usize) -> Vec<f64> {
        self.days.range(self.days.len().saturating_sub(most)..).copied().collect()
    }

    fn save(&self, out: &mut StateWriter) {
        out.i128(self.before.raw());
        out.len(self.days.len());
        self.days.iter().for_each(|day| out.f64(*day));
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.before = Cash::from_raw(from.i128()?);
        self.days = (0..from.len()?).map(|_| from.f64()).collect::<Result<_, _>>()?;
        self.version = self.version.wrapping_add(1);
        Ok(())
    }
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
        if let Some(returns) = self.returns.as_deref_mut().filter(|returns| returns.before.signum() > 0) {
            returns.before = with_money(returns.before, amount, before);
        }
        self.last += amount;
        self.version = self.version.wrapping_add(1);
    }

    /// An input was taken in. At the very boundary a period begins with the equity after it, later with the one before it:
    /// a move over the boundary belongs to the new period. What the venue tells at the boundary before the market does, such as fills
    /// within the bar that ends there, belongs to the period that ends, and begins none: its last price is not told yet.
    #[inline]
    pub(crate) fn reach(&mut self, now: Timestamp, equity: Cash, of_market: bool) {
        // A period has begun when its end was passed, or while time stands at its begin.
        const WITHIN: u64 = Duration::DAY.nanos() as u64 - 1;
        let into = now.nanos().wrapping_sub(self.day.at.nanos());
        // What lies within it, from one nanosecond on, in one comparison.
        if into.wrapping_sub(1) as u64 >= WITHIN {
            self.begin(now, equity, of_market);
        }
        self.last = equity;
    }

    /// The account's highest equity is another.
    pub(crate) fn on_highest(&mut self) {
        self.version = self.version.wrapping_add(1);
    }

    /// Equity after the last input.
    pub(crate) fn last(&self) -> Cash {
        self.last
    }

    /// Something reads the returns of days: they are kept from now on.
    pub(crate) fn keep_returns(&mut self) {
        self.returns.get_or_insert_default();
    }

    pub(crate) fn returns(&self) -> Option<&DayReturns> {
        self.returns.as_deref()
    }

    #[cold]
    fn begin(&mut self, now: Timestamp, equity: Cash, of_market: bool) {
        if !of_market && now != self.day.at && now == now.floor(Duration::DAY) {
            return;
        }
        let was = self.day;
        let starts = [(&mut self.day, now.floor(Duration::DAY)), (&mut self.week, (now - MONDAY).floor(WEEK) + MONDAY)];
        for (start, at) in starts {
            if at != start.at || now == at {
                *start = Start { at, equity: if now == at { equity } else { self.last } };
            }
        }
        if let Some(returns) = &mut self.returns {
            if self.day.at == was.at {
                returns.end(self.day.equity)
            } else {
                // Before the first input there was no day, only money paid in.
                let before = if was.at == Timestamp::default() { Cash::ZERO } else { was.equity };
                returns.close(before, self.day.equity)
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
        if let Some(returns) = &self.returns {
            returns.save(out);
        }
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        for start in [&mut self.day, &mut self.week] {
            *start = Start { at: Timestamp::from_nanos(from.i64()?), equity: Cash::from_raw(from.i128()?) };
        }
        self.deposits = Cash::from_raw(from.i128()?);
        self.last = Cash::from_raw(from.i128()?);
        self.version = from.u32()?;
        self.returns.as_deref_mut().map_or(Ok(()), |returns| returns.load(from))
    }
}
