//! `trimtab man`: pages from the same definitions as `--help`, as roff or as Markdown.

use super::Outcome;
use crate::args::{self, Man};
use crate::failure::{Failure, Kind};
use crate::files;
use crate::render::pages;
use crate::terminal::Terminal;
use clap_mangen::Man as Page;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
struct Written<'a> {
    page: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

pub(super) fn run(args: &Man, terminal: &Terminal) -> Result<Outcome, Failure> {
    // Pages have no colours: roff does its own.
    let mut command = args::command().color(clap::ColorChoice::Never);
    command.build();
    let Some(folder) = &args.out else {
        let text = if args.markdown { pages::page(&command, "trimtab") } else { roff(&command, "trimtab")? };
        terminal.product(text.trim_end());
        terminal.json("man", &Written { page: "trimtab", path: None, text: Some(&text) });
        return Ok(Outcome::Done);
    };
    std::fs::create_dir_all(folder).map_err(|error| Failure::io("make the folder", folder, &error))?;
    let mut found = Vec::new();
    collect(&command, "trimtab", &mut found);
    let mut written = Vec::new();
    if args.markdown {
        written.push(("README".to_owned(), "README.md".to_owned(), pages::index(&found)));
        let pages = found.iter().map(|(name, command)| (name.clone(), pages::file(name), pages::page(command, name)));
        written.extend(pages);
    } else {
        for (name, command) in &found {
            written.push((name.clone(), format!("{name}.1"), roff(command, name)?));
        }
    }
    for (name, file, text) in &written {
        let path: PathBuf = folder.join(file);
        files::write(&path, text.as_bytes(), true)?;
        terminal.json("man", &Written { page: name, path: Some(&path), text: None });
    }
    terminal.result(format_args!("wrote {} pages to {}", written.len(), folder.display()));
    Ok(Outcome::Done)
}

/// A command and those below it, by the names of their pages.
fn collect<'a>(command: &'a clap::Command, name: &str, found: &mut Vec<(String, &'a clap::Command)>) {
    found.push((name.to_owned(), command));
    for below in command.get_subcommands() {
        collect(below, &format!("{name}-{}", below.get_name()), found);
    }
}

fn roff(command: &clap::Command, name: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let page = Page::new(command.clone()).title(name).manual("Trimtab").source(format!("trimtab {}", args::VERSION));
    page.render(&mut bytes).map_err(|error| Failure::new(Kind::Outside, error))?;
    // Examples get their own headline and keep their lines.
    Ok(String::from_utf8_lossy(&bytes).replace(".SH EXTRA\nEXAMPLES\n", ".SH EXAMPLES\n.nf\n"))
}
