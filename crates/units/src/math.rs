//! The only source of transcendental functions in the workspace.
//!
//! `f64::ln` and its kin call the platform's C library, which differs between platforms in the last bits; a
//! different bit can become a different order. These come from `libm`, pure Rust, the same everywhere.
//! [`sqrt`] is correctly rounded by IEEE 754 and so needs no such care.

/// Natural logarithm.
#[must_use]
#[inline]
pub fn ln(x: f64) -> f64 {
    libm::log(x)
}

/// Natural logarithm of `a ÷ b`, both over zero: near one, as of one price after another, from their difference, to one unit in the
/// last place where a difference of logarithms has lost half of its digits.
#[must_use]
#[inline]
pub fn ln_ratio(a: f64, b: f64) -> f64 {
    // ln(a ÷ b) = 2 artanh s = 2 s (1 + s² ÷ 3 + s⁴ ÷ 5 + …); under a thousandth the next term is less than the last place.
    let s = (a - b) / (a + b);
    if s.abs() >= 1e-3 {
        return ln(a / b);
    }
    let (twice, square) = (s + s, s * s);
    twice + twice * square * (1.0 / 3.0 + square * 0.2)
}

/// e to the power of `x`.
#[must_use]
#[inline]
pub fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// `base` to the power of `exponent`.
#[must_use]
#[inline]
pub fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}

/// Natural logarithm of the gamma function's size.
#[must_use]
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// Sine and cosine of an angle in radians.
#[must_use]
pub fn sin_cos(x: f64) -> (f64, f64) {
    libm::sincos(x)
}

/// Square root.
#[must_use]
#[inline]
pub fn sqrt(x: f64) -> f64 {
    x.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exact quotient's logarithm, by Python's `decimal` with fifty digits, rounded once.
    #[test]
    fn a_ratio_near_one_keeps_its_digits() {
        for (a, b, exact) in [
            (60001.3, 60000.7, 9.999833336291405e-06),
            (50000.1, 50000.0, 1.9999979999735627e-06),
            (99999999.5, 100000000.0, -5.0000000125e-09),
            (1.0019, 1.0, 0.0018981972830802655),
            (1.0021, 1.0, 0.00209779808214612),
            (4.0, 1.0, 1.3862943611198906),
            (0.5, 3.0, -1.791759469228055),
            (7.25, 7.25, 0.0),
        ] {
            let off = (ln_ratio(a, b) - exact).abs();
            // Beyond a thousandth the quotient is rounded first.
            let most = if (a - b).abs() < 2e-3 * b { exact.abs() * 3e-16 } else { 2.3e-16 };
            assert!(off <= most, "{a} {b}: {} {exact}", ln_ratio(a, b));
        }
        assert_eq!(ln_ratio(3.0, 3.0), 0.0);
        let difference = ln(60_001.3) - ln(60_000.7);
        assert!((difference - ln_ratio(60_001.3, 60_000.7)).abs() > 1e-16, "a difference of logarithms is off");
    }
}
