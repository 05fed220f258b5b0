//! The delta of an account against what it is worth once the price of a coin is a hundredth higher.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use market::{Account, CashChange, CashReason, Catalogue, Currency, Fill, Instrument, InstrumentKind, Liquidity};
use units::state::{StateReader, StateWriter};
use units::{AccountId, Cash, InstrumentId, Price, Qty, Side};

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn catalogue() -> Catalogue {
    let instrument = |symbol: &str, kind, base: &str, quote: &str, settle: &str| Instrument {
        symbol: symbol.to_owned(),
        kind,
        base: currency(base),
        quote: currency(quote),
        settle: currency(settle),
        tick: Price::from_raw(1),
        lot: Qty::from_raw(1),
        min_qty: Qty::from_raw(1),
    };
    let instruments = vec![
        instrument("v:BTCUSD-PERP", InstrumentKind::InversePerpetual, "BTC", "USD", "BTC"),
        instrument("v:BTCUSDT-PERP", InstrumentKind::LinearPerpetual, "BTC", "USDT", "USDT"),
        instrument("v:BTCUSDT", InstrumentKind::Spot, "BTC", "USDT", "USDT"),
        instrument("v:ETHUSD-PERP", InstrumentKind::InversePerpetual, "ETH", "USD", "ETH"),
        instrument("v:ETHUSDT-PERP", InstrumentKind::LinearPerpetual, "ETH", "USDT", "USDT"),
    ];
    Catalogue { instruments, series: Vec::new() }
}

/// Of 2,000 accounts with random money and trades: equity gains a hundredth of delta × price when the price is a hundredth higher.
#[test]
fn delta_is_what_equity_gains() {
    let catalogue = catalogue();
    let mut seed = 3_u64;
    let mut random = |end: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % end) as i64
    };
    let mut large = 0;
    for _ in 0..2_000 {
        let mut account = Account::new(&catalogue, Some("v"), Some(Currency::USD));
        for code in ["USDT", "BTC", "ETH"] {
            let amount = Cash::from_raw(i128::from(random(1_000)) * Cash::ONE);
            let (account_id, reason) = (AccountId(0), CashReason::Deposit);
            account.change(&CashChange { account: account_id, currency: currency(code), amount, reason });
        }
        let mut prices = [20_000 + random(80_000), 1_000 + random(3_000)].map(|price| price * Price::ONE);
        let base = |index: usize| usize::from(index >= 3);
        for _ in 0..random(12) {
            let index = random(5) as usize;
            let price = Price::from_raw(prices[base(index)] / 100 * (95 + random(10)));
            let lots = if matches!(index, 0 | 3) { 10_000 } else { 1 };
            account.fill(&Fill {
                account: AccountId(0),
                instrument: InstrumentId(index as u32),
                side: if random(2) == 0 { Side::Buy } else { Side::Sell },
                qty: Qty::from_raw((1 + random(30)) * lots * Qty::ONE / 10),
                price,
                reference: price,
                fee: Cash::ZERO,
                liquidity: Liquidity::Taker,
                forced: None,
                execution: 0,
            });
        }
        let mark = |prices: [i64; 2], account: &mut Account| {
            (0..5).for_each(|index| account.set_mark(index, Price::from_raw(prices[base(index)])));
            account.equity()
        };
        let before = mark(prices, &mut account);
        for coin in [0, 1] {
            let price = Price::from_raw(prices[coin]);
            let mut delta = 0.0;
            for index in (0..5).filter(|index| base(*index) == coin) {
                let qty = account.position(index).qty;
                delta += match index {
                    0 | 3 => account.exposure(index).approximate(),
                    _ => qty.approximate(),
                };
            }
            let first = if coin == 0 { 0 } else { 3 };
            let coins = account.collateral(first);
            assert_eq!(coins, account.collateral(first + 1), "the same coin under each of its contracts");
            delta += coins.approximate();
            prices[coin] += prices[coin] / 100;
            let gained = (mark(prices, &mut account) - before).approximate();
            prices[coin] = price.raw();
            mark(prices, &mut account);
            let expected = delta * price.approximate() / 100.0;
            assert!((gained - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{gained} instead of {expected}");
            large += u32::from(gained.abs() > 1_000.0);
        }
        let mut out = StateWriter::new();
        account.save(&mut out);
        let mut loaded = Account::new(&catalogue, Some("v"), Some(Currency::USD));
        loaded.load(&mut StateReader::new(out.as_bytes())).unwrap();
        assert_eq!(loaded.coins().collect::<Vec<_>>(), account.coins().collect::<Vec<_>>());
    }
    assert!(large > 1_000, "{large}");
}

#[test]
fn a_numeraire_and_dollars_are_no_exposure() {
    let catalogue = catalogue();
    let coins = |numeraire: &str| {
        let mut account = Account::new(&catalogue, Some("v"), Some(currency(numeraire)));
        for code in ["USDT", "BTC", "ETH"] {
            let (account_id, amount) = (AccountId(0), Cash::from_raw(Cash::ONE));
            let change =
                CashChange { account: account_id, currency: currency(code), amount, reason: CashReason::Deposit };
            account.change(&change);
        }
        (account.collateral(0).to_string(), account.collateral(3).to_string(), account.coins().count())
    };
    assert_eq!(coins("USD"), ("1".into(), "1".into(), 2));
    assert_eq!(coins("BTC"), ("0".into(), "1".into(), 1));
}
