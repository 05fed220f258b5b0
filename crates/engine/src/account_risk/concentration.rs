//! How much of all that accounts hold lies in one place.

use super::{AccountRisk, RiskRefusal};
use crate::engine::Engine;
use market::is_dollar;
use policy::Concentrated;
use risk::collateral::{self, Collateral};
use risk::venues::Absent;
use units::{AccountId, Price};

impl AccountRisk {
    /// The part of what all accounts hold, profit included, that lies at one venue or in one stablecoin, at most.
    pub(super) fn concentration(&self, engine: &Engine, of: Concentrated) -> Result<f64, RiskRefusal> {
        let mut balances = Vec::new();
        for (at, book) in engine.books.iter().enumerate() {
            for balance in book.account.balances().iter().filter(|balance| !balance.equity().is_zero()) {
                let (venue, currency, amount) = (AccountId(at as u32), balance.currency, balance.equity());
                let price = self.coin(currency).and_then(|coin| coin.price(engine)).map(Price::approximate);
                let price = price.or(is_dollar(currency).then_some(1.0)).ok_or(RiskRefusal::NoPrice(currency))?;
                balances.push(collateral::Balance { venue, currency, amount, price, haircut: 0.0 });
            }
        }
        let held = Collateral::new(balances).map_err(|_| RiskRefusal::Absent(Absent::NotFinite))?;
        let share = held.stablecoin_share(&[]).ok_or(RiskRefusal::Absent(Absent::NoEquity))?;
        match of {
            Concentrated::Venue => {
                let largest = held.by_venue().and_then(|venues| Some(venues.largest()?.1));
                largest.ok_or(RiskRefusal::Absent(Absent::NoEquity))
            }
            Concentrated::Stablecoin => {
                let largest = held.by_stablecoin(&[]).and_then(|coins| Some(coins.largest()?.1));
                Ok(largest.map_or(0.0, |largest| largest * share))
            }
        }
    }
}
