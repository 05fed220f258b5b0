//! The run folder: what is written, and reading it back (docs/run-folder.md).

use crate::parallel::{cores, parallel};
use crate::records::{
    AccountRow, CampaignRow, ChoiceRow, EquityRow, FillRow, FlowRow, FundingRow, GreekRow, HedgeRow, LossRow,
    OptionRow, OrderRow, PlanRow, PositionRow, SmileRow, SurfaceRow, Tables, VariantRow,
};
use crate::run::{Run, RunRecord, Strategy};
use crate::table::{Row, Table};
use crate::{Error, run};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

/// The recipe and summary of a run.
pub(crate) const RECORD: &str = "run.json";
/// What the last replay of the run found.
const REPLAY: &str = "replay.json";
/// The text of a policy as run: `policy.toml`, then `policy-2.toml` and so on.
pub(crate) fn policy_file(at: usize) -> String {
    if at == 0 { "policy.toml".to_owned() } else { format!("policy-{}.toml", at + 1) }
}

impl Tables {
    /// Each table made of its rows, in the order in which a replay compares them: causes before effects.
    pub(crate) const EACH: [fn(&Self) -> Table; 16] = [
        |tables| Row::table(&tables.plans),
        |tables| Row::table(&tables.orders),
        |tables| Row::table(&tables.fills),
        |tables| Row::table(&tables.funding),
        |tables| Row::table(&tables.equity),
        |tables| Row::table(&tables.positions),
        |tables| Row::table(&tables.accounts),
        |tables| Row::table(&tables.losses),
        |tables| Row::table(&tables.options),
        |tables| Row::table(&tables.hedges),
        |tables| Row::table(&tables.choices),
        |tables| Row::table(&tables.flows),
        |tables| Row::table(&tables.campaigns),
        |tables| Row::table(&tables.surfaces),
        |tables| Row::table(&tables.smiles),
        |tables| Row::table(&tables.greeks),
    ];

    /// Tables that only runs with options, hedges or facts of value at risk have: without rows there is no file.
    const OPTIONAL: [&str; 7] = [
        LossRow::NAME,
        OptionRow::NAME,
        HedgeRow::NAME,
        ChoiceRow::NAME,
        SurfaceRow::NAME,
        SmileRow::NAME,
        GreekRow::NAME,
    ];

    /// Writes all of them, each beside others, the largest first. Gives each file's hash by its name.
    fn write(&self, folder: &Path) -> Result<Vec<Option<Hashed>>, Error> {
        let Self { fills, funding, equity, positions, accounts, flows, orders, plans, campaigns, .. } = self;
        let Self { losses, options, hedges, choices, surfaces, smiles, greeks, .. } = self;
        let pieces: [&(dyn Fn() -> Result<Option<Hashed>, Error> + Sync); 16] = [
            &|| write_rows(plans, folder),
            &|| write_rows(positions, folder),
            &|| write_rows(orders, folder),
            &|| write_rows(fills, folder),
            &|| write_rows(equity, folder),
            &|| write_rows(campaigns, folder),
            &|| write_rows(funding, folder),
            &|| write_rows(accounts, folder),
            &|| write_rows(flows, folder),
            &|| write_if_any(losses, folder),
            &|| write_if_any(options, folder),
            &|| write_if_any(hedges, folder),
            &|| write_if_any(choices, folder),
            &|| write_if_any(surfaces, folder),
            &|| write_if_any(smiles, folder),
            &|| write_if_any(greeks, folder),
        ];
        parallel(pieces.len(), cores(), &mut |_| ControlFlow::Continue(()), |at, _| pieces[at]())
    }
}

/// A file's name and its hash.
type Hashed = (String, String);

fn write_rows<T: Row + Clone>(rows: &[T], folder: &Path) -> Result<Option<Hashed>, Error> {
    let name = file_of(T::NAME);
    let path = folder.join(&name);
    T::write(rows, &path).map_err(|error| Error::io(&path)(std::io::Error::other(error)))?;
    Ok(hash_of(&path)?.map(|hash| (name, hash)))
}

fn write_if_any<T: Row + Clone>(rows: &[T], folder: &Path) -> Result<Option<Hashed>, Error> {
    if rows.is_empty() { Ok(None) } else { write_rows(rows, folder) }
}

/// The file of a table.
pub(crate) fn file_of(table: &str) -> String {
    format!("{table}.parquet")
}

impl Run {
    /// Writes the run folder: whole or not at all. Refuses a folder in use unless `force`, and then replaces only a run.
    pub fn write(&self, out: &Path, force: bool) -> Result<(), Error> {
        write_whole(out, RECORD, force, |folder| self.write_files(folder))
    }

    fn write_files(&self, folder: &Path) -> Result<(), Error> {
        let mut files: BTreeMap<String, String> = self.tables.write(folder)?.into_iter().flatten().collect();
        files.extend(write_if_any(&self.variants, folder)?);
        for (at, strategy) in self.strategies.iter().enumerate() {
            let name = policy_file(at);
            let path = folder.join(&name);
            fs::write(&path, &strategy.text).map_err(Error::io(&path))?;
            files.extend(hash_of(&path)?.map(|hash| (name, hash)));
        }
        let path = folder.join(RECORD);
        let text =
            sealed(&RunRecord { files, ..self.record.clone() }).map_err(|error| Error::io(&path)(error.into()))?;
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
    replace(staging, out)?;
    tracing::info!(folder = %out.display(), "folder written");
    Ok(())
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

/// The field of run.json that holds the hash of all others.
const SEAL: &str = "record";

/// run.json with the hash of its fields behind them.
fn sealed(record: &RunRecord) -> serde_json::Result<String> {
    #[derive(serde::Serialize)]
    struct Sealed<'a> {
        #[serde(flatten)]
        fields: &'a RunRecord,
        record: String,
    }
    let record = Sealed { fields: record, record: seal_of(&serde_json::to_value(record)?) };
    serde_json::to_string_pretty(&record)
}

/// BLAKE3 of a value as compact JSON, names in the order of their bytes.
fn seal_of(fields: &Value) -> String {
    blake3::hash(fields.to_string().as_bytes()).to_hex().to_string()
}

/// The record of a run, and whether it is the one that was written; else why not, in words.
pub(crate) fn record(folder: &Path) -> Result<(RunRecord, Result<(), String>), Error> {
    let path = folder.join(RECORD);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if folder.is_dir() && error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::not_a_run(folder, "it has no run.json"));
        }
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Err(Error::not_a_run(&path, "it is not UTF-8"));
        }
        Err(error) => return Err(Error::io(&path)(error)),
    };
    let wrong = |error| Error::not_a_run(&path, error);
    let mut fields: Value = serde_json::from_str(&text).map_err(wrong)?;
    let Version { version } = serde_json::from_value(fields.clone()).map_err(wrong)?;
    if version > run::RECORD_VERSION {
        let why = format!("its format {version} was written by a newer trimtab; update this one");
        return Err(Error::not_a_run(folder, why));
    }
    // From the text, not from its fields: an error then has a line.
    if version < run::RECORD_VERSION {
        let why = format!(
            "its format {version} was written by an older trimtab, before runs had several instruments; run its policy.toml \
             again with `trimtab backtest`"
        );
        return Err(Error::not_a_run(folder, why));
    }
    let record: RunRecord = serde_json::from_str(&text).map_err(wrong)?;
    if record.policies.is_empty() || record.instruments.is_empty() {
        return Err(Error::not_a_run(&path, "it names no policy or no instrument"));
    }
    let seal = fields.as_object_mut().and_then(|fields| fields.remove(SEAL));
    let sealed = match seal {
        Some(Value::String(seal)) if seal == seal_of(&fields) => Ok(()),
        Some(_) => Err("run.json was altered after it was written".to_owned()),
        None => {
            Err("run.json has no `record`, the hash over its fields: it was altered, or an earlier version wrote it"
                .to_owned())
        }
    };
    Ok((record, sealed))
}

/// Reads a run folder.
pub fn open(folder: &Path) -> Result<Run, Error> {
    let (record, sealed) = record(folder)?;
    let replayed = sealed.ok().and_then(|()| replayed(folder, &record));
    tracing::info!(folder = %folder.display(), chain = record.chain, "run read");
    let strategies = (0..record.policies.len()).map(|at| strategy(folder, at)).collect::<Result<Vec<_>, _>>()?;
    let tables = Tables {
        fills: rows::<FillRow>(folder)?,
        funding: rows::<FundingRow>(folder)?,
        equity: rows::<EquityRow>(folder)?,
        positions: rows::<PositionRow>(folder)?,
        accounts: rows::<AccountRow>(folder)?,
        losses: rows::<LossRow>(folder)?,
        options: rows::<OptionRow>(folder)?,
        hedges: rows::<HedgeRow>(folder)?,
        choices: rows::<ChoiceRow>(folder)?,
        flows: rows::<FlowRow>(folder)?,
        orders: rows::<OrderRow>(folder)?,
        plans: rows::<PlanRow>(folder)?,
        campaigns: rows::<CampaignRow>(folder)?,
        surfaces: rows::<SurfaceRow>(folder)?,
        smiles: rows::<SmileRow>(folder)?,
        greeks: rows::<GreekRow>(folder)?,
    };
    let has_variants = folder.join(file_of(VariantRow::NAME)).is_file();
    let variants = if has_variants { rows::<VariantRow>(folder)? } else { Vec::new() };
    Ok(Run { strategies, record, tables, variants, replayed })
}

/// What a replay found, beside the record that it looked at.
#[derive(serde::Serialize, serde::Deserialize)]
struct Replayed {
    record: String,
    same: bool,
}

/// Keeps in a run folder whether its replay gave the same, for reports to tell.
pub fn keep_replay(folder: &Path, same: bool) -> Result<(), Error> {
    let (record, _) = record(folder)?;
    let path = folder.join(REPLAY);
    let text = serde_json::to_value(&record)
        .and_then(|record| serde_json::to_string_pretty(&Replayed { record: seal_of(&record), same }))
        .map_err(|error| Error::io(&path)(error.into()))?;
    fs::write(&path, text + "\n").map_err(Error::io(&path))
}

/// What the last replay found; nothing where it was of another record, or a file that it found the same is another now.
fn replayed(folder: &Path, record: &RunRecord) -> Option<bool> {
    let text = fs::read_to_string(folder.join(REPLAY)).ok()?;
    let found: Replayed = serde_json::from_str(&text).ok()?;
    let is_this = serde_json::to_value(record).is_ok_and(|record| seal_of(&record) == found.record);
    let is_as_written =
        |(name, hash): (&String, &String)| hash_of(&folder.join(name)).ok().flatten().as_ref() == Some(hash);
    (is_this && (!found.same || record.files.iter().all(is_as_written))).then_some(found.same)
}

fn strategy(folder: &Path, at: usize) -> Result<Strategy, Error> {
    let path = folder.join(policy_file(at));
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    Ok(Strategy { policy: run::checked(&text)?, text })
}

/// Whether a folder has a run.json that no version of this program wrote: what is left of a run that was altered.
pub(crate) fn is_damaged(folder: &Path) -> bool {
    fs::read(folder.join(RECORD)).is_ok_and(|bytes| serde_json::from_slice::<Version>(&bytes).is_err())
}

/// The part of run.json that every version has.
#[derive(serde::Deserialize)]
struct Version {
    version: u32,
}

fn rows<T: Row>(folder: &Path) -> Result<Vec<T>, Error> {
    let table = table(folder, T::empty())?;
    let wrong = || Error::not_a_run(&folder.join(file_of(T::NAME)), "a cell that must have a value has none");
    T::rows(&table).ok_or_else(wrong)
}

/// The stored table of an empty one's shape.
pub(crate) fn table(folder: &Path, shape: Table) -> Result<Table, Error> {
    let path = folder.join(file_of(shape.name));
    if !path.is_file() {
        if Tables::OPTIONAL.contains(&shape.name) {
            return Ok(shape);
        }
        return Err(Error::not_a_run(folder, format!("it has no {}", file_of(shape.name))));
    }
    shape.read(&path).map_err(|error| Error::not_a_run(&path, error))
}

/// BLAKE3 of a file; `None`: there is none.
pub(crate) fn hash_of(path: &Path) -> Result<Option<String>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(blake3::hash(&bytes).to_hex().to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path)(error)),
    }
}

/// The files whose hashes a record keeps, of those in a folder.
pub(crate) fn written(folder: &Path) -> impl Iterator<Item = String> + '_ {
    let empty = Tables::EACH.map(|table| file_of(table(&Tables::default()).name));
    let policies = (0..1_000).map(policy_file).take_while(|name| folder.join(name).is_file());
    let names = empty.into_iter().chain([file_of(VariantRow::NAME)]).chain(policies);
    names.filter(move |name| folder.join(name).is_file())
}
