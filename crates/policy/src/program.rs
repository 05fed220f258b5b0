//! A policy compiled to indicators and rules, and its unscaled twin.

use crate::Region;
use crate::compose;
use crate::facts::{self, Code, Fact, Facts};
use crate::indicator::{self, Indicator};
use crate::level::is_same;
use crate::risk_fact::RiskFact;
use crate::rule::{Because, EXITS_MAX, Rule, STEPS_MAX, Target};
use crate::rules::{SignalRule, SizeRule, SizeTerms, Sizing, TrimRule};
use crate::spec::{Cut, Hedge, OrderSize, Policy, Reentry, Resize, SizeKind, StreakOver, Trade, filled};
use std::fmt;
use units::{Cash, Duration, Ratio, SeriesId};

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
    /// Limits whose breach is answered by what costs least of all positions under them.
    pub reductions: Reductions,
}

/// Limits whose breach is answered by what costs least of all positions under them; the engine chooses.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reductions {
    /// In the order of the policy.
    pub limits: Vec<Reduction>,
    /// What a trade costs, as a share of its value.
    pub cost: f64,
    /// What impact adds for each unit of the quote currency traded at once, as a share of value.
    pub impact: f64,
    /// What a trade of an option costs beside its spread, as a share of its underlying.
    pub option_fee: f64,
}

/// One of them: beyond the limit it is brought back to the restore level.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduction {
    /// What is limited.
    pub of: RiskFact,
    /// The series that the engine tells it as.
    pub series: SeriesId,
    /// Over this; of a distance under it.
    pub limit: f64,
    /// Back to this.
    pub restore: f64,
}

impl Reduction {
    /// Whether a value of the fact is beyond the limit.
    #[must_use]
    pub fn is_breached(&self, value: f64) -> bool {
        let is_beyond = if self.of == RiskFact::Distance { value < self.limit } else { value > self.limit };
        is_beyond && !is_same(value, self.limit)
    }
}

impl Reductions {
    fn of(policy: &Policy, series: &dyn Fn(&str) -> Option<SeriesId>) -> Self {
        let limits = policy.limits.iter().filter(|limit| limit.cut == Cut::Cheapest);
        let limits = limits.filter_map(|limit| {
            let (of, series) = (limit.reducible()?, series(limit.of.lone_fact()?)?);
            Some(Reduction { of, series, limit: limit.limit.constant()?, restore: limit.restore.constant()? })
        });
        let backtest = &policy.backtest;
        let (cost, impact, option_fee) = (backtest.cost(), backtest.impact_each(), backtest.options.fee.approximate());
        Self { limits: limits.collect(), cost, impact, option_fee }
    }
}

/// What the engine needs to know to freeze a campaign's anchors and to tell rules of its orders.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CampaignTerms {
    /// Distance of the initial stop from the entry fill in N. `None`: the policy has no stop.
    pub initial_stop: Option<Ratio>,
    /// The time over which [`crate::facts::SENT`] counts orders. `None`: they are not counted.
    pub order_window: Option<Duration>,
    /// What it trades is a hedge: its orders are told as such.
    pub hedges: bool,
    /// Whose closed campaigns are told as [`crate::facts::WINS`]. `None`: nobody asks for more than the instrument's own.
    pub streak: Option<StreakOver>,
    /// How traded volume is counted. `None`: nobody asks.
    pub volume: Option<VolumeTerms>,
}

/// Windows in which the volume of an instrument is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeTerms {
    /// Their length, aligned to midnight UTC.
    pub window: Duration,
    /// How many of them the usual volume is the mean of; none where nobody asks.
    pub usual: u32,
    /// The series of recorded depth, the least of which counts instead of what is traded.
    pub depth: [Option<SeriesId>; 2],
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
        Self {
            indicators: Vec::new(),
            rules,
            campaign: CampaignTerms::default(),
            amounts: Vec::new(),
            reductions: Reductions::default(),
        }
        .checked()
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
        if let SizeKind::VolatilityTarget { sources, ratio_max_age, .. } = &policy.size.kind {
            indicators.extend(indicator::volatility(sources, *ratio_max_age, series));
        }
        let campaign = CampaignTerms {
            initial_stop: policy.stop.as_ref().map(|stop| stop.initial),
            order_window: policy.guards.max_orders.map(|rate| rate.per),
            hedges: false,
            streak: policy.streak.map(|streak| streak.over).filter(|over| *over != StreakOver::Instrument),
            volume: policy.caps.participation.map(|cap| {
                let usual = cap.exit.map_or(0, |exit| exit.usual.nanos() / cap.window.nanos());
                let mut depth = policy.caps.depth.iter().map(|name| series(name));
                let depth = [depth.next().flatten(), depth.next().flatten()];
                VolumeTerms { window: cap.window, usual: usual as u32, depth }
            }),
        };
        let sizes = [(facts::DUST, policy.trade.dust), (facts::LARGEST, policy.guards.max_order)];
        let amounts = amounts(sizes, policy, instrument);
        let reductions = Reductions::of(policy, series);
        Self { indicators, rules: compose::strategy(policy, instrument, series)?, campaign, amounts, reductions }
            .checked()
    }

    /// The hedge of a policy in one of its instruments: what the caps on exposure bear of it is taken; what is left is told.
    pub fn hedge(
        policy: &Policy,
        hedge: &Hedge,
        instrument: &str,
        series: &dyn Fn(&str) -> Option<SeriesId>,
    ) -> Result<Self, CompileError> {
        let series: &dyn Fn(&str) -> Option<SeriesId> = &|name| series(&filled(name, instrument));
        let order_window = policy.guards.max_orders.map(|rate| rate.per);
        let campaign = CampaignTerms { order_window, hedges: true, ..CampaignTerms::default() };
        let amounts = amounts([(facts::LARGEST, policy.guards.max_order)], policy, instrument);
        let (indicators, reductions) = (Vec::new(), Reductions::default());
        Self { indicators, rules: compose::hedge(policy, hedge, instrument, series)?, campaign, amounts, reductions }
            .checked()
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
        let (campaign, amounts, reductions) = (CampaignTerms::default(), Vec::new(), Reductions::default());
        Ok(Self { indicators: signal(policy, instrument, series)?, rules, campaign, amounts, reductions })
    }

    fn checked(self) -> Result<Self, CompileError> {
        // Each rule can add one refusal beside its verdict; the engine adds its own liquidation guard.
        if 2 * (self.rules.len() + 1) > STEPS_MAX { Err(CompileError::TooLong) } else { Ok(self) }
    }
}

/// Values of another currency than the instrument's, each with the fact that tells what it comes to.
fn amounts<const N: usize>(
    sizes: [(Fact<Cash>, Option<OrderSize>); N],
    policy: &Policy,
    instrument: &str,
) -> Vec<(Fact<Cash>, Cash, Code)> {
    let amount = |(fact, size): (Fact<Cash>, Option<OrderSize>)| match size?.of(&policy.instruments, instrument) {
        OrderSize::Worth(value, code) => Some((fact, value, code)),
        _ => None,
    };
    sizes.into_iter().filter_map(amount).collect()
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
        region.ask(index, rule.as_ref(), facts, target, because);
        let verdict = rule.evaluate(facts, target, because);
        because.end(&verdict);
        target = verdict.target;
    }
    region.end();
    target
}

/// The trigger of an initial stop at a distance behind an entry, rounded to the tick nearer to the market.
pub use crate::rules::initial_stop;
/// Wins in a row, after one more campaign has closed.
pub use crate::rules::wins_after;
