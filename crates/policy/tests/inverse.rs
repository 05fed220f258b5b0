//! Sizes and caps in inverse (coin-settled) contracts: the same words, in coin.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod complete;

use complete::completed;
use policy::facts::{self, Facts};
use policy::{Because, Program, Target, evaluate, parse};
use units::{Cash, Contract, Price, Qty, Ratio, Timestamp};

/// One coin of equity at 100 USD, with N = 5 USD.
fn facts(contract: Contract) -> Facts {
    let mut facts = Facts::new(0);
    facts.set_now(Timestamp::from_nanos(1));
    facts.set(facts::CONTRACT, contract);
    facts.set(facts::EQUITY, "1".parse::<Cash>().unwrap());
    facts.set(facts::PRICE, "100".parse::<Price>().unwrap());
    facts.set(facts::UNIT, "5".parse::<Price>().unwrap());
    facts.set(facts::TICK, "0.1".parse::<Price>().unwrap());
    facts.set(facts::LOT, "0.0001".parse::<Qty>().unwrap());
    facts.set(facts::MIN_QTY, "0.0001".parse::<Qty>().unwrap());
    facts.set(facts::DRAWDOWN, Ratio::new(0.0).unwrap());
    facts
}

fn decided(text: &str, facts: &mut Facts, signal: f64) -> Target {
    let parsed = parse(&completed(text));
    let policy = parsed.policy.ok_or(parsed.diagnostics).unwrap();
    let program = Program::compile(&policy, &policy.instruments[0], &|_| None).unwrap();
    facts.set(facts::SIGNAL, Ratio::new(signal).unwrap());
    facts.set(facts::SIGNAL_SINCE, facts.now());
    evaluate(&program.rules, facts, &mut Because::default())
}

const FRACTION: &str = "[size]\nkind = \"fixed_fraction\"\nfraction = 2.0\n";
const RISK: &str =
    "[size]\nkind = \"risk_per_trade\"\nrisk = \"1%\"\n[stop]\ninitial = \"2N\"\n[unit]\nn = \"atr(20, 1d)\"\n";

#[test]
fn exposure_buys_dollars_for_coin() {
    let target = decided(FRACTION, &mut facts(Contract::Inverse), 1.0);
    assert_eq!(target.qty.to_string(), "200", "2 x 1 coin x 100 USD");
    let target = decided(FRACTION, &mut facts(Contract::Linear), -1.0);
    assert_eq!(target.qty.to_string(), "-0.02", "2 x 1 USD / 100 USD");
}

#[test]
fn the_first_unit_loses_its_risk_at_the_stop() {
    for contract in [Contract::Linear, Contract::Inverse] {
        for signal in [1.0, -1.0] {
            let target = decided(RISK, &mut facts(contract), signal);
            let (entry, stop) = (100.0, 100.0 - 10.0 * signal);
            let [entry, stop] = [entry, stop].map(|price: f64| price.to_string().parse::<Price>().unwrap());
            let lost = contract.profit(target.qty, entry, stop).approximate();
            assert!((lost + 0.01).abs() < 1e-5, "{contract:?} {signal}: {} loses {lost}", target.qty);
        }
    }
}

#[test]
fn leverage_is_coin_over_coin() {
    let capped = format!("{FRACTION}[caps]\nleverage = 1.5\nleverage_restore = 1.5\n");
    let target = decided(&capped, &mut facts(Contract::Inverse), 1.0);
    assert_eq!(target.qty.to_string(), "150");
    // 180 USD held at 100: at 200 they are 0.9 of a coin, at 50 they are 3.6.
    for (price, expected) in [("200", "180"), ("50", "75")] {
        let mut facts = facts(Contract::Inverse);
        facts.set(facts::POSITION, "180".parse::<Qty>().unwrap());
        facts.set(facts::BASE, "180".parse::<Qty>().unwrap());
        facts.set(facts::PRICE, price.parse::<Price>().unwrap());
        let entry = format!("{capped}\n").replace("fraction = 2.0\n", "fraction = 2.0\nresize = \"entry\"\n");
        assert_eq!(decided(&entry, &mut facts, 1.0).qty.to_string(), expected, "at {price}");
    }
}
