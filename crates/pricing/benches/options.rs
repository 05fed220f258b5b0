//! Options a second: `cargo bench -p trimtab-pricing --bench options`. Thread CPU time, medians of nine, with the baseline of the
//! same run and the ratio to it. Options are in memory, building them is not timed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement starts its baseline")]

use cpu_time::ThreadTime;
use implied_vol::{DefaultSpecialFn, ImpliedBlackVolatility};
use pricing::options::{
    Batch, EuropeanOption, ImpliedVols, Inputs, OptionKind, OptionStyle, Quantities, QuoteInputs, Quotes, Simd,
    SimdName, Values,
};
use std::hint::black_box;

const ROUNDS: usize = 9;

fn main() {
    values();
    sums();
    implied();
}

fn values() {
    println!("{:<44} {:>10} {:>8}", "price and 12 Greeks", "M/s", "ratio");
    let baselines = numpy();
    for (at, (count, passes)) in [(2_000, 200), (200_000, 4)].into_iter().enumerate() {
        let baseline = baselines.map(|rates| rates[at]);
        match baseline {
            Some(rate) => println!("{:<44} {rate:>10.1} {:>8.2}", format!("{count} options, numpy"), 1.0),
            None => println!("{count} options: no numpy beside it (`TRIMTAB_PYTHON` names a Python that has it)"),
        }
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
            let ratio = baseline.map_or_else(String::new, |baseline| format!("{:.2}", rate / baseline));
            println!("{:<44} {rate:>10.1} {ratio:>8}", format!("{count} options, {name}"));
        }
    }
}

/// The same in numpy, a plain column at a time: rates in cache and streaming.
fn numpy() -> Option<[f64; 2]> {
    let python = std::env::var_os("TRIMTAB_PYTHON").unwrap_or_else(|| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/black_numpy.py");
    let output = std::process::Command::new(python).arg(script).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut rates = text.split_whitespace().map(|rate| rate.parse().ok());
    Some([rates.next()??, rates.next()??])
}

fn sums() {
    println!("\n{:<44} {:>10}", "sums of a portfolio", "M/s");
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

/// Implied volatilities from nothing, and from the last ones after prices moved by up to 0.2 %, beside the published solver.
fn implied() {
    let count = 2_000;
    let options = chain(count);
    let mut quotes = [Quotes::default(), Quotes::default()];
    let mut rows = Vec::new();
    for (index, option) in options.iter().enumerate() {
        let Inputs { forward, strike, years, discount, .. } = option.inputs();
        let kind = if strike < forward { OptionKind::Put } else { OptionKind::Call };
        let price = EuropeanOption::new(kind, option.inputs()).unwrap().greeks().price;
        rows.push((price, forward, strike, years, kind == OptionKind::Call));
        let moved = price * (1.0 + 0.002 * ((index * 29 % 101) as f64 / 101.0 - 0.5));
        for (quotes, price) in quotes.iter_mut().zip([price, moved]) {
            let inputs = QuoteInputs { forward, strike, years, discount, price, tick: 0.0 };
            quotes.push(kind, OptionStyle::Linear, inputs).unwrap();
        }
    }
    let crate_rate = median(|| {
        for &(price, forward, strike, years, is_call) in &rows {
            let builder = ImpliedBlackVolatility::builder().option_price(price).forward(forward).strike(strike);
            let quote = builder.expiry(years).is_call(is_call).build_unchecked();
            black_box(quote.calculate::<DefaultSpecialFn>());
        }
        count
    });
    println!("\n{:<44} {:>10} {:>8}", "implied volatilities", "M/s", "ratio");
    println!("{:<44} {crate_rate:>10.1} {:>8.2}", "implied-vol, one by one", 1.0);
    for (name, simd) in paths() {
        let mut vols = ImpliedVols::default();
        let rate = median(|| {
            for _ in 0..20 {
                black_box(&quotes[0]).implied(simd, &mut vols);
                black_box(&vols);
            }
            count * 20
        });
        println!("{:<44} {rate:>10.1} {:>8.2}", format!("cold, {name}"), rate / crate_rate);
        let rate = median(|| {
            for turn in 1..21 {
                black_box(&quotes[turn % 2]).implied_again(simd, &mut vols);
                black_box(&vols);
            }
            count * 20
        });
        println!("{:<44} {rate:>10.1} {:>8.2}", format!("warm, {name}"), rate / crate_rate);
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
fn chain(count: usize) -> Vec<EuropeanOption> {
    let one = |index: usize| {
        let share = |step: usize, of: usize| (index * step % of) as f64 / of as f64;
        let inputs = Inputs {
            forward: 60_000.0,
            strike: 30_000.0 + 90_000.0 * share(37, 1_009),
            years: 1.0 / 365.0 + share(101, 997),
            vol: 0.3 + 0.9 * share(53, 991),
            discount: 1.0,
        };
        let kind = if index.is_multiple_of(2) { OptionKind::Call } else { OptionKind::Put };
        EuropeanOption::new(kind, inputs).unwrap()
    };
    (0..count).map(one).collect()
}

fn batch(count: usize) -> Batch {
    let mut batch = Batch::default();
    chain(count).iter().for_each(|option| batch.push(option));
    batch
}
