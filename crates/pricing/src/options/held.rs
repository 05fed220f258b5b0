//! Options that are held, and what each adds to a portfolio. What a tick leaves as it is (logarithms of strikes, deviations, whatever
//! multiplies a density) is kept, so that an option costs one exponential, two Mills ratios and some thirty operations more.

use super::contract::{EuropeanOption, Inputs, OptionStyle};
use super::functions::{ln_parts, ln_ratio};
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
    forward: Block,
    over_forward: Block,
    forward_log: [Block; 2],
    strike: Block,
    strike_log: [Block; 2],
    /// σ√T ÷ 2, and 1 ÷ σ√T, which is infinite without time or volatility.
    half: Block,
    over_deviation: Block,
    /// What multiplies F n(d₁) for vega; for what a day takes; n(d₁) d₂ for vanna; and the price for what a day's discount brings.
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
            forward: one,
            over_forward: one,
            forward_log: [zero; 2],
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
            coin: zero,
            slope: zero,
            years: one,
            vol: one,
            discount: one,
            quantity: zero,
        }
    };

    /// Puts an option into a lane, to be placed and settled.
    pub(super) fn set(&mut self, lane: usize, option: &EuropeanOption, weight: &Weight) {
        let inputs = option.inputs();
        self.sign.0[lane] = option.kind().sign();
        self.coin.0[lane] = f64::from(u8::from(weight.style == OptionStyle::Inverse));
        self.forward.0[lane] = inputs.forward;
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

/// Finds what is kept of forwards and strikes.
pub(super) struct Place<'a>(pub(super) &'a mut [Held]);

impl Work for Place<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        for held in self.0 {
            for part in 0..LANES / S::WIDTH {
                let forward = Real::load(lanes, &held.forward, part);
                (Real::splat(lanes, 1.0) / forward).store(&mut held.over_forward, part);
                let strike = Real::load(lanes, &held.strike, part);
                for (number, logs) in [(forward, &mut held.forward_log), (strike, &mut held.strike_log)] {
                    ln_parts(number).into_iter().zip(logs).for_each(|(log, block)| log.store(block, part));
                }
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
            for part in 0..LANES / S::WIDTH {
                let load = |block: &Block| Real::load(lanes, block, part);
                let (years, vol, discount) = (load(&held.years), load(&held.vol), load(&held.discount));
                let root = years.sqrt();
                let deviation = vol * root;
                let over = one / deviation;
                let rate = if discount.equal(one).not().any() {
                    (Real::splat(lanes, 0.0) - ln_ratio(discount, one)) / years
                } else {
                    Real::splat(lanes, 0.0)
                };
                (deviation * 0.5).store(&mut held.half, part);
                over.store(&mut held.over_deviation, part);
                (root * POINT).store(&mut held.vega, part);
                (vol * (vol * over) * (0.5 * DAY)).store(&mut held.decay, part);
                (root * over * -POINT).store(&mut held.vanna, part);
                (rate * DAY).store(&mut held.rate, part);
                (load(&held.quantity) * discount).store(&mut held.amount, part);
            }
        }
    }
}

/// Moves the forwards of options, each of a range to its own.
pub(super) struct MoveForwards<'a, T>(pub(super) &'a mut [Held], pub(super) T);

impl<T: Iterator<Item = (Range<usize>, f64)>> Work for MoveForwards<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let Self(all, terms) = self;
        for (range, forward) in terms {
            let forward = Real::splat(lanes, forward);
            let [high, low] = ln_parts(forward);
            let values = [forward, Real::splat(lanes, 1.0) / forward, high, low];
            let mut whole = [Block([0.0; LANES]); 4];
            for (value, block) in values.into_iter().zip(&mut whole) {
                (0..LANES / S::WIDTH).for_each(|part| value.store(block, part));
            }
            let mut index = range.start;
            while index < range.end {
                let end = range.end.min((index / LANES + 1) * LANES);
                let held = &mut all[index / LANES];
                let [high, low] = &mut held.forward_log;
                for (to, from) in [&mut held.forward, &mut held.over_forward, high, low].into_iter().zip(&whole) {
                    if end - index == LANES {
                        *to = *from;
                    } else {
                        to.0[index % LANES..][..end - index].fill(from.0[0]);
                    }
                }
                index = end;
            }
        }
    }
}

/// Which options of a part have no time or no volatility left, as bits.
#[inline(always)]
fn void<S: Lanes>(lanes: S, held: &Held, part: usize) -> u32 {
    Real::load(lanes, &held.over_deviation, part).equal(Real::splat(lanes, f64::INFINITY)).bits()
}

/// d₁ and d₂ of part `part` of a block.
#[inline(always)]
fn distances<S: Lanes>(lanes: S, held: &Held, part: usize) -> [Real<S>; 2] {
    let load = |block: &Block| Real::load(lanes, block, part);
    let [high, low] = [0, 1].map(|at| load(&held.forward_log[at]) - load(&held.strike_log[at]));
    let (half, over_deviation) = (load(&held.half), load(&held.over_deviation));
    let near = Real::splat(lanes, NEAR).less(over_deviation);
    let mut moneyness = high + low;
    if near.any() {
        moneyness = near.select(ln_ratio(load(&held.forward), load(&held.strike)), moneyness);
    }
    [moneyness.fma(over_deviation, half), moneyness.fma(over_deviation, -half)]
}

/// Blocks that are priced together.
pub(super) const TOGETHER: usize = 8;

/// What is known of an option before its values: d₁, d₂, n(d₁), m(|d₁|) and m(|d₂|).
const KNOWN: usize = 5;

/// Room for that of the blocks that are priced together.
pub(super) type Known = [[Block; KNOWN]; TOGETHER];

impl Held {
    /// Nothing known.
    pub(super) const UNKNOWN: Known = [[Block([0.0; LANES]); KNOWN]; TOGETHER];
}

/// What the options of up to [`TOGETHER`] blocks add, into their nodes, and how many of each are unbounded. Each step of the formula is
/// done for all before the next: beside others that do not wait for it, a processor waits for none of them.
#[inline(always)]
pub(super) fn price<S: Lanes>(lanes: S, all: &[Held], known: &mut Known, nodes: &mut [Node], unbounded: &mut [u32]) {
    for (held, known) in all.iter().zip(&mut *known) {
        for part in 0..LANES / S::WIDTH {
            let [d1, d2] = distances(lanes, held, part);
            d1.store(&mut known[0], part);
            d2.store(&mut known[1], part);
        }
    }
    for known in &mut known[..all.len()] {
        for part in 0..LANES / S::WIDTH {
            let law = kernel::normal_law(Real::load(lanes, &known[0], part), Real::load(lanes, &known[1], part));
            for (value, block) in law.into_iter().zip(&mut known[2..]) {
                value.store(block, part);
            }
        }
    }
    for ((held, known), (node, unbounded)) in all.iter().zip(&*known).zip(nodes.iter_mut().zip(unbounded)) {
        *unbounded = 0;
        for part in 0..LANES / S::WIDTH {
            if void(lanes, held, part) == 0 {
                let known = std::array::from_fn(|at| Real::load(lanes, &known[at], part));
                put(lanes, held, (node, part), known);
            } else {
                let first = part * S::WIDTH;
                *unbounded += put_one_by_one(held, node, first..first + S::WIDTH);
            }
        }
    }
}

/// What a part of a block adds, into its node, of what is [`KNOWN`] of it: see [`kernel::evaluate`] for the formula.
#[inline(always)]
fn put<S: Lanes>(lanes: S, held: &Held, (node, part): (&mut Node, usize), known: [Real<S>; KNOWN]) {
    let load = |block: &Block| Real::load(lanes, block, part);
    let [d1, d2, density, mills1, mills2] = known;
    let (forward, strike) = (load(&held.forward), load(&held.strike));
    let (sign, amount) = (load(&held.sign), load(&held.amount));
    let zero = Real::splat(lanes, 0.0);
    // N(−|d₁|); F N(−|d₁|) and K N(−|d₂|).
    let left = density * mills1;
    let (tail1, tail2) = (forward * left, forward * density * mills2);
    let under = forward.less(strike);
    let larger_d = under.select(d1, -d2);
    let larger_all = under.select(forward, strike);
    let larger_tail = under.select(tail1, tail2);
    let larger = larger_d.less(zero).select(larger_tail, larger_all - larger_tail);
    let out_of_money = (larger - under.select(tail2, tail1)).or_zero();
    let ahead = forward - strike;
    let of_call = ahead.or_zero();
    let exercise = sign.less(zero).select(of_call - ahead, of_call);
    let price = amount * (out_of_money + exercise);
    let probability = (sign * d1).less(zero).select(left, Real::splat(lanes, 1.0) - left);

    let over_forward = load(&held.over_forward);
    let density = amount * density;
    let weight = density * forward;
    let (by_vol, aside) = (load(&held.vega), d2 * load(&held.vanna));
    let vega = weight * by_vol;
    let delta = amount * sign * probability;
    let cash_skew = vega * load(&held.slope);
    let peak = density * load(&held.over_deviation);
    let values: [Real<S>; COLUMNS] = [
        price,
        delta,
        cash_skew * over_forward,
        price * load(&held.coin) * over_forward,
        peak * over_forward,
        vega,
        weight.neg_fma(load(&held.decay), price * load(&held.rate)),
        density * aside,
        -(vega * d1 * aside),
        delta * forward,
        cash_skew,
        peak * forward * 0.01,
    ];
    values.into_iter().zip(node).for_each(|(value, block)| value.store(block, part));
}

/// The same for options of which some have no time or volatility left; gives how many are unbounded.
#[cold]
#[inline(never)]
fn put_one_by_one(held: &Held, node: &mut Node, lanes: Range<usize>) -> u32 {
    let mut unbounded = 0;
    for lane in lanes {
        if void(AnyScalar, held, lane) == 0 {
            let [d1, d2] = distances(AnyScalar, held, lane);
            let [density, mills1, mills2] = kernel::normal_law(d1, d2);
            put(AnyScalar, held, (node, lane), [d1, d2, density, mills1, mills2]);
            continue;
        }
        let at = |block: &Block| block.0[lane];
        let forward = at(&held.forward);
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
        let (cash_skew, over_forward) = (vega * at(&held.slope), at(&held.over_forward));
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
