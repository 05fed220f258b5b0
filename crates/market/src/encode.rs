//! Events and commands as bytes: what a journal or a hash chain takes in. One fixed order of fields, little endian.

use crate::{CashReason, Command, Event, Fill, Input, NewOrder, OrderKind, OrderUpdate, Source};
use units::state::StateWriter;
use units::{Price, Side};

impl Input<'_> {
    /// Writes every field of the delivery and of its events.
    pub fn save(&self, out: &mut StateWriter) {
        out.i64(self.at.nanos());
        out.u8(match self.source {
            Source::Market => 0,
            Source::Venue => 1,
            Source::Timer => 2,
        });
        out.len(self.events.len());
        for event in self.events {
            event.save(out);
        }
    }
}

fn prices<const N: usize>(out: &mut StateWriter, prices: [Price; N]) {
    for price in prices {
        out.i64(price.raw());
    }
}

fn side(out: &mut StateWriter, side: Side) {
    out.bool(side == Side::Buy);
}

impl Event {
    /// Writes every field.
    pub fn save(&self, out: &mut StateWriter) {
        match self {
            Self::Bar(bar) => {
                out.u8(0);
                out.u32(bar.instrument.0);
                out.i64(bar.opened.nanos());
                out.i64(bar.closed.nanos());
                prices(out, [bar.open, bar.high, bar.low, bar.close]);
                out.i64(bar.volume.raw());
            }
            Self::Trade(trade) => {
                out.u8(1);
                out.u32(trade.instrument.0);
                out.i64(trade.price.raw());
                out.i64(trade.qty.raw());
            }
            Self::Mark(mark) => {
                out.u8(2);
                out.u32(mark.instrument.0);
                out.i64(mark.price.raw());
            }
            Self::Funding(funding) => {
                out.u8(3);
                out.u32(funding.instrument.0);
                out.i64(funding.rate.raw());
                out.i64(funding.interval.nanos());
            }
            Self::Series(point) => {
                out.u8(4);
                out.u32(point.series.0);
                out.f64(point.value.get());
            }
            Self::OptionQuote(quote) => {
                out.u8(7);
                quote.save(out);
            }
            Self::Order(news) => {
                out.u8(5);
                out.u64(news.order.0);
                news.update.save(out);
            }
            Self::Settlement(settlement) => {
                out.u8(8);
                out.u32(settlement.instrument.0);
                out.i64(settlement.price.raw());
            }
            Self::Cash(change) => {
                out.u8(6);
                out.u32(change.account.0);
                out.bytes(change.currency.as_str().as_bytes());
                out.i128(change.amount.raw());
                match change.reason {
                    CashReason::Deposit => out.u8(0),
                    CashReason::Withdrawal => out.u8(1),
                    CashReason::Funding { instrument, rate, mark, position } => {
                        out.u8(2);
                        out.u32(instrument.0);
                        out.i64(rate.raw());
                        out.i64(mark.raw());
                        out.i64(position.raw());
                    }
                    CashReason::Transfer { other } => {
                        out.u8(3);
                        out.u32(other.0);
                    }
                    CashReason::Conversion { other } => {
                        out.u8(4);
                        out.bytes(other.as_str().as_bytes());
                    }
                }
            }
        }
    }
}

impl OrderUpdate {
    fn save(&self, out: &mut StateWriter) {
        match self {
            Self::Accepted => out.u8(0),
            Self::Triggered => out.u8(1),
            Self::Amended { qty, kind } => {
                out.u8(2);
                out.i64(qty.raw());
                kind.save(out);
            }
            Self::Filled(fill) => {
                out.u8(3);
                fill.save(out);
            }
            Self::Cancelled(reason) => {
                out.u8(4);
                out.u8(*reason as u8);
            }
            Self::Rejected(reason) => {
                out.u8(5);
                out.u8(*reason as u8);
            }
        }
    }
}

impl Fill {
    /// Writes every field.
    pub fn save(&self, out: &mut StateWriter) {
        out.u32(self.account.0);
        out.u32(self.instrument.0);
        side(out, self.side);
        out.i64(self.qty.raw());
        prices(out, [self.price, self.reference]);
        out.i128(self.fee.raw());
        out.u8(self.liquidity as u8);
        out.option(self.forced, |out, forced| out.u8(forced as u8));
        out.u64(self.execution);
    }
}

impl OrderKind {
    /// Writes every field.
    pub fn save(&self, out: &mut StateWriter) {
        match *self {
            Self::Market => out.u8(0),
            Self::Limit { price } => {
                out.u8(1);
                out.i64(price.raw());
            }
            Self::Stop { trigger } => {
                out.u8(2);
                out.i64(trigger.raw());
            }
            Self::StopLimit { trigger, price } => {
                out.u8(3);
                prices(out, [trigger, price]);
            }
        }
    }
}

impl NewOrder {
    /// Writes every field.
    pub fn save(&self, out: &mut StateWriter) {
        out.u64(self.id.0);
        out.u32(self.account.0);
        out.u32(self.instrument.0);
        side(out, self.side);
        out.i64(self.qty.raw());
        self.kind.save(out);
        out.bool(self.reduce_only);
        out.bool(self.exit);
    }
}

impl Command {
    /// Writes every field.
    pub fn save(&self, out: &mut StateWriter) {
        match self {
            Self::Place(order) => {
                out.u8(0);
                order.save(out);
            }
            Self::Amend { order, qty, kind } => {
                out.u8(1);
                out.u64(order.0);
                out.i64(qty.raw());
                kind.save(out);
            }
            Self::Cancel { order } => {
                out.u8(2);
                out.u64(order.0);
            }
        }
    }
}
