//! `trimtab ruin`.

use super::{Outcome, backtest, margin};
use crate::args::Ruin;
use crate::failure::Failure;
use crate::files;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render;
use crate::settings::Settings;
use crate::terminal::Terminal;
use ::backtest::report;
use ::backtest::ruin::RuinRequest;
use std::ops::ControlFlow;
use units::show::{self, Style};

pub(super) fn run(args: &Ruin, settings: &Settings, terminal: &Terminal) -> Result<Outcome, Failure> {
    margin::check_plot(args.plot.as_deref(), args.force)?;
    let run = backtest::open(&args.run)?;
    let request = RuinRequest {
        levels: args.level.clone(),
        horizon: args.horizon,
        step: args.step,
        paths: args.paths,
        seed: args.seed,
        block: args.block,
        floor: args.floor,
        multiple: args.multiple,
        threads: settings.threads_for(args.threads),
    };
    let cooperation = Cooperation::begin();
    let mut meter = Meter::counting(terminal, "drawing");
    let drawn = run.ruin(&request, &mut |share| {
        let done = (share.done * args.paths as f64) as u64;
        meter.share(share.done, || format!("{} paths", show::count(done, Style::Terminal)));
        if cooperation.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(meter);
    let view = drawn.map_err(backtest::failure)?;
    render::ruin::show(&view, terminal);
    let folder = files::word(&args.run);
    let next = match &args.plot {
        Some(plot) => {
            files::write(plot, report::ruin_svg(&view).as_bytes(), args.force)?;
            format!("  wrote {}       next: open it in a browser", plot.display())
        }
        None if args.floor.is_none() => format!("  next: trimtab ruin {folder} --floor 80%"),
        None => format!("  next: trimtab ruin {folder} --plot ruin.svg"),
    };
    terminal.result(next);
    Ok(Outcome::Done)
}
