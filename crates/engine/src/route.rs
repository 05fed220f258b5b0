//! From a plan to commands: the difference between what should work at the venue and what does.

use crate::Purpose;
use market::{CancelReason, Command, NewOrder, OrderKind, OrderState, OrderUpdate};
use policy::{Add, Exit, Target};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{AccountId, InstrumentId, OrderId, PlanId, Price, Qty, Side};

/// An order of ours that has not ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Live {
    pub(crate) id: OrderId,
    pub(crate) purpose: Purpose,
    pub(crate) side: Side,
    /// Unsigned total quantity.
    pub(crate) qty: Qty,
    /// The total quantity that the venue told last: once that is filled the order has ended there, whatever was asked since.
    pub(crate) agreed: Qty,
    /// Unsigned part that was filled.
    pub(crate) filled: Qty,
    pub(crate) kind: OrderKind,
    pub(crate) state: OrderState,
    /// Its cancellation was sent.
    pub(crate) cancelling: bool,
}

impl Live {
    /// Signed quantity still to fill.
    pub(crate) fn open(&self) -> Qty {
        // Terms that were told late may be smaller than what was filled since.
        (self.qty - self.filled).max(Qty::ZERO).on(self.side)
    }

    /// Counts a fill, of an ended order too. Returns the order as it was. Nothing of any other news.
    fn fill(&mut self, update: &OrderUpdate) -> Option<Self> {
        let OrderUpdate::Filled(fill) = update else { return None };
        let (before, filled) = (*self, self.filled + fill.qty);
        if fill.execution == 0 && filled > self.qty {
            return None;
        }
        self.state = self.state.after(update, filled >= self.qty.min(self.agreed)).unwrap_or(self.state);
        self.filled = filled;
        Some(before)
    }

    fn is_exit(&self) -> bool {
        matches!(self.purpose, Purpose::Stop | Purpose::Rung { .. })
    }

    /// An exit that waits at the venue; a watched one that was reached goes out as a market order.
    fn is_resting_exit(&self) -> bool {
        self.is_exit() && self.kind != OrderKind::Market
    }

    /// An add that waits at its level; a further piece of one is a change of position.
    fn is_add(&self) -> bool {
        matches!(self.purpose, Purpose::Add { .. })
            && matches!(self.kind, OrderKind::Stop { .. } | OrderKind::StopLimit { .. })
    }

    /// The worst price that an add which waits at its level accepts.
    pub(crate) fn limit(&self) -> Option<Price> {
        match self.kind {
            OrderKind::StopLimit { price, .. } => Some(price),
            _ => None,
        }
    }

    /// An increase at a limit, which may stay unfilled.
    fn is_collared(&self) -> bool {
        matches!(self.kind, OrderKind::Limit { .. }) && !self.is_exit()
    }

    /// Moves the order to an open quantity and prices, if it is not there already.
    fn amend(&mut self, open: Qty, kind: OrderKind, outbox: &mut Outbox<'_>) {
        let qty = open + self.filled;
        // A stop that was triggered works as a market or limit order: nothing is left to move.
        if self.state == OrderState::Triggered || (self.qty == qty && self.kind == kind) {
            return;
        }
        (outbox.send)(Command::Amend { order: self.id, qty, kind }, self.purpose);
        (self.qty, self.kind) = (qty, kind);
    }

    /// Asks for the order back. It stays listed until the venue says that it ended: it may be filled before.
    fn cancel(&mut self, outbox: &mut Outbox<'_>) {
        (outbox.send)(Command::Cancel { order: self.id }, self.purpose);
        self.cancelling = true;
    }
}

/// The orders of one strategy that have not ended: a handful, in order of sending.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Working {
    orders: Vec<Live>,
    /// The last ones that ended before they were filled, the newest last: a fill of them may still be told.
    ended: Vec<Live>,
    /// A discretionary target that the venue rejected: not sent again until it changes.
    rejected: Option<Qty>,
    /// What is asked of the orders with every price. It follows from them, and is no state.
    reckoned: Reckoned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reckoned {
    /// What orders that may raise the position could still buy and sell.
    pending: (Qty, Qty),
    /// An add that waits at its level was triggered, and nothing of it is filled.
    has_triggered_add: bool,
}

/// How many ended orders are remembered.
const ENDED_MAX: usize = 32;

/// Where commands of one plan go: ids are derived from the plan, in order.
pub(crate) struct Outbox<'a> {
    pub(crate) plan: PlanId,
    pub(crate) next: u8,
    pub(crate) account: AccountId,
    pub(crate) instrument: InstrumentId,
    /// No other strategy of the account trades the instrument, so that what closes lowers the account's net.
    pub(crate) alone: bool,
    pub(crate) send: &'a mut dyn FnMut(Command, Purpose),
}

impl Outbox<'_> {
    fn place(&mut self, side: Side, qty: Qty, kind: OrderKind, exit: bool, purpose: Purpose) -> Live {
        let id = OrderId::of(self.plan, self.next);
        self.next = self.next.wrapping_add(1);
        let (account, instrument) = (self.account, self.instrument);
        let reduce_only = exit && self.alone;
        (self.send)(Command::Place(NewOrder { id, account, instrument, side, qty, kind, reduce_only, exit }), purpose);
        Live {
            id,
            purpose,
            side,
            qty,
            agreed: qty,
            filled: Qty::ZERO,
            kind,
            state: OrderState::Sent,
            cancelling: false,
        }
    }
}

impl Working {
    /// Whether an order is one of these, or was until a moment ago.
    pub(crate) fn knows(&self, id: OrderId) -> bool {
        self.orders.iter().chain(&self.ended).any(|live| live.id == id)
    }

    pub(crate) fn add(&self) -> Option<&Live> {
        self.orders.iter().find(|live| live.is_add() && !live.cancelling)
    }

    /// Signed quantity of market orders in flight towards the target, and of those that take rungs.
    pub(crate) fn in_flight(&self) -> (Qty, Qty) {
        let market = self.orders.iter().filter(|live| live.kind == OrderKind::Market);
        market.fold((Qty::ZERO, Qty::ZERO), |(change, rungs), live| match live.purpose {
            Purpose::Rung { .. } => (change, rungs + live.open()),
            _ => (change + live.open(), rungs),
        })
    }

    /// Signed quantity of increases at a limit that were not asked back yet.
    pub(crate) fn collared(&self) -> Qty {
        self.orders.iter().filter(|live| live.is_collared() && !live.cancelling).map(Live::open).sum()
    }

    /// Signed quantity of all orders that were not asked back.
    pub(crate) fn on_the_way(&self) -> Qty {
        self.orders.iter().filter(|live| !live.cancelling).map(Live::open).sum()
    }

    /// What orders that may raise the position could still buy and sell.
    #[inline]
    pub(crate) fn pending(&self) -> (Qty, Qty) {
        self.reckoned.pending
    }

    /// An add that was triggered, of which nothing is filled.
    #[inline]
    pub(crate) fn triggered_add(&self) -> Option<&Live> {
        if self.reckoned.has_triggered_add { self.add() } else { None }
    }

    /// Whether an add works at the venue as it is wanted.
    pub(crate) fn holds_add(&self, add: &Add) -> bool {
        self.add().is_some_and(|live| live.open() == add.qty && live.kind == kind_of(add))
    }

    /// After every change of the orders.
    fn reckon(&mut self) {
        let open = self.orders.iter().filter(|live| !live.is_exit()).map(Live::open);
        let pending = open.fold((Qty::ZERO, Qty::ZERO), |(bought, sold), open| match open.side() {
            Some(Side::Buy) => (bought + open, sold),
            _ => (bought, sold - open),
        });
        let is_unfilled = |add: &Live| add.state == OrderState::Triggered && add.filled.is_zero();
        self.reckoned = Reckoned { pending, has_triggered_add: self.add().is_some_and(is_unfilled) };
    }

    /// Takes in news of an order; stale and repeated news changes nothing, but a fill counts however late it is told.
    /// Returns the order as it was when the news counts. That an execution is told once is known by its number, which the
    /// [book](crate::book::Book) looks at; one without a number is taken for a repetition beyond the order's quantity.
    pub(crate) fn update(&mut self, id: OrderId, update: &OrderUpdate) -> Option<Live> {
        let Some(at) = self.orders.iter().position(|live| live.id == id) else {
            return self.ended.iter_mut().find(|live| live.id == id).and_then(|live| live.fill(update));
        };
        let live = &mut self.orders[at];
        let before = if matches!(update, OrderUpdate::Filled(_)) {
            live.fill(update)?
        } else {
            let before = *live;
            live.state = live.state.after(update, false)?;
            before
        };
        match *update {
            OrderUpdate::Amended { qty, kind } if before.state != OrderState::Triggered => {
                (live.qty, live.agreed, live.kind) = (qty, qty, kind);
            }
            // Once triggered, terms that are told are older ones, and what was asked for last has held; unless just these terms are filled:
            // the order had ended before it could be amended again, and no answer will come.
            OrderUpdate::Amended { qty, .. } => {
                live.agreed = live.agreed.min(qty);
                if live.filled == live.agreed {
                    live.state = OrderState::Filled;
                }
            }
            OrderUpdate::Rejected(_) | OrderUpdate::Cancelled(CancelReason::Margin)
                if live.kind == OrderKind::Market || live.is_collared() =>
            {
                self.rejected = Some(before.open());
            }
            _ => {}
        }
        if self.orders[at].state.is_final() {
            let ended = self.orders.remove(at);
            if ended.filled < ended.qty {
                if self.ended.len() == ENDED_MAX {
                    self.ended.remove(0);
                }
                self.ended.push(ended);
            }
        }
        self.reckon();
        Some(before)
    }

    /// Sends what brings the working orders in line with a plan: protective orders first, then the change of position.
    pub(crate) fn route(&mut self, wanted: &Wanted<'_>, outbox: &mut Outbox<'_>) {
        self.route_all(wanted, outbox);
        self.reckon();
    }

    fn route_all(&mut self, wanted: &Wanted<'_>, outbox: &mut Outbox<'_>) {
        if wanted.takes_back {
            self.take_back(outbox);
        }
        self.route_exits(wanted, outbox);
        self.route_add(wanted, outbox);
        if wanted.may_trade {
            self.route_change(wanted, outbox);
        }
    }

    /// Whether an entry of an earlier plan is on its way.
    pub(crate) fn enters_since_before(&self, plan: PlanId) -> bool {
        self.orders.iter().any(|live| live.purpose == Purpose::Entry && live.id.plan() != plan)
    }

    /// What is left of the position once all is filled that was sent to take some of it off: market orders, and stops that were
    /// triggered. Never beyond flat.
    pub(crate) fn left(&self, held: Qty) -> Qty {
        self.left_by(held, PlanId(u64::MAX))
    }

    /// The same of orders of plans up to one.
    pub(crate) fn left_by(&self, held: Qty, plan: PlanId) -> Qty {
        let leaves = |live: &&Live| {
            live.id.plan() <= plan && (live.kind == OrderKind::Market || live.state == OrderState::Triggered)
        };
        let off = self.orders.iter().filter(leaves).map(Live::open).filter(|open| open.signum() == -held.signum());
        less(held, off.sum())
    }

    /// What exits may have of the position.
    ///
    /// Beside other strategies of the instrument nothing is reduce-only. What goes out at the market for a part of the position
    /// could be filled on top of exits that rest: they are brought down to what it leaves before it goes out.
    fn room(&self, wanted: &Wanted<'_>) -> Room {
        let may_take = wanted.may_trade && !wanted.target.qty.is_zero();
        if !wanted.shared {
            return Room { left: wanted.held, rungs: u32::MAX, takes: if may_take { u32::MAX } else { 0 } };
        }
        let mut room = Room { left: self.left(wanted.held), rungs: 0, takes: 0 };
        let (mut taken, out) = (Qty::ZERO, if wanted.held.signum() > 0 { Side::Sell } else { Side::Buy });
        for exit in wanted.exits {
            if let Exit::Take { index, qty } = *exit
                && may_take
                && qty <= room.left.abs()
                && !self.rests(Purpose::Rung { index })
            {
                room.takes |= 1 << index;
                taken += qty.on(out);
                room.left = less(room.left, qty.on(out));
            }
        }
        if wanted.may_trade
            && let Some((change, true)) = self.change(wanted, taken)
        {
            room.left = less(room.left, change);
        }
        let mut free = room.left.abs();
        for exit in wanted.exits {
            if let Exit::Rung { index, qty, .. } = *exit
                && qty <= free
            {
                room.rungs |= 1 << index;
                free -= qty;
            }
        }
        room
    }

    /// Whether an order of a purpose works that is to stay.
    fn rests(&self, purpose: Purpose) -> bool {
        self.orders.iter().any(|live| live.purpose == purpose && !live.cancelling)
    }

    /// Whether no order of ours is working.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// Whether [`Self::route`] would send anything: routes a copy and looks.
    pub(crate) fn would_send(&self, wanted: &Wanted<'_>, copy: &mut Self) -> bool {
        let mut sent = false;
        let mut send = |_: Command, _: Purpose| sent = true;
        let mut outbox = Outbox {
            plan: PlanId(0),
            next: 0,
            account: AccountId(0),
            instrument: InstrumentId(0),
            alone: true,
            send: &mut send,
        };
        // A copy in a list that is kept: a decision allocates nothing.
        copy.orders.clone_from(&self.orders);
        copy.rejected = self.rejected;
        copy.route_all(wanted, &mut outbox);
        sent
    }

    /// Asks entries and changes of size back that are on their way.
    fn take_back(&mut self, outbox: &mut Outbox<'_>) {
        let increases = |live: &&mut Live| !live.is_exit() && !live.is_add() && !live.cancelling;
        for live in self.orders.iter_mut().filter(increases) {
            live.cancel(outbox);
        }
    }

    fn route_exits(&mut self, wanted: &Wanted<'_>, outbox: &mut Outbox<'_>) {
        let room = self.room(wanted);
        let out_of_position = (-wanted.held).side();
        let order_of = |exit: &Exit| match *exit {
            Exit::Stop { trigger } => Some((Purpose::Stop, OrderKind::Stop { trigger }, room.left.abs())),
            Exit::Rung { index, price, qty } if room.rungs & (1 << index) != 0 => {
                Some((Purpose::Rung { index }, OrderKind::Limit { price }, qty))
            }
            // What is watched has no order. A rung goes out on news of the market, and not beside what closes all.
            Exit::Take { index, qty } if room.takes & (1 << index) != 0 => {
                Some((Purpose::Rung { index }, OrderKind::Market, qty))
            }
            Exit::Rung { .. } | Exit::WatchedStop { .. } | Exit::WatchedRung { .. } | Exit::Take { .. } => None,
        };
        for live in self.orders.iter_mut().filter(|live| live.is_resting_exit() && !live.cancelling) {
            // Counted in what is left: it closes the position now.
            if wanted.shared && live.state == OrderState::Triggered {
                continue;
            }
            let exit = wanted.exits.iter().filter_map(order_of).find(|(purpose, ..)| live.purpose == *purpose);
            match exit.filter(|(.., qty)| !qty.is_zero() && out_of_position == Some(live.side)) {
                Some((_, kind, qty)) => live.amend(qty, kind, outbox),
                None => live.cancel(outbox),
            }
        }
        // The stop before the rungs: if anything is lost on the way, it is not the protection.
        let is_stop = |exit: &&Exit| matches!(exit, Exit::Stop { .. });
        let stop_first = wanted.exits.iter().filter(is_stop).chain(wanted.exits.iter().filter(|exit| !is_stop(exit)));
        for (purpose, kind, qty) in stop_first.filter_map(order_of).filter(|(.., qty)| !qty.is_zero()) {
            if let Some(side) = out_of_position.filter(|_| !self.rests(purpose)) {
                self.orders.push(outbox.place(side, qty, kind, true, purpose));
            }
        }
    }

    fn route_add(&mut self, wanted: &Wanted<'_>, outbox: &mut Outbox<'_>) {
        let mut missing = wanted.add;
        for live in self.orders.iter_mut().filter(|live| live.is_add() && !live.cancelling) {
            match missing.take_if(|add| live.purpose == (Purpose::Add { unit: add.unit })) {
                // Triggered and not filled within its collar: it is taken back, and decided anew once it has ended. What rests
                // at its chase waits there until it lapses.
                Some(add) if live.state == OrderState::Triggered && live.limit() != add.chase && wanted.may_trade => {
                    live.cancel(outbox);
                }
                Some(add) => live.amend(add.qty.abs(), kind_of(&add), outbox),
                None => live.cancel(outbox),
            }
        }
        if let Some((add, side)) = missing.and_then(|add| Some((add, add.qty.side()?))) {
            let purpose = Purpose::Add { unit: add.unit };
            // One that was asked back may be filled before.
            if self.orders.iter().any(|live| live.is_add() && live.purpose == purpose) {
                return;
            }
            self.orders.push(outbox.place(side, add.qty.abs(), kind_of(&add), false, purpose));
        }
    }

    fn route_change(&mut self, wanted: &Wanted<'_>, outbox: &mut Outbox<'_>) {
        if let Some((change, reduces)) = self.change(wanted, Qty::ZERO) {
            let purpose = match () {
                () if wanted.hedges && !(reduces && wanted.cut) => Purpose::Hedge,
                () if wanted.held.is_zero() => Purpose::Entry,
                () if reduces && wanted.stopped => Purpose::Stop,
                () if reduces && wanted.cut => Purpose::Cut,
                () if reduces && wanted.target.qty.is_zero() => Purpose::Exit,
                () if reduces => Purpose::Resize,
                () => wanted.entering.unwrap_or(Purpose::Resize),
            };
            if let Some(side) = change.side() {
                self.rejected = None;
                let kind = match wanted.worst {
                    Some(price) if !reduces => OrderKind::Limit { price },
                    _ => OrderKind::Market,
                };
                let live = outbox.place(side, change.abs(), kind, reduces, purpose);
                self.orders.push(live);
            }
        }
        // What an order of an earlier decision left unfilled within its collar is taken back.
        let plan = outbox.plan;
        for live in self.orders.iter_mut().filter(|live| live.is_collared() && !live.cancelling) {
            if live.id.plan() != plan {
                live.cancel(outbox);
            }
        }
    }

    /// The signed market order that is missing beside rungs that are about to be taken, and whether it reduces. A flip closes
    /// first.
    fn change(&self, wanted: &Wanted<'_>, taken: Qty) -> Option<(Qty, bool)> {
        let held = wanted.held;
        let flips = held.signum() * wanted.target.qty.signum() < 0;
        let target = if flips { Qty::ZERO } else { wanted.target.qty };
        let (in_flight, rungs) = self.in_flight();
        let rungs = rungs + taken;
        let mut change = target - held - in_flight;
        let reduces = !held.is_zero() && change.signum() == -held.signum();
        if reduces && !rungs.is_zero() {
            // A rung on its way takes its part of the reduction.
            let rest = change - rungs;
            change = if rest.signum() == change.signum() { rest } else { Qty::ZERO };
        }
        if reduces && wanted.shared {
            // An increase on its way may never be filled: no more goes out than is held, and the rest once it was.
            let most = -less(self.left(held), taken);
            change = if change.abs() > most.abs() { most } else { change };
        }
        let in_flight_at_all = !in_flight.is_zero() || !rungs.is_zero() || self.orders.iter().any(Live::is_collared);
        // An increase waits for all that is in flight: a turned signal would otherwise double an entry on its way, or open
        // what a close on its way is about to end. It is not repeated once the venue has refused it.
        let waits = wanted.keeps_back || in_flight_at_all || self.rejected == Some(change);
        let blocked = !reduces && waits;
        (!change.is_zero() && !blocked).then_some((change, reduces))
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.option(self.rejected, |out, qty| out.i64(qty.raw()));
        for list in [&self.orders, &self.ended] {
            out.len(list.len());
            for live in list {
                live.save(out);
            }
        }
    }

    pub(crate) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let rejected = from.option(StateReader::i64)?.map(Qty::from_raw);
        let orders = (0..from.len()?).map(|_| Live::load(from)).collect::<Result<_, _>>()?;
        let ended = (0..from.len()?).map(|_| Live::load(from)).collect::<Result<_, _>>()?;
        let mut working = Self { orders, ended, rejected, reckoned: Reckoned::default() };
        working.reckon();
        Ok(working)
    }
}

impl Live {
    fn save(&self, out: &mut StateWriter) {
        out.u64(self.id.0);
        self.purpose.save(out);
        out.bool(self.side == Side::Buy);
        out.i64(self.qty.raw());
        out.i64(self.agreed.raw());
        out.i64(self.filled.raw());
        self.kind.save(out);
        out.u8(self.state as u8);
        out.bool(self.cancelling);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            id: OrderId(from.u64()?),
            purpose: Purpose::load(from)?,
            side: if from.bool()? { Side::Buy } else { Side::Sell },
            qty: Qty::from_raw(from.i64()?),
            agreed: Qty::from_raw(from.i64()?),
            filled: Qty::from_raw(from.i64()?),
            kind: load_kind(from)?,
            state: load_state(from)?,
            cancelling: from.bool()?,
        })
    }
}

/// What exits may have of a position that orders on their way take parts of.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// The signed position that stays: what a stop covers.
    left: Qty,
    /// One bit per rung that may rest: those that it suffices for.
    rungs: u32,
    /// One bit per watched rung that may be taken now.
    takes: u32,
}

/// A position after a change, no further than flat.
fn less(held: Qty, change: Qty) -> Qty {
    let after = held + change;
    if after.signum() == held.signum() { after } else { Qty::ZERO }
}

/// What should work at the venue after a decision.
#[derive(Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) target: Target,
    pub(crate) exits: &'a [Exit],
    pub(crate) add: Option<Add>,
    pub(crate) held: Qty,
    /// A limit lowered the target.
    pub(crate) cut: bool,
    /// A watched stop was crossed.
    pub(crate) stopped: bool,
    /// The worst price for an increase.
    pub(crate) worst: Option<Price>,
    /// What an increase is a further piece of.
    pub(crate) entering: Option<Purpose>,
    /// News of our own orders moves exits and adds only; the position itself changes on market news.
    pub(crate) may_trade: bool,
    /// Other strategies of the account trade the instrument.
    pub(crate) shared: bool,
    /// The desk of a structure takes no increase now.
    pub(crate) keeps_back: bool,
    /// A hedge trades it.
    pub(crate) hedges: bool,
    /// Nothing is held, and what is on its way was for a campaign that has just ended, or is wanted no more.
    pub(crate) takes_back: bool,
}

fn kind_of(add: &Add) -> OrderKind {
    match add.limit {
        Some(price) => OrderKind::StopLimit { trigger: add.trigger, price },
        None => OrderKind::Stop { trigger: add.trigger },
    }
}

pub(crate) fn load_kind(from: &mut StateReader<'_>) -> Result<OrderKind, Corrupt> {
    let tag = from.u8()?;
    let mut price = || from.i64().map(Price::from_raw);
    Ok(match tag {
        0 => OrderKind::Market,
        1 => OrderKind::Limit { price: price()? },
        2 => OrderKind::Stop { trigger: price()? },
        3 => OrderKind::StopLimit { trigger: price()?, price: price()? },
        _ => return Err(Corrupt { at: 0, what: "no kind of order" }),
    })
}

fn load_state(from: &mut StateReader<'_>) -> Result<OrderState, Corrupt> {
    Ok(match from.u8()? {
        0 => OrderState::Sent,
        1 => OrderState::Live,
        2 => OrderState::Triggered,
        3 => OrderState::Filled,
        4 => OrderState::Cancelled,
        5 => OrderState::Rejected,
        _ => return Err(Corrupt { at: 0, what: "no state of an order" }),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;
    use market::{Fill, Liquidity};
    use units::Cash;

    fn qty(lots: i64) -> Qty {
        Qty::from_raw(lots * Qty::ONE)
    }

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    /// One strategy beside others: what it holds, and its orders.
    #[derive(Default)]
    struct Seat {
        working: Working,
        held: Qty,
        plans: u64,
    }

    impl Seat {
        /// Routes towards a target, and tells what was sent.
        fn route(&mut self, target: i64, exits: &[Exit], may_trade: bool) -> Vec<Command> {
            self.plans += 1;
            let mut sent = Vec::new();
            let mut send = |command, _| sent.push(command);
            let mut outbox = Outbox {
                plan: PlanId(self.plans),
                next: 0,
                account: AccountId(0),
                instrument: InstrumentId(0),
                alone: false,
                send: &mut send,
            };
            let target = Target { base: qty(target), qty: qty(target) };
            let wanted = Wanted { target, exits, held: self.held, may_trade, shared: true, ..Wanted::default() };
            self.working.route(&wanted, &mut outbox);
            sent
        }

        fn tell(&mut self, id: OrderId, update: &OrderUpdate) {
            self.working.update(id, update);
        }

        fn fill(&mut self, id: OrderId, part: Qty) {
            let side = self.live().find(|live| live.id == id).unwrap().side;
            let (account, instrument, price) = (AccountId(0), InstrumentId(0), price("100"));
            let (fee, liquidity, forced, execution) = (Cash::ZERO, Liquidity::Taker, None, 0);
            let (qty, reference) = (part, price);
            let fill = Fill { account, instrument, side, qty, price, reference, fee, liquidity, forced, execution };
            self.tell(id, &OrderUpdate::Filled(fill));
            self.held += part.on(side);
        }

        /// The venue has done what it was asked to take back.
        fn end_cancelled(&mut self) {
            let cancelling = |live: &&Live| live.cancelling;
            while let Some(id) = self.working.orders.iter().find(cancelling).map(|live| live.id) {
                self.tell(id, &OrderUpdate::Cancelled(CancelReason::Requested));
            }
        }

        /// Orders that are to stay.
        fn live(&self) -> impl Iterator<Item = &Live> {
            self.working.orders.iter().filter(|live| !live.cancelling)
        }

        /// What market orders, the stop and the rungs that rest could take off.
        fn off(&self) -> [Qty; 3] {
            let of = |is_it: fn(OrderKind) -> bool| {
                let out = self.live().filter(|live| is_it(live.kind) && live.side.sign() == -self.held.signum());
                out.map(|live| live.open().abs()).sum()
            };
            [
                of(|kind| kind == OrderKind::Market),
                of(|kind| matches!(kind, OrderKind::Stop { .. })),
                of(|kind| matches!(kind, OrderKind::Limit { .. })),
            ]
        }
    }

    fn stop() -> Exit {
        Exit::Stop { trigger: price("90") }
    }

    fn rung(index: u8, lots: i64) -> Exit {
        Exit::Rung { index, price: price("110"), qty: qty(lots) }
    }

    fn holding(lots: i64, exits: &[Exit]) -> Seat {
        let mut seat = Seat { held: qty(lots), ..Seat::default() };
        seat.route(lots, exits, true);
        seat
    }

    #[test]
    fn a_cut_takes_back_the_rungs_that_no_longer_fit() {
        let exits = [rung(0, 4), rung(1, 4), stop()];
        let mut seat = holding(10, &exits);
        assert_eq!(seat.off(), [qty(0), qty(10), qty(8)]);
        let sent = seat.route(5, &exits, true);
        assert!(matches!(sent[..], [Command::Amend { .. }, Command::Cancel { .. }, Command::Place(_)]), "{sent:?}");
        assert_eq!(seat.off(), [qty(5), qty(5), qty(4)]);
    }

    /// Ten held, and five more on their way, which may be refused: when all is to go, ten go out and not fifteen.
    #[test]
    fn a_close_is_no_larger_than_what_is_held() {
        let mut seat = holding(10, &[stop()]);
        seat.route(15, &[stop()], true);
        seat.route(0, &[stop()], true);
        assert_eq!(seat.off(), [qty(10), qty(0), qty(0)]);
        let more = seat.live().find(|live| live.side == Side::Buy).unwrap().id;
        seat.fill(more, qty(5));
        seat.route(0, &[stop()], false);
        assert_eq!(seat.off(), [qty(10), qty(5), qty(0)]);
        seat.route(0, &[stop()], true);
        assert_eq!(seat.off(), [qty(15), qty(0), qty(0)]);
    }

    /// A stop that was triggered and is filled in parts is on its way: nothing goes out beside it.
    #[test]
    fn a_triggered_stop_closes_alone() {
        let mut seat = holding(10, &[stop()]);
        let id = seat.live().next().unwrap().id;
        seat.tell(id, &OrderUpdate::Triggered);
        seat.fill(id, qty(3));
        assert_eq!(seat.route(0, &[stop()], true), []);
        assert_eq!(seat.off(), [qty(0), qty(7), qty(0)]);
    }

    /// A stop that is filled whole, of which the venue's terms are told last, while a larger one was asked for already: it has ended.
    #[test]
    fn a_stop_that_ended_before_it_was_amended_is_replaced() {
        let mut seat = holding(10, &[stop()]);
        let id = seat.live().next().unwrap().id;
        let amended = |lots| OrderUpdate::Amended { qty: qty(lots), kind: OrderKind::Stop { trigger: price("90") } };
        seat.held = qty(4);
        seat.route(4, &[stop()], true);
        seat.held = qty(9);
        seat.route(9, &[stop()], true);
        seat.tell(id, &OrderUpdate::Triggered);
        seat.fill(id, qty(4));
        assert_eq!(seat.off(), [qty(0), qty(5), qty(0)], "the larger one may have held");
        seat.tell(id, &amended(4));
        assert_eq!(seat.off(), [qty(0), qty(0), qty(0)]);
        assert!(matches!(seat.route(5, &[stop()], true)[..], [Command::Place(_)]));
        assert_eq!(seat.off(), [qty(0), qty(5), qty(0)]);
    }

    /// Whatever is wanted, filled, in parts too, and refused: market orders and either the stop or the rungs never take off more
    /// than is held.
    #[test]
    fn orders_of_one_beside_others_never_turn_its_position() {
        let mut seed = 7_u64;
        let mut random = |most: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 33) % most as u64) as i64
        };
        let (mut beside, mut flat) = (0, 0);
        for _ in 0..1_000 {
            let (mut seat, mut exits, mut target) = (Seat::default(), Vec::new(), 0);
            for _ in 0..100 {
                let (before, lots) = (seat.held, seat.held.abs().raw() / Qty::ONE);
                let may_trade = random(3) == 0;
                let orders: Vec<(OrderId, Qty, OrderKind)> =
                    seat.live().map(|live| (live.id, live.open().abs(), live.kind)).collect();
                if may_trade {
                    target = random(25) - 12;
                    exits.clear();
                    exits.extend((random(4) > 0).then(stop));
                    let mut free = lots;
                    for index in 0..3 {
                        let part = random(5).min(free);
                        free -= part;
                        let take = Exit::Take { index, qty: qty(part) };
                        exits.push(if random(3) == 0 { take } else { rung(index, part) });
                    }
                } else if !orders.is_empty() {
                    let (id, open, kind) = orders[random(orders.len() as i64) as usize];
                    match random(4) {
                        0 => seat.tell(id, &OrderUpdate::Cancelled(CancelReason::Margin)),
                        1 => {
                            if matches!(kind, OrderKind::Stop { .. }) {
                                seat.tell(id, &OrderUpdate::Triggered);
                            }
                            seat.fill(id, qty(1 + random(open.raw() / Qty::ONE)));
                        }
                        _ => seat.fill(id, open),
                    }
                    assert!(before.signum() * seat.held.signum() >= 0, "{before} turned to {}", seat.held);
                    flat += u32::from(!before.is_zero() && seat.held.is_zero());
                    // The rules leave no more to rungs than is held.
                    let mut free = seat.held.abs();
                    exits.retain(|exit| {
                        let (Exit::Rung { qty, .. } | Exit::Take { qty, .. }) = exit else { return true };
                        free -= *qty;
                        free >= Qty::ZERO
                    });
                }
                seat.route(target, &exits, may_trade);
                seat.end_cancelled();
                let [market, stop, rungs] = seat.off();
                beside += u32::from(!market.is_zero() && !(stop + rungs).is_zero());
                let off = market + stop.max(rungs);
                assert!(off <= seat.held.abs(), "{market} {stop} {rungs} of {}", seat.held);
            }
        }
        assert!(beside > 1_000 && flat > 1_000, "{beside} {flat}");
    }
}
