//! Tapes through the driver, twins, run folders and reports.

pub mod audit;
mod bars;
pub mod bet;
pub mod chance;
pub mod demo;
mod derived;
mod error;
mod explain;
mod feed;
mod folder;
mod greeks;
mod ledger;
mod losses;
pub mod metrics;
mod money;
mod next;
pub mod objectives;
mod parallel;
mod plan;
mod policies;
pub mod portfolio;
mod record;
pub mod records;
pub mod report;
pub mod ruin;
mod run;
mod setup;
mod summary;
pub mod surface;
pub mod sweep;
pub mod table;
mod variants;
mod verify;
mod world;

pub use error::Error;
pub use explain::{Explanation, OrderView, PlanView, StateView, StepView};
pub use folder::{check_free, check_free_sweep, keep_replay, open};
pub use next::{Action, HedgeView, Leg, Next, Question, Stopped, Trigger, WhatIf, WhatIfFill, next_of_state};
pub use parallel::{Share, cores};
pub use plan::{PlanAnswer, plan};
pub use policies::parse;
pub use run::{
    GapStamp, Paid, PolicyFile, QuietStamp, Request, Run, RunRecord, Strategy, TapeStamp, Triggers, UnknownStamp, run,
};
use units::Timestamp;
pub use variants::{VariantPath, ablation, ablation_paths, techniques};
pub use verify::{Verification, verify};

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Tape rows done in this pass.
    pub done: u64,
    /// Tape rows in all.
    pub total: u64,
    /// Receipt time reached.
    pub reached: Timestamp,
}
