//! A short seeded campaign for each target, with every run of the tests; `TRIMTAB_LONG` makes it forty times as long.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at once")]

use fuzz::{Target, campaign, corpus, reseal, run};
use std::time::Duration;

#[track_caller]
fn short(target: Target, count: u64) {
    // What decoders say of damage that is caught and told would only fill the test's output.
    std::panic::set_hook(Box::new(|_| {}));
    let long = if std::env::var_os("TRIMTAB_LONG").is_some() { 40 } else { 1 };
    let outcome = campaign(target, 7, count * long, Duration::from_secs(20 * long));
    let _ = std::panic::take_hook();
    if let Some((number, input)) = outcome.broken {
        let file = std::env::temp_dir().join(format!("fuzz-{target}-7-{number}"));
        std::fs::write(&file, &input).unwrap();
        panic!(
            "input {number} broke it: `cargo run --profile ci -p trimtab-fuzz -- {target} {}` shows how",
            file.display()
        );
    }
    assert!(outcome.taken > outcome.tried / 200, "hardly any input gets in: {outcome:?}");
}

#[test]
fn hostile_tapes() {
    short(Target::Tape, 3_000);
}

#[test]
fn hostile_tables() {
    short(Target::Csv, 3_000);
}

#[test]
fn hostile_policies() {
    short(Target::Policy, 10_000);
}

#[test]
fn the_corpus_is_taken_and_a_seed_gives_the_same_inputs() {
    for target in Target::ALL {
        assert!(corpus(target).iter().filter(|input| run(target, input)).count() >= 3, "{target}");
        let counts = [(); 2].map(|()| campaign(target, 3, 200, Duration::from_secs(60)).taken);
        assert_eq!(counts[0], counts[1], "{target}");
    }
}

/// Without this the campaign would test hashes and nothing behind them.
#[test]
fn a_resealed_tape_passes_its_hashes() {
    let whole = corpus(Target::Tape).remove(2);
    assert_eq!(reseal(&whole).as_deref(), Some(whole.as_slice()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tape");
    let mut decoded = 0;
    for place in (40..2_000).step_by(7) {
        let mut altered = whole.clone();
        altered[place] ^= 0x10;
        std::fs::write(&path, reseal(&altered).unwrap_or(altered)).unwrap();
        let said = match tape::TapeReader::open(&path).and_then(|mut reader| {
            while reader.next_row()?.is_some() {}
            Ok(())
        }) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        decoded += usize::from(!said.contains("hash"));
    }
    assert!(decoded > 250, "{decoded}");
}
