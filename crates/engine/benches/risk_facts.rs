//! What keeping facts of risk current costs a tick: `cargo bench -p trimtab-engine --bench risk_facts`. Thread CPU time of a tick of the
//! perpetual beside 504 options that are sold, less that of the same engine whose strategy reads none of them, beside it;
//! medians of nine rounds' medians of a hundred ticks' means, so that the clock costs nothing.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement reads a clock")]

mod common;

use common::{FORWARD, World};
use cpu_time::ThreadTime;
use units::{SeriesId, StrategyId};

const ROUNDS: usize = 9;
const BATCHES: usize = 60;
const TICKS: usize = 100;
/// Nanoseconds.
const SLOW: f64 = 20_000.0;

/// Facts, and between what a rule decides the same.
const FACTS: [(&str, f64, Option<f64>); 10] = [
    ("margin.ratio(deribit)", 0.0, Some(0.8)),
    ("margin.initial(deribit)", 0.0, Some(900.0)),
    ("margin.maintenance(deribit)", 0.0, Some(900.0)),
    ("liquidation.distance()", 0.1, None),
    ("liquidation.probability(1d)", 0.0, Some(0.2)),
    ("liquidation.probability(30d)", 0.0, Some(0.9)),
    ("concentration.venue()", 0.5, None),
    ("concentration.stablecoin()", 0.0, Some(0.6)),
    ("stress(2025-10-10)", 0.0, Some(0.9)),
    ("margin.ratio(deribit, portfolio)", 0.0, Some(0.9)),
];

/// What may be lost by 500 and by 1,000 scenarios.
const LOSSES: [(&str, f64, Option<f64>); 4] = [
    ("var(99%, 1h)", 0.0, Some(0.5)),
    ("es(97.5%, 1h)", 0.0, Some(0.5)),
    ("var(99%, 1h, montecarlo)", 0.0, Some(0.5)),
    ("var.component(99%, 1h)", 0.0, Some(0.5)),
];

/// Nanoseconds a tick: prices go from one to the other and back, or in small steps.
fn batch(world: &mut World, far: bool) -> f64 {
    let step = |at: usize| match far {
        true => FORWARD * if at.is_multiple_of(2) { 1.0 } else { 1.3 },
        false => FORWARD + (at % 50) as f64,
    };
    let begin = ThreadTime::now();
    (0..TICKS).for_each(|at| world.tick(step(at)));
    begin.elapsed().as_nanos() as f64 / TICKS as f64
}

/// Nanoseconds that a tick takes more than in another, batch beside batch: a machine that slows down slows both.
fn more(world: &mut World, than: &mut World, far: bool) -> f64 {
    // The first looks for proofs, and what takes long is measured less often.
    batch(world, far);
    let batches = if batch(world, far) > SLOW { 3 } else { BATCHES };
    let mut more = || batch(world, far) - batch(than, far);
    let mut rounds: Vec<f64> =
        (0..ROUNDS).map(|_| median(&mut (0..batches).map(|_| more()).collect::<Vec<f64>>())).collect();
    median(&mut rounds)
}

fn median(of: &mut [f64]) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Of the options every so many are sold, here a hundred.
const HUNDRED: usize = 5;

fn main() {
    // Names of facts to measure, or parts of them; without any all.
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    println!("a tick of the perpetual beside 504 options; more with a fact, ns");
    println!("{:<34} {:>8} {:>10} {:>12} {:>12}", "", "sold", "inside", "outside", "computed");
    for (every, facts) in [(1, &FACTS[..]), (HUNDRED, &LOSSES)] {
        let nothing = || World::new(None, Some((0.0, None)), every);
        let (mut near, mut far) = (nothing(), nothing());
        let sold = 504_usize.div_ceil(every);
        let alone = median(&mut (0..BATCHES).map(|_| batch(&mut near, false)).collect::<Vec<f64>>());
        println!("{:<34} {sold:>8} {alone:>10.0}", "nothing is read: all of a tick");
        for (fact, low, high) in facts {
            if !asked.is_empty() && !asked.iter().any(|part| fact.contains(part)) {
                continue;
            }
            let bounds = Some((*low, *high));
            let world = |bounds| World::new(Some(fact), bounds, every);
            let (mut proved, mut left) = (world(bounds), world(bounds));
            let (inside, outside) = (more(&mut proved, &mut near, false), more(&mut left, &mut far, true));
            let anew = more(&mut world(None), &mut near, false);
            println!("{fact:<34} {sold:>8} {inside:>10.0} {outside:>12.0} {anew:>12.0}");
            let [proved, left] = [&proved.engine, &left.engine];
            println!("    computed, spared: {:?} inside, {:?} outside", proved.risk_readings(), left.risk_readings());
            if let Some(refusal) = left.risk_refusal(StrategyId(0), SeriesId(0)) {
                println!("    not told: {refusal}");
            }
        }
    }
}
