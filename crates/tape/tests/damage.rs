//! A tape that was cut off or altered gives a typed error: never a panic, never other rows than were written.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, dead_code, reason = "a test may stop at once")]

mod common;

use common::{at, bar, funding, header, point};
use market::Event;
use std::path::Path;
use tape::{TapeError, TapeReader, TapeWriter};
use units::Timestamp;

#[test]
fn a_tape_cut_off_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    let (bytes, _) = sample(&path);
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = TapeReader::open(&path).unwrap_err();
        assert!(matches!(error, TapeError::NotParquet { .. } | TapeError::Corrupt { .. }), "{length}: {error:?}");
        assert!(error.is_input());
    }
}

/// Every byte of the file is altered in turn. What still reads, reads as it was written: the bytes that nothing
/// depends on (statistics, the creator's name) are all that may change unseen.
#[test]
fn an_altered_tape_is_refused_or_reads_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    let (bytes, rows) = sample(&path);
    let mut refused = 0;
    for place in 0..bytes.len() {
        let mask = [0x01_u8, 0x80, 0xff][place % 3];
        let mut altered = bytes.clone();
        altered[place] ^= mask;
        std::fs::write(&path, &altered).unwrap();
        match read(&path) {
            Ok(found) => assert_eq!(found, rows, "byte {place} ^ {mask:#x}"),
            Err(error) => {
                assert!(error.is_input(), "byte {place} ^ {mask:#x}: {error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused * 10 > bytes.len() * 9, "only {refused} of {} were noticed", bytes.len());
}

#[test]
fn a_newer_tape_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tape");
    let (bytes, _) = sample(&path);
    let key = b"trimtab.tape.version";
    let place = bytes.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    let digit = place + bytes[place..].iter().position(|byte| *byte == b'1').unwrap();
    let mut newer = bytes;
    newer[digit] = b'9';
    std::fs::write(&path, newer).unwrap();
    let error = TapeReader::open(&path).unwrap_err();
    assert!(matches!(error, TapeError::Newer { version: 9, .. }), "{error:?}");
    assert!(error.to_string().contains("update trimtab"));
}

fn sample(path: &Path) -> (Vec<u8>, Vec<(Timestamp, Event)>) {
    let rows: Vec<_> = (1..60)
        .flat_map(|row| {
            let now = at(row * 60);
            [(now, bar(0, now, 1000 + row * 7)), (now, funding(0, row)), (now, point(0, row as f64 / 3.0))]
        })
        .collect();
    let mut writer = TapeWriter::create(path, &header(&["x:BTCUSDT-PERP"], &["dvol"])).unwrap();
    for (receipt, event) in &rows {
        writer.push(*receipt, *receipt, event).unwrap();
    }
    writer.finish().unwrap();
    (std::fs::read(path).unwrap(), rows)
}

fn read(path: &Path) -> Result<Vec<(Timestamp, Event)>, TapeError> {
    let mut reader = TapeReader::open(path)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next()? {
        rows.push(row);
    }
    Ok(rows)
}
