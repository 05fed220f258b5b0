//! Where a condition answers as it does now.
//!
//! It does where each comparison in it does. One of a fact, or of its size without the sign, with a number states the side of the number
//! on which the fact is; of any other, and of facts that any other reads, nothing is stated: they have to stay as they are.

use super::compile::reads;
use super::fact::{Follows, OwnFact};
use super::{Function, Term};
use crate::Region;
use crate::facts::{self, FactId, FactValue, Facts};
use crate::level::SLACK;
use units::{Cash, Duration, Price, Ratio, SeriesId};

/// What one comparison reads, and the fact and number that it compares, where it is that simple.
pub(super) struct Comparison {
    reads: Vec<FactId>,
    simple: Option<(Compared, f64)>,
}

enum Compared {
    Own(&'static OwnFact),
    /// Without its sign.
    Size(&'static OwnFact),
    Told {
        series: FactId,
        max_age: Duration,
    },
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
        Term::Call { function: Function::Abs, args } => match &args[..] {
            [Term::Own(fact)] => Compared::Size(fact),
            _ => return Some(None),
        },
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
    comparisons.iter().all(|of| {
        let is_stated = match &of.simple {
            Some((Compared::Told { series, max_age }, number)) => {
                return told(*series, *max_age, *number, facts, region);
            }
            _ if !of.is_on_a_side(facts) => false,
            Some((Compared::Own(fact), number)) => own(fact, *number, facts, region),
            // It is on a side of the number, and of its opposite: under both, over both or between.
            Some((Compared::Size(fact), number)) => {
                own(fact, *number, facts, region) && own(fact, -*number, facts, region)
            }
            None => false,
        };
        // What it reads stays as it is, also where another comparison of the rule states an interval of it; a series that must stay is a
        // region that never holds.
        is_stated || of.reads.iter().all(|fact| region.stay(*fact))
    })
}

impl Comparison {
    /// Whether it compares a fact with a number that the fact is now under or over.
    fn is_on_a_side(&self, facts: &Facts) -> bool {
        let follows = |fact: &OwnFact| !matches!(fact.follows, Follows::Nothing);
        match &self.simple {
            Some((Compared::Own(fact), number)) => {
                follows(fact) && (fact.value)(facts).is_some_and(|value| is_beside(value, *number))
            }
            Some((Compared::Size(fact), number)) => {
                follows(fact) && (fact.value)(facts).is_some_and(|value| is_beside(value.abs(), number.abs()))
            }
            Some((Compared::Told { .. }, _)) => true,
            None => false,
        }
    }
}

/// How far a value may come to a number that it is beside: twice as far from it as what still counts as the number itself.
fn edge(number: f64, value: f64) -> f64 {
    number + (2.0 * SLACK * number.abs()).copysign(value - number)
}

/// Whether it is beyond the edge of the number on its side.
fn is_beside(value: f64, number: f64) -> bool {
    let edge = edge(number, value);
    value != number && if value < number { value < edge } else { value > edge }
}

/// An own fact on its side of a number. `false`: that is not stated.
fn own(fact: &OwnFact, number: f64, facts: &Facts, region: &mut Region) -> bool {
    let Some(value) = (fact.value)(facts) else { return false };
    let number = edge(number, value);
    match fact.follows {
        Follows::Fixed(slot, raw) => fixed(slot, number * raw, value < number, region),
        Follows::Double(slot) => double(slot, value, number, region),
        Follows::Age(since) => {
            let Some(since) = facts.get(since) else { return false };
            let turns = i128::from(since.nanos()) + number as i128;
            match value < number {
                true => region.within(facts::NOW.id(), i128::MIN, turns - 1),
                false => region.within(facts::NOW.id(), turns + 1, i128::MAX),
            }
        }
        Follows::Price(price_at) => {
            let Some((price, rises)) = price_at(facts, number) else { return false };
            fixed(facts::PRICE.id(), price * Price::ONE as f64, (value < number) == rises, region);
        }
        Follows::Equity(equity_at) => {
            let Some(equity) = equity_at(facts, number) else { return false };
            fixed(facts::EQUITY.id(), equity * Cash::ONE as f64, value >= number, region);
        }
        Follows::Exposure => return exposure(value, number, facts, region),
        Follows::Nothing => return false,
    }
    true
}

/// An exposure on its side of a number, with price and equity each as far from what they are now as the other may be.
fn exposure(value: f64, number: f64, facts: &Facts, region: &mut Region) -> bool {
    let (Some(price), Some(equity)) = (facts.get(facts::PRICE), facts.get(facts::EQUITY)) else { return false };
    if value == 0.0 {
        region.free(&[facts::PRICE.id(), facts::EQUITY.id(), facts::EXPOSURE_PRICE.id()]);
        return true;
    }
    // By a share `part` of each it grows to at most 1/(1 − part)² of what it is and falls to at least (1 − part)², of any contract; and
    // (1 − part)² is over what lies between where `part` is under a half of the rest. It keeps its sign.
    let (least, most) = (value.abs().min(number.abs()), value.abs().max(number.abs()));
    let rest = if value.signum() == number.signum() { 1.0 - least / most } else { 1.0 };
    let part = rest * 0.499;
    if part < 1e-9 || equity.raw() <= 0 {
        return false;
    }
    let share = |raw: f64, by: f64| (raw * by) as i128;
    let (price, equity) = (price.raw() as f64, equity.approximate_raw());
    region.within(facts::PRICE.id(), share(price, 1.0 - part) + 1, share(price, 1.0 + part));
    region.within(facts::EQUITY.id(), share(equity, 1.0 - part) + 1, share(equity, 1.0 + part));
    true
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
    if age > max_age || !is_beside(value, number) {
        return false;
    }
    double(series, value, edge(number, value), region);
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
