//! The open orders of all accounts, and the ids that were used before.

use market::{NewOrder, OrderKind, OrderState, OrderUpdate};
use std::collections::VecDeque;
use units::{AccountId, OrderId, Price, Qty, Side, Timestamp};

/// An open order at the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// As sent and since amended.
    pub order: NewOrder,
    /// How much of it was filled.
    pub filled: Qty,
    /// Where it stands.
    pub state: OrderState,
    /// What was known of the market when it was sent, or last moved to another price: it meets no price of before.
    pub(crate) sent: Timestamp,
    /// Works on paths that end after this instant.
    pub(crate) after: Timestamp,
    pub(crate) arrival: Arrival,
}

/// How a limit order came to the market; decides what it gets when the path begins beyond its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It rested when the market gapped over it: filled at the open, which is better than its price.
    Resting,
    /// It was sent inside a bar, whose close then lay beyond it: a venue would have filled it on the way, at its price.
    Inside,
    /// The market was at or beyond its price when it was sent: it takes.
    Crossing,
}

/// What an order waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing.
    Now,
    /// The path at this price or over it.
    AtOrOver(Price),
    /// The path at this price or under it.
    AtOrUnder(Price),
}

impl Wait {
    /// The price at which a path from `here` to `target` first meets it.
    pub(crate) fn reached(self, here: Price, target: Price) -> Option<Price> {
        match self {
            Self::Now => Some(here),
            Self::AtOrOver(level) if here >= level => Some(here),
            Self::AtOrUnder(level) if here <= level => Some(here),
            Self::AtOrOver(level) => (target >= level).then_some(level),
            Self::AtOrUnder(level) => (target <= level).then_some(level),
        }
    }

    /// Whether a path between two prices meets it anywhere.
    pub(crate) fn meets(self, low: Price, high: Price) -> bool {
        match self {
            Self::Now => true,
            Self::AtOrOver(level) => high >= level,
            Self::AtOrUnder(level) => low <= level,
        }
    }

    /// The price waited for.
    pub(crate) fn level(self) -> Option<Price> {
        match self {
            Self::Now => None,
            Self::AtOrOver(level) | Self::AtOrUnder(level) => Some(level),
        }
    }
}

impl Order {
    /// What is left to fill.
    #[must_use]
    pub fn remaining(&self) -> Qty {
        self.order.qty - self.filled
    }

    /// A stop that closes a position: the kind of order that an account's life depends on.
    #[must_use]
    pub fn is_protective(&self) -> bool {
        self.order.exit && matches!(self.order.kind, OrderKind::Stop { .. })
    }

    /// The limit price, if the order works as a limit order now.
    pub(crate) fn limit(&self) -> Option<Price> {
        match self.order.kind {
            OrderKind::Limit { price } => Some(price),
            OrderKind::StopLimit { price, .. } if self.state == OrderState::Triggered => Some(price),
            OrderKind::Market | OrderKind::Stop { .. } | OrderKind::StopLimit { .. } => None,
        }
    }

    pub(crate) fn wait(&self) -> Wait {
        let (level, buys_over) = match (self.limit(), self.order.kind) {
            (Some(price), _) => (price, false),
            (None, OrderKind::Stop { trigger } | OrderKind::StopLimit { trigger, .. }) => (trigger, true),
            (None, OrderKind::Market | OrderKind::Limit { .. }) => return Wait::Now,
        };
        if (self.order.side == Side::Buy) == buys_over { Wait::AtOrOver(level) } else { Wait::AtOrUnder(level) }
    }

    /// Takes in news of itself, by the state machine that both sides of the wire share.
    pub(crate) fn apply(&mut self, update: &OrderUpdate) {
        if let OrderUpdate::Filled(fill) = update {
            self.filled += fill.qty;
        }
        if let Some(next) = self.state.after(update, self.remaining().is_zero()) {
            self.state = next;
        }
    }
}

/// Open orders by instrument and id, and the ids of orders that ended.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    open: Vec<Vec<Order>>,
    ended: VecDeque<OrderId>,
    newest: Option<OrderId>,
}

impl Book {
    /// Ended ids that are remembered. Ids come from a counter, so that a repeated one is nearly always recent.
    const REMEMBERED: usize = 1024;

    pub(crate) fn new(instruments: usize) -> Self {
        Self { open: vec![Vec::new(); instruments], ended: VecDeque::with_capacity(Self::REMEMBERED), newest: None }
    }

    /// Whether an order of this id is open or ended lately.
    pub(crate) fn knows(&self, id: OrderId) -> bool {
        self.newest.is_some_and(|newest| id <= newest) && (self.find(id).is_some() || self.ended.contains(&id))
    }

    /// Instrument and position of an open order.
    pub(crate) fn find(&self, id: OrderId) -> Option<(usize, usize)> {
        let at = |orders: &Vec<Order>| orders.binary_search_by_key(&id, |open| open.order.id).ok();
        self.open.iter().enumerate().find_map(|(instrument, orders)| Some((instrument, at(orders)?)))
    }

    pub(crate) fn insert(&mut self, order: Order) {
        let orders = &mut self.open[order.order.instrument.index()];
        let at = orders.partition_point(|open| open.order.id < order.order.id);
        orders.insert(at, order);
        self.newest = self.newest.max(Some(order.order.id));
    }

    /// Takes out an order that ended.
    pub(crate) fn remove(&mut self, instrument: usize, at: usize) -> Order {
        let order = self.open[instrument].remove(at);
        if self.ended.len() == Self::REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back(order.order.id);
        order
    }

    /// The open orders of an instrument, by id.
    pub(crate) fn of(&self, instrument: usize) -> &[Order] {
        &self.open[instrument]
    }

    pub(crate) fn get_mut(&mut self, instrument: usize, at: usize) -> &mut Order {
        &mut self.open[instrument][at]
    }

    pub(crate) fn of_mut(&mut self, instrument: usize) -> &mut [Order] {
        &mut self.open[instrument]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Order> {
        self.open.iter().flatten()
    }

    /// Any open order of an account: the first.
    pub(crate) fn first_of(&self, account: AccountId) -> Option<OrderId> {
        self.iter().find(|open| open.order.account == account).map(|open| open.order.id)
    }

    pub(crate) fn ended(&self) -> impl Iterator<Item = OrderId> + '_ {
        self.ended.iter().copied()
    }

    pub(crate) fn newest(&self) -> Option<OrderId> {
        self.newest
    }
}
