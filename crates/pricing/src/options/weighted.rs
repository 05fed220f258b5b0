//! Quantity × (price, the Greeks that a portfolio is steered by) of each option of a batch, kept, and added up by a tree of fixed shape.
//!
//! The tree's leaves are blocks of sixteen options. A node adds up to eight children lane by lane, in order, and the root's sixteen
//! lanes are folded pairwise. So the shape depends on the number of options alone, and a sum on what its options are now, whatever
//! was there before; an option that moves costs its block and one node a level.

use super::batch::{Batch, fold};
use super::contract::OptionStyle;
use super::kernel::{self, OUTPUTS, Options};
use super::lanes::{Block, LANES, Lanes, Real, Work, scalar::AnyScalar};
use super::simd::Simd;
use crate::surface::Sticky;
use std::ops::{Add, Range};

/// Children of a node.
const CHILDREN: usize = 8;
/// Numbers of a [`GreekSums`].
pub(super) const COLUMNS: usize = 12;

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

/// Weights of the options of a [`Batch`], in its order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    len: usize,
    blocks: Vec<WeightBlock>,
}

/// Weights of a block of options.
#[derive(Debug, Clone, PartialEq)]
struct WeightBlock {
    quantity: Block,
    /// 1 where paid for in coin, else 0.
    coin: Block,
    slope: Block,
}

impl Weights {
    /// Adds a weight at the end.
    ///
    /// # Panics
    ///
    /// If a number is not finite.
    pub fn push(&mut self, weight: Weight) {
        let Weight { quantity, style, slope } = weight;
        assert!(quantity.is_finite() && slope.is_finite(), "a weight is {weight:?}");
        if self.len.is_multiple_of(LANES) {
            let zero = Block([0.0; LANES]);
            self.blocks.push(WeightBlock { quantity: zero, coin: zero, slope: zero });
        }
        let (block, lane) = (&mut self.blocks[self.len / LANES], self.len % LANES);
        block.quantity.0[lane] = quantity;
        block.coin.0[lane] = f64::from(u8::from(style == OptionStyle::Inverse));
        block.slope.0[lane] = slope;
        self.len += 1;
    }

    /// Number of weights.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes all out, keeping the memory.
    pub fn clear(&mut self) {
        self.len = 0;
        self.blocks.clear();
    }

    /// Changes a quantity.
    ///
    /// # Panics
    ///
    /// If there is no such weight or the number is not finite.
    pub fn set_quantity(&mut self, index: usize, quantity: f64) {
        assert!(index < self.len && quantity.is_finite(), "quantity {index} of {} is {quantity}", self.len);
        self.blocks[index / LANES].quantity.0[index % LANES] = quantity;
    }

    /// Changes the smile's slope.
    ///
    /// # Panics
    ///
    /// If there is no such weight or the number is not finite.
    pub fn set_slope(&mut self, index: usize, slope: f64) {
        assert!(index < self.len && slope.is_finite(), "slope {index} of {} is {slope}", self.len);
        self.blocks[index / LANES].slope.0[index % LANES] = slope;
    }
}

/// Columns of a block of options, or of a node of the tree.
pub(super) type Node = [Block; COLUMNS];

/// Each option's quantity × (price, Greeks), and their sum.
///
/// ```
/// use pricing::options::{Batch, EuropeanOption, Inputs, OptionKind, OptionStyle, Simd, Weight, Weighted, Weights};
/// let inputs = Inputs { forward: 60_000.0, strike: 60_000.0, years: 0.1, vol: 0.65, discount: 1.0 };
/// let (mut batch, mut weights, mut weighted) = (Batch::default(), Weights::default(), Weighted::default());
/// for (kind, quantity) in [(OptionKind::Call, 1.0), (OptionKind::Put, -1.0)] {
///     batch.push(&EuropeanOption::new(kind, inputs)?);
///     weights.push(Weight { quantity, style: OptionStyle::Linear, slope: 0.0 });
/// }
/// weighted.weigh(Simd::best(), &batch, &weights, 0..2);
/// assert!((weighted.sum().delta - 1.0).abs() < 1e-15);
/// # Ok::<(), pricing::options::Refusal>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weighted {
    len: usize,
    /// Level by level: first a node for each block of options, last one node alone.
    levels: Vec<Vec<Node>>,
    /// Options of each block that are exactly at the strike without time or volatility.
    unbounded: Vec<u32>,
}

impl Weighted {
    /// Prices the options `range` anew, and adds up. After a change of the number of options the range must be all.
    ///
    /// # Panics
    ///
    /// If there are not as many weights as options, or the range is not in the batch or, after a change of its length, not the whole.
    pub fn weigh(&mut self, simd: Simd, batch: &Batch, weights: &Weights, range: Range<usize>) {
        let len = batch.len();
        assert_eq!(weights.len(), len, "a weight for each option");
        assert!(range.end <= len && (self.len == len || range == (0..len)), "options {range:?} of {len}");
        if self.len != len {
            self.shape(len);
        }
        if !range.is_empty() {
            let blocks = range.start / LANES..range.end.div_ceil(LANES);
            simd.enter_wide(Weigh { batch, weights, blocks, into: self });
        }
    }

    /// As many nodes as this number of options needs.
    fn shape(&mut self, len: usize) {
        const EMPTY: Node = [Block([0.0; LANES]); COLUMNS];
        self.len = len;
        let mut nodes = len.div_ceil(LANES);
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

struct Weigh<'a> {
    batch: &'a Batch,
    weights: &'a Weights,
    blocks: Range<usize>,
    into: &'a mut Weighted,
}

impl Work for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let Self { batch, weights, blocks, into } = self;
        let Weighted { levels, unbounded, .. } = into;
        let mut changed = blocks;
        for level in 0..levels.len() {
            let (below, above) = levels.split_at_mut(level + 1);
            let (children, nodes) = (&mut below[level], above.first_mut().map_or(&mut [][..], |nodes| nodes));
            let parents = changed.start / CHILDREN..changed.end.div_ceil(CHILDREN);
            for parent in parents.clone() {
                let first = parent * CHILDREN;
                let children = &mut children[first..];
                if level == 0 {
                    // Priced and added up while they are at hand.
                    let own = changed.start.max(first) - first..(changed.end - first).min(CHILDREN);
                    let at = first + own.start..first + own.end;
                    let (options, weights) = (&batch.blocks[at.clone()], &weights.blocks[at.clone()]);
                    price(lanes, options, weights, &mut children[own], &mut unbounded[at]);
                }
                if let Some(node) = nodes.get_mut(parent) {
                    let count = children.len().min(CHILDREN);
                    add_up(lanes, &children[..count], node);
                }
            }
            changed = parents;
        }
    }
}

/// What the options of blocks add, into their nodes, and how many of each are unbounded. Each step of the formula is done for all
/// before the next: beside others that do not wait for it, a processor waits for none of them.
#[inline(always)]
fn price<S: Lanes>(lanes: S, all: &[Options], weights: &[WeightBlock], nodes: &mut [Node], unbounded: &mut [u32]) {
    for (options, node) in all.iter().zip(&mut *nodes) {
        for part in 0..LANES / S::WIDTH {
            let [d1, d2] = kernel::distances(lanes, options, part);
            d1.store(&mut node[0], part);
            d2.store(&mut node[1], part);
        }
    }
    for node in &mut *nodes {
        for part in 0..LANES / S::WIDTH {
            let law = kernel::normal_law(Real::load(lanes, &node[0], part), Real::load(lanes, &node[1], part));
            for (value, block) in law.into_iter().zip(&mut node[2..]) {
                value.store(block, part);
            }
        }
    }
    for ((options, weights), (node, unbounded)) in all.iter().zip(weights).zip(nodes.iter_mut().zip(unbounded)) {
        *unbounded = 0;
        for part in 0..LANES / S::WIDTH {
            if kernel::void(lanes, options, part) == 0 {
                let [d1, d2, density, mills1, mills2] = std::array::from_fn(|at| Real::load(lanes, &node[at], part));
                let values = kernel::values(lanes, options, part, [d1, d2], [density, mills1, mills2]);
                put(lanes, &values, options, weights, (node, part));
            } else {
                let first = part * S::WIDTH;
                *unbounded += put_one_by_one(options, weights, node, first..first + S::WIDTH);
            }
        }
    }
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

/// What a part of a block adds, into its node.
#[inline(always)]
fn put<S: Lanes>(
    lanes: S,
    values: &[Real<S>; OUTPUTS],
    options: &Options,
    weights: &WeightBlock,
    (node, part): (&mut Node, usize),
) {
    let load = |block: &Block| Real::load(lanes, block, part);
    let (quantity, coin, slope) = (load(&weights.quantity), load(&weights.coin), load(&weights.slope));
    let (forward, over_forward) = (load(&options.forward), load(&options.over_forward));
    let [price, delta, gamma, vega, theta, _, vanna, volga, ..] = values.map(|value| value * quantity);
    let cash_skew = -(vega * 100.0 * slope);
    price.store(&mut node[0], part);
    delta.store(&mut node[1], part);
    (cash_skew * over_forward).store(&mut node[2], part);
    (price * coin * over_forward).store(&mut node[3], part);
    gamma.store(&mut node[4], part);
    vega.store(&mut node[5], part);
    theta.store(&mut node[6], part);
    vanna.store(&mut node[7], part);
    volga.store(&mut node[8], part);
    (delta * forward).store(&mut node[9], part);
    cash_skew.store(&mut node[10], part);
    (gamma * forward * (forward * 0.01)).store(&mut node[11], part);
}

/// The same for options of which some have no time or volatility left; gives how many are unbounded.
#[cold]
#[inline(never)]
fn put_one_by_one(options: &Options, weights: &WeightBlock, node: &mut Node, lanes: Range<usize>) -> u32 {
    let mut unbounded = 0;
    for lane in lanes {
        let values = if kernel::void(AnyScalar, options, lane) == 0 {
            kernel::evaluate(AnyScalar, options, lane).0
        } else {
            let (sign, inputs) = options.lane(lane);
            let limits = kernel::limits(sign, &inputs);
            unbounded += u32::from(limits[2].is_infinite());
            limits.map(|value| Real::splat(AnyScalar, if value.is_infinite() { 0.0 } else { value }))
        };
        put(AnyScalar, &values, options, weights, (node, lane));
    }
    unbounded
}
