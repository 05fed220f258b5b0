//! Fixed-point prices, quantities and money.

use crate::decimal::{self, DecimalError};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use std::str::FromStr;

/// Which way an inexact result goes. No default: the caller owns the loss.
///
/// Never up or down: for a short position, rounding down would make it larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Toward zero: never adds risk to a target.
    TowardZero,
    /// Away from zero: never leaves a reduction short.
    AwayFromZero,
    /// To the nearest, halves away from zero: for display and for the smaller residual of a hedge.
    Nearest,
}

impl Round {
    fn divide(self, numerator: i128, denominator: i128) -> i128 {
        let (quotient, remainder) = (numerator / denominator, numerator % denominator);
        if remainder == 0 {
            return quotient;
        }
        let away = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
        match self {
            Self::TowardZero => quotient,
            Self::AwayFromZero => quotient + away,
            Self::Nearest if remainder.unsigned_abs() * 2 >= denominator.unsigned_abs() => quotient + away,
            Self::Nearest => quotient,
        }
    }

    /// How many whole steps, a positive number, there are in a value: as [`Self::divide`], in half the width.
    #[inline]
    fn steps(self, value: i64, step: i64) -> i64 {
        let (whole, rest) = (value / step, value % step);
        let up = match self {
            Self::TowardZero => false,
            Self::AwayFromZero => rest != 0,
            // Halves away from zero; the rest is less than a step, so the difference fits.
            Self::Nearest => rest.abs() >= step - rest.abs(),
        };
        if up { whole + value.signum() } else { whole }
    }

    /// An estimate within its own last few bits of a whole unit is that unit: 15 × (0.6 ÷ 0.4) ÷ 1.5 is 15, not a unit less.
    fn float(self, value: f64) -> f64 {
        let nearest = round_half_away(value);
        if (value - nearest).abs() <= value.abs() * 4.0 * f64::EPSILON {
            return nearest;
        }
        match self {
            Self::TowardZero => value.trunc(),
            Self::AwayFromZero if value < 0.0 => value.floor(),
            Self::AwayFromZero => value.ceil(),
            Self::Nearest => nearest,
        }
    }
}

/// As `f64::round`, without a call where the processor's baseline has no instruction for it.
#[inline]
fn round_half_away(value: f64) -> f64 {
    // From here on every double is whole; what is no number falls through as well.
    const WHOLE: f64 = (1_u64 << 52) as f64;
    if value.abs() < WHOLE {
        let whole = value as i64 as f64;
        let rest = value - whole;
        let nearest = whole + f64::from(i8::from(rest >= 0.5) - i8::from(rest <= -0.5));
        // Keeps the sign of a negative zero.
        nearest.copysign(value)
    } else {
        value
    }
}

/// Buy or sell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Raises a signed position.
    Buy,
    /// Lowers a signed position.
    Sell,
}

impl Side {
    /// The other side.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// `+1` for a buy, `-1` for a sell.
    #[must_use]
    pub fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        })
    }
}

/// An integer as a double, from its two halves: the compiler's own conversion of wide integers is a slow call, and
/// this one is on the path of every event. Exact under 2^53, else within one unit in the last place.
#[inline]
fn to_double(value: i128) -> f64 {
    // What does not fit is another number once it is narrow: told in fewer instructions than by a conversion that may fail.
    let narrow = value as i64;
    if i128::from(narrow) == value {
        return narrow as f64;
    }
    // Split at 62 bits: both halves then convert as signed integers, in one instruction each.
    let high = (value >> 62) as i64;
    if i128::from(high) == value >> 62 {
        return high as f64 * 4_611_686_018_427_387_904.0 + (narrow & (i64::MAX >> 1)) as f64;
    }
    // What is lost of a number this wide is no part of a double.
    (value >> 64) as i64 as f64 * 18_446_744_073_709_551_616.0
}

macro_rules! fixed {
    ($(#[$meta:meta])* $name:ident, $repr:ty, $scale:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name($repr);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// The largest value that can be kept.
            pub const MAX: Self = Self(<$repr>::MAX);
            /// Decimal places kept.
            pub const SCALE: u32 = $scale;
            /// Raw units in one.
            pub const ONE: $repr = (10 as $repr).pow($scale);

            /// From the raw count of the smallest unit.
            #[must_use]
            #[inline]
            pub const fn from_raw(raw: $repr) -> Self {
                Self(raw)
            }

            /// The raw count of the smallest unit.
            #[must_use]
            #[inline]
            pub const fn raw(self) -> $repr {
                self.0
            }

            /// Whether this is exactly zero.
            #[must_use]
            #[inline]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }

            /// Without its sign. Saturates at the range's end.
            #[must_use]
            #[inline]
            pub const fn abs(self) -> Self {
                Self(self.0.saturating_abs())
            }

            /// -1, 0 or 1.
            #[must_use]
            #[inline]
            pub const fn signum(self) -> i64 {
                self.0.signum() as i64
            }

            /// The sum, or `None` beyond the range.
            #[must_use]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(raw) => Some(Self(raw)),
                    None => None,
                }
            }

            /// Within two units in the last place of an `f64`: for estimates, never for what is owed.
            #[must_use]
            #[inline]
            pub fn approximate(self) -> f64 {
                self.approximate_raw() / Self::ONE as f64
            }

            /// The raw count within one unit in the last place of an `f64`: for shares of amounts of one kind, without a division.
            #[must_use]
            #[inline]
            pub fn approximate_raw(self) -> f64 {
                to_double(i128::from(self.0))
            }

            /// From an estimate, rounded as asked at the last decimal place. `None` if it is not finite or does not fit.
            #[must_use]
            pub fn from_estimate(value: f64, round: Round) -> Option<Self> {
                let scaled = round.float(value * Self::ONE as f64);
                // The largest f64 under the integer's range; anything at or over it would saturate silently.
                (scaled.is_finite() && scaled.abs() < <$repr>::MAX as f64).then_some(Self(scaled as $repr))
            }
        }

        impl Add for $name {
            type Output = Self;
            #[inline]
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl Sub for $name {
            type Output = Self;
            #[inline]
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl Neg for $name {
            type Output = Self;
            #[inline]
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }

        impl AddAssign for $name {
            #[inline]
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }

        impl SubAssign for $name {
            #[inline]
            fn sub_assign(&mut self, other: Self) {
                self.0 -= other.0;
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
                values.fold(Self::ZERO, Add::add)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                decimal::write(f, i128::from(self.0), $scale)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = DecimalError;
            fn from_str(text: &str) -> Result<Self, DecimalError> {
                let raw = decimal::parse(text, $scale)?;
                <$repr>::try_from(raw).map(Self).map_err(|_| DecimalError::TooLarge)
            }
        }
    };
}

fixed! {
    /// Quote currency per unit of the underlying, at 1e-8. Up to 92 billion.
    Price, i64, 8
}
fixed! {
    /// Signed amount of the underlying, at 1e-8. Positive is long or bought. Up to 92 billion.
    Qty, i64, 8
}
fixed! {
    /// Signed value in quote currency, at 1e-16: price × quantity, exactly.
    Notional, i128, 16
}
fixed! {
    /// Signed money in one currency, at 1e-16: fees, funding, margin, profit.
    Cash, i128, 16
}
fixed! {
    /// A dimensionless exact fraction at 1e-12: fee and funding rates, margin rates. `0.0005` is 5 basis points.
    Rate, i64, 12
}

/// A recorded binary double that is not on the instrument's grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OffGrid {
    /// The value as recorded.
    pub value: f64,
}

impl fmt::Display for OffGrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is off the grid", self.value)
    }
}

impl std::error::Error for OffGrid {}

/// The raw fixed-point value of a recorded double that lies on a grid of `step` raw units (`one` raw units to 1).
///
/// A double carries 15 to 17 significant digits; a recorded decimal such as `117017.1` differs from the grid by at
/// most a few units in its last place. Anything further off was not a decimal of this grid.
fn on_grid(value: f64, step: i64, one: i64) -> Result<i64, OffGrid> {
    let scaled = value * one as f64;
    if !scaled.is_finite() || scaled.abs() >= i64::MAX as f64 {
        return Err(OffGrid { value });
    }
    let steps = (scaled / step as f64).round();
    let nearest = (steps as i64).checked_mul(step).ok_or(OffGrid { value })?;
    let tolerance = scaled.abs() * 8.0 * f64::EPSILON;
    if (scaled - nearest as f64).abs() <= tolerance { Ok(nearest) } else { Err(OffGrid { value }) }
}

impl Price {
    /// Takes a recorded binary double that must lie on the tick grid. The only way for a double to become a price.
    pub fn from_recorded(value: f64, tick: Self) -> Result<Self, OffGrid> {
        on_grid(value, tick.0.max(1), Self::ONE).map(Self)
    }

    /// Rounded to the tick grid. `tick` must be positive.
    #[must_use]
    pub fn to_tick(self, tick: Self, round: Round) -> Self {
        Self(round.steps(self.0, tick.0) * tick.0)
    }
}

impl Qty {
    /// Takes a recorded binary double that must lie on the lot grid.
    pub fn from_recorded(value: f64, lot: Self) -> Result<Self, OffGrid> {
        on_grid(value, lot.0.max(1), Self::ONE).map(Self)
    }

    /// Rounded to whole lots. `lot` must be positive.
    #[must_use]
    pub fn to_lot(self, lot: Self, round: Round) -> Self {
        Self(round.steps(self.0, lot.0) * lot.0)
    }

    /// The side of an order that moves a position by this much. `None` for zero.
    #[must_use]
    pub fn side(self) -> Option<Side> {
        match self.0 {
            0 => None,
            raw if raw > 0 => Some(Side::Buy),
            _ => Some(Side::Sell),
        }
    }

    /// This much on a side: negative for a sell.
    #[must_use]
    pub fn on(self, side: Side) -> Self {
        Self(self.0 * side.sign())
    }

    /// A share of this quantity, rounded as asked at 1e-8. `None` if it does not fit.
    #[must_use]
    pub fn scaled(self, share: f64, round: Round) -> Option<Self> {
        let scaled = round.float(self.0 as f64 * share);
        (scaled.is_finite() && scaled.abs() < i64::MAX as f64).then_some(Self(scaled as i64))
    }
}

impl Rate {
    /// Takes a recorded binary double that must lie on a grid of 1e-12.
    pub fn from_recorded(value: f64, step: Self) -> Result<Self, OffGrid> {
        on_grid(value, step.0.max(1), Self::ONE).map(Self)
    }
}

impl Mul<Qty> for Price {
    type Output = Notional;
    /// i64 × i64 always fits i128, and 1e-8 × 1e-8 is exactly 1e-16.
    #[inline]
    fn mul(self, qty: Qty) -> Notional {
        Notional(i128::from(self.0) * i128::from(qty.0))
    }
}

impl Notional {
    /// The same value as money in the quote currency.
    #[must_use]
    #[inline]
    pub const fn cash(self) -> Cash {
        Cash(self.0)
    }

    /// This value times a rate, rounded as asked at 1e-16. `None` beyond the range: never at a rate of at most one,
    /// because whole ones and the rest are multiplied apart (both truncate toward zero, so their signs agree).
    #[must_use]
    pub fn at_rate(self, rate: Rate, round: Round) -> Option<Cash> {
        let (one, rate) = (i128::from(Rate::ONE), i128::from(rate.0));
        let (whole, rest) = (self.0 / one, self.0 % one);
        whole.checked_mul(rate)?.checked_add(round.divide(rest * rate, one)).map(Cash)
    }

    /// The position this notional pays for, rounded as asked. `None` at a zero price, or if it does not fit.
    #[must_use]
    pub fn qty_at(self, price: Price, round: Round) -> Option<Qty> {
        if price.0 == 0 {
            return None;
        }
        i64::try_from(round.divide(self.0, i128::from(price.0))).ok().map(Qty)
    }

    /// A value in coin as a quantity in quote currency at a price, rounded as asked. `None` at a zero price, or if it does not fit.
    pub(crate) fn times_price(self, price: Price, round: Round) -> Option<Qty> {
        let product = self.0.checked_mul(i128::from(price.0)).filter(|_| price.0 != 0)?;
        i64::try_from(round.divide(product, Self::ONE)).ok().map(Qty)
    }
}

impl Cash {
    /// The same amount as a value in this currency.
    #[must_use]
    pub const fn notional(self) -> Notional {
        Notional(self.0)
    }

    /// A step of [`Self::coarse`], 2^38 raw units: about 0.00003.
    pub const COARSE: f64 = (1_u64 << 38) as f64 / Self::ONE as f64;

    /// How many whole steps of [`Self::COARSE`] it is, downwards, within the precision of an `f64`: to compare amounts at little cost.
    /// Not a number beyond 10^14 units, so that any comparison says no.
    #[must_use]
    #[inline]
    pub fn coarse(self) -> f64 {
        // Whole bytes would be read across the halves that were just written, which processors wait for.
        i64::try_from(self.0 >> 38).map_or(f64::NAN, |steps| steps as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn price_times_quantity_is_exact() {
        let price: Price = "117904.1".parse().unwrap();
        let qty: Qty = "-0.346".parse().unwrap();
        assert_eq!((price * qty).to_string(), "-40794.8186");
        assert_eq!((price * qty).qty_at(price, Round::TowardZero), Some(qty));
    }

    #[test]
    fn rounding_is_that_of_the_standard_library() {
        let mut seed = 11_u64;
        let odd = [0.5, 1.5, 2.5, 0.499_999_999_999_999_94, 4_503_599_627_370_495.5, 0.0, 1e300, f64::INFINITY];
        let random = (0..200_000).map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from_bits(seed)
        });
        for value in odd.into_iter().chain(random).filter(|value| !value.is_nan()) {
            for value in [value, -value] {
                assert_eq!(round_half_away(value).to_bits(), value.round().to_bits(), "{value:e}");
            }
        }
        assert!(round_half_away(f64::NAN).is_nan());
    }

    #[test]
    fn steps_are_counted_as_in_wide_division() {
        let mut seed = 5_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 1) as i64
        };
        for _ in 0..100_000 {
            let (value, step) = (random() >> (random() % 40), (random() >> (random() % 60)).max(1));
            for round in [Round::TowardZero, Round::AwayFromZero, Round::Nearest] {
                for value in [value, -value, value / step * step, step / 2, -(step / 2), step - step / 2] {
                    let wide = round.divide(i128::from(value), i128::from(step));
                    assert_eq!(i128::from(round.steps(value, step)), wide, "{value} in steps of {step}, {round:?}");
                }
            }
        }
    }

    #[test]
    fn a_rate_under_one_never_leaves_the_range() {
        let rate: Rate = "0.999999999999".parse().unwrap();
        for raw in [i128::MAX, i128::MIN, 1, -1, 999_999_999_999, -1_000_000_000_001] {
            let up = Notional::from_raw(raw).at_rate(rate, Round::AwayFromZero).unwrap().raw();
            let down = Notional::from_raw(raw).at_rate(rate, Round::TowardZero).unwrap().raw();
            assert!(up.unsigned_abs() <= raw.unsigned_abs() && down.unsigned_abs() < raw.unsigned_abs(), "{raw}");
            assert!((up - down).abs() <= 1, "{raw}: {up} {down}");
        }
        let fee = Notional::from_raw(-1_500_000_000_003).at_rate("0.5".parse().unwrap(), Round::AwayFromZero);
        assert_eq!(fee, Some(Cash::from_raw(-750_000_000_002)));
        assert_eq!(Notional::MAX.at_rate("2".parse().unwrap(), Round::TowardZero), None);
    }

    #[test]
    fn rounding_never_adds_risk_to_a_short() {
        let lot: Qty = "0.001".parse().unwrap();
        let target: Qty = "-0.0019".parse().unwrap();
        assert_eq!(target.to_lot(lot, Round::TowardZero).to_string(), "-0.001");
        assert_eq!(target.to_lot(lot, Round::AwayFromZero).to_string(), "-0.002");
        assert_eq!("0.0015".parse::<Qty>().unwrap().to_lot(lot, Round::Nearest).to_string(), "0.002");
    }

    #[test]
    fn wide_integers_become_the_double_beside_them() {
        let mut seed = 3_u128;
        for shift in 0..127 {
            seed = seed.wrapping_mul(0x2545_F491_4F6C_DD1D).wrapping_add(0x9E37_79B9_7F4A_7C15 << 17);
            for value in [(seed >> (127 - shift)) as i128, -((seed >> (127 - shift)) as i128)] {
                let (ours, exact) = (to_double(value), value as f64);
                assert!((ours - exact).abs() <= exact.abs() * f64::EPSILON, "{value}: {ours} for {exact}");
            }
        }
    }

    #[test]
    fn doubles_off_the_grid_are_refused() {
        let tick: Price = "0.1".parse().unwrap();
        assert_eq!(Price::from_recorded(117_017.1, tick).unwrap().to_string(), "117017.1");
        assert_eq!(Price::from_recorded(117_017.15, tick), Err(OffGrid { value: 117_017.15 }));
        assert!(Price::from_recorded(f64::NAN, tick).is_err());
        assert_eq!(
            Rate::from_recorded(0.006_940_000_000_000_001 / 100.0, Rate::from_raw(1)).unwrap().to_string(),
            "0.0000694"
        );
    }

    #[test]
    fn shows_the_precision_asked_for() {
        let cash: Cash = "-1234.5678".parse().unwrap();
        assert_eq!(format!("{cash:.2}"), "-1234.57");
        assert_eq!(format!("{cash}"), "-1234.5678");
        assert_eq!(format!("{:>8.1}", Qty::from_raw(150_000_000)), "     1.5");
        assert_eq!(format!("{:.2}", Price::from_raw(100_000_000)), "1.00");
    }

    #[test]
    fn estimates_that_do_not_fit_are_refused() {
        assert_eq!(Qty::from_estimate(1e30, Round::TowardZero), None);
        assert_eq!(Qty::from_estimate(f64::NAN, Round::TowardZero), None);
        assert_eq!(Qty::from_estimate(-0.123_456_789, Round::TowardZero).unwrap().to_string(), "-0.12345678");
    }
}
