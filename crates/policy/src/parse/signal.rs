//! `[signal]` and `[unit]`, and the facts that values may name.

use super::fields::{Field, Low, Takes};
use super::reader::{Doc, Reader, Section, list};
use super::schema::{Kinds, SIGNAL_KINDS};
use super::value::{Expr, Node, Quantity, Unit};
use crate::codes::Code;
use crate::diagnostic::{nearest, quoted};
use crate::spec::{MAX_AGE, Reentry, Sides, Signal, SignalKind, UnitSource, VolatilitySource};
use units::Duration;

/// The longest indicator, in bars.
const BARS_MAX: u32 = 10_000;

const STRENGTH: Field = Field {
    key: "strength",
    takes: Takes::Number,
    low: Low::Least(-1.0),
    most: 1.0,
    range: "from -1 (short) to 1 (long)",
    example: "1.0",
};

pub(super) fn signal<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Option<Signal> {
    let section = doc.section("signal")?;
    let sides = reader.word(section, "sides").unwrap_or(Sides::Both);
    let reentry = reader.word(section, "reentry").unwrap_or(Reentry::NewSignal);
    let kind = match kind(reader, section, SIGNAL_KINDS, "\"donchian\"")? {
        "constant" => {
            reader.require(section, &[("strength", "1.0")]);
            SignalKind::Constant { strength: reader.ratio(section, &STRENGTH)? }
        }
        "ema_cross" => {
            reader.require(section, &[("bar", "\"1h\""), ("fast", "20"), ("slow", "50")]);
            let bar = reader.bar(section, "bar");
            let fast = reader.count(section, "fast", 1, BARS_MAX);
            let slow = reader.count(section, "slow", 1, BARS_MAX);
            SignalKind::EmaCross { bar: bar?, fast: fast?, slow: slow? }
        }
        _ => {
            reader.require(section, &[("bar", "\"1h\""), ("entry", "48"), ("exit", "24")]);
            let bar = reader.bar(section, "bar");
            let entry = reader.count(section, "entry", 1, BARS_MAX);
            let exit = reader.count(section, "exit", 1, BARS_MAX);
            SignalKind::Donchian { bar: bar?, entry: entry?, exit: exit? }
        }
    };
    Some(Signal { kind, sides, reentry })
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
    let example = "\"atr(20, 1d)\"";
    reader.require(section, &[("n", example)]);
    match fact(reader, section, "n", "a distance in price", &["atr", "implied_move"], example)? {
        ("atr", args) => {
            let [bars, bar] = reader.arguments(section, "atr(bars, bar)", &args, 2)?;
            let bars = bars_of(reader, section, bars?);
            let bar = reader.bar_of(section, "bar", bar?, "1d");
            Some(UnitSource::AverageTrueRange { bars: bars?, bar: bar? })
        }
        (_, args) => {
            let (series, max_age) = series(reader, section, "implied_move(series, max_age)", &args)?;
            Some(UnitSource::ImpliedMove { series, max_age })
        }
    }
}

pub(super) fn volatility<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<VolatilitySource> {
    let example = "\"series(dvol.btc, 4d)\"";
    match fact(reader, section, "volatility", "an annualised volatility", &["series", "ewma"], example)? {
        ("series", args) => {
            let (name, max_age) = series(reader, section, "series(name, max_age)", &args)?;
            Some(VolatilitySource::Series { name, max_age })
        }
        (_, args) => {
            let [half_life, bar] = reader.arguments(section, "ewma(half_life, bar)", &args, 2)?;
            let place = half_life?.span.clone();
            let half_life = reader.duration_of(section, "half_life", half_life?, "10d");
            let (half_life, bar) = (half_life, reader.bar_of(section, "bar", bar?, "1h"));
            let (half_life, bar) = (half_life?, bar?);
            if half_life < bar || half_life > YEARS_MAX {
                let range = "at least a bar and at most ten years";
                reader.out_of_range(
                    "half_life".to_owned(),
                    place,
                    range,
                    "write for example `ewma(10d, 1h)`".to_owned(),
                );
                return None;
            }
            Some(VolatilitySource::Ewma { half_life, bar })
        }
    }
}

const YEARS_MAX: Duration = Duration::from_nanos(3_650 * Duration::DAY.nanos());
const FACTS: [&str; 4] = ["series", "ewma", "atr", "implied_move"];

type Call<'t> = (&'t str, Vec<Node<'t>>);

/// The call that a key names. `takes` says what it is about; `fitting` are the functions that give it.
fn fact<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    key: &str,
    takes: &str,
    fitting: &[&str],
    example: &str,
) -> Option<Call<'t>> {
    let node = reader.node(section, key, section.get(key)?)?;
    let (name, place) = match &node.expr {
        Expr::Call { function, .. } if fitting.contains(function) => {
            let Expr::Call { function, args, .. } = node.expr else { return None };
            return Some((function, args));
        }
        Expr::Call { function, place, .. } => (*function, place.clone()),
        Expr::Name(name) if FACTS.contains(name) => {
            let help = format!("write for example `{key} = {example}`");
            reader.error(
                Code::Arguments,
                node.span.clone(),
                format!("`{name}` has no arguments"),
                "a fact is called",
                help,
            );
            return None;
        }
        Expr::Name(_) | Expr::Quantity(_) => {
            reader.wrong_unit(section, key, &node, takes, example);
            return None;
        }
    };
    if FACTS.contains(&name) {
        let message = format!("`{}` takes {takes}", section.path(key));
        let is =
            if matches!(name, "atr" | "implied_move") { "a distance in price" } else { "an annualised volatility" };
        let help = format!("write for example `{key} = {example}`");
        reader.error(Code::WrongUnit, place, message, format!("`{name}` is {is}"), help);
    } else {
        let help = match nearest(name, FACTS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("`{key}` takes {}", list(fitting.iter().copied())),
        };
        reader.error(Code::UnknownFunction, place, format!("there is no fact {}", quoted(name)), "unknown fact", help);
    }
    None
}

fn bars_of<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, node: &Node<'t>) -> Option<u32> {
    let Expr::Quantity(Quantity { number, unit: Unit::None }) = &node.expr else {
        reader.wrong_argument(section, node, "`bars` is a count", "atr(20, 1d)");
        return None;
    };
    let bars =
        number.exact(0).ok().and_then(|bars| u32::try_from(bars).ok()).filter(|bars| (1..=BARS_MAX).contains(bars));
    if bars.is_none() {
        reader.out_of_range("bars".to_owned(), node.span.clone(), "a whole number from 1 to 10000", String::new());
    }
    bars
}

/// A series' name and the age beyond which it is not used.
fn series<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    signature: &str,
    args: &[Node<'t>],
) -> Option<(String, Duration)> {
    let [name, max_age] = reader.arguments(section, signature, args, 1)?;
    let name = name?;
    let max_age = match max_age {
        None => Some(MAX_AGE),
        Some(node) => reader.duration_of(section, "max_age", node, "4d").filter(|age| {
            let fits = *age > Duration::ZERO && *age <= YEARS_MAX;
            if !fits {
                reader.out_of_range(
                    "max_age".to_owned(),
                    node.span.clone(),
                    "over 0 and at most ten years",
                    String::new(),
                );
            }
            fits
        }),
    };
    let Expr::Name(name) = name.expr else {
        reader.wrong_argument(section, name, "a series is named as its tape has it", "series(dvol.btc, 4d)");
        return None;
    };
    Some((name.to_owned(), max_age?))
}

impl<'t> Reader<'t> {
    /// Up to two arguments of a call, of which `least` have to be there.
    fn arguments<'n>(
        &mut self,
        section: &Section<'_, 't>,
        signature: &str,
        args: &'n [Node<'t>],
        least: usize,
    ) -> Option<[Option<&'n Node<'t>>; 2]> {
        if (least..=2).contains(&args.len()) {
            return Some([args.first(), args.get(1)]);
        }
        let key = if section.name == "unit" { "n" } else { "volatility" };
        let label = match args.len() {
            0 => "no argument is given".to_owned(),
            1 => "one argument is given".to_owned(),
            count => format!("{count} arguments are given"),
        };
        let message = format!("`{}` takes other arguments", signature.split('(').next().unwrap_or(signature));
        self.error(Code::Arguments, section.place(key), message, label, format!("write `{signature}`"));
        None
    }

    fn wrong_argument(&mut self, section: &Section<'_, 't>, node: &Node<'t>, message: &str, example: &str) {
        let _ = section;
        let found = quoted(&self.text()[node.span.clone()]);
        self.error(
            Code::Arguments,
            node.span.clone(),
            message,
            format!("{found} is not"),
            format!("write for example `{example}`"),
        );
    }
}
