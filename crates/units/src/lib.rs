#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail by panicking"))]
//! Prices, quantities, money, time and ids as types.
//!
//! What is owed, owned or ordered is fixed point; what is estimated is a finite `f64` newtype
//! ([`Vol`], [`Ratio`], [`YearFraction`]). The crossing between the two is always one named function
//! that says which way an inexact result goes ([`Round`]).
//!
//! | operation | result | exact? |
//! | --- | --- | --- |
//! | [`Price`] × [`Qty`] | [`Notional`] | yes |
//! | [`Notional`] × [`Rate`] | [`Cash`] | rounded as asked at 1e-16 |
//! | [`Notional`] ÷ [`Price`] | [`Qty`] | rounded as asked at 1e-8 |
//! | [`Qty`] ÷ [`Price`], inverse [`Contract`]s | [`Notional`] in coin | toward zero at 1e-16 |
//! | [`Timestamp`] − [`Timestamp`] | [`Duration`] | yes |
//!
//! Nothing here reads a clock, a file or the environment.

mod contract;
pub mod decimal;
mod estimate;
mod fixed;
mod id;
pub mod math;
pub mod random;
mod right;
pub mod show;
pub mod state;
mod time;

pub use contract::Contract;
pub use estimate::{Ratio, Vol, YearFraction};
pub use fixed::{Cash, Notional, OffGrid, Price, Qty, Rate, Round, Side};
pub use id::{AccountId, InstrumentId, OrderId, PlanId, SeriesId, StrategyId};
pub use right::OptionRight;
pub use time::{Duration, ParseTimeError, Timestamp};
