//! A strategy is not evaluated on an input inside its quiet region. With and without that, any policy on any path gives the same
//! plans, commands, notices and state; and it spares what it is for. Builds with debug assertions, as these, also evaluate each
//! input that is passed and compare.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/desk.rs"]
mod desk;
#[path = "common/random.rs"]
mod random;

use common::{Setup, Tick, cases, feed, restore, snapshot};
use desk::{Desk, Seat};
use exchange::ExchangeConfig;
use market::{Catalogue, Event, Instrument};
use policy::spec::{Policy, Resize, RungAt, SignalKind, Trigger, UnitSource};
use policy::testing::policies;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use random::Random;
use std::cell::RefCell;
use units::{Duration, InstrumentId, Ratio};

/// Inputs, evaluations of them, and how many runs were spared any.
#[derive(Default)]
struct Spared {
    inputs: u64,
    evaluations: u64,
    runs: u32,
    /// Of facts of what may be lost: computed, and spared by a proof; and steps of plans that they decided.
    computed: u64,
    proved: u64,
    decided: u64,
}

/// What may be lost, over steps that have bars between them and markets enough of.
const LOSSES: [&str; 5] =
    ["var(90%, 6h)", "es(90%, 6h)", "var(95%, 3h, historical)", "es.component(90%, 6h)", "var(90%, 3h, montecarlo)"];

/// The policy with a limit on what may be lost, and sometimes a condition.
fn losing(mut setup: Setup, random: &mut Random) -> Setup {
    let fact = LOSSES[random.below(LOSSES.len() as u64) as usize];
    // From a fifth of a percent to thirty, the restore level under it.
    let level = (20.0 * (5.0 * random.uniform()).exp()) as u64;
    let back = level * (50 + random.below(50)) / 100;
    let action = ["reduce", "no_increase", "flat"][random.below(3) as usize];
    let text = format!(
        "policy = 1\nname = \"x\"\ninstrument = \"{}\"\n[signal]\nkind = \"constant\"\nstrength = 1\n\
         when = \"!known({fact}) || {fact} < {}bp\"\n[size]\nkind = \"fixed_fraction\"\nfraction = 1\n\
         [[limits]]\nof = \"{fact}\"\nover = \"{level}bp\"\nrestore = \"{back}bp\"\naction = \"{action}\"\n",
        policy::testing::INSTRUMENT,
        level * 2
    );
    let parsed = policy::parse(&text);
    let with = parsed.policy.unwrap_or_else(|| panic!("{text}: {:?}", parsed.diagnostics));
    setup.policy.limits = with.limits;
    if random.chance(0.3) {
        setup.policy.signal.when = with.signal.when;
    }
    for name in setup.policy.series() {
        if setup.catalogue.series_id(&name).is_none() {
            setup.catalogue.series.push(name);
        }
    }
    setup
}

/// The policy without what can state no region yet: sizes that follow equity, and prices that are watched.
fn stating(mut policy: Policy) -> Policy {
    policy.size.resize = Resize::Entry;
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

/// Some policies with indicators that make nothing of a price but what follows from it alone.
fn idling(mut policy: Policy, seed: u64) -> Policy {
    if seed.is_multiple_of(3) && policy.unit.is_some() {
        policy.unit = Some(UnitSource::OfPrice { share: Ratio::new(0.001 * (1 + seed % 50) as f64).unwrap() });
    }
    if seed.is_multiple_of(6) {
        let strength = Ratio::new(if seed.is_multiple_of(12) { 1.0 } else { -0.5 }).unwrap();
        policy.signal.kind = SignalKind::Constant { strength };
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
    let (computed, proved) = engine.risk_readings();
    (spared.computed, spared.proved) = (spared.computed + computed, spared.proved + proved);
    let steps = turns.iter().flat_map(|turn| turn.plans()).flat_map(|plan| &plan.steps);
    spared.decided += steps.filter(|step| step.reason.template.contains("limit")).count() as u64;
    Ok(())
}

#[test]
fn any_policy_decides_the_same_with_and_without() {
    let Spared { inputs, evaluations, runs, .. } = spared(cases(1_000), 200..600, |setup, _| setup);
    let told = format!("{evaluations} evaluations of {inputs} inputs; {runs} runs evaluate less than half");
    assert!(evaluations * 20 < inputs * 19 && runs * 10 >= cases(1_000), "{told}");
}

/// The same with limits on what may be lost: that is computed from a history, and between its steps a proof stands for it.
#[test]
fn a_policy_that_reads_what_may_be_lost_decides_the_same() {
    let spared = spared(cases(300), 400..700, losing);
    let Spared { computed, proved, decided, .. } = spared;
    assert!(computed > 1_000 && proved > 1_000 && decided > 100, "{computed} {proved} {decided}");
}

/// Runs random policies on random markets of so many bars.
fn spared(cases: u32, bars: std::ops::Range<usize>, with: impl Fn(Setup, &mut Random) -> Setup) -> Spared {
    let config = Config { cases, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let spared = RefCell::new(Spared::default());
    let done = runner.run(&(policies(), any::<u64>(), bars), |(policy, seed, bars)| {
        let policy = idling(policy, seed);
        let setup = random::setup(if seed % 4 == 0 { policy } else { stating(policy) }, seed);
        let setup = with(setup, &mut Random(seed ^ 0x010c_5e50));
        check(&setup, seed, bars, &mut spared.borrow_mut()).map_err(TestCaseError::fail)
    });
    if let Err(error) = done {
        panic!("{error}");
    }
    spared.into_inner()
}

/// Three strategies in instruments of their own, in one account that each of them moves: prices come together or one after the other.
#[test]
fn policies_in_one_account_decide_the_same() {
    let config = Config { cases: cases(120), max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let spared = RefCell::new((0, 0));
    let done =
        runner.run(&(prop::collection::vec(policies(), 3), any::<u64>(), 150..350_usize), |(given, seed, bars)| {
            let found = check_account(given, seed, bars).map_err(TestCaseError::fail)?;
            let mut spared = spared.borrow_mut();
            *spared = (spared.0 + found.0, spared.1 + found.1);
            Ok(())
        });
    if let Err(error) = done {
        panic!("{error}");
    }
    let (evaluations, inputs) = spared.into_inner();
    assert!(evaluations * 20 < inputs * 19, "{evaluations} evaluations of {inputs} inputs");
}

/// Evaluations with regions and without.
fn check_account(given: Vec<Policy>, seed: u64, bars: usize) -> Result<(u64, u64), String> {
    let symbols = ["binance:BTCUSDT-PERP", "binance:ETHUSDT-PERP", "binance:SOLUSDT-PERP"];
    let first = random::catalogue(1);
    let named = |symbol: &&str| Instrument { symbol: (*symbol).to_owned(), ..first.instruments[0].clone() };
    let catalogue = Catalogue { instruments: symbols.iter().map(named).collect(), series: first.series.clone() };
    let deposit = given[0].backtest.deposit;
    let seats = given.into_iter().enumerate().map(|(index, policy)| {
        let policy = random::shortened(stating(idling(policy, seed.wrapping_add(index as u64))));
        Seat::new(Policy { instruments: vec![symbols[index].to_owned()], ..policy }, index as u32)
    });
    let seats = seats.collect();
    let terms = ExchangeConfig::new(deposit, &catalogue);
    let desk = Desk { catalogue, accounts: Vec::new(), terms, seats };
    let (moments, engine) = desk.run(&prices(seed, bars));
    let mut always = desk.engine();
    always.evaluate_always();
    for (number, moment) in moments.iter().enumerate() {
        let outputs = feed(&mut always, moment.at, moment.source, &moment.events);
        if outputs != moment.outputs {
            return Err(format!("moment {number} gives {:?}, evaluated {outputs:?}", moment.outputs));
        }
    }
    if snapshot(&engine) != snapshot(&always) {
        return Err("the states differ".to_owned());
    }
    Ok((engine.evaluations(), always.evaluations()))
}

/// Markets of three instruments, of some hours in one delivery and of others a minute apart.
fn prices(seed: u64, bars: usize) -> Vec<Tick> {
    let mut random = Random(seed ^ 0x0a11);
    let markets: Vec<Vec<Tick>> = (0..3).map(|of| random::market(seed.wrapping_add(of * 7), bars, false)).collect();
    let mut all: Vec<(i64, usize, Tick)> = Vec::new();
    for (of, market) in markets.into_iter().enumerate() {
        for mut tick in market {
            // The index is told once.
            tick.events.retain(|event| of == 0 || !matches!(event, Event::Series(_)));
            for event in &mut tick.events {
                match event {
                    Event::Bar(bar) => bar.instrument = InstrumentId(of as u32),
                    Event::Mark(mark) => mark.instrument = InstrumentId(of as u32),
                    Event::Funding(due) => due.instrument = InstrumentId(of as u32),
                    _ => {}
                }
            }
            if !tick.events.is_empty() {
                all.push((tick.at.nanos(), of, tick));
            }
        }
    }
    all.sort_by_key(|(at, of, _)| (*at, *of));
    let mut ticks: Vec<Tick> = Vec::new();
    let mut together = false;
    for (_, of, tick) in all {
        if of == 0 {
            together = random.chance(0.5);
        }
        let minutes = if together { 0 } else { of as i64 };
        let at = tick.at + Duration::from_nanos(minutes * Duration::MINUTE.nanos());
        match ticks.last_mut() {
            Some(last) if last.at == at => last.events.extend(tick.events),
            _ => ticks.push(Tick { at, events: tick.events }),
        }
    }
    ticks
}
