//! Proofs of facts of risk against brute force: a rule states a band around what a fact is, over random accounts of options, perpetuals
//! and balances, and random prices, quotes and times. Whenever an engine rests, another that computes everything must find the fact inside.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test's own market and memory are no part of the engine"
)]

use engine::{Engine, EngineConfig, StrategyConfig};
use market::{
    AccountSpec, Bar, CashChange, CashReason, Catalogue, Currency, Event, Fill, Forced, Input, Instrument,
    InstrumentKind, Liquidity, OptionQuote, OrderEvent, OrderUpdate, Source,
};
use policy::facts::{self, FactId, Facts};
use policy::spec::Structure;
use policy::{Because, Program, Region, Rule, Target, Verdict};
use pricing::options::{EuropeanOption, Inputs};
use std::sync::{Arc, Mutex};
use units::{
    AccountId, Cash, Duration, InstrumentId, OptionRight, OrderId, Price, Qty, Ratio, SeriesId, StrategyId, Timestamp,
};

const DAYS: [f64; 4] = [0.4, 3.0, 17.0, 80.0];
const STRIKES: i64 = 9;
const BEGIN: &str = "2026-02-01T00:00:00Z";

/// Facts and how much of an engine's ticks a proof spares at least, as a share.
const FACTS: [(&str, f64); 17] = [
    ("margin.ratio(deribit)", 0.3),
    ("margin.initial(deribit)", 0.3),
    ("margin.maintenance(deribit)", 0.3),
    ("margin.ratio(hyperliquid)", 0.3),
    ("liquidation.distance()", 0.3),
    ("liquidation.probability(1d)", 0.1),
    ("liquidation.probability(30d)", 0.1),
    ("concentration.venue()", 0.3),
    ("concentration.stablecoin()", 0.3),
    ("stress(2025-10-10)", 0.2),
    ("margin.ratio(deribit, portfolio)", 0.3),
    ("margin.initial(deribit, portfolio)", 0.3),
    ("margin.ratio(derive, portfolio)", 0.3),
    ("margin.initial(derive, portfolio)", 0.3),
    ("margin.maintenance(derive, portfolio)", 0.3),
    ("collateral(deribit)", 0.3),
    ("collateral(derive, portfolio)", 0.3),
];

struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn pick<const N: usize>(&mut self, of: [f64; N]) -> f64 {
        of[(self.unit() * N as f64) as usize]
    }

    /// About normal.
    fn step(&mut self) -> f64 {
        (0..6).map(|_| self.unit() - 0.5).sum::<f64>() * 1.4
    }
}

/// Decides the same while the fact stays in a band around what it was.
struct Band {
    reads: [FactId; 1],
    /// How far under and over it, as shares; none over it where that is infinite.
    sides: (f64, f64),
    stated: Arc<Mutex<Option<(f64, f64)>>>,
}

struct Keeps;

impl Rule for Keeps {
    fn name(&self) -> &'static str {
        "keeps"
    }

    fn reads(&self) -> &[FactId] {
        &[]
    }

    fn evaluate(&self, _facts: &Facts, proposed: Target, _because: &mut Because) -> Verdict {
        Verdict::keep(proposed)
    }

    fn quiet(&self, _facts: &Facts, _proposed: Target, _because: &Because, _region: &mut Region) -> bool {
        true
    }
}

impl Rule for Band {
    fn name(&self) -> &'static str {
        "band"
    }

    fn reads(&self) -> &[FactId] {
        &self.reads
    }

    fn evaluate(&self, _facts: &Facts, proposed: Target, _because: &mut Because) -> Verdict {
        Verdict::keep(proposed)
    }

    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        let value = facts.get(facts::series(SeriesId(0))).map(Ratio::get).filter(|value| *value >= 0.0);
        let Some(value) = value else { return false };
        let (under, over) = self.sides;
        let high = if over.is_finite() { value * (1.0 + over) + 1e-6 } else { over };
        let low = value * (1.0 - under);
        *self.stated.lock().unwrap() = Some((low, high));
        region.within_ratio(self.reads[0], low, high.is_finite().then_some(high));
        true
    }
}

fn price(value: f64) -> Price {
    Price::from_estimate(value, units::Round::Nearest).unwrap()
}

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn catalogue(fact: &str) -> Catalogue {
    let begin: Timestamp = BEGIN.parse().unwrap();
    let of = |symbol: String, kind, base: &str, quote: &str, settle: &str| Instrument {
        symbol,
        kind,
        base: currency(base),
        quote: currency(quote),
        settle: currency(settle),
        tick: price(1e-4),
        lot: "0.001".parse().unwrap(),
        min_qty: "0.001".parse().unwrap(),
    };
    let first = match fact.contains("derive") {
        true => of("derive:BTC-PERP".into(), InstrumentKind::LinearPerpetual, "BTC", "USDC", "USDC"),
        false => of("deribit:BTC-PERPETUAL".into(), InstrumentKind::InversePerpetual, "BTC", "USD", "BTC"),
    };
    let mut instruments = vec![
        first,
        of("deribit:ETH-PERPETUAL".into(), InstrumentKind::InversePerpetual, "ETH", "USD", "ETH"),
        of("deribit:BTC_USDC-PERPETUAL".into(), InstrumentKind::LinearPerpetual, "BTC", "USDC", "USDC"),
        of("hyperliquid:BTC-PERP".into(), InstrumentKind::LinearPerpetual, "BTC", "USDC", "USDC"),
        of("hyperliquid:ETH-PERP".into(), InstrumentKind::LinearPerpetual, "ETH", "USDC", "USDC"),
    ];
    for day in DAYS {
        let expiry = begin + Duration::from_nanos((day * Duration::DAY.nanos() as f64) as i64);
        for step in 0..STRIKES {
            let strike =
                price((1e5 * (0.12 * (step - STRIKES / 2) as f64 * (day / 20.0).sqrt()).exp() / 500.0).round() * 500.0);
            for right in [OptionRight::Call, OptionRight::Put] {
                let own = if fact.contains("derive") {
                    let kind = InstrumentKind::LinearOption { expiry, strike, right };
                    of(format!("derive:BTC-{day}-{strike}-{right}"), kind, "BTC", "USDC", "USDC")
                } else {
                    let kind = InstrumentKind::InverseOption { expiry, strike, right };
                    of(format!("deribit:BTC-{day}-{strike}-{right}"), kind, "BTC", "BTC", "BTC")
                };
                instruments.push(own);
            }
        }
    }
    instruments.push(of("deribit:BTC-STRUCTURE".into(), InstrumentKind::Structure, "BTC", "BTC", "BTC"));
    Catalogue { instruments, series: vec![fact.to_owned()] }
}

/// A structure that is never traded. With it smiles move along with the price.
fn structure() -> Structure {
    let text = "policy = 1\nname = \"x\"\n[structure]\nchain = \"deribit:BTC\"\nlegs = [{ right = \"call\", delta = 0.3, days = 30 }]\n\
                sticky = \"moneyness\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n[size]\nkind = \"fixed_fraction\"\n\
                fraction = 1.0\n";
    policy::parse(text).policy.unwrap().structure.unwrap()
}

const FUTURES: usize = 5;

struct World {
    catalogue: Catalogue,
    /// The one that rests, and the one that never does.
    engines: [Engine; 2],
    stated: Arc<Mutex<Option<(f64, f64)>>>,
    /// A structure beside it, which decides at each input, moves smiles along with the price.
    moves_smiles: bool,
    at: Timestamp,
    /// Of BTC and ETH.
    spots: [f64; 2],
    vol: f64,
}

impl World {
    fn new(fact: &str, random: &mut Random) -> Self {
        let catalogue = catalogue(fact);
        let stated = Arc::new(Mutex::new(None));
        let sides = (random.pick([0.003, 0.02, 0.1, 1.0]), random.pick([0.003, 0.02, 0.1, f64::INFINITY]));
        let account = |venue: &str, numeraire| AccountSpec { venue: venue.into(), numeraire: currency(numeraire) };
        let numeraire = if random.unit() < 0.5 { "BTC" } else { "USDC" };
        let other = fact.contains("hyperliquid");
        let moves_smiles = fact.starts_with("stress") && random.unit() < 0.5;
        let engines = [(); 2].map(|()| {
            let first = if fact.contains("derive") { "derive" } else { "deribit" };
            let accounts = vec![account(first, numeraire), account("hyperliquid", "USDC")];
            let mut engine = Engine::new(EngineConfig { catalogue: catalogue.clone(), accounts, tiers: Vec::new() });
            let reads = [facts::series(SeriesId(0)).id()];
            let band = Band { reads, sides, stated: stated.clone() };
            let rules: Vec<Box<dyn Rule>> = vec![Box::new(Keeps), Box::new(band), Box::new(Keeps)];
            let program = Program::custom(rules).unwrap();
            engine.add_strategy(StrategyConfig::new(InstrumentId(if other { 3 } else { 0 }), program));
            if moves_smiles {
                let place = InstrumentId(catalogue.instruments.len() as u32 - 1);
                let none = StrategyConfig::new(place, Program::custom(Vec::new()).unwrap());
                engine.add_strategy(StrategyConfig { structure: Some(structure()), ..none });
            }
            engine
        });
        let mut world =
            Self { catalogue, engines, stated, moves_smiles, at: BEGIN.parse().unwrap(), spots: [1e5, 4e3], vol: 0.5 };
        world.engines[1].evaluate_always();
        // All accounts together need what each coin is worth in the first one's numéraire.
        let is_whole = fact.starts_with("stress") || fact.starts_with("collateral") || fact.contains("portfolio");
        let has_eth = numeraire != "BTC" && !is_whole;
        for (account, code, amount) in [
            (0, "BTC", 3.0 + 20.0 * random.unit()),
            (0, "ETH", 20.0 + 100.0 * random.unit()),
            (0, "USDC", 1e5 + 1e6 * random.unit()),
            (1, "USDC", 1e5 + 1e6 * random.unit()),
            (1, "USDT", 1e5 * random.unit()),
        ] {
            if code == "ETH" && is_whole {
                continue;
            }
            let (account, currency) = (AccountId(account), currency(code));
            let amount = Cash::from_estimate(amount, units::Round::Nearest).unwrap();
            let event = Event::Cash(CashChange { account, currency, amount, reason: CashReason::Deposit });
            world.feed(Source::Venue, &[event]);
        }
        world.bars(random);
        world.quotes();
        world.open(random, has_eth);
        world.bars(random);
        world
    }

    fn feed(&mut self, source: Source, events: &[Event]) {
        for engine in &mut self.engines {
            engine.handle(&Input { at: self.at, source, events });
            while engine.poll_output().is_some() {}
        }
    }

    /// What is held: random sizes of everything, as brought in.
    fn open(&mut self, random: &mut Random, has_eth: bool) {
        let mut events = Vec::new();
        let scale = random.pick([0.1, 0.4, 1.0]);
        for index in 0..self.catalogue.instruments.len() {
            let of = &self.catalogue.instruments[index];
            let (size, mark) = match (index, of.kind.option()) {
                (0, _) if of.kind == InstrumentKind::LinearPerpetual => (20.0 * random.step(), self.spots[0]),
                (0, _) => (2e6 * random.step(), self.spots[0]),
                (1, _) if has_eth => (1e5 * random.step(), self.spots[1]),
                (1, _) => continue,
                // Deribit's portfolio margin is of one coin's inverse contracts.
                (2, _) if self.catalogue.series[0].contains("portfolio") => continue,
                (2, _) => (8.0 * random.step(), self.spots[0]),
                (3, _) => (8.0 * random.step(), self.spots[0]),
                (4, _) => (200.0 * random.step(), self.spots[1]),
                (_, Some(_)) if random.unit() < 0.6 => {
                    let is_inverse = matches!(of.kind, InstrumentKind::InverseOption { .. });
                    (4.0 * (random.step() - 0.2), if is_inverse { 0.01 } else { 1_000.0 })
                }
                _ => continue,
            };
            let Some(qty) = Qty::from_estimate((size * scale * 10.0).round() / 10.0, units::Round::Nearest) else {
                continue;
            };
            let Some(side) = qty.side() else { continue };
            let fill = Fill {
                account: AccountId(u32::from(index == 3 || index == 4)),
                instrument: InstrumentId(index as u32),
                side,
                qty: qty.abs(),
                price: price(mark),
                reference: price(mark),
                fee: Cash::ZERO,
                liquidity: Liquidity::Internal,
                forced: Some(Forced::Opening),
                execution: index as u64 + 1,
            };
            events.push(Event::Order(OrderEvent { order: OrderId(0), update: OrderUpdate::Filled(fill) }));
        }
        self.feed(Source::Venue, &events);
    }

    fn bars(&mut self, random: &mut Random) {
        let mut bars = Vec::new();
        for index in 0..FUTURES {
            let spot = self.spots[usize::from(index == 1 || index == 4)];
            let close = price(spot * if index == 3 { 1.0 + 1e-4 * random.step() } else { 1.0 });
            let (instrument, at) = (InstrumentId(index as u32), self.at);
            let (open, high, low, volume) = (close, close, close, Qty::ZERO);
            bars.push(Event::Bar(Bar { instrument, opened: at, closed: at, open, high, low, close, volume }));
        }
        self.feed(Source::Market, &bars);
    }

    fn quotes(&mut self) {
        let spot = self.spots[0];
        let quote = |(index, of): (usize, &Instrument)| {
            let ((strike, right), expiry) = (of.kind.option()?, of.kind.expiry()?);
            let years = expiry.since(self.at).nanos() as f64 / (365.0 * Duration::DAY.nanos() as f64);
            let k = (strike.approximate() / spot).ln() / years.max(1e-4).sqrt();
            let vol = self.vol * (1.0 - 0.05 * k + 0.03 * k * k).clamp(0.5, 3.0);
            let inputs = Inputs { forward: spot, strike: strike.approximate(), years, vol, discount: 1.0 };
            let unit = if matches!(of.kind, InstrumentKind::InverseOption { .. }) { spot } else { 1.0 };
            let worth = (EuropeanOption::new(right, inputs).ok()?.greeks().price / unit).max(1e-4);
            let quote = OptionQuote::empty(InstrumentId(index as u32)).with_underlying(price(spot));
            Some(Event::OptionQuote(quote.with_bid(price(worth * 0.99), None).with_ask(price(worth * 1.01), None)))
        };
        let all: Vec<Event> = self.catalogue.instruments.iter().enumerate().filter_map(quote).collect();
        self.feed(Source::Market, &all);
    }

    fn value(&self, engine: usize) -> Option<f64> {
        self.engines[engine].facts(StrategyId(0)).get(facts::series(SeriesId(0))).map(Ratio::get)
    }
}

#[test]
fn a_fact_is_inside_its_band_whenever_an_engine_rests() {
    for (number, (fact, share)) in FACTS.iter().enumerate() {
        let (mut spared, mut rested, mut all, mut told) = (0, 0, 0, 0);
        for seed in 0..12 {
            // Neighbouring seeds would begin alike.
            let mut random = Random((1 + seed + 1_000 * number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let mut world = World::new(fact, &mut random);
            let pace = random.pick([0.2e-3, 1e-3, 4e-3]);
            for _ in 0..400 {
                let seconds = random.pick([0.05, 1.0, 20.0, 120.0]);
                world.at = world.at + Duration::from_nanos((seconds * 1e9) as i64);
                let jump = if random.unit() < 0.02 { 0.08 } else { pace };
                let both = random.step();
                world.spots[0] *= (jump * both).exp();
                world.spots[1] *= (jump * (both + random.step())).exp();
                let before = world.engines[0].evaluations();
                if random.unit() < 0.03 {
                    world.vol *= (0.02 * random.step()).exp();
                    world.quotes();
                } else {
                    world.bars(&mut random);
                }
                all += 1;
                let exact = world.value(1);
                told += u32::from(exact.is_some());
                // What it was told last is not what is now only where it rested.
                let rests = world.moves_smiles && world.value(0) != exact;
                if rests || world.engines[0].evaluations() == before {
                    rested += 1;
                    let (low, high) = world.stated.lock().unwrap().unwrap();
                    let exact = exact.expect("what an engine rests on is there");
                    assert!(low <= exact && exact < high, "{fact}, seed {seed}: {exact} is not in {low} to {high}");
                } else {
                    assert_eq!(world.value(0), exact, "{fact}, seed {seed}: a decision goes by the exact value");
                }
            }
            spared += world.engines[0].risk_readings().1;
        }
        assert!(spared as f64 > share * f64::from(all), "{fact}: {spared} spared of {all}");
        assert!(told > all / 2 && rested < all, "{fact}: {told} told, {rested} rested of {all}");
    }
}

/// A deposit of dollars counts as collateral by its whole amount where a position settles in them, and not at all where none does.
#[test]
fn only_what_positions_settle_in_is_collateral() {
    let (mut bears, mut lies) = (0, 0);
    for seed in 0..400_u64 {
        let mut random = Random((1 + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut world = World::new("collateral(deribit)", &mut random);
        let before = world.value(1).unwrap();
        let (account, amount, reason) = (AccountId(0), Cash::from_raw(50_000 * Cash::ONE), CashReason::Deposit);
        let paid = CashChange { account, currency: currency("USDC"), amount, reason };
        world.feed(Source::Venue, &[Event::Cash(paid)]);
        world.bars(&mut random);
        let counted = world.value(1).unwrap() - before;
        let known = world.engines[1].account(account);
        let settles = !known.position(2).qty.is_zero();
        // In the account's numéraire; a bitcoin is worth what it began at.
        let whole = if known.numeraire() == currency("BTC") { 0.5 } else { 50_000.0 };
        let wanted = if settles { whole } else { 0.0 };
        assert!((counted - wanted).abs() < 1e-6 * whole, "seed {seed}: {counted}, not {wanted}");
        (bears, lies) = (bears + i32::from(settles), lies + i32::from(!settles));
        if bears > 20 && lies > 2 {
            return;
        }
    }
    panic!("{bears} accounts held what settles in dollars, {lies} held none");
}
