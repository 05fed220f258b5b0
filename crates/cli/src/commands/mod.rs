//! One file a command; here they are told apart and nothing else.

mod audit;
mod backtest;
mod calculators;
mod check;
mod compare;
mod completions;
mod config;
mod demo;
mod explain;
mod facts;
mod format;
mod import;
mod init;
mod man;
mod margin;
mod next;
mod objectives;
mod plan;
mod replay;
mod report;
mod risk;
mod ruin;
mod stress;
mod surface;
mod sweep;
mod tape;

use crate::args::Command;
use crate::failure::Failure;
use crate::settings::Settings;
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

pub(crate) fn run(command: &Command, settings: &Settings, terminal: &Terminal) -> Result<Outcome, Failure> {
    match command {
        Command::Demo(args) => demo::run(args, terminal),
        Command::Init(args) => init::run(args, terminal),
        Command::Check(args) => check::run(args, terminal),
        Command::Objectives(args) => objectives::run(args, settings, terminal),
        Command::Facts(args) => facts::run(args, terminal),
        Command::Fmt(args) => format::run(args, terminal),
        Command::Import(args) => import::run(args, terminal),
        Command::Tape(args) => tape::run(args, terminal),
        Command::Backtest(args) => backtest::run(args, settings, terminal),
        Command::Sweep(args) => sweep::run(args, settings, terminal),
        Command::Compare(args) => compare::run(args, terminal),
        Command::Surface(args) => surface::run(args, terminal),
        Command::Explain(args) => explain::run(args, terminal),
        Command::Next(args) => next::run(args, terminal),
        Command::Replay(args) => replay::run(args, terminal),
        Command::Audit(args) => audit::run(args, terminal),
        Command::Report(args) => report::run(args, terminal),
        Command::Plan(args) => plan::run(args, terminal),
        Command::Margin(args) => margin::run(args, terminal),
        Command::Stress(args) => stress::run(args, terminal),
        Command::Risk(args) => risk::run(args, settings, terminal),
        Command::Ruin(args) => ruin::run(args, settings, terminal),
        Command::Price(args) => calculators::price(args, terminal),
        Command::Iv(args) => calculators::iv(args, terminal),
        Command::Config(_) => config::run(settings, terminal),
        Command::Completions(args) => completions::run(args, terminal),
        Command::Man(args) => man::run(args, terminal),
    }
}
