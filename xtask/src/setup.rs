//! `cargo xtask setup`: installs what the tests need and the machine lacks. Running it again does nothing.

use crate::tools;
use std::process::Command;

pub(crate) fn run() -> Result<(), String> {
    component("fmt", "rustfmt")?;
    component("clippy", "clippy")?;
    python()
}

fn component(subcommand: &str, component: &str) -> Result<(), String> {
    if !tools::has_cargo(subcommand) && !tools::succeeds(Command::new("rustup").args(["component", "add", component])) {
        return Err(format!("{component} is not installed, and `rustup component add {component}` did not succeed"));
    }
    println!("setup: {component} is there");
    Ok(())
}

/// One test lets a stranger's tool recompute a run from its Parquet files; it needs Python with pyarrow.
fn python() -> Result<(), String> {
    if tools::python().is_none() {
        let venv = tools::venv();
        let made = ["python3", "python"]
            .iter()
            .any(|python| tools::succeeds(Command::new(python).args(["-m", "venv"]).arg(&venv)));
        if !made {
            return Err("no Python environment could be made: install Python 3 with its venv module".to_owned());
        }
        let python = ["bin/python", "Scripts/python.exe"].map(|path| venv.join(path)).into_iter().find(|p| p.exists());
        let mut pip = Command::new(python.ok_or("the new Python environment holds no interpreter")?);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pyarrow"]);
        if !tools::succeeds(&mut pip) {
            return Err("pip could not install pyarrow".to_owned());
        }
    }
    println!("setup: Python with pyarrow is there");
    Ok(())
}
