//! What a participant wants, before there is a policy: `trimtab objectives` makes one of it (docs/objectives.md).

use crate::Diagnostic;
use std::collections::BTreeMap;
use std::ops::Range;
use units::Duration;

pub use crate::parse::objectives::parse;

/// Views of one file at most.
pub const VIEWS_MAX: usize = 100;

/// Objectives, checked: what they say goes together as far as no number has to be derived to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Objectives {
    /// The name that the policy will have.
    pub name: String,
    /// What is traded; of a style in options the structure's symbol.
    pub instruments: Vec<String>,
    /// Venue and underlying of the options that are sold.
    pub chain: Option<String>,
    /// How positions come about.
    pub style: Style,
    /// The recorded convictions of [`Style::Signal`].
    pub series: Option<String>,
    /// How long the drawdown is looked at.
    pub horizon: Duration,
    /// The worst drawdown that is borne, as a fraction.
    pub worst_drawdown: f64,
    /// How likely it may be within the horizon.
    pub probability: f64,
    /// The volatility wanted, a year; `None`: as much as the drawdown allows.
    pub target: Option<f64>,
    /// The return wanted, a year, over cash.
    pub expected_return: Option<f64>,
    /// The worst day that is borne, as a fraction of equity.
    pub daily_loss: Option<f64>,
    /// The most exposure that is borne, × equity.
    pub leverage: Option<f64>,
    /// The share of equity that is sized on.
    pub capital: f64,
    /// What is paid in, as it is written; of a single account.
    pub deposit: Option<String>,
    /// Venue and deposit of each account, where they are named.
    pub accounts: Vec<(String, String)>,
    /// Whether winners are added to.
    pub adds: bool,
    /// Whether winners are scaled out of.
    pub ladder: bool,
    /// What is thought of the market.
    pub views: Vec<View>,
    /// Where each key's value stands; those of views as `views.0.sharpe`.
    pub places: BTreeMap<String, Range<usize>>,
}

impl Objectives {
    /// The one side that views allow; `None`: both.
    #[must_use]
    pub fn side(&self) -> Option<Side> {
        self.views.iter().map(|view| view.side).find(|side| *side != Side::None)
    }

    /// Where a key's value stands, or where the text begins.
    #[must_use]
    pub fn place(&self, key: &str) -> Range<usize> {
        self.places.get(key).cloned().unwrap_or(0..0)
    }

    /// Whether only spot is traded, of which no more can be held than is paid for.
    #[must_use]
    pub fn is_spot(&self) -> bool {
        self.instruments.iter().all(|symbol| crate::spec::is_spot(symbol))
    }

    /// How many of the instruments each venue has.
    #[must_use]
    pub fn venues(&self) -> BTreeMap<&str, usize> {
        let mut venues = BTreeMap::new();
        for symbol in &self.instruments {
            *venues.entry(crate::spec::venue(symbol)).or_default() += 1;
        }
        venues
    }
}

/// How positions come about: what one policy can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Held at constant risk, on one side.
    Hold,
    /// Entered on breakouts, left on the opposite ones.
    Trend,
    /// The participant's own convictions, as a recorded series.
    Signal,
    /// Coin held, calls sold on it.
    CoveredCall,
    /// Calls and puts sold.
    ShortStrangle,
}

impl Style {
    /// Whether options are sold.
    #[must_use]
    pub fn sells_options(self) -> bool {
        matches!(self, Self::CoveredCall | Self::ShortStrangle)
    }

    /// The word that files have for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        crate::words::Word::word(self)
    }
}

/// A side of the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Side {
    /// It rises.
    Long,
    /// It falls.
    Short,
    /// No opinion.
    #[default]
    None,
}

/// What is thought of one instrument, or of all.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// `None`: of all.
    pub instrument: Option<String>,
    /// Which way.
    pub side: Side,
    /// How much it should earn.
    pub estimate: Option<Estimate>,
}

/// What a view should earn, and how well that is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Of what it is.
    pub of: Measure,
    /// How well it is known.
    pub known_by: KnownBy,
}

/// What an estimate is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Mean over cash ÷ volatility, a year.
    Sharpe,
    /// Mean over cash of a position of once its capital, a year.
    Return,
}

/// How well an estimate is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KnownBy {
    /// So long a record says it.
    Evidence(Duration),
    /// Its standard error, in its own unit.
    Error(f64),
}

/// What a text of objectives says, as far as it can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The objectives, if there is no error.
    pub objectives: Option<Objectives>,
    /// All findings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}
