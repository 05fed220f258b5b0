//! `trimtab objectives`.

use super::{Outcome, backtest, check, margin};
use crate::args::Wanted;
use crate::failure::Failure;
use crate::files;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render;
use crate::settings::Settings;
use crate::terminal::Terminal;
use crate::whole::{Whole, shown};
use ::backtest::objectives::{Measured, PATHS, propose, prove};
use policy::objectives::Objectives;
use serde::Serialize;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use units::show::{self, Style};

/// What a program reads.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    proposal: &'a ::backtest::objectives::Proposal,
    policy: &'a str,
}

pub(super) fn run(args: &Wanted, settings: &Settings, terminal: &Terminal) -> Result<Outcome, Failure> {
    if let Some(output) = &args.output {
        files::refuse_existing(output, args.force)?;
        if let (Ok(from), Ok(to)) = (args.file.canonicalize(), output.canonicalize())
            && from == to
        {
            return Err(Failure::input(format_args!("`{}` is the file of the objectives itself", output.display()))
                .hint("choose another name for the policy"));
        }
    }
    backtest::refuse_twice(&args.tape)?;
    let text = match args.file == Path::new("-") {
        true => files::read_stdin(policy::TEXT_BYTES_MAX, "file of objectives")?,
        false => files::read_text(&args.file, policy::TEXT_BYTES_MAX, "file of objectives")?,
    };
    let read = policy::objectives::parse(&text);
    let whole = Whole::of(&args.file, &text);
    check::findings(&whole, &read.diagnostics, terminal, check::Place::Note);
    let Some(wanted) = read.objectives else { return Ok(refused(args, terminal)) };
    let measured = match measure(args, &wanted, terminal)? {
        Ok(measured) => measured,
        Err(outcome) => return Ok(outcome),
    };
    let mut proposal = match propose(&wanted, measured.as_ref()) {
        Ok(proposal) => proposal,
        Err(found) => {
            check::findings(&whole, &found, terminal, check::Place::Note);
            return Ok(refused(args, terminal));
        }
    };
    if !args.tape.is_empty() {
        let cooperation = Cooperation::begin();
        // Two passes of running, then drawing: whichever goes on has the bar.
        let meter = RefCell::new(Meter::new(terminal, "running", "rows"));
        let threads = settings.threads_for(args.threads);
        let program = backtest::program();
        let proof = prove(
            &wanted,
            &proposal,
            &args.tape,
            (program.as_str(), threads),
            &mut |progress| backtest::step(&mut meter.borrow_mut(), progress, &cooperation),
            &mut |share| {
                let done = (share.done * PATHS as f64) as u64;
                meter.borrow_mut().share(share.done, || format!("{} paths", show::count(done, Style::Terminal)));
                if cooperation.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        drop(meter);
        proposal.proof = Some(proof.map_err(backtest::failure)?);
    }
    let policy = proposal.to_toml();
    terminal.json("objectives", &Told { proposal: &proposal, policy: &policy });
    match &args.output {
        Some(output) => {
            files::write(output, policy.as_bytes(), args.force)?;
            render::objectives::show(&proposal, terminal);
            terminal.result(format_args!("  wrote {0}       next: trimtab check {0}", files::word(output)));
        }
        None => terminal.product(policy.trim_end()),
    }
    let is_broken = proposal.proof.as_ref().is_some_and(::backtest::objectives::Proof::is_broken);
    if is_broken && args.output.is_none() {
        let said = proposal.proof.iter().flat_map(::backtest::objectives::Proof::sentences);
        said.for_each(|sentence| terminal.note(format_args!("  {}", render::wrap(&sentence, terminal.width(), 4))));
    }
    Ok(if is_broken { Outcome::Negative } else { Outcome::Done })
}

fn refused(args: &Wanted, terminal: &Terminal) -> Outcome {
    terminal.note(format_args!("{}: no policy was made", shown(&args.file)));
    Outcome::Refused
}

/// What tapes tell; none of them: nothing. Inside: what stands in the way has been said.
fn measure(
    args: &Wanted,
    wanted: &Objectives,
    terminal: &Terminal,
) -> Result<Result<Option<Measured>, Outcome>, Failure> {
    // Options are sized by their own volatility and by a jump, which need no past of the coin.
    if args.tape.is_empty() || wanted.style.sells_options() {
        return Ok(Ok(None));
    }
    let cooperation = Cooperation::begin();
    let mut meter = Meter::new(terminal, "measuring", "rows");
    let found = Measured::read(wanted, &args.tape, &mut |done, total| {
        meter.at(done, total, || files::name(&args.tape[0]));
        !cooperation.is_over()
    });
    drop(meter);
    match found.map_err(backtest::failure)? {
        None => Err(Failure::interrupted()),
        Some(Ok(measured)) => Ok(Ok(Some(measured))),
        Some(Err(wrong)) => Ok(Err(margin::refused(&args.tape[0], &[wrong], terminal))),
    }
}
