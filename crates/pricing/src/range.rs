//! Volatility from the range of bars.

use crate::Ohlc;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, Price, Vol, math};

/// How a bar's range tells its variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeEstimator {
    /// ln(H ÷ L)² ÷ (4 ln 2). M. Parkinson, The extreme value method for estimating the variance of the rate of return,
    /// J. Business 53 (1980).
    Parkinson,
    /// ½ ln(H ÷ L)² − (2 ln 2 − 1) ln(C ÷ O)². M. Garman, M. Klass, On the estimation of security price volatilities from
    /// historical data, J. Business 53 (1980), the practical estimator. Never negative, because |ln(C ÷ O)| ≤ ln(H ÷ L).
    GarmanKlass,
}

/// Volatility from the ranges of bars, exponentially weighted by half-life, annualised by √(365 days ÷ bar length). Known once
/// bars of one half-life were seen. Moves between bars are not in it.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeVolatility {
    estimator: RangeEstimator,
    decay: f64,
    bars_a_year: f64,
    warm: u32,
    seen: u32,
    variance: f64,
}

const LN_2: f64 = std::f64::consts::LN_2;

impl RangeEstimator {
    fn variance(self, bar: &Ohlc) -> f64 {
        let log = |above: Price, under: Price| math::ln(above.approximate() / under.approximate());
        let range = log(bar.high, bar.low);
        match self {
            Self::Parkinson => range * range / (4.0 * LN_2),
            Self::GarmanKlass => {
                let change = log(bar.close, bar.open);
                (0.5 * range * range - (2.0 * LN_2 - 1.0) * change * change).max(0.0)
            }
        }
    }
}

impl RangeVolatility {
    /// Weights that halve after `half_life`, over bars of a length; both must be positive.
    #[must_use]
    pub fn new(estimator: RangeEstimator, half_life: Duration, bar: Duration) -> Self {
        let bars = half_life.days() / bar.days();
        let (decay, bars_a_year) = (math::pow(0.5, 1.0 / bars), 365.0 / bar.days());
        Self { estimator, decay, bars_a_year, warm: (bars as u32).max(2), seen: 0, variance: 0.0 }
    }

    /// Takes in the next bar.
    pub fn push(&mut self, bar: &Ohlc) {
        let variance = self.estimator.variance(bar);
        self.variance = match self.seen {
            0 => variance,
            _ => self.decay * self.variance + (1.0 - self.decay) * variance,
        };
        self.seen = self.seen.saturating_add(1);
    }

    /// Annualised volatility, once warm.
    #[must_use]
    pub fn value(&self) -> Option<Vol> {
        (self.seen >= self.warm).then(|| Vol::new(math::sqrt(self.variance * self.bars_a_year))).flatten()
    }

    /// Writes the state.
    pub fn save(&self, out: &mut StateWriter) {
        out.u32(self.seen);
        out.f64(self.variance);
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        (self.seen, self.variance) = (from.u32()?, from.f64()?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::Timestamp;

    /// Rows of `vectors/range_volatility.py`, an independent computation: numbers only, so that a split reads them.
    #[test]
    fn as_computed_with_explicit_weights() {
        let half_life = Duration::from_nanos(5 * Duration::HOUR.nanos());
        let estimators = [RangeEstimator::Parkinson, RangeEstimator::GarmanKlass];
        let mut volatilities = estimators.map(|kind| RangeVolatility::new(kind, half_life, Duration::HOUR));
        let rows = include_str!("../../../vectors/range_volatility.json");
        let mut checked = 0;
        for row in rows.lines().filter(|row| row.len() > 1) {
            let cells: Vec<&str> = row.trim().trim_matches(['[', ']', ',']).split(", ").collect();
            let [open, high, low, close] = [0, 1, 2, 3].map(|at| cells[at].parse::<Price>().unwrap());
            let at = Timestamp::from_nanos(0);
            for (volatility, expected) in volatilities.iter_mut().zip(&cells[4..]) {
                volatility.push(&Ohlc { opened: at, closed: at, open, high, low, close });
                let (found, expected) = (volatility.value().map_or(0.0, Vol::get), expected.parse::<f64>().unwrap());
                assert!((found - expected).abs() <= 1e-12 * expected, "{found} and not {expected} in {row}");
                checked += 1;
            }
        }
        assert_eq!(checked, 80);
    }
}
