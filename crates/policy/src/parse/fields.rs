//! Typed values out of a section: each reader reports what is wrong and answers `None`, as it does for an absent key.

use super::STRING_CHARACTERS_MAX;
use super::parameters;
use super::reader::{Reader, Section, list, type_name};
use super::value::{self, Expr, Node, Number, Quantity, Unit};
use crate::codes::Code;
use crate::diagnostic::{nearest, quoted};
use crate::words::Word;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;
use units::decimal::DecimalError;
use units::{Duration, Ratio, Vol};

/// What a numeric key takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) takes: Takes,
    pub(super) low: Low,
    pub(super) most: f64,
    /// The range in words, and a value as it would be written in TOML.
    pub(super) range: &'static str,
    pub(super) example: &'static str,
}

/// The place that a value is for: a key, or an argument of a fact.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// As messages name it: `size.target`.
    pub(super) path: String,
    /// How it is written: `target = "60%"`.
    pub(super) example: String,
}

/// The kind of quantity that a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A plain number; a percentage will do.
    Number,
    /// A percentage or basis points; a plain number will do.
    Share,
    MultipleOfR,
    MultipleOfN,
}

/// The lower end of a range.
#[derive(Debug, Clone, Copy)]
pub(super) enum Low {
    Over(f64),
    Least(f64),
}

/// Numbers nearer to zero than this are refused: nothing in a policy is that small.
const SMALLEST: f64 = 1e-9;

impl Takes {
    fn describe(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Share => "a share such as 10%",
            Self::MultipleOfR => "a multiple of R",
            Self::MultipleOfN => "a multiple of N",
        }
    }

    /// The power of ten that a unit stands for, if the key takes that unit.
    fn power(self, unit: Unit<'_>) -> Option<i32> {
        match (self, unit) {
            (Self::Number | Self::Share, Unit::None) => Some(0),
            (Self::Number | Self::Share, Unit::Percent) => Some(-2),
            (Self::Number | Self::Share, Unit::BasisPoint) => Some(-4),
            (Self::MultipleOfR, Unit::R) | (Self::MultipleOfN, Unit::N) => Some(0),
            _ => None,
        }
    }
}

impl Field {
    pub(super) fn holds(&self, value: f64) -> bool {
        let is_over_low = match self.low {
            Low::Over(low) => value > low,
            Low::Least(low) => value >= low,
        };
        is_over_low && value <= self.most && (value == 0.0 || value.abs() >= SMALLEST)
    }
}

impl Section<'_, '_> {
    /// The place of a key's value.
    pub(super) fn slot(&self, key: &str, example: &str) -> Slot {
        Slot { path: self.path(key), example: format!("{key} = {example}") }
    }
}

impl Slot {
    fn help(&self) -> String {
        format!("write for example `{}`", self.example)
    }
}

impl<'t> Reader<'t> {
    /// A number in a field's range, as `f64`.
    pub(super) fn number(&mut self, section: &Section<'_, 't>, field: &Field) -> Option<f64> {
        self.number_of(section, field, section.get(field.key)?)
    }

    /// The same as a ratio.
    pub(super) fn ratio(&mut self, section: &Section<'_, 't>, field: &Field) -> Option<Ratio> {
        self.number(section, field).and_then(Ratio::new)
    }

    /// The same as a volatility.
    pub(super) fn vol(&mut self, section: &Section<'_, 't>, field: &Field) -> Option<Vol> {
        self.number(section, field).and_then(Vol::new)
    }

    /// One number, of a key or of an entry in its list.
    pub(super) fn number_of(
        &mut self,
        section: &Section<'_, 't>,
        field: &Field,
        value: &Spanned<DeValue<'t>>,
    ) -> Option<f64> {
        self.judged_of(section, field, value)?.ok()
    }

    /// A number that is in a field's range, or the one beyond it that has been refused.
    pub(super) fn judged(&mut self, section: &Section<'_, 't>, field: &Field) -> Option<Result<f64, f64>> {
        self.judged_of(section, field, section.get(field.key)?)
    }

    fn judged_of(
        &mut self,
        section: &Section<'_, 't>,
        field: &Field,
        value: &Spanned<DeValue<'t>>,
    ) -> Option<Result<f64, f64>> {
        let (number, unit, span) = self.scaled(section, field, value)?;
        let found = number.approximate();
        if field.holds(found) {
            return Some(Ok(found));
        }
        let slot = section.slot(field.key, field.example);
        let as_percent = number.shifted(-2).approximate();
        if found != 0.0 && found.abs() < SMALLEST {
            self.out_of_range(&slot, span, "zero, or not nearer to it than a billionth");
        } else if field.takes == Takes::Share && unit == Unit::None && found > 1.0 && field.holds(as_percent) {
            let percent = format!("\"{}%\"", self.text()[span.clone()].trim_matches(['"', '\'']));
            let (message, label) = self.range_message(&slot, &span, field.range);
            self.error(Code::OutOfRange, span, message, label, format!("did you mean `{percent}`?"));
        } else {
            self.out_of_range(&slot, span, field.range);
        }
        Some(Err(found))
    }

    /// A number in a field's range, exactly, counting units of 10^-`scale`.
    pub(super) fn exact(&mut self, section: &Section<'_, 't>, field: &Field, scale: u32) -> Option<i128> {
        let value = section.get(field.key)?;
        self.number_of(section, field, value)?;
        let (number, _, span) = self.scaled(section, field, value)?;
        self.fixed(section, field.key, span, &number, scale)
    }

    /// A number that is kept in fixed point.
    pub(super) fn fixed(
        &mut self,
        section: &Section<'_, 't>,
        key: &str,
        span: Range<usize>,
        number: &Number,
        scale: u32,
    ) -> Option<i128> {
        let label = match number.exact(scale) {
            Ok(raw) => return Some(raw),
            Err(DecimalError::TooFine) => format!("more than {scale} decimal places cannot be kept"),
            Err(error) => error.to_string(),
        };
        self.error(Code::OutOfRange, span, format!("`{}` is out of range", section.path(key)), label, "round it");
        None
    }

    fn scaled(
        &mut self,
        section: &Section<'_, 't>,
        field: &Field,
        value: &Spanned<DeValue<'t>>,
    ) -> Option<(Number, Unit<'t>, Range<usize>)> {
        let node = self.node(section, field.key, value)?;
        if let Expr::Quantity(Quantity { number, unit }) = &node.expr
            && let Some(power) = field.takes.power(*unit)
        {
            return Some((number.shifted(power), *unit, node.span));
        }
        self.wrong_unit(&section.slot(field.key, field.example), &node, field.takes.describe());
        None
    }

    /// A whole number between two bounds.
    pub(super) fn count(
        &mut self,
        section: &Section<'_, 't>,
        key: &str,
        (least, most): (u32, u32),
        example: &str,
    ) -> Option<u32> {
        let node = self.node(section, key, section.get(key)?)?;
        self.count_of(&section.slot(key, example), &node, (least, most))
    }

    /// A whole number, of a key or of an argument.
    pub(super) fn count_of(&mut self, slot: &Slot, node: &Node<'t>, (least, most): (u32, u32)) -> Option<u32> {
        let Expr::Quantity(Quantity { number, unit: Unit::None }) = &node.expr else {
            self.wrong_unit(slot, node, "a count");
            return None;
        };
        let count = number.exact(0).ok().and_then(|count| u32::try_from(count).ok());
        let count = count.filter(|count| (least..=most).contains(count));
        if count.is_none() {
            self.out_of_range(slot, node.span.clone(), &format!("a whole number from {least} to {most}"));
        }
        count
    }

    /// A span of time between two bounds.
    pub(super) fn duration(
        &mut self,
        section: &Section<'_, 't>,
        key: &str,
        bounds: (Duration, Duration),
        example: &str,
    ) -> Option<Duration> {
        let node = self.node(section, key, section.get(key)?)?;
        self.duration_of(&section.slot(key, example), &node, bounds)
    }

    /// A span of time, of a key or of an argument.
    pub(super) fn duration_of(
        &mut self,
        slot: &Slot,
        node: &Node<'t>,
        (least, most): (Duration, Duration),
    ) -> Option<Duration> {
        let Expr::Quantity(Quantity { number, unit: Unit::Time(unit) }) = &node.expr else {
            self.wrong_unit(slot, node, "a span of time");
            return None;
        };
        // At a scale of 9 the product counts billionths of nanoseconds; a remainder would be a fraction of one.
        let billionths = number.exact(9).ok().and_then(|raw| raw.checked_mul(i128::from(unit.nanos())));
        let nanos = billionths.filter(|raw| raw % 1_000_000_000 == 0).map(|raw| raw / 1_000_000_000);
        let span = nanos.and_then(|nanos| i64::try_from(nanos).ok()).map(Duration::from_nanos);
        let span = span.filter(|span| (least..=most).contains(span));
        if span.is_none() {
            self.out_of_range(slot, node.span.clone(), &format!("between {least} and {most}"));
        }
        span
    }

    /// The length of bars.
    pub(super) fn bar(&mut self, section: &Section<'_, 't>, key: &str) -> Option<Duration> {
        let node = self.node(section, key, section.get(key)?)?;
        self.bar_of(&section.slot(key, "\"1h\""), &node)
    }

    /// The length of bars, of a key or of an argument: divides a day or is whole days, so that bars align to midnight UTC.
    pub(super) fn bar_of(&mut self, slot: &Slot, node: &Node<'t>) -> Option<Duration> {
        const LONGEST: Duration = Duration::from_nanos(366 * Duration::DAY.nanos());
        let bar = self.duration_of(slot, node, (Duration::from_nanos(1), LONGEST))?;
        let (day, nanos) = (Duration::DAY.nanos(), bar.nanos());
        let label = match nanos {
            _ if bar < Duration::MINUTE => "is shorter than a minute",
            _ if day % nanos != 0 && nanos % day != 0 => "neither divides a day nor is whole days",
            _ => return Some(bar),
        };
        let help = "use 1m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d or 1w";
        self.error(Code::BarLength, node.span.clone(), "bars cannot be aligned to midnight UTC", label, help);
        None
    }

    /// One of a choice's words.
    pub(super) fn word<W: Word>(&mut self, section: &Section<'_, 't>, key: &str) -> Option<W> {
        let names: Vec<_> = W::WORDS.iter().map(|(name, _)| *name).collect();
        let at = self.choice(section, key, &names)?;
        W::WORDS.get(at).map(|(_, choice)| *choice)
    }

    /// Which of some words stands there.
    pub(super) fn choice(&mut self, section: &Section<'_, 't>, key: &str, names: &[&str]) -> Option<usize> {
        let value = section.get(key)?;
        let text = self.string(section, key, value)?;
        let found = names.iter().position(|name| *name == text);
        if found.is_none() {
            let help = match nearest(text, names.iter().copied()) {
                Some(near) => format!("did you mean `\"{near}\"`?"),
                None => format!("write one of {}", list(names.iter().copied())),
            };
            let message = format!("`{}` is one of {}", section.path(key), list(names.iter().copied()));
            self.error(Code::UnknownWord, value.span(), message, format!("{} is none of them", quoted(text)), help);
        }
        found
    }

    /// A switch.
    pub(super) fn switch(&mut self, section: &Section<'_, 't>, key: &str) -> Option<bool> {
        let value = section.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(switch) => Some(*switch),
            other => {
                self.wrong_type(
                    section,
                    key,
                    value,
                    other,
                    "a switch",
                    "write `true` or `false`, without quotes".to_owned(),
                );
                None
            }
        }
    }

    /// A string as it stands.
    pub(super) fn string<'a>(
        &mut self,
        section: &Section<'_, 't>,
        key: &str,
        value: &'a Spanned<DeValue<'t>>,
    ) -> Option<&'a str> {
        match value.get_ref() {
            _ if self.is_broken(&value.span()) => None,
            DeValue::String(text) if text.chars().count() > STRING_CHARACTERS_MAX => {
                let message = format!("`{}` has {} characters", section.path(key), text.chars().count());
                let label = format!("a string has at most {STRING_CHARACTERS_MAX} characters");
                self.error(Code::TooLarge, value.span(), message, label, "shorten it");
                None
            }
            DeValue::String(text) => Some(text),
            other => {
                self.wrong_type(section, key, value, other, "a string", "put it in quotes".to_owned());
                None
            }
        }
    }

    /// The entries of a list, between one and `most`.
    pub(super) fn entries<'a>(
        &mut self,
        section: &Section<'a, 't>,
        key: &str,
        most: usize,
        example: &str,
    ) -> Option<Vec<&'a Spanned<DeValue<'t>>>> {
        let value = section.get(key)?;
        match value.get_ref() {
            _ if self.is_broken(&value.span()) => None,
            DeValue::Array(entries) if (1..=most).contains(&entries.len()) => Some(entries.iter().collect()),
            DeValue::Array(entries) => {
                let label = format!("has {} entries", entries.len());
                let message = format!("`{}` takes from 1 to {most} entries", section.path(key));
                let help = match entries.is_empty() {
                    true => format!("write for example `{key} = {example}`, or leave it out"),
                    false => "leave some out".to_owned(),
                };
                self.error(Code::OutOfRange, value.span(), message, label, help);
                None
            }
            other => {
                self.wrong_type(section, key, value, other, "a list", format!("write for example `{key} = {example}`"));
                None
            }
        }
    }

    /// What a value says: TOML's own number, or the content of a string.
    pub(super) fn node(
        &mut self,
        section: &Section<'_, 't>,
        key: &str,
        value: &Spanned<DeValue<'t>>,
    ) -> Option<Node<'t>> {
        let span = value.span();
        if self.is_broken(&span) {
            return None;
        }
        let digits = match value.get_ref() {
            DeValue::String(_) => return self.node_in_string(section, key, value),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            DeValue::Integer(_) => "hexadecimal, octal and binary are no decimals",
            DeValue::Float(float) => float.as_str(),
            other => {
                let help = "write a number, or a quantity in quotes".to_owned();
                self.wrong_type(section, key, value, other, "a value", help);
                return None;
            }
        };
        let Some(number) = Number::new(digits) else {
            let message = format!("`{}` cannot be read", section.path(key));
            self.error(Code::Unreadable, span, message, "is not a decimal number", "write plain digits such as `0.5`");
            return None;
        };
        Some(Node { expr: Expr::Quantity(Quantity { number, unit: Unit::None }), span })
    }

    fn node_in_string(
        &mut self,
        section: &Section<'_, 't>,
        key: &str,
        value: &Spanned<DeValue<'t>>,
    ) -> Option<Node<'t>> {
        self.read_string(section, key, value, value::parse)
    }

    /// What a string says, as a grammar reads it.
    pub(super) fn read_string(
        &mut self,
        section: &Section<'_, 't>,
        key: &str,
        value: &Spanned<DeValue<'t>>,
        grammar: fn(&'t str, usize) -> Result<Node<'t>, value::Fault>,
    ) -> Option<Node<'t>> {
        let text = self.string(section, key, value)?;
        let span = value.span();
        // Places inside are places in the file only if the string stands there letter for letter.
        let (raw, source) = (&self.text()[span.clone()], self.text());
        let is_in_quotes = raw.len() == text.len() + 2 && raw.get(1..raw.len() - 1) == Some(text);
        let inside = match is_in_quotes {
            true => span.start + 1..span.end - 1,
            false if raw == text => span.clone(),
            false => {
                let message = format!("`{}` cannot be read", section.path(key));
                let help = "write it in one pair of quotes, without `\\`";
                self.error(Code::Unreadable, span, message, "has escapes or spans lines", help);
                return None;
            }
        };
        match grammar(&source[inside.clone()], inside.start) {
            Ok(node) => parameters::resolve(self, node),
            Err(fault) => {
                // An empty place cannot be underlined: the quotes can.
                let place = if fault.span.is_empty() { span } else { fault.span };
                let message = format!("`{}` cannot be read", section.path(key));
                self.error(Code::Unreadable, place, message, fault.label, fault.help);
                None
            }
        }
    }

    pub(super) fn wrong_unit(&mut self, slot: &Slot, node: &Node<'t>, takes: &str) {
        let shown = quoted(&self.text()[node.span.clone()]);
        let is = match &node.expr {
            Expr::Quantity(quantity) => quantity.unit.describe(),
            Expr::Name(_) => "a name",
            Expr::Call { .. } => "a fact",
            Expr::Unary { .. } | Expr::Binary { .. } => "an expression",
        };
        let message = format!("`{}` takes {takes}", slot.path);
        self.error(Code::WrongUnit, node.span.clone(), message, format!("{shown} is {is}"), slot.help());
    }

    pub(super) fn wrong_type(
        &mut self,
        section: &Section<'_, 't>,
        key: &str,
        value: &Spanned<DeValue<'t>>,
        found: &DeValue<'_>,
        takes: &str,
        help: String,
    ) {
        if self.is_broken(&value.span()) {
            return;
        }
        let message = format!("`{}` takes {takes}", section.path(key));
        self.error(Code::WrongType, value.span(), message, format!("this is {}", type_name(found)), help);
    }

    pub(super) fn out_of_range(&mut self, slot: &Slot, span: Range<usize>, range: &str) {
        let (message, label) = self.range_message(slot, &span, range);
        self.error(Code::OutOfRange, span, message, label, slot.help());
    }

    fn range_message(&self, slot: &Slot, span: &Range<usize>, range: &str) -> (String, String) {
        let found = self.text()[span.clone()].trim_matches(['"', '\'']);
        (format!("`{}` must be {range}", slot.path), format!("{} is not", quoted(found)))
    }
}
