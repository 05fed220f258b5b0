//! The issue's own sequence on the recorded data that is laid beside the clone: a real crash month, from a file to an
//! explained decision; and the files that are dirty on purpose.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use common::{Said, Sandbox};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The shared data, or `None` where it is absent; that is a failure in CI.
fn shared(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TRIMTAB_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    if folder.join("data/bars_crash").is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "shared data absent at {}", folder.display());
    eprintln!("skipped: {test}: shared data absent");
    None
}

/// A desk with the shared data and the examples at the paths that documents name.
fn desk(shared: &Path) -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("clone")).unwrap();
    link(shared, &sandbox.path("shared"));
    link(&root().join("examples"), &sandbox.path("clone/examples"));
    sandbox
}

#[cfg(unix)]
fn link(to: &Path, from: &Path) {
    std::os::unix::fs::symlink(to, from).unwrap();
}

#[cfg(windows)]
fn link(to: &Path, from: &Path) {
    std::os::windows::fs::symlink_dir(to, from).unwrap();
}

/// Runs a line in the clone.
fn run(sandbox: &Sandbox, line: &str) -> Said {
    let mut command = sandbox.command(&line.split(' ').skip(1).collect::<Vec<_>>());
    command.current_dir(sandbox.path("clone")).output().unwrap().into()
}

#[track_caller]
fn json(sandbox: &Sandbox, line: &str) -> Value {
    let said = run(sandbox, &format!("{line} --json")).ok();
    let last = said.lines().last().unwrap();
    serde_json::from_str(last).unwrap()
}

const BARS: &str = "trimtab import bars ../shared/data/bars_crash/2025-10_BTCUSDT_binance_perp_5m.parquet \
                    --instrument binance:BTCUSDT-PERP --labelled open -o btc.tape";
const FUNDING: &str = "trimtab import funding ../shared/reference/forecast/data/btc_funding_8h_2022_2025.csv \
                       --instrument binance:BTCUSDT-PERP --rate-unit percent -o funding.tape";
const SERIES: &str = "trimtab import series ../shared/reference/forecast/data/btc_daily_2022_2025.csv --column dvol \
                      --name dvol.btc --unit percent --lag 1d -o dvol.tape";
const BACKTEST: &str = "trimtab backtest examples/btc-trend.toml --tape btc.tape --tape funding.tape --tape dvol.tape \
                        --out runs/oct";

#[test]
fn a_crash_month_from_a_file_to_an_explained_decision() {
    let Some(shared) = shared("a_crash_month_from_a_file_to_an_explained_decision") else { return };
    let sandbox = desk(&shared);

    json(&sandbox, "trimtab init my-desk");
    let check = json(&sandbox, "trimtab check examples/btc-trend.toml");
    assert_eq!((&check["errors"], &check["warnings"]), (&0.into(), &0.into()));

    let bars = json(&sandbox, BARS);
    assert_eq!((&bars["rows_written"], &bars["gaps"]["count"]), (&11_123.into(), &0.into()));
    assert_eq!(json(&sandbox, FUNDING)["rows_written"], 3_316);
    assert_eq!(json(&sandbox, SERIES)["rows_written"], 1_100);
    let tape = json(&sandbox, "trimtab tape info btc.tape");
    assert_eq!(tape["catalogue"]["instruments"][0]["symbol"], "binance:BTCUSDT-PERP");
    assert_eq!(tape["kinds"]["bar"]["first"], "2025-09-19T00:05:00Z");

    let backtest = json(&sandbox, BACKTEST);
    assert_eq!(backtest["bars"], 11_123);
    assert_eq!(backtest["residual"], "0");
    assert!(backtest["fills"].as_u64().unwrap() > 10, "{backtest}");
    // The twin and the twin at equal volatility stand beside every figure.
    for column in ["scaled", "twin", "twin_at_equal_volatility"] {
        assert!(backtest[column]["return"].is_f64() && backtest[column]["worst_drawdown"].is_f64(), "{backtest}");
    }
    let again = run(&sandbox, BACKTEST);
    assert_eq!(again.code, Some(2), "a run is not replaced unasked: {}", again.stderr);
    assert_eq!(json(&sandbox, &format!("{BACKTEST} --force"))["chain"], backtest["chain"]);

    let explained = json(&sandbox, "trimtab explain runs/oct --at 2025-10-10T21:20:00Z");
    let steps = explained["plan"]["steps"].as_array().unwrap();
    assert!(steps.len() >= 3 && steps.iter().all(|step| !step["because"].as_str().unwrap().is_empty()), "{explained}");
    assert!(explained["plan"]["time"].as_str().unwrap() <= "2025-10-10T21:20:00Z");
    assert!(explained["now"].is_array(), "the rules were evaluated at the instant itself");

    let replay = json(&sandbox, "trimtab replay runs/oct --verify");
    assert_eq!((&replay["same"], &replay["chain"]), (&true.into(), &backtest["chain"]));

    let audit = json(&sandbox, "trimtab audit runs/oct");
    assert_eq!((&audit["ok"], &audit["triggers"]["unexplained"]), (&true.into(), &0.into()), "{audit}");

    json(&sandbox, "trimtab report runs/oct -o oct.html");
    let page = std::fs::read_to_string(sandbox.path("clone/oct.html")).unwrap();
    assert!(page.contains("btc-trend") && page.len() <= 400 << 10, "{} bytes", page.len());
    altered_runs_are_told(&sandbox);
}

/// Altering any stored fill, plan or input makes a replay say so, by name.
fn altered_runs_are_told(sandbox: &Sandbox) {
    for (file, what) in [
        ("runs/oct/fills.parquet", "fills"),
        ("runs/oct/plans.parquet", "plans"),
        ("runs/oct/policy.toml", "policy"),
        ("btc.tape", "btc.tape"),
    ] {
        let path = sandbox.path("clone").join(file);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        // Behind the magic number and the first page's header: data, in every format here.
        let at = bad.len() / 3;
        bad[at] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        let said = run(sandbox, "trimtab replay runs/oct --verify");
        assert_eq!(said.code, Some(1), "{file}: {}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains("differs") && said.stdout.contains(what), "{file}: {}", said.stdout);
        let said = run(sandbox, "trimtab audit runs/oct");
        assert!(said.code == Some(1) && said.stdout.contains(what), "{file}: {}{}", said.stdout, said.stderr);
        std::fs::write(&path, &good).unwrap();
    }
    assert_eq!(run(sandbox, "trimtab replay runs/oct --verify").code, Some(0));
    assert_eq!(run(sandbox, "trimtab audit runs/oct").code, Some(0));
}

#[test]
fn dirty_files_are_refused_or_reported_for_what_they_are() {
    let Some(shared) = shared("dirty_files_are_refused_or_reported_for_what_they_are") else { return };
    let sandbox = desk(&shared);
    let import = |file: &str, instrument: &str, more: &str| {
        let line =
            format!("trimtab import bars ../shared/data/{file}.parquet --instrument {instrument} --labelled open");
        run(&sandbox, &format!("{line} -o x.tape{more}"))
    };
    let spot = "bars_crash/2025-10_BTCUSDT_binance_spot_5m";
    let said = import(spot, "binance:BTCUSDT-SPOT", "");
    assert_eq!(said.code, Some(2));
    for finding in ["off the tick grid", "holds milliseconds", "1 gap", "volume is 0", "--repair snap"] {
        assert!(said.stderr.contains(finding), "{finding}: {}", said.stderr);
    }
    let covid = "bars_crash/2020-03_BTCUSDT_binance_spot_5m";
    let said = import(covid, "binance:BTCUSDT-SPOT", "");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("1 identical duplicate") && said.stdout.contains("4 gaps"), "{}", said.stdout);
    let ether = "bars_daily/ETHUSD_cryptocompare_1d";
    let said = import(ether, "binance:ETHUSDT-SPOT", " --force");
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("450 of 2,526 rows") && said.stderr.contains("rows 28"), "{}", said.stderr);
    // What is asked for is done, and recorded in the tape.
    let said = import(ether, "binance:ETHUSDT-SPOT", " --force --repair widen");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let info = json(&sandbox, "trimtab tape info x.tape");
    assert_eq!(info["provenance"]["repairs"][0], serde_json::json!({ "rule": "widen", "rows": 450 }));
}
