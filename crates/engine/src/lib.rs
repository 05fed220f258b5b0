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

mod account_risk;
mod book;
mod budget;
mod campaign;
mod choice;
mod cuts;
mod desk;
#[cfg(test)]
mod desks;
mod engine;
mod fitting;
mod guard;
mod held;
#[cfg(test)]
mod listed;
mod netting;
#[cfg(test)]
mod news;
mod outgoing;
mod outputs;
mod periods;
mod pipeline;
mod plan;
mod relief;
mod route;
mod scope;
mod sharing;
mod structure;
mod structures;
#[cfg(test)]
mod surface_facts;
mod surfaces;
mod together;
mod volume;

pub use account_risk::{LossForecast, RiskRefusal, UnknownFact};
pub use campaign::{Campaign, CampaignRecord, Ended};
pub use choice::{Compared, HedgeChoice};
pub use engine::{Adoption, Engine, EngineConfig, StrategyConfig};
pub use guard::{ExpiryRule, LiquidationGuard, SpotRule};
pub use plan::{ENGINE_RULE, HedgeView, Notice, Output, Plan, Purpose};
pub use sharing::Sharing;
pub use structure::{NoLeg, QUOTE_AGE_MAX, Refusal, StructureRule};
pub use surfaces::FittedChain;
