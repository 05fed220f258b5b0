//! Fits of GARCH(1,1): `cargo bench -p trimtab-pricing --bench garch`. Thread CPU time of one fit, median of nine, beside the package
//! arch in the same run if `TRIMTAB_PYTHON` names a Python that has it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement starts its baseline")]

use cpu_time::ThreadTime;
use pricing::garch::{Innovations, Model};
use std::hint::black_box;

const COUNT: usize = 2_500;

fn main() {
    let returns = returns();
    let baseline = arch();
    if baseline.is_none() {
        println!("no arch beside it (`TRIMTAB_PYTHON` names a Python that has it)");
    }
    for (at, innovations) in [Innovations::Normal, Innovations::Student].into_iter().enumerate() {
        let model = Model { asymmetric: false, innovations, mean: true };
        let mut times: Vec<f64> = (0..9)
            .map(|_| {
                let start = ThreadTime::now();
                black_box(model.fit(black_box(&returns)).unwrap());
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let beside = baseline.map_or_else(String::new, |times| format!("   arch {:.2} ms", times[at]));
        println!("{innovations:?}, {COUNT} returns: {:.3} ms{beside}", times[4]);
    }
}

/// As `benches/garch_arch.py` makes them.
fn returns() -> Vec<f64> {
    let mut state = 7_u64;
    let mut sum = || {
        (0..12).fold(-6.0, |sum, _| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum + (state >> 32) as f64 / 4_294_967_296.0
        })
    };
    let mut variance = 5.0_f64;
    (0..COUNT)
        .map(|_| {
            let squares: f64 = (0..6).map(|_| sum()).map(|one| one * one).sum();
            let surprise = variance.sqrt() * sum() / (squares / 6.0).sqrt() * 0.816;
            variance = 0.3 + 0.08 * surprise * surprise + 0.86 * variance;
            0.05 + surprise
        })
        .collect()
}

fn arch() -> Option<[f64; 2]> {
    let python = std::env::var_os("TRIMTAB_PYTHON").unwrap_or_else(|| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/garch_arch.py");
    let output = std::process::Command::new(python).arg(script).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut times = text.split_whitespace().map(|time| time.parse().ok());
    Some([times.next()??, times.next()??])
}
