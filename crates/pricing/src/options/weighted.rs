//! Quantity × (price, the Greeks that a portfolio is steered by) of each option of a batch, kept, and added up by a tree of fixed shape.
//!
//! The tree's leaves are blocks of sixteen options. A node adds up to eight children lane by lane, in order, and the root's sixteen
//! lanes are folded pairwise. So the shape depends on the number of options alone, and a sum on what its options are now, whatever
//! was there before; an option that moves costs its block and one node a level.

use super::batch::{fold, in_blocks};
use super::contract::{EuropeanOption, Field, OptionStyle, Refusal};
use super::held::{Expiries, FindForwards, Held, Place, Pricing, Settle};
use super::lanes::{Block, LANES, Lanes, ROW, Real, Work};
use super::simd::Simd;
use crate::surface::Sticky;
use std::ops::{Add, Range};

/// Children of a node.
const CHILDREN: usize = 8;
/// Numbers of a [`GreekSums`].
pub(super) const COLUMNS: usize = ROW;

macro_rules! sums {
    ($($(#[$meta:meta])* $field:ident),* $(,)?) => {
        /// Σ quantity × (price, Greeks) of options on one underlying.
        ///
        /// Units are those of [`Greeks`](super::Greeks): USD, a step of the forward of one USD, of volatility of 0.01, of time of one
        /// day. The cash Greeks of several underlyings may be added; delta and gamma are per coin and may not.
        #[derive(Debug, Clone, Copy, PartialEq, Default)]
        pub struct GreekSums { $($(#[$meta])* pub $field: f64),* }

        impl GreekSums {
            /// The fields' names, in order.
            pub const NAMES: [&str; COLUMNS] = [$(stringify!($field)),*];

            /// The fields' values, in order.
            #[must_use]
            pub fn values(&self) -> [f64; COLUMNS] {
                [$(self.$field),*]
            }

            /// From values in the order of [`Self::NAMES`].
            #[must_use]
            pub fn from_values([$($field),*]: [f64; COLUMNS]) -> Self {
                Self { $($field),* }
            }
        }
    };
}

sums! {
    /// What the options are worth.
    price,
    /// ∂price/∂forward, each option's volatility unchanged (the smile stays at its strikes).
    delta,
    /// What is added to delta if the smile moves with the forward (stays at its moneyness): −∂price/∂vol × slope ÷ forward.
    skew_delta,
    /// The price in coin of those that are paid for in coin. Delta less this is the net, premium-adjusted delta.
    premium,
    /// ∂delta/∂forward.
    gamma,
    /// Change of price for 0.01 of volatility.
    vega,
    /// Change of price in a day.
    theta,
    /// Change of delta for 0.01 of volatility.
    vanna,
    /// Change of vega for 0.01 of volatility.
    volga,
    /// Delta × forward, each option's its own.
    strike_cash_delta,
    /// The same of the skew's part of delta.
    cash_skew_delta,
    /// Change of cash delta through gamma for a move of 1 %: gamma × forward² ÷ 100.
    cash_gamma,
}

impl GreekSums {
    /// The units of the underlying to sell so that a small move leaves the options' USD value where it is.
    #[must_use]
    pub fn hedge_delta(&self, sticky: Sticky) -> f64 {
        match sticky {
            Sticky::Strike => self.delta,
            Sticky::Moneyness => self.delta + self.skew_delta,
        }
    }

    /// As [`Self::hedge_delta`], premium-adjusted: what is paid for in coin counts by forward × ∂(coin price)/∂forward.
    #[must_use]
    pub fn net_delta(&self, sticky: Sticky) -> f64 {
        self.hedge_delta(sticky) - self.premium
    }

    /// [`Self::hedge_delta`] in cash, each option at its own forward.
    #[must_use]
    pub fn cash_delta(&self, sticky: Sticky) -> f64 {
        match sticky {
            Sticky::Strike => self.strike_cash_delta,
            Sticky::Moneyness => self.strike_cash_delta + self.cash_skew_delta,
        }
    }
}

impl Add for GreekSums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (a, b) = (self.values(), other.values());
        Self::from_values(std::array::from_fn(|k| a[k] + b[k]))
    }
}

/// How an option counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight {
    /// Signed, in units of the underlying.
    pub quantity: f64,
    /// In what the option is paid for.
    pub style: OptionStyle,
    /// dσ/dln K of the smile at its strike.
    pub slope: f64,
}

/// Columns of a block of options, or of a node of the tree.
pub(super) type Node = [Block; COLUMNS];

/// Options, each one's quantity × (price, Greeks), and their sum.
///
/// ```
/// use pricing::options::{EuropeanOption, Inputs, OptionKind, OptionStyle, Simd, Weight, Weighted};
/// let inputs = Inputs { forward: 60_000.0, strike: 60_000.0, years: 0.1, vol: 0.65, discount: 1.0 };
/// let mut weighted = Weighted::default();
/// weighted.push_expiry(inputs.forward)?;
/// for (kind, quantity) in [(OptionKind::Call, 1.0), (OptionKind::Put, -1.0)] {
///     weighted.push(&EuropeanOption::new(kind, inputs)?, Weight { quantity, style: OptionStyle::Linear, slope: 0.0 });
/// }
/// weighted.weigh(Simd::best());
/// assert!((weighted.sum().delta - 1.0).abs() < 1e-15);
/// # Ok::<(), pricing::options::Refusal>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weighted {
    len: usize,
    expiries: Expiries,
    held: Vec<Held>,
    /// Expiries of which forwards, blocks of which strikes, and blocks of which volatilities, times and discounts have changed since that
    /// was looked at; and blocks that are to be priced.
    moved: Range<usize>,
    unplaced: Range<usize>,
    unsettled: Range<usize>,
    stale: Range<usize>,
    /// Level by level: first a node for each block of options, last one node alone.
    levels: Vec<Vec<Node>>,
    /// Options of each block that are exactly at the strike without time or volatility.
    unbounded: Vec<u32>,
}

impl Weighted {
    /// Takes all options out, keeping the memory.
    pub fn clear(&mut self) {
        self.len = 0;
        self.expiries.clear();
        self.held.clear();
        [self.moved, self.unplaced, self.unsettled, self.stale] = [0..0, 0..0, 0..0, 0..0];
    }

    /// Adds an expiry behind the others, which has this forward: the options that are added next are of it. Expiries are counted from 0.
    ///
    /// # Errors
    ///
    /// A forward outside its range; nothing is added then.
    pub fn push_expiry(&mut self, forward: f64) -> Result<usize, Refusal> {
        let forward = Field::Forward.check(forward)?;
        let expiry = self.expiries.len();
        self.expiries.push(self.len);
        self.expiries.set_forward(expiry, forward);
        cover(&mut self.moved, expiry..expiry + 1);
        Ok(expiry)
    }

    /// Adds an option at the end. Its forward is that of the last expiry, whatever it was.
    ///
    /// # Panics
    ///
    /// If there is no expiry, or a number of the weight is not finite.
    pub fn push(&mut self, option: &EuropeanOption, weight: Weight) {
        assert!(weight.quantity.is_finite() && weight.slope.is_finite(), "a weight is {weight:?}");
        assert!(self.expiries.len() > 0, "an option of no expiry");
        if self.len.is_multiple_of(LANES) {
            self.held.push(Held::NONE);
        }
        let at = self.len;
        self.len += 1;
        self.held[at / LANES].set(at % LANES, self.expiries.len() - 1, option, &weight);
        let blocks = self.changed(at..at + 1);
        cover(&mut self.unplaced, blocks.clone());
        cover(&mut self.unsettled, blocks);
    }

    /// Moves the forward of an expiry.
    ///
    /// # Errors
    ///
    /// A forward outside its range; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there is no such expiry.
    pub fn set_forward(&mut self, expiry: usize, forward: f64) -> Result<(), Refusal> {
        let forward = Field::Forward.check(forward)?;
        let options = self.expiries.options(expiry, self.len);
        if !options.is_empty() {
            self.changed(options);
        }
        self.expiries.set_forward(expiry, forward);
        cover(&mut self.moved, expiry..expiry + 1);
        Ok(())
    }

    /// Moves the forwards of expiries that follow each other from `first` on, as [`Self::set_forward`] does one by one.
    ///
    /// # Errors
    ///
    /// A forward outside its range; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there are fewer expiries.
    pub fn set_forwards(&mut self, first: usize, forwards: impl Iterator<Item = f64> + Clone) -> Result<(), Refusal> {
        for forward in forwards.clone() {
            Field::Forward.check(forward)?;
        }
        let mut end = first;
        for forward in forwards {
            self.expiries.set_forward(end, forward);
            end += 1;
        }
        if first < end {
            let options = self.expiries.options(first, self.len).start..self.expiries.options(end - 1, self.len).end;
            if !options.is_empty() {
                self.changed(options);
            }
            cover(&mut self.moved, first..end);
        }
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
        let blocks = self.changed(range.clone());
        cover(&mut self.unsettled, blocks);
        in_blocks(range, |block, lanes| self.held[block].set_years(lanes, years));
        Ok(())
    }

    /// Moves the volatility and the smile's slope of one option.
    ///
    /// # Errors
    ///
    /// A volatility outside its range; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there is no such option or the slope is not finite.
    pub fn set_vol(&mut self, index: usize, vol: f64, slope: f64) -> Result<(), Refusal> {
        let vol = Field::Vol.check(vol)?;
        assert!(slope.is_finite(), "slope {index} is {slope}");
        let blocks = self.changed(index..index + 1);
        cover(&mut self.unsettled, blocks);
        let held = &mut self.held[index / LANES];
        held.set_vol(index % LANES, vol);
        held.set_slope(index % LANES, slope);
        Ok(())
    }

    /// Moves the discount factor of one option.
    ///
    /// # Errors
    ///
    /// A discount factor outside its range; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there is no such option.
    pub fn set_discount(&mut self, index: usize, discount: f64) -> Result<(), Refusal> {
        let discount = Field::Discount.check(discount)?;
        let blocks = self.changed(index..index + 1);
        cover(&mut self.unsettled, blocks);
        self.held[index / LANES].set_discount(index % LANES, discount);
        Ok(())
    }

    /// Changes a quantity.
    ///
    /// # Panics
    ///
    /// If there is no such option or the number is not finite.
    pub fn set_quantity(&mut self, index: usize, quantity: f64) {
        assert!(quantity.is_finite(), "quantity {index} is {quantity}");
        self.changed(index..index + 1);
        self.held[index / LANES].set_quantity(index % LANES, quantity);
    }

    /// These options are to be priced again; gives their blocks.
    fn changed(&mut self, options: Range<usize>) -> Range<usize> {
        assert!(options.end <= self.len, "options {options:?} of {}", self.len);
        let blocks = options.start / LANES..options.end.div_ceil(LANES);
        cover(&mut self.stale, blocks.clone());
        blocks
    }

    /// Prices what has changed, and adds up.
    pub fn weigh(&mut self, simd: Simd) {
        if self.unbounded.len() != self.held.len() {
            self.shape();
        }
        let [moved, unplaced, unsettled, blocks] =
            [&mut self.moved, &mut self.unplaced, &mut self.unsettled, &mut self.stale]
                .map(|range| std::mem::replace(range, 0..0));
        if !moved.is_empty() {
            simd.enter(FindForwards(&mut self.expiries, moved));
        }
        if !unplaced.is_empty() {
            simd.enter(Place(&mut self.held[unplaced]));
        }
        if !unsettled.is_empty() {
            simd.enter(Settle(&mut self.held[unsettled]));
        }
        if !blocks.is_empty() {
            let Self { expiries, held, levels, unbounded, .. } = self;
            let held = &held[blocks.clone()];
            simd.enter_wide(Weigh { expiries, held, blocks, levels, unbounded });
        }
    }

    /// As many nodes as these options need.
    fn shape(&mut self) {
        const EMPTY: Node = [Block([0.0; LANES]); COLUMNS];
        let mut nodes = self.held.len();
        self.unbounded.resize(nodes, 0);
        for level in 0.. {
            if level == self.levels.len() {
                // Level by level as it grows; never given back, so that a portfolio that shrinks and grows allocates nothing.
                self.levels.push(Vec::new());
            }
            self.levels[level].resize(nodes, EMPTY);
            if nodes <= 1 {
                self.levels[level + 1..].iter_mut().for_each(Vec::clear);
                return;
            }
            nodes = nodes.div_ceil(CHILDREN);
        }
    }

    /// Number of options.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The sum of all.
    #[must_use]
    pub fn sum(&self) -> GreekSums {
        let root = self.levels.iter().take_while(|level| !level.is_empty()).last();
        root.map_or_else(GreekSums::default, |level| {
            // Adding zero turns a negative zero into zero.
            GreekSums::from_values(std::array::from_fn(|k| fold(&level[0][k]) + 0.0))
        })
    }

    /// What one option adds.
    ///
    /// # Panics
    ///
    /// If there is no such option.
    #[must_use]
    pub fn get(&self, index: usize) -> GreekSums {
        assert!(index < self.len, "option {index} of {}", self.len);
        let node = &self.levels[0][index / LANES];
        GreekSums::from_values(std::array::from_fn(|k| node[k].0[index % LANES]))
    }

    /// What each option adds, sixteen to a node. The lanes behind the last are of no meaning.
    pub(super) fn leaves(&self) -> &[Node] {
        self.levels.first().map_or(&[][..], |level| level)
    }

    /// Options exactly at the strike without time or volatility. Their gamma has no finite limit; what is unbounded is left out.
    #[must_use]
    pub fn unbounded(&self) -> usize {
        self.unbounded.iter().map(|count| *count as usize).sum()
    }
}

/// Makes a range hold another too.
fn cover(range: &mut Range<usize>, other: Range<usize>) {
    if range.start >= range.end {
        *range = other;
    } else if other.start < other.end {
        *range = range.start.min(other.start)..range.end.max(other.end);
    }
}

struct Weigh<'a> {
    expiries: &'a Expiries,
    /// Those of the blocks.
    held: &'a [Held],
    blocks: Range<usize>,
    levels: &'a mut [Vec<Node>],
    unbounded: &'a mut [u32],
}

impl Work for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let Self { expiries, held, blocks, levels, unbounded } = self;
        let Some((leaves, mut levels)) = levels.split_first_mut() else { return };
        let leaves = &mut leaves[..];
        let mut pricing = Pricing::new();
        for turn in 0..held.len() + Pricing::DELAY {
            if let Some(at) = turn.checked_sub(Pricing::DELAY) {
                let block = blocks.start + at;
                unbounded[block] = pricing.end(lanes, expiries, (blocks.start, held), at, &mut leaves[block]);
                if let Some(node) = levels.first_mut().and_then(|nodes| nodes.get_mut(block / CHILDREN))
                    && ((block + 1).is_multiple_of(CHILDREN) || at + 1 == held.len())
                {
                    add_up(lanes, children(leaves, block / CHILDREN), node);
                }
            }
            pricing.begin(lanes, expiries, (blocks.start, held), turn);
        }
        let mut changed = blocks.start / CHILDREN..blocks.end.div_ceil(CHILDREN);
        while let Some((below, above)) = levels.split_first_mut() {
            let Some(nodes) = above.first_mut() else { return };
            changed = changed.start / CHILDREN..changed.end.div_ceil(CHILDREN);
            for parent in changed.clone() {
                if let Some(node) = nodes.get_mut(parent) {
                    add_up(lanes, children(below, parent), node);
                }
            }
            levels = above;
        }
    }
}

/// Those of the nodes that are children of node `parent`.
#[inline(always)]
fn children(nodes: &[Node], parent: usize) -> &[Node] {
    let children = &nodes[parent * CHILDREN..];
    &children[..children.len().min(CHILDREN)]
}

/// A node of its children.
#[inline(always)]
fn add_up<S: Lanes>(lanes: S, children: &[Node], node: &mut Node) {
    for (column, sum) in node.iter_mut().enumerate() {
        for part in 0..LANES / S::WIDTH {
            let mut total = Real::load(lanes, &children[0][column], part);
            for child in &children[1..] {
                total = total + Real::load(lanes, &child[column], part);
            }
            total.store(sum, part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Inputs, OptionKind};

    /// Four expiries, the third without options; two of the four blocks hold options of two each.
    fn made() -> Weighted {
        let mut weighted = Weighted::default();
        for (expiry, count) in [5, 30, 0, 17].into_iter().enumerate() {
            let forward = 60_000.0 + 100.0 * expiry as f64;
            weighted.push_expiry(forward).unwrap();
            for option in 0..count {
                let strike = 50_000.0 + 1_000.0 * f64::from(option);
                let inputs = Inputs { forward, strike, years: 0.1 + 0.2 * expiry as f64, vol: 0.6, discount: 1.0 };
                let kind = if option % 2 == 0 { OptionKind::Call } else { OptionKind::Put };
                let weight = Weight { quantity: f64::from(option - 7), style: OptionStyle::Inverse, slope: -0.1 };
                weighted.push(&EuropeanOption::new(kind, inputs).unwrap(), weight);
            }
        }
        weighted.weigh(Simd::best());
        weighted
    }

    /// Any expiries at once, among them those without options, against one by one; a refused forward moves none.
    #[test]
    fn forwards_at_once_are_those_one_by_one() {
        for first in 0..4 {
            for count in 0..=4 - first {
                let forwards = (0..count).map(|at| 58_000.0 + 333.0 * at as f64);
                let (mut once, mut each) = (made(), made());
                once.set_forwards(first, forwards.clone()).unwrap();
                forwards.clone().enumerate().for_each(|(at, forward)| each.set_forward(first + at, forward).unwrap());
                [&mut once, &mut each].into_iter().for_each(|weighted| weighted.weigh(Simd::best()));
                assert_eq!(once.sum().values().map(f64::to_bits), each.sum().values().map(f64::to_bits));
                assert!((0..once.len()).all(|at| once.get(at) == each.get(at)), "{count} from {first}");
                let before = once.sum();
                assert!(count == 0 || once.set_forwards(first, forwards.take(count - 1).chain([f64::NAN])).is_err());
                once.weigh(Simd::best());
                assert_eq!(once.sum(), before);
            }
        }
    }
}
