#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
//! Figures against hand-computed tables and against an independent program (`vectors/metrics.py`).

use backtest::metrics::{self, Amounts, Figure, Missing, Path, Scores};
use serde_json::Value;
use units::{Duration, Timestamp};

const HOUR: i64 = 3_600_000_000_000;

fn at(hours: i64) -> Timestamp {
    Timestamp::from_nanos(hours * HOUR)
}

fn near(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "{what}: {found}, not {expected}");
}

#[test]
fn a_table_by_hand() {
    // Three days: 100 → 110 (with 121 on the way) → 99 → 108.9; the last point is midnight and closes the third day.
    let times: Vec<Timestamp> = [0, 10, 24, 48, 72].map(at).to_vec();
    let equity = [100.0, 121.0, 110.0, 99.0, 108.9];
    let path = Path { times: &times, equity: &equity };
    let days: Vec<f64> = path.days().iter().map(|day| day.value).collect();
    for (found, expected) in days.iter().zip([0.1, -0.1, 0.1]) {
        near(*found, expected, "day");
    }
    assert_eq!(path.days()[0].end, at(24), "midnight closes the day before");
    near(path.total_return().unwrap(), 0.089, "total");
    assert_eq!(path.cagr(), Err(Missing::NeedsDays(90)));
    // Mean 1/30; deviations 2/30, -4/30, 2/30; squares 24/900; over n - 1: 12/900.
    let deviation = (12.0_f64 / 900.0).sqrt();
    near(metrics::volatility(&path.days()).unwrap(), deviation * 365.0_f64.sqrt(), "vol");
    near(metrics::sharpe(&path.days()).unwrap(), (1.0 / 30.0) / deviation * 365.0_f64.sqrt(), "sharpe");
    let worst = path.worst_drawdown().unwrap();
    near(worst.depth, 99.0 / 121.0 - 1.0, "seen on every point, not on days");
    assert_eq!((worst.peak, worst.trough), (at(10), at(48)));
    assert_eq!(path.longest_under_water(), Duration::from_nanos(62 * HOUR), "still under water at the end");
    near(metrics::worst_day(&path.days()).unwrap().value, -0.1, "worst day");
    assert_eq!(metrics::expected_shortfall(&path.days()), Err(Missing::NeedsDays(40)));
    near(
        path.rate(53.89, metrics::mean(equity.iter().copied())).unwrap(),
        0.5,
        "a short run is not annualised: 53.89 over mean equity 107.78",
    );
}

#[test]
fn a_day_without_points_gives_no_return() {
    let times = [0, 24, 96].map(at);
    let path = Path { times: &times, equity: &[100.0, 110.0, 121.0] };
    let days = path.days();
    assert_eq!(days.len(), 2);
    assert_eq!(days[1].end, at(96));
    near(days[1].value, 0.1, "spans the hole");
}

#[test]
fn what_the_sample_cannot_carry_has_a_reason() {
    let times = [0, 24, 48].map(at);
    let flat = Path { times: &times, equity: &[100.0; 3] };
    assert_eq!(metrics::sharpe(&flat.days()), Err(Missing::NeverMoved));
    assert_eq!(metrics::equal_volatility(flat, 0.3).unwrap_err(), Missing::NeverMoved);
    assert_eq!(metrics::vol_of_vol(&flat.days()).unwrap_err().to_string(), "needs 64 days");
    let empty = Path { times: &[], equity: &[] };
    assert!(empty.worst_drawdown().is_none() && empty.days().is_empty());
    assert!(empty.total_return().is_err() && empty.rate(1.0, 0.0).is_err());
    let wiped = Path { times: &times, equity: &[100.0, 0.0, 0.0] };
    near(wiped.total_return().unwrap(), -1.0, "all gone");
    assert!(wiped.days().iter().all(|day| day.value.is_finite()));
}

fn amounts(path: Path<'_>) -> Amounts {
    Amounts { mean_equity: metrics::mean(path.equity.iter().copied()), traded: 1e6, cost: 1e3 }
}

fn compare(found: &Scores, expected: &Value, what: &str) {
    let figure = |found: &Figure, key: &str| match expected[key].as_f64() {
        Some(value) => near(found.unwrap(), value, &format!("{what}: {key}")),
        None => assert!(found.is_err(), "{what}: {key} should be missing"),
    };
    assert_eq!(found.days as u64, expected["days"].as_u64().unwrap(), "{what}");
    figure(&found.total_return, "total_return");
    figure(&found.cagr, "cagr");
    figure(&found.volatility, "volatility");
    figure(&found.sharpe, "sharpe");
    figure(&found.shortfall, "shortfall");
    figure(&found.vol_of_vol.map(|vol| vol.spread), "vol_of_vol");
    figure(&found.vol_of_vol.map(|vol| vol.of_mean), "vol_of_vol_of_mean");
    figure(&Ok(found.worst_day.unwrap().value), "worst_day");
    figure(&Ok(found.drawdown.unwrap().depth), "drawdown");
    assert_eq!(found.drawdown.unwrap().trough, at(expected["trough"].as_i64().unwrap()), "{what}");
    let under = Duration::from_nanos(expected["under_water_hours"].as_i64().unwrap() * HOUR);
    assert_eq!(found.under_water, under, "{what}");
}

#[test]
fn an_independent_program_finds_the_same_figures() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../../vectors/metrics.json")).unwrap();
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let numbers = |key: &str| case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
        let times: Vec<Timestamp> = case["hours"].as_array().unwrap().iter().map(|v| at(v.as_i64().unwrap())).collect();
        let (scaled, twin) = (numbers("scaled"), numbers("twin"));
        let scaled = Path { times: &times, equity: &scaled };
        let twin = Path { times: &times, equity: &twin };
        let (scores, twin_scores) = (Scores::of(scaled, Amounts::default()), Scores::of(twin, amounts(twin)));
        compare(&scores, &case["scaled_figures"], name);
        compare(&twin_scores, &case["twin_figures"], name);

        let equal = metrics::equal_volatility(twin, scores.volatility.unwrap()).unwrap();
        near(equal.constant, case["constant"].as_f64().unwrap(), name);
        let equal_scores = Scores::of_equal_vol(&times, &equal, &twin_scores);
        compare(&equal_scores, &case["equal_figures"], name);
        near(equal_scores.volatility.unwrap(), scores.volatility.unwrap(), "equal by construction");
        near(equal_scores.cost.unwrap(), twin_scores.cost.unwrap() * equal.constant, "costs scale with size");

        let error = metrics::sharpe_difference_error(&scaled.days(), &twin.days());
        match case["sharpe_error"].as_f64() {
            Some(expected) => near(error.unwrap(), expected, name),
            None => assert!(error.is_err()),
        }
    }
    assert_eq!(cases.len(), 3);
}

#[test]
fn money_that_moves_is_no_profit_and_no_loss() {
    let close = |found: &[f64], expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        found.iter().zip(expected).for_each(|(found, expected)| near(*found, *expected, "worth"));
    };
    // 100 earns 10 %; 890 comes in, so that 1,000 earn 1 %; 1,010 lose 10 % and 409 go out; 500 earn 20 %.
    let equity = [100.0, 110.0, 1_010.0, 500.0, 600.0];
    let paid_in = [100.0, 100.0, 990.0, 581.0, 581.0];
    let worth = metrics::time_weighted(&equity, &paid_in);
    // Factors 1.1, 1.01 (10 over 1,000), 0.9 (101 lost of 1,010), 1.2.
    close(&worth, &[100.0, 110.0, 111.1, 99.99, 119.988]);
    let times = [0, 24, 48, 72, 96].map(at);
    let path = Path { times: &times, equity: &worth };
    near(path.total_return().unwrap(), 0.199_88, "product of the factors less one");
    near(path.worst_drawdown().unwrap().depth, -0.1, "the withdrawal is no drawdown");
    near(metrics::worst_day(&path.days()).unwrap().value, -0.1, "nor a bad day");

    // The whole account goes out and comes back: nothing was earned.
    let (out, back) = ([100.0, 0.0, 0.0, 50.0, 55.0], [100.0, 0.0, 0.0, 50.0, 50.0]);
    close(&metrics::time_weighted(&out, &back), &[100.0, 100.0, 100.0, 100.0, 110.0]);
    // Lost is lost, whatever is paid in afterwards.
    close(&metrics::time_weighted(&[100.0, 0.0, 80.0, 90.0], &[100.0, 100.0, 180.0, 180.0]), &[100.0, 0.0, 0.0, 0.0]);
    // Without flows: the same numbers, not nearly the same.
    let odd = [100.0, 33.333_333_3, 66.1, -3.0, 7.7];
    assert_eq!(metrics::time_weighted(&odd, &[100.0; 5]), odd);
    assert!(metrics::time_weighted(&[], &[]).is_empty());
}

#[test]
fn splitting_a_run_by_flows_changes_no_return() {
    // The same market with and without money moved at every third step: growth by the market alone.
    let mut market = 1.0_f64;
    let (mut equity, mut paid_in) = (vec![1_000.0], vec![1_000.0]);
    let mut alone = vec![1_000.0];
    for step in 1..60_i32 {
        let move_ = f64::from((step * 7) % 13 - 6) / 300.0;
        market *= 1.0 + move_;
        alone.push(1_000.0 * market);
        let flow = if step % 3 == 0 { f64::from((step * 31) % 900) - 300.0 } else { 0.0 };
        // What comes in works during the step, what goes out has worked.
        let before = *equity.last().unwrap();
        equity.push((before + flow.max(0.0)) * (1.0 + move_) + flow.min(0.0));
        paid_in.push(paid_in.last().unwrap() + flow);
    }
    let found = metrics::time_weighted(&equity, &paid_in);
    assert_eq!(found.len(), alone.len());
    for (found, expected) in found.iter().zip(&alone) {
        near(*found, *expected, "growth");
    }
}
