//! `trimtab compare`.

use super::{Outcome, backtest};
use crate::args::Compare;
use crate::failure::Failure;
use crate::files;
use crate::render;
use crate::terminal::Terminal;
use ::backtest::report;

pub(super) fn run(args: &Compare, terminal: &Terminal) -> Result<Outcome, Failure> {
    for file in [&args.output, &args.plot].into_iter().flatten() {
        files::refuse_existing(file, args.force)?;
    }
    let ends = |plot: &std::path::Path, with: &str| plot.extension().is_some_and(|end| end == with);
    if let Some(plot) = args.plot.as_ref().filter(|plot| !ends(plot, "svg") && !ends(plot, "html")) {
        return Err(Failure::input(format_args!("`{}` is no name of a picture", plot.display()))
            .hint("name a file that ends in `.svg`, or in `.html` for a page with the picture alone"));
    }
    let runs = args.runs.iter().map(|path| backtest::open(path)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = args.runs.iter().map(|path| files::name(path)).collect();
    let pages: Vec<report::RunSummary> = runs.iter().map(::backtest::Run::summary).collect();
    let mut wrote = Vec::new();
    if let Some(file) = &args.output {
        files::write(file, report::comparison(&runs, &names).as_bytes(), args.force)?;
        wrote.push(file);
    }
    if let Some(file) = &args.plot {
        let picture = if ends(file, "html") { report::growth_html(&pages) } else { report::growth_svg(&pages) };
        files::write(file, picture.as_bytes(), args.force)?;
        wrote.push(file);
    }
    render::compare::show(&args.runs, &names, &runs, &pages, terminal);
    let next = match wrote.as_slice() {
        [] => format!("  next: trimtab compare {} -o compared.html", shown(&args.runs)),
        files => format!("  wrote {}       next: open it in a browser", shown(files)),
    };
    terminal.result(next);
    Ok(Outcome::Done)
}

fn shown(paths: &[impl AsRef<std::path::Path>]) -> String {
    paths.iter().map(files::word).collect::<Vec<_>>().join(" ")
}
