//! `[[hedges]]`.

use super::feasible;
use super::fields::{Field, Low, Takes};
use super::head;
use super::reader::{Doc, Reader, Section, list};
use super::schema::ALTERNATIVES;
use super::structure;
use super::typed::{self, Currencies};
use super::value::{Expr, Quantity, Unit};
use crate::codes::Code;
use crate::diagnostic::quoted;
use crate::spec::{
    self, ALTERNATIVES_MAX, Alternative, Band, Choice, Hedge, HedgeOption, HedgeTerms, HedgeTo, Roll, Sticky, Structure,
};
use crate::symbol;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;
use units::{Duration, Qty, Ratio};

/// Policies that a hedge may name.
const STRATEGIES_MAX: usize = 20;

pub(super) fn hedges<'t>(
    reader: &mut Reader<'t>,
    doc: &Doc<'_, 't>,
    (structure, name): (Option<&Structure>, Option<&str>),
    instruments: &[String],
    currencies: Currencies<'_>,
) -> Vec<Hedge> {
    let mut hedges: Vec<Hedge> = Vec::new();
    for section in doc.list("hedges") {
        reader.require(section, &[("instrument", "\"deribit:BTC-PERPETUAL\""), ("band", "\"0.2 BTC\"")]);
        let symbol = section.get("instrument").and_then(|value| head::instrument(reader, section, "instrument", value));
        let strategies = strategies(reader, section, Code::Hedges);
        let base = symbol.as_deref().and_then(spec::base);
        let target = target(reader, section, base);
        let band = band(reader, section, base);
        let to = if section.has("to") { reader.word(section, "to") } else { Some(HedgeTo::default()) };
        let mut taken: Vec<&str> = instruments.iter().map(String::as_str).collect();
        taken.extend(hedges.iter().flat_map(Hedge::instruments));
        // The width of such a band follows from the equity of the account, and two venues are two accounts.
        let follows_equity = matches!(band, Some(Band::WhalleyWilmott { .. }));
        let venue = symbol.as_deref().filter(|_| follows_equity).map(spec::venue);
        let own = Own { base, symbol: symbol.as_deref(), venue, name, structure, currencies };
        let choice = choice(reader, section, &own, &taken);
        let Some(instrument) = symbol.clone() else { continue };
        if !is_own(reader, section, &instrument, &taken) || !is_steady(reader, section, &instrument) {
            continue;
        }
        let Some(base) = base else {
            let label = "its base currency cannot be told from its symbol";
            let help = "write the symbol as `venue:BASEQUOTE-PERP`";
            let place = section.place("instrument");
            reader.error(Code::Hedges, place, "what is hedged is the delta in one coin", label, help);
            continue;
        };
        let Some(strategies) = strategies else { continue };
        if !can_hedge_own(reader, section, structure, base, strategies.is_empty()) {
            continue;
        }
        if let (Some(target), Some(band), Some(to), Some(choice)) = (target, band, to, choice) {
            let hedge = Hedge { instrument, strategies, target, band, to, choice };
            if feasible::hedge(reader, section, name, &hedge, &hedges) {
                hedges.push(hedge);
            }
        }
    }
    if !hedges.is_empty() && doc.has("allocation", "drawdown") {
        let label = "what a hedge earns is no part of it";
        let help = "take it out, or hedge from a policy of its own: `strategies` names whom";
        let message = "beside hedges a strategy's own drawdown tells only half";
        reader.error(Code::Hedges, doc.place("allocation", "drawdown"), message, label, help);
    }
    hedges
}

/// Whether an instrument that a hedge may trade is traded by nothing else of the policy.
fn is_own<'t, Taken: AsRef<str>>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    instrument: &str,
    taken: &[Taken],
) -> bool {
    let is_own = !taken.iter().any(|taken| taken.as_ref() == instrument);
    if !is_own {
        let label = format!("{} is traded by the policy already", quoted(instrument));
        let help = "name another instrument on the same coin, such as a perpetual of another quote currency or spot";
        let place = section.place("instrument");
        reader.error(Code::Hedges, place, "a hedge trades an instrument of its own", label, help);
    }
    is_own
}

/// Whether the delta of a unit of it stays what it is, as that of an option does not.
fn is_steady<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, instrument: &str) -> bool {
    let is_option = symbol::is_option(instrument);
    if is_option {
        let base = spec::base(instrument).unwrap_or("BTC");
        let venue = spec::venue(instrument);
        let label = "an option: its delta moves with every price, it trades at quotes, and it ends";
        let help = format!(
            "name a perpetual, a future or spot on {base}; options are named by what they are, among `alternatives`: \
             `{{ chain = \"{venue}:{base}\", right = \"put\", delta = 0.4, days = 30, expected_volatility = \"50%\" }}`"
        );
        let message = "a hedge names perpetuals, futures and spot by their symbols, and no option";
        reader.error(Code::Hedges, section.place("instrument"), message, label, help);
    }
    !is_option
}

/// A hedge and its policy, as what else it may trade is read beside them.
struct Own<'a> {
    /// The coin that is hedged.
    base: Option<&'a str>,
    symbol: Option<&'a str>,
    /// The venue that all of its instruments have to be of.
    venue: Option<&'a str>,
    /// Of the policy.
    name: Option<&'a str>,
    structure: Option<&'a Structure>,
    currencies: Currencies<'a>,
}

/// What costs are compared of. The outer `None`: it was refused.
fn choice<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    own: &Own<'_>,
    taken: &[&str],
) -> Option<Option<Choice>> {
    let alternatives = match section.get("alternatives") {
        None => Some(Vec::new()),
        Some(value) => {
            let place = section.key_place("alternatives");
            let mut taken: Vec<String> = taken.iter().copied().chain(own.symbol).map(str::to_owned).collect();
            let mut all = Some(Vec::new());
            let entries = reader.tables(ALTERNATIVES, place, value, ALTERNATIVES_MAX);
            for entry in &entries {
                let known = if OF_OPTIONS.iter().any(|key| entry.has(key)) {
                    option(reader, entry, own, &taken)
                } else {
                    alternative(reader, entry, own, &taken)
                };
                let named = entry.get("instrument").and_then(|value| value.get_ref().as_str());
                taken.extend(known.as_ref().map(|known| known.instrument.clone()).or(named.map(str::to_owned)));
                all = all.zip(known).map(|(mut all, known)| {
                    all.push(known);
                    all
                });
            }
            all.filter(|all| !all.is_empty())
        }
    };
    let gives_up = if section.has("give_up") { reader.switch(section, "give_up") } else { Some(false) };
    let terms = terms(reader, section);
    let capital_cost = reader.ratio(section, &CAPITAL_COST);
    let (least, most) = (Duration::HOUR, Duration::from_nanos(3_650 * Duration::DAY.nanos()));
    let horizon = reader.duration(section, "horizon", (least, most), "\"30d\"");
    if !section.has("alternatives") && gives_up == Some(false) {
        for key in ["horizon", "capital_cost", "cost", "margin"].into_iter().filter(|key| section.has(key)) {
            let message = format!("`{key}` has nothing to act on");
            let help = "name `alternatives`, set `give_up = true`, or leave it out";
            let label = "nothing is compared by cost";
            reader.error(Code::Hedges, section.key_place(key), message, label, help);
        }
        return Some(None);
    }
    reader.require(section, &[("horizon", "\"30d\"")]);
    if gives_up == Some(true) && section.has("strategies") {
        let label = "of policies of the run that it names";
        let help = "leave `strategies` out, so that it hedges its own structure, or set `give_up = false`";
        let message = "a hedge can give up only the structure of its own policy";
        reader.error(Code::Hedges, section.place("strategies"), message, label, help);
        return None;
    }
    let capital_cost = if section.has("capital_cost") { capital_cost } else { Some(Ratio::default()) };
    let (alternatives, gives_up) = (alternatives?, gives_up?);
    Some(Some(Choice { horizon: horizon?, capital_cost: capital_cost?, own: terms?, alternatives, gives_up }))
}

/// Another instrument on the same coin.
fn alternative<'t>(
    reader: &mut Reader<'t>,
    entry: &Section<'_, 't>,
    own: &Own<'_>,
    taken: &[String],
) -> Option<Alternative> {
    reader.require(entry, &[("instrument", "\"binance:BTCUSDT-PERP\"")]);
    let terms = terms(reader, entry);
    let instrument = head::instrument(reader, entry, "instrument", entry.get("instrument")?)?;
    if !is_own(reader, entry, &instrument, taken) || !is_steady(reader, entry, &instrument) {
        return None;
    }
    fits(reader, entry, "instrument", own, &instrument)?;
    Some(Alternative { instrument, terms: terms?, option: None })
}

/// Whether another instrument is on the coin that is hedged, and of the venue that it has to be of. `None`: it was refused.
fn fits<'t>(
    reader: &mut Reader<'t>,
    entry: &Section<'_, 't>,
    key: &str,
    own: &Own<'_>,
    instrument: &str,
) -> Option<()> {
    if let Some(base) = own.base
        && spec::base(instrument) != Some(base)
    {
        let label = format!("is not on {base}");
        let help = format!("name instruments on {base}, such as `binance:{base}USDT-PERP`");
        let message = "alternatives of a hedge are on the coin that it hedges";
        reader.error(Code::Hedges, entry.place(key), message, label, help);
        return None;
    }
    if let Some(venue) = own.venue
        && spec::venue(instrument) != venue
    {
        let label = format!("is not of {venue}");
        let help = format!("name instruments of {venue}, or give the band in coins or as a share, such as `\"2%\"`");
        let message = "a band that follows from equity follows from that of one account, and each venue has its own";
        reader.error(Code::Hedges, entry.place(key), message, label, help);
        return None;
    }
    Some(())
}

/// Keys that say that an alternative is options.
const OF_OPTIONS: [&str; 6] = ["chain", "right", "delta", "moneyness", "days", "expected_volatility"];

const EXPECTED: Field = Field {
    key: "expected_volatility",
    takes: Takes::Share,
    low: Low::Over(0.0),
    most: 5.0,
    range: "over 0 and at most 500% a year",
    example: "\"50%\"",
};

/// Options of a chain, which are bought.
fn option<'t>(
    reader: &mut Reader<'t>,
    entry: &Section<'_, 't>,
    own: &Own<'_>,
    taken: &[String],
) -> Option<Alternative> {
    for key in ["instrument", "cost", "margin"].into_iter().filter(|key| entry.has(key)) {
        let label = match key {
            "instrument" => "options are named by what they are, and not by a symbol",
            "cost" => "what options cost is told by their quotes and by `option_fee`",
            _ => "options are bought, and bind what they cost",
        };
        let help = format!("take `{key}` out, or the keys of the options");
        let message = format!("`{key}` beside options");
        reader.error(Code::Hedges, entry.key_place(key), message, label, help);
    }
    reader.require(entry, &[("chain", "\"deribit:BTC\""), ("expected_volatility", EXPECTED.example)]);
    let (chain, leg) = (structure::chain(reader, entry), structure::leg(reader, entry));
    let expected = typed::vol(reader, entry, &EXPECTED, own.currencies);
    let is_plain = !["instrument", "cost", "margin"].iter().any(|key| entry.has(key));
    let (chain, leg, expected, name) = (chain?, leg?, expected?, own.name?);
    if !is_plain || !structure::settles(reader, entry.place("chain"), &chain) {
        return None;
    }
    let sticky = own.structure.map_or_else(Sticky::default, |structure| structure.sticky);
    let (max_spread, min_open_interest, roll) = (None, None, Roll::Never);
    let structure = Structure { chain, legs: vec![leg], max_spread, min_open_interest, roll, sticky };
    let option = HedgeOption { structure, expected };
    let instrument = option.symbol(name);
    if taken.contains(&instrument) {
        let help = "write each once";
        reader.error(Code::Hedges, entry.header.clone(), "two alternatives are the same options", "again", help);
        return None;
    }
    fits(reader, entry, "chain", own, &instrument)?;
    Some(Alternative { instrument, terms: HedgeTerms::default(), option: Some(option) })
}

/// What an instrument costs. `None`: it was refused.
fn terms<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<HedgeTerms> {
    let (cost, margin) = (reader.ratio(section, &COST), reader.ratio(section, &MARGIN));
    let is_read = cost.is_some() == section.has("cost") && margin.is_some() == section.has("margin");
    is_read.then_some(HedgeTerms { cost, margin })
}

/// Whether a hedge that names nobody has something to hedge: the structure of its own policy, on its own coin. What trades a
/// direction is outside unless it is named.
fn can_hedge_own<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    structure: Option<&Structure>,
    base: &str,
    names_nobody: bool,
) -> bool {
    if !names_nobody || reader.is_torn() {
        return true;
    }
    let Some(structure) = structure else {
        let label = "the policy trades no structure, and what trades a direction is hedged only where it is named";
        let help = "add for example `strategies = [\"short-strangle\"]`, with the names of policies of the run";
        reader.error(Code::Hedges, section.header.clone(), "the hedge's scope names no strategy", label, help);
        return false;
    };
    let chain = structure.chain.split_once(':').map_or("", |(_, underlying)| underlying);
    let coin = chain.split_once('_').map_or(chain, |(coin, _)| coin);
    if coin != base {
        let label = format!("is on {base}, and the structure's options are on {coin}");
        let help = format!("name an instrument on {coin}, such as `deribit:{coin}-PERPETUAL`");
        reader.error(Code::Hedges, section.place("instrument"), "the hedge is of another coin", label, help);
        return false;
    }
    true
}

/// The outer `None`: they were refused.
pub(super) fn strategies<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, code: Code) -> Option<Vec<String>> {
    if !section.has("strategies") {
        return Some(Vec::new());
    }
    let entries = reader.entries(section, "strategies", STRATEGIES_MAX, "[\"short-strangle\"]")?;
    let mut names: Vec<String> = Vec::new();
    for entry in entries {
        let name = reader.string(section, "strategies", entry)?.to_owned();
        if name.trim().is_empty() || names.contains(&name) {
            let label = if names.contains(&name) { "is named twice" } else { "is no name of a policy" };
            let help = "write each once, as `name` at the top of its policy";
            reader.error(code, entry.span(), "`strategies` names policies of the run", label, help);
            return None;
        }
        names.push(name);
    }
    Some(names)
}

/// Coins, positive or negative.
fn target<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, base: Option<&str>) -> Option<Qty> {
    if !section.has("target") {
        return Some(Qty::ZERO);
    }
    let node = reader.node(section, "target", section.get("target")?)?;
    let slot = section.slot("target", "\"0 BTC\"");
    let Expr::Quantity(Quantity { number, unit }) = &node.expr else {
        reader.wrong_unit(&slot, &node, "a number of coins");
        return None;
    };
    if !is_coins(reader, section, "target", *unit, base, node.span.clone())? {
        reader.wrong_unit(&slot, &node, "a number of coins");
        return None;
    }
    let raw = reader.fixed(section, "target", node.span.clone(), number, Qty::SCALE)?;
    let qty = i64::try_from(raw).ok().filter(|raw| raw.abs() <= COINS_MAX).map(Qty::from_raw);
    if qty.is_none() {
        reader.out_of_range(&slot, node.span, "at most 10 million coins");
    }
    qty
}

/// The band that is as wide as costs are worth it.
pub(crate) const WHALLEY_WILMOTT: &str = "whalley_wilmott";

const RISK_AVERSION: Field = Field {
    key: "risk_aversion",
    takes: Takes::Number,
    low: Low::Over(0.0),
    most: 10_000.0,
    range: "over 0 and at most 10,000",
    example: "10",
};

const CAPITAL_COST: Field = Field {
    key: "capital_cost",
    takes: Takes::Share,
    low: Low::Least(0.0),
    most: 1.0,
    range: "between 0 and 100% a year",
    example: "\"5%\"",
};
const COST: Field = Field {
    key: "cost",
    takes: Takes::Share,
    low: Low::Least(0.0),
    most: 0.1,
    range: "between 0 and 10% of value",
    example: "\"6bp\"",
};
const MARGIN: Field = Field {
    key: "margin",
    takes: Takes::Share,
    low: Low::Least(0.0),
    most: 1.0,
    range: "between 0 and 100% of value",
    example: "\"10%\"",
};

const COINS_MAX: i64 = 10_000_000 * Qty::ONE;

/// Coins, a share of the gross delta, or what costs are worth.
fn band<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, base: Option<&str>) -> Option<Band> {
    let is_word = |value: &Spanned<DeValue<'_>>| value.get_ref().as_str() == Some(WHALLEY_WILMOTT);
    let risk_aversion = reader.ratio(section, &RISK_AVERSION);
    if section.get("band").is_some_and(is_word) {
        reader.require(section, &[("risk_aversion", "10")]);
        return Some(Band::WhalleyWilmott { risk_aversion: risk_aversion? });
    }
    if section.has("risk_aversion") {
        let label = "is that of a band which costs decide";
        let help = "set `band = \"whalley_wilmott\"`, or leave it out";
        reader.error(
            Code::Hedges,
            section.key_place("risk_aversion"),
            "`risk_aversion` has nothing to act on",
            label,
            help,
        );
    }
    let node = reader.node(section, "band", section.get("band")?)?;
    let slot = section.slot("band", "\"0.2 BTC\"");
    let Expr::Quantity(Quantity { number, unit }) = &node.expr else {
        reader.wrong_unit(&slot, &node, "a number of coins, a share of the gross delta, or `whalley_wilmott`");
        return None;
    };
    let share = match unit {
        Unit::Percent => Some(number.shifted(-2)),
        Unit::BasisPoint => Some(number.shifted(-4)),
        _ => None,
    };
    if let Some(share) = share {
        let share = Ratio::new(share.approximate()).filter(|share| share.get() > 1e-9 && share.get() <= 1.0);
        if share.is_none() {
            reader.out_of_range(&slot, node.span, "over 0 and at most 100% of the gross delta");
        }
        return share.map(Band::OfGross);
    }
    if !is_coins(reader, section, "band", *unit, base, node.span.clone())? {
        reader.wrong_unit(&slot, &node, "a number of coins, a share of the gross delta, or `whalley_wilmott`");
        return None;
    }
    let raw = reader.fixed(section, "band", node.span.clone(), number, Qty::SCALE)?;
    let coins = i64::try_from(raw).ok().filter(|raw| (1..=COINS_MAX).contains(raw)).map(Qty::from_raw);
    if coins.is_none() {
        reader.out_of_range(&slot, node.span, "over 0 and at most 10 million coins");
    }
    coins.map(Band::Coins)
}

/// Whether a unit is that of the coin. `None`: it is another currency, which was told.
fn is_coins<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    key: &str,
    unit: Unit<'t>,
    base: Option<&str>,
    span: Range<usize>,
) -> Option<bool> {
    match unit {
        Unit::None => Some(true),
        Unit::Currency(given) if base.is_none_or(|base| base == given) => Some(true),
        Unit::Currency(given) => {
            let accepted = list(base);
            let message = format!("`{}` is in coins of the instrument's underlying", section.path(key));
            let help = format!("write it in {accepted}");
            reader.error(Code::Currency, span, message, format!("{} is another currency", quoted(given)), help);
            None
        }
        _ => Some(false),
    }
}
