//! A CSV or Parquet file as rows of cells. Streams; only the columns asked for are decoded.

mod csv;
mod packed;
mod parquet;

use crate::ImportError;
use crate::cell::Cell;
use crate::columns::ColumnMap;
use packed::Packing;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file that can be read row by row, more than once.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// Column names in the order of the file.
    pub(crate) columns: Vec<String>,
    /// Where there is no header line, what the columns are taken for.
    pub(crate) headless: Option<&'static str>,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Csv { text: csv::Text, bytes: u64 },
    Parquet { rows: u64 },
}

/// The rows of a source, one at a time.
pub(crate) enum Rows {
    Csv(Box<csv::CsvRows>),
    Parquet(Box<parquet::ParquetRows>),
}

impl Source {
    /// Looks at a file's first bytes and names its columns.
    pub(crate) fn open(path: &Path, map: &ColumnMap) -> Result<Self, ImportError> {
        let kind = std::fs::metadata(path).map_err(ImportError::io(path))?.file_type();
        if !kind.is_file() && !kind.is_dir() {
            let what = "is a pipe or a device: it is read more than once, so write it to a file first";
            return Err(ImportError::source(path, "not-a-file", what));
        }
        let start = first_bytes(path, File::open(path).map_err(ImportError::io(path))?)?;
        if start.is_empty() {
            return Err(ImportError::source(path, "empty", "is empty"));
        }
        if start.starts_with(b"PAR1") {
            let (columns, rows) = parquet::columns(path)?;
            return Ok(Self { path: path.to_owned(), columns, headless: None, format: Format::Parquet { rows } });
        }
        let packing = Packing::of(path, &start)?;
        let start = first_bytes(path, packing.open(path)?)?;
        refuse_other_formats(path, packing, &start)?;
        let (text, header) = csv::Text::open(path, packing, &start, map)?;
        let bytes = packing.size(path)?;
        let (columns, headless) = (header.names, header.absent);
        Ok(Self { path: path.to_owned(), columns, headless, format: Format::Csv { text, bytes } })
    }

    /// Starts reading; cell `n` of each row is that of the `n`-th wanted column.
    pub(crate) fn rows(&self, wanted: &[usize]) -> Result<Rows, ImportError> {
        match self.format {
            Format::Csv { text, .. } => {
                csv::CsvRows::open(&self.path, text, wanted).map(|rows| Rows::Csv(Box::new(rows)))
            }
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

fn first_bytes(path: &Path, text: impl Read) -> Result<Vec<u8>, ImportError> {
    let mut start = Vec::new();
    text.take(4096).read_to_end(&mut start).map_err(csv::reading(path))?;
    Ok(start)
}

fn refuse_other_formats(path: &Path, packing: Packing, start: &[u8]) -> Result<(), ImportError> {
    let is_named_parquet = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"));
    let is_packed = !matches!(packing, Packing::Plain);
    let (code, what) = if is_packed && start.is_empty() {
        ("empty", "holds an empty file")
    } else if is_packed && start.starts_with(b"PAR1") {
        ("archive", "is an archive of a Parquet file; unpack it first")
    } else if is_packed && (start.starts_with(b"PK\x03\x04") || start.starts_with(&[0x1f, 0x8b])) {
        ("archive", "is an archive in an archive; unpack it first")
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        ("compressed", "is compressed with zstd; unpack it first")
    } else if is_named_parquet {
        ("not-parquet", "is no Parquet file, whatever its name says")
    } else if start.contains(&0) {
        ("no-table", "is neither CSV nor Parquet")
    } else {
        return Ok(());
    };
    Err(ImportError::source(path, code, what))
}
