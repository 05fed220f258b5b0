//! Files as venues publish them: zip and gzip, without a header line, in ms and in µs.
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
use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc};
use import::{ColumnMap, ImportError, RateUnit};
use market::Event;
use std::io::Write as _;
use units::Duration;

/// Klines as Binance publishes them: without a header for spot, with one for futures.
fn klines(header: bool, unit: i64) -> String {
    const HEADER: &str = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,\
                          taker_buy_quote_volume,ignore\n";
    let row = |minute: i64| {
        let open = (1_759_276_800_000 + minute * 60_000) * unit;
        let close = open + 60_000 * unit - 1;
        let price = 100 + minute;
        format!("{open},{price}.1,{price}.9,{price}.0,{price}.5,7.25,{close},720.1,12,3.5,350.2,0\n")
    };
    let header = if header { HEADER } else { "" };
    header.to_owned() + &(0..50).map(row).collect::<String>()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// An archive by hand, so that nothing but the reader is tested; `flags` are the general purpose bits.
fn zip(files: &[(&str, &[u8])], deflated: bool, flags: u16) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let mut crc = Crc::new();
        crc.update(text);
        let packed = if deflated {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        } else {
            text.to_vec()
        };
        let method: u16 = if deflated { 8 } else { 0 };
        let mut common = Vec::new();
        for half in [20, flags, method, 0, 0] {
            common.extend(half.to_le_bytes());
        }
        for word in [crc.sum(), packed.len() as u32, text.len() as u32] {
            common.extend(word.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        let start = bytes.len() as u32;
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend([3, 0]);
        bytes.extend(name.as_bytes());
        bytes.extend(b"abc");
        bytes.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 12]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    for count in [files.len() as u16; 2] {
        bytes.extend(count.to_le_bytes());
    }
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend(b"\x05\0hello");
    bytes
}

fn source(bytes: &[u8]) -> Fixture {
    let fixture = Fixture::csv("");
    std::fs::write(&fixture.source, bytes).unwrap();
    fixture
}

#[track_caller]
fn refused(bytes: &[u8], code: &str, parts: &[&str]) {
    let error = source(bytes).bars().unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part}\n{error}");
    }
}

#[test]
fn an_archive_of_klines_gives_the_same_bars_however_it_is_packed() {
    let plain = source(klines(true, 1).as_bytes());
    plain.bars().unwrap();
    let wanted = plain.events();
    assert_eq!(wanted.len(), 50);
    let (bare, micros) = (klines(false, 1), klines(false, 1_000));
    let header = klines(true, 1_000);
    let name = "BTCUSDT-1m-2025-10-01.csv";
    for (what, bytes) in [
        ("headless", bare.clone().into_bytes()),
        ("microseconds", micros.clone().into_bytes()),
        ("gzip", gzip(header.as_bytes())),
        ("two members", [gzip(&bare.as_bytes()[..1_000]), gzip(&bare.as_bytes()[1_000..])].concat()),
        ("zip", zip(&[(name, bare.as_bytes())], true, 0)),
        ("stored", zip(&[(name, micros.as_bytes())], false, 0)),
        ("with a folder", zip(&[("x/", b""), ("x/y.csv", header.as_bytes()), ("__MACOSX/x", b"?")], true, 0)),
    ] {
        let fixture = source(&bytes);
        let report = fixture.bars().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(fixture.events(), wanted, "{what}");
        assert_eq!(report.interval, Some(Duration::MINUTE), "{what}");
        let told = report.warnings.iter().any(|warning| warning.contains("the columns of a Binance kline archive"));
        assert_eq!(told, !bytes.starts_with(b"open_time") && !["gzip", "with a folder"].contains(&what), "{what}");
    }
}

#[test]
fn what_cannot_be_unpacked_says_why() {
    let text = klines(true, 1);
    let good = zip(&[("a.csv", text.as_bytes())], true, 0);
    refused(
        &zip(&[("a.csv", b"1"), ("b.csv", b"2")], true, 0),
        "archive",
        &["2 files (`a.csv`, `b.csv`)", "import one"],
    );
    refused(&zip(&[], true, 0), "archive", &["without a file"]);
    refused(&zip(&[("a.csv", text.as_bytes())], true, 1), "archive", &["encrypted"]);
    refused(&zip(&[("a.parquet", b"PAR1xxxx")], true, 0), "archive", &["unpack it first"]);
    refused(&zip(&[("a.csv", b"")], true, 0), "empty", &["holds an empty file"]);
    refused(&gzip(&good), "archive", &["archive in an archive"]);
    refused(&good[..good.len() - 30], "damaged", &["its directory cannot be read"]);
    let mut wrong = zip(&[("a.csv", text.as_bytes())], false, 0);
    let at = wrong.windows(3).position(|window| window == b"107").unwrap();
    wrong[at + 2] = b'8';
    refused(&wrong, "damaged", &["does not match its checksum"]);
    let whole = gzip(text.as_bytes());
    refused(&whole[..whole.len() - 20], "damaged", &["fetch it again"]);
    // A bomb of one line: it ends where a line could no longer be one.
    refused(&gzip(&vec![b'1'; 64 << 20]), "damaged", &["a line is longer than 1 MiB"]);
}

#[test]
fn damage_anywhere_ends_in_a_result() {
    for bytes in [zip(&[("a.csv", klines(false, 1).as_bytes())], true, 0), gzip(klines(true, 1).as_bytes())] {
        // What is cut off the comment at the end of the zip is missed by nobody.
        for length in (0..bytes.len() - 5).step_by(11) {
            assert!(source(&bytes[..length]).bars().is_err(), "{length}");
        }
        for place in (0..bytes.len()).step_by(5) {
            let mut altered = bytes.clone();
            altered[place] ^= [0x01_u8, 0x80, 0xff][place % 3];
            let _ = source(&altered).bars();
        }
    }
}

#[test]
fn funding_that_changes_its_interval_says_so_in_every_row() {
    let text = "calc_time,funding_interval_hours,last_funding_rate\n1704067200003,8,0.0001\n1704096000000,8,0.0002\n\
                1704110400001,4,-0.0001\n1704124800000,4,0.0001\n1704153600000,4,0.0003\n";
    for text in [text, text.split_once('\n').unwrap().1] {
        let fixture = source(text.as_bytes());
        let report = fixture.funding(RateUnit::Fraction, &[]).unwrap();
        assert_eq!((report.rows_written, report.snapped, report.gaps.count, report.gaps.missing), (5, 2, 1, 1));
        let hours: Vec<i64> = fixture
            .events()
            .into_iter()
            .map(|(_, event)| match event {
                Event::Funding(funding) => funding.interval.nanos() / Duration::HOUR.nanos(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(hours, [8, 8, 4, 4, 4]);
    }
    let wrong = source(text.replace(",4,-", ",0,-").as_bytes()).funding(RateUnit::Fraction, &[]).unwrap_err();
    assert!(wrong.to_string().contains("line 4 (interval 0)"), "{wrong}");
}

#[test]
fn columns_without_names_are_called_by_their_number() {
    let rows = "5,2025-10-01 00:00,100.1,100.9,100,100.5\n6,2025-10-01 00:01,100.1,100.9,100,100.5\n";
    let fixture = source(rows.as_bytes());
    assert!(matches!(fixture.bars(), Err(ImportError::Column { code: "column-missing", .. })));
    let number = |number: &str| Some(number.to_owned());
    let columns = ColumnMap {
        time: number("2"),
        open: number("3"),
        high: number("4"),
        low: number("5"),
        close: number("6"),
        volume: number("1"),
        ..ColumnMap::default()
    };
    let report = fixture.run(&import::BarsRequest { columns: columns.clone(), ..fixture.bars_request() }).unwrap();
    assert_eq!((report.rows_written, report.warnings.len()), (2, 1));
    // A text in the first line makes a header of it, unless one says that there is none.
    let text = source(rows.replace("5,2025", "x,2025").replace("6,2025", "y,2025").as_bytes());
    let columns = ColumnMap { volume: None, no_header: true, ..columns };
    assert_eq!(text.run(&import::BarsRequest { columns, ..text.bars_request() }).unwrap().rows_written, 2);
}

#[test]
fn other_separators_and_unnamed_columns() {
    let rows = "|open|high|low|close\n2025-10-01|1|1|1|1\n2025-10-02|1|1|1|1\n";
    let fixture = source(rows.as_bytes());
    let columns = ColumnMap { time: Some("1".to_owned()), ..ColumnMap::default() };
    let report = fixture.run(&import::BarsRequest { columns, ..fixture.bars_request() }).unwrap();
    assert_eq!((report.rows_written, report.interval), (2, Some(Duration::DAY)));
}
