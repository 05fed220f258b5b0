//! What holds for any policy on any path (DESIGN, I1 to I8), looked at from outside: from the deliveries, the plans and
//! the commands, with arithmetic of its own. The generators state what they cover, and it is asserted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/random.rs"]
mod random;

use common::{Orders, STRATEGY, Setup, Tick, Turn, cases, feed, restore, snapshot};
use engine::{ENGINE_RULE, Engine, Output, Plan, Purpose};
use exchange::Exchange;
use market::*;
use policy::facts;
use policy::spec::{Caps, Follow, LeverageLimit, OnLoss, Rearm, RungAt, Sides, SignalKind, Spacing, Trigger};
use policy::testing::{FAMILIES, families, policies};
use policy::{Outcome, Step};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use random::{Random, TICK};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use units::{AccountId, Cash, Notional, OrderId, Price, Qty, Ratio, Timestamp};

/// How often each situation that is checked came up.
#[derive(Default)]
struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    fn add(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }
}

type Checked = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        let holds: bool = $holds;
        if !holds {
            return Err(format!($($message)+));
        }
    };
}

/// One policy on one market, run once, with the names of its rules.
struct Case<'a> {
    setup: &'a Setup,
    turns: &'a [Turn],
    names: Vec<&'static str>,
}

impl<'a> Case<'a> {
    fn new(setup: &'a Setup, turns: &'a [Turn]) -> Self {
        let engine = setup.engine();
        Self { setup, turns, names: (0..=u8::MAX).map(|rule| engine.rule_name(STRATEGY, rule)).collect() }
    }

    fn name(&self, step: &Step) -> &'static str {
        self.names[usize::from(step.rule)]
    }

    fn steps_of<'p>(&self, plan: &'p Plan, name: &str) -> impl Iterator<Item = &'p Step> {
        plan.steps.iter().filter(move |step| self.name(step) == name)
    }

    /// The turns that end with each market input.
    fn deliveries(&self) -> Vec<Range<usize>> {
        let mut from = 0;
        let mut all = Vec::new();
        for (index, turn) in self.turns.iter().enumerate() {
            if turn.source == Source::Market {
                all.push(from..index + 1);
                from = index + 1;
            }
        }
        all
    }

    /// The side that the signal wants: -1, 0 or 1; what is held where the signal is too old.
    fn wanted(&self, turn: &Turn) -> i64 {
        let Some(signal) = turn.facts.get(facts::SIGNAL).map(Ratio::get) else { return turn.position.signum() };
        let allowed = match self.setup.policy.signal.sides {
            Sides::Both => signal,
            Sides::Long => signal.max(0.0),
            Sides::Short => signal.min(0.0),
        };
        let has_equity = turn.facts.get(facts::EQUITY).is_some_and(|equity| equity.raw() > 0);
        if allowed == 0.0 || !has_equity { 0 } else { allowed.signum() as i64 }
    }
}

fn same_side(a: Qty, b: Qty) -> bool {
    a.signum() * b.signum() > 0
}

/// Within a billionth: what a rule rounds toward zero may not come out over it.
fn at_most(value: f64, most: f64) -> bool {
    value <= most + most.abs() * 1e-9 + 1e-9
}

/// Which drawdown levels are in force, told from equity and the policy alone.
#[derive(Default)]
struct Levels {
    reached: usize,
    /// Since when and how deep the strategy has been at the last level.
    flat: Option<(Timestamp, f64)>,
    /// What equity was at its highest since the levels began anew.
    mark: Option<f64>,
}

impl Levels {
    fn after(&mut self, turn: &Turn, caps: &Caps) -> usize {
        let fact = turn.facts.get(facts::DRAWDOWN).map_or(0.0, Ratio::get);
        let equity = turn.facts.get(facts::EQUITY).map_or(0.0, Cash::approximate);
        self.mark = self.mark.filter(|_| fact > 0.0).map(|mark| mark.max(equity));
        let drawdown = self.mark.map_or(fact, |mark| (mark - equity) / mark);
        let next = |reached: usize| caps.drawdown.get(reached).is_some_and(|level| drawdown >= level.at.get());
        while next(self.reached) {
            self.reached += 1;
        }
        while self.reached > 0 && drawdown < caps.drawdown[self.reached - 1].restore.get() {
            self.reached -= 1;
        }
        if self.reached < caps.drawdown.len() || caps.drawdown.is_empty() {
            self.flat = None;
            return self.reached;
        }
        let (since, worst) = self.flat.unwrap_or((turn.facts.now(), drawdown));
        self.flat = Some((since, worst.max(drawdown)));
        let held = turn.facts.get(facts::POSITION).unwrap_or(Qty::ZERO);
        let begins = match caps.rearm {
            Some(Rearm::After(span)) => turn.facts.now().since(since) >= span,
            Some(Rearm::Recovered(share)) => drawdown <= worst * (1.0 - share.get()),
            None => false,
        };
        if begins && held.is_zero() {
            *self = Self { mark: Some(equity), ..Self::default() };
        }
        self.reached
    }
}

/// I1: after the limits every capped metric is at or under its cap; a limit only lowers.
fn limits(case: &Case<'_>, counts: &mut Counts) -> Checked {
    let caps = &case.setup.policy.caps;
    let mut levels = Levels::default();
    let mut whole = Whole::default();
    for turn in case.turns {
        whole.fills(turn);
        let reached = levels.after(turn, caps);
        for plan in turn.plans() {
            let unmet = plan.steps.iter().any(|step| step.outcome == Outcome::Unmet);
            for step in &plan.steps {
                let cap = matches!(
                    case.name(step),
                    "leverage_cap" | "drawdown_cap" | "loss_cap" | "open_risk_cap" | "liquidation_distance"
                );
                if step.outcome == Outcome::Cut || cap || case.name(step).starts_with("participation") {
                    ensure!(step.after.abs() <= step.before.abs(), "a limit raised {} to {}", step.before, step.after);
                    ensure!(step.after.is_zero() || same_side(step.before, step.after), "a limit turned the side");
                }
                if step.outcome == Outcome::Cut {
                    counts.add("cut");
                }
            }
            if unmet {
                counts.add("unmet");
                continue;
            }
            leverage_of(case, plan, counts)?;
            if case.setup.policy.caps.participation.is_some() && !plan.target.qty.is_zero() {
                counts.add("held under participation");
            }
            if let Some(level) = reached.checked_sub(1).map(|at| &caps.drawdown[at]) {
                counts.add("drawdown level in force");
                exposure_of(case, plan, level.factor.get(), whole.held)?;
            }
            distance_of(case, turn, plan, counts)?;
            whole.plan(plan);
        }
    }
    Ok(())
}

/// What would be held had no limit lowered it, from plans and fills.
#[derive(Default)]
struct Whole {
    orders: Orders,
    planned: f64,
    add: f64,
    held: f64,
}

impl Whole {
    fn plan(&mut self, plan: &Plan) {
        let cut = plan.steps.iter().find(|step| step.outcome == Outcome::Cut);
        if !plan.target.qty.is_zero() {
            self.planned = cut.map_or(plan.target.qty, |cut| cut.before).abs().approximate();
        }
        self.add = plan.add.map_or(self.add, |add| (add.whole - add.rest).abs().approximate());
    }

    fn fills(&mut self, turn: &Turn) {
        for (order, fill) in turn.fills() {
            match self.orders.0.get(&order).map(|sent| sent.purpose) {
                Some(Purpose::Entry | Purpose::Resize) => self.held = self.planned,
                // A further piece of an add is no order that waited.
                Some(Purpose::Add { .. }) if !self.orders.0[&order].waited() => self.held += fill.qty.approximate(),
                Some(Purpose::Add { .. }) => self.held += self.add,
                Some(Purpose::Rung { .. }) => {
                    let left = turn.position.abs().approximate();
                    self.held *= left / (left + fill.qty.approximate());
                }
                _ => {}
            }
        }
        self.orders.news(turn);
        self.orders.sent(turn);
    }
}

fn leverage_of(case: &Case<'_>, plan: &Plan, counts: &mut Counts) -> Checked {
    let declared = case.setup.policy.caps.leverage.as_ref().and_then(LeverageLimit::declared);
    let Some(limit) = declared else { return Ok(()) };
    let equity = plan.equity.approximate();
    let value = |price: Price, qty: Qty| (price * qty.abs()).approximate();
    let target = plan.target.qty;
    ensure!(equity > 0.0 || target.is_zero(), "target {target} at equity {}", plan.equity);
    let most = limit.limit.get() * equity.max(0.0);
    ensure!(
        at_most(value(plan.price, target), most),
        "leverage {} over {} (held {}, target {target}): {}",
        value(plan.price, target) / equity,
        limit.limit.get(),
        plan.position,
        story(case, plan)
    );
    let increases = target.abs() > plan.position.abs() || !same_side(target, plan.position);
    if increases && !target.is_zero() {
        let most = limit.restore.get() * equity;
        ensure!(
            at_most(value(plan.price, target), most),
            "an increase beyond the restore level: {}",
            story(case, plan)
        );
        counts.add("increase under a leverage cap");
    }
    if let Some(add) = plan.add {
        let there = (plan.equity + ((add.at - plan.price) * plan.position).cash()).approximate();
        let most = limit.restore.get() * there;
        let whole = plan.position + add.qty;
        ensure!(at_most(value(add.at, whole), most), "an add beyond the restore level: {}", story(case, plan));
        counts.add("add under a leverage cap");
    }
    Ok(())
}

/// What a drawdown factor leaves of what would be held without limits.
fn exposure_of(case: &Case<'_>, plan: &Plan, factor: f64, whole: f64) -> Checked {
    let target = plan.target.qty;
    if factor == 0.0 {
        ensure!(target.is_zero() && plan.add.is_none(), "target {target} at factor 0: {}", story(case, plan));
        return Ok(());
    }
    let proposed = case.steps_of(plan, "drawdown_cap").map(|step| step.before).next().unwrap_or(target).abs();
    let fresh = plan.position.is_zero() || proposed != plan.position.abs();
    let most = factor * if fresh { proposed.approximate() } else { whole };
    ensure!(
        at_most(target.abs().approximate(), most),
        "target {target} over {most} at factor {factor}: {}",
        story(case, plan)
    );
    Ok(())
}

/// The stop lies inside the liquidation price by the declared distance: equity covers the margin there.
fn distance_of(case: &Case<'_>, turn: &Turn, plan: &Plan, counts: &mut Counts) -> Checked {
    let Some(distance) = case.setup.policy.caps.liquidation_distance.map(Ratio::get) else { return Ok(()) };
    let target = plan.target.qty;
    let stop = turn.facts.get(facts::STOP).filter(|_| !plan.position.is_zero());
    let Some(stop) = stop.filter(|_| !target.is_zero()) else { return Ok(()) };
    let beyond = 1.0 - distance * target.signum() as f64;
    let guarded = Price::from_estimate(stop.approximate() * beyond, units::Round::TowardZero).unwrap();
    let there = plan.equity + ((guarded - plan.price) * target).cash();
    let margin = case.setup.tiers().maintenance_margin(risk::Size::at(units::Contract::Linear, guarded, target));
    counts.add("liquidation distance");
    ensure!(there >= margin, "liquidated before the stop {stop}: {}", story(case, plan));
    Ok(())
}

fn story(case: &Case<'_>, plan: &Plan) -> String {
    let steps: Vec<String> = plan
        .steps
        .iter()
        .map(|step| {
            format!("{} {}: {} to {}, {}", case.name(step), step.outcome.name(), step.before, step.after, step.reason)
        })
        .collect();
    format!("plan {} at {}: held {}\n  {}", plan.id, plan.at, plan.position, steps.join("\n  "))
}

/// I2: what the signal wants closed is closed by the orders in flight after every decision on the market; and stops cover
/// exactly what is filled, only ever tighter.
fn exits(case: &Case<'_>, counts: &mut Counts) -> Checked {
    let mut orders = Orders::default();
    let mut last_stop: Option<(u64, Price)> = None;
    let mut rungs: BTreeMap<(u64, u8), Price> = BTreeMap::new();
    let mut watched: Option<(u64, Price)> = None;
    for turn in case.turns {
        orders.news(turn);
        orders.sent(turn);
        let held = turn.position;
        if turn.source == Source::Market && turn.facts.get(facts::PRICE).is_some() && !held.is_zero() {
            let wanted = case.wanted(turn);
            if wanted != held.signum() {
                counts.add("exit wanted");
                let flight = orders.in_flight();
                ensure!(flight == -held, "{}: held {held}, wanted {wanted}, in flight {flight}", turn.at);
            }
        }
        let Some(campaign) = turn.campaign.as_ref().filter(|_| !held.is_zero()) else {
            ensure!(held.is_zero(), "{}: {held} held outside a campaign", turn.at);
            ensure!(orders.stops().is_zero(), "{}: a stop without a position", turn.at);
            continue;
        };
        let policy = &case.setup.policy;
        if turn.source == Source::Market
            && let (Some((id, level)), Some(bar)) = (watched, turn.bar())
            && id == campaign.id
            && (if held.signum() > 0 { bar.low <= level } else { bar.high >= level })
        {
            counts.add("watched stop crossed");
            let flight = orders.in_flight();
            ensure!(flight == -held, "{}: held {held}, stop {level} crossed, in flight {flight}", turn.at);
        }
        let is_watched = policy.stop.as_ref().is_some_and(|stop| stop.trigger == Trigger::Synthetic);
        watched = campaign.stop.filter(|_| is_watched).map(|level| (campaign.id, level));
        if let Some(stop) = policy.stop.as_ref().filter(|_| !is_watched) {
            let unit = campaign.unit.ok_or_else(|| format!("{}: a stop in N, but N is unknown", turn.at))?;
            let distance = stop.initial.get() * unit.approximate();
            let reachable = held.signum() < 0 || campaign.entry.approximate() - distance > 0.2;
            if reachable || !orders.stops().is_zero() {
                counts.add("stop covers");
                let (stops, count) = (orders.stops(), orders.working().filter(|o| o.purpose == Purpose::Stop).count());
                ensure!(stops == held && count == 1, "{}: held {held}, {count} stops for {stops}", turn.at);
            }
            let follows = stop.follow == Follow::LastFill;
            for sent in orders.working().filter(|sent| sent.purpose == Purpose::Stop) {
                let level = sent.level().unwrap();
                if let Some((id, before)) = last_stop.filter(|(id, _)| *id == campaign.id) {
                    let worse = if held.signum() > 0 { level < before } else { level > before };
                    ensure!(!worse, "{}: campaign {id} moved its stop from {before} to {level}", turn.at);
                    if level != before {
                        counts.add(if follows { "stop follows" } else { "stop trails" });
                    }
                }
                last_stop = Some((campaign.id, level));
            }
        }
        let mut resting = Qty::ZERO;
        for sent in orders.working() {
            let Purpose::Rung { index } = sent.purpose else { continue };
            let Some(level) = sent.level() else {
                counts.add("rung taken at the market");
                continue;
            };
            ensure!(campaign.rungs & (1 << index) == 0, "{}: used rung {} rests again", turn.at, index + 1);
            let first = rungs.insert((campaign.id, index), level).unwrap_or(level);
            let rung = policy.ladder.as_ref().unwrap().rungs[usize::from(index)].at;
            let moved = if held.signum() > 0 { level > first } else { level < first };
            let may_move = matches!(rung, RungAt::Profit(_)) && moved;
            ensure!(first == level || may_move, "{}: rung {} moved from {first} to {level}", turn.at, index + 1);
            resting += sent.open();
            counts.add("rung rests");
        }
        ensure!(resting <= held.abs(), "{}: rungs of {resting} on a position of {held}", turn.at);
    }
    Ok(())
}

/// I3: what reduces is reduce-only; everything is on the grid; rounding never adds risk.
fn reductions(case: &Case<'_>, counts: &mut Counts) -> Checked {
    let lot = case.setup.catalogue.instruments[0].lot;
    for turn in case.turns {
        for (command, purpose) in turn.commands() {
            let (qty, kind) = match command {
                Command::Place(order) => {
                    let reduces = order.side.sign() * turn.position.signum() < 0;
                    let is_exit =
                        matches!(purpose, Purpose::Stop | Purpose::Rung { .. } | Purpose::Exit | Purpose::Cut);
                    ensure!(
                        order.reduce_only == reduces && (reduces || !is_exit),
                        "{}: {purpose} {} {} on {}, reduce only: {}",
                        turn.at,
                        order.side,
                        order.qty,
                        turn.position,
                        order.reduce_only
                    );
                    counts.add(if reduces { "reduces" } else { "increases" });
                    (order.qty, order.kind)
                }
                Command::Amend { qty, kind, .. } => (*qty, *kind),
                Command::Cancel { .. } => continue,
            };
            ensure!(qty.raw() > 0 && qty.raw() % lot.raw() == 0, "{}: {purpose} of {qty} is off the lots", turn.at);
            let prices = match kind {
                OrderKind::Market => [None, None],
                OrderKind::Limit { price } => [Some(price), None],
                OrderKind::Stop { trigger } => [Some(trigger), None],
                OrderKind::StopLimit { trigger, price } => [Some(trigger), Some(price)],
            };
            for price in prices.into_iter().flatten() {
                ensure!(
                    price.raw() > 0 && price.raw() % TICK == 0,
                    "{}: {purpose} at {price} is off the ticks",
                    turn.at
                );
            }
        }
        for plan in turn.plans() {
            ensure!(plan.target.qty.raw() % lot.raw() == 0, "target off the lots: {}", story(case, plan));
            for step in case.steps_of(plan, "trim") {
                counts.add("trim");
                let most = step.before.abs().max(plan.position.abs());
                ensure!(step.after.abs() <= most, "rounding added risk: {}", story(case, plan));
                ensure!(step.after.is_zero() || same_side(step.after, step.before), "{}", story(case, plan));
            }
        }
    }
    Ok(())
}

/// I5: a naive scan of each bar. What rested through it and was crossed has filled or ended, and the plan of that event
/// tells; an add level that no order waits at was refused, and is refused aloud when it is crossed.
fn triggers(case: &Case<'_>, counts: &mut Counts) -> Result<u64, String> {
    let mut orders = Orders::default();
    let mut crossings = 0;
    for range in case.deliveries() {
        let (before, turns) = (range.start.checked_sub(1).map(|at| &case.turns[at]), &case.turns[range]);
        let resting = orders.clone();
        let mut fills: BTreeMap<OrderId, Purpose> = BTreeMap::new();
        let mut amended: Vec<OrderId> = Vec::new();
        for turn in turns {
            for (id, _) in turn.fills() {
                fills.insert(id, orders.0.get(&id).map_or(Purpose::Liquidation, |sent| sent.purpose));
                let told = turn.plans().flat_map(|plan| &plan.steps).any(|step| step.rule == ENGINE_RULE);
                ensure!(told, "{}: a fill without a plan that tells it", turn.at);
            }
            for (command, _) in turn.commands() {
                if let Command::Amend { order, kind, .. } = command
                    && orders.0.get(order).is_some_and(|sent| sent.order.kind != *kind)
                {
                    amended.push(*order);
                }
            }
            orders.news(turn);
            orders.sent(turn);
        }
        let market = turns.last().unwrap();
        let Some(bar) = market.bar() else { continue };
        let by_limit = fills.iter().any(|(id, purpose)| {
            let limits = |kind| matches!(kind, OrderKind::StopLimit { .. } | OrderKind::Limit { .. });
            let limit = resting.0.get(id).is_some_and(|sent| limits(sent.order.kind));
            limit && !matches!(purpose, Purpose::Rung { .. })
        });
        for (id, sent) in &resting.0 {
            let Some(level) = sent.level().filter(|_| !sent.triggered) else { continue };
            let up = matches!(sent.order.kind, OrderKind::Limit { .. }) != (sent.order.side == units::Side::Buy);
            if !(if up { bar.high >= level } else { bar.low <= level }) {
                continue;
            }
            crossings += 1;
            let open = orders.0.get(id);
            let lapsed = || turns.iter().flat_map(Turn::plans).flat_map(|plan| &plan.steps).any(is_lapse);
            let taken_back = || {
                let mut steps = turns.iter().flat_map(Turn::plans).flat_map(|plan| &plan.steps);
                steps.any(|step| step.rule == ENGINE_RULE && step.reason.template.contains("taken back"))
            };
            let outcome = if fills.contains_key(id) {
                "crossed and filled"
            } else if open.is_none() {
                "crossed and ended"
            } else if open.is_some_and(|sent| sent.cancelling) && (lapsed() || sent.cancelling) {
                "crossed and lapsed"
            } else if open.is_some_and(|sent| sent.cancelling) && taken_back() {
                "crossed and not filled within its collar"
            } else if amended.contains(id) {
                "crossed and moved before"
            } else if by_limit && matches!(sent.purpose, Purpose::Rung { .. }) {
                "crossed and held: opened by a limit in the same bar"
            } else {
                return Err(format!(
                    "{}: {} at {level} was crossed by {bar:?} and nothing followed",
                    market.at, sent.purpose
                ));
            };
            counts.add(outcome);
        }
        if let Some(before) = before {
            crossings += u64::from(refused_add(case, before, turns, &resting, counts)?);
        }
    }
    Ok(crossings)
}

fn is_lapse(step: &Step) -> bool {
    step.rule == ENGINE_RULE && step.reason.template.contains("lapsed")
}

/// Whether an add level that was refused before was crossed by this delivery's bar; its plan must say so again.
fn refused_add(
    case: &Case<'_>,
    before: &Turn,
    turns: &[Turn],
    resting: &Orders,
    counts: &mut Counts,
) -> Result<bool, String> {
    let market = turns.last().unwrap();
    let policy = &case.setup.policy;
    let (Some(pyramid), Some(campaign), Some(bar)) = (&policy.pyramid, &before.campaign, market.bar()) else {
        return Ok(false);
    };
    let same = market.campaign.as_ref().is_some_and(|now| {
        (now.id, now.units, now.lapsed, now.rungs, now.held)
            == (campaign.id, campaign.units, campaign.lapsed, campaign.rungs, campaign.held)
    });
    let next = u32::BITS - (campaign.units | campaign.lapsed).leading_zeros();
    let readd = policy.ladder.as_ref().is_none_or(|ladder| ladder.readd);
    let ended = next as usize >= pyramid.shares.len() || (campaign.rungs != 0 && !readd);
    let held = campaign.held;
    let stays = |turn: &Turn| case.wanted(turn) == held.signum();
    let waits = resting.0.values().any(|sent| matches!(sent.purpose, Purpose::Add { .. }));
    let Some(unit) = campaign.unit.filter(|_| same && !ended && stays(before) && stays(market) && !waits) else {
        return Ok(false);
    };
    let (anchor, steps) = match pyramid.spacing {
        Spacing::Entry => (campaign.entry, next),
        Spacing::LastFill => (campaign.last_fill, next - (u32::BITS - 1 - campaign.units.leading_zeros())),
    };
    // Where levels are that are reckoned at every decision is not told from here.
    let Some(step) = pyramid.step.declared() else { return Ok(false) };
    let distance = step.get() * unit.approximate() * f64::from(steps);
    let level = anchor.approximate() + distance * held.signum() as f64;
    // A tick further, where rounding of the level is no matter.
    let reached =
        if held.signum() > 0 { bar.high.approximate() >= level + 0.2 } else { bar.low.approximate() <= level - 0.2 };
    if level <= 0.0 || !reached {
        return Ok(false);
    }
    // A position that is to go adds nothing.
    if market.plans().chain(before.plans()).any(|plan| plan.target.qty.is_zero()) {
        return Ok(false);
    }
    // Refused again, or allowed by now: the order goes out and the next price at the level fills it.
    let refuses = |plan: &Plan| plan.steps.iter().any(|step| step.outcome == Outcome::Refused);
    let told = market.plans().any(|plan| refuses(plan) || plan.add.is_some());
    ensure!(
        told,
        "{}: unit {} at {level} was crossed by {bar:?}, no order waited there, and no plan refuses it: held {held}, {}",
        market.at,
        next + 1,
        case.turns
            .iter()
            .take_while(|turn| turn.at <= market.at)
            .flat_map(Turn::plans)
            .last()
            .map_or_else(String::new, |plan| story(case, plan))
    );
    counts.add("crossed and refused");
    Ok(true)
}

/// A loss limit that bars increases, with the loss counted from the account alone: while it is in force nothing is sent that
/// increases, no add waits, and only what was sent before may still be filled.
fn losses(case: &Case<'_>, counts: &mut Counts) -> Checked {
    const DAY: i64 = units::Duration::DAY.nanos();
    let caps = &case.setup.policy.caps;
    if caps.on_loss != OnLoss::NoIncrease {
        return Ok(());
    }
    // Days since 1970 and weeks from the first Monday: length and begin.
    for (limit, length, shift) in [(caps.daily_loss, DAY, 0), (caps.weekly_loss, 7 * DAY, 4 * DAY)] {
        let Some(limit) = limit.map(Ratio::get) else { continue };
        let (mut period, mut start, mut before) = (i64::MIN, 0.0, 0.0);
        let mut breached = false;
        let mut sent_before: Vec<OrderId> = Vec::new();
        let mut orders = Orders::default();
        for turn in case.turns {
            let (now, equity) = (turn.at.nanos(), turn.account.equity().approximate());
            let begin = now - (now - shift).rem_euclid(length);
            if begin != period || now == begin {
                breached &= begin == period;
                (period, start) = (begin, if now == begin { equity } else { before });
            }
            before = equity;
            let was = breached;
            // A payment is told before the mark of the same instant and decides nothing: the loss is looked at with the mark.
            let decides = !turn.events.iter().all(|event| matches!(event, Event::Cash(_)));
            breached |= decides && start > equity && start - equity >= limit * start;
            for (id, fill) in turn.fills().filter(|(_, fill)| was && fill.forced.is_none()) {
                let held = turn.position - fill.signed_qty();
                let grows = turn.position.abs() > held.abs() && turn.fills().count() == 1;
                ensure!(!grows || sent_before.contains(&id), "{}: {fill:?} grows the position while in force", turn.at);
            }
            orders.news(turn);
            orders.sent(turn);
            if !breached {
                sent_before = orders.0.keys().copied().collect();
                continue;
            }
            counts.add("loss limit in force");
            for (command, purpose) in turn.commands() {
                let Command::Place(order) = command else { continue };
                let reduces = order.side.sign() * turn.position.signum() < 0;
                ensure!(reduces, "{}: {purpose} {order:?} sent while a loss limit is in force", turn.at);
            }
            let waits = orders.working().any(|sent| sent.waited() && matches!(sent.purpose, Purpose::Add { .. }));
            ensure!(!waits, "{}: an add waits while a loss limit is in force", turn.at);
        }
    }
    Ok(())
}

/// What guards promise: no increase is larger than one order may be, or worse than its collar, or sent in a blackout; and changes wait
/// for the order rate.
fn guards(case: &Case<'_>, counts: &mut Counts) -> Checked {
    let guards = &case.setup.policy.guards;
    let instrument = &case.setup.catalogue.instruments[0];
    let least = instrument.min_qty.max(case.setup.policy.trade.min_order.unwrap_or_default());
    let mut sent: Vec<Timestamp> = Vec::new();
    for turn in case.turns {
        let price = turn.facts.get(facts::PRICE);
        let earlier = sent.clone();
        for (command, purpose) in turn.commands() {
            let Command::Place(order) = command else { continue };
            sent.push(turn.at);
            let increases = order.side.sign() * turn.position.signum() >= 0;
            let Some(price) = price.filter(|_| increases) else { continue };
            let blacked_out = guards.blackout.iter().any(|window| window.end(turn.at).is_some());
            ensure!(!blacked_out, "{}: {purpose} {order:?} sent in a blackout", turn.at);
            if let Some(rate) = guards.max_orders {
                let recent = earlier.iter().filter(|at| turn.at.since(**at) < rate.per).count();
                ensure!(recent < rate.count as usize, "{}: {purpose} is one of {recent} orders", turn.at);
                counts.add("order under a rate");
            }
            let level = match order.kind {
                OrderKind::Market => None,
                OrderKind::Limit { price } => Some((price, price)),
                OrderKind::Stop { trigger } => Some((trigger, Price::MAX)),
                OrderKind::StopLimit { trigger, price } => Some((trigger, price)),
            };
            if let Some(most) = guards.max_order {
                // An add is valued where it is expected to fill: at its level, or at the price of a market that is beyond it
                // already. A tick further it may be a lot more.
                // A further piece of one waits for nothing.
                let beyond = |level: Price| order.side.sign() * (price - level).raw().signum() > 0;
                let is_stop = matches!(order.kind, OrderKind::Stop { .. } | OrderKind::StopLimit { .. });
                let waits = level.filter(|(level, _)| is_stop && purpose_is_add(purpose) && !beyond(*level));
                let at = waits.map_or(price, |(level, _)| level);
                let most = most.at(units::Contract::Linear, at, units::Round::AwayFromZero).unwrap().max(least);
                let most = most.to_lot(instrument.lot, units::Round::AwayFromZero);
                ensure!(order.qty <= most, "{}: {purpose} of {} over {most}", turn.at, order.qty);
                counts.add("order under a largest one");
            }
            if let Some(collar) = guards.price_collar.map(Ratio::get) {
                let Some((level, limit)) = level else { return Err(format!("{}: {purpose} at the market", turn.at)) };
                let sign = order.side.sign() as f64;
                let (level, price, limit) = (level.approximate(), price.approximate(), limit.approximate());
                let from = if !purpose_is_add(purpose) || sign * (price - level) > 0.0 { price } else { level };
                // Where the collar is less than a tick, the limit of an add is its trigger.
                let beyond = (limit - from) * sign - collar * from;
                ensure!(beyond <= 1e-6 || limit == level, "{}: {purpose} {order:?} beyond its collar", turn.at);
                counts.add("order within a collar");
            }
        }
    }
    Ok(())
}

fn purpose_is_add(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Add { .. })
}

/// I8: the engine, the exchange and a stranger agree to the last unit.
fn ledger(case: &Case<'_>, counts: &mut Counts) -> Checked {
    let (mut deposits, mut bought, mut fees, mut funding) = (Cash::ZERO, Notional::ZERO, Cash::ZERO, Cash::ZERO);
    let (mut position, mut high, mut paid_in) = (Qty::ZERO, Cash::ZERO, Cash::ZERO);
    for turn in case.turns {
        for event in &turn.events {
            match event {
                Event::Order(OrderEvent { update: OrderUpdate::Filled(fill), .. }) => {
                    bought += fill.price * fill.signed_qty();
                    fees += fill.fee;
                    position += fill.signed_qty();
                    counts.add(if fill.forced.is_some() { "liquidation" } else { "fill" });
                }
                Event::Cash(change) if matches!(change.reason, CashReason::Funding { .. }) => {
                    funding += change.amount;
                    counts.add("funding");
                }
                Event::Cash(change) => (deposits, paid_in) = (deposits + change.amount, paid_in + change.amount),
                _ => {}
            }
        }
        let (ours, venue) = (&turn.account, &turn.venue);
        ensure!(turn.position == position, "{}: position {} after fills of {position}", turn.at, turn.position);
        // Within a bar the venue knows a mark that it has not told yet.
        let parts = |account: &Account| {
            let Balance { cash, fees, funding, deposits, .. } = *account.settlement(0);
            (cash, fees, funding, deposits, account.position(0))
        };
        ensure!(parts(ours) == parts(venue), "{}: {:?} and the venue's {:?}", turn.at, parts(ours), parts(venue));
        let recomputed = deposits - bought.cash() - fees + funding + (ours.mark(0) * position).cash();
        ensure!(ours.equity() == recomputed, "{}: equity {}, recomputed {recomputed}", turn.at, ours.equity());
        if turn.source == Source::Market {
            ensure!(ours == venue, "{}: the venue's books differ", turn.at);
            counts.add("ledger");
        }
        high = if turn.events.iter().any(|event| matches!(event, Event::Cash(c) if c.reason == CashReason::Deposit)) {
            high + std::mem::take(&mut paid_in)
        } else {
            high
        };
        high = high.max(ours.equity());
        if let (Source::Market, Some(drawdown)) = (turn.source, turn.facts.get(facts::DRAWDOWN).map(Ratio::get)) {
            let expected = (high - ours.equity()).approximate() / high.approximate();
            ensure!((drawdown - expected).abs() < 1e-9, "{}: drawdown {drawdown}, not {expected}", turn.at);
        }
    }
    Ok(())
}

fn differs(a: &[Turn], b: &[Turn]) -> Option<String> {
    let at = a.iter().zip(b).position(|(a, b)| (a.at, &a.events, &a.outputs) != (b.at, &b.events, &b.outputs));
    at.map(|at| format!("turn {at}: {:?}\n{:?}", a[at].outputs, b[at].outputs))
        .or_else(|| (a.len() != b.len()).then(|| format!("{} turns and {}", a.len(), b.len())))
}

/// I6: the same again, from a snapshot at any instant too; and a future cut off changes nothing before it.
fn repeats(
    setup: &Setup,
    market: &[Tick],
    turns: &[Turn],
    state: &[u8],
    random: &mut Random,
    counts: &mut Counts,
) -> Checked {
    let (again, engine) = setup.run(market);
    ensure!(differs(turns, &again).is_none(), "a second run differs: {}", differs(turns, &again).unwrap());
    ensure!(snapshot(&engine) == state, "a second run ends in another state");

    let cut = random.below(market.len() as u64) as usize;
    let (prefix, _) = setup.run(&market[..cut]);
    let beginning = &turns[..prefix.len().min(turns.len())];
    ensure!(
        differs(beginning, &prefix).is_none(),
        "the future changed a past plan: {}",
        differs(beginning, &prefix).unwrap()
    );
    counts.add("prefix");

    let mut engine = setup.engine();
    for (number, turn) in turns.iter().enumerate() {
        let outputs = feed(&mut engine, turn.at, turn.source, &turn.events);
        ensure!(outputs == turn.outputs, "turn {number} differs after a snapshot: {outputs:?}\n{:?}", turn.outputs);
        if random.chance(0.02) {
            let bytes = snapshot(&engine);
            engine = restore(setup, &bytes);
            ensure!(snapshot(&engine) == bytes, "turn {number}: a snapshot loads and saves as another");
            counts.add("snapshot");
        }
    }
    ensure!(snapshot(&engine) == state, "restored engines end in another state");
    Ok(())
}

/// Repeated news of orders changes nothing: the same commands, the same books.
fn duplicates(setup: &Setup, turns: &[Turn], random: &mut Random, counts: &mut Counts) -> Checked {
    let mut engine = setup.engine();
    let mut earlier: Vec<Event> = Vec::new();
    for turn in turns {
        let commands = |outputs: &[Output]| -> Vec<Command> {
            outputs
                .iter()
                .filter_map(|o| if let Output::Command { command, .. } = o { Some(*command) } else { None })
                .collect()
        };
        let outputs = feed(&mut engine, turn.at, turn.source, &turn.events);
        ensure!(commands(&outputs) == commands(&turn.outputs), "{}: other commands after repeated news", turn.at);
        ensure!(engine.position(STRATEGY) == turn.position, "{}: another position", turn.at);
        ensure!(engine.account(AccountId(0)) == &turn.account, "{}: other books", turn.at);
        for event in &turn.events {
            if matches!(event, Event::Order(_)) {
                earlier.push(*event);
            }
        }
        if !earlier.is_empty() && random.chance(0.3) {
            let from = earlier.len() - 1 - random.below(earlier.len().min(8) as u64) as usize;
            let stale = earlier[from];
            let Event::Order(news) = stale else { continue };
            // An amendment told late speaks of terms that were replaced: the next decision sends them again.
            if matches!(news.update, OrderUpdate::Amended { .. } | OrderUpdate::Triggered) && from + 1 != earlier.len()
            {
                continue;
            }
            let outputs = feed(&mut engine, turn.at, Source::Venue, &[stale]);
            ensure!(commands(&outputs).is_empty(), "{}: {stale:?} told twice sent {outputs:?}", turn.at);
            counts.add("told twice");
        }
    }
    Ok(())
}

/// News that come late and in another order, fills and cancellations too: both sides agree again in the end.
fn late(setup: &Setup, market: &[Tick], random: &mut Random, counts: &mut Counts) -> Checked {
    let (mut engine, mut exchange) = (setup.engine(), setup.exchange());
    let mut kept: Vec<Event> = Vec::new();
    let send = |engine: &mut Engine, exchange: &mut Exchange, at, source, events: &[Event]| {
        for output in feed(engine, at, source, events) {
            if let Output::Command { command, .. } = output {
                exchange.command(command);
            }
        }
    };
    for tick in market {
        exchange.advance(tick.at, &tick.events);
        while let Some(input) = exchange.poll() {
            let (at, source, events) = (input.at, input.source, input.events.to_vec());
            let is_late = |event: &Event, random: &mut Random| {
                // A rejection ends what was never there: it comes in time.
                let told = |update: &OrderUpdate| !matches!(update, OrderUpdate::Rejected(_));
                matches!(event, Event::Order(news) if told(&news.update)) && random.chance(0.2)
            };
            let (later, now): (Vec<Event>, Vec<Event>) = events.iter().partition(|event| is_late(event, random));
            if source == Source::Market && !kept.is_empty() {
                counts.add("told late");
                send(&mut engine, &mut exchange, at, Source::Venue, &std::mem::take(&mut kept));
            }
            for event in later {
                let at = random.below(kept.len() as u64 + 1) as usize;
                if matches!(event, Event::Order(OrderEvent { update: OrderUpdate::Filled(_), .. })) {
                    counts.add(if at < kept.len() { "fill told before what came first" } else { "fill told late" });
                }
                kept.insert(at, event);
            }
            send(&mut engine, &mut exchange, at, source, &now);
            let (ours, venue) =
                (engine.account(AccountId(0)).position(0).qty, exchange.account(AccountId(0)).position(0).qty);
            ensure!(ours == venue || !kept.is_empty(), "{at}: {ours} held, {venue} at the venue");
            let held = engine.position(STRATEGY);
            ensure!(held == ours || !kept.is_empty(), "{at}: the strategy holds {held}, its account {ours}");
            let rests = setup.policy.stop.as_ref().is_some_and(|stop| stop.trigger == Trigger::Resting);
            if source == Source::Market && rests && kept.is_empty() {
                let stops = exchange.open_orders().filter(|open| open.is_protective());
                let covered: Qty = stops.map(|open| open.remaining().on(open.order.side)).sum();
                // A stop that would lie under zero is none: the engine says so itself.
                let stop = engine.campaign(STRATEGY).and_then(|campaign| campaign.stop);
                let unreachable = covered.is_zero() && ours.signum() > 0 && stop.is_none();
                // What a fill told late opened anew may be on its way out already.
                let closing = exchange.open_orders().filter(|open| open.order.kind == OrderKind::Market);
                let closing: Qty = closing.map(|open| open.remaining().on(open.order.side)).sum();
                ensure!(
                    covered == -ours || unreachable || closing == -ours,
                    "{at}: {ours} held, stops of {covered} at the venue, {closing} on the way out"
                );
            }
        }
    }
    Ok(())
}

#[derive(Default)]
struct Coverage {
    counts: Counts,
    paths: u32,
    crossed: u32,
    three: u32,
    families: BTreeMap<&'static str, u32>,
}

fn check(policy: &policy::Policy, seed: u64, bars: usize, coverage: &mut Coverage) -> Checked {
    let setup = random::setup(policy.clone(), seed);
    let signed = matches!(policy.signal.kind, SignalKind::Series { .. });
    let market = random::market(seed, bars, signed);
    let (turns, engine) = setup.run(&market);
    let state = snapshot(&engine);
    let case = Case::new(&setup, &turns);
    let counts = &mut coverage.counts;
    ledger(&case, counts)?;
    reductions(&case, counts)?;
    exits(&case, counts)?;
    limits(&case, counts)?;
    losses(&case, counts)?;
    guards(&case, counts)?;
    let crossings = triggers(&case, counts)?;
    let mut random = Random(seed ^ 0x5EED);
    repeats(&setup, &market, &turns, &state, &mut random, counts)?;
    duplicates(&setup, &turns, &mut random, counts)?;
    late(&setup, &market, &mut random, counts)?;
    coverage.paths += 1;
    coverage.crossed += u32::from(crossings >= 5);
    let used = families(policy);
    coverage.three += u32::from(used.len() >= 3);
    for family in used {
        *coverage.families.entry(family).or_default() += 1;
    }
    Ok(())
}

#[test]
fn any_policy_on_any_path() {
    let cases = cases(1_000);
    let config = Config { cases, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let coverage = RefCell::new(Coverage::default());
    let done = runner.run(&(policies(), any::<u64>(), 350..2_200_usize), |(policy, seed, bars)| {
        check(&policy, seed, bars, &mut coverage.borrow_mut()).map_err(TestCaseError::fail)
    });
    match done {
        Ok(()) => {}
        Err(TestError::Fail(reason, (policy, seed, bars))) => {
            panic!("seed {seed}, {bars} bars: {reason}\n{}", policy::to_toml(&random::shortened(policy)))
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    let Coverage { counts, paths, crossed, three, families } = coverage.into_inner();
    let told = format!("{paths} paths, {crossed} crossed, {three} of three families, {families:?}, {:#?}", counts.0);
    assert!(crossed * 2 >= paths, "five crossings on half of the paths: {told}");
    assert!(three * 2 >= paths, "three families in half of the policies: {told}");
    for family in FAMILIES {
        assert!(families.get(family).is_some_and(|count| count * 10 >= paths), "{family} in a tenth: {told}");
    }
    for situation in SITUATIONS {
        assert!(counts.0.get(situation).is_some_and(|count| *count > 0), "{situation} never came up: {told}");
    }
    if std::env::var_os("TRIMTAB_TELL").is_some() {
        panic!("{told}");
    }
}

const SITUATIONS: [&str; 31] = [
    "watched stop crossed",
    "rung taken at the market",
    "loss limit in force",
    "order under a rate",
    "order under a largest one",
    "order within a collar",
    "cut",
    "drawdown level in force",
    "increase under a leverage cap",
    "add under a leverage cap",
    "liquidation distance",
    "exit wanted",
    "stop covers",
    "stop follows",
    "stop trails",
    "rung rests",
    "reduces",
    "increases",
    "trim",
    "crossed and filled",
    "crossed and ended",
    "crossed and lapsed",
    "crossed and refused",
    "liquidation",
    "fill",
    "funding",
    "ledger",
    "prefix",
    "snapshot",
    "told twice",
    "told late",
];
