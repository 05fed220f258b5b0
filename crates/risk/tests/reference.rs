//! Liquidation prices that venues themselves reported, from the shared reference data.

#![allow(clippy::unwrap_used, reason = "a malformed reference file fails the test")]

mod common;

use common::rows;
use market::Position;
use risk::{Tier, TierTable, liquidation_price};
use units::{Cash, Contract, Notional, Price, Qty, Rate, Round};

fn one_tier(maintenance: Rate) -> TierTable {
    TierTable::new(vec![Tier { floor: Notional::ZERO, initial: maintenance, maintenance }]).unwrap()
}

fn position(side: &str, size: &str, entry: &str) -> Position {
    let (size, entry): (Qty, Price) = (size.parse().unwrap(), entry.parse().unwrap());
    let qty = if side == "short" { -size } else { size };
    Position { qty, cost: entry * qty }
}

/// Isolated positions: maintenance rate 1 / (2 × largest leverage), equity = isolated margin (which the venue's own
/// `collateral_usdc` states at entry).
#[test]
fn hyperliquid_isolated_positions() {
    let Some(rows) = rows("hyperliquid_isolated_positions", "hyperliquid_isolated_liq.csv") else { return };
    assert_eq!(rows.len(), 15);
    for row in rows {
        let max_leverage: f64 = row[6].parse().unwrap();
        let table = one_tier(Rate::from_estimate(0.5 / max_leverage, Round::Nearest).unwrap());
        let collateral: Cash = row[4].parse().unwrap();
        let found =
            liquidation_price(Contract::Linear, position(&row[1], &row[3], &row[2]), collateral, &table).unwrap();
        let (expected, tolerance): (f64, f64) = (row[7].parse().unwrap(), row[8].parse().unwrap());
        let error = (found.approximate() / expected - 1.0).abs();
        assert!(error <= tolerance, "{row:?}: {found}");
    }
}

/// Cross positions: `other_mmr` is what other positions need as maintenance margin; two decimal places are published.
#[test]
fn dydx_published_examples() {
    let Some(rows) = rows("dydx_published_examples", "dydx_liquidation_price.csv") else { return };
    assert_eq!(rows.len(), 2);
    for row in rows {
        let table = one_tier(row[4].parse().unwrap());
        let (equity, others): (Cash, Cash) = (row[1].parse().unwrap(), row[5].parse().unwrap());
        let held = position("long", &row[2], &row[3]);
        let found = liquidation_price(Contract::Linear, held, equity - others, &table).unwrap();
        assert!((found.approximate() - row[6].parse::<f64>().unwrap()).abs() <= 0.005, "{row:?}: {found}");
    }
}
