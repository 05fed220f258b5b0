//! Indicators: what turns prices and series into the facts that rules read.

use crate::facts::{self, Facts};
use crate::spec::{SignalKind, UnitSource, VolatilitySource};
use pricing::{AverageTrueRange, BarBuilder, Channel, ExponentialAverage, Momentum, Ohlc, RealisedVolatility};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, Price, Ratio, Round, SeriesId, Vol, math};

/// Turns what is observed into facts. Runs on every input of its scope, before the rules; O(1).
pub trait Indicator: Send {
    /// Takes in the scope's price information, if the input had any, and sets facts.
    fn observe(&mut self, price: Option<&Ohlc>, facts: &mut Facts);
    /// Writes every field that changes.
    fn save(&self, out: &mut StateWriter);
    /// Reads what [`Self::save`] wrote.
    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt>;
}

/// Sets [`facts::SIGNAL`] and [`facts::SIGNAL_SINCE`].
#[must_use]
pub(crate) fn signal(kind: &SignalKind, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Box<dyn Indicator>> {
    Some(match *kind {
        SignalKind::Constant { strength } => Box::new(Constant { strength }),
        SignalKind::Series { ref name, max_age } => {
            Box::new(SeriesSignal { series: series(name)?, max_age, side: None })
        }
        SignalKind::Momentum { bar, lookback } => {
            Box::new(Trend { bars: BarBuilder::new(bar), momentum: Momentum::new(lookback) })
        }
        SignalKind::EmaCross { bar, fast, slow } => Box::new(EmaCross {
            bars: BarBuilder::new(bar),
            fast: ExponentialAverage::new(fast),
            slow: ExponentialAverage::new(slow),
        }),
        SignalKind::Donchian { bar, entry, exit } => {
            Box::new(Donchian { bars: BarBuilder::new(bar), entry: Channel::new(entry), exit: Channel::new(exit) })
        }
    })
}

/// Sets [`facts::UNIT`]. `series` finds the id of a series by its name.
pub(crate) fn unit(source: &UnitSource, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Box<dyn Indicator>> {
    Some(match source {
        UnitSource::AverageTrueRange { bars, bar } => {
            Box::new(RangeUnit { bars: BarBuilder::new(*bar), range: AverageTrueRange::new(*bars) })
        }
        UnitSource::ImpliedMove { series: name, max_age } => {
            Box::new(ImpliedMove { series: series(name)?, max_age: *max_age })
        }
    })
}

/// Sets [`facts::VOLATILITY`].
pub(crate) fn volatility(
    source: &VolatilitySource,
    series: &dyn Fn(&str) -> Option<SeriesId>,
) -> Option<Box<dyn Indicator>> {
    Some(match source {
        VolatilitySource::Series { name, max_age } => {
            Box::new(SeriesVolatility { series: series(name)?, max_age: *max_age })
        }
        VolatilitySource::Ewma { half_life, bar } => Box::new(EwmaVolatility {
            bars: BarBuilder::new(*bar),
            realised: RealisedVolatility::new(*half_life, *bar),
        }),
    })
}

fn issue(facts: &mut Facts, signal: f64) {
    facts.put(facts::SIGNAL, Ratio::new(signal));
    facts.set(facts::SIGNAL_SINCE, facts.now());
}

struct Constant {
    strength: Ratio,
}

impl Indicator for Constant {
    fn observe(&mut self, price: Option<&Ohlc>, facts: &mut Facts) {
        if price.is_some() && facts.get(facts::SIGNAL).is_none() {
            issue(facts, self.strength.get());
        }
    }

    fn save(&self, _out: &mut StateWriter) {}

    fn load(&mut self, _from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        Ok(())
    }
}

struct EmaCross {
    bars: BarBuilder,
    fast: ExponentialAverage,
    slow: ExponentialAverage,
}

impl Indicator for EmaCross {
    fn observe(&mut self, price: Option<&Ohlc>, facts: &mut Facts) {
        let Self { bars, fast, slow } = self;
        let Some(price) = price else { return };
        bars.push(price, |bar| {
            fast.push(bar.close);
            slow.push(bar.close);
            if let (Some(fast), Some(slow)) = (fast.value(), slow.value()) {
                let side = if fast > slow {
                    1.0
                } else if fast < slow {
                    -1.0
                } else {
                    0.0
                };
                if facts.get(facts::SIGNAL).map(Ratio::get) != Some(side) {
                    issue(facts, side);
                }
            }
        });
    }

    fn save(&self, out: &mut StateWriter) {
        self.bars.save(out);
        self.fast.save(out);
        self.slow.save(out);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.bars.load(from)?;
        self.fast.load(from)?;
        self.slow.load(from)
    }
}

/// Convictions of a recorded series. It is issued anew when its side changes, not with every value.
struct SeriesSignal {
    series: SeriesId,
    max_age: Duration,
    side: Option<i8>,
}

impl Indicator for SeriesSignal {
    /// A value that is too old is forgotten: nothing is known then, which is not the same as a flat signal.
    fn observe(&mut self, _price: Option<&Ohlc>, facts: &mut Facts) {
        let conviction = fresh(facts, self.series, self.max_age).map(|value| value.clamp(-1.0, 1.0));
        facts.put(facts::SIGNAL, conviction.and_then(Ratio::new));
        let side = conviction.map(|value| if value > 0.0 { 1 } else { -i8::from(value < 0.0) });
        if side.is_some() && side != self.side {
            self.side = side;
            facts.set(facts::SIGNAL_SINCE, facts.now());
        }
    }

    fn save(&self, out: &mut StateWriter) {
        out.option(self.side, |out, side| out.u8((side + 1) as u8));
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.side = from.option(StateReader::u8)?.map(|side| side as i8 - 1);
        Ok(())
    }
}

struct Trend {
    bars: BarBuilder,
    momentum: Momentum,
}

impl Indicator for Trend {
    fn observe(&mut self, price: Option<&Ohlc>, facts: &mut Facts) {
        let Self { bars, momentum } = self;
        let Some(price) = price else { return };
        bars.push(price, |bar| {
            momentum.push(bar.close);
            if let Some(side) = momentum.side().map(f64::from)
                && facts.get(facts::SIGNAL).map(Ratio::get) != Some(side)
            {
                issue(facts, side);
            }
        });
    }

    fn save(&self, out: &mut StateWriter) {
        self.bars.save(out);
        self.momentum.save(out);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.bars.load(from)?;
        self.momentum.load(from)
    }
}

struct Donchian {
    bars: BarBuilder,
    entry: Channel,
    exit: Channel,
}

impl Indicator for Donchian {
    /// Compares each close with the channels of the bars before it.
    fn observe(&mut self, price: Option<&Ohlc>, facts: &mut Facts) {
        let Self { bars, entry, exit } = self;
        let Some(price) = price else { return };
        bars.push(price, |bar| {
            if let Some((highest, lowest)) = entry.range() {
                let held = facts.get(facts::SIGNAL).map_or(0.0, Ratio::get);
                let (exit_high, exit_low) = exit.range().unwrap_or((highest, lowest));
                if bar.close > highest {
                    issue(facts, 1.0);
                } else if bar.close < lowest {
                    issue(facts, -1.0);
                } else if facts.get(facts::SIGNAL).is_none()
                    || (held > 0.0 && bar.close < exit_low)
                    || (held < 0.0 && bar.close > exit_high)
                {
                    issue(facts, 0.0);
                }
            }
            entry.push(bar.high, bar.low);
            exit.push(bar.high, bar.low);
        });
    }

    fn save(&self, out: &mut StateWriter) {
        self.bars.save(out);
        self.entry.save(out);
        self.exit.save(out);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.bars.load(from)?;
        self.entry.load(from)?;
        self.exit.load(from)
    }
}

struct RangeUnit {
    bars: BarBuilder,
    range: AverageTrueRange,
}

impl Indicator for RangeUnit {
    fn observe(&mut self, price: Option<&Ohlc>, facts: &mut Facts) {
        let Self { bars, range } = self;
        let Some(price) = price else { return };
        bars.push(price, |bar| {
            range.push(bar.high, bar.low, bar.close);
            facts.put(facts::UNIT, range.value());
        });
    }

    fn save(&self, out: &mut StateWriter) {
        self.bars.save(out);
        self.range.save(out);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.bars.load(from)?;
        self.range.load(from)
    }
}

/// The series' value, unless it is older than allowed.
fn fresh(facts: &Facts, series: SeriesId, max_age: Duration) -> Option<f64> {
    let fact = facts::series(series);
    let fresh = facts.age(fact.id())? <= max_age;
    fresh.then(|| facts.get(fact)).flatten().map(Ratio::get)
}

struct ImpliedMove {
    series: SeriesId,
    max_age: Duration,
}

impl Indicator for ImpliedMove {
    fn observe(&mut self, _price: Option<&Ohlc>, facts: &mut Facts) {
        let unit = fresh(facts, self.series, self.max_age).zip(facts.get(facts::PRICE)).and_then(|(vol, price)| {
            Price::from_estimate(price.approximate() * vol / math::sqrt(365.0), Round::Nearest)
        });
        facts.put(facts::UNIT, unit.filter(|unit| unit.raw() > 0));
    }

    fn save(&self, _out: &mut StateWriter) {}

    fn load(&mut self, _from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        Ok(())
    }
}

struct SeriesVolatility {
    series: SeriesId,
    max_age: Duration,
}

impl Indicator for SeriesVolatility {
    fn observe(&mut self, _price: Option<&Ohlc>, facts: &mut Facts) {
        let vol = fresh(facts, self.series, self.max_age).and_then(Vol::new);
        facts.put(facts::VOLATILITY, vol.filter(|vol| vol.get() > 0.0));
    }

    fn save(&self, _out: &mut StateWriter) {}

    fn load(&mut self, _from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        Ok(())
    }
}

struct EwmaVolatility {
    bars: BarBuilder,
    realised: RealisedVolatility,
}

impl Indicator for EwmaVolatility {
    fn observe(&mut self, price: Option<&Ohlc>, facts: &mut Facts) {
        let Self { bars, realised } = self;
        let Some(price) = price else { return };
        bars.push(price, |bar| {
            realised.push(bar.close);
            facts.put(facts::VOLATILITY, realised.value().filter(|vol| vol.get() > 0.0));
        });
    }

    fn save(&self, out: &mut StateWriter) {
        self.bars.save(out);
        self.realised.save(out);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.bars.load(from)?;
        self.realised.load(from)
    }
}
