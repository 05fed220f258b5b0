//! `next`: what the engine will do, and at which price, time or value of a series.
//!
//! Copies of the engine as it was at an instant are asked, each with one thing changed: the next bar closes at another price, time
//! passes at the same price, a series has another value. Where the answer changes is searched to the tick. What rests at the venue is told
//! as it rests.

use crate::record::Keep;
use crate::records::OrderRow;
use crate::run::{Run, Variant, What, single};
use crate::setup::Setup;
use crate::{Error, Progress};
use engine::{Engine, Output, Plan, Purpose};
use market::{Bar, Catalogue, Command, Event, Input, InstrumentKind, OrderKind, SeriesPoint, Source};
use policy::spec::{Band, Hedge, SignalKind};
use policy::{Facts, Outcome, Policy, RiskFact, SurfaceFact, facts};
use std::ops::ControlFlow;
use std::path::PathBuf;
use units::state::{StateReader, StateWriter};
use units::{Cash, Contract, Duration, InstrumentId, Price, Qty, Ratio, Round, SeriesId, StrategyId, Timestamp};

/// How far the price is moved on either side, and in what steps the answers are compared, as shares of it.
const PRICE_REACH: f64 = 0.30;
const PRICE_STEP: f64 = 0.0025;
/// How far a series is moved, up and down, as factors in steps.
const SERIES_STEP: f64 = 1.02;
const SERIES_STEPS: i32 = 35;
/// How far ahead time is let pass, and in how many bars at most.
const HORIZON: Duration = Duration::from_nanos(7 * Duration::DAY.nanos());
const BARS_MAX: i64 = 2_100;
/// Bars until a signal's bar closes, at most: each is played for every price that is asked for.
const SIGNAL_BARS_MAX: i64 = 300;
/// Changes that are told on each side of the price.
const CHANGES_MAX: usize = 8;
/// What bars are long.
const BARS: [i64; 12] = [1, 3, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1_440];

/// What comes next for one strategy in one instrument.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// The state after all that had been received by then.
    pub at: Timestamp,
    /// The policy's name.
    pub strategy: String,
    /// Symbol.
    pub instrument: String,
    /// How many other strategies and instruments the run has. They were left as they are.
    pub others: usize,
    /// The last price.
    pub price: Price,
    /// Signed quantity held.
    pub position: Qty,
    /// Of its account, in what the instrument settles in.
    pub equity: Cash,
    /// One standard deviation of a day's move, as a share of the price, by the volatility that sizing reads. `None`: it reads none.
    pub daily_move: Option<f64>,
    /// How long bars are: the price is moved to where the next one would close.
    pub bar: Duration,
    /// What would be done, nearest first: by price, then by time, then by series.
    pub actions: Vec<Action>,
    /// Of a hedge: what it sees.
    pub hedge: Option<HedgeView>,
    /// Orders at the market that are on their way: what follows from them is in no action.
    pub on_their_way: Vec<OrderRow>,
    /// Series that are made of quotes or positions, which one number does not move: they were not varied.
    pub fixed: Vec<String>,
}

/// What a hedge sees, in coins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HedgeView {
    /// Delta, that of the hedge and its orders on the way included. `None`: it is not known.
    pub delta: Option<f64>,
    /// How far it may be from the target.
    pub band: f64,
    /// What it is to be.
    pub target: Qty,
}

impl HedgeView {
    fn of(hedge: &Hedge, told: &Facts) -> Self {
        let gross = told.get(facts::HEDGED_GROSS).unwrap_or_default().approximate();
        let held = told.get(facts::POSITION).unwrap_or_default() + told.get(facts::ON_THE_WAY).unwrap_or_default();
        let own = match (told.get(facts::CONTRACT).unwrap_or_default(), told.get(facts::PRICE)) {
            (Contract::Linear, _) => Some(held.approximate()),
            (Contract::Inverse, price) => price.map(|price| held.approximate() / price.approximate()),
        };
        let band = match hedge.band {
            Band::Coins(coins) => coins.approximate(),
            Band::OfGross(share) => share.get() * gross,
        };
        let delta = told.get(facts::HEDGED).zip(own).map(|(delta, own)| delta.approximate() + own);
        Self { delta, band, target: hedge.target }
    }
}

/// What sets an action off.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// The market trades there.
    Resting {
        /// The trigger or limit.
        price: Price,
    },
    /// A bar closes there, or beyond.
    Close {
        /// The first price at which it is so.
        price: Price,
        /// When it closes: the next bar, or the next one that the signal goes by.
        at: Timestamp,
    },
    /// It is then, at an unchanged price.
    Time {
        /// When.
        at: Timestamp,
    },
    /// A series is there, or beyond, at an unchanged price.
    Series {
        /// Its name.
        name: String,
        /// Its value now.
        now: f64,
        /// The first value at which it is so.
        value: f64,
    },
}

/// One thing that would be done, or refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// What sets it off.
    pub trigger: Trigger,
    /// What is sent or refused: `stop`, `add 2`, `moves the stop to 74152.6`.
    pub what: String,
    /// Signed quantity that is held.
    pub before: Qty,
    /// Signed quantity that would be.
    pub after: Qty,
    /// The rule that decides it; empty for what rests at the venue.
    pub rule: String,
    /// Its sentence.
    pub because: String,
}

impl Next {
    /// How far a price is from the present one, as a share of it.
    #[must_use]
    pub fn distance(&self, price: Price) -> f64 {
        price.approximate() / self.price.approximate() - 1.0
    }

    /// Between which prices nothing is done by price alone. `None`: as far as was looked.
    #[must_use]
    pub fn quiet(&self) -> (Option<Price>, Option<Price>) {
        let prices = || {
            self.actions.iter().filter_map(|action| match action.trigger {
                Trigger::Resting { price } | Trigger::Close { price, .. } => Some(price),
                _ => None,
            })
        };
        let under = prices().filter(|price| *price < self.price).max();
        (under, prices().filter(|price| *price > self.price).min())
    }
}

impl Run {
    /// What comes next after an instant, its end if none is given: of the strategy and in the instrument asked for; of those left open, the
    /// first.
    ///
    /// # Errors
    ///
    /// An instant outside the run; a strategy or instrument that it has not; tapes that are not those that it was made from; a structure of
    /// options, whose price follows quotes of its legs.
    pub fn next(
        &self,
        at: Option<Timestamp>,
        strategy: Option<&str>,
        instrument: Option<&str>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Next, Error> {
        let at = at.or_else(|| Some(self.tables.equity.last()?.time)).unwrap_or(Timestamp::MAX);
        // Whatever explains an instant knows whether the run has it, and whom it can be about.
        let explained = self.explained_trader(at, strategy, instrument)?;
        let (index, name, symbol) = explained;
        if let Some(changed) = self.changed_tape() {
            return Err(Error::Setup(format!(
                "`{}` is not the tape that the run was made from, so nothing can be replayed to the instant",
                changed.path.display()
            )));
        }
        let tapes: Vec<PathBuf> = self.record.tapes.iter().map(|tape| tape.path.clone()).collect();
        let policies = self.policies();
        let what = What { policies: &policies, variant: Variant::Scaled, keep: Keep::Equity, until: at };
        let pass = single(what, &tapes, progress)?;
        let mut setup = Setup::new(&policies, &pass.catalogue)?;
        setup.margin_options(&policies, &pass.catalogue, pass.span)?;
        let mut snapshot = StateWriter::new();
        pass.engine.save(&mut snapshot);
        let strategy = StrategyId(index as u32);
        let instrument = setup.traders[index].1;
        let known = &pass.catalogue.instruments[instrument.index()];
        if known.kind == InstrumentKind::Structure {
            return Err(Error::Setup(format!(
                "`{symbol}` is a structure of options, whose price follows the quotes of its legs: what comes next is not foreseen for it"
            )));
        }
        let told = pass.engine.facts(strategy);
        let Some(price) = told.get(facts::PRICE) else {
            return Err(Error::Setup(format!("`{symbol}` has no price yet at {at}")));
        };
        let equity = told.get(facts::EQUITY).unwrap_or_default();
        let daily_move = told.get(facts::VOLATILITY).map(|volatility| volatility.get() / 365.0_f64.sqrt());
        let position = pass.engine.position(strategy);
        let has_bars =
            |(_, id): &&(usize, InstrumentId)| pass.catalogue.instruments[id.index()].kind != InstrumentKind::Structure;
        let bar = bar_length(pass.span, self.record.bars, setup.traders.iter().filter(has_bars).count());
        let hedge = policies[setup.traders[index].0].hedge_in(symbol).map(|hedge| HedgeView::of(hedge, told));
        let (mut series, mut fixed) = (Vec::new(), Vec::new());
        // A hedge has no signal and no size of its own.
        let names = match hedge {
            Some(_) => Vec::new(),
            None => policies[setup.traders[index].0].series_of(symbol),
        };
        for name in names {
            let is_told = name.parse::<RiskFact>().is_ok() || name.parse::<SurfaceFact>().is_ok();
            let id = pass.catalogue.series_id(&name);
            match id.and_then(|id| Some((id, told.get(facts::series(id))?.get()))).filter(|_| !is_told) {
                Some((id, value)) if value != 0.0 => series.push((name, id, value)),
                _ => fixed.push(name),
            }
        }
        let copies = Copies {
            policies: &policies,
            catalogue: &pass.catalogue,
            setup: &setup,
            snapshot: snapshot.as_bytes(),
            at,
            strategy,
            instrument,
            price,
            tick: known.tick,
            bar,
            position,
        };
        let resting = self.resting(at, name, symbol);
        let mut actions: Vec<Action> = resting.iter().filter_map(|order| resting_action(order, position)).collect();
        actions.extend(copies.by_price(&resting, 1)?);
        // A signal of longer bars turns when one of these closes.
        let signal = &policies[setup.traders[index].0].signal.kind;
        if let Some(bars) = bars_to_signal(signal, at, bar).filter(|_| hedge.is_none()) {
            let known = actions.clone();
            let is_new =
                |action: &Action| !known.iter().any(|other| (&other.what, &other.rule) == (&action.what, &action.rule));
            actions.extend(copies.by_price(&resting, bars)?.into_iter().filter(is_new));
        }
        let distance = |action: &Action| match action.trigger {
            Trigger::Resting { price: at } | Trigger::Close { price: at, .. } => (at - price).abs(),
            _ => Price::ZERO,
        };
        actions.sort_by_key(distance);
        actions.extend(copies.by_time()?);
        for (name, id, value) in series {
            actions.extend(copies.by_series(&name, id, value)?);
        }
        Ok(Next {
            at,
            strategy: name.to_owned(),
            instrument: symbol.to_owned(),
            others: setup.traders.len() - 1,
            price,
            position,
            equity,
            daily_move,
            bar,
            actions,
            hedge,
            on_their_way: resting.into_iter().filter(|order| order.kind == "market").collect(),
            fixed,
        })
    }
}

/// The length of bars, from how many there are.
fn bar_length((first, last): (Timestamp, Timestamp), bars: u64, traders: usize) -> Duration {
    let each = last.since(first).nanos() as f64 * traders as f64 / bars.max(2) as f64 / Duration::MINUTE.nanos() as f64;
    let nearest = BARS.into_iter().min_by(|a, b| (*a as f64 - each).abs().total_cmp(&(*b as f64 - each).abs()));
    Duration::from_nanos(nearest.unwrap_or(60) * Duration::MINUTE.nanos())
}

/// How many bars from now the next bar closes that a signal goes by, if it goes by longer ones.
fn bars_to_signal(signal: &SignalKind, at: Timestamp, bar: Duration) -> Option<i64> {
    let longer = match signal {
        SignalKind::EmaCross { bar, .. } | SignalKind::Momentum { bar, .. } | SignalKind::Donchian { bar, .. } => *bar,
        SignalKind::Constant { .. } | SignalKind::Series { .. } => return None,
    };
    let left = longer.nanos() - at.nanos().rem_euclid(longer.nanos());
    let bars = left / bar.nanos();
    (bars > 1 && left % bar.nanos() == 0 && bars <= SIGNAL_BARS_MAX).then_some(bars)
}

/// What a resting order would do.
fn resting_action(order: &OrderRow, position: Qty) -> Option<Action> {
    let price = order.trigger.or(order.price)?;
    let change = if order.side == "buy" { order.quantity } else { -order.quantity };
    let after = position + change;
    let closes = order.reduce_only && (after.is_zero() || after.signum() != position.signum());
    Some(Action {
        trigger: Trigger::Resting { price },
        what: order.purpose.to_string(),
        before: position,
        after: if closes { Qty::ZERO } else { after },
        rule: String::new(),
        because: format!("a {} order rests at the venue", order.kind.replace('_', "-")),
    })
}

/// What an engine answers to an input, without its numbers: what it sends, and what it refuses.
type Answer = Vec<(u8, Purpose, u8)>;

/// What it answers, and the plan that says why.
struct Answered {
    answer: Answer,
    command: Option<(Command, Purpose)>,
    plan: Option<(Plan, Vec<(policy::Step, &'static str)>)>,
}

/// Makers of engines as one was at an instant.
struct Copies<'a> {
    policies: &'a [Policy],
    catalogue: &'a Catalogue,
    setup: &'a Setup,
    snapshot: &'a [u8],
    at: Timestamp,
    strategy: StrategyId,
    instrument: InstrumentId,
    price: Price,
    tick: Price,
    bar: Duration,
    position: Qty,
}

impl Copies<'_> {
    fn engine(&self) -> Result<Engine, Error> {
        let mut engine = self.setup.engine(self.policies, self.catalogue, false)?;
        let corrupt = |_| Error::Setup("the engine's own snapshot cannot be read: a defect of this program".to_owned());
        engine.load(&mut StateReader::new(self.snapshot)).map_err(corrupt)?;
        Ok(engine)
    }

    /// A bar after the present one that goes from the present price straight to another.
    fn bar(&self, number: i64, price: Price) -> Event {
        let opened = self.at + Duration::from_nanos(self.bar.nanos() * (number - 1));
        let closed = opened + self.bar;
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

    /// A bar in which the price does not move.
    fn still(&self, number: i64, price: Price) -> Event {
        match self.bar(number, price) {
            Event::Bar(bar) => Event::Bar(Bar { open: price, high: price, low: price, ..bar }),
            other => other,
        }
    }

    /// What an engine answers to events at the close of the bar of that number.
    fn ask(&self, engine: &mut Engine, number: i64, events: &[Event]) -> Answered {
        let at = self.at + Duration::from_nanos(self.bar.nanos() * number);
        engine.handle(&Input { at, source: Source::Market, events });
        let mut answered = Answered { answer: Vec::new(), command: None, plan: None };
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Plan(plan) if plan.strategy == self.strategy => {
                    let refused =
                        plan.steps.iter().filter(|step| matches!(step.outcome, Outcome::Refused | Outcome::Unmet));
                    answered.answer.extend(refused.map(|step| (3, Purpose::Entry, step.rule)));
                    let named = |step: &policy::Step| (*step, engine.rule_name(self.strategy, step.rule));
                    let steps = plan.steps.iter().map(named).collect();
                    answered.plan = Some((plan, steps));
                }
                Output::Command { command, purpose, strategy } if strategy == self.strategy => {
                    let kind = match command {
                        Command::Place(_) => 0,
                        Command::Amend { .. } => 1,
                        Command::Cancel { .. } => 2,
                    };
                    answered.answer.push((kind, purpose, 0));
                    // What is sent says more than what is taken back for it.
                    if kind < 2 && answered.command.is_none() {
                        answered.command = Some((command, purpose));
                    }
                }
                _ => {}
            }
        }
        answered
    }

    /// What a fresh copy answers to one input at the close of the next bar.
    fn probe(&self, events: &[Event]) -> Result<Answered, Error> {
        Ok(self.ask(&mut self.engine()?, 1, events))
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

    fn action(&self, answered: &Answered, trigger: Trigger) -> Action {
        let moves_only = matches!(answered.command, Some((Command::Amend { .. }, _)));
        let mut action = Action {
            trigger,
            what: self.said(answered),
            before: self.position,
            after: self.position,
            rule: String::new(),
            because: String::new(),
        };
        if let Some((plan, steps)) = &answered.plan {
            if !moves_only {
                action.after = plan.target.qty;
            }
            let wanted = match answered.command {
                Some((_, Purpose::Stop)) => "stop",
                Some((_, Purpose::Rung { .. })) => "ladder",
                Some((_, Purpose::Add { .. })) => "pyramid",
                _ => "",
            };
            // Rounding is the last to change a target, and decides nothing; nor does what the engine tells of facts.
            let has_a_say = |step: &policy::Step| step.outcome != Outcome::Kept || step.before != step.after;
            let decides = |(step, rule): &&(policy::Step, &'static str)| {
                *rule == wanted || (wanted.is_empty() && !["trim", "market"].contains(rule) && has_a_say(step))
            };
            if let Some((step, rule)) = steps.iter().rev().find(decides).or(steps.last()) {
                (action.rule, action.because) = ((*rule).to_owned(), step.reason.to_string());
            }
        }
        action
    }

    fn said(&self, answered: &Answered) -> String {
        match answered.command {
            Some((Command::Amend { kind: OrderKind::Stop { trigger }, .. }, purpose)) => {
                format!("moves the {purpose} to {trigger}")
            }
            Some((Command::Amend { .. }, purpose)) => format!("changes the {purpose}"),
            Some((_, purpose)) => purpose.to_string(),
            None if answered.answer.iter().any(|(kind, ..)| *kind == 2) => "takes an order back".to_owned(),
            None => "refuses".to_owned(),
        }
    }

    /// Where the answer changes as the next bar closes further and further away, on both sides.
    fn by_price(&self, resting: &[OrderRow], bars: i64) -> Result<Vec<Action>, Error> {
        let close = self.at + Duration::from_nanos(self.bar.nanos() * bars);
        let answer = |ticks: i64| -> Result<Option<Answer>, Error> {
            Ok(self.at_ticks(ticks, bars)?.map(|answered| answered.answer))
        };
        let Some(unmoved) = answer(0)? else { return Ok(Vec::new()) };
        let mut actions = Vec::new();
        for side in [-1.0, 1.0] {
            // Behind a stop nothing is held any more.
            let stop = resting.iter().filter(|order| order.purpose == "stop").filter_map(|order| order.trigger);
            let stop =
                stop.filter(|stop| (*stop > self.price) == (side > 0.0)).min_by_key(|stop| (*stop - self.price).abs());
            let mut last = (0_i64, unmoved.clone());
            let mut found = 0;
            for step in 1..=(PRICE_REACH / PRICE_STEP) as i32 {
                let moved = self.price.approximate() * side * PRICE_STEP * f64::from(step);
                let ticks = Price::from_estimate(moved, Round::TowardZero).map_or(0, |by| by.raw() / self.tick.raw());
                let beyond =
                    stop.is_some_and(|stop| (ticks * self.tick.raw()).abs() >= (stop - self.price).abs().raw());
                if beyond || found == CHANGES_MAX {
                    break;
                }
                // What is done before that close is found by the search of the next one.
                let Some(there) = answer(ticks)? else { break };
                // Several changes may lie in one step.
                while last.1 != there && found < CHANGES_MAX {
                    let (mut same, mut other) = (last.0, ticks);
                    while (other - same).abs() > 1 {
                        let middle = same + (other - same) / 2;
                        match answer(middle)?.as_ref() == Some(&last.1) {
                            true => same = middle,
                            false => other = middle,
                        }
                    }
                    let Some(there) = self.at_ticks(other, bars)? else { break };
                    if !there.answer.is_empty() {
                        let price = self.price + Price::from_raw(other * self.tick.raw());
                        actions.push(self.action(&there, Trigger::Close { price, at: close }));
                        found += 1;
                    }
                    last = (other, there.answer);
                }
                last.0 = ticks;
            }
        }
        Ok(actions)
    }

    fn at_ticks(&self, ticks: i64, bars: i64) -> Result<Option<Answered>, Error> {
        let price = Price::from_raw((self.price.raw() + ticks * self.tick.raw()).max(self.tick.raw()));
        self.after_bars(bars, price)
    }

    /// The first thing that is done as bars pass at an unchanged price, and what is refused before it.
    fn by_time(&self) -> Result<Vec<Action>, Error> {
        let mut engine = self.engine()?;
        let mut actions: Vec<Action> = Vec::new();
        let mut last = Answer::new();
        for number in 1..=(HORIZON.nanos() / self.bar.nanos()).min(BARS_MAX) {
            let answered = self.ask(&mut engine, number, &[self.bar(number, self.price)]);
            if !answered.answer.is_empty() && answered.answer != last {
                let at = self.at + Duration::from_nanos(self.bar.nanos() * number);
                actions.push(self.action(&answered, Trigger::Time { at }));
                if answered.command.is_some() || actions.len() == CHANGES_MAX {
                    break;
                }
            }
            last = answered.answer;
        }
        Ok(actions)
    }

    /// Where the answer changes first as a series moves up, and as it moves down.
    fn by_series(&self, name: &str, series: SeriesId, now: f64) -> Result<Vec<Action>, Error> {
        let at = |factor: f64| -> Result<Answered, Error> {
            let value = Ratio::new(now * factor).unwrap_or_default();
            self.probe(&[Event::Series(SeriesPoint { series, value }), self.bar(1, self.price)])
        };
        let unmoved = at(1.0)?.answer;
        let mut actions = Vec::new();
        for side in [-1, 1] {
            let mut same = 1.0;
            for step in 1..=SERIES_STEPS {
                let mut other = SERIES_STEP.powi(side * step);
                if at(other)?.answer == unmoved {
                    same = other;
                    continue;
                }
                while (other / same - 1.0).abs() > 1e-4 {
                    let middle = (same + other) / 2.0;
                    if at(middle)?.answer == unmoved { same = middle } else { other = middle }
                }
                let there = at(other)?;
                if !there.answer.is_empty() {
                    let trigger = Trigger::Series { name: name.to_owned(), now, value: now * other };
                    actions.push(self.action(&there, trigger));
                }
                break;
            }
        }
        Ok(actions)
    }
}
