//! Between what a margin of a whole portfolio lies while nothing is traded and no option is quoted again.
//!
//! Prices of coins and marks of futures enter such a margin in proportion, so what they do is known at the ends of their ranges. What
//! options are worth in each scenario hangs on forwards, volatilities and time, and of these only time moves: the value of an option
//! grows with the deviation σ√T that it has to its expiry, by no more than [`STEEPEST`] × the forward for each unit of it. No option is
//! priced again.

use super::deribit::DeribitLasting;
use super::derive::Pmrm2Lasting;
use market::Currency;
use std::ops::Add;
use units::Timestamp;

/// The density of the normal law at its middle: ∂B ÷ ∂(σ√T) is F φ(d₁).
pub(crate) const STEEPEST: f64 = 0.398_942_280_401_432_7;
/// What sums of doubles are off by at most, of all that went into them.
pub(crate) const ROUNDING: f64 = 1e-11;

/// What a number lies between.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Span {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Span {
    /// Between two numbers in any order.
    #[must_use]
    pub fn between(a: f64, b: f64) -> Self {
        Self { low: a.min(b), high: a.max(b) }
    }

    /// One number.
    #[must_use]
    pub fn of(value: f64) -> Self {
        Self { low: value, high: value }
    }

    /// A number that is off by so much.
    pub(crate) fn around(value: f64, by: f64) -> Self {
        Self { low: value - by, high: value + by }
    }

    pub(crate) fn wider(self, by: f64) -> Self {
        Self { low: self.low - by, high: self.high + by }
    }

    pub(crate) fn times(self, by: f64) -> Self {
        Self::between(self.low * by, self.high * by)
    }

    /// Both not negative.
    pub(crate) fn product(self, by: Self) -> Self {
        Self { low: self.low * by.low, high: self.high * by.high }
    }

    /// A number ÷ one over zero.
    pub(crate) fn ratio(value: f64, by: Self) -> Self {
        Self::between(value / by.low, value / by.high)
    }

    pub(crate) fn magnitude(self) -> Self {
        let least = self.low.max(-self.high).max(0.0);
        Self { low: least, high: self.low.abs().max(self.high.abs()) }
    }

    /// What an increasing function makes of it.
    pub(crate) fn map(self, of: impl Fn(f64) -> f64) -> Self {
        Self { low: of(self.low), high: of(self.high) }
    }

    pub(crate) fn least(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.min(other.high) }
    }

    pub(crate) fn most(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.max(other.high) }
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }
}

/// Where a future or perpetual may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FutureRange {
    /// The position's row.
    pub row: usize,
    /// Its mark.
    pub mark: Span,
    /// Its profit that is not settled, in what it settles in.
    pub profit: Span,
}

/// Where prices may go.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriceRanges {
    /// Of coins and dollars, in dollars.
    pub prices: Vec<(Currency, Span)>,
    /// Of every position that is no option.
    pub futures: Vec<FutureRange>,
}

impl PriceRanges {
    pub(crate) fn price(&self, currency: Currency) -> Option<Span> {
        self.prices.iter().find(|(known, _)| *known == currency).map(|(_, price)| *price)
    }

    pub(crate) fn future(&self, row: usize) -> Option<&FutureRange> {
        self.futures.iter().find(|future| future.row == row)
    }
}

/// Between what the figures of a margin lie, in what the account settles in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarginRange {
    /// What bears the margin.
    pub equity: Span,
    /// Of what is held, without open orders.
    pub initial: Span,
    /// Under which it is liquidated.
    pub maintenance: Span,
}

/// What of a margin stays until some time.
#[derive(Debug, Clone, PartialEq)]
pub enum LastingMargin {
    /// Deribit's portfolio margin.
    Deribit(Box<DeribitLasting>),
    /// Derive's PMRM-2.
    Derive(Box<Pmrm2Lasting>),
}

impl LastingMargin {
    /// Currencies whose prices it asks for.
    #[must_use]
    pub fn currencies(&self) -> Vec<Currency> {
        match self {
            Self::Deribit(own) => own.currencies(),
            Self::Derive(own) => own.currencies(),
        }
    }

    /// Until when it holds.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        match self {
            Self::Deribit(own) => own.until(),
            Self::Derive(own) => own.until(),
        }
    }

    /// Between what the margin lies while prices stay in their ranges. `None`: a price that is asked for has none.
    #[must_use]
    pub fn range(&self, ranges: &PriceRanges) -> Option<MarginRange> {
        match self {
            Self::Deribit(own) => own.range(ranges),
            Self::Derive(own) => own.range(ranges),
        }
    }
}
