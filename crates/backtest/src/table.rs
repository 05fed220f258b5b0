//! Tables of a run: typed rows to and from Parquet, exact to the last digit.

mod read;

use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::borrow::Cow;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use units::{Cash, Price, Qty, Rate, Timestamp};

/// A word that many rows share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(word: &str) -> Self {
        Self(word.into())
    }
}

impl From<String> for Name {
    fn from(word: String) -> Self {
        Self(word.into())
    }
}

impl std::ops::Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, word: &str) -> bool {
        &*self.0 == word
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, word: &&str) -> bool {
        &*self.0 == *word
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// The cells of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// UTC nanoseconds.
    Time(Vec<Option<i64>>),
    /// Counts and ids.
    Whole(Vec<i64>),
    /// Prices and quantities at 1e-8.
    Fixed(Vec<Option<i64>>),
    /// Rates at 1e-12.
    Rate(Vec<i64>),
    /// Money at 1e-16.
    Money(Vec<i128>),
    /// Derived figures.
    Number(Vec<Option<f64>>),
    /// Words.
    Text(Vec<String>),
    /// Yes or no.
    Flag(Vec<bool>),
}

/// A type that a column can hold.
pub trait Cell: Sized {
    /// An empty column of it.
    fn column() -> Cells;
    /// Adds itself to a column that [`Self::column`] made.
    fn push(self, cells: &mut Cells);
    /// The cell of a row; `None` if the column is of another type or too short, or the cell is unexpectedly empty.
    fn at(cells: &Cells, row: usize) -> Option<Self>;
}

macro_rules! cell {
    ($kind:ty, $variant:ident, |$value:ident| $to:expr, |$raw:ident| $from:expr) => {
        impl Cell for $kind {
            fn column() -> Cells {
                Cells::$variant(Vec::new())
            }
            fn push(self, cells: &mut Cells) {
                if let Cells::$variant(list) = cells {
                    let $value = self;
                    list.push($to);
                }
            }
            fn at(cells: &Cells, row: usize) -> Option<Self> {
                let Cells::$variant(list) = cells else { return None };
                let $raw = list.get(row)?.clone();
                $from
            }
        }
    };
}

cell!(Timestamp, Time, |v| Some(v.nanos()), |raw| raw.map(Timestamp::from_nanos));
cell!(Option<Timestamp>, Time, |v| v.map(Timestamp::nanos), |raw| Some(raw.map(Timestamp::from_nanos)));
cell!(u64, Whole, |v| v as i64, |raw| u64::try_from(raw).ok());
cell!(Price, Fixed, |v| Some(v.raw()), |raw| raw.map(Price::from_raw));
cell!(Option<Price>, Fixed, |v| v.map(Price::raw), |raw| Some(raw.map(Price::from_raw)));
cell!(Qty, Fixed, |v| Some(v.raw()), |raw| raw.map(Qty::from_raw));
cell!(Rate, Rate, |v| v.raw(), |raw| Some(Rate::from_raw(raw)));
cell!(Cash, Money, |v| v.raw(), |raw| Some(Cash::from_raw(raw)));
cell!(f64, Number, |v| Some(v), |raw| raw);
cell!(Option<f64>, Number, |v| v, |raw| Some(raw));
cell!(String, Text, |v| v, |raw| Some(raw));
cell!(Name, Text, |v| v.to_string(), |raw| Some(Name::from(raw)));
cell!(bool, Flag, |v| v, |raw| Some(raw));

impl Cells {
    fn schema(&self, name: &str) -> String {
        match self {
            Self::Time(_) => format!("optional int64 {name} (TIMESTAMP(NANOS,true));"),
            Self::Whole(_) => format!("required int64 {name};"),
            Self::Fixed(_) => format!("optional int64 {name} (DECIMAL(18,8));"),
            Self::Rate(_) => format!("required int64 {name} (DECIMAL(18,12));"),
            Self::Money(_) => format!("required fixed_len_byte_array(16) {name} (DECIMAL(38,16));"),
            Self::Number(_) => format!("optional double {name};"),
            Self::Text(_) => format!("required binary {name} (STRING);"),
            Self::Flag(_) => format!("required boolean {name};"),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Time(list) | Self::Fixed(list) => list.len(),
            Self::Whole(list) | Self::Rate(list) => list.len(),
            Self::Money(list) => list.len(),
            Self::Number(list) => list.len(),
            Self::Text(list) => list.len(),
            Self::Flag(list) => list.len(),
        }
    }

    /// A cell as text, for messages.
    fn text(&self, row: usize) -> String {
        fn shown<T: std::fmt::Display>(cell: Option<T>) -> String {
            cell.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
        }
        match self {
            Self::Time(_) => shown(Timestamp::at(self, row)),
            Self::Fixed(_) => shown(Price::at(self, row)),
            Self::Whole(list) => shown(list.get(row)),
            Self::Rate(_) => shown(Rate::at(self, row)),
            Self::Money(_) => shown(Cash::at(self, row)),
            Self::Number(_) => shown(f64::at(self, row)),
            Self::Text(list) => shown(list.get(row)),
            Self::Flag(list) => shown(list.get(row)),
        }
    }

    fn same(&self, other: &Self, row: usize) -> bool {
        match (self, other) {
            (Self::Time(a), Self::Time(b)) | (Self::Fixed(a), Self::Fixed(b)) => a.get(row) == b.get(row),
            (Self::Whole(a), Self::Whole(b)) | (Self::Rate(a), Self::Rate(b)) => a.get(row) == b.get(row),
            (Self::Money(a), Self::Money(b)) => a.get(row) == b.get(row),
            (Self::Number(a), Self::Number(b)) => {
                let bits = |list: &[Option<f64>]| list.get(row).map(|cell| cell.map(f64::to_bits));
                bits(a) == bits(b)
            }
            (Self::Text(a), Self::Text(b)) => a.get(row) == b.get(row),
            (Self::Flag(a), Self::Flag(b)) => a.get(row) == b.get(row),
            _ => false,
        }
    }
}

/// A table: named columns of equal length.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its name; the file is `NAME.parquet`.
    pub name: &'static str,
    /// Its columns.
    pub columns: Vec<(Cow<'static, str>, Cells)>,
}

/// Rows of a row group of [`Row::write`].
const ROWS_AT_ONCE: usize = 32_768;

/// Types whose rows make a table.
pub trait Row: Sized {
    /// The table's name.
    const NAME: &'static str;
    /// An empty table.
    fn empty() -> Table;
    /// Adds a row.
    fn push(self, table: &mut Table);
    /// A row of a table.
    fn at(table: &Table, row: usize) -> Option<Self>;

    /// All rows as a table.
    fn table(rows: &[Self]) -> Table
    where
        Self: Clone,
    {
        let mut table = Self::empty();
        for row in rows {
            row.clone().push(&mut table);
        }
        table
    }

    /// Writes rows as a Parquet file, so many at a time that the columns of a part are small beside all rows.
    fn write(rows: &[Self], path: &Path) -> Result<(), ParquetError>
    where
        Self: Clone,
    {
        let mut writer = Self::empty().writer(path)?;
        let (first, rest) = rows.split_at(rows.len().min(ROWS_AT_ONCE));
        for part in std::iter::once(first).chain(rest.chunks(ROWS_AT_ONCE)) {
            Self::table(part).write_group(&mut writer)?;
        }
        writer.close()?;
        Ok(())
    }

    /// All rows of a table; `None` if it is not one of these rows.
    fn rows(table: &Table) -> Option<Vec<Self>> {
        (0..table.len()).map(|row| Self::at(table, row)).collect()
    }
}

/// Declares a row type with its table.
macro_rules! rows {
    ($($(#[$meta:meta])* $row:ident in $name:literal { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $row { $($(#[$field_meta])* pub $field: $kind,)* }

        impl $crate::table::Row for $row {
            const NAME: &'static str = $name;

            fn empty() -> $crate::table::Table {
                let columns = vec![$((stringify!($field).into(), <$kind as $crate::table::Cell>::column()),)*];
                $crate::table::Table { name: $name, columns }
            }

            fn push(self, table: &mut $crate::table::Table) {
                let mut columns = table.columns.iter_mut().map(|(_, cells)| cells);
                $(if let Some(cells) = columns.next() {
                    $crate::table::Cell::push(self.$field, cells);
                })*
            }

            fn at(table: &$crate::table::Table, row: usize) -> Option<Self> {
                let mut columns = table.columns.iter().map(|(_, cells)| cells);
                Some(Self { $($field: <$kind as $crate::table::Cell>::at(columns.next()?, row)?,)* })
            }
        }
    )*};
}
pub(crate) use rows;

impl Table {
    /// Rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |(_, cells)| cells.len())
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first difference from another table of the same kind, in words.
    #[must_use]
    pub fn difference(&self, stored: &Self) -> Option<String> {
        let (rows, theirs) = (self.len(), stored.len());
        for row in 0..rows.min(theirs) {
            for ((name, ours), (_, cells)) in self.columns.iter().zip(&stored.columns) {
                if !ours.same(cells, row) {
                    return Some(format!(
                        "{} row {}: {name} is `{}`, the replay gives `{}`",
                        self.name,
                        row + 1,
                        cells.text(row),
                        ours.text(row)
                    ));
                }
            }
        }
        (rows != theirs).then(|| format!("{} has {theirs} rows, the replay gives {rows}", self.name))
    }

    /// Writes the table as a Parquet file.
    pub fn write(&self, path: &Path) -> Result<(), ParquetError> {
        let mut writer = self.writer(path)?;
        self.write_group(&mut writer)?;
        writer.close()?;
        Ok(())
    }

    fn writer(&self, path: &Path) -> Result<SerializedFileWriter<File>, ParquetError> {
        let fields: String = self.columns.iter().map(|(name, cells)| cells.schema(name)).collect();
        let schema = Arc::new(parse_message_type(&format!("message {} {{ {fields} }}", self.name))?);
        let properties = WriterProperties::builder()
            .set_created_by("trimtab".to_owned())
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .build();
        SerializedFileWriter::new(File::create(path)?, schema, Arc::new(properties))
    }

    fn write_group(&self, writer: &mut SerializedFileWriter<File>) -> Result<(), ParquetError> {
        let mut group = writer.next_row_group()?;
        for (_, cells) in &self.columns {
            let mut column = group.next_column()?.ok_or_else(|| unexpected("fewer columns than the schema"))?;
            write_cells(column.untyped(), cells)?;
            column.close()?;
        }
        group.close()?;
        Ok(())
    }
}

fn unexpected(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

fn split<T: Copy>(list: &[Option<T>]) -> (Vec<T>, Vec<i16>) {
    (list.iter().filter_map(|cell| *cell).collect(), list.iter().map(|cell| i16::from(cell.is_some())).collect())
}

fn write_cells(column: &mut ColumnWriter<'_>, cells: &Cells) -> Result<(), ParquetError> {
    match (column, cells) {
        (ColumnWriter::Int64ColumnWriter(writer), Cells::Time(list) | Cells::Fixed(list)) => {
            let (values, defined) = split(list);
            writer.write_batch(&values, Some(&defined), None)?;
        }
        (ColumnWriter::Int64ColumnWriter(writer), Cells::Whole(list) | Cells::Rate(list)) => {
            writer.write_batch(list, None, None)?;
        }
        (ColumnWriter::FixedLenByteArrayColumnWriter(writer), Cells::Money(list)) => {
            let values: Vec<FixedLenByteArray> =
                list.iter().map(|raw| ByteArray::from(raw.to_be_bytes().to_vec()).into()).collect();
            writer.write_batch(&values, None, None)?;
        }
        (ColumnWriter::DoubleColumnWriter(writer), Cells::Number(list)) => {
            let (values, defined) = split(list);
            writer.write_batch(&values, Some(&defined), None)?;
        }
        (ColumnWriter::ByteArrayColumnWriter(writer), Cells::Text(list)) => {
            let values: Vec<ByteArray> = list.iter().map(|text| ByteArray::from(text.as_str())).collect();
            writer.write_batch(&values, None, None)?;
        }
        (ColumnWriter::BoolColumnWriter(writer), Cells::Flag(list)) => {
            writer.write_batch(list, None, None)?;
        }
        _ => return Err(unexpected("a column of another type than its schema")),
    }
    Ok(())
}
