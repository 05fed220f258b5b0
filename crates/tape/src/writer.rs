//! Writing a tape: a temporary file beside the target, renamed when finished.

use crate::check::Ids;
use crate::header::{Document, GroupSeal, KindSpan, Spans};
use crate::schema::{self, GROUP_ROWS, HEADER_HASH_KEY, HEADER_KEY, QUOTES_VERSION, VERSION_KEY};
use crate::{Fault, Kind, Provenance, TapeError, TapeHeader};
use market::Event;
use parquet::data_type::{DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, RowGroupMetaDataPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;
use units::{Price, Qty, Timestamp};

/// Writes a tape. Dropped without [`finish`](Self::finish) it leaves nothing behind.
pub struct TapeWriter {
    path: PathBuf,
    version: u32,
    file: SerializedFileWriter<Sink>,
    header: TapeHeader,
    ids: Ids,
    columns: Columns,
    previous: Timestamp,
    rows: u64,
    spans: Spans,
    groups: Vec<GroupSeal>,
}

impl TapeWriter {
    /// Begins a tape that will stand at `path` once finished; what is there now stays until then.
    ///
    /// Marks need a version that says so: [`with_quotes`](Self::with_quotes), unless there are options in the catalogue.
    pub fn create(path: impl AsRef<Path>, header: &TapeHeader) -> Result<Self, TapeError> {
        Self::of_version(schema::version(&header.catalogue), path.as_ref(), header)
    }

    /// As [`create`](Self::create), with the columns of quotes and marks whatever the catalogue holds.
    pub fn with_quotes(path: impl AsRef<Path>, header: &TapeHeader) -> Result<Self, TapeError> {
        Self::of_version(QUOTES_VERSION, path.as_ref(), header)
    }

    fn of_version(version: u32, path: &Path, header: &TapeHeader) -> Result<Self, TapeError> {
        let path = path.to_owned();
        let sink = Sink::beside(&path).map_err(TapeError::io(&path))?;
        let schema = schema::schema(version).map_err(TapeError::writing(&path))?;
        let file = SerializedFileWriter::new(sink, schema, Arc::new(schema::properties()))
            .map_err(TapeError::writing(&path))?;
        Ok(Self {
            path,
            version,
            file,
            header: header.clone(),
            ids: Ids::of(&header.catalogue),
            columns: Columns { quotes: (version >= QUOTES_VERSION).then(Default::default), ..Columns::default() },
            previous: Timestamp::MIN,
            rows: 0,
            spans: Spans::default(),
            groups: Vec::new(),
        })
    }

    /// Adds a row. Rows come in order of receipt time; a bar's venue time is its close.
    pub fn push(&mut self, receipt: Timestamp, venue: Timestamp, event: &Event) -> Result<(), TapeError> {
        let row = self.rows + 1;
        let refuse = |path: &Path, fault| TapeError::Row { path: path.to_owned(), row, fault };
        if receipt < self.previous {
            return Err(refuse(&self.path, Fault::BackInTime { at: receipt, previous: self.previous }));
        }
        self.ids.check(receipt, venue, event).map_err(|fault| refuse(&self.path, fault))?;
        let kind = Kind::of(event).ok_or_else(|| refuse(&self.path, Fault::UnknownKind(-1)))?;
        if kind.number() >= Kind::Mark.number() && self.version < QUOTES_VERSION {
            return Err(refuse(&self.path, Fault::UnknownKind(kind.number())));
        }
        self.columns.push(receipt, venue, kind, event);
        if let Some(span) = self.spans.get_mut(kind.place()) {
            KindSpan::add(span, receipt);
        }
        self.previous = receipt;
        self.rows = row;
        if self.columns.receipt.len() == GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Replaces the provenance: an importer knows its counts only at the end.
    pub fn set_provenance(&mut self, provenance: Provenance) {
        self.header.provenance = provenance;
    }

    /// Writes what is left and puts the tape in its place.
    pub fn finish(mut self) -> Result<(), TapeError> {
        self.flush()?;
        let document = Document::new(&self.header, &self.spans, std::mem::take(&mut self.groups));
        let text = serde_json::to_string(&document)
            .map_err(|error| TapeError::Io { path: self.path.clone(), source: io::Error::other(error) })?;
        let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
        let entries = [(VERSION_KEY, self.version.to_string()), (HEADER_KEY, text), (HEADER_HASH_KEY, hash.clone())];
        for (key, value) in entries {
            self.file.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        let sink = self.file.into_inner().map_err(TapeError::writing(&self.path))?;
        sink.persist(&self.path).map_err(TapeError::io(&self.path))?;
        tracing::info!(tape = %self.path.display(), rows = self.rows, header = hash, "tape written");
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TapeError> {
        if self.columns.receipt.is_empty() {
            return Ok(());
        }
        let group = self.columns.write(&mut self.file).map_err(TapeError::writing(&self.path))?;
        // The parquet writer buffers: only a flush brings the group's last bytes into the hash.
        self.file.flush().map_err(TapeError::io(&self.path))?;
        self.columns.clear();
        self.groups.push(self.file.inner_mut().seal(&schema::fingerprint(&group)));
        Ok(())
    }
}

/// Where the bytes go: a temporary file, hashed as it grows.
struct Sink {
    file: NamedTempFile,
    hasher: blake3::Hasher,
    written: u64,
}

impl Sink {
    fn beside(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".trimtab-").suffix(".partial");
        #[cfg(unix)]
        {
            // A tape is an ordinary file: readable by others as far as the umask lets it.
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder).map_err(without_temporary_name)?;
        Ok(Self { file, hasher: blake3::Hasher::new(), written: 0 })
    }

    /// The hash of all bytes since the last seal and of the group's metadata.
    fn seal(&mut self, fingerprint: &str) -> GroupSeal {
        self.hasher.update(fingerprint.as_bytes());
        let blake3 = self.hasher.finalize().to_hex().to_string();
        self.hasher.reset();
        GroupSeal { end: self.written, blake3 }
    }

    fn persist(self, path: &Path) -> io::Result<()> {
        self.file.as_file().sync_data()?;
        self.file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// The error of the target, not of a temporary file that no user has heard of.
fn without_temporary_name(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::NotFound, "its folder does not exist"),
        kind => kind.into(),
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or(bytes));
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The rows of the row group in the making. Optional columns hold only their own kind's values.
#[derive(Default)]
struct Columns {
    receipt: Vec<i64>,
    venue: Vec<i64>,
    kind: Vec<i32>,
    id: Vec<i32>,
    opened: Vec<i64>,
    open: Vec<i64>,
    high: Vec<i64>,
    low: Vec<i64>,
    close: Vec<i64>,
    volume: Vec<i64>,
    rate: Vec<i64>,
    interval: Vec<i64>,
    value: Vec<f64>,
    /// Of versions that have them.
    quotes: Option<[Cells; 7]>,
}

/// A column of quotes: any of its rows may be without a value.
#[derive(Default)]
struct Cells {
    levels: Vec<i16>,
    values: Vec<i64>,
}

impl Cells {
    fn push(&mut self, value: Option<i64>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }
}

impl Columns {
    fn push(&mut self, receipt: Timestamp, venue: Timestamp, kind: Kind, event: &Event) {
        self.receipt.push(receipt.nanos());
        self.venue.push(venue.nanos());
        self.kind.push(kind.number());
        // Ids are unsigned 32 bits; Parquet keeps their bits in an INT32.
        self.id.push(match event {
            Event::Bar(bar) => bar.instrument.0 as i32,
            Event::Funding(funding) => funding.instrument.0 as i32,
            Event::Series(point) => point.series.0 as i32,
            Event::Mark(mark) => mark.instrument.0 as i32,
            Event::OptionQuote(quote) => quote.instrument.0 as i32,
            Event::Trade(_) | Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => 0,
        });
        match event {
            Event::Bar(bar) => {
                self.opened.push(bar.opened.nanos());
                self.open.push(bar.open.raw());
                self.high.push(bar.high.raw());
                self.low.push(bar.low.raw());
                self.close.push(bar.close.raw());
                self.volume.push(bar.volume.raw());
            }
            Event::Funding(funding) => {
                self.rate.push(funding.rate.raw());
                self.interval.push(funding.interval.nanos());
            }
            Event::Series(point) => self.value.push(point.value.get()),
            Event::Mark(_)
            | Event::OptionQuote(_)
            | Event::Trade(_)
            | Event::Order(_)
            | Event::Cash(_)
            | Event::Settlement(_) => {}
        }
        if let Some(quotes) = &mut self.quotes {
            for (cells, value) in quotes.iter_mut().zip(quoted(event)) {
                cells.push(value);
            }
        }
    }

    /// Writes the columns in the order of the schema.
    fn write(&self, file: &mut SerializedFileWriter<Sink>) -> Result<RowGroupMetaDataPtr, ParquetError> {
        let levels =
            |kind: Kind| -> Vec<i16> { self.kind.iter().map(|found| i16::from(*found == kind as i32)).collect() };
        let (bars, fundings, points) = (levels(Kind::Bar), levels(Kind::Funding), levels(Kind::Series));
        let mut group = file.next_row_group()?;
        column::<Int64Type>(&mut group, &self.receipt, None)?;
        column::<Int64Type>(&mut group, &self.venue, None)?;
        column::<Int32Type>(&mut group, &self.kind, None)?;
        column::<Int32Type>(&mut group, &self.id, None)?;
        for values in [&self.opened, &self.open, &self.high, &self.low, &self.close, &self.volume] {
            column::<Int64Type>(&mut group, values, Some(&bars))?;
        }
        column::<Int64Type>(&mut group, &self.rate, Some(&fundings))?;
        column::<Int64Type>(&mut group, &self.interval, Some(&fundings))?;
        column::<DoubleType>(&mut group, &self.value, Some(&points))?;
        for Cells { levels, values } in self.quotes.iter().flatten() {
            column::<Int64Type>(&mut group, values, Some(levels))?;
        }
        group.close()
    }

    fn clear(&mut self) {
        let Self { receipt, venue, kind, id, opened, open, high, low, close, volume, rate, interval, value, quotes } =
            self;
        for integers in [receipt, venue, opened, open, high, low, close, volume, rate, interval] {
            integers.clear();
        }
        kind.clear();
        id.clear();
        value.clear();
        for Cells { levels, values } in quotes.iter_mut().flatten() {
            levels.clear();
            values.clear();
        }
    }
}

/// The cells of a row in the columns of quotes.
fn quoted(event: &Event) -> [Option<i64>; 7] {
    match event {
        Event::Mark(mark) => [None, None, None, None, Some(mark.price.raw()), None, None],
        Event::OptionQuote(quote) => [
            quote.bid().map(Price::raw),
            quote.ask().map(Price::raw),
            quote.bid_qty().map(Qty::raw),
            quote.ask_qty().map(Qty::raw),
            quote.mark().map(Price::raw),
            quote.underlying().map(Price::raw),
            quote.open_interest().map(Qty::raw),
        ],
        Event::Bar(_)
        | Event::Funding(_)
        | Event::Series(_)
        | Event::Trade(_)
        | Event::Order(_)
        | Event::Cash(_)
        | Event::Settlement(_) => [None; 7],
    }
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Sink>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut column = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("the schema has fewer columns than the writer".to_owned()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}
