//! A damaged or odd Parquet source is refused with a message: never a panic that ends the program.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub,
    dead_code,
    reason = "a test may stop at once"
)]

mod common;

use common::Fixture;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::path::Path;
use std::sync::Arc;
use units::Duration;

const OPENS: [f64; 3] = [100.0, 100.5, 101.0];

/// A small file with a column of every type that is read.
fn write(path: &Path) {
    let message = "message bars {
        required int64 ts (TIMESTAMP(MILLIS,true));
        required double open; required double high; required float low; optional int64 close (DECIMAL(18,2));
        optional int32 volume; required binary note (UTF8);
    }";
    let schema = Arc::new(parse_message_type(message).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let mut file = SerializedFileWriter::new(std::fs::File::create(path).unwrap(), schema, properties).unwrap();
    let mut group = file.next_row_group().unwrap();
    let times = [0, 1, 2].map(|row| 1_760_130_600_000 + row * 300_000);
    macro_rules! column {
        ($kind:ty, $values:expr, $levels:expr) => {{
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<$kind>().write_batch($values, $levels, None).unwrap();
            column.close().unwrap();
        }};
    }
    column!(Int64Type, &times, None);
    column!(DoubleType, &OPENS, None);
    column!(DoubleType, &OPENS.map(|price| price + 1.0), None);
    column!(FloatType, &[99.9_f32, 100.1, 100.3], None);
    column!(Int64Type, &[10_010, 10_060, 10_110], Some(&[1, 1, 1]));
    column!(Int32Type, &[5, 7], Some(&[1, 0, 1]));
    column!(ByteArrayType, &["a", "b", "c"].map(ByteArray::from), None);
    group.close().unwrap();
    file.close().unwrap();
}

fn fixture() -> (tempfile::TempDir, Fixture) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source.parquet");
    write(&path);
    (folder, Fixture::of(path))
}

#[test]
fn every_type_of_column_is_read() {
    let (_folder, fixture) = fixture();
    let report = fixture.bars().unwrap();
    assert_eq!((report.rows_written, report.interval), (3, Some(Duration::from_nanos(5 * Duration::MINUTE.nanos()))));
    let bar = fixture.first_bar();
    assert_eq!(bar.opened.to_string(), "2025-10-10T21:10:00Z");
    let prices = [bar.open, bar.high, bar.low, bar.close].map(|price| price.to_string());
    assert_eq!(prices, ["100", "101", "99.9", "100.1"]);
    assert_eq!((bar.volume.to_string(), report.warnings.len()), ("5".into(), 1));
}

#[test]
fn damage_is_an_error_and_leaves_nothing() {
    let (_folder, fixture) = fixture();
    let bytes = std::fs::read(&fixture.source).unwrap();
    // Panics inside the decoders are caught; their stories would only fill the test's output.
    std::panic::set_hook(Box::new(|_| {}));
    for length in (0..bytes.len()).step_by(7) {
        std::fs::write(&fixture.source, &bytes[..length]).unwrap();
        assert!(fixture.bars().is_err(), "{length}");
    }
    for place in (0..bytes.len()).step_by(2) {
        let mut altered = bytes.clone();
        altered[place] ^= [0x01_u8, 0x80, 0xff][place / 2 % 3];
        std::fs::write(&fixture.source, &altered).unwrap();
        // An altered value may well be a possible one; what counts is that the import ends in a result.
        let _ = fixture.bars();
    }
    let _ = std::panic::take_hook();
}
