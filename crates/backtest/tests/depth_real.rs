//! A cap on participation that goes by the recorded depth of Binance's book on 10 October 2025: what went out against the readings and a
//! recursion made here, and the audit's own count. On that day bids within one percent went from 3,100 coins at noon to 18 at 16:00, five
//! hours before the crash.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

mod common;

use backtest::{PolicyFile, Request, Run};
use common::shared;
use import::{BarsRequest, ColumnMap, Labelled, SeriesRequest, SeriesUnit};
use market::Event;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use units::{Duration, Qty, Round, Timestamp};

const SYMBOL: &str = "binance:BTCUSDT-PERP";
const WINDOW: Duration = Duration::from_nanos(30 * Duration::MINUTE.nanos());

/// The bars of that month and the two sides of the book.
fn tapes(shared: &Path, folder: &Path) -> Vec<PathBuf> {
    let instrument = import::instrument(SYMBOL, &import::Terms::default()).unwrap();
    let bars = shared.join("data/bars_crash/2025-10_BTCUSDT_binance_perp_5m.parquet");
    import::bars(&BarsRequest::new(bars, instrument, Labelled::Open, folder.join("btc.tape")), &mut |_, _| {}).unwrap();
    let book = shared.join("data/l2_2025-10-10/BTCUSDT_binance_perp_bookDepth.parquet");
    let mut tapes = vec![folder.join("btc.tape")];
    for (side, percent) in [("bid", "-1"), ("ask", "1")] {
        let out = folder.join(format!("{side}.tape"));
        let only = Some(("percentage".to_owned(), percent.to_owned()));
        let name = format!("depth.{side}.btc");
        let request = SeriesRequest {
            columns: ColumnMap { only, ..ColumnMap::default() },
            ..SeriesRequest::new(&book, "depth", &name, SeriesUnit::Fraction, &out)
        };
        assert_eq!(import::series(&request, &mut |_, _| {}).unwrap().rows_written, 2_879);
        tapes.push(out);
    }
    tapes
}

fn run_under(caps: &str, tapes: &[PathBuf]) -> Run {
    let text = format!(
        "policy = 1\nname = \"thin books\"\ninstrument = \"{SYMBOL}\"\n\
         [signal]\nkind = \"constant\"\nstrength = 1.0\n\
         [size]\nkind = \"fixed_fraction\"\nfraction = 1.0\nresize = \"entry\"\n\
         [caps]\n{caps}depth = [\"depth.bid.{{base}}\", \"depth.ask.{{base}}\"]\n\
         [backtest]\ndeposit = \"100_000_000 USDT\"\nlatency = \"0ms\"\n"
    );
    let request = Request {
        policies: vec![PolicyFile::new("thin.toml", text)],
        tapes: tapes.to_vec(),
        program: "test".to_owned(),
        seed: None,
    };
    backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// What a series says and when.
fn readings(tape: &Path) -> Vec<(Timestamp, f64)> {
    let mut reader = tape::TapeReader::open(tape).unwrap();
    let mut all = Vec::new();
    while let Some((at, event)) = reader.next().unwrap() {
        if let Event::Series(point) = event {
            all.push((at, point.value.get()));
        }
    }
    all
}

/// The lesser of both sides as last recorded, if that is no older than half an hour.
fn thinner(sides: &[Vec<(Timestamp, f64)>], at: Timestamp) -> Option<f64> {
    let last = |side: &Vec<(Timestamp, f64)>| side.iter().rfind(|reading| reading.0 <= at).copied();
    let recent = sides.iter().map(|side| last(side).filter(|reading| at.since(reading.0) <= WINDOW));
    recent.map(|reading| reading.map(|reading| reading.1)).reduce(|a, b| Some(a?.min(b?)))?
}

fn clean(run: &Run, folder: &Path, check: &str) -> u64 {
    let out = folder.join(check);
    run.write(&out, true).unwrap();
    let audit = backtest::audit::audit(&out, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    audit.checks.iter().find(|of| of.check == check).unwrap().made
}

#[test]
fn a_position_is_built_by_what_the_book_bears() {
    let Some(shared) = shared("a_position_is_built_by_what_the_book_bears") else { return };
    let folder = tempfile::tempdir().unwrap();
    let tapes = tapes(&shared, folder.path());
    let run = run_under("participation = \"1%\"\nparticipation_window = \"30m\"\n", &tapes);
    let sides: Vec<_> = tapes[1..].iter().map(|tape| readings(tape)).collect();

    // What went out of a window before, and what may still go out: whole lots of a hundredth of the thinner side.
    let lot: Qty = "0.001".parse().unwrap();
    let (mut window, mut own, mut sent) = (Timestamp::MIN, Qty::ZERO, 0);
    for order in run.tables.orders.iter().filter(|order| order.event == "place") {
        let of = order.time.floor(WINDOW);
        if of > window {
            (window, own) = (of, Qty::ZERO);
        }
        let share = Qty::from_estimate(thinner(&sides, order.time).unwrap() * 0.01, Round::TowardZero).unwrap();
        let room = (share - own).to_lot(lot, Round::TowardZero);
        assert_eq!(order.quantity, room, "at {}", order.time);
        own += order.quantity;
        sent += 1;
    }
    assert!(sent > 60, "{sent}");

    // Sixteen coins a window in the calm of the night, a sixth of one from 16:00 on.
    let filled = |from: &str, to: &str| -> f64 {
        let (from, to): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
        let fills = run.tables.fills.iter().filter(|fill| fill.time >= from && fill.time < to);
        fills.map(|fill| fill.quantity.approximate()).sum()
    };
    let calm = filled("2025-10-10T02:00:00Z", "2025-10-10T04:00:00Z");
    let thin = filled("2025-10-10T19:00:00Z", "2025-10-10T21:00:00Z");
    assert!((4.0 * 13.0..4.0 * 20.0).contains(&calm), "{calm}");
    assert!((thin - 4.0 * 0.177).abs() < 0.05, "{thin}");
    assert!(clean(&run, folder.path(), "cap.participation") > 60);
}

/// What it takes half a day to get rid of at a hundredth of the usual depth: once the books have thinned out, half of what was built is
/// too much, and it is cut hours before the crash, into the bids that are left.
#[test]
fn thin_books_cut_what_takes_too_long_to_sell() {
    let Some(shared) = shared("thin_books_cut_what_takes_too_long_to_sell") else { return };
    let folder = tempfile::tempdir().unwrap();
    let tapes = tapes(&shared, folder.path());
    let caps = "participation = \"5%\"\nparticipation_window = \"30m\"\nexit_time = \"3h\"\nexit_time_restore = \"2h\"\n\
                usual_volume = \"2h\"\n";
    let run = run_under(caps, &tapes);
    let sides: Vec<_> = tapes[1..].iter().map(|tape| readings(tape)).collect();

    // The least of each half hour, of both sides; the mean of the last four that are over.
    let usual = |at: Timestamp| {
        let begin = at.floor(WINDOW);
        let least = |back: i64| {
            let from = begin - Duration::from_nanos(back * WINDOW.nanos());
            let inside = |reading: &&(Timestamp, f64)| reading.0 >= from && reading.0 < from + WINDOW;
            let all = sides.iter().flat_map(|side| side.iter().filter(inside));
            all.map(|reading| reading.1).reduce(f64::min).unwrap()
        };
        (1..=4).map(least).sum::<f64>() / 4.0
    };
    let cuts: Vec<_> = run.tables.fills.iter().filter(|fill| fill.purpose == "cut").collect();
    assert!(!cuts.is_empty());
    for cut in &cuts {
        let order = run.tables.orders.iter().find(|order| order.order == cut.order).unwrap();
        let left = usual(order.time) * 0.05 * 4.0;
        let held = run.tables.fills.iter().filter(|fill| fill.time <= cut.time);
        let held: f64 =
            held.map(|fill| fill.quantity.approximate() * if fill.side == "buy" { 1.0 } else { -1.0 }).sum();
        assert!((held - left).abs() < 0.002, "{held} held after the cut of {}, {left} could be sold in time", cut.time);
    }
    let crash: Timestamp = "2025-10-10T21:00:00Z".parse().unwrap();
    assert!(cuts.iter().all(|cut| cut.time < crash - Duration::HOUR), "{cuts:?}");
    let made = clean(&run, folder.path(), "cap.exit_time");
    assert!(made > 20, "{made}");
}
