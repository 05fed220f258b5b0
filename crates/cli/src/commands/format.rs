//! `trimtab fmt`.

use super::Outcome;
use super::check::counted;
use crate::args::Fmt;
use crate::failure::Failure;
use crate::files;
use crate::terminal::Terminal;
use crate::whole::{read, shown};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    is_formatted: bool,
}

/// All are laid out before any is written: a file that cannot be read changes nothing.
pub(super) fn run(args: &Fmt, terminal: &Terminal) -> Result<Outcome, Failure> {
    let mut all = Vec::new();
    for path in &args.policies {
        let text = read(path)?;
        let present = if args.migrate { migrated(path, &text, terminal)? } else { text.clone() };
        let formatted = policy::format(&present).map_err(|error| {
            Failure::input(format_args!("`{}`: {error}", shown(path)))
                .hint(format_args!("`trimtab check {}` says where", files::word(path)))
        })?;
        all.push((path, text, formatted));
    }
    let mut changed = 0;
    for (path, text, formatted) in &all {
        let (file, is_formatted) = (shown(path), text == formatted);
        changed += usize::from(!is_formatted);
        if *path == Path::new("-") && !args.check {
            terminal.product(formatted.trim_end());
        } else if !is_formatted && args.check {
            terminal.result(format_args!("{file} would change"));
        } else if !is_formatted {
            write_in_place(path, formatted)?;
            terminal.result(format_args!("{file} laid out"));
        }
        terminal.json("format", &Line { file: &file, is_formatted });
    }
    if changed == 0 && args.policies.iter().all(|path| path != Path::new("-")) {
        terminal
            .result(format_args!("{} as they should be", counted(all.len(), "policy").replace("policys", "policies")));
    }
    Ok(if args.check && changed > 0 { Outcome::Negative } else { Outcome::Done })
}

/// A policy's text in the present version of the language; what was changed for that is told.
fn migrated(path: &Path, text: &str, terminal: &Terminal) -> Result<String, Failure> {
    let migrated = policy::migration::migrate(text).map_err(|error| {
        Failure::input(format_args!("`{}`: {error}", shown(path)))
            .hint(format_args!("`trimtab check {}` says more", files::word(path)))
    })?;
    for line in &migrated.told {
        terminal.note(format_args!("{}: {line}", shown(path)));
    }
    Ok(migrated.text)
}

/// A link stays one, and whoever might read the file still may.
fn write_in_place(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::io("write", path, &error);
    let place = path.canonicalize().map_err(failed)?;
    let permissions = place.metadata().map_err(failed)?.permissions();
    if permissions.readonly() {
        return Err(Failure::input(format_args!("`{}` is read-only", path.display())).hint("make it writable first"));
    }
    files::write(&place, text.as_bytes(), true)?;
    std::fs::set_permissions(&place, permissions).map_err(failed)
}
