//! Funding rates.

use crate::cell::CellFault;
use crate::columns::{self, ColumnMap, TimesOf};
use crate::ledger::{Ledger, Problem};
use crate::report::ImportReport;
use crate::scan::{self, Progress};
use crate::sequence::Row;
use crate::session::{self, Content, Job, RowCells};
use crate::source::Source;
use crate::{ImportError, Repair};
use market::{Catalogue, Event, FundingRate, Instrument};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tape::Kind;
use units::{Duration, InstrumentId, Rate, Timestamp};

/// What one in the rate column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateUnit {
    /// `0.0001` is one basis point.
    Fraction,
    /// `0.01` is one basis point.
    Percent,
    /// `1` is one basis point.
    BasisPoints,
}

impl RateUnit {
    /// Decimal places between the column and a fraction.
    fn shift(self) -> u32 {
        match self {
            Self::Fraction => 0,
            Self::Percent => 2,
            Self::BasisPoints => 4,
        }
    }
}

impl fmt::Display for RateUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fraction => "fraction",
            Self::Percent => "percent",
            Self::BasisPoints => "bp",
        })
    }
}

impl FromStr for RateUnit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fraction" => Ok(Self::Fraction),
            "percent" => Ok(Self::Percent),
            "bp" => Ok(Self::BasisPoints),
            _ => Err(format!("`{text}` is none of `fraction`, `percent`, `bp`")),
        }
    }
}

/// An import of funding rates.
#[derive(Debug, Clone)]
pub struct FundingRequest {
    /// The CSV or Parquet file.
    pub source: PathBuf,
    /// Whose rates they are.
    pub instrument: Instrument,
    /// What one in the rate column means.
    pub rate_unit: RateUnit,
    /// What a rate pays for; by default the most common step, 8 h where there is none.
    pub interval: Option<Duration>,
    /// Changes that are allowed.
    pub repair: Vec<Repair>,
    /// Columns named by the user.
    pub columns: ColumnMap,
    /// The tape to write.
    pub out: PathBuf,
}

impl FundingRequest {
    /// An import with columns recognised by name, the interval by the most common step, and no repairs.
    #[must_use]
    pub fn new(source: impl Into<PathBuf>, instrument: Instrument, rate_unit: RateUnit, out: impl AsRef<Path>) -> Self {
        Self {
            source: source.into(),
            instrument,
            rate_unit,
            interval: None,
            repair: Vec::new(),
            columns: ColumnMap::default(),
            out: out.as_ref().to_owned(),
        }
    }
}

/// Makes a tape of a file of funding rates. Stamps within one second of the interval are moved to it, and counted.
pub fn funding(request: &FundingRequest, progress: &mut dyn FnMut(u64, u64)) -> Result<ImportReport, ImportError> {
    let source = Source::open(&request.source)?;
    let rate = columns::rate(&source, &request.columns)?;
    let mut progress = Progress::new(&source, progress);
    // Stamps come some milliseconds, even a second, late: steps are told apart by whole minutes.
    let scan = scan::scan(&source, &request.columns, TimesOf::Instants, Duration::MINUTE, &mut progress)?;
    let eight_hours = Duration::from_nanos(8 * Duration::HOUR.nanos());
    let interval = request.interval.or(scan.step).unwrap_or(eight_hours);
    if interval <= Duration::ZERO {
        return Err(ImportError::Option(format!("funding every {interval} is none; `--interval` is above zero")));
    }
    let mut content = Fundings { shift: request.rate_unit.shift(), interval, largest: Rate::ZERO };
    let job = Job {
        source: &source,
        scan: &scan,
        columns: &request.columns,
        out: &request.out,
        repair: &request.repair,
        kind: Kind::Funding,
        noun: "funding rate",
        subject: &request.instrument.symbol,
        catalogue: Catalogue { instruments: vec![request.instrument.clone()], series: Vec::new() },
        interval: Some(interval),
        width: Duration::ZERO,
        lag: Duration::ZERO,
        options: BTreeMap::from([("rate-unit".to_owned(), request.rate_unit.to_string())]),
    };
    session::run(&job, &[rate], &mut content, &mut progress)
}

/// A rate per interval beyond this was given in another unit, or belongs to a market in flames.
const SUSPICIOUS: Rate = Rate::from_raw(Rate::ONE / 20);

struct Fundings {
    shift: u32,
    interval: Duration,
    largest: Rate,
}

impl Fundings {
    /// The due time that a stamp means: the interval's, if that is at most a second away.
    fn due(&self, stamp: Timestamp, ledger: &mut Ledger) -> Timestamp {
        let half = Duration::from_nanos(self.interval.nanos() / 2);
        let nearest = (stamp + half).floor(self.interval);
        let off = stamp.since(nearest).nanos().abs();
        if off > Duration::SECOND.nanos() {
            return stamp;
        }
        ledger.snapped += u64::from(off > 0);
        nearest
    }
}

impl Content for Fundings {
    type Item = Rate;

    fn take(&mut self, row: &RowCells<'_>, ledger: &mut Ledger) -> Option<Row<Rate>> {
        let cell = row.cell(0);
        if cell.is_empty() {
            ledger.empty += 1;
            return None;
        }
        let (rate, dropped) = match cell.rate(self.shift) {
            Ok(rate) => (rate, false),
            Err(CellFault::OffGrid(nearest)) if ledger.repair(Repair::Snap) => (Rate::from_raw(nearest), false),
            Err(fault) => {
                let problem = match fault {
                    CellFault::OffGrid(_) => Problem::OffRateGrid,
                    CellFault::NotANumber => Problem::NotANumber,
                    CellFault::TooLarge => Problem::TooLarge,
                };
                (Rate::ZERO, ledger.refuse(problem, row.number, || cell.to_string()))
            }
        };
        self.largest = self.largest.max(rate.abs());
        let at = self.due(row.time, ledger);
        (!dropped).then_some(Row { number: row.number, at, venue: row.time, content: rate })
    }

    fn event(&self, row: &Row<Rate>) -> (Timestamp, Timestamp, Event) {
        let event = FundingRate { instrument: InstrumentId(0), rate: row.content, interval: self.interval };
        (row.at, row.venue, Event::Funding(event))
    }

    fn notes(&self, ledger: &mut Ledger) {
        if self.largest > SUSPICIOUS {
            let percent = 100.0 * self.largest.approximate();
            ledger.notes.push(format!("the largest rate is {percent:.1} % an interval: check `--rate-unit`"));
        }
    }
}
