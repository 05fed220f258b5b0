//! Facts of ruin and growth: what rules are told at each input is what the returns of whole days say, whatever was paid in between.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;

use common::{feed, snapshot};
use engine::{Engine, EngineConfig, RiskRefusal, StrategyConfig};
use market::*;
use policy::facts::{self, FactId, Facts};
use policy::{Because, Program, Region, Rule, Target, Verdict};
use risk::growth::{Dependence, GrowthError, Walk, kelly_empirical, kelly_shrinkage};
use units::state::StateReader;
use units::{AccountId, Cash, Duration, InstrumentId, Price, Qty, Rate, Ratio, SeriesId, StrategyId, Timestamp};

const FACTS: [&str; 4] = ["ruin(50%)", "ruin(20%, 90d)", "kelly(60d)", "kelly(365d)"];
const READS: [FactId; 4] = [
    facts::series(SeriesId(0)).id(),
    facts::series(SeriesId(1)).id(),
    facts::series(SeriesId(2)).id(),
    facts::series(SeriesId(3)).id(),
];

/// Reads all of them and wants nothing.
struct Reads;

impl Rule for Reads {
    fn name(&self) -> &'static str {
        "reads"
    }

    fn reads(&self) -> &[FactId] {
        &READS
    }

    fn evaluate(&self, _facts: &Facts, proposed: Target, _because: &mut Because) -> Verdict {
        Verdict::keep(proposed)
    }

    fn quiet(&self, _facts: &Facts, _proposed: Target, _because: &Because, _region: &mut Region) -> bool {
        false
    }
}

fn engine() -> Engine {
    let usdt: Currency = "USDT".parse().unwrap();
    let step: Qty = "0.001".parse().unwrap();
    let instrument = Instrument {
        symbol: "binance:BTCUSDT-PERP".into(),
        kind: InstrumentKind::LinearPerpetual,
        base: "BTC".parse().unwrap(),
        quote: usdt,
        settle: usdt,
        tick: "0.1".parse().unwrap(),
        lot: step,
        min_qty: step,
    };
    let catalogue = Catalogue { instruments: vec![instrument], series: FACTS.map(str::to_owned).to_vec() };
    let accounts = vec![AccountSpec { venue: "binance".into(), numeraire: usdt }];
    let mut engine = Engine::new(EngineConfig { catalogue, accounts, tiers: Vec::new() });
    let rules: Vec<Box<dyn Rule>> = vec![Box::new(Reads)];
    let program = Program::custom(rules).unwrap();
    engine.add_strategy(StrategyConfig::new(InstrumentId(0), program));
    engine
}

const FUNDING: CashReason =
    CashReason::Funding { instrument: InstrumentId(0), rate: Rate::ZERO, mark: Price::ZERO, position: Qty::ZERO };

fn money(amount: f64, reason: CashReason) -> Event {
    let amount = Cash::from_estimate(amount, units::Round::Nearest).unwrap();
    Event::Cash(CashChange { account: AccountId(0), currency: "USDT".parse().unwrap(), amount, reason })
}

fn tick(engine: &mut Engine, at: Timestamp) {
    let price: Price = "60000".parse().unwrap();
    let (opened, volume) = (at - Duration::HOUR, Qty::ZERO);
    let instrument = InstrumentId(0);
    let bar = Bar { instrument, opened, closed: at, open: price, high: price, low: price, close: price, volume };
    feed(engine, at, Source::Market, &[Event::Bar(bar)]);
}

fn told(engine: &Engine) -> [Result<f64, RiskRefusal>; 4] {
    std::array::from_fn(|at| {
        let series = SeriesId(at as u32);
        let value = engine.facts(StrategyId(0)).get(facts::series(series)).map(Ratio::get);
        value.ok_or_else(|| engine.risk_refusal(StrategyId(0), series).unwrap().clone())
    })
}

/// Over two years each day earns a return that is known beforehand, partly after money was moved. From the sixtieth day on the facts are
/// those of the returns of the last 365 days; within a day nothing changes them, and an engine from a snapshot tells the same.
#[test]
fn facts_of_growth_are_those_of_whole_days() {
    let start: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
    let (mut engine, mut resumed) = (engine(), engine());
    let (mut state, mut equity, mut days) = (5_u64, 10_000.0_f64, Vec::new());
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as f64 / 4_294_967_296.0 - 0.48
    };
    let both = |engine: &mut Engine, resumed: &mut Engine, at: Timestamp, event: Option<Event>| {
        for engine in [engine, resumed] {
            match &event {
                Some(event) => drop(feed(engine, at, Source::Venue, std::slice::from_ref(event))),
                None => tick(engine, at),
            }
        }
    };
    both(&mut engine, &mut resumed, start, Some(money(equity, CashReason::Deposit)));
    for day in 0..730_i64 {
        let hour =
            |hours: i64| start + Duration::from_nanos(day * Duration::DAY.nanos() + hours * Duration::HOUR.nanos());
        let value = 0.04 * next();
        both(&mut engine, &mut resumed, hour(6), None);
        // Half of it before money moves, the rest of it of what is there then.
        let first = units::math::sqrt(1.0 + value) - 1.0;
        both(&mut engine, &mut resumed, hour(8), Some(money(equity * first, FUNDING)));
        equity *= 1.0 + first;
        let moved = match day % 7 {
            3 => Some(money(2_000.0, CashReason::Deposit)),
            5 => Some(money(-1_000.0, CashReason::Withdrawal)),
            _ => None,
        };
        if let Some(event) = moved {
            equity += if day % 7 == 3 { 2_000.0 } else { -1_000.0 };
            both(&mut engine, &mut resumed, hour(12), Some(event));
        }
        let second = (1.0 + value) / (1.0 + first) - 1.0;
        // What the venue tells at midnight before the market does is of the day that ends, and decides nothing before that is whole.
        let at = if day % 5 == 2 { hour(24) } else { hour(18) };
        let rest = money(equity * second, FUNDING);
        equity *= 1.0 + second;
        let before = told(&engine);
        if at == hour(18) {
            both(&mut engine, &mut resumed, at, Some(rest));
            both(&mut engine, &mut resumed, hour(23), None);
        } else {
            both(&mut engine, &mut resumed, hour(23), None);
            both(&mut engine, &mut resumed, at, Some(rest));
        }
        assert_eq!(before, told(&engine), "nothing changes within a day");
        // Midnight itself, where more than one input may come.
        both(&mut engine, &mut resumed, hour(24), None);
        both(&mut engine, &mut resumed, hour(24), None);
        days.push(value);
        let found = told(&engine);
        assert_eq!(found, told(&resumed));
        if days.len() < 60 {
            assert!(found.iter().all(|fact| *fact == Err(RiskRefusal::TooFewDays { count: days.len() })), "{found:?}");
            continue;
        }
        let last = |most: usize| &days[days.len().saturating_sub(most)..];
        let walk = Walk::of_returns(last(365), 365.0).unwrap();
        let kelly = |most: usize| {
            let days = last(most);
            let mean = days.iter().sum::<f64>() / days.len() as f64;
            let variance = Dependence::of(days).unwrap().long_run_variance;
            kelly_empirical(days).unwrap() * kelly_shrinkage(mean, variance, days.len() as u32).unwrap()
        };
        let expected = [walk.loses(0.5, 1.0).unwrap(), walk.loses(0.2, 90.0 / 365.0).unwrap(), kelly(60), kelly(365)];
        for (found, expected) in found.iter().zip(expected) {
            let found = found.as_ref().unwrap();
            assert!((found - expected).abs() <= 1e-7 * (1.0 + expected), "day {day}: {found} is not {expected}");
        }
        if day % 100 == 70 {
            let bytes = snapshot(&engine);
            resumed = self::engine();
            resumed.load(&mut StateReader::new(&bytes)).unwrap();
            assert!(snapshot(&resumed) == bytes, "a snapshot loads and saves as another");
            tick(&mut engine, hour(24) + Duration::MINUTE);
            tick(&mut resumed, hour(24) + Duration::MINUTE);
        }
    }
    assert!(snapshot(&engine) == snapshot(&resumed), "the states differ");
}

/// An account that never moves has no volatility, and one that lost everything no future: said, never a number.
#[test]
fn what_returns_do_not_tell_is_refused() {
    let start: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
    let run = |lost: f64| {
        let mut engine = engine();
        feed(&mut engine, start, Source::Venue, &[money(10_000.0, CashReason::Deposit)]);
        for day in 0..70_i64 {
            let at = start + Duration::from_nanos(day * Duration::DAY.nanos());
            tick(&mut engine, at);
            if day == 30 && lost > 0.0 {
                feed(&mut engine, at + Duration::HOUR, Source::Venue, &[money(-lost, FUNDING)]);
            }
        }
        told(&engine)
    };
    let still = run(0.0);
    assert!(
        still.iter().all(|fact| matches!(fact, Err(RiskRefusal::Growth(GrowthError::Outside { .. })))),
        "{still:?}"
    );
    let ruined = run(10_000.0);
    assert!(matches!(ruined[0], Err(RiskRefusal::Growth(_) | RiskRefusal::TooFewDays { .. })), "{ruined:?}");
}
