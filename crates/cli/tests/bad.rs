//! Bad input, as a corpus: each file below `bad/` is a command with its input, and what it must say.
//!
//! Whatever is wrong, the exit code is 2, there is one message that names the place and the remedy, and nothing in the
//! folder has changed. A case file holds parts that begin with `== `:
//!
//! ```text
//! == cmd              the command line
//! == file NAME        a file to write first
//! == make WHAT NAME   a file that is no text, made by the function of that name below
//! == stdout           what must be said, without the last line end
//! == stderr
//! ```
//!
//! `UPDATE=1 cargo test -p trimtab --test bad` writes what is said into the files; read the difference before you keep it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]

mod common;

use common::{POLICY, Said, Sandbox};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What is wrong, and how many cases there must be at least.
const CATEGORIES: [&str; 8] = ["toml", "key", "unit", "range", "reference", "row", "tape", "line"];
const EACH_MIN: usize = 5;
const ALL_MIN: usize = 100;

#[test]
fn toml() {
    category("toml");
}

#[test]
fn unknown_key() {
    category("key");
}

#[test]
fn unit() {
    category("unit");
}

#[test]
fn range() {
    category("range");
}

#[test]
fn reference() {
    category("reference");
}

#[test]
fn data_row() {
    category("row");
}

#[test]
fn corrupt_tape() {
    category("tape");
}

#[test]
fn command_line() {
    category("line");
}

#[test]
fn the_corpus_is_large_enough() {
    let counts: BTreeMap<&str, usize> = CATEGORIES.iter().map(|name| (*name, cases(name).len())).collect();
    assert!(counts.values().all(|count| *count >= EACH_MIN), "{counts:?}");
    assert!(counts.values().sum::<usize>() >= ALL_MIN, "{counts:?}");
}

fn cases(category: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad").join(category);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn category(name: &str) {
    let findings: Vec<String> = cases(name).iter().flat_map(|path| case(path)).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// Runs a case and says what is not as it should be.
fn case(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let parts = parts(&text);
    let sandbox = Sandbox::new();
    for (head, content) in &parts {
        if let Some(name) = head.strip_prefix("file ") {
            sandbox.write(name, content);
        } else if let Some((what, name)) = head.strip_prefix("make ").and_then(|rest| rest.split_once(' ')) {
            sandbox.write(name, make(what));
        }
    }
    let before = sandbox.listing();
    let part = |name: &str| parts.iter().find(|(head, _)| head == name).map_or("", |(_, content)| content.as_str());
    let said = sandbox.line(part("cmd").trim());

    let name =
        format!("{}/{}", path.parent().unwrap().file_name().unwrap().display(), path.file_name().unwrap().display());
    let mut findings = Vec::new();
    let mut find = |finding: String| findings.push(format!("{name}: {finding}"));
    if said.code != Some(2) {
        find(format!("exit code {:?}", said.code));
    }
    if sandbox.listing() != before {
        find("something was written".to_owned());
    }
    let messages = |text: &str| text.lines().filter(|line| line.starts_with("error")).count();
    if messages(&said.stdout) + messages(&said.stderr) != 1 {
        find(format!("not one message\n{}{}", said.stdout, said.stderr));
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, updated(&parts, &said)).unwrap();
    } else {
        for (stream, said) in [("stdout", &said.stdout), ("stderr", &said.stderr)] {
            if said.trim_end() != part(stream).trim_end() {
                find(format!("{stream} is now\n{said}"));
            }
        }
    }
    findings
}

fn parts(text: &str) -> Vec<(String, String)> {
    let mut parts: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("== "), parts.last_mut()) {
            (Some(head), _) => parts.push((head.to_owned(), String::new())),
            (None, Some((_, content))) => {
                content.push_str(line);
                content.push('\n');
            }
            (None, None) => panic!("a case begins with `== `: {line}"),
        }
    }
    parts
}

fn updated(parts: &[(String, String)], said: &Said) -> String {
    let mut text = String::new();
    for (head, content) in parts.iter().filter(|(head, _)| head != "stdout" && head != "stderr") {
        write!(text, "== {head}\n{content}").unwrap();
    }
    for (stream, said) in [("stdout", &said.stdout), ("stderr", &said.stderr)] {
        writeln!(text, "== {stream}").unwrap();
        if !said.is_empty() {
            writeln!(text, "{}", said.trim_end()).unwrap();
        }
    }
    text
}

/// Files that are no text.
fn make(what: &str) -> Vec<u8> {
    let tape = || {
        let elsewhere = Sandbox::new();
        elsewhere.bars("good.tape");
        std::fs::read(elsewhere.path("good.tape")).unwrap()
    };
    match what {
        "policy" => POLICY.into(),
        "bars" => common::bars_csv(48).into(),
        "tape" => tape(),
        "truncated-tape" => tape()[..700].to_vec(),
        "tape-without-its-last-byte" => {
            let mut bytes = tape();
            bytes.pop();
            bytes
        }
        "tape-with-a-flipped-bit" => {
            let mut bytes = tape();
            bytes[200] ^= 1;
            bytes
        }
        "tape-with-an-altered-header" => {
            let bytes = tape();
            let (from, to) = (b"BTCUSDT-PERP", b"BTCUSDT-PERQ");
            let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
            [&bytes[..at], to, &bytes[at + to.len()..]].concat()
        }
        "tape-with-a-row-group-missing" => {
            let bytes = tape();
            [&bytes[..4], &bytes[400..]].concat()
        }
        "parquet" => {
            // A Parquet file that is no tape: a table of a run folder.
            let elsewhere = Sandbox::new();
            elsewhere.bars("good.tape");
            elsewhere.write("policy.toml", POLICY);
            elsewhere.line("trimtab backtest policy.toml --tape good.tape --out run").ok();
            std::fs::read(elsewhere.path("run/equity.parquet")).unwrap()
        }
        "tape-of-tomorrow" => {
            let bytes = tape();
            let key = b"trimtab.tape.version";
            let at = bytes.windows(key.len()).position(|window| window == key).unwrap() + key.len();
            let digit = at + bytes[at..].iter().position(u8::is_ascii_digit).unwrap();
            [&bytes[..digit], b"9", &bytes[digit + 1..]].concat()
        }
        "tape-of-another-tick" => {
            let elsewhere = Sandbox::new();
            elsewhere.write("bars.csv", common::bars_csv(48));
            let import =
                "trimtab import bars bars.csv --instrument binance:BTCUSDT-PERP --labelled open --tick 0.01 -o x.tape";
            elsewhere.line(import).ok();
            std::fs::read(elsewhere.path("x.tape")).unwrap()
        }
        "zip-of-two" => common::zip(&[("a.csv", b"1,2\n"), ("b.csv", b"3,4\n")]),
        "zip-cut-off" => {
            let bytes = common::zip(&[("bars.csv", common::bars_csv(48).as_bytes())]);
            bytes[..bytes.len() - 40].to_vec()
        }
        "zip-altered" => {
            let mut bytes = common::zip(&[("bars.csv", common::bars_csv(48).as_bytes())]);
            let at = bytes.windows(5).position(|window| window == b"60010").unwrap();
            bytes[at + 4] = b'1';
            bytes
        }
        "gzip-cut-off" => common::gzip_start(common::bars_csv(48).as_bytes()),
        "binary" => (0..=255).cycle().take(4_096).collect(),
        "large" => vec![b'#'; 3 << 20],
        "nothing" => Vec::new(),
        other => panic!("nobody makes `{other}`"),
    }
}
