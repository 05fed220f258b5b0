//! How large the full position is.

use super::Setting;
use crate::expression::Expression;
use units::{Cash, Duration, Ratio, Vol};

/// How large the full position is.
#[derive(Debug, Clone, PartialEq)]
pub struct Size {
    /// The method.
    pub kind: SizeKind,
    /// Whether the base is frozen at entry or follows volatility and equity.
    pub resize: Resize,
}

/// The sizing method.
#[derive(Debug, Clone, PartialEq)]
pub enum SizeKind {
    /// A fixed value of the position, in the quote currency.
    FixedNotional {
        /// At full conviction.
        notional: Cash,
    },
    /// A fixed multiple of equity.
    FixedFraction {
        /// × equity.
        fraction: Setting<Ratio>,
    },
    /// The first unit loses this share of equity at its initial stop.
    RiskPerTrade {
        /// Share of equity.
        risk: Setting<Ratio>,
    },
    /// Size = target ÷ volatility × equity.
    VolatilityTarget {
        /// Annualised target.
        target: Setting<Vol>,
        /// Where volatility comes from: the first source, or the first of its fallbacks that is known. A fallback only
        /// ever shrinks the size. A realised one behind an implied one counts times the last ratio of implied to it.
        sources: Vec<VolatilitySource>,
        /// How old that ratio may be.
        ratio_max_age: Duration,
        /// Volatility is never taken lower than this.
        volatility_floor: Option<Vol>,
        /// Never more than this × equity.
        exposure_cap: Option<Setting<Ratio>>,
    },
    /// So much of a structure that a Greek of all that is counted together is brought to a level, once it is further from it than a band.
    GreekTarget {
        /// Which.
        greek: TargetGreek,
        /// Where it is to be: gamma in coins for a dollar, vega in dollars for 0.01 of volatility.
        level: Ratio,
        /// How far from there it may be, in the same unit; over zero.
        band: Ratio,
        /// The policies that are counted with the structure, by name; empty: all of the run.
        strategies: Vec<String>,
    },
}

/// A Greek that only options have, and that a structure can bring to a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetGreek {
    /// Change of delta for one dollar, in coins.
    Gamma,
    /// Dollars for 0.01 of volatility.
    Vega,
}

impl SizeKind {
    /// Its numbers that are reckoned at every decision.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static str, &Expression)> {
        let all = match self {
            Self::FixedNotional { .. } => [None, None],
            Self::FixedFraction { fraction } => [Some(("fraction", fraction.expression())), None],
            Self::RiskPerTrade { risk } => [Some(("risk", risk.expression())), None],
            Self::VolatilityTarget { target, exposure_cap, .. } => [
                Some(("target", target.expression())),
                exposure_cap.as_ref().map(|cap| ("exposure_cap", cap.expression())),
            ],
            Self::GreekTarget { .. } => [None, None],
        };
        all.into_iter().flatten().filter_map(|(key, by)| Some((key, by?)))
    }

    pub(crate) fn series(&self) -> Vec<&str> {
        match self {
            Self::VolatilityTarget { sources, .. } => sources.iter().flat_map(VolatilitySource::series).collect(),
            _ => Vec::new(),
        }
    }
}

/// Where volatility comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum VolatilitySource {
    /// A recorded series such as a volatility index: `series(dvol.btc)`.
    Series {
        /// Its name.
        name: String,
        /// Older values are not used.
        max_age: Duration,
    },
    /// Realised volatility of returns over bars, exponentially weighted: `ewma(10d, 1h)`.
    Ewma {
        /// Half-life of the weights.
        half_life: Duration,
        /// Bars of this length, UTC-aligned.
        bar: Duration,
    },
    /// From the high and the low of bars, exponentially weighted: `parkinson(10d, 1h)`.
    Parkinson {
        /// Half-life of the weights.
        half_life: Duration,
        /// Bars of this length, UTC-aligned.
        bar: Duration,
    },
    /// From open, high, low and close of bars, exponentially weighted: `garman_klass(10d, 1h)`.
    GarmanKlass {
        /// Half-life of the weights.
        half_life: Duration,
        /// Bars of this length, UTC-aligned.
        bar: Duration,
    },
    /// The weighted mean of two volatilities: `blend(series(dvol.btc), ewma(10d, 1h), 70%)`. Known while both are.
    Blend {
        /// The first.
        first: Box<VolatilitySource>,
        /// The second.
        second: Box<VolatilitySource>,
        /// Of the first; the second has the rest.
        weight: Ratio,
    },
}

impl VolatilitySource {
    /// Whether it is an estimate from prices alone.
    fn is_realised(&self) -> bool {
        match self {
            Self::Series { .. } => false,
            Self::Ewma { .. } | Self::Parkinson { .. } | Self::GarmanKlass { .. } => true,
            Self::Blend { first, second, .. } => first.is_realised() && second.is_realised(),
        }
    }

    /// Of each source of a chain whether it counts times the last ratio of implied to realised volatility: those from prices behind
    /// one that is told.
    pub(crate) fn scaled(chain: &[Self]) -> Vec<bool> {
        let implied = chain.iter().position(|source| matches!(source, Self::Series { .. })).unwrap_or(chain.len());
        chain.iter().enumerate().map(|(at, source)| at > implied && source.is_realised()).collect()
    }

    /// The recorded series that it reads, and how old each may be.
    pub(crate) fn max_ages(&self) -> Vec<(&str, Duration)> {
        match self {
            Self::Series { name, max_age } => vec![(name, *max_age)],
            Self::Blend { first, second, .. } => [first.max_ages(), second.max_ages()].concat(),
            Self::Ewma { .. } | Self::Parkinson { .. } | Self::GarmanKlass { .. } => Vec::new(),
        }
    }

    fn series(&self) -> Vec<&str> {
        match self {
            Self::Series { name, .. } => vec![name],
            Self::Blend { first, second, .. } => [first.series(), second.series()].concat(),
            Self::Ewma { .. } | Self::Parkinson { .. } | Self::GarmanKlass { .. } => Vec::new(),
        }
    }
}

/// Whether the base is frozen at entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// Frozen at entry.
    Entry,
    /// Follows volatility and equity; never undoes a used rung.
    Continuous,
}
