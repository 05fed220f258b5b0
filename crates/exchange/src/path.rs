//! Which extreme of a bar came first, recorded and replayed.

use market::Bar;
use units::state::StateWriter;
use units::{Price, Qty};

/// For every bar walked, by instrument, whether its low came before its high: one bit a bar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathLog {
    instruments: Vec<Bits>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Bits {
    words: Vec<u64>,
    count: usize,
}

impl PathLog {
    /// A log of no bars yet.
    #[must_use]
    pub fn new(instruments: usize) -> Self {
        Self { instruments: vec![Bits::default(); instruments] }
    }

    /// Of how many instruments.
    #[must_use]
    pub fn instruments(&self) -> usize {
        self.instruments.len()
    }

    /// How many bars of the instrument at this index were walked.
    #[must_use]
    pub fn bars(&self, instrument: usize) -> usize {
        self.instruments.get(instrument).map_or(0, |bits| bits.count)
    }

    /// Whether the `bar`-th bar of an instrument, from 0, was walked low first. `None` beyond the last.
    #[must_use]
    pub fn low_first(&self, instrument: usize, bar: usize) -> Option<bool> {
        let bits = self.instruments.get(instrument).filter(|bits| bar < bits.count)?;
        Some(bits.words[bar / 64] >> (bar % 64) & 1 == 1)
    }

    pub(crate) fn push(&mut self, instrument: usize, low_first: bool) {
        let bits = &mut self.instruments[instrument];
        if bits.count.is_multiple_of(64) {
            bits.words.push(0);
        }
        bits.words[bits.count / 64] |= u64::from(low_first) << (bits.count % 64);
        bits.count += 1;
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.len(self.instruments.len());
        for bits in &self.instruments {
            out.len(bits.count);
            bits.words.iter().for_each(|word| out.u64(*word));
        }
    }
}

/// Whether the low comes first when the extreme adverse to the account does. `net` and `resting` (the level of the
/// resting order with the smallest id) are as the bar leaves its open, where what lay at the open has filled.
pub(crate) fn adverse_is_low(bar: &Bar, net: Qty, resting: Option<Price>) -> bool {
    match (net.signum(), resting) {
        (1, _) => true,
        (-1, _) => false,
        (_, Some(level)) => level < bar.open,
        (_, None) => bar.close >= bar.open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_one_bit_a_bar() {
        let mut log = PathLog::new(2);
        let bits = (0..200).map(|bar| bar % 3 == 0 || bar == 64);
        bits.clone().for_each(|bit| log.push(1, bit));
        let back: Vec<_> = (0..200).filter_map(|bar| log.low_first(1, bar)).collect();
        assert_eq!(back, bits.collect::<Vec<_>>());
        assert_eq!((log.bars(0), log.bars(1), log.bars(9)), (0, 200, 0));
        assert_eq!((log.low_first(1, 200), log.low_first(0, 0)), (None, None));
    }
}
