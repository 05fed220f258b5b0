//! What comes next from a portfolio's state alone: the same decision as `plan` makes, asked where one thing has moved.
//!
//! What the plan leaves resting is told with its own trigger. Beside that the price, the time and each series are moved, one at a time, and
//! where the decision becomes another is searched as for a run.

use super::copies::{Answered, Kind, STAYS, stays};
use super::modes::{self, InForce};
use super::search::changes;
use super::what_if::WhatIf;
use super::{Action, Next, Trigger};
use crate::explain::PlanView;
use crate::plan::{Decided, Moved, Ready};
use crate::{Error, PlanAnswer};
use engine::Purpose;
use policy::{Add, Exit, Outcome, facts};
use units::{Duration, Price, Qty, Round};

/// How far the price is moved, in what steps decisions are compared, as shares of it.
const REACH: f64 = 0.30;
const STEP: f64 = 0.0025;
/// How far ahead time passes, in minutes, and in what steps decisions are compared.
const MINUTES: i64 = 7 * 1_440;
const MINUTES_STEP: i64 = 60;
/// A series moves by ten-thousandths of its value; decisions are compared each so many of them.
const PLACE: f64 = 1e-4;
const PLACES_STEP: i64 = 200;

/// What comes next for a policy in a portfolio's state. `what_if`: what is supposed to be another than in the state, `price` or a series.
///
/// # Errors
///
/// What `plan` refuses; a supposed price beyond what rests at the venue, which would have been filled on the way.
pub fn next_of_state(policy_text: &str, state_json: &str, what_if: &[(String, f64)]) -> Result<Next, Error> {
    let ready = Ready::read(policy_text, state_json)?;
    let (tick, lot) = ready.grids()?;
    let told = ready.series();
    let mut from = Moved::default();
    for (name, value) in what_if {
        let wrong = |why: &str| Error::Setup(format!("`{name}={value}`: {why}"));
        if name == "price" {
            let price = Price::from_estimate(*value, Round::Nearest).map(|price| price.to_tick(tick, Round::Nearest));
            from.price = Some(price.filter(|price| price.raw() > 0).ok_or_else(|| wrong("a price is over zero"))?);
        } else if told.iter().any(|(known, _)| known == name) && value.is_finite() {
            from.series.push((name.clone(), *value));
        } else {
            let known: Vec<String> = told.iter().map(|(known, _)| format!("`{known}`")).collect();
            let known = if known.is_empty() { String::new() } else { format!(" and {}", known.join(", ")) };
            return Err(wrong(&format!("the policy decides by `price`{known}")));
        }
    }
    let base = ready.decide(&Moved::default())?;
    if let Some(price) = from.price
        && let Some(beyond) = resting(&base.answer).iter().find(|level| is_between(**level, base.answer.price, price))
    {
        return Err(Error::Setup(format!(
            "`price={price}` is beyond {beyond}, where an order rests that would fill on the way: change the state to what is held there"
        )));
    }
    let now = ready.decide(&from)?;
    let asking = Asking { ready: &ready, from, now: &now, tick, lot };
    let mut actions = asking.at_once();
    let mut by_price = asking.resting();
    by_price.extend(asking.by_price()?);
    let distance = |action: &Action| match action.trigger {
        Trigger::Resting { price } | Trigger::Close { price, .. } => (price - now.answer.price).abs(),
        _ => Price::ZERO,
    };
    by_price.sort_by_key(distance);
    actions.extend(by_price);
    actions.extend(asking.by_time()?);
    for (name, value) in &told {
        let value =
            asking.from.series.iter().find(|(known, _)| known == name).map_or(*value, |(_, supposed)| *supposed);
        actions.extend(asking.by_series(name, value)?);
    }
    let answer = &now.answer;
    let view = PlanView {
        plan: 0,
        time: answer.time,
        price: answer.price,
        equity: answer.equity,
        position: answer.position,
        target: answer.target,
        steps: answer.steps.clone(),
    };
    let what_if = (!what_if.is_empty()).then(|| WhatIf {
        set: what_if.to_vec(),
        changed: Vec::new(),
        fills: Vec::new(),
        plans: vec![view],
    });
    Ok(Next {
        at: answer.time,
        strategy: ready.policy().name.clone(),
        instrument: answer.instrument.clone(),
        others: 0,
        price: answer.price,
        position: answer.position,
        equity: answer.equity,
        daily_move: now.facts.get(facts::VOLATILITY).map(|volatility| volatility.get() / 365.0_f64.sqrt()),
        bar: Duration::ZERO,
        tick,
        lot,
        contract: answer.contract,
        unit: answer.price,
        actions,
        underlying: None,
        legs: Vec::new(),
        hedge: None,
        on_their_way: Vec::new(),
        volatilities: ready.volatilities(),
        fixed: Vec::new(),
        stopped: Vec::new(),
        what_if,
    })
}

/// Whether a level lies between two prices, the second one included.
fn is_between(level: Price, from: Price, to: Price) -> bool {
    (from < level && level <= to) || (to <= level && level < from)
}

/// Whether the trigger of an add is one that the price has passed.
fn is_behind(add: &Add, price: Price) -> bool {
    if add.qty.signum() > 0 { add.trigger <= price } else { add.trigger >= price }
}

/// Where orders rest.
fn resting(answer: &PlanAnswer) -> Vec<Price> {
    let exits = answer.exits.iter().filter_map(|exit| match exit {
        Exit::Stop { trigger } => Some(*trigger),
        Exit::Rung { price, .. } => Some(*price),
        _ => None,
    });
    let add = answer.add.filter(|add| !is_behind(add, answer.price));
    exits.chain(add.map(|add| add.trigger)).collect()
}

struct Asking<'a> {
    ready: &'a Ready,
    from: Moved,
    now: &'a Decided,
    tick: Price,
    lot: Qty,
}

impl Asking<'_> {
    /// What is done where nothing moves.
    fn at_once(&self) -> Vec<Action> {
        let answer = &self.now.answer;
        let purpose = purpose(self.now);
        purpose
            .map(|purpose| self.action(self.now, Some(purpose), Trigger::Time { at: answer.time }))
            .into_iter()
            .collect()
    }

    /// What is left resting.
    fn resting(&self) -> Vec<Action> {
        let answer = &self.now.answer;
        let held = answer.position;
        let signed = |qty: Qty| if held.signum() < 0 { -qty } else { qty };
        let action = |price: Price, what: String, after: Qty| Action {
            trigger: Trigger::Resting { price },
            what,
            before: held,
            after,
            rule: String::new(),
            because: "the plan leaves it resting".to_owned(),
        };
        let exits = answer.exits.iter().filter_map(|exit| match exit {
            Exit::Stop { trigger } => Some(action(*trigger, Purpose::Stop.to_string(), Qty::ZERO)),
            Exit::Rung { index, price, qty } => {
                Some(action(*price, Purpose::Rung { index: *index }.to_string(), held - signed(*qty)))
            }
            _ => None,
        });
        let add = answer.add.map(|add| {
            let rests = action(add.trigger, Purpose::Add { unit: add.unit }.to_string(), held + add.qty);
            match is_behind(&add, answer.price) {
                true => Action {
                    trigger: Trigger::Time { at: answer.time },
                    because: format!("its trigger at {} is behind the price: it fills at once", add.trigger),
                    ..rests
                },
                false => rests,
            }
        });
        exits.chain(add).collect()
    }

    /// What a decision does, as the search compares it.
    fn answered(&self, decided: &Decided) -> Answered {
        let (answer, now) = (&decided.answer, &self.now.answer);
        let mut kinds: Vec<Kind> = purpose(decided).map(|purpose| (0, purpose, 0)).into_iter().collect();
        let stop = |answer: &PlanAnswer| answer.exits.iter().find_map(Exit::stop);
        if stop(answer) != stop(now) && !answer.target.is_zero() {
            kinds.push((1, Purpose::Stop, 0));
        }
        // A resting add that is gone, or is another unit.
        if let Some(add) = now.add.filter(|add| answer.add.is_none_or(|other| other.unit != add.unit)) {
            kinds.push((2, Purpose::Add { unit: add.unit }, 0));
        }
        if let Some(add) = answer.add.filter(|add| now.add.is_none_or(|other| other.unit != add.unit)) {
            kinds.push((0, Purpose::Add { unit: add.unit }, 0));
        }
        let steps = decided.because.steps().iter();
        let refused = steps.filter(|step| matches!(step.outcome, Outcome::Refused | Outcome::Unmet));
        kinds.extend(refused.map(|step| (3, Purpose::Entry, step.rule)));
        let named = decided.because.steps().iter().zip(&answer.steps);
        kinds.extend(named.filter_map(|(step, view)| stays(step, &view.rule)));
        let modes = |decided: &Decided| -> Vec<InForce> {
            decided.because.steps().iter().filter_map(|step| Some((step.rule, step.mode()?))).collect()
        };
        let modes = (modes(self.now), modes(decided));
        kinds.extend(modes::changes(&modes.0, &modes.1));
        Answered { kinds, after: after(answer), modes: modes.1, ..Answered::default() }
    }

    fn action(&self, decided: &Decided, purpose: Option<Purpose>, trigger: Trigger) -> Action {
        let answered = self.answered(decided);
        let stop = decided.answer.exits.iter().find_map(Exit::stop);
        let sent = purpose.or(answered.kinds.iter().find(|(kind, ..)| *kind == 0).map(|(_, purpose, _)| *purpose));
        let has = |wanted: u8| answered.kinds.iter().any(|(kind, ..)| *kind == wanted);
        let what = match (sent, stop) {
            (Some(purpose), _) => purpose.to_string(),
            (None, Some(stop)) if has(1) => format!("moves the stop to {stop}"),
            (None, _) if has(1) => "takes the stop back".to_owned(),
            (None, _) if has(2) => "takes an order back".to_owned(),
            (None, _) if modes::rule_of(&answered.kinds).is_some() => String::new(),
            (None, _) if answered.kinds.iter().all(|kind| (kind.0, kind.1) == (3, Purpose::Stop)) && has(3) => {
                STAYS.to_owned()
            }
            (None, _) if has(3) => "refuses".to_owned(),
            (None, _) => "nothing".to_owned(),
        };
        let of_mode = modes::rule_of(&answered.kinds).filter(|_| sent.is_none());
        let parts = [what].into_iter().filter(|what| !what.is_empty()).chain(modes::said(&answered.kinds));
        let what = parts.collect::<Vec<_>>().join(", ");
        let wanted = match () {
            () if what.contains("stop") => "stop",
            () if what.starts_with("rung") => "ladder",
            () if what.starts_with("add") => "pyramid",
            () => "",
        };
        let steps = &decided.answer.steps;
        let has_a_say = |outcome: &str, moved: bool| outcome != "kept" || moved;
        let decides = |step: &&crate::StepView| {
            step.rule == wanted
                || (wanted.is_empty() && step.rule != "trim" && has_a_say(&step.outcome, step.before != step.after))
        };
        let of_mode = of_mode.and_then(|rule| decided.because.steps().iter().position(|step| step.rule == rule));
        let of_mode = of_mode.and_then(|at| steps.get(at));
        let step = of_mode.or_else(|| steps.iter().rev().find(decides)).or(steps.last());
        Action {
            trigger,
            before: decided.answer.position,
            after: after(&decided.answer),
            rule: step.filter(|_| what != "nothing").map(|step| step.rule.clone()).unwrap_or_default(),
            because: match step {
                Some(step) if what != "nothing" => step.because.clone(),
                _ => "what is done before it is not done there".to_owned(),
            },
            what,
        }
    }

    /// Where decisions become others along places, and what they are there.
    fn along(
        &self,
        places: impl Iterator<Item = i64>,
        moved: &dyn Fn(i64) -> Moved,
        trigger: &dyn Fn(i64) -> Trigger,
    ) -> Result<Vec<Action>, Error> {
        let anyway = self.answered(self.now);
        let mut ask = |place: i64| Ok(Some(self.answered(&self.ready.decide(&moved(place))?)));
        let found = changes(places, &anyway, self.lot, &mut ask)?;
        let action =
            |(place, _): &(i64, Answered)| Ok(self.action(&self.ready.decide(&moved(*place))?, None, trigger(*place)));
        found.iter().map(action).collect()
    }

    fn by_price(&self) -> Result<Vec<Action>, Error> {
        let (price, at) = (self.now.answer.price, self.now.answer.time);
        let mut actions = Vec::new();
        for side in [-1, 1] {
            // What is behind an order that rests depends on its fill.
            let ends =
                resting(&self.now.answer).into_iter().filter(|end| (*end > price) == (side > 0) && *end != price);
            let end = ends.map(|end| (end - price).abs().raw() / self.tick.raw()).min().unwrap_or(i64::MAX);
            let place = |step: i32| {
                let moved = price.approximate() * STEP * f64::from(step);
                Price::from_estimate(moved, Round::TowardZero).map_or(0, |by| by.raw() / self.tick.raw())
            };
            let steps = (REACH / STEP) as i32;
            let places = [1].into_iter().chain((1..=steps).map(place)).filter(|ticks| *ticks > 0);
            let places =
                places.take_while(|ticks| *ticks < end).chain((1 < end && end < place(steps)).then_some(end - 1));
            let there = |ticks: i64| price + Price::from_raw(ticks * self.tick.raw());
            let moved = |ticks: i64| Moved { price: Some(there(ticks)), ..self.from.clone() };
            let trigger = |ticks: i64| Trigger::Close { price: there(ticks), at };
            actions.extend(self.along(places.map(|ticks| side * ticks), &moved, &trigger)?);
        }
        Ok(actions)
    }

    fn by_time(&self) -> Result<Vec<Action>, Error> {
        let minutes = |count: i64| Duration::from_nanos(count * Duration::MINUTE.nanos());
        let moved = |count: i64| Moved { after: minutes(count), ..self.from.clone() };
        let trigger = |count: i64| Trigger::Time { at: self.now.answer.time + minutes(count) };
        let places = [1].into_iter().chain((1..=MINUTES / MINUTES_STEP).map(|step| step * MINUTES_STEP));
        self.along(places, &moved, &trigger)
    }

    fn by_series(&self, name: &str, now: f64) -> Result<Vec<Action>, Error> {
        let scale = if now == 0.0 { 0.5 } else { now.abs() };
        let value = |place: i64| now + scale * PLACE * place as f64;
        let moved = |place: i64| {
            let mut moved = self.from.clone();
            moved.series.retain(|(known, _)| known != name);
            moved.series.push((name.to_owned(), value(place)));
            moved
        };
        let trigger = |place: i64| Trigger::Series { name: name.to_owned(), now, value: value(place) };
        let mut actions = Vec::new();
        // Down to as far under zero, up to threefold.
        for (side, most) in [(-1, 100), (1, 100)] {
            let places = [1, 20].into_iter().chain((1..=most).map(|step| step * PLACES_STEP));
            let is_told = |place: &i64| value(side * place) > 0.0 || now <= 0.0;
            actions.extend(self.along(places.filter(is_told).map(|place| side * place), &moved, &trigger)?);
        }
        Ok(actions)
    }
}

/// What is held behind a decision: the target, less what rungs take now.
fn after(answer: &PlanAnswer) -> Qty {
    let taken =
        answer.exits.iter().filter_map(|exit| if let Exit::Take { qty, .. } = exit { Some(*qty) } else { None });
    let taken = taken.fold(Qty::ZERO, |sum, qty| sum + qty);
    if taken.is_zero() {
        return answer.target;
    }
    let left = (answer.position.abs() - taken).max(Qty::ZERO);
    // What closes or turns the position takes them along.
    if answer.target.signum() != answer.position.signum() || answer.target.abs() < left {
        return answer.target;
    }
    if answer.position.signum() < 0 { -left } else { left }
}

/// What the change of size that goes out now is for. `None`: nothing goes out.
fn purpose(decided: &Decided) -> Option<Purpose> {
    let PlanAnswer { position: held, target, exits, .. } = &decided.answer;
    if let Some(index) = exits.iter().find_map(|exit| match exit {
        Exit::Take { index, .. } => Some(*index),
        _ => None,
    }) {
        return Some(Purpose::Rung { index });
    }
    match () {
        () if held == target => None,
        () if held.is_zero() => Some(Purpose::Entry),
        () if decided.because.is_stopped() => Some(Purpose::Stop),
        () if target.is_zero() || target.signum() != held.signum() => Some(Purpose::Exit),
        () if target.abs() < held.abs() && decided.because.was_cut() => Some(Purpose::Cut),
        () => Some(Purpose::Resize),
    }
}
