//! Black's formula with twelve Greeks, written once for every vector width.

use super::contract::Inputs;
use super::functions::{INVERSE_SQRT_TWO_PI, density_lanes, ln_ratio, mills};
use super::greeks::{DAY, POINT};
use super::lanes::{Block, LANES, Lanes, Real};

/// Price and Greeks.
pub(super) const OUTPUTS: usize = 13;

/// A block of options, column by column. Each number lies in its field's range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options<'a> {
    /// +1 for a call, −1 for a put.
    pub(super) sign: &'a Block,
    pub(super) forward: &'a Block,
    pub(super) strike: &'a Block,
    pub(super) years: &'a Block,
    pub(super) vol: &'a Block,
    pub(super) discount: &'a Block,
}

impl Options<'_> {
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
pub(super) fn evaluate<S: Lanes>(lanes: S, options: &Options<'_>, part: usize) -> ([Real<S>; OUTPUTS], u32) {
    let load = |block: &Block| Real::load(lanes, block, part);
    let (forward, strike, years) = (load(options.forward), load(options.strike), load(options.years));
    let (sign, vol, discount) = (load(options.sign), load(options.vol), load(options.discount));
    let zero = Real::splat(lanes, 0.0);
    let one = Real::splat(lanes, 1.0);

    let root = years.sqrt();
    let deviation = vol * root;
    let over_deviation = one / deviation;
    let over_forward = one / forward;
    let moneyness = ln_ratio(forward, strike);
    let half = deviation * 0.5;
    let d1 = moneyness.fma(over_deviation, half);
    let d2 = moneyness.fma(over_deviation, -half);
    let density = density_lanes(d1);
    let mills1 = mills(d1.abs());
    let weight = forward * density;
    // F N(−|d₁|) and K N(−|d₂|).
    let tail1 = weight * mills1;
    let tail2 = weight * mills(d2.abs());

    // Out of the money: a call under the strike, else a put. Of its two terms the smaller is a tail always.
    let under = moneyness.less(zero);
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
    let values = [price, delta, gamma, vega, theta, rho, vanna, volga, charm, veta, speed, zomma, color];
    (values, deviation.equal(zero).bits())
}

/// Which options of a part have no time or no volatility left, as bits.
#[inline(always)]
pub(super) fn void<S: Lanes>(lanes: S, options: &Options<'_>, part: usize) -> u32 {
    let zero = Real::splat(lanes, 0.0);
    (Real::load(lanes, options.years, part) * Real::load(lanes, options.vol, part)).equal(zero).bits()
}

/// Puts the limits into the columns for the options of a block that are marked in `marks`.
#[cold]
#[inline(never)]
pub(super) fn put_limits(options: &Options<'_>, marks: u32, columns: &mut [Block; OUTPUTS]) {
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
