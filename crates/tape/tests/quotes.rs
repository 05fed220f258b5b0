//! Quotes and marks on tapes: version 3, and only where it is needed.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "a test may stop at once")]

mod common;

use common::{at, bar, funding, header, instrument, point};
use market::{Event, InstrumentKind, Mark, OptionQuote};
use proptest::prelude::*;
use std::path::Path;
use tape::{ALWAYS, Kind, Merged, TapeError, TapeHeader, TapeReader, TapeWriter};
use units::{InstrumentId, OptionRight, Price, Qty, Timestamp};

type Row = (Timestamp, Event);

/// A perpetual and options on it.
fn chain(strikes: &[&str]) -> TapeHeader {
    let mut told = header(&["x:BTCUSDT-PERP"], &["dvol.btc"]);
    for strike in strikes {
        let mut option = instrument(&format!("x:BTC_USDT-27JUN26-{strike}-C"), "0.0001");
        let (expiry, strike) = (at(1_000_000), strike.parse().unwrap());
        option.kind = InstrumentKind::LinearOption { expiry, strike, right: OptionRight::Call };
        told.catalogue.instruments.push(option);
    }
    told
}

fn write(path: &Path, header: &TapeHeader, rows: &[Row]) {
    let mut writer = TapeWriter::create(path, header).unwrap();
    for (receipt, event) in rows {
        writer.push(*receipt, *receipt, event).unwrap();
    }
    writer.finish().unwrap();
}

fn read(path: &Path) -> Vec<Row> {
    let mut reader = TapeReader::open(path).unwrap();
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

fn price(raw: i64) -> Price {
    Price::from_raw(raw)
}

fn mark(instrument: u32, raw: i64) -> Event {
    Event::Mark(Mark { instrument: InstrumentId(instrument), price: price(raw) })
}

fn quote(instrument: u32) -> OptionQuote {
    OptionQuote::empty(InstrumentId(instrument))
}

#[test]
fn an_option_comes_back_with_its_strike_and_right_and_asks_for_version_3() {
    let folder = tempfile::tempdir().unwrap();
    let (path, plain) = (folder.path().join("a.tape"), folder.path().join("b.tape"));
    let mut told = chain(&["100000", "0.625"]);
    let option = &mut told.catalogue.instruments[2];
    let (expiry, strike) = (at(1_000_000), "0.625".parse().unwrap());
    option.kind = InstrumentKind::InverseOption { expiry, strike, right: OptionRight::Put };
    let full = quote(1)
        .with_bid(price(5), Qty::from_raw(7))
        .with_ask(price(6), Qty::from_raw(8))
        .with_mark(price(0))
        .with_underlying(price(9))
        .with_open_interest(Qty::ZERO);
    // Every combination of what is told and what is not.
    let mut rows = vec![(at(1), Event::OptionQuote(full)), (at(1), mark(0, 17)), (at(1), mark(1, 0))];
    for told in 0..32 {
        let is = |bit: u32| told >> bit & 1 == 1;
        let some = quote(2)
            .with_bid(is(0).then_some(price(50)), is(1).then_some(Qty::from_raw(3)))
            .with_ask(is(2).then_some(price(60)), None)
            .with_mark(is(3).then_some(price(55)))
            .with_underlying(is(4).then_some(price(66)));
        rows.push((at(2 + told), Event::OptionQuote(some)));
    }
    write(&path, &told, &rows);
    let reader = TapeReader::open(&path).unwrap();
    let info = reader.info();
    assert_eq!((info.version, &info.catalogue), (3, &told.catalogue));
    assert_eq!((info.span(Kind::Quote).unwrap().rows, info.span(Kind::Mark).unwrap().rows), (33, 2));
    let json = serde_json::to_value(info).unwrap();
    assert_eq!(json["kinds"]["quote"]["rows"], 33);
    let told = &json["catalogue"]["instruments"][2];
    assert_eq!(
        (told["kind"].as_str(), told["strike"].as_str(), told["right"].as_str()),
        (Some("inverse-option"), Some("0.625"), Some("put"))
    );
    assert_eq!(read(&path), rows);

    write(&plain, &header(&["x:BTCUSDT-PERP"], &[]), &[(at(60), bar(0, at(60), 100))]);
    assert_eq!(
        TapeReader::open(&plain).unwrap().info().version,
        1,
        "a tape without options is still read by the first trimtab"
    );
}

#[test]
fn marks_need_a_tape_that_has_their_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    let told = header(&["x:BTCUSDT-PERP"], &[]);
    let mut writer = TapeWriter::create(&path, &told).unwrap();
    let error = writer.push(at(1), at(1), &mark(0, 5)).unwrap_err();
    assert!(error.to_string().contains("event kind 4 is none that a tape records"), "{error}");
    let mut writer = TapeWriter::with_quotes(&path, &told).unwrap();
    writer.push(at(1), at(1), &mark(0, 5)).unwrap();
    writer.finish().unwrap();
    assert_eq!(read(&path), [(at(1), mark(0, 5))]);
    // What is merged from it has the column too, though its catalogue does not ask for it.
    let (bars, joined) = (folder.path().join("b.tape"), folder.path().join("c.tape"));
    write(&bars, &told, &[(at(60), bar(0, at(60), 100))]);
    assert_eq!(tape::join(&[&path, &bars], &joined, "test", ALWAYS, &mut |_, _| true).unwrap(), Some(2));
    assert_eq!(read(&joined), [(at(1), mark(0, 5)), (at(60), bar(0, at(60), 100))]);
}

#[test]
fn a_quote_that_no_tape_may_hold_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    let far = 10_i64.pow(18);
    for (expected, event) in [
        ("instrument 2 is not in the catalogue", Event::OptionQuote(quote(2))),
        ("instrument 2 is not in the catalogue", mark(2, 1)),
        ("price -0.00000001 is not above zero", Event::OptionQuote(quote(1).with_bid(price(-1), None))),
        ("price 0 is not above zero", Event::OptionQuote(quote(1).with_underlying(price(0)))),
        ("beyond 9,999,999,999", Event::OptionQuote(quote(1).with_ask(price(far), None))),
        ("mark -0.00000001 is under zero", Event::OptionQuote(quote(1).with_mark(price(-1)))),
        ("mark -0.00000002 is under zero", mark(0, -2)),
        ("-0.00000003 is under zero", Event::OptionQuote(quote(1).with_ask(price(1), Qty::from_raw(-3)))),
        ("-0.00000004 is under zero", Event::OptionQuote(quote(1).with_open_interest(Qty::from_raw(-4)))),
    ] {
        let mut writer = TapeWriter::create(&path, &chain(&["100000"])).unwrap();
        let error = writer.push(at(1), at(1), &event).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

#[test]
fn a_catalogue_with_half_an_option_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    write(&path, &chain(&["100000"]), &[(at(1), Event::OptionQuote(quote(1)))]);
    let bytes = std::fs::read(&path).unwrap();
    for (from, to, expected) in [
        (r#""strike":"100000""#, r#""strikf":"100000""#, "strike"),
        (r#""strike":"100000""#, r#""strike":"-00000""#, "strike"),
        (r#""right":"call""#, r#""right":"cull""#, "right"),
        (r#""kind":"linear-option""#, r#""kind":"linear-future""#, "strike"),
        (r#""kind":"linear-option""#, r#""kind":"linear-optiom""#, "kind"),
    ] {
        let old = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let mut changed = bytes.clone();
        changed[old..old + to.len()].copy_from_slice(to.as_bytes());
        // The header's hash, so that it is the text itself that is looked at.
        let hash = |bytes: &[u8]| {
            let start = bytes.windows(14).position(|window| window == br#"{"catalogue":{"#).unwrap();
            let end = start + bytes[start..].windows(3).position(|window| window == b"}]}").unwrap() + 3;
            blake3::hash(&bytes[start..end]).to_hex().to_string()
        };
        let (before, after) = (hash(&bytes), hash(&changed));
        let seal = changed.windows(64).position(|window| window == before.as_bytes()).unwrap();
        changed[seal..seal + 64].copy_from_slice(after.as_bytes());
        std::fs::write(&path, changed).unwrap();
        let error = TapeReader::open(&path).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, TapeError::Corrupt { .. }) && text.contains(&format!("the {expected} of instrument")),
            "{text}"
        );
    }
}

#[test]
fn all_quotes_of_a_time_are_one_input_and_one_told_twice_is_an_overlap() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("a.tape"), folder.path().join("b.tape"));
    let asked = |id| Event::OptionQuote(quote(id).with_ask(price(10_000), None));
    write(&one, &chain(&["1", "2", "3"]), &[(at(9), asked(3)), (at(9), point(0, 0.5)), (at(9), asked(1))]);
    write(&two, &chain(&["2", "4"]), &[(at(9), mark(0, 6)), (at(9), asked(2)), (at(10), asked(1))]);
    let readers = [&one, &two].map(|path| TapeReader::open(path).unwrap());
    let mut merged = Merged::new(readers.into()).unwrap();
    assert_eq!(merged.catalogue().instruments.len(), 5);
    let mut events = Vec::new();
    assert_eq!(merged.next_input(&mut events).unwrap(), Some(at(9)));
    // By kind, then by the merged ids: the fourth strike is the fifth instrument.
    assert_eq!(events, [mark(0, 6), asked(1), asked(3), asked(4), point(0, 0.5)]);
    assert_eq!(merged.next_input(&mut events).unwrap(), Some(at(10)));
    assert_eq!(events, [asked(2)]);
    write(&two, &chain(&["2", "4"]), &[(at(9), asked(1))]);
    assert!(tape::overlaps(&[&one, &two], &mut |_, _| {}).unwrap().is_empty());
    write(&two, &chain(&["3", "4"]), &[(at(9), asked(1))]);
    let found = tape::overlaps(&[&one, &two], &mut |_, _| {}).unwrap();
    assert_eq!((found.len(), found[0].subject.as_str(), found[0].kind), (1, "x:BTC_USDT-27JUN26-3-C", "quote"));
}

#[test]
fn quotes_off_the_grid_are_found_and_marks_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    let asked = |raw| Event::OptionQuote(quote(1).with_bid(price(10_000), None).with_ask(price(raw), None));
    write(&path, &chain(&["1"]), &[(at(1), asked(20_000)), (at(2), asked(25_000)), (at(3), mark(1, 12_345))]);
    let found = tape::verify(&path, &mut |_, _| {}).unwrap();
    assert_eq!((found.rows, found.off_tick, found.gaps.len(), found.overlaps.len()), (3, 1, 0, 0));
}

fn any_event(receipt: Timestamp) -> impl Strategy<Value = Row> {
    let maybe = || prop::option::of(1..10_i64.pow(17));
    let prices = (maybe(), maybe(), prop::option::of(0..10_i64.pow(17)), maybe());
    let amounts = (maybe(), maybe(), maybe());
    prop_oneof![
        (1..10_i64.pow(15)).prop_map(move |price| (receipt, bar(0, receipt, price))),
        any::<i64>().prop_map(move |rate| (receipt, funding(0, rate))),
        (-1e300..1e300).prop_map(move |value| (receipt, point(0, value))),
        (0..3_u32, 1..10_i64.pow(17)).prop_map(move |(id, raw)| (receipt, mark(id, raw))),
        (0..3_u32, prices, amounts).prop_map(move |(id, (bid, ask, mark, forward), (bids, asks, interest))| {
            let quote = quote(id)
                .with_bid(bid.map(price), bids.map(Qty::from_raw))
                .with_ask(ask.map(price), asks.map(Qty::from_raw))
                .with_mark(mark.map(price))
                .with_underlying(forward.map(price))
                .with_open_interest(interest.map(Qty::from_raw));
            (receipt, Event::OptionQuote(quote))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_rows_come_back_as_written(
        rows in prop::collection::vec(0..40_i64, 0..200).prop_flat_map(|mut times| {
            times.sort_unstable();
            times.into_iter().map(|time| any_event(at(time))).collect::<Vec<_>>()
        })
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tape");
        write(&path, &chain(&["1", "2"]), &rows);
        prop_assert_eq!(read(&path), rows);
    }
}

/// Any byte of it may break: what comes of it is an error or the rows as they were.
#[test]
fn a_damaged_tape_of_quotes_is_refused_or_reads_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    let rows: Vec<Row> = (1..200)
        .map(|row| match row % 3 {
            0 => (at(row), mark(0, row)),
            1 => (at(row), Event::OptionQuote(quote(1).with_bid(price(row), Qty::from_raw(row)))),
            _ => (at(row), Event::OptionQuote(quote(2).with_ask(price(row), None).with_mark(price(row)))),
        })
        .collect();
    write(&path, &chain(&["1", "2"]), &rows);
    let bytes = std::fs::read(&path).unwrap();
    let mut refused = 0;
    let places: Vec<usize> = (0..bytes.len()).step_by(7).collect();
    for place in &places {
        let mut broken = bytes.clone();
        broken[*place] ^= 1 << (place % 8);
        std::fs::write(&path, &broken).unwrap();
        let read = TapeReader::open(&path).and_then(|mut reader| {
            let mut found = Vec::new();
            while let Some(row) = reader.next()? {
                found.push(row);
            }
            Ok(found)
        });
        match read {
            Ok(found) => assert_eq!(found, rows, "byte {place}"),
            Err(error) => {
                assert!(error.is_input(), "byte {place}: {error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused * 10 > places.len() * 8, "only {refused} of {} were noticed", places.len());
}
