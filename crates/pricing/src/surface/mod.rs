//! The surface of implied volatility of one underlying: a smile for each expiry from bid and ask, free of arbitrage.
//!
//! Design, accuracy and what was rejected are told in `docs/surface.md`.

mod smile;

pub use smile::{
    Arbitrage, FitError, MINIMUM_POINTS, Repair, Slice, SmilePoint, SmileQuotes, SmileRefusal, Surface, SurfaceRefusal,
};
