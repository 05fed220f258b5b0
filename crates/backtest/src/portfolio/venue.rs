//! Which venue's rules, with which parameters.

use super::book::Group;
use super::shape::{Wrong, one_of};
use market::{Currency, Instrument, is_dollar};
use pricing::options::Simd;
use risk::venues::{
    FileError, Margin, MarginError, MarginTerms, Parameters, Portfolio, TieredPosition, VenueRules, worst_orders,
};
use std::collections::BTreeSet;
use units::{Duration, Timestamp};

/// What is asked beside the portfolio.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The text of a parameter file: a whole one takes the place of the one that comes with Trimtab; one without `# valid_from:`
    /// replaces rows of it.
    pub parameters: Option<String>,
    /// Marks whose time is told and that are older are refused.
    pub max_age: Option<Duration>,
    /// The share of what is traded that an exit takes part in; `None`: no time to exit is asked for.
    pub participation: Option<f64>,
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

/// The user's own parameters, and whose they are.
pub(super) struct Own<'a> {
    text: &'a str,
    /// Whether they stand in place of a whole file.
    pub(super) is_whole: bool,
    /// What its `# name:` says, if it begins with a venue.
    of: Option<(&'a str, Option<&'a str>, Option<&'a str>)>,
}

impl<'a> Own<'a> {
    /// Checks them against the rules that are asked for, each with its coin, at a time.
    pub(super) fn new(
        request: &'a Request,
        asked: &[(VenueRules, Currency)],
        at: Timestamp,
    ) -> Result<Option<Self>, Vec<Wrong>> {
        let Some(text) = &request.parameters else { return Ok(None) };
        let wrong = |what: String, remedy: &str| vec![Wrong::new("", format_args!("--parameters: {what}"), remedy)];
        let comment = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.strip_prefix("# "));
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':').map(str::trim))
        };
        let name = comment("name");
        let is_whole = comment("valid_from").is_some();
        let mut words = name.unwrap_or_default().splitn(3, '-');
        let venue = words.next().filter(|venue| VenueRules::venues().any(|known| known == *venue));
        let margin = words.next().map(|margin| match margin {
            "srm" => "standard",
            "pmrm2" => "portfolio",
            other => other,
        });
        let of = venue
            .map(|venue| (venue, margin.filter(|margin| matches!(*margin, "standard" | "portfolio")), words.next()));
        let own = Self { text, is_whole, of };
        let refused = |error: FileError| wrong(error.to_string(), "docs/margin.md says how it is written");
        let names: Vec<String> = if is_whole {
            let parameters = Parameters::parse(text).map_err(refused)?;
            parameters.rows().map(|(name, _)| name.to_owned()).collect()
        } else {
            let mut rows = Parameters::okx();
            rows.replace_rows(text).map_err(refused)?;
            if let Some(until) = comment("valid_until") {
                let until: Timestamp = until.parse().map_err(|_| refused(FileError::Validity))?;
                if at >= until {
                    let what = format!("its rows hold until {until}, and it is {at}");
                    return Err(wrong(what, "give the venue's parameters of that time"));
                }
            }
            rows.rows().map(|(name, _)| name.to_owned()).collect()
        };
        if names.is_empty() {
            let remedy = "write rows `name,value` (docs/margin.md says which), or leave `--parameters` out";
            return Err(wrong("the file has no rows, so it says nothing".to_owned(), remedy));
        }
        let whose: Vec<VenueRules> =
            asked.iter().filter(|(rules, coin)| own.is_for(*rules, *coin)).map(|(rules, _)| *rules).collect();
        let is_one = || asked.windows(2).all(|pair| pair[0].0 == pair[1].0);
        if whose.is_empty() {
            let venues: BTreeSet<&str> = asked.iter().map(|(rules, _)| rules.venue()).collect();
            let venues: Vec<&str> = venues.into_iter().collect();
            let of_another_coin = own.of.and_then(|(venue, _, coin)| {
                let held = asked.iter().filter(|(rules, _)| rules.venue() == venue && is_coins(*rules));
                let coins: BTreeSet<String> = held.map(|(_, coin)| coin.to_string()).collect();
                let coins: Vec<String> = coins.into_iter().collect();
                Some((venue, coin.filter(|coin| !coins.is_empty() && coins.iter().all(|held| held != coin))?, coins))
            });
            if let Some((venue, coin, coins)) = of_another_coin {
                let name = name.unwrap_or_default();
                let what = format!("`{name}` is of {coin}, and what is held at {venue} is on {}", coins.join(", "));
                return Err(wrong(what, "give the parameters of that coin, which are other numbers"));
            }
            let what = format!(
                "`{}` is of none of the accounts, which are at {}",
                name.unwrap_or_default(),
                venues.join(", ")
            );
            return Err(wrong(what, "give the parameters of their venue, or correct its `# name:`"));
        }
        if is_whole && of.is_none() && !is_one() {
            let what =
                format!("`{}` does not say of which venue it is, and there are several", name.unwrap_or_default());
            return Err(wrong(what, "begin its `# name:` with the venue, such as `hyperliquid-own`"));
        }
        let mut unread: Vec<Wrong> = Vec::new();
        for name in names.iter().filter(|name| !whose.iter().any(|rules| rules.reads(name))) {
            let shipped: Vec<String> = asked
                .iter()
                .filter_map(|(rules, coin)| rules.parameters(*coin))
                .flat_map(|known| known.rows().map(|(name, _)| name.to_owned()).collect::<Vec<_>>())
                .collect();
            let remedy = match policy::nearest(name, shipped.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "docs/margin.md says which rows each model has; leave it out".to_owned(),
            };
            let what = format!("--parameters: nothing reads `{name}`");
            if !unread.iter().any(|said| said.what == what) {
                unread.push(Wrong::new("", what, remedy));
            }
        }
        if unread.is_empty() { Ok(Some(own)) } else { Err(unread) }
    }

    /// Whether they are for these rules.
    pub(super) fn is_for(&self, rules: VenueRules, coin: Currency) -> bool {
        let Some((venue, margin, of_coin)) = self.of else { return true };
        let is_coin = of_coin.is_none_or(|of| margin.is_none() || !is_coins(rules) || of == coin.as_str());
        venue == rules.venue()
            && margin.is_none_or(|margin| VenueRules::of(venue, Some(margin)) == Some(rules))
            && is_coin
    }
}

/// Whether parameters are of one coin.
fn is_coins(rules: VenueRules) -> bool {
    rules == VenueRules::DeribitPortfolio
}

/// The parameters: those that come with Trimtab, and what the user puts in their place.
/// `path` is the row that asks for them.
pub(super) fn parameters(
    (rules, coin): (VenueRules, Currency),
    path: &str,
    own: Option<&Own<'_>>,
) -> Result<Parameters, Wrong> {
    let shipped = rules.parameters(coin);
    let refused = |error: FileError| {
        Wrong::new("", format_args!("--parameters: {error}"), "docs/margin.md says how it is written")
    };
    let none = || {
        let what = format!("no parameters of {}'s portfolio margin for {coin} come with Trimtab", rules.venue());
        Wrong::new(path, what, "give a whole file with `--parameters FILE`")
    };
    let Some(own) = own.filter(|own| own.is_for(rules, coin)) else { return shipped.ok_or_else(none) };
    if own.is_whole {
        return Parameters::parse(own.text).map_err(refused);
    }
    let mut parameters = shipped.ok_or_else(none)?;
    // What only other rules read is left to them.
    let is_read =
        |line: &&str| line.starts_with('#') || line.split(',').next().is_some_and(|name| rules.reads(name.trim()));
    let rows: Vec<&str> = own.text.lines().filter(is_read).collect();
    parameters.replace_rows(&rows.join("\n")).map_err(refused)?;
    Ok(parameters)
}

/// What of it was not checked against its venue, where the model does not say so itself.
pub(super) fn unchecked(rules: VenueRules) -> Option<&'static str> {
    let by_data = matches!(rules, VenueRules::Binance | VenueRules::Bybit | VenueRules::Okx);
    by_data.then_some("margin by tiers as data: no account of this venue was reproduced")
}

impl Group {
    /// What the balances count that bear the margin.
    pub(crate) fn collateral(&self, parameters: &Parameters) -> Result<risk::venues::Figure, MarginError> {
        self.rules.collateral(&self.portfolio, parameters, &MarginTerms::of(self.coin, self.settle))
    }

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
