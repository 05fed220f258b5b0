//! Portfolios as files tell them (docs/portfolio.md), and what venues' rules and stresses make of them.

mod book;
mod decimal;
mod history;
mod liquidation;
mod margin;
mod market;
mod schema;
mod shape;
mod stress;
mod value_at_risk;
mod venue;

pub use book::Book;
pub(crate) use decimal::Decimal;
pub use history::{HistoryRequest, MarketHistory, Vols};
pub use liquidation::{Edge, LiquidationView, TouchView, VolView};
pub use margin::{
    ComponentView, Curve, ExitView, FigureView, LeverageView, MarginView, Marginal, OrdersView, ParametersView,
    PositionView, ScenarioView, margin,
};
pub use market::Market;
pub(crate) use schema::read;
pub use schema::{SCHEMA, portfolio_schema};
pub use shape::Wrong;
pub use stress::{
    AfterView, ConcentrationView, GridView, HoldingView, NumberView, ParameterRow, ParameterView, StressRequest,
    StressRow, StressView, VolsView, bases, stress,
};
pub use value_at_risk::{BarView, FactorView, Held, HistoryView, PartView, RiskMethod, RiskRequest, RiskView, risk};
pub use venue::Request;
