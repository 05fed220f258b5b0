//! Prices alone of the same options, many times: as their forwards move by one factor, under a few columns of volatility.

use super::batch::{Column, Quantities, fold};
use super::contract::{Field, Inputs, OptionKind, Refusal};
use super::functions::{density_of, ln_ratio, mills_parts, mills_parts_of};
use super::kernel;
use super::lanes::{Block, LANES, Lanes, Real, Work};
use super::simd::Simd;
use std::ops::Range;

/// Where d₁ of what is out of the money is under this, it is worth less than 2⁻⁵⁶ of the smaller of forward and strike.
const NOTHING_LEFT: f64 = -8.5;

/// ln(F÷K) ÷ σ√T counts as no less than this, where nothing is left of an option out of the money.
const FARTHEST: f64 = -100.0;

/// Options that are priced again and again.
///
/// What does not change from one time to the next is kept: ln(F÷K), 1 ÷ σ√T and ½σ√T. A price then needs one exponential and one division.
/// It agrees with [`EuropeanOption::greeks`](super::EuropeanOption::greeks) to rounding, and is the same bits on every path.
///
/// ```
/// use pricing::options::{EuropeanOption, Inputs, MovedPrices, OptionKind, Simd};
/// let inputs = Inputs { forward: 60_000.0, strike: 65_000.0, years: 0.1, vol: 0.65, discount: 1.0 };
/// let mut options = MovedPrices::default();
/// options.push(OptionKind::Call, 65_000.0, 60_000.0)?;
/// options.settle(Simd::best());
/// options.set_vols(0, 0..1, 0.1, 1.0, |_| 0.7).unwrap(); // column 0: volatility 0.7, over a tenth of a year, not discounted
/// let mut prices = [0.0];
/// options.prices(Simd::best(), 0, 0..1, 0.9, &mut prices); // all forwards fall by a tenth
/// let there = EuropeanOption::new(OptionKind::Call, Inputs { forward: 54_000.0, vol: 0.7, ..inputs })?;
/// assert!((prices[0] - there.greeks().price).abs() < 1e-10);
/// # Ok::<(), pricing::options::Refusal>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MovedPrices {
    pub(super) sign: Column,
    pub(super) forward: Column,
    pub(super) strike: Column,
    /// ln(F÷K); void until settled.
    pub(super) place: Column,
    columns: Vec<Deviations>,
}

/// What volatility, time and discount make of each option.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Deviations {
    /// 1 ÷ σ√T, and ½σ√T; both 1 where either is none.
    over: Column,
    half: Column,
    discount: Column,
    /// 1 ÷ T; 0 where there is none.
    pub(super) over_years: Column,
    /// By block: which options have no time or no volatility left, as bits.
    pub(super) void: Vec<u32>,
}

impl MovedPrices {
    /// Takes all options out, keeping the memory.
    pub fn clear(&mut self) {
        let Self { sign, forward, strike, place, columns: _ } = self;
        [sign, forward, strike, place].into_iter().for_each(Column::clear);
    }

    /// Adds an option at the end: its right, strike and forward. Volatility, time and discount come in columns.
    ///
    /// # Errors
    ///
    /// A strike or a forward outside its range; nothing is added then.
    pub fn push(&mut self, kind: OptionKind, strike: f64, forward: f64) -> Result<(), Refusal> {
        let (strike, forward) = (Field::Strike.check(strike)?, Field::Forward.check(forward)?);
        self.sign.push(kind.sign(), 1.0);
        self.forward.push(forward, 1.0);
        self.strike.push(strike, 1.0);
        Ok(())
    }

    /// Number of options.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sign.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts the forwards of options elsewhere; to be followed by [`Self::settle`].
    ///
    /// # Errors
    ///
    /// A forward outside its range; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there are fewer options.
    pub fn set_forward(&mut self, range: Range<usize>, forward: f64) -> Result<(), Refusal> {
        let forward = Field::Forward.check(forward)?;
        assert!(range.end <= self.len(), "options {range:?} of {}", self.len());
        self.forward.fill(range, forward);
        Ok(())
    }

    /// Finds every option's place, after options or forwards have changed.
    pub fn settle(&mut self, simd: Simd) {
        self.place.resize(self.len());
        simd.enter_wide(Settle { options: self });
    }

    /// Sets a column for the options `range`, those of one expiry: the volatility that `vol` gives for each index, over so many years,
    /// with a discount factor.
    ///
    /// # Errors
    ///
    /// The first index whose volatility lies outside its range (or the first of all, if years or discount do); the column is void then.
    ///
    /// # Panics
    ///
    /// If there are fewer options.
    pub fn set_vols(
        &mut self,
        column: usize,
        range: Range<usize>,
        years: f64,
        discount: f64,
        mut vol: impl FnMut(usize) -> f64,
    ) -> Result<(), (usize, Refusal)> {
        let count = self.len();
        assert!(range.end <= count, "options {range:?} of {count}");
        let years = Field::Years.check(years).map_err(|refusal| (range.start, refusal))?;
        let discount = Field::Discount.check(discount).map_err(|refusal| (range.start, refusal))?;
        if self.columns.len() <= column {
            self.columns.resize(column + 1, Deviations::default());
        }
        let Deviations { over, half, discount: discounts, over_years, void } = &mut self.columns[column];
        if over.len() != count {
            [&mut *over, half, discounts, over_years].into_iter().for_each(|column| column.refit(count, 1.0));
            void.clear();
            void.resize(count.div_ceil(LANES), 0);
        }
        discounts.fill(range.clone(), discount);
        over_years.fill(range.clone(), if years > 0.0 { 1.0 / years } else { 0.0 });
        let (root, negligible, (low, high)) = (years.sqrt(), Field::Vol.negligible(), Field::Vol.range());
        let mut index = range.start;
        while index < range.end {
            let block = index / LANES;
            let end = range.end.min((block + 1) * LANES);
            let lanes = index % LANES..index % LANES + (end - index);
            let (over, half) = (&mut over.blocks[block].0[lanes.clone()], &mut half.blocks[block].0[lanes.clone()]);
            let mut fits = true;
            for (at, half) in (index..).zip(half.iter_mut()) {
                let value = vol(at);
                fits &= (low..=high).contains(&value);
                *half = if value < negligible { 0.0 } else { value };
            }
            if !fits {
                let wrong = (index..end).map(|at| (at, vol(at))).find(|(_, value)| !(low..=high).contains(value));
                // One of them was outside a moment ago.
                let (at, value) = wrong.unwrap_or((index, f64::NAN));
                return Err((at, Refusal { field: Field::Vol, value }));
            }
            let mut marks = 0;
            for (lane, (over, half)) in lanes.clone().zip(over.iter_mut().zip(half.iter_mut())) {
                let deviation = *half * root;
                marks |= u32::from(deviation == 0.0) << lane;
                (*over, *half) = (1.0 / deviation, 0.5 * deviation);
            }
            if marks != 0 {
                for lane in lanes.clone().filter(|lane| marks >> lane & 1 == 1) {
                    (over[lane - lanes.start], half[lane - lanes.start]) = (1.0, 1.0);
                }
            }
            let mask = lanes.fold(0, |mask, lane| mask | 1 << lane);
            void[block] = void[block] & !mask | marks;
            index = end;
        }
        Ok(())
    }

    /// Prices of the options `range` under a column, with every forward multiplied by `factor`, into `prices`, which has one place for
    /// each.
    ///
    /// # Panics
    ///
    /// If there are fewer options or places, or the column was not set for all options.
    pub fn prices(&self, simd: Simd, column: usize, range: Range<usize>, factor: f64, prices: &mut [f64]) {
        assert!(range.end <= self.len() && prices.len() == range.len(), "options {range:?} of {}", self.len());
        if range.is_empty() {
            return;
        }
        let column = self.column(column);
        let log = if factor == 1.0 { 0.0 } else { super::functions::ln(factor) };
        simd.enter_wide(Price { options: self, column, range, factor, log, prices });
    }

    /// Σ quantity × price of the options `range` under a column, with every forward multiplied by `factor`: as [`Self::prices`] gives
    /// them, to rounding. Where none of sixteen has value beyond exercise that a double could tell, exercise alone is added. Sixteen
    /// accumulators, folded pairwise: the same bits on every path.
    ///
    /// # Panics
    ///
    /// If there are fewer options, not as many quantities, or the column was not set for all options.
    #[must_use]
    pub fn total(&self, simd: Simd, column: usize, range: Range<usize>, factor: f64, quantities: &Quantities) -> f64 {
        assert!(range.end <= self.len() && quantities.len() == self.len(), "options {range:?} of {}", self.len());
        let column = self.column(column);
        let log = if factor == 1.0 { 0.0 } else { super::functions::ln(factor) };
        simd.enter_wide(Total { options: self, column, range, factor, log, quantities })
    }

    /// A column that is of all options.
    pub(super) fn column(&self, column: usize) -> &Deviations {
        let column = &self.columns[column];
        assert!(column.over.len() == self.len() && self.place.len() == self.len(), "the column is not of all options");
        column
    }

    /// The options of a block that have no time or no volatility left, by lane, with their sign.
    pub(super) fn void<S: Lanes>(
        &self,
        column: &Deviations,
        block: usize,
        factor: Real<S>,
    ) -> impl Iterator<Item = (usize, (f64, Inputs))> {
        let mut moved = Block([0.0; LANES]);
        for part in 0..LANES / S::WIDTH {
            (Real::load(factor.lanes(), &self.forward.blocks[block], part) * factor).store(&mut moved, part);
        }
        let lanes = (0..LANES).filter(move |lane| column.void[block] >> lane & 1 == 1);
        lanes.map(move |lane| {
            let strike = self.strike.blocks[block].0[lane];
            let discount = column.discount.blocks[block].0[lane];
            let inputs = Inputs { forward: moved.0[lane], strike, years: 0.0, vol: 0.0, discount };
            (lane, (self.sign.blocks[block].0[lane], inputs))
        })
    }
}

struct Settle<'a> {
    options: &'a mut MovedPrices,
}

impl Work for Settle<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let MovedPrices { forward, strike, place, .. } = self.options;
        for ((forward, strike), place) in forward.blocks.iter().zip(&strike.blocks).zip(&mut place.blocks) {
            for part in 0..LANES / S::WIDTH {
                ln_ratio(Real::load(lanes, forward, part), Real::load(lanes, strike, part)).store(place, part);
            }
        }
    }
}

struct Price<'a> {
    options: &'a MovedPrices,
    column: &'a Deviations,
    range: Range<usize>,
    factor: f64,
    log: f64,
    prices: &'a mut [f64],
}

impl Work for Price<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let Self { options, column, range, factor, log, prices } = self;
        let (factor, log) = (Real::splat(lanes, factor), Real::splat(lanes, log));
        let mut block = Block([0.0; LANES]);
        for index in range.start / LANES..range.end.div_ceil(LANES) {
            for part in 0..LANES / S::WIDTH {
                let one = Abreast::load(lanes, options, column, (index, part), (factor, log));
                option(&one).price.store(&mut block, part);
            }
            if column.void[index] != 0 {
                put_limits(options, column, index, factor, &mut block);
            }
            if let Some(whole) = (index * LANES).checked_sub(range.start).and_then(|at| prices[at..].first_chunk_mut())
            {
                *whole = block.0;
                continue;
            }
            // What of the block was asked for.
            let (first, last) = (range.start.max(index * LANES), range.end.min((index + 1) * LANES));
            prices[first - range.start..last - range.start]
                .copy_from_slice(&block.0[first - index * LANES..last - index * LANES]);
        }
    }
}

struct Total<'a> {
    options: &'a MovedPrices,
    column: &'a Deviations,
    range: Range<usize>,
    factor: f64,
    log: f64,
    quantities: &'a Quantities,
}

impl Work for Total<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) -> f64 {
        let Self { options, column, range, factor, log, quantities } = self;
        let (factor, log) = (Real::splat(lanes, factor), Real::splat(lanes, log));
        let (mut sums, mut block) = (Block([0.0; LANES]), Block([0.0; LANES]));
        for index in range.start / LANES..range.end.div_ceil(LANES) {
            let mut near = 0;
            for part in 0..LANES / S::WIDTH {
                let one = Abreast::load(lanes, options, column, (index, part), (factor, log));
                near |= Real::splat(lanes, NOTHING_LEFT).less(one.nearer()).bits();
            }
            for part in 0..LANES / S::WIDTH {
                let one = Abreast::load(lanes, options, column, (index, part), (factor, log));
                let price = if near == 0 { one.discount * one.exercise() } else { option(&one).price };
                price.store(&mut block, part);
            }
            if column.void[index] != 0 {
                put_limits(options, column, index, factor, &mut block);
            }
            let quantities = quantities.block_within(index, &range);
            for part in 0..LANES / S::WIDTH {
                let load = |block: &Block| Real::load(lanes, block, part);
                load(&block).fma(load(&quantities), load(&sums)).store(&mut sums, part);
            }
        }
        fold(&sums)
    }
}

/// Some options, side by side.
pub(super) struct Abreast<S: Lanes> {
    pub(super) sign: Real<S>,
    pub(super) forward: Real<S>,
    pub(super) strike: Real<S>,
    pub(super) place: Real<S>,
    pub(super) over: Real<S>,
    pub(super) half: Real<S>,
    pub(super) discount: Real<S>,
}

impl<S: Lanes> Abreast<S> {
    #[inline(always)]
    pub(super) fn load(
        lanes: S,
        options: &MovedPrices,
        column: &Deviations,
        (block, part): (usize, usize),
        (factor, log): (Real<S>, Real<S>),
    ) -> Self {
        let load = |column: &Column| Real::load(lanes, &column.blocks[block], part);
        Self {
            sign: load(&options.sign),
            forward: load(&options.forward) * factor,
            strike: load(&options.strike),
            place: load(&options.place) + log,
            over: load(&column.over),
            half: load(&column.half),
            discount: load(&column.discount),
        }
    }

    /// −|ln(F÷K)| ÷ σ√T.
    #[inline(always)]
    fn away(&self) -> Real<S> {
        (-self.place.abs() * self.over).at_least(self.place.constant(FARTHEST))
    }

    /// d₁ of whichever of call and put is out of the money, seen from the smaller of forward and strike.
    #[inline(always)]
    fn nearer(&self) -> Real<S> {
        self.away() + self.half
    }

    /// What exercise would give.
    #[inline(always)]
    fn exercise(&self) -> Real<S> {
        let ahead = self.forward - self.strike;
        self.sign.less(ahead.constant(0.0)).select(-ahead, ahead).or_zero()
    }
}

/// Price, and delta × forward.
pub(super) struct Valued<S: Lanes> {
    pub(super) price: Real<S>,
    pub(super) delta: Real<S>,
}

/// With h = −|ln(F÷K)| ÷ s, D₁ = h + s/2 and D₂ = h − s/2, whichever of call and put is out of the money is worth min(F, K) times
/// N(D₁) − n(D₁) m(−D₂), m the Mills ratio: of a call min is F, of a put K, and F n(d₁) = K n(d₂) makes the rest alike. So F N(d₁) is
/// F N(D₁) of a call, and F − K n(D₁) m(−D₂) where the put is out of the money.
#[inline(always)]
pub(super) fn option<S: Lanes>(one: &Abreast<S>) -> Valued<S> {
    let Abreast { sign, forward, strike, place, half, discount, .. } = *one;
    let (zero, whole) = (place.constant(0.0), place.constant(1.0));
    let h = one.away();
    let d1 = h + half;
    let square = d1 * d1;
    let density = density_of(square);
    let (numerator1, denominator1) = mills_parts_of(d1.abs(), square);
    let (numerator2, denominator2) = mills_parts(half - h);
    let left = d1.less(zero);
    let signed = left.select(numerator1, -numerator1);
    let tails = numerator2.neg_fma(denominator1, signed * denominator2) / (denominator1 * denominator2);
    let share = density.fma(tails, left.select(zero, whole));
    let under = place.less(zero);
    let out_of_money = (under.select(forward, strike) * share).or_zero();
    let price = discount * (out_of_money + one.exercise());

    let tail = density * (under.select(numerator1, numerator2) / under.select(denominator1, denominator2));
    let call = under.select(forward * left.select(tail, whole - tail), forward - strike * tail);
    let delta = discount * sign.less(zero).select(call - forward, call);
    Valued { price, delta }
}

#[cold]
#[inline(never)]
fn put_limits<S: Lanes>(options: &MovedPrices, column: &Deviations, index: usize, factor: Real<S>, block: &mut Block) {
    for (lane, (sign, inputs)) in options.void(column, index, factor) {
        block.0[lane] = kernel::limits(sign, &inputs)[0];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{EuropeanOption, Inputs, SimdName};

    /// Against prices one by one over strikes, volatilities, times and moves that are near, far and none: to rounding, and relative to
    /// themselves where they are out of the money; and the same bits with any instructions, wherever a range begins.
    #[test]
    fn agrees_with_prices_one_by_one() {
        let mut state = 7_u64;
        let mut unit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        for round in 0..400 {
            let count = 1 + (unit() * 60.0) as usize;
            let years = [0.0, 1e-9, 0.002, 0.1, 3.0][round % 5];
            let (forward, discount) = (super::super::functions::exp(unit() * 20.0 - 5.0), 0.9 + 0.1 * unit());
            let mut options = MovedPrices::default();
            let mut held = Vec::new();
            for _ in 0..count {
                let spread = [1.0, 0.3, 1e-9][(unit() * 3.0) as usize];
                let strike = forward * super::super::functions::exp(spread * (unit() - 0.5));
                let vol = if unit() < 0.1 { 0.0 } else { 0.01 + 2.0 * unit() * unit() };
                let kind = if unit() < 0.5 { OptionKind::Call } else { OptionKind::Put };
                let inputs = Inputs { forward, strike, years, vol, discount };
                options.push(kind, strike, forward).unwrap();
                held.push((kind, inputs));
            }
            let factor = if round % 3 == 0 { 1.0 } else { super::super::functions::exp(4.0 * unit() * unit() - 1.0) };
            let first = (unit() * count as f64) as usize;
            let mut all: Vec<Vec<f64>> = Vec::new();
            for simd in SimdName::ALL.into_iter().filter_map(Simd::new) {
                options.settle(simd);
                options.set_vols(1, 0..count, years, discount, |index| held[index].1.vol).unwrap();
                let mut prices = vec![0.0; count - first];
                options.prices(simd, 1, first..count, factor, &mut prices);
                all.push(prices);
            }
            assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "round {round}");
            let quantities = Quantities::from_iter((0..count).map(|_| unit() - 0.5));
            let total = |simd| options.total(simd, 1, first..count, factor, &quantities);
            let totals: Vec<f64> = SimdName::ALL.into_iter().filter_map(Simd::new).map(total).collect();
            assert!(totals.windows(2).all(|pair| pair[0].to_bits() == pair[1].to_bits()), "round {round}");
            let held_at = |index: usize| quantities.block_within(index / LANES, &(0..count)).0[index % LANES];
            let sum: f64 = (first..count).map(|index| held_at(index) * all[0][index - first]).sum();
            let gross: f64 = held[first..].iter().map(|(_, inputs)| inputs.forward * factor + inputs.strike).sum();
            assert!((totals[0] - sum).abs() <= 4.0 * f64::EPSILON * gross, "round {round}: {} {sum}", totals[0]);
            for ((kind, inputs), found) in held[first..].iter().zip(&all[0]) {
                let moved = Inputs { forward: inputs.forward * factor, ..*inputs };
                let expected = EuropeanOption::new(*kind, moved).unwrap().greeks().price;
                let rounding = 8.0 * f64::EPSILON * (moved.forward + moved.strike);
                // Of small deviations the place of the strike counts, to its last digit.
                let deviation = inputs.vol * years.sqrt();
                let relative = 1e-12 + 1e-14 / deviation.max(1e-12);
                let near = (found - expected).abs() <= rounding;
                let out = kind.sign() * (moved.forward - moved.strike) < 0.0;
                assert!(near, "round {round}: {found} {expected} {moved:?}");
                let small = (found - expected).abs() <= relative * expected.max(1e-290);
                assert!(
                    !out || small || expected < 1e-200 || deviation == 0.0,
                    "round {round}: {found} {expected} {moved:?}"
                );
            }
        }
    }

    #[test]
    fn refuses_what_no_option_has() {
        let mut options = MovedPrices::default();
        (0..20).for_each(|_| options.push(OptionKind::Call, 1.0, 1.0).unwrap());
        assert_eq!(options.push(OptionKind::Put, 1.0, f64::NAN).unwrap_err().field, Field::Forward);
        let refused =
            options.set_vols(0, 0..20, 1.0, 1.0, |index| if index == 18 { f64::NAN } else { 0.5 }).unwrap_err();
        assert_eq!((refused.0, refused.1.field), (18, Field::Vol));
        assert_eq!(options.set_vols(0, 3..20, -1.0, 1.0, |_| 0.5).unwrap_err().0, 3);
        assert_eq!(options.set_vols(0, 3..20, 1.0, 0.0, |_| 0.5).unwrap_err().1.field, Field::Discount);
        assert!(options.set_forward(0..20, 0.0).is_err());
    }
}
