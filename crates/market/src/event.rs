//! Everything that can wake the engine.

use crate::{Currency, OptionQuote, OrderEvent};
use units::{AccountId, Cash, Duration, InstrumentId, Price, Qty, Rate, SeriesId, Timestamp};

/// One delivery: all events that came together. The engine decides once, after the last of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Input<'a> {
    /// Receipt time: the engine's clock. Never before the previous input's.
    pub at: Timestamp,
    /// Who delivered it.
    pub source: Source,
    /// In the order in which they apply.
    pub events: &'a [Event],
}

/// Who delivered an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Recorded or streamed market data.
    Market,
    /// The venue, about this account: orders, fills, funding paid.
    Venue,
    /// The engine's own request to be woken.
    Timer,
}

/// Everything that can wake the engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A bar that has closed.
    Bar(Bar),
    /// A trade on the tape.
    Trade(Trade),
    /// The venue's mark price.
    Mark(Mark),
    /// A funding rate that falls due now.
    Funding(FundingRate),
    /// What is quoted for an option.
    OptionQuote(OptionQuote),
    /// A value of a recorded series.
    Series(SeriesPoint),
    /// News of one of our orders.
    Order(OrderEvent),
    /// Money moved on an account other than by a fill.
    Cash(CashChange),
    /// What the venue settles an expired contract at.
    Settlement(SettlementPrice),
}

/// Open, high, low and close over an interval. Known at its close, never before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Of which instrument.
    pub instrument: InstrumentId,
    /// When the interval began.
    pub opened: Timestamp,
    /// When it ended.
    pub closed: Timestamp,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Traded amount of the underlying; zero where the source has none.
    pub volume: Qty,
}

/// A trade on the tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    /// Of which instrument.
    pub instrument: InstrumentId,
    /// Its price.
    pub price: Price,
    /// Its size, unsigned.
    pub qty: Qty,
}

/// The venue's mark price: what positions are valued and margined at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Of which instrument.
    pub instrument: InstrumentId,
    /// The mark.
    pub price: Price,
}

/// A funding rate that falls due now: longs pay `rate` × notional at mark (receive it when negative).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FundingRate {
    /// Of which instrument.
    pub instrument: InstrumentId,
    /// For the interval, as a fraction: `0.0001` is one basis point.
    pub rate: Rate,
    /// The interval that it pays for.
    pub interval: Duration,
}

/// A value of a recorded series. Finite by construction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesPoint {
    /// Which series.
    pub series: SeriesId,
    /// The value, in the series' own unit as a plain fraction (a volatility index of 45 % is `0.45`).
    pub value: units::Ratio,
}

/// What the venue settles an expired contract at: public, so that it is told also to an account which holds nothing of it. Where it
/// holds something the fill that closes it has the same price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettlementPrice {
    /// Of which contract.
    pub instrument: InstrumentId,
    /// Its price: of an option what exercise brings, zero where that is nothing.
    pub price: Price,
}

/// Money moved on an account other than by a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CashChange {
    /// Whose.
    pub account: AccountId,
    /// Of which currency.
    pub currency: Currency,
    /// Signed amount of it.
    pub amount: Cash,
    /// Why.
    pub reason: CashReason,
}

/// Why money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CashReason {
    /// Paid in.
    Deposit,
    /// Taken out.
    Withdrawal,
    /// Moved from or to another of our accounts.
    Transfer {
        /// The other account.
        other: AccountId,
    },
    /// Exchanged for another currency of the same account; the other half is a change of its own.
    Conversion {
        /// The other currency.
        other: Currency,
    },
    /// Funding of a position in this instrument.
    Funding {
        /// The instrument.
        instrument: InstrumentId,
        /// The rate applied.
        rate: Rate,
        /// The mark that the notional was taken at.
        mark: Price,
        /// The signed position that paid.
        position: Qty,
    },
}

impl Event {
    /// The order in which events of one instant apply: bars, funding, marks, quotes and series, trades, then news of the account.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Bar(_) => 0,
            Self::Funding(_) => 1,
            Self::Mark(_) => 2,
            Self::OptionQuote(_) => 3,
            Self::Series(_) => 4,
            Self::Trade(_) => 5,
            Self::Order(_) | Self::Cash(_) | Self::Settlement(_) => 6,
        }
    }
}
