//! The surface of implied volatility of one underlying: a smile for each expiry from bid and ask, free of arbitrage.
//!
//! Design, accuracy and what was rejected are told in `docs/surface.md`.

mod arbitrage;
mod chain;
mod dynamics;
mod fit;
mod history;
mod model_free;
mod query;
mod repair;
mod smile;
mod spline;
mod state;
mod svi;

pub use chain::{
    Chain, ChainSettings, DropCounts, Dropped, ExpiryReport, Forward, ForwardSource, NoSmile, OptionQuote,
    PARITY_TOLERANCE, Parity, Placed, ReadCounts, Sides,
};
pub use dynamics::{HedgeDeltas, Sticky, UnknownSticky};
pub use history::{Reading, SurfaceHistory};
pub use model_free::{NoStrip, Strip, StripQuote, strip_vol_at};
pub use query::{NoAnswer, QUARTER_DELTA, StrikePoint, Tenor, TermSlope, VarianceSwap, Wings};
pub use smile::{
    Arbitrage, FitError, MINIMUM_POINTS, Repair, Slice, SmilePoint, SmileQuotes, SmileRefusal, Surface, SurfaceRefusal,
};
pub use svi::{JumpWings, Svi};
