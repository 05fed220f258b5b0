//! What all positions of an account stand for, at its largest: leverage is a cap of the account, and each position may be far under it.

use crate::records::{AccountRow, PositionRow};
use crate::run::{InstrumentStamp, Run};
use policy::Policy;
use std::collections::BTreeMap;
use units::{Price, Qty, Timestamp};

/// The largest unsigned value of all positions of a policy's account over its equity, and when. `None`: no more than one instrument is
/// traded, so that its position says it all, or rows do not tell: of several accounts with structures, or with what settles in another
/// currency than the account counts in.
pub(super) fn worst(run: &Run, policy: &Policy) -> Option<(f64, Timestamp)> {
    let positions = &run.tables.positions;
    let first = positions.first()?;
    let several = positions.iter().any(|row| (&row.strategy, &row.instrument) != (&first.strategy, &first.instrument));
    if !several {
        return None;
    }
    let largest = |worst: Option<(f64, Timestamp)>, (gross, at): (f64, Timestamp)| {
        worst.filter(|(most, _)| *most >= gross).or(Some((gross, at)))
    };
    if run.tables.accounts.is_empty() {
        let rows = run.tables.equity.iter().map(|row| (row.gross, row.time));
        return rows.fold(None, largest);
    }
    let venue = policy.instruments.first()?.split_once(':')?.0;
    let rows: Vec<&AccountRow> = run.tables.accounts.iter().filter(|row| &*row.venue == venue).collect();
    let counted = rows.first()?.currency.as_str();
    let known: BTreeMap<&str, &InstrumentStamp> =
        run.record.instruments.iter().map(|of| (of.symbol.as_str(), of)).collect();
    let of_account: Vec<&PositionRow> =
        positions.iter().filter(|row| row.instrument.split_once(':').is_some_and(|(of, _)| of == venue)).collect();
    let is_told = |row: &&PositionRow| {
        known.get(row.instrument.as_str()).is_some_and(|of| of.settle == counted && of.kind != "structure")
    };
    if !of_account.iter().all(is_told) {
        return None;
    }
    // What an instrument without a bar at a row was worth at its last one.
    let mut held: BTreeMap<&str, (Price, BTreeMap<&str, Qty>)> = BTreeMap::new();
    let (mut next, mut worst) = (of_account.into_iter().peekable(), None);
    for account in rows {
        while let Some(row) = next.next_if(|row| row.time <= account.time) {
            let (mark, by_strategy) = held.entry(row.instrument.as_str()).or_default();
            *mark = row.mark;
            by_strategy.insert(row.strategy.as_str(), row.position);
        }
        let gross: f64 = held
            .iter()
            .map(|(symbol, (mark, by_strategy))| {
                let net: Qty = by_strategy.values().copied().sum();
                known[symbol].contract().approximate_exposure(*mark, net).abs()
            })
            .sum();
        let equity = account.equity.approximate();
        if equity > 0.0 {
            worst = largest(worst, (gross / equity, account.time));
        }
    }
    worst
}
