//! Stops, rungs and adds of structures: where they are, which quotes cross them, and what came of it.

use super::{Book, Now};
use crate::audit::campaign::Camp;
use crate::audit::finding::{At, Found, shown};
use crate::audit::live::side_of;
use crate::audit::seat::plus;
use crate::records::PlanRow;
use policy::Policy;
use policy::spec::{Follow, RungAt, Trigger};
use std::collections::BTreeMap;
use units::{Price, Qty, Timestamp};

/// What the quotes made of one campaign so far.
#[derive(Default)]
pub(super) struct Triggers {
    /// The stop that is in force for sure, and the tightest that may be: where that follows the price when a rung was used.
    sure: Option<Price>,
    tight: Option<Price>,
    /// The price was beyond a stop that may have been in force.
    is_stopped: bool,
    /// One bit a rung: the price was there, and something came of it.
    reached: u32,
    answered: u32,
    /// One bit a unit to add, likewise; and one that legs were ordered for.
    beyond: u32,
    added: u32,
    ordered: u32,
    /// The last plan wants nothing; legs go out for a stop or an exit.
    is_unwanted: bool,
    is_closing: bool,
    /// The last plan refused a unit.
    refuses: bool,
    /// A plan told that legs wait to be quoted on their side, and nothing was ordered since.
    is_waiting: bool,
    /// The best price is not known: legs were not whole while quotes came.
    is_blurred: bool,
}

/// Whether a policy has triggers that wait for what no table tells.
pub(super) fn has_unknown(policy: &Policy) -> bool {
    let rungs = policy.ladder.iter().flat_map(|ladder| &ladder.rungs);
    rungs.into_iter().any(|rung| matches!(rung.at, RungAt::Volatility(_) | RungAt::When(_)))
}

/// Whether a price is at a level or beyond it, on the side of profit, by this much at least; a shortfall where it is under zero.
fn is_beyond(price: Price, level: Price, long: bool, by: Price) -> bool {
    let past = if long { price.raw() - level.raw() } else { level.raw() - price.raw() };
    past >= by.raw()
}

/// The tighter of two stops.
fn tighter(a: Option<Price>, b: Option<Price>, long: bool) -> Option<Price> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if long { a.max(b) } else { a.min(b) }),
        (a, b) => a.or(b),
    }
}

impl Triggers {
    /// A campaign begins.
    pub(super) fn begin(&mut self) {
        *self = Self::default();
    }

    /// Structures were filled: the next unit has another level.
    pub(super) fn filled(&mut self, purpose: &str) {
        if let Some(number) = purpose.strip_prefix("add ").and_then(|number| number.parse::<u32>().ok()) {
            self.beyond &= u32::MAX.checked_shl(number).unwrap_or(0);
        }
    }

    /// Anchors moved.
    pub(super) fn roll(&mut self, moved: Price) {
        for stop in [&mut self.sure, &mut self.tight] {
            *stop = stop.map(|stop| stop + moved);
        }
    }

    /// The price may be at the level of the next unit.
    pub(super) fn reach(&mut self, camp: &Camp, price: Option<Price>, policy: &Policy, tick: Price) {
        let next = camp.next_level(policy, tick).zip(price);
        if let Some(((unit, _), _)) =
            next.filter(|((_, level), price)| is_beyond(*price, *level, camp.is_long(), -tick))
        {
            self.beyond |= 1 << unit;
        }
    }

    /// The stop follows what the campaign has become.
    pub(super) fn follow(&mut self, camp: &Camp, policy: &Policy, tick: Price) {
        let (Some(stop), long) = (&policy.stop, camp.is_long()) else { return };
        let Some(unit) = camp.unit.map(Price::approximate) else { return };
        let at = |anchor: Price, distance: f64| Some(camp.stop_behind(anchor, distance * unit, tick));
        self.sure = tighter(self.sure, at(camp.entry, stop.initial.get()), long);
        if stop.follow == Follow::LastFill {
            self.sure = tighter(self.sure, at(camp.last_fill(), stop.initial.get()), long);
        }
        let trail = stop.trail.as_ref().and_then(|trail| trail.declared());
        let trail = trail.and_then(|trail| at(camp.best, trail.get()));
        if !self.is_blurred {
            self.sure = tighter(self.sure, trail, long);
        }
        self.tight = tighter(tighter(self.tight, self.sure, long), trail, long);
        let breaks_even = stop.break_even_after.is_some_and(|rung| camp.rungs & (1 << (rung - 1)) != 0);
        if breaks_even {
            self.tight = tighter(self.tight, Some(camp.entry), long);
        }
    }

    /// Whether where a stop may be is known to the last step.
    fn knows_stop(&self, policy: &Policy) -> bool {
        let stop = policy.stop.as_ref();
        stop.is_some_and(|stop| stop.trail.as_ref().is_none_or(|trail| trail.declared().is_some()))
    }
}

impl Book<'_> {
    fn steps<'n>(&'n self, now: &'n Now<'_>) -> impl Iterator<Item = &'n PlanRow> {
        now.plans.iter().flat_map(|plan| &self.tables.plans[plan.clone()])
    }

    /// Whether something that was reached is answered by what holds all orders back: legs that nobody quotes on their side, legs that
    /// stand alone, or a roll.
    fn waits(&self, now: &Now<'_>) -> bool {
        let says = |step: &PlanRow| {
            step.because.contains("wait for a quote on their side")
                || step.because.starts_with("legs that stayed alone are traded back first")
        };
        self.rolls || self.triggers.is_waiting || now.cancels || self.steps(now).any(says)
    }

    /// All goes out by what the strategy did now or before.
    fn leaves(&self, now: &Now<'_>) -> bool {
        let goes = |purpose: &&str| matches!(*purpose, "stop" | "exit");
        self.triggers.is_unwanted
            || self.triggers.is_closing
            || self.steps(now).any(|step| step.target.is_zero())
            || now.placed.iter().any(goes)
    }

    /// Legs were quoted: which triggers the structure's price crosses, and what came of it.
    pub(super) fn crossings(&mut self, now: &Now<'_>, found: &mut Found) {
        let is_whole = self.whole().is_some();
        let Some(price) = self.price else { return };
        let (policy, tick) = (self.policy.clone(), self.tick);
        let before = (self.triggers.sure, self.triggers.tight);
        let Some(camp) = &mut self.camp else { return };
        camp.see(price, price);
        self.triggers.is_blurred |= self.rolls && self.legs.values().all(|held| held.is_zero());
        self.triggers.follow(camp, &policy, tick);
        let long = camp.is_long();
        let here = At {
            time: Some(now.at),
            plan: now.plans.first().map(|plan| self.tables.plans[plan.start].plan),
            ..At::file("plans")
        };
        // Beyond the stop that was in force; a watched one also by what the price itself made of it.
        let is_watched = policy.stop.as_ref().is_some_and(|stop| stop.trigger == Trigger::Synthetic);
        let sure = if is_watched { self.triggers.sure } else { before.0 };
        let loses = |level: Price, by: Price| is_beyond(price, level, !long, by);
        self.triggers.is_stopped |= self.triggers.tight.is_some_and(|level| loses(level, -tick));
        let (leaves, waits) = (self.leaves(now), self.waits(now));
        let crossed = sure.filter(|level| is_whole && loses(*level, tick));
        if let Some(level) = crossed.filter(|_| !leaves) {
            let holds = waits || self.goes_out(now.at);
            found.ensure("structure.stop", holds, here, || {
                format!("the stop {level} was crossed, the structure is worth {price}: {} stays", self.held)
            });
        } else if crossed.is_some() {
            found.ensure("structure.stop", true, here, String::new);
        }
        self.time_stop(&policy, leaves, here, found);
        self.rungs(&policy, now, (price, is_whole), (leaves, waits), here, found);
        self.adds(&policy, now, (price, is_whole), (leaves, waits), here, found);
    }

    /// Orders of legs that have not ended at a time: for what, of which leg, and how many are left, signed.
    fn open_orders(&self, at: Timestamp) -> Vec<(&str, usize, Qty)> {
        let mut open: BTreeMap<&str, (&str, usize, Qty)> = BTreeMap::new();
        for order in self.tables.orders.iter().filter(|order| order.time <= at && *order.strategy == *self.name) {
            let Some(leg) = self.by_symbol.get(&*order.instrument) else { continue };
            let signed = order.quantity.on(side_of(&order.side));
            match &*order.event {
                "place" => _ = open.insert(&order.order, (&*order.purpose, *leg, signed)),
                "filled" => _ = open.get_mut(&*order.order).map(|(.., left)| *left = plus(*left, -signed)),
                "cancelled" | "rejected" => _ = open.remove(&*order.order),
                _ => {}
            }
        }
        open.into_values().filter(|(.., left)| !left.is_zero()).collect()
    }

    /// Whether orders of before, for rungs or cuts, take all of the legs off already.
    fn goes_out(&self, at: Timestamp) -> bool {
        let open = self.open_orders(at);
        self.legs.iter().all(|(leg, held)| {
            let off = open.iter().filter(|(_, of, left)| of == leg && left.signum() == -held.signum());
            off.fold(*held, |held, (.., left)| plus(held, *left)).signum() != held.signum() || held.is_zero()
        })
    }

    /// Whether legs were sent for a unit before, and not all of them are filled; or others are to be gone before it, which go out.
    fn is_on_its_way(&self, at: Timestamp, purpose: &str) -> bool {
        let held = |leg: &usize| self.legs.get(leg).copied().unwrap_or_default();
        let open = self.open_orders(at);
        open.iter().any(|(known, leg, left)| *known == purpose || left.signum() * held(leg).signum() < 0)
    }

    /// A campaign that goes nowhere is closed.
    fn time_stop(&self, policy: &Policy, leaves: bool, here: At<'_>, found: &mut Found) {
        let (Some(time), Some(camp)) = (policy.stop.as_ref().and_then(|stop| stop.time), &self.camp) else { return };
        let (Some(stop), Some(at)) = (camp.initial_stop, here.time) else { return };
        let r = (camp.entry - stop).abs().approximate();
        let gained = (camp.best - camp.entry).approximate() * if camp.is_long() { 1.0 } else { -1.0 };
        let is_due = at.since(camp.opened()) >= time.after && gained + self.tick.approximate() < time.reach.get() * r;
        if is_due && !self.triggers.is_blurred {
            found.ensure("structure.time_stop", leaves, here, || {
                let reached = gained / r;
                format!(
                    "{} after its entry the campaign reached {reached} R of {}: it stays",
                    at.since(camp.opened()),
                    time.reach.get()
                )
            });
        }
    }

    fn rungs(
        &mut self,
        policy: &Policy,
        now: &Now<'_>,
        (price, is_whole): (Price, bool),
        (leaves, waits): (bool, bool),
        here: At<'_>,
        found: &mut Found,
    ) {
        let (Some(ladder), Some(camp)) = (&policy.ladder, &self.camp) else { return };
        let (long, tick) = (camp.is_long(), self.tick);
        let bid = self.out_at();
        for (index, rung) in ladder.rungs.iter().enumerate() {
            let bit = 1_u32 << index;
            let (may, must, level) = match rung.at {
                RungAt::Time(span) => {
                    let is_late = now.at.since(camp.opened()) >= span;
                    (is_late, is_late, None)
                }
                RungAt::Volatility(_) | RungAt::When(_) => (true, false, None),
                RungAt::R(_) | RungAt::N(_) | RungAt::Profit(_) | RungAt::Price(_) => {
                    let Some(level) = camp.rung_price(rung.at, tick) else { continue };
                    // One that rests is reached by what the legs can be traded at together.
                    let seen = if ladder.trigger == Trigger::Resting { bid } else { Some(price) };
                    let of = |by: Price| seen.is_some_and(|seen| is_beyond(seen, level, long, by));
                    let is_there =
                        !matches!(rung.at, RungAt::Price(price) if !is_beyond(price, camp.entry, long, tick));
                    (of(-tick), of(tick) && is_there, Some(level))
                }
            };
            self.triggers.reached |= if may { bit } else { 0 };
            let is_new = must && is_whole && (camp.rungs | self.triggers.answered) & bit == 0;
            if !is_new {
                continue;
            }
            let number = format!("rung {}", index + 1);
            let says = |step: &PlanRow| {
                &*step.rule == "ladder"
                    && step.because.contains(" go out")
                    && step.because.strip_prefix(number.as_str()).is_some_and(|rest| rest.starts_with([' ', ':']))
            };
            let acts = now.placed.contains(&number.as_str()) || self.steps(now).any(says);
            // Several at once: one sentence a plan, and the last of them is told.
            let several = self.steps(now).any(|step| &*step.rule == "ladder" && step.because.contains(" go out"));
            let kept = self.keeps(policy);
            found.ensure("structure.rung", acts || several || leaves || waits || kept, here, || {
                format!("{number} at {} was crossed, the structure is worth {price}: nothing goes out", shown(level))
            });
            self.triggers.answered |= bit;
        }
    }

    /// Whether nothing is left that a rung may take.
    fn keeps(&self, policy: &Policy) -> bool {
        let (Some(ladder), Some(camp)) = (&policy.ladder, &self.camp) else { return true };
        let runner = ladder.runner * camp.peak.abs().approximate();
        let least = policy.trade.min_order.unwrap_or_default().max(self.least);
        self.held.abs().approximate() - runner < 2.0 * least.approximate()
    }

    fn adds(
        &mut self,
        policy: &Policy,
        now: &Now<'_>,
        (price, is_whole): (Price, bool),
        (leaves, waits): (bool, bool),
        here: At<'_>,
        found: &mut Found,
    ) {
        let Some(camp) = &self.camp else { return };
        let Some((unit, level)) = camp.next_level(policy, self.tick) else { return };
        let (long, bit) = (camp.is_long(), 1_u32 << unit);
        self.triggers.reach(camp, Some(price), policy, self.tick);
        let is_new = is_whole && is_beyond(price, level, long, self.tick) && self.triggers.added & bit == 0;
        if !is_new {
            return;
        }
        self.triggers.added |= bit;
        // What reduces takes an increase that is on its way off first.
        let reduces = |purpose: &str| purpose.starts_with("rung") || matches!(purpose, "cut" | "resize");
        let acts = now.placed.iter().any(|purpose| purpose.starts_with("add") || reduces(purpose))
            || self.is_on_its_way(now.at, &format!("add {}", unit + 1));
        let tells = |step: &PlanRow| {
            let goes = &*step.rule == "ladder" && step.because.contains(" go out");
            goes || &*step.outcome == "refused" || step.because.starts_with("unit ")
        };
        let refused = self.steps(now).any(tells);
        // A worst price may not be had; then the order waits at it.
        let has_limit = policy.pyramid.as_ref().is_some_and(|pyramid| pyramid.max_chase.is_some())
            || policy.guards.price_collar.is_some();
        let is_told = !now.plans.is_empty() && (has_limit || self.triggers.refuses);
        let holds = acts || refused || leaves || waits || is_told;
        found.ensure("structure.add", holds, here, || {
            format!("unit {} was due at {level}, the structure is worth {price}: neither added nor refused", unit + 1)
        });
    }

    /// What legs were ordered for was reached by the price.
    pub(super) fn orders_of(&mut self, now: &Now<'_>, found: &mut Found) {
        let Some(camp) = &self.camp else { return };
        let at = At { time: Some(now.at), ..At::file("orders") };
        for purpose in &now.placed {
            let number = |prefix: &str| purpose.strip_prefix(prefix)?.parse::<u32>().ok();
            if *purpose == "stop" {
                let trails = self.policy.stop.as_ref().is_some_and(|stop| stop.trail.is_some());
                let knows = self.triggers.knows_stop(&self.policy) && !(trails && self.triggers.is_blurred);
                let holds = self.triggers.is_stopped || !knows || self.ratios.is_empty();
                found.ensure("structure.not_crossed", holds, at, || {
                    format!("legs go out for a stop, and none at {} was crossed", shown(self.triggers.tight))
                });
            } else if let Some(rung) = number("rung ").filter(|rung| (1..=32).contains(rung)) {
                let bit = 1_u32 << (rung - 1);
                let ladder = self.policy.ladder.as_ref();
                let place = ladder.and_then(|ladder| ladder.rungs.get(rung as usize - 1)).map(|rung| rung.at);
                // Time passes, and what no table tells comes, at inputs without a quote of the legs too.
                let is_there = match place {
                    Some(RungAt::Time(span)) => now.at.since(camp.opened()) >= span,
                    Some(RungAt::Volatility(_) | RungAt::When(_)) => true,
                    Some(RungAt::R(_) | RungAt::N(_) | RungAt::Profit(_) | RungAt::Price(_)) | None => false,
                };
                let holds = is_there || (self.triggers.reached | camp.rungs) & bit != 0;
                found.ensure("structure.not_crossed", holds, at, || match place {
                    Some(RungAt::Time(span)) => {
                        format!("legs go out for rung {rung}, {span} after the entry, before that")
                    }
                    _ => {
                        let level = place.and_then(|place| camp.rung_price(place, self.tick));
                        format!("legs go out for rung {rung}, which at {} was not reached", shown(level))
                    }
                });
                self.triggers.answered |= bit;
            } else if let Some(unit) = number("add ").filter(|unit| (1..=32).contains(unit)) {
                let bit = 1_u32 << (unit - 1);
                // What is left of an order is sent again.
                let is_again = self.triggers.ordered & bit != 0;
                let steps = self.policy.pyramid.as_ref().and_then(|pyramid| pyramid.step.declared());
                let holds = self.triggers.beyond != 0 || is_again || steps.is_none();
                found.ensure("structure.not_crossed", holds, at, || {
                    let level = camp.next_level(&self.policy, self.tick).map(|(_, level)| level);
                    format!("legs are ordered for `{purpose}`, whose level {} was not reached", shown(level))
                });
                self.triggers.ordered |= bit;
            }
        }
    }

    /// What plans of now leave in force.
    pub(super) fn remember(&mut self, now: &Now<'_>) {
        let tables = self.tables;
        for purpose in &now.placed {
            match *purpose {
                "stop" | "exit" => self.triggers.is_closing = true,
                "entry" | "resize" => self.triggers.is_closing = false,
                _ => {}
            }
        }
        let waits = |step: &PlanRow| step.because.contains("wait for a quote on their side");
        let is_told = self.steps(now).any(waits);
        self.triggers.is_waiting = is_told || (self.triggers.is_waiting && now.placed.is_empty());
        if let Some(plan) = now.plans.last() {
            let steps = &tables.plans[plan.clone()];
            self.triggers.is_unwanted = steps[0].target.is_zero();
            self.triggers.refuses = steps.iter().any(|step| &*step.outcome == "refused");
        }
    }

    /// The stop that a row of positions shows.
    pub(super) fn stop_row(&self, told: Option<Price>, here: At<'_>, found: &mut Found) {
        let Triggers { sure, tight, .. } = &self.triggers;
        // One that was crossed goes out where it was, however long its legs take.
        let goes = self.triggers.is_unwanted || self.triggers.is_stopped;
        if self.policy.stop.is_none() || !self.triggers.knows_stop(&self.policy) || goes {
            return;
        }
        let Some(camp) = &self.camp else { return };
        let near = |level: Option<Price>| match (told, level) {
            (Some(told), Some(level)) => (told - level).abs() <= self.tick,
            (told, level) => told == level,
        };
        let between = match (told, sure, tight) {
            (Some(told), Some(sure), Some(tight)) => {
                let long = camp.is_long();
                is_beyond(told, *sure, long, -self.tick) && is_beyond(*tight, told, long, -self.tick)
            }
            _ => false,
        };
        found.ensure("structure.stop_level", near(*sure) || between, here, || {
            format!("the stop is {}, the policy gives {} to {}", shown(told), shown(*sure), shown(*tight))
        });
    }
}
