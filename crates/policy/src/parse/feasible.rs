//! What no position can keep: limits that leave none, and hedges that would each hedge the same.

use super::always;
use super::reader::{Reader, Section};
use crate::codes::Code;
use crate::diagnostic::quoted;
use crate::expression::{Expression, Function, Term};
use crate::spec::{self, Breached, FactLimit, Hedge, LimitAction};
use crate::words::Word;
use crate::{MarginFigure, RiskFact};
use std::ops::Range;
use units::Ratio;

/// The least that a figure of a book can be, which is what it is of an account that holds nothing. `None`: it has no such end, or holding
/// nothing is not at it.
fn least_when_flat(of: &Expression) -> Option<f64> {
    if let Term::Call { function: Function::Abs, args } = of.root() {
        let is_own = matches!(&args[..], [Term::Own(fact)] if matches!(fact.name, "exposure" | "position"));
        return is_own.then_some(0.0);
    }
    let is_one = match of.lone_fact()?.parse().ok()? {
        RiskFact::Leverage => true,
        RiskFact::Margin { figure, .. } => figure == MarginFigure::Ratio,
        _ => false,
    };
    is_one.then_some(0.0)
}

/// Whether an account that holds nothing has none of it, while a position may have less: a loss that would be a gain.
fn is_none_when_flat(of: &Expression) -> bool {
    let fact = of.lone_fact().and_then(|name| name.parse().ok());
    matches!(fact, Some(RiskFact::Tail(_) | RiskFact::Stress { .. }))
}

/// Whether it has no sign.
fn is_unsigned(of: &Expression) -> bool {
    matches!(of.root(), Term::Call { function: Function::Abs, .. })
}

/// A number as it would be written.
fn shown(value: f64) -> String {
    Ratio::new(value).unwrap_or_default().to_string()
}

/// Whether some position keeps a limit, by itself and beside those before it. What a limit leaves is told where it can be known: both
/// levels are numbers.
pub(super) fn limit<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    new: &FactLimit,
    earlier: &[(FactLimit, Range<usize>)],
) -> bool {
    let Some(level) = new.limit.constant() else { return true };
    let key = new.breached.word();
    let place = section.place(key);
    let mut refuse = |message: &str, label: String, help: &str| {
        reader.error(Code::Limits, place.clone(), message, label, help);
        false
    };
    let of = quoted(&new.of.to_string());
    let reach = always::reach_of(new.of.root()).or(is_unsigned(&new.of).then_some((0.0, f64::INFINITY)));
    let flat = least_when_flat(&new.of);
    let (least, most) =
        reach.or(flat.map(|least| (least, f64::INFINITY))).unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
    match new.breached {
        Breached::Over if level < least => {
            let label = format!("{of} is never under {}", shown(least));
            return refuse("nothing keeps this limit", label, "raise it over what can be reached");
        }
        Breached::Over if level < 0.0 && is_none_when_flat(&new.of) => {
            let label = format!("{of} of an account that holds nothing is over it");
            return refuse("an account that holds nothing breaches this limit", label, "raise it to zero or over");
        }
        Breached::Over if flat == Some(level) => {
            let label = format!("every position has more: {of} is {} of none", shown(level));
            return refuse("no position keeps this limit", label, "raise it over what a position may have");
        }
        Breached::Under if level > most => {
            let label = format!("{of} is never over {}", shown(most));
            return refuse("nothing keeps this limit", label, "lower it under what can be reached");
        }
        Breached::Under if flat.is_some_and(|flat| level > flat) => {
            let label =
                format!("{of} is {} of an account that holds nothing, and the breach bars entries", shown(least));
            let message = "no position is ever opened under this limit";
            return refuse(message, label, "write it with `over`, or take it out: what is wanted at least is `[size]`");
        }
        Breached::Over if new.action == LimitAction::Reduce && is_distance(&new.of) => {
            let label = format!("a smaller position is further from its liquidation: {of} only grows");
            return refuse("reducing does not bring this back", label, "write it with `under`");
        }
        _ => {}
    }
    let Some((over, under)) = earlier.iter().find_map(|(other, _)| contradicted(new, other)) else { return true };
    let label =
        format!("{of} is also limited {} {}", other_side(new.breached).word(), shown(other_level(new, over, under)));
    match over.level <= under.level {
        true => {
            let help = "let the one that is breached over it stand above the one that is breached under it";
            refuse("two limits that no number keeps", label, help)
        }
        false => {
            let message = "what one limit restores breaches another";
            refuse(message, label, "restore each to a level within both limits")
        }
    }
}

/// A limit's two levels.
#[derive(Clone, Copy)]
struct Levels {
    level: f64,
    restore: Option<f64>,
}

impl Levels {
    fn of(limit: &FactLimit) -> Option<Self> {
        Some(Self { level: limit.limit.constant()?, restore: limit.restore.constant() })
    }
}

const fn other_side(side: Breached) -> Breached {
    match side {
        Breached::Over => Breached::Under,
        Breached::Under => Breached::Over,
    }
}

const fn other_level(new: &FactLimit, over: Levels, under: Levels) -> f64 {
    match new.breached {
        Breached::Over => under.level,
        Breached::Under => over.level,
    }
}

/// Two limits of the same expression, one breached over it and one under it, that leave nothing between them, or of which one is brought
/// back to where the other is breached: the one over, the one under.
fn contradicted(one: &FactLimit, other: &FactLimit) -> Option<(Levels, Levels)> {
    if one.of != other.of || one.breached == other.breached {
        return None;
    }
    let (over, under) = if one.breached == Breached::Over { (one, other) } else { (other, one) };
    let (over, under) = (Levels::of(over)?, Levels::of(under)?);
    let restores_breach =
        over.restore.is_some_and(|back| back < under.level) || under.restore.is_some_and(|back| back > over.level);
    (over.level <= under.level || restores_breach).then_some((over, under))
}

fn is_distance(of: &Expression) -> bool {
    of.lone_fact().and_then(|name| name.parse().ok()) == Some(RiskFact::Distance)
}

/// Whether no hedge before it looks at positions that it looks at: each brings the delta of all of them to its target, without the other's.
pub(super) fn hedge<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    name: Option<&str>,
    new: &Hedge,
    earlier: &[Hedge],
) -> bool {
    let coin = spec::base(&new.instrument);
    let on_coin = |other: &&Hedge| spec::base(&other.instrument) == coin;
    let Some((other, shared)) =
        earlier.iter().filter(on_coin).find_map(|other| Some((other, shared(new, other, name)?)))
    else {
        return true;
    };
    let coin = coin.unwrap_or("the coin");
    let of = shared.map_or_else(|| "the policy's own structure".to_owned(), quoted);
    let (message, label) = if new.target == other.target {
        let label =
            format!("{} hedges the {coin} of {of} as well, and each would hedge all of it", quoted(&other.instrument));
        ("two hedges of the same positions", label)
    } else {
        let held = other.target;
        let label = format!(
            "{} brings the delta of {of} to {held} {coin}, and this one to {}",
            quoted(&other.instrument),
            new.target
        );
        ("two hedges with targets that contradict each other", label)
    };
    let help = format!(
        "keep one of them: in what costs least, with `alternatives = [{{ instrument = \"{}\" }}]` and `horizon`; or divide the strategies \
         between them",
        new.instrument
    );
    reader.error(Code::Hedges, section.place("instrument"), message, label, help);
    false
}

/// A strategy that two hedges both look at. The outer `None`: there is none; the inner: the policy that they stand in, which has no name.
fn shared<'a>(one: &'a Hedge, other: &'a Hedge, name: Option<&'a str>) -> Option<Option<&'a str>> {
    let named = |hedge: &'a Hedge| -> Vec<Option<&'a str>> {
        if hedge.strategies.is_empty() {
            vec![name]
        } else {
            hedge.strategies.iter().map(|of| Some(of.as_str())).collect()
        }
    };
    let others = named(other);
    named(one).into_iter().find(|of| others.contains(of))
}
