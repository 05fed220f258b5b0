//! The parameters under which returns are most likely.
//!
//! The search has no bounds, because its coordinates cannot leave them: the logarithm of the long-run variance; how a whole is shared
//! among the weights and what the long-run variance keeps, as logarithms of shares over the last one; the mean in standard deviations;
//! the logarithm of the degrees of freedom over 2.05. It starts at the best of a few places and follows Broyden, Fletcher, Goldfarb
//! and Shanno from the curvature that the returns' own slopes give (Berndt, Hall, Hall and Hausman 1974).

use super::likelihood::{Likelihood, Products, Slope};
use super::{Innovations, Model, Parameters};
use units::math::{exp, ln, sqrt};

/// At most so many coordinates: mean, long-run variance, three shares, degrees of freedom.
const MOST: usize = 6;
type Row = [f64; MOST];

const DEGREES_LEAST: f64 = 2.05;
/// Hardly told from the normal law.
const DEGREES_MOST: f64 = 500.0;
const STEPS_MOST: u32 = 200;
/// What the next step may promise to the logarithm of the likelihood at most, for the search to be over.
const ENOUGH: f64 = 1e-11;

/// Why nothing was fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitError {
    /// There are too few returns.
    TooFew {
        /// So many are there.
        count: usize,
        /// So many are needed.
        fewest: usize,
    },
    /// A return is not a finite number.
    NotFinite {
        /// Which, from zero.
        row: usize,
    },
    /// All returns are the same.
    Constant,
    /// The search did not end.
    NotConverged,
    /// The parameters handed in give no positive, finite variance.
    Parameters,
}

impl std::fmt::Display for FitError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooFew { count, fewest } => {
                write!(out, "{count} returns are too few to fit a variance that changes: take {fewest} or more")
            }
            Self::NotFinite { row } => write!(out, "return {} is no finite number: leave it out or repair it", row + 1),
            Self::Constant => out.write_str("all returns are the same, so no variance can be fitted: is it the right series?"),
            Self::NotConverged => out.write_str("the fit did not come to an end: take more returns or a simpler model"),
            Self::Parameters => out.write_str(
                "the parameters give no positive variance: weights and omega are zero or more, degrees of freedom over two",
            ),
        }
    }
}

impl std::error::Error for FitError {}

/// What was fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// The most likely parameters.
    pub parameters: Parameters,
    /// Logarithm of the likelihood at them.
    pub log_likelihood: f64,
    /// Returns that it was fitted to.
    pub count: usize,
}

impl Model {
    /// Fits the model to returns by maximum likelihood.
    ///
    /// # Errors
    ///
    /// Too few returns, one that is not finite, returns that are all the same; a search that does not end.
    pub fn fit(&self, returns: &[f64]) -> Result<Fit, FitError> {
        let raw = Likelihood::of(returns, self.mean)?;
        // Of unit variance, so that one search fits prices of all kinds.
        let scale = sqrt(raw.variance);
        let scaled: Vec<f64> = returns.iter().map(|value| value / scale).collect();
        let likelihood = Likelihood::of(&scaled, self.mean)?;
        let coordinates = search(self, &likelihood)?;
        let found = self.parameters(&likelihood, &coordinates).parameters;
        let parameters = Parameters { mean: found.mean * scale, omega: found.omega * raw.variance, ..found };
        Ok(Fit { parameters, log_likelihood: raw.value(&parameters), count: raw.count() })
    }

    fn shares(&self) -> usize {
        if self.asymmetric { 3 } else { 2 }
    }

    fn coordinates(&self) -> usize {
        1 + self.shares() + usize::from(self.mean) + usize::from(self.innovations == Innovations::Student)
    }

    /// Parameters at a place, and their slopes by its coordinates.
    fn parameters(&self, likelihood: &Likelihood<'_>, at: &Row) -> Place {
        let count = self.shares();
        let logits = &at[1..=count];
        // The last share's logarithm is zero. Taken from the largest, so that none overflows.
        let largest = logits.iter().fold(0.0_f64, |largest, logit| largest.max(*logit));
        let rest = exp(-largest);
        let mut shares = [0.0; 3];
        for (share, logit) in shares.iter_mut().zip(logits) {
            *share = exp(logit - largest);
        }
        let whole = rest + shares.iter().sum::<f64>();
        shares.iter_mut().for_each(|share| *share /= whole);
        let rest = rest / whole;
        let long_run = exp(at[0]);
        let omega = long_run * rest;
        let mut by = [[0.0; 6]; MOST];
        by[0][1] = omega;
        for column in 0..count {
            let slope = |row: usize| shares[row] * (f64::from(u8::from(row == column)) - shares[column]);
            let weights = if self.asymmetric {
                [2.0 * slope(0), 2.0 * (slope(1) - slope(0)), slope(2)]
            } else {
                [slope(0), 0.0, slope(1)]
            };
            by[1 + column][1] = -omega * shares[column];
            by[1 + column][2..5].copy_from_slice(&weights);
        }
        let [alpha, gamma, beta] = if self.asymmetric {
            [2.0 * shares[0], 2.0 * (shares[1] - shares[0]), shares[2]]
        } else {
            [shares[0], 0.0, shares[1]]
        };
        let mut next = 1 + count;
        let mut mean = 0.0;
        if self.mean {
            mean = likelihood.mean + at[next];
            by[next][0] = 1.0;
            next += 1;
        }
        let degrees = (self.innovations == Innovations::Student).then(|| {
            let over = exp(at[next]).min(DEGREES_MOST);
            by[next][5] = if over < DEGREES_MOST { over } else { 0.0 };
            DEGREES_LEAST + over
        });
        Place { parameters: Parameters { mean, omega, alpha, gamma, beta, degrees }, by }
    }

    /// Where the search may start: short and long memory, of a variance as the sample has.
    fn starts(&self) -> impl Iterator<Item = Row> {
        let model = *self;
        [0.5, 0.8, 0.95, 0.99].into_iter().flat_map(move |persistence: f64| {
            [0.03, 0.1, 0.25].into_iter().map(move |alpha: f64| {
                let mut at = [0.0; MOST];
                let beta = persistence - alpha.min(0.6 * persistence);
                let alpha = persistence - beta;
                let log = |share: f64| ln(share / (1.0 - persistence));
                let shares = if model.asymmetric { [alpha / 2.0, alpha / 2.0, beta] } else { [alpha, beta, 1.0] };
                for (place, share) in at[1..=model.shares()].iter_mut().zip(shares) {
                    *place = log(share);
                }
                if model.innovations == Innovations::Student {
                    at[model.coordinates() - 1] = ln(6.0 - DEGREES_LEAST);
                }
                at
            })
        })
    }
}

struct Place {
    parameters: Parameters,
    /// By coordinate: slopes of mean, omega, alpha, gamma, beta, degrees of freedom.
    by: [[f64; 6]; MOST],
}

impl Place {
    fn carry(&self, slopes: &[f64; 6]) -> Row {
        let mut carried = [0.0; MOST];
        for (one, by) in carried.iter_mut().zip(&self.by) {
            *one = by.iter().zip(slopes).map(|(by, slope)| by * slope).sum();
        }
        carried
    }
}

fn dot(one: &Row, other: &Row) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn times(matrix: &[Row; MOST], vector: &Row) -> Row {
    let mut product = [0.0; MOST];
    for (one, row) in product.iter_mut().zip(matrix) {
        *one = dot(row, vector);
    }
    product
}

fn search(model: &Model, likelihood: &Likelihood<'_>) -> Result<Row, FitError> {
    let value = |at: &Row| likelihood.value(&model.parameters(likelihood, at).parameters);
    let better = |best: (Row, f64), at: Row| {
        let value = value(&at);
        if value > best.1 { (at, value) } else { best }
    };
    let (mut at, _) = model.starts().fold(([0.0; MOST], f64::NEG_INFINITY), better);
    let count = model.coordinates();
    let mut place = model.parameters(likelihood, &at);
    let mut slope: Slope = likelihood.slope(&place.parameters);
    let mut uphill = place.carry(&slope.slopes);
    let mut inverse = inverse_curvature(&place, &likelihood.products(&place.parameters), count);
    for _ in 0..STEPS_MOST {
        let mut step = times(&inverse, &uphill);
        let mut promise = dot(&step, &uphill);
        if !promise.is_finite() || promise < 0.0 {
            inverse = inverse_curvature(&place, &likelihood.products(&place.parameters), count);
            step = times(&inverse, &uphill);
            promise = dot(&step, &uphill);
        }
        if promise < ENOUGH {
            return Ok(at);
        }
        // No coordinate moves by more than a factor of some twenty.
        let longest = step.iter().fold(0.0_f64, |longest, part| longest.max(part.abs()));
        let mut length = if longest > 3.0 { 3.0 / longest } else { 1.0 };
        let (moved, there) = loop {
            let mut moved = at;
            for (place, part) in moved.iter_mut().zip(&step) {
                *place += length * part;
            }
            let there = model.parameters(likelihood, &moved);
            let risen = likelihood.value(&there.parameters) - slope.value;
            if risen.is_finite() && risen >= 1e-4 * length * promise {
                break (moved, there);
            }
            length *= if risen.is_finite() { 0.5 } else { 0.1 };
            // Rounding of the sum is all that is left to gain.
            if length * promise < ENOUGH || length < 1e-12 {
                return Ok(at);
            }
        };
        let next: Slope = likelihood.slope(&there.parameters);
        let carried = there.carry(&next.slopes);
        update(&mut inverse, &at, &moved, &uphill, &carried);
        (at, place, slope, uphill) = (moved, there, next, carried);
    }
    Err(FitError::NotConverged)
}

/// The inverse of the summed products of slopes, by Gauss and Jordan; a coordinate that nothing depends on stays where it is.
fn inverse_curvature(place: &Place, products: &Products, count: usize) -> [Row; MOST] {
    let mut matrix = [[0.0; MOST]; MOST];
    for (row, by) in matrix.iter_mut().zip(&place.by).take(count) {
        let mut carried = [0.0; 6];
        for (by, products) in by.iter().zip(products) {
            carried.iter_mut().zip(products).for_each(|(sum, product)| *sum += by * product);
        }
        *row = place.carry(&carried);
    }
    let mut inverse = [[0.0; MOST]; MOST];
    for (at, row) in inverse.iter_mut().enumerate().take(count) {
        row[at] = 1.0;
        // A little more of the diagonal keeps it away from singular.
        matrix[at][at] = matrix[at][at] * (1.0 + 1e-6) + 1e-6;
    }
    for pivot in 0..count {
        let over = 1.0 / matrix[pivot][pivot];
        for column in 0..count {
            matrix[pivot][column] *= over;
            inverse[pivot][column] *= over;
        }
        for row in (0..count).filter(|row| *row != pivot) {
            let factor = matrix[row][pivot];
            for column in 0..count {
                matrix[row][column] -= factor * matrix[pivot][column];
                inverse[row][column] -= factor * inverse[pivot][column];
            }
        }
    }
    inverse
}

/// What a step taught of the curvature: the update of Broyden, Fletcher, Goldfarb and Shanno of its inverse.
fn update(inverse: &mut [Row; MOST], from: &Row, to: &Row, uphill_from: &Row, uphill_to: &Row) {
    let mut step = [0.0; MOST];
    let mut turn = [0.0; MOST];
    for at in 0..MOST {
        step[at] = to[at] - from[at];
        turn[at] = uphill_from[at] - uphill_to[at];
    }
    let along = dot(&step, &turn);
    if along <= 1e-14 * sqrt(dot(&step, &step) * dot(&turn, &turn)) {
        return;
    }
    let image = times(inverse, &turn);
    let factor = (1.0 + dot(&turn, &image) / along) / along;
    for row in 0..MOST {
        for column in 0..MOST {
            inverse[row][column] +=
                factor * step[row] * step[column] - (image[row] * step[column] + step[row] * image[column]) / along;
        }
    }
}
