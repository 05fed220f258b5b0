//! Budgets of risk against riskfolio-lib, scikit-learn and what must hold of them.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use common::Random;
use risk::budgets::{BudgetError, Toward, equal_risk, risk_budgets, shrink, volatility_multiplier};

/// The returns of `vectors/budgets.py`.
fn returns(seed: u64, count: usize, observations: usize) -> Vec<f64> {
    let mut state = seed;
    let mut bell = || {
        let mut sum = 0.0;
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 32) as f64 / 4_294_967_296.0;
        }
        sum - 2.0
    };
    let mut all = Vec::new();
    for _ in 0..observations {
        let common = bell();
        for at in 0..count {
            all.push(0.01 * (1.0 + 0.5 * at as f64) * (0.2 * (at % 4) as f64 * common + bell()));
        }
    }
    all
}

/// Shrinkage to 1e-9; weights as exactly as riskfolio-lib's solver has them, and shares of risk to 1e-12.
#[test]
fn weights_and_shrinkage_are_those_of_others() {
    let cases: serde_json::Value = serde_json::from_str(include_str!("../../../vectors/budgets.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let number = |name: &str| case[name].as_f64().unwrap();
        let list =
            |name: &str| -> Vec<f64> { case[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
        let count = number("count") as usize;
        let history = returns(number("seed") as u64, count, number("observations") as usize);
        let near = |found: f64, expected: f64, exact: f64| {
            assert!((found - expected).abs() <= exact * expected.abs(), "{count}: {found} is not {expected}");
        };
        let identity = shrink(&history, count, Toward::Identity).unwrap();
        near(identity.shrinkage, number("identity"), 1e-9);
        near(identity.covariance[0], number("identity_first"), 1e-9);
        near(identity.covariance[count - 1], number("identity_last"), 1e-8);
        let constant = shrink(&history, count, Toward::ConstantCorrelation).unwrap();
        near(constant.shrinkage, number("constant"), 1e-9);
        near(constant.covariance[0], number("constant_first"), 1e-9);
        near(constant.covariance[count - 1], number("constant_last"), 1e-8);
        let equal = equal_risk(&constant.covariance, count).unwrap();
        let rising: Vec<f64> = (1..=count).map(|at| at as f64 / (count * (count + 1) / 2) as f64).collect();
        let budgeted = risk_budgets(&constant.covariance, &rising).unwrap();
        for (found, expected) in [(&equal, list("equal")), (&budgeted, list("rising"))] {
            let off = found.weights.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            println!("{count} parts: {off:.1e} from riskfolio-lib, {} rounds", found.rounds);
            assert!(off < 2e-5, "{count}: {found:?} {expected:?}");
        }
        assert!(equal.shares.iter().all(|share| (share * count as f64 - 1.0).abs() < 1e-11), "{equal:?}");
        assert!(budgeted.shares.iter().zip(&rising).all(|(share, budget)| (share / budget - 1.0).abs() < 1e-11));
        assert!((equal.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

/// Two parts have a closed form, whatever their correlation; uncorrelated ones of any number, too.
#[test]
fn closed_forms_hold() {
    for correlation in [-0.9, -0.3, 0.0, 0.5, 0.99] {
        let cross = 0.2 * 0.6 * correlation;
        let found = equal_risk(&[0.04, cross, cross, 0.36], 2).unwrap();
        assert!((found.weights[0] - 0.75).abs() < 1e-12, "{found:?}");
        let variance = 0.75 * 0.75 * 0.04 + 0.25 * 0.25 * 0.36 + 2.0 * 0.75 * 0.25 * cross;
        assert!((found.volatility - variance.sqrt()).abs() < 1e-12);
        let multiple = volatility_multiplier(&[0.04, cross, cross, 0.36], &found.weights, 0.5, 1e3).unwrap();
        assert!((multiple - 0.5 / variance.sqrt()).abs() < 1e-9);
    }
    let found = risk_budgets(&[1.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 9.0], &[0.5, 0.3, 0.2]).unwrap();
    let expected = [0.5_f64.sqrt(), 0.3_f64.sqrt() / 2.0, 0.2_f64.sqrt() / 3.0];
    let sum: f64 = expected.iter().sum();
    assert!(found.weights.iter().zip(expected).all(|(a, b)| (a - b / sum).abs() < 1e-12), "{found:?}");
    // Nothing that is budgeted otherwise has a lower value of what the weights minimise.
    let mut random = Random(53);
    for _ in 0..50 {
        let count = 2 + random.below(20) as usize;
        let history = returns(random.next(), count, 10 + 3 * count);
        let covariance = shrink(&history, count, Toward::ConstantCorrelation).unwrap().covariance;
        let found = equal_risk(&covariance, count).unwrap();
        assert!(found.weights.iter().all(|weight| *weight > 0.0));
        // Scaled by any part's size, the answer scales.
        let scaled: Vec<f64> = covariance
            .iter()
            .enumerate()
            .map(|(at, value)| {
                let factor = |index: usize| if index == 0 { 1e4 } else { 1.0 };
                value * factor(at / count) * factor(at % count)
            })
            .collect();
        let other = equal_risk(&scaled, count).unwrap();
        let ratio = |at: usize| other.weights[at] / found.weights[at];
        assert!((ratio(0) * 1e4 / ratio(1) - 1.0).abs() < 1e-9);
    }
    assert_eq!(volatility_multiplier(&[0.04], &[0.0], 0.5, 3.0), Ok(3.0));
    assert_eq!(volatility_multiplier(&[0.04], &[-0.1], 0.5, 3.0), Ok(3.0));
}

#[test]
fn what_is_no_budget_is_refused() {
    let fine = [1.0, 0.0, 0.0, 1.0];
    assert_eq!(risk_budgets(&fine, &[0.5, 0.6]).unwrap_err(), BudgetError::Sum(1.1));
    for bad in [[-0.5, 1.5], [f64::NAN, 1.0], [0.0, 1.0]] {
        assert!(matches!(risk_budgets(&fine, &bad), Err(BudgetError::Number { name: "budget", at: 0, .. })));
    }
    assert!(matches!(risk_budgets(&fine, &[1.0]), Err(BudgetError::Count { found: 4, needed: 1, .. })));
    assert!(matches!(risk_budgets(&[], &[]), Err(BudgetError::Count { .. })));
    let half = [0.5, 0.5];
    assert_eq!(risk_budgets(&[1.0, 1.0, 1.0, 1.0], &half), Err(BudgetError::Singular { row: 1 }));
    assert_eq!(risk_budgets(&[1.0, 2.0, 2.0, 1.0], &half), Err(BudgetError::Singular { row: 1 }));
    assert_eq!(risk_budgets(&[0.0, 0.0, 0.0, 1.0], &half), Err(BudgetError::Singular { row: 0 }));
    assert_eq!(risk_budgets(&[1.0, 0.2, 0.1, 1.0], &half), Err(BudgetError::Asymmetric { row: 1, column: 0 }));
    assert!(matches!(risk_budgets(&[1.0, f64::NAN, 0.0, 1.0], &half), Err(BudgetError::Number { at: 1, .. })));
    assert!(matches!(shrink(&[0.1, 0.2, 0.3], 2, Toward::Identity), Err(BudgetError::Count { .. })));
    assert!(matches!(shrink(&[0.1, 0.2], 2, Toward::Identity), Err(BudgetError::Count { found: 1, .. })));
    assert!(matches!(shrink(&[0.1, 0.2, 0.1, 0.3], 2, Toward::Identity), Err(BudgetError::Number { at: 0, .. })));
    assert!(shrink(&[f64::INFINITY, 0.2, 0.1, 0.3], 2, Toward::Identity).is_err());
    assert!(volatility_multiplier(&fine, &half, 0.0, 1.0).is_err());
    assert!(volatility_multiplier(&[1.0, 1.0, 1.0, 1.0], &[1.0, -1.0], 0.1, 9.0).is_err());
}
