//! `trimtab report`.

use super::{Outcome, backtest};
use crate::args::Report;
use crate::failure::Failure;
use crate::files;
use crate::terminal::Terminal;
use serde::Serialize;
use std::path::Path;
use units::show::{self, Style};

#[derive(Serialize)]
struct Line<'a> {
    run: &'a Path,
    file: &'a Path,
    bytes: usize,
}

pub(super) fn run(args: &Report, terminal: &Terminal) -> Result<Outcome, Failure> {
    files::refuse_existing(&args.output, args.force)?;
    let run = backtest::open(&args.run)?;
    let page = ::backtest::report::html(&run.page());
    files::write(&args.output, page.as_bytes(), args.force)?;
    terminal.json("report", &Line { run: &args.run, file: &args.output, bytes: page.len() });
    let size = show::count(page.len().div_ceil(1024) as u64, Style::Terminal);
    terminal.result(format_args!("wrote {}   {size} KB       next: open it in a browser", args.output.display()));
    Ok(Outcome::Done)
}
