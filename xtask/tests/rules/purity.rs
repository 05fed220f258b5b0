//! The purity files of the core crates: the same everywhere, and each line bites.

use crate::{none, root, text};
use std::process::Command;

/// Crates inside which the same events must give the same commands, bit for bit.
const CORE: [&str; 8] = ["units", "market", "pricing", "policy", "risk", "exchange", "engine", "drive"];

#[test]
fn every_core_crate_has_the_same_purity_file() {
    let model = text("crates/units/clippy.toml");
    let findings: Vec<String> = CORE
        .iter()
        .map(|name| format!("crates/{name}/clippy.toml"))
        .filter(|path| std::fs::read_to_string(root().join(path)).ok().as_ref() != Some(&model))
        .map(|path| format!("{path} is missing or differs from crates/units/clippy.toml"))
        .collect();
    none("core crates share one purity file", &findings);
}

/// A log has a clock and a stream; what the core does is told by what it returns.
#[test]
fn no_core_crate_logs() {
    let manifest = |name: &&str| text(&format!("crates/{name}/Cargo.toml"));
    let findings: Vec<&str> = CORE.into_iter().filter(|name| manifest(name).contains("\ntracing")).collect();
    assert!(findings.is_empty(), "core crates stay free of `tracing`: {findings:?}");
}

/// Lints a small crate that does everything forbidden. Catches a path that clippy cannot resolve (it warns for items,
/// but says nothing for a misspelt method of `f64`).
#[test]
fn clippy_catches_what_the_purity_file_forbids() {
    if !Command::new(env!("CARGO")).args(["clippy", "--version"]).output().is_ok_and(|output| output.status.success()) {
        println!("skipped: clippy_catches_what_the_purity_file_forbids: clippy is not installed");
        return;
    }
    let purity = text("crates/units/clippy.toml");
    let parsed: toml::Table = purity.parse().unwrap();
    let paths = |list: &str| -> Vec<String> {
        let entries = parsed[list].as_array().unwrap();
        assert!(entries.iter().all(|entry| entry["reason"].as_str().is_some_and(|reason| reason.len() > 10)));
        entries.iter().map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
    };
    let (types, methods) = (paths("disallowed-types"), paths("disallowed-methods"));
    let floats: Vec<&String> = methods.iter().filter(|path| path.starts_with('f')).collect();

    let mut source = String::from(
        "pub fn clock() -> std::time::Instant { std::time::Instant::now() }\n\
         pub fn wall() { let _ = std::time::SystemTime::now(); }\n\
         pub fn order() { let _ = std::collections::HashMap::<u8, u8>::new(); }\n\
         pub fn file() { let _ = std::fs::read(\"x\"); }\n\
         pub fn environment() { let _ = std::env::var(\"x\"); }\n\
         pub fn thread() { let _ = std::thread::spawn(|| ()); }\n\
         pub fn call(x: f64) -> f64 { x.ln() + x.sqrt() + f64::exp(x) }\n",
    );
    for path in &floats {
        source += &format!("pub fn {}() {{ let _ = {path}; }}\n", path.replace("::", "_"));
    }
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("purity");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = "[package]\nname = \"impure\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";
    for (name, text) in [("Cargo.toml", manifest), ("clippy.toml", &purity), ("src/lib.rs", &source)] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let output = Command::new(env!("CARGO"))
        .args(["clippy", "--offline", "--quiet", "--message-format", "short", "--target-dir"])
        .arg(folder.join("target"))
        .current_dir(&folder)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).replace('\r', "");
    assert!(output.status.success(), "{said}");

    let named = ["std::time::Instant", "std::time::SystemTime", "std::collections::HashMap"];
    let called = ["std::time::Instant::now", "std::fs::read", "std::env::var", "std::thread::spawn", "f64::ln"];
    let mut findings = Vec::new();
    for (kind, path) in named.iter().map(|path| ("type", *path)).chain(called.iter().map(|path| ("method", *path))) {
        if !said.contains(&format!("use of a disallowed {kind} `{path}`")) {
            findings.push(format!("{path} went unnoticed"));
        }
    }
    for path in floats.iter().filter(|path| !said.contains(&format!("use of a disallowed method `{path}`"))) {
        findings.push(format!("{path} went unnoticed"));
    }
    findings.extend(said.lines().filter(|line| line.contains("does not refer to")).map(str::to_owned));
    none("clippy must catch what the purity file forbids", &findings);
    assert!(!said.contains("sqrt"), "the square root is exact and stays allowed");
    assert!(types.len() > 10 && floats.len() > 40, "the purity file lost most of its lines");
}
