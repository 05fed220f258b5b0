//! What the tests share: a small catalogue and events.

use market::{Bar, Catalogue, Event, FundingRate, Instrument, InstrumentKind, SeriesPoint};
use tape::{Provenance, TapeHeader};
use units::{Duration, InstrumentId, Price, Qty, Rate, Ratio, SeriesId, Timestamp};

pub fn instrument(symbol: &str, tick: &str) -> Instrument {
    Instrument {
        symbol: symbol.to_owned(),
        kind: InstrumentKind::LinearPerpetual,
        base: "BTC".parse().unwrap(),
        quote: "USDT".parse().unwrap(),
        settle: "USDT".parse().unwrap(),
        tick: tick.parse().unwrap(),
        lot: "0.001".parse().unwrap(),
        min_qty: "0.001".parse().unwrap(),
    }
}

pub fn header(symbols: &[&str], series: &[&str]) -> TapeHeader {
    let instruments = symbols.iter().map(|symbol| instrument(symbol, "0.1")).collect();
    let series = series.iter().map(|name| (*name).to_owned()).collect();
    TapeHeader { catalogue: Catalogue { instruments, series }, provenance: Provenance::default() }
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(seconds * Duration::SECOND.nanos())
}

/// A bar of one minute that closes at `closed`.
pub fn bar(instrument: u32, closed: Timestamp, price: i64) -> Event {
    let price = Price::from_raw(price);
    Event::Bar(Bar {
        instrument: InstrumentId(instrument),
        opened: closed - Duration::MINUTE,
        closed,
        open: price,
        high: price + Price::from_raw(7),
        low: price,
        close: price,
        volume: Qty::from_raw(3),
    })
}

pub fn funding(instrument: u32, rate: i64) -> Event {
    let rate = Rate::from_raw(rate);
    Event::Funding(FundingRate { instrument: InstrumentId(instrument), rate, interval: Duration::HOUR })
}

pub fn point(series: u32, value: f64) -> Event {
    Event::Series(SeriesPoint { series: SeriesId(series), value: Ratio::new(value).unwrap() })
}
