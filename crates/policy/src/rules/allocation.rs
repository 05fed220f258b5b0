//! What a strategy's own drawdown leaves of its capital. The size counts it already; here it is told, and nothing is held of nothing.

use super::position;
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Rule, Target, Verdict};
use crate::spec::DrawdownBudget;

/// Flat at the drawdown at which nothing is left; before, the step of a plan that tells what is.
pub(crate) struct AllocationRule {
    pub(crate) budget: DrawdownBudget,
}

const READS: &[FactId] = &[facts::OWN_DRAWDOWN.id()];

impl Rule for AllocationRule {
    fn name(&self) -> &'static str {
        "allocation"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let drawdown = facts.get(facts::OWN_DRAWDOWN).unwrap_or_default().get();
        if drawdown <= 0.0 {
            return Verdict::keep(proposed);
        }
        let left = self.budget.left(drawdown);
        let [down, most, left_over] = [drawdown, self.budget.most.get(), left].map(Arg::Percent);
        if left > 0.0 {
            if !proposed.qty.is_zero() {
                because.say("own drawdown {} of at most {}: {} of its capital is left", [down, most, left_over]);
            }
            return Verdict::keep(proposed);
        }
        if !position(facts).is_zero() {
            because.cannot_wait();
        }
        because.say("own drawdown {} of at most {}: nothing of its capital is left", [down, most]);
        Verdict::cut(Target::default())
    }

    /// A drawdown of its own changes at midnight only.
    fn quiet(&self, _: &Facts, _: Target, _: &Because, region: &mut Region) -> bool {
        region.rest();
        true
    }
}
