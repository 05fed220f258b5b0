//! The demo's market, cut short, and tapes written again with something changed.
#![allow(clippy::unwrap_used, reason = "a helper may fail its test")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

use backtest::{Error, PolicyFile, Request, Run, demo};
use market::Event;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tape::{TapeHeader, TapeReader, TapeWriter};
use units::{Duration, Timestamp};

/// The first days of the demo's market: bars, funding and index.
pub fn beginning(days: i64, folder: &Path) -> Vec<PathBuf> {
    let whole = tempfile::tempdir().unwrap();
    let span = Duration::from_nanos(days * Duration::DAY.nanos());
    let tapes = demo::market(7, whole.path()).unwrap();
    let copy = |tape: &PathBuf| {
        let out = folder.join(tape.file_name().unwrap());
        let mut end = Timestamp::MAX;
        rewrite(tape, &out, |number, at, event| {
            end = if number == 0 { at + span } else { end };
            (at <= end).then_some(event)
        });
        out
    };
    tapes.iter().map(copy).collect()
}

/// Writes a tape again, with what a function makes of its events; it ends where there is none.
pub fn rewrite(tape: &Path, out: &Path, mut change: impl FnMut(u64, Timestamp, Event) -> Option<Event>) {
    let mut reader = TapeReader::open(tape).unwrap();
    let (catalogue, provenance) = (reader.catalogue().clone(), reader.info().provenance.clone());
    let mut writer = TapeWriter::create(out, &TapeHeader { catalogue, provenance }).unwrap();
    let mut number = 0;
    while let Some((at, event)) = reader.next().unwrap() {
        let Some(event) = change(number, at, event) else { break };
        writer.push(at, at, &event).unwrap();
        number += 1;
    }
    writer.finish().unwrap();
}

/// Runs the demo's policy.
pub fn run(tapes: &[PathBuf]) -> Result<Run, Error> {
    let (policy_file, policy_text) = ("demo.toml".to_owned(), demo::POLICY.to_owned());
    let tapes = tapes.to_vec();
    let request = Request {
        policies: vec![PolicyFile::new(policy_file, policy_text)],
        tapes,
        program: "test".to_owned(),
        seed: Some(7),
    };
    backtest::run(&request, &mut |_| ControlFlow::Continue(()))
}
