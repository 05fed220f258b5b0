//! Files, tapes and the record against the hashes that were written.

use super::finding::{At, Found};
use crate::{Error, folder};
use std::path::Path;

/// Compares run.json with its own hash, each file beside it and each tape with the hash in it.
pub(super) fn check(path: &Path, found: &mut Found) -> Result<(), Error> {
    let (record, sealed) = folder::record(path)?;
    let why = sealed.as_ref().err().cloned().unwrap_or_default();
    found.ensure("files", sealed.is_ok(), At::file("run.json"), || why);
    for (name, hash) in &record.files {
        let now = folder::hash_of(&path.join(name))?;
        found.ensure("files", now.as_ref() == Some(hash), At::file(name), || match &now {
            Some(now) => format!("its hash is {now}, the run wrote {hash}"),
            None => "it is missing".to_owned(),
        });
    }
    for (at, stamp) in record.policies.iter().enumerate() {
        let name = folder::policy_file(at);
        let now = folder::hash_of(&path.join(&name))?.unwrap_or_default();
        found.ensure("files", now == stamp.hash, At::file(&name), || {
            format!("its hash is {now}, the run was made from {}", stamp.hash)
        });
    }
    for name in folder::written(path).filter(|name| !record.files.contains_key(name)) {
        found.ensure("files", false, At::file(&name), || "run.json has no hash of it".to_owned());
    }
    for stamp in &record.tapes {
        let (name, now) = (stamp.path.display().to_string(), tape::digest(&stamp.path)?);
        found.ensure("files", now == stamp.hash, At::file(&name), || {
            format!("the tape's hash is {now}, the run was made from {}", stamp.hash)
        });
    }
    Ok(())
}
