//! What became whole is told, once: a fill, a roll, or what an attempt cost.

use super::{Desk, Line, Outcome, Rolled, Stage, Traded, Waiting, to_price};
use crate::Purpose;
use crate::structure::times;
use arrayvec::ArrayVec;
use market::{CancelReason, Forced, OrderKind, OrderUpdate};
use policy::spec::LEGS_MAX;
use units::{Cash, Notional, OrderId, Price, Qty, Side};

impl Desk {
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
    pub(super) fn sweep(&mut self, out: &mut Vec<Outcome>) {
        self.lines.retain(|line| {
            let gone = !line.is_part() && line.held.is_zero();
            if gone && !line.is_told() {
                out.push(Outcome::Unwound { value: line.value, fee: line.fee });
            }
            !gone
        });
    }

    /// How many structures of a change are there in all legs.
    pub(super) fn matched(&self, change: Qty) -> Qty {
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
    pub(super) fn tell(&mut self, qty: Qty, sign: i64, done: bool, out: &mut Vec<Outcome>) {
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
        if self.position.is_zero() && own.is_none() {
            self.drop_queued(CancelReason::Requested, out);
        }
        if done {
            // New options of a roll that was given up were told with all else.
            for line in self.lines.iter_mut().filter(|line| line.is_new()) {
                (line.value, line.reference, line.fee) = (Notional::ZERO, Notional::ZERO, Cash::ZERO);
                line.next = Qty::ZERO;
            }
            self.settle_lines();
            if own.is_some() {
                self.closing = None;
                self.orders.clear();
            }
        }
    }

    /// By which order everything goes.
    pub(super) fn closing_fill(&self, why: Purpose) -> (OrderId, Purpose, Option<Forced>) {
        match why {
            // The venue's own numbers of liquidations and settlements.
            Purpose::Liquidation => (OrderId(0), why, Some(Forced::Liquidation)),
            Purpose::Settlement => (OrderId(1), why, Some(Forced::Settlement)),
            _ => (self.orders.first().map_or(OrderId(1), |order| order.id), why, None),
        }
    }

    /// Everything traded was told.
    pub(super) fn settle_lines(&mut self) {
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

    pub(super) fn sums(&self) -> (Notional, Notional, Cash) {
        let add = |sum: (Notional, Notional, Cash), line: &Line| {
            (sum.0 + line.value, sum.1 + line.reference, sum.2 + line.fee)
        };
        self.lines.iter().filter(|line| line.is_part()).fold((Notional::ZERO, Notional::ZERO, Cash::ZERO), add)
    }

    pub(super) fn finish_roll(&mut self, out: &mut Vec<Outcome>) {
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

    pub(super) fn finish_unwinding(&mut self, out: &mut Vec<Outcome>) {
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
    pub(super) fn start_queued(&mut self, out: &mut Vec<Outcome>) -> bool {
        if self.rolling || self.closing.is_some() || self.has_strays() {
            return false;
        }
        // Before a roll only what reduces goes out.
        let may_start = |order: &Waiting| !self.rolls_next || order.side.sign() == -self.position.signum();
        let mut queued = self.orders.iter().filter(|order| order.stage == Stage::Queued && may_start(order));
        let Some(id) = queued.next().map(|order| order.id) else { return false };
        self.set_stage(id, Stage::Triggered);
        self.activate(id, out);
        true
    }
}
