//! How far a sum of options can bend while the market stays near: what a bound between two valuations is made of.
//!
//! Black's undiscounted price B depends on forward F and total variance w = σ²T, and by the heat equation both of its curvatures are one
//! positive function P: ∂²B/∂F² = P F^(−3/2) and ∂B/∂w = ½ P F^(1/2), with
//!
//! ```text
//! P = √K φ(ln(F÷K) ÷ s) e^(−s²÷8) ÷ s,    s = √w
//! ```
//!
//! Over a rectangle of ln(F÷K) and s each factor is greatest and least at a known end, which encloses P.

use super::batch::{Quantities, fold};
use super::contract::Inputs;
use super::functions::{INVERSE_SQRT_TWO_PI, exp_lanes, ln};
use super::kernel;
use super::lanes::{Block, LANES, Lanes, Real, Work};
use super::moved::{Abreast, Deviations, MovedPrices, option};
use super::simd::Simd;
use std::ops::Range;

/// By how much the ends of P are put apart for what rounding does to them: an exponent of up to 708 has an error of 1e-12.
const ROUNDING: f64 = 4e-12;

/// How far the market may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Least and greatest factor of every forward; 1 lies between.
    pub forward: (f64, f64),
    /// Volatilities change by at most this share, up or down.
    pub vol: f64,
    /// Years that may pass: a quarter of what any option has, that has any, at most.
    pub years: f64,
}

/// What a sum of quantity × option is, and how far it can bend. With Π = √F₀ × P of each option, in the currency of its forward:
///
/// when every forward is multiplied by x and every total variance goes from w₀ to w, the sum changes by exactly
///
/// ```text
/// delta × (x − 1) + 2 (√x − 1)² × Π₁ + ½ √x × Σ (w − w₀) × Π₂
/// ```
///
/// with Π₁ and Π₂ (added up by quantity) somewhere between the ends that are told here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bends {
    /// Σ quantity × price.
    pub price: f64,
    /// Σ quantity × ∂price/∂forward × forward.
    pub delta: f64,
    /// Ends of Σ quantity × Π.
    pub bend: (f64, f64),
    /// Ends of Σ quantity × Π × total variance: by relative changes of it.
    pub by_variance: (f64, f64),
    /// Ends of Σ quantity × Π × σ²: by years that pass.
    pub by_years: (f64, f64),
    /// Upper end of Σ |quantity| × Π × total variance.
    pub spread: f64,
    /// Σ |quantity| × (forward + strike): what rounding is measured by.
    pub gross: f64,
    /// Factors of the forward between which no option without time or volatility has its strike. Beyond, nothing here holds.
    pub between: (f64, f64),
}

impl Bends {
    /// Of no option.
    pub const NONE: Self = Self {
        price: 0.0,
        delta: 0.0,
        bend: (0.0, 0.0),
        by_variance: (0.0, 0.0),
        by_years: (0.0, 0.0),
        spread: 0.0,
        gross: 0.0,
        between: (0.0, f64::INFINITY),
    };

    /// Both together.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let both = |a: (f64, f64), b: (f64, f64)| (a.0 + b.0, a.1 + b.1);
        Self {
            price: self.price + other.price,
            delta: self.delta + other.delta,
            bend: both(self.bend, other.bend),
            by_variance: both(self.by_variance, other.by_variance),
            by_years: both(self.by_years, other.by_years),
            spread: self.spread + other.spread,
            gross: self.gross + other.gross,
            between: (self.between.0.max(other.between.0), self.between.1.min(other.between.1)),
        }
    }

    /// As many times as much.
    #[must_use]
    pub fn times(&self, by: f64) -> Self {
        let ends = |ends: (f64, f64)| (ends.0 * by, ends.1 * by);
        Self {
            price: self.price * by,
            delta: self.delta * by,
            bend: ends(self.bend),
            by_variance: ends(self.by_variance),
            by_years: ends(self.by_years),
            spread: self.spread * by,
            gross: self.gross * by,
            between: self.between,
        }
    }
}

impl MovedPrices {
    /// Sums over the options `range` under a column and with every forward multiplied by `factor`, and how far they can bend from there.
    /// The same bits on every path.
    ///
    /// # Panics
    ///
    /// If there are fewer options, or not as many quantities, or the column was not set for all options.
    #[must_use]
    pub fn bends(
        &self,
        simd: Simd,
        (column, factor): (usize, f64),
        range: Range<usize>,
        quantities: &Quantities,
        near: &Near,
    ) -> Bends {
        assert!(range.end <= self.len() && quantities.len() == self.len(), "options {range:?} of {}", self.len());
        let column = self.column(column);
        let logs = (ln(near.forward.0), ln(near.forward.1));
        simd.enter_wide(AddBends { options: self, column, factor, quantities, range, logs, near: *near })
    }
}

struct AddBends<'a> {
    options: &'a MovedPrices,
    column: &'a Deviations,
    factor: f64,
    quantities: &'a Quantities,
    range: Range<usize>,
    logs: (f64, f64),
    near: Near,
}

const SUMS: usize = 10;

impl Work for AddBends<'_> {
    type Output = Bends;

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) -> Bends {
        let Self { options, column, factor, quantities, range, logs, near } = self;
        let log = Real::splat(lanes, if factor == 1.0 { 0.0 } else { ln(factor) });
        let factor = Real::splat(lanes, factor);
        let mut totals = [Block([0.0; LANES]); SUMS];
        let mut between = (0.0, f64::INFINITY);
        let zero = Real::splat(lanes, 0.0);
        for index in range.start / LANES..range.end.div_ceil(LANES) {
            let quantities = &quantities.block_within(index, &range);
            let [mut prices, mut deltas, mut lows, mut highs] = [Block([0.0; LANES]); 4];
            for part in 0..LANES / S::WIDTH {
                let one = Abreast::load(lanes, options, column, (index, part), (factor, log));
                let values = option(&one);
                values.price.store(&mut prices, part);
                values.delta.store(&mut deltas, part);
                let over_years = Real::load(lanes, &column.over_years.blocks[index], part);
                let (low, high) = enclosed(&one, over_years, logs, &near);
                low.store(&mut lows, part);
                high.store(&mut highs, part);
            }
            if column.void[index] != 0 {
                let blocks = [&mut prices, &mut deltas, &mut lows, &mut highs];
                put_limits((options, column), (index, factor), quantities, blocks, &mut between);
            }
            for part in 0..LANES / S::WIDTH {
                let one = Abreast::load(lanes, options, column, (index, part), (factor, log));
                let load = |block: &Block| Real::load(lanes, block, part);
                let (low, high, quantity) = (load(&lows), load(&highs), load(quantities));
                let variance = one.half * one.half * 4.0;
                let square = variance * load(&column.over_years.blocks[index]);
                let weight = quantity * one.discount;
                let sold = weight.less(zero);
                let (least, most) = (weight * sold.select(high, low), weight * sold.select(low, high));
                let terms = [
                    quantity * load(&prices),
                    quantity * load(&deltas),
                    least,
                    most,
                    least * variance,
                    most * variance,
                    least * square,
                    most * square,
                    weight.abs() * high * variance,
                    quantity.abs() * (one.forward + one.strike),
                ];
                for (term, total) in terms.into_iter().zip(&mut totals) {
                    (term + Real::load(lanes, total, part)).store(total, part);
                }
            }
        }
        let [price, delta, least, most, variance_least, variance_most, years_least, years_most, spread, gross] =
            totals.map(|total| fold(&total));
        Bends {
            price,
            delta,
            bend: (least, most),
            by_variance: (variance_least, variance_most),
            by_years: (years_least, years_most),
            spread,
            gross,
            between,
        }
    }
}

/// Ends of Π. Void where there is no time or no volatility.
///
/// With u the share of its time that may pass, 1 ÷ √(1 − u) is convex and so under its chord, 1 + 0.62 u up to a quarter. √(F K) is
/// F e^(−ln(F÷K) ÷ 2), which goes into the exponents.
#[inline(always)]
fn enclosed<S: Lanes>(one: &Abreast<S>, over_years: Real<S>, logs: (f64, f64), near: &Near) -> (Real<S>, Real<S>) {
    let (lower, upper) = (1.0 - near.vol, 1.0 + near.vol);
    let passing = over_years * near.years;
    let over_least = one.over * (1.0 / lower) * (passing * 0.62 + 1.0);
    let over_most = one.over * (1.0 / upper);
    let eighth = one.half * one.half * -0.5;
    let (least, most) = (eighth * (lower * lower) * (passing.constant(1.0) - passing), eighth * (upper * upper));
    let (left, right) = (one.place + logs.0, one.place + logs.1);
    let nearest = left.at_least(-right).or_zero() * over_most;
    let farthest = right.at_least(-left) * over_least;
    let minus_half = one.place.constant(-0.5);
    let root = one.place * -0.5;
    let high = exp_lanes((nearest * nearest).fma(minus_half, least) + root) * over_least;
    let low = exp_lanes((farthest * farthest).fma(minus_half, most) + root) * over_most;
    let scale = one.forward * INVERSE_SQRT_TWO_PI;
    (scale * low * (1.0 - ROUNDING), scale * high * (1.0 + ROUNDING))
}

/// Price, delta × forward and the ends of Π of the options that have no time or volatility, and how near their strikes are.
#[cold]
#[inline(never)]
fn put_limits<S: Lanes>(
    (options, column): (&MovedPrices, &Deviations),
    (index, factor): (usize, Real<S>),
    quantities: &Block,
    [prices, deltas, lows, highs]: [&mut Block; 4],
    between: &mut (f64, f64),
) {
    for (lane, (sign, inputs)) in options.void(column, index, factor) {
        let Inputs { forward, strike, .. } = inputs;
        let [price, delta, ..] = kernel::limits(sign, &inputs);
        (prices.0[lane], deltas.0[lane]) = (price, delta * forward);
        (lows.0[lane], highs.0[lane]) = (0.0, 0.0);
        let kink = strike / forward;
        if quantities.0[lane] != 0.0 {
            // At the strike itself there is no room on either side.
            between.0 = if kink <= 1.0 { kink.max(between.0) } else { between.0 };
            between.1 = if kink >= 1.0 { kink.min(between.1) } else { between.1 };
        }
    }
}
