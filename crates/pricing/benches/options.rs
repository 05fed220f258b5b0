//! Options a second: `cargo bench -p trimtab-pricing --bench options`. Thread CPU time, medians of nine, with the baseline of the
//! same run and the ratio to it. Options are in memory, building them is not timed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]
#![allow(clippy::disallowed_methods, reason = "a measurement asks for the time and starts the baseline")]

use cpu_time::ThreadTime;
use pricing::options::{Batch, EuropeanOption, Inputs, OptionKind, Quantities, Simd, SimdName, Values};
use std::hint::black_box;

const ROUNDS: usize = 9;

fn main() {
    println!("{:<44} {:>10}", "price and 12 Greeks", "M/s");
    for (count, passes) in [(2_000, 200), (200_000, 4)] {
        for (name, simd) in paths() {
            let batch = batch(count);
            let mut values = Values::default();
            batch.values(simd, &mut values);
            let rate = median(|| {
                for _ in 0..passes {
                    black_box(&batch).values(simd, &mut values);
                    black_box(&values);
                }
                count * passes
            });
            println!("{:<44} {rate:>10.1}", format!("{count} options, {name}"));
        }
    }
    for (name, simd) in paths() {
        let mut batch = batch(500);
        let quantities = Quantities::from_iter((0..500).map(|k| f64::from(k % 7) - 3.0));
        let mut forward = 60_000.0;
        let passes = 400;
        let rate = median(|| {
            for _ in 0..passes {
                forward += 0.5;
                batch.set_forward(0..500, forward).unwrap();
                black_box(batch.sums(simd, &quantities));
            }
            500 * passes
        });
        println!("{:<44} {rate:>10.1} {:>8.2} µs", format!("sums of 500 after a tick, {name}"), 500.0 / rate);
    }
}

fn paths() -> impl Iterator<Item = (SimdName, Simd)> {
    SimdName::ALL.into_iter().rev().filter_map(|name| Some((name, Simd::new(name)?)))
}

/// Calls of `pass` a second, in millions: the median of nine. `pass` says how many it made.
fn median(mut pass: impl FnMut() -> usize) -> f64 {
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = ThreadTime::now();
            let count = pass();
            count as f64 / begin.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[ROUNDS / 2]
}

/// A chain around 60,000: strikes from half to double, a day to a year, 30 % to 120 %.
fn batch(count: usize) -> Batch {
    let mut batch = Batch::default();
    for index in 0..count {
        let share = |step: usize, of: usize| (index * step % of) as f64 / of as f64;
        let inputs = Inputs {
            forward: 60_000.0,
            strike: 30_000.0 + 90_000.0 * share(37, 1_009),
            years: 1.0 / 365.0 + share(101, 997),
            vol: 0.3 + 0.9 * share(53, 991),
            discount: 1.0,
        };
        let kind = if index % 2 == 0 { OptionKind::Call } else { OptionKind::Put };
        batch.push(&EuropeanOption::new(kind, inputs).unwrap());
    }
    batch
}
