//! How orders may go out: none of it holds an exit back.

use super::{contract, exposure_price, in_quote, increases, position, same_side};
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Add, Arg, Because, Outcome, Rule, Target, Verdict};
use crate::spec::{Blackout, OrderRate, OrderSize};
use units::{Price, Qty, Ratio, Round};

/// A change of size that nothing demands: an increase, or a reduction that no limit asks for and that closes nothing.
pub(super) fn is_discretionary(proposed: Qty, held: Qty, because: &Because) -> bool {
    let reduces = !proposed.is_zero() && proposed.abs() < held.abs() && same_side(proposed, held);
    increases(proposed, held) || (reduces && !because.is_urgent())
}

/// The proposal without its change: what is held, or flat where it was to be turned.
pub(super) fn unchanged(proposed: Target, held: Qty) -> Target {
    Target { qty: if same_side(proposed.qty, held) { held } else { Qty::ZERO }, ..proposed }
}

/// In its windows nothing is increased, resting adds are taken back, and no discretionary trade is made.
pub(crate) struct BlackoutRule {
    pub(crate) windows: Vec<Blackout>,
}

impl Rule for BlackoutRule {
    fn name(&self) -> &'static str {
        "blackout"
    }

    fn reads(&self) -> &[FactId] {
        const READS: &[FactId] = &[facts::NOW.id(), facts::POSITION.id()];
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let ends = self.windows.iter().filter_map(|window| window.end(facts.now()));
        let Some(end) = ends.max() else { return Verdict::keep(proposed) };
        if let Some(add) = because.add() {
            because.refused_add(add, "unit {} refused: blackout until {}", [Arg::Count(add.unit), Arg::Time(end)]);
            because.set_add(None);
        }
        let held = position(facts);
        if increases(proposed.qty, held) {
            because.say("blackout until {}: nothing is increased", [Arg::Time(end)]);
            return Verdict::refuse(unchanged(proposed, held));
        }
        if is_discretionary(proposed.qty, held, because) {
            because.say("blackout until {}: {} stays", [Arg::Time(end), Arg::Qty(held)]);
            return Verdict { target: unchanged(proposed, held), outcome: Outcome::Held };
        }
        Verdict::keep(proposed)
    }

    /// Until the next window begins, or the one that ends last has ended.
    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        let now = facts.now();
        let ends = self.windows.iter().filter_map(|window| window.end(now)).max();
        let begins = || self.windows.iter().filter_map(|window| window.begin(now)).min();
        if let Some(turns) = ends.or_else(begins) {
            region.within(facts::NOW.id(), i128::from(now.nanos()) - 1, turns.nanos().into());
        } else {
            region.free(&[facts::NOW.id()]);
        }
        true
    }
}

/// Increases and discretionary changes wait while so many orders were sent within a time. Exits never wait, but count.
pub(crate) struct OrderRateRule {
    pub(crate) rate: OrderRate,
}

impl Rule for OrderRateRule {
    fn name(&self) -> &'static str {
        "max_orders"
    }

    fn reads(&self) -> &[FactId] {
        const READS: &[FactId] = &[facts::SENT.id(), facts::RESTING_ADD.id(), facts::POSITION.id()];
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let sent = facts.get(facts::SENT).unwrap_or(0);
        let mut room = self.rate.count.saturating_sub(sent);
        let [sent, per, limit] = [Arg::Count(sent), Arg::Duration(self.rate.per), Arg::Count(self.rate.count)];
        let held = position(facts);
        let (mut verdict, mut goes_out) = (Verdict::keep(proposed), false);
        if is_discretionary(proposed.qty, held, because) {
            if room == 0 {
                because.say(
                    "{} orders sent within {}, limit {}: the change to {} waits",
                    [sent, per, limit, Arg::Qty(proposed.qty)],
                );
                verdict = Verdict { target: unchanged(proposed, held), outcome: Outcome::Held };
            } else {
                room -= 1;
                goes_out = true;
            }
        }
        if let Some(add) = because.add()
            && room == 0
            && facts.get(facts::RESTING_ADD) != Some(add.unit)
        {
            let numbers = [Arg::Count(add.unit), sent, per, limit];
            let sentence = match goes_out {
                true => "unit {} waits: {} orders sent within {} and one that goes out now, limit {}",
                false => "unit {} waits: {} orders sent within {}, limit {}",
            };
            because.refused_add(add, sentence, numbers);
            because.set_add(None);
        }
        verdict
    }

    /// While no order is sent, and none of those that count passes out of the time in which it does: what it reads stays as it is.
    fn quiet(&self, _facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        true
    }
}

/// An increase larger than one order may be goes out in pieces, one a decision.
pub(crate) struct MaxOrderRule {
    pub(crate) most: OrderSize,
    /// The policy's own smallest order.
    pub(crate) min_order: Option<Qty>,
}

impl Rule for MaxOrderRule {
    fn name(&self) -> &'static str {
        "max_order"
    }

    fn reads(&self) -> &[FactId] {
        const READS: &[FactId] = &[
            facts::PRICE.id(),
            facts::POSITION.id(),
            facts::LOT.id(),
            facts::MIN_QTY.id(),
            facts::CONTRACT.id(),
            facts::ENTERING.id(),
            facts::LARGEST.id(),
        ];
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let held = position(facts);
        let Some(price) = facts.get(facts::PRICE) else { return Verdict::keep(proposed) };
        if let Some(add) = because.add()
            && let Some(most) = self.most(facts, add.at)
            && add.qty.abs() > most
        {
            let qty = if add.qty.signum() < 0 { -most } else { most };
            because.say(
                "unit {} in pieces of {}: {} in all",
                [Arg::Count(add.unit), Arg::Qty(most), Arg::Qty(add.qty.abs())],
            );
            because.set_add(Some(Add { qty, rest: add.rest + add.qty - qty, ..add }));
        }
        if !increases(proposed.qty, held) {
            return Verdict::keep(proposed);
        }
        // A cap may have lowered it to a piece already.
        because.in_pieces(because.whole().unwrap_or(proposed.qty));
        let from = if same_side(proposed.qty, held) { held.abs() } else { Qty::ZERO };
        let change = proposed.qty.abs() - from;
        let Some(most) = self.most(facts, price).filter(|most| change > *most) else {
            return Verdict::keep(proposed);
        };
        because.say("the largest order is {}: {} of {} go out now", [Arg::Qty(most), Arg::Qty(most), Arg::Qty(change)]);
        let qty = from + most;
        let target = Target { qty: if proposed.qty.signum() < 0 { -qty } else { qty }, ..proposed };
        Verdict { target, outcome: Outcome::Held }
    }

    /// While nothing is increased: an add is looked at where it is expected to fill, whatever the price is.
    fn quiet(&self, facts: &Facts, proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        region.within(facts::PRICE.id(), i128::MIN, i128::MAX);
        !increases(proposed.qty, position(facts))
    }
}

impl MaxOrderRule {
    /// The largest order in lots, not under the smallest one.
    fn most(&self, facts: &Facts, price: Price) -> Option<Qty> {
        let (lot, least) = (facts.get(facts::LOT)?, facts.get(facts::MIN_QTY)?);
        let least = least.max(self.min_order.unwrap_or_default()).to_lot(lot, Round::AwayFromZero);
        // While nothing tells what the value is here, the smallest order is the largest.
        let most = match in_quote(facts, self.most, facts::LARGEST) {
            Some(most) => most.at(contract(facts), exposure_price(facts, price), Round::TowardZero).unwrap_or(Qty::MAX),
            None => Qty::ZERO,
        };
        Some(most.to_lot(lot, Round::TowardZero).max(least))
    }
}

/// What increases goes out as a limit order around the last price.
pub(crate) struct CollarRule {
    pub(crate) collar: Ratio,
}

impl Rule for CollarRule {
    fn name(&self) -> &'static str {
        "price_collar"
    }

    fn reads(&self) -> &[FactId] {
        const READS: &[FactId] = &[facts::PRICE.id(), facts::POSITION.id(), facts::TICK.id()];
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let (Some(price), Some(tick)) = (facts.get(facts::PRICE), facts.get(facts::TICK)) else {
            return Verdict::keep(proposed);
        };
        if let Some(add) = because.add()
            && let Some(worst) = self.worst(add.at, add.qty, tick)
        {
            let buys = add.qty.signum() > 0;
            let limit = add.limit.map_or(worst, |limit| if buys { limit.min(worst) } else { limit.max(worst) });
            // A limit inside the trigger, by rounding, would never fill.
            let limit = if buys { limit.max(add.trigger) } else { limit.min(add.trigger) };
            because.set_add(Some(Add { limit: Some(limit), ..add }));
        }
        let held = position(facts);
        if increases(proposed.qty, held)
            && let Some(worst) = self.worst(price, proposed.qty - held, tick)
        {
            if because.whole().is_none() {
                because.in_pieces(proposed.qty);
            }
            because.no_worse_than(worst);
            because.say(
                "no worse than {}: within {} of {}",
                [Arg::Price(worst), Arg::Percent(self.collar.get()), Arg::Price(price)],
            );
        }
        Verdict::keep(proposed)
    }

    /// While nothing is increased, as above.
    fn quiet(&self, facts: &Facts, proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        region.within(facts::PRICE.id(), i128::MIN, i128::MAX);
        !increases(proposed.qty, position(facts))
    }
}

impl CollarRule {
    /// The worst price on the grid within the collar of a price, for a signed change.
    fn worst(&self, price: Price, change: Qty, tick: Price) -> Option<Price> {
        let (beyond, round) = match change.signum() > 0 {
            true => (1.0 + self.collar.get(), Round::TowardZero),
            false => (1.0 - self.collar.get(), Round::AwayFromZero),
        };
        let worst = Price::from_estimate(price.approximate() * beyond, Round::Nearest)?.to_tick(tick, round);
        (worst.raw() > 0).then_some(worst)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use units::{Cash, Contract, Duration, Timestamp};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hours(hours: i64) -> Duration {
        Duration::from_nanos(hours * Duration::HOUR.nanos())
    }

    /// 2025-10-10 is a Friday.
    #[test]
    fn windows_end_when_they_say() {
        let nightly = Blackout::Daily { from: hours(22), to: hours(2) };
        let lunch = Blackout::Daily { from: hours(12), to: hours(13) };
        let weekend = Blackout::Weekly { from: hours(5 * 24 + 12), to: hours(6 * 24 + 18) };
        let sunday = Blackout::Weekly { from: hours(6 * 24), to: hours(0) };
        let once = Blackout::Once { from: at("2025-10-10T17:30:00Z"), lasts: hours(2) };
        for (window, now, end) in [
            (nightly, "2025-10-10T21:59:59Z", None),
            (nightly, "2025-10-10T22:00:00Z", Some("2025-10-11T02:00:00Z")),
            (nightly, "2025-10-11T01:59:59Z", Some("2025-10-11T02:00:00Z")),
            (nightly, "2025-10-11T02:00:00Z", None),
            (lunch, "2025-10-10T12:30:00Z", Some("2025-10-10T13:00:00Z")),
            (lunch, "2025-10-10T13:00:00Z", None),
            (weekend, "2025-10-11T11:59:00Z", None),
            (weekend, "2025-10-11T12:00:00Z", Some("2025-10-12T18:00:00Z")),
            (weekend, "2025-10-12T17:00:00Z", Some("2025-10-12T18:00:00Z")),
            (weekend, "2025-10-13T00:00:00Z", None),
            (sunday, "2025-10-12T23:59:59Z", Some("2025-10-13T00:00:00Z")),
            (sunday, "2025-10-13T00:00:00Z", None),
            (sunday, "2025-10-11T23:59:59Z", None),
            (once, "2025-10-10T17:29:59Z", None),
            (once, "2025-10-10T19:29:59Z", Some("2025-10-10T19:30:00Z")),
            (once, "2025-10-10T19:30:00Z", None),
        ] {
            assert_eq!(window.end(at(now)), end.map(at), "{window:?} at {now}");
        }
    }

    /// Two coins, or 90,000 dollars, at 45,000: in coins of a linear contract, in dollars of an inverse one.
    #[test]
    fn sizes_are_quantities_as_the_contract_counts() {
        let price: Price = "45000".parse().unwrap();
        let base = OrderSize::Base("2".parse().unwrap());
        let quote = OrderSize::Quote(Cash::from_raw(90_000 * Cash::ONE));
        let shown = |size: OrderSize, contract| size.at(contract, price, Round::TowardZero).unwrap().to_string();
        assert_eq!([shown(base, Contract::Linear), shown(quote, Contract::Linear)], ["2", "2"]);
        assert_eq!([shown(base, Contract::Inverse), shown(quote, Contract::Inverse)], ["90000", "90000"]);
    }

    /// 1 % around 310.07 is 313.1707 and 306.9693: on the tick inside.
    #[test]
    fn a_collar_is_rounded_to_its_inside() {
        let rule = CollarRule { collar: Ratio::new(0.01).unwrap() };
        let worst = |change: i64| {
            let (price, tick) = ("310.07".parse().unwrap(), "0.01".parse().unwrap());
            rule.worst(price, Qty::from_raw(change), tick).unwrap().to_string()
        };
        assert_eq!([worst(1), worst(-1)], ["313.17", "306.97"]);
    }
}
