//! Value at risk and expected shortfall of profits under equally likely scenarios, how exact they are, and whose they are.
//!
//! *Value at risk* at the confidence α is the loss that is not exceeded with the probability α: of n losses the smallest one that
//! at least
//! n α of them do not exceed (the left inverse of their distribution; type 1 of Hyndman and Fan 1996). *Expected shortfall* is the
//! mean of
//! the worst n (1 − α) losses, the last of them counted in part where this is no whole number (Acerbi and Tasche, "On the Coherence of
//! Expected Shortfall", Journal of Banking and Finance 26, 2002). Both are over zero where money is lost.

use units::math::sqrt;

/// Why a tail has no figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TailError {
    /// The confidence is not between zero and one.
    Confidence(f64),
    /// Fewer scenarios than one in the tail.
    TooFew {
        /// So many are there.
        count: usize,
        /// So many are needed at this confidence.
        fewest: usize,
    },
    /// A profit is not a finite number.
    NotFinite {
        /// Of which scenario, from zero.
        scenario: usize,
    },
    /// Profits of a part are of another number of scenarios than the whole.
    Scenarios {
        /// So many the part has.
        part: usize,
        /// So many the whole has.
        whole: usize,
    },
}

impl std::fmt::Display for TailError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Confidence(value) => {
                write!(out, "the confidence is {value}, and must lie between 0 and 1: 0.99 for 99 %")
            }
            Self::TooFew { count, fewest } => write!(
                out,
                "{count} scenarios have no tail at this confidence: {fewest} are the fewest; take a longer history or a lower confidence"
            ),
            Self::NotFinite { scenario } => write!(out, "the profit of scenario {} is no finite number", scenario + 1),
            Self::Scenarios { part, whole } => {
                write!(out, "a part has profits of {part} scenarios, the whole of {whole}")
            }
        }
    }
}

impl std::error::Error for TailError {}

/// The tail of a distribution of profits. Made once, asked for the share of each part.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tail {
    count: usize,
    /// n (1 − α).
    beyond: f64,
    /// Scenarios from the worst on, as far as anything is asked of them.
    worst: Vec<u32>,
    /// Where value at risk stands among them, and those around it that are as likely to be it.
    at: usize,
    around: (usize, usize),
    value_at_risk: f64,
    value_at_risk_error: f64,
    expected_shortfall: f64,
    expected_shortfall_error: f64,
    /// Mean loss of those around.
    around_mean: f64,
}

impl Tail {
    /// Of profits, one a scenario. Scenarios of equal profit stand in their order.
    ///
    /// # Errors
    ///
    /// A confidence that is none, fewer scenarios than 1 ÷ (1 − confidence), a profit that is not finite.
    pub fn of(profits: &[f64], confidence: f64) -> Result<Self, TailError> {
        let mut tail = Self::default();
        tail.refill(profits, confidence)?;
        Ok(tail)
    }

    /// As [`Self::of`] in the memory of a tail from before, of which nothing is left if this is refused.
    ///
    /// # Errors
    ///
    /// As [`Self::of`].
    pub fn refill(&mut self, profits: &[f64], confidence: f64) -> Result<(), TailError> {
        let mut worst = std::mem::take(self).worst;
        worst.clear();
        if !(confidence > 0.0 && confidence < 1.0) {
            return Err(TailError::Confidence(confidence));
        }
        let count = profits.len();
        // 100 × (1 − 0.99) is 1.0000000000000009: a whole number is meant.
        let raw = count as f64 * (1.0 - confidence);
        let beyond = if (raw - raw.round()).abs() < 1e-9 * raw.max(1.0) { raw.round() } else { raw };
        if beyond < 1.0 {
            let fewest = (1.0 / (1.0 - confidence) - 1e-9).ceil() as usize;
            return Err(TailError::TooFew { count, fewest });
        }
        if let Some(scenario) = profits.iter().position(|profit| !profit.is_finite()) {
            return Err(TailError::NotFinite { scenario });
        }
        // n α losses do not exceed it, so n (1 − α) may: it stands behind those.
        let at = (beyond.floor() as usize).min(count - 1);
        // A rank that is told from n draws errs by the root of n α (1 − α).
        let spread = sqrt(beyond * confidence).max(1.0);
        let low = (at as f64 - spread).round().max(0.0) as usize;
        let high = ((at as f64 + spread).round() as usize).min(count - 1);
        let by_loss =
            |one: &u32, other: &u32| profits[*one as usize].total_cmp(&profits[*other as usize]).then(one.cmp(other));
        worst.extend(0..count as u32);
        if high + 1 < count {
            worst.select_nth_unstable_by(high, by_loss);
            worst.truncate(high + 1);
        }
        worst.sort_unstable_by(by_loss);
        // A loss of nothing is no negative zero.
        let loss = |rank: usize| 0.0 - profits[worst[rank] as usize];
        let value_at_risk = loss(at);
        let whole = beyond.floor();
        let inside = 0..whole as usize;
        let sum: f64 = inside.clone().map(loss).sum();
        let part = beyond - whole;
        let expected_shortfall = (sum + part * value_at_risk) / beyond;
        // Manistre and Hancock, "Variance of the CTE Estimator", North American Actuarial Journal 9 (2005).
        let squares: f64 =
            inside.map(|rank| (loss(rank) - expected_shortfall) * (loss(rank) - expected_shortfall)).sum();
        let further = expected_shortfall - value_at_risk;
        let variance = squares / beyond + confidence * further * further;
        let around_mean = (low..=high).map(loss).sum::<f64>() / (high - low + 1) as f64;
        let value_at_risk_error = (loss(low) - loss(high)) / 2.0;
        let expected_shortfall_error = sqrt(variance / beyond);
        *self = Self {
            count,
            beyond,
            at,
            around: (low, high),
            value_at_risk,
            value_at_risk_error,
            expected_shortfall,
            expected_shortfall_error,
            around_mean,
            worst,
        };
        Ok(())
    }

    /// Value at risk.
    #[must_use]
    pub fn value_at_risk(&self) -> f64 {
        self.value_at_risk
    }

    /// Its standard error: half of what lies between the losses a standard deviation of rank before and behind it. Of independent
    /// scenarios; a history that clusters tells less.
    #[must_use]
    pub fn value_at_risk_error(&self) -> f64 {
        self.value_at_risk_error
    }

    /// Expected shortfall.
    #[must_use]
    pub fn expected_shortfall(&self) -> f64 {
        self.expected_shortfall
    }

    /// Its standard error, of independent scenarios.
    #[must_use]
    pub fn expected_shortfall_error(&self) -> f64 {
        self.expected_shortfall_error
    }

    /// Scenarios whose losses exceed value at risk, or make it: from the worst on.
    pub fn scenarios(&self) -> impl Iterator<Item = usize> + '_ {
        self.worst[..=self.at].iter().map(|scenario| *scenario as usize)
    }

    /// What a part of the book adds to expected shortfall: its own mean loss in the same scenarios. The parts' add up to the whole.
    ///
    /// # Errors
    ///
    /// Another number of scenarios.
    pub fn shortfall_of(&self, part: &[f64]) -> Result<f64, TailError> {
        self.same_scenarios(part)?;
        let whole = self.beyond.floor();
        let loss = |rank: usize| -part[self.worst[rank] as usize];
        let sum: f64 = (0..whole as usize).map(loss).sum();
        Ok((sum + (self.beyond - whole) * loss(self.at)) / self.beyond)
    }

    /// What a part adds to value at risk: its mean loss in the scenarios that are as likely to be the one, scaled so that the
    /// parts' add up
    /// to the whole. One scenario alone would be noise.
    ///
    /// # Errors
    ///
    /// Another number of scenarios.
    pub fn value_at_risk_of(&self, part: &[f64]) -> Result<f64, TailError> {
        self.same_scenarios(part)?;
        let loss = |rank: usize| -part[self.worst[rank] as usize];
        let (low, high) = self.around;
        let mean = (low..=high).map(loss).sum::<f64>() / (high - low + 1) as f64;
        // Where those around it say nothing, the one says all.
        let scaled = mean * (self.value_at_risk / self.around_mean);
        Ok(if scaled.is_finite() && self.around_mean * self.value_at_risk > 0.0 { scaled } else { loss(self.at) })
    }

    fn same_scenarios(&self, part: &[f64]) -> Result<(), TailError> {
        if part.len() == self.count {
            Ok(())
        } else {
            Err(TailError::Scenarios { part: part.len(), whole: self.count })
        }
    }
}
