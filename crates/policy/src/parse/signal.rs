//! `[signal]` and `[unit]`, and the facts that values may name.

use super::fields::{Field, Low, Slot, Takes};
use super::reader::{Doc, Reader, Section, list};
use super::schema::{Kinds, SIGNAL_KINDS};
use super::typed::{self, Currencies};
use super::value::{Expr, Node, Quantity, Unit};
use crate::codes::Code;
use crate::diagnostic::{nearest, quoted};
use crate::spec::{MAX_AGE, Reentry, SOURCES_MAX, Sides, Signal, SignalKind, UnitSource, VolatilitySource};
use crate::surface_fact::{SIGNATURES, SurfaceFact};
use crate::{RiskFact, TailFact, risk_fact};
use units::{Duration, Ratio, Vol};

/// The shortest and the longest indicator, in bars.
const BARS: (u32, u32) = (1, 10_000);

const STRENGTH: Field = Field {
    key: "strength",
    takes: Takes::Number,
    low: Low::Least(-1.0),
    most: 1.0,
    range: "from -1 (short) to 1 (long)",
    example: "1.0",
};

pub(super) fn signal<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>, currencies: Currencies<'_>) -> Option<Signal> {
    let section = doc.section("signal")?;
    // Everything is read before the kind decides what counts, so that an unknown kind hides no other error.
    let sides = reader.word(section, "sides").unwrap_or(Sides::Both);
    let reentry = reader.word(section, "reentry").unwrap_or(Reentry::NewSignal);
    let when = typed::condition(reader, section, "when", currencies);
    let strength = reader.ratio(section, &STRENGTH);
    let bar = reader.bar(section, "bar");
    let fast = reader.count(section, "fast", BARS, "20");
    let slow = reader.count(section, "slow", BARS, "50");
    let entry = reader.count(section, "entry", BARS, "48");
    let exit = reader.count(section, "exit", BARS, "24");
    let lookback = reader.count(section, "lookback", BARS, "90");
    let name = series_name(reader, section);
    let bounds = (Duration::from_nanos(1), AGE_MAX);
    let max_age = match section.has("max_age") {
        true => reader.duration(section, "max_age", bounds, "\"2d\""),
        false => Some(MAX_AGE),
    };
    let kind = match kind(reader, section, SIGNAL_KINDS, "\"donchian\"")? {
        "constant" => {
            reader.require(section, &[("strength", "1.0")]);
            SignalKind::Constant { strength: strength? }
        }
        "series" => {
            reader.require(section, &[("series", "\"signal.btc\"")]);
            SignalKind::Series { name: name?, max_age: max_age? }
        }
        "momentum" => {
            reader.require(section, &[("bar", "\"1d\""), ("lookback", "90")]);
            SignalKind::Momentum { bar: bar?, lookback: lookback? }
        }
        "ema_cross" => {
            reader.require(section, &[("bar", "\"1h\""), ("fast", "20"), ("slow", "50")]);
            SignalKind::EmaCross { bar: bar?, fast: fast?, slow: slow? }
        }
        _ => {
            reader.require(section, &[("bar", "\"1h\""), ("entry", "48"), ("exit", "24")]);
            SignalKind::Donchian { bar: bar?, entry: entry?, exit: exit? }
        }
    };
    Some(Signal { kind, sides, reentry, when })
}

/// The series that convictions come from, by its name in the tape; or a fact of the surface that is a plain number.
fn series_name<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<String> {
    let node = reader.node(section, "series", section.get("series")?)?;
    if let Expr::Name(name) = node.expr {
        return Some(name.to_owned());
    }
    if let Expr::Call { .. } = node.expr {
        let told = told_fact(reader, &node)?;
        if told.is_conviction() {
            return Some(told.to_string());
        }
        let help = "write for example `iv.rank(BTC, 30d, 90d)`";
        let message = "a conviction is a number from -1 to 1";
        reader.error(Code::WrongUnit, node.span.clone(), message, format!("`{told}` is none"), help);
        return None;
    }
    reader.wrong_unit(&section.slot("series", "\"signal.btc\""), &node, "a series' name");
    None
}

/// The kind of a section; keys of its other kinds are refused.
pub(super) fn kind<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    kinds: Kinds,
    example: &str,
) -> Option<&'static str> {
    reader.require(section, &[("kind", example)]);
    let names: Vec<_> = kinds.iter().map(|(name, _)| *name).collect();
    let (kind, own) = *kinds.get(reader.choice(section, "kind", &names)?)?;
    for key in kinds.iter().flat_map(|(_, keys)| *keys).filter(|key| section.has(key) && !own.contains(key)) {
        let others = kinds.iter().filter(|(_, keys)| keys.contains(key)).map(|(name, _)| *name);
        let message = format!("`{key}` is not a key of `kind = \"{kind}\"`");
        let help = format!("take it out, or choose {}", list(others));
        reader.error(Code::OtherKind, section.key_place(key), message, "another kind's key", help);
    }
    Some(kind)
}

pub(super) fn unit<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Option<UnitSource> {
    let section = doc.section("unit")?;
    let slot = section.slot("n", "\"atr(20, 1d)\"");
    reader.require(section, &[("n", "\"atr(20, 1d)\"")]);
    let node = reader.node(section, "n", section.get("n")?)?;
    match fact(reader, &slot, &node, "a distance in price", &["atr", "implied_move", "of_price"])? {
        ("of_price", args) => of_price(reader, &node, args).map(|share| UnitSource::OfPrice { share }),
        ("atr", args) => {
            let atr = Fact { signature: "atr(bars, bar)", example: "atr(20, 1d)", least: 2 };
            let [bars, bar] = atr.args(reader, &node, args)?;
            let bars = reader.count_of(&atr.slot("bars"), bars?, BARS);
            let bar = reader.bar_of(&atr.slot("bar"), bar?);
            Some(UnitSource::AverageTrueRange { bars: bars?, bar: bar? })
        }
        (_, args) => {
            let implied_move =
                Fact { signature: "implied_move(series, max_age)", example: "implied_move(dvol.btc, 4d)", least: 1 };
            let (series, max_age) = series(reader, &implied_move, &node, args)?;
            Some(UnitSource::ImpliedMove { series, max_age })
        }
    }
}

/// One source of volatility, or a list of them: the first, then its fallbacks.
pub(super) fn volatility<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<Vec<VolatilitySource>> {
    let value = section.get("volatility")?;
    if value.get_ref().as_array().is_none() {
        let node = reader.node(section, "volatility", value)?;
        return source(reader, section, &node, &VOLATILITIES).map(|source| vec![source]);
    }
    let example = "[\"series(dvol.btc, 2d)\", \"ewma(10d, 1h)\"]";
    let entries = reader.entries(section, "volatility", SOURCES_MAX, example)?;
    let mut read = |entry| {
        let node = reader.node(section, "volatility", entry)?;
        source(reader, section, &node, &VOLATILITIES)
    };
    let sources: Vec<_> = entries.into_iter().map(&mut read).collect();
    sources.into_iter().collect()
}

fn source<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    node: &Node<'t>,
    fitting: &[&str],
) -> Option<VolatilitySource> {
    let slot = section.slot("volatility", "\"series(dvol.btc, 4d)\"");
    match fact(reader, &slot, node, "an annualised volatility", fitting)? {
        ("series", args) => {
            let named = Fact { signature: "series(name, max_age)", example: "series(dvol.btc, 4d)", least: 1 };
            let (name, max_age) = series(reader, &named, node, args)?;
            Some(VolatilitySource::Series { name, max_age })
        }
        ("blend", args) => blend(reader, section, node, args),
        ("iv.atm" | "book.volatility" | "structure.volatility", _) => {
            let name = told_fact(reader, node)?.to_string();
            Some(VolatilitySource::Series { name, max_age: MAX_AGE })
        }
        ("parkinson", args) => {
            let fact = Fact { signature: "parkinson(half_life, bar)", example: "parkinson(10d, 1h)", least: 2 };
            let (half_life, bar) = weighted_bars(reader, &fact, node, args)?;
            Some(VolatilitySource::Parkinson { half_life, bar })
        }
        ("garman_klass", args) => {
            let fact = Fact { signature: "garman_klass(half_life, bar)", example: "garman_klass(10d, 1h)", least: 2 };
            let (half_life, bar) = weighted_bars(reader, &fact, node, args)?;
            Some(VolatilitySource::GarmanKlass { half_life, bar })
        }
        (_, args) => {
            let ewma = Fact { signature: "ewma(half_life, bar)", example: "ewma(10d, 1h)", least: 2 };
            let (half_life, bar) = weighted_bars(reader, &ewma, node, args)?;
            Some(VolatilitySource::Ewma { half_life, bar })
        }
    }
}

/// The half-life of weights and the length of the bars that they are on.
fn weighted_bars<'t>(
    reader: &mut Reader<'t>,
    fact: &Fact,
    node: &Node<'t>,
    args: &[Node<'t>],
) -> Option<(Duration, Duration)> {
    let [half_life, bar] = fact.args(reader, node, args)?;
    let bar = reader.bar_of(&fact.slot("bar"), bar?);
    // Weights that halve within a bar would be the last return alone.
    let bounds = (bar.unwrap_or(Duration::MINUTE), AGE_MAX);
    let half_life = reader.duration_of(&fact.slot("half_life"), half_life?, bounds);
    Some((half_life?, bar?))
}

const BLEND: Fact = Fact {
    signature: "blend(first, second, weight of the first)",
    example: "blend(series(dvol.btc), ewma(10d, 1h), 70%)",
    least: 3,
};

fn blend<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    node: &Node<'t>,
    args: &[Node<'t>],
) -> Option<VolatilitySource> {
    let [first, second, weight] = args else {
        BLEND.args(reader, node, &[])?;
        return None;
    };
    // A blend of blends would say less than it seems to.
    let plain = &VOLATILITIES[..VOLATILITIES.len() - 1];
    let (first, second) = (source(reader, section, first, plain), source(reader, section, second, plain));
    let Expr::Quantity(Quantity { number, unit: unit @ (Unit::None | Unit::Percent) }) = &weight.expr else {
        reader.wrong_unit(&BLEND.slot("weight"), weight, "a share such as 70%");
        return None;
    };
    let share = number.shifted(if *unit == Unit::Percent { -2 } else { 0 }).approximate();
    if !(0.01..=0.99).contains(&share) {
        reader.out_of_range(&BLEND.slot("weight"), weight.span.clone(), "between 1% and 99%");
        return None;
    }
    let (first, second) = (Box::new(first?), Box::new(second?));
    Some(VolatilitySource::Blend { first, second, weight: Ratio::new(share)? })
}

/// The longest age and half-life: ten years.
pub(super) const AGE_MAX: Duration = Duration::from_nanos(3_650 * Duration::DAY.nanos());

/// A level of volatility that a rung waits for: `volatility(80%)`.
pub(super) fn volatility_level<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, node: &Node<'t>) -> Option<Vol> {
    let fact = Fact { signature: "volatility(level)", example: "volatility(80%)", least: 1 };
    let Expr::Call { function: "volatility", args, .. } = &node.expr else {
        let slot = section.slot("at", "[\"2R\", \"4R\"]");
        let takes = "multiples of R or N, percentages, prices, spans of time and `volatility(level)`";
        reader.wrong_unit(&slot, node, takes);
        return None;
    };
    let [level] = args.as_slice() else {
        let label = if args.is_empty() { "no argument is given" } else { "it takes one argument" };
        let help = format!("write for example `{}`", fact.example);
        reader.error(Code::Arguments, node.span.clone(), format!("the fact is `{}`", fact.signature), label, help);
        return None;
    };
    let Expr::Quantity(Quantity { number, unit: unit @ (Unit::None | Unit::Percent) }) = &level.expr else {
        reader.wrong_unit(&fact.slot("level"), level, "a share such as 80%");
        return None;
    };
    let share = number.shifted(if *unit == Unit::Percent { -2 } else { 0 }).approximate();
    if !(0.001..=10.0).contains(&share) {
        reader.out_of_range(&fact.slot("level"), level.span.clone(), "between 0.1% and 1000% a year");
        return None;
    }
    Vol::new(share)
}

const FACTS: [&str; 11] = [
    "series",
    "ewma",
    "parkinson",
    "garman_klass",
    "blend",
    "atr",
    "implied_move",
    "of_price",
    "iv.atm",
    "book.volatility",
    "structure.volatility",
];
/// Facts that are a volatility; a blend, of two others, is the last.
const VOLATILITIES: [&str; 8] =
    ["series", "ewma", "parkinson", "garman_klass", "iv.atm", "book.volatility", "structure.volatility", "blend"];

/// How a fact is called.
struct Fact {
    signature: &'static str,
    example: &'static str,
    /// Arguments that have to be there; most facts take at most two.
    least: usize,
}

/// The call that a key names. `takes` says what the key is about; `fitting` are the functions that give it.
fn fact<'n, 't>(
    reader: &mut Reader<'t>,
    slot: &Slot,
    node: &'n Node<'t>,
    takes: &str,
    fitting: &[&str],
) -> Option<(&'n str, &'n [Node<'t>])> {
    let help = format!("write for example `{}`", slot.example);
    match &node.expr {
        Expr::Call { function, args, .. } if fitting.contains(function) => return Some((function, args)),
        Expr::Call { function, place, .. } if FACTS.contains(function) => {
            let is = if fitting.contains(&"atr") { "an annualised volatility" } else { "a distance in price" };
            let message = format!("`{}` takes {takes}", slot.path);
            reader.error(Code::WrongUnit, place.clone(), message, format!("`{function}` is {is}"), help);
        }
        Expr::Call { function, place, .. } if is_told(function) => {
            let message = format!("`{}` takes {takes}", slot.path);
            reader.error(Code::WrongUnit, place.clone(), message, format!("`{function}` is none"), help);
        }
        Expr::Call { function, place, .. } => {
            let help = match nearest(function, FACTS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("facts are {}", list(FACTS)),
            };
            let message = format!("there is no fact {}", quoted(function));
            reader.error(Code::UnknownFunction, place.clone(), message, "unknown fact", help);
        }
        Expr::Name(name) if FACTS.contains(name) => {
            let message = format!("`{name}` has no arguments");
            reader.error(Code::Arguments, node.span.clone(), message, "names a fact, without what it needs", help);
        }
        Expr::Name(_) | Expr::Quantity(_) | Expr::Unary { .. } | Expr::Binary { .. } => {
            reader.wrong_unit(slot, node, takes);
        }
    }
    None
}

/// Whether a function names a fact that the engine tells.
fn is_told(function: &str) -> bool {
    SIGNATURES.iter().chain(&risk_fact::SIGNATURES).any(|(name, ..)| *name == function)
}

/// A fact that the engine tells.
pub(super) enum Told {
    Surface(SurfaceFact),
    Risk(RiskFact),
}

impl Told {
    fn is_volatility(&self) -> bool {
        matches!(self, Self::Surface(fact) if fact.is_volatility())
    }

    fn is_conviction(&self) -> bool {
        matches!(self, Self::Surface(fact) if fact.is_conviction())
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Surface(fact) => fact.fmt(f),
            Self::Risk(fact) => fact.fmt(f),
        }
    }
}

/// A fact that the engine tells and a call names, `iv.atm(BTC, 30d)`.
pub(super) fn told_fact<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<Told> {
    let Expr::Call { function, place, args } = &node.expr else { return None };
    let known = |of: &'static [(&str, &str, &str)]| of.iter().find(|(name, ..)| name == function);
    let (fact, (_, signature, example), label) = if let Some(known) = known(&SIGNATURES) {
        let label = match *function {
            "term.slope" => "takes an underlying such as BTC, and the shorter tenor before the longer one",
            "structure.volatility" => "takes nothing: it is that of the policy's own structure",
            "iv.atm" | "iv.rank" | "skew" => {
                "takes an underlying such as BTC, and spans of time from a minute to ten years"
            }
            _ => "takes an underlying such as BTC",
        };
        (SurfaceFact::of(function, args).map(Told::Surface), known, label)
    } else if let Some(known) = known(&risk_fact::SIGNATURES) {
        let label = match *function {
            "ruin" => "takes a loss such as 50%, and perhaps a horizon from a day to a year",
            "var" | "es" | "var.component" | "es.component" => {
                "takes a confidence from 50% to 99.8% (99.9% where paths are drawn), a horizon that divides a day into hours or is up to \
                 30 whole days, and perhaps filtered, historical, montecarlo, garch, garch-t, gjr or gjr-t"
            }
            "kelly" => "takes a window of whole days, from 60d to 365d",
            _ => {
                "takes a venue such as deribit, a horizon from a minute to a year, or a stress, each where it is named"
            }
        };
        (RiskFact::of(function, args).map(Told::Risk), known, label)
    } else {
        let told = || SIGNATURES.iter().chain(&risk_fact::SIGNATURES).map(|(name, ..)| *name);
        let all = format!("facts of the surface are {}", list(SIGNATURES.map(|(name, ..)| name)));
        if FACTS.contains(function) {
            let message = format!("{} is read by `unit.n` and `size.volatility` alone", quoted(function));
            reader.error(Code::WrongUnit, place.clone(), message, "another fact is needed here", all);
            return None;
        }
        let help = match risk_fact::meant(function).or_else(|| nearest(function, told())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => all,
        };
        let message = format!("there is no fact {}", quoted(function));
        reader.error(Code::UnknownFunction, place.clone(), message, "unknown fact", help);
        return None;
    };
    if fact.is_none() {
        let remedy = TailFact::remedy(function, args);
        let help = remedy.unwrap_or_else(|| format!("write for example `{example}`"));
        reader.error(Code::Arguments, node.span.clone(), format!("the fact is `{signature}`"), label, help);
    }
    if let Some(Told::Risk(fact)) = &fact {
        reader.risk_facts.push((fact.clone(), node.span.clone()));
    }
    fact
}

/// The share of `of_price(100%)`.
fn of_price<'t>(reader: &mut Reader<'t>, node: &Node<'t>, args: &[Node<'t>]) -> Option<Ratio> {
    let fact = Fact { signature: "of_price(share)", example: "of_price(50%)", least: 1 };
    let ([Some(share), None], slot) = (fact.args(reader, node, args)?, fact.slot("share")) else {
        let message = format!("the fact is `{}`", fact.signature);
        let help = format!("write for example `{}`", fact.example);
        reader.error(Code::Arguments, node.span.clone(), message, "it takes one argument", help);
        return None;
    };
    let Expr::Quantity(Quantity { number, unit: unit @ (Unit::None | Unit::Percent) }) = &share.expr else {
        reader.wrong_unit(&slot, share, "a share such as 50%");
        return None;
    };
    let value = number.shifted(if *unit == Unit::Percent { -2 } else { 0 }).approximate();
    if !(0.000_1..=100.0).contains(&value) {
        reader.out_of_range(&slot, share.span.clone(), "between 0.01% and 10000% of the price");
        return None;
    }
    Ratio::new(value)
}

/// A series' name and the age beyond which it is not used.
fn series<'t>(reader: &mut Reader<'t>, fact: &Fact, node: &Node<'t>, args: &[Node<'t>]) -> Option<(String, Duration)> {
    let [name, max_age] = fact.args(reader, node, args)?;
    let bounds = (Duration::from_nanos(1), AGE_MAX);
    let max_age = match max_age {
        None => Some(MAX_AGE),
        Some(node) => reader.duration_of(&fact.slot("max_age"), node, bounds),
    };
    let name = name?;
    if let Expr::Call { .. } = name.expr {
        let told = told_fact(reader, name)?;
        if told.is_volatility() {
            return Some((told.to_string(), max_age?));
        }
        let help = format!("write for example `{}`", fact.example);
        let message = "a size goes by an annualised volatility";
        reader.error(Code::WrongUnit, name.span.clone(), message, format!("`{told}` is none"), help);
        return None;
    }
    let Expr::Name(name) = name.expr else {
        let found = quoted(&reader.text()[name.span.clone()]);
        let help = format!("write for example `{}`", fact.example);
        let message = "a series is called by its name in the tape";
        reader.error(Code::Arguments, name.span.clone(), message, format!("{found} is no name"), help);
        return None;
    };
    Some((name.to_owned(), max_age?))
}

impl Fact {
    /// The place of an argument.
    fn slot(&self, argument: &str) -> Slot {
        let name = self.signature.split('(').next().unwrap_or_default();
        Slot { path: format!("{name}.{argument}"), example: self.example.to_owned() }
    }

    /// The arguments, if there are neither too few nor too many.
    fn args<'n, 't>(
        &self,
        reader: &mut Reader<'t>,
        node: &Node<'t>,
        args: &'n [Node<'t>],
    ) -> Option<[Option<&'n Node<'t>>; 2]> {
        if (self.least..=2).contains(&args.len()) {
            return Some([args.first(), args.get(1)]);
        }
        let label = match args.len() {
            0 => "no argument is given".to_owned(),
            1 => "one argument is given".to_owned(),
            count => format!("{count} arguments are given"),
        };
        let message = format!("the fact is `{}`", self.signature);
        let help = format!("write for example `{}`", self.example);
        reader.error(Code::Arguments, node.span.clone(), message, label, help);
        None
    }
}
