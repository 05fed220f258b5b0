//! Studies on recorded data: what protections did on crash days, what policies of options did, what each technique did on all bars.
//!
//! Each study writes its figures between the marks of its page in `docs/studies/`. They use the run, the ablation and the bootstrap of the
//! program; only the tables are made here.

mod crash;
mod data;
mod figures;
mod options;
mod techniques;

use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};

/// What went wrong, in a sentence.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Which study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Crash days with and without each protection
    Crash,
    /// Policies of options on recorded chains
    Options,
    /// What each technique did on all recorded bars
    Techniques,
}

/// What the command line says.
#[derive(Debug, Parser)]
#[command(name = "trimtab-study", about = "Runs a study and writes its figures into its page")]
pub struct Arguments {
    #[arg(value_enum)]
    name: Name,
    /// The recorded data; if not given what `TRIMTAB_SHARED` says, else `../shared` beside the clone
    #[arg(long)]
    shared: Option<PathBuf>,
    /// Only say whether the page has what comes of the data now
    #[arg(long)]
    check: bool,
}

const BEGIN: &str = "<!-- figures: `cargo xtask study` writes what stands between these marks -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Runs a study. Gives what is to be said of it.
///
/// # Errors
///
/// Data or page that are not there, and a page that is stale when only asked.
pub fn study(args: &Arguments) -> Result<String, Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = args.shared.clone().or_else(|| std::env::var_os("TRIMTAB_SHARED").map(PathBuf::from));
    let shared = named.unwrap_or_else(|| root.join("../shared"));
    let folder = std::env::temp_dir().join(format!("trimtab-study-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let data = data::Data::new(&shared, &folder);
    let (page, figures) = match args.name {
        Name::Crash => ("crash", crash::figures(&data)),
        Name::Options => ("options", options::figures(&data, &root)),
        Name::Techniques => ("techniques", techniques::figures(&data)),
    };
    std::fs::remove_dir_all(&folder)?;
    let figures = figures?;
    let path = root.join("docs/studies").join(format!("{page}.md"));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let Some((before, (known, after))) = parts else {
        return Err(format!("{}: there are no marks to write between", path.display()).into());
    };
    match (known == figures, args.check) {
        (true, _) => Ok(format!("docs/studies/{page}.md is as it was")),
        (false, true) => Err(format!("docs/studies/{page}.md has other figures than the data give now").into()),
        (false, false) => {
            std::fs::write(&path, format!("{before}{BEGIN}{figures}{END}{after}"))?;
            Ok(format!("wrote docs/studies/{page}.md"))
        }
    }
}
