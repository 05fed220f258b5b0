//! `trimtab import bars`, `funding`, `series`.

use super::Outcome;
use crate::args::{Import, ImportBars, ImportFile, ImportFunding, ImportSeries, InstrumentArgs};
use crate::args::{LabelledArg, RateUnitArg, UnitArg};
use crate::failure::{Failure, Kind};
use crate::files;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::terminal::{Terminal, WARNING};
use ::import::{
    BarsRequest, ColumnMap, FundingRequest, ImportError, ImportReport, Labelled, RateUnit, Repair, SeriesRequest,
    SeriesUnit,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use units::Duration;

pub(super) fn run(args: &Import, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (file, report) = match args {
        Import::Bars(args) => (&args.file, bars(args, terminal)?),
        Import::Funding(args) => (&args.file, funding(args, terminal)?),
        Import::Series(args) => (&args.file, series(args, terminal)?),
    };
    terminal.json("import", &report);
    for line in report.lines() {
        match line.strip_prefix("warning: ") {
            Some(warning) => terminal.result(format_args!("  {WARNING}warning{WARNING:#}: {warning}")),
            None => terminal.result(format_args!("  {line}")),
        }
    }
    let unit = report.time_unit.as_ref().map_or(String::new(), |unit| format!(" in {unit}"));
    let (read, column) = (report.rows_read, &report.time_column);
    terminal.detail(format_args!("  read {read} rows; their time is column `{column}`{unit}"));
    let tape = file.output.display();
    terminal.result(format_args!("wrote {tape}       next: trimtab tape info {tape}"));
    Ok(Outcome::Done)
}

fn bars(args: &ImportBars, terminal: &Terminal) -> Result<ImportReport, Failure> {
    let (file, named) = (&args.file, &args.columns);
    let columns = ColumnMap {
        open: named.open_column.clone(),
        high: named.high_column.clone(),
        low: named.low_column.clone(),
        close: named.close_column.clone(),
        volume: named.volume_column.clone(),
        ..columns(file)
    };
    let labelled = match args.labelled {
        LabelledArg::Open => Labelled::Open,
        LabelledArg::Close => Labelled::Close,
    };
    let request = BarsRequest {
        interval: args.interval,
        repair: repairs(file)?,
        columns,
        ..BarsRequest::new(&file.file, instrument(&args.instrument)?, labelled, &file.output)
    };
    work(file, terminal, |progress| ::import::bars(&request, progress))
}

fn funding(args: &ImportFunding, terminal: &Terminal) -> Result<ImportReport, Failure> {
    let file = &args.file;
    let unit = match args.rate_unit {
        RateUnitArg::Fraction => RateUnit::Fraction,
        RateUnitArg::Percent => RateUnit::Percent,
        RateUnitArg::Bp => RateUnit::BasisPoints,
    };
    let request = FundingRequest {
        interval: args.interval,
        repair: repairs(file)?,
        columns: ColumnMap { rate: args.rate_column.clone(), ..columns(file) },
        ..FundingRequest::new(&file.file, instrument(&args.instrument)?, unit, &file.output)
    };
    work(file, terminal, |progress| ::import::funding(&request, progress))
}

fn series(args: &ImportSeries, terminal: &Terminal) -> Result<ImportReport, Failure> {
    let file = &args.file;
    let unit = match args.unit {
        UnitArg::Fraction => SeriesUnit::Fraction,
        UnitArg::Percent => SeriesUnit::Percent,
    };
    let request = SeriesRequest {
        lag: args.lag.unwrap_or(Duration::ZERO),
        repair: repairs(file)?,
        columns: columns(file),
        ..SeriesRequest::new(&file.file, &args.column, &args.name, unit, &file.output)
    };
    let report = work(file, terminal, |progress| ::import::series(&request, progress))?;
    if args.lag.is_none() {
        terminal
            .note("note: no `--lag`: each value counts as known at its own time; a daily index is known a day later");
    }
    Ok(report)
}

fn columns(file: &ImportFile) -> ColumnMap {
    ColumnMap { time: file.time_column.clone(), only: file.only.clone(), ..ColumnMap::default() }
}

fn repairs(file: &ImportFile) -> Result<Vec<Repair>, Failure> {
    file.repair.iter().map(|name| name.parse()).collect::<Result<_, _>>().map_err(Failure::input)
}

fn instrument(args: &InstrumentArgs) -> Result<market::Instrument, Failure> {
    ::import::instrument(&args.instrument, args.tick, args.lot).map_err(|error| failure(&error))
}

fn failure(error: &ImportError) -> Failure {
    match error {
        ImportError::Io { path, source } => Failure::io("read", path, source),
        ImportError::Tape(error) => super::tape::failure(error),
        error => Failure::new(Kind::of(error.is_input()), error),
    }
}

/// The payload of an unwinding that is no panic.
struct Interrupted;

/// Runs an import with progress, until it is done or interrupted.
fn work(
    file: &ImportFile,
    terminal: &Terminal,
    import: impl FnOnce(&mut dyn FnMut(u64, u64)) -> Result<ImportReport, ImportError>,
) -> Result<ImportReport, Failure> {
    files::refuse_existing(&file.output, file.force)?;
    let cooperation = Cooperation::begin();
    let mut meter = Meter::new(terminal, "reading", "");
    let name = files::name(&file.file);
    let mut progress = |done, total| {
        meter.at(done, total, || name.clone());
        if cooperation.is_over() {
            // An import's progress has no way to say stop. Unwinding is one that leaves nothing behind: the unfinished
            // tape is a temporary file of its writer.
            resume_unwind(Box::new(Interrupted));
        }
    };
    match catch_unwind(AssertUnwindSafe(|| import(&mut progress))) {
        Ok(report) => report.map_err(|error| failure(&error)),
        Err(payload) if payload.is::<Interrupted>() => Err(Failure::interrupted()),
        Err(payload) => resume_unwind(payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_repair() {
        assert_eq!(crate::args::REPAIRS, Repair::ALL.map(Repair::as_str));
    }
}
