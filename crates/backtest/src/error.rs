//! Why a backtest could not be run, written or read.

use std::io;
use std::path::{Path, PathBuf};
use units::Timestamp;

/// Why a backtest could not be run, written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tape could not be read.
    #[error(transparent)]
    Tape(#[from] tape::TapeError),
    /// The policy has errors; the diagnostics say which.
    #[error("the policy has {} error{}", .0.len(), if .0.len() == 1 { "" } else { "s" })]
    Policy(Vec<policy::Diagnostic>),
    /// The policy cannot run on these tapes.
    #[error(transparent)]
    Compile(#[from] policy::CompileError),
    /// Policies that do not go together, or not with these tapes.
    #[error("{0}")]
    Setup(String),
    /// No tape has the policy's instrument.
    #[error("no tape has bars of `{wanted}`, which the policy trades; the tapes have {found}")]
    NoInstrument {
        /// What the policy trades.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// The instrument's bars do not begin or end anywhere.
    #[error("the tapes have no bars of `{0}`: import some with `trimtab import bars`")]
    NoBars(String),
    /// The output folder is in use.
    #[error("`{}` is not empty; name another folder or add --force", .0.display())]
    NotEmpty(PathBuf),
    /// A folder is no run.
    #[error("`{}` is no run folder: {why}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// What is missing or wrong.
        why: String,
    },
    /// A time outside the run.
    #[error("{at} is outside the run, which goes from {first} to {last}")]
    OutsideRun {
        /// The time asked for.
        at: Timestamp,
        /// First input.
        first: Timestamp,
        /// Last input.
        last: Timestamp,
    },
    /// A portfolio state that cannot be used.
    #[error("{0}")]
    State(String),
    /// A run that says nothing about ruin.
    #[error(transparent)]
    Ruin(#[from] crate::ruin::RuinError),
    /// A portfolio whose value at risk cannot be told.
    #[error(transparent)]
    ValueAtRisk(#[from] risk::value_at_risk::ValueAtRiskError),
    /// Reading or writing failed.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Stopped on request.
    #[error("interrupted; nothing was written")]
    Interrupted,
}

impl Error {
    /// Whether the input was wrong (exit 2), rather than the world (exit 3).
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Tape(error) => error.is_input(),
            Self::Io { source, .. } => matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory),
            Self::Interrupted => false,
            _ => true,
        }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn not_a_run(path: &Path, why: impl ToString) -> Self {
        Self::NotARun { path: path.to_owned(), why: why.to_string() }
    }
}
