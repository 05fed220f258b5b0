//! What an importer may change, when told to.

use std::fmt;
use std::str::FromStr;

/// A change to the recorded rows. Never made unasked, and recorded in the tape with the rows it touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repair {
    /// `drop-row`: leave impossible rows out.
    DropRow,
    /// `widen`: stretch high and low until they contain open and close.
    Widen,
    /// `snap`: move values off the grid to the nearest step of it.
    Snap,
    /// `keep-first`: of rows with one time and different content, keep the first.
    KeepFirst,
    /// `keep-last`: of rows with one time and different content, keep the last.
    KeepLast,
    /// `sort`: put the rows in order of time first. Holds them all in memory.
    Sort,
}

impl Repair {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::DropRow, Self::Widen, Self::Snap, Self::KeepFirst, Self::KeepLast, Self::Sort];

    /// As written on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DropRow => "drop-row",
            Self::Widen => "widen",
            Self::Snap => "snap",
            Self::KeepFirst => "keep-first",
            Self::KeepLast => "keep-last",
            Self::Sort => "sort",
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseRepairError(String);

impl fmt::Display for ParseRepairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Repair::ALL.map(Repair::as_str).join(", ");
        write!(f, "`{}` is no repair; there are {known}", self.0)
    }
}

impl std::error::Error for ParseRepairError {}

impl FromStr for Repair {
    type Err = ParseRepairError;
    fn from_str(text: &str) -> Result<Self, ParseRepairError> {
        Self::ALL.into_iter().find(|repair| repair.as_str() == text).ok_or_else(|| ParseRepairError(text.to_owned()))
    }
}
