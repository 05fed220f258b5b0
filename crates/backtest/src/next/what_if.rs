//! What if the next bar closed at a price, with values of series and of facts: it passes through the exchange and the engine as they are.

use crate::Error;
use crate::explain::{PlanView, StepView};
use crate::records::OrderRow;
use crate::table::Name;
use drive::{Journal, World};
use engine::{Engine, Notice, Output, Plan};
use exchange::Exchange;
use market::{Bar, Catalogue, Command, Event, Input, OrderKind, SeriesPoint};
use policy::{RiskFact, SurfaceFact};
use std::collections::BTreeMap;
use std::convert::Infallible;
use units::{InstrumentId, Price, Qty, Ratio, Round, SeriesId, Side, StrategyId, Timestamp};

/// What was supposed, and what followed.
#[derive(Debug, Clone, PartialEq)]
pub struct WhatIf {
    /// Names and values.
    pub set: Vec<(String, f64)>,
    /// Keys of the policy and what they are from here on.
    pub changed: Vec<(String, String)>,
    /// What was filled on the way there.
    pub fills: Vec<WhatIfFill>,
    /// The plans that were made, in order. None: nothing would be done.
    pub plans: Vec<PlanView>,
}

/// A fill on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct WhatIfFill {
    /// What its order was for.
    pub purpose: String,
    /// Bought or sold.
    pub side: Side,
    /// How much.
    pub qty: Qty,
    /// At what.
    pub price: Price,
}

/// What is supposed, checked.
pub(super) struct Supposed {
    pub(super) price: Option<Price>,
    recorded: Vec<(SeriesId, Ratio)>,
    pub(super) told: Vec<(SeriesId, Ratio)>,
}

impl Supposed {
    /// `names`: the series and facts that the policy reads.
    pub(super) fn new(
        set: &[(String, f64)],
        names: &[String],
        catalogue: &Catalogue,
        tick: Price,
    ) -> Result<Self, Error> {
        let mut supposed = Self { price: None, recorded: Vec::new(), told: Vec::new() };
        for (name, value) in set {
            let wrong = |why: &str| Error::Setup(format!("`{name}={value}`: {why}"));
            if name == "price" {
                let price =
                    Price::from_estimate(*value, Round::Nearest).map(|price| price.to_tick(tick, Round::Nearest));
                supposed.price =
                    Some(price.filter(|price| price.raw() > 0).ok_or_else(|| wrong("a price is over zero"))?);
                continue;
            }
            let series = names.contains(name).then(|| catalogue.series_id(name)).flatten().ok_or_else(|| {
                let known: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                let known = if known.is_empty() { String::new() } else { format!(" and {}", known.join(", ")) };
                wrong(&format!("the policy decides by `price`{known}"))
            })?;
            let value = Ratio::new(*value).ok_or_else(|| wrong("a value is a finite number"))?;
            let is_told = name.parse::<RiskFact>().is_ok() || name.parse::<SurfaceFact>().is_ok();
            if is_told { &mut supposed.told } else { &mut supposed.recorded }.push((series, value));
        }
        Ok(supposed)
    }

    /// Lets it come with a bar that goes straight from one price to the other.
    pub(super) fn pass(
        &self,
        (engine, exchange): (&mut Engine, &mut Exchange),
        (strategy, instrument): (StrategyId, InstrumentId),
        (opened, closed): (Timestamp, Timestamp),
        open: Price,
    ) -> Heard {
        let close = self.price.unwrap_or(open);
        let (high, low) = (open.max(close), open.min(close));
        let mut events =
            vec![Event::Bar(Bar { instrument, opened, closed, open, high, low, close, volume: Qty::ZERO })];
        events.extend(
            self.recorded.iter().map(|(series, value)| Event::Series(SeriesPoint { series: *series, value: *value })),
        );
        for (series, value) in &self.told {
            engine.suppose(*series, *value);
        }
        let mut world = Once { exchange, at: closed, events: Some(events) };
        let mut heard = Heard { strategy, plans: Vec::new(), fills: Vec::new(), purposes: BTreeMap::new() };
        let Ok(()) = drive::run(engine, &mut world, &mut heard).map_err(|error| match error {
            drive::DriveError::World(never) | drive::DriveError::Journal(never) => never,
        });
        heard
    }
}

/// A market of one delivery.
struct Once<'a> {
    exchange: &'a mut Exchange,
    at: Timestamp,
    events: Option<Vec<Event>>,
}

impl World for Once<'_> {
    type Error = Infallible;

    fn next(&mut self, _wakeup: Option<Timestamp>) -> Result<Option<Input<'_>>, Infallible> {
        loop {
            if let Some(source) = self.exchange.step() {
                return Ok(Some(self.exchange.delivery(source)));
            }
            let Some(events) = self.events.take() else { return Ok(None) };
            self.exchange.advance(self.at, &events);
        }
    }

    fn send(&mut self, command: Command) {
        self.exchange.command(command);
    }
}

/// What a strategy said and was told.
pub(super) struct Heard {
    strategy: StrategyId,
    plans: Vec<Plan>,
    pub(super) fills: Vec<WhatIfFill>,
    purposes: BTreeMap<String, String>,
}

impl Journal for Heard {
    type Error = Infallible;

    fn append(&mut self, _input: &Input<'_>) -> Result<(), Infallible> {
        Ok(())
    }

    fn output(&mut self, output: &Output) -> Result<(), Infallible> {
        match output {
            Output::Plan(plan) if plan.strategy == self.strategy => self.plans.push(Plan::clone(plan)),
            Output::Command { command: Command::Place(order), purpose, strategy } if *strategy == self.strategy => {
                self.purposes.insert(order.id.to_string(), purpose.to_string());
            }
            Output::Notice(Notice::Filled { strategy, purpose, fill, .. }) if *strategy == self.strategy => {
                let (purpose, side) = (purpose.to_string(), fill.side);
                self.fills.push(WhatIfFill { purpose, side, qty: fill.qty, price: fill.price });
            }
            _ => {}
        }
        Ok(())
    }

    fn settled(&mut self, _at: Timestamp, _engine: &Engine) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Heard {
    pub(super) fn plans(&self, engine: &Engine) -> Vec<PlanView> {
        let step = |plan: &Plan, at: usize, step: &policy::Step| StepView {
            rule: engine.rule_name(self.strategy, step.rule).to_owned(),
            outcome: step.outcome.name().to_owned(),
            before: step.before,
            after: step.after,
            because: plan.because(at),
        };
        let view = |plan: &Plan| PlanView {
            plan: plan.id.0,
            time: plan.at,
            price: plan.price,
            equity: plan.equity,
            position: plan.position,
            target: plan.target.qty,
            steps: plan.steps.iter().enumerate().map(|(at, of)| step(plan, at, of)).collect(),
        };
        self.plans.iter().map(view).collect()
    }

    /// The strategy's orders that are open then, by what they were for: of those from before as `known` tells.
    pub(super) fn open(&self, exchange: &Exchange, known: &[OrderRow], at: Timestamp) -> Vec<OrderRow> {
        let row = |open: &exchange::Order| {
            let (order, id) = (&open.order, open.order.id.to_string());
            let before = known.iter().find(|row| row.order == id);
            let purpose = self.purposes.get(&id).map(String::as_str).or(before.map(|row| &*row.purpose))?;
            let (kind, price, trigger) = match order.kind {
                OrderKind::Market => ("market", None, None),
                OrderKind::Limit { price } => ("limit", Some(price), None),
                OrderKind::Stop { trigger } => ("stop", None, Some(trigger)),
                OrderKind::StopLimit { trigger, price } => ("stop_limit", Some(price), Some(trigger)),
            };
            Some(OrderRow {
                time: at,
                plan: order.id.plan().0,
                order: id,
                strategy: Name::from(""),
                instrument: Name::from(""),
                purpose: Name::from(purpose),
                side: Name::from(if order.side == Side::Buy { "buy" } else { "sell" }),
                quantity: open.remaining(),
                kind: Name::from(kind),
                price,
                trigger,
                reduce_only: order.reduce_only,
                event: Name::from("place"),
                reason: Name::from(""),
            })
        };
        exchange.open_orders().filter_map(row).collect()
    }
}
