//! `[parameters]`: values that a policy declares once by name, and writes `$name` wherever one of them is meant.
//!
//! A value that is nothing but `"$name"` becomes the parameter's value, whatever that is; inside facts and expressions `$name` is what the
//! parameter's text says. What is read is the policy with all of them filled in: nothing behind this file knows of parameters.

use super::expression;
use super::reader::{Reader, type_name};
use super::value::{Expr, Node, Number, Quantity, Unit};
use crate::codes::Code;
use crate::diagnostic::{nearest, quoted};
use std::cell::Cell;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Parameters of a policy at most.
const PARAMETERS_MAX: usize = 50;

/// What a parameter's table may say.
const KEYS: [&str; 4] = ["value", "least", "most", "about"];

const EXAMPLE: &str =
    "write for example `risk = \"1%\"`, or `risk = { value = \"1%\", least = \"0.5%\", most = \"2%\" }`";

/// A declared value.
pub(super) struct Parameter<'t> {
    name: &'t str,
    place: Range<usize>,
    value: Spanned<DeValue<'t>>,
    /// What it says inside a fact or an expression. `None`: it is neither a number nor a text that can stand there.
    node: Option<Node<'t>>,
    is_used: Cell<bool>,
}

impl<'t> Parameter<'t> {
    /// What the policy calls it.
    pub(super) fn name(&self) -> &'t str {
        self.name
    }
}

/// Takes `[parameters]` out of a text's table, and puts each of them where it is named alone.
pub(super) fn put_in<'t>(reader: &mut Reader<'t>, root: &mut DeTable<'t>) {
    if let Some((key, value)) = root.remove_entry("parameters") {
        let found = declared(reader, key.span(), &value);
        reader.parameters = found;
    }
    let parameters = std::mem::take(&mut reader.parameters);
    for (_, value) in root.iter_mut() {
        fill(reader, &parameters, value);
    }
    reader.parameters = parameters;
}

/// Tells of those that nothing names.
pub(super) fn tell_unused(reader: &mut Reader<'_>) {
    let unused: Vec<_> =
        reader.parameters.iter().filter(|of| !of.is_used.get()).map(|of| (of.name, of.place.clone())).collect();
    for (name, place) in unused {
        let message = format!("the parameter `{name}` is not used");
        let help = format!("write `\"${name}\"` where it is meant, or take it out");
        reader.warn(Code::NoEffect, place, message, "nothing names it", help);
    }
}

fn declared<'t>(reader: &mut Reader<'t>, place: Range<usize>, value: &Spanned<DeValue<'t>>) -> Vec<Parameter<'t>> {
    let DeValue::Table(table) = value.get_ref() else {
        if !reader.is_broken(&value.span()) {
            let label = format!("this is {}", type_name(value.get_ref()));
            reader.error(
                Code::WrongType,
                place,
                "`parameters` is a section",
                label,
                "write `[parameters]`, and a line for each under it",
            );
        }
        return Vec::new();
    };
    if table.len() > PARAMETERS_MAX {
        let label = format!("has {} of them", table.len());
        let message = format!("a policy has at most {PARAMETERS_MAX} parameters");
        reader.error(Code::TooLarge, place, message, label, "write values where they are used");
        return Vec::new();
    }
    let mut all = Vec::new();
    for (key, value) in table {
        let name = &reader.text()[key.span()];
        let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.len() <= 32
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_name {
            let message = format!("{} is no name of a parameter", quoted(key.get_ref()));
            let label = "small letters, digits and `_`, up to 32, a letter first";
            reader.error(Code::Parameter, key.span(), message, label, EXAMPLE);
            continue;
        }
        let Some(value) = in_range(reader, name, key.span(), value) else { continue };
        all.push(Parameter { name, place: key.span(), node: node(reader, &value), value, is_used: Cell::new(false) });
    }
    all
}

/// The value of a parameter, which stands alone or in a table with its range.
fn in_range<'t>(
    reader: &mut Reader<'t>,
    name: &str,
    place: Range<usize>,
    value: &Spanned<DeValue<'t>>,
) -> Option<Spanned<DeValue<'t>>> {
    let DeValue::Table(table) = value.get_ref() else {
        let is_plain = !matches!(value.get_ref(), DeValue::Datetime(_));
        if !is_plain && !reader.is_broken(&value.span()) {
            let message = format!("the parameter `{name}` cannot be read");
            reader.error(Code::WrongType, value.span(), message, "a date stands in quotes", EXAMPLE);
        }
        return is_plain.then(|| value.clone());
    };
    for key in table.keys().filter(|key| !KEYS.contains(&key.get_ref().as_ref())) {
        let help = match nearest(key.get_ref(), KEYS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "a parameter has `value`, `least`, `most` and `about`".to_owned(),
        };
        let message = format!("there is no key {} of a parameter", quoted(key.get_ref()));
        reader.error(Code::UnknownKey, key.span(), message, "unknown key", help);
    }
    let Some(own) = table.get("value") else {
        reader.error(Code::MissingKey, place, format!("`value` is missing in `{name}`"), "it has no default", EXAMPLE);
        return None;
    };
    if let Some(about) = table.get("about").filter(|about| !matches!(about.get_ref(), DeValue::String(_))) {
        let label = format!("this is {}", type_name(about.get_ref()));
        reader.error(Code::WrongType, about.span(), "`about` is a sentence", label, "put it in quotes");
    }
    for (key, is_beyond) in [("least", f64::lt as fn(&f64, &f64) -> bool), ("most", f64::gt)] {
        let Some(bound) = table.get(key) else { continue };
        match (quantity(reader, own), quantity(reader, bound)) {
            (Some((value, unit)), Some((level, of))) if unit == of => {
                if is_beyond(&value, &level) {
                    let shown =
                        |of: &Spanned<DeValue<'t>>| reader.text()[of.span()].trim_matches(['"', '\'']).to_owned();
                    let message = format!("the parameter `{name}` is out of its range");
                    let label = format!("`{key}` is {}", shown(bound));
                    reader.error(
                        Code::Parameter,
                        own.span(),
                        message,
                        label,
                        "choose a value between `least` and `most`",
                    );
                }
            }
            _ => {
                let message = format!("`{key}` of `{name}` is not comparable with its value");
                let label = "both are numbers of one unit, such as `1%` and `2%`";
                reader.error(Code::Parameter, bound.span(), message, label, EXAMPLE);
            }
        }
    }
    Some(own.clone())
}

/// A plain number with its unit, shares as numbers and spans in nanoseconds.
fn quantity<'t>(reader: &Reader<'t>, value: &Spanned<DeValue<'t>>) -> Option<(f64, Unit<'t>)> {
    let Expr::Quantity(Quantity { number, unit }) = node(reader, value)?.expr else { return None };
    Some(match unit {
        Unit::Percent => (number.shifted(-2).approximate(), Unit::None),
        Unit::BasisPoint => (number.shifted(-4).approximate(), Unit::None),
        // Of whatever length its own unit is: an hour and a day compare.
        Unit::Time(each) => (number.approximate() * each.nanos() as f64, Unit::Time(units::Duration::DAY)),
        other => (number.approximate(), other),
    })
}

/// What a value says inside a fact or an expression.
fn node<'t>(reader: &Reader<'t>, value: &Spanned<DeValue<'t>>) -> Option<Node<'t>> {
    let span = value.span();
    let plain = |digits: &str| {
        Some(Node {
            expr: Expr::Quantity(Quantity { number: Number::new(digits)?, unit: Unit::None }),
            span: span.clone(),
        })
    };
    match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => plain(integer.as_str()),
        DeValue::Float(float) => plain(float.as_str()),
        DeValue::String(text) => {
            let source = reader.text();
            let raw = source.get(span.clone())?;
            let is_in_quotes = raw.len() == text.len() + 2 && raw.get(1..raw.len() - 1) == Some(text);
            is_in_quotes
                .then(|| expression::parse(&source[span.start + 1..span.end - 1], span.start + 1).ok())
                .flatten()
        }
        _ => None,
    }
}

/// Puts parameters where a value names one and nothing else.
fn fill<'t>(reader: &mut Reader<'t>, parameters: &[Parameter<'t>], value: &mut Spanned<DeValue<'t>>) {
    let span = value.span();
    match value.get_mut() {
        DeValue::Table(table) => table.iter_mut().for_each(|(_, value)| fill(reader, parameters, value)),
        DeValue::Array(list) => list.iter_mut().for_each(|value| fill(reader, parameters, value)),
        DeValue::String(text) => {
            let Some(name) = text.trim().strip_prefix('$').filter(|name| is_word(name)) else { return };
            match parameters.iter().find(|of| of.name == name) {
                Some(parameter) => {
                    parameter.is_used.set(true);
                    *value = parameter.value.clone();
                }
                None => {
                    unknown(reader, parameters, name, span.clone());
                    reader.add_broken(span);
                }
            }
        }
        _ => {}
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn unknown<'t>(reader: &mut Reader<'t>, parameters: &[Parameter<'t>], name: &str, place: Range<usize>) {
    let help = match nearest(name, parameters.iter().map(|of| of.name)) {
        Some(near) => format!("did you mean `${near}`?"),
        None => format!("declare it: `{name} = …` in `[parameters]`"),
    };
    reader.error(Code::Parameter, place, format!("there is no parameter {}", quoted(name)), "unknown parameter", help);
}

/// A value with the parameters that it names inside filled in, at the places where they are named. `None`: one is not there.
pub(super) fn resolve<'t>(reader: &mut Reader<'t>, mut node: Node<'t>) -> Option<Node<'t>> {
    let parameters = std::mem::take(&mut reader.parameters);
    let is_whole = resolve_all(reader, &parameters, &mut node);
    reader.parameters = parameters;
    is_whole.then_some(node)
}

fn resolve_all<'t>(reader: &mut Reader<'t>, parameters: &[Parameter<'t>], node: &mut Node<'t>) -> bool {
    match &mut node.expr {
        Expr::Name(name) if name.starts_with('$') => {
            let (name, place) = (&name[1..], node.span.clone());
            let Some(parameter) = parameters.iter().find(|of| of.name == name) else {
                unknown(reader, parameters, name, place);
                return false;
            };
            parameter.is_used.set(true);
            let Some(stands) = &parameter.node else {
                let message = format!("the parameter `{name}` cannot stand inside a fact or an expression");
                let label = "a list, a switch, or a text that is no expression";
                reader.error(Code::Parameter, place, message, label, format!("write `\"${name}\"` as the whole value"));
                return false;
            };
            // A parameter that names others would let a policy refer to itself.
            if names_parameter(stands) {
                let message = format!("the parameter `{name}` names another one");
                reader.error(Code::Parameter, place, message, "stands for a text with `$`", "write its value out");
                return false;
            }
            *node = at(stands, &place);
            true
        }
        Expr::Quantity(_) | Expr::Name(_) => true,
        // All are looked at, so that all findings come at once.
        Expr::Call { args, .. } => {
            args.iter_mut().map(|arg| resolve_all(reader, parameters, arg)).fold(true, |all, is| all & is)
        }
        Expr::Unary { operand, .. } => resolve_all(reader, parameters, operand),
        Expr::Binary { operands, .. } => {
            operands.iter_mut().map(|operand| resolve_all(reader, parameters, operand)).fold(true, |all, is| all & is)
        }
    }
}

fn names_parameter(node: &Node<'_>) -> bool {
    match &node.expr {
        Expr::Name(name) => name.starts_with('$'),
        Expr::Quantity(_) => false,
        Expr::Call { args, .. } => args.iter().any(names_parameter),
        Expr::Unary { operand, .. } => names_parameter(operand),
        Expr::Binary { operands, .. } => operands.iter().any(names_parameter),
    }
}

/// The same value at another place, all of it: what is wrong with it there is wrong with the name that stands for it.
fn at<'t>(node: &Node<'t>, place: &Range<usize>) -> Node<'t> {
    let expr = match &node.expr {
        Expr::Call { function, args, .. } => {
            Expr::Call { function, place: place.clone(), args: args.iter().map(|arg| at(arg, place)).collect() }
        }
        Expr::Unary { operator, operand } => Expr::Unary { operator: *operator, operand: Box::new(at(operand, place)) },
        Expr::Binary { operator, operands } => {
            Expr::Binary { operator: *operator, operands: Box::new([at(&operands[0], place), at(&operands[1], place)]) }
        }
        plain => plain.clone(),
    };
    Node { expr, span: place.clone() }
}
