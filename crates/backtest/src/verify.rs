//! `replay --verify`: the recipe again, compared with what is stored; causes before effects.

use crate::records::Tables;
use crate::run::{PolicyFile, PolicyStamp, Request, Run, RunRecord, run};
use crate::{Error, Progress, folder};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
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

impl Verification {
    /// A run of which so much was altered that it cannot be replayed.
    fn impossible(difference: String) -> Self {
        Self { difference: Some(difference), inputs: 0, chain: String::new(), state: String::new() }
    }
}

/// Runs a stored run's recipe again and compares: run.json with its own hash, then the tapes, the policy's text, the files
/// row by row, and the figures.
pub fn verify(path: &Path, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Verification, Error> {
    let (record, sealed) = folder::record(path)?;
    let mut policies = Vec::new();
    for (at, stamp) in record.policies.iter().enumerate() {
        let name = folder::policy_file(at);
        match fs::read(path.join(&name)) {
            Ok(text) => policies.push((name, stamp, text)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Verification::impossible(format!("{name} is missing")));
            }
            Err(error) => return Err(Error::io(&path.join(&name))(error)),
        }
    }
    // Where run.json is not what was written, neither are the hashes in it: nothing else can be blamed by them.
    let input = match &sealed {
        Ok(()) => changed_tape(&record)?
            .or_else(|| policies.iter().find_map(|(name, stamp, text)| changed_policy(name, text, stamp))),
        Err(_) => None,
    };
    let request = Request {
        policies: policies
            .iter()
            .map(|(_, stamp, text)| PolicyFile::new(stamp.file.clone(), String::from_utf8_lossy(text)))
            .collect(),
        tapes: record.tapes.iter().map(|tape| tape.path.clone()).collect(),
        program: record.program.clone(),
        seed: record.seed,
    };
    let cause = sealed.as_ref().err().or(input.as_ref());
    let replayed = match (run(&request, progress), cause) {
        (Ok(replayed), _) => replayed,
        (Err(Error::Interrupted), _) => return Err(Error::Interrupted),
        // What was altered and cannot even be run is the finding, not a failure.
        (Err(error), Some(cause)) => {
            return Ok(Verification::impossible(format!("{cause}; it cannot be run again: {error}")));
        }
        (Err(error), None) => return Err(error),
    };
    let table = || changed_table(path, &record, &replayed);
    let figure = || changed_figure(path, &record, &replayed.record);
    let difference = match (sealed, input) {
        (Err(why), _) => {
            let place = first_of(figure, table)?;
            Some(place.map_or_else(|| format!("{why}; {TAKEN}"), |place| format!("{why}: {place}")))
        }
        (Ok(()), Some(input)) => {
            Some(table()?.map_or_else(|| input.clone(), |row| format!("{input}; first row that differs: {row}")))
        }
        (Ok(()), None) => first_of(table, || Ok(figure()?.map(|figure| format!("run.json: {figure}"))))?,
    };
    let RunRecord { inputs, chain, state, .. } = replayed.record;
    Ok(Verification { difference, inputs, chain, state })
}

/// Where an alteration of run.json must be that no replay shows.
const TAKEN: &str = "all that a replay gives anew is the same, so it is `program`, \
                     `seed`, `policies[…].file`, the hash `record` or an added field";

type Found = Result<Option<String>, Error>;

fn first_of(one: impl FnOnce() -> Found, other: impl FnOnce() -> Found) -> Found {
    match one()? {
        Some(found) => Ok(Some(found)),
        None => other(),
    }
}

fn changed_tape(record: &RunRecord) -> Found {
    for tape in &record.tapes {
        let now = tape::digest(&tape.path)?;
        if now != tape.hash {
            let (now, then) = told_apart(&now, &tape.hash);
            let path = tape.path.display();
            return Ok(Some(format!("tape `{path}` has changed: its hash is {now}, the run was made from {then}")));
        }
    }
    Ok(None)
}

fn changed_policy(name: &str, text: &[u8], stamp: &PolicyStamp) -> Option<String> {
    let now = blake3::hash(text).to_hex();
    (now.as_str() != stamp.hash).then(|| {
        let (now, then) = told_apart(&now, &stamp.hash);
        format!("{name} has changed: its hash is {now}, the run was made from {then}")
    })
}

/// Two hashes by as many digits as show that they differ.
fn told_apart<'a>(one: &'a str, other: &'a str) -> (&'a str, &'a str) {
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let digits = (same + 8).max(16);
    let cut = |hash: &'a str| hash.get(..digits).unwrap_or(hash);
    (cut(one), cut(other))
}

/// The first table whose rows are not those of the replay; else the first file whose bytes are not those that were written.
fn changed_table(folder: &Path, record: &RunRecord, replayed: &Run) -> Found {
    let mut bytes = None;
    for table in Tables::EACH {
        let (ours, empty) = (table(&replayed.tables), table(&Tables::default()));
        let name = folder::file_of(ours.name);
        let altered = is_altered(folder, record, &name)?;
        let difference = match folder::table(folder, empty) {
            Ok(stored) => ours.difference(&stored),
            Err(Error::NotARun { why, .. }) => Some(format!("{name} cannot be read: {why}")),
            Err(error) => return Err(error),
        };
        match (altered, difference) {
            (false, Some(difference)) => return Ok(Some(difference)),
            (true, Some(difference)) => {
                return Ok(Some(format!("{name}: its bytes are not those that the run wrote; {difference}")));
            }
            (true, None) => {
                bytes.get_or_insert(format!(
                    "{name}: its bytes are not those that the run wrote, its rows are the same"
                ));
            }
            (false, None) => {}
        }
    }
    if bytes.is_none() {
        // The policies' texts are inputs, compared before.
        let is_policy = |name: &str| (0..record.policies.len()).any(|at| folder::policy_file(at) == name);
        for name in record.files.keys().filter(|name| !is_policy(name)) {
            if is_altered(folder, record, name)? {
                return Ok(Some(format!("{name}: its bytes are not those that the run wrote")));
            }
        }
    }
    Ok(bytes)
}

/// Whether a file is missing or has other bytes than were written. One without a hash is not known to be altered.
fn is_altered(folder: &Path, record: &RunRecord, name: &str) -> Result<bool, Error> {
    let Some(hash) = record.files.get(name) else { return Ok(false) };
    Ok(folder::hash_of(&folder.join(name))?.as_ref() != Some(hash))
}

/// The first field of run.json that the replay does not give, or the files beside it do not.
fn changed_figure(folder: &Path, stored: &RunRecord, replayed: &RunRecord) -> Found {
    let mut files = BTreeMap::new();
    for name in stored.files.keys().cloned().chain(folder::written(folder)) {
        if let Some(hash) = folder::hash_of(&folder.join(&name))? {
            files.insert(name, hash);
        }
    }
    let replayed = RunRecord { files, ..replayed.clone() };
    // Runs of before that was counted do not tell it.
    let replayed = RunRecord { quiet: stored.quiet.and(replayed.quiet), ..replayed };
    let values = [serde_json::to_value(stored), serde_json::to_value(&replayed)];
    let [Ok(stored), Ok(replayed)] = values else { return Ok(None) };
    Ok(difference("", &stored, &replayed))
}

/// The first leaf in which a value is not as it should be.
fn difference(path: &str, stored: &Value, ours: &Value) -> Option<String> {
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (stored, ours) {
        (Value::Object(stored), Value::Object(ours)) => {
            let names = stored.keys().chain(ours.keys().filter(|name| !stored.contains_key(*name)));
            let none = &Value::Null;
            let of = |map: &serde_json::Map<String, Value>, name: &str| map.get(name).unwrap_or(none).clone();
            names
                .map(|name| (inside(name), of(stored, name), of(ours, name)))
                .find_map(|(at, a, b)| difference(&at, &a, &b))
        }
        (Value::Array(stored), Value::Array(ours)) => {
            let mut both = stored.iter().zip(ours).enumerate().map(|(at, (a, b))| (format!("{path}[{at}]"), a, b));
            both.find_map(|(at, a, b)| difference(&at, a, b)).or_else(|| {
                let (theirs, ours) = (stored.len(), ours.len());
                (theirs != ours).then(|| format!("{path} has {theirs} entries, the replay gives {ours}"))
            })
        }
        _ => (stored != ours).then(|| format!("{path} is {}, the replay gives {}", shown(stored), shown(ours))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Object(_) => "a group of fields".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::told_apart;

    #[test]
    fn hashes_are_shown_as_far_as_they_differ() {
        let whole = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        assert_eq!(told_apart(whole, "f123"), ("0123456789abcdef", "f123"));
        // Cut off behind its 20th digit: the whole of it, and eight digits more of the other.
        assert_eq!(told_apart(whole, &whole[..20]), (&whole[..28], &whole[..20]));
        assert_eq!(told_apart(whole, &whole[..63]), (whole, &whole[..63]));
        assert_eq!(told_apart(whole, "0123456789abcdef0123456é"), (&whole[..31], "0123456789abcdef0123456é"));
    }
}
