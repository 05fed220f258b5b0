//! The side of a move over a fixed number of bars.

use std::collections::VecDeque;
use units::Price;
use units::state::{Corrupt, StateReader, StateWriter};

/// The side of the close-to-close return over the last `lookback` bars. The sign of a logarithmic return is the sign of
/// the difference of the closes, so no logarithm is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Momentum {
    lookback: usize,
    closes: VecDeque<Price>,
}

impl Momentum {
    /// Over this many bars, at least one.
    #[must_use]
    pub fn new(lookback: u32) -> Self {
        Self { lookback: lookback.max(1) as usize, closes: VecDeque::new() }
    }

    /// Takes in the close of the next bar.
    pub fn push(&mut self, close: Price) {
        if self.closes.len() > self.lookback {
            self.closes.pop_front();
        }
        self.closes.push_back(close);
    }

    /// 1 over the close `lookback` bars before, -1 under it, 0 at it; once there is one.
    #[must_use]
    pub fn side(&self) -> Option<i32> {
        let (first, last) = (self.closes.front()?, self.closes.back()?);
        (self.closes.len() > self.lookback).then(|| (*last - *first).signum() as i32)
    }

    /// Writes the window.
    pub fn save(&self, out: &mut StateWriter) {
        out.len(self.closes.len());
        for close in &self.closes {
            out.i64(close.raw());
        }
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.closes.clear();
        for _ in 0..from.len()? {
            self.closes.push_back(Price::from_raw(from.i64()?));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_the_ends_of_the_window_alone() {
        let mut momentum = Momentum::new(2);
        // 10 12 | 11 > 10, 9 < 12, 11 = 11, 12 > 9
        let found: Vec<_> = [10, 12, 11, 9, 11, 12]
            .map(|close| {
                momentum.push(Price::from_raw(close));
                momentum.side()
            })
            .into();
        assert_eq!(found, [None, None, Some(1), Some(-1), Some(0), Some(1)]);
    }
}
