//! GARCH on recorded days and hours of BTC and ETH against the package arch (`vectors/garch_real.py`).
//!
//! Likelihoods of such series have several tops. Where the package, asked for a fit, stops at a lower one, ours must be at the highest that
//! it finds from 12 (GJR 36) starting values.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use common::shared;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use pricing::garch::{Innovations, Model, Parameters};
use serde_json::Value;
use std::path::Path;
use units::math::ln;

/// 100 × ln(close ÷ close before) of a slice.
fn returns(shared: &Path, case: &Value) -> Vec<f64> {
    let file = shared.join(format!("data/{}.parquet", case["series"].as_str().unwrap()));
    let reader = SerializedFileReader::new(std::fs::File::open(file).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema();
    let column = schema.get_fields().iter().position(|field| field.name() == "close").unwrap();
    let closes: Vec<f64> =
        reader.get_row_iter(None).unwrap().map(|row| row.unwrap().get_double(column).unwrap()).collect();
    let [first, count] = ["first", "count"].map(|name| case[name].as_u64().unwrap() as usize);
    closes.windows(2).skip(first).take(count).map(|pair| 100.0 * ln(pair[1] / pair[0])).collect()
}

fn apart(found: f64, expected: f64) -> f64 {
    (found - expected).abs() / expected.abs().max(1e-3)
}

#[test]
fn fits_to_recorded_returns_are_at_the_highest_top_that_arch_finds() {
    let Some(shared) = shared("fits_to_recorded_returns_are_at_the_highest_top_that_arch_finds") else { return };
    let golden: Value = serde_json::from_str(include_str!("../../../vectors/garch_real.json")).unwrap();
    let horizons: Vec<u32> =
        golden["horizons"].as_array().unwrap().iter().map(|horizon| horizon.as_u64().unwrap() as u32).collect();
    let cases = golden["cases"].as_array().unwrap();
    let (mut compared, mut lower) = (0, 0);
    for case in cases {
        let returns = returns(&shared, case);
        let number = |name: &str| case[name].as_f64().unwrap();
        if !case["exponential"].is_null() {
            let filter = Parameters::exponential(0.94).unwrap().filter(&returns).unwrap();
            assert!(apart(filter.variance(), number("exponential")) < 1e-12, "{case}: {}", filter.variance());
            continue;
        }
        let [asymmetric, student] = ["asymmetric", "student"].map(|name| case[name].as_bool().unwrap());
        let list: Vec<f64> = case["parameters"].as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect();
        let theirs = Parameters {
            mean: 0.0,
            omega: list[0],
            alpha: list[1],
            gamma: list[2],
            beta: list[3],
            degrees: case["degrees"].as_f64(),
        };
        let innovations = if student { Innovations::Student } else { Innovations::Normal };
        let fit = Model { asymmetric, innovations, mean: false }.fit(&returns).unwrap();
        let named = format!("{case} {:?}", fit.parameters);
        // The same likelihood, term by term, where the package says its top is.
        let expected = number("log_likelihood");
        assert!(apart(theirs.log_likelihood(&returns).unwrap(), expected) < 1e-12, "{named}");
        // Never under the highest top that the package finds; asked for one fit it may stop at a lower one.
        assert!(fit.log_likelihood >= expected - 1e-9, "{:+e}: {named}", fit.log_likelihood - expected);
        assert!(fit.log_likelihood >= number("default") - 1e-6 * expected.abs(), "{named}");
        lower += usize::from(number("default") < expected - 1e-3);
        // Over it, only what the package's bounds keep from it.
        assert!(fit.log_likelihood <= expected + 1e-6, "{:+e}: {named}", fit.log_likelihood - expected);
        let ours = fit.parameters.filter(&returns).unwrap();
        for (horizon, expected) in horizons.iter().zip(case["forecasts"].as_array().unwrap()) {
            let (forecast, expected) = (ours.forecast(*horizon), expected.as_f64().unwrap());
            assert!(apart(forecast, expected) < 1e-6, "{horizon}: {forecast} is not {expected}: {named}");
        }
        let Parameters { omega, alpha, gamma, beta, degrees, .. } = fit.parameters;
        let pairs = [(omega, theirs.omega), (alpha, theirs.alpha), (gamma, theirs.gamma), (beta, theirs.beta)];
        for (found, expected) in pairs {
            // Of one percent's square where it is small: omega of an integrated model, weights that are zero.
            assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0), "{found} is not {expected}: {named}");
        }
        if let (Some(found), Some(expected)) = (degrees, theirs.degrees) {
            assert!(apart(found, expected) < 1e-6, "{found} is not {expected}: {named}");
        }
        compared += 1;
    }
    assert_eq!((compared, cases.len()), (80, 100));
    assert!(lower >= 4, "the package's own fits that stopped at a lower top: {lower}");
}
