//! GARCH(1,1) and GJR fitted again: where changes are most likely, by a search that shares nothing with the one of `pricing`. Slopes come
//! from the arithmetic itself (every number carries its own), curvature from their differences, and the climb is Newton's, damped.
//! Written after docs/forecasts.md.

use std::f64::consts::PI;
use std::ops::{Add, Mul};
use units::math::{exp, ln, ln_gamma, sqrt};

/// Coordinates: the logarithm of omega; of shares of a whole over the last one, those of rises, falls and the last variance; the logarithm
/// of the degrees of freedom over the least.
const PARTS: usize = 5;
/// Degrees of freedom begin over two, where a variance begins to exist, and end where the law is hardly told from the normal one.
const DEGREES: (f64, f64) = (2.05, 500.0);
/// The variance before the first change is that of the first 75, weighted by powers of this.
const START: (usize, f64) = (75, 0.94);
/// A climb is over where the next step promises less, and is given up after so many.
const ENOUGH: f64 = 1e-9;
const STEPS: usize = 100;
/// What is added to curvature at least: where there is none, differences of slopes are noise.
const LEAST: f64 = 1e-6;
/// Weights of rises, of falls and of the last variance, and the long-run variance over that of the changes: where climbs begin.
const STARTS: [[f64; 4]; 12] = [
    [0.1, 0.1, 0.85, 1.0],
    [0.05, 0.05, 0.5, 1.0],
    [0.3, 0.3, 0.3, 2.0],
    [0.3, 0.3, 0.02, 1.0],
    [0.01, 0.01, 0.97, 0.5],
    [0.01, 0.01, 0.97, 2.0],
    [0.002, 0.002, 0.9975, 0.5],
    [0.002, 0.002, 0.9975, 2.0],
    [0.02, 0.2, 0.8, 1.0],
    [0.2, 0.02, 0.8, 1.0],
    [0.004, 0.2, 0.5, 1.0],
    [0.2, 0.004, 0.5, 1.0],
];
/// Those at whose beginning rises and falls weigh alike.
const EVEN: usize = 8;

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Falls weigh otherwise than rises.
    asymmetric: bool,
    /// Surprises are Student's.
    student: bool,
}

impl Shape {
    /// By a method's name.
    pub(super) fn named(method: &str) -> Option<Self> {
        let (asymmetric, student) = match method {
            "garch" => (false, false),
            "garch-t" => (false, true),
            "gjr" => (true, false),
            "gjr-t" => (true, true),
            _ => return None,
        };
        Some(Self { asymmetric, student })
    }

    /// Where climbs begin; `thorough`: from all over the place.
    fn starts(self, thorough: bool) -> Vec<[f64; PARTS]> {
        let few = if self.asymmetric { &STARTS[..] } else { &STARTS[..EVEN] };
        let mut starts: Vec<[f64; PARTS]> = few.iter().map(|start| self.at(*start, 6.0)).collect();
        let degrees = if self.student { &[2.2, 6.0][..] } else { &[6.0] };
        let lean = if self.asymmetric { &[0.1, 1.0, 1.9][..] } else { &[1.0] };
        for (weight, rest) in
            [0.005, 0.05, 0.3].into_iter().flat_map(|weight| [0.0005, 0.02, 0.3].map(|rest| (weight, rest)))
        {
            for (lean, degrees) in lean.iter().flat_map(|lean| degrees.iter().map(move |degrees| (lean, degrees))) {
                let last = 1.0 - weight - rest;
                let start = |long_run| self.at([weight * lean, weight * (2.0 - lean), last, long_run], *degrees);
                starts.extend([0.3, 3.0].map(start).into_iter().filter(|_| thorough));
            }
        }
        starts
    }

    /// The place of a start; what this model has not stays zero.
    fn at(self, [rise, fall, last, long_run]: [f64; 4], degrees: f64) -> [f64; PARTS] {
        let rest = 1.0 - (rise + fall) / 2.0 - last;
        let halves = if self.asymmetric { 0.5 } else { 1.0 };
        let mut at = [
            ln(long_run * rest),
            ln(rise * halves / rest),
            ln(fall * halves / rest),
            ln(last / rest),
            ln(degrees - DEGREES.0),
        ];
        for part in (0..PARTS).filter(|part| !self.parts().contains(part)) {
            at[part] = 0.0;
        }
        at
    }

    /// Which coordinates there are.
    fn parts(self) -> Vec<usize> {
        let all = [(0, true), (1, true), (2, self.asymmetric), (3, true), (4, self.student)];
        all.iter().filter(|(_, is_one)| *is_one).map(|(part, _)| *part).collect()
    }
}

/// A number and how it changes with each coordinate.
#[derive(Debug, Clone, Copy)]
struct Sloped(f64, [f64; PARTS]);

impl Sloped {
    fn fixed(value: f64) -> Self {
        Self(value, [0.0; PARTS])
    }

    /// A function of it, by its value and slope there.
    #[inline(always)]
    fn with(self, value: f64, slope: f64) -> Self {
        let mut slopes = self.1;
        for part in &mut slopes {
            *part *= slope;
        }
        Self(value, slopes)
    }

    fn exp(self) -> Self {
        let value = exp(self.0);
        self.with(value, value)
    }

    fn ln(self) -> Self {
        self.with(ln(self.0), 1.0 / self.0)
    }

    fn inverse(self) -> Self {
        self.with(1.0 / self.0, -1.0 / (self.0 * self.0))
    }

    fn ln_gamma(self) -> Self {
        self.with(ln_gamma(self.0), digamma(self.0))
    }
}

impl Add for Sloped {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let mut slopes = self.1;
        for (own, one) in slopes.iter_mut().zip(&other.1) {
            *own += one;
        }
        Self(self.0 + other.0, slopes)
    }
}

impl Mul for Sloped {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let mut slopes = self.1;
        for (own, one) in slopes.iter_mut().zip(&other.1) {
            *own = *own * other.0 + one * self.0;
        }
        Self(self.0 * other.0, slopes)
    }
}

impl Mul<f64> for Sloped {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: f64) -> Self {
        self.with(self.0 * other, other)
    }
}

/// The slope of the logarithm of the gamma function: ψ(x) = ψ(x + 1) − 1 ÷ x, and Stirling's series from ten on.
fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 10.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = square * (1.0 / 12.0 - square * (1.0 / 120.0 - square * (1.0 / 252.0 - square / 240.0)));
    sum + ln(x) - 0.5 / x - series
}

/// What the recursion of variances goes by.
struct Numbers {
    omega: Sloped,
    rise: Sloped,
    fall: Sloped,
    last: Sloped,
    degrees: Sloped,
}

impl Numbers {
    fn of(shape: Shape, at: [f64; PARTS]) -> Self {
        let coordinate = |part: usize| {
            let mut slopes = [0.0; PARTS];
            slopes[part] = 1.0;
            Sloped(at[part], slopes)
        };
        let one = Sloped::fixed(1.0);
        let (rise, last) = (coordinate(1).exp(), coordinate(3).exp());
        let (degrees, most) = (coordinate(4).exp(), DEGREES.1);
        let degrees = if degrees.0 < most { degrees } else { Sloped::fixed(most) };
        let degrees = degrees + Sloped::fixed(DEGREES.0);
        let omega = coordinate(0).exp();
        if !shape.asymmetric {
            let over = (one + rise + last).inverse();
            return Self { omega, rise: rise * over, fall: rise * over, last: last * over, degrees };
        }
        // Rises and falls are half of all changes each, so that their weights may be two.
        let fall = coordinate(2).exp();
        let over = (one + rise + fall + last).inverse();
        Self { omega, rise: rise * over * 2.0, fall: fall * over * 2.0, last: last * over, degrees }
    }
}

impl Numbers {
    /// Whether a weight is none, all weights are the whole, or degrees of freedom are the least.
    fn is_edge(&self, shape: Shape) -> bool {
        let [rise, fall, last, omega] = [self.rise, self.fall, self.last, self.omega].map(|one| one.0);
        let rest = 1.0 - (rise + fall) / 2.0 - last;
        // Not the other end, where the law is the normal one whatever they are.
        let is_end = shape.student && self.degrees.0 - DEGREES.0 < 0.05;
        is_end || [rise, fall, last, omega, rest].iter().any(|one| *one < NONE)
    }
}

/// The variance that stands before the first change.
fn before(changes: &[f64]) -> f64 {
    let (mut sum, mut weights, mut weight) = (0.0, 0.0, 1.0);
    for change in changes.iter().take(START.0) {
        (sum, weights, weight) = (sum + weight * change * change, weights + weight, weight * START.1);
    }
    sum / weights
}

/// Goes along the changes: tells each with its variance, and gives the variance of the next.
fn along(changes: &[f64], numbers: &Numbers, mut tell: impl FnMut(f64, Sloped)) -> Sloped {
    let Numbers { omega, rise, fall, last, .. } = numbers;
    let persistence = (*rise + *fall) * 0.5 + *last;
    let mut variance = *omega + persistence * before(changes);
    for change in changes {
        tell(*change, variance);
        let weight = if *change < 0.0 { *fall } else { *rise };
        variance = *omega + weight * (change * change) + *last * variance;
    }
    variance
}

/// The logarithm of the likelihood.
fn likelihood(changes: &[f64], shape: Shape, at: [f64; PARTS]) -> Sloped {
    let numbers = Numbers::of(shape, at);
    let mut sum = Sloped::fixed(0.0);
    let count = changes.len() as f64;
    if !shape.student {
        along(changes, &numbers, |change, variance| {
            sum = sum + variance.ln() + variance.inverse() * (change * change);
        });
        return (sum + Sloped::fixed(count * ln(2.0 * PI))) * -0.5;
    }
    let over = numbers.degrees + Sloped::fixed(-2.0);
    let half = (numbers.degrees + Sloped::fixed(1.0)) * 0.5;
    along(changes, &numbers, |change, variance| {
        let far = Sloped::fixed(1.0) + (variance * over).inverse() * (change * change);
        sum = sum + variance.ln() * 0.5 + half * far.ln();
    });
    let each = half.ln_gamma() + (numbers.degrees * 0.5).ln_gamma() * -1.0 + (over * PI).ln() * -0.5;
    each * count + sum * -1.0
}

/// Tops further under the highest are no more followed.
const FAR: f64 = 10.0;
/// What is as good as none of a weight.
const NONE: f64 = 1e-5;

/// Changes as a model moves prices by them, and whether it stands at an edge of what its numbers may be: there the likelihood is flat, and
/// where a search ends is not to the last digit.
pub(super) type Answer = (Vec<f64>, bool);

/// Where a climb ended.
#[derive(Debug, Clone, Copy)]
struct Top {
    at: [f64; PARTS],
    height: f64,
}

/// From a place to the top above it, by steps that follow slope and curvature, shorter where the curvature is none of a top.
fn climb(changes: &[f64], shape: Shape, start: [f64; PARTS]) -> Option<Top> {
    let parts = shape.parts();
    let mut at = start;
    let mut here = likelihood(changes, shape, at);
    let (mut damping, mut last, mut stalled) = (0.1, 0, 0);
    for _ in 0..STEPS {
        let mut curvature = [[0.0; PARTS]; PARTS];
        for row in &parts {
            let moved = |by: f64| {
                let mut place = at;
                place[*row] += by;
                likelihood(changes, shape, place).1
            };
            let (above, below) = (moved(1e-4), moved(-1e-4));
            for column in &parts {
                curvature[*row][*column] = (below[*column] - above[*column]) / 2e-4;
            }
        }
        let stepped = |damping: f64| {
            let step = step(&parts, &curvature, &here.1, damping)?;
            let promise: f64 = step.iter().zip(here.1).map(|(part, slope)| part * slope).sum();
            let longest = step.iter().fold(0.0_f64, |longest, part| longest.max(part.abs()));
            let mut place = at;
            place.iter_mut().zip(step).for_each(|(own, part)| *own += part);
            (promise.is_finite() && promise >= 0.0 && longest < 5.0).then_some((place, promise))
        };
        // In the end the sum's own rounding hides what a step gains, and slopes alone tell the way.
        if let Some((place, _)) = stepped(LEAST).filter(|(_, promise)| *promise < ENOUGH) {
            (at, here, last) = (place, likelihood(changes, shape, place), last + 1);
            if last >= 2 {
                return Some(Top { at, height: here.0 });
            }
            continue;
        }
        loop {
            if let Some((place, _)) = stepped(damping) {
                let there = likelihood(changes, shape, place);
                if there.0.is_finite() && there.0 > here.0 {
                    // On a plateau, where some weight is as good as none, steps go on for ever and gain nothing.
                    stalled = if there.0 - here.0 < ENOUGH { stalled + 1 } else { 0 };
                    (at, here, damping) = (place, there, (damping * 0.1).max(LEAST));
                    break;
                }
            }
            damping *= 5.0;
            if damping > 1e9 {
                return Some(Top { at, height: here.0 });
            }
        }
        if stalled >= 3 {
            return Some(Top { at, height: here.0 });
        }
    }
    None
}

/// Solves (curvature + damping) × step = slope, by elimination. `None`: the curvature is none of a top, for a pivot is not over zero.
fn step(
    parts: &[usize],
    curvature: &[[f64; PARTS]; PARTS],
    slope: &[f64; PARTS],
    damping: f64,
) -> Option<[f64; PARTS]> {
    let own = |row: usize, column: usize| curvature[row][column] + if row == column { damping } else { 0.0 };
    let line = |row: &usize| parts.iter().map(|column| own(*row, *column)).chain([slope[*row]]).collect();
    let mut rows: Vec<Vec<f64>> = parts.iter().map(line).collect();
    let count = parts.len();
    for pivot in 0..count {
        if rows[pivot][pivot].is_nan() || rows[pivot][pivot] <= 0.0 {
            return None;
        }
        for row in (0..count).filter(|row| *row != pivot) {
            let factor = rows[row][pivot] / rows[pivot][pivot];
            let from = rows[pivot].clone();
            rows[row].iter_mut().zip(from).for_each(|(own, one)| *own -= factor * one);
        }
    }
    let mut step = [0.0; PARTS];
    for (row, part) in parts.iter().enumerate() {
        step[*part] = rows[row][count] / rows[row][row];
    }
    Some(step)
}

/// Tops of the likelihood of a series of changes, the last time that it was looked at: the next change moves them a little.
#[derive(Debug, Default)]
pub(super) struct Tops {
    known: Vec<Top>,
    /// How often they were followed since all starts were taken.
    followed: usize,
}

impl Tops {
    /// So often they are followed at most.
    const FOLLOWED: usize = 30;

    /// Changes at the volatility that is forecast of the next one: each over its own, times that. One answer for each top of the
    /// likelihood, the highest first. Known tops are followed; now and then, or where that was not enough, climbs begin elsewhere too.
    pub(super) fn filtered(&mut self, changes: &[f64], shape: Shape, thorough: bool) -> Vec<Answer> {
        let count = changes.len() as f64;
        let mean = changes.iter().sum::<f64>() / count;
        let size = sqrt(changes.iter().map(|change| (change - mean) * (change - mean)).sum::<f64>() / count);
        if size <= 0.0 {
            return Vec::new();
        }
        // Of variance one, so that one set of starts fits all.
        let unit: Vec<f64> = changes.iter().map(|change| change / size).collect();
        let mut all: Vec<[f64; PARTS]> = self.known.iter().map(|top| top.at).collect();
        self.followed += 1;
        if thorough || all.is_empty() || self.followed > Self::FOLLOWED {
            self.followed = 0;
            all.extend(shape.starts(thorough));
        }
        self.known.clear();
        for start in all {
            let Some(top) = climb(&unit, shape, start) else { continue };
            if self.known.iter().all(|known| (known.height - top.height).abs() > 1e-7) {
                self.known.push(top);
            }
        }
        self.known.sort_by(|one, other| other.height.total_cmp(&one.height));
        let highest = self.known.first().map_or(0.0, |top| top.height);
        self.known.retain(|top| top.height > highest - FAR);
        let answer = |top: &Top| {
            let numbers = Numbers::of(shape, top.at);
            let mut surprises = Vec::with_capacity(unit.len());
            let next = along(&unit, &numbers, |change, variance| surprises.push(change / sqrt(variance.0)));
            surprises.iter_mut().for_each(|surprise| *surprise *= sqrt(next.0) * size);
            (surprises, numbers.is_edge(shape))
        };
        self.known.iter().map(answer).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#[allow(clippy::disallowed_methods, reason = "golden cases are a file")]
mod tests {
    use super::*;
    use serde_json::Value;

    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/garch.json");

    /// Twelve uniform numbers less six, as the generator of the cases draws them.
    fn draw(state: &mut u64) -> f64 {
        let each = |_| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*state >> 32) as f64 / 4_294_967_296.0
        };
        (0..12).map(each).sum::<f64>() - 6.0
    }

    fn returns(series: &Value) -> Vec<f64> {
        let [mean, omega, alpha, gamma, beta] =
            ["mean", "omega", "alpha", "gamma", "beta"].map(|name| series[name].as_f64().unwrap());
        let mut state = series["seed"].as_u64().unwrap();
        let mut variance = omega / (1.0 - alpha - gamma / 2.0 - beta);
        let next = |_| {
            let mut shock = draw(&mut state);
            if series["fat"].as_bool().unwrap() {
                let squares: f64 = (0..6).map(|_| draw(&mut state)).map(|one| one * one).sum();
                shock = shock / sqrt(squares / 6.0) * sqrt(2.0 / 3.0);
            }
            let surprise = sqrt(variance) * shock;
            let weight = if surprise < 0.0 { alpha + gamma } else { alpha };
            variance = omega + weight * surprise * surprise + beta * variance;
            mean + surprise
        };
        (0..series["count"].as_u64().unwrap()).map(next).collect()
    }

    /// The likelihood and the next forecast are those of the package arch, where it came to the highest top. Climbs cost as much as there
    /// are returns: without `TRIMTAB_LONG` two of the five series, and all starts of the shortest one alone.
    #[test]
    fn fits_are_those_of_arch() {
        let golden: Value = serde_json::from_str(&std::fs::read_to_string(GOLDEN).unwrap()).unwrap();
        let is_long = std::env::var_os("TRIMTAB_LONG").is_some();
        let mut compared = 0;
        for case in golden["cases"].as_array().unwrap() {
            let is = |name: &str| case[name].as_bool() == Some(true);
            let is_short = case["series"]["count"].as_u64().unwrap() < 1_000;
            let is_among = is_long || is_short || matches!(case["series"]["seed"].as_u64(), Some(3));
            if case["mean"].is_null() || is("mean") || !is_among {
                continue;
            }
            let shape = Shape { asymmetric: is("asymmetric"), student: is("student") };
            let returns = returns(&case["series"]);
            let mut tops = Tops::default();
            let answers = tops.filtered(&returns, shape, is_long || is_short);
            let highest = tops.known.iter().fold(f64::NEG_INFINITY, |highest, top| highest.max(top.height));
            let mean = returns.iter().sum::<f64>() / returns.len() as f64;
            let variance = returns.iter().map(|one| (one - mean) * (one - mean)).sum::<f64>() / returns.len() as f64;
            let height = highest - returns.len() as f64 * ln(variance) / 2.0;
            let theirs = case["log_likelihood"].as_f64().unwrap();
            assert!(height > theirs - 1e-5, "{shape:?} {}: {height}, {theirs}", case["series"]);
            // Where arch stopped short, its forecast is not that of the top.
            if (height - theirs).abs() < 1e-10 {
                let top = tops.known.iter().find(|top| top.height == highest).unwrap();
                let unit: Vec<f64> = returns.iter().map(|one| one / sqrt(variance)).collect();
                let next = along(&unit, &Numbers::of(shape, top.at), |_, _| {}).0 * variance;
                let told = case["forecasts"][0].as_f64().unwrap();
                assert!((next / told - 1.0).abs() < 1e-6, "{shape:?} {}: {next}, {told}", case["series"]);
                // Surprises at that volatility: of variance one before.
                let spread =
                    |(answer, _): &Answer| answer.iter().map(|one| one * one).sum::<f64>() / answer.len() as f64;
                assert!(answers.iter().any(|answer| (spread(answer) / told - 1.0).abs() < 0.1));
                compared += 1;
            }
        }
        assert!(compared >= if is_long { 10 } else { 3 }, "{compared}");
    }
}
