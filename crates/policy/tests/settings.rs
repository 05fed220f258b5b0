//! Numbers that are reckoned: the rules do with them what they do with the same numbers declared.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use policy::{Because, Facts, Program, Region, evaluate, evaluate_asking, facts};
use proptest::prelude::*;
use units::{Price, Qty, Ratio, SeriesId, Timestamp, Vol};

const HOUR: i64 = 3_600_000_000_000;

fn program(size: &str, step: &str, trail: &str, leverage: &str) -> Program {
    let text = format!(
        "policy = 1\nname = \"x\"\ninstrument = \"binance:BTCUSDT-PERP\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
         [unit]\nn = \"atr(20, 1h)\"\n[size]\n{size}\n[pyramid]\nunits = 4\nstep = {step}\n\
         [stop]\ninitial = \"2N\"\ntrail = {trail}\n[caps]\nleverage = {leverage}\n"
    );
    let parsed = policy::parse(&text);
    let policy = parsed.policy.unwrap_or_else(|| panic!("{text}\n{:?}", parsed.diagnostics));
    assert_eq!(
        policy::parse(&policy::to_toml(&policy)).policy.as_ref(),
        Some(&policy),
        "what is printed reads as the same"
    );
    let name = policy.instruments[0].clone();
    Program::compile(&policy, &name, &|name| (name == "dial").then_some(SeriesId(0))).unwrap()
}

/// A campaign of one unit at 100 with N of 2; the market is at 103. `dial` is told as 2 where it is known.
fn facts(dial: Option<f64>, held: &str) -> Facts {
    let mut facts = Facts::new(1);
    facts.set_now(Timestamp::from_nanos(100 * HOUR));
    facts.set(facts::EQUITY, "10000".parse().unwrap());
    facts.set(facts::SIGNAL, Ratio::new(1.0).unwrap());
    facts.set(facts::PRICE, "103".parse().unwrap());
    facts.set(facts::UNIT, "2".parse().unwrap());
    facts.set(facts::VOLATILITY, Vol::new(0.5).unwrap());
    facts.set(facts::LOT, "0.01".parse().unwrap());
    facts.set(facts::MIN_QTY, "0.01".parse().unwrap());
    facts.set(facts::TICK, "0.1".parse().unwrap());
    facts.set(facts::POSITION, held.parse().unwrap());
    if let Some(dial) = dial {
        facts.set(facts::series(SeriesId(0)), Ratio::new(dial).unwrap());
    }
    if held != "0" {
        let hundred: Price = "100".parse().unwrap();
        facts.set(facts::ENTRY, hundred);
        facts.set(facts::LAST_FILL, hundred);
        facts.set(facts::AVERAGE, hundred);
        facts.set(facts::BEST, "103".parse().unwrap());
        facts.set(facts::CAMPAIGN_UNIT, "2".parse().unwrap());
        facts.set(facts::INITIAL_STOP, "96".parse().unwrap());
        facts.set(facts::UNITS, 1);
        facts.set(facts::BASE, "200".parse().unwrap());
    }
    facts
}

/// Target, add and exits.
fn decided(program: &Program, facts: &Facts) -> (Qty, String) {
    let mut because = Because::default();
    let target = evaluate(&program.rules, facts, &mut because);
    (target.qty, format!("{:?} {:?}", because.add(), because.exits()))
}

fn said(program: &Program, facts: &Facts) -> String {
    let mut because = Because::default();
    let _target = evaluate(&program.rules, facts, &mut because);
    because.steps().iter().map(|step| step.reason.to_string()).collect::<Vec<_>>().join("; ")
}

const PLAIN: &str = "kind = \"fixed_fraction\"\nfraction = 2";

/// `2` and whatever is 2 are the same.
#[test]
fn what_is_reckoned_counts_as_what_is_declared() {
    let declared = program(PLAIN, "\"1N\"", "\"3N\"", "5");
    let sizes =
        ["kind = \"fixed_fraction\"\nfraction = \"series(dial)\"", "kind = \"fixed_fraction\"\nfraction = \"1 + 1\""];
    for size in sizes {
        for held in ["0", "50", "480"] {
            let reckoned =
                program(size, "\"0.5N * series(dial)\"", "\"1N + 1N * series(dial)\"", "\"3 + series(dial)\"");
            let facts = facts(Some(2.0), held);
            assert_eq!(decided(&reckoned, &facts), decided(&declared, &facts), "{size}, {held}");
        }
    }
    let target = |target: &str, cap: &str| {
        let size = format!(
            "kind = \"volatility_target\"\nvolatility = \"series(dial)\"\ntarget = {target}\nexposure_cap = {cap}"
        );
        decided(&program(&size, "\"1N\"", "\"3N\"", "5"), &facts(Some(2.0), "0"))
    };
    assert_eq!(target("\"series(dial) * 20%\"", "\"series(dial)\""), target("\"40%\"", "2"));
    assert_eq!(target("\"series(dial) * 200%\"", "\"series(dial) - 1\""), target("\"400%\"", "1"));
    let risk = |risk: &str| {
        let size = format!("kind = \"risk_per_trade\"\nrisk = {risk}");
        decided(&program(&size, "\"1N\"", "\"3N\"", "5"), &facts(Some(2.0), "0"))
    };
    assert_eq!(risk("\"series(dial) * 0.5%\""), risk("\"1%\""));
}

/// Beyond what a key takes a value counts as the most it takes, under zero as zero.
#[test]
fn values_are_kept_in_the_range_of_their_key() {
    let sized = |fraction: &str| {
        let size = format!("kind = \"fixed_fraction\"\nfraction = {fraction}");
        decided(&program(&size, "\"1N\"", "\"3N\"", "125"), &facts(Some(2.0), "0")).0
    };
    assert_eq!(sized("\"series(dial) * 1000\""), sized("125"));
    assert_eq!(sized("\"0 - series(dial)\""), Qty::ZERO);
    let capped = |leverage: &str| decided(&program(PLAIN, "\"1N\"", "\"3N\"", leverage), &facts(Some(2.0), "50")).0;
    assert_eq!(capped("\"series(dial) - 2\""), Qty::ZERO, "no leverage at all");
    // A quarter of the equity: 2,500 at 103 is 24.27.
    assert_eq!(capped("\"series(dial) / 8\"").to_string(), "24.27");
}

#[test]
fn what_is_not_known_opens_and_adds_nothing_and_cuts_nothing() {
    let size = "kind = \"fixed_fraction\"\nfraction = \"series(dial)\"";
    for (size, step, leverage, sentence) in [
        (size, "\"1N\"", "5", "no entry: `size.fraction` is not known now"),
        (PLAIN, "\"1N\"", "\"series(dial) * 2\"", "`caps.leverage` is not known now: nothing is opened or added"),
    ] {
        let program = program(size, step, "\"3N\"", leverage);
        assert_eq!(decided(&program, &facts(None, "0")).0, Qty::ZERO);
        assert!(said(&program, &facts(None, "0")).contains(sentence), "{}", said(&program, &facts(None, "0")));
    }
    let held = facts(None, "50");
    let program_of = |step: &str, leverage: &str| program(PLAIN, step, "\"3N * series(dial)\"", leverage);
    let capped = program_of("\"1N\"", "\"series(dial) / 8\"");
    assert_eq!(decided(&capped, &held).0.to_string(), "50", "nothing is cut");
    assert!(decided(&capped, &held).1.starts_with("None"), "nothing is added");
    let stepped = program_of("\"0.5N * series(dial)\"", "5");
    assert!(decided(&stepped, &held).1.starts_with("None"));
    assert!(said(&stepped, &held).contains("1 of 4 units, no add: `pyramid.step` is not known now"));
    // Without its trail the stop is the initial one.
    assert!(decided(&stepped, &held).1.contains(&format!("{:?}", "96".parse::<Price>().unwrap())));
}

proptest! {
    /// Inside the region that rules state, whatever they decide by expressions stays what it was.
    #[test]
    fn inside_its_region_a_decision_stays(
        held in prop::sample::select(vec!["0", "50", "120"]),
        shapes in prop::collection::vec(0..4_usize, 4),
        moves in prop::collection::vec((-30..60_i32, -20..20_i32, 0..200_i32, 0..30_i64), 1..12),
    ) {
        let number = |shape: usize, about: &str| match shape {
            0 => format!("\"{about}\""),
            1 => format!("\"{about} * series(dial, 2d)\""),
            2 => format!("\"if(drawdown > 5%, {about} * 0.5, {about})\""),
            _ => format!("\"if(price > 102, {about} * 0.5, {about})\""),
        };
        let size = format!("kind = \"fixed_fraction\"\nresize = \"entry\"\nfraction = {}", number(shapes[0], "2").replace("\"2\"", "2"));
        let leverage = number(shapes[3], "4").replace("\"4\"", "4");
        let program = program(&size, &number(shapes[1], "2N"), &number(shapes[2], "3N"), &leverage);
        let mut facts = facts(Some(1.0), held);
        facts.set(facts::DRAWDOWN, Ratio::new(0.04).unwrap());
        let mut region = Region::default();
        let _target = evaluate_asking(&program.rules, &facts, &mut Because::default(), &mut region);
        region.put_in_force(&mut facts);
        let before = decided(&program, &facts);
        let mut now = facts.now().nanos();
        for (tenths, drawdown, dial, hours) in moves {
            now += hours * HOUR;
            facts.set_now(Timestamp::from_nanos(now));
            facts.set(facts::PRICE, Price::from_raw(103 * Price::ONE + i64::from(tenths) * (Price::ONE / 20)));
            facts.set(facts::DRAWDOWN, Ratio::new(f64::from(drawdown.abs()) / 200.0).unwrap());
            if dial < 50 {
                facts.set(facts::series(SeriesId(0)), Ratio::new(f64::from(dial / 25)).unwrap());
            }
            if region.holds(&facts) {
                prop_assert_eq!(&decided(&program, &facts), &before);
            }
        }
    }
}
