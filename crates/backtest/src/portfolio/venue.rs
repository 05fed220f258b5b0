//! Which venue's rules, with which parameters.

use super::book::Group;
use super::shape::{Wrong, one_of};
use market::{Currency, Instrument, is_dollar};
use pricing::options::Simd;
use risk::venues::{
    FileError, Margin, MarginError, MarginTerms, Parameters, Portfolio, TieredPosition, VenueRules, worst_orders,
};
use units::Duration;

/// What is asked beside the portfolio.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The text of a parameter file: a whole one takes the place of the one that comes with Trimtab; one without `# valid_from:`
    /// replaces rows of it.
    pub parameters: Option<String>,
    /// Marks whose time is told and that are older are refused.
    pub max_age: Option<Duration>,
}

/// A venue's name, and whose rules if it says so: `deribit`, `deribit-portfolio`.
pub(super) fn split(venue: &str) -> Result<(&str, Option<&str>), Wrong> {
    let (name, margin) = match venue.split_once('-') {
        Some((name, margin)) => (name, Some(margin)),
        None => (venue, None),
    };
    let is_margin = |margin: &str| VenueRules::has_two(name) && matches!(margin, "standard" | "portfolio");
    if VenueRules::venues().any(|known| known == name) && margin.is_none_or(is_margin) {
        return Ok((name, margin));
    }
    let venues: Vec<&str> = VenueRules::venues().collect();
    let remedy =
        format!("it is one of {}, and of Deribit and Derive `-standard` or `-portfolio` behind it", one_of(&venues));
    Err(Wrong::new("", format_args!("`{venue}` is no venue whose margin is known"), remedy))
}

/// What an instrument is margined with: its coin, of rules for one coin, and what it settles in.
pub(super) fn key(rules: VenueRules, instrument: &Instrument) -> (Currency, Currency) {
    match rules {
        VenueRules::DeribitPortfolio => (instrument.base, instrument.base),
        VenueRules::DerivePortfolio => (instrument.base, instrument.settle),
        _ => (instrument.settle, instrument.settle),
    }
}

/// Whether instruments with other keys are margined apart; else they are refused by row, or margined together.
pub(super) fn is_split(rules: VenueRules) -> bool {
    rules != VenueRules::DerivePortfolio
}

/// Keys of an account without positions.
pub(super) fn keys_of_balances(
    rules: VenueRules,
    balances: impl Iterator<Item = Currency>,
    priced: impl Iterator<Item = Currency>,
) -> Vec<(Currency, Currency)> {
    let balances: Vec<Currency> = balances.collect();
    let dollar = balances.iter().copied().find(|currency| is_dollar(*currency));
    match rules {
        VenueRules::DerivePortfolio => {
            let coin = priced.into_iter().find(|currency| !is_dollar(*currency));
            coin.zip(dollar).into_iter().collect()
        }
        VenueRules::DeribitPortfolio => {
            balances.into_iter().filter(|currency| !is_dollar(*currency)).map(|coin| (coin, coin)).collect()
        }
        VenueRules::DeriveStandard => dollar.into_iter().map(|dollar| (dollar, dollar)).collect(),
        _ => balances.into_iter().map(|settle| (settle, settle)).collect(),
    }
}

/// The parameters: those that come with Trimtab, and what the user puts in their place.
pub(super) fn parameters(rules: VenueRules, coin: Currency, request: &Request) -> Result<Parameters, Wrong> {
    let shipped = rules.parameters(coin);
    let refused = |error: FileError| {
        Wrong::new("", format_args!("the parameter file: {error}"), "docs/margin.md says how it is written")
    };
    let none = || {
        let what = format!("no parameters of {}'s portfolio margin for {coin} come with Trimtab", rules.venue());
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

/// What of it was not checked against its venue, where the model does not say so itself.
pub(super) fn unchecked(rules: VenueRules) -> Option<&'static str> {
    let by_data = matches!(rules, VenueRules::Binance | VenueRules::Bybit | VenueRules::Okx);
    by_data.then_some("margin by tiers as data: no account of this venue was reproduced")
}

impl Group {
    /// The venue's margin of a portfolio, and, of margin by tiers, each position's own.
    pub(crate) fn margin(
        &self,
        portfolio: &Portfolio,
        parameters: &Parameters,
        simd: Simd,
    ) -> Result<(Margin, Vec<TieredPosition>), MarginError> {
        let Self { coin, settle, stated, open_interest, rules, .. } = self;
        let terms = MarginTerms { coin: *coin, settle: *settle, stated: *stated, open_interest, simd };
        rules.margin(portfolio, parameters, &terms)
    }
}

/// Initial margin that open orders need at worst, where the model does not count them: how much, and which fill.
pub(super) fn orders_beside(
    group: &Group,
    parameters: &Parameters,
    simd: Simd,
) -> Option<Result<(f64, Vec<usize>), MarginError>> {
    if group.rules.counts_orders() || group.portfolio.orders.is_empty() {
        return None;
    }
    let model = |portfolio: &Portfolio| Ok(group.margin(portfolio, parameters, simd)?.0);
    Some(worst_orders(&group.portfolio, model).map(|worst| (worst.needed, worst.filled)))
}
