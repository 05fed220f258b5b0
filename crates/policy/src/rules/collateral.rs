//! Coins in the account that are exposure already: collateral of an account that counts in something else.

use super::contract;
use crate::facts::{self, Facts};
use units::{Cash, Contract, Notional, Price, Qty, Ratio, Round};

/// The coins, where there are any.
#[inline]
pub(super) fn coins(facts: &Facts) -> Option<Cash> {
    facts.get(facts::COLLATERAL).filter(|coins| !coins.is_zero())
}

/// As many coins as a signed quantity of a contract on them. `None`: it does not fit, or there is no price.
pub(super) fn as_quantity(contract: Contract, coins: Cash, price: Price, round: Round) -> Option<Qty> {
    match contract {
        Contract::Linear => coins.notional().qty_at(Price::from_raw(Price::ONE), round),
        // As many dollars as the coins are worth.
        Contract::Inverse => contract.qty_for(coins.notional(), price, round),
    }
}

/// What the coins are worth in the settlement currency of a contract on them, as an estimate.
#[inline]
pub(super) fn worth(contract: Contract, coins: Cash, price: Price) -> f64 {
    match contract {
        Contract::Linear => coins.approximate() * price.approximate(),
        Contract::Inverse => coins.approximate(),
    }
}

/// The part of the coins that a strategy's own size counts, as a quantity of its instrument; zero where there are none.
pub(super) fn counted(facts: &Facts) -> Qty {
    let part = |coins| {
        let whole = as_quantity(contract(facts), coins, facts.get(facts::PRICE)?, Round::TowardZero)?;
        match facts.get(facts::COLLATERAL_SHARE).map(Ratio::get) {
            None => Some(whole),
            Some(share) => whole.scaled(share, Round::TowardZero),
        }
    };
    coins(facts).and_then(part).unwrap_or(Qty::ZERO)
}

/// Equity and coins once the price is another: a position that was held meanwhile has earned its profit.
pub(super) fn moved(
    contract: Contract,
    (equity, coins): (Cash, Cash),
    held: Qty,
    (from, to): (Price, Price),
) -> Option<(Cash, Cash)> {
    let earned = contract.profit(held, from, to);
    match contract {
        Contract::Linear => {
            let more = Notional::from_estimate((to - from).approximate() * coins.approximate(), Round::TowardZero)?;
            Some((equity + earned + more.cash(), coins))
        }
        // What of equity is no coin buys less of it at a higher price.
        Contract::Inverse => {
            let rest = (equity - coins).approximate() * from.approximate() / to.approximate();
            let coins = coins + earned;
            Some((coins + Cash::from_estimate(rest, Round::TowardZero)?, coins))
        }
    }
}
