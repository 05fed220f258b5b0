//! `trimtab import bars`, `funding`, `options`, `marks`, `series`.

use super::Outcome;
use crate::args::{
    Import, ImportBars, ImportFile, ImportFunding, ImportMarks, ImportOptions, ImportSeries, InstrumentArgs, TermsArgs,
};
use crate::args::{KindArg, LabelledArg, RateUnitArg, UnitArg};
use crate::failure::{Failure, Kind};
use crate::files;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::terminal::{Terminal, WARNING};
use ::import::{
    BarsRequest, ColumnMap, ContractKind, FundingRequest, ImportError, ImportReport, Labelled, MarksRequest,
    OptionsRequest, RateUnit, Repair, SeriesRequest, SeriesUnit, Terms,
};
use market::{Instrument, InstrumentKind};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use units::Duration;

pub(super) fn run(args: &Import, terminal: &Terminal) -> Result<Outcome, Failure> {
    let file = match args {
        Import::Bars(args) => &args.file,
        Import::Funding(args) => &args.file,
        Import::Options(args) => &args.file,
        Import::Marks(args) => &args.file,
        Import::Series(args) => &args.file,
    };
    let flags = flags(args, file);
    // What a file named already is saved there, and a series always names its column.
    let saved = ColumnMap { value: None, ..flags.clone() } != ColumnMap::default();
    let known = file.columns.as_ref().map(|path| ColumnMap::read(path).map_err(|error| failure(&error))).transpose()?;
    let columns = flags.or(known.unwrap_or_default());
    let map = saved.then(|| columns.clone());
    if map.is_some() {
        files::refuse_existing(&ColumnMap::beside(&file.output), file.force)?;
    }
    let instrument = match args {
        Import::Bars(args) => Some(instrument(&args.instrument)?),
        Import::Funding(args) => Some(instrument(&args.instrument)?),
        Import::Options(_) | Import::Marks(_) | Import::Series(_) => None,
    };
    let report = match args {
        Import::Bars(args) => bars(args, columns, terminal)?,
        Import::Funding(args) => funding(args, columns, terminal)?,
        Import::Options(args) => options(args, columns, terminal)?,
        Import::Marks(args) => marks(args, columns, terminal)?,
        Import::Series(args) => series(args, columns, terminal)?,
    };
    terminal.json("import", &report);
    // What a symbol was taken for decides how money is counted.
    if let Some(known) = instrument.filter(|known| known.kind != InstrumentKind::LinearPerpetual) {
        let Instrument { symbol, kind, settle, .. } = known;
        terminal.result(format_args!("  {symbol}: {}, settles in {settle}", super::tape::kind(kind)));
    }
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
    if let Some(map) = map {
        let path = ColumnMap::beside(&file.output);
        files::write(&path, map.to_toml(&file.file).as_bytes(), file.force)?;
        terminal.result(format_args!("wrote {}: `--columns` reads the next file the same way", path.display()));
    }
    terminal.result(format_args!("wrote {tape}       next: trimtab tape info {}", files::word(&file.output)));
    Ok(Outcome::Done)
}

/// The columns that flags name.
fn flags(args: &Import, file: &ImportFile) -> ColumnMap {
    let common = ColumnMap {
        time: file.time_column.clone(),
        only: file.only.clone(),
        no_header: file.no_header,
        day: file.day,
        ..ColumnMap::default()
    };
    match args {
        Import::Bars(args) => ColumnMap {
            open: args.named.open_column.clone(),
            high: args.named.high_column.clone(),
            low: args.named.low_column.clone(),
            close: args.named.close_column.clone(),
            volume: args.named.volume_column.clone(),
            ..common
        },
        Import::Funding(args) => ColumnMap { rate: args.rate_column.clone(), ..common },
        Import::Options(_) | Import::Marks(_) => common,
        Import::Series(args) => ColumnMap { value: args.column.clone(), ..common },
    }
}

fn bars(args: &ImportBars, columns: ColumnMap, terminal: &Terminal) -> Result<ImportReport, Failure> {
    let file = &args.file;
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

fn funding(args: &ImportFunding, columns: ColumnMap, terminal: &Terminal) -> Result<ImportReport, Failure> {
    let file = &args.file;
    let unit = match args.rate_unit {
        RateUnitArg::Fraction => RateUnit::Fraction,
        RateUnitArg::Percent => RateUnit::Percent,
        RateUnitArg::Bp => RateUnit::BasisPoints,
    };
    let request = FundingRequest {
        interval: args.interval,
        repair: repairs(file)?,
        columns,
        ..FundingRequest::new(&file.file, instrument(&args.instrument)?, unit, &file.output)
    };
    work(file, terminal, |progress| ::import::funding(&request, progress))
}

fn options(args: &ImportOptions, columns: ColumnMap, terminal: &Terminal) -> Result<ImportReport, Failure> {
    let file = &args.file;
    let (terms, repair) = (terms(&args.terms), repairs(file)?);
    let request = OptionsRequest { terms, repair, columns, ..OptionsRequest::new(&file.file, &file.output) };
    work(file, terminal, |progress| ::import::options(&request, progress))
}

fn marks(args: &ImportMarks, columns: ColumnMap, terminal: &Terminal) -> Result<ImportReport, Failure> {
    let file = &args.file;
    let request = MarksRequest {
        instrument: args.instrument.clone(),
        price: args.price_column.clone(),
        terms: terms(&args.terms),
        repair: repairs(file)?,
        columns,
        ..MarksRequest::new(&file.file, &file.output)
    };
    work(file, terminal, |progress| ::import::marks(&request, progress))
}

fn series(args: &ImportSeries, columns: ColumnMap, terminal: &Terminal) -> Result<ImportReport, Failure> {
    let file = &args.file;
    let unit = match args.unit {
        UnitArg::Fraction => SeriesUnit::Fraction,
        UnitArg::Percent => SeriesUnit::Percent,
    };
    let column = columns.value.clone().ok_or_else(|| {
        Failure::input("the column map has no `value`: the column that holds the series")
            .hint("name it with `--column NAME`, or write `value = \"NAME\"` into the map")
    })?;
    let request = SeriesRequest {
        lag: args.lag.unwrap_or(Duration::ZERO),
        repair: repairs(file)?,
        columns,
        ..SeriesRequest::new(&file.file, &column, &args.name, unit, &file.output)
    };
    let report = work(file, terminal, |progress| ::import::series(&request, progress))?;
    if args.lag.is_none() {
        terminal
            .note("note: no `--lag`: each value counts as known at its own time; a daily index is known a day later");
    }
    Ok(report)
}

fn repairs(file: &ImportFile) -> Result<Vec<Repair>, Failure> {
    file.repair.iter().map(|name| name.parse()).collect::<Result<_, _>>().map_err(Failure::input)
}

fn contract_kind(kind: KindArg) -> ContractKind {
    match kind {
        KindArg::Spot => ContractKind::Spot,
        KindArg::Linear => ContractKind::Linear,
        KindArg::Inverse => ContractKind::Inverse,
    }
}

fn terms(args: &TermsArgs) -> Terms {
    let TermsArgs { kind, settle, tick, lot } = *args;
    Terms { kind: kind.map(contract_kind), settle, tick, lot, ..Terms::default() }
}

fn instrument(args: &InstrumentArgs) -> Result<Instrument, Failure> {
    let kind = args.kind.map(contract_kind);
    let InstrumentArgs { expiry, settle, tick, lot, min_qty, .. } = *args;
    let terms = Terms { kind, expiry, settle, tick, lot, min_qty };
    ::import::instrument(&args.instrument, &terms).map_err(|error| failure(&error))
}

fn failure(error: &ImportError) -> Failure {
    match error {
        ImportError::Io { path, source } => Failure::io("read", path, source),
        ImportError::Tape(error) => super::tape::failure(error),
        error => Failure::new(Kind::of(error.is_input()), error).code(error.code()),
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
    files::refuse_unwritable(&file.output)?;
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
