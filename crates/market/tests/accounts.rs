//! Accounts of several currencies against an independent recomputation with exact fractions (`vectors/accounts.py`): spot,
//! conversions, transfers, and every translation into the numéraire, up to a million millions.

#![allow(clippy::unwrap_used, reason = "a malformed golden file fails the test")]

use market::{
    Account, CashChange, CashReason, Catalogue, Currency, Fill, Instrument, InstrumentKind, Liquidity, Position,
};
use serde_json::Value;
use std::str::FromStr;
use units::state::{StateReader, StateWriter};
use units::{AccountId, Cash, InstrumentId, Price, Qty, Rate};

fn read<T: FromStr<Err: std::fmt::Debug>>(step: &Value, key: &str) -> T {
    step[key].as_str().unwrap().parse().unwrap()
}

fn catalogue(case: &Value) -> Catalogue {
    let instrument = |known: &Value| Instrument {
        symbol: "v:X".to_owned(),
        kind: match known["kind"].as_str().unwrap() {
            "spot" => InstrumentKind::Spot,
            "linear" => InstrumentKind::LinearPerpetual,
            _ => InstrumentKind::InversePerpetual,
        },
        base: read(known, "base"),
        quote: read(known, "quote"),
        settle: read(known, "settle"),
        tick: Price::from_raw(1),
        lot: Qty::from_raw(1),
        min_qty: Qty::from_raw(1),
    };
    let instruments = case["instruments"].as_array().unwrap().iter().map(instrument).collect();
    Catalogue { instruments, series: Vec::new() }
}

fn apply(account: &mut Account, step: &Value) {
    let instrument = InstrumentId(step["instrument"].as_u64().unwrap_or(0) as u32);
    let reason = match step["do"].as_str().unwrap() {
        "fill" => {
            let (qty, price): (Qty, Price) = (read(step, "qty"), read(step, "price"));
            return account.fill(&Fill {
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
        "mark" => return account.set_mark(instrument.index(), read(step, "price")),
        "deposit" => CashReason::Deposit,
        "withdrawal" => CashReason::Withdrawal,
        "transfer" => CashReason::Transfer { other: AccountId(1) },
        "conversion" => CashReason::Conversion { other: read(step, "other") },
        _ => {
            let Position { qty: position, .. } = account.position(instrument.index());
            CashReason::Funding { instrument, rate: Rate::ZERO, mark: account.mark(instrument.index()), position }
        }
    };
    let (currency, amount) = (read(step, "currency"), read(step, "amount"));
    account.change(&CashChange { account: AccountId(0), currency, amount, reason });
}

#[test]
fn each_currency_and_the_whole_are_the_sums_over_all_that_happened() {
    let golden: Value = serde_json::from_str(include_str!("../../../vectors/accounts.json")).unwrap();
    let (mut steps, mut most) = (0, Cash::ZERO);
    for case in golden["cases"].as_array().unwrap() {
        let (catalogue, numeraire) = (catalogue(case), read(case, "numeraire"));
        let mut account = Account::new(&catalogue, None, Some(numeraire));
        for (at, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            apply(&mut account, step);
            let place = format!("{}, step {at}: {step}", case["name"]);
            for (index, held) in step["positions"].as_array().unwrap().iter().enumerate() {
                assert_eq!(account.position(index).qty.to_string(), held.as_str().unwrap(), "{place}");
            }
            for (code, equity) in step["equities"].as_object().unwrap() {
                let currency: Currency = code.parse().unwrap();
                let found = account.balance(currency).unwrap().equity();
                assert_eq!(found.to_string(), equity.as_str().unwrap(), "{code} in {place}");
                most = most.max(found.abs());
            }
            assert_eq!(account.equity(), read::<Cash>(step, "total"), "{place}");
            steps += 1;
            // From a snapshot as well as from the beginning.
            let mut saved = StateWriter::new();
            account.save(&mut saved);
            let mut restored = Account::new(&catalogue, None, Some(numeraire));
            restored.load(&mut StateReader::new(saved.as_bytes())).unwrap();
            assert_eq!(restored, account, "{place}");
        }
    }
    assert!(steps > 200 && most > "1000000000000".parse().unwrap(), "{steps} steps, up to {most}");
}
