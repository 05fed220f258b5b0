//! Files in which every row names its own instrument: option chains, marks of many contracts. Read twice in bounded memory: once
//! for the names, once for the rows; rows of one moment are told apart by their instrument.

pub(crate) mod marks;
pub(crate) mod options;

use crate::cell::{Cell, printable};
use crate::columns::{self, ColumnMap};
use crate::ledger::{Ledger, Problem};
use crate::report::ImportReport;
use crate::scan::{Progress, Scan, Selected};
use crate::session::{self, Job, Output};
use crate::source::Source;
use crate::time::TimeReader;
use crate::{ImportError, Repair};
use market::{Catalogue, Event, Instrument};
use std::collections::BTreeMap;
use std::path::Path;
use tape::{Kind, Provenance, TapeHeader, TapeWriter};
use units::{Duration, InstrumentId, Timestamp};

/// Names told apart; a venue has a few thousand contracts at a time, so a file with more names none.
const NAMES_MAX: usize = 200_000;

/// What the rows of a file are, but for their times and names.
pub(crate) trait Content {
    /// The instrument of a name; `None`: it is none of this kind.
    fn instrument(&self, symbol: &str) -> Result<Option<Instrument>, ImportError>;

    /// Reads the cells of a row. `None` where it is skipped, left out or refused.
    fn take(&mut self, row: &NamedRow<'_>, ledger: &mut Ledger) -> Option<Event>;

    /// Looks at a row that is written.
    fn count(&mut self, at: Timestamp, event: &Event);

    /// Adds what there is to say at the end; gives back what the rows are of: `652 options, 12 expiries, at 4 times`.
    fn conclude(&self, catalogue: &Catalogue, ledger: &mut Ledger) -> String;
}

/// Which columns say of what and when a row is.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The column of names; `None`: all rows are of `venue`, which is then a whole symbol.
    pub(crate) symbol: Option<usize>,
    /// The column that names the venue.
    pub(crate) exchange: Option<usize>,
    /// The venue where no column names it.
    pub(crate) venue: String,
    /// When a row was received.
    pub(crate) receipt: usize,
    /// When it happened, where that is told apart.
    pub(crate) happened: Option<usize>,
    /// When its value was known, where that may be later.
    pub(crate) known: Option<usize>,
}

/// The cells of a row whose name and times are known.
pub(crate) struct NamedRow<'a> {
    pub(crate) number: u64,
    pub(crate) receipt: Timestamp,
    pub(crate) venue: Timestamp,
    /// Whether its value was known later than the time of the row.
    pub(crate) is_late: bool,
    pub(crate) id: InstrumentId,
    pub(crate) instrument: &'a Instrument,
    selected: &'a Selected,
}

impl NamedRow<'_> {
    /// The cell of the `wanted`-th column asked for.
    pub(crate) fn cell(&self, wanted: usize) -> Cell<'_> {
        self.selected.rows.cell(wanted + OWN)
    }

    /// The cell of a column that may be absent.
    pub(crate) fn maybe(&self, wanted: Option<usize>) -> Cell<'_> {
        wanted.map_or(Cell::Empty, |wanted| self.cell(wanted))
    }
}

/// The columns of [`Names`], before those of the content: symbol, exchange, receipt, happened, known.
const OWN: usize = 5;
const SYMBOL: usize = 0;
const EXCHANGE: usize = 1;
const RECEIPT: usize = 2;
const HAPPENED: usize = 3;
const KNOWN: usize = 4;

impl Names {
    /// Column numbers for reading; absent ones are read as another and not looked at.
    fn columns(&self) -> [usize; OWN] {
        let or = |column: Option<usize>| column.unwrap_or(self.receipt);
        [or(self.symbol), or(self.exchange), self.receipt, or(self.happened), or(self.known)]
    }

    /// Writes the symbol of a row to `out`. A name with its venue, as a tape prints it, is a whole symbol.
    fn symbol(&self, rows: &Selected, out: &mut String) {
        out.clear();
        if let (Some(_), Cell::Text(text)) = (self.symbol, rows.rows.cell(SYMBOL))
            && text.contains(':')
        {
            return out.push_str(text.trim());
        }
        match (self.exchange, self.symbol) {
            (Some(_), _) => push(out, rows.rows.cell(EXCHANGE), venue),
            (None, _) => out.push_str(&self.venue),
        }
        if self.symbol.is_some() {
            out.push(':');
            push(out, rows.rows.cell(SYMBOL), |name| name);
        }
    }
}

fn push(out: &mut String, cell: Cell<'_>, name: fn(&str) -> &str) {
    match cell {
        Cell::Text(text) => out.push_str(name(text.trim())),
        cell => out.push_str(&cell.to_string()),
    }
}

/// The venue of an exchange as Tardis calls it, which tells the products of a venue apart.
fn venue(exchange: &str) -> &str {
    match exchange {
        "okex" | "okex-options" | "okex-futures" | "okex-swap" => "okx",
        "binance-european-options" | "binance-options" | "binance-futures" | "binance-delivery" => "binance",
        "bybit-options" | "bybit-spot" => "bybit",
        other => other,
    }
}

/// What differs between chains and marks, but for the content.
pub(crate) struct Request<'a> {
    pub(crate) source: &'a Source,
    pub(crate) columns: &'a ColumnMap,
    pub(crate) out: &'a Path,
    pub(crate) repair: &'a [Repair],
    pub(crate) kind: Kind,
    /// One row, as in "1 quote".
    pub(crate) noun: &'static str,
    /// One instrument, as in "names no option".
    pub(crate) thing: &'static str,
    pub(crate) options: BTreeMap<String, String>,
}

/// Reads all rows and writes the tape, unless a row stands in the way.
pub(crate) fn run<C: Content>(
    request: &Request<'_>,
    names: &Names,
    wanted: &[usize],
    content: &mut C,
    progress: &mut Progress<'_>,
) -> Result<ImportReport, ImportError> {
    let started = std::time::Instant::now();
    let Request { source, columns, out, .. } = *request;
    session::refuse_overwriting(out, &source.path)?;
    let (found, unit) = scan(request, names, content, progress)?;
    let catalogue = catalogue(found.values().flatten());
    if catalogue.instruments.is_empty() {
        let first =
            found.keys().next().map_or(String::new(), |name| format!("; the first name is `{}`", printable(name)));
        return Err(ImportError::source(
            &source.path,
            "no-instrument",
            format!("names no {} (docs/symbols.md){first}; is it another kind of file?", request.thing),
        ));
    }
    let places: BTreeMap<&str, u32> =
        catalogue.instruments.iter().zip(0..).map(|(known, at)| (known.symbol.as_str(), at)).collect();
    let mut ledger = Ledger::new(request.repair);
    ledger.tick = catalogue.instruments.first().map(|instrument| instrument.tick);
    let header = TapeHeader { catalogue: catalogue.clone(), provenance: Provenance::default() };
    let mut output = Output::new(TapeWriter::with_quotes(out, &header)?);
    let mut pass = Pass { names, catalogue: &catalogue, places: &places, moment: Moment::default() };
    pass.run(request, wanted, content, &mut ledger, &mut output, progress)?;
    let subject = content.conclude(&catalogue, &mut ledger);
    let scan = Scan { column: names.receipt, unit, step: None };
    let job = Job {
        source,
        scan: &scan,
        columns,
        out,
        repair: request.repair,
        kind: request.kind,
        noun: request.noun,
        subject: &subject,
        catalogue: Catalogue::default(),
        interval: None,
        width: Duration::ZERO,
        lag: Duration::ZERO,
        options: request.options.clone(),
    };
    session::conclude(&job, ledger, output, progress, started)
}

type Found = BTreeMap<String, Option<Instrument>>;

/// The first pass: which instruments there are, and the unit of the times.
fn scan<C: Content>(
    request: &Request<'_>,
    names: &Names,
    content: &C,
    progress: &mut Progress<'_>,
) -> Result<(Found, Option<crate::time::TimeUnit>), ImportError> {
    let mut selected = Selected::open(request.source, request.columns, &names.columns())?;
    let mut time = TimeReader::new(request.columns.day);
    let mut found = Found::new();
    let mut symbol = String::new();
    let mut rows = 0_u64;
    while selected.next()? {
        progress.row(0, &selected.rows);
        rows += 1;
        time.read(selected.rows.cell(RECEIPT));
        names.symbol(&selected, &mut symbol);
        if !found.contains_key(symbol.as_str()) {
            if found.len() == NAMES_MAX {
                let name = request.source.columns.get(names.symbol.unwrap_or_default()).map_or("", String::as_str);
                return Err(ImportError::column(
                    &request.source.path,
                    "no-names",
                    format!(
                        "has over {NAMES_MAX} different texts in column `{name}`, which names the {}s",
                        request.thing
                    ),
                ));
            }
            found.insert(symbol.clone(), content.instrument(&symbol)?);
        }
    }
    if rows == 0 {
        return Err(crate::scan::no_rows(request.source, request.columns));
    }
    if time.ignores_day() {
        return Err(crate::scan::has_day(request.source, names.receipt));
    }
    Ok((found, time.unit()))
}

/// By underlying, expiry, strike and right: the order in which a chain is read.
fn catalogue<'a>(found: impl Iterator<Item = &'a Instrument>) -> Catalogue {
    let mut instruments: Vec<Instrument> = found.cloned().collect();
    instruments.sort_by(|one, other| {
        let key = |known: &Instrument| (known.base, known.quote, known.kind.expiry(), known.kind.option());
        key(one).cmp(&key(other)).then_with(|| one.symbol.cmp(&other.symbol))
    });
    Catalogue { instruments, series: Vec::new() }
}

/// A row on its way to the tape.
#[derive(Debug, Clone, Copy)]
struct Row {
    number: u64,
    receipt: Timestamp,
    venue: Timestamp,
    id: InstrumentId,
    event: Event,
}

/// The second pass.
struct Pass<'a> {
    names: &'a Names,
    catalogue: &'a Catalogue,
    places: &'a BTreeMap<&'a str, u32>,
    moment: Moment,
}

impl Pass<'_> {
    fn run<C: Content>(
        &mut self,
        request: &Request<'_>,
        wanted: &[usize],
        content: &mut C,
        ledger: &mut Ledger,
        output: &mut Output,
        progress: &mut Progress<'_>,
    ) -> Result<(), ImportError> {
        let columns: Vec<usize> = self.names.columns().into_iter().chain(wanted.iter().copied()).collect();
        let mut selected = Selected::open(request.source, request.columns, &columns)?;
        let mut times = [TimeReader::new(request.columns.day); 3];
        let (mut symbol, mut unsorted) = (String::new(), Vec::new());
        while selected.next()? {
            progress.row(1, &selected.rows);
            ledger.read += 1;
            self.names.symbol(&selected, &mut symbol);
            let Some(row) = self.row(&selected, &symbol, &mut times, content, ledger) else { continue };
            if ledger.is_asked(Repair::Sort) {
                unsorted.push(row);
            } else {
                self.moment.offer(row, content, ledger, output)?;
            }
        }
        let mut latest = Timestamp::MIN;
        for row in &unsorted {
            if row.receipt < latest {
                ledger.repair(Repair::Sort);
            }
            latest = latest.max(row.receipt);
        }
        // A stable sort: of rows that tell one thing twice, the first of the file stays the first.
        unsorted.sort_by_key(|row| row.receipt);
        for row in unsorted {
            self.moment.offer(row, content, ledger, output)?;
        }
        self.moment.flush(content, ledger, output)
    }

    fn row<C: Content>(
        &self,
        selected: &Selected,
        symbol: &str,
        times: &mut [TimeReader; 3],
        content: &mut C,
        ledger: &mut Ledger,
    ) -> Option<Row> {
        let number = selected.rows.number();
        let Some(id) = self.places.get(symbol).copied() else {
            ledger.refuse(Problem::NoInstrument, number, || printable(symbol));
            return None;
        };
        let instrument = self.catalogue.instruments.get(id as usize)?;
        let id = InstrumentId(id);
        let time = |present: bool, at: usize, reader: &mut TimeReader| {
            if !present {
                return Ok(None);
            }
            reader.read(selected.rows.cell(at)).map(Some).ok_or(at)
        };
        let [receipt, happened, known] = times;
        let told = time(true, RECEIPT, receipt).and_then(|receipt| {
            Ok((
                receipt,
                time(self.names.happened.is_some(), HAPPENED, happened)?,
                time(self.names.known.is_some(), KNOWN, known)?,
            ))
        });
        let (told, happened, known) = match told {
            Ok((Some(told), happened, known)) => (told, happened, known),
            Ok((None, ..)) => return None,
            Err(at) => {
                ledger.refuse(Problem::NoTime, number, || selected.rows.cell(at).to_string());
                return None;
            }
        };
        let receipt = known.map_or(told, |known| told.max(known));
        let venue = happened.or(known).unwrap_or(told);
        let is_late = receipt > told;
        let cells = NamedRow { number, receipt, venue, is_late, id, instrument, selected };
        let event = content.take(&cells, ledger)?;
        Some(Row { number, receipt, venue, id, event })
    }
}

/// The rows of one receipt time, held back until the time has passed.
#[derive(Debug, Default)]
struct Moment {
    at: Option<Timestamp>,
    rows: BTreeMap<InstrumentId, Row>,
}

impl Moment {
    fn offer<C: Content>(
        &mut self,
        row: Row,
        content: &mut C,
        ledger: &mut Ledger,
        output: &mut Output,
    ) -> Result<(), ImportError> {
        if let Some(at) = self.at {
            if row.receipt < at {
                ledger.refuse(Problem::Backwards, row.number, || format!("{} after {at}", row.receipt));
                return Ok(());
            }
            if row.receipt > at {
                self.flush(content, ledger, output)?;
            }
        }
        self.at = Some(row.receipt);
        match self.rows.get_mut(&row.id) {
            None => {
                self.rows.insert(row.id, row);
            }
            Some(held) if held.event == row.event => ledger.duplicates += 1,
            Some(held) if ledger.repair(Repair::KeepLast) => *held = row,
            Some(_) if ledger.repair(Repair::KeepFirst) => {}
            Some(_) => {
                ledger.refuse(Problem::Conflict, row.number, || format!("{} again", row.receipt));
            }
        }
        Ok(())
    }

    /// Writes the rows, unless the import has already failed.
    fn flush<C: Content>(
        &mut self,
        content: &mut C,
        ledger: &mut Ledger,
        output: &mut Output,
    ) -> Result<(), ImportError> {
        for row in std::mem::take(&mut self.rows).into_values() {
            content.count(row.receipt, &row.event);
            output.push(row.receipt, row.venue, &row.event, ledger)?;
        }
        Ok(())
    }
}

/// A column by the flag that names it, else the first of its known names that the file has.
pub(crate) fn column(
    source: &Source,
    named: Option<&String>,
    flag: &str,
    known: &[&str],
) -> Result<Option<usize>, ImportError> {
    match named {
        Some(name) => columns::named(source, name, flag).map(Some),
        None => Ok(columns::recognised(source, known)),
    }
}
