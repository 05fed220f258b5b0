//! Random markets on the price grid: regimes of trend and volatility, gaps, crash bars, funding, a volatility index.

#![allow(clippy::unwrap_used, reason = "a helper may fail its test")]
#![allow(unreachable_pub, reason = "a module of tests")]

use super::common::{Setup, Tick};
use market::*;
use policy::spec::{Policy, SignalKind, SizeKind, UnitSource, VolatilitySource};
use policy::testing::{INSTRUMENT, SERIES};
use units::{Duration, InstrumentId, Price, Qty, Rate, Ratio, SeriesId, Timestamp, math};

/// Length of the bars.
pub const BAR: Duration = Duration::HOUR;
/// The smallest price step, raw.
pub const TICK: i64 = Price::ONE / 10;
const START: Timestamp = Timestamp::from_nanos(1_735_689_600_000_000_000);

/// When a market's bar of this number opens.
#[allow(dead_code, reason = "used by the tests of portfolios")]
pub fn opening(number: i64) -> Timestamp {
    START + Duration::from_nanos(number * BAR.nanos())
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// In [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    pub fn chance(&mut self, share: f64) -> bool {
        self.uniform() < share
    }

    /// Nearly normal.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// The instrument of random policies. Its smallest order is one lot or ten.
pub fn catalogue(min_lots: i64) -> Catalogue {
    let lot = Qty::ONE / 1_000;
    let instrument = Instrument {
        symbol: INSTRUMENT.to_owned(),
        kind: InstrumentKind::LinearPerpetual,
        base: "BTC".parse().unwrap(),
        quote: "USDT".parse().unwrap(),
        settle: "USDT".parse().unwrap(),
        tick: Price::from_raw(TICK),
        lot: Qty::from_raw(lot),
        min_qty: Qty::from_raw(lot * min_lots),
    };
    Catalogue { instruments: vec![instrument], series: vec![SERIES.to_owned()] }
}

fn short(bar: Duration) -> Duration {
    let bars = match bar.nanos() / Duration::MINUTE.nanos() {
        0..=5 => 1,
        6..=60 => 2,
        _ => 4,
    };
    Duration::from_nanos(bars * BAR.nanos())
}

fn shorten_source(source: &mut VolatilitySource) {
    match source {
        VolatilitySource::Series { .. } => {}
        VolatilitySource::Ewma { half_life, bar }
        | VolatilitySource::Parkinson { half_life, bar }
        | VolatilitySource::GarmanKlass { half_life, bar } => {
            *bar = short(*bar);
            *half_life = Duration::from_nanos(bar.nanos() * (1 + half_life.nanos() / Duration::DAY.nanos() / 3));
        }
        VolatilitySource::Blend { first, second, .. } => {
            [first, second].into_iter().for_each(|part| shorten_source(part))
        }
    }
}

/// Brings a policy's look-backs to the length of these markets: bars of one to four hours, windows of a few of them.
pub fn shortened(mut policy: Policy) -> Policy {
    match &mut policy.signal.kind {
        SignalKind::Constant { .. } | SignalKind::Series { .. } => {}
        SignalKind::Momentum { bar, lookback } => (*bar, *lookback) = (short(*bar), *lookback / 4 + 1),
        SignalKind::EmaCross { bar, fast, slow } => {
            let more = (*slow - *fast) / 5 + 1;
            (*bar, *fast) = (short(*bar), *fast / 5 + 1);
            *slow = *fast + more;
        }
        SignalKind::Donchian { bar, entry, exit } => {
            (*bar, *entry, *exit) = (short(*bar), *entry / 4 + 1, *exit / 4 + 1);
        }
    }
    if let Some(UnitSource::AverageTrueRange { bars, bar }) = &mut policy.unit {
        (*bars, *bar) = (*bars / 5 + 1, short(*bar));
    }
    if let SizeKind::VolatilityTarget { sources, .. } = &mut policy.size.kind {
        sources.iter_mut().for_each(shorten_source);
    }
    if let Some(cap) = &mut policy.caps.participation {
        let longer = BAR.nanos() / cap.window.nanos().min(BAR.nanos());
        let scaled = |time: &mut Duration| *time = Duration::from_nanos(time.nanos() * longer);
        scaled(&mut cap.window);
        if let Some(exit) = &mut cap.exit {
            [&mut exit.limit, &mut exit.restore, &mut exit.usual].into_iter().for_each(scaled);
        }
    }
    policy
}

/// A market of a seed. A shorter one is the beginning of a longer one. The index turns negative where it is the signal.
pub fn market(seed: u64, bars: usize, signed: bool) -> Vec<Tick> {
    let mut random = Random(seed);
    let has_marks = random.chance(0.2);
    let mut price = [600_000.0, 30_000.0, 900.0][random.below(3) as usize];
    let (mut left, mut drift, mut vol, mut silent) = (0, 0.0, 0.0, 0_u64);
    let mut ticks = Vec::with_capacity(bars + bars / 10);
    for number in 0..bars as i64 {
        if left == 0 {
            left = 5 + random.below(50);
            vol = 0.001 + 0.03 * random.uniform() * random.uniform();
            drift = vol * (random.uniform() * 1.6 - 0.8);
        }
        left -= 1;
        let opened = START + Duration::from_nanos(number * BAR.nanos());
        let closed = opened + BAR;
        if number % 24 == 0 {
            silent = if silent == 0 && random.chance(0.1) { 2 + random.below(8) } else { silent.saturating_sub(1) };
        }
        let sign = if random.chance(0.4) && signed { -1.0 } else { 1.0 };
        let value = sign * (10.0 + 1_500.0 * vol * random.uniform()).round() / 100.0;
        let index = Event::Series(SeriesPoint { series: SeriesId(0), value: Ratio::new(value).unwrap() });
        let (has_index, between) = (number % 24 == 0 && silent == 0, random.chance(0.5));
        if has_index && between {
            ticks.push(Tick { at: opened + Duration::from_nanos(BAR.nanos() / 2), events: vec![index] });
        }
        let bar = next_bar(&mut random, &mut price, drift, vol, opened);
        let mut events = vec![Event::Bar(bar)];
        if number % 8 == 7 {
            let rate = Rate::from_raw((random.below(2_001) as i64 - 900) * (Rate::ONE / 1_000_000));
            let interval = Duration::from_nanos(8 * BAR.nanos());
            events.push(Event::Funding(FundingRate { instrument: InstrumentId(0), rate, interval }));
        }
        if has_marks {
            let off = (random.uniform() * 0.004 - 0.002) * bar.close.approximate();
            let mark = bar.close.raw() + (off * 10.0).round() as i64 * TICK;
            events.push(Event::Mark(Mark { instrument: InstrumentId(0), price: Price::from_raw(mark.max(TICK)) }));
        }
        if has_index && !between {
            events.push(index);
        }
        ticks.push(Tick { at: closed, events });
    }
    ticks
}

/// The next bar; `price` is in ticks.
fn next_bar(random: &mut Random, price: &mut f64, drift: f64, vol: f64, opened: Timestamp) -> Bar {
    let on_grid = |ticks: f64| Price::from_raw((ticks.round().max(20.0)) as i64 * TICK);
    if random.chance(0.05) {
        *price *= math::exp(0.03 * random.normal());
    }
    let open = on_grid(*price);
    let crash = random.chance(0.008);
    let step = if crash { -0.1 - 0.25 * random.uniform() } else { drift + vol * random.normal() };
    *price = (*price * math::exp(step)).max(20.0);
    let close = on_grid(*price);
    let mut wick = |from: Price, sign: f64| {
        let reach = vol * random.normal().abs() * if crash { 3.0 } else { 0.7 };
        on_grid(from.approximate() * 10.0 * math::exp(sign * reach))
    };
    let high = wick(open.max(close), 1.0).max(open).max(close);
    let low = wick(open.min(close), -1.0).min(open).min(close);
    let (instrument, volume) = (InstrumentId(0), Qty::from_raw(Qty::ONE * (1 + close.raw() / TICK % 89)));
    Bar { instrument, opened, closed: opened + BAR, open, high, low, close, volume }
}

/// A policy on a market of these terms.
pub fn setup(policy: Policy, seed: u64) -> Setup {
    Setup { policy: shortened(policy), catalogue: catalogue(if seed.is_multiple_of(4) { 10 } else { 1 }) }
}
