//! Time of a surface: `cargo bench -p trimtab-pricing --bench surface`. Thread CPU time, medians of nine rounds.
//!
//! A made-up chain of 12 expiries and 816 options, and the recorded BTC snapshots of March 2026 if `TRIMTAB_SHARED` names the folder
//! with the shared data.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement reads recordings")]

#[path = "../tests/common/mod.rs"]
#[allow(clippy::panic, clippy::print_stderr, reason = "written for tests")]
mod common;

use common::Snapshot;
use cpu_time::ThreadTime;
use pricing::options::{EuropeanOption, Inputs, OptionKind, OptionStyle};
use pricing::surface::{Chain, ChainSettings, OptionQuote, Surface};
use std::hint::black_box;
use units::{Duration, Timestamp};

const ROUNDS: usize = 9;
const DAYS: [f64; 12] = [1.0, 2.0, 3.0, 9.0, 16.0, 23.0, 44.0, 72.0, 107.0, 198.0, 289.0, 352.0];
const FORWARD: f64 = 70_000.0;
const NOW: Timestamp = Timestamp::from_nanos(1_772_400_000_000_000_000);

fn main() {
    let quotes = made_up();
    println!("{} made-up options, {} expiries", quotes.len(), DAYS.len());
    measure(&[Snapshot { at: NOW, index: FORWARD, quotes }]);
    if std::env::var_os("TRIMTAB_SHARED").is_some()
        && let Some(path) = common::recording("bench", "deribit_options_6h/BTC_2026-03.parquet")
    {
        let snapshots = common::snapshots(&path);
        let options: usize = snapshots.iter().map(|snapshot| snapshot.quotes.len()).sum();
        println!("{} recorded BTC snapshots, {} options each on average", snapshots.len(), options / snapshots.len());
        measure(&snapshots);
    }
}

fn measure(snapshots: &[Snapshot]) {
    let chains: Vec<Chain> = snapshots.iter().map(chain).collect();
    let surfaces: Vec<Surface> = chains.iter().map(|chain| Surface::fit(chain.smiles()).unwrap()).collect();
    let slices: usize = surfaces.iter().map(|surface| surface.slices().len()).sum();

    let each = |count: usize, seconds: f64| seconds / count as f64 * 1e3;
    let whole = median(|| {
        for snapshot in snapshots {
            let chain = chain(snapshot);
            black_box(Surface::fit(chain.smiles()).unwrap());
        }
    });
    println!("{:<52} {:>8.3} ms", "quotes to surface, cold", each(snapshots.len(), whole));
    let fit = median(|| {
        for chain in &chains {
            black_box(Surface::fit(black_box(chain.smiles())).unwrap());
        }
    });
    println!("{:<52} {:>8.3} ms", "of that the fits and their repair", each(snapshots.len(), fit));
    // Each expiry on its own, so that slow ones count.
    let mut refits: Vec<f64> = Vec::with_capacity(slices);
    for (surface, chain) in surfaces.iter().zip(&chains) {
        let mut surface = surface.clone();
        for quotes in chain.smiles() {
            let Some(index) = surface.slices().iter().position(|slice| slice.years() == quotes.years) else { continue };
            let mut ticked = quotes.clone();
            for point in &mut ticked.points {
                point.bid_vol *= 1.002;
                point.mid_vol *= 1.002;
                point.ask_vol *= 1.002;
            }
            refits.push(median(|| surface.refit(index, black_box(&ticked)).unwrap()) * 1e3);
            surface.refit(index, quotes).unwrap();
        }
    }
    refits.sort_by(f64::total_cmp);
    let rank = |share: f64| refits[((refits.len() - 1) as f64 * share) as usize];
    println!("{:<52} {:>8.3} ms", "one expiry after a tick, fit and repair, median", rank(0.5));
    println!("{:<52} {:>8.3} ms", "the same, 99th percentile of expiries", rank(0.99));
    let mut sum = 0.0;
    let queries = median(|| {
        for surface in &surfaces {
            for step in 0..1_000 {
                sum += surface.total_variance(f64::from(step) * 1e-3 - 0.5, f64::from(step % 97) * 0.01);
            }
        }
    });
    black_box(sum);
    println!(
        "{:<52} {:>8.1} ns",
        "total variance at a strike and a tenor",
        each(surfaces.len() * 1_000, queries) * 1e6
    );
}

/// Seconds of thread CPU of one pass: the median.
fn median(mut pass: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = ThreadTime::now();
            pass();
            begin.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn chain(snapshot: &Snapshot) -> Chain {
    let mut chain = Chain::new(OptionStyle::Inverse, ChainSettings::default());
    chain.set_spot(Some(snapshot.index));
    chain.read(snapshot.quotes.iter().copied());
    chain.drop_expired(snapshot.at);
    chain.remake_all(snapshot.at);
    chain
}

/// A smile at each expiry with noise of a fifth of a volatility point, quoted 1.2 points wide, on ticks of 0.0001 coin.
fn made_up() -> Vec<OptionQuote> {
    let mut quotes = Vec::new();
    for (index, days) in DAYS.into_iter().enumerate() {
        let years = days / 365.0;
        let unit = 0.5 * f64::sqrt(years);
        for at in 0..34 {
            let k = unit * (-3.0 + f64::from(at) * 6.0 / 33.0);
            let z = k / unit;
            let noise = 0.002 * ((at * 37 + index as i32 * 11) % 17 - 8) as f64 / 8.0;
            let vol = 0.5 * (1.0 - 0.04 * z + 0.03 * z * z) + noise;
            let strike = FORWARD * k.exp();
            for kind in [OptionKind::Put, OptionKind::Call] {
                let price = |vol: f64| {
                    let inputs = Inputs { forward: FORWARD, strike, years, vol, discount: 1.0 };
                    EuropeanOption::new(kind, inputs).unwrap().greeks().price / FORWARD
                };
                quotes.push(OptionQuote {
                    expiry: NOW + Duration::from_nanos((days * 86_400e9) as i64),
                    strike,
                    kind,
                    bid: Some((price(vol - 0.006) * 1e4).floor() / 1e4),
                    ask: Some((price(vol + 0.006) * 1e4).ceil() / 1e4),
                    tick: 1e-4,
                    at: NOW,
                    forward: Some(FORWARD),
                });
            }
        }
    }
    quotes
}
