//! Who trades what: a strategy in an instrument, and what it holds.

use super::campaign::Camp;
use crate::run::Run;
use policy::Policy;
use units::{Price, Qty, Timestamp};

/// A strategy in one of its instruments.
#[derive(Debug)]
pub(super) struct Seat {
    /// The strategy's number among the run's.
    pub(super) strategy: usize,
    /// Signed, from fills.
    pub(super) held: Qty,
    /// No other strategy trades the instrument.
    pub(super) alone: bool,
    pub(super) camp: Option<Camp>,
    /// A watched stop that was in force after the input before.
    pub(super) watched: Option<Price>,
    /// Something of it happened at the present time.
    pub(super) is_touched: bool,
    /// It was filled at the present time.
    pub(super) is_filled: bool,
    /// What it had opened and added in a window of its cap on participation: before the last time that had fills, and after each of them.
    pub(super) grown: Vec<Grown>,
}

/// What was opened and added in one window, and what was held then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grown {
    /// When the fill was.
    pub(super) at: Timestamp,
    pub(super) held: Qty,
    /// Begin of the window.
    pub(super) window: Timestamp,
    pub(super) qty: f64,
}

/// A sum, at most what fits: a table may hold anything.
pub(super) fn plus(a: Qty, b: Qty) -> Qty {
    Qty::from_raw(a.raw().saturating_add(b.raw()).max(-i64::MAX))
}

/// Whether everything is in the currency that the run is told in, so that nothing has to be translated.
pub(super) fn has_one_currency(run: &Run) -> bool {
    let own = |currency: &str| currency == run.record.currency;
    run.record.instruments.iter().all(|known| own(&known.settle))
        && run.tables.flows.iter().all(|flow| own(&flow.currency))
        && run.tables.fills.iter().all(|fill| own(&fill.currency))
}

/// Whether several strategies trade one instrument.
pub(super) fn shares_instruments(run: &Run) -> bool {
    let policies = run.policies();
    let mut all: Vec<&str> = policies.iter().flat_map(Policy::traded).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    all.len() < count
}

/// Whether it trades something that a tape has: no structure of options.
pub(super) fn is_plain(policy: &Policy) -> bool {
    !policy.trades_options()
}
