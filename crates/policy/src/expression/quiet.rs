//! Where a condition answers as it does now.
//!
//! It does where each comparison in it does. One of a fact with a number states the side of the number on which the fact is; of any
//! other, and of facts that any other reads, nothing is stated: they have to stay as they are.

use super::Term;
use super::compile::reads;
use super::fact::{Follows, OwnFact};
use crate::Region;
use crate::facts::{self, FactId, FactValue, Facts};
use units::{Duration, Price, Ratio, SeriesId};

/// What one comparison reads, and the fact and number that it compares, where it is that simple.
pub(super) struct Comparison {
    reads: Vec<FactId>,
    simple: Option<(Compared, f64)>,
}

enum Compared {
    Own(&'static OwnFact),
    Told { series: FactId, max_age: Duration },
}

/// The comparisons of a condition, and whatever else in it answers yes or no. `None`: a series is missing.
pub(super) fn comparisons(root: &Term, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Vec<Comparison>> {
    let mut found = Vec::new();
    collect(root, series, &mut found)?;
    Some(found)
}

fn collect(term: &Term, series: &dyn Fn(&str) -> Option<SeriesId>, found: &mut Vec<Comparison>) -> Option<()> {
    match term {
        Term::Not(of) => collect(of, series, found),
        Term::Binary { operator, operands } if !operator.compares() => {
            operands.iter().try_for_each(|operand| collect(operand, series, found))
        }
        _ => {
            found.push(Comparison { reads: reads(term, series)?, simple: simple(term, series)? });
            Some(())
        }
    }
}

/// A fact against a number, on either side. The outer `None`: a series is missing.
fn simple(term: &Term, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Option<(Compared, f64)>> {
    let Term::Binary { operands, .. } = term else { return Some(None) };
    let (fact, number) = match &**operands {
        [fact, number] if constant(number).is_some() => (fact, constant(number)),
        [number, fact] if constant(number).is_some() => (fact, constant(number)),
        _ => return Some(None),
    };
    let compared = match fact {
        Term::Own(fact) => Compared::Own(fact),
        Term::Told { name, max_age } => Compared::Told { series: facts::series(series(name)?).id(), max_age: *max_age },
        _ => return Some(None),
    };
    Some(number.map(|number| (compared, number)))
}

pub(super) fn constant(term: &Term) -> Option<f64> {
    match term {
        Term::Literal { value, .. } => Some(*value),
        Term::Negative(of) => constant(of).map(|value| -value),
        _ => None,
    }
}

/// States all of them together.
pub(super) fn state(comparisons: &[Comparison], facts: &Facts, region: &mut Region) -> bool {
    // What is stated of a fact for one comparison would free it for another that it has to stay for.
    let held = |fact: &FactId| comparisons.iter().any(|of| !of.is_on_a_side(facts) && of.reads.contains(fact));
    comparisons.iter().all(|of| match &of.simple {
        // Of its age the time is stated.
        Some((Compared::Told { .. }, _)) if held(&facts::NOW.id()) => false,
        Some((Compared::Told { series, max_age }, number)) => told(*series, *max_age, *number, facts, region),
        Some((Compared::Own(fact), number)) => {
            if !of.reads.iter().any(held) {
                own(fact, *number, facts, region);
            }
            true
        }
        // What it reads stays as it is; a series that must stay is a region that never holds.
        None => of.reads.iter().all(|fact| usize::from(fact.0) < facts::NAMES.len()),
    })
}

impl Comparison {
    /// Whether it compares a fact with a number that the fact is now under or over.
    fn is_on_a_side(&self, facts: &Facts) -> bool {
        match &self.simple {
            Some((Compared::Own(fact), number)) => {
                let follows = !matches!(fact.follows, Follows::Nothing);
                follows && (fact.value)(facts).is_some_and(|value| value != *number)
            }
            Some((Compared::Told { .. }, _)) => true,
            None => false,
        }
    }
}

/// An own fact on its side of a number.
fn own(fact: &OwnFact, number: f64, facts: &Facts, region: &mut Region) {
    let Some(value) = (fact.value)(facts) else { return };
    match fact.follows {
        Follows::Fixed(slot, raw) => fixed(slot, number * raw, value < number, region),
        Follows::Double(slot) => double(slot, value, number, region),
        Follows::Age(since) => {
            let Some(since) = facts.get(since) else { return };
            let turns = i128::from(since.nanos()) + number as i128;
            match value < number {
                true => region.within(facts::NOW.id(), i128::MIN, turns - 1),
                false => region.within(facts::NOW.id(), turns + 1, i128::MAX),
            }
        }
        Follows::Price(price_at) => {
            if let Some((price, rises)) = price_at(facts, number) {
                fixed(facts::PRICE.id(), price * Price::ONE as f64, (value < number) == rises, region);
            }
        }
        Follows::Nothing => {}
    }
}

/// A slot of fixed point under or over a raw value, shrunk by more than the double's own rounding.
fn fixed(slot: FactId, raw: f64, is_under: bool, region: &mut Region) {
    let slack = 2.0 + raw.abs() * 1e-12;
    match is_under {
        true => region.within(slot, i128::MIN, (raw - slack) as i128),
        false => region.within(slot, (raw + slack) as i128, i128::MAX),
    }
}

/// A series on its side of a number, for as long as it is not too old. `false`: it is not known now.
fn told(series: FactId, max_age: Duration, number: f64, facts: &Facts, region: &mut Region) -> bool {
    let (Some(raw), Some(age)) = (facts.raw(series), facts.age(series)) else { return false };
    let value = Ratio::from_raw(raw).get();
    if age > max_age || value == number {
        return false;
    }
    double(series, value, number, region);
    let set = i128::from(facts.now().nanos()) - i128::from(age.nanos());
    region.within(facts::NOW.id(), i128::MIN, set + i128::from(max_age.nanos()) + 1);
    true
}

/// A series that stays what it is now, for as long as it is not too old. `false`: it is not known now.
pub(super) fn as_it_is(series: FactId, max_age: Duration, facts: &Facts, region: &mut Region) -> bool {
    let (Some(raw), Some(age)) = (facts.raw(series), facts.age(series)) else { return false };
    region.within(series, raw - 1, raw + 1);
    let set = i128::from(facts.now().nanos()) - i128::from(age.nanos());
    region.within(facts::NOW.id(), i128::MIN, set + i128::from(max_age.nanos()) + 1);
    age <= max_age
}

/// A slot of a double on its side of a number. The bits of doubles stand in the order of their values above zero and in the reverse
/// order below: the interval ends at zero where it would cross it.
fn double(slot: FactId, value: f64, number: f64, region: &mut Region) {
    let raw = |value: f64| i128::from(value.to_bits());
    let end = if value.is_sign_negative() { f64::NEG_INFINITY } else { f64::INFINITY };
    // Zero of the value's own sign.
    let zero = 0.0_f64.copysign(value);
    let is_same_sign = number.is_sign_negative() == value.is_sign_negative() && number != 0.0;
    let away = value.abs() > number.abs() || !is_same_sign;
    match (is_same_sign, away) {
        (true, true) => region.within(slot, raw(number), raw(end)),
        (true, false) => region.within(slot, raw(zero) - 1, raw(number)),
        // A number of the other sign, or zero, which a value that is zero has been told from.
        (false, _) => region.within(slot, raw(zero) - i128::from(number != 0.0), raw(end)),
    }
}
