//! The text of a file, unpacked as it is read: plain, gzip, or the one file of a zip archive.

use crate::ImportError;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use flate2::{Crc, CrcReader};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// The longest line that is read; a file without line ends must not fill the memory.
const LINE_MAX: usize = 1 << 20;

/// How a text lies in its file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zip(Entry),
}

/// The one file in a zip archive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Where its bytes begin.
    start: u64,
    /// How many there are.
    packed: u64,
    /// Whether they are deflated, or stand as they are.
    deflated: bool,
    /// How many it has unpacked.
    size: u64,
    crc: u32,
}

impl Packing {
    /// How the file at `path`, which begins with `start`, is packed.
    pub(super) fn of(path: &Path, start: &[u8]) -> Result<Self, ImportError> {
        if start.starts_with(&[0x1f, 0x8b]) {
            Ok(Self::Gzip)
        } else if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            entry(path).map(Self::Zip)
        } else {
            Ok(Self::Plain)
        }
    }

    /// Bytes of the text, as far as the file tells; only for progress.
    pub(super) fn size(self, path: &Path) -> Result<u64, ImportError> {
        let length = std::fs::metadata(path).map_err(ImportError::io(path))?.len();
        Ok(match self {
            Self::Plain => length,
            Self::Zip(entry) => entry.size,
            Self::Gzip => {
                let mut last = [0; 4];
                let mut file = File::open(path).map_err(ImportError::io(path))?;
                file.seek(SeekFrom::Start(length.saturating_sub(4))).map_err(ImportError::io(path))?;
                let read = file.read_exact(&mut last);
                if read.is_ok() { u64::from(u32::from_le_bytes(last)) } else { length }
            }
        })
    }

    /// The text from its begin.
    pub(super) fn open(self, path: &Path) -> Result<Box<dyn Read>, ImportError> {
        let mut file = File::open(path).map_err(ImportError::io(path))?;
        Ok(match self {
            Self::Plain => Lines::of(file),
            Self::Gzip => Lines::of(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file))),
            Self::Zip(entry) => {
                file.seek(SeekFrom::Start(entry.start)).map_err(ImportError::io(path))?;
                let packed = BufReader::with_capacity(1 << 16, file.take(entry.packed));
                if entry.deflated {
                    Lines::of(Checked { text: CrcReader::new(DeflateDecoder::new(packed)), entry, done: false })
                } else {
                    Lines::of(Checked { text: CrcReader::new(packed), entry, done: false })
                }
            }
        })
    }
}

/// Holds what was unpacked against the archive's directory.
struct Checked<R> {
    text: CrcReader<R>,
    entry: Entry,
    done: bool,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(buffer)?;
        if count == 0 && !buffer.is_empty() && !self.done {
            self.done = true;
            let crc: &Crc = self.text.crc();
            if crc.sum() != self.entry.crc || crc.amount() != self.entry.size as u32 {
                return Err(damage("what is in the archive does not match its checksum"));
            }
        }
        Ok(count)
    }
}

/// Refuses a line that no table has.
struct Lines<R> {
    text: R,
    /// Bytes since the last line end.
    length: usize,
}

impl<R: Read + 'static> Lines<R> {
    fn of(text: R) -> Box<dyn Read> {
        Box::new(Self { text, length: 0 })
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(buffer)?;
        let read = buffer.get(..count).unwrap_or_default();
        self.length = match read.iter().rposition(|byte| *byte == b'\n' || *byte == b'\r') {
            Some(end) => count - end,
            None => self.length + count,
        };
        if self.length > LINE_MAX { Err(damage("a line is longer than 1 MiB")) } else { Ok(count) }
    }
}

fn damage(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Finds the one file of an archive by the directory at its end.
fn entry(path: &Path) -> Result<Entry, ImportError> {
    let mut file = File::open(path).map_err(ImportError::io(path))?;
    let length = file.metadata().map_err(ImportError::io(path))?.len();
    let mut part = |start: u64, length: u64| -> Result<Vec<u8>, ImportError> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start)).map_err(ImportError::io(path))?;
        file.by_ref().take(length).read_to_end(&mut bytes).map_err(ImportError::io(path))?;
        Ok(bytes)
    };
    let cut_off =
        || ImportError::source(path, "damaged", "is a damaged archive: its directory cannot be read; fetch it again");

    // The end of the directory is 22 bytes and a comment of at most 65,535.
    let tail_start = length.saturating_sub(22 + 65_535);
    let tail = part(tail_start, length - tail_start)?;
    let end = (0..tail.len().saturating_sub(21))
        .rev()
        .find(|at| tail.get(*at..).is_some_and(|at| at.starts_with(b"PK\x05\x06")));
    let end = end.and_then(|at| tail.get(at..)).ok_or_else(cut_off)?;
    let (size, start) = (number(end, 12, 4).ok_or_else(cut_off)?, number(end, 16, 4).ok_or_else(cut_off)?);
    if size > 1 << 20 || start == u64::from(u32::MAX) {
        let what = "is an archive of many or huge files; unpack it and import what it holds one by one";
        return Err(ImportError::source(path, "archive", what));
    }

    let directory = part(start, size)?;
    let mut rest = directory.as_slice();
    let (mut files, mut entries) = (Vec::new(), 0);
    while rest.starts_with(b"PK\x01\x02") {
        let field = |at, length| number(rest, at, length).ok_or_else(cut_off);
        let name_length = field(28, 2)? as usize;
        let name = rest.get(46..46 + name_length).ok_or_else(cut_off)?;
        let entry = Entry {
            start: field(42, 4)?,
            packed: field(20, 4)?,
            deflated: field(10, 2)? == 8,
            size: field(24, 4)?,
            crc: field(16, 4)? as u32,
        };
        if !name.ends_with(b"/") && !name.starts_with(b"__MACOSX/") {
            files.push((String::from_utf8_lossy(name).into_owned(), entry, field(8, 2)?, field(10, 2)?));
        }
        let skip = 46 + name_length + field(30, 2)? as usize + field(32, 2)? as usize;
        rest = rest.get(skip..).ok_or_else(cut_off)?;
        entries += 1;
    }
    if number(end, 10, 2) != Some(entries) {
        return Err(cut_off());
    }

    let [(_, found, flags, method)] = files.as_slice() else {
        let names: Vec<String> =
            files.iter().take(3).map(|(name, ..)| format!("`{}`", crate::cell::printable(name))).collect();
        let more = if files.len() > names.len() { ", …" } else { "" };
        let what = match files.len() {
            0 => "is an archive without a file in it".to_owned(),
            count => {
                format!("is an archive of {count} files ({}{more}); unpack it and import one of them", names.join(", "))
            }
        };
        return Err(ImportError::source(path, "archive", what));
    };
    if flags & 1 != 0 {
        return Err(ImportError::source(path, "archive", "is an encrypted archive; unpack it with its password first"));
    }
    if ![0, 8].contains(method) {
        return Err(ImportError::source(path, "archive", "is an archive packed by an unusual method; unpack it first"));
    }
    let mut found = *found;
    let local = part(found.start, 30)?;
    if !local.starts_with(b"PK\x03\x04") {
        return Err(cut_off());
    }
    let before = number(&local, 26, 2).zip(number(&local, 28, 2)).ok_or_else(cut_off)?;
    found.start += 30 + before.0 + before.1;
    if found.start + found.packed > length {
        return Err(cut_off());
    }
    Ok(found)
}

/// A number of `length` bytes, the lowest first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + length)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
