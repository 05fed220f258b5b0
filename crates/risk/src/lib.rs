//! Portfolio in, numbers out: margin tiers and liquidation, Greeks, volatility of a book with options.
//!
//! Margin lives here alone. A [`TierTable`] is dated data (see `data/`), never a constant in code; everything that is
//! owed is exact, and where a last digit must be rounded it goes to the side that liquidates earlier.

pub mod bands;
pub mod budgets;
pub mod chain;
pub mod collateral;
pub mod coverage;
pub mod delta_gamma;
mod ex_ante;
pub mod greeks;
pub mod growth;
pub mod hedging;
pub mod liquidation;
mod margin;
pub mod reduction;
pub mod scenario;
pub mod tail;
mod tiers;
pub mod value_at_risk;
pub mod venues;

pub use ex_ante::{ExAnte, ExAnteError, Leg, NODES, OneDay, ProfitIn, ex_ante};
pub use liquidation::{liquidation_beyond, liquidation_price};
pub use margin::{flat_option_margin, free, initial_margin, maintenance_beside, maintenance_margin};
pub use tiers::{Size, Tier, TierError, TierTable};
