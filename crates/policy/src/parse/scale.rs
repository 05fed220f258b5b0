//! `[pyramid]`, `[stop]` and `[ladder]`.

use super::fields::{Field, Low, Takes};
use super::reader::{Doc, Reader, Section};
use crate::codes::Code;
use crate::spec::{Follow, FractionOf, Ladder, Pyramid, RUNGS_MAX, Rung, Spacing, Stop, Streak, TimeStop, UNITS_MAX};
use units::{Duration, Ratio};

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

pub(super) fn pyramid<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Option<Pyramid> {
    let section = doc.section("pyramid")?;
    // A list of weights says how many units there are.
    let required: &[_] =
        if section.has("weights") { &[("step", "\"0.5N\"")] } else { &[("units", "4"), ("step", "\"0.5N\"")] };
    reader.require(section, required);
    let units = reader.count(section, "units", (1, UNITS_MAX as u32), "4");
    let weights = numbers(reader, section, &WEIGHT, UNITS_MAX);
    let spacing = reader.word(section, "spacing").unwrap_or(Spacing::LastFill);
    let step = reader.ratio(section, &STEP);
    let max_chase = reader.ratio(section, &MAX_CHASE);

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
    Some(Pyramid { shares, spacing, step: step?, max_chase })
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

pub(super) fn stop<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Option<Stop> {
    let section = doc.section("stop")?;
    reader.require(section, &[("initial", "\"2N\"")]);
    let initial = reader.ratio(section, &INITIAL);
    let follow = reader.word(section, "follow").unwrap_or(Follow::Entry);
    let trail = reader.ratio(section, &TRAIL);
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
    Some(Stop { initial: initial?, follow, trail, break_even_after, time })
}

pub(super) fn streak<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Option<Streak> {
    let section = doc.section("streak")?;
    reader.require(section, &[("factor", "1.5"), ("cap", "3.0")]);
    let (factor, cap) = (reader.ratio(section, &STREAK_FACTOR), reader.ratio(section, &STREAK_CAP));
    Some(Streak { factor: factor?, cap: cap? })
}

pub(super) fn ladder<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Option<Ladder> {
    let section = doc.section("ladder")?;
    reader.require(section, &[("at", "[\"2R\", \"4R\"]"), ("fractions", "[0.25, 0.25]")]);
    let at = numbers(reader, section, &AT, RUNGS_MAX);
    let fractions = numbers(reader, section, &FRACTION, RUNGS_MAX);
    let of = if section.has("of") { reader.word(section, "of") } else { Some(FractionOf::Peak) };
    let readd = reader.switch(section, "readd").unwrap_or(false);

    if let Some(at) = &at {
        ascending(reader, section, at);
    }
    if let (Some(fractions), Some(of)) = (&fractions, of) {
        not_oversold(reader, section, fractions, of);
    }
    let (at, fractions) = (at?, fractions?);
    if at.len() != fractions.len() {
        let message = format!("`ladder` has {} rungs and {} fractions", at.len(), fractions.len());
        let help = "list one fraction for each rung";
        reader.error(Code::Lengths, section.place("fractions"), message, "not as many as in `at`", help);
        return None;
    }
    let rungs = at
        .into_iter()
        .zip(fractions)
        .map(|(at, fraction)| Some(Rung { at: Ratio::new(at)?, fraction }))
        .collect::<Option<_>>()?;
    Some(Ladder { rungs, of: of?, readd })
}

fn ascending<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, at: &[f64]) {
    let entries = section.get("at").and_then(|value| value.get_ref().as_array());
    let late = at.windows(2).position(|pair| pair[0] >= pair[1]).map(|before| before + 1);
    if let (Some(late), Some(entries)) = (late, entries)
        && let Some(entry) = entries.get(late)
    {
        let label = format!("is not farther than {}R before it", at[late - 1]);
        let help = "list the rungs from the nearest to the farthest, each once";
        reader.error(Code::RungOrder, entry.span(), "ladder rungs are out of order", label, help);
    }
}

fn not_oversold<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, fractions: &[f64], of: FractionOf) {
    let sum: f64 = fractions.iter().sum();
    let whole = match of {
        FractionOf::Current => return,
        FractionOf::First => "the first unit",
        FractionOf::Peak => "the peak size",
    };
    // A billionth over one is the sum's own rounding.
    if sum <= 1.0 + 1e-9 {
        return;
    }
    let label = format!("adds up to {sum:.2} of {whole}");
    let help = "lower them to 1.00 or less, or use `of = \"current\"`";
    reader.error(Code::LadderOversold, section.place("fractions"), Code::LadderOversold.title(), label, help);
}

/// All numbers of a list; `None` if one is wrong or the list is absent.
fn numbers<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, field: &Field, most: usize) -> Option<Vec<f64>> {
    let entries = reader.entries(section, field.key, most, field.example)?;
    let numbers: Vec<_> = entries.iter().map(|entry| reader.number_of(section, field, entry)).collect();
    numbers.into_iter().collect()
}
