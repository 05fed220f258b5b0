//! What may be lost at the stop.

use super::{contract, initial_stop, position, same_side};
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Add, Arg, Because, Exit, Rule, Target, Verdict};
use crate::spec::{Follow, OpenRisk};
use units::{Cash, Contract, Price, Qty, Round};

/// Loss from the price to the stop on the filled quantity, plus the cost of the exit, plus a gap. Entries and increases are
/// lowered to it, and so is an add, which is looked at at its trigger with the stop that it would have. What is held is not
/// cut: what grew by profit may be lost again.
pub(crate) struct OpenRiskCap {
    pub(crate) risk: OpenRisk,
    /// Share of the exit's value.
    pub(crate) exit_cost: f64,
    /// By how much that share grows with each unit of the quote currency that the exit trades.
    pub(crate) impact: f64,
    /// Distance of the initial stop in N, and whether adds move it.
    pub(crate) initial: f64,
    pub(crate) follow: Follow,
}

const READS: &[FactId] = &[
    facts::EQUITY.id(),
    facts::PRICE.id(),
    facts::POSITION.id(),
    facts::UNIT.id(),
    facts::CAMPAIGN_UNIT.id(),
    facts::LOT.id(),
    facts::MIN_QTY.id(),
    facts::TICK.id(),
    facts::CONTRACT.id(),
];

impl Rule for OpenRiskCap {
    fn name(&self) -> &'static str {
        "open_risk_cap"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let (Some(equity), Some(price)) = (facts.get(facts::EQUITY), facts.get(facts::PRICE)) else {
            return Verdict::keep(proposed);
        };
        let held = position(facts);
        let stop = because.exits().iter().find_map(Exit::stop);
        if let Some(add) = because.add() {
            let add = stop.and_then(|stop| self.capped_add(facts, held, stop, add, because));
            because.set_add(add);
        }
        if proposed.qty.abs() <= held.abs() {
            return Verdict::keep(proposed);
        }
        let stop = stop
            .filter(|_| same_side(held, proposed.qty))
            .or_else(|| self.planned(facts, price, proposed.qty, facts::UNIT));
        let Some(most) = stop.and_then(|stop| self.most(facts, equity.approximate(), price, stop, proposed.qty)) else {
            return Verdict::keep(proposed);
        };
        if proposed.qty.abs() <= most {
            return Verdict::keep(proposed);
        }
        because.say(
            "open risk at most {} of equity, stop {}: cut to {}",
            [Arg::Percent(self.risk.cap.get()), Arg::Price(stop.unwrap_or(price)), Arg::Qty(most)],
        );
        let kept = if same_side(held, proposed.qty) { most.max(held.abs()) } else { most };
        Verdict::cut(Target { qty: if proposed.qty.signum() < 0 { -kept } else { kept }, ..proposed })
    }

    /// While nothing is increased, and the add that rests fits whole or not at all: price and equity may each take a part of what lies
    /// between it and the cap.
    fn quiet(&self, facts: &Facts, proposed: Target, because: &Because, region: &mut Region) -> bool {
        region.rest();
        let (Some(equity), Some(price)) = (facts.get(facts::EQUITY), facts.get(facts::PRICE)) else { return false };
        let held = position(facts);
        if proposed.qty.abs() > held.abs() {
            return false;
        }
        region.free(&[facts::UNIT.id()]);
        let stop = because.exits().iter().find_map(Exit::stop);
        let Some((add, stop)) = because.add().zip(stop) else {
            region.within(facts::EQUITY.id(), i128::MIN, i128::MAX);
            region.within(facts::PRICE.id(), i128::MIN, i128::MAX);
            return true;
        };
        self.quiet_with_add(facts, (equity, price), add, self.stop_with(facts, held, stop, add), region).is_some()
    }
}

/// What of an add may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Whole,
    Part(Qty),
    Nothing,
}

impl OpenRiskCap {
    /// The stop that a position opened at a price would have.
    fn planned(&self, facts: &Facts, price: Price, side: Qty, unit: crate::Fact<Price>) -> Option<Price> {
        let is_structure = facts.get(facts::EXPOSURE_PRICE).is_some();
        let distance = self.initial * facts.get(unit)?.approximate();
        initial_stop(price, distance, side, facts.get(facts::TICK)?, is_structure)
    }

    /// The largest unsigned quantity, in lots, whose open risk between a price and a stop is within the cap.
    fn most(&self, facts: &Facts, equity: f64, price: Price, stop: Price, side: Qty) -> Option<Qty> {
        let each = self.each(facts, price, stop, side);
        let room = self.risk.cap.get() * equity.max(0.0);
        let bend = self.bend(facts, stop);
        let most = match bend > 0.0 {
            // Of each × most + bend × most² = room the root over zero, in a form that loses no digits.
            true => {
                let root = each + (each * each + 4.0 * bend * room).sqrt();
                if root > 0.0 { Some(2.0 * room / root) } else { Some(0.0) }
            }
            false => (each > 0.0).then_some(room / each),
        };
        let most = most.map_or(Some(Qty::MAX), |most| Qty::from_estimate(most, Round::TowardZero))?;
        Some(most.to_lot(facts.get(facts::LOT)?, Round::TowardZero))
    }

    /// What a unit of quantity risks between a price and a stop: in the quote currency of a linear contract, in the coin of an inverse one.
    fn each(&self, facts: &Facts, price: Price, stop: Price, side: Qty) -> f64 {
        let (price, stop) = (price.approximate(), stop.approximate());
        let behind = if side.signum() < 0 { stop - price } else { price - stop }.max(0.0);
        let beyond = self.risk.gap.get() + self.exit_cost;
        match contract(facts) {
            Contract::Linear => behind + beyond * stop,
            Contract::Inverse => behind / (price * stop) + beyond / stop,
        }
    }

    /// What the impact of an exit at a stop adds for each unit of quantity², in the currency of `each`.
    fn bend(&self, facts: &Facts, stop: Price) -> f64 {
        let stop = stop.approximate();
        match contract(facts) {
            Contract::Linear => self.impact * stop * stop,
            Contract::Inverse => self.impact / stop,
        }
    }

    /// The stop that the position would have with an add.
    fn stop_with(&self, facts: &Facts, held: Qty, stop: Price, add: Add) -> Price {
        let follows = (self.follow == Follow::LastFill)
            .then(|| self.planned(facts, add.at, held, facts::CAMPAIGN_UNIT))
            .flatten()
            .filter(|moved| if held.signum() < 0 { *moved < stop } else { *moved > stop });
        follows.unwrap_or(stop)
    }

    /// What of an add fits where it is expected to fill, with what the account is worth there.
    fn room(&self, facts: &Facts, there: Cash, stop: Price, add: Add) -> Option<Room> {
        let held = position(facts);
        let most = self.most(facts, there.approximate(), add.at, stop, held)?;
        let room = Qty::from_raw((most.raw() - held.abs().raw()).max(0));
        if add.qty.abs() <= room {
            return Some(Room::Whole);
        }
        let is_none = room.is_zero() || room < facts.get(facts::MIN_QTY)?;
        Some(if is_none { Room::Nothing } else { Room::Part(room) })
    }

    /// The part of [`Rule::quiet`] for an add that rests, with the stop that it would have. `None`: nothing is stated.
    fn quiet_with_add(
        &self,
        facts: &Facts,
        (equity, price): (Cash, Price),
        add: Add,
        stop: Price,
        region: &mut Region,
    ) -> Option<()> {
        let (held, contract) = (position(facts), contract(facts));
        let there = |equity: Cash, price: Price| equity + contract.profit(held, price, add.at);
        let room = self.room(facts, there(equity, price), stop, add)?;
        let turns_at = match room {
            Room::Whole => add.qty.abs(),
            Room::Nothing => facts.get(facts::MIN_QTY)?.max(facts.get(facts::LOT)?),
            // To the lot it changes with every price.
            Room::Part(_) => return None,
        };
        let each = self.each(facts, add.at, stop, held);
        let whole = held.abs().approximate() + turns_at.approximate();
        let needed = whole * (each + self.bend(facts, stop) * whole) / self.risk.cap.get();
        let spare = (there(equity, price).approximate() - needed).abs();
        // A part of it to each; what is said at the corners has the last word.
        let exposed = match contract {
            Contract::Linear => held.abs().approximate(),
            inverse => inverse.approximate_exposure(price, held.abs()) / price.approximate(),
        };
        let most = price.approximate() / 2.0;
        let width = if exposed > 0.0 { (spare / 4.0 / exposed).min(most) } else { most };
        let width = Price::from_estimate(width, Round::TowardZero)?;
        let by = Cash::from_estimate(spare / 4.0, Round::TowardZero)?;
        let is_whole = room == Room::Whole;
        let worst = if is_whole { equity - by } else { equity + by };
        let ends = [price - width, price + width];
        let stays = |end: Price| end.raw() > 0 && self.room(facts, there(worst, end), stop, add) == Some(room);
        if !ends.into_iter().all(stays) {
            return None;
        }
        let (low, high) = if is_whole { (worst.raw(), i128::MAX) } else { (i128::MIN, worst.raw()) };
        region.within(facts::EQUITY.id(), low, high);
        region.within(facts::PRICE.id(), ends[0].raw().into(), ends[1].raw().into());
        Some(())
    }

    fn capped_add(&self, facts: &Facts, held: Qty, stop: Price, add: Add, because: &mut Because) -> Option<Add> {
        let (equity, price) = (facts.get(facts::EQUITY)?, facts.get(facts::PRICE)?);
        let stop = self.stop_with(facts, held, stop, add);
        let room = self.room(facts, equity + contract(facts).profit(held, price, add.at), stop, add)?;
        let Room::Part(room) = room else {
            if room == Room::Whole {
                return Some(add);
            }
            because.refused_add(
                add,
                "unit {} refused: with stop {} open risk would be over {}",
                [Arg::Count(add.unit), Arg::Price(stop), Arg::Percent(self.risk.cap.get())],
            );
            return None;
        };
        because.say(
            "unit {} cut to {}: open risk at most {}",
            [Arg::Count(add.unit), Arg::Qty(room), Arg::Percent(self.risk.cap.get())],
        );
        Some(Add { qty: if add.qty.signum() < 0 { -room } else { room }, ..add })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use units::{Ratio, Timestamp};

    fn rule(cap: f64, gap: f64, exit_cost: f64, follow: Follow) -> OpenRiskCap {
        let ratio = |value| Ratio::new(value).unwrap();
        OpenRiskCap {
            risk: OpenRisk { cap: ratio(cap), gap: ratio(gap), exit_cost: None },
            exit_cost,
            impact: 0.0,
            initial: 2.0,
            follow,
        }
    }

    fn facts(contract: Contract, equity: &str, price: &str, held: &str, unit: &str, lot: &str) -> Facts {
        let mut facts = Facts::new(0);
        facts.set_now(Timestamp::from_nanos(1));
        facts.set(facts::CONTRACT, contract);
        facts.set(facts::EQUITY, equity.parse().unwrap());
        facts.set(facts::PRICE, price.parse().unwrap());
        facts.set(facts::POSITION, held.parse().unwrap());
        facts.set(facts::UNIT, unit.parse().unwrap());
        facts.set(facts::CAMPAIGN_UNIT, unit.parse().unwrap());
        facts.set(facts::TICK, "0.01".parse().unwrap());
        facts.set(facts::LOT, lot.parse().unwrap());
        facts.set(facts::MIN_QTY, lot.parse().unwrap());
        facts
    }

    /// What is left of an add of 100 at 312.5, with a stop that rests at 305.
    fn add_left(follow: Follow) -> String {
        let facts = facts(Contract::Linear, "31000", "310", "10", "2.5", "0.001");
        let (trigger, qty): (Price, Qty) = ("312.5".parse().unwrap(), "100".parse().unwrap());
        let mut because = Because::default();
        because.rest(Exit::Stop { trigger: "305".parse().unwrap() });
        let (at, limit, chase, whole, rest) = (trigger, None, None, qty, Qty::ZERO);
        because.set_add(Some(Add { trigger, at, limit, chase, qty, whole, rest, unit: 2 }));
        let held = Target { base: qty, qty: "10".parse().unwrap() };
        rule(0.02, 0.01, 0.0, follow).evaluate(&facts, held, &mut because);
        because.add().unwrap().qty.to_string()
    }

    /// Equity at the trigger is 31,025, 2 % of it 620.5. From 312.5 to 305 with a gap of 3.05 a unit risks 10.55, so 58.815 may be
    /// held; with the stop behind the last fill at 307.5 it is 5 and 3.075, so 76.842.
    #[test]
    fn an_add_is_lowered_at_its_trigger_with_the_stop_that_it_would_have() {
        assert_eq!(add_left(Follow::Entry), "48.815");
        assert_eq!(add_left(Follow::LastFill), "66.842");
    }

    /// 0.2 coins of risk: from 50,000 to 48,000 a dollar loses 1/48,000 - 1/50,000 coins, and a thousandth of 1/48,000 to get out.
    #[test]
    fn an_inverse_entry_is_counted_in_coin() {
        let facts = facts(Contract::Inverse, "10", "50000", "0", "1000", "1");
        let wanted: Qty = "400000".parse().unwrap();
        let kept = |rule: OpenRiskCap| {
            let target = Target { base: wanted, qty: wanted };
            rule.evaluate(&facts, target, &mut Because::default()).target.qty.to_string()
        };
        let plain = || rule(0.02, 0.0, 0.001, Follow::Entry);
        assert_eq!(kept(plain()), "234146");
        // With a tenth of the price a million, q dollars cost q² ÷ 10,000,000 ÷ 48,000 coins more: the root of the sum.
        assert_eq!(kept(OpenRiskCap { impact: 1e-7, ..plain() }), "166517");
    }
}
