//! Variance from option prices alone, without a model: a sum over the strikes of one expiry, and two expiries mixed to a horizon.
//!
//! With K₀ the highest strike not above the forward F, and Q the price out of the money (at K₀ the mean of call and put),
//!
//!   σ²T = 2 e^{rT} Σ ΔK/K² Q(K) − (F/K₀ − 1)²,
//!
//! the sum that the volatility indices of exchanges publish. What lies beyond the last quoted strike is left out: the sum is a
//! floor, and [`Strip`] says how far the strikes reach.

use std::fmt;
use units::math::{exp, sqrt};

/// What one strike's call and put cost, in the currency of the strike; `None` where there is no price with a bid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StripQuote {
    /// Strike.
    pub strike: f64,
    /// Middle of the call's bid and ask.
    pub call: Option<f64>,
    /// Middle of the put's bid and ask.
    pub put: Option<f64>,
}

/// The model-free variance of one expiry, with what it was made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strip {
    /// σ²T.
    pub total_variance: f64,
    /// Years to expiry.
    pub years: f64,
    /// Forward by put–call parity at the strike where call and put are closest.
    pub forward: f64,
    /// That strike.
    pub parity_strike: f64,
    /// K₀, the highest strike not above the forward.
    pub base_strike: f64,
    /// Σ ΔK/K² Q(K), without e^{rT}.
    pub contribution: f64,
    /// Strikes in the sum.
    pub strikes: usize,
    /// The lowest of them.
    pub lowest: f64,
    /// The highest of them.
    pub highest: f64,
}

impl Strip {
    /// Sums the strikes of one expiry. `rate` is continuous, a year.
    ///
    /// Strikes come in any order; of a strike given twice the last counts. Away from K₀ the sum ends after two strikes in a row
    /// without a price out of the money, as the published indices end it.
    ///
    /// # Errors
    ///
    /// A number that is none, no strike with both prices, or too few strikes.
    pub fn new(quotes: &[StripQuote], years: f64, rate: f64) -> Result<Self, NoStrip> {
        let bad = |value: &f64| !(value.is_finite() && *value > 0.0);
        if bad(&years) || !rate.is_finite() {
            return Err(NoStrip::BadNumber);
        }
        let rows = ordered(quotes)?;
        let growth = exp(rate * years);
        let both = rows.iter().filter_map(|row| Some((row.strike, row.call? - row.put?)));
        let nearest = both.reduce(|best, row| if row.1.abs() < best.1.abs() { row } else { best });
        let (parity_strike, difference) = nearest.ok_or(NoStrip::NoPair)?;
        let forward = parity_strike + growth * difference;
        let base = rows.iter().rposition(|row| row.strike <= forward).ok_or(NoStrip::ForwardOutside { forward })?;
        let base_strike = rows[base].strike;

        let mut sum: Vec<(f64, f64)> = Vec::with_capacity(rows.len());
        let puts = rows[..base].iter().rev().map(|row| (row.strike, row.put));
        sum.extend(until_two_missing(puts));
        sum.reverse();
        let at_base = match (rows[base].call, rows[base].put) {
            (Some(call), Some(put)) => (call + put) * 0.5,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return Err(NoStrip::NoBasePrice { strike: base_strike }),
        };
        sum.push((base_strike, at_base));
        let calls = rows[base + 1..].iter().map(|row| (row.strike, row.call));
        sum.extend(until_two_missing(calls));
        if sum.len() < 3 {
            return Err(NoStrip::TooFew { found: sum.len() });
        }

        let last = sum.len() - 1;
        let width = |index: usize| match index {
            0 => sum[1].0 - sum[0].0,
            index if index == last => sum[last].0 - sum[last - 1].0,
            index => (sum[index + 1].0 - sum[index - 1].0) * 0.5,
        };
        let contribution = sum
            .iter()
            .enumerate()
            .map(|(index, (strike, price))| width(index) / (strike * strike) * price)
            .sum::<f64>();
        let away = forward / base_strike - 1.0;
        Ok(Self {
            total_variance: 2.0 * growth * contribution - away * away,
            years,
            forward,
            parity_strike,
            base_strike,
            contribution,
            strikes: sum.len(),
            lowest: sum[0].0,
            highest: sum[last].0,
        })
    }

    /// √(σ²): the volatility a year. `None` where the sum is not positive.
    #[must_use]
    pub fn vol(&self) -> Option<f64> {
        (self.total_variance > 0.0).then(|| sqrt(self.total_variance / self.years))
    }
}

/// The volatility over `years`, from two expiries: total variance is linear in time between them, and beyond them along the same line.
/// `None` if both are at one time, or the line gives no variance there.
///
/// A published index is 100 times this.
#[must_use]
pub fn strip_vol_at(near: &Strip, next: &Strip, years: f64) -> Option<f64> {
    let apart = next.years - near.years;
    let share = (years - near.years) / apart;
    let variance = near.total_variance * (1.0 - share) + next.total_variance * share;
    let vol = sqrt(variance / years);
    (apart > 0.0 && years > 0.0 && vol.is_finite()).then_some(vol)
}

/// Why the prices of one expiry give no model-free variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoStrip {
    /// Time, rate, a strike or a price is not a finite number, or time, a strike or a price is not positive.
    BadNumber,
    /// No strike has a call and a put, so that parity gives no forward.
    NoPair,
    /// The forward lies under all strikes.
    ForwardOutside {
        /// The forward.
        forward: f64,
    },
    /// The strike below the forward has no price.
    NoBasePrice {
        /// That strike.
        strike: f64,
    },
    /// Fewer than three strikes.
    TooFew {
        /// How many there are.
        found: usize,
    },
}

impl fmt::Display for NoStrip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadNumber => {
                write!(f, "time, strikes and prices must be positive finite numbers, and the rate finite")
            }
            Self::NoPair => write!(f, "no strike has prices of both call and put; parity needs one that has"),
            Self::ForwardOutside { forward } => write!(f, "the forward by parity is {forward}, under all strikes"),
            Self::NoBasePrice { strike } => {
                write!(f, "neither call nor put has a price at {strike}, the strike below the forward")
            }
            Self::TooFew { found } => write!(f, "{found} strikes with prices out of the money; at least 3 are needed"),
        }
    }
}

impl std::error::Error for NoStrip {}

/// By strike, each once.
fn ordered(quotes: &[StripQuote]) -> Result<Vec<StripQuote>, NoStrip> {
    let good = |value: f64| value.is_finite() && value > 0.0;
    let fine = |row: &StripQuote| good(row.strike) && row.call.is_none_or(good) && row.put.is_none_or(good);
    if !quotes.iter().all(fine) {
        return Err(NoStrip::BadNumber);
    }
    let mut rows = quotes.to_vec();
    // Stable, so that of equal strikes the last one given is last.
    rows.sort_by(|a, b| a.strike.total_cmp(&b.strike));
    rows.dedup_by(|later, kept| {
        let same = later.strike == kept.strike;
        if same {
            *kept = *later;
        }
        same
    });
    Ok(rows)
}

/// The prices, up to the first two strikes in a row without one.
fn until_two_missing(rows: impl Iterator<Item = (f64, Option<f64>)>) -> impl Iterator<Item = (f64, f64)> {
    let mut missing = 0;
    rows.take_while(move |(_, price)| {
        missing = if price.is_some() { 0 } else { missing + 1 };
        missing < 2
    })
    .filter_map(|(strike, price)| Some((strike, price?)))
}
