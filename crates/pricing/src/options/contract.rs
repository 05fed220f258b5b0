//! European options on a forward, and when they expire.

use std::fmt;
use units::{Duration, Timestamp, YearFraction};

pub use units::OptionRight as OptionKind;

/// In what the option is paid for and settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OptionStyle {
    /// In the currency of the strike.
    Linear,
    /// In coin: the premium is a number of coins, and the pay-off is divided by the settlement price.
    Inverse,
}

/// One of the numbers that make an option's price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Price of the forward that settles with the option.
    Forward,
    /// Strike, in the currency of the forward.
    Strike,
    /// Time to expiry in years of 365 days.
    Years,
    /// Volatility a year, as a fraction.
    Vol,
    /// Discount factor to expiry.
    Discount,
    /// Price of the option.
    Price,
    /// Smallest step of the option's price.
    Tick,
}

impl Field {
    /// The values that are accepted, ends included.
    #[must_use]
    pub const fn range(self) -> (f64, f64) {
        match self {
            Self::Forward | Self::Strike => (1e-15, 1e15),
            Self::Years => (0.0, 200.0),
            Self::Vol => (0.0, 100.0),
            Self::Discount => (1e-6, 10.0),
            Self::Price | Self::Tick => (0.0, 1e15),
        }
    }

    /// Below this, time and volatility count as none. A nanosecond is 3.2e-17 years.
    pub(super) const fn negligible(self) -> f64 {
        match self {
            Self::Years => 1e-17,
            Self::Vol => 1e-8,
            _ => 0.0,
        }
    }

    /// `value` if it is a number in range.
    pub(super) fn check(self, value: f64) -> Result<f64, Refusal> {
        let (low, high) = self.range();
        if !(low..=high).contains(&value) {
            return Err(Refusal { field: self, value });
        }
        // Adding zero turns a negative zero into zero.
        Ok(if value < self.negligible() { 0.0 } else { value + 0.0 })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward",
            Self::Strike => "strike",
            Self::Years => "years",
            Self::Vol => "vol",
            Self::Discount => "discount",
            Self::Price => "price",
            Self::Tick => "tick",
        })
    }
}

/// A number that no option can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refusal {
    /// Which number.
    pub field: Field,
    /// What it was.
    pub value: f64,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.field.range();
        match (self.field, self.value) {
            (Field::Years, value) if value < 0.0 => write!(f, "`years` is {value}: the option has expired")?,
            (field, value) => write!(f, "`{field}` is {value}")?,
        }
        write!(f, "; it must lie between {low} and {high}")
    }
}

impl std::error::Error for Refusal {}

/// What prices an option, as it arrives: plain numbers that nobody has checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inputs {
    /// Price of the forward.
    pub forward: f64,
    /// Strike, in the same currency.
    pub strike: f64,
    /// Time to expiry in years of 365 days.
    pub years: f64,
    /// Volatility a year, as a fraction.
    pub vol: f64,
    /// Discount factor to expiry; 1 where nothing is discounted.
    pub discount: f64,
}

/// A European option on a forward with everything that prices it, checked.
///
/// ```
/// use pricing::options::{EuropeanOption, Inputs, OptionKind};
/// let inputs = Inputs { forward: 60_000.0, strike: 65_000.0, years: 0.1, vol: 0.65, discount: 1.0 };
/// let call = EuropeanOption::new(OptionKind::Call, inputs)?;
/// let usd = call.greeks();
/// let coin = usd.in_coin(60_000.0);
/// assert!((coin.price * 60_000.0 - usd.price).abs() < 1e-9);
///
/// let refused = EuropeanOption::new(OptionKind::Call, Inputs { vol: -0.1, ..inputs }).unwrap_err();
/// assert_eq!(refused.to_string(), "`vol` is -0.1; it must lie between 0 and 100");
/// # Ok::<(), pricing::options::Refusal>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EuropeanOption {
    kind: OptionKind,
    inputs: Inputs,
}

impl EuropeanOption {
    /// Checks every number.
    ///
    /// # Errors
    ///
    /// The first number that is not finite or lies outside its range ([`Field::range`]).
    pub fn new(kind: OptionKind, inputs: Inputs) -> Result<Self, Refusal> {
        let inputs = Inputs {
            forward: Field::Forward.check(inputs.forward)?,
            strike: Field::Strike.check(inputs.strike)?,
            years: Field::Years.check(inputs.years)?,
            vol: Field::Vol.check(inputs.vol)?,
            discount: Field::Discount.check(inputs.discount)?,
        };
        Ok(Self { kind, inputs })
    }

    /// Call or put.
    #[must_use]
    pub fn kind(&self) -> OptionKind {
        self.kind
    }

    /// The checked numbers.
    #[must_use]
    pub fn inputs(&self) -> Inputs {
        self.inputs
    }
}

/// The instant at which an option expires, and the window before it over which its settlement price is averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry(Timestamp);

impl Expiry {
    /// Length of the window over which the settlement price is averaged, up to expiry.
    pub const WINDOW: Duration = Duration::from_nanos(30 * 60 * 1_000_000_000);
    const HOUR_OF_DAY: Duration = Duration::from_nanos(8 * 3600 * 1_000_000_000);

    /// 08:00 UTC on the day of `instant`. `None` at the far ends of time, where there is no such hour.
    #[must_use]
    pub fn on_day_of(instant: Timestamp) -> Option<Self> {
        let midnight = instant.nanos().div_euclid(Duration::DAY.nanos()).checked_mul(Duration::DAY.nanos())?;
        midnight.checked_add(Self::HOUR_OF_DAY.nanos()).map(|nanos| Self(Timestamp::from_nanos(nanos)))
    }

    /// When it is.
    #[must_use]
    pub fn at(self) -> Timestamp {
        self.0
    }

    /// Years of 365 days from `now`. `None` once it is past; zero at the instant itself.
    #[must_use]
    pub fn years_from(self, now: Timestamp) -> Option<YearFraction> {
        let left = i128::from(self.0.nanos()) - i128::from(now.nanos());
        YearFraction::new(left as f64 / (365.0 * Duration::DAY.nanos() as f64))
    }

    /// How much of delta and of the premium still moves with the market: 1 until the window opens, then falling linearly to 0 at
    /// expiry, because that share of the settlement average is not yet known.
    ///
    /// Deribit's example: 15 minutes into the window a delta of 1.0 and a mark of 0.3 give a net delta of
    /// 0.5 × 1.0 − 0.5 × 0.3 = 0.35.
    #[must_use]
    pub fn undecided(self, now: Timestamp) -> f64 {
        let left = i128::from(self.0.nanos()) - i128::from(now.nanos());
        (left as f64 / Self::WINDOW.nanos() as f64).clamp(0.0, 1.0)
    }
}
