//! Rows of a CSV file.

use crate::ImportError;
use crate::cell::{Cell, printable};
use csv::{ErrorKind, Position, Reader, ReaderBuilder, StringRecord};
use std::fs::File;
use std::path::{Path, PathBuf};

pub(crate) struct CsvRows {
    path: PathBuf,
    reader: Reader<File>,
    wanted: Vec<usize>,
    record: StringRecord,
}

/// The separator that the first line uses most.
pub(super) fn delimiter(start: &[u8]) -> u8 {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let uses = |delimiter: &u8| line.iter().filter(|byte| *byte == delimiter).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(uses).unwrap_or(b',')
}

/// The names in the header line.
pub(super) fn columns(path: &Path, delimiter: u8) -> Result<Vec<String>, ImportError> {
    let mut reader = open(path, delimiter)?;
    let header = reader.headers().map_err(|error| refuse(path, error))?;
    if header.iter().all(|name| name.trim().parse::<f64>().is_ok()) {
        return Err(ImportError::source(
            path,
            "has no header line; put one before the first row, such as `date,open,high,low,close,volume`",
        ));
    }
    Ok(header.iter().map(|name| printable(name.trim())).collect())
}

impl CsvRows {
    pub(super) fn open(path: &Path, delimiter: u8, wanted: &[usize]) -> Result<Self, ImportError> {
        let reader = open(path, delimiter)?;
        Ok(Self { path: path.to_owned(), reader, wanted: wanted.to_vec(), record: StringRecord::new() })
    }

    pub(super) fn next(&mut self) -> Result<bool, ImportError> {
        self.reader.read_record(&mut self.record).map_err(|error| refuse(&self.path, error))
    }

    pub(super) fn cell(&self, wanted: usize) -> Cell<'_> {
        match self.wanted.get(wanted).and_then(|column| self.record.get(*column)) {
            Some("") | None => Cell::Empty,
            Some(text) => Cell::Text(text),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.record.position().map_or(0, Position::line)
    }

    pub(super) fn done(&self) -> u64 {
        self.reader.position().byte()
    }
}

fn open(path: &Path, delimiter: u8) -> Result<Reader<File>, ImportError> {
    ReaderBuilder::new().delimiter(delimiter).from_path(path).map_err(|error| refuse(path, error))
}

fn refuse(path: &Path, error: csv::Error) -> ImportError {
    let line = |position: &Option<Position>| position.as_ref().map_or(0, Position::line);
    match error.into_kind() {
        ErrorKind::Io(source) => ImportError::Io { path: path.to_owned(), source },
        ErrorKind::Utf8 { pos, .. } => ImportError::source(path, format!("line {}: not UTF-8 text", line(&pos))),
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = line(&pos);
            ImportError::source(path, format!("line {line}: {len} fields, but the header has {expected_len}"))
        }
        other => ImportError::source(path, format!("cannot be read as CSV: {other:?}")),
    }
}
