//! `[size]`.

use super::fields::{Field, Low, Takes};
use super::head::{AMOUNT_MAX, amount};
use super::hedges::strategies;
use super::reader::{Doc, Reader, Section};
use super::schema::SIZE_KINDS;
use super::signal::{AGE_MAX, kind, volatility};
use super::typed::{self, Currencies};
use crate::codes::Code;
use crate::spec::{self, RATIO_MAX_AGE, Resize, Size, SizeKind, VolatilitySource};
use units::{Cash, Duration};

const FRACTION: Field = multiple("fraction", "1.0");
const EXPOSURE_CAP: Field = multiple("exposure_cap", "2.0");
const TARGET: Field = vol("target", "\"60%\"");
const VOLATILITY_FLOOR: Field = vol("volatility_floor", "\"30%\"");
const RISK: Field = Field {
    key: "risk",
    takes: Takes::Share,
    low: Low::Over(0.0),
    most: 1.0,
    range: "over 0 and at most 100% of equity",
    example: "\"1%\"",
};

const LEVEL: Field = Field {
    key: "level",
    takes: Takes::Number,
    low: Low::Least(-1e9),
    most: 1e9,
    range: "between -1,000,000,000 and 1,000,000,000",
    example: "0",
};
const BAND: Field =
    Field { key: "band", takes: Takes::Number, low: Low::Over(0.0), most: 1e9, range: "over 0", example: "500" };

const fn multiple(key: &'static str, example: &'static str) -> Field {
    let range = "over 0 and at most 125 (× equity)";
    Field { key, takes: Takes::Number, low: Low::Over(0.0), most: 125.0, range, example }
}

const fn vol(key: &'static str, example: &'static str) -> Field {
    let range = "over 0 and at most 500% a year";
    Field { key, takes: Takes::Share, low: Low::Over(0.0), most: 5.0, range, example }
}

pub(super) fn size<'t>(
    reader: &mut Reader<'t>,
    doc: &Doc<'_, 't>,
    instruments: &[String],
    currencies: Currencies<'_>,
) -> Option<Size> {
    let section = doc.section("size")?;
    // Once units or rungs exist the base is frozen, so that neither is undone by a change of volatility.
    let is_scaled = doc.section("pyramid").is_some() || doc.section("ladder").is_some();
    let default = if is_scaled { Resize::Entry } else { Resize::Continuous };
    let resize = reader.word(section, "resize").unwrap_or(default);
    let fraction = typed::ratio(reader, section, &FRACTION, currencies);
    let risk = typed::ratio(reader, section, &RISK, currencies);
    let target = typed::vol(reader, section, &TARGET, currencies);
    let sources = volatility(reader, section);
    let ratio_max_age = ratio_max_age(reader, section, sources.as_deref());
    let notional = notional(reader, section, instruments);
    let volatility_floor = reader.vol(section, &VOLATILITY_FLOOR);
    let exposure_cap = typed::ratio(reader, section, &EXPOSURE_CAP, currencies);
    let kind = match kind(reader, section, SIZE_KINDS, "\"volatility_target\"")? {
        "fixed_notional" => {
            reader.require(section, &[("notional", "\"100_000 USDT\"")]);
            SizeKind::FixedNotional { notional: notional? }
        }
        "fixed_fraction" => {
            reader.require(section, &[("fraction", "1.0")]);
            SizeKind::FixedFraction { fraction: fraction? }
        }
        "risk_per_trade" => {
            reader.require(section, &[("risk", "\"1%\"")]);
            SizeKind::RiskPerTrade { risk: risk? }
        }
        "greek_target" => {
            reader.require(section, &[("greek", "\"vega\""), ("level", "0"), ("band", "500")]);
            let (greek, level, band) =
                (reader.word(section, "greek"), reader.ratio(section, &LEVEL), reader.ratio(section, &BAND));
            let strategies = strategies(reader, section, Code::Structure);
            follows_greek(reader, doc, resize)?;
            SizeKind::GreekTarget { greek: greek?, level: level?, band: band?, strategies: strategies? }
        }
        _ => {
            reader.require(section, &[("target", "\"60%\""), ("volatility", "\"series(dvol.btc, 4d)\"")]);
            let (target, sources, ratio_max_age) = (target?, sources?, ratio_max_age?);
            SizeKind::VolatilityTarget { target, sources, ratio_max_age, volatility_floor, exposure_cap }
        }
    };
    Some(Size { kind, resize })
}

/// How old the ratio of implied to realised volatility may be. It is refused where no source counts times one.
fn ratio_max_age<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    sources: Option<&[VolatilitySource]>,
) -> Option<Duration> {
    let key = "ratio_max_age";
    if !section.has(key) {
        return Some(RATIO_MAX_AGE);
    }
    if sources.is_some_and(|sources| !VolatilitySource::scaled(sources).contains(&true)) {
        let message = "no source of `size.volatility` goes by a ratio of implied to realised volatility";
        let help = "take it out, or list an implied source and a realised one behind it: \
                    `volatility = [\"series(dvol.btc, 2d)\", \"ewma(10d, 1h)\"]`";
        reader.error(Code::OtherKind, section.key_place(key), message, "there is no such ratio", help);
        return None;
    }
    reader.duration(section, key, (Duration::HOUR, AGE_MAX), "\"30d\"")
}

/// A size that follows a Greek is that of a structure, and nothing else divides it or keeps it from following. `None`: it was refused.
fn follows_greek<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>, resize: Resize) -> Option<()> {
    let place = doc.place("size", "kind");
    if doc.section("structure").is_none() {
        let help = "add `[structure]`, or size by `fixed_fraction`";
        reader.error(
            Code::Structure,
            place,
            "`greek_target` without `[structure]`",
            "only options have gamma and vega",
            help,
        );
        return None;
    }
    let message = "a size that follows a Greek is traded whole";
    let divides = |section: &&str| doc.section(section).is_some();
    if let Some(section) = ["pyramid", "ladder", "streak"].into_iter().find(divides) {
        let label = format!("`[{section}]` would make a part of it");
        let help = format!("take out `[{section}]`, or size by `fixed_fraction`");
        reader.error(Code::Structure, place, message, label, help);
        return None;
    }
    if resize == Resize::Entry {
        let help = "take `resize` out";
        reader.error(Code::Structure, doc.place("size", "resize"), message, "`entry` would freeze it", help);
        return None;
    }
    Some(())
}

fn notional<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, instruments: &[String]) -> Option<Cash> {
    let quote = spec::shared_quote(instruments);
    let (raw, given) = amount(reader, section, "notional", quote.as_slice(), Cash::SCALE)?;
    // Of several instruments each has its own quote, and the amount is one.
    let others = instruments.iter().filter_map(|symbol| Some((symbol, spec::currencies(symbol)?.1)));
    if let Some(given) = given
        && let Some((symbol, quote)) = others.into_iter().find(|(_, quote)| *quote != given)
    {
        let message = format!("`{}` is in the quote currency of each instrument", section.path("notional"));
        let label = format!("{symbol} is quoted in {quote}");
        let help = "leave the currency out, or trade the instruments in policies of their own";
        reader.error(Code::Currency, section.place("notional"), message, label, help);
        return None;
    }
    if (1..=AMOUNT_MAX).contains(&raw) {
        return Some(Cash::from_raw(raw));
    }
    let slot = section.slot("notional", "\"100_000 USDT\"");
    reader.out_of_range(&slot, section.place("notional"), "over 0 and at most a million millions");
    None
}
