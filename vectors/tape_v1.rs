//! What `tape_v1.hex` holds: a tape of format version 1 as the first trimtab wrote it, in hexadecimal. Only its reader may
//! change. `crates/tape/tests/pinned.rs` includes this file, reads the tape and compares; where there is none, it writes one.

use market::{Bar, Catalogue, Event, FundingRate, Instrument, InstrumentKind, SeriesPoint};
use std::collections::BTreeMap;
use tape::{AppliedRepair, Provenance, TapeHeader, TapeRow};
use units::{Duration, InstrumentId, Price, Qty, Rate, Ratio, SeriesId, Timestamp};

pub(crate) fn header() -> TapeHeader {
    let instrument = |symbol: &str, base: &str, tick: &str| Instrument {
        symbol: symbol.to_owned(),
        kind: InstrumentKind::LinearPerpetual,
        base: base.parse().unwrap(),
        quote: "USDT".parse().unwrap(),
        settle: "USDT".parse().unwrap(),
        tick: tick.parse().unwrap(),
        lot: "0.001".parse().unwrap(),
        min_qty: "0.001".parse().unwrap(),
    };
    let instruments =
        vec![instrument("binance:BTCUSDT-PERP", "BTC", "0.1"), instrument("binance:ETHUSDT-PERP", "ETH", "0.01")];
    let provenance = Provenance {
        source: "made.csv".to_owned(),
        source_blake3: "00".repeat(32),
        importer: "trimtab 0.1.0".to_owned(),
        options: BTreeMap::from([("labelled".to_owned(), "open".to_owned())]),
        repairs: vec![AppliedRepair { rule: "widen".to_owned(), rows: 3 }],
        quality: BTreeMap::from([("gaps".to_owned(), 1)]),
        warnings: vec!["1 gap".to_owned()],
    };
    TapeHeader { catalogue: Catalogue { instruments, series: vec!["dvol.btc".to_owned()] }, provenance }
}

/// Four days of hourly bars of two instruments, funding every eight hours and an index once a day.
pub(crate) fn rows() -> Vec<TapeRow> {
    let start: Timestamp = "2025-10-09T00:00:00Z".parse().unwrap();
    let mut rows = Vec::new();
    for hour in 1..=96_i64 {
        let receipt = start + Duration::from_nanos(hour * Duration::HOUR.nanos());
        for (id, unit) in [(0, 10_000_000), (1, 1_000_000)] {
            let open = Price::from_raw((1_200_000 + hour * hour % 977) * unit);
            let step = |ticks: i64| open + Price::from_raw(ticks * unit);
            let bar = Bar {
                instrument: InstrumentId(id),
                opened: receipt - Duration::HOUR,
                closed: receipt,
                open,
                high: step(hour % 7 + 3),
                low: step(-(hour % 5)),
                close: step(hour % 3),
                volume: Qty::from_raw(hour * 123_456_789),
            };
            rows.push(TapeRow { receipt, venue: receipt, event: Event::Bar(bar) });
        }
        if hour % 8 == 0 {
            let rate = Rate::from_raw((hour - 50) * 1_234_567);
            let funding = FundingRate {
                instrument: InstrumentId(0),
                rate,
                interval: Duration::from_nanos(8 * Duration::HOUR.nanos()),
            };
            rows.push(TapeRow {
                receipt,
                venue: receipt + Duration::from_nanos(5_000_000),
                event: Event::Funding(funding),
            });
        }
        if hour % 24 == 0 {
            let value = Ratio::new(0.4 + hour as f64 / 1_000.0).unwrap();
            let venue = receipt - Duration::DAY;
            rows.push(TapeRow { receipt, venue, event: Event::Series(SeriesPoint { series: SeriesId(0), value }) });
        }
    }
    rows
}
