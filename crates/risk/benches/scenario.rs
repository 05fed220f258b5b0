//! Full revaluation and boundaries of liquidation: `cargo bench -p trimtab-risk --bench scenario`. Thread CPU time, median of nine rounds'
//! medians and of their 99th percentiles.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]

use cpu_time::ThreadTime;
use market::Currency;
use pricing::options::{Simd, SimdName};
use risk::greeks::SmilePoint;
use risk::liquidation::{Search, boundaries};
use risk::scenario::{
    Bound, Drift, Holding, Move, Outcomes, Portfolio, Reach, Revaluation, Scenario, Settlement, VolMove,
};
use std::hint::black_box;
use units::{Duration, Notional, OptionRight, Price, Qty, Timestamp};

const ROUNDS: usize = 9;
const RUNS: usize = 300;

fn main() {
    println!("{:<64} {:>9} {:>9}", "500 options, 12 expiries, one coin", "p50 µs", "p99 µs");
    let portfolio = portfolio(500);
    let like = Scenario::still("grid");
    let vols =
        [0.5, 0.25, 0.0, -0.25].map(|share| VolMove { short_power: 0.3, long_power: 0.13, ..VolMove::relative(share) });
    let mut returns = Scenario::even_returns(0.16, 4);
    returns.push(0.5);
    let grid = Scenario::grid(&returns, &vols, &like);
    assert_eq!(grid.len(), 40);
    for (name, simd) in SimdName::ALL.into_iter().rev().filter_map(|name| Some((name, Simd::new(name)?))) {
        let (mut revaluation, mut outcomes) = (Revaluation::new(simd), Outcomes::default());
        measure(&format!("profits under 40 scenarios, {name}"), || {
            revaluation.run(&portfolio, &grid, &mut outcomes).unwrap();
            black_box(&outcomes);
        });
        let mut ready = revaluation.ready(&portfolio).unwrap();
        measure(&format!("the same, the portfolio ready, {name}"), || {
            ready.run(&grid, &mut outcomes).unwrap();
            black_box(&outcomes);
        });
        measure(&format!("value under one scenario, the portfolio ready, {name}"), || {
            black_box(ready.value(&grid[0]).unwrap());
        });
        revaluation.run(&portfolio, &grid, &mut outcomes).unwrap();
        let mut lots = 0;
        measure(&format!("after a fill, 40 scenarios, {name}"), || {
            lots = lots % 1_000 + 1;
            outcomes.hold(250, Qty::from_raw(lots * 1_000_000), Notional::ZERO);
            black_box(&outcomes);
        });
        let mut bound = Bound::default();
        let still = Scenario::still("now");
        measure(&format!("a bound made anew, {name}"), || {
            revaluation.ready(&portfolio).unwrap().bound(&still, &Reach::default(), &mut bound).unwrap();
            black_box(&bound);
        });
        let mut ready = revaluation.ready(&portfolio).unwrap();
        measure(&format!("a bound, the portfolio ready, {name}"), || {
            ready.bound(&still, &Reach::default(), &mut bound).unwrap();
            black_box(&bound);
        });
        let mut followed = risk::scenario::Followed::new(portfolio.clone(), simd);
        let (mut tick, coin) = (60_000.0, "BTC".parse().unwrap());
        measure(&format!("a tick out of reach: priced again, a bound made anew, {name}"), || {
            tick += if tick > 60_500.0 { -400.0 } else { 1.7 };
            followed.set_price(coin, tick).unwrap();
            followed.ready().unwrap().bound(&still, &Reach::default(), &mut bound).unwrap();
            black_box(&bound);
        });
        let (mut drift, mut price, btc) = (Drift::of(&portfolio), 60_000.0, "BTC".parse().unwrap());
        measure(&format!("a thousand ticks inside it, {name}"), || {
            for _ in 0..1_000 {
                price += if price > 60_500.0 { -400.0 } else { 1.7 };
                drift.set_price(btc, price).unwrap();
                black_box(bound.interval(&drift));
            }
        });
        measure(&format!("a region of one threshold, a thousand times, {name}"), || {
            for _ in 0..1_000 {
                black_box(bound.region(black_box(-2_000_000.0), &drift, btc));
            }
        });
        let mut scenario = Scenario::still("price");
        let mut evaluations = 0;
        let mut search = |ready: &mut risk::scenario::Ready<'_>| {
            evaluations = 0;
            let found = boundaries(&Search::price(60_000.0), |price| {
                evaluations += 1;
                scenario.spot.others = Move::Return(price / 60_000.0 - 1.0);
                2_850_000.0 + ready.value(&scenario).unwrap()
            });
            found.unwrap()
        };
        measure(&format!("boundaries over price, both sides, {name}"), || {
            black_box(search(&mut revaluation.ready(&portfolio).unwrap()));
        });
        let mut ready = revaluation.ready(&portfolio).unwrap();
        measure(&format!("the same, the portfolio ready, {name}"), || {
            black_box(search(&mut ready));
        });
        let found = search(&mut ready);
        println!("    {evaluations} evaluations, {:?} {:?}", found.below.is_some(), found.above.is_some());
    }
}

fn measure(what: &str, mut once: impl FnMut()) {
    let (mut medians, mut tails) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut times: Vec<u128> = (0..RUNS)
            .map(|_| {
                let begin = ThreadTime::now();
                once();
                begin.elapsed().as_nanos()
            })
            .collect();
        times.sort_unstable();
        medians.push(times[RUNS / 2]);
        tails.push(times[RUNS * 99 / 100]);
    }
    medians.sort_unstable();
    tails.sort_unstable();
    println!("{what:<64} {:>9.1} {:>9.1}", medians[ROUNDS / 2] as f64 / 1e3, tails[ROUNDS / 2] as f64 / 1e3);
}

/// Strikes from half to double, in twelve expiries, paid for in coin.
fn portfolio(count: usize) -> Portfolio {
    let btc: Currency = "BTC".parse().unwrap();
    let expiry = |number: i64| Timestamp::from_nanos((1 + 15 * number) * Duration::DAY.nanos());
    let mut portfolio = Portfolio::new(Currency::USD, Timestamp::default());
    portfolio.set_price(btc, 60_000.0).unwrap();
    for number in 0..12 {
        portfolio.set_forward(btc, expiry(number), 60_000.0 + 100.0 * number as f64).unwrap();
    }
    for index in 0..count {
        portfolio
            .hold(Holding::Option {
                underlying: btc,
                expiry: expiry((index % 12) as i64),
                strike: Price::from_raw(30_000 * Price::ONE + (index / 12) as i64 * 2_000 * Price::ONE),
                right: if index % 5 < 2 { OptionRight::Call } else { OptionRight::Put },
                settlement: Settlement::Coin,
                quantity: Qty::from_raw((index as i64 % 7 - 3) * 50_000_000 - 10_000_000),
                point: SmilePoint { vol: 0.3 + 0.9 * (index * 53 % 991) as f64 / 991.0, slope: -0.1 },
            })
            .unwrap();
    }
    portfolio
}
