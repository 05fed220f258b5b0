//! What comes out: plans with their reasons, commands, notices.

use crate::{CampaignRecord, RiskRefusal};
use arrayvec::ArrayVec;
use market::{Command, Fill, RejectReason};
use policy::{Add, EXITS_MAX, Exit, STEPS_MAX, Step, Target};
use std::fmt;
use std::sync::Arc;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, InstrumentId, OrderId, PlanId, Price, Qty, Ratio, SeriesId, StrategyId, Timestamp};

/// The `rule` of steps that the engine itself records: what the market did to resting orders.
pub const ENGINE_RULE: u8 = u8::MAX;

/// What follows from an input, in order: a plan, then its commands; notices.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A decision whose outcome changed. Shared, because it is large; the engine uses the memory again once it is let go.
    Plan(Arc<Plan>),
    /// An order to send, change or take back, and what it is for.
    Command {
        /// What to do.
        command: Command,
        /// What the order is for.
        purpose: Purpose,
        /// Which strategy wants it.
        strategy: StrategyId,
    },
    /// Something worth telling.
    Notice(Notice),
}

/// A complete and immutable decision: what is wanted and which rule made it so.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Counts recorded plans.
    pub id: PlanId,
    /// The input that it was decided on, counted from 1.
    pub input: u64,
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub strategy: StrategyId,
    /// In which instrument.
    pub instrument: InstrumentId,
    /// Price at the decision.
    pub price: Price,
    /// Equity at the decision.
    pub equity: Cash,
    /// Signed quantity held at the decision.
    pub position: Qty,
    /// What is wanted.
    pub target: Target,
    /// The steps that made it.
    pub steps: ArrayVec<Step, STEPS_MAX>,
    /// Behind the sentences of steps, by their place: what they were made from, such as the comparison of a condition that failed.
    pub details: Vec<(u8, String)>,
    /// The add that rests at the venue.
    pub add: Option<Add>,
    /// The exits that rest at the venue, are watched, or go out now.
    pub exits: ArrayVec<Exit, EXITS_MAX>,
    /// Facts of risk that its rules read and that were not known, and why; mostly none.
    pub unknown: Vec<(SeriesId, RiskRefusal)>,
    /// Of a hedge that knew its delta: what it decided from. What crosses inside the book afterwards changes that at once.
    pub hedged: Option<HedgeView>,
}

/// What a hedge sees when it decides, in coins.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HedgeView {
    /// The delta of what it hedges.
    pub delta: Qty,
    /// Σ |delta| of it.
    pub gross: Qty,
    /// Its gamma, unsigned, in coins for a dollar.
    pub gamma: Ratio,
    /// What it holds in its own instrument.
    pub position: Qty,
    /// What it has ordered there before.
    pub on_the_way: Qty,
}

/// What an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Opens a campaign with its first unit.
    Entry,
    /// Follows a continuous size.
    Resize,
    /// Adds a unit; the first is 1.
    Add {
        /// Which.
        unit: u32,
    },
    /// Takes a part off at a rung; the first is 0.
    Rung {
        /// Which.
        index: u8,
    },
    /// The protective stop.
    Stop,
    /// Closes because the signal ended or turned.
    Exit,
    /// Reduces because a limit binds.
    Cut,
    /// The venue's own forced close.
    Liquidation,
    /// The contract expired and was settled in cash.
    Settlement,
    /// A position that was there before is taken over.
    Opening,
    /// Replaces the legs of a structure of options by later ones.
    Roll,
    /// Brings delta back into the band of a hedge.
    Hedge,
}

impl Purpose {
    /// Whether its fill is a reduction that the policy wanted (not a cut by a limit).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Resize => "resize",
            Self::Add { .. } => "add",
            Self::Rung { .. } => "rung",
            Self::Stop => "stop",
            Self::Exit => "exit",
            Self::Cut => "cut",
            Self::Liquidation => "liquidation",
            Self::Settlement => "settlement",
            Self::Opening => "opening",
            Self::Roll => "roll",
            Self::Hedge => "hedge",
        }
    }

    /// Writes every field.
    pub(crate) fn save(self, out: &mut StateWriter) {
        let (kind, number) = match self {
            Self::Entry => (0, 0),
            Self::Resize => (1, 0),
            Self::Add { unit } => (2, unit),
            Self::Rung { index } => (3, u32::from(index)),
            Self::Stop => (4, 0),
            Self::Exit => (5, 0),
            Self::Cut => (6, 0),
            Self::Liquidation => (7, 0),
            Self::Settlement => (8, 0),
            Self::Opening => (9, 0),
            Self::Roll => (10, 0),
            Self::Hedge => (11, 0),
        };
        out.u8(kind);
        out.u32(number);
    }
}

impl Purpose {
    pub(crate) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (kind, number) = (from.u8()?, from.u32()?);
        Ok(match kind {
            0 => Self::Entry,
            1 => Self::Resize,
            2 => Self::Add { unit: number },
            3 => Self::Rung { index: number as u8 },
            4 => Self::Stop,
            5 => Self::Exit,
            6 => Self::Cut,
            7 => Self::Liquidation,
            8 => Self::Settlement,
            9 => Self::Opening,
            10 => Self::Roll,
            11 => Self::Hedge,
            _ => return Err(Corrupt { at: 0, what: "no purpose of an order" }),
        })
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { unit } => write!(f, "add {unit}"),
            Self::Rung { index } => write!(f, "rung {}", index + 1),
            other => f.pad(other.name()),
        }
    }
}

/// Something worth telling beside plans and commands.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A fill of one of the strategy's orders.
    Filled {
        /// Whose.
        strategy: StrategyId,
        /// Which order.
        order: OrderId,
        /// What it was for.
        purpose: Purpose,
        /// The campaign that it belongs to.
        campaign: u64,
        /// The fill.
        fill: Fill,
    },
    /// A campaign ended.
    CampaignClosed(CampaignRecord),
    /// The venue refused an order.
    Rejected {
        /// Which order.
        order: OrderId,
        /// What it was for.
        purpose: Purpose,
        /// Why.
        reason: RejectReason,
    },
    /// An execution of a leg of a structure. The structure's own fill is told once all of its legs have one.
    Leg {
        /// Whose.
        strategy: StrategyId,
        /// Which order of the leg; the venue's own where it settled or liquidated.
        order: OrderId,
        /// What it was for.
        purpose: Purpose,
        /// The campaign that is open; `None`: it begins with the structure's fill.
        campaign: Option<u64>,
        /// The fill, for this strategy.
        fill: Fill,
    },
    /// The legs of a structure were replaced, and its campaign goes on.
    Rolled {
        /// Whose.
        strategy: StrategyId,
        /// Which campaign.
        campaign: u64,
        /// By how much the structure's price is another: so far entry, stop and rungs moved.
        moved: Price,
        /// What the way from the reference prices to those of the fills cost. It is in the campaign's profit.
        spread: Cash,
        /// Fees. They are in the campaign's.
        fee: Cash,
    },
    /// Legs were traded, and traded back because others could not be.
    Unwound {
        /// Whose.
        strategy: StrategyId,
        /// The campaign that bears it; `None`: there is none.
        campaign: Option<u64>,
        /// What it cost before fees.
        cost: Cash,
        /// Fees.
        fee: Cash,
    },
}

impl Output {
    /// Writes every field, for a hash chain or a journal.
    pub fn save(&self, out: &mut StateWriter) {
        match self {
            Self::Plan(plan) => {
                out.u8(0);
                plan.save(out);
            }
            Self::Command { command, purpose, strategy } => {
                out.u8(1);
                command.save(out);
                purpose.save(out);
                out.u32(strategy.0);
            }
            Self::Notice(Notice::Filled { strategy, order, purpose, campaign, fill }) => {
                out.u8(2);
                out.u32(strategy.0);
                out.u64(order.0);
                purpose.save(out);
                out.u64(*campaign);
                fill.save(out);
            }
            Self::Notice(Notice::CampaignClosed(record)) => {
                out.u8(3);
                record.save(out);
            }
            Self::Notice(Notice::Rejected { order, purpose, reason }) => {
                out.u8(4);
                out.u64(order.0);
                purpose.save(out);
                out.u8(*reason as u8);
            }
            Self::Notice(Notice::Leg { strategy, order, purpose, campaign, fill }) => {
                out.u8(5);
                out.u32(strategy.0);
                out.u64(order.0);
                purpose.save(out);
                out.option(*campaign, StateWriter::u64);
                fill.save(out);
            }
            Self::Notice(Notice::Rolled { strategy, campaign, moved, spread, fee }) => {
                out.u8(6);
                out.u32(strategy.0);
                out.u64(*campaign);
                out.i64(moved.raw());
                out.i128(spread.raw());
                out.i128(fee.raw());
            }
            Self::Notice(Notice::Unwound { strategy, campaign, cost, fee }) => {
                out.u8(7);
                out.u32(strategy.0);
                out.option(*campaign, StateWriter::u64);
                out.i128(cost.raw());
                out.i128(fee.raw());
            }
        }
    }
}

impl Plan {
    /// Why a step is what it is: its sentence, and behind a colon what that was made from. Empty where there is no such step.
    #[must_use]
    pub fn because(&self, step: usize) -> String {
        let sentence = self.steps.get(step).map_or_else(String::new, |step| step.reason.to_string());
        match self.details.iter().find(|(of, _)| usize::from(*of) == step) {
            Some((_, detail)) => format!("{sentence}: {detail}"),
            None => sentence,
        }
    }

    fn save(&self, out: &mut StateWriter) {
        out.u64(self.id.0);
        out.u64(self.input);
        out.i64(self.at.nanos());
        out.u32(self.strategy.0);
        out.u32(self.instrument.0);
        out.i64(self.price.raw());
        out.i128(self.equity.raw());
        out.i64(self.position.raw());
        out.i64(self.target.base.raw());
        out.i64(self.target.qty.raw());
        out.option(self.add, |out, add| {
            out.i64(add.trigger.raw());
            out.i64(add.at.raw());
            out.option(add.limit, |out, limit| out.i64(limit.raw()));
            out.option(add.chase, |out, chase| out.i64(chase.raw()));
            out.i64(add.qty.raw());
            out.i64(add.whole.raw());
            out.i64(add.rest.raw());
            out.u32(add.unit);
        });
        out.len(self.steps.len());
        for (index, step) in self.steps.iter().enumerate() {
            out.u8(step.rule);
            out.u8(step.outcome as u8);
            out.i64(step.before.raw());
            out.i64(step.after.raw());
            out.bytes(self.because(index).as_bytes());
        }
        out.len(self.exits.len());
        for exit in &self.exits {
            save_exit(exit, out);
        }
        for (series, refusal) in &self.unknown {
            out.u32(series.0);
            out.bytes(refusal.reason().as_bytes());
        }
    }
}

fn save_exit(exit: &Exit, out: &mut StateWriter) {
    match *exit {
        Exit::Stop { trigger } => {
            out.u8(0);
            out.i64(trigger.raw());
        }
        Exit::Rung { index, price, qty } => {
            out.u8(1);
            out.u8(index);
            out.i64(price.raw());
            out.i64(qty.raw());
        }
        Exit::WatchedStop { trigger } => {
            out.u8(2);
            out.i64(trigger.raw());
        }
        Exit::WatchedRung { index, price, qty } => {
            out.u8(3);
            out.u8(index);
            out.i64(price.raw());
            out.i64(qty.raw());
        }
        Exit::Take { index, qty } => {
            out.u8(4);
            out.u8(index);
            out.i64(qty.raw());
        }
    }
}
