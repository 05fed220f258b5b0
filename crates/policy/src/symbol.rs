//! What a symbol tells of its currencies. A policy knows no catalogue: this is read off the name, by the habits of venues, as
//! docs/symbols.md has them. `import` reads symbols the same way, each by itself: a table there is what both are tested against.

use crate::parse::value::is_currency;

/// Quote currencies by which a pair without a separator is split. BUSD is none of them: BNBUSD and BTCBUSD look alike.
const QUOTES: [&str; 7] = ["USDT", "USDC", "USDE", "FDUSD", "USD", "EUR", "DAI"];
/// The same for spot pairs, which are also quoted in coin.
const SPOT_QUOTES: [&str; 2] = ["BTC", "ETH"];
/// Endings of perpetual contracts.
const PERPETUALS: [&str; 4] = ["-PERP", "-PERPETUAL", "-SWAP", "_PERP"];
/// Venues whose options in dollars are paid for and settled in coin.
const INVERSE_OPTIONS: [&str; 4] = ["binance", "bybit", "deribit", "okx"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// A symbol taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts<'a> {
    base: &'a str,
    quote: Option<&'a str>,
    is_spot: bool,
}

/// The venue of a symbol `venue:SYMBOL`.
///
/// ```
/// assert_eq!(policy::spec::venue("deribit:BTC-PERPETUAL"), "deribit");
/// ```
#[must_use]
pub fn venue(symbol: &str) -> &str {
    symbol.split_once(':').map_or(symbol, |(venue, _)| venue)
}

/// Base and quote currency of a symbol, where they can be told: of spot pairs, perpetuals, dated futures and options. The quote
/// currency of an inverse option is its coin, for that is what it is paid in.
///
/// ```
/// use policy::spec::currencies;
/// assert_eq!(currencies("binance:BTCUSDT-PERP"), Some(("BTC", "USDT")));
/// assert_eq!(currencies("binance:BTCUSDT"), Some(("BTC", "USDT")));
/// assert_eq!(currencies("binance:BTCUSDT-240628"), Some(("BTC", "USDT")));
/// assert_eq!(currencies("deribit:BTC-27DEC24"), Some(("BTC", "USD")));
/// assert_eq!(currencies("deribit:BTC_USDC-27DEC24-60000-C"), Some(("BTC", "USDC")));
/// assert_eq!(currencies("deribit:BTC-27DEC24-60000-C"), Some(("BTC", "BTC")));
/// assert_eq!(currencies("hyperliquid:BTC-PERP"), None);
/// ```
#[must_use]
pub fn currencies(symbol: &str) -> Option<(&str, &str)> {
    let parts = parts(symbol)?;
    Some((parts.base, parts.quote?))
}

/// The base currency of a symbol, where it can be told: also where the quote cannot, as in `hyperliquid:BTC-PERP`.
///
/// ```
/// assert_eq!(policy::spec::base("hyperliquid:BTC-PERP"), Some("BTC"));
/// assert_eq!(policy::spec::base("sim:WEATHER"), None);
/// ```
#[must_use]
pub fn base(symbol: &str) -> Option<&str> {
    parts(symbol).map(|parts| parts.base)
}

/// The currencies that a symbol may settle in: one where it tells, two where a contract in dollars may be inverse, none where
/// nothing can be told. The tape knows.
///
/// ```
/// use policy::spec::settlements;
/// assert_eq!(settlements("binance:BTCUSDT-PERP"), ["USDT"]);
/// assert_eq!(settlements("deribit:BTC-PERPETUAL"), ["BTC", "USD"]);
/// ```
#[must_use]
pub fn settlements(symbol: &str) -> Vec<&str> {
    match parts(symbol) {
        Some(Parts { base, quote: Some("USD"), is_spot: false }) => vec![base, "USD"],
        Some(Parts { quote: Some(quote), .. }) => vec![quote],
        _ => Vec::new(),
    }
}

/// Whether a currency is a dollar or a stablecoin of it.
///
/// ```
/// assert!(policy::spec::is_dollar("USDT") && !policy::spec::is_dollar("BTC"));
/// ```
#[must_use]
pub fn is_dollar(currency: &str) -> bool {
    ["USD", "USDT", "USDC", "USDE", "FDUSD", "BUSD", "TUSD", "DAI", "USDG"].contains(&currency)
}

/// Whether a symbol is known to be a spot pair.
pub(crate) fn is_spot(symbol: &str) -> bool {
    parts(symbol).is_some_and(|parts| parts.is_spot)
}

/// Whether a symbol is that of an option.
pub(crate) fn is_option(symbol: &str) -> bool {
    symbol.split_once(':').is_some_and(|(_, contract)| before_option(contract).is_some())
}

fn parts(symbol: &str) -> Option<Parts<'_>> {
    let (venue, contract) = symbol.split_once(':')?;
    let (pair, is_spot) = pair(contract);
    let (base, quote) = if let Some((base, quote)) = pair.split_once(['_', '/', '-']) {
        (base, Some(quote))
    } else {
        let spot: &[&str] = if is_spot { &SPOT_QUOTES } else { &[] };
        match QUOTES.iter().chain(spot).find_map(|quote| Some((pair.strip_suffix(quote)?, quote))) {
            Some(("", _)) | None if venue == "deribit" && !is_spot => (pair, Some("USD")),
            Some(("", _)) | None if !is_spot && !pair.ends_with("BUSD") => (pair, None),
            Some((base, quote)) if !base.is_empty() && !pair.ends_with("BUSD") => (base, Some(*quote)),
            _ => return None,
        }
    };
    let is_option = before_option(contract).is_some() || before_structure(contract).is_some();
    let is_inverse_option = quote == Some("USD") && INVERSE_OPTIONS.contains(&venue) && is_option;
    let quote = if is_inverse_option { Some(base) } else { quote };
    (is_base(base) && quote.is_none_or(is_currency)).then_some(Parts { base, quote, is_spot })
}

/// What stands before the kind of contract, and whether there is none.
fn pair(contract: &str) -> (&str, bool) {
    if let Some(pair) = PERPETUALS.iter().find_map(|ending| contract.strip_suffix(ending)) {
        return (pair, false);
    }
    if let Some(pair) = contract.strip_suffix("-SPOT") {
        return (pair, true);
    }
    if let Some(pair) = before_option(contract).or_else(|| before_structure(contract)) {
        return (pair, false);
    }
    match contract.rsplit_once(['-', '_']) {
        Some((pair, expiry)) if is_date(expiry) => (pair, false),
        _ => (contract, true),
    }
}

/// What stands before day, strike and right of an option: `BTC` of `BTC-27DEC24-60000-C`.
fn before_option(contract: &str) -> Option<&str> {
    let rest = contract.strip_suffix("-C").or_else(|| contract.strip_suffix("-P"))?;
    let (rest, strike) = rest.rsplit_once('-')?;
    let (pair, day) = rest.rsplit_once('-')?;
    let fits = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'd');
    let is_strike = strike.bytes().any(|byte| byte.is_ascii_digit()) && strike.bytes().all(fits);
    (is_strike && is_date(day)).then_some(pair)
}

/// What stands before the mark of a structure of options: `BTC` of `BTC-STRUCTURE.strangle`.
fn before_structure(contract: &str) -> Option<&str> {
    contract.split_once(crate::structure::MARK).map(|(pair, _)| pair)
}

/// `240628`, `20240628` or `27DEC24`.
fn is_date(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let by_name = MONTHS.iter().find_map(|month| text.split_once(month));
    by_name.is_some_and(|(day, year)| digits(day) && day.len() <= 2 && digits(year) && year.len() == 2)
        || (digits(text) && matches!(text.len(), 6 | 8))
}

/// One to ten upper-case letters and digits, at least one of them a letter: `1000PEPE` is one.
fn is_base(text: &str) -> bool {
    text.len() <= 10
        && text.bytes().any(|byte| byte.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of docs/symbols.md, which imports are tested against as well.
    #[test]
    fn symbols_are_what_the_document_says() {
        let text = include_str!("../../../docs/symbols.md");
        let rows = text.lines().filter(|line| line.starts_with("| `")).map(|line| {
            let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`'));
            std::array::from_fn::<_, 7, _>(|_| cells.next().unwrap_or_default())
        });
        let told = |cell| (cell != "–").then_some(cell);
        let mut seen = 0;
        for [_, symbol, kind, own_base, quote, settle, _] in rows {
            seen += 1;
            assert_eq!(base(symbol), told(own_base), "{symbol}");
            assert_eq!(currencies(symbol), told(own_base).zip(told(quote)), "{symbol}");
            // A contract in dollars may settle in coin; the tape knows whether it does.
            let expected = match told(settle) {
                _ if kind != "spot" && quote == "USD" => vec![own_base, "USD"],
                Some(settle) => vec![settle],
                None => Vec::new(),
            };
            assert_eq!(settlements(symbol), expected, "{symbol}");
        }
        assert!(seen >= 30, "{seen} symbols");
    }

    #[test]
    fn the_base_is_known_where_the_quote_is_not() {
        assert_eq!(base("hyperliquid:STETH-PERP"), Some("STETH"));
        assert_eq!(base("binance:BNBUSD-PERP"), None);
        assert_eq!(base("binance:USDT-PERP"), Some("USDT"));
        assert_eq!(base("deribit:BTC-27DEC24-60000-C"), Some("BTC"));
        assert_eq!(base("deribit:XRP_USDC-30JUN23-0d625-C"), Some("XRP"));
        assert_eq!(base("deribit:BTC-60000-C"), None);
        assert_eq!(base("sim:X"), None);
    }
}
