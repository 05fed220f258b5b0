//! The workload's world: trades from memory, fills at the event's price; and the bare loop beside it.

use crate::{Ladder, Prices, Volatility, WorkloadRule, WorkloadVolatility};
use cpu_time::ThreadTime;
use drive::{Journal, World};
use engine::{Engine, EngineConfig, Output, StrategyConfig};
use market::{
    CashChange, CashReason, Catalogue, Command, Event, Fill, Input, Instrument, InstrumentKind, Liquidity, OrderEvent,
    OrderUpdate, Source, Trade,
};
use policy::spec::{DrawdownLevel, Limit};
use policy::{Program, Rule};
use std::convert::Infallible;
use units::state::StateWriter;
use units::{AccountId, Cash, Duration, InstrumentId, Price, Qty, Ratio, Timestamp};

const START: Timestamp = Timestamp::from_nanos(1_735_689_600_000_000_000);
const DEPOSIT: i128 = 1_000_000_000;

/// What a run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Orders sent.
    pub orders: u64,
    /// Events a second of thread CPU time.
    pub events_per_s: f64,
    /// Hash of all outputs and of the engine's last snapshot; empty for the bare loop.
    pub hash: String,
    /// How many of the events were evaluated.
    pub evaluations: u64,
}

/// All trades, interleaved by time: event k of instrument i at k s + i × 10 ms.
fn trades(seed: u64, instruments: u64, events: u64) -> Vec<(Timestamp, Trade)> {
    let mut walks: Vec<Prices> = (0..instruments).map(|instrument| Prices::new(seed, instrument)).collect();
    let mut all = Vec::with_capacity(events as usize);
    for k in 0..events / instruments {
        for (i, walk) in walks.iter_mut().enumerate() {
            let offset = k as i64 * Duration::SECOND.nanos() + i as i64 * 10_000_000;
            if let Some(price) = walk.next() {
                let trade = Trade { instrument: InstrumentId(i as u32), price, qty: Qty::from_raw(Qty::ONE) };
                all.push((START + Duration::from_nanos(offset), trade));
            }
        }
    }
    all
}

struct Feed {
    trades: Vec<(Timestamp, Trade)>,
    next: usize,
    /// The trade being delivered.
    trade: [Event; 1],
    /// News of the account to deliver before the next trade.
    news: Vec<Event>,
    delivered: Vec<Event>,
}

impl Feed {
    /// What the market told of an instrument last.
    fn last(&self, instrument: InstrumentId) -> Price {
        let told = self.trades[..self.next].iter().rev().find(|(_, trade)| trade.instrument == instrument);
        told.map_or(Price::ZERO, |(_, trade)| trade.price)
    }
}

impl World for Feed {
    type Error = Infallible;

    fn next(&mut self, _wakeup: Option<Timestamp>) -> Result<Option<Input<'_>>, Infallible> {
        if !self.news.is_empty() {
            self.delivered.clear();
            std::mem::swap(&mut self.delivered, &mut self.news);
            let at = self.trades[..self.next].last().map_or(START, |(at, _)| *at);
            return Ok(Some(Input { at, source: Source::Venue, events: &self.delivered }));
        }
        let Some((at, trade)) = self.trades.get(self.next) else { return Ok(None) };
        self.trade = [Event::Trade(*trade)];
        self.next += 1;
        Ok(Some(Input { at: *at, source: Source::Market, events: &self.trade }))
    }

    fn send(&mut self, command: Command) {
        let Command::Place(order) = command else { return };
        let price = self.last(order.instrument);
        let fill = Fill {
            account: order.account,
            instrument: order.instrument,
            side: order.side,
            qty: order.qty,
            price,
            reference: price,
            fee: Cash::ZERO,
            liquidity: Liquidity::Taker,
            forced: None,
            execution: 0,
        };
        self.news.push(Event::Order(OrderEvent { order: order.id, update: OrderUpdate::Accepted }));
        self.news.push(Event::Order(OrderEvent { order: order.id, update: OrderUpdate::Filled(fill) }));
    }
}

/// Hashes every output and counts orders. The inputs follow from the seed.
#[derive(Default)]
struct Outputs {
    hasher: blake3::Hasher,
    scratch: StateWriter,
    orders: u64,
}

impl Journal for Outputs {
    type Error = Infallible;

    fn append(&mut self, _input: &Input<'_>) -> Result<(), Infallible> {
        Ok(())
    }

    fn output(&mut self, output: &Output) -> Result<(), Infallible> {
        self.scratch.clear();
        output.save(&mut self.scratch);
        self.hasher.update(self.scratch.as_bytes());
        self.orders += u64::from(matches!(output, Output::Command { command: Command::Place(_), .. }));
        Ok(())
    }

    fn settled(&mut self, _at: Timestamp, _engine: &Engine) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Runs the workload through the full engine: account, limits, plans with reasons, orders, fills. `always`: every event is evaluated,
/// inside the quiet region too.
///
/// # Panics
/// Never: the market and the rules are this crate's own.
#[must_use]
pub fn engine_run(seed: u64, instruments: u64, events: u64, always: bool) -> Measured {
    let (mut engine, mut feed) = prepare(seed, instruments, events);
    if always {
        engine.evaluate_always();
    }
    let mut outputs = Outputs::default();
    let count = feed.trades.len();
    let start = ThreadTime::now();
    let done = drive::run(&mut engine, &mut feed, &mut outputs);
    let elapsed = start.elapsed();
    debug_assert!(done.is_ok(), "neither the feed nor the journal can fail");
    let mut snapshot = StateWriter::new();
    engine.save(&mut snapshot);
    outputs.hasher.update(snapshot.as_bytes());
    let hash = outputs.hasher.finalize().to_hex().to_string();
    let (orders, events_per_s) = (outputs.orders, count as f64 / elapsed.as_secs_f64());
    Measured { orders, events_per_s, hash, evaluations: engine.evaluations() }
}

fn prepare(seed: u64, instruments: u64, events: u64) -> (Engine, Feed) {
    let catalogue = Catalogue { instruments: (0..instruments).map(instrument).collect(), series: Vec::new() };
    let deposit = CashChange {
        account: AccountId(0),
        currency: catalogue.instruments[0].settle,
        amount: Cash::from_raw(DEPOSIT * Cash::ONE),
        reason: CashReason::Deposit,
    };
    let mut engine = Engine::new(EngineConfig { catalogue, ..EngineConfig::default() });
    for index in 0..instruments {
        let config = StrategyConfig::new(InstrumentId(index as u32), program());
        engine.add_strategy(config);
    }
    let feed = Feed {
        trades: trades(seed, instruments, events),
        next: 0,
        trade: [Event::Cash(deposit)],
        news: vec![Event::Cash(deposit)],
        delivered: Vec::new(),
    };
    (engine, feed)
}

fn instrument(index: u64) -> Instrument {
    let currency = |code: &str| code.parse().expect("a literal currency code");
    Instrument {
        symbol: format!("bench:I{index}USDT-PERP"),
        kind: InstrumentKind::LinearPerpetual,
        base: currency("BTC"),
        quote: currency("USDT"),
        settle: currency("USDT"),
        tick: Price::from_raw(Price::ONE / 10),
        lot: Qty::from_raw(Qty::ONE / 1_000),
        min_qty: Qty::from_raw(Qty::ONE / 1_000),
    }
}

/// The workload's rule under caps that are tested at every event and never bind.
fn program() -> Program {
    let ratio = |value| Ratio::new(value).expect("a finite literal");
    let leverage = Limit { limit: ratio(3.0), restore: ratio(3.0) };
    let drawdown = vec![DrawdownLevel { at: ratio(0.5), restore: ratio(0.25), factor: ratio(0.0) }];
    let rules: Vec<Box<dyn Rule>> = vec![
        Box::new(WorkloadRule::default()),
        policy::rules::drawdown_cap(drawdown),
        policy::rules::leverage_cap(leverage),
    ];
    let program = Program::custom(rules).expect("three rules fit a plan");
    Program { indicators: vec![Box::new(WorkloadVolatility::default())], ..program }
}

/// The same rule in a bare loop: what no engine can beat.
#[must_use]
pub fn floor_run(seed: u64, instruments: u64, events: u64) -> Measured {
    let trades = trades(seed, instruments, events);
    let mut rules = vec![(Volatility::default(), Ladder::default(), 0, 0.0_f64); instruments as usize];
    let mut orders = 0;
    let start = ThreadTime::now();
    for (_, trade) in &trades {
        let (volatility, ladder, count, position) = &mut rules[trade.instrument.index()];
        *count += 1;
        let volatility = volatility.observe(trade.price);
        ladder.observe(trade.price, *count);
        let lots = volatility.map_or(0, |volatility| ladder.lots(trade.price, volatility, *position));
        if lots != 0 {
            *position += lots as f64 * 0.001;
            orders += 1;
        }
    }
    let elapsed = start.elapsed();
    let events_per_s = trades.len() as f64 / elapsed.as_secs_f64();
    Measured { orders, events_per_s, hash: String::new(), evaluations: trades.len() as u64 }
}
