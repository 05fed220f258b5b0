//! Facts of margin, liquidation and stresses over recorded markets: what rules are told at every input is what portfolios made anew
//! give, and what the exchange liquidates by.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "numbers to compare with come another way, also in their logarithms")]

mod common;

use common::{Memory, Tick, cases, shared, snapshot};
use drive::Journal;
use engine::{Engine, EngineConfig, Output, RiskRefusal, StrategyConfig};
use exchange::{AccountTerms, Exchange, ExchangeConfig};
use import::{BarsRequest, Labelled};
use market::*;
use policy::facts::{self, FactId, Facts};
use policy::{Arg, Because, Program, Region, Rule, Target, Verdict};
use risk::value_at_risk::ValueAtRiskError;
use risk::venues::{self, MarginError, VenueModel};
use std::cell::RefCell;
use std::convert::Infallible;
use std::path::Path;
use std::rc::Rc;
use units::state::StateReader;
use units::{AccountId, Duration, InstrumentId, Price, Qty, Ratio, Round, SeriesId, StrategyId, Timestamp};

/// The facts that strategies are told.
const FACTS: [&str; 18] = [
    "margin.ratio(binance)",
    "margin.maintenance(binance)",
    "margin.initial(binance)",
    "liquidation.distance()",
    "liquidation.probability(1d)",
    "stress(2025-10-10)",
    "stress(nowhere)",
    "margin.ratio(okx)",
    "margin.ratio(binance, portfolio)",
    "margin.maintenance(binance, portfolio)",
    "margin.initial(binance, portfolio)",
    "concentration.venue()",
    "concentration.stablecoin()",
    "var(95%, 1h, historical)",
    "es(95%, 1h, historical)",
    "es.component(95%, 1h, historical)",
    "var(95%, 1h)",
    "var.component(95%, 1h)",
];

fn fact_id(index: usize) -> FactId {
    facts::series(SeriesId(index as u32)).id()
}

/// Holds from each time on what is listed beside it.
#[derive(Clone)]
struct Holds(Vec<(Timestamp, Qty)>);

impl Rule for Holds {
    fn name(&self) -> &'static str {
        "holds"
    }

    fn reads(&self) -> &[FactId] {
        const READS: &[FactId] = &[facts::NOW.id()];
        READS
    }

    fn evaluate(&self, facts: &Facts, _proposed: Target, _because: &mut Because) -> Verdict {
        let qty = self.0.iter().rev().find(|(from, _)| facts.now() >= *from).map_or(Qty::ZERO, |(_, qty)| *qty);
        Verdict::set(Target { base: qty, qty })
    }

    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        let next = self.0.iter().map(|(from, _)| from.nanos()).find(|from| *from > facts.now().nanos());
        region.within(facts::NOW.id(), i128::MIN, next.unwrap_or(i64::MAX).into());
        true
    }
}

/// Cuts to half once a fact is over, or under, a level.
#[derive(Clone)]
struct Cuts {
    reads: Vec<FactId>,
    /// Which fact it acts on, and at what. `None`: on none, and it states no region.
    at: Option<(usize, f64, bool)>,
}

impl Rule for Cuts {
    fn name(&self) -> &'static str {
        "cuts"
    }

    fn reads(&self) -> &[FactId] {
        &self.reads
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let Some((index, level, over)) = self.at else { return Verdict::keep(proposed) };
        let Some(value) = facts.get(facts::series(SeriesId(index as u32))).map(Ratio::get) else {
            because.say("not known", []);
            return Verdict::cut(Target { qty: Qty::ZERO, ..proposed });
        };
        if (value >= level) == over && !proposed.qty.is_zero() {
            because.say("too near: {}", [Arg::Percent(value)]);
            let half = Qty::from_raw(proposed.qty.raw() / 2_000_000 * 1_000_000);
            return Verdict::cut(Target { qty: half, ..proposed });
        }
        Verdict::keep(proposed)
    }

    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        let Some((index, level, _)) = self.at else { return false };
        let id = fact_id(index);
        let Some(value) = facts.get(facts::series(SeriesId(index as u32))).map(Ratio::get) else { return false };
        if value >= level {
            region.within_ratio(id, level, None);
        } else {
            region.within_ratio(id, 0.0, Some(level));
        }
        true
    }
}

/// The last rule, where the engine's own go before it.
struct Trim;

impl Rule for Trim {
    fn name(&self) -> &'static str {
        "trim"
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

/// What runs.
struct Case {
    catalogue: Catalogue,
    venue: &'static str,
    deposit: &'static str,
    /// By instrument.
    holds: Vec<Holds>,
    cuts: Cuts,
}

impl Case {
    fn engine(&self) -> Engine {
        let mut engine = Engine::new(EngineConfig {
            catalogue: self.catalogue.clone(),
            accounts: vec![self.account()],
            tiers: Vec::new(),
        });
        for (index, holds) in self.holds.iter().enumerate() {
            let rules: Vec<Box<dyn Rule>> = vec![Box::new(holds.clone()), Box::new(self.cuts.clone()), Box::new(Trim)];
            let program = Program::custom(rules).unwrap();
            engine.add_strategy(StrategyConfig::new(InstrumentId(index as u32), program));
        }
        engine
    }

    fn account(&self) -> AccountSpec {
        AccountSpec { venue: self.venue.into(), numeraire: self.catalogue.instruments[0].settle }
    }

    fn exchange(&self) -> Exchange {
        let settle = self.catalogue.instruments[0].settle;
        let deposits = vec![(self.deposit.parse().unwrap(), settle)];
        let config = ExchangeConfig {
            accounts: vec![AccountTerms { spec: Some(self.account()), deposits, fees: None }],
            ..ExchangeConfig::new(self.deposit.parse().unwrap(), &self.catalogue)
        };
        Exchange::new(config, &self.catalogue)
    }

    fn run(&self, market: &[Tick]) -> (Vec<Turn>, Engine) {
        let mut engine = self.engine();
        let exchange = Rc::new(RefCell::new(self.exchange()));
        let mut world = Memory::new(exchange.clone(), market);
        let mut journal = Keeper { exchange, turns: Vec::new() };
        drive::run(&mut engine, &mut world, &mut journal).unwrap();
        (journal.turns, engine)
    }
}

/// A delivery, and how things stood after it.
struct Turn {
    at: Timestamp,
    source: Source,
    events: Vec<Event>,
    outputs: Vec<Output>,
    account: Account,
    venue: Account,
    facts: Facts,
    refusals: Vec<Option<RiskRefusal>>,
}

struct Keeper {
    exchange: Rc<RefCell<Exchange>>,
    turns: Vec<Turn>,
}

impl Journal for Keeper {
    type Error = Infallible;

    fn append(&mut self, input: &Input<'_>) -> Result<(), Infallible> {
        let empty = || Account::of_contracts([]);
        let (at, source, events) = (input.at, input.source, input.events.to_vec());
        let (outputs, refusals) = (Vec::new(), Vec::new());
        let (account, venue, facts) = (empty(), empty(), Facts::new(0));
        self.turns.push(Turn { at, source, events, outputs, account, venue, facts, refusals });
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
        turn.facts = engine.facts(StrategyId(0)).clone();
        let refusal = |index: usize| engine.risk_refusal(StrategyId(0), SeriesId(index as u32)).cloned();
        turn.refusals = (0..FACTS.len()).map(refusal).collect();
        Ok(())
    }
}

impl Turn {
    fn fact(&self, index: usize) -> Option<f64> {
        self.facts.get(facts::series(SeriesId(index as u32))).map(Ratio::get)
    }

    fn forced(&self) -> Option<&Fill> {
        self.events.iter().find_map(|event| match event {
            Event::Order(OrderEvent { update: OrderUpdate::Filled(fill), .. }) if fill.forced.is_some() => Some(fill),
            _ => None,
        })
    }
}

/// What an account holds, as a margin model takes it, made anew of the account alone. Prices may be moved.
fn anew(
    account: &Account,
    catalogue: &Catalogue,
    at: Timestamp,
    times: impl Fn(&Instrument) -> f64,
) -> venues::Portfolio {
    let mut portfolio = venues::Portfolio { at, ..venues::Portfolio::default() };
    for balance in account.balances() {
        let (currency, amount) = (balance.currency, balance.cash);
        portfolio.balances.push(venues::Balance { currency, amount });
    }
    for (index, (position, mark)) in account.positions().enumerate() {
        if position.qty.is_zero() {
            continue;
        }
        let of = &catalogue.instruments[index];
        let times = times(of);
        let there =
            if times == 1.0 { mark } else { Price::from_estimate(mark.approximate() * times, Round::Nearest).unwrap() };
        portfolio.positions.push(venues::Position {
            mark: Some(there),
            unrealised: Some(position.profit(of.kind.contract(), there)),
            ..venues::Position::new(of.clone(), position.qty)
        });
    }
    portfolio
}

fn bars(shared: &Path, file: &str, symbol: &str) -> (Catalogue, Vec<(Timestamp, Event)>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bars.tape");
    let base =
        symbol.split_once(':').unwrap().1.split_once('-').unwrap().0.trim_end_matches("USDT").trim_end_matches("_USDC");
    let (kind, settle) = match symbol.split_once(':').unwrap().0 {
        "binance" => (InstrumentKind::LinearPerpetual, "USDT"),
        "deribit" if !symbol.contains("_USDC") => (InstrumentKind::InversePerpetual, base),
        _ => (InstrumentKind::LinearPerpetual, "USDC"),
    };
    let quote = if kind == InstrumentKind::InversePerpetual { "USD" } else { settle };
    let (lot, tick) = ("0.001".parse().unwrap(), "0.001".parse().unwrap());
    let instrument = Instrument {
        symbol: symbol.into(),
        kind,
        base: base.parse().unwrap(),
        quote: quote.parse().unwrap(),
        settle: settle.parse().unwrap(),
        tick,
        lot,
        min_qty: lot,
    };
    let request = BarsRequest::new(shared.join(file), instrument, Labelled::Open, &path);
    import::bars(&request, &mut |_, _| {}).unwrap();
    let mut reader = tape::TapeReader::open(&path).unwrap();
    let catalogue = reader.catalogue().clone();
    let mut events = Vec::new();
    while let Some((at, event)) = reader.next().unwrap() {
        if matches!(event, Event::Bar(_)) {
            events.push((at, event));
        }
    }
    (catalogue, events)
}

/// Several instruments of one venue, input by input, and the names of the facts.
fn market(
    shared: &Path,
    of: &[(&str, &str)],
    venue: &str,
    (from, to): (Timestamp, Timestamp),
) -> (Catalogue, Vec<Tick>) {
    let mut catalogue = Catalogue::default();
    let mut all: Vec<(Timestamp, Event)> = Vec::new();
    for (number, (file, symbol)) in of.iter().enumerate() {
        let (own, events) = bars(shared, file, symbol);
        catalogue.instruments.extend(own.instruments);
        for (at, event) in events.into_iter().filter(|(at, _)| (from..=to).contains(at)) {
            let Event::Bar(bar) = event else { continue };
            all.push((at, Event::Bar(Bar { instrument: InstrumentId(number as u32), ..bar })));
        }
    }
    catalogue.series = FACTS.map(|name| name.replace("binance", venue)).to_vec();
    all.sort_by_key(|(at, _)| *at);
    let mut ticks: Vec<Tick> = Vec::new();
    for (at, event) in all {
        match ticks.last_mut() {
            Some(tick) if tick.at == at => tick.events.push(event),
            _ => ticks.push(Tick { at, events: vec![event] }),
        }
    }
    (catalogue, ticks)
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

const CRASH: (&str, &str) = ("data/bars_crash/2025-10_BTCUSDT_binance_perp_5m.parquet", "binance:BTCUSDT-PERP");

/// One long at ten times its equity goes into 10 October 2025. At every input the ratio, the margins and the distance are those of a
/// portfolio made anew and of the exchange's own account; the account lives while the ratio is under 1, and is liquidated where it
/// passes it, at the price that the distance told.
#[test]
fn the_exchange_liquidates_where_the_ratio_passes_one() {
    let Some(shared) = shared("the_exchange_liquidates_where_the_ratio_passes_one") else { return };
    let span = (time("2025-10-09"), time("2025-10-11"));
    let (catalogue, ticks) = market(&shared, &[CRASH], "binance", span);
    let holds = vec![Holds(vec![(time("2025-10-09T12:00:00Z"), qty("8"))])];
    let cuts = Cuts { reads: (0..FACTS.len()).map(fact_id).collect(), at: None };
    let case = Case { catalogue, venue: "binance", deposit: "97000", holds, cuts };
    let (turns, _) = case.run(&ticks);
    let parameters = venues::Parameters::binance();
    let usdt: Currency = "USDT".parse().unwrap();
    let tiers = vec![ExchangeConfig::tiers_of(&case.catalogue.instruments[0])];
    let (mut edge, mut liquidated, mut checked) = (None, 0, 0);
    let mut before: Option<&Turn> = None;
    for turn in &turns {
        if let Some(fill) = turn.forced() {
            // The account before it: at the price that it was closed at the two are equal to the last unit, and a unit worse it is over.
            let account = &before.unwrap().venue;
            let ratio_at = |price: Price| {
                let mut there = account.clone();
                there.set_mark(0, price);
                let fresh = anew(&there, &case.catalogue, turn.at, |_| 1.0);
                venues::tiered(&fresh, &parameters, usdt).unwrap().margin.ratio().value().unwrap()
            };
            let unit = Price::from_raw(1);
            let ratios = [-unit, Price::ZERO, unit].map(|by| ratio_at(fill.reference + by));
            assert!(ratios[0] > 1.0 && ratios[1] <= 1.0 && ratios[2] < 1.0, "{ratios:?} at {}", fill.reference);
            let told: f64 = edge.unwrap();
            assert!((told - fill.reference.approximate()).abs() < 0.002, "told {told}, closed at {}", fill.reference);
            liquidated += 1;
        }
        before = Some(turn);
        let fresh = anew(&turn.account, &case.catalogue, turn.at, |_| 1.0);
        let account = venues::tiered(&fresh, &parameters, usdt).unwrap();
        // A delivery that touches no strategy tells nothing.
        if turn.fact(0).is_none() {
            continue;
        }
        checked += 1;
        assert_eq!(turn.fact(0), account.margin.ratio().value(), "{}", turn.at);
        assert_eq!(turn.fact(1), account.margin.maintenance.value());
        let venue = &turn.venue;
        let needed = risk::maintenance_margin(venue, &tiers, 0).approximate();
        if turn.source == Source::Market {
            assert_eq!(turn.fact(0), Some(needed / venue.equity().approximate()), "{}: the exchange's own", turn.at);
        }
        assert!(turn.fact(0) < Some(1.0), "{}: it lives", turn.at);
        let mark = turn.account.mark(0).approximate();
        let distance = turn.fact(3).unwrap();
        match account.positions.first().map(|position| position.liquidation) {
            Some(Ok(price)) => {
                assert!((distance - (1.0 - price.approximate() / mark)).abs() < 1e-15);
                edge = Some(mark * (1.0 - distance));
            }
            _ => assert_eq!(distance, 1_000.0),
        }
        // 17.13 % of the notional, over equity.
        let (position, _) = turn.account.positions().next().unwrap();
        let loss = position.qty.approximate() * mark * 0.1713 / turn.account.equity().approximate();
        assert!((turn.fact(5).unwrap() - loss).abs() < 1e-12, "{:?} and {loss}", turn.fact(5));
        assert_eq!(turn.refusals[6], Some(RiskRefusal::NoStress("nowhere".into())));
        assert_eq!(turn.refusals[7], Some(RiskRefusal::NoAccount("okx".into())));
        assert_eq!((turn.fact(6), turn.fact(7)), (None, None));
        // All of it is dollars of one kind at one venue; of portfolio margin there nothing is known.
        assert_eq!((turn.fact(11), turn.fact(12)), (Some(1.0), Some(1.0)));
        assert_eq!(turn.refusals[8], Some(RiskRefusal::NoModel("binance, portfolio".into())));
        if position.qty.is_zero() {
            assert_eq!(turn.fact(4), Some(0.0), "nothing to liquidate");
        } else {
            let btc = "BTC".parse().unwrap();
            assert_eq!((turn.fact(4), &turn.refusals[4]), (None, &Some(RiskRefusal::NoVolatility(btc))));
        }
    }
    assert_eq!(liquidated, 1);
    assert!(checked > 500, "{checked}");
}

/// 600 coins long and 750 short on 60 coins of equity, by Deribit's rates that grow with the size, and for USDC: the ratio is that of the
/// venue's model and of the exchange's own account, and the exchange liquidates at the last price at which it is not over 1, which is the
/// one that the distance told.
#[test]
fn deribit_is_one_rule_for_facts_and_exchange() {
    let Some(shared) = shared("deribit_is_one_rule_for_facts_and_exchange") else { return };
    let span = (time("2025-10-09"), time("2025-10-11"));
    let btc: Currency = "BTC".parse().unwrap();
    for (symbol, from, size, deposit) in [
        ("deribit:BTC-PERPETUAL", "2025-10-09T12:00:00Z", "72000000", "60"),
        ("deribit:BTC-PERPETUAL", "2025-10-10T21:25:00Z", "-82000000", "60"),
        ("deribit:BTC_USDC-PERPETUAL", "2025-10-09T12:00:00Z", "600", "7200000"),
        ("deribit:BTC_USDC-PERPETUAL", "2025-10-10T21:25:00Z", "-750", "6500000"),
    ] {
        let (catalogue, ticks) = market(&shared, &[(CRASH.0, symbol)], "deribit", span);
        let (model, coin) = (VenueModel::of_venue("deribit").unwrap(), catalogue.instruments[0].settle);
        let margin = |portfolio: &venues::Portfolio| {
            // The contract's own mark stands for the index.
            let price = portfolio.positions.first().and_then(|position| position.mark);
            let index = price.map_or(1.0, Price::approximate);
            let underlyings = vec![venues::Underlying { currency: btc, index, confidence: 1.0 }];
            model.margin(&venues::Portfolio { underlyings, ..portfolio.clone() }, coin).unwrap()
        };
        let tiers = vec![ExchangeConfig::tiers_of(&catalogue.instruments[0])];
        let holds = vec![Holds(vec![(time(from), qty(size))])];
        let cuts = Cuts { reads: (0..FACTS.len()).map(fact_id).collect(), at: None };
        let case = Case { catalogue: catalogue.clone(), venue: "deribit", deposit, holds, cuts };
        let (turns, _) = case.run(&ticks);
        let (mut edge, mut liquidated, mut checked) = (None, 0, 0);
        let mut before: Option<&Turn> = None;
        for turn in &turns {
            if let Some(fill) = turn.forced() {
                let account = &before.unwrap().venue;
                let ratio_at = |price: Price| {
                    let mut there = account.clone();
                    there.set_mark(0, price);
                    margin(&anew(&there, &catalogue, turn.at, |_| 1.0)).ratio().value().unwrap()
                };
                let worse = Price::from_raw(if size.starts_with('-') { 1 } else { -1 });
                let ratios = [Price::ZERO, worse].map(|by| ratio_at(fill.reference + by));
                assert!(ratios[0] <= 1.0 && ratios[1] >= 1.0, "{ratios:?} at {}", fill.reference);
                let told: f64 = edge.unwrap();
                assert!((told / fill.reference.approximate() - 1.0).abs() < 1e-9, "told {told}, at {}", fill.reference);
                liquidated += 1;
            }
            before = Some(turn);
            let Some(ratio) = turn.fact(0).filter(|_| turn.source == Source::Market) else { continue };
            checked += 1;
            let fresh = margin(&anew(&turn.account, &catalogue, turn.at, |_| 1.0));
            assert_eq!(Some(ratio), fresh.ratio().value(), "{}", turn.at);
            let own = risk::maintenance_margin(&turn.venue, &tiers, 0).approximate();
            let equity = turn.venue.balance(coin).unwrap().equity().approximate();
            assert_eq!(ratio, own / equity, "{}: the exchange's own", turn.at);
            let distance = turn.fact(3).unwrap();
            let sign = if size.starts_with('-') { 1.0 } else { -1.0 };
            edge = (distance < 1_000.0).then(|| turn.account.mark(0).approximate() * (1.0 + sign * distance));
        }
        assert_eq!((liquidated, checked > 100), (1, true), "{symbol} {size}: {checked}");
    }
}

const COINS: [(&str, &str); 3] = [
    ("data/bars_minute/2025-05_BTCUSDT_binance_perp_1m.parquet", "hyperliquid:BTC-PERP"),
    ("data/bars_minute/2025-05_ETHUSDT_binance_perp_1m.parquet", "hyperliquid:ETH-PERP"),
    ("data/bars_minute/2025-05_SOLUSDT_binance_perp_1m.parquet", "hyperliquid:SOL-PERP"),
];

/// Positions in three coins that change at random times, long and short, at up to several times the equity.
fn random_holds(seed: u64, begin: Timestamp, minutes: i64) -> Vec<Holds> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = |most: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i64 % most
    };
    // Two million dollars of each coin at most.
    [20_i64, 800, 12_000]
        .map(|most| {
            let mut at = random(60);
            let mut list = Vec::new();
            while at < minutes {
                let from = begin + Duration::from_nanos(at * Duration::MINUTE.nanos());
                let side = random(3) - 1;
                list.push((from, Qty::from_raw(side * random(most * 100) * 1_000_000)));
                at += 20 + random(600);
            }
            Holds(list)
        })
        .to_vec()
}

/// Three coins in one account by Hyperliquid's tiers over two days of June 2025: everything against portfolios made anew, the distance
/// by what a model says on both sides of it.
#[test]
fn an_account_of_several_coins_is_told_what_it_is() {
    let Some(shared) = shared("an_account_of_several_coins_is_told_what_it_is") else { return };
    let span = (time("2025-06-12"), time("2025-06-14"));
    let (catalogue, ticks) = market(&shared, &COINS, "hyperliquid", span);
    let holds = random_holds(3, span.0, 2_880);
    let cuts = Cuts { reads: (0..FACTS.len()).map(fact_id).collect(), at: None };
    let case = Case { catalogue, venue: "hyperliquid", deposit: "1500000", holds, cuts };
    let (turns, _) = case.run(&ticks);
    let parameters = venues::Parameters::hyperliquid();
    let usdc: Currency = "USDC".parse().unwrap();
    let margin = |portfolio: &venues::Portfolio| venues::hyperliquid(portfolio, &parameters, usdc).unwrap().margin;
    let (mut edges, mut nowhere, mut stresses, mut losses) = (0, 0, 0, 0);
    let mut hours: Vec<[f64; 3]> = Vec::new();
    for turn in turns.iter().filter(|turn| turn.source == Source::Market) {
        let fresh = anew(&turn.account, &case.catalogue, turn.at, |_| 1.0);
        let now = margin(&fresh);
        assert_eq!(turn.fact(0), now.ratio().value(), "{}", turn.at);
        assert_eq!(turn.fact(1), now.maintenance.value());
        assert!(turn.fact(0) < Some(1.0));
        // The coin of the first strategy moves, the others stay.
        let distance = turn.fact(3).unwrap();
        let moved = |times: f64| {
            let there =
                anew(&turn.account, &case.catalogue, turn.at, |of| if of.base.as_str() == "BTC" { times } else { 1.0 });
            margin(&there).maintenance_excess().value().unwrap()
        };
        if distance < 1_000.0 {
            edges += 1;
            let alive = |times: f64| times <= 0.0 || moved(times) >= 0.0;
            let short = distance * (1.0 - 1e-7);
            assert!(alive(1.0 - short) && alive(1.0 + short), "{}: {distance}", turn.at);
            let dead = |times: f64| times > 0.0 && moved(times) < 0.0;
            let (under, over) = (1.0 - distance * (1.0 + 1e-7), 1.0 + distance * (1.0 + 1e-7));
            assert!(dead(under) || dead(over), "{}: {distance}", turn.at);
        } else {
            nowhere += 1;
            assert!(moved(0.002) >= 0.0 && moved(500.0) >= 0.0);
        }
        let crash = [-0.1713, -0.2182, -0.26];
        let positions = turn.account.positions().zip(crash);
        let loss: f64 =
            positions.map(|((position, mark), by)| -position.qty.approximate() * mark.approximate() * by).sum();
        let share = loss / turn.account.equity().approximate();
        assert!((turn.fact(5).unwrap() - share).abs() < 1e-10, "{}: {:?}, {share}", turn.at, turn.fact(5));
        stresses += u32::from(share < 0.0);
        let prices = [0, 1, 2].map(|index| turn.account.mark(index).approximate());
        let is_hour = turn.at.floor(Duration::HOUR) == turn.at;
        if is_hour {
            hours.push(prices);
        }
        if hours.len() < 31 {
            let too_little =
                RiskRefusal::ValueAtRisk(ValueAtRiskError::TooLittle { count: hours.len() - 1, fewest: 30 });
            assert!(
                turn.fact(13).is_some() || hours.len() < 2 || turn.refusals[13] == Some(too_little),
                "{:?}",
                turn.refusals[13]
            );
            continue;
        }
        losses += u32::from(brute_losses(turn, &hours, prices));
    }
    assert!(edges > 500 && nowhere > 100 && stresses > 100 && losses > 300, "{edges} {nowhere} {stresses} {losses}");
}

/// What may be lost in an hour by the hours so far, each once, against profits that are sorted by hand. Whether something was held.
fn brute_losses(turn: &Turn, hours: &[[f64; 3]], prices: [f64; 3]) -> bool {
    let equity = turn.account.equity().approximate();
    let sizes: Vec<f64> = turn.account.positions().map(|(position, _)| position.qty.approximate()).collect();
    // The losses of one hour: of all, and of the first coin.
    let loss = |pair: &[[f64; 3]]| {
        let of = |at: usize| -sizes[at] * prices[at] * (pair[1][at] / pair[0][at] - 1.0) / equity;
        (of(0) + of(1) + of(2), of(0))
    };
    let mut losses: Vec<(f64, f64)> = hours.windows(2).map(loss).collect();
    losses.sort_by(|a, b| b.0.total_cmp(&a.0));
    // Of n losses n × 5 % lie beyond, the last of them in part; those before it count whole.
    let beyond = losses.len() as f64 * 0.05;
    let whole = (beyond + 1e-9).floor() as usize;
    let mean = |of: fn(&(f64, f64)) -> f64| {
        let sum: f64 = losses[..whole].iter().map(of).sum();
        (sum + (beyond - whole as f64) * of(&losses[whole])) / beyond
    };
    for (fact, expected) in [(13, losses[whole].0), (14, mean(|loss| loss.0)), (15, mean(|loss| loss.1))] {
        let told = turn.fact(fact).unwrap();
        assert!((told - expected).abs() < 1e-9, "{}: fact {fact} is {told}, not {expected}", turn.at);
    }
    assert!(turn.fact(16).is_some() && turn.fact(17).is_some(), "{:?}", turn.refusals);
    losses[whole].0 != 0.0
}

/// With proofs and regions and without them, whatever the level, the same plans, commands and state; and a run that is taken up again
/// from snapshots goes on as before.
#[test]
fn a_proof_changes_no_decision() {
    let Some(shared) = shared("a_proof_changes_no_decision") else { return };
    let span = (time("2025-06-12"), time("2025-06-13T12:00:00Z"));
    let levels = [(0, 0.2, true), (0, 0.45, true), (3, 0.3, false), (3, 0.12, false), (5, 0.5, true)];
    let (computed, spared) = same_with_proofs(&shared, span, &levels, cases(12));
    assert!(spared > 2 * computed, "{computed} computed, {spared} spared");
}

/// The same of what may be lost: of a whole figure a proof spares revaluations, of a strategy's part none does.
#[test]
fn a_proof_of_losses_changes_no_decision() {
    let Some(shared) = shared("a_proof_of_losses_changes_no_decision") else { return };
    let span = (time("2025-06-12"), time("2025-06-15"));
    let levels = [(16, 0.02, true), (13, 0.01, true), (14, 0.03, true), (17, 0.004, true)];
    // Before there is a history all is asked for at each input.
    let (computed, spared) = same_with_proofs(&shared, span, &levels, cases(8));
    assert!(4 * spared > computed, "{computed} computed, {spared} spared");
}

fn same_with_proofs(
    shared: &Path,
    span: (Timestamp, Timestamp),
    levels: &[(usize, f64, bool)],
    cases: u32,
) -> (u64, u64) {
    let (catalogue, ticks) = market(shared, &COINS, "hyperliquid", span);
    let (mut computed, mut spared, mut cut) = (0, 0, 0);
    let minutes = (span.1.since(span.0).days() * 1_440.0) as i64 * 2 / 3;
    for seed in 0..u64::from(cases) {
        let holds = random_holds(seed + 100, span.0, minutes);
        let at = levels[seed as usize % levels.len()];
        let cuts = Cuts { reads: vec![fact_id(at.0)], at: Some(at) };
        let case = Case { catalogue: catalogue.clone(), venue: "hyperliquid", deposit: "1500000", holds, cuts };
        let (turns, engine) = case.run(&ticks);
        let mut always = case.engine();
        always.evaluate_always();
        let mut resumed = case.engine();
        for (number, turn) in turns.iter().enumerate() {
            for engine in [&mut always, &mut resumed] {
                let outputs = common::feed(engine, turn.at, turn.source, &turn.events);
                assert_eq!(outputs, turn.outputs, "seed {seed}, turn {number}");
            }
            if number % 97 == 0 {
                let bytes = snapshot(&resumed);
                resumed = case.engine();
                resumed.load(&mut StateReader::new(&bytes)).unwrap();
                assert_eq!(snapshot(&resumed), bytes, "a snapshot loads and saves as another");
            }
            let plans = turn.outputs.iter().filter_map(|output| match output {
                Output::Plan(plan) => Some(plan),
                _ => None,
            });
            for plan in plans.filter(|plan| !plan.position.is_zero() || !plan.target.qty.is_zero()) {
                // A margin, a distance and a probability name whose rules they are by.
                let by = if at.0 >= 5 { "" } else { "by Hyperliquid's tiers: " };
                let said = format!("{by}full revaluation");
                let told = plan.steps.iter().any(|step| step.reason.template.ends_with(&said));
                let is_known = plan.steps.iter().all(|step| step.reason.template != "not known");
                assert!(told || !is_known, "the plan says what it rests on: {plan:?}");
                let cuts = plan.steps.iter().filter(|step| step.reason.template.starts_with("too near"));
                cut += cuts.count();
            }
        }
        let states = [snapshot(&engine), snapshot(&always), snapshot(&resumed)];
        assert!(states[0] == states[1] && states[0] == states[2], "seed {seed}: the states differ");
        assert!(engine.evaluations() <= always.evaluations());
        let (mine, saved) = engine.risk_readings();
        assert_eq!(always.risk_readings().1, 0);
        (computed, spared) = (computed + mine, spared + saved);
    }
    assert!(cut > 20, "{cut} cuts");
    (computed, spared)
}

/// 3,000 USDT at one venue, 1,000 USDC and 0.05 BTC at 100,000 at another: two thirds of 9,000 lie there, a third of all is USDT.
#[test]
fn concentration_is_of_all_accounts() {
    let Some(shared) = shared("concentration_is_of_all_accounts") else { return };
    let span = (time("2025-10-09"), time("2025-10-09T01:00:00Z"));
    let (catalogue, _) = market(&shared, &[CRASH, (CRASH.0, "deribit:BTC-PERPETUAL")], "binance", span);
    let currency = |code: &str| code.parse::<Currency>().unwrap();
    let account = |venue: &str, code| AccountSpec { venue: venue.into(), numeraire: currency(code) };
    let accounts = vec![account("binance", "USDT"), account("deribit", "BTC")];
    let mut engine = Engine::new(EngineConfig { catalogue, accounts, tiers: Vec::new() });
    let cuts = Cuts { reads: (0..FACTS.len()).map(fact_id).collect(), at: None };
    let rules: Vec<Box<dyn Rule>> = vec![Box::new(Holds(Vec::new())), Box::new(cuts), Box::new(Trim)];
    let program = Program::custom(rules).unwrap();
    engine.add_strategy(StrategyConfig::new(InstrumentId(0), program));
    let at = time("2025-10-09");
    let paid = |account, code, amount: &str| {
        let (currency, amount) = (currency(code), amount.parse().unwrap());
        Event::Cash(CashChange { account: AccountId(account), currency, amount, reason: CashReason::Deposit })
    };
    let paid = [paid(0, "USDT", "3000"), paid(1, "USDC", "1000"), paid(1, "BTC", "0.05")];
    common::feed(&mut engine, at, Source::Venue, &paid);
    let close = "100000".parse().unwrap();
    for instrument in [0, 1] {
        let (instrument, volume) = (InstrumentId(instrument), Qty::ZERO);
        let bar = Bar { instrument, opened: at, closed: at, open: close, high: close, low: close, close, volume };
        common::feed(&mut engine, at, Source::Market, &[Event::Bar(bar)]);
    }
    let fact = |index: u32| engine.facts(StrategyId(0)).get(facts::series(SeriesId(index))).map(Ratio::get);
    let told = [11, 12].map(|index| fact(index).unwrap());
    for (told, share) in told.into_iter().zip([2.0 / 3.0, 1.0 / 3.0]) {
        assert!((told - share).abs() < 1e-12, "{told}, not {share}");
    }
}

/// Before its parameters hold and at a venue without a model nothing is told, and it is said why.
#[test]
fn what_cannot_be_computed_is_not_told() {
    let Some(shared) = shared("what_cannot_be_computed_is_not_told") else { return };
    let (catalogue, _) = market(&shared, &[CRASH], "binance", (time("2025-10-09"), time("2025-10-09T01:00:00Z")));
    let cuts = Cuts { reads: (0..FACTS.len()).map(fact_id).collect(), at: None };
    let case = Case { catalogue, venue: "binance", deposit: "1000", holds: vec![Holds(Vec::new())], cuts };
    let mut engine = case.engine();
    let bar = |at: Timestamp, close: &str| {
        let close = close.parse().unwrap();
        let (instrument, volume) = (InstrumentId(0), Qty::ZERO);
        [Event::Bar(Bar { instrument, opened: at, closed: at, open: close, high: close, low: close, close, volume })]
    };
    let refusal = |engine: &Engine, index: u32| engine.risk_refusal(StrategyId(0), SeriesId(index)).cloned();
    let at = time("2021-05-19");
    common::feed(&mut engine, at, Source::Market, &bar(at, "30000"));
    let Some(RiskRefusal::Margin(MarginError::OutsideValidity { file, .. })) = refusal(&engine, 0) else { panic!() };
    assert_eq!(file, "binance");
    assert_eq!(engine.facts(StrategyId(0)).raw(fact_id(0)), None);
    let at = time("2025-10-09");
    common::feed(&mut engine, at, Source::Market, &bar(at, "100000"));
    // No money, no position: a ratio to nothing.
    assert!(engine.facts(StrategyId(0)).get(facts::series(SeriesId(1))) == Ratio::new(0.0));
    assert_eq!(refusal(&engine, 0), None);
    let told = refusal(&engine, 5).unwrap().to_string();
    assert_eq!(told, "equity is not over zero");
    // How long each was not known: the ratio until its parameters held, the stress since then too.
    let later = at + Duration::HOUR;
    common::feed(&mut engine, later, Source::Market, &bar(later, "100000"));
    let unknown = engine.unknown_risk();
    let of = |index: u32| unknown.iter().find(|of| of.series == SeriesId(index)).unwrap();
    let early = time("2021-05-19");
    assert_eq!((of(0).first, of(0).last, of(0).span), (early, early, at.since(early)));
    assert_eq!((of(5).first, of(5).last, of(5).span), (early, later, later.since(early)));
    assert_eq!(of(5).refusal.reason(), "equity is not over zero");
}

/// Options of Deribit with an inverse perpetual, held by an account whose engine hears of the recorded chain and bars.
struct Chain {
    engine: Engine,
    catalogue: Catalogue,
    /// Last bar, and what each option was last worth.
    spot: Price,
    worth: Vec<Option<Price>>,
    /// What options cost, by instrument.
    held: Vec<(usize, Qty, Price)>,
}

const COIN: &str = "BTC";
const DEPOSIT: &str = "30";

/// Inputs of three days of January 2026: a chain every six hours, a bar every hour.
fn chain(shared: &Path) -> (Catalogue, Vec<Tick>) {
    let folder = tempfile::tempdir().unwrap();
    let (options, hours) = (folder.path().join("options.tape"), folder.path().join("bars.tape"));
    let source = shared.join("data/deribit_options_6h/BTC_2026-01.parquet");
    import::options(&import::OptionsRequest::new(source, &options), &mut |_, _| {}).unwrap();
    let perpetual = Instrument {
        symbol: "deribit:BTC-PERPETUAL".into(),
        kind: InstrumentKind::InversePerpetual,
        base: COIN.parse().unwrap(),
        quote: Currency::USD,
        settle: COIN.parse().unwrap(),
        tick: "0.01".parse().unwrap(),
        lot: qty("10"),
        min_qty: qty("10"),
    };
    let source = shared.join("data/bars_2026/BTCUSDT_binance_1h.parquet");
    let mut request = BarsRequest::new(source, perpetual, Labelled::Open, &hours);
    request.columns.time = Some("ts".into());
    import::bars(&request, &mut |_, _| {}).unwrap();
    let mut catalogue =
        Catalogue { series: FACTS.map(|name| name.replace("binance", "deribit")).to_vec(), ..Catalogue::default() };
    let mut all: Vec<(Timestamp, Event)> = Vec::new();
    for path in [hours, options] {
        let mut reader = tape::TapeReader::open(&path).unwrap();
        let first = catalogue.instruments.len() as u32;
        catalogue.instruments.extend(reader.catalogue().instruments.clone());
        while let Some((at, event)) = reader.next().unwrap() {
            let event = match event {
                Event::Bar(bar) => Event::Bar(Bar { instrument: InstrumentId(first), ..bar }),
                Event::OptionQuote(quote) => {
                    let known = OptionQuote::empty(InstrumentId(first + quote.instrument.0));
                    let sided = known.with_bid(quote.bid(), quote.bid_qty()).with_ask(quote.ask(), quote.ask_qty());
                    Event::OptionQuote(sided.with_underlying(quote.underlying()).with_mark(quote.mark()))
                }
                _ => continue,
            };
            all.push((at, event));
        }
    }
    // The first bar closes then.
    let begin = time("2026-01-27T19:00:00Z");
    let end = begin + Duration::from_nanos(3 * Duration::DAY.nanos());
    all.retain(|(at, _)| (begin..end).contains(at));
    all.sort_by_key(|(at, _)| *at);
    let mut ticks: Vec<Tick> = Vec::new();
    for (at, event) in all {
        match ticks.last_mut() {
            Some(tick) if tick.at == at => tick.events.push(event),
            _ => ticks.push(Tick { at, events: vec![event] }),
        }
    }
    (catalogue, ticks)
}

impl Chain {
    fn new(catalogue: &Catalogue, cuts: &Cuts) -> Self {
        let account = AccountSpec { venue: "deribit".into(), numeraire: COIN.parse().unwrap() };
        let mut engine =
            Engine::new(EngineConfig { catalogue: catalogue.clone(), accounts: vec![account], tiers: Vec::new() });
        let rules: Vec<Box<dyn Rule>> = vec![Box::new(Holds(Vec::new())), Box::new(cuts.clone()), Box::new(Trim)];
        let program = Program::custom(rules).unwrap();
        engine.add_strategy(StrategyConfig::new(InstrumentId(0), program));
        let worth = vec![None; catalogue.instruments.len()];
        Self { engine, catalogue: catalogue.clone(), spot: Price::ZERO, worth, held: Vec::new() }
    }

    fn see(&mut self, tick: &Tick) -> Vec<Output> {
        for event in &tick.events {
            match event {
                Event::Bar(bar) => self.spot = bar.close,
                Event::OptionQuote(quote) => {
                    let worth = &mut self.worth[quote.instrument.index()];
                    *worth = quote.value().or(*worth);
                }
                _ => {}
            }
        }
        common::feed(&mut self.engine, tick.at, Source::Market, &tick.events)
    }

    /// Takes over what is held from the venue: out of the money options of about a month sold and bought, and a short perpetual.
    fn open(&mut self, at: Timestamp) {
        let spot = self.spot.approximate();
        let days = |of: &Instrument| of.kind.expiry().map_or(0.0, |expiry| expiry.since(at).days());
        let month = self.catalogue.instruments.iter().map(days).filter(|days| *days > 3.0);
        let month = month.min_by(|a, b| (a - 28.0).abs().total_cmp(&(b - 28.0).abs())).unwrap();
        let nearest = |right: units::OptionRight, moneyness: f64| {
            let off = |index: &usize| {
                let of = &self.catalogue.instruments[*index];
                let (strike, own) = of.kind.option().unwrap();
                let fits = own == right && (days(of) - month).abs() < 1e-6 && self.worth[*index].is_some();
                if fits { (strike.approximate() / spot - moneyness).abs() } else { f64::MAX }
            };
            (1..self.catalogue.instruments.len()).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap()
        };
        use units::OptionRight::{Call, Put};
        let legs = [(Call, 1.1, "-40"), (Put, 0.9, "-35"), (Put, 1.02, "-3"), (Call, 1.2, "25"), (Put, 0.8, "20")];
        let mut fills: Vec<(usize, Qty, Price)> = vec![(0, qty("-400000"), self.spot)];
        for (right, moneyness, size) in legs {
            let index = nearest(right, moneyness);
            fills.push((index, qty(size), self.worth[index].unwrap()));
        }
        common::feed(&mut self.engine, at, Source::Venue, &common::opened(DEPOSIT, COIN, &fills));
        self.held = fills;
    }

    /// The account made anew of what was seen, the coin's price multiplied, options revalued at a volatility each.
    fn anew(&self, at: Timestamp, times: f64, points: &[(f64, f64)]) -> venues::Portfolio {
        let coin: Currency = COIN.parse().unwrap();
        let spot = self.spot.approximate() * times;
        let mut portfolio = venues::Portfolio { at, ..venues::Portfolio::default() };
        portfolio.underlyings.push(venues::Underlying { currency: coin, index: spot, confidence: 1.0 });
        let mut amount: units::Cash = DEPOSIT.parse().unwrap();
        for ((index, size, price), (vol, forward)) in self.held.iter().zip(points) {
            let of = &self.catalogue.instruments[*index];
            let mut position = venues::Position::new(of.clone(), *size);
            if let (Some((strike, right)), Some(expiry)) = (of.kind.option(), of.kind.expiry()) {
                amount -= (*price * *size).cash();
                let years = expiry.since(at).days() / 365.0;
                let inputs = |forward: f64| pricing::options::Inputs {
                    forward,
                    strike: strike.approximate(),
                    years,
                    vol: *vol,
                    discount: 1.0,
                };
                let coins = |forward: f64| {
                    pricing::options::EuropeanOption::new(right, inputs(forward)).unwrap().greeks().price / forward
                };
                let mark = self.worth[*index].unwrap();
                let change = if times == 1.0 { 0.0 } else { coins(forward * times) - coins(*forward) };
                let moved = Price::from_estimate((mark.approximate() + change).max(0.0), Round::Nearest).unwrap();
                (position.mark, position.vol) = (Some(if times == 1.0 { mark } else { moved }), Some(*vol));
                let is_known = |term: &venues::Term| term.expiry == expiry;
                if !portfolio.expiries.iter().any(is_known) {
                    let forward = forward * times;
                    let (underlying, rate, confidence) = (coin, 0.0, 1.0);
                    portfolio.expiries.push(venues::Term { underlying, expiry, forward, rate, confidence });
                }
            } else {
                let mark = if times == 1.0 { self.spot } else { Price::from_estimate(spot, Round::Nearest).unwrap() };
                (position.mark, position.entry) = (Some(mark), Some(*price));
            }
            portfolio.positions.push(position);
        }
        portfolio.balances.push(venues::Balance { currency: coin, amount });
        portfolio
    }

    /// Volatility and forward of each option held, off a surface fitted to the quotes as they stand.
    fn points(&self, at: Timestamp) -> Vec<(f64, f64)> {
        let chain = &self.engine.chains().chains()[0];
        let fitted = engine::FittedChain::fitted(chain, Some(self.spot), at);
        let surface = fitted.surface().unwrap();
        let point = |(index, ..): &(usize, Qty, Price)| {
            let of = &self.catalogue.instruments[*index];
            let Some((strike, _)) = of.kind.option() else { return (0.0, 0.0) };
            let expiry = of.kind.expiry().unwrap();
            let listed = chain.expiries().iter().find(|listed| listed.at() == expiry).unwrap();
            let smile = surface.tenor(expiry.since(at).nanos() as f64 / (365.0 * 86_400e9)).unwrap();
            let forward = listed.forward().map_or(smile.forward(), Price::approximate);
            (smile.vol((strike.approximate() / forward).ln()), forward)
        };
        self.held.iter().map(point).collect()
    }

    fn fact(&self, index: u32) -> Option<f64> {
        self.engine.facts(StrategyId(0)).get(facts::series(SeriesId(index))).map(Ratio::get)
    }
}

/// A short strangle with wings and a short perpetual over three recorded days: margins by Deribit's rule to the last unit, the distance
/// by what the rule says on both sides of it, the stress by a revaluation of a portfolio made anew.
#[test]
fn options_are_margined_and_stressed_as_portfolios_made_anew() {
    let Some(shared) = shared("options_are_margined_and_stressed_as_portfolios_made_anew") else { return };
    let (catalogue, ticks) = chain(&shared);
    let cuts = Cuts { reads: (0..FACTS.len()).map(fact_id).collect(), at: None };
    let mut world = Chain::new(&catalogue, &cuts);
    let coin: Currency = COIN.parse().unwrap();
    let parameters = venues::Parameters::deribit_standard();
    let margin =
        |portfolio: &venues::Portfolio| venues::deribit::standard_margin(portfolio, &parameters, coin).unwrap();
    let crash = risk::scenario::NamedStress::named("2025-10-10").unwrap().scenario;
    let (mut checked, mut snapshots) = (0, 0);
    for tick in &ticks {
        world.see(tick);
        let quotes = tick.events.iter().filter(|event| matches!(event, Event::OptionQuote(_))).count();
        if world.held.is_empty() {
            if quotes > 100 && !world.spot.is_zero() {
                world.open(tick.at);
            }
            continue;
        }
        let nothing = vec![(0.5, 1e5); world.held.len()];
        let now = margin(&world.anew(tick.at, 1.0, &nothing));
        checked += 1;
        assert_eq!(world.fact(0), now.ratio().value(), "{}", tick.at);
        assert_eq!(world.fact(1), now.maintenance.value());
        assert_eq!(world.fact(2), now.initial.value());
        if quotes < 100 {
            continue;
        }
        snapshots += 1;
        let points = world.points(tick.at);
        let excess = |times: f64| margin(&world.anew(tick.at, times, &points)).maintenance_excess().value().unwrap();
        let distance = world.fact(3).unwrap();
        let probability = world.fact(4).unwrap();
        assert!(excess(1.0 - distance * 0.9999) >= 0.0 && excess(1.0 + distance * 0.9999) >= 0.0);
        let dead = excess(1.0 - distance * 1.0001) < 0.0 || excess(1.0 + distance * 1.0001) < 0.0;
        assert!(dead && (0.01..0.9).contains(&distance), "{}: {distance}", tick.at);
        assert!((0.0..0.5).contains(&probability), "{probability}");
        let fresh = world.anew(tick.at, 1.0, &points);
        let portfolio = risk::scenario::Portfolio::of(&fresh, coin).unwrap();
        let mut outcomes = risk::scenario::Outcomes::default();
        let mut revaluation = risk::scenario::Revaluation::new(pricing::options::Simd::best());
        revaluation.run(&portfolio, std::slice::from_ref(&crash), &mut outcomes).unwrap();
        let equity = world.engine.account(AccountId(0)).equity().approximate();
        let share = -outcomes.total(0) / equity;
        assert!((world.fact(5).unwrap() - share).abs() < 1e-9, "{}: {:?}, {share}", tick.at, world.fact(5));
        // The engine tells the account as the test made it.
        let told = world.engine.venue_portfolio(AccountId(0)).unwrap();
        let whole = venues::VenueRules::DeribitPortfolio;
        let (own, terms) = (whole.parameters(coin).unwrap(), venues::MarginTerms::of(coin, coin));
        let (by_grid, _) = whole.margin(&told, &own, &terms).unwrap();
        assert_eq!(world.fact(8), by_grid.ratio().value(), "{}: portfolio margin", tick.at);
        for (fact, amount) in [(9, &by_grid.maintenance), (10, &by_grid.initial)] {
            let told = world.fact(fact).unwrap();
            assert!((told - amount.value().unwrap()).abs() < 1e-15, "{told} and {amount}");
        }
        assert_eq!((world.fact(11), world.fact(12)), (Some(1.0), Some(0.0)));
        assert_eq!(margin(&told).ratio(), now.ratio());
    }
    assert!(checked > 60 && snapshots >= 8, "{checked} {snapshots}");

    // Three days without a quote: the marks are no longer the venue's.
    let later = ticks.last().unwrap().at + Duration::from_nanos(4 * Duration::DAY.nanos());
    let (instrument, close, volume) = (InstrumentId(0), world.spot, Qty::ZERO);
    let bar = Bar { instrument, opened: later, closed: later, open: close, high: close, low: close, close, volume };
    world.see(&Tick { at: later, events: vec![Event::Bar(bar)] });
    for index in [0, 1, 3, 5] {
        assert_eq!(world.fact(index), None);
        let refusal = world.engine.risk_refusal(StrategyId(0), SeriesId(index));
        assert!(matches!(refusal, Some(RiskRefusal::Margin(MarginError::Stale { .. }))), "{refusal:?}");
    }
}

/// The same account with a rule that states within what it decides the same: proofs spare revaluations, and change nothing.
#[test]
fn proofs_over_options_change_no_decision() {
    let Some(shared) = shared("proofs_over_options_change_no_decision") else { return };
    let (catalogue, ticks) = chain(&shared);
    // Between bars, a tick a minute that walks there and back.
    let mut market: Vec<Tick> = Vec::new();
    for tick in &ticks {
        market.push(tick.clone());
        let Some(Event::Bar(bar)) = tick.events.iter().find(|event| matches!(event, Event::Bar(_))) else { continue };
        for minute in 1..20 {
            let at = tick.at + Duration::from_nanos(minute * Duration::MINUTE.nanos());
            let close = bar.close + Price::from_raw((minute % 7 - 3) * 40 * Price::ONE);
            let (open, high, low) = (close, close, close);
            market.push(Tick {
                at,
                events: vec![Event::Bar(Bar { opened: at, closed: at, open, high, low, close, ..*bar })],
            });
        }
    }
    market.sort_by_key(|tick| tick.at);
    for at in [(5, 3.0, true), (0, 0.9, true)] {
        let cuts = Cuts { reads: vec![fact_id(at.0)], at: Some(at) };
        let [mut spares, mut always] = [(), ()].map(|()| Chain::new(&catalogue, &cuts));
        always.engine.evaluate_always();
        for tick in &market {
            assert_eq!(spares.see(tick), always.see(tick));
            let quotes = tick.events.iter().filter(|event| matches!(event, Event::OptionQuote(_))).count();
            if spares.held.is_empty() && quotes > 100 && !spares.spot.is_zero() {
                spares.open(tick.at);
                always.open(tick.at);
            }
        }
        assert!(snapshot(&spares.engine) == snapshot(&always.engine), "the states differ");
        let (computed, spared) = spares.engine.risk_readings();
        assert!(spared > 0, "{at:?}: {computed} computed, {spared} spared");
    }
}
