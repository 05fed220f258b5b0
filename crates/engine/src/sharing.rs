//! What part of its account a strategy sizes on, where it is not all of it.

use crate::budget::Budget;
use crate::together::Together;
use policy::facts::{self, Facts};
use policy::spec::{Allocation, Over};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Ratio, Timestamp};

/// How a strategy's capital is shared among its instruments. Instruments of equal `group` share it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sharing {
    /// The same for all instruments of one strategy.
    pub group: u32,
    /// Share of the account's equity that they size on together.
    pub capital: Ratio,
    /// Among which of them, and how.
    pub allocation: Allocation,
}

/// The instruments that share one capital.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Group {
    declared: u32,
    quoted: u32,
    signalled: u32,
    /// How they move together, where that decides what each has.
    together: Option<Box<Together>>,
    /// What their strategy's own drawdown leaves of the capital, where that decides how much there is.
    budget: Option<Box<Budget>>,
}

/// What an instrument counts for in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Member {
    /// Its place among them.
    at: u32,
    quoted: bool,
    signalled: bool,
}

impl Group {
    pub(crate) fn join(&mut self, sharing: &Sharing) -> Member {
        let Allocation { correlation, multiplier, drawdown, .. } = sharing.allocation;
        if let Some(terms) = drawdown {
            self.budget.get_or_insert_with(|| Box::new(Budget::new(terms, sharing.capital))).join();
        }
        if let Some(terms) = correlation {
            self.together.get_or_insert_with(|| Box::new(Together::new(terms, multiplier.get()))).join();
        }
        self.declared += 1;
        Member { at: self.declared - 1, ..Member::default() }
    }

    /// An input at this time.
    pub(crate) fn reach(&mut self, now: Timestamp) {
        if let Some(together) = &mut self.together {
            together.reach(now);
        }
        if let Some(budget) = &mut self.budget {
            budget.reach(now);
        }
    }

    /// Whether it wants to know what its instruments have earned.
    pub(crate) fn follows_results(&self) -> bool {
        self.budget.is_some()
    }

    /// What one of its instruments has earned so far, and what its strategy's drawdown was at the last midnight.
    pub(crate) fn earn(&mut self, member: Member, earned: Cash, facts: &mut Facts) {
        if let Some(budget) = &mut self.budget {
            budget.see(member.at as usize, earned, facts.get(facts::EQUITY));
            facts.set(facts::OWN_DRAWDOWN, budget.drawdown());
        }
    }

    /// Takes in what is known of a member now.
    #[inline]
    pub(crate) fn see(&mut self, member: &mut Member, over: Over, facts: &Facts) {
        let now = Member {
            at: member.at,
            quoted: facts.get(facts::PRICE).is_some(),
            signalled: facts.get(facts::SIGNAL).is_some_and(|signal| signal.get() != 0.0),
        };
        if now != *member {
            self.quoted = self.quoted + u32::from(now.quoted) - u32::from(member.quoted);
            self.signalled = self.signalled + u32::from(now.signalled) - u32::from(member.signalled);
            *member = now;
        }
        if let Some(together) = &mut self.together {
            let has_part = match over {
                Over::Declared => true,
                Over::Quoted => now.quoted,
                Over::Signalled => now.signalled,
            };
            let (price, prices) = (facts.get(facts::PRICE), facts.get(facts::PRICES).unwrap_or_default());
            together.see(now.at as usize, price, prices, has_part);
        }
    }

    /// The share of equity that one of its instruments sizes on.
    #[inline]
    pub(crate) fn share(&mut self, sharing: &Sharing, member: Member) -> Ratio {
        let left = self.budget.as_ref().map_or(1.0, |budget| budget.left());
        if let Some(together) = &mut self.together {
            return Ratio::new(sharing.capital.get() * left * together.share(member.at as usize)).unwrap_or_default();
        }
        let count = match sharing.allocation.over {
            Over::Declared => self.declared,
            Over::Quoted => self.quoted,
            Over::Signalled => self.signalled,
        };
        let share = sharing.allocation.share(sharing.capital, count as usize);
        if self.budget.is_some() { Ratio::new(share.get() * left).unwrap_or_default() } else { share }
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.u32(self.quoted);
        out.u32(self.signalled);
        if let Some(together) = &self.together {
            together.save(out);
        }
        if let Some(budget) = &self.budget {
            budget.save(out);
        }
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        (self.quoted, self.signalled) = (from.u32()?, from.u32()?);
        self.together.as_mut().map_or(Ok(()), |together| together.load(from))?;
        self.budget.as_mut().map_or(Ok(()), |budget| budget.load(from))
    }
}

impl Member {
    pub(crate) fn save(self, out: &mut StateWriter) {
        out.bool(self.quoted);
        out.bool(self.signalled);
    }

    pub(crate) fn load(self, from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { quoted: from.bool()?, signalled: from.bool()?, ..self })
    }
}
