//! One instrument's path through one bar, or the single point of a trade or mark.

use crate::book::Order;
use market::Bar;
use units::{Price, Qty, Timestamp};

/// A path that is being walked.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    pub(crate) instrument: usize,
    /// When it began: an order that was sent later does not meet its first point.
    pub(crate) opened: Timestamp,
    /// Orders work on it that arrived before this.
    pub(crate) ends: Timestamp,
    pub(crate) kind: Kind,
    /// Its prices in order, the close twice; only the first is known before it has left the open.
    points: [Price; 5],
    /// Index of the point walked to; at 0 the path stands on its first point.
    leg: usize,
    /// The price reached.
    pub(crate) here: Price,
    /// Quantity opened by limit orders on this path, unsigned, that may not take profit on it.
    pub(crate) limit_opened: Qty,
    /// The liquidation price within this path, once it was looked up; a fill makes it unknown again.
    pub(crate) doom: Option<Option<Price>>,
    /// Whether orders waited within the bar over its open, and whether under it; both where one came in between.
    over: bool,
    under: bool,
}

/// What a path is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Four points.
    Bar(Bar),
    /// One point, at which orders fill.
    Trade,
    /// One point, at which nothing trades; positions may be liquidated.
    Mark,
}

impl Walk {
    /// The leg that is no more than the last point.
    const CLOSE: usize = 4;

    pub(crate) fn bar(bar: &Bar) -> Self {
        Self::new(bar.instrument.index(), (bar.opened, bar.closed), Kind::Bar(*bar), bar.open)
    }

    pub(crate) fn point(instrument: usize, at: Timestamp, kind: Kind, price: Price) -> Self {
        Self::new(instrument, (at, at), kind, price)
    }

    fn new(instrument: usize, (opened, ends): (Timestamp, Timestamp), kind: Kind, first: Price) -> Self {
        Self {
            instrument,
            opened,
            ends,
            kind,
            points: [first; 5],
            leg: 0,
            here: first,
            limit_opened: Qty::ZERO,
            doom: None,
            over: false,
            under: false,
        }
    }

    /// The end of the present leg; on the first point, that point.
    pub(crate) fn target(&self) -> Price {
        self.points[self.leg]
    }

    /// Whether the path still stands on its first point, where all that was reached before fills at once.
    pub(crate) fn at_open(&self) -> bool {
        self.leg == 0
    }

    /// Whether an order works where the path stands. What was sent while the bar ran does not meet its open, and else only its close; but a
    /// protective stop works on all that follows an open that was not beyond it.
    pub(crate) fn admits(&self, order: &Order) -> bool {
        order.after < self.ends
            && (!self.is_late(order) || self.leg == Self::CLOSE || (self.leg > 0 && self.guards(order)))
    }

    /// Whether an order works between the open and the close.
    pub(crate) fn works_within(&self, order: &Order) -> bool {
        order.after < self.ends && (!self.is_late(order) || self.guards(order))
    }

    fn guards(&self, order: &Order) -> bool {
        let open = self.points[0];
        order.is_protective() && !order.wait().meets(open, open)
    }

    /// Whether an order was sent while the bar ran.
    pub(crate) fn is_late(&self, order: &Order) -> bool {
        order.sent > self.opened
    }

    /// The lowest and highest price of the whole path.
    pub(crate) fn range(&self) -> (Price, Price) {
        match self.kind {
            Kind::Bar(bar) => (bar.low, bar.high),
            Kind::Trade | Kind::Mark => (self.points[0], self.points[0]),
        }
    }

    /// Fixes the path through a bar: its open, first extreme, other extreme and close.
    pub(crate) fn lay(&mut self, bar: &Bar, low_first: bool) {
        let (first, second) = if low_first { (bar.low, bar.high) } else { (bar.high, bar.low) };
        self.points = [bar.open, first, second, bar.close, bar.close];
    }

    /// Goes on to the next leg, from the last to the close itself. `false`: there is none.
    pub(crate) fn next_leg(&mut self) -> bool {
        let more = matches!(self.kind, Kind::Bar(_)) && self.leg + 1 < self.points.len();
        self.leg += usize::from(more);
        more
    }

    /// Notes an order that waits at a price on this path. One that came in answer to a fill inside the bar, within the
    /// bar's range, would have been met or missed on the other path: that alone makes the bar ambiguous.
    pub(crate) fn note(&mut self, level: Option<Price>) {
        let (Kind::Bar(bar), Some(level)) = (self.kind, level) else { return };
        if self.leg > 0 && (bar.low..=bar.high).contains(&level) {
            (self.over, self.under) = (true, true);
        }
        self.over |= level > bar.open && level <= bar.high;
        self.under |= level < bar.open && level >= bar.low;
    }

    /// Whether the order of the extremes could have mattered to an order.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.over && self.under
    }
}
