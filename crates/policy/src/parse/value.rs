//! The text of one value: a number, a quantity, a name, or a call that names a fact. [`super::expression`] puts operators between them.
//!
//! ```text
//! value    = quantity | name | name "(" [ value { "," value } ] ")"
//! quantity = [ "-" | "+" ] digits [ unit ]
//! unit     = "%" | "bp" | "R" | "N" | "ns" | "us" | "ms" | "s" | "m" | "min" | "h" | "d" | "w" | CURRENCY
//! name     = "$" word, a parameter | word { "." word }, `{base}` standing for a word or a part of one;
//!            in `stress(…)` a name as stresses have them, and so the method of `var(…)` and its like
//! ```
//!
//! Spans are bytes of the whole policy text.

use super::expression::{Binary, Unary};
use crate::diagnostic::{nearest, quoted};
use crate::spec::BASE_PLACEHOLDER;
use std::ops::Range;
use units::Duration;
use units::decimal::{self, DecimalError};

/// Calls inside calls: deeper than any fact needs, shallow enough for any stack.
const CALLS_MAX: usize = 8;

/// Facts whose third argument is a method.
const TAILS: [&str; 4] = ["var", "es", "var.component", "es.component"];

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node<'t> {
    pub(crate) expr: Expr<'t>,
    pub(crate) span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr<'t> {
    Quantity(Quantity<'t>),
    Name(&'t str),
    Call {
        function: &'t str,
        place: Range<usize>,
        args: Vec<Node<'t>>,
    },
    /// Only in expressions.
    Unary {
        operator: Unary,
        operand: Box<Node<'t>>,
    },
    /// Only in expressions.
    Binary {
        operator: Binary,
        operands: Box<[Node<'t>; 2]>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quantity<'t> {
    pub(crate) number: Number,
    pub(crate) unit: Unit<'t>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit<'t> {
    None,
    Percent,
    BasisPoint,
    R,
    N,
    Time(Duration),
    Currency(&'t str),
}

/// A decimal number as it was written: digits × 10^exponent. Nothing is rounded until its type is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Number {
    digits: String,
    exponent: i32,
}

/// Why a text is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) span: Range<usize>,
    pub(crate) label: String,
    pub(crate) help: String,
}

/// Reads a whole text that begins at `offset` of the policy text.
pub(crate) fn parse(text: &str, offset: usize) -> Result<Node<'_>, Fault> {
    let mut parser = Parser { text, at: 0, offset, depth_max: None };
    parser.skip_space();
    let node = parser.value(0)?;
    match parser.rest().chars().next() {
        None => Ok(node),
        Some(_) => Err(parser.fault(
            parser.at..text.trim_end().len(),
            "one value was complete before this".to_owned(),
            "a string holds one number, quantity or fact; write each of a list in quotes of its own".to_owned(),
        )),
    }
}

impl Number {
    /// From TOML's own number, underscores already removed. `None` if it is not a decimal.
    pub(super) fn new(text: &str) -> Option<Self> {
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse().ok()?),
            None => (text, 0),
        };
        let is_decimal = digits.bytes().any(|byte| byte.is_ascii_digit())
            && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
        is_decimal.then(|| Self { digits: digits.to_owned(), exponent })
    }

    /// As it was written, without underscores.
    pub(super) fn digits(&self) -> &str {
        &self.digits
    }

    /// The same number × 10^`power`.
    pub(super) fn shifted(&self, power: i32) -> Self {
        Self { digits: self.digits.clone(), exponent: self.exponent.saturating_add(power) }
    }

    /// The nearest `f64`; infinite beyond its range.
    pub(crate) fn approximate(&self) -> f64 {
        // A shift is written into the text and not multiplied, so that `60%` is exactly the double of `0.6`.
        format!("{}e{}", self.digits, self.exponent).parse().unwrap_or(f64::INFINITY)
    }

    /// Exactly, counting units of 10^-`scale`.
    pub(super) fn exact(&self, scale: u32) -> Result<i128, DecimalError> {
        // The scale that the digits alone have to be read at.
        match i32::try_from(scale).unwrap_or(i32::MAX).saturating_add(self.exponent) {
            digits_scale @ 0..=40 => decimal::parse(&self.digits, digits_scale.unsigned_abs()),
            ..0 => Err(DecimalError::TooFine),
            _ => Err(DecimalError::TooLarge),
        }
    }
}

impl Unit<'_> {
    /// What a quantity of this unit is, for messages.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::None => "a plain number",
            Self::Percent => "a percentage",
            Self::BasisPoint => "in basis points",
            Self::R => "a multiple of R",
            Self::N => "a multiple of N",
            Self::Time(_) => "a span of time",
            Self::Currency(_) => "an amount in a currency",
        }
    }

    /// As it is written behind a number.
    pub(super) fn suffix(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Percent => "%".to_owned(),
            Self::BasisPoint => "bp".to_owned(),
            Self::R => "R".to_owned(),
            Self::N => "N".to_owned(),
            Self::Time(span) => {
                TIMES.iter().find(|(_, nanos)| *nanos == span.nanos()).map_or("", |(name, _)| name).to_owned()
            }
            Self::Currency(code) => format!(" {code}"),
        }
    }
}

/// Units of time by name. `m` is minutes: nothing in a policy lasts months.
pub(crate) const TIMES: [(&str, i64); 9] = [
    ("w", 7 * Duration::DAY.nanos()),
    ("d", Duration::DAY.nanos()),
    ("h", Duration::HOUR.nanos()),
    ("m", Duration::MINUTE.nanos()),
    ("s", Duration::SECOND.nanos()),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
    ("min", Duration::MINUTE.nanos()),
];

const UNIT_NAMES: [&str; 4] = ["%", "bp", "R", "N"];

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) offset: usize,
    /// How deep an expression may be nested. `None`: this is one value, in which a sign belongs to its number.
    pub(super) depth_max: Option<usize>,
}

impl<'t> Parser<'t> {
    pub(super) fn value(&mut self, depth: usize) -> Result<Node<'t>, Fault> {
        let start = self.at;
        let expr = match self.rest().chars().next() {
            Some('0'..='9' | '.') => Expr::Quantity(self.quantity(depth)?),
            Some('-' | '+') if self.depth_max.is_none() => Expr::Quantity(self.quantity(depth)?),
            Some(letter) if letter.is_ascii_alphabetic() || matches!(letter, '_' | '{') => self.name_or_call(depth)?,
            Some('$') => self.parameter()?,
            found => return Err(self.nothing_here(found)),
        };
        // Space behind a value belongs to no value.
        let span = self.span(start..self.text[..self.at].trim_end().len());
        self.skip_space();
        Ok(Node { expr, span })
    }

    fn quantity(&mut self, depth: usize) -> Result<Quantity<'t>, Fault> {
        let start = self.at;
        // Inside a call a comma separates arguments; outside it can only be meant for thousands, and is refused whole.
        let is_value = self.depth_max.is_none();
        let written = self.take_while(|character| match character {
            ',' | '\'' => depth == 0 && is_value,
            '-' | '+' => is_value,
            _ => character.is_ascii_digit() || matches!(character, '_' | '.'),
        });
        let digits = written.replace('_', "");
        // `decimal` knows what a number is; a scale of 40 keeps any that fits a value's length limit or says so later.
        if decimal::parse(&digits, 40) == Err(DecimalError::Malformed) || written.ends_with('_') {
            return Err(self.fault(
                start..self.at,
                "is not a number".to_owned(),
                "write digits with at most one decimal point, such as `1_000.5`; `_` may separate thousands".to_owned(),
            ));
        }
        self.skip_space();
        // A word that people write for an operator is told as one.
        let unit = if self.depth_max.is_some() && self.slip().is_some() { Unit::None } else { self.unit()? };
        Ok(Quantity { number: Number { digits, exponent: 0 }, unit })
    }

    fn unit(&mut self) -> Result<Unit<'t>, Fault> {
        let start = self.at;
        if self.eat('%') {
            return Ok(Unit::Percent);
        }
        if self.rest().starts_with(|next: char| next.is_ascii_digit()) {
            return Ok(Unit::None);
        }
        let word = self.take_while(|character| character.is_ascii_alphanumeric() || character == '_');
        let time = TIMES.iter().find(|(name, _)| *name == word);
        match word {
            "" => Ok(Unit::None),
            "bp" => Ok(Unit::BasisPoint),
            "R" => Ok(Unit::R),
            "N" => Ok(Unit::N),
            _ if let Some((_, nanos)) = time => Ok(Unit::Time(Duration::from_nanos(*nanos))),
            _ if is_currency(word) => Ok(Unit::Currency(word)),
            _ => Err(self.unknown_unit(start, word)),
        }
    }

    fn unknown_unit(&self, start: usize, word: &str) -> Fault {
        let known = || UNIT_NAMES.into_iter().chain(TIMES.map(|(name, _)| name));
        let help = match known().find(|name| name.eq_ignore_ascii_case(word)).or_else(|| nearest_long(word, known())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "units are %, bp, R, N, ms, s, m (minutes), h, d, w, or a currency such as USDT".to_owned(),
        };
        self.fault(start..self.at, format!("{} is not a unit", quoted(word)), help)
    }

    fn name_or_call(&mut self, depth: usize) -> Result<Expr<'t>, Fault> {
        let start = self.at;
        let name = self.name(start)?;
        if name.split('.').any(str::is_empty) {
            return Err(self.fault(
                start..self.at,
                "has a dot too many".to_owned(),
                "a name is words joined by single dots, such as `dvol.btc`".to_owned(),
            ));
        }
        let place = self.span(start..self.at);
        let before_space = self.at;
        self.skip_space();
        if !self.eat('(') {
            self.at = before_space;
            return Ok(Expr::Name(name));
        }
        let depth_max = self.depth_max.unwrap_or(CALLS_MAX);
        if depth >= depth_max {
            return Err(self.fault(
                start..self.at,
                format!("is nested deeper than {depth_max} calls"),
                "write it flatter".to_owned(),
            ));
        }
        Ok(Expr::Call { function: name, place, args: self.args(start, name, depth)? })
    }

    /// `$name`: a parameter.
    fn parameter(&mut self) -> Result<Expr<'t>, Fault> {
        let start = self.at;
        self.at += 1;
        let name = self.take_while(|character| character.is_ascii_alphanumeric() || character == '_');
        if name.is_empty() {
            let help = "write `$` and the name of a parameter, such as `$risk`".to_owned();
            return Err(self.fault(start..self.at, "names no parameter".to_owned(), help));
        }
        Ok(Expr::Name(&self.text[start..self.at]))
    }

    /// Words joined by dots; a placeholder may stand in for a word or a part of one.
    fn name(&mut self, start: usize) -> Result<&'t str, Fault> {
        loop {
            self.take_while(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '.'));
            if !self.rest().starts_with('{') {
                return Ok(&self.text[start..self.at]);
            }
            if !self.rest().starts_with(BASE_PLACEHOLDER) {
                let rest = self.rest();
                let end = self.at + rest.find('}').map_or(rest.len(), |end| end + 1);
                let help =
                    format!("only `{BASE_PLACEHOLDER}` is filled in: the instrument's base currency in lower case");
                return Err(self.fault(self.at..end, "is no placeholder".to_owned(), help));
            }
            self.at += BASE_PLACEHOLDER.len();
        }
    }

    fn args(&mut self, start: usize, function: &str, depth: usize) -> Result<Vec<Node<'t>>, Fault> {
        let mut args = Vec::new();
        self.skip_space();
        if self.eat(')') {
            return Ok(args);
        }
        loop {
            args.push(match self.depth_max {
                _ if function == "stress" => self.hyphened()?,
                // Methods such as `garch-t`.
                _ if args.len() == 2 && TAILS.contains(&function) && self.is_at_word() => self.hyphened()?,
                None => self.value(depth + 1)?,
                Some(_) => self.expression(0, depth + 1)?,
            });
            if self.eat(')') {
                return Ok(args);
            }
            if !self.eat(',') {
                let help = "separate arguments by commas and close the call with `)`".to_owned();
                return Err(match self.rest().chars().next() {
                    None => self.fault(start..self.at, "the call is not closed".to_owned(), help),
                    Some(found) => self.fault(
                        self.at..self.at + found.len_utf8(),
                        "neither a comma nor a closing parenthesis".to_owned(),
                        help,
                    ),
                });
            }
            self.skip_space();
        }
    }

    fn is_at_word(&self) -> bool {
        self.rest().starts_with(|next: char| next.is_ascii_alphabetic())
    }

    /// The name of a stress or of a method: a day such as `2025-10-10`, or words joined by hyphens.
    fn hyphened(&mut self) -> Result<Node<'t>, Fault> {
        let start = self.at;
        let name = self.take_while(|character| character.is_ascii_alphanumeric() || character == '-');
        if name.is_empty() {
            return Err(self.nothing_here(self.rest().chars().next()));
        }
        let span = self.span(start..self.at);
        self.skip_space();
        Ok(Node { expr: Expr::Name(name), span })
    }

    pub(super) fn nothing_here(&self, found: Option<char>) -> Fault {
        let help = "write a number, a quantity such as `60%` or `2R`, or a fact such as `series(dvol.btc, 4d)`";
        match found {
            None if self.text.trim().is_empty() => {
                self.fault(0..self.text.len(), "is empty".to_owned(), help.to_owned())
            }
            None => self.fault(0..self.text.len(), "ends too early".to_owned(), help.to_owned()),
            Some(found) => self.fault(
                self.at..self.at + found.len_utf8(),
                format!("{} cannot begin a value", quoted(&found.to_string())),
                help.to_owned(),
            ),
        }
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|character| !wanted(character)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    pub(super) fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    pub(super) fn span(&self, local: Range<usize>) -> Range<usize> {
        self.offset + local.start..self.offset + local.end
    }

    pub(super) fn fault(&self, local: Range<usize>, label: String, help: String) -> Fault {
        Fault { span: self.span(local), label, help }
    }
}

/// Two to eight upper-case letters or digits, a letter first. One letter alone is R, N or a slip.
pub(crate) fn is_currency(word: &str) -> bool {
    (2..=8).contains(&word.len())
        && word.starts_with(|first: char| first.is_ascii_uppercase())
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Nearest among names of two letters and more: to a single letter everything is near.
fn nearest_long<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest(word, known.into_iter().filter(|name| name.len() > 1 && word.len() > 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text reads as, in a short notation, or its fault as `place: label`.
    fn read(text: &str) -> String {
        match parse(text, 0) {
            Ok(node) => show(&node),
            Err(fault) => format!("{}: {}", &text[fault.span.clone()], fault.label),
        }
    }

    fn show(node: &Node<'_>) -> String {
        match &node.expr {
            Expr::Quantity(Quantity { number, unit }) => format!("{} {unit:?}", number.approximate()),
            Expr::Name(name) => (*name).to_owned(),
            Expr::Call { function, args, .. } => {
                format!("{function}({})", args.iter().map(show).collect::<Vec<_>>().join("; "))
            }
            Expr::Unary { .. } | Expr::Binary { .. } => panic!("one value has no operators"),
        }
    }

    #[test]
    fn reads_quantities_names_and_calls() {
        for (text, expected) in [
            ("60%", "60 Percent"),
            ("0.6", "0.6 None"),
            ("-1.5", "-1.5 None"),
            (".5N", "0.5 N"),
            ("2 R", "2 R"),
            ("0.5bp", "0.5 BasisPoint"),
            (" 1_000_000 USDT ", "1000000 Currency(\"USDT\")"),
            ("250ms", "250 Time(Duration(1000000))"),
            ("5m", "5 Time(Duration(60000000000))"),
            ("5min", "5 Time(Duration(60000000000))"),
            ("dvol.btc", "dvol.btc"),
            ("series(dvol.btc, 4d)", "series(dvol.btc; 4 Time(Duration(86400000000000)))"),
            ("atr ( 20 , 1d )", "atr(20 None; 1 Time(Duration(86400000000000)))"),
            ("f()", "f()"),
            ("f(g(1,2),3)", "f(g(1 None; 2 None); 3 None)"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn faults_point_at_their_cause() {
        for (text, expected) in [
            ("", ": is empty"),
            ("1.2.3", "1.2.3: is not a number"),
            ("1,000.5", "1,000.5: is not a number"),
            ("--1", "--1: is not a number"),
            ("60 percent", "percent: `percent` is not a unit"),
            ("1M", "M: `M` is not a unit"),
            ("1d 4h", "4h: one value was complete before this"),
            ("series(dvol.btc 4d)", "4: neither a comma nor a closing parenthesis"),
            ("series(dvol.btc", "series(dvol.btc: the call is not closed"),
            ("series(", "series(: ends too early"),
            ("dvol..btc", "dvol..btc: has a dot too many"),
            ("€5", "€: `€` cannot begin a value"),
            ("f(f(f(f(f(f(f(f(f(1)))))))))", "f(: is nested deeper than 8 calls"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_exact_where_they_are_kept_exactly() {
        let number = Number::new("0.5").unwrap().shifted(-4);
        assert_eq!(number.exact(12), Ok(50_000_000));
        assert_eq!(number.exact(4), Err(DecimalError::TooFine));
        assert_eq!(number.approximate(), 0.000_05);
        assert_eq!(Number::new("1e400").unwrap().approximate(), f64::INFINITY);
        assert_eq!(Number::new("1e2000000000").unwrap().exact(8), Err(DecimalError::TooLarge));
        assert_eq!(Number::new("nan"), None);
        // `60%` and `0.6` are the same double, as 60.0 / 100.0 would not be for every number.
        for percent in 0..10_000 {
            let text = format!("{}.{:02}", percent / 100, percent % 100);
            let expected: f64 = format!("{}.{:04}", percent / 10_000, percent % 10_000).parse().unwrap();
            assert_eq!(Number::new(&text).unwrap().shifted(-2).approximate(), expected);
        }
    }
}
