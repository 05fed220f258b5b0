//! Rows of a CSV file.

use super::packed::Packing;
use crate::ImportError;
use crate::cell::{Cell, printable};
use crate::columns::ColumnMap;
use crate::time::TimeReader;
use csv::{ErrorKind, Position, Reader, ReaderBuilder, StringRecord};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How to read a CSV file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    packing: Packing,
    delimiter: u8,
    /// Whether lines end in CR and LF.
    has_cr: bool,
    has_header: bool,
}

/// The names of columns.
pub(super) struct Header {
    pub(super) names: Vec<String>,
    /// Where the file has no header line, what the columns are taken for.
    pub(super) absent: Option<&'static str>,
}

pub(crate) struct CsvRows {
    path: PathBuf,
    text: Text,
    reader: Reader<Box<dyn Read>>,
    wanted: Vec<usize>,
    record: StringRecord,
}

impl Text {
    /// Looks at the first line, which `start` begins with.
    pub(super) fn open(
        path: &Path,
        packing: Packing,
        start: &[u8],
        map: &ColumnMap,
    ) -> Result<(Self, Header), ImportError> {
        let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut text = Self { packing, delimiter: delimiter(line), has_cr: line.ends_with(b"\r"), has_header: false };
        let mut reader = text.reader(path)?;
        let mut first = StringRecord::new();
        reader.read_record(&mut first).map_err(|error| text.refuse(path, error))?;
        text.has_header = !map.no_header && !is_row(&first);
        let header = if text.has_header { named(&first) } else { unnamed(&first, map) };
        Ok((text, header))
    }

    fn reader(self, path: &Path) -> Result<Reader<Box<dyn Read>>, ImportError> {
        let text = self.packing.open(path)?;
        Ok(ReaderBuilder::new().delimiter(self.delimiter).has_headers(self.has_header).from_reader(text))
    }

    /// The line that a row begins in. The reader ends a line at its CR: an LF behind that it counts with the next row.
    fn line(self, position: Option<&Position>) -> u64 {
        position.map_or(0, |at| at.line() + u64::from(self.has_cr && at.record() > 0))
    }

    fn refuse(self, path: &Path, error: csv::Error) -> ImportError {
        match error.into_kind() {
            ErrorKind::Io(error) => reading(path)(error),
            ErrorKind::Utf8 { pos, .. } => {
                ImportError::source(path, "no-text", format!("line {}: not UTF-8 text", self.line(pos.as_ref())))
            }
            ErrorKind::UnequalLengths { pos, expected_len, len } => {
                let line = self.line(pos.as_ref());
                ImportError::source(
                    path,
                    "ragged",
                    format!("line {line}: {len} fields, but the first line has {expected_len}"),
                )
            }
            other => ImportError::source(path, "no-table", format!("cannot be read as CSV: {other:?}")),
        }
    }
}

/// The separator that the first line uses most.
fn delimiter(line: &[u8]) -> u8 {
    let uses = |delimiter: &u8| line.iter().filter(|byte| *byte == delimiter).count();
    [b',', b';', b'\t', b'|'].into_iter().rev().max_by_key(uses).unwrap_or(b',')
}

/// Whether a first line is a row already: numbers and times, and nothing else.
fn is_row(first: &StringRecord) -> bool {
    let is_number = |cell: &str| cell.parse::<f64>().is_ok();
    first.iter().any(|cell| is_number(cell.trim()))
        && first.iter().map(str::trim).all(|cell| cell.is_empty() || is_number(cell) || is_time(cell))
}

fn is_time(cell: &str) -> bool {
    TimeReader::default().read(Cell::Text(cell)).is_some()
}

/// A column without a name is called by its number.
fn named(first: &StringRecord) -> Header {
    let name = |(at, name): (usize, &str)| match name.trim() {
        "" => (at + 1).to_string(),
        name => printable(name),
    };
    Header { names: first.iter().enumerate().map(name).collect(), absent: None }
}

const KLINES: [&str; 12] = [
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
];
const BARS: [&str; 6] = ["time", "open", "high", "low", "close", "volume"];
const FUNDING: [&str; 3] = ["calc_time", "funding_interval_hours", "last_funding_rate"];

/// The columns of files that are published without a header line; others are called by their number.
fn unnamed(first: &StringRecord, map: &ColumnMap) -> Header {
    let cell = |at: usize| first.get(at).map_or("", str::trim);
    let starts_with_time = is_time(cell(0)) || map.day.is_some();
    let is_interval = cell(1).parse().is_ok_and(|hours: u8| (1..=24).contains(&hours));
    let (names, absent): (&[&str], _) = match first.len() {
        12 if starts_with_time && is_time(cell(6)) => (&KLINES, "the columns of a Binance kline archive"),
        6 if starts_with_time => (&BARS, "time, open, high, low, close, volume"),
        3 if starts_with_time && is_interval => (&FUNDING, "the columns of a Binance funding archive"),
        count => {
            let names = (1..=count).map(|number| number.to_string()).collect();
            return Header { names, absent: Some("columns called by their number") };
        }
    };
    Header { names: names.iter().map(|name| (*name).to_owned()).collect(), absent: Some(absent) }
}

impl CsvRows {
    pub(super) fn open(path: &Path, text: Text, wanted: &[usize]) -> Result<Self, ImportError> {
        let reader = text.reader(path)?;
        Ok(Self { path: path.to_owned(), text, reader, wanted: wanted.to_vec(), record: StringRecord::new() })
    }

    pub(super) fn next(&mut self) -> Result<bool, ImportError> {
        self.reader.read_record(&mut self.record).map_err(|error| self.text.refuse(&self.path, error))
    }

    pub(super) fn cell(&self, wanted: usize) -> Cell<'_> {
        match self.wanted.get(wanted).and_then(|column| self.record.get(*column)) {
            Some("") | None => Cell::Empty,
            Some(text) => Cell::Text(text),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.text.line(self.record.position())
    }

    pub(super) fn done(&self) -> u64 {
        self.reader.position().byte()
    }
}

/// What the system or an unpacker says while reading.
pub(super) fn reading(path: &Path) -> impl FnOnce(io::Error) -> ImportError {
    move |error| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            ImportError::source(path, "damaged", format!("is damaged: {error}; fetch it again"))
        }
        _ => ImportError::io(path)(error),
    }
}
