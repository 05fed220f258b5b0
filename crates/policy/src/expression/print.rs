//! An expression as text that reads as the same expression.

use super::Term;
use crate::print::time;
use crate::spec::MAX_AGE;
use std::fmt;

/// Binds more strongly than any operator.
const OPERAND: u8 = u8::MAX;

impl Term {
    fn power(&self) -> u8 {
        match self {
            Self::Binary { operator, .. } => operator.power(),
            Self::Distance { of, .. } => of.power(),
            _ => OPERAND,
        }
    }

    /// In parentheses where it binds less strongly than this.
    fn within(&self, power: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.power() < power { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal { text, .. } => f.write_str(text),
            Self::Own(fact) => f.write_str(fact.name),
            // A series of a tape is told from a name by the call; a told fact is one.
            Self::Told { name, max_age } if name.contains('(') && *max_age == MAX_AGE => f.write_str(name),
            Self::Told { name, max_age } => write!(f, "series({name}, {})", time(*max_age)),
            Self::Not(of) => {
                f.write_str("!")?;
                of.within(OPERAND, f)
            }
            Self::Negative(of) => {
                f.write_str("-")?;
                of.within(OPERAND, f)
            }
            Self::Distance { of, .. } => of.fmt(f),
            Self::Binary { operator, operands } => {
                let [left, right] = &**operands;
                let power = operator.power();
                // What groups from the left needs parentheses on the right; comparisons on both sides.
                left.within(if operator.compares() { power + 1 } else { power }, f)?;
                write!(f, " {} ", operator.symbol())?;
                right.within(power + 1, f)
            }
            Self::Call { function, args } => {
                write!(f, "{}(", function.name())?;
                for (index, arg) in args.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    arg.fmt(f)?;
                }
                f.write_str(")")
            }
        }
    }
}
