//! October 2025 from the recorded files: the crash of the 10th through import, engine, exchange, folder and replay.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;

use backtest::{PolicyFile, Request, verify};
use common::shared;
use import::{BarsRequest, FundingRequest, Labelled, RateUnit, SeriesRequest, SeriesUnit};
use std::ops::ControlFlow;
use std::path::Path;
use units::{Duration, Timestamp};

const SYMBOL: &str = "binance:BTCUSDT-PERP";

#[test]
fn the_crash_month_from_its_files() {
    let Some(shared) = shared("the_crash_month_from_its_files") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let instrument = import::instrument(SYMBOL, &import::Terms::default()).unwrap();
    let bars = shared.join("data/bars_crash/2025-10_BTCUSDT_binance_perp_5m.parquet");
    let bars = BarsRequest::new(bars, instrument.clone(), Labelled::Open, path("btc.tape"));
    assert_eq!(import::bars(&bars, &mut |_, _| {}).unwrap().rows_written, 11_123);
    let data = shared.join("reference/forecast/data");
    let rates = data.join("btc_funding_8h_2022_2025.csv");
    let rates = FundingRequest::new(rates, instrument, RateUnit::Percent, path("funding.tape"));
    import::funding(&rates, &mut |_, _| {}).unwrap();
    let daily = data.join("btc_daily_2022_2025.csv");
    let mut index = SeriesRequest::new(daily, "dvol", "dvol.btc", SeriesUnit::Percent, path("dvol.tape"));
    index.lag = Duration::DAY;
    import::series(&index, &mut |_, _| {}).unwrap();

    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/btc-trend.toml");
    let request = Request {
        policies: vec![PolicyFile::new("btc-trend.toml", std::fs::read_to_string(policy).unwrap())],
        tapes: vec![path("btc.tape"), path("funding.tape"), path("dvol.tape")],
        program: "test".to_owned(),
        seed: None,
    };
    let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    let record = &run.record;
    assert_eq!((record.bars, record.residual.as_str(), record.triggers.unexplained), (11_123, "0", 0));
    assert_eq!((record.triggers.unmet, record.rejected), (0, 0));

    // A short was open before the crash. In it both rungs took profit, and the stop took the rest in one bar.
    let crash = time("2025-10-10T20:50:00Z");
    let short = run.tables.campaigns.iter().find(|row| row.opened < crash && row.closed.is_some_and(|at| at > crash));
    let short = short.unwrap();
    assert_eq!((short.side.as_str(), short.opened), ("short", time("2025-10-10T16:05:00Z")));
    assert_eq!((short.units, short.rungs, short.ended_by.as_str()), (4, 2, "stop"));
    assert_eq!(short.closed, Some(time("2025-10-10T21:25:00Z")));
    assert!(short.r.unwrap() > 5.0, "{short:?}");
    let fills: Vec<String> = run
        .tables
        .fills
        .iter()
        .filter(|fill| fill.campaign == short.campaign)
        .map(|fill| format!("{} {} {} {}", fill.time, fill.purpose, fill.side, fill.quantity))
        .collect();
    assert_eq!(
        fills,
        [
            "2025-10-10T16:05:00Z entry sell 5.357",
            "2025-10-10T17:00:00Z add 2 sell 4.018",
            "2025-10-10T18:40:00Z add 3 sell 2.678",
            "2025-10-10T19:20:00Z add 4 sell 1.339",
            "2025-10-10T21:00:00Z rung 1 buy 3.348",
            "2025-10-10T21:15:00Z rung 2 buy 3.348",
            "2025-10-10T21:25:00Z stop buy 6.696",
        ]
    );
    run.write(&path("run"), false).unwrap();
    let verified = verify(&path("run"), &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((verified.difference, &verified.chain), (None, &record.chain));
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}
