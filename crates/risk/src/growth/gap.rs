//! What is left of a floor when prices jump.

use super::{CHANCE, GrowthError, POSITIVE, within};
use pricing::laws::{normal_distribution, normal_quantile};
use units::math::{exp, ln, sqrt};

/// Jumps of a price, a year: Merton's, whose logarithm is normal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jumps {
    /// How many a year.
    pub intensity: f64,
    /// Mean of the logarithm of price after over price before.
    pub mean: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

/// What jumps do to a floor within a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// The probability that the floor is broken.
    pub chance: f64,
    /// By how much it is broken on average, counting zero where it is not: a multiple of the cushion at the start.
    pub expected: f64,
    /// The same where it is broken.
    pub when_broken: f64,
}

impl Jumps {
    fn check(&self) -> Result<(), GrowthError> {
        within("the jumps a year", self.intensity, "0 or more", self.intensity >= 0.0)?;
        within("the mean of a jump", self.mean, "finite", true)?;
        within("the deviation of a jump", self.deviation, POSITIVE, self.deviation > 0.0)
    }

    /// The rate of jumps to a share of the price of exp(level) or less, and that rate times the mean of that share over them.
    fn under(&self, level: f64) -> (f64, f64) {
        let Self { intensity, mean, deviation } = *self;
        let share = exp(mean + deviation * deviation / 2.0);
        let at = (level - mean) / deviation;
        (intensity * normal_distribution(at), intensity * share * normal_distribution(at - deviation))
    }

    /// Both without a level.
    fn all(&self) -> (f64, f64) {
        (self.intensity, self.intensity * exp(self.mean + self.deviation * self.deviation / 2.0))
    }
}

/// How likely prices that jump break the floor of [`super::cppi`] within `years`, and by how much. `drift` is that of the price a year
/// between jumps, over cash; volatility matters to neither.
///
/// Traded continuously, the cushion changes by `multiplier` times what the price does, and only a jump by −1 ÷ multiplier or less takes
/// more than all of it; nothing is at risk afterwards. Cont and Tankov, "Constant Proportion Portfolio Insurance in the Presence of Jumps
/// in Asset Prices", Mathematical Finance 19 (2009), propositions 3.1 and 3.2. No bound of leverage is in it, which would make it less.
///
/// # Errors
///
/// A multiplier or years not over zero, jumps that are none.
pub fn cppi_gap(multiplier: f64, drift: f64, jumps: Jumps, years: f64) -> Result<Gap, GrowthError> {
    within("the multiplier", multiplier, POSITIVE, multiplier > 0.0)?;
    within("the drift", drift, "finite", true)?;
    within("the horizon in years", years, POSITIVE, years > 0.0)?;
    jumps.check()?;
    // No price falls by more than all of itself.
    if multiplier <= 1.0 || jumps.intensity == 0.0 {
        return Ok(Gap { chance: 0.0, expected: 0.0, when_broken: 0.0 });
    }
    let (breaking, breaking_share) = jumps.under(ln(1.0 - 1.0 / multiplier));
    let (every, every_share) = jumps.all();
    let chance = 1.0 - exp(-breaking * years);
    // Of those that break it: −(1 + m (share − 1)) of the cushion before.
    let loss = (multiplier - 1.0) * breaking - multiplier * breaking_share;
    // The cushion's mean growth while nothing breaks it, less the rate at which it is broken.
    let rate = multiplier * (drift + (every_share - breaking_share) - (every - breaking)) - breaking;
    let time = if (rate * years).abs() < 1e-9 { years } else { (exp(rate * years) - 1.0) / rate };
    let expected = loss.max(0.0) * time;
    Ok(Gap { chance, expected, when_broken: if chance > 0.0 { expected / chance } else { 0.0 } })
}

/// The largest multiplier, up to `most`, at which the floor is broken within `years` with a probability of no more than `chance`.
///
/// # Errors
///
/// A chance not between zero and one, years or `most` not over zero, jumps that are none.
pub fn multiplier_of_gap(chance: f64, jumps: Jumps, years: f64, most: f64) -> Result<f64, GrowthError> {
    within("the chance", chance, CHANCE, chance > 0.0 && chance < 1.0)?;
    within("the horizon in years", years, POSITIVE, years > 0.0)?;
    within("the largest multiplier", most, POSITIVE, most > 0.0)?;
    jumps.check()?;
    let rate = -ln(1.0 - chance) / years;
    if rate >= jumps.intensity {
        return Ok(most);
    }
    let level = jumps.mean + jumps.deviation * normal_quantile(rate / jumps.intensity);
    // Only falls break it.
    Ok(if level < 0.0 { (1.0 / (1.0 - exp(level))).min(most) } else { most })
}

/// How much a floor is broken by trading in steps alone: the probability that a step of so many years moves a price of this volatility by
/// −1 ÷ multiplier or less, of `steps` steps. A price without jumps, normal returns.
///
/// # Errors
///
/// A multiplier, volatility or step not over zero, no steps.
pub fn cppi_step_gap(multiplier: f64, volatility: f64, step: f64, steps: u32) -> Result<f64, GrowthError> {
    within("the multiplier", multiplier, POSITIVE, multiplier > 0.0)?;
    within("the volatility", volatility, POSITIVE, volatility > 0.0)?;
    within("the step in years", step, POSITIVE, step > 0.0)?;
    within("the number of steps", f64::from(steps), "1 or more", steps > 0)?;
    if multiplier <= 1.0 {
        return Ok(0.0);
    }
    let deviation = volatility * sqrt(step);
    let each = normal_distribution((ln(1.0 - 1.0 / multiplier) + deviation * deviation / 2.0) / deviation);
    Ok(1.0 - exp(f64::from(steps) * ln(1.0 - each)))
}
