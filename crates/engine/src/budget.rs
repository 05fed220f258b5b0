//! What a strategy has made of its capital, day by day, and what it has of that while it is down.
//!
//! At each midnight UTC its result since the last one, over the capital that it had then, goes into an index of its own. Deposits, other
//! strategies and the capital that it was not given change nothing in it. How far the index is under its highest decides what part of
//! the capital there is: Grossman and Zhou's cushion ([`DrawdownBudget::left`]), with the highest of a window as Yang and Zhong have it
//! ("Optimal Portfolio Strategy to Control Maximum Drawdown", 2012), so that a strategy that was given nothing begins again one day.

use policy::spec::DrawdownBudget;
use std::collections::VecDeque;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Duration, Ratio, Timestamp};

/// A strategy's index and its highest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Budget {
    terms: DrawdownBudget,
    /// Share of the account's equity that is the whole capital.
    capital: f64,
    /// The midnight that is due next; `None` before the first input.
    next: Option<Timestamp>,
    /// By instrument.
    members: Vec<Made>,
    index: f64,
    /// Days that may be the highest yet, the oldest and highest first; without a window only the highest.
    highest: VecDeque<(Timestamp, f64)>,
}

/// What an instrument brought, in its settlement currency.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Made {
    /// All that it earned so far, with what is open at the last price.
    earned: Cash,
    /// That at the last midnight.
    before: Cash,
    /// Equity of the account, and that at the last midnight.
    equity: Cash,
    equity_before: Cash,
}

impl Budget {
    pub(crate) fn new(terms: DrawdownBudget, capital: Ratio) -> Self {
        let (members, highest) = (Vec::new(), VecDeque::new());
        Self { terms, capital: capital.get(), next: None, members, index: 1.0, highest }
    }

    pub(crate) fn join(&mut self) {
        self.members.push(Made::default());
    }

    /// An input at this time: days that ended before it count. One at midnight belongs to the day before.
    pub(crate) fn reach(&mut self, now: Timestamp) {
        let Some(due) = self.next else {
            let begun = now.floor(Duration::DAY);
            self.highest.push_back((begun, self.index));
            self.next = Some(begun + Duration::DAY);
            return;
        };
        if now <= due {
            return;
        }
        self.mark(due);
        // Nothing was told between: the days that were skipped brought nothing.
        let begun = (now - Duration::from_nanos(1)).floor(Duration::DAY);
        self.next = Some(begun + Duration::DAY);
    }

    #[cold]
    fn mark(&mut self, at: Timestamp) {
        let mut made = 0.0;
        for member in &mut self.members {
            let capital = member.equity_before.approximate() * self.capital;
            if capital > 0.0 {
                made += (member.earned - member.before).approximate() / capital;
            }
            (member.before, member.equity_before) = (member.earned, member.equity);
        }
        self.index *= (1.0 + made).max(0.0);
        if let Some(window) = self.terms.window {
            while self.highest.front().is_some_and(|(day, _)| at.since(*day) > window) {
                self.highest.pop_front();
            }
        }
        while self.highest.back().is_some_and(|(_, index)| *index <= self.index) {
            self.highest.pop_back();
        }
        if self.terms.window.is_some() || self.highest.is_empty() {
            self.highest.push_back((at, self.index));
        }
    }

    /// What is known of an instrument now. The first capital is that of its first equity.
    pub(crate) fn see(&mut self, member: usize, earned: Cash, equity: Option<Cash>) {
        let Some(equity) = equity else { return };
        let made = &mut self.members[member];
        (made.earned, made.equity) = (earned, equity);
        if made.equity_before.is_zero() {
            made.equity_before = equity;
        }
    }

    /// How far it is down from its highest.
    pub(crate) fn drawdown(&self) -> Ratio {
        let highest = self.highest.front().map_or(self.index, |(_, index)| *index);
        // What lost all its capital has no highest that it could come back to.
        let down = if highest > 0.0 { 1.0 - self.index / highest } else { 1.0 };
        Ratio::new(down).unwrap_or_default()
    }

    /// What part of the capital it has.
    pub(crate) fn left(&self) -> f64 {
        self.terms.left(self.drawdown().get())
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.option(self.next, |out, next| out.i64(next.nanos()));
        for made in &self.members {
            for cash in [made.earned, made.before, made.equity, made.equity_before] {
                out.i128(cash.raw());
            }
        }
        out.f64(self.index);
        out.len(self.highest.len());
        for (day, index) in &self.highest {
            out.i64(day.nanos());
            out.f64(*index);
        }
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.next = from.option(|from| Ok(Timestamp::from_nanos(from.i64()?)))?;
        for made in &mut self.members {
            for cash in [&mut made.earned, &mut made.before, &mut made.equity, &mut made.equity_before] {
                *cash = Cash::from_raw(from.i128()?);
            }
        }
        self.index = from.f64()?;
        let count = from.len()?;
        self.highest =
            (0..count).map(|_| Ok((Timestamp::from_nanos(from.i64()?), from.f64()?))).collect::<Result<_, _>>()?;
        Ok(())
    }
}
