//! Facts of surfaces and Greeks after a tick: `cargo bench -p trimtab-engine --bench surfaces`. Thread CPU time of one input handled,
//! medians of nine rounds' medians and of their 99th percentiles. A call of the clock is in each figure; what it costs is printed first.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement reads a clock")]

use cpu_time::ThreadTime;
use engine::{Engine, EngineConfig, Output, StrategyConfig};
use market::{
    Bar, Catalogue, Command, Currency, Event, Fill, Input, Instrument, InstrumentKind, Liquidity, OptionQuote,
    OrderEvent, OrderUpdate, SeriesPoint, Source,
};
use policy::facts::{self, FactId, Facts};
use policy::spec::{LegStrike, Roll, Structure, StructureLeg};
use policy::{Because, Program, Region, Rule, Target, Verdict};
use pricing::options::{EuropeanOption, Inputs};
use std::hint::black_box;
use units::{AccountId, Cash, Duration, InstrumentId, OptionRight, Price, Qty, Ratio, SeriesId, Timestamp};

const ROUNDS: usize = 9;
const TICKS: usize = 2_000;
const DAYS: [i64; 12] = [1, 2, 3, 9, 16, 23, 44, 72, 107, 198, 289, 352];
const FORWARD: f64 = 70_000.0;
const NOW: Timestamp = Timestamp::from_nanos(1_772_400_000_000_000_000);
const LEGS: usize = 8;
/// Strategies of eight options each: 504 options.
const STRATEGIES: u32 = 63;

/// Holds what a series says.
struct Wants;

impl Rule for Wants {
    fn name(&self) -> &'static str {
        "wants"
    }

    fn reads(&self) -> &[FactId] {
        &[]
    }

    fn evaluate(&self, facts: &Facts, _proposed: Target, _because: &mut Because) -> Verdict {
        let wanted = facts.get(facts::series(SeriesId(0))).map_or(0.0, Ratio::get);
        let qty = Qty::from_estimate(wanted, units::Round::Nearest).unwrap_or_default();
        Verdict::set(Target { base: qty, qty })
    }

    fn quiet(&self, _facts: &Facts, _proposed: Target, _because: &Because, _region: &mut Region) -> bool {
        true
    }
}

fn price(value: f64) -> Price {
    Price::from_estimate(value, units::Round::Nearest).unwrap()
}

fn days(days: f64) -> Timestamp {
    NOW + Duration::from_nanos((days * Duration::DAY.nanos() as f64) as i64)
}

struct World {
    engine: Engine,
    catalogue: Catalogue,
    options: Vec<(Timestamp, f64, OptionRight)>,
    at: Timestamp,
    execution: u64,
}

impl World {
    fn new(strategies: u32, series: &[&str]) -> Self {
        let btc: Currency = "BTC".parse().unwrap();
        let unit: Qty = "0.1".parse().unwrap();
        let of = |symbol: String, kind: InstrumentKind, quote: Currency, lot: Qty| Instrument {
            symbol,
            kind,
            base: btc,
            quote,
            settle: btc,
            tick: price(1e-4),
            lot,
            min_qty: lot,
        };
        let (mut instruments, mut options) = (Vec::new(), Vec::new());
        for day in DAYS {
            let expiry = days(day as f64);
            // 34 strikes, from four deviations under the forward to four over it.
            let unit_move = 0.5 * (day as f64 / 365.0).sqrt();
            for step in -17..17 {
                let strike = price((FORWARD * (unit_move * f64::from(step) * 0.2).exp() / 100.0).round() * 100.0);
                for right in [OptionRight::Call, OptionRight::Put] {
                    let kind = InstrumentKind::InverseOption { expiry, strike, right };
                    instruments.push(of(format!("deribit:BTC-{expiry}-{strike}-{right}"), kind, btc, unit));
                    options.push((expiry, strike.approximate(), right));
                }
            }
        }
        for number in 0..strategies {
            instruments.push(of(format!("deribit:S{number}"), InstrumentKind::Structure, btc, unit));
        }
        let usd = "USD".parse().unwrap();
        let (perpetual, ten) = (InstrumentKind::InversePerpetual, "10".parse().unwrap());
        instruments.push(of("deribit:BTC-PERPETUAL".into(), perpetual, usd, ten));
        let eth = "ETH".parse().unwrap();
        let other = of("deribit:ETH-PERPETUAL".into(), perpetual, usd, ten);
        instruments.push(Instrument { base: eth, settle: eth, ..other });
        let series = std::iter::once("want").chain(series.iter().copied()).map(str::to_owned).collect();
        let catalogue = Catalogue { instruments, series };
        let mut engine = Engine::new(EngineConfig { catalogue: catalogue.clone(), ..EngineConfig::default() });
        for number in 0..strategies {
            let legs = (0..LEGS).map(|at| StructureLeg {
                right: if at % 2 == 0 { OptionRight::Call } else { OptionRight::Put },
                strike: LegStrike::Moneyness(Ratio::new(0.9 + 0.025 * at as f64 + 0.0005 * f64::from(number)).unwrap()),
                days: Ratio::new(DAYS[3 + (number as usize + at / 4) % 8] as f64).unwrap_or_default(),
                ratio: "1".parse().unwrap(),
            });
            let structure = Structure {
                chain: String::new(),
                legs: legs.collect(),
                max_spread: None,
                min_open_interest: None,
                roll: Roll::Never,
                sticky: pricing::surface::Sticky::Moneyness,
            };
            let rules: Vec<Box<dyn Rule>> = vec![Box::new(Wants), Box::new(Wants)];
            let program = Program::custom(rules).unwrap();
            let id = InstrumentId(options.len() as u32 + number);
            engine.add_strategy(StrategyConfig { structure: Some(structure), ..StrategyConfig::new(id, program) });
        }
        let mut world = Self { engine, catalogue, options, at: NOW, execution: 0 };
        let all: Vec<Event> = (0..world.options.len()).map(|at| world.quote(at, 1.0)).collect();
        let bars = world.bars(FORWARD);
        world.deliver(&bars);
        world.deliver(&all);
        world.deliver(&[Event::Series(SeriesPoint { series: SeriesId(0), value: Ratio::new(1.0).unwrap() })]);
        world.deliver(&all);
        world
    }

    fn quote(&self, at: usize, times: f64) -> Event {
        let (expiry, strike, right) = self.options[at];
        let years = expiry.since(self.at).nanos() as f64 / (365.0 * Duration::DAY.nanos() as f64);
        let k = (strike / FORWARD).ln();
        let inputs = Inputs { forward: FORWARD, strike, years, vol: 0.5 - 0.05 * k + 0.1 * k * k, discount: 1.0 };
        let worth = EuropeanOption::new(right, inputs).unwrap().greeks().price / FORWARD * times;
        let quote = OptionQuote::empty(InstrumentId(at as u32)).with_underlying(price(FORWARD));
        Event::OptionQuote(quote.with_bid(price(worth * 0.99), None).with_ask(price(worth * 1.01 + 2e-4), None))
    }

    /// A tick of the perpetual, and of another coin's: what is told of that one goes the same way, and costs nothing to compute.
    fn bars(&self, close: f64) -> [Event; 2] {
        let (at, close) = (self.at, price(close));
        let count = self.catalogue.instruments.len() as u32;
        let (open, high, low) = (close, close, close);
        [count - 2, count - 1].map(InstrumentId).map(|instrument| {
            Event::Bar(Bar { instrument, opened: at, closed: at, open, high, low, close, volume: Qty::ZERO })
        })
    }

    /// Fills what is ordered at once.
    fn deliver(&mut self, events: &[Event]) {
        self.engine.handle(&Input { at: self.at, source: Source::Market, events });
        loop {
            let mut news = Vec::new();
            while let Some(output) = self.engine.poll_output() {
                let Output::Command { command: Command::Place(order), .. } = output else { continue };
                self.execution += 1;
                let fill = Fill {
                    account: AccountId(0),
                    instrument: order.instrument,
                    side: order.side,
                    qty: order.qty,
                    price: price(0.01),
                    reference: price(0.01),
                    fee: Cash::ZERO,
                    liquidity: Liquidity::Taker,
                    forced: None,
                    execution: self.execution,
                };
                for update in [OrderUpdate::Accepted, OrderUpdate::Filled(fill)] {
                    news.push(Event::Order(OrderEvent { order: order.id, update }));
                }
            }
            if news.is_empty() {
                return;
            }
            self.engine.handle(&Input { at: self.at, source: Source::Venue, events: &news });
        }
    }

    /// Handles an input; what comes out is thrown away.
    fn handle(&mut self, events: &[Event]) {
        self.engine.handle(&Input { at: self.at, source: Source::Market, events });
        while let Some(output) = self.engine.poll_output() {
            black_box(output);
        }
    }
}

fn main() {
    println!("{:<74} {:>9} {:>9}", "816 options, 12 expiries", "p50 µs", "p99 µs");
    measure("the clock alone", || {}, || {});
    let volatilities = ["iv.atm(BTC, 30d)", "iv.rank(BTC, 30d, 90d)", "skew(BTC, 30d)", "term.slope(BTC, 7d, 90d)"];
    let greeks = ["greeks.delta(BTC)", "greeks.gamma(BTC)", "greeks.vega(BTC)", "greeks.theta(BTC)"];
    for (what, series) in [("nothing is read", &[][..]), ("four facts of the surface", &volatilities[..])] {
        let mut world = World::new(1, series);
        tick(&mut world, &format!("a tick of the perpetual, {what}"));
        let mut at = 7 * 68;
        ticks(&mut world, &format!("a quote of one option, {what}"), |world| {
            at = 7 * 68 + (at + 1) % 68;
            [world.quote(at, 1.0 + 1e-4 * (at % 7) as f64)]
        });
    }
    let other = ["greeks.delta(ETH)", "greeks.gamma(ETH)", "greeks.vega(ETH)", "greeks.theta(ETH)"];
    let book = ["book.volatility(BTC)"];
    for (what, series) in [
        ("no Greeks", &[][..]),
        ("Greeks of ETH", &other[..]),
        ("Greeks of BTC", &greeks[..]),
        ("volatility of the book", &book[..]),
    ] {
        let mut world = World::new(STRATEGIES, series);
        let held = world.engine.greeks().map_or(0, |greeks| greeks.len());
        tick(&mut world, &format!("{STRATEGIES} strategies, a tick of the perpetual, {what}: of {held} options"));
    }
}

fn tick(world: &mut World, what: &str) {
    let mut close = FORWARD;
    ticks(world, what, |world| {
        close += if close > FORWARD + 500.0 { -500.0 } else { 0.5 };
        world.bars(close)
    });
}

fn ticks<const N: usize>(world: &mut World, what: &str, mut next: impl FnMut(&mut World) -> [Event; N]) {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(Vec::with_capacity(TICKS));
        for _ in 0..TICKS {
            world.at = world.at + Duration::from_nanos(1_000_000);
            let events = next(world);
            let begin = ThreadTime::now();
            world.handle(&events);
            times.last_mut().unwrap().push(begin.elapsed().as_nanos());
        }
    }
    report(what, times);
}

fn measure(what: &str, mut before: impl FnMut(), mut once: impl FnMut()) {
    let mut round = || {
        let mut time = || {
            before();
            let begin = ThreadTime::now();
            once();
            begin.elapsed().as_nanos()
        };
        (0..TICKS).map(|_| time()).collect()
    };
    report(what, (0..ROUNDS).map(|_| round()).collect());
}

fn report(what: &str, mut rounds: Vec<Vec<u128>>) {
    rounds.iter_mut().for_each(|times| times.sort_unstable());
    let rank = |share: usize| {
        let mut ranks: Vec<u128> = rounds.iter().map(|times| times[times.len() * share / 100]).collect();
        ranks.sort_unstable();
        ranks[ROUNDS / 2] as f64 / 1e3
    };
    println!("{what:<74} {:>9.2} {:>9.2}", rank(50), rank(99));
}
