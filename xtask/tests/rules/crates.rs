//! The crate table of ARCHITECTURE.md against `cargo metadata`.

use crate::{metadata, none, text};
use std::collections::{BTreeMap, BTreeSet};

/// What the row numbers alone would not forbid, or would forbid only while a row stays what it is: (crate, must never reach).
const SEAMS: [(&str, &str); 8] = [
    ("policy", "market"),
    ("pricing", "market"),
    ("exchange", "engine"),
    ("exchange", "policy"),
    ("venues", "engine"),
    ("engine", "exchange"),
    ("engine", "tape"),
    ("risk", "policy"),
];

/// Stands above the table: tools that may name every crate and that no crate may name.
const ABOVE: u32 = u32::MAX;

/// A crate's folder and row, read from lines such as `| 3 | `engine` | … |`.
fn table() -> BTreeMap<String, u32> {
    let mut rows = BTreeMap::new();
    for line in text("ARCHITECTURE.md").lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, row, name, one_line, _] = cells[..] else { continue };
        let row = if row == "above" { Some(ABOVE) } else { row.parse().ok() };
        if let (Some(row), Some(name)) = (row, name.strip_prefix('`').and_then(|name| name.strip_suffix('`'))) {
            assert!(!one_line.is_empty(), "`{name}` has no line that says what it is");
            assert!(rows.insert(name.to_owned(), row).is_none(), "`{name}` stands in the table twice");
        }
    }
    rows
}

/// Each workspace crate by its folder's name, and the workspace crates that it names (tests and builds too).
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().unwrap();
    let folder = |package: &serde_json::Value| {
        let manifest = package["manifest_path"].as_str().unwrap().replace('\\', "/");
        manifest.rsplit('/').nth(1).unwrap().to_owned()
    };
    let folders: BTreeMap<&str, String> =
        packages.iter().map(|package| (package["name"].as_str().unwrap(), folder(package))).collect();
    let names = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        dependencies.iter().filter_map(|dep| folders.get(dep["name"].as_str().unwrap()).cloned()).collect()
    };
    packages.iter().map(|package| (folder(package), names(package))).collect()
}

fn reach<'a>(graph: &'a BTreeMap<String, BTreeSet<String>>, from: &'a str, seen: &mut BTreeSet<&'a str>) {
    for next in graph.get(from).into_iter().flatten() {
        if seen.insert(next) {
            reach(graph, next, seen);
        }
    }
}

#[test]
fn the_crate_table_is_the_workspace() {
    let (table, graph) = (table(), graph());
    let (told, real): (BTreeSet<_>, BTreeSet<_>) = (table.keys().collect(), graph.keys().collect());
    let mut findings = Vec::new();
    findings.extend(real.difference(&told).map(|name| format!("`{name}` has no row in ARCHITECTURE.md")));
    findings.extend(told.difference(&real).map(|name| format!("`{name}` has a row, but there is no such crate")));
    none("the crate table of ARCHITECTURE.md must name exactly the crates of the workspace", &findings);
}

#[test]
fn a_crate_names_only_crates_of_lower_rows() {
    let table = table();
    let row = |name: &str| table.get(name).copied().unwrap_or(ABOVE);
    let mut findings = Vec::new();
    for (name, dependencies) in graph() {
        for dependency in dependencies.iter().filter(|dependency| row(dependency) >= row(&name)) {
            findings.push(format!("`{name}` names `{dependency}`, which stands in the same row or higher"));
        }
    }
    none("a crate names only crates of lower rows", &findings);
}

#[test]
fn the_seams_hold() {
    let graph = graph();
    let mut findings = Vec::new();
    for (from, to) in SEAMS {
        let mut seen = BTreeSet::new();
        reach(&graph, from, &mut seen);
        if seen.contains(to) {
            findings.push(format!("`{from}` must not know `{to}`"));
        }
    }
    let pricing: Vec<_> = graph["pricing"].iter().filter(|name| *name != "units").collect();
    if !pricing.is_empty() {
        findings.push(format!("`pricing` knows numbers alone: it may name `units`, not {pricing:?}"));
    }
    none("seams that must hold whatever the table says", &findings);
}

#[test]
fn every_crate_keeps_the_workspace_lints() {
    let mut findings = Vec::new();
    for package in metadata(&["--no-deps"])["packages"].as_array().unwrap() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let parsed: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
        let keeps = |path: [&str; 2]| parsed.get(path[0]).and_then(|table| table.get(path[1]));
        if keeps(["lints", "workspace"]) != Some(&toml::Value::Boolean(true)) {
            findings.push(format!("{}: needs `[lints] workspace = true`", package["name"]));
        }
        for key in ["license", "rust_version", "description"] {
            if package[key].as_str().is_none_or(str::is_empty) {
                findings.push(format!("{}: says no {key}", package["name"]));
            }
        }
    }
    none("every crate's manifest", &findings);
}
