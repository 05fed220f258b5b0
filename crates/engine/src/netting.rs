//! Several strategies in one instrument: their positions are virtual, the account holds the net. What they want opposite to
//! each other at one instant crosses inside the book; what the venue does to the net is attributed back.

use crate::Purpose;
use crate::engine::Engine;
use market::{Command, Fill, Forced, FundingRate, InstrumentKind, Liquidity, NewOrder, OrderUpdate, Source};
use policy::facts;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{AccountId, Cash, InstrumentId, OrderId, Price, Qty, Ratio, Round, Side, Timestamp};

/// A market order that waits for all strategies of the input to decide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crossing {
    pub(crate) scope: usize,
    pub(crate) order: NewOrder,
    pub(crate) purpose: Purpose,
}

/// A market order of a leg that waits for all desks of the input to decide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LegCrossing {
    pub(crate) desk: usize,
    pub(crate) order: NewOrder,
    pub(crate) purpose: Purpose,
}

/// A close by the venue that was told before fills which came before it: what of it found no strategy that holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Early {
    pub(crate) order: OrderId,
    pub(crate) purpose: Purpose,
    pub(crate) fill: Fill,
}

impl Engine {
    /// Sets what a strategy knows of what it has to share: leverage, margin and money that others use, this input's orders
    /// included.
    #[inline(never)]
    pub(crate) fn tell_beside(&mut self, index: usize) {
        let scope = &self.scopes[index];
        if !self.counts_others && !scope.reads_funds && !scope.reads_margin {
            return;
        }
        let beside = if self.scopes[index].alone { Qty::ZERO } else { self.beside(index) };
        let spoken_for = if self.scopes[index].reads_funds { self.spoken_for(index) } else { Cash::ZERO };
        let scope = &mut self.scopes[index];
        let (book, instrument) = (&self.books[scope.account.index()], scope.instrument.index());
        let earned = if scope.ahead { scope.earned_ahead(book) } else { Cash::ZERO };
        if self.counts_others {
            scope.facts.set(facts::OTHERS, book.others(instrument, beside));
        }
        if scope.reads_funds {
            scope.facts.set(facts::FUNDS, book.funds(instrument, &self.tiers, spoken_for));
        }
        if scope.reads_margin {
            scope.facts.set(facts::BESIDE, beside);
            if !self.tiers.is_empty() {
                scope.facts.set(facts::MARGIN_EQUITY, book.margin_equity(instrument, &self.tiers) + earned);
            }
        }
    }

    /// What other strategies hold, and may yet hold, in a strategy's instrument on the side that it goes to; unsigned. What is
    /// on the other side counts as nothing: it may be gone before.
    fn beside(&self, index: usize) -> Qty {
        let scope = &self.scopes[index];
        let signal = || scope.facts.get(facts::SIGNAL).map_or(0.0, Ratio::get);
        let long = match scope.position.signum() {
            0 => signal() >= 0.0,
            side => side > 0,
        };
        let others = self.traded[scope.instrument.index()].scopes.iter().filter(|other| **other as usize != index);
        let worst = others.map(|other| {
            let other = &self.scopes[*other as usize];
            let (bought, sold) = other.working.pending();
            if long { other.position + bought } else { sold - other.position }
        });
        worst.sum::<Qty>().max(Qty::ZERO)
    }

    /// What orders of other strategies for spot are about to take of the currency that this one pays with, at their last prices.
    pub(crate) fn spoken_for(&self, index: usize) -> Cash {
        let scope = &self.scopes[index];
        let settles = self.catalogue.instruments[scope.instrument.index()].settle;
        let others = self.scopes.iter().enumerate().filter(|(other, theirs)| {
            let instrument = &self.catalogue.instruments[theirs.instrument.index()];
            let is_spot = instrument.kind == InstrumentKind::Spot && instrument.settle == settles;
            *other != index && theirs.account == scope.account && is_spot && !theirs.working.is_empty()
        });
        others.map(|(_, theirs)| (self.last[theirs.instrument.index()] * theirs.working.pending().0).cash()).sum()
    }

    /// Fills opposite market orders of one instrument against each other, in the order of deciding, at the last price and
    /// without a fee, and sends what is left: only the net goes out.
    pub(crate) fn cross(&mut self) {
        let mut waiting = std::mem::take(&mut self.crossing);
        for buyer in 0..waiting.len() {
            for seller in 0..waiting.len() {
                let (buy, sell) = (waiting[buyer].order, waiting[seller].order);
                let opposite = buy.side == Side::Buy && sell.side == Side::Sell && buy.instrument == sell.instrument;
                if !opposite {
                    continue;
                }
                let crossed = self.crossed(buy.instrument, buy.qty, sell.qty);
                if !crossed.is_zero() {
                    self.fill_inside(&waiting[buyer], crossed);
                    self.fill_inside(&waiting[seller], crossed);
                    waiting[buyer].order.qty -= crossed;
                    waiting[seller].order.qty -= crossed;
                }
            }
        }
        for Crossing { scope, order, purpose } in waiting.drain(..).filter(|waiting| !waiting.order.qty.is_zero()) {
            let strategy = self.scopes[scope].id;
            self.outputs.send(Command::Place(order), purpose, strategy);
        }
        // Keeps its room: a decision allocates nothing.
        self.crossing = waiting;
    }

    /// The same of legs of structures, at the middle of what is quoted: whoever sends one has seen its side.
    pub(crate) fn cross_legs(&mut self) {
        let mut waiting = std::mem::take(&mut self.structures.crossing);
        for buyer in 0..waiting.len() {
            for seller in 0..waiting.len() {
                let (buy, sell) = (waiting[buyer].order, waiting[seller].order);
                let same = buy.instrument == sell.instrument && buy.account == sell.account;
                let opposite = buy.side == Side::Buy && sell.side == Side::Sell && same;
                let quoted = self.structures.chains.option(buy.instrument).filter(|_| opposite);
                let Some(mid) = quoted.and_then(|option| option.quote.mid()) else { continue };
                let crossed = self.crossed(buy.instrument, buy.qty, sell.qty);
                if !crossed.is_zero() {
                    for side in [buyer, seller] {
                        waiting[side].order.qty -= crossed;
                        let LegCrossing { desk, order, .. } = waiting[side];
                        self.on_leg_fill(desk, order.id, &inside(&order, crossed, mid));
                    }
                }
            }
        }
        for LegCrossing { desk, order, purpose } in waiting.drain(..).filter(|waiting| !waiting.order.qty.is_zero()) {
            let strategy = self.scopes[self.structures.desks[desk].scope as usize].id;
            self.outputs.send(Command::Place(order), purpose, strategy);
        }
        self.structures.crossing = waiting;
    }

    /// How much of two orders crosses: all that is opposite, or as much less as leaves each of them no smaller than the venue
    /// takes, so that nothing is stranded.
    fn crossed(&self, instrument: InstrumentId, buy: Qty, sell: Qty) -> Qty {
        let least = self.catalogue.instruments[instrument.index()].min_qty;
        let (crossed, rest) = (buy.min(sell), (buy - sell).abs());
        if rest.is_zero() || rest >= least { crossed } else { (crossed - least).max(Qty::ZERO) }
    }

    /// The account's own books stay as they are: the two sides of a crossing cancel out to the last unit.
    fn fill_inside(&mut self, crossing: &Crossing, qty: Qty) {
        let Crossing { scope, order, purpose } = *crossing;
        let (id, account) = (order.id, order.account);
        let fill = inside(&order, qty, self.last[order.instrument.index()]);
        let counted = self.scopes[scope].working.update(id, &OrderUpdate::Filled(fill));
        debug_assert!(counted.is_some(), "the order was routed a moment ago");
        self.books[account.index()].on_order();
        self.on_fill(scope, id, purpose, &fill);
    }

    /// The venue changed a position without an order of ours.
    pub(crate) fn on_forced(&mut self, order: OrderId, fill: &Fill, forced: Forced) {
        let book = &mut self.books[fill.account.index()];
        if !book.executions.counts(fill.execution) {
            return;
        }
        book.fill(fill);
        let index = fill.instrument.index();
        let purpose = match forced {
            Forced::Liquidation => Purpose::Liquidation,
            Forced::Settlement => Purpose::Settlement,
            Forced::Opening => {
                book.carried.push((fill.instrument.0, fill.signed_qty(), fill.price));
                self.has_carried = true;
                self.lone.clear();
                let adopts = |scope: &&u32| self.scopes[**scope as usize].adoption.is_some();
                if let Some(scope) = self.traded[index].scopes.iter().find(adopts).copied() {
                    self.on_fill(scope as usize, order, Purpose::Opening, fill);
                }
                return;
            }
        };
        if self.is_leg(fill.instrument) {
            return self.on_forced_leg(order, fill, purpose);
        }
        let net = self.books[fill.account.index()].account.position(index).qty;
        let closes = self.closes(fill, net.is_zero());
        let rest = if net.is_zero() { Qty::ZERO } else { fill.qty - whole(&closes) };
        // What closes a position never turns it: without numbers, a net on its own side tells that fills are still to come.
        let untold = match fill.execution {
            0 => net.side() == Some(fill.side),
            number => !self.books[fill.account.index()].executions.all_told(number),
        };
        let mut fee = fill.fee;
        if untold && !rest.is_zero() {
            let part = part_of(fill.fee, rest.raw().into(), fill.qty.raw().into());
            fee -= part;
            self.early.push(Early { order, purpose, fill: Fill { qty: rest, fee: part, ..*fill } });
        }
        self.close(closes, order, purpose, &Fill { fee, ..*fill });
    }

    /// A fill of a strategy was told. If the venue has closed since what it opened, and told that before, it is closed now.
    pub(crate) fn close_late(&mut self, scope: usize, fill: &Fill) {
        let instrument = fill.instrument.index();
        for at in 0..self.early.len() {
            let Early { order, purpose, fill: forced } = self.early[at];
            let is_numbered = forced.execution != 0 && fill.execution != 0;
            if forced.instrument != fill.instrument || (is_numbered && fill.execution > forced.execution) {
                continue;
            }
            let held = self.scopes[scope].position;
            let closes = if self.books[fill.account.index()].account.position(instrument).qty.is_zero() {
                self.closes(&forced, true)
            } else if held.side() == Some(forced.side.opposite()) {
                vec![(scope, forced.side, held.abs().min(forced.qty))]
            } else {
                continue;
            };
            let rest = (forced.qty - whole(&closes)).max(Qty::ZERO);
            let later = part_of(forced.fee, rest.raw().into(), forced.qty.raw().into());
            self.early[at].fill = Fill { qty: rest, fee: later, ..forced };
            self.close(closes, order, purpose, &Fill { fee: forced.fee - later, ..forced });
        }
        let books = &self.books;
        self.early.retain(|early| {
            let Fill { account, qty, execution, .. } = early.fill;
            !qty.is_zero() && (execution == 0 || !books[account.index()].executions.all_told(execution))
        });
    }

    /// Which virtual positions a fill of the net closes, on which side and how much of each: all of them when the account is flat
    /// after it, else those on the side that it lowers, in order, as far as it goes.
    fn closes(&self, fill: &Fill, flat: bool) -> Vec<(usize, Side, Qty)> {
        let mut left = fill.qty;
        let mut closes = Vec::new();
        for scope in self.traded[fill.instrument.index()].scopes.iter().map(|scope| *scope as usize) {
            let held = self.scopes[scope].position;
            let Some(side) = (-held).side() else { continue };
            let qty = if flat { held.abs() } else { held.abs().min(left) };
            if (flat || side == fill.side) && !qty.is_zero() {
                closes.push((scope, side, qty));
                left = (left - qty).max(Qty::ZERO);
            }
        }
        closes
    }

    /// Closes virtual positions at the price of a fill. Its fee is shared by quantity.
    fn close(&mut self, closes: Vec<(usize, Side, Qty)>, order: OrderId, purpose: Purpose, fill: &Fill) {
        let whole = whole(&closes);
        let mut fee = fill.fee;
        for (at, (scope, side, qty)) in closes.iter().copied().enumerate() {
            let part =
                if at + 1 == closes.len() { fee } else { part_of(fill.fee, qty.raw().into(), whole.raw().into()) };
            fee -= part;
            self.on_fill(scope, order, purpose, &Fill { side, qty, fee: part, ..*fill });
        }
    }

    /// Shares a funding payment of the net among those who hold, by their signed positions. A venue that accrues over time tells
    /// another position than the present one: there it is shared by what each held since the payment before, and what a
    /// strategy that is flat by now owes stays with the account.
    pub(crate) fn attribute_funding(&mut self, instrument: InstrumentId, net: Qty, amount: Cash) {
        let index = instrument.index();
        self.traded[index].paid = self.now;
        let account = &self.books[self.traded[index].account as usize].account;
        let accrued = net != account.position(index).qty && self.traded[index].scopes.len() > 1;
        let parts = self.traded[index].scopes.iter().map(|scope| {
            let scope = &self.scopes[*scope as usize];
            (scope.id, if accrued { scope.held.until(self.now, scope.position) } else { scope.position.raw().into() })
        });
        let parts: Vec<_> = parts.filter(|(_, part)| *part != 0).collect();
        let shift = parts.iter().map(|(_, part)| i128::BITS - part.unsigned_abs().leading_zeros()).max().unwrap_or(0);
        let shift = shift.saturating_sub(62);
        let whole: i128 = parts.iter().map(|(_, part)| part >> shift).sum();
        let mut left = amount;
        for (at, (scope, part)) in parts.iter().enumerate() {
            let part = if at + 1 == parts.len() { left } else { part_of(amount, part >> shift, whole) };
            left -= part;
            self.scopes[scope.index()].pay_funding(part);
        }
    }

    /// A rate fell due. Strategies whose positions cancel out: the venue asks for nothing, and one pays what the other receives.
    pub(crate) fn settle_between(&mut self, due: &FundingRate) {
        let index = due.instrument.index();
        if self.traded[index].scopes.len() < 2 {
            return;
        }
        for scope in &self.traded[index].scopes {
            self.scopes[*scope as usize].held = Held { area: 0, since: self.now };
        }
        let account = &self.books[self.traded[index].account as usize].account;
        if !account.position(index).qty.is_zero() || self.traded[index].paid == self.now {
            return;
        }
        let (contract, mark) = (account.contract(index), account.mark(index));
        let holds = |scope: &&u32| self.scopes[**scope as usize].campaign.is_some();
        let holders: Vec<u32> = self.traded[index].scopes.iter().filter(holds).copied().collect();
        let mut left = Cash::ZERO;
        for (at, scope) in holders.iter().enumerate() {
            let scope = &mut self.scopes[*scope as usize];
            let owed =
                contract.exposure(mark, scope.position).at_rate(due.rate, Round::TowardZero).unwrap_or(Cash::ZERO);
            // What rounding leaves is the last one's: nothing is made or lost inside the book.
            let owed = if at + 1 == holders.len() { -left } else { owed };
            left += owed;
            scope.pay_funding(-owed);
        }
    }

    /// A contract has expired while its strategies cancelled out: the venue settles nothing, so they settle with each other at the price
    /// that it tells, once all fills of that instant are told.
    pub(crate) fn settle_expired(&mut self, index: usize, source: Source) {
        let account = &self.books[self.traded[index].account as usize].account;
        let is_over = |expiry| self.now > expiry || (self.now == expiry && source == Source::Market);
        let expired = self.catalogue.instruments[index].kind.expiry().is_some_and(is_over);
        let open = self.traded[index].scopes.iter().any(|scope| !self.scopes[*scope as usize].position.is_zero());
        if !expired || !open || !account.position(index).qty.is_zero() {
            return;
        }
        let Some(price) = self.settlement_prices.get(&InstrumentId(index as u32)).copied() else { return };
        let fill = Fill {
            account: self.scopes[self.traded[index].scopes[0] as usize].account,
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
        for scope in self.traded[index].scopes.clone() {
            self.dirty.touch(scope);
        }
        // The venue's own id for settlements.
        self.close(self.closes(&fill, true), OrderId(1), Purpose::Settlement, &fill);
    }
}

/// The quantity of several closes.
fn whole(closes: &[(usize, Side, Qty)]) -> Qty {
    closes.iter().map(|(.., qty)| *qty).sum()
}

/// `amount × part ÷ whole`, toward zero; nothing of an empty whole.
pub(crate) fn part_of(amount: Cash, part: i128, whole: i128) -> Cash {
    let amount = amount.raw();
    // Whole ones and the rest apart: a payment times a quantity may not fit.
    let each = amount.checked_div(whole).unwrap_or(0).checked_mul(part).unwrap_or(0);
    let rest = amount.checked_rem(whole).unwrap_or(0).checked_mul(part).unwrap_or(0);
    Cash::from_raw(each + rest.checked_div(whole).unwrap_or(0))
}

impl Early {
    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.u64(self.order.0);
        self.purpose.save(out);
        let Fill { account, instrument, side, qty, price, reference, fee, liquidity, forced: _, execution } = self.fill;
        out.u32(account.0);
        out.u32(instrument.0);
        out.bool(side == Side::Buy);
        for raw in [qty.raw(), price.raw(), reference.raw()] {
            out.i64(raw);
        }
        out.i128(fee.raw());
        out.bool(liquidity == Liquidity::Maker);
        out.u64(execution);
    }

    pub(crate) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (order, purpose) = (OrderId(from.u64()?), Purpose::load(from)?);
        let forced = if purpose == Purpose::Settlement { Forced::Settlement } else { Forced::Liquidation };
        let fill = Fill {
            account: AccountId(from.u32()?),
            instrument: InstrumentId(from.u32()?),
            side: if from.bool()? { Side::Buy } else { Side::Sell },
            qty: Qty::from_raw(from.i64()?),
            price: Price::from_raw(from.i64()?),
            reference: Price::from_raw(from.i64()?),
            fee: Cash::from_raw(from.i128()?),
            liquidity: if from.bool()? { Liquidity::Maker } else { Liquidity::Taker },
            forced: Some(forced),
            execution: from.u64()?,
        };
        Ok(Self { order, purpose, fill })
    }
}

/// What a strategy held beside others in its instrument since the last payment of funding: quantity × nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Held {
    pub(crate) area: i128,
    pub(crate) since: Timestamp,
}

impl Held {
    /// The area up to a moment, with a position held since the last step.
    fn until(self, now: Timestamp, position: Qty) -> i128 {
        self.area + i128::from(position.raw()) * i128::from(now.since(self.since).nanos())
    }

    /// A position ends now.
    pub(crate) fn step(&mut self, now: Timestamp, before: Qty) {
        *self = Self { area: self.until(now, before), since: now };
    }

    pub(crate) fn save(self, out: &mut StateWriter) {
        out.i128(self.area);
        out.i64(self.since.nanos());
    }

    pub(crate) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { area: from.i128()?, since: Timestamp::from_nanos(from.i64()?) })
    }
}

/// A part of an order that crossed inside the book.
fn inside(order: &NewOrder, qty: Qty, price: Price) -> Fill {
    let NewOrder { account, instrument, side, .. } = *order;
    let (fee, liquidity) = (Cash::ZERO, Liquidity::Internal);
    let (reference, forced, execution) = (price, None, 0);
    Fill { account, instrument, side, qty, price, reference, fee, liquidity, forced, execution }
}
