//! Many options as columns, priced block by block.

use super::contract::{EuropeanOption, Field, Refusal};
use super::greeks::Greeks;
use super::kernel::{self, OUTPUTS, Options};
use super::lanes::{Block, LANES, Lanes, Real, Work, scalar::AnyScalar};
use super::simd::Simd;
use std::ops::Range;

/// A column of numbers, whole blocks long. What lies beyond `len` is a filler that prices without harm.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Column {
    pub(super) blocks: Vec<Block>,
    len: usize,
}

impl Column {
    pub(super) fn push(&mut self, value: f64, filler: f64) {
        if self.len.is_multiple_of(LANES) {
            self.blocks.push(Block([filler; LANES]));
        }
        self.set(self.len, value);
        self.len += 1;
    }

    pub(super) fn set(&mut self, index: usize, value: f64) {
        self.blocks[index / LANES].0[index % LANES] = value;
    }

    pub(super) fn fill(&mut self, range: Range<usize>, value: f64) {
        in_blocks(range, |block, lanes| self.blocks[block].0[lanes].fill(value));
    }

    pub(super) fn get(&self, index: usize) -> f64 {
        self.blocks[index / LANES].0[index % LANES]
    }

    /// The numbers of a slice, and zeros behind them.
    pub(super) fn copy(&mut self, values: &[f64]) {
        self.resize(values.len());
        for (block, values) in self.blocks.iter_mut().zip(values.chunks(LANES)) {
            block.0[..values.len()].copy_from_slice(values);
            block.0[values.len()..].fill(0.0);
        }
    }

    /// As long as asked for, all of one number.
    pub(super) fn refit(&mut self, len: usize, value: f64) {
        self.blocks.clear();
        self.blocks.resize(len.div_ceil(LANES), Block([value; LANES]));
        self.len = len;
    }

    /// As long as asked for, with whatever numbers.
    pub(super) fn resize(&mut self, len: usize) {
        self.blocks.resize(len.div_ceil(LANES), Block([0.0; LANES]));
        self.len = len;
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Empty, with the storage it has.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
        self.len = 0;
    }
}

/// The blocks of a range, and its lanes in each.
pub(super) fn in_blocks(range: Range<usize>, mut each: impl FnMut(usize, Range<usize>)) {
    let mut index = range.start;
    while index < range.end {
        let end = range.end.min((index / LANES + 1) * LANES);
        each(index / LANES, index % LANES..index % LANES + (end - index));
        index = end;
    }
}

/// European options as a structure of arrays. Every number in it was checked.
///
/// ```
/// use pricing::options::{Batch, EuropeanOption, Inputs, OptionKind, Simd, Values};
/// let mut batch = Batch::default();
/// for strike in [50_000.0, 60_000.0, 70_000.0] {
///     let inputs = Inputs { forward: 60_000.0, strike, years: 0.1, vol: 0.65, discount: 1.0 };
///     batch.push(&EuropeanOption::new(OptionKind::Call, inputs)?);
/// }
/// let mut values = Values::default();
/// batch.values(Simd::best(), &mut values);
/// assert!(values.get(0).price > values.get(1).price);
///
/// // One tick later: the portfolio's sums, without the options' own values.
/// batch.set_forward(0..3, 60_010.0)?;
/// let sums = batch.sums(Simd::best(), &pricing::options::Quantities::from_iter([1.0, -2.0, 1.0]));
/// assert!(sums.total.gamma.abs() < 1e-4);
/// # Ok::<(), pricing::options::Refusal>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    len: usize,
    /// Block by block rather than column by column, so that what is read together lies together.
    pub(super) blocks: Vec<Options>,
}

impl Batch {
    /// Adds an option at the end.
    pub fn push(&mut self, option: &EuropeanOption) {
        if self.len.is_multiple_of(LANES) {
            self.blocks.push(Options::FILLERS);
        }
        self.blocks[self.len / LANES].set(self.len % LANES, option.kind().sign(), &option.inputs());
        self.len += 1;
    }

    /// Takes all options out, keeping the memory.
    pub fn clear(&mut self) {
        self.len = 0;
        self.blocks.clear();
    }

    /// Number of options.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves the forward of the options `range`, those of one expiry.
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
        in_blocks(range, |block, lanes| self.blocks[block].set_forward(lanes, forward));
        Ok(())
    }

    /// Moves the time to expiry of the options `range`.
    ///
    /// # Errors
    ///
    /// A time outside its range; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there are fewer options.
    pub fn set_years(&mut self, range: Range<usize>, years: f64) -> Result<(), Refusal> {
        let years = Field::Years.check(years)?;
        assert!(range.end <= self.len(), "options {range:?} of {}", self.len());
        in_blocks(range, |block, lanes| self.blocks[block].set_years(lanes, years));
        Ok(())
    }

    /// Moves the volatility of one option.
    ///
    /// # Errors
    ///
    /// A volatility outside its range; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there is no such option.
    pub fn set_vol(&mut self, index: usize, vol: f64) -> Result<(), Refusal> {
        let vol = Field::Vol.check(vol)?;
        assert!(index < self.len(), "option {index} of {}", self.len());
        self.blocks[index / LANES].set_vol(index % LANES, vol);
        Ok(())
    }

    /// Price and Greeks of every option, into `values`, whose storage is used again.
    pub fn values(&self, simd: Simd, values: &mut Values) {
        values.columns.iter_mut().for_each(|column| column.resize(self.len()));
        simd.enter_wide(Evaluate { batch: self, values });
    }

    /// Prices alone, in order: the bits of [`Self::values`], sooner.
    pub fn prices(&self, simd: Simd, prices: &mut Vec<f64>) {
        prices.resize(self.blocks.len() * LANES, 0.0);
        simd.enter_wide(Price { batch: self, prices });
        prices.truncate(self.len());
    }

    /// Σ quantity × (price, Greeks), without storing anything per option.
    ///
    /// Sixteen accumulators, one for each index modulo sixteen, are added up in one fixed order: the same bits on every path.
    ///
    /// # Panics
    ///
    /// If there are not as many quantities as options.
    #[must_use]
    pub fn sums(&self, simd: Simd, quantities: &Quantities) -> Sums {
        assert_eq!(quantities.0.len(), self.len(), "a quantity for each option");
        simd.enter_wide(AddUp { batch: self, quantities: &quantities.0.blocks })
    }
}

impl EuropeanOption {
    /// Price and Greeks, in the currency of the forward. For many options see [`Batch`], which gives the same bits.
    #[must_use]
    pub fn greeks(&self) -> Greeks {
        let inputs = self.inputs();
        if inputs.years == 0.0 || inputs.vol == 0.0 {
            return Greeks::from_values(kernel::limits(self.kind().sign(), &inputs));
        }
        let mut options = Options::FILLERS;
        options.set(0, self.kind().sign(), &inputs);
        Greeks::from_values(kernel::evaluate(AnyScalar, &options, 0).0.map(|value| value.raw))
    }
}

/// Prices and Greeks of a [`Batch`], as columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values {
    columns: [Column; OUTPUTS],
}

impl Values {
    /// Number of options.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns[0].len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Price and Greeks of one option.
    ///
    /// # Panics
    ///
    /// If there is no such option.
    #[must_use]
    pub fn get(&self, index: usize) -> Greeks {
        assert!(index < self.len(), "option {index} of {}", self.len());
        Greeks::from_values(std::array::from_fn(|k| self.columns[k].get(index)))
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = Greeks> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// Signed quantities of the options of a [`Batch`], in its order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quantities(Column);

impl Quantities {
    /// Puts others in their place, in the same memory.
    ///
    /// # Panics
    ///
    /// If a quantity is not finite.
    pub fn refill(&mut self, values: impl IntoIterator<Item = f64>) {
        self.0.clear();
        for value in values {
            assert!(value.is_finite(), "a quantity is {value}");
            self.0.push(value, 0.0);
        }
    }

    /// A block of which only the lanes of `range` count; the others are zero.
    #[inline(always)]
    pub(super) fn block_within(&self, block: usize, range: &Range<usize>) -> Block {
        let mut own = self.0.blocks[block];
        let (first, last) = (block * LANES, (block + 1) * LANES);
        if first < range.start || last > range.end {
            for (lane, quantity) in own.0.iter_mut().enumerate() {
                *quantity = if range.contains(&(first + lane)) { *quantity } else { 0.0 };
            }
        }
        own
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<f64> for Quantities {
    /// # Panics
    ///
    /// If a quantity is not finite.
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        let mut quantities = Self::default();
        quantities.refill(values);
        quantities
    }
}

/// What a portfolio of options adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sums {
    /// Σ quantity × (price, Greeks).
    pub total: Greeks,
    /// Options exactly at the strike without time or volatility. Their gamma has no finite limit; what is unbounded is left
    /// out of the totals.
    pub unbounded: usize,
}

struct Evaluate<'a> {
    batch: &'a Batch,
    values: &'a mut Values,
}

impl Work for Evaluate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12] =
            self.values.columns.each_mut().map(|column| &mut column.blocks);
        for (index, options) in self.batch.blocks.iter().enumerate() {
            let mut marks = 0;
            for part in 0..LANES / S::WIDTH {
                let (values, void) = kernel::evaluate(lanes, options, part);
                let [v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12] = values;
                v0.store(&mut c0[index], part);
                v1.store(&mut c1[index], part);
                v2.store(&mut c2[index], part);
                v3.store(&mut c3[index], part);
                v4.store(&mut c4[index], part);
                v5.store(&mut c5[index], part);
                v6.store(&mut c6[index], part);
                v7.store(&mut c7[index], part);
                v8.store(&mut c8[index], part);
                v9.store(&mut c9[index], part);
                v10.store(&mut c10[index], part);
                v11.store(&mut c11[index], part);
                v12.store(&mut c12[index], part);
                marks |= void << (part * S::WIDTH);
            }
            if marks != 0 {
                let columns = [
                    &mut *c0, &mut *c1, &mut *c2, &mut *c3, &mut *c4, &mut *c5, &mut *c6, &mut *c7, &mut *c8, &mut *c9,
                    &mut *c10, &mut *c11, &mut *c12,
                ];
                put_limits(options, marks, index, columns);
            }
        }
    }
}

struct Price<'a> {
    batch: &'a Batch,
    /// Whole blocks.
    prices: &'a mut [f64],
}

impl Work for Price<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        for (options, prices) in self.batch.blocks.iter().zip(self.prices.chunks_exact_mut(LANES)) {
            let mut marks = 0;
            let mut block = Block([0.0; LANES]);
            for part in 0..LANES / S::WIDTH {
                let (values, void) = kernel::evaluate(lanes, options, part);
                values[0].store(&mut block, part);
                marks |= void << (part * S::WIDTH);
            }
            for lane in (0..LANES).filter(|lane| marks >> lane & 1 == 1) {
                let (sign, inputs) = options.lane(lane);
                block.0[lane] = kernel::limits(sign, &inputs)[0];
            }
            prices.copy_from_slice(&block.0);
        }
    }
}

#[cold]
#[inline(never)]
fn put_limits(options: &Options, marks: u32, index: usize, columns: [&mut Vec<Block>; OUTPUTS]) {
    let mut blocks = [Block([0.0; LANES]); OUTPUTS];
    kernel::put_limits(options, marks, &mut blocks);
    for (column, block) in columns.into_iter().zip(&blocks) {
        for lane in (0..LANES).filter(|lane| marks >> lane & 1 == 1) {
            column[index].0[lane] = block.0[lane];
        }
    }
}

struct AddUp<'a> {
    batch: &'a Batch,
    quantities: &'a [Block],
}

impl Work for AddUp<'_> {
    type Output = Sums;

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) -> Sums {
        let mut totals = [Block([0.0; LANES]); OUTPUTS];
        let mut unbounded = 0;
        let mut left = self.batch.len();
        for (options, quantities) in self.batch.blocks.iter().zip(self.quantities) {
            // A part of fillers adds nothing.
            let parts = left.min(LANES).div_ceil(S::WIDTH);
            left = left.saturating_sub(LANES);
            for part in 0..parts {
                // Asked before, so that no value has to be kept until the answer.
                let void = kernel::void(lanes, options, part);
                if void != 0 {
                    unbounded += add_with_limits(lanes, options, quantities, (void, part), &mut totals);
                    continue;
                }
                let (values, _) = kernel::evaluate(lanes, options, part);
                let quantity = Real::load(lanes, quantities, part);
                macro_rules! add {
                    ($($k:literal)*) => {
                        $(values[$k].fma(quantity, Real::load(lanes, &totals[$k], part)).store(&mut totals[$k], part);)*
                    };
                }
                add!(0 1 2 3 4 5 6 7 8 9 10 11 12);
            }
        }
        Sums { total: Greeks::from_values(totals.map(|total| fold(&total))), unbounded }
    }
}

/// A part with options that have no time or volatility left; gives how many are unbounded.
#[inline(always)]
fn add_with_limits<S: Lanes>(
    lanes: S,
    options: &Options,
    quantities: &Block,
    (void, part): (u32, usize),
    totals: &mut [Block; OUTPUTS],
) -> usize {
    let mut blocks = [Block([0.0; LANES]); OUTPUTS];
    for (value, block) in kernel::evaluate(lanes, options, part).0.into_iter().zip(&mut blocks) {
        value.store(block, part);
    }
    kernel::put_limits(options, void << (part * S::WIDTH), &mut blocks);
    let unbounded = blocks[2].0.iter().filter(|gamma| gamma.is_infinite()).count();
    for (block, total) in blocks.iter_mut().zip(totals) {
        for value in block.0.iter_mut().filter(|value| value.is_infinite()) {
            *value = 0.0;
        }
        let (value, quantity) = (Real::load(lanes, block, part), Real::load(lanes, quantities, part));
        value.fma(quantity, Real::load(lanes, total, part)).store(total, part);
    }
    unbounded
}

/// The accumulators to one number, pairwise, in one order.
pub(super) fn fold(total: &Block) -> f64 {
    let mut sums = total.0;
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    sums[0]
}
