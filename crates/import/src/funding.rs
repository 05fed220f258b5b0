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
use market::{Catalogue, Event, FundingRate, Instrument, InstrumentKind};
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
    /// What a rate pays for; by default what its row says in `funding_interval_hours`, else the most common step, else 8 h.
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
    let Instrument { symbol, kind, .. } = &request.instrument;
    let pays_none = match kind {
        InstrumentKind::Spot => Some("spot"),
        InstrumentKind::LinearFuture { .. } | InstrumentKind::InverseFuture { .. } => Some("a dated future"),
        InstrumentKind::LinearOption { .. } | InstrumentKind::InverseOption { .. } => Some("an option"),
        InstrumentKind::Structure => Some("a structure of options"),
        InstrumentKind::LinearPerpetual | InstrumentKind::InversePerpetual => None,
    };
    if let Some(what) = pays_none {
        return Err(ImportError::Instrument(format!(
            "`{symbol}` is {what}, which pays no funding; name the perpetual"
        )));
    }
    let source = Source::open(&request.source, &request.columns)?;
    let rate = columns::rate(&source, &request.columns)?;
    let mut progress = Progress::new(&source, progress);
    // Stamps come some milliseconds, even a second, late: steps are told apart by whole minutes.
    let scan = scan::scan(&source, &request.columns, TimesOf::Instants, Duration::MINUTE, &mut progress)?;
    let eight_hours = Duration::from_nanos(8 * Duration::HOUR.nanos());
    let interval = request.interval.or(scan.step).unwrap_or(eight_hours);
    if interval <= Duration::ZERO {
        return Err(ImportError::Option(format!("funding every {interval} is none; `--interval` is above zero")));
    }
    let hours = columns::interval_hours(&source).filter(|_| request.interval.is_none());
    let mut content =
        Fundings { shift: request.rate_unit.shift(), interval, has_hours: hours.is_some(), largest: Rate::ZERO };
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
    let wanted: Vec<usize> = std::iter::once(rate).chain(hours).collect();
    session::run(&job, &wanted, &mut content, &mut progress)
}

/// A rate per interval beyond this was given in another unit, or belongs to a market in flames.
const SUSPICIOUS: Rate = Rate::from_raw(Rate::ONE / 20);

struct Fundings {
    shift: u32,
    interval: Duration,
    has_hours: bool,
    largest: Rate,
}

/// The cell with the hours that a rate pays for, where there is one.
const HOURS: usize = 1;

impl Fundings {
    /// What the rate of a row pays for: exchanges change it, and then say so in every row.
    fn interval(&self, row: &RowCells<'_>) -> Result<Duration, CellFault> {
        if !self.has_hours {
            return Ok(self.interval);
        }
        let hours = row.cell(HOURS).ratio(0)?.get();
        let nanos = (hours * Duration::HOUR.nanos() as f64).round();
        // A day's hours in nanoseconds are far below what a double counts exactly.
        if nanos > 0.0 && hours <= 24.0 { Ok(Duration::from_nanos(nanos as i64)) } else { Err(CellFault::TooLarge) }
    }

    /// The due time that a stamp means: the interval's, if that is at most a second away.
    fn due(stamp: Timestamp, interval: Duration, ledger: &mut Ledger) -> Timestamp {
        let half = Duration::from_nanos(interval.nanos() / 2);
        let nearest = (stamp + half).floor(interval);
        let off = stamp.since(nearest).nanos().abs();
        if off > Duration::SECOND.nanos() {
            return stamp;
        }
        ledger.snapped += u64::from(off > 0);
        nearest
    }
}

impl Content for Fundings {
    type Item = (Rate, Duration);

    fn take(&mut self, row: &RowCells<'_>, ledger: &mut Ledger) -> Option<Row<(Rate, Duration)>> {
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
        if dropped {
            return None;
        }
        let interval = match self.interval(row) {
            Ok(interval) => interval,
            Err(_) if ledger.refuse(Problem::NotANumber, row.number, || format!("interval {}", row.cell(HOURS))) => {
                return None;
            }
            Err(_) => self.interval,
        };
        let at = Self::due(row.time, interval, ledger);
        let every = self.has_hours.then_some(interval);
        Some(Row { number: row.number, at, venue: row.time, every, content: (rate, interval) })
    }

    fn event(&self, row: &Row<(Rate, Duration)>) -> (Timestamp, Timestamp, Event) {
        let (rate, interval) = row.content;
        let event = FundingRate { instrument: InstrumentId(0), rate, interval };
        (row.at, row.venue, Event::Funding(event))
    }

    fn notes(&self, ledger: &mut Ledger) {
        if self.largest > SUSPICIOUS {
            let percent = 100.0 * self.largest.approximate();
            ledger.notes.push(format!("the largest rate is {percent:.1} % an interval: check `--rate-unit`"));
        }
    }
}
