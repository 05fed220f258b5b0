//! What a tape keeps, what it refuses, and in which order many of them merge.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "a test may stop at once")]

mod common;

use common::{at, bar, funding, header, instrument, point};
use market::{Event, Mark};
use proptest::prelude::*;
use std::path::Path;
use tape::{AppliedRepair, Fault, Kind, Merged, TapeError, TapeHeader, TapeReader, TapeWriter};
use units::{InstrumentId, Price, Timestamp};

type Row = (Timestamp, Event);

fn write(path: &Path, header: &TapeHeader, rows: &[Row]) {
    let mut writer = TapeWriter::create(path, header).unwrap();
    for (receipt, event) in rows {
        writer.push(*receipt, venue_time(*receipt, event), event).unwrap();
    }
    writer.finish().unwrap();
}

fn venue_time(receipt: Timestamp, event: &Event) -> Timestamp {
    match event {
        Event::Bar(bar) => bar.closed,
        _ => receipt - units::Duration::SECOND,
    }
}

fn read(path: &Path) -> Vec<Row> {
    let mut reader = TapeReader::open(path).unwrap();
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

#[test]
fn what_is_written_is_read_with_its_story() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    let mut told = header(&["binance:BTCUSDT-PERP"], &["dvol.btc"]);
    told.provenance.source = "btc.csv".to_owned();
    told.provenance.repairs.push(AppliedRepair { rule: "widen".to_owned(), rows: 3 });
    told.provenance.quality.insert("gaps".to_owned(), 2);
    let rows = [(at(60), bar(0, at(60), 100)), (at(60), point(0, 0.41)), (at(90), funding(0, -5))];
    write(&path, &told, &rows);

    let reader = TapeReader::open(&path).unwrap();
    let info = reader.info();
    assert_eq!((info.rows, info.version, &info.provenance, &info.catalogue), (3, 1, &told.provenance, &told.catalogue));
    let bars = info.span(Kind::Bar).unwrap();
    assert_eq!((bars.rows, bars.first, bars.last), (1, at(60), at(60)));
    assert_eq!(info.span(Kind::Funding).unwrap().first, at(90));
    assert_eq!(read(&path), rows);
    let json = serde_json::to_value(info).unwrap();
    assert_eq!(json["kinds"]["bar"]["first"], "1970-01-01T00:01:00Z");
    assert_eq!(json["catalogue"]["instruments"][0]["tick"], "0.1");
}

#[test]
fn venue_time_is_kept_beside_receipt_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    write(&path, &header(&["x:BTCUSDT-PERP"], &[]), &[(at(61), bar(0, at(60), 100)), (at(90), funding(0, 1))]);
    let mut reader = TapeReader::open(&path).unwrap();
    let row = reader.next_row().unwrap().unwrap();
    assert_eq!((row.receipt, row.venue), (at(61), at(60)));
    assert_eq!(reader.next_row().unwrap().unwrap().venue, at(89));
    assert_eq!(reader.rows_read(), 2);
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.tape"), folder.path().join("b.tape"));
    for path in [&a, &b] {
        write(path, &header(&["x:BTCUSDT-PERP"], &[]), &[(at(60), bar(0, at(60), 100))]);
    }
    assert_eq!(tape::digest(&a).unwrap(), tape::digest(&b).unwrap());
    assert_eq!(tape::digest(&a).unwrap(), blake3::hash(&std::fs::read(&a).unwrap()).to_hex().to_string());
}

#[test]
fn an_unfinished_tape_leaves_nothing_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    std::fs::write(&path, "before").unwrap();
    let mut writer = TapeWriter::create(&path, &header(&["x:BTCUSDT-PERP"], &[])).unwrap();
    writer.push(at(60), at(60), &bar(0, at(60), 100)).unwrap();
    drop(writer);
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_writer_names_the_row_that_no_tape_may_hold() {
    let folder = tempfile::tempdir().unwrap();
    let Event::Bar(good) = bar(0, at(120), 100) else { unreachable!() };
    let with = |change: fn(&mut market::Bar)| {
        let mut bar = good;
        change(&mut bar);
        Event::Bar(bar)
    };
    let mark = Event::Mark(Mark { instrument: InstrumentId(0), price: Price::from_raw(1) });
    let cases = [
        ("row 2: received at", at(59), funding(0, 1)),
        ("instrument 1 is not in the catalogue", at(60), funding(1, 1)),
        ("series 0 is not in the catalogue", at(60), point(0, 1.0)),
        ("event kind 4", at(60), mark),
        ("is not above zero", at(120), with(|bar| bar.low = Price::ZERO)),
        ("high 0.00000099 is under low 0.000001", at(120), with(|bar| bar.high = Price::from_raw(99))),
        ("is outside the bar's range", at(120), with(|bar| bar.close = Price::from_raw(108))),
        ("volume is negative", at(120), with(|bar| bar.volume = units::Qty::from_raw(-1))),
        ("ends at or before its begin", at(120), with(|bar| bar.opened = bar.closed)),
        ("received before the bar closed", at(119), Event::Bar(good)),
        ("beyond 9,999,999,999", at(120), with(|bar| bar.high = Price::from_raw(10_i64.pow(18)))),
    ];
    for (expected, receipt, event) in cases {
        let path = folder.path().join("a.tape");
        let mut writer = TapeWriter::create(&path, &header(&["x:BTCUSDT-PERP"], &[])).unwrap();
        writer.push(at(60), at(60), &bar(0, at(60), 100)).unwrap();
        let error = writer.push(receipt, venue_time(receipt, &event), &event).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(error.is_input());
    }
}

#[test]
fn files_that_are_no_tape_are_refused_for_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        TapeReader::open(&path).unwrap_err()
    };
    assert!(matches!(open(b""), TapeError::NotParquet { .. }));
    assert!(matches!(open(b"date,open\n2025-10-10,1\n"), TapeError::NotParquet { .. }));
    assert!(matches!(open(b"PAR1"), TapeError::Corrupt { .. }));
    let missing = TapeReader::open(folder.path().join("none.tape")).unwrap_err();
    assert!(matches!(missing, TapeError::Io { .. }) && missing.is_input());
}

#[test]
fn an_empty_tape_is_a_tape() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    write(&path, &header(&[], &["x"]), &[]);
    let mut merged = Merged::new(vec![TapeReader::open(&path).unwrap()]).unwrap();
    assert_eq!(merged.next_input(&mut Vec::new()).unwrap(), None);
    assert_eq!((merged.rows_total(), merged.rows_read()), (0, 0));
}

#[test]
fn one_instant_is_one_input_in_the_order_of_semantics() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.tape"), folder.path().join("b.tape"));
    write(
        &a,
        &header(&["x:ETHUSDT-PERP"], &["signal"]),
        &[(at(60), point(0, 1.0)), (at(60), point(0, 2.0)), (at(60), bar(0, at(60), 10)), (at(120), funding(0, 1))],
    );
    write(
        &b,
        &header(&["x:BTCUSDT-PERP", "x:ETHUSDT-PERP"], &[]),
        &[(at(60), funding(1, 2)), (at(60), bar(0, at(60), 20)), (at(90), bar(1, at(90), 11))],
    );
    let mut merged = Merged::new(vec![TapeReader::open(&a).unwrap(), TapeReader::open(&b).unwrap()]).unwrap();
    let names: Vec<_> = merged.catalogue().instruments.iter().map(|found| found.symbol.as_str()).collect();
    assert_eq!(names, ["x:ETHUSDT-PERP", "x:BTCUSDT-PERP"]);

    let mut events = Vec::new();
    assert_eq!(merged.next_input(&mut events).unwrap(), Some(at(60)));
    let expected = [bar(0, at(60), 10), bar(1, at(60), 20), funding(0, 2), point(0, 1.0), point(0, 2.0)];
    assert_eq!(events, expected);
    assert_eq!(merged.rows_read(), 5);
    assert_eq!(merged.next_input(&mut events).unwrap(), Some(at(90)));
    assert_eq!(events, [bar(0, at(90), 11)]);
    assert_eq!(merged.next_input(&mut events).unwrap(), Some(at(120)));
    assert_eq!(merged.next_input(&mut events).unwrap(), None);
    assert!(events.is_empty());
    assert_eq!(merged.rows_read(), merged.rows_total());
}

#[test]
fn tapes_that_disagree_on_an_instrument_are_both_named() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.tape"), folder.path().join("b.tape"));
    let mut other = header(&[], &[]);
    other.catalogue.instruments.push(instrument("x:BTCUSDT-PERP", "0.01"));
    write(&a, &header(&["x:BTCUSDT-PERP"], &[]), &[]);
    write(&b, &other, &[]);
    let error = Merged::new(vec![TapeReader::open(&a).unwrap(), TapeReader::open(&b).unwrap()]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("a.tape") && text.contains("b.tape") && text.contains("tick 0.1 against 0.01"), "{text}");
}

fn any_event(receipt: Timestamp) -> impl Strategy<Value = Row> {
    prop_oneof![
        (0..2_u32, 1..10_i64.pow(15)).prop_map(move |(id, price)| (receipt, bar(id, receipt, price))),
        (0..2_u32, any::<i64>()).prop_map(move |(id, rate)| (receipt, funding(id, rate))),
        (0..3_u32, -1e300..1e300).prop_map(move |(id, value)| (receipt, point(id, value))),
    ]
}

/// Rows in order of receipt time, many of them at equal times.
fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(0..40_i64, 0..120).prop_flat_map(|mut times| {
        times.sort_unstable();
        times.into_iter().map(|time| any_event(at(time))).collect::<Vec<_>>()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_rows_come_back_as_written(rows in any_rows()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tape");
        write(&path, &header(&["x:A", "x:B"], &["p", "q", "r"]), &rows);
        prop_assert_eq!(read(&path), rows);
    }

    #[test]
    fn merging_is_a_stable_sort(tapes in prop::collection::vec(any_rows(), 0..4)) {
        let folder = tempfile::tempdir().unwrap();
        let mut readers = Vec::new();
        for (index, rows) in tapes.iter().enumerate() {
            let path = folder.path().join(format!("{index}.tape"));
            write(&path, &header(&["x:A", "x:B"], &["p", "q", "r"]), rows);
            readers.push(TapeReader::open(&path).unwrap());
        }
        let id = |event: &Event| match event {
            Event::Bar(bar) => bar.instrument.0,
            Event::Funding(funding) => funding.instrument.0,
            Event::Series(point) => point.series.0,
            _ => unreachable!(),
        };
        let mut expected: Vec<Row> = tapes.concat();
        expected.sort_by_key(|(at, event)| (*at, event.rank(), id(event)));

        let mut merged = Merged::new(readers).unwrap();
        let (mut found, mut events, mut previous) = (Vec::new(), Vec::new(), None);
        while let Some(at) = merged.next_input(&mut events).unwrap() {
            prop_assert!(previous < Some(at), "an instant is delivered once");
            previous = Some(at);
            found.extend(events.iter().map(|event| (at, *event)));
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn rows_beyond_one_row_group_stream_through() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    let rows: Vec<Row> = (1..=150_000_i64)
        .map(|row| match row % 3 {
            0 => (at(row * 60), bar(0, at(row * 60), row)),
            1 => (at(row * 60), funding(0, row)),
            _ => (at(row * 60), point(0, row as f64)),
        })
        .collect();
    write(&path, &header(&["x:A"], &["p"]), &rows);
    assert!(read(&path) == rows);
}

#[test]
fn a_fault_is_a_value() {
    let fault = Fault::UnknownKind(9);
    assert_eq!(fault.to_string(), "event kind 9 is none that a tape records");
}
