//! `trimtab surface`.

use super::Outcome;
use crate::args::Surface;
use crate::failure::Failure;
use crate::files;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render;
use crate::terminal::{Terminal, WARNING};
use ::backtest::report;
use ::backtest::surface::{Found, SurfaceView, surfaces};
use units::show::{self, Style};
use units::{Duration, Timestamp};

pub(super) fn run(args: &Surface, terminal: &Terminal) -> Result<Outcome, Failure> {
    args.picture.check()?;
    if let (Some(since), Some(at)) = (args.since, args.at)
        && since >= at
    {
        let text = format_args!("`--since` {} is not before `--at` {}", show::time(since), show::time(at));
        return Err(Failure::input(text).hint("name the earlier moment with `--since`"));
    }
    let cooperation = Cooperation::begin();
    let mut meter = Meter::new(terminal, "reading", "rows");
    let mut progress = |done, total| {
        meter.at(done, total, || files::name(&args.tapes[0]));
        !cooperation.is_over()
    };
    let found = surfaces(&args.tapes, args.at, args.underlying, &mut progress).map_err(super::backtest::failure)?;
    drop(meter);
    let Some(mut found) = found else { return Err(Failure::interrupted()) };
    if found.surfaces.is_empty() {
        return Err(nothing(args, &found));
    }
    leave_out_old(args, &mut found, terminal)?;
    if let Some(since) = args.since {
        let earlier = surfaces(&args.tapes, Some(since), args.underlying, &mut |_, _| !cooperation.is_over())
            .map_err(super::backtest::failure)?;
        let Some(earlier) = earlier else { return Err(Failure::interrupted()) };
        if let (true, Some(first)) = (earlier.surfaces.is_empty(), earlier.first) {
            return Err(none_until(args, since, first).hint("name a later time with `--since`"));
        }
        found.surfaces.iter_mut().for_each(|view| view.compare(&earlier.surfaces, since, args.max_age));
    }
    for (at, view) in found.surfaces.iter().enumerate() {
        if at > 0 {
            terminal.result("");
        }
        render::surface::show(view, terminal);
    }
    let is_drawn = found.surfaces.iter().any(|view| view.refusal.is_none());
    let picture = || if is_drawn { Ok(report::surface_svg(&found.surfaces)) } else { Err("there is no smile to draw") };
    if !args.picture.write(picture, terminal)? && is_drawn {
        let tapes: Vec<String> = args.tapes.iter().map(files::word).collect();
        let at = args.at.map_or(String::new(), |at| format!(" --at {at}"));
        let which = args.underlying.map_or(String::new(), |underlying| format!(" --underlying {underlying}"));
        terminal.result(format_args!("  next: trimtab surface {}{at}{which} --plot surface.svg", tapes.join(" ")));
    }
    let is_whole =
        |view: &SurfaceView| view.is_sound() && view.since.as_ref().is_none_or(|since| since.refusal.is_none());
    Ok(if found.surfaces.iter().all(is_whole) { Outcome::Done } else { Outcome::Negative })
}

/// What is said where the first quote came after the moment that is asked about.
fn none_until(args: &Surface, at: Timestamp, first: Timestamp) -> Failure {
    let of = args.underlying.map_or(String::new(), |underlying| format!(" on {underlying}"));
    let (at, first) = (show::time(at), show::time(first));
    Failure::input(format_args!("no option{of} was quoted until {at}: the first quote came at {first}"))
}

/// Takes out the chains whose last quotes are too old for the moment that is asked about; it is refused where that is all of them.
fn leave_out_old(args: &Surface, found: &mut Found, terminal: &Terminal) -> Result<(), Failure> {
    let Some(at) = args.at else { return Ok(()) };
    let is_old = |view: &SurfaceView| at.since(view.at) > args.max_age;
    let told = |view: &SurfaceView| {
        let SurfaceView { venue, underlying, settle, .. } = view;
        let (age, asked) = (show::duration(at.since(view.at), Style::Terminal), show::time(at.floor(Duration::SECOND)));
        format!("the last quotes of {underlying} options at {venue}, in {settle}, came {age} before {asked}")
    };
    let Some(last) = found.surfaces.iter().max_by_key(|view| view.at).filter(|last| is_old(last)) else {
        for old in found.surfaces.extract_if(.., |view| is_old(view)) {
            terminal.note(format_args!("{WARNING}warning{WARNING:#}: left out: {}", told(&old)));
        }
        return Ok(());
    };
    // Rounded up, so that it can be typed and is enough.
    let last_at = (last.at + Duration::SECOND).floor(Duration::SECOND);
    let days = at.since(last.at).nanos() / Duration::DAY.nanos() + 1;
    let longest = show::duration(args.max_age, Style::Terminal);
    Err(Failure::input(format_args!("{}: over {longest}", told(last)))
        .hint(format_args!("ask with `--at {last_at}`, or let them be that old with `--max-age {days}d`")))
}

/// Why there is no surface at all, and what to do.
fn nothing(args: &Surface, found: &Found) -> Failure {
    let known: Vec<&str> = found.underlyings.iter().map(String::as_str).collect();
    if known.is_empty() {
        return Failure::input("the tapes list no options")
            .hint("`trimtab import options FILE -o TAPE` makes a tape of a recorded chain");
    }
    if let Some(coin) = args.underlying.filter(|coin| !known.contains(&coin.as_str())) {
        let known = known.join(" and ");
        return Failure::input(format_args!("the tapes list no options on `{coin}`, but on {known}")).hint(
            format_args!("`--underlying {}`, or leave it out for all", known.replace(" and ", "` or `--underlying ")),
        );
    }
    let of = args.underlying.map_or(String::new(), |underlying| format!(" on {underlying}"));
    match (args.at, found.first) {
        (Some(at), Some(first)) => {
            none_until(args, at, first).hint("name a later time with `--at`, or leave it out for the end of the tapes")
        }
        _ => Failure::input(format_args!("the tapes list options{of}, but have no quotes of any"))
            .hint("`trimtab tape info TAPE` says what a tape holds"),
    }
}
