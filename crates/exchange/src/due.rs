//! What falls due by the clock alone: contracts that expire, and scheduled flows of money.

use crate::execution::Terms;
use crate::venue::Exchange;
use market::{CancelReason, Event, Forced, Liquidity, OrderEvent, OrderUpdate, SettlementPrice};
use units::{InstrumentId, Timestamp};

impl Exchange {
    /// When the next contract expires or the next flow of money falls due. Whoever drives the exchange advances it to that
    /// moment, with no events if there are none; what nobody advanced to happens first thing at the next input.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        (self.next_due < Timestamp::MAX).then_some(self.next_due)
    }

    /// When the next contract expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let open = self.terms.iter().filter(|terms| !terms.is_expired);
        open.filter_map(|terms| terms.expiry).min()
    }

    /// Does what falls due next: the contracts that expire then, or one flow of money.
    pub(crate) fn execute_due(&mut self) {
        let due = self.next_due;
        if self.next_expiry() == Some(due) {
            for index in 0..self.terms.len() {
                if self.terms[index].expiry == Some(due) && !self.terms[index].is_expired {
                    self.expire(index);
                }
            }
            self.options_expired(due);
        } else {
            self.execute_flow();
        }
        self.find_due();
    }

    /// Looks up what falls due next.
    pub(crate) fn find_due(&mut self) {
        let flow = self.config.flows.get(self.next_flow).map(|flow| flow.at);
        self.next_due = [self.next_expiry(), flow].into_iter().flatten().min().unwrap_or(Timestamp::MAX);
    }

    /// Ends a contract: its orders are cancelled, its position is settled in cash. At what is told also to an account
    /// without one.
    fn expire(&mut self, index: usize) {
        self.terms[index].is_expired = true;
        while let Some(order) = self.book.of(index).first().map(|open| open.order.id) {
            let update = OrderUpdate::Cancelled(CancelReason::Expired);
            self.book.get_mut(index, 0).apply(&update);
            self.book.remove(index, 0);
            self.out.push(Event::Order(OrderEvent { order, update }));
        }
        if !self.terms[index].is_traded {
            return;
        }
        let account = self.account_of(index);
        let (net, mark) = (account.position(index).qty, account.mark(index));
        let instrument = InstrumentId(index as u32);
        let recorded = self.config.settlements.iter().find(|(of, _)| *of == instrument).map(|(_, price)| *price);
        let known = recorded.or_else(|| self.exercise(index));
        if net.is_zero() {
            // Strategies that cancel out settle with each other. What never had a price they do not hold.
            let price = known.or(Some(mark).filter(|mark| !mark.is_zero()));
            let told = price.map(|price| Event::Settlement(SettlementPrice { instrument, price }));
            return self.out.extend(told);
        }
        let price = known.unwrap_or(mark);
        let terms = Terms { price, reference: price, liquidity: Liquidity::Taker };
        let rate = if self.is_option(index) { self.config.options.delivery_fee } else { self.config.settlement_fee };
        self.force(index, -net, terms, rate, Forced::Settlement);
    }
}
