//! What stands behind the positions: its worth after haircuts and after a depeg, and how much of it hangs on one venue or one stablecoin.

use crate::scenario::Scenario;
use market::{Currency, is_dollar};
use std::collections::BTreeMap;
use std::fmt;
use units::{AccountId, Cash};

/// An amount of a currency at a venue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Balance {
    /// Where it lies.
    pub venue: AccountId,
    /// Of what.
    pub currency: Currency,
    /// How much; debt is negative.
    pub amount: Cash,
    /// In USD.
    pub price: f64,
    /// What the venue leaves out of it: 0.05 counts 95 %.
    pub haircut: f64,
}

/// A balance that cannot be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CollateralError {
    /// A price that is not above zero or not finite.
    Price(Currency, f64),
    /// A haircut that is not between 0 and 1.
    Haircut(Currency, f64),
    /// A move that takes a price to zero or under, or is not finite.
    Move(Currency, f64),
}

impl fmt::Display for CollateralError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Price(currency, price) => write!(f, "{currency} at {price} USD; a price is finite and above 0"),
            Self::Haircut(currency, haircut) => {
                write!(
                    f,
                    "a haircut of {haircut} on {currency}; it must lie between 0 (all counts) and 1 (nothing does)"
                )
            }
            Self::Move(currency, by) => write!(f, "{currency} moves by {by}; it must be finite and above -1"),
        }
    }
}

impl std::error::Error for CollateralError {}

/// What collateral is worth, in USD.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CollateralValue {
    /// At the market, debts taken off.
    pub market: f64,
    /// As the venues count it: what is held less its haircut, debts in full.
    pub counted: f64,
}

/// How far something is spread.
#[derive(Debug, Clone, PartialEq)]
pub struct Concentration<K> {
    /// The parts and their shares, the largest first, equals in their own order.
    pub shares: Vec<(K, f64)>,
    /// Sum of the squared shares (Herfindahl): 1 if all is in one, 1 ÷ n if it is spread evenly over n.
    pub herfindahl: f64,
}

impl<K: Copy> Concentration<K> {
    /// The largest part and its share.
    #[must_use]
    pub fn largest(&self) -> Option<(K, f64)> {
        self.shares.first().copied()
    }

    /// As many equal parts are spread as widely: 1 ÷ Herfindahl.
    #[must_use]
    pub fn effective_number(&self) -> f64 {
        1.0 / self.herfindahl
    }
}

/// Balances of all venues.
///
/// ```
/// use risk::collateral::{Balance, Collateral};
/// use units::AccountId;
/// let balance = |venue, code: &str, amount: &str, price, haircut| Balance {
///     venue: AccountId(venue),
///     currency: code.parse().unwrap(),
///     amount: amount.parse().unwrap(),
///     price,
///     haircut,
/// };
/// let collateral = Collateral::new(vec![balance(0, "USDT", "6000", 1.0, 0.0), balance(1, "BTC", "0.04", 100_000.0, 0.05)])?;
/// assert_eq!((collateral.value().market, collateral.value().counted), (10_000.0, 9_800.0));
/// assert_eq!(collateral.by_venue().unwrap().largest(), Some((AccountId(0), 0.6)));
/// # Ok::<(), risk::collateral::CollateralError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Collateral {
    balances: Vec<Balance>,
}

impl Collateral {
    /// Checks every balance.
    ///
    /// # Errors
    ///
    /// The first price or haircut that cannot be.
    pub fn new(balances: Vec<Balance>) -> Result<Self, CollateralError> {
        for Balance { currency, price, haircut, .. } in &balances {
            if !(price.is_finite() && *price > 0.0) {
                return Err(CollateralError::Price(*currency, *price));
            }
            if !(0.0..=1.0).contains(haircut) {
                return Err(CollateralError::Haircut(*currency, *haircut));
            }
        }
        Ok(Self { balances })
    }

    /// What it is worth.
    #[must_use]
    pub fn value(&self) -> CollateralValue {
        let mut value = CollateralValue::default();
        for balance in &self.balances {
            let worth = worth(balance);
            value.market += worth;
            value.counted += if worth > 0.0 { worth * (1.0 - balance.haircut) } else { worth };
        }
        value
    }

    /// The same balances after their currencies moved, by shares of their prices; those that are not named stay.
    ///
    /// # Errors
    ///
    /// A move of −1 or less, or one that is not finite.
    pub fn after(&self, moves: &[(Currency, f64)]) -> Result<Self, CollateralError> {
        if let Some((currency, by)) = moves.iter().find(|(_, by)| !(by.is_finite() && *by > -1.0)) {
            return Err(CollateralError::Move(*currency, *by));
        }
        let by = |currency| moves.iter().find(|(named, _)| *named == currency).map_or(0.0, |(_, by)| *by);
        let moved = |balance: &Balance| Balance { price: balance.price * (1.0 + by(balance.currency)), ..*balance };
        Self::new(self.balances.iter().map(moved).collect())
    }

    /// The same balances after the pegs of a scenario, such as a named stress, have moved.
    ///
    /// # Errors
    ///
    /// As [`Self::after`].
    pub fn after_pegs(&self, scenario: &Scenario) -> Result<Self, CollateralError> {
        self.after(&scenario.dollars)
    }

    /// By venue, of what each holds net of its debts. `None` if no venue holds anything.
    #[must_use]
    pub fn by_venue(&self) -> Option<Concentration<AccountId>> {
        concentration(self.balances.iter().map(|balance| (balance.venue, worth(balance))))
    }

    /// By stablecoin, over all venues, net of debts; USD itself is no stablecoin. `named` are stablecoins that
    /// [`is_dollar`] does not know. `None` if there are none.
    #[must_use]
    pub fn by_stablecoin(&self, named: &[Currency]) -> Option<Concentration<Currency>> {
        let stable =
            |currency: Currency| currency != Currency::USD && (is_dollar(currency) || named.contains(&currency));
        let balances = self.balances.iter().filter(|balance| stable(balance.currency));
        concentration(balances.map(|balance| (balance.currency, worth(balance))))
    }

    /// What of all that is held is in stablecoins, as a share. `None` if nothing is held.
    #[must_use]
    pub fn stablecoin_share(&self, named: &[Currency]) -> Option<f64> {
        let all = concentration(self.balances.iter().map(|balance| (balance.currency, worth(balance))))?;
        let stable =
            |currency: Currency| currency != Currency::USD && (is_dollar(currency) || named.contains(&currency));
        Some(all.shares.iter().filter(|(currency, _)| stable(*currency)).map(|(_, share)| share).sum())
    }
}

fn worth(balance: &Balance) -> f64 {
    balance.amount.approximate() * balance.price
}

/// Shares of what is above zero once the amounts of each key are added up. `None` if nothing is.
pub fn concentration<K: Ord + Copy>(amounts: impl IntoIterator<Item = (K, f64)>) -> Option<Concentration<K>> {
    let mut sums = BTreeMap::<K, f64>::new();
    for (key, amount) in amounts {
        *sums.entry(key).or_default() += amount;
    }
    let mut shares: Vec<(K, f64)> = sums.into_iter().filter(|(_, sum)| *sum > 0.0).collect();
    let total: f64 = shares.iter().map(|(_, sum)| sum).sum();
    if !(total > 0.0 && total.is_finite()) {
        return None;
    }
    shares.iter_mut().for_each(|(_, share)| *share /= total);
    // A stable sort: equals keep the order of their keys.
    shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let herfindahl = shares.iter().map(|(_, share)| share * share).sum();
    Some(Concentration { shares, herfindahl })
}
