//! Deribit's margins against the venue's published answers (shared reference) and against an independent computation.

#![allow(clippy::unwrap_used, reason = "a malformed reference file fails the test")]

mod common;

use common::text;
use market::{Currency, Instrument, InstrumentKind};
use pricing::options::Simd;
use risk::Size;
use risk::venues::deribit::{DeribitPortfolio, StatedMargins, net_delta, standard_margin};
use risk::venues::{Balance, Figure, Margin, Order, Parameters, Portfolio, Position, Term, Underlying};
use serde_json::Value;
use units::{Contract, Duration, OptionRight, Price, Qty, Round, Timestamp};

fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().skip(1).map(|line| line.split(',').collect()).collect()
}

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn instrument(kind: InstrumentKind, base: &str, settle: &str) -> Instrument {
    let (tick, lot) = (Price::from_raw(1), Qty::from_raw(1));
    let (base, settle) = (currency(base), currency(settle));
    Instrument {
        symbol: format!("deribit:{base}-{kind:?}"),
        kind,
        base,
        quote: settle,
        settle,
        tick,
        lot,
        min_qty: lot,
    }
}

fn price(value: f64) -> Price {
    Price::from_estimate(value, Round::Nearest).unwrap()
}

fn qty(value: f64) -> Qty {
    Qty::from_estimate(value, Round::Nearest).unwrap()
}

/// A future of this many coins.
fn coins(kind: InstrumentKind, coins: f64, mark: f64) -> Position {
    let mut position = Position::new(instrument(kind, "BTC", "BTC"), qty(coins * mark));
    (position.mark, position.entry) = (Some(price(mark)), Some(price(mark)));
    position
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn near(found: &[f64], expected: &[f64], tolerance: f64) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance)
}

fn value(figure: &Figure) -> f64 {
    figure.value().unwrap()
}

/// The venue's answer of 17 June 2024: both tables of both futures to 1e-10, every margin to 1e-9.
#[test]
fn the_venues_own_answer() {
    let Some(text) = text("the_venues_own_answer", "deribit_pm_btc_futures.json") else { return };
    let answer: Value = serde_json::from_str(&text).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let at = Timestamp::from_nanos(answer["timestamp_ms"].as_i64().unwrap() * 1_000_000);
    let index = number(&answer["index"]);
    let held = &answer["inverse_positions_coin"];
    let expiry = "2024-06-28T08:00:00Z".parse().unwrap();
    let portfolio = Portfolio {
        at,
        positions: vec![
            coins(InstrumentKind::InversePerpetual, number(&held["BTC-PERPETUAL"]), index),
            coins(InstrumentKind::InverseFuture { expiry }, number(&held["BTC-28JUN24"]), index),
        ],
        underlyings: vec![Underlying { currency: currency("BTC"), index, confidence: 1.0 }],
        ..Portfolio::default()
    };
    let margins = &answer["margins"];
    let details = &margins["initial_margin_details"];
    let stated = StatedMargins {
        spot: number(&details["spot_margin"]),
        mmp: number(&details["mmp_margin"]),
        open_orders: Some(number(&details["open_orders_margin"])),
    };
    let parameters = Parameters::deribit_portfolio("BTC").unwrap();
    let account = DeribitPortfolio::new(&portfolio, &parameters, currency("BTC"), stated, Simd::best()).unwrap();
    for (row, name) in ["BTC-PERPETUAL", "BTC-28JUN24"].into_iter().enumerate() {
        let expected = &answer["initial_risk_vectors"][name];
        let vector = account.vector(row).unwrap();
        assert!(near(&vector.standard, &numbers(&expected["standard"]), 1e-10), "{name}: {:?}", vector.standard);
        assert!(near(&vector.extended, &numbers(&expected["extended"]), 1e-10), "{name}: {:?}", vector.extended);
    }
    let aggregated: Vec<f64> = (0..27).map(|scenario| account.profit(scenario)).collect();
    assert!(near(&aggregated, &numbers(&answer["aggregated_standard"]), 1e-10), "{aggregated:?}");
    let margin = account.margin();
    let matrix = &details["risk_matrix_margin_details"];
    for (name, expected) in [
        ("worst case", &matrix["worst_case"]),
        ("roll shock, total", &matrix["roll_shock"]),
        ("delta shock", &matrix["delta_shock"]),
        ("risk matrix margin", &details["risk_matrix_margin"]),
        ("open orders margin", &details["open_orders_margin"]),
    ] {
        assert!((value(margin.component(name).unwrap()) - number(expected)).abs() <= 1e-9, "{name}: {margin:?}");
    }
    assert!((value(&margin.initial) - number(&margins["initial_margin"])).abs() <= 1e-9);
    assert!((value(&margin.maintenance) - number(&margins["maintenance_margin"])).abs() <= 1e-9);
    assert_eq!(margin.worst, Some(0));
    assert!(account.vector(2).is_none());
}

/// An account with options against a computation of its own (`vectors/deribit_margin.py`), which no venue published.
#[test]
fn options_as_computed_apart() {
    let vector: Value = serde_json::from_str(include_str!("../../../vectors/deribit_margin.json")).unwrap();
    let number = |name: &str| vector[name].as_f64().unwrap();
    let at: Timestamp = "2025-06-01T08:00:00Z".parse().unwrap();
    let after = |days: i64| Timestamp::from_nanos(at.nanos() + days * Duration::DAY.nanos());
    let mut portfolio = Portfolio {
        at,
        positions: vec![
            coins(InstrumentKind::InversePerpetual, number("perpetual"), 60_000.0),
            coins(InstrumentKind::InverseFuture { expiry: after(90) }, number("future"), 60_000.0),
        ],
        underlyings: vec![Underlying { currency: currency("BTC"), index: number("index"), confidence: 1.0 }],
        ..Portfolio::default()
    };
    for row in vector["expiries"].as_array().unwrap() {
        let expiry = after(row[0].as_i64().unwrap());
        let forward = row[1].as_f64().unwrap();
        portfolio.expiries.push(Term { underlying: currency("BTC"), expiry, forward, rate: 0.0, confidence: 1.0 });
        for option in row[2].as_array().unwrap() {
            let right = if option[1].as_bool().unwrap() { OptionRight::Call } else { OptionRight::Put };
            let kind = InstrumentKind::InverseOption { expiry, strike: price(option[0].as_f64().unwrap()), right };
            let mut position = Position::new(instrument(kind, "BTC", "BTC"), qty(option[2].as_f64().unwrap()));
            // No scenario starts from a mark.
            (position.vol, position.mark) = (option[3].as_f64(), Some(price(0.01)));
            portfolio.positions.push(position);
        }
    }
    let parameters = Parameters::deribit_portfolio("BTC").unwrap();
    let account = |portfolio: &Portfolio| {
        DeribitPortfolio::new(portfolio, &parameters, currency("BTC"), StatedMargins::default(), Simd::best()).unwrap()
    };
    // Its volatility does not stand for a mark that is missing.
    let mut unmarked = portfolio.clone();
    unmarked.positions[3].mark = None;
    let coin = currency("BTC");
    let refused = DeribitPortfolio::new(&unmarked, &parameters, coin, StatedMargins::default(), Simd::best());
    assert!(matches!(refused, Err(risk::venues::MarginError::NoMark { row: 3, .. })), "{refused:?}");
    let (held, sums) = (account(&portfolio), account(&portfolio).sums());
    let expected: Vec<f64> = [numbers(&vector["standard"]), numbers(&vector["extended"])].concat();
    // Gains count nothing with an offset of zero.
    let losses: Vec<f64> = expected.iter().map(|profit| profit.min(0.0)).collect();
    let found: Vec<f64> = (0..35).map(|scenario| held.profit(scenario)).collect();
    assert!(near(&found, &losses, 1e-11), "{found:?}");
    assert!(expected.iter().any(|profit| *profit > 0.0) && losses.iter().any(|loss| *loss < 0.0));
    for (found, name) in [
        (sums.worst_loss, "worst"),
        (sums.roll_shock, "roll"),
        (sums.delta_total, "delta_total"),
        (sums.initial, "initial"),
        (sums.maintenance, "maintenance"),
    ] {
        assert!((found - number(name)).abs() <= 1e-11, "{name}: {found}");
    }
    let margin = held.margin();
    assert!(margin.notes.iter().any(|note| note == "options: no published figure was reproduced; futures were"));

    // Vectors of all positions add up to the standard table, and a fill gives what a portfolio made anew gives.
    for (scenario, total) in expected.iter().take(27).enumerate() {
        let sum: f64 = (0..portfolio.positions.len()).map(|row| held.vector(row).unwrap().standard[scenario]).sum();
        assert!((sum - total).abs() < 1e-11);
    }
    let mut filled = held.clone();
    for row in 0..portfolio.positions.len() {
        portfolio.positions[row].quantity += qty(0.25 * row as f64 + 0.5);
        assert!(filled.hold(row, portfolio.positions[row].quantity));
    }
    assert_eq!(filled.sums(), account(&portfolio).sums());

    // The worst subset of orders by enumeration, table by table, against the sum of what each loses.
    let order = |position: usize, quantity: f64| Order { position, quantity: qty(quantity), price: price(0.01) };
    portfolio.orders = vec![order(0, 30_000.0), order(3, -1.0), order(4, 2.0), order(6, -3.0), order(1, -90_000.0)];
    let with = account(&portfolio).sums();
    let mut most = 0.0_f64;
    for subset in 0..32_u32 {
        let mut changed = Portfolio { orders: vec![], ..portfolio.clone() };
        for (_, order) in portfolio.orders.iter().enumerate().filter(|(index, _)| subset >> index & 1 == 1) {
            let position = &mut changed.positions[order.position];
            position.quantity += order.quantity;
        }
        most = most.max(account(&changed).sums().worst_loss);
    }
    assert!(with.open_orders > 0.0 && (with.worst_loss + with.open_orders - most).abs() < 1e-11, "{with:?}, {most}");
}

/// The venue's own worked figures of linear perpetuals, exactly.
#[test]
fn linear_perpetuals_exactly() {
    let Some(text) = text("linear_perpetuals_exactly", "deribit_linear_perp_sm.csv") else { return };
    let rows = rows(&text);
    assert_eq!(rows.len(), 2);
    for row in rows {
        let mut position =
            Position::new(instrument(InstrumentKind::LinearPerpetual, row[0], "USDC"), row[5].parse().unwrap());
        (position.mark, position.entry) = (Some(row[1].parse().unwrap()), Some(row[1].parse().unwrap()));
        let index = row[1].parse().unwrap();
        let portfolio = Portfolio {
            at: "2024-01-01".parse().unwrap(),
            positions: vec![position],
            underlyings: vec![Underlying { currency: currency(row[0]), index, confidence: 1.0 }],
            ..Portfolio::default()
        };
        let margin = standard_margin(&portfolio, &Parameters::deribit_standard(), currency("USDC")).unwrap();
        assert_eq!(margin.initial, Figure::Owed(row[6].parse().unwrap()));
        assert_eq!(margin.maintenance, Figure::Owed(row[7].parse().unwrap()));
        assert_eq!(margin.ratio(), Figure::Absent(risk::venues::Absent::NoEquity));
        // The index is in USDC: what a dollar index is where USDC is worth half of one.
        let usdc = Underlying { currency: currency("USDC"), index: 0.5, confidence: 1.0 };
        let mut half = portfolio.clone();
        half.underlyings[0].index *= 0.5;
        half.underlyings.push(usdc);
        let in_halves = standard_margin(&half, &Parameters::deribit_standard(), currency("USDC")).unwrap();
        assert_eq!((in_halves.initial, in_halves.maintenance), (margin.initial, margin.maintenance));
        // The table by which an exchange liquidates, and an engine keeps clear of it.
        let symbol = format!("deribit:{}_USDC-PERPETUAL", row[0]);
        let table = risk::venues::tiers_of(&symbol, Contract::Linear, (currency(row[0]), currency("USDC")));
        for side in [1, -1] {
            let held = Qty::from_raw(row[5].parse::<Qty>().unwrap().raw() * side);
            let size = Size::at(Contract::Linear, row[1].parse().unwrap(), held);
            assert_eq!(table.initial_margin(size), row[6].parse().unwrap());
            assert_eq!(table.maintenance_margin(size), row[7].parse().unwrap());
        }
    }
}

/// The venue's worked examples to the digits it gives.
#[test]
fn worked_examples() {
    let Some(text) = text("worked_examples", "deribit_examples.csv") else { return };
    let mut met = 0;
    for line in text.lines().skip(1) {
        let (name, rest) = line.split_once(',').unwrap();
        let (inputs, expected) = rest.trim_start_matches('"').split_once("\",").unwrap();
        let input = |name: &str| -> f64 {
            let pair = inputs.split(',').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
            pair.unwrap().1.parse().unwrap()
        };
        let found = match name {
            "net_delta_in_settlement" => net_delta(input("delta"), input("mark"), 1.0 - input("minutes") / 30.0),
            "inverse_long_pnl_btc" => {
                let profit = Contract::Inverse.profit(qty(input("usd")), price(input("entry")), price(input("exit")));
                profit.approximate()
            }
            "option_delivery_call_btc" => {
                let delivery = input("delivery");
                (OptionRight::Call.sign() * (delivery - input("strike"))).max(0.0) / delivery
            }
            other => unreachable!("{other}"),
        };
        let digits = expected.split_once('.').unwrap().1.len() as i32;
        let half = 0.5 * (0..digits).fold(1.0, |unit, _| unit / 10.0);
        assert!((found - expected.parse::<f64>().unwrap()).abs() <= half, "{name}: {found}");
        met += 1;
    }
    assert_eq!(met, 3);
}

fn standard(positions: Vec<Position>, orders: Vec<Order>) -> Margin {
    let portfolio = Portfolio {
        at: "2024-01-01".parse().unwrap(),
        balances: vec![Balance { currency: currency("BTC"), amount: "1".parse().unwrap() }],
        positions,
        orders,
        underlyings: vec![Underlying { currency: currency("BTC"), index: 50_000.0, confidence: 1.0 }],
        ..Portfolio::default()
    };
    standard_margin(&portfolio, &Parameters::deribit_standard(), currency("BTC")).unwrap()
}

/// Options and inverse futures by hand at an index of 50,000: nothing outside exists.
#[test]
fn standard_margin_by_hand() {
    let option = |strike: &str, right, quantity: &str, mark: &str| {
        let kind = InstrumentKind::InverseOption {
            expiry: "2024-02-01T08:00:00Z".parse().unwrap(),
            strike: strike.parse().unwrap(),
            right,
        };
        let mut position = Position::new(instrument(kind, "BTC", "BTC"), quantity.parse().unwrap());
        position.mark = Some(mark.parse().unwrap());
        position
    };
    use OptionRight::{Call, Put};
    for (position, initial, maintenance) in [
        // At the money: 0.15 + mark. 4 % out of the money: 0.11 + mark. 20 % out: the floor of 0.10.
        (option("50000", Call, "-2", "0.05"), "0.4", "0.25"),
        (option("52000", Call, "-1", "0.03"), "0.14", "0.105"),
        (option("60000", Call, "-1", "0.01"), "0.11", "0.085"),
        (option("48000", Put, "-1", "0.03"), "0.14", "0.105"),
        // A put far in the money: 7.5 % of a mark of 1.5 is 0.1125; maintenance 1.6125 is under 0.15 + 1.5.
        (option("150000", Put, "-1", "1.5"), "1.65", "1.6125"),
        // With a mark of 3 maintenance is 3.225, over 0.15 + 3.
        (option("300000", Put, "-1", "3"), "3.225", "3.225"),
        (option("50000", Call, "3", "0.05"), "0", "0"),
        // 10 coins long: 2 % + 0.05 %, of 10 coins; 1,000 coins: 7 % and 6 %.
        (coins(InstrumentKind::InversePerpetual, 10.0, 50_000.0), "0.205", "0.105"),
        (coins(InstrumentKind::InversePerpetual, -1000.0, 50_000.0), "70", "60"),
    ] {
        let margin = standard(vec![position.clone()], vec![]);
        assert_eq!(margin.initial, Figure::Owed(initial.parse().unwrap()), "{position:?}");
        assert_eq!(margin.maintenance, Figure::Owed(maintenance.parse().unwrap()), "{position:?}");
        let said =
            margin.notes.iter().any(|note| note == "options: no published figure of this model exists to compare with");
        assert_eq!(said, position.instrument.kind.is_option());
    }

    // Orders: 10 coins long, 5 more to buy and 30 to sell: the sale turns it to 20 short, which needs 2 % + 0.1 % of 20.
    let perpetual = coins(InstrumentKind::InversePerpetual, 10.0, 50_000.0);
    let order = |quantity: &str, price: &str| Order {
        position: 0,
        quantity: quantity.parse().unwrap(),
        price: price.parse().unwrap(),
    };
    let margin = standard(vec![perpetual], vec![order("250000", "50000"), order("-1500000", "50000")]);
    assert_eq!(margin.initial, Figure::Owed("0.42".parse().unwrap()));
    assert_eq!(margin.component("open orders, initial"), Some(&Figure::Owed("0.215".parse().unwrap())));
    // Two options held, three to sell: one is short then; one to buy is paid for.
    let held = option("50000", Call, "2", "0.05");
    let margin = standard(vec![held], vec![order("-3", "0.06"), order("1", "0.04")]);
    assert_eq!(margin.initial, Figure::Owed("0.24".parse().unwrap()));
}

/// The rules of 2022 do not answer for a day after which the venue announced others.
#[test]
fn the_file_ends_where_the_venue_announced_other_rules() {
    let portfolio = Portfolio { at: "2026-08-05".parse().unwrap(), ..Portfolio::default() };
    let error = standard_margin(&portfolio, &Parameters::deribit_standard(), currency("BTC")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the parameters `deribit-standard` hold from 2022-01-11T00:00:00Z until 2026-08-05T00:00:00Z, not at \
         2026-08-05T00:00:00Z; give the venue's parameters of that time"
    );
    let mut position = coins(InstrumentKind::InversePerpetual, 1.0, 50_000.0);
    position.mark = None;
    let portfolio = Portfolio { at: "2024-01-01".parse().unwrap(), positions: vec![position], ..Portfolio::default() };
    let error = standard_margin(&portfolio, &Parameters::deribit_standard(), currency("BTC")).unwrap_err();
    assert_eq!(error.to_string(), "position 0: `deribit:BTC-InversePerpetual` has no mark; state one over zero");
}
