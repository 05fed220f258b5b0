//! One hash: a hundred times, in another folder, time zone and locale, and from an unoptimised build.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::print_stdout, reason = "the hash is what the spawned process is asked for")]

mod common;
#[path = "common/tapes.rs"]
mod tapes;

use common::skip;
use std::path::{Path, PathBuf};
use std::process::Command;
use tapes::{beginning, run};

/// Chain and state hash of a run.
fn hashes(tapes: &[PathBuf]) -> (String, String) {
    let done = run(tapes).unwrap();
    (done.record.chain, done.record.state)
}

#[test]
fn a_hundred_runs_give_one_hash() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(12, folder.path());
    let first = hashes(&tapes);
    for _ in 1..100 {
        assert_eq!(hashes(&tapes), first);
    }
    let other = tempfile::tempdir().unwrap();
    assert_eq!(hashes(&beginning(12, other.path())), first, "in another folder");
}

const MARK: &str = "hash of the demo:";

/// Not a test of its own: what the others spawn.
#[test]
fn print_hash() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, state) = hashes(&beginning(20, folder.path()));
    assert_ne!(chain, state);
    println!("{MARK} {chain} {state}");
}

/// The hash that a spawned `print_hash` printed.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| Some(line.split_once(MARK)?.1.trim().to_owned()));
    line.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn again(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["print_hash", "--exact", "--nocapture"]).current_dir(folder);
    command
}

#[test]
fn another_folder_time_zone_and_locale_give_one_hash() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plain = printed(&mut again(here.path()));
    for (zone, locale) in [("Asia/Kathmandu", "de_DE.UTF-8"), ("America/St_Johns", "tr_TR.UTF-8"), ("", "C")] {
        let mut command = again(there.path());
        command.env("TZ", zone).env("LC_ALL", locale).env("LANG", locale).env("TMPDIR", there.path());
        assert_eq!(printed(&mut command), plain, "{zone} {locale}");
    }
}

/// The other profile's build runs the same demo. The outer cargo holds no lock while its tests run.
#[test]
fn unoptimised_and_optimised_code_give_one_hash() {
    let name = "unoptimised_and_optimised_code_give_one_hash";
    let Some(cargo) = std::env::var_os("CARGO") else { return skip(name, "no cargo") };
    let executable = std::env::current_exe().unwrap();
    let is_debug = executable.components().any(|part| part.as_os_str() == "debug");
    let profile = if is_debug { "ci" } else { "dev" };
    let mut command = Command::new(cargo);
    command.args(["test", "--quiet", "--offline", "--profile", profile, "-p", "trimtab-backtest"]);
    // `target/PROFILE/deps/determinism-…`: build into the same folder of targets.
    if let Some(target) = executable.ancestors().nth(3) {
        command.arg("--target-dir").arg(target);
    }
    command.args(["--test", "determinism", "print_hash", "--", "--exact", "--nocapture"]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let here = tempfile::tempdir().unwrap();
    assert_eq!(printed(&mut command), printed(&mut again(here.path())), "{profile} and this build");
}

/// What a longer tape goes on to tell changes nothing that a run over a shorter one decided.
#[test]
fn a_truncated_tape_gives_the_beginning_of_the_same_plans() {
    let (short, long) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = |tapes: Vec<PathBuf>| run(&tapes).unwrap();
    let (short, long) = (run(beginning(11, short.path())), run(beginning(20, long.path())));
    let (plans, all) = (&short.tables.plans, &long.tables.plans);
    assert!(plans.len() > 20 && plans.len() < all.len(), "{} of {}", plans.len(), all.len());
    assert_eq!(plans[..], all[..plans.len()]);
    assert_eq!(short.tables.orders[..], long.tables.orders[..short.tables.orders.len()]);
    let rows = short.tables.equity.len();
    assert!(rows > 20 && rows < long.tables.equity.len(), "{rows} rows of equity");
    assert_eq!(short.tables.equity[..], long.tables.equity[..rows]);
}
