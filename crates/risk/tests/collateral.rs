//! Collateral after haircuts and depegs, and its concentration, against sums by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use market::Currency;
use risk::collateral::{Balance, Collateral, CollateralError, CollateralValue, concentration};
use risk::scenario::NamedStress;
use units::AccountId;

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn balance(venue: u32, code: &str, amount: &str, price: f64, haircut: f64) -> Balance {
    Balance { venue: AccountId(venue), currency: currency(code), amount: amount.parse().unwrap(), price, haircut }
}

fn collateral() -> Collateral {
    Collateral::new(vec![
        balance(0, "USDT", "50000", 1.0, 0.0),
        balance(0, "BTC", "0.5", 60_000.0, 0.1),
        balance(1, "USDC", "20000", 1.0, 0.02),
        balance(1, "USD", "-5000", 1.0, 0.02),
        balance(2, "UST", "5000", 1.0, 0.5),
    ])
    .unwrap()
}

#[test]
fn haircuts_take_from_what_is_held_and_not_from_debts() {
    let value = collateral().value();
    assert_eq!(
        value,
        CollateralValue { market: 100_000.0, counted: 50_000.0 + 27_000.0 + 19_600.0 - 5_000.0 + 2_500.0 }
    );
}

#[test]
fn a_depeg_moves_what_it_names() {
    let stress = NamedStress::named("2022-05-12").unwrap();
    let after = collateral().after_pegs(&stress.scenario).unwrap().value();
    // USDT −5 %, UST −83 %, counted by half.
    assert!((after.market - (100_000.0 - 2_500.0 - 4_150.0)).abs() < 1e-9, "{after:?}");
    assert!((after.counted - (94_100.0 - 2_500.0 - 2_075.0)).abs() < 1e-9, "{after:?}");
    let moved = collateral().after(&[(currency("BTC"), -0.5), (currency("SOL"), -0.9)]).unwrap().value();
    assert!((moved.market - 85_000.0).abs() < 1e-9 && (moved.counted - 80_600.0).abs() < 1e-9, "{moved:?}");
    // Debt in what falls is worth less to who is owed.
    let debt = Collateral::new(vec![balance(0, "USDT", "-100", 1.0, 0.3)]).unwrap();
    assert_eq!(debt.after(&[(currency("USDT"), -0.1)]).unwrap().value().counted, -90.0);
    let error = collateral().after(&[(currency("USDT"), -1.0)]).unwrap_err();
    assert_eq!(error, CollateralError::Move(currency("USDT"), -1.0));
}

#[test]
fn concentration_by_venue_and_by_stablecoin() {
    let by_venue = collateral().by_venue().unwrap();
    assert_eq!(by_venue.shares, [(AccountId(0), 0.8), (AccountId(1), 0.15), (AccountId(2), 0.05)]);
    assert!((by_venue.herfindahl - (0.64 + 0.0225 + 0.0025)).abs() < 1e-15);
    assert!((by_venue.effective_number() - 1.0 / 0.665).abs() < 1e-12);
    let known = collateral().by_stablecoin(&[]).unwrap();
    assert_eq!(known.largest(), Some((currency("USDT"), 50.0 / 70.0)));
    let all = collateral().by_stablecoin(&[currency("UST")]).unwrap();
    assert_eq!(all.shares.len(), 3);
    assert!((all.shares[2].1 - 5.0 / 75.0).abs() < 1e-15);
    assert!((collateral().stablecoin_share(&[currency("UST")]).unwrap() - 75.0 / 105.0).abs() < 1e-15);
    // Even over four: a quarter, four in effect; equals in their order.
    let even = concentration([4, 2, 1, 3].map(|key| (key, 7.0))).unwrap();
    assert_eq!((even.herfindahl, even.effective_number(), even.largest()), (0.25, 4.0, Some((1, 0.25))));
    assert_eq!(concentration([(1, -5.0), (2, 0.0)]), None);
    assert_eq!(concentration::<u32>([]), None);
}

#[test]
fn balances_that_cannot_be_are_refused() {
    let refuse = |price, haircut| Collateral::new(vec![balance(0, "BTC", "1", price, haircut)]).unwrap_err();
    assert_eq!(refuse(0.0, 0.0), CollateralError::Price(currency("BTC"), 0.0));
    assert!(matches!(refuse(f64::NAN, 0.0), CollateralError::Price(..)));
    assert_eq!(refuse(1.0, 1.1), CollateralError::Haircut(currency("BTC"), 1.1));
    assert_eq!(
        refuse(1.0, -0.1).to_string(),
        "a haircut of -0.1 on BTC; it must lie between 0 (all counts) and 1 (nothing does)"
    );
}
