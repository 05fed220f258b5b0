//! Portfolio Greeks: what they are after any history, and against sums and derivatives taken another way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "a long test is asked for in the environment")]

mod common;

use common::Random;
use market::Currency;
use pricing::options::{EuropeanOption, Inputs, OptionStyle, Simd, SimdName};
use risk::greeks::{
    DeltaOneKey, Dimension, GreekSums, GreeksError, Group, OptionKey, Part, PortfolioGreeks, SmilePoint, Sticky,
};
use std::collections::BTreeMap;
use units::state::{StateReader, StateWriter};
use units::{AccountId, Contract, Duration, OptionRight, Price, Qty, StrategyId, Timestamp};

const DAY: i64 = Duration::DAY.nanos();

fn coin(code: &str) -> Currency {
    code.parse().unwrap()
}

fn days(days: i64) -> Timestamp {
    Timestamp::from_nanos(days * DAY)
}

fn option(expiry: i64, strike: i64, right: OptionRight, style: OptionStyle) -> OptionKey {
    OptionKey {
        underlying: coin("BTC"),
        expiry: days(expiry),
        strike: Price::from_raw(strike * Price::ONE),
        right,
        style,
        venue: AccountId(0),
        strategy: StrategyId(0),
    }
}

fn spot(contract: Contract) -> DeltaOneKey {
    DeltaOneKey { underlying: coin("BTC"), expiry: None, contract, venue: AccountId(0), strategy: StrategyId(0) }
}

/// All that is told, as bits.
fn told(greeks: &mut PortfolioGreeks) -> Vec<(Option<Group>, Vec<u64>)> {
    let bits = |sums: GreekSums| sums.values().map(f64::to_bits).to_vec();
    let mut told = vec![(None, bits(greeks.total())), (None, vec![greeks.unbounded() as u64])];
    let mut groups = Vec::new();
    for dimension in Dimension::ALL {
        greeks.by(dimension, &mut groups);
        told.extend(groups.iter().map(|(group, sums)| (Some(*group), bits(*sums))));
    }
    told
}

/// What was asked for, without anything that is computed.
#[derive(Default)]
struct Asked {
    now: Timestamp,
    prices: BTreeMap<Currency, f64>,
    /// Forward, the price at which it was set, discount.
    terms: BTreeMap<(Currency, Timestamp), (f64, f64, f64)>,
    options: BTreeMap<OptionKey, (Qty, SmilePoint)>,
    delta_ones: Vec<(DeltaOneKey, Qty)>,
}

impl Asked {
    /// A portfolio made at once, in an order of its own.
    fn rebuilt(&self, random: &mut Random, simd: Simd) -> PortfolioGreeks {
        let mut greeks = PortfolioGreeks::new(simd);
        greeks.set_time(self.now).unwrap();
        for ((coin, expiry), (forward, at_price, discount)) in self.terms.iter().rev() {
            greeks.set_price(*coin, *at_price).unwrap();
            greeks.set_forward(*coin, *expiry, *forward).unwrap();
            greeks.set_discount(*coin, *expiry, *discount).unwrap();
        }
        for (coin, price) in self.prices.iter().rev() {
            greeks.set_price(*coin, *price).unwrap();
            greeks.set_bucket_width(*coin, "7000".parse().unwrap()).unwrap();
        }
        let mut lines: Vec<_> = self.options.iter().map(|line| (random.next(), line)).collect();
        lines.sort_by_key(|line| line.0);
        for (_, (key, (quantity, point))) in lines {
            greeks.hold(*key, *quantity, *point).unwrap();
        }
        for (key, quantity) in self.delta_ones.iter().rev() {
            greeks.hold_delta_one(*key, *quantity).unwrap();
        }
        greeks
    }
}

/// A million random updates (a tenth without `TRIMTAB_LONG`), read now and then in between; again and again all that is told is
/// what a portfolio made at once tells, in another order and with other instructions, bit for bit.
#[test]
fn any_history_tells_what_a_rebuild_tells() {
    let updates = if std::env::var_os("TRIMTAB_LONG").is_some() { 1_000_000 } else { 100_000 };
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let coins = [coin("BTC"), coin("ETH")];
    let mut asked = Asked { now: days(20_000), ..Asked::default() };
    let mut greeks = PortfolioGreeks::new(Simd::best());
    greeks.set_time(asked.now).unwrap();
    let expiries: Vec<Timestamp> = (0..6).map(|k| days(20_001 + 20 * k)).collect();
    for coin in coins {
        greeks.set_price(coin, 60_000.0).unwrap();
        greeks.set_bucket_width(coin, "7000".parse().unwrap()).unwrap();
        asked.prices.insert(coin, 60_000.0);
        for expiry in &expiries {
            greeks.set_forward(coin, *expiry, 60_100.0).unwrap();
            asked.terms.insert((coin, *expiry), (60_100.0, 60_000.0, 1.0));
        }
    }
    let (mut rebuilds, mut largest) = (0, 0);
    for update in 0..updates {
        let coin = coins[random.below(2) as usize];
        let expiry = expiries[random.below(6) as usize];
        // Swells and shrinks, so that blocks and levels come and go.
        let stay = if update / 5_000 % 2 == 0 { 1 } else { 3 };
        match random.below(20) {
            0..7 => {
                let key = OptionKey {
                    underlying: coin,
                    expiry,
                    strike: Price::from_raw((40 + 4 * random.below(8) as i64) * 1_000 * Price::ONE),
                    right: if random.below(2) == 0 { OptionRight::Call } else { OptionRight::Put },
                    style: if random.below(4) == 0 { OptionStyle::Linear } else { OptionStyle::Inverse },
                    venue: AccountId(random.below(2) as u32),
                    strategy: StrategyId(random.below(2) as u32),
                };
                let quantity = Qty::from_raw(random.below(2_000_000_000) as i64 * 2 - 1_999_999_999);
                let point = SmilePoint { vol: random.between(0.1, 1.5), slope: random.between(-0.3, 0.3) };
                greeks.hold(key, quantity, point).unwrap();
                asked.options.insert(key, (quantity, point));
            }
            7..14 if !asked.options.is_empty() => {
                let at = random.below(asked.options.len() as u64) as usize;
                let (key, (held, _)) = asked.options.iter_mut().nth(at).unwrap();
                *held = if random.below(4) < stay {
                    Qty::ZERO
                } else {
                    Qty::from_raw(random.below(1_000_000_000) as i64 + 1)
                };
                let (key, quantity) = (*key, *held);
                greeks.resize(&key, quantity).unwrap();
                if quantity.is_zero() {
                    asked.options.remove(&key);
                }
            }
            7..16 => {
                let price = random.between(50_000.0, 70_000.0);
                greeks.set_price(coin, price).unwrap();
                asked.prices.insert(coin, price);
            }
            16 => {
                let forward = random.between(50_000.0, 70_000.0);
                greeks.set_forward(coin, expiry, forward).unwrap();
                let term = asked.terms.get_mut(&(coin, expiry)).unwrap();
                (term.0, term.1) = (forward, asked.prices[&coin]);
            }
            17 => {
                let (level, tilt) = (random.between(0.2, 1.0), random.between(-1e-6, 1e-6));
                let point = |key: &OptionKey| SmilePoint { vol: level + tilt * key.strike.approximate(), slope: tilt };
                greeks.set_smile(coin, expiry, point).unwrap();
                for (key, line) in &mut asked.options {
                    if key.underlying == coin && key.expiry == expiry {
                        line.1 = point(key);
                    }
                }
            }
            18 => {
                let key = DeltaOneKey {
                    underlying: coin,
                    expiry: (random.below(2) == 0).then_some(expiry),
                    contract: if random.below(2) == 0 { Contract::Linear } else { Contract::Inverse },
                    venue: AccountId(random.below(2) as u32),
                    strategy: StrategyId(random.below(2) as u32),
                };
                let quantity = Qty::from_raw(random.below(5) as i64 * 1_000_000_000);
                greeks.hold_delta_one(key, quantity).unwrap();
                asked.delta_ones.retain(|line| line.0 != key);
                if !quantity.is_zero() {
                    asked.delta_ones.push((key, quantity));
                }
            }
            _ if random.below(2) == 0 => {
                let discount = random.between(0.9, 1.0);
                greeks.set_discount(coin, expiry, discount).unwrap();
                asked.terms.get_mut(&(coin, expiry)).unwrap().2 = discount;
            }
            _ => {
                // Beyond the first expiries at times, and back.
                asked.now = Timestamp::from_nanos(days(20_000).nanos() + random.below(30 * DAY as u64) as i64);
                greeks.set_time(asked.now).unwrap();
            }
        }
        largest = largest.max(greeks.len());
        if random.below(20) == 0 {
            // Reading is no part of what is told later.
            let _ = greeks.underlying(coin);
        }
        if random.below(1_000) == 0 {
            let simd = Simd::new(SimdName::ALL[random.below(3) as usize]).unwrap_or(Simd::best());
            assert_eq!(greeks.len(), asked.options.len() + asked.delta_ones.len());
            assert_eq!(told(&mut greeks), told(&mut asked.rebuilt(&mut random, simd)), "after {update} updates");
            rebuilds += 1;
        }
    }
    assert!(rebuilds > updates / 2_000 && largest > 300, "{rebuilds} rebuilds, at most {largest} positions");
}

/// A book of options in two styles with hedges.
fn mixed(simd: Simd) -> (PortfolioGreeks, Vec<(OptionKey, Qty, SmilePoint)>) {
    let mut greeks = PortfolioGreeks::new(simd);
    greeks.set_time(days(20_000)).unwrap();
    greeks.set_price(coin("BTC"), 60_000.0).unwrap();
    greeks.set_bucket_width(coin("BTC"), "10000".parse().unwrap()).unwrap();
    for k in 0..5 {
        greeks.set_forward(coin("BTC"), days(20_007 + 30 * k), 60_000.0 + 150.0 * k as f64).unwrap();
        greeks.set_discount(coin("BTC"), days(20_007 + 30 * k), 1.0 - 0.004 * k as f64).unwrap();
    }
    let lines: Vec<_> = (0..300_i64)
        .map(|k| {
            let right = if k % 3 == 0 { OptionRight::Call } else { OptionRight::Put };
            let style = if k % 4 == 0 { OptionStyle::Linear } else { OptionStyle::Inverse };
            let key = OptionKey {
                venue: AccountId((k % 2) as u32),
                strategy: StrategyId((k % 7) as u32),
                ..option(20_007 + 30 * (k % 5), 40_000 + 1_000 * (k / 7), right, style)
            };
            let point = SmilePoint { vol: 0.4 + 0.001 * k as f64, slope: -0.2 + 0.001 * k as f64 };
            (key, Qty::from_raw((k % 9 - 4) * 70_000_000 + 3), point)
        })
        .collect();
    for (key, quantity, point) in &lines {
        greeks.hold(*key, *quantity, *point).unwrap();
    }
    (greeks, lines)
}

/// Each group is what its options' own Greeks add up to, compensated, within rounding.
#[test]
fn sums_are_those_of_the_options_own_greeks() {
    let (mut greeks, lines) = mixed(Simd::best());
    greeks.set_price(coin("BTC"), 61_000.0).unwrap();
    for dimension in Dimension::ALL {
        let mut groups = Vec::new();
        greeks.by(dimension, &mut groups);
        let mut counted = 0;
        for (group, sums) in &groups {
            let of_group = |key: &OptionKey| match group.part {
                Part::Whole => true,
                Part::Expiry(expiry) => expiry == Some(key.expiry),
                Part::Strike(strike) => strike
                    .is_some_and(|low| low <= key.strike && key.strike < low + Price::from_raw(10_000 * Price::ONE)),
                Part::Venue(venue) => venue == key.venue,
                Part::Strategy(strategy) => strategy == key.strategy,
            };
            let mut columns = vec![Vec::new(); 12];
            for (key, quantity, point) in lines.iter().filter(|line| of_group(&line.0)) {
                counted += 1;
                let month = ((key.expiry.nanos() / DAY - 20_007) / 30) as f64;
                let forward = (60_000.0 + 150.0 * month) * (61_000.0 / 60_000.0);
                let linear = key.style == OptionStyle::Linear;
                let inputs = Inputs {
                    forward,
                    strike: key.strike.approximate(),
                    years: (key.expiry.nanos() - days(20_000).nanos()) as f64 / (365 * DAY) as f64,
                    vol: point.vol,
                    discount: if linear { 1.0 - 0.004 * month } else { 1.0 },
                };
                let one = EuropeanOption::new(key.right, inputs).unwrap().greeks();
                let skew = -one.vega * 100.0 * point.slope;
                let premium = if linear { 0.0 } else { one.price / forward };
                let values = [
                    one.price,
                    one.delta,
                    skew / forward,
                    premium,
                    one.gamma,
                    one.vega,
                    one.theta,
                    one.vanna,
                    one.volga,
                    one.delta * forward,
                    skew,
                    one.gamma * forward * forward / 100.0,
                ];
                for (column, value) in columns.iter_mut().zip(values) {
                    column.push(value * quantity.approximate());
                }
            }
            for ((name, value), column) in GreekSums::NAMES.iter().zip(sums.values()).zip(&columns) {
                let size: f64 = column.iter().map(|term| term.abs()).sum();
                let error = (value - compensated(column)).abs();
                assert!(error <= 1e-14 * size, "{group:?} {name}: {value} is off by {error} of {size}");
            }
        }
        assert_eq!(counted, lines.len(), "{dimension:?}: every option is in one group");
        let all = groups.iter().fold(GreekSums::default(), |sum, (_, sums)| sum + *sums);
        assert!((all.price - greeks.underlying(coin("BTC")).price).abs() < 1e-6);
    }
}

/// Neumaier's sum.
fn compensated(terms: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for term in terms {
        let next = sum + term;
        lost += if sum.abs() >= term.abs() { (sum - next) + term } else { (term - next) + sum };
        sum = next;
    }
    sum + lost
}

/// At 100, a year, 20 %: N(0.1) = 0.539827837277029, n(0.1) = 0.396952547477012, a call costs 7.96556745540579 (normal tables).
#[test]
fn books_made_by_hand() {
    let book = |options: &[(OptionRight, &str, &str)], coins: &str| {
        let mut greeks = PortfolioGreeks::new(Simd::best());
        greeks.set_price(coin("BTC"), 100.0).unwrap();
        greeks.set_forward(coin("BTC"), days(365), 100.0).unwrap();
        for (right, strike, quantity) in options {
            let key = OptionKey { strike: strike.parse().unwrap(), ..option(365, 0, *right, OptionStyle::Inverse) };
            greeks.hold(key, quantity.parse().unwrap(), SmilePoint { vol: 0.2, slope: 0.0 }).unwrap();
        }
        greeks.hold_delta_one(spot(Contract::Linear), coins.parse().unwrap()).unwrap();
        greeks.underlying(coin("BTC"))
    };
    let near = |what: &str, value: f64, expected: f64| {
        assert!((value - expected).abs() < 2e-14 * expected.abs().max(1.0), "{what}: {value}, not {expected}");
    };
    const CALL: f64 = 7.965_567_455_405_798;
    const N: f64 = 0.539_827_837_277_029;
    const DENSITY: f64 = 0.396_952_547_477_011_8;

    let covered = book(&[(OptionRight::Call, "100", "-1")], "1");
    near("covered call, delta", covered.delta, 1.0 - N);
    near("covered call, net delta", covered.net_delta(Sticky::Strike), 1.0 - N + CALL / 100.0);
    near("covered call, gamma", covered.gamma, -DENSITY / 20.0);
    near("covered call, vega of a point", covered.vega, -DENSITY);
    near("covered call, theta of a day", covered.theta, DENSITY * 10.0 / 365.0);
    near("covered call, cash gamma of 1 %", covered.cash_gamma, -DENSITY / 20.0 * 100.0);

    let straddle = book(&[(OptionRight::Call, "100", "1"), (OptionRight::Put, "100", "1")], "0");
    near("straddle, price", straddle.price, 2.0 * CALL);
    near("straddle, delta", straddle.delta, 2.0 * N - 1.0);
    near("straddle, vega", straddle.vega, 2.0 * DENSITY);
    near("straddle, premium in coin", straddle.premium, 2.0 * CALL / 100.0);
    near("straddle, volga: vega × d₁d₂ ÷ σ, per point", straddle.volga, 2.0 * DENSITY * (0.1 * -0.1) / 0.2 * 0.01);

    for strike in ["60", "100", "170"] {
        let synthetic = book(&[(OptionRight::Call, strike, "3"), (OptionRight::Put, strike, "-3")], "0");
        near("call less put, price", synthetic.price, 3.0 * (100.0 - strike.parse::<f64>().unwrap()));
        near("call less put, delta", synthetic.delta, 3.0);
        for (name, value) in GreekSums::NAMES.into_iter().zip(synthetic.values()) {
            if ["gamma", "vega", "theta", "vanna", "volga", "skew_delta", "cash_gamma"].contains(&name) {
                near(name, value, 0.0);
            }
        }
        let hedged = book(&[(OptionRight::Call, strike, "3"), (OptionRight::Put, strike, "-3")], "-3");
        near("sold against spot, delta", hedged.delta, 0.0);
    }
}

/// Units: each number against the whole book revalued after a small step, in USD and in coin.
#[test]
fn numbers_are_what_a_step_changes() {
    let btc = coin("BTC");
    let (mut greeks, lines) = mixed(Simd::best());
    for expiry in (0..5).map(|k| days(20_007 + 30 * k)) {
        greeks.set_forward(btc, expiry, 60_000.0).unwrap();
    }
    let sums = greeks.underlying(btc);
    let at = |greeks: &mut PortfolioGreeks, price: f64| {
        greeks.set_price(btc, price).unwrap();
        greeks.underlying(btc)
    };
    let step = 0.5;
    let (up, down) = (at(&mut greeks, 60_000.0 + step), at(&mut greeks, 60_000.0 - step));
    let near = |what: &str, value: f64, expected: f64, part: f64| {
        assert!((value - expected).abs() < part * (1.0 + expected.abs()), "{what}: {value}, a step says {expected}");
    };
    near("delta", sums.delta, (up.price - down.price) / (2.0 * step), 1e-6);
    near("gamma", sums.gamma * 1e4, (up.delta - down.delta) / (2.0 * step) * 1e4, 1e-6);
    near("net delta", sums.delta - sums.net_delta(Sticky::Strike), sums.premium, 1e-12);
    let cash_of_gamma = (up.strike_cash_delta - down.strike_cash_delta) / (2.0 * step) * 600.0 - sums.delta * 600.0;
    near("cash gamma", sums.cash_gamma, cash_of_gamma, 1e-5);
    at(&mut greeks, 60_000.0);

    // The smile at its moneyness: what was at ln K is at ln K + dx once the forward has moved by dx.
    let point = |key: &OptionKey| lines.iter().find(|line| line.0 == *key).unwrap().2;
    let moved = |greeks: &mut PortfolioGreeks, price: f64, more: f64| {
        let shift = (price / 60_000.0).ln();
        for expiry in (0..5).map(|k| days(20_007 + 30 * k)) {
            let smile = |key: &OptionKey| {
                let SmilePoint { vol, slope } = point(key);
                SmilePoint { vol: vol - slope * shift + more, slope }
            };
            greeks.set_smile(btc, expiry, smile).unwrap();
        }
        at(greeks, price)
    };
    let (up, down) = (moved(&mut greeks, 60_000.0 + step, 0.0), moved(&mut greeks, 60_000.0 - step, 0.0));
    near(
        "hedge delta, smile at its moneyness",
        sums.hedge_delta(Sticky::Moneyness),
        (up.price - down.price) / (2.0 * step),
        1e-6,
    );
    assert!((sums.skew_delta).abs() > 0.01, "the slopes matter: {}", sums.skew_delta);
    near("cash delta", sums.cash_delta(Sticky::Moneyness), sums.hedge_delta(Sticky::Moneyness) * 60_000.0, 1e-12);

    let (up, down) = (moved(&mut greeks, 60_000.0, 0.0001), moved(&mut greeks, 60_000.0, -0.0001));
    near("vega", sums.vega, (up.price - down.price) / 0.0002 * 0.01, 1e-6);
    near("vanna", sums.vanna, (up.delta - down.delta) / 0.0002 * 0.01, 1e-6);
    near("volga", sums.volga, (up.vega - down.vega) / 0.0002 * 0.01, 1e-6);
    moved(&mut greeks, 60_000.0, 0.0);

    // Without discount time alone passes.
    for expiry in (0..5).map(|k| days(20_007 + 30 * k)) {
        greeks.set_discount(btc, expiry, 1.0).unwrap();
    }
    let theta = greeks.underlying(btc).theta;
    let minute = Duration::MINUTE.nanos();
    greeks.set_time(Timestamp::from_nanos(days(20_000).nanos() + minute)).unwrap();
    let later = greeks.underlying(btc).price;
    greeks.set_time(Timestamp::from_nanos(days(20_000).nanos() - minute)).unwrap();
    near("theta", theta, (later - greeks.underlying(btc).price) / (2.0 * minute as f64) * DAY as f64, 1e-5);
}

/// One inverse option: net delta is forward × ∂(coin price)/∂forward; and an inverse perpetual's delta is its USD ÷ price.
#[test]
fn coin_settled_positions() {
    let btc = coin("BTC");
    let mut greeks = PortfolioGreeks::new(Simd::best());
    greeks.set_price(btc, 60_000.0).unwrap();
    greeks.set_forward(btc, days(30), 60_300.0).unwrap();
    let put = option(30, 58_000, OptionRight::Put, OptionStyle::Inverse);
    greeks.hold(put, "2.5".parse().unwrap(), SmilePoint { vol: 0.6, slope: 0.0 }).unwrap();
    let net = greeks.underlying(btc).net_delta(Sticky::Strike);
    let mut coins = |forward: f64| {
        greeks.set_forward(btc, days(30), forward).unwrap();
        greeks.underlying(btc).price / forward
    };
    let slope = (coins(60_300.5) - coins(60_299.5)) * 60_300.0;
    assert!((net - slope).abs() < 1e-7, "{net}, a step says {slope}");

    let mut greeks = PortfolioGreeks::new(Simd::best());
    greeks.set_price(btc, 60_000.0).unwrap();
    greeks.set_forward(btc, days(30), 50_000.0).unwrap();
    greeks.hold_delta_one(spot(Contract::Inverse), "30000".parse().unwrap()).unwrap();
    let future = DeltaOneKey { expiry: Some(days(30)), ..spot(Contract::Inverse) };
    greeks.hold_delta_one(future, "-100000".parse().unwrap()).unwrap();
    greeks.hold_delta_one(DeltaOneKey { contract: Contract::Linear, ..future }, "3".parse().unwrap()).unwrap();
    let sums = greeks.underlying(btc);
    assert_eq!((sums.delta, sums.gamma, sums.net_delta(Sticky::Moneyness)), (0.5 - 2.0 + 3.0, 0.0, 1.5));
    assert_eq!(sums.cash_delta(Sticky::Strike), 30_000.0 - 100_000.0 + 150_000.0);
    let mut groups = Vec::new();
    greeks.by(Dimension::Expiry, &mut groups);
    let deltas: Vec<_> = groups.iter().map(|(group, sums)| (group.part, sums.delta)).collect();
    assert_eq!(deltas, [(Part::Expiry(None), 0.5), (Part::Expiry(Some(days(30))), 1.0)]);
}

/// Dollars add up over coins of two kinds; coins do not.
#[test]
fn the_total_is_in_cash() {
    let mut greeks = PortfolioGreeks::new(Simd::best());
    for (code, price, coins) in [("ETH", 2_000.0, "10"), ("BTC", 60_000.0, "-0.5")] {
        greeks.set_price(coin(code), price).unwrap();
        let key = DeltaOneKey { underlying: coin(code), ..spot(Contract::Linear) };
        greeks.hold_delta_one(key, coins.parse().unwrap()).unwrap();
    }
    let total = greeks.total();
    assert_eq!((total.strike_cash_delta, total.delta), (-10_000.0, 0.0));
    assert_eq!(greeks.underlying(coin("ETH")).delta, 10.0);
    assert_eq!(greeks.underlying(coin("SOL")), GreekSums::default());
}

#[test]
fn a_snapshot_tells_the_same() {
    let (mut greeks, _) = mixed(Simd::best());
    greeks.set_price(coin("BTC"), 59_123.4).unwrap();
    greeks.set_price(coin("ETH"), 2_500.0).unwrap();
    greeks.hold_delta_one(spot(Contract::Inverse), "700".parse().unwrap()).unwrap();
    let mut saved = StateWriter::new();
    greeks.save(&mut saved);
    let mut loaded = PortfolioGreeks::new(Simd::new(SimdName::Scalar).unwrap());
    let mut reader = StateReader::new(saved.as_bytes());
    loaded.load(&mut reader).unwrap();
    reader.end().unwrap();
    assert_eq!(told(&mut loaded), told(&mut greeks));
    // And goes on the same: the forwards still know from which price they move.
    greeks.set_price(coin("BTC"), 60_777.7).unwrap();
    loaded.set_price(coin("BTC"), 60_777.7).unwrap();
    assert_eq!(told(&mut loaded), told(&mut greeks));
    let mut again = StateWriter::new();
    loaded.save(&mut again);
    saved.clear();
    greeks.save(&mut saved);
    assert_eq!(again.as_bytes(), saved.as_bytes());
    for cut in (0..saved.as_bytes().len()).step_by(97) {
        assert!(loaded.load(&mut StateReader::new(&saved.as_bytes()[..cut])).is_err(), "cut at {cut}");
    }
}

/// Refusals say what is wrong and what to do, and change nothing.
#[test]
fn refusals() {
    let btc = coin("BTC");
    let call = option(30, 60_000, OptionRight::Call, OptionStyle::Inverse);
    let point = SmilePoint { vol: 0.6, slope: 0.0 };
    let one: Qty = "1".parse().unwrap();
    let says = |result: Result<(), GreeksError>, text: &str| assert_eq!(result.unwrap_err().to_string(), text);
    let mut greeks = PortfolioGreeks::new(Simd::best());
    says(greeks.hold(call, one, point), "BTC has no price; set its price first");
    says(
        greeks.set_price(btc, f64::NAN),
        "`forward` is NaN; it must lie between 0.000000000000001 and 1000000000000000",
    );
    greeks.set_price(btc, 60_000.0).unwrap();
    says(greeks.hold(call, one, point), "BTC of 1970-01-31T00:00:00Z has no forward; set its forward first");
    says(greeks.set_forward(btc, days(100_000), 1.0), "`years` is 273.972602739726; it must lie between 0 and 200");
    greeks.set_forward(btc, days(30), 60_000.0).unwrap();
    says(
        greeks.resize(&call, one),
        "no position in the BTC call of 1970-01-31T00:00:00Z at 60000 (account 0, strategy 0); add it first",
    );
    greeks.hold(call, one, point).unwrap();
    let before = told(&mut greeks);
    says(greeks.hold(call, one, SmilePoint { vol: -1.0, ..point }), "`vol` is -1; it must lie between 0 and 100");
    says(
        greeks.set_smile(btc, days(30), |_| SmilePoint { slope: f64::INFINITY, ..point }),
        "the slope of a smile is inf; it must be finite, and 0 where there is none",
    );
    says(
        greeks.set_price(btc, 1e16),
        "`forward` is 10000000000000000; it must lie between 0.000000000000001 and 1000000000000000",
    );
    says(greeks.set_bucket_width(btc, Price::ZERO), "strike buckets are 0 wide; the width must be above zero");
    assert!(greeks.set_time(Timestamp::from_nanos(i64::MIN)).is_err());
    assert_eq!(told(&mut greeks), before);
}

/// Past expiry an option is worth exercise; at the strike its gamma is infinite, left out and counted.
#[test]
fn without_time() {
    let btc = coin("BTC");
    let mut greeks = PortfolioGreeks::new(Simd::best());
    greeks.set_price(btc, 60_000.0).unwrap();
    greeks.set_forward(btc, days(30), 60_000.0).unwrap();
    for strike in [50_000, 60_000, 70_000] {
        let call = option(30, strike, OptionRight::Call, OptionStyle::Inverse);
        greeks.hold(call, "1".parse().unwrap(), SmilePoint { vol: 0.6, slope: -0.2 }).unwrap();
    }
    assert_eq!(greeks.unbounded(), 0);
    greeks.set_time(days(31)).unwrap();
    let sums = greeks.underlying(btc);
    assert_eq!((sums.price, sums.delta, sums.gamma, greeks.unbounded()), (10_000.0, 1.5, 0.0, 1));
    assert!(sums.values().iter().all(|value| value.is_finite()), "{sums:?}");
    greeks.set_price(btc, 60_001.0).unwrap();
    assert_eq!((greeks.underlying(btc).delta, greeks.unbounded()), (2.0, 0));
}

#[test]
fn forwards_of_expiries_that_are_past_are_forgotten_once_nothing_is_held() {
    let btc = coin("BTC");
    let mut greeks = PortfolioGreeks::new(Simd::best());
    greeks.set_time(days(0)).unwrap();
    greeks.set_price(btc, 60_000.0).unwrap();
    for expiry in [1, 2, 30] {
        greeks.set_forward(btc, days(expiry), 60_000.0).unwrap();
    }
    let point = SmilePoint { vol: 0.6, slope: -0.1 };
    let (first, last) = (option(2, 60_000, OptionRight::Call, OptionStyle::Inverse), 30);
    let last = option(last, 65_000, OptionRight::Put, OptionStyle::Inverse);
    greeks.hold(first, Qty::from_raw(100_000_000), point).unwrap();
    greeks.hold(last, Qty::from_raw(-300_000_000), point).unwrap();
    greeks.set_time(days(3)).unwrap();
    let before = told(&mut greeks);
    greeks.drop_expired(btc);
    greeks.drop_expired(coin("ETH"));
    assert_eq!(told(&mut greeks), before, "what is held has its forward");
    let refused = greeks.hold(option(1, 60_000, OptionRight::Put, OptionStyle::Inverse), Qty::from_raw(1), point);
    assert_eq!(refused, Err(GreeksError::NoForward(btc, days(1))));
    greeks.resize(&first, Qty::ZERO).unwrap();
    greeks.drop_expired(btc);
    assert_eq!(greeks.hold(first, Qty::from_raw(1), point), Err(GreeksError::NoForward(btc, days(2))));
    // What is left is a portfolio of the last alone.
    let mut anew = PortfolioGreeks::new(Simd::best());
    anew.set_time(days(3)).unwrap();
    anew.set_price(btc, 60_000.0).unwrap();
    anew.set_forward(btc, days(30), 60_000.0).unwrap();
    anew.hold(last, Qty::from_raw(-300_000_000), point).unwrap();
    assert_eq!(told(&mut greeks), told(&mut anew));
}
