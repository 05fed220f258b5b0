#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail by panicking"))]
//! Numbers in, numbers out: averages, ranges and realised volatility, updated one bar at a time; options.
//!
//! `pricing` knows no accounts, orders or venues. What is fed bars is O(1) per bar and keeps no history beyond its window; what
//! prices [`options`] keeps none.

mod bars;
mod channel;
pub mod garch;
pub mod laws;
mod momentum;
mod moving;
pub mod options;
mod range;
pub mod surface;

pub use bars::{BarBuilder, Ohlc};
pub use channel::Channel;
pub use momentum::Momentum;
pub use moving::{AverageTrueRange, ExponentialAverage, RealisedVolatility};
pub use range::{RangeEstimator, RangeVolatility};
