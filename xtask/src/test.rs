//! `cargo xtask test`: everything that CI runs, one closing line.

use crate::tally::Tally;
use crate::{oracles, setup, tools};
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Clippy and tests share one optimised profile with debug assertions, so that dependencies with build scripts and
/// procedural macros are built once.
const PROFILE: [&str; 2] = ["--profile", "ci"];

/// What `cargo xtask test` was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    long: bool,
    packages: Vec<String>,
    names: Vec<String>,
}

impl Options {
    pub(crate) fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--long" => options.long = true,
                "-p" | "--package" => options.packages.push(args.next().ok_or("-p needs the name of a crate")?.clone()),
                "--" => options.names.extend(args.by_ref().cloned()),
                flag if flag.starts_with('-') => return Err(format!("`test` knows no `{flag}`")),
                name => options.names.push(name.to_owned()),
            }
        }
        Ok(options)
    }

    /// Whether only some tests were asked for.
    fn narrowed(&self) -> bool {
        !self.packages.is_empty() || !self.names.is_empty()
    }
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    let mut tally = Tally::default();
    if ci && let Err(message) = setup::run() {
        println!("setup: {message}");
        tally.fail("setup");
    }
    if !options.narrowed() {
        rustfmt(&mut tally);
        clippy(&mut tally, ci);
        deny(&mut tally);
    }
    if options.long && !options.narrowed() {
        golden(&mut tally);
    }
    tests(&mut tally, options, ci);

    println!();
    for skip in &tally.skips {
        println!("skipped: {skip}");
    }
    for failure in &tally.failures {
        println!("failed: {failure}");
    }
    if tally.skipped > 0 && ci {
        println!("with CI=true a skip is a failure");
    } else if tally.skipped > 0 {
        println!("`cargo xtask setup` installs what can be installed; CONTRIBUTING.md names the rest");
    }
    println!("{}", tally.closing());
    if tally.failed == 0 && !(ci && tally.skipped > 0) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn rustfmt(tally: &mut Tally) {
    if tools::has_cargo("fmt") {
        check(tally, "rustfmt", tools::cargo().args(["fmt", "--all", "--check"]));
    } else {
        tally.skip("rustfmt", "not installed");
    }
}

fn clippy(tally: &mut Tally, ci: bool) {
    if tools::has_cargo("clippy") {
        let mut clippy = tools::cargo();
        clippy.args(["clippy", "--workspace", "--all-targets"]).args(PROFILE).args(locked(ci));
        check(tally, "clippy", clippy.args(["--", "--deny", "warnings"]));
    } else {
        tally.skip("clippy", "not installed");
    }
}

/// Licences, bans and sources are repository rules of our own, always on, which read the same `deny.toml`; known
/// advisories take `cargo deny` and its database from the network. So its absence is a note, not a skip.
fn deny(tally: &mut Tally) {
    if !tools::has_cargo("deny") {
        println!("note: cargo-deny is not installed: advisories were not checked (licences, bans and sources are)");
        return;
    }
    check(
        tally,
        "cargo deny",
        tools::cargo().args(["deny", "--workspace", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]),
    );
    match tools::cargo().args(["deny", "--workspace", "check", "advisories"]).output() {
        Ok(output) if output.status.success() => tally.pass(),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            if said.contains("advisory database") {
                println!("note: the advisory database could not be fetched: advisories were not checked");
            } else {
                print!("{said}");
                tally.fail("cargo deny: advisories");
            }
        }
        Err(error) => println!("note: cargo-deny did not start: {error}"),
    }
}

/// Golden cases are what their generators print today. Behind `--long`: the last digit of a logarithm is the machine's.
fn golden(tally: &mut Tally) {
    if !timed("golden cases", || oracles::run(true).inspect_err(|error| println!("{error}")).is_ok()) {
        return tally.fail("golden cases");
    }
    tally.pass();
}

fn tests(tally: &mut Tally, options: &Options, ci: bool) {
    let mut test = tools::cargo();
    test.arg("test").args(PROFILE).arg("--no-fail-fast").args(locked(ci));
    if options.packages.is_empty() {
        test.arg("--workspace");
    }
    test.args(options.packages.iter().flat_map(|package| ["--package", package]));
    test.args(["--", "--show-output"]).args(&options.names);
    if options.long {
        test.env("TRIMTAB_LONG", "1");
    }
    if let Some(python) = tools::python() {
        test.env("TRIMTAB_PYTHON", python);
    }
    let failed_before = tally.failed;
    let finished = timed("tests", || stream(&mut test, |line| tally.line(line)));
    // A crate that does not build, or a test process that died, has no `test result:` line.
    if !finished && tally.failed == failed_before {
        tally.fail("cargo test: something did not build, or a test process ended early");
    }
}

/// A fresh clone must build from the lock file as committed.
fn locked(ci: bool) -> Option<&'static str> {
    ci.then_some("--locked")
}

fn check(tally: &mut Tally, name: &str, command: &mut Command) {
    if timed(name, || tools::succeeds(command)) {
        tally.pass();
    } else {
        tally.fail(name);
    }
}

fn timed(name: &str, work: impl FnOnce() -> bool) -> bool {
    println!("-- {name}");
    let start = Instant::now();
    let good = work();
    println!("-- {name}: {} in {:.1} s", if good { "done" } else { "failed" }, start.elapsed().as_secs_f64());
    good
}

/// Runs a command and prints each line of its output as it comes, unless `keep` says no.
fn stream(command: &mut Command, mut keep: impl FnMut(&str) -> bool) -> bool {
    let mut child = match command.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("{error}");
            return false;
        }
    };
    let mut lines = child.stdout.take().map(BufReader::new);
    let mut line = Vec::new();
    while let Some(output) = &mut lines {
        line.clear();
        match output.read_until(b'\n', &mut line) {
            Ok(1..) => {}
            _ => break,
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        if keep(text) {
            println!("{text}");
        }
    }
    child.wait().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_narrow_the_run_and_unknown_flags_are_refused() {
        let parse = |text: &str| Options::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert!(!parse("--long").unwrap().narrowed());
        let narrow = parse("-p trimtab-units -- decimal").unwrap();
        assert!(narrow.narrowed());
        assert_eq!((narrow.packages, narrow.names), (vec!["trimtab-units".to_owned()], vec!["decimal".to_owned()]));
        assert!(parse("--lnog").is_err() && parse("-p").is_err());
    }
}
