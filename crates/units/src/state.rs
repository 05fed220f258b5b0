//! Snapshots: every field of every state, written in one order, little endian.
//!
//! The state hash is a hash of these bytes, so a field that is not written is a field that can drift unseen.

use std::fmt;

/// Collects a snapshot.
#[derive(Debug, Default, Clone)]
pub struct StateWriter {
    bytes: Vec<u8>,
}

/// A snapshot that is not one of this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt {
    /// Byte at which reading failed.
    pub at: usize,
    /// What stood there.
    pub what: &'static str,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "snapshot is corrupt at byte {}: {}", self.at, self.what)
    }
}

impl std::error::Error for Corrupt {}

macro_rules! numbers {
    ($($name:ident: $repr:ty),* $(,)?) => {
        impl StateWriter {
            $(
                #[doc = concat!("Writes a `", stringify!($repr), "`.")]
                pub fn $name(&mut self, value: $repr) {
                    self.bytes.extend_from_slice(&value.to_le_bytes());
                }
            )*
        }

        impl StateReader<'_> {
            $(
                #[doc = concat!("Reads a `", stringify!($repr), "`.")]
                pub fn $name(&mut self) -> Result<$repr, Corrupt> {
                    self.take().map(<$repr>::from_le_bytes)
                }
            )*
        }
    };
}

numbers!(u8: u8, u16: u16, u32: u32, u64: u64, i64: i64, i128: i128);

impl StateWriter {
    /// An empty snapshot.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Writes a yes or no.
    pub fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// Writes a double by its bits.
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    /// Writes a length: of a list that follows.
    pub fn len(&mut self, value: usize) {
        self.u64(value as u64);
    }

    /// Writes raw bytes behind their length.
    pub fn bytes(&mut self, value: &[u8]) {
        self.len(value.len());
        self.bytes.extend_from_slice(value);
    }

    /// Writes whether there is a value, then the value.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// What was written so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a snapshot back, in the order in which it was written.
#[derive(Debug)]
pub struct StateReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> StateReader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn slice(&mut self, count: usize) -> Result<&'a [u8], Corrupt> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(Corrupt { at: self.at, what: "ends too early" })?;
        let slice = &self.bytes[self.at..end];
        self.at = end;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(N)?);
        Ok(array)
    }

    /// Reads a yes or no.
    pub fn bool(&mut self) -> Result<bool, Corrupt> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Corrupt { at: self.at - 1, what: "neither yes nor no" }),
        }
    }

    /// Reads a double.
    pub fn f64(&mut self) -> Result<f64, Corrupt> {
        self.u64().map(f64::from_bits)
    }

    /// Reads a length; refuses one that the rest of the snapshot could not hold.
    #[allow(clippy::len_without_is_empty, reason = "reads a length, does not measure this reader")]
    pub fn len(&mut self) -> Result<usize, Corrupt> {
        let value = self.u64()?;
        usize::try_from(value)
            .ok()
            .filter(|count| *count <= self.bytes.len())
            .ok_or(Corrupt { at: self.at - 8, what: "a length beyond the snapshot" })
    }

    /// Reads raw bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], Corrupt> {
        let count = self.len()?;
        self.slice(count)
    }

    /// Reads an optional value.
    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Corrupt>) -> Result<Option<T>, Corrupt> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Refuses a snapshot with bytes left over.
    pub fn end(&self) -> Result<(), Corrupt> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(Corrupt { at: self.at, what: "bytes left over" }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_written_and_refuses_the_rest() {
        let mut out = StateWriter::new();
        out.i128(-7);
        out.option(Some(2.5), StateWriter::f64);
        out.option(None, StateWriter::u8);
        out.bytes(b"abc");
        let mut from = StateReader::new(out.as_bytes());
        assert_eq!(from.i128(), Ok(-7));
        assert_eq!(from.option(StateReader::f64), Ok(Some(2.5)));
        assert_eq!(from.option(StateReader::u8), Ok(None));
        assert_eq!(from.bytes(), Ok(&b"abc"[..]));
        assert_eq!(from.end(), Ok(()));
        assert_eq!(from.u8(), Err(Corrupt { at: out.as_bytes().len(), what: "ends too early" }));
        assert!(StateReader::new(&[9]).bool().is_err());
        assert!(StateReader::new(&u64::MAX.to_le_bytes()).bytes().is_err());
    }
}
