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

use super::batch::{Batch, Quantities, fold};
use super::functions::{INVERSE_SQRT_TWO_PI, exp_lanes, ln, ln_ratio};
use super::kernel::{self, Options};
use super::lanes::{Block, LANES, Lanes, Real, Work};
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
    /// Years that may pass: less than any option has that has any.
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

impl Batch {
    /// Sums over the options `range` and how far they can bend, with quantities of which those of other options in the same blocks of
    /// sixteen are looked at too, and should be zero. The same bits on every path.
    ///
    /// # Panics
    ///
    /// If there are fewer options, or not as many quantities.
    #[must_use]
    pub fn bends(&self, simd: Simd, quantities: &Quantities, range: Range<usize>, near: &Near) -> Bends {
        assert!(range.end <= self.len() && quantities.len() == self.len(), "options {range:?} of {}", self.len());
        let blocks = range.start / LANES..range.end.div_ceil(LANES);
        let logs = (ln(near.forward.0), ln(near.forward.1));
        simd.enter(AddBends { batch: self, quantities, blocks, logs, near: *near })
    }
}

struct AddBends<'a> {
    batch: &'a Batch,
    quantities: &'a Quantities,
    blocks: Range<usize>,
    logs: (f64, f64),
    near: Near,
}

const SUMS: usize = 10;

impl Work for AddBends<'_> {
    type Output = Bends;

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) -> Bends {
        let Self { batch, quantities, blocks, logs, near } = self;
        let mut totals = [Block([0.0; LANES]); SUMS];
        let mut between = (0.0, f64::INFINITY);
        let rows = batch.blocks().zip(quantities.blocks()).skip(blocks.start).take(blocks.len());
        for (options, quantities) in rows {
            let (mut prices, mut deltas) = (Block([0.0; LANES]), Block([0.0; LANES]));
            let mut marks = 0;
            for part in 0..LANES / S::WIDTH {
                let (values, void) = kernel::evaluate(lanes, &options, part);
                values[0].store(&mut prices, part);
                values[1].store(&mut deltas, part);
                marks |= void << (part * S::WIDTH);
            }
            if marks != 0 {
                put_limits(&options, quantities, marks, (&mut prices, &mut deltas), &mut between);
            }
            for part in 0..LANES / S::WIDTH {
                let load = |block: &Block| Real::load(lanes, block, part);
                let (low, high, variance) = enclosed(lanes, &options, part, logs, &near);
                let zero = Real::splat(lanes, 0.0);
                let quantity = load(quantities);
                let weight = quantity * load(options.discount);
                let sold = weight.less(zero);
                let (least, most) = (weight * sold.select(high, low), weight * sold.select(low, high));
                let square = load(options.vol) * load(options.vol);
                let forward = load(options.forward);
                let terms = [
                    quantity * load(&prices),
                    quantity * load(&deltas) * forward,
                    least,
                    most,
                    least * variance,
                    most * variance,
                    least * square,
                    most * square,
                    weight.abs() * high * variance,
                    quantity.abs() * (forward + load(options.strike)),
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

/// Ends of Π and the total variance; all zero where there is no time or no volatility.
#[inline(always)]
fn enclosed<S: Lanes>(
    lanes: S,
    options: &Options<'_>,
    part: usize,
    logs: (f64, f64),
    near: &Near,
) -> (Real<S>, Real<S>, Real<S>) {
    let load = |block: &Block| Real::load(lanes, block, part);
    let (forward, strike, years, vol) =
        (load(options.forward), load(options.strike), load(options.years), load(options.vol));
    let zero = Real::splat(lanes, 0.0);
    let deviation = vol * years.sqrt();
    let least = vol * (1.0 - near.vol) * (years - near.years).or_zero().sqrt();
    let most = deviation * (1.0 + near.vol);
    let place = ln_ratio(forward, strike);
    let (left, right) = (place + logs.0, place + logs.1);
    let nearest = left.at_least(-right).or_zero();
    let farthest = right.at_least(-left);
    let (near_by, far) = (nearest / most, farthest / least);
    let high = exp_lanes((near_by * near_by).fma(zero - 0.5, least * least * -0.125)) / least;
    let low = exp_lanes((far * far).fma(zero - 0.5, most * most * -0.125)) / most;
    let scale = (forward * strike).sqrt() * INVERSE_SQRT_TWO_PI;
    let void = deviation.equal(zero);
    let (low, high) = (scale * low * (1.0 - ROUNDING), scale * high * (1.0 + ROUNDING));
    (void.select(zero, low), void.select(zero, high), deviation * deviation)
}

/// Price and delta of the options that are marked, and how near their strikes are.
#[cold]
#[inline(never)]
fn put_limits(
    options: &Options<'_>,
    quantities: &Block,
    marks: u32,
    (prices, deltas): (&mut Block, &mut Block),
    between: &mut (f64, f64),
) {
    for lane in (0..LANES).filter(|lane| marks >> lane & 1 == 1) {
        let (sign, inputs) = options.lane(lane);
        let [price, delta, ..] = kernel::limits(sign, &inputs);
        (prices.0[lane], deltas.0[lane]) = (price, delta);
        let kink = inputs.strike / inputs.forward;
        if quantities.0[lane] != 0.0 {
            // At the strike itself there is no room on either side.
            between.0 = if kink <= 1.0 { kink.max(between.0) } else { between.0 };
            between.1 = if kink >= 1.0 { kink.min(between.1) } else { between.1 };
        }
    }
}
