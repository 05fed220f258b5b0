//! What is asked of a surface, against bumps, brute force and identities.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use pricing::options::functions::{normal_density, normal_distribution};
use pricing::options::{DeltaConvention, EuropeanOption, Inputs, OptionKind};
use pricing::surface::{NoAnswer, Reading, SmilePoint, SmileQuotes, Sticky, Surface, SurfaceHistory, Tenor};
use units::math::{exp, ln, sqrt};
use units::state::{StateReader, StateWriter};
use units::{Duration, Timestamp};

const KINDS: [OptionKind; 2] = [OptionKind::Call, OptionKind::Put];
const CONVENTIONS: [DeltaConvention; 2] = [DeltaConvention::BlackScholes, DeltaConvention::Net];

/// Quotes of a smile, a tenth of a vol point to either side.
fn quotes(years: f64, forward: f64, discount: f64, vol: impl Fn(f64) -> f64) -> SmileQuotes {
    let reach = 2.5 * vol(0.0) * sqrt(years);
    let point = |step: i32| {
        let k = reach * f64::from(step) / 12.0;
        let mid_vol = vol(k);
        SmilePoint { log_moneyness: k, bid_vol: mid_vol - 0.001, ask_vol: mid_vol + 0.001, mid_vol, weight: 1.0 }
    };
    SmileQuotes { years, forward, discount, points: (-12..=12).map(point).collect() }
}

/// An SVI smile of one shape, stretched by √T.
fn smile(years: f64, level: f64, skew: f64) -> impl Fn(f64) -> f64 {
    move |k: f64| {
        let z = k / sqrt(years);
        let variance = level * level * (0.6 + skew * z + 0.4 * sqrt((z * z + 0.25) / 0.25));
        sqrt(variance)
    }
}

const EXPIRIES: [(f64, f64, f64, f64); 4] = [
    (0.02, 60_000.0, 1.0, 0.50),
    (0.1, 60_400.0, 0.995, 0.52),
    (0.5, 62_000.0, 0.98, 0.55),
    (1.2, 65_000.0, 0.95, 0.57),
];

fn surface(scale: f64, skew: f64) -> Surface {
    let all: Vec<SmileQuotes> = EXPIRIES
        .iter()
        .map(|(years, forward, discount, level)| {
            quotes(*years, *forward, *discount, smile(*years, level * scale, skew))
        })
        .collect();
    Surface::fit(&all).unwrap()
}

const TENORS: [f64; 9] = [0.003, 0.02, 0.05, 0.1, 0.3, 0.5, 0.9, 1.2, 2.0];

fn price(tenor: &Tenor<'_>, kind: OptionKind, strike: f64) -> f64 {
    tenor.greeks(kind, strike).unwrap().price / tenor.discount()
}

#[track_caller]
fn near(what: &str, got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{what}: {got}, expected {expected}");
}

#[test]
fn a_tenor_is_the_surface_between_and_beyond_expiries() {
    let surface = surface(1.0, -0.2);
    for years in TENORS {
        let tenor = surface.tenor(years).unwrap();
        for step in -40..=40 {
            let k = f64::from(step) * 0.05;
            near(
                "variance",
                tenor.total_variance(k),
                surface.total_variance(k, years),
                1e-15 + 1e-14 * tenor.total_variance(k),
            );
            near("volatility", tenor.vol(k), surface.vol(k, years), 1e-12);
        }
        assert_eq!(tenor.extrapolated(), !(0.02..=1.2).contains(&years), "{years}");
    }
    // Many places at once, whatever their order and number: what they are one by one.
    let ascending: Vec<f64> = (-130..=130).map(|step| f64::from(step) * 0.01).collect();
    let knots: Vec<f64> = surface.slices().iter().flat_map(|slice| slice.knots().map(|(knot, _)| knot)).collect();
    let strewn: Vec<f64> = (0..200_u32).map(|at| f64::from(at * 7_919 % 2_003) / 500.0 - 2.0).collect();
    let descending: Vec<f64> = ascending.iter().rev().copied().collect();
    for years in TENORS {
        let tenor = surface.tenor(years).unwrap();
        for places in [&ascending, &descending, &knots, &strewn] {
            for count in [0, 1, 15, 16, 17, places.len()] {
                let mut vols = places[..count].to_vec();
                tenor.vols(&mut vols);
                let alone: Vec<f64> = places[..count].iter().map(|place| tenor.vol(*place)).collect();
                assert_eq!(vols, alone, "{years}");
            }
        }
    }
    // At an expiry, the expiry; ln F linear between, and on with the last carry.
    let forward = |years: f64| surface.tenor(years).unwrap().forward();
    assert_eq!((forward(0.1), forward(1.2)), (60_400.0, 65_000.0));
    near("between", forward(0.3), sqrt(60_400.0 * 62_000.0), 1e-6);
    near("beyond", forward(1.9), 65_000.0 * 65_000.0 / 62_000.0, 1e-6);
    // ATM between 0.1 and 0.5 years is linear in total variance: at 0.3 the mean of both.
    let (low, high) = (surface.tenor(0.1).unwrap().atm(), surface.tenor(0.5).unwrap().atm());
    near(
        "at the money",
        surface.tenor(0.3).unwrap().atm(),
        sqrt((low * low * 0.1 + high * high * 0.5) / 2.0 / 0.3),
        1e-14,
    );
    // A surface of one expiry.
    let one = Surface::fit(&[quotes(0.1, 100.0, 1.0, |_| 0.5)]).unwrap();
    for years in [0.01, 0.1, 3.0] {
        let tenor = one.tenor(years).unwrap();
        near("the only forward", tenor.forward(), 100.0, 1e-12);
        near("its volatility", tenor.atm(), 0.5, 1e-3);
    }
    for years in [0.0, -1.0, f64::NAN, f64::INFINITY, 201.0] {
        assert!(matches!(surface.tenor(years), Err(NoAnswer::BadTenor { .. })), "{years}");
    }
    let slope = surface.term_slope(0.1, 0.5).unwrap();
    near("slope", slope.slope(), high - low, 1e-15);
    near("forward variance", slope.forward_vol(), sqrt((high * high * 0.5 - low * low * 0.1) / 0.4), 1e-14);
    assert!(surface.term_slope(0.5, 0.5).is_err());
}

#[test]
fn a_delta_has_the_strike_whose_option_has_it() {
    for skew in [-0.25, 0.0, 0.25] {
        let surface = surface(1.0, skew);
        for years in TENORS {
            let tenor = surface.tenor(years).unwrap();
            for (kind, convention) in
                KINDS.into_iter().flat_map(|kind| CONVENTIONS.map(|convention| (kind, convention)))
            {
                let mut last = f64::NAN;
                for delta in [0.001, 0.01, 0.1, 0.25, 0.4] {
                    let point = match tenor.at_delta(kind, convention, delta) {
                        // A premium-adjusted call of a long tenor may not reach it: see the next test.
                        Err(NoAnswer::NoStrike { .. }) if years > 1.0 && delta > 0.3 => continue,
                        point => point.unwrap(),
                    };
                    // The same of the option's Greeks, which know nothing of this solver.
                    let greeks = tenor.greeks(kind, point.strike).unwrap();
                    let signed = greeks.delta_as(convention, tenor.forward()) / tenor.discount();
                    let sign = if kind == OptionKind::Call { 1.0 } else { -1.0 };
                    near("delta", signed * sign, delta, 1e-11);
                    near("vol", point.vol, tenor.at_strike(point.strike).unwrap().vol, 1e-12);
                    // Smaller deltas are further out.
                    assert!(last.is_nan() || (last > point.strike) == (kind == OptionKind::Call), "{kind:?} {delta}");
                    last = point.strike;
                }
            }
            // Call and put: the unadjusted deltas add up to 1.
            let half = tenor.at_delta(OptionKind::Call, DeltaConvention::BlackScholes, 0.3).unwrap();
            let other = tenor.at_delta(OptionKind::Put, DeltaConvention::BlackScholes, 0.7).unwrap();
            near("call of 0.3, put of 0.7", half.strike, other.strike, 1e-6);
        }
    }
}

#[test]
fn a_premium_adjusted_call_has_a_largest_delta_and_the_higher_strike() {
    let surface = surface(1.0, -0.2);
    for years in TENORS {
        let tenor = surface.tenor(years).unwrap();
        // Brute force: the largest on a fine grid, and the highest strike of the grid with as much.
        let grid = |step: i32| f64::from(step) * 0.0005 * sqrt(years);
        let delta = |k: f64| tenor.delta(OptionKind::Call, DeltaConvention::Net, k);
        let largest = (-10_000..10_000).map(|step| delta(grid(step))).fold(0.0, f64::max);
        for share in [0.3, 0.9, 0.999] {
            let wanted = largest * share;
            let highest = (-10_000..10_000).rev().map(grid).find(|k| delta(*k) >= wanted).unwrap();
            let found = tenor.at_delta(OptionKind::Call, DeltaConvention::Net, wanted).unwrap();
            let step = 0.0005 * sqrt(years);
            assert!(
                (highest..=highest + step * 1.000_001).contains(&found.log_moneyness),
                "{years} {share}: {highest} {found:?}"
            );
        }
        let wanted = largest + 0.001;
        if wanted < 1.0 {
            let refused = tenor.at_delta(OptionKind::Call, DeltaConvention::Net, wanted).unwrap_err();
            let NoAnswer::NoStrike { largest: said, .. } = refused else { panic!("{refused}") };
            near("the largest", said, largest, 1e-6);
        }
    }
    let tenor = surface.tenor(0.1).unwrap();
    for delta in [0.0, 1.0, -0.25, f64::NAN, 25.0] {
        let refused = tenor.at_delta(OptionKind::Call, DeltaConvention::BlackScholes, delta);
        assert!(matches!(refused, Err(NoAnswer::BadDelta { .. })), "{delta}");
    }
    for strike in [0.0, -5.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(tenor.at_strike(strike), Err(NoAnswer::BadPrice { .. })), "{strike}");
    }
}

#[test]
fn skew_and_wings() {
    let (down, up) = (surface(1.0, -0.2), surface(1.0, 0.2));
    for years in TENORS {
        let (down, up) = (down.tenor(years).unwrap(), up.tenor(years).unwrap());
        for tenor in [&down, &up] {
            for k in [-0.3, -0.05, 0.0, 0.1] {
                let step = 1e-6 * sqrt(years);
                near(
                    "slope",
                    tenor.vol_slope(k),
                    (tenor.vol(k + step) - tenor.vol(k - step)) / (2.0 * step),
                    1e-6 / sqrt(years),
                );
            }
            let wings = tenor.wings(DeltaConvention::BlackScholes, 0.25).unwrap();
            near("risk reversal", wings.risk_reversal(), wings.call.vol - wings.put.vol, 0.0);
            near("butterfly", wings.butterfly(), (wings.call.vol + wings.put.vol) / 2.0 - tenor.vol(0.0), 1e-15);
            assert!(
                wings.put.strike < tenor.forward() && tenor.forward() < wings.call.strike && wings.butterfly() > 0.0
            );
        }
        assert!(down.skew() < 0.0 && up.skew() > 0.0);
        // The strikes of equal deltas lie around s²/2, not 0: of long tenors that outweighs a small skew.
        if years <= 0.1 {
            assert!(down.wings(DeltaConvention::BlackScholes, 0.25).unwrap().risk_reversal() < 0.0);
            assert!(up.wings(DeltaConvention::BlackScholes, 0.25).unwrap().risk_reversal() > 0.0);
        }
    }
}

#[test]
fn a_variance_swap_is_worth_its_strip_of_options() {
    for skew in [-0.25, 0.0, 0.25] {
        let surface = surface(1.0, skew);
        for years in TENORS {
            let tenor = surface.tenor(years).unwrap();
            let swap = tenor.variance_swap();
            // Options at strikes in a fine geometric row, priced one by one, by the trapezium rule.
            let (steps, forward) = (40_000, tenor.forward());
            let width = (swap.to - swap.from) / f64::from(steps);
            let mut total = 0.0;
            for step in 0..=steps {
                let strike = forward * exp(swap.from + f64::from(step) * width);
                let kind = if strike < forward { OptionKind::Put } else { OptionKind::Call };
                total += 2.0 * price(&tenor, kind, strike) / strike * width;
            }
            near("by strip", swap.vol, sqrt(total / years), 2e-6);
            // Another way round: the mean of total variance over d₂, which falls from ∞ to −∞ along the smile.
            let mut mean = 0.0;
            let (mut k, mut d2_before) = (swap.from, f64::NAN);
            while k < swap.to {
                let s = sqrt(tenor.total_variance(k));
                let d2 = -k / s - s / 2.0;
                if !d2_before.is_nan() {
                    let middle = tenor.total_variance(k - width / 2.0);
                    mean += middle * (normal_distribution(d2_before) - normal_distribution(d2));
                }
                d2_before = d2;
                k += width;
            }
            near("by d₂", swap.vol, sqrt(mean / years), 2e-5);
            assert!(swap.vol > tenor.atm() * 0.99 && (0.0..0.2).contains(&swap.beyond_quotes()), "{years}: {swap:?}");
        }
    }
    let flat = Surface::fit(&[quotes(0.25, 100.0, 1.0, |_| 0.6)]).unwrap();
    let swap = flat.tenor(0.25).unwrap().variance_swap();
    near("flat", swap.vol, flat.tenor(0.25).unwrap().atm(), 1e-6);
    // Of a lognormal law the share of variance beyond ±2.5 deviations is known: d₂ there is ∓2.5 − s/2.
    let (s, reach) = (0.6 * 0.5, 2.5 * 0.6 * 0.5);
    let strip = |low: f64, high: f64| {
        let one = |k: f64| {
            let d1 = -k / s + s / 2.0;
            let call = normal_distribution(d1) - exp(k) * normal_distribution(d1 - s);
            2.0 * exp(-k) * if k < 0.0 { call - 1.0 + exp(k) } else { call }
        };
        (0..20_000).map(|step| one(low + (high - low) * (f64::from(step) + 0.5) / 20_000.0)).sum::<f64>() * (high - low)
            / 20_000.0
    };
    let beyond = (strip(-8.0 * s, -reach) + strip(reach, 8.0 * s)) / (s * s);
    near("beyond", swap.beyond_quotes(), beyond, 1e-4);
}

#[test]
fn the_density_is_the_second_difference_of_prices_and_sums_to_one() {
    let surface = surface(1.0, -0.2);
    for years in TENORS {
        let tenor = surface.tenor(years).unwrap();
        let forward = tenor.forward();
        let (steps, reach) = (100_000, 30.0 * tenor.atm() * sqrt(years).max(0.05));
        let (mut mass, mut mean) = (0.0, 0.0);
        let width = 2.0 * reach / f64::from(steps);
        for step in 0..steps {
            let k = -reach + (f64::from(step) + 0.5) * width;
            let density = tenor.log_density(k);
            assert!(density >= -1e-9, "{years} {k}: {density}");
            mass += density * width;
            mean += density * exp(k) * width;
        }
        near("mass", mass, 1.0, 2e-5);
        near("mean", mean, 1.0, 2e-5);
        for k in [-1.0, -0.3, 0.0, 0.4, 1.0] {
            let strike = forward * exp(k * tenor.atm() * sqrt(years));
            let step = strike * 2e-4 * sqrt(years);
            let put = |strike: f64| price(&tenor, OptionKind::Put, strike);
            let second = (put(strike + step) - 2.0 * put(strike) + put(strike - step)) / (step * step);
            let density = tenor.density(strike).unwrap();
            near("density", density * forward, second * forward, 1e-3 * density * forward + 1e-6);
            let first = (put(strike + step) - put(strike - step)) / (2.0 * step);
            near("probability", tenor.probability_below(strike).unwrap(), first, 1e-6);
        }
        near("none below nothing", tenor.probability_below(forward * exp(-reach)).unwrap(), 0.0, 1e-5);
    }
    // Lognormal, where the smile is flat.
    let flat = Surface::fit(&[quotes(0.25, 100.0, 1.0, |_| 0.6)]).unwrap();
    let tenor = flat.tenor(0.25).unwrap();
    let (s, k) = (0.3, ln(1.1));
    near("lognormal", tenor.log_density(k), normal_density(-k / s - s / 2.0) / s, 2e-3);
}

#[test]
fn hedge_deltas_are_what_a_bump_gives() {
    for skew in [-0.25, 0.25] {
        let surface = surface(1.0, skew);
        for years in TENORS {
            let tenor = surface.tenor(years).unwrap();
            for (kind, share) in KINDS.into_iter().flat_map(|kind| [0.8, 0.95, 1.0, 1.1].map(|share| (kind, share))) {
                let forward = tenor.forward();
                let strike = forward * share;
                let deltas = tenor.hedge_deltas(kind, strike).unwrap();
                for sticky in [Sticky::Strike, Sticky::Moneyness] {
                    // The option anew, with the forward moved and the volatility that the smile then gives.
                    let value = |forward: f64| {
                        let vol = tenor.vol_after_move(strike, forward, sticky).unwrap();
                        let inputs = Inputs { forward, strike, years, vol, discount: tenor.discount() };
                        EuropeanOption::new(kind, inputs).unwrap().greeks().price
                    };
                    let step = forward * 1e-5 * sqrt(years);
                    let bumped = (value(forward + step) - value(forward - step)) / (2.0 * step);
                    near("delta", deltas.of(sticky), bumped, 2e-7);
                    // In coin: forward × ∂(price ÷ forward)/∂forward.
                    let coin = |forward: f64| value(forward) / forward;
                    let bumped = forward * (coin(forward + step) - coin(forward - step)) / (2.0 * step);
                    near("net", deltas.net(sticky), bumped, 2e-7);
                }
                // Where low strikes cost more, a smile that moves along makes volatility rise with the forward.
                assert_eq!(deltas.sticky_moneyness > deltas.sticky_strike, tenor.vol_slope(ln(share)) < 0.0);
            }
            let strike = tenor.forward() * 0.9;
            let before = tenor.at_strike(strike).unwrap().vol;
            near("kept", tenor.vol_after_move(strike, tenor.forward() * 0.8, Sticky::Strike).unwrap(), before, 0.0);
            near(
                "moved along",
                tenor.vol_after_move(strike * 0.8, tenor.forward() * 0.8, Sticky::Moneyness).unwrap(),
                before,
                1e-12,
            );
        }
    }
    assert_eq!("moneyness".parse(), Ok(Sticky::default()));
    assert_eq!(Sticky::Strike.to_string().parse(), Ok(Sticky::Strike));
    assert!("delta".parse::<Sticky>().is_err());
}

#[test]
fn a_history_keeps_a_bounded_number_and_tells_changes() {
    let hour = |count: i64| Timestamp::from_nanos(count * 3_600_000_000_000);
    let every = Duration::from_nanos(6 * 3_600_000_000_000);
    let mut history = SurfaceHistory::new(0.08, every, 4);
    let (calm, wild) = (surface(1.0, -0.1), surface(1.5, -0.25));
    for turn in 0..40 {
        let surface = if turn < 36 { &calm } else { &wild };
        history.record(hour(turn), surface).unwrap();
        // Out of order: read, not kept.
        history.record(hour(0), surface).unwrap();
    }
    let kept: Vec<Timestamp> = history.iter().map(|(at, _)| at).collect();
    assert_eq!(kept, [hour(18), hour(24), hour(30), hour(36)]);
    let now = Reading::of(&wild.tenor(0.08).unwrap()).unwrap();
    let then = Reading::of(&calm.tenor(0.08).unwrap()).unwrap();
    let (at, change) = history.change_since(hour(35), &now).unwrap();
    assert_eq!((at, change), (hour(30), now.since(&then)));
    assert!((change.atm - (now.atm - then.atm)).abs() < 1e-15 && change.atm > 0.2 && change.risk_reversal < 0.0);
    assert_eq!(history.at(hour(36)).unwrap().1, now);
    assert_eq!(history.at(hour(17)), None);

    let mut out = StateWriter::new();
    history.save(&mut out);
    let mut again = SurfaceHistory::new(0.08, every, 4);
    let mut from = StateReader::new(out.as_bytes());
    again.load(&mut from).unwrap();
    from.end().unwrap();
    assert_eq!(again, history);
    assert!(again.load(&mut StateReader::new(&out.as_bytes()[..20])).is_err());
}
