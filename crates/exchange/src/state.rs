//! The venue's state as bytes, for the state hash.

use crate::book::{Arrival, Order};
use crate::venue::{Exchange, Stage};
use market::{CancelReason, Event, OrderKind, OrderState, OrderUpdate, RejectReason};
use units::Side;
use units::state::StateWriter;

impl Exchange {
    /// Writes every field that the past decides, between two market inputs. The configuration is not among them.
    pub fn save(&self, out: &mut StateWriter) {
        debug_assert!(self.stage == Stage::Idle && self.walk.is_none(), "saved between two market inputs");
        out.i64(self.at.nanos());
        self.account.save(out);
        for terms in &self.terms {
            out.i64(terms.last.raw());
            out.bool(terms.has_mark_feed);
        }
        out.len(self.book.iter().count());
        self.book.iter().for_each(|order| save_order(order, out));
        out.len(self.book.ended().count());
        self.book.ended().for_each(|id| out.u64(id.0));
        out.option(self.book.newest(), |out, id| out.u64(id.0));
        self.paths.save(out);
        out.u64(self.bars);
        out.u64(self.ambiguous);
        out.len(self.news.len());
        self.news.iter().for_each(|event| save_news(event, out));
    }
}

fn save_order(open: &Order, out: &mut StateWriter) {
    let order = &open.order;
    out.u64(order.id.0);
    out.u32(order.account.0);
    out.u32(order.instrument.0);
    out.bool(order.side == Side::Buy);
    out.i64(order.qty.raw());
    save_kind(&order.kind, out);
    out.bool(order.reduce_only);
    out.i64(open.filled.raw());
    out.u8(match open.state {
        OrderState::Sent => 0,
        OrderState::Live => 1,
        OrderState::Triggered => 2,
        OrderState::Filled => 3,
        OrderState::Cancelled => 4,
        OrderState::Rejected => 5,
    });
    out.i64(open.after.nanos());
    out.u8(match open.arrival {
        Arrival::Resting => 0,
        Arrival::Inside => 1,
        Arrival::Crossing => 2,
    });
}

fn save_kind(kind: &OrderKind, out: &mut StateWriter) {
    let (tag, prices) = match kind {
        OrderKind::Market => (0, [None, None]),
        OrderKind::Limit { price } => (1, [Some(price), None]),
        OrderKind::Stop { trigger } => (2, [Some(trigger), None]),
        OrderKind::StopLimit { trigger, price } => (3, [Some(trigger), Some(price)]),
    };
    out.u8(tag);
    prices.into_iter().flatten().for_each(|price| out.i64(price.raw()));
}

/// Acknowledgements not yet delivered: between two market inputs there are no fills among them.
fn save_news(event: &Event, out: &mut StateWriter) {
    out.u8(event.rank());
    match event {
        Event::Cash(change) => out.i128(change.amount.raw()),
        Event::Order(news) => {
            out.u64(news.order.0);
            save_update(&news.update, out);
        }
        Event::Bar(_) | Event::Trade(_) | Event::Mark(_) | Event::Funding(_) | Event::Series(_) => {}
    }
}

fn save_update(update: &OrderUpdate, out: &mut StateWriter) {
    match update {
        OrderUpdate::Accepted => out.u8(0),
        OrderUpdate::Triggered => out.u8(1),
        OrderUpdate::Amended { qty, kind } => {
            out.u8(2);
            out.i64(qty.raw());
            save_kind(kind, out);
        }
        OrderUpdate::Filled(fill) => {
            out.u8(3);
            out.i64(fill.signed_qty().raw());
            out.i64(fill.price.raw());
        }
        OrderUpdate::Cancelled(reason) => out.u8(match reason {
            CancelReason::Requested => 4,
            CancelReason::NothingToReduce => 5,
            CancelReason::Liquidated => 6,
            CancelReason::Margin => 7,
            CancelReason::Expired => 12,
            CancelReason::Funds => 13,
        }),
        OrderUpdate::Rejected(reason) => out.u8(match reason {
            RejectReason::Margin => 8,
            RejectReason::ReduceOnly => 9,
            RejectReason::Grid => 10,
            RejectReason::DuplicateId => 11,
            RejectReason::Expired => 14,
            RejectReason::Funds => 15,
            RejectReason::Instrument => 16,
        }),
    }
}
