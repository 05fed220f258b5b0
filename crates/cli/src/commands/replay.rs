//! `trimtab replay --verify`.

use super::{Outcome, backtest};
use crate::args::Replay;
use crate::failure::Failure;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render::summary::short;
use crate::terminal::{ERROR, Terminal};
use ::backtest::Verification;
use serde::Serialize;
use std::path::Path;
use units::show::{self, Style};

#[derive(Serialize)]
struct Line<'a> {
    run: &'a Path,
    same: bool,
    difference: Option<&'a str>,
    inputs: u64,
    chain: &'a str,
    state: &'a str,
}

pub(super) fn run(args: &Replay, terminal: &Terminal) -> Result<Outcome, Failure> {
    let folder = backtest::run_folder(&args.run);
    backtest::exists(&folder)?;
    let cooperation = Cooperation::begin();
    let verified = {
        let mut meter = Meter::new(terminal, "replaying", "rows");
        ::backtest::verify(&folder, &mut |progress| backtest::step(&mut meter, progress, &cooperation))
    };
    let verification = verified.map_err(backtest::failure)?;
    let Verification { difference, inputs, chain, state } = &verification;
    let same = difference.is_none();
    // A folder that cannot be written to is compared all the same.
    if let Err(error) = ::backtest::keep_replay(&folder, same) {
        terminal.note(format_args!("a report of it will not tell of this replay: {error}"));
    }
    terminal.json(
        "verification",
        &Line { run: &folder, same, difference: difference.as_deref(), inputs: *inputs, chain, state },
    );
    if *inputs > 0 {
        terminal.result(format_args!(
            "  replayed  {} inputs   chain {}   state {}",
            show::count(*inputs, Style::Terminal),
            short(chain),
            short(state)
        ));
    }
    terminal.detail(format_args!("  chain     {chain}\n  state     {state}"));
    match difference {
        None => {
            terminal.result(format_args!("  same      every input, fill, plan and hash of {}", args.run.display()));
            Ok(Outcome::Done)
        }
        Some(difference) => {
            terminal.product(format_args!("  {ERROR}differs{ERROR:#}   {difference}"));
            Ok(Outcome::Negative)
        }
    }
}
