//! A seeded market for the demo and for tests: regimes of trend and volatility, and one crash.

use crate::Error;
use market::{Bar, Catalogue, Event, FundingRate, Instrument, InstrumentKind, SeriesPoint};
use std::path::{Path, PathBuf};
use tape::{Provenance, TapeHeader, TapeWriter};
use units::{Duration, InstrumentId, Price, Qty, Rate, Ratio, Round, SeriesId, Timestamp, math};

/// The example policy on the demo's market.
pub const POLICY: &str = include_str!("../assets/demo.toml");
/// The demo's instrument.
pub const SYMBOL: &str = "demo:BTCUSDT-PERP";

/// Length of the market.
const DAYS: i64 = 60;
const BAR: Duration = Duration::from_nanos(5 * Duration::MINUTE.nanos());
/// 2025-01-01.
const START: Timestamp = Timestamp::from_nanos(1_735_689_600_000_000_000);

/// Writes the tapes of a seeded market into a folder: bars, funding, a volatility index. Another seed, another market.
pub fn market(seed: u64, folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut walk = Walk::new(seed);
    let path = |name: &str| folder.join(name);
    let (bars, funding, index) = (path("bars.tape"), path("funding.tape"), path("dvol.tape"));
    let mut bars_out = TapeWriter::create(&bars, &header(true, seed))?;
    let mut funding_out = TapeWriter::create(&funding, &header(true, seed))?;
    let mut index_out = TapeWriter::create(&index, &header(false, seed))?;
    let first = Event::Series(SeriesPoint { series: SeriesId(0), value: ratio(walk.implied()) });
    index_out.push(START, START, &first)?;
    for number in 0..DAYS * Duration::DAY.nanos() / BAR.nanos() {
        let opened = START + Duration::from_nanos(number * BAR.nanos());
        let closed = opened + BAR;
        bars_out.push(closed, closed, &Event::Bar(walk.bar(opened, closed)))?;
        if closed.floor(Duration::DAY) == closed {
            let point = SeriesPoint { series: SeriesId(0), value: ratio(walk.implied()) };
            index_out.push(closed, closed, &Event::Series(point))?;
        }
        let eight_hours = Duration::from_nanos(8 * Duration::HOUR.nanos());
        if closed.floor(eight_hours) == closed {
            let due = FundingRate { instrument: InstrumentId(0), rate: walk.funding(), interval: eight_hours };
            funding_out.push(closed, closed, &Event::Funding(due))?;
        }
    }
    bars_out.finish()?;
    funding_out.finish()?;
    index_out.finish()?;
    Ok(vec![bars, funding, index])
}

fn header(prices: bool, seed: u64) -> TapeHeader {
    let provenance = Provenance {
        source: format!("seeded market {seed}"),
        importer: "trimtab demo".to_owned(),
        ..Provenance::default()
    };
    let currency = |code: &str| code.parse().expect("a literal currency code");
    let instrument = Instrument {
        symbol: SYMBOL.to_owned(),
        kind: InstrumentKind::LinearPerpetual,
        base: currency("BTC"),
        quote: currency("USDT"),
        settle: currency("USDT"),
        tick: Price::from_raw(Price::ONE / 10),
        lot: Qty::from_raw(Qty::ONE / 1_000),
        min_qty: Qty::from_raw(Qty::ONE / 1_000),
    };
    let catalogue = if prices {
        Catalogue { instruments: vec![instrument], series: Vec::new() }
    } else {
        Catalogue { instruments: Vec::new(), series: vec!["dvol.demo".to_owned()] }
    };
    TapeHeader { catalogue, provenance }
}

fn ratio(value: f64) -> Ratio {
    // Volatilities of the walk are bounded on both sides.
    Ratio::new(value).unwrap_or_default()
}

/// A price in ticks that walks in regimes. Ten steps make a bar, so that its extremes are a path's.
struct Walk {
    seed: u64,
    price: f64,
    /// Annualised.
    vol: f64,
    drift: f64,
    steps_left: u32,
    day: f64,
}

const STEPS: u32 = 10;
/// The crash begins on this day and takes half an hour.
const CRASH_DAY: f64 = 41.3;

impl Walk {
    fn new(seed: u64) -> Self {
        Self { seed: seed ^ 0x9E37_79B9_7F4A_7C15, price: 60_000.0, vol: 0.45, drift: 0.0, steps_left: 0, day: 0.0 }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014), as a number in [0, 1).
    fn uniform(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Nearly normal: the sum of twelve uniforms less six.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn step(&mut self) {
        if self.steps_left == 0 {
            // A regime lasts one to five days; its drift is up to 1.5 daily moves a day, its volatility 25 to 80 %.
            let days = 1.0 + 4.0 * self.uniform();
            self.steps_left = (days * 288.0 * f64::from(STEPS)) as u32;
            self.drift = 3.0 * (self.uniform() - 0.45);
            self.vol = 0.25 + 0.55 * self.uniform() * self.uniform();
        }
        self.steps_left -= 1;
        let a_day = 288.0 * f64::from(STEPS);
        let mut daily = self.vol / math::sqrt(365.0);
        let mut drift = self.drift * daily;
        if (CRASH_DAY..CRASH_DAY + 1.0 / 48.0).contains(&self.day) {
            (daily, drift) = (daily * 6.0, -0.14 * 48.0);
        }
        self.price *= math::exp(drift / a_day + daily / math::sqrt(a_day) * self.normal());
        self.day += 1.0 / a_day;
    }

    fn tick(&self) -> Price {
        let ticks = (self.price * 10.0).round().max(10.0);
        Price::from_estimate(ticks / 10.0, Round::Nearest).unwrap_or(Price::from_raw(Price::ONE))
    }

    fn bar(&mut self, opened: Timestamp, closed: Timestamp) -> Bar {
        let tick = Price::from_raw(Price::ONE / 10);
        let open = self.tick().to_tick(tick, Round::Nearest);
        let (mut high, mut low, mut close) = (open, open, open);
        for _ in 0..STEPS {
            self.step();
            close = self.tick().to_tick(tick, Round::Nearest);
            (high, low) = (high.max(close), low.min(close));
        }
        let volume = Qty::from_estimate(20.0 + 200.0 * self.uniform(), Round::TowardZero).unwrap_or_default();
        Bar { instrument: InstrumentId(0), opened, closed, open, high, low, close, volume }
    }

    /// What options would imply: the regime's volatility and a premium.
    fn implied(&self) -> f64 {
        self.vol * 1.1
    }

    fn funding(&mut self) -> Rate {
        let basis_points = 0.5 + self.drift * 0.4 + 0.3 * self.normal();
        Rate::from_estimate((basis_points * 100.0).round() / 1_000_000.0, Round::Nearest).unwrap_or_default()
    }
}
