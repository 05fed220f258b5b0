//! The margin models of venues: a [`Portfolio`] and dated [`Parameters`] in, a [`Margin`] with every component out.
//!
//! Which numbers each model reproduces, and which it cannot, stands in `docs/margin.md`.

mod change;
mod dydx;
mod figure;
mod grid;
mod hyperliquid;
mod lasting;
mod model;
mod moved;
mod parameters;
mod portfolio;
mod tiered;

pub mod deribit;
pub mod derive;

pub use change::{MarginalMargin, ORDERS_MAX, WorstOrders, marginal, worst_orders};
pub use dydx::{DydxClass, dydx};
pub use figure::{Absent, Component, Figure, Margin, MarginError, Place, ScenarioRow};
pub use hyperliquid::{hyperliquid, hyperliquid_tiers};
pub(crate) use lasting::STEEPEST;
pub use lasting::{FutureRange, LastingMargin, MarginRange, PriceRanges, Span};
pub use model::{
    MarginTerms, PortfolioMargin, PositionRule, SoldOptions, VenueModel, VenueRules, known_tiers, priced_in, tiers_of,
};
pub use moved::moved;
pub use parameters::{FileError, Parameters, Standing};
pub use portfolio::{Balance, Order, Portfolio, Position, Term, Underlying, refused};
pub use tiered::{Tiered, TieredPosition, tiered};
