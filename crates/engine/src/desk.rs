//! A small venue for one structure of options: it takes in orders in whole structures and trades their legs at the real one.
//!
//! Whatever happens to the legs, two sums hold: what is held of a leg is its executions, and what they paid is told to the
//! strategy once, with the structure that they made, the roll that they were for, or as what an attempt cost.

use crate::Purpose;
use crate::structure::{Choice, price_of, times};
use arrayvec::ArrayVec;
use market::{CancelReason, Command, Fill, Forced, OrderKind, OrderUpdate, RejectReason};
use policy::spec::{LEGS_MAX, Roll, Structure};
use risk::chain::Chains;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{AccountId, Cash, InstrumentId, Notional, OrderId, PlanId, Price, Qty, Side, Timestamp};

/// Orders of legs are numbered from here in the plan that sends them. Lower numbers are the strategy's own, in structures.
pub(crate) const FIRST_LEG_ORDER: u8 = 128;
/// What a desk itself decided has a number from here on up to the legs', in the plan that begins it.
const FIRST_OWN_ORDER: u8 = FIRST_LEG_ORDER / 2;

/// How many ended orders of legs are remembered.
const ENDED_MAX: usize = 32;

/// The desk of one strategy.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) scope: u32,
    /// The structure.
    pub(crate) instrument: InstrumentId,
    pub(crate) account: AccountId,
    /// Where its options are listed; `None`: the catalogue has none.
    pub(crate) chain: Option<usize>,
    pub(crate) terms: Structure,
    /// The structure's quantity grid.
    pub(crate) lot: Qty,
    /// Its options, while anything is held or ordered.
    pub(crate) lines: Vec<Line>,
    /// Signed structures held, as the strategy was told.
    pub(crate) position: Qty,
    pub(crate) orders: Vec<Waiting>,
    /// Orders of legs that have not ended, and the last that ended unfilled: a fill of them may still be told.
    pub(crate) sent: Vec<LegOrder>,
    ended: Vec<LegOrder>,
    /// Everything goes, and why.
    pub(crate) closing: Option<Purpose>,
    /// The legs are being replaced by those of [`Line::next`].
    pub(crate) rolling: bool,
    /// Legs were traded that no order in force asks for.
    mixed: bool,
    /// What it would be if it were opened now.
    pub(crate) candidate: Option<Choice>,
    /// Why it has no options now, or cannot roll: the code of the last refusal that was told.
    pub(crate) refusal: Option<u32>,
    /// What the strategy wanted to hold at its last decision.
    pub(crate) wanted: Qty,
    /// The increase that the venue refused last: one of about its size is not sent again while the same is held.
    declined: Option<Qty>,
    /// The most structures that limits let be held at once, if any does: what new legs may be opened beside old ones. Looked up
    /// whenever it is used.
    pub(crate) most: Option<Qty>,
    /// Quotes of its chain that were looked at.
    pub(crate) seen: u64,
    /// It was told that an order waits for quotes.
    pub(crate) told_waiting: bool,
}

/// One option of a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) instrument: InstrumentId,
    pub(crate) expiry: Timestamp,
    /// Signed contracts for each structure held.
    pub(crate) ratio: Qty,
    /// The same after the roll that is under way; equal without one.
    pub(crate) next: Qty,
    /// Signed contracts held for this desk.
    pub(crate) held: Qty,
    /// Σ price × signed quantity of executions that were not told yet, the same at reference prices, and their fees.
    value: Notional,
    reference: Notional,
    fee: Cash,
    /// At what it was settled.
    pub(crate) settled: Option<Price>,
    /// An order of it ended unfilled, and it was not quoted since.
    pub(crate) blocked: bool,
}

/// An order in structures that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) id: OrderId,
    pub(crate) purpose: Purpose,
    side: Side,
    qty: Qty,
    filled: Qty,
    pub(crate) kind: OrderKind,
    pub(crate) stage: Stage,
}

/// How far an order in structures is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its price was not reached.
    Rests,
    /// Its stop was reached, its limit not.
    Triggered,
    /// It waits for what is being done.
    Queued,
    /// Its legs are traded.
    Active,
}

/// An order of a leg at the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LegOrder {
    pub(crate) id: OrderId,
    pub(crate) instrument: InstrumentId,
    pub(crate) purpose: Purpose,
    pub(crate) side: Side,
    qty: Qty,
    filled: Qty,
    pub(crate) cancelling: bool,
}

impl LegOrder {
    /// Signed quantity still to fill.
    pub(crate) fn open(&self) -> Qty {
        (self.qty - self.filled).max(Qty::ZERO).on(self.side)
    }
}

impl Waiting {
    fn open(&self) -> Qty {
        (self.qty - self.filled).on(self.side)
    }
}

/// What follows for the strategy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// News of one of its orders.
    News(OrderId, OrderUpdate),
    /// Structures were traded.
    Filled(Traded),
    /// The legs were replaced.
    Rolled(Rolled),
    /// Legs were traded and traded back.
    Unwound { value: Notional, fee: Cash },
}

/// Structures that were traded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Traded {
    pub(crate) order: OrderId,
    pub(crate) purpose: Purpose,
    pub(crate) side: Side,
    pub(crate) qty: Qty,
    pub(crate) price: Price,
    pub(crate) reference: Price,
    pub(crate) fee: Cash,
    pub(crate) forced: Option<Forced>,
    /// What was traded of each leg for it, signed, and at which average price.
    pub(crate) legs: ArrayVec<(InstrumentId, Qty, Price), LEGS_MAX>,
}

/// Legs that were replaced.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rolled {
    /// By how much the price is another.
    pub(crate) moved: Price,
    /// What the trades paid, and what of it the way to quotes cost.
    pub(crate) value: Notional,
    pub(crate) spread: Cash,
    pub(crate) fee: Cash,
    /// What was traded of each leg for it, signed, and at which average price: settled ones are told as they settle.
    pub(crate) legs: ArrayVec<(InstrumentId, Qty, Price), { 2 * LEGS_MAX }>,
}

/// An order of a leg to send, or to take back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LegCommand {
    Place { order: LegOrder, qty: Qty, exit: bool },
    Cancel { order: LegOrder },
}

impl Desk {
    pub(crate) fn new(scope: u32, instrument: InstrumentId, account: AccountId, terms: Structure, lot: Qty) -> Self {
        Self {
            scope,
            instrument,
            account,
            chain: None,
            terms,
            lot,
            lines: Vec::with_capacity(2 * LEGS_MAX),
            position: Qty::ZERO,
            orders: Vec::new(),
            sent: Vec::new(),
            ended: Vec::new(),
            closing: None,
            rolling: false,
            mixed: false,
            candidate: None,
            refusal: None,
            wanted: Qty::ZERO,
            declined: None,
            most: None,
            seen: 0,
            told_waiting: false,
        }
    }

    /// Whether no structure is held or ordered, so that its options may be others at the next input. Legs of an attempt that was
    /// given up may still be on their way back.
    pub(crate) fn is_idle(&self) -> bool {
        self.orders.is_empty() && self.position.is_zero()
    }

    /// When the first of its options expires that were not settled.
    pub(crate) fn first_expiry(&self) -> Option<Timestamp> {
        self.lines.iter().filter(|line| line.is_part() && line.settled.is_none()).map(|line| line.expiry).min()
    }

    /// Whether orders are under way, or whatever stands in the way of a roll.
    pub(crate) fn is_busy(&self) -> bool {
        self.rolling
            || self.closing.is_some()
            || !self.sent.is_empty()
            || self.orders.iter().any(|order| matches!(order.stage, Stage::Active | Stage::Queued))
    }

    /// Whether a roll waits for options.
    pub(crate) fn is_choosing(&self) -> bool {
        self.rolling && self.lines.iter().all(|line| line.next.is_zero())
    }

    /// The signed structures that will be held once what is active is filled.
    pub(crate) fn goal(&self) -> Qty {
        if self.closing.is_some() {
            return Qty::ZERO;
        }
        let active = self.orders.iter().filter(|order| order.stage == Stage::Active);
        self.position + active.map(Waiting::open).sum::<Qty>()
    }

    /// How many structures the legs that are held stand for: those of a roll that are old and those that are new, and legs that
    /// stand alone. None while a roll waits whose old legs were settled.
    pub(crate) fn stands_for(&self) -> Qty {
        self.counted(|line| line.held.abs())
    }

    /// The same at worst, with what is under way of legs; never fewer than the strategy was told of, which a roll opens again.
    pub(crate) fn stands_for_at_worst(&self) -> Qty {
        let worst = |line: &Line| {
            let of = self.sent.iter().filter(|order| order.instrument == line.instrument);
            let under_way: Qty = of.map(LegOrder::open).sum();
            line.held.abs().max((line.held + under_way).abs())
        };
        self.counted(worst).max(self.position.abs())
    }

    /// The signed count of the legs that are held; where nothing whole is held, on the side of what there is.
    pub(crate) fn exposed(&self) -> Qty {
        let side = match self.position.signum() {
            0 => self.lines.iter().map(|line| line.held.signum() * line.sign()).sum::<i64>().signum(),
            side => side,
        };
        Qty::from_raw(self.stands_for().raw() * if side < 0 { -1 } else { 1 })
    }

    /// Structures that an unsigned quantity of each leg stands for: by the leg that there is most of, old legs beside new ones. Of
    /// what is no part of any structure a unit of the underlying counts as one.
    fn counted(&self, held: impl Fn(&Line) -> Qty) -> Qty {
        let (old, both) = self.old(&held);
        let new = self.lines.iter().filter(|line| line.is_new()).map(|line| units(held(line), line.next));
        (old + new.max().unwrap_or(Qty::ZERO)).max(both)
    }

    /// The part of them that goes before or beside new legs: the old legs of a roll and what is left over; and the legs that stay.
    fn old(&self, held: impl Fn(&Line) -> Qty) -> (Qty, Qty) {
        let (mut old, mut stays, mut left) = (Qty::ZERO, Qty::ZERO, Qty::ZERO);
        for line in self.lines.iter().filter(|line| line.settled.is_none() && !line.is_new()) {
            match (line.ratio.is_zero(), line.next.is_zero()) {
                (true, _) => left += held(line),
                (false, true) => old = old.max(units(held(line), line.ratio)),
                (false, false) => {
                    let ratio = line.ratio.abs().max(line.next.abs());
                    stays = stays.max(units(held(line), ratio));
                }
            }
        }
        (old + left, stays)
    }

    /// The signed structures that new legs of a roll may be held of now: as many as limits leave beside the old ones, or as
    /// those have made room for. None before every new leg is quoted on its side.
    pub(crate) fn opened(&self, goal: Qty, chains: &Chains) -> Qty {
        let Some(most) = self.most.filter(|_| self.rolling) else { return goal };
        let (old, _) = self.old(|line| line.held.abs());
        let room = (most.max(self.position.abs()) - old).max(Qty::ZERO).min(goal.abs());
        let lot = self.lot.raw().max(1);
        let opened = Qty::from_raw(room.raw() / lot * lot * goal.signum());
        let new = || self.lines.iter().filter(|line| line.is_new());
        let untouched = new().all(|line| line.held.is_zero() && self.in_flight(line.instrument).is_zero());
        let lacks = |line: &Line| offered(chains, line.instrument, times(line.next, goal)).is_none();
        if untouched && new().any(lacks) { Qty::ZERO } else { opened }
    }

    /// Whether more is about to be held.
    fn increases(&self) -> bool {
        let change = self.goal() - self.position;
        !change.is_zero() && change.signum() != -self.position.signum()
    }

    /// Whether legs are held that are no part of a structure and of no order in force. They are traded back before more is begun.
    fn has_strays(&self) -> bool {
        let rests = self.rests();
        let is_stray = |line: &Line| match line.is_part() {
            true => rests && line.settled.is_none() && !self.beyond(line).is_zero(),
            false => !line.held.is_zero(),
        };
        self.lines.iter().any(is_stray)
    }

    /// Whether no increase may be ordered, because legs stayed alone, or may be filled yet before they are taken back.
    pub(crate) fn is_unwinding(&self) -> bool {
        self.has_strays() || (self.rests() && !self.sent.is_empty())
    }

    /// Whether an increase to what the strategy wants is kept back: legs stay alone, or the venue refused it, to a tenth of its size.
    /// A size that follows equity differs a little with every quote, and each attempt pays the spread of a leg twice.
    pub(crate) fn keeps_back(&self) -> bool {
        self.is_unwinding() || self.is_declined()
    }

    /// Whether the venue refused about the increase that the strategy wants.
    pub(crate) fn is_declined(&self) -> bool {
        let change = i128::from((self.wanted - self.position).raw());
        self.declined.is_some_and(|declined| {
            let declined = i128::from(declined.raw());
            10 * (change - declined).abs() < declined.abs()
        })
    }

    /// Whether what is held is to stay what it is.
    fn rests(&self) -> bool {
        !self.rolling && self.closing.is_none() && self.goal() == self.position
    }

    /// The structure's price: Σ ratio × value of its options, settled ones at what they were settled at. `None`: not known.
    pub(crate) fn price(&self, chains: &Chains) -> Option<Price> {
        let value = |line: &Line| match line.settled {
            Some(settled) => Some(settled),
            None => chains.option(line.instrument)?.value,
        };
        let held = self.lines.iter().filter(|line| !line.ratio.is_zero());
        let mut sum = 0;
        for line in held {
            sum += i128::from(line.ratio.raw()) * i128::from(value(line)?.raw());
        }
        self.lines.iter().any(|line| !line.ratio.is_zero()).then(|| price_of(sum))
    }

    /// What each of [`exposed`](Self::exposed) is worth where those are not the structures that the strategy was told of: by the legs
    /// that are held, old and new ones of a roll together. `None`: they are, none are held, or a value is not known.
    pub(crate) fn worth_of_each(&self, chains: &Chains) -> Option<Price> {
        let exposed = self.exposed();
        if exposed.is_zero() || (exposed == self.position && !self.rolling) {
            return None;
        }
        let mut worth = Notional::ZERO;
        for line in self.lines.iter().filter(|line| !line.held.is_zero()) {
            worth += chains.option(line.instrument)?.value? * line.held;
        }
        Some(Price::from_raw(to_price(worth.raw(), exposed.raw().into(), 0)))
    }

    /// What one structure costs, or brings, at the quotes. `None`: a leg is not quoted on that side.
    fn quoted(&self, chains: &Chains, side: Side) -> Option<Price> {
        let mut sum = 0;
        for line in self.lines.iter().filter(|line| !line.ratio.is_zero()) {
            let price = offered(chains, line.instrument, times(line.ratio, Qty::from_raw(side.sign() * Qty::ONE)))?;
            sum += i128::from(line.ratio.raw()) * i128::from(price.raw());
        }
        Some(price_of(sum))
    }

    /// Takes in a command of the strategy.
    pub(crate) fn command(&mut self, command: Command, purpose: Purpose, chains: &Chains, out: &mut Vec<Outcome>) {
        match command {
            Command::Place(order) => {
                let refuse = if order.qty.raw() <= 0 || order.qty.raw() % self.lot.raw().max(1) != 0 {
                    Some(RejectReason::Grid)
                } else if self.closing.is_some() {
                    Some(RejectReason::Expired)
                } else if self.is_idle() && self.candidate.is_none() {
                    Some(RejectReason::Instrument)
                } else {
                    None
                };
                if let Some(reason) = refuse {
                    out.push(Outcome::News(order.id, OrderUpdate::Rejected(reason)));
                    return;
                }
                if self.is_idle()
                    && let Some(choice) = self.candidate.take()
                {
                    self.begin(&choice, chains);
                    self.sweep(out);
                }
                out.push(Outcome::News(order.id, OrderUpdate::Accepted));
                let (id, side, qty, kind) = (order.id, order.side, order.qty, order.kind);
                self.orders.push(Waiting { id, purpose, side, qty, filled: Qty::ZERO, kind, stage: Stage::Rests });
                if kind == OrderKind::Market {
                    self.activate(id, out);
                } else {
                    self.reach_limits(chains, out);
                }
            }
            Command::Amend { order: id, qty, kind } => {
                let Some(order) = self.orders.iter_mut().find(|order| order.id == id) else { return };
                if order.stage == Stage::Rests && qty > order.filled {
                    (order.qty, order.kind) = (qty, kind);
                }
                out.push(Outcome::News(id, OrderUpdate::Amended { qty: order.qty, kind: order.kind }));
            }
            Command::Cancel { order: id } => {
                let untouched = self.sent.is_empty() && self.lines.iter().all(|line| self.beyond(line).is_zero());
                let Some(at) = self.orders.iter().position(|order| order.id == id) else { return };
                // What is being traded is past taking back: half of it may be there.
                if self.orders[at].stage != Stage::Active || untouched {
                    self.orders.remove(at);
                    out.push(Outcome::News(id, OrderUpdate::Cancelled(CancelReason::Requested)));
                    self.resolve(out);
                }
            }
        }
    }

    /// Takes up new options. What is left of others goes on being closed.
    fn begin(&mut self, choice: &Choice, chains: &Chains) {
        self.lines.iter_mut().for_each(|line| (line.ratio, line.next) = (Qty::ZERO, Qty::ZERO));
        for (instrument, ratio) in &choice.legs {
            match self.lines.iter_mut().find(|line| line.instrument == *instrument) {
                Some(line) => (line.ratio, line.next) = (*ratio, *ratio),
                None => self.lines.push(Line::new(*instrument, *ratio, chains)),
            }
        }
        self.mixed = self.lines.iter().any(|line| line.is_part() && !line.held.is_zero());
    }

    /// An order begins: its legs are to be traded.
    fn activate(&mut self, id: OrderId, out: &mut Vec<Outcome>) {
        let Some(at) = self.orders.iter().position(|order| order.id == id) else { return };
        let order = self.orders[at];
        let reduces = !self.position.is_zero() && order.side.sign() == -self.position.signum();
        if !reduces {
            // Nothing is added to what is about to be closed or replaced.
            let waits = self.rolling || self.has_strays() || (!self.increases() && self.goal() != self.position);
            self.orders[at].stage = if waits { Stage::Queued } else { Stage::Active };
            return;
        }
        let mut given_up = Qty::ZERO;
        if self.increases() {
            given_up = (self.goal() - self.position).abs();
            self.abandon(CancelReason::Requested, out);
        }
        let room = self.goal().abs();
        // The order was sent beside an increase on its way, and takes that off as well.
        let open = if order.open().abs() >= room { room } else { (order.open().abs() - given_up).max(Qty::ZERO) };
        if self.rolling && open < self.position.abs() {
            self.set_stage(id, Stage::Queued);
            return;
        }
        // Whoever closes all does not wait for new options.
        if std::mem::take(&mut self.rolling) {
            self.mixed = true;
            self.lines.iter_mut().for_each(|line| line.next = line.ratio);
        }
        let Some(order) = self.orders.iter_mut().find(|order| order.id == id) else { return };
        if open.is_zero() {
            self.orders.retain(|order| order.id != id);
            out.push(Outcome::News(id, OrderUpdate::Cancelled(CancelReason::NothingToReduce)));
            return;
        }
        order.qty = order.filled + open;
        order.stage = Stage::Active;
        self.resolve(out);
    }

    fn set_stage(&mut self, id: OrderId, stage: Stage) {
        if let Some(order) = self.orders.iter_mut().find(|order| order.id == id) {
            order.stage = stage;
        }
    }

    /// Gives up an increase: what of its legs was traded is traded back.
    pub(crate) fn abandon(&mut self, reason: CancelReason, out: &mut Vec<Outcome>) {
        let position = self.position;
        self.orders.retain(|order| {
            let ends = order.stage == Stage::Active && order.side.sign() != -position.signum();
            if ends {
                out.push(Outcome::News(order.id, OrderUpdate::Cancelled(reason)));
            }
            !ends
        });
        self.mixed |= self.lines.iter().any(|line| !self.beyond(line).is_zero());
        self.told_waiting = false;
    }

    /// Gives up an increase that the strategy no longer wants. Whether there was one.
    pub(crate) fn abandon_unwanted(&mut self, out: &mut Vec<Outcome>) -> bool {
        let goal = self.goal();
        let unwanted = self.increases() && self.wanted.signum() != goal.signum();
        if unwanted {
            self.abandon(CancelReason::Requested, out);
            self.resolve(out);
        }
        unwanted
    }

    /// The market moved: which stops were reached, and which limits can be had.
    pub(crate) fn reach(&mut self, price: Option<Price>, chains: &Chains, out: &mut Vec<Outcome>) {
        if let Some(price) = price {
            let reached = |order: &Waiting| {
                let trigger = match order.kind {
                    OrderKind::Stop { trigger } | OrderKind::StopLimit { trigger, .. } => trigger,
                    OrderKind::Market | OrderKind::Limit { .. } => return None,
                };
                let beyond = match order.side {
                    Side::Buy => price >= trigger,
                    Side::Sell => price <= trigger,
                };
                (order.stage == Stage::Rests && beyond).then_some((order.id, order.kind))
            };
            let stops: ArrayVec<(OrderId, OrderKind), 16> = self.orders.iter().filter_map(reached).take(16).collect();
            for (id, kind) in stops {
                self.set_stage(id, Stage::Triggered);
                out.push(Outcome::News(id, OrderUpdate::Triggered));
                if matches!(kind, OrderKind::Stop { .. }) {
                    self.activate(id, out);
                }
            }
        }
        self.reach_limits(chains, out);
    }

    fn reach_limits(&mut self, chains: &Chains, out: &mut Vec<Outcome>) {
        if self.rolling {
            return;
        }
        let has = |order: &Waiting| {
            let limit = match (order.kind, order.stage) {
                (OrderKind::Limit { price }, Stage::Rests) | (OrderKind::StopLimit { price, .. }, Stage::Triggered) => {
                    price
                }
                _ => return None,
            };
            let quoted = self.quoted(chains, order.side)?;
            let fits = match order.side {
                Side::Buy => quoted <= limit,
                Side::Sell => quoted >= limit,
            };
            fits.then_some(order.id)
        };
        let limits: ArrayVec<OrderId, 16> = self.orders.iter().filter_map(has).take(16).collect();
        for id in limits {
            self.activate(id, out);
        }
    }

    /// What is held of a leg beyond the structures that the strategy was told of.
    fn beyond(&self, line: &Line) -> Qty {
        line.held - times(line.ratio, self.position)
    }

    /// Signed quantity of a leg under way.
    fn in_flight(&self, instrument: InstrumentId) -> Qty {
        let of = self.sent.iter().filter(|order| order.instrument == instrument && !order.cancelling);
        of.map(LegOrder::open).sum()
    }

    /// Replaces its options by others.
    pub(crate) fn roll_to(&mut self, choice: &Choice, chains: &Chains) {
        self.rolling = true;
        self.lines.iter_mut().for_each(|line| line.next = Qty::ZERO);
        for (instrument, ratio) in &choice.legs {
            match self.lines.iter_mut().find(|line| line.instrument == *instrument) {
                Some(line) => line.next = *ratio,
                None => {
                    let line = Line::new(*instrument, *ratio, chains);
                    self.lines.push(Line { ratio: Qty::ZERO, ..line });
                }
            }
        }
    }

    /// Whether a choice is what it is already.
    pub(crate) fn is_made_of(&self, choice: &Choice) -> bool {
        let parts = || self.lines.iter().filter(|line| line.is_part());
        let same = |line: &Line| choice.legs.contains(&(line.instrument, line.ratio));
        parts().count() == choice.legs.len() && parts().all(same)
    }

    /// Whether an order of a leg is missing that could be sent now.
    pub(crate) fn has_to_send(&self, chains: &Chains) -> bool {
        let goal = self.goal();
        self.lines.iter().any(|line| self.is_wrong(line, goal))
            || (self.sends(goal, chains) && self.lines.iter().any(|line| !self.missing(line, goal, chains).is_zero()))
    }

    /// Legs of which something is still to be traded and nobody quotes the side.
    pub(crate) fn outstanding(&self, chains: &Chains) -> u32 {
        let goal = self.goal();
        let lacks = |line: &&Line| {
            let needed = times(line.next, goal) - line.held - self.in_flight(line.instrument);
            !needed.is_zero() && line.settled.is_none() && offered(chains, line.instrument, needed).is_none()
        };
        self.lines.iter().filter(lacks).count() as u32
    }

    /// An increase, or new options, begin only once every leg can be traded: no leg is left naked for want of another's quote.
    fn sends(&self, goal: Qty, chains: &Chains) -> bool {
        let begins = (self.increases() || self.rolling)
            && self.sent.is_empty()
            && self.lines.iter().all(|line| !line.is_part() || self.beyond(line).is_zero());
        !begins || self.outstanding_of(goal, chains) == 0
    }

    fn outstanding_of(&self, goal: Qty, chains: &Chains) -> usize {
        let needs = |line: &&Line| line.is_part() && times(line.next, goal) != line.held && line.settled.is_none();
        let lacks = |line: &&Line| offered(chains, line.instrument, times(line.next, goal) - line.held).is_none();
        self.lines.iter().filter(needs).filter(lacks).count()
    }

    /// Whether what is under way of a leg goes the wrong way, or too far, so that it is asked back.
    fn is_wrong(&self, line: &Line, goal: Qty) -> bool {
        let (needed, in_flight) = (times(line.next, goal) - line.held, self.in_flight(line.instrument));
        in_flight.signum() * needed.signum() < 0 || in_flight.abs() > needed.abs()
    }

    /// The signed quantity of a leg to send now.
    fn missing(&self, line: &Line, goal: Qty, chains: &Chains) -> Qty {
        let in_flight = if self.is_wrong(line, goal) { Qty::ZERO } else { self.in_flight(line.instrument) };
        let opens = self.rolling && line.is_new();
        let wanted = times(line.next, if opens { self.opened(goal, chains) } else { goal });
        let missing = wanted - line.held - in_flight;
        // What is there already, or on its way, is not traded back because there is less room now.
        let waits = opens && missing.signum() != times(line.next, goal).signum();
        if missing.is_zero()
            || waits
            || line.blocked
            || line.settled.is_some()
            || offered(chains, line.instrument, missing).is_none()
        {
            return Qty::ZERO;
        }
        missing
    }

    /// The orders of legs that bring what is held towards the goal. Reductions come first: they free margin.
    pub(crate) fn send(&mut self, plan: PlanId, chains: &Chains, commands: &mut Vec<LegCommand>) {
        let goal = self.goal();
        for at in 0..self.lines.len() {
            let line = self.lines[at];
            if self.is_wrong(&line, goal) {
                for order in
                    self.sent.iter_mut().filter(|order| order.instrument == line.instrument && !order.cancelling)
                {
                    order.cancelling = true;
                    commands.push(LegCommand::Cancel { order: *order });
                }
            }
        }
        if !self.sends(goal, chains) {
            return;
        }
        let purpose = self.purpose();
        let mut next = FIRST_LEG_ORDER;
        for exits in [true, false] {
            for at in 0..self.lines.len() {
                let line = self.lines[at];
                let missing = self.missing(&line, goal, chains);
                let exit = missing.signum() * line.held.signum() < 0;
                let Some(side) = missing.side().filter(|_| exit == exits) else { continue };
                let qty = missing.abs();
                let id = OrderId::of(plan, next);
                next = next.wrapping_add(1).max(FIRST_LEG_ORDER);
                let (instrument, filled) = (line.instrument, Qty::ZERO);
                let order = LegOrder { id, instrument, purpose, side, qty, filled, cancelling: false };
                self.sent.push(order);
                commands.push(LegCommand::Place { order, qty, exit });
            }
        }
    }

    /// What legs are traded for now.
    fn purpose(&self) -> Purpose {
        let active = self.orders.iter().find(|order| order.stage == Stage::Active);
        match (self.closing, active) {
            (Some(why), _) => why,
            (None, Some(order)) => order.purpose,
            (None, None) if self.rolling => Purpose::Roll,
            // Legs of an increase that was given up.
            (None, None) => Purpose::Cut,
        }
    }

    /// Takes in an execution of a leg. `false`: the order is not one of these.
    pub(crate) fn leg_filled(&mut self, id: OrderId, fill: &Fill, chains: &Chains) -> Option<Purpose> {
        let order = self.sent.iter_mut().chain(&mut self.ended).find(|order| order.id == id)?;
        // Without a number, a repetition is told only by its being more than was asked for.
        if fill.execution == 0 && order.filled + fill.qty > order.qty {
            return None;
        }
        order.filled += fill.qty;
        let purpose = order.purpose;
        self.sent.retain(|order| order.filled < order.qty);
        self.book(fill.instrument, fill.signed_qty(), fill.price, fill.reference, fill.fee, chains);
        Some(purpose)
    }

    /// Whether an order of a leg is one of these, or was until a moment ago.
    pub(crate) fn knows(&self, id: OrderId) -> bool {
        self.sent.iter().chain(&self.ended).any(|order| order.id == id)
    }

    /// Whether it has traded an option lately.
    pub(crate) fn traded(&self, instrument: InstrumentId) -> bool {
        let orders = self.sent.iter().chain(&self.ended).any(|order| order.instrument == instrument);
        orders || self.lines.iter().any(|line| line.instrument == instrument)
    }

    /// What is held of an option.
    pub(crate) fn held(&self, instrument: InstrumentId) -> Qty {
        self.lines.iter().find(|line| line.instrument == instrument).map_or(Qty::ZERO, |line| line.held)
    }

    fn book(
        &mut self,
        instrument: InstrumentId,
        signed: Qty,
        price: Price,
        reference: Price,
        fee: Cash,
        chains: &Chains,
    ) {
        let at = self.lines.iter().position(|line| line.instrument == instrument).unwrap_or_else(|| {
            // A late fill of a leg that was replaced since: it is closed again.
            self.lines.push(Line::new(instrument, Qty::ZERO, chains));
            self.lines.len() - 1
        });
        let line = &mut self.lines[at];
        line.held += signed;
        line.value += price * signed;
        line.reference += reference * signed;
        line.fee += fee;
    }

    /// An order of a leg ended. Whether the venue refused it for want of money, or for good.
    pub(crate) fn leg_ended(&mut self, id: OrderId, update: &OrderUpdate) -> bool {
        let Some(at) = self.sent.iter().position(|order| order.id == id) else { return false };
        let order = self.sent.remove(at);
        if let Some(line) = self.lines.iter_mut().find(|line| line.instrument == order.instrument) {
            line.blocked = true;
        }
        if self.ended.len() == ENDED_MAX {
            self.ended.remove(0);
        }
        self.ended.push(order);
        matches!(
            update,
            OrderUpdate::Rejected(
                RejectReason::Margin | RejectReason::Funds | RejectReason::Grid | RejectReason::Instrument
            ) | OrderUpdate::Cancelled(CancelReason::Margin | CancelReason::Funds)
        )
    }

    /// The venue refused an order of a leg: an increase is given up, and a roll becomes the end of the campaign.
    pub(crate) fn refused(&mut self, plan: PlanId, out: &mut Vec<Outcome>) {
        if self.increases() {
            self.declined = Some(self.goal() - self.position);
            self.abandon(CancelReason::Margin, out);
        } else if self.rolling {
            self.rolling = false;
            self.mixed = true;
            self.lines.iter_mut().for_each(|line| line.next = line.ratio);
            self.cancel_all(CancelReason::Margin, out);
            self.closing = Some(Purpose::Cut);
            self.own_order(plan);
        }
        self.resolve(out);
    }

    /// Keeps the number that a fill of the desk's own decision is told by: the plan that is recorded next.
    fn own_order(&mut self, plan: PlanId) {
        let id = OrderId::of(PlanId(plan.0 + 1), FIRST_OWN_ORDER + (self.scope % 64) as u8);
        let (purpose, side) = (Purpose::Cut, if self.position.signum() > 0 { Side::Sell } else { Side::Buy });
        let (qty, kind) = (self.position.abs(), OrderKind::Market);
        self.orders.push(Waiting { id, purpose, side, qty, filled: Qty::ZERO, kind, stage: Stage::Queued });
    }

    fn cancel_all(&mut self, reason: CancelReason, out: &mut Vec<Outcome>) {
        for order in self.orders.drain(..) {
            out.push(Outcome::News(order.id, OrderUpdate::Cancelled(reason)));
        }
    }

    /// An option of it has expired: nothing more of it is ordered.
    pub(crate) fn note_settled(&mut self, instrument: InstrumentId, price: Price) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.instrument == instrument) {
            line.settled = Some(price);
        }
    }

    /// The venue changed what is held of a leg without an order: it was settled or liquidated, at a price.
    pub(crate) fn forced(&mut self, fill: &Fill, purpose: Purpose, chains: &Chains, out: &mut Vec<Outcome>) {
        self.book(fill.instrument, fill.signed_qty(), fill.price, fill.reference, fill.fee, chains);
        if purpose == Purpose::Settlement {
            self.note_settled(fill.instrument, fill.price);
            let gone = self.sent.extract_if(.., |order| order.instrument == fill.instrument);
            self.ended.extend(gone);
            let over = self.ended.len().saturating_sub(ENDED_MAX);
            self.ended.drain(..over);
        }
        // What was left of legs that were replaced since is no part of it.
        let is_part = |line: &Line| line.instrument == fill.instrument && line.is_part();
        if self.closing.is_none() && self.lines.iter().any(is_part) {
            let exits = self.goal().is_zero() && !self.position.is_zero();
            let rolls = purpose == Purpose::Settlement && self.terms.roll != Roll::Never && !self.position.is_zero();
            if rolls && self.rolling {
                // Its place is taken already, or about to be.
            } else if exits {
                self.mixed = true;
            } else if rolls {
                let reason = CancelReason::Expired;
                let begun = |order: &Waiting| matches!(order.stage, Stage::Active | Stage::Queued | Stage::Triggered);
                for order in self.orders.extract_if(.., |order| begun(order)) {
                    out.push(Outcome::News(order.id, OrderUpdate::Cancelled(reason)));
                }
                self.rolling = true;
                self.lines.iter_mut().for_each(|line| line.next = Qty::ZERO);
            } else {
                let is_settled = purpose == Purpose::Settlement;
                let reason = if is_settled { CancelReason::Expired } else { CancelReason::Liquidated };
                self.cancel_all(reason, out);
                self.rolling = false;
                self.lines.iter_mut().for_each(|line| line.next = line.ratio);
                self.mixed = true;
                self.closing = Some(purpose).filter(|_| !self.position.is_zero());
            }
        }
        self.resolve(out);
    }

    /// Tells the strategy what has become whole.
    pub(crate) fn resolve(&mut self, out: &mut Vec<Outcome>) {
        loop {
            self.sweep(out);
            let goal = self.goal();
            let change = goal - self.position;
            let mut part = self.lines.iter().filter(|line| line.is_part());
            let done = part.all(|line| line.held == times(line.next, goal));
            if self.rolling && change.is_zero() {
                if !done || self.is_choosing() {
                    return;
                }
                self.finish_roll(out);
            } else if change.is_zero() {
                if !done {
                    return;
                }
                self.finish_unwinding(out);
                if !self.start_queued(out) {
                    return;
                }
            } else {
                let matched = if done { change.abs() } else { self.matched(change) };
                if matched.is_zero() {
                    return;
                }
                self.tell(matched, change.signum(), done, out);
            }
        }
    }

    /// Tells what options cost that are no part of the structure, once they are gone.
    fn sweep(&mut self, out: &mut Vec<Outcome>) {
        self.lines.retain(|line| {
            let gone = !line.is_part() && line.held.is_zero();
            if gone && !line.is_told() {
                out.push(Outcome::Unwound { value: line.value, fee: line.fee });
            }
            !gone
        });
    }

    /// How many structures of a change are there in all legs.
    fn matched(&self, change: Qty) -> Qty {
        if self.mixed || self.rolling {
            return Qty::ZERO;
        }
        let there = |line: &Line| {
            let ratio = i128::from(line.ratio.raw());
            let beyond = i128::from(self.beyond(line).raw()) * i128::from(Qty::ONE);
            match ratio {
                0 => None,
                _ => Some((beyond / ratio) * i128::from(change.signum())),
            }
        };
        let least = self.lines.iter().filter_map(there).min().unwrap_or(0).clamp(0, i128::from(change.abs().raw()));
        let lot = i128::from(self.lot.raw().max(1));
        Qty::from_raw((least / lot * lot) as i64)
    }

    /// Tells that structures were traded, with their part of what the legs paid; of all that was traded, if the goal is reached.
    fn tell(&mut self, qty: Qty, sign: i64, done: bool, out: &mut Vec<Outcome>) {
        let signed = Qty::from_raw(qty.raw() * sign);
        let (mut value, mut reference, mut fee) = (0_i128, 0_i128, 0_i128);
        let mut legs = ArrayVec::new();
        for at in 0..self.lines.len() {
            let beyond = self.beyond(&self.lines[at]);
            let line = &mut self.lines[at];
            if !line.is_part() {
                continue;
            }
            let (part, whole) =
                if done { (1, 1) } else { (i128::from(times(line.ratio, signed).raw()), i128::from(beyond.raw())) };
            if whole == 0 {
                continue;
            }
            let take = |pool: i128| pool / whole * part + pool % whole * part / whole;
            let taken = (take(line.value.raw()), take(line.reference.raw()), take(line.fee.raw()));
            line.value = Notional::from_raw(line.value.raw() - taken.0);
            line.reference = Notional::from_raw(line.reference.raw() - taken.1);
            line.fee = Cash::from_raw(line.fee.raw() - taken.2);
            (value, reference, fee) = (value + taken.0, reference + taken.1, fee + taken.2);
            let traded = if done { beyond } else { times(line.ratio, signed) };
            if !traded.is_zero() && !legs.is_full() {
                legs.push((line.instrument, traded, Price::from_raw(to_price(taken.0, i128::from(traded.raw()), 0))));
            }
        }
        let side = if sign > 0 { Side::Buy } else { Side::Sell };
        let mut left = qty;
        let mut sums = [value, reference, fee];
        let own = self.closing.map(|why| self.closing_fill(why));
        while !left.is_zero() {
            let (order, purpose, forced, part) = match own {
                Some((order, purpose, forced)) => (order, purpose, forced, left),
                None => {
                    let active = |order: &&mut Waiting| order.stage == Stage::Active && order.side == side;
                    let Some(order) = self.orders.iter_mut().find(active) else { break };
                    let part = left.min(order.qty - order.filled);
                    order.filled += part;
                    (order.id, order.purpose, None, part)
                }
            };
            let mut of = [0_i128; 3];
            for (sum, part_of) in sums.iter_mut().zip(&mut of) {
                let (whole, part) = (i128::from(left.raw()), i128::from(part.raw()));
                *part_of = *sum / whole * part + *sum % whole * part / whole;
                *sum -= *part_of;
            }
            let traded = i128::from(part.raw() * sign);
            out.push(Outcome::Filled(Traded {
                order,
                purpose,
                side,
                qty: part,
                price: Price::from_raw(to_price(of[0], traded, sign)),
                reference: Price::from_raw(to_price(of[1], traded, 0)),
                fee: Cash::from_raw(of[2]),
                forced,
                legs: legs.clone(),
            }));
            legs.clear();
            left -= part;
            self.orders.retain(|order| order.filled < order.qty);
        }
        self.position += signed;
        self.declined = None;
        if done {
            self.settle_lines();
            if own.is_some() {
                self.closing = None;
                self.orders.clear();
            }
        }
    }

    /// By which order everything goes.
    fn closing_fill(&self, why: Purpose) -> (OrderId, Purpose, Option<Forced>) {
        match why {
            // The venue's own numbers of liquidations and settlements.
            Purpose::Liquidation => (OrderId(0), why, Some(Forced::Liquidation)),
            Purpose::Settlement => (OrderId(1), why, Some(Forced::Settlement)),
            _ => (self.orders.first().map_or(OrderId(1), |order| order.id), why, None),
        }
    }

    /// Everything traded was told.
    fn settle_lines(&mut self) {
        self.mixed = false;
        self.told_waiting = false;
        let ends = self.position.is_zero() && self.orders.is_empty();
        for line in self.lines.iter_mut().filter(|line| line.is_part()) {
            (line.value, line.reference, line.fee) = (Notional::ZERO, Notional::ZERO, Cash::ZERO);
            line.ratio = if ends { Qty::ZERO } else { line.next };
            line.next = line.ratio;
        }
        self.lines.retain(|line| line.is_part() || !line.held.is_zero() || !line.is_told());
    }

    fn sums(&self) -> (Notional, Notional, Cash) {
        let add = |sum: (Notional, Notional, Cash), line: &Line| {
            (sum.0 + line.value, sum.1 + line.reference, sum.2 + line.fee)
        };
        self.lines.iter().filter(|line| line.is_part()).fold((Notional::ZERO, Notional::ZERO, Cash::ZERO), add)
    }

    fn finish_roll(&mut self, out: &mut Vec<Outcome>) {
        let (value, reference, fee) = self.sums();
        let moved = Price::from_raw(to_price(reference.raw(), i128::from(self.position.raw()), 0));
        let traded = |line: &Line| {
            let qty = times(line.next - line.ratio, self.position);
            let price = Price::from_raw(to_price(line.value.raw(), i128::from(qty.raw()), 0));
            (line.settled.is_none() && !qty.is_zero()).then_some((line.instrument, qty, price))
        };
        let legs = self.lines.iter().filter_map(traded).take(2 * LEGS_MAX).collect();
        self.rolling = false;
        self.settle_lines();
        out.push(Outcome::Rolled(Rolled { moved, value, spread: (value - reference).cash(), fee, legs }));
        for order in &mut self.orders {
            order.kind = match order.kind {
                OrderKind::Market => OrderKind::Market,
                OrderKind::Limit { price } => OrderKind::Limit { price: price + moved },
                OrderKind::Stop { trigger } => OrderKind::Stop { trigger: trigger + moved },
                OrderKind::StopLimit { trigger, price } => {
                    OrderKind::StopLimit { trigger: trigger + moved, price: price + moved }
                }
            };
            out.push(Outcome::News(order.id, OrderUpdate::Amended { qty: order.qty, kind: order.kind }));
        }
    }

    fn finish_unwinding(&mut self, out: &mut Vec<Outcome>) {
        let (value, _, fee) = self.sums();
        if value != Notional::ZERO || fee != Cash::ZERO {
            out.push(Outcome::Unwound { value, fee });
        }
        self.settle_lines();
        // Nothing is ordered or held: what the structure is, is chosen anew.
        if self.position.is_zero() && self.orders.is_empty() {
            self.closing = None;
        }
    }

    /// Goes on with what waited. Whether there was anything.
    fn start_queued(&mut self, out: &mut Vec<Outcome>) -> bool {
        if self.rolling || self.closing.is_some() || self.has_strays() {
            return false;
        }
        let Some(id) = self.orders.iter().find(|order| order.stage == Stage::Queued).map(|order| order.id) else {
            return false;
        };
        self.set_stage(id, Stage::Triggered);
        self.activate(id, out);
        true
    }
}

/// The price at which a signed quantity of an option can be traded now.
fn offered(chains: &Chains, instrument: InstrumentId, signed: Qty) -> Option<Price> {
    let quote = &chains.option(instrument)?.quote;
    match signed.side() {
        Some(Side::Buy) => quote.ask(),
        Some(Side::Sell) => quote.bid(),
        None => Some(Price::ZERO),
    }
}

/// The least structures that need an unsigned quantity of a leg.
fn units(held: Qty, ratio: Qty) -> Qty {
    let (held, ratio) = (i128::from(held.raw()) * i128::from(Qty::ONE), i128::from(ratio.abs().raw()));
    Qty::from_raw(held.div_euclid(ratio).saturating_add(i128::from(held % ratio != 0)).min(i64::MAX.into()) as i64)
}

/// What was paid ÷ a signed quantity: up for a purchase (`against` 1), down for a sale (−1), or to the nearest (0).
fn to_price(value: i128, signed: i128, against: i64) -> i64 {
    if signed == 0 {
        return 0;
    }
    let (value, qty) = if signed < 0 { (-value, -signed) } else { (value, signed) };
    let raw = match against {
        1 => -(-value).div_euclid(qty),
        -1 => value.div_euclid(qty),
        _ => (2 * value + qty).div_euclid(2 * qty),
    };
    raw.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

impl Line {
    fn new(instrument: InstrumentId, ratio: Qty, chains: &Chains) -> Self {
        Self {
            instrument,
            expiry: chains.expiry(instrument).map_or(Timestamp::MAX, |(at, _)| at),
            ratio,
            next: ratio,
            held: Qty::ZERO,
            value: Notional::ZERO,
            reference: Notional::ZERO,
            fee: Cash::ZERO,
            settled: None,
            blocked: false,
        }
    }

    /// Whether it becomes a leg by the roll that is under way.
    fn is_new(&self) -> bool {
        self.ratio.is_zero() && !self.next.is_zero()
    }

    /// On which side it is of a structure that is bought.
    fn sign(&self) -> i64 {
        let ratio = if self.ratio.is_zero() { self.next } else { self.ratio };
        if ratio.is_zero() { 1 } else { ratio.signum() }
    }

    /// Whether it is a leg of the structure, or about to be. Else it is what was left over, and goes.
    fn is_part(&self) -> bool {
        !self.ratio.is_zero() || !self.next.is_zero()
    }

    /// Whether all that it paid was told.
    fn is_told(&self) -> bool {
        self.value == Notional::ZERO && self.fee == Cash::ZERO
    }

    fn save(&self, out: &mut StateWriter) {
        out.u32(self.instrument.0);
        out.i64(self.expiry.nanos());
        for qty in [self.ratio, self.next, self.held] {
            out.i64(qty.raw());
        }
        for amount in [self.value.raw(), self.reference.raw(), self.fee.raw()] {
            out.i128(amount);
        }
        out.option(self.settled, |out, price| out.i64(price.raw()));
        out.bool(self.blocked);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (instrument, expiry) = (InstrumentId(from.u32()?), Timestamp::from_nanos(from.i64()?));
        let mut qty = || from.i64().map(Qty::from_raw);
        let (ratio, next, held) = (qty()?, qty()?, qty()?);
        let (value, reference) = (Notional::from_raw(from.i128()?), Notional::from_raw(from.i128()?));
        let fee = Cash::from_raw(from.i128()?);
        let settled = from.option(StateReader::i64)?.map(Price::from_raw);
        Ok(Self { instrument, expiry, ratio, next, held, value, reference, fee, settled, blocked: from.bool()? })
    }
}

fn save_side(side: Side, out: &mut StateWriter) {
    out.bool(side == Side::Buy);
}

fn load_side(from: &mut StateReader<'_>) -> Result<Side, Corrupt> {
    Ok(if from.bool()? { Side::Buy } else { Side::Sell })
}

impl LegOrder {
    fn save(&self, out: &mut StateWriter) {
        out.u64(self.id.0);
        out.u32(self.instrument.0);
        self.purpose.save(out);
        save_side(self.side, out);
        out.i64(self.qty.raw());
        out.i64(self.filled.raw());
        out.bool(self.cancelling);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            id: OrderId(from.u64()?),
            instrument: InstrumentId(from.u32()?),
            purpose: Purpose::load(from)?,
            side: load_side(from)?,
            qty: Qty::from_raw(from.i64()?),
            filled: Qty::from_raw(from.i64()?),
            cancelling: from.bool()?,
        })
    }
}

impl Waiting {
    fn save(&self, out: &mut StateWriter) {
        out.u64(self.id.0);
        self.purpose.save(out);
        save_side(self.side, out);
        out.i64(self.qty.raw());
        out.i64(self.filled.raw());
        self.kind.save(out);
        out.u8(self.stage as u8);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            id: OrderId(from.u64()?),
            purpose: Purpose::load(from)?,
            side: load_side(from)?,
            qty: Qty::from_raw(from.i64()?),
            filled: Qty::from_raw(from.i64()?),
            kind: crate::route::load_kind(from)?,
            stage: match from.u8()? {
                0 => Stage::Rests,
                1 => Stage::Triggered,
                2 => Stage::Queued,
                3 => Stage::Active,
                _ => return Err(Corrupt { at: 0, what: "no stage of an order" }),
            },
        })
    }
}

impl Desk {
    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.len(self.lines.len());
        self.lines.iter().for_each(|line| line.save(out));
        out.i64(self.position.raw());
        out.len(self.orders.len());
        self.orders.iter().for_each(|order| order.save(out));
        for list in [&self.sent, &self.ended] {
            out.len(list.len());
            list.iter().for_each(|order| order.save(out));
        }
        out.option(self.closing, |out, purpose| purpose.save(out));
        for flag in [self.rolling, self.mixed, self.told_waiting] {
            out.bool(flag);
        }
        out.option(self.candidate.as_ref(), |out, choice| {
            out.len(choice.legs.len());
            for (instrument, ratio) in &choice.legs {
                out.u32(instrument.0);
                out.i64(ratio.raw());
            }
            out.i64(choice.price.raw());
            out.i64(choice.forward.raw());
        });
        out.option(self.refusal, StateWriter::u32);
        out.i64(self.wanted.raw());
        out.option(self.declined, |out, qty| out.i64(qty.raw()));
        out.u64(self.seen);
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.lines = (0..from.len()?).map(|_| Line::load(from)).collect::<Result<_, _>>()?;
        self.position = Qty::from_raw(from.i64()?);
        self.orders = (0..from.len()?).map(|_| Waiting::load(from)).collect::<Result<_, _>>()?;
        self.sent = (0..from.len()?).map(|_| LegOrder::load(from)).collect::<Result<_, _>>()?;
        self.ended = (0..from.len()?).map(|_| LegOrder::load(from)).collect::<Result<_, _>>()?;
        self.closing = from.option(Purpose::load)?;
        (self.rolling, self.mixed, self.told_waiting) = (from.bool()?, from.bool()?, from.bool()?);
        self.candidate = from.option(|from| {
            let mut legs = ArrayVec::new();
            for _ in 0..from.len()?.min(LEGS_MAX) {
                legs.push((InstrumentId(from.u32()?), Qty::from_raw(from.i64()?)));
            }
            Ok(Choice { legs, price: Price::from_raw(from.i64()?), forward: Price::from_raw(from.i64()?) })
        })?;
        self.refusal = from.option(StateReader::u32)?;
        self.wanted = Qty::from_raw(from.i64()?);
        self.declined = from.option(StateReader::i64)?.map(Qty::from_raw);
        self.seen = from.u64()?;
        Ok(())
    }
}
