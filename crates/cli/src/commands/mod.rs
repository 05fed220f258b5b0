//! One file a command; here they are told apart and nothing else.

mod check;
mod completions;
mod import;
mod init;
mod man;
mod tape;

use crate::args::Command;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// How a command that ran to its end came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done.
    Done,
    /// Ran, with a negative finding.
    Negative,
    /// The input is wrong, and all of it has been said.
    Refused,
}

pub(crate) fn run(command: &Command, terminal: &Terminal) -> Result<Outcome, Failure> {
    match command {
        Command::Init(args) => init::run(args, terminal),
        Command::Check(args) => check::run(args, terminal),
        Command::Import(args) => import::run(args, terminal),
        Command::Tape(args) => tape::run(args, terminal),
        Command::Completions(args) => completions::run(args, terminal),
        Command::Man(args) => man::run(args, terminal),
        _ => Err(Failure::input("not there yet")),
    }
}
