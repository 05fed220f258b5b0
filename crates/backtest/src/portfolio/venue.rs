//! Which venue's rules, with which parameters.

use super::book::Group;
use super::shape::{Wrong, one_of};
use market::{Currency, Instrument, is_dollar};
use pricing::options::Simd;
use risk::venues::deribit::{DeribitPortfolio, standard_margin};
use risk::venues::derive::{self, Pmrm2};
use risk::venues::{
    FileError, Margin, MarginError, Parameters, Portfolio, TieredPosition, dydx, hyperliquid, tiered, worst_orders,
};
use units::Duration;

/// The rules of a venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Model {
    /// Deribit, standard margin.
    DeribitStandard,
    /// Deribit, portfolio margin.
    DeribitPortfolio,
    /// Derive, standard margin (SRM).
    DeriveStandard,
    /// Derive, portfolio margin (PMRM-2).
    DerivePortfolio,
    /// Hyperliquid.
    Hyperliquid,
    /// dYdX v4.
    Dydx,
    /// Binance, by tiers.
    Binance,
    /// Bybit, by tiers.
    Bybit,
    /// OKX, by tiers.
    Okx,
}

/// Names of the venues, in the order of help.
const VENUES: [&str; 7] = ["deribit", "derive", "hyperliquid", "dydx", "binance", "bybit", "okx"];

/// What is asked beside the portfolio.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The text of a parameter file: a whole one takes the place of the one that comes with Trimtab; one without `# valid_from:`
    /// replaces rows of it.
    pub parameters: Option<String>,
    /// Marks whose time is told and that are older are refused.
    pub max_age: Option<Duration>,
}

impl Model {
    /// A venue's name, and whose rules if it says so: `deribit`, `deribit-portfolio`.
    pub(super) fn split(venue: &str) -> Result<(&str, Option<&str>), Wrong> {
        let (name, margin) = match venue.split_once('-') {
            Some((name, margin)) => (name, Some(margin)),
            None => (venue, None),
        };
        let has_two = matches!(name, "deribit" | "derive");
        let fits = margin.is_none_or(|margin| has_two && matches!(margin, "standard" | "portfolio"));
        if VENUES.contains(&name) && fits {
            return Ok((name, margin));
        }
        let remedy = format!(
            "it is one of {}, and of Deribit and Derive `-standard` or `-portfolio` behind it",
            one_of(&VENUES)
        );
        Err(Wrong::new("", format_args!("`{venue}` is no venue whose margin is known"), remedy))
    }

    pub(super) fn of(venue: &str, margin: Option<&str>) -> Option<Self> {
        Some(match (venue, margin) {
            ("deribit", Some("standard")) => Self::DeribitStandard,
            ("deribit", Some("portfolio")) => Self::DeribitPortfolio,
            ("derive", Some("standard")) => Self::DeriveStandard,
            ("derive", Some("portfolio")) => Self::DerivePortfolio,
            ("hyperliquid", _) => Self::Hyperliquid,
            ("dydx", _) => Self::Dydx,
            ("binance", _) => Self::Binance,
            ("bybit", _) => Self::Bybit,
            ("okx", _) => Self::Okx,
            _ => return None,
        })
    }

    /// The venue's name.
    #[must_use]
    pub fn venue(self) -> &'static str {
        match self {
            Self::DeribitStandard | Self::DeribitPortfolio => "deribit",
            Self::DeriveStandard | Self::DerivePortfolio => "derive",
            Self::Hyperliquid => "hyperliquid",
            Self::Dydx => "dydx",
            Self::Binance => "binance",
            Self::Bybit => "bybit",
            Self::Okx => "okx",
        }
    }

    /// What an instrument is margined with: its coin, of models for one coin, and what it settles in.
    pub(super) fn key(self, instrument: &Instrument) -> (Currency, Currency) {
        match self {
            Self::DeribitPortfolio => (instrument.base, instrument.base),
            Self::DerivePortfolio => (instrument.base, instrument.settle),
            _ => (instrument.settle, instrument.settle),
        }
    }

    /// Whether instruments with other keys are margined apart; else they are refused by row, or margined together.
    pub(super) fn is_split(self) -> bool {
        !matches!(self, Self::DerivePortfolio)
    }

    /// Keys of an account without positions.
    pub(super) fn keys_of_balances(
        self,
        balances: impl Iterator<Item = Currency>,
        priced: impl Iterator<Item = Currency>,
    ) -> Vec<(Currency, Currency)> {
        let balances: Vec<Currency> = balances.collect();
        let dollar = balances.iter().copied().find(|currency| is_dollar(*currency));
        match self {
            Self::DerivePortfolio => {
                let coin = priced.into_iter().find(|currency| !is_dollar(*currency));
                coin.zip(dollar).into_iter().collect()
            }
            Self::DeribitPortfolio => {
                balances.into_iter().filter(|currency| !is_dollar(*currency)).map(|coin| (coin, coin)).collect()
            }
            Self::DeriveStandard => dollar.into_iter().map(|dollar| (dollar, dollar)).collect(),
            _ => balances.into_iter().map(|settle| (settle, settle)).collect(),
        }
    }

    /// The parameters: those that come with Trimtab, and what the user puts in their place.
    pub(super) fn parameters(self, coin: Currency, request: &Request) -> Result<Parameters, Wrong> {
        let shipped = match self {
            Self::DeribitStandard => Some(Parameters::deribit_standard()),
            Self::DeribitPortfolio => Parameters::deribit_portfolio(coin.as_str()),
            Self::DeriveStandard => Some(Parameters::derive_srm()),
            Self::DerivePortfolio => Some(Parameters::derive_pmrm2()),
            Self::Hyperliquid => Some(Parameters::hyperliquid()),
            Self::Dydx => Some(Parameters::dydx()),
            Self::Binance => Some(Parameters::binance()),
            Self::Bybit => Some(Parameters::bybit()),
            Self::Okx => Some(Parameters::okx()),
        };
        let refused = |error: FileError| {
            Wrong::new("", format_args!("the parameter file: {error}"), "docs/margin.md says how it is written")
        };
        let none = || {
            let what = format!("no parameters of {}'s portfolio margin for {coin} come with Trimtab", self.venue());
            Wrong::new("", what, "give a whole file with `--parameters FILE`")
        };
        let Some(text) = &request.parameters else { return shipped.ok_or_else(none) };
        if text.lines().any(|line| line.starts_with("# valid_from:")) {
            return Parameters::parse(text).map_err(refused);
        }
        let mut parameters = shipped.ok_or_else(none)?;
        parameters.replace_rows(text).map_err(refused)?;
        Ok(parameters)
    }

    /// The venue's margin of a portfolio, and, of margin by tiers, each position's own.
    pub(crate) fn margin(
        self,
        group: &Group,
        portfolio: &Portfolio,
        parameters: &Parameters,
        simd: Simd,
    ) -> Result<(Margin, Vec<TieredPosition>), MarginError> {
        let Group { coin, settle, stated, open_interest, .. } = group;
        let by_tiers = |found: risk::venues::Tiered| (found.margin, found.positions);
        let alone = |margin: Margin| (margin, Vec::new());
        match self {
            Self::DeribitStandard => standard_margin(portfolio, parameters, *settle).map(alone),
            Self::DeribitPortfolio => {
                Ok(alone(DeribitPortfolio::new(portfolio, parameters, *coin, *stated, simd)?.margin()))
            }
            Self::DeriveStandard => derive::standard_margin(portfolio, parameters, *settle).map(alone),
            Self::DerivePortfolio => Ok(alone(Pmrm2::new(portfolio, parameters, (*coin, *settle), simd)?.margin())),
            Self::Hyperliquid => hyperliquid(portfolio, parameters, *settle).map(by_tiers),
            Self::Dydx => dydx(portfolio, parameters, *settle, open_interest).map(by_tiers),
            Self::Binance | Self::Bybit | Self::Okx => tiered(portfolio, parameters, *settle).map(by_tiers),
        }
    }

    /// Whether the model itself counts open orders.
    pub(super) fn counts_orders(self) -> bool {
        !matches!(self, Self::DeriveStandard | Self::DerivePortfolio)
    }

    /// What of it was not checked against its venue, where the model does not say so itself.
    pub(super) fn unchecked(self) -> Option<&'static str> {
        let by_data = matches!(self, Self::Binance | Self::Bybit | Self::Okx);
        by_data.then_some("margin by tiers as data: no account of this venue was reproduced")
    }
}

/// Initial margin that open orders need at worst, where the model does not count them: how much, and which fill.
pub(super) fn orders_beside(
    group: &Group,
    parameters: &Parameters,
    simd: Simd,
) -> Option<Result<(f64, Vec<usize>), MarginError>> {
    if group.model.counts_orders() || group.portfolio.orders.is_empty() {
        return None;
    }
    let model = |portfolio: &Portfolio| Ok(group.model.margin(group, portfolio, parameters, simd)?.0);
    Some(worst_orders(&group.portfolio, model).map(|worst| (worst.needed, worst.filled)))
}
