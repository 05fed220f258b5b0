//! Highest high and lowest low of a window.

use std::collections::VecDeque;
use units::Price;
use units::state::{Corrupt, StateReader, StateWriter};

/// The highest high and the lowest low of the last `length` bars, in amortised constant time
/// (two queues that keep only bars that can still become the extreme).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    length: u64,
    seen: u64,
    highs: VecDeque<(u64, Price)>,
    lows: VecDeque<(u64, Price)>,
}

impl Channel {
    /// A window of this many bars, at least one.
    #[must_use]
    pub fn new(length: u32) -> Self {
        Self { length: u64::from(length.max(1)), seen: 0, highs: VecDeque::new(), lows: VecDeque::new() }
    }

    /// Takes in the next bar.
    pub fn push(&mut self, high: Price, low: Price) {
        let oldest = (self.seen + 1).saturating_sub(self.length);
        slide(&mut self.highs, self.seen, high, oldest, |kept, new| kept > new);
        slide(&mut self.lows, self.seen, low, oldest, |kept, new| kept < new);
        self.seen += 1;
    }

    /// Highest high and lowest low, once the window is full.
    #[must_use]
    pub fn range(&self) -> Option<(Price, Price)> {
        let full = self.seen >= self.length;
        full.then(|| Some((self.highs.front()?.1, self.lows.front()?.1))).flatten()
    }

    /// Writes the window.
    pub fn save(&self, out: &mut StateWriter) {
        out.u64(self.seen);
        for queue in [&self.highs, &self.lows] {
            out.len(queue.len());
            for (at, price) in queue {
                out.u64(*at);
                out.i64(price.raw());
            }
        }
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.seen = from.u64()?;
        for queue in [&mut self.highs, &mut self.lows] {
            queue.clear();
            for _ in 0..from.len()? {
                queue.push_back((from.u64()?, Price::from_raw(from.i64()?)));
            }
        }
        Ok(())
    }
}

fn slide(
    queue: &mut VecDeque<(u64, Price)>,
    at: u64,
    new: Price,
    oldest: u64,
    outlives: impl Fn(Price, Price) -> bool,
) {
    while queue.back().is_some_and(|(_, kept)| !outlives(*kept, new)) {
        queue.pop_back();
    }
    while queue.front().is_some_and(|(kept_at, _)| *kept_at < oldest) {
        queue.pop_front();
    }
    queue.push_back((at, new));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_naive_scan() {
        let mut seed = 11_u64;
        let bars: Vec<(Price, Price)> = (0..500)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let low = (seed >> 33) as i64 % 1_000;
                (Price::from_raw(low + (seed >> 20) as i64 % 50), Price::from_raw(low))
            })
            .collect();
        for length in [1_usize, 2, 7, 55] {
            let mut channel = Channel::new(length as u32);
            for end in 1..=bars.len() {
                channel.push(bars[end - 1].0, bars[end - 1].1);
                let window = &bars[end.saturating_sub(length)..end];
                let naive = (window.iter().map(|b| b.0).max().unwrap(), window.iter().map(|b| b.1).min().unwrap());
                assert_eq!(channel.range(), (end >= length).then_some(naive), "{length} bars at {end}");
            }
        }
    }
}
