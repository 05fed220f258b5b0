//! An order as commands and news of it tell.

use crate::records::OrderRow;
use crate::table::Name;
use market::Bar;
use units::{Price, Qty, Side, Timestamp};

/// What an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Entry,
    Resize,
    /// The unit, from 1.
    Add(u32),
    /// The rung, from 0.
    Rung(u8),
    Stop,
    Exit,
    Cut,
    /// What the venue does, and anything else.
    Other,
}

impl For {
    pub(super) fn of(purpose: &str) -> Self {
        let number = |prefix: &str| purpose.strip_prefix(prefix)?.parse::<u32>().ok();
        match purpose {
            "entry" => Self::Entry,
            "resize" => Self::Resize,
            "stop" => Self::Stop,
            "exit" => Self::Exit,
            "cut" => Self::Cut,
            _ => match (number("add "), number("rung ")) {
                (Some(unit), _) => Self::Add(unit.min(31)),
                (_, Some(rung)) => Self::Rung((rung.clamp(1, 32) - 1) as u8),
                _ => Self::Other,
            },
        }
    }

    /// Whether what fills it was a trigger that the market crossed.
    pub(super) fn is_trigger(self) -> bool {
        matches!(self, Self::Stop | Self::Rung(_) | Self::Add(_))
    }
}

/// What an order waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Now,
    /// A price at this level or over it.
    Over(Price),
    /// A price at this level or under it.
    Under(Price),
}

impl Wait {
    /// Whether a market between two prices meets it.
    pub(super) fn meets(self, low: Price, high: Price) -> bool {
        match self {
            Self::Now => true,
            Self::Over(level) => high >= level,
            Self::Under(level) => low <= level,
        }
    }

    pub(super) fn level(self) -> Option<Price> {
        match self {
            Self::Now => None,
            Self::Over(level) | Self::Under(level) => Some(level),
        }
    }
}

/// An order that has not ended.
#[derive(Debug, Clone)]
pub(super) struct Live {
    /// Plan and place in it.
    pub(super) id: (u64, u64),
    pub(super) strategy: Name,
    pub(super) seat: Option<usize>,
    pub(super) purpose: For,
    pub(super) side: Side,
    pub(super) quantity: Qty,
    pub(super) filled: Qty,
    /// What was sent last, less what was filled since.
    pub(super) left: Qty,
    pub(super) is_limit: bool,
    /// As it was placed.
    pub(super) kind: Name,
    pub(super) price: Option<Price>,
    pub(super) trigger: Option<Price>,
    pub(super) reduce_only: bool,
    pub(super) placed: Timestamp,
    /// What was known of the market when it was placed, or moved to another price.
    pub(super) sent: Timestamp,
    /// Sent in answer to news of the venue, and told to have arrived at the same time.
    pub(super) inside: bool,
    /// Its terms were last set inside a bar.
    pub(super) set_inside: bool,
    pub(super) accepted: bool,
    pub(super) triggered: bool,
    pub(super) cancelling: bool,
    /// When its terms changed last.
    pub(super) changed: Timestamp,
    /// When the market or the venue did something to it last, or it was moved before the market went on.
    pub(super) acted: Timestamp,
}

/// Plan and place in it of `p12-3`.
pub(super) fn id_of(order: &str) -> Option<(u64, u64)> {
    let (plan, number) = order.strip_prefix('p')?.split_once('-')?;
    Some((plan.parse().ok()?, number.parse().ok()?))
}

/// The venue's own: liquidation, settlement, opening. Plans count from 1.
pub(super) fn is_venues((plan, number): (u64, u64)) -> bool {
    plan == 0 && number < 3
}

impl Live {
    pub(super) fn new(id: (u64, u64), seat: Option<usize>, row: &OrderRow, known: Timestamp) -> Self {
        Self {
            id,
            strategy: row.strategy.clone(),
            seat,
            purpose: For::of(&row.purpose),
            side: side_of(&row.side),
            quantity: row.quantity,
            filled: Qty::ZERO,
            left: row.quantity,
            is_limit: &*row.kind == "limit",
            kind: row.kind.clone(),
            price: row.price,
            trigger: row.trigger,
            reduce_only: row.reduce_only,
            placed: row.time,
            sent: known,
            inside: false,
            set_inside: false,
            accepted: false,
            triggered: false,
            cancelling: false,
            changed: row.time,
            acted: Timestamp::MIN,
        }
    }

    pub(super) fn is_market(&self) -> bool {
        self.price.is_none() && self.trigger.is_none()
    }

    /// A stop that closes, at the venue.
    pub(super) fn is_resting_stop(&self) -> bool {
        self.purpose == For::Stop && self.trigger.is_some()
    }

    pub(super) fn open(&self) -> Qty {
        (self.quantity - self.filled).max(Qty::ZERO)
    }

    pub(super) fn signed(&self) -> Qty {
        self.open().on(self.side)
    }

    /// Whether it was sent while a bar ran, and meets only its close. A protective stop meets all that follows an open that is not
    /// beyond it.
    pub(super) fn meets_only_close(&self, bar: &Bar) -> bool {
        let is_guard = self.is_resting_stop() && !self.wait().meets(bar.open, bar.open);
        self.sent > bar.opened && !is_guard
    }

    /// The prices of a bar that it can meet.
    pub(super) fn met_of(&self, bar: &Bar) -> (Price, Price) {
        if self.meets_only_close(bar) { (bar.close, bar.close) } else { (bar.low, bar.high) }
    }

    /// What it waits for now.
    pub(super) fn wait(&self) -> Wait {
        let buys = self.side == Side::Buy;
        match (self.trigger.filter(|_| !self.triggered), self.price) {
            (Some(level), _) if buys => Wait::Over(level),
            (Some(level), _) => Wait::Under(level),
            (None, Some(level)) if buys => Wait::Under(level),
            (None, Some(level)) => Wait::Over(level),
            (None, None) => Wait::Now,
        }
    }
}

pub(super) fn side_of(word: &str) -> Side {
    if word == "buy" { Side::Buy } else { Side::Sell }
}
