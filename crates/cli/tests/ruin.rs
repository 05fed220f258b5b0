//! `trimtab ruin`: what it prints of a run, its figures against closed forms, and what it refuses.
//!
//! `UPDATE=1 cargo test -p trimtab --test ruin` writes what is printed into `tests/ruin`; read the difference before you keep it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]

mod common;

use common::{POLICY, Sandbox};
use serde_json::Value;
use std::path::Path;

/// Normal returns of so many hours, a price a line: the sum of twelve uniform numbers less six.
fn market(hours: usize) -> String {
    let (mut state, mut price) = (7_u64, 60_000.0_f64);
    let mut text = "date,open,high,low,close,volume\n".to_owned();
    for hour in 0..hours {
        let mut sum = -6.0;
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 32) as f64 / 4_294_967_296.0;
        }
        let open = price;
        price = (price * (1.0 + 0.006 * sum)).max(1_000.0);
        let (low, high) = (open.min(price), open.max(price));
        let (days, of_day) = (hour / 24, hour % 24);
        let (month, day) = (days / 28, days % 28);
        let (year, month) = (2024 + month / 12, month % 12 + 1);
        text += &format!("{year}-{month:02}-{:02} {of_day:02}:00,{open:.1},{high:.1},{low:.1},{price:.1},5\n", day + 1);
    }
    text
}

/// Runs of a policy that is always long: as it stands at half its equity (its twin at all of it), of two days, and of no trade.
fn desk() -> Sandbox {
    let sandbox = Sandbox::new();
    let half = POLICY.replace("fraction = 1.0", "fraction = 0.5");
    let bars = |name: &str, hours: usize| {
        sandbox.write("bars.csv", market(hours));
        let line = format!(
            "trimtab import bars bars.csv --instrument binance:BTCUSDT-PERP --labelled open --interval 1h --repair snap -o {name}.tape"
        );
        sandbox.line(&line).ok();
    };
    bars("long", 24 * 28 * 10);
    bars("short", 48);
    sandbox.write("half.toml", &half);
    sandbox.write("none.toml", POLICY.replace("fraction = 1.0", "fraction = 0.000001"));
    for (policy, tape, run) in [("half", "long", "run"), ("half", "short", "short"), ("none", "long", "still")] {
        sandbox.line(&format!("trimtab backtest {policy}.toml --tape {tape}.tape --out {run}")).ok();
    }
    sandbox
}

#[test]
fn a_run_is_told_as_it_is() {
    let sandbox = desk();
    let line = "trimtab ruin run --level 10%,25% --paths 2000 --floor 80% --multiple 3 --horizon 180d";
    let said = sandbox.line(line).ok();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ruin/floor.txt");
    let text = format!("$ {line}\n{said}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text);
    // What is to be run next stands on one line, to be copied.
    let long = |line: &&str| line.chars().count() > 80 && !line.starts_with("  next: ");
    let long: Vec<&str> = said.lines().filter(long).collect();
    assert!(long.is_empty(), "{long:#?}");

    // The same bits whatever the threads; other ones by another seed.
    let json = |more: &str| sandbox.line(&format!("{line} --json{more}")).ok();
    let one = json(" --threads 1");
    assert_eq!(one, json(" --threads 5"));
    let (one, other): (Value, Value) =
        (serde_json::from_str(&one).unwrap(), serde_json::from_str(&json(" --seed 2")).unwrap());
    assert_eq!(one["schema"], "trimtab.ruin/1");
    assert_ne!(one["losses"][0]["drawn"], other["losses"][0]["drawn"]);

    // A drawdown is no less likely than the loss, a deeper one no likelier, one of a lower mean no less so.
    let number = |of: &Value| of.as_f64().unwrap();
    for (loss, down) in one["losses"].as_array().unwrap().iter().zip(one["drawdowns"].as_array().unwrap()) {
        assert!(number(&down["drawn"]) >= number(&loss["drawn"]) && number(&down["lowered"]) >= number(&down["drawn"]));
        assert!(number(&loss["ever"]) >= number(&loss["brownian"]), "{loss}");
        // Twice the exposure falls deeper.
        assert!(number(&down["twin"]) > number(&down["drawn"]), "{down}");
    }
    // Half the exposure has twice the multiple to go, and is as sure of its mean.
    let (own, twin) = (&one["kelly"], &one["twin_kelly"]);
    assert!((number(&own["volatility"]) / number(&twin["volatility"]) - 0.5).abs() < 0.03, "{own} {twin}");
    assert!((number(&own["shrinkage"]) - number(&twin["shrinkage"])).abs() < 0.05, "{own} {twin}");
    // At the floor's distance: 3 x 20 % of capital; no path of hourly steps jumps over it.
    let rows = one["floor"]["rows"].as_array().unwrap();
    assert!((number(&rows[1]["exposure"]) - 0.6).abs() < 1e-12 && number(&rows[1]["locked"]) == 0.0, "{rows:?}");
    assert!(number(&rows[1]["low"]) >= 0.8, "{rows:?}");
}

/// Normal, independent returns in blocks of one are Brownian motion, seen each hour: the closed form is met.
#[test]
fn what_is_drawn_of_a_random_walk_is_the_closed_form() {
    let sandbox = desk();
    let line = "trimtab ruin run --step 1h --block 1 --horizon 60d --paths 8000 --level 10%,20% --json";
    let view: Value = serde_json::from_str(&sandbox.line(line).ok()).unwrap();
    for of in ["losses", "drawdowns"] {
        for chance in view[of].as_array().unwrap() {
            let number = |name: &str| chance[name].as_f64().unwrap();
            // What happens within an hour is not seen: a little less falls so deep.
            let less = number("brownian") - number("drawn");
            assert!(less > -4.0 * number("error") && less < 4.0 * number("error") + 0.04, "{of}: {chance}");
        }
    }
}

#[test]
fn a_picture_is_drawn() {
    let sandbox = desk();
    sandbox.line("trimtab ruin run --paths 500 --plot ruin.svg").ok();
    let picture = std::fs::read_to_string(sandbox.path("ruin.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>") && picture.len() < 40_000);
    for part in ["Growth of 1", "Worst drawdown", "20 %: ", "50 %: ", "Brownian", "twin"] {
        assert!(picture.contains(part), "{part}");
    }
    let again = sandbox.line("trimtab ruin run --paths 500 --plot ruin.svg");
    assert_eq!(again.code, Some(2), "{again:?}");
}

#[test]
fn what_says_nothing_is_refused() {
    let sandbox = desk();
    let before = sandbox.listing();
    for (line, parts) in [
        ("short", ["the run has 2 returns of 1 d", "longer time"]),
        ("still", ["equity never moved", "a run that traded"]),
        ("run --horizon 9999d", ["far beyond the run", "10 times the run"]),
        ("run --horizon 1h", ["shorter than a return", "take one from 1 d"]),
        ("run --horizon 36h", ["no whole number of returns of 1 d", "take 1 d or 2 d"]),
        ("run --level 20%,0.2", ["the level of 20 % is asked for twice", "name each level once"]),
        ("run --level -5%", ["between 0% and 100%", "--help"]),
        ("run --step 5m", ["a row each 1 h", "take returns of 1 h"]),
        ("run --block 999", ["take twice as many returns", "at most, or leave `--block` out"]),
        ("run --step 90m", ["no returns of 1 h 30 min", "as many times that"]),
        ("run --target 10%", ["--target", "leave one of the two out"]),
        ("run --level 0%", ["between 0% and 100%", "--help"]),
        ("run --level 20%,100%", ["between 0% and 100%", "--help"]),
        ("run --floor 1.2", ["between 0% and 100%", "--help"]),
        ("run --multiple 2", ["--floor", "--help"]),
        ("run --plot ruin.png", ["no name of a picture", ".svg"]),
        ("half.toml", ["is a file, not a run folder", "trimtab backtest"]),
        ("nowhere", ["does not exist", "trimtab backtest"]),
    ] {
        let said = sandbox.line(&format!("trimtab ruin {line}"));
        assert_eq!(said.code, Some(2), "{line}: {said:?}");
        assert!(
            parts.iter().all(|part| said.stderr.contains(part)) && said.stdout.is_empty(),
            "{line}: {}",
            said.stderr
        );
    }
    assert_eq!(before, sandbox.listing(), "nothing was written");
}

#[test]
#[cfg(unix)]
fn an_interrupt_leaves_no_picture() {
    let sandbox = desk();
    let line = ["ruin", "run", "--paths", "1000000", "--horizon", "2800d", "--plot", "ruin.svg"];
    let child = sandbox.command(&line).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // Opening the run takes less, drawing a great deal more.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("interrupted"), "{output:?}");
    assert!(!sandbox.path("ruin.svg").exists());
}

/// A bet: Kelly's own numbers, Feller's ruin, and what is no bet.
#[test]
fn a_bet_is_told_by_closed_forms() {
    let sandbox = Sandbox::new();
    let told = |line: &str| -> Value { serde_json::from_str(&sandbox.line(line).ok()).unwrap() };
    let near = |value: &Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!((value - expected).abs() < 1e-12, "{value}, not {expected}");
    };
    let view = told("trimtab ruin --win 55% --bets 200 --stake 2% --level 20%,50% --json");
    assert_eq!(view["schema"], "trimtab.bet/1");
    near(&view["kelly"], 0.1);
    near(&view["shrinkage"], 0.01 / (0.01 + 0.99 / 200.0));
    // Ten and twenty-five stakes.
    for (at, stakes) in [10, 25].into_iter().enumerate() {
        let (row, ratio) = (&view["ruin"][at], (0.45_f64 / 0.55).powi(stakes));
        assert_eq!(row["stakes"], stakes);
        near(&row["ever"], ratio);
        near(&row["before_gain"], ratio / (1.0 + ratio));
    }
    near(&told("trimtab ruin --win 40% --odds 2 --json")["kelly"], 0.1);
    let text = sandbox.line("trimtab ruin --win 45% --stake 1%").ok();
    assert!(text.contains("nothing is gained on average") && text.contains("100.00"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for (line, what) in [
        ("trimtab ruin", "RUN"),
        ("trimtab ruin --win 0%", "between 0% and 100%"),
        ("trimtab ruin --win 55% --odds 0", "over 0"),
        ("trimtab ruin --win 55% --odds 2 --stake 2%", "cannot be used with"),
        ("trimtab ruin --win 55% --horizon 90d", "cannot be used with"),
        ("trimtab ruin run --win 55%", "cannot be used with"),
        ("trimtab ruin run --stake 2%", "cannot be used with"),
        ("trimtab ruin --stake 2%", "--win"),
        ("trimtab ruin --win 55% --stake 0.00000001%", "a millionth of the loss"),
    ] {
        let said = sandbox.line(line);
        assert!(said.code == Some(2) && said.stderr.contains(what), "{line}: {said:?}");
    }
}
