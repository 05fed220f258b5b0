//! A CSV or Parquet file as rows of cells. Streams; only the columns asked for are decoded.

mod csv;
mod parquet;

use crate::ImportError;
use crate::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file that can be read row by row, more than once.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// Column names in the order of the file.
    pub(crate) columns: Vec<String>,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Csv { delimiter: u8, bytes: u64 },
    Parquet { rows: u64 },
}

/// The rows of a source, one at a time.
pub(crate) enum Rows {
    Csv(csv::CsvRows),
    Parquet(Box<parquet::ParquetRows>),
}

impl Source {
    /// Looks at a file's first bytes and names its columns.
    pub(crate) fn open(path: &Path) -> Result<Self, ImportError> {
        let start = first_bytes(path)?;
        if start.is_empty() {
            return Err(ImportError::source(path, "is empty"));
        }
        if start.starts_with(b"PAR1") {
            let (columns, rows) = parquet::columns(path)?;
            return Ok(Self { path: path.to_owned(), columns, format: Format::Parquet { rows } });
        }
        refuse_other_formats(path, &start)?;
        let delimiter = csv::delimiter(&start);
        let columns = csv::columns(path, delimiter)?;
        let bytes = std::fs::metadata(path).map_err(ImportError::io(path))?.len();
        Ok(Self { path: path.to_owned(), columns, format: Format::Csv { delimiter, bytes } })
    }

    /// Starts reading; cell `n` of each row is that of the `n`-th wanted column.
    pub(crate) fn rows(&self, wanted: &[usize]) -> Result<Rows, ImportError> {
        match self.format {
            Format::Csv { delimiter, .. } => csv::CsvRows::open(&self.path, delimiter, wanted).map(Rows::Csv),
            Format::Parquet { .. } => {
                parquet::ParquetRows::open(&self.path, wanted).map(|rows| Rows::Parquet(Box::new(rows)))
            }
        }
    }

    /// The whole of what [`Rows::done`] counts.
    pub(crate) fn size(&self) -> u64 {
        match self.format {
            Format::Csv { bytes, .. } => bytes,
            Format::Parquet { rows } => rows,
        }
    }

    /// What [`Rows::number`] counts: lines of a text, rows of a table.
    pub(crate) fn unit(&self) -> &'static str {
        match self.format {
            Format::Csv { .. } => "line",
            Format::Parquet { .. } => "row",
        }
    }

    /// The file's name without its folder.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Rows {
    /// Goes to the next row. `false` at the end.
    pub(crate) fn next(&mut self) -> Result<bool, ImportError> {
        match self {
            Self::Csv(rows) => rows.next(),
            Self::Parquet(rows) => rows.next(),
        }
    }

    /// A cell of this row.
    pub(crate) fn cell(&self, wanted: usize) -> Cell<'_> {
        match self {
            Self::Csv(rows) => rows.cell(wanted),
            Self::Parquet(rows) => rows.cell(wanted),
        }
    }

    /// Where this row stands in the file, from 1: its line in a CSV (the header is line 1), its row in a Parquet file.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Csv(rows) => rows.number(),
            Self::Parquet(rows) => rows.number(),
        }
    }

    /// How far into the file.
    pub(crate) fn done(&self) -> u64 {
        match self {
            Self::Csv(rows) => rows.done(),
            Self::Parquet(rows) => rows.number(),
        }
    }
}

fn first_bytes(path: &Path) -> Result<Vec<u8>, ImportError> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(ImportError::io(path))?;
    file.take(4096).read_to_end(&mut start).map_err(ImportError::io(path))?;
    Ok(start)
}

fn refuse_other_formats(path: &Path, start: &[u8]) -> Result<(), ImportError> {
    let is_named_parquet = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"));
    let what = if start.starts_with(b"PK\x03\x04")
        || start.starts_with(&[0x1f, 0x8b])
        || start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
    {
        "is compressed; unpack it first"
    } else if is_named_parquet {
        "is no Parquet file, whatever its name says"
    } else if start.contains(&0) {
        "is neither CSV nor Parquet"
    } else {
        return Ok(());
    };
    Err(ImportError::source(path, what))
}
