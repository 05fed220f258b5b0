#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use super::*;
use crate::facts::{self, Facts};
use crate::rule::{Because, Rule, Target, Verdict};
use crate::{FactId, Region, evaluate_asking};
use proptest::prelude::*;
use units::{Cash, Contract, Price, Qty, Ratio, SeriesId, Timestamp};

const SERIES: &[&str] = &["dvol.btc", "iv.rank(BTC, 30d, 90d)"];

fn series(name: &str) -> Option<SeriesId> {
    SERIES.iter().position(|known| *known == name).map(|at| SeriesId(at as u32))
}

fn condition(text: &str) -> Condition {
    Expression::parse(text).unwrap().condition(&series).unwrap()
}

fn holds(text: &str, facts: &Facts) -> Option<bool> {
    condition(text).holds(facts)
}

fn ratio(value: f64) -> Ratio {
    Ratio::new(value).unwrap()
}

fn price(value: f64) -> Price {
    Price::from_raw((value * 1e8) as i64)
}

/// Long two coins from 100 with the stop at 90: R is 10, N is 5.
fn held(at: f64) -> Facts {
    let mut facts = Facts::new(SERIES.len());
    facts.set_now(Timestamp::from_nanos(10 * 86_400_000_000_000));
    facts.set(facts::PRICE, price(at));
    facts.set(facts::ENTRY, price(100.0));
    facts.set(facts::AVERAGE, price(100.0));
    facts.set(facts::INITIAL_STOP, price(90.0));
    facts.set(facts::CAMPAIGN_UNIT, price(5.0));
    facts.set(facts::POSITION, Qty::from_raw(2 * Qty::ONE));
    facts.set(facts::UNITS, 0b11);
    facts.set(facts::OPENED, Timestamp::from_nanos(7 * 86_400_000_000_000));
    facts.set(facts::EQUITY, Cash::from_raw(1_000 * Cash::ONE));
    facts.set(facts::DAY_START, Cash::from_raw(1_000 * Cash::ONE));
    facts.set(facts::WEEK_START, Cash::from_raw(1_100 * Cash::ONE));
    facts.set(facts::DRAWDOWN, ratio(0.1));
    facts.set(facts::series(SeriesId(0)), ratio(0.65));
    facts
}

#[test]
fn conditions_hold_as_they_read() {
    let facts = held(120.0);
    for (text, expected) in [
        ("unrealised.r >= 2", Some(true)),
        ("unrealised.r >= 2R", Some(true)),
        ("unrealised.r > 2R", Some(false)),
        ("unrealised == 20%", Some(true)),
        ("price >= campaign.entry + 4N", Some(true)),
        ("price > campaign.entry + 4N", Some(false)),
        ("price - 2R >= campaign.entry", Some(true)),
        ("price > 119.5 && drawdown < 15%", Some(true)),
        ("campaign.units == 2 && campaign.age >= 3d", Some(true)),
        ("campaign.age > 3d", Some(false)),
        ("equity * 50% < 501 USDT", Some(true)),
        ("(price - campaign.entry) / price > 1/7", Some(true)),
        ("min(price, 110) == 110 && max(1, 2, 3) == 3 && abs(-2) == 2", Some(true)),
        ("clamp(drawdown, 20%, 50%) == 0.2 && sqrt(9) == 3", Some(true)),
        ("if(position > 0, price, 1) == 120", Some(true)),
        ("!(drawdown >= 10%)", Some(false)),
        ("series(dvol.btc, 4d) > 60%", Some(true)),
        ("-drawdown < 0", Some(true)),
    ] {
        assert_eq!(holds(text, &facts), expected, "{text}");
    }
}

/// A strangle that was sold at 0.02 and rolled at a loss of 0.13 stands at an entry of −0.11: what it loses is a loss, and a share of the
/// 0.02 that it brought. One that was bought has the other sign. Without a roll it is the average that is paid.
#[test]
fn a_profit_keeps_its_sign_where_rolls_moved_the_entry_through_zero() {
    for (side, entry, paid, at, share) in [
        (-1, -0.11, Some(0.02), 0.03, -7.0),
        (-1, 0.15, Some(0.02), 0.135, 0.75),
        (1, -0.11, Some(0.02), 0.03, 7.0),
        (1, 0.15, Some(0.02), 0.135, -0.75),
        (-1, 0.02, None, 0.005, 0.75),
        (1, 0.02, None, 0.005, -0.75),
    ] {
        let mut facts = held(at);
        facts.set(facts::POSITION, Qty::from_raw(side * Qty::ONE));
        facts.set(facts::AVERAGE, price(entry));
        facts.set(facts::EXPOSURE_PRICE, price(1.0));
        facts.put(facts::PAID, paid.map(price));
        let about = |level: f64, operator: &str| holds(&format!("unrealised {operator} {level}"), &facts);
        assert_eq!(
            (about(share - 0.01, ">"), about(share + 0.01, "<")),
            (Some(true), Some(true)),
            "{side} {entry} {paid:?}"
        );
        assert_eq!(about(share + 0.01, ">"), Some(false), "{side} {entry} {paid:?}");
    }
    // What other instruments tell in the slot says nothing of what was paid.
    let mut facts = held(110.0);
    facts.set(facts::TRADED, crate::facts::Traded { market: Qty::from_raw(7), own: Qty::from_raw(3) });
    assert_eq!(holds("unrealised > 9.9% && unrealised < 10.1%", &facts), Some(true));
}

/// 100.3 − 100 is 0.2999999999999972 in doubles, and 90 of 100 are a drawdown of 0.09999999999999998 or 0.10000000000000009: at a level
/// is at it, and neither under nor over.
#[test]
fn at_a_level_is_at_it() {
    let mut facts = held(100.3);
    for drawdown in [1.0 - 0.9, 0.1 * (1.0 - 2e-16), 0.1] {
        facts.set(facts::DRAWDOWN, ratio(drawdown));
        for (number, level) in [("price - 100", "0.3"), ("drawdown", "10%"), ("-drawdown", "-10%")] {
            for (operator, expected) in
                [(">=", true), ("<=", true), ("==", true), ("<", false), (">", false), ("!=", false)]
            {
                assert_eq!(
                    holds(&format!("{number} {operator} {level}"), &facts),
                    Some(expected),
                    "{number} {operator} {level}"
                );
            }
        }
        assert_eq!(holds("drawdown >= 10.0001%", &facts), Some(false));
        assert_eq!(holds("price - 100 > 0.2999", &facts), Some(true));
    }
}

/// Kleene's tables, over a fact that is not known.
#[test]
fn what_is_not_known_decides_nothing() {
    let facts = held(120.0);
    for (text, expected) in [
        ("iv.rank(BTC, 30d, 90d) > 80%", None),
        ("iv.rank(BTC, 30d, 90d) > 80% && price > 1", None),
        ("iv.rank(BTC, 30d, 90d) > 80% && price < 1", Some(false)),
        ("price < 1 && iv.rank(BTC, 30d, 90d) > 80%", Some(false)),
        ("iv.rank(BTC, 30d, 90d) > 80% || price > 1", Some(true)),
        ("price > 1 || iv.rank(BTC, 30d, 90d) > 80%", Some(true)),
        ("iv.rank(BTC, 30d, 90d) > 80% || price < 1", None),
        ("!(iv.rank(BTC, 30d, 90d) > 80%)", None),
        ("known(iv.rank(BTC, 30d, 90d))", Some(false)),
        ("known(price)", Some(true)),
        ("if(known(iv.rank(BTC, 30d, 90d)), iv.rank(BTC, 30d, 90d), 50%) == 0.5", Some(true)),
        ("price / (drawdown - 10%) > 0", None),
        ("sqrt(-drawdown) > 0", None),
    ] {
        assert_eq!(holds(text, &facts), expected, "{text}");
    }
    let mut old = held(120.0);
    old.set_now(Timestamp::from_nanos(15 * 86_400_000_000_000));
    assert_eq!(holds("series(dvol.btc, 4d) > 60%", &old), None, "five days old");
}

#[test]
fn units_have_to_fit() {
    for (text, label) in [
        ("price > 5%", "`5%` is a number, beside a price"),
        ("campaign.age > 5", "`5` is a number, beside a span of time"),
        ("price > drawdown", "`drawdown` is a number, beside a price"),
        ("unrealised.r > 2N", "`2N` is a multiple of N, beside a multiple of R"),
        ("price * price > 2", "a price times a price has no meaning here"),
        ("drawdown", "this is a number"),
        ("price + 5% > 1", "`5%` is a number, beside a price"),
        ("price && drawdown < 1", "`price` is a price"),
        ("(price > 1) + 2 > 1", "`(price > 1)` is a condition, true or false"),
        ("sqrt(price) > 1", "`price` is a price"),
        ("max(price, drawdown) > 1", "`drawdown` is a number, beside a price"),
        ("equity > 5d", "`5d` is a span of time, beside an amount of money"),
        ("greeks.vega(BTC) > 5 BTC", "this is in BTC"),
        ("levrage > 2", "unknown fact"),
        ("iv.atm > 80%", "is called, with what it needs"),
        ("price() > 1", "unknown function"),
        ("clamp(1, 2) > 1", "2 arguments are given"),
    ] {
        let found = match Expression::parse(text) {
            Ok(expression) if expression.unit() == Unit::Switch => panic!("{text} is read as {expression}"),
            Ok(expression) => format!("this is {}", expression.unit().describe()),
            Err(found) => found[0].label.clone(),
        };
        assert_eq!(found, label, "{text}");
    }
    let both = Expression::parse("price > 5% && equity > 3d").unwrap_err();
    assert_eq!(both.len(), 2, "all findings at once");
}

#[test]
fn text_is_printed_as_it_is_read() {
    for (text, printed) in [
        ("signal.age >= 0.5d", None),
        ("price>1_000.5", Some("price > 1000.5")),
        ("(price > 1 || price < 2) && !(drawdown > 5%)", None),
        ("((price > 1) && (price > 2)) || price > 3", Some("price > 1 && price > 2 || price > 3")),
        ("price - (price - 1) > -(2 * 3)", None),
        ("price / (2 / 3) > 1", None),
        ("price >= campaign.entry + 2 * 3N", None),
        ("series( dvol.btc ) > 50%", Some("series(dvol.btc, 3d) > 50%")),
        ("series(iv.atm(BTC, 30d), 12h) > 50%", None),
        ("iv.rank(30d) > 80%", Some("iv.rank({base}, 30d, 365d) > 80%")),
        ("stress(2025-10-10) < 20% && liquidation.probability(1d) < 1%", None),
        ("if(known(signal), campaign.age, 5min) > 90m", Some("if(known(signal), campaign.age, 5m) > 90m")),
    ] {
        let expression = Expression::parse(text).unwrap();
        assert_eq!(expression.to_string(), printed.unwrap_or(text));
        assert_eq!(Expression::parse(&expression.to_string()), Ok(expression));
    }
}

/// Random conditions over a few facts: comparisons with numbers and with each other, joined in any way.
fn conditions() -> impl Strategy<Value = String> {
    let facts = vec![
        "price",
        "equity",
        "drawdown",
        "unrealised.r",
        "campaign.age",
        "campaign.age",
        "series(dvol.btc, 4d)",
        "loss.day",
        "loss.week",
        "exposure",
        "abs(exposure)",
        "abs(unrealised)",
    ];
    let number = prop::sample::select(facts);
    let operator = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let simple = (number, operator, -30..30_i32, any::<bool>()).prop_map(|(fact, operator, by, flipped)| {
        let number = match fact {
            "price" => format!("{}", 100 + by),
            "equity" => format!("{}", 1_000 + 10 * by),
            "drawdown" | "series(dvol.btc, 4d)" => format!("{}%", by * 3),
            "unrealised.r" => format!("{}R", f64::from(by) / 4.0),
            "loss.day" | "loss.week" | "abs(unrealised)" => format!("{by}%"),
            "exposure" | "abs(exposure)" => format!("{}%", 22 + by),
            _ => format!("{}h", 72 + by),
        };
        if flipped { format!("{number} {operator} {fact}") } else { format!("{fact} {operator} {number}") }
    });
    let plain = prop_oneof![
        8 => simple,
        1 => Just("price > campaign.entry + 1R".to_owned()),
        1 => Just("known(series(dvol.btc, 4d))".to_owned()),
    ];
    plain.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["&&", "||"]), inner.clone())
                .prop_map(|(left, operator, right)| format!("({left}) {operator} ({right})")),
            inner.prop_map(|of| format!("!({of})")),
        ]
    })
}

struct Asks(Condition);

impl Rule for Asks {
    fn name(&self) -> &'static str {
        "asks"
    }

    fn reads(&self) -> &[FactId] {
        self.0.reads()
    }

    fn evaluate(&self, _facts: &Facts, proposed: Target, _because: &mut Because) -> Verdict {
        Verdict::keep(proposed)
    }

    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        self.0.quiet(facts, region)
    }
}

proptest! {
    /// What is printed reads as the same.
    #[test]
    fn printing_and_reading_are_inverse(text in conditions()) {
        let expression = Expression::parse(&text).unwrap();
        prop_assert_eq!(Expression::parse(&expression.to_string()), Ok(expression));
    }

    /// Inside the region that it states a condition answers as it did, whatever the facts do there.
    #[test]
    fn inside_its_region_a_condition_answers_the_same(
        text in conditions(),
        start in 80..130_i32,
        short in any::<bool>(),
        inverse in any::<bool>(),
        moves in prop::collection::vec((-300..300_i32, -200..200_i32, -20..60_i32, 0..200_i32, 0..30_i64), 1..12),
    ) {
        let asked = condition(&text);
        let mut facts = held(f64::from(start));
        if short {
            facts.set(facts::POSITION, Qty::from_raw(-2 * Qty::ONE));
            facts.set(facts::INITIAL_STOP, price(110.0));
        }
        if inverse {
            // As much exposed at 100 as the other.
            facts.set(facts::CONTRACT, Contract::Inverse);
            facts.set(facts::POSITION, Qty::from_raw(Qty::ONE * if short { -20_000 } else { 20_000 }));
        }
        let rules: Vec<Box<dyn Rule>> = vec![Box::new(Asks(condition(&text)))];
        let mut region = Region::default();
        let _target = evaluate_asking(&rules, &facts, &mut Because::default(), &mut region);
        region.put_in_force(&mut facts);
        let before = asked.holds(&facts);
        let mut now = facts.now().nanos();
        for (tenths, equity, drawdown, vol, hours) in moves {
            now += hours * 3_600_000_000_000;
            facts.set_now(Timestamp::from_nanos(now));
            facts.set(facts::PRICE, price(f64::from(start) + f64::from(tenths) / 10.0));
            facts.set(facts::EQUITY, Cash::from_raw((1_000 + i128::from(equity)) * Cash::ONE));
            facts.set(facts::DRAWDOWN, ratio(f64::from(drawdown) / 100.0));
            if vol < 150 {
                facts.set(facts::series(SeriesId(0)), ratio(f64::from(vol) / 100.0));
            }
            if region.holds(&facts) {
                prop_assert_eq!(asked.holds(&facts), before, "{} at {:?}", text, facts.get(facts::PRICE));
            }
        }
    }
}

/// A region is of use: a price that stays on its side of a rung leaves it unbroken.
#[test]
fn a_price_that_stays_on_its_side_is_quiet() {
    let mut facts = held(110.0);
    let rules: Vec<Box<dyn Rule>> = vec![Box::new(Asks(condition("unrealised.r >= 2 || drawdown > 50%")))];
    let mut region = Region::default();
    let _target = evaluate_asking(&rules, &facts, &mut Because::default(), &mut region);
    region.put_in_force(&mut facts);
    for (at, inside) in [(119.999, true), (50.0, true), (120.0, false), (130.0, false)] {
        facts.set(facts::PRICE, price(at));
        assert_eq!(region.holds(&facts), inside, "{at}");
    }
}
