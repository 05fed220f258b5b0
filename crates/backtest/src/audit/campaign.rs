//! A campaign made again from its fills and payments.

use super::finding::{At, Found, shown};
use super::live::For;
use super::seat::plus;
use crate::records::{CampaignRow, FillRow};
use policy::Policy;
use policy::spec::{Follow, RungAt, Spacing};
use std::collections::BTreeMap;
use units::{Cash, Contract, Notional, Price, Qty, Round, Timestamp};

/// What its fills say so far.
#[derive(Debug, Clone)]
pub(super) struct Camp {
    pub(super) id: u64,
    /// The plan whose order opened it: what plans before it told was of another.
    pub(super) opened_by: u64,
    opened: Timestamp,
    pub(super) entry: Price,
    contract: Contract,
    pub(super) held: Qty,
    pub(super) peak: Qty,
    pub(super) first: Qty,
    cost: Notional,
    fees: Cash,
    pub(super) funding: Cash,
    closed_qty: Qty,
    closed_value: Notional,
    /// One bit a unit filled, and one a unit that lapsed.
    units: u32,
    lapsed: u32,
    pub(super) rungs: u32,
    pub(super) rung_orders: BTreeMap<u8, (u64, u64)>,
    last_fill: Price,
    average: Price,
    pub(super) best_average: Price,
    /// The same of what was paid: rolls do not move it. What a profit is a share of.
    paid: Price,
    best_paid: Price,
    /// Most favourable price that it has seen.
    pub(super) best: Price,
    /// It began by crossing inside the book: behind all that the market did at that time, which it has not seen.
    begun_behind: bool,
    /// The stop that rests or is watched.
    pub(super) stop: Option<Price>,
    /// N and initial stop, as the campaign's row says.
    pub(super) unit: Option<Price>,
    pub(super) initial_stop: Option<Price>,
    /// Its full size, as its entry was planned.
    pub(super) base: Option<Qty>,
    /// Taken over from before: its anchors are declared.
    pub(super) adopted: bool,
    /// A payment of which it is not known whether it was before or after a fill.
    pub(super) uncertain: bool,
    /// Of a structure: its initial stop is what it was at entry, moved by rolls, and may be under zero.
    is_structure: bool,
    /// What its cost may be off by: parts of legs that are told together.
    slack: i128,
    /// The lowest and the highest net profit at prices that the market reached.
    worst: Cash,
    highest: Cash,
    /// All of these prices are in tables and tapes, in the order in which it saw them.
    sees_all: bool,
}

/// A price at a distance from another, up or down.
pub(super) fn off(anchor: Price, distance: f64, up: bool) -> Price {
    let distance = Price::from_estimate(distance, Round::Nearest).unwrap_or(Price::ZERO).raw();
    let raw = if up { anchor.raw().saturating_add(distance) } else { anchor.raw().saturating_sub(distance) };
    // No market is beyond; what is compared with it can be subtracted.
    Price::from_raw(raw.clamp(-(i64::MAX / 4), i64::MAX / 4))
}

impl Camp {
    pub(super) fn open(fill: &FillRow, contract: Contract, row: Option<&CampaignRow>) -> Self {
        Self {
            id: fill.campaign,
            opened_by: fill.plan,
            opened: fill.time,
            entry: fill.price,
            contract,
            held: Qty::ZERO,
            peak: Qty::ZERO,
            first: Qty::ZERO,
            cost: Notional::ZERO,
            fees: Cash::ZERO,
            funding: Cash::ZERO,
            closed_qty: Qty::ZERO,
            closed_value: Notional::ZERO,
            units: 1,
            lapsed: 0,
            rungs: 0,
            rung_orders: BTreeMap::new(),
            last_fill: fill.price,
            average: fill.price,
            best_average: fill.price,
            paid: fill.price.abs(),
            best_paid: fill.price.abs(),
            best: fill.price,
            begun_behind: fill.liquidity == "internal",
            stop: None,
            unit: row.and_then(|row| row.unit_n),
            initial_stop: row.and_then(|row| row.initial_stop),
            base: None,
            adopted: fill.purpose == "opening",
            uncertain: false,
            is_structure: false,
            slack: 0,
            worst: Cash::ZERO,
            highest: Cash::ZERO,
            sees_all: true,
        }
    }

    /// It was taken over with so many units.
    pub(super) fn adopt(&mut self, units: u32) {
        self.units = (1 << units.clamp(1, 31)) - 1;
    }

    /// Whether the policy's stop has a place for it.
    pub(super) fn has_stop(&self, policy: &Policy, tick: Price) -> bool {
        let (Some(stop), Some(unit)) = (&policy.stop, self.unit) else { return false };
        !self.held.is_zero() && self.stop_behind(self.entry, stop.initial.get() * unit.approximate(), tick).raw() > 0
    }

    /// Freezes the initial stop that the policy gives a structure: a row tells where it stood in the end.
    pub(super) fn anchor(&mut self, policy: &Policy, tick: Price) {
        self.is_structure = true;
        self.initial_stop = None;
        if let (Some(stop), Some(unit)) = (&policy.stop, self.unit) {
            self.initial_stop = Some(self.stop_behind(self.entry, stop.initial.get() * unit.approximate(), tick));
        }
    }

    /// What is held was replaced by something of another price: all anchors move with it.
    pub(super) fn roll(&mut self, moved: Price) {
        let by = |price: Price| Price::from_raw(price.raw().saturating_add(moved.raw()));
        for anchor in [&mut self.entry, &mut self.last_fill, &mut self.best, &mut self.average, &mut self.best_average]
        {
            *anchor = by(*anchor);
        }
        for stop in [&mut self.initial_stop, &mut self.stop] {
            *stop = stop.map(by);
        }
    }

    /// More was paid for what is held than fills of it, give or take so much.
    pub(super) fn pay(&mut self, paid: Notional, slack: i128) {
        self.cost += paid;
        self.slack = self.slack.saturating_add(slack);
    }

    pub(super) fn set_fees(&mut self, fees: Cash) {
        self.fees = fees;
    }

    pub(super) fn opened(&self) -> Timestamp {
        self.opened
    }

    pub(super) fn last_fill(&self) -> Price {
        self.last_fill
    }

    pub(super) fn is_long(&self) -> bool {
        self.peak.signum() >= 0
    }

    /// Not all prices that it sees are told, or not what was held at each: of a structure, or where strategies share an instrument.
    pub(super) fn sees_less(mut self) -> Self {
        self.sees_all = false;
        self
    }

    /// Takes in a fill. `false`: the rung was used before.
    pub(super) fn fill(&mut self, fill: &FillRow, signed: Qty, order: Option<(u64, u64)>) -> bool {
        let before = self.held;
        self.held = plus(self.held, signed);
        self.cost += self.contract.value(fill.price, signed);
        self.fees += fill.fee;
        if before.signum() * signed.signum() < 0 {
            self.closed_value += self.contract.exposure(fill.price, signed.abs());
            self.closed_qty = plus(self.closed_qty, signed.abs());
        } else if !self.adopted || !before.is_zero() {
            self.average = self.averaged(self.average, before, signed, fill.price);
            self.paid = self.averaged(self.paid, before, signed, fill.price.abs());
            let better = if signed.signum() > 0 { Price::max } else { Price::min };
            self.best_average = better(self.best_average, self.average);
            if self.best_average == self.average {
                self.best_paid = self.paid;
            }
        }
        if self.held.abs() > self.peak.abs() {
            self.peak = self.held;
        }
        self.see(fill.price, fill.price);
        match For::of(&fill.purpose) {
            For::Entry => self.first = plus(self.first, signed),
            For::Add(unit) => {
                self.units |= self.units_up_to(unit);
                self.last_fill = fill.price;
            }
            For::Rung(rung) => {
                self.rungs |= 1 << rung;
                let used = *self.rung_orders.entry(rung).or_insert(order.unwrap_or_default());
                return Some(used) == order;
            }
            _ => {}
        }
        true
    }

    /// Average entry price: by value, so that it is harmonic for inverse contracts.
    fn averaged(&self, average: Price, before: Qty, signed: Qty, price: Price) -> Price {
        let (held, more) = (before.abs().approximate(), signed.abs().approximate());
        let (all, price) = (average.approximate(), price.approximate());
        let mean = match self.contract {
            Contract::Linear => (all * held + price * more) / (held + more),
            Contract::Inverse => (held + more) / (held / all + more / price),
        };
        Price::from_estimate(mean, Round::Nearest).unwrap_or(average)
    }

    /// What the market does at a time is news for it.
    pub(super) fn sees(&self, at: Timestamp) -> bool {
        !(self.begun_behind && self.opened == at)
    }

    /// The market went this high and this low.
    pub(super) fn see(&mut self, high: Price, low: Price) {
        self.best = if self.is_long() { self.best.max(high) } else { self.best.min(low) };
        for price in [high, low] {
            let net = (self.contract.value(price, self.held) - self.cost).cash() - self.fees + self.funding;
            (self.worst, self.highest) = (self.worst.min(net), self.highest.max(net));
        }
    }

    /// The units that an add up to this one fills.
    fn units_up_to(&self, unit: u32) -> u32 {
        let filled = u32::BITS - self.units.leading_zeros();
        ((1_u32 << unit.min(31)) - 1) & !((1 << filled.min(31)) - 1) & !self.lapsed
    }

    /// The plan says that a unit lapsed.
    pub(super) fn lapse(&mut self, unit: u32) {
        self.lapsed |= self.units_up_to(unit);
    }

    /// The level of the next unit, if one is left.
    pub(super) fn next_level(&self, policy: &Policy, tick: Price) -> Option<(u32, Price)> {
        let pyramid = policy.pyramid.as_ref()?;
        let next = u32::BITS - (self.units | self.lapsed).leading_zeros();
        let ended = self.rungs != 0 && policy.ladder.as_ref().is_some_and(|ladder| !ladder.readd);
        if next as usize >= pyramid.shares.len() || ended || self.adopted {
            return None;
        }
        let (anchor, steps) = match pyramid.spacing {
            Spacing::Entry => (self.entry, next),
            Spacing::LastFill => (self.last_fill, next - (u32::BITS - 1 - self.units.leading_zeros())),
        };
        let level =
            off(anchor, pyramid.step.declared()?.get() * self.unit?.approximate() * f64::from(steps), self.is_long());
        let round = if self.is_long() { Round::AwayFromZero } else { Round::TowardZero };
        Some(level.to_tick(tick, round)).filter(|level| level.raw() > 0).map(|level| (next, level))
    }

    /// The shares of the base that units up to one add, counted from 1.
    pub(super) fn shares_up_to(&self, policy: &Policy, unit: u32) -> f64 {
        let shares = policy.pyramid.as_ref().map_or(&[][..], |pyramid| &pyramid.shares);
        let units = self.units_up_to(unit);
        shares.iter().enumerate().filter(|(at, _)| units & (1 << at) != 0).map(|(_, share)| share).sum()
    }

    /// Where a rung is that is at a price.
    pub(super) fn rung_price(&self, at: RungAt, tick: Price) -> Option<Price> {
        let price = match at {
            RungAt::R(r) => {
                off(self.entry, r.get() * (self.entry - self.initial_stop?).abs().approximate(), self.is_long())
            }
            RungAt::N(n) => off(self.entry, n.get() * self.unit?.approximate(), self.is_long()),
            RungAt::Profit(share) => off(self.best_average, share.get() * self.best_paid.approximate(), self.is_long()),
            RungAt::Price(price) => price,
            RungAt::Time(_) | RungAt::Volatility(_) | RungAt::When(_) => return None,
        };
        let round = if self.is_long() { Round::AwayFromZero } else { Round::TowardZero };
        Some(price.to_tick(tick, round)).filter(|price| price.raw() > 0)
    }

    pub(super) fn stop_behind(&self, anchor: Price, distance: f64, tick: Price) -> Price {
        let level = off(anchor, distance, !self.is_long());
        // Nearer to the market, on both sides of zero.
        let round = if self.is_long() == (level.raw() > 0) { Round::AwayFromZero } else { Round::TowardZero };
        level.to_tick(tick, round)
    }

    /// Whether a stop may be where it is: at one of its declared places, the trail being somewhere between two best prices.
    pub(super) fn may_stop_at(&self, policy: &Policy, level: Price, best: (Price, Price), tick: Price) -> bool {
        let (Some(stop), Some(unit)) = (&policy.stop, self.unit.map(Price::approximate)) else { return self.adopted };
        let near = |place: Price| (place - level).abs() <= tick;
        let initial = stop.initial.get() * unit;
        let trails = stop.trail.as_ref().is_some_and(|trail| {
            // Where it is reckoned, only that the stop moves in favour is told.
            let Some(trail) = trail.declared() else { return true };
            let ends = [best.0, best.1].map(|best| self.stop_behind(best, trail.get() * unit, tick));
            let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
            (low - tick..=high + tick).contains(&level)
        });
        trails
            || near(self.stop_behind(self.entry, initial, tick))
            || (stop.follow == Follow::LastFill && near(self.stop_behind(self.last_fill, initial, tick)))
            || (stop.break_even_after.is_some() && level == self.entry)
            || self.stop == Some(level)
            || (self.adopted && self.initial_stop.is_some_and(near))
    }

    /// Whether a stop is no worse for the position than another.
    pub(super) fn is_no_worse(&self, level: Price, than: Price) -> bool {
        if self.is_long() { level >= than } else { level <= than }
    }

    /// Compares a campaign's row with what its fills and payments give; `mark` values what is still open.
    pub(super) fn check(
        &self,
        (row, told): (usize, &CampaignRow),
        ended: Option<&FillRow>,
        mark: Price,
        policy: &Policy,
        tick: Price,
        found: &mut Found,
    ) {
        let at = At::campaign(row, told);
        let mut same = |what: &str, told: String, made: String| {
            found.ensure("campaign", told == made, at, || {
                format!("campaign {}: {what} is {told}, its fills and payments give {made}", self.id)
            });
        };
        same("closed", shown(told.closed), shown(ended.map(|fill| fill.time)));
        let how = ended.map_or("", |fill| fill.purpose.split(' ').next().unwrap_or_default());
        same("ended_by", told.ended_by.clone(), how.to_owned());
        let side = if self.is_long() { "long" } else { "short" };
        same("side", told.side.clone(), side.to_owned());
        same("peak", told.peak.to_string(), self.peak.to_string());
        same("rungs", told.rungs.to_string(), self.rungs.count_ones().to_string());
        same("fees", told.fees.to_string(), self.fees.to_string());
        if !self.uncertain {
            same("funding", told.funding.to_string(), self.funding.to_string());
        }
        let exit = match self.contract {
            _ if self.closed_qty.is_zero() => None,
            Contract::Linear => self.closed_value.raw().checked_div(i128::from(self.closed_qty.raw())),
            Contract::Inverse => {
                (i128::from(self.closed_qty.raw()) * Notional::ONE).checked_div(self.closed_value.raw())
            }
        };
        same("exit", shown(told.exit), shown(exit.and_then(|raw| i64::try_from(raw).ok()).map(Price::from_raw)));
        if !self.adopted {
            same("opened", told.opened.to_string(), self.opened.to_string());
            same("entry", told.entry.to_string(), self.entry.to_string());
            same("units", told.units.to_string(), self.units.count_ones().to_string());
            if let (Some(stop), Some(unit)) = (&policy.stop, self.unit) {
                let initial = self.stop_behind(self.entry, stop.initial.get() * unit.approximate(), tick);
                let initial =
                    if self.is_structure { self.initial_stop } else { Some(initial).filter(|price| price.raw() > 0) };
                same("initial_stop", shown(told.initial_stop), shown(initial));
            }
        }
        let value = if ended.is_some() { Notional::ZERO } else { self.contract.value(mark, self.held) };
        let profit = (value - self.cost).cash();
        let is_near = (told.profit - profit).raw().abs() <= self.slack;
        let of_row = if is_near { profit } else { told.profit };
        same("profit", of_row.to_string(), profit.to_string());
        let risked = |stop: Price| self.contract.profit(self.first, stop, self.entry).abs().approximate();
        if let (Some(stop), Some(r), false, false) =
            (self.initial_stop, told.r, self.adopted, self.uncertain || self.slack > 0)
        {
            let made = (profit - self.fees + self.funding).approximate() / risked(stop);
            let near = (r - made).abs() <= 1e-9 * made.abs().max(1.0);
            found.ensure("campaign", near, at, || format!("campaign {}: r is {r}, its fills give {made}", self.id));
            // What is open is valued at its mark, which need not be a price that was traded.
            let around = ended.is_none() || self.sees_all;
            let holds =
                told.mae_r.is_some_and(|worst| worst <= r + 1e-9) && told.mfe_r.is_some_and(|best| best >= r - 1e-9);
            found.ensure("campaign", holds || around, at, || {
                format!(
                    "campaign {}: {r} R is outside its own worst and best, {} and {}",
                    self.id,
                    shown(told.mae_r),
                    shown(told.mfe_r)
                )
            });
            for (what, told, money) in [("mae_r", told.mae_r, self.worst), ("mfe_r", told.mfe_r, self.highest)] {
                let made = money.approximate() / risked(stop);
                let near = |told: f64| (told - made).abs() <= 1e-9 * made.abs().max(1.0);
                found.ensure("campaign", told.is_some_and(near) || !self.sees_all, at, || {
                    format!("campaign {}: {what} is {}, its fills and the tapes give {made}", self.id, shown(told))
                });
            }
        }
    }

    /// Average entry price of what is held.
    pub(super) fn average(&self) -> Price {
        self.average
    }

    /// The cash that the first unit was planned to risk.
    pub(super) fn risked(&self) -> Option<f64> {
        let risked = self.contract.profit(self.first, self.initial_stop?, self.entry).abs().approximate();
        Some(risked).filter(|risked| *risked > 0.0)
    }
}
