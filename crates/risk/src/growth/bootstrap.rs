//! Capital over many futures, drawn from returns as they were.

use super::{GrowthError, POSITIVE, WHOLE, within};
use units::math::{ln, pow, sqrt};
use units::random::Random;

/// How long returns remember each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dependence {
    /// The mean length of blocks that loses least of it: one or more.
    pub block: f64,
    /// The variance of a sum of many returns ÷ their number. Of independent ones it is their variance.
    pub long_run_variance: f64,
}

impl Dependence {
    /// The rule of Politis and White for the stationary bootstrap ("Automatic Block-Length Selection for the Dependent Bootstrap",
    /// Econometric Reviews 23, 2004, as corrected by Patton, Politis and White, 28, 2009): blocks are longer the further
    /// autocorrelations reach that are no chance. At most three roots of the count, and a third of it.
    ///
    /// # Errors
    ///
    /// Fewer than eight values, one that is not finite, values that are all the same.
    pub fn of(values: &[f64]) -> Result<Self, GrowthError> {
        const FEWEST: usize = 8;
        let count = values.len();
        if count < FEWEST {
            return Err(GrowthError::TooFew { count, fewest: FEWEST });
        }
        for value in values {
            within("a return", *value, "finite", true)?;
        }
        let size = count as f64;
        let mean = values.iter().sum::<f64>() / size;
        let apart: Vec<f64> = values.iter().map(|value| value - mean).collect();
        let product = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
        let variance = product(&apart, &apart) / size;
        // What is left of the mean's rounding is no movement.
        within("the variance", variance, POSITIVE, variance > mean * mean * 1e-28)?;
        let tens = ln(size) / ln(10.0);
        // So many autocorrelations in a row that may be chance end the memory.
        let quiet = (tens as usize).max(5);
        let furthest = (sqrt(size).ceil() as usize + quiet).min(count - 2);
        let chance = 2.0 * sqrt(tens / size);
        let mut covariances = Vec::with_capacity(furthest + 1);
        let (mut run, mut memory) = (0, None);
        for lag in 0..=furthest {
            let covariance = product(&apart[lag..], &apart[..count - lag]);
            covariances.push(covariance / size);
            if memory.is_none() && run == quiet {
                memory = Some(lag - quiet);
            }
            let (late, early) = (&apart[lag + 1..], &apart[..count - lag - 1]);
            let is_chance = covariance.abs() < chance * sqrt(product(late, late) * product(early, early));
            run = if is_chance { run + 1 } else { 0 };
        }
        let reach = memory.map_or(furthest, |memory| (2 * memory.max(1)).min(furthest));
        let (mut slope, mut long_run) = (0.0, variance);
        for (lag, covariance) in covariances.iter().enumerate().take(reach + 1).skip(1) {
            let share = lag as f64 / reach as f64;
            let weight = if share <= 0.5 { 1.0 } else { 2.0 * (1.0 - share) };
            slope += 2.0 * weight * lag as f64 * covariance;
            long_run += 2.0 * weight * covariance;
        }
        let longest = (3.0 * sqrt(size)).min(size / 3.0).ceil();
        let ratio = slope / long_run;
        let block = if ratio == 0.0 { 1.0 } else { pow(ratio * ratio * size, 1.0 / 3.0) };
        Ok(Self {
            block: if block.is_finite() { block.clamp(1.0, longest) } else { longest },
            // An estimate from few autocorrelations can even fall under zero; swings that undo each other are not trusted to.
            long_run_variance: long_run.max(variance),
        })
    }

    /// Of returns and of how far they swing: the longer block of the two. Blocks that keep the returns' own memory alone would tear
    /// calm and stormy times apart, and it is these that make drawdowns.
    ///
    /// # Errors
    ///
    /// As [`Self::of`].
    pub fn of_returns(returns: &[f64]) -> Result<Self, GrowthError> {
        let own = Self::of(returns)?;
        let squares: Vec<f64> = returns.iter().map(|value| value * value).collect();
        // Returns of one size have squares that never move, and nothing to keep.
        let swings = Self::of(&squares).map_or(1.0, |swings| swings.block);
        Ok(Self { block: own.block.max(swings), ..own })
    }
}

/// Many futures that are drawn from past returns in blocks, so that what follows each other in the past does so in them. A block begins
/// at any return as likely as at another and ends after each with the same probability, so that futures are as stationary as the past;
/// after the last return comes the first. Politis and Romano, "The Stationary Bootstrap", Journal of the American Statistical Association
/// 89 (1994).
#[derive(Debug, Clone, Copy)]
pub struct Bootstrap<'a> {
    returns: &'a [f64],
    /// ln of the probability that a block goes on; minus infinity: it never does.
    goes_on: f64,
    periods: usize,
    random: Random,
}

/// What became of capital, as multiples and fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Future {
    /// Capital over capital at the start.
    pub growth: f64,
    /// The most that ever was.
    pub highest: f64,
    /// The lowest capital ever was under the start: zero or more.
    pub worst_loss: f64,
    /// The largest drawdown from the highest so far.
    pub worst_drawdown: f64,
}

impl Future {
    /// Before anything happened.
    pub const NOW: Self = Self { growth: 1.0, highest: 1.0, worst_loss: 0.0, worst_drawdown: 0.0 };

    /// One period on. Who loses everything has nothing left, and stays so.
    pub fn after(&mut self, value: f64) {
        self.growth = (self.growth * (1.0 + value)).max(0.0);
        self.highest = self.highest.max(self.growth);
        self.worst_loss = self.worst_loss.max(1.0 - self.growth);
        self.worst_drawdown = self.worst_drawdown.max(1.0 - self.growth / self.highest);
    }
}

/// A share of many paths, and how exact it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The share.
    pub value: f64,
    /// Its standard error; where none or all did, that of one that did or did not: so many paths tell no more.
    pub error: f64,
}

impl Share {
    /// Of so many, so many; of none, nothing.
    #[must_use]
    pub fn of(hits: usize, paths: usize) -> Self {
        let paths = paths.max(1) as f64;
        let value = hits as f64 / paths;
        let told = value.min(1.0 - 1.0 / paths).max(1.0 / paths);
        Self { value, error: sqrt(told * (1.0 - told) / paths) }
    }
}

impl<'a> Bootstrap<'a> {
    /// Paths of `periods` periods from returns (as fractions) in blocks of a mean length.
    ///
    /// # Errors
    ///
    /// Fewer returns than two blocks, a block shorter than one, a horizon of none, a return that is not finite or loses everything or
    /// more.
    pub fn new(returns: &'a [f64], block: f64, periods: usize, seed: u64) -> Result<Self, GrowthError> {
        within("the mean length of a block", block, "1 or more", block >= 1.0)?;
        within("the number of periods", periods as f64, "1 or more", periods > 0)?;
        if (returns.len() as f64) < 2.0 * block {
            return Err(GrowthError::TooFew { count: returns.len(), fewest: (2.0 * block).ceil() as usize });
        }
        for value in returns {
            within("a return", *value, WHOLE, *value > -1.0)?;
        }
        let goes_on = if block > 1.0 { ln(1.0 - 1.0 / block) } else { f64::NEG_INFINITY };
        Ok(Self { returns, goes_on, periods, random: Random::new(seed) })
    }

    /// Draws path number `index`: hands on where in the past each of its returns is, period by period. The same whichever paths were
    /// drawn before.
    pub fn draw(&self, index: u64, mut take: impl FnMut(usize)) {
        let count = self.returns.len();
        let mut left = self.periods;
        for block in 0_u64.. {
            let [place, length] = self.random.uniform(index, block);
            let start = ((place * count as f64) as usize).min(count - 1);
            // Geometric: how often a coin that goes on with this probability does so in a row.
            let more = ln(length) / self.goes_on;
            let length = (more.min(left as f64) as usize + 1).min(left);
            (0..length).for_each(|at| take((start + at) % count));
            left -= length;
            if left == 0 {
                break;
            }
        }
    }

    /// What becomes of capital on path number `index`.
    #[must_use]
    pub fn path(&self, index: u64) -> Future {
        let mut future = Future::NOW;
        self.draw(index, |at| future.after(self.returns[at]));
        future
    }

    /// The share of the first `paths` paths of which something holds.
    ///
    /// # Errors
    ///
    /// No paths.
    pub fn share(&self, paths: u64, holds: impl Fn(&Future) -> bool) -> Result<Share, GrowthError> {
        within("the number of paths", paths as f64, "1 or more", paths > 0)?;
        let hits = (0..paths).filter(|index| holds(&self.path(*index))).count();
        Ok(Share::of(hits, paths as usize))
    }
}
