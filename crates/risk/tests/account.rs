//! One portfolio for margin and stress: what an account of a venue is worth as a portfolio of scenarios, and what is refused by row.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use market::{Currency, Instrument, InstrumentKind};
use pricing::options::{EuropeanOption, Inputs, Simd};
use risk::scenario::{Move, Outcomes, Portfolio, Revaluation, Scenario, SpotMoves};
use risk::venues::{self, Balance, MarginError, Position, Term, Underlying};
use units::{Duration, OptionRight, Price, Qty, Timestamp};

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn day(day: i64) -> Timestamp {
    Timestamp::from_nanos((20_000 + day) * Duration::DAY.nanos())
}

fn position(kind: InstrumentKind, settle: &str, quantity: &str) -> Position {
    let (tick, lot) = (Price::from_raw(1), Qty::from_raw(1));
    let (base, settle) = (currency("BTC"), currency(settle));
    let symbol = format!("venue:{kind:?}");
    let quote = if kind == InstrumentKind::InversePerpetual { Currency::USD } else { settle };
    Position::new(Instrument { symbol, kind, base, quote, settle, tick, lot, min_qty: lot }, quantity.parse().unwrap())
}

fn marked(mut position: Position, entry: &str, mark: &str) -> Position {
    (position.entry, position.mark) = (Some(entry.parse().unwrap()), Some(mark.parse().unwrap()));
    position
}

/// One of everything that a venue lists.
fn account() -> venues::Portfolio {
    let (strike, expiry) = ("65000".parse().unwrap(), day(30));
    let mut coin_option =
        position(InstrumentKind::InverseOption { expiry, strike, right: OptionRight::Call }, "BTC", "-3");
    coin_option.vol = Some(0.6);
    let mut linear_option =
        position(InstrumentKind::LinearOption { expiry, strike, right: OptionRight::Put }, "USDC", "2");
    linear_option.vol = Some(0.7);
    let mut isolated = marked(position(InstrumentKind::LinearPerpetual, "USDC", "1"), "58000", "60100");
    isolated.isolated = Some("5000".parse().unwrap());
    let nothing =
        position(InstrumentKind::InverseOption { expiry: day(60), strike, right: OptionRight::Put }, "BTC", "0");
    venues::Portfolio {
        at: day(0),
        balances: vec![
            Balance { currency: currency("BTC"), amount: "1.5".parse().unwrap() },
            Balance { currency: currency("USDC"), amount: "-20000".parse().unwrap() },
        ],
        positions: vec![
            marked(position(InstrumentKind::LinearPerpetual, "USDC", "-2"), "61000", "60050"),
            marked(position(InstrumentKind::InversePerpetual, "BTC", "-90000"), "50000", "60020"),
            marked(position(InstrumentKind::InverseFuture { expiry: day(90) }, "BTC", "30000"), "62000", "61500"),
            coin_option,
            linear_option,
            nothing,
            position(InstrumentKind::Spot, "USDC", "0.25"),
            isolated,
        ],
        underlyings: vec![
            Underlying { currency: currency("BTC"), index: 60_000.0, confidence: 1.0 },
            Underlying { currency: currency("USDC"), index: 0.999, confidence: 1.0 },
        ],
        expiries: vec![Term { underlying: currency("BTC"), expiry, forward: 60_300.0, rate: 0.04, confidence: 1.0 }],
        ..venues::Portfolio::default()
    }
}

fn black(right: OptionRight, forward: f64, vol: f64, discount: f64) -> f64 {
    let inputs = Inputs { forward, strike: 65_000.0, years: 30.0 / 365.0, vol, discount };
    EuropeanOption::new(right, inputs).unwrap().greeks().price
}

/// Worth what its parts are by hand, now and after a fall by a tenth.
#[test]
fn is_worth_what_the_account_is() {
    let account = account();
    let portfolio = Portfolio::of(&account, Currency::USD).unwrap();
    assert_eq!(portfolio.len(), account.positions.len() + account.balances.len() + 1);
    let fall = Scenario { spot: SpotMoves::all(Move::Return(-0.1)), ..Scenario::still("fall") };
    let mut outcomes = Outcomes::default();
    Revaluation::new(Simd::best()).run(&portfolio, &[Scenario::still("now"), fall], &mut outcomes).unwrap();
    let usdc = 0.999;
    let discount = units::math::exp(-0.04 * 30.0 / 365.0);
    let lines = |factor: f64| {
        let btc = 60_000.0 * factor;
        // Profits at the marks, which move in proportion with the coin.
        let inverse = |quantity: f64, entry: f64, mark: f64| (quantity / entry - quantity / (mark * factor)) * btc;
        let linear = |quantity: f64, entry: f64, mark: f64| quantity * (mark * factor - entry) * usdc;
        vec![
            linear(-2.0, 61_000.0, 60_050.0),
            inverse(-90_000.0, 50_000.0, 60_020.0),
            inverse(30_000.0, 62_000.0, 61_500.0),
            -3.0 * black(OptionRight::Call, 60_300.0 * factor, 0.6, 1.0) * 60_000.0 / 60_300.0,
            2.0 * black(OptionRight::Put, 60_300.0 * factor / usdc, 0.7, discount) * usdc,
            0.0,
            0.25 * btc,
            linear(1.0, 58_000.0, 60_100.0),
            1.5 * btc,
            -20_000.0 * usdc,
            5_000.0 * usdc,
        ]
    };
    let (now, then) = (lines(1.0), lines(0.9));
    let value: f64 = now.iter().sum();
    assert!((outcomes.value() - value).abs() < 1e-6, "{} {value}", outcomes.value());
    assert!(outcomes.profits(0).all(|profit| profit == 0.0));
    for (line, profit) in outcomes.profits(1).enumerate() {
        assert!((profit - (then[line] - now[line])).abs() < 1e-6, "line {line}: {profit} {}", then[line] - now[line]);
    }
}

/// An account at a venue that pays USDC by prices in USD: USDC falls from 0.999 to 0.8991, the coin stays. By hand each position keeps
/// what it makes in USDC, which is worth a tenth less; by prices in USDC a long of 1 BTC would gain 6,000 USD. Then the coin falls too.
#[test]
fn a_depeg_moves_no_price_that_is_in_dollars() {
    let (expiry, strike) = (day(30), "65000".parse().unwrap());
    let mut option = position(InstrumentKind::LinearOption { expiry, strike, right: OptionRight::Put }, "USDC", "2");
    option.vol = Some(0.7);
    let mut account = venues::Portfolio {
        positions: vec![marked(position(InstrumentKind::LinearPerpetual, "USDC", "1"), "58000", "60100"), option],
        balances: vec![Balance { currency: currency("USDC"), amount: "30000".parse().unwrap() }],
        ..account()
    };
    account.positions.iter_mut().for_each(|position| position.priced_in = Some(Currency::USD));
    let usdc = (currency("USDC"), -0.1);
    let depeg = Scenario { dollars: vec![usdc], ..Scenario::still("depeg") };
    let both = Scenario { spot: SpotMoves::all(Move::Return(-0.2)), ..depeg.clone() };
    let portfolio = Portfolio::of(&account, Currency::USD).unwrap();
    let mut outcomes = Outcomes::default();
    Revaluation::new(Simd::best()).run(&portfolio, &[depeg.clone(), both.clone()], &mut outcomes).unwrap();
    let discount = units::math::exp(-0.04 * 30.0 / 365.0);
    let worth = |factor: f64, usdc: f64| {
        let put = 2.0 * black(OptionRight::Put, 60_300.0 * factor, 0.7, discount) * usdc;
        [(60_100.0 * factor - 58_000.0) * usdc, put, 30_000.0 * usdc]
    };
    let now = worth(1.0, 0.999);
    for (scenario, then) in [worth(1.0, 0.8991), worth(0.8, 0.8991)].into_iter().enumerate() {
        for (line, profit) in outcomes.profits(scenario).enumerate() {
            let expected = then[line] - now[line];
            assert!((profit - expected).abs() < 1e-6, "scenario {scenario}, line {line}: {profit} {expected}");
        }
    }
    // The venue sees the same: after the depeg no mark and no forward has moved.
    let after = venues::moved(&account, &depeg, |_| None, |_, _| None).unwrap();
    assert_eq!((after.positions[0].mark, after.expiries[0].forward), (account.positions[0].mark, 60_300.0));
    let after = venues::moved(&account, &both, |_| None, |_, _| None).unwrap();
    assert_eq!(after.positions[0].mark, Some("48080".parse().unwrap()));
    // Inverse contracts and spot have no such currency, whatever is said.
    let mut inverse = position(InstrumentKind::InversePerpetual, "BTC", "1");
    inverse.priced_in = Some(currency("USDT"));
    assert_eq!(inverse.priced_in(), Currency::USD);
}

/// Each venue's prices are in what its documentation says, coin by coin, whatever a user's file may say in its place.
#[test]
fn parameters_tell_what_prices_are_in() {
    let said = |venue: &str, coin: &str| {
        venues::VenueModel::of_venue(venue).unwrap().priced_in(currency(coin)).map(|code| code.to_string())
    };
    let usd = Some("USD".to_owned());
    assert_eq!((said("dydx", "BTC"), said("derive", "ETH")), (usd.clone(), usd));
    assert_eq!(said("hyperliquid", "BTC"), Some("USDT".to_owned()));
    assert_eq!(said("hyperliquid", "HYPE"), Some("USDC".to_owned()));
    for venue in ["binance", "bybit", "okx", "deribit"] {
        assert_eq!(said(venue, "BTC"), None);
    }
    let mut own = venues::Parameters::hyperliquid();
    own.replace("priced_in", "USD");
    assert_eq!(own.priced_in(currency("BTC")), Ok(Some(Currency::USD)));
    own.replace("priced_in", "no currency");
    let refused = own.priced_in(currency("BTC")).unwrap_err().to_string();
    assert!(refused.contains("priced_in") && refused.contains("a currency, such as USD or USDT"), "{refused}");
}

/// A change to an account that makes it one that nothing can be said about, and what is said.
type Broken = (fn(&mut venues::Portfolio), &'static str);

#[test]
fn what_is_refused_names_its_row() {
    let cases: &[Broken] = &[
        (|account| account.positions[3].vol = None, "position 3: "),
        (|account| account.positions[3].vol = Some(f64::NAN), "position 3: the volatility of "),
        (|account| account.positions[0].mark = None, "position 0: `venue:LinearPerpetual` has no mark"),
        (|account| account.positions[1].entry = None, "position 1: `venue:InversePerpetual` has no entry"),
        (|account| account.positions[2].mark = None, "position 2: "),
        (|account| account.expiries.clear(), "position 3: "),
        (|account| account.underlyings.truncate(0), "expiry 0: BTC has no index"),
        (|account| account.underlyings[0].index = -1.0, "price 0: the index of BTC is -1; it must be "),
        (|account| account.expiries[0].forward = f64::INFINITY, "expiry 0: the forward of it is inf"),
        (|account| account.at = day(31), "position 3: "),
        (
            |account| account.positions[6].instrument.kind = InstrumentKind::Structure,
            "position 6: a scenario has no rule",
        ),
        (|account| account.positions[4].instrument.settle = currency("DOGE"), "position 4: DOGE has no index"),
        (|account| account.balances[1].currency = currency("ETH"), "balance 1: ETH has no index"),
        (|account| account.positions[4].marked_at = Some(day(1)), "position 4: "),
        (
            |account| {
                account.positions[4].marked_at = Some(day(-1));
                account.stale_after = Some(Duration::from_nanos(60_000_000_000));
            },
            "position 4: ",
        ),
    ];
    for (number, (change, said)) in cases.iter().enumerate() {
        let mut account = account();
        change(&mut account);
        let refused = Portfolio::of(&account, Currency::USD).map(|_| ()).unwrap_err().to_string();
        assert!(refused.starts_with(said), "case {number}: {refused}");
    }
    let expired = venues::Portfolio { at: day(31), ..account() };
    assert!(matches!(Portfolio::of(&expired, Currency::USD), Err(MarginError::Expired { row: 3, .. })));
    let mut stale = account();
    stale.positions[4].marked_at = Some(day(-1));
    assert!(Portfolio::of(&stale, Currency::USD).is_ok(), "nobody said how old a mark may be");
    stale.stale_after = Some(Duration::DAY);
    assert!(Portfolio::of(&stale, Currency::USD).is_ok(), "as old as it may be");
    assert!(Portfolio::of(&account(), currency("ETH")).is_err(), "an account that reckons in what has no price");
}
