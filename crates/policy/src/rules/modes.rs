//! `[modes]`: trouble degrades one way, normal → reduce-only → hold → flatten (SEMANTICS, Modes).
//!
//! A mode is in force while its condition holds, and from the first moment at which that is known not to be so for `restore_after` more.
//! Of several the last one decides. What is not known never flattens: it bars increases.

use super::guards::{is_discretionary, unchanged};
use super::{increases, position};
use crate::Region;
use crate::expression::Condition;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Outcome, Rule, Step, Target, Verdict};
use crate::spec::Mode;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, Qty, Timestamp};

/// One mode with its condition.
pub(crate) struct ModeRule {
    mode: Mode,
    condition: Condition,
    restore_after: Duration,
    reads: Vec<FactId>,
    /// Its condition is of the campaign, of which there is none while nothing is held.
    is_of_campaign: bool,
    /// Until when it stays in force though its condition holds no more; [`Timestamp::MAX`] before that is known.
    until: Timestamp,
    /// The mode that the last plan told, so that the one in which it ends says so.
    told: Option<Mode>,
}

/// Why a mode is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Holds,
    /// It held, until a time.
    Held(Timestamp),
    /// It held, and whether it still does is not known.
    Stays,
    NotKnown,
}

impl ModeRule {
    pub(crate) fn new(mode: Mode, condition: Condition, restore_after: Duration) -> Self {
        let own = facts::POSITION.id();
        let reads = condition.reads().iter().copied().filter(|fact| *fact != own).chain([own]).collect();
        let is_campaign =
            |fact: &FactId| facts::NAMES.get(usize::from(fact.0)).is_some_and(|name| name.starts_with("campaign."));
        let is_of_campaign = condition.reads().iter().any(is_campaign);
        Self { mode, condition, restore_after, reads, is_of_campaign, until: Timestamp::MIN, told: None }
    }

    /// Whether its condition holds. Of a campaign that is not there it does not.
    fn holds(&self, facts: &Facts) -> Option<bool> {
        let is_of_none = self.is_of_campaign && position(facts).is_zero();
        self.condition.holds(facts).or(is_of_none.then_some(false))
    }

    /// The mode that it puts in force, and why.
    fn in_force(&self, facts: &Facts) -> Option<(Mode, Why)> {
        let held = facts.now() < self.until;
        match self.holds(facts) {
            Some(true) => Some((self.mode, Why::Holds)),
            None if held => Some((self.mode, Why::Stays)),
            _ if held => Some((self.mode, Why::Held(self.until))),
            Some(false) => None,
            None => Some((Mode::ReduceOnly, Why::NotKnown)),
        }
    }

    fn say(&self, mode: Mode, why: Why, because: &mut Because) {
        match (self.mode, why) {
            (Mode::ReduceOnly, Why::Holds) => {
                because.say("mode reduce-only, nothing is opened or added: `modes.reduce_only` holds", []);
            }
            (Mode::Hold, Why::Holds) => {
                because.say("mode hold, nothing new goes out but exits: `modes.hold` holds", []);
            }
            (Mode::Flatten, Why::Holds) => because.say("mode flatten: `modes.flatten` holds", []),
            (_, Why::Held(until)) => {
                because.say(STAYS, [Arg::Mode(mode), Arg::Time(until)]);
            }
            (_, Why::Stays) => because.say(OPEN, [Arg::Mode(mode)]),
            (of, Why::NotKnown) => {
                let sentence = match of {
                    Mode::ReduceOnly => {
                        "mode reduce-only, nothing is opened or added: whether `modes.reduce_only` holds is not known"
                    }
                    Mode::Hold => {
                        "mode reduce-only, nothing is opened or added: whether `modes.hold` holds is not known"
                    }
                    Mode::Flatten => {
                        "mode reduce-only, nothing is opened or added: whether `modes.flatten` holds is not known"
                    }
                };
                because.say(sentence, []);
            }
        }
    }
}

impl Rule for ModeRule {
    fn name(&self) -> &'static str {
        self.mode.rule()
    }

    fn reads(&self) -> &[FactId] {
        &self.reads
    }

    /// Coming back needs to be known: what is not known leaves a mode in force.
    fn observe(&mut self, facts: &Facts) {
        let is_in_force = facts.now() < self.until;
        match self.holds(facts) {
            Some(true) => self.until = Timestamp::MAX,
            None if is_in_force => self.until = Timestamp::MAX,
            Some(false) if self.until == Timestamp::MAX => self.until = facts.now() + self.restore_after,
            _ => {}
        }
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let Some((mode, why)) = self.in_force(facts) else {
            if let Some(mode) = self.told {
                because.say(ENDED, [Arg::Mode(mode)]);
            }
            return Verdict::keep(proposed);
        };
        let verdict = degrade(mode, facts, proposed, because);
        self.say(mode, why, because);
        verdict
    }

    /// The comparisons of its condition.
    fn detail(&self, facts: &Facts, step: &Step, out: &mut String) {
        if !step.reason.template.starts_with(REFUSED) {
            self.condition.tell(facts, out);
        }
    }

    fn commit(&mut self, step: &Step) {
        if !step.reason.template.starts_with(REFUSED) {
            self.told = step.mode();
        }
    }

    /// While its condition answers as it does now, until the time behind it has passed.
    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        let held = facts.now() < self.until;
        if held && self.reads.contains(&facts::NOW.id()) {
            return false;
        }
        if held && self.until != Timestamp::MAX {
            region.within(facts::NOW.id(), i128::MIN, self.until.nanos().into());
        }
        region.rest();
        self.condition.quiet(facts, region)
    }

    fn save(&self, out: &mut StateWriter) {
        out.i64(self.until.nanos());
        save_told(self.told, out);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.until = Timestamp::from_nanos(from.i64()?);
        self.told = load_told(from)?;
        Ok(())
    }
}

/// That a mode is over.
const ENDED: &str = "mode {} ended";
/// That an old price is no more.
const NEW_AGAIN: &str = "mode hold ended: the price is new again";
/// That a mode stays while nobody can tell whether its condition holds.
const OPEN: &str = "mode {} stays: whether its condition still holds is not known";
/// That a mode stays behind its condition.
const STAYS: &str = "mode {} until {}, unless its condition holds again";
/// How a mode refuses an add.
const REFUSED: &str = "unit {} refused: ";

impl Step {
    /// The mode that it tells to be in force.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        let sentence = self.reason.template;
        match self.reason.args[0] {
            _ if [ENDED, NEW_AGAIN].contains(&sentence) => None,
            Arg::Mode(mode) if [STAYS, OPEN].contains(&sentence) => Some(mode),
            _ if sentence.starts_with("mode reduce-only") => Some(Mode::ReduceOnly),
            _ if sentence.starts_with("mode hold") => Some(Mode::Hold),
            _ if sentence.starts_with("mode flatten") => Some(Mode::Flatten),
            _ => None,
        }
    }
}

fn save_told(told: Option<Mode>, out: &mut StateWriter) {
    out.u8(told.map_or(0, |mode| mode as u8 + 1));
}

fn load_told(from: &mut StateReader<'_>) -> Result<Option<Mode>, Corrupt> {
    Ok(match from.u8()? {
        0 => None,
        1 => Some(Mode::ReduceOnly),
        2 => Some(Mode::Hold),
        3 => Some(Mode::Flatten),
        _ => return Err(Corrupt { at: 0, what: "no mode" }),
    })
}

/// `modes.stale_after`: hold while the price is older.
pub(crate) struct StaleRule {
    after: Duration,
    /// The last plan told that it is in force.
    told: Option<Mode>,
}

impl StaleRule {
    pub(crate) fn new(after: Duration) -> Self {
        Self { after, told: None }
    }
}

impl Rule for StaleRule {
    fn name(&self) -> &'static str {
        "stale"
    }

    fn reads(&self) -> &[FactId] {
        // Of the price only its age counts, and a newer one is never staler.
        const READS: &[FactId] = &[facts::NOW.id(), facts::POSITION.id()];
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let Some(age) = facts.age(facts::PRICE.id()).filter(|age| *age > self.after) else {
            if self.told.is_some() {
                because.say(NEW_AGAIN, []);
            }
            return Verdict::keep(proposed);
        };
        let verdict = degrade(Mode::Hold, facts, proposed, because);
        because.say(
            "mode hold: the price is {} old, over {}: nothing new goes out but exits",
            [Arg::Duration(age), Arg::Duration(self.after)],
        );
        verdict
    }

    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        let Some(age) = facts.age(facts::PRICE.id()).filter(|age| *age <= self.after) else { return false };
        let since = i128::from(facts.now().nanos()) - i128::from(age.nanos());
        region.within(facts::NOW.id(), i128::MIN, since + i128::from(self.after.nanos()) + 1);
        true
    }

    fn commit(&mut self, step: &Step) {
        if !step.reason.template.starts_with(REFUSED) {
            self.told = step.mode();
        }
    }

    fn save(&self, out: &mut StateWriter) {
        save_told(self.told, out);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.told = load_told(from)?;
        Ok(())
    }
}

/// What a mode leaves of a decision.
fn degrade(mode: Mode, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
    because.in_mode(mode);
    if let Some(add) = because.add() {
        because.refused_add(add, "unit {} refused: mode {}", [Arg::Count(add.unit), Arg::Mode(mode)]);
        because.set_add(None);
    }
    let held = position(facts);
    match mode {
        Mode::Flatten if proposed.qty.is_zero() && !held.is_zero() => {
            because.cannot_wait();
            Verdict::keep(proposed)
        }
        Mode::Flatten if held.is_zero() && proposed.qty.is_zero() => Verdict::keep(proposed),
        Mode::Flatten if held.is_zero() => Verdict::refuse(Target { qty: Qty::ZERO, ..proposed }),
        Mode::Flatten => Verdict::cut(Target { qty: Qty::ZERO, ..proposed }),
        _ if increases(proposed.qty, held) => Verdict::refuse(unchanged(proposed, held)),
        Mode::Hold if is_discretionary(proposed.qty, held, because) => {
            Verdict { target: unchanged(proposed, held), outcome: Outcome::Held }
        }
        Mode::Hold | Mode::ReduceOnly => Verdict::keep(proposed),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use units::{Price, Ratio};

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_nanos(minutes * Duration::MINUTE.nanos())
    }

    fn target(qty: i64) -> Target {
        Target { qty: Qty::from_raw(qty), ..Target::default() }
    }

    /// Ten are held, the price is of minute 0.
    fn facts(now: i64) -> Facts {
        let mut facts = Facts::new(0);
        facts.set_now(at(0));
        facts.set(facts::PRICE, Price::from_raw(1));
        facts.set(facts::POSITION, Qty::from_raw(10));
        facts.set_now(at(now));
        facts
    }

    /// At ten minutes the price is not yet old. Then nothing grows or shrinks at discretion, and what closes goes.
    #[test]
    fn an_old_price_holds() {
        let rule = StaleRule::new(Duration::from_nanos(10 * Duration::MINUTE.nanos()));
        for (now, proposed, left) in [(10, 20, 20), (11, 20, 10), (11, 5, 10), (11, 0, 0), (11, -5, 0)] {
            let verdict = rule.evaluate(&facts(now), target(proposed), &mut Because::default());
            assert_eq!(verdict.target, target(left), "{proposed} at {now}");
        }
        let mut region = Region::default();
        assert!(rule.quiet(&facts(3), target(10), &Because::default(), &mut region));
        assert!(!rule.quiet(&facts(11), target(10), &Because::default(), &mut region), "the next price ends it");
    }

    /// A mode stays from the first moment at which its condition is known not to hold for its time, and while that is not known.
    #[test]
    fn a_mode_stays_for_its_time_and_while_nothing_is_known() {
        let asked = crate::expression::Expression::parse("drawdown > 10%").unwrap();
        let condition = asked.condition(&|_| None).unwrap();
        let mut rule = ModeRule::new(Mode::Flatten, condition, Duration::HOUR);
        let mut seen = |minute: i64, drawdown: Option<f64>| {
            let mut facts = facts(minute);
            facts.put(facts::DRAWDOWN, drawdown.and_then(Ratio::new));
            rule.observe(&facts);
            rule.in_force(&facts).map(|(mode, _)| mode)
        };
        assert_eq!(seen(0, Some(0.05)), None);
        assert_eq!(seen(5, None), Some(Mode::ReduceOnly), "never known: no more than nothing is added");
        assert_eq!(seen(10, Some(0.2)), Some(Mode::Flatten));
        assert_eq!(seen(69, Some(0.05)), Some(Mode::Flatten));
        assert_eq!(seen(128, Some(0.05)), Some(Mode::Flatten));
        assert_eq!(seen(129, Some(0.05)), None, "an hour after minute 69");
        assert_eq!(seen(140, Some(0.2)), Some(Mode::Flatten));
        assert_eq!(seen(190, None), Some(Mode::Flatten));
        assert_eq!(seen(280, None), Some(Mode::Flatten), "not known to be over");
        assert_eq!(seen(290, Some(0.0)), Some(Mode::Flatten));
        assert_eq!(seen(300, None), Some(Mode::Flatten), "not known again: the hour begins anew");
        assert_eq!(seen(310, Some(0.0)), Some(Mode::Flatten));
        assert_eq!(seen(369, Some(0.0)), Some(Mode::Flatten));
        assert_eq!(seen(370, Some(0.0)), None, "an hour after minute 310");
    }
}
