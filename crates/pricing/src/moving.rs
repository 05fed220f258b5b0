//! Exponential averages of prices, ranges and squared returns.

use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, Price, Round, Vol, math};

/// Exponential moving average with α = 2 ÷ (span + 1), started at the first value; known once `span` values were seen.
#[derive(Debug, Clone, PartialEq)]
pub struct ExponentialAverage {
    span: u32,
    seen: u32,
    value: f64,
}

impl ExponentialAverage {
    /// An average over about this many bars.
    #[must_use]
    pub fn new(span: u32) -> Self {
        Self { span: span.max(1), seen: 0, value: 0.0 }
    }

    /// Takes in the next price.
    pub fn push(&mut self, price: Price) {
        let price = price.approximate();
        let alpha = 2.0 / (f64::from(self.span) + 1.0);
        self.value = if self.seen == 0 { price } else { self.value + alpha * (price - self.value) };
        self.seen = self.seen.saturating_add(1);
    }

    /// The average, once warm.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        (self.seen >= self.span).then_some(self.value)
    }

    /// Writes the state.
    pub fn save(&self, out: &mut StateWriter) {
        out.u32(self.seen);
        out.f64(self.value);
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        (self.seen, self.value) = (from.u32()?, from.f64()?);
        Ok(())
    }
}

/// Average true range by Wilder's smoothing: the mean of the first n true ranges, then (N × (n − 1) + TR) ÷ n.
/// True range = the largest of high − low, |high − previous close|, |low − previous close|.
/// J. W. Wilder, New Concepts in Technical Trading Systems (1978); the Turtles' N.
#[derive(Debug, Clone, PartialEq)]
pub struct AverageTrueRange {
    bars: u32,
    seen: u32,
    last_close: Option<Price>,
    value: f64,
}

impl AverageTrueRange {
    /// An average over this many bars, at least one.
    #[must_use]
    pub fn new(bars: u32) -> Self {
        Self { bars: bars.max(1), seen: 0, last_close: None, value: 0.0 }
    }

    /// Takes in the next bar.
    pub fn push(&mut self, high: Price, low: Price, close: Price) {
        let range = match self.last_close.replace(close) {
            Some(last) => (high.max(last) - low.min(last)).approximate(),
            None => (high - low).approximate(),
        };
        let (n, seen) = (f64::from(self.bars), f64::from(self.seen.min(self.bars)));
        self.value =
            if seen < n { (self.value * seen + range) / (seen + 1.0) } else { (self.value * (n - 1.0) + range) / n };
        self.seen = self.seen.saturating_add(1);
    }

    /// N as a price distance, once warm.
    #[must_use]
    pub fn value(&self) -> Option<Price> {
        (self.seen >= self.bars).then(|| Price::from_estimate(self.value, Round::Nearest)).flatten()
    }

    /// Writes the state.
    pub fn save(&self, out: &mut StateWriter) {
        out.u32(self.seen);
        out.option(self.last_close, |out, close| out.i64(close.raw()));
        out.f64(self.value);
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.seen = from.u32()?;
        self.last_close = from.option(StateReader::i64)?.map(Price::from_raw);
        self.value = from.f64()?;
        Ok(())
    }
}

/// Realised volatility of logarithmic returns over bars, exponentially weighted by half-life, mean taken as zero,
/// annualised by √(365 days ÷ bar length). Known once the returns span one half-life.
#[derive(Debug, Clone, PartialEq)]
pub struct RealisedVolatility {
    decay: f64,
    bars_a_year: f64,
    warm: u32,
    seen: u32,
    last: f64,
    variance: f64,
}

impl RealisedVolatility {
    /// Weights that halve after `half_life`, over bars of a length; both must be positive.
    #[must_use]
    pub fn new(half_life: Duration, bar: Duration) -> Self {
        let bars = half_life.days() / bar.days();
        Self {
            decay: math::pow(0.5, 1.0 / bars),
            bars_a_year: 365.0 / bar.days(),
            warm: (bars as u32).max(2),
            seen: 0,
            last: 0.0,
            variance: 0.0,
        }
    }

    /// Takes in the close of the next bar.
    pub fn push(&mut self, close: Price) {
        let log = math::ln(close.approximate());
        let step = log - self.last;
        self.variance = match self.seen {
            0 => 0.0,
            1 => step * step,
            _ => self.decay * self.variance + (1.0 - self.decay) * step * step,
        };
        self.last = log;
        self.seen = self.seen.saturating_add(1);
    }

    /// Annualised volatility, once warm.
    #[must_use]
    pub fn value(&self) -> Option<Vol> {
        (self.seen > self.warm).then(|| Vol::new(math::sqrt(self.variance * self.bars_a_year))).flatten()
    }

    /// Writes the state.
    pub fn save(&self, out: &mut StateWriter) {
        out.u32(self.seen);
        out.f64(self.last);
        out.f64(self.variance);
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        (self.seen, self.last, self.variance) = (from.u32()?, from.f64()?, from.f64()?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    #[test]
    fn average_true_range_by_hand() {
        // Ranges 2, 3 (gap up: 13 − 10), 4 (gap down: 13 − 9); mean of two 2.5; then (2.5 + 4) ÷ 2.
        let mut range = AverageTrueRange::new(2);
        range.push(price("11"), price("9"), price("10"));
        assert_eq!(range.value(), None);
        range.push(price("13"), price("12"), price("13"));
        assert_eq!(range.value(), Some(price("2.5")));
        range.push(price("10"), price("9"), price("9"));
        assert_eq!(range.value(), Some(price("3.25")));
    }

    #[test]
    fn constant_moves_give_their_own_volatility() {
        // ±1 % a day in logarithms is 0.01 × √365 a year, whatever the weights.
        let mut realised = RealisedVolatility::new(Duration::from_nanos(Duration::DAY.nanos() * 10), Duration::DAY);
        let up = Price::from_estimate(100.0 * math::exp(0.01), Round::Nearest).unwrap();
        for day in 0..60 {
            realised.push(if day % 2 == 0 { price("100") } else { up });
        }
        let vol = realised.value().unwrap().get();
        assert!((vol - 0.01 * math::sqrt(365.0)).abs() < 1e-9, "{vol}");
    }

    #[test]
    fn exponential_average_by_hand() {
        let mut average = ExponentialAverage::new(3);
        average.push(price("10"));
        average.push(price("12"));
        assert_eq!(average.value(), None);
        average.push(price("14"));
        assert_eq!(average.value(), Some(12.5)); // 10 → 11 → 12.5 with α = ½
    }
}
