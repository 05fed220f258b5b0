//! What rules that read value at risk were told, beside what came.

use crate::records::LossRow;
use crate::report::{LossPart, LossPath};
use crate::run::Run;
use units::Duration;

/// Every account, confidence, horizon and method that rules read.
pub(super) fn losses(run: &Run) -> Vec<LossPath> {
    let key = |row: &LossRow| (row.account, row.confidence.to_bits(), row.horizon.to_bits(), row.method.clone());
    let mut keys = Vec::new();
    for row in &run.tables.losses {
        if !keys.contains(&key(row)) {
            keys.push(key(row));
        }
    }
    keys.into_iter()
        .map(|of| path(run, &run.tables.losses.iter().filter(|row| key(row) == of).collect::<Vec<_>>()))
        .collect()
}

fn path(run: &Run, rows: &[&LossRow]) -> LossPath {
    let Some(first) = rows.first() else { return LossPath::default() };
    let horizon = Duration::from_nanos((first.horizon * Duration::DAY.nanos() as f64).round() as i64);
    let step = horizon.min(Duration::DAY);
    let account = run.tables.accounts.iter().find(|row| row.account == first.account);
    let mut path = LossPath {
        account: account.map(|row| row.venue.to_string()).unwrap_or_default(),
        confidence: first.confidence,
        horizon: horizon.nanos(),
        method: first.method.to_string(),
        ..LossPath::default()
    };
    // The account's row of a moment stands before those of its strategies.
    let moments: Vec<&[&LossRow]> = rows.chunk_by(|_, next| !next.strategy.is_empty()).collect();
    let mut from = 0;
    while let Some(start) = moments.get(from) {
        let whole = start[0];
        let apart = |to: usize| moments[to][0].time.floor(step).since(whole.time.floor(step));
        let Some(to) = (from + 1..moments.len()).find(|to| apart(*to) >= horizon) else { break };
        let end = moments[to][0];
        let (equity, paid_in) = (whole.equity.approximate(), (end.paid_in - whole.paid_in).approximate());
        match (whole.value_at_risk, whole.expected_shortfall) {
            (Some(value_at_risk), Some(expected_shortfall)) if apart(to) == horizon && equity > 0.0 => {
                for part in &start[1..] {
                    add(&mut path, part);
                }
                path.time.push(end.time.nanos());
                path.value_at_risk.push(value_at_risk);
                path.expected_shortfall.push(expected_shortfall);
                path.made.push((end.equity.approximate() - paid_in) / equity - 1.0);
            }
            (Some(_), Some(_)) if equity > 0.0 => path.holes += 1,
            _ => path.unknown += 1,
        }
        path.parts.iter_mut().for_each(|part| part.shortfall.resize(path.time.len(), 0.0));
        from = to;
    }
    path.parts.retain(|part| part.shortfall.iter().any(|shortfall| *shortfall != 0.0));
    path
}

fn add(path: &mut LossPath, row: &LossRow) {
    let known =
        |part: &LossPart| (part.strategy.as_str(), part.instrument.as_str()) == (&*row.strategy, &*row.instrument);
    let at = path.parts.iter().position(known).unwrap_or_else(|| {
        let (strategy, instrument) = (row.strategy.to_string(), row.instrument.to_string());
        path.parts.push(LossPart { strategy, instrument, shortfall: vec![0.0; path.time.len()] });
        path.parts.len() - 1
    });
    path.parts[at].shortfall.push(row.expected_shortfall.unwrap_or_default());
}
