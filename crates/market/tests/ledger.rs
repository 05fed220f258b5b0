//! Accounts against an independent recomputation with exact fractions (`vectors/ledger.py`).

#![allow(clippy::unwrap_used, reason = "a malformed golden file fails the test")]

use market::{Account, CashChange, CashReason, Currency, Fill, Liquidity};
use serde_json::Value;
use std::str::FromStr;
use units::state::{StateReader, StateWriter};
use units::{AccountId, Cash, Contract, InstrumentId, Price, Qty, Rate};

fn read<T: FromStr<Err: std::fmt::Debug>>(step: &Value, key: &str) -> T {
    step[key].as_str().unwrap().parse().unwrap()
}

fn contracts(case: &Value) -> Vec<Contract> {
    let kind = |kind: &Value| if kind == "inverse" { Contract::Inverse } else { Contract::Linear };
    case["contracts"].as_array().unwrap().iter().map(kind).collect()
}

fn apply(account: &mut Account, step: &Value) {
    let instrument = InstrumentId(step["instrument"].as_u64().unwrap() as u32);
    match step["do"].as_str().unwrap() {
        "fill" => {
            let (qty, price): (Qty, Price) = (read(step, "qty"), read(step, "price"));
            account.fill(&Fill {
                account: AccountId(0),
                instrument,
                side: qty.side().unwrap(),
                qty: qty.abs(),
                price,
                reference: price,
                fee: read(step, "fee"),
                liquidity: Liquidity::Taker,
                forced: None,
                execution: 0,
            });
        }
        "mark" => account.set_mark(instrument.index(), read(step, "price")),
        _ => account.change(&CashChange {
            account: AccountId(0),
            currency: Currency::USD,
            amount: read(step, "amount"),
            reason: CashReason::Funding {
                instrument,
                rate: Rate::ZERO,
                mark: account.mark(instrument.index()),
                position: account.position(instrument.index()).qty,
            },
        }),
    }
}

#[test]
fn equity_is_the_sum_over_all_that_happened() {
    let golden: Value = serde_json::from_str(include_str!("../../../vectors/ledger.json")).unwrap();
    let mut steps = 0;
    for case in golden["cases"].as_array().unwrap() {
        let mut account = Account::of_contracts(contracts(case));
        let amount = read(case, "deposit");
        account.change(&CashChange {
            account: AccountId(0),
            currency: Currency::USD,
            amount,
            reason: CashReason::Deposit,
        });
        for (at, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            apply(&mut account, step);
            let instrument = step["instrument"].as_u64().unwrap() as usize;
            let name = &case["name"];
            assert_eq!(account.position(instrument).qty, read(step, "position"), "{name}, step {at}");
            assert_eq!(account.equity(), read::<Cash>(step, "equity"), "{name}, step {at}");
            steps += 1;
        }
        let mut saved = StateWriter::new();
        account.save(&mut saved);
        let mut restored = Account::of_contracts(contracts(case));
        restored.load(&mut StateReader::new(saved.as_bytes())).unwrap();
        assert_eq!(restored, account, "a snapshot restores what is derived, too");
    }
    assert_eq!(steps, 580);
}

#[test]
fn a_coin_short_of_ones_own_coin_is_a_synthetic_dollar() {
    let mut account = Account::of_contracts([Contract::Inverse]);
    let (price, qty): (Price, Qty) = ("40000".parse().unwrap(), "40000".parse().unwrap());
    account.change(&CashChange {
        account: AccountId(0),
        currency: Currency::USD,
        amount: "1".parse().unwrap(),
        reason: CashReason::Deposit,
    });
    let mut step = serde_json::json!({"instrument": 0, "do": "fill", "qty": "-40000", "price": "40000", "fee": "0"});
    apply(&mut account, &step);
    for mark in ["20000", "50000", "160000"] {
        account.set_mark(0, mark.parse().unwrap());
        let dollars = account.equity().approximate() * mark.parse::<f64>().unwrap();
        assert!((dollars - 40_000.0).abs() < 1e-9, "{mark}: {dollars}");
    }
    assert_eq!(account.position(0).break_even(Contract::Inverse), Some(price));
    step["qty"] = "40000".into();
    apply(&mut account, &step);
    assert_eq!((account.equity().to_string(), account.position(0).qty), ("1".to_owned(), Qty::ZERO));
    assert_eq!(qty.side(), Some(units::Side::Buy));
}

/// Deribit's example, and the harmonic average of two inverse fills.
#[test]
fn the_average_of_an_inverse_position_is_harmonic() {
    let mut account = Account::of_contracts([Contract::Inverse]);
    for price in ["600", "1200"] {
        let step = serde_json::json!({"instrument": 0, "do": "fill", "qty": "1000", "price": price, "fee": "0"});
        apply(&mut account, &step);
    }
    let average = account.position(0).break_even(Contract::Inverse).unwrap();
    assert_eq!(format!("{average:.4}"), "800.0000");
}
