//! From the columns of one row group to events, a few thousand rows at a time.

use crate::schema::QUOTES_VERSION;
use crate::{Fault, Kind, TapeError, TapeRow};
use bytes::Bytes;
use market::{Bar, Event, FundingRate, Mark, OptionQuote, SeriesPoint};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::{DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use std::path::Path;
use std::sync::Arc;
use units::{Duration, InstrumentId, Price, Qty, Rate, Ratio, SeriesId, Timestamp};

/// Rows decoded at a time: small enough to stay in the cache between decoding and use.
const BATCH_ROWS: usize = 4_096;

/// A row group being decoded.
#[derive(Debug)]
pub(crate) struct Group {
    left: usize,
    columns: Columns,
}

/// What stopped the decoding of a batch.
pub(crate) enum DecodeFault {
    /// The columns do not decode.
    Parquet(ParquetError),
    /// The columns contradict each other.
    Columns(&'static str),
    /// A row of the batch, counted from 0, is none.
    Row(usize, Fault),
}

impl DecodeFault {
    /// With its place: `before` rows came before the batch.
    pub(crate) fn locate(self, path: &Path, before: u64) -> TapeError {
        match self {
            Self::Parquet(error) => TapeError::reading(path)(error),
            Self::Columns(what) => TapeError::corrupt(path, format!("{what} from row {}", before + 1)),
            Self::Row(index, fault) => TapeError::Row { path: path.to_owned(), row: before + index as u64 + 1, fault },
        }
    }
}

impl From<ParquetError> for DecodeFault {
    fn from(error: ParquetError) -> Self {
        Self::Parquet(error)
    }
}

impl Group {
    /// A row group of a tape of this version whose bytes began at `start` in the file.
    pub(crate) fn new(
        metadata: &RowGroupMetaData,
        version: u32,
        start: u64,
        bytes: Bytes,
    ) -> Result<Self, ParquetError> {
        let left = usize::try_from(metadata.num_rows())
            .map_err(|_| ParquetError::General("a row group has a negative number of rows".to_owned()))?;
        let source = Arc::new(Slice { start, bytes });
        Ok(Self { left, columns: Columns::open(metadata, version, &source)? })
    }

    pub(crate) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Appends the next rows to `rows`.
    pub(crate) fn decode(&mut self, rows: &mut Vec<TapeRow>) -> Result<(), DecodeFault> {
        let count = self.left.min(BATCH_ROWS);
        self.columns.read(count)?;
        self.columns.assemble(count, rows)?;
        self.left -= count;
        Ok(())
    }
}

#[derive(Debug)]
struct Columns {
    receipt: Column<Int64Type>,
    venue: Column<Int64Type>,
    kind: Column<Int32Type>,
    id: Column<Int32Type>,
    opened: Column<Int64Type>,
    open: Column<Int64Type>,
    high: Column<Int64Type>,
    low: Column<Int64Type>,
    close: Column<Int64Type>,
    volume: Column<Int64Type>,
    rate: Column<Int64Type>,
    interval: Column<Int64Type>,
    value: Column<DoubleType>,
    quotes: Option<[Column<Int64Type>; 7]>,
}

impl Columns {
    fn open(metadata: &RowGroupMetaData, version: u32, source: &Arc<Slice>) -> Result<Self, ParquetError> {
        let quotes = || -> Result<_, ParquetError> {
            Ok([
                Column::open(metadata, source, 13)?,
                Column::open(metadata, source, 14)?,
                Column::open(metadata, source, 15)?,
                Column::open(metadata, source, 16)?,
                Column::open(metadata, source, 17)?,
                Column::open(metadata, source, 18)?,
                Column::open(metadata, source, 19)?,
            ])
        };
        Ok(Self {
            receipt: Column::open(metadata, source, 0)?,
            venue: Column::open(metadata, source, 1)?,
            kind: Column::open(metadata, source, 2)?,
            id: Column::open(metadata, source, 3)?,
            opened: Column::open(metadata, source, 4)?,
            open: Column::open(metadata, source, 5)?,
            high: Column::open(metadata, source, 6)?,
            low: Column::open(metadata, source, 7)?,
            close: Column::open(metadata, source, 8)?,
            volume: Column::open(metadata, source, 9)?,
            rate: Column::open(metadata, source, 10)?,
            interval: Column::open(metadata, source, 11)?,
            value: Column::open(metadata, source, 12)?,
            quotes: (version >= QUOTES_VERSION).then(quotes).transpose()?,
        })
    }

    fn read(&mut self, count: usize) -> Result<(), DecodeFault> {
        for column in [&mut self.receipt, &mut self.venue] {
            column.read(count, |_| true)?;
        }
        for column in [&mut self.kind, &mut self.id] {
            column.read(count, |_| true)?;
        }
        let kinds = &self.kind.values;
        let has = |kind: i32| move |row: usize| kinds.get(row) == Some(&kind);
        let Self { opened, open, high, low, close, volume, rate, interval, value, quotes, .. } = self;
        for column in [opened, open, high, low, close, volume] {
            column.read(count, has(BAR))?;
        }
        for column in [rate, interval] {
            column.read(count, has(FUNDING))?;
        }
        value.read(count, has(SERIES))?;
        for (number, column) in quotes.iter_mut().flatten().enumerate() {
            let is_mark = |row| number == MARK_COLUMN && has(MARK)(row);
            column.read_some(count, is_mark, |row| is_mark(row) || has(QUOTE)(row))?;
        }
        Ok(())
    }

    fn assemble(&self, count: usize, rows: &mut Vec<TapeRow>) -> Result<(), DecodeFault> {
        // Each kind's columns hold only its own rows; `read` has counted them.
        let mut bars = Zip6::new(&self.opened, &self.open, &self.high, &self.low, &self.close, &self.volume);
        let mut fundings = self.rate.values.iter().zip(&self.interval.values);
        let mut values = self.value.values.iter();
        let mut quotes = self.quotes.as_ref().map(|columns| columns.each_ref().map(|column| column.values.iter()));
        let common =
            self.receipt.values.iter().zip(&self.venue.values).zip(self.kind.values.iter().zip(&self.id.values));
        rows.reserve(count);
        for (row, ((&receipt, &venue), (&kind, &id))) in common.enumerate() {
            let id = id as u32;
            let missing = || DecodeFault::Columns("values are missing");
            let event = match kind {
                BAR => bars.next(id, venue).ok_or_else(missing)?,
                FUNDING => {
                    let (&rate, &interval) = fundings.next().ok_or_else(missing)?;
                    Event::Funding(FundingRate {
                        instrument: InstrumentId(id),
                        rate: Rate::from_raw(rate),
                        interval: Duration::from_nanos(interval),
                    })
                }
                SERIES => {
                    let value = values.next().ok_or_else(missing)?;
                    let value = Ratio::new(*value).ok_or(DecodeFault::Row(row, Fault::NotFinite))?;
                    Event::Series(SeriesPoint { series: SeriesId(id), value })
                }
                MARK | QUOTE => {
                    let (Some(columns), Some(values)) = (&self.quotes, &mut quotes) else {
                        return Err(DecodeFault::Row(row, Fault::UnknownKind(kind)));
                    };
                    let mut cells = [None; 7];
                    for ((cell, column), values) in cells.iter_mut().zip(columns).zip(values) {
                        if column.levels.get(row) == Some(&1) {
                            *cell = Some(*values.next().ok_or_else(missing)?);
                        }
                    }
                    quoted(kind, InstrumentId(id), cells).ok_or_else(missing)?
                }
                other => return Err(DecodeFault::Row(row, Fault::UnknownKind(other))),
            };
            let (receipt, venue) = (Timestamp::from_nanos(receipt), Timestamp::from_nanos(venue));
            rows.push(TapeRow { receipt, venue, event });
        }
        Ok(())
    }
}

const BAR: i32 = Kind::Bar.number();
const FUNDING: i32 = Kind::Funding.number();
const SERIES: i32 = Kind::Series.number();
const MARK: i32 = Kind::Mark.number();
const QUOTE: i32 = Kind::Quote.number();

/// Where the mark stands among the columns of quotes.
const MARK_COLUMN: usize = 4;

/// The event of a row by its cells in the columns of quotes.
fn quoted(kind: i32, instrument: InstrumentId, cells: [Option<i64>; 7]) -> Option<Event> {
    let price = |cell: Option<i64>| cell.map(Price::from_raw);
    let qty = |cell: Option<i64>| cell.map(Qty::from_raw);
    let [bid, ask, bid_qty, ask_qty, mark, underlying, open_interest] = cells;
    if kind == MARK {
        return Some(Event::Mark(Mark { instrument, price: price(mark)? }));
    }
    let quote = OptionQuote::empty(instrument)
        .with_bid(price(bid), qty(bid_qty))
        .with_ask(price(ask), qty(ask_qty))
        .with_mark(price(mark))
        .with_underlying(price(underlying))
        .with_open_interest(qty(open_interest));
    Some(Event::OptionQuote(quote))
}

/// The six columns of a bar, walked together.
struct Zip6<'a> {
    opened: &'a [i64],
    open: &'a [i64],
    high: &'a [i64],
    low: &'a [i64],
    close: &'a [i64],
    volume: &'a [i64],
    position: usize,
}

impl<'a> Zip6<'a> {
    fn new(
        opened: &'a Column<Int64Type>,
        open: &'a Column<Int64Type>,
        high: &'a Column<Int64Type>,
        low: &'a Column<Int64Type>,
        close: &'a Column<Int64Type>,
        volume: &'a Column<Int64Type>,
    ) -> Self {
        Self {
            opened: &opened.values,
            open: &open.values,
            high: &high.values,
            low: &low.values,
            close: &close.values,
            volume: &volume.values,
            position: 0,
        }
    }

    #[inline]
    fn next(&mut self, id: u32, closed: i64) -> Option<Event> {
        let at = self.position;
        let bar = Bar {
            instrument: InstrumentId(id),
            opened: Timestamp::from_nanos(*self.opened.get(at)?),
            closed: Timestamp::from_nanos(closed),
            open: Price::from_raw(*self.open.get(at)?),
            high: Price::from_raw(*self.high.get(at)?),
            low: Price::from_raw(*self.low.get(at)?),
            close: Price::from_raw(*self.close.get(at)?),
            volume: Qty::from_raw(*self.volume.get(at)?),
        };
        self.position += 1;
        Some(Event::Bar(bar))
    }
}

/// One column chunk and the values last read from it.
struct Column<T: DataType> {
    reader: ColumnReaderImpl<T>,
    optional: bool,
    levels: Vec<i16>,
    values: Vec<T::T>,
}

impl<T: DataType> std::fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Column").field("optional", &self.optional).finish_non_exhaustive()
    }
}

impl<T: DataType> Column<T> {
    fn open(metadata: &RowGroupMetaData, source: &Arc<Slice>, index: usize) -> Result<Self, ParquetError> {
        let chunk = metadata.column(index);
        let rows = usize::try_from(metadata.num_rows()).unwrap_or(0);
        let pages = SerializedPageReader::new(Arc::clone(source), chunk, rows, None)?;
        let reader: ColumnReader = get_column_reader(chunk.column_descr_ptr(), Box::new(pages));
        let optional = chunk.column_descr().max_def_level() > 0;
        Ok(Self { reader: get_typed_column_reader(reader), optional, levels: Vec::new(), values: Vec::new() })
    }

    /// Reads `count` rows; `has` says which of them must have a value, all others must have none.
    fn read(&mut self, count: usize, has: impl Fn(usize) -> bool) -> Result<(), DecodeFault> {
        self.read_some(count, &has, &has)
    }

    /// Reads `count` rows; `must` says which of them must have a value, `may` which of them can.
    fn read_some(
        &mut self,
        count: usize,
        must: impl Fn(usize) -> bool,
        may: impl Fn(usize) -> bool,
    ) -> Result<(), DecodeFault> {
        self.levels.clear();
        self.values.clear();
        let mut rows = 0;
        while rows < count {
            let levels = self.optional.then_some(&mut self.levels);
            let (read, _, _) = self.reader.read_records(count - rows, levels, None, &mut self.values)?;
            if read == 0 {
                return Err(DecodeFault::Columns("a column ends too early"));
            }
            rows += read;
        }
        let fits = if self.optional {
            let fits = |(row, level): (usize, &i16)| if *level == 1 { may(row) } else { !must(row) };
            self.levels.len() == count && self.levels.iter().enumerate().all(fits)
        } else {
            self.values.len() == count
        };
        if fits { Ok(()) } else { Err(DecodeFault::Columns("columns disagree on the kind of a row")) }
    }
}

/// A part of a file in memory, addressed as if it were the file.
#[derive(Debug)]
struct Slice {
    start: u64,
    bytes: Bytes,
}

impl Slice {
    fn range(&self, start: u64, length: Option<usize>) -> Result<Bytes, ParquetError> {
        let refuse = || ParquetError::EOF("a column lies outside its row group".to_owned());
        let from = start.checked_sub(self.start).and_then(|from| usize::try_from(from).ok()).ok_or_else(refuse)?;
        let to = match length {
            Some(length) => from.checked_add(length).ok_or_else(refuse)?,
            None => self.bytes.len(),
        };
        if from > to || to > self.bytes.len() { Err(refuse()) } else { Ok(self.bytes.slice(from..to)) }
    }
}

impl Length for Slice {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Slice {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(bytes::Buf::reader(self.range(start, None)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.range(start, Some(length))
    }
}
