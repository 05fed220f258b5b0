//! `trimtab stress`: what it prints, for people and for programs, and its exit codes.
//!
//! `UPDATE=1 cargo test -p trimtab --test stress` writes what is printed into `tests/stress`; read the difference before you keep it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use common::{Sandbox, examples, is_as_kept};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// With a stress of one's own.
fn desk() -> Sandbox {
    let sandbox = common::desk();
    sandbox.write(
        "fear.csv",
        "basis,field,subject,value\ntext,name,,fear\ntext,title,,Everything halves\nassumed,spot,others,-0.5\n",
    );
    sandbox
}

/// Names of what is kept, the command lines, and the exit codes.
const PRINTED: [(&str, &str, i32); 4] = [
    ("deribit", "trimtab stress deribit.json --spot -30%..30%:7 --vol -50%,0,50%", 1),
    ("deribit-explained", "trimtab stress deribit.json --explain --sticky strike", 1),
    // The account lives through all of them, its isolated position does not.
    ("hyperliquid", "trimtab stress hyperliquid.json --stress fear.csv", 1),
    ("derive", "trimtab stress derive.json", 0),
];

#[test]
fn what_is_printed() {
    is_as_kept(&desk(), "stress", PRINTED.map(|(name, line, code)| (name, line.to_owned(), code)));
}

#[test]
fn a_line_for_programs() {
    let sandbox = desk();
    for (_, line, code) in PRINTED {
        let said = sandbox.line(&format!("{line} --json"));
        assert_eq!(said.code, Some(code));
        let view: Value = serde_json::from_str(said.stdout.trim()).unwrap();
        assert_eq!(view["schema"], "trimtab.stress/1");
        let stresses = view["stresses"].as_array().unwrap();
        assert!(stresses.len() >= 10);
        for row in stresses.iter().filter(|row| row["profit"].is_number()) {
            let sum: f64 =
                row["holdings"].as_array().unwrap().iter().map(|holding| holding["profit"].as_f64().unwrap()).sum();
            let profit = row["profit"].as_f64().unwrap();
            assert!((sum - profit).abs() <= 1e-9 * (1.0 + profit.abs()) * 1e3, "{row}");
            assert!(!row["numbers"].as_array().unwrap().is_empty());
        }
    }
}

#[test]
fn the_picture_has_every_cell() {
    let sandbox = desk();
    sandbox.line("trimtab stress deribit.json --spot -10%..10%:3 --vol 0,10% --plot heat.svg");
    let picture = std::fs::read_to_string(sandbox.path("heat.svg")).unwrap();
    assert_eq!(picture.matches("fill-opacity").count(), 6, "{picture}");
    assert!(picture.contains("P&amp;L, USD") && !picture.contains("NaN"), "{picture}");
    assert_eq!(picture.matches(">now</text>").count(), 1);
}

/// No margin of any account is one more thing that is wrong, and profits are told all the same. Without a venue none is asked for.
#[test]
fn where_no_margin_could_be_computed_the_exit_code_says_so() {
    let sandbox = desk();
    let held = |venue: &str| {
        format!(
            r#"{{ "schema": "trimtab.portfolio/3", "time": "2027-01-01T00:00:00Z",
            "accounts": [{{ "name": "main", {venue} "balances": [{{ "currency": "USDC", "amount": "1000" }}] }}],
            "prices": [{{ "currency": "BTC", "price": 60000, "vol": 0.5 }}],
            "instruments": [{{ "symbol": "deribit:BTC_USDC-PERPETUAL", "price": "60000" }}],
            "positions": [{{ "account": "main", "instrument": "deribit:BTC_USDC-PERPETUAL", "quantity": "0.01", "entry": "60000" }}] }}"#
        )
    };
    sandbox.write("late.json", held(r#""venue": "deribit", "margin": "portfolio","#));
    sandbox.write("free.json", held(""));
    let said = sandbox.line("trimtab stress late.json");
    assert!(said.code == Some(2) && said.stderr.contains("no margin of any account"), "{said:?}");
    assert!(said.stdout.contains("2025-10-10") && !said.stdout.contains("main, BTC"), "{}", said.stdout);
    assert_eq!(sandbox.line("trimtab margin late.json --venue deribit").code, Some(2));
    assert_eq!(sandbox.line("trimtab stress free.json").code, Some(0));
}

#[test]
fn bad_moves_and_files_are_refused() {
    let sandbox = desk();
    sandbox.write("none.csv", "basis,field,subject,value\ntext,name,,x\ntext,title,,x\nrecorded,spot,others,-0.5\n");
    let text = std::fs::read_to_string(examples().join("deribit.json")).unwrap();
    let text = text.replacen("\"quantity\": \"150000\"", "\"quantity\": \"much\"", 1);
    let (before, after) = text.split_once("\"positions\"").unwrap();
    let after = after.replacen("deribit:BTC-31OCT25-125000-C", "deribit:FOO", 1);
    sandbox.write("odd.json", format!("{before}\"positions\"{after}"));
    for (line, wanted) in [
        ("trimtab stress deribit.json --spot -120%..0:3", "cannot be lost"),
        ("trimtab stress deribit.json --spot 1..2", "say how many moves"),
        ("trimtab stress deribit.json --stress none.csv", "no source"),
        ("trimtab stress deribit.json --market x.tape", "--at"),
        ("trimtab stress deribit.json --market x.tape --at 2026-01-01", "x.tape"),
        ("trimtab stress deribit.json --stress fear.csv --stress fear.csv", "a stress called `fear` is there already"),
        ("trimtab stress nowhere.json", "nowhere.json"),
        ("trimtab stress odd.json", "positions[0].quantity: `much`"),
        ("trimtab stress odd.json", "positions[1].instrument: the symbol `deribit:FOO`"),
    ] {
        let said = sandbox.line(line);
        assert!(said.code == Some(2) && said.stderr.contains(wanted), "{line}: {said:?}");
    }
}

/// What a policy reads of a stress is what the command says of the same book, whichever way the structure declares that smiles go.
#[test]
fn a_policy_and_the_command_move_smiles_alike() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("TRIMTAB_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    if !shared.join("data/deribit_options_6h").is_dir() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "shared data absent at {}", shared.display());
        eprintln!("skipped: a_policy_and_the_command_move_smiles_alike: shared data absent");
        return;
    }
    let (data, sandbox) = (shared.canonicalize().unwrap().join("data"), Sandbox::new());
    let data = data.display();
    sandbox.line(&format!("trimtab import options {data}/deribit_options_6h/BTC_2026-01.parquet -o o.tape")).ok();
    let bars = format!(
        "trimtab import bars {data}/bars_2026/BTCUSDT_binance_1h.parquet --instrument deribit:BTC-PERPETUAL --kind inverse \
         --labelled open --tick 0.01 --time-column ts -o p.tape"
    );
    sandbox.line(&bars).ok();
    let example = std::fs::read_to_string(root.join("examples/short-strangle.toml")).unwrap();
    let at = "2026-01-28T04:00:47.97995Z";
    // The strangles that were sold by then; equity only scales.
    let book = r#"{"schema": "trimtab.portfolio/3", "time": "2026-01-28T04:00:48Z",
        "accounts": [{"name": "m", "venue": "deribit", "balances": [{"currency": "BTC", "amount": "10.082"}]}],
        "positions": [{"account": "m", "instrument": "deribit:BTC-27FEB26-80000-P", "quantity": "-5"},
                      {"account": "m", "instrument": "deribit:BTC-27FEB26-100000-C", "quantity": "-5"}]}"#;
    sandbox.write("book.json", book);
    let mut told = Vec::new();
    for sticky in ["strike", "moneyness"] {
        let text = example.replace("[signal]", &format!("sticky = \"{sticky}\"\n\n[signal]"));
        // A wide limit: an entry that does not fit one is made smaller.
        let limit =
            "[[limits]]\nname = \"s\"\nof = \"stress(2025-10-10)\"\nover = \"90%\"\nrestore = \"80%\"\n\n[caps]";
        sandbox.write("policy.toml", text.replace("[caps]", limit));
        sandbox.line(&format!("trimtab backtest policy.toml --tape o.tape --tape p.tape --out {sticky}")).ok();
        let plan = sandbox.line(&format!("trimtab explain {sticky} --at {at}")).stdout;
        let share = plan.split("the stress costs ").nth(1).unwrap();
        let share = share.split(' ').next().unwrap().parse::<f64>().unwrap() / 100.0;
        let line =
            format!("trimtab stress book.json --market o.tape --market p.tape --at {at} --sticky {sticky} --json");
        let whole: Value = serde_json::from_str(sandbox.line(&line).stdout.lines().next().unwrap()).unwrap();
        let stress = whole["stresses"].as_array().unwrap().iter().find(|one| one["name"] == "2025-10-10").unwrap();
        let spot = stress["numbers"].as_array().unwrap().iter();
        let spot = spot.clone().find(|number| number["field"] == "spot" && number["subject"] == "BTC").unwrap();
        // In coin: what is left in dollars at the price of then.
        let (value, profit) = (whole["value"].as_f64().unwrap(), stress["profit"].as_f64().unwrap());
        let by_command = 1.0 - (value + profit) / value / (1.0 + spot["value"].as_f64().unwrap());
        // The plan rounds to a tenth of a percent, and was made before the last quotes of that instant.
        assert!((share - by_command).abs() < 1e-3, "{sticky}: {share} in the plan, {by_command} by the command");
        told.push(by_command);
    }
    assert!(told[0] - told[1] > 0.002, "they differ: {told:?}");
}
