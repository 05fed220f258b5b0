//! `trimtab completions`.

use super::Outcome;
use crate::args::{self, Completions};
use crate::failure::Failure;
use crate::terminal::Terminal;
use serde::Serialize;

#[derive(Serialize)]
struct Script<'a> {
    shell: String,
    script: &'a str,
}

pub(super) fn run(args: &Completions, terminal: &Terminal) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "trimtab", &mut script);
    let script = String::from_utf8_lossy(&script);
    terminal.product(script.trim_end());
    terminal.json("completions", &Script { shell: args.shell.to_string(), script: &script });
    Ok(Outcome::Done)
}
