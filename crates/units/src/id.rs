//! Ids: one type each, so that two cannot be swapped.

use std::fmt;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $repr:ty) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $repr);

        impl $name {
            /// The position in the list of its kind.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id! {
    /// An instrument: its position in the run's catalogue.
    InstrumentId, u32
}
id! {
    /// An account: its position in the portfolio.
    AccountId, u32
}
id! {
    /// A strategy: its position in the engine.
    StrategyId, u32
}
id! {
    /// A recorded series (a volatility index, a signal): its position in the run's catalogue.
    SeriesId, u32
}
id! {
    /// A plan: counts recorded decisions from 1.
    PlanId, u64
}
id! {
    /// A client order id, derived from the plan that ordered it: sending twice is recognised.
    OrderId, u64
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

impl OrderId {
    /// Orders that one plan can give.
    pub const PER_PLAN: u64 = 256;

    /// The `index`-th order of a plan (`index` under [`Self::PER_PLAN`]).
    #[must_use]
    pub const fn of(plan: PlanId, index: u8) -> Self {
        Self(plan.0 * Self::PER_PLAN + index as u64)
    }

    /// The plan that ordered it.
    #[must_use]
    pub const fn plan(self) -> PlanId {
        PlanId(self.0 / Self::PER_PLAN)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}-{}", self.0 / Self::PER_PLAN, self.0 % Self::PER_PLAN)
    }
}
