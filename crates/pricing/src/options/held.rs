//! Options that are held, and what each adds to a portfolio. What a tick leaves as it is (logarithms of strikes, deviations, whatever
//! multiplies a density) is kept, so that an option costs one exponential, two Mills ratios and some thirty operations more.

use super::contract::{EuropeanOption, Inputs, OptionStyle};
use super::functions::{ln_parts, ln_ratio, normal_law};
use super::greeks::{DAY, POINT};
use super::kernel;
use super::lanes::{Block, LANES, Lanes, Real, Work, scalar::AnyScalar};
use super::weighted::{COLUMNS, Node, Weight};
use std::ops::Range;

/// Where 1 ÷ σ√T is above this, half an hour before the end, ln(F÷K) is taken of the quotient: a difference of logarithms would be wrong
/// by more than an ulp of d.
const NEAR: f64 = 256.0;

/// A block of options that are held, column by column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Held {
    /// The expiry of the first option.
    expiry: usize,
    strike: Block,
    strike_log: [Block; 2],
    /// σ√T ÷ 2, and 1 ÷ σ√T, which is infinite without time or volatility.
    half: Block,
    over_deviation: Block,
    /// What multiplies F n(d₁) for vega and for theta; n(d₁) d₂ for vanna; and the price for what a day's discount brings.
    vega: Block,
    decay: Block,
    vanna: Block,
    rate: Block,
    /// Quantity × discount.
    amount: Block,
    /// +1 for a call, −1 for a put.
    sign: Block,
    /// 1 where paid for in coin, else 0.
    coin: Block,
    /// What multiplies vega for the delta of the skew: −100 × slope.
    slope: Block,
    /// All are paid for in coin; nothing is discounted: so some multiplications are spared.
    is_coin: bool,
    is_plain: bool,
    /// As they came.
    years: Block,
    vol: Block,
    discount: Block,
    quantity: Block,
}

impl Held {
    /// Options of which nothing is held, and which price without harm once they are settled.
    pub(super) const NONE: Self = {
        let (zero, one) = (Block([0.0; LANES]), Block([1.0; LANES]));
        Self {
            expiry: 0,
            strike: one,
            strike_log: [zero; 2],
            half: one,
            over_deviation: one,
            vega: zero,
            decay: zero,
            vanna: zero,
            rate: zero,
            amount: zero,
            sign: one,
            coin: one,
            slope: zero,
            is_coin: true,
            is_plain: true,
            years: one,
            vol: one,
            discount: one,
            quantity: zero,
        }
    };

    /// Puts an option into a lane, to be placed and settled.
    pub(super) fn set(&mut self, lane: usize, expiry: usize, option: &EuropeanOption, weight: &Weight) {
        let inputs = option.inputs();
        if lane == 0 {
            self.expiry = expiry;
        }
        self.sign.0[lane] = option.kind().sign();
        self.coin.0[lane] = f64::from(u8::from(weight.style == OptionStyle::Inverse));
        self.strike.0[lane] = inputs.strike;
        self.set_years(lane..lane + 1, inputs.years);
        self.set_vol(lane, inputs.vol);
        self.set_discount(lane, inputs.discount);
        self.set_quantity(lane, weight.quantity);
        self.set_slope(lane, weight.slope);
    }

    /// To be settled.
    pub(super) fn set_years(&mut self, lanes: Range<usize>, years: f64) {
        self.years.0[lanes].fill(years);
    }

    /// To be settled.
    pub(super) fn set_vol(&mut self, lane: usize, vol: f64) {
        self.vol.0[lane] = vol;
    }

    /// To be settled.
    pub(super) fn set_discount(&mut self, lane: usize, discount: f64) {
        self.discount.0[lane] = discount;
    }

    pub(super) fn set_quantity(&mut self, lane: usize, quantity: f64) {
        self.quantity.0[lane] = quantity;
        self.amount.0[lane] = quantity * self.discount.0[lane];
    }

    pub(super) fn set_slope(&mut self, lane: usize, slope: f64) {
        self.slope.0[lane] = -100.0 * slope;
    }
}

/// Finds what is kept of strikes.
pub(super) struct Place<'a>(pub(super) &'a mut [Held]);

impl Work for Place<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        for held in self.0 {
            for part in 0..LANES / S::WIDTH {
                let logs = ln_parts(Real::load(lanes, &held.strike, part));
                logs.into_iter().zip(&mut held.strike_log).for_each(|(log, block)| log.store(block, part));
            }
        }
    }
}

/// Finds what is kept of volatilities, times and discounts.
pub(super) struct Settle<'a>(pub(super) &'a mut [Held]);

impl Work for Settle<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let one = Real::splat(lanes, 1.0);
        for held in self.0 {
            (held.is_coin, held.is_plain) = (true, true);
            for part in 0..LANES / S::WIDTH {
                let load = |block: &Block| Real::load(lanes, block, part);
                held.is_coin &= !load(&held.coin).equal(one).not().any();
                let (years, vol, discount) = (load(&held.years), load(&held.vol), load(&held.discount));
                let root = years.sqrt();
                let deviation = vol * root;
                let over = one / deviation;
                let rate = if discount.equal(one).not().any() {
                    held.is_plain = false;
                    (Real::splat(lanes, 0.0) - ln_ratio(discount, one)) / years
                } else {
                    Real::splat(lanes, 0.0)
                };
                (deviation * 0.5).store(&mut held.half, part);
                over.store(&mut held.over_deviation, part);
                (root * POINT).store(&mut held.vega, part);
                (vol * (vol * over) * (-0.5 * DAY)).store(&mut held.decay, part);
                (root * over * -POINT).store(&mut held.vanna, part);
                (rate * DAY).store(&mut held.rate, part);
                (load(&held.quantity) * discount).store(&mut held.amount, part);
            }
        }
    }
}

/// Expiries that options are of, one after the other. What is known of a forward is kept once for all of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Expiries {
    /// The first option of each.
    starts: Vec<usize>,
    /// Forwards, sixteen to a block, their inverses, their hundredths and their logarithms in two parts.
    forwards: Vec<[Block; 5]>,
}

/// Columns of [`Expiries::forwards`].
const FORWARD: usize = 0;
const OVER_FORWARD: usize = 1;
const PERCENT: usize = 2;
const LOG: [usize; 2] = [3, 4];

impl Expiries {
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn clear(&mut self) {
        self.starts.clear();
        self.forwards.clear();
    }

    /// Another one behind the others, of which this option is the first.
    pub(super) fn push(&mut self, start: usize) {
        if self.len().is_multiple_of(LANES) {
            self.forwards.push([Block([1.0; LANES]); 5]);
        }
        self.starts.push(start);
    }

    /// The first option, and the first of the next.
    pub(super) fn options(&self, expiry: usize, all: usize) -> Range<usize> {
        self.starts[expiry]..self.starts.get(expiry + 1).copied().unwrap_or(all)
    }

    /// To be found anew.
    pub(super) fn set_forward(&mut self, expiry: usize, forward: f64) {
        self.forwards[expiry / LANES][FORWARD].0[expiry % LANES] = forward;
    }

    /// What is known of the forwards of block `block`, of which the first option is of `first`.
    #[inline(always)]
    fn of(&self, block: usize, first: usize) -> OfBlock<'_> {
        let end = (block + 1) * LANES;
        let is_one = self.starts.get(first + 1).is_none_or(|next| *next >= end);
        OfBlock { all: self, first, end, is_one }
    }
}

/// Forwards of a block.
#[derive(Clone, Copy)]
struct OfBlock<'a> {
    all: &'a Expiries,
    /// The expiry of the first option.
    first: usize,
    /// One past the last option.
    end: usize,
    /// All are of one expiry.
    is_one: bool,
}

impl OfBlock<'_> {
    /// What stands in a column, of the options of part `part`.
    #[inline(always)]
    fn load<S: Lanes>(self, lanes: S, column: usize, part: usize) -> Real<S> {
        const PLACES: Block =
            Block([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0]);
        let Self { all, first, end, is_one } = self;
        let mut values = Real::splat(lanes, all.forwards[first / LANES][column].0[first % LANES]);
        if is_one {
            return values;
        }
        let places = Real::load(lanes, &PLACES, part);
        let mut expiry = first + 1;
        while let Some(start) = all.starts.get(expiry)
            && *start < end
        {
            // As small as a number of lanes.
            let before = places.less(Real::splat(lanes, (start % LANES) as f64));
            let next = Real::splat(lanes, all.forwards[expiry / LANES][column].0[expiry % LANES]);
            values = before.select(values, next);
            expiry += 1;
        }
        values
    }
}

/// Finds what is kept of forwards, of a range of expiries.
pub(super) struct FindForwards<'a>(pub(super) &'a mut Expiries, pub(super) Range<usize>);

impl Work for FindForwards<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let Self(expiries, range) = self;
        for values in &mut expiries.forwards[range.start / LANES..range.end.div_ceil(LANES)] {
            for part in 0..LANES / S::WIDTH {
                let forward = Real::load(lanes, &values[FORWARD], part);
                (Real::splat(lanes, 1.0) / forward).store(&mut values[OVER_FORWARD], part);
                (forward * 0.01).store(&mut values[PERCENT], part);
                ln_parts(forward).into_iter().zip(LOG).for_each(|(log, column)| log.store(&mut values[column], part));
            }
        }
    }
}

/// Which options of a part have no time or no volatility left, as bits.
#[inline(always)]
fn void<S: Lanes>(lanes: S, held: &Held, part: usize) -> u32 {
    Real::load(lanes, &held.over_deviation, part).equal(Real::splat(lanes, f64::INFINITY)).bits()
}

/// d₁ and d₂ of part `part` of block `block`.
#[inline(always)]
fn distances<S: Lanes>(lanes: S, expiries: &Expiries, (block, held): (usize, &Held), part: usize) -> [Real<S>; 2] {
    let load = |block: &Block| Real::load(lanes, block, part);
    let forwards = expiries.of(block, held.expiry);
    let high = forwards.load(lanes, LOG[0], part) - load(&held.strike_log[0]);
    let low = forwards.load(lanes, LOG[1], part) - load(&held.strike_log[1]);
    let (half, over_deviation) = (load(&held.half), load(&held.over_deviation));
    let near = Real::splat(lanes, NEAR).less(over_deviation);
    let mut moneyness = high + low;
    if near.any() {
        let forward = forwards.load(lanes, FORWARD, part);
        moneyness = near.select(ln_ratio(forward, load(&held.strike)), moneyness);
    }
    [moneyness.fma(over_deviation, half), moneyness.fma(over_deviation, -half)]
}

/// What is known of an option before its values: d₁, d₂, n(d₁), m(|d₁|) and m(|d₂|).
const KNOWN: usize = 5;

/// Blocks on their way from one step of the formula to the next.
const AT_ONCE: usize = 4;

/// Prices blocks one after the other, each a step of the formula behind the next. Steps of different blocks do not wait for each other, and
/// some multiply where others load, add or store: a processor does them at once.
pub(super) struct Pricing([[Block; KNOWN]; AT_ONCE]);

impl Pricing {
    /// Turns after which a block is priced, from the one with its first step on.
    pub(super) const DELAY: usize = 2;

    #[inline(always)]
    pub(super) fn new() -> Self {
        Self([[Block([0.0; LANES]); KNOWN]; AT_ONCE])
    }

    /// The first two steps, with turn `turn`: of the block `turn` of those behind block `first`, and of the one before.
    #[inline(always)]
    pub(super) fn begin<S: Lanes>(
        &mut self,
        lanes: S,
        expiries: &Expiries,
        (first, all): (usize, &[Held]),
        turn: usize,
    ) {
        if let Some(before) = turn.checked_sub(1)
            && before < all.len()
        {
            let known = &mut self.0[before % AT_ONCE];
            for part in 0..LANES / S::WIDTH {
                let law = normal_law(Real::load(lanes, &known[0], part), Real::load(lanes, &known[1], part));
                for (value, block) in law.into_iter().zip(&mut known[2..]) {
                    value.store(block, part);
                }
            }
        }
        if let Some(held) = all.get(turn) {
            let known = &mut self.0[turn % AT_ONCE];
            for part in 0..LANES / S::WIDTH {
                let [d1, d2] = distances(lanes, expiries, (first + turn, held), part);
                d1.store(&mut known[0], part);
                d2.store(&mut known[1], part);
            }
        }
    }

    /// The last step of the block `at` of those, [`Self::DELAY`] turns after its first: what its options add, into its node, and how many
    /// of them are unbounded.
    #[inline(always)]
    pub(super) fn end<S: Lanes>(
        &self,
        lanes: S,
        expiries: &Expiries,
        (first, all): (usize, &[Held]),
        at: usize,
        node: &mut Node,
    ) -> u32 {
        let (block, held) = (first + at, &all[at]);
        let known = &self.0[at % AT_ONCE];
        let mut unbounded = 0;
        for part in 0..LANES / S::WIDTH {
            if void(lanes, held, part) == 0 {
                let known = std::array::from_fn(|at| Real::load(lanes, &known[at], part));
                put(lanes, expiries, (block, held), (node, part), known);
            } else {
                let first = part * S::WIDTH;
                unbounded += put_one_by_one(expiries, (block, held), node, first..first + S::WIDTH);
            }
        }
        unbounded
    }
}

/// What a part of a block adds, into its node, of what is [`KNOWN`] of it: see [`kernel::evaluate`] for the formula.
#[inline(always)]
fn put<S: Lanes>(
    lanes: S,
    expiries: &Expiries,
    (block, held): (usize, &Held),
    (node, part): (&mut Node, usize),
    known: [Real<S>; KNOWN],
) {
    let load = |block: &Block| Real::load(lanes, block, part);
    let [d1, d2, density, mills1, mills2] = known;
    let forwards = expiries.of(block, held.expiry);
    let (forward, over_forward) = (forwards.load(lanes, FORWARD, part), forwards.load(lanes, OVER_FORWARD, part));
    let strike = load(&held.strike);
    let (sign, amount) = (load(&held.sign), load(&held.amount));
    let zero = Real::splat(lanes, 0.0);
    // N(−|d₁|); F n(d₁); F N(−|d₁|) and K N(−|d₂|).
    let (left, weight) = (density * mills1, forward * density);
    let (tail1, tail2) = (weight * mills1, weight * mills2);
    let under = forward.less(strike);
    let larger_d = under.select(d1, -d2);
    let larger_all = under.select(forward, strike);
    let larger_tail = under.select(tail1, tail2);
    let larger = larger_d.less(zero).select(larger_tail, larger_all - larger_tail);
    let out_of_money = (larger - under.select(tail2, tail1)).or_zero();
    let ahead = forward - strike;
    let of_call = ahead.or_zero();
    let is_put = sign.less(zero);
    let exercise = is_put.select(of_call - ahead, of_call);
    let price = amount * (out_of_money + exercise);
    let probability = is_put.either(d1.less(zero)).select(left, Real::splat(lanes, 1.0) - left);

    let (density, weight) = (amount * density, amount * weight);
    let (by_vol, aside) = (load(&held.vega), d2 * load(&held.vanna));
    let vega = weight * by_vol;
    let of_call = amount * probability;
    let delta = is_put.select(-of_call, of_call);
    let cash_skew = vega * load(&held.slope);
    let peak = density * load(&held.over_deviation);
    let (in_coin, discounted) = (held.is_coin, !held.is_plain);
    let premium = if in_coin { price } else { price * load(&held.coin) };
    let decay = load(&held.decay);
    let theta = if discounted { weight.fma(decay, price * load(&held.rate)) } else { weight * decay };
    let values: [Real<S>; COLUMNS] = [
        price,
        delta,
        cash_skew * over_forward,
        premium * over_forward,
        peak * over_forward,
        vega,
        theta,
        density * aside,
        -(vega * d1 * aside),
        delta * forward,
        cash_skew,
        peak * forwards.load(lanes, PERCENT, part),
    ];
    values.into_iter().zip(node).for_each(|(value, block)| value.store(block, part));
}

/// The same for options of which some have no time or volatility left; gives how many are unbounded.
#[cold]
#[inline(never)]
fn put_one_by_one(expiries: &Expiries, (block, held): (usize, &Held), node: &mut Node, lanes: Range<usize>) -> u32 {
    let mut unbounded = 0;
    for lane in lanes {
        if void(AnyScalar, held, lane) == 0 {
            let [d1, d2] = distances(AnyScalar, expiries, (block, held), lane);
            let [density, mills1, mills2] = normal_law(d1, d2);
            put(AnyScalar, expiries, (block, held), (node, lane), [d1, d2, density, mills1, mills2]);
            continue;
        }
        let at = |block: &Block| block.0[lane];
        let forwards = expiries.of(block, held.expiry);
        let forward = forwards.load(AnyScalar, FORWARD, lane).raw;
        let over_forward = forwards.load(AnyScalar, OVER_FORWARD, lane).raw;
        let inputs = Inputs {
            forward,
            strike: at(&held.strike),
            years: at(&held.years),
            vol: at(&held.vol),
            discount: at(&held.discount),
        };
        let limits = kernel::limits(at(&held.sign), &inputs);
        unbounded += u32::from(limits[2].is_infinite());
        let counted = |value: f64| if value.is_infinite() { 0.0 } else { value * at(&held.quantity) };
        let [price, delta, gamma, vega, theta, _, vanna, volga, ..] = limits.map(counted);
        let cash_skew = vega * at(&held.slope);
        let values = [
            price,
            delta,
            cash_skew * over_forward,
            price * at(&held.coin) * over_forward,
            gamma,
            vega,
            theta,
            vanna,
            volga,
            delta * forward,
            cash_skew,
            gamma * forward * (forward * 0.01),
        ];
        values.into_iter().zip(&mut *node).for_each(|(value, block)| block.0[lane] = value);
    }
    unbounded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::functions::exp;

    /// A difference of two logarithms against the logarithm of the quotient: as many digits, and of what is near as much as d needs.
    #[test]
    fn logarithms_differ_by_that_of_the_quotient() {
        let mut state = 3_u64;
        let mut unit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let parts = |number: f64| ln_parts(Real::splat(AnyScalar, number)).map(|part| part.raw);
        for _ in 0..200_000 {
            let forward = exp(68.0 * (unit() - 0.5));
            let spread = [60.0, 1.0, 1e-3, 1e-9, 3e-16][(unit() * 5.0) as usize];
            let strike = forward * exp(spread * (unit() - 0.5));
            let ([high, low], [other_high, other_low]) = (parts(forward), parts(strike));
            let difference = (high - other_high) + (low - other_low);
            let quotient = ln_ratio(Real::splat(AnyScalar, forward), Real::splat(AnyScalar, strike)).raw;
            let error = (difference - quotient).abs();
            assert!(
                error <= 2.0 * f64::EPSILON * quotient.abs() + 8e-18,
                "{forward} {strike}: {difference} {quotient}"
            );
            assert!(forward != strike || difference == 0.0, "{forward}: {difference}");
        }
    }
}
