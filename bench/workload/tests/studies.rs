//! A small part of each page of `docs/studies/` made again: a change of results that leaves a page stale fails here.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "a skip is told")]

use std::path::{Path, PathBuf};
use workload::study::{Name, stale};

fn check(test: &str, name: Name, least: usize) {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("TRIMTAB_SHARED").map_or(beside, PathBuf::from);
    if !shared.join("data/bars_daily").is_dir() {
        eprintln!("skipped: {test}: shared data absent");
        return;
    }
    let (missing, lines) = stale(name, &shared).unwrap();
    assert!(lines >= least, "only {lines} lines are made again");
    assert!(
        missing.is_empty(),
        "the page is stale, as where results change: `cargo xtask study {}`. It does not have\n{}",
        format!("{name:?}").to_lowercase(),
        missing.join("\n")
    );
}

#[test]
fn the_page_of_crashes_is_what_the_data_give() {
    check("the_page_of_crashes_is_what_the_data_give", Name::Crash, 14);
}

#[test]
fn the_page_of_options_is_what_the_data_give() {
    check("the_page_of_options_is_what_the_data_give", Name::Options, 9);
}

#[test]
fn the_page_of_techniques_is_what_the_data_give() {
    check("the_page_of_techniques_is_what_the_data_give", Name::Techniques, 11);
}
