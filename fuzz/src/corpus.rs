//! Whole inputs to begin with, made here: nothing binary is kept in the repository.

use crate::Target;
use flate2::{Compression, write::GzEncoder};
use market::{Bar, Catalogue, Event, FundingRate, Instrument, InstrumentKind, SeriesPoint};
use std::io::Write as _;
use tape::{Provenance, TapeHeader, TapeWriter};
use units::{Duration, InstrumentId, Price, Qty, Rate, Ratio, SeriesId, Timestamp};

/// Inputs that a target takes, or refuses for one reason.
#[must_use]
pub fn corpus(target: Target) -> Vec<Vec<u8>> {
    match target {
        Target::Tape => [1, 7, 300].map(tape).to_vec(),
        Target::Csv => csv(),
        Target::Policy => {
            let example = include_str!("../../examples/btc-trend.toml");
            let portfolio = include_str!("../../examples/portfolio.toml");
            let template = include_str!("../../crates/cli/templates/policy.toml");
            let small = "policy = 1\nname = \"x\"\ninstrument = \"a:BTCUSDT-PERP\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
                         [size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n";
            [example, portfolio, template, small].map(|text| text.as_bytes().to_vec()).to_vec()
        }
    }
}

fn tape(hours: i64) -> Vec<u8> {
    let made = || -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let instrument = Instrument {
            symbol: "binance:BTCUSDT-PERP".to_owned(),
            kind: InstrumentKind::LinearPerpetual,
            base: "BTC".parse()?,
            quote: "USDT".parse()?,
            settle: "USDT".parse()?,
            tick: "0.1".parse()?,
            lot: "0.001".parse()?,
            min_qty: "0.001".parse()?,
        };
        let catalogue = Catalogue { instruments: vec![instrument], series: vec!["dvol.btc".to_owned()] };
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x.tape");
        let mut writer = TapeWriter::create(&path, &TapeHeader { catalogue, provenance: Provenance::default() })?;
        let start: Timestamp = "2025-10-10T00:00:00Z".parse()?;
        for hour in 1..=hours {
            let at = start + Duration::from_nanos(hour * Duration::HOUR.nanos());
            let open = Price::from_raw((1_000_000 + hour * hour % 911) * 10_000_000);
            let (high, low) = (open + Price::from_raw(50_000_000), open - Price::from_raw(30_000_000));
            let (opened, closed, volume) = (at - Duration::HOUR, at, Qty::from_raw(hour * 7_654_321));
            let instrument = InstrumentId(0);
            writer.push(
                at,
                at,
                &Event::Bar(Bar { instrument, opened, closed, open, high, low, close: open, volume }),
            )?;
            if hour % 8 == 0 {
                let rate = Rate::from_raw(hour * 1_000_000);
                let interval = Duration::from_nanos(8 * Duration::HOUR.nanos());
                writer.push(at, at, &Event::Funding(FundingRate { instrument, rate, interval }))?;
            }
            if hour % 24 == 0 {
                let value = Ratio::new(0.4 + hour as f64 / 1e4).unwrap_or_default();
                writer.push(at, at, &Event::Series(SeriesPoint { series: SeriesId(0), value }))?;
            }
        }
        writer.finish()?;
        Ok(std::fs::read(&path)?)
    };
    made().unwrap_or_else(|error| panic!("a tape could not be made: {error}"))
}

fn csv() -> Vec<Vec<u8>> {
    let bars: String = (0..24)
        .map(|hour| {
            let open = 117_000 + 10 * hour;
            format!("2025-10-10 {hour:02}:00,{open}.1,{}.5,{}.0,{open}.3,12.5\n", open + 5, open - 5)
        })
        .collect();
    let klines: String = (0..24_i64)
        .map(|minute| {
            let open = 1_759_276_800_000 + minute * 60_000;
            format!("{open},100.1,100.9,100.0,100.5,7.25,{},720.1,12,3.5,350.2,0\n", open + 59_999)
        })
        .collect();
    let header = "date,open,high,low,close,volume\n";
    let funding = "calc_time,funding_interval_hours,last_funding_rate\n1704067200003,8,0.01\n1704096000000,8,-0.0200\n\
                   1704110400001,4,1e-3\n";
    let series = "date;dvol;other\n2025-01-01;45.5;x\n2025-01-02;;y\n2025-01-03;nan;z\n2025-01-06;47.25;\n";
    let mut inputs: Vec<Vec<u8>> = [
        (0, header.to_owned() + &bars),
        (1, header.replace("date", "close_time") + &bars),
        (0, klines.clone()),
        (252, header.to_owned() + &bars + &bars),
        (2, funding.to_owned()),
        (3, series.to_owned()),
        (3, series.replace(';', "\t")),
    ]
    .into_iter()
    .map(|(choice, text)| [vec![choice], text.into_bytes()].concat())
    .collect();
    let mut encoder = GzEncoder::new(vec![0], Compression::default());
    if encoder.write_all(klines.as_bytes()).is_ok() {
        inputs.extend(encoder.finish());
    }
    inputs
}
