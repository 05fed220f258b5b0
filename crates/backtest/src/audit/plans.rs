//! Plans against themselves and against the record: the chain of steps, numbers and times; what the record counts.

use super::finding::{At, Found};
use super::live::side_of;
use super::seat::plus;
use crate::records::{FillRow, OrderRow, PlanRow};
use crate::run::Run;
use std::collections::BTreeMap;
use units::{Qty, Timestamp};

/// Steps that the engine records of what the market and the venue did: they stand apart from the chain of rules.
pub(super) const MARKET: &str = "market";

/// Plans and times, without the market.
pub(super) fn check(run: &Run, found: &mut Found) {
    times(run, found);
    positions(run, found);
    adds_in_mode(run, found);
    let plans = &run.tables.plans;
    let (mut begin, mut last) = (0, None::<(u64, u64)>);
    let mut told: BTreeMap<(&str, &str), Qty> = BTreeMap::new();
    for steps in plans.chunk_by(|a, b| a.plan == b.plan) {
        let seat = told.entry((&steps[0].strategy, &steps[0].instrument)).or_default();
        *seat = steps.iter().rfind(|step| &*step.rule == MARKET).map_or(*seat, |step| step.after);
        // Structures whose legs have settled are held on, though nothing of them is there until they have others.
        let counts = is_structure(run, &steps[0]) && steps[0].position.is_zero();
        steps_of(begin, steps, if counts { *seat } else { steps[0].position }, found);
        let first = &steps[0];
        let follows = last.is_none_or(|(plan, input)| first.plan == plan + 1 && first.input >= input);
        found.ensure("plan.number", follows, At::plan(begin, first), || {
            let (plan, input) = last.unwrap_or_default();
            format!(
                "plan {} of input {} follows plan {plan} of input {input}: a plan is missing, twice or out of order",
                first.plan, first.input
            )
        });
        last = Some((first.plan, first.input));
        begin += steps.len();
    }
    let begins = plans.first().is_none_or(|first| first.plan == 1);
    found.ensure("plan.number", begins, At::file("plans"), || "the first plan is not number 1".to_owned());
}

/// One plan: all rows say the same of it, steps are numbered from 1, each begins where the one before ended, and the last one is
/// the target.
fn steps_of(begin: usize, steps: &[PlanRow], held: Qty, found: &mut Found) {
    let first = &steps[0];
    let mut reached = Qty::ZERO;
    for (index, step) in steps.iter().enumerate() {
        let at = At::plan(begin + index, step);
        let same = step.time == first.time
            && step.input == first.input
            && step.strategy == first.strategy
            && step.instrument == first.instrument
            && step.price == first.price
            && step.equity == first.equity
            && step.position == first.position
            && step.target == first.target;
        found.ensure("plan.head", same && step.step == index as u64 + 1, at, || {
            format!(
                "step {} should be step {} and say what step 1 says of time, input, price, equity, position and target",
                step.step,
                index + 1
            )
        });
        if &*step.rule == MARKET {
            continue;
        }
        found.ensure("plan.chain", step.before == reached, at, || {
            format!("`{}` begins at {}; the steps before it end at {reached}", &*step.rule, step.before)
        });
        let kept = matches!(&*step.outcome, "kept");
        found.ensure("plan.chain", !kept || step.before == step.after, at, || {
            format!("`{}` kept {} and ends at {}", &*step.rule, step.before, step.after)
        });
        let lowers = step.after.abs() <= step.before.abs() && step.after.signum() * step.before.signum() >= 0;
        found.ensure("plan.limit", &*step.outcome != "cut" || lowers, at, || {
            format!("the limit `{}` raised {} to {}", &*step.rule, step.before, step.after)
        });
        reached = step.after;
    }
    let at = At::plan(begin + steps.len() - 1, &steps[steps.len() - 1]);
    in_mode(begin, steps, held, found);
    let has_rules = steps.iter().any(|step| &*step.rule != MARKET);
    found.ensure("plan.target", !has_rules || reached == first.target, at, || {
        format!("the last step ends at {reached}, the target is {}", first.target)
    });
}

/// Rules that put a mode in force.
const MODES: [&str; 4] = ["stale", "reduce_only", "hold", "flatten"];

/// The mode that a step of a plan tells of: it begins its sentence.
pub(super) fn mode_of(step: &PlanRow) -> Option<&str> {
    let said = step.because.strip_prefix("mode ").filter(|_| MODES.contains(&step.rule.as_str()))?;
    // The last plan of a mode tells that it is over.
    said.split([' ', ':', ',']).next().filter(|mode| !said[mode.len()..].starts_with(" ended"))
}

/// In a mode nothing is increased; in the last one all is closed.
fn in_mode(begin: usize, steps: &[PlanRow], held: Qty, found: &mut Found) {
    let first = &steps[0];
    let same_side = first.target.signum() * held.signum() >= 0;
    let grows = !first.target.is_zero() && (first.target.abs() > held.abs() || !same_side);
    for (index, step) in steps.iter().enumerate() {
        let Some(mode) = mode_of(step) else { continue };
        let obeys = !grows && (mode != "flatten" || first.target.is_zero());
        found.ensure("plan.mode", obeys, At::plan(begin + index, step), || {
            format!("in mode {mode} the target is {} where {held} is held", first.target)
        });
    }
}

/// In a mode no add is sent.
fn adds_in_mode(run: &Run, found: &mut Found) {
    let modes: BTreeMap<u64, &str> =
        run.tables.plans.iter().filter_map(|step| Some((step.plan, mode_of(step)?))).collect();
    let is_add = |order: &&OrderRow| &*order.event == "place" && order.purpose.starts_with("add");
    for (row, order) in run.tables.orders.iter().enumerate().filter(|(_, order)| is_add(order)) {
        let mode = modes.get(&order.plan).copied().unwrap_or_default();
        found.ensure("plan.mode", mode.is_empty(), At::order(row, order), || {
            format!("`{}` was sent in mode {mode}", &*order.purpose)
        });
    }
}

/// Whether a plan is of a structure.
fn is_structure(run: &Run, plan: &PlanRow) -> bool {
    let own = run.strategies.iter().find(|of| *of.policy.name == *plan.strategy);
    own.is_some_and(|of| of.policy.structure_in(&plan.instrument).is_some())
}

/// What a plan says is held is what was filled by its input.
fn positions(run: &Run, found: &mut Found) {
    let (fills, mut next) = (&run.tables.fills, 0);
    let mut held: BTreeMap<(&str, &str), Qty> = BTreeMap::new();
    for (row, plan) in run.tables.plans.iter().enumerate().filter(|(_, plan)| plan.step == 1) {
        // What a structure's plans hold are no fills of one instrument; a hedge beside it holds its own.
        if is_structure(run, plan) {
            continue;
        }
        let signed = |fill: &FillRow| fill.quantity.on(side_of(&fill.side));
        while let Some(fill) = fills.get(next).filter(|fill| fill.input < plan.input) {
            let seat = held.entry((&fill.strategy, &fill.instrument)).or_default();
            *seat = plus(*seat, signed(fill));
            next += 1;
        }
        let own = |fill: &&FillRow| *fill.strategy == *plan.strategy && *fill.instrument == *plan.instrument;
        let before = held.get(&(plan.strategy.as_str(), plan.instrument.as_str())).copied().unwrap_or_default();
        // What crosses inside the book is filled after the decision, and may be decided on once more.
        let now = || fills[next..].iter().take_while(|fill| fill.input == plan.input).filter(own);
        let told = now().filter(|fill| fill.liquidity != "internal").map(signed).fold(before, plus);
        let all = now().map(signed).fold(before, plus);
        let fits = plan.position == told || plan.position == all;
        found.ensure("plan.position", fits, At::plan(row, plan), || {
            format!("it says that {} is held, the fills give {}", plan.position, told)
        });
    }
}

/// Times only grow.
fn times(run: &Run, found: &mut Found) {
    let tables = &run.tables;
    grows("plans", tables.plans.iter().map(|row| row.time), found);
    grows("orders", tables.orders.iter().map(|row| row.time), found);
    grows("fills", tables.fills.iter().map(|row| row.time), found);
    grows("funding", tables.funding.iter().map(|row| row.time), found);
    grows("flows", tables.flows.iter().map(|row| row.time), found);
    grows("equity", tables.equity.iter().map(|row| row.time), found);
    grows("positions", tables.positions.iter().map(|row| row.time), found);
    let mut last = 0;
    for (row, fill) in tables.fills.iter().enumerate() {
        found.ensure("times", fill.input >= last, At::fill(row, fill), || {
            format!("input {} follows input {last}", fill.input)
        });
        last = fill.input;
    }
}

fn grows(table: &'static str, times: impl Iterator<Item = Timestamp>, found: &mut Found) {
    let mut last = Timestamp::MIN;
    for (row, time) in times.enumerate() {
        let at = At { row: Some(row), time: Some(time), ..At::file(table) };
        found.ensure("times", time >= last, at, || format!("{time} follows {last}"));
        last = time;
    }
}
