//! The programs that xtask starts, and where they are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository's root: the folder above this crate's.
pub(crate) fn root() -> PathBuf {
    // `cargo run` names the crate as it lies now; the compiled-in place is for a binary started by hand.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().map(Path::to_path_buf).unwrap_or(here)
}

/// The cargo that started us, in the repository's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Whether a cargo subcommand (`fmt`, `clippy`, `deny`) is installed.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    answers(cargo().args([subcommand, "--version"]))
}

/// The folder of a Python environment made by `cargo xtask setup`.
pub(crate) fn venv() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from).join("python")
}

/// A Python that can read Parquet: what `TRIMTAB_PYTHON` names, else our own environment's, else the system's.
pub(crate) fn python() -> Option<PathBuf> {
    let own = ["bin/python", "Scripts/python.exe"].map(|path| venv().join(path));
    let system = ["python3", "python"].map(PathBuf::from);
    std::env::var_os("TRIMTAB_PYTHON")
        .map(PathBuf::from)
        .into_iter()
        .chain(own)
        .chain(system)
        .find(|python| answers(Command::new(python).args(["-c", "import pyarrow.parquet"])))
}

/// Whether the command runs and succeeds, its output thrown away.
pub(crate) fn answers(command: &mut Command) -> bool {
    succeeds(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
}

/// Whether the command runs and succeeds.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
