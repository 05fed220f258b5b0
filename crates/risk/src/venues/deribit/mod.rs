//! Deribit: standard margin of futures and options, and portfolio margin of one coin's inverse contracts.

mod lasting;
mod portfolio_margin;
mod standard_margin;

pub use lasting::DeribitLasting;
pub use portfolio_margin::{DeribitPortfolio, DeribitSums, RiskVector, StatedMargins};
pub(crate) use standard_margin::{StandardOption, StandardRule};
pub use standard_margin::{StandardTerms, standard_margin};

use units::Timestamp;

/// Net delta of an option or future inside its settlement window: delta less mark, both in coin, each by the share that is still open.
///
/// ```
/// # use risk::venues::deribit::net_delta;
/// assert!((net_delta(1.0, 0.3, 0.5) - 0.35).abs() < 1e-15);
/// ```
#[must_use]
pub fn net_delta(delta: f64, mark: f64, undecided: f64) -> f64 {
    undecided * delta - undecided * mark
}

/// How much of a contract that expires is not settled yet: 1 until half an hour before, then falling linearly to 0.
pub(crate) fn undecided(at: Timestamp, expiry: Timestamp) -> f64 {
    let left = i128::from(expiry.nanos()) - i128::from(at.nanos());
    (left as f64 / pricing::options::Expiry::WINDOW.nanos() as f64).clamp(0.0, 1.0)
}
