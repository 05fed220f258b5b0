//! Checked expressions: what a policy asks of facts, `unrealised.r >= 2 && iv.rank(BTC, 30d, 90d) > 80%`.
//!
//! Text is read by `parse::expression`, its units are checked by `parse::unit`; what comes out is a tree in which nothing can go wrong
//! any more but a fact that is not known. It is compiled once, for one instrument, to closures that allocate nothing.
//!
//! **What is not known.** A fact that is not known makes what is reckoned from it unknown. `&&` and `||` know their answer where one
//! side decides it (S. Kleene, Introduction to Metamathematics, 1952, §64). What is not finite, as a division by zero, is not known.

mod catalogue;
mod compile;
mod explained;
mod fact;
mod print;
mod quiet;

pub use catalogue::{Family, Known, catalogue};
pub(crate) use compile::fresh;
pub use compile::{Compiled, Condition};
pub use explained::Shown;
pub(crate) use fact::find;
pub use fact::{OwnFact, own_facts};

use crate::parse::expression::Binary;
use crate::{Diagnostic, RiskFact, SurfaceFact};
use std::fmt;
use units::Duration;

/// What kind of value an expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Yes or no.
    Switch,
    /// A plain number, a share, a count, an annualised volatility.
    Number,
    /// In the quote currency of the instrument.
    Price,
    /// Signed, in the base currency; of an inverse contract in dollars.
    Quantity,
    /// In the numéraire of the account.
    Money,
    /// A span of time.
    Span,
    /// A multiple of R.
    R,
    /// A multiple of N.
    N,
}

impl Unit {
    /// For messages.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Switch => "a condition, true or false",
            Self::Number => "a number",
            Self::Price => "a price",
            Self::Quantity => "a quantity",
            Self::Money => "an amount of money",
            Self::Span => "a span of time",
            Self::R => "a multiple of R",
            Self::N => "a multiple of N",
        }
    }

    /// A value of it, for messages.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Self::Switch => "drawdown < 10%",
            Self::Number => "80%",
            Self::Price => "100_000",
            Self::Quantity => "2.5",
            Self::Money => "50_000 USD",
            Self::Span => "5d",
            Self::R => "2R",
            Self::N => "3N",
        }
    }
}

/// A checked expression: every fact is there, every unit fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    pub(crate) root: Term,
    unit: Unit,
}

impl Expression {
    /// Whether it may hold, or a number be known, while the facts that `is_absent` names are not known, whatever all others are.
    pub(crate) fn may_hold(&self, is_absent: &dyn Fn(&str) -> bool) -> bool {
        self.root.may_be(is_absent).0
    }
}

impl Term {
    /// Of a condition: whether it may be true, and whether false. Of a value: whether it may be known, twice.
    fn may_be(&self, is_absent: &dyn Fn(&str) -> bool) -> (bool, bool) {
        let both = |known: bool| (known, known);
        match self {
            Self::Literal { .. } | Self::Own(_) => both(true),
            Self::Told { name, .. } => both(!is_absent(name)),
            Self::Not(of) => {
                let (holds, fails) = of.may_be(is_absent);
                (fails, holds)
            }
            Self::Negative(of) | Self::Distance { of, .. } => of.may_be(is_absent),
            Self::Binary { operator, operands } => {
                let [left, right] = [&operands[0], &operands[1]].map(|operand| operand.may_be(is_absent));
                match operator {
                    Binary::And => (left.0 && right.0, left.1 || right.1),
                    Binary::Or => (left.0 || right.0, left.1 && right.1),
                    _ => both(left.0 && right.0),
                }
            }
            Self::Call { function: Function::Known, args } => (args.iter().all(|arg| arg.may_be(is_absent).0), true),
            Self::Call { function: Function::If, args } => {
                let [condition, then, otherwise] = [0, 1, 2].map(|at| args[at].may_be(is_absent));
                both((condition.0 && then.0) || (condition.1 && otherwise.0))
            }
            Self::Call { args, .. } => both(args.iter().all(|arg| arg.may_be(is_absent).0)),
        }
    }
}

/// A node of a checked expression. Values are doubles: prices, quantities and money in whole units, spans in nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Term {
    Literal {
        value: f64,
        /// As it is written, without underscores.
        text: String,
    },
    Own(&'static OwnFact),
    /// A series of the tapes, or a fact that the engine tells as one; older than this it is not known.
    Told {
        name: String,
        max_age: Duration,
    },
    Not(Box<Term>),
    Negative(Box<Term>),
    Binary {
        operator: Binary,
        operands: Box<[Term; 2]>,
    },
    Call {
        function: Function,
        args: Vec<Term>,
    },
    /// A multiple of R or N beside a price: that far in price.
    Distance {
        unit: Unit,
        of: Box<Term>,
    },
}

/// What expressions may call, beside facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Abs,
    Min,
    Max,
    Clamp,
    SquareRoot,
    If,
    Known,
}

impl Function {
    /// Name, how it is called, how many arguments it takes.
    pub(crate) const ALL: [(Self, &'static str, &'static str, (usize, usize)); 7] = [
        (Self::Abs, "abs", "abs(value)", (1, 1)),
        (Self::Min, "min", "min(value, value, …)", (2, 8)),
        (Self::Max, "max", "max(value, value, …)", (2, 8)),
        (Self::Clamp, "clamp", "clamp(value, least, most)", (3, 3)),
        (Self::SquareRoot, "sqrt", "sqrt(number)", (1, 1)),
        (Self::If, "if", "if(condition, value, otherwise)", (3, 3)),
        (Self::Known, "known", "known(value)", (1, 1)),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(function, ..)| *function == self).map_or("", |(_, name, ..)| name)
    }
}

impl Expression {
    /// Reads an expression alone, as `trimtab check` reads one in a policy; amounts may be in any currency.
    ///
    /// ```
    /// use policy::expression::{Expression, Unit};
    /// let expression = Expression::parse("unrealised.r>=2&&iv.rank(BTC,30d,90d)>80%").unwrap();
    /// assert_eq!(expression.to_string(), "unrealised.r >= 2 && iv.rank(BTC, 30d, 90d) > 80%");
    /// assert_eq!((expression.unit(), expression.cost()), (Unit::Switch, 5));
    /// let wrong = Expression::parse("price > 5%").unwrap_err();
    /// assert_eq!(wrong[0].label, "`5%` is a number, beside a price");
    /// ```
    ///
    /// # Errors
    /// What is wrong with it, each with its place.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnostic>> {
        crate::parse::typed::parse(text)
    }

    pub(crate) fn new(root: Term, unit: Unit) -> Self {
        Self { root, unit }
    }

    /// What it is.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// How many facts, operators and calls one evaluation takes at most.
    #[must_use]
    pub fn cost(&self) -> usize {
        let mut cost = 0;
        self.root.walk(&mut |term| cost += usize::from(!matches!(term, Term::Literal { .. })));
        cost
    }

    /// The series and told facts that it reads, with placeholders, each once.
    #[must_use]
    pub fn series(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        self.root.walk(&mut |term| {
            if let Term::Told { name, .. } = term
                && !names.contains(&name.as_str())
            {
                names.push(name);
            }
        });
        names
    }

    /// The series and told facts that it reads, with placeholders, and how old each may be there.
    pub(crate) fn max_ages(&self) -> Vec<(&str, Duration)> {
        let mut ages = Vec::new();
        self.root.walk(&mut |term| {
            if let Term::Told { name, max_age } = term {
                ages.push((name.as_str(), *max_age));
            }
        });
        ages
    }

    /// What it is made of.
    pub(crate) const fn root(&self) -> &Term {
        &self.root
    }

    /// Its value, if it is a number and no more.
    #[must_use]
    pub fn constant(&self) -> Option<f64> {
        quiet::constant(&self.root)
    }

    /// The fact or series that it is, if it is one and no more.
    #[must_use]
    pub fn lone_fact(&self) -> Option<&str> {
        if let Term::Told { name, .. } = &self.root { Some(name) } else { None }
    }

    /// How it compares with another of its unit.
    pub(crate) fn compared(&self, operator: Binary, other: &Self) -> Self {
        let operands = Box::new([self.root.clone(), other.root.clone()]);
        Self { root: Term::Binary { operator, operands }, unit: Unit::Switch }
    }

    /// Whether a number in it is written as a share: `4%`.
    pub(crate) fn is_in_percent(&self) -> bool {
        let mut is = false;
        self.root.walk(&mut |term| is |= matches!(term, Term::Literal { text, .. } if text.ends_with('%')));
        is
    }

    /// Whether something in it follows from what is held: margin, stresses, Greeks, the position itself.
    #[must_use]
    pub fn follows_position(&self) -> bool {
        let told = |name: &str| match (name.parse(), name.parse()) {
            // Where money lies is no matter of positions: closing one leaves what it was worth at the same venue.
            (Ok(RiskFact::Concentration { .. }), _) => false,
            (Ok(fact), _) => !RiskFact::needs_returns(&fact),
            (_, Ok(fact)) => matches!(fact, SurfaceFact::Greek { .. }),
            _ => false,
        };
        ["position", "exposure"].iter().any(|name| self.names(name)) || self.series().into_iter().any(told)
    }

    /// Whether it measures in R or in N.
    #[must_use]
    pub fn measures_in(&self, unit: Unit) -> bool {
        let mut does = false;
        self.root.walk(&mut |term| {
            does |= match term {
                Term::Own(fact) => fact.unit == unit,
                Term::Distance { unit: of, .. } => *of == unit,
                _ => false,
            };
        });
        does || (unit == Unit::N && ["unit", "campaign.unit"].iter().any(|name| self.names(name)))
    }

    /// Whether it names one of the engine's own facts.
    #[must_use]
    pub fn names(&self, fact: &str) -> bool {
        let mut does = false;
        self.root.walk(&mut |term| does |= matches!(term, Term::Own(own) if own.name == fact));
        does
    }
}

impl Term {
    /// Itself and all that it is made of, from the left.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        match self {
            Self::Literal { .. } | Self::Own(_) | Self::Told { .. } => {}
            Self::Not(of) | Self::Negative(of) | Self::Distance { of, .. } => of.walk(visit),
            Self::Binary { operands, .. } => operands.iter().for_each(|operand| operand.walk(visit)),
            Self::Call { args, .. } => args.iter().for_each(|arg| arg.walk(visit)),
        }
    }
}

impl fmt::Display for Expression {
    /// As it is read, with the parentheses that it needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

#[cfg(test)]
mod tests;
