//! What keeping facts of risk current costs a tick: `cargo bench -p trimtab-engine --bench risk_facts`. Thread CPU time of a tick of the
//! perpetual beside 504 options that are sold, less that of the same engine whose strategy reads none of them, beside it;
//! medians of nine rounds' medians of a hundred ticks' means, so that the clock costs nothing.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement reads a clock")]

use cpu_time::ThreadTime;
use engine::{Engine, EngineConfig, StrategyConfig};
use market::{
    Bar, CashChange, CashReason, Catalogue, Currency, Event, Fill, Forced, Input, Instrument, InstrumentKind,
    Liquidity, OptionQuote, OrderEvent, OrderUpdate, Source,
};
use policy::facts::{self, FactId, Facts};
use policy::{Because, CampaignTerms, Program, Region, Rule, Target, Verdict};
use pricing::options::{EuropeanOption, Inputs};
use std::hint::black_box;
use units::{
    AccountId, Cash, Duration, InstrumentId, OptionRight, OrderId, Price, Qty, SeriesId, StrategyId, Timestamp,
};

const ROUNDS: usize = 9;
const BATCHES: usize = 60;
const TICKS: usize = 100;
/// Nanoseconds.
const SLOW: f64 = 20_000.0;
const DAYS: [i64; 12] = [1, 2, 3, 9, 16, 23, 44, 72, 107, 198, 289, 352];
/// Strikes of each expiry, each with a call and a put.
const STRIKES: i32 = 21;
const FORWARD: f64 = 70_000.0;
const NOW: Timestamp = Timestamp::from_nanos(1_772_400_000_000_000_000);

/// Facts, and between what a rule decides the same.
const FACTS: [(&str, f64, Option<f64>); 10] = [
    ("margin.ratio(deribit)", 0.0, Some(0.8)),
    ("margin.initial(deribit)", 0.0, Some(900.0)),
    ("margin.maintenance(deribit)", 0.0, Some(900.0)),
    ("liquidation.distance()", 0.1, None),
    ("liquidation.probability(1d)", 0.0, Some(0.2)),
    ("liquidation.probability(30d)", 0.0, Some(0.9)),
    ("concentration.venue()", 0.5, None),
    ("concentration.stablecoin()", 0.0, Some(0.6)),
    ("stress(2025-10-10)", 0.0, Some(0.9)),
    ("margin.ratio(deribit, portfolio)", 0.0, Some(0.9)),
];

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

struct World {
    engine: Engine,
    perpetual: InstrumentId,
    at: Timestamp,
}

impl World {
    /// `bounds`: between what the rule says that it decides the same.
    fn new(fact: Option<&str>, bounds: Option<(f64, Option<f64>)>) -> Self {
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
        let (mut instruments, mut quotes) = (Vec::new(), Vec::new());
        for day in DAYS {
            let expiry = NOW + Duration::from_nanos(day * Duration::DAY.nanos());
            let years = day as f64 / 365.0;
            for step in -STRIKES / 2..=STRIKES / 2 {
                let k = 0.5 * years.sqrt() * f64::from(step) * 0.2;
                let strike = price((FORWARD * k.exp() / 100.0).round() * 100.0);
                for right in [OptionRight::Call, OptionRight::Put] {
                    let kind = InstrumentKind::InverseOption { expiry, strike, right };
                    let vol = 0.5 - 0.05 * k + 0.1 * k * k;
                    let inputs = Inputs { forward: FORWARD, strike: strike.approximate(), years, vol, discount: 1.0 };
                    let worth = EuropeanOption::new(right, inputs).unwrap().greeks().price / FORWARD;
                    let quote = OptionQuote::empty(InstrumentId(instruments.len() as u32));
                    let quote = quote.with_underlying(price(FORWARD)).with_bid(price(worth * 0.99), None);
                    quotes.push(Event::OptionQuote(quote.with_ask(price(worth * 1.01 + 2e-4), None)));
                    instruments.push(of(format!("deribit:BTC-{expiry}-{strike}-{right}"), kind, btc));
                }
            }
        }
        let perpetual = InstrumentId(instruments.len() as u32);
        instruments.push(of("deribit:BTC-PERPETUAL".into(), InstrumentKind::InversePerpetual, usd));
        let catalogue = Catalogue { instruments, series: fact.map(str::to_owned).into_iter().collect() };
        let mut engine = Engine::new(EngineConfig { catalogue, ..EngineConfig::default() });
        let reads = fact.map(|_| facts::series(SeriesId(0)).id()).into_iter().collect();
        let rules: Vec<Box<dyn Rule>> = vec![
            Box::new(Watches(Vec::new(), Some((0.0, None)))),
            Box::new(Watches(reads, bounds)),
            Box::new(Watches(Vec::new(), Some((0.0, None)))),
        ];
        let program =
            Program { indicators: Vec::new(), rules, campaign: CampaignTerms::default(), amounts: Vec::new() };
        engine.add_strategy(StrategyConfig::new(perpetual, program));
        let mut world = Self { engine, perpetual, at: NOW };
        let deposit = |code: &str, amount: &str| {
            let (account, currency, reason) = (AccountId(0), code.parse().unwrap(), CashReason::Deposit);
            Event::Cash(CashChange { account, currency, amount: amount.parse().unwrap(), reason })
        };
        world.feed(Source::Venue, &[deposit("BTC", "400"), deposit("USDC", "1000000")]);
        world.tick(FORWARD);
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
        let sold = (0..perpetual.0).map(|index| (index, "-1")).chain([(perpetual.0, "100000")]);
        let events: Vec<Event> = sold.map(opened).collect();
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

    fn tick(&mut self, close: f64) {
        self.at = self.at + Duration::from_nanos(1_000_000);
        let (at, close) = (self.at, price(close));
        let (open, high, low, volume) = (close, close, close, Qty::ZERO);
        let instrument = self.perpetual;
        self.feed(
            Source::Market,
            &[Event::Bar(Bar { instrument, opened: at, closed: at, open, high, low, close, volume })],
        );
    }

    /// Nanoseconds a tick: prices go from one to the other and back, or in small steps.
    fn batch(&mut self, far: bool) -> f64 {
        let step = |at: usize| match far {
            true => FORWARD * if at.is_multiple_of(2) { 1.0 } else { 1.3 },
            false => FORWARD + (at % 50) as f64,
        };
        let begin = ThreadTime::now();
        (0..TICKS).for_each(|at| self.tick(step(at)));
        begin.elapsed().as_nanos() as f64 / TICKS as f64
    }

    /// Nanoseconds that a tick takes more than in another, batch beside batch: a machine that slows down slows both.
    fn more(&mut self, than: &mut Self, far: bool) -> f64 {
        // The first looks for proofs, and what takes long is measured less often.
        self.batch(far);
        let batches = if self.batch(far) > SLOW { 3 } else { BATCHES };
        let mut more = || self.batch(far) - than.batch(far);
        let mut rounds: Vec<f64> =
            (0..ROUNDS).map(|_| median(&mut (0..batches).map(|_| more()).collect::<Vec<f64>>())).collect();
        median(&mut rounds)
    }
}

fn median(of: &mut [f64]) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn main() {
    let nothing = || World::new(None, Some((0.0, None)));
    let (mut near, mut far) = (nothing(), nothing());
    let alone = median(&mut (0..BATCHES).map(|_| near.batch(false)).collect::<Vec<f64>>());
    println!("504 options sold, a tick of the perpetual; nothing read: {alone:.0} ns");
    println!("{:<34} {:>10} {:>12} {:>12}", "more with a fact, ns", "inside", "outside", "computed");
    for (fact, low, high) in FACTS {
        let bounds = Some((low, high));
        let mut proved = World::new(Some(fact), bounds);
        let inside = proved.more(&mut near, false);
        let computed_inside = proved.engine.risk_readings();
        let mut left = World::new(Some(fact), bounds);
        let outside = left.more(&mut far, true);
        let anew = World::new(Some(fact), None).more(&mut near, false);
        println!("{fact:<34} {inside:>10.0} {outside:>12.0} {anew:>12.0}");
        println!("    computed, spared: {computed_inside:?} inside, {:?} outside", left.engine.risk_readings());
        if let Some(refusal) = left.engine.risk_refusal(StrategyId(0), SeriesId(0)) {
            println!("    not told: {refusal}");
        }
    }
}
