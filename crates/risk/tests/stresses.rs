//! The stresses that come with the crate, and files that are none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use market::Currency;
use pricing::options::Simd;
use risk::scenario::{
    Basis, Holding, Move, NamedStress, Outcomes, Portfolio, Revaluation, Settlement, StressError, StressNumber,
};
use units::Timestamp;

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

/// A source that tells two prices, "… A to B", agrees with the move beside it.
#[test]
fn recorded_moves_are_what_their_prices_say() {
    let mut compared = 0;
    for stress in NamedStress::all() {
        for StressNumber { basis, field, subject, value } in &stress.numbers {
            assert!(*basis == Basis::Assumed || stress.window.is_some(), "{}", stress.name);
            let of = if subject.is_empty() { field } else { subject };
            let Some((_, source)) = stress.sources.iter().find(|(named, _)| named == of) else { continue };
            let words: Vec<&str> = source.rsplit(": ").next().unwrap().split_whitespace().collect();
            let numbers: Vec<f64> = words.iter().filter_map(|word| word.parse().ok()).collect();
            let prices =
                words.contains(&"to") && *basis == Basis::Recorded && (field == "spot" || field == "vol.relative");
            if prices {
                // Of a volatility index the days stand between.
                let index = field == "vol.relative";
                let (from, to) = if index { (numbers[0], numbers[2]) } else { (numbers[0], numbers[1]) };
                assert!(
                    (to / from - 1.0 - value).abs() < 6e-5,
                    "{} {of}: {} told as {value}",
                    stress.name,
                    to / from - 1.0
                );
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 19);
}

#[test]
fn the_stresses_that_were_asked_for_are_there() {
    let names: Vec<String> = NamedStress::all().into_iter().map(|stress| stress.name).collect();
    assert_eq!(
        names,
        [
            "2020-03-12",
            "2021-05-19",
            "2022-05-12",
            "2022-11-09",
            "2024-08-05",
            "2025-10-10",
            "correlations-to-one",
            "vol-doubling",
            "stablecoin-depeg",
            "deribit-margin-2023-10",
        ]
    );
    assert_eq!(NamedStress::named("1987-10-19"), None);
    let raised = NamedStress::named("deribit-margin-2023-10").unwrap().margin;
    let factors: Vec<(&str, f64)> = raised.iter().map(|change| (change.parameter.as_str(), change.factor())).collect();
    assert_eq!(factors.len(), 3);
    assert!(factors[0].0 == "deribit.price_range" && (factors[0].1 - 4.0 / 3.0).abs() < 1e-15);
    assert!(factors[2].0 == "deribit.leverage" && factors[2].1 == 0.5);
}

/// A long of one coin and a balance in a stablecoin, under each.
#[test]
fn a_leveraged_long_under_each_stress() {
    let (btc, usdt) = (currency("BTC"), currency("USDT"));
    let mut portfolio = Portfolio::new(Currency::USD, Timestamp::default());
    portfolio.set_price(btc, 50_000.0).unwrap();
    portfolio.set_vol(btc, 0.365_f64.sqrt()).unwrap();
    portfolio.hold(Holding::Balance { currency: usdt, amount: "20000".parse().unwrap() }).unwrap();
    let (quantity, cost) = ("1".parse().unwrap(), "50000".parse::<units::Cash>().unwrap().notional());
    let settlement = Settlement::Quote(usdt);
    portfolio.hold(Holding::Future { underlying: btc, expiry: None, settlement, quantity, cost }).unwrap();
    let stresses = NamedStress::all();
    let scenarios: Vec<_> = stresses.iter().map(|stress| stress.scenario.clone()).collect();
    let mut outcomes = Outcomes::default();
    Revaluation::new(Simd::best()).run(&portfolio, &scenarios, &mut outcomes).unwrap();
    for (index, stress) in stresses.iter().enumerate() {
        let spot = match stress.scenario.spot.of(btc) {
            Move::Return(by) => by,
            // 0.365 ÷ 365 is 0.001 a day.
            Move::Deviations(number) => units::math::exp(number * 0.001_f64.sqrt()) - 1.0,
        };
        let peg = stress.scenario.dollars.iter().find(|(coin, _)| *coin == usdt).map_or(0.0, |(_, by)| *by);
        // The balance is worth less, and so is the debt of the contract.
        let funding = 50_000.0 * (1.0 + spot) * stress.scenario.funding;
        let expected = 50_000.0 * spot + 20_000.0 * peg - 50_000.0 * peg - funding;
        assert!((outcomes.total(index) - expected).abs() < 1e-8, "{}: {}", stress.name, outcomes.total(index));
    }
    assert_eq!(stresses[outcomes.worst().unwrap().0].name, "2020-03-12");
}

/// A stablecoin that nobody lists is told to be one; the stress that names it moves it, another lets it stand.
#[test]
fn a_stablecoin_of_its_own_moves_where_it_is_named() {
    let ust = currency("UST");
    let mut portfolio = Portfolio::new(Currency::USD, Timestamp::default());
    portfolio.set_stablecoin(ust, 1.0).unwrap();
    portfolio.hold(Holding::Balance { currency: ust, amount: "100".parse().unwrap() }).unwrap();
    let scenarios = ["2022-05-12", "2020-03-12"].map(|name| NamedStress::named(name).unwrap().scenario);
    let mut outcomes = Outcomes::default();
    Revaluation::new(Simd::best()).run(&portfolio, &scenarios, &mut outcomes).unwrap();
    assert!((outcomes.total(0) + 83.0).abs() < 1e-12 && outcomes.total(1) == 0.0, "{:?}", outcomes.totals());
}

/// What moves by a price of its own is no stablecoin, whether the stresses that come along say so or the file itself.
#[test]
fn a_coin_is_no_stablecoin() {
    let head = "basis,field,subject,value\ntext,name,,x\ntext,title,,x\nassumed,spot,others,-0.1\n";
    for (coin, more, line) in [("BTC", "", 5), ("LUNA", "", 5), ("XYZ", "assumed,spot,XYZ,-0.5\n", 5)] {
        let found = NamedStress::parse(&format!("{head}text,stablecoin,{coin},USD\n{more}"));
        assert_eq!(found, Err(StressError::NoStablecoin(line, coin.to_owned())));
    }
    assert!(NamedStress::parse(&format!("{head}text,stablecoin,FRAX,USD\n")).is_ok());
}

#[test]
fn files_that_are_no_stress_are_refused_with_their_line() {
    let good = "basis,field,subject,value\ntext,name,,n\ntext,title,,t\nassumed,spot,others,0\n";
    assert!(NamedStress::parse(good).is_ok());
    let refuse = |more: &str| NamedStress::parse(&format!("{good}{more}\n")).unwrap_err();
    let text = str::to_owned;
    assert_eq!(refuse("assumed,spot,BTC"), StressError::Line(5));
    assert_eq!(refuse("known,spot,BTC,1"), StressError::Basis(5, text("known")));
    assert_eq!(refuse("assumed,price,BTC,1"), StressError::Field(5, text("price")));
    assert_eq!(refuse("text,spot,BTC,1"), StressError::Field(5, text("spot")));
    assert_eq!(refuse("assumed,spot,btc,1"), StressError::Subject(5, text("btc")));
    assert_eq!(refuse("assumed,spot,USDT,1"), StressError::Subject(5, text("USDT")));
    assert_eq!(refuse("assumed,peg,USD,-0.1"), StressError::Subject(5, text("USD")));
    assert_eq!(refuse("assumed,vol.relative,BTC,1"), StressError::Subject(5, text("BTC")));
    assert_eq!(refuse("assumed,margin.to,deribit,1"), StressError::Subject(5, text("deribit")));
    assert_eq!(refuse("assumed,spot,BTC,-1"), StressError::Value(5, text("-1")));
    assert_eq!(refuse("assumed,spot,BTC,NaN"), StressError::Value(5, text("NaN")));
    assert_eq!(refuse("assumed,vol.floor,,x"), StressError::Value(5, text("x")));
    assert_eq!(refuse("assumed,vol.relative,,-5"), StressError::Value(5, text("-5")));
    assert!(NamedStress::parse(&format!("{good}assumed,vol.relative,,-1\n")).is_ok());
    for coin in ["BTC", "DOGE", "STETH"] {
        let peg = format!("assumed,peg,{coin},-0.2");
        assert_eq!(refuse(&peg), StressError::Coin(5, text(coin)));
        // What is moved by prices of its own is none, whatever a file calls it.
        let called = NamedStress::parse(&format!("{good}{peg}\ntext,stablecoin,{coin},USD\n"));
        assert_eq!(called.is_ok(), coin == "STETH", "{called:?}");
    }
    // What is called a stablecoin stands still where no peg of it moves.
    let called = NamedStress::parse(&format!("{good}text,stablecoin,PYUSD,USD\n")).unwrap();
    assert_eq!(called.scenario.dollars, [("PYUSD".parse().unwrap(), 0.0)]);
    assert_eq!(
        refuse("assumed,peg,DOGE,-0.2").to_string(),
        "line 5: DOGE is not known for a stablecoin, and a coin has no peg; move its price by `spot,DOGE`, or, if it is one, say so in a \
         line `text,stablecoin,DOGE,what it is held to`"
    );
    assert_eq!(refuse("text,stablecoin,doge,USD"), StressError::Subject(5, text("doge")));
    assert_eq!(refuse("text,from,,yesterday"), StressError::Value(5, text("yesterday")));
    assert_eq!(refuse("text,name,,again"), StressError::Twice(5, text("name")));
    assert_eq!(refuse("assumed,deviations,others,-4"), StressError::Twice(5, text("deviations others")));
    assert_eq!(refuse("recorded,spot,BTC,-0.5"), StressError::NoSource(5, text("BTC")));
    assert_eq!(refuse("text,from,,2020-03-12"), StressError::Missing("to"));
    assert_eq!(refuse("assumed,margin.from,okx.rate,1"), StressError::Missing("margin.to"));
    assert_eq!(refuse("assumed,margin.to,okx.rate,1"), StressError::Missing("margin.from"));
    let window = "text,from,,2020-03-13\ntext,to,,2020-03-12";
    assert!(matches!(refuse(window), StressError::Window(..)));
    assert_eq!(NamedStress::parse("header\ntext,name,,n\n"), Err(StressError::Missing("title")));
    assert_eq!(
        refuse("reported,funding,,0.1").to_string(),
        "line 5: no source for `funding`; add `text,source,funding,…` or call it assumed"
    );
}
