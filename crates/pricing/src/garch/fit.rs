//! The parameters under which returns are most likely.
//!
//! The search has no bounds, because its coordinates cannot leave them: the logarithm of the long-run variance; how a whole is shared
//! among the weights and what the long-run variance keeps, as logarithms of shares over the last one; the mean in standard deviations;
//! the logarithm of the degrees of freedom over 2.05. Several searches start at places far apart, since there are several
//! tops; each follows Broyden, Fletcher, Goldfarb and Shanno from the curvature that the returns' own slopes give (Berndt, Hall, Hall and
//! Hausman 1974) until it is near a top, and the highest go on to the end.

use super::likelihood::{Information, Likelihood, Slope};
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
/// And after the last steps, which take the forecasts of 500 returns to 1e-8 of those at the top.
const SETTLED: f64 = 1e-16;
const SETTLING_MOST: u32 = 8;
/// The same for a search that is first to show whether its top is worth more.
const NEAR: f64 = 1e-3;
/// Searches as near to the highest go on.
const WITHIN: f64 = 0.1;
/// So many steps apart, and not in the later ones, the curvature is made anew.
const LOOK: u32 = 4;

/// Persistence, alpha (with half of gamma), what of it falls bring, long-run variance ÷ that of the returns.
///
/// Likelihoods of recorded returns have several tops: variances that follow the last return and forget it, that follow slowly, that hardly
/// move or drift from the first value to another. These starts were chosen on 432 fits to windows of 250 to 1,000 days and hours of BTC and
/// ETH such that each of the highest tops of 72 (GJR 216) starts is reached, most of them from three.
const STARTS: [[f64; 4]; 5] = [
    [0.9, 0.1, 0.5, 2.0],
    [0.97, 0.002, 0.5, 1.0],
    [0.2, 0.1, 0.5, 1.0],
    [0.9995, 0.002, 0.5, 0.5],
    [0.6, 0.3, 0.5, 2.0],
];
/// The same for GJR.
const ASYMMETRIC_STARTS: [[f64; 4]; 7] = [
    [0.97, 0.1, 0.5, 0.5],
    [0.6, 0.1, 0.5, 2.0],
    [0.97, 0.1, 0.05, 2.0],
    [0.9995, 0.002, 0.5, 2.0],
    [0.995, 0.1, 0.95, 0.5],
    [0.6, 0.3, 0.5, 2.0],
    [0.995, 0.002, 0.5, 0.5],
];

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

    /// Where searches start.
    fn starts(&self) -> impl Iterator<Item = Row> {
        let list = if self.asymmetric { &ASYMMETRIC_STARTS[..] } else { &STARTS[..] };
        list.iter().map(|[persistence, alpha, fall, long_run]| {
            let mut at = [0.0; MOST];
            at[0] = ln(*long_run);
            let log = |share: f64| ln(share / (1.0 - persistence));
            let beta = persistence - alpha;
            let shares = if self.asymmetric { [alpha * (1.0 - fall), alpha * fall, beta] } else { [*alpha, beta, 1.0] };
            for (place, share) in at[1..=self.shares()].iter_mut().zip(shares) {
                *place = log(share);
            }
            if self.innovations == Innovations::Student {
                at[self.coordinates() - 1] = ln(4.0 - DEGREES_LEAST);
            }
            at
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

/// A search under way.
struct Climb<'a> {
    model: &'a Model,
    likelihood: &'a Likelihood<'a>,
    at: Row,
    place: Place,
    value: f64,
    uphill: Row,
    inverse: [Row; MOST],
}

impl<'a> Climb<'a> {
    fn at(model: &'a Model, likelihood: &'a Likelihood<'a>, at: Row) -> Self {
        let place = model.parameters(likelihood, &at);
        let slope: Slope = likelihood.slope(&place.parameters);
        let uphill = place.carry(&slope.slopes);
        let mut climb = Self { model, likelihood, at, place, value: slope.value, uphill, inverse: [[0.0; MOST]; MOST] };
        climb.look_around();
        climb
    }

    fn look_around(&mut self) {
        let information = self.likelihood.information(&self.place.parameters);
        self.inverse = inverse_curvature(&self.place, &information, self.model.coordinates());
    }

    /// Goes up until the next step promises less than `enough`, or nothing is left to gain. Whether it came to that; it gives up where it
    /// comes below an end of another search.
    fn on(&mut self, enough: f64, ends: &[Climb<'_>]) -> bool {
        let mut before = f64::NEG_INFINITY;
        for taken in 1..=STEPS_MOST {
            let mut step = times(&self.inverse, &self.uphill);
            let mut promise = dot(&step, &self.uphill);
            if !promise.is_finite() || promise < 0.0 {
                self.look_around();
                step = times(&self.inverse, &self.uphill);
                promise = dot(&step, &self.uphill);
            }
            if promise < enough {
                return true;
            }
            if ends.iter().any(|end| self.is_below(end)) {
                return false;
            }
            // No coordinate moves by more than a factor of some twenty.
            let longest = step.iter().fold(0.0_f64, |longest, part| longest.max(part.abs()));
            let mut length = if longest > 3.0 { 3.0 / longest } else { 1.0 };
            let (moved, there, next) = loop {
                let mut moved = self.at;
                for (place, part) in moved.iter_mut().zip(&step) {
                    *place += length * part;
                }
                let there = self.model.parameters(self.likelihood, &moved);
                let next: Slope = self.likelihood.slope(&there.parameters);
                let risen = next.value - self.value;
                if risen.is_finite() && risen >= 1e-4 * length * promise {
                    break (moved, there, next);
                }
                length *= if risen.is_finite() { 0.5 } else { 0.1 };
                // Rounding of the sum is all that is left to gain.
                if length * promise < ENOUGH || length < 1e-12 {
                    return true;
                }
            };
            let carried = there.carry(&next.slopes);
            update(&mut self.inverse, &self.at, &moved, &self.uphill, &carried);
            (self.at, self.place, self.value, self.uphill) = (moved, there, next.value, carried);
            if taken % LOOK == 0 {
                // On its way to a bound, whose logarithm is far: many steps and nothing gained.
                if self.value - before < ENOUGH {
                    return true;
                }
                before = self.value;
                if taken <= 3 * LOOK {
                    self.look_around();
                }
            }
        }
        false
    }

    /// The last steps, by slopes alone: they are exact where the sum's rounding hides what is left to gain.
    fn settle(&mut self) {
        for _ in 0..SETTLING_MOST {
            let step = times(&self.inverse, &self.uphill);
            let promise = dot(&step, &self.uphill);
            if !promise.is_finite() || promise < SETTLED {
                return;
            }
            let mut moved = self.at;
            moved.iter_mut().zip(&step).for_each(|(place, part)| *place += part);
            let there = self.model.parameters(self.likelihood, &moved);
            let next: Slope = self.likelihood.slope(&there.parameters);
            let carried = there.carry(&next.slopes);
            let mut inverse = self.inverse;
            update(&mut inverse, &self.at, &moved, &self.uphill, &carried);
            let left = dot(&times(&inverse, &carried), &carried);
            // Not nearer, or lower by more than rounding: it was there.
            if left.is_nan() || left.abs() > promise / 2.0 || next.value < self.value - 1e-9 * (1.0 + self.value.abs())
            {
                return;
            }
            (self.at, self.place, self.value, self.uphill, self.inverse) = (moved, there, next.value, carried, inverse);
        }
    }

    /// Whether another search came to about this place, and higher.
    fn is_below(&self, end: &Climb<'_>) -> bool {
        let (one, other) = (&self.place.parameters, &end.place.parameters);
        let near = |one: f64, other: f64| (one - other).abs() < 0.01;
        let weights = near(one.alpha, other.alpha) && near(one.gamma, other.gamma) && near(one.beta, other.beta);
        weights && self.value <= end.value && self.value > end.value - WITHIN
    }
}

fn search(model: &Model, likelihood: &Likelihood<'_>) -> Result<Row, FitError> {
    let mut ends: Vec<Climb<'_>> = Vec::with_capacity(6);
    for at in model.starts() {
        let mut climb = Climb::at(model, likelihood, at);
        if climb.value.is_finite() && climb.on(NEAR, &ends) {
            ends.retain(|end| !end.is_below(&climb));
            ends.push(climb);
        }
    }
    let highest = ends.iter().fold(f64::NEG_INFINITY, |highest, end| highest.max(end.value));
    let mut best: Option<Climb<'_>> = None;
    for mut end in ends.into_iter().filter(|end| end.value > highest - WITHIN) {
        if end.on(ENOUGH, &[]) && best.as_ref().is_none_or(|best| end.value > best.value) {
            best = Some(end);
        }
    }
    let mut best = best.ok_or(FitError::NotConverged)?;
    best.settle();
    Ok(best.at)
}

/// The inverse of the information by the search's coordinates, by Gauss and Jordan; a coordinate that nothing depends on stays where it is.
fn inverse_curvature(place: &Place, information: &Information, count: usize) -> [Row; MOST] {
    let mut matrix = [[0.0; MOST]; MOST];
    for (row, by) in matrix.iter_mut().zip(&place.by).take(count) {
        let mut carried = [0.0; 6];
        for (by, row) in by.iter().zip(information) {
            carried.iter_mut().zip(row).for_each(|(sum, one)| *sum += by * one);
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
