//! `trimtab objectives`: the examples, what is said of them, and tapes that prove or disprove the result.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]

mod common;

use common::{Sandbox, is_as_kept};
use serde_json::Value;
use std::path::Path;

const EXAMPLES: [&str; 3] = ["hold", "strangle", "trend"];

fn desk() -> Sandbox {
    let sandbox = Sandbox::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/objectives");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), EXAMPLES.len());
    for name in EXAMPLES {
        let file = format!("{name}.toml");
        sandbox.write(&file, std::fs::read(folder.join(&file)).unwrap());
    }
    sandbox
}

#[test]
fn the_examples_become_policies_without_a_finding() {
    let sandbox = desk();
    let printed = EXAMPLES.map(|name| (name, format!("trimtab objectives {name}.toml -o made-{name}.toml"), 0));
    is_as_kept(&sandbox, "objectives", printed);
    for name in EXAMPLES {
        let checked = sandbox.line(&format!("trimtab check made-{name}.toml")).ok();
        assert!(checked.contains("   0 errors   0 warnings"), "{checked}");
        let written = std::fs::read_to_string(sandbox.path(format!("made-{name}.toml"))).unwrap();
        assert_eq!(sandbox.line(&format!("trimtab objectives {name}.toml")).ok(), written);
        let told = json(&sandbox, &format!("trimtab objectives {name}.toml --json"), 0);
        assert_eq!(told["policy"], Value::String(written));
        assert_eq!(told["bounds"].as_array().unwrap().iter().filter(|bound| bound["binds"] == true).count(), 1);
    }
    // Nothing is replaced unasked.
    let said = sandbox.line("trimtab objectives hold.toml -o made-hold.toml");
    assert!(
        said.code == Some(2) && said.stderr.contains("exists already") && said.stderr.contains("--force"),
        "{said:?}"
    );
    sandbox.line("trimtab objectives trend.toml --out made-hold.toml --force").ok();
}

#[test]
fn objectives_that_cannot_hold_write_nothing() {
    let sandbox = desk();
    let text = include_str!("../../../examples/objectives/hold.toml");
    sandbox.write("greedy.toml", text.replace("return = \"2%\"", "return = \"20%\""));
    let said = sandbox.line("trimtab objectives greedy.toml -o made.toml");
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
    for part in ["error[P080]: the return needs more risk than is allowed", "this allows no more", "lower `return` to"]
    {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    assert!(!sandbox.path("made.toml").exists());
    let found = json(&sandbox, "trimtab objectives greedy.toml --json", 2);
    assert_eq!((&found["schema"], &found["code"]), (&Value::from("trimtab.diagnostic/1"), &Value::from("P080")));
    assert_eq!(found["also"]["line"], 7);
}

/// Bars by the hour whose returns are given.
fn tape(sandbox: &Sandbox, name: &str, symbol: &str, mut returns: impl FnMut(usize) -> f64) {
    let mut text = "time,open,high,low,close\n".to_owned();
    let mut price = 40_000.0_f64;
    for hour in 0..400 * 24 {
        let next = price * (1.0 + returns(hour));
        let at = 1_640_995_200 + hour as i64 * 3_600;
        let (high, low) = (price.max(next), price.min(next));
        text += &format!("{at},{price:.1},{high:.1},{low:.1},{next:.1}\n");
        price = (next * 10.0).round() / 10.0;
    }
    sandbox.write(&format!("{name}.csv"), text);
    sandbox.line(&format!("trimtab import bars {name}.csv --instrument {symbol} --labelled open -o {name}.tape")).ok();
}

/// Evenly drawn moves of one hour whose deviation is 0.6 %, about 56 % a year.
fn noise(seed: u64) -> impl FnMut(usize) -> f64 {
    let mut state = seed;
    move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5) * 2.0 * 0.006 * 3.0_f64.sqrt()
    }
}

fn json(sandbox: &Sandbox, line: &str, code: i32) -> Value {
    let said = sandbox.line(line);
    assert_eq!(said.code, Some(code), "{said:?}");
    serde_json::from_str(said.stdout.lines().next().unwrap()).unwrap()
}

#[test]
fn tapes_measure_and_put_the_policy_to_the_test() {
    let sandbox = desk();
    tape(&sandbox, "btc", "binance:BTCUSDT-PERP", noise(1));
    tape(&sandbox, "eth", "binance:ETHUSDT-PERP", noise(2));
    let told = json(&sandbox, "trimtab objectives trend.toml --tape btc.tape --tape eth.tape --json", 0);
    let based: Vec<&str> = told["based_on"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(based[0].contains("measured by 400 days") || based[0].contains("measured by 399 days"), "{based:?}");
    // What was drawn: two coins apart, of 56 % each.
    for percent in based[0].split(": ").last().unwrap().split(", ") {
        let found: f64 = percent.split(' ').nth(1).unwrap().parse().unwrap();
        assert!((52.0..60.0).contains(&found), "{percent}");
    }
    let correlation: f64 = based[1].rsplit(' ').next().unwrap().parse().unwrap();
    assert!(correlation.abs() < 0.15, "{based:?}");
    let proof = &told["proof"];
    let share = proof["futures"]["broke"].as_f64().unwrap();
    assert!(share <= 0.05 && proof["worst"].as_f64().unwrap() < 0.2, "{proof}");
    assert!(told["policy"].as_str().unwrap().contains("# on tapes"));

    // A coin that falls by a percent each day is held long: limits end it in the run, futures without them break the drawdown, the policy
    // is written all the same, and the verdict is no.
    let mut calm = noise(3);
    tape(&sandbox, "crash", "binance:BTCUSDT-PERP", |hour| calm(hour) / 4.0 - 0.0004);
    let text = include_str!("../../../examples/objectives/hold.toml");
    sandbox.write("modest.toml", text.replace("return = \"2%\" ", "# "));
    let said = sandbox.line("trimtab objectives modest.toml --tape crash.tape -o made.toml");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("kept: from") && said.stdout.contains("BROKEN: 100 % "), "{}", said.stdout);
    assert!(said.stdout.contains(": lower `target` by that") && sandbox.path("made.toml").exists(), "{}", said.stdout);

    let said = sandbox.line("trimtab objectives trend.toml --tape btc.tape");
    assert!(said.code == Some(2) && said.stderr.contains("no price of ETH"), "{said:?}");
}
