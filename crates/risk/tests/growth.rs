//! Ruin and growth against published numbers, simulations and brute force.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use common::{Random, rows};
use risk::growth::{
    Bootstrap, Dependence, GrowthError, Walk, cppi, ever_ruined, gamblers_ruin, grossman_zhou, kelly_bet,
    kelly_empirical, kelly_normal, kelly_shrinkage, volatility_of_drawdown,
};
use units::math::{exp, ln, sqrt};

/// Feller, vol. 1, ch. XIV, table 1.
#[test]
fn a_gambler_is_ruined_as_in_feller() {
    let Some(rows) = rows("a_gambler_is_ruined_as_in_feller", "gamblers_ruin_feller.csv") else { return };
    assert_eq!(rows.len(), 5);
    for row in rows {
        let number = |at: usize| row[at].parse::<f64>().unwrap();
        let found = gamblers_ruin(number(0), number(1) as u32, number(2) as u32).unwrap();
        assert!((found.ruin - number(3)).abs() <= 0.000_5, "{row:?}: {found:?}");
        assert!((found.gain - number(4)).abs() <= 0.05, "{row:?}: {found:?}");
        assert!((found.rounds - number(5)).abs() <= 0.05, "{row:?}: {found:?}");
    }
    // Odds whose powers overflow.
    // Without a target it is what one that is far away tells.
    for (win, start) in [(0.51, 20), (0.6, 3), (0.9, 1)] {
        let far = gamblers_ruin(win, start, 100_000).unwrap().ruin;
        assert!((ever_ruined(win, start).unwrap() - far).abs() < 1e-12, "{win} {start}");
    }
    assert_eq!((ever_ruined(0.5, 7), ever_ruined(0.3, 7)), (Ok(1.0), Ok(1.0)));
    assert!(ever_ruined(1.0, 7).is_err() && ever_ruined(0.6, 0).is_err());
    let far = gamblers_ruin(0.4, 5_000, 10_000).unwrap();
    assert!(far.ruin == 1.0 && far.gain == -5_000.0);
    assert!(gamblers_ruin(0.6, 5_000, 10_000).unwrap().ruin < 1e-300);
}

#[test]
fn kelly_is_as_published() {
    let Some(rows) = rows("kelly_is_as_published", "kelly.csv") else { return };
    assert_eq!(rows.len(), 3);
    for row in rows {
        let number = |at: usize| row[at].parse::<f64>().unwrap();
        assert!((kelly_bet(number(0), number(1)).unwrap() - number(2)).abs() < 1e-15, "{row:?}");
    }
    // The same bets as returns: wins and losses as often as they are likely.
    for (wins, of, odds) in [(51, 100, 1.0), (60, 100, 1.0), (50, 100, 2.0)] {
        let returns: Vec<f64> = (0..of).map(|at| if at < wins { odds } else { -1.0 }).collect();
        let expected = kelly_bet(f64::from(wins) / f64::from(of), odds).unwrap();
        assert!((kelly_empirical(&returns).unwrap() - expected).abs() < 1e-12);
    }
    // Small returns are as good as continuous ones, and no other multiple grows faster.
    let mut random = Random(3);
    let returns: Vec<f64> = (0..20_000).map(|_| 0.000_2 + 0.002 * random.normal()).collect();
    let mean = returns.iter().sum::<f64>() / 2e4;
    let variance = returns.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / 2e4;
    let found = kelly_empirical(&returns).unwrap();
    let expected = kelly_normal(mean, variance).unwrap();
    assert!((found / expected - 1.0).abs() < 0.02, "{found} {expected}");
    let growth = |multiple: f64| returns.iter().map(|value| ln(1.0 + multiple * value)).sum::<f64>();
    for other in [0.5, 0.9, 0.99, 1.01, 1.1, 2.0] {
        assert!(growth(found) > growth(found * other), "{other}");
    }
    assert_eq!(kelly_empirical(&[0.1, -0.2, 0.05]), Ok(0.0));
}

/// Whoever estimates the mean of 50 returns and takes the whole multiple grows less than who takes the share, by simulation; the share is
/// the best one if the truth is known.
#[test]
fn estimates_ask_for_less_than_the_whole() {
    let (mean, variance, count) = (0.01_f64, 0.01_f64, 50_u32);
    let share = kelly_shrinkage(mean, variance, count).unwrap();
    let mut random = Random(17);
    let deviation = sqrt(variance / f64::from(count));
    let estimates: Vec<f64> = (0..200_000).map(|_| mean + deviation * random.normal()).collect();
    let growth = |share: f64| {
        let each = estimates.iter().map(|estimate| {
            let multiple = share * estimate / variance;
            multiple * mean - multiple * multiple * variance / 2.0
        });
        each.sum::<f64>() / estimates.len() as f64
    };
    assert!((0.3..0.4).contains(&share), "{share}");
    for other in [0.0, share * 0.8, share * 1.2, 1.0] {
        assert!(growth(share) > growth(other), "{other}");
    }
    assert!(kelly_shrinkage(mean, variance, 100_000).unwrap() > 0.998);
}

/// Down from the start: paths with a bridge between steps. Down from the highest: the closed form without drift, 1 − 4/π Σ (−1)ⁿ ÷
/// (2n + 1) ×
/// exp(−(2n + 1)² π² t ÷ 8), and paths in small steps.
#[test]
fn capital_falls_as_often_as_in_simulations() {
    let mut random = Random(23);
    for (drift, volatility, fall, years) in [(0.1, 0.5, 0.3, 1.0), (-0.2, 0.4, 0.4, 2.0), (0.6, 0.3, 0.15, 1.0)] {
        let walk = Walk::new(drift, volatility).unwrap();
        let (paths, steps) = (6_000, 600);
        let step = years / f64::from(steps);
        let level = ln(1.0 - fall);
        let spread = volatility * sqrt(step);
        let (mut lost, mut down) = (0.0, 0.0);
        for _ in 0..paths {
            let (mut at, mut high, mut alive, mut near) = (0.0_f64, 0.0_f64, 1.0_f64, true);
            for _ in 0..steps {
                let next = at + drift * step + spread * random.normal();
                // The probability that it was under the level between two places over it.
                alive *= if next <= level {
                    0.0
                } else {
                    1.0 - exp(-2.0 * (at - level) * (next - level) / (spread * spread))
                };
                // The highest and the lowest between are drawn from the bridge; which came first is not known, and matters little.
                let top =
                    (at + next + sqrt((next - at) * (next - at) - 2.0 * spread * spread * ln(random.unit()))) / 2.0;
                let low =
                    (at + next - sqrt((next - at) * (next - at) - 2.0 * spread * spread * ln(random.unit()))) / 2.0;
                near &= low - high > level;
                high = high.max(top);
                near &= next - high > level;
                at = next;
            }
            lost += 1.0 - alive;
            down += f64::from(u8::from(!near));
        }
        let (lost, down) = (lost / f64::from(paths), down / f64::from(paths));
        let found = walk.loses(fall, years).unwrap();
        assert!((found - lost).abs() < 0.02, "{drift}: {found} is not {lost}");
        let found = walk.draws_down(fall, years).unwrap();
        assert!((found - down).abs() < 0.025, "{drift}: {found} is not {down}");
        assert!(walk.draws_down(fall, years).unwrap() > walk.loses(fall, years).unwrap());
        assert!(walk.ever_loses(fall).unwrap() >= walk.loses(fall, years).unwrap());
        let end = walk.loses(fall, 10_000.0).unwrap();
        assert!((end - walk.ever_loses(fall).unwrap()).abs() < 1e-6, "{end}");
    }
}

#[test]
fn drawdowns_of_a_walk_without_drift_are_those_of_the_closed_form() {
    for (drawdown, years, volatility) in [(0.2, 1.0, 0.4), (0.5, 3.0, 0.6), (0.1, 0.05, 0.3), (0.3, 0.02, 0.8)] {
        let expected = driftless(drawdown, years, volatility);
        let found = Walk::new(0.0, volatility).unwrap().draws_down(drawdown, years).unwrap();
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }
}

/// 1 − 4/π Σ (−1)ⁿ ÷ (2n + 1) × exp(−(2n + 1)² π² t ÷ 8): a drawdown without drift.
fn driftless(drawdown: f64, years: f64, volatility: f64) -> f64 {
    let height = -ln(1.0 - drawdown);
    let time = volatility * volatility * years / (height * height);
    let term = |n: u32| {
        let odd = f64::from(2 * n + 1);
        let sign = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
        sign / odd * exp(-odd * odd * std::f64::consts::PI * std::f64::consts::PI * time / 8.0)
    };
    1.0 - 4.0 / std::f64::consts::PI * (0..400).map(term).sum::<f64>()
}

/// A Sharpe ratio of half the volatility leaves the logarithm without drift, for which there is a closed form; capital drawn day by day and
/// bridged is down as often as asked; and whoever bears more, for less time, with a better view, may take more.
#[test]
fn the_volatility_of_a_drawdown_is_the_one_that_has_it() {
    for (drawdown, years, volatility) in [(0.2, 1.0, 0.15), (0.5, 3.0, 0.3), (0.1, 0.25, 0.2), (0.3, 10.0, 0.1)] {
        let chance = driftless(drawdown, years, volatility);
        let found = volatility_of_drawdown(drawdown, chance, years, volatility / 2.0, 2.0).unwrap();
        assert!((found - volatility).abs() < 1e-9, "{found} is not {volatility}");
    }
    let mut random = Random(61);
    for (drawdown, chance, years, sharpe) in [(0.2, 0.05, 1.0, 0.0), (0.25, 0.2, 1.0, 0.7), (0.1, 0.1, 2.0, 1.5)] {
        let v: f64 = volatility_of_drawdown(drawdown, chance, years, sharpe, 2.0).unwrap();
        let (paths, steps) = (4_000, 400);
        let (step, spread) = (years / f64::from(steps), v * sqrt(years / f64::from(steps)));
        let mut broke = 0;
        for _ in 0..paths {
            let (mut at, mut high, mut is_down) = (0.0_f64, 0.0_f64, false);
            for _ in 0..steps {
                let next = at + (v * sharpe - v * v / 2.0) * step + spread * random.normal();
                let reach = |unit: f64| sqrt((next - at) * (next - at) - 2.0 * spread * spread * ln(unit));
                let (top, low) = ((at + next + reach(random.unit())) / 2.0, (at + next - reach(random.unit())) / 2.0);
                is_down |= low - high <= ln(1.0 - drawdown);
                high = high.max(top);
                is_down |= next - high <= ln(1.0 - drawdown);
                at = next;
            }
            broke += u32::from(is_down);
        }
        let share = f64::from(broke) / f64::from(paths);
        let error = sqrt(chance * (1.0 - chance) / f64::from(paths));
        assert!((share - chance).abs() < 4.0 * error + 0.005, "{share} is not {chance} at {v}");
    }
    let of = |drawdown, chance, years, sharpe| volatility_of_drawdown(drawdown, chance, years, sharpe, 2.0).unwrap();
    for step in 1..40 {
        let (less, more) = (f64::from(step) * 0.02, f64::from(step + 1) * 0.02);
        assert!(of(less, 0.05, 1.0, 0.3) < of(more, 0.05, 1.0, 0.3), "drawdown {less}");
        assert!(of(0.2, less, 1.0, 0.3) < of(0.2, more, 1.0, 0.3), "chance {less}");
        assert!(of(0.2, 0.05, less, 0.3) > of(0.2, 0.05, more, 0.3), "years {less}");
        assert!(of(0.2, 0.05, 1.0, less) < of(0.2, 0.05, 1.0, more), "sharpe {less}");
    }
    assert_eq!(volatility_of_drawdown(0.9, 0.5, 0.1, 0.0, 0.5), Ok(0.5));
    assert!(volatility_of_drawdown(0.2, 1.0, 1.0, 0.0, 1.0).is_err());
    assert!(volatility_of_drawdown(0.2, 0.1, 1.0, -0.1, 1.0).is_err());
}

/// Through every form of the series nothing jumps: with more drift a drawdown is less likely, with more time more.
#[test]
fn drawdowns_are_smooth_in_drift_and_time() {
    let (volatility, drawdown) = (0.5, 0.4);
    let height = -ln(1.0_f64 - drawdown);
    let mut last = 1.0 + 1e-12;
    for step in -3_000..=12_000 {
        let lean = f64::from(step) / 100.0;
        let walk = Walk::new(lean * volatility * volatility / height, volatility).unwrap();
        let found = walk.draws_down(drawdown, 0.2).unwrap();
        assert!(found <= last + 1e-9 && last - found < 0.01, "{lean}: {found} after {last}");
        last = found;
    }
    for lean in [-25.0, -19.0, -1.0, 0.0, 0.5, 1.0, 1.000_01, 3.0, 40.0, 900.0] {
        let walk = Walk::new(lean * volatility * volatility / height, volatility).unwrap();
        let mut last = 0.0;
        for step in 1..200 {
            let found = walk.draws_down(drawdown, f64::from(step) / 50.0).unwrap();
            assert!(found >= last - 1e-9 && found <= 1.0, "{lean} {step}: {found} after {last}");
            last = found;
        }
    }
}

/// Normal returns in blocks of one are a random walk: ruin and drawdown of many small steps are those of the closed forms.
#[test]
fn a_bootstrap_of_a_random_walk_is_a_brownian_motion() {
    let mut random = Random(29);
    let (steps, years, drift, volatility) = (1_000, 1.0, 0.05_f64, 0.3_f64);
    let step = years / f64::from(steps);
    let raw: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
    let mean = raw.iter().sum::<f64>() / 2e4;
    let deviation = sqrt(raw.iter().map(|one| (one - mean) * (one - mean)).sum::<f64>() / 2e4);
    let exact = |one: &f64| exp(drift * step + volatility * sqrt(step) * (one - mean) / deviation) - 1.0;
    let returns: Vec<f64> = raw.iter().map(exact).collect();
    let bootstrap = Bootstrap::new(&returns, 1.0, steps as usize, 5).unwrap();
    let walk = Walk::new(drift, volatility).unwrap();
    let paths = 8_000;
    // Steps see less than what happens between them: the level moves by 0.5826 standard deviations of a step (Broadie, Glasserman and
    // Kou 1997).
    let shifted = |level: f64| 1.0 - (1.0 - level) * exp(-0.582_6 * volatility * sqrt(step));
    let lost = bootstrap.share(paths, |future| future.worst_loss >= 0.2).unwrap();
    let expected = walk.loses(shifted(0.2), years).unwrap();
    assert!((lost.value - expected).abs() < 4.0 * lost.error, "{lost:?} is not {expected}");
    let down = bootstrap.share(paths, |future| future.worst_drawdown >= 0.25).unwrap();
    // At the highest and at the lowest, both.
    let expected = walk.draws_down(shifted(shifted(0.25)), years).unwrap();
    assert!((down.value - expected).abs() < 4.0 * down.error, "{down:?} is not {expected}");
    assert_eq!(bootstrap.path(77), Bootstrap::new(&returns, 1.0, steps as usize, 5).unwrap().path(77));
}

/// Runs of losses stay runs in blocks, and are torn apart without: drawdowns are deeper with them.
#[test]
fn blocks_keep_what_follows_each_other() {
    let returns: Vec<f64> = (0..1_000).map(|at| if at % 100 < 20 { -0.01 } else { 0.003 }).collect();
    let deep = |block| {
        let bootstrap = Bootstrap::new(&returns, block, 250, 1).unwrap();
        bootstrap.share(2_000, |future| future.worst_drawdown >= 0.17).unwrap().value
    };
    assert!(deep(50.0) > deep(1.0) + 0.3, "{} {}", deep(50.0), deep(1.0));
}

/// The series of `vectors/block_lengths.py`.
fn remembering(seed: u64, count: usize, memory: f64) -> Vec<f64> {
    let (mut state, mut value) = (seed, 0.0);
    let mut next = || {
        let mut sum = 0.0;
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 32) as f64 / 4_294_967_296.0;
        }
        value = memory * value + (sum - 6.0);
        value
    };
    (0..count).map(|_| next()).collect()
}

/// Lengths of blocks are those of the package arch where it gives one or more; under that a block is one return. The variance of sums is
/// what theory has for such a series.
#[test]
fn blocks_are_as_long_as_arch_says() {
    let golden = include_str!("../../../vectors/block_lengths.json");
    let cases: serde_json::Value = serde_json::from_str(golden).unwrap();
    for case in cases.as_array().unwrap() {
        let number = |name: &str| case[name].as_f64().unwrap();
        let (memory, expected) = (number("memory"), number("stationary").max(1.0));
        let values = remembering(number("seed") as u64, number("count") as usize, memory);
        let found = Dependence::of(&values).unwrap();
        assert!((found.block / expected - 1.0).abs() < 1e-9, "{case}: {found:?}");
        // Of noise with a memory: the noise's variance, one, over (1 - memory)². A memory that undoes itself is not counted on.
        let theory = if memory < 0.0 { 1.0 / (1.0 - memory * memory) } else { 1.0 / (1.0 - memory) / (1.0 - memory) };
        assert!((0.6..1.6).contains(&(found.long_run_variance / theory)), "{case}: {found:?}");
    }
    // Storms that come in spells ask for blocks of their length, though returns themselves have no memory.
    let stormy: Vec<f64> = remembering(9, 1_000, 0.0)
        .into_iter()
        .enumerate()
        .map(|(at, value)| value * if at % 200 < 60 { 3.0 } else { 1.0 })
        .collect();
    let (own, both) = (Dependence::of(&stormy).unwrap(), Dependence::of_returns(&stormy).unwrap());
    assert!(own.block < 12.0 && both.block > 20.0, "{own:?} {both:?}");
    assert!(matches!(Dependence::of(&[0.01; 7]), Err(GrowthError::TooFew { count: 7, fewest: 8 })));
    assert!(Dependence::of(&[0.01; 100]).is_err() && Dependence::of(&[f64::NAN; 100]).is_err());
}

/// Every return is drawn as often as any other, and blocks are as long on average as asked for.
#[test]
fn drawn_futures_are_as_stationary_as_the_past() {
    let returns = [0.01; 40];
    let bootstrap = Bootstrap::new(&returns, 8.0, 365, 3).unwrap();
    let (mut seen, mut jumps, mut drawn) = ([0_u32; 40], 0.0, 0.0);
    for index in 0..4_000 {
        let mut last: Option<usize> = None;
        bootstrap.draw(index, |at| {
            seen[at] += 1;
            drawn += 1.0;
            jumps += f64::from(u8::from(last.is_some_and(|last| (last + 1) % 40 != at)));
            last = Some(at);
        });
    }
    assert_eq!(drawn, 4_000.0 * 365.0);
    // A new block follows on by chance once in 40 times.
    let block = (drawn - 4_000.0) / jumps * 39.0 / 40.0;
    assert!((block / 8.0 - 1.0).abs() < 0.01, "{block}");
    let expected = drawn / 40.0;
    for count in seen {
        assert!((f64::from(count) / expected - 1.0).abs() < 0.03, "{count} of {expected}");
    }
}

#[test]
fn floors_are_kept() {
    let floored = cppi(100.0, 80.0, 3.0, 10.0).unwrap();
    assert_eq!((floored.exposure, floored.locked), (60.0, false));
    assert_eq!(cppi(100.0, 80.0, 3.0, 0.5).unwrap().exposure, 50.0);
    for capital in [80.0, 79.0] {
        let floored = cppi(capital, 80.0, 3.0, 10.0).unwrap();
        assert_eq!((floored.exposure, floored.locked), (0.0, true));
    }
    // At the highest, the multiple of the allowed drawdown; at the floor, nothing.
    assert!((grossman_zhou(100.0, 100.0, 0.25, 4.0, 10.0).unwrap().exposure - 100.0).abs() < 1e-12);
    assert!(grossman_zhou(75.0, 100.0, 0.25, 4.0, 10.0).unwrap().locked);
    // Traded often enough the drawdown is never reached, whatever happens.
    let mut random = Random(31);
    let (mut capital, mut highest) = (100.0_f64, 100.0_f64);
    for _ in 0..20_000 {
        let exposure = grossman_zhou(capital, highest, 0.25, 4.0, 10.0).unwrap().exposure;
        capital += exposure * (0.000_1 + 0.01 * random.normal());
        highest = highest.max(capital);
        assert!(capital > 0.75 * highest);
    }
}

#[test]
fn what_has_no_answer_is_refused() {
    let outside = |result: Result<f64, GrowthError>| matches!(result, Err(GrowthError::Outside { .. }));
    assert!(outside(kelly_bet(1.1, 1.0)) && outside(kelly_bet(0.5, 0.0)) && outside(kelly_bet(f64::NAN, 1.0)));
    assert!(outside(kelly_normal(0.1, 0.0)) && outside(kelly_normal(f64::INFINITY, 1.0)));
    assert!(outside(kelly_shrinkage(0.1, 1.0, 0)));
    assert_eq!(kelly_empirical(&[0.1]), Err(GrowthError::TooFew { count: 1, fewest: 2 }));
    assert_eq!(kelly_empirical(&[0.1, 0.2]), Err(GrowthError::NoLoss));
    assert!(
        gamblers_ruin(0.0, 1, 2).is_err() && gamblers_ruin(0.5, 2, 2).is_err() && gamblers_ruin(0.5, 0, 2).is_err()
    );
    assert!(Walk::new(0.1, 0.0).is_err() && Walk::new(f64::NAN, 1.0).is_err());
    let walk = Walk::new(0.1, 0.2).unwrap();
    assert!(outside(walk.loses(1.0, 1.0)) && outside(walk.draws_down(0.0, 1.0)) && outside(walk.loses(0.5, 0.0)));
    assert!(Bootstrap::new(&[0.1, -1.0, 0.2, 0.1], 1.0, 5, 1).is_err());
    assert!(matches!(Bootstrap::new(&[0.1, 0.2, 0.3], 2.0, 5, 1), Err(GrowthError::TooFew { count: 3, fewest: 4 })));
    assert!(cppi(0.0, 0.0, 1.0, 1.0).is_err() && grossman_zhou(2.0, 1.0, 0.5, 1.0, 1.0).is_err());
}
