//! What each technique did: the policy again with one of them switched off at a time.

use crate::Error;
use crate::bars::Worth;
use crate::metrics::{Amounts, Path, Scores};
use crate::parallel::{Share, parallel};
use crate::record::Keep;
use crate::records::{EquityRow, VariantRow};
use crate::run::{Run, Variant, What, single};
use policy::Policy;
use policy::spec::{Follow, SizeKind};
use std::ops::ControlFlow;
use std::path::PathBuf;
use units::{Cash, Ratio, Timestamp};

/// A policy with one technique switched off.
struct Technique {
    name: &'static str,
    instead: &'static str,
    /// All policies of the run, in each of which it is switched off.
    policies: Vec<Policy>,
}

/// How many techniques policies declare that can be switched off: so many more runs an ablation costs.
#[must_use]
pub fn techniques(policies: &[Policy]) -> usize {
    switched_off(policies).len()
}

/// One policy a declared technique, in the order of composition. A default that changes nothing is no technique.
fn switched_off(policies: &[Policy]) -> Vec<Technique> {
    let mut found: Vec<Technique> = Vec::new();
    for (at, policy) in policies.iter().enumerate() {
        switch_off(policy, &mut |name, instead, change| {
            let known = found.iter().position(|technique| technique.name == name).unwrap_or_else(|| {
                found.push(Technique { name, instead, policies: policies.to_vec() });
                found.len() - 1
            });
            change(&mut found[known].policies[at]);
        });
    }
    found
}

/// Switches a technique off.
type Change<'a> = &'a dyn Fn(&mut Policy);

/// Tells of each technique that a policy declares, and how it is switched off.
fn switch_off(policy: &Policy, tell: &mut dyn FnMut(&'static str, &'static str, Change<'_>)) {
    let mut without = |name, instead, is_declared: bool, change: &dyn Fn(&mut Policy)| {
        if is_declared {
            tell(name, instead, change);
        }
    };
    let fixed = SizeKind::FixedFraction { fraction: Ratio::new(1.0).unwrap_or_default().into() };
    let fixed_size = |policy: &mut Policy| policy.size.kind = fixed.clone();
    let kind = &policy.size.kind;
    let is_target = matches!(kind, SizeKind::VolatilityTarget { .. });
    without("without volatility target", "1.00 × equity at entry, as the twin", is_target, &fixed_size);
    let is_risk = matches!(kind, SizeKind::RiskPerTrade { .. });
    without("without risk per trade", "1.00 × equity at entry, as the twin", is_risk, &fixed_size);
    let has_cap = matches!(kind, SizeKind::VolatilityTarget { exposure_cap: Some(_), .. });
    without("without exposure cap", "the volatility target alone", has_cap, &|policy| {
        if let SizeKind::VolatilityTarget { exposure_cap, .. } = &mut policy.size.kind {
            *exposure_cap = None;
        }
    });
    without("without pyramid", "the whole size at once", policy.pyramid.is_some(), &|policy| policy.pyramid = None);
    without("without ladder", "no partial exits", policy.ladder.is_some(), &|policy| {
        policy.ladder = None;
        // It counts rungs.
        if let Some(stop) = &mut policy.stop {
            stop.break_even_after = None;
        }
    });
    let stop = policy.stop.as_ref();
    let follows = stop.is_some_and(|stop| stop.follow == Follow::LastFill);
    without("without following stop", "adds leave the stop", follows, &|policy| {
        if let Some(stop) = &mut policy.stop {
            stop.follow = Follow::Entry;
        }
    });
    let trails = stop.is_some_and(|stop| stop.trail.is_some());
    without("without trailing stop", "the best price moves no stop", trails, &|policy| {
        if let Some(stop) = &mut policy.stop {
            stop.trail = None;
        }
    });
    let evens = stop.is_some_and(|stop| stop.break_even_after.is_some());
    without("without break-even", "rungs move no stop", evens, &|policy| {
        if let Some(stop) = &mut policy.stop {
            stop.break_even_after = None;
        }
    });
    let times = stop.is_some_and(|stop| stop.time.is_some());
    without("without time stop", "time closes nothing", times, &|policy| {
        if let Some(stop) = &mut policy.stop {
            stop.time = None;
        }
    });
    without("without streak", "every campaign at its own size", policy.streak.is_some(), &|policy| {
        policy.streak = None
    });
    let correlates = policy.allocation.correlation.is_some();
    without("without correlation", "each instrument has an equal share", correlates, &|policy| {
        // The declared multiplier is the most that it may come to.
        policy.allocation.correlation = None;
        policy.allocation.multiplier = Ratio::new(1.0).unwrap_or_default();
    });
    let shrinks = policy.allocation.drawdown.is_some();
    without("without own drawdown", "all of its capital, whatever it lost", shrinks, &|policy| {
        policy.allocation.drawdown = None;
    });
    let caps = &policy.caps;
    without("without drawdown cap", "no cut by drawdown", !caps.drawdown.is_empty(), &|policy| {
        policy.caps.drawdown.clear();
    });
    without("without daily loss limit", "a bad day stops nothing", caps.daily_loss.is_some(), &|policy| {
        policy.caps.daily_loss = None;
    });
    without("without weekly loss limit", "a bad week stops nothing", caps.weekly_loss.is_some(), &|policy| {
        policy.caps.weekly_loss = None;
    });
    without("without open-risk cap", "adds whatever is at risk", caps.open_risk.is_some(), &|policy| {
        policy.caps.open_risk = None;
    });
    without("without leverage cap", "the venue's margin alone", caps.leverage.is_some(), &|policy| {
        policy.caps.leverage = None;
    });
    without("without floor", "nothing is kept from being risked", policy.floor.is_some(), &|policy| {
        policy.floor = None
    });
    let exit = caps.participation.is_some_and(|cap| cap.exit.is_some());
    without("without exit time", "positions that take long to get out of", exit, &|policy| {
        if let Some(cap) = &mut policy.caps.participation {
            cap.exit = None;
        }
    });
    without("without participation", "increases whatever is traded", caps.participation.is_some(), &|policy| {
        policy.caps.participation = None;
        policy.caps.depth.clear();
    });
    let distance = caps.liquidation_distance.is_some();
    without("without liquidation distance", "the venue's margin alone", distance, &|policy| {
        policy.caps.liquidation_distance = None;
    });
    without("without limits on facts", "what they bar or cut goes on", !policy.limits.is_empty(), &|policy| {
        policy.limits.clear();
    });
    without("without hedges", "delta is left as it comes", !policy.hedges.is_empty(), &|policy| policy.hedges.clear());
    let buffered = policy.trade.buffer.is_some_and(|buffer| buffer.get() > 0.0);
    without("without buffer", "every change is traded", buffered, &|policy| policy.trade.buffer = None);
    let guards = &policy.guards;
    without("without blackout", "trades at any time", !guards.blackout.is_empty(), &|policy| {
        policy.guards.blackout.clear()
    });
    without("without order-rate cap", "as many orders as wanted", guards.max_orders.is_some(), &|policy| {
        policy.guards.max_orders = None;
    });
    without("without order-size cap", "one order, however large", guards.max_order.is_some(), &|policy| {
        policy.guards.max_order = None;
    });
    without("without price collar", "increases at any price", guards.price_collar.is_some(), &|policy| {
        policy.guards.price_collar = None;
    });
}

/// A policy as declared, or without a technique: its figures and how it came to them.
#[derive(Debug, Clone, PartialEq)]
pub struct VariantPath {
    /// Its figures.
    pub row: VariantRow,
    /// The start, then each row of equity.
    pub times: Vec<Timestamp>,
    /// What it was worth at each, as if no money had been moved after the start.
    pub growth: Vec<f64>,
}

/// Runs the policy once for each technique with it switched off, on `threads` threads. The first row is the policy as
/// declared, the last its twin; both come from the run itself.
pub fn ablation(
    run: &Run,
    threads: usize,
    progress: &mut dyn FnMut(Share) -> ControlFlow<()>,
) -> Result<Vec<VariantRow>, Error> {
    Ok(ablation_paths(run, threads, progress)?.into_iter().map(|path| path.row).collect())
}

/// [`ablation`], with the path of each.
pub fn ablation_paths(
    run: &Run,
    threads: usize,
    progress: &mut dyn FnMut(Share) -> ControlFlow<()>,
) -> Result<Vec<VariantPath>, Error> {
    let tapes: Vec<PathBuf> = run.record.tapes.iter().map(|tape| tape.path.clone()).collect();
    let techniques = switched_off(&run.policies());
    let number = |text: &str| text.parse::<f64>().unwrap_or(0.0);
    let of_run = |name, instead, paid: &crate::Paid, worth: fn(&EquityRow) -> (Cash, Cash), counts| {
        let paid = (number(&paid.traded), number(&paid.fees) - number(&paid.funding));
        row((name, instead), &run.tables.equity, worth, paid, counts)
    };
    let counts = (run.tables.fills.len(), run.tables.campaigns.len());
    let mut rows = vec![of_run("as declared", "", &run.record.scaled, |row| (row.equity, row.paid_in), counts)];
    rows.extend(parallel(techniques.len(), threads, progress, |at, tick| {
        let technique = &techniques[at];
        let mut told = |progress: crate::Progress| tick(progress.done as f64 / progress.total.max(1) as f64);
        let (keep, until) = (Keep::Equity, Timestamp::MAX);
        let what = What { policies: &technique.policies, variant: Variant::Scaled, keep, until };
        let pass = single(what, &tapes, &mut told)?;
        let tables = &pass.tables;
        let sums = pass.facts.paid;
        let paid = (sums.traded.approximate(), (sums.fees - sums.funding).approximate());
        let counts = (tables.fills.len(), tables.campaigns.len());
        let name = (technique.name, technique.instead);
        Ok(row(name, &tables.equity, |row| (row.equity, row.paid_in), paid, counts))
    })?);
    let twin = "constant quantity, no technique";
    rows.push(of_run("twin", twin, &run.record.twin, |row| (row.twin_equity, row.twin_paid_in), (0, 0)));
    Ok(rows)
}

fn row(
    (variant, instead): (&str, &str),
    rows: &[EquityRow],
    worth: impl Fn(&EquityRow) -> (Cash, Cash),
    (traded, cost): (f64, f64),
    (fills, campaigns): (usize, usize),
) -> VariantPath {
    let Worth { times, growth, mean_equity } = Worth::of(rows, worth);
    let scores = Scores::of(Path { times: &times, equity: &growth }, Amounts { mean_equity, traded, cost });
    let row = VariantRow {
        variant: variant.to_owned(),
        instead: instead.to_owned(),
        total_return: scores.total_return.ok(),
        cagr: scores.cagr.ok(),
        sharpe: scores.sharpe.ok(),
        volatility: scores.volatility.ok(),
        vol_of_vol: scores.vol_of_vol.ok().map(|vol| vol.spread),
        drawdown: scores.drawdown.map(|worst| worst.depth),
        worst_day: scores.worst_day.map(|day| day.value),
        cost: scores.cost.ok(),
        turnover: scores.turnover.ok(),
        fills: fills as u64,
        campaigns: campaigns as u64,
    };
    VariantPath { row, times, growth }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The techniques that the demo has not.
    #[test]
    fn limits_on_losses_times_and_orders_are_techniques_too() {
        let text = r#"
            policy = 1
            name = "all"
            instrument = "binance:BTCUSDT-PERP"
            signal = { kind = "ema_cross", bar = "1h", fast = 10, slow = 40 }
            unit = { n = "atr(24, 1h)" }
            size = { kind = "risk_per_trade", risk = "1%" }
            stop = { initial = "2N", time = "1d", break_even_after = 1 }
            ladder = { at = ["1R"], fractions = [0.3] }
            streak = { factor = 1.5, cap = 3.0 }
            limits = [{ of = "abs(exposure)", over = "200%", restore = "150%" }]
            guards = { price_collar = "0.5%", max_order = "50_000 USDT", max_orders = 3, per = "1h", blackout = ["22:00-23:00"] }
            allocation = { drawdown = "25%", correlation = "90d" }
            [caps]
            daily_loss = "2%"
            weekly_loss = "4%"
            on_loss = "flat"
            open_risk = "2%"
            participation = "10%"
            exit_time = "4h"
        "#;
        let policies = [crate::run::checked(text).unwrap()];
        let all = switched_off(&policies);
        let names: Vec<&str> = all.iter().map(|technique| technique.name).collect();
        let expected = [
            "risk per trade",
            "ladder",
            "break-even",
            "time stop",
            "streak",
            "correlation",
            "own drawdown",
            "daily loss limit",
            "weekly loss limit",
            "open-risk cap",
            "exit time",
            "participation",
            "limits on facts",
            "blackout",
            "order-rate cap",
            "order-size cap",
            "price collar",
        ];
        assert_eq!(names, expected.map(|name| format!("without {name}")));
        for technique in &all {
            assert_ne!(technique.policies, policies, "{}", technique.name);
            let again = crate::run::checked(&policy::to_toml(&technique.policies[0])).unwrap();
            assert_eq!(again, technique.policies[0], "{} is a policy that could have been written", technique.name);
        }
    }

    #[test]
    fn every_declared_technique_is_switched_off_once_and_alone() {
        let text = include_str!("../assets/demo.toml");
        let policy = crate::run::checked(text).unwrap();
        let policies = [policy];
        let all = switched_off(&policies);
        let names: Vec<&str> = all.iter().map(|technique| technique.name).collect();
        assert_eq!(
            names,
            [
                "without volatility target",
                "without exposure cap",
                "without pyramid",
                "without ladder",
                "without following stop",
                "without trailing stop",
                "without drawdown cap",
                "without leverage cap",
                "without liquidation distance"
            ]
        );
        assert_eq!(techniques(&policies), all.len());
        for technique in &all {
            assert_ne!(technique.policies, policies, "{}", technique.name);
            let again = crate::run::checked(&policy::to_toml(&technique.policies[0])).unwrap();
            assert_eq!(again, technique.policies[0], "{} is a policy that could have been written", technique.name);
        }
    }
}
