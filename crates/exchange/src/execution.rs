//! Walking a path: what is reached next, and what happens there.

use crate::book::{Arrival, Order, Wait};
use crate::config::{fee, worsened};
use crate::venue::{ACCOUNT, Exchange, LIQUIDATION};
use crate::walk::{Kind, Walk};
use market::{CancelReason, Event, Fill, Forced, Liquidity, OrderEvent, OrderKind, OrderState, OrderUpdate};
use units::{InstrumentId, OrderId, Price, Qty, Rate, Side};

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
struct Terms {
    price: Price,
    reference: Price,
    liquidity: Liquidity,
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
        let reached = orders.filter(|(_, order)| order.after < walk.ends).filter_map(|(index, order)| {
            let at = order.wait().reached(walk.here, walk.target())?;
            (!self.is_held(walk, order)).then_some((at, !order.is_protective(), index))
        });
        let nearest = reached.min_by_key(|(at, late, index)| ((*at - walk.here).abs(), *late, *index));
        nearest.map(|(at, _, index)| (at, index))
    }

    /// Where the present position is liquidated on this path, if anywhere.
    fn doom(&self, walk: &mut Walk) -> Option<Wait> {
        let position = self.account.position(walk.instrument);
        let side = position.qty.side()?;
        let (instrument, range) = (walk.instrument, walk.range());
        let found = *walk.doom.get_or_insert_with(|| self.liquidation_price(instrument, range));
        found.map(|price| if side == Side::Buy { Wait::AtOrUnder(price) } else { Wait::AtOrOver(price) })
    }

    /// The liquidation price of an instrument's position, other positions at their last marks. `None` if the account
    /// survives even the worst price of a range, which costs one margin instead of a root.
    fn liquidation_price(&self, instrument: usize, (low, high): (Price, Price)) -> Option<Price> {
        let position = self.account.position(instrument);
        let mark = self.account.mark(instrument);
        let table = &self.config.tiers[instrument];
        let contract = self.account.contract(instrument);
        let own = table.maintenance_margin(self.account.exposure(instrument));
        let others = risk::maintenance_margin(&self.account, &self.config.tiers) - own;
        let other_equity = self.account.equity() - position.profit(contract, mark) - others;
        let worst = if position.qty.raw() > 0 { low } else { high };
        if other_equity + position.profit(contract, worst)
            > table.maintenance_margin(contract.exposure(worst, position.qty))
        {
            return None;
        }
        risk::liquidation_price(contract, position, other_equity, table)
    }

    fn move_to(&mut self, walk: &mut Walk, price: Price) {
        walk.here = price;
        if walk.kind == Kind::Mark {
            return;
        }
        let terms = &mut self.terms[walk.instrument];
        terms.last = price;
        if !terms.has_mark_feed {
            self.account.set_mark(walk.instrument, price);
        }
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
        let order = self.book.of(walk.instrument)[index];
        let terms = self.terms_of(walk, &order);
        self.execute(walk, index, terms);
    }

    fn terms_of(&self, walk: &Walk, order: &Order) -> Terms {
        let (side, tick) = (order.order.side, self.terms[walk.instrument].tick);
        let taken = self.config.taken(walk.here, side, tick);
        let maker = |price| Terms { price, reference: price, liquidity: Liquidity::Maker };
        match (order.limit(), order.arrival) {
            (None, _) => Terms { price: taken, reference: walk.here, liquidity: Liquidity::Taker },
            (Some(limit), Arrival::Crossing) => {
                let price = if side == Side::Buy { taken.min(limit) } else { taken.max(limit) };
                Terms { price, reference: walk.here, liquidity: Liquidity::Taker }
            }
            (Some(limit), Arrival::Inside) => maker(limit),
            (Some(_), Arrival::Resting) => maker(worsened(walk.here, Rate::ZERO, side, tick)),
        }
    }

    /// Fills what an order may fill at these terms, and ends what it may not.
    fn execute(&mut self, walk: &mut Walk, index: usize, terms: Terms) {
        let order = self.book.of(walk.instrument)[index];
        let net = self.account.position(walk.instrument).qty;
        let mut qty = self.fillable(walk, &order);
        if qty.is_zero() {
            self.update(walk, index, OrderUpdate::Cancelled(CancelReason::NothingToReduce));
            return;
        }
        let affordable = self.is_affordable(walk.instrument, order.order.side, qty, terms);
        if !affordable {
            qty = qty.min(reducible(net, order.order.side));
        }
        if !qty.is_zero() {
            let fill = self.fill(InstrumentId(walk.instrument as u32), order.order.side, qty, terms);
            self.account.fill(&fill);
            self.update(walk, index, OrderUpdate::Filled(fill));
        }
        if !affordable {
            self.update_by_id(walk, order.order.id, OrderUpdate::Cancelled(CancelReason::Margin));
        }
        self.settle(walk, net, order.limit().is_some() && terms.liquidity == Liquidity::Maker);
    }

    fn fill(&self, instrument: InstrumentId, side: Side, qty: Qty, terms: Terms) -> Fill {
        let Terms { price, reference, liquidity } = terms;
        let rate = if liquidity == Liquidity::Maker { self.config.maker } else { self.config.taker };
        let fee = fee(self.account.contract(instrument.index()), qty, price, rate);
        Fill { account: ACCOUNT, instrument, side, qty, price, reference, fee, liquidity, forced: None, execution: 0 }
    }

    /// How much of an order may fill here.
    fn fillable(&self, walk: &Walk, order: &Order) -> Qty {
        let reducible = reducible(self.account.position(walk.instrument).qty, order.order.side);
        let remaining = order.remaining();
        let remaining = if order.order.reduce_only { remaining.min(reducible) } else { remaining };
        if self.may_take_profit(walk, order) { remaining } else { remaining.min(reducible - walk.limit_opened) }
    }

    /// Whether an order was reached but must wait for the next bar.
    fn is_held(&self, walk: &Walk, order: &Order) -> bool {
        !self.may_take_profit(walk, order)
            && reducible(self.account.position(walk.instrument).qty, order.order.side) <= walk.limit_opened
    }

    /// Whether a limit order may close quantity that a limit order opened on this path. That the path came to the
    /// opening price before the target is a guess; only a close beyond the target proves it.
    fn may_take_profit(&self, walk: &Walk, order: &Order) -> bool {
        let (Some(limit), Kind::Bar(bar)) = (order.limit(), walk.kind) else { return true };
        let reduces = !reducible(self.account.position(walk.instrument).qty, order.order.side).is_zero();
        !reduces || walk.limit_opened.is_zero() || beyond(order.order.side.opposite(), bar.close, limit)
    }

    /// Whether equity after a fill covers the initial margin of all positions after it. What only reduces always is.
    fn is_affordable(&self, instrument: usize, side: Side, qty: Qty, terms: Terms) -> bool {
        let net = self.account.position(instrument).qty;
        if qty <= reducible(net, side) {
            return true;
        }
        let (mark, table) = (self.account.mark(instrument), &self.config.tiers[instrument]);
        let (contract, held) = (self.account.contract(instrument), self.account.exposure(instrument));
        let fill = self.fill(InstrumentId(instrument as u32), side, qty, terms);
        let equity = self.account.equity() + contract.profit(fill.signed_qty(), fill.price, mark) - fill.fee;
        let others = risk::initial_margin(&self.account, &self.config.tiers) - table.initial_margin(held);
        equity >= others + table.initial_margin(contract.exposure(mark, net + fill.signed_qty()))
    }

    /// After a fill: what limit orders opened is remembered, and reduce-only orders with nothing left to reduce end.
    fn settle(&mut self, walk: &mut Walk, before: Qty, by_limit: bool) {
        let after = self.account.position(walk.instrument).qty;
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

    /// Closes the position of a path's instrument and cancels all orders of the account.
    fn liquidate(&mut self, walk: &mut Walk) {
        let net = self.account.position(walk.instrument).qty;
        let side = if net.raw() > 0 { Side::Sell } else { Side::Buy };
        let price = self.config.taken(walk.here, side, self.terms[walk.instrument].tick);
        let terms = Terms { price, reference: walk.here, liquidity: Liquidity::Taker };
        let mut fill = self.fill(InstrumentId(walk.instrument as u32), side, net.abs(), terms);
        fill.fee = fee(
            self.account.contract(walk.instrument),
            net.abs(),
            price,
            self.config.taker + self.config.liquidation_fee,
        );
        fill.forced = Some(Forced::Liquidation);
        self.account.fill(&fill);
        self.out.push(Event::Order(OrderEvent { order: LIQUIDATION, update: OrderUpdate::Filled(fill) }));
        while let Some(id) = self.book.first() {
            self.cancel(id, CancelReason::Liquidated);
        }
        walk.limit_opened = Qty::ZERO;
    }

    /// Tells of an order's news in the present delivery, and takes it out of the book when it ended.
    fn update(&mut self, walk: &Walk, index: usize, update: OrderUpdate) {
        let order = self.book.get_mut(walk.instrument, index);
        order.apply(&update);
        let (id, ended) = (order.order.id, order.state.is_final());
        if ended {
            self.book.remove(walk.instrument, index);
        }
        self.out.push(Event::Order(OrderEvent { order: id, update }));
    }

    fn update_by_id(&mut self, walk: &Walk, id: OrderId, update: OrderUpdate) {
        if let Some((_, index)) = self.book.find(id) {
            self.update(walk, index, update);
        }
    }

    /// What did not fill on the first point of a path rests from there on.
    pub(crate) fn rest(&mut self, walk: &Walk) {
        if walk.kind == Kind::Mark {
            return;
        }
        for order in self.book.of_mut(walk.instrument).iter_mut().filter(|order| order.after < walk.ends) {
            order.arrival = Arrival::Resting;
        }
    }
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
