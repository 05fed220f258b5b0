//! Volatility of structures: against closed forms, and against integrals over a dense grid.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use pricing::options::{EuropeanOption, Inputs, OptionStyle, Simd};
use risk::greeks::{OptionKey, PortfolioGreeks, SmilePoint, Sticky};
use risk::{ExAnte, ExAnteError, Leg, OneDay, ProfitIn};
use units::math::{exp, ln, sqrt};
use units::{AccountId, Contract, Duration, OptionRight, StrategyId, Timestamp};

const F: f64 = 60_000.0;

fn day(atm_vol: f64, sticky: Sticky) -> OneDay {
    OneDay { price: F, atm_vol, sticky, profit_in: ProfitIn::Quote }
}

fn option(right: OptionRight, quantity: f64, strike: f64, days: f64, vol: f64) -> Leg {
    Leg::Option { right, quantity, inputs: Inputs { forward: F, strike, years: days / 365.0, vol, discount: 1.0 } }
}

/// The volatility of legs whose smiles are lines of one slope.
fn ex_ante(legs: &[Leg], day: &OneDay, slope: f64) -> Result<ExAnte, ExAnteError> {
    risk::ex_ante(legs, day, |_, places| places.iter_mut().for_each(|place| *place = 0.5 + slope * *place))
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
        let one = ex_ante(&legs, &day(vol, Sticky::Moneyness), 0.0).unwrap();
        near("linear", one.annual(), 1.5 * F * root * sqrt(365.0), 1e-11);
        near("as a fraction of one coin", one.of_exposure(F).unwrap().get(), 1.5 * root * sqrt(365.0), 1e-11);
        let coin = OneDay { profit_in: ProfitIn::Coin, ..day(vol, Sticky::Moneyness) };
        let inverse = ex_ante(&legs[1..], &coin, 0.0).unwrap();
        near("inverse in coin", inverse.one_day, 210_000.0 * exp(variance) * root, 1e-11);
        // A call less a put is a forward.
        let synthetic =
            [option(OptionRight::Call, 1.0, 50_000.0, 9.0, 0.7), option(OptionRight::Put, -1.0, 50_000.0, 9.0, 0.7)];
        for sticky in [Sticky::Strike, Sticky::Moneyness] {
            near("synthetic", ex_ante(&synthetic, &day(vol, sticky), -0.1).unwrap().one_day, F * root, 1e-9);
        }
    }
    assert_eq!(ex_ante(&[], &day(0.5, Sticky::Strike), 0.0).unwrap().one_day, 0.0);
    assert_eq!(ex_ante(&[], &day(0.5, Sticky::Strike), 0.0).unwrap().of_exposure(0.0), None);
}

/// Simpson's rule over 10,000 steps from −10 to 10 deviations, with the price of each option asked for by itself.
fn dense(legs: &[(OptionRight, f64, f64)], days: f64, vol: f64, smile: impl Fn(f64) -> f64) -> f64 {
    let deviation = vol / sqrt(365.0);
    let price = |right, strike, forward, years| {
        let inputs = Inputs { forward, strike, years, vol: smile(ln(strike / forward)), discount: 1.0 };
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
                    .map(|(right, quantity, strike)| option(*right, *quantity, *strike, days, vol))
                    .collect();
                let one = ex_ante(&priced, &day(vol, Sticky::Moneyness), 0.0).unwrap();
                near(&format!("{name}, {days} days, {vol}"), one.one_day, dense(legs, days, vol, |_| vol), part);
            }
        }
    }
}

/// A smile as steep and as curved as those of coins: what a day is expected to bring depends on all of it within reach. A line through
/// each strike's point would tell 3 to 7 % too little of a strangle.
#[test]
fn whole_smiles_move_along() {
    use OptionRight::{Call, Put};
    let smile = |k: f64| 0.5 - 0.12 * k + 1.6 * k * k;
    let legs = [(Call, -1.0, 1.1 * F), (Put, -1.0, 0.9 * F)];
    for days in [7.0, 30.0, 90.0] {
        let vol_at = |strike: f64| smile(ln(strike / F));
        let priced: Vec<Leg> =
            legs.iter().map(|(right, qty, strike)| option(*right, *qty, *strike, days, vol_at(*strike))).collect();
        let along = |_: usize, places: &mut [f64]| places.iter_mut().for_each(|place| *place = smile(*place));
        let one = risk::ex_ante(&priced, &day(0.5, Sticky::Moneyness), along).unwrap();
        let expected = dense(&legs, days, 0.5, smile);
        near(&format!("{days} days"), one.one_day, expected, 1e-7);
        let tangents = |leg: usize, places: &mut [f64]| {
            let k = ln(legs[leg].2 / F);
            places.iter_mut().for_each(|place| *place *= 3.2 * k - 0.12);
        };
        let along_lines = risk::ex_ante(&priced, &day(0.5, Sticky::Moneyness), tangents).unwrap();
        let ratio = along_lines.one_day / expected;
        assert!((0.93..0.97).contains(&ratio), "{days} days: {ratio} by lines");
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
    let legs = [option(OptionRight::Call, -3.0, 66_000.0, 61.0, 0.6)];
    for sticky in [Sticky::Strike, Sticky::Moneyness] {
        let one = ex_ante(&legs, &day(1e-5, sticky), -0.25).unwrap();
        near("quote", one.annual(), sums.hedge_delta(sticky).abs() * F * 1e-5, 1e-5);
        let coin = OneDay { profit_in: ProfitIn::Coin, ..day(1e-5, sticky) };
        near("coin", ex_ante(&legs, &coin, -0.25).unwrap().annual(), sums.net_delta(sticky).abs() * F * 1e-5, 1e-5);
    }
}

/// The discount goes with the day, and profit that is certain is no volatility.
#[test]
fn a_day_of_interest_is_not_volatility() {
    let deep = |right, quantity| Leg::Option {
        right,
        quantity,
        inputs: Inputs { forward: F, strike: 30_000.0, years: 0.5, vol: 0.5, discount: 0.97 },
    };
    let legs = [deep(OptionRight::Call, 1.0), deep(OptionRight::Put, -1.0)];
    let one = ex_ante(&legs, &day(0.5, Sticky::Strike), 0.0).unwrap().one_day;
    let discount_then = exp(units::math::ln(0.97) * (1.0 - 1.0 / 182.5));
    near("discounted forward", one, discount_then * F * sqrt(growth(0.25 / 365.0)), 1e-9);
}

#[test]
fn refusals() {
    let says = |legs: &[Leg], day: &OneDay, text: &str| {
        assert_eq!(ex_ante(legs, day, 0.0).unwrap_err().to_string(), text);
    };
    let call = option(OptionRight::Call, 1.0, F, 30.0, 0.6);
    says(&[call], &day(f64::NAN, Sticky::Strike), "`vol` is NaN; it must lie between 0 and 100");
    let late = option(OptionRight::Call, 1.0, F, -365.0, 0.6);
    says(&[late], &day(0.5, Sticky::Strike), "`years` is -1: the option has expired; it must lie between 0 and 200");
    let endless = option(OptionRight::Call, f64::INFINITY, F, 30.0, 0.6);
    says(&[endless], &day(0.5, Sticky::Strike), "the quantity of a leg is inf; it must be finite");
    let error = ex_ante(&[call], &day(0.5, Sticky::Moneyness), f64::NAN).unwrap_err();
    assert!(matches!(error, ExAnteError::NotFinite("volatility of the smile", _)));
    // Smiles that stay at their strikes are not asked.
    assert!(ex_ante(&[call], &day(0.5, Sticky::Strike), f64::NAN).is_ok());
    // A spot beyond all prices.
    assert!(matches!(ex_ante(&[call], &day(90.0, Sticky::Strike), 0.0), Err(ExAnteError::Number(_))));
}
