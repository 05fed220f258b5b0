//! Old files keep reading: a tape as the first trimtab wrote it, held as text in `vectors/tape_v1.hex`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at once")]

#[path = "../../../vectors/tape_v1.rs"]
mod made;

use std::path::Path;
use tape::{TapeReader, TapeWriter};

fn pinned() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/tape_v1.hex")
}

fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(60).map(line).collect()
}

fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn a_tape_of_version_1_reads_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.tape");
    if !pinned().exists() {
        let mut writer = TapeWriter::create(&path, &made::header()).unwrap();
        for row in made::rows() {
            writer.push(row.receipt, row.venue, &row.event).unwrap();
        }
        writer.finish().unwrap();
        std::fs::write(pinned(), hex(&std::fs::read(&path).unwrap())).unwrap();
    }
    std::fs::write(&path, bytes(&std::fs::read_to_string(pinned()).unwrap())).unwrap();

    let mut reader = TapeReader::open(&path).unwrap();
    let (info, header) = (reader.info().clone(), made::header());
    assert_eq!((info.version, info.catalogue, info.provenance), (1, header.catalogue, header.provenance));
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row().unwrap() {
        rows.push(row);
    }
    assert_eq!(rows, made::rows());
    // A tape of one source is the same whatever merged it, and nothing is found in a whole one.
    let verified = tape::verify(&path, &mut |_, _| {}).unwrap();
    assert_eq!((verified.rows, verified.gaps.len(), verified.overlaps.len(), verified.off_tick), (208, 0, 0, 0));
}
