//! Values joined by operators, read by a Pratt parser: each operator binds what stands beside it by its power.
//!
//! ```text
//! expression = operand { operator operand }
//! operand    = value | "(" expression ")" | ( "-" | "+" | "!" ) operand
//! operator, from the weakest:   ||   &&   < <= > >= == !=   + -   * /
//! ```
//!
//! Operators of one power group from the left; comparisons do not group at all, since `a < b < c` means nothing here. V. Pratt, Top
//! down operator precedence, POPL 1973.

use super::value::{Expr, Fault, Node, Parser};
use std::ops::Range;

/// Parentheses, calls and signs inside each other: far more than a trader reads, little enough for any stack.
const DEPTH_MAX: usize = 64;

/// An operator before its operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unary {
    Minus,
    Not,
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Or,
    And,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    Plus,
    Minus,
    Times,
    Divide,
}

/// As they are written; those of two characters before those that they begin with.
const OPERATORS: [(&str, Binary); 12] = [
    ("||", Binary::Or),
    ("&&", Binary::And),
    ("<=", Binary::LessOrEqual),
    (">=", Binary::GreaterOrEqual),
    ("==", Binary::Equal),
    ("!=", Binary::NotEqual),
    ("<", Binary::Less),
    (">", Binary::Greater),
    ("+", Binary::Plus),
    ("-", Binary::Minus),
    ("*", Binary::Times),
    ("/", Binary::Divide),
];

/// What people write that other languages take, and what it is here.
const SLIPS: [(&str, &str); 12] = [
    ("and", "&&"),
    ("AND", "&&"),
    ("or", "||"),
    ("OR", "||"),
    ("=>", ">="),
    ("=<", "<="),
    ("<>", "!="),
    ("&", "&&"),
    ("|", "||"),
    ("=", "=="),
    ("≥", ">="),
    ("≤", "<="),
];

impl Binary {
    pub(crate) fn symbol(self) -> &'static str {
        OPERATORS.iter().find(|(_, operator)| *operator == self).map_or("", |(symbol, _)| symbol)
    }

    /// How strongly it binds.
    pub(crate) fn power(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual | Self::Equal | Self::NotEqual => 3,
            Self::Plus | Self::Minus => 4,
            Self::Times | Self::Divide => 5,
        }
    }

    /// Whether it answers yes or no of two values.
    pub(crate) fn compares(self) -> bool {
        self.power() == Self::Less.power()
    }
}

/// Reads a whole text that begins at `offset` of the policy text.
pub(crate) fn parse(text: &str, offset: usize) -> Result<Node<'_>, Fault> {
    let mut parser = Parser { text, at: 0, offset, depth_max: Some(DEPTH_MAX) };
    parser.skip_space();
    let node = parser.expression(0, 0)?;
    match parser.rest().chars().next() {
        None => Ok(node),
        Some(found) => Err(parser.no_operator(found)),
    }
}

impl<'t> Parser<'t> {
    /// Operands and the operators between them that bind more strongly than `power`.
    pub(super) fn expression(&mut self, power: u8, depth: usize) -> Result<Node<'t>, Fault> {
        let mut left = self.operand(depth)?;
        while let Some((symbol, operator)) = self.operator().filter(|(_, operator)| operator.power() > power) {
            let place = self.at..self.at + symbol.len();
            self.at = place.end;
            self.skip_space();
            let right = self.expression(operator.power(), depth)?;
            if operator.compares() && self.operator().is_some_and(|(_, next)| next.compares()) {
                return Err(self.chained());
            }
            let span = left.span.start..right.span.end;
            left = Node { expr: Expr::Binary { operator, operands: Box::new([left, right]) }, span };
        }
        Ok(left)
    }

    fn operand(&mut self, depth: usize) -> Result<Node<'t>, Fault> {
        let start = self.at;
        if depth >= DEPTH_MAX {
            let label = format!("is nested deeper than {DEPTH_MAX} levels");
            return Err(self.fault(start..start, label, "write it flatter, or as several conditions".to_owned()));
        }
        if self.eat('(') {
            self.skip_space();
            let inner = self.expression(0, depth + 1)?;
            if !self.eat(')') {
                return Err(match self.rest().chars().next() {
                    None => self.fault(
                        start..start + 1,
                        "is not closed".to_owned(),
                        "close the parenthesis with `)`".to_owned(),
                    ),
                    Some(found) => self.no_operator(found),
                });
            }
            let span = self.span(start..self.at);
            self.skip_space();
            return Ok(Node { span, ..inner });
        }
        let sign = match self.rest().chars().next() {
            Some('-') => Some(Unary::Minus),
            Some('!') => Some(Unary::Not),
            Some('+') => {
                self.eat('+');
                self.skip_space();
                return self.operand(depth + 1);
            }
            _ => None,
        };
        let Some(operator) = sign else { return self.value(depth) };
        self.at += 1;
        self.skip_space();
        let operand = self.operand(depth + 1)?;
        let span = self.span(start..start).start..operand.span.end;
        Ok(Node { expr: Expr::Unary { operator, operand: Box::new(operand) }, span })
    }

    /// The operator that stands here.
    fn operator(&self) -> Option<(&'static str, Binary)> {
        let is_slip = self.slip().is_some_and(|(slip, _)| slip.len() > 1 && !slip.starts_with(char::is_alphabetic));
        OPERATORS.into_iter().find(|(symbol, _)| !is_slip && self.rest().starts_with(symbol))
    }

    /// What stands here for an operator, and the operator.
    pub(super) fn slip(&self) -> Option<(&'static str, &'static str)> {
        let here = self.rest();
        let is_word = |slip: &str| {
            slip.starts_with(char::is_alphabetic)
                && here[slip.len()..].starts_with(|next: char| next.is_alphanumeric() || matches!(next, '_' | '.'))
        };
        let is_operator = || OPERATORS.iter().any(|(symbol, _)| symbol.len() == 2 && here.starts_with(symbol));
        SLIPS.into_iter().find(|(slip, _)| here.starts_with(slip) && !is_word(slip) && !is_operator())
    }

    fn no_operator(&self, found: char) -> Fault {
        if let Some((slip, meant)) = self.slip() {
            let place = self.at..self.at + slip.len();
            return self.fault(place, "is no operator".to_owned(), format!("write `{meant}`"));
        }
        if found == ')' {
            let help = "take it out, or open it with `(`".to_owned();
            return self.fault(self.at..self.at + 1, "closes nothing".to_owned(), help);
        }
        let word = self.rest().find(|next: char| !next.is_alphanumeric()).unwrap_or(self.rest().len());
        let place: Range<usize> = self.at..self.at + word.max(found.len_utf8());
        self.fault(
            place,
            "an operator is missing before this".to_owned(),
            "join values by `&&`, `||`, a comparison such as `>=`, or `+ - * /`".to_owned(),
        )
    }

    fn chained(&self) -> Fault {
        let symbol = self.operator().map_or(1, |(symbol, _)| symbol.len());
        let help = "compare two values at a time: `a < b && b < c`".to_owned();
        self.fault(self.at..self.at + symbol, "compares what is already an answer".to_owned(), help)
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::Quantity;
    use super::*;
    use proptest::prelude::*;

    /// With all its parentheses, or its fault as `place: label`.
    fn read(text: &str) -> String {
        match parse(text, 0) {
            Ok(node) => show(&node),
            Err(fault) => format!("{}: {}", &text[fault.span.clone()], fault.label),
        }
    }

    fn show(node: &Node<'_>) -> String {
        match &node.expr {
            Expr::Quantity(Quantity { number, .. }) => number.approximate().to_string(),
            Expr::Name(name) => (*name).to_owned(),
            Expr::Call { function, args, .. } => {
                format!("{function}({})", args.iter().map(show).collect::<Vec<_>>().join(", "))
            }
            Expr::Unary { operator: Unary::Minus, operand } => format!("(-{})", show(operand)),
            Expr::Unary { operator: Unary::Not, operand } => format!("(!{})", show(operand)),
            Expr::Binary { operator, operands: sides } => {
                format!("({} {} {})", show(&sides[0]), operator.symbol(), show(&sides[1]))
            }
        }
    }

    #[test]
    fn operators_bind_as_everywhere() {
        for (text, expected) in [
            ("1 + 2 * 3", "(1 + (2 * 3))"),
            ("1 - 2 - 3", "((1 - 2) - 3)"),
            ("8 / 4 / 2", "((8 / 4) / 2)"),
            ("(1 + 2) * 3", "((1 + 2) * 3)"),
            ("2-1", "(2 - 1)"),
            ("-a * b", "((-a) * b)"),
            ("--a", "(-(-a))"),
            ("+a", "a"),
            ("!a && b || c", "(((!a) && b) || c)"),
            ("a || b && c", "(a || (b && c))"),
            ("a + 1 >= b - 1 && c != 2", "(((a + 1) >= (b - 1)) && (c != 2))"),
            ("max(a, b + 1) < 3", "(max(a, (b + 1)) < 3)"),
            ("unrealised.r >= 2 && iv.rank(30d) > 80%", "((unrealised.r >= 2) && (iv.rank(30) > 80))"),
            ("stress(2025-10-10) > 20%", "(stress(2025-10-10) > 20)"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn faults_point_at_their_cause() {
        for (text, expected) in [
            ("a < b < c", "<: compares what is already an answer"),
            ("a and b", "and: is no operator"),
            ("price > 5 or a", "or: is no operator"),
            ("a = b", "=: is no operator"),
            ("a => b", "=>: is no operator"),
            ("a & b", "&: is no operator"),
            ("a ≥ b", "≥: is no operator"),
            ("a <> b", "<>: is no operator"),
            ("a b", "b: an operator is missing before this"),
            ("(a > 1", "(: is not closed"),
            ("a > 1)", "): closes nothing"),
            ("a >", "a >: ends too early"),
            ("> 2", ">: `>` cannot begin a value"),
            ("a && && b", "&: `&` cannot begin a value"),
            ("5 parsecs > 2", "parsecs: `parsecs` is not a unit"),
            ("", ": is empty"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(read(&nested(DEPTH_MAX - 1)), "1");
        assert!(read(&nested(DEPTH_MAX)).ends_with("is nested deeper than 64 levels"));
        for text in ["-".repeat(100_000), "!".repeat(100_000), "abs(".repeat(100_000), "(".repeat(100_000)] {
            assert!(read(&text).contains("is nested deeper than 64"), "{}", &text[..8]);
        }
        let long = vec!["1"; 1_000].join("+");
        assert!(parse(&long, 0).is_ok(), "a long chain is no deep one");
    }

    proptest! {
        /// Whatever is written: an answer, with spans inside the text and on characters' edges.
        #[test]
        fn any_text_is_answered(text in "[-0-9a-z.%RN (){}!&|<>=+*/,_≥]{0,60}") {
            match parse(&text, 0) {
                Ok(node) => prop_assert!(text.get(node.span.clone()).is_some()),
                Err(fault) => prop_assert!(text.get(fault.span.clone()).is_some(), "{fault:?}"),
            }
        }
    }
}
