//! Small tapes: bars at given closes, values of series, funding.

#![allow(clippy::unwrap_used, reason = "a helper may fail its test")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

use market::*;
use std::path::{Path, PathBuf};
use tape::{Provenance, TapeHeader, TapeWriter};
use units::{Duration, InstrumentId, Price, Qty, Ratio, Round, SeriesId, Timestamp};

/// An instrument of tick 0.01 (its quantity to the thousandth, of coin-settled ones whole dollars).
pub fn instrument(symbol: &str, kind: InstrumentKind, base: &str, quote: &str, settle: &str) -> Instrument {
    let lot = if kind.contract() == units::Contract::Inverse { "1" } else { "0.001" };
    Instrument {
        symbol: symbol.to_owned(),
        kind,
        base: base.parse().unwrap(),
        quote: quote.parse().unwrap(),
        settle: settle.parse().unwrap(),
        tick: "0.01".parse().unwrap(),
        lot: lot.parse().unwrap(),
        min_qty: lot.parse().unwrap(),
    }
}

/// What a tape tells: a bar for each close, which opens where the one before closed.
pub struct Walk {
    instrument: Instrument,
    begin: Timestamp,
    bar: Duration,
    closes: Vec<f64>,
    series: Vec<(String, Vec<(i64, f64)>)>,
    funding: Vec<(i64, String)>,
}

impl Walk {
    pub fn new(instrument: Instrument, begin: &str, closes: &[f64]) -> Self {
        let (series, funding) = (Vec::new(), Vec::new());
        Self {
            instrument,
            begin: begin.parse().unwrap(),
            bar: Duration::HOUR,
            closes: closes.to_vec(),
            series,
            funding,
        }
    }

    pub fn of_minutes(mut self, minutes: i64) -> Self {
        self.bar = Duration::from_nanos(minutes * Duration::MINUTE.nanos());
        self
    }

    /// Values of a series, each known when the bar of this number closes, counted from 1.
    pub fn telling(mut self, name: &str, values: &[(i64, f64)]) -> Self {
        self.series.push((name.to_owned(), values.to_vec()));
        self
    }

    /// Hourly rates, each due when that many hours have passed.
    pub fn paying(mut self, rates: &[(i64, &str)]) -> Self {
        self.funding = rates.iter().map(|(hour, rate)| (*hour, (*rate).to_owned())).collect();
        self
    }
}

/// Writes a tape.
pub fn tape(walk: &Walk, path: &Path) -> PathBuf {
    let series = walk.series.iter().map(|(name, _)| name.clone()).collect();
    let catalogue = Catalogue { instruments: vec![walk.instrument.clone()], series };
    let provenance = Provenance { source: "generated".into(), ..Provenance::default() };
    let mut writer = TapeWriter::create(path, &TapeHeader { catalogue, provenance }).unwrap();
    let price = |value: f64| Price::from_estimate((value * 100.0).round() / 100.0, Round::TowardZero).unwrap();
    let on_tick = |value: f64| {
        let raw = price(value).raw();
        let tick = walk.instrument.tick.raw();
        Price::from_raw((raw + tick / 2) / tick * tick)
    };
    let moment = |number: i64| walk.begin + Duration::from_nanos(number * walk.bar.nanos());
    let mut events = Vec::new();
    let mut open = on_tick(walk.closes[0]);
    for (number, close) in walk.closes.iter().enumerate() {
        let close = on_tick(*close);
        let (opened, closed) = (moment(number as i64), moment(number as i64 + 1));
        let (high, low) = (open.max(close), open.min(close));
        let bar = Bar { instrument: InstrumentId(0), opened, closed, open, high, low, close, volume: Qty::ZERO };
        events.push((closed, Event::Bar(bar)));
        open = close;
    }
    for (index, (_, values)) in walk.series.iter().enumerate() {
        for (number, value) in values {
            let point = SeriesPoint { series: SeriesId(index as u32), value: Ratio::new(*value).unwrap() };
            events.push((moment(*number), Event::Series(point)));
        }
    }
    for (hour, rate) in &walk.funding {
        let due = walk.begin + Duration::from_nanos(hour * Duration::HOUR.nanos());
        let rate = FundingRate { instrument: InstrumentId(0), rate: rate.parse().unwrap(), interval: Duration::HOUR };
        events.push((due, Event::Funding(rate)));
    }
    events.sort_by_key(|(at, event)| (*at, event.rank()));
    for (at, event) in events {
        writer.push(at, at, &event).unwrap();
    }
    writer.finish().unwrap();
    path.to_owned()
}
