//! The units of an expression, and what its names stand for.

use super::always::{self, Always};
use super::expression::{self, Binary, Unary};
use super::fields::{Field, Slot, Takes};
use super::reader::{Reader, Section};
use super::signal::{AGE_MAX, Told, told_fact};
use super::value::{Expr, Node, Quantity, Unit as Suffix};
use crate::codes::Code;
use crate::diagnostic::{Diagnostic, nearest, quoted};
use crate::expression::{Expression, Function, Term, Unit, find, own_facts};
use crate::facts::Facts;
use crate::risk_fact;
use crate::spec::{self, AccountTerms, MAX_AGE, Reckoned, Setting};
use crate::surface_fact;
use crate::{Greek, MarginFigure, RiskFact, SurfaceFact};
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;
use units::{Duration, Ratio, Vol};

/// What amounts in an expression are compared with, as far as it can be told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Currencies<'a> {
    /// What all instruments are quoted in.
    pub(super) quote: Option<&'a str>,
    /// What all of them are of.
    pub(super) base: Option<&'a str>,
    /// What equity is counted in.
    pub(super) numeraire: Option<&'a str>,
}

impl<'a> Currencies<'a> {
    pub(super) fn of(instruments: &'a [String], accounts: &'a [AccountTerms]) -> Self {
        let base = instruments.first().and_then(|first| spec::base(first));
        let is_shared = instruments.iter().all(|instrument| spec::base(instrument) == base);
        let settled = instruments.first().map(|first| spec::settlements(first)).unwrap_or_default();
        let settled = if let [only] = settled[..] { Some(only) } else { None };
        let numeraire = match accounts {
            [] => settled,
            [first, rest @ ..] => {
                let told = first.numeraire.as_deref().or(settled);
                told.filter(|told| rest.iter().all(|account| account.numeraire.as_deref() == Some(*told)))
            }
        };
        Self { quote: spec::shared_quote(instruments), base: base.filter(|_| is_shared), numeraire }
    }
}

/// A checked term with what has to fit.
#[derive(Clone)]
struct Typed {
    term: Term,
    unit: Unit,
    /// A number without a unit takes that of what it stands beside.
    is_plain: bool,
    /// The currency of an amount, where it is told.
    currency: Option<String>,
    span: Range<usize>,
}

/// A condition in a key: `when = "drawdown < 10%"`.
pub(super) fn condition<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    key: &str,
    currencies: Currencies<'_>,
) -> Option<Expression> {
    let value = section.get(key)?;
    condition_of(reader, section, key, value, currencies)
}

/// One condition, of a key or of an entry in its list.
pub(super) fn condition_of<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    key: &str,
    value: &Spanned<DeValue<'t>>,
    currencies: Currencies<'_>,
) -> Option<Expression> {
    let node = reader.read_string(section, key, value, expression::parse)?;
    let typed = Checker { reader, currencies }.check(&node)?;
    if typed.unit == Unit::Switch {
        return Some(Expression::new(typed.term, Unit::Switch));
    }
    let message = format!("`{}` takes a condition", section.path(key));
    let label = format!("this is {}", typed.unit.describe());
    reader.error(Code::WrongUnit, node.span.clone(), message, label, "compare it, for example `drawdown < 10%`");
    None
}

/// What a limit compares, all of one unit: what is limited, its limit under `key`, and the level that a breach is brought back to.
pub(super) fn limit<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    key: &str,
    currencies: Currencies<'_>,
) -> Option<[Expression; 3]> {
    let nodes = ["of", key, "restore"].map(|key| value(reader, section, key));
    let mut checker = Checker { reader, currencies };
    // All are read, so that all findings come at once.
    let [of, limit, restore] = nodes.map(|node| node.and_then(|node| checker.number(&node)));
    let of = of?;
    let mut beside = |level: Option<Typed>, key: &str| {
        let message = format!("`{}` is of another unit than what it limits", section.path(key));
        let (of, level) = checker.of_one_unit(of.clone(), level?, message)?;
        checker.warn_beyond_whole(&of, &level);
        Some((of, level))
    };
    let (limit, restore) = (beside(limit, key), beside(restore, "restore"));
    let ((of, limit), (_, restore)) = (limit?, restore?);
    if always::is_constant(&of.term) {
        let (label, help) = ("reads no fact", "limit a fact, for example `abs(exposure)`");
        let message = format!("`{}` is always the same", section.path("of"));
        reader.warn(Code::AlwaysSame, of.span.clone(), message, label, help);
    }
    Some([of, limit, restore].map(|typed| Expression::new(typed.term, typed.unit)))
}

/// A ratio, or the expression that gives one at every decision.
pub(super) fn ratio<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    field: &Field,
    currencies: Currencies<'_>,
) -> Option<Setting<Ratio>> {
    setting(reader, section, field, currencies, Ratio::new)
}

/// The same of a volatility.
pub(super) fn vol<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    field: &Field,
    currencies: Currencies<'_>,
) -> Option<Setting<Vol>> {
    setting(reader, section, field, currencies, Vol::new)
}

fn setting<'t, T>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    field: &Field,
    currencies: Currencies<'_>,
    declared: fn(f64) -> Option<T>,
) -> Option<Setting<T>> {
    let value = section.get(field.key)?;
    if !matches!(value.get_ref(), DeValue::String(text) if is_expression(text)) {
        return reader.number(section, field).and_then(declared).map(Setting::Declared);
    }
    let node = reader.read_string(section, field.key, value, expression::parse)?;
    let mut checker = Checker { reader, currencies };
    let typed = checker.number(&node)?;
    let wanted = match field.takes {
        Takes::Number | Takes::Share => Unit::Number,
        Takes::MultipleOfR => Unit::R,
        Takes::MultipleOfN => Unit::N,
    };
    if typed.unit != wanted {
        let message = format!("`{}` takes {}", section.path(field.key), wanted.describe());
        let label = format!("this is {}", typed.unit.describe());
        let help = format!("write for example `{} = {}`, or an expression that gives one", field.key, field.example);
        reader.error(Code::WrongUnit, node.span.clone(), message, label, help);
        return None;
    }
    let expression = Expression::new(typed.term, typed.unit);
    // What reads nothing is always the same, and is held to the range as a number is.
    if let Some(compiled) = expression.compile(&|_| None).filter(|compiled| compiled.reads().is_empty()) {
        let value = compiled.value(&Facts::new(0)).filter(|value| field.holds(*value));
        if value.is_none() {
            let message = format!("`{}` must be {}", section.path(field.key), field.range);
            let help = format!("write for example `{} = {}`", field.key, field.example);
            reader.error(Code::OutOfRange, node.span.clone(), message, "always gives what is not", help);
            return None;
        }
    }
    Some(Setting::Reckoned(Box::new(Reckoned { expression, most: field.most })))
}

/// Whether a value is reckoned and not written down: it has an operator or a call, or is a fact's name.
fn is_expression(text: &str) -> bool {
    text.contains(['(', '$', '+', '*', '/', '<', '>', '=', '&', '|', '!'])
        || text.contains(" - ")
        || find(text.trim()).is_some()
}

/// An expression in a string, or TOML's own number.
fn value<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, key: &str) -> Option<Node<'t>> {
    let value = section.get(key)?;
    match value.get_ref() {
        DeValue::String(_) => reader.read_string(section, key, value, expression::parse),
        _ => reader.node(section, key, value),
    }
}

/// A text that is an expression and nothing else; amounts may be in any currency.
pub(crate) fn parse(text: &str) -> Result<Expression, Vec<Diagnostic>> {
    let mut reader = Reader::new(text, &super::schema::POLICY);
    let found = match expression::parse(text, 0) {
        Ok(node) => Checker { reader: &mut reader, currencies: Currencies::default() }.check(&node),
        Err(fault) => {
            reader.error(Code::Unreadable, fault.span, "the expression cannot be read", fault.label, fault.help);
            None
        }
    };
    found.map(|typed| Expression::new(typed.term, typed.unit)).ok_or_else(|| reader.into_diagnostics())
}

struct Checker<'r, 't, 'c> {
    reader: &'r mut Reader<'t>,
    currencies: Currencies<'c>,
}

impl<'t> Checker<'_, 't, '_> {
    fn check(&mut self, node: &Node<'t>) -> Option<Typed> {
        match &node.expr {
            Expr::Quantity(quantity) => self.literal(quantity, node.span.clone()),
            Expr::Name(name) => self.name(name, node.span.clone()),
            Expr::Call { function, place, args } => self.call(node, function, place.clone(), args),
            Expr::Unary { operator: Unary::Not, operand } => {
                let of = self.switch(operand)?;
                Some(Typed { term: Term::Not(Box::new(of.term)), span: node.span.clone(), ..of })
            }
            Expr::Unary { operator: Unary::Minus, operand } => {
                let of = self.number(operand)?;
                Some(Typed { term: Term::Negative(Box::new(of.term)), span: node.span.clone(), ..of })
            }
            Expr::Binary { operator: operator @ (Binary::And | Binary::Or), operands } => {
                // Both sides are read, so that all findings come at once.
                let (left, right) = (self.switch(&operands[0]), self.switch(&operands[1]));
                Some(switch(binary(*operator, left?.term, right?.term), node.span.clone()))
            }
            Expr::Binary { operator, operands } => {
                let (left, right) = (self.number(&operands[0]), self.number(&operands[1]));
                self.binary(*operator, left?, right?, node.span.clone())
            }
        }
    }

    fn literal(&mut self, quantity: &Quantity<'t>, span: Range<usize>) -> Option<Typed> {
        let Quantity { number, unit: suffix } = quantity;
        let (unit, value) = match *suffix {
            Suffix::None => (Unit::Number, number.approximate()),
            Suffix::Percent => (Unit::Number, number.shifted(-2).approximate()),
            Suffix::BasisPoint => (Unit::Number, number.shifted(-4).approximate()),
            Suffix::R => (Unit::R, number.approximate()),
            Suffix::N => (Unit::N, number.approximate()),
            Suffix::Time(each) => (Unit::Span, number.approximate() * each.nanos() as f64),
            Suffix::Currency(_) => (Unit::Money, number.approximate()),
        };
        if value.abs() > NUMBER_MAX {
            let help = "write a smaller number";
            self.reader.error(Code::OutOfRange, span, "a number is too large", "is over 1e18", help);
            return None;
        }
        let currency = if let Suffix::Currency(code) = suffix { Some((*code).to_owned()) } else { None };
        let term = Term::Literal { value, text: format!("{}{}", number.digits(), suffix.suffix()) };
        Some(Typed { term, unit, is_plain: *suffix == Suffix::None, currency, span })
    }

    fn name(&mut self, name: &str, span: Range<usize>) -> Option<Typed> {
        if let Some(fact) = find(name) {
            let currency = self.numeraire().filter(|_| fact.unit == Unit::Money);
            return Some(Typed { term: Term::Own(fact), unit: fact.unit, is_plain: false, currency, span });
        }
        let called = || told().map(|(name, ..)| name).chain(Function::ALL.map(|(_, name, ..)| name)).chain(["series"]);
        if called().any(|known| known == name) {
            let example =
                told().find(|(known, ..)| *known == name).map_or("max(price, 100)", |(_, _, example)| example);
            let (message, help) = (format!("`{name}` has no arguments"), format!("write for example `{example}`"));
            self.reader.error(Code::Arguments, span, message, "is called, with what it needs", help);
            return None;
        }
        let near = || nearest(name, own_facts().map(|fact| fact.name).chain(called()));
        let help = match risk_fact::meant(name).or_else(near) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("a recorded series is `series({name})`; `trimtab facts` lists what there is"),
        };
        let message = format!("there is no fact {}", quoted(name));
        self.reader.error(Code::UnknownFunction, span, message, "unknown fact", help);
        None
    }

    fn call(&mut self, node: &Node<'t>, function: &str, place: Range<usize>, args: &[Node<'t>]) -> Option<Typed> {
        if let Some((function, _, signature, count)) = Function::ALL.into_iter().find(|(_, name, ..)| *name == function)
        {
            return self.function(node, function, signature, count, args);
        }
        if function == "series" {
            return self.series(node, args);
        }
        if told().any(|(name, ..)| name == function) {
            let told = told_fact(self.reader, node)?;
            return Some(self.told(&told, MAX_AGE, node.span.clone()));
        }
        let known = told().map(|(name, ..)| name).chain(Function::ALL.map(|(_, name, ..)| name)).chain(["series"]);
        let near = risk_fact::meant(function).or_else(|| nearest(function, known));
        let help = match (find(function), near) {
            (Some(fact), _) => format!("`{}` is written without parentheses", fact.name),
            (None, Some(near)) => format!("did you mean `{near}`?"),
            (None, None) => "`trimtab facts` lists what there is".to_owned(),
        };
        let message = format!("there is no function {}", quoted(function));
        self.reader.error(Code::UnknownFunction, place, message, "unknown function", help);
        None
    }

    /// `series(name, max_age)`: a recorded series, or a told fact with an age of its own.
    fn series(&mut self, node: &Node<'t>, args: &[Node<'t>]) -> Option<Typed> {
        let slot = Slot { path: "series.max_age".to_owned(), example: "series(dvol.btc, 4d)".to_owned() };
        let max_age = match args.get(1) {
            None => Some(MAX_AGE),
            Some(age) => self.reader.duration_of(&slot, age, (Duration::from_nanos(1), AGE_MAX)),
        };
        match (args.first().map(|arg| &arg.expr), args.len()) {
            (Some(Expr::Name(name)), 1 | 2) => {
                let term = Term::Told { name: (*name).to_owned(), max_age: max_age? };
                let span = node.span.clone();
                Some(Typed { term, unit: Unit::Number, is_plain: false, currency: None, span })
            }
            (Some(Expr::Call { .. }), 1 | 2) => {
                let told = told_fact(self.reader, &args[0])?;
                Some(self.told(&told, max_age?, node.span.clone()))
            }
            _ => {
                let label = "takes the name of a recorded series, and the age beyond which it is not used";
                let help = "write for example `series(dvol.btc, 4d)`";
                let message = "the fact is `series(name, max_age)`";
                self.reader.error(Code::Arguments, node.span.clone(), message, label, help);
                None
            }
        }
    }

    fn told(&self, told: &Told, max_age: Duration, span: Range<usize>) -> Typed {
        let (unit, currency) = match told {
            Told::Surface(SurfaceFact::Greek { greek, .. }) => match greek {
                Greek::Delta => (Unit::Quantity, None),
                Greek::Gamma => (Unit::Number, None),
                Greek::Vega | Greek::Theta => (Unit::Money, Some("USD".to_owned())),
            },
            Told::Risk(RiskFact::Margin {
                figure: MarginFigure::Initial | MarginFigure::Maintenance | MarginFigure::Collateral,
                ..
            }) => (Unit::Money, self.numeraire()),
            Told::Surface(_) | Told::Risk(_) => (Unit::Number, None),
        };
        Typed { term: Term::Told { name: told.to_string(), max_age }, unit, is_plain: false, currency, span }
    }

    fn function(
        &mut self,
        node: &Node<'t>,
        function: Function,
        signature: &str,
        (least, most): (usize, usize),
        args: &[Node<'t>],
    ) -> Option<Typed> {
        let span = node.span.clone();
        if !(least..=most).contains(&args.len()) {
            let label = match args.len() {
                0 => "no argument is given".to_owned(),
                1 => "one argument is given".to_owned(),
                count => format!("{count} arguments are given"),
            };
            let help = if most > least { format!("it takes {least} to {most}") } else { format!("it takes {least}") };
            self.reader.error(Code::Arguments, span, format!("the function is `{signature}`"), label, help);
            return None;
        }
        let (condition, values) = match function {
            Function::If => (Some(self.switch(&args[0])), &args[1..]),
            _ => (None, args),
        };
        let values: Vec<_> = values.iter().map(|arg| self.number(arg)).collect();
        let mut values = values.into_iter().collect::<Option<Vec<_>>>()?.into_iter();
        let first = values.next()?;
        if function == Function::SquareRoot && first.unit != Unit::Number {
            return self.unfit(&first, "`sqrt` takes a number", Unit::Number);
        }
        if function == Function::SquareRoot && always::constant(&first.term).is_some_and(|number| number < 0.0) {
            self.warn_never_known(span.clone(), "no number is the root of one under zero");
        }
        let (mut terms, mut whole) = (vec![first.term.clone()], first);
        for value in values {
            let (left, right) = self.alike(whole, value, "has values of different units")?;
            terms.push(right.term.clone());
            whole = Typed { is_plain: left.is_plain && right.is_plain, ..left };
        }
        if let Some(condition) = condition {
            terms.insert(0, condition?.term);
        }
        let is_switch = function == Function::Known;
        if let (Function::Clamp, [_, least, most]) = (function, &terms[..])
            && let (Some(least), Some(most)) = (always::constant(least), always::constant(most))
            && least > most
        {
            let message = format!("{} is never over its last value", quoted(&self.reader.text()[span.clone()]));
            let label = "the least is over the most, and then the most counts";
            self.reader.warn(Code::AlwaysSame, span.clone(), message, label, format!("it is `{signature}`"));
        }
        let term = Term::Call { function, args: terms };
        Some(if is_switch { switch(term, span) } else { Typed { term, span, ..whole } })
    }

    fn binary(&mut self, operator: Binary, left: Typed, right: Typed, span: Range<usize>) -> Option<Typed> {
        if operator == Binary::Divide && always::constant(&right.term) == Some(0.0) {
            self.warn_never_known(span.clone(), "it divides by zero");
        }
        let with = |term: Term, of: Typed, is_plain: bool| Some(Typed { term, is_plain, span: span.clone(), ..of });
        match operator {
            Binary::Times if right.unit == Unit::Number => {
                let is_plain = left.is_plain && right.is_plain;
                let term = binary(operator, left.term.clone(), right.term);
                with(term, left, is_plain)
            }
            Binary::Times if left.unit == Unit::Number => {
                let term = binary(operator, left.term, right.term.clone());
                with(term, right, false)
            }
            Binary::Divide if right.unit == Unit::Number => {
                let is_plain = left.is_plain && right.is_plain;
                let term = binary(operator, left.term.clone(), right.term);
                with(term, left, is_plain)
            }
            Binary::Times => {
                let text = &self.reader.text()[span.clone()];
                let message = format!("{} multiplies two quantities with units", quoted(text));
                let label = format!("{} times {} has no meaning here", left.unit.describe(), right.unit.describe());
                self.reader.error(Code::WrongUnit, span, message, label, "multiply by a number or a share");
                None
            }
            Binary::Divide => {
                let (left, right) = self.alike(left, right, "divides what cannot be divided")?;
                let term = binary(operator, left.term, right.term);
                Some(Typed { term, unit: Unit::Number, is_plain: false, currency: None, span })
            }
            Binary::Plus | Binary::Minus => {
                let (left, right) = match (left.unit, right.unit) {
                    (Unit::Price, Unit::R | Unit::N) => (left, in_price(right)),
                    (Unit::R | Unit::N, Unit::Price) => (in_price(left), right),
                    _ => self.alike(left, right, "adds what cannot be added")?,
                };
                let term = binary(operator, left.term.clone(), right.term);
                let is_plain = left.is_plain && right.is_plain;
                with(term, left, is_plain)
            }
            _ => {
                let (left, right) = self.alike(left, right, "compares what cannot be compared")?;
                if let Some(always) = always::compared(operator, &left.term, &right.term) {
                    self.warn_always(&always, span.clone());
                } else {
                    self.warn_beyond_whole(&left, &right);
                    self.warn_beyond_whole(&right, &left);
                }
                Some(switch(binary(operator, left.term, right.term), span))
            }
        }
    }

    /// A comparison that no market changes.
    fn warn_always(&mut self, always: &Always, span: Range<usize>) {
        let shown = quoted(&self.reader.text()[span.clone()]);
        let Always { holds, label, help } = always;
        let message = format!("{shown} {}", if *holds { "always holds" } else { "never holds" });
        self.reader.warn(Code::AlwaysSame, span, message, label, help);
    }

    /// A value that no market tells: no comparison with it holds.
    fn warn_never_known(&mut self, span: Range<usize>, label: &str) {
        let message = format!("{} is never known", quoted(&self.reader.text()[span.clone()]));
        self.reader.warn(
            Code::AlwaysSame,
            span,
            message,
            label,
            "what is not known holds in no comparison: take it out",
        );
    }

    /// A share beside more than the whole, or an amount beside less than none.
    fn warn_beyond_whole(&mut self, fact: &Typed, level: &Typed) {
        if let Some((label, help)) = always::beyond_whole(&fact.term, &level.term) {
            let shown = quoted(&self.reader.text()[fact.span.clone()]);
            let than = if always::constant(&level.term).is_some_and(|number| number > 0.0) { "more" } else { "less" };
            let message = format!("{shown} is compared with {than} than it can be");
            self.reader.warn(Code::AlwaysSame, level.span.clone(), message, label, help);
        }
    }

    /// Two values of one unit that stand beside each other, or what is wrong with them.
    fn alike(&mut self, left: Typed, right: Typed, what: &str) -> Option<(Typed, Typed)> {
        let text = &self.reader.text()[left.span.start..right.span.end];
        let message = format!("{} {what}", quoted(text));
        self.of_one_unit(left, right, message)
    }

    /// Two values of one unit, or what is wrong with them.
    fn of_one_unit(&mut self, left: Typed, right: Typed, message: String) -> Option<(Typed, Typed)> {
        const TAKES_PLAIN: [Unit; 5] = [Unit::Price, Unit::Quantity, Unit::Money, Unit::R, Unit::N];
        let Currencies { quote, base, .. } = self.currencies;
        let quoted_in = |unit: Unit| match unit {
            Unit::Price => Some(quote),
            Unit::Quantity => Some(base),
            _ => None,
        };
        match (left.unit, right.unit) {
            (one, other) if one == other => {
                if let (Some(one), Some(other)) = (&left.currency, &right.currency)
                    && one != other
                    && !(spec::is_dollar(one) && spec::is_dollar(other))
                {
                    return self.other_currency(&left, &right);
                }
                let currency = left.currency.clone().or(right.currency.clone());
                Some((Typed { currency, ..left }, right))
            }
            (unit, Unit::Number) if right.is_plain && TAKES_PLAIN.contains(&unit) => {
                Some((left, Typed { unit, is_plain: false, ..right }))
            }
            (Unit::Number, unit) if left.is_plain && TAKES_PLAIN.contains(&unit) => {
                let currency = right.currency.clone();
                Some((Typed { unit, is_plain: false, currency, ..left }, right))
            }
            // `100_000 USDT` beside a price, `2 BTC` beside a quantity.
            (unit, Unit::Money) if let Some(currency) = quoted_in(unit) => match is_of(&right, currency) {
                true => Some((left, Typed { unit, currency: None, ..right })),
                false => self.other_currency(&left, &right),
            },
            (Unit::Money, unit) if let Some(currency) = quoted_in(unit) => match is_of(&left, currency) {
                true => Some((Typed { unit, currency: None, ..left }, right)),
                false => self.other_currency(&right, &left),
            },
            (wanted, found) => {
                let shown = quoted(&self.reader.text()[right.span.clone()]);
                let label = format!("{shown} is {}, beside {}", found.describe(), wanted.describe());
                let help = format!("write {} such as `{}`", wanted.describe(), wanted.example());
                self.reader.error(Code::WrongUnit, right.span, message, label, help);
                None
            }
        }
    }

    fn other_currency(&mut self, left: &Typed, right: &Typed) -> Option<(Typed, Typed)> {
        let of = |typed: &Typed| match typed.unit {
            Unit::Price => self.currencies.quote.map(str::to_owned),
            Unit::Quantity => self.currencies.base.map(str::to_owned),
            _ => typed.currency.clone(),
        };
        let (wanted, found) = (of(left).unwrap_or_default(), of(right).unwrap_or_default());
        let shown = quoted(&self.reader.text()[left.span.clone()]);
        let message = format!("{shown} is in {wanted}");
        let help = format!("write the amount in {wanted}, or without a currency");
        self.reader.error(Code::Currency, right.span.clone(), message, format!("this is in {found}"), help);
        None
    }

    /// A condition.
    fn switch(&mut self, node: &Node<'t>) -> Option<Typed> {
        let typed = self.check(node)?;
        if typed.unit == Unit::Switch { Some(typed) } else { self.unfit(&typed, "a condition is needed", Unit::Switch) }
    }

    /// Anything but a condition.
    fn number(&mut self, node: &Node<'t>) -> Option<Typed> {
        let typed = self.check(node)?;
        if typed.unit != Unit::Switch { Some(typed) } else { self.unfit(&typed, "a value is needed", Unit::Number) }
    }

    fn unfit(&mut self, found: &Typed, message: &str, wanted: Unit) -> Option<Typed> {
        let shown = quoted(&self.reader.text()[found.span.clone()]);
        let label = format!("{shown} is {}", found.unit.describe());
        let help = format!("write for example `{}`", wanted.example());
        self.reader.error(Code::WrongUnit, found.span.clone(), message, label, help);
        None
    }

    fn numeraire(&self) -> Option<String> {
        self.currencies.numeraire.map(str::to_owned)
    }
}

/// No number in a policy is larger.
const NUMBER_MAX: f64 = 1e18;

/// Facts that the engine tells, by how they are called.
fn told() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    surface_fact::SIGNATURES.into_iter().chain(risk_fact::SIGNATURES)
}

fn switch(term: Term, span: Range<usize>) -> Typed {
    Typed { term, unit: Unit::Switch, is_plain: false, currency: None, span }
}

fn binary(operator: Binary, left: Term, right: Term) -> Term {
    Term::Binary { operator, operands: Box::new([left, right]) }
}

fn in_price(multiple: Typed) -> Typed {
    let term = Term::Distance { unit: multiple.unit, of: Box::new(multiple.term) };
    Typed { term, unit: Unit::Price, ..multiple }
}

/// Whether an amount that was written with a currency is in this one; any will do where it cannot be told.
fn is_of(amount: &Typed, currency: Option<&str>) -> bool {
    matches!((&amount.currency, currency), (Some(given), Some(wanted)) if given == wanted)
        || (amount.currency.is_some() && currency.is_none())
}
