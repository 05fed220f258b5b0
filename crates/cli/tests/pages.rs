//! docs/commands is what the definitions of the commands say now.
//!
//! `UPDATE=1 cargo test -p trimtab --test pages` writes the pages anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]

mod common;

use common::Sandbox;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn pages(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.file_name().unwrap().display().to_string(), std::fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_command_has_its_page() {
    let kept: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands");
    let sandbox = Sandbox::new();
    sandbox.line("trimtab man --markdown --out pages").ok();
    let made = pages(&sandbox.path("pages"));
    assert!(made.len() >= 24, "{:?}", made.keys());
    for (name, page) in &made {
        let is_page = name == "README.md" || page.contains("\n## Examples\n\n```\n");
        assert!(
            is_page && page.starts_with("# ") && !page.contains('\x1b') && page.matches("```").count() % 2 == 0,
            "{name}: {page}"
        );
    }
    if std::env::var_os("UPDATE").is_some() {
        let _ = std::fs::remove_dir_all(&kept);
        std::fs::create_dir_all(&kept).unwrap();
        for (name, page) in &made {
            std::fs::write(kept.join(name), page).unwrap();
        }
        return;
    }
    let found = pages(&kept);
    let stale: Vec<&String> =
        made.keys().chain(found.keys()).filter(|name| made.get(*name) != found.get(*name)).collect();
    assert!(stale.is_empty(), "out of date, `UPDATE=1 cargo test -p trimtab --test pages` writes them: {stale:?}");
}

#[test]
fn helps_fit_a_hundred_columns() {
    let sandbox = Sandbox::new();
    sandbox.line("trimtab man --markdown --out pages").ok();
    for name in pages(&sandbox.path("pages")).keys().filter(|name| *name != "README.md") {
        let name = name.trim_end_matches(".md");
        let mut words: Vec<&str> = if name == "trimtab" { Vec::new() } else { name.split('-').collect() };
        words.push("--help");
        let help = sandbox.run(&words).ok();
        let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(long.is_empty(), "{name}: {long:?}");
    }
}
