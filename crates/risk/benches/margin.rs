//! The margin of 500 options in 31 scenarios and three moves of the basis: `cargo bench -p trimtab-risk --bench margin`. Thread CPU time,
//! median of nine rounds' medians.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement reports on stdout")]

use cpu_time::ThreadTime;
use market::{Currency, Instrument, InstrumentKind};
use pricing::options::Simd;
use risk::venues::derive::Pmrm2;
use risk::venues::{Balance, Parameters, Portfolio, Position, Term, Underlying};
use std::hint::black_box;
use units::{Duration, OptionRight, Price, Qty, Timestamp};

const ROUNDS: usize = 9;

fn main() {
    let (portfolio, coin, dollar) = portfolio();
    let mut account = Pmrm2::new(&portfolio, &Parameters::derive_pmrm2(), (coin, dollar), Simd::best()).unwrap();
    println!("{:<64} {:>9}", "500 options, 12 expiries, 34 moves", "p50 ns");
    measure("the clock alone", 20_000, || {});
    let mut index = 3000.0;
    measure("a tick: every option in every scenario, sums", 200, || {
        index += if index > 3050.0 { -50.0 } else { 0.05 };
        account.set_index(index, Simd::best()).unwrap();
        black_box(account.sums());
    });
    let mut lots = 0;
    measure("a fill: sums", 20_000, || {
        lots = lots % 1_000 + 1;
        account.hold(250, Qty::from_raw(lots * 1_000_000));
        black_box(account.sums());
    });
}

fn measure(what: &str, times: usize, mut once: impl FnMut()) {
    let mut medians: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let mut taken: Vec<u128> = (0..times)
                .map(|_| {
                    let begin = ThreadTime::now();
                    once();
                    begin.elapsed().as_nanos()
                })
                .collect();
            taken.sort_unstable();
            taken[times / 2]
        })
        .collect();
    medians.sort_unstable();
    println!("{what:<64} {:>9}", medians[ROUNDS / 2]);
}

fn portfolio() -> (Portfolio, Currency, Currency) {
    let (coin, dollar): (Currency, Currency) = ("ETH".parse().unwrap(), "USDC".parse().unwrap());
    let at: Timestamp = "2025-06-01".parse().unwrap();
    let expiry = |number: i64| Timestamp::from_nanos(at.nanos() + (1 + 15 * number) * Duration::DAY.nanos());
    let position = |index: usize| {
        let strike = Price::from_raw((1500 + (index / 12) as i64 * 75) * Price::ONE);
        let right = if index % 5 < 2 { OptionRight::Call } else { OptionRight::Put };
        let kind = InstrumentKind::LinearOption { expiry: expiry((index % 12) as i64), strike, right };
        let (tick, lot) = (Price::from_raw(1), Qty::from_raw(1));
        let symbol = format!("derive:ETH-{index}");
        let instrument =
            Instrument { symbol, kind, base: coin, quote: dollar, settle: dollar, tick, lot, min_qty: lot };
        let mut position = Position::new(instrument, Qty::from_raw((index as i64 % 7 - 3) * 50_000_000 + 10_000_000));
        position.vol = Some(0.3 + 0.9 * (index * 53 % 991) as f64 / 991.0);
        position
    };
    let term = |number: i64| {
        let forward = 3000.0 + 5.0 * number as f64;
        Term { underlying: coin, expiry: expiry(number), forward, rate: 0.05, confidence: 1.0 }
    };
    let portfolio = Portfolio {
        at,
        balances: vec![Balance { currency: dollar, amount: "1000000".parse().unwrap() }],
        positions: (0..500).map(position).collect(),
        underlyings: vec![
            Underlying { currency: coin, index: 3000.0, confidence: 1.0 },
            Underlying { currency: dollar, index: 1.0, confidence: 1.0 },
        ],
        expiries: (0..12).map(term).collect(),
        ..Portfolio::default()
    };
    (portfolio, coin, dollar)
}
