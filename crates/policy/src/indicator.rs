//! Indicators: what turns prices and series into the facts that rules read.

use crate::expression::fresh;
use crate::facts::{self, Facts, VolatilityOrigin};
use crate::spec::{MAX_AGE, SignalKind, UnitSource, VolatilitySource};
use pricing::{
    AverageTrueRange, BarBuilder, Channel, ExponentialAverage, Momentum, Ohlc, RangeEstimator, RangeVolatility,
    RealisedVolatility,
};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, Price, Ratio, Round, SeriesId, Timestamp, Vol, math};

/// Turns what is observed into facts. Runs on every input of its scope, before the rules; O(1).
pub trait Indicator: Send {
    /// Takes in the scope's price information, if the input had any, and sets facts.
    fn observe(&mut self, price: Option<&Ohlc>, facts: &mut Facts);
    /// Whether prices, as long as no more than prices are told, change nothing that it remembers and nothing that it tells, but for what
    /// [`Facts`] works out of the last one when it is looked at: then it is not shown them, inside a quiet region.
    fn idles(&self, _facts: &mut Facts) -> bool {
        false
    }
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
        UnitSource::OfPrice { share } => Box::new(PriceUnit { share: *share }),
        UnitSource::ImpliedMove { series: name, max_age } => {
            Box::new(ImpliedMove { series: series(name)?, max_age: *max_age })
        }
    })
}

/// Sets [`facts::VOLATILITY`] and where it comes from.
pub(crate) fn volatility(
    sources: &[VolatilitySource],
    ratio_max_age: Duration,
    series: &dyn Fn(&str) -> Option<SeriesId>,
) -> Option<Box<dyn Indicator>> {
    let scaled = VolatilitySource::scaled(sources);
    let first_scaled = scaled.iter().position(|scaled| *scaled).unwrap_or(sources.len());
    let link =
        |(source, is_scaled): (_, bool)| Some(Link { source: Source::new(source, series)?, is_scaled, ratio: None });
    let links = sources.iter().zip(scaled).map(link).collect::<Option<_>>()?;
    Some(Box::new(VolatilityChain { links, first_scaled, ratio_max_age, primary: None }))
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

    fn idles(&self, facts: &mut Facts) -> bool {
        facts.get(facts::SIGNAL).is_some()
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

/// A share of the last price.
struct PriceUnit {
    share: Ratio,
}

impl Indicator for PriceUnit {
    fn observe(&mut self, price: Option<&Ohlc>, facts: &mut Facts) {
        let Some(price) = price else { return };
        facts.put(facts::UNIT, facts::share_of(price.close, self.share));
    }

    fn idles(&self, facts: &mut Facts) -> bool {
        facts.defer_unit(self.share)
    }

    fn save(&self, _out: &mut StateWriter) {}

    fn load(&mut self, _from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        Ok(())
    }
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

/// The first source that is known. A fallback is never taken lower than what the first source last said, so that it can
/// only shrink a size; before the first source has said anything, nothing is known.
struct VolatilityChain {
    links: Vec<Link>,
    /// The first that counts times a ratio; the number of links where none does.
    first_scaled: usize,
    ratio_max_age: Duration,
    /// What the first source last said, and when that was last news.
    primary: Option<(f64, Timestamp)>,
}

/// One source in its chain.
struct Link {
    source: Source,
    /// Whether it is a realised volatility behind an implied one: it counts times the last ratio of that to it.
    is_scaled: bool,
    /// That ratio, and when the implied volatility in it was news.
    ratio: Option<(f64, Timestamp)>,
}

/// What a chain goes by.
struct Used {
    source: usize,
    vol: f64,
    since: Timestamp,
    ratio: Option<f64>,
}

impl VolatilityChain {
    /// The first source that is known now.
    fn known(&self, facts: &Facts) -> Option<Used> {
        let age = |since| facts.now().since(since);
        self.links.iter().enumerate().find_map(|(at, link)| {
            let (vol, since) = link.source.value(facts)?;
            if !link.is_scaled {
                return Some(Used { source: at, vol, since, ratio: None });
            }
            let (ratio, told) = link.ratio.filter(|(_, told)| age(*told) <= self.ratio_max_age)?;
            // What says how old the answer is, is the implied volatility in it.
            let is_fresh = age(since) <= link.source.max_age();
            is_fresh.then_some(Used { source: at, vol: vol * ratio, since: told, ratio: Some(ratio) })
        })
    }

    /// When an implied volatility that counts is news, how it stands to each realised one that may have to take its place: not later, when
    /// prices have moved and it has not.
    fn compare(&mut self, implied: &Used, facts: &Facts) {
        if !matches!(self.links[implied.source].source, Source::Series { .. }) {
            return;
        }
        let from = self.first_scaled.max(implied.source + 1);
        let is_older = |link: &&mut Link| link.ratio.is_none_or(|(_, told)| told != implied.since);
        for link in self.links.iter_mut().skip(from).filter(|link| link.is_scaled).filter(is_older) {
            if let Some((realised, _)) = link.source.value(facts) {
                link.ratio = Some((implied.vol / realised, implied.since));
            }
        }
    }
}

impl Indicator for VolatilityChain {
    fn observe(&mut self, price: Option<&Ohlc>, facts: &mut Facts) {
        if let Some(price) = price {
            for link in &mut self.links {
                link.source.push(price);
            }
        }
        let known = self.known(facts);
        if let Some(implied) = &known {
            self.compare(implied, facts);
        }
        let used = match known {
            Some(used) if used.source == 0 => {
                self.primary = Some((used.vol, used.since));
                Some(used)
            }
            // Where the first source's last word is the larger one it counts, and is what a plan names.
            Some(used) => self.primary.map(|(vol, since)| match used.vol < vol {
                true => Used { source: 0, vol, since, ratio: None },
                false => used,
            }),
            None => None,
        };
        facts.put(facts::VOLATILITY, used.as_ref().and_then(|used| Vol::new(used.vol)));
        if self.links.len() > 1 {
            let origin =
                |used: &Used| VolatilityOrigin { source: used.source as u32, ratio: used.ratio.and_then(Ratio::new) };
            facts.put(facts::VOLATILITY_SOURCE, used.as_ref().map(origin));
            facts.put(facts::VOLATILITY_SINCE, used.as_ref().map(|used| used.since));
        }
    }

    fn save(&self, out: &mut StateWriter) {
        let known = |out: &mut StateWriter, (number, since): (f64, Timestamp)| {
            out.f64(number);
            out.i64(since.nanos());
        };
        for link in &self.links {
            link.source.save(out);
            if link.is_scaled {
                out.option(link.ratio, known);
            }
        }
        out.option(self.primary, known);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let known = |from: &mut StateReader<'_>| Ok((from.f64()?, Timestamp::from_nanos(from.i64()?)));
        for link in &mut self.links {
            link.source.load(from)?;
            if link.is_scaled {
                link.ratio = from.option(known)?;
            }
        }
        self.primary = from.option(known)?;
        Ok(())
    }
}

/// One source of volatility.
enum Source {
    Series { series: SeriesId, max_age: Duration },
    Bars { bars: BarBuilder, bar: Duration, estimate: Estimate, known: Option<(f64, Timestamp)> },
    Blend { first: Box<Source>, second: Box<Source>, weight: f64 },
}

enum Estimate {
    Closes(RealisedVolatility),
    Ranges(RangeVolatility),
}

impl Source {
    fn new(source: &VolatilitySource, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Self> {
        let bars =
            |bar: &Duration, estimate| Self::Bars { bars: BarBuilder::new(*bar), bar: *bar, estimate, known: None };
        let ranges = |estimator, half_life: &Duration, bar: &Duration| {
            bars(bar, Estimate::Ranges(RangeVolatility::new(estimator, *half_life, *bar)))
        };
        Some(match source {
            VolatilitySource::Series { name, max_age } => Self::Series { series: series(name)?, max_age: *max_age },
            VolatilitySource::Ewma { half_life, bar } => {
                bars(bar, Estimate::Closes(RealisedVolatility::new(*half_life, *bar)))
            }
            VolatilitySource::Parkinson { half_life, bar } => ranges(RangeEstimator::Parkinson, half_life, bar),
            VolatilitySource::GarmanKlass { half_life, bar } => ranges(RangeEstimator::GarmanKlass, half_life, bar),
            VolatilitySource::Blend { first, second, weight } => Self::Blend {
                first: Box::new(Self::new(first, series)?),
                second: Box::new(Self::new(second, series)?),
                weight: weight.get(),
            },
        })
    }

    fn push(&mut self, price: &Ohlc) {
        match self {
            Self::Series { .. } => {}
            Self::Bars { bars, estimate, known, .. } => bars.push(price, |bar| {
                let vol = match estimate {
                    Estimate::Closes(realised) => {
                        realised.push(bar.close);
                        realised.value()
                    }
                    Estimate::Ranges(ranges) => {
                        ranges.push(&bar);
                        ranges.value()
                    }
                };
                *known = vol.map(|vol| (vol.get(), bar.closed));
            }),
            Self::Blend { first, second, .. } => {
                first.push(price);
                second.push(price);
            }
        }
    }

    /// How old what it says may be where it stands in for another: of bars three days, or three of them where that is longer.
    fn max_age(&self) -> Duration {
        match self {
            Self::Series { max_age, .. } => *max_age,
            Self::Bars { bar, .. } => MAX_AGE.max(Duration::from_nanos(bar.nanos().saturating_mul(3))),
            Self::Blend { first, second, .. } => first.max_age().min(second.max_age()),
        }
    }

    /// The volatility, over zero, and when its source was last news.
    fn value(&self, facts: &Facts) -> Option<(f64, Timestamp)> {
        let (vol, since) = match self {
            Self::Series { series, max_age } => {
                let vol = fresh(facts, *series, *max_age)?;
                (vol, facts.now() - facts.age(facts::series(*series).id())?)
            }
            Self::Bars { known, .. } => (*known)?,
            Self::Blend { first, second, weight } => {
                let ((first, then), (second, since)) = (first.value(facts)?, second.value(facts)?);
                (weight * first + (1.0 - weight) * second, then.min(since))
            }
        };
        (vol > 0.0).then_some((vol, since))
    }

    fn save(&self, out: &mut StateWriter) {
        match self {
            Self::Series { .. } => {}
            Self::Bars { bars, estimate, known, .. } => {
                bars.save(out);
                match estimate {
                    Estimate::Closes(realised) => realised.save(out),
                    Estimate::Ranges(ranges) => ranges.save(out),
                }
                out.option(*known, |out, (vol, since)| {
                    out.f64(vol);
                    out.i64(since.nanos());
                });
            }
            Self::Blend { first, second, .. } => {
                first.save(out);
                second.save(out);
            }
        }
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        match self {
            Self::Series { .. } => Ok(()),
            Self::Bars { bars, estimate, known, .. } => {
                bars.load(from)?;
                match estimate {
                    Estimate::Closes(realised) => realised.load(from)?,
                    Estimate::Ranges(ranges) => ranges.load(from)?,
                }
                *known = from.option(|from| Ok((from.f64()?, Timestamp::from_nanos(from.i64()?))))?;
                Ok(())
            }
            Self::Blend { first, second, .. } => {
                first.load(from)?;
                second.load(from)
            }
        }
    }
}
