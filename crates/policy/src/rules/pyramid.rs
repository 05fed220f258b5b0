//! Adding to winners in units.

use super::number::{Number, reads_with, tell_unknown};
use super::signal::is_flat;
use super::{away, position};
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Add, Arg, Because, Rule, Step, Target, Verdict};
use crate::spec::{Pyramid, Resize, Spacing};
use units::{Price, Qty, Round, SeriesId};

/// Enters with the first unit; while in profit leaves the next unit resting as a stop-entry order at its level.
pub(crate) struct PyramidRule {
    pyramid: Pyramid,
    /// Distance between levels in N.
    step: Number,
    reads: Vec<FactId>,
    resize: Resize,
    /// Whether units may still be added after the first rung of the ladder.
    readd: bool,
}

impl PyramidRule {
    /// `None`: a series is missing.
    pub(crate) fn new(
        pyramid: &Pyramid,
        resize: Resize,
        readd: bool,
        series: &dyn Fn(&str) -> Option<SeriesId>,
    ) -> Option<Self> {
        let step = Number::compile(&pyramid.step, series)?;
        Some(Self { reads: reads_with(READS, &[&step]), step, pyramid: pyramid.clone(), resize, readd })
    }
}

const READS: &[FactId] = &[
    facts::POSITION.id(),
    facts::ENTRY.id(),
    facts::LAST_FILL.id(),
    facts::CAMPAIGN_UNIT.id(),
    facts::UNITS.id(),
    facts::LAPSED.id(),
    facts::RUNGS_USED.id(),
    facts::LOT.id(),
    facts::TICK.id(),
    facts::PRICE.id(),
];

impl Rule for PyramidRule {
    fn name(&self) -> &'static str {
        "pyramid"
    }

    fn reads(&self) -> &[FactId] {
        &self.reads
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        if is_flat(&proposed) {
            return Verdict::keep(proposed);
        }
        let units = self.pyramid.shares.len() as u32;
        if position(facts).is_zero() {
            let first = proposed.base.scaled(self.pyramid.shares[0], Round::TowardZero).unwrap_or_default();
            because.say("unit 1 of {}: {} of the base", [Arg::Count(units), Arg::Percent(self.pyramid.shares[0])]);
            return Verdict::set(Target { qty: first, ..proposed });
        }
        let filled = facts.get(facts::UNITS).unwrap_or(1);
        let qty = match self.resize {
            _ if because.holds() => proposed.qty,
            Resize::Entry => proposed.qty,
            Resize::Continuous => {
                let share: f64 = (0..units).filter(|unit| filled & (1 << unit) != 0).map(|unit| self.share(unit)).sum();
                proposed.base.scaled(share, Round::TowardZero).unwrap_or_default()
            }
        };
        let add = self.next_add(facts, proposed.base, filled, because);
        because.set_add(add);
        Verdict::set(Target { qty, ..proposed })
    }

    /// Which fact the step is not known for.
    fn detail(&self, facts: &Facts, _step: &Step, out: &mut String) {
        tell_unknown(&[&self.step], facts, out);
    }

    fn quiet(&self, facts: &Facts, proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        if is_flat(&proposed) {
            region.free(&self.reads);
            return true;
        }
        if position(facts).is_zero() {
            return false;
        }
        if !self.step.stays(facts, &[facts::PRICE.id()], region) {
            return false;
        }
        let filled = facts.get(facts::UNITS).unwrap_or(1);
        let price = facts.get(facts::PRICE);
        match self.next_unit(facts, filled).and_then(|next| self.level(facts, next, filled)) {
            None => region.free(&[facts::PRICE.id()]),
            // Where the market is beyond the level, the price that the add is expected at moves with it.
            Some((trigger, _)) if price.is_some_and(|price| is_beyond(price, trigger, proposed.base)) => return false,
            Some((trigger, _)) if proposed.base.signum() > 0 => {
                region.within(facts::PRICE.id(), i128::MIN, trigger.raw().into());
            }
            Some((trigger, _)) => region.within(facts::PRICE.id(), trigger.raw().into(), i128::MAX),
        }
        true
    }
}

impl PyramidRule {
    fn share(&self, unit: u32) -> f64 {
        self.pyramid.shares[unit as usize]
    }

    /// The number of the next unit, from 0, if one may still be added.
    fn next_unit(&self, facts: &Facts, filled: u32) -> Option<u32> {
        let next = u32::BITS - (filled | facts.get(facts::LAPSED).unwrap_or(0)).leading_zeros();
        let ended = facts.get(facts::RUNGS_USED).unwrap_or(0) != 0 && !self.readd;
        (next < self.pyramid.shares.len() as u32 && !ended).then_some(next)
    }

    /// The next unit at its level, or why there is none.
    fn next_add(&self, facts: &Facts, base: Qty, filled: u32, because: &mut Because) -> Option<Add> {
        let units = self.pyramid.shares.len() as u32;
        let next = u32::BITS - (filled | facts.get(facts::LAPSED).unwrap_or(0)).leading_zeros();
        let have = Arg::Count(filled.count_ones());
        if next >= units {
            because.say("{} of {} units, none left", [have, Arg::Count(units)]);
            return None;
        }
        if facts.get(facts::RUNGS_USED).unwrap_or(0) != 0 && !self.readd {
            because.say("{} of {} units, adds ended with the first rung", [have, Arg::Count(units)]);
            return None;
        }
        if self.step.distance(facts).is_none() {
            because.say("{} of {} units, no add: `pyramid.step` is not known now", [have, Arg::Count(units)]);
        }
        let (trigger, limit) = self.level(facts, next, filled)?;
        let price = facts.get(facts::PRICE).filter(|price| is_beyond(*price, trigger, base));
        let last = price.map_or(next, |price| self.last_beyond(facts, next, filled, price, limit));
        let share = (next..=last).map(|unit| self.share(unit)).sum();
        let qty = base.scaled(share, Round::TowardZero)?.to_lot(facts.get(facts::LOT)?, Round::TowardZero);
        let (at, chase, whole, rest) = (price.unwrap_or(trigger), limit, qty, Qty::ZERO);
        let add = Add { trigger, at, limit, chase, qty, whole, rest, unit: last + 1 };
        if qty.is_zero() {
            because.refused_add(add, "unit {} is less than one lot", [Arg::Count(last + 1)]);
            return None;
        }
        if because.holds() {
            because.refused_add(
                add,
                "unit {} refused: the signal or what sizes it is not known now",
                [Arg::Count(last + 1)],
            );
            return None;
        }
        if last > next {
            let numbers = [have, Arg::Count(last + 1), Arg::Qty(qty.abs()), Arg::Price(at)];
            because.say("{} units, up to unit {} at once: adds {} at {}", numbers);
        } else {
            because.say(
                "{} of {} units, next adds {} at {}",
                [have, Arg::Count(units), Arg::Qty(qty.abs()), Arg::Price(trigger)],
            );
        }
        Some(add)
    }

    /// The last unit that is added at once where the market is beyond the level of the next one.
    fn last_beyond(&self, facts: &Facts, next: u32, filled: u32, price: Price, limit: Option<Price>) -> u32 {
        let held = position(facts);
        // A unit that lapses does so alone.
        if limit.is_some_and(|limit| price != limit && is_beyond(price, limit, held)) {
            return next;
        }
        let most = (next + self.pyramid.max_units_per_event).min(self.pyramid.shares.len() as u32);
        let passed =
            |unit: &u32| self.level(facts, *unit, filled).is_some_and(|(trigger, _)| is_beyond(price, trigger, held));
        (next + 1..most).take_while(passed).last().unwrap_or(next)
    }

    /// Trigger and worst price of a unit. Levels are k × N beyond the frozen entry, or beyond the last fill,
    /// each lapsed unit still taking its own step so that later levels do not move.
    fn level(&self, facts: &Facts, next: u32, filled: u32) -> Option<(Price, Option<Price>)> {
        let held = position(facts);
        let unit = facts.get(facts::CAMPAIGN_UNIT)?.approximate();
        let (anchor, steps) = match self.pyramid.spacing {
            Spacing::Entry => (facts.get(facts::ENTRY)?, next),
            Spacing::LastFill => (facts.get(facts::LAST_FILL)?, next - (u32::BITS - 1 - filled.leading_zeros())),
        };
        let step = self.step.distance(facts)? * unit;
        // A stop-entry order is rounded away from the market: never triggered before the level.
        let round = if held.signum() > 0 { Round::AwayFromZero } else { Round::TowardZero };
        let tick = facts.get(facts::TICK)?;
        let trigger = away(anchor, step * f64::from(steps), held, true)?.to_tick(tick, round);
        // A limit at or under zero accepts any price.
        let worst = self.pyramid.max_chase.and_then(|chase| away(trigger, chase.get() * unit, held, true));
        let limit = worst.map(|price| price.to_tick(tick, round)).filter(|price| price.raw() > 0);
        (trigger.raw() > 0).then_some((trigger, limit))
    }
}

/// Whether a price is at a level or beyond it, in favour of a position.
fn is_beyond(price: Price, level: Price, held: Qty) -> bool {
    if held.signum() > 0 { price >= level } else { price <= level }
}
