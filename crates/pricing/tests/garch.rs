//! GARCH against the package arch (`vectors/garch.py`), and what a fit must hold by itself.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "golden cases are a file")]

use pricing::garch::{Filter, FitError, Innovations, Model, Parameters};
use serde_json::Value;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/garch.json");

/// Twelve uniform numbers less six, as the generator draws them.
struct Sums(u64);

impl Sums {
    fn draw(&mut self) -> f64 {
        let mut total = 0.0;
        for _ in 0..12 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            total += (self.0 >> 32) as f64 / 4_294_967_296.0;
        }
        total - 6.0
    }
}

fn returns(series: &Value) -> Vec<f64> {
    let number = |name: &str| series[name].as_f64().unwrap();
    let [mean, omega, alpha, gamma, beta] = ["mean", "omega", "alpha", "gamma", "beta"].map(number);
    let mut sums = Sums(series["seed"].as_u64().unwrap());
    let mut variance = omega / (1.0 - alpha - gamma / 2.0 - beta);
    let draw = |_| {
        let mut shock = sums.draw();
        if series["fat"].as_bool().unwrap() {
            let squares: f64 = (0..6).fold(0.0, |squares, _| {
                let one = sums.draw();
                squares + one * one
            });
            shock = shock / (squares / 6.0).sqrt() * (2.0_f64 / 3.0).sqrt();
        }
        let surprise = variance.sqrt() * shock;
        let weight = if surprise < 0.0 { alpha + gamma } else { alpha };
        variance = omega + weight * surprise * surprise + beta * variance;
        mean + surprise
    };
    (0..series["count"].as_u64().unwrap()).map(draw).collect()
}

fn close(found: f64, expected: f64, within: f64) -> bool {
    (found - expected).abs() <= within * expected.abs().max(1e-3)
}

#[test]
fn fits_likelihoods_and_forecasts_are_those_of_arch() {
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(GOLDEN).unwrap()).unwrap();
    let horizons: Vec<u32> =
        golden["horizons"].as_array().unwrap().iter().map(|horizon| horizon.as_u64().unwrap() as u32).collect();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 45);
    let mut compared = 0;
    for case in cases {
        let returns = returns(&case["series"]);
        let number = |name: &str| case[name].as_f64().unwrap();
        if !case["exponential"].is_null() {
            let filter = Parameters::exponential(0.94).unwrap().filter(&returns).unwrap();
            assert!(close(filter.variance(), number("exponential"), 1e-12), "{case}: {}", filter.variance());
            continue;
        }
        let [asymmetric, student, mean] = ["asymmetric", "student", "mean"].map(|name| case[name].as_bool().unwrap());
        let degrees = |degrees| student.then_some(degrees);
        // At parameters that nothing was fitted to, both add up the same terms.
        let fixed = Parameters {
            mean: if mean { 0.03 } else { 0.0 },
            omega: 0.4,
            alpha: 0.07,
            gamma: if asymmetric { 0.05 } else { 0.0 },
            beta: 0.85,
            degrees: degrees(7.0),
        };
        let found = fixed.log_likelihood(&returns).unwrap();
        assert!(close(found, number("fixed"), 1e-12), "{case}: {found}");

        let innovations = if student { Innovations::Student } else { Innovations::Normal };
        let fit = Model { asymmetric, innovations, mean }.fit(&returns).unwrap();
        let list: Vec<f64> = case["parameters"].as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect();
        // At arch's own optimum the likelihood is what arch says, and ours is no less likely.
        let theirs = Parameters {
            mean: list[0],
            omega: list[1],
            alpha: list[2],
            gamma: list[3],
            beta: list[4],
            degrees: case["degrees"].as_f64(),
        };
        let expected = number("log_likelihood");
        assert!(close(theirs.log_likelihood(&returns).unwrap(), expected, 1e-12));
        assert!(fit.log_likelihood >= expected - 1e-7, "{case}: {} under {expected}", fit.log_likelihood);
        let found = theirs.filter(&returns).unwrap();
        let ours = fit.parameters.filter(&returns).unwrap();
        // Where arch stopped short of the optimum, its forecasts are not those of the optimum.
        let both_there = fit.log_likelihood - expected < 1e-10;
        compared += usize::from(both_there);
        for (horizon, expected) in horizons.iter().zip(case["forecasts"].as_array().unwrap()) {
            let expected = expected.as_f64().unwrap();
            assert!(close(found.forecast(*horizon), expected, 1e-12), "{case}: {horizon}");
            let forecast = ours.forecast(*horizon);
            assert!(!both_there || close(forecast, expected, 1e-6), "{case}: {horizon} {forecast}");
        }
    }
    assert!(compared >= 25, "arch stops early mostly at Student's law on normal returns: {compared}");
}

/// Estimates of many returns lie about the truth: within four standard errors of samples as long (Bollerslev and Wooldridge 1992 have
/// 0.011 for beta at 10,000 returns of these parameters).
#[test]
fn many_returns_show_what_they_were_made_of() {
    let series = serde_json::json!({
        "seed": 11, "count": 20_000, "mean": 0.0, "omega": 0.1, "alpha": 0.05, "gamma": 0.08, "beta": 0.88, "fat": false
    });
    let model = Model { asymmetric: true, innovations: Innovations::Normal, mean: false };
    let Parameters { omega, alpha, gamma, beta, .. } = model.fit(&returns(&series)).unwrap().parameters;
    for (found, truth, within) in [(omega, 0.1, 0.03), (alpha, 0.05, 0.02), (gamma, 0.08, 0.03), (beta, 0.88, 0.03)] {
        assert!((found - truth).abs() < within, "{found} is not {truth}");
    }
}

#[test]
fn the_unit_of_returns_is_the_unit_of_the_fit() {
    let series = serde_json::json!({
        "seed": 5, "count": 600, "mean": 0.1, "omega": 0.5, "alpha": 0.1, "gamma": 0.0, "beta": 0.8, "fat": true
    });
    let percent = returns(&series);
    let plain: Vec<f64> = percent.iter().map(|value| value / 100.0).collect();
    let model = Model { asymmetric: false, innovations: Innovations::Student, mean: true };
    let [percent, plain] = [percent, plain].map(|returns| model.fit(&returns).unwrap().parameters);
    for (one, other) in [
        (percent.mean, plain.mean * 1e2),
        (percent.omega, plain.omega * 1e4),
        (percent.alpha, plain.alpha),
        (percent.beta, plain.beta),
    ] {
        assert!(close(one, other, 1e-6), "{percent:?} {plain:?}");
    }
}

#[test]
fn what_is_kept_up_is_what_is_made_at_once() {
    let mut sums = Sums(3);
    let returns: Vec<f64> = (0..500).map(|_| sums.draw()).collect();
    let parameters = Parameters { mean: 0.1, omega: 0.2, alpha: 0.1, gamma: 0.1, beta: 0.7, degrees: None };
    let whole = parameters.filter(&returns).unwrap();
    // The start looks at the first 75 returns and at the mean of all.
    let mut kept = Filter::starting_at(parameters, 1.0).unwrap();
    for value in &returns {
        kept.push(*value);
    }
    // A start is forgotten by the persistence, 0.85 at each return.
    assert!(close(kept.variance(), whole.variance(), 1e-12));
    let mut out = units::state::StateWriter::default();
    kept.save(&mut out);
    let mut again = Filter::starting_at(parameters, 9.0).unwrap();
    again.load(&mut units::state::StateReader::new(out.as_bytes())).unwrap();
    assert_eq!(again, kept);

    let sum: f64 = (1..=22).map(|horizon| kept.forecast(horizon)).sum();
    assert!(close(kept.forecast_of_sum(22), sum, 1e-14));
    let far = kept.forecast(2_000);
    assert!(close(far, parameters.long_run_variance().unwrap(), 1e-12), "{far}");
    let before = kept;
    assert_eq!(kept.push(f64::NAN), 0.0);
    assert_eq!(kept, before);
}

#[test]
fn what_cannot_be_fitted_is_refused_with_its_reason() {
    let model = Model { asymmetric: true, innovations: Innovations::Student, mean: true };
    let wave: Vec<f64> = (0..100).map(|at| f64::from(at % 7) - 3.0).collect();
    let with = |row: usize, value: f64| {
        let mut returns = wave.clone();
        returns[row] = value;
        returns
    };
    for (returns, expected) in [
        (vec![], FitError::TooFew { count: 0, fewest: 30 }),
        (wave[..29].to_vec(), FitError::TooFew { count: 29, fewest: 30 }),
        (vec![0.1; 100], FitError::Constant),
        (vec![0.0; 100], FitError::Constant),
        (with(40, f64::NAN), FitError::NotFinite { row: 40 }),
        (with(0, f64::INFINITY), FitError::NotFinite { row: 0 }),
    ] {
        assert_eq!(model.fit(&returns), Err(expected));
    }
    let unsound = Parameters { mean: 0.0, omega: 0.1, alpha: 0.1, gamma: -0.2, beta: 0.8, degrees: None };
    assert_eq!(unsound.log_likelihood(&wave), Err(FitError::Parameters));
    assert_eq!(Filter::starting_at(unsound, 1.0), None);
    assert_eq!(Parameters::exponential(1.0), None);
    // One jump in quiet, quiet that begins late, returns of two values: an answer or a refusal, and it is sound.
    let quiet_first: Vec<f64> = (0..200).map(|at| if at < 100 { 0.0 } else { f64::from(at % 5) - 2.0 }).collect();
    let two: Vec<f64> = (0..100).map(|at| if at % 2 == 0 { 1.0 } else { -1.0 }).collect();
    for returns in [with(50, 1e6), with(50, 1e-6), quiet_first, two] {
        for innovations in [Innovations::Normal, Innovations::Student] {
            match (Model { asymmetric: true, innovations, mean: false }).fit(&returns) {
                Ok(fit) => assert!(fit.parameters.is_sound() && fit.log_likelihood.is_finite(), "{fit:?}"),
                Err(error) => assert_eq!(error, FitError::NotConverged),
            }
        }
    }
}
