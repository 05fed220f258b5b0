//! Several tapes as one, what they tell twice, and what is missing in them.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, dead_code, reason = "a test may stop at once")]

mod common;

use common::{at, bar, funding, header, point};
use market::Event;
use std::path::{Path, PathBuf};
use tape::{ALWAYS, Kind, TapeError, TapeReader, TapeWriter, join, overlaps, verify};
use units::{Duration, Timestamp};

fn write(path: &Path, series: &str, rows: &[(Timestamp, Event)]) -> PathBuf {
    let mut writer = TapeWriter::create(path, &header(&["x:BTCUSDT-PERP"], &[series])).unwrap();
    for (receipt, event) in rows {
        writer.push(*receipt, *receipt, event).unwrap();
    }
    writer.finish().unwrap();
    path.to_owned()
}

fn bars(minutes: impl Iterator<Item = i64>) -> Vec<(Timestamp, Event)> {
    minutes.map(|minute| (at(60 * minute), bar(0, at(60 * minute), 1_000 + minute))).collect()
}

fn rows(path: &Path) -> Vec<(Timestamp, Event)> {
    let mut reader = TapeReader::open(path).unwrap();
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

#[test]
fn parts_that_follow_each_other_give_what_one_would_have() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (first, second) = (write(&path("a"), "v", &bars(1..50)), write(&path("b"), "v", &bars(50..90)));
    let values = write(&path("c"), "w", &[(at(60), point(0, 0.5)), (at(120), funding(0, 7))]);
    let out = path("out");
    let written = join(&[&second, &values, &first], &out, "test", ALWAYS, &mut |_, _| true).unwrap();
    assert_eq!(written, Some(91));
    let joined = rows(&out);
    assert_eq!(
        joined.iter().filter(|(_, event)| matches!(event, Event::Bar(_))).cloned().collect::<Vec<_>>(),
        bars(1..90)
    );
    // Bars, funding, series within one time; the series has the id of the merged catalogue.
    assert_eq!(joined[1], (at(60), point(1, 0.5)));
    assert_eq!(joined[3], (at(120), funding(0, 7)));
    let info = TapeReader::open(&out).unwrap().info().clone();
    assert_eq!((info.catalogue.series, info.provenance.source.as_str()), (vec!["v".into(), "w".into()], "b, c, a"));
    assert!(info.provenance.options["tape.3"].starts_with("a "));
    assert_eq!(verify(&out, &mut |_, _| {}).unwrap().gaps, []);
}

#[test]
fn a_part_of_the_time_is_what_lies_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (first, second) = (write(&path("a"), "v", &bars(1..50)), write(&path("b"), "v", &bars(50..90)));
    let out = path("out");
    let written = join(&[&first, &second], &out, "test", at(60 * 40)..at(60 * 60), &mut |_, _| true).unwrap();
    assert_eq!((written, rows(&out)), (Some(20), bars(40..60)));
    let options = TapeReader::open(&out).unwrap().info().provenance.options.clone();
    assert_eq!((options["from"].as_str(), options["to"].as_str()), (&*at(2_400).to_string(), &*at(3_600).to_string()));
    // What lies beyond it is not looked at: twice the same, but later.
    assert_eq!(join(&[&first, &first], path("none"), "test", at(0)..at(30), &mut |_, _| true).unwrap(), Some(0));
}

#[test]
fn what_is_told_twice_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let first = write(&path("a"), "v", &bars(1..50));
    let late = write(&path("b"), "v", &[(at(2_970), bar(0, at(2_970), 1_000))]);
    for (other, when) in [(first.clone(), at(60)), (late, at(3_000 - 30))] {
        let error = join(&[&first, &other], path("out"), "test", ALWAYS, &mut |_, _| true).unwrap_err();
        let TapeError::Overlap(overlap) = &error else { panic!("{error:?}") };
        assert_eq!((overlap.subject.as_str(), overlap.kind, overlap.at), ("x:BTCUSDT-PERP", "bar", when));
        assert!(
            error.is_input()
                && error.to_string().starts_with("the tapes overlap: `x:BTCUSDT-PERP` has more than one bar")
        );
        assert_eq!(overlaps(&[&first, &other], &mut |_, _| {}).unwrap(), [*overlap.clone()]);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn an_interrupted_join_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(&folder.path().join("a"), "v", &bars(1..9_000));
    assert_eq!(join(&[&first], folder.path().join("out"), "test", ALWAYS, &mut |_, _| false).unwrap(), None);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn gaps_are_counted_by_instrument_and_series() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = bars((1..50).chain(53..60).chain(62..70));
    all.extend((0..30).filter(|hour| *hour != 20).map(|hour| (at(3_600 * hour), point(0, 0.5))));
    all.sort_by_key(|(receipt, _)| *receipt);
    let path = write(&folder.path().join("a"), "v", &all);
    let found = verify(&path, &mut |_, _| {}).unwrap();
    let [bars, values] = found.gaps.as_slice() else { panic!("{found:?}") };
    assert_eq!((bars.kind, bars.every, bars.count, bars.missing), (Kind::Bar, Duration::MINUTE, 2, 5));
    assert_eq!(bars.longest, (at(49 * 60), at(52 * 60)));
    assert_eq!((values.subject.as_str(), values.count, values.missing), ("v", 1, 1));
    assert_eq!(values.longest, (at(19 * 3_600), at(21 * 3_600)));
}
