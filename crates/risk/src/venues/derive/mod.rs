//! Derive: portfolio margin of the second generation (PMRM-2) and standard margin (SRM).

mod lasting;
mod portfolio_margin;
mod standard_margin;
mod terms;

pub use lasting::Pmrm2Lasting;
pub(crate) use portfolio_margin::collateral_terms;
pub use portfolio_margin::{Pmrm2, Pmrm2Sums};
pub(crate) use standard_margin::collateral_factor;
pub use standard_margin::standard_margin;
pub use terms::{CollateralTerms, Pmrm2Scenario, Pmrm2Terms, VolMove};
