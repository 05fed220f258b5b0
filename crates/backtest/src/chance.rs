//! How much of a Sharpe ratio is luck: the probabilistic and the deflated Sharpe ratio (Bailey and López de Prado, "The
//! Deflated Sharpe Ratio", Journal of Portfolio Management 40(5), 2014), with the normal distribution behind them.
//!
//! Whoever tries a hundred settings and shows the best one has measured luck as well as skill. The deflated Sharpe ratio
//! is the probability that the true Sharpe ratio is over the one that the best of so many unskilled trials would show.

#![expect(clippy::excessive_precision, reason = "coefficients stand as they were published")]

use crate::metrics::{Figure, Missing, Return, SMALL};
use units::math::{exp, ln, sqrt};

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
        normal_cdf((sharpe - hurdle) * sqrt(count as f64 - 1.0) / sqrt(spread.max(1e-12)))
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

/// The standard normal distribution function, to the last few bits of a double (Cody 1969 for the error function).
#[must_use]
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * erfc(-x / std::f64::consts::SQRT_2)
}

fn ratio(x: f64, over: &[f64], under: &[f64]) -> f64 {
    let horner = |list: &[f64]| list.iter().fold(0.0, |sum, coefficient| sum * x + coefficient);
    horner(over) / horner(under)
}

/// One less the error function: W. J. Cody, "Rational Chebyshev Approximations for the Error Function", 1969.
fn erfc(x: f64) -> f64 {
    let size = x.abs();
    if size <= 0.46875 {
        const OVER: [f64; 5] = [
            1.857_777_061_846_031_53e-1,
            3.161_123_743_870_565_6,
            1.138_641_541_510_501_56e2,
            3.774_852_376_853_020_21e2,
            3.209_377_589_138_469_47e3,
        ];
        const UNDER: [f64; 5] = [
            1.0,
            2.360_129_095_234_412_09e1,
            2.440_246_379_344_441_73e2,
            1.282_616_526_077_372_28e3,
            2.844_236_833_439_170_62e3,
        ];
        return 1.0 - x * ratio(x * x, &OVER, &UNDER);
    }
    let tail = if size <= 4.0 {
        const OVER: [f64; 9] = [
            2.153_115_354_744_038_46e-8,
            5.641_884_969_886_700_89e-1,
            8.883_149_794_388_375_94,
            6.611_919_063_714_162_95e1,
            2.986_351_381_974_001_31e2,
            8.819_522_212_417_690_9e2,
            1.712_047_612_634_070_58e3,
            2.051_078_377_826_071_47e3,
            1.230_339_354_797_997_25e3,
        ];
        const UNDER: [f64; 9] = [
            1.0,
            1.574_492_611_070_983_47e1,
            1.176_939_508_913_124_99e2,
            5.371_811_018_620_098_58e2,
            1.621_389_574_566_690_19e3,
            3.290_799_235_733_459_63e3,
            4.362_619_090_143_247_16e3,
            3.439_367_674_143_721_64e3,
            1.230_339_354_803_749_42e3,
        ];
        exp(-size * size) * ratio(size, &OVER, &UNDER)
    } else if size < 26.0 {
        const OVER: [f64; 6] = [
            1.631_538_713_730_209_78e-2,
            3.053_266_349_612_323_44e-1,
            3.603_448_999_498_044_39e-1,
            1.257_817_261_112_292_46e-1,
            1.608_378_514_874_227_66e-2,
            6.587_491_615_298_378_03e-4,
        ];
        const UNDER: [f64; 6] = [
            1.0,
            2.568_520_192_289_822_42,
            1.872_952_849_923_467_25,
            5.279_051_029_514_284_12e-1,
            6.051_834_131_244_131_91e-2,
            2.335_204_976_268_691_85e-3,
        ];
        let square = 1.0 / (size * size);
        let root_pi = 5.641_895_835_477_562_87e-1;
        exp(-size * size) * (root_pi - square * ratio(square, &OVER, &UNDER)) / size
    } else {
        0.0
    };
    if x < 0.0 { 2.0 - tail } else { tail }
}

/// The inverse of [`normal_cdf`]: Acklam's approximation and one step of Halley's method. Infinite at 0 and 1.
#[must_use]
pub fn normal_quantile(probability: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0];
    if probability <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if probability >= 1.0 {
        return f64::INFINITY;
    }
    let rough = if probability < 0.02425 {
        let q = sqrt(-2.0 * ln(probability));
        ratio(q, &C, &D)
    } else if probability > 1.0 - 0.02425 {
        let q = sqrt(-2.0 * ln(1.0 - probability));
        -ratio(q, &C, &D)
    } else {
        let q = probability - 0.5;
        q * ratio(q * q, &A, &B)
    };
    let error = normal_cdf(rough) - probability;
    let step = error * sqrt(2.0 * std::f64::consts::PI) * exp(rough * rough / 2.0);
    rough - step / (1.0 + rough * step / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        // From Python's math.erfc, which is the C library's.
        for (x, expected) in [
            (0.0, 0.5),
            (0.3, 0.617_911_422_188_952_7),
            (1.0, 0.841_344_746_068_542_9),
            (1.959_963_984_540_054, 0.975),
            (-3.0, 0.001_349_898_031_630_094_5),
            (-6.0, 9.865_876_450_376_98e-10),
            (-10.0, 7.619_853_024_160_525e-24),
        ] {
            let found = normal_cdf(x);
            assert!((found / expected - 1.0).abs() < 3e-14, "{x}: {found} is not {expected}");
        }
        for at in 1..1_000 {
            let probability = f64::from(at) / 1_000.0;
            assert!((normal_cdf(normal_quantile(probability)) - probability).abs() < 1e-14, "{probability}");
        }
        assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-13);
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!((normal_cdf(-40.0), normal_cdf(40.0)), (0.0, 1.0));
    }

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
