//! Walking a path: what is reached next, and what happens there.

use crate::book::{Arrival, Order, Wait};
use crate::config::{fee, worsened};
use crate::venue::{Exchange, LIQUIDATION, OPENING, SETTLEMENT, Stage};
use crate::walk::{Kind, Walk};
use market::{CancelReason, Currency, Event, Fill, Forced, Liquidity, OrderEvent, OrderKind, OrderState, OrderUpdate};
use risk::Size;
use units::{AccountId, Cash, InstrumentId, OrderId, Price, Qty, Rate, Side, Timestamp};

/// Who acts at the next price reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    /// The open order at this position in its instrument's list.
    Order(usize),
    /// The venue, which closes the position.
    Liquidation,
}

/// At what terms an order executes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) price: Price,
    pub(crate) reference: Price,
    pub(crate) liquidity: Liquidity,
}

impl Exchange {
    /// Goes on along a path until there is something to deliver. `false`: the path is at its end.
    pub(crate) fn walk_on(&mut self, walk: &mut Walk) -> bool {
        loop {
            let next = self.next_on_leg(walk);
            self.move_to(walk, next.map_or(walk.target(), |(at, _)| at));
            match next {
                Some((_, Actor::Order(index))) => self.work(walk, index),
                Some((_, Actor::Liquidation)) => self.liquidate(walk),
                None => {
                    if walk.at_open() {
                        self.leave_open(walk);
                    }
                    if walk.next_leg() {
                        continue;
                    }
                    self.rest(walk.instrument, walk.ends, |order| walk.is_late(order));
                    return false;
                }
            }
            walk.doom = None;
            return true;
        }
    }

    /// What the present leg reaches next: the nearest price; there protective stops first, then by order id. The
    /// liquidation price counts only where no order is reached before it or with it.
    fn next_on_leg(&self, walk: &mut Walk) -> Option<(Price, Actor)> {
        let (here, target) = (walk.here, walk.target());
        let first = self.first_order(walk);
        let doom = self.doom(walk).and_then(|wait| wait.reached(here, target));
        match (first, doom) {
            (Some((at, _)), Some(doom)) if (doom - here).abs() < (at - here).abs() => Some((doom, Actor::Liquidation)),
            (Some((at, index)), _) => Some((at, Actor::Order(index))),
            (None, doom) => Some((doom?, Actor::Liquidation)),
        }
    }

    fn first_order(&self, walk: &Walk) -> Option<(Price, usize)> {
        if walk.kind == Kind::Mark {
            return None;
        }
        let orders = self.book.of(walk.instrument).iter().enumerate();
        let reached = orders.filter(|(_, order)| walk.admits(order)).filter_map(|(index, order)| {
            let at = order.wait().reached(walk.here, walk.target())?;
            (!self.is_held(walk, order)).then_some((at, !order.is_protective(), index))
        });
        let nearest = reached.min_by_key(|(at, late, index)| ((*at - walk.here).abs(), *late, *index));
        nearest.map(|(at, _, index)| (at, index))
    }

    /// Where the present position is liquidated on this path, if anywhere.
    fn doom(&self, walk: &mut Walk) -> Option<Wait> {
        let position = self.account_of(walk.instrument).position(walk.instrument);
        let side = position.qty.side()?;
        let (instrument, range) = (walk.instrument, walk.range());
        let found = *walk.doom.get_or_insert_with(|| self.liquidation_price(instrument, range));
        found.map(|price| if side == Side::Buy { Wait::AtOrUnder(price) } else { Wait::AtOrOver(price) })
    }

    /// The liquidation price of an instrument's position, other positions at their last marks: where the balance that it
    /// settles in no longer covers the maintenance margin of all positions that settle in it. `None` if the account survives
    /// even the worst price of a range, which costs a bound or one margin instead of a root; and for spot, which is paid in
    /// full.
    pub(crate) fn liquidation_price(&self, instrument: usize, range: (Price, Price)) -> Option<Price> {
        if self.terms[instrument].is_spot
            || self.terms[instrument].is_option
            || self.clearly_outlives(instrument, range)
        {
            return None;
        }
        let account = self.account_of(instrument);
        let (position, mark) = (account.position(instrument), account.mark(instrument));
        let (contract, table) = (account.contract(instrument), &self.config.tiers[instrument]);
        let options = self.maintenance_of_options(instrument);
        let others = risk::maintenance_beside(account, &self.config.tiers, instrument) + options;
        let other_equity = account.settlement(instrument).equity() - position.profit(contract, mark) - others;
        let worst = worst_for(position.qty, range);
        let needed = table.maintenance_margin(Size::at(contract, worst, position.qty));
        if other_equity + position.profit(contract, worst) > needed {
            return None;
        }
        risk::liquidation_price(contract, position, other_equity, table)
    }

    /// Whether a position outlives the worst price of a range by more than what bounds of maintenance margin are off.
    pub(crate) fn clearly_outlives(&self, instrument: usize, range: (Price, Price)) -> bool {
        let (terms, account) = (&self.terms[instrument], self.account_of(instrument));
        let (qty, contract) = (account.position(instrument).qty, account.contract(instrument));
        let worst = worst_for(qty, range);
        let own = self.config.tiers[instrument].maintenance_bound(Size::at(contract, worst, qty));
        let change = contract.profit(qty, account.mark(instrument), worst);
        account.settlement(instrument).equity() + change > self.bounds[terms.pool] - terms.bound + own
    }

    fn move_to(&mut self, walk: &mut Walk, price: Price) {
        walk.here = price;
        if walk.kind != Kind::Mark {
            self.reach(walk.instrument, price);
        }
    }

    /// The market of an instrument trades at a price.
    pub(crate) fn reach(&mut self, instrument: usize, price: Price) {
        let terms = &mut self.terms[instrument];
        terms.last = price;
        if !terms.has_mark_feed {
            self.mark(instrument, price);
        }
        self.note_price(instrument, price);
    }

    /// Works an order that was reached: triggers, fills, cancels.
    fn work(&mut self, walk: &mut Walk, index: usize) {
        let order = self.book.of(walk.instrument)[index];
        if matches!(order.order.kind, OrderKind::Stop { .. } | OrderKind::StopLimit { .. })
            && order.state != OrderState::Triggered
        {
            self.update(walk, index, OrderUpdate::Triggered);
            if let OrderKind::StopLimit { price, .. } = order.order.kind {
                if beyond(order.order.side, walk.here, price) {
                    walk.note(Some(price));
                    return;
                }
                self.book.get_mut(walk.instrument, index).arrival = Arrival::Crossing;
            }
        }
        self.execute(walk, index);
    }

    /// At what terms so much of an order executes.
    fn terms_of(&self, walk: &Walk, order: &Order, qty: Qty) -> Terms {
        let (side, tick) = (order.order.side, self.terms[walk.instrument].tick);
        let size = (self.account_of(walk.instrument).contract(walk.instrument), qty);
        let taken = self.config.taken(walk.here, side, tick, size);
        let maker = |price| Terms { price, reference: price, liquidity: Liquidity::Maker };
        match (order.limit(), order.arrival) {
            (None, _) => Terms { price: taken, reference: walk.here, liquidity: Liquidity::Taker },
            (Some(limit), Arrival::Crossing) => {
                let price = if side == Side::Buy { taken.min(limit) } else { taken.max(limit) };
                Terms { price, reference: walk.here, liquidity: Liquidity::Taker }
            }
            (Some(limit), Arrival::Inside) => maker(limit),
            (Some(limit), Arrival::Resting) if walk.is_late(order) => maker(limit),
            (Some(_), Arrival::Resting) => maker(worsened(walk.here, Rate::ZERO, side, tick)),
        }
    }

    /// Fills what an order may fill here, and ends what it may not.
    fn execute(&mut self, walk: &mut Walk, index: usize) {
        let order = self.book.of(walk.instrument)[index];
        let net = self.account_of(walk.instrument).position(walk.instrument).qty;
        let mut qty = self.fillable(walk, &order);
        if qty.is_zero() {
            self.update(walk, index, OrderUpdate::Cancelled(CancelReason::NothingToReduce));
            return;
        }
        let mut terms = self.terms_of(walk, &order, qty);
        let shortage = self.shortage(walk.instrument, order.order.side, qty, terms);
        match shortage {
            Some(CancelReason::Margin) => qty = qty.min(reducible(net, order.order.side)),
            Some(_) => qty = Qty::ZERO,
            None => {}
        }
        if !qty.is_zero() {
            if shortage.is_some() {
                terms = self.terms_of(walk, &order, qty);
            }
            let fill = self.fill(walk.instrument, order.order.side, qty, terms);
            let fill = self.take(fill);
            if !self.config.impact.is_zero() {
                self.note_impact(&fill, self.terms_of(walk, &order, Qty::ZERO).price);
            }
            self.update(walk, index, OrderUpdate::Filled(fill));
        }
        if let Some(reason) = shortage {
            self.update_by_id(walk, order.order.id, OrderUpdate::Cancelled(reason));
        }
        self.settle(walk, net, order.limit().is_some() && terms.liquidity == Liquidity::Maker);
    }

    /// Counts what a fill paid more than at the price of one without impact.
    fn note_impact(&mut self, fill: &Fill, without: Price) {
        let index = fill.instrument.index();
        let account = self.account_of(index);
        let (contract, currency) = (account.contract(index), account.settlement(index).currency);
        *self.impact.entry((fill.account, currency)).or_default() +=
            contract.profit(fill.signed_qty(), without, fill.price);
    }

    /// What fills paid for impact so far, by account and currency: the part of what they cost beside their reference prices that a
    /// fill of next to nothing would not have paid.
    pub fn impact_paid(&self) -> impl Iterator<Item = (AccountId, Currency, Cash)> + '_ {
        self.impact.iter().map(|((account, currency), amount)| (*account, *currency, *amount))
    }

    pub(crate) fn fill(&self, instrument: usize, side: Side, qty: Qty, terms: Terms) -> Fill {
        let Terms { price, reference, liquidity } = terms;
        let account = self.terms[instrument].account;
        let client = &self.clients[account.index()];
        let rate = if liquidity == Liquidity::Maker { client.fees.maker() } else { client.fees.taker() };
        let fee =
            self.fee(instrument, qty, price, if self.is_option(instrument) { self.config.options.fee } else { rate });
        let instrument = InstrumentId(instrument as u32);
        Fill { account, instrument, side, qty, price, reference, fee, liquidity, forced: None, execution: 0 }
    }

    /// Numbers a fill and takes it into its account.
    pub(crate) fn take(&mut self, mut fill: Fill) -> Fill {
        let index = fill.instrument.index();
        let client = &mut self.clients[fill.account.index()];
        client.take(&mut fill);
        if let Some(way) = client.counts(&fill) {
            let mark = way.instrument().map(|instrument| self.terms[instrument].mark);
            client.count(&fill, way, mark);
        }
        let terms = &mut self.terms[index];
        if terms.is_option {
            self.note_option(index);
        } else if !terms.is_spot {
            let bound = self.config.tiers[index].maintenance_bound(Size::held(&client.account, index));
            self.bounds[terms.pool] += bound - std::mem::replace(&mut terms.bound, bound);
        }
        let client = &self.clients[fill.account.index()];
        if let Some(held) = &mut self.held[index] {
            let at = if self.stage == Stage::Overdue { self.next_due } else { self.at };
            held.step(at, client.account.position(index).qty);
        }
        fill
    }

    /// A fill of a signed quantity that no order of the account caused, in the present delivery.
    pub(crate) fn force(&mut self, instrument: usize, signed: Qty, terms: Terms, rate: Rate, forced: Forced) {
        let (side, qty) = (if signed.raw() > 0 { Side::Buy } else { Side::Sell }, signed.abs());
        let mut fill = self.fill(instrument, side, qty, terms);
        fill.fee = self.fee(instrument, qty, terms.price, rate);
        fill.forced = Some(forced);
        let order = match forced {
            Forced::Liquidation => LIQUIDATION,
            Forced::Settlement => SETTLEMENT,
            Forced::Opening => OPENING,
        };
        let update = OrderUpdate::Filled(self.take(fill));
        self.out.push(Event::Order(OrderEvent { order, update }));
    }

    /// The fee of a fill at a rate of its value, of options of what they stand for.
    fn fee(&self, instrument: usize, qty: Qty, price: Price, rate: Rate) -> Cash {
        let plain = || fee(self.account_of(instrument).contract(instrument), qty, price, rate);
        self.option_fee(instrument, qty, price, rate).unwrap_or_else(plain)
    }

    /// How much of an order may fill here.
    fn fillable(&self, walk: &Walk, order: &Order) -> Qty {
        let reducible = reducible(self.account_of(walk.instrument).position(walk.instrument).qty, order.order.side);
        let remaining = order.remaining();
        let remaining = if order.order.reduce_only { remaining.min(reducible) } else { remaining };
        if self.may_take_profit(walk, order) { remaining } else { remaining.min(reducible - walk.limit_opened) }
    }

    /// Whether an order was reached but must wait for the next bar.
    fn is_held(&self, walk: &Walk, order: &Order) -> bool {
        !self.may_take_profit(walk, order)
            && reducible(self.account_of(walk.instrument).position(walk.instrument).qty, order.order.side)
                <= walk.limit_opened
    }

    /// Whether a limit order may close quantity that a limit order opened on this path. That the path came to the
    /// opening price before the target is a guess; only a close beyond the target proves it.
    fn may_take_profit(&self, walk: &Walk, order: &Order) -> bool {
        let (Some(limit), Kind::Bar(bar)) = (order.limit(), walk.kind) else { return true };
        let reduces =
            !reducible(self.account_of(walk.instrument).position(walk.instrument).qty, order.order.side).is_zero();
        !reduces || walk.limit_opened.is_zero() || beyond(order.order.side.opposite(), bar.close, limit)
    }

    /// What an account lacks for a fill, if anything. What only reduces never needs margin, but spot is always given in full.
    pub(crate) fn shortage(&self, instrument: usize, side: Side, qty: Qty, terms: Terms) -> Option<CancelReason> {
        let account = self.account_of(instrument);
        let net = account.position(instrument).qty;
        let is_spot = self.terms[instrument].is_spot;
        if !is_spot && qty <= reducible(net, side) {
            return None;
        }
        let fill = self.fill(instrument, side, qty, terms);
        if is_spot {
            return (!self.can_give(&fill)).then_some(CancelReason::Funds);
        }
        let (mark, table) = (account.mark(instrument), &self.config.tiers[instrument]);
        let (contract, held) = (account.contract(instrument), Size::held(account, instrument));
        let equity =
            account.settlement(instrument).equity() + contract.profit(fill.signed_qty(), fill.price, mark) - fill.fee;
        let others = risk::initial_margin(account, &self.config.tiers, instrument) - table.initial_margin(held);
        let after = net + fill.signed_qty();
        let options = self.initial_of_options(instrument, after);
        let needed = others + options + table.initial_margin(Size::at(contract, mark, after));
        (equity < needed).then_some(CancelReason::Margin)
    }

    /// Whether what a spot fill gives is free: the quote currency with the fee for a buy, the coin for a sell.
    fn can_give(&self, fill: &Fill) -> bool {
        let (index, account) = (fill.instrument.index(), self.account_of(fill.instrument.index()));
        let (given, balance) = match fill.side {
            Side::Buy => ((fill.price * fill.qty).cash() + fill.fee, Some(account.settlement(index))),
            Side::Sell => (Cash::from_raw(i128::from(fill.qty.raw()) * i128::from(Qty::ONE)), account.holding(index)),
        };
        balance.is_some_and(|balance| self.free(fill.account, balance.currency) >= given)
    }

    /// After a fill: what limit orders opened is remembered, and reduce-only orders with nothing left to reduce end.
    pub(crate) fn settle(&mut self, walk: &mut Walk, before: Qty, by_limit: bool) {
        let after = self.account_of(walk.instrument).position(walk.instrument).qty;
        let turned = before.signum() != after.signum();
        let kept = if turned { Qty::ZERO } else { before.abs() };
        let opened = Qty::from_raw((after.abs() - kept).raw().max(0));
        let old = if turned { Qty::ZERO } else { walk.limit_opened };
        walk.limit_opened = (old + if by_limit { opened } else { Qty::ZERO }).min(after.abs());
        if !turned {
            return;
        }
        let useless = |order: &&Order| order.order.reduce_only && reducible(after, order.order.side).is_zero();
        while let Some(id) = self.book.of(walk.instrument).iter().find(useless).map(|order| order.order.id) {
            self.cancel(id, CancelReason::NothingToReduce);
        }
    }

    /// Closes the position of a path's instrument and cancels all orders of its account.
    fn liquidate(&mut self, walk: &mut Walk) {
        let (account, tick) = (self.terms[walk.instrument].account, self.terms[walk.instrument].tick);
        let client = &self.clients[account.index()];
        let net = client.account.position(walk.instrument).qty;
        let side = if net.raw() > 0 { Side::Sell } else { Side::Buy };
        let rate = client.fees.taker() + self.config.liquidation_fee;
        let contract = client.account.contract(walk.instrument);
        let taken = |qty| self.config.taken(walk.here, side, tick, (contract, qty));
        let (price, without) = (taken(net), taken(Qty::ZERO));
        let terms = Terms { price, reference: walk.here, liquidity: Liquidity::Taker };
        let forced = self.fill(walk.instrument, side, net.abs(), terms);
        self.force(walk.instrument, -net, terms, rate, Forced::Liquidation);
        if !self.config.impact.is_zero() {
            self.note_impact(&forced, without);
        }
        while let Some(id) = self.book.first_of(account) {
            self.cancel(id, CancelReason::Liquidated);
        }
        walk.limit_opened = Qty::ZERO;
    }

    /// Tells of an order's news in the present delivery, and takes it out of the book when it ended.
    pub(crate) fn update(&mut self, walk: &Walk, index: usize, update: OrderUpdate) {
        let order = self.book.get_mut(walk.instrument, index);
        order.apply(&update);
        let (id, ended) = (order.order.id, order.state.is_final());
        if ended {
            self.book.remove(walk.instrument, index);
        }
        self.out.push(Event::Order(OrderEvent { order: id, update }));
    }

    pub(crate) fn update_by_id(&mut self, walk: &Walk, id: OrderId, update: OrderUpdate) {
        if let Some((_, index)) = self.book.find(id) {
            self.update(walk, index, update);
        }
    }

    /// What did not fill on its first point of a path that ends at an instant rests from there on.
    pub(crate) fn rest(&mut self, instrument: usize, ends: Timestamp, met: impl Fn(&Order) -> bool) {
        for order in self.book.of_mut(instrument).iter_mut().filter(|order| order.after < ends && met(order)) {
            order.arrival = Arrival::Resting;
        }
    }
}

/// The end of a range of prices that is worse for a position.
fn worst_for(qty: Qty, (low, high): (Price, Price)) -> Price {
    if qty.raw() > 0 { low } else { high }
}

/// How much of a position an order on this side can take away.
fn reducible(net: Qty, side: Side) -> Qty {
    if net.side() == Some(side.opposite()) { net.abs() } else { Qty::ZERO }
}

/// Whether a price is worse than a limit for an order on this side (strictly over it to buy, under it to sell).
fn beyond(side: Side, price: Price, limit: Price) -> bool {
    match side {
        Side::Buy => price > limit,
        Side::Sell => price < limit,
    }
}
