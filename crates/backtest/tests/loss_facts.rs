//! Facts of what may be lost with options over a recorded month: what rules are told is what a history written down by hand and a book made
//! anew give, and why nothing is told where there is too little.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;

use backtest::portfolio::{Book as Portfolio, Held, HistoryRequest, MarketHistory, RiskMethod, RiskRequest, risk};
use common::{Tick, shared, snapshot};
use engine::{Engine, EngineConfig, Output, RiskRefusal, StrategyConfig};
use import::{BarsRequest, Labelled};
use market::*;
use policy::facts::{self, FactId, Facts};
use policy::{Arg, Because, Program, Region, Rule, Target, Verdict};
use pricing::garch::{Innovations, Model};
use pricing::options::Simd;
use risk::greeks::SmilePoint;
use risk::value_at_risk::{
    Book, Dynamics, Factor, Forecast, History, Law, Moves, Paths, Tails as LawTails, ValueAtRiskError, has_own,
};
use risk::venues;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tape::Merged;
use units::state::StateReader;
use units::{AccountId, Duration, InstrumentId, Price, Qty, Ratio, SeriesId, StrategyId, Timestamp};

const FACTS: [&str; 8] = [
    "var(95%, 6h)",
    "es(95%, 6h)",
    "var(90%, 12h, historical)",
    "es(95%, 6h, montecarlo)",
    "var(99%, 1d)",
    "var.component(95%, 6h)",
    "es(95%, 6h, gjr-t)",
    "var(95%, 6h, garch)",
];
const COIN: &str = "BTC";
const DEPOSIT: &str = "30";
const DECAY: Forecast = Forecast::Exponential(0.94);
const GJR: Forecast = Forecast::Fitted(Model { asymmetric: true, innovations: Innovations::Student, mean: false });
const GARCH: Forecast = Forecast::Fitted(Model { asymmetric: false, innovations: Innovations::Normal, mean: false });
const PATHS: Paths = Paths { count: 1_000, seed: 1 };

fn fact_id(index: usize) -> FactId {
    facts::series(SeriesId(index as u32)).id()
}

/// Reads facts, and wants nothing; of one it says on which side of a level it is.
#[derive(Clone)]
struct Watches {
    reads: Vec<FactId>,
    at: Option<(usize, f64)>,
}

impl Rule for Watches {
    fn name(&self) -> &'static str {
        "watches"
    }

    fn reads(&self) -> &[FactId] {
        &self.reads
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let Some((index, level)) = self.at else { return Verdict::keep(proposed) };
        match facts.get(facts::series(SeriesId(index as u32))).map(Ratio::get) {
            None => because.say("not known", []),
            Some(value) if value >= level => because.say("over: {}", [Arg::Percent(value)]),
            Some(value) => because.say("under: {}", [Arg::Percent(value)]),
        }
        Verdict::cut(proposed)
    }

    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        let Some((index, level)) = self.at else { return false };
        let Some(value) = facts.get(facts::series(SeriesId(index as u32))).map(Ratio::get) else { return false };
        if value >= level {
            region.within_ratio(fact_id(index), level, None);
        } else {
            region.within_ratio(fact_id(index), 0.0, Some(level));
        }
        true
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

/// Tapes of a month: Binance's hours as those of the venue's perpetual, and a chain every six hours.
fn tapes(shared: &Path, folder: &Path) -> Vec<PathBuf> {
    let (options, hours) = (folder.join("options.tape"), folder.join("bars.tape"));
    let source = shared.join("data/deribit_options_6h/BTC_2026-02.parquet");
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
    vec![hours, options]
}

fn ticks(tapes: &[PathBuf]) -> (Catalogue, Vec<Tick>) {
    let readers = tapes.iter().map(tape::TapeReader::open).collect::<Result<Vec<_>, _>>().unwrap();
    let mut merged = Merged::new(readers).unwrap();
    let mut catalogue = merged.catalogue().clone();
    catalogue.series = FACTS.map(str::to_owned).to_vec();
    let (mut ticks, mut events) = (Vec::new(), Vec::new());
    while let Some(at) = merged.next_input(&mut events).unwrap() {
        if at > time("2026-03-01") {
            break;
        }
        ticks.push(Tick { at, events: events.clone() });
    }
    (catalogue, ticks)
}

struct World {
    engine: Engine,
    catalogue: Catalogue,
    held: Vec<(usize, Qty, Price)>,
    /// The chain as it was when it was last quoted, fitted anew, and the price of then.
    fitted: Option<(engine::FittedChain, Price)>,
    /// What each chain told, by hand: price, volatility at a month and at a week, skew.
    fits: Vec<(Timestamp, [f64; 4])>,
    now: Timestamp,
}

impl World {
    fn new(catalogue: &Catalogue, at: Option<(usize, f64)>) -> Self {
        Self::counting_in(COIN, catalogue, at)
    }

    fn counting_in(numeraire: &str, catalogue: &Catalogue, at: Option<(usize, f64)>) -> Self {
        let account = AccountSpec { venue: "deribit".into(), numeraire: numeraire.parse().unwrap() };
        let mut engine =
            Engine::new(EngineConfig { catalogue: catalogue.clone(), accounts: vec![account], tiers: Vec::new() });
        let reads = match at {
            Some((index, _)) => vec![fact_id(index)],
            None => (0..FACTS.len()).map(fact_id).collect(),
        };
        let rules: Vec<Box<dyn Rule>> = vec![Box::new(Watches { reads, at })];
        let program = Program::custom(rules).unwrap();
        let perpetual = catalogue.instrument_id("deribit:BTC-PERPETUAL").unwrap();
        engine.add_strategy(StrategyConfig::new(perpetual, program));
        Self {
            engine,
            catalogue: catalogue.clone(),
            held: Vec::new(),
            fitted: None,
            fits: Vec::new(),
            now: Timestamp::MIN,
        }
    }

    fn see(&mut self, tick: &Tick) -> Vec<Output> {
        let outputs = common::feed(&mut self.engine, tick.at, Source::Market, &tick.events);
        if is_chain(tick) {
            let perpetual = self.catalogue.instrument_id("deribit:BTC-PERPETUAL").unwrap();
            let spot = self.engine.account(AccountId(0)).mark(perpetual.index());
            let chain = &self.engine.chains().chains()[0];
            self.fitted = Some((engine::FittedChain::fitted(chain, Some(spot), tick.at), spot));
        }
        if is_chain(tick) {
            self.note(tick.at);
        }
        self.now = tick.at;
        outputs
    }

    /// Writes down what a chain tells, beside the price of then.
    fn note(&mut self, at: Timestamp) {
        let Some((fitted, price)) = &self.fitted else { return };
        let surface = fitted.surface().unwrap();
        let atm = |days: f64| surface.tenor(days / 365.0).unwrap().atm();
        let week = surface.tenor(7.0 / 365.0).unwrap();
        let short = if week.extrapolated() { 0.0 } else { week.atm() };
        let skew = surface.tenor(30.0 / 365.0).unwrap().skew();
        self.fits.push((at, [price.approximate(), atm(30.0), short, skew]));
    }

    /// Changes over steps of so many hours, by hand: each step has the last chain of the quarter of a step before it, else the first one of
    /// the quarter behind it, else the last one of the step before it; no chain is told twice.
    fn history(&self, hours: i64) -> History {
        let step = Duration::from_nanos(hours * Duration::HOUR.nanos());
        let near = Duration::from_nanos(step.nanos() / 4);
        let mut rows: Vec<(Timestamp, [f64; 4])> = Vec::new();
        let (mut at, mut used) = (self.fits[0].0.floor(step) + step, Timestamp::MIN);
        while at <= self.now {
            let before = self.fits.iter().rfind(|(told, _)| *told <= at && *told > used);
            let behind = self.fits.iter().find(|(told, _)| *told > at && told.since(at) <= near);
            let just_before = before.filter(|(told, _)| at.since(*told) <= near);
            let found = just_before.or(behind).or(before.filter(|(told, _)| at.since(*told) < step));
            if let Some((told, levels)) = found {
                used = *told;
                rows.push((at, *levels));
            }
            at = at + step;
        }
        let logs = |[price, vol, short, skew]: &[f64; 4]| {
            let [price, vol, short] =
                [*price, *vol, *short].map(|level| if level > 0.0 { units::math::ln(level) } else { f64::NAN });
            [price, vol, short, *skew]
        };
        let both: Vec<[f64; 2]> = rows
            .iter()
            .map(|(_, levels)| logs(levels))
            .filter(|logs| logs[2].is_finite())
            .map(|logs| [logs[1], logs[2]])
            .collect();
        let coin: Currency = COIN.parse().unwrap();
        let mut factors = vec![Factor::Price(coin), Factor::Vol(coin)];
        // Skews of a market that was recorded move by themselves.
        let mut columns = vec![0, 1];
        if has_own(&both, rows.len()) {
            factors.push(Factor::ShortVol(coin));
            columns.push(2);
        }
        factors.push(Factor::Skew(coin));
        columns.push(3);
        let mut history = History::new(step, factors).unwrap();
        for pair in rows.windows(2).filter(|pair| pair[1].0.since(pair[0].0) == step) {
            let (before, after) = (logs(&pair[0].1), logs(&pair[1].1));
            let changes: Vec<f64> = columns.iter().map(|at| after[*at] - before[*at]).collect();
            if changes.iter().all(|change| change.is_finite()) {
                history.push(&changes).unwrap();
            }
        }
        history
    }

    fn fact(&self, index: usize) -> Option<f64> {
        self.engine.facts(StrategyId(0)).get(facts::series(SeriesId(index as u32))).map(Ratio::get)
    }

    fn refusal(&self, index: usize) -> Option<RiskRefusal> {
        self.engine.risk_refusal(StrategyId(0), SeriesId(index as u32)).cloned()
    }

    /// Takes over from the venue: a strangle of under a month that is sold, its wings, and a short perpetual.
    fn open(&mut self, at: Timestamp) {
        let account = self.engine.account(AccountId(0));
        let perpetual = self.catalogue.instrument_id("deribit:BTC-PERPETUAL").unwrap().index();
        let spot = account.mark(perpetual);
        let chains = self.engine.chains();
        let worth = |index: usize| chains.option(InstrumentId(index as u32)).and_then(|option| option.value);
        let days = |of: &Instrument| of.kind.expiry().map_or(0.0, |expiry| expiry.since(at).days());
        let quoted = self.catalogue.instruments.iter().enumerate().filter(|(index, _)| worth(*index).is_some());
        let month = quoted.map(|(_, of)| days(of)).filter(|days| *days > 12.0);
        let month = month.min_by(|a, b| (a - 25.0).abs().total_cmp(&(b - 25.0).abs())).unwrap();
        let nearest = |right: units::OptionRight, moneyness: f64| {
            let off = |index: &usize| {
                let of = &self.catalogue.instruments[*index];
                let Some((strike, own)) = of.kind.option() else { return f64::MAX };
                let fits = own == right && (days(of) - month).abs() < 1e-6 && worth(*index).is_some();
                if fits { (strike.approximate() / spot.approximate() - moneyness).abs() } else { f64::MAX }
            };
            (0..self.catalogue.instruments.len()).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap()
        };
        use units::OptionRight::{Call, Put};
        let legs = [(Call, 1.1, "-40"), (Put, 0.9, "-35"), (Call, 1.2, "25"), (Put, 0.8, "20")];
        let mut fills = vec![(perpetual, qty("-400000"), spot)];
        for (right, moneyness, size) in legs {
            let index = nearest(right, moneyness);
            fills.push((index, qty(size), worth(index).unwrap()));
        }
        common::feed(&mut self.engine, at, Source::Venue, &common::opened(DEPOSIT, COIN, &fills));
        self.held = fills;
    }

    /// The volatility of each line's expiry at ln(strike ÷ forward), by the chain as it was fitted: strikes keep theirs since.
    fn smile(&self) -> impl Fn(usize, &mut [f64]) + Sync {
        let (fitted, before) = self.fitted.clone().unwrap();
        let expiries: Vec<Option<Timestamp>> =
            self.held.iter().map(|(index, ..)| self.catalogue.instruments[*index].kind.expiry()).collect();
        let now = self.engine.account(AccountId(0)).mark(self.held[0].0);
        let moved = units::math::ln(now.approximate() / before.approximate());
        move |line, places| {
            let Some(Some(expiry)) = expiries.get(line) else { return places.fill(0.0) };
            let years = expiry.since(fitted.at()).nanos() as f64 / (365.0 * 86_400e9);
            let tenor = fitted.surface().unwrap().tenor(years).unwrap();
            places.iter_mut().for_each(|place| *place = tenor.vol(*place + moved));
        }
    }

    /// The account made anew: what was paid, the market of now, smiles of a surface fitted anew.
    fn anew(&self, at: Timestamp) -> risk::scenario::Portfolio {
        let coin: Currency = COIN.parse().unwrap();
        let account = self.engine.account(AccountId(0));
        let spot = account.mark(self.held[0].0);
        let (fitted, before) = self.fitted.as_ref().unwrap();
        let (surface, told) = (fitted.surface().unwrap(), fitted.at());
        let mut portfolio = venues::Portfolio { at, ..venues::Portfolio::default() };
        portfolio.underlyings.push(venues::Underlying { currency: coin, index: spot.approximate(), confidence: 1.0 });
        let mut amount: units::Cash = DEPOSIT.parse().unwrap();
        let mut points = Vec::new();
        for (index, size, price) in &self.held {
            let of = &self.catalogue.instruments[*index];
            let mut position = venues::Position::new(of.clone(), *size);
            position.mark = Some(account.mark(*index));
            if let (Some((strike, _)), Some(expiry)) = (of.kind.option(), of.kind.expiry()) {
                amount -= (*price * *size).cash();
                let smile = surface.tenor(expiry.since(told).nanos() as f64 / (365.0 * 86_400e9)).unwrap();
                let forward = smile.forward();
                let place = units::math::ln(strike.approximate() / forward);
                points.push((
                    portfolio.positions.len(),
                    SmilePoint { vol: smile.vol(place), slope: smile.vol_slope(place) },
                ));
                position.vol = Some(smile.vol(place));
                if !portfolio.expiries.iter().any(|term| term.expiry == expiry) {
                    let (underlying, rate, confidence) = (coin, 0.0, 1.0);
                    let forward = forward * (spot.approximate() / before.approximate());
                    portfolio.expiries.push(venues::Term { underlying, expiry, forward, rate, confidence });
                }
            } else {
                position.entry = Some(*price);
            }
            portfolio.positions.push(position);
        }
        portfolio.balances.push(venues::Balance { currency: coin, amount });
        let mut portfolio = risk::scenario::Portfolio::of(&portfolio, coin).unwrap();
        for (line, point) in points {
            portfolio.set_point(line, point).unwrap();
        }
        portfolio
    }
}

fn is_chain(tick: &Tick) -> bool {
    tick.events.iter().filter(|event| matches!(event, Event::OptionQuote(_))).count() > 100
}

/// A short strangle with wings at moments of a month: figures of a history that is written down by hand and of a book made anew.
#[test]
fn what_may_be_lost_with_options_is_what_rows_and_a_book_made_anew_give() {
    let Some(shared) = shared("what_may_be_lost_with_options_is_what_rows_and_a_book_made_anew_give") else { return };
    let folder = tempfile::tempdir().unwrap();
    let tapes = tapes(&shared, folder.path());
    let (catalogue, ticks) = ticks(&tapes);
    let mut world = World::new(&catalogue, None);
    let (mut checked, mut too_few, mut too_many, mut short) = (0, 0, 0, 0);
    for tick in &ticks {
        world.see(tick);
        let far = tick.at >= time("2026-02-18");
        if world.held.is_empty() {
            if is_chain(tick) && far {
                world.open(tick.at);
            }
            continue;
        }
        // 99 % of days needs a hundred of them.
        match world.refusal(4) {
            Some(RiskRefusal::ValueAtRisk(ValueAtRiskError::TooLittle { .. })) => too_few += 1,
            Some(RiskRefusal::ValueAtRisk(ValueAtRiskError::Tail(_))) => too_many += 1,
            other => panic!("{}: {other:?}", tick.at),
        }
        assert!(world.fact(0).is_some(), "{}: {:?}", tick.at, world.refusal(0));
        if tick.at.floor(Duration::DAY) != tick.at {
            continue;
        }
        checked += 1;
        let equity = world.engine.account(AccountId(0)).equity().approximate();
        let portfolio = world.anew(tick.at);
        let mut book = Book::new(&[portfolio], Dynamics::default(), Simd::best());
        let (quarter, half) = (world.history(6), world.history(12));
        short += u32::from(quarter.factors().len() == 4);
        let law = Law::of(&quarter, Some(DECAY), LawTails::Fitted, 1).unwrap();
        let filtered = Moves::filtered(&quarter, quarter.step(), DECAY, PATHS).unwrap();
        let expected = [
            (0, &filtered, 0.95),
            (1, &filtered, 0.95),
            (2, &Moves::historical(&half, half.step(), PATHS).unwrap(), 0.9),
            (3, &Moves::monte_carlo(&law, quarter.step(), PATHS).unwrap(), 0.95),
            (6, &Moves::filtered(&quarter, quarter.step(), GJR, PATHS).unwrap(), 0.95),
            (7, &Moves::filtered(&quarter, quarter.step(), GARCH, PATHS).unwrap(), 0.95),
        ];
        for (fact, moves, confidence) in expected {
            let figures =
                book.profits_on(moves, 0..moves.len(), &[], world.smile()).unwrap().figures(confidence).unwrap();
            let figure = if FACTS[fact].starts_with("es") { figures.expected_shortfall } else { figures.value_at_risk };
            let told = world.fact(fact).unwrap();
            assert!(
                (told - figure / equity).abs() < 1e-9,
                "{}: {} is {told}, not {}",
                tick.at,
                FACTS[fact],
                figure / equity
            );
            // Over half a day, nine times of ten, time alone may bring more than is lost.
            assert!(told > 0.001 || fact == 2, "{told}");
        }
        // The strategy itself holds nothing.
        assert_eq!(world.fact(5), Some(0.0));
    }
    assert!(checked >= 5 && short >= 5 && too_few + too_many > 100, "{checked} {short} {too_few} {too_many}");
}

impl World {
    /// Whether the last forward told of what is held is the one that its smile was fitted on: quotes of an expiry may tell several,
    /// of which the fit takes the middle.
    fn is_on_told_forwards(&self) -> bool {
        let (fitted, chain) = (&self.fitted.as_ref().unwrap().0, &self.engine.chains().chains()[0]);
        let alike = |expiry: Timestamp| {
            let listed = chain.expiries().iter().find(|listed| listed.at() == expiry).unwrap().forward();
            let report = fitted.reports().find(|report| report.expiry == expiry).unwrap();
            listed.unwrap().approximate() == report.forward.unwrap().price
        };
        self.held.iter().filter_map(|(index, ..)| self.catalogue.instruments[*index].kind.expiry()).all(alike)
    }

    /// What is held as a portfolio file has it.
    fn file(&self, at: Timestamp) -> Portfolio {
        let account = self.engine.account(AccountId(0));
        let row = |(index, size, price): &(usize, Qty, Price)| {
            let of = &self.catalogue.instruments[*index];
            let entry = if of.kind.is_option() { json!(null) } else { json!(price.to_string()) };
            let mut row = json!({"account": "main", "instrument": of.symbol, "quantity": size.to_string()});
            if !entry.is_null() {
                row["entry"] = entry;
            }
            row
        };
        let premium: units::Cash = self
            .held
            .iter()
            .filter(|(index, ..)| self.catalogue.instruments[*index].kind.is_option())
            .map(|(_, size, price)| (*price * *size).cash())
            .sum();
        let coin = DEPOSIT.parse::<units::Cash>().unwrap() - premium;
        let file = json!({
            "schema": "trimtab.portfolio/3",
            "time": at.to_string(),
            "accounts": [{"name": "main", "venue": "deribit", "margin": "standard",
                "balances": [{"currency": COIN, "amount": coin.to_string()}]}],
            "prices": [{"currency": COIN, "price": account.mark(self.held[0].0).approximate()}],
            "positions": self.held.iter().map(row).collect::<Vec<_>>(),
        });
        Portfolio::read(&file.to_string()).unwrap()
    }
}

/// What `trimtab risk` tells of a strangle and of tapes at a moment, and what the facts of a run that reads the same tapes tell of it then:
/// two readers of tapes, two histories, two books, and one figure.
#[test]
fn facts_and_the_command_tell_the_same() {
    let Some(shared) = shared("facts_and_the_command_tell_the_same") else { return };
    let folder = tempfile::tempdir().unwrap();
    let tapes = tapes(&shared, folder.path());
    let (catalogue, ticks) = ticks(&tapes);
    let mut world = World::counting_in("USD", &catalogue, None);
    let (mut checked, mut several) = (0, 0);
    for tick in &ticks {
        world.see(tick);
        if world.held.is_empty() {
            if is_chain(tick) && tick.at >= time("2026-02-18") {
                world.open(tick.at);
            }
            continue;
        }
        // At chains, at whole steps and between.
        let hour = tick.at.floor(Duration::HOUR) == tick.at;
        let is_asked = is_chain(tick) || (hour && (tick.at.nanos() / Duration::HOUR.nanos()) % 3 == 0);
        if !is_asked || tick.at < time("2026-02-20") || tick.at > time("2026-02-23") {
            continue;
        }
        let mut file = world.file(tick.at);
        let market = backtest::portfolio::Market::read(&tapes, tick.at, &mut |_, _| true).unwrap().unwrap();
        let max_age = Duration::DAY;
        file.at_market(&market, max_age).unwrap();
        let held = Held::new(&file, Some(max_age)).unwrap();
        let equity = world.engine.account(AccountId(0)).equity().approximate();
        let hours = |hours: i64| Duration::from_nanos(hours * Duration::HOUR.nanos());
        for (fact, method, confidence, horizon, forecast) in [
            (0, RiskMethod::Filtered, 0.95, hours(6), Some(DECAY)),
            (1, RiskMethod::Filtered, 0.95, hours(6), Some(DECAY)),
            (2, RiskMethod::Historical, 0.9, hours(12), None),
            (3, RiskMethod::MonteCarlo, 0.95, hours(6), Some(DECAY)),
            (6, RiskMethod::Filtered, 0.95, hours(6), Some(GJR)),
            (7, RiskMethod::Filtered, 0.95, hours(6), Some(GARCH)),
        ] {
            // A hundred histories are fitted anew for the command's errors: at chains alone.
            if fact >= 6 && !is_chain(tick) {
                continue;
            }
            let asked = HistoryRequest {
                at: tick.at,
                step: horizon,
                window: None,
                is_on_grid: true,
                coins: held.coins(),
                threads: 1,
            };
            let history = MarketHistory::read(&tapes, &asked, &mut |_, _| true).unwrap().unwrap().unwrap();
            let asked = RiskRequest {
                method,
                confidence,
                horizon,
                scenarios: PATHS.count,
                seed: PATHS.seed,
                forecast,
                tails: LawTails::Fitted,
                dynamics: Dynamics::default(),
                threads: 1,
            };
            let view = risk(&held, &history, &asked, &mut |_| ControlFlow::Continue(())).unwrap();
            let is_shortfall = FACTS[fact].starts_with("es");
            let expected = if is_shortfall { view.expected_shortfall } else { view.value_at_risk };
            let told = world.fact(fact).unwrap() * equity;
            let within = 1e-9 * equity;
            assert!((told - expected).abs() < within, "{}: {} is {told}, not {expected}", tick.at, FACTS[fact]);
            several += usize::from(!world.is_on_told_forwards());
            checked += 1;
        }
    }
    assert!(checked > 60 && several > 0, "{checked} {several}");
}

/// Between quotes, proofs spare revaluations of a book with options and change nothing; nor does a snapshot.
#[test]
fn proofs_of_losses_with_options_change_no_decision() {
    let Some(shared) = shared("proofs_of_losses_with_options_change_no_decision") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (catalogue, ticks) = ticks(&tapes(&shared, folder.path()));
    let mut market: Vec<Tick> = Vec::new();
    for tick in &ticks {
        market.push(tick.clone());
        let bar = tick.events.iter().find(|event| matches!(event, Event::Bar(_)));
        let Some(Event::Bar(bar)) = bar.filter(|_| tick.at >= time("2026-02-20")) else { continue };
        for minute in 1..30 {
            let at = tick.at + Duration::from_nanos(minute * Duration::MINUTE.nanos());
            let close = bar.close + Price::from_raw((minute % 7 - 3) * 20 * Price::ONE);
            let (open, high, low) = (close, close, close);
            market.push(Tick {
                at,
                events: vec![Event::Bar(Bar { opened: at, closed: at, open, high, low, close, ..*bar })],
            });
        }
    }
    market.sort_by_key(|tick| tick.at);
    for at in [(0, 0.03), (1, 0.1)] {
        let [mut spares, mut always, mut resumed] = [(); 3].map(|()| World::new(&catalogue, Some(at)));
        always.engine.evaluate_always();
        for (number, tick) in market.iter().enumerate() {
            let outputs = spares.see(tick);
            assert_eq!(outputs, always.see(tick));
            assert_eq!(outputs, resumed.see(tick));
            if spares.held.is_empty() && is_chain(tick) && tick.at >= time("2026-02-19") {
                for world in [&mut spares, &mut always, &mut resumed] {
                    world.open(tick.at);
                }
            }
            if number % 97 == 0 {
                let bytes = snapshot(&resumed.engine);
                let World { held, fitted, fits, now, .. } = resumed;
                resumed = World { held, fitted, fits, now, ..World::new(&catalogue, Some(at)) };
                resumed.engine.load(&mut StateReader::new(&bytes)).unwrap();
                assert!(snapshot(&resumed.engine) == bytes, "a snapshot loads and saves as another");
            }
        }
        let states = [&spares, &always, &resumed].map(|world| snapshot(&world.engine));
        assert!(states[0] == states[1] && states[0] == states[2], "the states differ");
        let (computed, spared) = spares.engine.risk_readings();
        assert!(spared > computed, "{at:?}: {computed} computed, {spared} spared");
    }
}

/// Whatever coin lies in a flat account that is counted in it, nothing of it may be lost: not the last digit either.
#[test]
fn flat_in_coin_is_exactly_nothing() {
    let coin: Currency = COIN.parse().unwrap();
    let instrument = Instrument {
        symbol: "deribit:BTC-PERPETUAL".into(),
        kind: InstrumentKind::InversePerpetual,
        base: coin,
        quote: Currency::USD,
        settle: coin,
        tick: "0.5".parse().unwrap(),
        lot: qty("10"),
        min_qty: qty("10"),
    };
    let catalogue = Catalogue { instruments: vec![instrument], series: vec!["var(95%, 1h)".to_owned()] };
    let start = time("2026-01-01");
    for cents in [3_000_001_i64, 2_973_152_839, 1_234_567_891, 98_765_432_101] {
        let accounts = vec![AccountSpec { venue: "deribit".into(), numeraire: coin }];
        let mut engine = Engine::new(EngineConfig { catalogue: catalogue.clone(), accounts, tiers: Vec::new() });
        let rules: Vec<Box<dyn Rule>> = vec![Box::new(Watches { reads: vec![fact_id(0)], at: None })];
        let program = Program::custom(rules).unwrap();
        engine.add_strategy(StrategyConfig::new(InstrumentId(0), program));
        let amount = units::Cash::from_raw(i128::from(cents) * units::Cash::ONE / 100_000_000);
        let money = CashChange { account: AccountId(0), currency: coin, amount, reason: CashReason::Deposit };
        common::feed(&mut engine, start, Source::Venue, &[Event::Cash(money)]);
        for hours in 0..60 {
            let at = start + Duration::from_nanos(hours * Duration::HOUR.nanos());
            let close = Price::from_raw((60_000 + 137 * (hours * hours % 11)) * Price::ONE);
            let (instrument, volume) = (InstrumentId(0), Qty::ZERO);
            let bar = Bar { instrument, opened: at, closed: at, open: close, high: close, low: close, close, volume };
            common::feed(&mut engine, at, Source::Market, &[Event::Bar(bar)]);
            if hours > 30 {
                let told = engine.facts(StrategyId(0)).get(facts::series(SeriesId(0))).map(Ratio::get);
                assert_eq!(told, Some(0.0), "{amount} at {at}");
            }
        }
    }
}

/// Prices that never change, and a market that was silent for long, tell of nothing; a flat account with a history may lose nothing.
#[test]
fn what_tells_nothing_is_refused() {
    let usdt: Currency = "USDT".parse().unwrap();
    let instrument = Instrument {
        symbol: "binance:BTCUSDT-PERP".into(),
        kind: InstrumentKind::LinearPerpetual,
        base: COIN.parse().unwrap(),
        quote: usdt,
        settle: usdt,
        tick: "0.1".parse().unwrap(),
        lot: qty("0.001"),
        min_qty: qty("0.001"),
    };
    let catalogue = Catalogue { instruments: vec![instrument], series: vec!["var(95%, 1h)".to_owned()] };
    let start = time("2026-01-01");
    let engine = |deposit: bool| {
        let accounts = vec![AccountSpec { venue: "binance".into(), numeraire: usdt }];
        let mut engine = Engine::new(EngineConfig { catalogue: catalogue.clone(), accounts, tiers: Vec::new() });
        let rules: Vec<Box<dyn Rule>> = vec![Box::new(Watches { reads: vec![fact_id(0)], at: None })];
        let program = Program::custom(rules).unwrap();
        engine.add_strategy(StrategyConfig::new(InstrumentId(0), program));
        let (account, amount) = (AccountId(0), "1000".parse().unwrap());
        let money = CashChange { account, currency: usdt, amount, reason: CashReason::Deposit };
        if deposit {
            common::feed(&mut engine, start, Source::Venue, &[Event::Cash(money)]);
        }
        engine
    };
    let hour = |engine: &mut Engine, hours: i64, close: Price| {
        let at = start + Duration::from_nanos(hours * Duration::HOUR.nanos());
        let (instrument, volume) = (InstrumentId(0), Qty::ZERO);
        let bar = Bar { instrument, opened: at, closed: at, open: close, high: close, low: close, close, volume };
        common::feed(engine, at, Source::Market, &[Event::Bar(bar)]);
    };
    let told = |engine: &Engine| {
        let value = engine.facts(StrategyId(0)).get(facts::series(SeriesId(0))).map(Ratio::get);
        value.ok_or_else(|| engine.risk_refusal(StrategyId(0), SeriesId(0)).unwrap().clone())
    };
    let wave = |hours: i64| Price::from_raw((60_000 + 100 * (hours * hours % 7)) * Price::ONE);
    let mut moving = engine(true);
    for hours in 0..30 {
        hour(&mut moving, hours, wave(hours));
        let too_little = ValueAtRiskError::TooLittle { count: hours as usize, fewest: 30 };
        assert_eq!(told(&moving), Err(RiskRefusal::ValueAtRisk(too_little)));
    }
    hour(&mut moving, 30, wave(30));
    assert_eq!(told(&moving), Ok(0.0), "nothing is held");
    hour(&mut moving, 39, wave(39));
    assert_eq!(told(&moving), Ok(0.0));
    hour(&mut moving, 80, wave(80));
    let ago = Duration::from_nanos(41 * Duration::HOUR.nanos());
    let ended = told(&moving);
    assert!(matches!(ended, Err(RiskRefusal::Ended(Factor::Price(_), since)) if since > ago), "{ended:?}");
    // Behind the hole the volatility of now is mostly one of before it for a while: each change has 0.94 of the weight of the next.
    for behind in 1..=20_usize {
        hour(&mut moving, 80 + behind as i64, wave(80 + behind as i64));
        let weights: Vec<f64> = (0..30 + behind).map(|ago| 0.94_f64.powi(ago as i32)).collect();
        let before = weights[behind..].iter().sum::<f64>() / weights.iter().sum::<f64>();
        match told(&moving) {
            Ok(value) => assert!(value == 0.0 && before <= 0.5, "{behind}: {before}"),
            Err(RiskRefusal::ValueAtRisk(ValueAtRiskError::Hole { behind: count, weight })) => {
                assert!(
                    count == behind && (weight - before).abs() < 1e-12 && before > 0.5,
                    "{behind}: {weight} {before}"
                );
            }
            other => panic!("{behind}: {other:?}"),
        }
    }
    // So long a hole leaves no row before it.
    hour(&mut moving, 100_000, wave(1));
    let too_little = ValueAtRiskError::TooLittle { count: 0, fewest: 30 };
    assert_eq!(told(&moving), Err(RiskRefusal::ValueAtRisk(too_little)));

    let mut still = engine(true);
    (0..40).for_each(|hours| hour(&mut still, hours, wave(0)));
    let constant = ValueAtRiskError::Constant(Factor::Price(COIN.parse().unwrap()));
    assert_eq!(told(&still), Err(RiskRefusal::ValueAtRisk(constant)));

    let mut poor = engine(false);
    (0..40).for_each(|hours| hour(&mut poor, hours, wave(hours)));
    assert_eq!(told(&poor).unwrap_err().to_string(), "equity is not over zero");
}
