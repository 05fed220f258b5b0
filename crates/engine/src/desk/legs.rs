//! Orders of legs: what is missing of each, what is sent for it, and what its executions make of it.

use super::{
    Desk, ENDED_MAX, FIRST_LEG_ORDER, FIRST_OWN_ORDER, LegCommand, LegOrder, Line, Outcome, Stage, Waiting, offered,
};
use crate::Purpose;
use crate::structure::{Choice, times};
use arrayvec::ArrayVec;
use market::{CancelReason, Fill, OrderKind, OrderUpdate, RejectReason};
use policy::spec::Roll;
use risk::chain::Chains;
use units::{Cash, InstrumentId, OrderId, PlanId, Price, Qty, Side, Timestamp};

/// For how many orders in structures a leg is traded at once; what more ask for goes with the last of them.
const PURPOSES_MAX: usize = 16;

impl Desk {
    /// What is held of a leg beyond the structures that the strategy was told of.
    pub(super) fn beyond(&self, line: &Line) -> Qty {
        line.held - times(line.ratio, self.position)
    }

    /// The signed structures that are left once orders of plans up to one are filled that take something off. Nothing while options are
    /// being replaced.
    fn left_by(&self, plan: PlanId) -> Qty {
        if self.closing.is_some() {
            return Qty::ZERO;
        }
        let active = self.orders.iter().filter(|order| order.stage == Stage::Active && order.id.plan() <= plan);
        let off = active.map(Waiting::open).filter(|open| open.signum() == -self.position.signum());
        let left = self.position + off.sum();
        if self.rolling { self.position } else { left }
    }

    /// What of a leg is held once so many structures are left. Legs of an increase that is under way stay what they are, unless it is about
    /// to be given up.
    fn leg_left(&self, line: &Line, (left, gives_up): (Qty, bool)) -> Qty {
        let wanted = if line.is_part() { times(line.ratio, left) } else { Qty::ZERO };
        let goes = !self.rolling && (gives_up || !self.increases()) && line.settled.is_none();
        if goes && wanted.abs() < line.held.abs() { wanted } else { line.held }
    }

    /// Whether orders of plans up to one take something off, or legs are traded back of an increase that was given up, or is about to be.
    pub(crate) fn takes_off(&self, (plan, gives_up): (PlanId, bool)) -> bool {
        let left = self.left_by(plan);
        left != self.position || self.lines.iter().any(|line| self.leg_left(line, (left, gives_up)) != line.held)
    }

    /// Holds what those leave, of what has a value, and tells what that changes of each leg. Returns the structures that are left.
    pub(crate) fn take_off(
        &mut self,
        (plan, gives_up): (PlanId, bool),
        has_value: impl Fn(InstrumentId) -> bool,
        mut change: impl FnMut(InstrumentId, Qty),
    ) -> Qty {
        let left = self.left_by(plan);
        for at in 0..self.lines.len() {
            let line = self.lines[at];
            let rest = self.leg_left(&line, (left, gives_up));
            if rest != line.held && has_value(line.instrument) {
                change(line.instrument, rest - line.held);
                self.lines[at].held = rest;
            }
        }
        self.position = left;
        left
    }

    /// Holds so many whole structures, of the options that it has or would choose now, and tells what that changes of each leg. It is only
    /// supposed.
    pub(crate) fn suppose(&mut self, whole: Qty, chains: &Chains, mut change: impl FnMut(InstrumentId, Qty)) {
        if self.is_idle()
            && let Some(choice) = self.candidate.take()
        {
            self.begin(&choice, chains);
        }
        for line in self.lines.iter_mut().filter(|line| line.is_part() && line.settled.is_none()) {
            let held = times(line.ratio, whole);
            if held != line.held {
                change(line.instrument, held - line.held);
                line.held = held;
            }
        }
        self.position = whole;
    }

    /// Signed quantity of a leg under way.
    pub(super) fn in_flight(&self, instrument: InstrumentId) -> Qty {
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

    /// Everything goes instead of being replaced. New options that are there already stay a part of it, so that what closes it tells of
    /// them too.
    pub(super) fn stop_rolling(&mut self) {
        (self.rolling, self.mixed) = (false, true);
        for line in self.lines.iter_mut().filter(|line| !line.ratio.is_zero()) {
            line.next = line.ratio;
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
            || self.sent.iter().any(|order| order.is_left(&self.lines))
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

    /// Gives up an increase whose legs nobody quotes any more, where something else can be traded instead. Whether there was one.
    pub(crate) fn give_way(&mut self, chains: &Chains, out: &mut Vec<Outcome>) -> bool {
        let goal = self.goal();
        let lacks = |line: &Line| {
            let missing = times(line.next, goal) - line.held;
            let is_there = !line.blocked && offered(chains, line.instrument, missing).is_some();
            line.settled.is_none() && !missing.is_zero() && !is_there
        };
        let gives_way = self.gives_way && !self.rolling && self.increases() && self.lines.iter().any(lacks);
        if gives_way {
            self.abandon(CancelReason::Requested, out);
            self.resolve(out);
        }
        gives_way
    }

    /// An increase, or new options, begin only once every leg can be traded: no leg is left naked for want of another's quote.
    pub(super) fn sends(&self, goal: Qty, chains: &Chains) -> bool {
        let begins = (self.increases() || self.rolling)
            && self.sent.is_empty()
            && self.lines.iter().all(|line| !line.is_part() || self.beyond(line).is_zero());
        !begins || self.outstanding_of(goal, chains) == 0
    }

    pub(super) fn outstanding_of(&self, goal: Qty, chains: &Chains) -> usize {
        let needs = |line: &&Line| line.is_part() && times(line.next, goal) != line.held && line.settled.is_none();
        let lacks = |line: &&Line| offered(chains, line.instrument, times(line.next, goal) - line.held).is_none();
        self.lines.iter().filter(needs).filter(lacks).count()
    }

    /// Whether what is under way of a leg goes the wrong way, or too far, so that it is asked back.
    pub(super) fn is_wrong(&self, line: &Line, goal: Qty) -> bool {
        let (needed, in_flight) = (times(line.next, goal) - line.held, self.in_flight(line.instrument));
        in_flight.signum() * needed.signum() < 0 || in_flight.abs() > needed.abs()
    }

    /// The signed quantity of a leg to send now.
    pub(super) fn missing(&self, line: &Line, goal: Qty, chains: &Chains) -> Qty {
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
        let Self { sent, lines, .. } = self;
        for order in sent.iter_mut().filter(|order| order.is_left(lines)) {
            order.cancelling = true;
            commands.push(LegCommand::Cancel { order: *order });
        }
        if !self.sends(goal, chains) {
            return;
        }
        let mut next = FIRST_LEG_ORDER;
        for exits in [true, false] {
            for at in 0..self.lines.len() {
                let line = self.lines[at];
                let missing = self.missing(&line, goal, chains);
                let exit = missing.signum() * line.held.signum() < 0;
                let Some(side) = missing.side().filter(|_| exit == exits) else { continue };
                for (purpose, qty) in self.purposes(&line, missing) {
                    let id = OrderId::of(plan, next);
                    next = next.wrapping_add(1).max(FIRST_LEG_ORDER);
                    let (instrument, filled) = (line.instrument, Qty::ZERO);
                    let order = LegOrder { id, instrument, purpose, side, qty, filled, cancelling: false };
                    self.sent.push(order);
                    commands.push(LegCommand::Place { order, qty, exit });
                }
            }
        }
    }

    /// What so much of a leg is traded for: a part for each order in force that what was traded and sent of it does not fill yet.
    fn purposes(&self, line: &Line, missing: Qty) -> ArrayVec<(Purpose, Qty), PURPOSES_MAX> {
        let mut parts = ArrayVec::<(Purpose, Qty), PURPOSES_MAX>::new();
        let (mut left, mut covered) = (missing.abs(), (self.beyond(line) + self.in_flight(line.instrument)).abs());
        // The last is that of legs of an increase that was given up.
        let mut last = self.closing.unwrap_or(if self.rolling { Purpose::Roll } else { Purpose::Cut });
        let is_active = |order: &&Waiting| order.stage == Stage::Active && self.closing.is_none();
        for order in self.orders.iter().filter(is_active).take(PURPOSES_MAX - 1) {
            let asked = times(line.next, order.open()).abs();
            let part = (asked - covered).clamp(Qty::ZERO, left);
            (left, covered, last) = (left - part, (covered - asked).max(Qty::ZERO), order.purpose);
            if !part.is_zero() {
                parts.push((last, part));
            }
        }
        match parts.last_mut().filter(|(purpose, _)| *purpose == last) {
            Some((_, part)) => *part += left,
            None if left.is_zero() => {}
            None => parts.push((last, left)),
        }
        parts
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

    pub(super) fn book(
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
            self.stop_rolling();
            self.cancel_all(CancelReason::Margin, out);
            self.closing = Some(Purpose::Cut);
            self.own_order(plan);
        }
        self.resolve(out);
    }

    /// Keeps the number that a fill of the desk's own decision is told by: the plan that is recorded next.
    pub(super) fn own_order(&mut self, plan: PlanId) {
        let id = OrderId::of(PlanId(plan.0 + 1), FIRST_OWN_ORDER + (self.scope % 64) as u8);
        let (purpose, side) = (Purpose::Cut, if self.position.signum() > 0 { Side::Sell } else { Side::Buy });
        let (qty, kind) = (self.position.abs(), OrderKind::Market);
        self.orders.push(Waiting { id, purpose, side, qty, filled: Qty::ZERO, kind, stage: Stage::Queued });
    }

    pub(super) fn cancel_all(&mut self, reason: CancelReason, out: &mut Vec<Outcome>) {
        for order in self.orders.drain(..) {
            out.push(Outcome::News(order.id, OrderUpdate::Cancelled(reason)));
        }
    }

    /// An option of it has expired: nothing more of it is ordered.
    pub(crate) fn note_settled(&mut self, instrument: InstrumentId, price: Price) {
        let Some(line) = self.lines.iter_mut().find(|line| line.instrument == instrument) else { return };
        line.settled = Some(price);
        if self.rolling && !line.next.is_zero() {
            self.choose_others();
        }
    }

    /// New options expired before the roll to them was over: others are chosen.
    fn choose_others(&mut self) {
        self.mixed = true;
        self.lines.iter_mut().for_each(|line| line.next = Qty::ZERO);
    }

    /// What was to be traded has expired, nothing of it is held, and nothing is under way, so that the venue has nothing to tell: a roll
    /// waits for other options, an entry is given up.
    pub(crate) fn drop_expired(&mut self, now: Timestamp, out: &mut Vec<Outcome>) {
        let is_over = |line: &Line| line.expiry <= now && line.settled.is_none() && line.held.is_zero();
        let is_sent = |line: &Line| self.sent.iter().any(|order| order.instrument == line.instrument);
        let mut gone = self.lines.iter().filter(|line| !line.next.is_zero() && is_over(line) && !is_sent(line));
        if gone.next().is_none() {
            return;
        }
        if self.rolling {
            self.choose_others();
        } else if !self.under_way().is_zero() && self.position.is_zero() {
            self.abandon(CancelReason::Expired, out);
            self.drop_queued(CancelReason::Expired, out);
            self.resolve(out);
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
                if purpose == Purpose::Settlement && self.lines.iter().all(Line::is_over) {
                    // What was to go out was never traded: it has expired.
                    self.cancel_all(CancelReason::Expired, out);
                    self.closing = Some(purpose);
                }
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
                self.stop_rolling();
                self.closing = Some(purpose).filter(|_| !self.position.is_zero());
            }
        }
        self.resolve(out);
    }
}
