//! The binary `trimtab`: arguments in, one command run, an exit code out.

mod args;
mod commands;
mod failure;
mod files;
mod interrupt;
mod log;
mod policy_schema;
mod progress;
mod render;
mod settings;
mod terminal;
mod whole;

use commands::Outcome;
use failure::Kind;
use settings::Settings;
use std::process::ExitCode;
use std::time::Instant;
use terminal::Terminal;

fn main() -> ExitCode {
    terminal::explain_panics();
    interrupt::install();
    let cli = match args::read() {
        Ok(cli) => cli,
        Err(usage) => return ExitCode::from(terminal::usage(&usage)),
    };
    let settings = match Settings::read(&cli.global) {
        Ok(settings) => settings,
        Err(refused) => {
            terminal::refused(&refused);
            return ExitCode::from(2);
        }
    };
    log::install(settings.log_level.value, settings.log_format.value);
    let started = Instant::now();
    if let Some(file) = &settings.file {
        tracing::info!(file = %file.display(), "settings read");
    }
    let terminal = Terminal::new(&settings);
    let code = match commands::run(&cli.command, &settings, &terminal) {
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
    tracing::debug!(code, spent_ms = started.elapsed().as_millis() as u64, "command ended");
    // Output that could not be written is a failure of the outside; a reader that has seen enough is none.
    ExitCode::from(if code == 0 && terminal.output_failed() { 3 } else { code })
}
