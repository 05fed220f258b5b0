//! Floors on paths without jumps and with them, against Cont and Tankov's closed form; Kelly's multiple by drawn futures.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use common::Random;
use risk::growth::{
    Bootstrap, Gap, Jumps, cppi, cppi_gap, cppi_step_gap, grossman_zhou, kelly_empirical, kelly_normal,
    multiplier_of_gap,
};
use units::math::{exp, ln, sqrt};

/// A price that goes on in small steps never takes capital under its floor, whatever the multiplier and however it falls.
#[test]
fn floors_hold_on_paths_without_jumps() {
    let mut random = Random(41);
    for (multiplier, volatility, drift) in [(3.0, 0.6, 0.2), (5.0, 0.8, -2.0), (8.0, 1.0, -4.0), (2.0, 1.5, 0.0)] {
        for _ in 0..40 {
            let steps = 20_000;
            let step = 1.0 / f64::from(steps);
            let (mut capital, floor) = (100.0_f64, 80.0);
            let (mut other, mut highest) = (100.0_f64, 100.0_f64);
            for _ in 0..steps {
                let change =
                    exp((drift - volatility * volatility / 2.0) * step + volatility * sqrt(step) * random.normal())
                        - 1.0;
                capital += cppi(capital, floor, multiplier, 100.0).unwrap().exposure * change;
                other += grossman_zhou(other, highest, 0.2, multiplier, 100.0).unwrap().exposure * change;
                highest = highest.max(other);
                assert!(capital > floor && other > 0.8 * highest, "{multiplier}: {capital}, {other} of {highest}");
            }
        }
    }
    // In few steps it is broken, as often as told: a month in days at eight times the cushion.
    let (multiplier, volatility, step) = (8.0, 1.2, 1.0 / 365.0);
    let told = cppi_step_gap(multiplier, volatility, step, 30).unwrap();
    let paths = 20_000;
    let mut broken = 0;
    for _ in 0..paths {
        let mut capital = 100.0;
        for _ in 0..30 {
            let change = exp(-volatility * volatility / 2.0 * step + volatility * sqrt(step) * random.normal()) - 1.0;
            capital += cppi(capital, 80.0, multiplier, 100.0).unwrap().exposure * change;
            // Nothing is at risk any more.
            if capital < 80.0 {
                break;
            }
        }
        broken += u32::from(capital < 80.0);
    }
    let share = f64::from(broken) / f64::from(paths);
    assert!((share - told).abs() < 4.0 * sqrt(told * (1.0 - told) / f64::from(paths)), "{share} is not {told}");
}

/// Merton's jumps by simulation: how often the floor is broken, and by how much of the first cushion.
#[test]
fn jumps_break_floors_as_in_cont_and_tankov() {
    let mut random = Random(43);
    for (multiplier, jumps, drift) in [
        (4.0, Jumps { intensity: 2.0, mean: -0.15, deviation: 0.15 }, 0.3),
        (3.0, Jumps { intensity: 5.0, mean: -0.1, deviation: 0.2 }, -0.1),
        (6.0, Jumps { intensity: 1.0, mean: 0.0, deviation: 0.2 }, 0.0),
    ] {
        let years = 0.5;
        let told = cppi_gap(multiplier, drift, jumps, years).unwrap();
        let (paths, volatility) = (200_000, 0.3);
        let (mut broken, mut loss, mut squares) = (0.0, 0.0, 0.0);
        for _ in 0..paths {
            // The cushion between jumps is known in closed form, so that only jumps are drawn.
            let (mut left, mut cushion) = (years, 1.0_f64);
            loop {
                let wait = (-ln(1.0 - random.unit()) / jumps.intensity).min(left);
                let spread = multiplier * volatility;
                let grown = (multiplier * drift - spread * spread / 2.0) * wait + spread * sqrt(wait) * random.normal();
                cushion *= exp(grown);
                left -= wait;
                if left <= 0.0 {
                    break;
                }
                let fall = exp(jumps.mean + jumps.deviation * random.normal()) - 1.0;
                let exposure = cppi(1.0 + cushion, 1.0, multiplier, 1e9).unwrap().exposure;
                cushion += exposure * fall;
                if cushion <= 0.0 {
                    broken += 1.0;
                    loss -= cushion;
                    squares += cushion * cushion;
                    break;
                }
            }
        }
        let count = f64::from(paths);
        let (share, mean) = (broken / count, loss / count);
        let (share_error, error) = (sqrt(share * (1.0 - share) / count), sqrt((squares / count - mean * mean) / count));
        assert!((share - told.chance).abs() < 4.0 * share_error, "{multiplier}: {share} is not {told:?}");
        assert!((mean - told.expected).abs() < 4.0 * error, "{multiplier}: {mean} ± {error} is not {told:?}");
        assert!((told.when_broken * told.chance - told.expected).abs() < 1e-15);
        // And back: the multiplier that has this chance.
        let back = multiplier_of_gap(told.chance, jumps, years, 100.0).unwrap();
        assert!((back / multiplier - 1.0).abs() < 1e-6, "{back}");
    }
    let jumps = Jumps { intensity: 2.0, mean: -0.15, deviation: 0.15 };
    assert_eq!(cppi_gap(1.0, 0.0, jumps, 1.0).unwrap(), Gap { chance: 0.0, expected: 0.0, when_broken: 0.0 });
    assert_eq!(cppi_gap(5.0, 0.0, Jumps { intensity: 0.0, ..jumps }, 1.0).unwrap().chance, 0.0);
    assert_eq!(multiplier_of_gap(0.99, Jumps { intensity: 0.1, ..jumps }, 1.0, 12.0), Ok(12.0));
    assert!(cppi_gap(0.0, 0.0, jumps, 1.0).is_err() && cppi_gap(2.0, 0.0, jumps, 0.0).is_err());
    assert!(cppi_gap(2.0, 0.0, Jumps { deviation: 0.0, ..jumps }, 1.0).is_err());
    assert!(multiplier_of_gap(1.0, jumps, 1.0, 10.0).is_err() && cppi_step_gap(2.0, 0.5, 0.1, 0).is_err());
}

/// Over many futures that are drawn from normal returns the multiple of highest growth is mean over variance.
#[test]
fn kelly_by_drawn_futures_is_the_closed_form() {
    let mut random = Random(47);
    let raw: Vec<f64> = (0..5_000).map(|_| random.normal()).collect();
    let mean = raw.iter().sum::<f64>() / 5e3;
    let deviation = sqrt(raw.iter().map(|one| (one - mean) * (one - mean)).sum::<f64>() / 5e3);
    let returns: Vec<f64> = raw.iter().map(|one| 0.000_5 + 0.01 * (one - mean) / deviation).collect();
    let closed = kelly_normal(0.000_5, 0.000_1).unwrap();
    let own = kelly_empirical(&returns).unwrap();
    assert!((own / closed - 1.0).abs() < 0.02, "{own} {closed}");
    let bootstrap = Bootstrap::new(&returns, 5.0, 365, 3).unwrap();
    let factors: Vec<f64> = (1..=20).map(|at| 0.1 * f64::from(at)).collect();
    let mut growth = vec![0.0; factors.len()];
    for path in 0..4_000 {
        bootstrap.draw(path, |at| {
            for (sum, factor) in growth.iter_mut().zip(&factors) {
                *sum += ln(1.0 + closed * factor * returns[at]);
            }
        });
    }
    let best = (0..factors.len()).max_by(|one, other| growth[*one].total_cmp(&growth[*other])).unwrap();
    assert!((factors[best] - 1.0).abs() < 0.11, "{} {growth:?}", factors[best]);
    // Growth is f m − f² v ÷ 2, to what third moments are: at the best half of mean² ÷ variance; at twice of it none.
    let a_year = |at: usize| growth[at] / 4_000.0;
    assert!((a_year(9) / (365.0 * 0.000_5 * closed / 2.0) - 1.0).abs() < 0.05 && a_year(19).abs() < 0.05, "{growth:?}");
}
