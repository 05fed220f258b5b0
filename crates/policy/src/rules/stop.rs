//! The protective stop of the whole position.

use super::number::{Number, reads_with, tell_unknown};
use super::{position, same_side};
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Exit, Outcome, Rule, Step, Target, Verdict};
use crate::spec::{Follow, Stop, Trigger};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, Price, Qty, Round, SeriesId};

/// Leaves one stop resting for exactly the filled quantity, or watches it. It only ever moves in favour.
pub(crate) struct StopRule {
    stop: Stop,
    trail: Option<Number>,
    reads: Vec<FactId>,
    /// A watched stop that was crossed: from then on the campaign is to end.
    crossed: Option<Price>,
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
    facts::HIGH.id(),
    facts::LOW.id(),
];
/// What a resting stop reads: all but the last two.
const READS_RESTING: usize = READS.len() - 2;

impl StopRule {
    /// `None`: a series is missing.
    pub(crate) fn new(stop: &Stop, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Self> {
        let trail = match &stop.trail {
            Some(trail) => Some(Number::compile(trail, series)?),
            None => None,
        };
        let own = if stop.trigger == Trigger::Synthetic { READS } else { &READS[..READS_RESTING] };
        let reads = reads_with(own, &trail.iter().collect::<Vec<_>>());
        Some(Self { stop: stop.clone(), trail, reads, crossed: None })
    }
}

impl Rule for StopRule {
    fn name(&self) -> &'static str {
        "stop"
    }

    fn reads(&self) -> &[FactId] {
        &self.reads
    }

    /// The level that was in force before the input is tested with its extremes; one that the input itself moves, with its
    /// last price only: which of a bar's extremes came first is not known.
    fn observe(&mut self, facts: &Facts) {
        if self.stop.trigger == Trigger::Resting {
            return;
        }
        let held = position(facts);
        if held.is_zero() {
            self.crossed = None;
            return;
        }
        let (Some(high), Some(low), None) = (facts.get(facts::HIGH), facts.get(facts::LOW), self.crossed) else {
            return;
        };
        let worst = if held.signum() > 0 { low } else { high };
        let before = facts.get(facts::STOP).filter(|stop| !is_tighter(worst, *stop, held));
        let now = || {
            let price = facts.get(facts::PRICE)?;
            self.level(facts, held).map(|(level, _)| level).filter(|level| !is_tighter(price, *level, held))
        };
        self.crossed = before.or_else(now);
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        if let Some(crossed) = self.crossed {
            because.set_add(None);
            if proposed.qty.is_zero() {
                return Verdict::keep(proposed);
            }
            because.stop_out();
            because.say("stop {} crossed: out at the market", [Arg::Price(crossed)]);
            return Verdict::set(Target::default());
        }
        let mut outcome = Outcome::Kept;
        if let Some((trigger, why)) = self.level(facts, position(facts)) {
            because.rest(match self.stop.trigger {
                Trigger::Resting => Exit::Stop { trigger },
                Trigger::Synthetic => Exit::WatchedStop { trigger },
            });
            // A trail that nobody knows moves nothing, which a plan tells at once.
            if self.trail.as_ref().is_some_and(|trail| trail.get(facts).is_none())
                && same_side(proposed.qty, position(facts))
            {
                because.say(UNKNOWN, [Arg::Price(trigger)]);
                outcome = Outcome::Held;
            } else if facts.get(facts::STOP) != Some(trigger) {
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
            None => Verdict { target: proposed, outcome },
        }
    }

    /// Which fact the trail is not known for.
    fn detail(&self, facts: &Facts, step: &Step, out: &mut String) {
        if step.outcome == Outcome::Held {
            tell_unknown(&self.trail.iter().collect::<Vec<_>>(), facts, out);
        }
    }

    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        if self.stop.trigger == Trigger::Synthetic {
            return false;
        }
        let held = position(facts);
        if held.is_zero() {
            let others = self.reads.iter().filter(|fact| **fact != facts::POSITION.id());
            others.for_each(|fact| region.free(&[*fact]));
            return true;
        }
        if let Some(trail) = &self.trail
            && !trail.stays(facts, &[facts::PRICE.id(), facts::NOW.id()], region)
        {
            return false;
        }
        if let Some(time) = self.stop.time {
            let Some(opened) = facts.get(facts::OPENED) else { return false };
            // Before, it is not looked at; after, nothing that it looks at changes with the time.
            let late = i128::from(opened.nanos()) + i128::from(time.after.nanos());
            if i128::from(facts.now().nanos()) < late {
                region.within(facts::NOW.id(), i128::MIN, late);
            }
        }
        match facts.get(facts::ENTRY).filter(|_| self.breaks_even(facts)) {
            None => region.free(&[facts::PRICE.id()]),
            Some(entry) => {
                let Some(price) = facts.get(facts::PRICE) else { return false };
                let at = i128::from(entry.raw());
                match price.cmp(&entry) {
                    std::cmp::Ordering::Greater => region.within(facts::PRICE.id(), at, i128::MAX),
                    std::cmp::Ordering::Less => region.within(facts::PRICE.id(), i128::MIN, at),
                    std::cmp::Ordering::Equal => return false,
                }
            }
        }
        true
    }

    fn save(&self, out: &mut StateWriter) {
        out.option(self.crossed, |out, level| out.i64(level.raw()));
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.crossed = from.option(StateReader::i64)?.map(Price::from_raw);
        Ok(())
    }
}

const INITIAL: &str = "stop at {}";
const FOLLOWS: &str = "stop moves to {} behind the last fill";
const TRAILS: &str = "stop trails to {}";
const UNKNOWN: &str = "the trail is not known: the stop is at {}";
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

    /// Whether the rung was used after which the stop moves to the entry.
    fn breaks_even(&self, facts: &Facts) -> bool {
        let rungs = facts.get(facts::RUNGS_USED).unwrap_or(0);
        self.stop.break_even_after.is_some_and(|rung| rungs & (1 << (rung - 1)) != 0)
    }

    /// The stop's trigger and which part of the rule sets it.
    fn level(&self, facts: &Facts, held: Qty) -> Option<(Price, &'static str)> {
        if held.is_zero() {
            return None;
        }
        let unit = facts.get(facts::CAMPAIGN_UNIT)?.approximate();
        let initial = self.stop.initial.get() * unit;
        let tick = facts.get(facts::TICK)?;
        // Losses of rolls carry the anchors of a structure through zero: its stop is where they are all the same.
        let is_structure = facts.get(facts::EXPOSURE_PRICE).is_some();
        let at = |anchor: Price, distance: f64| initial_stop(anchor, distance, held, tick, is_structure);
        let mut best = (at(facts.get(facts::ENTRY)?, initial)?, INITIAL);
        let mut consider = |level: Option<Price>, why| {
            if let Some(level) = level.filter(|level| is_tighter(*level, best.0, held)) {
                best = (level, why);
            }
        };
        if self.stop.follow == Follow::LastFill {
            consider(facts.get(facts::LAST_FILL).and_then(|fill| at(fill, initial)), FOLLOWS);
        }
        if let Some(trail) = self.trail.as_ref().and_then(|trail| trail.distance(facts)) {
            consider(facts.get(facts::BEST).and_then(|best| at(best, trail * unit)), TRAILS);
        }
        if self.breaks_even(facts) {
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

/// The trigger of a stop at a distance behind an anchor, rounded to the tick nearer to the market: the smaller loss. None at zero or under,
/// where only a structure may be worth less.
pub fn initial_stop(anchor: Price, distance: f64, held: Qty, tick: Price, is_structure: bool) -> Option<Price> {
    // Nearer to the market is up for a long position and down for a short one, on both sides of zero.
    let is_up = held.signum() > 0;
    let distance = Price::from_estimate(distance, Round::Nearest)?;
    let level = if is_up { anchor - distance } else { anchor + distance };
    let round = if is_up == (level.raw() > 0) { Round::AwayFromZero } else { Round::TowardZero };
    Some(level.to_tick(tick, round)).filter(|level| is_structure || level.raw() > 0)
}

fn is_tighter(level: Price, than: Price, held: Qty) -> bool {
    if held.signum() > 0 { level > than } else { level < than }
}
