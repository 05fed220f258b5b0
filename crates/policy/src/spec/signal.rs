//! Where conviction comes from, and what a unit of the price is.

use crate::expression::Expression;
use units::{Duration, Ratio};

/// Where conviction comes from, and when it may be acted on again.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// The indicator.
    pub kind: SignalKind,
    /// Which sides may be taken.
    pub sides: Sides,
    /// After a campaign closed while its signal is still on: wait until it is issued anew (default), or re-enter at once.
    pub reentry: Reentry,
    /// Nothing is opened or added but while this holds.
    pub when: Option<Expression>,
}

/// The indicator behind a signal.
#[derive(Debug, Clone, PartialEq)]
pub enum SignalKind {
    /// Always the same conviction.
    Constant {
        /// From -1 to 1.
        strength: Ratio,
    },
    /// Long while the fast average is over the slow one, short while under.
    EmaCross {
        /// Bars of this length, UTC-aligned.
        bar: Duration,
        /// Span of the fast average in bars (α = 2 ÷ (span + 1)).
        fast: u32,
        /// Span of the slow average in bars.
        slow: u32,
    },
    /// A recorded series of convictions, held between -1 and 1: `series = "signal.btc"`.
    Series {
        /// Its name.
        name: String,
        /// An older conviction opens and adds nothing; what is held stays.
        max_age: Duration,
    },
    /// Time-series momentum: long when the close is over the one `lookback` bars before, short when under.
    /// T. Moskowitz, Y. H. Ooi, L. H. Pedersen, Time series momentum, J. Financial Economics 104 (2012).
    Momentum {
        /// Bars of this length, UTC-aligned.
        bar: Duration,
        /// Bars looked back.
        lookback: u32,
    },
    /// Long from a close over the highest high of `entry` bars until a close under the lowest low of `exit` bars; short mirrored.
    Donchian {
        /// Bars of this length, UTC-aligned.
        bar: Duration,
        /// Channel that opens, in bars.
        entry: u32,
        /// Channel that closes, in bars.
        exit: u32,
    },
}

impl SignalKind {
    pub(crate) fn series(&self) -> Option<&str> {
        match self {
            Self::Series { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// Which sides may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// Long and short.
    Both,
    /// Long only: a short signal is flat.
    Long,
    /// Short only.
    Short,
}

/// When a signal that is still on may open a campaign again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reentry {
    /// Once it is issued anew.
    NewSignal,
    /// At once.
    AtOnce,
}

/// The volatility unit N, in price terms.
#[derive(Debug, Clone, PartialEq)]
pub enum UnitSource {
    /// Average true range: `atr(20, 1d)`, Wilder's smoothing over that many bars.
    AverageTrueRange {
        /// Bars averaged.
        bars: u32,
        /// Bars of this length, UTC-aligned.
        bar: Duration,
    },
    /// The implied daily move: price × volatility ÷ √365, of a series: `implied_move(dvol.btc)`.
    ImpliedMove {
        /// The series' name.
        series: String,
        /// Older values are not used.
        max_age: Duration,
    },
    /// A share of the price: `of_price(100%)`. A stop at one such unit over the price of what was sold is at twice the premium.
    OfPrice {
        /// Over 0.
        share: Ratio,
    },
}

impl UnitSource {
    pub(crate) fn series(&self) -> Option<&str> {
        match self {
            Self::ImpliedMove { series, .. } => Some(series),
            Self::AverageTrueRange { .. } | Self::OfPrice { .. } => None,
        }
    }
}
