//! The binary `trimtab`: arguments in, one command run, an exit code out.

mod args;
mod commands;
mod failure;
mod files;
mod interrupt;
mod progress;
mod render;
mod terminal;

use commands::Outcome;
use failure::Kind;
use std::process::ExitCode;
use terminal::Terminal;

fn main() -> ExitCode {
    terminal::explain_panics();
    interrupt::install();
    let cli = match args::read() {
        Ok(cli) => cli,
        Err(usage) => return ExitCode::from(terminal::usage(&usage)),
    };
    let terminal = Terminal::new(&cli.global);
    let code = match commands::run(&cli.command, &terminal) {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Negative) => 1,
        Ok(Outcome::Refused) => 2,
        Err(failure) => {
            terminal.failure(&failure);
            match failure.kind {
                Kind::Input => 2,
                Kind::Outside => 3,
                Kind::Interrupted => 130,
            }
        }
    };
    // Output that could not be written is a failure of the outside; a reader that has seen enough is none.
    ExitCode::from(if code == 0 && terminal.output_failed() { 3 } else { code })
}
