//! `trimtab margin`.

use super::Outcome;
use crate::args::Margin;
use crate::failure::Failure;
use crate::files;
use crate::render;
use crate::terminal::Terminal;
use ::backtest::portfolio::{Book, MarginView, Request, Wrong, margin, portfolio_schema};
use ::backtest::report;
use std::path::Path;
use units::Duration;

/// A portfolio of thousands of positions is smaller.
const PORTFOLIO_BYTES_MAX: usize = 16 << 20;
/// The largest shipped one has four kilobytes.
const PARAMETERS_BYTES_MAX: usize = 4 << 20;

pub(super) fn run(args: &Margin, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (Some(file), Some(venue)) = (&args.portfolio, &args.venue) else {
        terminal.stream(|out| out.write_all(portfolio_schema().as_bytes()));
        return Ok(Outcome::Done);
    };
    args.picture.check()?;
    let parameters = parameters(args.parameters.as_deref())?;
    let request = Request { parameters, max_age: args.max_age, participation: args.participation };
    let views = match Book::read_and(&text(file)?, |book| margin(book, venue, &request)) {
        Ok((_, views)) => views,
        Err(wrong) => return Ok(refused(file, &wrong, terminal)),
    };
    for (at, view) in views.iter().enumerate() {
        if at > 0 {
            terminal.result("");
        }
        render::margin::show(view, args.explain, terminal);
    }
    let none = "no coin has a price that margin depends on";
    if !args.picture.write(|| report::margin_svg(&views).ok_or(none), terminal)? {
        let more = if args.explain { " --plot margin.svg" } else { " --explain" };
        let own = args.parameters.as_ref().map(|file| format!(" --parameters {}", files::word(file)));
        let age = args.max_age.map(|age| format!(" --max-age {}", span(age)));
        let part = args.participation.map(|part| format!(" --participation {}%", (part * 1e8).round() / 1e6));
        let kept = [own, age, part].into_iter().flatten().collect::<String>();
        terminal.result(format_args!("  next: trimtab margin {} --venue {venue}{kept}{more}", files::word(file)));
    }
    let under = |view: &MarginView| {
        view.headroom.value.is_some_and(|headroom| headroom < 0.0)
            || view.positions.iter().any(|position| position.is_liquidated == Some(true))
    };
    Ok(if views.iter().any(under) { Outcome::Negative } else { Outcome::Done })
}

/// A span as the command line takes it.
pub(super) fn span(span: Duration) -> String {
    let units = [("d", Duration::DAY), ("h", Duration::HOUR), ("m", Duration::MINUTE), ("s", Duration::SECOND)];
    let whole = units.into_iter().find(|(_, unit)| span.nanos() % unit.nanos() == 0);
    let (name, unit) = whole.unwrap_or(("ms", Duration::from_nanos(1_000_000)));
    format!("{}{name}", span.nanos() / unit.nanos())
}

/// The text of a portfolio.
pub(super) fn text(file: &Path) -> Result<String, Failure> {
    match file.as_os_str() == "-" {
        true => files::read_stdin(PORTFOLIO_BYTES_MAX, "portfolio"),
        false => files::read_text(file, PORTFOLIO_BYTES_MAX, "portfolio"),
    }
}

/// The portfolio of a file; `None`: all that is wrong with it has been said.
pub(super) fn read(file: &Path, terminal: &Terminal) -> Result<Option<Book>, Failure> {
    match Book::read(&text(file)?) {
        Ok(book) => Ok(Some(book)),
        Err(wrong) => {
            refused(file, &wrong, terminal);
            Ok(None)
        }
    }
}

/// The user's own parameters.
pub(super) fn parameters(file: Option<&Path>) -> Result<Option<String>, Failure> {
    file.map(|file| files::read_text(file, PARAMETERS_BYTES_MAX, "parameter file")).transpose()
}

/// Says all that is wrong, each with its place and what to do.
pub(super) fn refused(file: &Path, wrong: &[Wrong], terminal: &Terminal) -> Outcome {
    for Wrong { path, what, remedy } in wrong {
        let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
        terminal.failure(&Failure::input(format_args!("`{}`: {place}{what}", file.display())).hint(remedy));
    }
    Outcome::Refused
}
