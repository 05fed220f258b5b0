//! Shares of risk over strategies or instruments: equal-risk and budgeted weights, shrunk correlations, and a volatility target for the
//! whole.

use units::math::sqrt;

mod shrinkage;

pub use shrinkage::{Shrunk, Toward, shrink};

/// Why there are no weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BudgetError {
    /// So many numbers are there where so many are needed.
    Count {
        /// Of what.
        name: &'static str,
        /// So many there are.
        found: usize,
        /// So many are needed.
        needed: usize,
    },
    /// A number is none, or outside what it may be.
    Number {
        /// Which.
        name: &'static str,
        /// Where among them, from zero.
        at: usize,
        /// What it is.
        value: f64,
    },
    /// Budgets do not add up to one.
    Sum(f64),
    /// The matrix is not symmetric.
    Asymmetric {
        /// Row, from zero.
        row: usize,
        /// Column, from zero.
        column: usize,
    },
    /// The matrix is no covariance of anything, or of parts that are each other's sum: it is not positive definite. Shrink it.
    Singular {
        /// At which row it shows, from zero.
        row: usize,
    },
    /// Rounds ran out before weights stood still.
    Unsettled,
}

impl std::fmt::Display for BudgetError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count { name, found, needed } => write!(out, "there are {found} {name}, and {needed} are needed"),
            Self::Number { name, at, value } => write!(out, "{name} {} is {value}, which it cannot be", at + 1),
            Self::Sum(sum) => write!(out, "budgets add up to {sum}, and must to 1"),
            Self::Asymmetric { row, column } => {
                write!(out, "the covariance of {} with {} is not that of {1} with {0}", row + 1, column + 1)
            }
            Self::Singular { row } => write!(
                out,
                "the covariance is not positive definite (row {}): parts are each other's sum, or the history is too short; shrink it",
                row + 1
            ),
            Self::Unsettled => out.write_str("weights did not settle: shrink the covariance"),
        }
    }
}

impl std::error::Error for BudgetError {}

/// Weights, and the whole's volatility at them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    /// One a part; they add up to one.
    pub weights: Vec<f64>,
    /// The share of the whole's variance that each part has: the budgets.
    pub shares: Vec<f64>,
    /// Of the whole, in the unit of the covariance's root.
    pub volatility: f64,
    /// Rounds over all parts.
    pub rounds: usize,
}

fn check_matrix(covariance: &[f64], count: usize) -> Result<(), BudgetError> {
    if covariance.len() != count * count {
        return Err(BudgetError::Count { name: "covariances", found: covariance.len(), needed: count * count });
    }
    for (at, value) in covariance.iter().enumerate() {
        if !value.is_finite() {
            return Err(BudgetError::Number { name: "covariance", at, value: *value });
        }
    }
    for row in 0..count {
        let own = covariance[row * count + row];
        for column in 0..row {
            let size = sqrt((own * covariance[column * count + column]).max(0.0));
            if (covariance[row * count + column] - covariance[column * count + row]).abs() > 1e-9 * size {
                return Err(BudgetError::Asymmetric { row, column });
            }
        }
    }
    // Cholesky's factor of the correlations: a pivot of rounding alone is none.
    let mut factor = vec![0.0; count * count];
    for row in 0..count {
        for column in 0..=row {
            let size = sqrt(covariance[row * count + row]) * sqrt(covariance[column * count + column]);
            let mut sum = covariance[row * count + column] / size;
            for at in 0..column {
                sum -= factor[row * count + at] * factor[column * count + at];
            }
            if row != column {
                factor[row * count + column] = sum / factor[column * count + column];
            } else if sum > 1e-12 {
                factor[row * count + row] = sqrt(sum);
            } else {
                return Err(BudgetError::Singular { row });
            }
        }
    }
    Ok(())
}

/// Weights over zero at which each part has its budget of the whole's variance; of equal budgets: risk parity. `covariance` row by row.
///
/// They are where ½ w'Σw − Σ budget ln w is least, which is unique; found part by part, each step the positive root of a quadratic
/// (Griveau-Billion, Richard and Roncalli, "A Fast Algorithm for Computing High-dimensional Risk Parity Portfolios", 2013).
///
/// # Errors
///
/// Budgets under or at zero or not adding up to one, a covariance that is not finite, symmetric and positive definite.
pub fn risk_budgets(covariance: &[f64], budgets: &[f64]) -> Result<Weights, BudgetError> {
    let count = budgets.len();
    if count == 0 {
        return Err(BudgetError::Count { name: "budgets", found: 0, needed: 1 });
    }
    if let Some(at) = budgets.iter().position(|budget| !(*budget > 0.0 && budget.is_finite())) {
        return Err(BudgetError::Number { name: "budget", at, value: budgets[at] });
    }
    let sum: f64 = budgets.iter().sum();
    if (sum - 1.0).abs() > 1e-9 {
        return Err(BudgetError::Sum(sum));
    }
    check_matrix(covariance, count)?;
    let own = |at: usize| covariance[at * count + at];
    // In units of each part's volatility, so that parts of all sizes settle alike.
    let scales: Vec<f64> = (0..count).map(|at| sqrt(own(at))).collect();
    let correlation = |row: usize, column: usize| covariance[row * count + column] / (scales[row] * scales[column]);
    let mut x: Vec<f64> = budgets.iter().map(|budget| sqrt(*budget)).collect();
    let product = |x: &[f64], row: usize| (0..count).map(|column| correlation(row, column) * x[column]).sum::<f64>();
    let mut rounds = 0;
    loop {
        let mut off = 0.0_f64;
        for row in 0..count {
            // x² + others x − budget = 0.
            let others = product(&x, row) - x[row];
            let root = sqrt(others * others + 4.0 * budgets[row]);
            // Of the two forms the one that subtracts nothing.
            let next = if others > 0.0 { 2.0 * budgets[row] / (others + root) } else { (root - others) / 2.0 };
            off = off.max((next / x[row] - 1.0).abs());
            x[row] = next;
        }
        rounds += 1;
        if off < 1e-14 {
            break;
        }
        if rounds == 100_000 {
            // The last bits may go on turning.
            if off < 1e-10 {
                break;
            }
            return Err(BudgetError::Unsettled);
        }
    }
    let shares: Vec<f64> = (0..count).map(|row| x[row] * product(&x, row)).collect();
    let variance: f64 = shares.iter().sum();
    let sum: f64 = x.iter().zip(&scales).map(|(x, scale)| x / scale).sum();
    Ok(Weights {
        weights: x.iter().zip(&scales).map(|(x, scale)| x / scale / sum).collect(),
        shares: shares.iter().map(|share| share / variance).collect(),
        volatility: sqrt(variance) / sum,
        rounds,
    })
}

/// Risk parity: the same budget for each part.
///
/// # Errors
///
/// As [`risk_budgets`].
pub fn equal_risk(covariance: &[f64], count: usize) -> Result<Weights, BudgetError> {
    risk_budgets(covariance, &vec![1.0 / count as f64; count])
}

/// What to multiply exposures by so that the whole has the target volatility: target ÷ √(x'Σx), at most `most`. `exposures` may be of
/// either sign and of volatility-targeted parts, of which Σ is then their covariance; nothing held: `most`.
///
/// # Errors
///
/// Numbers that are none, a target or `most` not over zero, exposures that cancel beyond a millionth of what they are apart.
pub fn volatility_multiplier(
    covariance: &[f64],
    exposures: &[f64],
    target: f64,
    most: f64,
) -> Result<f64, BudgetError> {
    let count = exposures.len();
    for (name, value) in [("the target volatility", target), ("the largest multiple", most)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(BudgetError::Number { name, at: 0, value });
        }
    }
    if let Some(at) = exposures.iter().position(|exposure| !exposure.is_finite()) {
        return Err(BudgetError::Number { name: "exposure", at, value: exposures[at] });
    }
    if covariance.len() != count * count {
        return Err(BudgetError::Count { name: "covariances", found: covariance.len(), needed: count * count });
    }
    let (mut variance, mut apart) = (0.0, 0.0);
    for row in 0..count {
        let own = covariance[row * count + row];
        if own < 0.0 {
            return Err(BudgetError::Number { name: "variance", at: row, value: own });
        }
        apart += exposures[row].abs() * sqrt(own);
        for column in 0..count {
            variance += exposures[row] * exposures[column] * covariance[row * count + column];
        }
    }
    if !variance.is_finite() {
        return Err(BudgetError::Number { name: "the whole's variance", at: 0, value: variance });
    }
    if apart == 0.0 {
        return Ok(most);
    }
    // A hedge that is too good to be true is an estimate's error, and no licence for the largest multiple.
    if variance <= 1e-12 * apart * apart {
        return Err(BudgetError::Singular { row: 0 });
    }
    Ok((target / sqrt(variance)).min(most))
}
