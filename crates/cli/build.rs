//! Which commit this is, for `trimtab --version`.
//!
//! Runs again when the branch moves and not otherwise: cargo looks at `HEAD` and at its log. Without git (a source
//! archive, a published crate) the commit is what the package says of itself, else `unknown`.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let commit = from_git().or_else(from_package).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=TRIMTAB_COMMIT={commit}");
}

/// The commit of the repository that this crate is part of, not of one that it was unpacked into.
fn from_git() -> Option<String> {
    if git(&["rev-parse", "--show-prefix"])? != "crates/cli/" || git(&["ls-files", "Cargo.toml"])?.is_empty() {
        return None;
    }
    for name in ["HEAD", "logs/HEAD", "packed-refs"] {
        let path = PathBuf::from(git(&["rev-parse", "--git-path", name])?);
        // A file that does not exist would make cargo run this every time.
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    git(&["rev-parse", "--short=10", "HEAD"])
}

/// `cargo package` writes the commit beside the manifest.
fn from_package() -> Option<String> {
    let path = Path::new(".cargo_vcs_info.json");
    let text = std::fs::read_to_string(path).ok()?;
    let (_, behind) = text.split_once("\"sha1\": \"")?;
    behind.get(..10).map(str::to_owned)
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}
