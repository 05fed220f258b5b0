//! A series of plain values: a volatility index, a signal.

use crate::cell::CellFault;
use crate::columns::{self, ColumnMap, TimesOf};
use crate::ledger::{Ledger, Problem};
use crate::report::ImportReport;
use crate::scan::{self, Progress};
use crate::sequence::Row;
use crate::session::{self, Content, Job, RowCells};
use crate::source::Source;
use crate::{ImportError, Repair};
use market::{Catalogue, Event, SeriesPoint};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tape::Kind;
use units::{Duration, Ratio, SeriesId, Timestamp};

/// What one in the column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesUnit {
    /// The value itself.
    Fraction,
    /// A hundredth of it: 45 is kept as `0.45`.
    Percent,
}

impl fmt::Display for SeriesUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fraction => "fraction",
            Self::Percent => "percent",
        })
    }
}

impl FromStr for SeriesUnit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fraction" => Ok(Self::Fraction),
            "percent" => Ok(Self::Percent),
            _ => Err(format!("`{text}` is neither `fraction` nor `percent`")),
        }
    }
}

/// An import of a series.
#[derive(Debug, Clone)]
pub struct SeriesRequest {
    /// The CSV or Parquet file.
    pub source: PathBuf,
    /// The column of values.
    pub column: String,
    /// The name that policies call it by, such as `dvol.btc`.
    pub name: String,
    /// What one in the column means.
    pub unit: SeriesUnit,
    /// How much later than its label a value is known.
    pub lag: Duration,
    /// Changes that are allowed.
    pub repair: Vec<Repair>,
    /// Columns named by the user.
    pub columns: ColumnMap,
    /// The tape to write.
    pub out: PathBuf,
}

impl SeriesRequest {
    /// An import with the time column recognised by name, no lag and no repairs.
    #[must_use]
    pub fn new(source: impl Into<PathBuf>, column: &str, name: &str, unit: SeriesUnit, out: impl AsRef<Path>) -> Self {
        Self {
            source: source.into(),
            column: column.to_owned(),
            name: name.to_owned(),
            unit,
            lag: Duration::ZERO,
            repair: Vec::new(),
            columns: ColumnMap::default(),
            out: out.as_ref().to_owned(),
        }
    }
}

/// Makes a tape of one column of a file. Empty cells are skipped and counted.
pub fn series(request: &SeriesRequest, progress: &mut dyn FnMut(u64, u64)) -> Result<ImportReport, ImportError> {
    check_options(request)?;
    let source = Source::open(&request.source, &request.columns)?;
    let column = columns::named(&source, &request.column, "--column")?;
    let mut progress = Progress::new(&source, progress);
    let scan = scan::scan(&source, &request.columns, TimesOf::Instants, Duration::from_nanos(1), &mut progress)?;
    let shift = match request.unit {
        SeriesUnit::Fraction => 0,
        SeriesUnit::Percent => 2,
    };
    let mut content = Points { shift, lag: request.lag };
    let job = Job {
        source: &source,
        scan: &scan,
        columns: &request.columns,
        out: &request.out,
        repair: &request.repair,
        kind: Kind::Series,
        noun: "value",
        subject: &request.name,
        catalogue: Catalogue { instruments: Vec::new(), series: vec![request.name.clone()] },
        interval: scan.step,
        width: Duration::ZERO,
        lag: request.lag,
        options: BTreeMap::from([
            ("column".to_owned(), request.column.clone()),
            ("unit".to_owned(), request.unit.to_string()),
            ("lag".to_owned(), request.lag.to_string()),
        ]),
    };
    session::run(&job, &[column], &mut content, &mut progress)
}

fn check_options(request: &SeriesRequest) -> Result<(), ImportError> {
    if request.lag < Duration::ZERO {
        let lag = request.lag;
        return Err(ImportError::Option(format!(
            "a lag of {lag} would know a value before its time; `--lag` is 0 or more"
        )));
    }
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    let starts_well = request.name.starts_with(|first: char| first.is_ascii_lowercase());
    if !starts_well || !request.name.bytes().all(fits) {
        let name = &request.name;
        return Err(ImportError::Option(format!(
            "`{name}` is no series name; write small letters, digits, `.`, `_` and `-`, such as `dvol.btc`"
        )));
    }
    Ok(())
}

struct Points {
    shift: u32,
    lag: Duration,
}

impl Content for Points {
    type Item = Ratio;

    fn take(&mut self, row: &RowCells<'_>, ledger: &mut Ledger) -> Option<Row<Ratio>> {
        let cell = row.cell(0);
        if cell.is_empty() {
            ledger.empty += 1;
            return None;
        }
        let (value, dropped) = match cell.ratio(self.shift) {
            Ok(value) => (value, false),
            Err(CellFault::NotANumber | CellFault::OffGrid(_) | CellFault::TooLarge) => {
                (Ratio::default(), ledger.refuse(Problem::NotANumber, row.number, || cell.to_string()))
            }
        };
        (!dropped).then_some(Row { number: row.number, at: row.time, venue: row.time, every: None, content: value })
    }

    fn event(&self, row: &Row<Ratio>) -> (Timestamp, Timestamp, Event) {
        let point = SeriesPoint { series: SeriesId(0), value: row.content };
        (row.at + self.lag, row.venue, Event::Series(point))
    }

    fn notes(&self, _: &mut Ledger) {}
}
