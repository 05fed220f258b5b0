//! Margin of a whole account, each position by its own table at its own mark.

use crate::TierTable;
use market::Account;
use units::{Cash, Notional};

/// Σ initial margin over all positions at their marks; `tables` by instrument index.
#[must_use]
pub fn initial_margin(account: &Account, tables: &[TierTable]) -> Cash {
    sum(account, tables, TierTable::initial_margin)
}

/// Σ maintenance margin over all positions at their marks; `tables` by instrument index.
#[must_use]
pub fn maintenance_margin(account: &Account, tables: &[TierTable]) -> Cash {
    sum(account, tables, TierTable::maintenance_margin)
}

fn sum(account: &Account, tables: &[TierTable], margin: impl Fn(&TierTable, Notional) -> Cash) -> Cash {
    let open = account.exposures().zip(tables).filter(|(exposure, _)| !exposure.is_zero());
    open.map(|(exposure, table)| margin(table, exposure)).sum()
}
