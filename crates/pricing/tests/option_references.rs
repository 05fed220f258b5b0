//! Published prices, Greeks and conventions, from the shared reference tables.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "the tables are files, and a skip is said")]

use pricing::options::{EuropeanOption, Greeks, Inputs, OptionKind, functions};
use std::path::Path;

/// The rows of a table without its header. `None`, and said so, where there is no such file.
fn table(test: &str, name: &str) -> Option<Vec<Vec<String>>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/pricing").join(name);
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("skipped: {test}: shared data absent");
        return None;
    };
    Some(text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

fn kind(name: &str) -> OptionKind {
    if name == "call" { OptionKind::Call } else { OptionKind::Put }
}

fn numbers<const N: usize>(cells: &[String]) -> [f64; N] {
    std::array::from_fn(|k| cells[k].parse().unwrap())
}

/// An option on a spot with a dividend yield, as an option on its forward.
fn on_spot(kind: OptionKind, [strike, spot, dividend, rate, years, vol]: [f64; 6]) -> (Greeks, Inputs) {
    let forward = spot * functions::exp((rate - dividend) * years);
    let inputs = Inputs { forward, strike, years, vol, discount: functions::exp(-rate * years) };
    (EuropeanOption::new(kind, inputs).unwrap().greeks(), inputs)
}

#[test]
fn prices_of_haug() {
    let Some(rows) = table("prices_of_haug", "haug_black_scholes_prices.csv") else { return };
    assert_eq!(rows.len(), 22);
    for row in rows {
        let [strike, spot, dividend, rate, years, vol, price, tolerance] = numbers(&row[1..]);
        let (greeks, _) = on_spot(kind(&row[0]), [strike, spot, dividend, rate, years, vol]);
        assert!((greeks.price - price).abs() <= tolerance, "{row:?}: {}", greeks.price);
    }
}

#[test]
fn greeks_of_haug() {
    let Some(rows) = table("greeks_of_haug", "haug_greeks.csv") else { return };
    assert_eq!(rows.len(), 5);
    for row in rows {
        let [strike, spot, dividend, rate, years, vol, value] = numbers(&row[2..]);
        let (greeks, inputs) = on_spot(kind(&row[1]), [strike, spot, dividend, rate, years, vol]);
        // Ours hold the forward, Haug's the spot; forward = spot × growth.
        let (growth, carry) = (inputs.forward / spot, rate - dividend);
        let ours = match row[0].as_str() {
            "delta" => greeks.delta * growth,
            "gamma" => greeks.gamma * growth * growth,
            "vega" => greeks.vega * 100.0,
            "theta_per_year" => greeks.theta * 365.0 - greeks.delta * inputs.forward * carry,
            "rho" => greeks.rho * 100.0 + greeks.delta * inputs.forward * years,
            other => panic!("{other}"),
        };
        assert!((ours - value).abs() <= 1e-4, "{row:?}: {ours}");
    }
}

#[test]
fn deltas_of_foreign_exchange() {
    let Some(rows) = table("deltas_of_foreign_exchange", "fx_delta_conventions.csv") else { return };
    assert_eq!(rows.len(), 7);
    for row in rows {
        let [spot, domestic, foreign, deviation, strike, delta, tolerance] = numbers(&row[2..]);
        let forward = spot * foreign / domestic;
        let inputs = Inputs { forward, strike, years: 1.0, vol: deviation, discount: domestic };
        let greeks = EuropeanOption::new(kind(&row[0]), inputs).unwrap().greeks();
        let coin = greeks.in_coin(forward);
        let ours = match row[1].as_str() {
            "Spot" => greeks.delta * forward / spot,
            "Fwd" => greeks.delta / domestic,
            "PaSpot" => coin.delta * forward / domestic * foreign,
            "PaFwd" => coin.delta * forward / domestic,
            other => panic!("{other}"),
        };
        assert!((ours - delta).abs() <= tolerance, "{row:?}: {ours}");
    }
}

/// The premium-adjusted forward delta is K/F N(d₂) in closed form.
#[test]
fn net_delta_is_the_premium_adjusted_forward_delta() {
    for strike in [20_000.0, 55_000.0, 60_000.0, 70_000.0, 200_000.0] {
        let (forward, years, vol): (f64, f64, f64) = (60_000.0, 0.3, 0.8);
        let inputs = Inputs { forward, strike, years, vol, discount: 1.0 };
        let call = EuropeanOption::new(OptionKind::Call, inputs).unwrap().greeks();
        let deviation = vol * years.sqrt();
        let d2 = functions::ln(forward / strike) / deviation - deviation / 2.0;
        let closed = strike / forward * functions::normal_distribution(d2);
        let net = call.delta_as(pricing::options::DeltaConvention::Net, forward);
        assert!((net - closed).abs() <= 1e-15, "{strike}: {net} {closed}");
    }
}

#[test]
fn net_delta_in_settlement_as_deribit_works_it() {
    let Some(rows) = table("net_delta_in_settlement_as_deribit_works_it", "deribit_examples.csv") else { return };
    let row = rows.iter().find(|row| row[0] == "net_delta_in_settlement").unwrap();
    let inputs = row[1..row.len() - 1].join(",");
    assert_eq!(inputs.trim_matches('"'), "delta=1.0,mark=0.3,minutes=15");
    let expiry = pricing::options::Expiry::on_day_of(units::Timestamp::from_nanos(0)).unwrap();
    let now = units::Timestamp::from_nanos(expiry.at().nanos() - 15 * units::Duration::MINUTE.nanos());
    let undecided = expiry.undecided(now);
    let expected: f64 = row[row.len() - 1].parse().unwrap();
    let forward = 50_000.0;
    let option = pricing::options::Greeks { price: 0.3 * forward, delta: 1.0, ..Default::default() };
    let net = |share| option.delta_settling(pricing::options::DeltaConvention::Net, forward, share);
    assert!((net(undecided) - expected).abs() <= 1e-15, "{} for {expected}", net(undecided));
    let hour_before = units::Timestamp::from_nanos(expiry.at().nanos() - units::Duration::HOUR.nanos());
    assert!((net(expiry.undecided(hour_before)) - 0.7).abs() <= 1e-15, "whole before the window");
    assert_eq!(net(expiry.undecided(expiry.at())), 0.0, "nothing moves once all is decided");
}
