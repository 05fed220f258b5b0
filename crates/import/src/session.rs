//! The second pass, the same for every kind: rows through checks and order into a tape, and the report.

use crate::cell::Cell;
use crate::columns::ColumnMap;
use crate::ledger::{Ledger, Problem};
use crate::report::{ImportReport, count};
use crate::scan::{Progress, Scan, Selected};
use crate::sequence::{Row, Sequence};
use crate::source::Source;
use crate::time::{TimeReader, TimeUnit};
use crate::{BadRows, ImportError, Repair};
use market::{Catalogue, Event};
use std::collections::BTreeMap;
use std::path::Path;
use tape::{AppliedRepair, Kind, Provenance, TapeHeader, TapeWriter};
use units::{Duration, Timestamp};

/// All that the kinds of import differ in, but for the content of a row.
pub(crate) struct Job<'a> {
    pub(crate) source: &'a Source,
    pub(crate) scan: &'a Scan,
    pub(crate) columns: &'a ColumnMap,
    pub(crate) out: &'a Path,
    pub(crate) repair: &'a [Repair],
    pub(crate) kind: Kind,
    pub(crate) noun: &'static str,
    pub(crate) subject: &'a str,
    pub(crate) catalogue: Catalogue,
    pub(crate) interval: Option<Duration>,
    /// How long a row lasts. Zero for instants.
    pub(crate) width: Duration,
    pub(crate) lag: Duration,
    pub(crate) options: BTreeMap<String, String>,
}

/// What a kind knows about its rows.
pub(crate) trait Content {
    /// A row but for its time.
    type Item: Copy + PartialEq;

    /// Reads the cells of a row. `None` where it is skipped or left out; a refused row keeps its place.
    fn take(&mut self, row: &RowCells<'_>, ledger: &mut Ledger) -> Option<Row<Self::Item>>;

    /// Receipt time, venue time and event of a row.
    fn event(&self, row: &Row<Self::Item>) -> (Timestamp, Timestamp, Event);

    /// What there is to say at the end.
    fn notes(&self, ledger: &mut Ledger);
}

/// The cells of one row, and its time.
pub(crate) struct RowCells<'a> {
    pub(crate) number: u64,
    pub(crate) time: Timestamp,
    selected: &'a Selected,
}

impl RowCells<'_> {
    /// The cell of the `wanted`-th column asked for.
    pub(crate) fn cell(&self, wanted: usize) -> Cell<'_> {
        self.selected.rows.cell(wanted + 1)
    }
}

/// Reads all rows with the given columns and writes the tape, unless a row stands in the way.
pub(crate) fn run<C: Content>(
    job: &Job<'_>,
    wanted: &[usize],
    content: &mut C,
    progress: &mut Progress<'_>,
) -> Result<ImportReport, ImportError> {
    refuse_overwriting(job.out, &job.source.path)?;
    let started = std::time::Instant::now();
    tracing::info!(source = %job.source.path.display(), kind = ?job.kind, subject = job.subject, "import begun");
    let mut ledger = Ledger::new(job.repair);
    ledger.tick = job.catalogue.instruments.first().map(|instrument| instrument.tick);
    let header = TapeHeader { catalogue: job.catalogue.clone(), provenance: Provenance::default() };
    let mut output = Output::new(TapeWriter::create(job.out, &header)?);
    pass(job, wanted, content, &mut ledger, &mut output, progress)?;
    content.notes(&mut ledger);
    conclude(job, ledger, output, progress, started)
}

/// The end of every import: the refusal, or the tape in its place and the report.
pub(crate) fn conclude(
    job: &Job<'_>,
    ledger: Ledger,
    mut output: Output,
    progress: &mut Progress<'_>,
    started: std::time::Instant,
) -> Result<ImportReport, ImportError> {
    let warnings = warnings(job, &ledger);
    if ledger.bad > 0 {
        return Err(ImportError::Rows(Box::new(BadRows {
            path: job.source.path.clone(),
            unit: job.source.unit(),
            bad: ledger.bad,
            read: ledger.read,
            tallies: ledger.into_tallies(),
            warnings,
        })));
    }
    let (Some(first), Some(last)) = (output.first, output.last) else {
        return Err(ImportError::source(&job.source.path, "no-rows", format!("leaves no {} to write", job.noun)));
    };
    let report = report(job, &ledger, warnings, first, last + job.width);
    let provenance = provenance(job, &report)?;
    let blake3 = provenance.source_blake3.clone();
    output.writer.set_provenance(provenance);
    output.writer.finish()?;
    progress.end();
    let (read, written, spent_ms) = (report.rows_read, report.rows_written, started.elapsed().as_millis() as u64);
    tracing::info!(source = %job.source.path.display(), blake3, read, written, spent_ms, "import ended");
    Ok(report)
}

/// The tape in the making.
pub(crate) struct Output {
    writer: TapeWriter,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Output {
    pub(crate) fn new(writer: TapeWriter) -> Self {
        Self { writer, first: None, last: None }
    }

    /// Writes a row, unless the import has already failed.
    pub(crate) fn push(
        &mut self,
        receipt: Timestamp,
        venue: Timestamp,
        event: &Event,
        ledger: &mut Ledger,
    ) -> Result<(), ImportError> {
        if ledger.bad > 0 {
            return Ok(());
        }
        self.writer.push(receipt, venue, event)?;
        self.first.get_or_insert(receipt);
        self.last = Some(receipt);
        ledger.written += 1;
        Ok(())
    }

    /// Writes a settled row, unless the import has already failed.
    fn write<C: Content>(&mut self, row: &Row<C::Item>, content: &C, ledger: &mut Ledger) -> Result<(), ImportError> {
        if ledger.bad > 0 {
            return Ok(());
        }
        let (receipt, venue, event) = content.event(row);
        self.writer.push(receipt, venue, &event)?;
        self.first.get_or_insert(row.at);
        self.last = Some(row.at);
        ledger.written += 1;
        Ok(())
    }
}

fn pass<C: Content>(
    job: &Job<'_>,
    wanted: &[usize],
    content: &mut C,
    ledger: &mut Ledger,
    output: &mut Output,
    progress: &mut Progress<'_>,
) -> Result<(), ImportError> {
    let columns: Vec<usize> = std::iter::once(job.scan.column).chain(wanted.iter().copied()).collect();
    let mut selected = Selected::open(job.source, job.columns, &columns)?;
    let mut sequence = Sequence::new(job.interval, job.width);
    let mut time = TimeReader::new(job.columns.day);
    let mut unsorted = Vec::new();
    while selected.next()? {
        progress.row(1, &selected.rows);
        ledger.read += 1;
        let number = selected.rows.number();
        let Some(at) = time.read(selected.rows.cell(0)) else {
            ledger.refuse(Problem::NoTime, number, || selected.rows.cell(0).to_string());
            continue;
        };
        let cells = RowCells { number, time: at, selected: &selected };
        let Some(row) = content.take(&cells, ledger) else { continue };
        if ledger.is_asked(Repair::Sort) {
            unsorted.push(row);
        } else if let Some(settled) = sequence.offer(row, ledger) {
            output.write(&settled, content, ledger)?;
        }
    }
    for row in sorted(unsorted, ledger) {
        if let Some(settled) = sequence.offer(row, ledger) {
            output.write(&settled, content, ledger)?;
        }
    }
    if let Some(last) = sequence.finish() {
        output.write(&last, content, ledger)?;
    }
    Ok(())
}

/// In order of time, counting the rows that had stood behind a later one.
fn sorted<T>(mut rows: Vec<Row<T>>, ledger: &mut Ledger) -> Vec<Row<T>> {
    let mut latest = Timestamp::MIN;
    for row in &rows {
        if row.at < latest {
            ledger.repair(Repair::Sort);
        }
        latest = latest.max(row.at);
    }
    rows.sort_by_key(|row| row.at);
    rows
}

pub(crate) fn refuse_overwriting(out: &Path, source: &Path) -> Result<(), ImportError> {
    let same = match (out.canonicalize(), source.canonicalize()) {
        (Ok(out), Ok(source)) => out == source,
        _ => false,
    };
    if same {
        let out = out.display();
        return Err(ImportError::Option(format!("`{out}` is the source itself; name another file with `-o`")));
    }
    Ok(())
}

fn warnings(job: &Job<'_>, ledger: &Ledger) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(taken_for) = job.source.headless {
        warnings.push(format!("no header line: read as {taken_for}"));
    }
    let name = job.source.columns.get(job.scan.column).map_or("", String::as_str);
    if let (Some(unit), Some(claimed)) = (job.scan.unit, TimeUnit::claimed_by(name))
        && unit != claimed
    {
        warnings.push(format!("column `{name}` holds {unit}, not the {claimed} of its name; read as {unit}"));
    }
    warnings.extend(ledger.gaps.sentence(job.noun));
    if ledger.duplicates > 0 {
        warnings.push(format!("{} dropped", count(ledger.duplicates, &format!("identical duplicate {}", job.noun))));
    }
    if let (1.., Some(interval)) = (ledger.irregular, job.interval) {
        let rows = count(ledger.irregular, job.noun);
        warnings.push(format!("{rows} off the rhythm of {interval}; kept at the recorded time"));
    }
    warnings.extend(ledger.notes.iter().cloned());
    warnings
}

fn report(job: &Job<'_>, ledger: &Ledger, warnings: Vec<String>, first: Timestamp, last: Timestamp) -> ImportReport {
    ImportReport {
        source: job.source.path.clone(),
        out: job.out.to_owned(),
        kind: job.kind,
        subject: job.subject.to_owned(),
        time_column: job.source.columns.get(job.scan.column).cloned().unwrap_or_default(),
        time_unit: job.scan.unit.map(|unit| unit.to_string()),
        rows_read: ledger.read,
        rows_written: ledger.written,
        first,
        last,
        interval: job.interval,
        lag: job.lag,
        gaps: ledger.gaps,
        irregular: ledger.irregular,
        duplicates: ledger.duplicates,
        snapped: ledger.snapped,
        empty: ledger.empty,
        repairs: ledger
            .repairs()
            .map(|(repair, rows)| AppliedRepair { rule: repair.as_str().to_owned(), rows })
            .collect(),
        counts: ledger.counts.clone(),
        warnings,
    }
}

fn provenance(job: &Job<'_>, report: &ImportReport) -> Result<Provenance, ImportError> {
    let mut options = job.options.clone();
    options.insert("time-column".to_owned(), report.time_column.clone());
    if let Some(interval) = report.interval {
        options.insert("interval".to_owned(), interval.to_string());
    }
    for (name, value) in job.columns.named() {
        options.entry(name.to_owned()).or_insert(value);
    }
    let quality = [
        ("rows_read", report.rows_read),
        ("rows_written", report.rows_written),
        ("gaps", report.gaps.count),
        ("missing", report.gaps.missing),
        ("irregular", report.irregular),
        ("duplicates", report.duplicates),
        ("snapped", report.snapped),
        ("empty", report.empty),
    ];
    // How much there is of what is no finding, and does not add up when tapes are merged.
    let is_finding = |name: &str| !matches!(name, "options" | "expiries" | "times" | "contracts");
    let counts = report.counts.iter().map(|(name, count)| (*name, *count)).filter(|(name, _)| is_finding(name));
    Ok(Provenance {
        source: job.source.name(),
        source_blake3: tape::digest(&job.source.path)?,
        importer: concat!("trimtab ", env!("CARGO_PKG_VERSION")).to_owned(),
        options,
        repairs: report.repairs.clone(),
        quality: quality.into_iter().chain(counts).map(|(name, count)| (name.to_owned(), count)).collect(),
        warnings: report.warnings.clone(),
    })
}
