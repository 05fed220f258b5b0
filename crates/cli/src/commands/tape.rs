//! `trimtab tape info`.

use super::Outcome;
use crate::args::{Tape, TapeInfo as InfoArgs};
use crate::failure::{self, Failure};
use crate::files;
use crate::terminal::Terminal;
use ::tape::{Kind, TapeError, TapeInfo, TapeReader};
use serde::Serialize;
use std::path::Path;
use units::show::{self, Style};

pub(super) fn run(args: &Tape, terminal: &Terminal) -> Result<Outcome, Failure> {
    match args {
        Tape::Info(args) => info(args, terminal),
    }
}

#[derive(Serialize)]
struct Line<'a> {
    path: &'a Path,
    #[serde(flatten)]
    info: &'a TapeInfo,
}

fn info(args: &InfoArgs, terminal: &Terminal) -> Result<Outcome, Failure> {
    // All are opened before anything is said: one bad tape among ten is the answer.
    let readers =
        args.tapes.iter().map(TapeReader::open).collect::<Result<Vec<_>, _>>().map_err(|error| failure(&error))?;
    for reader in &readers {
        let info = reader.info();
        terminal.json("tape", &Line { path: &info.path, info });
        for line in lines(info, terminal.is_verbose()) {
            terminal.result(line);
        }
    }
    Ok(Outcome::Done)
}

/// What the library says, with the exit code that it means.
pub(super) fn failure(error: &TapeError) -> Failure {
    match error {
        TapeError::Io { path, source } => {
            Failure::io("open", path, source).hint("`trimtab import` makes tapes of recorded data")
        }
        error => Failure::new(failure::Kind::of(error.is_input()), error),
    }
}

fn lines(info: &TapeInfo, verbose: bool) -> Vec<String> {
    let count = |value: u64| show::count(value, Style::Terminal);
    let mut lines =
        vec![format!("{}   tape format {}   {} rows", files::name(&info.path), info.version, count(info.rows))];
    // What a file says of itself must not reach the terminal as a command to it.
    let printable = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    let mut row = |label: &str, text: String| {
        let text: String = text.chars().map(printable).collect();
        lines.push(format!("  {label:<11} {text}"));
    };
    for instrument in &info.catalogue.instruments {
        row(
            "holds",
            format!(
                "{}   tick {}   lot {}   minimum {}   settles in {}",
                instrument.symbol, instrument.tick, instrument.lot, instrument.min_qty, instrument.settle
            ),
        );
    }
    for name in &info.catalogue.series {
        row("holds", name.clone());
    }
    for (kind, span) in &info.kinds {
        let label = match kind {
            Kind::Bar => "bars",
            Kind::Funding => "funding",
            Kind::Series => "values",
        };
        row(label, format!("{:>11}   {} .. {}", count(span.rows), show::time(span.first), show::time(span.last)));
    }
    let provenance = &info.provenance;
    row("source", provenance.source.clone());
    for repair in &provenance.repairs {
        row("repaired", format!("{}   {} rows", repair.rule, count(repair.rows)));
    }
    let found = provenance.quality.iter().filter(|(name, number)| !name.starts_with("rows_") && **number > 0);
    let found: Vec<String> = found.map(|(name, number)| format!("{} {name}", count(*number))).collect();
    row("quality", if found.is_empty() { "nothing found".to_owned() } else { found.join("   ") });
    for warning in &provenance.warnings {
        row("warning", warning.clone());
    }
    if verbose {
        row("made by", provenance.importer.clone());
        row("source hash", provenance.source_blake3.clone());
        for (name, value) in &provenance.options {
            row("option", format!("{name} = {value}"));
        }
    }
    lines
}
