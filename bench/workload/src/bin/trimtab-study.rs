//! `cargo xtask study NAME`: a study of `docs/studies/`, its figures written into its page from the shared data.

use clap::Parser;
use std::process::ExitCode;
use workload::study::{Arguments, study};

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "its result")]
fn main() -> ExitCode {
    match study(&Arguments::parse()) {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
