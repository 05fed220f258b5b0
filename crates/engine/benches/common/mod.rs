//! An engine beside a chain of 504 options, some of them sold, whose strategy reads one fact.
#![allow(dead_code, reason = "whoever takes it in needs a part of it")]
#![allow(clippy::unwrap_used, reason = "a measurement may fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "a market of its own is no part of the engine")]

use engine::{Engine, EngineConfig, StrategyConfig};
use market::{
    Bar, CashChange, CashReason, Catalogue, Currency, Event, Fill, Forced, Input, Instrument, InstrumentKind,
    Liquidity, OptionQuote, OrderEvent, OrderUpdate, Source,
};
use policy::facts::{self, FactId, Facts};
use policy::{Because, Program, Region, Rule, Target, Verdict};
use pricing::options::{EuropeanOption, Inputs};
use std::hint::black_box;
use units::{AccountId, Cash, Duration, InstrumentId, OptionRight, OrderId, Price, Qty, SeriesId, Timestamp};

const DAYS: [i64; 12] = [1, 2, 3, 9, 16, 23, 44, 72, 107, 198, 289, 352];
/// Strikes of each expiry, each with a call and a put.
const STRIKES: i32 = 21;
pub(crate) const FORWARD: f64 = 70_000.0;
/// Hours of history, where a fact looks back on them.
const HOURS: i64 = 520;
const NOW: Timestamp = Timestamp::from_nanos(1_772_400_000_000_000_000);

/// Reads a fact and decides the same in between, which it says or does not say. Without a fact it reads nothing.
struct Watches(Vec<FactId>, Option<(f64, Option<f64>)>);

impl Rule for Watches {
    fn name(&self) -> &'static str {
        "watches"
    }

    fn reads(&self) -> &[FactId] {
        &self.0
    }

    fn evaluate(&self, _facts: &Facts, proposed: Target, _because: &mut Because) -> Verdict {
        Verdict::keep(proposed)
    }

    fn quiet(&self, _facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        let Some((low, high)) = self.1 else { return false };
        self.0.iter().for_each(|fact| region.within_ratio(*fact, low, high));
        true
    }
}

fn price(value: f64) -> Price {
    Price::from_estimate(value, units::Round::Nearest).unwrap()
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    perpetual: InstrumentId,
    at: Timestamp,
}

impl World {
    /// Of the options every so many are sold. `bounds`: between what the rule says that it decides the same.
    pub(crate) fn new(fact: Option<&str>, bounds: Option<(f64, Option<f64>)>, every: usize) -> Self {
        let (btc, usd): (Currency, Currency) = ("BTC".parse().unwrap(), "USD".parse().unwrap());
        let unit: Qty = "0.1".parse().unwrap();
        let of = |symbol: String, kind: InstrumentKind, quote: Currency| Instrument {
            symbol,
            kind,
            base: btc,
            quote,
            settle: btc,
            tick: price(1e-4),
            lot: unit,
            min_qty: unit,
        };
        let mut instruments = Vec::new();
        for day in DAYS {
            let expiry = NOW + Duration::from_nanos(day * Duration::DAY.nanos());
            let years = day as f64 / 365.0;
            for step in -STRIKES / 2..=STRIKES / 2 {
                let k = 0.5 * years.sqrt() * f64::from(step) * 0.2;
                let strike = price((FORWARD * k.exp() / 100.0).round() * 100.0);
                for right in [OptionRight::Call, OptionRight::Put] {
                    let kind = InstrumentKind::InverseOption { expiry, strike, right };
                    instruments.push(of(format!("deribit:BTC-{expiry}-{strike}-{right}"), kind, btc));
                }
            }
        }
        let perpetual = InstrumentId(instruments.len() as u32);
        instruments.push(of("deribit:BTC-PERPETUAL".into(), InstrumentKind::InversePerpetual, usd));
        let kinds: Vec<InstrumentKind> = instruments.iter().map(|known| known.kind).collect();
        let catalogue = Catalogue { instruments, series: fact.map(str::to_owned).into_iter().collect() };
        let mut engine = Engine::new(EngineConfig { catalogue, ..EngineConfig::default() });
        let reads = fact.map(|_| facts::series(SeriesId(0)).id()).into_iter().collect();
        let rules: Vec<Box<dyn Rule>> = vec![
            Box::new(Watches(Vec::new(), Some((0.0, None)))),
            Box::new(Watches(reads, bounds)),
            Box::new(Watches(Vec::new(), Some((0.0, None)))),
        ];
        let program = Program::custom(rules).unwrap();
        engine.add_strategy(StrategyConfig::new(perpetual, program));
        let has_history = fact.is_some_and(|fact| fact.starts_with("var") || fact.starts_with("es"));
        let hours = if has_history { HOURS } else { 0 };
        let mut world = Self { engine, perpetual, at: NOW - Duration::from_nanos(hours * Duration::HOUR.nanos()) };
        let deposit = |code: &str, amount: &str| {
            let (account, currency, reason) = (AccountId(0), code.parse().unwrap(), CashReason::Deposit);
            Event::Cash(CashChange { account, currency, amount: amount.parse().unwrap(), reason })
        };
        world.feed(Source::Venue, &[deposit("BTC", "400"), deposit("USDC", "1000000")]);
        // What may be lost looks back on prices and volatilities of each hour.
        let (mut forward, mut level) = (FORWARD, 1.0);
        for hour in 0..hours {
            let swing = |by: f64| (hour as f64 * by).sin() + (hour as f64 * by * 2.7).cos();
            (forward, level) = (forward * (0.004 * swing(1.3)).exp(), level * (0.01 * swing(0.9)).exp());
            world.tick(forward);
            let quotes = quotes(&kinds, world.at, forward, level);
            world.feed(Source::Market, &quotes);
            world.at = NOW - Duration::from_nanos((hours - hour - 1) * Duration::HOUR.nanos());
        }
        world.tick(FORWARD);
        let quotes = quotes(&kinds, NOW, FORWARD, 1.0);
        world.feed(Source::Market, &quotes);
        let opened = |(index, size): (u32, &str)| {
            let (qty, at): (Qty, _) = (size.parse().unwrap(), if index == perpetual.0 { FORWARD } else { 0.01 });
            let fill = Fill {
                account: AccountId(0),
                instrument: InstrumentId(index),
                side: qty.side().unwrap(),
                qty: qty.abs(),
                price: price(at),
                reference: price(at),
                fee: Cash::ZERO,
                liquidity: Liquidity::Internal,
                forced: Some(Forced::Opening),
                execution: u64::from(index) + 1,
            };
            Event::Order(OrderEvent { order: OrderId(0), update: OrderUpdate::Filled(fill) })
        };
        let sold = (0..perpetual.0).step_by(every).map(|index| (index, "-1"));
        let events: Vec<Event> = sold.chain([(perpetual.0, "100000")]).map(opened).collect();
        world.feed(Source::Venue, &events);
        world.feed(Source::Market, &quotes);
        world
    }

    fn feed(&mut self, source: Source, events: &[Event]) {
        self.engine.handle(&Input { at: self.at, source, events });
        while let Some(output) = self.engine.poll_output() {
            black_box(output);
        }
    }

    pub(crate) fn tick(&mut self, close: f64) {
        self.at = self.at + Duration::from_nanos(1_000_000);
        let (at, close) = (self.at, price(close));
        let (open, high, low, volume) = (close, close, close, Qty::ZERO);
        let instrument = self.perpetual;
        self.feed(
            Source::Market,
            &[Event::Bar(Bar { instrument, opened: at, closed: at, open, high, low, close, volume })],
        );
    }
}

/// What all options are quoted at.
fn quotes(kinds: &[InstrumentKind], at: Timestamp, forward: f64, level: f64) -> Vec<Event> {
    let quote = |(index, kind): (usize, &InstrumentKind)| {
        let InstrumentKind::InverseOption { expiry, strike, right } = *kind else { return None };
        let years = expiry.since(at).days() / 365.0;
        let k = (strike.approximate() / forward).ln();
        let vol = level * (0.5 - 0.05 * k + 0.1 * k * k);
        let inputs = Inputs { forward, strike: strike.approximate(), years, vol, discount: 1.0 };
        let worth = EuropeanOption::new(right, inputs).unwrap().greeks().price / forward;
        let quote = OptionQuote::empty(InstrumentId(index as u32));
        let quote = quote.with_underlying(price(forward)).with_bid(price(worth * 0.99), None);
        Some(Event::OptionQuote(quote.with_ask(price(worth * 1.01 + 2e-4), None)))
    };
    kinds.iter().enumerate().filter_map(quote).collect()
}
