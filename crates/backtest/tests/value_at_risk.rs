//! Value at risk of a run, one step ahead: nothing of the future is in it, it is of the size that the market has, and its parts add up.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use backtest::report::{RiskRecord, html};
use backtest::{PolicyFile, Request, Run, run};
use import::{BarsRequest, Labelled};
use market::{Instrument, InstrumentKind};
use std::ops::ControlFlow;
use units::{Duration, Timestamp};

const POLICY: &str = "\
policy = 1
name = \"always-long\"
instrument = \"binance:BTCUSDT-PERP\"
[signal]
kind = \"constant\"
strength = 1.0
[size]
kind = \"fixed_fraction\"
fraction = 0.5
";

/// Standard deviation of an hour's return.
const SIGMA: f64 = 0.006;

/// So many hours of normal, independent returns: the sum of twelve uniform numbers less six.
fn always_long(hours: usize) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let (mut state, mut price) = (11_u64, 60_000.0_f64);
    let start: Timestamp = "2024-01-01".parse().unwrap();
    let mut text = "date,open,high,low,close,volume\n".to_owned();
    for hour in 0..hours {
        let mut sum = -6.0;
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 32) as f64 / 4_294_967_296.0;
        }
        let open = price;
        price = (price * (1.0 + SIGMA * sum)).clamp(20_000.0, 200_000.0);
        let time = start + Duration::from_nanos(hour as i64 * Duration::HOUR.nanos());
        text += &format!("{time},{open:.1},{:.1},{:.1},{price:.1},5\n", open.max(price), open.min(price));
    }
    let (bars, tape) = (folder.path().join("bars.csv"), folder.path().join("bars.tape"));
    std::fs::write(&bars, text).unwrap();
    let usdt = "USDT".parse().unwrap();
    let lot = "0.001".parse().unwrap();
    let instrument = Instrument {
        symbol: "binance:BTCUSDT-PERP".into(),
        kind: InstrumentKind::LinearPerpetual,
        base: "BTC".parse().unwrap(),
        quote: usdt,
        settle: usdt,
        tick: "0.1".parse().unwrap(),
        lot,
        min_qty: lot,
    };
    import::bars(&BarsRequest::new(&bars, instrument, Labelled::Open, &tape), &mut |_, _| {}).unwrap();
    let policies = vec![PolicyFile::new("long.toml", POLICY.to_owned())];
    let request = Request { policies, tapes: vec![tape], program: "test".to_owned(), seed: None };
    run(&request, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn record(hours: usize) -> RiskRecord {
    always_long(hours).page().risk.unwrap()
}

#[test]
fn a_forecast_knows_nothing_of_what_follows() {
    let (whole, part) = (record(1_000), record(700));
    assert_eq!((whole.absent.as_ref(), whole.step), (None, Duration::HOUR.nanos()));
    let count = part.time.len();
    assert!(count > 590 && whole.time.len() == count + 300, "{count}");
    assert_eq!(whole.time[..count], part.time);
    for (long, short) in [(&whole.scaled, &part.scaled), (&whole.twin, &part.twin)] {
        assert_eq!(long.made[..count], short.made);
        for (long, short) in long.levels.iter().zip(&short.levels) {
            assert_eq!(long.value_at_risk[..count], short.value_at_risk);
            assert_eq!(long.expected_shortfall[..count], short.expected_shortfall);
        }
    }
}

/// Of normal returns value at risk is the law's quantile times the exposure, give or take what a hundred to five hundred changes tell; the
/// twin, at twice the exposure, has twice of it; and the one part is the whole.
#[test]
fn figures_are_of_the_size_of_the_market() {
    let record = record(2_000);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    for (level, quantile, shortfall) in [(0, 1.644_9, 2.062_7), (1, 2.326_3, 2.665_2)] {
        let scaled = &record.scaled.levels[level];
        let found = mean(&scaled.value_at_risk) / (0.5 * SIGMA);
        assert!((found / quantile - 1.0).abs() < 0.12, "{found} is not {quantile}");
        let found = mean(&scaled.expected_shortfall) / (0.5 * SIGMA);
        assert!((found / shortfall - 1.0).abs() < 0.12, "{found} is not {shortfall}");
        let twin = mean(&record.twin.levels[level].value_at_risk);
        assert!((twin / mean(&scaled.value_at_risk) - 2.0).abs() < 0.4, "{twin}");
        let breaches =
            |made: &[f64]| made.iter().zip(&scaled.value_at_risk).filter(|(made, told)| -**made > **told).count();
        let expected = record.time.len() as f64 * [0.05, 0.01][level];
        for made in [&record.scaled.made, &record.scaled.still] {
            let breaches = breaches(made) as f64;
            assert!((breaches - expected).abs() < 4.0 * expected.sqrt(), "{breaches} of {expected}");
        }
    }
    // Little is traded but the entry: what is held still is what was made, but for the size kept within each step.
    for (made, still) in record.scaled.made.iter().zip(&record.scaled.still) {
        assert!((made - still).abs() < 0.05 * still.abs() + 5e-5, "{made} {still}");
    }
    let whole = mean(&record.scaled.levels[0].expected_shortfall);
    let parts: f64 = record.shares.iter().map(|share| share.shortfall).sum();
    assert_eq!(record.shares.len(), 1);
    assert!((parts / whole - 1.0).abs() < 1e-12, "{parts} {whole}");
}

#[test]
fn a_short_run_is_told_why() {
    let run = always_long(150);
    let page = run.page();
    let why = page.risk.as_ref().unwrap().absent.as_ref().unwrap();
    assert!(why.contains("150 steps of 1 h") && why.contains("200 are the fewest"), "{why}");
    assert!(html(&page).contains("Value at risk is not told: the run has 150 steps"));
}
