//! Capital that follows a strategy's own drawdown: two strategies in one account, one of which loses, against a recursion made here.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/tape.rs"]
mod tapes;

use backtest::{PolicyFile, Request, Run};
use market::InstrumentKind;
use policy::spec::DrawdownBudget;
use std::ops::ControlFlow;
use std::path::Path;
use tapes::{Walk, instrument, tape};
use units::random::Random;
use units::{Duration, Ratio, Timestamp};

const BEGIN: &str = "2025-01-01T00:00:00Z";
const LOT: f64 = 0.001;

/// One price all day but for a change at noon.
fn days(changes: &[f64]) -> Vec<f64> {
    let mut price: f64 = 100.0;
    let mut closes = Vec::new();
    for change in changes {
        closes.extend([price; 11]);
        price = (price * (1.0 + change) * 100.0).round() / 100.0;
        closes.extend([price; 13]);
    }
    closes
}

fn policy(coin: &str, allocation: &str, rest: &str) -> PolicyFile {
    let text = format!(
        "policy = 1\nname = \"{coin}\"\ninstrument = \"binance:{coin}USDT-PERP\"\ncapital = \"50%\"\n{allocation}\
         [signal]\nkind = \"constant\"\nstrength = 1.0\nreentry = \"at_once\"\n[size]\nkind = \"fixed_fraction\"\nfraction = 1.2\n{rest}"
    );
    PolicyFile::new(format!("{coin}.toml"), text)
}

const VENUE: &str = "[backtest]\ndeposit = \"100_000 USDT\"\ntaker_fee = 0.0\nmaker_fee = 0.0\nhalf_spread = 0.0\nslippage = 0.0\n\
                     latency = \"0ms\"\n";

fn run(changes: [&[f64]; 2], allocation: &str, folder: &Path) -> Run {
    let coins = ["BTC", "ETH"];
    let tapes = coins.iter().zip(changes).map(|(coin, changes)| {
        let symbol = format!("binance:{coin}USDT-PERP");
        let instrument = instrument(&symbol, InstrumentKind::LinearPerpetual, coin, "USDT", "USDT");
        tape(&Walk::new(instrument, BEGIN, &days(changes)), &folder.join(format!("{coin}.tape")))
    });
    let policies = vec![policy(coins[0], allocation, VENUE), policy(coins[1], "", "")];
    let request = Request { policies, tapes: tapes.collect(), program: "test".into(), seed: None };
    let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(run.record.residual, "0");
    common::assert_it_holds(&run);
    run
}

/// What is held of a coin at a time.
fn held(run: &Run, coin: &str, at: Timestamp) -> f64 {
    let own = run.tables.fills.iter().filter(|fill| fill.strategy.as_str() == coin && fill.time <= at);
    own.map(|fill| fill.quantity.approximate() * if fill.side.as_str() == "buy" { 1.0 } else { -1.0 }).sum()
}

/// Day by day what the losing strategy holds in the evening: 1.2 × what its drawdown leaves of half the equity, in whole lots. Its drawdown
/// is that of the returns on half the equity of each midnight, from the highest of so many days before.
fn expected(changes: [&[f64]; 2], most: f64, window: usize) -> Vec<(f64, f64)> {
    let prices = changes.map(|changes| days(changes).chunks(24).map(|day| [day[0], day[23]]).collect::<Vec<_>>());
    let lots = |value: f64, price: f64| (value / price / LOT + 1e-9).floor() * LOT;
    let (mut equity, mut index, mut past) = (100_000.0, 1.0, vec![1.0]);
    let mut all = Vec::new();
    for (first, second) in prices[0].iter().zip(&prices[1]) {
        let highest = past[past.len().saturating_sub(window + 1)..].iter().copied().fold(f64::MIN, f64::max);
        let down: f64 = 1.0 - index / highest;
        let left = ((most - down) / (most * (1.0 - down))).clamp(0.0, 1.0);
        let own = lots(1.2 * left * 0.5 * equity, first[0]);
        let other = lots(1.2 * 0.5 * equity, second[0]);
        let made = own * (first[1] - first[0]);
        index *= 1.0 + made / (0.5 * equity);
        past.push(index);
        equity += made + other * (second[1] - second[0]);
        all.push((left, lots(1.2 * left * 0.5 * equity, first[1])));
    }
    all
}

#[test]
fn a_losing_strategy_has_less_of_its_capital_and_the_other_all() {
    let folder = tempfile::tempdir().unwrap();
    let falls = [0.02, -0.03, -0.05, 0.04, -0.06, -0.05, -0.04, 0.06, 0.08, -0.09, 0.05, 0.07, 0.09, 0.03];
    let rises = [0.01, 0.02, -0.01, 0.03, 0.02, 0.01, -0.02, 0.01, 0.02, 0.0, 0.01, 0.02, 0.01, 0.02];
    let begin: Timestamp = BEGIN.parse().unwrap();
    for (allocation, window) in [
        ("[allocation]\ndrawdown = \"25%\"\n", 1_000),
        ("[allocation]\ndrawdown = \"25%\"\ndrawdown_window = \"4d\"\n", 4),
    ] {
        let home = folder.path().join(window.to_string());
        std::fs::create_dir(&home).unwrap();
        let run = run([&falls, &rises], allocation, &home);
        let told = expected([&falls, &rises], 0.25, window);
        for (day, (left, wanted)) in told.iter().enumerate() {
            let evening = begin + Duration::from_nanos(Duration::HOUR.nanos() * (24 * day as i64 + 22));
            let found = held(&run, "BTC", evening);
            assert!(
                (found - wanted).abs() < 0.0021,
                "day {day}: {found} held, {wanted} expected, {left} of the capital"
            );
        }
        let least = told.iter().map(|(left, _)| *left).fold(1.0, f64::min);
        assert!(least < 0.7, "{least}");
        assert!(told.last().unwrap().0 > least, "it recovers");
        let step = run.tables.plans.iter().find(|row| row.rule.as_str() == "allocation").unwrap();
        assert!(step.because.contains("of at most 25.0 %"), "{}", step.because);
    }
}

/// At its most it is flat, and stays so until the day of its highest is out of the window.
#[test]
fn nothing_is_held_of_nothing_and_a_window_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut falls = vec![0.0, -0.24];
    falls.extend([0.01; 12]);
    let still = [0.0; 14];
    let run = run([&falls, &still], "[allocation]\ndrawdown = \"25%\"\ndrawdown_window = \"5d\"\n", folder.path());
    let begin: Timestamp = BEGIN.parse().unwrap();
    let at = |day: i64| held(&run, "BTC", begin + Duration::from_nanos(Duration::HOUR.nanos() * (24 * day + 22)));
    assert!(at(1) > 400.0, "within the day nothing is known of it");
    // The third day begins at a loss of 28.8 %; the second ended the last day at the highest, and the sixth after it begins anew.
    for day in 2..=6 {
        assert_eq!(at(day), 0.0, "day {day}");
    }
    assert!(at(7) > 500.0, "{}", at(7));
    let step =
        run.tables.plans.iter().find(|row| row.rule.as_str() == "allocation" && row.outcome.as_str() == "cut").unwrap();
    assert_eq!(step.because, "own drawdown 28.8 % of at most 25.0 %: nothing of its capital is left");
}

/// A strategy that trades in small steps what its drawdown leaves, four times what may be lost at the highest, never reaches the floor.
#[test]
fn small_steps_stay_over_the_floor() {
    let budget = DrawdownBudget { most: Ratio::new(0.2).unwrap(), window: None };
    let random = Random::new(59);
    let (mut index, mut highest) = (1.0_f64, 1.0_f64);
    for step in 0..50_000 {
        let [one, other] = random.uniform(0, step);
        let change = 0.008 * (one + other - 1.0) * 2.449 - 0.000_3;
        index *= 1.0 + 0.8 * budget.left(1.0 - index / highest) * change;
        highest = highest.max(index);
        assert!(index > 0.8 * highest);
    }
    assert!(index < 0.85 * highest, "it was put to the test: {index} of {highest}");
}
