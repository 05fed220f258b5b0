//! Adding to winners, stops, streaks, and leaving in parts.

use super::Setting;
use crate::expression::Expression;
use units::{Duration, Price, Ratio, Vol};

/// Adding to winners in units.
#[derive(Debug, Clone, PartialEq)]
pub struct Pyramid {
    /// Share of the base per unit, first unit first; adds up to 1.
    pub shares: Vec<f64>,
    /// Levels are measured from the frozen entry or from the last fill.
    pub spacing: Spacing,
    /// Distance between levels in N.
    pub step: Setting<Ratio>,
    /// An add lapses when its fill would be worse than its level by more than this many N. `None`: never.
    pub max_chase: Option<Ratio>,
    /// When the market is beyond several levels at once, this many units at most are added in one order.
    pub max_units_per_event: u32,
    /// No unit is added but while this holds.
    pub when: Option<Expression>,
}

impl Pyramid {
    /// Its number that is reckoned at every decision, if it is.
    pub(crate) fn setting(&self) -> Option<(&'static str, &'static str, &Expression)> {
        Some(("pyramid", "step", self.step.expression()?))
    }
}

/// What add levels are measured from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// The first fill, frozen.
    Entry,
    /// The last unit's fill.
    LastFill,
}

/// The protective stop of the whole position.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// Distance of the initial stop from the entry fill in N. Defines R.
    pub initial: Ratio,
    /// Whether each add moves the stop to the initial distance under its fill.
    pub follow: Follow,
    /// Distance of a trailing stop from the best price since entry, in N.
    pub trail: Option<Setting<Ratio>>,
    /// After this rung of the ladder, counted from 1, the stop is at the entry fill or better.
    pub break_even_after: Option<u32>,
    /// When a campaign that goes nowhere is closed.
    pub time: Option<TimeStop>,
    /// Whether the stop rests at the venue.
    pub trigger: Trigger,
}

impl Stop {
    /// Its number that is reckoned at every decision, if it is.
    pub(crate) fn setting(&self) -> Option<(&'static str, &'static str, &Expression)> {
        Some(("stop", "trail", self.trail.as_ref()?.expression()?))
    }
}

/// Where an exit waits for its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trigger {
    /// An order at the venue.
    #[default]
    Resting,
    /// Nothing rests: once the market has crossed the price, a market order goes out.
    Synthetic,
}

/// Closes a campaign that has not got far enough in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeStop {
    /// From the entry fill.
    pub after: Duration,
    /// How far the price had to go in favour by then, in R.
    pub reach: Ratio,
}

/// Anti-martingale: size grows by a factor with every win, up to a cap, and returns to the base after a loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Streak {
    /// Multiplies the multiplier at each win.
    pub factor: Ratio,
    /// The multiplier is never more than this.
    pub cap: Ratio,
    /// Whose campaigns count.
    pub over: StreakOver,
}

/// Whose wins and losses make a streak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreakOver {
    /// Those of the strategy in this instrument.
    #[default]
    Instrument,
    /// Those of the strategy in all of its instruments that trade in the account.
    Strategy,
    /// Those of all strategies that trade in the account.
    Account,
}

/// What the stop follows besides the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// Nothing.
    Entry,
    /// The last unit's fill.
    LastFill,
}

/// Scaling out in rungs.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder {
    /// The rungs, those of one kind nearest first.
    pub rungs: Vec<Rung>,
    /// What rungs wait for that wait for a condition.
    pub conditions: Vec<Expression>,
    /// What the fractions are of.
    pub of: FractionOf,
    /// Whether units may still be added after the first rung.
    pub readd: bool,
    /// This share of the peak size is never taken by rungs.
    pub runner: f64,
    /// Whether rungs at a price rest at the venue; others never do.
    pub trigger: Trigger,
}

/// One rung.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rung {
    /// What it waits for.
    pub at: RungAt,
    /// How much comes off.
    pub fraction: f64,
}

/// What a rung waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RungAt {
    /// So many R in favour of the entry fill.
    R(Ratio),
    /// So many N, frozen at entry, in favour of the entry fill.
    N(Ratio),
    /// A price move of this share in favour of the average entry price. Adds that move the average in favour take the rung
    /// along; it never moves back.
    Profit(Ratio),
    /// A price, where it is in favour of the entry fill.
    Price(Price),
    /// So long after the entry fill.
    Time(Duration),
    /// The volatility that sizing reads is at or over this.
    Volatility(Vol),
    /// The condition of this number among those of the ladder holds.
    When(u8),
}

impl RungAt {
    /// Whether it is not at a price: it can only be watched.
    pub(crate) fn is_watched(self) -> bool {
        matches!(self, Self::Time(_) | Self::Volatility(_) | Self::When(_))
    }

    /// The same for rungs of one kind: they are in order among themselves.
    pub(crate) fn kind(self) -> u8 {
        match self {
            Self::R(_) => 0,
            Self::N(_) => 1,
            Self::Profit(_) => 2,
            Self::Price(_) => 3,
            Self::Time(_) => 4,
            Self::Volatility(_) => 5,
            Self::When(_) => 6,
        }
    }
}

/// What a rung's fraction is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FractionOf {
    /// The first unit.
    First,
    /// The largest quantity held.
    Peak,
    /// The quantity held then.
    Current,
}
