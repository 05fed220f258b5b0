//! A book by its Greeks at the horizon, and the distribution that normal moves give it.

use super::book::Smile;
use super::figures::{Figures, Share};
use super::{Book, Factor, Law, Moves, ValueAtRiskError};
use crate::delta_gamma::{DeltaGamma, QuadraticError, QuadraticTail};
use units::Duration;

/// Moves that slopes and bends are taken from, as [`Factor::change`] has them. The error of a bend is a millionth of the next one but two;
/// rounding leaves a ten-billionth of what the book is worth.
const BUMP: f64 = 1e-3;
/// How far a part is scaled for what it adds.
const SCALE: f64 = 1e-4;

/// Profit as a quadratic function of the moves ln(after ÷ before) of prices and volatilities to the horizon: what time alone does, delta
/// and vega, gamma, vanna and volga. Taken from full revaluations at the horizon, so that theta is exact.
#[derive(Debug, Clone, PartialEq)]
pub struct ByGreeks {
    factors: Vec<Factor>,
    horizon: Duration,
    whole: Quadratic,
    groups: Vec<Quadratic>,
}

#[derive(Debug, Clone, PartialEq)]
struct Quadratic {
    constant: f64,
    delta: Vec<f64>,
    /// Row by row.
    gamma: Vec<f64>,
}

impl ByGreeks {
    /// Of a book and groups of its lines, as [`Book::profits`] has them.
    ///
    /// # Errors
    ///
    /// A coin that no factor moves, a price or volatility that cannot be, an option that expires before the horizon.
    ///
    /// # Panics
    ///
    /// If `groups` is of another number of lines.
    pub fn of(
        book: &mut Book,
        factors: &[Factor],
        horizon: Duration,
        groups: &[usize],
    ) -> Result<Self, ValueAtRiskError> {
        Self::run(book, factors, horizon, groups, None)
    }

    /// As [`Self::of`], on whole smiles.
    ///
    /// # Errors
    ///
    /// As [`Self::of`].
    ///
    /// # Panics
    ///
    /// As [`Self::of`].
    pub fn on(
        book: &mut Book,
        factors: &[Factor],
        horizon: Duration,
        groups: &[usize],
        smile: impl Fn(usize, &mut [f64]) + Sync,
    ) -> Result<Self, ValueAtRiskError> {
        Self::run(book, factors, horizon, groups, Some(&smile))
    }

    fn run(
        book: &mut Book,
        factors: &[Factor],
        horizon: Duration,
        groups: &[usize],
        smile: Option<&Smile<'_>>,
    ) -> Result<Self, ValueAtRiskError> {
        if let Some((line, expiry)) = book.expires_within(horizon) {
            return Err(ValueAtRiskError::Expires { name: format!("of line {}", line + 1), expiry });
        }
        let width = factors.len();
        // Nothing, each factor up and down, each pair in its four directions.
        let mut changes = vec![0.0; width];
        for one in 0..width {
            for up in [BUMP, -BUMP] {
                let from = changes.len();
                changes.resize(from + width, 0.0);
                changes[from + one] = up;
            }
        }
        for one in 0..width {
            for other in 0..one {
                for (a, b) in [(BUMP, BUMP), (BUMP, -BUMP), (-BUMP, BUMP), (-BUMP, -BUMP)] {
                    let from = changes.len();
                    changes.resize(from + width, 0.0);
                    (changes[from + one], changes[from + other]) = (a, b);
                }
            }
        }
        let moves = Moves::given(factors, horizon, changes)?;
        let profits = book.run(&moves, 0..moves.len(), groups, smile)?;
        let count = groups.iter().max().map_or(0, |last| last + 1);
        Ok(Self {
            factors: factors.to_vec(),
            horizon,
            whole: Quadratic::of(profits.totals(), width),
            groups: (0..count).map(|group| Quadratic::of(profits.group(group), width)).collect(),
        })
    }

    /// The same with groups put together: `into` tells the new group of each, from zero.
    ///
    /// # Panics
    ///
    /// If `into` is of another number of groups.
    #[must_use]
    pub fn regrouped(&self, into: &[usize]) -> Self {
        assert_eq!(into.len(), self.groups.len(), "each group has its new one");
        let width = self.factors.len();
        let none = Quadratic { constant: 0.0, delta: vec![0.0; width], gamma: vec![0.0; width * width] };
        let mut groups = vec![none; into.iter().max().map_or(0, |last| last + 1)];
        for (group, to) in self.groups.iter().zip(into) {
            groups[*to] = groups[*to].with(group, 1.0);
        }
        Self { groups, ..self.clone() }
    }

    /// What time alone brings until the horizon.
    #[must_use]
    pub fn theta(&self) -> f64 {
        self.whole.constant
    }

    /// Slopes of the profit by ln(after ÷ before) of each factor.
    #[must_use]
    pub fn deltas(&self) -> &[f64] {
        &self.whole.delta
    }

    /// Its bends, row by row.
    #[must_use]
    pub fn gammas(&self) -> &[f64] {
        &self.whole.gamma
    }

    /// The profit of a move.
    #[must_use]
    pub fn profit(&self, changes: &[f64]) -> f64 {
        let Quadratic { constant, delta, gamma } = &self.whole;
        let linear: f64 = delta.iter().zip(changes).map(|(delta, change)| delta * change).sum();
        let row = |(row, change): (&[f64], &f64)| -> f64 {
            row.iter().zip(changes).map(|(gamma, other)| gamma * change * other).sum()
        };
        constant + linear + gamma.chunks_exact(delta.len()).zip(changes).map(row).sum::<f64>() / 2.0
    }

    /// The distribution of the whole's profit, moves being normal with the law's covariance over the horizon.
    ///
    /// # Errors
    ///
    /// A law of other factors, a covariance that is singular, a profit that nothing moves.
    pub fn distribution(&self, law: &Law) -> Result<DeltaGamma, ValueAtRiskError> {
        self.whole.distribution(&self.covariance(law)?, &self.factors)
    }

    /// Value at risk, expected shortfall and what each group adds, moves being normal with the law's covariance over the horizon:
    /// quantiles by inversion ([`crate::delta_gamma`]). The law's tails are not looked at.
    ///
    /// # Errors
    ///
    /// A law of other factors, a confidence that is none, a covariance that is singular.
    pub fn figures(&self, law: &Law, confidence: f64) -> Result<Figures, ValueAtRiskError> {
        let covariance = self.covariance(law)?;
        let tail = |of: &Quadratic| of.tail(&covariance, confidence, &self.factors);
        let all = tail(&self.whole)?;
        let share = |group: &Quadratic| -> Result<Share, ValueAtRiskError> {
            let without = tail(&self.whole.with(group, -1.0))?;
            let (up, down) = (tail(&self.whole.with(group, SCALE))?, tail(&self.whole.with(group, -SCALE))?);
            Ok(Share {
                value_at_risk: (up.value_at_risk - down.value_at_risk) / (2.0 * SCALE),
                expected_shortfall: (up.expected_shortfall - down.expected_shortfall) / (2.0 * SCALE),
                incremental_value_at_risk: all.value_at_risk - without.value_at_risk,
                incremental_expected_shortfall: all.expected_shortfall - without.expected_shortfall,
            })
        };
        Ok(Figures {
            value_at_risk: all.value_at_risk,
            value_at_risk_error: None,
            expected_shortfall: all.expected_shortfall,
            expected_shortfall_error: None,
            shares: self.groups.iter().map(share).collect::<Result<_, _>>()?,
        })
    }
}

impl ByGreeks {
    fn covariance(&self, law: &Law) -> Result<Vec<f64>, ValueAtRiskError> {
        if law.factors() != self.factors {
            return Err(ValueAtRiskError::Shape { factors: self.factors.len(), numbers: law.factors().len() });
        }
        law.covariance(self.horizon)
    }
}

impl Quadratic {
    /// From profits in the order in which [`ByGreeks::run`] asks for them.
    fn of(profits: &[f64], width: usize) -> Self {
        let (constant, rest) = (profits[0], &profits[1..]);
        let (single, mut pairs) = rest.split_at(2 * width);
        let (mut delta, mut gamma) = (vec![0.0; width], vec![0.0; width * width]);
        for one in 0..width {
            let (up, down) = (single[2 * one] - constant, single[2 * one + 1] - constant);
            delta[one] = (up - down) / (2.0 * BUMP);
            gamma[one * width + one] = (up + down) / (BUMP * BUMP);
            for other in 0..one {
                let (four, left) = pairs.split_at(4);
                pairs = left;
                let bend = ((four[0] - four[1]) - (four[2] - four[3])) / (4.0 * BUMP * BUMP);
                gamma[one * width + other] = bend;
                gamma[other * width + one] = bend;
            }
        }
        Self { constant, delta, gamma }
    }

    /// This and another so many times.
    fn with(&self, other: &Self, times: f64) -> Self {
        let add = |own: &[f64], other: &[f64]| own.iter().zip(other).map(|(own, other)| own + times * other).collect();
        Self {
            constant: self.constant + times * other.constant,
            delta: add(&self.delta, &other.delta),
            gamma: add(&self.gamma, &other.gamma),
        }
    }

    fn distribution(&self, covariance: &[f64], factors: &[Factor]) -> Result<DeltaGamma, ValueAtRiskError> {
        DeltaGamma::new(self.constant, &self.delta, &self.gamma, covariance).map_err(|error| match error {
            QuadraticError::Singular { factor } => ValueAtRiskError::Singular(factors[factor]),
            error => ValueAtRiskError::Quadratic(error),
        })
    }

    fn tail(&self, covariance: &[f64], confidence: f64, factors: &[Factor]) -> Result<QuadraticTail, ValueAtRiskError> {
        match self.distribution(covariance, factors) {
            Ok(distribution) => Ok(distribution.tail(confidence)?),
            // What never changes is lost, or won, for sure.
            Err(ValueAtRiskError::Quadratic(QuadraticError::Constant)) if confidence > 0.0 && confidence < 1.0 => {
                Ok(QuadraticTail { value_at_risk: 0.0 - self.constant, expected_shortfall: 0.0 - self.constant })
            }
            Err(error) => Err(error),
        }
    }
}
