//! The fitted surface of ten recorded chains against fits by another method, in another language (`vectors/surface.py`).
//!
//! They are different fits: raw SVI of each expiry by itself there; with a spline on top, and free of arbitrage against the
//! neighbours, here. So they must agree to within what the quotes leave open.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "the recordings are files, and a skip is said"
)]

mod common;

use pricing::options::{DeltaConvention, OptionKind, OptionStyle};
use pricing::surface::{Chain, ChainSettings, Reading, Slice, Surface};
use serde_json::Value;
use units::Timestamp;
use units::math::{exp, sqrt};

/// Variance from strikes between two log-moneynesses alone, by a sum over many strikes.
fn swap_between(slice: &Slice, low: f64, high: f64) -> f64 {
    let tenor = slice.tenor();
    let steps = 4_000;
    let width = (high - low) / f64::from(steps);
    let one = |k: f64| {
        let strike = slice.forward() * exp(k);
        let kind = if k < 0.0 { OptionKind::Put } else { OptionKind::Call };
        tenor.greeks(kind, strike).unwrap().price / slice.discount() / strike
    };
    let total: f64 = (0..steps).map(|step| one(low + (f64::from(step) + 0.5) * width)).sum();
    sqrt(2.0 * total * width / slice.years())
}

#[test]
fn ten_recorded_surfaces_agree_with_an_independent_fit() {
    let golden = include_str!("../../../vectors/surface.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    let mut differences: [Vec<f64>; 5] = Default::default();
    let mut apart: Vec<String> = Vec::new();
    let mut expiries = 0;
    for case in cases {
        let file = format!("deribit_options_6h/{}", case["file"].as_str().unwrap());
        let Some(path) = common::recording("ten_recorded_surfaces_agree_with_an_independent_fit", &file) else {
            return;
        };
        let at = Timestamp::from_nanos(case["timestamp_us"].as_i64().unwrap() * 1_000);
        let snapshot = common::snapshots(&path).into_iter().find(|snapshot| snapshot.at == at).unwrap();
        let mut chain = Chain::new(OptionStyle::Inverse, ChainSettings::default());
        chain.set_spot(Some(snapshot.index));
        chain.read(snapshot.quotes);
        chain.drop_expired(at);
        chain.remake_all(at);
        let surface = Surface::fit(chain.smiles()).unwrap();
        for expected in case["expiries"].as_array().unwrap() {
            expiries += 1;
            let number = |name: &str| expected[name].as_f64().unwrap();
            let list = |name: &str, index: usize| expected[name][index].as_f64().unwrap();
            let expiry = Timestamp::from_nanos(expected["expiry_us"].as_i64().unwrap() * 1_000);
            let report = chain.report(chain.index_of(expiry).unwrap());
            // The same quotes were used.
            assert_eq!(report.used as u64, expected["points"].as_u64().unwrap(), "{case} {report:?}");
            let quotes = &chain.smiles()[report.smile.unwrap()];
            let slice = surface.slices().iter().find(|slice| slice.years() == quotes.years).unwrap();
            assert!(
                (slice.quoted().0 - list("quoted", 0)).abs() < 6e-5
                    && (slice.quoted().1 - list("quoted", 1)).abs() < 6e-5
            );
            let wings = slice.tenor().wings(DeltaConvention::BlackScholes, 0.25).unwrap();
            let (put, call, atm) = (number("put_25"), number("call_25"), number("atm"));
            let swap = swap_between(slice, slice.quoted().0, slice.quoted().1);
            // What each fit leaves open: half a spread, and what the other fit misses its quotes by.
            let leeway = |index: usize| list("half_spreads", index) + number("median_error") + 0.001;
            let pairs = [
                ("at the money", wings.atm, atm, leeway(1)),
                ("put", wings.put.vol, put, leeway(0)),
                ("call", wings.call.vol, call, leeway(2)),
                ("risk reversal", wings.risk_reversal(), call - put, leeway(0) + leeway(2)),
                (
                    "butterfly",
                    wings.butterfly(),
                    (call + put) / 2.0 - atm,
                    leeway(0) / 2.0 + leeway(1) + leeway(2) / 2.0,
                ),
                ("variance swap", swap, number("variance_swap_quoted"), leeway(0).max(leeway(2))),
            ];
            for (what, ours, theirs, leeway) in pairs {
                if (ours - theirs).abs() > leeway {
                    apart.push(format!(
                        "{} {at:?} {:.1} days, {what}: {:.2} % and {:.2} %, {:.2} allowed",
                        case["coin"],
                        number("days"),
                        ours * 100.0,
                        theirs * 100.0,
                        leeway * 100.0
                    ));
                }
            }
            let of = [(0, wings.atm - atm), (1, wings.put.vol - put), (2, wings.call.vol - call)];
            for (index, difference) in of {
                differences[index].push(difference.abs() * 100.0);
            }
            differences[3].push((pairs[4].1 - pairs[4].2).abs() * 100.0);
            differences[4].push((swap - number("variance_swap_quoted")).abs() * 100.0);
        }
    }
    for (name, list) in
        ["at the money", "25-delta put", "25-delta call", "butterfly", "variance swap"].iter().zip(&mut differences)
    {
        list.sort_by(f64::total_cmp);
        let rank = |rank: f64| list[((list.len() - 1) as f64 * rank) as usize];
        println!("{name}: vol points apart, median {:.3}, 90th {:.3}, largest {:.3}", rank(0.5), rank(0.9), rank(1.0));
        assert!(rank(0.5) <= 0.15 && rank(0.9) <= 0.4, "{name}");
    }
    println!("{expiries} expiries; apart by more than the quotes leave open: {}\n{}", apart.len(), apart.join("\n"));
    assert!(expiries >= 100, "{expiries}");
    assert!(apart.is_empty());
}

#[test]
fn every_recorded_surface_answers_every_question() {
    let test = "every_recorded_surface_answers_every_question";
    let (mut surfaces, mut readings, mut beyond, mut largest_jump) = (0, 0, Vec::new(), (0.0_f64, String::new()));
    // February, with its crash; all months with `TRIMTAB_LONG=1`.
    let long = std::env::var_os("TRIMTAB_LONG").is_some();
    let months: &[&str] =
        if long { &["2025-12", "2026-01", "2026-02", "2026-03", "2026-04", "2026-05"] } else { &["2026-02"] };
    for file in months.iter().flat_map(|month| ["BTC", "ETH"].map(|coin| format!("{coin}_{month}"))) {
        let Some(path) = common::recording(test, &format!("deribit_options_6h/{file}.parquet")) else { return };
        let mut chain = Chain::new(OptionStyle::Inverse, ChainSettings::default());
        let mut before: Option<f64> = None;
        for snapshot in common::snapshots(&path) {
            chain.clear();
            chain.set_spot(Some(snapshot.index));
            chain.read(snapshot.quotes);
            chain.remake_all(snapshot.at);
            let surface = Surface::fit(chain.smiles()).unwrap();
            surfaces += 1;
            let tenors = [1.0, 7.0, 30.0, 90.0, 365.0].map(|days| surface.tenor(days / 365.0).unwrap());
            let slices = surface.slices().iter().map(Slice::tenor);
            for tenor in slices.chain(tenors) {
                let reading = Reading::of(&tenor);
                let reading =
                    reading.unwrap_or_else(|error| panic!("{file} {:?} {}: {error}", snapshot.at, tenor.years()));
                readings += 1;
                // A variance swap costs more than a straddle: the smile is convex enough everywhere.
                assert!(
                    reading.variance_swap >= reading.atm * 0.97,
                    "{file} {:?} {:?} {reading:?}",
                    snapshot.at,
                    tenor.years()
                );
                beyond.push(tenor.variance_swap().beyond_quotes());
                for convention in [DeltaConvention::BlackScholes, DeltaConvention::Net] {
                    tenor.wings(convention, 0.1).unwrap();
                }
            }
            let atm = surface.tenor(30.0 / 365.0).unwrap().atm();
            let jump = before.map_or(0.0, |before| (atm - before).abs());
            if jump > largest_jump.0 {
                largest_jump = (jump, format!("{file} {:?}", snapshot.at));
            }
            before = Some(atm);
        }
    }
    beyond.sort_by(f64::total_cmp);
    let rank = |rank: f64| beyond[((beyond.len() - 1) as f64 * rank) as usize] * 100.0;
    println!(
        "{surfaces} surfaces, {readings} readings; of the variance beyond the quotes lie {:.2} % in the median, {:.1} % at the 90th \
         percentile, {:.1} % at most; the 30-day volatility moved {:.1} points at most between snapshots, to {}",
        rank(0.5),
        rank(0.9),
        rank(1.0),
        largest_jump.0 * 100.0,
        largest_jump.1
    );
}
