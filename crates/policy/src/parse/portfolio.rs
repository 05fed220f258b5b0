//! Accounts, money that is moved, fee tiers, and positions that are taken over.

use super::fields::Field;
use super::head::{self, amount};
use super::reader::{Doc, Reader, Section};
use super::schema::{FEE_TIERS, FLOWS};
use super::value::{Expr, Quantity, Unit};
use crate::codes::Code;
use crate::diagnostic::quoted;
use crate::spec::{
    self, AccountTerms, Adoption, DEPOSITS_MAX, Deposit, FEE_TIERS_MAX, FLOWS_MAX, FeeTier, Flow, FlowKind, Money,
    UNITS_MAX,
};
use toml::Spanned;
use toml::de::DeValue;
use units::{Cash, Price, Qty, Rate, Timestamp};

const TIME_EXAMPLE: &str = "\"2022-06-01T12:00:00Z\"";

pub(super) fn accounts<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Vec<AccountTerms> {
    let mut accounts: Vec<AccountTerms> = Vec::new();
    for section in doc.list("accounts") {
        reader.require(section, &[("venue", "\"deribit\""), ("deposit", "\"10 BTC\"")]);
        let venue = account(reader, section, "venue");
        let numeraire = currency(reader, section, "numeraire", "\"USD\"");
        let deposits = deposits(reader, section).unwrap_or_default();
        let Some(venue) = venue else { continue };
        if accounts.iter().any(|account| account.venue == venue) {
            let message = format!("there are two accounts at `{venue}`");
            let help = "a venue has one account; list all that is paid in under its `deposit`";
            reader.error(Code::Accounts, section.place("venue"), message, "again", help);
            continue;
        }
        accounts.push(AccountTerms { venue, numeraire, deposits });
    }
    accounts
}

/// An account, by its venue.
fn account<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, key: &str) -> Option<String> {
    let value = section.get(key)?;
    let venue = reader.string(section, key, value)?;
    if head::is_venue(venue) {
        return Some(venue.to_owned());
    }
    let message = format!("`{}` is a venue", section.path(key));
    let help = match head::is_venue(&venue.to_lowercase()) {
        true => format!("write `\"{}\"`", venue.to_lowercase()),
        false => "write what the symbols begin with, for example `\"binance\"`".to_owned(),
    };
    reader.error(Code::Accounts, value.span(), message, "a venue is a word in lower case", help);
    None
}

/// A currency's code.
fn currency<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, key: &str, example: &str) -> Option<String> {
    let value = section.get(key)?;
    let text = reader.string(section, key, value)?;
    let is_code = |text: &str| {
        (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    if is_code(text) {
        return Some(text.to_owned());
    }
    let message = format!("`{}` is a currency", section.path(key));
    let help = match is_code(&text.to_uppercase()) {
        true => format!("write `\"{}\"`", text.to_uppercase()),
        false => format!("write for example `{key} = {example}`"),
    };
    reader.error(Code::Currency, value.span(), message, "one to eight upper-case letters or digits", help);
    None
}

/// One amount or a list of them, each in a currency of its own.
fn deposits<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<Vec<Deposit>> {
    let value = section.get("deposit")?;
    let example = "[\"1_000_000 USDT\", \"2 BTC\"]";
    let entries = match value.get_ref().as_array() {
        Some(_) => reader.entries(section, "deposit", DEPOSITS_MAX, example)?,
        None => vec![value],
    };
    let mut deposits: Vec<Deposit> = Vec::new();
    for entry in entries {
        let Money { amount, currency } = money(reader, section, "deposit", entry)?;
        if deposits.iter().any(|known| known.currency.as_ref() == Some(&currency)) {
            let message = format!("`accounts.deposit` has {currency} twice");
            reader.error(Code::Accounts, entry.span(), message, "again", "write the sum once");
            return None;
        }
        deposits.push(Deposit { amount, currency: Some(currency) });
    }
    Some(deposits)
}

/// An amount with its currency.
fn money<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    key: &str,
    value: &Spanned<DeValue<'t>>,
) -> Option<Money> {
    let node = reader.node(section, key, value)?;
    let slot = section.slot(key, "\"1_000 USDT\"");
    let Expr::Quantity(Quantity { number, unit: Unit::Currency(currency) }) = &node.expr else {
        reader.wrong_unit(&slot, &node, "an amount with its currency");
        return None;
    };
    let raw = reader.fixed(section, key, node.span.clone(), number, Cash::SCALE)?;
    if (1..=head::AMOUNT_MAX).contains(&raw) {
        return Some(Money { amount: Cash::from_raw(raw), currency: (*currency).to_owned() });
    }
    reader.out_of_range(&slot, node.span, "over 0 and at most a million millions");
    None
}

/// An instant in UTC.
fn instant<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, key: &str) -> Option<Timestamp> {
    let value = section.get(key)?;
    if let DeValue::Datetime(written) = value.get_ref() {
        let message = format!("`{}` takes a time in quotes", section.path(key));
        let help = format!("write `{key} = \"{written}\"`");
        reader.error(Code::WrongType, value.span(), message, "this is a date of TOML", help);
        return None;
    }
    let text = reader.string(section, key, value)?;
    let at = text.parse::<Timestamp>().ok();
    if at.is_none() {
        let message = format!("`{}` cannot be read", section.path(key));
        let help = format!("write for example `{key} = {TIME_EXAMPLE}`, or a date alone for its midnight");
        reader.error(Code::Unreadable, value.span(), message, "is no UTC time", help);
    }
    at
}

/// `[[backtest.flows]]`, in the order of time. `accounts` are those of the policy; without any nothing is judged by them.
pub(super) fn flows<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, accounts: &[String]) -> Vec<Flow> {
    let Some(value) = section.get("flows") else { return Vec::new() };
    let entries = reader.tables(FLOWS, section.key_place("flows"), value, FLOWS_MAX);
    let mut flows: Vec<Flow> = entries.iter().filter_map(|entry| flow(reader, entry, accounts)).collect();
    flows.sort_by_key(|flow| flow.at);
    flows
}

/// What may be done with money, each with the keys that say where.
const MOVES: [(&str, &[&str]); 4] = [
    ("deposit", &["account"]),
    ("withdraw", &["account"]),
    ("transfer", &["from", "to"]),
    ("convert", &["account", "into"]),
];

fn flow<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, accounts: &[String]) -> Option<Flow> {
    reader.require(section, &[("at", TIME_EXAMPLE)]);
    let at = instant(reader, section, "at");
    let mut moves = MOVES.iter().filter(|(key, _)| section.has(key));
    let (Some((kind, keys)), None) = (moves.next(), moves.next()) else {
        let found = MOVES.iter().filter(|(key, _)| section.has(key)).count();
        let label = if found == 0 { "nothing is moved" } else { "it is more than one" };
        let help = "write one of `deposit`, `withdraw`, `transfer` and `convert`; each move is a `[[backtest.flows]]` of its own";
        reader.error(Code::Flow, section.header.clone(), "a flow moves money once", label, help);
        return None;
    };
    let others = ["account", "from", "to", "into"].into_iter().filter(|key| section.has(key) && !keys.contains(key));
    for key in others {
        let help = "take it out: `deposit` and `withdraw` have an `account`, `transfer` has `from` and `to`, `convert` has `into`";
        let message = format!("`{key}` is not a key of a `{kind}`");
        reader.error(Code::OtherKind, section.key_place(key), message, "another flow's key", help);
    }
    let money = section.get(kind).and_then(|value| money(reader, section, kind, value));
    let kind = match *kind {
        "transfer" => {
            reader.require(section, &[("from", "\"deribit\""), ("to", "\"binance\"")]);
            let (from, to) = (known(reader, section, "from", accounts), known(reader, section, "to", accounts));
            let (from, to) = (from?, to?);
            if from == to {
                let message = "a transfer ends where it began";
                let help = "name two accounts; within one, `convert` exchanges money";
                reader.error(Code::Flow, section.place("to"), message, format!("is `from` too: `{from}`"), help);
                return None;
            }
            FlowKind::Transfer { from, to, money: money? }
        }
        "convert" => {
            reader.require(section, &[("into", "\"USDT\"")]);
            let (account, into) = (held_in(reader, section, accounts), currency(reader, section, "into", "\"USDT\""));
            let (account, money, into) = (account?, money?, into?);
            if money.currency == into {
                let label = format!("is {} already", quoted(&into));
                let help = "name the currency that is bought";
                reader.error(Code::Flow, section.place("into"), "nothing is converted", label, help);
                return None;
            }
            FlowKind::Convert { account, money, into }
        }
        "withdraw" => FlowKind::Withdraw { account: held_in(reader, section, accounts)?, money: money? },
        _ => FlowKind::Deposit { account: held_in(reader, section, accounts)?, money: money? },
    };
    Some(Flow { at: at?, kind })
}

/// The account of a flow, which goes without saying where there is one.
fn held_in<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, accounts: &[String]) -> Option<String> {
    match accounts {
        [only] if !section.has("account") => Some(only.clone()),
        [] if !section.has("account") => None,
        _ => {
            reader.require(section, &[("account", "\"binance\"")]);
            known(reader, section, "account", accounts)
        }
    }
}

/// An account that the policy has.
fn known<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, key: &str, accounts: &[String]) -> Option<String> {
    let venue = account(reader, section, key)?;
    if accounts.is_empty() || accounts.contains(&venue) {
        return Some(venue);
    }
    let message = format!("there is no account at `{venue}`");
    let help = format!("the accounts are at {}", super::reader::list(accounts.iter().map(String::as_str)));
    reader.error(Code::Flow, section.place(key), message, "unknown account", help);
    None
}

const TIER_TAKER: Field = Field { key: "taker", ..head::TAKER_FEE };
const TIER_MAKER: Field = Field { key: "maker", ..head::MAKER_FEE };

/// Fees by traded value: the first from zero on, rising; and what value is counted in, where it is not the dollar. Beside them the
/// two plain fees would say the same twice.
pub(super) fn fee_tiers<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> (Vec<FeeTier>, Option<String>) {
    let none = (Vec::new(), None);
    let Some(value) = section.get("fee_tiers") else { return none };
    for key in ["taker_fee", "maker_fee"].into_iter().filter(|key| section.has(key)) {
        let message = format!("`backtest.{key}` beside `fee_tiers`");
        let help = format!("take `{key}` out: the first tier has the fee of the start");
        reader.error(Code::FeeTiers, section.key_place(key), message, "the tiers say it", help);
    }
    let entries = reader.tables(FEE_TIERS, section.key_place("fee_tiers"), value, FEE_TIERS_MAX);
    let tiers: Vec<_> = entries.iter().map(|entry| tier(reader, entry)).collect();
    // Order is judged only when every tier could be read: a hole would move the blame.
    let Some(tiers) = tiers.into_iter().collect::<Option<Vec<_>>>() else { return none };
    // A volume without a currency is in that of the others.
    let currency = tiers.iter().find_map(|(_, currency)| *currency);
    let mut is_mixed = false;
    let others = tiers.iter().zip(&entries).filter(|((_, given), _)| given.is_some() && *given != currency);
    for ((_, given), entry) in others {
        let (first, given) = (currency.unwrap_or("USD"), given.unwrap_or("USD"));
        let help = format!("write all volumes in {first}: what is traded is counted in one currency");
        let label = format!("another tier is in {first}");
        reader.error(Code::FeeTiers, entry.place("volume"), format!("a fee tier is in {given}"), label, help);
        is_mixed = true;
    }
    if is_mixed {
        return none;
    }
    let tiers: Vec<FeeTier> = tiers.into_iter().map(|(tier, _)| tier).collect();
    if let (Some(first), Some(entry)) = (tiers.first(), entries.first())
        && !first.volume.is_zero()
    {
        let help = "begin with `volume = \"0 USDT\"`: the fees of who has not traded yet";
        let label = format!("begins at {}", first.volume);
        reader.error(Code::FeeTiers, entry.place("volume"), "the first fee tier begins over zero", label, help);
    }
    for (pair, entry) in
        tiers.windows(2).zip(entries.iter().skip(1)).filter(|(pair, _)| pair[1].volume <= pair[0].volume)
    {
        let label = format!("is not over {}", pair[0].volume);
        let help = "list the tiers from the smallest volume to the largest";
        reader.error(Code::FeeTiers, entry.place("volume"), "fee tiers are out of order", label, help);
    }
    (tiers, currency.filter(|currency| *currency != "USD").map(str::to_owned))
}

fn tier<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<(FeeTier, Option<&'t str>)> {
    reader.require(section, &[("volume", "\"0 USDT\""), ("taker", "\"5bp\""), ("maker", "\"2bp\"")]);
    let volume = amount(reader, section, "volume", &[], Cash::SCALE).and_then(|(raw, currency)| {
        let volume = (0..=head::AMOUNT_MAX).contains(&raw).then_some((Cash::from_raw(raw), currency));
        if volume.is_none() {
            let slot = section.slot("volume", "\"15_000_000 USDT\"");
            reader.out_of_range(&slot, section.place("volume"), "0 or more, and at most a million millions");
        }
        volume
    });
    let mut rate = |field: &Field| {
        let raw = reader.exact(section, field, Rate::SCALE)?;
        i64::try_from(raw).ok().map(Rate::from_raw)
    };
    let (taker, maker) = (rate(&TIER_TAKER), rate(&TIER_MAKER));
    let (volume, currency) = volume?;
    Some((FeeTier { volume, taker: taker?, maker: maker? }, currency))
}

/// `[[adopt]]`: each is judged by itself; what only the whole policy can show is judged by `check`.
pub(super) fn adopt<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>, instruments: &[String]) -> Vec<Adoption> {
    let mut adopted: Vec<Adoption> = Vec::new();
    for section in doc.list("adopt") {
        let Some(adoption) = adoption(reader, section, instruments) else { continue };
        if adopted.iter().any(|known| known.instrument == adoption.instrument) {
            let place = if section.has("instrument") { section.place("instrument") } else { section.header.clone() };
            let message = format!("`{}` is adopted twice", adoption.instrument);
            let help = "an instrument has one campaign: state its whole position once";
            reader.error(Code::Adopt, place, message, "again", help);
            continue;
        }
        adopted.push(adoption);
    }
    adopted
}

fn adoption<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, instruments: &[String]) -> Option<Adoption> {
    reader.require(section, &[("quantity", "-0.5"), ("entry", "42_000")]);
    let instrument = adopted_instrument(reader, section, instruments);
    let symbol = instrument.as_deref();
    let quote = symbol.and_then(spec::currencies).map(|(_, quote)| quote);
    // The quantity of a contract that settles in coin is in dollars.
    let bases = match symbol.map(spec::settlements).as_deref() {
        Some(&[base, quote]) => vec![base, quote],
        _ => symbol.and_then(spec::base).into_iter().collect(),
    };
    let quantity = amount(reader, section, "quantity", &bases, Qty::SCALE).and_then(|(raw, _)| {
        let quantity = i64::try_from(raw).ok().filter(|raw| *raw != 0 && *raw != i64::MIN).map(Qty::from_raw);
        if quantity.is_none() {
            let slot = section.slot("quantity", "-0.5");
            reader.out_of_range(
                &slot,
                section.place("quantity"),
                "over 0 for a long, under 0 for a short, up to 92 billion",
            );
        }
        quantity
    });
    let mut price = |key: &str, example: &str| {
        let (raw, _) = amount(reader, section, key, quote.as_slice(), Price::SCALE)?;
        let price = i64::try_from(raw).ok().filter(|raw| *raw > 0).map(Price::from_raw);
        if price.is_none() {
            reader.out_of_range(&section.slot(key, example), section.place(key), "over 0 and at most 92 billion");
        }
        price
    };
    let (entry, unit, stop) = (price("entry", "42_000"), price("n", "850"), price("stop", "40_300"));
    let units = match section.has("units") {
        true => reader.count(section, "units", (1, UNITS_MAX as u32), "2"),
        false => Some(1),
    };
    let opened = instant(reader, section, "opened");
    let (quantity, entry) = (quantity?, entry?);
    if let Some(stop) = stop
        && (if quantity.signum() > 0 { stop >= entry } else { stop <= entry })
    {
        let (side, label) = match quantity.signum() > 0 {
            true => ("long", format!("is not under the entry {entry}")),
            false => ("short", format!("is not over the entry {entry}")),
        };
        let message = format!("the stop of a {side} position is on its winning side");
        let help = "state the initial stop, on the losing side of the entry: a stop that has moved since follows from `[stop]`";
        reader.error(Code::Adopt, section.place("stop"), message, label, help);
        return None;
    }
    Some(Adoption { instrument: instrument?, quantity, entry, unit, stop, units: units?, opened })
}

/// One of the policy's instruments; the only one goes without saying.
fn adopted_instrument<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    instruments: &[String],
) -> Option<String> {
    if !section.has("instrument") {
        if let [_, _, ..] = instruments {
            reader.require(section, &[("instrument", head::SYMBOL_EXAMPLE)]);
        }
        return if let [only] = instruments { Some(only.clone()) } else { None };
    }
    let value = section.get("instrument")?;
    let symbol = head::instrument(reader, section, "instrument", value)?;
    if instruments.is_empty() || instruments.contains(&symbol) {
        return Some(symbol);
    }
    let message = format!("the policy does not trade `{symbol}`");
    let help = "adopt a position in one of the policy's instruments, or add this one to them";
    reader.error(Code::Adopt, value.span(), message, "is none of its instruments", help);
    None
}
