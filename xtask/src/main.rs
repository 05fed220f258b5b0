//! What developers and CI run: `cargo xtask test`, `setup`, `oracles`, `examples`, `study`, `workload`, `year`.
//!
//! The repository rules (crate table, purity files, licences, tidiness) are tests: see `tests/rules`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod oracles;
mod setup;
mod tally;
mod test;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  test [--long] [-p CRATE]... [-- NAME...]
                 everything that CI runs: rustfmt, clippy, all tests and repository rules; with CI=true first `setup`,
                 and a skip is a failure. Last line: `N passed, N failed, N skipped`.
                 -p and NAME narrow it to the tests of a crate, to the tests whose names contain NAME.
                 --long runs the long properties whole, not the seeded tenth.
  setup          installs what the tests need and this machine lacks; does nothing where all is there
  oracles [--check]
                 runs the generators of `vectors/` and writes their golden files anew; with --check it only compares
  examples       runs every policy of `examples/` on the shared data and writes the figures and pictures of its page in
                 docs/examples; with --check it only compares
  study NAME     crash, options or techniques: runs a study on the shared data and writes the figures of its page in
                 docs/studies; with --check it only compares
  workload ARGS  the decision workload through the engine, release build, JSON:
                 cargo xtask workload --seed 7 --instruments 1 --events 1000000
  year ARGS      a year of one-minute bars in 20 instruments through a whole backtest, release build, JSON:
                 cargo xtask year --instruments 20 --folder target/year
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &args[..]),
    };
    match command {
        "test" => match test::Options::parse(rest) {
            Ok(options) => test::run(&options),
            Err(message) => refuse(&message),
        },
        "setup" => finished(setup::run()),
        "oracles" => match rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => finished(oracles::run(false)),
            ["--check"] => finished(oracles::run(true)),
            _ => refuse("`oracles` takes `--check` or nothing"),
        },
        "examples" => match rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => examples(true),
            ["--check"] => examples(false),
            _ => refuse("`examples` takes `--check` or nothing"),
        },
        // Built as the tests are.
        "study" => bench("trimtab-study", &["--profile", "ci"], rest),
        "workload" => bench("trimtab-workload", &["--release"], rest),
        "year" => bench("trimtab-year", &["--release"], rest),
        "help" | "-h" | "--help" => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        other => refuse(&format!("there is no command `{other}`")),
    }
}

fn finished(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(3)
        }
    }
}

fn refuse(message: &str) -> ExitCode {
    eprintln!("error: {message}\n\n{HELP}");
    ExitCode::from(2)
}

/// Passes everything on to a program of the bench crate, built with a profile.
fn bench(name: &str, profile: &[&str], args: &[String]) -> ExitCode {
    let mut run = tools::cargo();
    run.arg("run").args(profile).args(["--quiet", "--package", "trimtab-workload", "--bin", name, "--"]).args(args);
    code(run)
}

/// The test of the examples over all of the data; with `write` it writes what its pages show.
fn examples(write: bool) -> ExitCode {
    let mut run = tools::cargo();
    run.args(["test", "--profile", "ci", "--package", "trimtab", "--test", "examples"]).env("TRIMTAB_LONG", "1");
    if write {
        run.env("UPDATE", "1");
    }
    code(run)
}

/// Its own exit code tells wrong arguments (2) from a run that failed.
fn code(mut run: std::process::Command) -> ExitCode {
    let code = run.status().ok().and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
