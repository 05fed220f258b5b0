//! Exponential, logarithm and the normal law, of our own: the same bits at every vector width and on every platform.
//!
//! Relative errors below, in units of 2⁻⁵³, are the largest seen against 40-digit values (`vectors/normal_law.json`) and against
//! against a second implementation; the tests hold them.
//!
//! | function | domain | relative error |
//! | --- | --- | --- |
//! | [`exp`] | −708 to 709; 0 below | 2 |
//! | [`ln`], of a ratio without dividing first | positive, within 2^±1000 | 3 |
//! | [`normal_density`] | all; 0 beyond 37.6 | 3 + d² |
//! | [`normal_distribution`] | all; 0 below −37.6 | 8 + d² on the left, 2 on the right |

use super::lanes::{Lanes, Real, scalar::AnyScalar};

/// 1/√(2π).
pub(super) const INVERSE_SQRT_TWO_PI: f64 = 0.398_942_280_401_432_7;
const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// ln 2 with its last 21 bits zero, so that its product with an exponent is exact.
const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
/// What [`LN_2_HIGH`] lacks.
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// 1.5 × 2⁵²: added and taken away, it rounds to an integer, which stands in the low bits of the sum meanwhile.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// Below this e^y is below the smallest normal number, and counts as 0.
const EXP_LOWEST: f64 = -708.0;

/// (e^r − 1 − r) ÷ r² for |r| ≤ ½ ln 2: minimax, relative error of e^r 3.7e-18.
const EXP_TAIL: [f64; 10] = [
    0.500_000_000_000_001_1,
    0.166_666_666_666_664_13,
    0.041_666_666_666_530_16,
    0.008_333_333_333_494_486,
    0.001_388_888_894_362_907_5,
    0.000_198_412_695_065_196_94,
    2.480_149_309_987_802_3e-5,
    2.755_758_643_034_269e-6,
    2.763_024_806_621_314e-7,
    2.500_004_289_715_690_5e-8,
];

/// (2 artanh z − 2z) ÷ z³ in powers of z², for |z| ≤ 0.2007: minimax, relative error of the logarithm 1.5e-19.
const LN_TAIL: [f64; 8] = [
    0.666_666_666_666_666,
    0.400_000_000_000_590_3,
    0.285_714_285_552_79,
    0.222_222_243_570_732_72,
    0.181_816_623_176_331_3,
    0.153_912_262_073_359_17,
    0.131_717_058_657_523_67,
    0.138_556_984_607_073_33,
];

/// Numerator of the Mills ratio N(−a) ÷ n(a), 0 ≤ a ≤ 40: minimax with [`MILLS_DENOMINATOR`], relative error 6.2e-17. All terms are
/// positive, so that nothing cancels, and it goes over into 1/a beyond.
const MILLS_NUMERATOR: [f64; 10] = [
    1.253_314_137_315_500_1,
    1.943_471_250_206_186_4,
    1.490_708_444_072_95,
    0.726_424_136_033_179_9,
    0.245_419_709_126_995_54,
    0.059_371_472_571_353_8,
    0.010_283_838_607_403_542,
    0.001_234_082_425_381_615_8,
    9.381_174_512_652_255e-5,
    3.492_230_034_691_047_3e-6,
];
const MILLS_DENOMINATOR: [f64; 11] = [
    1.0,
    2.348_550_265_706_614_4,
    2.563_285_249_461_361,
    1.716_494_715_624_692_6,
    0.783_362_603_513_747_4,
    0.255_515_912_918_225_56,
    0.060_598_570_944_759_34,
    0.010_377_650_341_895_495,
    0.001_237_574_655_603_759_4,
    9.381_174_512_453_88e-5,
    3.492_230_034_700_497_6e-6,
];

/// c₀ + c₁x + c₂x² + …: even and odd powers from the top down, two chains that a processor can work on at once.
#[inline(always)]
pub(super) fn polynomial<S: Lanes, const N: usize>(x: Real<S>, coefficients: &[f64; N]) -> Real<S> {
    polynomial_of(x, x * x, coefficients)
}

/// The same, where the square is known.
#[inline(always)]
fn polynomial_of<S: Lanes, const N: usize>(x: Real<S>, square: Real<S>, coefficients: &[f64; N]) -> Real<S> {
    let chain = |top: usize| {
        let mut sum = x.constant(coefficients[top]);
        let mut index = top;
        while index >= 2 {
            index -= 2;
            sum = sum.fma(square, x.constant(coefficients[index]));
        }
        sum
    };
    let (last, other) = (chain(N - 1), chain(N - 2));
    if N % 2 == 1 { other.fma(x, last) } else { last.fma(x, other) }
}

/// e^y; 0 for y < −708.
#[inline(always)]
pub(super) fn exp_lanes<S: Lanes>(y: Real<S>) -> Real<S> {
    let shifted = y.fma(y.constant(LOG2_E), y.constant(ROUNDER));
    let whole = shifted - ROUNDER;
    let r = whole.neg_fma(y.constant(LN_2_HIGH), y);
    let r = whole.neg_fma(y.constant(LN_2_LOW), r);
    let power = (r * r).fma(polynomial(r, &EXP_TAIL), r) + 1.0;
    let scaled = (power.to_bits() + shifted.to_bits().up()).real();
    y.less(y.constant(EXP_LOWEST)).select(y.constant(0.0), scaled)
}

/// ln(a/b), as exact near 1 as elsewhere because the quotient is never rounded: a is brought beside b by a power of two,
/// after which a − b is exact.
#[inline(always)]
pub(super) fn ln_ratio<S: Lanes>(a: Real<S>, b: Real<S>) -> Real<S> {
    let (scaled, exponent) = beside(a, b);
    let z = (scaled - b) / (scaled + b);
    let square = z * z;
    let tail = (z * square).fma(polynomial(square, &LN_TAIL), exponent * LN_2_LOW);
    exponent.fma(z.constant(LN_2_HIGH), z.fma(z.constant(2.0), tail))
}

/// a brought beside b by a power of two, and that power: a = scaled × 2^exponent, and scaled ÷ b lies between √½ and √2, nearly.
#[inline(always)]
fn beside<S: Lanes>(a: Real<S>, b: Real<S>) -> (Real<S>, Real<S>) {
    const BIAS: u64 = 1024;
    const EXPONENT: u64 = 0xFFF0_0000_0000_0000;
    // The difference of the bit patterns is the logarithm to base 2, linear within a power of two; half is for rounding.
    let difference = a.to_bits() - b.to_bits();
    let difference = difference + difference.constant((BIAS << 52) + (1 << 51));
    let exponent = difference.down().or(0x4330_0000_0000_0000).real() - (4_503_599_627_370_496.0 + BIAS as f64);
    let scale = difference.and(EXPONENT) - difference.constant(BIAS << 52);
    ((a.to_bits() - scale).real(), exponent)
}

/// ln a as a sum of two numbers, wrong by 4e-18 at most whatever its size. So what two such logarithms differ by is ln(a/b) to that, and is
/// 0 where a is b: [`ln_ratio`] is better only near b, and is a division and fourteen multiplications for each pair.
#[inline(always)]
pub(super) fn ln_parts<S: Lanes>(a: Real<S>) -> [Real<S>; 2] {
    let one = a.constant(1.0);
    let (scaled, exponent) = beside(a, one);
    let (above, sum) = (scaled - one, scaled + one);
    let z = above / sum;
    // What the sum and the quotient have lost.
    let of_one = sum - scaled;
    let lost = (one - of_one) + (scaled - (sum - of_one));
    let rest = lost.neg_fma(z, z.neg_fma(sum, above)) / sum;
    let square = z * z;
    let tail = (z * square).fma(polynomial(square, &LN_TAIL), exponent * LN_2_LOW);
    // Either the first is the larger or it is none.
    let (whole, near) = (exponent * LN_2_HIGH, z + z);
    let high = whole + near;
    [high, (near - (high - whole)) + rest.fma(z.constant(2.0), tail)]
}

/// n(d).
#[inline(always)]
pub(super) fn density_lanes<S: Lanes>(d: Real<S>) -> Real<S> {
    density_of(d * d)
}

/// n(d) of d².
#[inline(always)]
pub(super) fn density_of<S: Lanes>(square: Real<S>) -> Real<S> {
    exp_lanes(square * -0.5) * INVERSE_SQRT_TWO_PI
}

/// n(d₁), m(|d₁|) and m(|d₂|): the bits of [`density_lanes`] and [`mills`], with one square less.
#[inline(always)]
pub(super) fn normal_law<S: Lanes>(d1: Real<S>, d2: Real<S>) -> [Real<S>; 3] {
    let (square1, square2) = (d1 * d1, d2 * d2);
    let density = density_of(square1);
    // No closures: one that is not inlined is compiled without the instructions.
    let (a1, a2) = (d1.abs(), d2.abs());
    let (first, second) = (mills_parts_of(a1, square1), mills_parts_of(a2, square2));
    [density, first.0 / first.1, second.0 / second.1]
}

/// N(−a) ÷ n(a) for a ≥ 0.
#[inline(always)]
pub(super) fn mills<S: Lanes>(a: Real<S>) -> Real<S> {
    let (numerator, denominator) = mills_parts(a);
    numerator / denominator
}

/// The same as a numerator and a denominator, for a up to 1e20.
#[inline(always)]
pub(super) fn mills_parts<S: Lanes>(a: Real<S>) -> (Real<S>, Real<S>) {
    mills_parts_of(a, a * a)
}

/// The same, where the square is known.
#[inline(always)]
pub(super) fn mills_parts_of<S: Lanes>(a: Real<S>, square: Real<S>) -> (Real<S>, Real<S>) {
    (polynomial_of(a, square, &MILLS_NUMERATOR), polynomial_of(a, square, &MILLS_DENOMINATOR))
}

/// e to the power of `y`, for y up to 709; 0 below −708.
#[must_use]
pub fn exp(y: f64) -> f64 {
    exp_lanes(Real::splat(AnyScalar, y)).raw
}

/// Natural logarithm of a number between 2⁻¹⁰⁰⁰ and 2¹⁰⁰⁰.
#[must_use]
pub fn ln(x: f64) -> f64 {
    ln_ratio(Real::splat(AnyScalar, x), Real::splat(AnyScalar, 1.0)).raw
}

/// Density of the standard normal law.
#[must_use]
pub fn normal_density(d: f64) -> f64 {
    density_lanes(Real::splat(AnyScalar, d)).raw
}

/// Distribution of the standard normal law, with a small relative error in the left tail too.
#[must_use]
pub fn normal_distribution(d: f64) -> f64 {
    let d = Real::splat(AnyScalar, d);
    let tail = (density_lanes(d) * mills(d.abs())).raw;
    if d.raw < 0.0 { tail } else { 1.0 - tail }
}
