//! `trimtab ruin`.

use super::risk::{Flags, percent, span};
use super::{Outcome, backtest};
use crate::args::{PATHS, Ruin, SEED};
use crate::failure::Failure;
use crate::files;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render;
use crate::settings::Settings;
use crate::terminal::Terminal;
use ::backtest::bet::Bet;
use ::backtest::report;
use ::backtest::ruin::RuinRequest;
use std::ops::ControlFlow;
use units::Duration;
use units::show::{self, Style};

pub(super) fn run(args: &Ruin, settings: &Settings, terminal: &Terminal) -> Result<Outcome, Failure> {
    args.picture.check()?;
    let Some(path) = &args.run else { return bet(args, terminal) };
    let run = backtest::open(path)?;
    let request = RuinRequest {
        levels: args.levels(),
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
    let folder = files::word(path);
    if !args.picture.write(|| Ok(report::ruin_svg(&view)), terminal)? {
        let more = if args.floor.is_none() { " --floor 80%" } else { " --plot ruin.svg" };
        terminal.result(format_args!("  next: trimtab ruin {folder}{}{more}", asked(args)));
    }
    Ok(Outcome::Done)
}

/// What was asked, but for what is so anyway.
fn asked(args: &Ruin) -> String {
    let mut flags = Flags::default();
    let levels: Vec<String> = args.level.iter().map(|level| percent(*level)).collect();
    flags.add("level", Some(levels.join(",")).filter(|levels| !levels.is_empty()));
    flags.add("horizon", Some(span(args.horizon)).filter(|_| args.horizon.days() != 365.0));
    flags.add("step", Some(span(args.step)).filter(|_| args.step != Duration::DAY));
    flags.add("paths", Some(args.paths).filter(|paths| *paths != PATHS));
    flags.add("seed", Some(args.seed).filter(|seed| *seed != SEED));
    flags.add("block", args.block);
    flags.add("floor", args.floor.map(percent));
    flags.add("multiple", args.multiple);
    flags.0
}

/// A bet in place of a run.
fn bet(args: &Ruin, terminal: &Terminal) -> Result<Outcome, Failure> {
    if args.stake.is_none() && !args.level.is_empty() {
        return Err(Failure::input("`--level` says nothing of a bet without a stake")
            .hint("say what is staked each time, such as `--stake 1%`, or leave it out"));
    }
    let (win, odds) = (args.win.unwrap_or_default(), args.odds.unwrap_or(1.0));
    let bet = Bet { win, odds, bets: args.bets, stake: args.stake, target: args.target, levels: args.levels() };
    let view = bet.view().map_err(Failure::input)?;
    render::ruin::bet(&view, terminal);
    Ok(Outcome::Done)
}
