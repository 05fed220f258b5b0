//! How much to put at risk so that capital grows, and how likely it is to be ruined.
//!
//! Closed forms for a gambler, for Brownian motion and for normal and empirical returns. Kelly, "A New Interpretation of Information
//! Rate", Bell System Technical Journal 35 (1956); Feller, "An Introduction to Probability Theory", vol. 1, ch. XIV; Grossman and Zhou,
//! "Optimal Investment Strategies for Controlling Drawdowns", Mathematical Finance 3 (1993); Black and Perold, "Theory of Constant
//! Proportion Portfolio Insurance", Journal of Economic Dynamics and Control 16 (1992).

mod bootstrap;
mod gap;

pub use bootstrap::{Bootstrap, Dependence, Future, Share};
pub use gap::{Gap, Jumps, cppi_gap, cppi_step_gap, multiplier_of_gap};

use pricing::laws::normal_distribution;
use std::f64::consts::PI;
use units::math::{exp, ln, pow, sin_cos, sqrt};

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GrowthError {
    /// A number is outside what it may be.
    Outside {
        /// Which one.
        name: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// Too few returns.
    TooFew {
        /// So many are there.
        count: usize,
        /// So many are needed.
        fewest: usize,
    },
    /// No return is below zero, so no fraction is too much.
    NoLoss,
}

impl std::fmt::Display for GrowthError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Outside { name, value, allowed } => write!(out, "{name} is {value}, and must be {allowed}"),
            Self::TooFew { count, fewest } => write!(out, "{count} returns are too few: {fewest} are needed"),
            Self::NoLoss => out.write_str("no return is a loss, so growth has no best fraction: take a longer history"),
        }
    }
}

impl std::error::Error for GrowthError {}

fn within(name: &'static str, value: f64, allowed: &'static str, holds: bool) -> Result<(), GrowthError> {
    if holds && value.is_finite() { Ok(()) } else { Err(GrowthError::Outside { name, value, allowed }) }
}

const CHANCE: &str = "between 0 and 1";
const POSITIVE: &str = "over 0";
const WHOLE: &str = "over -1: nothing is left to draw from after it";

/// A gambler who stakes one unit at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gambler {
    /// The probability of losing all before the target is reached.
    pub ruin: f64,
    /// What is won on average until either.
    pub gain: f64,
    /// Rounds until either, on average.
    pub rounds: f64,
}

/// The gambler's ruin: from `start` units, winning one with the probability `win` and losing one otherwise, until nothing or `target`
/// units are left. Feller, (2.4) and (3.4).
///
/// # Errors
///
/// A probability not between zero and one; a start not between zero and the target.
pub fn gamblers_ruin(win: f64, start: u32, target: u32) -> Result<Gambler, GrowthError> {
    within("the probability of a win", win, CHANCE, win > 0.0 && win < 1.0)?;
    within("the start", f64::from(start), "over 0 and under the target", start > 0 && start < target)?;
    let (start, target) = (f64::from(start), f64::from(target));
    let lose = 1.0 - win;
    let odds = lose / win;
    let ruin = if win == 0.5 {
        1.0 - start / target
    } else if odds > 1.0 {
        // Over the largest power, which would overflow.
        (1.0 - pow(odds, start - target)) / (1.0 - pow(odds, -target))
    } else {
        (pow(odds, start) - pow(odds, target)) / (1.0 - pow(odds, target))
    };
    let gain = target * (1.0 - ruin) - start;
    let rounds = if win == 0.5 { start * (target - start) } else { gain / (win - lose) };
    Ok(Gambler { ruin, gain, rounds })
}

/// The probability that a gambler without a target, who wins one unit with the probability `win` and loses one otherwise, ever loses
/// `start` units: one where the game is not in his favour, else (lose ÷ win)^start. Feller, (2.8).
///
/// # Errors
///
/// A probability not between zero and one; nothing to start with.
pub fn ever_ruined(win: f64, start: u32) -> Result<f64, GrowthError> {
    within("the probability of a win", win, CHANCE, win > 0.0 && win < 1.0)?;
    within("the start", f64::from(start), POSITIVE, start > 0)?;
    Ok(if win <= 0.5 { 1.0 } else { pow((1.0 - win) / win, f64::from(start)) })
}

/// Capital whose logarithm is a Brownian motion: drift and volatility of the logarithm, a year.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Walk {
    drift: f64,
    volatility: f64,
}

impl Walk {
    /// # Errors
    ///
    /// A volatility not over zero, a drift that is not finite.
    pub fn new(drift: f64, volatility: f64) -> Result<Self, GrowthError> {
        within("the drift", drift, "finite", true)?;
        within("the volatility", volatility, POSITIVE, volatility > 0.0)?;
        Ok(Self { drift, volatility })
    }

    /// With the mean and the sample variance of the logarithms of returns (as fractions), so many a year.
    ///
    /// # Errors
    ///
    /// Fewer than two returns, one that is not finite or loses everything or more, returns that are all the same.
    pub fn of_returns(returns: &[f64], per_year: f64) -> Result<Self, GrowthError> {
        if returns.len() < 2 {
            return Err(GrowthError::TooFew { count: returns.len(), fewest: 2 });
        }
        for value in returns {
            within("a return", *value, WHOLE, *value > -1.0)?;
        }
        let count = returns.len() as f64;
        let mean = returns.iter().map(|value| ln(1.0 + value)).sum::<f64>() / count;
        let square = |value: &f64| (ln(1.0 + value) - mean) * (ln(1.0 + value) - mean);
        let variance = returns.iter().map(square).sum::<f64>() / (count - 1.0);
        Self::new(mean * per_year, sqrt(variance * per_year))
    }

    /// The probability that capital is ever down by the fraction `loss` from its start, within `years`.
    /// By the reflection principle: Borodin and Salminen, "Handbook of Brownian Motion", 2.1.2.4.
    ///
    /// # Errors
    ///
    /// A loss not between zero and one, years not over zero.
    pub fn loses(&self, loss: f64, years: f64) -> Result<f64, GrowthError> {
        within("the loss", loss, CHANCE, loss > 0.0 && loss < 1.0)?;
        within("the horizon in years", years, POSITIVE, years > 0.0)?;
        let Self { drift, volatility } = *self;
        let level = ln(1.0 - loss);
        let deviation = volatility * sqrt(years);
        let direct = normal_distribution((level - drift * years) / deviation);
        // The factor overflows where the tail beside it vanishes faster.
        let power = 2.0 * drift * level / (volatility * volatility);
        let tail = normal_distribution((level + drift * years) / deviation);
        let reflected = if tail > 0.0 { exp(power + ln(tail)) } else { 0.0 };
        Ok((direct + reflected).clamp(0.0, 1.0))
    }

    /// The same without end.
    ///
    /// # Errors
    ///
    /// A loss not between zero and one.
    pub fn ever_loses(&self, loss: f64) -> Result<f64, GrowthError> {
        within("the loss", loss, CHANCE, loss > 0.0 && loss < 1.0)?;
        let power = 2.0 * self.drift * ln(1.0 - loss) / (self.volatility * self.volatility);
        Ok(if self.drift <= 0.0 { 1.0 } else { exp(power) })
    }

    /// The probability of a drawdown, from the highest capital so far, of the fraction `drawdown` or more within `years`.
    ///
    /// The distance from the highest is a Brownian motion reflected at zero. The probability that it has not been h away is the sum over
    /// the eigenfunctions of its generator on (0, h) with a reflecting and an absorbing end (Magdon-Ismail, Atiya, Pratap and
    /// Abu-Mostafa, "On the Maximum Drawdown of a Brownian Motion", Journal of Applied Probability 41, 2004).
    ///
    /// # Errors
    ///
    /// A drawdown not between zero and one, years not over zero.
    pub fn draws_down(&self, drawdown: f64, years: f64) -> Result<f64, GrowthError> {
        within("the drawdown", drawdown, CHANCE, drawdown > 0.0 && drawdown < 1.0)?;
        within("the horizon in years", years, POSITIVE, years > 0.0)?;
        let height = -ln(1.0 - drawdown);
        let variance = self.volatility * self.volatility;
        // In units of the height and of the time that noise takes for it: the distance drifts by -lean.
        let lean = self.drift * height / variance;
        let time = variance * years / (height * height);
        Ok((1.0 - survives(lean, time)).clamp(0.0, 1.0))
    }
}

/// The largest volatility a year, up to `most`, at which capital draws down by the fraction `drawdown` or more within `years` with a
/// probability of no more than `chance`.
///
/// Capital of the volatility v and the mean v × `sharpe` over cash has a logarithm that drifts by v × sharpe − v² ÷ 2. The more volatility,
/// the less drift there is for its variance and the more often noise comes round, so the probability only rises, and
/// [`Walk::draws_down`] is inverted by halving.
///
/// # Errors
///
/// A drawdown or a chance not between zero and one, years or `most` not over zero, a Sharpe ratio under zero.
pub fn volatility_of_drawdown(
    drawdown: f64,
    chance: f64,
    years: f64,
    sharpe: f64,
    most: f64,
) -> Result<f64, GrowthError> {
    within("the chance", chance, CHANCE, chance > 0.0 && chance < 1.0)?;
    within("the Sharpe ratio", sharpe, "0 or more", sharpe >= 0.0)?;
    within("the largest volatility", most, POSITIVE, most > 0.0)?;
    let reached = |v: f64| Walk::new(v * sharpe - v * v / 2.0, v)?.draws_down(drawdown, years);
    if reached(most)? <= chance {
        return Ok(most);
    }
    // A millionth of a percent is no volatility, and none of the numbers above fails between it and the most.
    let over = |v: f64| reached(v).map_or(1.0, |probability| probability - chance);
    Ok(bisect(1e-8, most, over))
}

/// The probability that a Brownian motion of variance one that drifts by −`lean`, starts at zero and is reflected there has not
/// reached one by `time`.
///
/// Its generator's eigenfunctions that are level at zero and vanish at one are exp(lean x) sin(t (1 − x)) with lean sin t = t cos t; each
/// decays at the rate (t² + lean²) ÷ 2. For lean over one the first t is imaginary, for lean = 1 it is zero.
fn survives(lean: f64, time: f64) -> f64 {
    // One is more than thirty standard deviations away, and further terms would be needed.
    if time < 1e-3 {
        return 1.0;
    }
    if lean < -20.0 {
        // It leaves the reflecting end at once and is never seen there again: the law of the first passage alone.
        let (speed, deviation) = (-lean, sqrt(time));
        let direct = normal_distribution((speed * time - 1.0) / deviation);
        let tail = normal_distribution((-speed * time - 1.0) / deviation);
        let reflected = if tail > 0.0 { exp(2.0 * speed + ln(tail)) } else { 0.0 };
        return 1.0 - direct - reflected;
    }
    let mut sum = 0.0;
    if (lean - 1.0).abs() < 1e-8 {
        sum += 3.0 * exp(-1.0 - time / 2.0);
    } else if lean > 1.0 {
        // tanh t = t / lean, and lean² - t² = lean² / cosh² t.
        let t = bisect(0.0, lean, |t| t * (1.0 + exp(-2.0 * t)) - lean * (1.0 - exp(-2.0 * t)));
        let (rise, fall) = (exp(t), exp(-t));
        let (sinh, cosh) = ((rise - fall) / 2.0, (rise + fall) / 2.0);
        let weight = 2.0 * t * t / (lean * lean) * (exp(t - lean) + exp(-t - lean)) / 2.0;
        let decay = (lean / cosh) * (lean / cosh) / 2.0;
        sum += weight / (1.0 - t / sinh / cosh) * exp(-decay * time);
    }
    for at in 0..500_u32 {
        // One root in each half of a period of the tangent; under one there is none in the first where the imaginary one took its place.
        let from = f64::from(at) * PI;
        let (low, high) = if lean < 0.0 { (from + PI / 2.0, from + PI) } else { (from, from + PI / 2.0) };
        if at == 0 && lean > 1.0 - 1e-8 {
            continue;
        }
        let low = if low == 0.0 { 1e-9 } else { low };
        // Over zero at one end and under it at the other.
        let side = if at % 2 == 0 { 1.0 } else { -1.0 };
        let t = bisect(low, high, |t| {
            let (sine, cosine) = sin_cos(t);
            side * (lean * sine - t * cosine)
        });
        let (sine, cosine) = sin_cos(t);
        let part = exp(-lean - (t * t + lean * lean) * time / 2.0) * t * sine
            / ((lean * lean + t * t) * (0.5 - sine * cosine / (2.0 * t)));
        sum += part;
        if part.abs() < 1e-17 {
            break;
        }
    }
    sum.clamp(0.0, 1.0)
}

/// Where a function that is under zero at `low` and over it at `high` is zero.
fn bisect(low: f64, high: f64, function: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (low, high);
    for _ in 0..200 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if function(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low + (high - low) / 2.0
}

/// Kelly's fraction of capital for a bet that is won with the probability `win` and pays `odds` for one: win − (1 − win) ÷ odds.
/// Below zero:
/// bet on the other side, if that is offered.
///
/// # Errors
///
/// A probability not from zero to one, odds not over zero.
pub fn kelly_bet(win: f64, odds: f64) -> Result<f64, GrowthError> {
    within("the probability of a win", win, "from 0 to 1", (0.0..=1.0).contains(&win))?;
    within("the odds", odds, POSITIVE, odds > 0.0)?;
    Ok(win - (1.0 - win) / odds)
}

/// Kelly's multiple of capital for returns over cash with this mean and variance a period, in continuous trading: mean ÷ variance.
///
/// # Errors
///
/// A mean that is not finite, a variance not over zero.
pub fn kelly_normal(mean: f64, variance: f64) -> Result<f64, GrowthError> {
    within("the mean", mean, "finite", true)?;
    within("the variance", variance, POSITIVE, variance > 0.0)?;
    Ok(mean / variance)
}

/// Kelly's multiple of capital for returns as they were: where the mean of ln(1 + multiple × return) is highest. Zero where the mean is
/// not over zero.
///
/// # Errors
///
/// Fewer than two returns, one that is not finite, none that is a loss.
pub fn kelly_empirical(returns: &[f64]) -> Result<f64, GrowthError> {
    if returns.len() < 2 {
        return Err(GrowthError::TooFew { count: returns.len(), fewest: 2 });
    }
    for value in returns {
        within("a return", *value, "finite", true)?;
    }
    if returns.iter().sum::<f64>() <= 0.0 {
        return Ok(0.0);
    }
    let worst = returns.iter().copied().fold(0.0, f64::min);
    if worst >= 0.0 {
        return Err(GrowthError::NoLoss);
    }
    // The slope falls from the mean to minus infinity at the multiple that the worst return ruins.
    Ok(bisect(0.0, -1.0 / worst, |multiple| -returns.iter().map(|value| value / (1.0 + multiple * value)).sum::<f64>()))
}

/// What to take of Kelly's multiple because mean and variance are estimates of `count` returns: mean² ÷ (mean² + variance ÷ count).
/// Of returns that follow each other the variance is the one of their sums ([`Dependence::long_run_variance`]).
///
/// Growth at c × m ÷ variance, where m is the estimate with the error variance ÷ count about the truth, is on average c (mean² ÷
/// variance) − c² (mean² + variance ÷ count) ÷ (2 variance), and this c is its highest place. The truth is not known, so the
/// estimate stands for it, as in Baker and McHale, "Optimal Betting Under Parameter Uncertainty", Decision Analysis 10 (2013).
///
/// # Errors
///
/// A mean that is not finite, a variance not over zero, no returns.
pub fn kelly_shrinkage(mean: f64, variance: f64, count: u32) -> Result<f64, GrowthError> {
    within("the mean", mean, "finite", true)?;
    within("the variance", variance, POSITIVE, variance > 0.0)?;
    within("the number of returns", f64::from(count), "1 or more", count > 0)?;
    let square = mean * mean;
    Ok(square / (square + variance / f64::from(count)))
}

/// Exposure that keeps capital over a floor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floored {
    /// Exposure in money.
    pub exposure: f64,
    /// Whether capital is at or under the floor: nothing is at risk, and nothing can win it back (cash-lock).
    pub locked: bool,
}

/// Constant-proportion portfolio insurance: `multiplier` × what capital is over the floor, at most `most` × capital.
///
/// # Errors
///
/// Capital, multiplier or the largest leverage not over zero, a floor under zero.
pub fn cppi(capital: f64, floor: f64, multiplier: f64, most: f64) -> Result<Floored, GrowthError> {
    within("capital", capital, POSITIVE, capital > 0.0)?;
    within("the floor", floor, "0 or more", floor >= 0.0)?;
    within("the multiplier", multiplier, POSITIVE, multiplier > 0.0)?;
    within("the largest leverage", most, POSITIVE, most > 0.0)?;
    let cushion = capital - floor;
    if cushion <= 0.0 {
        return Ok(Floored { exposure: 0.0, locked: true });
    }
    Ok(Floored { exposure: (multiplier * cushion).min(most * capital), locked: false })
}

/// Grossman and Zhou's exposure under a largest drawdown: the floor is (1 − drawdown) × the highest capital so far, and what is at
/// risk is `multiple` (Kelly's, say) × what capital is over it. With logarithmic utility this is their optimum.
///
/// # Errors
///
/// A drawdown not between zero and one, the highest capital under the present one; otherwise as [`cppi`].
pub fn grossman_zhou(
    capital: f64,
    highest: f64,
    drawdown: f64,
    multiple: f64,
    most: f64,
) -> Result<Floored, GrowthError> {
    within("the drawdown", drawdown, CHANCE, drawdown > 0.0 && drawdown < 1.0)?;
    within("the highest capital", highest, "no less than the present one", highest >= capital)?;
    cppi(capital, (1.0 - drawdown) * highest, multiple, most)
}
