//! `trimtab risk`: what it prints, its figures against those of the same prices by hand, and what it refuses.
//!
//! `UPDATE=1 cargo test -p trimtab --test risk` writes what is printed into `tests/risk`; read the difference before you keep it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use common::{Sandbox, is_as_kept};
use serde_json::Value;
use std::path::{Path, PathBuf};
use units::{Duration, Timestamp};

const DAYS: usize = 362;

/// Closes of so many days: changes are sums of twelve uniform numbers less six. Ether goes along with bitcoin.
fn closes(days: usize) -> Vec<[f64; 2]> {
    let mut state = 7_u64;
    let mut normal = || {
        let mut sum = -6.0;
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 32) as f64 / 4_294_967_296.0;
        }
        sum
    };
    let mut prices = [60_000.0_f64, 3_000.0];
    let mut all = Vec::new();
    for _ in 0..days {
        let (one, other) = (normal(), normal());
        prices = [prices[0] * (1.0 + 0.02 * one), prices[1] * (1.0 + 0.03 * (0.7 * one + 0.7 * other))];
        all.push(prices.map(|price| (price * 10.0).round() / 10.0));
    }
    all
}

fn tape(sandbox: &Sandbox, name: &str, coin: &str, closes: impl Iterator<Item = f64>) {
    tape_of(sandbox, name, coin, closes.enumerate());
}

/// The same of numbered days.
fn tape_of(sandbox: &Sandbox, name: &str, coin: &str, closes: impl Iterator<Item = (usize, f64)>) {
    let first: Timestamp = "2025-01-01".parse().unwrap();
    let mut text = "date,open,high,low,close,volume\n".to_owned();
    for (day, close) in closes {
        let date = (first + Duration::from_nanos(day as i64 * Duration::DAY.nanos())).date();
        text += &format!("{date},{close:.1},{close:.1},{close:.1},{close:.1},5\n");
    }
    sandbox.write("bars.csv", text);
    let line = format!(
        "trimtab import bars bars.csv --instrument binance:{coin}USDT-PERP --labelled open --interval 1d --repair snap -o {name}.tape"
    );
    sandbox.line(&line).ok();
}

fn desk() -> Sandbox {
    let sandbox = Sandbox::new();
    let closes = closes(DAYS);
    tape(&sandbox, "btc", "BTC", closes.iter().map(|close| close[0]));
    tape(&sandbox, "eth", "ETH", closes.iter().map(|close| close[1]));
    tape(&sandbox, "still", "ETH", closes.iter().map(|_| 3_000.0));
    let still = |at: usize, from: usize, to: usize| closes[if (from..to).contains(&at) { from } else { at }][1];
    tape(&sandbox, "ended", "ETH", (0..DAYS).map(|at| still(at, DAYS - 60, DAYS)));
    tape(&sandbox, "began", "ETH", (0..DAYS).map(|at| still(at, 0, 60)));
    tape(&sandbox, "twin", "ETH", closes.iter().map(|close| close[0]));
    let known = closes.iter().map(|close| close[0]).enumerate();
    tape_of(&sandbox, "hole", "BTC", known.filter(|(day, _)| !(300..DAYS - 1).contains(day)));
    for (name, behind) in [("mended", 20), ("torn", 6)] {
        let known = closes.iter().map(|close| close[0]).enumerate();
        tape_of(&sandbox, name, "BTC", known.filter(|(day, _)| !(300..DAYS - 1 - behind).contains(day)));
    }
    tape(&sandbox, "short", "BTC", closes.iter().take(20).map(|close| close[0]));
    for (name, balances) in [("empty", ""), ("dollars", r#"{ "currency": "USDT", "amount": "20000" }"#)] {
        let head = r#"{ "schema": "trimtab.portfolio/3", "time": "2025-12-20T00:00:00Z", "positions": [],"#;
        let text = format!(r#"{head} "accounts": [{{ "name": "a", "balances": [{balances}] }}] }}"#);
        sandbox.write(&format!("{name}.json"), text);
    }
    sandbox.write(
        "book.json",
        r#"{ "schema": "trimtab.portfolio/3", "time": "2025-12-20T00:00:00Z",
  "accounts": [
    { "name": "a", "balances": [{ "currency": "BTC", "amount": "1.5" }, { "currency": "USDT", "amount": "20000" }] },
    { "name": "b", "balances": [{ "currency": "USDT", "amount": "5000" }] } ],
  "positions": [
    { "account": "a", "instrument": "binance:BTCUSDT-PERP", "quantity": "-1", "entry": "60000", "strategy": "hedge" },
    { "account": "b", "instrument": "binance:ETHUSDT-PERP", "quantity": "-10", "entry": "3000", "strategy": "trend" } ] }"#,
    );
    sandbox
}

const AT: &str = "--at 2025-12-29T00:00:00Z";

fn line(more: &str) -> String {
    format!("trimtab risk book.json --market btc.tape --market eth.tape {AT}{more}")
}

fn json(sandbox: &Sandbox, more: &str) -> Value {
    let said = sandbox.line(&format!("{}{more} --json", line("")));
    assert_eq!(said.code, Some(0), "{said:?}");
    serde_json::from_str(said.stdout.trim()).unwrap()
}

/// What a history weighs whose middle is missing: behind twenty changes it is told, behind six the volatility of now is one of before.
#[test]
fn a_hole_is_told_and_refused_where_most_lies_before_it() {
    let sandbox = desk();
    let held = r#"{ "schema": "trimtab.portfolio/3", "time": "2025-12-20T00:00:00Z", "positions": [],
        "accounts": [{ "name": "a", "balances": [{ "currency": "BTC", "amount": "1" }] }] }"#;
    sandbox.write("coin.json", held);
    let asked = |tape: &str, more: &str| {
        sandbox.line(&format!("trimtab risk coin.json --market {tape}.tape {AT} {more} --json"))
    };
    let notes = |said: &str| -> String {
        let view: Value = serde_json::from_str(said.trim()).unwrap();
        view["notes"].to_string()
    };
    // 299 changes before it. Weights one by one.
    let weights: Vec<f64> = (0..319).map(|ago| 0.94_f64.powi(ago)).collect();
    let before =
        |behind: usize| weights[behind..299 + behind].iter().sum::<f64>() / weights[..299 + behind].iter().sum::<f64>();
    let said = asked("mended", "--method filtered");
    assert_eq!(said.code, Some(0), "{said:?}");
    let share =
        format!("20 changes ago: {:.0} % of the weight of the volatility of now lie before it", before(20) * 100.0);
    assert!(notes(&said.stdout).contains(&share), "{share}: {}", notes(&said.stdout));
    let said = asked("mended", "--method historical --confidence 95%");
    assert!(notes(&said.stdout).contains("20 changes ago: 94 % of the changes lie before it"), "{}", said.stdout);
    for method in ["filtered", "montecarlo", "delta-gamma"] {
        let said = asked("torn", &format!("--method {method}"));
        let wanted = format!("6 changes ago, and {:.0} % of the weight", before(6) * 100.0);
        assert!(said.code == Some(2) && said.stderr.contains(&wanted), "{method}: {said:?}");
    }
    assert_eq!(asked("torn", "--method historical --confidence 95%").code, Some(0));
}

/// A call sold in its last day and a half bends beyond what Greeks tell; what the note says is what draws by the other method tell.
#[test]
fn greeks_of_the_last_day_are_told_apart_from_prices() {
    let sandbox = desk();
    let price = closes(DAYS)[DAYS - 1][0];
    let strike = (price / 1_000.0).round() * 1_000.0;
    let held = |expiry: &str, time: &str| {
        format!(
            r#"{{ "schema": "trimtab.portfolio/3", "time": "2025-12-29T00:00:00Z",
            "accounts": [{{ "name": "a", "balances": [{{ "currency": "BTC", "amount": "1" }}] }}],
            "prices": [{{ "currency": "BTC", "price": {price} }}],
            "expiries": [{{ "underlying": "BTC", "expiry": "{time}", "forward": {price} }}],
            "instruments": [{{ "symbol": "deribit:BTC-{expiry}-{strike}-C", "price": "0.01", "vol": 0.5 }}],
            "positions": [{{ "account": "a", "instrument": "deribit:BTC-{expiry}-{strike}-C", "quantity": "-10" }}] }}"#
        )
    };
    sandbox.write("last.json", held("30DEC25", "2025-12-30T08:00:00Z"));
    sandbox.write("far.json", held("25DEC26", "2026-12-25T08:00:00Z"));
    let asked = |book: &str, method: &str| -> Value {
        let said = sandbox.line(&format!(
            "trimtab risk {book}.json --market btc.tape {AT} --volatility history --method {method} --json"
        ));
        assert_eq!(said.code, Some(0), "{said:?}");
        serde_json::from_str(said.stdout.trim()).unwrap()
    };
    let note = |view: &Value| {
        let notes = view["notes"].as_array().unwrap();
        notes.iter().map(|note| note.as_str().unwrap().to_owned()).find(|note| note.contains("are not this book"))
    };
    let greeks = asked("last", "delta-gamma");
    let drawn = asked("last", "montecarlo --tails normal --scenarios 100000");
    let told = note(&greeks).unwrap_or_else(|| panic!("{greeks}"));
    let (_, said) = told.split_once("value at risk ").unwrap();
    let said: f64 = said
        .split(' ')
        .take_while(|word| word.starts_with(|digit: char| digit.is_ascii_digit()))
        .collect::<String>()
        .replace(',', "")
        .parse()
        .unwrap();
    near(&drawn["value_at_risk"], said, 0.1 * said);
    let off = greeks["value_at_risk"].as_f64().unwrap() / drawn["value_at_risk"].as_f64().unwrap() - 1.0;
    assert!(off.abs() > 0.1, "{off}");
    assert_eq!(note(&asked("far", "delta-gamma")), None);
}

fn near(found: &Value, expected: f64, within: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() <= within, "{found} is not {expected}");
}

/// Names of what is kept, and the command's options.
const PRINTED: [(&str, &str); 4] = [
    ("filtered", " --confidence 95% --method filtered"),
    ("historical", " --method historical --confidence 0.975"),
    ("montecarlo", " --method montecarlo --horizon 10d --explain --tails 4"),
    ("delta-gamma", " --method delta-gamma --volatility history"),
];

#[test]
fn what_is_printed() {
    is_as_kept(&desk(), "risk", PRINTED.map(|(name, more)| (name, line(more), 0)));
}

/// Half a coin and ten of ether sold, under each change of the file, by hand.
#[test]
fn a_linear_book_loses_what_its_prices_say() {
    let sandbox = desk();
    let closes = closes(DAYS);
    let last = closes[DAYS - 1];
    let view = json(&sandbox, " --method historical --confidence 95%");
    assert_eq!(view["schema"], "trimtab.risk/1");
    let count = view["scenarios"].as_u64().unwrap() as usize;
    assert_eq!((count, view["history"]["left_out"].as_u64()), (DAYS - 1, Some(0)), "{}", view["history"]);
    let mut losses: Vec<f64> = closes
        .windows(2)
        .map(|pair| 10.0 * last[1] * (pair[1][1] / pair[0][1] - 1.0) - 0.5 * last[0] * (pair[1][0] / pair[0][0] - 1.0))
        .collect();
    losses.sort_by(|one, other| other.total_cmp(one));
    let beyond = count as f64 * (1.0 - 0.95);
    near(&view["value_at_risk"], losses[beyond as usize], 1e-4);
    let whole = beyond.floor();
    let sum: f64 = losses[..whole as usize].iter().sum();
    near(&view["expected_shortfall"], (sum + (beyond - whole) * losses[whole as usize]) / beyond, 1e-4);
    near(&view["value"], 20_000.0 + 5_000.0 + 1.5 * last[0] + (60_000.0 - last[0]) + 10.0 * (3_000.0 - last[1]), 1e-6);
    near(&view["time_alone"], 0.0, 1e-6);
    for (list, parts) in [("holdings", 5), ("underlyings", 3), ("strategies", 3), ("accounts", 2)] {
        let parts_told = view[list].as_array().unwrap();
        assert_eq!(parts_told.len(), parts, "{list}");
        for figure in ["value_at_risk", "expected_shortfall"] {
            let sum: f64 = parts_told.iter().map(|part| part[figure].as_f64().unwrap()).sum();
            near(&view[figure], sum, 1e-6);
        }
    }
    let shares: f64 = view["distribution"].as_array().unwrap().iter().map(|bar| bar["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-12, "{shares}");
    // Normal changes: by Greeks about the same.
    let greeks = json(&sandbox, " --method delta-gamma --volatility history --confidence 95%");
    assert!(greeks["value_at_risk_error"].is_null() && greeks["scenarios"].is_null());
    assert!(view["value_at_risk_error"].is_null(), "nothing is drawn");
    let error = view["value_at_risk_history_error"].as_f64().unwrap();
    near(&greeks["value_at_risk"], view["value_at_risk"].as_f64().unwrap(), 4.0 * error);
}

#[test]
fn the_same_bits_whatever_the_threads() {
    let sandbox = desk();
    for method in [" --method montecarlo", " --method filtered --volatility garch --horizon 5d"] {
        let one = json(&sandbox, &format!("{method} --threads 1"));
        assert_eq!(one, json(&sandbox, &format!("{method} --threads 7")));
        assert_ne!(one["value_at_risk"], json(&sandbox, &format!("{method} --seed 2"))["value_at_risk"]);
        assert_eq!(one["scenarios"], 10_000);
    }
}

/// Of 361 changes none has to be among the worst of ten thousand, and 3.6 are of a hundred.
#[test]
fn a_tail_beyond_the_history_is_said_to_be_the_laws() {
    let sandbox = desk();
    for (confidence, is_told) in [("99.99%", true), ("99%", false)] {
        let said = json(&sandbox, &format!(" --method delta-gamma --confidence {confidence}"));
        let told =
            said["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains("the law's alone"));
        assert_eq!(told, is_told, "{confidence}: {}", said["notes"]);
    }
}

#[test]
fn the_picture_has_the_distribution_and_the_shares() {
    let sandbox = desk();
    sandbox.line(&line(" --plot risk.svg")).ok();
    let picture = std::fs::read_to_string(sandbox.path("risk.svg")).unwrap();
    for part in ["VaR 99 %", "ES 99 %", "P&amp;L over 1 d, USD", "ETHUSDT-PERP", "Shares of expected shortfall"] {
        assert!(picture.contains(part), "{part}");
    }
    assert!(!picture.contains("NaN"), "{picture}");
    let again = sandbox.line(&line(" --plot risk.svg"));
    assert_eq!(again.code, Some(2), "{again:?}");
}

/// Long at one venue, short at another: a label that both have would tell a reader nothing of whose loss it is.
#[test]
fn contracts_of_one_symbol_are_told_apart_by_their_venues() {
    let sandbox = desk();
    sandbox.write(
        "basis.json",
        r#"{ "schema": "trimtab.portfolio/3", "time": "2025-12-20T00:00:00Z",
  "accounts": [
    { "name": "a", "balances": [{ "currency": "USDT", "amount": "20000" }] },
    { "name": "b", "balances": [{ "currency": "USDT", "amount": "20000" }] } ],
  "positions": [
    { "account": "a", "instrument": "binance:BTCUSDT-PERP", "quantity": "2", "entry": "60000" },
    { "account": "b", "instrument": "bybit:BTCUSDT-PERP", "quantity": "-1", "entry": "60000" },
    { "account": "a", "instrument": "binance:ETHUSDT-PERP", "quantity": "5", "entry": "3000" } ] }"#,
    );
    let said = sandbox.line(&line(" --plot basis.svg").replace("book", "basis")).ok();
    let picture = std::fs::read_to_string(sandbox.path("basis.svg")).unwrap();
    for label in ["BTCUSDT-PERP at binance", "BTCUSDT-PERP at bybit", "ETHUSDT-PERP"] {
        assert!(said.contains(label) && picture.contains(label), "{label}: {said}");
    }
    assert!(!said.contains("ETHUSDT-PERP at"), "{said}");
}

#[test]
fn what_cannot_be_told_is_refused_with_what_to_do() {
    let sandbox = desk();
    let market = |tapes: &str, more: &str| format!("trimtab risk book.json {tapes} {AT} {more}");
    let both = "--market btc.tape --market eth.tape";
    for (line, wanted) in [
        (market(both, "--confidence 100%"), "between 50% and 99.9999%"),
        (market(both, "--confidence 0.9999999999999999"), "between 50% and 99.9999%"),
        (market(both, "--confidence 99"), "`99%` or `0.99`"),
        (market(both, "--confidence high"), "write a confidence"),
        (market(both, "--confidence -0.1"), "between 50% and 99.9999%"),
        (market(both, "--confidence -5%"), "between 50% and 99.9999%"),
        (market(both, "--decay 1"), "a decay lies between 0.5 and 1"),
        (market(both, "--decay 0.01"), "take 0.5 or more"),
        (market(both, "--decay 0.9 --volatility garch"), "`--decay` says nothing to `--volatility garch`"),
        (market(both, "--decay 0.9 --method historical"), "`--decay` says nothing to `--method historical`"),
        (market(both, "--volatility garch --window 40d"), "are too little history for a GARCH model"),
        ("trimtab ruin --win 55% --level 50%".to_owned(), "`--level` says nothing of a bet without a stake"),
        ("trimtab ruin --win 55% --bets 200 --odds 1e300".to_owned(), "'--odds <X>'"),
        (market(both, "--confidence 1%"), "a confidence lies between 50% and 99.9999%"),
        (market(both, "--horizon 1h"), "take `--step 24h`"),
        (market(both, "--horizon -6h"), "'--horizon <SPAN>'"),
        (market(both, "--window -5d"), "'--window <SPAN>'"),
        (market(both, "").replace("book", "empty"), "add what is held"),
        (market(both, "").replace("book", "dollars"), "add positions, or balances of coins"),
        (market(both, "--method historical --confidence 99.9%"), "take a longer history or a lower confidence"),
        (market(both, "--horizon 400d"), "take a longer history or a shorter horizon"),
        (market(both, "--horizon 36h"), "choose a horizon that is"),
        (market(both, "--window 10d"), "too little history"),
        (market("--market hole.tape --market eth.tape", ""), "the tapes have a hole"),
        (market("--market btc.tape --market still.tape", ""), "ETH never changes"),
        (
            market("--market btc.tape --market ended.tape", "--method filtered"),
            "ETH stands still for 59 changes in a row",
        ),
        (market("--market btc.tape --market ended.tape", "--volatility garch"), "take a longer step"),
        (
            market("--market btc.tape --market began.tape", "--method filtered --volatility garch"),
            "from number 1 of 361 on",
        ),
        (market("--market btc.tape --market twin.tape", "--method delta-gamma"), "the covariance is singular at ETH"),
        (market("--market btc.tape --market twin.tape", "--method montecarlo"), "leave it out"),
        (market("--market btc.tape", ""), "ETH"),
        (market(both, "--method historical --volatility garch"), "--method filtered"),
        (market(both, "--method filtered --tails normal"), "--method montecarlo"),
        (market(both, "--method montecarlo --tails 2"), "from 2.1 degrees"),
        (market(both, "--plot risk.png"), ".svg"),
        ("trimtab risk book.json --at 2025-12-29".to_owned(), "--market"),
        ("trimtab risk nowhere.json --market btc.tape --at 2025-12-29".to_owned(), "nowhere.json"),
    ] {
        let said = sandbox.line(&line);
        assert!(said.code == Some(2) && said.stderr.contains(wanted), "{line}: {said:?}");
        assert!(said.stdout.is_empty(), "{line}: {said:?}");
    }
}

/// A book of options on recorded chains: filtered history of prices and implied volatilities together.
#[test]
fn options_on_recorded_chains() {
    let Some(shared) = shared("options_on_recorded_chains") else { return };
    let sandbox = Sandbox::new();
    let source = shared.join("data/deribit_options_6h/BTC_2026-03.parquet");
    sandbox.line(&format!("trimtab import options {} -o chain.tape", source.display())).ok();
    sandbox.write(
        "book.json",
        r#"{ "schema": "trimtab.portfolio/3", "time": "2026-03-28T00:00:00Z",
  "accounts": [{ "name": "a", "venue": "deribit", "balances": [{ "currency": "BTC", "amount": "2" }] }],
  "positions": [
    { "account": "a", "instrument": "deribit:BTC-24APR26-80000-C", "quantity": "-5" },
    { "account": "a", "instrument": "deribit:BTC-24APR26-60000-P", "quantity": "-5" } ] }"#,
    );
    let line =
        "trimtab risk book.json --market chain.tape --at 2026-03-29T01:30:00Z --max-age 12h --step 6h --confidence 95%";
    let run = |more: &str| -> Value {
        let said = sandbox.line(&format!("{line} {more} --json"));
        assert_eq!(said.code, Some(0), "{said:?}");
        serde_json::from_str(said.stdout.trim()).unwrap()
    };
    let methods = ["filtered", "historical", "montecarlo", "delta-gamma"];
    let views = methods.map(|method| run(&format!("--method {method} --horizon 6h")));
    for (method, view) in methods.iter().zip(&views) {
        let factors = view["history"]["factors"].as_array().unwrap();
        assert_eq!(factors.len(), 4, "{view}");
        assert_eq!(factors[2]["name"], "short volatility of BTC");
        assert_eq!(
            (&factors[3]["name"], &factors[3]["unit"]),
            (&"skew of BTC".into(), &"volatility per ln strike".into())
        );
        assert!(factors[1]["source"].as_str().unwrap().contains("of the surface of BTC options at deribit"), "{view}");
        assert!(view["history"]["changes"].as_u64().unwrap() > 80, "{view}");
        // Sold options earn with time.
        assert!(view["time_alone"].as_f64().unwrap() > 0.0, "{view}");
        let (var, es) = (view["value_at_risk"].as_f64().unwrap(), view["expected_shortfall"].as_f64().unwrap());
        assert!(var > 0.0 && es > var, "{method}: {var} {es}");
        // Four ways of one market: none is another order of magnitude.
        let other = views[0]["value_at_risk"].as_f64().unwrap();
        assert!(var / other > 0.4 && var / other < 2.5, "{method}: {var} beside {other}");
    }
    // Two days ahead are not six hours times the root of eight.
    let far = run("--method montecarlo --horizon 2d");
    let near = views[2]["value_at_risk"].as_f64().unwrap();
    let ratio = far["value_at_risk"].as_f64().unwrap() / near;
    assert!(ratio > 1.5 && (ratio - 8.0_f64.sqrt()).abs() > 0.1, "{ratio}");
}

/// The folder of shared data; `None`, said aloud, where it is absent. In CI that is a failure.
fn shared(test: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("TRIMTAB_SHARED").map_or_else(beside, PathBuf::from);
    if folder.join("data").is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test}: shared data absent");
    eprintln!("skipped: {test}: shared data absent");
    None
}
