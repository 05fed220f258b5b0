//! Spot, an inverse perpetual with continuous funding, and a dated future: recorded files through the command line, from the
//! import to a run whose money is recomputed here from its fills and payments alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use backtest::Run;
use backtest::records::FillRow;
use common::Sandbox;
use serde_json::Value;
use std::path::{Path, PathBuf};
use units::Qty;

/// The shared data, or `None` where it is absent; that is a failure in CI.
fn shared(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("TRIMTAB_SHARED").map_or(beside, PathBuf::from);
    if folder.join("data/bars_crash").is_dir() {
        return Some(folder.canonicalize().unwrap());
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "shared data absent at {}", folder.display());
    eprintln!("skipped: {test}: shared data absent");
    None
}

/// Imports a file and gives what was said in words.
#[track_caller]
fn import(sandbox: &Sandbox, shared: &Path, kind: &str, file: &str, flags: &str) -> String {
    sandbox.line(&format!("trimtab import {kind} '{}' {flags}", shared.join("data").join(file).display())).ok()
}

#[track_caller]
fn json(sandbox: &Sandbox, line: &str) -> Value {
    let said = sandbox.line(&format!("{line} --json")).ok();
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

/// Runs the policy, checks that the run repeats to the byte and holds by the audit's own code, and opens its folder.
#[track_caller]
fn run(sandbox: &Sandbox, policy: &str, tapes: &str) -> Run {
    sandbox.write("policy.toml", policy);
    let said = json(sandbox, &format!("trimtab backtest policy.toml {tapes} --out run"));
    assert_eq!(said["residual"], "0");
    assert_eq!(json(sandbox, "trimtab replay run --verify")["same"], true);
    let audit = sandbox.line("trimtab audit run");
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
    backtest::open(&sandbox.path("run")).unwrap()
}

fn policy(name: &str, instrument: &str, body: &str) -> String {
    format!("policy = 1\nname = \"{name}\"\ninstrument = \"{instrument}\"\n{body}")
}

fn signed(fill: &FillRow) -> f64 {
    fill.quantity.approximate() * if fill.side == "sell" { -1.0 } else { 1.0 }
}

/// What deposit, fills and funding leave at the end, by the rule of the contract, in doubles.
fn money(run: &Run, deposit: f64, value: impl Fn(f64, f64) -> f64) -> f64 {
    let mut position = 0.0;
    let mut money = deposit;
    for fill in &run.tables.fills {
        let quantity = signed(fill);
        position += quantity;
        money -= value(fill.price.approximate(), quantity) + fill.fee.approximate();
    }
    money += run.tables.funding.iter().map(|paid| paid.amount.approximate()).sum::<f64>();
    let mark = run.tables.positions.last().unwrap().mark.approximate();
    money + value(mark, position)
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-7 * expected.abs(), "{found}, not {expected}");
}

const LONG: &str = "[signal]\nkind = \"constant\"\nstrength = 1.0\n";

#[test]
fn spot_is_bought_with_money_and_sold_from_stock() {
    let Some(shared) = shared("spot_is_bought_with_money_and_sold_from_stock") else { return };
    let sandbox = Sandbox::new();
    let flags = "--instrument binance:BTCUSDT-SPOT --labelled open -o spot.tape";
    let said = import(&sandbox, &shared, "bars", "bars_crash/2020-03_BTCUSDT_binance_spot_5m.parquet", flags);
    assert!(said.contains("binance:BTCUSDT-SPOT: spot, settles in USDT"), "{said}");
    let info = json(&sandbox, "trimtab tape info spot.tape");
    let stated = &info["catalogue"]["instruments"][0];
    assert_eq!((&stated["kind"], &stated["settle"], &stated["tick"]), (&"spot".into(), &"USDT".into(), &"0.01".into()));
    assert!(sandbox.line("trimtab tape info spot.tape").ok().contains("binance:BTCUSDT-SPOT   spot   tick 0.01"));

    // Both sides are asked for; nothing that is not held can be sold.
    let body = "[signal]\nkind = \"donchian\"\nbar = \"1h\"\nentry = 48\nexit = 24\n[size]\nkind = \"fixed_fraction\"\n\
                fraction = 0.9\n[backtest]\ndeposit = \"100_000 USDT\"\ntaker_fee = \"10bp\"\n";
    let run = run(&sandbox, &policy("spot-breakout", "binance:BTCUSDT-SPOT", body), "--tape spot.tape");
    assert!(run.tables.fills.len() > 20, "{} fills", run.tables.fills.len());
    assert!(run.tables.positions.iter().all(|row| row.position.raw() >= 0));
    assert!(run.tables.positions.iter().any(|row| row.position.raw() > 0));
    assert!(run.tables.funding.is_empty());
    close(
        run.tables.equity.last().unwrap().equity.approximate(),
        money(&run, 100_000.0, |price, quantity| price * quantity),
    );
}

#[test]
fn a_coin_margined_day_at_binance() {
    let Some(shared) = shared("a_coin_margined_day_at_binance") else { return };
    let sandbox = Sandbox::new();
    let flags = "--instrument binance:BTCUSD-PERP --labelled open --day 2022-12-13 -o coin.tape";
    let said = import(&sandbox, &shared, "bars", "quotes_minute/binance_btcusd_20221213_trade.parquet", flags);
    assert!(said.contains("binance:BTCUSD-PERP: inverse perpetual, settles in BTC"), "{said}");
    assert!(said.contains("volume counts as BTC"), "{said}");
    let body = "[signal]\nkind = \"donchian\"\nbar = \"5m\"\nentry = 24\nexit = 12\n[size]\nkind = \"fixed_fraction\"\n\
                fraction = 1.5\n[backtest]\ndeposit = \"10 BTC\"\ntaker_fee = \"5bp\"\n";
    let run = run(&sandbox, &policy("coin", "binance:BTCUSD-PERP", body), "--tape coin.tape");
    assert!(run.tables.fills.len() > 5, "{} fills", run.tables.fills.len());
    // Whole contracts of a hundred dollars, paid for in coin.
    assert!(run.tables.fills.iter().all(|fill| fill.quantity.raw() % (100 * Qty::ONE) == 0 && fill.currency == "BTC"));
    close(
        run.tables.equity.last().unwrap().equity.approximate(),
        money(&run, 10.0, |price, quantity| -quantity / price),
    );
}

const CANDLES: &str = "--labelled open --interval 1m";

/// Deribit's perpetual and a future at each of 419 snapshots, six hours apart, and the rates of some days.
fn deribit(sandbox: &Sandbox, shared: &Path) {
    let columns = |prefix: &str| {
        let prices = ["open", "high", "low", "close", "volume"];
        let mut flags = format!("--time-column {prefix}candle_open_time_ms");
        for name in prices {
            flags += &format!(" --{name}-column {prefix}candle_{name}");
        }
        flags
    };
    let flags = format!("--instrument deribit:BTC-PERPETUAL {CANDLES} --where coin=BTC {} -o perp.tape", columns(""));
    let said = import(sandbox, shared, "bars", "deribit_options_6h/perpetual_futures_prices.parquet", &flags);
    assert!(said.contains("deribit:BTC-PERPETUAL: inverse perpetual, settles in BTC"), "{said}");
    let only = "--where futures_instrument_name=BTC-27MAR26";
    let flags = format!("--instrument deribit:BTC-27MAR26 {CANDLES} {only} {} -o future.tape", columns("term_"));
    let said = import(sandbox, shared, "bars", "deribit_options_6h/term_futures_marks.parquet", &flags);
    assert!(said.contains("deribit:BTC-27MAR26: inverse future until 2026-03-27 08:00:00Z, settles in BTC"), "{said}");
}

#[test]
fn a_perpetual_pays_funding_all_the_time() {
    let Some(shared) = shared("a_perpetual_pays_funding_all_the_time") else { return };
    let sandbox = Sandbox::new();
    deribit(&sandbox, &shared);
    let flags = "--instrument deribit:BTC-PERPETUAL --rate-unit fraction --interval 8h --rate-column funding_8h --time-column timestamp \
                 --where instrument_name=BTC-PERPETUAL -o funding.tape";
    import(&sandbox, &shared, "funding", "deribit_full_tickers_2026-01/BTC_futures.parquet", flags);
    let body = format!(
        "{LONG}[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n[backtest]\ndeposit = \"10 BTC\"\ntaker_fee = \"5bp\"\n"
    );
    let run = run(&sandbox, &policy("carry", "deribit:BTC-PERPETUAL", &body), "--tape perp.tape --tape funding.tape");
    close(
        run.tables.equity.last().unwrap().equity.approximate(),
        money(&run, 10.0, |price, quantity| -quantity / price),
    );

    // The rates as Deribit told them, on the mean position of the eight hours that each pays for; no two of them share an hour.
    let told = [
        ("2026-01-15T00:30:05.363Z", -7.7e-7),
        ("2026-01-15T23:50:35.496Z", 2.41e-6),
        ("2026-01-16T12:30:04.587Z", 4.297e-5),
        ("2026-01-17T12:30:04.286Z", 2e-8),
        ("2026-01-19T12:30:04.851Z", 7.03e-6),
    ];
    let paid: Vec<_> = run.tables.funding.iter().filter(|paid| !paid.amount.is_zero()).collect();
    assert_eq!(paid.len(), told.len());
    for (paid, (at, rate)) in paid.iter().zip(told) {
        assert_eq!(paid.time, at.parse().unwrap());
        let span = 8.0 * 3600.0 * 1e9;
        let shares = run.tables.fills.iter().filter(|fill| fill.time < paid.time).map(|fill| {
            let since = paid.time.since(fill.time).nanos() as f64;
            signed(fill) * (since / span).min(1.0)
        });
        let held: f64 = shares.sum();
        let mark = run.tables.positions.iter().rfind(|row| row.time <= paid.time).unwrap().mark.approximate();
        let expected = -held / mark * rate;
        assert!(
            (paid.amount.approximate() - expected).abs() <= 1e-6 * expected.abs() + 1e-8,
            "{at}: {} {expected}",
            paid.amount
        );
    }
}

#[test]
fn a_dated_future_is_settled_at_its_hour() {
    let Some(shared) = shared("a_dated_future_is_settled_at_its_hour") else { return };
    let sandbox = Sandbox::new();
    deribit(&sandbox, &shared);
    let info = json(&sandbox, "trimtab tape info future.tape");
    let stated = &info["catalogue"]["instruments"][0];
    assert_eq!((&stated["kind"], &stated["settle"]), (&"inverse-future".into(), &"BTC".into()));
    assert_eq!((&stated["expiry"], &info["version"]), (&"2026-03-27T08:00:00Z".into(), &2.into()));
    let said = sandbox.line("trimtab tape info future.tape").ok();
    assert!(
        said.contains("inverse future until 2026-03-27 08:00:00Z   tick 2.5   lot 10")
            && said.contains("settles in BTC"),
        "{said}"
    );

    // The perpetual's tape goes on, so that time passes the expiry.
    let body = format!(
        "{LONG}[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n[backtest]\ndeposit = \"10 BTC\"\ntaker_fee = \"5bp\"\n"
    );
    let run = run(&sandbox, &policy("to-the-end", "deribit:BTC-27MAR26", &body), "--tape future.tape --tape perp.tape");
    let last = run.tables.fills.last().unwrap();
    let expiry = "2026-03-27T08:00:00Z".parse().unwrap();
    assert!(last.purpose.as_str() == "settlement" && last.side == "sell" && last.time == expiry, "{last:?}");
    assert!(run.tables.funding.is_empty());
    // At its last price; what is left is coin alone.
    assert_eq!(last.price.to_string(), "68537.5");
    let held: f64 = run.tables.fills.iter().map(signed).sum();
    assert!(held.abs() < 1e-9, "{held}");
    close(
        run.tables.equity.last().unwrap().equity.approximate(),
        money(&run, 10.0, |price, quantity| -quantity / price),
    );
}
