//! Small changes to whole inputs, from a seed.

use crate::{Target, reseal};

/// A small generator of numbers that is the same everywhere (splitmix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// A number below `end`, and 0 for an end of 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end.max(1) as u64) as usize
    }
}

/// Makes inputs of a corpus.
#[derive(Debug)]
pub struct Mutator {
    random: Random,
    corpus: Vec<Vec<u8>>,
}

/// What readers of text and of numbers stumble over.
const WORDS: [&[u8]; 24] = [
    b",",
    b";",
    b"\n",
    b"\r\n",
    b"\"",
    b"=",
    b"[",
    b"]",
    b"-1",
    b"0",
    b"1e400",
    b"nan",
    b"9223372036854775807",
    b"99999999999999999999",
    b"0.000000001",
    b"\0",
    b"\xff\xfe",
    b"\xf0\x9f\x9a\x80",
    b"\x1b[2J",
    b"2025-10-10",
    b"1d",
    b"60%",
    b"((((((((",
    b"'''",
];

impl Mutator {
    /// Of a corpus that is not empty.
    #[must_use]
    pub fn new(random: Random, corpus: Vec<Vec<u8>>) -> Self {
        Self { random, corpus }
    }

    /// Another input.
    pub fn next(&mut self, target: Target) -> Vec<u8> {
        let mut input = self.pick();
        for _ in 0..=self.random.below(4) {
            self.change(&mut input);
        }
        // A changed tape fails at its hashes; with those put right, the change reaches the decoders.
        if target == Target::Tape && self.random.below(4) > 0 { reseal(&input).unwrap_or(input) } else { input }
    }

    fn pick(&mut self) -> Vec<u8> {
        let at = self.random.below(self.corpus.len());
        self.corpus.get(at).cloned().unwrap_or_default()
    }

    fn range(&mut self, input: &[u8], longest: usize) -> std::ops::Range<usize> {
        let from = self.random.below(input.len());
        let to = (from + 1 + self.random.below(longest)).min(input.len());
        from..to
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        if input.is_empty() {
            return;
        }
        let at = self.random.below(input.len());
        match self.random.below(9) {
            0 => input[at] ^= 1 << self.random.below(8),
            1 => input[at] = self.random.bits() as u8,
            2 => input.truncate(at),
            3 => {
                let range = self.range(input, 40);
                input.drain(range);
            }
            4 => {
                let range = self.range(input, 200);
                let copy = input[range].to_vec();
                input.splice(at..at, copy);
            }
            5 | 6 => {
                let word = WORDS[self.random.below(WORDS.len())];
                let end = if self.random.below(2) == 0 { at } else { (at + word.len()).min(input.len()) };
                input.splice(at..end, word.iter().copied());
            }
            7 => {
                // The end of one and the begin of another.
                let other = self.pick();
                let from = self.random.below(other.len());
                input.truncate(at);
                input.extend(&other[from..]);
            }
            _ => {
                let range = self.range(input, 8);
                let value = if self.random.below(2) == 0 { 0 } else { 0xff };
                input[range].fill(value);
            }
        }
        input.truncate(1 << 16);
    }
}
