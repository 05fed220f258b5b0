//! Every recorded file that is laid beside the clone comes in with documented flags, or is refused for what it is.
//!
//! `imports.table` has a line a file and way of reading it: the path below the shared folder, the flags, what comes of it. What
//! the data's own README states (rows, gaps, missing bars, duplicates) is compared with what was read. Files that no line names
//! are no bars, funding rates, option chains, marks or series; each of them must be refused as bars, by a code.
//!
//! `UPDATE=1 cargo test -p trimtab --test imports` writes what came of it into the table; read the difference before you keep it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use common::Sandbox;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folders all of whose files a line must name.
const WHOLE: [&str; 14] = [
    "data/deribit_book_2020-05-21",
    "data/deribit_eod_2021",
    "data/deribit_full_tickers_2026-01",
    "data/deribit_options_6h",
    "data/okx_options_tick_2025-10-10",
    "data/bars_2026",
    "data/bars_crash",
    "data/bars_daily",
    "data/bars_minute",
    "data/bars_multiyear",
    "data/funding",
    "data/quotes_minute",
    "data/macro_sentiment",
    "reference/forecast/data",
];

/// The shared data, or `None` where it is absent; that is a failure in CI.
fn shared(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("TRIMTAB_SHARED").map_or(beside, PathBuf::from);
    if folder.join("data/bars_crash").is_dir() {
        return Some(folder.canonicalize().unwrap());
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "shared data absent at {}", folder.display());
    eprintln!("skipped: {test}: shared data absent");
    None
}

struct Line {
    path: String,
    flags: String,
    outcome: String,
}

fn table_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports.table")
}

fn table() -> Vec<Line> {
    let text = std::fs::read_to_string(table_path()).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut lines = lines.map(|line| line.split('|').map(|cell| cell.trim().to_owned()));
    std::iter::from_fn(|| {
        let mut cells = lines.next()?;
        let mut cell = || cells.next().unwrap_or_default();
        Some(Line { path: cell(), flags: cell(), outcome: cell() })
    })
    .collect()
}

/// What came of an import, and its report where there is one.
fn import(sandbox: &Sandbox, file: &Path, flags: &str) -> (String, Option<Value>) {
    let (kind, rest) = flags.split_once(' ').unwrap_or((flags, ""));
    let file = file.to_str().unwrap();
    let said = sandbox.line(&format!("trimtab import {kind} '{file}' {rest} -o x.tape --force --json"));
    let last: Value = said.stdout.lines().last().map_or(Value::Null, |line| serde_json::from_str(line).unwrap());
    if said.code == Some(2) {
        let code = last["code"].as_str().unwrap_or_else(|| panic!("{file}: no code: {}", said.stderr));
        return (format!("refused {code}"), None);
    }
    assert_eq!(said.code, Some(0), "{file}: {}", said.stderr);
    let number = |value: &Value| value.as_u64().unwrap();
    let mut outcome = format!("{} of {} rows", number(&last["rows_written"]), number(&last["rows_read"]));
    for (name, value) in [
        ("gaps", &last["gaps"]["count"]),
        ("missing", &last["gaps"]["missing"]),
        ("duplicates", &last["duplicates"]),
        ("irregular", &last["irregular"]),
        ("empty", &last["empty"]),
        ("snapped", &last["snapped"]),
    ] {
        if number(value) > 0 {
            outcome += &format!(", {} {name}", number(value));
        }
    }
    for (name, value) in last["counts"].as_object().into_iter().flatten() {
        if number(value) > 0 {
            outcome += &format!(", {} {name}", number(value));
        }
    }
    for repair in last["repairs"].as_array().unwrap() {
        outcome += &format!(", {} {}", number(&repair["rows"]), repair["rule"].as_str().unwrap());
    }
    (outcome, Some(last))
}

#[test]
fn every_recorded_file_comes_in_or_is_refused_for_what_it_is() {
    let Some(shared) = shared("every_recorded_file_comes_in_or_is_refused_for_what_it_is") else { return };
    let (lines, facts) = (table(), facts(&shared));
    let update = std::env::var_os("UPDATE").is_some();
    let (mut findings, mut compared) = (Vec::new(), 0);
    let mut text: String = std::fs::read_to_string(table_path())
        .unwrap()
        .lines()
        .take_while(|line| line.starts_with('#'))
        .fold(String::new(), |text, line| text + line + "\n");
    let sandbox = Sandbox::new();
    for line in &lines {
        let (outcome, report) = import(&sandbox, &shared.join(&line.path), &line.flags);
        text += &format!("{} | {} | {outcome}\n", line.path, line.flags);
        if outcome != line.outcome && !update {
            findings.push(format!("{} {}: {outcome}, not {}", line.path, line.flags, line.outcome));
        }
        if let (Some(report), Some(fact)) = (report, facts.get(&line.path)) {
            compared += 1;
            findings.extend(fact.differs(&report, &line.flags).map(|what| format!("{}: {what}", line.path)));
        }
    }
    if update {
        std::fs::write(table_path(), text).unwrap();
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    assert!(compared >= 50, "the data's README was compared with {compared} files");
}

#[test]
fn no_recorded_file_is_left_out() {
    let Some(shared) = shared("no_recorded_file_is_left_out") else { return };
    let named: BTreeSet<String> = table().into_iter().map(|line| line.path).collect();
    let sandbox = Sandbox::new();
    let mut files = Vec::new();
    collect(&shared.join("data"), &mut files);
    collect(&shared.join("reference/forecast/data"), &mut files);
    let mut findings = Vec::new();
    for file in files {
        let path = file.strip_prefix(&shared).unwrap().to_str().unwrap().replace('\\', "/");
        if named.contains(&path) || path.ends_with("README.md") {
            continue;
        }
        if WHOLE.iter().any(|folder| path.starts_with(folder)) {
            findings.push(format!("{path} has no line"));
        } else {
            let flags = "bars --instrument binance:BTCUSDT-PERP --labelled open";
            let (outcome, _) = import(&sandbox, &file, flags);
            if !outcome.starts_with("refused") {
                findings.push(format!("{path}, no bars, was taken for some: {outcome}"));
            }
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

/// What the data's README states of a file.
#[derive(Default)]
struct Fact {
    rows: Option<u64>,
    gaps: Option<u64>,
    missing: Option<u64>,
    duplicates: Option<u64>,
}

impl Fact {
    /// What is not as stated. The README counts missing bars against all rows, so that a duplicate hides one.
    fn differs(&self, report: &Value, flags: &str) -> Option<String> {
        let duplicates = report["duplicates"].as_u64().unwrap();
        let told = [
            ("rows", self.rows.filter(|_| !flags.contains("--where")), &report["rows_read"]),
            ("gaps", self.gaps, &report["gaps"]["count"]),
            ("missing", self.missing.map(|missing| missing + duplicates), &report["gaps"]["missing"]),
            ("duplicates", self.duplicates, &report["duplicates"]),
        ];
        let wrong =
            told.into_iter().find(|(_, stated, found)| stated.is_some_and(|stated| found.as_u64() != Some(stated)));
        wrong.map(|(name, stated, found)| format!("{name}: {found}, but its README states {stated:?}"))
    }
}

/// Lines such as `| path | what (gaps 4, missing bars 130, dups 1) | span | rows | …`.
fn facts(shared: &Path) -> BTreeMap<String, Fact> {
    let text = std::fs::read_to_string(shared.join("data/README.md")).unwrap();
    let mut facts = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, path, what, _, rows, ..] = cells[..] else { continue };
        // Of samples of formats the README counts lines, the header among them.
        if path.starts_with("wire/") {
            continue;
        }
        let stated = |name: &str| {
            let digits = what.split_once(&format!("{name} "))?.1;
            digits.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
        };
        let (gaps, missing, duplicates) = (stated("(gaps"), stated("missing bars"), stated("dups"));
        facts.insert(format!("data/{path}"), Fact { rows: rows.parse().ok(), gaps, missing, duplicates });
    }
    facts
}
