//! Portfolios on recorded markets: one policy in several instruments, at equal risk. Nothing may be left unexplained.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::print_stdout, reason = "the result of a run on real data is worth a line")]

mod common;

use backtest::{PolicyFile, Request, Run};
use common::shared;
use import::{BarsRequest, FundingRequest, Labelled, RateUnit};
use market::{Instrument, InstrumentKind};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use units::Cash;

fn perpetual(symbol: &str, base: &str, tick: &str, lot: &str) -> Instrument {
    Instrument {
        symbol: symbol.to_owned(),
        kind: InstrumentKind::LinearPerpetual,
        base: base.parse().unwrap(),
        quote: "USDT".parse().unwrap(),
        settle: "USDT".parse().unwrap(),
        tick: tick.parse().unwrap(),
        lot: lot.parse().unwrap(),
        min_qty: lot.parse().unwrap(),
    }
}

/// Runs a policy, and checks that its campaigns, fees and funding make up its equity to the last unit.
fn done(name: &str, text: String, tapes: Vec<PathBuf>) -> Run {
    let policies = vec![PolicyFile::new(format!("{name}.toml"), text)];
    let request = Request { policies, tapes, program: "test".into(), seed: None };
    let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    let record = &run.record;
    assert_eq!((record.residual.as_str(), record.triggers.unexplained, record.rejected), ("0", 0, 0));
    common::assert_it_holds(&run);
    let last = run.tables.equity.last().unwrap();
    let mut earned: BTreeMap<&str, Cash> = BTreeMap::new();
    for row in &run.tables.campaigns {
        *earned.entry(&row.instrument).or_default() += row.profit - row.fees + row.funding;
    }
    assert_eq!(earned.values().copied().sum::<Cash>(), last.equity - last.paid_in);
    let worst = run.tables.equity.iter().map(|row| row.drawdown).fold(0.0, f64::max);
    let gross = run.tables.equity.iter().map(|row| row.gross).fold(0.0, f64::max);
    println!(
        "{name}: {} .. {}, {} bars, {} fills, {} campaigns: {} to {} USDT, fees {}, funding {}, worst drawdown {:.1} %, \
         most gross {gross:.2}",
        record.first,
        record.last,
        record.bars,
        run.tables.fills.len(),
        run.tables.campaigns.len(),
        last.paid_in,
        last.equity,
        record.scaled.fees,
        record.scaled.funding,
        worst * 100.0
    );
    for (instrument, earned) in earned {
        println!("  {instrument}: {earned} USDT");
    }
    run
}

/// The share of equity that each sized entry risks in a year's standard deviation: quantity × price × volatility ÷ equity.
fn risks(run: &Run) -> BTreeMap<String, Vec<f64>> {
    let rows = &run.tables.positions;
    let known: BTreeMap<_, f64> =
        rows.iter().filter_map(|row| Some(((row.time, row.instrument.to_string()), row.volatility?))).collect();
    let mut risks: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let entries = run.tables.orders.iter().filter(|row| row.event == "place" && row.purpose == "entry");
    let entries: BTreeSet<u64> = entries.map(|row| row.plan).collect();
    for row in &run.tables.plans {
        let enters = row.rule == "vol_target" && row.outcome == "set" && entries.contains(&row.plan);
        let volatility = known.get(&(row.time, row.instrument.to_string()));
        if let Some(volatility) = volatility.filter(|_| enters) {
            let value = row.after.abs().approximate() * row.price.approximate();
            risks.entry(row.instrument.to_string()).or_default().push(value * volatility / row.equity.approximate());
        }
    }
    risks
}

const RULES: &str = r#"
[unit]
n = "atr(20, 4h)"

[size]
kind = "volatility_target"
target = "45%"
volatility = "ewma(5d, 1h)"
resize = "entry"

[pyramid]
units = 2
spacing = "last_fill"
step = "1N"

[stop]
initial = "2.5N"
trail = "4N"

[caps]
leverage = 4.0
leverage_restore = 3.5
drawdown = [{ at = "30%", restore = "15%", factor = 0.0 }]
rearm = "14d"
"#;

#[test]
fn three_coins_at_equal_risk_through_the_summer_of_2022() {
    let Some(shared) = shared("three_coins_at_equal_risk_through_the_summer_of_2022") else { return };
    let folder = tempfile::tempdir().unwrap();
    let coins = [("BTC", "0.1", "0.001"), ("ETH", "0.01", "0.001"), ("SOL", "0.001", "0.01")];
    let tape = |(base, tick, lot): (&str, &str, &str)| {
        let bars = shared.join(format!("data/bars_crash/2022-05_{base}USDT_okx_swap_5m.parquet"));
        let out = folder.path().join(format!("{base}.tape"));
        let instrument = perpetual(&format!("okx:{base}-USDT-SWAP"), base, tick, lot);
        let report = import::bars(&BarsRequest::new(bars, instrument, Labelled::Open, &out), &mut |_, _| {}).unwrap();
        assert_eq!(report.rows_written, 35_424);
        out
    };
    let tapes = coins.map(tape).to_vec();
    let text = format!(
        "policy = 1\nname = \"summer\"\ninstruments = [\"okx:BTC-USDT-SWAP\", \"okx:ETH-USDT-SWAP\", \"okx:SOL-USDT-SWAP\"]\n\
         [allocation]\nmultiplier = 1.2\n[signal]\nkind = \"donchian\"\nbar = \"1h\"\nentry = 72\nexit = 36\n{RULES}"
    );
    let run = done("summer 2022", text, tapes);
    let risks = risks(&run);
    assert_eq!(risks.len(), 3, "{risks:?}");
    for (instrument, risks) in risks {
        assert!(risks.len() > 5, "{instrument}: {} entries", risks.len());
        // 45 % of a third of equity, × 1.2.
        assert!(risks.iter().all(|risk| (risk / 0.18 - 1.0).abs() < 1e-5), "{instrument}: {risks:?}");
    }
}

#[test]
fn two_coins_with_funding_through_2023_and_2024() {
    let Some(shared) = shared("two_coins_with_funding_through_2023_and_2024") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut tapes = Vec::new();
    for (base, tick, rows) in [("BTC", "0.1", 2_193), ("ETH", "0.01", 2_193)] {
        let instrument = perpetual(&format!("binance:{base}USDT-PERP"), base, tick, "0.001");
        let path = |kind: &str| folder.path().join(format!("{base}-{kind}.tape"));
        let bars = shared.join(format!("data/bars_multiyear/{base}USDT_binance_perp_1h_2023_2024.parquet"));
        let bars = BarsRequest::new(bars, instrument.clone(), Labelled::Open, path("bars"));
        assert_eq!(import::bars(&bars, &mut |_, _| {}).unwrap().rows_written, 17_544);
        let rates = shared.join(format!("data/funding/{base}USDT_binance_8h_2023_2024.parquet"));
        let rates = FundingRequest::new(rates, instrument, RateUnit::Fraction, path("funding"));
        assert_eq!(import::funding(&rates, &mut |_, _| {}).unwrap().rows_written, rows);
        tapes.extend([path("bars"), path("funding")]);
    }
    let text = format!(
        "policy = 1\nname = \"years\"\ninstruments = [\"binance:BTCUSDT-PERP\", \"binance:ETHUSDT-PERP\"]\n\
         [signal]\nkind = \"ema_cross\"\nbar = \"4h\"\nfast = 20\nslow = 80\n{RULES}"
    );
    let run = done("2023 and 2024", text, tapes);
    let paid: Cash = run.tables.funding.iter().map(|row| row.amount).sum();
    assert_eq!(paid.to_string(), run.record.scaled.funding);
    assert!(run.tables.funding.len() > 1_000, "{}", run.tables.funding.len());
    let risks = risks(&run);
    assert_eq!(risks.len(), 2, "{risks:?}");
    assert!(risks.values().flatten().all(|risk| (risk / 0.225 - 1.0).abs() < 1e-5), "{risks:?}");
}

/// The example of a desk as it stands, on two years of both coins. The second venue's prices are the first one's.
#[test]
fn the_example_of_a_portfolio_runs() {
    let Some(shared) = shared("the_example_of_a_portfolio_runs") else { return };
    let folder = tempfile::tempdir().unwrap();
    let usdc = Instrument {
        quote: "USDC".parse().unwrap(),
        settle: "USDC".parse().unwrap(),
        ..perpetual("deribit:ETH_USDC-PERPETUAL", "ETH", "0.01", "0.001")
    };
    let of = |base: &str, instrument: Instrument| {
        let bars = shared.join(format!("data/bars_multiyear/{base}USDT_binance_perp_1h_2023_2024.parquet"));
        let out = folder.path().join(format!("{base}.tape"));
        import::bars(&BarsRequest::new(bars, instrument, Labelled::Open, &out), &mut |_, _| {}).unwrap();
        out
    };
    let mut tapes = vec![of("BTC", perpetual("binance:BTCUSDT-PERP", "BTC", "0.1", "0.001")), of("ETH", usdc)];
    let daily = shared.join("reference/forecast/data/btc_daily_2022_2025.csv");
    for name in ["dvol.btc", "dvol.eth"] {
        let out = folder.path().join(format!("{name}.tape"));
        let mut index = import::SeriesRequest::new(&daily, "dvol", name, import::SeriesUnit::Percent, out.clone());
        index.lag = units::Duration::DAY;
        import::series(&index, &mut |_, _| {}).unwrap();
        tapes.push(out);
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/portfolio.toml");
    // It takes over a position of January 2024, these bars begin a year before.
    let text = std::fs::read_to_string(path).unwrap().replace("opened = \"2024-01-05", "opened = \"2022-12-30");
    let policies = vec![PolicyFile::new("portfolio.toml", text)];
    let request = Request { policies, tapes, program: "test".into(), seed: None };
    let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    let record = &run.record;
    assert_eq!((record.residual.as_str(), record.triggers.unexplained, record.rejected), ("0", 0, 0));
    assert!(record.refused_flows.is_empty(), "{:?}", record.refused_flows);
    common::assert_it_holds(&run);
    assert!(run.tables.campaigns.iter().map(|row| &*row.instrument).collect::<BTreeSet<_>>().len() == 2);
    let last = run.tables.equity.last().unwrap();
    println!(
        "portfolio: {} bars, {} campaigns: {} to {} USD",
        record.bars,
        run.tables.campaigns.len(),
        last.paid_in,
        last.equity
    );
}
