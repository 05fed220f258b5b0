//! Hedges: each time that delta had left its band was answered, and what a plan of a hedge wants brings delta back into it.

use super::finding::{At, Found};
use crate::records::{HedgeRow, OrderRow, PlanRow};
use crate::run::Run;
use policy::Policy;
use policy::spec::{Band, Hedge, HedgeTo};
use std::collections::BTreeMap;
use units::{Contract, Qty, Timestamp};

pub(super) fn check(run: &Run, found: &mut Found) {
    let mut plans: BTreeMap<u64, &[PlanRow]> = BTreeMap::new();
    for steps in run.tables.plans.chunk_by(|a, b| a.plan == b.plan) {
        plans.insert(steps[0].plan, steps);
    }
    for strategy in &run.strategies {
        for hedge in &strategy.policy.hedges {
            for instrument in hedge.instruments() {
                check_one(run, &strategy.policy, (hedge, instrument), &plans, found);
            }
            if hedge.choice.is_some() {
                check_choice(run, &strategy.policy, hedge, &plans, found);
            }
        }
    }
}

/// What a hedge saw, in coins.
struct Seen<'a> {
    hedge: &'a Hedge,
    row: &'a HedgeRow,
    contract: Contract,
    /// Of trading, as a share of value.
    cost: f64,
}

impl Seen<'_> {
    fn coins(&self, qty: Qty) -> f64 {
        match self.contract {
            Contract::Linear => qty.approximate(),
            Contract::Inverse => qty.approximate() / self.row.price.approximate(),
        }
    }

    fn band(&self) -> f64 {
        match self.hedge.band {
            Band::Coins(coins) => coins.approximate(),
            Band::OfGross(share) => share.get() * self.row.gross.approximate(),
            Band::WhalleyWilmott { risk_aversion } => {
                let (row, price) = (self.row, self.row.price.approximate());
                let worth = if self.contract == Contract::Inverse { price } else { 1.0 };
                let aversion = risk_aversion.get() / (row.equity.approximate() * worth).max(f64::MIN_POSITIVE);
                (1.5 * self.cost * price * row.gamma.powi(2) / aversion).cbrt()
            }
        }
    }

    /// How far delta is from its target with a quantity of the hedge.
    fn off(&self, qty: Qty) -> f64 {
        self.row.delta.approximate() + self.coins(qty) - self.hedge.target.approximate()
    }
}

fn check_one(
    run: &Run,
    policy: &Policy,
    (hedge, instrument): (&Hedge, &str),
    plans: &BTreeMap<u64, &[PlanRow]>,
    found: &mut Found,
) {
    let name = policy.name.as_str();
    let Some(known) = run.record.instruments.iter().find(|known| known.symbol == instrument) else { return };
    let is_own = |strategy: &str, traded: &str| strategy == name && traded == instrument;
    // What may be on the way to a hundred-millionth of a coin, and half a lot of rounding.
    let lot: Qty = known.lot.parse().unwrap_or(Qty::ZERO);
    // Plans that a cap or the smallest order kept from the band: until the next one, it may stay outside.
    let limits =
        |steps: &[PlanRow]| steps.iter().any(|step| matches!(&*step.outcome, "cut" | "held" | "unmet" | "refused"));
    let own_plans: Vec<&[PlanRow]> =
        plans.values().copied().filter(|steps| is_own(&steps[0].strategy, &steps[0].instrument)).collect();
    for (at, row) in run.tables.hedges.iter().enumerate().filter(|(_, row)| is_own(&row.strategy, &row.instrument)) {
        let seen = Seen { hedge, row, contract: known.contract(), cost: policy.backtest.cost() };
        let held = row.position + row.on_the_way;
        let slack = seen.coins(lot).abs() / 2.0 + 1e-7;
        let (off, band) = (seen.off(held), seen.band());
        let is_outside = if row.gross.is_zero() { !held.is_zero() } else { off.abs() > band + slack };
        let last = own_plans.partition_point(|steps| steps[0].time <= row.time).checked_sub(1);
        let is_limited = last.is_some_and(|last| limits(own_plans[last]));
        // More waits until what is on its way is there.
        let is_answered = row.plan > 0 || is_limited || !row.on_the_way.is_zero();
        found.ensure("hedge.band", !is_outside || is_answered, At::hedge(at, row), || {
            format!("delta is {off:.8} from its target of {}, the band is {band:.8}, and no plan answers", hedge.target)
        });
        if row.plan == 0 {
            continue;
        }
        let Some(steps) = plans.get(&row.plan).filter(|steps| is_own(&steps[0].strategy, &steps[0].instrument)) else {
            found.ensure("hedge.plan", false, At::hedge(at, row), || format!("there is no plan {} of it", row.plan));
            continue;
        };
        let plan = &steps[0];
        let same = plan.time == row.time && plan.position == row.position && plan.price == row.price;
        found.ensure("hedge.plan", same, At::hedge(at, row), || {
            format!("plan {} is of {} and holds {} at {}", plan.plan, plan.time, plan.position, plan.price)
        });
        if limits(steps) {
            continue;
        }
        let left = seen.off(plan.target).abs();
        let most = if hedge.to == HedgeTo::Target { slack } else { band.max(slack) + slack };
        let fits = match (row.gross.is_zero(), off.abs() <= band) {
            (true, _) => plan.target.is_zero(),
            (false, true) => plan.target == held,
            (false, false) => left <= most,
        };
        found.ensure("hedge.residual", fits, At::hedge(at, row), || {
            format!("plan {} wants {}: delta is then {left:.8} from its target", plan.plan, plan.target)
        });
    }
}

/// When an order was sent, and when it was last heard of.
#[derive(Debug, Clone, Copy)]
struct Life {
    plan: u64,
    sent: Timestamp,
    /// `None`: never; it is open to the end.
    ended: Option<Timestamp>,
}

/// The orders of a policy, in instruments of its hedge or in none of them: then they are of its structure.
fn lives(run: &Run, policy: &Policy, is_wanted: impl Fn(&str) -> bool) -> Vec<Life> {
    let mut lives: BTreeMap<&str, (Life, Qty)> = BTreeMap::new();
    let own = |row: &&OrderRow| row.strategy == policy.name.as_str() && is_wanted(&row.instrument);
    for row in run.tables.orders.iter().filter(own) {
        let begins = Life { plan: row.plan, sent: row.time, ended: None };
        let (life, left) = lives.entry(&row.order).or_insert((begins, row.quantity));
        match &*row.event {
            "amended" => *left = row.quantity,
            "filled" => {
                *left -= row.quantity;
                life.ended = left.is_zero().then_some(row.time);
            }
            "cancelled" | "rejected" => life.ended = Some(row.time),
            _ => {}
        }
    }
    lives.into_values().map(|(life, _)| life).collect()
}

/// Of a hedge that compares costs: a delta beyond its band is somebody's to bring back. Where one instrument leaves it to others, one of
/// them or the structure has a plan of that input or an order that is out, or the structure is still on its way to what its last plan
/// wants.
fn check_choice(run: &Run, policy: &Policy, hedge: &Hedge, plans: &BTreeMap<u64, &[PlanRow]>, found: &mut Found) {
    let is_way = |instrument: &str| hedge.instruments().any(|way| way == instrument);
    let is_member = |row: &HedgeRow| row.strategy == policy.name.as_str() && is_way(&row.instrument);
    let leaves = |steps: &[PlanRow]| steps.iter().any(|step| &*step.rule == "delta_hedge" && &*step.outcome == "held");
    let acts = |steps: &[PlanRow]| steps[0].target != steps[0].position;
    let restores = |steps: &[PlanRow]| acts(steps) && steps.iter().any(|step| &*step.rule == "delta_restore");
    // Plans of the policy by time: of its structure, where that is given up, and of what the hedge trades.
    let own: Vec<&[PlanRow]> =
        plans.values().copied().filter(|steps| &*steps[0].strategy == policy.name.as_str()).collect();
    let structure: Vec<&[PlanRow]> = own.iter().copied().filter(|steps| !is_way(&steps[0].instrument)).collect();
    let (of_ways, of_structure) = (lives(run, policy, is_way), lives(run, policy, |instrument| !is_way(instrument)));
    let rows = &run.tables.hedges;
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| is_member(row)) {
        let Some(steps) = plans.get(&row.plan).filter(|_| row.plan > 0) else { continue };
        if !leaves(steps) {
            continue;
        }
        let from = own.partition_point(|steps| steps[0].time < row.time);
        let mut same = own[from..].iter().take_while(|steps| steps[0].time == row.time);
        let is_out = |life: &Life| life.sent <= row.time && life.ended.is_none_or(|ended| ended >= row.time);
        let known = structure.partition_point(|steps| steps[0].time <= row.time);
        let last = structure[..known].last().filter(|steps| restores(steps)).map(|steps| steps[0].plan);
        let follows = |plan: u64| {
            of_structure.iter().any(|life| life.plan == plan && life.ended.is_none_or(|ended| ended >= row.time))
        };
        let is_answered = same.any(|steps| acts(steps)) || of_ways.iter().any(is_out) || last.is_some_and(follows);
        found.ensure("hedge.choice", is_answered, At::hedge(at, row), || {
            format!("plan {} leaves delta to another instrument, and none of them has a plan or an order", row.plan)
        });
    }
}
