//! A policy compiled to indicators and rules, and its unscaled twin.

use crate::Region;
use crate::expression::{Condition, Expression};
use crate::facts::{self, Code, Fact, Facts};
use crate::indicator::{self, Indicator};
use crate::rule::{Because, EXITS_MAX, Rule, STEPS_MAX, Target};
use crate::rules::{
    BlackoutRule, CollarRule, DrawdownCap, Gates, LadderRule, LeverageCap, LimitRule, LossLimit, MaxOrderRule,
    OpenRiskCap, OrderRateRule, PyramidRule, ReckonedLeverageCap, SignalRule, SizeRule, SizeTerms, Sizing, StopRule,
    StreakRule, TrimRule, WhenRule,
};
use crate::spec::{OrderSize, Policy, Reentry, Resize, RungAt, SizeKind, Trade, filled};
use std::fmt;
use units::{Cash, Duration, Rate, Ratio, SeriesId};

/// What the engine runs: indicators make facts, rules make the target, in this order.
pub struct Program {
    /// Run on every input, first.
    pub indicators: Vec<Box<dyn Indicator>>,
    /// Run on every evaluation, in order.
    pub rules: Vec<Box<dyn Rule>>,
    /// How the engine opens campaigns.
    pub campaign: CampaignTerms,
    /// Values that the engine tells in the quote currency of the instrument: as which fact, how much, and of what.
    pub amounts: Vec<(Fact<Cash>, Cash, Code)>,
}

/// What the engine needs to know to freeze a campaign's anchors and to tell rules of its orders.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CampaignTerms {
    /// Distance of the initial stop from the entry fill in N. `None`: the policy has no stop.
    pub initial_stop: Option<Ratio>,
    /// The time over which [`crate::facts::SENT`] counts orders. `None`: they are not counted.
    pub order_window: Option<Duration>,
}

/// Why a checked policy cannot run on this data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompileError {
    /// The tapes have no such series.
    UnknownSeries(String),
    /// More rules or rungs than a plan can hold.
    TooLong,
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSeries(name) => {
                write!(
                    f,
                    "the policy reads the series `{name}`, which no tape has; import it with `trimtab import series --name {name}`"
                )
            }
            Self::TooLong => write!(f, "the policy has more than {STEPS_MAX} rules or {EXITS_MAX} resting exits"),
        }
    }
}

impl std::error::Error for CompileError {}

impl Program {
    /// A program of one's own rules: what the built-in ones use is open to all.
    pub fn custom(rules: Vec<Box<dyn Rule>>) -> Result<Self, CompileError> {
        Self { indicators: Vec::new(), rules, campaign: CampaignTerms::default(), amounts: Vec::new() }.checked()
    }

    /// Compiles a policy for one of its instruments. `series` finds the id of a series by its name.
    pub fn compile(
        policy: &Policy,
        instrument: &str,
        series: &dyn Fn(&str) -> Option<SeriesId>,
    ) -> Result<Self, CompileError> {
        for name in policy.series_of(instrument) {
            series(&name).ok_or(CompileError::UnknownSeries(name))?;
        }
        let series: &dyn Fn(&str) -> Option<SeriesId> = &|name| series(&filled(name, instrument));
        let mut indicators = signal(policy, instrument, series)?;
        if let Some(unit) = &policy.unit {
            indicators.extend(indicator::unit(unit, series));
        }
        if let SizeKind::VolatilityTarget { sources, .. } = &policy.size.kind {
            indicators.extend(indicator::volatility(sources, series));
        }
        let campaign = CampaignTerms {
            initial_stop: policy.stop.as_ref().map(|stop| stop.initial),
            order_window: policy.guards.max_orders.map(|rate| rate.per),
        };
        let sizes = [(facts::DUST, policy.trade.dust), (facts::LARGEST, policy.guards.max_order)];
        let amount = |(fact, size): (Fact<Cash>, Option<OrderSize>)| match size?.of(instrument) {
            OrderSize::Worth(value, code) => Some((fact, value, code)),
            _ => None,
        };
        let amounts = sizes.into_iter().filter_map(amount).collect();
        Self { indicators, rules: rules(policy, instrument, series)?, campaign, amounts }.checked()
    }

    /// The unscaled twin (SEMANTICS): same signal, constant quantity base × equity at entry ÷ entry price × sign of the
    /// signal until the signal ends or flips; no adds, ladder, stop, volatility sizing or limits.
    pub fn twin(
        policy: &Policy,
        instrument: &str,
        series: &dyn Fn(&str) -> Option<SeriesId>,
    ) -> Result<Self, CompileError> {
        let series: &dyn Fn(&str) -> Option<SeriesId> = &|name| series(&filled(name, instrument));
        let fraction = policy.backtest.twin_base;
        let rules: Vec<Box<dyn Rule>> = vec![
            Box::new(SignalRule { sides: policy.signal.sides, reentry: Reentry::AtOnce, sign_only: true }),
            Box::new(SizeRule::new(
                Sizing::FixedFraction { fraction: fraction.into() },
                SizeTerms { resize: Resize::Entry, needs_unit: false, stop_units: 0.0, first_share: 1.0 },
            )),
            Box::new(TrimRule { trade: Trade::default(), resize: Resize::Entry, counts_collateral: false }),
        ];
        let (campaign, amounts) = (CampaignTerms::default(), Vec::new());
        Ok(Self { indicators: signal(policy, instrument, series)?, rules, campaign, amounts })
    }

    fn checked(self) -> Result<Self, CompileError> {
        // Each rule can add one refusal beside its verdict; the engine adds its own liquidation guard.
        if 2 * (self.rules.len() + 1) > STEPS_MAX { Err(CompileError::TooLong) } else { Ok(self) }
    }
}

/// The signal's indicator; its series may be missing from the tapes.
fn signal(
    policy: &Policy,
    instrument: &str,
    series: &dyn Fn(&str) -> Option<SeriesId>,
) -> Result<Vec<Box<dyn Indicator>>, CompileError> {
    let unknown = || CompileError::UnknownSeries(policy.series_of(instrument).into_iter().next().unwrap_or_default());
    Ok(vec![indicator::signal(&policy.signal.kind, series).ok_or_else(unknown)?])
}

/// Runs rules in order over the facts: each sees what the ones before it propose.
#[inline]
pub fn evaluate(rules: &[Box<dyn Rule>], facts: &Facts, because: &mut Because) -> Target {
    let mut target = Target::default();
    for (index, rule) in rules.iter().enumerate() {
        because.begin(index as u8, target.qty);
        let verdict = rule.evaluate(facts, target, because);
        because.end(&verdict);
        target = verdict.target;
    }
    target
}

/// The same, and asks each rule where it would answer the same.
pub fn evaluate_asking(rules: &[Box<dyn Rule>], facts: &Facts, because: &mut Because, region: &mut Region) -> Target {
    let mut target = Target::default();
    region.begin();
    for (index, rule) in rules.iter().enumerate() {
        because.begin(index as u8, target.qty);
        region.ask(rule.as_ref(), facts, target, because);
        let verdict = rule.evaluate(facts, target, because);
        because.end(&verdict);
        target = verdict.target;
    }
    region.end();
    target
}

/// SEMANTICS, Composition: signal, size, scale in, scale out, stop, caps, trim; then how orders may go out.
fn rules(
    policy: &Policy,
    instrument: &str,
    series: &dyn Fn(&str) -> Option<SeriesId>,
) -> Result<Vec<Box<dyn Rule>>, CompileError> {
    let dust = policy.trade.dust.map(|dust| dust.of(instrument));
    let resize = policy.size.resize;
    let has_unit_rung =
        policy.ladder.as_ref().is_some_and(|ladder| ladder.rungs.iter().any(|rung| matches!(rung.at, RungAt::N(_))));
    // The policy's own series are all there.
    let missing_setting =
        || CompileError::UnknownSeries(policy.series_of(instrument).into_iter().next().unwrap_or_default());
    let sizing = Sizing::compile(&policy.size.kind, series).ok_or_else(missing_setting)?;
    let terms = SizeTerms {
        resize,
        needs_unit: policy.stop.is_some() || policy.pyramid.is_some() || has_unit_rung,
        stop_units: policy.stop.as_ref().map_or(0.0, |stop| stop.initial.get()),
        first_share: policy.pyramid.as_ref().map_or(1.0, |pyramid| pyramid.shares[0]),
    };
    let mut rules: Vec<Box<dyn Rule>> = vec![
        Box::new(SignalRule { sides: policy.signal.sides, reentry: policy.signal.reentry, sign_only: false }),
        Box::new(SizeRule::new(sizing, terms)),
    ];
    if let Some(pyramid) = &policy.pyramid {
        let readd = policy.ladder.as_ref().is_none_or(|ladder| ladder.readd);
        rules.push(Box::new(PyramidRule::new(pyramid, resize, readd, series).ok_or_else(missing_setting)?));
    }
    if let Some(ladder) = &policy.ladder {
        let conditions = ladder.conditions.iter().map(|asked| condition(asked, series)).collect::<Result<_, _>>()?;
        rules.push(Box::new(LadderRule::new(ladder.clone(), conditions, resize, policy.trade.min_order, dust)));
    }
    if let Some(streak) = policy.streak {
        rules.push(Box::new(StreakRule::new(streak, resize)));
    }
    if let Some(stop) = &policy.stop {
        rules.push(Box::new(StopRule::new(stop, series).ok_or_else(missing_setting)?));
    }
    if !policy.caps.drawdown.is_empty() {
        rules.push(Box::new(DrawdownCap::new(policy.caps.drawdown.clone(), policy.caps.rearm)));
    }
    let losses = [policy.caps.daily_loss, policy.caps.weekly_loss];
    if losses.iter().any(Option::is_some) {
        rules.push(Box::new(LossLimit::new(losses, policy.caps.on_loss)));
    }
    if let (Some(risk), Some(stop)) = (policy.caps.open_risk, &policy.stop) {
        let terms = &policy.backtest;
        let costs = [terms.taker_fee, terms.half_spread, terms.slippage];
        let exit_cost = risk.exit_cost.map_or_else(|| costs.map(Rate::approximate).iter().sum(), Ratio::get);
        let (initial, follow) = (stop.initial.get(), stop.follow);
        rules.push(Box::new(OpenRiskCap { risk, exit_cost, initial, follow }));
    }
    match policy.caps.leverage.as_ref().map(|limit| (limit, limit.declared())) {
        None => {}
        Some((_, Some(limit))) => rules.push(Box::new(LeverageCap { limit })),
        Some((limit, None)) => {
            rules.push(Box::new(ReckonedLeverageCap::new(limit, series).ok_or_else(missing_setting)?));
        }
    }
    for (index, limit) in policy.limits.iter().enumerate() {
        rules.push(Box::new(
            LimitRule::new(index, limit, series)
                .ok_or_else(|| missing([&limit.of, &limit.limit, &limit.restore], series))?,
        ));
    }
    let counts_collateral = matches!(policy.size.kind, SizeKind::VolatilityTarget { .. });
    rules.push(Box::new(TrimRule { trade: Trade { dust, ..policy.trade.clone() }, resize, counts_collateral }));
    // Behind the trim they see the change that would go out.
    let gates = [
        (Gates::Increases, policy.signal.when.as_ref()),
        (Gates::Adds, policy.pyramid.as_ref().and_then(|pyramid| pyramid.when.as_ref())),
    ];
    for (gates, asked) in gates {
        if let Some(asked) = asked {
            rules.push(Box::new(WhenRule::new(gates, condition(asked, series)?)));
        }
    }
    let guards = &policy.guards;
    if !guards.blackout.is_empty() {
        rules.push(Box::new(BlackoutRule { windows: guards.blackout.clone() }));
    }
    if let Some(rate) = guards.max_orders {
        rules.push(Box::new(OrderRateRule { rate }));
    }
    if let Some(most) = guards.max_order {
        rules.push(Box::new(MaxOrderRule { most: most.of(instrument), min_order: policy.trade.min_order }));
    }
    if let Some(collar) = guards.price_collar {
        rules.push(Box::new(CollarRule { collar }));
    }
    Ok(rules)
}

/// A condition for the instrument whose series these are.
fn condition(asked: &Expression, series: &dyn Fn(&str) -> Option<SeriesId>) -> Result<Condition, CompileError> {
    asked.condition(series).ok_or_else(|| missing([asked], series))
}

/// The first series that expressions read and that is not there.
fn missing<const N: usize>(asked: [&Expression; N], series: &dyn Fn(&str) -> Option<SeriesId>) -> CompileError {
    let name = asked.into_iter().flat_map(Expression::series).find(|name| series(name).is_none());
    CompileError::UnknownSeries(name.unwrap_or_default().to_owned())
}

/// The trigger of an initial stop at a distance behind an entry, rounded to the tick nearer to the market.
pub use crate::rules::initial_stop;
