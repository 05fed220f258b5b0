//! What part of its account a strategy sizes on, where it is not all of it.

use policy::facts::{self, Facts};
use policy::spec::{Allocation, Over};
use units::Ratio;
use units::state::{Corrupt, StateReader, StateWriter};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Group {
    declared: u32,
    quoted: u32,
    signalled: u32,
}

/// What an instrument counts for in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Member {
    quoted: bool,
    signalled: bool,
}

impl Group {
    pub(crate) fn join(&mut self) {
        self.declared += 1;
    }

    /// Takes in what is known of a member now.
    #[inline]
    pub(crate) fn see(&mut self, member: &mut Member, facts: &Facts) {
        let now = Member {
            quoted: facts.get(facts::PRICE).is_some(),
            signalled: facts.get(facts::SIGNAL).is_some_and(|signal| signal.get() != 0.0),
        };
        if now != *member {
            self.quoted = self.quoted + u32::from(now.quoted) - u32::from(member.quoted);
            self.signalled = self.signalled + u32::from(now.signalled) - u32::from(member.signalled);
            *member = now;
        }
    }

    /// The share of equity that each of its instruments sizes on.
    #[inline]
    pub(crate) fn share(&self, sharing: &Sharing) -> Ratio {
        let count = match sharing.allocation.over {
            Over::Declared => self.declared,
            Over::Quoted => self.quoted,
            Over::Signalled => self.signalled,
        };
        sharing.allocation.share(sharing.capital, count as usize)
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.u32(self.quoted);
        out.u32(self.signalled);
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        (self.quoted, self.signalled) = (from.u32()?, from.u32()?);
        Ok(())
    }
}

impl Member {
    pub(crate) fn save(self, out: &mut StateWriter) {
        out.bool(self.quoted);
        out.bool(self.signalled);
    }

    pub(crate) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { quoted: from.bool()?, signalled: from.bool()? })
    }
}
