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
    file: &'a Path,
    bytes: usize,
    /// Each fact of value at risk that rules read.
    losses: Vec<LossRecord<'a>>,
}

pub(super) fn run(args: &Report, terminal: &Terminal) -> Result<Outcome, Failure> {
    files::refuse_existing(&args.output, args.force)?;
    let run = backtest::open(&args.run)?;
    let summary = run.page();
    let page = ::backtest::report::html(&summary);
    files::write(&args.output, page.as_bytes(), args.force)?;
    let losses = if terminal.is_json() { loss_records(&summary) } else { Vec::new() };
    terminal.json("report", &Line { run: &args.run, file: &args.output, bytes: page.len(), losses });
    let size = show::count(page.len().div_ceil(1024) as u64, Style::Terminal);
    terminal.result(format_args!("wrote {}   {size} KB       next: open it in a browser", args.output.display()));
    Ok(Outcome::Done)
}
