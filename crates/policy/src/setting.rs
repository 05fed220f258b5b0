//! Numbers of a policy that may be expressions.

use crate::expression::Expression;

/// A number of a policy: as it is declared, or as an expression gives it at every decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting<T> {
    /// Always this.
    Declared(T),
    /// What the expression gives: at most [`Reckoned::most`], and not under zero.
    Reckoned(Box<Reckoned>),
}

/// An expression in the place of a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Reckoned {
    /// In the unit of the key.
    pub expression: Expression,
    /// The most that the key takes: a larger value counts as this.
    pub most: f64,
}

impl<T: Copy> Setting<T> {
    /// The number, where it is always the same.
    #[must_use]
    pub fn declared(&self) -> Option<T> {
        if let Self::Declared(value) = self { Some(*value) } else { None }
    }
}

impl<T> Setting<T> {
    /// The expression, where there is one.
    #[must_use]
    pub fn expression(&self) -> Option<&Expression> {
        if let Self::Reckoned(reckoned) = self { Some(&reckoned.expression) } else { None }
    }
}

impl<T> From<T> for Setting<T> {
    fn from(value: T) -> Self {
        Self::Declared(value)
    }
}
