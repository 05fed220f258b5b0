//! Black's formula with twelve Greeks, written once for every vector width.

use super::contract::Inputs;
use super::functions::{INVERSE_SQRT_TWO_PI, ln_ratio, normal_law};
use super::greeks::{DAY, POINT};
use super::lanes::{Block, LANES, Lanes, Real};
use std::ops::Range;

/// Price and Greeks.
pub(super) const OUTPUTS: usize = 13;

/// A block of options, column by column. Each number lies in its field's range.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Options {
    /// +1 for a call, −1 for a put.
    pub(super) sign: Block,
    pub(super) forward: Block,
    pub(super) strike: Block,
    pub(super) years: Block,
    pub(super) vol: Block,
    pub(super) discount: Block,
    /// What does not change with every tick, or changes for a whole expiry: 1/F, √T and 1/s, which is infinite without time or
    /// volatility.
    pub(super) over_forward: Block,
    pub(super) root: Block,
    pub(super) over_deviation: Block,
}

impl Options {
    /// Options that price without harm.
    pub(super) const FILLERS: Self = {
        let one = Block([1.0; LANES]);
        Self {
            sign: one,
            forward: one,
            strike: one,
            years: one,
            vol: one,
            discount: one,
            over_forward: one,
            root: one,
            over_deviation: one,
        }
    };

    /// Puts an option into a lane.
    pub(super) fn set(&mut self, lane: usize, sign: f64, inputs: &Inputs) {
        let Inputs { forward, strike, years, vol, discount } = *inputs;
        self.sign.0[lane] = sign;
        self.strike.0[lane] = strike;
        self.vol.0[lane] = vol;
        self.discount.0[lane] = discount;
        self.set_forward(lane..lane + 1, forward);
        self.set_years(lane..lane + 1, years);
    }

    pub(super) fn set_forward(&mut self, lanes: Range<usize>, forward: f64) {
        self.forward.0[lanes.clone()].fill(forward);
        self.over_forward.0[lanes].fill(1.0 / forward);
    }

    pub(super) fn set_years(&mut self, lanes: Range<usize>, years: f64) {
        self.years.0[lanes.clone()].fill(years);
        self.root.0[lanes.clone()].fill(years.sqrt());
        lanes.for_each(|lane| self.set_vol(lane, self.vol.0[lane]));
    }

    pub(super) fn set_vol(&mut self, lane: usize, vol: f64) {
        self.vol.0[lane] = vol;
        self.over_deviation.0[lane] = 1.0 / (vol * self.root.0[lane]);
    }

    pub(super) fn lane(&self, lane: usize) -> (f64, Inputs) {
        let inputs = Inputs {
            forward: self.forward.0[lane],
            strike: self.strike.0[lane],
            years: self.years.0[lane],
            vol: self.vol.0[lane],
            discount: self.discount.0[lane],
        };
        (self.sign.0[lane], inputs)
    }
}

/// Price and Greeks of part `part` of a block, in the order of [`Greeks::NAMES`](super::Greeks::NAMES); and which of the options, as
/// bits, have no time or no volatility left, for which the values are void.
///
/// With s = σ√T, x = ln(F/K), d₁ = x/s + s/2, d₂ = x/s − s/2, and N(−a) = n(a) × m(a), m the Mills ratio: since
/// F n(d₁) = K n(d₂), one density serves both terms. The option that is out of the money is priced, and the other one got by adding
/// what exercise would give: so a price is never below that, and parity holds.
#[inline(always)]
pub(super) fn evaluate<S: Lanes>(lanes: S, options: &Options, part: usize) -> ([Real<S>; OUTPUTS], u32) {
    let [d1, d2] = distances(lanes, options, part);
    (values(lanes, options, part, [d1, d2], normal_law(d1, d2)), void(lanes, options, part))
}

/// d₁ and d₂ of part `part` of a block.
#[inline(always)]
fn distances<S: Lanes>(lanes: S, options: &Options, part: usize) -> [Real<S>; 2] {
    let load = |block: &Block| Real::load(lanes, block, part);
    let moneyness = ln_ratio(load(&options.forward), load(&options.strike));
    let half = load(&options.vol) * load(&options.root) * 0.5;
    let over_deviation = load(&options.over_deviation);
    [moneyness.fma(over_deviation, half), moneyness.fma(over_deviation, -half)]
}

/// Price and Greeks of part `part` of a block, of what [`distances`] and [`normal_law`] say of it.
#[inline(always)]
fn values<S: Lanes>(
    lanes: S,
    options: &Options,
    part: usize,
    [d1, d2]: [Real<S>; 2],
    [density, mills1, mills2]: [Real<S>; 3],
) -> [Real<S>; OUTPUTS] {
    let load = |block: &Block| Real::load(lanes, block, part);
    let (forward, strike, years) = (load(&options.forward), load(&options.strike), load(&options.years));
    let (sign, vol, discount) = (load(&options.sign), load(&options.vol), load(&options.discount));
    let (over_forward, root) = (load(&options.over_forward), load(&options.root));
    let over_deviation = load(&options.over_deviation);
    let zero = Real::splat(lanes, 0.0);
    let one = Real::splat(lanes, 1.0);
    let weight = forward * density;
    // F N(−|d₁|) and K N(−|d₂|).
    let (tail1, tail2) = (weight * mills1, weight * mills2);

    // Out of the money: a call under the strike, else a put. Of its two terms the smaller is a tail always.
    let under = forward.less(strike);
    let larger_d = under.select(d1, -d2);
    let larger_tail = under.select(tail1, tail2);
    let larger_all = under.select(forward, strike);
    let larger = larger_d.less(zero).select(larger_tail, larger_all - larger_tail);
    let out_of_money = (larger - under.select(tail2, tail1)).or_zero();
    let exercise = (sign * (forward - strike)).or_zero();
    let price = discount * (out_of_money + exercise);

    let left = density * mills1;
    let probability = (sign * d1).less(zero).select(left, one - left);
    let delta = sign * discount * probability;

    // The rate that is in the discount factor; no time is spent on it where nothing is discounted.
    let over_root = vol * over_deviation;
    let over_years = over_root * over_root;
    let rate = if discount.equal(one).not().any() { (zero - ln_ratio(discount, one)) * over_years } else { zero };

    let half_over_years = over_years * 0.5;
    let over_vol = root * over_deviation;
    let point_over_vol = over_vol * POINT;
    let discounted_density = discount * density;
    let product = d1 * d2;
    let gamma = discounted_density * over_forward * over_deviation;
    let discounted_weight = discount * weight;
    let vega = discounted_weight * root * POINT;
    let decay = discounted_weight * (vol * 0.5) * over_root;
    let theta = (rate * price - decay) * DAY;
    let rho = years * price * -POINT;
    let vanna = -(discounted_density * d2 * point_over_vol);
    let volga = vega * product * point_over_vol;
    let charm = (discounted_density * d2).fma(half_over_years, rate * delta) * DAY;
    let veta = vega * (product + 1.0).neg_fma(half_over_years, rate) * DAY;
    let speed = -(gamma * over_forward * d1.fma(over_deviation, one));
    let zomma = gamma * (product - 1.0) * point_over_vol;
    let color = gamma * (one - product).fma(half_over_years, rate) * DAY;
    [price, delta, gamma, vega, theta, rho, vanna, volga, charm, veta, speed, zomma, color]
}

/// Which options of a part have no time or no volatility left, as bits.
#[inline(always)]
pub(super) fn void<S: Lanes>(lanes: S, options: &Options, part: usize) -> u32 {
    Real::load(lanes, &options.over_deviation, part).equal(Real::splat(lanes, f64::INFINITY)).bits()
}

/// Puts the limits into the columns for the options of a block that are marked in `marks`.
#[cold]
#[inline(never)]
pub(super) fn put_limits(options: &Options, marks: u32, columns: &mut [Block; OUTPUTS]) {
    for lane in (0..LANES).filter(|lane| marks >> lane & 1 == 1) {
        let (sign, inputs) = options.lane(lane);
        for (column, value) in columns.iter_mut().zip(limits(sign, &inputs)) {
            column.0[lane] = value;
        }
    }
}

/// Price and Greeks without time or volatility: the limits of the formulas as volatility, and then time, goes to zero.
///
/// Away from the strike, what exercise would give, discounted. At the strike gamma and its derivatives grow without bound, and
/// the limit is infinite; nothing is ever not a number.
pub(super) fn limits(sign: f64, inputs: &Inputs) -> [f64; OUTPUTS] {
    let Inputs { forward, strike, years, vol, discount } = *inputs;
    let side = sign * (forward - strike);
    let price = if side > 0.0 { discount * side } else { 0.0 };
    let share = if side > 0.0 {
        1.0
    } else if side < 0.0 {
        0.0
    } else {
        0.5
    };
    let delta = sign * discount * share;
    // A discount at no distance in time holds no rate.
    let rate = if years > 0.0 { (0.0 - super::functions::ln(discount)) / years } else { 0.0 };
    let rho = -(years * price * POINT);
    let (theta, charm) = (rate * price * DAY, rate * delta * DAY);
    if side != 0.0 {
        return [price, delta, 0.0, 0.0, theta, rho, 0.0, 0.0, charm, 0.0, 0.0, 0.0, 0.0];
    }
    let infinity = f64::INFINITY;
    let root = years.sqrt();
    let peak = discount * INVERSE_SQRT_TWO_PI;
    let vega = peak * forward * root * POINT;
    let vanna = 0.5 * peak * root * POINT;
    if years > 0.0 {
        let drift = rate + 0.5 / years;
        let color = if drift == 0.0 { 0.0 } else { infinity.copysign(drift) };
        let veta = vega * (rate - 0.5 / years) * DAY;
        return [price, delta, infinity, vega, theta, rho, vanna, 0.0, charm, veta, -infinity, -infinity, color];
    }
    // Decay per time left is unbounded at the strike if there is volatility.
    let decay = if vol > 0.0 { -infinity } else { 0.0 };
    let charm = if vol > 0.0 { -infinity } else { 0.0 };
    [price, delta, infinity, 0.0, decay, 0.0, 0.0, 0.0, charm, -infinity, -infinity, -infinity, infinity]
}
