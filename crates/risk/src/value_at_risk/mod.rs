//! Value at risk and expected shortfall of a portfolio, from where its scenarios come to whose the loss is (docs/value-at-risk.md).
//!
//! A [`History`] holds how prices and implied volatilities changed together; [`Moves`] are joint moves over a horizon that are made of
//! it: what happened, what happened at today's volatility, or drawn from a [`Law`]. A [`Book`] is priced again under each of them, time
//! gone by to the horizon ([`Profits`]), or looked at by its Greeks there ([`ByGreeks`]). [`Figures`] say what may be lost, how
//! exactly that is known, and what each part of the book adds.

mod again;
mod book;
mod by_greeks;
mod figures;
mod history;
mod law;
mod moves;

pub use again::Again;
pub use book::{Book, Dynamics};
pub use by_greeks::ByGreeks;
pub use figures::{Figures, Profits, Share};
pub use history::{Alone, FEWEST, HOLE, History, MODEL_ENOUGH, MODEL_FEWEST, has_own};
pub use law::{DEGREES_LEAST, Law, Tails};
pub use moves::{Forecast, Moves, Paths};

use crate::delta_gamma::QuadraticError;
use crate::scenario::ScenarioError;
use crate::tail::TailError;
use market::Currency;
use pricing::garch::FitError;
use std::fmt;
use units::math::ln;
use units::{Duration, Timestamp};

/// What moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Factor {
    /// The price of a coin, its forwards with it.
    Price(Currency),
    /// Implied volatilities of a coin's options: at the money, thirty days ahead.
    Vol(Currency),
    /// Those of short options: at the money, seven days ahead.
    ShortVol(Currency),
    /// The skew dσ/dln K of a coin's options at the forward, thirty days ahead.
    Skew(Currency),
}

impl Factor {
    /// The coin.
    #[must_use]
    pub fn coin(self) -> Currency {
        match self {
            Self::Price(coin) | Self::Vol(coin) | Self::ShortVol(coin) | Self::Skew(coin) => coin,
        }
    }

    /// Whether it changes by differences, after − before: what may be negative. Everything else changes by ln(after ÷ before).
    #[must_use]
    pub fn is_difference(self) -> bool {
        matches!(self, Self::Skew(_))
    }

    /// Its change from one level to another.
    #[must_use]
    pub fn change(self, before: f64, after: f64) -> f64 {
        if self.is_difference() { after - before } else { ln(after / before) }
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Price(coin) => write!(out, "{coin}"),
            Self::Vol(coin) => write!(out, "volatility of {coin}"),
            Self::ShortVol(coin) => write!(out, "short volatility of {coin}"),
            Self::Skew(coin) => write!(out, "skew of {coin}"),
        }
    }
}

/// Why there are no figures.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueAtRiskError {
    /// Rows, deviations or correlations of another number than there are factors; factors that are none, or one twice.
    Shape {
        /// Factors.
        factors: usize,
        /// Numbers.
        numbers: usize,
    },
    /// A change, level or deviation that cannot be.
    Number {
        /// Of what.
        factor: Factor,
        /// In which row, from zero.
        row: usize,
        /// What it is.
        value: f64,
    },
    /// Too little history.
    TooLittle {
        /// So many changes are there.
        count: usize,
        /// So many are needed.
        fewest: usize,
    },
    /// Too little history for a model of the GARCH family.
    TooLittleForModel {
        /// So many changes are there.
        count: usize,
        /// So many are needed.
        fewest: usize,
    },
    /// A factor that never changes.
    Constant(Factor),
    /// One change beside which all others are nothing.
    Alone {
        /// Of which factor.
        factor: Factor,
        /// Which change, from zero.
        row: usize,
        /// What it is, as [`Factor::change`] has it.
        change: f64,
        /// How many deviations of the others.
        times: f64,
        /// Of so many in all.
        of: usize,
    },
    /// A factor that stands still for a part of the history: its volatility of then, or of now, would be none.
    Still {
        /// Which one.
        factor: Factor,
        /// The first change that is none, from zero.
        first: usize,
        /// How many in a row.
        count: usize,
        /// Of so many in all.
        of: usize,
    },
    /// A forecast of the volatility of now that is mostly one of before a hole.
    Hole {
        /// Changes behind the hole.
        behind: usize,
        /// The share of the weight that lies before it.
        weight: f64,
    },
    /// An option that expires on the way, where Greeks at the horizon are asked for.
    Expires {
        /// What it is called, or its line.
        name: String,
        /// When.
        expiry: Timestamp,
    },
    /// A factor that moves as those before it do, or correlations that cannot be.
    Singular(Factor),
    /// A correlation that is none, or is stated differently in the other direction.
    Correlation(Factor, Factor, f64),
    /// Degrees of freedom under which there is no variance to speak of.
    Degrees(f64),
    /// A horizon that is no whole number of the history's steps.
    Horizon {
        /// What was asked for.
        horizon: Duration,
        /// The history's step.
        step: Duration,
    },
    /// A horizon that is longer than half of the history.
    Beyond {
        /// What was asked for.
        horizon: Duration,
        /// So long the history is.
        history: Duration,
    },
    /// A coin that is held, and nothing says how it moves.
    NoHistory(Currency),
    /// No forecast of a factor's variance.
    Forecast(Factor, FitError),
    /// A scenario in which a price changes as none does.
    Wild {
        /// Whose price.
        factor: Factor,
        /// Which scenario, from zero.
        scenario: usize,
        /// ln(after ÷ before).
        change: f64,
    },
    /// No scenario is asked for.
    NoScenarios,
    /// What the tail of profits refuses.
    Tail(TailError),
    /// What the revaluation refuses.
    Scenario(ScenarioError),
    /// What the distribution by Greeks refuses.
    Quadratic(QuadraticError),
}

impl ValueAtRiskError {
    /// What to do; empty where what is wrong says it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Shape { .. } => "state each factor once, and a number for each",
            Self::Number { .. } => "leave the row out or repair it",
            Self::TooLittle { .. } => "take a longer history or a shorter step",
            Self::TooLittleForModel { .. } => {
                "take a longer history, a shorter step, or exponential weights (`ewma`), which need no fit"
            }
            Self::Alone { .. } => "is its price right there? Repair the tape, or begin the history after it",
            Self::Constant(_) => "is it the right series? A price that stands still has no risk to tell",
            Self::Still { .. } => "was it told then? Leave that time out, or take a longer step",
            Self::Hole { .. } => {
                "volatilities of then are not those of now: ask when more has been told, or take a method that weighs all alike \
                 (`historical`)"
            }
            Self::Expires { .. } => "take another method, which prices it in full, or a shorter horizon",
            Self::Singular(_) => {
                "take a method that draws from no law (`historical`, `filtered`), leave it out, or take a longer history"
            }
            Self::Correlation(..) => "it lies between -1 and 1, and is the same both ways",
            Self::Horizon { .. } => "choose a horizon that is, or another step",
            Self::Beyond { .. } => "take a longer history or a shorter horizon",
            Self::NoHistory(_) => "add its prices to the history",
            Self::NoScenarios => "ask for 1,000 or more",
            Self::Wild { .. } => {
                "a price of the history is wrong, or its last ones are of another unit: repair the tape there, or take `historical`, which \
                 scales no change by the volatility of now"
            }
            Self::Tail(TailError::TooFew { .. }) => "take a longer history or a lower confidence",
            Self::Degrees(_) | Self::Forecast(..) | Self::Tail(_) | Self::Scenario(_) | Self::Quadratic(_) => "",
        }
    }

    /// What is wrong, without what to do.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Shape { factors, numbers } => format!("{numbers} numbers do not fit {factors} factors"),
            Self::Number { factor, row, value } => format!("{factor}, row {}: {value} cannot be", row + 1),
            Self::TooLittle { count, fewest } => {
                format!("{count} changes are too little history: {fewest} are the fewest")
            }
            Self::TooLittleForModel { count, fewest } => format!(
                "{count} changes are too little history for a GARCH model: {fewest} are the fewest, {MODEL_ENOUGH} or more tell its weights"
            ),
            Self::Alone { factor, row, change, times, of } => format!(
                "{factor} changes by {change:+.3} ({}) in change {} of {of}, {times:.0} deviations of all others",
                if factor.is_difference() { "a difference" } else { "of its logarithm" },
                row + 1
            ),
            Self::Constant(factor) => format!("{factor} never changes in the history"),
            Self::Still { factor, first, count, of } => {
                format!("{factor} stands still for {count} changes in a row, from number {} of {of} on", first + 1)
            }
            Self::Hole { behind, weight } => format!(
                "the history has a hole of more than {HOLE} steps, {behind} changes ago, and {:.0} % of the weight of the volatility of \
                 now lies before it",
                weight * 100.0
            ),
            Self::Expires { name, expiry } => {
                format!("the option {name} expires at {expiry}, before the horizon, where it has no Greeks but a kink")
            }
            Self::Singular(factor) => {
                format!(
                    "the covariance is singular at {factor}: it moves as those before it do, and no law can be drawn from"
                )
            }
            Self::Correlation(one, other, value) => format!("the correlation of {one} with {other} is {value}"),
            Self::Degrees(degrees) => format!(
                "Student's law with {degrees} degrees of freedom has no variance to speak of: {DEGREES_LEAST} are the fewest"
            ),
            Self::Horizon { horizon, step } => format!(
                "the horizon of {} is no whole number of the history's steps of {}",
                span(*horizon),
                span(*step)
            ),
            Self::Beyond { horizon, history } => {
                format!("the horizon of {} is longer than half of the history of {}", span(*horizon), span(*history))
            }
            Self::NoHistory(coin) => format!("{coin} is held and the history does not tell how it moves"),
            Self::Forecast(factor, error) => format!("{factor}: {error}"),
            Self::Wild { factor, scenario, change } => {
                format!("{factor} changes by a factor of e^{change:.0} in scenario {}, as none does", scenario + 1)
            }
            Self::NoScenarios => "no scenario is asked for".to_owned(),
            Self::Tail(TailError::TooFew { count, fewest }) => {
                format!("{count} scenarios have no tail at this confidence: {fewest} are the fewest")
            }
            Self::Tail(error) => error.to_string(),
            Self::Scenario(error) => error.to_string(),
            Self::Quadratic(error) => error.to_string(),
        }
    }
}

impl fmt::Display for ValueAtRiskError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what())?;
        match self.remedy() {
            "" => Ok(()),
            remedy => write!(out, "; {remedy}"),
        }
    }
}

impl std::error::Error for ValueAtRiskError {}

impl From<TailError> for ValueAtRiskError {
    fn from(error: TailError) -> Self {
        Self::Tail(error)
    }
}

impl From<ScenarioError> for ValueAtRiskError {
    fn from(error: ScenarioError) -> Self {
        Self::Scenario(error)
    }
}

/// In days or hours, whichever is whole.
fn span(span: Duration) -> String {
    let hours = span.days() * 24.0;
    if span.days().fract() == 0.0 { format!("{} d", span.days()) } else { format!("{hours} h") }
}
