//! What a surface said at one tenor over time, in bounded memory, and how it changed.

use super::query::{NoAnswer, QUARTER_DELTA, Tenor};
use super::smile::Surface;
use crate::options::DeltaConvention;
use std::collections::VecDeque;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, Timestamp};

/// The numbers of one tenor: volatilities as fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// At the money.
    pub atm: f64,
    /// ∂σ/∂ln(strike) at the forward.
    pub skew: f64,
    /// 25-delta call less 25-delta put, forward delta not adjusted for premium.
    pub risk_reversal: f64,
    /// Mean of the two less at the money.
    pub butterfly: f64,
    /// Fair volatility of a variance swap.
    pub variance_swap: f64,
}

impl Reading {
    /// Reads a smile.
    ///
    /// # Errors
    ///
    /// A number that the smile does not give.
    pub fn of(tenor: &Tenor<'_>) -> Result<Self, NoAnswer> {
        let wings = tenor.wings(DeltaConvention::BlackScholes, QUARTER_DELTA)?;
        Ok(Self {
            atm: wings.atm,
            skew: tenor.skew(),
            risk_reversal: wings.risk_reversal(),
            butterfly: wings.butterfly(),
            variance_swap: tenor.variance_swap().vol,
        })
    }

    /// What changed since an earlier reading, number by number.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            atm: self.atm - earlier.atm,
            skew: self.skew - earlier.skew,
            risk_reversal: self.risk_reversal - earlier.risk_reversal,
            butterfly: self.butterfly - earlier.butterfly,
            variance_swap: self.variance_swap - earlier.variance_swap,
        }
    }

    fn save(&self, out: &mut StateWriter) {
        for value in [self.atm, self.skew, self.risk_reversal, self.butterfly, self.variance_swap] {
            out.f64(value);
        }
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            atm: from.f64()?,
            skew: from.f64()?,
            risk_reversal: from.f64()?,
            butterfly: from.f64()?,
            variance_swap: from.f64()?,
        })
    }
}

/// The readings of one tenor: not more than a number of them, and not closer together than a distance in time.
#[derive(Debug, Clone, PartialEq)]
pub struct SurfaceHistory {
    years: f64,
    every: Duration,
    most: usize,
    readings: VecDeque<(Timestamp, Reading)>,
}

impl SurfaceHistory {
    /// An empty history of the tenor `years` that keeps the last `most` readings, at least `every` apart.
    #[must_use]
    pub fn new(years: f64, every: Duration, most: usize) -> Self {
        Self { years, every, most: most.max(1), readings: VecDeque::new() }
    }

    /// Reads the surface, and keeps the reading if it is time; gives the reading. What comes out of order in time is read, not kept.
    ///
    /// # Errors
    ///
    /// A number that the surface does not give; nothing is kept then.
    pub fn record(&mut self, at: Timestamp, surface: &Surface) -> Result<Reading, NoAnswer> {
        let reading = Reading::of(&surface.tenor(self.years)?)?;
        let due = self.readings.back().is_none_or(|(last, _)| at > *last && at.since(*last) >= self.every);
        if due {
            if self.readings.len() == self.most {
                self.readings.pop_front();
            }
            self.readings.push_back((at, reading));
        }
        Ok(reading)
    }

    /// The last reading that was kept at or before an instant; `None` where all are later.
    #[must_use]
    pub fn at(&self, instant: Timestamp) -> Option<(Timestamp, Reading)> {
        let later = self.readings.partition_point(|(at, _)| *at <= instant);
        later.checked_sub(1).map(|index| self.readings[index])
    }

    /// What changed from the reading at an instant to `now`, and when that reading was made.
    #[must_use]
    pub fn change_since(&self, instant: Timestamp, now: &Reading) -> Option<(Timestamp, Reading)> {
        self.at(instant).map(|(at, then)| (at, now.since(&then)))
    }

    /// The kept readings, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, Reading)> + '_ {
        self.readings.iter().copied()
    }

    /// Writes the state.
    pub fn save(&self, out: &mut StateWriter) {
        out.len(self.readings.len());
        for (at, reading) in &self.readings {
            out.i64(at.nanos());
            reading.save(out);
        }
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    ///
    /// A snapshot that is not of this history.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let count = from.len()?;
        self.readings.clear();
        for _ in 0..count {
            let at = Timestamp::from_nanos(from.i64()?);
            self.readings.push_back((at, Reading::load(from)?));
        }
        self.readings.drain(..count.saturating_sub(self.most));
        Ok(())
    }
}
