//! Which parts of a book to give up, so that limits are kept at the least cost.
//!
//! Over a limit of expected shortfall, value at risk, leverage, margin or any other figure, a book is made smaller until each breached
//! figure is at its restore level. Every position may only be reduced, in steps of its lot. What is chosen has the least cost (half
//! spread, fees, impact, what unwinding its hedge costs) that does it, and stands beside a lower bound: no reduction in any lots, nor
//! in parts of lots, could have cost less than [`Plan::bound`].
//!
//! **How.** Expected shortfall is the largest of many weighted means of losses (Rockafellar and Uryasev, "Optimization of Conditional
//! Value-at-Risk", Journal of Risk 2, 2000), so that its tail at any book is a straight row that is never over it: a cut. Cuts are
//! gathered (Kelley, "The Cutting-Plane Method for Solving Convex Programs", SIAM Journal 8, 1960) until the least cost under them
//! keeps the limits; weak duality of the last rows is the bound. Then lots are rounded up, repaired, given back while every limit
//! holds, and exchanged in pairs; each limit is evaluated in full at every place that is considered. Value at risk and given figures,
//! which are not convex, are planned through expected shortfall and through straight lines, and verified as they are: the bound is of
//! the other limits alone, which is lower and stays true.

mod book;
mod lots;
mod master;
mod relaxed;
mod solver;

pub use solver::Solver;

use crate::tail::TailError;

/// What it costs to give up a unit of a position, in money. The whole is (half spread + fee + hedge) × amount + impact × amount².
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    /// Half of the spread, a unit.
    pub half_spread: f64,
    /// Fees, a unit.
    pub fee: f64,
    /// What it costs to unwind the hedge of a unit, where it has one of its own.
    pub hedge: f64,
    /// By how much the price of the last unit is worse for each unit sold, halved: money a unit².
    pub impact: f64,
}

impl Cost {
    /// Of an amount.
    #[must_use]
    pub fn of(&self, amount: f64) -> f64 {
        amount * (self.unit() + self.impact * amount)
    }

    /// Of the next small part behind an amount, a unit.
    #[must_use]
    pub fn marginal(&self, amount: f64) -> f64 {
        self.unit() + 2.0 * self.impact * amount
    }

    fn unit(&self) -> f64 {
        self.half_spread + self.fee + self.hedge
    }
}

/// A position that may be reduced.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Position {
    /// What is held, without its sign: contracts or coins. Zero is allowed.
    pub held: f64,
    /// The step of orders.
    pub lot: f64,
    /// The smallest order: none is smaller, and a reduction that would leave less closes all.
    pub fewest: f64,
    /// What a unit costs to give up.
    pub cost: Cost,
}

/// Profits by scenario. Several, where figures are of several horizons.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Of all that each position holds, in full: the scenarios of the first position, then those of the second.
    pub profits: &'a [f64],
    /// Of whatever cannot be reduced; empty for nothing.
    pub rest: &'a [f64],
    /// How many scenarios.
    pub scenarios: usize,
}

/// What is limited. More of it is more risk.
#[derive(Clone, Copy)]
pub enum Figure<'a> {
    /// Expected shortfall of a sample, as [`crate::tail::Tail`] has it.
    ExpectedShortfall {
        /// Which of the samples.
        sample: usize,
        /// Between zero and one.
        confidence: f64,
    },
    /// Value at risk of a sample, as [`crate::tail::Tail`] has it.
    ValueAtRisk {
        /// Which of the samples.
        sample: usize,
        /// Between zero and one.
        confidence: f64,
    },
    /// A weight for each unit that is kept, and what there is besides: leverage, margin as a share of equity, concentration.
    Linear {
        /// One a position, a unit.
        weights: &'a [f64],
        /// Of whatever cannot be reduced.
        rest: f64,
    },
    /// Any function of the quantities kept, in the order of the positions: one over a liquidation distance, a venue's margin. It is asked
    /// some hundreds of times.
    Given(&'a dyn Fn(&[f64]) -> f64),
}

/// A limit of a figure.
#[derive(Clone, Copy)]
pub struct Limit<'a> {
    /// Of what.
    pub figure: Figure<'a>,
    /// Over it, the book is reduced.
    pub limit: f64,
    /// Where it is reduced to: at most the limit.
    pub restore: f64,
}

/// How a plan ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// No limit is breached: nothing is given up.
    #[default]
    Within,
    /// Every breached figure is at its restore level or under it.
    Restored,
    /// No reduction that was found gets there: the plan is the best one reachable, [`Level::missed`] by how much it misses.
    Missed,
}

/// What becomes of a position, and why.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cut {
    /// What is given up.
    pub amount: f64,
    /// What is kept.
    pub kept: f64,
    /// What giving it up costs.
    pub cost: f64,
    /// By how much the leading figure ([`Plan::leading`]) falls for a unit of money spent on this position, at the book as it was.
    /// Under zero: it hedges the others. Infinite: it costs nothing to give up.
    pub relief_before: f64,
    /// The same at the book as it is planned.
    pub relief_after: f64,
    /// Relief of all limits together, weighted by what the last unit of each costs, for a unit of money: over one is worth its cost,
    /// one is what was given up in part, under one is not worth it. Of the plan without lots.
    pub worth: f64,
    /// Of those that are not given up in full, the one with the most relief after this one: what the next unit of this position would
    /// have been exchanged for.
    pub instead: Option<usize>,
}

/// A limit before and after.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Level {
    /// The figure of the book as it was.
    pub before: f64,
    /// The figure of the book as it is planned.
    pub after: f64,
    /// What it had to come to: the restore level if the limit was breached; else the restore level or what it was, whichever is more,
    /// so that mending one limit breaks no other.
    pub target: f64,
    /// Whether the limit was breached.
    pub breached: bool,
    /// By how much `after` is over the target; zero where it is not.
    pub missed: f64,
    /// What a unit less of the figure would cost more, at the plan without lots. Zero: it did not decide.
    pub price: f64,
}

/// A reduction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// How it ended.
    pub outcome: Outcome,
    /// What the reduction costs.
    pub cost: f64,
    /// No reduction that keeps the limits costs less. Where they cannot be kept: none that misses them by no more.
    pub bound: f64,
    /// What the reduction would cost if there were no lots.
    pub without_lots: f64,
    /// What it would cost to give up the same share of everything; `None` where no share gets there.
    pub of_all_alike: Option<f64>,
    /// The limit that decided: the breached one whose price × distance is the most.
    pub leading: Option<usize>,
    /// One a position.
    pub cuts: Vec<Cut>,
    /// One a limit.
    pub levels: Vec<Level>,
    /// Rounds of cuts.
    pub rounds: usize,
}

impl Plan {
    /// By how much a better reduction could at most be cheaper, in money.
    #[must_use]
    pub fn gap(&self) -> f64 {
        (self.cost - self.bound).max(0.0)
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReductionError {
    /// A number of a position is outside what it may be.
    Position {
        /// Which one, from zero.
        position: usize,
        /// Which number.
        name: &'static str,
        /// What it is.
        value: f64,
    },
    /// A number of a limit is outside what it may be: no number, or a restore level over the limit.
    Limit {
        /// Which one, from zero.
        limit: usize,
        /// Which number.
        name: &'static str,
        /// What it is.
        value: f64,
    },
    /// So many numbers are there where so many are needed.
    Count {
        /// Of what.
        name: &'static str,
        /// So many there are.
        found: usize,
        /// So many are needed.
        needed: usize,
    },
    /// A sample has no such tail.
    Tail {
        /// Of which limit.
        limit: usize,
        /// Why.
        why: TailError,
    },
}

impl std::fmt::Display for ReductionError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Position { position, name, value } => {
                write!(
                    out,
                    "position {}: {name} is {value}, and must be a number, 0 or more (a lot over 0)",
                    position + 1
                )
            }
            Self::Limit { limit, name, value } => {
                write!(
                    out,
                    "limit {}: {name} is {value}, and must be a number, the restore level at most the limit",
                    limit + 1
                )
            }
            Self::Count { name, found, needed } => write!(out, "there are {found} {name}, and {needed} are needed"),
            Self::Tail { limit, why } => write!(out, "limit {}: {why}", limit + 1),
        }
    }
}

impl std::error::Error for ReductionError {}
