//! The logarithm of the likelihood of returns under a model, and its slope in every parameter.

use super::{FitError, Parameters};
use std::f64::consts::PI;
use units::math::{ln, ln_gamma};

/// Fewer returns say nothing of a variance that changes.
const FEWEST: usize = 30;
/// Returns that the variance before the first one is taken from.
const START: usize = 75;
/// How the weights of those fall.
const START_DECAY: f64 = 0.94;
/// So many factors are multiplied before one logarithm is taken of all: of variances between 1e-38 and 1e38.
const CHAIN: usize = 8;

/// By mean, omega, alpha, gamma, beta and degrees of freedom.
pub(super) type Slopes = [f64; 6];

/// Returns, and what of them no parameter changes.
#[derive(Debug)]
pub(super) struct Likelihood<'a> {
    returns: &'a [f64],
    /// Mean of the returns.
    pub(super) mean: f64,
    /// Variance about that mean.
    pub(super) variance: f64,
    /// What stands for the squared surprise and the variance before the first return.
    before: f64,
}

/// Value and slopes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slope {
    pub(super) value: f64,
    pub(super) slopes: Slopes,
}

/// Fisher's information: what the curvature of the logarithm of the likelihood would be on average, were the parameters true.
pub(super) type Information = [Slopes; 6];

impl<'a> Likelihood<'a> {
    /// `with_mean` is whether surprises are about the mean of the returns, or about zero.
    pub(super) fn of(returns: &'a [f64], with_mean: bool) -> Result<Self, FitError> {
        let count = returns.len();
        if count < FEWEST {
            return Err(FitError::TooFew { count, fewest: FEWEST });
        }
        if let Some(row) = returns.iter().position(|value| !value.is_finite()) {
            return Err(FitError::NotFinite { row });
        }
        let mean = returns.iter().sum::<f64>() / count as f64;
        let variance = returns.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count as f64;
        let largest = returns.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        // What rounding alone leaves of returns that are all the same.
        if variance <= 1e-24 * largest * largest {
            return Err(FitError::Constant);
        }
        let centre = if with_mean { mean } else { 0.0 };
        let (mut weight, mut weights, mut before) = (1.0, 0.0, 0.0);
        for value in returns.iter().take(START) {
            before += weight * (value - centre) * (value - centre);
            weights += weight;
            weight *= START_DECAY;
        }
        // Quiet from the first on: the whole stands for them.
        let before = if before > 0.0 { before / weights } else { variance };
        Ok(Self { returns, mean, variance, before })
    }

    pub(super) fn count(&self) -> usize {
        self.returns.len()
    }

    pub(super) fn first_variance(&self, parameters: &Parameters) -> f64 {
        parameters.omega + parameters.persistence() * self.before
    }

    /// The logarithm of the likelihood alone.
    pub(super) fn value(&self, parameters: &Parameters) -> f64 {
        let mut sum = Sum::new(parameters);
        let mut variance = self.first_variance(parameters);
        for value in self.returns {
            let surprise = value - parameters.mean;
            sum.add(variance, surprise * surprise);
            variance = parameters.next(variance, surprise);
        }
        sum.total(self.returns.len()).0
    }

    /// With its slopes.
    pub(super) fn slope(&self, parameters: &Parameters) -> Slope {
        let mut slopes = [0.0; 6];
        let value = self.terms(parameters, |term| {
            slopes.iter_mut().zip(term).for_each(|(sum, one)| *sum += one);
        });
        Slope { value, slopes }
    }

    /// Information along the recorded variances (Fiorentini, Calzolari and Panattoni, Journal of Applied Econometrics 11, 1996), of
    /// Student's law by Lange, Little and Taylor, Journal of the American Statistical Association 84 (1989). Large returns have no more
    /// part in it than small ones, so that fat tails do not shorten the steps of a search.
    pub(super) fn information(&self, parameters: &Parameters) -> Information {
        let expected = Expected::of(parameters.degrees);
        let mut sum = [[0.0; 6]; 6];
        self.walk(parameters, |_, inverse, by| {
            let relative = by.map(|one| one * inverse);
            for (row, one) in sum.iter_mut().zip(relative) {
                row.iter_mut().zip(relative).for_each(|(sum, other)| *sum += expected.variance * one * other);
                row[5] += expected.both * one;
            }
            sum[0][0] += expected.mean * inverse;
        });
        sum[5] = [sum[0][5], sum[1][5], sum[2][5], sum[3][5], sum[4][5], expected.degrees * self.returns.len() as f64];
        sum
    }

    /// Tells the slopes of each return's term, and gives the value.
    #[inline(always)]
    fn terms(&self, parameters: &Parameters, mut tell: impl FnMut(&Slopes)) -> f64 {
        let degrees = parameters.degrees;
        let mut sum = Sum::new(parameters);
        let constant = degrees.map_or(0.0, |degrees| {
            (digamma((degrees + 1.0) / 2.0) - digamma(degrees / 2.0) - 1.0 / (degrees - 2.0)) / 2.0
        });
        self.walk(parameters, |(surprise, variance), inverse, by| {
            let square = surprise * surprise;
            // Slopes of this return's term by variance, mean and degrees of freedom.
            let (by_variance, by_mean, by_degrees) = match degrees {
                None => ((square * inverse - 1.0) * inverse / 2.0, surprise * inverse, 0.0),
                Some(degrees) => {
                    let far = square * inverse / (degrees - 2.0);
                    let share = 1.0 / (1.0 + far);
                    let pull = (degrees + 1.0) * far * share;
                    (
                        (pull - 1.0) * inverse / 2.0,
                        (degrees + 1.0) * share * surprise * inverse / (degrees - 2.0),
                        // Half of the logarithm of 1 + far is taken from it at the end, of many at once.
                        constant + pull / (2.0 * (degrees - 2.0)),
                    )
                }
            };
            sum.add(variance, square);
            tell(&[
                by_mean + by_variance * by[0],
                by_variance * by[1],
                by_variance * by[2],
                by_variance * by[3],
                by_variance * by[4],
                by_degrees,
            ]);
        });
        let (value, tails) = sum.total(self.returns.len());
        if degrees.is_some() {
            tell(&[0.0, 0.0, 0.0, 0.0, 0.0, -tails / 2.0]);
        }
        value
    }

    /// Goes along the returns: tells each surprise with its variance, one over the variance, and the variance's slopes by mean, omega,
    /// alpha, gamma and beta.
    #[inline(always)]
    fn walk(&self, parameters: &Parameters, mut tell: impl FnMut((f64, f64), f64, &[f64; 5])) {
        let Parameters { mean, alpha, gamma, beta, .. } = *parameters;
        let mut variance = self.first_variance(parameters);
        let mut by: [f64; 5] = [0.0, 1.0, self.before, self.before / 2.0, self.before];
        for value in self.returns {
            let surprise = value - mean;
            let square = surprise * surprise;
            tell((surprise, variance), 1.0 / variance, &by);
            let (fell, weight) = if surprise < 0.0 { (square, alpha + gamma) } else { (0.0, alpha) };
            by = [
                beta * by[0] - 2.0 * weight * surprise,
                beta * by[1] + 1.0,
                beta * by[2] + square,
                beta * by[3] + fell,
                beta * by[4] + variance,
            ];
            variance = parameters.next(variance, surprise);
        }
    }
}

/// What a return of variance one tells on average of its law.
struct Expected {
    mean: f64,
    variance: f64,
    both: f64,
    degrees: f64,
}

impl Expected {
    fn of(degrees: Option<f64>) -> Self {
        let Some(degrees) = degrees else { return Self { mean: 1.0, variance: 0.5, both: 0.0, degrees: 0.0 } };
        // Of Student's law by its scale: the variance is scale × degrees ÷ (degrees − 2).
        let scale = (degrees - 2.0) / degrees;
        let by_scale = degrees / (2.0 * (degrees + 3.0) * scale * scale);
        let by_both = -1.0 / (scale * (degrees + 1.0) * (degrees + 3.0));
        let by_degrees = (trigamma(degrees / 2.0) - trigamma((degrees + 1.0) / 2.0)) / 4.0
            - (degrees + 5.0) / (2.0 * degrees * (degrees + 1.0) * (degrees + 3.0));
        // How the scale moves with the degrees of freedom where the variance stays.
        let turn = 2.0 / (degrees * degrees);
        Self {
            mean: (degrees + 1.0) / ((degrees + 3.0) * scale),
            variance: by_scale * scale * scale,
            both: scale * (by_both + by_scale * turn),
            degrees: by_degrees + 2.0 * by_both * turn + by_scale * turn * turn,
        }
    }
}

/// The sum of the logarithms of densities, most of them taken together.
struct Sum {
    /// Degrees of freedom, or zero for the normal law.
    degrees: f64,
    constant: f64,
    /// Product of variances, and of what stands beside them under Student's law.
    product: f64,
    tails: f64,
    chained: usize,
    logarithms: f64,
    tail_logarithms: f64,
    squares: f64,
}

impl Sum {
    fn new(parameters: &Parameters) -> Self {
        let constant = match parameters.degrees {
            None => -ln(2.0 * PI) / 2.0,
            Some(degrees) => ln_gamma((degrees + 1.0) / 2.0) - ln_gamma(degrees / 2.0) - ln(PI * (degrees - 2.0)) / 2.0,
        };
        let degrees = parameters.degrees.unwrap_or(0.0);
        let (product, tails) = (1.0, 1.0);
        Self { degrees, constant, product, tails, chained: 0, logarithms: 0.0, tail_logarithms: 0.0, squares: 0.0 }
    }

    fn add(&mut self, variance: f64, square: f64) {
        self.product *= variance;
        if self.degrees > 0.0 {
            self.tails *= 1.0 + square / (variance * (self.degrees - 2.0));
        } else {
            self.squares += square / variance;
        }
        self.chained += 1;
        if self.chained == CHAIN {
            self.close();
        }
    }

    fn close(&mut self) {
        self.logarithms += ln(self.product);
        self.tail_logarithms += ln(self.tails);
        (self.product, self.tails, self.chained) = (1.0, 1.0, 0);
    }

    /// And the sum of the logarithms of Student's tails.
    fn total(mut self, count: usize) -> (f64, f64) {
        self.close();
        let tails = (self.degrees + 1.0) * self.tail_logarithms;
        (count as f64 * self.constant - (self.logarithms + self.squares + tails) / 2.0, self.tail_logarithms)
    }
}

/// The slope of the logarithm of the gamma function, for arguments over zero: Abramowitz and Stegun, 6.3.5 and 6.3.18.
fn digamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 0.0);
    while x < 10.0 {
        below += 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = square
        * (1.0 / 12.0
            - square * (1.0 / 120.0 - square * (1.0 / 252.0 - square * (1.0 / 240.0 - square * (1.0 / 132.0)))));
    ln(x) - 0.5 / x - series - below
}

/// Its slope: Abramowitz and Stegun, 6.4.6 and 6.4.12.
fn trigamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 0.0);
    while x < 10.0 {
        below += 1.0 / (x * x);
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series =
        1.0 / 6.0 - square * (1.0 / 30.0 - square * (1.0 / 42.0 - square * (1.0 / 30.0 - square * 5.0 / 66.0)));
    below + 1.0 / x + square / 2.0 + square * series / x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::garch::Parameters;

    /// −γ, −γ − 2 ln 2, and 1 + ½ − γ: Abramowitz and Stegun, 6.3.2 and 6.3.3.
    #[test]
    fn the_digamma_function_is_that_of_the_tables() {
        const EULER: f64 = 0.577_215_664_901_532_9;
        for (x, expected) in [(1.0, -EULER), (0.5, -EULER - 2.0 * ln(2.0)), (3.0, 1.5 - EULER)] {
            assert!((digamma(x) - expected).abs() < 1e-13, "{x}: {}", digamma(x));
        }
    }

    /// π² ÷ 6, π² ÷ 2, and π² ÷ 6 − 1 − ¼: Abramowitz and Stegun, 6.4.2 and 6.4.4.
    #[test]
    fn the_trigamma_function_is_that_of_the_tables() {
        for (x, expected) in [(1.0, PI * PI / 6.0), (0.5, PI * PI / 2.0), (3.0, PI * PI / 6.0 - 1.25)] {
            assert!((trigamma(x) - expected).abs() < 1e-13, "{x}: {}", trigamma(x));
        }
    }

    /// Of the law itself by sums over its density: the mean product of the slopes of its logarithm, those taken by differences.
    #[test]
    fn information_is_the_mean_product_of_slopes() {
        for degrees in [2.5, 4.0, 9.0] {
            let log_density = |x: f64, mean: f64, variance: f64, degrees: f64| {
                let square = (x - mean) * (x - mean) / (variance * (degrees - 2.0));
                ln_gamma((degrees + 1.0) / 2.0)
                    - ln_gamma(degrees / 2.0)
                    - ln(PI * (degrees - 2.0) * variance) / 2.0
                    - (degrees + 1.0) / 2.0 * ln(1.0 + square)
            };
            let (mut sums, step) = ([0.0; 4], 1e-4);
            // x = u ÷ (1 − u²): the whole line by equal steps of u.
            let count = 200_000_u32;
            for at in 1..count {
                let u = 2.0 * f64::from(at) / f64::from(count) - 1.0;
                let room = 1.0 - u * u;
                let (x, width) = (u / room, (1.0 + u * u) / (room * room) * 2.0 / f64::from(count));
                let weight = units::math::exp(log_density(x, 0.0, 1.0, degrees)) * width;
                let slope = |up: f64, down: f64| (up - down) / (2.0 * step);
                let mean = slope(log_density(x, step, 1.0, degrees), log_density(x, -step, 1.0, degrees));
                let variance =
                    slope(log_density(x, 0.0, 1.0 + step, degrees), log_density(x, 0.0, 1.0 - step, degrees));
                let law = slope(log_density(x, 0.0, 1.0, degrees + step), log_density(x, 0.0, 1.0, degrees - step));
                for (sum, product) in sums.iter_mut().zip([mean * mean, variance * variance, variance * law, law * law])
                {
                    *sum += weight * product;
                }
            }
            let Expected { mean, variance, both, degrees: law } = Expected::of(Some(degrees));
            for (found, expected) in [mean, variance, both, law].into_iter().zip(sums) {
                assert!(
                    (found - expected).abs() < 1e-4 * (0.01 + expected.abs()),
                    "{degrees}: {found} is not {expected}"
                );
            }
        }
    }

    #[test]
    fn slopes_are_those_of_the_value() {
        let returns: Vec<f64> = (0..200_i32).map(|at| f64::from((at * at * 7 + at * 13) % 101 - 48) / 50.0).collect();
        let likelihood = Likelihood::of(&returns, true).unwrap();
        let normal = Parameters { mean: 0.02, omega: 0.05, alpha: 0.08, gamma: -0.03, beta: 0.8, degrees: None };
        for parameters in [normal, Parameters { degrees: Some(5.5), ..normal }] {
            let slope = likelihood.slope(&parameters);
            assert!((slope.value - likelihood.value(&parameters)).abs() < 1e-11);
            let fields: [fn(&mut Parameters) -> &mut f64; 5] =
                [|p| &mut p.mean, |p| &mut p.omega, |p| &mut p.alpha, |p| &mut p.gamma, |p| &mut p.beta];
            let step = 1e-6;
            for (at, field) in fields.iter().enumerate() {
                let moved = |by: f64| {
                    let mut parameters = parameters;
                    *field(&mut parameters) += by;
                    likelihood.value(&parameters)
                };
                let expected = (moved(step) - moved(-step)) / (2.0 * step);
                let found = slope.slopes[at];
                assert!((found - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{at}: {found} is not {expected}");
            }
            if let Some(degrees) = parameters.degrees {
                let moved = |by| likelihood.value(&Parameters { degrees: Some(degrees + by), ..parameters });
                let expected = (moved(step) - moved(-step)) / (2.0 * step);
                assert!((slope.slopes[5] - expected).abs() < 1e-4 * (1.0 + expected.abs()));
            }
        }
    }
}
