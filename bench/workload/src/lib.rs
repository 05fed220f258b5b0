//! The decision workload: receive event → update volatility → volatility target and scale-out rule → order when the
//! target leaves the buffer → simulated fill → position and account.
//!
//! The volatility follows from the logarithm of each price over the one before (`units::math::ln_ratio`), at every event; the
//! reference takes the difference of two logarithms, which is the same number with fewer digits.
//!
//! Prices are a deterministic integer random walk. The rule is a custom one, through the public rule interface; it
//! returns finished lot quantities, so the engine's buffer and rounding are off for it. Caps are configured and never bind.
//! Fills are at the event's price, which is this bench's stated exception.

mod prices;
mod rule;
pub mod study;
mod world;
pub mod year;

pub use prices::Prices;
pub use rule::{Ladder, Volatility, WorkloadRule, WorkloadVolatility};
pub use world::{Measured, engine_run, floor_run};
