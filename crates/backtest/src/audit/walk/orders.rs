//! Orders: each row of one in turn, and what rested while a bar crossed its level.

use super::{Crossed, Live, Market, Walk, range};
use crate::audit::finding::{At, shown};
use crate::audit::live::{For, id_of, is_venues, side_of};
use crate::audit::plans::MARKET;
use crate::audit::seat::{Seat, is_plain, plus};
use crate::records::{OrderRow, PlanRow};
use policy::spec::Trigger;
use std::ops::Range;
use units::{Duration, Price, Qty};

impl Walk<'_> {
    /// Rows of orders of this time, with the fills that they tell of; then fills that no order of the strategy caused.
    pub(super) fn orders(&mut self) {
        let tables = self.tables;
        let begin = self.next.order;
        let rows = &tables.orders[begin..];
        let count = rows.iter().take_while(|row| row.time <= self.at).count();
        // News of the venue comes before the market's own input: what is sent after the last of it, is sent on that.
        let is_news = |row: &OrderRow| !matches!(&*row.event, "place" | "amend" | "cancel");
        let boundary = begin + rows[..count].iter().rposition(is_news).map_or(0, |last| last + 1);
        let plans = self.rows_of_plans();
        (self.boundary, self.orders_now, self.plans_now) = (boundary, begin..begin + count, plans.clone());
        self.has_news = boundary > begin;
        for row in begin..begin + count {
            if row == boundary {
                self.left_crossed();
            }
            self.order(row, boundary, &plans);
        }
        if boundary == begin + count {
            self.left_crossed();
        }
        self.next.order = begin + count;
        let until =
            self.next.fill + tables.fills[self.next.fill..].iter().take_while(|row| row.time <= self.at).count();
        self.fills_to(until);
        self.plans(plans);
        self.check_crossed();
        self.check_paths();
    }

    /// One row of an order.
    pub(super) fn order(&mut self, row: usize, boundary: usize, plans: &Range<usize>) {
        let tables = self.tables;
        let (told, at) = (&tables.orders[row], At::order(row, &tables.orders[row]));
        let market = self.by_symbol.get(&*told.instrument).copied();
        let known = market.zip(id_of(&told.order));
        self.found.ensure("order.plan", known.is_some_and(|(_, id)| id.0 == told.plan), at, || {
            format!(
                "order `{}` in `{}` is not one of plan {}, or of no instrument of the tapes",
                told.order, &*told.instrument, told.plan
            )
        });
        let Some((market, id)) = known else { return };
        let seat = self.seat_of(&told.strategy, market);
        if let Some(seat) = seat {
            self.seats[seat].is_touched = true;
        }
        self.kind(row, market, id, seat);
        if &*told.event == "place" {
            self.place(row, market, id, seat, plans);
            return;
        }
        let Some(index) = self.markets[market].orders.iter().position(|order| order.id == id) else {
            self.found.ensure("order.life", false, at, || {
                format!("{} of an order that was not placed, or ended before", &*told.event)
            });
            return;
        };
        let has_trades = !self.markets[market].now.trades.is_empty();
        let order = &mut self.markets[market].orders[index];
        let same = order.side == side_of(&told.side)
            && order.purpose == For::of(&told.purpose)
            && order.reduce_only == told.reduce_only
            && order.strategy == told.strategy;
        self.found.ensure("order.life", same, at, || {
            "strategy, side, purpose and reduce-only of an order stay as it was placed".to_owned()
        });
        // Of a fill the row tells its own quantity and price.
        if !matches!(&*told.event, "amend" | "filled") {
            let terms = (order.left, order.price, order.trigger);
            self.found.ensure("order.terms", terms == (told.quantity, told.price, told.trigger), at, || {
                let of = |(quantity, price, trigger): (Qty, Option<Price>, Option<Price>)| {
                    format!("{quantity} at {} behind {}", shown(price), shown(trigger))
                };
                format!(
                    "{} of {}; what was sent and filled leaves {}",
                    &*told.event,
                    of((told.quantity, told.price, told.trigger)),
                    of(terms)
                )
            });
        }
        let by_hand = id.0 == 0;
        match &*told.event {
            "amend" | "cancel" => {
                let inside = row < boundary;
                if inside {
                    order.acted = told.time;
                }
                if &*told.event == "cancel" {
                    order.cancelling = true;
                } else {
                    // What is moved on its own path stays on it.
                    let stays = inside && self.walked == Some(market);
                    if (order.price, order.trigger) != (told.price, told.trigger) && !stays {
                        order.sent = self.known;
                    }
                    (order.quantity, order.price, order.trigger) = (told.quantity, told.price, told.trigger);
                    order.left = told.quantity;
                    (order.changed, order.set_inside) = (told.time, inside);
                }
                let copy = order.clone();
                // Orders cross inside the book where the market's own input is answered, and only there.
                if !inside && &*told.event == "amend" && seat.is_some_and(|seat| !self.seats[seat].alone) {
                    self.crossed_until_fit(market, &copy);
                }
                let planned = self.is_planned(&told.strategy, plans);
                let exit = matches!(copy.purpose, For::Stop | For::Rung(_));
                self.told.overrides.losers_held += u64::from(by_hand && exit);
                self.found.ensure("order.plan", planned, at, || {
                    format!("{} without a plan of `{}` at that time", &*told.event, &*told.strategy)
                });
                if &*told.event == "amend" {
                    self.terms(row, market, &copy);
                }
            }
            "accepted" => {
                let first = !order.accepted;
                order.accepted = true;
                order.inside = order.placed == told.time && !has_trades;
                order.set_inside |= order.inside;
                self.found.ensure("order.life", first, at, || "accepted twice".to_owned());
                self.came_on_path(market, index);
            }
            "triggered" => {
                let waits = order.accepted && order.trigger.is_some() && !order.triggered;
                let copy = order.clone();
                self.comes_to(market, &copy);
                self.became_limit(market, &copy);
                let order = &mut self.markets[market].orders[index];
                (order.triggered, order.acted) = (true, told.time);
                self.found.ensure("order.life", waits, at, || "triggered, and did not wait for a trigger".to_owned());
                self.reached(row, market, &copy);
            }
            "amended" => {
                // The terms that stand: they may be those from before, where the venue refused.
                let changes = order.accepted && order.changed <= told.time;
                self.found.ensure("order.life", changes, at, || "amended before it was accepted".to_owned());
                self.came_on_path(market, index);
            }
            "filled" => {
                let copy = order.clone();
                self.comes_to(market, &copy);
                self.filled(row, market, index);
            }
            "cancelled" | "rejected" => {
                order.acted = told.time;
                let (asked, reason) = (order.cancelling, &*told.reason);
                // An amendment to what was filled already takes an order back too.
                let is_told = !reason.is_empty() && (reason != "as asked" || asked || order.quantity <= order.filled);
                let event = &*told.event;
                let fits = if event == "rejected" { !order.accepted } else { order.accepted };
                let copy = order.clone();
                self.taken_back(market, &copy, reason);
                self.markets[market].orders.remove(index);
                self.found.ensure("order.life", is_told && fits, at, || {
                    format!("{event} for `{reason}`, which nobody asked for, or before it was accepted")
                });
            }
            other => {
                self.found.ensure("order.life", false, at, || format!("`{other}` is no change of an order"));
            }
        }
    }

    /// An order's kind is one of its purpose, has the prices that it needs, and stays what it was.
    fn kind(&mut self, row: usize, market: usize, id: (u64, u64), seat: Option<usize>) {
        let told = &self.tables.orders[row];
        let at = At::order(row, told);
        let kind = &*told.kind;
        let shape = match kind {
            "market" => Some((false, false)),
            "limit" => Some((true, false)),
            "stop" => Some((false, true)),
            "stop_limit" => Some((true, true)),
            _ => None,
        };
        // Of a fill the row tells the price, as a limit.
        let has_prices = shape == Some((told.price.is_some(), told.trigger.is_some()));
        let placed = self.markets[market].orders.iter().find(|order| order.id == id).map(|order| order.kind.clone());
        let stays = &*told.event == "filled" || placed.is_none_or(|placed| *placed == *kind);
        self.found.ensure("order.kind", has_prices && stays, at, || {
            format!("a `{kind}` order has other prices, or was another kind before")
        });
        let Some(seat) = seat.filter(|_| &*told.event == "place" && id.0 > 0) else { return };
        let policy = &self.policies[self.seats[seat].strategy];
        let collared = policy.guards.price_collar.is_some();
        let fits = match For::of(&told.purpose) {
            For::Stop => match policy.stop.as_ref().map(|stop| stop.trigger) {
                Some(Trigger::Resting) => kind == "stop",
                _ => kind == "market",
            },
            For::Rung(_) => matches!(kind, "limit" | "market"),
            For::Add(_) => {
                let chases = policy.pyramid.as_ref().is_some_and(|pyramid| pyramid.max_chase.is_some());
                // What follows the first piece of one goes out at once.
                let in_pieces = policy.guards.max_order.is_some() || policy.caps.participation.is_some();
                // A limit under nothing is none.
                let is_bare = (!collared && !chases) || &*told.side == "sell";
                let resting = kind == "stop_limit" || (kind == "stop" && is_bare);
                resting || (collared && kind == "limit") || (in_pieces && !collared && kind == "market")
            }
            For::Entry | For::Resize => kind == "market" || (kind == "limit" && collared),
            For::Exit | For::Cut => kind == "market",
            For::Other => true,
        };
        self.found
            .ensure("order.kind", fits, at, || format!("the policy sends no `{kind}` order for `{}`", &*told.purpose));
    }

    /// Whether a plan of a strategy was made now.
    pub(super) fn is_planned(&self, strategy: &str, plans: &Range<usize>) -> bool {
        let structured = self.policies.iter().any(|policy| policy.name == strategy && !is_plain(policy));
        structured || self.tables.plans[plans.clone()].iter().any(|plan| &*plan.strategy == strategy)
    }

    /// An order is sent: by a plan of now, in a quantity that follows from it.
    pub(super) fn place(
        &mut self,
        row: usize,
        market: usize,
        id: (u64, u64),
        seat: Option<usize>,
        plans: &Range<usize>,
    ) {
        let told = &self.tables.orders[row];
        let at = At::order(row, told);
        self.found.ensure("order.life", self.ids.insert(id), at, || "placed twice".to_owned());
        let order = Live::new(id, seat, told, self.known);
        let by_hand = id.0 == 0 && !is_venues(id);
        let structured = seat.is_none();
        let steps = self.tables.plans[plans.clone()].iter();
        let plan = steps.clone().find(|plan| plan.plan == id.0 && plan.strategy == told.strategy);
        let known = plan.is_some_and(|plan| plan.instrument == told.instrument)
            || by_hand
            || (structured
                && self.tables.plans[..plans.end]
                    .iter()
                    .rev()
                    .any(|plan| plan.plan == id.0 && plan.strategy == told.strategy));
        self.found.ensure("order.plan", known, at, || {
            format!("no plan {} of `{}` in `{}` at that time", id.0, &*told.strategy, &*told.instrument)
        });
        if let Some(plan) = plan {
            self.fills_before(plan);
        }
        self.lapses(seat, &told.instrument, (plans.start, id.0));
        if let (Some(seat), Some(plan)) = (seat, plan) {
            self.quantity(row, market, seat, &order, plan);
        }
        self.terms(row, market, &order);
        self.markets[market].orders.push(order);
    }

    /// Units that a plan up to this one tells to have lapsed, of those in the seat's instrument.
    pub(super) fn lapses(&mut self, seat: Option<usize>, instrument: &str, (from, plan): (usize, u64)) {
        let Some(seat) = seat else { return };
        let (tables, name) = (self.tables, &self.policies[self.seats[seat].strategy].name);
        let Some(camp) = &mut self.seats[seat].camp else { return };
        // What lapsed before it opened was of the campaign before.
        let steps = tables.plans[from..].iter().take_while(|step| step.plan <= plan);
        let opened_by = camp.opened_by;
        let steps = steps.filter(|step| step.plan > opened_by);
        let is_own = |step: &&PlanRow| step.strategy.as_str() == name && &*step.instrument == instrument;
        for step in steps.filter(is_own).filter(|step| &*step.rule == MARKET) {
            let unit = step.because.strip_prefix("unit ").and_then(|rest| rest.split_once(" lapsed:"));
            if let Some(unit) = unit.and_then(|(unit, _)| unit.parse().ok()) {
                camp.lapse(unit);
            }
        }
    }

    /// What goes out at the market, or around it, is the plan's target less what is held and on its way.
    pub(super) fn quantity(&mut self, row: usize, market: usize, seat: usize, order: &Live, plan: &PlanRow) {
        let at = At::order(row, &self.tables.orders[row]);
        let Seat { held, alone, .. } = self.seats[seat];
        let signed = order.quantity.on(order.side);
        let reduces = held.signum() * signed.signum() < 0;
        if alone {
            self.found.ensure("order.reduce_only", order.reduce_only == reduces, at, || {
                format!("{signed} with {held} held: reduce-only is {}, should be {reduces}", order.reduce_only)
            });
        }
        let is_change = order.is_market() || (order.is_limit && !matches!(order.purpose, For::Rung(_)));
        if !is_change || matches!(order.purpose, For::Rung(_)) {
            return;
        }
        let expected = change(plan.target, plan.position, &self.markets[market].orders, seat);
        let fits = if alone {
            signed == expected
        } else {
            signed.signum() == expected.signum() && signed.abs() <= expected.abs()
        };
        self.found.ensure("order.quantity", fits, at, || {
            format!(
                "{signed} is sent; target {} less {} held and what is on its way is {expected}",
                plan.target, plan.position
            )
        });
    }

    /// Whether the market came to what an order waited for, as far as this time tells.
    pub(super) fn reached(&mut self, row: usize, market: usize, order: &Live) {
        let at = At::order(row, &self.tables.orders[row]);
        let latency = self.policies[0].backtest.latency;
        let Market { now, is_option, .. } = &self.markets[market];
        // Where trades tell more than a bar, or it was sent within this very time, the whole range is open to it.
        let only = now.bar.filter(|_| now.trades.is_empty() && order.changed < self.at);
        let (low, high) = only.map_or_else(|| range(now), |bar| order.met_of(&bar));
        let wait = order.wait();
        let meets = if *is_option { !now.quotes.is_empty() } else { low <= high && wait.meets(low, high) };
        self.found.ensure("order.not_crossed", meets, at, || match (wait.level(), low <= high) {
            (Some(level), true) => format!("it waited for {level}, the market went from {low} to {high}"),
            _ => "nothing was traded at that time".to_owned(),
        });
        let is_protective = order.is_resting_stop() && order.placed == self.at;
        let arrived = order.placed + if order.inside { Duration::ZERO } else { latency };
        self.found.ensure("order.not_crossed", is_protective || arrived < self.at, at, || {
            format!("sent at {}, it works from {arrived} on", order.placed)
        });
    }

    /// Before the market's own input is answered: what rested through a bar of it that went over its level should be gone.
    fn left_crossed(&mut self) {
        self.leave_opens();
        for index in &self.busy {
            let market = &self.markets[*index];
            let Some(bar) = market.now.bar.filter(|_| market.is_traded) else { continue };
            let is_left = |order: &&Live| {
                let level = match (order.price, order.trigger) {
                    (Some(level), None) | (None, Some(level)) => Some(level),
                    _ => None,
                };
                let rested = order.accepted && !order.cancelling && order.changed <= bar.opened;
                rested && level.is_some_and(|level| (bar.low..=bar.high).contains(&level))
            };
            self.told.counted.left += market.orders.iter().filter(is_left).count() as u64;
        }
    }

    /// What a bar crossed while it rested was filled or ended at that time, unless the rule of the opening bar holds it.
    pub(super) fn check_crossed(&mut self) {
        for Crossed { market, id, wait, bar } in std::mem::take(&mut self.crossed) {
            let known = &self.markets[market];
            let left = known.orders.iter().find(|order| order.id == id);
            let Some(order) = left.filter(|order| order.acted < self.at) else {
                self.found.ensure("order.crossed", true, At::file("orders"), String::new);
                continue;
            };
            // Quantity that a limit opened within this bar takes no profit in it.
            let waits = order.price.is_some() && known.now.has_opened;
            let (order_id, placed) = (format!("p{}-{}", id.0, id.1), order.placed);
            let row = self.tables.orders.iter().position(|row| row.order == order_id);
            let at = At { row, time: Some(self.at), order: Some(&order_id), plan: Some(id.0), ..At::file("orders") };
            let holds = self.found.ensure("order.crossed", waits, at, || {
                let level = wait.level().map_or_else(|| "the market".to_owned(), |level| level.to_string());
                format!(
                    "sent at {placed} for {level}, and the bar that closed at {} went from {} to {}: neither filled nor ended",
                    bar.closed, bar.low, bar.high
                )
            });
            self.told.unexplained += u64::from(!holds);
        }
    }
}

/// What is still to be sent: the target, or flat where it is on the other side, less what is held and on its way.
pub(super) fn change(target: Qty, held: Qty, orders: &[Live], seat: usize) -> Qty {
    let flips = held.signum() * target.signum() < 0;
    let target = if flips { Qty::ZERO } else { target };
    let own = orders.iter().filter(|order| order.seat == Some(seat) && order.is_market());
    let (mut flight, mut rungs) = (Qty::ZERO, Qty::ZERO);
    for order in own {
        match order.purpose {
            For::Rung(_) => rungs = plus(rungs, order.signed()),
            _ => flight = plus(flight, order.signed()),
        }
    }
    let change = plus(plus(target, -held), -flight);
    let reduces = change.signum() * held.signum() < 0;
    if !reduces || rungs.is_zero() {
        return change;
    }
    // A rung on its way takes its part.
    let rest = plus(change, -rungs);
    if rest.signum() == change.signum() { rest } else { Qty::ZERO }
}
