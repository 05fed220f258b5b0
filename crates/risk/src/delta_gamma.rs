//! The distribution of a profit that is a quadratic function of normal moves: value at risk and expected shortfall by Greeks, without
//! simulation and without an assumed shape.
//!
//! > profit = constant + delta · x + ½ x · gamma x, x normal with a covariance
//!
//! With x rotated and scaled to independent standard normal y this is constant + Σ (b y + λ y²), whose cumulant function is known:
//! K(s) = constant s + Σ (½ s² b² ÷ (1 − 2 λ s) − ½ ln(1 − 2 λ s)). Probabilities and shortfalls are its inversion,
//! Pr(X < x) = −1 ÷ 2πi ∫ exp(K(s) − s x) ÷ s ds on a path left of zero, E(x − X)⁺ the same over s² (Gil-Pelaez 1951; Imhof,
//! "Computing the
//! Distribution of Quadratic Forms", Biometrika 48, 1961). The path goes through the saddle point, where the integrand is smallest on
//! the real axis, and bends to the side on which exp(−s x) falls, so that a few hundred values give twelve digits.

use crate::tail::TailError;
use units::math::{exp, sin_cos, sqrt};

/// Why there is no distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum QuadraticError {
    /// Lists of other lengths than the number of factors, or its square.
    Shape {
        /// Factors.
        factors: usize,
        /// Numbers in gamma.
        gamma: usize,
        /// Numbers in the covariance.
        covariance: usize,
    },
    /// A number is not finite.
    NotFinite,
    /// The covariance is singular, or no covariance: a factor is a combination of those before it.
    Singular {
        /// Which factor, from zero.
        factor: usize,
    },
    /// Nothing moves the profit.
    Constant,
}

impl std::fmt::Display for QuadraticError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shape { factors, gamma, covariance } => {
                let square = factors * factors;
                write!(out, "{factors} deltas need {square} gammas and covariances, not {gamma} and {covariance}")
            }
            Self::NotFinite => out.write_str("a delta, gamma or covariance is no finite number"),
            Self::Singular { factor } => write!(
                out,
                "the covariance is singular at factor {}: it moves as those before it do; leave it out or join it with them",
                factor + 1
            ),
            Self::Constant => out.write_str(
                "no factor moves the profit by its Greeks, so it has no distribution; other methods revalue the book",
            ),
        }
    }
}

impl std::error::Error for QuadraticError {}

/// A profit by Greeks.
#[derive(Debug, Clone, PartialEq)]
pub struct DeltaGamma {
    constant: f64,
    /// b and λ of each independent move.
    terms: Vec<(f64, f64)>,
    mean: f64,
    deviation: f64,
}

/// A term λ y² + b y whose λ is so small beside its b falls like a normal one wherever it counts: at |s| = 9 ÷ b by e^−40.
const NEARLY_STRAIGHT: f64 = 0.01;

/// Value at risk and expected shortfall: losses, over zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuadraticTail {
    /// Value at risk.
    pub value_at_risk: f64,
    /// Expected shortfall.
    pub expected_shortfall: f64,
}

impl DeltaGamma {
    /// `gamma` and `covariance` are symmetric, row by row. Time that passes goes into `constant` (theta × days).
    ///
    /// # Errors
    ///
    /// Lists whose lengths do not fit, a number that is not finite, a covariance that is singular, a profit that never changes.
    pub fn new(constant: f64, delta: &[f64], gamma: &[f64], covariance: &[f64]) -> Result<Self, QuadraticError> {
        let factors = delta.len();
        if gamma.len() != factors * factors || covariance.len() != factors * factors {
            return Err(QuadraticError::Shape { factors, gamma: gamma.len(), covariance: covariance.len() });
        }
        let mut numbers = delta.iter().chain(gamma).chain(covariance).chain([&constant]);
        if !numbers.all(|number| number.is_finite()) {
            return Err(QuadraticError::NotFinite);
        }
        let root = cholesky(covariance, factors)?;
        // ½ rootᵀ gamma root, and rootᵀ delta.
        let mut square = vec![0.0; factors * factors];
        for row in 0..factors {
            for column in 0..factors {
                let mut sum = 0.0;
                for one in 0..factors {
                    for other in 0..factors {
                        sum +=
                            root[one * factors + row] * gamma[one * factors + other] * root[other * factors + column];
                    }
                }
                square[row * factors + column] = sum / 2.0;
            }
        }
        let rotated = rotate(&mut square, factors);
        let linear: Vec<f64> =
            (0..factors).map(|row| (0..factors).map(|one| root[one * factors + row] * delta[one]).sum()).collect();
        let terms: Vec<(f64, f64)> = (0..factors)
            .map(|at| {
                let b = (0..factors).map(|one| rotated[one * factors + at] * linear[one]).sum();
                (b, square[at * factors + at])
            })
            .collect();
        let mean = constant + terms.iter().map(|(_, lambda)| lambda).sum::<f64>();
        let deviation = sqrt(terms.iter().map(|(b, lambda)| b * b + 2.0 * lambda * lambda).sum());
        if deviation <= 0.0 {
            return Err(QuadraticError::Constant);
        }
        Ok(Self { constant, terms, mean, deviation })
    }

    /// Mean profit.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Standard deviation of the profit.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        self.deviation
    }

    /// The probability of a profit under `profit`.
    #[must_use]
    pub fn probability_under(&self, profit: f64) -> f64 {
        let (low, high) = self.support();
        if profit <= low {
            return 0.0;
        }
        if profit >= high {
            return 1.0;
        }
        let saddle = self.saddle(profit);
        let place = self.beside_zero(saddle);
        // Left of zero the integral is minus the probability, right of it what is left of one.
        let integral = self.invert(profit, place, 1);
        (if place < 0.0 { -integral } else { 1.0 - integral }).clamp(0.0, 1.0)
    }

    /// The profit that is fallen short of with this probability.
    ///
    /// # Errors
    ///
    /// A probability not between zero and one.
    pub fn quantile(&self, probability: f64) -> Result<f64, TailError> {
        if !(probability > 0.0 && probability < 1.0) {
            return Err(TailError::Confidence(probability));
        }
        let (mut low, mut high) = (self.mean - self.deviation, self.mean + self.deviation);
        let mut step = self.deviation;
        while self.probability_under(low) > probability {
            (high, low, step) = (low, low - step, step * 2.0);
        }
        step = self.deviation;
        while self.probability_under(high) < probability {
            (low, high, step) = (high, high + step, step * 2.0);
        }
        while high - low > 1e-13 * self.deviation.max(high.abs()) {
            let middle = low + (high - low) / 2.0;
            if middle <= low || middle >= high {
                break;
            }
            if self.probability_under(middle) < probability {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(low + (high - low) / 2.0)
    }

    /// Value at risk and expected shortfall at a confidence such as 0.99.
    ///
    /// # Errors
    ///
    /// A confidence that is none.
    pub fn tail(&self, confidence: f64) -> Result<QuadraticTail, TailError> {
        if !(confidence > 0.0 && confidence < 1.0) {
            return Err(TailError::Confidence(confidence));
        }
        let quantile = self.quantile(1.0 - confidence)?;
        let place = self.beside_zero(self.saddle(quantile));
        // Left of zero the integral is the mean of what profits fall short of the quantile by, right of it of what they exceed it by.
        let integral = self.invert(quantile, place, 2);
        let short = if place < 0.0 { integral } else { quantile - self.mean + integral };
        Ok(QuadraticTail { value_at_risk: -quantile, expected_shortfall: short / (1.0 - confidence) - quantile })
    }

    /// What is so small beside the deviation that it is taken for straight.
    fn is_bent(&self, lambda: f64) -> bool {
        lambda.abs() > 1e-14 * self.deviation
    }

    /// Between which profits all of them lie.
    fn support(&self) -> (f64, f64) {
        let straight = self.terms.iter().any(|(b, lambda)| !self.is_bent(*lambda) && b.abs() > 1e-14 * self.deviation);
        let end = self.constant
            - self
                .terms
                .iter()
                .filter(|term| self.is_bent(term.1))
                .map(|(b, lambda)| b * b / (4.0 * lambda))
                .sum::<f64>();
        let up = self.terms.iter().any(|term| self.is_bent(term.1) && term.1 > 0.0);
        let down = self.terms.iter().any(|term| self.is_bent(term.1) && term.1 < 0.0);
        let low = if straight || down { f64::NEG_INFINITY } else { end };
        (low, if straight || up { f64::INFINITY } else { end })
    }

    /// Between which s all of 1 − 2 λ s are over zero.
    fn strip(&self) -> (f64, f64) {
        self.terms.iter().fold((f64::NEG_INFINITY, f64::INFINITY), |(low, high), (_, lambda)| {
            let pole = 1.0 / (2.0 * lambda);
            match *lambda {
                lambda if lambda > 0.0 => (low, high.min(pole)),
                lambda if lambda < 0.0 => (low.max(pole), high),
                _ => (low, high),
            }
        })
    }

    /// Where the slope of K(s) − s × profit is zero; K is convex.
    fn saddle(&self, profit: f64) -> f64 {
        let slope = |s: f64| {
            let each = self.terms.iter().map(|(b, lambda)| {
                let left = 1.0 - 2.0 * lambda * s;
                s * b * b * (1.0 - lambda * s) / (left * left) + lambda / left
            });
            self.constant - profit + each.sum::<f64>()
        };
        let (least, most) = self.strip();
        // Outward from zero, never onto a pole.
        let reach = |end: f64, sign: f64| {
            let mut s = sign / self.deviation;
            if s * sign >= end * sign {
                s = end / 2.0;
            }
            for _ in 0..200 {
                if slope(s) * sign > 0.0 {
                    break;
                }
                s = if end.is_finite() { end - (end - s) / 2.0 } else { 2.0 * s };
            }
            s
        };
        let (mut low, mut high) = if slope(0.0) > 0.0 { (reach(least, -1.0), 0.0) } else { (0.0, reach(most, 1.0)) };
        for _ in 0..100 {
            let middle = low + (high - low) / 2.0;
            if middle <= low || middle >= high {
                break;
            }
            if slope(middle) < 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        low + (high - low) / 2.0
    }

    /// The saddle, or a place beside zero where it is too near: there the integrand has a pole.
    fn beside_zero(&self, saddle: f64) -> f64 {
        let far = 0.3 / self.deviation;
        if saddle.abs() >= far {
            return saddle;
        }
        let (least, most) = self.strip();
        if saddle < 0.0 { (-far).max(least / 2.0) } else { far.min(most / 2.0) }
    }

    /// 1 ÷ 2πi ∫ exp(K(s) − s × profit) ÷ s^power ds through `place`.
    fn invert(&self, profit: f64, place: f64, power: i32) -> f64 {
        // Far away exp(K(s) − s × profit) is exp(−s × far), but for straight terms, which fall by themselves: and so do terms that are
        // nearly straight, long before they bend. Were they counted, rounding alone told which way to go.
        let bends = |(b, lambda): &&(f64, f64)| self.is_bent(*lambda) && lambda.abs() > NEARLY_STRAIGHT * b.abs();
        let end = self.terms.iter().filter(bends).map(|(b, lambda)| b * b / (4.0 * lambda)).sum::<f64>();
        let far = profit - self.constant + end;
        let bend = 0.5_f64.copysign(far);
        // The width of the hill on the saddle.
        let curvature: f64 = self
            .terms
            .iter()
            .map(|(b, lambda)| {
                let left = 1.0 - 2.0 * lambda * place;
                (b * b / left + 2.0 * lambda * lambda) / (left * left)
            })
            .sum();
        let width = 1.0 / sqrt(curvature);
        let sum = |step: f64| {
            let mut sum = 0.0;
            let mut quiet = 0;
            for at in 0..4_000 {
                let v = f64::from(at) * step;
                let (rise, fall) = (exp(v), exp(-v));
                let (t, dt) = (width * (rise - fall) / 2.0, width * (rise + fall) / 2.0);
                let root = sqrt(t * t + width * width);
                // s = place + i t + bend (root − width), and its slope by v.
                let s = Complex(place + bend * (root - width), t);
                let ds = Complex(bend * t / root * dt, dt);
                let value = self.integrand(s, profit, power) * ds;
                // The other half is the conjugate; divided by i, what is imaginary counts.
                let part = value.1 * if at == 0 { 0.5 } else { 1.0 };
                sum += part;
                // Also where all of it is too small to be a number: on and on it went to what is none.
                quiet = if value.0.abs() + value.1.abs() <= 1e-18 * sum.abs() { quiet + 1 } else { 0 };
                if quiet > 4 || !part.is_finite() {
                    break;
                }
            }
            sum * step / std::f64::consts::PI
        };
        // Halved until nothing changes: the error of the trapezoid squares with each halving.
        let mut step = 0.1;
        let mut last = sum(step);
        for _ in 0..4 {
            step /= 2.0;
            let next = sum(step);
            if (next - last).abs() <= 1e-13 * next.abs() {
                return next;
            }
            last = next;
        }
        last
    }

    fn integrand(&self, s: Complex, profit: f64, power: i32) -> Complex {
        let mut exponent = s.scale(self.constant - profit);
        let mut factor = Complex(1.0, 0.0);
        for (b, lambda) in &self.terms {
            let left = Complex(1.0 - 2.0 * lambda * s.0, -2.0 * lambda * s.1);
            exponent = exponent + (s * s).scale(b * b / 2.0) * left.inverse();
            factor = factor * left.root();
        }
        let mut value = exponent.exponential() * factor.inverse();
        for _ in 0..power {
            value = value * s.inverse();
        }
        value
    }
}

/// Lower triangle whose product with its transpose is the covariance.
pub(crate) fn cholesky(covariance: &[f64], factors: usize) -> Result<Vec<f64>, QuadraticError> {
    let mut root = vec![0.0; factors * factors];
    for row in 0..factors {
        for column in 0..=row {
            let known: f64 = (0..column).map(|at| root[row * factors + at] * root[column * factors + at]).sum();
            let left = covariance[row * factors + column] - known;
            if row == column {
                // What is left of a variance after rounding is nothing.
                if left <= 1e-12 * covariance[row * factors + row] || covariance[row * factors + row] <= 0.0 {
                    return Err(QuadraticError::Singular { factor: row });
                }
                root[row * factors + row] = sqrt(left);
            } else {
                root[row * factors + column] = left / root[column * factors + column];
            }
        }
    }
    Ok(root)
}

/// Makes a symmetric matrix diagonal by Jacobi's rotations and gives them multiplied together: columns are its eigenvectors.
fn rotate(matrix: &mut [f64], size: usize) -> Vec<f64> {
    let mut turned = vec![0.0; size * size];
    for at in 0..size {
        turned[at * size + at] = 1.0;
    }
    for _ in 0..60 {
        let off: f64 = (0..size)
            .flat_map(|row| (0..row).map(move |column| (row, column)))
            .map(|(row, column)| matrix[row * size + column] * matrix[row * size + column])
            .sum();
        let all: f64 = matrix.iter().map(|value| value * value).sum();
        if off <= 1e-32 * all {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                let between = matrix[p * size + q];
                if between == 0.0 {
                    continue;
                }
                let theta = (matrix[q * size + q] - matrix[p * size + p]) / (2.0 * between);
                let tangent = 1.0_f64.copysign(theta) / (theta.abs() + sqrt(theta * theta + 1.0));
                let cosine = 1.0 / sqrt(tangent * tangent + 1.0);
                let sine = tangent * cosine;
                for at in 0..size {
                    let (one, other) = (matrix[at * size + p], matrix[at * size + q]);
                    matrix[at * size + p] = cosine * one - sine * other;
                    matrix[at * size + q] = sine * one + cosine * other;
                }
                for at in 0..size {
                    let (one, other) = (matrix[p * size + at], matrix[q * size + at]);
                    matrix[p * size + at] = cosine * one - sine * other;
                    matrix[q * size + at] = sine * one + cosine * other;
                    let (one, other) = (turned[at * size + p], turned[at * size + q]);
                    turned[at * size + p] = cosine * one - sine * other;
                    turned[at * size + q] = sine * one + cosine * other;
                }
            }
        }
    }
    turned
}

/// Real and imaginary part.
#[derive(Debug, Clone, Copy)]
struct Complex(f64, f64);

impl std::ops::Add for Complex {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }
}

impl std::ops::Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0 - self.1 * other.1, self.0 * other.1 + self.1 * other.0)
    }
}

impl Complex {
    fn scale(self, by: f64) -> Self {
        Self(self.0 * by, self.1 * by)
    }

    fn size(self) -> f64 {
        // Neither overflows before the other matters.
        let (large, small) = (self.0.abs().max(self.1.abs()), self.0.abs().min(self.1.abs()));
        if large == 0.0 { 0.0 } else { large * sqrt(1.0 + (small / large) * (small / large)) }
    }

    fn inverse(self) -> Self {
        let size = self.size();
        Self(self.0 / size / size, -self.1 / size / size)
    }

    /// The root whose real part is not under zero.
    fn root(self) -> Self {
        let size = self.size();
        Self(sqrt(((size + self.0) / 2.0).max(0.0)), sqrt(((size - self.0) / 2.0).max(0.0)).copysign(self.1))
    }

    fn exponential(self) -> Self {
        let (sine, cosine) = sin_cos(self.1);
        let size = exp(self.0);
        Self(size * cosine, size * sine)
    }
}
