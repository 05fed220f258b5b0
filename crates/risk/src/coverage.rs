//! Whether figures of value at risk held: tests of how often, how clustered and how far losses went beyond them.
//!
//! A *breach* is a period whose loss was over the value at risk that was told before it. Each test says how likely a record at least as
//! odd is if the figures are right, and how likely the test is to find figures out that are wrong: with few observations, hardly.
//!
//! Kupiec, "Techniques for Verifying the Accuracy of Risk Measurement Models", Journal of Derivatives 3 (1995); Christoffersen,
//! "Evaluating Interval Forecasts", International Economic Review 39 (1998); Basel Committee, "Supervisory Framework for the Use of
//! Backtesting" (1996); Acerbi and Székely, "Backtesting Expected Shortfall", Risk (2014).

use pricing::laws::{binomial_at_most, binomial_exactly, chi_squared_tail, normal_distribution, normal_quantile};
use std::f64::consts::PI;
use std::ops::RangeInclusive;
use units::math::{exp, ln, sqrt};
use units::random::Random;

/// Why nothing can be tested.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CoverageError {
    /// The confidence is not between zero and one.
    Confidence(f64),
    /// There is nothing to test.
    NoPeriods,
    /// More breaches than periods.
    Breaches {
        /// So many breaches.
        breaches: u64,
        /// So many periods.
        periods: u64,
    },
    /// A figure is not finite, or an expected shortfall is not over zero.
    Figure {
        /// Which period, from zero.
        row: usize,
    },
}

impl std::fmt::Display for CoverageError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Confidence(value) => {
                write!(out, "the confidence is {value}, and must lie between 0 and 1: 0.99 for 99 %")
            }
            Self::NoPeriods => out.write_str("no period has a figure to test: take a longer run"),
            Self::Breaches { breaches, periods } => write!(out, "{breaches} breaches in {periods} periods cannot be"),
            Self::Figure { row } => {
                write!(
                    out,
                    "period {}: profit, value at risk and expected shortfall must be finite, the last over zero",
                    row + 1
                )
            }
        }
    }
}

impl std::error::Error for CoverageError {}

/// How often losses were over the value at risk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coverage {
    periods: u64,
    breaches: u64,
    chance: f64,
}

/// One test's answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// Twice the logarithm of how much likelier the record is as it was than as it was to be.
    pub statistic: f64,
    /// The probability of a record at least as odd if the figures are right (for many periods).
    pub probability: f64,
}

/// A zone of the Basel Committee's traffic light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// So few breaches say nothing against the figures.
    Green,
    /// They are unlikely if the figures are right: under one in twenty.
    Yellow,
    /// All but impossible: under one in ten thousand.
    Red,
}

impl Coverage {
    /// `breaches` of `periods` at a confidence such as 0.99.
    ///
    /// # Errors
    ///
    /// A confidence that is none, no periods, more breaches than periods.
    pub fn new(periods: u64, breaches: u64, confidence: f64) -> Result<Self, CoverageError> {
        if !(confidence > 0.0 && confidence < 1.0) {
            return Err(CoverageError::Confidence(confidence));
        }
        if periods == 0 {
            return Err(CoverageError::NoPeriods);
        }
        if breaches > periods {
            return Err(CoverageError::Breaches { breaches, periods });
        }
        Ok(Self { periods, breaches, chance: 1.0 - confidence })
    }

    /// Kupiec's test of the number of breaches, by the likelihood ratio and one degree of freedom.
    #[must_use]
    pub fn kupiec(&self) -> Test {
        let share = self.breaches as f64 / self.periods as f64;
        let (hit, held) = (self.breaches, self.periods - self.breaches);
        test(2.0 * (log_likelihood(hit, held, share) - log_likelihood(hit, held, self.chance)), 1)
    }

    /// Numbers of breaches that Kupiec's test does not reject at `level`, such as 0.05. Empty where it rejects all.
    #[must_use]
    pub fn accepted(&self, level: f64) -> Option<RangeInclusive<u64>> {
        let holds = |breaches: &u64| Self { breaches: *breaches, ..*self }.kupiec().probability >= level;
        let expected = (self.periods as f64 * self.chance) as u64;
        // The statistic falls up to the expected number and rises from there on.
        let middle = [expected, expected + 1].into_iter().find(|at| *at <= self.periods && holds(at))?;
        let lowest = first_true(0, middle, |at| holds(&at));
        let over = first_true(middle, self.periods + 1, |at| at > self.periods || !holds(&at));
        Some(lowest..=over - 1)
    }

    /// The probability that Kupiec's test at `level` rejects figures that are breached with the probability `truth` in each period: its
    /// power. At the promised probability itself, how often it rejects what is right.
    #[must_use]
    pub fn power(&self, level: f64, truth: f64) -> f64 {
        let Some(accepted) = self.accepted(level) else { return 1.0 };
        let up_to = |most: u64| binomial_at_most(self.periods, truth, most);
        let below = accepted.start().checked_sub(1).map_or(0.0, up_to);
        (1.0 - (up_to(*accepted.end()) - below)).clamp(0.0, 1.0)
    }

    /// The probability of so many breaches or fewer if the figures are right.
    #[must_use]
    pub fn cumulative(&self) -> f64 {
        binomial_at_most(self.periods, self.chance, self.breaches)
    }

    /// The probability of exactly so many.
    #[must_use]
    pub fn exactly(&self) -> f64 {
        binomial_exactly(self.periods, self.chance, self.breaches)
    }

    /// The traffic light: by the probability of so many breaches or fewer, yellow from 95 %, red from 99.99 %.
    #[must_use]
    pub fn zone(&self) -> Zone {
        match self.cumulative() {
            probability if probability < 0.95 => Zone::Green,
            probability if probability < 0.9999 => Zone::Yellow,
            _ => Zone::Red,
        }
    }

    /// The probability that the light is not green for figures that are breached with the probability `truth` in each period.
    #[must_use]
    pub fn zone_power(&self, truth: f64) -> f64 {
        let is_green = |breaches: u64| Self { breaches, ..*self }.zone() == Zone::Green;
        let over = first_true(0, self.periods + 1, |breaches| breaches > self.periods || !is_green(breaches));
        let green = over.checked_sub(1).map_or(0.0, |most| binomial_at_most(self.periods, truth, most));
        (1.0 - green).clamp(0.0, 1.0)
    }

    /// What the Basel Committee multiplies value at risk by: 3 to 4. It is defined of 250 periods at 99 % and nothing else.
    #[must_use]
    pub fn multiplier(&self) -> Option<f64> {
        if self.periods != 250 || (self.chance - 0.01).abs() > 1e-12 {
            return None;
        }
        Some(match self.breaches {
            0..=4 => 3.0,
            5 => 3.4,
            6 => 3.5,
            7 => 3.65,
            8 => 3.75,
            9 => 3.85,
            _ => 4.0,
        })
    }
}

/// Christoffersen's tests of a record, period by period: whether a breach makes another one likelier, and both this and their number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clustering {
    /// Against breaches that follow each other: one degree of freedom.
    pub independence: Test,
    /// Number and independence together: two degrees of freedom.
    pub conditional_coverage: Test,
    /// Breaches in the period right after one.
    pub repeated: u64,
}

/// Looks at each pair of neighbouring periods.
///
/// # Errors
///
/// A confidence that is none, fewer than two periods.
pub fn christoffersen(breached: &[bool], confidence: f64) -> Result<Clustering, CoverageError> {
    let [mut quiet, mut started, mut ended, mut repeated] = [0_u64; 4];
    for pair in breached.windows(2) {
        match (pair[0], pair[1]) {
            (false, false) => quiet += 1,
            (false, true) => started += 1,
            (true, false) => ended += 1,
            (true, true) => repeated += 1,
        }
    }
    let pairs = quiet + started + ended + repeated;
    // Of the periods that have one before them, so that both tests are about the same ones.
    let coverage = Coverage::new(pairs, started + repeated, confidence)?;
    let share = |hit: u64, held: u64| if hit + held == 0 { 0.0 } else { hit as f64 / (hit + held) as f64 };
    let apart =
        log_likelihood(started, quiet, share(started, quiet)) + log_likelihood(repeated, ended, share(repeated, ended));
    let (hit, held) = (started + repeated, quiet + ended);
    let independence = test(2.0 * (apart - log_likelihood(hit, held, share(hit, held))), 1);
    let conditional_coverage = test(independence.statistic + coverage.kupiec().statistic, 2);
    Ok(Clustering { independence, conditional_coverage, repeated })
}

/// A period: what was won, and what was told before it. Losses are negative profits; both figures are losses, over zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Period {
    /// Profit.
    pub profit: f64,
    /// Value at risk.
    pub value_at_risk: f64,
    /// Expected shortfall.
    pub expected_shortfall: f64,
}

/// How losses compare with the expected shortfall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shortfall {
    /// One less the mean of loss ÷ expected shortfall over the breaches: zero is expected, below it losses were worse. Absent: none was
    /// breached.
    pub first: Option<f64>,
    /// One less the sum of loss ÷ expected shortfall over the breaches, by their expected number: zero is expected, below it losses were
    /// worse or more.
    pub second: f64,
    /// Breaches.
    pub breaches: u64,
}

impl Shortfall {
    /// What `second` falls under once in twenty if the figures are right, for 250 periods at 97.5 %: −0.70, from the normal law to
    /// Student's with three degrees of freedom alike (Acerbi and Székely, table 2: −0.70 to −0.82).
    pub const SECOND_AT_FIVE_PERCENT: f64 = -0.70;
}

/// Acerbi and Székely's first and second test.
///
/// # Errors
///
/// A confidence that is none, no periods, a figure that is not finite.
pub fn acerbi_szekely(periods: &[Period], confidence: f64) -> Result<Shortfall, CoverageError> {
    Coverage::new(periods.len() as u64, 0, confidence)?;
    let (mut sum, mut breaches) = (0.0, 0_u64);
    for (row, Period { profit, value_at_risk, expected_shortfall }) in periods.iter().enumerate() {
        let sound = profit.is_finite() && value_at_risk.is_finite() && expected_shortfall.is_finite();
        if !sound || *expected_shortfall <= 0.0 {
            return Err(CoverageError::Figure { row });
        }
        if -profit > *value_at_risk {
            sum += -profit / expected_shortfall;
            breaches += 1;
        }
    }
    let expected = periods.len() as f64 * (1.0 - confidence);
    Ok(Shortfall { first: (breaches > 0).then(|| 1.0 - sum / breaches as f64), second: 1.0 - sum / expected, breaches })
}

/// When a test rejects, and how often it finds figures out that are wrong. Of drawn records, so known to about two percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// What the statistic has to pass for the test to reject figures that are right as often as its level says.
    pub critical: f64,
    /// How often it rejects the wrong ones.
    pub power: f64,
}

/// Records that a power is drawn from.
const RECORDS: u64 = 1_000;

/// How often Christoffersen's test of independence at `level` rejects figures whose number of breaches is as promised, but each of which
/// is followed by another with the probability `again`. By the law for many periods, as the test itself.
///
/// # Panics
///
/// Never: a confidence that is none, or one that needs more than `again`, is answered by a power of zero.
#[must_use]
pub fn clustering_power(periods: u64, confidence: f64, level: f64, again: f64) -> Power {
    let chance = 1.0 - confidence;
    // So often after a quiet period that breaches are as many as promised.
    let first = chance * (1.0 - again) / (1.0 - chance);
    let random = Random::new(periods);
    let mut breached = vec![false; periods as usize];
    let mut rejected = 0_u64;
    for record in 0..RECORDS {
        let mut last = false;
        for (at, place) in breached.iter_mut().enumerate() {
            let drawn = random.uniform(record, at as u64)[0];
            last = drawn
                < if at == 0 {
                    chance
                } else if last {
                    again
                } else {
                    first
                };
            *place = last;
        }
        let found = christoffersen(&breached, confidence);
        rejected += u64::from(found.is_ok_and(|found| found.independence.probability < level));
    }
    Power { critical: level, power: rejected as f64 / RECORDS as f64 }
}

/// What Acerbi and Székely's second statistic falls under so often as `level` says if normal figures are right, and how often it does if
/// losses are `worse` times as volatile as was told: 1.25 for a quarter more.
#[must_use]
pub fn shortfall_power(periods: u64, confidence: f64, level: f64, worse: f64) -> Power {
    let chance = 1.0 - confidence;
    let quantile = normal_quantile(confidence);
    let shortfall = exp(-quantile * quantile / 2.0) / sqrt(2.0 * PI) / chance;
    let random = Random::new(periods ^ 1);
    let expected = periods as f64 * chance;
    let drawn = |worse: f64, from: u64| {
        let breach = normal_distribution(-quantile / worse);
        let mut all: Vec<f64> = (0..RECORDS)
            .map(|record| {
                let beyond =
                    (0..periods).map(|at| random.uniform(from + record, at)[0]).filter(|drawn| *drawn < breach);
                1.0 - beyond.map(|drawn| -worse * normal_quantile(drawn) / shortfall).sum::<f64>() / expected
            })
            .collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let right = drawn(1.0, 0);
    let critical = right[((level * RECORDS as f64) as usize).min(right.len() - 1)];
    let found = drawn(worse, RECORDS).iter().filter(|second| **second < critical).count();
    Power { critical, power: found as f64 / RECORDS as f64 }
}

/// The first number from `low` on, under `high`, at which what is false before and true after is true; else `high`.
fn first_true(low: u64, high: u64, test: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (low, high);
    while low < high {
        let middle = low + (high - low) / 2;
        if test(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

fn log_likelihood(hit: u64, held: u64, chance: f64) -> f64 {
    let part = |count: u64, of: f64| if count == 0 { 0.0 } else { count as f64 * ln(of) };
    part(hit, chance) + part(held, 1.0 - chance)
}

fn test(statistic: f64, degrees: u32) -> Test {
    // Rounding can leave a little less than nothing.
    let statistic = statistic.max(0.0);
    Test { statistic, probability: chi_squared_tail(statistic, degrees) }
}
