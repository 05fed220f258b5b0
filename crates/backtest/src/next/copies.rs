//! Copies of an engine as it was at an instant, and what they answer.

use super::modes::{self, InForce};
use super::options::Quoted;
use super::search::{changes, is_trivial};
use super::{Action, Bars, Trigger};
use crate::Error;
use crate::records::OrderRow;
use crate::setup::Setup;
use engine::{Engine, Output, Plan, Purpose};
use market::{Bar, Catalogue, Command, Event, Input, OrderKind, SeriesPoint, Source};
use policy::{Outcome, Policy};
use std::collections::BTreeSet;
use std::sync::Arc;
use units::state::StateReader;
use units::{Duration, InstrumentId, Price, Qty, Ratio, Round, SeriesId, StrategyId, Timestamp};

/// How far the price is moved on either side, and in what steps the answers are compared, as shares of it.
const PRICE_REACH: f64 = 0.30;
const PRICE_STEP: f64 = 0.0025;
/// A series is moved by ten-thousandths of its value, and answers are compared each so many of them.
const SERIES_PLACE: f64 = 1e-4;
const SERIES_STEP: i64 = 200;
/// How far ahead time is let pass, and in how many bars at most.
const HORIZON: Duration = Duration::from_nanos(7 * Duration::DAY.nanos());
const BARS_MAX: i64 = 2_100;
/// Things that are told as time passes, at most.
const TIMES_MAX: usize = 8;

/// What is sent (0 placed, 1 amended, 2 taken back) and what for, what a rule refuses (3), or which mode begins or ends ([`modes`]).
pub(super) type Kind = (u8, Purpose, u8);

/// A step of a plan, and the name of its rule.
pub(super) type Named = (policy::Step, &'static str);

/// What an engine answers to an input: the kinds of what it sends and refuses, what it would hold then, and the plan that says why.
#[derive(Default)]
pub(super) struct Answered {
    pub(super) kinds: Vec<Kind>,
    pub(super) after: Qty,
    pub(super) command: Option<(Command, Purpose)>,
    pub(super) plan: Option<(Arc<Plan>, Vec<Named>)>,
    /// The modes that are in force behind it.
    pub(super) modes: Vec<InForce>,
}

impl Answered {
    /// Whether it brings the size to what the market makes of it.
    pub(super) fn trades(&self) -> bool {
        self.kinds.iter().any(|(kind, purpose, _)| *kind == 0 && matches!(purpose, Purpose::Resize | Purpose::Hedge))
    }
}

/// Makers of engines as one was at an instant.
pub(super) struct Copies<'a> {
    pub(super) policies: &'a [Policy],
    pub(super) catalogue: &'a Catalogue,
    pub(super) setup: &'a Setup,
    pub(super) snapshot: &'a [u8],
    pub(super) at: Timestamp,
    pub(super) strategy: StrategyId,
    pub(super) instrument: InstrumentId,
    pub(super) price: Price,
    pub(super) tick: Price,
    pub(super) lot: Qty,
    pub(super) bars: Bars,
    pub(super) position: Qty,
    /// Ids of orders that fill before the next bar has closed: nothing takes them back.
    pub(super) on_their_way: BTreeSet<String>,
    /// Modes that are in force.
    pub(super) modes: Vec<InForce>,
    /// Facts that are supposed to be something else than the engine finds.
    pub(super) supposed: &'a [(SeriesId, Ratio)],
    /// Of a structure of options: the quotes that its price follows.
    pub(super) quoted: Option<&'a Quoted>,
}

/// A number that is varied.
pub(super) struct Varied {
    pub(super) name: String,
    pub(super) series: SeriesId,
    pub(super) now: f64,
    /// What it is moved by multiples of.
    pub(super) scale: f64,
    /// It may be under zero.
    pub(super) is_signed: bool,
    /// It is a recorded series; else the engine tells it of quotes or of what is held, and is made to tell another.
    pub(super) is_recorded: bool,
}

impl Copies<'_> {
    pub(super) fn engine(&self) -> Result<Engine, Error> {
        let mut engine = self.setup.engine(self.policies, self.catalogue, false)?;
        let corrupt = |_| Error::Setup("the engine's own snapshot cannot be read: a defect of this program".to_owned());
        engine.load(&mut StateReader::new(self.snapshot)).map_err(corrupt)?;
        self.supposed.iter().for_each(|(series, value)| engine.suppose(*series, *value));
        Ok(engine)
    }

    /// A bar after the present one that goes from the present price straight to another.
    fn bar(&self, number: i64, price: Price) -> Event {
        let closed = self.bars.close(number);
        let opened = closed - self.bars.length;
        let (open, low, high) = (self.price, self.price.min(price), self.price.max(price));
        Event::Bar(Bar {
            instrument: self.instrument,
            opened,
            closed,
            open,
            high,
            low,
            close: price,
            volume: Qty::ZERO,
        })
    }

    /// What the next input is where nothing moves.
    fn unmoved(&self) -> Vec<Event> {
        self.quoted.map_or_else(|| vec![self.bar(1, self.price)], Quoted::still)
    }

    /// A bar in which the price does not move.
    fn still(&self, number: i64, price: Price) -> Event {
        match self.bar(number, price) {
            Event::Bar(bar) => Event::Bar(Bar { open: price, high: price, low: price, ..bar }),
            other => other,
        }
    }

    /// What an engine answers to events at the close of the bar of that number.
    fn ask(&self, engine: &mut Engine, number: i64, events: &[Event]) -> Answered {
        self.ask_at(engine, self.bars.close(number), events)
    }

    /// What an engine answers to events at an instant.
    pub(super) fn ask_at(&self, engine: &mut Engine, at: Timestamp, events: &[Event]) -> Answered {
        self.ask_in(engine, &self.modes, at, events)
    }

    /// The same, where other modes were in force before.
    pub(super) fn ask_in(&self, engine: &mut Engine, before: &[InForce], at: Timestamp, events: &[Event]) -> Answered {
        engine.handle(&Input { at, source: Source::Market, events });
        let mut answered = Answered { after: self.position, modes: before.to_vec(), ..Answered::default() };
        let mut sold = Qty::ZERO;
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Plan(plan) if plan.strategy == self.strategy => {
                    let refused =
                        plan.steps.iter().filter(|step| matches!(step.outcome, Outcome::Refused | Outcome::Unmet));
                    answered.kinds.extend(refused.map(|step| (3, Purpose::Entry, step.rule)));
                    let named = |step: &policy::Step| (*step, engine.rule_name(self.strategy, step.rule));
                    let steps: Vec<Named> = plan.steps.iter().map(named).collect();
                    answered.kinds.extend(steps.iter().filter_map(|(step, rule)| stays(step, rule)));
                    answered.modes = modes::of_plan(&steps);
                    answered.plan = Some((plan, steps));
                }
                Output::Command { command, purpose, strategy } if strategy == self.strategy => {
                    let (kind, old) = match &command {
                        Command::Place(_) => (0, None),
                        Command::Amend { order, .. } => (1, Some(*order)),
                        Command::Cancel { order } => (2, Some(*order)),
                    };
                    if old.is_some_and(|id| self.on_their_way.contains(&id.to_string())) {
                        continue;
                    }
                    // A plan's target counts a rung from its fill on.
                    if let (Command::Place(order), Purpose::Rung { .. }) = (&command, purpose)
                        && order.kind == OrderKind::Market
                    {
                        sold += order.qty;
                    }
                    answered.kinds.push((kind, purpose, 0));
                    // What is sent says more than what is taken back for it.
                    if kind < 2 && answered.command.is_none() {
                        answered.command = Some((command, purpose));
                    }
                }
                _ => {}
            }
        }
        let moves_only = matches!(answered.command, Some((Command::Amend { .. }, _)));
        if let Some((plan, _)) = answered.plan.as_ref().filter(|_| !moves_only) {
            answered.after = plan.target.qty;
        }
        // What rungs take now is off what is held. Beside another order the plan's target is what both come to.
        if let (false, Some((_, Purpose::Rung { .. }))) = (sold.is_zero(), &answered.command) {
            let left = (self.position.abs() - sold).max(Qty::ZERO);
            answered.after = if self.position.signum() < 0 { -left } else { left };
        }
        let changed: Vec<Kind> = modes::changes(before, &answered.modes).collect();
        answered.kinds.extend(changed);
        answered
    }

    /// What a fresh copy answers at the close of the bar of that number, if the price moves in the first one and stays there. `None`: it
    /// does something before.
    fn after_bars(&self, bars: i64, price: Price) -> Result<Option<Answered>, Error> {
        let mut engine = self.engine()?;
        for number in 1..bars {
            let closed = if number == 1 { self.bar(1, price) } else { self.still(number, price) };
            if self.ask(&mut engine, number, &[closed]).command.is_some() {
                return Ok(None);
            }
        }
        let last = if bars == 1 { self.bar(1, price) } else { self.still(bars, price) };
        Ok(Some(self.ask(&mut engine, bars, &[last])))
    }

    pub(super) fn action(&self, answered: &Answered, trigger: Trigger) -> Action {
        let mut action = Action {
            trigger,
            what: said(answered),
            before: self.position,
            after: answered.after,
            rule: String::new(),
            because: "what is done before it is not done there".to_owned(),
        };
        if let Some((plan, steps)) = &answered.plan {
            let wanted = match answered.command {
                Some((_, Purpose::Stop)) => "stop",
                Some((_, Purpose::Rung { .. })) => "ladder",
                Some((_, Purpose::Add { .. })) => "pyramid",
                _ => "",
            };
            let of_mode = modes::rule_of(&answered.kinds).filter(|_| answered.command.is_none());
            // Rounding is the last to change a target, and decides nothing; nor does what the engine tells of facts.
            let has_a_say = |step: &policy::Step| step.outcome != Outcome::Kept || step.before != step.after;
            let decides = |(step, rule): &&(policy::Step, &'static str)| {
                *rule == wanted || (wanted.is_empty() && !["trim", "market"].contains(rule) && has_a_say(step))
            };
            let of_mode = of_mode.and_then(|rule| steps.iter().rposition(|(step, _)| step.rule == rule));
            let decided =
                of_mode.or_else(|| steps.iter().rposition(|step| decides(&step))).or(steps.len().checked_sub(1));
            if let Some(at) = decided {
                (action.rule, action.because) = (steps[at].1.to_owned(), plan.because(at));
            }
        }
        action
    }

    /// What becomes another as the bar of that number closes further and further away, on both sides. `ends`: where nothing is held any
    /// more.
    pub(super) fn by_price(&self, resting: &[OrderRow], ends: Option<Price>, bars: i64) -> Result<Vec<Action>, Error> {
        let close = self.bars.close(bars);
        let mut ask = |ticks: i64| self.at_ticks(ticks, bars);
        let Some(anyway) = ask(0)? else { return Ok(Vec::new()) };
        let mut actions = Vec::new();
        for side in [-1, 1] {
            // Behind a stop nothing is held any more, nor where the venue liquidates.
            let stops = resting.iter().filter(|order| order.purpose == "stop").filter_map(|order| order.trigger);
            let ends = stops.chain(ends).filter(|end| (*end > self.price) == (side > 0));
            let end = ends.map(|end| (end - self.price).abs().raw() / self.tick.raw()).min().unwrap_or(i64::MAX);
            let place = |step: i32| {
                let moved = self.price.approximate() * PRICE_STEP * f64::from(step);
                Price::from_estimate(moved, Round::TowardZero).map_or(0, |by| by.raw() / self.tick.raw())
            };
            // Closer at first, and up to the tick before it ends.
            let steps = (PRICE_REACH / PRICE_STEP) as i32;
            let first = [0.02, 0.1, 0.4].map(|share| (place(1) as f64 * share) as i64);
            let places = [1].into_iter().chain(first).chain((1..=steps).map(place)).filter(|ticks| *ticks > 0);
            let places =
                places.take_while(|ticks| *ticks < end).chain((1 < end && end < place(steps)).then_some(end - 1));
            for (ticks, answered) in changes(places.map(|ticks| side * ticks), &anyway, self.lot, &mut ask)? {
                let price = self.price + Price::from_raw(ticks * self.tick.raw());
                actions.push(self.action(&answered, Trigger::Close { price, at: close }));
            }
        }
        Ok(actions)
    }

    fn at_ticks(&self, ticks: i64, bars: i64) -> Result<Option<Answered>, Error> {
        let price = Price::from_raw((self.price.raw() + ticks * self.tick.raw()).max(self.tick.raw()));
        self.after_bars(bars, price)
    }

    /// What is done as bars pass at an unchanged price, up to the first thing that changes what is held, and what is refused before it.
    pub(super) fn by_time(&self) -> Result<Vec<Action>, Error> {
        let mut engine = self.engine()?;
        let mut actions: Vec<Action> = Vec::new();
        let (mut last, mut modes) = (Vec::new(), self.modes.clone());
        for number in 1..=(HORIZON.nanos() / self.bars.length.nanos()).min(BARS_MAX) {
            let at = self.bars.close(number);
            let answered = self.ask_in(&mut engine, &modes, at, &[self.bar(number, self.price)]);
            modes.clone_from(&answered.modes);
            if !answered.kinds.is_empty() && answered.kinds != last {
                actions.push(self.action(&answered, Trigger::Time { at }));
                // A small trade that follows the market hides nothing that comes after it.
                let goes_on = answered.trades() && is_trivial(self.position, answered.after, self.lot);
                if (answered.command.is_some() && !goes_on) || actions.len() == TIMES_MAX {
                    break;
                }
            }
            last = answered.kinds;
        }
        Ok(actions)
    }

    /// What becomes another as a number moves up, and as it moves down: to tenfold; down to nothing, and as far under it if it may be.
    pub(super) fn by_number(&self, of: &Varied) -> Result<Vec<Action>, Error> {
        let value = |place: i64| of.now + of.scale * SERIES_PLACE * place as f64;
        let mut ask = |place: i64| -> Result<Option<Answered>, Error> {
            let mut engine = self.engine()?;
            let value = Ratio::new(value(place)).unwrap_or_default();
            if of.is_recorded {
                let point = Event::Series(SeriesPoint { series: of.series, value });
                let events: Vec<Event> = self.unmoved().into_iter().chain([point]).collect();
                return Ok(Some(self.ask(&mut engine, 1, &events)));
            }
            if place != 0 {
                engine.suppose(of.series, value);
            }
            Ok(Some(self.ask(&mut engine, 1, &self.unmoved())))
        };
        let Some(anyway) = ask(0)? else { return Ok(Vec::new()) };
        let mut actions = Vec::new();
        // That it is told at all may set something off.
        let still = self.ask(&mut self.engine()?, 1, &self.unmoved());
        if of.is_recorded && anyway.kinds != still.kinds {
            let trigger = Trigger::Series { name: of.name.clone(), now: of.now, value: of.now };
            actions.push(self.action(&anyway, trigger));
        }
        let places = |by: f64| (by / of.scale / SERIES_PLACE).round() as i64;
        let least = match of.is_signed {
            true => places(of.now + of.now.abs().max(2.0 * of.scale)),
            false => places(of.now) - 1,
        };
        let first = || [1, 4, 20, 80].into_iter();
        let down =
            first().chain((1..).map(|step| step * SERIES_STEP)).take_while(|place| *place < least).chain([least]);
        // Steps of a fiftieth, and from the threefold on of a fifth.
        let up = first()
            .chain((1..=100).map(|step| step * SERIES_STEP))
            .chain((1..=35).map(|step| (100 + step * 10) * SERIES_STEP));
        for places in [down.map(|place| -place).collect::<Vec<_>>(), up.collect()] {
            for (place, answered) in changes(places.into_iter(), &anyway, self.lot, &mut ask)? {
                let trigger = Trigger::Series { name: of.name.clone(), now: of.now, value: value(place) };
                actions.push(self.action(&answered, trigger));
            }
        }
        Ok(actions)
    }
}

/// What is done where the trail of a stop is not known.
pub(super) const STAYS: &str = "keeps the stop";

/// Of a step that keeps the stop where it is.
pub(super) fn stays(step: &policy::Step, rule: &str) -> Option<Kind> {
    (rule == "stop" && step.outcome == Outcome::Held).then_some((3, Purpose::Stop, step.rule))
}

fn said(answered: &Answered) -> String {
    let rungs = answered.kinds.iter().filter_map(|(kind, purpose, _)| match purpose {
        Purpose::Rung { index } if *kind == 0 => Some((index + 1).to_string()),
        _ => None,
    });
    let rungs: Vec<String> = rungs.collect();
    let done = match answered.command {
        Some((Command::Place(_), Purpose::Rung { .. })) if rungs.len() > 1 => {
            let (last, first) = rungs.split_last().map_or(("", &[][..]), |(last, first)| (last.as_str(), first));
            format!("rungs {} and {last}", first.join(", "))
        }
        Some((Command::Amend { kind: OrderKind::Stop { trigger }, .. }, purpose)) => {
            format!("moves the {purpose} to {trigger}")
        }
        Some((Command::Amend { .. }, purpose)) => format!("changes the {purpose}"),
        Some((_, purpose)) => purpose.to_string(),
        None if answered.kinds.is_empty() => "nothing".to_owned(),
        None if answered.kinds.iter().any(|(kind, ..)| *kind == 2) => "takes an order back".to_owned(),
        None if answered.kinds.iter().all(|kind| (kind.0, kind.1) == (3, Purpose::Stop)) => STAYS.to_owned(),
        // That a mode refuses is said by its beginning.
        None if modes::rule_of(&answered.kinds).is_some() => String::new(),
        None => "refuses".to_owned(),
    };
    let of_modes = modes::said(&answered.kinds);
    [done].into_iter().filter(|done| !done.is_empty()).chain(of_modes).collect::<Vec<_>>().join(", ")
}
