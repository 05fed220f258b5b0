//! A policy's rules, in the order of SEMANTICS, Composition: `target = base × filled-units fraction × ladder remaining × streak`, then
//! caps, then hedges, then caps again, then trim. How a decision runs through them is told in the engine's `pipeline.rs`.

use crate::expression::{Condition, Expression};
use crate::program::CompileError;
use crate::rule::Rule;
use crate::rules::{
    AllocationRule, BlackoutRule, CollarRule, DrawdownCap, ExitTimeCap, FloorCap, Gates, HedgeRule, HedgeTrim,
    LadderRule, LeverageCap, LimitRule, LossLimit, MaxOrderRule, ModeRule, OpenRiskCap, OrderRateRule,
    ParticipationCap, PyramidRule, ReckonedLeverageCap, RestoreRule, SignalRule, SizeRule, SizeTerms, Sizing,
    StaleRule, StopRule, StreakRule, TrimRule, WhenRule,
};
use crate::spec::{Hedge, Policy, RungAt, SizeKind, Trade};
use units::{Ratio, SeriesId};

type Rules = Vec<Box<dyn Rule>>;

/// The rules of a policy in one of its instruments.
pub(crate) fn strategy(
    policy: &Policy,
    instrument: &str,
    series: &dyn Fn(&str) -> Option<SeriesId>,
) -> Result<Rules, CompileError> {
    let mut composed = Composer { policy, instrument, series, rules: Rules::new() };
    // target = base × filled-units fraction × ladder remaining × streak,
    composed.base()?;
    composed.filled_units()?;
    composed.ladder()?;
    composed.streak();
    composed.protective_stop()?;
    // then caps,
    composed.caps();
    composed.cap_on_exposure()?;
    composed.limits()?;
    composed.restored();
    composed.liquidity();
    // then hedges, then caps again: strategies of their own, below;
    // then trim.
    composed.trim();
    // Behind the trim rules see the change that would go out.
    composed.conditions()?;
    composed.modes()?;
    composed.guards();
    Ok(composed.rules)
}

/// The rules of a hedge of a policy. What it hedges was capped as every strategy is.
pub(crate) fn hedge(
    policy: &Policy,
    hedge: &Hedge,
    instrument: &str,
    series: &dyn Fn(&str) -> Option<SeriesId>,
) -> Result<Rules, CompileError> {
    let mut composed = Composer { policy, instrument, series, rules: Rules::new() };
    // … then hedges,
    let cost = policy.backtest.cost();
    let buys_options = hedge.options().any(|(symbol, _)| symbol == instrument);
    composed.add(HedgeRule { hedge: hedge.clone(), cost, buys_options });
    // then caps again,
    composed.cap_on_exposure()?;
    // then trim.
    composed.add(HedgeTrim { hedge: hedge.clone(), cost, buys_options });
    // A mode acts on what is hedged, and the hedge follows; an old price of its own holds it.
    composed.stale();
    composed.guards();
    Ok(composed.rules)
}

struct Composer<'a> {
    policy: &'a Policy,
    instrument: &'a str,
    series: &'a dyn Fn(&str) -> Option<SeriesId>,
    rules: Rules,
}

impl Composer<'_> {
    fn add(&mut self, rule: impl Rule + 'static) {
        self.rules.push(Box::new(rule));
    }

    /// The policy's own series are all there: what else an expression reads is the first that is not.
    fn missing_setting(&self) -> CompileError {
        CompileError::UnknownSeries(self.policy.series_of(self.instrument).into_iter().next().unwrap_or_default())
    }

    /// A condition for the instrument whose series these are.
    fn condition(&self, asked: &Expression) -> Result<Condition, CompileError> {
        asked.condition(self.series).ok_or_else(|| self.missing([asked]))
    }

    /// The first series that expressions read and that is not there.
    fn missing<const N: usize>(&self, asked: [&Expression; N]) -> CompileError {
        let name = asked.into_iter().flat_map(Expression::series).find(|name| (self.series)(name).is_none());
        CompileError::UnknownSeries(name.unwrap_or_default().to_owned())
    }

    /// Which side a signal wants, and how large all units are together.
    fn base(&mut self) -> Result<(), CompileError> {
        let policy = self.policy;
        let has_unit_rung = policy
            .ladder
            .as_ref()
            .is_some_and(|ladder| ladder.rungs.iter().any(|rung| matches!(rung.at, RungAt::N(_))));
        let sizing = Sizing::compile(&policy.size.kind, self.series).ok_or_else(|| self.missing_setting())?;
        let terms = SizeTerms {
            resize: policy.size.resize,
            needs_unit: policy.stop.is_some() || policy.pyramid.is_some() || has_unit_rung,
            stop_units: policy.stop.as_ref().map_or(0.0, |stop| stop.initial.get()),
            first_share: policy.pyramid.as_ref().map_or(1.0, |pyramid| pyramid.shares[0]),
        };
        self.add(SignalRule { sides: policy.signal.sides, reentry: policy.signal.reentry, sign_only: false });
        self.add(SizeRule::new(sizing, terms));
        if let Some(budget) = policy.allocation.drawdown {
            self.add(AllocationRule { budget });
        }
        Ok(())
    }

    fn filled_units(&mut self) -> Result<(), CompileError> {
        let Some(pyramid) = &self.policy.pyramid else { return Ok(()) };
        let readd = self.policy.ladder.as_ref().is_none_or(|ladder| ladder.readd);
        let rule = PyramidRule::new(pyramid, self.policy.size.resize, readd, self.series);
        self.add(rule.ok_or_else(|| self.missing_setting())?);
        Ok(())
    }

    fn ladder(&mut self) -> Result<(), CompileError> {
        let Some(ladder) = &self.policy.ladder else { return Ok(()) };
        let conditions = ladder.conditions.iter().map(|asked| self.condition(asked)).collect::<Result<_, _>>()?;
        let (resize, trade) = (self.policy.size.resize, &self.policy.trade);
        let dust = trade.dust.map(|dust| dust.of(&self.policy.instruments, self.instrument));
        self.add(LadderRule::new(ladder.clone(), conditions, resize, trade.min_order, dust));
        Ok(())
    }

    fn streak(&mut self) {
        if let Some(streak) = self.policy.streak {
            self.add(StreakRule::new(streak, self.policy.size.resize));
        }
    }

    fn protective_stop(&mut self) -> Result<(), CompileError> {
        let Some(stop) = &self.policy.stop else { return Ok(()) };
        let rule = StopRule::new(stop, self.series);
        self.add(rule.ok_or_else(|| self.missing_setting())?);
        Ok(())
    }

    /// Drawdown, losses of a day or week, open risk.
    fn caps(&mut self) {
        let caps = &self.policy.caps;
        if !caps.drawdown.is_empty() {
            self.add(DrawdownCap::new(caps.drawdown.clone(), caps.rearm));
        }
        let losses = [caps.daily_loss, caps.weekly_loss];
        if losses.iter().any(Option::is_some) {
            self.add(LossLimit::new(losses, caps.on_loss));
        }
        if let (Some(risk), Some(stop)) = (caps.open_risk, &self.policy.stop) {
            let exit_cost = risk.exit_cost.map_or_else(|| self.policy.backtest.cost(), Ratio::get);
            let (initial, follow) = (stop.initial.get(), stop.follow);
            let impact = self.policy.backtest.impact_each();
            self.add(OpenRiskCap { risk, exit_cost, impact, initial, follow });
        }
    }

    /// What the policy lets be held of anything, a hedge too.
    fn cap_on_exposure(&mut self) -> Result<(), CompileError> {
        match self.policy.caps.leverage.as_ref().map(|limit| (limit, limit.declared())) {
            None => {}
            Some((_, Some(limit))) => self.add(LeverageCap { limit }),
            Some((limit, None)) => {
                let rule = ReckonedLeverageCap::new(limit, self.series);
                self.add(rule.ok_or_else(|| self.missing_setting())?);
            }
        }
        if let Some(floor) = self.policy.floor {
            self.add(FloorCap::new(floor));
        }
        Ok(())
    }

    fn limits(&mut self) -> Result<(), CompileError> {
        for (index, limit) in self.policy.limits.iter().enumerate() {
            let rule = LimitRule::new(index, limit, self.series);
            self.add(rule.ok_or_else(|| self.missing([&limit.of, &limit.limit, &limit.restore]))?);
        }
        Ok(())
    }

    /// What a hedge of the policy's own may give up.
    fn restored(&mut self) {
        if self.policy.hedges.iter().any(Hedge::gives_up) {
            self.add(RestoreRule::default());
        }
    }

    /// What the market's own trading bears of what is left.
    fn liquidity(&mut self) {
        let Some(cap) = self.policy.caps.participation else { return };
        let of_depth = !self.policy.caps.depth.is_empty();
        if let Some(exit) = cap.exit {
            self.add(ExitTimeCap { share: cap.share, window: cap.window, exit, of_depth });
        }
        self.add(ParticipationCap { share: cap.share, window: cap.window, of_depth });
    }

    fn trim(&mut self) {
        let Policy { trade, size, .. } = self.policy;
        let dust = trade.dust.map(|dust| dust.of(&self.policy.instruments, self.instrument));
        let counts_collateral = matches!(size.kind, SizeKind::VolatilityTarget { .. });
        self.add(TrimRule { trade: Trade { dust, ..trade.clone() }, resize: size.resize, counts_collateral });
    }

    fn conditions(&mut self) -> Result<(), CompileError> {
        let gates = [
            (Gates::Increases, self.policy.signal.when.as_ref()),
            (Gates::Adds, self.policy.pyramid.as_ref().and_then(|pyramid| pyramid.when.as_ref())),
        ];
        for (gates, asked) in gates {
            if let Some(asked) = asked {
                self.add(WhenRule::new(gates, self.condition(asked)?));
            }
        }
        Ok(())
    }

    /// What is left when trouble comes, from the mildest mode to the one that closes everything.
    fn modes(&mut self) -> Result<(), CompileError> {
        self.stale();
        for (mode, asked) in self.policy.modes.conditions() {
            self.add(ModeRule::new(mode, self.condition(asked)?, self.policy.modes.restore_after));
        }
        Ok(())
    }

    fn stale(&mut self) {
        if let Some(after) = self.policy.modes.stale_after {
            self.add(StaleRule::new(after));
        }
    }

    /// How orders may go out.
    fn guards(&mut self) {
        let guards = &self.policy.guards;
        if !guards.blackout.is_empty() {
            self.add(BlackoutRule { windows: guards.blackout.clone() });
        }
        if let Some(rate) = guards.max_orders {
            self.add(OrderRateRule { rate });
        }
        if let Some(most) = guards.max_order {
            let min_order = self.policy.trade.min_order;
            self.add(MaxOrderRule { most: most.of(&self.policy.instruments, self.instrument), min_order });
        }
        if let Some(collar) = guards.price_collar {
            self.add(CollarRule { collar });
        }
    }
}
