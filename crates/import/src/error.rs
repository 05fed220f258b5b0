//! Why a file was not imported.

use crate::ledger::Tally;
use crate::report::count;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use tape::TapeError;

/// Why a file was not imported. Nothing has been written.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file system did not cooperate.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The source is not what an importer reads.
    #[error("`{}` {what}", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// Which of the reasons, as [`ImportError::code`] gives it.
        code: &'static str,
        /// What it is instead, and what to do.
        what: String,
    },
    /// A column is missing, or several could be meant.
    #[error("`{}` {what}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// Which of the reasons, as [`ImportError::code`] gives it.
        code: &'static str,
        /// Which, the columns that there are, and the flag that says it.
        what: String,
    },
    /// An option that makes no sense with this file.
    #[error("{0}")]
    Option(String),
    /// The instrument is not known well enough.
    #[error("{0}")]
    Instrument(String),
    /// Rows that no tape may hold.
    #[error("{0}")]
    Rows(Box<BadRows>),
    /// The tape could not be written.
    #[error(transparent)]
    Tape(#[from] TapeError),
}

impl ImportError {
    /// Whether what was handed in is at fault (exit 2), not the disk (exit 3).
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory),
            Self::Tape(error) => error.is_input(),
            Self::Source { .. } | Self::Column { .. } | Self::Option(_) | Self::Instrument(_) | Self::Rows(_) => true,
        }
    }

    /// The reason in a word or two that stay the same, such as `column-missing` or `off-tick`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Source { code, .. } | Self::Column { code, .. } => code,
            Self::Option(_) => "option",
            Self::Instrument(_) => "instrument",
            Self::Rows(rows) => rows.tallies.first().map_or("rows", Tally::code),
            Self::Tape(_) => "tape",
        }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn source(path: &Path, code: &'static str, what: impl Into<String>) -> Self {
        Self::Source { path: path.to_owned(), code, what: what.into() }
    }

    pub(crate) fn column(path: &Path, code: &'static str, what: impl Into<String>) -> Self {
        Self::Column { path: path.to_owned(), code, what: what.into() }
    }
}

/// The rows that stopped an import, and what else was seen in the file.
#[derive(Debug)]
pub struct BadRows {
    pub(crate) path: PathBuf,
    pub(crate) unit: &'static str,
    pub(crate) bad: u64,
    pub(crate) read: u64,
    pub(crate) tallies: Vec<Tally>,
    pub(crate) warnings: Vec<String>,
}

impl BadRows {
    /// Rows that cannot be taken as they are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.bad
    }

    /// Rows in the file.
    #[must_use]
    pub fn rows_read(&self) -> u64 {
        self.read
    }

    /// What else was seen: gaps, duplicates, a misnamed column.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for BadRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bad, read) = (count(self.bad, ""), count(self.read, "row"));
        write!(f, "`{}`: {bad} of {read} cannot be taken", self.path.display())?;
        for tally in &self.tallies {
            write!(f, "\n  {}", tally.line(self.unit))?;
        }
        for warning in &self.warnings {
            write!(f, "\n  also: {warning}")?;
        }
        Ok(())
    }
}
