//! Options under thousands of moves: what they are worth together, scenario by scenario.

use super::batch::Column;
use super::contract::{Field, Refusal};
use super::functions::ln_ratio;
use super::lanes::{Block, LANES, Lanes, Real, Work};
use super::moved::{Abreast, MovedPrices, option};
use super::simd::Simd;
use std::ops::Range;

/// Blocks of scenarios that all options go through before the next ones: their columns stay in the nearest cache meanwhile.
const TILE: usize = 32;

/// Moves of one forward and of the volatilities on it, a scenario a row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sweep {
    factor: Column,
    /// ln of the factor.
    log: Column,
    relative: Column,
    absolute: Column,
    /// Empty where no skew moves.
    skew: Column,
}

impl Sweep {
    /// Puts scenarios in the place of those before: of each what the forward is multiplied by, and the relative and the absolute move of
    /// volatility. Skews stay where they are.
    ///
    /// # Panics
    ///
    /// If a factor is not within 1e-30 and 1e30, or another number is not finite.
    pub fn refill(&mut self, simd: Simd, moves: impl IntoIterator<Item = (f64, f64, f64)>) {
        let Self { factor, log, relative, absolute, skew } = self;
        [&mut *factor, log, relative, absolute, skew].into_iter().for_each(Column::clear);
        for (by, share, points) in moves {
            let fits = (1e-30..=1e30).contains(&by) && share.is_finite() && points.is_finite();
            assert!(fits, "scenario {}: {by} {share} {points}", factor.len());
            factor.push(by, 1.0);
            relative.push(share, 0.0);
            absolute.push(points, 0.0);
        }
        log.resize(factor.len());
        simd.enter_wide(Logs { factor, log });
    }

    /// How the skew dσ/dln K moves in each scenario.
    ///
    /// # Panics
    ///
    /// If there is not one for each scenario, or one is not finite.
    pub fn move_skews(&mut self, moves: impl IntoIterator<Item = f64>) {
        self.skew.clear();
        for by in moves {
            assert!(by.is_finite(), "scenario {}: skew {by}", self.skew.len());
            self.skew.push(by, 0.0);
        }
        assert_eq!(self.skew.len(), self.len(), "a move of the skew for each scenario");
    }

    /// As [`Self::move_skews`], of numbers that lie side by side, in a fraction of the time.
    ///
    /// # Panics
    ///
    /// As [`Self::move_skews`].
    pub fn copy_skews(&mut self, moves: &[f64]) {
        assert_eq!(moves.len(), self.len(), "a move of the skew for each scenario");
        assert!(moves.iter().fold(true, |all, by| all & by.is_finite()), "a skew that is no number");
        self.skew.copy(moves);
    }

    /// Number of scenarios.
    #[must_use]
    pub fn len(&self) -> usize {
        self.factor.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How much of an option is held, and what moves make of its volatility σ:
///
/// ```text
/// (σ − slope × ln factor) × (level + weight × relative) + shift + weight × absolute + tilt × skew
/// ```
///
/// and no less than `floor`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposure {
    /// Signed.
    pub quantity: f64,
    /// Volatility before the moves.
    pub vol: f64,
    /// dσ/dln K of a smile that moves with the forward; 0 if it stays where it is.
    pub slope: f64,
    /// What volatilities are multiplied by in every scenario; 1 if they are not.
    pub level: f64,
    /// Share of the moves that reaches this option's tenor.
    pub weight: f64,
    /// What is added to the volatility in every scenario.
    pub shift: f64,
    /// What a move of the skew by one adds: ln(strike ÷ forward) × what of the move reaches this option's tenor.
    pub tilt: f64,
    /// Least volatility.
    pub floor: f64,
    /// To expiry, after the moves.
    pub years: f64,
    /// Discount factor, after the moves.
    pub discount: f64,
}

impl Exposure {
    /// Whose volatility no move changes.
    #[must_use]
    pub fn still(quantity: f64, vol: f64, years: f64, discount: f64) -> Self {
        let (slope, level, weight, shift, tilt, floor) = (0.0, 1.0, 0.0, 0.0, 0.0, 0.0);
        Self { quantity, vol, slope, level, weight, shift, tilt, floor, years, discount }
    }
}

/// Exposures in options of a [`MovedPrices`], in its order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exposures(Vec<Prepared>);

/// An exposure with the root of time in its volatilities.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Prepared {
    quantity: f64,
    deviation: f64,
    slope: f64,
    level: f64,
    weight: f64,
    shift: f64,
    points: f64,
    tilt: f64,
    floor: f64,
}

impl Exposures {
    /// Adds one at the end.
    ///
    /// # Errors
    ///
    /// A volatility, floor, time or discount outside its range; nothing is added then.
    ///
    /// # Panics
    ///
    /// If another number is not finite.
    pub fn push(&mut self, exposure: &Exposure) -> Result<(), Refusal> {
        let Exposure { quantity, slope, level, weight, shift, tilt, .. } = *exposure;
        assert!([quantity, slope, level, weight, shift, tilt].iter().all(|number| number.is_finite()), "{exposure:?}");
        let (vol, floor) = (Field::Vol.check(exposure.vol)?, Field::Vol.check(exposure.floor)?);
        let (root, discount) = (Field::Years.check(exposure.years)?.sqrt(), Field::Discount.check(exposure.discount)?);
        self.0.push(Prepared {
            quantity: quantity * discount,
            deviation: vol * root,
            slope: slope * root,
            level,
            weight,
            shift: shift * root,
            points: weight * root,
            tilt: tilt * root,
            floor: floor * root,
        });
        Ok(())
    }

    /// Takes all out, keeping the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Number of exposures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl MovedPrices {
    /// Σ quantity × price of the options `range` under each scenario, into `worth`. Added up option by option, so that a scenario's sum
    /// does not depend on the others; the same bits on every path.
    ///
    /// ```
    /// use pricing::options::{EuropeanOption, Exposure, Exposures, Inputs, MovedPrices, OptionKind, Simd, Sweep};
    /// let inputs = Inputs { forward: 60_000.0, strike: 65_000.0, years: 0.1, vol: 0.65, discount: 1.0 };
    /// let (mut options, mut exposures, mut sweep) = (MovedPrices::default(), Exposures::default(), Sweep::default());
    /// options.push(OptionKind::Call, 65_000.0, 60_000.0)?;
    /// options.settle(Simd::best());
    /// let exposure = Exposure { weight: 1.0, ..Exposure::still(2.0, 0.65, 0.1, 1.0) };
    /// exposures.push(&exposure)?;
    /// sweep.refill(Simd::best(), [(1.0, 0.0, 0.0), (0.9, 0.2, 0.0)]); // nothing; forwards fall by a tenth, volatilities rise by a fifth
    /// let mut worth = Vec::new();
    /// options.sweep(Simd::best(), 0..1, &exposures, &sweep, &mut worth);
    /// let fallen = EuropeanOption::new(OptionKind::Call, Inputs { forward: 54_000.0, vol: 0.78, ..inputs })?;
    /// assert!((worth[1] - 2.0 * fallen.greeks().price).abs() < 1e-9);
    /// # Ok::<(), pricing::options::Refusal>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If there are fewer options or not as many exposures, or the options were not settled.
    pub fn sweep(&self, simd: Simd, range: Range<usize>, exposures: &Exposures, sweep: &Sweep, worth: &mut Vec<f64>) {
        worth.clear();
        self.sweep_more(simd, range, exposures, sweep, worth);
    }

    /// As [`Self::sweep`], added to what is in `worth`, which is nothing where it is empty: options one after the other, each under
    /// moves of its own, are the same bits as all at once.
    ///
    /// # Panics
    ///
    /// As [`Self::sweep`], or if `worth` is neither empty nor has a number for each scenario.
    pub fn sweep_more(
        &self,
        simd: Simd,
        range: Range<usize>,
        exposures: &Exposures,
        sweep: &Sweep,
        worth: &mut Vec<f64>,
    ) {
        assert!(range.end <= self.len() && exposures.len() == self.len(), "options {range:?} of {}", self.len());
        assert!(self.place.len() == self.len(), "the options are not settled");
        assert!(worth.is_empty() || worth.len() == sweep.len(), "{} numbers, {} scenarios", worth.len(), sweep.len());
        worth.resize(sweep.factor.blocks.len() * LANES, 0.0);
        let (exposures, skews) = (&exposures.0, &sweep.skew);
        if skews.len() == 0 {
            simd.enter_wide(Sum::<false> { options: self, range, exposures, sweep, worth });
        } else {
            simd.enter_wide(Sum::<true> { options: self, range, exposures, sweep, worth });
        }
        worth.truncate(sweep.len());
    }
}

struct Logs<'a> {
    factor: &'a Column,
    log: &'a mut Column,
}

impl Work for Logs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let one = Real::splat(lanes, 1.0);
        for (factor, log) in self.factor.blocks.iter().zip(&mut self.log.blocks) {
            for part in 0..LANES / S::WIDTH {
                ln_ratio(Real::load(lanes, factor, part), one).store(log, part);
            }
        }
    }
}

/// With moves of the skew, or without.
struct Sum<'a, const SKEWED: bool> {
    options: &'a MovedPrices,
    range: Range<usize>,
    exposures: &'a [Prepared],
    sweep: &'a Sweep,
    /// Whole blocks, to which is added.
    worth: &'a mut [f64],
}

impl<const SKEWED: bool> Work for Sum<'_, SKEWED> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let Self { options, range, exposures, sweep, worth } = self;
        let splat = |value| Real::splat(lanes, value);
        let mut sums = [Block([0.0; LANES]); TILE];
        for (tile, worth) in worth.chunks_mut(TILE * LANES).enumerate() {
            let count = worth.len() / LANES;
            let rows = tile * TILE..tile * TILE + count;
            let (factors, logs) = (&sweep.factor.blocks[rows.clone()], &sweep.log.blocks[rows.clone()]);
            let (shares, points) = (&sweep.relative.blocks[rows.clone()], &sweep.absolute.blocks[rows.clone()]);
            // Of nothing where there are none: they are not looked at then.
            let skews = if SKEWED { &sweep.skew.blocks[rows] } else { points };
            let sums = &mut sums[..count];
            for (worth, sum) in worth.chunks_exact(LANES).zip(&mut *sums) {
                sum.0.copy_from_slice(worth);
            }
            for index in range.clone() {
                let exposure = &exposures[index];
                let rows = sums.iter_mut().zip(factors.iter().zip(logs)).zip(shares.iter().zip(points)).zip(skews);
                for (((sum, (factor, log)), (share, points)), skew) in rows {
                    for part in 0..LANES / S::WIDTH {
                        let load = |block: &Block| Real::load(lanes, block, part);
                        let log = load(log);
                        let level = splat(exposure.weight).fma(load(share), splat(exposure.level));
                        let mut shift = splat(exposure.points).fma(load(points), splat(exposure.shift));
                        if SKEWED {
                            shift = splat(exposure.tilt).fma(load(skew), shift);
                        }
                        let deviation = splat(exposure.slope).neg_fma(log, splat(exposure.deviation));
                        let deviation = deviation.fma(level, shift).at_least(splat(exposure.floor));
                        let one = Abreast {
                            sign: splat(options.sign.get(index)),
                            forward: splat(options.forward.get(index)) * load(factor),
                            strike: splat(options.strike.get(index)),
                            place: splat(options.place.get(index)) + log,
                            // Without deviation infinite: then exercise alone is left.
                            over: splat(1.0) / deviation,
                            half: deviation * 0.5,
                            discount: splat(exposure.quantity),
                        };
                        (load(sum) + option(&one).price).store(sum, part);
                    }
                }
            }
            for (worth, sum) in worth.chunks_exact_mut(LANES).zip(sums) {
                worth.copy_from_slice(&sum.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{EuropeanOption, Inputs, OptionKind, SimdName};

    /// Against prices one by one, near and far, with no time and at floors; the same bits with any instructions, and whatever scenarios
    /// stand beside.
    #[test]
    fn agrees_with_prices_one_by_one() {
        let mut state = 11_u64;
        let mut unit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        for round in 0..60 {
            let (count, scenarios) = (1 + (unit() * 20.0) as usize, 1 + (unit() * 1_200.0) as usize);
            let (mut options, mut exposures) = (MovedPrices::default(), Exposures::default());
            let mut held = Vec::new();
            for _ in 0..count {
                let forward = 100.0 + unit();
                let strike = forward * super::super::functions::exp([1.0, 0.2, 0.0][round % 3] * (unit() - 0.5));
                let kind = if unit() < 0.5 { OptionKind::Call } else { OptionKind::Put };
                let exposure = Exposure {
                    quantity: unit() * 4.0 - 2.0,
                    vol: if unit() < 0.1 { 0.0 } else { 0.05 + unit() },
                    slope: unit() - 0.5,
                    level: 0.5 + unit(),
                    weight: unit() * 2.0,
                    shift: 0.1 * (unit() - 0.5),
                    tilt: unit() - 0.5,
                    floor: if unit() < 0.5 { 0.0 } else { 0.3 * unit() },
                    years: [0.0, 1e-6, 0.02, 0.5, 2.0][round % 5],
                    discount: 0.9 + 0.1 * unit(),
                };
                options.push(kind, strike, forward).unwrap();
                exposures.push(&exposure).unwrap();
                held.push((kind, forward, strike, exposure));
            }
            let moves: Vec<(f64, f64, f64)> = (0..scenarios)
                .map(|_| {
                    (super::super::functions::exp(2.0 * unit() * unit() - 0.7), unit() - 0.5, 0.2 * (unit() - 0.5))
                })
                .collect();
            // Without skews, with skews of nothing, with skews.
            let skews: Vec<f64> =
                moves.iter().map(|_| if round % 3 == 2 { 0.3 * (unit() - 0.5) } else { 0.0 }).collect();
            let (mut sweep, mut worth) = (Sweep::default(), Vec::new());
            let mut all: Vec<Vec<f64>> = Vec::new();
            for simd in SimdName::ALL.into_iter().filter_map(Simd::new) {
                options.settle(simd);
                sweep.refill(simd, moves.iter().copied());
                if round % 3 == 0 {
                    options.sweep(simd, 0..count, &exposures, &sweep, &mut worth);
                    all.push(worth.clone());
                }
                sweep.move_skews(skews.iter().copied());
                options.sweep(simd, 0..count, &exposures, &sweep, &mut worth);
                all.push(worth.clone());
                // One after the other, their skews put there in another way.
                sweep.copy_skews(&skews);
                worth.clear();
                (0..count).for_each(|at| options.sweep_more(simd, at..at + 1, &exposures, &sweep, &mut worth));
                all.push(worth.clone());
            }
            assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "round {round}");
            let alone = scenarios / 2;
            sweep.refill(Simd::best(), [moves[alone]]);
            sweep.move_skews([skews[alone]]);
            options.sweep(Simd::best(), 0..count, &exposures, &sweep, &mut worth);
            assert_eq!(worth, [all[0][alone]]);
            for (((by, share, points), skew), found) in moves.iter().zip(&skews).zip(&all[0]) {
                let (mut expected, mut gross) = (0.0, 0.0);
                for (kind, forward, strike, exposure) in &held {
                    let follow = exposure.vol - exposure.slope * super::super::functions::ln(*by);
                    let vol = follow * (exposure.level + exposure.weight * share);
                    let shift = exposure.shift + exposure.weight * points + exposure.tilt * skew;
                    let vol = (vol + shift).max(exposure.floor);
                    let Exposure { quantity, years, discount, .. } = *exposure;
                    let inputs = Inputs { forward: forward * by, strike: *strike, years, vol, discount };
                    let price = EuropeanOption::new(*kind, inputs).unwrap().greeks().price;
                    expected += quantity * price;
                    gross += quantity.abs() * (inputs.forward + strike);
                }
                assert!((found - expected).abs() <= 16.0 * f64::EPSILON * gross, "round {round}: {found} {expected}");
            }
        }
    }

    #[test]
    fn refuses_what_no_option_has() {
        let good = Exposure::still(1.0, 0.5, 1.0, 1.0);
        let refused = |exposure: Exposure| Exposures::default().push(&exposure).unwrap_err().field;
        assert_eq!(refused(Exposure { vol: f64::NAN, ..good }), Field::Vol);
        assert_eq!(refused(Exposure { floor: -0.1, ..good }), Field::Vol);
        assert_eq!(refused(Exposure { years: -1.0, ..good }), Field::Years);
        assert_eq!(refused(Exposure { discount: 0.0, ..good }), Field::Discount);
    }
}
