//! Why a condition holds, does not hold, or is not known: the comparisons that decide it, with the values that they compared.
//!
//! Of `a && b` that does not hold, what does not hold of it; of `a || b`, both sides. What is not known names the fact that is missing
//! and why. All of it is asked for where a plan is recorded, and only there.

use super::compile::{NumberOf, number};
use super::{Function, OwnFact, Term, Unit};
use crate::facts::{self, FactId, Facts};
use crate::parse::expression::Binary;
use crate::{RiskFact, SurfaceFact};
use std::fmt::Write;
use units::{Duration, Price, SeriesId};

/// Comparisons of one condition that are told; more are counted.
const PARTS_MAX: usize = 3;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A fraction, as percent: `62.0 %`.
    Percent,
    /// A plain number, a quantity or an amount.
    Number,
    /// In the quote currency.
    Price,
    /// Nanoseconds, as a span of time.
    Span,
    /// A multiple of R.
    R,
    /// A multiple of N.
    N,
}

impl Shown {
    /// How the value of a fact is written, by its name in a policy: as the table of facts tells its unit. A recorded series is a number.
    #[must_use]
    pub fn of_fact(name: &str) -> Self {
        if let Some(own) = super::find(name) {
            return Self::of_own(own);
        }
        match (name.parse::<SurfaceFact>(), name.parse::<RiskFact>()) {
            (Ok(SurfaceFact::Greek { .. }), _) => Self::Number,
            (Ok(_), _) => Self::Percent,
            (_, Ok(RiskFact::Leverage | RiskFact::Kelly { .. })) => Self::Number,
            (_, Ok(RiskFact::Margin { figure, .. })) if figure != crate::MarginFigure::Ratio => Self::Number,
            (_, Ok(_)) => Self::Percent,
            _ => Self::Number,
        }
    }

    fn of_own(fact: &OwnFact) -> Self {
        match fact.name {
            "drawdown" | "loss.day" | "loss.week" | "volatility" | "unrealised" => Self::Percent,
            _ => Self::of_unit(fact.unit),
        }
    }

    fn of_unit(unit: Unit) -> Self {
        match unit {
            Unit::Price => Self::Price,
            Unit::Span => Self::Span,
            Unit::R => Self::R,
            Unit::N => Self::N,
            Unit::Switch | Unit::Number | Unit::Quantity | Unit::Money => Self::Number,
        }
    }

    /// A value, to so many decimals more than usual.
    fn write(self, value: f64, more: usize) -> String {
        let plain = |value: f64, decimals: usize| format!("{:.*}", decimals + more, value + 0.0);
        match self {
            Self::Percent => format!("{} %", plain(value * 100.0, 1)),
            Self::Number => plain(value, decimals(value)),
            Self::Price => Price::from_estimate(value, units::Round::Nearest)
                .filter(|price| (price.approximate() - value).abs() < 1e-6)
                .map_or_else(|| plain(value, 2), |price| price.to_string()),
            Self::Span => Duration::from_nanos(value as i64).to_string(),
            Self::R => format!("{}R", plain(value, 2)),
            Self::N => format!("{}N", plain(value, 2)),
        }
    }

    /// A value as plans and `trimtab next` write it.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        self.write(value, 0)
    }
}

/// Two decimals, or of what is small three digits.
fn decimals(value: f64) -> usize {
    let (mut scaled, mut decimals) = (value.abs() * 100.0, 2);
    while scaled < 10.0 && value != 0.0 && decimals < 10 {
        (scaled, decimals) = (scaled * 10.0, decimals + 1);
    }
    if decimals > 2 { decimals + 1 } else { decimals }
}

/// One side of a comparison.
pub(super) struct Side {
    /// As it is written.
    text: String,
    value: NumberOf,
    is_literal: bool,
    shown: Shown,
    /// The facts in it.
    parts: Vec<Part>,
}

/// A fact that a side reads.
struct Part {
    name: String,
    of: Of,
}

enum Of {
    Own(&'static OwnFact),
    Told(FactId, Duration),
    /// R or N in price.
    Distance(Unit),
}

/// A condition as a tree of its comparisons.
pub(super) enum Node {
    Compares(Box<[Side; 2]>, Binary),
    Knows(Box<Side>),
    Not(Box<Node>),
    /// `&&`, or `||` where `decides` is true: that answer of either side is the answer of both.
    Joined(Box<[Node; 2]>, bool),
}

impl Node {
    /// `None`: a series is missing.
    pub(super) fn of(term: &Term, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Self> {
        Some(match term {
            Term::Not(of) => Self::Not(Box::new(Self::of(of, series)?)),
            Term::Binary { operator: operator @ (Binary::And | Binary::Or), operands } => {
                let both = [Self::of(&operands[0], series)?, Self::of(&operands[1], series)?];
                Self::Joined(Box::new(both), *operator == Binary::Or)
            }
            Term::Binary { operator, operands } => {
                let mut sides = [Side::of(&operands[0], series)?, Side::of(&operands[1], series)?];
                // A number is of the kind that it stands beside.
                if sides.iter().any(|side| side.shown == Shown::Span) {
                    sides.iter_mut().filter(|side| side.is_literal).for_each(Side::as_span);
                }
                let is_share = sides.iter().any(|side| side.shown == Shown::Percent);
                for side in sides.iter_mut().filter(|side| is_share && side.shown == Shown::Number) {
                    side.shown = Shown::Percent;
                }
                Self::Compares(Box::new(sides), *operator)
            }
            Term::Call { function: Function::Known, args } => Self::Knows(Box::new(Side::of(args.first()?, series)?)),
            _ => return None,
        })
    }

    fn answer(&self, facts: &Facts) -> Option<bool> {
        match self {
            Self::Compares(sides, operator) => {
                let compare = super::compile::comparison(*operator)?;
                Some(compare(sides[0].known(facts)?, sides[1].known(facts)?))
            }
            Self::Knows(side) => Some(side.known(facts).is_some()),
            Self::Not(of) => of.answer(facts).map(|holds| !holds),
            Self::Joined(both, decides) => match (both[0].answer(facts), both[1].answer(facts)) {
                (Some(side), _) | (_, Some(side)) if side == *decides => Some(*decides),
                (Some(_), Some(_)) => Some(!decides),
                _ => None,
            },
        }
    }

    /// The comparisons that make its answer what it is, from the left.
    fn deciding<'a>(&'a self, facts: &Facts, found: &mut Vec<&'a Self>) {
        match self {
            Self::Compares(..) | Self::Knows(_) => found.push(self),
            Self::Not(of) => of.deciding(facts, found),
            Self::Joined(both, _) => {
                let answer = self.answer(facts);
                // One side may decide alone; else both do. Of what is not known, those sides that are not.
                let those = both.iter().filter(|side| side.answer(facts) == answer);
                those.for_each(|side| side.deciding(facts, found));
            }
        }
    }

    /// What makes its answer what it is.
    pub(super) fn tell(&self, facts: &Facts, out: &mut String) {
        let mut found = Vec::new();
        self.deciding(facts, &mut found);
        for (at, part) in found.iter().take(PARTS_MAX).enumerate() {
            out.push_str(if at > 0 { ", and " } else { "" });
            part.tell_one(facts, out);
        }
        if found.len() > PARTS_MAX {
            let _fits = write!(out, ", and {} more", found.len() - PARTS_MAX);
        }
    }

    fn tell_one(&self, facts: &Facts, out: &mut String) {
        let _fits = match self {
            Self::Compares(sides, operator) => match (sides[0].known(facts), sides[1].known(facts), self.answer(facts))
            {
                (Some(left), Some(right), Some(holds)) => {
                    // What differs has to look different.
                    let more = (0..6).find(|more| {
                        left == right || sides[0].shown.write(left, *more) != sides[1].shown.write(right, *more)
                    });
                    let more = more.unwrap_or(6);
                    let (left, right) = (sides[0].told(left, more), sides[1].told(right, more));
                    write!(out, "{left} is {}{} {right}", if holds { "" } else { "not " }, operator.symbol())
                }
                (None, ..) => return sides[0].tell_unknown(facts, out),
                _ => return sides[1].tell_unknown(facts, out),
            },
            Self::Knows(side) => match side.known(facts) {
                Some(value) => write!(out, "{} is known", side.told(value, 0)),
                None => return side.tell_unknown(facts, out),
            },
            Self::Not(_) | Self::Joined(..) => Ok(()),
        };
    }
}

impl Side {
    fn of(term: &Term, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Self> {
        let is_literal = super::quiet::constant(term).is_some();
        let written = term.to_string();
        let mut parts = Vec::new();
        let mut is_share = false;
        term.walk(&mut |term| match term {
            Term::Literal { text, .. } => is_share |= text.ends_with('%'),
            Term::Own(fact) => parts.push(Part { name: fact.name.to_owned(), of: Of::Own(fact) }),
            Term::Told { name, max_age } => {
                if let Some(id) = series(name) {
                    parts.push(Part { name: name.clone(), of: Of::Told(facts::series(id).id(), *max_age) });
                }
            }
            Term::Distance { unit, .. } => {
                let name = if *unit == Unit::R { "R" } else { "N" };
                parts.push(Part { name: name.to_owned(), of: Of::Distance(*unit) });
            }
            _ => {}
        });
        let shown = match term {
            Term::Own(fact) => Shown::of_own(fact),
            Term::Told { name, .. } => Shown::of_fact(name),
            _ if is_share => Shown::Percent,
            _ => parts.first().map_or(Shown::Number, |part| match part.of {
                Of::Own(fact) => Shown::of_own(fact),
                Of::Told(..) => Shown::of_fact(&part.name),
                Of::Distance(_) => Shown::Price,
            }),
        };
        let text = match term {
            Term::Own(_) | Term::Told { .. } => written,
            // As other sentences write a share.
            _ if is_literal => written.strip_suffix('%').map_or(written.clone(), |number| format!("{number} %")),
            _ => format!("`{written}`"),
        };
        Some(Self { text, value: number(term, series)?, is_literal, shown, parts })
    }

    /// A literal as other sentences write a span.
    fn as_span(&mut self) {
        if let Some(value) = (self.value)(&Facts::new(0)) {
            self.text = Shown::Span.text(value);
        }
    }

    fn known(&self, facts: &Facts) -> Option<f64> {
        (self.value)(facts).filter(|value| value.is_finite())
    }

    fn told(&self, value: f64, more: usize) -> String {
        if self.is_literal { self.text.clone() } else { format!("{} {}", self.text, self.shown.write(value, more)) }
    }

    /// The first fact in it that is not known, and why.
    fn tell_unknown(&self, facts: &Facts, out: &mut String) {
        let missing = self.parts.iter().find(|part| !part.is_known(facts));
        let _fits = match missing {
            Some(part) => write!(out, "{} is not known: {}", part.name, part.why(facts)),
            None => write!(out, "{} is not known: it has no finite value", self.text),
        };
    }

    fn is_unknown(&self, facts: &Facts) -> bool {
        self.known(facts).is_none()
    }
}

impl Part {
    fn is_known(&self, facts: &Facts) -> bool {
        match self.of {
            Of::Own(fact) => (fact.value)(facts).is_some(),
            Of::Told(id, max_age) => facts.age(id).is_some_and(|age| age <= max_age) && facts.raw(id).is_some(),
            Of::Distance(Unit::R) => facts.get(facts::ENTRY).is_some() && facts.get(facts::INITIAL_STOP).is_some(),
            Of::Distance(_) => facts.get(facts::CAMPAIGN_UNIT).or_else(|| facts.get(facts::UNIT)).is_some(),
        }
    }

    fn why(&self, facts: &Facts) -> String {
        match self.of {
            Of::Told(id, max_age) => match facts.age(id).filter(|_| facts.raw(id).is_some()) {
                Some(age) => format!("it was told {age} ago, over {max_age}"),
                None if self.name.parse::<RiskFact>().is_ok() => "it cannot be computed now".to_owned(),
                None if self.name.parse::<SurfaceFact>().is_ok() => {
                    "nothing quoted so far tells it, or what was told is too old".to_owned()
                }
                None => "the tapes have told no value of it yet".to_owned(),
            },
            Of::Distance(Unit::R) => "nothing is held, or without a stop".to_owned(),
            Of::Distance(_) => "it has no value yet: its bars have not closed".to_owned(),
            Of::Own(fact) => why_own(fact.name, facts).to_owned(),
        }
    }
}

/// Why a fact of the engine's own is not known.
fn why_own(name: &str, facts: &Facts) -> &'static str {
    let is_flat = facts.get(facts::POSITION).is_none_or(units::Qty::is_zero);
    match name {
        "campaigns.last_r" | "campaigns.since" => "no campaign has closed yet, or it had no R",
        "signal" | "signal.age" => "no signal has been told, or it is too old",
        "volatility" => "no source of it is known now",
        "unit" => "it has no value yet: its bars have not closed",
        "price" => "the market has told none yet",
        "exposure" => "without equity there is none",
        _ if (name.starts_with("campaign.") || name.starts_with("unrealised")) && is_flat => "nothing is held",
        "campaign.stop" | "campaign.initial_stop" | "unrealised.r" => "what is held has no stop",
        "campaign.unit" => "it had no value at the entry",
        _ => "the account or the market has not told it yet",
    }
}

/// What a number reads, for telling which of it is not known.
pub(super) struct Told(Side);

impl Told {
    /// `None`: a series is missing.
    pub(super) fn of(term: &Term, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Self> {
        Side::of(term, series).map(Self)
    }

    /// What of it is not known, and why; nothing while it is known.
    pub(super) fn tell_unknown(&self, facts: &Facts, out: &mut String) {
        if self.0.is_unknown(facts) {
            self.0.tell_unknown(facts, out);
        }
    }

    /// Itself with its value.
    pub(super) fn tell(&self, facts: &Facts, out: &mut String) {
        match self.0.known(facts) {
            Some(value) => out.push_str(&self.0.told(value, 0)),
            None => self.0.tell_unknown(facts, out),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use crate::expression::Expression;
    use units::{Price, Qty, Ratio, Timestamp};

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_nanos(hour * Duration::HOUR.nanos())
    }

    /// Long two from 100 with a stop at 90, the price at 115, a drawdown of 12 %, a rank of 62 % told at noon of the first day.
    fn facts() -> Facts {
        let mut facts = Facts::new(2);
        facts.set_now(at(12));
        facts.set(facts::series(SeriesId(0)), Ratio::new(0.62).unwrap());
        facts.set_now(at(60));
        let price = |text: &str| text.parse::<Price>().unwrap();
        facts.set(facts::PRICE, price("115"));
        facts.set(facts::ENTRY, price("100"));
        facts.set(facts::INITIAL_STOP, price("90"));
        facts.set(facts::OPENED, at(0));
        facts.set(facts::POSITION, Qty::from_raw(2 * Qty::ONE));
        facts.set(facts::DRAWDOWN, Ratio::new(0.12).unwrap());
        facts
    }

    fn series(name: &str) -> Option<SeriesId> {
        ["iv.rank(BTC, 30d, 90d)", "calm"].iter().position(|known| *known == name).map(|at| SeriesId(at as u32))
    }

    fn told(condition: &str, facts: &Facts) -> String {
        let mut out = String::new();
        Expression::parse(condition).unwrap().condition(&series).unwrap().tell(facts, &mut out);
        out
    }

    /// Worked out by hand: (115 − 100) ÷ (100 − 90) is 1.5 R; the rank is two days old.
    #[test]
    fn what_decides_is_told_with_its_value() {
        for (condition, expected) in [
            ("iv.rank(BTC, 30d, 90d) > 80%", "iv.rank(BTC, 30d, 90d) 62.0 % is not > 80 %"),
            (
                "drawdown < 10% && unrealised.r >= 2R",
                "drawdown 12.0 % is not < 10 %, and unrealised.r 1.50R is not >= 2R",
            ),
            ("drawdown < 20% && unrealised.r >= 2R", "unrealised.r 1.50R is not >= 2R"),
            ("drawdown < 10% || unrealised.r >= 1R", "unrealised.r 1.50R is >= 1R"),
            ("!(drawdown > 10%)", "drawdown 12.0 % is > 10 %"),
            ("price > campaign.entry + 2R", "price 115 is not > `campaign.entry + 2R` 120"),
            ("campaign.age > 5d", "campaign.age 2 d 12 h is not > 5 d"),
            ("drawdown < 12.04% && drawdown > 12.03%", "drawdown 12.00 % is not > 12.03 %"),
            ("known(series(calm))", "calm is not known: the tapes have told no value of it yet"),
            ("drawdown > 10% && series(calm) > 1", "calm is not known: the tapes have told no value of it yet"),
            (
                "series(iv.rank(BTC, 30d, 90d), 1d) > 50%",
                "iv.rank(BTC, 30d, 90d) is not known: it was told 2 d ago, over 1 d",
            ),
            ("price / (price - 115) > 2", "`price / (price - 115)` is not known: it has no finite value"),
        ] {
            assert_eq!(told(condition, &facts()), expected, "{condition}");
        }
        let mut flat = facts();
        flat.set(facts::POSITION, Qty::ZERO);
        flat.put(facts::ENTRY, None);
        assert_eq!(told("unrealised.r >= 1R", &flat), "unrealised.r is not known: nothing is held");
    }

    #[test]
    fn values_are_written_as_their_unit_is() {
        for (name, value, text) in [
            ("iv.atm(BTC, 30d)", 0.4321, "43.2 %"),
            ("skew(BTC, 30d)", -0.05, "-5.0 %"),
            ("greeks.vega(BTC)", 1_234.5, "1234.50"),
            ("leverage()", 2.0, "2.00"),
            ("margin.ratio(binance)", 0.5, "50.0 %"),
            ("margin.initial(binance)", 12.5, "12.50"),
            ("funding.btc", 0.000_123_4, "0.000123"),
            ("unrealised.r", 1.5, "1.50R"),
        ] {
            assert_eq!(Shown::of_fact(name).text(value), text, "{name}");
        }
    }
}
