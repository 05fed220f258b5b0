//! Profits under joint moves: against options priced one by one, closed forms, parity and homogeneity.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;

use common::Random;
use market::Currency;
use pricing::options::{EuropeanOption, Inputs, Simd, SimdName};
use pricing::surface::Sticky;
use risk::greeks::SmilePoint;
use risk::scenario::{
    Bound, Followed, Holding, JointMoves, Move, Outcomes, Portfolio, Reach, Revaluation, Scenario, ScenarioError,
    Settlement, SpotMoves, VolMove,
};
use serde_json::Value;
use units::{Cash, Duration, Notional, OptionRight, Price, Qty, Round, Timestamp};

const DAY: i64 = Duration::DAY.nanos();

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn days(days: i64) -> Timestamp {
    Timestamp::from_nanos(days * DAY)
}

fn qty(value: f64) -> Qty {
    Qty::from_estimate(value, Round::TowardZero).unwrap()
}

fn cash(value: f64) -> Cash {
    Cash::from_estimate(value, Round::TowardZero).unwrap()
}

fn notional(value: f64) -> Notional {
    Notional::from_estimate(value, Round::TowardZero).unwrap()
}

fn spot(by: f64) -> Scenario {
    Scenario { spot: SpotMoves::all(Move::Return(by)), ..Scenario::still(format!("{by}")) }
}

fn run(portfolio: &Portfolio, scenarios: &[Scenario]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    Revaluation::new(Simd::best()).run(portfolio, scenarios, &mut outcomes).unwrap();
    outcomes
}

const COINS: [(&str, f64, f64); 2] = [("BTC", 60_000.0, 0.6), ("ETH", 3_000.0, 0.8)];
const STABLE: [(&str, f64); 2] = [("USDT", 0.999), ("USDC", 1.001)];

/// The forward told for an expiry so many days away.
fn forward(coin: usize, days: i64) -> f64 {
    COINS[coin].1 * (1.0 + 0.0002 * days as f64)
}

fn discount(days: i64) -> f64 {
    1.0 - 0.0001 * days as f64
}

const EXPIRIES: [i64; 4] = [2, 9, 30, 180];

fn empty(account: &str) -> Portfolio {
    let mut portfolio = Portfolio::new(currency(account), days(0));
    for (index, (code, price, vol)) in COINS.into_iter().enumerate() {
        portfolio.set_price(currency(code), price).unwrap();
        portfolio.set_vol(currency(code), vol).unwrap();
        for expiry in EXPIRIES {
            portfolio.set_forward(currency(code), days(expiry), forward(index, expiry)).unwrap();
            portfolio.set_discount(currency(code), days(expiry), discount(expiry)).unwrap();
        }
    }
    for (code, price) in STABLE {
        portfolio.set_price(currency(code), price).unwrap();
    }
    portfolio
}

fn holding(random: &mut Random) -> Holding {
    let coin = random.below(2) as usize;
    let underlying = currency(COINS[coin].0);
    let price = COINS[coin].1;
    let settlement = match random.below(6) {
        0 => Settlement::Quote(Currency::USD),
        1 => Settlement::Quote(currency("USDT")),
        2 => Settlement::Quote(currency("USDC")),
        3 => Settlement::Quanto { quoted: Currency::USD, paid: currency("USDT") },
        4 => Settlement::Quanto { quoted: currency("USDT"), paid: currency("USDC") },
        _ => Settlement::Coin,
    };
    match random.below(6) {
        0 => {
            let currency = currency(["BTC", "ETH", "USDT", "USDC", "USD"][random.below(5) as usize]);
            Holding::Balance { currency, amount: cash(random.between(-2.0, 5.0)) }
        }
        1 => {
            let expiry = (random.below(2) == 0).then(|| days(EXPIRIES[random.below(4) as usize]));
            let size = random.between(-3.0, 3.0);
            let (quantity, cost) = match settlement {
                Settlement::Coin => (size * price, -size * random.between(0.9, 1.1)),
                _ => (size, size * price * random.between(0.9, 1.1)),
            };
            Holding::Future { underlying, expiry, settlement, quantity: qty(quantity), cost: notional(cost) }
        }
        _ => Holding::Option {
            underlying,
            expiry: days(EXPIRIES[random.below(4) as usize]),
            strike: Price::from_estimate((price * random.between(0.5, 2.0)).round(), Round::TowardZero).unwrap(),
            right: if random.below(2) == 0 { OptionRight::Call } else { OptionRight::Put },
            settlement,
            quantity: qty(random.between(-5.0, 5.0)),
            point: SmilePoint { vol: random.between(0.3, 1.2), slope: random.between(-0.3, 0.2) },
        },
    }
}

fn scenario(random: &mut Random) -> Scenario {
    let by = |random: &mut Random| match random.below(3) {
        0 => Move::Deviations(random.between(-4.0, 4.0)),
        _ => Move::Return(random.between(-0.6, 0.9)),
    };
    Scenario {
        spot: SpotMoves { others: by(random), each: vec![(currency("ETH"), by(random))] },
        vol: VolMove {
            absolute: random.between(-0.1, 0.2),
            relative: random.between(-0.4, 1.0),
            twist: random.between(-0.3, 0.3),
            short: if random.below(2) == 0 { 0.0 } else { random.between(-0.1, 0.2) },
            skew: random.between(-0.2, 0.2),
            tilt: if random.below(2) == 0 { 0.0 } else { random.between(-0.1, 0.1) },
            short_power: random.between(0.0, 0.4),
            long_power: random.between(0.0, 0.2),
            shortest_days: random.between(0.5, 5.0),
            floor: random.between(0.0, 0.3),
        },
        sticky: if random.below(2) == 0 { Sticky::Strike } else { Sticky::Moneyness },
        time: Duration::from_nanos(random.below(20 * DAY as u64) as i64),
        funding: random.between(-0.003, 0.003),
        dollars: vec![(currency("USDT"), random.between(-0.2, 0.05))],
        ..Scenario::still("random")
    }
}

/// In which currency prices are, and in which profit is paid.
fn quoted_and_paid(settlement: Settlement) -> Option<(Currency, Currency)> {
    match settlement {
        Settlement::Coin => None,
        Settlement::Quote(quote) => Some((quote, quote)),
        Settlement::Quanto { quoted, paid } => Some((quoted, paid)),
    }
}

/// The market as a scenario leaves it, for one holding at a time.
struct World<'a>(&'a Scenario);

impl World<'_> {
    fn price(&self, code: Currency, moved: bool) -> f64 {
        for (index, (coin, price, vol)) in COINS.into_iter().enumerate() {
            if currency(coin) == code {
                let by = if index == 1 { self.0.spot.each[0].1 } else { self.0.spot.others };
                return match by {
                    _ if !moved => price,
                    Move::Return(by) => price * (1.0 + by),
                    Move::Deviations(number) => price * units::math::exp(number * vol / 365_f64.sqrt()),
                };
            }
        }
        match code.as_str() {
            "USDT" if moved => 0.999 * (1.0 + self.0.dollars[0].1),
            "USDT" => 0.999,
            "USDC" => 1.001,
            _ => 1.0,
        }
    }

    fn usd(&self, holding: &Holding, moved: bool) -> f64 {
        let forward_of = |underlying: Currency, expiry: Option<Timestamp>| {
            let coin = COINS.iter().position(|(code, ..)| currency(code) == underlying).unwrap();
            let told = expiry.map_or(COINS[coin].1, |expiry| forward(coin, expiry.nanos() / DAY));
            told * self.price(underlying, moved) / COINS[coin].1
        };
        match *holding {
            Holding::Balance { currency, amount } => amount.approximate() * self.price(currency, moved),
            Holding::Future { underlying, expiry, settlement, quantity, cost } => {
                let (forward, quantity) = (forward_of(underlying, expiry), quantity.approximate());
                let funding = if moved && expiry.is_none() { self.0.funding } else { 0.0 };
                match quoted_and_paid(settlement) {
                    None => {
                        let coins = -cost.approximate() - quantity / forward - funding * quantity / forward;
                        coins * self.price(underlying, moved)
                    }
                    Some((quote, paid)) => {
                        // In the currency that it is quoted in, one to one in that of settlement, then in USD.
                        let quoted = forward / self.price(quote, moved);
                        let units = quantity * quoted - cost.approximate() - funding * quantity * quoted;
                        units * self.price(paid, moved)
                    }
                }
            }
            Holding::Option { underlying, expiry, strike, right, settlement, quantity, point } => {
                let days_left = (expiry.nanos() / DAY) as f64;
                let passed = if moved { self.0.time.days() } else { 0.0 };
                let years = ((days_left - passed) / 365.0).max(0.0);
                let (peg, before, paid) = match quoted_and_paid(settlement) {
                    None => (1.0, 1.0, 1.0),
                    Some((quote, paid)) => {
                        (self.price(quote, moved), self.price(quote, false), self.price(paid, moved))
                    }
                };
                let strike = strike.approximate();
                let quoted = forward_of(underlying, Some(expiry)) / peg;
                let first = self.forward_now(underlying, expiry) / before;
                let vol = if moved {
                    let m = &self.0.vol;
                    let tenor = days_left.max(m.shortest_days);
                    let power = if tenor < 30.0 { m.short_power } else { m.long_power };
                    let w = units::math::pow(30.0 / tenor, power);
                    let followed = match self.0.sticky {
                        Sticky::Strike => point.vol,
                        Sticky::Moneyness => point.vol - point.slope * units::math::ln(quoted / first),
                    };
                    let root = |days: f64| units::math::sqrt(30.0 / days) - 1.0;
                    let v = if tenor < 30.0 { root(tenor) / root(7.0) } else { 0.0 };
                    let base = followed * (1.0 + m.relative * w + m.twist * (w - 1.0) + m.short * v) + m.absolute * w;
                    let u = units::math::pow(30.0 / tenor, if tenor < 30.0 { 0.6 } else { 1.2 });
                    (base + (m.skew + m.tilt * u) * units::math::ln(strike / first)).max(m.floor)
                } else {
                    point.vol
                };
                let factor = match settlement {
                    Settlement::Coin => 1.0,
                    _ => units::math::pow(discount(expiry.nanos() / DAY), years / (days_left / 365.0)),
                };
                let inputs = Inputs { forward: quoted, strike, years, vol, discount: factor };
                let value = EuropeanOption::new(right, inputs).unwrap().greeks();
                let quantity = quantity.approximate();
                match settlement {
                    Settlement::Coin => quantity * value.in_coin(quoted).price * self.price(underlying, moved),
                    _ => quantity * value.price * paid,
                }
            }
        }
    }

    fn forward_now(&self, underlying: Currency, expiry: Timestamp) -> f64 {
        let coin = COINS.iter().position(|(code, ..)| currency(code) == underlying).unwrap();
        forward(coin, expiry.nanos() / DAY)
    }
}

#[test]
fn profits_are_those_of_holdings_priced_one_by_one() {
    let mut random = Random(0x5eed_0001);
    for round in 0..60 {
        let account = ["USD", "USDT", "BTC", "ETH"][round % 4];
        let mut portfolio = empty(account);
        let holdings: Vec<Holding> = (0..1 + random.below(70)).map(|_| holding(&mut random)).collect();
        for (line, holding) in holdings.iter().enumerate() {
            assert_eq!(portfolio.hold(*holding), Ok(line));
        }
        let scenarios: Vec<Scenario> = (0..5).map(|_| scenario(&mut random)).collect();
        let outcomes = run(&portfolio, &scenarios);
        for (index, scenario) in scenarios.iter().enumerate() {
            let world = World(scenario);
            let mut sum = 0.0;
            for (line, holding) in holdings.iter().enumerate() {
                let (now, then) = (world.usd(holding, false), world.usd(holding, true));
                let unit = [false, true].map(|moved| world.price(currency(account), moved));
                let expected = then / unit[1] - now / unit[0];
                let told = outcomes.profit(index, line);
                let size = 1.0 + now.abs() / unit[0] + then.abs() / unit[1] + 60_000.0 / unit[0];
                assert!((told - expected).abs() < 1e-11 * size, "{holding:?} {scenario:?}: {told}, not {expected}");
                sum += told;
            }
            let total = outcomes.total(index);
            let size: f64 = outcomes.profits(index).map(f64::abs).sum();
            assert!((total - sum).abs() <= 1e-13 * size, "{total}, not {sum}");
        }
    }
}

/// Many scenarios side by side, as one by one: two computations that share a price's formula alone. Parts add up to the whole, and what
/// does not move gains nothing at all.
#[test]
fn joint_moves_are_as_scenarios_one_by_one() {
    let mut random = Random(0x5eed_0011);
    for round in 0..40 {
        let account = ["USD", "USDT", "BTC", "ETH"][round % 4];
        let mut portfolio = empty(account);
        for _ in 0..1 + random.below(90) {
            portfolio.hold(holding(&mut random)).unwrap();
        }
        let (like, count) = (scenario(&mut random), 1 + random.below(40) as usize);
        let mut column = |low: f64, high: f64| -> Vec<f64> { (0..count).map(|_| random.between(low, high)).collect() };
        let (btc, usdc, shares, points) = (column(0.5, 2.0), column(0.9, 1.1), column(-0.5, 1.0), column(-0.1, 0.3));
        let (shorts, skews) = (column(-0.2, 0.3), column(-0.1, 0.1));
        let (has_shorts, has_skews) = (round % 2 == 0, round % 3 == 0);
        let mut moves = JointMoves::new(count, like.clone());
        moves.set_prices(currency("BTC"), btc.clone()).unwrap();
        moves.set_prices(currency("USDC"), usdc.clone()).unwrap();
        for (code, ..) in COINS {
            moves.set_vols(currency(code), shares.clone()).unwrap();
            moves.set_vol_points(currency(code), points.clone()).unwrap();
            if has_shorts {
                moves.set_short_vols(currency(code), shorts.clone()).unwrap();
            }
            if has_skews {
                moves.set_skews(currency(code), skews.clone()).unwrap();
            }
        }
        let scenarios: Vec<Scenario> = (0..count)
            .map(|row| {
                let mut one = like.clone();
                one.spot.each.push((currency("BTC"), Move::Return(btc[row] - 1.0)));
                one.dollars.push((currency("USDC"), usdc[row] - 1.0));
                one.vol.relative += shares[row];
                one.vol.absolute += points[row];
                one.vol.short += if has_shorts { shorts[row] } else { 0.0 };
                one.vol.tilt += if has_skews { skews[row] } else { 0.0 };
                one
            })
            .collect();
        let outcomes = run(&portfolio, &scenarios);
        let mut told: Vec<Vec<f64>> = Vec::new();
        let mut sums = vec![0.0; count];
        for simd in SimdName::ALL.into_iter().filter_map(Simd::new) {
            let mut revaluation = Revaluation::new(simd);
            let (mut ready, mut profits) = (revaluation.ready(&portfolio).unwrap(), Vec::new());
            ready.profits(&moves, &mut profits).unwrap();
            told.push(profits);
            // Of one scenario alone.
            let mut last = Vec::new();
            ready.profits(&moves.select(&[count - 1]), &mut last).unwrap();
            assert_eq!(last[0].to_bits(), told[0][count - 1].to_bits());
            sums.fill(0.0);
            let by_line = ready.profits_by_line(&moves, |line, profits| {
                for (row, (profit, sum)) in profits.iter().zip(&mut sums).enumerate() {
                    let (expected, size) = (outcomes.profit(row, line), 1e6 / price_of(account));
                    assert!((profit - expected).abs() < 1e-11 * size, "line {line}, row {row}: {profit} {expected}");
                    *sum += profit;
                }
            });
            by_line.unwrap();
            // Nothing moves, and no time passes.
            ready.profits(&JointMoves::new(3, Scenario::still("still")), &mut last).unwrap();
            assert_eq!(last, [0.0; 3]);
        }
        assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "round {round}");
        for (row, (profit, sum)) in told[0].iter().zip(&sums).enumerate() {
            let size = 1e7 / price_of(account);
            assert!((profit - sum).abs() < 1e-12 * size && (profit - outcomes.total(row)).abs() < 1e-12 * size);
        }
    }
}

/// A price that makes sizes of amounts in an account's currency.
fn price_of(account: &str) -> f64 {
    COINS.iter().find(|(code, ..)| *code == account).map_or(1.0, |(_, price, _)| *price)
}

#[test]
fn joint_moves_that_cannot_be_are_refused() {
    let btc = currency("BTC");
    let mut moves = JointMoves::new(2, Scenario::still("day"));
    let refused = moves.set_prices(btc, vec![1.0, 0.0]).unwrap_err();
    assert_eq!(refused.to_string(), "scenario 2: the factor of a price of BTC is 0; it must be finite and above 0");
    assert!(matches!(moves.set_vols(btc, vec![f64::NAN, 0.0]), Err(ScenarioError::Row { row: 0, .. })));
    assert!(matches!(moves.set_vol_points(btc, vec![0.0, f64::INFINITY]), Err(ScenarioError::Row { row: 1, .. })));
    moves.set_prices(btc, vec![1.0, 1e20]).unwrap();
    let portfolio = empty("USD");
    let mut revaluation = Revaluation::new(Simd::best());
    let refused = revaluation.ready(&portfolio).unwrap().profits(&moves, &mut Vec::new()).unwrap_err();
    assert!(matches!(refused, ScenarioError::Moved { .. }), "{refused}");
    moves.set_prices(btc, vec![1.0, 1.0]).unwrap();
    let like = Scenario { funding: f64::NAN, ..Scenario::still("day") };
    let refused = revaluation.ready(&portfolio).unwrap().profits(&JointMoves::new(1, like), &mut Vec::new());
    assert!(matches!(refused, Err(ScenarioError::Move { .. })));
}

#[test]
fn nothing_that_moves_is_no_profit_at_all() {
    let mut random = Random(0x5eed_0002);
    for account in ["USD", "USDC", "BTC"] {
        let mut portfolio = empty(account);
        for _ in 0..100 {
            portfolio.hold(holding(&mut random)).unwrap();
        }
        let outcomes = run(&portfolio, &[Scenario::still("still"), spot(-0.2), Scenario::still("again")]);
        assert!(outcomes.profits(0).chain(outcomes.profits(2)).all(|profit| profit == 0.0));
        assert_eq!((outcomes.total(0), outcomes.total(2)), (0.0, 0.0));
        assert!(outcomes.total(1) != 0.0);
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let mut random = Random(0x5eed_0003);
    let mut portfolio = empty("USD");
    for _ in 0..333 {
        portfolio.hold(holding(&mut random)).unwrap();
    }
    let scenarios: Vec<Scenario> = (0..9).map(|_| scenario(&mut random)).collect();
    let told: Vec<Vec<u64>> = SimdName::ALL
        .into_iter()
        .filter_map(Simd::new)
        .map(|simd| {
            let mut outcomes = Outcomes::default();
            let mut revaluation = Revaluation::new(simd);
            // What was run before leaves nothing behind.
            revaluation.run(&empty("BTC"), &scenarios, &mut outcomes).unwrap();
            revaluation.run(&portfolio, &scenarios, &mut outcomes).unwrap();
            // One by one as all at once.
            let mut ready = revaluation.ready(&portfolio).unwrap();
            let mut one = Outcomes::default();
            for (index, scenario) in scenarios.iter().enumerate() {
                ready.run(std::slice::from_ref(scenario), &mut one).unwrap();
                assert_eq!((one.total(0), one.value()), (outcomes.total(index), outcomes.value()));
            }
            let profits = (0..scenarios.len()).flat_map(|index| outcomes.profits(index));
            profits.chain(outcomes.totals().to_vec()).map(f64::to_bits).collect()
        })
        .collect();
    assert!(!told.is_empty() && told.iter().all(|bits| *bits == told[0]));
}

/// Closed forms, in coin and in dollars: an inverse long of N coins that moves by m earns N (1 − 1 ÷ (1 + m)) coins.
#[test]
fn linear_and_inverse_perpetuals_follow_their_closed_forms() {
    let btc = currency("BTC");
    let moves = [-0.9, -0.5, -0.16, -0.01, 0.0, 0.16, 1.0, 5.0];
    let inverse = |quantity, cost| Holding::Future {
        underlying: btc,
        expiry: None,
        settlement: Settlement::Coin,
        quantity: qty(quantity),
        cost: notional(cost),
    };
    let mut in_coin = empty("BTC");
    in_coin.hold(inverse(120_000.0, -2.0)).unwrap();
    let mut in_usd = empty("USD");
    in_usd
        .hold(Holding::Future {
            underlying: btc,
            expiry: None,
            settlement: Settlement::Quote(Currency::USD),
            quantity: qty(2.0),
            cost: notional(100_000.0),
        })
        .unwrap();
    let mut synthetic = empty("USD");
    synthetic.hold(Holding::Balance { currency: btc, amount: cash(2.0) }).unwrap();
    synthetic.hold(inverse(-120_000.0, 2.0)).unwrap();
    let scenarios: Vec<Scenario> = moves.into_iter().map(spot).collect();
    let (coins, dollars, nothing) = (run(&in_coin, &scenarios), run(&in_usd, &scenarios), run(&synthetic, &scenarios));
    for (index, by) in moves.into_iter().enumerate() {
        let expected = 2.0 * (1.0 - 1.0 / (1.0 + by));
        assert!((coins.total(index) - expected).abs() < 1e-14 * (1.0 + expected.abs()), "{by}");
        assert!((dollars.total(index) - 120_000.0 * by).abs() < 1e-9, "{by}");
        assert!(nothing.total(index).abs() < 1e-9, "{by}: a synthetic dollar moved");
    }
    // What the venue prints: −16 % costs a long 19.05 % of its size, +16 % pays 13.79 %.
    assert_eq!(format!("{:.4} {:.4}", coins.total(2) / 2.0, coins.total(5) / 2.0), "-0.1905 0.1379");
    // Funding of 0.1 % takes from the long what it gives to the short.
    let funding = Scenario { funding: 0.001, ..spot(0.25) };
    let paid = run(&in_usd, std::slice::from_ref(&funding)).total(0) - 120_000.0 * 0.25;
    assert!((paid + 150.0).abs() < 1e-9, "{paid}");
    let paid = run(&in_coin, std::slice::from_ref(&funding)).total(0) - 2.0 * (1.0 - 1.0 / 1.25);
    assert!((paid + 0.0016).abs() < 1e-12, "{paid}");
}

/// A long that is settled in a stablecoin owes stablecoins: they are worth less after a depeg, and the coin is not.
#[test]
fn a_depeg_takes_from_the_balance_and_gives_to_who_owes() {
    let (btc, usdt) = (currency("BTC"), currency("USDT"));
    let mut portfolio = Portfolio::new(Currency::USD, days(0));
    portfolio.set_price(btc, 60_000.0).unwrap();
    portfolio.hold(Holding::Balance { currency: usdt, amount: cash(100_000.0) }).unwrap();
    let settlement = Settlement::Quote(usdt);
    let (quantity, cost) = (qty(1.0), notional(60_000.0));
    portfolio.hold(Holding::Future { underlying: btc, expiry: None, settlement, quantity, cost }).unwrap();
    let depeg = Scenario { dollars: vec![(usdt, -0.1)], ..Scenario::still("USDT at 0.90") };
    let outcomes = run(&portfolio, std::slice::from_ref(&depeg));
    let profits: Vec<f64> = outcomes.profits(0).collect();
    assert!((profits[0] + 10_000.0).abs() < 1e-9 && (profits[1] - 6_000.0).abs() < 1e-9, "{profits:?}");
    // An account that reckons in USDT sees its balance stand still and the coin rise by a ninth.
    let mut own = Portfolio::new(usdt, days(0));
    own.set_price(btc, 60_000.0).unwrap();
    portfolio.holdings().for_each(|holding| assert!(own.hold(*holding).is_ok()));
    let outcomes = run(&own, &[depeg]);
    assert!(outcomes.profit(0, 0) == 0.0 && (outcomes.profit(0, 1) - 60_000.0 / 9.0).abs() < 1e-9);
}

/// By hand: a long of 2 BTC from 60,000, paid in USDC. USDC falls to 0.88 and BTC by a tenth. By a price in USD it loses 2 × 6,000 USDC,
/// worth 10,560 USD; the depeg alone takes nothing of a profit of nothing. By a price in USDC the same long goes from 60,000 to
/// 54,000 ÷ 0.88 = 61,363.64 USDC and gains 2,400 USD. By a price in USDT, which falls to 0.96, it loses 2 × (60,000 − 54,000 ÷ 0.96) USDC.
#[test]
fn a_quanto_pays_in_one_currency_what_prices_make_in_another() {
    let (btc, usdc, usdt) = (currency("BTC"), currency("USDC"), currency("USDT"));
    let depeg = Scenario { dollars: vec![(usdc, -0.12)], ..Scenario::still("depeg") };
    let both = Scenario {
        spot: SpotMoves::all(Move::Return(-0.1)),
        dollars: vec![(usdc, -0.12), (usdt, -0.04)],
        ..Scenario::still("both")
    };
    for (quoted, alone, expected) in [
        (Currency::USD, 0.0, -2.0 * 6_000.0 * 0.88),
        (usdc, 14_400.0, 2_400.0),
        (usdt, 0.0, -2.0 * (60_000.0 - 54_000.0 / 0.96) * 0.88),
    ] {
        let mut portfolio = Portfolio::new(Currency::USD, days(0));
        portfolio.set_price(btc, 60_000.0).unwrap();
        let settlement = Settlement::linear(quoted, usdc);
        let (quantity, cost) = (qty(2.0), notional(120_000.0));
        portfolio.hold(Holding::Future { underlying: btc, expiry: None, settlement, quantity, cost }).unwrap();
        let outcomes = run(&portfolio, &[depeg.clone(), both.clone()]);
        assert!((outcomes.total(0) - alone).abs() < 1e-9, "{quoted}: {}", outcomes.total(0));
        assert!((outcomes.total(1) - expected).abs() < 1e-9, "{quoted}: {}", outcomes.total(1));
    }
    // A profit that was there is worth less: 10,000 USDC of it lose 1,200 USD.
    let mut portfolio = Portfolio::new(Currency::USD, days(0));
    portfolio.set_price(btc, 60_000.0).unwrap();
    let settlement = Settlement::linear(Currency::USD, usdc);
    let (quantity, cost) = (qty(2.0), notional(110_000.0));
    portfolio.hold(Holding::Future { underlying: btc, expiry: None, settlement, quantity, cost }).unwrap();
    assert!((run(&portfolio, &[depeg]).total(0) + 1_200.0).abs() < 1e-9);
}

/// A call less a put is a forward, whatever moves.
#[test]
fn parity_holds_under_every_scenario() {
    let mut random = Random(0x5eed_0004);
    let quanto = Settlement::Quanto { quoted: Currency::USD, paid: currency("USDT") };
    for settlement in [Settlement::Coin, Settlement::Quote(Currency::USD), Settlement::Quote(currency("USDT")), quanto]
    {
        let mut portfolio = empty("USD");
        let option = |right, quantity| Holding::Option {
            underlying: currency("BTC"),
            expiry: days(30),
            strike: Price::from_raw(66_000 * Price::ONE),
            right,
            settlement,
            quantity: qty(quantity),
            point: SmilePoint { vol: 0.7, slope: -0.1 },
        };
        portfolio.hold(option(OptionRight::Call, 3.0)).unwrap();
        portfolio.hold(option(OptionRight::Put, -3.0)).unwrap();
        let scenarios: Vec<Scenario> = (0..20).map(|_| scenario(&mut random)).collect();
        let outcomes = run(&portfolio, &scenarios);
        for (index, scenario) in scenarios.iter().enumerate() {
            let value = |moved: bool| {
                let world = World(scenario);
                let coin = world.price(currency("BTC"), moved);
                let forward = forward(0, 30) * coin / 60_000.0;
                let passed = if moved { scenario.time.days() } else { 0.0 };
                match quoted_and_paid(settlement) {
                    None => 3.0 * (forward - 66_000.0) / forward * coin,
                    Some((quote, paid)) => {
                        let left = units::math::pow(discount(30), 1.0 - passed / 30.0);
                        3.0 * left * (forward / world.price(quote, moved) - 66_000.0) * world.price(paid, moved)
                    }
                }
            };
            let expected = value(true) - value(false);
            assert!((outcomes.total(index) - expected).abs() < 1e-8, "{scenario:?}: {}", outcomes.total(index));
        }
    }
}

/// A smile that stays at its moneyness: price and strike scale together.
#[test]
fn a_smile_that_moves_along_makes_prices_homogeneous() {
    let smile = |place: f64| 0.6 - 0.15 * place + 0.3 * place * place;
    let (by, strike) = (-0.25, 50_000.0);
    let mut portfolio = Portfolio::new(Currency::USD, days(0));
    portfolio.set_price(currency("BTC"), 60_000.0).unwrap();
    portfolio.set_forward(currency("BTC"), days(40), 60_000.0).unwrap();
    let place = units::math::ln(strike / 60_000.0);
    portfolio
        .hold(Holding::Option {
            underlying: currency("BTC"),
            expiry: days(40),
            strike: Price::from_raw(50_000 * Price::ONE),
            right: OptionRight::Put,
            settlement: Settlement::Quote(Currency::USD),
            quantity: qty(1.0),
            point: SmilePoint { vol: smile(place), slope: 0.0 },
        })
        .unwrap();
    let scenario = Scenario { sticky: Sticky::Moneyness, ..spot(by) };
    let mut outcomes = Outcomes::default();
    let mut revaluation = Revaluation::new(Simd::best());
    let told = |line: usize, place: f64, by: f64| if line == 0 { smile(place - by) - smile(place) } else { f64::NAN };
    revaluation.run_on(&portfolio, std::slice::from_ref(&scenario), &mut outcomes, told).unwrap();
    let price = |strike: f64| {
        let vol = smile(units::math::ln(strike / 60_000.0));
        let inputs = Inputs { forward: 60_000.0, strike, years: 40.0 / 365.0, vol, discount: 1.0 };
        EuropeanOption::new(OptionRight::Put, inputs).unwrap().greeks().price
    };
    let expected = (1.0 + by) * price(strike / (1.0 + by)) - price(strike);
    assert!((outcomes.total(0) - expected).abs() < 1e-9, "{}, not {expected}", outcomes.total(0));
}

#[test]
fn grids_go_move_by_move() {
    let returns = Scenario::even_returns(0.16, 4);
    assert_eq!(returns.len(), 9);
    assert!((returns[0] + 0.16).abs() < 1e-15 && returns[4] == 0.0 && (returns[7] - 0.12).abs() < 1e-15);
    let vols = [0.5, 0.0, -0.25].map(VolMove::relative);
    let grid = Scenario::grid(&returns, &vols, &Scenario::still("grid"));
    assert_eq!(grid.len(), 27);
    assert_eq!(grid[0].name, "spot -16.00 %, vol +50.00 %");
    assert_eq!((grid[13].name.as_str(), grid[13].vol), ("spot +0.00 %", VolMove::NONE));
    // A straddle that is held loses most where nothing moves but volatility, downward.
    let mut portfolio = empty("USD");
    for right in [OptionRight::Call, OptionRight::Put] {
        portfolio
            .hold(Holding::Option {
                underlying: currency("BTC"),
                expiry: days(30),
                strike: Price::from_raw(60_000 * Price::ONE),
                right,
                settlement: Settlement::Quote(Currency::USD),
                quantity: qty(1.0),
                point: SmilePoint { vol: 0.6, slope: 0.0 },
            })
            .unwrap();
    }
    let (worst, loss) = run(&portfolio, &grid).worst().unwrap();
    assert_eq!(grid[worst].name, "spot +0.00 %, vol -25.00 %");
    assert!(loss < 0.0);
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    let mut portfolio = Portfolio::new(currency("ETH"), days(0));
    let btc = currency("BTC");
    assert_eq!(portfolio.set_price(btc, 0.0), Err(ScenarioError::Price(btc, 0.0)));
    assert_eq!(portfolio.set_price(Currency::USD, 1.1), Err(ScenarioError::Price(Currency::USD, 1.1)));
    assert_eq!(portfolio.set_vol(btc, 0.5), Err(ScenarioError::NoPrice(btc)));
    assert_eq!(portfolio.set_forward(btc, days(7), 1.0), Err(ScenarioError::NoPrice(btc)));
    portfolio.set_price(btc, 60_000.0).unwrap();
    let option = |vol, slope| Holding::Option {
        underlying: btc,
        expiry: days(7),
        strike: Price::from_raw(60_000 * Price::ONE),
        right: OptionRight::Call,
        settlement: Settlement::Coin,
        quantity: qty(1.0),
        point: SmilePoint { vol, slope },
    };
    assert_eq!(portfolio.hold(option(0.5, 0.0)), Err(ScenarioError::NoForward(btc, days(7))));
    portfolio.set_forward(btc, days(7), 60_100.0).unwrap();
    assert!(matches!(portfolio.hold(option(-0.5, 0.0)), Err(ScenarioError::Number(_))));
    assert_eq!(portfolio.hold(option(0.5, f64::INFINITY)), Err(ScenarioError::Slope(f64::INFINITY)));
    assert_eq!(portfolio.hold(option(0.5, -0.5)), Ok(0));
    let balance = Holding::Balance { currency: currency("SOL"), amount: cash(1.0) };
    assert_eq!(portfolio.hold(balance), Err(ScenarioError::NoPrice(currency("SOL"))));

    let mut outcomes = Outcomes::default();
    let mut revaluation = Revaluation::new(Simd::best());
    let mut refuse = |portfolio: &Portfolio, scenario: Scenario| {
        let error = revaluation.run(portfolio, &[Scenario::still("fine"), scenario], &mut outcomes).unwrap_err();
        assert!(outcomes.is_empty());
        error.to_string()
    };
    assert_eq!(refuse(&portfolio, spot(0.1)), "ETH has no price; set its price first");
    portfolio.set_price(currency("ETH"), 3_000.0).unwrap();
    assert_eq!(
        refuse(&portfolio, spot(-1.0)),
        "scenario `-1`: the move of a price is -1; it must be finite and above -1"
    );
    let vol = |vol| Scenario { vol, ..Scenario::still("vol") };
    assert_eq!(
        refuse(&portfolio, vol(VolMove { shortest_days: 0.0, ..VolMove::NONE })),
        "scenario `vol`: the shortest tenor in days is 0; it must be finite and above 0"
    );
    assert_eq!(
        refuse(&portfolio, vol(VolMove::absolute(200.0))),
        "scenario `vol`, line 0: `vol` is 200.5; it must lie between 0 and 100"
    );
    let deviations = Scenario { spot: SpotMoves::all(Move::Deviations(-4.0)), ..Scenario::still("one") };
    assert!(refuse(&portfolio, deviations).contains("has no volatility; set its volatility"));
    let time = Scenario { time: Duration::from_nanos(-1), ..Scenario::still("back") };
    assert!(refuse(&portfolio, time).contains("must be finite and not under 0"));
    let far = Scenario { spot: SpotMoves::all(Move::Return(1e14)), ..Scenario::still("far") };
    assert!(refuse(&portfolio, far).contains("which is no price; move it less"));
    let peg = Scenario { dollars: vec![(currency("USDT"), -1.5)], ..Scenario::still("peg") };
    assert!(refuse(&portfolio, peg).contains("the move of a dollar is -1.5"));
    // A smile that has no answer is no volatility of zero.
    let along = Scenario { sticky: Sticky::Moneyness, ..spot(0.1) };
    let error = revaluation.run_on(&portfolio, &[along], &mut outcomes, |_, _, _| f64::NAN).unwrap_err();
    assert!(matches!(error, ScenarioError::Line { line: 0, .. }) && outcomes.is_empty(), "{error}");
}

/// Fills one after the other: the bits of a portfolio made anew, and the value of a single scenario is that of the list.
#[test]
fn a_fill_gives_what_a_portfolio_made_anew_gives() {
    let mut random = Random(31);
    for _ in 0..20 {
        let holdings: Vec<Holding> = (0..1 + random.below(200)).map(|_| holding(&mut random)).collect();
        let scenarios: Vec<Scenario> = (0..5).map(|_| scenario(&mut random)).collect();
        let made = |holdings: &[Holding]| {
            let mut portfolio = empty("USDT");
            holdings.iter().for_each(|holding| assert!(portfolio.hold(*holding).is_ok()));
            portfolio
        };
        let (mut outcomes, mut changed) = (run(&made(&holdings), &scenarios), holdings.clone());
        for _ in 0..10 {
            let line = random.below(holdings.len() as u64) as usize;
            let (size, price) = (random.between(-4.0, 4.0), notional(random.between(-1e5, 1e5)));
            let (filled, paid) = match &mut changed[line] {
                Holding::Option { quantity, .. } => {
                    *quantity = qty(size);
                    (qty(size), Notional::ZERO)
                }
                Holding::Future { quantity, cost, .. } => {
                    (*quantity, *cost) = (qty(size), price);
                    (qty(size), price)
                }
                Holding::Balance { amount, .. } => {
                    // What quantities and cash of their own scales both hold without a rounding.
                    let size = (size * 64.0).round() / 64.0;
                    *amount = cash(size);
                    (qty(size), Notional::ZERO)
                }
            };
            outcomes.hold(line, filled, paid);
        }
        let portfolio = made(&changed);
        assert_eq!(outcomes, run(&portfolio, &scenarios));
        let mut revaluation = Revaluation::new(Simd::best());
        let mut ready = revaluation.ready(&portfolio).unwrap();
        for (index, scenario) in scenarios.iter().enumerate() {
            let (alone, listed) = (ready.value(scenario).unwrap(), outcomes.value() + outcomes.total(index));
            assert!((alone - listed).abs() < 1e-9 * listed.abs().max(1e5), "{alone} {listed}");
        }
    }
}

/// A mixed portfolio under a grid, skew, twist, floors, time, funding, pegs and smiles that follow: an independent computation
/// (`vectors/scenarios.py`), line by line to 1e-10 of what is held.
#[test]
fn agrees_with_an_independent_computation() {
    let (vector, portfolio) = golden();
    let rows = |name: &str| vector[name].as_array().unwrap().iter();
    let scenarios: Vec<Scenario> = rows("scenarios").map(golden_scenario).collect();
    let outcomes = run(&portfolio, &scenarios);
    assert!((outcomes.value() - number(&vector["value"])).abs() < 1e-10 * 5e5, "{}", outcomes.value());
    for (index, expected) in rows("profits").enumerate() {
        let expected: Vec<f64> = expected.as_array().unwrap().iter().map(number).collect();
        assert_eq!(outcomes.profits(index).len(), expected.len());
        for (line, (found, expected)) in outcomes.profits(index).zip(&expected).enumerate() {
            let near = (found - expected).abs() <= 1e-10 * expected.abs().max(1e3);
            assert!(near, "scenario {index}, line {line}: {found} {expected}");
        }
    }
}

/// The same under two hundred joint moves of which each coin has its own: totals, and line by line.
#[test]
fn joint_moves_agree_with_an_independent_computation() {
    let (vector, portfolio) = golden();
    let column = |value: &Value| -> Vec<f64> { value.as_array().unwrap().iter().map(number).collect() };
    let (joint, totals) = (&vector["joint"], column(&vector["joint_totals"]));
    let mut moves = JointMoves::new(totals.len(), golden_scenario(&vector["like"]));
    for code in ["BTC", "ETH", "USDC"] {
        moves.set_prices(currency(code), column(&joint[code])).unwrap();
    }
    moves.set_vols(currency("BTC"), column(&joint["vol_BTC"])).unwrap();
    moves.set_vols(currency("ETH"), column(&joint["vol_ETH"])).unwrap();
    moves.set_vol_points(currency("ETH"), column(&joint["points_ETH"])).unwrap();
    moves.set_skews(currency("BTC"), column(&joint["skew_BTC"])).unwrap();
    moves.set_skews(currency("ETH"), column(&joint["skew_ETH"])).unwrap();
    let (mut revaluation, mut profits) = (Revaluation::new(Simd::best()), Vec::new());
    let mut ready = revaluation.ready(&portfolio).unwrap();
    ready.profits(&moves, &mut profits).unwrap();
    assert_eq!(profits.len(), totals.len());
    for (row, (found, expected)) in profits.iter().zip(&totals).enumerate() {
        assert!((found - expected).abs() <= 1e-10 * expected.abs().max(1e4), "row {row}: {found} {expected}");
    }
    let first: Vec<Vec<f64>> = vector["joint_first"].as_array().unwrap().iter().map(column).collect();
    let mut lines = 0;
    let by_line = ready.profits_by_line(&moves, |line, profits| {
        lines += 1;
        for (row, (found, expected)) in profits.iter().zip(first.iter().map(|row| row[line])).enumerate() {
            let near = (found - expected).abs() <= 1e-10 * expected.abs().max(1e3);
            assert!(near, "row {row}, line {line}: {found} {expected}");
        }
    });
    by_line.unwrap();
    assert_eq!(lines, portfolio.len());
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// What `vectors/scenarios.py` told, and its portfolio.
fn golden() -> (Value, Portfolio) {
    let vector: Value = serde_json::from_str(include_str!("../../../vectors/scenarios.json")).unwrap();
    let code = |value: &Value| currency(value.as_str().unwrap());
    let rows = |name: &str| vector[name].as_array().unwrap().iter();
    let mut portfolio = Portfolio::new(code(&vector["account"]), days(0));
    for (name, price) in vector["prices"].as_object().unwrap().iter().filter(|(name, _)| *name != "USD") {
        portfolio.set_price(currency(name), number(price)).unwrap();
    }
    for (name, vol) in vector["vols"].as_object().unwrap() {
        portfolio.set_vol(currency(name), number(vol)).unwrap();
    }
    for term in rows("terms") {
        let (coin, expiry) = (code(&term[0]), days(term[1].as_i64().unwrap()));
        portfolio.set_forward(coin, expiry, number(&term[2])).unwrap();
        portfolio.set_discount(coin, expiry, number(&term[3])).unwrap();
    }
    let settlement = |value: &Value| if value.is_null() { Settlement::Coin } else { Settlement::Quote(code(value)) };
    for option in rows("options") {
        let right = if option[3].as_bool().unwrap() { OptionRight::Call } else { OptionRight::Put };
        let holding = Holding::Option {
            underlying: code(&option[0]),
            expiry: days(option[1].as_i64().unwrap()),
            strike: Price::from_estimate(number(&option[2]), Round::Nearest).unwrap(),
            right,
            settlement: settlement(&option[4]),
            quantity: qty(number(&option[5])),
            point: SmilePoint { vol: number(&option[6]), slope: number(&option[7]) },
        };
        portfolio.hold(holding).unwrap();
    }
    for future in rows("futures") {
        let holding = Holding::Future {
            underlying: code(&future[0]),
            expiry: future[1].as_i64().map(days),
            settlement: settlement(&future[2]),
            quantity: qty(number(&future[3])),
            cost: Notional::from_estimate(number(&future[4]), Round::Nearest).unwrap(),
        };
        portfolio.hold(holding).unwrap();
    }
    for balance in rows("balances") {
        let amount = Cash::from_estimate(number(&balance[1]), Round::Nearest).unwrap();
        portfolio.hold(Holding::Balance { currency: code(&balance[0]), amount }).unwrap();
    }
    (vector, portfolio)
}

fn golden_scenario(row: &Value) -> Scenario {
    let named = |value: &Value| -> Vec<(Currency, f64)> {
        value.as_object().unwrap().iter().map(|(name, by)| (currency(name), number(by))).collect()
    };
    let returns = named(&row["spot"]).into_iter().map(|(coin, by)| (coin, Move::Return(by)));
    let deviations = named(&row["deviations"]).into_iter().map(|(coin, by)| (coin, Move::Deviations(by)));
    Scenario {
        spot: SpotMoves { others: Move::Return(number(&row["others"])), each: returns.chain(deviations).collect() },
        vol: VolMove {
            relative: number(&row["relative"]),
            absolute: number(&row["absolute"]),
            twist: number(&row["twist"]),
            short: number(&row["early"]),
            skew: number(&row["skew"]),
            tilt: number(&row["tilt"]),
            short_power: number(&row["short"]),
            long_power: number(&row["long"]),
            shortest_days: number(&row["shortest"]),
            floor: number(&row["floor"]),
        },
        sticky: if row["moneyness"].as_bool().unwrap() { Sticky::Moneyness } else { Sticky::Strike },
        time: Duration::from_nanos(row["hours"].as_i64().unwrap() * DAY / 24),
        funding: number(&row["funding"]),
        dollars: named(&row["dollars"]),
        ..Scenario::still("golden")
    }
}

/// Ticks of prices and forwards, and now and then another change: the bits of a portfolio made anew.
#[test]
fn a_tick_gives_what_a_portfolio_made_anew_gives() {
    let mut random = Random(53);
    for _ in 0..20 {
        let mut portfolio = empty("USD");
        (0..60).for_each(|_| assert!(portfolio.hold(holding(&mut random)).is_ok()));
        let mut followed = Followed::new(portfolio, Simd::best());
        let (mut found, mut bound, mut anew) = (Outcomes::default(), Bound::default(), Bound::default());
        for _ in 0..10 {
            let coin = random.below(2) as usize;
            let code = currency(COINS[coin].0);
            match random.below(5) {
                0 => {
                    let expiry = EXPIRIES[random.below(4) as usize];
                    followed.set_forward(code, days(expiry), forward(coin, expiry) * random.between(0.9, 1.1)).unwrap();
                }
                1 => {
                    assert!(followed.portfolio_mut().hold(holding(&mut random)).is_ok());
                }
                2 => followed.set_price(currency("USDT"), random.between(0.95, 1.05)).unwrap(),
                _ => followed.set_price(code, COINS[coin].1 * random.between(0.8, 1.2)).unwrap(),
            }
            let scenarios: Vec<Scenario> = (0..3).map(|_| scenario(&mut random)).collect();
            let mut ready = followed.ready().unwrap();
            ready.bound(&scenarios[0], &Reach::default(), &mut bound).unwrap();
            ready.run(&scenarios, &mut found).unwrap();
            let portfolio = followed.portfolio();
            assert_eq!(found, run(portfolio, &scenarios));
            let mut revaluation = Revaluation::new(Simd::best());
            revaluation.ready(portfolio).unwrap().bound(&scenarios[0], &Reach::default(), &mut anew).unwrap();
            assert_eq!(bound, anew);
        }
    }
}
