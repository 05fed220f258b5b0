//! Value at risk and expected shortfall against the normal law's closed forms and brute force.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use common::Random;
use pricing::laws::{normal_density, normal_quantile};
use risk::tail::{Tail, TailError};

/// Three positions in two coins, normal: profits by position and of the whole.
fn book(random: &mut Random, count: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut parts = vec![vec![]; 3];
    for _ in 0..count {
        let (one, other) = (random.normal(), random.normal());
        let coins = [one, 0.6 * one + 0.8 * other];
        for (part, profit) in parts.iter_mut().zip([10.0 * coins[0], -4.0 * coins[0], 7.0 * coins[1]]) {
            part.push(profit);
        }
    }
    let whole = (0..count).map(|at| parts[0][at] + parts[1][at] + parts[2][at]).collect();
    (parts, whole)
}

/// Of the whole: variance 6² + 7² + 2 × 6 × 7 × 0.6. Of each part: its covariance with the whole.
const VARIANCE: f64 = 36.0 + 49.0 + 50.4;
const COVARIANCES: [f64; 3] = [10.0 * (6.0 + 7.0 * 0.6), -4.0 * (6.0 + 7.0 * 0.6), 7.0 * (7.0 + 6.0 * 0.6)];

#[test]
fn a_linear_normal_book_has_the_figures_of_its_closed_form() {
    let mut random = Random(41);
    let (parts, whole) = book(&mut random, 200_000);
    let deviation = VARIANCE.sqrt();
    for confidence in [0.95, 0.975, 0.99] {
        let tail = Tail::of(&whole, confidence).unwrap();
        let quantile = normal_quantile(confidence);
        let (var, es) = (deviation * quantile, deviation * normal_density(quantile) / (1.0 - confidence));
        assert!((tail.value_at_risk() - var).abs() < 4.0 * tail.value_at_risk_error());
        assert!((tail.expected_shortfall() - es).abs() < 4.0 * tail.expected_shortfall_error());
        assert!(tail.value_at_risk_error() < 0.01 * var && tail.expected_shortfall_error() < 0.01 * es);
        let (mut vars, mut shortfalls) = (0.0, 0.0);
        for (part, covariance) in parts.iter().zip(COVARIANCES) {
            let share = covariance / VARIANCE;
            let (of_var, of_es) = (tail.value_at_risk_of(part).unwrap(), tail.shortfall_of(part).unwrap());
            assert!((of_var - share * var).abs() < 0.15 * var, "{of_var} is not {}", share * var);
            assert!((of_es - share * es).abs() < 0.02 * es, "{of_es} is not {}", share * es);
            vars += of_var;
            shortfalls += of_es;
        }
        assert!((vars / tail.value_at_risk() - 1.0).abs() < 1e-12);
        assert!((shortfalls / tail.expected_shortfall() - 1.0).abs() < 1e-12);
    }
}

/// The stated errors are those that repetition shows.
#[test]
fn standard_errors_are_those_of_repetition() {
    let mut random = Random(43);
    let rounds = 400;
    let tails: Vec<Tail> = (0..rounds)
        .map(|_| Tail::of(&(0..2_000).map(|_| random.normal()).collect::<Vec<f64>>(), 0.975).unwrap())
        .collect();
    let spread = |figure: fn(&Tail) -> f64| {
        let mean = tails.iter().map(figure).sum::<f64>() / f64::from(rounds);
        (tails.iter().map(|tail| (figure(tail) - mean) * (figure(tail) - mean)).sum::<f64>() / f64::from(rounds)).sqrt()
    };
    let mean = |figure: fn(&Tail) -> f64| tails.iter().map(figure).sum::<f64>() / f64::from(rounds);
    for (found, told) in [
        (spread(Tail::value_at_risk), mean(Tail::value_at_risk_error)),
        (spread(Tail::expected_shortfall), mean(Tail::expected_shortfall_error)),
    ] {
        assert!((0.85..1.15).contains(&(told / found)), "{told} told, {found} found");
    }
}

/// By sorting everything, over many sizes, ties among them.
#[test]
fn figures_are_those_of_a_sorted_list() {
    let mut random = Random(47);
    for round in 0..400 {
        let count = 20 + random.below(300) as usize;
        let confidence = random.between(0.5, 0.95);
        let coarse = round % 2 == 0;
        let profits: Vec<f64> =
            (0..count).map(|_| if coarse { random.below(9) as f64 - 4.0 } else { random.normal() }).collect();
        let tail = Tail::of(&profits, confidence).unwrap();
        let mut losses: Vec<f64> = profits.iter().map(|profit| -profit).collect();
        losses.sort_by(f64::total_cmp);
        let exceeding = |loss: f64| losses.iter().filter(|other| **other > loss).count() as f64;
        let allowed = count as f64 * (1.0 - confidence) + 1e-9;
        let var = *losses.iter().find(|loss| exceeding(**loss) <= allowed).unwrap();
        assert_eq!(tail.value_at_risk(), var);
        let (mut left, mut sum) = (count as f64 * (1.0 - confidence), 0.0);
        let total = left;
        for loss in losses.iter().rev() {
            let part = left.clamp(0.0, 1.0);
            sum += part * loss;
            left -= part;
        }
        assert!((tail.expected_shortfall() - sum / total).abs() < 1e-9);
        assert!(tail.expected_shortfall() >= tail.value_at_risk());
        assert!((tail.shortfall_of(&profits).unwrap() - tail.expected_shortfall()).abs() < 1e-12);
        assert!((tail.value_at_risk_of(&profits).unwrap() - tail.value_at_risk()).abs() < 1e-9);
    }
    // 100 at 99 %: one loss may exceed it, and the shortfall is that one.
    let profits: Vec<f64> = (0..100).map(f64::from).collect();
    let tail = Tail::of(&profits, 0.99).unwrap();
    assert_eq!((tail.value_at_risk(), tail.expected_shortfall()), (-1.0, 0.0));
    assert_eq!(tail.scenarios().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn too_little_is_refused() {
    let profits = vec![1.0; 99];
    assert_eq!(Tail::of(&profits, 0.99), Err(TailError::TooFew { count: 99, fewest: 100 }));
    assert_eq!(Tail::of(&[], 0.9), Err(TailError::TooFew { count: 0, fewest: 10 }));
    for confidence in [0.0, 1.0, 99.0, f64::NAN] {
        assert!(matches!(Tail::of(&profits, confidence), Err(TailError::Confidence(_))));
    }
    let mut bad = profits.clone();
    bad[7] = f64::NAN;
    assert_eq!(Tail::of(&bad, 0.9), Err(TailError::NotFinite { scenario: 7 }));
    let tail = Tail::of(&profits, 0.9).unwrap();
    assert_eq!(tail.shortfall_of(&profits[1..]), Err(TailError::Scenarios { part: 98, whole: 99 }));
    // Nothing moves: a figure, and no error.
    assert_eq!((tail.value_at_risk(), tail.value_at_risk_error()), (-1.0, 0.0));
}
