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
    let mut engine = Vec::new();
    let mut floor = Vec::new();
    for _ in 0..runs {
        engine.push(engine_run(seed, instruments, events));
        floor.push(floor_run(seed, instruments, events));
    }
    let (orders, hash) = (engine[0].orders, engine[0].hash.clone());
    let same = engine.iter().all(|run| run.orders == orders && run.hash == hash);
    let (engine_median, floor_median) = (median(&mut engine), median(&mut floor));
    let result = serde_json::json!({
        "seed": seed,
        "instruments": instruments,
        "events": events,
        "orders": orders,
        "floor_orders": floor[0].orders,
        "events_per_s": engine_median.round(),
        "floor_events_per_s": floor_median.round(),
        "ratio": (engine_median / floor_median * 1_000.0).round() / 1_000.0,
        "hash": hash,
        "runs": runs,
        "same_hash_in_all_runs": same,
    });
    println!("{result}");
}
