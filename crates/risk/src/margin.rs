//! Margin of an account, each position by its own table at its own mark. Collateral is per settlement currency: the balance
//! of a currency bears the positions that settle in it, and no others.

use crate::{Size, TierTable};
use market::{Account, Currency};
use units::{Cash, Contract, Price, Qty, Rate, Round};

/// Σ initial margin, at their marks, of the positions that settle in the same currency as the instrument at this index;
/// `tables` by instrument index.
#[must_use]
pub fn initial_margin(account: &Account, tables: &[TierTable], instrument: usize) -> Cash {
    each(account, tables, instrument).map(|(index, size)| tables[index].initial_margin(size)).sum()
}

/// Σ maintenance margin of the same positions.
#[must_use]
pub fn maintenance_margin(account: &Account, tables: &[TierTable], instrument: usize) -> Cash {
    each(account, tables, instrument).map(|(index, size)| tables[index].maintenance_margin(size)).sum()
}

/// Σ maintenance margin of the same positions but the instrument's own.
#[must_use]
pub fn maintenance_beside(account: &Account, tables: &[TierTable], instrument: usize) -> Cash {
    let others = each(account, tables, instrument).filter(|(index, _)| *index != instrument);
    others.map(|(index, size)| tables[index].maintenance_margin(size)).sum()
}

/// Margin of a signed quantity of an option by a flat rate, beside what it is worth: the whole value of what is bought, a share of what its
/// units stand for (`unit`: one coin, or the underlying's price) of what is sold. Nobody's real rule; for runs that assume one.
#[must_use]
pub fn flat_option_margin(qty: Qty, mark: Price, unit: Price, rate: Rate) -> Cash {
    if qty > Qty::ZERO {
        return Contract::Linear.exposure(mark, qty).cash();
    }
    let share = Contract::Linear.exposure(unit, qty.abs()).at_rate(rate, Round::AwayFromZero);
    share.expect("a rate of at most one never leaves the range")
}

/// What of a currency may be taken out, exchanged or spent: cash, less losses that are not realised yet, less initial margin.
/// Negative if there is less than that margin. Profit that is not realised is not free.
#[must_use]
pub fn free(account: &Account, tables: &[TierTable], currency: Currency) -> Cash {
    let Some(balance) = account.balance(currency) else { return Cash::ZERO };
    let margined = (0..tables.len()).find(|index| account.settlement(*index).currency == currency);
    let margin = margined.map_or(Cash::ZERO, |index| initial_margin(account, tables, index));
    balance.cash.min(balance.equity()) - margin
}

/// The positions that are margined with an instrument.
fn each<'a>(
    account: &'a Account,
    tables: &[TierTable],
    instrument: usize,
) -> impl Iterator<Item = (usize, Size)> + use<'a> {
    let open =
        account.margined_with(instrument).take(tables.len()).enumerate().filter(|(_, exposure)| !exposure.is_zero());
    open.map(|(index, exposure)| (index, Size::of(account.contract(index), account.position(index).qty, exposure)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{CashChange, CashReason, Catalogue, Fill, Instrument, InstrumentKind, Liquidity};
    use units::{AccountId, InstrumentId, Side};

    /// BTC in the balance bears the inverse contract, USDT the linear one; a loss lowers what is free, a profit does not raise it.
    #[test]
    fn each_currency_bears_its_own_positions() {
        let instrument = |symbol: &str, kind, settle: &str| Instrument {
            symbol: symbol.into(),
            kind,
            base: "BTC".parse().unwrap(),
            quote: "USDT".parse().unwrap(),
            settle: settle.parse().unwrap(),
            tick: "0.1".parse().unwrap(),
            lot: "0.001".parse().unwrap(),
            min_qty: "0.001".parse().unwrap(),
        };
        let instruments = vec![
            instrument("v:L", InstrumentKind::LinearPerpetual, "USDT"),
            instrument("v:I", InstrumentKind::InversePerpetual, "BTC"),
            instrument("v:S", InstrumentKind::Spot, "USDT"),
        ];
        let catalogue = Catalogue { instruments, series: vec![] };
        let tables = vec![TierTable::generic(); 3];
        let mut account = Account::new(&catalogue, None, None);
        for (currency, amount) in [("USDT", "1000"), ("BTC", "10")] {
            let (currency, amount) = (currency.parse().unwrap(), amount.parse().unwrap());
            account.change(&CashChange { account: AccountId(0), currency, amount, reason: CashReason::Deposit });
        }
        for (index, qty) in [(0, "10"), (1, "2000"), (2, "1")] {
            let price = "100".parse().unwrap();
            account.fill(&Fill {
                account: AccountId(0),
                instrument: InstrumentId(index),
                side: Side::Buy,
                qty: qty.parse().unwrap(),
                price,
                reference: price,
                fee: Cash::ZERO,
                liquidity: Liquidity::Taker,
                forced: None,
                execution: 1,
            });
        }
        let free = |account: &Account, code: &str| free(account, &tables, code.parse().unwrap()).to_string();
        // 1,000 of notional at 20x is 50; the spot coin cost 100. 20 coins of notional at 20x are 1; 10 + 1 coins are there.
        assert_eq!((initial_margin(&account, &tables, 0), initial_margin(&account, &tables, 2)), {
            let margin = "50".parse().unwrap();
            (margin, margin)
        });
        assert_eq!([free(&account, "USDT"), free(&account, "BTC"), free(&account, "ETH")], ["850", "10", "0"]);
        account.set_mark(0, "110".parse().unwrap());
        assert_eq!(free(&account, "USDT"), "845", "margin of 1,100 rises, the profit of 100 is not free");
        account.set_mark(0, "90".parse().unwrap());
        assert_eq!(free(&account, "USDT"), "755", "900 less the loss of 100 less 45");
    }
}
