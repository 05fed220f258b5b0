//! What a decision costs: `cargo bench -p trimtab-engine --bench decisions`. Thread CPU time, medians of nine runs' medians, and of their
//! 99th percentiles where one input is timed at a time; what the clock itself takes is taken off.
//!
//! - A policy loaded: read, checked and compiled, with every section that a strategy in a perpetual may have.
//! - One price inside the quiet region, of one strategy and of a hundred in turn: the engine with inputs that are there already, as a tape
//!   hands them over, and with making each of them.
//! - The prices of a hundred instruments in one delivery, half of them under one policy of limits, modes and guards and half under another:
//!   forty rules. Where bounds decide, which is the goal of 20 µs; with every rule asked at every price; and with the rules that only size,
//!   scale and stop.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement reports on stdout, and may fail"
)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement reads a clock")]

use cpu_time::ThreadTime;
use engine::{Engine, EngineConfig, Output, StrategyConfig};
use market::{
    CashChange, CashReason, Catalogue, Command, Event, Fill, Input, Instrument, InstrumentKind, Liquidity, NewOrder,
    OrderEvent, OrderKind, OrderUpdate, Source, Trade,
};
use policy::Program;
use std::hint::black_box;
use units::{AccountId, Cash, Duration, InstrumentId, Price, Qty, Side, Timestamp};

const RUNS: usize = 9;

/// What sizes, scales and stops, with two caps.
const STATING: &str = r#"policy = 1
name = "stating"
instrument = "bench:IUSDT-PERP"
[signal]
kind = "constant"
strength = 1.0
reentry = "at_once"
[unit]
n = "of_price(1%)"
[size]
kind = "fixed_fraction"
fraction = "0.4%"
[pyramid]
units = 4
step = "1N"
spacing = "last_fill"
[ladder]
at = ["4R", "6R"]
fractions = [0.25, 0.25]
readd = true
[stop]
initial = "2N"
follow = "last_fill"
[caps]
leverage = 3.0
drawdown = [{ at = "50%", restore = "25%", factor = 0.0 }]
"#;

/// The rest: limits of loss and risk, modes and guards.
const MORE: &str = r#"open_risk = "4%"
daily_loss = "30%"
weekly_loss = "60%"
on_loss = "flat"
liquidation_distance = "1%"
[modes]
reduce_only = "drawdown > 80% || loss.day > 25%"
hold = "price < 1"
flatten = "loss.day > 90%"
stale_after = "15m"
[guards]
price_collar = "5%"
max_order = "1_000_000 USDT"
max_orders = 1_000
per = "1h"
blackout = ["12:00-12:01"]
[trade]
min_order = 0.001
"#;

fn full(name: &str) -> String {
    let text = STATING.replace("\"stating\"", &format!("\"{name}\""));
    let text = text.replace("strength = 1.0", "strength = 1.0\nwhen = \"drawdown < 70%\"");
    text.replace("units = 4", "units = 4\nwhen = \"drawdown < 60%\"") + MORE
}

fn load(text: &str) -> Program {
    let parsed = policy::parse(text);
    let policy = parsed.policy.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics));
    Program::compile(&policy, "bench:IUSDT-PERP", &|_| None).unwrap()
}

/// An engine and a venue that fills at the last price whatever it has reached.
struct World {
    engine: Engine,
    at: Timestamp,
    last: Vec<Price>,
    working: Vec<NewOrder>,
}

impl World {
    fn new(instruments: usize, texts: &[String]) -> Self {
        let code = |code: &str| code.parse().unwrap();
        let instrument = |_| Instrument {
            symbol: "bench:IUSDT-PERP".into(),
            kind: InstrumentKind::LinearPerpetual,
            base: code("BTC"),
            quote: code("USDT"),
            settle: code("USDT"),
            tick: "0.1".parse().unwrap(),
            lot: "0.001".parse().unwrap(),
            min_qty: "0.001".parse().unwrap(),
        };
        let catalogue = Catalogue { instruments: (0..instruments).map(instrument).collect(), series: Vec::new() };
        let mut engine = Engine::new(EngineConfig { catalogue, ..EngineConfig::default() });
        for index in 0..instruments {
            let program = load(&texts[index % texts.len()]);
            engine.add_strategy(StrategyConfig::new(InstrumentId(index as u32), program));
        }
        let at = Timestamp::from_nanos(1_735_689_600_000_000_000);
        let mut world = Self { engine, at, last: vec![Price::ZERO; instruments], working: Vec::new() };
        let (account, amount, reason) = (AccountId(0), "1000000000".parse().unwrap(), CashReason::Deposit);
        world.feed(Source::Venue, &[Event::Cash(CashChange { account, currency: code("USDT"), amount, reason })]);
        world
    }

    /// One delivery and what follows, until nothing more does.
    fn feed(&mut self, source: Source, events: &[Event]) {
        self.engine.handle(&Input { at: self.at, source, events });
        let mut news = self.drain();
        while !news.is_empty() {
            self.engine.handle(&Input { at: self.at, source: Source::Venue, events: &news });
            news = self.drain();
        }
    }

    fn drain(&mut self) -> Vec<Event> {
        let mut news = Vec::new();
        while let Some(output) = self.engine.poll_output() {
            let Output::Command { command, .. } = output else { continue };
            let tell = |order, update| Event::Order(OrderEvent { order, update });
            match command {
                Command::Place(order) => {
                    news.push(tell(order.id, OrderUpdate::Accepted));
                    self.working.push(order);
                }
                Command::Amend { order, qty, kind } => {
                    news.push(tell(order, OrderUpdate::Amended { qty, kind }));
                    if let Some(known) = self.working.iter_mut().find(|known| known.id == order) {
                        (known.qty, known.kind) = (qty, kind);
                    }
                }
                Command::Cancel { order } => {
                    news.push(tell(order, OrderUpdate::Cancelled(market::CancelReason::Requested)));
                    self.working.retain(|known| known.id != order);
                }
            }
        }
        news.extend(self.fills());
        news
    }

    /// Fills of what the last prices have reached.
    fn fills(&mut self) -> Vec<Event> {
        let (last, mut filled) = (&self.last, Vec::new());
        self.working.retain(|order| {
            let price = last[order.instrument.index()];
            let under = |level: Price| price <= level;
            let is_reached = match (order.kind, order.side) {
                (OrderKind::Market, _) => true,
                (OrderKind::Limit { price }, Side::Buy) => under(price),
                (OrderKind::Limit { price: level }, Side::Sell) => price >= level,
                (OrderKind::Stop { trigger } | OrderKind::StopLimit { trigger, .. }, Side::Buy) => price >= trigger,
                (OrderKind::Stop { trigger } | OrderKind::StopLimit { trigger, .. }, Side::Sell) => under(trigger),
            };
            if is_reached {
                filled.push((*order, price));
            }
            !is_reached
        });
        let fill = |(order, price): (NewOrder, Price)| {
            let NewOrder { account, instrument, side, qty, .. } = order;
            let (fee, liquidity) = (Cash::ZERO, Liquidity::Taker);
            let (reference, forced, execution) = (price, None, 0);
            let fill = Fill { account, instrument, side, qty, price, reference, fee, liquidity, forced, execution };
            Event::Order(OrderEvent { order: order.id, update: OrderUpdate::Filled(fill) })
        };
        filled.into_iter().map(fill).collect()
    }

    fn trade(&mut self, instrument: usize, price: Price) -> Event {
        self.last[instrument] = price;
        Event::Trade(Trade { instrument: InstrumentId(instrument as u32), price, qty: Qty::from_raw(Qty::ONE) })
    }

    /// A price of one instrument, in a delivery of its own, and what it fills before.
    fn price(&mut self, instrument: usize, price: Price) {
        self.at = self.at + Duration::from_nanos(1_000_000);
        let trade = self.trade(instrument, price);
        if !self.working.is_empty() {
            let filled = self.fills();
            if !filled.is_empty() {
                self.feed(Source::Venue, &filled);
            }
        }
        self.feed(Source::Market, &[trade]);
    }

    /// The same where nothing can be filled: what is measured is the engine.
    fn quiet_price(&mut self, instrument: usize, price: Price) {
        let trade = self.trade(instrument, price);
        self.quiet_events(&[trade]);
    }

    /// An input that is there already.
    #[inline(always)]
    fn quiet_events(&mut self, events: &[Event]) {
        self.at = self.at + Duration::from_nanos(1_000_000);
        self.engine.handle(&Input { at: self.at, source: Source::Market, events });
        black_box(self.engine.poll_output());
    }
}

/// 50,000 and a little more or less.
fn around(step: usize, base: i64) -> Price {
    Price::from_raw((base * 10 + (step * 7 % 31) as i64 - 15) * (Price::ONE / 10))
}

fn median(of: &mut [f64]) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Nanoseconds of a quiet price: medians of nine runs of 200,000, of the engine alone and with making the input.
fn quiet(world: &mut World) -> (f64, f64) {
    let count = world.last.len();
    // So many that each instrument has each price.
    let events: Vec<Event> = (0..31 * count).map(|step| world.trade(step % count, around(step, 50_000))).collect();
    let mut run = |makes: bool| {
        let begin = ThreadTime::now();
        if makes {
            (0..200_000).for_each(|step| world.quiet_price(step % count, around(step, 50_000)));
        } else {
            events.iter().cycle().take(200_000).for_each(|event| world.quiet_events(std::slice::from_ref(event)));
        }
        begin.elapsed().as_nanos() as f64 / 200_000.0
    };
    let mut each = |makes| median(&mut (0..RUNS).map(|_| run(makes)).collect::<Vec<f64>>());
    (each(false), each(true))
}

/// Microseconds of one delivery of all prices: median of nine runs' medians, and of their 99th percentiles.
fn all(world: &mut World, clock: f64) -> (f64, f64) {
    let count = world.last.len();
    let mut run = |_| {
        let mut each: Vec<f64> = Vec::with_capacity(2_000);
        for step in 0..2_000 {
            world.at = world.at + Duration::from_nanos(1_000_000);
            let events: Vec<Event> = (0..count).map(|at| world.trade(at, around(step + at, 50_000))).collect();
            let begin = ThreadTime::now();
            world.engine.handle(&Input { at: world.at, source: Source::Market, events: &events });
            each.push(begin.elapsed().as_nanos() as f64 / 1_000.0 - clock);
            black_box(world.engine.poll_output());
        }
        let p50 = median(&mut each);
        (p50, each[each.len() * 99 / 100])
    };
    let (mut p50, mut p99): (Vec<f64>, Vec<f64>) = (0..RUNS).map(&mut run).unzip();
    (median(&mut p50), median(&mut p99))
}

fn main() {
    let clock = {
        let mut each: Vec<f64> = (0..10_001).map(|_| ThreadTime::now().elapsed().as_nanos() as f64 / 1_000.0).collect();
        median(&mut each)
    };
    println!("clock {clock:.2} µs, taken off where one input is timed");

    // What else is asked for: only that, to look at it closely.
    let only = std::env::args().skip(1).find(|asked| !asked.starts_with('-'));
    let is_asked = |name: &str| only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let texts = [full("one"), full("two")];
    let mut each: Vec<f64> = (0..201)
        .map(|_| {
            let begin = ThreadTime::now();
            black_box(load(&texts[0]));
            begin.elapsed().as_nanos() as f64 / 1e6
        })
        .collect();
    let rules = load(&texts[0]).rules.len();
    println!("policy of {} bytes and {rules} rules loaded: {:.3} ms", texts[0].len(), median(&mut each));

    for instruments in [1, 100].into_iter().filter(|count| is_asked(&format!("quiet {count}"))) {
        let mut world = World::new(instruments, &[STATING.to_owned()]);
        (0..instruments * 50).for_each(|step| world.price(step % instruments, around(step, 50_000)));
        let before = world.engine.evaluations();
        let (cost, made) = quiet(&mut world);
        let evaluated = (world.engine.evaluations() - before) as f64 / (2 * 200_000 * RUNS) as f64;
        println!(
            "a price inside the region, {instruments} instruments: {cost:.1} ns, {made:.1} with making the input; {:.2} % evaluated",
            evaluated * 100.0
        );
    }

    for (name, texts, always) in [
        ("forty rules, bounds decide", &texts[..], false),
        ("forty rules, every one asked at every price", &texts[..], true),
        ("the rules that size, scale and stop, bounds decide", &[STATING.to_owned()][..], false),
    ]
    .into_iter()
    .filter(|(name, ..)| is_asked(name))
    {
        let mut world = World::new(100, texts);
        if always {
            world.engine.evaluate_always();
        }
        (0..100 * 50).for_each(|step| world.price(step % 100, around(step, 50_000)));
        let before = world.engine.evaluations();
        let (p50, p99) = all(&mut world, clock);
        let evaluated = (world.engine.evaluations() - before) as f64 / (2_000 * RUNS * 100) as f64;
        println!(
            "100 prices in one delivery, {name}: p50 {p50:.1}, p99 {p99:.1} µs; {:.0} % evaluated",
            evaluated * 100.0
        );
    }
}
