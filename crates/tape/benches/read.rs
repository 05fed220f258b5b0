//! Rows a second through reading and merging: `cargo bench -p trimtab-tape`. Best of five passes each.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]

use market::{Bar, Catalogue, Event, Instrument, InstrumentKind};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tape::{Merged, Provenance, TapeHeader, TapeReader, TapeWriter};
use units::{Duration, InstrumentId, Price, Qty, Timestamp};

const ROWS: i64 = 2_000_000;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..4).map(|index| folder.path().join(format!("{index}.tape"))).collect();
    for (index, path) in paths.iter().enumerate() {
        write(path, index as u64);
    }
    println!("bytes a row   {:>6.1}", std::fs::metadata(&paths[0]).unwrap().len() as f64 / ROWS as f64);
    report("read 1 tape", ROWS, || {
        let mut reader = TapeReader::open(&paths[0]).unwrap();
        let mut sum = 0;
        while let Some((at, _)) = reader.next().unwrap() {
            sum ^= at.nanos();
        }
        sum
    });
    for count in [1, 4] {
        report(&format!("merge {count}"), ROWS * count as i64, || {
            let readers = paths[..count].iter().map(|path| TapeReader::open(path).unwrap()).collect();
            let mut merged = Merged::new(readers).unwrap();
            let mut events = Vec::new();
            let mut sum = 0;
            while let Some(at) = merged.next_input(&mut events).unwrap() {
                sum ^= at.nanos() + events.len() as i64;
            }
            sum
        });
    }
}

fn report(name: &str, rows: i64, mut pass: impl FnMut() -> i64) {
    let best = (0..5)
        .map(|_| {
            let begin = Instant::now();
            std::hint::black_box(pass());
            begin.elapsed()
        })
        .min()
        .unwrap();
    println!("{name:<12} {:>6.1} M rows/s", rows as f64 / best.as_secs_f64() / 1e6);
}

/// Minute bars of a random walk on a 0.1 grid.
fn write(path: &Path, seed: u64) {
    let instrument = Instrument {
        symbol: format!("test:BTC{seed}USDT-PERP"),
        kind: InstrumentKind::LinearPerpetual,
        base: "BTC".parse().unwrap(),
        quote: "USDT".parse().unwrap(),
        settle: "USDT".parse().unwrap(),
        tick: "0.1".parse().unwrap(),
        lot: "0.001".parse().unwrap(),
        min_qty: "0.001".parse().unwrap(),
    };
    let catalogue = Catalogue { instruments: vec![instrument], series: vec![] };
    let mut writer = TapeWriter::create(path, &TapeHeader { catalogue, provenance: Provenance::default() }).unwrap();
    let (mut state, mut price) = (seed + 1, 1_000_000_i64);
    for row in 0..ROWS {
        let mut random = |range: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % range) as i64
        };
        let (open, close) = (price, (price + random(2001) - 1000).max(10_000));
        let (high, low) = (open.max(close) + random(500), open.min(close) - random(500));
        let tick = |ticks: i64| Price::from_raw(ticks * 10_000_000);
        let opened = Timestamp::from_nanos(row * Duration::MINUTE.nanos());
        let bar = Bar {
            instrument: InstrumentId(0),
            opened,
            closed: opened + Duration::MINUTE,
            open: tick(open),
            high: tick(high),
            low: tick(low),
            close: tick(close),
            volume: Qty::from_raw(random(500_000) * 100_000),
        };
        writer.push(bar.closed, bar.closed, &Event::Bar(bar)).unwrap();
        price = close;
    }
    writer.finish().unwrap();
}
