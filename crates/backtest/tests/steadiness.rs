//! Sizing by implied volatility holds risk nearer its target: the volatility of volatility against constant size, on
//! decades of recorded prices. Nothing is promised about return or drawdown, and nothing about them is asserted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "finds the shared data by environment and file")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "prints what it measured, and names what it skips")]

use backtest::metrics::{Path as EquityPath, vol_of_vol};
use backtest::{PolicyFile, Request, Run, run};
use import::{BarsRequest, ContractKind, Labelled, SeriesRequest, SeriesUnit, Terms};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use units::{Duration, Timestamp};

/// Bars, a volatility index and what is known of both.
struct Market {
    symbol: &'static str,
    tick: &'static str,
    bars: &'static str,
    index: &'static str,
    column: &'static str,
    /// Where the run begins: both are known from here on.
    from: &'static str,
}

fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TRIMTAB_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let found = root.join("reference/forecast/data");
    if found.is_dir() {
        return Some(found);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "shared data absent");
    eprintln!("skipped: {name}: shared data absent");
    None
}

fn policy(market: &Market) -> String {
    format!(
        r#"policy = 1
name = "steady"
instrument = "{}"

[signal]
kind = "constant"
strength = 1.0

[size]
kind = "volatility_target"
target = "20%"
volatility = "series(index, 10d)"
resize = "continuous"

[backtest]
deposit = "1_000_000 USD"
taker_fee = 0
maker_fee = 0
half_spread = 0
slippage = 0
"#,
        market.symbol
    )
}

/// Imports and runs an always-long signal from `from` on.
fn always_long(market: &Market, data: &Path) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("bars.csv");
    let text = std::fs::read_to_string(data.join(market.bars)).unwrap();
    let (head, rows) = text.split_once('\n').unwrap();
    let later: Vec<&str> = rows.lines().filter(|row| *row >= market.from).collect();
    std::fs::write(&source, format!("{head}\n{}\n", later.join("\n"))).unwrap();
    let (tick, lot) = (market.tick.parse().unwrap(), "0.0001".parse().unwrap());
    let kind = Some(ContractKind::Linear);
    let terms = Terms { kind, tick: Some(tick), lot: Some(lot), ..Terms::default() };
    let instrument = import::instrument(market.symbol, &terms).unwrap();
    let (bars, index) = (folder.path().join("bars.tape"), folder.path().join("index.tape"));
    let mut request = BarsRequest::new(&source, instrument, Labelled::Open, &bars);
    request.interval = Some(Duration::DAY);
    import::bars(&request, &mut |_, _| ()).unwrap();
    let mut request = SeriesRequest::new(data.join(market.index), market.column, "index", SeriesUnit::Percent, &index);
    request.lag = Duration::DAY;
    import::series(&request, &mut |_, _| ()).unwrap();
    let request =
        Request { policies: vec![PolicyFile::new("", policy(market))], tapes: vec![bars, index], ..Request::default() };
    run(&request, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// Standard deviation of the 63-day volatility over its mean: scaled and twin.
fn steadiness(run: &Run) -> (f64, f64) {
    let times: Vec<Timestamp> = run.tables.equity.iter().map(|row| row.time).collect();
    let ratio = |equity: Vec<f64>| {
        let days = EquityPath { times: &times, equity: &equity }.days();
        // Days on which the market was shut moved nothing and are no observations.
        let days: Vec<_> = days.into_iter().filter(|day| day.value != 0.0).collect();
        vol_of_vol(&days).unwrap().of_mean
    };
    let scaled = ratio(run.tables.equity.iter().map(|row| row.equity.approximate()).collect());
    let twin = ratio(run.tables.equity.iter().map(|row| row.twin_equity.approximate()).collect());
    (scaled, twin)
}

#[test]
fn the_s_and_p_sized_by_its_volatility_index() {
    let Some(data) = shared("the_s_and_p_sized_by_its_volatility_index") else { return };
    let market = Market {
        symbol: "index:SPXUSD-PERP",
        tick: "0.000001",
        bars: "sp500_ohlcv_1950_2018.csv",
        index: "vix_daily.csv",
        column: "close",
        from: "1990-01-03",
    };
    let (scaled, twin) = steadiness(&always_long(&market, &data));
    println!("S&P 500 1990-2018: volatility of volatility {scaled:.3}, constant size {twin:.3}");
    assert!(scaled <= 0.20, "{scaled}");
    assert!((0.50..0.65).contains(&twin), "{twin}");
}

#[test]
fn bitcoin_sized_by_its_volatility_index() {
    let Some(data) = shared("bitcoin_sized_by_its_volatility_index") else { return };
    let market = Market {
        symbol: "index:BTCUSD-PERP",
        tick: "0.00001",
        bars: "btc_daily_2022_2025.csv",
        index: "btc_daily_2022_2025.csv",
        column: "dvol",
        from: "2022-11-07",
    };
    let (scaled, twin) = steadiness(&always_long(&market, &data));
    println!("BTC 2022-2025: volatility of volatility {scaled:.3}, constant size {twin:.3}");
    assert!(scaled <= 0.15, "{scaled}");
    assert!((0.18..0.27).contains(&twin), "{twin}");
}
