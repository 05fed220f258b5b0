//! `cargo xtask year`: a year of one-minute bars in 20 instruments through a whole backtest, as one JSON line.

use clap::Parser;
use std::process::ExitCode;
use workload::year::{Arguments, measure};

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "its result")]
fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
