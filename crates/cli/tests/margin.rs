//! `trimtab margin`: what it prints of every example, for people and for programs, and its exit codes.
//!
//! `UPDATE=1 cargo test -p trimtab --test margin` writes what is printed into `tests/margin`; read the difference before you keep it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]

mod common;

use common::{Said, Sandbox, examples, is_as_kept};
use serde_json::Value;
use std::path::Path;

/// With tiers of one's own.
fn desk() -> Sandbox {
    let sandbox = common::desk();
    sandbox.write("tiers.csv", "tier.BTCUSDT-PERP,0:0.02:0.01\ntier.BTCUSDT-PERP,1000000:0.1:0.05\n");
    sandbox
}

/// Names of what is kept, and the command lines.
const PRINTED: [(&str, &str); 8] = [
    ("deribit", "trimtab margin deribit.json --venue deribit"),
    ("deribit-explained", "trimtab margin deribit.json --venue deribit --explain"),
    ("deribit-standard", "trimtab margin deribit.json --venue deribit-standard --explain"),
    ("deribit-usdc", "trimtab margin deribit-usdc.json --venue deribit --explain"),
    ("derive", "trimtab margin derive.json --venue derive --explain"),
    ("hyperliquid", "trimtab margin hyperliquid.json --venue hyperliquid"),
    ("dydx", "trimtab margin dydx.json --venue dydx"),
    ("binance-own-tiers", "trimtab margin binance.json --venue binance --parameters tiers.csv"),
];

#[test]
fn what_is_printed() {
    is_as_kept(&desk(), "margin", PRINTED.map(|(name, line)| (name, line.to_owned(), 0)));
}

#[test]
fn a_line_for_programs() {
    let sandbox = desk();
    for (_, line) in PRINTED {
        let said = sandbox.line(&format!("{line} --json")).ok();
        let view: Value = serde_json::from_str(said.trim()).unwrap();
        assert_eq!(view["schema"], "trimtab.margin/1");
        let (equity, maintenance) =
            (view["equity"]["value"].as_f64().unwrap(), view["maintenance"]["value"].as_f64().unwrap());
        let headroom = view["headroom"]["value"].as_f64().unwrap();
        assert!((equity - maintenance - headroom).abs() <= 1e-9 * equity.abs(), "{line}");
        assert!(
            !view["components"].as_array().unwrap().is_empty() && !view["liquidation"].as_array().unwrap().is_empty()
        );
        assert!(view["parameters"]["from"].is_string() && view["notes"].is_array());
    }
}

#[test]
fn the_picture_has_both_lines_and_the_points_of_liquidation() {
    let sandbox = desk();
    let said = sandbox.line("trimtab margin hyperliquid.json --venue hyperliquid --plot margin.svg").ok();
    assert!(said.contains("wrote margin.svg"), "{said}");
    let picture = std::fs::read_to_string(sandbox.path("margin.svg")).unwrap();
    // BTC, ETH and all coins together, and SOL, which is isolated, by itself.
    assert_eq!(
        (picture.matches(">equity</text>").count(), picture.matches(">maintenance margin</text>").count()),
        (4, 4)
    );
    assert!(picture.matches('✕').count() >= 2 && !picture.contains("NaN"), "{picture}");
    let again = sandbox.line("trimtab margin hyperliquid.json --venue hyperliquid --plot margin.svg");
    assert_eq!(again.code, Some(2), "{again:?}");
    let odd = sandbox.line("trimtab margin hyperliquid.json --venue hyperliquid --plot margin.png");
    assert!(odd.code == Some(2) && odd.stderr.contains("`.svg`"), "{odd:?}");
}

#[test]
fn the_schema_is_printed_as_it_is_kept() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/portfolio.schema.json");
    assert!(Sandbox::new().line("trimtab margin --schema").ok() == std::fs::read_to_string(kept).unwrap());
}

#[test]
fn an_account_that_is_liquidated_is_a_finding() {
    let sandbox = desk();
    let text = std::fs::read_to_string(examples().join("binance.json")).unwrap();
    sandbox.write("poor.json", text.replace("\"60000\"", "\"100\"").replace("\"66000\"", "\"64628.1\""));
    let Said { code, stdout, .. } = sandbox.line("trimtab margin poor.json --venue binance");
    assert!(code == Some(1) && stdout.contains("LIQUIDATED"), "{stdout}");
}

#[test]
fn every_error_is_told_and_nothing_else() {
    let sandbox = desk();
    let text = std::fs::read_to_string(examples().join("deribit.json")).unwrap();
    sandbox.write("odd.json", text.replace("\"vol\": 0.395", "\"vol\": \"high\"").replace("\"entry\"", "\"entri\""));
    let said = sandbox.line("trimtab margin odd.json --venue deribit");
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""));
    assert_eq!(
        said.stderr,
        "error: `odd.json`: instruments[1].vol: `high`\nhint: write a number over 0, up to 10000\n\
         error: `odd.json`: positions[0].entri: an unknown name\nhint: did you mean `entry`?\n"
    );
    let json = sandbox.line("trimtab margin odd.json --venue deribit --json");
    assert!(json.stdout.lines().all(|line| line.contains("\"schema\":\"trimtab.error/1\"")), "{json:?}");
    assert_eq!(json.stdout.lines().count(), 2);

    // Parameters that ended: the rules of another day must be given.
    sandbox.write(
        "late.json",
        text.replace("2025-10-10T16", "2026-09-01T16").replace("2025-1", "2026-1").replace("25-", "26-"),
    );
    let late = sandbox.line("trimtab margin late.json --venue deribit-standard");
    assert!(
        late.code == Some(2) && late.stderr.contains("hold from 2022-01-11T00:00:00Z until 2026-08-05"),
        "{late:?}"
    );
    let unsaid = text.replace("      \"margin\": \"portfolio\",\n", "");
    sandbox.write("unsaid.json", unsaid);
    let said = sandbox.line("trimtab margin unsaid.json --venue deribit");
    assert!(said.stderr.contains("accounts[0].margin: missing: deribit has standard and portfolio margin"), "{said:?}");
}
