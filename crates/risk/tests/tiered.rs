//! Margin by tiers: Hyperliquid, dYdX and tables as data, against what the venues published (shared reference).

#![allow(clippy::unwrap_used, reason = "a malformed reference file fails the test")]

mod common;

use common::text;
use market::{Currency, Instrument, InstrumentKind};
use risk::venues::{
    Absent, Balance, DydxClass, Figure, MarginError, Order, Parameters, Portfolio, Position, dydx, hyperliquid,
    hyperliquid_tiers, marginal, tiered, tiers_of, worst_orders,
};
use risk::{Size, TierTable};
use serde_json::Value;
use units::{Cash, Contract, Notional, Price, Qty};

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn cash(text: &str) -> Cash {
    text.parse().unwrap()
}

fn position(symbol: &str, kind: InstrumentKind, (base, settle): (&str, &str), quantity: &str, entry: &str) -> Position {
    let (tick, lot) = (Price::from_raw(1), Qty::from_raw(1));
    let (base, settle) = (currency(base), currency(settle));
    let instrument =
        Instrument { symbol: symbol.to_owned(), kind, base, quote: settle, settle, tick, lot, min_qty: lot };
    let mut position = Position::new(instrument, quantity.parse().unwrap());
    (position.entry, position.mark) = (Some(entry.parse().unwrap()), Some(entry.parse().unwrap()));
    position
}

fn perpetual(coin: &str, quantity: &str, entry: &str) -> Position {
    position(&format!("v:{coin}-PERP"), InstrumentKind::LinearPerpetual, (coin, "USDC"), quantity, entry)
}

fn account(positions: Vec<Position>, balance: &str) -> Portfolio {
    Portfolio {
        at: "2025-06-01".parse().unwrap(),
        balances: vec![Balance { currency: currency("USDC"), amount: cash(balance) }],
        positions,
        ..Portfolio::default()
    }
}

fn value(figure: &Figure) -> f64 {
    figure.value().unwrap()
}

/// The venue's own liquidation prices of isolated positions, to 1e-4 of themselves, by its rules of 2024.
#[test]
fn hyperliquid_isolated_positions() {
    let Some(text) = text("hyperliquid_isolated_positions", "hyperliquid_isolated_liq.csv") else { return };
    let mut met = 0;
    for line in text.lines().skip(1) {
        let row: Vec<&str> = line.split(',').collect();
        let mut parameters = Parameters::hyperliquid();
        parameters.replace(&format!("tier.{}", row[0]), &format!("0:{}", row[6]));
        let quantity = if row[1] == "short" { format!("-{}", row[3]) } else { row[3].to_owned() };
        let mut held = perpetual(row[0], &quantity, row[2]);
        held.isolated = Some(cash(row[4]));
        held.leverage = row[5].parse().ok();
        let found = hyperliquid(&account(vec![held], "1000000"), &parameters, currency("USDC")).unwrap();
        let price = found.positions[0].liquidation.unwrap().approximate();
        let (expected, tolerance): (f64, f64) = (row[7].parse().unwrap(), row[8].parse().unwrap());
        assert!((price / expected - 1.0).abs() <= tolerance, "{line}: {price}");
        // The balance does not bear an isolated position.
        assert_eq!(found.margin.maintenance, Figure::Owed(Cash::ZERO));
        assert!(found.margin.notes.contains(&format!("set by the user: tier.{} = 0:{}", row[0], row[6])));
        met += 1;
    }
    assert_eq!(met, 15);
}

/// The shipped tiers are those of the venue's documentation, and maintenance margin is continuous at every boundary.
#[test]
fn hyperliquid_tiers_are_continuous() {
    let Some(text) = text("hyperliquid_tiers_are_continuous", "hyperliquid_tiers.json") else { return };
    let published: Value = serde_json::from_str(&text).unwrap();
    let (parameters, mut boundaries) = (Parameters::hyperliquid(), 0);
    for (coin, tiers) in published["tiers"].as_object().unwrap() {
        let table = hyperliquid_tiers(&parameters, currency(coin)).unwrap().unwrap();
        let tiers = tiers.as_array().unwrap();
        assert_eq!(table.tiers().len(), tiers.len());
        let mut deduction = 0.0;
        for (index, (ours, theirs)) in table.tiers().iter().zip(tiers).enumerate() {
            let (floor, leverage) = (theirs[0].as_f64().unwrap(), theirs[1].as_f64().unwrap());
            assert_eq!(ours.floor.approximate(), floor);
            assert!((ours.maintenance.approximate() - 0.5 / leverage).abs() < 1e-12);
            if index > 0 {
                deduction += floor * (0.5 / leverage - 0.5 / tiers[index - 1][1].as_f64().unwrap());
                let under = table.maintenance_margin(size(ours.floor - Notional::from_raw(1)));
                let at = table.maintenance_margin(size(ours.floor));
                assert!(at >= under && (at - under).raw() <= 1, "{coin}: {under} to {at}");
                boundaries += 1;
            }
            assert!((table.deductions()[index].approximate() - deduction).abs() < 1e-3);
        }
    }
    assert_eq!(boundaries, 4);
}

/// A cross account at Hyperliquid by the venue's formula, entry = mark: liquidation = price − side × (equity − mm) ÷ size ÷ (1 − l side).
#[test]
fn hyperliquid_cross_by_its_formula() {
    let portfolio = account(vec![perpetual("BTC", "2", "100000"), perpetual("ETH", "-30", "4000")], "20000");
    let found = hyperliquid(&portfolio, &Parameters::hyperliquid(), currency("USDC")).unwrap();
    // 200,000 / 80 + 120,000 / 50.
    assert_eq!(found.margin.maintenance, Figure::Owed(cash("4900")));
    assert_eq!(found.margin.initial, Figure::Owed(cash("9800")));
    assert_eq!(found.margin.component("left behind by a transfer"), Some(&Figure::Owed(cash("32000"))));
    for (row, side, price, size, l) in [(0, 1.0, 100_000.0, 2.0, 1.0 / 80.0), (1, -1.0, 4000.0, 30.0, 1.0 / 50.0)] {
        let expected = price - side * (20_000.0 - 4900.0) / size / (1.0 - l * side);
        let price = found.positions[row].liquidation.unwrap().approximate();
        assert!((price / expected - 1.0).abs() < 1e-9, "{price}, {expected}");
    }
    let ratio = value(&found.margin.ratio());
    assert!((ratio - 0.245).abs() < 1e-12);
    let doge = account(vec![perpetual("DOGE", "1", "0.1")], "1");
    let error = hyperliquid(&doge, &Parameters::hyperliquid(), currency("USDC")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "position 0: Hyperliquid: no terms of `v:DOGE-PERP` are known; add the venue's to the parameters, in rows \
         `tier.DOGE,value:largest leverage`"
    );
}

/// The two examples of dYdX's documentation, to the decimals printed. What other positions need is a position of its own here: the
/// price of another market stands still, and its maintenance margin counts.
#[test]
fn dydx_published_examples() {
    let Some(text) = text("dydx_published_examples", "dydx_liquidation_price.csv") else { return };
    let mut met = 0;
    for line in text.lines().skip(1) {
        let row: Vec<&str> = line.split(',').collect();
        let mut parameters = Parameters::dydx();
        parameters.replace("class.test", &format!("{}:1", row[4]));
        parameters.replace("market.ETH", "test");
        parameters.replace("class.other", "1:1");
        parameters.replace("market.SOL", "other");
        let mut positions = vec![perpetual("ETH", row[2], row[3])];
        if row[5] != "0" {
            // A value of `other_mmr` at a rate of one.
            positions.push(perpetual("SOL", "1", row[5]));
        }
        let found = dydx(&account(positions, row[1]), &parameters, currency("USDC"), &[]).unwrap();
        let price = found.positions[0].liquidation.unwrap().approximate();
        assert!((price - row[6].parse::<f64>().unwrap()).abs() <= 0.005, "{line}: {price}");
        met += 1;
    }
    assert_eq!(met, 2);
}

/// The initial rate goes straight from its own at the lower cap to 1 at the upper; maintenance does not move.
#[test]
fn dydx_open_interest() {
    let mut parameters = Parameters::dydx();
    parameters.replace("market.SOL", "mid");
    let class = DydxClass::new(&parameters, currency("SOL")).unwrap().unwrap();
    assert_eq!(class.maintenance, "0.03".parse().unwrap());
    for (interest, rate) in
        [("0", 0.05), ("40000000", 0.05), ("70000000", 0.525), ("100000000", 1.0), ("500000000", 1.0)]
    {
        let found = class.initial_at(interest.parse().unwrap());
        assert!((found.approximate() - rate).abs() < 2e-12, "{interest}: {found}");
    }
    let portfolio = account(vec![perpetual("SOL", "-10", "200")], "500");
    let error = dydx(&portfolio, &parameters, currency("USDC"), &[]).unwrap_err();
    assert_eq!(error, MarginError::NoOpenInterest { row: 0, symbol: "v:SOL-PERP".to_owned() });
    let interest = [(currency("SOL"), "70000000".parse().unwrap())];
    let found = dydx(&portfolio, &parameters, currency("USDC"), &interest).unwrap();
    assert_eq!(found.margin.maintenance, Figure::Owed(cash("60")));
    assert!((value(&found.margin.initial) - 1050.0).abs() < 1e-8);
}

/// Equity over maintenance margin on one side of the liquidation price and not on the other, by the model itself at that mark.
#[test]
fn both_sides_of_the_liquidation_price() {
    let parameters = Parameters::binance();
    let bought = |quantity: &str, entry: &str| {
        position("binance:BTCUSDT-PERP", InstrumentKind::LinearPerpetual, ("BTC", "USDT"), quantity, entry)
    };
    let (mut met, mut tiers) = (0, std::collections::BTreeSet::new());
    for quantity in ["0.5", "-0.5", "30", "-30", "250", "-250", "2000", "-2000"] {
        for leverage in [2_i128, 5] {
            let mut portfolio = account(vec![bought(quantity, "60000"), bought("1", "59000")], "0");
            let size = (portfolio.positions[0].quantity.raw().unsigned_abs() as i128) * 60_000 * 100_000_000;
            portfolio.balances = vec![Balance { currency: currency("USDT"), amount: Cash::from_raw(size / leverage) }];
            let solve = |portfolio: &Portfolio| tiered(portfolio, &parameters, currency("USDT")).unwrap();
            let price = match solve(&portfolio).positions[0].liquidation {
                Ok(price) => price,
                Err(Absent::AlwaysUnder | Absent::NoLiquidation) => continue,
                Err(other) => unreachable!("{other}"),
            };
            let left = |mark: Price| {
                let mut moved = portfolio.clone();
                moved.positions[0].mark = Some(mark);
                let found = solve(&moved).margin;
                let Figure::Owed(left) = found.maintenance_excess() else { unreachable!("{found:?}") };
                left
            };
            let inside = if portfolio.positions[0].quantity > Qty::ZERO { 1 } else { -1 };
            assert!(
                left(price) >= Cash::ZERO && left(Price::from_raw(price.raw() - inside)) < Cash::ZERO,
                "{quantity}: {price}"
            );
            let notional = (price * portfolio.positions[0].quantity).abs();
            tiers.insert(binance().tiers().iter().rposition(|tier| tier.floor <= notional));
            met += 1;
        }
    }
    assert!(met >= 12 && tiers.len() >= 5, "{met} met, in {tiers:?}");
}

fn binance() -> TierTable {
    tiers_of("binance:BTCUSDT-PERP", Contract::Linear, (currency("BTC"), currency("USDT")))
}

/// Of tables whose rates do not grow with the coins.
fn size(value: Notional) -> Size {
    Size::of(Contract::Linear, Qty::ZERO, value)
}

/// The table as parameters is the table as a file, offsets of the two sides of one instrument are none, and orders count on the worse side.
#[test]
fn tables_as_data() {
    let table = binance();
    let bought = |quantity: &str| {
        position("binance:BTCUSDT-PERP", InstrumentKind::LinearPerpetual, ("BTC", "USDT"), quantity, "50000")
    };
    for quantity in ["0.1", "3", "100", "1500", "10000", "100000"] {
        let notional = ("50000".parse::<Price>().unwrap() * quantity.parse::<Qty>().unwrap()).abs();
        let found = tiered(&account(vec![bought(quantity)], "0"), &Parameters::binance(), currency("USDT")).unwrap();
        assert_eq!(found.margin.maintenance, Figure::Owed(table.maintenance_margin(size(notional))), "{quantity}");
        assert_eq!(found.margin.initial, Figure::Owed(table.initial_margin(size(notional))), "{quantity}");
    }
    let both =
        tiered(&account(vec![bought("1"), bought("-1")], "0"), &Parameters::binance(), currency("USDT")).unwrap();
    assert_eq!(both.margin.maintenance, Figure::Owed(cash("400")));

    // 1 held at 10x; 2 more to buy, 5 to sell: 4 short at 10x is the worst.
    let mut held = bought("1");
    held.leverage = Some(10.0);
    let mut portfolio = account(vec![held], "0");
    let order =
        |quantity: &str| Order { position: 0, quantity: quantity.parse().unwrap(), price: "50000".parse().unwrap() };
    portfolio.orders = vec![order("2"), order("-5")];
    let found = tiered(&portfolio, &Parameters::binance(), currency("USDT")).unwrap();
    assert_eq!(found.margin.initial, Figure::Owed(cash("20000")));
    assert_eq!(found.margin.component("open orders, initial"), Some(&Figure::Owed(cash("15000"))));
    portfolio.orders.push(Order { position: 7, ..order("1") });
    let error = tiered(&portfolio, &Parameters::binance(), currency("USDT")).unwrap_err();
    assert_eq!(error.to_string(), "order 2: there is no position 7; name one that is there");
    portfolio.orders.clear();
    portfolio.positions[0].leverage = Some(0.5);
    let error = tiered(&portfolio, &Parameters::binance(), currency("USDT")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "position 0: the leverage of binance:BTCUSDT-PERP is 0.5; it must be 1 to 125, the largest that the parameters have"
    );
}

/// Over the last tier that a file has there is no margin, and where it has none neither.
#[test]
fn beyond_what_a_file_knows() {
    let bought = |quantity: &str| {
        position("bybit:BTCUSDT-PERP", InstrumentKind::LinearPerpetual, ("BTC", "USDT"), quantity, "50000")
    };
    let found = tiered(&account(vec![bought("40")], "0"), &Parameters::bybit(), currency("USDT")).unwrap();
    assert_eq!(
        (found.margin.initial, found.margin.maintenance),
        (Figure::Owed(cash("20000")), Figure::Owed(cash("10000")))
    );
    let error = tiered(&account(vec![bought("40.001")], "0"), &Parameters::bybit(), currency("USDT")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "position 0: `bybit:BTCUSDT-PERP` is or may become worth 2000050, over the last tier that the parameters have; \
         add the venue's further tiers"
    );
    let mut parameters = Parameters::okx();
    let error = tiered(&account(vec![bought("1")], "0"), &parameters, currency("USDT")).unwrap_err();
    assert!(matches!(error, MarginError::NoTerms { row: 0, .. }));
    parameters.replace("tier.BTCUSDT-PERP", "0:0.01");
    let error = tiered(&account(vec![bought("1")], "0"), &parameters, currency("USDT")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the parameters `okx`: `tier.BTCUSDT-PERP` is `0:0.01`; it must be value:initial:maintenance"
    );
}

/// A coin-margined short of the size of the equity is a dollar that no price liquidates; with a little less coin one does.
#[test]
fn the_synthetic_dollar_has_no_liquidation_price() {
    let short = position("v:BTCUSD-PERP", InstrumentKind::InversePerpetual, ("BTC", "BTC"), "-50000", "50000");
    let mut parameters = Parameters::okx();
    parameters.replace("tier.BTCUSD-PERP", "0:0.02:0.01");
    let mut portfolio = account(vec![short], "0");
    let solve =
        |portfolio: &Portfolio| tiered(portfolio, &parameters, currency("BTC")).unwrap().positions[0].liquidation;
    portfolio.balances = vec![Balance { currency: currency("BTC"), amount: cash("1") }];
    assert_eq!(solve(&portfolio), Err(Absent::NoLiquidation));
    portfolio.balances[0].amount = cash("0.9");
    // 0.9 − 1 + v (1 − 1 %) = 0 at v = 0.1 ÷ 0.99 coins.
    let price = solve(&portfolio).unwrap().approximate();
    assert!((price / (50_000.0 * 0.99 / 0.1) - 1.0).abs() < 1e-9, "{price}");
}

/// Whatever an account may hold, nothing is added up that could leave its range, and what is not looked at is said.
#[test]
fn amounts_that_no_account_has() {
    let solve = |portfolio: &Portfolio| hyperliquid(portfolio, &Parameters::hyperliquid(), currency("USDC"));
    let good = account(vec![perpetual("BTC", "1", "50000")], "1000");
    let refuse = |change: &dyn Fn(&mut Portfolio)| {
        let mut portfolio = good.clone();
        change(&mut portfolio);
        solve(&portfolio).unwrap_err().to_string()
    };
    let large = "position 0: an amount is over a quadrillion, which no account has; correct it";
    let of_balance = refuse(&|portfolio| portfolio.balances[0].amount = Cash::MAX);
    assert_eq!(of_balance, large.replace("position", "balance"));
    assert_eq!(refuse(&|portfolio| portfolio.positions[0].quantity = Qty::MAX), large);
    assert_eq!(refuse(&|portfolio| portfolio.positions[0].unrealised = Some(-Cash::MAX)), large);
    assert_eq!(refuse(&|portfolio| portfolio.positions[0].isolated = Some(Cash::MAX)), large);
    let order = |quantity| Order { position: 0, quantity, price: "50000".parse().unwrap() };
    let of_order = refuse(&|portfolio| portfolio.orders = vec![order(-Qty::MAX)]);
    assert_eq!(of_order, large.replace("position", "order"));
    let words = refuse(&|portfolio| portfolio.positions[0].entry = Some("-1".parse().unwrap()));
    assert_eq!(words, "position 0: a price of v:BTC-PERP is -1; it must be 0 or more");
    let words = refuse(&|portfolio| portfolio.positions[0].confidence = f64::NAN);
    assert_eq!(words, "position 0: the confidence of v:BTC-PERP is NaN; it must be 0 to 1");
    let mut beside = good.clone();
    beside.balances.push(Balance { currency: currency("BTC"), amount: cash("2") });
    assert_eq!(solve(&beside).unwrap().margin.notes[0], "2 BTC bear nothing here: the margin is in USDC");
    // Nothing is left of equity: there is no ratio, and it is not zero.
    let poor = account(vec![perpetual("BTC", "1", "50000")], "0");
    assert_eq!(solve(&poor).unwrap().margin.ratio(), Figure::Absent(Absent::NoEquity));
}

/// What the model adds for open orders is what the worst of all their subsets adds, each filled and margined by itself.
#[test]
fn open_orders_are_their_worst_subset() {
    let model =
        |portfolio: &Portfolio| Ok(hyperliquid(portfolio, &Parameters::hyperliquid(), currency("USDC"))?.margin);
    let mut portfolio = account(vec![perpetual("BTC", "1", "50000"), perpetual("ETH", "-20", "2500")], "30000");
    let order = |position: usize, quantity: &str, price: &str| Order {
        position,
        quantity: quantity.parse().unwrap(),
        price: price.parse().unwrap(),
    };
    portfolio.orders = vec![
        order(0, "2", "50000"),
        order(0, "-5", "50000"),
        order(1, "15", "2500"),
        order(0, "1.5", "50000"),
        order(1, "-3", "2500"),
        order(0, "-0.5", "50000"),
    ];
    let worst = worst_orders(&portfolio, model).unwrap();
    assert_eq!(worst.filled, [0, 3, 4]);
    let bare = model(&Portfolio { orders: vec![], ..portfolio.clone() }).unwrap();
    let added = value(&model(&portfolio).unwrap().initial) - value(&bare.initial);
    assert!((worst.needed - added).abs() < 1e-9 && added > 0.0, "{}, {added}", worst.needed);

    // A fill beside the mark is a profit or a loss at once; one unit more at the mark needs its share and costs nothing.
    portfolio.orders = vec![order(0, "1", "51000")];
    let worst = worst_orders(&portfolio, model).unwrap();
    assert!((worst.needed - (1250.0 + 1000.0)).abs() < 1e-9, "{}", worst.needed);
    let more = marginal(&portfolio, 0, "-1".parse().unwrap(), model).unwrap();
    assert_eq!(
        (more.initial, more.maintenance, more.after.equity),
        (Some(-1250.0), Some(-625.0), Figure::Owed(cash("30000")))
    );
}
