//! Facts of surfaces, of a structure's own volatility and of the Greeks held: what strategies are told of them, against other ways to
//! the same numbers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "numbers to compare with come another way, also in their logarithms")]

use crate::listed::{NOW, days, option};
use crate::surfaces::FittedChain;
use crate::{Engine, EngineConfig, Output, StrategyConfig};
use market::{
    AccountSpec, Bar, CashChange, CashReason, Catalogue, Command, Currency, Event, Fill, Input, Instrument,
    InstrumentKind, Liquidity, OptionQuote, OrderEvent, OrderUpdate, SeriesPoint, Source,
};
use policy::facts::{self, FactId, Facts};
use policy::spec::{LegStrike, Roll, Structure, StructureLeg};
use policy::{Because, Program, Rule, Target, Verdict};
use pricing::options::{DeltaConvention, OptionKind, OptionStyle, Simd};
use pricing::surface::{ChainSettings, NoSmile, Surface};
use risk::greeks::{DeltaOneKey, OptionKey, PortfolioGreeks, SmilePoint};
use risk::{OneDay, ProfitIn};
use units::state::{StateReader, StateWriter};
use units::{
    AccountId, Cash, Contract, Duration, InstrumentId, OptionRight, Price, Qty, Ratio, SeriesId, StrategyId, Timestamp,
};

const YEAR: f64 = 365.0 * 86_400e9;
const RIGHTS: [OptionRight; 2] = [OptionRight::Call, OptionRight::Put];

fn price(value: f64) -> Price {
    Price::from_estimate(value, units::Round::Nearest).unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

fn btc() -> Currency {
    "BTC".parse().unwrap()
}

/// The normal law by Simpson's rule: nothing of what is tested is in it.
fn normal(x: f64) -> f64 {
    let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let (end, steps) = (x.clamp(-12.0, 12.0), 600);
    let step = end / f64::from(steps);
    let inner: f64 = (1..steps).map(|at| density(f64::from(at) * step) * if at % 2 == 1 { 4.0 } else { 2.0 }).sum();
    0.5 + (density(0.0) + inner + density(end)) * step / 3.0
}

/// Black's formula, in dollars.
fn black(right: OptionRight, forward: f64, strike: f64, years: f64, vol: f64) -> f64 {
    let deviation = vol * years.sqrt();
    let d1 = (forward / strike).ln() / deviation + deviation / 2.0;
    let sign = if right == OptionRight::Call { 1.0 } else { -1.0 };
    sign * (forward * normal(sign * d1) - strike * normal(sign * (d1 - deviation)))
}

/// Holds what a series says.
struct Wants(u32);

impl Rule for Wants {
    fn name(&self) -> &'static str {
        "wants"
    }

    fn reads(&self) -> &[FactId] {
        &[]
    }

    fn evaluate(&self, facts: &Facts, _proposed: Target, _because: &mut Because) -> Verdict {
        let wanted = facts.get(facts::series(SeriesId(self.0))).map_or(0.0, Ratio::get);
        let qty = Qty::from_estimate(wanted, units::Round::Nearest).unwrap();
        Verdict::set(Target { base: qty, qty })
    }
}

/// The names of the facts, behind the series by which the two strategies are told what to hold.
const FACTS: [&str; 12] = [
    "iv.atm(BTC, 30d)",
    "iv.atm(BTC, 60d)",
    "iv.rank(BTC, 30d, 6h)",
    "skew(BTC, 30d)",
    "term.slope(BTC, 7d, 90d)",
    "structure.volatility()",
    "greeks.delta(BTC)",
    "greeks.gamma(BTC)",
    "greeks.vega(BTC)",
    "greeks.theta(BTC)",
    "iv.atm(ETH, 30d)",
    "book.volatility(BTC)",
];
const WANTS: u32 = 2;

/// Expiries in days.
const EXPIRIES: [i64; 5] = [7, 14, 30, 90, 180];
const ALL: [usize; 5] = [0, 1, 2, 3, 4];

struct World {
    engine: Engine,
    catalogue: Catalogue,
    strikes: Vec<&'static str>,
    at: Timestamp,
    forward: f64,
    execution: u64,
    /// What was quoted last.
    quotes: Vec<OptionQuote>,
    /// Whether quotes have forwards.
    tells_forwards: bool,
}

const STRIKES: [&str; 15] = [
    "60000", "70000", "80000", "85000", "90000", "95000", "100000", "105000", "110000", "115000", "120000", "130000",
    "140000", "150000", "170000",
];

fn strangle() -> Structure {
    let leg = |right, share: f64| StructureLeg {
        right,
        strike: LegStrike::Moneyness(Ratio::new(share).unwrap()),
        days: Ratio::new(30.0).unwrap(),
        ratio: qty("1"),
    };
    Structure {
        chain: String::new(),
        legs: vec![leg(OptionRight::Call, 1.1), leg(OptionRight::Put, 0.9)],
        max_spread: None,
        min_open_interest: None,
        roll: Roll::AtSettlement,
        sticky: pricing::surface::Sticky::Moneyness,
    }
}

fn engine(catalogue: &Catalogue) -> Engine {
    engine_with(catalogue, Vec::new())
}

fn engine_with(catalogue: &Catalogue, accounts: Vec<AccountSpec>) -> Engine {
    let config = EngineConfig { catalogue: catalogue.clone(), accounts, ..EngineConfig::default() };
    let mut engine = Engine::new(config);
    let count = catalogue.instruments.len() as u32;
    for (number, structure) in [(0, Some(strangle())), (1, None)] {
        let rules: Vec<Box<dyn Rule>> = vec![Box::new(Wants(number)), Box::new(Wants(number))];
        let program = Program::custom(rules).unwrap();
        let id = InstrumentId(count - 2 + number);
        engine.add_strategy(StrategyConfig { structure, ..StrategyConfig::new(id, program) });
    }
    engine
}

fn saved(engine: &Engine) -> Vec<u8> {
    let mut out = StateWriter::new();
    engine.save(&mut out);
    out.as_bytes().to_vec()
}

impl World {
    fn new(expiries: &[i64], strikes: &[&'static str]) -> Self {
        Self::beside(InstrumentKind::InversePerpetual, expiries, strikes)
    }

    /// Options, then the structure and the contract that strategies 0 and 1 trade.
    fn beside(contract: InstrumentKind, expiries: &[i64], strikes: &[&'static str]) -> Self {
        let mut instruments = Vec::new();
        for expiry in expiries {
            for strike in strikes {
                for right in RIGHTS {
                    instruments.push(option(days(*expiry), strike, right));
                }
            }
        }
        let usd: Currency = "USD".parse().unwrap();
        let first = instruments[0].clone();
        let (kind, lot) = (InstrumentKind::Structure, qty("0.1"));
        instruments.push(Instrument { symbol: "sim:STRANGLE".into(), kind, lot, ..first.clone() });
        let (kind, lot) = (contract, qty("10"));
        let (symbol, tick) = ("sim:BTC-PERPETUAL".into(), price(0.5));
        instruments.push(Instrument { symbol, kind, quote: usd, tick, lot, min_qty: lot, ..first });
        let wants = (0..WANTS).map(|index| format!("want{index}"));
        let series = wants.chain(FACTS.iter().map(|name| (*name).to_owned())).collect();
        let catalogue = Catalogue { instruments, series };
        let engine = engine(&catalogue);
        let quotes = Vec::new();
        let mut world = Self {
            engine,
            catalogue,
            strikes: strikes.to_vec(),
            at: NOW,
            forward: 1e5,
            execution: 0,
            quotes,
            tells_forwards: true,
        };
        let (account, reason) = (AccountId(0), CashReason::Deposit);
        let deposit = CashChange { account, currency: btc(), amount: "100".parse::<Cash>().unwrap(), reason };
        world.deliver(Source::Venue, &[Event::Cash(deposit)]);
        world
    }

    fn perpetual(&self) -> InstrumentId {
        InstrumentId(self.catalogue.instruments.len() as u32 - 1)
    }

    /// Delivers, and fills what is ordered at once: options at the quote, the perpetual at the forward.
    fn deliver(&mut self, source: Source, events: &[Event]) {
        self.engine.handle(&Input { at: self.at, source, events });
        loop {
            let mut news = Vec::new();
            while let Some(output) = self.engine.poll_output() {
                let Output::Command { command: Command::Place(order), .. } = output else { continue };
                let quote = self.quotes.iter().rev().find(|quote| quote.instrument == order.instrument);
                let at = quote.and_then(|quote| quote.mid()).unwrap_or(price(self.forward));
                self.execution += 1;
                let fill = Fill {
                    account: AccountId(0),
                    instrument: order.instrument,
                    side: order.side,
                    qty: order.qty,
                    price: at,
                    reference: at,
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

    /// Quotes of the options of an expiry at the volatility of a smile, half a percent of the price to each side.
    fn quotes(&self, expiry: usize, smile: impl Fn(f64) -> f64) -> Vec<OptionQuote> {
        let count = self.strikes.len() * 2;
        let mut quotes = Vec::new();
        for index in expiry * count..(expiry + 1) * count {
            let of = &self.catalogue.instruments[index];
            let ((strike, right), at) = (of.kind.option().unwrap(), of.kind.expiry().unwrap());
            if at <= self.at {
                continue;
            }
            let (strike, years) = (strike.approximate(), at.since(self.at).nanos() as f64 / YEAR);
            let worth = black(right, self.forward, strike, years, smile((strike / self.forward).ln())) / self.forward;
            let quote = OptionQuote::empty(InstrumentId(index as u32));
            quotes.push(
                quote
                    .with_bid(Some(price(worth * 0.995)), None)
                    .with_ask(Some(price(worth * 1.005)), None)
                    .with_underlying(self.tells_forwards.then(|| price(self.forward))),
            );
        }
        quotes
    }

    /// Quotes expiries at their smiles, in one input with other events.
    fn quote(&mut self, expiries: &[usize], smile: impl Fn(usize, f64) -> f64, mut events: Vec<Event>) {
        for expiry in expiries {
            let quotes = self.quotes(*expiry, |k| smile(*expiry, k));
            events.extend(quotes.iter().map(|quote| Event::OptionQuote(*quote)));
            self.quotes.extend(quotes);
        }
        self.deliver(Source::Market, &events);
    }

    fn bar(&self, close: f64) -> Event {
        let (instrument, at, close) = (self.perpetual(), self.at, price(close));
        Event::Bar(Bar {
            instrument,
            opened: at,
            closed: at,
            open: close,
            high: close,
            low: close,
            close,
            volume: Qty::ZERO,
        })
    }

    fn want(&self, strategy: u32, qty: f64) -> Event {
        Event::Series(SeriesPoint { series: SeriesId(strategy), value: Ratio::new(qty).unwrap() })
    }

    fn fact(&self, name: &str) -> Option<f64> {
        let at = FACTS.iter().position(|fact| *fact == name).unwrap() as u32;
        self.engine.facts(StrategyId(0)).get(facts::series(SeriesId(WANTS + at))).map(Ratio::get)
    }

    fn told(&self, name: &str) -> f64 {
        self.fact(name).unwrap_or_else(|| panic!("{name} was not told"))
    }

    fn age(&self, name: &str) -> Option<Duration> {
        let at = FACTS.iter().position(|fact| *fact == name).unwrap() as u32;
        self.engine.facts(StrategyId(0)).age(facts::series(SeriesId(WANTS + at)).id())
    }

    fn surface(&self) -> &Surface {
        self.engine.surfaces.of(0).unwrap().surface().unwrap()
    }

    fn facts(&self) -> Vec<Option<u64>> {
        FACTS.iter().map(|name| self.fact(name).map(f64::to_bits)).collect()
    }

    fn later(&mut self, nanos: i64) {
        self.at = self.at + Duration::from_nanos(nanos);
    }
}

#[track_caller]
fn near(what: &str, value: f64, expected: f64, within: f64) {
    assert!((value - expected).abs() <= within, "{what}: {value}, not {expected} within {within}");
}

#[test]
fn facts_of_a_flat_chain_are_what_it_was_made_of() {
    let mut world = World::new(&EXPIRIES, &STRIKES);
    let vols = [0.5, 0.5, 0.6, 0.7, 0.7];
    assert_eq!(world.fact("iv.atm(BTC, 30d)"), None);
    world.quote(&ALL, |expiry, _| vols[expiry], Vec::new());
    near("at an expiry", world.told("iv.atm(BTC, 30d)"), 0.6, 5e-5);
    // Total variance half way between 30 and 90 days.
    let between = ((0.36 * 30.0 + 0.49 * 90.0) / 2.0 / 60.0_f64).sqrt();
    near("between expiries", world.told("iv.atm(BTC, 60d)"), between, 5e-5);
    near("skew", world.told("skew(BTC, 30d)"), 0.0, 2e-4);
    near("slope", world.told("term.slope(BTC, 7d, 90d)"), 0.2, 1e-4);
    assert_eq!(world.fact("iv.rank(BTC, 30d, 6h)"), None, "there is no other hour");
    assert_eq!(world.fact("iv.atm(ETH, 30d)"), None, "no option on it is listed");
}

#[test]
fn facts_are_those_of_the_surface_that_the_same_quotes_give() {
    let mut world = World::new(&EXPIRIES, &STRIKES);
    let smile = |k: f64| 0.6 - 0.12 * k + 0.3 * k * k;
    world.quote(&ALL, |_, k| smile(k), Vec::new());
    let mut chain = pricing::surface::Chain::new(OptionStyle::Inverse, ChainSettings::default());
    for quote in &world.quotes {
        let of = &world.catalogue.instruments[quote.instrument.index()];
        let ((strike, right), side) = (of.kind.option().unwrap(), |price: Option<Price>| price.map(Price::approximate));
        let placed = chain.push(&pricing::surface::OptionQuote {
            expiry: of.kind.expiry().unwrap(),
            strike: strike.approximate(),
            kind: if right == OptionRight::Call { OptionKind::Call } else { OptionKind::Put },
            bid: side(quote.bid()),
            ask: side(quote.ask()),
            tick: 0.0001,
            at: world.at,
            forward: Some(world.forward),
        });
        placed.unwrap();
    }
    chain.remake_all(world.at);
    let surface = Surface::fit(chain.smiles()).unwrap();
    assert_eq!(&surface, world.surface());
    let tenor = surface.tenor(30.0 / 365.0).unwrap();
    assert_eq!(world.told("iv.atm(BTC, 30d)"), tenor.atm());
    let slope = surface.term_slope(7.0 / 365.0, 90.0 / 365.0).unwrap().slope();
    assert_eq!(world.told("term.slope(BTC, 7d, 90d)"), slope);
    assert_eq!(world.told("skew(BTC, 30d)"), tenor.wings(DeltaConvention::BlackScholes, 0.25).unwrap().risk_reversal());

    // The strikes of delta 0.25 by halving, on the smile that was quoted.
    let root = (30.0 / 365.0_f64).sqrt();
    let delta = |k: f64| normal(-k / (smile(k) * root) + smile(k) * root / 2.0);
    let strike = |wanted: f64| {
        let (mut low, mut high) = (-1.0, 1.0);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if delta(middle) > wanted { low = middle } else { high = middle }
        }
        low
    };
    near("25-delta", world.told("skew(BTC, 30d)"), smile(strike(0.25)) - smile(strike(0.75)), 3e-4);
}

#[test]
fn a_rank_counts_the_hours_of_its_window_that_lie_lower() {
    let mut world = World::new(&[30], &STRIKES);
    let hour = Duration::HOUR.nanos();
    let start = world.at;
    // When, in minutes; volatility; the rank, worked by hand.
    for (minute, vol, rank) in [
        (0, 0.50, None),
        (30, 0.60, None),
        // Against 0.60 of the hour 0.
        (70, 0.55, Some(0.0)),
        // Against 0.60, 0.55.
        (120, 0.70, Some(1.0)),
        // 0.60, 0.55, 0.70.
        (180, 0.58, Some(1.0 / 3.0)),
        // The same hour again: the same three.
        (230, 0.65, Some(2.0 / 3.0)),
        // The hours 0 and 1 began over 6 hours ago: 0.70, 0.65.
        (450, 0.62, Some(0.0)),
        // The hours 2 and 3 as well: 0.62.
        (570, 0.90, Some(1.0)),
        // Ten hours later nothing is left.
        (1_200, 0.10, None),
        (1_260, 0.11, Some(1.0)),
    ] {
        world.at = start + Duration::from_nanos(minute * hour / 60);
        let before = world.age("iv.rank(BTC, 30d, 6h)");
        world.quote(&[0], |_, _| vol, Vec::new());
        match rank {
            Some(rank) => {
                assert_eq!(world.fact("iv.rank(BTC, 30d, 6h)"), Some(rank), "minute {minute}");
                assert_eq!(world.age("iv.rank(BTC, 30d, 6h)"), Some(Duration::from_nanos(0)));
            }
            None => assert!(world.age("iv.rank(BTC, 30d, 6h)") > before || before.is_none(), "minute {minute}"),
        }
    }
}

#[test]
fn the_volatility_of_a_strangle_is_that_of_a_dense_integral_of_full_revaluation() {
    let mut world = World::new(&EXPIRIES, &STRIKES);
    let vol = 0.6;
    let bar = world.bar(99_500.0);
    world.quote(&ALL, |_, _| vol, vec![bar]);
    let told = world.told("structure.volatility()");

    // One coin's worth of the put at 90 % and the call at 110 % of the forward, thirty days to live, in coin.
    let legs = [(OptionRight::Call, 110_000.0), (OptionRight::Put, 90_000.0)];
    let value = |forward: f64, days: f64| -> f64 {
        legs.iter().map(|(right, strike)| black(*right, forward, *strike, days / 365.0, vol) / forward).sum()
    };
    let expected = integral(vol, |factor, days| value(world.forward * factor, 30.0 - days));
    near("against the integral", told / expected, 1.0, 2e-3);

    // And what `risk` gives for the legs on the volatility that was quoted.
    let legs = legs.map(|(right, strike)| risk::Leg::Option {
        right,
        quantity: 1.0,
        inputs: pricing::options::Inputs { forward: world.forward, strike, years: 30.0 / 365.0, vol, discount: 1.0 },
    });
    let day = OneDay { price: 99_500.0, atm_vol: vol, sticky: strangle().sticky, profit_in: ProfitIn::Coin };
    let other = risk::ex_ante(&legs, &day, |_, places| places.fill(vol)).unwrap().of_exposure(99_500.0).unwrap().get();
    near("against the quoted volatility", told / other, 1.0, 2e-3);

    // Held, it is the same: nothing else has changed.
    let want = world.want(0, 2.0);
    world.deliver(Source::Market, &[want]);
    assert_eq!(world.engine.position(StrategyId(0)), qty("2"));
    world.quote(&ALL, |_, _| vol, Vec::new());
    assert_eq!(world.told("structure.volatility()"), told);
}

/// What is held: two strangles, and 30 000 dollars of the perpetual sold.
fn covered() -> World {
    let mut world = World::new(&EXPIRIES, &STRIKES);
    let bar = world.bar(99_500.0);
    world.quote(&ALL, |_, _| 0.6, vec![bar]);
    let wants = [world.want(0, 2.0), world.want(1, -30_000.0)];
    world.deliver(Source::Market, &wants);
    assert_eq!([0, 1].map(|at| world.engine.position(StrategyId(at))), [qty("2"), qty("-30000")]);
    // Told with the next input.
    world.quote(&ALL, |_, _| 0.6, vec![bar]);
    world
}

#[test]
fn greeks_are_those_of_repricing_by_hand() {
    let world = covered();
    let (forward, years, vol) = (world.forward, 30.0 / 365.0, 0.6);
    let legs = [(OptionRight::Call, 110_000.0), (OptionRight::Put, 90_000.0)];
    let dollars = |forward: f64, years: f64, vol: f64| -> f64 {
        legs.iter().map(|(right, strike)| 2.0 * black(*right, forward, *strike, years, vol)).sum()
    };
    let coins = |forward: f64| dollars(forward, years, vol) / forward;
    // Net of the premium: what the value in coin gains in coin when the forward rises by a hundredth, times a hundred. Of 30 000
    // dollars sold of the inverse perpetual as many as they are worth in coin.
    let h = 1e-4;
    let delta = (coins(forward * (1.0 + h)) - coins(forward * (1.0 - h))) / (2.0 * h) - 30_000.0 / 99_500.0;
    near("delta", world.told("greeks.delta(BTC)"), delta, 1e-4);
    let step = 20.0;
    let gamma = (dollars(forward + step, years, vol) - 2.0 * dollars(forward, years, vol)
        + dollars(forward - step, years, vol))
        / (step * step);
    near("gamma", world.told("greeks.gamma(BTC)") / gamma, 1.0, 1e-3);
    let vega = (dollars(forward, years, vol + 0.005) - dollars(forward, years, vol - 0.005)) / 0.01 * 0.01;
    near("vega", world.told("greeks.vega(BTC)") / vega, 1.0, 1e-3);
    let hour = 1.0 / 365.0 / 24.0;
    let theta = (dollars(forward, years - hour, vol) - dollars(forward, years + hour, vol)) * 12.0;
    assert!(theta < 0.0, "what is held loses with time");
    near("theta", world.told("greeks.theta(BTC)") / theta, 1.0, 1e-3);
}

/// The standard deviation of the profit of a day on a fine grid of the normal law, in the currency of `value`, annualised. `value`
/// is what is held is worth at a factor of the price and after a day or none.
fn integral(vol: f64, value: impl Fn(f64, f64) -> f64) -> f64 {
    let deviation = vol / 365.0_f64.sqrt();
    let (mut mean, mut square, mut mass) = (0.0, 0.0, 0.0);
    let now = value(1.0, 0.0);
    for step in -1_600..=1_600 {
        let z = f64::from(step) / 200.0;
        let weight = (-0.5 * z * z).exp();
        let profit = value((deviation * z - deviation * deviation / 2.0).exp(), 1.0) - now;
        (mean, square, mass) = (mean + weight * profit, square + weight * profit * profit, mass + weight);
    }
    ((square / mass - (mean / mass) * (mean / mass)) * 365.0).sqrt()
}

/// Two strangles of a coin account and 30 000 dollars sold of the perpetual; the smile is curved, and moves along as a whole.
#[test]
fn the_volatility_of_a_book_is_that_of_a_dense_integral_of_all_that_it_holds() {
    let mut world = World::new(&EXPIRIES, &STRIKES);
    let smile = |k: f64| 0.6 - 0.1 * k + 0.9 * k * k;
    let bar = world.bar(99_500.0);
    world.quote(&ALL, |_, k| smile(k), vec![bar]);
    // Nothing is held: each is told of its own next unit.
    assert_eq!(world.told("book.volatility(BTC)"), world.told("structure.volatility()"));
    let at = FACTS.iter().position(|fact| *fact == "book.volatility(BTC)").unwrap() as u32;
    let contract = world.engine.facts(StrategyId(1)).get(facts::series(SeriesId(WANTS + at))).unwrap().get();
    near("of the perpetual", contract / integral(world.told("iv.atm(BTC, 30d)"), |factor, _| 1.0 / factor), 1.0, 1e-3);
    let wants = [world.want(0, 2.0)];
    world.deliver(Source::Market, &wants);
    world.quote(&ALL, |_, k| smile(k), vec![bar]);
    let alone = world.told("book.volatility(BTC)");
    near("of one structure, its own", alone / world.told("structure.volatility()"), 1.0, 1e-12);
    let wants = [world.want(1, -30_000.0)];
    world.deliver(Source::Market, &wants);
    world.later(1);
    let bar = world.bar(99_500.0);
    world.deliver(Source::Market, &[bar]);
    let told = world.told("book.volatility(BTC)");
    // In coin: options at their own forward, the perpetual's dollars at its price.
    let legs = [(OptionRight::Call, 110_000.0), (OptionRight::Put, 90_000.0)];
    let value = |factor: f64, days: f64| -> f64 {
        let forward = 100_000.0 * factor;
        let of = |(right, strike): &(OptionRight, f64)| {
            black(*right, forward, *strike, (30.0 - days) / 365.0, smile((strike / forward).ln())) / forward
        };
        2.0 * legs.iter().map(of).sum::<f64>() + 30_000.0 / 99_500.0 / factor
    };
    let stands_for = 2.0 + 30_000.0 / 99_500.0;
    let expected = integral(world.told("iv.atm(BTC, 30d)"), value) / stands_for;
    near("against the integral", told / expected, 1.0, 3e-3);
    assert!(told > alone, "a perpetual moves more than a strangle");
    // It follows ticks of the underlying, and is as old as what it follows from.
    world.later(Duration::MINUTE.nanos());
    let bar = world.bar(97_000.0);
    world.deliver(Source::Market, &[bar]);
    let moved = world.told("book.volatility(BTC)");
    assert!((moved / told - 1.0).abs() > 0.01, "{told} to {moved}");
    let seconds = |nanos: i64| Some(Duration::from_nanos(nanos));
    world.later(5);
    let other = world.want(1, -30_000.0);
    world.deliver(Source::Market, &[other]);
    assert_eq!((world.told("book.volatility(BTC)"), world.age("book.volatility(BTC)")), (moved, seconds(5)));
    // Sold out, it is that of the next unit again.
    let wants = [world.want(0, 0.0), world.want(1, 0.0)];
    world.deliver(Source::Market, &wants);
    world.quote(&ALL, |_, k| smile(k), vec![bar]);
    assert_eq!(world.told("book.volatility(BTC)"), world.told("structure.volatility()"));
}

/// An account that counts in dollars: the coins in it move with the price, and sold calls and a future make up for a part of them.
#[test]
fn in_dollars_coins_that_lie_in_the_account_are_part_of_what_moves() {
    let kind = InstrumentKind::InverseFuture { expiry: days(90) };
    let mut world = World::beside(kind, &EXPIRIES, &STRIKES);
    let usd: Currency = "USD".parse().unwrap();
    let spec = AccountSpec { venue: "sim".into(), numeraire: usd };
    world.engine = engine_with(&world.catalogue, vec![spec]);
    let deposit = |amount: &str| {
        let (account, reason) = (AccountId(0), CashReason::Deposit);
        Event::Cash(CashChange { account, currency: btc(), amount: amount.parse::<Cash>().unwrap(), reason })
    };
    world.deliver(Source::Venue, &[deposit("10")]);
    let bar = world.bar(100_000.0);
    world.quote(&ALL, |_, _| 0.6, vec![bar]);
    let told = world.told("book.volatility(BTC)");
    near("coins alone move as the coin does", told / integral(0.6, |factor, _| factor), 1.0, 1e-4);
    let wants = [world.want(0, -4.0), world.want(1, -300_000.0)];
    world.deliver(Source::Market, &wants);
    world.quote(&ALL, |_, _| 0.6, vec![bar]);
    // What the options brought lies there as coin, and so does what the future won, which is nothing yet.
    let quote = |right, strike: f64| black(right, 100_000.0, strike, 30.0 / 365.0, 0.6) / 100_000.0;
    let legs = [(OptionRight::Call, 110_000.0), (OptionRight::Put, 90_000.0)];
    let coins = 10.0 + 4.0 * legs.iter().map(|(right, strike)| quote(*right, *strike)).sum::<f64>();
    let value = |factor: f64, days: f64| -> f64 {
        let of = |(right, strike): &(OptionRight, f64)| {
            black(*right, 100_000.0 * factor, *strike, (30.0 - days) / 365.0, 0.6)
        };
        // 300,000 dollars of coin sold at the price as it was.
        (coins - 3.0) * 100_000.0 * factor - 4.0 * legs.iter().map(of).sum::<f64>()
    };
    let expected = integral(0.6, value) / 100_000.0 / (coins - 3.0 + 4.0);
    near("with options and a future", world.told("book.volatility(BTC)") / expected, 1.0, 3e-3);
    // More coin is another book, and no tick of anything.
    let before = world.told("book.volatility(BTC)");
    world.deliver(Source::Venue, &[deposit("10")]);
    let series = world.want(1, -300_000.0);
    world.deliver(Source::Market, &[series]);
    assert!(world.told("book.volatility(BTC)") > before);
}

/// A portfolio made at once of what is held: the forwards as quoted at the first price of the underlying, then at its price now.
fn made_anew(world: &World, at_price: f64, price_now: f64) -> [f64; 4] {
    let mut greeks = PortfolioGreeks::new(Simd::new(pricing::options::SimdName::Scalar).unwrap());
    greeks.set_time(world.at).unwrap();
    greeks.set_price(btc(), at_price).unwrap();
    let (expiry, tenor) = (days(30), world.surface().slices()[2].tenor());
    greeks.set_forward(btc(), expiry, world.forward).unwrap();
    greeks.set_price(btc(), price_now).unwrap();
    let venue = AccountId(0);
    for (right, strike) in [(OptionRight::Put, 90_000.0), (OptionRight::Call, 110_000.0)] {
        let (style, strategy) = (OptionStyle::Inverse, StrategyId(0));
        let key = OptionKey { underlying: btc(), expiry, strike: price(strike), right, style, venue, strategy };
        let k = units::math::ln(strike / world.forward);
        greeks.hold(key, qty("2"), SmilePoint { vol: tenor.vol(k), slope: tenor.vol_slope(k) }).unwrap();
    }
    let (contract, strategy) = (Contract::Inverse, StrategyId(1));
    let key = DeltaOneKey { underlying: btc(), expiry: None, contract, venue, strategy };
    greeks.hold_delta_one(key, qty("-30000")).unwrap();
    let sums = greeks.underlying(btc());
    [sums.delta - sums.premium, sums.gamma, sums.vega, sums.theta]
}

fn without_forward(of: &OptionQuote) -> Event {
    let quote = OptionQuote::empty(of.instrument);
    Event::OptionQuote(quote.with_bid(of.bid(), None).with_ask(of.ask(), None))
}

#[test]
fn greeks_follow_ticks_of_the_underlying_and_are_those_of_a_portfolio_made_anew() {
    let mut world = covered();
    let told = |world: &World| FACTS[6..10].iter().map(|name| world.told(name)).collect::<Vec<f64>>();
    assert_eq!(told(&world), made_anew(&world, 99_500.0, 99_500.0));
    world.later(Duration::MINUTE.nanos());
    let bar = world.bar(99_900.0);
    world.deliver(Source::Market, &[bar]);
    // The forward moves in proportion, no volatility does, and a minute is gone.
    assert_eq!(told(&world), made_anew(&world, 99_500.0, 99_900.0));
    // Quotes that tell no forward do not tie the old one to the price of their moment.
    let sides: Vec<Event> = world.quotes(2, |_| 0.6).iter().map(without_forward).collect();
    world.deliver(Source::Market, &sides);
    let bar = world.bar(99_900.0);
    world.deliver(Source::Market, &[bar]);
    let delta = told(&world)[0];
    near("as before", delta, made_anew(&world, 99_500.0, 99_900.0)[0], 1e-9);
    // What is nothing to them tells nothing, and they are as old as what they follow from.
    world.later(Duration::HOUR.nanos());
    let before = told(&world);
    let other = world.want(1, -30_000.0);
    world.deliver(Source::Market, &[other]);
    assert_eq!((told(&world), world.age("greeks.vega(BTC)")), (before, Some(Duration::HOUR)));
    // Half of it goes: told with the next input of the market.
    let wants = [world.want(0, 0.0), world.want(1, 0.0)];
    world.deliver(Source::Market, &wants);
    let bar = world.bar(99_900.0);
    world.deliver(Source::Market, &[bar]);
    assert_eq!(told(&world), [0.0; 4]);
    assert_eq!(world.engine.greeks().unwrap().len(), 0);
}

#[test]
fn a_future_counts_by_its_own_price_or_by_the_forward_of_options_that_expire_with_it() {
    for (expiry, at) in [(45, [101_000.0, 102_000.0]), (30, [100_000.0; 2])] {
        let kind = InstrumentKind::InverseFuture { expiry: days(expiry) };
        let mut world = World::beside(kind, &EXPIRIES, &STRIKES);
        let (bar, want) = (world.bar(101_000.0), world.want(1, -30_000.0));
        world.quote(&ALL, |_, _| 0.6, vec![bar, want]);
        world.deliver(Source::Market, &[bar]);
        assert_eq!(world.told("greeks.delta(BTC)"), -30_000.0 / at[0], "{expiry} days");
        let bar = world.bar(102_000.0);
        world.deliver(Source::Market, &[bar]);
        assert_eq!(world.told("greeks.delta(BTC)"), -30_000.0 / at[1], "{expiry} days");
    }
}

#[test]
fn without_a_price_of_the_underlying_forwards_are_what_was_quoted() {
    let mut world = World::new(&EXPIRIES, &STRIKES);
    world.quote(&[0], |_, _| 0.6, Vec::new());
    world.forward = 104_000.0;
    world.quote(&[1, 2, 3, 4], |_, _| 0.6, Vec::new());
    let want = world.want(0, 1.0);
    world.deliver(Source::Market, &[want]);
    let legs = world.engine.greeks().unwrap().len();
    world.quote(&[2], |_, _| 0.6, Vec::new());
    assert_eq!((legs, world.engine.greeks().unwrap().len()), (0, 2));
    let delta = |days: f64| -> f64 {
        let coins = |forward: f64| {
            let of = |right, strike| black(right, forward, strike, days / 365.0, 0.6) / forward;
            of(OptionRight::Call, 115_000.0) + of(OptionRight::Put, 95_000.0)
        };
        (coins(104_000.0 * 1.0001) - coins(104_000.0 * 0.9999)) / 0.0002
    };
    near("delta", world.told("greeks.delta(BTC)"), delta(30.0), 1e-4);
    // The first expiry passes, and with it the forward that stood for the price.
    world.at = days(7);
    world.quote(&[], |_, _| 0.6, vec![want]);
    world.quote(&[], |_, _| 0.6, vec![want]);
    near("a week later", world.told("greeks.delta(BTC)"), delta(23.0), 1e-4);
    // A perpetual trades two percent lower: from here on it moves the forwards.
    let bars = [101_920.0, 101_920.0 * 1.01].map(|close| world.bar(close));
    world.deliver(Source::Market, &bars[..1]);
    near("its own price", world.told("greeks.delta(BTC)"), delta(23.0), 1e-4);
    let before = world.told("greeks.delta(BTC)");
    world.deliver(Source::Market, &bars[1..]);
    let gamma = world.told("greeks.gamma(BTC)");
    assert!(gamma > 0.0 && world.told("greeks.delta(BTC)") > before);
}

#[test]
fn a_fact_grows_old_without_quotes() {
    let mut world = covered();
    let value = world.told("iv.atm(BTC, 30d)");
    assert_eq!(world.age("iv.atm(BTC, 30d)"), Some(Duration::from_nanos(0)));
    for day in 1..4 {
        world.later(Duration::DAY.nanos());
        let bar = world.bar(99_500.0 + day as f64);
        world.deliver(Source::Market, &[bar]);
        let age = Some(Duration::from_nanos(day * Duration::DAY.nanos()));
        assert_eq!((world.told("iv.atm(BTC, 30d)"), world.age("iv.atm(BTC, 30d)")), (value, age));
        assert_eq!(world.age("structure.volatility()"), age);
    }
    // Quotes without any side: what was fitted is gone, what was told stays and grows old.
    world.later(Duration::HOUR.nanos());
    let options = world.catalogue.instruments.len() as u32 - 2;
    let empty: Vec<Event> = (0..options).map(|at| Event::OptionQuote(OptionQuote::empty(InstrumentId(at)))).collect();
    world.deliver(Source::Market, &empty);
    assert!(world.engine.surfaces.of(0).unwrap().surface().is_none());
    let hours = |hours: i64| Some(Duration::from_nanos(hours * Duration::HOUR.nanos()));
    assert_eq!((world.age("iv.atm(BTC, 30d)"), world.age("greeks.delta(BTC)")), (hours(73), hours(1)));
}

/// One expiry, quotes of one volatility: what is within a factor of two of it is that volatility, what is beyond is not known, nor is
/// anything where the forward (100,000) lies beyond the strikes.
#[test]
fn a_tenor_far_from_all_expiries_or_a_forward_beyond_the_strikes_tells_nothing() {
    let told = |days: i64, strikes: &[&'static str]| {
        let mut world = World::new(&[days], strikes);
        let bar = world.bar(1e5);
        world.quote(&[0], |_, _| 0.6, vec![bar]);
        assert!(world.engine.surfaces.of(0).unwrap().surface().is_some());
        ["iv.atm(BTC, 30d)", "iv.atm(BTC, 60d)", "skew(BTC, 30d)", "iv.rank(BTC, 30d, 6h)"].map(|name| world.fact(name))
    };
    for (days, known) in
        [(227, [false, false]), (120, [false, true]), (60, [true, true]), (30, [true, true]), (16, [true, false])]
    {
        let [month, two, skew, _] = told(days, &STRIKES);
        assert_eq!([month.is_some(), two.is_some(), skew.is_some()], [known[0], known[1], known[0]], "{days} days");
        for vol in [month, two].into_iter().flatten() {
            near("one volatility", vol, 0.6, 1e-3);
        }
    }
    assert_eq!(told(30, &["105000", "110000", "115000", "120000", "130000"]), [None; 4]);
}

#[test]
fn chains_that_cannot_be_fitted_tell_nothing() {
    // One strike.
    let mut world = World::new(&[30, 90], &["100000"]);
    let bar = world.bar(1e5);
    world.quote(&[0, 1], |_, _| 0.6, vec![bar]);
    let fitted = world.engine.surfaces.of(0).unwrap();
    assert!(fitted.surface().is_none() && fitted.refusal().is_none());
    let smiles: Vec<_> = fitted.reports().map(|report| report.smile).collect();
    assert!(
        smiles.iter().all(|smile| matches!(smile, Err(NoSmile::OneStrike { strike: 100_000.0, .. }))),
        "{smiles:?}"
    );
    // Two strikes: quotes of a smile, but too few.
    let mut two = World::new(&[30, 90], &["95000", "105000"]);
    two.quote(&[0, 1], |_, _| 0.6, vec![bar]);
    assert!(two.engine.surfaces.of(0).unwrap().refusal().is_some());
    // Crossed throughout.
    let mut crossed = World::new(&EXPIRIES, &STRIKES);
    let quotes: Vec<Event> = crossed
        .quotes(2, |_| 0.6)
        .into_iter()
        .map(|quote| Event::OptionQuote(quote.with_bid(quote.ask(), None).with_ask(quote.bid(), None)))
        .collect();
    crossed.deliver(Source::Market, &quotes);
    let smile = crossed.engine.surfaces.of(0).unwrap().reports().next().unwrap().smile;
    assert!(matches!(smile, Err(NoSmile::Crossed { .. })), "{smile:?}");
    // Expired when the quotes come.
    let mut expired = World::new(&EXPIRIES, &STRIKES);
    let quotes: Vec<Event> = expired.quotes(0, |_| 0.6).into_iter().map(Event::OptionQuote).collect();
    expired.later(7 * Duration::DAY.nanos());
    expired.deliver(Source::Market, &quotes);
    let smile = expired.engine.surfaces.of(0).unwrap().reports().next().unwrap().smile;
    assert_eq!(smile, Err(NoSmile::Expired));
    for world in [world, two, crossed, expired] {
        for name in FACTS.iter().filter(|name| !name.starts_with("greeks")) {
            assert_eq!(world.fact(name), None, "{name}");
        }
    }
}

#[test]
fn a_tick_fits_its_expiry_alone_and_all_are_fitted_within_a_minute() {
    let mut world = World::new(&EXPIRIES, &STRIKES);
    let smile = |_: usize, k: f64| 0.6 - 0.1 * k + 0.2 * k * k;
    world.quote(&ALL, smile, Vec::new());
    let whole = world.surface().clone();
    world.later(Duration::SECOND.nanos());
    world.quote(&[2], |at, k| smile(at, k) + 0.003, Vec::new());
    let part = world.surface().clone();
    for at in [0, 1, 3, 4] {
        assert_eq!(part.slices()[at].years(), whole.slices()[at].years());
        assert!(part.slices()[at].knots().eq(whole.slices()[at].knots()), "expiry {at} stays as it is");
    }
    let mut expected = whole;
    let quotes = world.engine.surfaces.of(0).unwrap().quotes();
    expected.refit(2, &quotes.smiles()[quotes.smile(2).unwrap()]).unwrap();
    assert_eq!(part, expected);
    near("the new volatility", world.told("iv.atm(BTC, 30d)"), 0.603, 1e-4);
    assert!(part.slices().iter().all(|slice| slice.arbitrage().is_free()));
    let fresh = |world: &World| {
        let chain = &world.engine.chains().chains()[0];
        FittedChain::fitted(chain, None, world.at).surface().unwrap().clone()
    };
    // Two of five are more than a third; and a minute has passed.
    world.quote(&[2, 3], smile, Vec::new());
    assert_eq!(world.surface(), &fresh(&world));
    world.later(Duration::MINUTE.nanos());
    world.quote(&[1], smile, Vec::new());
    assert_ne!(world.surface(), &fresh(&world), "not over a minute yet");
    world.later(1);
    world.quote(&[1], smile, Vec::new());
    assert_eq!(world.surface(), &fresh(&world));
    // Two hours before the first expiry the others may be older by a thousandth of that, which is seven seconds.
    world.at = days(7) + Duration::from_nanos(-2 * Duration::HOUR.nanos());
    let nervous = |at: usize, k: f64| if at == 0 { 4.0 } else { smile(at, k) };
    world.quote(&ALL, nervous, Vec::new());
    assert_eq!(world.surface().slices().len(), 5);
    world.later(7 * Duration::SECOND.nanos());
    world.quote(&[4], smile, Vec::new());
    assert_ne!(world.surface(), &fresh(&world));
    world.later(Duration::SECOND.nanos());
    world.quote(&[4], smile, Vec::new());
    assert_eq!(world.surface(), &fresh(&world));
    // And with an expiry gone nothing is left as it was.
    world.at = days(7);
    world.quote(&[4], smile, Vec::new());
    world.quote(&[4], smile, Vec::new());
    assert_eq!(world.surface(), &fresh(&world));
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn from(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.below(1_000_001) as f64 / 1e6
    }
}

/// A random day of a market: one or a few expiries quoted at a time, sometimes all, sometimes badly; ticks; positions that come and go;
/// milliseconds to hours between inputs; expiries that pass. `step` is called after each input.
fn live(seed: u64, mut step: impl FnMut(&mut World, &mut Random)) -> World {
    let kinds = [InstrumentKind::InversePerpetual, InstrumentKind::InverseFuture { expiry: days(2) }];
    let mut world = World::beside(kinds[(seed % 2) as usize], &EXPIRIES, &STRIKES);
    let (mut random, mut own) = (Random(seed), Random(seed ^ 99));
    let mut vols = [0.6; 5];
    let bar = world.bar(99_500.0);
    world.quote(&ALL, |at, _| vols[at], vec![bar]);
    for _ in 0..90 {
        let unit = [1_000_000, Duration::SECOND.nanos(), Duration::MINUTE.nanos(), Duration::HOUR.nanos()];
        let unit = unit[[0, 0, 1, 1, 1, 2, 3][random.below(7) as usize]];
        world.later(unit * (1 + random.below(5) as i64));
        let mut events = Vec::new();
        if random.below(3) == 0 {
            events.push(world.bar(random.from(95_000.0, 105_000.0)));
        }
        if random.below(6) == 0 {
            events.push(world.want(0, random.below(4) as f64));
        }
        if random.below(6) == 0 {
            events.push(world.want(1, random.below(7) as f64 * 10_000.0 - 30_000.0));
        }
        world.forward = if random.below(4) == 0 { random.from(96_000.0, 104_000.0) } else { world.forward };
        let quoted: Vec<usize> = match random.below(10) {
            0 => ALL.to_vec(),
            1 => vec![random.below(3) as usize, 3, 4],
            2..=7 => vec![random.below(5) as usize],
            _ => Vec::new(),
        };
        for expiry in &quoted {
            vols[*expiry] += random.from(-0.01, 0.01);
        }
        let skew = random.from(-0.2, 0.1);
        match random.below(20) {
            // Without bids there is no smile.
            0 => {
                let expiry = random.below(5) as usize;
                let quotes = world.quotes(expiry, |_| 0.6);
                events.extend(quotes.iter().map(|quote| Event::OptionQuote(quote.with_bid(None, None))));
                world.deliver(Source::Market, &events);
            }
            1 => {
                world.at = world.at + Duration::DAY;
                world.quote(&ALL, |at, k| vols[at] + skew * k, events);
            }
            _ => world.quote(&quoted, |at, k| vols[at] + skew * k, events),
        }
        step(&mut world, &mut own);
    }
    world
}

#[test]
fn an_engine_that_was_loaded_tells_the_same_facts_bit_for_bit() {
    let mut parts = 0;
    for seed in 0..12 {
        let mut straight = Vec::new();
        let one = live(seed, |world, _| straight.push(world.facts()));
        let mut loaded = Vec::new();
        let other = live(seed, |world, random| {
            loaded.push(world.facts());
            if random.below(4) == 0 {
                let before = saved(&world.engine);
                let mut fresh = engine(&world.catalogue);
                fresh.load(&mut StateReader::new(&before)).unwrap();
                assert_eq!(saved(&fresh), before);
                world.engine = fresh;
                let chain = &world.engine.chains().chains()[0];
                let whole = FittedChain::fitted(chain, None, world.at);
                parts += usize::from(world.engine.surfaces.of(0).unwrap().surface() != whole.surface());
            }
        });
        assert_eq!(straight, loaded, "seed {seed}");
        assert_eq!(saved(&one.engine), saved(&other.engine));
        assert!(straight.iter().flatten().flatten().count() > 400);
    }
    assert!(parts > 50, "{parts} snapshots were of surfaces that quotes alone do not tell");
}

#[test]
fn a_surface_fitted_in_parts_is_free_of_arbitrage_and_near_the_whole_fit() {
    let mut apart = Vec::new();
    for seed in 0..12 {
        live(seed, |world, _| {
            let fitted = world.engine.surfaces.of(0).unwrap();
            let Some(surface) = fitted.surface() else { return };
            for slice in surface.slices() {
                let arbitrage = slice.arbitrage();
                assert!(arbitrage.is_free(), "{arbitrage:?}");
            }
            // As of the moment of the last fit, so that the same quotes are too old.
            let whole = FittedChain::fitted(&world.engine.chains().chains()[0], None, fitted.at());
            let Some(whole) = whole.surface().filter(|whole| *whole != surface) else { return };
            if whole.slices().len() == surface.slices().len() {
                let atm = |surface: &Surface| surface.tenor(30.0 / 365.0).unwrap().atm();
                apart.push((atm(surface) - atm(whole)).abs());
            }
        });
    }
    apart.sort_by(f64::total_cmp);
    let rank = |share: f64| apart[((apart.len() - 1) as f64 * share) as usize];
    let told = format!("{} surfaces: {:.5}, {:.5}, {:.5} apart", apart.len(), rank(0.5), rank(0.9), rank(1.0));
    assert!(apart.len() > 100 && rank(0.5) < 1e-4 && rank(1.0) < 4e-3, "{told}");
}

#[test]
fn a_snapshot_that_is_none_is_refused() {
    let world = covered();
    let bytes = saved(&world.engine);
    for end in (0..bytes.len()).step_by(97) {
        assert!(engine(&world.catalogue).load(&mut StateReader::new(&bytes[..end])).is_err(), "{end} bytes of it");
    }
}

/// Chains that record no forward: legs are chosen, held and priced by the one that calls and puts imply.
#[test]
fn a_chain_without_forwards_is_traded_by_put_call_parity() {
    let mut told = World::new(&EXPIRIES, &STRIKES);
    let mut untold = World::new(&EXPIRIES, &STRIKES);
    untold.tells_forwards = false;
    for world in [&mut told, &mut untold] {
        let bar = world.bar(99_500.0);
        world.quote(&ALL, |_, k| 0.6 - 0.1 * k, vec![bar]);
        let want = world.want(0, 2.0);
        world.deliver(Source::Market, &[want]);
        assert_eq!(world.engine.position(StrategyId(0)), qty("2"));
        world.later(Duration::MINUTE.nanos());
        let bar = world.bar(99_600.0);
        world.quote(&ALL, |_, k| 0.6 - 0.1 * k, vec![bar]);
    }
    let legs = |world: &World| -> Vec<InstrumentId> {
        world.engine.structures.desks[0].lines.iter().map(|line| line.instrument).collect()
    };
    assert_eq!(legs(&told), legs(&untold), "the same options");
    for expiry in untold.engine.chains().chains()[0].expiries() {
        assert!(expiry.is_implied());
        near("implied", expiry.forward().unwrap().approximate() / told.forward, 1.0, 2e-4);
    }
    assert!(told.engine.chains().chains()[0].expiries().iter().all(|expiry| !expiry.is_implied()));
    for name in &FACTS[5..10] {
        near(name, untold.told(name) / told.told(name), 1.0, 0.02);
    }
}
