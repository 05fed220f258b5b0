//! Giving up what is hedged: where that brings delta back for less than a hedge would.

use super::{position, same_side};
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Outcome, Rule, Step, Target, Verdict};
use units::Qty;
use units::state::{Corrupt, StateReader, StateWriter};

/// Lowers a structure to what the engine tells it to keep. What was given up is not bought back while the campaign lasts: a size
/// that follows equity would take it up again with the next price.
#[derive(Debug, Default)]
pub(crate) struct RestoreRule {
    /// Signed quantity that was left when delta was last restored. Nothing is left of one that went as a whole.
    left: Option<Qty>,
}

const READS: &[FactId] = &[facts::RESTORED.id(), facts::POSITION.id()];

impl Rule for RestoreRule {
    fn name(&self) -> &'static str {
        "delta_restore"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn observe(&mut self, facts: &Facts) {
        // Another campaign, or none.
        if self.left.is_some_and(|left| !same_side(left, position(facts))) {
            self.left = None;
        }
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let held = position(facts);
        let kept = facts.get(facts::RESTORED).filter(|kept| kept.is_zero() || same_side(*kept, held));
        let Some(most) = kept.into_iter().chain(self.left).min_by_key(|most| most.abs()) else {
            return Verdict::keep(proposed);
        };
        if let Some(add) = because.add() {
            let unit = Arg::Count(add.unit);
            because.refused_add(add, "unit {} refused: what is held was given up in part to restore delta", [unit]);
            because.set_add(None);
        }
        if !same_side(proposed.qty, held) || proposed.qty.abs() <= most.abs() {
            return Verdict::keep(proposed);
        }
        if kept == Some(most) && most.abs() < held.abs() {
            because.say("delta is out of its band: {} of {} are kept", [most, held].map(Arg::Qty));
        } else {
            because.say("{} were left when delta was restored: no more in this campaign", [Arg::Qty(most)]);
        }
        Verdict::cut(Target { qty: most, ..proposed })
    }

    /// What it reads and remembers stays as it is there.
    fn quiet(&self, _facts: &Facts, _proposed: Target, _because: &Because, _region: &mut Region) -> bool {
        true
    }

    fn commit(&mut self, step: &Step) {
        if step.outcome == Outcome::Cut {
            self.left = Some(step.after);
        }
    }

    fn save(&self, out: &mut StateWriter) {
        out.option(self.left, |out, left| out.i64(left.raw()));
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.left = from.option(StateReader::i64)?.map(Qty::from_raw);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    fn qty(text: &str) -> Qty {
        text.parse().unwrap()
    }

    fn decide(rule: &mut RestoreRule, held: &str, proposed: &str, kept: Option<&str>) -> (Qty, Outcome) {
        let mut facts = Facts::new(0);
        facts.set_now(units::Timestamp::from_nanos(1));
        facts.set(facts::POSITION, qty(held));
        facts.put(facts::RESTORED, kept.map(qty));
        rule.observe(&facts);
        let mut because = Because::default();
        because.begin(0, qty(proposed));
        let verdict = rule.evaluate(&facts, Target { base: qty(proposed), qty: qty(proposed) }, &mut because);
        because.end(&verdict);
        because.steps().iter().for_each(|step| rule.commit(step));
        (verdict.target.qty, verdict.outcome)
    }

    #[test]
    fn what_was_given_up_stays_away_until_the_campaign_ends() {
        let mut rule = RestoreRule::default();
        assert_eq!(decide(&mut rule, "10", "10", None), (qty("10"), Outcome::Kept));
        assert_eq!(decide(&mut rule, "10", "10", Some("7")), (qty("7"), Outcome::Cut));
        assert_eq!(decide(&mut rule, "7", "11", None), (qty("7"), Outcome::Cut), "equity grew");
        assert_eq!(decide(&mut rule, "7", "3", None), (qty("3"), Outcome::Kept), "others may lower it further");
        assert_eq!(decide(&mut rule, "3", "9", Some("2")), (qty("2"), Outcome::Cut));
        assert_eq!(decide(&mut rule, "0", "9", None), (qty("9"), Outcome::Kept), "closed: the next campaign is whole");
        assert_eq!(
            decide(&mut rule, "-4", "-4", Some("-1")),
            (qty("-1"), Outcome::Cut),
            "what was sold is bought back"
        );
        assert_eq!(decide(&mut rule, "-1", "5", None), (qty("5"), Outcome::Kept), "the other side is another campaign");
        assert_eq!(decide(&mut rule, "5", "5", Some("0")), (qty("0"), Outcome::Cut), "all of it");
    }
}
