//! `trimtab stress`.

use super::Outcome;
use super::margin::{parameters, read, refused, span, text};
use crate::args::{Moves, StickyArg, Stress};
use crate::failure::Failure;
use crate::files;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render;
use crate::terminal::Terminal;
use ::backtest::portfolio::{AfterView, Book, Market, Request, StressRequest, stress};
use ::backtest::report;
use pricing::surface::Sticky;
use risk::scenario::NamedStress;
use std::path::{Path, PathBuf};
use units::{Duration, Timestamp};

/// A stress has a dozen lines.
const STRESS_BYTES_MAX: usize = 1 << 20;
/// The picture's moves where none are asked for.
const SPOTS: [f64; 9] = [-0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4];
const VOLS: [f64; 5] = [-0.5, -0.25, 0.0, 0.5, 1.0];

pub(super) fn run(args: &Stress, terminal: &Terminal) -> Result<Outcome, Failure> {
    args.picture.check()?;
    let mut stresses = NamedStress::all();
    for file in &args.stress {
        let own = own(file)?;
        if stresses.iter().any(|known| known.name == own.name) {
            let what = format!("`{}`: a stress called `{}` is there already", file.display(), own.name);
            return Err(
                Failure::input(what).hint("give each file once, and name what it says (`text,name,,…`) as no other is")
            );
        }
        stresses.push(own);
    }
    let asked = StressRequest {
        request: Request {
            parameters: parameters(args.parameters.as_deref())?,
            max_age: Some(args.max_age),
            participation: None,
        },
        stresses,
        grid: grid(args),
        sticky: match args.sticky {
            StickyArg::Strike => Sticky::Strike,
            StickyArg::Moneyness => Sticky::Moneyness,
        },
    };
    let view = if let Some(at) = args.at {
        let Some(mut book) = read(&args.portfolio, terminal)? else { return Ok(Outcome::Refused) };
        let Some(market) = market(&args.market, at, terminal)? else { return Err(Failure::interrupted()) };
        let told = book.at_market(&market, args.max_age).and_then(|notes| {
            let mut view = stress(&book, &asked)?;
            view.notes.splice(0..0, notes);
            Ok(view)
        });
        match told {
            Ok(view) => view,
            Err(wrong) => return Ok(refused(&args.portfolio, &wrong, terminal)),
        }
    } else {
        match Book::read_and(&text(&args.portfolio)?, |book| stress(book, &asked)) {
            Ok((_, view)) => view,
            Err(wrong) => return Ok(refused(&args.portfolio, &wrong, terminal)),
        }
    };
    render::stress::show(&view, args.explain, terminal);
    if !args.picture.write(|| report::stress_svg(&view).ok_or("there is no grid"), terminal)? {
        let more = if args.explain { "--plot stress.svg" } else { "--explain" };
        terminal.result(format_args!("  next: trimtab stress {}{} {more}", files::word(&args.portfolio), kept(args)));
    }
    if view.has_no_margin() {
        let what = format!("`{}`: no margin of any account could be computed", args.portfolio.display());
        terminal.failure(
            &Failure::input(what)
                .hint("the reasons stand above: mend the rows, or leave out `venue` if profits alone are asked for"),
        );
        return Ok(Outcome::Refused);
    }
    let mut after = view.stresses.iter().flat_map(|row| &row.after).chain(&view.now);
    Ok(if after.any(AfterView::is_under) { Outcome::Negative } else { Outcome::Done })
}

/// The flags that were given, but those of output.
fn kept(args: &Stress) -> String {
    let files = |flag: &str, files: &[PathBuf]| -> String {
        files.iter().map(|file| format!(" --{flag} {}", files::word(file))).collect()
    };
    let moves = |flag: &str, moves: &Option<Moves>| {
        let told = moves.as_ref().map(|moves| format!(" --{flag} {}", files::word(&moves.text)));
        told.unwrap_or_default()
    };
    let mut told = files("market", &args.market);
    told += &args.at.map(|at| format!(" --at {at}")).unwrap_or_default();
    if args.max_age != Duration::HOUR {
        told += &format!(" --max-age {}", span(args.max_age));
    }
    told += &files("stress", &args.stress);
    told += &moves("spot", &args.spot);
    told += &moves("vol", &args.vol);
    if args.sticky == StickyArg::Strike {
        told += " --sticky strike";
    }
    told + &files("parameters", args.parameters.as_slice())
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
    let of = |moves: &Option<Moves>| moves.as_ref().map(|moves| moves.moves.clone());
    match (of(&args.spot), of(&args.vol)) {
        (None, None) if args.picture.plot.is_none() => None,
        (None, None) => Some((SPOTS.to_vec(), VOLS.to_vec())),
        (spots, vols) => Some((spots.unwrap_or_else(|| SPOTS.to_vec()), vols.unwrap_or_else(|| vec![0.0]))),
    }
}
