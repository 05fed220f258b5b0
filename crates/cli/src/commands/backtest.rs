//! `trimtab backtest`, and what other commands share with it.

use super::{Outcome, check};
use crate::args::{self, Backtest};
use crate::failure::{Failure, Kind};
use crate::files;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render::{summary, variants};
use crate::settings::Settings;
use crate::terminal::Terminal;
use crate::whole::shown;
use ::backtest::{Error, PolicyFile, Progress, Request, Run};
use ::tape::{Kind as Rows, TapeReader};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;
use units::show::{self, Style};

pub(super) fn run(args: &Backtest, settings: &Settings, terminal: &Terminal) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let mut policies = Vec::new();
    for path in &args.policy {
        let Some(text) = check::accepted(path, &args.set, terminal)? else { return Ok(Outcome::Refused) };
        policies.push(PolicyFile::new(shown(path), text));
    }
    let out = settings.out_for(args.out.as_ref(), &args.policy[0], "")?;
    check_out(&out, args.force)?;
    let tapes = settings.tapes_for(&args.tape)?;
    refuse_twice(&tapes)?;
    let lines = tape_lines(&tapes)?;
    let request = Request { policies, tapes, program: program(), seed: None };
    let cooperation = Cooperation::begin();
    let mut run = execute(&request, terminal, &cooperation)?;
    if args.ablation {
        let mut meter = Meter::counting(terminal, "switching");
        let mut told = |share| super::sweep::step(&mut meter, share, &cooperation);
        run.variants = ::backtest::ablation(&run, settings.threads_for(args.threads), &mut told).map_err(failure)?;
    }
    run.write(&out, args.force).map_err(failure)?;
    for line in lines {
        terminal.result(line);
    }
    summary::show(&run, &out, terminal);
    variants::show(&run, terminal);
    terminal.result(format_args!(
        "  wrote {} (hash {}) in {:.1} s       next: trimtab report {} -o {}",
        out.display(),
        summary::short(&run.record.chain),
        started.elapsed().as_secs_f64(),
        files::word(&out),
        files::word(format!("{}.html", files::name(&out)))
    ));
    Ok(Outcome::Done)
}

const RUN_FOLDER: &str = "a run folder is what `trimtab backtest … --out RUN` writes";

/// What ran, for the record of a run.
pub(super) fn program() -> String {
    format!("trimtab {}", args::VERSION)
}

/// Runs a request with progress, until it is done or interrupted.
pub(super) fn execute(request: &Request, terminal: &Terminal, cooperation: &Cooperation) -> Result<Run, Failure> {
    let mut meter = Meter::new(terminal, "running", "rows");
    ::backtest::run(request, &mut |progress| step(&mut meter, progress, cooperation)).map_err(failure)
}

/// Shows how far it is, and stops at Ctrl-C.
pub(super) fn step(meter: &mut Meter<'_>, progress: Progress, cooperation: &Cooperation) -> ControlFlow<()> {
    meter.at(progress.done, progress.total, || progress.reached.date());
    if cooperation.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// What the library says, with the exit code that it means.
pub(super) fn failure(error: Error) -> Failure {
    match error {
        Error::Interrupted => Failure::interrupted(),
        Error::NotEmpty(path) => Failure::input(format_args!("`{}` is not empty", path.display()))
            .hint("name another folder, or replace the run with `--force`"),
        Error::Io { path, source } => Failure::io("use", &path, &source),
        Error::Tape(error) => super::tape::failure(&error),
        error @ Error::NotARun { .. } => Failure::input(error).hint(RUN_FOLDER),
        Error::Ruin(error) => Failure::input(&error).hint(error.remedy()),
        Error::ValueAtRisk(error) if !error.remedy().is_empty() => Failure::input(error.what()).hint(error.remedy()),
        error @ Error::NoInstrument { .. } => Failure::input(error)
            .hint("name a tape of its bars, which `trimtab import bars` makes, or change what the policy trades"),
        error => Failure::new(Kind::of(error.is_input()), error),
    }
}

/// The run folder in a path: the path itself, or the run inside a demo's folder.
pub(super) fn open(path: &Path) -> Result<Run, Failure> {
    let folder = run_folder(path);
    exists(&folder)?;
    ::backtest::open(&folder).map_err(failure)
}

/// Refuses a run folder that is not there.
pub(super) fn exists(folder: &Path) -> Result<(), Failure> {
    if folder.is_dir() {
        return Ok(());
    }
    let what = if folder.exists() { "is a file, not a run folder" } else { "does not exist" };
    Err(Failure::input(format_args!("`{}` {what}", folder.display())).hint(RUN_FOLDER))
}

pub(super) fn run_folder(path: &Path) -> PathBuf {
    let inside = path.join("run");
    if !path.join("run.json").exists() && inside.join("run.json").is_file() { inside } else { path.to_owned() }
}

fn check_out(out: &Path, force: bool) -> Result<(), Failure> {
    if out.is_file() {
        return Err(Failure::input(format_args!("`{}` is a file; a run is a folder", out.display()))
            .hint("choose another name"));
    }
    match ::backtest::check_free(out, force) {
        Err(Error::NotARun { path, .. }) => Err(Failure::input(format_args!(
            "`{}` holds something else than a run; `--force` replaces only a run",
            path.display()
        ))
        .hint("name another folder")),
        checked => checked.map_err(failure),
    }
}

/// The same bars twice would be two markets.
pub(super) fn refuse_twice(tapes: &[PathBuf]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for tape in tapes {
        // A path that cannot be resolved is refused, with its reason, when the tape is opened.
        if tape.canonicalize().is_ok_and(|path| !seen.insert(path)) {
            return Err(Failure::input(format_args!("`{}` is named twice", tape.display())).hint("name each tape once"));
        }
    }
    Ok(())
}

/// One line a tape: what the run will stand on.
fn tape_lines(paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    for path in paths {
        let reader = TapeReader::open(path).map_err(|error| super::tape::failure(&error))?;
        let info = reader.info();
        let mut parts = vec![files::name(path)];
        for (kind, span) in &info.kinds {
            let noun = match kind {
                Rows::Bar => "bar",
                Rows::Funding => "funding rate",
                Rows::Series => "value",
                Rows::Mark => "mark",
                Rows::Quote => "quote",
            };
            parts.push(format!("{} .. {}", span.first.date(), span.last.date()));
            parts.push(check::counted(span.rows as usize, noun));
        }
        if let Some(gaps) = info.provenance.quality.get("gaps").filter(|gaps| **gaps > 0) {
            parts.push(format!("{} gap{}", show::count(*gaps, Style::Terminal), if *gaps == 1 { "" } else { "s" }));
        }
        lines.push(format!("  tape      {}", parts.join("   ")));
    }
    Ok(lines)
}
