//! Joint moves over a horizon: what happened, what happened at today's volatility, or drawn from a law.

use super::again::Seen;
use super::book::like;
use super::{Dynamics, Factor, History, Law, ValueAtRiskError};
use crate::scenario::{JointMoves, ScenarioError};
use pricing::garch::Model;
use std::ops::Range;
use units::Duration;
use units::math::{exp, sqrt};
use units::random::Random;

/// ln(after ÷ before) of a price over a horizon, either way, that no market has seen: a factor of 485 million.
const WILDEST: f64 = 20.0;

/// How many paths are drawn, and of which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paths {
    /// Paths.
    pub count: usize,
    /// The same seed draws the same paths, however the work is divided.
    pub seed: u64,
}

/// What is known of the variance of the next change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Forecast {
    /// Exponential weights with this decay, of each factor: 0.94 for days.
    Exponential(f64),
    /// A model that is fitted to each factor's history.
    Fitted(Model),
}

/// Joint moves of factors over a horizon, each as likely as any other.
#[derive(Debug, Clone, PartialEq)]
pub struct Moves {
    factors: Vec<Factor>,
    horizon: Duration,
    /// As [`Factor::change`] has them, scenario by scenario.
    changes: Vec<f64>,
}

impl Moves {
    /// What happened: each step of the history once. Over several steps paths of whole steps, each drawn from the history with all its
    /// factors.
    ///
    /// # Errors
    ///
    /// Too little history, a factor that never changes, a horizon that does not fit it, no path.
    pub fn historical(history: &History, horizon: Duration, paths: Paths) -> Result<Self, ValueAtRiskError> {
        Self::seen(&Seen::of(history, None)?, horizon, paths)
    }

    /// What happened, at the volatility of now: each factor's changes are divided by the volatility that was forecast of them, and
    /// multiplied by the one that is forecast now. Factors of one moment stay together. Over several steps every path updates its
    /// volatilities by the changes that it draws (Barone-Adesi, Giannopoulos and Vosper, "VaR without Correlations for Portfolios of
    /// Derivative Securities", Journal of Futures Markets 19, 1999).
    ///
    /// # Errors
    ///
    /// As [`Self::historical`]; a model that cannot be fitted.
    pub fn filtered(
        history: &History,
        horizon: Duration,
        forecast: Forecast,
        paths: Paths,
    ) -> Result<Self, ValueAtRiskError> {
        Self::seen(&Seen::of(history, Some(forecast))?, horizon, paths)
    }

    /// As [`Self::filtered`], or [`Self::historical`] where nothing is forecast.
    pub(super) fn seen(seen: &Seen, horizon: Duration, paths: Paths) -> Result<Self, ValueAtRiskError> {
        let history = &seen.history;
        let steps = history.steps(horizon)?;
        let mut moves = Self::new(history.factors(), horizon, steps, history.len(), paths)?;
        let Some(now) = &seen.filters else {
            moves.drawn(history.len(), steps, paths, |_, step, out| {
                out.iter_mut().zip(history.row(step)).for_each(|(sum, change)| *sum += change);
            });
            return Ok(moves);
        };
        let (width, surprises) = (now.len(), &seen.rows);
        let mut filters = now.clone();
        moves.drawn(history.len(), steps, paths, |is_first, row, out| {
            if is_first {
                filters.copy_from_slice(now);
            }
            for ((sum, filter), surprise) in out.iter_mut().zip(&mut filters).zip(&surprises[row * width..]) {
                let change = filter.parameters().mean + sqrt(filter.variance()) * surprise;
                *sum += change;
                filter.push(change);
            }
        });
        moves.sane()?;
        Ok(moves)
    }

    /// Drawn from a law, step by step.
    ///
    /// # Errors
    ///
    /// A horizon that is no whole number of the law's steps, no path.
    pub fn monte_carlo(law: &Law, horizon: Duration, paths: Paths) -> Result<Self, ValueAtRiskError> {
        let steps = law.steps(horizon)?;
        let mut moves = Self::new(law.factors(), horizon, 2, 0, paths)?;
        let random = Random::new(paths.seed);
        for (path, out) in moves.changes.chunks_exact_mut(law.factors().len()).enumerate() {
            law.draw(random, path as u64, steps, out);
        }
        moves.sane()?;
        Ok(moves)
    }

    /// Moves of the caller's own, scenario by scenario in the order of the factors.
    ///
    /// # Errors
    ///
    /// Changes that do not fit the factors, or are not finite; none.
    pub fn given(factors: &[Factor], horizon: Duration, changes: Vec<f64>) -> Result<Self, ValueAtRiskError> {
        if factors.is_empty() || !changes.len().is_multiple_of(factors.len()) {
            return Err(ValueAtRiskError::Shape { factors: factors.len(), numbers: changes.len() });
        }
        if changes.is_empty() {
            return Err(ValueAtRiskError::NoScenarios);
        }
        if let Some(at) = changes.iter().position(|change| !change.is_finite()) {
            let (factor, row) = (factors[at % factors.len()], at / factors.len());
            return Err(ValueAtRiskError::Number { factor, row, value: changes[at] });
        }
        Ok(Self { factors: factors.to_vec(), horizon, changes })
    }

    /// Moves of one step are those of the history, of several steps those of the paths.
    fn new(
        factors: &[Factor],
        horizon: Duration,
        steps: u32,
        history: usize,
        paths: Paths,
    ) -> Result<Self, ValueAtRiskError> {
        let count = if steps == 1 { history } else { paths.count };
        if count == 0 {
            return Err(ValueAtRiskError::NoScenarios);
        }
        Ok(Self { factors: factors.to_vec(), horizon, changes: vec![0.0; count * factors.len()] })
    }

    /// Refuses prices that change as none does: a wrong one at the end of a history is a volatility of now, by which all changes are
    /// scaled, and what followed would be a number.
    fn sane(&self) -> Result<(), ValueAtRiskError> {
        let is_price: Vec<bool> = self.factors.iter().map(|factor| matches!(factor, Factor::Price(_))).collect();
        for (scenario, changes) in self.changes.chunks_exact(self.factors.len()).enumerate() {
            let wild = (0..changes.len()).find(|at| is_price[*at] && changes[*at].abs() > WILDEST);
            if let Some(at) = wild {
                return Err(ValueAtRiskError::Wild { factor: self.factors[at], scenario, change: changes[at] });
            }
        }
        Ok(())
    }

    /// Adds up the steps of each path: `add` is told whether a path begins, and which step of the history comes.
    fn drawn(&mut self, history: usize, steps: u32, paths: Paths, mut add: impl FnMut(bool, usize, &mut [f64])) {
        let random = Random::new(paths.seed);
        for (path, out) in self.changes.chunks_exact_mut(self.factors.len()).enumerate() {
            if steps == 1 {
                add(true, path, out);
                continue;
            }
            for step in 0..steps {
                let row = random.below(history as u64, path as u64, u64::from(step)) as usize;
                add(step == 0, row, out);
            }
        }
    }

    /// Some of the moves as columns, for who prices one portfolio again and again.
    ///
    /// # Errors
    ///
    /// A change that no price can make.
    ///
    /// # Panics
    ///
    /// If there are no such moves.
    pub fn joint(&self, range: Range<usize>, dynamics: Dynamics) -> Result<JointMoves, ScenarioError> {
        let mut joint = JointMoves::new(range.len(), like(self, dynamics));
        for (at, factor) in self.factors.iter().enumerate() {
            let changes = range.clone().map(|scenario| self.of(scenario)[at]);
            let factors = changes.clone().map(exp);
            match factor {
                Factor::Price(coin) => joint.set_prices(*coin, factors.collect())?,
                Factor::Vol(coin) => joint.set_vols(*coin, factors.map(|factor| factor - 1.0).collect())?,
                Factor::ShortVol(coin) => {
                    let vol = self.factors.iter().position(|factor| *factor == Factor::Vol(*coin));
                    let beyond = |scenario| dynamics.beyond(self.of(scenario), vol, Some(at));
                    joint.set_short_vols(*coin, range.clone().map(beyond).collect())?;
                }
                Factor::Skew(coin) => joint.set_skews(*coin, changes.collect())?,
            }
        }
        Ok(joint)
    }

    /// What moves, in the order of each move.
    #[must_use]
    pub fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// Over how long.
    #[must_use]
    pub fn horizon(&self) -> Duration {
        self.horizon
    }

    /// Number of scenarios.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len() / self.factors.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The change of each factor in one scenario, as [`Factor::change`] has it.
    ///
    /// # Panics
    ///
    /// If there is no such scenario.
    #[must_use]
    pub fn of(&self, scenario: usize) -> &[f64] {
        &self.changes[scenario * self.factors.len()..][..self.factors.len()]
    }
}
