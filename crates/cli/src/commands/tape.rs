//! `trimtab tape info`, `head`, `cat`, `merge`, `check`.

use super::Outcome;
use crate::args::{Tape, TapeCheck, TapeInfo as InfoArgs, TapeMerge, TapeRows};
use crate::failure::{self, Failure};
use crate::files;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render::rows::{self, Form};
use crate::terminal::{ERROR, Terminal, WARNING};
use ::tape::{ALWAYS, GapsOf, Kind, Overlap, TapeError, TapeInfo, TapeReader, Verified};
use market::{Instrument, InstrumentKind};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use units::Timestamp;
use units::show::{self, Style};

pub(super) fn run(args: &Tape, terminal: &Terminal) -> Result<Outcome, Failure> {
    match args {
        Tape::Info(args) => info(args, terminal),
        Tape::Head(args) => cat(&args.rows, args.count, terminal),
        Tape::Cat(args) => cat(args, u64::MAX, terminal),
        Tape::Merge(args) => merge(args, terminal),
        Tape::Check(args) => check(args, terminal),
    }
}

/// From when to when; refuses a span of nothing.
fn within(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Range<Timestamp>, Failure> {
    let span = from.unwrap_or(ALWAYS.start)..to.unwrap_or(ALWAYS.end);
    if span.is_empty() {
        let (from, to) = (show::time(span.start), show::time(span.end));
        return Err(Failure::input(format_args!("nothing lies from {from} to {to}"))
            .hint("`--from` is the first time and comes before `--to`, which is left out"));
    }
    Ok(span)
}

/// Prints rows as they are read: a tape may be larger than the memory, and its reader may have seen enough.
fn cat(args: &TapeRows, count: u64, terminal: &Terminal) -> Result<Outcome, Failure> {
    let Range { start: from, end: to } = within(args.from, args.to)?;
    let mut reader = TapeReader::open(&args.tape).map_err(|error| failure(&error))?;
    let form = match (args.csv, terminal.is_json()) {
        (true, _) => Form::Csv,
        (false, true) => Form::Json,
        (false, false) => Form::Text,
    };
    let mut failed = None;
    terminal.stream(|out| {
        let mut printer = rows::Printer::new(form, reader.info(), out)?;
        let mut left = count;
        while left > 0 {
            match reader.next_row() {
                Ok(Some(row)) if row.receipt < from => {}
                Ok(Some(row)) if row.receipt < to => {
                    printer.row(&row)?;
                    left -= 1;
                }
                Ok(_) => break,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        Ok(())
    });
    failed.map_or(Ok(Outcome::Done), |error| Err(failure(&error)))
}

#[derive(Serialize)]
struct Joined<'a> {
    path: &'a Path,
    tapes: &'a [PathBuf],
    rows: u64,
}

fn merge(args: &TapeMerge, terminal: &Terminal) -> Result<Outcome, Failure> {
    files::refuse_existing(&args.output, args.force)?;
    files::refuse_unwritable(&args.output)?;
    let same = |tape: &PathBuf| match (tape.canonicalize(), args.output.canonicalize()) {
        (Ok(tape), Ok(output)) => tape == output,
        _ => false,
    };
    if let Some(tape) = args.tapes.iter().find(|tape| same(tape)) {
        return Err(Failure::input(format_args!("`{}` is both a tape to read and the one to write", tape.display()))
            .hint("name another file with `-o`"));
    }
    let span = within(args.from, args.to)?;
    let cooperation = Cooperation::begin();
    let mut meter = Meter::new(terminal, "merging", "rows");
    let importer = format!("trimtab {}", env!("CARGO_PKG_VERSION"));
    let written = ::tape::join(&args.tapes, &args.output, &importer, span, &mut |done, total| {
        meter.at(done, total, || files::name(&args.output));
        !cooperation.is_over()
    });
    drop(meter);
    let Some(rows) = written.map_err(|error| failure(&error))? else { return Err(Failure::interrupted()) };
    let path = &args.output;
    terminal.json("merge", &Joined { path, tapes: &args.tapes, rows });
    let (count, tapes) = (show::count(rows, Style::Terminal), args.tapes.len());
    let plural = if tapes == 1 { "" } else { "s" };
    terminal.result(format_args!("  {count} rows of {tapes} tape{plural}"));
    terminal.result(format_args!("wrote {}       next: trimtab tape check {}", path.display(), files::word(path)));
    Ok(Outcome::Done)
}

/// What was found in a tape, for a program.
#[derive(Serialize)]
struct Findings<'a> {
    path: &'a Path,
    whole: bool,
    damage: Option<&'a str>,
    rows: u64,
    gaps: Vec<GapsLine<'a>>,
    overlaps: Vec<OverlapLine<'a>>,
    off_tick: u64,
}

#[derive(Serialize)]
struct GapsLine<'a> {
    of: &'a str,
    kind: Kind,
    every: String,
    count: u64,
    missing: u64,
    longest_from: String,
    longest_to: String,
}

#[derive(Serialize)]
struct OverlapLine<'a> {
    of: &'a str,
    kind: &'a str,
    at: String,
}

impl<'a> From<&'a GapsOf> for GapsLine<'a> {
    fn from(gaps: &'a GapsOf) -> Self {
        let GapsOf { subject: of, kind, every, count, missing, longest: (from, to) } = gaps;
        let (longest_from, longest_to) = (from.to_string(), to.to_string());
        Self { of, kind: *kind, every: every.to_string(), count: *count, missing: *missing, longest_from, longest_to }
    }
}

impl<'a> From<&'a Overlap> for OverlapLine<'a> {
    fn from(overlap: &'a Overlap) -> Self {
        Self { of: &overlap.subject, kind: overlap.kind, at: overlap.at.to_string() }
    }
}

fn check(args: &TapeCheck, terminal: &Terminal) -> Result<Outcome, Failure> {
    let mut meter = Meter::new(terminal, "checking", "rows");
    let mut all = Vec::new();
    for path in &args.tapes {
        let found = ::tape::verify(path, &mut |done, total| meter.at(done, total, || files::name(path)));
        match found {
            // A tape that is damaged is what was asked about; one that is none, or of tomorrow, is a wrong argument.
            Err(error @ (TapeError::Corrupt { .. } | TapeError::Row { .. })) => all.push(Err(error.to_string())),
            Err(error) => return Err(failure(&error)),
            Ok(found) => all.push(Ok(found)),
        }
    }
    // Only whole tapes can be held against each other, and one alone has been.
    let between = if args.tapes.len() > 1 && all.iter().all(Result::is_ok) {
        let name = || "all together".to_owned();
        ::tape::overlaps(&args.tapes, &mut |done, total| meter.at(done, total, name))
            .map_err(|error| failure(&error))?
    } else {
        Vec::new()
    };
    drop(meter);
    let known = |overlap: &&Overlap| !all.iter().flatten().any(|found| found.overlaps.contains(overlap));
    let between: Vec<&Overlap> = between.iter().filter(known).collect();

    let mut negative = 0;
    for (path, found) in args.tapes.iter().zip(&all) {
        let (found, damage) = match found {
            Ok(found) => (found, None),
            Err(damage) => (&Verified::default(), Some(damage.as_str())),
        };
        let gaps: u64 = found.gaps.iter().map(|gaps| gaps.count).sum();
        let bad = usize::from(damage.is_some())
            + found.overlaps.len()
            + usize::from(found.off_tick > 0)
            + usize::from(args.no_gaps && gaps > 0);
        negative += bad;
        terminal.json(
            "tape-check",
            &Findings {
                path,
                whole: bad == 0,
                damage,
                rows: found.rows,
                gaps: found.gaps.iter().map(Into::into).collect(),
                overlaps: found.overlaps.iter().map(Into::into).collect(),
                off_tick: found.off_tick,
            },
        );
        for line in findings(path, found, damage, args.no_gaps) {
            terminal.result(line);
        }
    }
    negative += between.len();
    for overlap in &between {
        terminal.json("overlap", &OverlapLine::from(*overlap));
        terminal.result(format_args!("  {ERROR}overlap{ERROR:#}  {overlap}"));
    }
    let (tapes, plural) = (args.tapes.len(), if args.tapes.len() == 1 { "" } else { "s" });
    let words = if negative == 0 { "ok".to_owned() } else { format!("{negative} negative") };
    terminal.result(format_args!("checked {tapes} tape{plural}   {words}"));
    Ok(if negative == 0 { Outcome::Done } else { Outcome::Negative })
}

fn findings(path: &Path, found: &Verified, damage: Option<&str>, no_gaps: bool) -> Vec<String> {
    let count = |value: u64| show::count(value, Style::Terminal);
    let name = files::name(path);
    if let Some(damage) = damage {
        return vec![name, format!("  {ERROR}damage{ERROR:#}   {damage}")];
    }
    let mut lines = vec![format!("{name}   {} rows match their hashes and stand in order", count(found.rows))];
    for overlap in &found.overlaps {
        let Overlap { subject, kind, at } = overlap;
        lines.push(format!("  {ERROR}overlap{ERROR:#}  {subject} has more than one {kind} at {}", show::time(*at)));
    }
    if found.off_tick > 0 {
        let rows = count(found.off_tick);
        lines.push(format!("  {ERROR}grid{ERROR:#}     {rows} rows with a price off the tick that the tape states"));
    }
    let style = if no_gaps { ERROR } else { WARNING };
    for gaps in &found.gaps {
        let GapsOf { subject, kind, every, count: times, missing, longest: (from, to) } = gaps;
        let longest = if *times == 1 { "" } else { "the longest " };
        lines.push(format!(
            "  {style}gap{style:#}      {subject} {kind}: {} without rows, {} missing at every {every}; {longest}{} .. {}",
            count(*times),
            count(*missing),
            show::time(*from),
            show::time(*to),
        ));
    }
    lines
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

/// `1 gap`, `2 gaps`, `3 missing`: a count of the quality report by the name that it has in the tape.
fn finding(name: &str, number: u64) -> String {
    let one = match name {
        "gaps" => "gap",
        "duplicates" => "duplicate",
        "empty" => "empty cell",
        "no_bid" => return format!("{} without a bid", show::count(number, Style::Terminal)),
        "no_ask" => return format!("{} without an ask", show::count(number, Style::Terminal)),
        "between_steps" => return format!("{} between steps", show::count(number, Style::Terminal)),
        other => return format!("{} {other}", show::count(number, Style::Terminal)),
    };
    super::check::counted(number as usize, one)
}

/// `linear perpetual`, `inverse future until 2024-12-27 08:00:00Z`: the kind of an instrument.
pub(super) fn kind(kind: InstrumentKind) -> String {
    let option = |name: &str, expiry, strike, right| format!("{name} {right} at {strike} until {}", show::time(expiry));
    let until = |name: &str, expiry| format!("{name} future until {}", show::time(expiry));
    match kind {
        InstrumentKind::Spot => "spot".to_owned(),
        InstrumentKind::LinearPerpetual => "linear perpetual".to_owned(),
        InstrumentKind::InversePerpetual => "inverse perpetual".to_owned(),
        InstrumentKind::LinearFuture { expiry } => until("linear", expiry),
        InstrumentKind::InverseFuture { expiry } => until("inverse", expiry),
        InstrumentKind::LinearOption { expiry, strike, right } => option("linear", expiry, strike, right),
        InstrumentKind::InverseOption { expiry, strike, right } => option("inverse", expiry, strike, right),
        InstrumentKind::Structure => "structure of options".to_owned(),
    }
}

/// The options of a catalogue by venue, underlying and settlement, a sentence each; none where they are few.
fn chains(instruments: &[Instrument]) -> Vec<String> {
    const FEW: usize = 4;
    let mut groups: BTreeMap<_, Vec<&Instrument>> = BTreeMap::new();
    for known in instruments.iter().filter(|known| known.kind.is_option()) {
        groups.entry((known.venue(), known.base, known.settle, known.tick, known.lot)).or_default().push(known);
    }
    if groups.values().map(Vec::len).sum::<usize>() <= FEW {
        return Vec::new();
    }
    let count = |number: usize| show::count(number as u64, Style::Terminal);
    let sentence = |((venue, base, settle, tick, lot), options): ((&str, _, _, _, _), Vec<&Instrument>)| {
        let expiries: BTreeSet<Timestamp> = options.iter().filter_map(|known| known.kind.expiry()).collect();
        let strikes: BTreeSet<_> =
            options.iter().filter_map(|known| known.kind.option()).map(|(strike, _)| strike).collect();
        let span = |first: Option<String>, last: Option<String>| match (first, last) {
            (Some(first), Some(last)) if first != last => format!("{first} .. {last}"),
            (Some(first), _) => first,
            _ => String::new(),
        };
        let days =
            span(expiries.first().map(|at| at.date().to_string()), expiries.last().map(|at| at.date().to_string()));
        let range = span(strikes.first().map(ToString::to_string), strikes.last().map(ToString::to_string));
        let expiries =
            if expiries.len() == 1 { "expires".to_owned() } else { format!("{} expiries", count(expiries.len())) };
        format!(
            "{venue}   {} on {base}   {expiries} {days}   strikes {range}   tick {tick}   lot {lot}   settle in {settle}",
            super::check::counted(options.len(), "option")
        )
    };
    groups.into_iter().map(sentence).collect()
}

fn lines(info: &TapeInfo, verbose: bool) -> Vec<String> {
    let count = |value: u64| show::count(value, Style::Terminal);
    let rows = super::check::counted(info.rows as usize, "row");
    let mut lines = vec![format!("{}   tape format {}   {rows}", files::name(&info.path), info.version)];
    // What a file says of itself must not reach the terminal as a command to it.
    let printable = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    let mut row = |label: &str, text: String| {
        let text: String = text.chars().map(printable).collect();
        lines.push(format!("  {label:<11} {text}"));
    };
    let all = &info.catalogue.instruments;
    // A chain has thousands: one line says what they are, `--verbose` names them.
    let chains = if verbose { Vec::new() } else { chains(all) };
    let is_told = |instrument: &&Instrument| chains.is_empty() || !instrument.kind.is_option();
    for instrument in all.iter().filter(is_told) {
        row(
            "holds",
            format!(
                "{}   {}   tick {}   lot {}   minimum {}   settles in {}",
                instrument.symbol,
                kind(instrument.kind),
                instrument.tick,
                instrument.lot,
                instrument.min_qty,
                instrument.settle
            ),
        );
    }
    for chain in chains {
        row("holds", chain);
    }
    for name in &info.catalogue.series {
        row("holds", name.clone());
    }
    for (kind, span) in &info.kinds {
        let label = match kind {
            Kind::Bar => "bars",
            Kind::Funding => "funding",
            Kind::Series => "values",
            Kind::Mark => "marks",
            Kind::Quote => "quotes",
        };
        row(label, format!("{:>11}   {} .. {}", count(span.rows), show::time(span.first), show::time(span.last)));
    }
    let provenance = &info.provenance;
    row("source", provenance.source.clone());
    for repair in &provenance.repairs {
        row("repaired", format!("{}   {}", repair.rule, super::check::counted(repair.rows as usize, "row")));
    }
    let found = provenance.quality.iter().filter(|(name, number)| !name.starts_with("rows_") && **number > 0);
    let found: Vec<String> = found.map(|(name, number)| finding(name, *number)).collect();
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
