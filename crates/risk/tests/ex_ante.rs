//! Volatility of structures: against closed forms, and against integrals over a dense grid.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use pricing::options::{EuropeanOption, Inputs, OptionStyle, Simd};
use risk::greeks::{OptionKey, PortfolioGreeks, SmilePoint, Sticky};
use risk::{ExAnteError, Leg, OneDay, ProfitIn, ex_ante};
use units::math::{exp, sqrt};
use units::{AccountId, Contract, Duration, OptionRight, StrategyId, Timestamp};

const F: f64 = 60_000.0;

fn day(atm_vol: f64, sticky: Sticky) -> OneDay {
    OneDay { price: F, atm_vol, sticky, profit_in: ProfitIn::Quote }
}

fn option(right: OptionRight, quantity: f64, strike: f64, days: f64, vol: f64, slope: f64) -> Leg {
    Leg::Option {
        right,
        quantity,
        inputs: Inputs { forward: F, strike, years: days / 365.0, vol, discount: 1.0 },
        slope,
    }
}

fn near(what: &str, value: f64, expected: f64, part: f64) {
    assert!(
        (value / expected - 1.0).abs() <= part,
        "{what}: {value}, not {expected}: off by {:e}",
        value / expected - 1.0
    );
}

/// e^x − 1, without losing digits to the subtraction.
fn growth(x: f64) -> f64 {
    (2..=12).rev().fold(1.0, |sum, k| 1.0 + x / f64::from(k) * sum) * x
}

/// |delta| × F × √(e^(σ²/365) − 1) × √365; in coin, of an inverse contract, quantity ÷ F × e^(σ²/365) times the same root.
#[test]
fn a_book_without_curvature_has_a_closed_form() {
    for vol in [0.01, 0.5, 2.0] {
        let variance = vol * vol / 365.0;
        let root = sqrt(growth(variance));
        let legs = [
            Leg::DeltaOne { contract: Contract::Linear, quantity: 2.0, forward: F },
            Leg::DeltaOne { contract: Contract::Inverse, quantity: -210_000.0, forward: F },
        ];
        let one = ex_ante(&legs, &day(vol, Sticky::Moneyness)).unwrap();
        near("linear", one.annual(), 1.5 * F * root * sqrt(365.0), 1e-11);
        near("as a fraction of one coin", one.of_exposure(F).unwrap().get(), 1.5 * root * sqrt(365.0), 1e-11);
        let coin = OneDay { profit_in: ProfitIn::Coin, ..day(vol, Sticky::Moneyness) };
        let inverse = ex_ante(&legs[1..], &coin).unwrap();
        near("inverse in coin", inverse.one_day, 210_000.0 * exp(variance) * root, 1e-11);
        // A call less a put is a forward.
        let synthetic = [
            option(OptionRight::Call, 1.0, 50_000.0, 9.0, 0.7, -0.1),
            option(OptionRight::Put, -1.0, 50_000.0, 9.0, 0.7, -0.1),
        ];
        for sticky in [Sticky::Strike, Sticky::Moneyness] {
            near("synthetic", ex_ante(&synthetic, &day(vol, sticky)).unwrap().one_day, F * root, 1e-9);
        }
    }
    assert_eq!(ex_ante(&[], &day(0.5, Sticky::Strike)).unwrap().one_day, 0.0);
    assert_eq!(ex_ante(&[], &day(0.5, Sticky::Strike)).unwrap().of_exposure(0.0), None);
}

/// Simpson's rule over 10,000 steps from −10 to 10 deviations, with the price of each option asked for by itself.
fn dense(legs: &[(OptionRight, f64, f64)], days: f64, vol: f64) -> f64 {
    let deviation = vol / sqrt(365.0);
    let price = |right, strike, forward, years| {
        let inputs = Inputs { forward, strike, years, vol, discount: 1.0 };
        EuropeanOption::new(right, inputs).unwrap().greeks().price
    };
    let value = |forward: f64, years: f64| -> f64 {
        legs.iter().map(|(right, quantity, strike)| quantity * price(*right, *strike, forward, years)).sum()
    };
    let now = value(F, days / 365.0);
    let (mut all, mut first, mut second) = (0.0, 0.0, 0.0);
    for step in 0..=10_000 {
        let z = -10.0 + f64::from(step) / 500.0;
        let simpson = if step == 0 || step == 10_000 {
            1.0
        } else if step % 2 == 1 {
            4.0
        } else {
            2.0
        };
        let weight = simpson * exp(-z * z / 2.0);
        let forward = F * exp(deviation * z - deviation * deviation / 2.0);
        let profit = value(forward, ((days - 1.0) / 365.0).max(0.0)) - now;
        (all, first, second) = (all + weight, first + weight * profit, second + weight * profit * profit);
    }
    sqrt(second / all - first / all * (first / all))
}

/// What is promised of 32 nodes, by how long the options live.
#[test]
fn structures_against_a_dense_integral() {
    use OptionRight::{Call, Put};
    let structures = [
        ("straddle", vec![(Call, 1.0, F), (Put, 1.0, F)]),
        ("short strangle", vec![(Call, -1.0, 1.05 * F), (Put, -1.0, 0.95 * F)]),
        ("butterfly", vec![(Call, 1.0, 0.95 * F), (Call, -2.0, F), (Call, 1.0, 1.05 * F)]),
    ];
    for (days, part) in [(365.0, 1e-8), (30.0, 1e-8), (7.0, 1e-8), (2.0, 1e-8), (1.2, 3e-4), (1.0, 0.045), (0.5, 0.045)]
    {
        for vol in [0.3, 0.6, 1.2] {
            for (name, legs) in &structures {
                let priced: Vec<Leg> = legs
                    .iter()
                    .map(|(right, quantity, strike)| option(*right, *quantity, *strike, days, vol, 0.0))
                    .collect();
                let one = ex_ante(&priced, &day(vol, Sticky::Moneyness)).unwrap();
                near(&format!("{name}, {days} days, {vol}"), one.one_day, dense(legs, days, vol), part);
            }
        }
    }
}

/// Where the day is quiet the book moves by the hedge delta that it has when the day is over, which depends on what of the smile stays.
#[test]
fn on_a_quiet_day_it_is_the_hedge_delta() {
    let btc = "BTC".parse().unwrap();
    let expiry = Timestamp::from_nanos(60 * Duration::DAY.nanos());
    let mut greeks = PortfolioGreeks::new(Simd::best());
    greeks.set_price(btc, F).unwrap();
    greeks.set_forward(btc, expiry, F).unwrap();
    let key = OptionKey {
        underlying: btc,
        expiry,
        strike: "66000".parse().unwrap(),
        right: OptionRight::Call,
        style: OptionStyle::Inverse,
        venue: AccountId(0),
        strategy: StrategyId(0),
    };
    greeks.hold(key, "-3".parse().unwrap(), SmilePoint { vol: 0.6, slope: -0.25 }).unwrap();
    let sums = greeks.underlying(btc);
    let legs = [option(OptionRight::Call, -3.0, 66_000.0, 61.0, 0.6, -0.25)];
    for sticky in [Sticky::Strike, Sticky::Moneyness] {
        let one = ex_ante(&legs, &day(1e-5, sticky)).unwrap();
        near("quote", one.annual(), sums.hedge_delta(sticky).abs() * F * 1e-5, 1e-5);
        let coin = OneDay { profit_in: ProfitIn::Coin, ..day(1e-5, sticky) };
        near("coin", ex_ante(&legs, &coin).unwrap().annual(), sums.net_delta(sticky).abs() * F * 1e-5, 1e-5);
    }
}

/// The discount goes with the day, and profit that is certain is no volatility.
#[test]
fn a_day_of_interest_is_not_volatility() {
    let deep = |right, quantity| Leg::Option {
        right,
        quantity,
        inputs: Inputs { forward: F, strike: 30_000.0, years: 0.5, vol: 0.5, discount: 0.97 },
        slope: 0.0,
    };
    let legs = [deep(OptionRight::Call, 1.0), deep(OptionRight::Put, -1.0)];
    let one = ex_ante(&legs, &day(0.5, Sticky::Strike)).unwrap().one_day;
    let discount_then = exp(units::math::ln(0.97) * (1.0 - 1.0 / 182.5));
    near("discounted forward", one, discount_then * F * sqrt(growth(0.25 / 365.0)), 1e-9);
}

#[test]
fn refusals() {
    let says = |legs: &[Leg], day: &OneDay, text: &str| assert_eq!(ex_ante(legs, day).unwrap_err().to_string(), text);
    let call = option(OptionRight::Call, 1.0, F, 30.0, 0.6, 0.0);
    says(&[call], &day(f64::NAN, Sticky::Strike), "`vol` is NaN; it must lie between 0 and 100");
    let late = option(OptionRight::Call, 1.0, F, -365.0, 0.6, 0.0);
    says(&[late], &day(0.5, Sticky::Strike), "`years` is -1: the option has expired; it must lie between 0 and 200");
    let endless = option(OptionRight::Call, f64::INFINITY, F, 30.0, 0.6, 0.0);
    says(&[endless], &day(0.5, Sticky::Strike), "the quantity of a leg is inf; it must be finite");
    let steep = option(OptionRight::Call, 1.0, F, 30.0, 0.6, f64::NAN);
    assert!(matches!(ex_ante(&[steep], &day(0.5, Sticky::Strike)), Err(ExAnteError::NotFinite("slope", _))));
    // A spot beyond all prices.
    assert!(matches!(ex_ante(&[call], &day(90.0, Sticky::Strike)), Err(ExAnteError::Number(_))));
}
