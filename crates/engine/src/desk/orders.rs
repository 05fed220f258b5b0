//! Orders in whole structures: taken in, reached by the price, begun and given up.

use super::{Desk, Line, Outcome, Stage, Waiting};
use crate::Purpose;
use crate::structure::Choice;
use arrayvec::ArrayVec;
use market::{CancelReason, Command, OrderKind, OrderUpdate, RejectReason};
use risk::chain::Chains;
use units::{OrderId, Price, Qty, Side, Timestamp};

impl Desk {
    /// Takes in a command of the strategy, at a time.
    pub(crate) fn command(
        &mut self,
        command: Command,
        purpose: Purpose,
        now: Timestamp,
        chains: &Chains,
        out: &mut Vec<Outcome>,
    ) {
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
                let enters = self.is_idle();
                if enters && let Some(choice) = self.candidate.take() {
                    self.begin(&choice, chains);
                    self.sweep(out);
                }
                out.push(Outcome::News(order.id, OrderUpdate::Accepted));
                let (id, side, qty, kind) = (order.id, order.side, order.qty, order.kind);
                self.orders.push(Waiting { id, purpose, side, qty, filled: Qty::ZERO, kind, stage: Stage::Rests });
                if kind == OrderKind::Market {
                    self.activate(id, out);
                } else if enters {
                    self.reach_limits(chains, out);
                } else if self.ticks(now, chains) {
                    // In place of one that these quotes have reached, too.
                    self.reach(self.price(chains), chains, out);
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
                // What is being traded is past taking back: half of it may be there. An increase that nobody wants ends, and with it the
                // orders of its legs.
                if self.orders[at].stage != Stage::Active || untouched {
                    self.orders.remove(at);
                    out.push(Outcome::News(id, OrderUpdate::Cancelled(CancelReason::Requested)));
                    self.resolve(out);
                } else {
                    self.abandon_unwanted(out);
                }
            }
        }
    }

    /// Whether a leg of it is quoted at this time. What is ordered in answer to a fill waits for the quotes that the fill was made of: the
    /// last ones that are known are older, and those that come are told next.
    pub(crate) fn ticks(&self, now: Timestamp, chains: &Chains) -> bool {
        let is_now = |line: &Line| chains.option(line.instrument).is_some_and(|option| option.quoted == now);
        self.lines.iter().any(|line| !line.ratio.is_zero() && is_now(line))
    }

    /// Takes up new options. What is left of others goes on being closed.
    pub(super) fn begin(&mut self, choice: &Choice, chains: &Chains) {
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
    pub(super) fn activate(&mut self, id: OrderId, out: &mut Vec<Outcome>) {
        let Some(at) = self.orders.iter().position(|order| order.id == id) else { return };
        let order = self.orders[at];
        let reduces = !self.position.is_zero() && order.side.sign() == -self.position.signum();
        if !reduces {
            // Nothing is added to what is about to be closed or replaced.
            let rolls = self.rolling || self.rolls_next;
            let waits = rolls || self.has_strays() || (!self.increases() && self.goal() != self.position);
            self.orders[at].stage = if waits { Stage::Queued } else { Stage::Active };
            return;
        }
        // The order was sized beside increases at the market on their way, and takes those off first; increases at a limit were not
        // counted on, as they may never be filled. A stop that rests covers what is held, and nothing is bought beside it; a rung that
        // rests takes its profit from what is held too, unless legs of an increase are there or on their way.
        let exits = match order.purpose {
            Purpose::Stop => true,
            Purpose::Rung { .. } => !self.is_begun(),
            _ => false,
        };
        let rests = exits && order.kind != OrderKind::Market;
        if !rests && order.open().abs() <= self.at_market().abs() {
            self.shrink(order.open().abs(), out);
            self.orders.retain(|order| order.id != id);
            out.push(Outcome::News(id, OrderUpdate::Cancelled(CancelReason::NothingToReduce)));
            self.resolve(out);
            return;
        }
        let mut given_up = Qty::ZERO;
        if self.increases() {
            given_up = if rests { Qty::ZERO } else { self.at_market().abs() };
            self.abandon(CancelReason::Requested, out);
        }
        let room = self.goal().abs();
        let open =
            if order.open().abs() >= room + given_up { room } else { (order.open().abs() - given_up).max(Qty::ZERO) };
        if self.rolling && open < self.position.abs() {
            self.set_stage(id, Stage::Queued);
            return;
        }
        // Whoever closes all does not wait for new options.
        if self.rolling {
            self.stop_rolling();
        }
        let Some(order) = self.orders.iter_mut().find(|order| order.id == id) else { return };
        if open.is_zero() {
            self.orders.retain(|order| order.id != id);
            out.push(Outcome::News(id, OrderUpdate::Cancelled(CancelReason::NothingToReduce)));
            return;
        }
        let qty = order.filled + open;
        if std::mem::replace(&mut order.qty, qty) != qty {
            // Else the rest of it would be on its way for ever.
            out.push(Outcome::News(id, OrderUpdate::Amended { qty, kind: order.kind }));
        }
        order.stage = Stage::Active;
        self.resolve(out);
    }

    /// Signed structures that increases at the market will add.
    fn at_market(&self) -> Qty {
        let increases = |order: &&Waiting| {
            order.stage == Stage::Active
                && order.kind == OrderKind::Market
                && order.side.sign() != -self.position.signum()
        };
        self.orders.iter().filter(increases).map(Waiting::open).sum()
    }

    /// Takes a part off the increases at the market that are on their way, the last one first. What of their legs is more than what is
    /// left asks for is traded back, and no more.
    fn shrink(&mut self, mut by: Qty, out: &mut Vec<Outcome>) {
        let position = self.position;
        for order in self.orders.iter_mut().rev() {
            let is_one = order.stage == Stage::Active && order.kind == OrderKind::Market;
            let part = order.open().abs().min(by);
            if is_one && order.side.sign() != -position.signum() && !part.is_zero() {
                (order.qty, by) = (order.qty - part, by - part);
                out.push(Outcome::News(order.id, OrderUpdate::Amended { qty: order.qty, kind: order.kind }));
            }
        }
        self.orders.retain(|order| {
            let ends = order.filled >= order.qty;
            if ends {
                out.push(Outcome::News(order.id, OrderUpdate::Cancelled(CancelReason::Requested)));
            }
            !ends
        });
    }

    /// Old options are about to be replaced: an increase of them is given up, and others wait.
    pub(crate) fn give_up_for_roll(&mut self, now: Timestamp, out: &mut Vec<Outcome>) {
        let waited = self.rolls_next;
        self.rolls_next = !self.rolling && self.closing.is_none() && self.is_roll_due(now);
        if self.rolls_next && self.increases() {
            self.abandon(CancelReason::Requested, out);
            self.resolve(out);
        } else if waited && !self.rolls_next && !self.rolling {
            // What has waited goes on: what was to be replaced is gone.
            self.resolve(out);
        }
    }

    pub(super) fn set_stage(&mut self, id: OrderId, stage: Stage) {
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

    /// Gives up what waits to be begun: it was sized for what is gone now, and for its options.
    pub(super) fn drop_queued(&mut self, reason: CancelReason, out: &mut Vec<Outcome>) {
        for order in self.orders.extract_if(.., |order| order.stage == Stage::Queued) {
            out.push(Outcome::News(order.id, OrderUpdate::Cancelled(reason)));
        }
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

    pub(super) fn reach_limits(&mut self, chains: &Chains, out: &mut Vec<Outcome>) {
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
}
