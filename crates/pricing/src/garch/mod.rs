//! How volatile the next return will be: exponential weights, GARCH(1,1) and GJR with normal or Student innovations.
//!
//! Bollerslev, "Generalized Autoregressive Conditional Heteroskedasticity", Journal of Econometrics 31 (1986); Glosten, Jagannathan
//! and Runkle, Journal of Finance 48 (1993). With r a return and e = r - mean, the variance of the next one is
//!
//! > omega + (alpha + gamma where e < 0) e² + beta × variance.
//!
//! Returns and variances are of one period, whatever it is (a bar, a day), and in the unit of the returns.

mod fit;
mod likelihood;

pub use fit::{Fit, FitError};

use likelihood::Likelihood;
use units::math::sqrt;
use units::state::{Corrupt, StateReader, StateWriter};

/// What surprises are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Innovations {
    /// Normal.
    Normal,
    /// Student's t with variance one; its degrees of freedom are fitted.
    Student,
}

/// Which parameters a fit may choose. The others are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// Whether falls may raise the variance by more, or by less, than rises: GJR.
    pub asymmetric: bool,
    /// What surprises are drawn from.
    pub innovations: Innovations,
    /// Whether a mean is fitted with the variance.
    pub mean: bool,
}

/// The numbers of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Mean return of a period.
    pub mean: f64,
    /// The part of every variance that depends on nothing, zero or more.
    pub omega: f64,
    /// Weight of the last squared surprise, zero or more.
    pub alpha: f64,
    /// What is added to `alpha` where the last surprise was below zero; `alpha + gamma` is zero or more.
    pub gamma: f64,
    /// Weight of the last variance, zero or more.
    pub beta: f64,
    /// Degrees of freedom of Student innovations, over two; absent: normal.
    pub degrees: Option<f64>,
}

impl Parameters {
    /// Exponential weights: variance = decay × variance + (1 − decay) × return². `RiskMetrics` has 0.94 for days.
    /// `None` unless the decay lies between zero and one.
    #[must_use]
    pub fn exponential(decay: f64) -> Option<Self> {
        (decay > 0.0 && decay < 1.0).then_some(Self {
            mean: 0.0,
            omega: 0.0,
            alpha: 1.0 - decay,
            gamma: 0.0,
            beta: decay,
            degrees: None,
        })
    }

    /// How much of a variance's excess is left a period later, if surprises are symmetric: alpha + gamma ÷ 2 + beta.
    #[must_use]
    pub fn persistence(&self) -> f64 {
        self.alpha + self.gamma / 2.0 + self.beta
    }

    /// The variance that forecasts tend to. `None` where the persistence is one or more: they tend to none.
    #[must_use]
    pub fn long_run_variance(&self) -> Option<f64> {
        let left = 1.0 - self.persistence();
        (left > 0.0).then(|| self.omega / left)
    }

    /// Whether the model gives a positive, finite variance whatever came before.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let finite = [self.mean, self.omega, self.alpha, self.gamma, self.beta].iter().all(|value| value.is_finite());
        let weights = self.alpha >= 0.0 && self.alpha + self.gamma >= 0.0 && self.beta >= 0.0 && self.omega >= 0.0;
        finite && weights && self.degrees.is_none_or(|degrees| degrees.is_finite() && degrees > 2.0)
    }

    fn next(&self, variance: f64, surprise: f64) -> f64 {
        let weight = if surprise < 0.0 { self.alpha + self.gamma } else { self.alpha };
        self.omega + weight * surprise * surprise + self.beta * variance
    }

    /// Logarithm of the likelihood of returns. What came before the first is the weighted mean of the first squared distances from the
    /// mean of the returns, or from zero where the model has no mean (weights falling by 0.94, of at most 75 returns), as in the
    /// package arch.
    ///
    /// # Errors
    ///
    /// Returns of which nothing can be said, or parameters that are not sound.
    pub fn log_likelihood(&self, returns: &[f64]) -> Result<f64, FitError> {
        if !self.is_sound() {
            return Err(FitError::Parameters);
        }
        Ok(Likelihood::of(returns, self.mean != 0.0)?.value(self))
    }

    /// Takes in returns in their order, and knows the variance of the next.
    ///
    /// # Errors
    ///
    /// As [`Self::log_likelihood`].
    pub fn filter(&self, returns: &[f64]) -> Result<Filter, FitError> {
        self.filter_with(returns, |_| {})
    }

    /// As [`Self::filter`]; `tell` is told how surprising each return was, as [`Filter::push`] has it.
    ///
    /// # Errors
    ///
    /// As [`Self::log_likelihood`].
    pub fn filter_with(&self, returns: &[f64], mut tell: impl FnMut(f64)) -> Result<Filter, FitError> {
        if !self.is_sound() {
            return Err(FitError::Parameters);
        }
        let start = Likelihood::of(returns, self.mean != 0.0)?.first_variance(self);
        let mut filter = Filter { parameters: *self, variance: start };
        for value in returns {
            tell(filter.push(*value));
        }
        Ok(filter)
    }
}

/// A model that is kept up with every return.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Filter {
    parameters: Parameters,
    variance: f64,
}

impl Filter {
    /// A model whose next return has this variance. `None` where the variance is not over zero or the parameters are not sound.
    #[must_use]
    pub fn starting_at(parameters: Parameters, variance: f64) -> Option<Self> {
        (parameters.is_sound() && variance > 0.0 && variance.is_finite()).then_some(Self { parameters, variance })
    }

    /// Its parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Takes in a return and gives how surprising it was: its distance from the mean in standard deviations. A return that is
    /// not finite changes nothing and is answered by zero.
    pub fn push(&mut self, value: f64) -> f64 {
        let surprise = value - self.parameters.mean;
        if !surprise.is_finite() {
            return 0.0;
        }
        let deviations = surprise / sqrt(self.variance);
        self.variance = self.parameters.next(self.variance, surprise).max(f64::MIN_POSITIVE);
        deviations
    }

    /// Variance of the next return.
    #[must_use]
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// Variance of the return `periods` ahead, one being the next; zero is taken for one.
    #[must_use]
    pub fn forecast(&self, periods: u32) -> f64 {
        let persistence = self.parameters.persistence();
        (1..periods).fold(self.variance, |variance, _| self.parameters.omega + persistence * variance)
    }

    /// Variance of the sum of the next returns.
    #[must_use]
    pub fn forecast_of_sum(&self, periods: u32) -> f64 {
        let persistence = self.parameters.persistence();
        let mut variance = self.variance;
        (0..periods).fold(0.0, |sum, _| {
            let sum = sum + variance;
            variance = self.parameters.omega + persistence * variance;
            sum
        })
    }

    /// Writes the state.
    pub fn save(&self, out: &mut StateWriter) {
        out.f64(self.variance);
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    ///
    /// What was read is no variance.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.variance = from.f64()?;
        Ok(())
    }
}
