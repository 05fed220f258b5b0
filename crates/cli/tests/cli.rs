//! What every command has in common: help with examples, JSON with schemas, exit codes, colours, pipes, Ctrl-C.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]

mod common;

use common::{POLICY, Sandbox};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

/// Every command, as pages are named.
fn commands(sandbox: &Sandbox) -> Vec<Vec<String>> {
    sandbox.line("trimtab man --out man").ok();
    let names = std::fs::read_dir(sandbox.path("man")).unwrap().map(|page| page.unwrap().file_name());
    let words = |name: String| name.trim_end_matches(".1").split('-').skip(1).map(str::to_owned).collect();
    names.map(|name| words(name.into_string().unwrap())).collect()
}

#[test]
fn every_help_ends_with_examples() {
    let sandbox = Sandbox::new();
    let commands = commands(&sandbox);
    assert!(commands.len() >= 16, "{commands:?}");
    for command in commands {
        let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
        words.push("--help");
        let help = sandbox.run(&words).ok();
        let (_, examples) = help.split_once("\nEXAMPLES\n  trimtab ").unwrap_or_else(|| panic!("{words:?}: {help}"));
        assert!(!examples.is_empty() && !help.contains('\x1b'), "{words:?}");
        for flag in ["--json", "--verbose", "--quiet", "--color"] {
            assert!(help.contains(flag), "{words:?} has no {flag}");
        }
        for variable in ["TRIMTAB_JSON", "TRIMTAB_VERBOSITY", "TRIMTAB_COLOR", "TRIMTAB_LOG", "TRIMTAB_CONFIG"] {
            let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(&format!("[env: {variable}]")), "{words:?} has no {variable}");
        }
    }
}

#[test]
fn examples_in_help_are_command_lines_that_exist() {
    let sandbox = Sandbox::new();
    for command in commands(&sandbox) {
        let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
        words.push("--help");
        let help = sandbox.run(&words).ok();
        let examples = help.split_once("EXAMPLES").unwrap().1;
        assert!(examples.lines().all(|line| line.chars().count() < 80), "{words:?}: {examples}");
        let help = examples.replace(" \\\n     ", "");
        for example in help.lines().filter_map(|line| line.strip_prefix("  trimtab ")) {
            // A comment stands behind three spaces; a pipe or a file takes the output.
            let example = example.split("   ").next().unwrap().split(['|', '<', '>']).next().unwrap().trim();
            let said = sandbox.line(&format!("trimtab {example}"));
            let usage = said.stderr.contains("Usage:") || said.stderr.contains(" --help` ");
            assert!(!usage, "{words:?}: {example}\n{}", said.stderr);
        }
    }
}

/// A sandbox in which every command works: a policy, tapes, a run.
fn desk() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("policy.toml", POLICY);
    sandbox.write("wanted.toml", include_str!("../../../examples/objectives/hold.toml"));
    sandbox.write("bars.csv", common::bars_csv(72));
    sandbox.write("funding.csv", "time,rate\n2025-01-01 08:00,0.01\n2025-01-01 16:00,0.01\n2025-01-02 00:00,-0.02\n");
    sandbox.write("index.csv", "date,dvol\n2025-01-01,45\n2025-01-02,46\n2025-01-03,47\n");
    sandbox.write("state.json", STATE);
    sandbox.line(&format!("trimtab {}", WORK[0].0)).ok();
    sandbox
}

const STATE: &str = r#"{
    "schema": "trimtab.portfolio/1", "time": "2025-01-02T00:00:00Z",
    "accounts": [{ "name": "main", "equity": "1000000" }],
    "instruments": [{ "symbol": "binance:BTCUSDT-PERP", "price": "60000", "tick": "0.1", "lot": "0.001" }]
}"#;

/// Commands in an order in which all succeed, each with the schemas of its results.
const WORK: [(&str, &[&str]); 29] = [
    ("import bars bars.csv --instrument binance:BTCUSDT-PERP --labelled open -o bars.tape --force", &["import"]),
    ("import funding funding.csv --instrument binance:BTCUSDT-PERP --rate-unit percent -o funding.tape", &["import"]),
    ("import series index.csv --column dvol --name dvol.btc --unit percent --lag 1d -o dvol.tape", &["import"]),
    ("tape info bars.tape funding.tape dvol.tape", &["tape", "tape", "tape"]),
    ("tape head bars.tape -n 2", &["row", "row"]),
    ("tape cat dvol.tape", &["row", "row", "row"]),
    ("tape merge bars.tape funding.tape dvol.tape -o all.tape", &["merge"]),
    ("tape check all.tape", &["tape-check"]),
    ("init desk", &["init"]),
    ("check policy.toml", &["check"]),
    ("check --explain P014", &["code"]),
    ("facts campaign.age", &["fact"]),
    ("objectives wanted.toml", &["objectives"]),
    ("backtest policy.toml --tape bars.tape --tape funding.tape --out run", &["run"]),
    ("backtest policy.toml --tape bars.tape --out ablated --ablation", &["run", "variant", "variant"]),
    ("explain run --at 2025-01-02T12:00:00Z", &["explanation"]),
    ("explain run --at 2025-01-02T12:00:00Z --against 2025-01-01T12:00:00Z", &["plan_comparison"]),
    ("next run --at 2025-01-02T12:00:00Z", &["next"]),
    ("replay run --verify", &["verification"]),
    ("audit run", &["audit"]),
    ("report run -o run.html", &["report"]),
    ("plan policy.toml --state state.json", &["plan"]),
    ("sweep policy.toml --set size.fraction=0.5,1 --tape bars.tape --out sweep", &["sweep_run", "sweep_run", "sweep"]),
    ("demo --seed 3", &["check", "run", "demo"]),
    ("compare run trimtab-demo -o compared.html --plot growth.svg", &["comparison"]),
    ("config", &["setting"; 10]),
    ("completions bash", &["completions"]),
    ("man", &["man"]),
    ("man --out pages", &["man"]),
];

#[test]
fn every_result_is_json_with_its_schema() {
    let sandbox = desk();
    for (command, kinds) in WORK {
        let said = sandbox.line(&format!("trimtab {command} --json"));
        let lines: Vec<Value> = said.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut schemas: Vec<&str> = lines.iter().map(|line| line["schema"].as_str().unwrap()).collect();
        schemas.dedup_by(|a, b| a == b && *a == "trimtab.man/1");
        let wanted: Vec<String> = kinds.iter().map(|kind| format!("trimtab.{kind}/1")).collect();
        assert_eq!(schemas, wanted, "{command}");
    }
}

/// Two plans compared are the two explanations, and what is told to differ is what differs between them.
#[test]
fn two_plans_are_compared() {
    let sandbox = desk();
    for (command, _) in &WORK[1..14] {
        sandbox.line(&format!("trimtab {command}")).ok();
    }
    let told = |more: &str| -> Value {
        let said = sandbox.line(&format!("trimtab explain run {more} --json"));
        serde_json::from_str(&said.ok()).unwrap()
    };
    let (one, other) = ("2025-01-02T12:00:00Z", "2025-01-01T12:00:00Z");
    let compared = told(&format!("--at {one} --against {other}"));
    for (side, at) in [("at", one), ("against", other)] {
        let mut alone = told(&format!("--at {at}"));
        alone.as_object_mut().unwrap().remove("schema");
        assert_eq!(compared[side], alone);
    }
    let differs: Vec<&str> =
        compared["differs"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for name in ["price", "equity", "position", "stop"] {
        let of = |side: &str| compared[side]["state"][name].clone();
        assert_eq!(differs.contains(&name), of("at") != of("against"), "{name}: {differs:?}");
    }
    assert!(differs.contains(&"price"), "{differs:?}");
    let text = sandbox.line(&format!("trimtab explain run --at {one} --against {other}"));
    assert!(text.ok().contains("  price  "));
}

#[test]
fn errors_are_json_too() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.toml", POLICY.replace("strength", "strenght"));
    for (command, kinds) in [
        ("check bad.toml", &["diagnostic", "check"][..]),
        ("check nowhere.toml", &["error"]),
        ("report nowhere -o x.html", &["error"]),
        ("explain nowhere --at noon", &["error"]),
        ("backtest", &["error"]),
    ] {
        let said = sandbox.line(&format!("trimtab {command} --json"));
        assert_eq!(said.code, Some(2), "{command}");
        let lines: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let schemas: Vec<&str> = lines.iter().map(|line| line["schema"].as_str().unwrap()).collect();
        assert_eq!(schemas, kinds.iter().map(|kind| format!("trimtab.{kind}/1")).collect::<Vec<_>>(), "{command}");
    }
    let said = sandbox.line("trimtab backtest --json");
    let error: Value = serde_json::from_str(&said.stdout).unwrap();
    assert!(error["message"].as_str().unwrap().contains("<POLICY>"), "{error}");
    assert_eq!(error["hint"], "add what is missing; `trimtab backtest --help` has examples");
}

#[test]
fn quiet_leaves_errors_and_what_was_asked_for() {
    let sandbox = desk();
    sandbox.write("bad.toml", POLICY.replace("strength", "strenght"));
    for (command, _) in WORK {
        let said = sandbox.line(&format!("trimtab {command} --quiet"));
        let products = [
            "completions bash",
            "man",
            "check --explain P014",
            "objectives wanted.toml",
            "tape head bars.tape -n 2",
            "tape cat dvol.tape",
        ];
        let product = products.contains(&command);
        assert_eq!((said.stdout.is_empty(), said.stderr.as_str()), (!product, ""), "{command}");
        assert_eq!(said.code, Some(0), "{command}");
    }
    let said = sandbox.line("trimtab check bad.toml --quiet");
    assert_eq!(said.code, Some(2));
    assert!(said.stdout.starts_with("error[P003]") && !said.stdout.contains("checked"), "{}", said.stdout);
    assert!(sandbox.line("trimtab check nowhere.toml --quiet").stderr.starts_with("error: "));
}

#[test]
fn colours_are_asked_for_or_absent() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.toml", POLICY.replace("strength", "strenght"));
    for command in ["check bad.toml", "check nowhere.toml", "--help", "chekc"] {
        let styled = |extra: &str| {
            let said = sandbox.line(&format!("trimtab {command} {extra}"));
            (said.stdout + &said.stderr).contains('\x1b')
        };
        assert!(!styled(""), "{command} in a pipe");
        assert!(!styled("--color never"), "{command}");
        assert!(styled("--color always"), "{command}");
        // Even where a variable asks for colours everywhere, a pipe gets none.
        let mut forced = sandbox.command(&command.split(' ').collect::<Vec<_>>());
        let said = forced.env("CLICOLOR_FORCE", "1").output().unwrap();
        assert!(!said.stdout.contains(&0x1b) && !said.stderr.contains(&0x1b), "{command}");
    }
}

#[test]
fn the_word_beside_a_colour_says_the_same() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.toml", POLICY.replace("strength", "strenght"));
    let plain = sandbox.line("trimtab check bad.toml").stdout;
    let styled = sandbox.line("trimtab check bad.toml --color always").stdout;
    let mut stripped = String::new();
    let mut rest = styled.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        stripped += before;
        rest = after.split_once('m').unwrap().1;
    }
    assert_eq!(stripped + rest, plain);
}

#[test]
fn results_are_the_same_in_any_place_zone_and_language() {
    let (here, there) = (desk(), desk());
    let backtest =
        ["backtest", "policy.toml", "--tape", "bars.tape", "--tape", "funding.tape", "--out", "run", "--json"];
    let chain = |output: std::process::Output| {
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        (line["chain"].clone(), line["state"].clone())
    };
    let funding = WORK[1].0;
    here.line(&format!("trimtab {funding}")).ok();
    there.line(&format!("trimtab {funding}")).ok();
    let first = chain(here.command(&backtest).output().unwrap());
    let elsewhere = there
        .command(&backtest)
        .env("TZ", "Pacific/Kiritimati")
        .env("LC_ALL", "de_DE.UTF-8")
        .env("LANG", "de_DE.UTF-8")
        .output();
    assert_eq!(first, chain(elsewhere.unwrap()));
}

#[test]
fn version_names_the_commit() {
    let version = Sandbox::new().line("trimtab --version").ok();
    let (name, rest) = version.trim().split_once(' ').unwrap();
    let (number, commit) = rest.split_once(" (").unwrap();
    assert_eq!((name, number), ("trimtab", env!("CARGO_PKG_VERSION")));
    let commit = commit.strip_suffix(')').unwrap();
    assert!(commit == "unknown" || commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{commit}");
}

#[test]
fn no_command_is_an_error_that_lists_them() {
    for (words, named) in [(&[][..], "trimtab"), (&["tape"], "trimtab tape")] {
        let said = Sandbox::new().run(words);
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{words:?}");
        let hint = format!("\nhint: name a command; `{named} --help` lists them\n");
        assert!(said.stderr.ends_with(&hint) && said.stderr.contains("EXAMPLES"), "{}", said.stderr);
    }
}

#[test]
fn completions_know_the_commands() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.run(&["completions", shell]).ok();
        assert!(script.contains("backtest") && script.contains("rate-unit") && !script.contains('\x1b'), "{shell}");
        // Where the shell is here, it must be able to read the script.
        let mut check = std::process::Command::new(shell);
        sandbox.write("script", &script);
        if let Ok(output) = check.arg("-n").arg(sandbox.path("script")).output() {
            assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn the_manual_is_roff() {
    let page = Sandbox::new().line("trimtab man").ok();
    assert!(page.contains(".TH trimtab") && page.contains(".SH SYNOPSIS") && !page.contains('\x1b'), "{page}");
    assert!(page.contains("130"), "the exit codes");
    assert!(page.contains(".SH EXAMPLES\n.nf\n  trimtab demo"), "{page}");
}

#[test]
fn the_plan_of_the_example_portfolio() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let path = |name: &str| examples.join(name).display().to_string();
    let sandbox = Sandbox::new();
    let plan = sandbox.run(&["plan", &path("btc-trend.toml"), "--state", &path("state.json"), "--json"]).ok();
    let plan: Value = serde_json::from_str(&plan).unwrap();
    // Short one unit of four: the next is sold 1 N = 520 lower, the stop stands 3 N = 1,560 over the entry of 118,350,
    // a quarter is bought back at 2 R and at 4 R.
    assert_eq!((&plan["position"], &plan["target"], &plan["change"]), (&"-4.8".into(), &"-4.8".into(), &"0".into()));
    assert_eq!((&plan["add"]["trigger"], &plan["add"]["quantity"]), (&"117830".into(), &"-3.6".into()));
    let exits: Vec<&Value> = plan["exits"].as_array().unwrap().iter().collect();
    let prices = exits.iter().map(|exit| exit["price"].as_str().or(exit["trigger"].as_str()).unwrap());
    assert_eq!(prices.collect::<Vec<_>>(), ["115230", "112110", "119910"]);
}

/// A value that is set is as if it stood in the file: read, refused at its place, and kept in the run.
#[test]
fn values_are_set_on_the_command_line() {
    let sandbox = desk();
    let said = sandbox.line("trimtab check policy.toml --set size.fraction=0.25 --set caps.leverage=2 --verbose");
    let read = format!("{}{}", said.stdout, said.stderr);
    assert!(said.code == Some(0) && read.contains("fraction = 0.25") && read.contains("leverage = 2\n"), "{read}");
    let wrong = sandbox.line("trimtab check policy.toml --set size.fraction=-1");
    assert!(wrong.code == Some(2) && wrong.stdout.contains("`size.fraction` must be"), "{wrong:?}");
    let line = "trimtab backtest policy.toml --tape bars.tape --out set --set size.fraction=0.25";
    sandbox.line(line).ok();
    let kept = std::fs::read_to_string(sandbox.path("set/policy.toml")).unwrap();
    assert!(kept.contains("fraction = 0.25"), "{kept}");
    for wrong in ["size.fraction", "=2", "size..x=2", "size.fraction.x=2"] {
        let said = sandbox.run(&["check", "policy.toml", "--set", wrong]);
        assert!(said.code == Some(2) && said.stderr.contains("--set"), "{said:?}");
    }
}

#[test]
fn sizes_of_a_coin_settled_contract_are_parts_of_its_coin() {
    let sandbox = Sandbox::new();
    // 600,000 dollars of contracts at 100,000 are 6 coins: 0.6 of the account's 10.
    let state = serde_json::json!({
        "schema": "trimtab.portfolio/2", "time": "2025-10-10T16:00:00Z",
        "accounts": [{ "name": "main", "equity": "10" }],
        "instruments": [{ "symbol": "binance:BTCUSD-PERP", "price": 100_000, "tick": 0.1, "lot": 10, "contract": "inverse" }],
        "facts": { "signal": 1 },
    });
    sandbox.write("state.json", state.to_string());
    let body = "[signal]\nkind = \"constant\"\nstrength = 1.0\n[size]\nkind = \"fixed_fraction\"\nfraction = 0.6\n";
    sandbox.write("coin.toml", format!("policy = 1\nname = \"coin\"\ninstrument = \"binance:BTCUSD-PERP\"\n{body}"));
    let said = sandbox.line("trimtab plan coin.toml --state state.json").ok();
    assert!(said.contains("0.00 -> 0.60 x equity   0 -> 600000"), "{said}");
    assert!(said.contains("now     buy 600000"), "{said}");

    // A run at a steady price of 50,000: 0.6 of 10 coins are 300,000 dollars of contracts, less what fees took.
    let bar = |hour: usize| format!("2025-01-01 {hour:02}:00,50000,50000,50000,50000,5\n");
    sandbox.write("bars.csv", "date,open,high,low,close,volume\n".to_owned() + &(0..24).map(bar).collect::<String>());
    sandbox.line("trimtab import bars bars.csv --instrument binance:BTCUSD-PERP --labelled open -o coin.tape").ok();
    sandbox.write(
        "coin.toml",
        std::fs::read_to_string(sandbox.path("coin.toml")).unwrap() + "[backtest]\ndeposit = \"10 BTC\"\n",
    );
    sandbox.line("trimtab backtest coin.toml --tape coin.tape --out run").ok();
    let said = sandbox.line("trimtab explain run --at 2025-01-01T12:00:00Z").ok();
    let plan = said.lines().find(|line| line.contains("in force")).unwrap();
    assert!(plan.contains("   0.60 x equity   299,") && plan.ends_with(" USD"), "{said}");
    assert!(said.contains("1.00 ->  0.60   0.60 x equity"), "{said}");

    // In an account that counts in dollars the rules at the instant have the same sizes as the plan, not dollars for coins.
    let account = "[[accounts]]\nvenue = \"binance\"\nnumeraire = \"USD\"\ndeposit = \"10 BTC\"\n";
    let head = "policy = 1\nname = \"dollars\"\ninstrument = \"binance:BTCUSD-PERP\"\n";
    sandbox.write("dollars.toml", format!("{head}{account}{body}"));
    sandbox.line("trimtab backtest dollars.toml --tape coin.tape --out dollars").ok();
    let said = sandbox.line("trimtab explain dollars --at 2025-01-01T12:00:00Z --verbose").ok();
    assert!(said.contains("equity 499,"), "equity is in dollars: {said}");
    assert_eq!(said.matches("1.00 ->  0.60   0.60 x equity").count(), 2, "{said}");
}

#[test]
fn runs_are_compared_with_what_differs_and_a_warning_where_they_cannot_be() {
    let sandbox = desk();
    sandbox.write("half.toml", POLICY.replace("fraction = 1.0", "fraction = 0.5"));
    sandbox.line("trimtab backtest policy.toml --tape bars.tape --out whole").ok();
    sandbox.line("trimtab backtest half.toml --tape bars.tape --out half").ok();
    let compared = sandbox.line("trimtab compare whole half --json -o page.html --plot growth.svg").ok();
    let compared: Value = serde_json::from_str(&compared).unwrap();
    assert_eq!(compared["policy_differences"], serde_json::json!({ "size.fraction": ["1", "0.5"] }));
    assert_eq!(compared["warnings"], serde_json::json!([]));
    assert_eq!(compared["runs"][0]["twin"], compared["runs"][1]["twin"], "they differ in scaling alone");
    let page = std::fs::read_to_string(sandbox.path("page.html")).unwrap();
    assert!(page.contains("default-src 'none'") && page.contains("size.fraction") && !page.contains("<script"));
    let plot = std::fs::read_to_string(sandbox.path("growth.svg")).unwrap();
    assert!(plot.starts_with("<svg ") && plot.contains("xmlns=") && !plot.contains("NaN"));
    sandbox.line("trimtab demo --seed 3").ok();
    let said = sandbox.line("trimtab compare whole half trimtab-demo");
    assert!(said.stderr.contains("different times") && said.stderr.contains("different tapes"), "{}", said.stderr);
    assert!(sandbox.line("trimtab compare whole half -o page.html").stderr.contains("exists already"));
    assert_eq!(sandbox.line("trimtab compare whole").code, Some(2), "one run is no comparison");
}

#[test]
fn a_sweep_is_the_same_on_any_number_of_threads() {
    let sandbox = desk();
    let sweep = "trimtab sweep policy.toml --set size.fraction=0.5,1,2 --set trade.buffer=0%,20% --tape bars.tape";
    sandbox.line(&format!("{sweep} --out one --threads 1")).ok();
    sandbox.line(&format!("{sweep} --out many --threads 3")).ok();
    for file in ["results.parquet", "results.csv", "heatmap.svg", "sweep.json"] {
        let read = |folder: &str| std::fs::read(sandbox.path(format!("{folder}/{file}"))).unwrap();
        assert_eq!(read("one"), read("many"), "{file}");
    }
    let csv = std::fs::read_to_string(sandbox.path("one/results.csv")).unwrap();
    assert!(csv.starts_with("run,size.fraction,trade.buffer,rank,") && csv.lines().count() == 7, "{csv}");
    assert_eq!(sandbox.line(&format!("{sweep} --out one")).code, Some(2), "a sweep is not replaced unasked");
    sandbox.line(&format!("{sweep} --out one --force")).ok();
    // What a key cannot take is told at its place before anything runs.
    let bad = sandbox.line("trimtab sweep policy.toml --set size.fraction=1,2R --tape bars.tape --out bad");
    assert_eq!(bad.code, Some(2));
    assert!(
        bad.stderr.contains("with --set size.fraction=2R:") && bad.stderr.contains("policy.toml:9:"),
        "{}",
        bad.stderr
    );
    assert!(bad.stderr.contains("1 of 2 settings") && !sandbox.path("bad").exists(), "{}", bad.stderr);
    for wrong in ["size.fraction", "size.fraction=", "size.fraction=1,,2", "size..x=1", "size.fraction=1,1"] {
        let said = sandbox.run(&["sweep", "policy.toml", "--set", wrong, "--tape", "bars.tape", "--out", "bad"]);
        assert_eq!(said.code, Some(2), "{wrong}: {}", said.stderr);
    }
}

/// Starts a command whose output the test reads as it comes.
fn start(sandbox: &Sandbox, args: &[&str]) -> Child {
    sandbox.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let sandbox = Sandbox::new();
    for args in [&["man"][..], &["completions", "bash"], &["completions", "zsh", "--json"]] {
        let mut child = start(&sandbox, args);
        let mut line = String::new();
        // The pipe is closed by dropping it after one line, long before the output ends.
        BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_outside() {
    let sandbox = Sandbox::new();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = sandbox.command(&["man"]).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: cannot write to standard output"));
    let help = sandbox.command(&["--help"]).stdout(full()).output().unwrap();
    assert_eq!(help.status.code(), Some(3));
}

#[cfg(unix)]
#[test]
fn interrupted_work_leaves_nothing_behind() {
    // A run can be over before the signal arrives; ten times in a row it is not.
    for _ in 0..10 {
        let sandbox = Sandbox::new();
        let mut child = start(&sandbox, &["demo"]);
        // The market is written before the run begins; from then on there is long work to interrupt.
        let running = || {
            let folders = std::fs::read_dir(sandbox.path("")).unwrap();
            let complete = |folder: &std::fs::DirEntry| folder.path().join("market/dvol.tape").exists();
            folders.map(|folder| folder.unwrap()).any(|folder| complete(&folder))
        };
        while !running() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.code() == Some(0) {
            continue;
        }
        assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr).trim(), "interrupted; nothing was written");
        assert!(sandbox.listing().is_empty(), "{:?}", sandbox.listing().keys());
        return;
    }
    panic!("no run could be interrupted");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let sandbox = Sandbox::new();
    let pipe = sandbox.path("pipe").display().to_string();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let import = ["import", "bars", &pipe, "--instrument", "binance:BTCUSDT", "--labelled", "open", "-o", "bars.tape"];
    for args in [&["tape", "info", &pipe][..], &["tape", "check", &pipe], &import, &["check", &pipe]] {
        let output = sandbox.command(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("is a pipe or a device"), "{args:?}: {said}");
    }
}

#[test]
fn a_demo_replaces_a_demo_and_nothing_else() {
    let sandbox = Sandbox::new();
    let chain = |seed: &str| {
        let lines = sandbox.run(&["demo", "--seed", seed, "--json"]).ok();
        let run = lines.lines().find(|line| line.contains("trimtab.run/1")).unwrap();
        serde_json::from_str::<Value>(run).unwrap()["chain"].clone()
    };
    let first = chain("3");
    sandbox.write("trimtab-demo/notes.txt", "mine");
    assert_ne!(first, chain("4"), "another seed, another market");
    assert_eq!(first, chain("3"), "one seed, one market");
    assert!(sandbox.path("trimtab-demo/notes.txt").exists());
    assert!(sandbox.path("trimtab-demo/report.html").exists());
    // Its run is a run like any other.
    sandbox.line("trimtab replay trimtab-demo/run --verify").ok();
    let tapes = ["bars", "funding", "dvol"].map(|name| format!("--tape trimtab-demo/market/{name}.tape")).join(" ");
    let again = sandbox.line(&format!("trimtab backtest trimtab-demo/policy.toml {tapes} --out again --json"));
    assert_eq!(serde_json::from_str::<Value>(&again.ok()).unwrap()["chain"], first);
}

/// Exit 1, a line that names the place, and the same as JSON.
#[test]
fn an_audit_names_what_does_not_hold() {
    let sandbox = Sandbox::new();
    sandbox.line("trimtab demo --seed 3").ok();
    let clean = sandbox.line("trimtab audit trimtab-demo").ok();
    assert!(clean.starts_with("  triggers crossed ") && clean.contains("unexplained 0"), "{clean}");
    assert!(
        clean.contains("manual overrides 0") && clean.contains("disposition effect") && clean.contains("  ok "),
        "{clean}"
    );
    let policy = sandbox.path("trimtab-demo/run/policy.toml");
    let text = std::fs::read_to_string(&policy).unwrap().replace("initial = \"3N\"", "initial = \"2N\"");
    std::fs::write(policy, text).unwrap();
    let said = sandbox.line("trimtab audit trimtab-demo");
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let flat = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("files policy.toml: its hash is "), "{flat}");
    assert!(flat.contains("stop.level orders · row "), "{flat}");
    let said = sandbox.line("trimtab audit trimtab-demo --json");
    let lines: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, findings) = lines.split_last().unwrap();
    assert_eq!((&last["schema"], &last["ok"]), (&"trimtab.audit/1".into(), &false.into()));
    let named = |finding: &Value| finding["schema"] == "trimtab.audit_finding/1" && finding["finding"].is_string();
    assert!(!findings.is_empty() && findings.iter().all(named), "{findings:?}");
    let of_order = findings.iter().find(|finding| finding["check"] == "stop.level").unwrap();
    assert!(of_order["row"].is_u64() && of_order["time"].is_string() && of_order["order"].is_string(), "{of_order}");
}

/// Includes that cannot be followed are findings like all others: code, file and line of the entry, a remedy; and each code is explained.
#[test]
fn an_include_that_cannot_be_followed_is_a_finding() {
    let sandbox = Sandbox::new();
    let first = |includes: &str| common::POLICY.replacen("[signal]", &format!("include = [{includes}]\n[signal]"), 1);
    sandbox.write("missing.toml", first("\"no.toml\""));
    sandbox.write("round.toml", first("\"a.toml\""));
    sandbox.write("a.toml", "policy = 1\ninclude = [\"b.toml\"]\n");
    sandbox.write("b.toml", "include = [\"a.toml\"]\n");
    sandbox.write("bytes.toml", first("\"bytes\""));
    sandbox.write("bytes", [b'#', 0xff]);
    sandbox.write("list.toml", first("7"));
    for (policy, code, file, line) in [
        ("missing.toml", "P083", "missing.toml", 4),
        ("round.toml", "P084", "b.toml", 1),
        ("bytes.toml", "P083", "bytes.toml", 4),
        ("list.toml", "P086", "list.toml", 4),
    ] {
        let said = sandbox.run(&["check", policy, "--json"]);
        assert_eq!(said.code, Some(2), "{policy}: {}", said.stderr);
        let lines = said.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let found: Vec<_> = lines.filter(|line| line["code"].is_string()).collect();
        assert_eq!(found.len(), 1, "{policy}: {}", said.stdout);
        assert_eq!((found[0]["code"].as_str(), found[0]["line"].as_u64()), (Some(code), Some(line)), "{policy}");
        assert!(found[0]["file"].as_str().is_some_and(|name| name.ends_with(file)), "{:?}", found[0]);
        assert!(found[0]["help"].is_string());
        assert!(sandbox.run(&["check", "--explain", code]).ok().contains("wrong"));
    }
}

/// A policy of the present version is not rewritten; of a version that is not there, nothing is written.
#[test]
fn policies_are_brought_to_the_present_version() {
    let sandbox = Sandbox::new();
    sandbox.write("present.toml", common::POLICY);
    sandbox.run(&["fmt", "--migrate", "present.toml"]).ok();
    let plain = sandbox.run(&["fmt", "present.toml"]).ok();
    assert!(plain.contains("as they should be") || plain.is_empty(), "{plain}");
    for (version, said) in [("0", "there never was a version 0"), ("9", "made for a newer trimtab")] {
        let text = common::POLICY.replacen("policy = 1", &format!("policy = {version}"), 1);
        sandbox.write("other.toml", &text);
        let refused = sandbox.run(&["fmt", "--migrate", "other.toml"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        assert_eq!(std::fs::read_to_string(sandbox.path("other.toml")).unwrap(), text);
        let checked = sandbox.run(&["check", "other.toml"]);
        assert!(checked.code == Some(2) && checked.stdout.contains("P008"), "{checked:?}");
    }
}
