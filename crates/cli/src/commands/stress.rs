//! `trimtab stress`.

use super::Outcome;
use super::margin::{check_plot, parameters, read, refused};
use crate::args::{Moves, StickyArg, Stress};
use crate::failure::Failure;
use crate::files;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render;
use crate::terminal::Terminal;
use ::backtest::portfolio::{Market, Request, StressRequest, StressRow, stress};
use ::backtest::report;
use pricing::surface::Sticky;
use risk::scenario::NamedStress;
use std::path::{Path, PathBuf};
use units::Timestamp;

/// A stress has a dozen lines.
const STRESS_BYTES_MAX: usize = 1 << 20;
/// The picture's moves where none are asked for.
const SPOTS: [f64; 9] = [-0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4];
const VOLS: [f64; 5] = [-0.5, -0.25, 0.0, 0.5, 1.0];

pub(super) fn run(args: &Stress, terminal: &Terminal) -> Result<Outcome, Failure> {
    check_plot(args.plot.as_deref(), args.force)?;
    let mut stresses = NamedStress::all();
    for file in &args.stress {
        stresses.push(own(file)?);
    }
    let Some(mut book) = read(&args.portfolio, terminal)? else { return Ok(Outcome::Refused) };
    let mut notes = Vec::new();
    if let Some(at) = args.at {
        let Some(market) = market(&args.market, at, terminal)? else { return Err(Failure::interrupted()) };
        match book.at_market(&market, args.max_age) {
            Ok(told) => notes = told,
            Err(wrong) => return Ok(refused(&args.portfolio, &wrong, terminal)),
        }
    }
    let asked = StressRequest {
        request: Request { parameters: parameters(args.parameters.as_deref())?, max_age: Some(args.max_age) },
        stresses,
        grid: grid(args),
        sticky: match args.sticky {
            StickyArg::Strike => Sticky::Strike,
            StickyArg::Moneyness => Sticky::Moneyness,
        },
    };
    let mut view = match stress(&book, &asked) {
        Ok(view) => view,
        Err(wrong) => return Ok(refused(&args.portfolio, &wrong, terminal)),
    };
    view.notes.splice(0..0, notes);
    render::stress::show(&view, args.explain, terminal);
    if let Some(plot) = &args.plot {
        match report::stress_svg(&view) {
            Some(picture) => {
                files::write(plot, picture.as_bytes(), args.force)?;
                terminal.result(format_args!("  wrote {}       next: open it in a browser", plot.display()));
            }
            None => terminal.note("no picture was written: there is no grid"),
        }
    } else {
        let more = if args.explain { "--plot stress.svg" } else { "--explain" };
        let market = args.at.map_or(String::new(), |at| {
            let tapes: Vec<String> =
                args.market.iter().map(|tape| format!(" --market {}", files::word(tape))).collect();
            format!("{} --at {at}", tapes.concat())
        });
        terminal.result(format_args!("  next: trimtab stress {}{market} {more}", files::word(&args.portfolio)));
    }
    let under = |row: &StressRow| row.after.iter().any(|after| after.is_liquidated == Some(true));
    Ok(if view.stresses.iter().any(under) { Outcome::Negative } else { Outcome::Done })
}

/// A stress of the user's own.
fn own(file: &Path) -> Result<NamedStress, Failure> {
    let text = files::read_text(file, STRESS_BYTES_MAX, "stress")?;
    NamedStress::parse(&text).map_err(|error| {
        Failure::input(format_args!("`{}`: {error}", file.display())).hint("docs/risk.md says how a stress is written")
    })
}

/// The market of a moment; `None`: stopped by the user.
pub(super) fn market(tapes: &[PathBuf], at: Timestamp, terminal: &Terminal) -> Result<Option<Market>, Failure> {
    let cooperation = Cooperation::begin();
    let mut meter = Meter::new(terminal, "reading", "rows");
    let mut progress = |done, total| {
        meter.at(done, total, || files::name(&tapes[0]));
        !cooperation.is_over()
    };
    Market::read(tapes, at, &mut progress).map_err(super::backtest::failure)
}

/// The grid that is asked for; a picture has one in any case.
fn grid(args: &Stress) -> Option<(Vec<f64>, Vec<f64>)> {
    let of = |moves: &Option<Moves>| moves.as_ref().map(|Moves(moves)| moves.clone());
    match (of(&args.spot), of(&args.vol)) {
        (None, None) if args.plot.is_none() => None,
        (None, None) => Some((SPOTS.to_vec(), VOLS.to_vec())),
        (spots, vols) => Some((spots.unwrap_or_else(|| SPOTS.to_vec()), vols.unwrap_or_else(|| vec![0.0]))),
    }
}
