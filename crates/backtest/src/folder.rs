//! The run folder: what is written, and reading it back (docs/run-folder.md).

use crate::records::{CampaignRow, EquityRow, FillRow, FundingRow, OrderRow, PlanRow, Tables, VariantRow};
use crate::run::{Run, RunRecord};
use crate::table::{Row, Table};
use crate::{Error, run};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The recipe and summary of a run.
pub(crate) const RECORD: &str = "run.json";
/// The policy text as run.
pub(crate) const POLICY: &str = "policy.toml";

impl Tables {
    /// All tables, in the order in which a replay compares them: causes before effects.
    pub(crate) fn all(&self) -> [Table; 6] {
        [
            Row::table(&self.plans),
            Row::table(&self.orders),
            Row::table(&self.fills),
            Row::table(&self.funding),
            Row::table(&self.equity),
            Row::table(&self.campaigns),
        ]
    }
}

fn file_of(table: &str) -> String {
    format!("{table}.parquet")
}

impl Run {
    /// Writes the run folder: whole or not at all. Refuses a folder in use unless `force`, and then replaces only a run.
    pub fn write(&self, out: &Path, force: bool) -> Result<(), Error> {
        write_whole(out, RECORD, force, |folder| self.write_files(folder))
    }

    fn write_files(&self, folder: &Path) -> Result<(), Error> {
        let mut files = BTreeMap::new();
        let mut sealed = |name: String| -> Result<(), Error> {
            let path = folder.join(&name);
            let bytes = fs::read(&path).map_err(Error::io(&path))?;
            files.insert(name, blake3::hash(&bytes).to_hex().to_string());
            Ok(())
        };
        let variants = (!self.variants.is_empty()).then(|| Row::table(&self.variants));
        for table in self.tables.all().into_iter().chain(variants) {
            let name = file_of(table.name);
            let path = folder.join(&name);
            table.write(&path).map_err(|error| Error::io(&path)(std::io::Error::other(error)))?;
            sealed(name)?;
        }
        let path = folder.join(POLICY);
        fs::write(&path, &self.policy_text).map_err(Error::io(&path))?;
        sealed(POLICY.to_owned())?;
        let record = RunRecord { files, ..self.record.clone() };
        let path = folder.join(RECORD);
        let text = serde_json::to_string_pretty(&record).map_err(|error| Error::io(&path)(error.into()))?;
        fs::write(&path, text + "\n").map_err(Error::io(&path))
    }
}

/// Fills a folder beside its final place and renames it when it is complete. `marker` is the file that an older one must
/// hold to be replaced.
pub(crate) fn write_whole(
    out: &Path,
    marker: &str,
    force: bool,
    fill: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    check_free_of(out, marker, force)?;
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(Error::io(parent))?;
    let staging = tempfile::Builder::new().prefix(".trimtab-run-").tempdir_in(parent).map_err(Error::io(parent))?;
    fill(staging.path())?;
    replace(staging, out)
}

/// Refuses an output folder that holds something, early, before the work is done.
pub fn check_free(out: &Path, force: bool) -> Result<(), Error> {
    check_free_of(out, RECORD, force)
}

/// The same for the folder of a sweep.
pub fn check_free_sweep(out: &Path, force: bool) -> Result<(), Error> {
    check_free_of(out, crate::sweep::RECIPE, force)
}

/// Whether a file is of a kind that runs and sweeps write.
fn is_written_here(path: &Path) -> bool {
    let kinds = ["parquet", "json", "toml", "csv", "svg", "html"];
    path.extension().is_some_and(|kind| kinds.iter().any(|known| kind == *known))
}

fn check_free_of(out: &Path, marker: &str, force: bool) -> Result<(), Error> {
    let entries: Vec<fs::DirEntry> = match fs::read_dir(out) {
        Ok(entries) => entries.collect::<Result<_, _>>().map_err(Error::io(out))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(out)(error)),
    };
    if entries.is_empty() {
        return Ok(());
    }
    if force && out.join(marker).is_file() {
        // Replacing removes the folder: nothing that somebody else put there may go with it.
        let foreign = entries.iter().find(|entry| entry.path().is_dir() || !is_written_here(&entry.path()));
        return match foreign {
            Some(entry) => {
                let name = entry.file_name().to_string_lossy().into_owned();
                Err(Error::not_a_run(out, format!("it also holds `{name}`, so --force does not replace it")))
            }
            None => Ok(()),
        };
    }
    if force {
        return Err(Error::not_a_run(out, format!("it has no {marker}, so --force does not replace it")));
    }
    Err(Error::NotEmpty(out.to_owned()))
}

/// Puts the finished folder in its place; an old one is moved aside first and removed last.
fn replace(staging: tempfile::TempDir, out: &Path) -> Result<(), Error> {
    let ready = staging.keep();
    let old = ready.with_extension("old");
    let had_old = out.is_dir();
    if had_old {
        fs::rename(out, &old).map_err(Error::io(out))?;
    }
    if let Err(error) = fs::rename(&ready, out) {
        if had_old {
            // Best effort: the error that is reported is the first one.
            let _restored = fs::rename(&old, out);
        }
        let _removed = fs::remove_dir_all(&ready);
        return Err(Error::io(out)(error));
    }
    if had_old {
        fs::remove_dir_all(&old).map_err(Error::io(&old))?;
    }
    Ok(())
}

/// Reads a run folder.
pub fn open(folder: &Path) -> Result<Run, Error> {
    let path = folder.join(RECORD);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if folder.is_dir() && error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::not_a_run(folder, "it has no run.json"));
        }
        Err(error) => return Err(Error::io(folder)(error)),
    };
    let version: Version = serde_json::from_str(&text).map_err(|error| Error::not_a_run(&path, error))?;
    if version.version > run::RECORD_VERSION {
        let why = format!("its format {} was written by a newer trimtab; update this one", version.version);
        return Err(Error::not_a_run(folder, why));
    }
    let record: RunRecord = serde_json::from_str(&text).map_err(|error| Error::not_a_run(&path, error))?;
    let policy_path = folder.join(POLICY);
    let policy_text = fs::read_to_string(&policy_path).map_err(Error::io(&policy_path))?;
    let tables = Tables {
        fills: rows::<FillRow>(folder)?,
        funding: rows::<FundingRow>(folder)?,
        equity: rows::<EquityRow>(folder)?,
        orders: rows::<OrderRow>(folder)?,
        plans: rows::<PlanRow>(folder)?,
        campaigns: rows::<CampaignRow>(folder)?,
    };
    let has_variants = folder.join(file_of(VariantRow::NAME)).is_file();
    let variants = if has_variants { rows::<VariantRow>(folder)? } else { Vec::new() };
    Ok(Run { policy: run::checked(&policy_text)?, policy_text, record, tables, variants })
}

/// The part of run.json that every version has.
#[derive(serde::Deserialize)]
struct Version {
    version: u32,
}

fn rows<T: Row>(folder: &Path) -> Result<Vec<T>, Error> {
    let path = folder.join(file_of(T::NAME));
    if !path.is_file() {
        return Err(Error::not_a_run(folder, format!("it has no {}", file_of(T::NAME))));
    }
    let table = T::empty().read(&path).map_err(|error| Error::not_a_run(&path, error))?;
    T::rows(&table).ok_or_else(|| Error::not_a_run(&path, "a cell that must have a value has none"))
}
