//! Tidiness of what is committed.

use crate::{none, root};
use std::process::Command;

/// Longest line of Rust, in characters.
const LINE_MAX: usize = 140;
/// Largest file; the lock file is written by cargo and may be larger.
const BYTES_MAX: usize = 100_000;

/// Every tracked file with its content. `None` outside a git clone.
fn files() -> Option<Vec<(String, Vec<u8>)>> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().ok()?;
    let names = String::from_utf8(output.stdout).unwrap();
    let names = names.split('\0').filter(|name| !name.is_empty());
    // A file that is tracked but deleted here is no longer anyone's.
    let files: Vec<_> =
        names.filter_map(|name| Some((name.to_owned(), std::fs::read(root().join(name)).ok()?))).collect();
    (output.status.success() && !files.is_empty()).then_some(files)
}

/// Collects what `look` finds in every line of every text file, as `path:line: finding`.
fn lines(rule: &str, test: &str, look: impl Fn(&str, &str) -> Option<String>) {
    let Some(files) = files() else {
        println!("skipped: {test}: not a git clone");
        return;
    };
    let mut findings = Vec::new();
    for (path, bytes) in &files {
        for (number, line) in String::from_utf8_lossy(bytes).lines().enumerate() {
            findings.extend(look(path, line).map(|finding| format!("{path}:{}: {finding}", number + 1)));
        }
    }
    none(rule, &findings);
}

#[test]
fn rust_lines_are_short_and_without_tabs() {
    lines("Rust lines", "rust_lines_are_short_and_without_tabs", |path, line| {
        if !path.ends_with(".rs") {
            return None;
        }
        let length = line.chars().count();
        if line.contains('\t') {
            return Some("a tab".to_owned());
        }
        (length > LINE_MAX).then(|| format!("{length} characters, more than {LINE_MAX}"))
    });
}

#[test]
fn nothing_is_left_undone_or_switched_off() {
    // Put together here, so that this file does not find itself.
    let marks = [["FIX", "ME"], ["XX", "X:"], ["to", "do!("], ["unimple", "mented!("], ["#[ig", "nore"]]
        .map(|mark| mark.concat());
    lines("left undone, or switched off", "nothing_is_left_undone_or_switched_off", |path, line| {
        let code = [".rs", ".py", ".js", ".css", ".toml", ".sh", ".sol", ".ts"].iter().any(|end| path.ends_with(end));
        marks.iter().find(|mark| code && line.contains(mark.as_str())).map(|mark| format!("`{mark}`"))
    });
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    let folders = ["root", "home", "work", "tmp", "Users"].map(|folder| format!("/{folder}/"));
    lines("paths of one machine", "no_path_of_one_machine_is_written_down", |_, line| {
        folders.iter().find_map(|folder| {
            line.match_indices(folder.as_str()).find_map(|(at, _)| {
                let before = line[..at].chars().next_back();
                let after = line[at + folder.len()..].chars().next();
                // `docs/work/a` is a path inside a repository, not from the root of a machine.
                let starts = before.is_none_or(|c| !c.is_alphanumeric() && !"./-_".contains(c));
                let goes_on = after.is_some_and(|c| c.is_ascii_alphabetic() || c == '.');
                (starts && goes_on).then(|| format!("a path under {folder}"))
            })
        })
    });
}

#[test]
fn files_are_text_and_small() {
    let Some(files) = files() else {
        println!("skipped: files_are_text_and_small: not a git clone");
        return;
    };
    let mut findings = Vec::new();
    for (path, bytes) in &files {
        if bytes.contains(&0) || std::str::from_utf8(bytes).is_err() {
            findings.push(format!("{path}: not UTF-8 text; make it in the test that needs it"));
        }
        if bytes.len() >= BYTES_MAX && path != "Cargo.lock" {
            findings.push(format!("{path}: {} bytes, not under {BYTES_MAX}", bytes.len()));
        }
    }
    none("files are text and small", &findings);
}

/// Beside `vectors/format.json` stands what made it: `vectors/format.py`, or `.rs`.
#[test]
fn every_vector_has_a_generator() {
    let Some(files) = files() else {
        println!("skipped: every_vector_has_a_generator: not a git clone");
        return;
    };
    let (generators, vectors): (Vec<&str>, Vec<&str>) = files
        .iter()
        .map(|(path, _)| path.as_str())
        .filter(|path| path.starts_with("vectors/") && !path.ends_with(".md"))
        .partition(|path| path.ends_with(".py") || path.ends_with(".rs"));
    let stem = |path: &str| path.rsplit_once('.').map_or(path, |(stem, _)| stem).to_owned();
    let findings: Vec<String> = vectors
        .iter()
        .filter(|path| !generators.iter().any(|generator| stem(generator) == stem(path)))
        .map(|path| format!("{path}: no generator {0}.py or {0}.rs beside it", stem(path)))
        .collect();
    none("every vector has a generator", &findings);
}

#[test]
fn links_between_documents_lead_somewhere() {
    lines("links", "links_between_documents_lead_somewhere", |path, line| {
        if !path.ends_with(".md") {
            return None;
        }
        let folder = root().join(path).parent().unwrap().to_path_buf();
        line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).find_map(|link| {
            let target = link.split('#').next().unwrap_or_default();
            let elsewhere = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            (!elsewhere && !folder.join(target).exists()).then(|| format!("`{link}` leads nowhere"))
        })
    });
}
