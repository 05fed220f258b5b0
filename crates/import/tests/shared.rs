//! The recorded files of the shared data come in, or are refused, for what their README says they are.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub,
    dead_code,
    reason = "a test may stop at once"
)]

mod common;

use common::{Fixture, shared};
use import::{BarsRequest, ColumnMap, FundingRequest, RateUnit, Repair, SeriesUnit, Terms};
use market::Event;
use units::{Duration, Timestamp};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn with_tick(fixture: &Fixture, symbol: &str, tick: &str) -> BarsRequest {
    let terms = Terms { tick: Some(tick.parse().unwrap()), lot: Some("0.00001".parse().unwrap()), ..Terms::default() };
    let instrument = import::instrument(symbol, &terms).unwrap();
    BarsRequest { instrument, ..fixture.bars_request() }
}

#[test]
fn the_crash_of_october_2025() {
    let name = "the_crash_of_october_2025";
    let Some(path) = shared(name, "data/bars_crash/2025-10_BTCUSDT_binance_perp_5m.parquet") else { return };
    let fixture = Fixture::of(path);
    let report = fixture.bars().unwrap();
    assert_eq!(report.lines(), ["11,123 bars  2025-09-19 00:00 .. 2025-10-27 14:55 UTC  every 5 min  0 gaps"]);
    let first = fixture.first_bar();
    assert_eq!((first.opened, first.closed), (time("2025-09-19"), time("2025-09-19T00:05:00Z")));
    assert_eq!(first.volume.to_string(), "360.735");
    assert_eq!(fixture.events().len(), 11_123);
}

#[test]
fn black_thursday_has_gaps_and_a_duplicate() {
    let name = "black_thursday_has_gaps_and_a_duplicate";
    let Some(path) = shared(name, "data/bars_crash/2020-03_BTCUSDT_binance_spot_5m.parquet") else { return };
    let fixture = Fixture::of(path);
    let report = fixture.run(&with_tick(&fixture, "binance:BTCUSDT-SPOT", "0.01")).unwrap();
    assert_eq!((report.rows_read, report.rows_written, report.duplicates, report.gaps.count), (33_960, 33_959, 1, 4));
    // The README's 130 is the expected count less 33,960 rows, one of which is the duplicate.
    assert_eq!(report.gaps.missing, 131);
    assert_eq!(report.gaps.longest.unwrap().missing, 70);
}

#[test]
fn may_2021_has_one_gap() {
    let name = "may_2021_has_one_gap";
    let Some(path) = shared(name, "data/bars_crash/2021-05_BTCUSDT_binance_spot_1m.parquet") else { return };
    let fixture = Fixture::of(path);
    let report = fixture.run(&with_tick(&fixture, "binance:BTCUSDT-SPOT", "0.01")).unwrap();
    assert_eq!((report.rows_written, report.gaps.count, report.gaps.missing), (42_915, 1, 284));
    let gap = report.gaps.longest.unwrap();
    assert_eq!((gap.from, gap.to), (time("2021-04-25T04:01:00Z"), time("2021-04-25T08:45:00Z")));
    assert_eq!(report.warnings, ["1 gap, 284 bars missing; 2021-04-25 04:01 .. 2021-04-25 08:45 (4 h 44 min)"]);
}

#[test]
fn the_dirty_spot_file_is_named_for_all_that_it_is() {
    let name = "the_dirty_spot_file_is_named_for_all_that_it_is";
    let Some(path) = shared(name, "data/bars_crash/2025-10_BTCUSDT_binance_spot_5m.parquet") else { return };
    let fixture = Fixture::of(path);
    let request = with_tick(&fixture, "binance:BTCUSDT-SPOT", "0.01");
    let text = fixture.run(&request).unwrap_err().to_string();
    for part in [
        "of 25,920 rows cannot be taken",
        "off the tick grid of 0.01 (open 12,918, high 10,952, low 14,197, close 12,978)",
        "rows 2 (low 114127.33414493)",
        "column `open_time_us` holds milliseconds, not the microseconds of its name",
        "1 gap, 288 bars missing",
        "(1 d)",
        "volume is 0 in every bar",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }

    let report = fixture.run(&BarsRequest { repair: vec![Repair::Snap], ..request }).unwrap();
    assert_eq!((report.rows_written, report.repairs[0].rule.as_str()), (25_920, "snap"));
    assert!(report.repairs[0].rows > 12_978);
    let header = tape::TapeReader::open(fixture.out()).unwrap();
    assert_eq!(header.info().provenance.repairs, report.repairs);
}

#[test]
fn impossible_daily_bars_are_refused_or_widened() {
    let name = "impossible_daily_bars_are_refused_or_widened";
    let Some(path) = shared(name, "data/bars_daily/ETHUSD_cryptocompare_1d.parquet") else { return };
    let fixture = Fixture::of(path);
    let request = with_tick(&fixture, "cryptocompare:ETHUSD-SPOT", "0.01");
    let text = fixture.run(&request).unwrap_err().to_string();
    assert!(text.contains("450 of 2,526 rows cannot be taken") && text.contains("rows 28 ("), "{text}");
    let widened = fixture.run(&BarsRequest { repair: vec![Repair::Widen], ..request.clone() }).unwrap();
    assert_eq!((widened.rows_written, widened.repairs[0].rows), (2_526, 450));
    let dropped = fixture.run(&BarsRequest { repair: vec![Repair::DropRow], ..request }).unwrap();
    assert_eq!((dropped.rows_written, dropped.repairs[0].rows), (2_076, 450));
}

#[test]
fn funding_in_percent() {
    let name = "funding_in_percent";
    let Some(path) = shared(name, "reference/forecast/data/btc_funding_8h_2022_2025.csv") else { return };
    let fixture = Fixture::of(path);
    let report = fixture.funding(RateUnit::Percent, &[]).unwrap();
    assert_eq!(
        report.lines(),
        [
            "3,316 funding rates  2022-11-03 08:00 .. 2025-11-12 08:00 UTC  every 8 h  0 gaps",
            "1,089 stamps snapped to the interval, none by more than 1 s",
        ]
    );
    let Event::Funding(second) = fixture.events()[1].1 else { panic!("a funding tape") };
    assert_eq!(second.rate.to_string(), "0.0000694");
}

#[test]
fn a_volatility_index_is_known_a_day_later() {
    let name = "a_volatility_index_is_known_a_day_later";
    let Some(path) = shared(name, "reference/forecast/data/btc_daily_2022_2025.csv") else { return };
    let fixture = Fixture::of(path);
    let report = fixture.series("dvol", SeriesUnit::Percent, Duration::DAY).unwrap();
    assert_eq!(
        report.lines(),
        [
            "1,100 values of test.series  2022-11-06 00:00 .. 2025-11-09 00:00 UTC  every 1 d  0 gaps  known 1 d later",
            "260 empty cells skipped",
        ]
    );
    let (at, Event::Series(first)) = fixture.events()[0] else { panic!("a series tape") };
    assert_eq!((at, first.value.get()), (time("2022-11-07"), 0.5676));
}

#[test]
fn every_other_shape_of_bars_comes_in() {
    let name = "every_other_shape_of_bars_comes_in";
    let files = [
        ("data/bars_2026/BTCUSDT_binance_1h.parquet", "0.01", 2_598, 0),
        ("data/bars_2026/BTCUSDT_okx_swap_1m_2026-01.parquet", "0.1", 22_078, 0),
        ("data/bars_daily/BTCUSDT_binance_1d_2024_2026.parquet", "0.01", 658, 0),
        ("data/bars_daily/BTCUSD_coinbase_1d_2014_2018.parquet", "0.01", 1_318, 8),
        ("data/bars_daily/BTCUSD_cryptocompare_1d.parquet", "0.01", 2_526, 0),
        ("data/bars_minute/2023-03_BTCUSDT_binance_spot_1m.parquet", "0.01", 66_087, 1),
        ("data/bars_minute/2023_BTCUSDT_binance_perp_5m.parquet", "0.1", 105_120, 0),
        ("data/bars_minute/2025-03_BTC_hyperliquid_5m.parquet", "1", 38_531, 0),
        ("data/bars_multiyear/BTCUSDT_binance_perp_15m_2023_2024.parquet", "0.1", 70_176, 0),
        ("data/bars_multiyear/BTCUSDT_binance_spot_1h_2017_2022.parquet", "0.01", 45_345, 27),
        ("data/bars_crash/2022-05_SOLUSDT_okx_swap_5m.parquet", "0.001", 35_424, 0),
    ];
    for (path, tick, rows, gaps) in files {
        let Some(path) = shared(name, path) else { return };
        let fixture = Fixture::of(path);
        let report = fixture.run(&with_tick(&fixture, "test:BTCUSDT-PERP", tick));
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((report.rows_written, report.gaps.count), (rows, gaps), "{:?}", report.source);
    }
}

#[test]
fn every_other_shape_of_funding_comes_in() {
    let name = "every_other_shape_of_funding_comes_in";
    for (file, rows, hours) in [("BTCUSDT_binance_8h_2023_2024", 2_193, 8), ("BTC_hyperliquid_1h_2023_2024", 13_830, 1)]
    {
        let Some(path) = shared(name, &format!("data/funding/{file}.parquet")) else { return };
        let fixture = Fixture::of(path);
        let report = fixture.funding(RateUnit::Fraction, &[]).unwrap();
        assert_eq!(report.rows_written, rows, "{:?}", report.lines());
        assert_eq!(report.interval, Some(Duration::from_nanos(hours * Duration::HOUR.nanos())));
    }
}

#[test]
fn a_file_of_seven_venues_needs_to_be_told_which() {
    let name = "a_file_of_seven_venues_needs_to_be_told_which";
    let Some(path) = shared(name, "data/funding/BTC_7venues_2020_2024.parquet") else { return };
    let fixture = Fixture::of(path);
    let disagree = fixture.funding(RateUnit::Fraction, &[]).unwrap_err().to_string();
    assert!(
        disagree.contains("`Date`") && disagree.contains("`ts_utc`") && disagree.contains("--time-column"),
        "{disagree}"
    );
    let columns = ColumnMap {
        time: Some("ts_utc".to_owned()),
        only: Some(("venue".to_owned(), "binance".to_owned())),
        ..ColumnMap::default()
    };
    let request = FundingRequest { columns, ..fixture.funding_request(RateUnit::Fraction) };
    assert_eq!(import::funding(&request, &mut |_, _| {}).unwrap().rows_written, 4_383);
}

#[test]
fn a_recorded_index_in_parquet_is_a_series() {
    let name = "a_recorded_index_in_parquet_is_a_series";
    let Some(path) = shared(name, "data/macro_sentiment/dvol_btc.parquet") else { return };
    let report = Fixture::of(path).series("dvol", SeriesUnit::Percent, Duration::DAY).unwrap();
    assert_eq!((report.rows_written, report.first, report.last), (787, time("2022-11-06"), time("2024-12-31")));
}
