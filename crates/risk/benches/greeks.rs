//! Portfolio Greeks after a tick: `cargo bench -p trimtab-risk --bench greeks`. Thread CPU time of each tick, median of nine rounds'
//! medians and of their 99th percentiles. A call of the clock is in each figure; what it costs is printed first. Names of rows, or parts
//! of them, as arguments: these rows alone.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]
#![allow(clippy::disallowed_methods, reason = "which rows are measured is asked for by arguments")]

use cpu_time::ThreadTime;
use market::Currency;
use pricing::options::{OptionStyle, Simd, SimdName};
use risk::greeks::{DeltaOneKey, Dimension, OptionKey, PortfolioGreeks, SmilePoint};
use std::hint::black_box;
use units::{AccountId, Contract, Duration, OptionRight, Price, Qty, StrategyId, Timestamp};

const ROUNDS: usize = 9;
const TICKS: usize = 20_000;
const IN_A_ROW: usize = 100;

fn main() {
    println!("{:<64} {:>9} {:>9}", "500 options, 12 expiries, 3 venues, 5 strategies", "p50 ns", "p99 ns");
    measure("the clock alone", || {});
    for (name, simd) in SimdName::ALL.into_iter().rev().filter_map(|name| Some((name, Simd::new(name)?))) {
        let (mut greeks, btc, mut price, mut groups) = (portfolio(simd, 500), btc(), 60_000.0, Vec::new());
        let mut tick = |greeks: &mut PortfolioGreeks| {
            price += if price > 61_000.0 { -1_000.0 } else { 0.5 };
            greeks.set_price(btc, price).unwrap();
        };
        measure(&format!("a tick: sums of the underlying, {name}"), || {
            tick(&mut greeks);
            black_box(greeks.underlying(btc));
        });
        measure_in_a_row(&format!("the same, {IN_A_ROW} in a row, each, {name}"), || {
            tick(&mut greeks);
            black_box(greeks.underlying(btc));
        });
        measure(&format!("a tick: sums of every strategy, {name}"), || {
            tick(&mut greeks);
            greeks.by(Dimension::Strategy, &mut groups);
            black_box(&groups);
        });
        measure(&format!("a tick: sums, and of every group of all dimensions, {name}"), || {
            tick(&mut greeks);
            for dimension in Dimension::ALL {
                greeks.by(dimension, &mut groups);
                black_box(&groups);
            }
        });
        let term = expiry(5);
        measure(&format!("one expiry's forward: sums, {name}"), || {
            price += 0.5;
            greeks.set_forward(btc, term, price).unwrap();
            black_box(greeks.underlying(btc));
        });
        let key = key(250);
        let mut lots = 0;
        measure(&format!("a position resized: sums, {name}"), || {
            lots = lots % 1_000 + 1;
            greeks.resize(&key, Qty::from_raw(lots * 1_000_000)).unwrap();
            black_box(greeks.underlying(btc));
        });
        measure(&format!("a position taken out and put back: sums, {name}"), || {
            greeks.resize(&key, Qty::ZERO).unwrap();
            greeks.hold(key, Qty::from_raw(100_000_000), SmilePoint { vol: 0.6, slope: -0.1 }).unwrap();
            black_box(greeks.underlying(btc));
        });
    }
}

/// Without the clock between: the clock is a call of the system, after which caches and predictions are colder.
fn measure_in_a_row(what: &str, mut once: impl FnMut()) {
    report(what, IN_A_ROW, || (0..IN_A_ROW).for_each(|_| once()));
}

fn measure(what: &str, once: impl FnMut()) {
    report(what, 1, once);
}

fn report(what: &str, count: usize, mut all: impl FnMut()) {
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if !asked.is_empty() && !asked.iter().any(|part| what.contains(part)) {
        return;
    }
    let mut medians = Vec::new();
    let mut tails = Vec::new();
    for _ in 0..ROUNDS {
        let mut times: Vec<u128> = (0..TICKS / count)
            .map(|_| {
                let begin = ThreadTime::now();
                all();
                begin.elapsed().as_nanos() / count as u128
            })
            .collect();
        times.sort_unstable();
        medians.push(times[times.len() / 2]);
        tails.push(times[times.len() * 99 / 100]);
    }
    medians.sort_unstable();
    tails.sort_unstable();
    println!("{what:<64} {:>9} {:>9}", medians[ROUNDS / 2], tails[ROUNDS / 2]);
}

fn btc() -> Currency {
    "BTC".parse().unwrap()
}

fn expiry(number: i64) -> Timestamp {
    Timestamp::from_nanos((20_000 + 1 + 15 * number) * Duration::DAY.nanos())
}

/// Strikes from half to double, in twelve expiries.
fn key(index: usize) -> OptionKey {
    OptionKey {
        underlying: btc(),
        expiry: expiry((index % 12) as i64),
        strike: Price::from_raw(30_000 * Price::ONE + (index / 12) as i64 * 2_000 * Price::ONE),
        right: if index % 5 < 2 { OptionRight::Call } else { OptionRight::Put },
        style: OptionStyle::Inverse,
        venue: AccountId((index % 3) as u32),
        strategy: StrategyId((index / 7 % 5) as u32),
    }
}

fn portfolio(simd: Simd, count: usize) -> PortfolioGreeks {
    let mut greeks = PortfolioGreeks::new(simd);
    greeks.set_time(Timestamp::from_nanos(20_000 * Duration::DAY.nanos())).unwrap();
    greeks.set_price(btc(), 60_000.0).unwrap();
    greeks.set_bucket_width(btc(), Price::from_raw(10_000 * Price::ONE)).unwrap();
    for number in 0..12 {
        greeks.set_forward(btc(), expiry(number), 60_000.0 + 100.0 * number as f64).unwrap();
    }
    for index in 0..count {
        let quantity = Qty::from_raw((index as i64 % 7 - 3) * 50_000_000 + 10_000_000);
        let point = SmilePoint { vol: 0.3 + 0.9 * (index * 53 % 991) as f64 / 991.0, slope: -0.1 };
        greeks.hold(key(index), quantity, point).unwrap();
    }
    for venue in 0..3 {
        let contract = if venue == 0 { Contract::Inverse } else { Contract::Linear };
        let key =
            DeltaOneKey { underlying: btc(), expiry: None, contract, venue: AccountId(venue), strategy: StrategyId(0) };
        greeks.hold_delta_one(key, Qty::from_raw(250_000_000)).unwrap();
    }
    greeks
}
