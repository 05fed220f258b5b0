//! A small venue for one structure of options: it takes in orders in whole structures and trades their legs at the real one.
//!
//! Whatever happens to the legs, two sums hold: what is held of a leg is its executions, and what they paid is told to the
//! strategy once, with the structure that they made, the roll that they were for, or as what an attempt cost.

mod legs;
mod orders;
mod state;
mod telling;

use crate::Purpose;
use crate::structure::{Choice, price_of, times};
use arrayvec::ArrayVec;
use market::{Forced, OrderKind, OrderUpdate};
use policy::spec::{LEGS_MAX, Roll, Structure};
use risk::chain::Chains;
use units::{AccountId, Cash, InstrumentId, Notional, OrderId, Price, Qty, Side, Timestamp};

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
    /// They are to be replaced: nothing more is bought or sold of them.
    rolls_next: bool,
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
    /// What it buys is one way of several to bring delta back: an increase whose legs lose their quotes is given up. No state.
    pub(crate) gives_way: bool,
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

    /// Whether it is on its way for nothing that is still wanted or held, and not asked back yet.
    fn is_left(&self, lines: &[Line]) -> bool {
        !self.cancelling && lines.iter().all(|line| line.instrument != self.instrument)
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
            rolls_next: false,
            mixed: false,
            candidate: None,
            refusal: None,
            wanted: Qty::ZERO,
            declined: None,
            most: None,
            seen: 0,
            told_waiting: false,
            gives_way: false,
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

    /// Whether legs are held beside whole structures, or are missing of them.
    pub(crate) fn is_partly_there(&self) -> bool {
        self.lines.iter().any(|line| line.settled.is_none() && !self.beyond(line).is_zero())
    }

    /// Whether what is held is to be rolled before its first option expires, and it is that late.
    pub(crate) fn is_roll_due(&self, now: Timestamp) -> bool {
        match (self.terms.roll, self.first_expiry()) {
            (Roll::Before(before), Some(expiry)) => !self.position.is_zero() && now >= expiry - before,
            (Roll::Before(_) | Roll::AtSettlement | Roll::Never, _) => false,
        }
    }

    /// Whether orders are under way, or whatever stands in the way of a roll.
    pub(crate) fn is_busy(&self) -> bool {
        self.rolling
            || self.closing.is_some()
            || !self.sent.is_empty()
            || self.orders.iter().any(|order| matches!(order.stage, Stage::Active | Stage::Queued))
    }

    /// Whether some of its options are being replaced, or were until everything had to go.
    fn is_between(&self) -> bool {
        !self.position.is_zero() && self.lines.iter().any(|line| line.is_part() && line.next != line.ratio)
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

    /// Signed structures that its orders will add, those that wait included.
    pub(crate) fn under_way(&self) -> Qty {
        let orders = self.orders.iter().filter(|order| matches!(order.stage, Stage::Active | Stage::Queued));
        orders.map(Waiting::open).sum()
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

    /// The signed structures that a plan tells beside its target. While a reduction is filled in part fewer legs are there than the
    /// structures that the target counts, and what only goes on being held would look like an increase: then these are told.
    pub(crate) fn held_beside_target(&self) -> Qty {
        let exposed = self.exposed();
        if self.rolling || exposed.abs() >= self.position.abs() { exposed } else { self.position }
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

    /// Whether legs of an increase were traded, and others are missing, or are on their way: they may be filled before they are taken back.
    pub(crate) fn is_begun(&self) -> bool {
        let is_there = |line: &Line| line.is_part() && !self.beyond(line).is_zero();
        self.increases() && (!self.sent.is_empty() || self.lines.iter().any(is_there))
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

    /// Whether an increase to what the strategy wants is kept back: legs stay alone, a stop that rested is closing what is held, or the
    /// venue refused it, to a tenth of its size. A size that follows equity differs a little with every quote, and each attempt pays the
    /// spread of a leg twice.
    pub(crate) fn keeps_back(&self) -> bool {
        self.is_unwinding() || self.is_declined() || self.is_stopped()
    }

    /// Whether a stop that rested was reached, and its legs are still being traded.
    fn is_stopped(&self) -> bool {
        let is_reached = |order: &Waiting| {
            order.purpose == Purpose::Stop && order.kind != OrderKind::Market && order.stage != Stage::Rests
        };
        self.orders.iter().any(is_reached)
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

    /// The structure's price: Σ ratio × value of its options, settled ones at what they were settled at. Between old options and new ones
    /// what the structure that was opened has become: all that is held, less what the trades between them paid. So it goes on from the
    /// price of the old ones as they are replaced, and profit by it is that of what is held. `None`: not known.
    pub(crate) fn price(&self, chains: &Chains) -> Option<Price> {
        let value = |line: &Line| match line.settled {
            Some(settled) => Some(settled),
            None => chains.option(line.instrument)?.value,
        };
        if self.is_between() {
            let mut worth = Notional::ZERO;
            for line in &self.lines {
                worth -= line.value;
                if !line.held.is_zero() {
                    worth += value(line)? * line.held;
                }
            }
            return Some(Price::from_raw(to_price(worth.raw(), self.position.raw().into(), 0)));
        }
        let held = self.lines.iter().filter(|line| !line.ratio.is_zero());
        let mut sum = 0;
        for line in held {
            sum += i128::from(line.ratio.raw()) * i128::from(value(line)?.raw());
        }
        self.lines.iter().any(|line| !line.ratio.is_zero()).then(|| price_of(sum))
    }

    /// What each of [`exposed`](Self::exposed) is worth where the legs are not those of the structures that the strategy was told of: by
    /// the legs that are held, old and new ones of a roll together. `None`: they are, none are held, or a value is not known.
    pub(crate) fn worth_of_each(&self, chains: &Chains) -> Option<Price> {
        let exposed = self.exposed();
        let is_whole = self.lines.iter().all(|line| line.held == times(line.ratio, self.position));
        if exposed.is_zero() || (is_whole && !self.rolling) {
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
}

/// The price at which a signed quantity of an option can be traded now.
pub(crate) fn offered(chains: &Chains, instrument: InstrumentId, signed: Qty) -> Option<Price> {
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
    pub(crate) fn is_part(&self) -> bool {
        !self.ratio.is_zero() || !self.next.is_zero()
    }

    /// Whether it has been settled, or is no leg of the structure.
    fn is_over(&self) -> bool {
        !self.is_part() || self.settled.is_some()
    }

    /// Whether all that it paid was told.
    fn is_told(&self) -> bool {
        self.value == Notional::ZERO && self.fee == Cash::ZERO
    }
}
