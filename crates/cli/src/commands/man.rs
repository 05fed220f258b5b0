//! `trimtab man`.

use super::Outcome;
use crate::args::{self, Man};
use crate::failure::{Failure, Kind};
use crate::files;
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
        let text = page(&command, "trimtab")?;
        terminal.product(text.trim_end());
        terminal.json("man", &Written { page: "trimtab", path: None, text: Some(&text) });
        return Ok(Outcome::Done);
    };
    std::fs::create_dir_all(folder).map_err(|error| Failure::io("make the folder", folder, &error))?;
    let mut pages = Vec::new();
    collect(&command, "trimtab", &mut pages)?;
    for (name, text) in &pages {
        let path: PathBuf = folder.join(format!("{name}.1"));
        files::write(&path, text.as_bytes(), true)?;
        terminal.json("man", &Written { page: name, path: Some(&path), text: None });
    }
    terminal.result(format_args!("wrote {} pages to {}", pages.len(), folder.display()));
    Ok(Outcome::Done)
}

/// A command's page and those of the commands below it.
fn collect(command: &clap::Command, name: &str, pages: &mut Vec<(String, String)>) -> Result<(), Failure> {
    pages.push((name.to_owned(), page(command, name)?));
    for below in command.get_subcommands() {
        collect(below, &format!("{name}-{}", below.get_name()), pages)?;
    }
    Ok(())
}

fn page(command: &clap::Command, name: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let page = Page::new(command.clone()).title(name).manual("Trimtab").source(format!("trimtab {}", args::VERSION));
    page.render(&mut bytes).map_err(|error| Failure::new(Kind::Outside, error))?;
    // Examples get their own headline and keep their lines.
    Ok(String::from_utf8_lossy(&bytes).replace(".SH EXTRA\nEXAMPLES\n", ".SH EXAMPLES\n.nf\n"))
}
