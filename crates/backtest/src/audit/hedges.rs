//! Hedges: each time that delta had left its band was answered, and what a plan of a hedge wants brings delta back into it.

use super::finding::{At, Found};
use super::live::side_of;
use super::seat::plus;
use crate::records::{ChoiceRow, FillRow, HedgeRow, OrderRow, PlanRow};
use crate::run::Run;
use policy::Policy;
use policy::spec::{Band, Choice, Hedge, HedgeTo};
use std::collections::BTreeMap;
use units::{Contract, Qty, Timestamp};

pub(super) fn check(run: &Run, found: &mut Found) {
    let mut plans: BTreeMap<u64, &[PlanRow]> = BTreeMap::new();
    for steps in run.tables.plans.chunk_by(|a, b| a.plan == b.plan) {
        plans.insert(steps[0].plan, steps);
    }
    for strategy in &run.strategies {
        for hedge in &strategy.policy.hedges {
            // What an option stands for moves, and is told where costs are compared.
            let is_option = |instrument: &str| hedge.options().any(|(symbol, _)| symbol == instrument);
            for instrument in hedge.instruments().filter(|instrument| !is_option(instrument)) {
                check_one(run, &strategy.policy, (hedge, instrument), &plans, found);
            }
            check_held(run, &strategy.policy, hedge, found);
            if let Some(choice) = &hedge.choice {
                check_choice(run, &strategy.policy, hedge, &plans, found);
                check_costs(run, &strategy.policy, (hedge, choice), &plans, found);
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

/// What rows of a hedge say is held, where no plan tells it, is what its fills give; and so is the delta that it hedges, where that is
/// all of linear perpetuals.
fn check_held(run: &Run, policy: &Policy, hedge: &Hedge, found: &mut Found) {
    let (fills, stamps) = (&run.tables.fills, &run.record.instruments);
    let stamp = |symbol: &str| stamps.iter().find(|known| known.symbol == symbol);
    let Some(base) = stamp(&hedge.instrument).map(|known| known.base.as_str()) else { return };
    let named = || run.strategies.iter().map(|of| &of.policy).filter(|of| hedge.strategies.contains(&of.name));
    // What each of them holds on the coin, but for its own hedges.
    let is_on = |of: &&str| stamp(of).is_none_or(|known| known.base == base);
    let on_coin = |of: &Policy| {
        let is_plain = |symbol: &str| stamp(symbol).is_some_and(|known| known.kind == "linear_perpetual");
        !of.trades_options() && of.traded().filter(is_on).all(is_plain)
    };
    let is_told = hedge.choice.is_none() && !hedge.strategies.is_empty() && named().all(on_coin);
    let is_hedged = |fill: &FillRow| {
        let own = named().any(|of| of.name == *fill.strategy && of.hedge_in(&fill.instrument).is_none());
        own && is_on(&fill.instrument.as_str())
    };
    let is_own = |row: &&HedgeRow| row.strategy == policy.name.as_str() && row.instrument == hedge.instrument.as_str();
    let signed = |fill: &FillRow| fill.quantity.on(side_of(&fill.side));
    let (mut next, mut held, mut beside) = (0, Qty::ZERO, BTreeMap::<&str, Qty>::new());
    for (at, row) in run.tables.hedges.iter().enumerate().filter(|(_, row)| is_own(row)) {
        let until = fills.partition_point(|fill| fill.time <= row.time);
        for fill in &fills[next.min(until)..until] {
            if row.strategy == fill.strategy.as_str() && row.instrument == fill.instrument.as_str() {
                held = plus(held, signed(fill));
            } else if is_hedged(fill) {
                let sum = beside.entry(&fill.strategy).or_default();
                *sum = plus(*sum, signed(fill));
            }
        }
        next = next.max(until);
        found.ensure("position", row.plan > 0 || row.position == held, At::hedge(at, row), || {
            format!("{} is held by the hedge, the fills give {held}", row.position)
        });
        if !is_told {
            continue;
        }
        // What crosses inside the book in answer to the market comes behind it.
        let input = fills[..until].last().map(|fill| fill.input);
        let now = fills[..until].iter().rev().take_while(|fill| Some(fill.input) == input && fill.time == row.time);
        let mut before = beside.clone();
        for fill in now.filter(|fill| fill.liquidity == "internal" && is_hedged(fill)) {
            let sum = before.entry(&fill.strategy).or_default();
            *sum = plus(*sum, -signed(fill));
        }
        let is = |sums: &BTreeMap<&str, Qty>| {
            let net = sums.values().fold(Qty::ZERO, |sum, qty| plus(sum, *qty));
            let gross = sums.values().fold(Qty::ZERO, |sum, qty| plus(sum, qty.abs()));
            let near = |a: Qty, b: Qty| a.raw().abs_diff(b.raw()) <= 2;
            near(row.delta, net) && near(row.gross, gross)
        };
        found.ensure("hedge.delta", is(&before) || is(&beside), At::hedge(at, row), || {
            format!("delta is {} of {} gross; fills of what is hedged give {beside:?}", row.delta, row.gross)
        });
    }
}

/// How far two ways of reckoning a cost may be apart, as a share of all that is paid on the way, and in money.
const NEAR: f64 = 1e-9;
const CENT: f64 = 1e-6;

/// What was compared: each cost is that of a cash flow, and the one that acts costs the least of them; fees and margins are those that the
/// policy states; and what acts brings back what was needed.
fn check_costs(
    run: &Run,
    policy: &Policy,
    (hedge, choice): (&Hedge, &Choice),
    plans: &BTreeMap<u64, &[PlanRow]>,
    found: &mut Found,
) {
    let is_own = |row: &ChoiceRow| {
        let is_given_up = choice.gives_up && policy.structure_in(&row.instrument).is_some();
        row.strategy == policy.name.as_str()
            && (hedge.instruments().any(|way| way == row.instrument.as_str()) || is_given_up)
    };
    let mut begin = 0;
    for rows in run.tables.choices.chunk_by(|a, b| a.plan == b.plan) {
        let at = begin;
        begin += rows.len();
        if !rows.iter().all(is_own) {
            continue;
        }
        let costs: Vec<Option<(f64, f64, f64)>> = rows.iter().map(by_hand).collect();
        for (row, of) in rows.iter().enumerate() {
            let same = match (of.cost, costs[row]) {
                (None, None) => true,
                (Some(told), Some((units, cost, paid))) => {
                    (told - cost).abs() <= NEAR * paid + CENT && (units - of.units).abs() <= NEAR * units.abs().max(1.0)
                }
                _ => false,
            };
            found.ensure("hedge.choice", same, At::choice(at + row, of), || {
                let by_hand = costs[row]
                    .map_or("cannot be had".to_owned(), |(units, cost, _)| format!("costs {cost:.6} for {units}"));
                format!("{} is told to cost {:?} for {}; by its parts it {by_hand}", of.instrument, of.cost, of.units)
            });
        }
        let least = costs.iter().flatten().map(|(_, cost, _)| *cost).fold(f64::INFINITY, f64::min);
        let chosen: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].is_chosen).collect();
        let is_least = match chosen[..] {
            [only] => costs[only].is_some_and(|(_, cost, paid)| cost <= least + NEAR * paid + CENT),
            [] => least == f64::INFINITY,
            _ => false,
        };
        found.ensure("hedge.choice", is_least, At::choice(at, &rows[0]), || {
            let told: Vec<&str> = chosen.iter().map(|row| rows[*row].instrument.as_str()).collect();
            format!("of {costs:?} the least is {least}, and {told:?} is to act")
        });
        terms(policy, (hedge, choice), (at, rows), found);
        let Some(steps) = plans.get(&rows[0].plan) else { continue };
        // Of the strategy whose plan it is, if it is the one to act.
        let acts = chosen.first().map(|row| &rows[*row]).filter(|row| row.instrument == steps[0].instrument.as_str());
        let is_limited = steps.iter().any(|step| matches!(&*step.outcome, "cut" | "held" | "unmet" | "refused"));
        if let Some(row) = acts.filter(|row| row.kind == "option" && !is_limited) {
            let change = steps[0].target.approximate() - row.held;
            found.ensure("hedge.choice", (change - row.units).abs() <= row.lot + CENT, At::choice(at, row), || {
                format!(
                    "plan {} changes {} by {change}, and {} are what is needed",
                    row.plan, row.instrument, row.units
                )
            });
        }
    }
}

/// Units of an instrument, what bringing delta back in it costs, and all that is paid for it on the way: what is paid with so many more of
/// it until the horizon less what is paid without. `None`: it cannot be had.
fn by_hand(row: &ChoiceRow) -> Option<(f64, f64, f64)> {
    if row.delta.abs() < 1e-3 {
        return None;
    }
    let units = (row.need / row.delta / row.lot).round() * row.lot;
    let most = if units < 0.0 { row.most_sold } else { row.most_bought };
    let is_there = most.is_none_or(|most| units.abs() <= most);
    if units == 0.0 || !is_there || row.expiry.is_some_and(|years| years <= 0.0) {
        return None;
    }
    let trade = |units: f64| units.abs() * (row.half_spread + row.fee + row.impact * units.abs());
    // It ends, and is bought anew to run as long again; at the horizon itself it is delivered, and a trade is spared.
    let outlay = |held: f64| {
        let mut paid = row.years * (held * row.carry + held.abs() * row.margin * row.capital);
        let (mut at, mut is_left) = (row.expiry.unwrap_or(f64::INFINITY), true);
        while at <= row.years - 1e-9 {
            paid += trade(held) + held.abs() * row.delivery;
            at += row.expiry?;
        }
        if (at - row.years).abs() < 1e-9 {
            paid += held.abs() * row.delivery;
            is_left = false;
        }
        Some((paid, if is_left { trade(held) } else { 0.0 }))
    };
    let (with, without) = (outlay(row.held + units)?, outlay(row.held)?);
    // What is given up of options would have been settled for nothing: it spares no trade, but those of bringing it to the horizon.
    let is_settled = row.kind == "option" && (row.held + units).abs() < row.held.abs();
    let at_end = if is_settled { 0.0 } else { with.1 - without.1 };
    let cost = trade(units) + with.0 - without.0 + at_end;
    Some((units, cost, trade(units) + with.0.abs() + without.0.abs() + with.1 + without.1))
}

/// Fees and margins of contracts and spot are shares of one price, as the policy states them; of options the fee is no more than its share
/// of that price, and what they bind is what they cost.
fn terms(policy: &Policy, (hedge, choice): (&Hedge, &Choice), (at, rows): (usize, &[ChoiceRow]), found: &mut Found) {
    let backtest = &policy.backtest;
    let stated = |row: &ChoiceRow| {
        let other = choice.alternatives.iter().find(|other| other.instrument == row.instrument.as_str());
        let terms = other.map_or(choice.own, |other| other.terms);
        let margin = terms.margin.map_or(if row.kind == "spot" { 1.0 } else { 0.1 }, units::Ratio::get);
        (terms.cost.map_or_else(|| backtest.cost(), units::Ratio::get), margin)
    };
    let is_linear = |row: &&ChoiceRow| {
        let is_way = hedge.instruments().any(|way| way == row.instrument.as_str());
        is_way && row.kind != "option" && row.delta != 0.0
    };
    // The price that all are shares of, by whatever tells it.
    let price = rows.iter().filter(is_linear).find_map(|row| {
        let (cost, margin) = stated(row);
        if cost > 0.0 { Some(row.fee / cost) } else { Some(row.margin / margin).filter(|_| margin > 0.0) }
    });
    let Some(price) = price else { return };
    for (row, of) in rows.iter().enumerate() {
        let is_bought = of.kind == "option" && hedge.instruments().any(|way| way == of.instrument.as_str());
        let fits = if is_linear(&of) {
            let (cost, margin) = stated(of);
            let near = |told: f64, by: f64| (told - by * price).abs() <= NEAR * price;
            near(of.fee, cost) && near(of.margin, margin)
        } else {
            !is_bought || of.fee <= backtest.options.fee.approximate() * price * (1.0 + NEAR)
        };
        found.ensure("hedge.choice", fits, At::choice(at + row, of), || {
            format!(
                "a fee of {} and a margin of {} of a unit are not what the policy says of {price}",
                of.fee, of.margin
            )
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
/// wants. A plan that wanted to act counts where a limit stopped it: it says so.
fn check_choice(run: &Run, policy: &Policy, hedge: &Hedge, plans: &BTreeMap<u64, &[PlanRow]>, found: &mut Found) {
    let is_way = |instrument: &str| hedge.instruments().any(|way| way == instrument);
    let is_member = |row: &HedgeRow| row.strategy == policy.name.as_str() && is_way(&row.instrument);
    let leaves = |steps: &[PlanRow]| steps.iter().any(|step| &*step.rule == "delta_hedge" && &*step.outcome == "held");
    let is_limited = |steps: &[PlanRow]| {
        let hedge = steps.iter().find(|step| &*step.rule == "delta_hedge" && &*step.outcome == "set");
        let wanted = hedge.map(|step| step.after).filter(|wanted| *wanted != steps[0].position);
        let stops = |step: &PlanRow| matches!(&*step.outcome, "cut" | "unmet") && step.after != step.before;
        wanted.is_some_and(|wanted| steps.iter().any(|step| stops(step) && step.before == wanted))
    };
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
        let is_answered = same.any(|steps| acts(steps) || is_limited(steps))
            || of_ways.iter().any(is_out)
            || last.is_some_and(follows);
        found.ensure("hedge.choice", is_answered, At::hedge(at, row), || {
            format!("plan {} leaves delta to another instrument, and none of them has a plan or an order", row.plan)
        });
    }
}
