//! Random cases that are the same on every machine.

use units::Price;

/// The grid of prices.
pub const TICK: i64 = 10_000_000;

/// Knuth's linear congruential generator: the high bits are good enough to pick cases.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % end
    }

    pub fn chance(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }

    /// A price within `reach` ticks of another, over zero.
    pub fn near(&mut self, price: Price, reach: i64) -> Price {
        let ticks = (price.raw() / TICK + self.below(2 * reach + 1) - reach).max(1);
        Price::from_raw(ticks * TICK)
    }
}
