//! Hard limits.

use super::Setting;
use crate::expression::Expression;
use crate::facts::Code;
use crate::risk_fact::{MarginFigure, RiskFact};
use units::{Duration, Ratio};

/// Hard limits. A limit only ever lowers risk.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Caps {
    /// Gross notional ÷ equity.
    pub leverage: Option<LeverageLimit>,
    /// Exposure factors by drawdown, mildest first; zero at the last.
    pub drawdown: Vec<DrawdownLevel>,
    /// How a strategy that the last drawdown level made flat begins again. `None`: by hand.
    pub rearm: Option<Rearm>,
    /// Loss of a UTC day, as a share of the equity that it began with.
    pub daily_loss: Option<Ratio>,
    /// Loss of a UTC week, from Monday.
    pub weekly_loss: Option<Ratio>,
    /// What a loss limit does until its day or week ends.
    pub on_loss: OnLoss,
    /// What may be lost at the stop.
    pub open_risk: Option<OpenRisk>,
    /// The stop must lie inside the liquidation price by this share of the price.
    pub liquidation_distance: Option<Ratio>,
    /// What the market's own trading bears.
    pub participation: Option<Participation>,
    /// The recorded depth that it goes by instead of volume: names of series, one for each side of the book or one for the thinner,
    /// counted as the instrument counts. None: it goes by volume.
    pub depth: Vec<String>,
}

/// What is bought or sold to open and to add is at most a share of what the market trades, and what is held no more than that share gets
/// rid of in time. Exits are never held back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Participation {
    /// Share of the traded volume.
    pub share: Ratio,
    /// Volume is counted in windows of this length, aligned to midnight UTC.
    pub window: Duration,
    /// The time in which all can be sold again. `None`: as long as it may take.
    pub exit: Option<ExitTime>,
}

/// How long it may take to get out, at a share of the usual volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitTime {
    /// A larger position is cut.
    pub limit: Duration,
    /// Cut to this; increases stop there.
    pub restore: Duration,
    /// The usual volume is the mean of this time: whole windows, [`USUAL_WINDOWS_MAX`] at most.
    pub usual: Duration,
}

impl Caps {
    /// Its numbers that are reckoned at every decision.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static str, &'static str, &Expression)> {
        let levels =
            self.leverage.iter().flat_map(|cap| [("leverage", &cap.limit), ("leverage_restore", &cap.restore)]);
        levels.filter_map(|(key, setting)| Some(("caps", key, setting.expression()?)))
    }
}

/// A floor under equity: exposure is at most a multiple of what lies above it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor {
    /// What the floor is a share of.
    pub of: FloorOf,
    /// That share.
    pub share: Ratio,
    /// Exposure for a unit of equity above the floor.
    pub multiplier: Ratio,
    /// How far under what is borne exposure is brought back to, and by how much it may be under that, as a share.
    pub tolerance: Ratio,
}

/// What a floor is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloorOf {
    /// Deposits less withdrawals: constant-proportion portfolio insurance.
    Deposits,
    /// The highest equity: a bound on the drawdown.
    Highest,
}

/// How a strategy that is flat by drawdown begins again: its high-water mark restarts at the equity of then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rearm {
    /// This long after the last level was reached.
    After(Duration),
    /// Once this share of the drawdown is recovered (by other strategies of the account, or by funding).
    Recovered(Ratio),
}

/// What a loss limit does until its day or week ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLoss {
    /// Nothing is increased.
    #[default]
    NoIncrease,
    /// Everything is closed.
    Flat,
}

/// Loss from the price to the stop on the filled quantity, plus the cost of the exit, plus a gap: no entry, increase or add
/// goes beyond it. What is held is not cut by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenRisk {
    /// Share of equity.
    pub cap: Ratio,
    /// How much worse than its trigger the stop may fill, as a share of it.
    pub gap: Ratio,
    /// What the exit costs, as a share of its value. `None`: taker fee, half spread and slippage of `[backtest]`.
    pub exit_cost: Option<Ratio>,
}

/// A limit on a number of the language, such as `es(97.5%, 1d)`, and the level that a breach is brought back to.
#[derive(Debug, Clone, PartialEq)]
pub struct FactLimit {
    /// What plans call it. `None`: its number among the limits.
    pub name: Option<Code>,
    /// What is limited.
    pub of: Expression,
    /// On which side of the limit it is breached.
    pub breached: Breached,
    /// The limit, of the same unit.
    pub limit: Expression,
    /// What a breach is brought back to; increases stop there.
    pub restore: Expression,
    /// What a breach does.
    pub action: LimitAction,
    /// Which positions a reduction is made of.
    pub cut: Cut,
}

impl FactLimit {
    /// The fact of risk that it is of, where that is one of which it is known what each position adds to it: value at risk, expected
    /// shortfall, a stress, leverage or a venue's margin over a share; the distance to liquidation under one.
    #[must_use]
    pub fn reducible(&self) -> Option<RiskFact> {
        let fact = self.of.lone_fact()?.parse().ok()?;
        let is_over = match &fact {
            RiskFact::Tail(fact) => !fact.is_component,
            RiskFact::Margin { figure, .. } => *figure == MarginFigure::Ratio,
            RiskFact::Stress { .. } | RiskFact::Leverage => true,
            RiskFact::Distance => return (self.breached == Breached::Under).then_some(fact),
            _ => false,
        };
        (is_over && self.breached == Breached::Over).then_some(fact)
    }
}

/// Which positions of an account a limit reduces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cut {
    /// Each in the same proportion.
    #[default]
    Alike,
    /// Those whose reduction costs least for what it brings.
    Cheapest,
}

/// On which side of a limit it is breached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breached {
    /// Over it.
    Over,
    /// Under it.
    Under,
}

/// What the breach of a limit on a fact does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitAction {
    /// The position is reduced until what is limited is back at the restore level.
    #[default]
    Reduce,
    /// Nothing is increased until it is.
    NoIncrease,
    /// Everything is closed, and nothing opened until it is.
    Flat,
}

/// The limit of leverage, and the level that a breach is brought back to.
#[derive(Debug, Clone, PartialEq)]
pub struct LeverageLimit {
    /// Breached over this.
    pub limit: Setting<Ratio>,
    /// Brought back to this.
    pub restore: Setting<Ratio>,
}

impl LeverageLimit {
    /// Both levels, where they are always the same.
    #[must_use]
    pub fn declared(&self) -> Option<Limit> {
        Some(Limit { limit: self.limit.declared()?, restore: self.restore.declared()? })
    }
}

/// A limit and the level that a breach is brought back to; increases stop at the restore level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Breached over this.
    pub limit: Ratio,
    /// Brought back to this.
    pub restore: Ratio,
}

/// From a drawdown on, exposure is multiplied by a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawdownLevel {
    /// Reached at this drawdown.
    pub at: Ratio,
    /// Left again under this drawdown.
    pub restore: Ratio,
    /// Exposure factor while it is in force.
    pub factor: Ratio,
}
