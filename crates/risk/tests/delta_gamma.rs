//! Quadratic functions of normal moves against closed forms and simulation.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use common::{Random, rows};
use pricing::laws::{chi_squared_tail, normal_density, normal_distribution, normal_quantile};
use risk::delta_gamma::{DeltaGamma, QuadraticError};
use risk::tail::Tail;
use units::math::{exp, sqrt};

/// A short gamma alone: −½ Γ x² is a chi-squared number with one degree of freedom.
#[test]
fn a_gamma_alone_is_chi_squared() {
    let Some(rows) = rows("a_gamma_alone_is_chi_squared", "delta_gamma_var_chi2.csv") else { return };
    assert_eq!(rows.len(), 2);
    for row in rows {
        let [gamma, quantile, expected] = [0, 1, 2].map(|at: usize| row[at].parse::<f64>().unwrap());
        let profit = DeltaGamma::new(0.0, &[0.0], &[-gamma], &[1.0]).unwrap();
        let found = profit.quantile(1.0 - quantile).unwrap();
        assert!((found / expected - 1.0).abs() < 1e-10, "{found} is not {expected}");
    }
}

/// Beside a bent term a nearly straight one, however little of it there is and whichever way it bends: the figures are next to those of
/// the bent one.
#[test]
fn nearly_straight_terms_change_little() {
    for bend in [-0.6, 0.6] {
        let alone = DeltaGamma::new(0.0, &[1.0], &[bend], &[1.0]).unwrap();
        for exponent in 1..=10 {
            let b = units::math::pow(10.0, -f64::from(exponent));
            for share in [1e-9, -1e-9, 1e-6, -1e-6, 1e-3, -1e-3, 0.5, -0.5] {
                let both =
                    DeltaGamma::new(0.0, &[1.0, b], &[bend, 0.0, 0.0, share * b], &[1.0, 0.0, 0.0, 1.0]).unwrap();
                for confidence in [0.95, 0.99, 0.9999] {
                    let (found, near) = (both.tail(confidence).unwrap(), alone.tail(confidence).unwrap());
                    // Its variance is b², by which a quantile of a density that falls moves by b² times its slope; where losses end at
                    // the bent term's vertex, nothing but it is beyond.
                    let beyond = if bend > 0.0 { 4.5 * b } else { 8.0 * b * b };
                    let within = beyond + 8.0 * (share * b).abs() + 1e-9;
                    let fits = |found: f64, near: f64| (found - near).abs() <= within * near.abs().max(1.0);
                    assert!(
                        fits(found.value_at_risk, near.value_at_risk)
                            && fits(found.expected_shortfall, near.expected_shortfall),
                        "{bend} {b} {share} {confidence}: {found:?} is not {near:?}"
                    );
                }
            }
        }
    }
}

/// Normal, chi-squared of several degrees, and a shifted one.
#[test]
fn distributions_are_those_of_closed_forms() {
    let normal = DeltaGamma::new(1.0, &[2.0, -1.0], &[0.0; 4], &[1.0, 0.5, 0.5, 4.0]).unwrap();
    let deviation = sqrt(4.0 - 2.0 + 4.0);
    for step in -40..=40 {
        let x = f64::from(step) / 5.0 * deviation + 1.0;
        let (found, expected) = (normal.probability_under(x), normal_distribution((x - 1.0) / deviation));
        // The smaller of both ends has its digits.
        assert!((found - expected).abs() <= 1e-12 * expected.max(1e-4), "{x}: {found} is not {expected}");
    }
    let tail = normal.tail(0.99).unwrap();
    let quantile = normal_quantile(0.99);
    assert!((tail.value_at_risk - (deviation * quantile - 1.0)).abs() < 1e-11);
    assert!((tail.expected_shortfall - (deviation * normal_density(quantile) / 0.01 - 1.0)).abs() < 1e-10);

    // At any confidence: at next to none the shortfall is the mean loss.
    for confidence in [1e-9, 1e-6, 0.001, 0.05, 0.3, 0.5, 0.7, 0.95, 0.9999] {
        let (tail, quantile) = (normal.tail(confidence).unwrap(), normal_quantile(confidence));
        let expected = deviation * normal_density(quantile) / (1.0 - confidence) - 1.0;
        assert!((tail.expected_shortfall - expected).abs() < 1e-9, "{confidence}: {tail:?} is not {expected}");
        // −y²: E[y² | y² > q] = 1 + 2 √q φ(√q) ÷ P(y² > q), and P(y² > q) = 1 − confidence.
        let square = DeltaGamma::new(0.0, &[0.0], &[-2.0], &[1.0]).unwrap().tail(confidence).unwrap();
        let root = sqrt(square.value_at_risk.max(0.0));
        // The quantile of the smallest squares is noise; with nothing left out, the mean is shared by those that are left.
        let left_out = if confidence < 1e-5 { confidence } else { 2.0 * root * normal_density(root) };
        let expected = 1.0 + left_out / (1.0 - confidence);
        assert!((square.expected_shortfall - expected).abs() < 1e-8, "{confidence}: {square:?} is not {expected}");
    }

    for degrees in 1..=6_u32 {
        let size = degrees as usize;
        let mut identity = vec![0.0; size * size];
        (0..size).for_each(|at| identity[at * size + at] = 1.0);
        let twice: Vec<f64> = identity.iter().map(|one| 2.0 * one).collect();
        let squares = DeltaGamma::new(0.0, &vec![0.0; size], &twice, &identity).unwrap();
        for step in 1..200 {
            let x = f64::from(step) / 5.0;
            let (found, expected) = (squares.probability_under(x), 1.0 - chi_squared_tail(x, degrees));
            assert!((found - expected).abs() < 1e-12, "{degrees} {x}: {found} is not {expected}");
        }
        assert_eq!(squares.probability_under(0.0), 0.0);
    }
    // (y + 3)² − 9 = 6 y + y²: under x where −√(x + 9) < y + 3 < √(x + 9).
    let shifted = DeltaGamma::new(0.0, &[6.0], &[2.0], &[1.0]).unwrap();
    for step in -44..100 {
        let x = f64::from(step) / 5.0;
        let root = sqrt(x + 9.0);
        let expected = normal_distribution(root - 3.0) - normal_distribution(-root - 3.0);
        let found = shifted.probability_under(x);
        assert!((found - expected).abs() < 1e-12, "{x}: {found} is not {expected}");
    }
    assert_eq!((shifted.probability_under(-9.0), shifted.probability_under(-100.0)), (0.0, 0.0));
    // A hedged long and short gamma: the difference of two squares, 2 y z: its density is a Bessel function, and it is even.
    let saddle = DeltaGamma::new(0.0, &[0.0, 0.0], &[0.0, 1.0, 1.0, 0.0], &[1.0, 0.0, 0.0, 1.0]).unwrap();
    assert!((saddle.probability_under(0.0) - 0.5).abs() < 1e-13);
    for x in [0.1, 0.5, 1.0, 3.0, 8.0] {
        let both = saddle.probability_under(x) + saddle.probability_under(-x);
        assert!((both - 1.0).abs() < 1e-12, "{x}: {both}");
    }
    // Pr(y z > 1) = 1/π ∫ K₀(t) dt from 1 on, K₀(t) = ∫ exp(−t cosh u) du: ∫ exp(−cosh u) ÷ cosh u du ÷ π.
    let steps = 200_000;
    let integral: f64 = (0..steps)
        .map(|at| {
            let u = (f64::from(at) + 0.5) * 12.0 / f64::from(steps);
            let cosh = (exp(u) + exp(-u)) / 2.0;
            exp(-cosh) / cosh * 12.0 / f64::from(steps)
        })
        .sum();
    let found = 1.0 - saddle.probability_under(1.0);
    assert!((found - integral / std::f64::consts::PI).abs() < 1e-10, "{found}");
}

/// Random books of up to five correlated factors: the tail of 200,000 draws, within its own stated error.
#[test]
fn figures_are_those_of_simulation() {
    let mut random = Random(53);
    for round in 0..24 {
        let factors = 1 + random.below(5) as usize;
        let mixed: Vec<f64> = (0..factors * factors).map(|_| random.between(-1.0, 1.0)).collect();
        let mut covariance = vec![0.0; factors * factors];
        for row in 0..factors {
            for column in 0..factors {
                covariance[row * factors + column] =
                    (0..factors).map(|at| mixed[row * factors + at] * mixed[column * factors + at]).sum();
            }
        }
        let delta: Vec<f64> = (0..factors).map(|_| random.between(-2.0, 2.0)).collect();
        let mut gamma = vec![0.0; factors * factors];
        for row in 0..factors {
            for column in 0..=row {
                let value = random.between(-1.0, 1.0) * if round % 3 == 0 { 1e-9 } else { 1.0 };
                gamma[row * factors + column] = value;
                gamma[column * factors + row] = value;
            }
        }
        let profit = DeltaGamma::new(0.3, &delta, &gamma, &covariance).unwrap();
        let draws: Vec<f64> = (0..200_000)
            .map(|_| {
                let y: Vec<f64> = (0..factors).map(|_| random.normal()).collect();
                let x: Vec<f64> =
                    (0..factors).map(|row| (0..factors).map(|at| mixed[row * factors + at] * y[at]).sum()).collect();
                let mut value = 0.3;
                for row in 0..factors {
                    value += delta[row] * x[row];
                    for column in 0..factors {
                        value += gamma[row * factors + column] * x[row] * x[column] / 2.0;
                    }
                }
                value
            })
            .collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - profit.mean()).abs() < 5.0 * profit.deviation() / sqrt(draws.len() as f64));
        for confidence in [0.9, 0.99] {
            let (found, simulated) = (profit.tail(confidence).unwrap(), Tail::of(&draws, confidence).unwrap());
            let (var, es) = (simulated.value_at_risk(), simulated.expected_shortfall());
            let (var_error, es_error) = (simulated.value_at_risk_error(), simulated.expected_shortfall_error());
            assert!((found.value_at_risk - var).abs() < 4.5 * var_error, "{round}: {found:?} {var} ± {var_error}");
            assert!((found.expected_shortfall - es).abs() < 4.5 * es_error, "{round}: {found:?} {es} ± {es_error}");
        }
    }
}

#[test]
fn what_has_no_distribution_is_refused() {
    let one = [1.0];
    assert_eq!(
        DeltaGamma::new(0.0, &[1.0, 1.0], &one, &one),
        Err(QuadraticError::Shape { factors: 2, gamma: 1, covariance: 1 })
    );
    let flat = [0.0; 4];
    assert_eq!(
        DeltaGamma::new(0.0, &[1.0, 1.0], &flat, &[1.0, 1.0, 1.0, 1.0]),
        Err(QuadraticError::Singular { factor: 1 })
    );
    assert_eq!(DeltaGamma::new(0.0, &[1.0], &[0.0], &[0.0]), Err(QuadraticError::Singular { factor: 0 }));
    assert_eq!(DeltaGamma::new(0.0, &[1.0], &[0.0], &[-1.0]), Err(QuadraticError::Singular { factor: 0 }));
    assert_eq!(DeltaGamma::new(0.0, &[0.0], &[0.0], &one), Err(QuadraticError::Constant));
    assert_eq!(DeltaGamma::new(f64::NAN, &[1.0], &[0.0], &one), Err(QuadraticError::NotFinite));
    let profit = DeltaGamma::new(0.0, &[1.0], &[0.0], &one).unwrap();
    assert!(profit.tail(1.0).is_err() && profit.quantile(0.0).is_err());
}
