//! Value at risk by full revaluation: `cargo bench -p trimtab-risk --bench joint`. Thread CPU time of making ready, pricing everything and
//! the two figures, median of nine, beside numpy in the same run if `TRIMTAB_PYTHON` names a Python that has it; the figures must agree.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement starts its baseline")]

use cpu_time::ThreadTime;
use market::Currency;
use pricing::options::{Simd, SimdName};
use pricing::surface::Sticky;
use risk::greeks::SmilePoint;
use risk::scenario::{Holding, JointMoves, Portfolio, Revaluation, Scenario, Settlement, VolMove};
use risk::tail::Tail;
use std::hint::black_box;
use units::{Duration, OptionRight, Price, Qty, Timestamp};

const PRICE: f64 = 60_000.0;
const CONFIDENCES: [f64; 2] = [0.99, 0.975];

fn main() {
    for (options, scenarios, skewed) in [(1_000, 10_000, false), (1_000, 10_000, true), (100, 1_000, false)] {
        println!("{options} options × {scenarios} scenarios{}", if skewed { ", of skews as well" } else { "" });
        let numpy = numpy(options, scenarios, skewed);
        match numpy {
            Some([time, ..]) => println!("  numpy   {time:>8.2} ms"),
            None => println!("  no numpy beside it (`TRIMTAB_PYTHON` names a Python that has it)"),
        }
        let (portfolio, moves) = (portfolio(options), moves(scenarios, skewed));
        for (name, simd) in SimdName::ALL.into_iter().rev().filter_map(|name| Some((name, Simd::new(name)?))) {
            let (mut revaluation, mut profits) = (Revaluation::new(simd), Vec::new());
            let mut figures = [0.0; 2];
            let time = median(|| {
                revaluation.ready(&portfolio).unwrap().profits(&moves, &mut profits).unwrap();
                let [first, second] = CONFIDENCES.map(|confidence| Tail::of(&profits, confidence).unwrap());
                figures = [first.value_at_risk(), second.expected_shortfall()];
            });
            let each = time * 1e6 / (options * scenarios) as f64;
            println!("  {:<7} {time:>8.2} ms, {each:.2} ns a price", name.to_string());
            if let Some([_, value_at_risk, shortfall]) = numpy {
                let near = |ours: f64, theirs: f64| (ours - theirs).abs() < 1e-9 * theirs.abs();
                assert!(near(figures[0], value_at_risk) && near(figures[1], shortfall), "{figures:?}, numpy {numpy:?}");
            }
            let mut ready = revaluation.ready(&portfolio).unwrap();
            let time = median(|| ready.profits_by_line(&moves, |_, profits| _ = black_box(profits)).unwrap());
            println!("  {:<7} {time:>8.2} ms line by line", name.to_string());
        }
    }
}

fn median(mut once: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let begin = ThreadTime::now();
            once();
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[4]
}

/// As `benches/joint_numpy.py` makes it.
fn portfolio(count: usize) -> Portfolio {
    let btc: Currency = "BTC".parse().unwrap();
    let expiry = |number: usize| Timestamp::from_nanos((1 + 15 * number as i64) * Duration::DAY.nanos());
    let mut portfolio = Portfolio::new(Currency::USD, Timestamp::default());
    portfolio.set_price(btc, PRICE).unwrap();
    for number in 0..12 {
        portfolio.set_forward(btc, expiry(number), PRICE + 100.0 * number as f64).unwrap();
    }
    for index in 0..count {
        let strike = 30_000 + index / 12 * (60_000 / (count / 12 + 1));
        let option = Holding::Option {
            underlying: btc,
            expiry: expiry(index % 12),
            strike: Price::from_raw(strike as i64 * Price::ONE),
            right: if index % 5 < 2 { OptionRight::Call } else { OptionRight::Put },
            settlement: Settlement::Coin,
            quantity: Qty::from_raw((index as i64 % 7 - 3) * (Qty::ONE / 2) - Qty::ONE / 10),
            point: SmilePoint { vol: 0.3 + 0.9 * (index * 53 % 991) as f64 / 991.0, slope: -0.1 },
        };
        portfolio.hold(option).unwrap();
    }
    portfolio
}

/// As `benches/joint_numpy.py` makes them.
fn moves(count: usize, skewed: bool) -> JointMoves {
    let vol = VolMove { short_power: 0.3, long_power: 0.13, floor: 0.05, ..VolMove::NONE };
    let day = Scenario { vol, time: Duration::DAY, sticky: Sticky::Moneyness, ..Scenario::still("a day") };
    let spread = |index: usize, step: usize| (index * step % 100_003) as f64 / 100_003.0 - 0.5;
    let [first, second, third] = [7_919, 104_729, 15_485_863].map(|step| move |index| spread(index, step));
    let btc: Currency = "BTC".parse().unwrap();
    let mut moves = JointMoves::new(count, day);
    moves.set_prices(btc, (0..count).map(|row| 1.0 + 0.2 * first(row) * (1.0 + second(row))).collect()).unwrap();
    moves.set_vols(btc, (0..count).map(|row| 0.4 * third(row) - 0.8 * first(row)).collect()).unwrap();
    if skewed {
        moves.set_skews(btc, (0..count).map(|row| 0.1 * second(row)).collect()).unwrap();
    }
    moves
}

/// Time in ms, value at risk and expected shortfall.
fn numpy(options: usize, scenarios: usize, skewed: bool) -> Option<[f64; 3]> {
    let python = std::env::var_os("TRIMTAB_PYTHON").unwrap_or_else(|| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/joint_numpy.py");
    let sizes = [options, scenarios, usize::from(skewed)].map(|size| size.to_string());
    let output = std::process::Command::new(python).arg(script).args(sizes).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let numbers: Vec<f64> = text.split_whitespace().map_while(|number| number.parse().ok()).collect();
    numbers.try_into().ok()
}
