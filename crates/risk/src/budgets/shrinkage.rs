//! Covariances of short histories, drawn towards what has fewer numbers to estimate.

use super::BudgetError;
use units::math::sqrt;

/// What a covariance is drawn towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Toward {
    /// The same variance for all and no correlation: Ledoit and Wolf, "A Well-conditioned Estimator for Large-dimensional Covariance
    /// Matrices", Journal of Multivariate Analysis 88 (2004).
    Identity,
    /// Each variance as it is and the same correlation for all: Ledoit and Wolf, "Honey, I Shrunk the Sample Covariance Matrix", Journal of
    /// Portfolio Management 30 (2004).
    #[default]
    ConstantCorrelation,
}

/// A covariance that is drawn towards another.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// Row by row.
    pub covariance: Vec<f64>,
    /// How far it was drawn: 0 is the sample's own, 1 the target.
    pub shrinkage: f64,
    /// The mean correlation of the sample.
    pub mean_correlation: f64,
}

/// The covariance of returns, which stand observation by observation, drawn towards a target as far as their noise asks. Means are taken
/// off; variances are sums ÷ observations. To shrink correlations alone, returns are given in units of their own volatilities, towards
/// the identity.
///
/// # Errors
///
/// Fewer than two observations, lists that are no multiple of `count`, returns that are none or never move.
pub fn shrink(returns: &[f64], count: usize, toward: Toward) -> Result<Shrunk, BudgetError> {
    if count == 0 || !returns.len().is_multiple_of(count) {
        return Err(BudgetError::Count { name: "returns", found: returns.len(), needed: count.max(1) * 2 });
    }
    let observations = returns.len() / count;
    if observations < 2 {
        return Err(BudgetError::Count { name: "observations", found: observations, needed: 2 });
    }
    if let Some(at) = returns.iter().position(|value| !value.is_finite()) {
        return Err(BudgetError::Number { name: "return", at, value: returns[at] });
    }
    let size = observations as f64;
    let means: Vec<f64> =
        (0..count).map(|column| returns.iter().skip(column).step_by(count).sum::<f64>() / size).collect();
    let apart: Vec<f64> = returns.iter().enumerate().map(|(at, value)| value - means[at % count]).collect();
    let rows = || apart.chunks_exact(count);
    let mut sample = vec![0.0; count * count];
    for row in rows() {
        for (i, one) in row.iter().enumerate() {
            for (j, other) in row.iter().enumerate() {
                sample[i * count + j] += one * other / size;
            }
        }
    }
    for at in 0..count {
        let variance = sample[at * count + at];
        // What is left of the mean's rounding is no movement.
        if variance <= means[at] * means[at] * 1e-28 {
            return Err(BudgetError::Number { name: "variance", at, value: variance });
        }
    }
    let deviation: Vec<f64> = (0..count).map(|at| sqrt(sample[at * count + at])).collect();
    let correlation = |i: usize, j: usize| sample[i * count + j] / (deviation[i] * deviation[j]);
    let pairs = (count * (count - 1)).max(1) as f64;
    let sum: f64 = (0..count)
        .flat_map(|i| (0..count).filter(move |j| *j != i).map(move |j| (i, j)))
        .map(|(i, j)| correlation(i, j))
        .sum();
    let mean_correlation = sum / pairs;
    let mean_variance = (0..count).map(|at| sample[at * count + at]).sum::<f64>() / count as f64;
    let target = |i: usize, j: usize| match toward {
        Toward::Identity => {
            if i == j {
                mean_variance
            } else {
                0.0
            }
        }
        Toward::ConstantCorrelation => {
            if i == j {
                sample[i * count + j]
            } else {
                mean_correlation * deviation[i] * deviation[j]
            }
        }
    };
    // How much of the sample's distance from the target is noise.
    let (mut noise, mut shared, mut far) = (0.0, 0.0, 0.0);
    for i in 0..count {
        for j in 0..count {
            let own = sample[i * count + j];
            let mut spread = 0.0;
            // Covariances of the entry's noise with that of both variances.
            let (mut with_one, mut with_other) = (0.0, 0.0);
            for row in rows() {
                let off = row[i] * row[j] - own;
                spread += off * off;
                with_one += (row[i] * row[i] - sample[i * count + i]) * off;
                with_other += (row[j] * row[j] - sample[j * count + j]) * off;
            }
            noise += spread / size;
            let apart = own - target(i, j);
            far += apart * apart;
            if toward == Toward::ConstantCorrelation {
                shared += if i == j {
                    spread / size
                } else {
                    let ratio = deviation[j] / deviation[i];
                    mean_correlation / 2.0 * (ratio * with_one + with_other / ratio) / size
                };
            }
        }
    }
    let shrinkage = if far > 0.0 { ((noise - shared) / far / size).clamp(0.0, 1.0) } else { 1.0 };
    let mix = |i: usize, j: usize| shrinkage * target(i, j) + (1.0 - shrinkage) * sample[i * count + j];
    let covariance = (0..count * count).map(|at| mix(at / count, at % count)).collect();
    Ok(Shrunk { covariance, shrinkage, mean_correlation })
}
