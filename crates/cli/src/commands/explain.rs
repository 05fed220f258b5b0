//! `trimtab explain`.

use super::{Outcome, backtest};
use crate::args::Explain;
use crate::failure::Failure;
use crate::render::explanation;
use crate::terminal::Terminal;

pub(super) fn run(args: &Explain, terminal: &Terminal) -> Result<Outcome, Failure> {
    let run = backtest::open(&args.run)?;
    let explained =
        run.explain(args.at, args.strategy.as_deref(), args.instrument.as_deref()).map_err(backtest::failure)?;
    if let Some(against) = args.against {
        let (strategy, instrument) = (Some(explained.strategy.as_str()), Some(explained.instrument.as_str()));
        let other = run.explain(against, strategy, instrument).map_err(backtest::failure)?;
        let both = [&explained, &other];
        terminal.json("plan_comparison", &explanation::compared_json(both, &run.record));
        for line in explanation::compared_lines(both, &run.record, terminal.width(), terminal.is_verbose()) {
            terminal.result(line);
        }
        return Ok(Outcome::Done);
    }
    terminal.json("explanation", &explanation::json(&explained, &run.record));
    for line in explanation::lines(&explained, &run.record, terminal.width(), terminal.is_verbose()) {
        terminal.result(line);
    }
    if explained.now.is_none() {
        terminal.note(
            "note: the tapes are not what the run was made from, so the rules were not evaluated at the instant itself",
        );
    }
    Ok(Outcome::Done)
}
