//! The protective stop of the whole position.

use super::{away, position};
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Exit, Rule, Target, Verdict};
use crate::spec::{Follow, Stop};
use units::{Duration, Price, Qty, Round};

/// Leaves one stop resting for exactly the filled quantity. It only ever moves in favour.
pub(crate) struct StopRule {
    pub(crate) stop: Stop,
}

const READS: &[FactId] = &[
    facts::POSITION.id(),
    facts::ENTRY.id(),
    facts::LAST_FILL.id(),
    facts::CAMPAIGN_UNIT.id(),
    facts::BEST.id(),
    facts::STOP.id(),
    facts::TICK.id(),
    facts::RUNGS_USED.id(),
    facts::OPENED.id(),
    facts::INITIAL_STOP.id(),
    facts::PRICE.id(),
];

impl Rule for StopRule {
    fn name(&self) -> &'static str {
        "stop"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        if let Some((trigger, why)) = self.level(facts, position(facts)) {
            because.rest(Exit::Stop { trigger });
            if facts.get(facts::STOP) != Some(trigger) {
                because.say(why, [Arg::Price(trigger)]);
            }
        }
        match self.is_late(facts, proposed) {
            Some(reached) => {
                let (after, reach) =
                    self.stop.time.map_or((Duration::ZERO, 0.0), |time| (time.after, time.reach.get()));
                let numbers = [Arg::Duration(after), Arg::Number(reached), Arg::Number(reach)];
                because.say("closes after {}: reached {} R of {}", numbers);
                because.set_add(None);
                Verdict::set(Target::default())
            }
            None => Verdict::keep(proposed),
        }
    }
}

const INITIAL: &str = "stop at {}";
const FOLLOWS: &str = "stop moves to {} behind the last fill";
const TRAILS: &str = "stop trails to {}";

const BREAKS_EVEN: &str = "stop moves to the entry {}";

impl StopRule {
    /// How many R the price got in favour, if that was too little for the time that passed.
    fn is_late(&self, facts: &Facts, proposed: Target) -> Option<f64> {
        let time = self.stop.time?;
        let held = position(facts);
        if held.is_zero() || proposed.qty.is_zero() || facts.now().since(facts.get(facts::OPENED)?) < time.after {
            return None;
        }
        let entry = facts.get(facts::ENTRY)?;
        let r = (entry - facts.get(facts::INITIAL_STOP)?).abs().approximate();
        let gained = (facts.get(facts::BEST)? - entry).approximate() * held.signum() as f64;
        (gained < time.reach.get() * r).then_some(gained / r)
    }

    /// The stop's trigger and which part of the rule sets it.
    fn level(&self, facts: &Facts, held: Qty) -> Option<(Price, &'static str)> {
        if held.is_zero() {
            return None;
        }
        let unit = facts.get(facts::CAMPAIGN_UNIT)?.approximate();
        let initial = self.stop.initial.get() * unit;
        let tick = facts.get(facts::TICK)?;
        let at = |anchor: Price, distance: f64| initial_stop(anchor, distance, held, tick);
        let mut best = (at(facts.get(facts::ENTRY)?, initial)?, INITIAL);
        let mut consider = |level: Option<Price>, why| {
            if let Some(level) = level.filter(|level| is_tighter(*level, best.0, held)) {
                best = (level, why);
            }
        };
        if self.stop.follow == Follow::LastFill {
            consider(facts.get(facts::LAST_FILL).and_then(|fill| at(fill, initial)), FOLLOWS);
        }
        if let Some(trail) = self.stop.trail {
            consider(facts.get(facts::BEST).and_then(|best| at(best, trail.get() * unit)), TRAILS);
        }
        let rungs = facts.get(facts::RUNGS_USED).unwrap_or(0);
        if self.stop.break_even_after.is_some_and(|rung| rungs & (1 << (rung - 1)) != 0) {
            // A rung may be reached at a loss, by time: a stop that the market is beyond would close at once.
            let price = facts.get(facts::PRICE);
            let entry =
                facts.get(facts::ENTRY).filter(|entry| price.is_some_and(|price| is_tighter(price, *entry, held)));
            consider(entry, BREAKS_EVEN);
        }
        consider(facts.get(facts::STOP), INITIAL);
        Some(best)
    }
}

/// The trigger of a stop at a distance behind an anchor, rounded to the tick nearer to the market: the smaller loss.
pub fn initial_stop(anchor: Price, distance: f64, held: Qty, tick: Price) -> Option<Price> {
    let round = if held.signum() > 0 { Round::AwayFromZero } else { Round::TowardZero };
    away(anchor, distance, held, false).map(|price| price.to_tick(tick, round)).filter(|price| price.raw() > 0)
}

fn is_tighter(level: Price, than: Price, held: Qty) -> bool {
    if held.signum() > 0 { level > than } else { level < than }
}
