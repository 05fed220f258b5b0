//! Orders: what is sent, what comes back, and the one state machine that both sides share.

use std::fmt;
use units::{AccountId, Cash, Contract, InstrumentId, OrderId, Price, Qty, Side};

/// What the engine asks the venue to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Send an order.
    Place(NewOrder),
    /// Change quantity and prices of a live order, keeping its id.
    Amend {
        /// Which order.
        order: OrderId,
        /// The new total quantity, filled part included.
        qty: Qty,
        /// The new prices; the kind itself stays.
        kind: OrderKind,
    },
    /// Take an order back.
    Cancel {
        /// Which order.
        order: OrderId,
    },
}

/// An order to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOrder {
    /// Client id, derived from the plan that ordered it.
    pub id: OrderId,
    /// For which account.
    pub account: AccountId,
    /// In which instrument.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Unsigned quantity.
    pub qty: Qty,
    /// Market, limit or stop, with its prices.
    pub kind: OrderKind,
    /// May only lower the account's net position.
    pub reduce_only: bool,
    /// Closes or protects a strategy's position. It is not reduce-only where several strategies share an instrument: what
    /// lowers one strategy's position may raise the account's net.
    pub exit: bool,
}

/// Market, limit or stop, with its prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderKind {
    /// Fills at once at what the market gives.
    Market,
    /// Fills at this price or better.
    Limit {
        /// The worst price accepted.
        price: Price,
    },
    /// Becomes a market order once the market trades at the trigger or beyond (at or over it to buy, at or under it to sell).
    Stop {
        /// The trigger.
        trigger: Price,
    },
    /// Becomes a limit order once triggered.
    StopLimit {
        /// The trigger.
        trigger: Price,
        /// The worst price accepted after it.
        price: Price,
    },
}

/// News of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderEvent {
    /// Which order.
    pub order: OrderId,
    /// What happened to it.
    pub update: OrderUpdate,
}

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderUpdate {
    /// The venue has it.
    Accepted,
    /// Its stop was triggered; it now works as a market or limit order.
    Triggered,
    /// An amendment took effect.
    Amended {
        /// The new total quantity.
        qty: Qty,
        /// The new prices.
        kind: OrderKind,
    },
    /// A part or all of it was filled.
    Filled(Fill),
    /// It ended unfilled or partly filled.
    Cancelled(CancelReason),
    /// The venue never took it.
    Rejected(RejectReason),
}

/// One execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Whose.
    pub account: AccountId,
    /// In which instrument.
    pub instrument: InstrumentId,
    /// Bought or sold.
    pub side: Side,
    /// Unsigned quantity.
    pub qty: Qty,
    /// At which price.
    pub price: Price,
    /// The price that the order would have had without spread and slippage: trigger, limit, or the market's own.
    pub reference: Price,
    /// Fee paid, positive; a rebate is negative. In the settlement currency.
    pub fee: Cash,
    /// Whether it rested.
    pub liquidity: Liquidity,
    /// Set when no order of ours caused it.
    pub forced: Option<Forced>,
    /// The venue's number of this execution: later ones of one account have larger numbers, so that a repeated one is
    /// recognised. Zero: the venue gives none.
    pub execution: u64,
}

/// Why the venue changed a position without an order of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forced {
    /// It closed the position for want of margin.
    Liquidation,
    /// The contract expired and was settled in cash.
    Settlement,
    /// The position was there before the first event: taken over at the price that it is carried at.
    Opening,
}

impl Fill {
    /// The signed change of the position.
    #[must_use]
    pub fn signed_qty(&self) -> Qty {
        self.qty.on(self.side)
    }

    /// What the fill cost against its reference price: spread and slippage, positive when worse.
    #[must_use]
    pub fn slippage(&self, contract: Contract) -> Cash {
        contract.profit(self.signed_qty(), self.reference, self.price)
    }
}

/// Whether a fill rested in the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liquidity {
    /// It rested.
    Maker,
    /// It took.
    Taker,
    /// It crossed an order of another strategy of the same account, without the venue.
    Internal,
}

impl fmt::Display for Liquidity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Maker => "maker",
            Self::Taker => "taker",
            Self::Internal => "internal",
        })
    }
}

/// Why an order ended before it was filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// We asked for it.
    Requested,
    /// Reduce-only, and nothing is left to reduce.
    NothingToReduce,
    /// The account was liquidated.
    Liquidated,
    /// At its execution the equity did not cover the initial margin of the position it would have made.
    Margin,
    /// Its contract expired.
    Expired,
    /// At its execution there was not enough of the currency that it gives.
    Funds,
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Requested => "as asked",
            Self::NothingToReduce => "nothing left to reduce",
            Self::Liquidated => "account liquidated",
            Self::Margin => "not enough equity for its initial margin",
            Self::Expired => "its contract expired",
            Self::Funds => "not enough of the currency that it gives",
        })
    }
}

/// Why the venue refused an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    /// Not enough equity for its initial margin.
    Margin,
    /// Reduce-only, but it would not reduce.
    ReduceOnly,
    /// Quantity or price off the instrument's grid or under its minimum.
    Grid,
    /// An id that was used before.
    DuplicateId,
    /// The contract has expired.
    Expired,
    /// Not enough of the currency that it gives.
    Funds,
    /// The account trades no such instrument.
    Instrument,
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Margin => "not enough equity for its initial margin",
            Self::ReduceOnly => "reduce-only, but it would not reduce",
            Self::Grid => "off the instrument's price or quantity grid",
            Self::DuplicateId => "its id was used before",
            Self::Expired => "its contract has expired",
            Self::Funds => "not enough of the currency that it gives",
            Self::Instrument => "the account trades no such instrument",
        })
    }
}

/// Where an order stands. Both sides of the wire run this machine; missed, repeated, late and reordered news
/// converges: what ended stays ended, an acknowledgement never undoes a fill, and a fill counts however late it is told.
/// Which fills are told twice is known by their [number](Fill::execution).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrderState {
    /// Sent, not yet acknowledged.
    #[default]
    Sent,
    /// Resting at the venue.
    Live,
    /// A stop that was triggered and works now.
    Triggered,
    /// Filled whole.
    Filled,
    /// Ended by cancellation.
    Cancelled,
    /// Never taken.
    Rejected,
}

impl OrderState {
    /// Whether nothing more can happen to the order.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Filled | Self::Cancelled | Self::Rejected)
    }

    /// The state after an update; `whole` says whether a fill completes the order. `None`: stale or repeated news, nothing changes.
    #[must_use]
    pub fn after(self, update: &OrderUpdate, whole: bool) -> Option<Self> {
        match update {
            OrderUpdate::Filled(_) if self == Self::Filled => None,
            OrderUpdate::Filled(_) if whole => Some(Self::Filled),
            OrderUpdate::Filled(_) => Some(if self == Self::Sent { Self::Live } else { self }),
            _ if self.is_final() => None,
            OrderUpdate::Accepted => (self == Self::Sent).then_some(Self::Live),
            OrderUpdate::Triggered => (self != Self::Triggered).then_some(Self::Triggered),
            OrderUpdate::Amended { .. } => Some(if self == Self::Sent { Self::Live } else { self }),
            OrderUpdate::Cancelled(_) => Some(Self::Cancelled),
            OrderUpdate::Rejected(_) => (self == Self::Sent).then_some(Self::Rejected),
        }
    }
}
