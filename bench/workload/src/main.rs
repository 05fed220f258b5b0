//! `cargo xtask workload`: prints the workload's figures as one JSON line.

use clap::Parser;
use workload::{Measured, engine_run, floor_run};

/// Runs the decision workload through the full engine and through a bare loop.
#[derive(Parser)]
struct Arguments {
    /// Seed of the price walks.
    #[arg(long, default_value_t = 20_240_607)]
    seed: u64,
    /// Instruments, interleaved by time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    instruments: u64,
    /// Events over all instruments.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    events: u64,
    /// Runs; the medians are printed.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    runs: u64,
}

fn median(runs: &mut [Measured]) -> f64 {
    runs.sort_by(|a, b| a.events_per_s.total_cmp(&b.events_per_s));
    runs[runs.len() / 2].events_per_s
}

#[allow(clippy::print_stdout, reason = "its result")]
fn main() {
    let Arguments { seed, instruments, events, runs } = Arguments::parse();
    let [mut quiet, mut always, mut floor] = [const { Vec::new() }; 3];
    for _ in 0..runs {
        quiet.push(engine_run(seed, instruments, events, false));
        always.push(engine_run(seed, instruments, events, true));
        floor.push(floor_run(seed, instruments, events));
    }
    let one = quiet[0].clone();
    let is_same = |run: &Measured| run.orders == one.orders && run.hash == one.hash;
    let same = quiet.iter().chain(&always).all(is_same);
    let [quiet, always, floor_median] = [&mut quiet, &mut always, &mut floor].map(|runs| median(runs));
    let ratio = |events_per_s: f64| (events_per_s / floor_median * 1_000.0).round() / 1_000.0;
    let result = serde_json::json!({
        "seed": seed,
        "instruments": instruments,
        "events": events,
        "orders": one.orders,
        "floor_orders": floor[0].orders,
        "evaluated": one.evaluations as f64 / events as f64,
        "events_per_s": quiet.round(),
        "always_events_per_s": always.round(),
        "floor_events_per_s": floor_median.round(),
        "ratio": ratio(quiet),
        "always_ratio": ratio(always),
        "hash": one.hash,
        "runs": runs,
        "same_hash_in_all_runs": same,
    });
    println!("{result}");
}
