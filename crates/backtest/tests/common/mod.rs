//! A market in memory through the real exchange, driver and engine; every delivery is kept with what followed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper may fail its test")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

use drive::{Journal, World};
use engine::{Campaign, Engine, EngineConfig, LiquidationGuard, Output, Plan, Purpose, StrategyConfig};
use exchange::{Exchange, ExchangeConfig};
use market::*;
use policy::{Facts, Policy, Program};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tape::{Provenance, TapeHeader, TapeWriter};
use units::state::{StateReader, StateWriter};
use units::{AccountId, InstrumentId, OrderId, Price, Qty, Rate, StrategyId, Timestamp};

/// The strategy of all these runs.
pub const STRATEGY: StrategyId = StrategyId(0);

/// One market input.
#[derive(Debug, Clone)]
pub struct Tick {
    pub at: Timestamp,
    pub events: Vec<Event>,
}

/// What runs, and where.
#[derive(Debug, Clone)]
pub struct Setup {
    pub policy: Policy,
    pub catalogue: Catalogue,
}

/// One delivery and what followed.
#[derive(Debug, Clone)]
pub struct Turn {
    pub at: Timestamp,
    pub source: Source,
    pub events: Vec<Event>,
    pub outputs: Vec<Output>,
    /// The engine's account, and the exchange's.
    pub account: Account,
    pub venue: Account,
    pub position: Qty,
    pub campaign: Option<Campaign>,
    /// As the rules of this turn's decision read them.
    pub facts: Facts,
}

impl Turn {
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.outputs.iter().filter_map(|output| if let Output::Plan(plan) = output { Some(&**plan) } else { None })
    }

    pub fn commands(&self) -> impl Iterator<Item = (&Command, Purpose)> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Command { command, purpose, .. } => Some((command, *purpose)),
            _ => None,
        })
    }

    pub fn fills(&self) -> impl Iterator<Item = (OrderId, &Fill)> {
        self.events.iter().filter_map(|event| match event {
            Event::Order(OrderEvent { order, update: OrderUpdate::Filled(fill) }) => Some((*order, fill)),
            _ => None,
        })
    }

    pub fn bar(&self) -> Option<&Bar> {
        self.events.iter().find_map(|event| if let Event::Bar(bar) = event { Some(bar) } else { None })
    }
}

impl Setup {
    pub fn engine(&self) -> Engine {
        let catalogue = self.catalogue.clone();
        let program =
            Program::compile(&self.policy, &self.policy.instruments[0], &|name| catalogue.series_id(name)).unwrap();
        let guard = self.policy.caps.liquidation_distance.map(|distance| LiquidationGuard {
            tiers: self.tiers(),
            distance,
            initial_stop: self.policy.stop.as_ref().map(|stop| stop.initial),
        });
        let mut engine = Engine::new(EngineConfig { catalogue, ..EngineConfig::default() });
        engine.add_strategy(StrategyConfig { guard, ..StrategyConfig::new(InstrumentId(0), program) });
        engine
    }

    pub fn tiers(&self) -> risk::TierTable {
        exchange::ExchangeConfig::tiers_of(&self.catalogue.instruments[0])
    }

    pub fn exchange(&self) -> Exchange {
        let terms = &self.policy.backtest;
        let config = ExchangeConfig {
            taker: terms.taker_fee,
            maker: terms.maker_fee,
            half_spread: terms.half_spread,
            slippage: terms.slippage,
            impact: terms.impact,
            latency: terms.latency,
            liquidation_fee: Rate::from_raw(Rate::ONE / 200),
            ..ExchangeConfig::new(terms.deposit, &self.catalogue)
        };
        Exchange::new(config, &self.catalogue)
    }

    /// Runs a market to its end.
    pub fn run(&self, market: &[Tick]) -> (Vec<Turn>, Engine) {
        let mut engine = self.engine();
        let exchange = Rc::new(RefCell::new(self.exchange()));
        let mut world = Memory::new(exchange.clone(), market);
        let mut journal = Keeper { exchange, turns: Vec::new() };
        drive::run(&mut engine, &mut world, &mut journal).unwrap();
        (journal.turns, engine)
    }
}

/// The market and the exchange, as the driver's world.
pub struct Memory<'a> {
    exchange: Rc<RefCell<Exchange>>,
    market: &'a [Tick],
    delivered: Vec<Event>,
}

impl<'a> Memory<'a> {
    pub fn new(exchange: Rc<RefCell<Exchange>>, market: &'a [Tick]) -> Self {
        Self { exchange, market, delivered: Vec::new() }
    }
}

impl World for Memory<'_> {
    type Error = Infallible;

    fn next(&mut self, _wakeup: Option<Timestamp>) -> Result<Option<Input<'_>>, Infallible> {
        let mut exchange = self.exchange.borrow_mut();
        loop {
            if let Some(Input { at, source, events }) = exchange.poll() {
                self.delivered.clear();
                self.delivered.extend_from_slice(events);
                return Ok(Some(Input { at, source, events: &self.delivered }));
            }
            let Some((tick, rest)) = self.market.split_first() else { return Ok(None) };
            self.market = rest;
            exchange.advance(tick.at, &tick.events);
        }
    }

    fn send(&mut self, command: Command) {
        self.exchange.borrow_mut().command(command);
    }
}

/// Keeps every turn.
struct Keeper {
    exchange: Rc<RefCell<Exchange>>,
    turns: Vec<Turn>,
}

impl Journal for Keeper {
    type Error = Infallible;

    fn append(&mut self, input: &Input<'_>) -> Result<(), Infallible> {
        self.turns.push(Turn {
            at: input.at,
            source: input.source,
            events: input.events.to_vec(),
            outputs: Vec::new(),
            account: Account::of_contracts([]),
            venue: Account::of_contracts([]),
            position: Qty::ZERO,
            campaign: None,
            facts: Facts::new(0),
        });
        Ok(())
    }

    fn output(&mut self, output: &Output) -> Result<(), Infallible> {
        self.turns.last_mut().unwrap().outputs.push(output.clone());
        Ok(())
    }

    fn settled(&mut self, _at: Timestamp, engine: &Engine) -> Result<(), Infallible> {
        let turn = self.turns.last_mut().unwrap();
        turn.account = engine.account(AccountId(0)).clone();
        turn.venue = self.exchange.borrow().account(AccountId(0)).clone();
        turn.position = engine.position(STRATEGY);
        turn.campaign = engine.campaign(STRATEGY).cloned();
        turn.facts = engine.facts(STRATEGY).clone();
        // A price that is passed tells none.
        turn.facts.put(policy::facts::DRAWDOWN, units::Ratio::new(engine.drawdown(AccountId(0))));
        Ok(())
    }
}

pub fn snapshot(engine: &Engine) -> Vec<u8> {
    let mut out = StateWriter::new();
    engine.save(&mut out);
    out.as_bytes().to_vec()
}

pub fn restore(setup: &Setup, bytes: &[u8]) -> Engine {
    let mut engine = setup.engine();
    engine.load(&mut StateReader::new(bytes)).unwrap();
    engine
}

/// What a venue tells of an account that begins with a deposit and with positions that were there before, without fees.
pub fn opened(deposit: &str, coin: &str, fills: &[(usize, Qty, Price)]) -> Vec<Event> {
    let deposit = CashChange {
        account: AccountId(0),
        currency: coin.parse().unwrap(),
        amount: deposit.parse().unwrap(),
        reason: CashReason::Deposit,
    };
    let mut events = vec![Event::Cash(deposit)];
    for (number, (index, size, price)) in fills.iter().enumerate() {
        let fill = Fill {
            account: AccountId(0),
            instrument: InstrumentId(*index as u32),
            side: size.side().unwrap(),
            qty: size.abs(),
            price: *price,
            reference: *price,
            fee: units::Cash::ZERO,
            liquidity: Liquidity::Internal,
            forced: Some(Forced::Opening),
            execution: number as u64 + 1,
        };
        events.push(Event::Order(OrderEvent { order: OrderId(0), update: OrderUpdate::Filled(fill) }));
    }
    events
}

/// Takes in an input and hands out what followed.
pub fn feed(engine: &mut Engine, at: Timestamp, source: Source, events: &[Event]) -> Vec<Output> {
    engine.handle(&Input { at, source, events });
    std::iter::from_fn(|| engine.poll_output()).collect()
}

/// An order as the commands and the news of it tell, kept apart from the engine's own book.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub order: NewOrder,
    pub purpose: Purpose,
    pub filled: Qty,
    pub cancelling: bool,
    pub triggered: bool,
}

impl Sent {
    pub fn open(&self) -> Qty {
        self.order.qty - self.filled
    }

    /// Whether it waits for a trigger.
    pub fn waited(&self) -> bool {
        matches!(self.order.kind, OrderKind::Stop { .. } | OrderKind::StopLimit { .. })
    }

    /// The price at which it is triggered or fills.
    pub fn level(&self) -> Option<Price> {
        match self.order.kind {
            OrderKind::Market => None,
            OrderKind::Limit { price } => Some(price),
            OrderKind::Stop { trigger } | OrderKind::StopLimit { trigger, .. } => Some(trigger),
        }
    }
}

/// All orders that have not ended.
#[derive(Debug, Clone, Default)]
pub struct Orders(pub BTreeMap<OrderId, Sent>);

impl Orders {
    /// Takes in the news of a turn.
    pub fn news(&mut self, turn: &Turn) {
        for event in &turn.events {
            let Event::Order(OrderEvent { order, update }) = event else { continue };
            let Some(sent) = self.0.get_mut(order) else { continue };
            match update {
                OrderUpdate::Filled(fill) => sent.filled += fill.qty,
                OrderUpdate::Triggered => sent.triggered = true,
                OrderUpdate::Amended { qty, kind } => (sent.order.qty, sent.order.kind) = (*qty, *kind),
                OrderUpdate::Accepted | OrderUpdate::Cancelled(_) | OrderUpdate::Rejected(_) => {}
            }
            if matches!(update, OrderUpdate::Cancelled(_) | OrderUpdate::Rejected(_)) || sent.open().is_zero() {
                self.0.remove(order);
            }
        }
    }

    /// Takes in the commands of a turn.
    pub fn sent(&mut self, turn: &Turn) {
        for (command, purpose) in turn.commands() {
            match *command {
                Command::Place(order) => {
                    let (filled, cancelling, triggered) = (Qty::ZERO, false, false);
                    self.0.insert(order.id, Sent { order, purpose, filled, cancelling, triggered });
                }
                Command::Amend { order, qty, kind } => {
                    if let Some(sent) = self.0.get_mut(&order) {
                        (sent.order.qty, sent.order.kind) = (qty, kind);
                    }
                }
                Command::Cancel { order } => {
                    if let Some(sent) = self.0.get_mut(&order) {
                        sent.cancelling = true;
                    }
                }
            }
        }
    }

    /// Those that are to stay.
    pub fn working(&self) -> impl Iterator<Item = &Sent> {
        self.0.values().filter(|sent| !sent.cancelling)
    }

    /// The open quantity of stops, signed as the position that they protect.
    pub fn stops(&self) -> Qty {
        // A watched stop that was crossed is a market order on its way, and rests nowhere.
        let stops = self.working().filter(|sent| sent.purpose == Purpose::Stop && sent.waited());
        -stops.map(|sent| sent.open().on(sent.order.side)).sum::<Qty>()
    }

    /// The signed open quantity of market orders.
    pub fn in_flight(&self) -> Qty {
        let market = self.0.values().filter(|sent| sent.order.kind == OrderKind::Market);
        market.map(|sent| sent.open().on(sent.order.side)).sum()
    }
}

/// The folder of shared data; `None`, said aloud, where it is absent. In CI that is a failure.
pub fn shared(test: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("TRIMTAB_SHARED").map_or_else(beside, PathBuf::from);
    if folder.join("reference").is_dir() {
        return Some(folder);
    }
    skip(test, &format!("shared data absent at {}", folder.display()));
    None
}

/// Says that a test cannot run here.
pub fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test}: {why}");
    eprintln!("skipped: {test}: {why}");
}

/// Ten times the cases with `TRIMTAB_LONG=1`.
pub fn cases(usual: u32) -> u32 {
    if std::env::var_os("TRIMTAB_LONG").is_some_and(|long| long == "1") { usual * 10 } else { usual }
}

/// The run holds by the audit's own code.
pub fn assert_it_holds(run: &backtest::Run) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("run");
    run.write(&folder, false).unwrap();
    let audit = backtest::audit::audit(&folder, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    assert!(audit.is_clean() && audit.triggers.unexplained == 0, "{:#?}", audit.findings);
}

/// Writes a market to a tape.
pub fn write_tape(path: &Path, catalogue: &Catalogue, ticks: &[Tick]) {
    let header = TapeHeader { catalogue: catalogue.clone(), provenance: Provenance::default() };
    let mut writer = TapeWriter::with_quotes(path, &header).unwrap();
    for tick in ticks {
        let mut events: Vec<&Event> = tick.events.iter().collect();
        events.sort_by_key(|event| event.rank());
        events.into_iter().for_each(|event| writer.push(tick.at, tick.at, event).unwrap());
    }
    writer.finish().unwrap();
}
