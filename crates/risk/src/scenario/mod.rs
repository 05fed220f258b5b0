//! What a portfolio gains or loses when everything moves at once: one engine for stresses, scenario margin and value at risk.
//!
//! A [`Portfolio`] holds options, futures, perpetuals and balances with their market; a [`Scenario`] is a joint move of prices,
//! volatilities, time, funding and pegs; [`Revaluation`] prices every option again under each of them and gives the profit of every
//! holding in the account's currency.

mod account;
mod bound;
mod followed;
mod joint;
mod moves;
mod order;
mod portfolio;
mod revaluation;
mod slack;
mod stress;

pub use bound::{Bound, Drift, Reach};
pub use followed::Followed;
pub use joint::JointMoves;
pub use moves::{Move, REFERENCE_DAYS, SHORT_DAYS, Scenario, SpotMoves, VolMove};
pub use portfolio::{Holding, Portfolio, Settlement};
pub use revaluation::{Outcomes, Ready, Revaluation};
pub use slack::Slack;
pub use stress::{Basis, MarginChange, NamedStress, StressError, StressNumber};

use market::Currency;
use pricing::options::Refusal;
use std::fmt;
use units::Timestamp;

/// Why a portfolio, or a scenario of it, was refused.
#[derive(Debug, Clone, PartialEq)]
pub enum ScenarioError {
    /// A currency without a price.
    NoPrice(Currency),
    /// A price that cannot be.
    Price(Currency, f64),
    /// An expiry without a forward.
    NoForward(Currency, Timestamp),
    /// A line that is no option.
    NoOption(usize),
    /// A number that no option can have.
    Number(Refusal),
    /// A slope of the smile that is not finite.
    Slope(f64),
    /// A number of a scenario that cannot be.
    Move {
        /// The scenario's name.
        scenario: String,
        /// Which number.
        what: &'static str,
        /// What it was.
        value: f64,
    },
    /// A number of one scenario of many that cannot be.
    Row {
        /// Which scenario, from zero.
        row: usize,
        /// Which number.
        what: &'static str,
        /// Of which currency.
        currency: Currency,
        /// What it was.
        value: f64,
    },
    /// A coin that moves by deviations and has no volatility.
    NoVol {
        /// The scenario's name.
        scenario: String,
        /// The coin.
        coin: Currency,
    },
    /// What a scenario makes of a price that was fine.
    Moved {
        /// The scenario's name.
        scenario: String,
        /// The currency.
        currency: Currency,
        /// Its price then.
        price: f64,
    },
    /// What a scenario makes of a line that was fine.
    Line {
        /// The scenario's name.
        scenario: String,
        /// The holding's line.
        line: usize,
        /// The number.
        refusal: Refusal,
    },
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPrice(currency) => write!(f, "{currency} has no price; set its price first"),
            Self::Price(currency, price) => {
                write!(f, "{currency} at {price} USD cannot be; a price lies between 1e-15 and 1e15, and USD is 1")
            }
            Self::NoForward(coin, expiry) => write!(f, "{coin} of {expiry} has no forward; set its forward first"),
            Self::NoOption(line) => write!(f, "line {line} is no option, so it has no volatility"),
            Self::Number(refusal) => refusal.fmt(f),
            Self::Slope(slope) => {
                write!(f, "the slope of a smile is {slope}; it must be finite, and 0 where there is none")
            }
            Self::Move { scenario, what, value } => {
                write!(f, "scenario `{scenario}`: the {what} is {value}; ")?;
                match *what {
                    "move of a price" | "move of a dollar" => f.write_str("it must be finite and above -1"),
                    "time that passes" | "floor of volatility" => f.write_str("it must be finite and not under 0"),
                    "shortest tenor in days" => f.write_str("it must be finite and above 0"),
                    _ => f.write_str("it must be finite"),
                }
            }
            Self::Row { row, what, currency, value } => {
                let remedy = if *what == "factor of a price" { "finite and above 0" } else { "finite" };
                write!(f, "scenario {}: the {what} of {currency} is {value}; it must be {remedy}", row + 1)
            }
            Self::NoVol { scenario, coin } => write!(
                f,
                "scenario `{scenario}` moves {coin} by deviations, and {coin} has no volatility; set its volatility"
            ),
            Self::Moved { scenario, currency, price } => {
                write!(f, "scenario `{scenario}` moves {currency} to {price} USD, which is no price; move it less")
            }
            Self::Line { scenario, line, refusal } => write!(f, "scenario `{scenario}`, line {line}: {refusal}"),
        }
    }
}

impl std::error::Error for ScenarioError {}

impl From<Refusal> for ScenarioError {
    fn from(refusal: Refusal) -> Self {
        Self::Number(refusal)
    }
}
