//! Coin that lies in an account which counts in dollars: what sizes and limits make of it, against hand-worked numbers and
//! against what the account would be worth at another price.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod complete;

use complete::completed;
use policy::facts::{self, Code, Facts};
use policy::{Because, Outcome, Program, Target, evaluate, parse};
use units::{Cash, Contract, Price, Qty, Ratio, Round, Timestamp, Vol};

/// Ten coins at 100,000 dollars are all that there is: equity is ten coins, or a million dollars.
fn facts(contract: Contract) -> Facts {
    let mut facts = Facts::new(0);
    facts.set_now(Timestamp::from_nanos(1));
    let (equity, lot) = match contract {
        Contract::Inverse => ("10", "10"),
        Contract::Linear => ("1000000", "0.001"),
    };
    facts.set(facts::CONTRACT, contract);
    facts.set(facts::EQUITY, equity.parse::<Cash>().unwrap());
    facts.set(facts::PRICE, "100000".parse::<Price>().unwrap());
    facts.set(facts::TICK, "0.1".parse::<Price>().unwrap());
    facts.set(facts::LOT, lot.parse::<Qty>().unwrap());
    facts.set(facts::MIN_QTY, lot.parse::<Qty>().unwrap());
    facts.set(facts::DRAWDOWN, Ratio::default());
    facts.set(facts::COLLATERAL, "10".parse::<Cash>().unwrap());
    facts.set(facts::COIN, Code::new("BTC"));
    facts.set(facts::VOLATILITY, Vol::new(0.4).unwrap());
    facts
}

fn program(text: &str) -> Program {
    let parsed = parse(&completed(text));
    let policy = parsed.policy.ok_or(parsed.diagnostics).unwrap();
    Program::compile(&policy, &policy.instruments[0], &|_| None).unwrap()
}

/// The target, and each step: outcome and sentence.
fn decided(program: &Program, facts: &mut Facts, signal: f64) -> (Target, Vec<(Outcome, String)>) {
    facts.set(facts::SIGNAL, Ratio::new(signal).unwrap());
    facts.set(facts::SIGNAL_SINCE, facts.now());
    let mut because = Because::default();
    let target = evaluate(&program.rules, facts, &mut because);
    (target, because.steps().iter().map(|step| (step.outcome, step.reason.to_string())).collect())
}

/// A volatility target of so many times equity, at a volatility of 40 %.
fn volatility(multiple: f64) -> String {
    format!(
        "[size]\nkind = \"volatility_target\"\ntarget = {}\nvolatility = \"ewma(10d, 1h)\"\n",
        (multiple * 40.0).round() / 100.0
    )
}

fn fraction(multiple: f64) -> String {
    format!("[size]\nkind = \"fixed_fraction\"\nfraction = {multiple:?}\n")
}

fn leverage(limit: f64) -> String {
    format!("[caps]\nleverage = {limit:?}\n")
}

/// The table of docs/collateral.md, in dollars of an inverse contract and in coins of a linear one.
#[test]
fn the_table_by_hand() {
    for (text, signal, dollars, coins) in [
        (volatility(1.5), 1.0, "500000", "5"),
        (volatility(1.0), 1.0, "0", "0"),
        (volatility(0.5), 1.0, "0", "0"),
        (volatility(0.5), -1.0, "-1500000", "-15"),
        (volatility(1.5), 0.0, "0", "0"),
        (fraction(1.5), 1.0, "1500000", "15"),
        (fraction(1.5), 0.0, "0", "0"),
        (fraction(1.5) + &leverage(2.0), 1.0, "1000000", "10"),
        (fraction(1.0) + &leverage(2.0), -1.0, "-1000000", "-10"),
        (fraction(1.0) + &leverage(0.5), 1.0, "0", "0"),
        // Twice short of equity: 0.5 × equity, and as much as makes up for the coin.
        (fraction(2.0) + &leverage(0.5), -1.0, "-1500000", "-15"),
        // What is on the other side of the coin lowers the whole, though it stays over the limit.
        (fraction(0.3) + &leverage(0.5), -1.0, "-300000", "-3"),
        (volatility(3.0) + &leverage(2.0), 1.0, "1000000", "10"),
    ] {
        let program = program(&text);
        for (contract, expected) in [(Contract::Inverse, dollars), (Contract::Linear, coins)] {
            let (target, steps) = decided(&program, &mut facts(contract), signal);
            assert_eq!(target.qty.to_string(), expected, "{contract:?} {signal} {text}: {steps:?}");
        }
    }
}

#[test]
fn steps_tell_the_coin_and_what_of_it_counts() {
    let told = |text: &str, signal: f64| {
        let (_, steps) = decided(&program(text), &mut facts(Contract::Inverse), signal);
        steps.into_iter().map(|(outcome, sentence)| format!("{}: {sentence}", outcome.name())).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&volatility(1.5), 1.0),
        [
            "set: signal 1.00",
            "set: target 60.0 % / volatility 40.0 %",
            "set: holds 10 BTC as collateral: 1000000 counts already, of the target 1500000 are 500000 left to trade",
        ]
    );
    assert_eq!(
        told(&volatility(0.5), 1.0)[2],
        "set: holds 10 BTC as collateral: 1000000 counts already and the target is 500000: nothing is traded"
    );
    assert_eq!(
        told(&volatility(0.5), -1.0)[2],
        "set: holds 10 BTC as collateral: 1000000 is on the other side, so the target -500000 takes -1500000"
    );
    assert_eq!(
        told(&(fraction(1.5) + &leverage(2.0)), 1.0)[2],
        "cut: leverage 2.50, 10 BTC of collateral counted, is over 2.00: back to 2.00"
    );
    assert_eq!(
        told(&(fraction(1.0) + &leverage(0.5)), 1.0)[2],
        "unmet: holds 10 BTC as collateral: leverage 1.00 with the position, limit 0.50: 0.50 too much"
    );
    assert_eq!(
        told(&(fraction(0.3) + &leverage(0.5)), -1.0)[2],
        "unmet: holds 10 BTC as collateral: leverage 0.70 with the position, limit 0.50: 0.20 too much"
    );
    // Nothing is wanted, and the coin is over the limit all the same.
    assert!(told(&(fraction(1.0) + &leverage(0.5)), 0.0)[1].starts_with("unmet: holds 10 BTC"));
}

/// A quarter of the coin counts for one of two strategies: 500,000 of 1,500,000 in all would be 250,000 of its own.
#[test]
fn strategies_divide_the_coin() {
    let mut facts = facts(Contract::Inverse);
    facts.set(facts::SHARE, Ratio::new(0.25).unwrap());
    facts.set(facts::COLLATERAL_SHARE, Ratio::new(0.25).unwrap());
    let (target, _) = decided(&program(&volatility(1.5)), &mut facts, 1.0);
    assert_eq!(target.qty.to_string(), "125000");
}

/// Half of the whole is the buffer's measure, not half of what is left to trade.
#[test]
fn the_buffer_is_a_share_of_the_whole() {
    let mut facts = facts(Contract::Inverse);
    facts.set(facts::POSITION, "400000".parse::<Qty>().unwrap());
    let text = volatility(1.5) + "[trade]\nbuffer = \"10%\"\n";
    // The target is 500,000: 100,000 more, inside a tenth of 1,500,000 and outside of a tenth of 500,000.
    assert_eq!(decided(&program(&text), &mut facts, 1.0).0.qty.to_string(), "400000");
}

#[test]
fn without_coin_nothing_is_otherwise() {
    let texts = [volatility(1.5), fraction(1.5) + &leverage(2.0), fraction(3.0) + &leverage(2.0)];
    for (text, expected) in texts.into_iter().zip(["1500000", "1500000", "2000000"]) {
        for zero in [true, false] {
            let mut facts = facts(Contract::Inverse);
            facts.put(facts::COLLATERAL, zero.then_some(Cash::ZERO));
            assert_eq!(decided(&program(&text), &mut facts, 1.0).0.qty.to_string(), expected, "{text}");
        }
    }
}

/// Any coin, equity, price, holding and limit: what the cap lets through keeps the limit as an account would find it that is valued
/// anew at a price a hundredth higher, or it holds nothing that adds to the coin, and says that the limit is not met.
#[test]
fn the_cap_keeps_its_limit_as_a_bumped_valuation_finds_it() {
    let mut seed = 5_u64;
    let mut random = |end: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % end
    };
    let (mut kept, mut cut, mut unmet) = (0, 0, 0);
    for _ in 0..20_000 {
        let contract = if random(2) == 0 { Contract::Inverse } else { Contract::Linear };
        let price = 500.0 + random(100_000) as f64;
        // Dollars beside the coin, which may also be owed.
        let (coins, dollars) = (random(4_000) as f64 / 100.0 - 5.0, random(2_000_000) as f64);
        let equity = coins * price + dollars;
        if equity < 1_000.0 {
            continue;
        }
        let limit = 0.2 + random(40) as f64 / 10.0;
        let mut facts = facts(contract);
        let cash = |value: f64| Cash::from_estimate(value, Round::Nearest).unwrap();
        facts.set(facts::PRICE, Price::from_estimate(price, Round::Nearest).unwrap());
        facts.set(facts::COLLATERAL, cash(coins));
        facts.set(facts::EQUITY, cash(if contract == Contract::Inverse { equity / price } else { equity }));
        facts.set(facts::LOT, Qty::from_raw(1));
        facts.set(facts::MIN_QTY, Qty::from_raw(1));
        let text = fraction(0.1 + random(60) as f64 / 10.0) + &leverage((limit * 100.0_f64).round() / 100.0);
        let signal = if random(2) == 0 { 1.0 } else { -1.0 };
        let (target, steps) = decided(&program(&text), &mut facts, signal);
        // The account anew: dollars, coins and the contract's profit, all at a hundredth more.
        let qty = target.qty.approximate();
        let profit = |to: f64| match contract {
            Contract::Inverse => qty * (1.0 / price - 1.0 / to) * to,
            Contract::Linear => qty * (to - price),
        };
        let gained = coins * price * 0.01 + profit(price * 1.01);
        let found = (gained / 0.01 / equity).abs();
        let is_unmet = steps.iter().any(|(outcome, _)| *outcome == Outcome::Unmet);
        if found > limit + 1e-6 {
            let adds = qty * coins > 0.0;
            assert!(
                is_unmet && !adds && found <= coins.abs() * price / equity + 1e-6,
                "{found} over {limit}: {steps:?}"
            );
            unmet += 1;
        } else {
            assert!(!is_unmet, "{found} of {limit}: {steps:?}");
            let was_cut = steps.iter().any(|(outcome, _)| *outcome == Outcome::Cut);
            // No more is cut than has to be.
            assert!(!was_cut || found > limit - 1e-6, "{found} of {limit}: {steps:?}");
            if was_cut { cut += 1 } else { kept += 1 }
        }
    }
    assert!(kept > 1_000 && cut > 1_000 && unmet > 500, "{kept} kept, {cut} cut, {unmet} unmet");
}
