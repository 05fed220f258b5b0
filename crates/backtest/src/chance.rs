//! How much of a Sharpe ratio is luck: the probabilistic and the deflated Sharpe ratio (Bailey and López de Prado, "The
//! Deflated Sharpe Ratio", Journal of Portfolio Management 40(5), 2014).
//!
//! Whoever tries a hundred settings and shows the best one has measured luck as well as skill. The deflated Sharpe ratio
//! is the probability that the true Sharpe ratio is over the one that the best of so many unskilled trials would show.

use crate::metrics::{Figure, Missing, Return, SMALL};
use pricing::laws::{normal_distribution, normal_quantile};
use units::math::{exp, sqrt};

/// Euler's constant.
const GAMMA: f64 = 0.577_215_664_901_532_9;

/// Count, Sharpe ratio a day, skewness and kurtosis (normal: 3) of day returns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Returns.
    pub count: usize,
    /// Mean over standard deviation, not annualised.
    pub sharpe: f64,
    /// Third standardised moment.
    pub skew: f64,
    /// Fourth standardised moment.
    pub kurtosis: f64,
}

impl Moments {
    /// Of returns. Needs 30.
    pub fn of(days: &[Return]) -> Result<Self, Missing> {
        let count = days.len();
        if count < SMALL as usize {
            return Err(Missing::NeedsDays(SMALL));
        }
        let mean = days.iter().map(|day| day.value).sum::<f64>() / count as f64;
        let central = |power: i32| {
            days.iter().map(|day| (0..power).fold(1.0, |product, _| product * (day.value - mean))).sum::<f64>()
        };
        let variance = central(2) / count as f64;
        if variance <= 0.0 {
            return Err(Missing::NeverMoved);
        }
        let deviation = sqrt(central(2) / (count as f64 - 1.0));
        let (third, fourth) = (central(3) / count as f64, central(4) / count as f64);
        Ok(Self {
            count,
            sharpe: mean / deviation,
            skew: third / (variance * sqrt(variance)),
            kurtosis: fourth / (variance * variance),
        })
    }

    /// The probability that the true Sharpe ratio is over `hurdle` (a day), given sample length, skew and fat tails.
    #[must_use]
    pub fn probability_over(&self, hurdle: f64) -> f64 {
        let Self { count, sharpe, skew, kurtosis } = *self;
        let spread = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe;
        normal_distribution((sharpe - hurdle) * sqrt(count as f64 - 1.0) / sqrt(spread.max(1e-12)))
    }
}

/// The Sharpe ratio that the best of `trials` unskilled ones is expected to show, where theirs vary by `variance`.
#[must_use]
pub fn best_of_luck(trials: usize, variance: f64) -> f64 {
    if trials < 2 || variance <= 0.0 {
        return 0.0;
    }
    let count = trials as f64;
    let first = normal_quantile(1.0 - 1.0 / count);
    let second = normal_quantile(1.0 - 1.0 / (count * exp(1.0)));
    sqrt(variance) * ((1.0 - GAMMA) * first + GAMMA * second)
}

/// The deflated Sharpe ratio of each of several trials, in their order: all Sharpe ratios a day say how much luck there was.
pub fn deflated(trials: &[Result<Moments, Missing>]) -> Vec<Figure> {
    let sharpes: Vec<f64> = trials.iter().flatten().map(|moments| moments.sharpe).collect();
    let count = sharpes.len();
    let mean = sharpes.iter().sum::<f64>() / (count as f64).max(1.0);
    let squares: f64 = sharpes.iter().map(|sharpe| (sharpe - mean) * (sharpe - mean)).sum();
    let variance = if count > 1 { squares / (count as f64 - 1.0) } else { 0.0 };
    // A trial that could not be measured was a trial all the same.
    let hurdle = best_of_luck(trials.len(), variance);
    trials.iter().map(|trial| trial.map(|moments| moments.probability_over(hurdle))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published example: the best of 100 trials over five years of 250 days has an annualised Sharpe ratio of 2.5, the
    /// trials' ratios vary by ½; skew −3, kurtosis 10. The hurdle is 0.1132 a day, the deflated ratio 0.9004.
    #[test]
    fn the_published_example_is_met() {
        let year = 250.0;
        let hurdle = best_of_luck(100, 0.5 / year);
        assert!((hurdle - 0.1132).abs() < 5e-5, "{hurdle}");
        let best = Moments { count: 1_250, sharpe: 2.5 / sqrt(year), skew: -3.0, kurtosis: 10.0 };
        let probability = best.probability_over(hurdle);
        assert!((probability - 0.9004).abs() < 5e-5, "{probability}");
    }

    #[test]
    fn more_trials_prove_less() {
        let day = |value| Return { end: units::Timestamp::from_nanos(0), value };
        let days: Vec<Return> = (0..400).map(|at| day(0.001 + 0.01 * f64::from(at % 7 - 3))).collect();
        let moments = Moments::of(&days);
        let other: Vec<Return> = (0..400).map(|at| day(0.01 * f64::from(at % 7 - 3))).collect();
        let alone = deflated(&[moments])[0].unwrap();
        let few = deflated(&[moments, Moments::of(&other)])[0].unwrap();
        let many = deflated(&[[moments, Moments::of(&other)].repeat(50)].concat())[0].unwrap();
        assert!(alone > few && few > many, "{alone} {few} {many}");
        assert_eq!(Moments::of(&days[..29]), Err(Missing::NeedsDays(30)));
        assert_eq!(Moments::of(&vec![day(0.0); 40]), Err(Missing::NeverMoved));
    }
}
