//! `trimtab sweep`.

use super::{Outcome, backtest, check};
use crate::args::{Set, Sweep};
use crate::failure::Failure;
use crate::files;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render;
use crate::settings::Settings;
use crate::terminal::Terminal;
use crate::whole::{Whole, shown};
use ::backtest::sweep::{self, Request, Setting};
use ::backtest::{Error, Share};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

/// Settings with errors that are shown whole.
const SHOWN: usize = 3;

pub(super) fn run(args: &Sweep, settings: &Settings, terminal: &Terminal) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let Some(text) = check::accepted(&args.policy, &Set::default(), terminal)? else { return Ok(Outcome::Refused) };
    let count = args.axes.iter().try_fold(1_usize, |count, axis| count.checked_mul(axis.values.len()));
    let Some(count) = count.filter(|count| *count <= sweep::RUNS_MAX) else {
        return Err(Failure::input(format_args!("more than {} runs are no sweep", sweep::RUNS_MAX))
            .hint("take fewer values; coarse first, then finer around what holds up"));
    };
    let mut paths = BTreeSet::new();
    if let Some(twice) = args.axes.iter().find(|axis| !paths.insert(axis.path.as_str())) {
        return Err(Failure::input(format_args!("`{}` is set twice", twice.path))
            .hint(format_args!("give its values at once: `--set {}=A,B`", twice.path)));
    }
    let variants = sweep::settings(&text, &args.axes).map_err(|error| {
        Failure::input(error).hint("keys are those of the policy: `trimtab check POLICY -v` prints all of them")
    })?;
    if !accepted(&args.policy, &variants, args, terminal) {
        return Ok(Outcome::Refused);
    }
    let out = settings.out_for(args.out.as_ref(), &args.policy, "-sweep")?;
    check_out(&out, args.force)?;
    let tapes = settings.tapes_for(&args.tape)?;
    backtest::refuse_twice(&tapes)?;
    let request = Request {
        policy_file: shown(&args.policy),
        policy_text: text,
        axes: args.axes.clone(),
        tapes,
        program: backtest::program(),
        split: args.split,
        by: args.by.into(),
        threads: settings.threads_for(args.threads),
    };
    let cooperation = Cooperation::begin();
    let mut meter = Meter::counting(terminal, "sweeping");
    let done = sweep::sweep(&request, &mut |share| step(&mut meter, share, &cooperation)).map_err(backtest::failure)?;
    drop(meter);
    done.write(&out, args.force).map_err(backtest::failure)?;
    render::sweep::show(&done, &out, terminal);
    terminal.result(format_args!(
        "  wrote {}   {count} runs, each beside its twin, in {:.1} s       next: {}",
        out.display(),
        started.elapsed().as_secs_f64(),
        next(&done, &out)
    ));
    Ok(Outcome::Done)
}

/// Shows how far parallel work is and when it will be done, and stops at Ctrl-C.
pub(super) fn step(meter: &mut Meter<'_>, share: Share, cooperation: &Cooperation) -> ControlFlow<()> {
    meter.share(share.done, || format!("{} of {} runs", share.finished, share.count));
    if cooperation.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Whether every setting makes a policy without errors; else says which do not, at their place, before anything runs.
fn accepted(path: &Path, settings: &[Setting], args: &Sweep, terminal: &Terminal) -> bool {
    let mut bad = 0;
    let mut told = BTreeSet::new();
    for setting in settings {
        let parsed = ::backtest::parse(&setting.text);
        if parsed.policy.is_some() {
            continue;
        }
        bad += 1;
        // The same fault of one value comes back in every combination with it.
        let fault: Vec<String> = parsed.diagnostics.iter().map(|found| found.message.clone() + &found.label).collect();
        if told.len() < SHOWN && told.insert(fault) {
            terminal.finding(format_args!("with --set {}:", setting.name(&args.axes)));
            check::findings(&Whole::of(path, &setting.text), &parsed.diagnostics, terminal, check::Place::Note);
        }
    }
    if bad > 0 {
        let all = settings.len();
        terminal.note(format_args!("{bad} of {all} settings make no valid policy: nothing was run"));
    }
    bad == 0
}

fn check_out(out: &Path, force: bool) -> Result<(), Failure> {
    if out.is_file() {
        return Err(Failure::input(format_args!("`{}` is a file; a sweep is a folder", out.display()))
            .hint("choose another name"));
    }
    match ::backtest::check_free_sweep(out, force) {
        Err(Error::NotARun { path, .. }) => Err(Failure::input(format_args!(
            "`{}` holds something else than a sweep; `--force` replaces only a sweep",
            path.display()
        ))
        .hint("name another folder")),
        Err(Error::NotEmpty(path)) => Err(Failure::input(format_args!("`{}` is not empty", path.display()))
            .hint("name another folder, or replace the sweep with `--force`")),
        checked => checked.map_err(backtest::failure),
    }
}

fn next(done: &sweep::Sweep, out: &Path) -> String {
    let file = if done.request.axes.len() == 2 { "heatmap.svg" } else { "results.csv" };
    format!("open {}", files::word(out.join(file)))
}
