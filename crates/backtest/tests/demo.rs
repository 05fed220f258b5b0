//! The demo's market through the whole path: tapes, run, folder, replay.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use backtest::{PolicyFile, Request, Run, demo, open, run, verify};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

fn request(tapes: Vec<PathBuf>) -> Request {
    let (policy_file, policy_text) = ("demo.toml".to_owned(), demo::POLICY.to_owned());
    Request {
        policies: vec![PolicyFile::new(policy_file, policy_text)],
        tapes,
        program: "test".to_owned(),
        seed: Some(7),
    }
}

fn run_demo(seed: u64, folder: &Path) -> Run {
    let tapes = demo::market(seed, folder).unwrap();
    run(&request(tapes), &mut |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn a_run_is_written_read_back_and_replayed_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let done = run_demo(7, folder.path());
    assert!(done.tables.fills.len() > 20, "{} fills", done.tables.fills.len());
    assert!(done.tables.campaigns.len() > 3);
    assert_eq!(done.record.residual, "0");
    assert_eq!(done.record.triggers.unexplained, 0);
    let out = folder.path().join("run");
    done.write(&out, false).unwrap();
    let stored = open(&out).unwrap();
    assert_eq!(stored.tables, done.tables);
    let verified = verify(&out, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(verified.difference, None);
    assert_eq!(verified.chain, done.record.chain);
}

#[test]
fn another_seed_is_another_market() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (run_demo(1, folder.path()), run_demo(2, folder.path()));
    assert_ne!(a.record.chain, b.record.chain);
    assert_ne!(a.tables.fills, b.tables.fills);
}

/// Two tapes of the same bars: each bar would be walked twice and its funding paid twice.
#[test]
fn overlapping_tapes_are_refused_with_what_overlaps() {
    let folder = tempfile::tempdir().unwrap();
    let mut tapes = demo::market(7, folder.path()).unwrap();
    for (at, told) in [(0, "more than one bar"), (1, "more than one funding rate"), (2, "more than one value")] {
        let twin = folder.path().join("twice.tape");
        std::fs::copy(&tapes[at], &twin).unwrap();
        tapes.push(twin);
        let error = run(&request(tapes.clone()), &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(error.is_input() && error.to_string().contains(told), "{error}");
        tapes.pop();
    }
}
