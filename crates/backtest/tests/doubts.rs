//! What keeps a run from being evidence is said beside its figures.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "common/tapes.rs"]
mod tapes;

use backtest::{PolicyFile, Request, Run, demo};
use std::ops::ControlFlow;
use std::path::PathBuf;
use tapes::beginning;

fn run(size: &str, tapes: Vec<PathBuf>) -> Run {
    let text = format!(
        "policy = 1\nname = \"held\"\ninstrument = \"{}\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n{size}\n\
         [backtest]\ndeposit = \"1_000_000 USDT\"\n",
        demo::SYMBOL
    );
    let request = Request { policies: vec![PolicyFile::new("held.toml", text)], tapes, ..Request::default() };
    backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap()
}

const HALF: &str = "[size]\nkind = \"fixed_fraction\"\nfraction = 0.5\n";

#[test]
fn a_perpetual_without_funding_rates_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(3, folder.path());
    assert_eq!(run(HALF, tapes.clone()).summary().integrity.notes, Vec::<String>::new());
    let notes = run(HALF, vec![tapes[0].clone()]).summary().integrity.notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("`demo:BTCUSDT-PERP` was held for 2 d 23 h without funding: "), "{notes:?}");
}

#[test]
fn a_run_that_traded_nothing_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(1, folder.path());
    // A unit of 20 days is never known in one.
    let size =
        "[size]\nkind = \"risk_per_trade\"\nrisk = \"1%\"\n[unit]\nn = \"atr(20, 1d)\"\n[stop]\ninitial = \"2N\"\n";
    let notes = run(size, tapes).summary().integrity.notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("nothing was traded in 289 bars"), "{notes:?}");
    assert!(notes[0].contains("volatility unit N is not known yet"), "{notes:?}");
}

#[test]
fn orders_that_the_venue_took_back_for_margin_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(1, folder.path());
    // 100,000,000 at 100 times equity: the tiers of margin allow far less.
    let run = run(&HALF.replace("0.5", "100.0"), tapes);
    let notes = run.summary().integrity.notes;
    assert!(run.tables.fills.is_empty(), "nothing was filled");
    assert!(notes.iter().any(|note| note.starts_with("nothing was traded in 289 bars")), "{notes:?}");
    assert!(
        notes.iter().any(|note| note.starts_with("the venue cancelled ") && note.contains("for margin")),
        "{notes:?}"
    );
}
