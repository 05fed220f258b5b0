//! The identity of a file: the BLAKE3 hash of its bytes.

use crate::TapeError;
use std::fs::File;
use std::path::Path;

/// The BLAKE3 hash of a file's bytes in hexadecimal, read in pieces.
pub fn digest(path: impl AsRef<Path>) -> Result<String, TapeError> {
    let path = path.as_ref();
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path).map_err(TapeError::io(path))?;
    hasher.update_reader(file).map_err(TapeError::io(path))?;
    Ok(hasher.finalize().to_hex().to_string())
}
