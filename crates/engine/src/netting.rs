//! Several strategies in one instrument: their positions are virtual, the account holds the net. What they want opposite to
//! each other at one instant crosses inside the book; what the venue does to the net is attributed back.

use crate::engine::{Engine, touch};
use crate::{Output, Purpose};
use market::{Command, Fill, Forced, FundingRate, Liquidity, NewOrder, OrderUpdate};
use units::{Cash, InstrumentId, OrderId, Qty, Round, Side};

/// A market order that waits for all strategies of the input to decide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crossing {
    pub(crate) scope: usize,
    pub(crate) order: NewOrder,
    pub(crate) purpose: Purpose,
}

impl Engine {
    /// Fills opposite market orders of one instrument against each other, in the order of deciding, at the last price and
    /// without a fee, and sends what is left: only the net goes out.
    pub(crate) fn cross(&mut self) {
        let mut waiting = std::mem::take(&mut self.crossing);
        for buyer in 0..waiting.len() {
            for seller in 0..waiting.len() {
                let (buy, sell) = (waiting[buyer].order, waiting[seller].order);
                let opposite = buy.side == Side::Buy && sell.side == Side::Sell && buy.instrument == sell.instrument;
                let crossed = buy.qty.min(sell.qty);
                if opposite && !crossed.is_zero() {
                    self.fill_inside(&waiting[buyer], crossed);
                    self.fill_inside(&waiting[seller], crossed);
                    waiting[buyer].order.qty -= crossed;
                    waiting[seller].order.qty -= crossed;
                }
            }
        }
        for Crossing { scope, order, purpose } in waiting.drain(..).filter(|waiting| !waiting.order.qty.is_zero()) {
            let strategy = self.scopes[scope].id;
            self.outputs.push_back(Output::Command { command: Command::Place(order), purpose, strategy });
        }
        // Keeps its room: a decision allocates nothing.
        self.crossing = waiting;
    }

    /// The account's own books stay as they are: the two sides of a crossing cancel out to the last unit.
    fn fill_inside(&mut self, crossing: &Crossing, qty: Qty) {
        let Crossing { scope, order: NewOrder { id, account, instrument, side, .. }, purpose } = *crossing;
        let price = self.books[account.index()].account.mark(instrument.index());
        let fill = Fill {
            account,
            instrument,
            side,
            qty,
            price,
            reference: price,
            fee: Cash::ZERO,
            liquidity: Liquidity::Internal,
            forced: None,
            execution: 0,
        };
        let counted = self.scopes[scope].working.update(id, &OrderUpdate::Filled(fill));
        debug_assert!(counted.is_some(), "the order was routed a moment ago");
        self.on_fill(scope, id, purpose, &fill);
    }

    /// The venue changed a position without an order of ours.
    pub(crate) fn on_forced(&mut self, order: OrderId, fill: &Fill, forced: Forced) {
        let book = &mut self.books[fill.account.index()];
        if fill.execution != 0 && fill.execution <= book.forced {
            return;
        }
        book.forced = book.forced.max(fill.execution);
        book.account.fill(fill);
        let index = fill.instrument.index();
        let purpose = match forced {
            Forced::Liquidation => Purpose::Liquidation,
            Forced::Settlement => Purpose::Settlement,
            Forced::Opening => {
                let adopts = |scope: &&u32| self.scopes[**scope as usize].adoption.is_some();
                if let Some(scope) = self.by_instrument[index].iter().find(adopts).copied() {
                    self.on_fill(scope as usize, order, Purpose::Opening, fill);
                }
                return;
            }
        };
        let flat = self.books[fill.account.index()].account.position(index).qty.is_zero();
        self.attribute_close(order, fill, purpose, flat);
    }

    /// Closes virtual positions by a fill of the net: all of them when the account is flat after it, else those on the side
    /// that it lowers, in order, as far as it goes. The fee is shared by quantity.
    fn attribute_close(&mut self, order: OrderId, fill: &Fill, purpose: Purpose, flat: bool) {
        let scopes = self.by_instrument[fill.instrument.index()].clone();
        let mut left = fill.qty;
        let mut closed = Vec::new();
        for scope in scopes {
            let held = self.scopes[scope as usize].position;
            let Some(side) = (-held).side() else { continue };
            let qty = if flat { held.abs() } else { held.abs().min(left) };
            if (flat || side == fill.side) && !qty.is_zero() {
                closed.push((scope as usize, side, qty));
                left = Qty::from_raw((left - qty).raw().max(0));
            }
        }
        let whole: Qty = closed.iter().map(|(.., qty)| *qty).sum();
        let mut fee = fill.fee;
        for (at, (scope, side, qty)) in closed.iter().copied().enumerate() {
            let part = if at + 1 == closed.len() { fee } else { part_of(fill.fee, qty, whole) };
            fee -= part;
            self.on_fill(scope, order, purpose, &Fill { side, qty, fee: part, ..*fill });
        }
    }

    /// Shares a funding payment of the net among those who hold, by their signed positions.
    pub(crate) fn attribute_funding(&mut self, instrument: InstrumentId, net: Qty, amount: Cash) {
        let holds = |scope: &&u32| self.scopes[**scope as usize].campaign.is_some();
        let scopes: Vec<u32> = self.by_instrument[instrument.index()].iter().filter(holds).copied().collect();
        let mut left = amount;
        for (at, scope) in scopes.iter().enumerate() {
            let scope = &mut self.scopes[*scope as usize];
            let part = if at + 1 == scopes.len() { left } else { part_of(amount, scope.position, net) };
            left -= part;
            if let Some(campaign) = &mut scope.campaign {
                campaign.pay_funding(part);
            }
        }
    }

    /// Strategies whose positions cancel out: the venue asks for nothing, and one pays what the other receives.
    pub(crate) fn settle_between(&mut self, due: &FundingRate) {
        let index = due.instrument.index();
        let account = &self.books[self.account_of[index] as usize].account;
        if self.by_instrument[index].len() < 2 || !account.position(index).qty.is_zero() {
            return;
        }
        let (contract, mark) = (account.contract(index), account.mark(index));
        for scope in &self.by_instrument[index] {
            let scope = &mut self.scopes[*scope as usize];
            let owed = contract.exposure(mark, scope.position).at_rate(due.rate, Round::TowardZero);
            if let (Some(campaign), Some(owed)) = (&mut scope.campaign, owed) {
                campaign.pay_funding(-owed);
            }
        }
    }

    /// A contract has expired while its strategies cancelled out: the venue settles nothing, so they settle with each other.
    pub(crate) fn settle_expired(&mut self, index: usize) {
        let account = &self.books[self.account_of[index] as usize].account;
        let expired = self.catalogue.instruments[index].kind.expiry().is_some_and(|expiry| self.now >= expiry);
        let open = self.by_instrument[index].iter().any(|scope| !self.scopes[*scope as usize].position.is_zero());
        if !expired || !open || !account.position(index).qty.is_zero() {
            return;
        }
        let price = account.mark(index);
        let fill = Fill {
            account: self.scopes[self.by_instrument[index][0] as usize].account,
            instrument: InstrumentId(index as u32),
            side: Side::Sell,
            qty: Qty::ZERO,
            price,
            reference: price,
            fee: Cash::ZERO,
            liquidity: Liquidity::Internal,
            forced: Some(Forced::Settlement),
            execution: 0,
        };
        for scope in self.by_instrument[index].clone() {
            touch(&mut self.dirty, scope);
        }
        self.attribute_close(OrderId(0), &fill, Purpose::Settlement, true);
    }
}

/// `amount × qty ÷ whole`, toward zero; nothing of an empty whole.
fn part_of(amount: Cash, qty: Qty, whole: Qty) -> Cash {
    let (amount, qty, whole) = (amount.raw(), i128::from(qty.raw()), i128::from(whole.raw()));
    // Whole ones and the rest apart: a payment times a quantity may not fit.
    let each = amount.checked_div(whole).unwrap_or(0);
    let rest = amount.checked_rem(whole).unwrap_or(0);
    Cash::from_raw(each * qty + (rest * qty).checked_div(whole).unwrap_or(0))
}
