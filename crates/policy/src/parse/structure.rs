//! `[structure]`.

use super::fields::{Field, Low, Takes};
use super::head;
use super::reader::{Doc, Reader, Section};
use super::schema::LEGS;
use super::value::{Expr, Quantity, Unit};
use crate::codes::Code;
use crate::spec;
use crate::structure::{LEGS_MAX, LegStrike, Roll, Structure, StructureLeg};
use std::ops::Range;
use units::{Duration, Qty};

const CHAIN_EXAMPLE: &str = "\"deribit:BTC\"";
const LEGS_EXAMPLE: &str = "[{ right = \"call\", delta = 0.25, days = 30 }]";
const DELTA: Field = Field {
    key: "delta",
    takes: Takes::Number,
    low: Low::Least(0.01),
    most: 0.99,
    range: "from 0.01 to 0.99, without a sign",
    example: "0.25",
};
const MONEYNESS: Field = Field {
    key: "moneyness",
    takes: Takes::Share,
    low: Low::Least(0.1),
    most: 10.0,
    range: "from 10% to 1000% of the forward",
    example: "\"110%\"",
};
const DAYS: Field = Field {
    key: "days",
    takes: Takes::Number,
    low: Low::Over(0.0),
    most: 1_000.0,
    range: "over 0 and at most 1000 days",
    example: "30",
};
const RATIO: Field = Field {
    key: "ratio",
    takes: Takes::Number,
    low: Low::Least(-100.0),
    most: 100.0,
    range: "between -100 and 100, and not 0",
    example: "1",
};
const MAX_SPREAD: Field = Field {
    key: "max_spread",
    takes: Takes::Share,
    low: Low::Over(0.0),
    most: 2.0,
    range: "over 0 and at most 200% of the middle",
    example: "\"20%\"",
};
const MIN_OPEN_INTEREST: Field = Field {
    key: "min_open_interest",
    takes: Takes::Number,
    low: Low::Least(0.0),
    most: 1e9,
    range: "between 0 and a billion contracts",
    example: "10",
};

/// The structure, if there is one and it could be read.
pub(super) fn structure<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Option<Structure> {
    let section = doc.section("structure")?;
    reader.require(section, &[("chain", CHAIN_EXAMPLE), ("legs", LEGS_EXAMPLE)]);
    let (chain, legs) = (chain(reader, section), legs(reader, section));
    let max_spread = reader.ratio(section, &MAX_SPREAD);
    let least = reader.exact(section, &MIN_OPEN_INTEREST, Qty::SCALE);
    let roll = roll(reader, section);
    let sticky = reader.word(section, "sticky").unwrap_or_default();
    let min_open_interest = least.and_then(|raw| i64::try_from(raw).ok()).map(Qty::from_raw);
    Some(Structure { chain: chain?, legs: legs?, max_spread, min_open_interest, roll: roll?, sticky })
}

/// A structure is the instrument: nothing else is named beside it.
pub(super) fn instruments<'t>(
    reader: &mut Reader<'t>,
    doc: &Doc<'_, 't>,
    structure: Option<&Structure>,
    name: Option<&str>,
) -> Vec<String> {
    if let Some(root) = doc.section("") {
        for key in ["instrument", "instruments"].into_iter().filter(|key| root.has(key)) {
            let message = format!("`{key}` beside `[structure]`");
            let help = format!("take `{key}` out: the structure is what is traded");
            reader.error(Code::Structure, root.key_place(key), message, "which one is meant?", help);
        }
    }
    structure.zip(name).map(|(structure, name)| structure.symbol(name)).into_iter().collect()
}

/// Venue and underlying of options.
pub(super) fn chain<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<String> {
    let value = section.get("chain")?;
    let text = reader.string(section, "chain", value)?;
    let parts = text.split_once(':').and_then(|(venue, pair)| {
        let (base, quote) = pair.split_once(['-', '_']).map_or((pair, None), |(base, quote)| (base, Some(quote)));
        let is_code = |code: &str| {
            (2..=10).contains(&code.len())
                && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        (head::is_venue(venue) && is_code(base) && quote.is_none_or(is_code)).then_some(())
    });
    if parts.is_none() {
        let message = format!("`{}` is venue and underlying of the options", section.path("chain"));
        let help =
            format!("write what their symbols begin with, for example `{CHAIN_EXAMPLE}` or `\"deribit:BTC_USDC\"`");
        reader.error(Code::Structure, value.span(), message, "is not `venue:UNDERLYING`", help);
    }
    parts.map(|()| text.to_owned())
}

fn legs<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<Vec<StructureLeg>> {
    let value = section.get("legs")?;
    let entries = reader.tables(LEGS, section.key_place("legs"), value, LEGS_MAX);
    let legs: Vec<_> = entries.iter().map(|entry| leg(reader, entry)).collect();
    let legs = legs.into_iter().collect::<Option<Vec<_>>>().filter(|legs| !legs.is_empty())?;
    if legs.iter().all(|leg| leg.ratio.raw() < 0) {
        let message = "a structure of sold legs alone costs less than zero";
        let help = "write its legs with ratios over zero and sell it: `strength = -1.0` in `[signal]`";
        reader.error(Code::Structure, section.key_place("legs"), message, "every `ratio` is negative", help);
        return None;
    }
    for (at, entry) in entries.iter().enumerate() {
        let (this, before) = (&legs[at], &legs[..at]);
        let same =
            |other: &&StructureLeg| (other.right, other.strike, other.days) == (this.right, this.strike, this.days);
        if before.iter().any(|other| same(&other)) {
            let help = "write one leg with the sum of their ratios";
            reader.error(Code::Structure, entry.header.clone(), "two legs are the same option", "again", help);
            return None;
        }
    }
    Some(legs)
}

pub(super) fn leg<'t>(reader: &mut Reader<'t>, entry: &Section<'_, 't>) -> Option<StructureLeg> {
    reader.require(entry, &[("right", "\"call\""), ("days", "30")]);
    let (right, days) = (reader.word(entry, "right"), reader.ratio(entry, &DAYS));
    let (delta, moneyness) = (reader.ratio(entry, &DELTA), reader.ratio(entry, &MONEYNESS));
    let strike = match (entry.has("delta"), entry.has("moneyness")) {
        (true, false) => delta.map(LegStrike::Delta),
        (false, true) => moneyness.map(LegStrike::Moneyness),
        (both, _) => {
            let label = if both { "has both `delta` and `moneyness`" } else { "has no strike" };
            let help = "write one of `delta = 0.25` and `moneyness = \"110%\"`";
            reader.error(Code::Structure, entry.header.clone(), "a leg has one strike", label, help);
            None
        }
    };
    let ratio = if entry.has("ratio") { ratio(reader, entry) } else { Some(Qty::from_raw(Qty::ONE)) };
    Some(StructureLeg { right: right?, strike: strike?, days: days?, ratio: ratio? })
}

fn ratio<'t>(reader: &mut Reader<'t>, entry: &Section<'_, 't>) -> Option<Qty> {
    let raw = reader.exact(entry, &RATIO, Qty::SCALE)?;
    let ratio = i64::try_from(raw).ok().filter(|raw| *raw != 0).map(Qty::from_raw);
    if ratio.is_none() {
        reader.out_of_range(&entry.slot("ratio", RATIO.example), entry.place("ratio"), RATIO.range);
    }
    ratio
}

/// A span before the expiry, or a word.
fn roll<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<Roll> {
    let Some(value) = section.get("roll") else { return Some(Roll::Never) };
    let node = reader.node(section, "roll", value)?;
    match &node.expr {
        Expr::Quantity(Quantity { unit: Unit::Time(_), .. }) => {
            let bounds = (Duration::MINUTE, Duration::from_nanos(1_000 * Duration::DAY.nanos()));
            reader.duration(section, "roll", bounds, "\"3d\"").map(Roll::Before)
        }
        Expr::Name("settlement") => Some(Roll::AtSettlement),
        Expr::Name("never") => Some(Roll::Never),
        _ => {
            let takes = "a span of time before the expiry, `settlement` or `never`";
            reader.wrong_unit(&section.slot("roll", "\"3d\""), &node, takes);
            None
        }
    }
}

/// What does not go together with a structure.
pub(super) fn across(reader: &mut Reader<'_>, doc: &Doc<'_, '_>, structure: &Structure) {
    if doc.has("caps", "liquidation_distance") {
        let help = "take it out, and bound what is sold by `caps.leverage`";
        let label = "the price of a structure says nothing of it";
        let message = "a structure of options has no liquidation price";
        reader.error(Code::Structure, doc.place("caps", "liquidation_distance"), message, label, help);
    }
    if doc.has("caps", "participation") {
        let help = "take it out; `structure.max_spread` and `structure.min_open_interest` ask for liquid options";
        let label = "its legs are options, whose volume no tape has";
        let message = "nothing tells what is traded of a structure";
        reader.error(Code::Structure, doc.place("caps", "participation"), message, label, help);
    }
    if doc.has("allocation", "drawdown") {
        let help = "take it out; `caps.drawdown` goes by the account's";
        let label = "its legs have results of their own";
        let message = "a structure of options has no drawdown of its own";
        reader.error(Code::Structure, doc.place("allocation", "drawdown"), message, label, help);
    }
    if doc.list("adopt").next().is_some() {
        let place = doc.list("adopt").next().map_or(0..0, |entry| entry.header.clone());
        let help = "take `[[adopt]]` out";
        reader.error(Code::Structure, place, "a structure cannot be taken over", "which options would it be?", help);
    }
    let days = structure.legs.iter().map(|leg| leg.days.get()).fold(f64::INFINITY, f64::min);
    if let Roll::Before(before) = structure.roll
        && before.days() >= days
    {
        let label = format!("the shortest leg has {days} days when it is chosen");
        let help = "roll later, or choose legs with more days";
        reader.error(Code::Structure, doc.place("structure", "roll"), "it would roll at once", label, help);
    }
    settles(reader, doc.place("structure", "chain"), &structure.chain);
}

/// Whether it can be told what options of a chain settle in.
pub(super) fn settles(reader: &mut Reader<'_>, place: Range<usize>, chain: &str) -> bool {
    let is_told = !spec::settlements(&format!("{chain}-1JAN30-1-C")).is_empty();
    if !is_told {
        let label = "cannot be told from it";
        let help = "write the pair, for example `\"deribit:BTC_USDC\"`";
        reader.error(Code::Structure, place, "what its options settle in", label, help);
    }
    is_told
}

#[cfg(test)]
mod tests {
    use crate::{parse, to_toml};

    const STRANGLE: &str = r#"
policy = 1
name = "Short strangle"

[structure]
chain = "deribit:BTC"
legs = [
    { right = "call", delta = 0.25, days = 30 },
    { right = "put", moneyness = "90%", days = 30, ratio = 2 },
]
max_spread = "20%"
min_open_interest = 10
roll = "3d"

[signal]
kind = "constant"
strength = -1.0

[unit]
n = "of_price(100%)"

[stop]
initial = "1N"
trigger = "synthetic"

[size]
kind = "volatility_target"
target = "20%"
volatility = ["structure.volatility()", "series(iv.atm(BTC, 30d), 12h)", "iv.atm(BTC, 7d)"]
"#;

    #[test]
    fn a_structure_is_read_and_printed_back() {
        let parsed = parse(STRANGLE);
        let policy = parsed.policy.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics));
        assert_eq!(policy.instruments, ["deribit:BTC-STRUCTURE.short-strangle"]);
        assert_eq!(policy.quote(), Some("BTC"));
        assert_eq!(policy.series(), ["structure.volatility()", "iv.atm(BTC, 30d)", "iv.atm(BTC, 7d)"]);
        let printed = to_toml(&policy);
        assert_eq!(parse(&printed).policy.as_ref(), Some(&policy), "{printed}");
    }

    /// Each slip alone, with what the message says.
    #[test]
    fn slips_are_told() {
        for (right, wrong, told) in [
            ("chain = \"deribit:BTC\"", "chain = \"BTC\"", "venue and underlying"),
            ("chain = \"deribit:BTC\"", "chain = \"venue:BTC\"", "settle in"),
            ("delta = 0.25", "delta = 0", "from 0.01 to 0.99"),
            ("delta = 0.25, ", "", "a leg has one strike"),
            ("moneyness = \"90%\"", "moneyness = \"90%\", delta = 0.1", "a leg has one strike"),
            ("right = \"put\", moneyness = \"90%\"", "right = \"call\", delta = 0.25", "the same option"),
            ("ratio = 2", "ratio = 0", "and not 0"),
            (
                "{ right = \"call\", delta = 0.25, days = 30 },\n    { right = \"put\", moneyness = \"90%\", days = 30, ratio = 2 },",
                "{ right = \"put\", moneyness = \"90%\", days = 30, ratio = -1 },",
                "sold legs alone",
            ),
            ("roll = \"3d\"", "roll = \"30d\"", "roll at once"),
            ("roll = \"3d\"", "roll = \"daily\"", "a span of time before the expiry"),
            ("days = 30 }", "days = \"30d\" }", "structure.legs.days"),
            (
                "name = \"Short strangle\"",
                "name = \"x\"\ninstrument = \"deribit:BTC-PERPETUAL\"",
                "beside `[structure]`",
            ),
            ("iv.atm(BTC, 7d)", "iv.atm(BTC)", "iv.atm(underlying, tenor)"),
            ("series(iv.atm(BTC, 30d), 12h)", "series(skew(BTC, 30d), 12h)", "annualised volatility"),
            ("of_price(100%)", "of_price(0%)", "0.01%"),
        ] {
            assert!(STRANGLE.contains(right), "{right}");
            let parsed = parse(&STRANGLE.replacen(right, wrong, 1));
            let shown = |found: &crate::Diagnostic| format!("{} | {}", found.message, found.label);
            let messages: Vec<_> = parsed.diagnostics.iter().map(shown).collect();
            assert!(
                parsed.policy.is_none() && messages.iter().any(|message| message.contains(told)),
                "{wrong}: {messages:?}"
            );
        }
    }
}
