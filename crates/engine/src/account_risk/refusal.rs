//! Why a fact of risk is not told.

use super::growth::DAYS_MIN;
use market::Currency;
use risk::growth::GrowthError;
use risk::liquidation::{BoundariesError, TouchError};
use risk::scenario::ScenarioError;
use risk::value_at_risk::{Factor, ValueAtRiskError};
use risk::venues::{Absent, MarginError, VenueModel};
use std::fmt;
use units::Duration;

/// Why a fact of margin, liquidation or a stress is not told.
#[derive(Debug, Clone, PartialEq)]
pub enum RiskRefusal {
    /// The run has no account at that venue.
    NoAccount(String),
    /// No margin model of that venue is known.
    NoModel(String),
    /// What the venue's model, or the portfolio that it is asked with, lacks. Rows are those of [`Engine::venue_portfolio`].
    Margin(MarginError),
    /// A figure is absent.
    Absent(Absent),
    /// What a currency is worth in the account's numéraire is not known yet.
    NoTranslation(Currency),
    /// A coin has no price yet.
    NoPrice(Currency),
    /// Neither a surface nor the strategy tells a volatility of a coin.
    NoVolatility(Currency),
    /// No stress has that name.
    NoStress(String),
    /// What the stress makes of the portfolio.
    Scenario(ScenarioError),
    /// Boundaries that cannot be searched.
    Boundaries(BoundariesError),
    /// A number of the path whose touching is asked for.
    Touch(TouchError),
    /// The account has run for fewer whole days than tell of ruin and growth.
    TooFewDays {
        /// So many.
        count: usize,
    },
    /// What the account's returns say of ruin and growth.
    Growth(GrowthError),
    /// What value at risk lacks: history above all.
    ValueAtRisk(ValueAtRiskError),
    /// The history of a coin, or of its volatility, ended so long ago.
    Ended(Factor, Duration),
}

impl fmt::Display for RiskRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAccount(venue) => write!(f, "the run has no account at `{venue}`; add one with `[[accounts]]`"),
            Self::NoModel(venue) => {
                write!(f, "how `{venue}` margins is not known; venues with a model are ")?;
                for (at, known) in VenueModel::venues().enumerate() {
                    write!(f, "{}`{known}`", if at == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Margin(error) => error.fmt(f),
            Self::Absent(absent) => absent.fmt(f),
            Self::NoTranslation(currency) => {
                write!(f, "what {currency} is worth in the account's numéraire is not known yet")
            }
            Self::NoPrice(coin) => write!(f, "{coin} has no price yet"),
            Self::NoVolatility(coin) => {
                write!(f, "no volatility of {coin} is known; quote its options, or state one in `[size] volatility`")
            }
            Self::NoStress(name) => write!(f, "no stress is called `{name}`"),
            Self::Scenario(error) => error.fmt(f),
            Self::Boundaries(error) => error.fmt(f),
            Self::Touch(error) => error.fmt(f),
            Self::TooFewDays { count } => {
                write!(
                    f,
                    "the account has returns of {count} days, and {DAYS_MIN} are the fewest that tell of ruin and growth"
                )
            }
            Self::Growth(error) => error.fmt(f),
            Self::ValueAtRisk(error) => error.fmt(f),
            Self::Ended(factor, ago) => {
                write!(
                    f,
                    "what is known of {factor} ended {:.1} days ago: volatilities of then are not those of now",
                    ago.days()
                )
            }
        }
    }
}

impl RiskRefusal {
    /// Days of returns that tell anything of ruin and growth.
    pub const DAYS_MIN: usize = DAYS_MIN;

    /// What is so, without rows and without what to do about it: those are of a portfolio in a file.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Margin(error) => {
                let reason = error.reason().to_string();
                reason.rsplit_once("; ").map_or(reason.as_str(), |(what, _)| what).to_owned()
            }
            other => other.to_string(),
        }
    }

    /// Whether it is of the same kind, whatever numbers and instruments it names.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let inner = |refusal: &Self| match refusal {
            Self::Margin(error) => Some(std::mem::discriminant(error)),
            _ => None,
        };
        std::mem::discriminant(self) == std::mem::discriminant(other) && inner(self) == inner(other)
    }
}

impl std::error::Error for RiskRefusal {}

impl From<MarginError> for RiskRefusal {
    fn from(error: MarginError) -> Self {
        Self::Margin(error)
    }
}

impl From<GrowthError> for RiskRefusal {
    fn from(error: GrowthError) -> Self {
        Self::Growth(error)
    }
}

impl From<ValueAtRiskError> for RiskRefusal {
    fn from(error: ValueAtRiskError) -> Self {
        Self::ValueAtRisk(error)
    }
}

impl From<ScenarioError> for RiskRefusal {
    fn from(error: ScenarioError) -> Self {
        Self::Scenario(error)
    }
}
