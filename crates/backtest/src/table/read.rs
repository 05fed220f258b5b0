//! Columns of a Parquet file, in whatever legal encoding another program wrote them: the types must be ours, their
//! physical form, pages, compression and row groups need not.

use super::{Cells, Table, unexpected};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use std::borrow::Cow;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

impl Table {
    /// Reads a table of this shape; its rows are replaced.
    pub fn read(self, path: &Path) -> Result<Self, ParquetError> {
        // The decoders stop at most damage with an error and at some with a panic; both mean the same here.
        catch_unwind(AssertUnwindSafe(|| self.decode(path))).unwrap_or_else(|_| Err(unexpected("it is damaged")))
    }

    fn decode(mut self, path: &Path) -> Result<Self, ParquetError> {
        let reader = SerializedFileReader::new(File::open(path)?)?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let names: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
        // A figure that an older version did not know yet is empty; anything else is another table.
        let places = self.columns.iter().map(|(name, _)| names.iter().position(|known| known == name));
        let places: Vec<Option<usize>> = places.collect();
        let known = places.iter().flatten().count();
        let lacking = |(place, (_, cells)): (&Option<usize>, &(Cow<'_, str>, Cells))| {
            place.is_none() && !matches!(cells, Cells::Number(_))
        };
        if known != names.len() || places.iter().zip(&self.columns).any(lacking) {
            return Err(unexpected("other columns than this version writes"));
        }
        for (place, (name, cells)) in places.iter().zip(&self.columns) {
            if let Some(column) = place.map(|at| schema.column(at)) {
                cells.check_type(&column).map_err(|found| {
                    unexpected(&format!("column {name} is {found}; this version reads {}", cells.type_name()))
                })?;
            }
        }
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group)?;
            let rows = usize::try_from(group.metadata().num_rows()).map_err(|_| unexpected("a negative row count"))?;
            for (place, (name, cells)) in places.iter().zip(&mut self.columns) {
                match (place, cells) {
                    (Some(at), cells) => {
                        let column = schema.column(*at);
                        cells
                            .extend(group.get_column_reader(*at)?, &column, rows)
                            .map_err(|error| unexpected(&format!("column {name}: {error}")))?;
                    }
                    (None, Cells::Number(list)) => list.resize(list.len() + rows, None),
                    (None, _) => {}
                }
            }
        }
        Ok(self)
    }
}

impl Cells {
    /// What a column must be, in words.
    fn type_name(&self) -> &'static str {
        match self {
            Self::Time(_) => "timestamps in UTC",
            Self::Whole(_) => "whole numbers",
            Self::Fixed(_) => "decimals with 8 places",
            Self::Rate(_) => "decimals with 12 places",
            Self::Money(_) => "decimals with 16 places",
            Self::Number(_) => "doubles",
            Self::Text(_) => "text",
            Self::Flag(_) => "yes or no",
        }
    }

    /// Refuses a column of another type, in words. The physical form of a decimal, a time or a number may be any that Parquet
    /// allows.
    fn check_type(&self, column: &ColumnDescriptor) -> Result<(), String> {
        let (logical, converted) = (column.logical_type_ref(), column.converted_type());
        let decimal = matches!(logical, Some(LogicalType::Decimal(_)))
            || logical.is_none() && converted == ConvertedType::DECIMAL;
        let places = |wanted: i32| decimal && column.type_scale() == wanted;
        let plain = || logical.is_none() && converted == ConvertedType::NONE;
        let (physical, flat) = (column.physical_type(), column.max_rep_level() == 0 && column.max_def_level() <= 1);
        let right = match self {
            Self::Time(_) => unit(column).is_some(),
            Self::Fixed(_) => places(8),
            Self::Rate(_) => places(12),
            Self::Money(_) => places(16),
            Self::Whole(_) => {
                let whole = matches!(logical, Some(LogicalType::Integer(integer)) if integer.is_signed);
                matches!(physical, Type::INT32 | Type::INT64)
                    && (plain() || whole || matches!(converted, ConvertedType::INT_64 | ConvertedType::INT_32))
            }
            Self::Number(_) => physical == Type::DOUBLE && plain(),
            Self::Text(_) => {
                matches!(logical, Some(LogicalType::String)) || logical.is_none() && converted == ConvertedType::UTF8
            }
            Self::Flag(_) => physical == Type::BOOLEAN && plain(),
        };
        match (right, flat) {
            (true, true) => Ok(()),
            (_, false) => Err("nested".to_owned()),
            (false, true) if decimal => Err(format!("decimals with {} places", column.type_scale())),
            (false, true) => Err(match (logical, converted) {
                (Some(logical), _) => format!("{physical} ({logical:?})"),
                (None, ConvertedType::NONE) => physical.to_string(),
                (None, converted) => format!("{physical} ({converted})"),
            }),
        }
    }

    /// Adds the cells of one row group.
    fn extend(&mut self, reader: ColumnReader, column: &ColumnDescriptor, rows: usize) -> Result<(), ParquetError> {
        let optional = column.max_def_level() > 0;
        match (self, reader) {
            (Self::Time(list), reader) => {
                let unit = unit(column).unwrap_or(1);
                let scaled = |cell: i64| cell.checked_mul(unit).ok_or_else(|| unexpected("a time out of range"));
                let cells = integers(reader, rows, optional)?;
                extend(list, cells, |cell| cell.map(scaled).transpose())
            }
            (Self::Whole(list), reader) => extend(list, integers(reader, rows, optional)?, required),
            (Self::Fixed(list), reader) => {
                extend(list, decimals(reader, rows, optional)?, |cell| cell.map(narrow).transpose())
            }
            (Self::Rate(list), reader) => {
                extend(list, decimals(reader, rows, optional)?, |cell| required(cell).and_then(narrow))
            }
            (Self::Money(list), reader) => extend(list, decimals(reader, rows, optional)?, required),
            (Self::Number(list), ColumnReader::DoubleColumnReader(reader)) => {
                extend(list, drawn(reader, rows, optional)?, Ok)
            }
            (Self::Text(list), ColumnReader::ByteArrayColumnReader(reader)) => {
                extend(list, drawn(reader, rows, optional)?, |cell| Ok(required(cell)?.as_utf8()?.to_owned()))
            }
            (Self::Flag(list), ColumnReader::BoolColumnReader(reader)) => {
                extend(list, drawn(reader, rows, optional)?, required)
            }
            _ => Err(unexpected("another physical type")),
        }
    }
}

/// Nanoseconds in one unit of a column of UTC times.
fn unit(column: &ColumnDescriptor) -> Option<i64> {
    if column.physical_type() != Type::INT64 {
        return None;
    }
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Timestamp(time)), _) if time.is_adjusted_to_u_t_c => Some(match time.unit {
            TimeUnit::MILLIS => 1_000_000,
            TimeUnit::MICROS => 1_000,
            TimeUnit::NANOS => 1,
        }),
        (None, ConvertedType::TIMESTAMP_MILLIS) => Some(1_000_000),
        (None, ConvertedType::TIMESTAMP_MICROS) => Some(1_000),
        _ => None,
    }
}

fn extend<A, B>(
    list: &mut Vec<B>,
    cells: Vec<Option<A>>,
    cell: impl Fn(Option<A>) -> Result<B, ParquetError>,
) -> Result<(), ParquetError> {
    list.reserve(cells.len());
    for value in cells {
        list.push(cell(value)?);
    }
    Ok(())
}

fn required<T>(cell: Option<T>) -> Result<T, ParquetError> {
    cell.ok_or_else(|| unexpected("a cell that must have a value has none"))
}

fn narrow(cell: i128) -> Result<i64, ParquetError> {
    i64::try_from(cell).map_err(|_| unexpected("a decimal with more digits than this version writes"))
}

/// One row group of a column, with its empty cells.
fn drawn<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    optional: bool,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let (mut values, mut levels, mut read) = (Vec::new(), Vec::new(), 0);
    while read < rows {
        let levels = optional.then_some(&mut levels);
        let (records, _, _) = reader.read_records(rows - read, levels, None, &mut values)?;
        if records == 0 {
            return Err(unexpected("it ends before its last row"));
        }
        read += records;
    }
    let mut values = values.into_iter();
    if optional {
        return Ok(levels.iter().map(|level| if *level > 0 { values.next() } else { None }).collect());
    }
    Ok(values.map(Some).collect())
}

fn integers(reader: ColumnReader, rows: usize, optional: bool) -> Result<Vec<Option<i64>>, ParquetError> {
    match reader {
        ColumnReader::Int64ColumnReader(reader) => drawn(reader, rows, optional),
        ColumnReader::Int32ColumnReader(reader) => {
            let cells = drawn(reader, rows, optional)?;
            Ok(cells.into_iter().map(|cell| cell.map(i64::from)).collect())
        }
        _ => Err(unexpected("another physical type")),
    }
}

/// The unscaled integers of a column of decimals.
fn decimals(reader: ColumnReader, rows: usize, optional: bool) -> Result<Vec<Option<i128>>, ParquetError> {
    fn wide<T>(
        cells: Vec<Option<T>>,
        value: impl Fn(T) -> Result<i128, ParquetError>,
    ) -> Result<Vec<Option<i128>>, ParquetError> {
        cells.into_iter().map(|cell| cell.map(&value).transpose()).collect()
    }
    match reader {
        ColumnReader::Int32ColumnReader(reader) => wide(drawn(reader, rows, optional)?, |value| Ok(i128::from(value))),
        ColumnReader::Int64ColumnReader(reader) => wide(drawn(reader, rows, optional)?, |value| Ok(i128::from(value))),
        ColumnReader::ByteArrayColumnReader(reader) => {
            wide(drawn(reader, rows, optional)?, |value| signed(value.data()))
        }
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            wide(drawn(reader, rows, optional)?, |value| signed(value.data()))
        }
        _ => Err(unexpected("another physical type")),
    }
}

/// A two's complement integer, most significant byte first, of any width.
fn signed(bytes: &[u8]) -> Result<i128, ParquetError> {
    let fill = if bytes.first().is_some_and(|first| first & 0x80 != 0) { 0xff } else { 0 };
    let (above, low) = bytes.split_at(bytes.len().saturating_sub(16));
    let mut wide = [fill; 16];
    wide[16 - low.len()..].copy_from_slice(low);
    let value = i128::from_be_bytes(wide);
    let fits = above.iter().all(|byte| *byte == fill) && (value < 0) == (fill != 0);
    if fits { Ok(value) } else { Err(unexpected("a decimal with more digits than this version writes")) }
}
