//! Facts of risk told to a strategy at its decision, spared where a proof stands for them, and noted in its plan.

use super::proof::Proof;
use super::{AccountRisk, NEVER, Reading, RiskRefusal};
use crate::engine::Engine;
use market::{Event, Source};
use policy::facts::{self, Fact};
use policy::{Arg, Concentrated, MarginFigure, RiskFact, STEPS_MAX};
use risk::venues::{Absent, Portfolio, VenueModel, VenueRules};
use units::{AccountId, Cash, Ratio, SeriesId, StrategyId};

/// Inputs between two searches for a proof where none was found.
const ASK_EVERY: u8 = 16;

/// The share that a raw bound of a region stands for; the bits of shares that are not negative stand in their order.
fn share_over(raw: i128) -> Option<f64> {
    // Under zero there is no share: every one is over it.
    if raw < 0 {
        return Some(-1.0);
    }
    u64::try_from(raw).ok().map(f64::from_bits).filter(|share| share.is_finite() && *share >= 0.0)
}

/// A sentence that names whose rules it is by: they are few, and a plan keeps sentences as they stand here.
macro_rules! by_rules {
    ($rules:expr, $before:literal) => {
        match $rules {
            Some(VenueRules::DeribitStandard) => concat!($before, " by Deribit's standard margin: full revaluation"),
            Some(VenueRules::DeribitPortfolio) => concat!($before, " by Deribit's portfolio margin: full revaluation"),
            Some(VenueRules::DeriveStandard) => {
                concat!($before, " by Derive's standard margin (SRM): full revaluation")
            }
            Some(VenueRules::DerivePortfolio) => {
                concat!($before, " by Derive's portfolio margin (PMRM-2): full revaluation")
            }
            Some(VenueRules::Hyperliquid) => concat!($before, " by Hyperliquid's tiers: full revaluation"),
            Some(VenueRules::Dydx) => concat!($before, " by dYdX v4's classes: full revaluation"),
            Some(VenueRules::Binance) => concat!($before, " by Binance's tiers: full revaluation"),
            Some(VenueRules::Bybit) => concat!($before, " by Bybit's tiers: full revaluation"),
            Some(VenueRules::Okx) => concat!($before, " by OKX's tiers: full revaluation"),
            None => concat!($before, ": full revaluation"),
        }
    };
}

impl Engine {
    /// Strategies that read facts of risk decide with every input of the market: what they read may have changed with any price.
    #[inline]
    pub(crate) fn touch_risk_readers(&mut self, source: Source, events: &[Event]) {
        let Some(risk) = &mut self.risk else { return };
        risk.moment += 1;
        if source != Source::Market {
            return;
        }
        if let Some(tails) = &mut risk.tails {
            tails.past.observe(self.now, events, &self.surfaces);
            if tails.keeps {
                self.forecast_losses();
            }
        }
        let Some(risk) = &self.risk else { return };
        for (scope, readings) in risk.readers.iter().enumerate() {
            if !readings.is_empty() {
                self.dirty.touch(scope as u32);
            }
        }
    }

    /// Tells a strategy the facts of risk that it reads, as they are now: before its rules are evaluated. Where its region leaves a
    /// fact enough room, a proof that it is still inside stands for that; if the region is left all the same, the rest is told then.
    #[inline]
    pub(crate) fn tell_risk(&mut self, index: usize, source: Source) {
        if source != Source::Market || !self.is_spared_again(index) {
            self.tell_risk_anew(index, source);
        }
    }

    /// Nearly every tick: what a strategy reads was spared at its last decision, and every proof still stands. Nothing is taken out of the
    /// engine and put back.
    #[inline]
    fn is_spared_again(&mut self, index: usize) -> bool {
        let (scope, Some(risk)) = (&self.scopes[index], self.risk.as_deref()) else { return false };
        let readings = &risk.readers[index];
        let stands = scope.region.is_known()
            && scope.reductions.is_none()
            && readings.iter().all(|reading| reading.is_spared && reading.stands(risk, self));
        let count = readings.len() as u64;
        if stands && let Some(risk) = &mut self.risk {
            risk.spared += count;
        }
        stands
    }

    #[cold]
    #[inline(never)]
    fn tell_risk_anew(&mut self, index: usize, source: Source) {
        let Some(mut risk) = self.risk.take() else { return };
        let mut readings = std::mem::take(&mut risk.readers[index]);
        let may_spare = source == Source::Market && self.scopes[index].region.is_known();
        for reading in &mut readings {
            reading.is_spared =
                may_spare && (reading.stands(&risk, self) || self.proves_again(&mut risk, index, reading));
            if reading.is_spared {
                risk.spared += 1;
            } else {
                self.tell_reading(&mut risk, index, reading);
                if may_spare {
                    self.prove_reading(&mut risk, index, reading);
                }
            }
        }
        risk.readers[index] = readings;
        self.risk = Some(risk);
    }

    /// The region was left: what a proof stood for is told after all, so that a decision goes by exact values alone.
    #[cold]
    pub(crate) fn tell_spared(&mut self, index: usize) {
        let Some(mut risk) = self.risk.take() else { return };
        let mut readings = std::mem::take(&mut risk.readers[index]);
        for reading in readings.iter_mut().filter(|reading| reading.is_spared) {
            self.tell_reading(&mut risk, index, reading);
        }
        if !readings.is_empty() {
            self.scopes[index].keep_told();
        }
        risk.readers[index] = readings;
        self.risk = Some(risk);
    }

    /// The decision just made changed nothing, and its region is known: looks for boxes in which facts of risk stay in it.
    #[cold]
    pub(crate) fn prove_risk(&mut self, index: usize) {
        let Some(mut risk) = self.risk.take() else { return };
        let mut readings = std::mem::take(&mut risk.readers[index]);
        for reading in &mut readings {
            self.prove_reading(&mut risk, index, reading);
        }
        risk.readers[index] = readings;
        self.risk = Some(risk);
    }

    /// Looks for a proof that a fact, which was told, stays where the strategy's region lets it be, if none was missing lately.
    fn prove_reading(&self, risk: &mut AccountRisk, index: usize, reading: &mut Reading) {
        let (scope, id) = (&self.scopes[index], facts::series(reading.series).id());
        if !scope.region.is_known() || reading.is_spared {
            return;
        }
        // A region that says nothing of a series does not care.
        let Some((low, high)) = scope.region.bounds(id) else {
            reading.is_free = true;
            return;
        };
        if !scope.facts.raw(id).is_some_and(|raw| low < raw && raw < high) {
            return;
        }
        if reading.until_asked > 0 {
            reading.until_asked -= 1;
            return;
        }
        self.find_proof(risk, index, reading, (low, high));
    }

    /// The proof of a fact ends: looks for another before the fact is computed.
    #[inline(never)]
    fn proves_again(&self, risk: &mut AccountRisk, index: usize, reading: &mut Reading) -> bool {
        let bounds = self.scopes[index].region.bounds(facts::series(reading.series).id());
        match bounds {
            Some(bounds) if reading.proof.is_some() => self.find_proof(risk, index, reading, bounds),
            _ => false,
        }
    }

    fn find_proof(
        &self,
        risk: &mut AccountRisk,
        index: usize,
        reading: &mut Reading,
        (low, high): (i128, i128),
    ) -> bool {
        let within = share_over(low).map(|low| (low, share_over(high).unwrap_or(f64::INFINITY)));
        let before = reading.proof.take();
        reading.proof = within.and_then(|within| Proof::of(risk, self, index, &reading.fact, within, before));
        if reading.proof.is_none() {
            reading.until_asked = ASK_EVERY;
        }
        reading.proof.is_some()
    }

    fn tell_reading(&mut self, risk: &mut AccountRisk, index: usize, reading: &mut Reading) {
        let value = match self.supposed(reading.series) {
            Some(supposed) => Ok(supposed),
            None => risk
                .value(self, index, &reading.fact)
                .and_then(|value| Ratio::new(value).ok_or(RiskRefusal::Absent(Absent::NotFinite))),
        };
        (reading.proof, reading.is_free, reading.is_spared) = (None, false, false);
        let scope = &mut self.scopes[index];
        scope.facts.put(facts::series(reading.series), value.as_ref().ok().copied());
        let refusal = value.err();
        if refusal.is_some() || reading.refusal.is_some() {
            reading.unknown.tell((scope.id, reading.series), self.now, reading.refusal.as_ref(), refusal.as_ref());
        }
        reading.refusal = refusal;
    }

    /// Tells a strategy the facts of risk that it reads of an account that is supposed to be as it is now. They are told anew afterwards.
    #[cold]
    pub(crate) fn tell_supposed(&mut self, index: usize) {
        let Some(mut risk) = self.risk.take() else { return };
        risk.look_again();
        let readings = std::mem::take(&mut risk.readers[index]);
        for reading in &readings {
            if self.supposed(reading.series).is_some() {
                continue;
            }
            let value = risk.value(self, index, &reading.fact).ok().and_then(Ratio::new);
            self.scopes[index].facts.put(facts::series(reading.series), value);
        }
        risk.readers[index] = readings;
        self.risk = Some(risk);
    }

    /// Keeps why facts of risk that a strategy reads are not known of an account that is supposed, for its plan.
    #[cold]
    pub(crate) fn foresee_unknown(&mut self, index: usize) {
        let Some(mut risk) = self.risk.take() else { return };
        let readings = std::mem::take(&mut risk.readers[index]);
        let told = readings.iter().filter(|reading| self.supposed(reading.series).is_none());
        let unknown = told.filter_map(|reading| Some((reading.series, risk.value(self, index, &reading.fact).err()?)));
        let unknown = unknown.collect();
        risk.readers[index] = readings;
        risk.foreseen = (index, unknown);
        self.risk = Some(risk);
    }

    /// A decision is about to be recorded: its plan tells the facts of risk that it rests on, which are exact.
    #[cold]
    pub(crate) fn note_risk(&mut self, index: usize) {
        let Some(risk) = &self.risk else { return };
        let scope = &mut self.scopes[index];
        risk.note_kept(scope, index);
        for reading in &risk.readers[index] {
            if scope.because.steps().len() >= STEPS_MAX {
                return;
            }
            let fact: Fact<Ratio> = facts::series(reading.series);
            let Some(value) = scope.facts.get(fact).map(Ratio::get) else { continue };
            // Of the account that the strategy trades in.
            let own = || risk.held.get(scope.account.index())?.model.as_ref().map(VenueModel::rules);
            let (template, number) = match &reading.fact {
                RiskFact::Margin { figure, venue, portfolio } => {
                    let rules = VenueRules::of(venue, Some(if *portfolio { "portfolio" } else { "standard" }));
                    let amount = Cash::from_estimate(value, units::Round::Nearest).unwrap_or_default();
                    match figure {
                        MarginFigure::Ratio => {
                            (by_rules!(rules, "maintenance margin is {} of equity"), Arg::Percent(value))
                        }
                        MarginFigure::Initial => (by_rules!(rules, "initial margin is {}"), Arg::Cash(amount)),
                        MarginFigure::Collateral => (by_rules!(rules, "collateral counts {}"), Arg::Cash(amount)),
                        MarginFigure::Maintenance => (by_rules!(rules, "maintenance margin is {}"), Arg::Cash(amount)),
                    }
                }
                RiskFact::Concentration { of: Concentrated::Venue } => {
                    ("the largest venue holds {} of all: full revaluation", Arg::Percent(value))
                }
                RiskFact::Concentration { of: Concentrated::Stablecoin } => {
                    ("the largest stablecoin is {} of all: full revaluation", Arg::Percent(value))
                }
                RiskFact::Leverage => ("leverage is {}: full revaluation", Arg::Number(value)),
                RiskFact::Distance if value >= NEVER => {
                    (by_rules!(own(), "no price is near that liquidates"), Arg::None)
                }
                RiskFact::Distance => (by_rules!(own(), "liquidated {} from here"), Arg::Percent(value)),
                RiskFact::Probability { horizon } => {
                    let args = [Arg::Duration(*horizon), Arg::Percent(value)];
                    let (held, template) = (scope.position, by_rules!(own(), "liquidated within {}: {} likely"));
                    scope.because.note(crate::ENGINE_RULE, held, held, template, args);
                    continue;
                }
                RiskFact::Tail(fact) => {
                    let args = [Arg::Percent(fact.confidence()), Arg::Duration(fact.horizon), Arg::Percent(value)];
                    let held = scope.position;
                    let template = match (fact.is_shortfall, fact.is_component) {
                        (false, false) => "value at risk, {} over {}, is {} of equity: full revaluation",
                        (true, false) => "expected shortfall, {} over {}, is {} of equity: full revaluation",
                        (false, true) => {
                            "the strategy's part of value at risk, {} over {}, is {} of equity: full revaluation"
                        }
                        (true, true) => {
                            "the strategy's part of expected shortfall, {} over {}, is {} of equity: full revaluation"
                        }
                    };
                    scope.because.note(crate::ENGINE_RULE, held, held, template, args);
                    continue;
                }
                RiskFact::Stress { .. } => {
                    ("the stress costs {} of equity, both in the numéraire: full revaluation", Arg::Percent(value))
                }
                RiskFact::Ruin { loss, horizon } => {
                    let loss = Arg::Percent(f64::from(*loss) / 10_000.0);
                    let args = [loss, Arg::Duration(*horizon), Arg::Percent(value)];
                    let held = scope.position;
                    let template = "down by {} within {}: {} likely, by days until midnight";
                    scope.because.note(crate::ENGINE_RULE, held, held, template, args);
                    continue;
                }
                RiskFact::Kelly { .. } => ("Kelly's multiple is {}, by days until midnight", Arg::Number(value)),
            };
            let held = scope.position;
            scope.because.note(crate::ENGINE_RULE, held, held, template, [number]);
        }
    }

    /// Why a fact of risk that a strategy's rules read was not told at its last decision. `None`: it was, or no rule reads it.
    #[must_use]
    pub fn risk_refusal(&self, strategy: StrategyId, series: SeriesId) -> Option<&RiskRefusal> {
        let readings = self.risk.as_ref()?.readers.get(strategy.index())?;
        readings.iter().find(|reading| reading.series == series)?.refusal.as_ref()
    }

    /// An account as its venue's margin model takes it, at the last marks. It needs a fact of risk in the catalogue.
    ///
    /// # Errors
    ///
    /// A position without a mark; a catalogue without such a fact.
    pub fn venue_portfolio(&self, account: AccountId) -> Result<Portfolio, RiskRefusal> {
        let at = account.index();
        let risk = self.risk.as_ref().ok_or_else(|| RiskRefusal::NoModel(String::new()))?;
        risk.portfolio(self, at..at + 1)
    }

    /// How often a fact of risk was computed since the engine was built, and how often a proof spared that.
    #[must_use]
    pub fn risk_readings(&self) -> (u64, u64) {
        self.risk.as_ref().map_or((0, 0), |risk| (risk.computed, risk.spared))
    }
}
