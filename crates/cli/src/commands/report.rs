//! `trimtab report`.

use super::{Outcome, backtest};
use crate::args::Report;
use crate::failure::Failure;
use crate::files;
use crate::terminal::Terminal;
use ::backtest::report::{LossRecord, loss_records};
use serde::Serialize;
use std::path::Path;
use units::show::{self, Style};

#[derive(Serialize)]
struct Line<'a> {
    run: &'a Path,
    file: Option<&'a Path>,
    /// Of the page, or else of the picture.
    bytes: usize,
    plot: Option<&'a Path>,
    /// Each fact of value at risk that rules read.
    losses: Vec<LossRecord<'a>>,
}

pub(super) fn run(args: &Report, terminal: &Terminal) -> Result<Outcome, Failure> {
    for file in [&args.output, &args.plot].into_iter().flatten() {
        files::refuse_existing(file, args.force)?;
    }
    if let Some(plot) = args.plot.as_ref().filter(|plot| plot.extension().is_none_or(|end| end != "svg")) {
        return Err(Failure::input(format_args!("`{}` is no name of a picture", plot.display()))
            .hint("name a file that ends in `.svg`"));
    }
    let run = backtest::open(&args.run)?;
    let summary = run.page();
    let page = args.output.as_ref().map(|file| (file, ::backtest::report::html(&summary)));
    let picture = args.plot.as_ref().map(|file| (file, ::backtest::report::run_svg(&summary)));
    let wrote: Vec<_> = [&page, &picture].into_iter().flatten().collect();
    for (file, text) in &wrote {
        files::write(file, text.as_bytes(), args.force)?;
    }
    let losses = if terminal.is_json() { loss_records(&summary) } else { Vec::new() };
    let bytes = wrote.first().map_or(0, |(_, text)| text.len());
    let (file, plot) = (args.output.as_deref(), args.plot.as_deref());
    terminal.json("report", &Line { run: &args.run, file, bytes, plot, losses });
    for (file, text) in wrote {
        let size = show::count(text.len().div_ceil(1024) as u64, Style::Terminal);
        terminal.result(format_args!("wrote {}   {size} KB       next: open it in a browser", file.display()));
    }
    Ok(Outcome::Done)
}
