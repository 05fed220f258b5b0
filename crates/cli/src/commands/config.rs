//! `trimtab config`.

use super::Outcome;
use crate::failure::Failure;
use crate::settings::{self, FILE, Origin, Settings, Shown};
use crate::terminal::Terminal;
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Line<'a> {
    setting: &'a str,
    value: &'a Shown,
    from: From<'a>,
    flag: &'a str,
    variable: &'a str,
}

/// Where a value came from, for a program.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum From<'a> {
    Flag { flag: &'a str },
    Environment { variable: &'a str },
    File { path: &'a Path, line: usize },
    Default,
}

impl<'a> std::convert::From<&'a Origin> for From<'a> {
    fn from(origin: &'a Origin) -> Self {
        match origin {
            Origin::Flag(flag) => Self::Flag { flag },
            Origin::Environment(variable) => Self::Environment { variable },
            Origin::File { path, line } => Self::File { path, line: *line },
            Origin::Default => Self::Default,
        }
    }
}

pub(super) fn run(settings: &Settings, terminal: &Terminal) -> Result<Outcome, Failure> {
    terminal.result("setting      value                         from");
    for (definition, value, origin) in settings.shown() {
        let (setting, flag, variable) = (definition.key, definition.flag, definition.variable);
        terminal.json("setting", &Line { setting, value: &value, from: origin.into(), flag, variable });
        let words = match &value {
            Shown::Nothing => unset(setting).to_owned(),
            Shown::Switch(switch) => switch.to_string(),
            Shown::Number(number) => number.to_string(),
            Shown::Text(text) => text.clone(),
            Shown::List(list) if list.is_empty() => unset(setting).to_owned(),
            Shown::List(list) => list.join(", "),
        };
        terminal.result(format_args!("{setting:<11}  {words:<28}  {origin}"));
        if terminal.is_verbose() {
            terminal.result(format_args!("             {}   ({flag}; {variable})", definition.about));
        }
    }
    terminal.result(match &settings.file {
        Some(file) => format!("project file {}", file.display()),
        None => format!("no project file: no {FILE} in this folder or above it"),
    });
    for (name, meant) in settings::unknown_variables() {
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
        terminal.note(format_args!("note: the variable `{name}` is no setting{meant}"));
    }
    Ok(Outcome::Done)
}

/// What happens where a setting has no value.
fn unset(setting: &str) -> &'static str {
    match setting {
        "width" => "of the terminal",
        "threads" => "as many as cores",
        "tapes" => "none: name them",
        "runs" => "none: name each",
        _ => "none",
    }
}
