//! How long facts of risk were not known, and why: measures of a run, and no state.

use super::{AccountRisk, Reading, RiskRefusal};
use crate::engine::Engine;
use crate::plan::Plan;
use units::{Duration, SeriesId, StrategyId, Timestamp};

/// How long a fact of risk that a strategy reads was not known for one kind of reason.
#[derive(Debug, Clone, PartialEq)]
pub struct UnknownFact {
    /// Whose rules read it.
    pub strategy: StrategyId,
    /// Its name is that of the series.
    pub series: SeriesId,
    /// Why, the last time.
    pub refusal: RiskRefusal,
    /// The first decision that went without it.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
    /// How long in all, from decision to decision.
    pub span: Duration,
}

impl UnknownFact {
    fn lasts(&mut self, longer: Duration) {
        self.span = Duration::from_nanos(self.span.nanos().saturating_add(longer.nanos()));
    }
}

/// Of one reading, reason by reason.
#[derive(Debug, Clone, Default)]
pub(super) struct Unknown {
    /// When it was last told.
    told: Option<Timestamp>,
    spells: Vec<UnknownFact>,
}

impl Unknown {
    /// It is told anew: until now it was what the last time made it.
    pub(super) fn tell(
        &mut self,
        (strategy, series): (StrategyId, SeriesId),
        now: Timestamp,
        before: Option<&RiskRefusal>,
        after: Option<&RiskRefusal>,
    ) {
        let since = self.told.replace(now).unwrap_or(now);
        if let Some(spell) = before.and_then(|before| self.spell(before)) {
            spell.lasts(now.since(since));
        }
        let Some(refusal) = after.cloned() else { return };
        match self.spell(&refusal) {
            Some(spell) => (spell.refusal, spell.last) = (refusal, now),
            None => {
                let (first, last, span) = (now, now, Duration::ZERO);
                self.spells.push(UnknownFact { strategy, series, refusal, first, last, span });
            }
        }
    }

    fn spell(&mut self, refusal: &RiskRefusal) -> Option<&mut UnknownFact> {
        self.spells.iter_mut().find(|spell| spell.refusal.is_like(refusal))
    }
}

impl Reading {
    /// What is not known of it until now.
    fn unknown(&self, now: Timestamp) -> Vec<UnknownFact> {
        let mut unknown = self.unknown.clone();
        let refusal = self.refusal.as_ref();
        if let Some(spell) = refusal.and_then(|refusal| unknown.spell(refusal)) {
            spell.lasts(now.since(self.unknown.told.unwrap_or(now)));
        }
        unknown.spells
    }
}

impl Engine {
    /// What facts of risk were not known at decisions so far, how long and why, strategy by strategy.
    #[must_use]
    pub fn unknown_risk(&self) -> Vec<UnknownFact> {
        let readings = self.risk.iter().flat_map(|risk| risk.readers.iter().flatten());
        readings.flat_map(|reading| reading.unknown(self.now)).collect()
    }
}

impl AccountRisk {
    /// Puts into a plan which facts of risk were not known at its decision, or would not have been after it, and why.
    #[cold]
    pub(crate) fn note_unknown(&self, plan: &mut Plan) {
        let unknown = self.readers[plan.strategy.index()].iter();
        plan.unknown = unknown.filter_map(|reading| Some((reading.series, reading.refusal.clone()?))).collect();
        let (scope, foreseen) = &self.foreseen;
        for (series, refusal) in foreseen.iter().filter(|_| *scope == plan.strategy.index()) {
            if plan.unknown.iter().all(|(known, _)| known != series) {
                plan.unknown.push((*series, refusal.clone()));
            }
        }
    }
}
