//! The deterministic state machine: inputs in, plans and commands out.
//!
//! ```text
//! Input ─► apply events ─► indicators ─► rules ─► plan ─► commands
//!          account, orders,   facts        steps     recorded when something changed
//!          campaigns
//! ```
//!
//! No clock, socket, file, environment, thread, randomness or hash order is in here. The same inputs give the same
//! commands and the same snapshot, bit for bit.

mod campaign;
mod engine;
mod guard;
mod periods;
mod plan;
mod route;
mod scope;

pub use campaign::{Campaign, CampaignRecord, Ended};
pub use engine::{Engine, EngineConfig, StrategyConfig};
pub use guard::LiquidationGuard;
pub use plan::{ENGINE_RULE, Notice, Output, Plan, Purpose};
