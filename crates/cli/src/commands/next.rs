//! `trimtab next`.

use super::{Outcome, backtest};
use crate::args::Next;
use crate::failure::Failure;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render::next;
use crate::terminal::Terminal;
use ::backtest::Question;

pub(super) fn run(args: &Next, terminal: &Terminal) -> Result<Outcome, Failure> {
    let run = backtest::open(&args.run)?;
    let cooperation = Cooperation::begin();
    let mut meter = Meter::new(terminal, "replaying", "rows");
    let (strategy, instrument) = (args.strategy.as_deref(), args.instrument.as_deref());
    let found = run
        .next(&Question { at: args.at, strategy, instrument, what_if: &args.what_if }, &mut |progress| {
            backtest::step(&mut meter, progress, &cooperation)
        })
        .map_err(backtest::failure)?;
    drop(meter);
    terminal.json("next", &next::json(&found));
    for line in next::lines(&found, &run.record, terminal.width(), terminal.is_verbose()) {
        terminal.result(line);
    }
    Ok(Outcome::Done)
}
