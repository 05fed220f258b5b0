//! What stands before the first section, and `[backtest]`.

use super::fields::{Field, Low, Takes};
use super::portfolio;
use super::reader::{Doc, Reader, Section};
use super::value::{Expr, Quantity, Unit};
use crate::codes::Code;
use crate::diagnostic::{is_unseen, quoted};
use crate::spec::{
    self, AccountTerms, Allocation, Backtest, Correlation, DrawdownBudget, INSTRUMENTS_MAX, OptionCosts, OptionMargin,
    VERSION, Weights,
};
use std::collections::BTreeSet;
use toml::Spanned;
use toml::de::DeValue;
use units::{Cash, Duration, Rate, Ratio};

const NAME_CHARACTERS_MAX: usize = 64;
pub(super) const SYMBOL_EXAMPLE: &str = "\"binance:BTCUSDT-PERP\"";

/// The version of the language, under the key that says which language it is.
pub(super) fn version<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>, key: &str) {
    let Some(root) = doc.section("") else { return };
    reader.require(root, &[(key, "1")]);
    let Some(value) = root.get(key) else { return };
    let found = match value.get_ref() {
        _ if reader.is_broken(&value.span()) => return,
        DeValue::Integer(version) if version.radix() == 10 => version.as_str().parse::<u64>().ok(),
        _ => None,
    };
    let text = reader.language().text;
    let (message, label, help) = match found {
        Some(found) if (1..=u64::from(VERSION)).contains(&found) => return,
        Some(found) if found > u64::from(VERSION) => (
            format!("this {text} was made for a newer trimtab"),
            format!("this build reads version {VERSION}"),
            format!("update trimtab; a lower number here could change what the {text} means"),
        ),
        Some(0) => (
            "there never was a version 0 of the language".to_owned(),
            "versions begin at 1".to_owned(),
            format!("write `{key} = {VERSION}` and check what it says"),
        ),
        _ => (
            format!("`{key}` is the version of the language"),
            "is not a version".to_owned(),
            format!("write `{key} = 1`"),
        ),
    };
    reader.error(Code::Version, value.span(), message, label, help);
}

/// What is wrong with a name that people read: `None` of one to 64 characters that are all seen.
#[must_use]
pub fn name_fault(name: &str) -> Option<String> {
    Some(match name.chars().count() {
        0 => "is empty".to_owned(),
        count if count > NAME_CHARACTERS_MAX => format!("has {count} characters"),
        _ if name.chars().any(char::is_control) => "has control characters".to_owned(),
        _ if name.chars().any(is_unseen) => "has characters that are not seen".to_owned(),
        _ if name.trim() != name => "begins or ends with a space".to_owned(),
        _ => return None,
    })
}

pub(super) fn name<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Option<String> {
    let root = doc.section("")?;
    reader.require(root, &[("name", "\"btc-trend\"")]);
    let value = root.get("name")?;
    let name = reader.string(root, "name", value)?;
    let Some(label) = name_fault(name) else { return Some(name.to_owned()) };
    let message = format!("`name` is one to {NAME_CHARACTERS_MAX} printable characters");
    reader.error(Code::Text, value.span(), message, label, "write for example `name = \"btc-trend\"`");
    None
}

/// The instruments: one under `instrument`, or a list under `instruments`. An empty answer has been reported.
pub(super) fn instruments<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Vec<String> {
    let Some(root) = doc.section("") else { return Vec::new() };
    if !root.has("instruments") {
        if !root.has_misspelt("instruments") {
            reader.require(root, &[("instrument", SYMBOL_EXAMPLE)]);
        }
        return root
            .get("instrument")
            .and_then(|value| instrument(reader, root, "instrument", value))
            .into_iter()
            .collect();
    }
    if root.has("instrument") {
        let message = "`instrument` and `instruments` are both set";
        let help = "put all of them under `instruments`, and take `instrument` out";
        reader.error(Code::Instruments, root.key_place("instrument"), message, "which one is meant?", help);
    }
    let example = "[\"binance:BTCUSDT-PERP\", \"binance:ETHUSDT-PERP\"]";
    let Some(entries) = reader.entries(root, "instruments", INSTRUMENTS_MAX, example) else { return Vec::new() };
    let mut places = BTreeSet::new();
    let mut found = Vec::new();
    let mut is_whole = true;
    for entry in entries {
        match instrument(reader, root, "instruments", entry) {
            None => is_whole = false,
            Some(symbol) if !places.insert(symbol.clone()) => {
                let message = format!("`{symbol}` is listed twice");
                reader.error(Code::Instruments, entry.span(), message, "again", "list each instrument once");
            }
            Some(symbol) => found.push(symbol),
        }
    }
    // A hole would let the rest be judged as if it were all.
    if is_whole { found } else { Vec::new() }
}

/// A venue is a word in lower case.
pub(super) fn is_venue(venue: &str) -> bool {
    venue.starts_with(|first: char| first.is_ascii_lowercase())
        && venue.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

pub(super) fn instrument<'t>(
    reader: &mut Reader<'t>,
    root: &Section<'_, 't>,
    key: &str,
    value: &Spanned<DeValue<'t>>,
) -> Option<String> {
    let text = reader.string(root, key, value)?;
    let is_symbol = |symbol: &str| {
        symbol.starts_with(|first: char| first.is_ascii_alphanumeric())
            && symbol.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'))
    };
    let (label, help) = match text.split_once(':') {
        Some((venue, symbol)) if is_venue(venue) && is_symbol(symbol) => return Some(text.to_owned()),
        Some((venue, symbol)) if is_venue(&venue.to_lowercase()) && is_symbol(symbol) => {
            ("the venue is in lower case", format!("write `\"{}:{symbol}\"`", venue.to_lowercase()))
        }
        Some((_, symbol)) if is_symbol(symbol) => {
            ("the venue is a word in lower case", format!("write for example `{SYMBOL_EXAMPLE}`"))
        }
        Some(_) => {
            ("a symbol is letters, digits, `-`, `_`, `.` and `/`", format!("write for example `{SYMBOL_EXAMPLE}`"))
        }
        None => ("the venue is missing", format!("write for example `{SYMBOL_EXAMPLE}`")),
    };
    reader.error(Code::Instrument, value.span(), "an instrument is `venue:SYMBOL`", label, help);
    None
}

const CAPITAL: Field = Field {
    key: "capital",
    takes: Takes::Share,
    low: Low::Over(0.0),
    most: 1.0,
    range: "over 0 and at most 100%",
    example: "\"60%\"",
};
const MULTIPLIER: Field = Field {
    key: "multiplier",
    takes: Takes::Number,
    low: Low::Over(0.0),
    most: 10.0,
    range: "over 0 and at most 10",
    example: "1.5",
};

/// Share of the account's equity that the strategy sizes on.
pub(super) fn capital<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Ratio {
    let whole = Ratio::new(1.0).unwrap_or_default();
    doc.section("").and_then(|root| reader.ratio(root, &CAPITAL)).unwrap_or(whole)
}

pub(super) fn allocation<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Allocation {
    let default = Allocation::default();
    let Some(section) = doc.section("allocation") else { return default };
    let correlation = correlation(reader, section);
    let multiplier = if correlation.is_some() && !section.has("multiplier") {
        Ratio::new(MOST_MULTIPLIER).unwrap_or_default()
    } else {
        reader.ratio(section, &MULTIPLIER).unwrap_or(default.multiplier)
    };
    let drawdown = drawdown_budget(reader, section);
    Allocation { over: reader.word(section, "over").unwrap_or(default.over), multiplier, correlation, drawdown }
}

const MOST_DOWN: Field = Field {
    key: "drawdown",
    takes: Takes::Share,
    low: Low::Least(0.01),
    most: 1.0,
    range: "between 1 and 100%",
    example: "\"25%\"",
};

fn drawdown_budget<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<DrawdownBudget> {
    if section.has("drawdown_window") {
        reader.require(section, &[("drawdown", "\"25%\"")]);
    }
    let days = |days: i64| Duration::from_nanos(days * Duration::DAY.nanos());
    let window = match section.has("drawdown_window") {
        true => Some(reader.duration(section, "drawdown_window", (days(1), days(3_660)), "\"365d\"")?),
        false => None,
    };
    Some(DrawdownBudget { most: reader.ratio(section, &MOST_DOWN)?, window })
}

/// What diversification may multiply positions by, where the policy says nothing.
const MOST_MULTIPLIER: f64 = 2.5;

fn correlation<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<Correlation> {
    if section.has("weights") {
        reader.require(section, &[("correlation", "\"90d\"")]);
    }
    let weights = if section.has("weights") { reader.word(section, "weights") } else { Some(Weights::default()) };
    if !section.has("correlation") {
        return None;
    }
    let days = |days: i64| Duration::from_nanos(days * Duration::DAY.nanos());
    let window = reader.duration(section, "correlation", (days(31), days(750)), "\"90d\"")?;
    let days = u32::try_from(window.nanos() / Duration::DAY.nanos()).ok()?;
    Some(Correlation { days, weights: weights? })
}

/// The largest amount of money: a million millions.
pub(super) const AMOUNT_MAX: i128 = 1_000_000_000_000 * Cash::ONE;

pub(super) const TAKER_FEE: Field = fee("taker_fee", Low::Least(0.0), "between 0 and 10%", "\"5bp\"");
// A negative fee is a rebate.
pub(super) const MAKER_FEE: Field = fee("maker_fee", Low::Least(-0.01), "between -1% and 10%", "\"2bp\"");
const HALF_SPREAD: Field = fee("half_spread", Low::Least(0.0), "between 0 and 10%", "\"0.5bp\"");
const SLIPPAGE: Field = fee("slippage", Low::Least(0.0), "between 0 and 10%", "\"1bp\"");
const IMPACT: Field = fee("impact", Low::Least(0.0), "between 0 and 10%", "\"0.2bp\"");
const OPTION_FEE: Field = fee("option_fee", Low::Least(0.0), "between 0 and 10%", "\"3bp\"");
const OPTION_MARGIN: Field = Field {
    key: "option_margin",
    takes: Takes::Share,
    low: Low::Least(0.001),
    most: 1.0,
    range: "between 0.1% and 100% of the underlying, or \"venue\"",
    example: "\"15%\"",
};
const OPTION_MAINTENANCE: Field = Field {
    key: "option_maintenance",
    range: "between 0.1% and 100% of the underlying",
    example: "\"10%\"",
    ..OPTION_MARGIN
};
const TWIN_BASE: Field = Field {
    key: "twin_base",
    takes: Takes::Number,
    low: Low::Over(0.0),
    most: 125.0,
    range: "over 0 and at most 125",
    example: "1.0",
};

const fn fee(key: &'static str, low: Low, range: &'static str, example: &'static str) -> Field {
    Field { key, takes: Takes::Share, low, most: 0.1, range, example }
}

pub(super) fn backtest<'t>(
    reader: &mut Reader<'t>,
    doc: &Doc<'_, 't>,
    instruments: &[String],
    accounts: &[AccountTerms],
) -> Backtest {
    let default = Backtest::default();
    let Some(section) = doc.section("backtest") else { return default };
    let (deposit, deposit_currency) = deposit(reader, section, instruments).unzip();
    let (fee_tiers, fee_currency) = portfolio::fee_tiers(reader, section);
    let first = fee_tiers.first().copied();
    let venues = venues(doc, instruments, accounts);
    let margin = option_margin(reader, section);
    let mut rate = |field: &Field| {
        let raw = reader.exact(section, field, Rate::SCALE)?;
        i64::try_from(raw).ok().map(Rate::from_raw)
    };
    Backtest {
        taker_fee: rate(&TAKER_FEE).or(first.map(|tier| tier.taker)).unwrap_or(default.taker_fee),
        maker_fee: rate(&MAKER_FEE).or(first.map(|tier| tier.maker)).unwrap_or(default.maker_fee),
        half_spread: rate(&HALF_SPREAD).unwrap_or(default.half_spread),
        slippage: rate(&SLIPPAGE).unwrap_or(default.slippage),
        impact: rate(&IMPACT).unwrap_or(default.impact),
        options: OptionCosts { fee: rate(&OPTION_FEE).unwrap_or(default.options.fee), margin },
        deposit: deposit.unwrap_or(default.deposit),
        deposit_currency: deposit_currency.flatten(),
        fee_tiers,
        fee_currency,
        latency: reader
            .duration(section, "latency", (Duration::ZERO, Duration::HOUR), "\"250ms\"")
            .unwrap_or(default.latency),
        twin_base: reader.ratio(section, &TWIN_BASE).unwrap_or(default.twin_base),
        flows: portfolio::flows(reader, section, &venues),
    }
}

/// What sold options need: `"venue"`, or a share for each of the two margins.
fn option_margin<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> OptionMargin {
    const VENUE: &str = "venue";
    let (key, least) = (OPTION_MARGIN.key, OPTION_MAINTENANCE.key);
    if section.get(key).is_some_and(|value| value.get_ref().as_str() == Some(VENUE)) {
        if section.has(least) {
            let message = "the venue's own rule says what sold options need to be kept";
            let label = format!("beside `{key} = \"{VENUE}\"` there is nothing to declare");
            let help = format!("leave `{least}` out, or write a share as `{key}`");
            reader.error(Code::OutOfRange, section.place(least), message, label, help);
        }
        return OptionMargin::Venue;
    }
    let OptionMargin::Flat { initial, maintenance } = OptionCosts::default().margin else {
        return OptionMargin::Venue;
    };
    let mut rate = |field: &Field| {
        let raw = reader.exact(section, field, Rate::SCALE)?;
        i64::try_from(raw).ok().map(Rate::from_raw)
    };
    let initial = rate(&OPTION_MARGIN).unwrap_or(initial);
    let maintenance = rate(&OPTION_MAINTENANCE).unwrap_or(maintenance);
    if maintenance > initial {
        let key = if section.has(least) { least } else { key };
        let message = "options would be liquidated as they are sold";
        let percent = |rate: Rate| rate.approximate() * 100.0;
        let label =
            format!("the maintenance of {} % is over the margin of {} %", percent(maintenance), percent(initial));
        let help = "raise `option_margin`, or lower `option_maintenance`";
        reader.error(Code::OutOfRange, section.place(key), message, label, help);
    }
    OptionMargin::Flat { initial, maintenance }
}

/// The venues that have an account. Empty where they cannot be told: what is missing may only be unread.
fn venues(doc: &Doc<'_, '_>, instruments: &[String], accounts: &[AccountTerms]) -> Vec<String> {
    let declared = doc.list("accounts").count();
    match (declared, instruments) {
        (0, [first, ..]) => vec![spec::venue(first).to_owned()],
        (1.., _) if accounts.len() == declared => accounts.iter().map(|account| account.venue.clone()).collect(),
        _ => Vec::new(),
    }
}

/// What is paid in, with its currency where the symbol leaves open what the contract settles in.
fn deposit<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    instruments: &[String],
) -> Option<(Cash, Option<String>)> {
    let settlements = instruments.first().map_or_else(Vec::new, |first| spec::settlements(first));
    let (raw, currency) = amount(reader, section, "deposit", &settlements, Cash::SCALE)?;
    if (1..=AMOUNT_MAX).contains(&raw) {
        let currency = currency.filter(|_| settlements.len() != 1).map(str::to_owned);
        return Some((Cash::from_raw(raw), currency));
    }
    let slot = section.slot("deposit", "\"1_000_000 USDT\"");
    reader.out_of_range(&slot, section.place("deposit"), "over 0 and at most a million millions");
    None
}

/// An amount with or without its currency, exactly. A currency that is none of those accepted is refused; where none can be
/// told, any will do.
pub(super) fn amount<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    key: &str,
    accepted: &[&str],
    scale: u32,
) -> Option<(i128, Option<&'t str>)> {
    let node = reader.node(section, key, section.get(key)?)?;
    let example = format!("\"1_000 {}\"", accepted.first().unwrap_or(&"USDT"));
    let Expr::Quantity(Quantity { number, unit: unit @ (Unit::None | Unit::Currency(_)) }) = &node.expr else {
        reader.wrong_unit(&section.slot(key, &example), &node, "an amount");
        return None;
    };
    let given = if let Unit::Currency(given) = unit { Some(*given) } else { None };
    if let Some(given) = given.filter(|given| !accepted.is_empty() && !accepted.contains(given)) {
        let expected = accepted.join(" or ");
        let message = format!("`{}` is in {expected}", section.path(key));
        let help = format!("write the amount in {expected}, or another instrument");
        reader.error(Code::Currency, node.span.clone(), message, format!("{} is not", quoted(given)), help);
        return None;
    }
    Some((reader.fixed(section, key, node.span.clone(), number, scale)?, given))
}
