//! `trimtab plan`.

use super::{Outcome, backtest, check};
use crate::args::Plan;
use crate::failure::Failure;
use crate::files;
use crate::render::plan;
use crate::terminal::Terminal;
use ::backtest::Error;
use std::path::Path;

/// A state of thousands of positions is smaller.
const STATE_BYTES_MAX: usize = 16 << 20;

pub(super) fn run(args: &Plan, terminal: &Terminal) -> Result<Outcome, Failure> {
    let Some(policy) = check::accepted(&args.policy, &args.set, terminal)? else { return Ok(Outcome::Refused) };
    let state = read_state(&args.state)?;
    let answer = ::backtest::plan(&policy, &state).map_err(|error| failure(&args.state, error))?;
    terminal.json("plan", &plan::json(&answer));
    for line in plan::lines(&answer, terminal.width()) {
        terminal.result(line);
    }
    Ok(Outcome::Done)
}

/// The text of a state file.
pub(super) fn read_state(path: &Path) -> Result<String, Failure> {
    files::read_text(path, STATE_BYTES_MAX, "state")
}

/// What is wrong with a state, or with what is asked of it.
pub(super) fn failure(state: &Path, error: Error) -> Failure {
    match error {
        Error::State(message) => {
            let message = message.trim_start_matches("portfolio state: ");
            Failure::input(format_args!("`{}`: {message}", state.display())).hint(format_args!(
                "examples/state.json shows a state whole (schema {})",
                ::backtest::portfolio::SCHEMA
            ))
        }
        error => backtest::failure(error),
    }
}
