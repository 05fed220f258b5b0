//! A law that joint changes are drawn from: normal, or Student's with tails that a history has.

use super::again::Seen;
use super::history::FEWEST;
use super::{Factor, Forecast, History, ValueAtRiskError};
use crate::delta_gamma::{QuadraticError, cholesky};
use units::Duration;
use units::math::{exp, ln, ln_gamma, sin_cos, sqrt};
use units::random::Random;

/// Over this many degrees of freedom Student's law is told apart from the normal one by nobody.
const DEGREES_MOST: f64 = 200.0;
/// Fewest degrees of freedom of Student's law, told or fitted: at two it has no variance, and next to two its variance says nothing of it.
pub const DEGREES_LEAST: f64 = 2.1;
/// A factor that others leave so small a part of its deviation says nothing of tails: what is left of it is spread, rounding, or the
/// curve between logarithms and shares, which is a square and has the tails of one.
const OWN_LEAST: f64 = 0.05;
/// Rounds in which a scatter is found; each begins where the last one ended.
const SCATTERS: u32 = 100;
/// Numbers that one step of a path may use.
const STEP: u64 = 1 << 20;
/// Those of its chi-squared number start here.
const CHI: u64 = 1 << 10;

/// How fat the tails of changes are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tails {
    /// Those of the normal law.
    Normal,
    /// Those of Student's law with so many degrees of freedom, [`DEGREES_LEAST`] or more; all factors have them together. Its width is
    /// the one that makes the history most likely at these degrees.
    Student(f64),
    /// Those of Student's law with the degrees of freedom and the width that make the history most likely together.
    Fitted,
}

/// Changes of factors over a step: no drift, deviations, correlations, tails.
///
/// The normal law is one of logarithms, ln(after ÷ before). Student's law is one of logarithms where a factor falls and of simple returns,
/// after ÷ before − 1, where it rises: of logarithms alone, exp of a rise had no mean, and so had no loss of what is sold short. As it is
/// all figures exist, and nothing falls under zero. The two are alike for small changes: x − x²/2 beside x. What changes by differences
/// ([`Factor::is_difference`]) does so under any law.
#[derive(Debug, Clone, PartialEq)]
pub struct Law {
    step: Duration,
    factors: Vec<Factor>,
    deviations: Vec<f64>,
    correlation: Vec<f64>,
    /// Lower triangle whose product with its transpose is the correlation.
    root: Vec<f64>,
    degrees: Option<f64>,
}

impl Law {
    /// Deviations of changes over a step, and the correlation of factors row by row. `degrees` of freedom of Student's law;
    /// `None`: normal. The deviations are those of the law in any case.
    ///
    /// # Errors
    ///
    /// Numbers that do not fit the factors, a deviation that is not over zero, a correlation that cannot be, correlations that are
    /// singular.
    pub fn new(
        step: Duration,
        factors: Vec<Factor>,
        deviations: Vec<f64>,
        correlation: Vec<f64>,
        degrees: Option<f64>,
    ) -> Result<Self, ValueAtRiskError> {
        let width = factors.len();
        // Looks at step and factors.
        History::new(step, factors.clone())?;
        if deviations.len() != width || correlation.len() != width * width {
            let numbers = if deviations.len() == width { correlation.len() } else { deviations.len() };
            return Err(ValueAtRiskError::Shape { factors: width, numbers });
        }
        for (factor, value) in factors.iter().zip(&deviations) {
            if !(value.is_finite() && *value > 0.0) {
                return Err(ValueAtRiskError::Number { factor: *factor, row: 0, value: *value });
            }
        }
        for row in 0..width {
            for column in 0..=row {
                let (value, other) = (correlation[row * width + column], correlation[column * width + row]);
                let fits = if row == column { value == 1.0 } else { value.abs() <= 1.0 && value == other };
                if !fits {
                    return Err(ValueAtRiskError::Correlation(factors[row], factors[column], value));
                }
            }
        }
        if let Some(degrees) = degrees.filter(|degrees| !(*degrees >= DEGREES_LEAST && degrees.is_finite())) {
            return Err(ValueAtRiskError::Degrees(degrees));
        }
        let root = cholesky(&correlation, width).map_err(|error| match error {
            QuadraticError::Singular { factor } => ValueAtRiskError::Singular(factors[factor]),
            other => ValueAtRiskError::Quadratic(other),
        })?;
        Ok(Self { step, factors, deviations, correlation, root, degrees })
    }

    /// As a history has it. With a forecast deviations are those that it tells of the next `steps` steps, on average, times how far it
    /// was off on average before; correlation and tails are those of the surprises. Without one, all are of the changes themselves.
    /// Student's law has the width that is likeliest at its degrees of freedom, told or fitted, one factor of all deviations: were the
    /// history's own deviations kept, a few extremes, or few degrees, would make the middle too narrow.
    ///
    /// # Errors
    ///
    /// Too little history, a factor that never changes, factors that move alike, a model that cannot be fitted.
    pub fn of(
        history: &History,
        forecast: Option<Forecast>,
        tails: Tails,
        steps: u32,
    ) -> Result<Self, ValueAtRiskError> {
        let law = Self::seen(&Self::sees(history, forecast, tails)?, tails, steps)?;
        match (tails, law.degrees) {
            // Then it is the normal law of logarithms.
            (Tails::Fitted, None) => Self::of(history, forecast, Tails::Normal, steps),
            _ => Ok(law),
        }
    }

    /// What of a history such tails are told by.
    pub(super) fn sees(history: &History, forecast: Option<Forecast>, tails: Tails) -> Result<Seen, ValueAtRiskError> {
        match tails {
            Tails::Normal => Seen::of(history, forecast),
            Tails::Student(_) | Tails::Fitted => {
                let straight = |factor: Factor, change| if factor.is_difference() { change } else { straight(change) };
                // Of a wrong price the share is larger by far than the logarithm, beside which others are still something.
                history.check()?;
                Seen::of(&history.mapped(straight), forecast).map_err(|error| history.still_or_alone(error))
            }
        }
    }

    pub(super) fn seen(seen: &Seen, tails: Tails, steps: u32) -> Result<Self, ValueAtRiskError> {
        let history = &seen.history;
        let (factors, width, count) = (history.factors().to_vec(), history.factors().len(), history.len());
        if count <= width {
            return Err(ValueAtRiskError::TooLittle { count, fewest: FEWEST.max(width + 1) });
        }
        let (mut deviations, mut rows) = (vec![1.0; width], seen.rows.clone());
        if let Some(filters) = &seen.filters {
            let steps = steps.max(1);
            let ahead = filters.iter().map(|filter| sqrt(filter.forecast_of_sum(steps) / f64::from(steps)));
            deviations = ahead.collect();
        }
        // Rows of unit variance each, so that their products are correlations.
        for (at, deviation) in deviations.iter_mut().enumerate() {
            let squares: f64 = rows.iter().skip(at).step_by(width).map(|value| value * value).sum();
            let size = sqrt(squares / count as f64);
            rows.iter_mut().skip(at).step_by(width).for_each(|value| *value /= size);
            *deviation *= size;
        }
        let mut correlation = vec![1.0; width * width];
        for one in 0..width {
            for other in 0..one {
                let products: f64 = rows.chunks_exact(width).map(|row| row[one] * row[other]).sum();
                let value = (products / count as f64).clamp(-1.0, 1.0);
                correlation[one * width + other] = value;
                correlation[other * width + one] = value;
            }
        }
        let degrees = if let Tails::Student(degrees) = tails { Some(degrees) } else { None };
        let mut law = Self::new(history.step(), factors, deviations, correlation, degrees)?;
        if tails == Tails::Normal {
            return Ok(law);
        }
        if let Some((degrees, by)) = law.likeliest(&rows, degrees) {
            law.degrees = Some(degrees);
            law.deviations.iter_mut().for_each(|deviation| *deviation *= by);
        }
        Ok(law)
    }

    /// Degrees of freedom, unless they are told, and what deviations are multiplied by, that make rows of unit variance likeliest; `None`
    /// where that is the normal law.
    fn likeliest(&self, rows: &[f64], told: Option<f64>) -> Option<(f64, f64)> {
        let width = self.factors.len();
        let own = |at: usize| self.root[at * width + at];
        let counted: Vec<usize> = (0..width).filter(|at| own(*at) >= OWN_LEAST).collect();
        // What a row is far from the middle, by the inverse of the correlation.
        let mut solved = vec![0.0; width];
        let distances: Vec<f64> = rows
            .chunks_exact(width)
            .map(|row| {
                for at in 0..width {
                    let known: f64 = (0..at).map(|other| self.root[at * width + other] * solved[other]).sum();
                    solved[at] = (row[at] - known) / own(at);
                }
                counted.iter().map(|at| solved[*at] * solved[*at]).sum()
            })
            .collect();
        let (count, dimensions) = (distances.len() as f64, counted.len() as f64);
        // The likeliest scatter of given degrees is where Σ far ÷ (degrees × scatter + far) is count × dimensions ÷ (degrees + dimensions):
        // what weights that fall with the distance come to (Dempster, Laird and Rubin 1977), by Newton's steps. The sum falls and is
        // convex, so a step from below stays below, and one from above may overshoot no further than to the half.
        let mut scatter = 1.0;
        let mut fit = |degrees: f64| {
            let sought = count * dimensions / (degrees + dimensions);
            for _ in 0..SCATTERS {
                let (mut sum, mut slope) = (0.0, 0.0);
                for far in &distances {
                    let over = 1.0 / (degrees * scatter + far);
                    sum += far * over;
                    slope += degrees * far * over * over;
                }
                let next = (scatter + (sum - sought) / slope).max(scatter / 2.0);
                let change = (next / scatter - 1.0).abs();
                scatter = next;
                if change < 1e-9 {
                    break;
                }
            }
            let (half, whole) = (degrees / 2.0, (degrees + dimensions) / 2.0);
            let constant = ln_gamma(whole) - ln_gamma(half) - dimensions / 2.0 * ln(degrees * scatter);
            let far: f64 = distances.iter().map(|far| ln(1.0 + far / (degrees * scatter))).sum();
            (count * constant - whole * far, scatter)
        };
        let by = |degrees: f64, scatter: f64| sqrt(scatter * degrees / (degrees - 2.0));
        if let Some(degrees) = told {
            return Some((degrees, by(degrees, fit(degrees).1)));
        }
        // Golden section in the logarithm of what is over two.
        let ratio = (sqrt(5.0) - 1.0) / 2.0;
        let (mut low, mut high) = (ln(DEGREES_LEAST - 2.0), ln(DEGREES_MOST - 2.0));
        let (mut one, mut other) = (high - ratio * (high - low), low + ratio * (high - low));
        let mut at = |place: f64| fit(2.0 + exp(place)).0;
        let (mut of_one, mut of_other) = (at(one), at(other));
        while high - low > 1e-4 {
            if of_one > of_other {
                (high, other, of_other) = (other, one, of_one);
                one = high - ratio * (high - low);
                of_one = at(one);
            } else {
                (low, one, of_one) = (one, other, of_other);
                other = low + ratio * (high - low);
                of_other = at(other);
            }
        }
        let degrees = 2.0 + exp((low + high) / 2.0);
        let (_, scatter) = fit(degrees);
        (degrees < DEGREES_MOST * 0.99).then(|| (degrees, by(degrees, scatter)))
    }

    /// What is drawn, in the order of each draw.
    #[must_use]
    pub fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// Deviations over a step.
    #[must_use]
    pub fn deviations(&self) -> &[f64] {
        &self.deviations
    }

    /// Correlations, row by row.
    #[must_use]
    pub fn correlation(&self) -> &[f64] {
        &self.correlation
    }

    /// Degrees of freedom of Student's law; `None`: normal.
    #[must_use]
    pub fn degrees(&self) -> Option<f64> {
        self.degrees
    }

    /// Covariance over a horizon, row by row: steps do not depend on each other, so their covariances add up.
    ///
    /// # Errors
    ///
    /// A horizon that is no whole number of steps.
    pub fn covariance(&self, horizon: Duration) -> Result<Vec<f64>, ValueAtRiskError> {
        let (steps, width) = (f64::from(self.steps(horizon)?), self.factors.len());
        let of = |at: usize| self.deviations[at / width] * self.deviations[at % width] * steps;
        Ok(self.correlation.iter().enumerate().map(|(at, correlation)| correlation * of(at)).collect())
    }

    pub(super) fn steps(&self, horizon: Duration) -> Result<u32, ValueAtRiskError> {
        let (whole, rest) = (horizon.nanos() / self.step.nanos(), horizon.nanos() % self.step.nanos());
        match u32::try_from(whole) {
            Ok(steps) if horizon > Duration::ZERO && rest == 0 => Ok(steps),
            _ => Err(ValueAtRiskError::Horizon { horizon, step: self.step }),
        }
    }

    /// Adds the changes of a path to `out`.
    pub(super) fn draw(&self, random: Random, path: u64, steps: u32, out: &mut [f64]) {
        let width = self.factors.len();
        let mut moves = vec![0.0; width];
        for step in 0..steps {
            moves.fill(0.0);
            let start = u64::from(step) * STEP;
            let scale = match self.degrees {
                None => 1.0,
                Some(degrees) => sqrt((degrees - 2.0) / chi_squared(random, path, start + CHI, degrees)),
            };
            for pair in 0..width.div_ceil(2) {
                let normals = normal_pair(random, path, start + pair as u64);
                for (column, normal) in (2 * pair..width).zip(normals) {
                    for (row, change) in moves.iter_mut().enumerate().skip(column) {
                        *change += scale * self.deviations[row] * self.root[row * width + column] * normal;
                    }
                }
            }
            for ((sum, change), factor) in out.iter_mut().zip(&moves).zip(&self.factors) {
                let is_straight = self.degrees.is_some() && !factor.is_difference();
                *sum += if is_straight { logarithm(*change) } else { *change };
            }
        }
    }
}

/// What Student's law is one of: the logarithm of a fall, the simple return of a rise.
fn straight(change: f64) -> f64 {
    if change > 0.0 { exp(change) - 1.0 } else { change }
}

/// The logarithm again.
fn logarithm(straight: f64) -> f64 {
    if straight > 0.0 { ln(1.0 + straight) } else { straight }
}

/// Two standard normal numbers: Box and Muller, Annals of Mathematical Statistics 29 (1958).
fn normal_pair(random: Random, series: u64, at: u64) -> [f64; 2] {
    let [one, other] = random.uniform(series, at);
    let radius = sqrt(-2.0 * ln(one));
    let (sine, cosine) = sin_cos(std::f64::consts::TAU * other);
    [radius * cosine, radius * sine]
}

/// Chi-squared with any degrees of freedom over two, its numbers from `at` on: Marsaglia and Tsang, "A Simple Method for Generating Gamma
/// Variables", ACM Transactions on Mathematical Software 26 (2000).
fn chi_squared(random: Random, series: u64, at: u64, degrees: f64) -> f64 {
    let d = degrees / 2.0 - 1.0 / 3.0;
    let c = 1.0 / sqrt(9.0 * d);
    let mut value = d;
    for attempt in 0..1_000 {
        let [normal, _] = normal_pair(random, series, at + 2 * attempt);
        let root = 1.0 + c * normal;
        value = d * root * root * root;
        let [even, _] = random.uniform(series, at + 2 * attempt + 1);
        // One in twenty is drawn again, so a thousand times in a row never happens.
        if root > 0.0 && ln(even) < normal * normal / 2.0 + d - value + d * 3.0 * ln(root) {
            break;
        }
    }
    2.0 * value
}
