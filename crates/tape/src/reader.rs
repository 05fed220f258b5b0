//! Reading a tape: one row group in memory at a time, checked before it is decoded.

use crate::check::Ids;
use crate::decode::Group;
use crate::header::{Document, GroupSeal, KindSpan, Spans};
use crate::schema::{self, FORMAT_VERSION, HEADER_HASH_KEY, HEADER_KEY, VERSION_KEY};
use crate::{Fault, Kind, TapeError, TapeInfo};
use bytes::Bytes;
use market::{Catalogue, Event};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataReader};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use units::Timestamp;

/// One row of a tape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TapeRow {
    /// When it was received: the engine's clock.
    pub receipt: Timestamp,
    /// When the venue says it happened; a bar's close.
    pub venue: Timestamp,
    /// What happened.
    pub event: Event,
}

/// A file that can be read from any place. A pipe cannot, and opening one waits for whoever writes into it.
fn regular(path: &Path) -> io::Result<File> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_file() || kind.is_dir() {
        return File::open(path);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is a pipe or a device, and a tape is read from any place in it",
    ))
}

/// Reads a tape row by row.
#[derive(Debug)]
pub struct TapeReader {
    info: TapeInfo,
    file: File,
    metadata: ParquetMetaData,
    seals: Vec<GroupSeal>,
    next_group: usize,
    group: Option<Group>,
    batch: Vec<TapeRow>,
    position: usize,
    decoded: u64,
    previous: Timestamp,
    spans: Spans,
}

impl TapeReader {
    /// Opens a tape and reads what it says about itself.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TapeError> {
        let path = path.as_ref();
        let file = regular(path).map_err(TapeError::io(path))?;
        let metadata = read_metadata(path, &file)?;
        let (version, document) = read_document(path, metadata.file_metadata())?;
        if !schema::is_ours(metadata.file_metadata().schema_descr(), version) {
            return Err(TapeError::corrupt(path, "its columns are not those of a tape"));
        }
        check_groups(path, &metadata, &document)?;
        let header = document.header().map_err(|what| TapeError::corrupt(path, what))?;
        let info = TapeInfo {
            path: path.to_owned(),
            version,
            catalogue: header.catalogue,
            provenance: header.provenance,
            rows: document.rows,
            kinds: document.kinds,
        };
        tracing::debug!(tape = %path.display(), version, rows = info.rows, "tape opened");
        Ok(Self {
            info,
            file,
            metadata,
            seals: document.groups,
            next_group: 0,
            group: None,
            batch: Vec::new(),
            position: 0,
            decoded: 0,
            previous: Timestamp::MIN,
            spans: Spans::default(),
        })
    }

    /// What the tape says about itself.
    #[must_use]
    pub fn info(&self) -> &TapeInfo {
        &self.info
    }

    /// What the ids in the rows mean.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.info.catalogue
    }

    /// Rows handed out so far.
    #[must_use]
    pub fn rows_read(&self) -> u64 {
        self.decoded - (self.batch.len() - self.position) as u64
    }

    /// The next row's receipt time and event, or `None` at the end.
    #[expect(clippy::should_implement_trait, reason = "an iterator would turn the two ways to end inside out")]
    pub fn next(&mut self) -> Result<Option<(Timestamp, Event)>, TapeError> {
        Ok(self.next_row()?.map(|row| (row.receipt, row.event)))
    }

    /// The next row, or `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<TapeRow>, TapeError> {
        let row = self.peek()?.copied();
        self.advance();
        Ok(row)
    }

    /// The row that [`next_row`](Self::next_row) will hand out.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<Option<&TapeRow>, TapeError> {
        if self.position == self.batch.len() {
            self.refill()?;
        }
        Ok(self.batch.get(self.position))
    }

    /// Passes the row that was peeked at.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.position = (self.position + 1).min(self.batch.len());
    }

    /// Decodes and checks the next rows. Leaves the batch empty at the end of the tape.
    #[cold]
    fn refill(&mut self) -> Result<(), TapeError> {
        self.batch.clear();
        self.position = 0;
        while self.batch.is_empty() {
            // A hash keeps out accidents, not whoever wrote the hash: the decoders stop at most damage with an error and at
            // some with a panic, and both mean the same here.
            let more = catch_unwind(AssertUnwindSafe(|| self.decode()));
            match more.unwrap_or_else(|_| Err(TapeError::corrupt(&self.info.path, "a column does not decode"))) {
                Ok(true) => {}
                Ok(false) => return self.check_end(),
                Err(error) => return Err(self.give_up(error)),
            }
        }
        self.check_batch().map_err(|error| self.give_up(error))?;
        self.decoded += self.batch.len() as u64;
        Ok(())
    }

    /// After an error there are no rows: what was decoded beside it is not trusted either.
    fn give_up(&mut self, error: TapeError) -> TapeError {
        self.batch.clear();
        self.group = None;
        self.next_group = self.seals.len();
        error
    }

    /// Decodes the next rows. `false` at the end.
    fn decode(&mut self) -> Result<bool, TapeError> {
        if self.group.as_ref().is_none_or(Group::is_done) && !self.open_group()? {
            return Ok(false);
        }
        if let Some(group) = &mut self.group {
            group.decode(&mut self.batch).map_err(|fault| fault.locate(&self.info.path, self.decoded))?;
        }
        Ok(true)
    }

    fn check_batch(&mut self) -> Result<(), TapeError> {
        let ids = Ids::of(&self.info.catalogue);
        for (index, row) in self.batch.iter().enumerate() {
            let fault = if row.receipt < self.previous {
                Err(Fault::BackInTime { at: row.receipt, previous: self.previous })
            } else {
                ids.check(row.receipt, row.venue, &row.event)
            };
            if let Err(fault) = fault {
                let row = self.decoded + index as u64 + 1;
                return Err(TapeError::Row { path: self.info.path.clone(), row, fault });
            }
            self.previous = row.receipt;
            if let Some(span) = Kind::of(&row.event).and_then(|kind| self.spans.get_mut(kind.place())) {
                KindSpan::add(span, row.receipt);
            }
        }
        Ok(())
    }

    /// Loads the next row group, checked against its seal. `false` when there is none.
    fn open_group(&mut self) -> Result<bool, TapeError> {
        let path = &self.info.path;
        let index = self.next_group;
        let Some(seal) = self.seals.get(index) else { return Ok(false) };
        let start = index.checked_sub(1).and_then(|before| self.seals.get(before)).map_or(0, |before| before.end);
        let metadata = self.metadata.row_group(index);
        let mut bytes = vec![0; (seal.end - start) as usize];
        self.file.seek(SeekFrom::Start(start)).map_err(TapeError::io(path))?;
        self.file.read_exact(&mut bytes).map_err(TapeError::io(path))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&bytes);
        hasher.update(schema::fingerprint(metadata).as_bytes());
        if hasher.finalize().to_hex().as_str() != seal.blake3 {
            return Err(TapeError::corrupt(path, format!("row group {} does not match its hash", index + 1)));
        }
        let group =
            Group::new(metadata, self.info.version, start, Bytes::from(bytes)).map_err(TapeError::reading(path))?;
        self.group = Some(group);
        self.next_group += 1;
        Ok(true)
    }

    fn check_end(&self) -> Result<(), TapeError> {
        let claimed = Kind::ALL.map(|kind| self.info.span(kind));
        if self.spans == claimed {
            Ok(())
        } else {
            Err(TapeError::corrupt(&self.info.path, "its rows are not those that its header announces"))
        }
    }
}

const MAGIC: &[u8] = b"PAR1";

fn read_metadata(path: &Path, file: &File) -> Result<ParquetMetaData, TapeError> {
    let mut magic = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(TapeError::io(path))?;
    if magic != MAGIC {
        return Err(TapeError::NotParquet { path: path.to_owned() });
    }
    ParquetMetaDataReader::new().parse_and_finish(file).map_err(|error| match error {
        ParquetError::EOF(_) | ParquetError::General(_) => {
            TapeError::corrupt(path, "it has no readable end; it may be cut off")
        }
        other => TapeError::reading(path)(other),
    })
}

fn read_document(path: &Path, metadata: &FileMetaData) -> Result<(u32, Document), TapeError> {
    let value = |key: &str| {
        let entries = metadata.key_value_metadata()?;
        entries.iter().find(|entry| entry.key == key)?.value.as_deref()
    };
    let version = value(VERSION_KEY).ok_or_else(|| TapeError::NotATape { path: path.to_owned() })?;
    let version: u32 = version.parse().map_err(|_| TapeError::corrupt(path, "its version is no number"))?;
    // Each version only adds to the one before it.
    if version > FORMAT_VERSION {
        return Err(TapeError::Newer { path: path.to_owned(), version });
    }
    if version == 0 {
        return Err(TapeError::corrupt(path, "its version is 0, which never was"));
    }
    let text = value(HEADER_KEY).ok_or_else(|| TapeError::corrupt(path, "it has no header"))?;
    if value(HEADER_HASH_KEY) != Some(blake3::hash(text.as_bytes()).to_hex().as_str()) {
        return Err(TapeError::corrupt(path, "its header does not match its hash"));
    }
    let document = serde_json::from_str(text)
        .map_err(|error| TapeError::corrupt(path, format!("its header cannot be read ({error})")))?;
    Ok((version, document))
}

/// Whether the row groups lie one behind the other inside the file and hold the rows that the header announces.
fn check_groups(path: &Path, metadata: &ParquetMetaData, document: &Document) -> Result<(), TapeError> {
    let length = std::fs::metadata(path).map_err(TapeError::io(path))?.len();
    let mut start = 0;
    for seal in &document.groups {
        if seal.end < start || seal.end > length {
            return Err(TapeError::corrupt(path, "its row groups lie outside the file"));
        }
        start = seal.end;
    }
    let rows: u64 = metadata.row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).sum();
    if metadata.num_row_groups() != document.groups.len() || rows != document.rows {
        return Err(TapeError::corrupt(path, format!("it holds {rows} rows, its header announces {}", document.rows)));
    }
    Ok(())
}
