//! What to do about arguments that clap refused: the last words of its message.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// The one thing to do.
pub(crate) fn remedy(error: &clap::Error) -> String {
    let help = format!("`{} --help`", command_line(&super::command(), std::env::args_os().skip(1)));
    let texts = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    let meant = |kind| texts(kind).first().map(|text| format!("did you mean `{text}`? {help} lists what there is"));
    let listed = || format!("{help} lists what there is");
    match error.kind() {
        ErrorKind::InvalidSubcommand => meant(ContextKind::SuggestedSubcommand).unwrap_or_else(listed),
        ErrorKind::UnknownArgument => meant(ContextKind::SuggestedArg).unwrap_or_else(listed),
        ErrorKind::InvalidValue => match (texts(ContextKind::SuggestedValue).first(), texts(ContextKind::ValidValue)) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, valid) if valid.is_empty() => format!("give it a value; {help} has examples"),
            (None, valid) if is_shortfall(&texts(ContextKind::InvalidValue)) => format!(
                "leave it out: expected shortfall is told beside value at risk by every method, {}",
                valid.join(", ")
            ),
            (None, valid) => format!("take one of {}", valid.join(", ")),
        },
        ErrorKind::MissingRequiredArgument => format!("add what is missing; {help} has examples"),
        ErrorKind::ArgumentConflict => "leave one of the two out".to_owned(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            format!("name a command; {help} lists them")
        }
        _ => format!("{help} says what it takes, with examples"),
    }
}

/// Whether what was given names expected shortfall, by whichever of its names: a figure, and no way to one.
fn is_shortfall(given: &[String]) -> bool {
    const NAMES: [&str; 5] = ["cvar", "es", "avar", "tvar", "expected-shortfall"];
    given.first().is_some_and(|given| NAMES.contains(&given.to_lowercase().replace('_', "-").as_str()))
}

/// `trimtab tape cat`: the command that the arguments name, as far as there is one.
fn command_line(root: &clap::Command, args: impl Iterator<Item = OsString>) -> String {
    let (mut command, mut line) = (root, root.get_name().to_owned());
    for arg in args {
        let Some(below) = arg.to_str().and_then(|arg| command.find_subcommand(arg)) else { continue };
        command = below;
        line = format!("{line} {}", below.get_name());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_shortfall_is_no_method() {
        let line = "trimtab risk book.json --market a.tape --at 2026-01-01 --method CVaR";
        let error = super::super::command().try_get_matches_from(line.split(' ')).unwrap_err();
        assert!(remedy(&error).starts_with("leave it out: expected shortfall is told"), "{}", remedy(&error));
    }

    #[test]
    fn the_command_is_found_among_flags() {
        let line = |text: &str| command_line(&super::super::command(), text.split(' ').map(OsString::from));
        assert_eq!(line("--json tape --quiet cat btc.tape"), "trimtab tape cat");
        assert_eq!(line("chekc policy.toml"), "trimtab");
    }
}
