//! docs/tutorial.md as a user would do it: every command line in it is run, in order, in an empty folder; what it says must be
//! what the tutorial shows.
//!
//! A block ```` ```console ```` holds command lines behind `$ ` and what they say; `…` stands for anything, on a line of its own
//! for any lines. ```` ```toml NAME ```` is a file that the reader writes. ```` ```console exit=2 ```` ends with that code.
//!
//! `UPDATE=1 cargo test -p trimtab --test tutorial` writes what is said now into the document; read the difference, and the
//! sentences around it, before you keep it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]

mod common;

use common::Sandbox;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A command line and what the document shows below it.
struct Step<'a> {
    line: &'a str,
    shown: Vec<&'a str>,
}

/// The steps of a block of text.
fn steps(block: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(line), _) => steps.push(Step { line, shown: Vec::new() }),
            (None, Some(step)) => step.shown.push(line),
            (None, None) => panic!("a block begins with `$ `: {line}"),
        }
    }
    steps
}

/// Runs a line in a shell, as the reader does. Returns the exit code and what stood on the screen.
fn shell(sandbox: &Sandbox, folder: &Path, line: &str) -> (Option<i32>, String) {
    let binary = Path::new(env!("CARGO_BIN_EXE_trimtab"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(binary.parent().unwrap().to_path_buf()).chain(std::env::split_paths(&path));
    let mut command = Command::new("sh");
    // With nothing of the developer's own settings.
    for (name, _) in sandbox.command(&[]).get_envs().filter(|(_, value)| value.is_none()) {
        command.env_remove(name);
    }
    let script = format!("exec 2>&1\n{line}");
    command.args(["-c", &script]).current_dir(folder).env("PATH", std::env::join_paths(folders).unwrap());
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// Whether a line is what is shown, `…` being anything.
fn fits(shown: &str, said: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = said.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Whether lines are what is shown; a line `…` is any lines.
fn all_fit(shown: &[&str], said: &[&str]) -> bool {
    match (shown.split_first(), said.split_first()) {
        (None, None) => true,
        (Some((&"…", more)), _) => (0..=said.len()).any(|at| all_fit(more, &said[at..])),
        (Some((first, more)), Some((line, rest))) => fits(first, line.trim_end()) && all_fit(more, rest),
        _ => false,
    }
}

/// What is said, but for what differs from one time, or one version, to the next: durations, hashes, the size of a page.
fn settled(line: &str) -> String {
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    let is_hash = |word: &str| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut settled: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().unwrap_or_default();
        let is_spent = at > 0 && words[at - 1] == "in" && next == "s";
        if is_spent || next == "KB" || is_hash(word.trim_end_matches(')')) {
            settled[at] = format!("…{}", if word.ends_with(')') { ")" } else { "" });
        }
    }
    settled.join(" ")
}

#[test]
fn the_tutorial_says_what_happens() {
    let path = root().join("docs/tutorial.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let sandbox = Sandbox::new();
    sandbox.write("examples/tutorial/btc-4h.csv", std::fs::read(root().join("examples/tutorial/btc-4h.csv")).unwrap());
    let mut folder = sandbox.path("");
    let (mut findings, mut updated, mut seen) = (Vec::new(), String::new(), String::new());
    let mut commands = 0;
    for (at, part) in text.split("```").enumerate() {
        if at > 0 {
            updated += "```";
        }
        let (head, block) = part.split_once('\n').unwrap_or((part, ""));
        let is_block = at % 2 == 1;
        if let (true, Some(name)) = (is_block, head.strip_prefix("toml ")) {
            std::fs::write(folder.join(name), block).unwrap();
        }
        if !is_block || !head.starts_with("console") {
            updated += part;
            continue;
        }
        let wanted = head.strip_prefix("console exit=").map_or(0, |code| code.parse().unwrap());
        updated += &format!("{head}\n");
        for Step { line, shown } in steps(block) {
            updated += &format!("$ {line}\n");
            if let Some(name) = line.strip_prefix("cd ") {
                folder = folder.join(name).canonicalize().unwrap();
                continue;
            }
            commands += 1;
            let (code, said) = shell(&sandbox, &folder, line);
            seen += &said;
            let said: Vec<&str> = said.lines().collect();
            if code != Some(wanted) {
                findings.push(format!("$ {line}\nended with {code:?}:\n{}", said.join("\n")));
            }
            if all_fit(&shown, &said) {
                updated.extend(shown.iter().map(|line| format!("{line}\n")));
            } else {
                updated.extend(said.iter().map(|line| settled(line) + "\n"));
                findings.push(format!("$ {line}\nis now\n{}", said.join("\n")));
            }
        }
    }
    assert!(commands >= 10, "the tutorial lost its commands");
    findings.extend(figures(&text, &seen));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, updated).unwrap();
    } else {
        assert!(findings.is_empty(), "{}", findings.join("\n\n"));
    }
}

/// Figures in sentences, written `**12.3**`, that no command has said.
fn figures(text: &str, seen: &str) -> Vec<String> {
    let sentences: String = text.split("```").step_by(2).collect();
    let bold: Vec<&str> = sentences.split("**").skip(1).step_by(2).collect();
    assert!(bold.len() >= 5, "the tutorial names figures of the run: {bold:?}");
    let unsaid = bold.into_iter().filter(|figure| !seen.contains(figure));
    unsaid.map(|figure| format!("a sentence has **{figure}**, which no command says")).collect()
}

#[test]
fn the_data_of_the_tutorial_is_what_its_generator_prints() {
    let generator = root().join("examples/tutorial/btc-4h.py");
    let python = ["python3", "python"].into_iter().find_map(|name| {
        let output = Command::new(name).arg(&generator).output().ok()?;
        output.status.success().then_some(output.stdout)
    });
    let Some(printed) = python else {
        println!("skipped: the_data_of_the_tutorial_is_what_its_generator_prints: no python3");
        return;
    };
    let kept = std::fs::read_to_string(root().join("examples/tutorial/btc-4h.csv")).unwrap();
    assert_eq!(String::from_utf8(printed).unwrap().replace("\r\n", "\n"), kept);
}

#[test]
fn a_wildcard_is_anything_and_nothing_else_is() {
    assert!(fits("in … s", "in 0.1 s") && fits("…", "") && fits("a…b…c", "a1b2c") && fits("same", "same"));
    assert!(!fits("in … s", "in 0.1 ms, or so") && !fits("a…b", "a") && !fits("same", "same "));
    assert!(all_fit(&["a", "…", "c"], &["a", "1", "2", "c"]) && all_fit(&["…"], &[]));
    assert!(!all_fit(&["a", "…", "c"], &["a", "c", "d"]) && !all_fit(&["a"], &["a", "b"]));
    assert_eq!(settled("  wrote runs/x (hash 1234abcd) in 0.1 s   next"), "  wrote runs/x (hash …) in … s   next");
    assert_eq!(settled("wrote trend.html   386 KB   next  "), "wrote trend.html   … KB   next");
}
