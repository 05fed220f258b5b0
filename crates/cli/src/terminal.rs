//! The only place that prints. Results go to stdout, everything else to stderr; texts are written with colours and lose
//! them here where the reader has none.

use crate::args::Global;
use crate::failure::{Failure, Kind};
use crate::settings::{ColorChoice, LogLevel, ProgressChoice, Refused, Settings, Verbosity, Wrong};
use anstream::AutoStream;
use clap::error::ErrorKind;
use serde::Serialize;
use std::cell::Cell;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Columns of a terminal that does not say how wide it is, and the least that anything is laid out for.
const WIDTH_MIN: usize = 80;

/// How long work shows how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    /// By a bar, as a person watches.
    Bar,
    /// By a line now and then.
    Lines,
    /// Not at all.
    No,
}

/// The two output streams and what the user wants to see of them.
#[derive(Debug)]
pub(crate) struct Terminal {
    json: bool,
    verbosity: Verbosity,
    colors: ColorChoice,
    progress: ProgressChoice,
    width: Option<u16>,
    /// Lines of a log come between, where a bar would be torn.
    logs: bool,
    failed: Cell<bool>,
    closed: Cell<bool>,
}

impl Terminal {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            json: settings.json.value,
            verbosity: settings.verbosity.value,
            colors: settings.color.value,
            progress: settings.progress.value,
            width: settings.width.value,
            logs: settings.log_level.value >= LogLevel::Info,
            failed: Cell::new(false),
            closed: Cell::new(false),
        }
    }

    /// Whether details are wanted.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbosity == Verbosity::Verbose
    }

    /// Whether a program reads the results.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether only errors are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.verbosity == Verbosity::Quiet
    }

    /// How long work shows how far it is.
    pub(crate) fn watched(&self) -> Watched {
        match self.progress {
            _ if self.is_quiet() => Watched::No,
            ProgressChoice::Never => Watched::No,
            ProgressChoice::Auto if io::stderr().is_terminal() && !self.logs => Watched::Bar,
            ProgressChoice::Auto | ProgressChoice::Lines => Watched::Lines,
        }
    }

    /// Columns to lay out for.
    pub(crate) fn width(&self) -> usize {
        let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
        self.width.or_else(terminal).map_or(WIDTH_MIN, usize::from).max(WIDTH_MIN)
    }

    /// A result for a person.
    pub(crate) fn result(&self, text: impl Display) {
        if !self.is_quiet() && !self.json {
            self.stdout(format_args!("{text}\n"));
        }
    }

    /// The very thing that was asked for (a page, a script, a finding that is an error): `--quiet` keeps it.
    pub(crate) fn product(&self, text: impl Display) {
        if !self.json {
            self.stdout(format_args!("{text}\n"));
        }
    }

    /// A result for a program: one line, with its schema.
    pub(crate) fn json(&self, kind: &str, value: &impl Serialize) {
        if self.json {
            self.stdout(format_args!("{}\n", json_line(kind, value)));
        }
    }

    /// Many lines of the very thing that was asked for, without colours, in large pieces. `work` is told by an error when nobody
    /// reads on, and ends.
    pub(crate) fn stream(&self, work: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
        let done = work(&mut out).and_then(|()| out.flush());
        // What could not be written must not be tried again when the buffer goes.
        let (stdout, _) = out.into_parts();
        drop(stdout);
        if let Err(error) = done {
            self.refuse_output(&error);
        }
    }

    /// Something worth knowing beside the result.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.is_quiet() {
            self.stderr(format_args!("{text}\n"));
        }
    }

    /// Something for who looks closely.
    pub(crate) fn detail(&self, text: impl Display) {
        if self.is_verbose() {
            self.stderr(format_args!("{text}\n"));
        }
    }

    /// An error that is shown as it is, such as a diagnostic.
    pub(crate) fn finding(&self, text: impl Display) {
        self.stderr(format_args!("{text}\n"));
    }

    /// The last word of a command that failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            let (kind, message) = (failure.kind.name(), &failure.message);
            self.json("error", &ErrorLine { kind, message, hint: failure.hint.as_deref(), code: failure.code });
        }
        let mut text = match failure.kind {
            Kind::Interrupted => failure.message.clone(),
            Kind::Input | Kind::Outside => format!("{ERROR}error{ERROR:#}: {}", failure.message),
        };
        if let Some(hint) = &failure.hint {
            text += &format!("\n{HINT}hint{HINT:#}: {hint}");
        }
        self.stderr(format_args!("{}\n", self.fitted(&text)));
    }

    /// Long lines broken at words where a person reads them; a program that reads them gets them whole.
    fn fitted(&self, text: &str) -> String {
        if !io::stderr().is_terminal() {
            return text.to_owned();
        }
        let lines = text.lines().map(|line| {
            let indent = line.chars().take_while(|character| *character == ' ').count();
            format!("{:indent$}{}", "", crate::render::wrap(line.trim_start(), self.width(), indent + 2))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Whether a result could not be written, for another reason than that nobody reads on.
    pub(crate) fn output_failed(&self) -> bool {
        self.failed.get()
    }

    fn stdout(&self, text: impl Display) {
        if self.closed.get() || self.failed.get() {
            return;
        }
        let stdout = io::stdout();
        let colored = self.colors.wants(stdout.is_terminal());
        if let Err(error) = write(stdout.lock(), colored, &text) {
            self.refuse_output(&error);
        }
    }

    fn refuse_output(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::BrokenPipe {
            self.closed.set(true);
        } else {
            self.failed.set(true);
            self.stderr(format_args!("{ERROR}error{ERROR:#}: cannot write to standard output: {error}\n"));
        }
    }

    fn stderr(&self, text: impl Display) {
        let stderr = io::stderr();
        let colored = self.colors.wants(stderr.is_terminal());
        // There is nowhere left to say that stderr cannot be written.
        let _ = write(stderr.lock(), colored, &text);
    }
}

/// Bold red, with the word beside it.
pub(crate) const ERROR: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();
/// Bold yellow.
pub(crate) const WARNING: anstyle::Style = anstyle::AnsiColor::Yellow.on_default().bold();
/// Bold cyan: what to do.
pub(crate) const HINT: anstyle::Style = anstyle::AnsiColor::Cyan.on_default().bold();

#[derive(Serialize)]
struct ErrorLine<'a> {
    kind: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

#[derive(Serialize)]
struct Line<'a, T> {
    schema: String,
    #[serde(flatten)]
    value: &'a T,
}

/// One line of JSON, with its schema.
pub(crate) fn json_line(kind: &str, value: &impl Serialize) -> String {
    let line = Line { schema: format!("trimtab.{kind}/1"), value };
    serde_json::to_string(&line).unwrap_or_else(|error| {
        // Only a map with keys that are no text can get here, and no result holds one.
        format!("{{\"schema\":\"trimtab.error/1\",\"kind\":\"bug\",\"message\":\"{kind}: {error}\"}}")
    })
}

fn write<S: anstream::stream::RawStream + anstream::stream::AsLockedWrite>(
    stream: S,
    colored: bool,
    text: &impl Display,
) -> io::Result<()> {
    let choice = if colored { anstream::ColorChoice::Always } else { anstream::ColorChoice::Never };
    let mut stream = AutoStream::new(stream, choice);
    write!(stream, "{text}")?;
    stream.flush()
}

/// Says what clap found in the arguments, or help and version when they were asked for. Returns the exit code.
pub(crate) fn usage(usage: &clap::Error) -> u8 {
    let settings = Settings::read(&Global::guess()).unwrap_or_else(|refused| *refused.readable);
    let terminal = Terminal::new(&settings);
    let text = usage.render();
    if !usage.use_stderr() {
        terminal.stdout(text.ansi());
        return if terminal.output_failed() { 3 } else { 0 };
    }
    let plain = text.to_string();
    // The first paragraph is the message; what follows is usage.
    let message: Vec<&str> = plain.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let message = message.join(" ");
    let message = match usage.kind() {
        // Then the text is the help.
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "no command was named",
        _ => message.trim_start_matches("error: "),
    };
    let hint = crate::args::remedy(usage);
    terminal.json("error", &ErrorLine { kind: "input", message, hint: Some(&hint), code: None });
    // Clap's own tips and last words say less than the remedy.
    let styled = text.ansi().to_string();
    let stripped = |part: &str| anstream::adapter::strip_str(part).to_string();
    let is_ours = |part: &&str| !["  tip: ", "For more information"].iter().any(|tip| stripped(part).starts_with(tip));
    let parts: Vec<&str> = styled.trim_end().split("\n\n").filter(is_ours).collect();
    let shown = parts.join("\n\n");
    terminal.stderr(format_args!("{shown}\n\n{HINT}hint{HINT:#}: {hint}\n"));
    2
}

/// Says what is wrong with the settings, all of it.
pub(crate) fn refused(refused: &Refused) {
    let terminal = Terminal::new(&refused.readable);
    for wrong in &refused.wrong {
        match wrong {
            Wrong::InFile(found) => {
                let message = format!("{}: {}: {}", found.place(), found.message, found.label);
                let hint = Some(found.help.as_str());
                terminal.json("error", &ErrorLine { kind: "input", message: &message, hint, code: None });
                terminal.finding(found.render());
            }
            Wrong::Elsewhere(failure) => terminal.failure(failure),
        }
    }
}

/// A panic is our bug: says so, and what to report, without a stack trace.
pub(crate) fn explain_panics() {
    std::panic::set_hook(Box::new(|info| {
        let command: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let _ = writeln!(
            io::stderr(),
            "bug: {info}\nThis is a fault of trimtab {}, not of your input. Please report it with the command that shows it:\n  {}",
            crate::args::VERSION,
            command.join(" ")
        );
    }));
}
