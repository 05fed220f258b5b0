//! How likely a price is touched before a horizon.

use pricing::options::functions::normal_distribution;
use std::fmt;
use units::math::{exp, sqrt};

/// 1 ÷ √(2π).
const PEAK: f64 = 0.398_942_280_401_432_7;
/// A corridor narrower than this many deviations is left with a probability of 1 − 1e-95.
const NARROW: f64 = 0.15;
/// Beyond so many deviations nothing is left.
const FAR: f64 = 40.0;

/// Where the price is expected to go. Volatility does not tell it, so an answer names it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Drift {
    /// The expected price is the present one; the median falls by σ²/2 a year. What options are priced with.
    Martingale,
    /// The median price is the present one; up and down by the same factor are as likely.
    Median,
    /// The expected price grows by this rate a year, continuously.
    Rate(f64),
}

impl Drift {
    /// Of the logarithm, a year.
    fn of_logarithm(self, vol: f64) -> f64 {
        match self {
            Self::Martingale => -0.5 * vol * vol,
            Self::Median => 0.0,
            Self::Rate(rate) => rate - 0.5 * vol * vol,
        }
    }
}

/// The path of a price: geometric Brownian motion, seen continuously.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Path {
    /// The price now.
    pub price: f64,
    /// Volatility a year.
    pub vol: f64,
    /// The horizon in years of 365 days.
    pub years: f64,
    /// Where it is expected to go.
    pub drift: Drift,
}

/// A number of a path or a barrier that cannot be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TouchError {
    /// Which.
    pub what: &'static str,
    /// What it was.
    pub value: f64,
}

impl fmt::Display for TouchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value } = self;
        let range = match *what {
            "drift" => "finite",
            "volatility" | "horizon" => "finite and not under 0",
            _ => "finite and above 0",
        };
        write!(f, "the {what} is {value}; it must be {range}")
    }
}

impl std::error::Error for TouchError {}

impl Path {
    /// The probability that the price touches either barrier before the horizon; a barrier that is `None` is never touched. One that
    /// the price is at or beyond is touched now.
    ///
    /// One barrier is the reflection principle with drift; two are the series of its images. Prices that jump touch barriers that a
    /// continuous path would not, so for jumps this is too low; the drift is in the answer, so ask for more than one.
    ///
    /// ```
    /// use risk::liquidation::{Drift, Path};
    /// let path = Path { price: 60_000.0, vol: 0.6, years: 1.0 / 365.0, drift: Drift::Median };
    /// let probability = path.touches(Some(57_000.0), None)?;
    /// assert!((0.10..0.11).contains(&probability));
    /// # Ok::<(), risk::liquidation::TouchError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A price or barrier that is not above zero, a volatility or horizon under zero, anything that is not finite.
    pub fn touches(&self, below: Option<f64>, above: Option<f64>) -> Result<f64, TouchError> {
        let Self { price, vol, years, drift } = *self;
        let check = |what, value: f64, fits: bool| {
            if fits && value.is_finite() { Ok(()) } else { Err(TouchError { what, value }) }
        };
        check("price", price, price > 0.0)?;
        check("volatility", vol, vol >= 0.0)?;
        check("horizon", years, years >= 0.0)?;
        if let Drift::Rate(rate) = drift {
            check("drift", rate, true)?;
        }
        for barrier in [below, above].into_iter().flatten() {
            check("barrier", barrier, barrier > 0.0)?;
        }
        if below.is_some_and(|barrier| barrier >= price) || above.is_some_and(|barrier| barrier <= price) {
            return Ok(1.0);
        }
        let log = |barrier: f64| units::math::ln(barrier / price);
        let (low, high) = (below.map(log), above.map(log));
        let mean = drift.of_logarithm(vol) * years;
        let deviation = vol * sqrt(years);
        if deviation == 0.0 {
            let reached = low.is_some_and(|low| mean <= low) || high.is_some_and(|high| mean >= high);
            return Ok(if reached { 1.0 } else { 0.0 });
        }
        // In deviations: a standard Brownian motion with this drift over the time of one.
        let (drift, low, high) = (mean / deviation, low.map(|low| low / deviation), high.map(|high| high / deviation));
        let probability = match (low, high) {
            (None, None) => 0.0,
            (Some(low), None) => one_side(-low, -drift),
            (None, Some(high)) => one_side(high, drift),
            (Some(low), Some(high)) => either_side(low, high, drift),
        };
        Ok(probability.clamp(0.0, 1.0))
    }
}

/// The probability that a Brownian motion with a drift rises to `barrier` > 0 within the time of one:
/// N(drift − barrier) + e^(2 drift barrier) N(−drift − barrier).
fn one_side(barrier: f64, drift: f64) -> f64 {
    weighted(0.0, drift - barrier) + weighted(2.0 * drift * barrier, -drift - barrier)
}

/// The probability that it leaves (low, high), low < 0 < high: one less what the images leave inside.
fn either_side(low: f64, high: f64, drift: f64) -> f64 {
    let width = high - low;
    if width < NARROW {
        return 1.0;
    }
    if width > FAR {
        // No path of any weight sees both.
        return one_side(-low, -drift) + one_side(high, drift);
    }
    let mut inside = 0.0;
    let images = (FAR / (2.0 * width)) as i32 + 1;
    // From the middle outward on both sides, so that what is alike is added first.
    for index in 0..=images {
        for sign in if index == 0 { &[1][..] } else { &[1, -1][..] } {
            let shift = f64::from(sign * index) * 2.0 * width;
            inside += image(shift, low, high, drift) - image(2.0 * high - shift, low, high, drift);
        }
    }
    1.0 - inside
}

/// What an image at `place` has between low and high at the horizon.
fn image(place: f64, low: f64, high: f64, drift: f64) -> f64 {
    let weight = drift * place;
    let (low, high) = (low - place - drift, high - place - drift);
    if low > 0.0 {
        weighted(weight, -low) - weighted(weight, -high)
    } else if high < 0.0 {
        weighted(weight, high) - weighted(weight, low)
    } else {
        exp(weight) - weighted(weight, low) - weighted(weight, -high)
    }
}

/// e^power × N(d), where one may be too large and the other too small.
fn weighted(power: f64, d: f64) -> f64 {
    if d > -3.0 {
        return exp(power) * normal_distribution(d);
    }
    // N(−a) = n(a) × the Mills ratio, a continued fraction.
    let a = -d;
    let mut fraction = a;
    for step in (1..=60_u32).rev() {
        fraction = a + f64::from(step) / fraction;
    }
    exp(power - 0.5 * a * a) * PEAK / fraction
}
