//! `replay --verify`: the recipe again, compared with what is stored.

use crate::run::{Request, RunRecord, run};
use crate::{Error, Progress, folder};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The first difference; `None`: every row, hash and figure is the same.
    pub difference: Option<String>,
    /// Inputs replayed.
    pub inputs: u64,
    /// The chain hash that the replay gave.
    pub chain: String,
    /// The state hash that the replay gave.
    pub state: String,
}

/// Runs a stored run's recipe again and compares: tapes, policy, every row of every table, hashes, figures.
pub fn verify(path: &Path, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Verification, Error> {
    let stored = folder::open(path)?;
    let request = Request {
        policy_file: stored.record.policy.file.clone(),
        policy_text: stored.policy_text.clone(),
        tapes: stored.record.tapes.iter().map(|tape| tape.path.clone()).collect(),
        program: stored.record.program.clone(),
        seed: stored.record.seed,
    };
    let tape = changed_tape(&stored.record)?;
    let replayed = match run(&request, progress) {
        Ok(replayed) => replayed,
        // A changed tape that cannot even be run is the finding, not a failure.
        Err(error) if tape.is_some() && !matches!(error, Error::Interrupted) => {
            return Ok(Verification {
                difference: tape.map(|tape| format!("{tape}; it cannot be run again: {error}")),
                inputs: 0,
                chain: String::new(),
                state: String::new(),
            });
        }
        Err(error) => return Err(error),
    };
    let tables = || replayed.tables.all().into_iter().zip(stored.tables.all());
    let row = tables().find_map(|(ours, stored)| ours.difference(&stored));
    let difference = match (tape, row) {
        (Some(tape), Some(row)) => Some(format!("{tape}; first row that differs: {row}")),
        (Some(tape), None) => Some(tape),
        (None, Some(row)) => Some(row),
        (None, None) => match changed_record(&replayed.record, &stored.record) {
            Some(figure) => Some(figure),
            None => changed_file(path, &stored.record)?,
        },
    };
    let RunRecord { inputs, chain, state, .. } = replayed.record;
    Ok(Verification { difference, inputs, chain, state })
}

fn changed_tape(record: &RunRecord) -> Result<Option<String>, Error> {
    for tape in &record.tapes {
        let now = tape::digest(&tape.path)?;
        if now != tape.hash {
            return Ok(Some(format!(
                "tape `{}` has changed: its hash is {}, the run was made from {}",
                tape.path.display(),
                &now[..16],
                tape.hash.get(..16).unwrap_or(&tape.hash)
            )));
        }
    }
    Ok(None)
}

/// The first field of run.json that the replay does not give.
fn changed_record(replayed: &RunRecord, stored: &RunRecord) -> Option<String> {
    let fields = |record: &RunRecord| match serde_json::to_value(record) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (ours, theirs) = (fields(replayed), fields(stored));
    let differs = theirs.iter().find(|(name, value)| name.as_str() != "files" && ours.get(*name) != Some(value));
    differs.map(|(name, value)| {
        let replay = ours.get(name).map_or_else(|| "nothing".to_owned(), ToString::to_string);
        format!("run.json: {name} is {value}, the replay gives {replay}")
    })
}

/// Every row is the same, and yet a file's bytes are not those that were written.
fn changed_file(folder: &Path, record: &RunRecord) -> Result<Option<String>, Error> {
    for (name, hash) in &record.files {
        let path = folder.join(name);
        let bytes = fs::read(&path).map_err(Error::io(&path))?;
        if blake3::hash(&bytes).to_hex().as_str() != hash {
            return Ok(Some(format!("{name}: its bytes are not those that the run wrote")));
        }
    }
    Ok(None)
}
