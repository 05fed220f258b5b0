//! A strategy is not evaluated on an input inside its quiet region. With and without that, any policy on any path gives the same
//! plans, commands, notices and state; and it spares what it is for. Builds with debug assertions, as these, also evaluate each
//! input that is passed and compare.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/random.rs"]
mod random;

use common::{Setup, cases, feed, restore, snapshot};
use policy::spec::{Caps, Guards, Policy, Resize, RungAt, Trigger};
use policy::testing::policies;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use random::Random;
use std::cell::RefCell;

/// Inputs, evaluations of them, and how many runs were spared any.
#[derive(Default)]
struct Spared {
    inputs: u64,
    evaluations: u64,
    runs: u32,
}

/// The policy without what can state no region yet: prices that are watched, limits of loss and open risk, guards.
fn stating(mut policy: Policy) -> Policy {
    policy.size.resize = Resize::Entry;
    policy.guards = Guards::default();
    let Caps { leverage, drawdown, .. } = policy.caps;
    policy.caps = Caps { leverage, drawdown, ..Caps::default() };
    if let Some(stop) = &mut policy.stop {
        stop.trigger = Trigger::Resting;
    }
    policy.ladder = policy.ladder.and_then(|mut ladder| {
        ladder.trigger = Trigger::Resting;
        ladder.rungs.retain(|rung| !matches!(rung.at, RungAt::Time(_) | RungAt::Volatility(_) | RungAt::When(_)));
        (!ladder.rungs.is_empty()).then_some(ladder)
    });
    let rungs = policy.ladder.as_ref().map_or(0, |ladder| ladder.rungs.len());
    if let Some(stop) = &mut policy.stop {
        stop.break_even_after = stop.break_even_after.filter(|rung| *rung as usize <= rungs);
    }
    policy
}

fn check(setup: &Setup, seed: u64, bars: usize, spared: &mut Spared) -> Result<(), String> {
    let signed = matches!(setup.policy.signal.kind, policy::spec::SignalKind::Series { .. });
    let market = random::market(seed, bars, signed);
    let (turns, engine) = setup.run(&market);
    let mut always = setup.engine();
    always.evaluate_always();
    let mut resumed = setup.engine();
    let mut random = Random(seed ^ 0x0071_e700);
    for (number, turn) in turns.iter().enumerate() {
        for engine in [&mut always, &mut resumed] {
            let outputs = feed(engine, turn.at, turn.source, &turn.events);
            if outputs != turn.outputs {
                return Err(format!("turn {number} gives {:?}, evaluated {outputs:?}", turn.outputs));
            }
        }
        if random.chance(0.05) {
            // A region is no state: it is found again, wherever a run is taken up.
            resumed = restore(setup, &snapshot(&resumed));
        }
    }
    let states = [snapshot(&engine), snapshot(&always), snapshot(&resumed)];
    if states[0] != states[1] || states[0] != states[2] {
        return Err("the states differ".to_owned());
    }
    assert!(engine.evaluations() <= always.evaluations());
    spared.inputs += always.evaluations();
    spared.evaluations += engine.evaluations();
    spared.runs += u32::from(engine.evaluations() * 2 < always.evaluations());
    Ok(())
}

#[test]
fn any_policy_decides_the_same_with_and_without() {
    let cases = cases(500);
    let config = Config { cases, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let spared = RefCell::new(Spared::default());
    let done = runner.run(&(policies(), any::<u64>(), 200..600_usize), |(policy, seed, bars)| {
        let setup = random::setup(if seed % 4 == 0 { policy } else { stating(policy) }, seed);
        check(&setup, seed, bars, &mut spared.borrow_mut()).map_err(TestCaseError::fail)
    });
    if let Err(error) = done {
        panic!("{error}");
    }
    let Spared { inputs, evaluations, runs } = spared.into_inner();
    let told = format!("{evaluations} evaluations of {inputs} inputs; {runs} of {cases} runs evaluate less than half");
    assert!(evaluations * 20 < inputs * 19 && runs * 10 >= cases, "{told}");
}
