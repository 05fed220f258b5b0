//! A checked expression to closures.

use super::explained::{Node, Told};
use super::{Expression, Function, Term, Unit, quiet};
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::level::is_same;
use crate::parse::expression::Binary;
use units::{Duration, Ratio, SeriesId, math};

pub(super) type NumberOf = Box<dyn Fn(&Facts) -> Option<f64> + Send>;
type SwitchOf = Box<dyn Fn(&Facts) -> Option<bool> + Send>;

/// An expression that gives a number, compiled for one instrument.
pub struct Compiled {
    value: NumberOf,
    reads: Vec<FactId>,
    /// Series and told facts among them, each with the age beyond which it is not used.
    told: Vec<(FactId, Duration)>,
    explained: Told,
}

/// An expression that answers yes or no, compiled for one instrument.
pub struct Condition {
    value: SwitchOf,
    reads: Vec<FactId>,
    quiet: Vec<quiet::Comparison>,
    explained: Node,
    text: String,
}

impl Compiled {
    /// Its value: finite, or `None` where it is not known.
    #[must_use]
    pub fn value(&self, facts: &Facts) -> Option<f64> {
        (self.value)(facts).filter(|value| value.is_finite())
    }

    /// The facts that it reads.
    #[must_use]
    pub fn reads(&self) -> &[FactId] {
        &self.reads
    }

    /// Tells which fact of it is not known now, and why; nothing while it is known.
    pub fn tell_unknown(&self, facts: &Facts, out: &mut String) {
        self.explained.tell_unknown(facts, out);
    }

    /// Tells it as it is written, with its value now.
    pub fn tell(&self, facts: &Facts, out: &mut String) {
        self.explained.tell(facts, out);
    }

    /// States that the series that it reads stay as they are. Of its other facts nothing is stated: they have to, for the value to stay.
    /// `false`: a series is not known now.
    pub fn stays(&self, facts: &Facts, region: &mut Region) -> bool {
        self.told.iter().all(|(series, max_age)| quiet::as_it_is(*series, *max_age, facts, region))
    }
}

impl Condition {
    /// Whether it holds. `None`: that is not known.
    #[must_use]
    pub fn holds(&self, facts: &Facts) -> Option<bool> {
        (self.value)(facts)
    }

    /// The facts that it reads.
    #[must_use]
    pub fn reads(&self) -> &[FactId] {
        &self.reads
    }

    /// Tells what makes its answer what it is: the comparisons that decide it with the values that they compared, or the fact that is
    /// not known and why.
    pub fn tell(&self, facts: &Facts, out: &mut String) {
        self.explained.tell(facts, out);
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// States where its answer stays: every comparison in it answers as it does now. `false`: that cannot be stated.
    pub fn quiet(&self, facts: &Facts, region: &mut Region) -> bool {
        quiet::state(&self.quiet, facts, region)
    }
}

impl Expression {
    /// Compiles a number, where `series` finds the id of a series or told fact by its name in the policy. `None`: one is missing, or
    /// the expression is a condition.
    #[must_use]
    pub fn compile(&self, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Compiled> {
        (self.unit != Unit::Switch).then_some(())?;
        let mut told = Vec::new();
        self.root.walk(&mut |term| {
            if let Term::Told { name, max_age } = term
                && let Some(id) = series(name)
            {
                told.push((facts::series(id).id(), *max_age));
            }
        });
        let explained = Told::of(&self.root, series)?;
        Some(Compiled { value: number(&self.root, series)?, reads: reads(&self.root, series)?, told, explained })
    }

    /// Compiles a condition. `None`: a series is missing, or the expression is no condition.
    #[must_use]
    pub fn condition(&self, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Condition> {
        (self.unit == Unit::Switch).then_some(())?;
        Some(Condition {
            value: switch(&self.root, series)?,
            reads: reads(&self.root, series)?,
            quiet: quiet::comparisons(&self.root, series)?,
            explained: Node::of(&self.root, series)?,
            text: self.to_string(),
        })
    }
}

/// The facts that a term reads, each once.
pub(super) fn reads(term: &Term, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Vec<FactId>> {
    let mut reads: Vec<FactId> = Vec::new();
    let mut missing = false;
    term.walk(&mut |term| match term {
        Term::Own(fact) => reads.extend(fact.reads),
        Term::Told { name, .. } => match series(name) {
            Some(id) => reads.push(facts::series(id).id()),
            None => missing = true,
        },
        Term::Distance { unit: Unit::R, .. } => reads.extend([facts::ENTRY.id(), facts::INITIAL_STOP.id()]),
        Term::Distance { .. } => reads.extend([facts::CAMPAIGN_UNIT.id(), facts::UNIT.id()]),
        _ => {}
    });
    reads.sort_unstable();
    reads.dedup();
    (!missing).then_some(reads)
}

pub(super) fn number(term: &Term, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<NumberOf> {
    Some(match term {
        Term::Literal { value, .. } => {
            let value = *value;
            Box::new(move |_| Some(value))
        }
        Term::Own(fact) => Box::new(fact.value),
        Term::Told { name, max_age } => {
            let (id, max_age) = (series(name)?, *max_age);
            Box::new(move |facts| fresh(facts, id, max_age))
        }
        Term::Negative(of) => {
            let of = number(of, series)?;
            Box::new(move |facts| of(facts).map(|value| -value))
        }
        Term::Distance { unit, of } => {
            let (of, each) = (number(of, series)?, if *unit == Unit::R { r_in_price } else { n_in_price });
            Box::new(move |facts| Some(of(facts)? * each(facts)?))
        }
        Term::Binary { operator, operands } => {
            let [left, right] = [number(&operands[0], series)?, number(&operands[1], series)?];
            match operator {
                Binary::Plus => Box::new(move |facts| Some(left(facts)? + right(facts)?)),
                Binary::Minus => Box::new(move |facts| Some(left(facts)? - right(facts)?)),
                Binary::Times => Box::new(move |facts| Some(left(facts)? * right(facts)?)),
                Binary::Divide => Box::new(move |facts| Some(left(facts)? / right(facts)?)),
                _ => return None,
            }
        }
        Term::Call { function: Function::If, args } => {
            let [condition, value, otherwise] = &args[..] else { return None };
            let (condition, value, otherwise) =
                (switch(condition, series)?, number(value, series)?, number(otherwise, series)?);
            Box::new(move |facts| if condition(facts)? { value(facts) } else { otherwise(facts) })
        }
        Term::Call { function, args } => call(*function, args, series)?,
        Term::Not(_) => return None,
    })
}

fn call(function: Function, args: &[Term], series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<NumberOf> {
    let mut args = args.iter().map(|arg| number(arg, series)).collect::<Option<Vec<_>>>()?.into_iter();
    let first = args.next()?;
    Some(match function {
        Function::Abs => Box::new(move |facts| first(facts).map(f64::abs)),
        Function::SquareRoot => Box::new(move |facts| first(facts).filter(|value| *value >= 0.0).map(math::sqrt)),
        Function::Min => args.fold(first, |left, right| Box::new(move |facts| Some(left(facts)?.min(right(facts)?)))),
        Function::Max => args.fold(first, |left, right| Box::new(move |facts| Some(left(facts)?.max(right(facts)?)))),
        Function::Clamp => {
            let (least, most) = (args.next()?, args.next()?);
            // Where the bounds cross, the upper one counts: what is clamped is a size or a share more often than not.
            Box::new(move |facts| Some(first(facts)?.max(least(facts)?).min(most(facts)?)))
        }
        Function::If | Function::Known => return None,
    })
}

fn switch(term: &Term, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<SwitchOf> {
    Some(match term {
        Term::Not(of) => {
            let of = switch(of, series)?;
            Box::new(move |facts| of(facts).map(|holds| !holds))
        }
        Term::Binary { operator: operator @ (Binary::And | Binary::Or), operands } => {
            let [left, right] = [switch(&operands[0], series)?, switch(&operands[1], series)?];
            let decides = *operator == Binary::Or;
            Box::new(move |facts| match (left(facts), right(facts)) {
                (Some(side), _) | (_, Some(side)) if side == decides => Some(decides),
                (Some(_), Some(_)) => Some(!decides),
                _ => None,
            })
        }
        Term::Binary { operator, operands } => {
            let [left, right] = [number(&operands[0], series)?, number(&operands[1], series)?];
            let compare = comparison(*operator)?;
            Box::new(move |facts| Some(compare(finite(left(facts)?)?, finite(right(facts)?)?)))
        }
        Term::Call { function: Function::Known, args } => {
            let of = number(args.first()?, series)?;
            Box::new(move |facts| Some(of(facts).and_then(finite).is_some()))
        }
        _ => return None,
    })
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// How two numbers compare, of which those that are the same but for [`crate::level::SLACK`] are equal.
pub(super) fn comparison(operator: Binary) -> Option<fn(f64, f64) -> bool> {
    Some(match operator {
        Binary::Less => |left, right| left < right && !is_same(left, right),
        Binary::LessOrEqual => |left, right| left <= right || is_same(left, right),
        Binary::Greater => |left, right| left > right && !is_same(left, right),
        Binary::GreaterOrEqual => |left, right| left >= right || is_same(left, right),
        Binary::Equal => is_same,
        Binary::NotEqual => |left, right| !is_same(left, right),
        _ => return None,
    })
}

/// A series' value, while it is not too old.
pub(crate) fn fresh(facts: &Facts, series: SeriesId, max_age: Duration) -> Option<f64> {
    let fact = facts::series(series);
    let fresh = facts.age(fact.id())? <= max_age;
    fresh.then(|| facts.get(fact)).flatten().map(Ratio::get)
}

/// N in price: of the open campaign, else as it is now.
fn n_in_price(facts: &Facts) -> Option<f64> {
    let unit = facts.get(facts::CAMPAIGN_UNIT).or_else(|| facts.get(facts::UNIT));
    unit.map(units::Price::approximate)
}

/// R in price.
fn r_in_price(facts: &Facts) -> Option<f64> {
    let (entry, stop) = (facts.get(facts::ENTRY)?, facts.get(facts::INITIAL_STOP)?);
    Some((entry - stop).abs().approximate())
}
