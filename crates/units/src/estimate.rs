//! Estimates: `f64` newtypes that are finite by construction.

use std::fmt;

macro_rules! estimate {
    ($(#[$meta:meta])* $name:ident, $accepts:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
        pub struct $name(f64);

        impl $name {
            /// The estimate, or `None` if it is not finite or outside its domain.
            #[must_use]
            #[inline]
            pub fn new(value: f64) -> Option<Self> {
                let accepts: fn(f64) -> bool = $accepts;
                // A comparison in the registers of doubles, where the value is.
                (value.abs() <= f64::MAX && accepts(value)).then_some(Self(value))
            }

            /// The plain number.
            #[must_use]
            #[inline]
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

estimate! {
    /// Annualised volatility (× √365 days) as a fraction: `0.6` is 60 % a year. Never negative.
    Vol, |value| value >= 0.0
}
estimate! {
    /// A dimensionless estimate: leverage, drawdown, signal strength, a share.
    Ratio, |_| true
}
estimate! {
    /// Time as a fraction of a year of 365 days. Never negative.
    YearFraction, |value| value >= 0.0
}
