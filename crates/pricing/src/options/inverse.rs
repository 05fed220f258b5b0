//! Black's formula backwards, for every vector width.
//!
//! With X = |ln(F/K)|, s = σ√T, t = s/2 and a = X/s, the value of the option out of the money as a share of the smaller of F and K is
//!
//!   u(s) = n(z) × [m(a − t) − m(a + t)],   z = t − a,   u′(s) = n(z),
//!
//! m the Mills ratio. What is solved is ln u(s) = ln u, where the exponent −z²/2 stands by itself and nothing under- or overflows.
//! Where s > √(2X) and u is not small, it is ln(1 − u(s)) = ln(1 − u) with 1 − u(s) = n(z) × [m(t − a) + m(a + t)]: there the
//! information is in what the price lacks. Where X and s are small the difference of Mills ratios is their Taylor series around a,
//! because it would cancel. Householder's iteration with three derivatives gains four times the digits in each step.

use super::functions::{INVERSE_SQRT_TWO_PI, ln_ratio, mills, polynomial};
use super::lanes::{Lanes, Mask, Real};

/// √(2π).
const SQRT_TWO_PI: f64 = 2.506_628_274_631_000_7;
/// Shares of the largest possible value under this carry no usable volatility.
pub(super) const SMALLEST_SHARE: f64 = 1e-290;
/// Over this share, and past the point of inflection, the complement is solved for.
const COMPLEMENT_FROM: f64 = 0.25;
/// An option further out of the money than this many deviations has a share under [`SMALLEST_SHARE`].
const FARTHEST: f64 = 40.0;
/// After a step that was this small, relative to s, the error is its fourth power: beyond the last digit.
const CLOSE: f64 = 6e-5;
/// Steps from the cold guess. Two are the rule and three the most ever seen.
const COLD_STEPS: usize = 8;
/// Steps from a warm guess, after which the cold guess is taken.
const WARM_STEPS: usize = 3;

/// The inverse of Bachelier's formula, within 5e-4: a ÷ w as a quotient of polynomials in √w.
const BACHELIER_NUMERATOR: [f64; 4] =
    [0.9992510696998903, 0.3878082801181321, -0.13790836596628867, 0.3111518498681646];
const BACHELIER_DENOMINATOR: [f64; 5] =
    [1.0, 0.3580063625801562, 0.8485529912297942, -0.058773711601516995, 0.21953316385039665];
/// From Bachelier's s to Black's, within 1.6 % for X up to 13.5: coefficients of s², s³, s²X, s⁴, s³X, s²X².
const LOGNORMAL: [f64; 6] = [
    0.04484819803302075,
    -0.015038270281210152,
    -0.00043651905965325484,
    0.01865156864308898,
    -0.0039851581749103145,
    0.0002702435530575868,
];

/// An option out of the money whose deviation is sought.
#[derive(Debug, Clone, Copy)]
pub(super) struct Problem<S: Lanes> {
    /// X = |ln(F/K)|.
    pub(super) moneyness: Real<S>,
    /// |F − K| ÷ the smaller of both.
    pub(super) gap: Real<S>,
    /// u: the value ÷ the smaller of F and K; between [`SMALLEST_SHARE`] and 1.
    pub(super) share: Real<S>,
    /// 1 − u, not rounded through u.
    pub(super) complement: Real<S>,
}

/// Where the solution lies, and what is compared there.
#[derive(Debug, Clone, Copy)]
struct Place<S: Lanes> {
    upper: Mask<S>,
    low: Real<S>,
    high: Real<S>,
    /// √(2π) × u, or × (1 − u).
    target: Real<S>,
    /// 1 − u at the point of inflection s = √(2X), if a share is large; and that point.
    complement_at_inflection: Real<S>,
    inflection: Real<S>,
}

/// σ√T, from a cold guess or from where the last solution was.
#[inline(always)]
pub(super) fn deviation<S: Lanes>(problem: &Problem<S>, warm: Option<Real<S>>) -> Real<S> {
    let place = place(problem);
    let Some(warm) = warm else {
        return improve(problem, &place, guess(problem, &place), COLD_STEPS).0;
    };
    let start = warm.at_least(place.low).at_most(place.high);
    let (s, open) = improve(problem, &place, start, WARM_STEPS);
    if !open.any() {
        return s;
    }
    let again = improve(problem, &place, guess(problem, &place), COLD_STEPS).0;
    open.select(again, s)
}

#[inline(always)]
fn place<S: Lanes>(problem: &Problem<S>) -> Place<S> {
    let x = problem.moneyness;
    let inflection = (x + x).sqrt();
    let large = x.constant(COMPLEMENT_FROM).less(problem.share);
    let complement_at_inflection =
        if large.any() { mills(inflection).fma(x.constant(INVERSE_SQRT_TWO_PI), x.constant(0.5)) } else { inflection };
    let upper = large.and(problem.complement.less(complement_at_inflection));
    // Under the point of inflection, except where both are small: there the Taylor series holds beyond it.
    let high = x.less(x.constant(1.0)).select(inflection.at_least(x.constant(1.4)), inflection);
    Place {
        upper,
        low: upper.select(inflection, x * (1.0 / FARTHEST)),
        high: upper.select(x.constant(1e3), high),
        target: upper.select(problem.complement, problem.share) * SQRT_TWO_PI,
        complement_at_inflection,
        inflection,
    }
}

/// Steps until every lane is close. A lane that is close stays as it is, so that its bits do not depend on its neighbours. Gives the
/// lanes that never came close too. What counts is the step before it is held inside its limits, lest a limit pass for a solution.
#[inline(always)]
fn improve<S: Lanes>(problem: &Problem<S>, place: &Place<S>, start: Real<S>, steps: usize) -> (Real<S>, Mask<S>) {
    let mut s = start;
    let mut open = start.equal(start);
    for _ in 0..steps {
        let move_by = step(problem, place, s);
        let close = move_by.abs().less(s * CLOSE);
        // Wherever a bad start would throw it: within a factor of four, and on its side.
        let next = (s + move_by).at_least(s * 0.25).at_most(s * 4.0).at_least(place.low).at_most(place.high);
        s = open.select(next, s);
        open = open.and(close.not());
        if !open.any() {
            break;
        }
    }
    (s, open)
}

/// What is to be added to s.
#[inline(always)]
fn step<S: Lanes>(problem: &Problem<S>, place: &Place<S>, s: Real<S>) -> Real<S> {
    let x = problem.moneyness;
    let over_s = s.constant(1.0) / s;
    let (a, t) = (x / s, s * 0.5);
    let (z, sum) = (t - a, t + a);

    let series = x.less(x.constant(1.0)).and(t.less(t.constant(0.7))).and(place.upper.not());
    let first = mills(series.select(a, z.abs()));
    // u ÷ u′, and its counterpart for the complement, negative because that falls.
    let mut ratio = if series.any() { taylor(first, a, t) } else { first };
    if series.not().any() {
        let second = mills(sum);
        let direct = place.upper.select(-(first + second), first - second);
        ratio = series.select(ratio, direct);
    }

    let error = (z * -0.5).fma(z, ln_ratio(ratio.abs(), place.target));
    let over_ratio = s.constant(1.0) / ratio;
    let slope = -(z * sum * over_s);
    let a_over_s = a * over_s;
    let bend = (a_over_s * a_over_s).fma(s.constant(-3.0), s.constant(-0.25));
    let newton = -(error * ratio);
    let second = slope - over_ratio;
    let third = slope.fma(slope, bend) + over_ratio * (over_ratio + over_ratio - slope * 3.0);
    let above = (second * 0.5).fma(newton, s.constant(1.0));
    let below = (third * (1.0 / 6.0)).fma(newton, second).fma(newton, s.constant(1.0));
    newton * (above / below)
}

/// m(a − t) − m(a + t) = 2t Σ Y⁽²ᵏ⁺¹⁾ t²ᵏ ÷ (2k + 1)!, with Y(z) = m(−z) at z = −a. From Y′ = 1 + zY and Y⁽ⁿ⁺¹⁾ = zY⁽ⁿ⁾ + nY⁽ⁿ⁻¹⁾
/// follow Y‴ = (z² + 3)Y′ − 1 and Y⁽ⁿ⁺²⁾ = (z² + 2n + 1)Y⁽ⁿ⁾ − n(n − 1)Y⁽ⁿ⁻²⁾. For X < 1 and t < 0.7 what is left out is under 3e-17.
#[inline(always)]
fn taylor<S: Lanes>(mills_at_a: Real<S>, a: Real<S>, t: Real<S>) -> Real<S> {
    let square = a * a;
    let first = a.neg_fma(mills_at_a, a.constant(1.0));
    let mut odd = [first; TERMS];
    odd[1] = (square + 3.0).fma(first, a.constant(-1.0));
    for k in 2..TERMS {
        let n = (2 * k - 1) as f64;
        let before = odd[k - 2] * (n * (n - 1.0));
        odd[k] = (square + (2.0 * n + 1.0)).fma(odd[k - 1], -before);
    }
    let t_square = t * t;
    let t_fourth = t_square * t_square;
    let chain = |top: usize| {
        let mut sum = odd[top] * INVERSE_FACTORIALS[top];
        let mut k = top;
        while k >= 2 {
            k -= 2;
            sum = sum.fma(t_fourth, odd[k] * INVERSE_FACTORIALS[k]);
        }
        sum
    };
    chain(TERMS - 1).fma(t_square, chain(TERMS - 2)) * (t + t)
}

/// Terms of the Taylor series; even.
const TERMS: usize = 12;

/// 1 ÷ (2k + 1)!.
const INVERSE_FACTORIALS: [f64; TERMS] = {
    let mut inverses = [1.0; TERMS];
    let (mut factorial, mut k) = (1.0, 1);
    while k < TERMS {
        factorial *= (2 * k * (2 * k + 1)) as f64;
        inverses[k] = 1.0 / factorial;
        k += 1;
    }
    inverses
};

/// A guess within 2 % below the point of inflection and within 9 % above.
#[inline(always)]
fn guess<S: Lanes>(problem: &Problem<S>, place: &Place<S>) -> Real<S> {
    // In Bachelier's model a depends on one number, v. At the strike both X and the gap are none; any small number will do for both.
    let small = problem.gap.constant(1e-25);
    let one = problem.gap.constant(1.0);
    let v = problem.gap.at_least(small) / (problem.share * SQRT_TWO_PI);
    let w = v.less(v.constant(1e-6)).select(v, ln_ratio(one + v, one));
    let root = w.sqrt();
    let a = w * polynomial(root, &BACHELIER_NUMERATOR) / polynomial(root, &BACHELIER_DENOMINATOR);
    let s = problem.moneyness.at_least(small) / a;
    let x = problem.moneyness.at_most(s.constant(13.5));
    let [s2, s3, s2x, s4, s3x, s2x2] = LOGNORMAL;
    let by_x = x.fma(x.constant(s2x2), x.constant(s2x)).fma(x, x.constant(s2));
    let by_s = x.fma(x.constant(s3x), s.fma(s.constant(s4), s.constant(s3)));
    let factor = (s * s).fma(by_s.fma(s, by_x), one).at_least(one).at_most(s.constant(2.0));
    let lower = (s * factor).at_least(place.low).at_most(place.high);
    if !place.upper.any() {
        return lower;
    }
    // Above the point of inflection u is nearly that of a normal law in s, matched at the point.
    let x = problem.moneyness;
    let half_root = (x * 0.5).sqrt();
    let tail = super::functions::density_lanes(half_root) * mills(half_root);
    let probability = (problem.complement / place.complement_at_inflection * tail).at_most(x.constant(0.499_999_9));
    let y = (ln_ratio(probability, one) * -2.0).sqrt();
    let above = polynomial(y, &[2.515517, 0.802853, 0.010328]);
    let quantile = y - above / polynomial(y, &[1.0, 1.432788, 0.189269, 0.001308]);
    place.upper.select((quantile * 2.0).at_least(place.inflection), lower)
}
