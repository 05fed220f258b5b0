//! Settings: which of flag, environment, project file and default is taken; what is said of wrong ones; what is logged.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]

mod common;

use common::{POLICY, Said, Sandbox};
use serde_json::Value;
use std::collections::BTreeMap;

/// Runs a line with variables set.
fn with(sandbox: &Sandbox, line: &str, variables: &[(&str, &str)]) -> Said {
    let words: Vec<&str> = line.split(' ').collect();
    sandbox.command(&words).envs(variables.iter().copied()).output().unwrap().into()
}

/// Each setting's value and where it came from.
fn shown(said: Said) -> BTreeMap<String, (Value, Value)> {
    let lines: Vec<Value> = said.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines
        .iter()
        .map(|line| (line["setting"].as_str().unwrap().to_owned(), (line["value"].clone(), line["from"].clone())))
        .collect()
}

#[test]
fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
    let sandbox = Sandbox::new();
    let progress = |line: &str, variables: &[(&str, &str)]| {
        let (value, from) = shown(with(&sandbox, line, variables)).remove("progress").unwrap();
        (value.as_str().unwrap().to_owned(), from["kind"].as_str().unwrap().to_owned())
    };
    let is = |value: &str, from: &str| (value.to_owned(), from.to_owned());
    assert_eq!(progress("config --json", &[]), is("auto", "default"));
    sandbox.write("trimtab.toml", "progress = \"never\"\n");
    assert_eq!(progress("config --json", &[]), is("never", "file"));
    let set = [("TRIMTAB_PROGRESS", "lines")];
    assert_eq!(progress("config --json", &set), is("lines", "environment"));
    assert_eq!(progress("config --json --progress auto", &set), is("auto", "flag"));
    // A variable that is set to nothing says nothing.
    assert_eq!(progress("config --json", &[("TRIMTAB_PROGRESS", "")]), is("never", "file"));
    // So do the others that have a flag of every command.
    sandbox.write("trimtab.toml", "verbosity = \"quiet\"\nwidth = 90\n[log]\nlevel = \"error\"\nformat = \"json\"\n");
    let all = shown(sandbox.line("trimtab config --json --verbose --width 120 --log-level debug --log-format text"));
    for (setting, value) in [("verbosity", "verbose"), ("log.level", "debug"), ("log.format", "text")] {
        assert_eq!((&all[setting].0, &all[setting].1["kind"]), (&value.into(), &"flag".into()), "{setting}");
    }
    assert_eq!((&all["width"].0, &all["json"].1["flag"]), (&120.into(), &"--json".into()));
    let all = shown(with(&sandbox, "config", &[("TRIMTAB_JSON", "true"), ("TRIMTAB_VERBOSITY", "normal")]));
    assert_eq!(all["log.level"].1, serde_json::json!({ "kind": "file", "path": "trimtab.toml", "line": 4 }));
    assert_eq!(all["json"].1, serde_json::json!({ "kind": "environment", "variable": "TRIMTAB_JSON" }));
    let text = with(&sandbox, "config --json=false", &[("TRIMTAB_JSON", "true"), ("TRIMTAB_VERBOSITY", "normal")]).ok();
    assert!(text.starts_with("setting      value "), "{text}");
    assert!(text.contains("\nwidth        90                            trimtab.toml:2\n"), "{text}");
    assert!(text.contains("\ncolor        auto                          default\n"), "{text}");
}

#[test]
fn the_nearest_project_file_counts_and_its_paths_are_its_own() {
    let sandbox = Sandbox::new();
    sandbox.write("trimtab.toml", "tapes = [\"data/btc.tape\"]\nruns = \"runs\"\n");
    sandbox.write("desk/policies/policy.toml", POLICY);
    sandbox.bars("btc.tape");
    std::fs::create_dir(sandbox.path("data")).unwrap();
    std::fs::rename(sandbox.path("btc.tape"), sandbox.path("data/btc.tape")).unwrap();
    let below = |args: &[&str]| -> Said {
        sandbox.command(args).current_dir(sandbox.path("desk/policies")).output().unwrap().into()
    };
    let all = shown(below(&["config", "--json"]));
    assert_eq!(all["tapes"].0, serde_json::json!(["../../data/btc.tape"]));
    assert_eq!(all["runs"].1["path"], "../../trimtab.toml");
    // A run needs nothing but a policy then, and is the same as with everything named.
    let chain = |said: Said| serde_json::from_str::<Value>(&said.ok()).unwrap()["chain"].clone();
    let short = chain(below(&["backtest", "policy.toml", "--json"]));
    assert!(sandbox.path("runs/policy/run.json").is_file());
    let long = "trimtab backtest desk/policies/policy.toml --tape data/btc.tape --out named --json";
    assert_eq!(short, chain(sandbox.line(long)));
    assert_eq!(below(&["backtest", "policy.toml"]).code, Some(2), "a run is not replaced unasked");
    below(&["sweep", "policy.toml", "--set", "size.fraction=0.5,1"]).ok();
    assert!(sandbox.path("runs/policy-sweep/results.csv").is_file());
    // A nearer file hides the farther; a named one hides both.
    sandbox.write("desk/trimtab.toml", "threads = 1\n");
    let all = shown(below(&["config", "--json"]));
    assert_eq!((&all["threads"].0, &all["runs"].0), (&1.into(), &Value::Null));
    let all = shown(below(&["config", "--json", "--config", "../../trimtab.toml"]));
    assert_eq!((&all["threads"].0, &all["runs"].0), (&Value::Null, &"../../runs".into()));
}

#[test]
fn settings_reach_what_they_set() {
    let sandbox = Sandbox::new();
    sandbox.write("policy.toml", POLICY);
    sandbox.write("bad.toml", POLICY.replace("strength", "strenght"));
    sandbox.write("trimtab.toml", "color = \"always\"\nwidth = 130\n");
    let said = sandbox.line("trimtab check bad.toml");
    assert!(said.stdout.contains('\x1b'), "{}", said.stdout);
    let last = |said: &Said| said.stdout.trim_end().lines().last().unwrap().chars().count();
    assert_eq!(last(&said), 130);
    assert_eq!(last(&sandbox.line("trimtab check bad.toml --width 100 --color never")), 100);
    // What clap itself says goes by them too.
    assert!(sandbox.line("trimtab chekc").stderr.contains('\x1b'));
    assert!(!sandbox.line("trimtab chekc --color never").stderr.contains('\x1b'));
    let json = with(&sandbox, "chekc", &[("TRIMTAB_JSON", "true")]);
    assert!(json.stdout.starts_with("{\"schema\":\"trimtab.error/1\""), "{}", json.stdout);
    sandbox.write("trimtab.toml", "verbosity = \"quiet\"\n");
    assert_eq!(sandbox.line("trimtab check policy.toml").ok(), "");
    assert!(sandbox.line("trimtab check policy.toml -v").ok().contains("checked policy.toml"));
}

#[test]
fn a_run_without_tapes_or_a_folder_says_where_they_can_be_named() {
    let sandbox = Sandbox::new();
    sandbox.write("policy.toml", POLICY);
    let said = sandbox.line("trimtab backtest policy.toml --out run");
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.starts_with("error: no tape to run on\nhint: name each with `--tape TAPE`"), "{}", said.stderr);
    let said = sandbox.line("trimtab backtest policy.toml --tape x.tape");
    assert!(
        said.stderr.starts_with("error: no folder to write was named\nhint: name it with `--out DIR`"),
        "{}",
        said.stderr
    );
}

#[test]
fn everything_wrong_with_settings_is_told_at_once_and_nothing_runs() {
    let sandbox = Sandbox::new();
    sandbox.write("trimtab.toml", "colour = \"never\"\nwidth = 20\njson = \"yes\"\n[log]\nlevel = \"inf\"\n");
    let said = with(&sandbox, "init desk", &[("TRIMTAB_THREADS", "many")]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""));
    for part in [
        "error: there is no setting `colour`\n --> trimtab.toml:1:1",
        "= help: did you mean `color`?",
        "error: `json` is a switch\n --> trimtab.toml:3:8",
        "= help: write `json = true`",
        " --> trimtab.toml:2:9",
        "less than 80",
        " --> trimtab.toml:5:9",
        "= help: write `info`",
        "error: the variable `TRIMTAB_THREADS` is `many`: not a whole number",
        "hint: take a number from 1 to 1024, or unset it",
    ] {
        assert!(said.stderr.contains(part), "no {part:?} in\n{}", said.stderr);
    }
    assert_eq!(said.stderr.lines().filter(|line| line.starts_with("error")).count(), 5, "{}", said.stderr);
    assert!(!sandbox.path("desk").exists());
    // Each is an object for a program.
    let said = sandbox.line("trimtab init desk --json");
    let lines: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{}", said.stdout);
    assert_eq!(lines[0]["message"], "trimtab.toml:1: there is no setting `colour`: not a setting");
    // Help is there for who has to mend it.
    assert!(sandbox.line("trimtab config --help").ok().contains("TRIMTAB_CONFIG"));
}

#[test]
fn variables_of_others_are_not_shown() {
    let sandbox = Sandbox::new();
    let variables = [("TRIMTAB_COLOUR", "secret-1"), ("API_KEY", "secret-2"), ("TRIMTAB_COLOR", "never")];
    let said = with(&sandbox, "config --verbose", &variables);
    let all = said.stdout + &said.stderr;
    assert!(all.contains("the variable `TRIMTAB_COLOUR` is no setting; did you mean `TRIMTAB_COLOR`?"), "{all}");
    assert!(!all.contains("secret") && !all.contains("API_KEY"), "{all}");
    assert!(all.contains("color        never                         environment TRIMTAB_COLOR\n"), "{all}");
}

#[test]
fn logs_are_silent_until_asked_for_and_never_in_results() {
    let sandbox = Sandbox::new();
    sandbox.write("policy.toml", POLICY);
    sandbox.bars("btc.tape");
    let run = |out: &str, extra: &str| {
        let said = sandbox.line(&format!("trimtab backtest policy.toml --tape btc.tape --out {out} --json{extra}"));
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        (serde_json::from_str::<Value>(&said.stdout).unwrap()["chain"].clone(), said.stderr)
    };
    let (chain, quiet) = run("a", "");
    assert_eq!(quiet, "");
    let (logged, text) = run("b", " --log-level info");
    assert_eq!(logged, chain);
    for part in ["policy read", "tape read", "rows=48", "pass begun", "pass=\"twin\"", "pass ended", "folder written"] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(!text.contains('\x1b') && !text.contains("DEBUG"), "{text}");
    let (logged, json) = run("c", " -vvv --log-format json");
    assert_eq!(logged, chain);
    let events: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |message: &str| {
        events.iter().find(|event| event["message"] == message).unwrap_or_else(|| panic!("{message}: {json}"))
    };
    assert_eq!(of("tape read")["blake3"].as_str().unwrap().len(), 64);
    let number = |message: &str, field: &str| of(message)[field].as_u64().unwrap();
    assert_eq!((number("tape read", "rows"), number("command ended", "code")), (48, 0));
    // Fills are inputs too.
    assert!(number("pass ended", "inputs") >= 48);
    assert!(of("pass ended")["spent_ms"].is_number() && of("tape opened")["level"] == "DEBUG");
    // What a log says changes no file.
    let files = |folder: &str| std::fs::read(sandbox.path(format!("{folder}/equity.parquet"))).unwrap();
    assert_eq!(files("a"), files("c"));
    let said = with(&sandbox, "check policy.toml", &[("TRIMTAB_LOG", "info"), ("TRIMTAB_LOG_FORMAT", "json")]);
    assert!(
        said.stderr.lines().all(|line| line.starts_with('{')) && said.stderr.contains("policy read"),
        "{}",
        said.stderr
    );
}

#[test]
fn the_documentation_names_every_setting() {
    let page =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md"))
            .unwrap();
    let lines = Sandbox::new().line("trimtab config --json").ok();
    for line in lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let row = ["setting", "flag", "variable"].map(|name| format!("`{}`", line[name].as_str().unwrap()));
        let row = row.map(|cell| cell.replace(", ", "`, `")).join(" | ");
        assert!(page.contains(&format!("| {row} |")), "docs/configuration.md has no line {row}");
    }
}

#[test]
fn a_policy_comes_from_standard_input() {
    use std::io::Write as _;
    let sandbox = Sandbox::new();
    let check = |text: &str| -> Said {
        let mut command = sandbox.command(&["check", "-"]);
        let pipes = || std::process::Stdio::piped();
        let mut child = command.stdin(pipes()).stdout(pipes()).stderr(pipes()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    };
    assert!(check(POLICY).ok().starts_with("checked <stdin> "));
    let said = check(&POLICY.replace("strength", "strenght"));
    assert!(said.code == Some(2) && said.stdout.contains(" --> <stdin>:6:1"), "{}", said.stdout);
}

#[test]
fn lines_to_copy_survive_a_space() {
    let sandbox = Sandbox::new();
    sandbox.bars("btc.tape");
    sandbox.write("my policy.toml", POLICY);
    let out = sandbox.line("trimtab backtest 'my policy.toml' --tape btc.tape --out 'my run'").ok();
    let next = out.split("next: ").nth(1).unwrap().trim();
    let quote = if cfg!(windows) { '"' } else { '\'' };
    assert_eq!(next, format!("trimtab report {quote}my run{quote} -o {quote}my run.html{quote}"));
}
