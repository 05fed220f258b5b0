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
pub type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Which study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Name {
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
    let root = root();
    let named = args.shared.clone().or_else(|| std::env::var_os("TRIMTAB_SHARED").map(PathBuf::from));
    let shared = named.unwrap_or_else(|| root.join("../shared"));
    let page = args.name.page();
    let figures = with_data(&shared, page, |data| match args.name {
        Name::Crash => crash::figures(data),
        Name::Options => options::figures(data, &root),
        Name::Techniques => techniques::figures(data),
    })?;
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

/// Makes a small part of a study's figures again: one crash, one period of options, the daily files of the techniques. Gives its lines that
/// the page does not have, and how many there are.
///
/// # Errors
///
/// Data or page that are not there.
pub fn stale(name: Name, shared: &Path) -> Result<(Vec<String>, usize), Failed> {
    let (root, page) = (root(), name.page());
    let part = with_data(shared, &format!("{page}-part"), |data| match name {
        Name::Crash => crash::part(data),
        Name::Options => options::part(data, &root),
        Name::Techniques => techniques::part(data),
    })?;
    let path = root.join("docs/studies").join(format!("{page}.md"));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let known: Vec<&str> = text.lines().collect();
    let lines: Vec<&str> = part.lines().filter(|line| !line.is_empty()).collect();
    let missing = lines.iter().filter(|line| !known.contains(line)).map(|line| (*line).to_owned()).collect();
    Ok((missing, lines.len()))
}

impl Name {
    /// What its page is called.
    fn page(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Options => "options",
            Self::Techniques => "techniques",
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Makes something of the data, with a folder for tapes that is gone afterwards.
fn with_data<T>(shared: &Path, name: &str, make: impl FnOnce(&data::Data) -> Result<T, Failed>) -> Result<T, Failed> {
    let folder = std::env::temp_dir().join(format!("trimtab-study-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let made = make(&data::Data::new(shared, &folder));
    std::fs::remove_dir_all(&folder)?;
    made
}
