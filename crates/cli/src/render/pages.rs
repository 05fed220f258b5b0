//! A page of Markdown for each command, from the definitions that `--help` is printed from.

use clap::{Arg, ArgAction, Command};
use std::fmt::Write as _;

/// `trimtab-tape-cat` → `tape-cat.md`.
pub(crate) fn file(name: &str) -> String {
    format!("{}.md", name.strip_prefix("trimtab-").unwrap_or(name))
}

/// The list of all pages.
pub(crate) fn index(commands: &[(String, &Command)]) -> String {
    let mut text =
        "# Commands\n\nA page for each command, made by `trimtab man --markdown --out docs/commands` from the same \
                    definitions as `--help`.\n\n| Command | What it does |\n| --- | --- |\n"
            .to_owned();
    for (name, command) in commands {
        let about = command.get_about().map(|about| cell(&about.to_string())).unwrap_or_default();
        let _ = writeln!(text, "| [{}]({}) | {about} |", name.replace('-', " "), file(name));
    }
    text + "\nHow settings are given to all of them: [trimtab config](config.md).\n"
}

/// The page of a command; `name` has dashes, as files have.
pub(crate) fn page(command: &Command, name: &str) -> String {
    let title = name.replace('-', " ");
    let mut text = format!("# {title}\n");
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        let _ = write!(text, "\n{}\n", about.to_string().trim());
    }
    let usage = command.clone().render_usage().to_string();
    let _ = write!(text, "\n```\n{}\n```\n", usage.trim_start_matches("Usage: ").trim());

    let below: Vec<&Command> = command.get_subcommands().collect();
    if !below.is_empty() {
        text += "\n| Command | What it does |\n| --- | --- |\n";
        for command in below {
            let page = file(&format!("{name}-{}", command.get_name()));
            let about = command.get_about().map(|about| cell(&about.to_string())).unwrap_or_default();
            let _ = writeln!(text, "| [{title} {}]({page}) | {about} |", command.get_name());
        }
    }
    let shown: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    let mut headings: Vec<&str> = Vec::new();
    for arg in &shown {
        let heading = heading(arg);
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    // What every command takes stands last, as it is the same on all pages.
    headings.sort_by_key(|heading| (*heading == EVERYWHERE, *heading != "Arguments"));
    for title in headings {
        let _ = write!(text, "\n## {title}\n\n| | |\n| --- | --- |\n");
        for arg in shown.iter().filter(|arg| heading(arg) == title) {
            let _ = writeln!(text, "| {} | {} |", written(arg), said(arg));
        }
    }
    if let Some(after) = command.get_after_help() {
        text += &examples(&after.to_string());
    }
    text
}

/// Where the flags of every command stand.
const EVERYWHERE: &str = "Output";

fn heading(arg: &Arg) -> &str {
    match arg.get_help_heading() {
        Some(heading) => heading,
        None if arg.is_positional() => "Arguments",
        None => "Options",
    }
}

/// `` `-o TAPE` ``, `` `--json[=BOOL]` ``.
fn written(arg: &Arg) -> String {
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let values = arg.get_value_names().unwrap_or_default().iter().map(|name| format!("<{name}>"));
    let mut values = if takes { values.collect::<Vec<_>>().join(" ") } else { String::new() };
    if arg.is_positional() {
        if arg.get_num_args().is_some_and(|range| range.max_values() > 1) {
            values += "...";
        }
        return format!("`{values}`");
    }
    let optional = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
    let names = [arg.get_short().map(|short| format!("-{short}")), arg.get_long().map(|long| format!("--{long}"))];
    let names = names.into_iter().flatten().collect::<Vec<_>>().join(", ");
    match (values.is_empty(), optional) {
        (true, _) => format!("`{names}`"),
        (false, false) => format!("`{names} {values}`"),
        (false, true) => format!("`{names}[={values}]`"),
    }
}

/// The sentence of an argument, with its default and its choices.
fn said(arg: &Arg) -> String {
    let mut said = arg.get_help().map(|help| cell(&help.to_string())).unwrap_or_default();
    let mut notes = Vec::new();
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    if arg.is_required_set() && !arg.is_positional() {
        notes.push("required".to_owned());
    }
    let choices: Vec<String> = match takes && !arg.is_hide_possible_values_set() {
        true => arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect(),
        false => Vec::new(),
    };
    if !choices.is_empty() {
        notes.push(format!("one of {}", choices.join(", ")));
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if takes && !defaults.is_empty() && !arg.is_hide_default_value_set() {
        notes.push(format!("default {}", defaults.join(", ")));
    }
    if !notes.is_empty() {
        let _ = write!(said, " ({})", notes.join("; "));
    }
    said
}

/// A text in a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// The end of a help: command lines as they are, sentences as sentences.
fn examples(after: &str) -> String {
    let mut text = "\n## Examples\n".to_owned();
    let mut is_code = false;
    for line in after.lines().filter(|line| *line != "EXAMPLES") {
        let code = line.starts_with("  ");
        if code != is_code {
            text += if code { "\n```\n" } else { "```\n" };
        }
        is_code = code;
        text += line.strip_prefix("  ").unwrap_or(line);
        text.push('\n');
    }
    if is_code {
        text += "```\n";
    }
    text
}
