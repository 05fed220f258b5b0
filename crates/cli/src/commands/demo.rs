//! `trimtab demo`: the same code as `check`, `backtest` and `report`, on a market made from a seed.

use super::{Outcome, backtest, check};
use crate::args::Demo;
use crate::failure::{Failure, Kind};
use crate::files;
use crate::interrupt::Cooperation;
use crate::render::{explanation, summary};
use crate::terminal::Terminal;
use crate::whole::Whole;
use ::backtest::{PolicyFile, Request, Run, demo, report};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use units::Timestamp;
use units::show::{self, Style};

/// Says that a folder is a demo's, and may be replaced by the next.
const MARK: &str = ".trimtab-demo";
const POLICY: &str = "policy.toml";
const MARKET: &str = "market";
const RUN: &str = "run";
const REPORT: &str = "report.html";
/// All that a demo writes.
const ENTRIES: [&str; 5] = [MARK, POLICY, MARKET, RUN, REPORT];

#[derive(Serialize)]
struct Line<'a> {
    seed: u64,
    folder: &'a Path,
    policy: PathBuf,
    tapes: Vec<PathBuf>,
    run: PathBuf,
    report: PathBuf,
}

pub(super) fn run(args: &Demo, terminal: &Terminal) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let out = &args.out;
    check_out(out, args.force)?;
    let cooperation = Cooperation::begin();
    let parsed = policy::parse(demo::POLICY);
    check::findings(&Whole::of(&out.join(POLICY), demo::POLICY), &parsed.diagnostics, terminal, check::Place::Result);
    check::summary(&out.join(POLICY), &parsed, terminal);

    // Everything is made in a folder beside, so that an interrupted demo leaves nothing behind.
    let staging = staging(out)?;
    let run = make(args, staging.path(), terminal, &cooperation)?;
    put_in_place(staging.path(), out)?;

    let bars = show::count(run.record.bars, Style::Terminal);
    terminal.result(format_args!("  market    seed {}, {bars} bars, made here", args.seed));
    summary::show(&run, &out.join(RUN), terminal);
    tell_one_decision(&run, terminal);
    let path = |name: &str| out.join(name);
    let tapes = run.record.tapes.iter().filter_map(|tape| tape.path.file_name());
    terminal.json(
        "demo",
        &Line {
            seed: args.seed,
            folder: out,
            policy: path(POLICY),
            tapes: tapes.map(|name| path(MARKET).join(name)).collect(),
            run: path(RUN),
            report: path(REPORT),
        },
    );
    terminal.result(format_args!(
        "  wrote {} (run/, report.html, market/, policy.toml; hash {}) in {:.1} s",
        out.display(),
        summary::short(&run.record.chain),
        started.elapsed().as_secs_f64()
    ));
    let next =
        decision(&run).map_or_else(String::new, |at| format!("trimtab explain {} --at {at}", files::word(path(RUN))));
    terminal.result(format_args!("  next: open {}, or {next}", path(REPORT).display()));
    Ok(Outcome::Done)
}

fn check_out(out: &Path, force: bool) -> Result<(), Failure> {
    if out.is_file() {
        return Err(
            Failure::input(format_args!("`{}` is a file", out.display())).hint("name a folder with `--out DIR`")
        );
    }
    let in_use = out.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if in_use && !force && !out.join(MARK).is_file() {
        return Err(Failure::input(format_args!("`{}` is not empty, and not an earlier demo", out.display()))
            .hint("name another folder with `--out DIR`, or write into this one with `--force`"));
    }
    Ok(())
}

fn staging(out: &Path) -> Result<tempfile::TempDir, Failure> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error: std::io::Error| Failure::io("write into", parent, &error);
    fs::create_dir_all(parent).map_err(failed)?;
    tempfile::Builder::new().prefix(".trimtab-demo-").tempdir_in(parent).map_err(failed)
}

/// Market, policy, run and report, all in one folder.
fn make(args: &Demo, folder: &Path, terminal: &Terminal, cooperation: &Cooperation) -> Result<Run, Failure> {
    let market = folder.join(MARKET);
    fs::create_dir(&market).map_err(|error| Failure::io("make the folder", &market, &error))?;
    files::write(&folder.join(MARK), b"Made by `trimtab demo`, which may replace what it made.\n", false)?;
    files::write(&folder.join(POLICY), demo::POLICY.as_bytes(), false)?;
    let tapes = demo::market(args.seed, &market).map_err(backtest::failure)?;
    let request = Request {
        policies: vec![PolicyFile::new(POLICY, demo::POLICY)],
        tapes,
        program: backtest::program(),
        seed: Some(args.seed),
    };
    let mut run = backtest::execute(&request, terminal, cooperation)?;
    let home = std::path::absolute(args.out.join(MARKET)).map_err(|error| Failure::io("find", &args.out, &error))?;
    for tape in &mut run.record.tapes {
        // Where a replay will find it.
        tape.path = home.join(tape.path.file_name().unwrap_or_default());
    }
    run.write(&folder.join(RUN), false).map_err(backtest::failure)?;
    files::write(&folder.join(REPORT), report::html(&run.page()).as_bytes(), false)?;
    Ok(run)
}

/// Moves what was made into the demo's folder. Whatever else is there stays.
fn put_in_place(staging: &Path, out: &Path) -> Result<(), Failure> {
    fs::create_dir_all(out).map_err(|error| Failure::io("make the folder", out, &error))?;
    for name in ENTRIES {
        let place = out.join(name);
        let removed = if place.is_dir() { fs::remove_dir_all(&place) } else { fs::remove_file(&place) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::new(Kind::Outside, format_args!("cannot replace `{}`: {error}", place.display())));
            }
            _ => fs::rename(staging.join(name), &place).map_err(|error| Failure::io("write", &place, &error))?,
        }
    }
    Ok(())
}

/// One decision, as `explain` tells it.
fn tell_one_decision(run: &Run, terminal: &Terminal) {
    let explained = decision(run).and_then(|at| run.explain(at, None, None).ok());
    for line in explained.iter().flat_map(|explained| explanation::brief(explained, &run.record, terminal.width())) {
        terminal.result(line);
    }
}

/// When the run decided to cut a position for the first time, else when it was first stopped out: the moment most worth
/// a look.
fn decision(run: &Run) -> Option<Timestamp> {
    let fills = &run.tables.fills;
    let first = |purpose: &str| fills.iter().find(|fill| fill.purpose == purpose);
    let ordered = |plan: u64| run.tables.plans.iter().find(|row| row.plan == plan).map(|row| row.time);
    let cut = first("cut").and_then(|fill| ordered(fill.plan));
    cut.or_else(|| first("stop").or(fills.first()).map(|fill| fill.time))
}
