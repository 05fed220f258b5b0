//! Hostile input for what reads files: the same targets for the seeded driver of this crate, which runs on the stable
//! toolchain, and for libFuzzer (`libfuzzer/`, by `cargo fuzz`).
//!
//! A target may refuse its input or take it; it panics where something that must hold does not.
#![allow(clippy::panic, reason = "a panic of a target is its finding")]

mod corpus;
mod mutate;
mod reseal;
mod targets;

pub use corpus::corpus;
pub use mutate::{Mutator, Random};
pub use reseal::reseal;
pub use targets::{Target, run};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// What a campaign did.
#[derive(Debug)]
pub struct Outcome {
    /// Inputs tried.
    pub tried: u64,
    /// Of those, how many were taken and not refused: a campaign that never gets in tests only the door.
    pub taken: u64,
    /// The first input that broke something, and its number.
    pub broken: Option<(u64, Vec<u8>)>,
}

/// Runs a target over its corpus and mutations of it: bounded in count and in time, and the same inputs for the same seed.
pub fn campaign(target: Target, seed: u64, count: u64, time: Duration) -> Outcome {
    let corpus = corpus(target);
    let mut mutator = Mutator::new(Random::new(seed), corpus.clone());
    let started = Instant::now();
    let mut outcome = Outcome { tried: 0, taken: 0, broken: None };
    while outcome.tried < count && started.elapsed() < time {
        let number = outcome.tried;
        let input = match corpus.get(usize::try_from(number).unwrap_or(usize::MAX)) {
            Some(whole) => whole.clone(),
            None => mutator.next(target),
        };
        outcome.tried += 1;
        match catch_unwind(AssertUnwindSafe(|| run(target, &input))) {
            Ok(taken) => outcome.taken += u64::from(taken),
            Err(_) => {
                outcome.broken = Some((number, input));
                break;
            }
        }
    }
    outcome
}
