//! Scaling out in rungs.

use super::signal::is_flat;
use super::{away, position};
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Exit, Rule, Target, Verdict};
use crate::spec::{FractionOf, Ladder, Resize};
use units::{Price, Qty, Round};

/// Leaves each unused rung resting as a reduce-only limit order. A used rung is never armed again.
pub(crate) struct LadderRule {
    pub(crate) ladder: Ladder,
    pub(crate) resize: Resize,
    /// The policy's own smallest order.
    pub(crate) min_order: Option<Qty>,
}

const READS: &[FactId] = &[
    facts::POSITION.id(),
    facts::ENTRY.id(),
    facts::INITIAL_STOP.id(),
    facts::RUNGS_USED.id(),
    facts::FIRST.id(),
    facts::PEAK.id(),
    facts::LOT.id(),
    facts::TICK.id(),
    facts::MIN_QTY.id(),
];

impl Rule for LadderRule {
    fn name(&self) -> &'static str {
        "ladder"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let held = position(facts);
        if is_flat(&proposed) || held.is_zero() {
            return Verdict::keep(proposed);
        }
        let used = facts.get(facts::RUNGS_USED).unwrap_or(0);
        self.rest_unused(facts, held, used, because);
        if used == 0 || self.resize == Resize::Entry || because.holds() {
            return Verdict::keep(proposed);
        }
        let remaining = self.remaining(used);
        because.say("{} of the size is left after {} rungs", [Arg::Percent(remaining), Arg::Count(used.count_ones())]);
        let qty = proposed.qty.scaled(remaining, Round::TowardZero).unwrap_or_default();
        Verdict::set(Target { qty, ..proposed })
    }
}

impl LadderRule {
    /// The share of the size that used rungs leave.
    fn remaining(&self, used: u32) -> f64 {
        let taken = self.ladder.rungs.iter().enumerate().filter(|(index, _)| used & (1 << index) != 0);
        match self.ladder.of {
            FractionOf::Current => taken.map(|(_, rung)| 1.0 - rung.fraction).product(),
            FractionOf::First | FractionOf::Peak => (1.0 - taken.map(|(_, rung)| rung.fraction).sum::<f64>()).max(0.0),
        }
    }

    fn rest_unused(&self, facts: &Facts, held: Qty, used: u32, because: &mut Because) -> Option<()> {
        let (entry, stop) = (facts.get(facts::ENTRY)?, facts.get(facts::INITIAL_STOP)?);
        let (lot, least) = (facts.get(facts::LOT)?, facts.get(facts::MIN_QTY)?);
        let least = least.max(self.min_order.unwrap_or_default());
        let r = (entry - stop).abs().approximate();
        let mut left = held.abs();
        let mut nearest: Option<(u32, Price)> = None;
        for (index, rung) in self.ladder.rungs.iter().enumerate() {
            if used & (1 << index) != 0 || left.is_zero() {
                continue;
            }
            let Some(price) = self.price(facts, held, rung.at.get() * r) else { continue };
            let whole = match self.ladder.of {
                FractionOf::First => facts.get(facts::FIRST)?.abs(),
                FractionOf::Peak => facts.get(facts::PEAK)?.abs(),
                FractionOf::Current => left,
            };
            let part = whole.scaled(rung.fraction, Round::AwayFromZero)?.to_lot(lot, Round::AwayFromZero);
            let mut qty = part.max(least).min(left);
            if left - qty < least {
                qty = left;
            }
            left -= qty;
            nearest = nearest.or(Some((index as u32 + 1, price)));
            because.rest(Exit::Rung { index: index as u8, price, qty });
        }
        if let Some((rung, price)) = nearest {
            because.say(
                "{} rungs used, rung {} rests at {}",
                [Arg::Count(used.count_ones()), Arg::Count(rung), Arg::Price(price)],
            );
        }
        Some(())
    }

    fn price(&self, facts: &Facts, held: Qty, distance: f64) -> Option<Price> {
        let price = away(facts.get(facts::ENTRY)?, distance, held, true)?;
        let round = if held.signum() > 0 { Round::AwayFromZero } else { Round::TowardZero };
        Some(price.to_tick(facts.get(facts::TICK)?, round)).filter(|price| price.raw() > 0)
    }
}
