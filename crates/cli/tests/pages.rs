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

/// docs/policy.schema.json is the schema that the command prints, and a validator that is not ours takes every example by it, and none with
/// a key or a word that there is not.
#[test]
fn the_schema_of_policies_is_kept_and_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (kept, printed) = (root.join("docs/policy.schema.json"), Sandbox::new().line("trimtab check --schema").ok());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&kept, &printed).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&kept).unwrap(),
        printed,
        "`UPDATE=1 cargo test -p trimtab --test pages` writes it"
    );
    let mut cases: Vec<(String, bool)> =
        pages_of(&root.join("examples"), "toml").into_iter().map(|text| (text, true)).collect();
    assert!(cases.len() >= 5, "{}", cases.len());
    for (right, wrong) in [
        ("kind = \"volatility_target\"", "kind = \"volatility_targt\""),
        ("\nunits = 4", "\nunits = 4.5"),
        ("\nname = ", "\nnmae = "),
        ("at = \"10%\"", "att = \"10%\""),
        ("\nsides = \"both\"", "\nsides = \"$sides\""),
    ] {
        let text = std::fs::read_to_string(root.join("examples/btc-trend.toml")).unwrap();
        assert!(text.contains(right), "{right}");
        cases.push((text.replacen(right, wrong, 1), wrong.contains('$')));
    }
    let script = "import json, sys\ntry:\n import jsonschema, tomllib\nexcept ImportError:\n sys.exit(9)\n\
                  schema, cases = json.load(sys.stdin)\n\
                  jsonschema.Draft202012Validator.check_schema(schema)\ncheck = jsonschema.Draft202012Validator(schema)\n\
                  print(json.dumps([check.is_valid(tomllib.loads(case)) for case in cases]))";
    let schema: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let asked = serde_json::json!([schema, cases.iter().map(|(text, _)| text).collect::<Vec<_>>()]).to_string();
    let mut command = std::process::Command::new("python3");
    command.args(["-c", script]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let said = command.spawn().ok().and_then(|mut child| {
        std::io::Write::write_all(&mut child.stdin.take()?, asked.as_bytes()).ok()?;
        child.wait_with_output().ok()
    });
    let Some(said) = said.filter(|said| said.status.code() != Some(9)) else {
        eprintln!("skipped: the_schema_of_policies_is_kept_and_right: Python's jsonschema is absent");
        return;
    };
    let expected: Vec<bool> = cases.iter().map(|(_, is_right)| *is_right).collect();
    assert_eq!(serde_json::from_slice::<Vec<bool>>(&said.stdout).unwrap(), expected);
}

fn pages_of(folder: &Path, kind: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let wanted = files.filter(|file| file.extension().is_some_and(|of| of == kind));
    wanted.map(|file| std::fs::read_to_string(file).unwrap()).collect()
}
