//! Bands of hedges against the published formula and against utility that is simulated; the choice of an instrument against sums by hand.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use common::Random;
use pricing::laws::{normal_density, normal_distribution};
use risk::bands::{BandError, Hedged, Numeraire, steps_within, target, trade};
use risk::hedging::{Instrument, Kind, Need, Refused, choose, option_carry};
use units::math::{exp, ln, sqrt};

const HEDGED: Hedged = Hedged {
    price: 100.0,
    gamma: 0.02,
    cost: 0.001,
    equity: 1_000.0,
    risk_aversion: 100.0,
    discount: 1.0,
    numeraire: Numeraire::Dollar,
};

/// By hand, how it grows, and that coins and dollars agree on it.
#[test]
fn half_bands_are_those_of_the_formula() {
    // 1.5 × 0.001 × 100 × 0.0004 ÷ 0.1 = 0.0006.
    let half = HEDGED.half_band().unwrap();
    assert!((half * half * half - 0.000_6).abs() < 1e-15, "{half}");
    let grows = |other: Hedged, by: f64| (other.half_band().unwrap() / half - by).abs() < 1e-12;
    assert!(grows(Hedged { gamma: -0.16, ..HEDGED }, 4.0) && grows(Hedged { cost: 0.008, ..HEDGED }, 2.0));
    assert!(grows(Hedged { risk_aversion: 12.5, ..HEDGED }, 2.0) && grows(Hedged { equity: 8_000.0, ..HEDGED }, 2.0));
    assert!(grows(Hedged { discount: 0.125, ..HEDGED }, 0.5) && grows(Hedged { gamma: 0.0, ..HEDGED }, 0.0));
    // The same equity counted in coins: 10 of them.
    assert!(grows(Hedged { equity: 10.0, numeraire: Numeraire::Coin, ..HEDGED }, 1.0));
    assert!((HEDGED.implied_aversion(half * 2.0).unwrap() - 12.5).abs() < 1e-9);
    // No other band is less of a burden; twice and half of it are a half more and five eighths.
    let burden = |by: f64| HEDGED.burden(half * by, 0.6).unwrap();
    for by in [0.1, 0.5, 0.9, 0.99, 1.01, 1.1, 2.0] {
        assert!(burden(by) > burden(1.0), "{by}");
        assert!((burden(by) / burden(1.0) - (2.0 / by + by * by) / 3.0).abs() < 1e-12, "{by}");
    }
    assert_eq!((trade(0.5, 0.0, 0.2), trade(-0.5, 0.0, 0.2), trade(0.1, 0.0, 0.2)), (-0.3, 0.3, 0.0));
    assert!((steps_within(0.2, 100.0, -0.02, 0.5, 0.01) - 2.0).abs() < 1e-12);
}

/// Of a position whose worth in coins is known as a function of the price: the target in coins is where that does not change.
#[test]
fn the_centre_in_coins_is_where_coins_do_not_change() {
    let (strike, deviation) = (100.0, 0.2);
    let value = |price: f64| {
        let d = ln(price / strike) / deviation + deviation / 2.0;
        price * normal_distribution(d) - strike * normal_distribution(d - deviation)
    };
    let price = 110.0;
    let delta = normal_distribution(ln(price / strike) / deviation + deviation / 2.0);
    let hedge = target(delta, value(price) / price, Numeraire::Coin);
    // Held: the option, and so many coins through an inverse contract, whose profit in coins is N (1 ÷ entry − 1 ÷ price).
    let wealth = |at: f64| value(at) / at + hedge * price * (1.0 / price - 1.0 / at);
    let slope = (wealth(price + 0.01) - wealth(price - 0.01)) / 0.02;
    assert!(slope.abs() < 1e-8, "{slope}");
    assert_eq!(target(delta, 1.0, Numeraire::Dollar), -delta);
}

/// A month of hedging an option that was sold, in 500 steps, at a tenth of a percent. Certain wealth is highest near the asymptotic band;
/// three times and a third of it are worse by far, and no fixed band does as well.
#[test]
fn simulated_utility_is_best_near_the_asymptotic_band() {
    let (strike, volatility, years, steps, paths) = (100.0_f64, 0.6_f64, 30.0 / 365.0, 500, 4_000);
    let step = years / f64::from(steps);
    let factors = [0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0];
    let fixed = [0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.17];
    let hedged = Hedged { equity: 1_000.0, risk_aversion: 100.0, ..HEDGED };
    let aversion = hedged.risk_aversion / hedged.equity;
    let mut random = Random(71);
    let mut sums = [[0.0_f64; 7]; 2];
    for path in 0..paths {
        // Each path and its mirror.
        let normals: Vec<f64> = (0..steps).map(|_| random.normal()).collect();
        for sign in [1.0, -1.0] {
            let mut price = 100.0_f64;
            let mut held = [[0.0_f64; 7]; 2];
            let mut wealth = [[0.0_f64; 7]; 2];
            for (at, normal) in normals.iter().enumerate() {
                let left = years - step * at as f64;
                let deviation = volatility * sqrt(left);
                let d = ln(price / strike) / deviation + deviation / 2.0;
                let (delta, gamma) = (normal_distribution(d), normal_density(d) / (price * deviation));
                let half = Hedged { price, gamma, ..hedged }.half_band().unwrap();
                let next = price * exp(volatility * sqrt(step) * sign * normal - volatility * volatility * step / 2.0);
                for (kind, (held, wealth)) in held.iter_mut().zip(&mut wealth).enumerate() {
                    for number in 0..7 {
                        let half = if kind == 0 { half * factors[number] } else { fixed[number] };
                        // The first trade is the same for all, and no part of the comparison.
                        let traded = if at == 0 { delta - held[number] } else { trade(held[number], delta, half) };
                        held[number] += traded;
                        wealth[number] += held[number] * (next - price);
                        wealth[number] -= if at == 0 { 0.0 } else { hedged.cost * price * traded.abs() };
                    }
                }
                price = next;
            }
            for kind in 0..2 {
                for number in 0..7 {
                    let end = wealth[kind][number] - (price - strike).max(0.0);
                    sums[kind][number] += exp(-aversion * (end + 6.8));
                }
            }
        }
        let _ = path;
    }
    let certain = sums.map(|list| list.map(|sum| -ln(sum / f64::from(2 * paths)) / aversion));
    println!("{factors:?}: {:.4?}\n{fixed:?}: {:.4?}", certain[0], certain[1]);
    let at = |factor: usize| certain[0][factor];
    let best = certain[0].into_iter().fold(f64::NEG_INFINITY, f64::max);
    let best_fixed = certain[1].into_iter().fold(f64::NEG_INFINITY, f64::max);
    // What all of hedging costs beside no costs and no steps at all is the scale.
    let scale = at(3) - at(6).min(at(0));
    assert!(best == at(3) || best == at(2) || best == at(4), "{certain:?}");
    assert!(best - at(3) < 0.1 * scale && at(0) < at(3) && at(6) < at(3), "{certain:?}");
    assert!(at(3) > best_fixed, "{certain:?}");
}

fn perpetual() -> Instrument {
    Instrument {
        kind: Kind::Perpetual,
        delta: 1.0,
        half_spread: 0.5,
        impact: 0.01,
        fee: 2.0,
        carry: 1_000.0,
        margin: 5_000.0,
        expiry: None,
        delivery: 0.0,
        lot: 0.1,
        most: [100.0, 100.0],
        held: 0.0,
    }
}

/// Ten coins to sell for a tenth of a year, by hand.
#[test]
fn the_cheapest_instrument_to_the_horizon_is_chosen() {
    let need = Need { delta: -10.0, years: 0.1, capital: 0.1, is_closed: true };
    let future = Instrument { kind: Kind::Future, carry: 200.0, expiry: Some(0.04), delivery: 1.0, ..perpetual() };
    let spot = Instrument { kind: Kind::Spot, carry: 0.0, margin: 50_000.0, most: [100.0, 4.0], ..perpetual() };
    let put = Instrument { kind: Kind::Option, delta: -0.5, half_spread: 20.0, carry: 300.0, ..perpetual() };
    let far = Instrument { kind: Kind::Option, delta: -1e-5, ..perpetual() };
    let mut offers = Vec::new();
    let instruments = [perpetual(), future, spot, put, far];
    let best = choose(&instruments, &need, &mut offers).unwrap();
    let costs = offers[0].costs.unwrap();
    // Two trades; what is held short receives.
    assert_eq!((costs.spread, costs.impact, costs.fees, costs.rolls), (10.0, 2.0, 40.0, 0));
    assert!((costs.carry + 1_000.0).abs() < 1e-9 && (costs.margin - 500.0).abs() < 1e-9);
    let costs = offers[1].costs.unwrap();
    // It ends twice, so it is bought three times and sold once.
    assert_eq!((costs.spread, costs.impact, costs.fees, costs.rolls), (20.0, 4.0, 100.0, 2));
    assert_eq!(offers[2].costs, Err(Refused::TooMuch { units: 10.0, most: 4.0 }));
    let costs = offers[3].costs.unwrap();
    assert_eq!((offers[3].units, costs.spread), (20.0, 800.0));
    assert!((costs.carry - 600.0).abs() < 1e-9);
    assert_eq!(offers[4].costs, Err(Refused::NoDelta));
    assert_eq!(best, Some(0));
    // Bought, the perpetual pays what it received, and the future is the cheaper one; spot is the cheapest if capital costs nothing.
    let long = Need { delta: 10.0, ..need };
    assert_eq!(choose(&instruments, &long, &mut offers), Ok(Some(1)));
    // What it loses is told until it ends: 200 a year for each of ten, 0.04 years long.
    assert!((offers[1].costs.unwrap().total() - 704.0).abs() < 1e-9, "{offers:?}");
    assert_eq!(choose(&instruments, &Need { capital: 0.0, ..long }, &mut offers), Ok(Some(2)));
    assert!((offers[2].costs.unwrap().total() - 52.0).abs() < 1e-9, "{offers:?}");
    // A volatility of 60 % that is paid for, 50 % expected: 0.5 × 0.002 × 100² × 0.11.
    assert!((option_carry(0.002, 100.0, 0.6, 0.5) - 1.1).abs() < 1e-12);
    // Held until it is delivered there is no last trade.
    let until = Need { years: 0.04, ..need };
    choose(&instruments, &until, &mut offers).unwrap();
    let costs = offers[1].costs.unwrap();
    assert_eq!((costs.spread, costs.fees, costs.rolls), (5.0, 30.0, 0));
    // The nearer lot; too little for one.
    choose(&[perpetual()], &Need { delta: 0.27, ..need }, &mut offers).unwrap();
    assert!((offers[0].units - 0.3).abs() < 1e-12 && (offers[0].residual + 0.03).abs() < 1e-12);
    assert_eq!(choose(&[perpetual()], &Need { delta: 0.04, ..need }, &mut offers), Ok(None));
    assert!(matches!(offers[0].costs, Err(Refused::UnderLot { .. })));
    let ended = Instrument { expiry: Some(0.0), ..future };
    assert_eq!(choose(&[ended], &need, &mut offers), Ok(None));
    assert_eq!(offers[0].costs, Err(Refused::Ended));
}

/// Against all that is paid with and without the trade, month by month: what is held is closed at the horizon, unless it was traded
/// back before.
#[test]
fn what_is_held_counts() {
    let perpetual = Instrument {
        half_spread: 3.0,
        impact: 0.5,
        fee: 20.0,
        carry: 700.0,
        margin: 5_000.0,
        lot: 0.001,
        most: [f64::INFINITY; 2],
        delta: 1.0,
        ..Instrument::default()
    };
    let need = |delta| Need { delta, years: 0.25, capital: 0.08, is_closed: true };
    // Opening costs that are not the trade: closing at the horizon, and three months of carry and capital.
    let outlay = |held: f64| {
        let trade = |units: f64| units.abs() * 23.0 + units * units * 0.5;
        let months: f64 = (0..3).map(|_| (held * 700.0 + held.abs() * 5_000.0 * 0.08) / 12.0).sum();
        trade(held) + months
    };
    let mut offers = Vec::new();
    for held in [-3.0, -1.0, 0.0, 0.4, 2.0] {
        for delta in [-4.0, -2.0, -0.4, 0.3, 1.0, 3.0_f64] {
            choose(&[Instrument { held, ..perpetual }], &need(delta), &mut offers).unwrap();
            let told = offers[0].costs.unwrap().total();
            let by_hand = delta.abs() * 23.0 + delta * delta * 0.5 + outlay(held + delta) - outlay(held);
            assert!((told - by_hand).abs() < 1e-9, "{held} and {delta}: {told}, by hand {by_hand}");
        }
    }
    // An option that is sold before its settlement pays its spread once; what is bought pays it twice.
    let option =
        Instrument { kind: Kind::Option, delta: 0.5, held: 10.0, carry: 0.0, margin: 0.0, impact: 0.0, ..perpetual };
    for (delta, by_hand) in [(-1.0, 2.0 * 23.0), (1.0, 2.0 * 2.0 * 23.0)] {
        choose(&[option], &need(delta), &mut offers).unwrap();
        assert!((offers[0].costs.unwrap().total() - by_hand).abs() < 1e-9, "{delta}");
    }
}

#[test]
fn what_is_no_band_or_hedge_is_refused() {
    let bad = |hedged: Hedged| matches!(hedged.half_band(), Err(BandError { .. }));
    assert!(bad(Hedged { price: 0.0, ..HEDGED }) && bad(Hedged { gamma: f64::NAN, ..HEDGED }));
    assert!(bad(Hedged { cost: -0.1, ..HEDGED }) && bad(Hedged { cost: 1.0, ..HEDGED }));
    assert!(bad(Hedged { equity: -1.0, ..HEDGED }) && bad(Hedged { risk_aversion: 0.0, ..HEDGED }));
    assert!(HEDGED.burden(0.0, 0.5).is_err() && HEDGED.burden(0.1, 0.0).is_err());
    assert!(Hedged { numeraire: Numeraire::Coin, ..HEDGED }.burden(0.1, 0.5).is_err());
    let need = Need { delta: 1.0, years: 1.0, capital: 0.0, is_closed: false };
    let mut offers = Vec::new();
    for bad in [
        Instrument { lot: 0.0, ..perpetual() },
        Instrument { fee: -1.0, ..perpetual() },
        Instrument { delta: f64::NAN, ..perpetual() },
        Instrument { most: [f64::NAN, 1.0], ..perpetual() },
    ] {
        let error = choose(&[perpetual(), bad], &need, &mut offers).unwrap_err();
        assert_eq!(error.instrument, Some(1));
    }
    assert!(choose(&[], &Need { years: -1.0, ..need }, &mut offers).is_err());
    assert_eq!(choose(&[], &need, &mut offers), Ok(None));
}
