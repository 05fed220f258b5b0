//! Boundaries of liquidation against the exact price, closed forms and both sides; touching against simulation and limits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;

use common::Random;
use market::{Currency, Position};
use pricing::options::{EuropeanOption, Inputs, Simd};
use risk::greeks::SmilePoint;
use risk::liquidation::{
    Boundaries, BoundariesError, Drift, ExitError, Exposed, LeverageRatio, Path, Search, TouchError, boundaries,
    time_to_exit,
};
use risk::scenario::{Holding, Move, Outcomes, Portfolio, Revaluation, Scenario, Settlement, SpotMoves};
use risk::venues::tiers_of;
use risk::{TierTable, liquidation_price};
use units::math::{exp, ln};
use units::{Cash, Contract, Duration, OptionRight, Price, Qty, Round, Timestamp};

/// Both sides were really evaluated, they differ in sign, and lie as near as was told.
fn verify(found: &Boundaries, slack: impl Fn(f64) -> f64) {
    for boundary in [found.below, found.above].into_iter().flatten() {
        let ((alive, more), (dead, less)) = (boundary.alive, boundary.dead);
        assert_eq!((slack(alive), slack(dead)), (more, less));
        assert!(more >= 0.0 && less < 0.0, "{boundary:?}");
        assert!((alive - dead).abs() <= 1.0001e-12 * dead.max(alive), "{boundary:?}");
    }
}

/// The exact price of the tier tables, linear and inverse, long and short, some without any.
#[test]
fn the_boundary_of_one_position_is_its_exact_liquidation_price() {
    let mut random = Random(0x5eed_0101);
    let (mut none, mut some) = (0, 0);
    for round in 0..400 {
        let inverse = round % 2 == 1;
        let contract = if inverse { Contract::Inverse } else { Contract::Linear };
        let dollar = |code: &str| code.parse().unwrap();
        let table = match (round % 3, contract) {
            (0, _) => tiers_of("binance:BTCUSDT-PERP", Contract::Linear, (btc(), dollar("USDT"))),
            (1, _) => TierTable::generic(),
            (_, Contract::Inverse) => tiers_of("deribit:BTC-PERPETUAL", contract, (btc(), btc())),
            (_, Contract::Linear) => tiers_of("deribit:BTC_USDC-PERPETUAL", contract, (btc(), dollar("USDC"))),
        };
        let size = random.between(0.01, 40.0) * if random.unit() < 0.5 { 1.0 } else { -1.0 };
        let entry = Price::from_estimate(random.between(40_000.0, 60_000.0), Round::TowardZero).unwrap();
        let quantity = if inverse { size * 50_000.0 } else { size };
        let qty = Qty::from_estimate(quantity, Round::TowardZero).unwrap();
        let quantity = qty.approximate();
        let position = Position { qty, cost: contract.value(entry, qty) };
        let notional = if inverse { size.abs() } else { size.abs() * 50_000.0 };
        let other = Cash::from_estimate(notional * random.between(0.1, 1.3), Round::TowardZero).unwrap();
        let slack = |price: f64| {
            let exposure = if inverse { quantity / price } else { quantity * price };
            let value = if inverse { -exposure } else { exposure };
            // The table's tiers as straight lines, the largest of which counts.
            let lines = table.tiers().iter().zip(table.deductions());
            let margin = lines
                .map(|(tier, deduction)| exposure.abs() * tier.maintenance.approximate() - deduction.approximate());
            let coins = if inverse { exposure } else { quantity };
            let grown = exposure * table.growth().approximate() * coins;
            other.approximate() + value - position.cost.approximate() - margin.fold(0.0, f64::max) - grown
        };
        let found = boundaries(&Search::price(50_000.0), slack).unwrap();
        if found.is_liquidated() {
            continue;
        }
        verify(&found, slack);
        let exact = liquidation_price(contract, position, other, &table).map(Price::approximate);
        let (found, never) = if quantity > 0.0 { (found.below, found.above) } else { (found.above, found.below) };
        // Where rates grow, a short of 9,900 coins loses by their fall.
        let is_too_large = |edge: risk::liquidation::Boundary| inverse && (quantity / edge.dead.0).abs() > 9_900.0;
        assert!(never.is_none_or(is_too_large), "{contract:?} {position:?}: {never:?}");
        // A price beyond a thousand times the present one is not looked for.
        match exact.filter(|price| (50.0..50_000_000.0).contains(price)) {
            Some(price) => {
                let at = found.unwrap().dead.0;
                assert!((at / price - 1.0).abs() < 1e-9, "{contract:?} {position:?}: {at}, not {price}");
                some += 1;
            }
            None => {
                assert_eq!(found, None, "{contract:?} {position:?}");
                none += 1;
            }
        }
    }
    assert!(some > 200 && none > 20, "{some} {none}");
}

fn btc() -> Currency {
    "BTC".parse().unwrap()
}

/// One coin and an inverse short of all that it is worth: no delta in USD, and no price liquidates it, reckoned either way.
#[test]
fn a_synthetic_dollar_has_no_liquidation_price() {
    for account in [Currency::USD, btc()] {
        let mut portfolio = Portfolio::new(account, Timestamp::default());
        portfolio.set_price(btc(), 60_000.0).unwrap();
        portfolio.hold(Holding::Balance { currency: btc(), amount: "1".parse().unwrap() }).unwrap();
        portfolio
            .hold(Holding::Future {
                underlying: btc(),
                expiry: None,
                settlement: Settlement::Coin,
                quantity: "-60000".parse().unwrap(),
                cost: "1".parse::<Cash>().unwrap().notional(),
            })
            .unwrap();
        let (mut revaluation, mut outcomes) = (Revaluation::new(Simd::best()), Outcomes::default());
        let mut equity = |price: f64| {
            let spot = SpotMoves::all(Move::Return(price / 60_000.0 - 1.0));
            let scenario = Scenario { spot, ..Scenario::still("price") };
            revaluation.run(&portfolio, &[scenario], &mut outcomes).unwrap();
            outcomes.value() + outcomes.total(0)
        };
        let unit = |price: f64| if account == Currency::USD { 1.0 } else { price };
        let delta = (equity(60_001.0) * unit(60_001.0) - equity(59_999.0) * unit(59_999.0)) / 2.0;
        assert!(delta.abs() < 1e-9, "{delta}");
        // 1 % of what it is worth, in the account's currency.
        let found = boundaries(&Search::price(60_000.0), |price| equity(price) - 600.0 / unit(price)).unwrap();
        assert_eq!((found.below, found.above, found.distance()), (None, None, None));
    }
}

fn straddle(years: f64, vol: f64, price: f64) -> f64 {
    let inputs = Inputs { forward: price, strike: 60_000.0, years, vol, discount: 1.0 };
    [OptionRight::Call, OptionRight::Put]
        .map(|right| EuropeanOption::new(right, inputs).unwrap().greeks().price)
        .iter()
        .sum()
}

/// A short straddle has a price on either side, and a volatility; one that is held has neither.
#[test]
fn a_short_straddle_has_two_prices_and_a_volatility() {
    let (years, vol) = (30.0 / 365.0, 0.6);
    let premium = straddle(years, vol, 60_000.0);
    for quantity in [-1.0, 1.0] {
        let needed = |price: f64| if quantity < 0.0 { 0.075 * price } else { 0.0 };
        let slack = |price: f64| 12_000.0 + quantity * (straddle(years, vol, price) - premium) - needed(price);
        let found = boundaries(&Search::price(60_000.0), slack).unwrap();
        verify(&found, slack);
        let in_vol = |vol: f64| 12_000.0 + quantity * (straddle(years, vol, 60_000.0) - premium) - needed(60_000.0);
        let vols = boundaries(&Search::vol(vol), in_vol).unwrap();
        verify(&vols, in_vol);
        if quantity > 0.0 {
            assert_eq!((found.below, found.above, vols.below, vols.above), (None, None, None, None));
            continue;
        }
        // By halving alone, in the open.
        let halve = |mut alive: f64, mut dead: f64, slack: &dyn Fn(f64) -> f64| {
            for _ in 0..200 {
                let middle = 0.5 * (alive + dead);
                *(if slack(middle) < 0.0 { &mut dead } else { &mut alive }) = middle;
            }
            dead
        };
        let (below, above) = (found.below.unwrap(), found.above.unwrap());
        assert!((below.dead.0 / halve(60_000.0, 30_000.0, &slack) - 1.0).abs() < 2e-12);
        assert!((above.dead.0 / halve(60_000.0, 90_000.0, &slack) - 1.0).abs() < 2e-12);
        assert!(below.distance(60_000.0) < 0.0 && above.distance(60_000.0) > 0.0);
        let nearest = found.distance().unwrap();
        assert_eq!(nearest, below.distance(60_000.0).abs().min(above.distance(60_000.0)));
        assert_eq!(vols.below, None);
        assert!((vols.above.unwrap().dead.0 / halve(0.6, 5.0, &in_vol) - 1.0).abs() < 2e-12);
        // And the same account through the scenario engine.
        let expiry = Timestamp::from_nanos(30 * Duration::DAY.nanos());
        let mut portfolio = Portfolio::new(Currency::USD, Timestamp::default());
        portfolio.set_price(btc(), 60_000.0).unwrap();
        portfolio.set_forward(btc(), expiry, 60_000.0).unwrap();
        let amount = Cash::from_estimate(12_000.0 + premium, Round::TowardZero).unwrap();
        portfolio.hold(Holding::Balance { currency: Currency::USD, amount }).unwrap();
        for right in [OptionRight::Call, OptionRight::Put] {
            let option = Holding::Option {
                underlying: btc(),
                expiry,
                strike: Price::from_raw(60_000 * Price::ONE),
                right,
                settlement: Settlement::Quote(Currency::USD),
                quantity: "-1".parse().unwrap(),
                point: SmilePoint { vol, slope: 0.0 },
            };
            portfolio.hold(option).unwrap();
        }
        let (mut revaluation, mut outcomes) = (Revaluation::new(Simd::best()), Outcomes::default());
        let through = boundaries(&Search::price(60_000.0), |price| {
            let spot = SpotMoves::all(Move::Return(price / 60_000.0 - 1.0));
            let scenario = Scenario { spot, ..Scenario::still("price") };
            revaluation.run(&portfolio, &[scenario], &mut outcomes).unwrap();
            outcomes.value() + outcomes.total(0) - needed(price)
        })
        .unwrap();
        assert!((through.below.unwrap().dead.0 / below.dead.0 - 1.0).abs() < 1e-11);
        assert!((through.above.unwrap().dead.0 / above.dead.0 - 1.0).abs() < 1e-11);
    }
}

#[test]
fn kinks_are_looked_at_and_what_cannot_be_is_refused() {
    // Liquidated in a notch of a tenth of a percent that no step meets.
    let slack = |price: f64| if (70.0..70.07).contains(&price) { -1.0 } else { 1.0 };
    assert_eq!(boundaries(&Search::price(100.0), slack).unwrap().below, None);
    let kinks = [200.0, 70.03, 3.0];
    let found = boundaries(&Search { kinks: &kinks, ..Search::price(100.0) }, slack).unwrap();
    assert!((found.below.unwrap().dead.0 - 70.07).abs() < 1e-9 && found.above.is_none());
    let gone = boundaries(&Search::price(100.0), |_| -1.0).unwrap();
    assert!(gone.is_liquidated() && gone.below.is_none() && gone.distance() == Some(0.0));
    // Exactly at its limit an account lives: equity that equals maintenance is not under it.
    assert!(!boundaries(&Search::price(100.0), |_| 0.0).unwrap().is_liquidated());
    let error = boundaries(&Search::price(0.0), slack).unwrap_err();
    assert!(matches!(error, BoundariesError::Search { .. }) && error.to_string().contains("it needs 0 < lowest"));
    let not_a_number = boundaries(&Search::price(100.0), |price| if price < 90.0 { f64::NAN } else { 1.0 });
    assert!(not_a_number.unwrap_err().to_string().contains("it must be finite"));
}

fn path(vol: f64, years: f64, drift: Drift) -> Path {
    Path { price: 100.0, vol, years, drift }
}

/// Steps of a random walk, between which a bridge tells whether a barrier was crossed, so that the walk has no error of its steps.
#[test]
fn touching_agrees_with_simulated_paths() {
    let mut random = Random(0x5eed_0102);
    let (vol, years, steps, paths) = (0.8, 0.25, 24, 20_000);
    for (drift, low, high) in [
        (Drift::Martingale, Some(75.0), None),
        (Drift::Median, None, Some(130.0)),
        (Drift::Rate(0.9), Some(70.0), Some(140.0)),
        (Drift::Rate(-1.2), Some(80.0), Some(150.0)),
    ] {
        let mean = match drift {
            Drift::Martingale => -0.32,
            Drift::Median => 0.0,
            Drift::Rate(rate) => rate - 0.32,
        };
        let step = years / f64::from(steps);
        let logs = [low, high].map(|barrier: Option<f64>| barrier.map(|barrier| ln(barrier / 100.0)));
        let mut touched = 0.0;
        for _ in 0..paths {
            // What remains likely not to have been touched.
            let (mut at, mut untouched) = (0.0, 1.0);
            for _ in 0..steps {
                let next = at + mean * step + vol * step.sqrt() * random.normal();
                for barrier in logs.into_iter().flatten() {
                    let (a, b) = (barrier - at, barrier - next);
                    let crossed = if a * b <= 0.0 { 1.0 } else { exp(-2.0 * a * b / (vol * vol * step)) };
                    untouched *= 1.0 - crossed;
                }
                at = next;
            }
            touched += 1.0 - untouched;
        }
        let (simulated, told) = (touched / f64::from(paths), path(vol, years, drift).touches(low, high).unwrap());
        assert!((0.1..0.95).contains(&told), "{told}");
        // Four standard errors of the mean of numbers between 0 and 1.
        assert!((simulated - told).abs() < 4.0 * 0.5 / f64::from(paths).sqrt(), "{drift:?}: {simulated} and {told}");
    }
}

#[test]
fn touching_has_its_limits() {
    // Without drift, twice the probability to end beyond: N(−1) is 0.158655253931457.
    let one_deviation = path(0.5, 1.0, Drift::Median).touches(None, Some(100.0 * exp(0.5))).unwrap();
    assert!((one_deviation - 2.0 * 0.158_655_253_931_457_05).abs() < 1e-15);
    // A martingale that may run for ever reaches a price above it with the ratio of prices, and one below it for certain.
    let long = path(1.0, 200.0, Drift::Martingale);
    assert!((long.touches(None, Some(400.0)).unwrap() - 0.25).abs() < 1e-12);
    assert!((long.touches(Some(1.0), None).unwrap() - 1.0).abs() < 1e-12);
    // Of two barriers of a martingale, in the end: it leaves upward with (S − L) ÷ (U − L), so surely through one of them.
    assert_eq!(long.touches(Some(50.0), Some(200.0)), Ok(1.0));
    // Nothing moves, or no time is left.
    for path in [path(0.0, 1.0, Drift::Median), path(0.7, 0.0, Drift::Rate(2.0))] {
        assert_eq!(path.touches(Some(99.0), Some(101.0)), Ok(0.0));
    }
    assert_eq!(path(0.0, 1.0, Drift::Rate(-0.1)).touches(Some(95.0), None), Ok(1.0));
    assert_eq!(path(0.0, 1.0, Drift::Rate(-0.1)).touches(Some(85.0), None), Ok(0.0));
    assert_eq!(path(0.5, 1.0, Drift::Median).touches(None, None), Ok(0.0));
    assert_eq!(path(0.5, 1.0, Drift::Median).touches(Some(100.0), Some(150.0)), Ok(1.0));

    let mut random = Random(0x5eed_0103);
    for _ in 0..20_000 {
        let (vol, years) = (exp(random.between(-6.0, 1.5)), exp(random.between(-9.0, 2.0)));
        let deviation = vol * years.sqrt();
        let drift = match (random.unit() * 3.0) as u32 {
            0 => Drift::Martingale,
            1 => Drift::Median,
            _ => Drift::Rate(random.between(-3.0, 3.0)),
        };
        let barriers = [-1.0, 1.0].map(|sign| 100.0 * exp(sign * deviation * exp(random.between(-4.0, 3.0))));
        if !barriers.iter().all(|barrier| *barrier > 1e-200 && *barrier < 1e200 && *barrier != 100.0) {
            continue;
        }
        let path = path(vol, years, drift);
        let touches = |low, high| path.touches(low, high).unwrap();
        let (low, high) = (touches(Some(barriers[0]), None), touches(None, Some(barriers[1])));
        let either = touches(Some(barriers[0]), Some(barriers[1]));
        assert!([low, high, either].iter().all(|value| (0.0..=1.0).contains(value)), "{path:?} {barriers:?}");
        assert!(
            either >= low.max(high) - 1e-12 && either <= low + high + 1e-12,
            "{path:?} {barriers:?}: {either} {low} {high}"
        );
        // A barrier that cannot be reached adds nothing; time and distance are monotone.
        let far = touches(Some(barriers[0]), Some((barriers[0] * 1e200).min(1e300)));
        if 1e100 > exp(40.0 * deviation) {
            assert!((far - low).abs() < 1e-12, "{path:?} {barriers:?}: {far} {low}");
        }
        let later = Path { years: years * 1.5, ..path }.touches(Some(barriers[0]), Some(barriers[1])).unwrap();
        assert!(later >= either - 1e-12, "{path:?} {barriers:?}: {either}, later {later}");
        // Seen from the other coin the path is turned over: barriers swap, and the logarithm's drift changes its sign.
        let of_log = match drift {
            Drift::Martingale => -0.5 * vol * vol,
            Drift::Median => 0.0,
            Drift::Rate(rate) => rate - 0.5 * vol * vol,
        };
        let over = Path { price: 0.01, vol, years, drift: Drift::Rate(0.5 * vol * vol - of_log) };
        let turned = over.touches(Some(1.0 / barriers[1]), Some(1.0 / barriers[0])).unwrap();
        assert!((turned - either).abs() < 1e-9, "{path:?} {barriers:?}: {either} and {turned}");
    }
    let refused = Path { price: -1.0, ..path(0.5, 1.0, Drift::Median) }.touches(None, None).unwrap_err();
    assert_eq!(refused, TouchError { what: "price", value: -1.0 });
    assert_eq!(refused.to_string(), "the price is -1; it must be finite and above 0");
    assert!(path(-0.5, 1.0, Drift::Median).touches(None, None).is_err());
    assert!(path(0.5, f64::NAN, Drift::Median).touches(None, None).is_err());
    assert!(path(0.5, 1.0, Drift::Rate(f64::INFINITY)).touches(None, None).is_err());
    assert!(path(0.5, 1.0, Drift::Median).touches(Some(0.0), None).is_err());
}

#[test]
fn leverage_changes_as_its_sensitivities_say() {
    let at = LeverageRatio::new(30_000.0, 10_000.0).unwrap();
    assert_eq!((at.ratio, at.per_borrowed, at.per_return), (3.0, 1e-4, -6.0));
    // One more unit that is borrowed and invested: 30,001 ÷ 10,000. A fall by a tenth: 27,000 ÷ 7,000.
    assert!((at.after(1.0, 0.0).unwrap().ratio - 3.0001).abs() < 1e-12);
    assert!((at.after(0.0, -0.1).unwrap().ratio - 27.0 / 7.0).abs() < 1e-12);
    let small = 1e-6;
    assert!(((at.after(0.0, small).unwrap().ratio - 3.0) / small - at.per_return).abs() < 1e-4);
    assert_eq!(at.after(0.0, -1.0 / 3.0 - 1e-9), None);
    assert_eq!(LeverageRatio::new(1.0, 0.0), None);
    assert_eq!(LeverageRatio::new(1.0, -1.0), None);
    assert_eq!(LeverageRatio::new(0.0, 5.0).unwrap().ratio, 0.0);
}

/// Assets and equity after a small return, by their own formulas: long, short, half hedged, and a contract that settles in coin.
#[test]
fn leverage_moves_as_positions_do() {
    let small = 1e-6;
    let check = |exposed: Exposed, assets: &dyn Fn(f64) -> f64, equity: &dyn Fn(f64) -> f64| {
        let by = LeverageRatio::of(exposed, equity(0.0)).unwrap().per_return;
        let slope = (assets(small) / equity(small) - assets(-small) / equity(-small)) / (2.0 * small);
        assert!((by - slope).abs() < 1e-6 * slope.abs().max(1.0), "{exposed:?}: {by}, {slope}");
    };
    let linear = |long: f64, short: f64| Exposed { assets: long + short, moved: long + short, earned: long - short };
    for (long, short) in [(30_000.0, 0.0), (0.0, 30_000.0), (20_000.0, 10_000.0)] {
        check(linear(long, short), &|by| (long + short) * (1.0 + by), &|by| 10_000.0 + (long - short) * by);
    }
    // Three coins' worth of dollars long beside one coin: each dollar is fewer coins as the price rises.
    let inverse = Exposed { assets: 3.0, moved: -3.0, earned: 3.0 };
    check(inverse, &|by| 3.0 / (1.0 + by), &|by| 1.0 + 3.0 * (1.0 - 1.0 / (1.0 + by)));
}

#[test]
fn time_to_exit_follows_the_volumes() {
    let hour = Duration::HOUR;
    let day = [1_000.0; 24];
    assert_eq!(time_to_exit(-250.0, 0.1, hour, day), Ok(Duration::from_nanos(5 * hour.nanos() / 2)));
    // No volume, no exit; then all in one.
    assert_eq!(time_to_exit(10.0, 0.5, hour, [0.0, 20.0]), Ok(Duration::from_nanos(2 * hour.nanos())));
    assert_eq!(time_to_exit(0.0, 0.1, hour, []), Ok(Duration::ZERO));
    assert_eq!(time_to_exit(2_500.0, 0.1, hour, day), Err(ExitError::Left(100.0)));
    assert_eq!(time_to_exit(1.0, 0.0, hour, day), Err(ExitError::Participation(0.0)));
    assert_eq!(time_to_exit(1.0, 1.5, hour, day), Err(ExitError::Participation(1.5)));
    assert_eq!(time_to_exit(1.0, 0.1, hour, [-1.0]), Err(ExitError::Number(-1.0)));
    assert!(matches!(time_to_exit(f64::NAN, 0.1, hour, day), Err(ExitError::Number(_))));
    assert!(ExitError::Left(100.0).to_string().contains("while 100 is left"));
}
