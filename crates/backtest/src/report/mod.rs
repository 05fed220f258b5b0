//! The report: one HTML file that needs nothing else, complete without script and printable.
//!
//! [`RunSummary`] says what a run was; [`html`] makes the page. Every number passes [`units::show`], every foreign text
//! one escape door (`markup`), every line keeps the extremes of each pixel column (`svg`), so that the size of a page
//! depends on its plots and not on the ticks behind them.

mod actions;
mod book;
mod campaigns;
mod cards;
mod compare;
mod costs;
mod drawdown;
mod execution;
mod exposure;
mod greeks;
mod heat;
mod integrity;
mod limits;
mod margin;
mod markup;
mod method;
mod months;
mod overview;
mod page;
mod picture;
mod price;
mod risk;
mod ruin;
mod scale;
mod scorecard;
mod sentence;
mod smiles;
mod stress;
mod summary;
mod surface;
mod svg;
mod value_at_risk;
mod variants;
mod view;

pub use self::risk::{LossRecord, LossTest, loss_records};
pub use compare::{Difference, RUNS, comparison, differences, growth_html, growth_svg, letter, warnings};
pub use heat::heat_map;
pub use margin::margin_svg;
pub use page::html;
pub use picture::run_svg;
pub use ruin::ruin_svg;
pub use smiles::surface_svg;
pub use stress::stress_svg;
pub use summary::{
    AccountPath, Bars, Campaign, Columns, CostLines, Costs, Execution, Fill, Gap, GreekCell, GreekPart, GreekPath,
    Header, Headroom, Integrity, LimitCut, LossPart, LossPath, Method, Part, Plan, PlanStep, Purpose, Refusal,
    RiskLevel, RiskPath, RiskRecord, RiskShare, RunSummary, Rung, RungEnd, SUMMARY_VERSION, SmileCurve, Stops,
    SurfacePath, Traded, Twin, Variant,
};
pub use value_at_risk::risk_svg;
