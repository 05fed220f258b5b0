//! A symbol taken apart, by the habits of venues, as docs/symbols.md has them. Policies read symbols the same way, each by itself:
//! a table in that document is what both are tested against.

use units::{OptionRight, Price, Timestamp};

/// Quote currencies by which a pair without a separator is split. BUSD is none of them: BNBUSD and BTCBUSD look alike.
const QUOTES: [&str; 7] = ["USDT", "USDC", "USDE", "FDUSD", "USD", "EUR", "DAI"];
/// The same for spot pairs, which are also quoted in coin.
const SPOT_QUOTES: [&str; 2] = ["BTC", "ETH"];
/// Endings of perpetual contracts.
const PERPETUALS: [&str; 4] = ["-PERP", "-PERPETUAL", "-SWAP", "_PERP"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// What its ending says that a symbol is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `-SPOT`, or no ending.
    Spot,
    Perpetual,
    /// With the begin of the day that it names.
    Dated(Timestamp),
    /// With the begin of the day that it names.
    Option {
        day: Timestamp,
        strike: Price,
        right: OptionRight,
    },
}

/// A symbol taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) venue: &'a str,
    pub(crate) base: &'a str,
    /// `None` where it cannot be told, as in `hyperliquid:BTC-PERP`.
    pub(crate) quote: Option<&'a str>,
    pub(crate) form: Form,
}

/// Takes a symbol apart; `None` if it is none.
pub(crate) fn parts(symbol: &str) -> Option<Parts<'_>> {
    let (venue, contract) = symbol.split_once(':')?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if venue.is_empty() || !venue.bytes().all(fits) {
        return None;
    }
    let (pair, form) = form(contract)?;
    let is_spot = form == Form::Spot;
    let (base, quote) = if let Some((base, quote)) = pair.split_once(['_', '/', '-']) {
        (base, Some(quote))
    } else {
        let spot: &[&str] = if is_spot { &SPOT_QUOTES } else { &[] };
        match QUOTES.iter().chain(spot).find_map(|quote| Some((pair.strip_suffix(quote)?, *quote))) {
            Some(("", _)) | None if venue == "deribit" && !is_spot => (pair, Some("USD")),
            Some(("", _)) | None if !is_spot && !pair.ends_with("BUSD") => (pair, None),
            Some((base, quote)) if !base.is_empty() && !pair.ends_with("BUSD") => (base, Some(quote)),
            _ => return None,
        }
    };
    (is_currency(base) && quote.is_none_or(is_currency)).then_some(Parts { venue, base, quote, form })
}

/// What stands before the ending, and what the ending says; `None` for a day that no month has.
fn form(contract: &str) -> Option<(&str, Form)> {
    if let Some(pair) = PERPETUALS.iter().find_map(|ending| contract.strip_suffix(ending)) {
        return Some((pair, Form::Perpetual));
    }
    if let Some(pair) = contract.strip_suffix("-SPOT") {
        return Some((pair, Form::Spot));
    }
    if let Some((rest, right)) = right(contract) {
        let (rest, strike) = rest.rsplit_once('-')?;
        let (pair, day) = rest.rsplit_once('-')?;
        let form = Form::Option { day: date(day)?.parse().ok()?, strike: self::strike(strike)?, right };
        return Some((pair, form));
    }
    let dated = contract.rsplit_once(['-', '_']).and_then(|(pair, ending)| Some((pair, date(ending)?)));
    match dated {
        Some((pair, date)) => Some((pair, Form::Dated(date.parse().ok()?))),
        None => Some((contract, Form::Spot)),
    }
}

/// What stands before `-C` or `-P`.
fn right(contract: &str) -> Option<(&str, OptionRight)> {
    let call = contract.strip_suffix("-C").map(|rest| (rest, OptionRight::Call));
    call.or_else(|| contract.strip_suffix("-P").map(|rest| (rest, OptionRight::Put)))
}

/// `60000`, `0.625` or, as Deribit writes it, `0d625`.
fn strike(text: &str) -> Option<Price> {
    let fits = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'd'));
    let price: Price = text.replacen('d', ".", 1).parse().ok()?;
    (fits && price > Price::ZERO).then_some(price)
}

/// `240628`, `20240628` or `27DEC24` as `2024-06-28`.
fn date(text: &str) -> Option<String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let by_name = MONTHS.iter().zip(1..).find_map(|(name, month)| Some((text.split_once(name)?, month)));
    if let Some(((day, year), month)) = by_name {
        let fits = is_number(day) && day.len() <= 2 && is_number(year) && year.len() == 2;
        return fits.then(|| format!("20{year}-{month:02}-{day:0>2}"));
    }
    let digits = match text.len() {
        6 => format!("20{text}"),
        8 => text.to_owned(),
        _ => return None,
    };
    is_number(&digits).then(|| format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]))
}

/// One to ten upper-case letters and digits, at least one of them a letter.
fn is_currency(text: &str) -> bool {
    text.len() <= 10
        && text.bytes().any(|byte| byte.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}
