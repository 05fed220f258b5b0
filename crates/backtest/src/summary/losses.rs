//! What rules that read value at risk were told, beside what came.

use crate::records::LossRow;
use crate::report::{LossPart, LossPath};
use crate::run::Run;
use units::{Duration, Timestamp};

/// What is under this share of equity is rounding.
const SLIP: f64 = 1e-9;

/// Every account, confidence, horizon and method that rules read.
pub(super) fn losses(run: &Run) -> Vec<LossPath> {
    let key = |row: &LossRow| (row.account, row.confidence.to_bits(), row.horizon.to_bits(), row.method.clone());
    let mut paths: Vec<(_, Vec<&LossRow>)> = Vec::new();
    for row in &run.tables.losses {
        let of = key(row);
        match paths.iter_mut().find(|(known, _)| *known == of) {
            Some((_, rows)) => rows.push(row),
            None => paths.push((of, vec![row])),
        }
    }
    paths.iter().map(|(_, rows)| path(run, rows)).collect()
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
    let last = rows.last().map_or(Timestamp::MIN, |row| row.time);
    let mut next = Timestamp::MIN;
    // The account's row of a moment stands before those of its strategies.
    for moment in rows.chunk_by(|_, next| !next.strategy.is_empty()) {
        let whole = moment[0];
        if whole.time.floor(step) < next {
            continue;
        }
        next = whole.time.floor(step) + horizon;
        match (whole.value_at_risk.zip(whole.expected_shortfall), whole.held.zip(whole.made), whole.ended) {
            (Some((value_at_risk, expected_shortfall)), Some((held, made)), Some(end)) => {
                parts(&mut path, &moment[1..], expected_shortfall);
                path.time.push(end.nanos());
                path.value_at_risk.push(value_at_risk);
                path.expected_shortfall.push(expected_shortfall);
                path.held.push(held);
                path.made.push(made);
                path.parts.iter_mut().for_each(|part| part.shortfall.resize(path.time.len(), 0.0));
            }
            (None, ..) => path.unknown += 1,
            // The last one is still under way.
            _ => path.holes += u64::from(next <= last.floor(step)),
        }
    }
    path.parts.retain(|part| part.shortfall.iter().any(|shortfall| *shortfall != 0.0));
    path
}

/// The part of each strategy, and what coins and profit that lie in the account leave.
fn parts(path: &mut LossPath, rows: &[&LossRow], whole: f64) {
    let mut left = whole;
    let mut add = |strategy: &str, instrument: &str, shortfall: f64| {
        let known = |part: &LossPart| (part.strategy.as_str(), part.instrument.as_str()) == (strategy, instrument);
        let at = path.parts.iter().position(known).unwrap_or_else(|| {
            let (strategy, instrument) = (strategy.to_owned(), instrument.to_owned());
            path.parts.push(LossPart { strategy, instrument, shortfall: vec![0.0; path.time.len()] });
            path.parts.len() - 1
        });
        path.parts[at].shortfall.push(shortfall);
    };
    for row in rows {
        let shortfall = row.expected_shortfall.unwrap_or_default();
        left -= shortfall;
        add(&row.strategy, &row.instrument, shortfall);
    }
    if left.abs() > SLIP {
        add("", "", left);
    }
}
