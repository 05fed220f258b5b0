//! A strategy that is not alone in its account: sizes on a share of equity, leverage beside other positions.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod complete;

use complete::completed;
use policy::facts::{self, Facts};
use policy::spec::{Allocation, Limit, Over};
use policy::{Because, Outcome, Program, Target, evaluate, parse};
use proptest::prelude::*;
use units::{Cash, Contract, Price, Qty, Ratio, Timestamp};

fn ratio(value: f64) -> Ratio {
    Ratio::new(value).unwrap()
}

fn account(contract: Contract, equity: &str, price: &str) -> Facts {
    let mut facts = Facts::new(0);
    facts.set_now(Timestamp::from_nanos(1));
    facts.set(facts::CONTRACT, contract);
    facts.set(facts::EQUITY, equity.parse::<Cash>().unwrap());
    facts.set(facts::PRICE, price.parse::<Price>().unwrap());
    facts.set(facts::UNIT, "5".parse::<Price>().unwrap());
    facts.set(facts::VOLATILITY, units::Vol::new(0.8).unwrap());
    facts.set(facts::TICK, "0.1".parse::<Price>().unwrap());
    facts.set(facts::LOT, "0.0001".parse::<Qty>().unwrap());
    facts.set(facts::MIN_QTY, "0.0001".parse::<Qty>().unwrap());
    facts
}

fn sentences(because: &Because) -> Vec<String> {
    because.steps().iter().map(|step| step.reason.to_string()).collect()
}

const SIZES: [&str; 5] = [
    "[size]\nkind = \"fixed_notional\"\nnotional = \"300 USDT\"\n",
    "[size]\nkind = \"fixed_fraction\"\nfraction = 2.0\n",
    "[size]\nkind = \"risk_per_trade\"\nrisk = \"1%\"\n[stop]\ninitial = \"2N\"\n[unit]\nn = \"atr(20, 1d)\"\n",
    "[size]\nkind = \"volatility_target\"\ntarget = \"40%\"\nvolatility = \"ewma(10d, 1h)\"\n",
    "[size]\nkind = \"volatility_target\"\ntarget = \"40%\"\nvolatility = \"ewma(10d, 1h)\"\nexposure_cap = 0.3\n",
];

/// What is sized on a share of equity is what would be sized on that much equity; an amount of money is what it is.
#[test]
fn a_share_of_equity_sizes_as_that_much_equity() {
    for contract in [Contract::Linear, Contract::Inverse] {
        for (text, signal) in SIZES.iter().flat_map(|text| [(text, 1.0), (text, -0.5)]) {
            let policy = parse(&completed(text)).policy.unwrap();
            for twin in [false, true] {
                let make = if twin { Program::twin } else { Program::compile };
                let program = make(&policy, &policy.instruments[0], &|_| None).unwrap();
                let sized = |equity: &str, share: Option<f64>| {
                    let mut facts = account(contract, equity, "100");
                    facts.set(facts::SIGNAL, ratio(signal));
                    facts.set(facts::SIGNAL_SINCE, facts.now());
                    facts.put(facts::SHARE, share.map(ratio));
                    evaluate(&program.rules, &facts, &mut Because::default()).qty
                };
                let whole = sized("100000", None);
                assert!(!whole.is_zero(), "{text}");
                assert_eq!(sized("100000", Some(1.0)), whole, "{text}");
                let expected = match text.contains("notional") && !twin {
                    true => whole,
                    false => sized("35000", None),
                };
                let difference = sized("100000", Some(0.35)).raw() - expected.raw();
                // A lot of rounding at most, in the direction of less.
                assert!(difference.abs() <= 10_000, "{text} {contract:?} twin {twin}: {difference} apart");
            }
        }
    }
}

#[test]
fn a_plan_says_what_share_was_sized_on() {
    let said = |text: &str| {
        let policy = parse(&completed(text)).policy.unwrap();
        let program = Program::compile(&policy, &policy.instruments[0], &|_| None).unwrap();
        let mut facts = account(Contract::Linear, "100000", "100");
        facts.set(facts::SIGNAL, ratio(1.0));
        facts.set(facts::SIGNAL_SINCE, facts.now());
        facts.set(facts::SHARE, ratio(0.25));
        let mut because = Because::default();
        evaluate(&program.rules, &facts, &mut because);
        sentences(&because)[1].clone()
    };
    assert_eq!(said(SIZES[1]), "2.00 x 25.0 % of equity");
    assert_eq!(said(SIZES[2]), "risks 1.0 % of 25.0 % of equity over 2.00 N of 5");
    assert_eq!(said(SIZES[3]), "target 40.0 % / volatility 80.0 %: 0.50 x 25.0 % of equity");
    assert_eq!(said(SIZES[4]), "target 40.0 % / volatility 80.0 %, at most 0.30 x 25.0 % of equity");
}

/// Capital × multiplier ÷ count, by hand: 60 % × 1.5 over three is 30 % for each.
#[test]
fn capital_is_divided_by_the_count() {
    let allocation = Allocation { over: Over::Declared, multiplier: ratio(1.5), correlation: None, drawdown: None };
    assert_eq!(allocation.share(ratio(0.6), 3).get(), 0.6 * 1.5 / 3.0);
    assert_eq!(Allocation::default().share(ratio(1.0), 1).get(), 1.0);
    // Nobody counts: nobody trades, and nothing is divided by zero.
    assert_eq!(Allocation::default().share(ratio(0.5), 0).get(), 0.5);
}

#[test]
fn what_others_hold_too_much_is_told() {
    let cap = policy::rules::leverage_cap(Limit { limit: ratio(2.0), restore: ratio(1.5) });
    let decide = |others: &str, qty: &str| {
        let mut facts = account(Contract::Linear, "1000", "100");
        facts.set(facts::POSITION, "5".parse::<Qty>().unwrap());
        facts.set(facts::OTHERS, others.parse::<Cash>().unwrap());
        let qty = qty.parse::<Qty>().unwrap();
        let mut because = Because::default();
        because.begin(0, qty);
        let verdict = cap.evaluate(&facts, Target { base: qty, qty }, &mut because);
        because.end(&verdict);
        (verdict.target.qty.to_string(), verdict.outcome, because.is_urgent(), sentences(&because).join("; "))
    };
    let (kept, cut, unmet) = (Outcome::Kept, Outcome::Cut, Outcome::Unmet);
    assert_eq!(decide("1500", "5"), ("5".to_owned(), kept, false, String::new()));
    let said = "leverage 2.10, 1.60 of it in other positions, is over 2.00: back to 1.50";
    assert_eq!(decide("1600", "5"), ("0".to_owned(), cut, true, said.to_owned()));
    // An increase stops at the restore level.
    let said = "leverage would be 2.00, 0.80 of it in other positions, limit 2.00: increases stop at 1.50";
    assert_eq!(decide("800", "12"), ("7".to_owned(), cut, true, said.to_owned()));
    let said = "other positions alone have leverage 2.30, limit 2.00: 0.30 too much with nothing held here";
    assert_eq!(decide("2300", "5"), ("0".to_owned(), unmet, true, said.to_owned()));
    assert_eq!(decide("2300", "0"), ("0".to_owned(), kept, false, String::new()));
}

/// A case for the leverage cap, raw.
#[derive(Debug, Clone)]
struct Case {
    contract: Contract,
    equity: i64,
    price: i64,
    others: i64,
    held: i64,
    qty: i64,
    limit: i32,
    kept: i32,
}

fn cases() -> impl Strategy<Value = Case> {
    let contract = prop_oneof![Just(Contract::Linear), Just(Contract::Inverse)];
    let others = prop_oneof![Just(0), 0..5_000_000i64];
    let quantities = (-50_000..=50_000i64, -50_000..=50_000i64);
    (contract, -100_000..2_000_000i64, 1_000..100_000i64, others, quantities, 20..=500i32, 10..=100i32).prop_map(
        |(contract, equity, price, others, (held, qty), limit, kept)| Case {
            contract,
            equity,
            price,
            others,
            held,
            qty,
            limit,
            kept,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 40_000, ..ProptestConfig::with_cases(4_000) })]

    /// Own and other exposure together stay under the limit, and nothing more is given up than it takes.
    #[test]
    fn leverage_counts_other_positions(case in cases()) {
        let (limit, restore) = (f64::from(case.limit) / 100.0, f64::from(case.limit * case.kept) / 10_000.0);
        let (scale, notional) = (Qty::ONE / 100, Cash::ONE);
        // Coins for an inverse contract, so that both kinds have exposures of the same order.
        let money = if case.contract == Contract::Linear { notional } else { notional / 1_000 };
        let mut facts = account(case.contract, "1", "1");
        facts.set(facts::EQUITY, Cash::from_raw(i128::from(case.equity) * money));
        facts.set(facts::PRICE, Price::from_raw(case.price * (Price::ONE / 100)));
        facts.set(facts::POSITION, Qty::from_raw(case.held * scale));
        let cap = policy::rules::leverage_cap(Limit { limit: ratio(limit), restore: ratio(restore) });
        let qty = Qty::from_raw(case.qty * scale);
        let decide = |facts: &Facts| {
            let mut because = Because::default();
            (cap.evaluate(facts, Target { base: qty, qty }, &mut because), because)
        };
        let alone = decide(&facts).0;
        let others = Cash::from_raw(i128::from(case.others) * money);
        facts.set(facts::OTHERS, others);
        let (verdict, because) = decide(&facts);
        if others.is_zero() {
            prop_assert_eq!(verdict, alone, "none and nothing said are the same");
        }
        let (price, equity) = (case.price as f64 / 100.0, facts.get(facts::EQUITY).unwrap().approximate());
        let exposure = |raw: i64| {
            let qty = raw.abs() as f64 / Qty::ONE as f64;
            others.approximate() + if case.contract == Contract::Linear { qty * price } else { qty / price }
        };
        let left = verdict.target.qty;
        prop_assert!(left.is_zero() || left.signum() == qty.signum());
        prop_assert!(left.abs() <= qty.abs() && alone.target.qty.abs() >= left.abs());
        let increases = case.qty.abs() > case.held.abs() || case.qty.signum() * case.held.signum() <= 0;
        let tolerance = 1e-9 * (1.0 + equity.abs());
        let over = exposure(case.held * scale) - limit * equity;
        prop_assume!(over.abs() > tolerance);
        // What is held over the limit is brought back to the restore level, however little of it is asked for.
        let level = if increases || over > 0.0 { restore } else { limit };
        match verdict.outcome {
            Outcome::Kept => {
                prop_assert_eq!(left, qty);
                prop_assert!(left.is_zero() || exposure(left.raw()) <= level * equity + tolerance);
            }
            Outcome::Cut => {
                prop_assert!(exposure(qty.raw()) > level * equity - tolerance, "was within the limit");
                // Between the two levels what is held stays.
                let held = case.held * scale;
                let stays = increases && left.raw() == held && exposure(held) <= limit * equity + tolerance;
                prop_assert!(left.is_zero() || stays || exposure(left.raw()) <= restore * equity + tolerance);
                let more = left.abs().raw() + 4;
                prop_assert!(equity <= 0.0 || exposure(more) >= restore * equity - tolerance, "gave up too much");
            }
            outcome => {
                prop_assert_eq!(outcome, Outcome::Unmet);
                prop_assert!(left.is_zero() && others.approximate() > limit * equity - tolerance && equity > 0.0);
                prop_assert!(because.is_urgent());
            }
        }
        let beyond = equity > 0.0 && others.approximate() > limit * equity + tolerance;
        prop_assert_eq!(verdict.outcome == Outcome::Unmet, beyond && !qty.is_zero());
    }
}

/// Fifty dollars where a coin costs 50,000: a thousandth of a coin of value, 0.02 of what costs 0.05 coins.
#[test]
fn dust_in_another_currency_is_what_the_engine_translates() {
    let text = "instruments = [\"binance:BTCUSDT-PERP\", \"binance:ETHBTC\", \"binance:BTCUSD-PERP\"]\n\
                [trade]\ndust = \"50 USDT\"\n[guards]\nmax_order = \"2 BTC\"\n";
    let policy = parse(&completed(text)).policy.unwrap();
    let program = |symbol: &str| Program::compile(&policy, symbol, &|_| None).unwrap();
    let asked = |symbol: &str| -> Vec<String> {
        program(symbol).amounts.iter().map(|(_, value, code)| format!("{value} {code}")).collect()
    };
    // What is told in the quote or base currency already needs no translation, nor does a dollar for a dollar.
    assert_eq!(asked("binance:BTCUSDT-PERP"), Vec::<String>::new());
    assert_eq!(asked("binance:BTCUSD-PERP"), Vec::<String>::new());
    assert_eq!(asked("binance:ETHBTC"), ["50 USDT"]);
    let held = |position: &str, dust: Option<&str>| {
        let mut facts = account(Contract::Linear, "1", "0.05");
        facts.set(facts::SIGNAL, ratio(1.0));
        facts.set(facts::SIGNAL_SINCE, facts.now());
        facts.set(facts::POSITION, position.parse::<Qty>().unwrap());
        facts.set(facts::PEAK, "20".parse::<Qty>().unwrap());
        facts.set(facts::BASE, position.parse::<Qty>().unwrap());
        facts.put(facts::DUST, dust.map(|value| value.parse::<Cash>().unwrap()));
        facts.set(facts::LARGEST, "100".parse::<Cash>().unwrap());
        let mut policy = policy.clone();
        policy.size.resize = policy::spec::Resize::Entry;
        let program = Program::compile(&policy, "binance:ETHBTC", &|_| None).unwrap();
        evaluate(&program.rules, &facts, &mut Because::default()).qty.to_string()
    };
    assert_eq!([held("0.0199", Some("0.001")), held("0.0201", Some("0.001"))], ["0", "0.0201"]);
    // Nothing is dust while nothing tells.
    assert_eq!(held("0.0199", None), "0.0199");
}
