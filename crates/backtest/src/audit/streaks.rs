//! Streaks: the multiplier that an entry was planned with, made again from the results of the campaigns that had closed by then.

use super::finding::{At, Found};
use crate::records::{CampaignRow, PlanRow};
use crate::run::Run;
use policy::Policy;
use policy::spec::{self, Streak, StreakOver};
use std::collections::BTreeMap;

/// Results nearer to zero than this many R count for nothing.
const SCRATCH: f64 = 0.1;

/// A campaign that has closed.
struct Close<'a> {
    input: u64,
    /// It crossed another strategy's order, which plans of that input did not know yet.
    is_internal: bool,
    strategy: &'a str,
    instrument: &'a str,
    r: f64,
}

pub(super) fn check(run: &Run, found: &mut Found) {
    let policies = run.policies();
    if policies.iter().all(|policy| policy.streak.is_none()) {
        return;
    }
    let closes = closes(run);
    let mut begin = 0;
    for steps in run.tables.plans.chunk_by(|a, b| a.plan == b.plan) {
        let (row, first) = (begin, &steps[0]);
        begin += steps.len();
        // What an entry is planned with; later ones go by what was known when its first fill came.
        if !first.position.is_zero() || first.target.is_zero() {
            continue;
        }
        let own = policies.iter().find(|policy| policy.name == *first.strategy);
        let Some((policy, streak)) = own.and_then(|policy| Some((policy, policy.streak?))) else { continue };
        if policy.instruments.iter().all(|symbol| *symbol != *first.instrument) {
            continue;
        }
        entry(policy, streak, (row, steps), &closes, found);
    }
}

/// Closed campaigns in the order of the fills that closed them.
fn closes(run: &Run) -> Vec<Close<'_>> {
    let mut last: BTreeMap<u64, usize> = BTreeMap::new();
    for (row, fill) in run.tables.fills.iter().enumerate() {
        last.insert(fill.campaign, row);
    }
    let closed = run.tables.campaigns.iter().filter(|campaign| campaign.closed.is_some());
    let mut ends: Vec<_> = closed.filter_map(|campaign| Some((*last.get(&campaign.campaign)?, campaign))).collect();
    ends.sort_by_key(|(row, _)| *row);
    let close = |(row, campaign): (usize, &CampaignRow)| {
        let fill = &run.tables.fills[row];
        let is_internal = fill.liquidity == "internal";
        let r = campaign.r.unwrap_or(0.0);
        Close { input: fill.input, is_internal, strategy: &fill.strategy, instrument: &fill.instrument, r }
    };
    ends.into_iter().map(close).collect()
}

fn entry(policy: &Policy, streak: Streak, (row, steps): (usize, &[PlanRow]), closes: &[Close<'_>], found: &mut Found) {
    let first = &steps[0];
    let counts = |close: &&Close<'_>| {
        let in_account = spec::venue(close.instrument) == spec::venue(&first.instrument);
        match streak.over {
            StreakOver::Instrument => *close.strategy == *policy.name && *close.instrument == *first.instrument,
            StreakOver::Strategy => *close.strategy == *policy.name && in_account,
            StreakOver::Account => in_account,
        }
    };
    let wins = |with_internal: bool| {
        let known = closes.iter().filter(counts).filter(|close| {
            close.input < first.input || close.input == first.input && (with_internal || !close.is_internal)
        });
        known.fold(0_i32, |wins, close| match close.r {
            r if r > SCRATCH => wins.saturating_add(1),
            r if r < -SCRATCH => 0,
            _ => wins,
        })
    };
    let multiplier = |wins: i32| streak.factor.get().powi(wins).min(streak.cap.get());
    let (before, after) = match steps.iter().find(|step| &*step.rule == "streak") {
        Some(step) => (step.before.approximate(), step.after.approximate()),
        None => (1.0, 1.0),
    };
    let [with, without] = [true, false].map(|with| before * multiplier(wins(with)));
    let near = |wanted: f64| (after - wanted).abs() <= 2e-8 + 1e-9 * wanted.abs();
    found.ensure("streak.size", near(with) || near(without), At::plan(row, first), || {
        let wins = wins(true);
        format!("{before} became {after}; after {wins} wins in a row it is {} of it", multiplier(wins))
    });
}
