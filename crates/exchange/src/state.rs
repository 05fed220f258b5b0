//! The venue's state as bytes, for the state hash.

use crate::book::{Arrival, Order};
use crate::venue::{Exchange, Stage};
use market::{Command, OrderState};
use units::state::StateWriter;

impl Exchange {
    /// Writes every field that the past decides, between two market inputs. The configuration is not among them.
    pub fn save(&self, out: &mut StateWriter) {
        debug_assert!(self.stage == Stage::Idle && self.walk.is_none(), "saved between two market inputs");
        out.i64(self.at.nanos());
        out.i64(self.known.nanos());
        self.clients.iter().for_each(|client| client.save(out));
        for terms in &self.terms {
            out.i64(terms.last.raw());
            out.i64(terms.mark.raw());
            out.bool(terms.has_mark_feed);
            out.bool(terms.is_expired);
        }
        self.held.iter().flatten().for_each(|held| held.save(out));
        if let Some(options) = &self.options {
            options.save(out);
        }
        out.len(self.next_flow);
        out.len(self.refused.len());
        out.len(self.book.iter().count());
        self.book.iter().for_each(|order| save_order(order, out));
        out.len(self.book.ended().count());
        self.book.ended().for_each(|id| out.u64(id.0));
        out.option(self.book.newest(), |out, id| out.u64(id.0));
        self.paths.save(out);
        out.u64(self.bars);
        out.u64(self.ambiguous);
        out.len(self.news.len());
        self.news.iter().for_each(|event| event.save(out));
    }
}

fn save_order(open: &Order, out: &mut StateWriter) {
    Command::Place(open.order).save(out);
    out.i64(open.filled.raw());
    out.u8(match open.state {
        OrderState::Sent => 0,
        OrderState::Live => 1,
        OrderState::Triggered => 2,
        OrderState::Filled => 3,
        OrderState::Cancelled => 4,
        OrderState::Rejected => 5,
    });
    out.i64(open.sent.nanos());
    out.i64(open.after.nanos());
    out.u8(match open.arrival {
        Arrival::Resting => 0,
        Arrival::Inside => 1,
        Arrival::Crossing => 2,
    });
}
