//! How prices and implied volatilities changed together, step by step.

use super::{Factor, ValueAtRiskError};
use units::Duration;
use units::math::sqrt;

/// Fewer changes tell of no distribution.
pub const FEWEST: usize = 30;

/// Fewer changes tell of no model of the GARCH family: what is fitted to thirty of them is one of their last few.
pub const MODEL_FEWEST: usize = 60;
/// So many changes the errors of such a model's weights ask for.
pub const MODEL_ENOUGH: usize = 500;

/// Steps without a change that are a hole: what was known before it is of another time.
pub const HOLE: i64 = 10;
/// The most of a forecast's weight that may lie before a hole.
const BEFORE_MOST: f64 = 0.5;

/// More changes in a row of next to nothing are no calm: the series stands still, or was not told.
const STILL_MOST: usize = 20;
/// What is next to nothing beside a factor's deviation.
const STILL: f64 = 1e-3;

/// A change of more than so many deviations of the others stands alone among them.
const ALONE: f64 = 20.0;
/// A wrong price makes two changes, there and back.
const OF_ONE_PRICE: usize = 2;

/// A short volatility or a skew is a factor of its own where it is told in this share of the rows that have the volatility, at least.
const OWN_TOLD: f64 = 0.95;
/// And where volatilities leave at least this share of its variance unexplained.
const OWN_SHARE: f64 = 1e-4;
/// And its changes are no mere rounding of a fit: a skew's a hundredth of a point.
const OWN_LEAST: f64 = 1e-4;

/// Whether a short volatility ([`Factor::ShortVol`]) or a skew ([`Factor::Skew`]) tells more than the volatilities of its coin do: of rows
/// that have the one at thirty days, the levels where all are told (volatilities as logarithms), the factor in question last, and how many
/// rows there are.
#[must_use]
pub fn has_own<const N: usize>(told: &[[f64; N]], rows: usize) -> bool {
    let count = told.len().saturating_sub(1);
    if (told.len() as f64) < OWN_TOLD * rows as f64 || count == 0 {
        return false;
    }
    let column = |at: usize| -> Vec<f64> { told.windows(2).map(|pair| pair[1][at] - pair[0][at]).collect() };
    let product = |one: &[f64], other: &[f64]| -> f64 { one.iter().zip(other).map(|(one, other)| one * other).sum() };
    let mut columns: Vec<Vec<f64>> = (0..N).map(column).collect();
    let whole = columns.last().map_or(0.0, |own| product(own, own));
    // What each one is beyond those before it, by Gram and Schmidt.
    for at in 0..N {
        let (before, rest) = columns.split_at_mut(at);
        for known in before {
            let square = product(known, known);
            let times = if square > 0.0 { product(known, &rest[0]) / square } else { 0.0 };
            rest[0].iter_mut().zip(known).for_each(|(own, known)| *own -= times * *known);
        }
    }
    let own = columns.last().map_or(0.0, |own| product(own, own));
    own > OWN_SHARE * whole && own > OWN_LEAST * OWN_LEAST * count as f64
}

/// A change beside which all others are nothing: of a wrong price, or of a day like no other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alone {
    /// Of which factor.
    pub factor: Factor,
    /// Which change, from zero.
    pub row: usize,
    /// What it is, as [`Factor::change`] has it.
    pub change: f64,
    /// How many deviations of the others.
    pub times: f64,
}

/// Changes of factors, each as [`Factor::change`] has it, those of one step side by side: so a draw takes all factors of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    step: Duration,
    factors: Vec<Factor>,
    /// Oldest first, step by step.
    changes: Vec<f64>,
    /// The first change behind the last hole.
    hole: Option<usize>,
}

impl History {
    /// An empty history.
    ///
    /// # Errors
    ///
    /// No factor, or one twice; a step that is not over zero.
    pub fn new(step: Duration, factors: Vec<Factor>) -> Result<Self, ValueAtRiskError> {
        let twice = factors.iter().enumerate().any(|(at, factor)| factors[..at].contains(factor));
        if factors.is_empty() || twice {
            return Err(ValueAtRiskError::Shape { factors: factors.len(), numbers: 0 });
        }
        if step <= Duration::ZERO {
            return Err(ValueAtRiskError::Horizon { horizon: step, step });
        }
        Ok(Self { step, factors, changes: Vec::new(), hole: None })
    }

    /// Of levels (prices, volatilities, skews), a row a moment, oldest first, each `step` after the one before.
    ///
    /// # Errors
    ///
    /// As [`Self::new`]; rows that do not fit the factors; a level that is not finite, or, but for a skew, not over zero.
    pub fn of_levels(step: Duration, factors: Vec<Factor>, levels: &[f64]) -> Result<Self, ValueAtRiskError> {
        let mut history = Self::new(step, factors)?;
        let width = history.factors.len();
        if !levels.len().is_multiple_of(width) {
            return Err(ValueAtRiskError::Shape { factors: width, numbers: levels.len() });
        }
        for (at, value) in levels.iter().enumerate() {
            if !(value.is_finite() && (*value > 0.0 || history.factors[at % width].is_difference())) {
                return Err(ValueAtRiskError::Number {
                    factor: history.factors[at % width],
                    row: at / width,
                    value: *value,
                });
            }
        }
        let factors = history.factors.iter().cycle();
        let changes = levels.iter().zip(levels.iter().skip(width)).zip(factors);
        history.changes = changes.map(|((before, after), factor)| factor.change(*before, *after)).collect();
        Ok(history)
    }

    /// Adds the changes of the next step, in the order of the factors.
    ///
    /// # Errors
    ///
    /// Another number of changes than of factors, one that is not finite.
    pub fn push(&mut self, changes: &[f64]) -> Result<(), ValueAtRiskError> {
        if changes.len() != self.factors.len() {
            return Err(ValueAtRiskError::Shape { factors: self.factors.len(), numbers: changes.len() });
        }
        if let Some(at) = changes.iter().position(|change| !change.is_finite()) {
            let (factor, row) = (self.factors[at], self.len());
            return Err(ValueAtRiskError::Number { factor, row, value: changes[at] });
        }
        self.changes.extend_from_slice(changes);
        Ok(())
    }

    /// Forgets all but the last `most` steps.
    pub fn keep_last(&mut self, most: usize) {
        let over = self.len().saturating_sub(most);
        self.changes.drain(..over * self.factors.len());
        self.hole = self.hole.and_then(|hole| hole.checked_sub(over)).filter(|hole| *hole > 0);
    }

    /// Nothing was told for more than [`HOLE`] steps: what is added from now on lies behind a hole.
    pub fn note_hole(&mut self) {
        self.hole = Some(self.len()).filter(|changes| *changes > 0);
    }

    /// How many changes lie behind the last hole. `None`: there is none.
    #[must_use]
    pub fn behind_hole(&self) -> Option<usize> {
        Some(self.len() - self.hole?)
    }

    /// What share of the weight lies before the last hole, where each change has `decay` of the weight of the next one; 1: all have the
    /// same.
    #[must_use]
    pub fn weight_before_hole(&self, decay: f64) -> f64 {
        let Some(behind) = self.behind_hole() else { return 0.0 };
        let (behind, all) = (behind as f64, self.len() as f64);
        if decay >= 1.0 {
            return 1.0 - behind / all;
        }
        let left = |changes: f64| units::math::pow(decay, changes);
        (left(behind) - left(all)) / (1.0 - left(all))
    }

    /// Refuses a forecast of now that is one of before the hole.
    pub(super) fn check_hole(&self, decay: f64) -> Result<(), ValueAtRiskError> {
        let weight = self.weight_before_hole(decay);
        match self.behind_hole() {
            Some(behind) if weight > BEFORE_MOST => Err(ValueAtRiskError::Hole { behind, weight }),
            _ => Ok(()),
        }
    }

    /// Time between two rows.
    #[must_use]
    pub fn step(&self) -> Duration {
        self.step
    }

    /// What changes, in the order of each row.
    #[must_use]
    pub fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// Number of steps.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len() / self.factors.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes of one step.
    ///
    /// # Panics
    ///
    /// If there is no such step.
    #[must_use]
    pub fn row(&self, step: usize) -> &[f64] {
        &self.changes[step * self.factors.len()..][..self.factors.len()]
    }

    /// The changes of one factor.
    pub fn column(&self, factor: usize) -> impl Iterator<Item = f64> + '_ {
        self.changes.iter().skip(factor).step_by(self.factors.len()).copied()
    }

    /// The same with each change as `of` has it.
    pub(super) fn mapped(&self, of: impl Fn(Factor, f64) -> f64) -> Self {
        let all = self.changes.iter().zip(self.factors.iter().cycle());
        let changes = all.map(|(change, factor)| of(*factor, *change)).collect();
        Self { changes, ..self.clone() }
    }

    /// How many steps a horizon is.
    ///
    /// # Errors
    ///
    /// A horizon that is no whole number of steps, or longer than half of the history; fewer than [`FEWEST`] changes that it is longer
    /// than half of.
    pub fn steps(&self, horizon: Duration) -> Result<u32, ValueAtRiskError> {
        let (whole, rest) = (horizon.nanos() / self.step.nanos(), horizon.nanos() % self.step.nanos());
        if horizon <= Duration::ZERO || rest != 0 {
            return Err(ValueAtRiskError::Horizon { horizon, step: self.step });
        }
        match u32::try_from(whole) {
            // Of a longer one the history has no second to compare with.
            Ok(steps) if 2 * steps as usize <= self.len() => Ok(steps),
            // However short the horizon were, it would be too little.
            _ if self.len() < FEWEST => Err(ValueAtRiskError::TooLittle { count: self.len(), fewest: FEWEST }),
            _ => {
                let length = self.step.nanos().saturating_mul(self.len() as i64);
                Err(ValueAtRiskError::Beyond { horizon, history: Duration::from_nanos(length) })
            }
        }
    }

    /// Root mean square of a factor's changes over a step. No mean is taken off: of a few hundred changes it is noise.
    #[must_use]
    pub fn deviation(&self, factor: usize) -> f64 {
        let squares: f64 = self.column(factor).map(|change| change * change).sum();
        sqrt(squares / self.len().max(1) as f64)
    }

    /// The change of prices or volatilities that stands out most, if it is over twenty deviations of the others, of which the second
    /// largest is none: a wrong price makes two.
    #[must_use]
    pub fn alone(&self) -> Option<Alone> {
        let found = self.factors.iter().enumerate().filter_map(|(at, factor)| {
            let mut sizes: Vec<(usize, f64)> = self.column(at).map(f64::abs).enumerate().collect();
            sizes.sort_by(|one, other| other.1.total_cmp(&one.1));
            let (row, largest) = *sizes.first()?;
            let others = sizes.get(OF_ONE_PRICE..).filter(|others| !others.is_empty())?;
            let squares: f64 = others.iter().map(|(_, size)| size * size).sum();
            let times = largest / sqrt(squares / others.len() as f64);
            let change = self.changes[row * self.factors.len() + at];
            (times > ALONE && times.is_finite()).then_some(Alone { factor: *factor, row, change, times })
        });
        found.max_by(|one, other| one.times.total_cmp(&other.times))
    }

    /// What a series that seems to stand still, as it is or by shares, is refused for: a deviation that one change makes is no measure of
    /// the others.
    pub(super) fn still_or_alone(&self, error: ValueAtRiskError) -> ValueAtRiskError {
        use ValueAtRiskError as E;
        match (error, self.alone()) {
            (E::Still { factor, of, .. } | E::Alone { factor, of, .. }, Some(alone)) if alone.factor == factor => {
                let Alone { factor, row, change, times } = alone;
                E::Alone { factor, row, change, times, of }
            }
            (other, _) => other,
        }
    }

    /// Refuses what tells of no distribution: too few changes, a factor that never changes, or stands still for a part of the history.
    pub(super) fn check(&self) -> Result<(), ValueAtRiskError> {
        if self.len() < FEWEST {
            return Err(ValueAtRiskError::TooLittle { count: self.len(), fewest: FEWEST });
        }
        for (at, factor) in self.factors.iter().enumerate() {
            let first = self.changes[at];
            if self.column(at).all(|change| change == first) {
                return Err(ValueAtRiskError::Constant(*factor));
            }
            let nothing = STILL * self.deviation(at);
            let (mut run, mut longest, mut last) = (0, 0, 0);
            for (row, change) in self.column(at).enumerate() {
                run = if change.abs() <= nothing { run + 1 } else { 0 };
                if run > longest {
                    (longest, last) = (run, row);
                }
            }
            if longest > STILL_MOST {
                let first = last + 1 - longest;
                let still = ValueAtRiskError::Still { factor: *factor, first, count: longest, of: self.len() };
                return Err(self.still_or_alone(still));
            }
        }
        Ok(())
    }
}
