//! What a hedge's choice of its instrument costs: `cargo bench -p trimtab-engine --bench hedges`. Thread CPU time from a tick of the
//! perpetual to the order of the instrument chosen, all plans with their reasons among it; the median of nine rounds' medians and of their
//! 99th percentiles, less what the clock takes. The orders are taken back, so that each tick compares all instruments anew.
//!
//! A strategy is long a perpetual; what brings its delta back is a second perpetual alone, or that, a put and a call of a chain of 408
//! options, whichever costs least. The cost of comparing alone, twelve instruments of any kind, is in `trimtab-risk --bench reduction`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement reads a clock")]

use cpu_time::ThreadTime;
use engine::{Engine, EngineConfig, HedgeChoice, Output, StrategyConfig};
use market::{
    Bar, CancelReason, CashChange, CashReason, Catalogue, Command, Currency, Event, Fill, Input, Instrument,
    InstrumentKind, Liquidity, NewOrder, OptionQuote, OrderEvent, OrderUpdate, Source,
};
use policy::spec::{
    Alternative, Band, Choice, Hedge, HedgeOption, HedgeTerms, HedgeTo, LegStrike, Roll, Structure, StructureLeg,
};
use policy::{Policy, Program};
use pricing::options::{EuropeanOption, Inputs};
use pricing::surface::Sticky;
use std::hint::black_box;
use units::{AccountId, Cash, Duration, InstrumentId, OptionRight, Price, Qty, Ratio, StrategyId, Timestamp, Vol};

const ROUNDS: usize = 9;
const TICKS: usize = 2_000;
const DAYS: [i64; 6] = [3, 10, 24, 44, 107, 198];
const STRIKES: i32 = 34;
const FORWARD: f64 = 70_000.0;
const NOW: Timestamp = Timestamp::from_nanos(1_772_400_000_000_000_000);
/// Where the structures of the options that may be bought stand, behind the two perpetuals, and the chain behind those.
const RIGHTS: [OptionRight; 2] = [OptionRight::Put, OptionRight::Call];
const CHAIN: usize = 2 + RIGHTS.len();
const HEDGE: InstrumentId = InstrumentId(1);

const POLICY: &str = r#"policy = 1
name = "held"
instrument = "bench:BTCUSDT-PERP"
[signal]
kind = "constant"
strength = 1.0
[size]
kind = "fixed_fraction"
fraction = 1.0
resize = "entry"
[caps]
leverage = 3.0
"#;

fn price(value: f64) -> Price {
    Price::from_estimate(value, units::Round::Nearest).unwrap()
}

fn ratio(value: f64) -> Ratio {
    Ratio::new(value).unwrap()
}

fn option(right: OptionRight) -> HedgeOption {
    let leg =
        StructureLeg { right, strike: LegStrike::Delta(ratio(0.4)), days: ratio(30.0), ratio: Qty::from_raw(Qty::ONE) };
    let structure = Structure {
        chain: "bench:BTC_USDT".to_owned(),
        legs: vec![leg],
        max_spread: None,
        min_open_interest: None,
        roll: Roll::Never,
        sticky: Sticky::default(),
    };
    HedgeOption { structure, expected: Vol::new(0.5).unwrap().into() }
}

struct World {
    engine: Engine,
    chain: Vec<(Timestamp, f64, OptionRight)>,
    at: Timestamp,
    execution: u64,
}

impl World {
    fn new(with_options: bool) -> Self {
        let code = |code: &str| code.parse::<Currency>().unwrap();
        let of = |symbol: String, kind: InstrumentKind| Instrument {
            symbol,
            kind,
            base: code("BTC"),
            quote: code("USDT"),
            settle: code("USDT"),
            tick: price(0.01),
            lot: "0.01".parse().unwrap(),
            min_qty: "0.01".parse().unwrap(),
        };
        let options = RIGHTS.map(option);
        let symbols = options.each_ref().map(|option| option.symbol("held"));
        let perpetual = |name: &str| of(format!("bench:BTC{name}-PERP"), InstrumentKind::LinearPerpetual);
        let mut instruments = vec![perpetual("USDT"), perpetual("USDC")];
        instruments.extend(symbols.iter().map(|symbol| of(symbol.clone(), InstrumentKind::Structure)));
        let mut chain = Vec::new();
        for day in DAYS {
            let expiry = NOW + Duration::from_nanos(day * Duration::DAY.nanos());
            let width = 0.5 * (day as f64 / 365.0).sqrt();
            for step in -STRIKES / 2..STRIKES / 2 {
                let strike = price((FORWARD * (width * f64::from(step) * 0.2).exp() / 100.0).round() * 100.0);
                for right in [OptionRight::Call, OptionRight::Put] {
                    let kind = InstrumentKind::LinearOption { expiry, strike, right };
                    instruments.push(of(format!("bench:BTC_USDT-{expiry}-{strike}-{right}"), kind));
                    chain.push((expiry, strike.approximate(), right));
                }
            }
        }
        let catalogue = Catalogue { instruments, series: Vec::new() };
        let mut engine = Engine::new(EngineConfig { catalogue: catalogue.clone(), ..EngineConfig::default() });
        let policy: Policy = policy::parse(POLICY).policy.unwrap();
        let program = Program::compile(&policy, "bench:BTCUSDT-PERP", &|_| None).unwrap();
        engine.add_strategy(StrategyConfig::new(InstrumentId(0), program));
        let alternatives = options.iter().zip(&symbols).map(|(option, symbol)| Alternative {
            instrument: symbol.clone(),
            terms: HedgeTerms::default(),
            option: Some(option.clone()),
        });
        let choice = with_options.then(|| Choice {
            horizon: Duration::from_nanos(7 * Duration::DAY.nanos()),
            capital_cost: ratio(0.05),
            own: HedgeTerms::default(),
            alternatives: alternatives.collect(),
            gives_up: false,
        });
        let hedge = Hedge {
            instrument: catalogue.instruments[HEDGE.index()].symbol.clone(),
            strategies: vec!["held".to_owned()],
            target: Qty::ZERO,
            band: Band::Coins("0.05".parse().unwrap()),
            to: HedgeTo::Target,
            choice,
        };
        let ways = if with_options { 1 + RIGHTS.len() } else { 1 };
        for at in 1..=ways {
            let symbol = &catalogue.instruments[at].symbol;
            let program = Program::hedge(&policy, &hedge, symbol, &|_| None).unwrap();
            let choice = with_options.then(|| HedgeChoice {
                group: 0,
                hedge: hedge.clone(),
                cost: 0.0005,
                impact: 0.0,
                margin: 0.1,
                band_cost: 0.0005,
                option_fee: 0.0003,
                gives_up: None,
                expected: at.checked_sub(2).and_then(|at| options[at].expected(&|_| None)),
            });
            let structure = at.checked_sub(2).map(|at| options[at].structure.clone());
            let own = StrategyConfig::new(InstrumentId(at as u32), program);
            engine.add_strategy(StrategyConfig { hedged: vec![StrategyId(0)], choice, structure, ..own });
        }
        let mut world = Self { engine, chain, at: NOW, execution: 0 };
        let (amount, currency) = ("1000000".parse().unwrap(), code("USDT"));
        let deposit = CashChange { account: AccountId(0), currency, amount, reason: CashReason::Deposit };
        world.feed(Source::Venue, &[Event::Cash(deposit)]);
        let quotes: Vec<Event> = (0..world.chain.len()).map(|at| world.quote(at)).collect();
        world.feed(Source::Market, &quotes);
        let orders = world.tick(FORWARD).1;
        world.fill(&orders);
        world
    }

    fn quote(&self, at: usize) -> Event {
        let (expiry, strike, right) = self.chain[at];
        let (years, k) = (expiry.since(self.at).days() / 365.0, (strike / FORWARD).ln());
        let inputs = Inputs { forward: FORWARD, strike, years, vol: 0.5 - 0.05 * k + 0.1 * k * k, discount: 1.0 };
        let worth = EuropeanOption::new(right, inputs).unwrap().greeks().price;
        let quote = OptionQuote::empty(InstrumentId((CHAIN + at) as u32)).with_underlying(price(FORWARD));
        Event::OptionQuote(quote.with_bid(price(worth * 0.99), None).with_ask(price(worth * 1.01 + 5.0), None))
    }

    fn feed(&mut self, source: Source, events: &[Event]) -> Vec<NewOrder> {
        self.engine.handle(&Input { at: self.at, source, events });
        let mut orders = Vec::new();
        while let Some(output) = self.engine.poll_output() {
            if let Output::Command { command: Command::Place(order), .. } = output {
                orders.push(order);
            }
        }
        orders
    }

    /// Nanoseconds of a tick of both perpetuals, and what it ordered.
    fn tick(&mut self, close: f64) -> (u128, Vec<NewOrder>) {
        self.at = self.at + Duration::from_nanos(1_000_000);
        let (at, close) = (self.at, price(close));
        let (open, high, low, volume) = (close, close, close, Qty::ZERO);
        let bars = [InstrumentId(0), HEDGE]
            .map(|instrument| Event::Bar(Bar { instrument, opened: at, closed: at, open, high, low, close, volume }));
        let begin = ThreadTime::now();
        self.engine.handle(&Input { at: self.at, source: Source::Market, events: &bars });
        let spent = begin.elapsed().as_nanos();
        (spent, self.feed(Source::Market, &[]))
    }

    /// What the strategy ordered is filled, what its hedges ordered is taken back.
    fn fill(&mut self, orders: &[NewOrder]) {
        let mut news = Vec::new();
        for order in orders {
            news.push(Event::Order(OrderEvent { order: order.id, update: OrderUpdate::Accepted }));
            let NewOrder { account, instrument, side, qty, .. } = *order;
            self.execution += 1;
            let (reference, fee, liquidity) = (price(FORWARD), Cash::ZERO, Liquidity::Taker);
            let (price, forced, execution) = (reference, None, self.execution);
            let fill = Fill { account, instrument, side, qty, price, reference, fee, liquidity, forced, execution };
            let update = if instrument == InstrumentId(0) {
                OrderUpdate::Filled(fill)
            } else {
                OrderUpdate::Cancelled(CancelReason::Requested)
            };
            news.push(Event::Order(OrderEvent { order: order.id, update }));
        }
        black_box(self.feed(Source::Venue, &news));
    }
}

fn middle(values: &mut [f64], share: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() * share / 100]
}

fn main() {
    let mut clock: Vec<f64> = (0..10_001).map(|_| ThreadTime::now().elapsed().as_nanos() as f64).collect();
    let clock = middle(&mut clock, 50);
    println!("clock {:.2} µs, taken off", clock / 1e3);
    for with_options in [false, true] {
        let mut world = World::new(with_options);
        let (mut p50, mut p99, mut ordered) = (Vec::new(), Vec::new(), [0; CHAIN]);
        for _ in 0..ROUNDS {
            let mut times: Vec<f64> = Vec::with_capacity(TICKS);
            for step in 0..TICKS {
                let (spent, orders) = world.tick(FORWARD + (step * 7 % 31) as f64);
                times.push(spent as f64 - clock);
                orders.iter().for_each(|order| ordered[order.instrument.index().min(CHAIN - 1)] += 1);
                world.fill(&orders);
            }
            p50.push(middle(&mut times, 50) / 1e3);
            p99.push(middle(&mut times, 99) / 1e3);
        }
        let what = if with_options { "a perpetual, a put and a call" } else { "a perpetual alone" };
        println!(
            "a tick to the hedge's order, {what}: p50 {:.2}, p99 {:.2} µs; {} orders of the perpetual, {} of options, in {} ticks",
            middle(&mut p50, 50),
            middle(&mut p99, 50),
            ordered[1],
            ordered[CHAIN - 1],
            ROUNDS * TICKS
        );
    }
}
