//! Commands: what an account asks for, and when it takes effect.
//!
//! Two clocks. Sent in answer to a market input or to a fill on the tape of trades, an order works on paths that end
//! after sending plus latency; while a bar of its instrument runs, on what is sure to come after it (`Walk::admits`). Sent
//! inside a bar (in answer to a fill on its path), a protective stop works at once, on what remains of the path; all else
//! works from the next bar. Amendments and cancellations take effect at once.

use crate::book::{Arrival, Order, Wait};
use crate::venue::{Exchange, Stage};
use crate::walk::Walk;
use market::{CancelReason, Command, NewOrder, OrderKind, OrderState, OrderUpdate, RejectReason};
use units::{Duration, OrderId, Price, Qty, Timestamp};

impl Exchange {
    /// Takes in a command; its answer is delivered at the next poll that delivers anything. What concerns an unknown or
    /// ended order is ignored, so that sending twice does no harm.
    pub fn command(&mut self, command: Command) {
        match command {
            Command::Place(order) => self.place(order),
            Command::Amend { order, qty, kind } => self.amend(order, qty, kind),
            Command::Cancel { order } => self.cancel(order, CancelReason::Requested),
        }
    }

    fn place(&mut self, order: NewOrder) {
        if let Some(reason) = self.refusal(&order) {
            self.tell(order.id, OrderUpdate::Rejected(reason));
            return;
        }
        let mut placed = Order {
            order,
            filled: Qty::ZERO,
            state: OrderState::Sent,
            sent: self.known,
            after: self.at + if self.is_inside() { Duration::ZERO } else { self.config.latency },
            arrival: Arrival::Resting,
        };
        if self.is_inside() && placed.is_protective() {
            placed.after = Timestamp::MIN;
            if self.is_walked(placed.order.instrument.index()) {
                placed.sent = Timestamp::MIN;
            }
        }
        placed.arrival = self.arrival(&placed);
        placed.apply(&OrderUpdate::Accepted);
        self.note(&placed);
        self.book.insert(placed);
        self.tell(order.id, OrderUpdate::Accepted);
    }

    /// Changes an open order. One that the venue would refuse is answered with the terms that stand.
    fn amend(&mut self, id: OrderId, qty: Qty, kind: OrderKind) {
        let Some((instrument, at)) = self.book.find(id) else { return };
        let mut amended = self.book.of(instrument)[at];
        if qty <= amended.filled {
            self.cancel(id, CancelReason::Requested);
            return;
        }
        let wanted = NewOrder { qty, kind, ..amended.order };
        if self.is_on_grid(&wanted) && std::mem::discriminant(&kind) == std::mem::discriminant(&amended.order.kind) {
            let stays = amended.order.kind == kind || self.is_walked(instrument);
            amended.sent = if stays { amended.sent } else { self.known };
            amended.order = wanted;
        }
        let update = OrderUpdate::Amended { qty: amended.order.qty, kind: amended.order.kind };
        amended.apply(&update);
        amended.arrival = self.arrival(&amended);
        self.note(&amended);
        *self.book.get_mut(instrument, at) = amended;
        self.tell(id, update);
    }

    pub(crate) fn cancel(&mut self, id: OrderId, reason: CancelReason) {
        let Some((instrument, at)) = self.book.find(id) else { return };
        let update = OrderUpdate::Cancelled(reason);
        self.book.get_mut(instrument, at).apply(&update);
        self.book.remove(instrument, at);
        self.tell(id, update);
    }

    /// Whether the present delivery happened at an unknown moment within a bar.
    fn is_inside(&self) -> bool {
        !matches!(
            self.stage,
            Stage::Idle | Stage::Quotes(_) | Stage::Quoted(_) | Stage::Margins | Stage::Trades(_) | Stage::Market
        )
    }

    fn refusal(&self, order: &NewOrder) -> Option<RejectReason> {
        if self.book.knows(order.id) {
            return Some(RejectReason::DuplicateId);
        }
        match self.terms.get(order.instrument.index()) {
            Some(terms) if terms.is_traded && terms.account == order.account => {
                if terms.is_expired {
                    return Some(RejectReason::Expired);
                }
            }
            _ => return Some(RejectReason::Instrument),
        }
        (!self.is_on_grid(order)).then_some(RejectReason::Grid)
    }

    fn is_on_grid(&self, order: &NewOrder) -> bool {
        let index = order.instrument.index();
        let terms = &self.terms[index];
        let on_tick = |price: Price| price.raw() > 0 && price.raw() % self.tick_at(index, price).raw() == 0;
        let prices = match order.kind {
            OrderKind::Market => true,
            OrderKind::Limit { price } => on_tick(price),
            OrderKind::Stop { trigger } => on_tick(trigger),
            OrderKind::StopLimit { trigger, price } => on_tick(trigger) && on_tick(price),
        };
        let net = self.account_of(index).position(index).qty;
        let closes_all = order.reduce_only && !net.is_zero() && order.qty >= net.abs();
        let lots = order.qty.raw() > 0 && order.qty.raw() % terms.lot.raw() == 0;
        prices && lots && (order.qty >= terms.min_qty || closes_all)
    }

    /// How a limit order comes to the market. Before the first price it is taken to cross, which costs more.
    fn arrival(&self, order: &Order) -> Arrival {
        let Some(limit) = order.limit() else { return Arrival::Resting };
        let instrument = order.order.instrument.index();
        if self.is_option(instrument) {
            return self.option_arrival(instrument, order.order.side, limit);
        }
        let last = self.terms[instrument].last;
        let crosses = match order.wait() {
            Wait::AtOrOver(_) => last >= limit || last.is_zero(),
            Wait::AtOrUnder(_) | Wait::Now => last <= limit,
        };
        match self.is_inside() && !self.works_now(order) {
            _ if crosses => Arrival::Crossing,
            true => Arrival::Inside,
            false => Arrival::Resting,
        }
    }

    fn works_now(&self, order: &Order) -> bool {
        let of = |walk: &&Walk| walk.instrument == order.order.instrument.index();
        self.walk.as_ref().filter(of).is_some_and(|walk| walk.admits(order))
    }

    /// Whether a path of an instrument is being walked: what is sent in answer meets what is left of it.
    fn is_walked(&self, instrument: usize) -> bool {
        self.walk.as_ref().is_some_and(|walk| walk.instrument == instrument)
    }

    /// Notes an order that came or changed while its instrument's bar is walked.
    fn note(&mut self, order: &Order) {
        if !self.works_now(order) {
            return;
        }
        let level = order.wait().level();
        if let Some(walk) = &mut self.walk {
            walk.note(level);
        }
    }
}
