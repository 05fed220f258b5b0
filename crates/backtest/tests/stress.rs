//! Portfolios under stresses: two ways to the same profit, margins by hand, and what cannot be moved.

#![allow(clippy::unwrap_used, reason = "a malformed example fails the test")]

use backtest::portfolio::{Book, Request, StressRequest, StressView, margin, stress};
use pricing::surface::Sticky;
use risk::scenario::NamedStress;
use serde_json::{Value, json};
use std::path::Path;
use units::Duration;

#[path = "common/tape.rs"]
mod tape;

fn example(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/margin").join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn asked(stresses: Vec<NamedStress>) -> StressRequest {
    StressRequest { request: Request::default(), stresses, grid: None, sticky: Sticky::Strike }
}

#[track_caller]
fn stressed(portfolio: &Value, asked: &StressRequest) -> StressView {
    let book = Book::read(&portfolio.to_string()).unwrap_or_else(|wrong| unreachable!("{wrong:?}"));
    stress(&book, asked).unwrap_or_else(|wrong| unreachable!("{wrong:?}"))
}

/// What the scenario engine gains is what the venue's own equity gains, in dollars: the two share no line of code that values anything.
#[test]
fn profits_are_changes_of_the_venues_equity() {
    let mut met = 0;
    for (venue, coin) in
        [("deribit", Some("BTC")), ("hyperliquid", None), ("dydx", None), ("binance", None), ("derive", None)]
    {
        let mut portfolio = example(venue);
        // Isolated positions stand apart from the account's equity.
        portfolio["positions"].as_array_mut().unwrap().retain(|row| row.get("isolated").is_none());
        let view = stressed(&portfolio, &asked(NamedStress::all()));
        let price = |currency: &str| {
            let rows = portfolio["prices"].as_array().unwrap();
            rows.iter().find(|row| row["currency"] == currency).map_or(1.0, |row| row["price"].as_f64().unwrap())
        };
        // Moves in deviations are another test's.
        for row in view.stresses.iter().filter(|row| row.name != "correlations-to-one") {
            let (now, after) = (&view.now[0], &row.after[0]);
            let by = |currency: &str| {
                let number = row
                    .numbers
                    .iter()
                    .find(|number| number.subject == currency && (number.field == "spot" || number.field == "peg"));
                let others = row.numbers.iter().find(|number| number.field == "spot" && number.subject == "others");
                let moves = number.or(others.filter(|_| currency == "BTC"));
                1.0 + moves.map_or(0.0, |number| number.value)
            };
            // What the venue counts is in its own currency; Derive counts in its cash at par.
            let settle = coin.unwrap_or(now.currency.as_str());
            let (before, then) = (price(settle), price(settle) * by(settle));
            let expected = after.equity.unwrap() * then - now.equity.unwrap() * before;
            let found = row.profit.unwrap();
            let size = now.equity.unwrap().abs() * before;
            // At Derive a haircut is no loss, and cash is counted at par. What an option is marked at is rounded.
            let within = if venue == "derive" { 2e-3 } else { 1e-4 };
            assert!((found - expected).abs() <= within * size, "{venue}, {}: {found}, {expected}", row.name);
            met += 1;
        }
    }
    assert_eq!(met, 45);
}

/// USDC alone falls to 0.88. By hand: who holds 10,000 USDC and is long 2 coins from 50,000 at 60,000 has 30,000 USDC, of which 12 %
/// are lost whatever the contract's price is in dollars or USDT; where it is in USDC, the 2 coins are worth 120,000 USD before and after,
/// and what is owed for them (100,000 USDC) 12 % less. The venue's own equity says the same, and so does the user's `priced_in`.
#[test]
fn a_depeg_pays_no_long_by_a_price_that_does_not_move() {
    let depeg =
        "basis,field,subject,value\ntext,name,,usdc\ntext,title,,usdc\nassumed,spot,others,0\nassumed,peg,USDC,-0.12\n";
    let depeg = || NamedStress::parse(depeg).unwrap();
    let held = |venue: &str, symbol: &str| {
        json!({
            "schema": "trimtab.portfolio/3", "time": "2026-01-01T00:00:00Z",
            "accounts": [{ "name": "a", "venue": venue, "balances": [{ "currency": "USDC", "amount": "10000" }] }],
            "prices": [{ "currency": "BTC", "price": 60000 }, { "currency": "HYPE", "price": 60000 }],
            "instruments": [{ "symbol": symbol, "price": "60000" }],
            "positions": [{ "account": "a", "instrument": symbol, "quantity": "2", "entry": "50000" }],
        })
    };
    let keeps = -0.12 * 30_000.0;
    let gains = -0.12 * (10_000.0 - 100_000.0);
    for (venue, symbol, own, expected) in [
        ("hyperliquid", "hyperliquid:BTCUSDC-PERP", None, keeps),
        ("hyperliquid", "hyperliquid:BTCUSDC-PERP", Some("priced_in,USDC"), gains),
        ("hyperliquid", "hyperliquid:HYPEUSDC-PERP", None, gains),
        ("hyperliquid", "hyperliquid:HYPEUSDC-PERP", Some("priced_in.HYPE,USD"), keeps),
        ("dydx", "dydx:BTCUSDC-PERP", None, keeps),
        ("deribit", "deribit:BTC_USDC-PERPETUAL", None, gains),
        ("elsewhere", "elsewhere:BTCUSDC-PERP", None, gains),
    ] {
        let request = Request { parameters: own.map(str::to_owned), ..Request::default() };
        let view = stressed(&held(venue, symbol), &StressRequest { request, ..asked(vec![depeg()]) });
        let profit = view.stresses[0].profit.unwrap();
        assert!((profit - expected).abs() < 1e-6, "{symbol} at {venue}, {own:?}: {profit} is not {expected}");
        let is_said = view.notes.iter().any(|note| note.contains("contracts of a pay USDC by prices in USD"));
        assert_eq!(is_said, expected == keeps, "{symbol}: {:?}", view.notes);
        if let (Some(now), Some(after)) = (view.now.first(), view.stresses[0].after.first())
            && let (Some(now), Some(after)) = (now.equity, after.equity)
        {
            assert!((after * 0.88 - now - expected).abs() < 1e-6, "{symbol} at {venue}: {now} {after}");
        }
    }
    // Where USDT falls as far, a price in USDT rises by as much, and a long by it wins: USDC alone was told apart above.
    let all = NamedStress::named("stablecoin-depeg").unwrap();
    let view = stressed(&held("hyperliquid", "hyperliquid:BTCUSDC-PERP"), &asked(vec![all]));
    let expected = -0.1226 * (10_000.0 - 100_000.0);
    assert!((view.stresses[0].profit.unwrap() - expected).abs() < 1e-6, "{:?}", view.stresses[0].profit);
    // A currency that is none is refused.
    let request = Request { parameters: Some("priced_in,dollars of old".to_owned()), ..Request::default() };
    let book = Book::read(&held("dydx", "dydx:BTCUSDC-PERP").to_string()).unwrap();
    let wrong = stress(&book, &StressRequest { request, ..asked(vec![depeg()]) }).unwrap_err();
    assert!(wrong[0].to_string().contains("a currency, such as USD or USDT"), "{wrong:?}");
}

/// What is left after a fall is what the margin command says of a portfolio whose prices the user lowered by hand.
#[test]
fn margins_after_are_margins_of_the_moved_portfolio() {
    let portfolio = example("hyperliquid");
    let crash = NamedStress::named("2025-10-10").unwrap();
    let view = stressed(&portfolio, &asked(vec![crash.clone()]));
    let mut moved = portfolio.clone();
    for instrument in moved["instruments"].as_array_mut().unwrap() {
        let coin = &instrument["symbol"].as_str().unwrap()[12..15];
        let risk::scenario::Move::Return(by) = crash.scenario.spot.of(coin.parse().unwrap()) else { unreachable!() };
        let price: f64 = instrument["price"].as_str().unwrap().parse().unwrap();
        instrument["price"] = json!(format!("{:.8}", price * (1.0 + by)));
    }
    let book = Book::read(&moved.to_string()).unwrap();
    let by_hand = &margin(&book, "hyperliquid", &Request::default()).unwrap()[0];
    let after = &view.stresses[0].after[0];
    for (found, expected) in [(after.equity, by_hand.equity.value), (after.maintenance, by_hand.maintenance.value)] {
        assert!(
            (found.unwrap() - expected.unwrap()).abs() <= 1e-6 * expected.unwrap().abs(),
            "{found:?}, {expected:?}"
        );
    }
    assert_eq!(after.is_liquidated, Some(by_hand.headroom.value.unwrap() < 0.0));
    assert_eq!(after.isolated_liquidated, ["hyperliquid:SOLUSDC-PERP"]);
}

/// A venue that raises its parameters moves no price, and asks for more.
#[test]
fn parameters_that_rise_ask_for_more() {
    for (margin, factor) in [("portfolio", None), ("standard", Some(2.0))] {
        let mut portfolio = example("deribit");
        portfolio["accounts"][0]["margin"] = json!(margin);
        if factor.is_some() {
            // Futures alone: their margin doubles where leverage halves.
            portfolio["positions"].as_array_mut().unwrap().truncate(1);
            portfolio["orders"] = json!([]);
        }
        let view = stressed(&portfolio, &asked(vec![NamedStress::named("deribit-margin-2023-10").unwrap()]));
        let (now, row) = (&view.now[0], &view.stresses[0]);
        assert_eq!(row.profit, Some(0.0));
        let more = row.after[0].maintenance.unwrap() / now.maintenance.unwrap();
        assert!(more > 1.0 && factor.is_none_or(|factor| (more - factor).abs() < 0.01), "{margin}: {more}");
    }
    // A venue that has no such parameter is told so.
    let view = stressed(&example("dydx"), &asked(vec![NamedStress::named("deribit-margin-2023-10").unwrap()]));
    assert_eq!(view.stresses[0].not_applied, ["deribit.price_range", "deribit.vol_range", "deribit.leverage"]);
}

/// Halved leverage is twice the margin of what is on its first tier, at every venue whose rows tell a leverage or rates; the rows that it
/// changes are told, and a name that no rules have is refused with the one that is meant.
#[test]
fn a_stress_changes_the_parameters_that_it_names() {
    let raises = |parameter: &str| {
        let head = "basis,field,subject,value\ntext,name,,own\ntext,title,,own\nassumed,spot,others,0\n";
        let rows = format!("assumed,margin.from,{parameter},2\nassumed,margin.to,{parameter},1\n");
        NamedStress::parse(&format!("{head}{rows}")).unwrap()
    };
    for (venue, row, before, after) in [
        ("hyperliquid", "tier.BTC", "0:40", "0:20"),
        ("dydx", "class.large", "0.02:0.6", "0.040000000000:0.6"),
        ("binance", "tier.BTCUSDT-PERP", "0:0.008:0.004", "0:0.016000000000:0.008000000000"),
    ] {
        let view = stressed(&example(venue), &asked(vec![raises(&format!("{venue}.leverage"))]));
        let (now, stress) = (&view.now[0], &view.stresses[0]);
        let more = stress.after[0].maintenance.unwrap() / now.maintenance.unwrap();
        assert!((more - 2.0).abs() < 1e-6, "{venue}: {more}");
        assert_eq!(stress.parameters.len(), 1);
        assert_eq!(stress.parameters[0].factor, 0.5);
        let told = stress.parameters[0].rows.iter().find(|told| told.name == row).unwrap();
        assert_eq!((told.before.as_str(), told.after.as_str()), (before, after));
        assert!(stress.not_applied.is_empty());
    }
    let book = Book::read(&example("deribit").to_string()).unwrap();
    for (name, said) in [
        ("deribit.price_rnge", "did you mean `deribit.price_range`?"),
        ("deribt.leverage", "did you mean `deribit.leverage`?"),
        ("nowhere.leverage", "it is one of `deribit`, `derive`"),
        ("hyperliquid.zzz", "of hyperliquid it is one of leverage, transfer_share"),
        ("derive.priced_in", "of derive it is one of"),
    ] {
        let wrong = stress(&book, &asked(vec![raises(name)])).unwrap_err();
        assert!(wrong.len() == 1 && wrong[0].remedy.contains(said), "{name}: {wrong:?}");
    }
    // What a venue has and no account here uses is told, and nothing else happens.
    let view = stressed(&example("deribit"), &asked(vec![raises("hyperliquid.leverage")]));
    assert_eq!(view.stresses[0].not_applied, ["hyperliquid.leverage"]);
}

/// What moves is told: prices in shares of themselves, also where a stress tells deviations (4 of a day at 41 % a year are a fall by
/// 1 − e^(−4 × 0.41 ÷ √365) = 8.2 %), and volatilities that end at nothing or over 1,000 %.
#[test]
fn moves_are_told_as_what_they_are() {
    let portfolio = example("deribit");
    let own = |rows: &str| {
        let head = "basis,field,subject,value\ntext,name,,own\ntext,title,,own\nassumed,spot,others,0\n";
        NamedStress::parse(&format!("{head}{rows}")).unwrap()
    };
    let vol = portfolio["prices"][0]["vol"].as_f64().unwrap();
    let view = stressed(&portfolio, &asked(vec![NamedStress::named("correlations-to-one").unwrap()]));
    let [(coin, by)] = &view.stresses[0].moves[..] else { panic!("{:?}", view.stresses[0].moves) };
    assert!(coin == "BTC" && (by - ((-4.0 * vol / 365_f64.sqrt()).exp() - 1.0)).abs() < 1e-12, "{by}");
    for (rows, least, most, said) in [
        (
            "assumed,vol.absolute,,-2\n",
            Some(0.0),
            Some(0.0),
            Some("own: volatilities of options that are held fall to nothing"),
        ),
        ("assumed,vol.absolute,,20\n", None, None, Some("own: volatilities of options that are held rise to 20")),
        ("assumed,vol.relative,,0.1\n", None, None, None),
    ] {
        let view = stressed(&portfolio, &asked(vec![own(rows)]));
        let vols = view.stresses[0].vols.unwrap();
        assert!(least.is_none_or(|least| vols.least == least) && most.is_none_or(|most| vols.most == most), "{vols:?}");
        let found = view.notes.iter().find(|note| note.starts_with("own: "));
        assert_eq!(found.is_some(), said.is_some(), "{rows}: {:?}", view.notes);
        assert!(said.is_none_or(|said| found.unwrap().starts_with(said)), "{found:?}");
    }
    // Over 10,000 % nothing is priced, and the reason stands in its place.
    let view = stressed(&portfolio, &asked(vec![own("assumed,vol.floor,,20000\n")]));
    assert!(view.stresses[0].profit.is_none() && view.stresses[0].vols.is_none());
    assert!(view.stresses[0].absent.as_deref().unwrap().contains("must lie between 0 and 100"));
}

/// A whole parameter file is of the venue that its name says, and of no other; which is said.
#[test]
fn parameters_are_of_their_venue() {
    let mut portfolio = example("hyperliquid");
    let other = example("dydx");
    let mut account = other["accounts"][0].clone();
    account["name"] = json!("second");
    portfolio["accounts"].as_array_mut().unwrap().push(account);
    for list in ["instruments", "positions"] {
        let rows = other[list].as_array().unwrap().clone();
        portfolio[list].as_array_mut().unwrap().extend(rows.into_iter().map(|mut row| {
            if list == "positions" {
                row["account"] = json!("second");
            }
            row
        }));
    }
    let before = stressed(&portfolio, &asked(Vec::new()));
    let file = "# name: dydx-own\n# valid_from: 2025-01-01\nname,value,standing\nclass.own,0.1:0.6,D\nmarket.BTC,own,D\nmarket.ETH,own,D\n";
    let mut request = asked(Vec::new());
    request.request.parameters = Some(file.to_owned());
    let after = stressed(&portfolio, &request);
    let maintenance = |view: &StressView| view.now.iter().map(|now| now.maintenance.unwrap()).collect::<Vec<_>>();
    let (before, found) = (maintenance(&before), maintenance(&after));
    // 6 % of the value in place of 1.2 %.
    assert!(found[0] == before[0] && (found[1] / before[1] - 5.0).abs() < 1e-9, "{before:?} {found:?}");
    assert!(after.notes.contains(&"--parameters: in place of those of dydx".to_owned()), "{:?}", after.notes);
}

#[test]
fn a_depeg_takes_its_share_of_what_lies_there() {
    let portfolio = json!({
        "schema": "trimtab.portfolio/3",
        "time": "2025-06-01T00:00:00Z",
        "accounts": [
            { "name": "a", "venue": "hyperliquid", "balances": [{ "currency": "USDC", "amount": "60000" }] },
            { "name": "b", "venue": "elsewhere", "balances": [
                { "currency": "USDT", "amount": "30000" }, { "currency": "BTC", "amount": "0.1", "haircut": 0.1 },
            ] },
        ],
        "prices": [{ "currency": "BTC", "price": 100_000 }],
    });
    let view = stressed(&portfolio, &asked(vec![NamedStress::named("stablecoin-depeg").unwrap()]));
    let expected = -0.1226 * 90_000.0;
    assert!((view.stresses[0].profit.unwrap() - expected).abs() < 1e-6, "{:?}", view.stresses[0].profit);
    let found = view.concentration.unwrap();
    assert_eq!((found.market, found.counted), (100_000.0, 99_000.0));
    assert_eq!(found.venues[0], ("hyperliquid".to_owned(), 0.6));
    assert!((found.after_depeg.unwrap() - 100_000.0 - expected).abs() < 1e-6);
    assert!((found.stablecoin_share.unwrap() - 0.9).abs() < 1e-12);
    assert_eq!(view.notes, ["no margin of b: the rules of elsewhere are not known"]);
}

/// A stress that needs what is not stated is absent with its reason; the others are told.
#[test]
fn a_stress_that_cannot_be_computed_is_absent() {
    let mut portfolio = example("dydx");
    for row in portfolio["prices"].as_array_mut().unwrap() {
        row.as_object_mut().unwrap().remove("vol");
    }
    let stresses = ["correlations-to-one", "2020-03-12"].map(|name| NamedStress::named(name).unwrap());
    let view = stressed(&portfolio, &asked(stresses.to_vec()));
    assert!(view.stresses[0].absent.as_deref().unwrap().contains("has no volatility"), "{:?}", view.stresses[0]);
    assert_eq!(view.stresses[0].profit, None);
    assert!(view.stresses[1].profit.is_some());
    // A position that nothing prices refuses the whole, by its row.
    portfolio["prices"].as_array_mut().unwrap().remove(0);
    let book = Book::read(&portfolio.to_string()).unwrap();
    let wrong = stress(&book, &asked(stresses.to_vec())).unwrap_err();
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].to_string().contains("BTC has no index"), "{}", wrong[0]);
}

/// A grid is every spot with every volatility, and nothing moved is nothing gained.
#[test]
fn grids_are_full() {
    let spots = vec![-0.2, 0.0, 0.2];
    let request = StressRequest { grid: Some((spots, vec![-0.5, 0.0, 0.5])), ..asked(Vec::new()) };
    let grid = stressed(&example("deribit"), &request).grid.unwrap();
    assert_eq!(grid.profits.len(), 9);
    assert_eq!(grid.profits[4], 0.0);
    // Short options lose when volatility rises, and gain when it falls.
    assert!(grid.profits[3] > 0.0 && grid.profits[5] < 0.0, "{:?}", grid.profits);
}

/// Tapes quote bitcoin in USDC, which is worth 0.90 USD: a coin at 66,666.67 USDC is one at 60,000 USD. A fall by a tenth costs 6,000 USD
/// of a coin, and of a contract on one as many.
#[test]
fn what_tapes_quote_in_a_stablecoin_is_worth_as_much_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let kind = market::InstrumentKind::LinearPerpetual;
    let perpetual = tape::instrument("binance:BTCUSDC-PERP", kind, "BTC", "USDC", "USDC");
    let walk = tape::Walk::new(perpetual, "2026-01-01", &[66_666.67]);
    let bars = tape::tape(&walk, &folder.path().join("bars.tape"));
    let peg = tape::instrument("binance:USDCUSD", market::InstrumentKind::Spot, "USDC", "USD", "USD");
    let pegs = tape::tape(&tape::Walk::new(peg, "2026-01-01", &[0.9]), &folder.path().join("peg.tape"));
    let at = "2026-01-01T01:00:00Z".parse().unwrap();
    let fall = "basis,field,subject,value\ntext,name,,fall\ntext,title,,fall\nassumed,spot,others,-0.1\n";
    let stresses = vec![NamedStress::parse(fall).unwrap()];
    let held = |stated: bool| {
        let mut portfolio = json!({
            "schema": "trimtab.portfolio/3", "time": "2026-01-01T01:00:00Z",
            "accounts": [{"name": "a", "balances": [{"currency": "BTC", "amount": "1"}, {"currency": "USDC", "amount": "1000"}]}],
            "positions": [{"account": "a", "instrument": "binance:BTCUSDC-PERP", "quantity": "1", "entry": "66666.67"}],
        });
        if stated {
            portfolio["prices"] = json!([{"currency": "USDC", "price": 0.9}]);
        }
        portfolio
    };
    // As the portfolio states the peg, as a tape does, and where nobody does it is at par.
    for (tapes, stated, peg) in [(vec![&bars], true, 0.9), (vec![&bars, &pegs], false, 0.9), (vec![&bars], false, 1.0)]
    {
        let mut book = Book::read(&held(stated).to_string()).unwrap();
        let market = backtest::portfolio::Market::read(&tapes, at, &mut |_, _| true).unwrap().unwrap();
        book.at_market(&market, Duration::HOUR).unwrap();
        let view = stress(&book, &asked(stresses.clone())).unwrap();
        let coin = 66_666.67 * peg;
        let near = |found: Option<f64>, expected: f64| {
            assert!((found.unwrap() - expected).abs() < 1e-6, "{found:?} {expected}")
        };
        near(view.value, coin + 1_000.0 * peg);
        near(view.stresses[0].profit, -0.2 * coin);
    }
}

/// A stablecoin that no table knows, without a volatility: all else is moved by deviations, and both are said by its row. Called one, it
/// stands still in every stress, and is counted.
#[test]
fn a_stablecoin_that_is_not_known_is_named_and_hides_nothing() {
    let held = |with: bool| {
        let mut portfolio = json!({
            "schema": "trimtab.portfolio/3", "time": "2026-01-01T00:00:00Z",
            "accounts": [{"name": "a", "balances": [{"currency": "BTC", "amount": "2"}]}],
            "prices": [{"currency": "BTC", "price": 60000, "vol": 0.5}],
            "positions": [],
        });
        if with {
            portfolio["accounts"][0]["balances"]
                .as_array_mut()
                .unwrap()
                .push(json!({"currency": "UST", "amount": "50000"}));
            portfolio["prices"].as_array_mut().unwrap().push(json!({"currency": "UST", "price": 0.99}));
        }
        portfolio
    };
    let ones = || vec![NamedStress::named("correlations-to-one").unwrap()];
    let alone = stressed(&held(false), &asked(ones()));
    let view = stressed(&held(true), &asked(ones()));
    assert_eq!(
        view.stresses[0].profit.map(|profit| profit.round()),
        alone.stresses[0].profit.map(|profit| profit.round())
    );
    let said = |view: &StressView, what: &str| {
        view.notes.iter().any(|note| note.starts_with("prices[1]: UST") && note.contains(what))
    };
    assert!(said(&view, "states no `vol`") && said(&view, "taken for a coin"), "{:?}", view.notes);
    assert_eq!(view.concentration.unwrap().stablecoins, []);
    // What is no stablecoin and states none is told by its row, too.
    let mut coin = held(true);
    coin["prices"][1]["price"] = json!(40);
    let view = stressed(&coin, &asked(ones()));
    let absent = view.stresses[0].absent.clone().unwrap();
    assert!(view.stresses[0].profit.is_none() && absent.starts_with("prices[1]: UST moves by deviations"), "{absent}");

    let own = "basis,field,subject,value\ntext,name,,own\ntext,title,,own\nassumed,spot,others,-0.5\ntext,stablecoin,UST,USD\n";
    let crash = NamedStress::named("2025-10-10").unwrap();
    let view = stressed(&held(true), &asked(vec![NamedStress::parse(own).unwrap(), crash]));
    let profits: Vec<f64> = view.stresses.iter().map(|row| row.profit.unwrap()).collect();
    assert!((profits[0] + 60_000.0).abs() < 1e-6 && (profits[1] + 0.1713 * 120_000.0).abs() < 1e-6, "{profits:?}");
    assert!(view.notes.iter().all(|note| !note.contains("UST")), "{:?}", view.notes);
    let found = view.concentration.unwrap();
    assert_eq!(found.stablecoins, [("UST".to_owned(), 1.0)]);
    assert!((found.stablecoin_share.unwrap() - 49_500.0 / 169_500.0).abs() < 1e-12);
}
