//! What only several sections together can show.

use super::Draft;
use super::reader::{Doc, Reader, Section, list};
use crate::codes::Code;
use crate::diagnostic::{nearest, quoted};
use crate::expression::{Expression, Unit};
use crate::spec::{
    self, Allocation, BASE_PLACEHOLDER, Breached, Follow, Hedge, LeverageLimit, Mode, Over, Pyramid, Reentry, Resize,
    RungAt, Setting, Sides, SignalKind, Size, SizeKind, Stop, Trigger, UNITS_MAX, UnitSource,
};
use crate::{RiskFact, SurfaceFact};
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;
use units::Ratio;

pub(super) fn across(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    // In a torn text a section may be there and unseen.
    if !reader.is_torn() {
        needs_stop(reader, doc, draft);
        needs_unit(reader, doc, draft);
        needs_volatility(reader, doc, draft);
        needs_structure(reader, doc, draft);
    }
    accounts(reader, doc, draft);
    margins(reader, doc, draft);
    collateral(reader, doc, draft);
    if let Some(structure) = &draft.structure {
        super::structure::across(reader, doc, structure);
    }
    adopt(reader, doc, draft);
    placeholders(reader, doc, draft);
    signal(reader, doc, draft);
    spot(reader, doc, draft);
    rearm(reader, doc, draft);
    own_returns(reader, doc, draft);
    break_even(reader, doc, draft);
    reach(reader, doc, draft);
    caps_under_size(reader, doc, draft);
    limits_under_size(reader, doc, draft);
    counted_twice(reader, doc, draft);
    no_effect(reader, doc, draft);
}

/// Whether a rung of the ladder, as far as it could be read, is of some kind.
fn has_rung(draft: &Draft, is_one: impl Fn(RungAt) -> bool) -> bool {
    first_rung(draft, is_one).is_some()
}

/// Where the first of them stands: what it lacks, the others of its kind lack with it.
fn first_rung(draft: &Draft, is_one: impl Fn(RungAt) -> bool) -> Option<Range<usize>> {
    draft.rungs.at.iter().find(|(at, _)| is_one(*at)).map(|(_, place)| place.clone())
}

/// A condition, what a limit compares, or what a number is reckoned by.
struct Asked<'a> {
    key: &'static str,
    place: Range<usize>,
    expression: &'a Expression,
}

/// All of the policy, as far as they could be read.
fn expressions<'a>(doc: &'a Doc<'_, '_>, draft: &'a Draft) -> impl Iterator<Item = Asked<'a>> {
    let signal = draft.signal.iter().filter_map(|signal| signal.when.as_ref());
    let pyramid = draft.pyramid.iter().filter_map(|pyramid| pyramid.when.as_ref());
    let ladder = draft.rungs.conditions.iter();
    let signal = signal.map(|when| ("signal.when", doc.place("signal", "when"), when));
    let pyramid = pyramid.map(|when| ("pyramid.when", doc.place("pyramid", "when"), when));
    let ladder = ladder.map(|(when, place)| ("ladder.at", place.clone(), when));
    let limits = draft.limits.iter().flat_map(|(limit, place)| {
        let parts = [("limits.of", &limit.of), ("limits.over", &limit.limit), ("limits.restore", &limit.restore)];
        parts.map(|(key, asked)| (key, place.clone(), asked))
    });
    let modes = draft.modes.conditions().map(|(mode, when)| {
        let key = match mode {
            Mode::ReduceOnly => "modes.reduce_only",
            Mode::Hold => "modes.hold",
            Mode::Flatten => "modes.flatten",
        };
        (key, doc.place("modes", mode.rule()), when)
    });
    let all = signal.chain(pyramid).chain(ladder).chain(limits).chain(modes).chain(settings(doc, draft));
    all.map(|(key, place, expression)| Asked { key, place, expression })
}

/// The numbers that are reckoned, with the places of their keys.
fn settings<'a>(
    doc: &'a Doc<'_, '_>,
    draft: &'a Draft,
) -> impl Iterator<Item = (&'static str, Range<usize>, &'a Expression)> {
    let size = draft.size.iter().flat_map(|size| size.kind.settings()).map(|(key, by)| ("size", key, by));
    let step = draft.pyramid.iter().filter_map(Pyramid::setting);
    let trail = draft.stop.iter().filter_map(Stop::setting);
    let caps = draft.caps.settings();
    let hedges = draft.hedges.iter().flat_map(Hedge::settings).map(|(_, key, by)| {
        let named = doc.list("hedges").find(|section| section.has("alternatives"));
        (key, named.map_or(0..0, |section| section.place("alternatives")), by)
    });
    let plain = size.chain(step).chain(trail).chain(caps);
    plain.map(|(section, key, by)| (key, doc.place(section, key), by)).chain(hedges)
}

fn needs_stop(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    if doc.section("stop").is_some() {
        return;
    }
    let help = "add `[stop]` with for example `initial = \"2N\"`";
    for Asked { place, .. } in expressions(doc, draft).filter(|asked| asked.expression.measures_in(Unit::R)) {
        let label = "R is the distance to the initial stop, and there is no stop";
        reader.error(Code::NeedsStop, place, "expression in R without a stop", label, help);
    }
    if let Some(place) = first_rung(draft, |at| matches!(at, RungAt::R(_))) {
        let label = "R is the distance to the initial stop, and there is no stop";
        reader.error(Code::NeedsStop, place, "ladder in R without a stop", label, help);
    }
    for (section, key, message, label) in [
        (
            "streak",
            "factor",
            "wins and losses in R without a stop",
            "R is the distance to the initial stop, and there is no stop",
        ),
        ("caps", "open_risk", "open risk without a stop", "it is what is lost at the stop, and there is no stop"),
    ] {
        if doc.has(section, key) {
            reader.error(Code::NeedsStop, doc.place(section, key), message, label, help);
        }
    }
    if doc.has("size", "risk") {
        let label = "the risk of a trade is the distance to its stop, and there is no stop";
        reader.error(Code::NeedsStop, doc.place("size", "risk"), "size by risk without a stop", label, help);
    }
}

fn needs_unit(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    if doc.section("unit").is_some() {
        return;
    }
    if let Some(place) = first_rung(draft, |at| matches!(at, RungAt::N(_))) {
        let help = "add `[unit]` with for example `n = \"atr(20, 1d)\"`";
        let message = "`ladder.at` is in N without a unit";
        reader.error(Code::NeedsUnit, place, message, "nothing says what N is", help);
    }
    for Asked { key, place, .. } in expressions(doc, draft).filter(|asked| asked.expression.measures_in(Unit::N)) {
        let help = "add `[unit]` with for example `n = \"atr(20, 1d)\"`";
        let message = format!("`{key}` reads N without a unit");
        reader.error(Code::NeedsUnit, place, message, "nothing says what N is", help);
    }
    // One complaint a section is enough.
    for keys in [&[("pyramid", "step"), ("pyramid", "max_chase")], &[("stop", "initial"), ("stop", "trail")]] {
        if let Some((section, key)) = keys.iter().find(|(section, key)| doc.has(section, key)) {
            let message = format!("`{section}.{key}` is in N without a unit");
            let help = "add `[unit]` with for example `n = \"atr(20, 1d)\"`";
            reader.error(Code::NeedsUnit, doc.place(section, key), message, "nothing says what N is", help);
        }
    }
}

/// A rung by volatility waits for the volatility that sizing reads.
fn needs_volatility(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let reads = draft.size.as_ref().is_none_or(|size| matches!(size.kind, SizeKind::VolatilityTarget { .. }));
    if let Some(place) = first_rung(draft, |at| matches!(at, RungAt::Volatility(_))).filter(|_| !reads) {
        let message = "a rung waits for volatility, and nothing reads it";
        let label = "it is the volatility that sizing reads";
        let help = "size by `volatility_target`, or measure the rung otherwise";
        reader.error(Code::NeedsVolatility, place, message, label, help);
    }
    let asks = |asked: &Asked<'_>| !reads && asked.expression.names("volatility");
    for Asked { place, .. } in expressions(doc, draft).filter(asks) {
        let (message, label) = ("an expression asks for volatility, and nothing reads it", "it is what sizing reads");
        let help = "size by `volatility_target`, or name a volatility such as `iv.atm(BTC, 30d)`";
        reader.error(Code::NeedsVolatility, place, message, label, help);
    }
}

/// The volatility of the policy's structure is one where there is a structure.
fn needs_structure(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    if doc.section("structure").is_some() {
        return;
    }
    let fact = SurfaceFact::Structure.to_string();
    let size = draft.size.as_ref().map_or_else(Vec::new, |size| size.kind.series());
    let unit = draft.unit.as_ref().and_then(UnitSource::series);
    let mut named = vec![(doc.place("size", "volatility"), size), (doc.place("unit", "n"), unit.into_iter().collect())];
    named.extend(expressions(doc, draft).map(|asked| (asked.place, asked.expression.series())));
    for (place, names) in named {
        if names.contains(&fact.as_str()) {
            let message = format!("`{fact}` without `[structure]`");
            let help = "add `[structure]`, or take `iv.atm(BTC, 30d)`";
            reader.error(Code::Structure, place, message, "the policy trades no structure", help);
        }
    }
}

/// Every venue that is traded at has an account.
fn accounts(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let declared = doc.list("accounts").count();
    if declared > 0 && doc.has("backtest", "deposit") {
        let message = "`backtest.deposit` beside `[[accounts]]`";
        let help = "take it out: each account has a `deposit` of its own";
        reader.error(Code::Accounts, doc.place("backtest", "deposit"), message, "which account is meant?", help);
    }
    // An account that could not be read may be the one that is missed.
    let Some(first) = draft.instruments.first() else { return };
    if reader.is_torn() || draft.accounts.len() != declared {
        return;
    }
    let key = if doc.has("", "instruments") { "instruments" } else { "instrument" };
    let has_account = |symbol: &str| match declared {
        0 => spec::venue(symbol) == spec::venue(first),
        _ => draft.accounts.iter().any(|account| account.venue == spec::venue(symbol)),
    };
    let remedy = |venue: &str| match declared {
        0 => format!("add `[[accounts]]` for every venue, one of them with `venue = \"{venue}\"` and a `deposit`"),
        _ => format!("add `[[accounts]]` with `venue = \"{venue}\"` and a `deposit`"),
    };
    let mut missing: Vec<&str> = Vec::new();
    for symbol in draft.instruments.iter().filter(|symbol| !has_account(symbol)) {
        let venue = spec::venue(symbol);
        if missing.contains(&venue) {
            continue;
        }
        missing.push(venue);
        let label = format!("{} is traded there", quoted(symbol));
        let message = format!("there is no account at `{venue}`");
        reader.error(Code::Accounts, doc.place("", key), message, label, remedy(venue));
    }
    let known = |symbol: &str| draft.hedges.iter().any(|hedge| trades(hedge, symbol));
    for (place, symbol) in doc.list("hedges").flat_map(hedging).filter(|(_, symbol)| known(symbol)) {
        let venue = spec::venue(symbol);
        if has_account(symbol) || missing.contains(&venue) {
            continue;
        }
        missing.push(venue);
        let label = format!("the hedge {} is traded there", quoted(symbol));
        let message = format!("there is no account at `{venue}`");
        reader.error(Code::Accounts, place, message, label, remedy(venue));
    }
}

/// Whether a hedge trades an instrument, or options of a chain.
fn trades(hedge: &Hedge, named: &str) -> bool {
    hedge.instruments().any(|known| known == named) || hedge.options().any(|(_, of)| of.structure.chain == named)
}

/// Everything that a hedge may trade, and where it is named: of options the chain.
fn hedging<'a>(section: &'a Section<'_, '_>) -> impl Iterator<Item = (Range<usize>, &'a str)> {
    let named = |value: &'a Spanned<DeValue<'_>>| Some((value.span(), value.get_ref().as_str()?));
    let others = section.get("alternatives").and_then(|value| value.get_ref().as_array());
    let others = others.into_iter().flatten();
    let others = others.filter_map(|entry| {
        let entry = entry.get_ref().as_table()?;
        entry.get("instrument").or_else(|| entry.get("chain"))
    });
    section.get("instrument").into_iter().chain(others).filter_map(named)
}

/// Every venue whose margin is read has an account.
fn margins(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let declared = doc.list("accounts").count();
    let Some(first) = draft.instruments.first() else { return };
    if reader.is_torn() || draft.accounts.len() != declared {
        return;
    }
    let venues: Vec<&str> = match declared {
        0 => vec![spec::venue(first)],
        _ => draft.accounts.iter().map(|account| account.venue.as_str()).collect(),
    };
    for (fact, span) in reader.risk_facts.clone() {
        let RiskFact::Margin { venue, .. } = fact else { continue };
        if venues.contains(&venue.as_str()) || reader.is_told(&span) {
            continue;
        }
        let help = match nearest(&venue, venues.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "the policy's accounts are at {}; add `[[accounts]]` with `venue = \"{venue}\"`",
                list(venues.iter().copied())
            ),
        };
        reader.error(Code::Accounts, span, format!("there is no account at `{venue}`"), "its margin is read", help);
    }
}

/// Coin that lies in an account which counts in something else, where a limit or a size could be thought to take care of it.
fn collateral(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let limits = ["drawdown", "daily_loss", "weekly_loss"].into_iter().find(|key| doc.has("caps", key));
    let is_target = matches!(&draft.size, Some(Size { kind: SizeKind::VolatilityTarget { .. }, .. }));
    for account in &draft.accounts {
        let own = || draft.instruments.iter().filter(|symbol| spec::venue(symbol) == account.venue);
        // Without a numéraire it is what the first instrument settles in, where that can be told.
        let settles = own().next().map(|first| spec::settlements(first)).unwrap_or_default();
        let told = account.numeraire.as_deref().or(if let [only] = settles[..] { Some(only) } else { None });
        let Some(numeraire) = told else { continue };
        let paid = || account.deposits.iter().filter_map(|paid| paid.currency.as_deref());
        let is_coin = |paid: &&str| *paid != numeraire && !spec::is_dollar(paid);
        // Beside money of the numéraire the coin may be a small part.
        let limits = limits.filter(|_| paid().all(|paid| is_coin(&paid)));
        for coin in paid().filter(is_coin) {
            let venue = &account.venue;
            let holds = format!("the account at `{venue}` counts in {numeraire} and holds {coin}");
            if let Some(key) = limits {
                let message = "a fall of the coin alone can reach the limit, and being flat does not end it";
                let help = format!("count in the coin (`numeraire = \"{coin}\"`), or hedge it; see docs/collateral.md");
                reader.warn(Code::Collateral, doc.place("caps", key), message, holds.clone(), help);
            }
            let traded = own().any(|symbol| spec::base(symbol).is_none_or(|base| base == coin));
            if is_target && !traded {
                let message = format!("the volatility target does not count {coin}");
                let help = "no instrument of the account is on that coin; `caps.leverage` counts it";
                reader.warn(Code::Collateral, doc.place("size", "target"), message, holds, help);
            }
        }
    }
}

/// What is taken over fits the rules that go on with it.
fn adopt(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let sections: Vec<_> = doc.list("adopt").collect();
    // Entries and what they say are matched by order; one that could not be read has said so.
    if reader.is_torn() || sections.len() != draft.adopt.len() {
        return;
    }
    let needs_unit = doc.section("stop").is_some()
        || doc.section("pyramid").is_some()
        || has_rung(draft, |at| matches!(at, RungAt::N(_)));
    let most = match (&draft.pyramid, doc.section("pyramid").is_some()) {
        (Some(pyramid), _) => pyramid.shares.len(),
        (None, true) => UNITS_MAX,
        (None, false) => 1,
    };
    for (section, adoption) in sections.into_iter().zip(&draft.adopt) {
        match adoption.unit {
            None if needs_unit => {
                let message = "`n` is missing in `adopt`";
                let help = "add `n`, the volatility unit as it was when the position was opened, in price: for example `n = 850`";
                reader.error(Code::Adopt, section.header.clone(), message, "stops and units are measured in N", help);
            }
            Some(_) if !needs_unit => {
                let help = "take it out, or add `[stop]` or `[pyramid]`";
                let label = "nothing is measured in N";
                reader.warn(Code::NoEffect, section.place("n"), "`adopt.n` has no effect", label, help);
            }
            _ => {}
        }
        if adoption.stop.is_some() && doc.section("stop").is_none() {
            let (label, help) = ("the policy has no stop", "add `[stop]`, or take it out");
            reader.warn(Code::NoEffect, section.place("stop"), "`adopt.stop` has no effect", label, help);
        }
        if adoption.units as usize > most {
            let message = "more units are filled than the pyramid has";
            let label = format!("the pyramid has {most}");
            let label = if doc.section("pyramid").is_none() { "there is no `[pyramid]`".to_owned() } else { label };
            reader.error(Code::Adopt, section.place("units"), message, label, "count the units that are filled");
        }
        if let (Some(unit), Some(stop), None) = (adoption.unit, &draft.stop, adoption.stop)
            && adoption.quantity.signum() > 0
            && adoption.entry.approximate() <= stop.initial.get() * unit.approximate()
        {
            let message = "the stop of the adopted position is not over zero";
            let label = format!("{} N of {unit} under the entry {}", stop.initial, adoption.entry);
            let help = "state its `stop`, or a smaller `n`";
            reader.error(Code::Adopt, section.place("n"), message, label, help);
        }
    }
}

/// A placeholder stands for the base currency of each instrument.
fn placeholders(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let Some(symbol) = draft.instruments.iter().find(|symbol| spec::base(symbol).is_none()) else { return };
    let signal = draft.signal.as_ref().and_then(|signal| signal.kind.series());
    let unit = draft.unit.as_ref().and_then(UnitSource::series);
    let size = draft.size.as_ref().map_or_else(Vec::new, |size| size.kind.series());
    let mut named = vec![
        (doc.place("signal", "series"), signal.into_iter().collect()),
        (doc.place("unit", "n"), unit.into_iter().collect()),
        (doc.place("size", "volatility"), size),
    ];
    named.extend(expressions(doc, draft).map(|asked| (asked.place, asked.expression.series())));
    for (place, names) in named {
        if names.iter().any(|name: &&str| name.contains(BASE_PLACEHOLDER)) {
            let message = format!("`{BASE_PLACEHOLDER}` cannot be filled in for {}", quoted(symbol));
            let help = "name the series itself, such as `dvol.btc`, or write the symbol as `venue:BASEQUOTE-PERP`";
            let label = "its base currency cannot be told from its symbol";
            reader.error(Code::Placeholder, place, message, label, help);
        }
    }
}

fn signal(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    match draft.signal.as_ref().map(|signal| &signal.kind) {
        Some(SignalKind::EmaCross { fast, slow, .. }) if fast >= slow => {
            let message = "the fast average is not faster than the slow one";
            let label = format!("is not under `slow = {slow}`");
            reader.error(Code::SpanOrder, doc.place("signal", "fast"), message, label, "swap `fast` and `slow`");
        }
        Some(SignalKind::Donchian { entry, exit, .. }) if exit > entry => {
            let message = "the exit channel is longer than the entry channel";
            let (label, help) = (format!("is over `entry = {entry}`"), "an exit of half the entry channel is usual");
            reader.warn(Code::SlowExit, doc.place("signal", "exit"), message, label, help);
        }
        _ => {}
    }
}

/// Of a spot pair nothing can be sold that is not held.
fn spot(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let Some(signal) = &draft.signal else { return };
    let key = match signal.kind {
        SignalKind::Constant { strength } if strength.get() < 0.0 => "strength",
        _ if signal.sides == Sides::Short => "sides",
        _ => return,
    };
    let Some(symbol) = draft.instruments.iter().find(|symbol| spec::is_spot(symbol)) else { return };
    let message = format!("{} is never traded: the policy is always short", quoted(symbol));
    let label = "nothing of a spot pair can be sold that is not held";
    let help = "trade a perpetual or a future of it, or let the signal be long";
    reader.warn(Code::NoEffect, doc.place("signal", key), message, label, help);
}

/// A signal that is issued once is spent when a drawdown made the strategy flat.
fn rearm(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let Some(signal) = &draft.signal else { return };
    let is_constant = matches!(signal.kind, SignalKind::Constant { .. });
    if draft.caps.rearm.is_some() && is_constant && signal.reentry == Reentry::NewSignal {
        let label = "a constant signal is issued once: whoever is flat waits for another one for ever";
        let help = "set `reentry = \"at_once\"` in `[signal]`";
        reader.warn(Code::NoEffect, doc.place("caps", "rearm"), "`caps.rearm` has no effect", label, help);
    }
}

/// What an account's own returns tell is not known before it has traded, and an entry that waits for it never comes.
fn own_returns(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let when = draft.signal.iter().filter_map(|signal| signal.when.as_ref());
    let when = when.map(|when| (doc.place("signal", "when"), when, "!known({}) || …"));
    // Distances and adds come after an entry.
    let size = draft.size.iter().flat_map(|size| size.kind.settings());
    let size = size.map(|(key, by)| (doc.place("size", key), by, "if(known({}), …, 1)"));
    let caps = draft.caps.settings().map(|(_, key, by)| (doc.place("caps", key), by, "if(known({}), …, 1)"));
    let mut all = when.chain(size).chain(caps);
    own_returns_of_limits(reader, draft);
    let Some((place, name, instead)) =
        all.find_map(|(place, by, instead)| Some((place, waits_for_returns(by)?, instead)))
    else {
        return;
    };
    let instead = instead.replace("{}", &name);
    let message = format!("a first entry waits for `{name}`, which it must make known");
    let label = "told by 60 days of returns of the account, of which it has none while it never traded";
    let help = format!(
        "let it begin while nothing is known: `{instead}`; where other strategies trade in the account, nothing need change"
    );
    reader.warn(Code::NeverHolds, place, message, label, help);
}

/// A fact of the account's own returns without which an expression cannot be known, or hold.
fn waits_for_returns(by: &Expression) -> Option<String> {
    let is_growth = |name: &str| name.parse().is_ok_and(|fact: RiskFact| fact.needs_returns());
    let name = by.series().into_iter().find(|name| is_growth(name)).filter(|_| !by.may_hold(&is_growth))?;
    Some(name.to_owned())
}

/// What a limit does not know bars entries, those too that would make it known.
fn own_returns_of_limits(reader: &mut Reader<'_>, draft: &Draft) {
    for (limit, place) in &draft.limits {
        let Some(name) = [&limit.of, &limit.limit, &limit.restore].into_iter().find_map(waits_for_returns) else {
            continue;
        };
        // A number within the limit, whatever it is.
        let within = if limit.breached == Breached::Over { "0" } else { "1000" };
        let message =
            format!("the limit bars every entry until `{name}` is known, and no day without a position makes it known");
        let label = "told by 60 days of returns of the account, of which it has none while it never traded";
        let help = format!(
            "let it be kept while nothing is known: `if(known({name}), {name}, {within})`; \
             where other strategies trade in the account, nothing need change"
        );
        reader.warn(Code::NeverHolds, place.clone(), message, label, help);
    }
}

/// A break-even after a rung that does not exist would never come.
fn break_even(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let Some(after) = draft.stop.as_ref().and_then(|stop| stop.break_even_after) else { return };
    // A ladder that could not be read has said so.
    let rungs = match (&draft.ladder, doc.section("ladder").is_some()) {
        (Some(ladder), _) => ladder.rungs.len(),
        (None, false) if !reader.is_torn() => 0,
        _ => return,
    };
    if after as usize > rungs {
        let message = "the stop waits for a rung that does not exist";
        let label = format!("the ladder has {rungs} rungs");
        let help = "name a rung of `[ladder]`, counted from 1, or take it out";
        reader.error(Code::Lengths, doc.place("stop", "break_even_after"), message, label, help);
    }
}

/// Adds end after the first rung: units behind it are never bought.
fn reach(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    if let Some(stop) = &draft.stop
        && let Some(trail) = stop.trail.as_ref().and_then(Setting::declared).filter(|trail| *trail < stop.initial)
    {
        let message = "the trail is tighter than the initial stop";
        let label = format!("{trail}N from the best price, the initial stop {}N from the entry", stop.initial);
        let help = "widen the trail, or bring `initial` down to it";
        reader.warn(Code::TightTrail, doc.place("stop", "trail"), message, label, help);
    }
    let (Some(pyramid), Some(ladder)) = (&draft.pyramid, &draft.ladder) else { return };
    // Only rungs in R and N can be compared with levels in N.
    let in_units = |at: RungAt| match at {
        RungAt::R(r) => draft.stop.as_ref().map(|stop| (r.get() * stop.initial.get(), format!("{r}R is "))),
        RungAt::N(n) => Some((n.get(), String::new())),
        _ => None,
    };
    let rungs = ladder.rungs.iter().filter_map(|rung| in_units(rung.at));
    let Some((rung, is)) = rungs.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|_| !ladder.readd) else { return };
    let units = pyramid.shares.len();
    let Some(step) = pyramid.step.declared() else { return };
    let last_unit = (units - 1) as f64 * step.get();
    if rung < last_unit {
        let message = "the first rung ends the pyramid early";
        let label = format!("{is}{rung}N in favour, unit {units} is added at {last_unit}N");
        let help = "move the rung out, take fewer units, or set `readd = true`";
        reader.warn(Code::UnitsOutOfReach, doc.place("ladder", "at"), message, label, help);
    }
}

fn caps_under_size(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let declared = draft.caps.leverage.as_ref().and_then(LeverageLimit::declared);
    let (Some(size), Some(limit)) = (&draft.size, declared) else { return };
    let (key, largest) = match &size.kind {
        SizeKind::FixedFraction { fraction } => ("fraction", fraction.declared()),
        SizeKind::VolatilityTarget { exposure_cap: Some(cap), .. } => ("exposure_cap", cap.declared()),
        _ => return,
    };
    // What is reckoned may be any number.
    let Some(largest) = largest else { return };
    // What all instruments of one account together may have. Where only some count, one of them may have all of it.
    let count = draft.instruments.len();
    let of_venue =
        |symbol: &String| draft.instruments.iter().filter(|other| spec::venue(other) == spec::venue(symbol)).count();
    let fullest = match draft.allocation.over {
        Over::Declared => draft.instruments.iter().map(of_venue).max().unwrap_or(count) as f64 / count.max(1) as f64,
        Over::Quoted | Over::Signalled => 1.0,
    };
    let share = draft.capital.get() * if count > 1 { draft.allocation.multiplier.get() * fullest } else { 1.0 };
    if largest.get() * share > limit.limit.get() {
        let message = "the leverage cap is under the size";
        let (of, most) = match share {
            1.0 => ("equity".to_owned(), limit.limit.to_string()),
            share => (format!("{:.2} of equity", share), format!("{:.2}", limit.limit.get() / share)),
        };
        let label = format!("× {of}, and `caps.leverage` is {}", limit.limit);
        let help = format!("lower it to {most} or less, so that the cap is there for trouble only");
        reader.warn(Code::CapAlwaysBinds, doc.place("size", key), message, label, help);
    }
}

/// A number as it would be written.
fn shown(value: f64) -> String {
    Ratio::new(value).unwrap_or_default().to_string()
}

/// A limit on leverage under the declared size cuts each entry, as a cap does.
fn limits_under_size(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let Some(size) = &draft.size else { return };
    let (key, largest) = match &size.kind {
        SizeKind::FixedFraction { fraction } => ("fraction", fraction.declared()),
        SizeKind::VolatilityTarget { exposure_cap: Some(cap), .. } => ("exposure_cap", cap.declared()),
        _ => return,
    };
    // Of several instruments each has a part, and what all of them have together is told above.
    let Some(largest) = largest.filter(|_| draft.instruments.len() == 1) else { return };
    let cap = draft.caps.leverage.as_ref().and_then(LeverageLimit::declared).map_or(f64::MAX, |cap| cap.restore.get());
    let entry = (largest.get() * draft.capital.get()).min(cap);
    let is_leverage = |of: &Expression| matches!(of.to_string().as_str(), "leverage()" | "exposure");
    for (limit, _) in
        draft.limits.iter().filter(|(limit, _)| limit.breached == spec::Breached::Over && is_leverage(&limit.of))
    {
        let Some(most) = limit.limit.constant().filter(|most| entry > *most * (1.0 + crate::level::SLACK)) else {
            continue;
        };
        let (message, restore) = ("a limit on leverage is under the size", limit.restore.constant().unwrap_or(most));
        let label = format!("× equity, and `limits.over` is {}: each entry is cut", shown(most));
        let help = format!("lower it to {} or less, so that the limit is there for trouble only", shown(restore));
        reader.warn(Code::CapAlwaysBinds, doc.place("size", key), message, label, help);
    }
}

/// A forecast in the target of a size that divides by forecast volatility.
fn counted_twice(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let Some(Size { kind: SizeKind::VolatilityTarget { target, .. }, .. }) = &draft.size else { return };
    let is_recorded = |name: &&str| name.parse::<RiskFact>().is_err() && name.parse::<SurfaceFact>().is_err();
    let Some(name) = target.expression().and_then(|by| by.series().into_iter().find(is_recorded)) else { return };
    let message = "a series scales the target of a size that volatility already divides";
    let label = format!("{} acts on it once more: what volatility tells is counted twice", quoted(name));
    let help = format!("let the target stand still, and scale `exposure_cap`, adds or distances by {}", quoted(name));
    reader.warn(Code::CountedTwice, doc.place("size", "target"), message, label, help);
}

fn no_effect(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, draft: &Draft) {
    let has = |section: &str| doc.section(section).is_some();
    let is_frozen = draft.size.as_ref().is_some_and(|size| size.resize == Resize::Entry);
    let are_equal =
        draft.pyramid.as_ref().is_some_and(|pyramid| pyramid.shares.windows(2).all(|pair| pair[0] == pair[1]));
    let follows = draft.stop.as_ref().is_some_and(|stop| stop.follow == Follow::LastFill);
    let is_one = draft.instruments.len() == 1;
    let is_amount = matches!(&draft.size, Some(Size { kind: SizeKind::FixedNotional { .. }, .. }));
    let notional = "`notional` is an amount for each instrument, not a share of equity";
    let waits_for_no_price = draft.ladder.as_ref().is_some_and(|ladder| {
        let is_price = |at: RungAt| !matches!(at, RungAt::Time(_) | RungAt::Volatility(_));
        ladder.trigger == Trigger::Resting && !has_rung(draft, is_price)
    });
    // A misspelt one has been told.
    let has_mode = doc.section("modes").is_some_and(|section| {
        Mode::ALL.iter().any(|mode| section.has(mode.rule()) || section.has_misspelt(mode.rule()))
    });
    let is_targeted = matches!(&draft.size, None | Some(Size { kind: SizeKind::VolatilityTarget { .. }, .. }));
    let findings = [
        (
            !is_one && !is_targeted && doc.has("allocation", "correlation"),
            ("allocation", "correlation"),
            "what is not sized by its volatility has no risk that correlations could divide: each has its part alike",
            "take it out, or size by `volatility_target`",
        ),
        (
            is_one && doc.has("allocation", "correlation"),
            ("allocation", "correlation"),
            "there is one instrument, and it has the whole capital",
            "take it out, or list more under `instruments`",
        ),
        (
            is_one && doc.has("allocation", "over"),
            ("allocation", "over"),
            "there is one instrument, and it has the whole capital",
            "take it out, or list more under `instruments`",
        ),
        (
            is_one && doc.has("allocation", "multiplier"),
            ("allocation", "multiplier"),
            "there is one instrument, and it has the whole capital",
            "take it out, or list more under `instruments`",
        ),
        (
            is_amount && doc.has("allocation", "drawdown"),
            ("allocation", "drawdown"),
            notional,
            "take it out, or size by `fixed_fraction`",
        ),
        (
            is_amount && draft.capital.get() != 1.0 && doc.has("", "capital"),
            ("", "capital"),
            notional,
            "take it out, or size by `fixed_fraction`",
        ),
        (
            is_amount && !is_one && draft.allocation != Allocation::default() && doc.section("allocation").is_some(),
            ("allocation", "over"),
            notional,
            "take it out, or size by `fixed_fraction`",
        ),
        (
            doc.has("trade", "buffer") && is_frozen,
            ("trade", "buffer"),
            "the base is frozen at entry, and units, rungs and stops ignore the buffer",
            "take it out, or set `resize = \"continuous\"`",
        ),
        (
            doc.has("trade", "buffer_to") && !doc.has("trade", "buffer"),
            ("trade", "buffer_to"),
            "there is no buffer",
            "set `buffer`",
        ),
        (
            doc.has("caps", "on_loss") && !doc.has("caps", "daily_loss") && !doc.has("caps", "weekly_loss"),
            ("caps", "on_loss"),
            "there is no loss limit",
            "set `daily_loss` or `weekly_loss`",
        ),
        (
            follows && !has("pyramid"),
            ("stop", "follow"),
            "without `[pyramid]` the only fill is the entry",
            "take it out",
        ),
        (
            doc.has("ladder", "readd") && !has("pyramid"),
            ("ladder", "readd"),
            "without `[pyramid]` nothing is added",
            "take it out",
        ),
        (
            doc.has("pyramid", "weights") && are_equal,
            ("pyramid", "weights"),
            "equal weights are the default",
            "take it out",
        ),
        (
            has("unit") && !has("pyramid") && !has("stop") && !has_rung(draft, |at| matches!(at, RungAt::N(_))),
            ("unit", "n"),
            "nothing is measured in N",
            "add `[stop]` or `[pyramid]`",
        ),
        (
            doc.has("modes", "restore_after") && !has_mode,
            ("modes", "restore_after"),
            "no mode has a condition that it could stay behind; `stale_after` ends with the next price",
            "set `reduce_only`, `hold` or `flatten`, or take it out",
        ),
        (
            doc.has("ladder", "trigger") && waits_for_no_price,
            ("ladder", "trigger"),
            "rungs by time and volatility never rest at the venue",
            "take it out",
        ),
    ];
    for (_, (section, key), label, help) in findings.into_iter().filter(|(found, ..)| *found) {
        // What is missing may only be unseen.
        if !reader.is_torn() {
            reader.warn(
                Code::NoEffect,
                doc.place(section, key),
                format!(
                    "`{}{key}` has no effect",
                    if section.is_empty() { String::new() } else { format!("{section}.") }
                ),
                label,
                help,
            );
        }
    }
}
