//! Where a number is at a level: the one slack that limits and comparisons have.

/// By so large a part of the larger of the two a number may miss a level and is still at it. What is compared is reckoned in binary
/// fractions, in which no tenth is exact: 90 of 100 are a drawdown of 9.999999999999998 %, and 100.3 − 100 is
/// 0.2999999999999972. The part is over what a difference of two prices of seven digits and cents loses, and under what any
/// instrument trades in.
pub const SLACK: f64 = 1e-9;

/// Whether a value has reached a level from below: it is over it, or at it.
#[must_use]
#[inline]
pub fn is_reached(value: f64, level: f64) -> bool {
    value >= turn(level)
}

/// The least value that has reached a level which is not negative.
#[must_use]
#[inline]
pub fn turn(level: f64) -> f64 {
    level * (1.0 - SLACK)
}

/// Whether two numbers count as the same.
#[must_use]
#[inline]
pub(crate) fn is_same(left: f64, right: f64) -> bool {
    left == right || (left - right).abs() <= SLACK * left.abs().max(right.abs())
}

#[cfg(test)]
mod tests {
    use super::{is_reached, is_same};

    /// Every drawdown of a whole percent is reached by the fall that makes it, and by none that is a hundredth of a percent less.
    #[test]
    fn a_fall_to_the_level_has_reached_it() {
        for percent in 1..100_u32 {
            let (fall, level) = (f64::from(percent) * (1.0 / 100.0), format!("0.{percent:02}").parse::<f64>());
            let Ok(level) = level else { panic!("{percent}") };
            assert!(
                is_reached(fall, level) && is_reached((100.0 - f64::from(100 - percent)) / 100.0, level),
                "{percent}"
            );
            assert!(!is_reached(fall - 0.0001, level), "{percent}");
        }
    }

    #[test]
    fn what_tenths_leave_of_prices_is_the_same() {
        assert!(is_same(100.3 - 100.0, 0.3) && is_same(65_000.3 - 65_000.0, 0.3) && is_same(0.0, -0.0));
        assert!(!is_same(100.31 - 100.0, 0.3) && !is_same(0.0, 1e-300) && !is_same(-0.3, 0.3));
    }
}
