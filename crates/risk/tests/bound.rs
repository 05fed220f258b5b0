//! The bound between two revaluations: against everything priced again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;

use common::Random;
use market::Currency;
use pricing::options::{Simd, SimdName};
use pricing::surface::Sticky;
use risk::greeks::SmilePoint;
use risk::scenario::{
    Bound, Drift, Holding, Move, Outcomes, Portfolio, Reach, Revaluation, Scenario, Settlement, SpotMoves, VolMove,
};
use units::{Cash, Duration, Notional, OptionRight, Price, Qty, Round, Timestamp};

const HOUR: i64 = 3_600 * 1_000_000_000;
const COINS: [(&str, f64); 2] = [("BTC", 60_000.0), ("ETH", 3_000.0)];
const EXPIRIES: [i64; 6] = [0, 2, 26, 9 * 24, 45 * 24, 300 * 24];

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn hours(hours: i64) -> Timestamp {
    Timestamp::from_nanos(hours * HOUR)
}

fn amount(value: f64) -> Cash {
    Cash::from_estimate(value, Round::Nearest).unwrap()
}

fn holding(random: &mut Random) -> Holding {
    let (code, price) = COINS[random.below(2) as usize];
    let underlying = currency(code);
    let settlement = match random.below(7) {
        0 => Settlement::Quote(currency("USDT")),
        1 => Settlement::Quote(Currency::USD),
        2 => Settlement::Quanto { quoted: Currency::USD, paid: currency("USDT") },
        3 => Settlement::Quanto { quoted: currency("USDT"), paid: currency("USDC") },
        _ => Settlement::Coin,
    };
    let expiry = hours(EXPIRIES[random.below(6) as usize]);
    match random.below(8) {
        0 => {
            let currency = currency(["BTC", "ETH", "USDT"][random.below(3) as usize]);
            Holding::Balance { currency, amount: amount(random.between(-3.0, 5.0)) }
        }
        1 => {
            let size = random.between(-3.0, 3.0);
            let (quantity, cost) = match settlement {
                Settlement::Coin => (size * price, -size * random.between(0.9, 1.1)),
                _ => (size, size * price * random.between(0.9, 1.1)),
            };
            let expiry = (random.below(2) == 0).then_some(expiry);
            let quantity = Qty::from_estimate(quantity, Round::Nearest).unwrap();
            let cost = Notional::from_estimate(cost, Round::Nearest).unwrap();
            Holding::Future { underlying, expiry, settlement, quantity, cost }
        }
        _ => Holding::Option {
            underlying,
            expiry,
            strike: Price::from_estimate((price * random.between(0.7, 1.4)).round(), Round::Nearest).unwrap(),
            right: if random.below(2) == 0 { OptionRight::Call } else { OptionRight::Put },
            settlement,
            quantity: Qty::from_estimate(random.between(-5.0, 5.0), Round::Nearest).unwrap(),
            point: SmilePoint { vol: random.between(0.3, 1.2), slope: random.between(-0.3, 0.2) },
        },
    }
}

fn portfolio(random: &mut Random) -> Portfolio {
    let account = ["USD", "USDT", "BTC"][random.below(3) as usize];
    let mut portfolio = Portfolio::new(currency(account), hours(0));
    portfolio.set_price(currency("USDT"), 0.998).unwrap();
    portfolio.set_price(currency("USDC"), 1.001).unwrap();
    for (code, price) in COINS {
        portfolio.set_price(currency(code), price).unwrap();
        portfolio.set_vol(currency(code), 0.7).unwrap();
        for expiry in EXPIRIES {
            portfolio.set_forward(currency(code), hours(expiry), price * (1.0 + 1e-5 * expiry as f64)).unwrap();
            portfolio.set_discount(currency(code), hours(expiry), 1.0 - 1e-6 * expiry as f64).unwrap();
        }
    }
    for _ in 0..1 + random.below(40) {
        let holding = holding(random);
        match &holding {
            Holding::Future { underlying, .. } if random.below(2) == 0 => {
                let (_, price) = COINS.into_iter().find(|(code, _)| currency(code) == *underlying).unwrap();
                portfolio.hold_at(holding, price * random.between(0.98, 1.03)).unwrap();
            }
            _ => drop(portfolio.hold(holding).unwrap()),
        }
    }
    portfolio
}

fn scenario(random: &mut Random) -> Scenario {
    let some = |random: &mut Random, low, high| if random.below(2) == 0 { 0.0 } else { random.between(low, high) };
    if random.below(3) == 0 {
        return Scenario::still("now");
    }
    Scenario {
        spot: SpotMoves {
            others: Move::Return(random.between(-0.4, 0.5)),
            each: vec![(currency("ETH"), Move::Deviations(random.between(-3.0, 3.0)))],
        },
        vol: VolMove {
            relative: some(random, -0.3, 1.0),
            absolute: some(random, -0.1, 0.3),
            twist: some(random, -0.05, 0.2),
            short: some(random, -0.05, 0.2),
            skew: some(random, -0.1, 0.1),
            tilt: some(random, -0.1, 0.1),
            short_power: some(random, 0.0, 0.4),
            long_power: some(random, 0.0, 0.3),
            shortest_days: 1.0,
            floor: some(random, 0.0, 0.6),
        },
        sticky: if random.below(2) == 0 { Sticky::Strike } else { Sticky::Moneyness },
        time: Duration::from_nanos(random.below(3) as i64 * 5 * HOUR),
        funding: some(random, -0.001, 0.001),
        dollars: vec![(currency("USDT"), some(random, -0.2, 0.05)), (currency("USDC"), some(random, -0.2, 0.05))],
        ..Scenario::still("random")
    }
}

/// Where the market is later, told to the bound and to a portfolio that is priced again.
struct Later {
    drift: Drift,
    portfolio: Portfolio,
    /// Lines with prices of their own that were told.
    owned: Vec<(usize, f64)>,
}

fn later(random: &mut Random, portfolio: &Portfolio, reach: f64) -> Later {
    let (mut drift, mut after) = (Drift::of(portfolio), portfolio.clone());
    let far = reach * [1e-3, 0.1, 0.6, 1.0][random.below(4) as usize];
    for (code, price) in COINS.into_iter().chain([("USDT", 0.998), ("USDC", 1.001)]) {
        let far = if code.starts_with("USD") { 0.1 * far } else { 0.9 * far };
        let price = price * (1.0 + random.between(-far, far));
        drift.set_price(currency(code), price).unwrap();
        after.set_price(currency(code), price).unwrap();
    }
    // Futures that are held at a price of their own; of others nothing changes.
    let mut owned = Vec::new();
    if random.below(2) == 0 {
        let futures = after.holdings().enumerate().filter_map(|(line, holding)| match holding {
            Holding::Future { underlying, .. } => Some((line, *underlying)),
            _ => None,
        });
        for (line, coin) in futures.collect::<Vec<_>>() {
            let (_, price) = after.prices().find(|(known, _)| *known == coin).unwrap();
            let price = price * random.between(0.97, 1.04);
            drift.set_own_price(line, price).unwrap();
            after.set_own_price(line, price).unwrap();
            owned.push((line, price));
        }
    }
    if random.below(2) == 0 {
        let now = Timestamp::from_nanos(random.below(600_000_000_000) as i64);
        drift.set_time(now);
        after.set_time(now);
    }
    if random.below(2) == 0 {
        let (share, radius) = (random.between(-far, far), random.between(0.0, 0.3 * far));
        drift.set_vols(share, radius);
        let points: Vec<_> = after
            .holdings()
            .map(|holding| match holding {
                Holding::Option { point, .. } => Some(*point),
                _ => None,
            })
            .collect();
        for (line, point) in points.into_iter().enumerate() {
            if let Some(point) = point {
                let vol = point.vol * (1.0 + share) * (1.0 + random.between(-radius, radius));
                after.set_point(line, SmilePoint { vol, ..point }).unwrap();
            }
        }
    }
    Later { drift, portfolio: after, owned }
}

/// Random books under random scenarios and random moves since: the value and the profit lie in between, always; and a region of prices
/// keeps what it promises at its ends and inside.
#[test]
fn everything_priced_again_lies_in_between() {
    let mut random = Random(77);
    let (mut inside, mut outside, mut regions, mut undecided, mut boxes) = (0, 0, 0, 0, 0);
    let mut revaluation = Revaluation::new(Simd::best());
    let (mut outcomes, mut now, mut then) = (Outcomes::default(), Bound::default(), Bound::default());
    for round in 0..5_000 {
        let portfolio = portfolio(&mut random);
        let scenario = scenario(&mut random);
        let reach = Reach { price: [0.001, 0.01, 0.05, 0.2][random.below(4) as usize], ..Reach::default() };
        let mut ready = revaluation.ready(&portfolio).unwrap();
        ready.bound(&Scenario::still("now"), &reach, &mut now).unwrap();
        // Every other book on smiles that are no lines: what a strike gains by a move of all is its own.
        let is_whole = round % 2 == 1;
        let follow = |line: usize, _: f64, by: f64| 0.08 * by * ((line % 5) as f64 - 2.0) + 0.1 * by * by;
        if is_whole {
            ready.bound_on(&scenario, &reach, &mut then, follow).unwrap();
        } else {
            ready.bound(&scenario, &reach, &mut then).unwrap();
        }
        let profit = then.less(&now);
        for _ in 0..8 {
            let mut later = later(&mut random, &portfolio, reach.price);
            let mut price = |later: &Later| {
                let scenarios = std::slice::from_ref(&scenario);
                if is_whole {
                    revaluation.run_on(&later.portfolio, scenarios, &mut outcomes, follow).unwrap();
                } else {
                    revaluation.run(&later.portfolio, scenarios, &mut outcomes).unwrap();
                }
                (outcomes.value() + outcomes.total(0), outcomes.total(0))
            };
            let (value, gain) = price(&later);
            let within = |bound: &Bound, figure: f64, drift: &Drift| match bound.interval(drift) {
                Some((low, high)) => {
                    assert!(low <= figure && figure <= high, "round {round}: {low} {figure} {high}\n{scenario:?}");
                    true
                }
                None => false,
            };
            let decided = within(&then, value, &later.drift);
            *(if decided { &mut inside } else { &mut outside }) += 1;
            within(&profit, gain, &later.drift);
            // A box around where the market is holds what is inside.
            let (mut low, mut high) = (later.drift.clone(), later.drift.clone());
            for (currency, price) in later.portfolio.prices().filter(|(currency, _)| *currency != Currency::USD) {
                let by = [0.0, 0.1, 0.3][random.below(3) as usize] * reach.price;
                low.set_price(currency, price * (1.0 - by * random.unit())).unwrap();
                high.set_price(currency, price * (1.0 + by * random.unit())).unwrap();
            }
            for (line, price) in &later.owned {
                low.set_own_price(*line, price * (1.0 - 0.02 * random.unit())).unwrap();
                high.set_own_price(*line, price * (1.0 + 0.02 * random.unit())).unwrap();
            }
            if let Some((least, most)) = profit.over(&low, &high) {
                boxes += 1;
                assert!(least <= gain && gain <= most, "round {round}: {least} {gain} {most}\n{scenario:?}");
            }
            let threshold = value + random.normal() * 0.02 * value.abs().max(100.0);
            let coin = currency(["BTC", "ETH", "USDT", "USDC"][random.below(4) as usize]);
            let Some((low, high)) = then.region(threshold, &later.drift, coin) else {
                undecided += 1;
                continue;
            };
            regions += 1;
            for share in [0.0, 1.0, random.unit()] {
                later.portfolio.set_price(coin, low + (high - low) * share).unwrap();
                // What was told a price of its own stays there.
                for (line, own) in later.owned.clone() {
                    later.portfolio.set_own_price(line, own).unwrap();
                }
                let (there, _) = price(&later);
                assert_eq!(there > threshold, value > threshold, "round {round}, {coin} {low} {high}");
            }
        }
    }
    assert!(inside > 3 * outside && regions > undecided, "{inside} {outside} {regions} {undecided}");
    assert!(boxes > outside, "{boxes}");
}

/// A book without expiries near.
fn book() -> Portfolio {
    let btc = currency("BTC");
    let mut portfolio = Portfolio::new(Currency::USD, hours(0));
    portfolio.set_price(btc, 60_000.0).unwrap();
    for index in 0..500 {
        let expiry = hours(24 * (7 + 15 * (index % 12)));
        if index < 12 {
            portfolio.set_forward(btc, expiry, 60_000.0 + 100.0 * index as f64).unwrap();
        }
        portfolio
            .hold(Holding::Option {
                underlying: btc,
                expiry,
                strike: Price::from_raw((30_000 + index / 12 * 2_000) * Price::ONE),
                right: if index % 5 < 2 { OptionRight::Call } else { OptionRight::Put },
                settlement: Settlement::Coin,
                quantity: Qty::from_raw((index * 37 % 7 - 3) * 50_000_000 - 10_000_000),
                point: SmilePoint { vol: 0.3 + 0.9 * (index * 53 % 991) as f64 / 991.0, slope: -0.1 },
            })
            .unwrap();
    }
    portfolio
}

/// How tight it is, as `docs/risk.md` has it: the width of the interval as a share of how much the book's worth has changed.
#[test]
fn is_as_tight_as_told() {
    let portfolio = book();
    let mut revaluation = Revaluation::new(Simd::best());
    let mut bound = Bound::default();
    for (reach, most) in [(0.002, 0.001), (0.01, 0.02), (0.05, 0.6)] {
        let reach = Reach { price: reach, vol: 0.001, time: Duration::from_nanos(60_000_000_000) };
        revaluation.ready(&portfolio).unwrap().bound(&Scenario::still("now"), &reach, &mut bound).unwrap();
        let mut drift = Drift::of(&portfolio);
        let (start, _) = bound.interval(&drift).unwrap();
        for by in [-1.0, -0.5, 0.5, 1.0] {
            drift.set_price(currency("BTC"), 60_000.0 * (1.0 + 0.999 * by * reach.price)).unwrap();
            let (low, high) = bound.interval(&drift).unwrap();
            let share = (high - low) / (0.5 * (low + high) - start).abs();
            assert!(share <= most, "{} {by}: {share}", reach.price);
        }
        drift.set_price(currency("BTC"), 60_000.0 * (1.0 + 1.001 * reach.price)).unwrap();
        assert_eq!(bound.interval(&drift), None);
    }
}

/// The same bits whatever the instructions.
#[test]
fn is_the_same_bits_with_any_instructions() {
    let mut random = Random(5);
    for _ in 0..50 {
        let (portfolio, scenario) = (portfolio(&mut random), scenario(&mut random));
        let bounds: Vec<Bound> = SimdName::ALL
            .into_iter()
            .filter_map(Simd::new)
            .map(|simd| {
                let mut bound = Bound::default();
                let mut revaluation = Revaluation::new(simd);
                revaluation.ready(&portfolio).unwrap().bound(&scenario, &Reach::default(), &mut bound).unwrap();
                bound
            })
            .collect();
        assert!(bounds.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
