//! The price walk, in integer ticks of 0.1.

use units::Price;

const START: i64 = 500_000;
const REGIME: u64 = 2_000;
const MULTIPLIERS: [i64; 5] = [2, 3, 4, 6, 8];
const SIGMA: i64 = 25;
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Prices of one instrument after each event.
#[derive(Debug, Clone)]
pub struct Prices {
    base: u64,
    event: u64,
    ticks: i64,
}

impl Prices {
    /// The walk of an instrument.
    #[must_use]
    pub fn new(seed: u64, instrument: u64) -> Self {
        Self { base: seed.wrapping_add(instrument), event: 0, ticks: START }
    }
}

impl Iterator for Prices {
    type Item = Price;

    fn next(&mut self) -> Option<Price> {
        self.event += 1;
        let hash = mix(self.base.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(self.event.wrapping_mul(GOLDEN)));
        let regime = mix(self.base.wrapping_add((self.event / REGIME).wrapping_mul(GOLDEN)));
        let sum: i64 = (0..4).map(|part| (hash >> (16 * part) & 0xFFFF) as i64).sum::<i64>() - 131_070;
        let multiplier = MULTIPLIERS[(regime % 5) as usize];
        self.ticks += (sum * multiplier * SIGMA + 2 * 37_837).div_euclid(4 * 37_837);
        Some(Price::from_raw(self.ticks * (Price::ONE / 10)))
    }
}
