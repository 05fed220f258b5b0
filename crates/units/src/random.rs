//! Random numbers by their place: any of them is had without the ones before it, so that a simulation gives the same bits however it is
//! divided among threads.
//!
//! Philox4x32-10: Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC11 (2011).

/// A source of random numbers: a seed, and nothing that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    key: [u32; 2],
}

impl Random {
    /// The source of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32] }
    }

    /// Four random words: those of number `at` of `series`.
    #[must_use]
    pub fn words(&self, series: u64, at: u64) -> [u32; 4] {
        self.philox([at as u32, (at >> 32) as u32, series as u32, (series >> 32) as u32])
    }

    /// Two numbers between zero and one, neither of which they ever are: those of number `at` of `series`, 53 bits each.
    #[must_use]
    pub fn uniform(&self, series: u64, at: u64) -> [f64; 2] {
        let [a, b, c, d] = self.words(series, at);
        [(a, b), (c, d)].map(|(high, low)| {
            let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
            (bits as f64 + 0.5) / (1_u64 << 53) as f64
        })
    }

    /// A whole number under `end`, which is over zero: number `at` of `series`. Even but for 2⁻⁶⁴ × end.
    #[must_use]
    pub fn below(&self, end: u64, series: u64, at: u64) -> u64 {
        let [a, b, ..] = self.words(series, at);
        let bits = u64::from(a) << 32 | u64::from(b);
        ((u128::from(bits) * u128::from(end)) >> 64) as u64
    }

    fn philox(&self, mut words: [u32; 4]) -> [u32; 4] {
        let mut key = self.key;
        for _ in 0..10 {
            let [a, b, c, d] = words;
            let first = u64::from(a) * 0xD251_1F53;
            let second = u64::from(c) * 0xCD9E_8D57;
            words =
                [(second >> 32) as u32 ^ b ^ key[0], second as u32, (first >> 32) as u32 ^ d ^ key[1], first as u32];
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that the authors publish with their code.
    #[test]
    fn known_answers_are_met() {
        for (words, key, expected) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(Random { key }.philox(words), expected);
        }
    }

    #[test]
    fn numbers_are_even_and_never_at_the_edge() {
        let random = Random::new(7);
        let (mut sum, mut squares, mut counts) = (0.0, 0.0, [0_u32; 10]);
        for at in 0..50_000 {
            for value in random.uniform(1, at) {
                assert!(value > 0.0 && value < 1.0);
                sum += value;
                squares += value * value;
            }
            counts[random.below(10, 2, at) as usize] += 1;
        }
        assert!((sum / 1e5 - 0.5).abs() < 4.0 * 0.289 / 316.0, "{sum}");
        assert!((squares / 1e5 - 1.0 / 3.0).abs() < 4.0 * 0.298 / 316.0, "{squares}");
        let far: f64 = counts.iter().map(|count| (f64::from(*count) - 5e3) * (f64::from(*count) - 5e3) / 5e3).sum();
        assert!(far < 27.9, "chi-squared with nine degrees, one in a thousand: {far}");
    }
}
