//! `cargo run --profile ci -p trimtab-fuzz -- TARGET [--seed N] [--count N] [--seconds N]`, or with a FILE to run again.

use fuzz::{Target, campaign, run};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    match work(&mut out) {
        Ok(code) => code,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::from(2)
        }
    }
}

fn work(out: &mut impl std::io::Write) -> Result<ExitCode, String> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: trimtab-fuzz tape|csv|policy [FILE] [--seed N] [--count N] [--seconds N]";
    let target: Target = args.next().ok_or(usage)?.parse()?;
    let (mut seed, mut count, mut seconds) = (1, u64::MAX, 60);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|text| text.parse().ok()).ok_or(format!("{arg} needs a number"));
        match arg.as_str() {
            "--seed" => seed = number()?,
            "--count" => count = number()?,
            "--seconds" => seconds = number()?,
            file => {
                let input = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
                let words = if run(target, &input) { "taken" } else { "refused" };
                writeln!(out, "{file}: {words}").map_err(|error| error.to_string())?;
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    let outcome = campaign(target, seed, count, Duration::from_secs(seconds));
    let (tried, taken) = (outcome.tried, outcome.taken);
    writeln!(out, "{target}: {tried} inputs from seed {seed}, {taken} taken").map_err(|error| error.to_string())?;
    let Some((number, input)) = outcome.broken else { return Ok(ExitCode::SUCCESS) };
    let file = format!("fuzz-{target}-{seed}-{number}");
    std::fs::write(&file, input).map_err(|error| format!("{file}: {error}"))?;
    writeln!(out, "input {number} broke it: `trimtab-fuzz {target} {file}` shows how")
        .map_err(|error| error.to_string())?;
    Ok(ExitCode::from(1))
}
