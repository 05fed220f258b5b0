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
    if let Some(plot) = args.plot.as_ref().filter(|plot| plot.extension().is_none_or(|end| end != "svg")) {
        return Err(Failure::input(format_args!("`{}` is no name of a picture", plot.display()))
            .hint("pictures are SVG: name a file that ends in `.svg`"));
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
        files::write(file, report::growth_svg(&pages).as_bytes(), args.force)?;
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
    paths.iter().map(|path| files::word(path)).collect::<Vec<_>>().join(" ")
}
