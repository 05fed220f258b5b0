//! `trimtab next`.

use super::plan::read_state;
use super::{Outcome, backtest, check, plan};
use crate::args::Next;
use crate::failure::Failure;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render::next;
use crate::terminal::Terminal;
use ::backtest::{Question, next_of_state};
use std::path::Path;

pub(super) fn run(args: &Next, terminal: &Terminal) -> Result<Outcome, Failure> {
    if let Some(state) = &args.state {
        return of_state(args, state, terminal);
    }
    let run = backtest::open(&args.run)?;
    let cooperation = Cooperation::begin();
    let mut meter = Meter::new(terminal, "replaying", "rows");
    let (strategy, instrument) = (args.strategy.as_deref(), args.instrument.as_deref());
    let question = Question { at: args.at, strategy, instrument, what_if: &args.what_if, set: &args.set.values };
    let found = run
        .next(&question, &mut |progress| backtest::step(&mut meter, progress, &cooperation))
        .map_err(backtest::failure)?;
    drop(meter);
    show(&found, terminal);
    Ok(Outcome::Done)
}

/// Of a policy and a portfolio's state.
fn of_state(args: &Next, state: &Path, terminal: &Terminal) -> Result<Outcome, Failure> {
    let Some(policy) = check::accepted(&args.run, &args.set, terminal)? else { return Ok(Outcome::Refused) };
    let found =
        next_of_state(&policy, &read_state(state)?, &args.what_if).map_err(|error| plan::failure(state, error))?;
    show(&found, terminal);
    Ok(Outcome::Done)
}

fn show(found: &::backtest::Next, terminal: &Terminal) {
    terminal.json("next", &next::json(found));
    for line in next::lines(found, terminal.width(), terminal.is_verbose()) {
        terminal.result(line);
    }
}
