//! The margin models of venues: a [`Portfolio`] and dated [`Parameters`] in, a [`Margin`] with every component out.
//!
//! Which numbers each model reproduces, and which it cannot, stands in `docs/margin.md`.

mod change;
mod figure;
mod grid;
mod parameters;
mod portfolio;

pub mod deribit;
pub mod derive;

pub use change::{MarginalMargin, ORDERS_MAX, WorstOrders, marginal, worst_orders};
pub use figure::{Absent, Component, Figure, Margin, MarginError, ScenarioRow};
pub use parameters::{FileError, Parameters, Standing};
pub use portfolio::{Balance, Order, Portfolio, Position, Term, Underlying};
