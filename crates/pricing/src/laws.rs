//! Laws of chance: the normal, chi-squared and binomial ones.

#![allow(clippy::excessive_precision, reason = "coefficients stand as they were published")]

pub use crate::options::functions::{normal_density, normal_distribution};
use std::f64::consts::PI;
use units::math::{exp, ln, ln_gamma, sqrt};

fn ratio(x: f64, over: &[f64], under: &[f64]) -> f64 {
    let horner = |list: &[f64]| list.iter().fold(0.0, |sum, coefficient| sum * x + coefficient);
    horner(over) / horner(under)
}

/// The inverse of [`normal_distribution`]: Acklam's approximation and one step of Halley's method. Infinite at 0 and 1.
#[must_use]
pub fn normal_quantile(probability: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0];
    if probability <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if probability >= 1.0 {
        return f64::INFINITY;
    }
    let rough = if probability < 0.02425 {
        let q = sqrt(-2.0 * ln(probability));
        ratio(q, &C, &D)
    } else if probability > 1.0 - 0.02425 {
        let q = sqrt(-2.0 * ln(1.0 - probability));
        -ratio(q, &C, &D)
    } else {
        let q = probability - 0.5;
        q * ratio(q * q, &A, &B)
    };
    let error = normal_distribution(rough) - probability;
    let step = error * sqrt(2.0 * PI) * exp(rough * rough / 2.0);
    rough - step / (1.0 + rough * step / 2.0)
}

/// The probability that the sum of `degrees` squared standard normal numbers is over `x`; one where `x` is not over zero.
///
/// The regularised upper incomplete gamma function at (degrees ÷ 2, x ÷ 2): by its series (Abramowitz and Stegun 6.5.29) up to the mean,
/// by the continued fraction (6.5.31) beyond.
#[must_use]
pub fn chi_squared_tail(x: f64, degrees: u32) -> f64 {
    let (a, x) = (f64::from(degrees) / 2.0, x / 2.0);
    if x <= 0.0 || degrees == 0 {
        return if degrees == 0 { 0.0 } else { 1.0 };
    }
    let scale = exp(a * ln(x) - x - ln_gamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum, mut at) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-17 {
            at += 1.0;
            term *= x / at;
            sum += term;
        }
        return (1.0 - scale * sum).max(0.0);
    }
    let fraction = continued(x + 1.0 - a, |step| {
        let step = f64::from(step);
        (-step * (step - a), x + 1.0 - a + 2.0 * step)
    });
    scale / fraction
}

/// The probability that of `count` independent trials that succeed with `chance` no more than `most` succeed.
///
/// The regularised incomplete beta function (Abramowitz and Stegun 26.5.24) by its continued fraction.
#[must_use]
pub fn binomial_at_most(count: u64, chance: f64, most: u64) -> f64 {
    if most >= count || chance <= 0.0 {
        return 1.0;
    }
    if chance >= 1.0 {
        return 0.0;
    }
    incomplete_beta(1.0 - chance, (count - most) as f64, most as f64 + 1.0)
}

/// The probability that of `count` independent trials that succeed with `chance` exactly `successes` succeed.
#[must_use]
pub fn binomial_exactly(count: u64, chance: f64, successes: u64) -> f64 {
    let (n, k) = (count as f64, successes as f64);
    if successes > count || !(0.0..=1.0).contains(&chance) {
        return 0.0;
    }
    let ways = ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
    let part = |power: f64, of: f64| if power == 0.0 { 0.0 } else { power * ln(of) };
    exp(ways + part(k, chance) + part(n - k, 1.0 - chance))
}

/// I_x(a, b).
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    // The fraction converges fast on this side of the mean; on the other one the law is looked at from its other end.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let scale = exp(ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * ln(x) + b * ln(1.0 - x)) / a;
    // Abramowitz and Stegun 26.5.8.
    let fraction = continued(1.0, |step| {
        let half = f64::from(step / 2);
        let numerator = if step % 2 == 0 {
            half * (b - half) * x / ((a + 2.0 * half - 1.0) * (a + 2.0 * half))
        } else {
            -(a + half) * (a + b + half) * x / ((a + 2.0 * half) * (a + 2.0 * half + 1.0))
        };
        (numerator, 1.0)
    });
    (scale / fraction).clamp(0.0, 1.0)
}

/// first + n₁ ÷ (d₁ + n₂ ÷ (d₂ + …)), by the method of Lentz and Thompson.
fn continued(first: f64, terms: impl Fn(u32) -> (f64, f64)) -> f64 {
    const SMALL: f64 = 1e-300;
    let keep = |value: f64| if value.abs() < SMALL { SMALL } else { value };
    let mut value = keep(first);
    let (mut over, mut under) = (value, 0.0);
    for step in 1..10_000 {
        let (numerator, denominator) = terms(step);
        under = 1.0 / keep(denominator + numerator * under);
        over = keep(denominator + numerator / over);
        let factor = over * under;
        value *= factor;
        if (factor - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        // From Python's math.erfc, which is the C library's.
        for (x, expected) in [
            (0.0, 0.5),
            (0.3, 0.617_911_422_188_952_7),
            (1.0, 0.841_344_746_068_542_9),
            (1.959_963_984_540_054, 0.975),
            (-3.0, 0.001_349_898_031_630_094_5),
            (-6.0, 9.865_876_450_376_98e-10),
            (-10.0, 7.619_853_024_160_525e-24),
        ] {
            let found = normal_distribution(x);
            assert!((found / expected - 1.0).abs() < 3e-14, "{x}: {found} is not {expected}");
        }
        for at in 1..1_000 {
            let probability = f64::from(at) / 1_000.0;
            assert!((normal_distribution(normal_quantile(probability)) - probability).abs() < 1e-14, "{probability}");
        }
        assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-13);
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!((normal_distribution(-40.0), normal_distribution(40.0)), (0.0, 1.0));
    }

    /// Critical values of the tables, and closed forms: exp(−x ÷ 2) for two degrees, twice the normal tail for one.
    #[test]
    fn chi_squared_tails_are_those_of_the_tables() {
        for (degrees, critical, tail) in
            [(1, 3.841_459, 0.05), (1, 6.634_897, 0.01), (2, 5.991_465, 0.05), (10, 23.209_251, 0.01)]
        {
            assert!((chi_squared_tail(critical, degrees) - tail).abs() < 1e-7);
        }
        for step in 1..400 {
            let x = f64::from(step) / 10.0;
            let one = 2.0 * normal_distribution(-sqrt(x));
            for (found, expected) in [(chi_squared_tail(x, 1), one), (chi_squared_tail(x, 2), exp(-x / 2.0))] {
                assert!((found / expected - 1.0).abs() < 1e-12, "{x}: {found} is not {expected}");
            }
        }
        assert_eq!((chi_squared_tail(0.0, 3), chi_squared_tail(-1.0, 3)), (1.0, 1.0));
    }

    #[test]
    fn a_binomial_distribution_is_the_sum_of_its_probabilities() {
        for (count, chance) in [(1, 0.5), (10, 0.3), (108, 0.01), (250, 0.01), (1_000, 0.05), (60, 0.999)] {
            let mut sum = 0.0;
            for most in 0..=count {
                sum += binomial_exactly(count, chance, most);
                let found = binomial_at_most(count, chance, most);
                assert!((found - sum).abs() < 1e-11, "{count} {chance} {most}: {found} is not {sum}");
            }
            assert!((sum - 1.0).abs() < 1e-11);
        }
        assert_eq!(binomial_at_most(5, 0.0, 0), 1.0);
        assert_eq!(binomial_at_most(5, 1.0, 4), 0.0);
    }
}
