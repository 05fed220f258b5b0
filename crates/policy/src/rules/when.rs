//! Conditions on what adds risk.

use super::guards::unchanged;
use super::{increases, position};
use crate::Region;
use crate::expression::Condition;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Add, Arg, Because, Rule, Step, Target, Verdict};

/// What a condition holds back while it does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gates {
    /// Entries, increases and adds: `[signal] when`.
    Increases,
    /// Units of a pyramid: `[pyramid] when`.
    Adds,
}

/// Nothing that adds risk goes out but while its condition holds. What is held stays, and exits are never held back.
pub(crate) struct WhenRule {
    gates: Gates,
    condition: Condition,
    reads: Vec<FactId>,
}

impl WhenRule {
    pub(crate) fn new(gates: Gates, condition: Condition) -> Self {
        let own = facts::POSITION.id();
        let asked = condition.reads().iter().copied().filter(|fact| *fact != own);
        let reads = asked.chain([own]).collect();
        Self { gates, condition, reads }
    }

    fn refuse_add(&self, add: Add, is_known: bool, because: &mut Because) {
        let sentence = match (self.gates, is_known) {
            (Gates::Increases, true) => "unit {} refused: `signal.when` does not hold",
            (Gates::Increases, false) => "unit {} refused: whether `signal.when` holds is not known",
            (Gates::Adds, true) => "unit {} refused: `pyramid.when` does not hold",
            (Gates::Adds, false) => "unit {} refused: whether `pyramid.when` holds is not known",
        };
        because.refused_add(add, sentence, [Arg::Count(add.unit)]);
        because.set_add(None);
    }
}

impl Rule for WhenRule {
    fn name(&self) -> &'static str {
        match self.gates {
            Gates::Increases => "signal_when",
            Gates::Adds => "pyramid_when",
        }
    }

    fn reads(&self) -> &[FactId] {
        &self.reads
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let holds = self.condition.holds(facts);
        if holds == Some(true) {
            return Verdict::keep(proposed);
        }
        if let Some(add) = because.add() {
            self.refuse_add(add, holds.is_some(), because);
        }
        let held = position(facts);
        if self.gates == Gates::Adds || !increases(proposed.qty, held) {
            return Verdict::keep(proposed);
        }
        match holds {
            Some(_) => because.say("nothing is opened or added: `signal.when` does not hold", []),
            None => {
                because.not_known();
                because.say("nothing is opened or added: whether `signal.when` holds is not known", []);
            }
        }
        Verdict::refuse(unchanged(proposed, held))
    }

    fn detail(&self, facts: &Facts, _step: &Step, out: &mut String) {
        self.condition.tell(facts, out);
    }

    /// While each comparison answers as it does now.
    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        self.condition.quiet(facts, region)
    }
}
