//! Objectives: the text of what a participant wants.

use super::fields::{Field, Low, Takes};
use super::reader::{Doc, Reader, Section, list};
use super::{TEXT_BYTES_MAX, head, in_order, portfolio, schema, structure, syntax, too_long};
use crate::codes::Code;
use crate::diagnostic::{Diagnostic, nearest, quoted};
use crate::objectives::{Estimate, KnownBy, Measure, Objectives, Read, Side, Style, View};
use crate::spec;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::de::DeTable;
use units::Duration;

/// What stands for no target of one's own.
const AS_ALLOWED: &str = "as the drawdown allows";
/// A trend, and an option until it expires, take about a month.
pub(crate) const CYCLE: Duration = Duration::from_nanos(30 * Duration::DAY.nanos());
const HORIZONS: (Duration, Duration) = (Duration::DAY, Duration::from_nanos(3_650 * Duration::DAY.nanos()));
const EVIDENCE: (Duration, Duration) = (Duration::DAY, Duration::from_nanos(36_500 * Duration::DAY.nanos()));
/// Venues on which options can be sold.
const OPTION_VENUES: [&str; 5] = ["binance", "bybit", "deribit", "derive", "okx"];

const fn share(key: &'static str, low: Low, most: f64, range: &'static str, example: &'static str) -> Field {
    Field { key, takes: Takes::Share, low, most, range, example }
}

const fn number(key: &'static str, low: Low, most: f64, range: &'static str, example: &'static str) -> Field {
    Field { key, takes: Takes::Number, low, most, range, example }
}

const DRAWDOWN: Field = share("worst_drawdown", Low::Least(0.01), 0.9, "from 1% to 90%", "\"20%\"");
const PROBABILITY: Field = share("probability", Low::Least(0.001), 0.5, "from 0.1% to 50%", "\"5%\"");
const TARGET: Field = share("target", Low::Least(0.01), 2.0, "from 1% to 200% a year", "\"25%\"");
const RETURN: Field = share("return", Low::Over(0.0), 5.0, "over 0 and at most 500% a year", "\"10%\"");
const DAILY_LOSS: Field = share("daily_loss", Low::Least(0.001), 0.5, "from 0.1% to 50%", "\"3%\"");
const LEVERAGE: Field = number("leverage", Low::Least(0.1), 125.0, "from 0.1 to 125", "2.0");
const SHARPE: Field = number("sharpe", Low::Over(0.0), 5.0, "over 0 and at most 5; `side` says which way", "0.5");
const ERROR: Field = number("error", Low::Over(0.0), 5.0, "over 0 and at most 5", "0.5");

/// Reads objectives. All errors come at once, each with its place, its reason and a remedy, as [`crate::parse`] has them.
#[must_use]
pub fn parse(text: &str) -> Read {
    if text.len() > TEXT_BYTES_MAX {
        return Read { objectives: None, diagnostics: vec![too_long(text, &schema::OBJECTIVES)] };
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader::new(text, &schema::OBJECTIVES);
    syntax::report(&mut reader, &errors);
    let doc = reader.sections(root.get_ref());
    let objectives = read(&mut reader, &doc);
    let diagnostics = in_order(reader.into_diagnostics(), &schema::OBJECTIVES);
    let is_right = !diagnostics.iter().any(Diagnostic::is_error);
    Read { objectives: objectives.filter(|_| is_right), diagnostics }
}

fn read<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Option<Objectives> {
    head::version(reader, doc, "objectives");
    let name = head::name(reader, doc);
    let root = doc.section("")?;
    let needed = [
        ("style", "\"trend\""),
        ("horizon", "\"365d\""),
        ("worst_drawdown", DRAWDOWN.example),
        ("probability", PROBABILITY.example),
    ];
    reader.require(root, &needed);
    let style = style(reader, root);
    let (instruments, chain) = traded(reader, doc, root, style, name.as_deref());
    let series = series(reader, root, style);
    let horizon = reader.duration(root, "horizon", HORIZONS, "\"365d\"");
    let worst_drawdown = reader.number(root, &DRAWDOWN);
    let probability = reader.number(root, &PROBABILITY);
    let is_allowed = root.get("target").is_some_and(|value| value.get_ref().as_str() == Some(AS_ALLOWED));
    let target = if is_allowed { None } else { target(reader, root) };
    let expected_return = reader.number(root, &RETURN);
    let daily_loss = reader.number(root, &DAILY_LOSS);
    let leverage = reader.number(root, &LEVERAGE);
    let capital = head::capital(reader, doc).get();
    let (deposit, accounts) = deposits(reader, doc, root, &instruments);
    let adds = reader.switch(root, "adds").unwrap_or(false);
    let ladder = reader.switch(root, "ladder").unwrap_or(false);
    let views = views(reader, doc, &instruments, style);

    let mut places: BTreeMap<String, Range<usize>> = BTreeMap::new();
    for key in schema::OBJECTIVES.root.iter().filter(|key| root.has(key)) {
        places.insert((*key).to_owned(), root.place(key));
    }
    for (at, section) in doc.list("views").enumerate() {
        places.insert(format!("views.{at}"), section.header.clone());
        for key in reader.language().keys_of("views").iter().filter(|key| section.has(key)) {
            places.insert(format!("views.{at}.{key}"), section.place(key));
        }
    }
    let told = Told {
        style: style.is_some(),
        horizon: horizon.is_some(),
        worst_drawdown: worst_drawdown.is_some(),
        views: views.is_some(),
    };
    let is_whole = probability.is_some() && name.is_some() && !instruments.is_empty();
    // What could not be read has been reported; what the rest contradicts is told beside it.
    let objectives = Objectives {
        name: name.unwrap_or_default(),
        instruments,
        chain,
        style: style.unwrap_or(Style::Trend),
        series,
        horizon: horizon.unwrap_or(CYCLE),
        worst_drawdown: worst_drawdown.unwrap_or_default(),
        probability: probability.unwrap_or_default(),
        target,
        expected_return,
        daily_loss,
        leverage,
        capital,
        deposit,
        accounts,
        adds,
        ladder,
        views: views.unwrap_or_default(),
        places,
    };
    across(reader, &objectives, &told);
    let is_told = told.style && told.horizon && told.worst_drawdown && told.views;
    Some(objectives).filter(|_| is_whole && is_told)
}

/// What could be read of what lines are compared by.
struct Told {
    style: bool,
    horizon: bool,
    worst_drawdown: bool,
    views: bool,
}

/// The volatility wanted. Whoever writes it in words is told which.
fn target<'t>(reader: &mut Reader<'t>, root: &Section<'_, 't>) -> Option<f64> {
    let value = root.get("target")?;
    if value.get_ref().as_str().is_some_and(|text| text.starts_with(|first: char| first.is_alphabetic())) {
        let message = "`target` is a volatility a year";
        let help = format!("write for example `target = {}`, or `target = \"{AS_ALLOWED}\"`", TARGET.example);
        reader.error(Code::UnknownWord, value.span(), message, "is none", help);
        return None;
    }
    reader.number(root, &TARGET)
}

fn style<'t>(reader: &mut Reader<'t>, root: &Section<'_, 't>) -> Option<Style> {
    if root.get("style").is_some_and(|value| value.get_ref().as_str() == Some("carry")) {
        let message = "a carry cannot be told in one policy";
        let label = "it holds one contract against another, and a policy has one signal for all its instruments";
        let help = "write `style = \"hold\"` with a short view of the contract, and hold the coin elsewhere";
        reader.error(Code::Style, root.place("style"), message, label, help);
        return None;
    }
    reader.word(root, "style")
}

/// What is traded: instruments, or the options of a chain.
fn traded<'t>(
    reader: &mut Reader<'t>,
    doc: &Doc<'_, 't>,
    root: &Section<'_, 't>,
    style: Option<Style>,
    name: Option<&str>,
) -> (Vec<String>, Option<String>) {
    let named = ["instrument", "instruments"].into_iter().find(|key| root.has(key));
    if !style.is_some_and(Style::sells_options) {
        if let Some(style) = style.filter(|_| root.has("chain")) {
            let message = format!("`style = \"{}\"` trades no options", style.word());
            let (label, help) =
                ("a chain of options", "name an `instrument`, or take `covered_call` or `short_strangle`");
            reader.pair(Code::Style, root.place("chain"), (root.place("style"), "the style"), message, label, help);
            return (Vec::new(), None);
        }
        return (head::instruments(reader, doc), None);
    }
    let word = style.map_or("", Style::word);
    if let Some(key) = named {
        let message = format!("`style = \"{word}\"` sells options, and `{key}` names none");
        let help = "write venue and underlying of the options, for example `chain = \"deribit:BTC\"`";
        let second = (root.place("style"), "the style");
        reader.pair(Code::Style, root.place(key), second, message, "no chain of options", help);
        return (Vec::new(), None);
    }
    reader.require(root, &[("chain", "\"deribit:BTC\"")]);
    let Some(chain) = structure::chain(reader, root) else { return (Vec::new(), None) };
    let (venue, second) = (spec::venue(&chain).to_owned(), (root.place("style"), "sells options"));
    if !OPTION_VENUES.contains(&venue.as_str()) {
        let help = match nearest(&venue, OPTION_VENUES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("venues with options are {}", list(OPTION_VENUES)),
        };
        let message = format!("`{venue}` has no options");
        reader.pair(Code::Style, root.place("chain"), second, message, "there is nothing to sell", help);
        return (Vec::new(), None);
    }
    let symbol = spec::structure_symbol(&chain, name.unwrap_or("x"));
    let settles = spec::settlements(&symbol);
    if style == Some(Style::CoveredCall) && settles != spec::base(&symbol).into_iter().collect::<Vec<_>>() {
        let message = format!("calls on {chain} are not covered by what their account holds");
        let label = format!("paid for and settled in {}", settles.first().unwrap_or(&"another currency"));
        let help = "take a chain that settles in coin, such as `deribit:BTC`";
        reader.pair(Code::Style, root.place("chain"), second, message, label, help);
        return (Vec::new(), None);
    }
    (vec![symbol], Some(chain))
}

/// The series of the participant's own convictions.
fn series<'t>(reader: &mut Reader<'t>, root: &Section<'_, 't>, style: Option<Style>) -> Option<String> {
    match (style, root.get("series")) {
        (Some(Style::Signal), None) => {
            let message = "`style = \"signal\"` without a `series`";
            let help = "add the series of your convictions, as `trimtab import series --name` named it: `series = \"signal.btc\"`";
            reader.error(Code::MissingKey, root.place("style"), message, "trimtab brings no signal of its own", help);
            None
        }
        (Some(Style::Signal), Some(value)) => {
            let text = reader.string(root, "series", value)?;
            let is_word = |word: &str| {
                let word = word.replace(spec::BASE_PLACEHOLDER, "x");
                word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                    && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            if text.split('.').all(is_word) {
                return Some(text.to_owned());
            }
            let help = "write it as `trimtab import series --name` named it: `series = \"signal.btc\"`";
            reader.error(Code::Unreadable, value.span(), "`series` is the name of a series", "is no name", help);
            None
        }
        (Some(style), Some(value)) => {
            let message = "`series` has no effect";
            let label = format!("`style = \"{}\"` reads no series", style.word());
            reader.error(Code::OtherKind, value.span(), message, label, "take it out, or write `style = \"signal\"`");
            None
        }
        _ => None,
    }
}

/// What is paid in: `deposit` for one account, or `[[accounts]]`, each counted in the one currency of its deposit.
fn deposits<'t>(
    reader: &mut Reader<'t>,
    doc: &Doc<'_, 't>,
    root: &Section<'_, 't>,
    instruments: &[String],
) -> (Option<String>, Vec<(String, String)>) {
    let declared = doc.list("accounts").count();
    let accounts = portfolio::accounts(reader, doc);
    let key = if root.has("instruments") { "instruments" } else { "instrument" };
    if declared > 0 && root.has("deposit") {
        let help = "take it out: each account has a `deposit` of its own";
        reader.error(Code::Accounts, root.place("deposit"), "`deposit` beside `[[accounts]]`", "whose is it?", help);
    }
    let mut venues: Vec<&str> = instruments.iter().map(|symbol| spec::venue(symbol)).collect();
    venues.sort_unstable();
    venues.dedup();
    // What all contracts of a venue settle in; `None`: nothing, so that no account can carry them.
    let common = |venue: &str| -> Option<Vec<&str>> {
        let told =
            instruments.iter().filter(|symbol| spec::venue(symbol) == venue).map(|symbol| spec::settlements(symbol));
        let mut told = told.filter(|told| !told.is_empty());
        let first = told.next().unwrap_or_default();
        let is_told = !first.is_empty();
        let kept = told.fold(first, |kept, next| kept.into_iter().filter(|code| next.contains(code)).collect());
        (!is_told || !kept.is_empty()).then_some(kept)
    };
    for venue in venues.iter().filter(|venue| common(venue).is_none()) {
        let message = format!("the instruments of `{venue}` settle in different currencies");
        let help = "write objectives for those of each currency, and give each policy a part of the `capital`";
        let label = "one account counts its drawdown in one";
        reader.error(Code::Accounts, root.place(key), message, label, help);
    }
    // An account that could not be read may be the one that is missed.
    let is_whole = !reader.is_torn() && accounts.len() == declared;
    if is_whole && (declared > 0 || venues.len() > 1) {
        for venue in venues.iter().filter(|venue| accounts.iter().all(|account| account.venue != **venue)) {
            let help = format!("add `[[accounts]]` with `venue = \"{venue}\"` and a `deposit`");
            let message = format!("there is no account at `{venue}`");
            reader.error(Code::Accounts, root.place(key), message, "it is traded at", help);
        }
    }
    let mut named = Vec::new();
    for (section, account) in doc.list("accounts").zip(&accounts).filter(|_| is_whole) {
        let place = section.place("deposit");
        if !instruments.is_empty() && !venues.contains(&account.venue.as_str()) {
            let help = format!("take it out; the venues are {}", list(venues.iter().copied()));
            let message = format!("nothing is traded at `{}`", account.venue);
            reader.error(Code::Accounts, section.place("venue"), message, "an account without use", help);
            continue;
        }
        let [paid] = &account.deposits[..] else {
            if account.deposits.len() > 1 {
                let help = "write one amount in what the venue's instruments settle in";
                reader.error(Code::Accounts, place, "objectives count an account in one currency", "several", help);
            }
            continue;
        };
        let currency = paid.currency.as_deref().unwrap_or_default();
        if let Some(common) = common(&account.venue).filter(|common| !common.is_empty() && !common.contains(&currency))
        {
            let message = format!("what is traded at `{}` settles in {}", account.venue, common.join(" or "));
            reader.error(Code::Currency, place, message, format!("{currency} is not"), "pay in what it settles in");
            continue;
        }
        named.push((account.venue.clone(), reader.text()[place].trim_matches(['"', '\'']).to_owned()));
    }
    let deposit = root.get("deposit").filter(|_| declared == 0).and_then(|value| {
        let accepted = venues.first().and_then(|venue| common(venue)).unwrap_or_default();
        let (raw, _) = head::amount(reader, root, "deposit", &accepted, units::Cash::SCALE)?;
        if (1..=head::AMOUNT_MAX).contains(&raw) {
            return Some(reader.text()[value.span()].trim_matches(['"', '\'']).to_owned());
        }
        let slot = root.slot("deposit", "\"100_000 USDT\"");
        reader.out_of_range(&slot, value.span(), "over 0 and at most a million millions");
        None
    });
    (deposit, named)
}

/// `[[views]]`; `None`: one could not be read.
fn views<'t>(
    reader: &mut Reader<'t>,
    doc: &Doc<'_, 't>,
    instruments: &[String],
    style: Option<Style>,
) -> Option<Vec<View>> {
    let mut views: Vec<Option<View>> = Vec::new();
    let sections: Vec<_> = doc.list("views").collect();
    for section in sections {
        let view = view(reader, section, instruments, style);
        let is_twice = |known: &View| view.as_ref().is_some_and(|view| view.instrument == known.instrument);
        if let Some(first) = views.iter().position(|known| known.as_ref().is_some_and(is_twice)) {
            let second = doc.list("views").nth(first).map_or(0..0, |section| section.header.clone());
            let of = view.as_ref().and_then(|view| view.instrument.as_deref()).unwrap_or("all instruments");
            let message = format!("there are two views of {of}");
            let help = "keep one of the two";
            reader.pair(Code::Contradiction, section.header.clone(), (second, "the first"), message, "again", help);
        }
        views.push(view);
    }
    views.into_iter().collect()
}

fn view<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    instruments: &[String],
    style: Option<Style>,
) -> Option<View> {
    let is_known = |symbol: &str| instruments.is_empty() || instruments.iter().any(|known| known == symbol);
    let instrument = match section.get("instrument") {
        None => None,
        Some(value) => Some(reader.string(section, "instrument", value)?.to_owned()),
    };
    let side = match section.has("side") {
        true => reader.word(section, "side"),
        false => Some(Side::None),
    };
    let estimate = estimate(reader, section, style);
    if let Some(symbol) = instrument.as_deref().filter(|symbol| !is_known(symbol)) {
        let help = match nearest(symbol, instruments.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `\"{near}\"`?"),
            None => "name one of `instruments`, or leave it out for all".to_owned(),
        };
        let message = format!("{} is not traded", quoted(symbol));
        reader.error(Code::Instruments, section.place("instrument"), message, "a view of it changes nothing", help);
        return None;
    }
    if let Some(style) = style.filter(|style| style.sells_options() && section.has("side")) {
        let message = format!("`style = \"{}\"` has its side", style.word());
        let help = "take `side` out; `sharpe` is that of selling";
        reader.error(Code::Style, section.place("side"), message, "it sells", help);
        return None;
    }
    Some(View { instrument, side: side?, estimate: estimate? })
}

/// What a view should earn. Inside: none is told.
#[expect(clippy::option_option, reason = "what is absent is not what could not be read")]
fn estimate<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, style: Option<Style>) -> Option<Option<Estimate>> {
    let (sharpe, mean) = (section.has("sharpe"), section.has("return"));
    if sharpe && mean {
        let second = (section.place("sharpe"), "the first");
        let message = "a view is told by `sharpe` or by `return`";
        reader.pair(Code::Contradiction, section.place("return"), second, message, "the second", "keep one of the two");
        return None;
    }
    let known: Vec<&str> = ["evidence", "error"].into_iter().filter(|key| section.has(key)).collect();
    if !sharpe && !mean {
        let Some(key) = known.first() else { return Some(None) };
        let help = "add what it is of, for example `sharpe = 0.5`, or take it out";
        reader.error(Code::MissingKey, section.place(key), format!("`{key}` of nothing"), "no estimate to know", help);
        return None;
    }
    let key = if sharpe { "sharpe" } else { "return" };
    if let Some(style) = style.filter(|style| mean && style.sells_options()) {
        let message = format!("`style = \"{}\"` takes a `sharpe`", style.word());
        let label = "a return of how many options?";
        reader.error(
            Code::Style,
            section.place(key),
            message,
            label,
            "write what selling earns ÷ its volatility a year",
        );
        return None;
    }
    let value = reader.number(section, if sharpe { &SHARPE } else { &RETURN });
    let known_by = match known[..] {
        ["evidence"] => reader.duration(section, "evidence", EVIDENCE, "\"1460d\"").map(KnownBy::Evidence),
        ["error"] => reader.number(section, &ERROR).map(KnownBy::Error),
        [] => {
            let message = format!("how well `views.{key}` is known is not said");
            let help = "add how long a record says it, `evidence = \"1460d\"`, or its standard error, `error = 0.5`";
            reader.error(Code::Evidence, section.place(key), message, "no estimate is certain", help);
            None
        }
        _ => {
            let second = (section.place("evidence"), "the first");
            let message = "an estimate is known by `evidence` or by its `error`";
            let place = section.place("error");
            reader.pair(Code::Contradiction, place, second, message, "the second", "keep one of the two");
            None
        }
    };
    let of = if sharpe { Measure::Sharpe } else { Measure::Return };
    Some(Some(Estimate { value: value?, of, known_by: known_by? }))
}

/// What only several lines together can show.
fn across(reader: &mut Reader<'_>, wanted: &Objectives, told: &Told) {
    let place = |key: &str| wanted.place(key);
    if let Some(loss) = wanted.daily_loss.filter(|loss| told.worst_drawdown && *loss >= wanted.worst_drawdown) {
        let message = "one day may lose as much as the worst drawdown";
        let label = format!("{} % in a day", shown(loss));
        let help = format!(
            "lower it, a fifth of `worst_drawdown` is usual: `daily_loss = \"{}%\"`",
            shown(wanted.worst_drawdown / 5.0)
        );
        let second = (place("worst_drawdown"), "the most that may be lost at all");
        reader.pair(Code::Contradiction, place("daily_loss"), second, message, label, help);
    }
    if wanted.expected_return.is_some() && told.views && wanted.views.iter().all(|view| view.estimate.is_none()) {
        let message = "a return is wanted, and no view says where it comes from";
        let help = "add `[[views]]` with `sharpe` and `evidence`, or take `return` out: position sizes earn nothing";
        reader.error(Code::Contradiction, place("return"), message, "no view has an estimate", help);
    }
    for (at, view) in wanted.views.iter().enumerate() {
        if let Some(Estimate { known_by: KnownBy::Evidence(evidence), .. }) = view.estimate
            && told.horizon
            && evidence < wanted.horizon
        {
            let message = "the evidence is shorter than the horizon that it should speak for";
            let label = format!("{:.0} days were seen", evidence.days());
            let help = "shorten the horizon to what was seen, take longer evidence, or leave the estimate out: then no drift is counted on";
            let second = (place("horizon"), "so long is looked ahead");
            reader.pair(Code::Evidence, place(&format!("views.{at}.evidence")), second, message, label, help);
        }
    }
    if told.views && told.style {
        sides(reader, wanted);
    }
    let unnamed = wanted.instruments.iter().find(|symbol| spec::base(symbol).is_none());
    if let (Some(series), Some(symbol)) = (&wanted.series, unnamed)
        && series.contains(spec::BASE_PLACEHOLDER)
    {
        let message = format!("`{}` cannot be filled in for {}", spec::BASE_PLACEHOLDER, quoted(symbol));
        let label = "its base currency cannot be told from its symbol";
        reader.error(
            Code::Placeholder,
            place("series"),
            message,
            label,
            "name the series itself, such as `signal.btc`",
        );
    }
    if !told.style {
        return;
    }
    let word = wanted.style.word();
    let (adds, ladder) = match wanted.style {
        Style::Trend | Style::Signal => (true, true),
        Style::ShortStrangle => (false, true),
        Style::Hold | Style::CoveredCall => (false, false),
    };
    let declared = [("adds", wanted.adds, adds), ("ladder", wanted.ladder, ladder)];
    for (key, _, _) in declared.into_iter().filter(|(_, is_wanted, fits)| *is_wanted && !fits) {
        let message = format!("`{key}` do not go with `style = \"{word}\"`");
        let message = if key == "ladder" { message.replace(" do ", " does ") } else { message };
        let label = match (key, wanted.style) {
            ("adds", Style::ShortStrangle | Style::CoveredCall) => {
                "the price of options sold is their premium: falling is winning"
            }
            (_, Style::Hold) => "its size follows volatility and equity alone",
            _ => "calls are held until they are replaced",
        };
        let help = format!("take `{key}` out, or another style");
        reader.pair(Code::Contradiction, place(key), (place("style"), "the style"), message, label, help);
    }
    if told.horizon && wanted.horizon < CYCLE && (wanted.style == Style::Trend || wanted.style.sells_options()) {
        let message = format!("the horizon is shorter than one turn of `style = \"{word}\"`");
        let label = format!("{:.0} days", wanted.horizon.days());
        let second = match wanted.style {
            Style::Trend => "breakouts of 20 days are held for weeks",
            _ => "options sold a month out",
        };
        let help = "look at least 30 days ahead, or take another style";
        reader.pair(Code::Evidence, place("horizon"), (place("style"), second), message, label, help);
    }
}

/// One policy has one signal: views must agree on the side, where it matters.
fn sides(reader: &mut Reader<'_>, wanted: &Objectives) {
    let place = |key: &str| wanted.place(key);
    let told: Vec<(usize, Side)> = wanted
        .views
        .iter()
        .enumerate()
        .map(|(at, view)| (at, view.side))
        .filter(|(_, side)| *side != Side::None)
        .collect();
    let at = |index: usize| place(&format!("views.{index}.side"));
    let Some((first, side)) = told.first().copied() else {
        if wanted.style == Style::Hold {
            let message = "`style = \"hold\"` without a side";
            let help = "add `[[views]]` with `side = \"long\"` or `\"short\"`, or take another style";
            reader.error(Code::Contradiction, place("style"), message, "no view says what to hold", help);
        }
        return;
    };
    if let Some((other, _)) = told.iter().find(|(_, told)| *told != side) {
        let message = "views on opposite sides in one policy";
        let help = "write objectives for each side, and give each policy a part of the `capital`";
        let second = (at(first), "one side");
        reader.pair(Code::Contradiction, at(*other), second, message, "a policy has one signal for all", help);
    }
    let spot = wanted.instruments.iter().find(|symbol| spec::is_spot(symbol));
    if let Some(symbol) = spot.filter(|_| side == Side::Short) {
        let key = if wanted.places.contains_key("instruments") { "instruments" } else { "instrument" };
        let message = format!("{} cannot be sold short", quoted(symbol));
        let help = "trade a perpetual or a future of it, or take a long view";
        let second = (place(key), "a spot pair");
        reader.pair(Code::Contradiction, at(first), second, message, "nothing is held that could be sold", help);
    }
}

/// A share in percent, as a message has it.
fn shown(share: f64) -> String {
    format!("{}", (share * 1_000.0).round() / 10.0)
}
