//! Prices and Greeks against 120-digit differentiation, and what must hold for any option.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use pricing::options::{
    DeltaConvention, EuropeanOption, Expiry, Field, Greeks, Inputs, OptionKind, ThetaConvention, functions,
};
use proptest::prelude::*;
use serde_json::Value;
use units::{Duration, Timestamp, YearFraction};

fn option(kind: &str, numbers: [f64; 5]) -> EuropeanOption {
    let [forward, strike, years, vol, discount] = numbers;
    let kind = if kind == "call" { OptionKind::Call } else { OptionKind::Put };
    EuropeanOption::new(kind, Inputs { forward, strike, years, vol, discount }).unwrap()
}

fn numbers<const N: usize>(values: &[Value]) -> [f64; N] {
    std::array::from_fn(|k| values[k].as_str().unwrap().parse().unwrap())
}

/// The golden cases: option, values, sizes of the largest terms, values in coin.
fn cases() -> Vec<(EuropeanOption, Greeks, Greeks, Option<Greeks>)> {
    let golden: Value = serde_json::from_str(include_str!("../../../vectors/options.json")).unwrap();
    let order: Vec<&str> = golden["order"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(order, Greeks::NAMES);
    let greeks = |row: &Value| Greeks::from_values(numbers(row.as_array().unwrap()));
    let read = |row: &Value| {
        let inputs = row["inputs"].as_array().unwrap();
        let option = option(inputs[0].as_str().unwrap(), numbers(&inputs[1..]));
        (option, greeks(&row["values"]), greeks(&row["scales"]), row.get("coin").map(greeks))
    };
    golden["cases"].as_array().unwrap().iter().map(read).collect()
}

#[test]
fn price_and_every_greek_agree_with_differentiation() {
    let mut worst: [(f64, String); 13] = std::array::from_fn(|_| (0.0, String::new()));
    for (option, exact, scale, _) in cases() {
        let ours = option.greeks().values();
        for k in 0..13 {
            // Under the smallest normal number a density is 0.
            let size = scale.values()[k];
            if size < 1e-290 {
                assert!(ours[k].abs() < 1e-290, "{} of {option:?}", Greeks::NAMES[k]);
                continue;
            }
            let error = (ours[k] - exact.values()[k]).abs() / size;
            assert!(!error.is_nan(), "{} of {option:?}", Greeks::NAMES[k]);
            if error > worst[k].0 {
                worst[k] = (error, format!("{option:?}: {:e} for {:e}", ours[k], exact.values()[k]));
            }
        }
    }
    for (k, (error, case)) in worst.iter().enumerate() {
        println!("{:>6} {error:.2e} {case}", Greeks::NAMES[k]);
    }
    assert!(worst[0].0 <= 4e-15, "price: {:?}", worst[0]);
    for (name, worst) in Greeks::NAMES.iter().zip(&worst).skip(1) {
        assert!(worst.0 <= 1e-12, "{name}: {worst:?}");
    }
}

/// The quotient rule of [`Greeks::in_coin`] against differentiating price ÷ forward, which knows nothing of it.
#[test]
fn coin_greeks_agree_with_differentiating_the_coin_price() {
    let mut compared = 0;
    for (option, _, scale, coin) in cases() {
        let Some(coin) = coin else { continue };
        let forward = option.inputs().forward;
        let usd = option.greeks();
        let ours = usd.in_coin(forward).values();
        // The sizes of what the rule adds up, in coin: of each order of the forward the lower ones too.
        let sizes = scale.values().map(|size| size / forward);
        let [price, delta, gamma, vega, theta, _, vanna, _, charm, ..] =
            usd.values().map(|value| value.abs() / forward);
        let lower = [
            0.0,
            price / forward,
            (2.0 * delta).max(2.0 * price / forward) / forward,
            0.0,
            0.0,
            0.0,
            vega / forward,
            0.0,
            theta / forward,
            0.0,
            (3.0 * gamma).max(6.0 * delta / forward).max(6.0 * price / forward / forward) / forward,
            (2.0 * vanna).max(2.0 * vega / forward) / forward,
            (2.0 * charm).max(2.0 * theta / forward) / forward,
        ];
        for k in 0..13 {
            let size = sizes[k].max(lower[k]);
            let error = (ours[k] - coin.values()[k]).abs();
            let fits = error <= 1e-12 * size || size < 1e-290;
            assert!(fits, "{} of {option:?}: {error:e} for {size:e}", Greeks::NAMES[k]);
        }
        // Net delta is what a change of the forward does to the coin price, in coin per coin.
        let net = usd.delta_as(DeltaConvention::Net, forward);
        let size = usd.delta.abs().max(usd.price / forward).max(1e-290);
        assert!((net - coin.delta * forward).abs() <= 1e-12 * size, "{option:?}");
        compared += 1;
    }
    assert_eq!(compared, 50);
}

#[test]
fn functions_agree_with_many_digits_within_what_they_state() {
    let golden: Value = serde_json::from_str(include_str!("../../../vectors/normal_law.json")).unwrap();
    let unit = f64::EPSILON / 2.0;
    let mut worst = std::collections::BTreeMap::new();
    for (name, rows) in golden.as_object().unwrap() {
        for row in rows.as_array().unwrap() {
            let [x, exact] = numbers(row.as_array().unwrap());
            let (ours, allowed) = match name.as_str() {
                "exp" => (functions::exp(x), 2.0),
                "ln" => (functions::ln(x), 3.0),
                "density" => (functions::normal_density(x), 3.0 + x * x),
                _ => (functions::normal_distribution(x), if x < 0.0 { 8.0 + x * x } else { 2.0 }),
            };
            if exact.abs() < 1e-305 {
                assert!(ours.abs() < 1e-300, "{name}({x}) = {ours}");
                continue;
            }
            let error = (ours - exact).abs() / exact.abs() / unit;
            let share: &mut f64 = worst.entry(name.clone()).or_insert(0.0);
            *share = share.max(error / allowed);
            assert!(error <= allowed, "{name}({x}) = {ours}, not {exact}: {error} units");
        }
    }
    println!("largest error as a share of what is allowed: {worst:?}");
    assert_eq!(functions::exp(-709.0), 0.0);
    assert_eq!(functions::exp(0.0), 1.0);
    assert_eq!(functions::ln(1.0).to_bits(), 0);
}

/// The functions over many arguments, beside the pure-Rust library of the workspace, which is good to one unit.
#[test]
fn functions_agree_with_a_second_implementation() {
    let unit = f64::EPSILON / 2.0;
    let (mut exp_worst, mut ln_worst) = (0.0_f64, 0.0_f64);
    for k in 0..400_000 {
        let x = -708.0 + 1_416.0 * (f64::from(k) * 0.618_033_988_749_894_9).fract();
        exp_worst = exp_worst.max((functions::exp(x) / units::math::exp(x) - 1.0).abs() / unit);
        let y = functions::exp(x / 2.0);
        ln_worst = ln_worst.max((functions::ln(y) / units::math::ln(y) - 1.0).abs() / unit);
        let near = 1.0 + x / 3_000.0;
        ln_worst = ln_worst.max((functions::ln(near) / units::math::ln(near) - 1.0).abs() / unit);
    }
    println!("exp {exp_worst}, ln {ln_worst} units");
    assert!(exp_worst <= 4.0 && ln_worst <= 5.0, "exp {exp_worst}, ln {ln_worst}");
}

#[test]
fn without_time_or_volatility_the_limits_are_given() {
    let infinity = f64::INFINITY;
    let check = |kind: &str, strike: f64, years: f64, vol: f64, discount: f64, expected: [f64; 13]| {
        let ours = option(kind, [100.0, strike, years, vol, discount]).greeks().values();
        for k in 0..13 {
            let same = ours[k] == expected[k] || (ours[k] - expected[k]).abs() <= 1e-13 * expected[k].abs();
            assert!(same, "{} of {kind} {strike} {years} {vol}: {} not {}", Greeks::NAMES[k], ours[k], expected[k]);
        }
    };
    let (day, point, peak) = (1.0 / 365.0, 0.01, 0.398_942_280_401_432_7);
    let only = |price: f64, delta: f64| [price, delta, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    check("call", 90.0, 0.0, 0.5, 1.0, only(10.0, 1.0));
    check("put", 90.0, 0.0, 0.5, 1.0, only(0.0, 0.0));
    check("put", 110.0, 0.0, 0.0, 1.0, only(10.0, -1.0));
    check("call", 110.0, 0.0, 0.0, 1.0, only(0.0, 0.0));
    // A year at 10 %, no volatility: the discounted pay-off, which grows with time by the rate.
    let (discount, rate) = (functions::exp(-0.1), 0.1);
    let mut forward = only(10.0 * discount, discount);
    forward[4] = rate * 10.0 * discount * day;
    forward[5] = -10.0 * discount * point;
    forward[8] = rate * discount * day;
    check("call", 90.0, 1.0, 0.0, discount, forward);
    // At the strike.
    let mut at = only(0.0, 0.5);
    (at[2], at[3], at[6]) = (infinity, peak * 100.0 * point, 0.5 * peak * point);
    (at[9], at[10], at[11], at[12]) = (-at[3] * 0.5 * day, -infinity, -infinity, infinity);
    check("call", 100.0, 1.0, 0.0, 1.0, at);
    let mut expired = only(0.0, -0.5);
    (expired[2], expired[4], expired[8]) = (infinity, -infinity, -infinity);
    (expired[9], expired[10], expired[11], expired[12]) = (-infinity, -infinity, -infinity, infinity);
    check("put", 100.0, 0.0, 0.5, 1.0, expired);
    (expired[4], expired[8]) = (0.0, 0.0);
    check("put", 100.0, 0.0, 0.0, 1.0, expired);
}

/// The limits are those of the formula: a very small volatility comes near them.
#[test]
fn a_vanishing_volatility_comes_near_the_limits() {
    for (kind, strike, discount) in
        [("call", 90.0, 0.9), ("put", 90.0, 1.0), ("put", 110.0, 0.95), ("call", 100.0, 0.9)]
    {
        let limit = option(kind, [100.0, strike, 0.5, 0.0, discount]).greeks();
        let near = option(kind, [100.0, strike, 0.5, 2e-8, discount]).greeks();
        for k in [0, 1, 3, 4, 5, 6, 7, 8, 9] {
            let (a, b) = (near.values()[k], limit.values()[k]);
            assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{} of {kind} {strike}: {a} {b}", Greeks::NAMES[k]);
        }
        if strike == 100.0 {
            assert!(near.gamma > 1e5 && near.speed < -1e3 && near.zomma < -1e8 && near.color > 1e2, "{near:?}");
        }
    }
}

#[test]
fn numbers_that_no_option_can_have_are_refused() {
    let good = Inputs { forward: 60_000.0, strike: 65_000.0, years: 0.1, vol: 0.65, discount: 1.0 };
    let bad = [-1.0, -f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX];
    for value in bad {
        let cases = [
            (Field::Forward, Inputs { forward: value, ..good }),
            (Field::Strike, Inputs { strike: value, ..good }),
            (Field::Years, Inputs { years: value, ..good }),
            (Field::Vol, Inputs { vol: value, ..good }),
            (Field::Discount, Inputs { discount: value, ..good }),
        ];
        for (field, inputs) in cases {
            let refusal = EuropeanOption::new(OptionKind::Put, inputs).unwrap_err();
            assert_eq!(refusal.field, field);
            assert_eq!(refusal.value.to_bits(), value.to_bits());
        }
    }
    for inputs in [Inputs { forward: 0.0, ..good }, Inputs { strike: -0.0, ..good }, Inputs { discount: 0.0, ..good }] {
        EuropeanOption::new(OptionKind::Call, inputs).unwrap_err();
    }
    let past = EuropeanOption::new(OptionKind::Call, Inputs { years: -0.5, ..good }).unwrap_err();
    assert_eq!(past.to_string(), "`years` is -0.5: the option has expired; it must lie between 0 and 200");
    let percent = EuropeanOption::new(OptionKind::Call, Inputs { vol: 650.0, ..good }).unwrap_err();
    assert_eq!(percent.to_string(), "`vol` is 650; it must lie between 0 and 100");
}

#[test]
fn expiry_is_at_eight_and_decays_over_half_an_hour() {
    let hour = Duration::HOUR.nanos();
    let midnight = 20_468 * Duration::DAY.nanos();
    let expiry = Expiry::on_day_of(Timestamp::from_nanos(midnight + 17 * hour)).unwrap();
    assert_eq!(expiry.at().to_string(), "2026-01-15T08:00:00Z");
    let at = |minutes: i64| Timestamp::from_nanos(midnight + 8 * hour + minutes * Duration::MINUTE.nanos());
    for (minutes, share) in [(-24 * 60, 1.0), (-30, 1.0), (-15, 0.5), (-3, 0.1), (0, 0.0), (5, 0.0)] {
        assert_eq!(expiry.undecided(at(minutes)), share, "{minutes}");
    }
    assert_eq!(expiry.years_from(at(-365 * 24 * 60)), YearFraction::new(1.0));
    assert_eq!(expiry.years_from(at(0)), YearFraction::new(0.0));
    assert_eq!(expiry.years_from(at(1)), None);
    assert_eq!(Expiry::on_day_of(Timestamp::MIN), None);
    // Before 1970 the day begins before the instant too.
    assert_eq!(Expiry::on_day_of(Timestamp::from_nanos(-1)).unwrap().at().nanos(), -16 * hour);
}

#[test]
fn theta_of_a_venue_ends_with_the_option() {
    let call = option("call", [60_000.0, 60_000.0, 0.25 / 365.0, 0.5, 1.0]);
    let (greeks, lifetime) = (call.greeks(), YearFraction::new(0.25 / 365.0).unwrap());
    assert_eq!(greeks.theta_as(ThetaConvention::Day, lifetime), greeks.theta);
    assert!((greeks.theta_as(ThetaConvention::DayOrLifetime, lifetime) / greeks.theta - 0.25).abs() < 1e-15);
    let week = YearFraction::new(7.0 / 365.0).unwrap();
    assert_eq!(greeks.theta_as(ThetaConvention::DayOrLifetime, week), greeks.theta);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn parity_symmetry_and_homogeneity(
        moneyness in -3.0..3.0_f64, years in 1e-8..5.0_f64, vol in 0.01..5.0_f64, discount in 0.5..1.1_f64, scale in 0.01..100.0_f64
    ) {
        let forward = 60_000.0;
        let strike = forward * functions::exp(moneyness * vol * years.sqrt());
        prop_assume!((1e-12..1e13).contains(&strike));
        let numbers = [forward, strike, years, vol, discount];
        let (call, put) = (option("call", numbers).greeks(), option("put", numbers).greeks());
        let size = discount * forward.max(strike);
        // Parity, of price and of every Greek that it fixes.
        prop_assert!((call.price - put.price - discount * (forward - strike)).abs() <= 4e-16 * size);
        prop_assert!((call.delta - put.delta - discount).abs() <= 3e-16);
        for k in [2, 3, 6, 7, 9, 10, 11, 12] {
            prop_assert_eq!(call.values()[k].to_bits(), put.values()[k].to_bits());
        }
        let exercise = discount * (forward - strike);
        prop_assert!(call.price >= exercise.max(0.0) * (1.0 - 1e-15) && call.price <= discount * forward * (1.0 + 1e-15));
        prop_assert!(put.price >= (-exercise).max(0.0) * (1.0 - 1e-15) && put.price <= discount * strike * (1.0 + 1e-15));
        // A call is a put with forward and strike exchanged.
        let mirror = option("put", [strike, forward, years, vol, discount]).greeks();
        prop_assert!((call.price - mirror.price).abs() <= 8e-16 * size);
        // Twofold prices: twofold value to the last bit; any other factor up to rounding.
        let doubled = option("call", [2.0 * forward, 2.0 * strike, years, vol, discount]).greeks();
        prop_assert_eq!((2.0 * call.price).to_bits(), doubled.price.to_bits());
        prop_assert_eq!(call.delta.to_bits(), doubled.delta.to_bits());
        prop_assert_eq!((0.5 * call.gamma).to_bits(), doubled.gamma.to_bits());
        let scaled = option("call", [scale * forward, scale * strike, years, vol, discount]).greeks();
        prop_assert!((scaled.price - scale * call.price).abs() <= 8e-15 * scale * size);
    }
}
