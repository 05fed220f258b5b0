//! Rows of a Parquet file, a few thousand at a time.

use crate::ImportError;
use crate::cell::{Cell, printable};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescriptor;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use units::Timestamp;

const BATCH_ROWS: usize = 4_096;

pub(crate) struct ParquetRows {
    path: PathBuf,
    file: Arc<File>,
    metadata: ParquetMetaData,
    wanted: Vec<usize>,
    next_group: usize,
    left_in_group: usize,
    columns: Vec<Column>,
    batch: usize,
    row: usize,
    number: u64,
}

/// The names of the columns, and the number of rows.
pub(super) fn columns(path: &Path) -> Result<(Vec<String>, u64), ImportError> {
    let file = File::open(path).map_err(ImportError::io(path))?;
    let metadata = read_metadata(path, &file)?;
    let schema = metadata.file_metadata().schema_descr();
    let names = schema.columns().iter().map(|column| printable(&column.path().string())).collect();
    let rows = metadata.row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).sum();
    Ok((names, rows))
}

impl ParquetRows {
    pub(super) fn open(path: &Path, wanted: &[usize]) -> Result<Self, ImportError> {
        let file = File::open(path).map_err(ImportError::io(path))?;
        let metadata = read_metadata(path, &file)?;
        for &index in wanted {
            check_readable(path, &metadata.file_metadata().schema_descr().column(index))?;
        }
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            metadata,
            wanted: wanted.to_vec(),
            next_group: 0,
            left_in_group: 0,
            columns: Vec::new(),
            batch: 0,
            row: 0,
            number: 0,
        })
    }

    pub(super) fn next(&mut self) -> Result<bool, ImportError> {
        self.row += 1;
        if self.row >= self.batch && !self.refill()? {
            return Ok(false);
        }
        self.number += 1;
        for column in &mut self.columns {
            column.go_to(self.row);
        }
        Ok(true)
    }

    pub(super) fn cell(&self, wanted: usize) -> Cell<'_> {
        self.columns.get(wanted).map_or(Cell::Empty, Column::cell)
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Decodes the next rows. `false` at the end.
    fn refill(&mut self) -> Result<bool, ImportError> {
        // The decoders stop at most damage with an error and at some with a panic; both mean the same here.
        let decoded = catch_unwind(AssertUnwindSafe(|| self.decode()));
        match decoded {
            Ok(Ok(more)) => Ok(more),
            Ok(Err(error)) => Err(damaged(&self.path, &error.to_string())),
            Err(_) => Err(damaged(&self.path, "a column does not decode")),
        }
    }

    fn decode(&mut self) -> Result<bool, ParquetError> {
        while self.left_in_group == 0 {
            if self.next_group == self.metadata.num_row_groups() {
                return Ok(false);
            }
            let group = self.metadata.row_group(self.next_group);
            self.left_in_group = usize::try_from(group.num_rows()).unwrap_or(0);
            self.columns =
                self.wanted.iter().map(|index| Column::open(group, &self.file, *index)).collect::<Result<_, _>>()?;
            self.next_group += 1;
        }
        self.batch = self.left_in_group.min(BATCH_ROWS);
        self.left_in_group -= self.batch;
        self.row = 0;
        for column in &mut self.columns {
            column.read(self.batch)?;
        }
        Ok(true)
    }
}

fn read_metadata(path: &Path, file: &File) -> Result<ParquetMetaData, ImportError> {
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(file)
        .map_err(|error| damaged(path, &format!("{error}; it may be cut off")))?;
    // A negative offset would stop the page reader with a panic.
    let chunks = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    let sound = chunks.into_iter().all(|chunk| {
        chunk.data_page_offset() >= 0
            && chunk.compressed_size() >= 0
            && chunk.dictionary_page_offset().is_none_or(|offset| offset >= 0)
    });
    if sound { Ok(metadata) } else { Err(damaged(path, "a column lies outside the file")) }
}

fn damaged(path: &Path, what: &str) -> ImportError {
    ImportError::source(path, "damaged", format!("is damaged: {what}; fetch it again"))
}

fn check_readable(path: &Path, column: &ColumnDescriptor) -> Result<(), ImportError> {
    let flat = column.max_rep_level() == 0 && column.max_def_level() <= 1;
    let plain = !matches!(column.physical_type(), Type::BOOLEAN | Type::INT96 | Type::FIXED_LEN_BYTE_ARRAY);
    if flat && plain {
        return Ok(());
    }
    let (name, kind) = (column.path().string(), column.physical_type());
    Err(ImportError::column(
        path,
        "column-type",
        format!("column `{name}` is of a type that cannot be imported ({kind}); write it as numbers or text"),
    ))
}

/// How a column's numbers are meant.
#[derive(Clone, Copy)]
enum Meaning {
    Plain,
    Decimal(u32),
    /// Nanoseconds in one unit since 1970.
    Time(i64),
}

struct Column {
    decoder: Decoder,
    meaning: Meaning,
    optional: bool,
    levels: Vec<i16>,
    /// The value after the one of this row.
    next: usize,
    current: Option<usize>,
}

impl Column {
    fn open(group: &RowGroupMetaData, file: &Arc<File>, index: usize) -> Result<Self, ParquetError> {
        let chunk = group.column(index);
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let pages = SerializedPageReader::new(Arc::clone(file), chunk, rows, None)?;
        let descriptor = chunk.column_descr_ptr();
        let meaning = meaning(&descriptor);
        let optional = descriptor.max_def_level() > 0;
        let decoder = Decoder::new(get_column_reader(descriptor, Box::new(pages)))?;
        Ok(Self { decoder, meaning, optional, levels: Vec::new(), next: 0, current: None })
    }

    fn read(&mut self, count: usize) -> Result<(), ParquetError> {
        self.levels.clear();
        self.next = 0;
        self.decoder.read(count, self.optional.then_some(&mut self.levels))?;
        let present = self.levels.iter().filter(|level| **level > 0).count();
        let expected = if self.optional { present } else { count };
        if self.decoder.len() == expected {
            Ok(())
        } else {
            Err(ParquetError::General("a column holds fewer values than rows".to_owned()))
        }
    }

    /// Rows are visited in order, so the values stand one behind the other.
    fn go_to(&mut self, row: usize) {
        let present = !self.optional || self.levels.get(row).is_some_and(|level| *level > 0);
        self.current = present.then_some(self.next);
        self.next += usize::from(present);
    }

    fn cell(&self) -> Cell<'_> {
        self.current.and_then(|at| self.decoder.cell(at, self.meaning)).unwrap_or(Cell::Empty)
    }
}

fn meaning(column: &ColumnDescriptor) -> Meaning {
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Timestamp(time)), _) => Meaning::Time(match time.unit {
            TimeUnit::MILLIS => 1_000_000,
            TimeUnit::MICROS => 1_000,
            TimeUnit::NANOS => 1,
        }),
        (Some(LogicalType::Date), _) | (None, ConvertedType::DATE) => Meaning::Time(86_400_000_000_000),
        (None, ConvertedType::TIMESTAMP_MILLIS) => Meaning::Time(1_000_000),
        (None, ConvertedType::TIMESTAMP_MICROS) => Meaning::Time(1_000),
        (Some(LogicalType::Decimal(_)), _) | (None, ConvertedType::DECIMAL) => {
            Meaning::Decimal(u32::try_from(column.type_scale()).unwrap_or(0))
        }
        _ => Meaning::Plain,
    }
}

/// A decoder and the values that it last read.
enum Decoder {
    Int32(Values<parquet::data_type::Int32Type>),
    Int64(Values<parquet::data_type::Int64Type>),
    Float(Values<parquet::data_type::FloatType>),
    Double(Values<parquet::data_type::DoubleType>),
    Text(Values<parquet::data_type::ByteArrayType>),
}

struct Values<T: DataType> {
    reader: ColumnReaderImpl<T>,
    values: Vec<T::T>,
}

impl<T: DataType> Values<T> {
    fn new(reader: ColumnReaderImpl<T>) -> Self {
        Self { reader, values: Vec::new() }
    }

    fn read(&mut self, count: usize, mut levels: Option<&mut Vec<i16>>) -> Result<(), ParquetError> {
        self.values.clear();
        let mut rows = 0;
        while rows < count {
            let (read, _, _) = self.reader.read_records(count - rows, levels.as_deref_mut(), None, &mut self.values)?;
            if read == 0 {
                return Err(ParquetError::EOF("a column ends too early".to_owned()));
            }
            rows += read;
        }
        Ok(())
    }
}

impl Decoder {
    fn new(reader: ColumnReader) -> Result<Self, ParquetError> {
        Ok(match reader {
            ColumnReader::Int32ColumnReader(reader) => Self::Int32(Values::new(reader)),
            ColumnReader::Int64ColumnReader(reader) => Self::Int64(Values::new(reader)),
            ColumnReader::FloatColumnReader(reader) => Self::Float(Values::new(reader)),
            ColumnReader::DoubleColumnReader(reader) => Self::Double(Values::new(reader)),
            ColumnReader::ByteArrayColumnReader(reader) => Self::Text(Values::new(reader)),
            ColumnReader::BoolColumnReader(_)
            | ColumnReader::Int96ColumnReader(_)
            | ColumnReader::FixedLenByteArrayColumnReader(_) => {
                return Err(ParquetError::NYI("a column of this type".to_owned()));
            }
        })
    }

    fn read(&mut self, count: usize, levels: Option<&mut Vec<i16>>) -> Result<(), ParquetError> {
        match self {
            Self::Int32(values) => values.read(count, levels),
            Self::Int64(values) => values.read(count, levels),
            Self::Float(values) => values.read(count, levels),
            Self::Double(values) => values.read(count, levels),
            Self::Text(values) => values.read(count, levels),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Int32(values) => values.values.len(),
            Self::Int64(values) => values.values.len(),
            Self::Float(values) => values.values.len(),
            Self::Double(values) => values.values.len(),
            Self::Text(values) => values.values.len(),
        }
    }

    fn cell(&self, at: usize, meaning: Meaning) -> Option<Cell<'_>> {
        Some(match self {
            Self::Int32(values) => integer(i64::from(*values.values.get(at)?), meaning),
            Self::Int64(values) => integer(*values.values.get(at)?, meaning),
            // The shortest decimal of the float is what was recorded; its widening to a double is not.
            Self::Float(values) => Cell::Double(values.values.get(at)?.to_string().parse().unwrap_or(f64::NAN)),
            Self::Double(values) => Cell::Double(*values.values.get(at)?),
            Self::Text(values) => text(values.values.get(at)?),
        })
    }
}

fn integer(value: i64, meaning: Meaning) -> Cell<'static> {
    match meaning {
        Meaning::Plain => Cell::Int(value),
        Meaning::Decimal(scale) => Cell::Decimal(value, scale),
        Meaning::Time(nanos) => {
            value.checked_mul(nanos).map_or(Cell::Empty, |nanos| Cell::Time(Timestamp::from_nanos(nanos)))
        }
    }
}

fn text(bytes: &ByteArray) -> Cell<'_> {
    match std::str::from_utf8(bytes.data()) {
        Ok("") | Err(_) => Cell::Empty,
        Ok(text) => Cell::Text(text),
    }
}
