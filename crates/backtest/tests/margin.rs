//! Portfolios as JSON, margined: the venues' own figures (shared reference), and errors told all at once.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a malformed reference file fails the test; an absent one is named"
)]

use backtest::portfolio::{Book, MarginView, Request, Wrong, margin, portfolio_schema};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use units::{Cash, Price, Qty, Round, Timestamp};

fn shared(file: &str) -> Option<String> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("TRIMTAB_SHARED").map_or(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(shared.join("reference/pricing").join(file)) else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{file}: shared data absent under CI");
        eprintln!("skipped: {file} absent");
        return None;
    };
    Some(text)
}

#[track_caller]
fn margined(portfolio: &Value, venue: &str, parameters: Option<&str>) -> MarginView {
    let book = Book::read(&portfolio.to_string()).unwrap_or_else(|wrong| unreachable!("{wrong:?}\n{portfolio}"));
    let request = Request { parameters: parameters.map(str::to_owned), max_age: None, participation: None };
    let mut views = margin(&book, venue, &request).unwrap_or_else(|wrong| unreachable!("{wrong:?}\n{portfolio}"));
    assert_eq!(views.len(), 1);
    views.remove(0)
}

#[track_caller]
fn near(found: Option<f64>, expected: f64, tolerance: f64) {
    let found = found.unwrap();
    assert!((found - expected).abs() <= tolerance, "{found} is not within {tolerance} of {expected}");
}

fn price(value: &Value) -> String {
    Price::from_estimate(value.as_f64().unwrap(), Round::Nearest).unwrap().to_string()
}

fn cash(value: f64) -> String {
    Cash::from_estimate(value, Round::Nearest).unwrap().to_string()
}

/// A case of Derive's own test data as a portfolio and a parameter file.
fn derive(case: &Value) -> (Value, String) {
    let now: Timestamp = "2025-06-01".parse().unwrap();
    let after = |seconds: &Value| Timestamp::from_nanos(now.nanos() + seconds.as_i64().unwrap() * 1_000_000_000);
    let rows = |name: &str| case[name].as_array().unwrap().iter().enumerate();
    let mut balances = vec![json!({ "currency": "USDC", "amount": cash(case["cash"].as_f64().unwrap()) })];
    let mut prices = vec![
        json!({ "currency": "ETH", "price": case["spot"][0], "confidence": case["spot"][1] }),
        json!({ "currency": "USDC", "price": case["stable"] }),
    ];
    let mut file = "# name: case\n# valid_from: 2025-01-01\nname,value,standing\n".to_owned();
    for (at, row) in rows("collateral") {
        balances.push(json!({ "currency": format!("C{at}"), "amount": cash(row[0].as_f64().unwrap()) }));
        prices.push(json!({ "currency": format!("C{at}"), "price": row[1], "confidence": row[2] }));
        writeln!(file, "collateral.C{at},{}:{}:{},V", row[3], row[4], row[5]).unwrap();
    }
    for (_, row) in rows("scenarios") {
        let vol = match row[1].as_str().unwrap() {
            "None" => "same",
            "LINEAR" => "linear",
            "ABS" => "absolute",
            "Up" => "up",
            _ => "down",
        };
        writeln!(file, "scenario,{}:{vol}:{},V", row[0], row[2]).unwrap();
    }
    let names = "vol_range_up VolShock VOLRANGEUP vol_range_down VolShock VOLRANGEDOWN vol_floor_up VolShock MIN_VOL_EVAL_SHOCKED \
                 short_term_power VolShock SHORTTERMPOWER long_term_power VolShock LONGTERMPOWER days_floor VolShock DTE_FLOOR \
                 linear_cap SkewShock LINEAR_SCALE_CAP linear_cap_slope SkewShock LINEAR_CBASE absolute_cap SkewShock ABS_SCALE_CAP \
                 absolute_cap_slope SkewShock ABS_CBASE width_min SkewShock MIN_K_STAR width_scale SkewShock MIN_WIDTH_SCALE \
                 width_vol SkewShock VOL_PARAM_STATIC width_vol_slope SkewShock VOL_PARAM_SCALE initial_factor Margin IM_LOSS_FACTOR \
                 maintenance_factor Margin MM_LOSS_FACTOR gain_discount Margin BASE_STATIC_DISCOUNT gain_rate_factor Margin \
                 LONG_RATE_MULTSCALE gain_rate_add Margin LONG_RATE_ADDSCALE loss_discount Margin BASE_STATIC_DISCOUNT_NEG \
                 loss_rate_factor Margin SHORT_RATE_MULTSCALE loss_rate_add Margin SHORT_RATE_ADDSCALE basis_up BasisContingency \
                 SCENARIO_SPOT_UP basis_down BasisContingency SCENARIO_SPOT_DOWN basis_add BasisContingency BASIS_CONT_ADD_FACTOR \
                 basis_per_year BasisContingency BASIS_CONT_MULT_FACTOR peg_threshold OtherContingency PEG_LOSS_THRESHOLD peg_factor \
                 OtherContingency PEG_LOSS_FACTOR confidence_threshold OtherContingency CONF_THRESHOLD confidence_factor \
                 OtherContingency CONF_MARGIN perpetual_maintenance OtherContingency MM_PERP_PERCENT perpetual_initial \
                 OtherContingency IM_PERP_PERCENT option_maintenance OtherContingency MM_OPTION_PERCENT option_initial \
                 OtherContingency IM_OPTION_PERCENT";
    for row in names.split_whitespace().collect::<Vec<_>>().chunks(3) {
        writeln!(file, "{},{},V", row[0], case["params"][row[1]][row[2]]).unwrap();
    }
    let (mut instruments, mut positions) = (Vec::new(), Vec::new());
    let mut hold = |instrument: Value, quantity: &Value, unrealised: Option<String>| {
        let quantity = Qty::from_estimate(quantity.as_f64().unwrap(), Round::Nearest).unwrap().to_string();
        let symbol = instrument["symbol"].clone();
        positions.push(json!({ "account": "a", "instrument": symbol, "quantity": quantity, "unrealised": unrealised }));
        instruments.push(instrument);
    };
    let perpetual = &case["perp"];
    if perpetual[0].as_f64() != Some(0.0) {
        let unrealised = cash(perpetual[3].as_f64().unwrap() + perpetual[4].as_f64().unwrap());
        let described = json!({
            "symbol": "ETH-PERP", "kind": "perpetual", "underlying": "ETH", "quote": "USDC",
            "price": price(&perpetual[1]), "confidence": perpetual[2],
        });
        hold(described, &perpetual[0], Some(unrealised));
    }
    for (at, row) in rows("options") {
        let right = if row[2] == true || row[2] == 1.0 || row[2] == 1 { "call" } else { "put" };
        let described = json!({
            "symbol": format!("option {at}"), "kind": "option", "underlying": "ETH", "quote": "USDC",
            "expiry": after(&row[0]).to_string(), "strike": price(&row[1]), "right": right, "vol": row[4],
        });
        hold(described, &row[3], None);
    }
    let expiry = |(_, row): (usize, &Value)| {
        let confidence = [2, 4, 5].map(|at| row[at].as_f64().unwrap()).into_iter().fold(1.0, f64::min);
        json!({
            "underlying": "ETH", "expiry": after(&row[0]).to_string(), "forward": row[1], "rate": row[3], "confidence": confidence,
        })
    };
    let portfolio = json!({
        "schema": "trimtab.portfolio/3",
        "time": now.to_string(),
        "accounts": [{ "name": "a", "venue": "derive", "margin": "portfolio", "balances": balances }],
        "prices": prices,
        "expiries": rows("feeds").map(expiry).collect::<Vec<_>>(),
        "instruments": instruments,
        "positions": positions,
    });
    (portfolio, file)
}

/// All cases of Derive's own test data, each as a portfolio in JSON with a parameter file: both margins to 1e-9 of themselves. One has a
/// perpetual at 33 times its coin, which no file may (the model itself does it in `risk`).
#[test]
fn derives_own_cases() {
    let Some(text) = shared("derive_pmrm2_cases.jsonl") else { return };
    let mut met = 0;
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let (portfolio, file) = derive(&case);
        let [held, mark, spot, stable] = [&case["perp"][0], &case["perp"][1], &case["spot"][0], &case["stable"]]
            .map(|number| number.as_f64().unwrap());
        if held != 0.0 && mark * stable > 2.0 * spot {
            let said = wrong(&portfolio, "derive");
            assert!(said[0].starts_with("instruments[0].price: `ETH-PERP` is marked at 100000"), "{said:?}");
            continue;
        }
        let found = margined(&portfolio, "derive", Some(&file));
        for (figure, expected) in [(&found.free, &case["im"]), (&found.headroom, &case["mm"])] {
            let expected = expected.as_f64().unwrap();
            near(figure.value, expected, 1e-9 * expected.abs());
        }
        met += 1;
    }
    assert_eq!(met, 69);
}

/// Deribit's answer of 17 June 2024 to a portfolio of two futures: scenarios to 1e-10, margins to 1e-9.
#[test]
fn deribits_own_answer() {
    let Some(text) = shared("deribit_pm_btc_futures.json") else { return };
    let answer: Value = serde_json::from_str(&text).unwrap();
    let (index, margins) = (answer["index"].as_f64().unwrap(), &answer["margins"]);
    let details = &margins["initial_margin_details"];
    let mark = price(&answer["index"]);
    let names = ["BTC-PERPETUAL", "BTC-28JUN24"];
    let held = |name: &&str| {
        let coins = answer["inverse_positions_coin"][*name].as_f64().unwrap();
        let quantity = Qty::from_estimate(coins * index, Round::Nearest).unwrap().to_string();
        json!({ "account": "a", "instrument": format!("deribit:{name}"), "quantity": quantity, "entry": mark })
    };
    let portfolio = json!({
        "schema": "trimtab.portfolio/3",
        "time": Timestamp::from_nanos(answer["timestamp_ms"].as_i64().unwrap() * 1_000_000).to_string(),
        "accounts": [{
            "name": "a", "venue": "deribit",
            "stated_margins": {
                "spot": details["spot_margin"], "mmp": details["mmp_margin"], "open_orders": details["open_orders_margin"],
            },
        }],
        "prices": [{ "currency": "BTC", "price": index }],
        "instruments": names.map(|name| json!({ "symbol": format!("deribit:{name}"), "price": mark })),
        "positions": names.iter().map(held).collect::<Vec<_>>(),
    });
    let found = margined(&portfolio, "deribit-portfolio", None);
    for (row, expected) in found.scenarios.iter().zip(answer["aggregated_standard"].as_array().unwrap()) {
        near(Some(row.profit), expected.as_f64().unwrap(), 1e-10);
    }
    near(found.initial.value, margins["initial_margin"].as_f64().unwrap(), 1e-9);
    near(found.maintenance.value, margins["maintenance_margin"].as_f64().unwrap(), 1e-9);
    assert_eq!(found.worst, Some(0));
}

fn perpetuals(venue: &str, balance: &str, held: &[(&str, &str, &str)], more: &Value) -> Value {
    let symbol = |coin: &str| format!("{venue}:{coin}USDC-PERP");
    let mut positions: Vec<Value> = held
        .iter()
        .map(|(coin, quantity, entry)| {
            json!({ "account": "a", "instrument": symbol(coin), "quantity": quantity, "entry": entry })
        })
        .collect();
    for (name, value) in more.as_object().into_iter().flatten() {
        positions[0][name] = value.clone();
    }
    json!({
        "schema": "trimtab.portfolio/3",
        "time": "2025-06-01T00:00:00Z",
        "accounts": [{ "name": "a", "venue": venue, "balances": [{ "currency": "USDC", "amount": balance }] }],
        "instruments": held.iter().map(|(coin, _, entry)| json!({ "symbol": symbol(coin), "price": entry })).collect::<Vec<_>>(),
        "positions": positions,
    })
}

/// The venue's own liquidation prices of isolated positions, to 1e-4 of themselves, by its rules of 2024.
#[test]
fn hyperliquids_liquidation_prices() {
    let Some(text) = shared("hyperliquid_isolated_liq.csv") else { return };
    let mut met = 0;
    for line in text.lines().skip(1) {
        let row: Vec<&str> = line.split(',').collect();
        let quantity = if row[1] == "short" { format!("-{}", row[3]) } else { row[3].to_owned() };
        let more = json!({ "isolated": row[4], "leverage": row[5].parse::<f64>().unwrap() });
        let portfolio = perpetuals("hyperliquid", "1000000", &[(row[0], &quantity, row[2])], &more);
        let found = margined(&portfolio, "hyperliquid", Some(&format!("tier.{},0:{}\n", row[0], row[6])));
        let expected: f64 = row[7].parse().unwrap();
        let at = found.positions[0].liquidation.as_ref().unwrap();
        near(at.value, expected, expected * row[8].parse::<f64>().unwrap());
        assert!(found.notes.contains(&format!("set by the user: tier.{} = 0:{}", row[0], row[6])), "{:?}", found.notes);
        met += 1;
    }
    assert_eq!(met, 15);
}

/// The two examples of dYdX's documentation, to the decimals printed. What other positions need is a position of its own here.
#[test]
fn dydxs_liquidation_prices() {
    let Some(text) = shared("dydx_liquidation_price.csv") else { return };
    let mut met = 0;
    for line in text.lines().skip(1) {
        let row: Vec<&str> = line.split(',').collect();
        let mut held = vec![("ETH", row[2], row[3])];
        if row[5] != "0" {
            held.push(("SOL", "1", row[5]));
        }
        let parameters = format!("class.test,{}:1\nmarket.ETH,test\nclass.other,1:1\nmarket.SOL,other\n", row[4]);
        let found = margined(&perpetuals("dydx", row[1], &held, &Value::Null), "dydx", Some(&parameters));
        let expected: f64 = row[6].parse().unwrap();
        near(found.positions[0].liquidation.as_ref().unwrap().value, expected, 0.005);
        // The same by the search over all that the account holds.
        let eth = found.liquidation.iter().find(|found| found.coin.as_deref() == Some("ETH")).unwrap();
        near(eth.above.at, expected, 0.005);
        met += 1;
    }
    assert_eq!(met, 2);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn examples() -> Vec<(String, Value)> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(root().join("examples/margin")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.push(root().join("examples/state.json"));
    paths.sort();
    let json = paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "json"));
    json.map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.file_stem().unwrap().display().to_string(), serde_json::from_str(&text).unwrap())
    })
    .collect()
}

/// Every edge that an example tells is one: at prices a hair before it the account lives, a hair behind it it is liquidated, by the
/// command's own answer to a portfolio in which the user moved the price.
#[test]
fn edges_are_edges() {
    let mut seen = 0;
    for (name, portfolio) in examples().into_iter().filter(|(name, _)| name == "hyperliquid" || name == "binance") {
        let found = margined(&portfolio, &name, None);
        // What is isolated has an edge of its own.
        let together = found.liquidation.iter().filter(|found| found.position.is_none());
        for (coin, edge) in together.flat_map(|found| [(&found.coin, &found.below), (&found.coin, &found.above)]) {
            let (Some(coin), Some(distance)) = (coin, edge.distance) else { continue };
            for (hair, is_alive) in [(-1e-6, true), (1e-6, false)] {
                let factor = 1.0 + distance + hair * distance.signum();
                let mut moved = portfolio.clone();
                for instrument in moved["instruments"].as_array_mut().unwrap() {
                    if instrument["symbol"].as_str().unwrap().contains(&format!(":{coin}")) {
                        let now: f64 = instrument["price"].as_str().unwrap().parse().unwrap();
                        instrument["price"] = price(&json!(now * factor)).into();
                    }
                }
                let there = margined(&moved, &name, None).headroom.value.unwrap();
                assert_eq!(there >= 0.0, is_alive, "{name}, {coin} at {factor}: {there}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 6, "{seen}");
}

/// A butterfly that was sold, a day before its end, under margin by scenarios: dead where one of its moves leads to the strikes, alive
/// again beyond. The edge is the first price at which the account is liquidated, found by asking at price after price.
#[test]
fn a_narrow_zone_of_liquidation_is_found() {
    let puts = [("59000", "-100"), ("60000", "200"), ("61000", "-100")];
    let symbol = |strike: &str| format!("deribit:BTC-31OCT25-{strike}-P");
    let instruments = puts.map(|(strike, _)| json!({ "symbol": symbol(strike), "price": "0.00000001", "vol": 0.3 }));
    let position = |(strike, quantity)| json!({ "account": "m", "instrument": symbol(strike), "quantity": quantity });
    let balances = json!([{ "currency": "BTC", "amount": "0.5" }]);
    let at = |index: f64| {
        json!({
            "schema": "trimtab.portfolio/3",
            "time": "2025-10-30T08:00:00Z",
            "accounts": [{ "name": "m", "venue": "deribit", "margin": "portfolio", "balances": balances }],
            "prices": [{ "currency": "BTC", "price": index, "vol": 0.5 }],
            "expiries": [{ "underlying": "BTC", "expiry": "2025-10-31T08:00:00Z", "forward": index }],
            "instruments": instruments,
            "positions": puts.map(position),
        })
    };
    let told = margined(&at(100_000.0), "deribit", None);
    let edge = told.liquidation.iter().find(|found| found.coin.as_deref() == Some("BTC")).unwrap().below.at.unwrap();
    let is_alive = |index: f64| margined(&at(index), "deribit", None).headroom.value.unwrap() >= 0.0;
    let first = (280..700).map(|step| 100_000.0 - 50.0 * f64::from(step)).find(|index| !is_alive(*index)).unwrap();
    assert!(is_alive(70_000.0), "it lives again there");
    assert!((first..first + 50.0).contains(&edge), "{edge}, and the first dead price is {first}");
}

/// docs/portfolio.schema.json is the schema that the command prints, and a validator that is not ours agrees with our reader on every
/// example, and on what is wrong.
#[test]
fn the_schema_is_kept_and_right() {
    let kept = root().join("docs/portfolio.schema.json");
    if std::env::var_os("UPDATE").is_some() {
        write(&kept, &portfolio_schema());
    }
    assert_eq!(read(&kept), portfolio_schema(), "`UPDATE=1 cargo test -p trimtab-backtest --test margin` writes it");
    let mut cases: Vec<(Value, bool)> = examples().into_iter().map(|(_, portfolio)| (portfolio, true)).collect();
    for (place, value) in [
        ("/accounts/0/name", json!(1)),
        ("/accounts/0/equty", json!("1")),
        ("/time", json!("soon")),
        ("/instruments/0/price", json!("1 USD")),
        ("/positions/0/quantity", json!([])),
        ("/prices", json!([{ "currency": "btc", "price": 1 }])),
        ("/prices", json!([{ "currency": "BTC", "price": -1 }])),
        ("/accounts", Value::Null),
    ] {
        let mut wrong = cases[0].0.clone();
        let (parent, name) = place.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[name] = value;
        cases.push((wrong, false));
    }
    for (portfolio, is_right) in &cases {
        assert_eq!(Book::read(&portfolio.to_string()).is_ok(), *is_right, "{portfolio}");
    }
    let script = "import json, sys\ntry:\n import jsonschema\nexcept ImportError:\n sys.exit(9)\nschema, cases = json.load(sys.stdin)\n\
                  jsonschema.Draft202012Validator.check_schema(schema)\ncheck = jsonschema.Draft202012Validator(schema)\n\
                  print(json.dumps([check.is_valid(case) for case in cases]))";
    let schema: Value = serde_json::from_str(&portfolio_schema()).unwrap();
    let asked = json!([schema, cases.iter().map(|(portfolio, _)| portfolio).collect::<Vec<_>>()]);
    let Some(said) = python(script, &asked.to_string()) else {
        eprintln!("skipped: the_schema_is_kept_and_right: Python's jsonschema is absent");
        return;
    };
    let expected: Vec<bool> = cases.iter().map(|(_, is_right)| *is_right).collect();
    assert_eq!(serde_json::from_str::<Vec<bool>>(&said).unwrap(), expected);
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// What a Python script says to an input; `None`: it cannot run here.
fn python(script: &str, input: &str) -> Option<String> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut command = Command::new("python3");
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take()?.write_all(input.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    if output.status.code() == Some(9) {
        return None;
    }
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn wrong(portfolio: &Value, venue: &str) -> Vec<String> {
    let told = |wrong: Vec<Wrong>| wrong.iter().map(ToString::to_string).collect();
    let asked = Book::read_and(&portfolio.to_string(), |book| margin(book, venue, &Request::default()));
    asked.map_or_else(told, |(_, views)| unreachable!("{views:?}"))
}

#[test]
fn everything_wrong_is_told_at_once_with_its_place() {
    let mut portfolio = perpetuals("hyperliquid", "1000", &[("BTC", "1", "60000"), ("ETH", "1", "3000")], &Value::Null);
    portfolio["accounts"][0]["balances"][0]["amuont"] = json!("5");
    portfolio["positions"][0]["quantity"] = json!("1 BTC");
    portfolio["positions"][1].as_object_mut().unwrap().remove("account");
    portfolio["time"] = json!("yesterday");
    let said = wrong(&portfolio, "hyperliquid");
    assert_eq!(said.len(), 4, "{said:#?}");
    assert!(
        said[0].starts_with("accounts[0].balances[0].amuont: an unknown name; did you mean `amount`?"),
        "{said:#?}"
    );
    assert!(
        said.iter().any(|line| line.starts_with("positions[0].quantity: `1 BTC`: not a decimal number; ")),
        "{said:#?}"
    );
    assert!(said.iter().any(|line| line == "positions[1].account: missing; add a text"), "{said:#?}");
    assert!(said.iter().any(|line| line.starts_with("time: `yesterday`")), "{said:#?}");
}

#[test]
fn what_cannot_be_margined_names_its_row() {
    let held = [("BTC", "1", "60000"), ("DOGE", "1", "0.2")];
    let mut portfolio = perpetuals("hyperliquid", "1000", &held, &Value::Null);
    let one = |portfolio: &Value, venue: &str| {
        let said = wrong(portfolio, venue);
        assert_eq!(said.len(), 1, "{said:#?}");
        said[0].clone()
    };
    assert_eq!(
        one(&portfolio, "hyperliquid"),
        "positions[1]: Hyperliquid: no terms of `hyperliquid:DOGEUSDC-PERP` are known; give the venue's with `--parameters \
         FILE`, in rows `tier.DOGE,value:largest leverage`; docs/margin.md"
    );
    portfolio["positions"].as_array_mut().unwrap().remove(1);
    portfolio["instruments"][0].as_object_mut().unwrap().remove("price");
    assert_eq!(
        one(&portfolio, "hyperliquid"),
        "positions[0]: `hyperliquid:BTCUSDC-PERP` has no mark; add its `price` under \"instruments\", over zero"
    );
    assert!(one(&portfolio, "binance").starts_with("accounts: no account is at binance, but at hyperliquid; "));
    portfolio["positions"][0]["instrument"] = json!("hyperliquid:BTC");
    assert!(
        one(&portfolio, "hyperliquid")
            .starts_with("positions[0].instrument: the symbol `hyperliquid:BTC` does not tell")
    );
    portfolio["accounts"][0].as_object_mut().unwrap().remove("venue");
    portfolio["positions"][0]["instrument"] = json!("deribit:BTC-27DEC24-100000-C");
    assert!(
        one(&portfolio, "hyperliquid").contains("was settled at 2024-12-27T08:00:00Z, and it is 2025-06-01T00:00:00Z")
    );
}

/// What a model refuses is told of all rows, not of the first alone.
#[test]
fn every_row_that_a_model_refuses_is_told() {
    let held = [("BTC", "1", "60000"), ("DOGE", "1", "0.2"), ("ETH", "1", "3000"), ("SOL", "1", "100")];
    let mut portfolio = perpetuals("hyperliquid", "100000", &held, &Value::Null);
    portfolio["instruments"][2].as_object_mut().unwrap().remove("price");
    portfolio["positions"][3]["leverage"] = json!(21);
    let said = wrong(&portfolio, "hyperliquid");
    assert_eq!(said.len(), 3, "{said:#?}");
    for (line, wanted) in said.iter().zip([
        "positions[1]: Hyperliquid: no terms of `hyperliquid:DOGEUSDC-PERP` are known; ",
        "positions[2]: `hyperliquid:ETHUSDC-PERP` has no mark; ",
        "positions[3]: the leverage of hyperliquid:SOLUSDC-PERP is 21; it must be 1 to 20, ",
    ]) {
        assert!(line.starts_with(wanted), "{line}");
    }
}

/// No finding hides another: not a number that cannot be read a symbol that means nothing, not a price that is missing a mark that is.
#[test]
fn no_finding_hides_another() {
    let (_, deribit) = examples().into_iter().find(|(name, _)| name == "deribit").unwrap();
    let mut portfolio = deribit.clone();
    portfolio["positions"][0]["quantity"] = json!("ten");
    portfolio["positions"][1]["instrument"] = json!("deribit:FOO");
    portfolio["positions"][2]["account"] = json!("other");
    portfolio["orders"][0]["price"] = json!("0");
    let said = wrong(&portfolio, "deribit");
    let places: Vec<&str> = said.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        ["orders[0].price", "positions[0].quantity", "positions[1].instrument", "positions[2].account"],
        "{said:#?}"
    );
    let mut portfolio = deribit.clone();
    portfolio["prices"] = json!([]);
    portfolio["expiries"].as_array_mut().unwrap().remove(1);
    portfolio["positions"][0]["instrument"] = json!("deribit:FOO");
    for row in [0, 1, 2] {
        portfolio["instruments"][row].as_object_mut().unwrap().remove("price");
    }
    portfolio["instruments"][2].as_object_mut().unwrap().remove("vol");
    let said = wrong(&portfolio, "deribit");
    for (line, wanted) in said.iter().zip([
        "positions[0].instrument: the symbol `deribit:FOO` does not tell",
        "positions[1]: BTC has no index; add its price under \"prices\"",
        "positions[3]: `deribit:BTC-26DEC25-100000-P` has no forward for 2025-12-26T08:00:00Z; ",
        // The perpetual is in an order alone.
        "orders[1]: `deribit:BTC-PERPETUAL` has no mark; ",
        "positions[1]: `deribit:BTC-31OCT25-125000-C` has no mark; ",
        "positions[2]: `deribit:BTC-31OCT25-105000-P` has no volatility; ",
        "positions[2]: `deribit:BTC-31OCT25-105000-P` has no mark; ",
    ]) {
        assert!(line.starts_with(wanted), "{wanted}: {said:#?}");
    }
    assert_eq!(said.len(), 7, "{said:#?}");
    // What is not read says nothing of what names it.
    let mut portfolio = deribit;
    portfolio["accounts"][0]["name"] = json!(7);
    portfolio["instruments"][1]["symbol"] = json!(7);
    portfolio["time"] = json!("soon");
    assert_eq!(wrong(&portfolio, "deribit").len(), 3, "{:#?}", wrong(&portfolio, "deribit"));
}

/// What no market has is refused by its row: marks far from their coin, options over the most that they can be worth, and what a venue does
/// not take. What may be is told.
#[test]
fn marks_that_cannot_be() {
    let all = examples();
    let of = |venue: &str| all.iter().find(|(name, _)| name == venue).unwrap().1.clone();
    for (venue, path, value, wanted) in [
        (
            "deribit",
            "/instruments/0/price",
            json!("1179.041"),
            "instruments[0].price: `deribit:BTC-PERPETUAL` is marked at 1179.041, and",
        ),
        (
            "deribit",
            "/instruments/1/price",
            json!("1980"),
            "instruments[1].price: `deribit:BTC-31OCT25-125000-C` is marked at 1980 BTC, and a call",
        ),
        (
            "deribit",
            "/instruments/2/price",
            json!("0.98"),
            "instruments[2].price: `deribit:BTC-31OCT25-105000-P` is marked at 0.98 BTC, and a put",
        ),
        (
            "derive",
            "/instruments/1/price",
            json!("2800"),
            "instruments[1].price: `derive:ETH-20250627-2800-C` is marked at 2800 USDC, and a call",
        ),
        (
            "hyperliquid",
            "/prices/0/price",
            json!(1),
            "instruments[0].price: `hyperliquid:BTCUSDC-PERP` is marked at 117904",
        ),
        (
            "hyperliquid",
            "/accounts/0/stated_margins",
            json!({ "spot": 1 }),
            "accounts[0].stated_margins: Deribit's portfolio margin alone",
        ),
        (
            "hyperliquid",
            "/accounts/0/stated_margins",
            json!({ "spot": "1" }),
            "accounts[0].stated_margins.spot: `\"1\"`: a text; write 1 without",
        ),
        (
            "hyperliquid",
            "/instruments/0/volume",
            json!("1e3"),
            "instruments[0].volume: `\"1e3\"`: a text; write 1e3 without quotes",
        ),
    ] {
        let mut portfolio = of(venue);
        let (parent, name) = path.rsplit_once('/').unwrap();
        portfolio.pointer_mut(parent).unwrap()[name] = value;
        let said = wrong(&portfolio, venue);
        assert!(said.len() == 1 && said[0].starts_with(wanted), "{wanted}: {said:#?}");
    }
    let notes = |portfolio: &Value, venue: &str| margined(portfolio, venue, None).notes.join("\n");
    let mut portfolio = of("deribit");
    portfolio["instruments"][0]["price"] = json!("150000");
    portfolio["instruments"][1]["time"] = json!("2025-10-10T09:30:00Z");
    portfolio["expiries"] = json!([]);
    portfolio["accounts"][0]["stated_margins"] = json!({ "spot": 1 });
    let said = notes(&portfolio, "deribit-standard");
    for wanted in [
        "deribit:BTC-PERPETUAL: its mark is +27 % from the index of BTC",
        "older than 1 h are the marks of deribit:BTC-31OCT25-125000-C (6 h 30 min)",
        "no forward of deribit:BTC-31OCT25-125000-C, deribit:BTC-31OCT25-105000-P, deribit:BTC-26DEC25-100000-P is stated",
        "`stated_margins` are left out",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

/// A description is held against what its symbol says, also where a symbol leaves the currency out.
/// A forward over four times or under a fourth of its index is an error of one of the two, one that is 20 % away is told; so is a
/// volatility in percent, a name that nobody can read, and a parameter file that says nothing. A price that cannot be read accuses no mark.
#[test]
fn what_no_market_has_is_refused_or_told() {
    let root = root().join("examples/margin/deribit.json");
    let example: Value = serde_json::from_str(&read(&root)).unwrap();
    let index = example["prices"][0]["price"].as_f64().unwrap();
    let with = |share: f64| {
        let mut portfolio = example.clone();
        portfolio["expiries"][0]["forward"] = json!(index * share);
        portfolio
    };
    for share in [0.249, 4.01, 1e6] {
        let found = wrong(&with(share), "deribit-portfolio");
        assert!(
            found.len() == 1 && found[0].starts_with("expiries[0].forward: the forward of BTC of 2025-10-31"),
            "{found:?}"
        );
    }
    let told = |portfolio: &Value, what: &str| {
        let view = margined(portfolio, "deribit-portfolio", None);
        view.notes.iter().filter(|note| note.contains(what)).count()
    };
    for (share, count) in [(0.251, 1), (0.75, 1), (1.3, 1), (1.1, 0), (1.0, 0)] {
        assert_eq!(told(&with(share), "the forward of BTC of 2025-10-31T08:00:00Z is"), count, "{share}");
    }
    let mut percent = example.clone();
    percent["instruments"][1]["vol"] = json!(45);
    assert_eq!(told(&percent, "its volatility is 4500 % a year"), 1);
    for (name, said) in
        [("", "is empty"), ("a\nb", "has control characters"), ("\u{202e}a", "has characters that are not seen")]
    {
        let mut portfolio = example.clone();
        portfolio["accounts"][0]["name"] = json!(name);
        let found = wrong(&portfolio, "deribit-portfolio");
        let is_told = found.iter().any(|found| found.starts_with("accounts[0].name: ") && found.contains(said));
        assert!(is_told && found.iter().all(|found| !found.contains(char::is_control)), "{found:?}");
    }
    for empty in [
        "",
        "\n",
        "# name: deribit\n",
        "name,value\n",
        "# name: deribit\n# valid_from: 2020-01-01\nname,value,standing\n",
    ] {
        let request = Request { parameters: Some(empty.to_owned()), ..Request::default() };
        let found =
            Book::read_and(&example.to_string(), |book| margin(book, "deribit-portfolio", &request)).unwrap_err();
        assert!(found[0].to_string().contains("the file has no rows"), "{empty:?}: {found:?}");
    }
    let mut text = example.clone();
    text["prices"][0]["price"] = json!("117904");
    let found = wrong(&text, "deribit-portfolio");
    assert_eq!(found, ["prices[0].price: `\"117904\"`: a text; write 117904 without quotes"]);
}

/// What Hyperliquid and the venues by tiers let the user choose and the file does not state is assumed, and named; dYdX has no such choice.
#[test]
fn leverage_that_is_not_stated_is_assumed_and_named() {
    let held = [("BTC", "1", "60000"), ("ETH", "0", "3000")];
    let assumed = |venue: &str, more: &Value| {
        let view = margined(&perpetuals(venue, "100000", &held, more), venue, None);
        view.notes.iter().find(|note| note.starts_with("no leverage is stated of ")).cloned()
    };
    let said = assumed("hyperliquid", &Value::Null).unwrap();
    assert!(said.contains("hyperliquid:BTCUSDC-PERP (40 x): assumed is the largest of the tier"), "{said}");
    assert!(!said.contains("ETH"), "of nothing nothing is assumed: {said}");
    assert_eq!(assumed("hyperliquid", &json!({ "leverage": 10 })), None);
    assert_eq!(assumed("dydx", &Value::Null), None);
}

#[test]
fn descriptions_that_contradict_their_symbol() {
    let (_, derive) = examples().into_iter().find(|(name, _)| name == "derive").unwrap();
    let symbol = "derive:ETH-20250627-2800-C";
    for (field, value, told) in [
        ("strike", "2900", "2800"),
        ("right", "put", "call"),
        ("underlying", "BTC", "ETH"),
        ("kind", "future", "option"),
    ] {
        let mut portfolio = derive.clone();
        portfolio["instruments"][1][field] = json!(value);
        let said = format!("instruments[1].{field}: `{value}`, and the symbol `{symbol}` says {told}; ");
        let found = wrong(&portfolio, "derive");
        assert!(found.iter().any(|line| line.starts_with(&said)), "{found:#?}");
    }
}

/// An isolated position has its row and its curve: at the price of the venue's own figure its money is its maintenance margin.
#[test]
fn isolated_positions_have_their_own_edge() {
    let (_, portfolio) = examples().into_iter().find(|(name, _)| name == "hyperliquid").unwrap();
    let found = margined(&portfolio, "hyperliquid", None);
    let alone: Vec<_> = found.liquidation.iter().filter(|found| found.position.is_some()).collect();
    assert_eq!((alone.len(), alone[0].position.as_deref()), (1, Some("hyperliquid:SOLUSDC-PERP")));
    // 200 SOL from 225 with 9,000 aside, maintenance at 1/40: 200 (p - 225) + 9,000 = 200 p / 40.
    near(alone[0].below.at, 36_000.0 / 195.0, 1e-5);
    assert!(alone[0].touch.is_some() && alone[0].above.at.is_none());
    let curve = found.curves.iter().find(|curve| curve.position.is_some()).unwrap();
    let (price, equity, maintenance) = curve.points[60];
    near(Some(equity), 200.0 * (price - 225.0) + 9_000.0, 1e-3);
    near(Some(maintenance), 200.0 * price / 40.0, 1e-3);
    let own = found.positions.iter().find_map(|position| position.leverage.as_ref()).unwrap();
    near(own.ratio, 200.0 * 222.1 / 8_420.0, 1e-9);
}

/// Leverage is what assets and equity make it, and its change is that of one more unit borrowed and held.
#[test]
fn leverage_and_the_way_out() {
    let (_, mut portfolio) = examples().into_iter().find(|(name, _)| name == "hyperliquid").unwrap();
    let found = margined(&portfolio, "hyperliquid", None);
    let (assets, equity) = (1.5 * 117_904.0 + 30.0 * 4_351.2, found.equity.value.unwrap());
    near(found.leverage.assets, assets, 1e-6);
    near(found.leverage.ratio, assets / equity, 1e-12);
    near(found.leverage.per_borrowed, (assets + 1_000.0) / equity / 1_000.0 - assets / equity / 1_000.0, 1e-12);
    // ETH is held short.
    let net = 1.5 * 117_904.0 - 30.0 * 4_351.2;
    let after = |by: f64| assets * (1.0 + by) / (equity + net * by);
    near(found.leverage.per_return, (after(1e-6) - after(-1e-6)) / 2e-6, 1e-6);
    // 1.5 of 120 a day at a tenth: an eighth of a day; of ETH no volume is stated.
    portfolio["instruments"][0]["volume"] = json!(120);
    let book = Book::read(&portfolio.to_string()).unwrap();
    let request = Request { participation: Some(0.1), ..Request::default() };
    let found = margin(&book, "hyperliquid", &request).unwrap().remove(0);
    near(found.positions[0].exit.as_ref().unwrap().seconds, 3.0 * 3_600.0, 1e-6);
    let (eth, all) = (found.positions[1].exit.as_ref().unwrap(), found.exit.as_ref().unwrap());
    assert!(eth.seconds.is_none() && eth.absent.as_deref().unwrap().contains("`volume`"), "{eth:?}");
    assert_eq!((all.seconds, &all.absent), (None, &eth.absent));
}

/// The marks of options stand in the equity of Deribit's portfolio margin, a mark that its volatility does not make is told, and what
/// positions do to the worst scenario adds up to it.
#[test]
fn marks_and_volatilities_of_options() {
    let (_, mut portfolio) = examples().into_iter().find(|(name, _)| name == "deribit").unwrap();
    let component = |found: &MarginView, name: &str| -> f64 {
        found.components.iter().filter(|part| part.name == name).map(|part| part.figure.value.unwrap()).sum()
    };
    let found = margined(&portfolio, "deribit", None);
    let marks = -10.0 * 0.0168 - 10.0 * 0.0067 + 5.0 * 0.0212;
    near(found.equity.value, 5.0 + component(&found, "profit of futures") + marks, 1e-12);
    near(Some(component(&found, "in the worst case")), -component(&found, "worst case"), 1e-12);
    assert!(!found.notes.iter().any(|note| note.contains("marked at")), "{:?}", found.notes);
    portfolio["instruments"][1]["price"] = json!("0.0176");
    let found = margined(&portfolio, "deribit", None);
    assert!(found.notes.iter().any(|note| note.starts_with("deribit:BTC-31OCT25-125000-C: marked at 0.0176")));
}

/// In the last half hour before expiry the delta and the risk of what expires fall linearly, as the venue's example has it.
#[test]
fn the_settlement_window() {
    let (_, mut portfolio) = examples().into_iter().find(|(name, _)| name == "deribit").unwrap();
    portfolio["positions"].as_array_mut().unwrap().truncate(2);
    portfolio["orders"] = json!([]);
    portfolio["positions"][0]["quantity"] = json!("0");
    portfolio["instruments"][1]["price"] = json!("0.5");
    // Deep in the money: the net delta of one is strike over forward, a half.
    portfolio["expiries"][0]["forward"] = json!(250_000);
    let mut delta = |time: &str| {
        portfolio["time"] = json!(time);
        let found = margined(&portfolio, "deribit", None);
        let part = |name: &str| found.components.iter().find(|part| part.name == name).unwrap().figure.value.unwrap();
        let is_told = found.notes.iter().any(|note| note.starts_with("settlement window"));
        (part("delta total"), part("worst case"), is_told)
    };
    let (before, risk, is_told) = delta("2025-10-31T07:30:00Z");
    assert!((before + 5.0).abs() < 1e-6 && !is_told, "{before}");
    let (half, half_risk, is_told) = delta("2025-10-31T07:45:00Z");
    let halves = (half / before - 0.5).abs() < 1e-6 && (half_risk / risk - 0.5).abs() < 1e-3;
    assert!(halves && is_told, "{half} {half_risk}");
}

/// A figure that cannot be computed is absent with its reason, and never zero.
#[test]
fn what_is_absent_says_why() {
    let found = margined(&perpetuals("hyperliquid", "0", &[("BTC", "1", "60000")], &Value::Null), "hyperliquid", None);
    assert_eq!((found.ratio.value, found.ratio.absent.as_deref()), (None, Some("equity is not over zero")));
    let btc = &found.liquidation[0];
    assert_eq!(btc.below.absent.as_deref(), Some("it is liquidated now"));
    assert!(btc.touch.is_none() && btc.touch_absent.as_deref().unwrap().contains("add `vol`"), "{btc:?}");
    let line = serde_json::to_value(&found).unwrap();
    assert_eq!(line["ratio"], json!({ "value": null, "absent": "equity is not over zero" }));
}

/// A figure or an edge that is not there and does not say why.
fn silent(view: &Value) -> Option<Value> {
    let is_silent = |map: &serde_json::Map<String, Value>| {
        let missing = ["value", "at"].iter().any(|name| map.get(*name).is_some_and(Value::is_null));
        missing && !map.get("absent").is_some_and(Value::is_string)
    };
    match view {
        Value::Object(map) if is_silent(map) => Some(view.clone()),
        Value::Object(map) => map.values().find_map(silent),
        Value::Array(rows) => rows.iter().find_map(silent),
        _ => None,
    }
}

/// Whatever stands in a file, it is answered or refused: every leaf of the examples is replaced by what no account has.
#[test]
fn no_number_is_too_odd() {
    fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(name, value)| leaves(value, format!("{path}/{name}"), found)),
            Value::Array(rows) => {
                rows.iter().enumerate().for_each(|(at, row)| leaves(row, format!("{path}/{at}"), found));
            }
            _ => found.push(path),
        }
    }
    let odd = [json!(0), json!("-99999999999.9"), json!("92233720368.54775807"), json!(1e300), json!("")];
    let (mut answered, mut refused) = (0, 0);
    for (venue, portfolio) in examples().into_iter().filter(|(name, _)| name != "state") {
        let mut paths = Vec::new();
        leaves(&portfolio, String::new(), &mut paths);
        for (path, value) in paths.iter().flat_map(|path| odd.iter().map(move |value| (path, value))) {
            let mut portfolio = portfolio.clone();
            *portfolio.pointer_mut(path).unwrap() = value.clone();
            let Ok(book) = Book::read(&portfolio.to_string()) else {
                refused += 1;
                continue;
            };
            match margin(&book, &venue, &Request::default()) {
                Err(_) => refused += 1,
                Ok(views) => {
                    answered += 1;
                    let silent = silent(&serde_json::to_value(&views).unwrap());
                    assert!(silent.is_none(), "{path} = {value}: {silent:?}");
                }
            }
        }
    }
    assert!(answered > 50 && refused > 500, "{answered}, {refused}");
}
