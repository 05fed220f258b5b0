//! `[pyramid]`, `[stop]` and `[ladder]`.

use super::fields::{Field, Low, Takes};
use super::reader::{Doc, Reader, Section};
use super::signal::volatility_level;
use super::typed::{self, Currencies};
use super::value::{Expr, Node, Quantity, Unit};
use crate::codes::Code;
use crate::diagnostic::quoted;
use crate::expression::Expression;
use crate::spec::{
    self, Follow, FractionOf, Ladder, Pyramid, RUNGS_MAX, Rung, RungAt, Spacing, Stop, Streak, StreakOver, TimeStop,
    Trigger, UNITS_MAX,
};
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;
use units::{Duration, Price, Ratio};

const STEP: Field = distance("step", "\"0.5N\"");
const INITIAL: Field = distance("initial", "\"2N\"");
const TRAIL: Field = distance("trail", "\"6N\"");
const MAX_CHASE: Field =
    Field { low: Low::Least(0.0), range: "between 0 and 100N", ..distance("max_chase", "\"0.25N\"") };
const WEIGHT: Field = Field {
    key: "weights",
    takes: Takes::Number,
    low: Low::Over(0.0),
    most: 1e6,
    range: "over 0 and at most 1000000",
    example: "[4, 3, 2, 1]",
};
const AT: Field = Field {
    key: "at",
    takes: Takes::MultipleOfR,
    low: Low::Over(0.0),
    most: 1_000.0,
    range: "over 0 and at most 1000R",
    example: "[\"2R\", \"4R\"]",
};
const AT_N: Field = Field { takes: Takes::MultipleOfN, range: "over 0 and at most 1000N", ..AT };
const AT_PROFIT: Field = Field { takes: Takes::Share, most: 10.0, range: "over 0 and at most 1000%", ..AT };
const RUNNER: Field = Field {
    key: "runner",
    takes: Takes::Share,
    low: Low::Least(0.0),
    most: 1.0,
    range: "between 0 and 1.00",
    example: "0.25",
};
const TIME_REACH: Field =
    Field { key: "time_reach", low: Low::Least(0.0), range: "between 0R and 1000R", example: "\"1R\"", ..AT };
const STREAK_FACTOR: Field = Field {
    key: "factor",
    takes: Takes::Number,
    low: Low::Over(1.0),
    most: 10.0,
    range: "over 1 and at most 10",
    example: "1.5",
};
const STREAK_CAP: Field =
    Field { key: "cap", most: 100.0, range: "over 1 and at most 100", example: "3.0", ..STREAK_FACTOR };
const FRACTION: Field = Field {
    key: "fractions",
    takes: Takes::Share,
    low: Low::Over(0.0),
    most: 1.0,
    range: "over 0 and at most 1.00",
    example: "[0.25, 0.25]",
};

const fn distance(key: &'static str, example: &'static str) -> Field {
    let range = "over 0 and at most 100N";
    Field { key, takes: Takes::MultipleOfN, low: Low::Over(0.0), most: 100.0, range, example }
}

pub(super) fn pyramid<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>, currencies: Currencies<'_>) -> Option<Pyramid> {
    let section = doc.section("pyramid")?;
    // A list of weights says how many units there are.
    let required: &[_] =
        if section.has("weights") { &[("step", "\"0.5N\"")] } else { &[("units", "4"), ("step", "\"0.5N\"")] };
    reader.require(section, required);
    let units = reader.count(section, "units", (1, UNITS_MAX as u32), "4");
    let weights = numbers(reader, section, &WEIGHT, UNITS_MAX);
    let spacing = reader.word(section, "spacing").unwrap_or(Spacing::LastFill);
    let step = typed::ratio(reader, section, &STEP, currencies);
    let max_chase = reader.ratio(section, &MAX_CHASE);
    let when = typed::condition(reader, section, "when", currencies);
    let max_units_per_event = match section.has("max_units_per_event") {
        true => reader.count(section, "max_units_per_event", (1, UNITS_MAX as u32), "1"),
        false => Some(1),
    };

    let weights = match (units, weights) {
        (Some(units), Some(weights)) if weights.len() != units as usize => {
            let message = format!("`pyramid.weights` has {} entries for {units} units", weights.len());
            let help = "list one weight for each unit, or leave out `units`";
            reader.error(Code::Lengths, section.place("weights"), message, "not as many as `units`", help);
            return None;
        }
        (_, Some(weights)) => weights,
        (Some(units), None) if !section.has("weights") => vec![1.0; units as usize],
        _ => return None,
    };
    let shares = shares(weights);
    if shares.iter().any(|share| *share < SMALLEST_SHARE) {
        let slot = section.slot("weights", "[4, 3, 2, 1]");
        reader.out_of_range(&slot, section.place("weights"), "a millionth of their sum or more, each");
        return None;
    }
    Some(Pyramid { shares, spacing, step: step?, max_chase, max_units_per_event: max_units_per_event?, when })
}

const SMALLEST_SHARE: f64 = 1e-6;

/// Weights as shares of the whole. What adds up to one already is taken as it stands, so that printed shares read back the same.
fn shares(weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    match (sum - 1.0).abs() < 1e-12 {
        true => weights,
        false => weights.iter().map(|weight| weight / sum).collect(),
    }
}

pub(super) fn stop<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>, currencies: Currencies<'_>) -> Option<Stop> {
    let section = doc.section("stop")?;
    reader.require(section, &[("initial", "\"2N\"")]);
    let initial = reader.ratio(section, &INITIAL);
    let follow = reader.word(section, "follow").unwrap_or(Follow::Entry);
    let trail = typed::ratio(reader, section, &TRAIL, currencies);
    let break_even_after = reader.count(section, "break_even_after", (1, RUNGS_MAX as u32), "1");
    let bounds = (Duration::MINUTE, Duration::from_nanos(3_650 * Duration::DAY.nanos()));
    let after = reader.duration(section, "time", bounds, "\"5d\"");
    if section.has("time_reach") {
        reader.require(section, &[("time", "\"5d\"")]);
    }
    let reach = match section.has("time_reach") {
        true => reader.ratio(section, &TIME_REACH),
        false => Ratio::new(1.0),
    };
    let time = after.zip(reach).map(|(after, reach)| TimeStop { after, reach });
    let trigger = reader.word(section, "trigger").unwrap_or(Trigger::Resting);
    Some(Stop { initial: initial?, follow, trail, break_even_after, time, trigger })
}

pub(super) fn streak<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Option<Streak> {
    let section = doc.section("streak")?;
    reader.require(section, &[("factor", "1.5"), ("cap", "3.0")]);
    let (factor, cap) = (reader.ratio(section, &STREAK_FACTOR), reader.ratio(section, &STREAK_CAP));
    let over = if section.has("over") { reader.word(section, "over") } else { Some(StreakOver::default()) };
    Some(Streak { factor: factor?, cap: cap?, over: over? })
}

/// The rungs of a ladder that could be read, whatever else of it could not, each with its place.
#[derive(Default)]
pub(super) struct RungsRead {
    pub(super) at: Vec<(RungAt, Range<usize>)>,
    /// Conditions that rungs wait for, each with its place.
    pub(super) conditions: Vec<(Expression, Range<usize>)>,
}

pub(super) fn ladder<'t>(
    reader: &mut Reader<'t>,
    doc: &Doc<'_, 't>,
    instruments: &[String],
    currencies: Currencies<'_>,
) -> (Option<Ladder>, RungsRead) {
    let mut read = RungsRead::default();
    let ladder =
        doc.section("ladder").and_then(|section| whole_ladder(reader, section, instruments, currencies, &mut read));
    (ladder, read)
}

fn whole_ladder<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    instruments: &[String],
    currencies: Currencies<'_>,
    read: &mut RungsRead,
) -> Option<Ladder> {
    reader.require(section, &[("at", "[\"2R\", \"4R\"]"), ("fractions", "[0.25, 0.25]")]);
    let at = rungs(reader, section, instruments, currencies, read);
    let fractions = numbers(reader, section, &FRACTION, RUNGS_MAX);
    let of = if section.has("of") { reader.word(section, "of") } else { Some(FractionOf::Peak) };
    let readd = reader.switch(section, "readd").unwrap_or(false);
    let runner = if section.has("runner") { reader.number(section, &RUNNER) } else { Some(0.0) };
    let trigger = reader.word(section, "trigger").unwrap_or(Trigger::Resting);

    in_order(reader, &read.at);
    if let (Some(fractions), Some(of), Some(runner)) = (&fractions, of, runner) {
        not_oversold(reader, section, fractions, runner, of);
    }
    // Entries are counted whether or not they could be read.
    let counts = ["at", "fractions"].map(|key| {
        let value = section.get(key).filter(|value| !reader.is_broken(&value.span()))?;
        value.get_ref().as_array().map(|entries| entries.len()).filter(|count| (1..=RUNGS_MAX).contains(count))
    });
    if let [Some(rungs), Some(fractions)] = counts
        && rungs != fractions
    {
        let message = format!("`ladder` has {rungs} rungs and {fractions} fractions");
        let help = "list one fraction for each rung";
        reader.error(Code::Lengths, section.place("fractions"), message, "not as many as in `at`", help);
        return None;
    }
    let (at, fractions) = (at?, fractions?);
    let conditions = read.conditions.iter().map(|(condition, _)| condition.clone()).collect();
    let rungs = at.into_iter().zip(fractions).map(|(at, fraction)| Rung { at, fraction }).collect();
    Some(Ladder { rungs, conditions, of: of?, readd, runner: runner?, trigger })
}

/// Each rung says by its unit what it waits for.
fn rungs<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    instruments: &[String],
    currencies: Currencies<'_>,
    read: &mut RungsRead,
) -> Option<Vec<RungAt>> {
    let entries = reader.entries(section, "at", RUNGS_MAX, AT.example)?;
    for entry in &entries {
        let at = match entry.get_ref() {
            // No quantity holds one of these.
            DeValue::String(text) if text.contains(['<', '>', '=', '&', '|', '!']) => {
                typed::condition_of(reader, section, "at", entry, currencies).map(|condition| {
                    read.conditions.push((condition, entry.span()));
                    RungAt::When(read.conditions.len() as u8 - 1)
                })
            }
            _ => rung(reader, section, instruments, entry),
        };
        read.at.extend(at.map(|at| (at, entry.span())));
    }
    (read.at.len() == entries.len()).then(|| read.at.iter().map(|(at, _)| *at).collect())
}

fn rung<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    instruments: &[String],
    entry: &Spanned<DeValue<'t>>,
) -> Option<RungAt> {
    let node = reader.node(section, "at", entry)?;
    let mut ratio = |field: &Field| reader.number_of(section, field, entry).and_then(Ratio::new);
    match &node.expr {
        Expr::Quantity(Quantity { unit: Unit::R, .. }) => ratio(&AT).map(RungAt::R),
        Expr::Quantity(Quantity { unit: Unit::N, .. }) => ratio(&AT_N).map(RungAt::N),
        Expr::Quantity(Quantity { unit: Unit::Percent | Unit::BasisPoint, .. }) => {
            ratio(&AT_PROFIT).map(RungAt::Profit)
        }
        Expr::Quantity(Quantity { unit: Unit::Time(_), .. }) => {
            let bounds = (Duration::MINUTE, Duration::from_nanos(3_650 * Duration::DAY.nanos()));
            reader.duration_of(&section.slot("at", "[\"5d\"]"), &node, bounds).map(RungAt::Time)
        }
        Expr::Quantity(_) => price(reader, section, instruments, &node).map(RungAt::Price),
        _ => volatility_level(reader, section, &node).map(RungAt::Volatility),
    }
}

/// A price in the quote currency.
fn price<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    instruments: &[String],
    node: &Node<'t>,
) -> Option<Price> {
    let Expr::Quantity(Quantity { number, unit }) = &node.expr else { return None };
    let quote = spec::shared_quote(instruments);
    if let (Unit::Currency(given), Some(quote)) = (unit, quote)
        && *given != quote
    {
        let message = format!("`ladder.at` is a price in {quote}");
        let help = format!("write the price in {quote}");
        reader.error(Code::Currency, node.span.clone(), message, format!("{} is not", quoted(given)), help);
        return None;
    }
    let raw = reader.fixed(section, "at", node.span.clone(), number, Price::SCALE)?;
    let price = i64::try_from(raw).ok().filter(|raw| *raw > 0).map(Price::from_raw);
    if price.is_none() {
        let slot = section.slot("at", "[\"120_000 USDT\"]");
        reader.out_of_range(&slot, node.span.clone(), "a price over 0 and at most 92 billion");
    }
    price
}

/// Rungs of one kind go from the nearest to the farthest. Prices may fall too: those are the rungs of a short.
/// One that could not be read is passed over: those on both sides of it have to be in order all the same.
fn in_order(reader: &mut Reader<'_>, at: &[(RungAt, Range<usize>)]) {
    let mut falls: Option<bool> = None;
    let mut is_late = |before: RungAt, rung: RungAt| match (before, rung) {
        (RungAt::R(before), RungAt::R(rung)) | (RungAt::N(before), RungAt::N(rung)) => rung <= before,
        (RungAt::Profit(before), RungAt::Profit(rung)) => rung <= before,
        (RungAt::Time(before), RungAt::Time(rung)) => rung <= before,
        (RungAt::Volatility(before), RungAt::Volatility(rung)) => rung <= before,
        (RungAt::Price(before), RungAt::Price(rung)) => {
            rung == before || *falls.get_or_insert(rung < before) != (rung < before)
        }
        _ => false,
    };
    let late = (1..at.len()).find_map(|late| {
        let before = (0..late).rev().find(|before| at[*before].0.kind() == at[late].0.kind())?;
        is_late(at[before].0, at[late].0).then(|| (at[before].1.clone(), at[late].1.clone()))
    });
    if let Some((before, late)) = late {
        let label = format!("is not farther than {} before it", reader.text()[before].trim_matches(['"', '\'']));
        let help = "list the rungs of one kind from the nearest to the farthest, each once";
        reader.error(Code::RungOrder, late, "ladder rungs are out of order", label, help);
    }
}

fn not_oversold<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    fractions: &[f64],
    runner: f64,
    of: FractionOf,
) {
    let sum: f64 = fractions.iter().sum::<f64>() + runner;
    let whole = match of {
        FractionOf::Current => return,
        FractionOf::First => "the first unit",
        FractionOf::Peak => "the peak size",
    };
    // A billionth over one is the sum's own rounding.
    if sum <= 1.0 + 1e-9 {
        return;
    }
    let label = match runner > 0.0 {
        true => format!("adds up to {sum:.2} of {whole} with the runner of {runner:.2}"),
        false => format!("adds up to {sum:.2} of {whole}"),
    };
    let help = "lower them to 1.00 or less, or use `of = \"current\"`";
    reader.error(Code::LadderOversold, section.place("fractions"), Code::LadderOversold.title(), label, help);
}

/// All numbers of a list; `None` if one is wrong or the list is absent.
fn numbers<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, field: &Field, most: usize) -> Option<Vec<f64>> {
    let entries = reader.entries(section, field.key, most, field.example)?;
    let numbers: Vec<_> = entries.iter().map(|entry| reader.number_of(section, field, entry)).collect();
    numbers.into_iter().collect()
}
