//! Arguments of `trimtab objectives`.

use crate::settings::THREADS;
use clap::{ArgAction, Args};
use std::path::PathBuf;

pub(super) const OBJECTIVES: &str = "\
EXAMPLES
  trimtab objectives examples/objectives/trend.toml -o trend.toml
  trimtab objectives examples/objectives/trend.toml --tape btc.tape \\
      --tape eth.tape -o trend.toml       measured, and put to the test
  trimtab objectives wanted.toml | trimtab check -
  trimtab objectives wanted.toml --json   numbers and reasons for a program

A file of objectives is short (docs/objectives.md):

  objectives = 1
  name = \"btc-trend\"
  instrument = \"binance:BTCUSDT-PERP\"
  style = \"trend\"
  horizon = \"365d\"
  worst_drawdown = \"20%\"
  probability = \"5%\"

The policy goes to standard output, or to the file of `-o`. With tapes the
volatility and the correlation are measured on them, the policy is run over
them, and futures are drawn from its days: how many of them break the drawdown
stands beside what was asked. Exit code 1 if more do, 2 if the objectives are
wrong or cannot all hold.";

#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// The objectives; `-` reads them from standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A tape to measure and to test on; give it once for each tape
    #[arg(long, value_name = "TAPE", action = ArgAction::Append)]
    pub(crate) tape: Vec<PathBuf>,
    /// The policy file to write
    #[arg(short, long = "out", value_name = "POLICY")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the policy if it exists
    #[arg(long)]
    pub(crate) force: bool,
    /// Threads; as many as there are cores if not given. No result depends on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(THREADS))]
    pub(crate) threads: Option<u16>,
}
