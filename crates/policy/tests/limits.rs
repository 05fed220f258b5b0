//! Limits on facts: what a breach does to a position, against a second cap and by hand.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod complete;

use complete::completed;
use policy::facts::{self, Facts};
use policy::spec::Limit;
use policy::{Add, Arg, Because, Outcome, Reason, Relief, Relieves, Rule, Target, parse};
use proptest::prelude::*;
use units::{Cash, Contract, Price, Qty, Ratio, Timestamp};

/// The rule of the one limit of a policy.
fn rule(text: &str) -> Box<dyn Rule> {
    let parsed = parse(&completed(text));
    assert_eq!(parsed.diagnostics, []);
    let policy = parsed.policy.unwrap();
    let program = policy::Program::compile(&policy, &policy.instruments[0], &|_| Some(units::SeriesId(0))).unwrap();
    program.rules.into_iter().find(|rule| rule.name() == "limit").unwrap()
}

fn facts(contract: Contract, equity: i64, price: i64, held: i64) -> Facts {
    let mut facts = Facts::new(1);
    facts.set_now(Timestamp::from_nanos(1));
    facts.set(facts::CONTRACT, contract);
    facts.set(facts::EQUITY, Cash::from_raw(i128::from(equity) * Cash::ONE));
    facts.set(facts::PRICE, Price::from_raw(price * Price::ONE));
    facts.set(facts::LOT, Qty::from_raw(1_000));
    facts.set(facts::MIN_QTY, Qty::from_raw(1_000));
    facts.set(facts::POSITION, Qty::from_raw(held));
    facts
}

/// Target, outcome and sentence, for a proposal and an add.
fn decide(rule: &dyn Rule, facts: &Facts, qty: i64, add: Option<i64>) -> (Qty, Outcome, Option<Qty>, String) {
    let qty = Qty::from_raw(qty);
    let mut because = Because::default();
    because.set_add(add.map(|add| {
        let (qty, at) = (Qty::from_raw(add), facts.get(facts::PRICE).unwrap());
        Add { trigger: at, at, limit: None, chase: None, qty, whole: qty, rest: Qty::ZERO, unit: 2 }
    }));
    because.begin(0, qty);
    let verdict = rule.evaluate(facts, Target { base: qty, qty }, &mut because);
    because.end(&verdict);
    let said = because.steps().last().map_or_else(String::new, |step| step.reason.to_string());
    (verdict.target.qty, verdict.outcome, because.add().map(|add| add.qty), said)
}

const EXPOSURE: &str = "[[limits]]\nof = \"abs(exposure)\"\nover = \"200%\"\nrestore = \"150%\"\n";

proptest! {
    /// A limit on exposure is the leverage cap once more, by other code: they agree to a lot, wherever something is held.
    #[test]
    fn a_limit_on_exposure_is_the_leverage_cap(
        is_inverse in any::<bool>(), equity in 1..100_000i64, price in 1..100_000i64, held in 1..5_000i64, more in 0..5_000i64,
    ) {
        let contract = if is_inverse { Contract::Inverse } else { Contract::Linear };
        // Thousandths of what equity buys at the price.
        let each = match contract {
            Contract::Linear => equity as f64 / price as f64,
            Contract::Inverse => equity as f64 * price as f64,
        };
        let qty = |thousandths: i64| (each * thousandths as f64 / 1e3 * Qty::ONE as f64) as i64 / 1_000 * 1_000;
        let (held, more) = (qty(held), qty(more));
        prop_assume!(held > 1_000_000 && each < 1e6);
        let facts = facts(contract, equity, price, held);
        let ratio = |value| Ratio::new(value).unwrap();
        let cap = policy::rules::leverage_cap(Limit { limit: ratio(2.0), restore: ratio(1.5) });
        let limit = rule(EXPOSURE);
        for proposed in [held, held + more] {
            let (cut, _, _, said) = decide(&*limit, &facts, proposed, None);
            let (other, ..) = decide(&*cap, &facts, proposed, None);
            let apart = (cut - other).abs().raw() as f64;
            prop_assert!(apart <= 2_000.0 + 1e-9 * held as f64, "{cut} and {other} of {proposed}: {said}");
        }
    }
}

#[test]
fn a_breach_says_what_it_does() {
    let limit = rule(EXPOSURE);
    let at =
        |held: i64, qty: i64, add: Option<i64>| decide(&*limit, &facts(Contract::Linear, 1_000, 100, held), qty, add);
    let one = Qty::ONE;
    // 25 at 100 are 250 % of 1,000; 15 are 150 %.
    let said = "limit 1: 250.0 % is over 200.0 %: back to 150.0 %".to_owned();
    assert_eq!(at(25 * one, 25 * one, Some(one)), (Qty::from_raw(15 * one), Outcome::Cut, None, said));
    // Between the levels nothing moves, and nothing is added.
    let said = "limit 1: 180.0 %, increases stop at 150.0 %".to_owned();
    assert_eq!(at(18 * one, 20 * one, None), (Qty::from_raw(18 * one), Outcome::Refused, None, said.clone()));
    assert_eq!(at(18 * one, 18 * one, Some(one)), (Qty::from_raw(18 * one), Outcome::Kept, None, said));
    // Under them adds have the room that is left: 5 of 6.
    let said = "limit 1: 100.0 % now, add cut to 5: adds stop at 150.0 %".to_owned();
    let (kept, five) = (Qty::from_raw(10 * one), Some(Qty::from_raw(5 * one)));
    assert_eq!(at(10 * one, 10 * one, Some(6 * one)), (kept, Outcome::Kept, five, said));
    // With none left an add is refused.
    let said = "limit 1: 150.0 % now, and adds stop at 150.0 %".to_owned();
    assert_eq!(at(15 * one, 15 * one, Some(one)), (Qty::from_raw(15 * one), Outcome::Kept, None, said));
    // A short is the same on its side, and an exit is never held back.
    assert_eq!(at(-25 * one, -25 * one, None).0, Qty::from_raw(-15 * one));
    assert_eq!(at(25 * one, 0, None), (Qty::ZERO, Outcome::Kept, None, String::new()));
}

/// What is not known bars increases and cuts nothing.
#[test]
fn nothing_goes_out_on_what_is_not_known() {
    let limit = rule("[[limits]]\nof = \"margin.ratio(binance)\"\nover = \"60%\"\nrestore = \"40%\"\n");
    let facts = facts(Contract::Linear, 1_000, 100, 5 * Qty::ONE);
    let said = "limit 1: what it limits is not known: nothing is opened or added".to_owned();
    let five = Qty::from_raw(5 * Qty::ONE);
    assert_eq!(decide(&*limit, &facts, 9 * Qty::ONE, None), (five, Outcome::Refused, None, said.clone()));
    // What is held stays as the policy wants it, and the plan says how it is.
    for qty in [5 * Qty::ONE, 2 * Qty::ONE] {
        assert_eq!(decide(&*limit, &facts, qty, None), (Qty::from_raw(qty), Outcome::Unmet, None, said.clone()));
    }
    // An add that is refused says it already, and an exit goes out as ever.
    assert_eq!(decide(&*limit, &facts, 5 * Qty::ONE, Some(Qty::ONE)), (five, Outcome::Kept, None, said));
    assert_eq!(decide(&*limit, &facts, 0, None), (Qty::ZERO, Outcome::Kept, None, String::new()));
}

/// What has closed stays closed while nobody knows whether it is back, and what barred increases says that it is not known.
#[test]
fn what_is_in_force_stays_so_on_what_is_not_known() {
    let unknown = "limit 1: what it limits is not known";
    for (action, qty, outcome, said) in [
        ("flat", 0, Outcome::Cut, format!("{unknown}: flat until it is known to be back")),
        ("no_increase", 5 * Qty::ONE, Outcome::Unmet, format!("{unknown}: nothing is opened or added")),
    ] {
        let limit = "[[limits]]\nof = \"series(dvol.btc)\"\nover = \"120%\"\nrestore = \"80%\"\naction = ";
        let mut limit = rule(&format!("{limit}\"{action}\"\n"));
        let mut facts = facts(Contract::Linear, 1_000, 100, 5 * Qty::ONE);
        facts.set(facts::series(units::SeriesId(0)), Ratio::new(1.3).unwrap());
        limit.observe(&facts);
        facts.put(facts::series(units::SeriesId(0)), None);
        limit.observe(&facts);
        assert_eq!(decide(&*limit, &facts, 5 * Qty::ONE, None), (Qty::from_raw(qty), outcome, None, said));
    }
}

/// What relieves a limit on a Greek keeps its share; what does not stays, opens nothing, and goes where the policy wants it smaller.
#[test]
fn a_limit_on_a_greek_spares_what_does_not_relieve_it() {
    let limit = rule("[[limits]]\nof = \"greeks.delta(BTC)\"\nover = 15\nrestore = 12\n");
    let mut facts = facts(Contract::Linear, 1_000, 100, 5 * Qty::ONE);
    facts.set(facts::series(units::SeriesId(0)), Ratio::new(20.0).unwrap());
    let decided = |of: Relieves, qty: i64| {
        let mut because = Because::default();
        because.set_reliefs([Relief { limit: 0, of, keeps: 0.4, spares: None }].into_iter().collect());
        let qty = Qty::from_raw(qty);
        because.begin(0, qty);
        let verdict = limit.evaluate(&facts, Target { base: qty, qty }, &mut because);
        because.end(&verdict);
        (verdict.target.qty.raw(), verdict.outcome, because.steps()[0].reason.to_string())
    };
    let one = Qty::ONE;
    assert_eq!(
        decided(Relieves::Better, 5 * one),
        (2 * one, Outcome::Cut, "limit 1: 20 is over 15: back to 12".to_owned())
    );
    for (of, what) in [
        (Relieves::Same, "giving it up brings nothing back"),
        (Relieves::Worse, "with less of it there would be more to bring back"),
    ] {
        let said = format!("limit 1: 20, limit 15: all of it stays, {what}");
        assert_eq!(decided(of, 5 * one), (5 * one, Outcome::Unmet, said.clone()));
        assert_eq!(decided(of, 7 * one), (5 * one, Outcome::Refused, said.clone()));
        assert_eq!(decided(of, 3 * one), (3 * one, Outcome::Unmet, said));
    }
}

/// What is under zero follows in proportion to what is held, too: a short position's delta of −16 is −10 with ten sixteenths of it.
#[test]
fn a_level_under_zero_is_brought_back_to() {
    let limit = rule("[[limits]]\nof = \"greeks.delta(BTC)\"\nunder = -16\nrestore = -10\n");
    let at = |value: f64, held: i64, qty: i64| {
        let mut facts = facts(Contract::Linear, 1_000, 100, held);
        facts.set(facts::series(units::SeriesId(0)), Ratio::new(value).unwrap());
        decide(&*limit, &facts, qty, None)
    };
    let one = Qty::ONE;
    let (cut, outcome, _, said) = at(-20.0, -20 * one, -20 * one);
    assert_eq!((cut, outcome), (Qty::from_raw(-10 * one), Outcome::Cut), "{said}");
    // On its better side increases stop at the restore level.
    assert_eq!(at(-5.0, -5 * one, -30 * one).0, Qty::from_raw(-10 * one));
    assert_eq!(at(-12.0, -12 * one, -30 * one).0, Qty::from_raw(-12 * one));
    // What is over zero has none of it to give.
    assert_eq!(at(5.0, -5 * one, -30 * one).0, Qty::from_raw(-30 * one));
}

/// What closes stays closed until the restore level, not only until the limit.
#[test]
fn what_closes_waits_for_the_restore_level() {
    let mut limit =
        rule("[[limits]]\nof = \"series(dvol.btc)\"\nover = \"120%\"\nrestore = \"80%\"\naction = \"flat\"\n");
    let mut facts = facts(Contract::Linear, 1_000, 100, 5 * Qty::ONE);
    let mut held = Vec::new();
    for volatility in [1.0, 1.3, 1.1, 0.9, 0.8, 1.1, 1.25, 0.7] {
        facts.set(facts::series(units::SeriesId(0)), Ratio::new(volatility).unwrap());
        held.push(decide(&*limit, &facts, 5 * Qty::ONE, None).0.raw() / Qty::ONE);
        limit.observe(&facts);
    }
    assert_eq!(held, [5, 0, 0, 0, 5, 5, 0, 5]);
}

/// Numbers that differ are told apart, as many digits as that takes; what only rounding leaves is not.
#[test]
fn what_is_over_a_limit_is_told_from_it() {
    let said = |value: f64, limit: f64| {
        let args = [Arg::Number(value), Arg::Number(limit), Arg::Number(2.5), Arg::None];
        Reason { template: "leverage {} is over {}: back to {}", args }.to_string()
    };
    assert_eq!(said(2.51, 2.5), "leverage 2.51 is over 2.50: back to 2.50");
    assert_eq!(said(2.5002, 2.5), "leverage 2.5002 is over 2.5000: back to 2.5000");
    assert_eq!(said(2.5 + 1e-12, 2.5), "leverage 2.50 is over 2.50: back to 2.50");
    let args = [Arg::Percent(0.080_000_1), Arg::Percent(0.08), Arg::None, Arg::None];
    assert_eq!(Reason { template: "{} is over {}", args }.to_string(), "8.00001 % is over 8.00000 %");
}
