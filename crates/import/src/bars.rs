//! Bars: open, high, low, close and volume over an interval.

use crate::cell::CellFault;
use crate::columns::{self, ColumnMap, TimesOf};
use crate::ledger::{Ledger, Problem};
use crate::report::{ImportReport, count};
use crate::scan::{self, Progress};
use crate::sequence::Row;
use crate::session::{self, Content, Job, RowCells};
use crate::source::Source;
use crate::{ImportError, Repair};
use market::{Bar, Catalogue, Currency, Event, Instrument, InstrumentKind};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tape::Kind;
use units::{Contract, Duration, InstrumentId, Price, Qty, Timestamp};

/// Which end of a bar its time names. A source does not say; the user must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labelled {
    /// The time is when the bar began.
    Open,
    /// The time is when the bar ended.
    Close,
}

impl fmt::Display for Labelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::Close => "close",
        })
    }
}

impl FromStr for Labelled {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "open" => Ok(Self::Open),
            "close" => Ok(Self::Close),
            _ => Err(format!("`{text}` is neither `open` nor `close`")),
        }
    }
}

/// An import of bars.
#[derive(Debug, Clone)]
pub struct BarsRequest {
    /// The CSV or Parquet file.
    pub source: PathBuf,
    /// Whose bars they are.
    pub instrument: Instrument,
    /// Which end of a bar its time names.
    pub labelled: Labelled,
    /// Length of a bar; by default the most common step.
    pub interval: Option<Duration>,
    /// Changes that are allowed.
    pub repair: Vec<Repair>,
    /// Columns named by the user.
    pub columns: ColumnMap,
    /// The tape to write.
    pub out: PathBuf,
}

impl BarsRequest {
    /// An import with columns recognised by name, the interval by the most common step, and no repairs.
    #[must_use]
    pub fn new(source: impl Into<PathBuf>, instrument: Instrument, labelled: Labelled, out: impl AsRef<Path>) -> Self {
        Self {
            source: source.into(),
            instrument,
            labelled,
            interval: None,
            repair: Vec::new(),
            columns: ColumnMap::default(),
            out: out.as_ref().to_owned(),
        }
    }
}

/// Makes a tape of a file of bars. `progress` is called with what is done and the whole, in a measure of the file's
/// own.
pub fn bars(request: &BarsRequest, progress: &mut dyn FnMut(u64, u64)) -> Result<ImportReport, ImportError> {
    let source = Source::open(&request.source, &request.columns)?;
    let (prices, volume) = columns::prices(&source, &request.columns)?;
    let of = match request.labelled {
        Labelled::Open => TimesOf::Opens,
        Labelled::Close => TimesOf::Closes,
    };
    let mut progress = Progress::new(&source, progress);
    let scan = scan::scan(&source, &request.columns, of, Duration::from_nanos(1), &mut progress)?;
    let interval = interval(request, &source, scan.step)?;
    let mut content = Bars::new(request, interval, volume.is_some());
    let job = Job {
        source: &source,
        scan: &scan,
        columns: &request.columns,
        out: &request.out,
        repair: &request.repair,
        kind: Kind::Bar,
        noun: "bar",
        subject: &request.instrument.symbol,
        catalogue: Catalogue { instruments: vec![request.instrument.clone()], series: Vec::new() },
        interval: Some(interval),
        width: interval,
        lag: Duration::ZERO,
        options: BTreeMap::from([("labelled".to_owned(), request.labelled.to_string())]),
    };
    let wanted: Vec<usize> = prices.into_iter().chain(volume).collect();
    session::run(&job, &wanted, &mut content, &mut progress)
}

fn interval(request: &BarsRequest, source: &Source, step: Option<Duration>) -> Result<Duration, ImportError> {
    match request.interval.or(step) {
        Some(interval) if interval > Duration::ZERO => Ok(interval),
        Some(interval) => {
            Err(ImportError::Option(format!("a bar of {interval} is no bar; `--interval` is above zero")))
        }
        None => {
            let path = source.path.display();
            Err(ImportError::Option(format!("`{path}` does not show how long its bars are; say so with `--interval`")))
        }
    }
}

const NAMES: [&str; 4] = ["open", "high", "low", "close"];
const VOLUME: usize = 4;

#[derive(Clone, Copy, Default, PartialEq)]
struct Ohlcv {
    open: Price,
    high: Price,
    low: Price,
    close: Price,
    volume: Qty,
}

impl Ohlcv {
    fn new([open, high, low, close]: [Price; 4], volume: Qty) -> Self {
        Self { open, high, low, close, volume }
    }
}

struct Bars {
    labelled: Labelled,
    interval: Duration,
    tick: Price,
    kind: InstrumentKind,
    base: Currency,
    has_volume: bool,
    after_expiry: u64,
    first_open: Option<Timestamp>,
    traded: bool,
    volumes_missing: u64,
    volumes_capped: u64,
}

impl Bars {
    fn new(request: &BarsRequest, interval: Duration, has_volume: bool) -> Self {
        Self {
            labelled: request.labelled,
            interval,
            tick: request.instrument.tick,
            kind: request.instrument.kind,
            base: request.instrument.base,
            has_volume,
            after_expiry: 0,
            first_open: None,
            traded: false,
            volumes_missing: 0,
            volumes_capped: 0,
        }
    }

    /// When the bar of a label began. Venues that print closes one millisecond short mean the full interval.
    fn opened(&self, label: Timestamp, ledger: &mut Ledger) -> Timestamp {
        const MILLISECOND: Duration = Duration::from_nanos(1_000_000);
        match self.labelled {
            Labelled::Open => label,
            Labelled::Close if label + MILLISECOND == (label + MILLISECOND).floor(self.interval) => {
                ledger.snapped += 1;
                label + MILLISECOND - self.interval
            }
            Labelled::Close => label - self.interval,
        }
    }

    /// The four prices, on the grid; why they are not, with the column, otherwise.
    fn prices(&self, row: &RowCells<'_>, ledger: &mut Ledger) -> Result<[Price; 4], (Problem, usize)> {
        let read: [_; 4] = std::array::from_fn(|index| row.cell(index).price(self.tick));
        let find =
            |wanted: fn(CellFault) -> bool| read.iter().position(|price| matches!(price, Err(fault) if wanted(*fault)));
        if let Some(index) = find(|fault| fault == CellFault::NotANumber) {
            return Err((Problem::NotANumber, index));
        }
        if let Some(index) = find(|fault| fault == CellFault::TooLarge) {
            return Err((Problem::TooLarge, index));
        }
        let off = find(|fault| matches!(fault, CellFault::OffGrid(_)));
        if let Some(index) = off.filter(|_| !ledger.repair(Repair::Snap)) {
            return Err((Problem::OffTick, index));
        }
        let prices = read.map(|price| match price {
            Ok(price) => price,
            Err(CellFault::OffGrid(nearest)) => Price::from_raw(nearest),
            Err(CellFault::NotANumber | CellFault::TooLarge) => Price::ZERO,
        });
        match prices.iter().position(|price| *price <= Price::ZERO) {
            Some(index) => Err((Problem::NotPositive, index)),
            None => Ok(prices),
        }
    }

    /// Counts a row whose prices cannot be taken. `true` if it is left out.
    fn refuse(&self, problem: Problem, index: usize, row: &RowCells<'_>, ledger: &mut Ledger) -> bool {
        let name = |index: usize| NAMES.get(index).copied().unwrap_or_default();
        let dropped = ledger.refuse(problem, row.number, || format!("{} {}", name(index), row.cell(index)));
        if problem == Problem::OffTick && !dropped {
            for column in 0..NAMES.len() {
                if matches!(row.cell(column).price(self.tick), Err(CellFault::OffGrid(_))) {
                    ledger.blame(problem, (column, name(column)));
                }
            }
        }
        dropped
    }

    /// The volume, zero where there is none: it is display-grade, so nothing about its digits stops an import.
    fn volume(&mut self, row: &RowCells<'_>) -> Qty {
        if !self.has_volume {
            return Qty::ZERO;
        }
        match row.cell(VOLUME).volume() {
            Ok(volume) => volume,
            Err(CellFault::TooLarge) => {
                self.volumes_capped += 1;
                Qty::MAX
            }
            Err(CellFault::NotANumber | CellFault::OffGrid(_)) => {
                self.volumes_missing += 1;
                Qty::ZERO
            }
        }
    }
}

impl Content for Bars {
    type Item = Ohlcv;

    fn take(&mut self, row: &RowCells<'_>, ledger: &mut Ledger) -> Option<Row<Ohlcv>> {
        let volume = self.volume(row);
        self.traded |= !volume.is_zero();
        let (content, dropped) = match self.prices(row, ledger) {
            Err((problem, index)) => (Ohlcv::default(), self.refuse(problem, index, row, ledger)),
            Ok(_) if volume < Qty::ZERO => {
                (Ohlcv::default(), ledger.refuse(Problem::NegativeVolume, row.number, || volume.to_string()))
            }
            Ok(prices) => in_range(Ohlcv::new(prices, volume), row.number, ledger),
        };
        // A refused row keeps its place in time, so that the gaps reported beside it are those of the source.
        let at = self.opened(row.time, ledger);
        self.first_open.get_or_insert(at);
        self.after_expiry += u64::from(self.kind.expiry().is_some_and(|expiry| at + self.interval > expiry));
        (!dropped).then_some(Row { number: row.number, at, venue: row.time, every: None, content })
    }

    fn event(&self, row: &Row<Ohlcv>) -> (Timestamp, Timestamp, Event) {
        let Ohlcv { open, high, low, close, volume } = row.content;
        let closed = row.at + self.interval;
        let bar = Bar { instrument: InstrumentId(0), opened: row.at, closed, open, high, low, close, volume };
        (closed, closed, Event::Bar(bar))
    }

    fn notes(&self, ledger: &mut Ledger) {
        let mut note = |text: String| ledger.notes.push(text);
        if !self.has_volume {
            note("no volume column was found; volume is 0 in every bar (`--volume-column NAME` names one)".to_owned());
        } else if !self.traded {
            note("volume is 0 in every bar: depth and participation cannot be judged on this tape".to_owned());
        } else if self.kind.contract() == Contract::Inverse {
            note(format!(
                "volume counts as {}; if the file counts contracts, name the column in {0} with `--volume-column`",
                self.base
            ));
        }
        if let (Some(expiry), 1..) = (self.kind.expiry(), self.after_expiry) {
            note(format!(
                "{} after the expiry at {}, at which a run ends the contract: check `--instrument`",
                count(self.after_expiry, "bar"),
                units::show::time(expiry)
            ));
        }
        if self.volumes_missing > 0 {
            note(format!("{} without a volume; taken as 0", count(self.volumes_missing, "bar")));
        }
        if self.volumes_capped > 0 {
            note(format!(
                "{} with a volume too large to keep; capped at {}",
                count(self.volumes_capped, "bar"),
                Qty::MAX
            ));
        }
        if let Some(first) = self.first_open {
            let phase = first.since(first.floor(self.interval));
            if phase > Duration::ZERO && Duration::DAY.nanos() % self.interval.nanos() == 0 {
                note(format!(
                    "bars begin {phase} past the UTC grid of {}: check `--labelled` and the time column",
                    self.interval
                ));
            }
        }
    }
}

/// The bar with its range around open and close, and whether it is left out because that is not so.
fn in_range(mut bar: Ohlcv, number: u64, ledger: &mut Ledger) -> (Ohlcv, bool) {
    let Ohlcv { open, high, low, close, .. } = bar;
    let inside = |price: Price| low <= price && price <= high;
    if inside(open) && inside(close) {
        return (bar, false);
    }
    if ledger.repair(Repair::Widen) {
        (bar.high, bar.low) = (high.max(open).max(close), low.min(open).min(close));
        return (bar, false);
    }
    let dropped = if high < low {
        ledger.refuse(Problem::HighUnderLow, number, || format!("high {high}, low {low}"))
    } else {
        let (name, price) = if inside(open) { ("close", close) } else { ("open", open) };
        ledger.refuse(Problem::OutsideRange, number, || format!("{name} {price}, {low} to {high}"))
    };
    (bar, dropped)
}
