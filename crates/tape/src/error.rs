//! What can go wrong with a tape.

use crate::{Fault, Overlap};
use parquet::errors::ParquetError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a tape could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// The file system did not cooperate.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no Parquet file at all.
    #[error("`{}` is no tape: it is not a Parquet file; make a tape with `trimtab import`", path.display())]
    NotParquet {
        /// The file.
        path: PathBuf,
    },
    /// A Parquet file without a tape's metadata.
    #[error("`{}` is a Parquet file but no tape; make a tape of it with `trimtab import`", path.display())]
    NotATape {
        /// The file.
        path: PathBuf,
    },
    /// Written by a later version of the format.
    #[error(
        "`{}` was made by a newer trimtab (tape format {version}, this one reads up to {}); update trimtab",
        path.display(),
        crate::FORMAT_VERSION
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version it says.
        version: u32,
    },
    /// Truncated or altered since it was written.
    #[error("`{}` is damaged: {what}; import it again from its source", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// A row that no tape may hold.
    #[error("`{}` row {row}: {fault}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        row: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// Two tapes define one instrument differently.
    #[error(
        "`{symbol}` differs between `{}` and `{}`: {what}; import one of them again with the same `--tick` and `--lot`",
        first.display(),
        second.display()
    )]
    Conflict {
        /// The instrument.
        symbol: String,
        /// The tape that came first.
        first: PathBuf,
        /// The tape that disagrees.
        second: PathBuf,
        /// The field and its two values.
        what: String,
    },
    /// Tapes tell the same thing twice.
    #[error("{0}")]
    Overlap(Box<Overlap>),
}

impl TapeError {
    /// Whether what was handed in is at fault (exit 2), not the disk (exit 3).
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput
                )
            }
            _ => true,
        }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn corrupt(path: &Path, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), what: what.into() }
    }

    /// What parquet says while reading: an I/O failure underneath, or damage.
    pub(crate) fn reading(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        let path = path.to_owned();
        move |error| match as_io(error) {
            // A column that ends before it says is damage: the disk gave what it has.
            Ok(source) if matches!(source.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => {
                Self::Corrupt { path, what: source.to_string() }
            }
            Ok(source) => Self::Io { path, source },
            Err(error) => Self::Corrupt { path, what: error.to_string() },
        }
    }

    /// What parquet says while writing well-formed columns can only be the disk.
    pub(crate) fn writing(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, source: as_io(error).unwrap_or_else(io::Error::other) }
    }
}

fn as_io(error: ParquetError) -> Result<io::Error, ParquetError> {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(source) => Ok(*source),
            Err(inner) => Err(ParquetError::External(inner)),
        },
        other => Err(other),
    }
}
