//! European options on a forward: price, Greeks and implied volatility, one by one or as columns of many.
//!
//! Units, conventions, accuracy and the reasons are told in `docs/options.md`.

mod batch;
mod bends;
mod contract;
pub mod functions;
mod greeks;
mod held;
mod implied;
mod inverse;
mod kernel;
mod lanes;
mod moved;
mod rows;
mod simd;
mod sweep;
mod weighted;

pub use batch::{Batch, Quantities, Sums, Values};
pub use bends::{Bends, Near};
pub use contract::{EuropeanOption, Expiry, Field, Inputs, OptionKind, OptionStyle, Refusal};
pub use greeks::{DeltaConvention, Greeks, ThetaConvention};
pub use implied::{Implied, ImpliedVols, NoVol, QuoteInputs, Quotes, total_deviation};
pub use moved::MovedPrices;
pub use rows::{Places, Rows};
pub use simd::{Simd, SimdName, UnknownSimd};
pub use sweep::{Exposure, Exposures, Sweep};
pub use weighted::{GreekSums, Weight, Weighted};
