//! Reductions of books: `cargo bench -p trimtab-risk --bench reduction`. Thread CPU time of a whole plan, from profits by position and
//! scenario to the verified orders, medians of nine; books whose positions hedge each other and some that do not, with and without impact.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]

use cpu_time::ThreadTime;
use risk::hedging::{Instrument, Kind, Need, choose};
use risk::reduction::{Cost, Figure, Limit, Outcome, Position, Sample, Solver};
use risk::tail::Tail;
use units::random::Random;

fn main() {
    hedges();
    let scenarios = 1_000;
    for (count, goal) in [(20, 1.0), (100, 50.0)] {
        for (lean, impact) in [(-0.4, 0.0), (-0.4, 1.0), (-1.0, 0.0), (-1.0, 1.0)] {
            let mut worst = 0.0_f64;
            let mut sum = 0.0;
            let mut gap = 0.0_f64;
            let books = 9;
            for seed in 0..books {
                let (positions, profits) = book(seed, count, scenarios, lean, impact);
                let sample = Sample { profits: &profits, rest: &[], scenarios };
                let whole: Vec<f64> = (0..scenarios)
                    .map(|scenario| (0..count).map(|at| profits[at * scenarios + scenario]).sum::<f64>())
                    .collect();
                let before = Tail::of(&whole, 0.975).unwrap().expected_shortfall();
                let figure = Figure::ExpectedShortfall { sample: 0, confidence: 0.975 };
                let limits = [Limit { figure, limit: before * 0.9, restore: before * 0.6 }];
                let mut solver = Solver::new();
                let mut times: Vec<f64> = (0..9)
                    .map(|_| {
                        let begin = ThreadTime::now();
                        let plan = solver.solve(&positions, &[sample], &limits).unwrap();
                        let time = begin.elapsed().as_secs_f64() * 1e3;
                        assert_eq!(plan.outcome, Outcome::Restored);
                        gap = gap.max(plan.gap() / plan.cost);
                        time
                    })
                    .collect();
                times.sort_by(f64::total_cmp);
                worst = worst.max(times[4]);
                sum += times[4];
            }
            println!(
                "{count} positions, loads from {lean}, impact {impact}: {:.2} ms, slowest {worst:.2}; goal {goal}; largest gap {:.2} %",
                sum / f64::from(books as u32),
                100.0 * gap
            );
        }
    }
}

/// A choice among twelve instruments.
fn hedges() {
    let one = Instrument {
        kind: Kind::Future,
        delta: 1.0,
        half_spread: 0.5,
        impact: 0.01,
        fee: 2.0,
        ..Instrument::default()
    };
    let instruments: Vec<Instrument> = (1..=12)
        .map(|at| Instrument { expiry: Some(0.01 * f64::from(at)), margin: 5e3, lot: 0.1, most: [1e3; 2], ..one })
        .collect();
    let mut offers = Vec::new();
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let begin = ThreadTime::now();
            for at in 0..1_000 {
                let need = Need { delta: 1.0 + f64::from(at), years: 0.1, capital: 0.1, is_closed: true };
                std::hint::black_box(choose(&instruments, &need, &mut offers).unwrap());
            }
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("a choice among 12 instruments: {:.3} µs; goal 50", times[4]);
}

/// Three factors and noise of their own; a quarter of the positions lose on moves to either side.
fn book(seed: u64, count: usize, scenarios: usize, lean: f64, impact: f64) -> (Vec<Position>, Vec<f64>) {
    let random = Random::new(seed);
    let bell = |series: usize, at: usize| {
        let [a, b] = random.uniform(series as u64, 2 * at as u64);
        let [c, d] = random.uniform(series as u64, 2 * at as u64 + 1);
        a + b + c + d - 2.0
    };
    let (mut positions, mut profits) = (Vec::new(), Vec::new());
    for at in 0..count {
        let [x, y] = random.uniform(900, 3 * at as u64);
        let [z, s] = random.uniform(900, 3 * at as u64 + 1);
        let [bent, price] = random.uniform(900, 3 * at as u64 + 2);
        let loads = [x, y, z].map(|load| lean + (1.0 - lean) * load);
        let size = 0.2 + 2.8 * s;
        for scenario in 0..scenarios {
            let factor: f64 = loads.iter().enumerate().map(|(number, load)| load * bell(number, scenario)).sum();
            let sum = factor + 0.4 * bell(1_000 + at, scenario);
            profits.push(if bent < 0.25 { size * (0.4 - sum.abs()) } else { size * sum });
        }
        let half_spread = size * (0.002 + 0.018 * price);
        let cost = Cost { half_spread, impact: impact * size * 0.005, ..Cost::default() };
        positions.push(Position { held: 10.0, lot: 0.1, fewest: 0.0, cost });
    }
    (positions, profits)
}
