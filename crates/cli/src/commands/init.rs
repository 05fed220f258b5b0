//! `trimtab init`.

use super::Outcome;
use crate::args::Init;
use crate::failure::Failure;
use crate::files;
use crate::terminal::Terminal;
use serde::Serialize;
use std::path::Path;

/// What a new folder holds.
const FILES: [(&str, &str); 4] = [
    ("policy.toml", include_str!("../../templates/policy.toml")),
    ("trimtab.toml", include_str!("../../templates/trimtab.toml")),
    ("README.md", include_str!("../../templates/README.md")),
    (".gitignore", include_str!("../../templates/gitignore")),
];

#[derive(Serialize)]
struct Made<'a> {
    folder: &'a Path,
    files: Vec<&'static str>,
}

pub(super) fn run(args: &Init, terminal: &Terminal) -> Result<Outcome, Failure> {
    let folder = &args.dir;
    files::make_empty_folder(folder)?;
    for (name, text) in FILES {
        files::write(&folder.join(name), text.as_bytes(), false)?;
    }
    terminal.json("init", &Made { folder, files: FILES.map(|(name, _)| name).to_vec() });
    let policy = folder.join("policy.toml");
    terminal.result(format_args!(
        "made {}   policy.toml   trimtab.toml   README.md   .gitignore       next: trimtab check {}",
        folder.display(),
        files::word(&policy)
    ));
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_policy_has_no_finding() {
        let parsed = policy::parse(FILES[0].1);
        assert_eq!(parsed.diagnostics, []);
        assert!(parsed.policy.is_some());
    }
}
