//! How the value of a position follows its price.

use crate::{Cash, Notional, Price, Qty, Round};

/// How the value of a position, in its settlement currency, follows the price of its contract.
///
/// | | quantity counts | value of `qty` at `price` | exact? |
/// | --- | --- | --- | --- |
/// | linear, spot | the underlying | `price × qty` | yes |
/// | inverse | the quote currency (USD) | `−qty ÷ price`, in coin | toward zero at 1e-16 |
///
/// Profit is always the value at the mark less the values at the fills. The value of an inverse long is negative (it owes
/// coin, and owes less as the price rises); its [exposure](Self::exposure) is positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Contract {
    /// Profit in the quote currency; quantity in the underlying. Spot too.
    #[default]
    Linear,
    /// Profit in the underlying coin; quantity in the quote currency.
    Inverse,
}

impl Contract {
    /// The amount whose change is the profit of `qty`. Nothing of an inverse contract at a price of zero.
    #[must_use]
    #[inline]
    pub fn value(self, price: Price, qty: Qty) -> Notional {
        match self {
            Self::Linear => price * qty,
            Self::Inverse => -coins(price, qty),
        }
    }

    /// The value of a position with the position's own sign: what leverage, margin, fees and funding are parts of.
    #[must_use]
    #[inline]
    pub fn exposure(self, price: Price, qty: Qty) -> Notional {
        match self {
            Self::Linear => price * qty,
            Self::Inverse => coins(price, qty),
        }
    }

    /// The exposure as an estimate, with no wide division.
    #[must_use]
    #[inline]
    pub fn approximate_exposure(self, price: Price, qty: Qty) -> f64 {
        match self {
            Self::Linear => price.approximate() * qty.approximate(),
            Self::Inverse if price.is_zero() => 0.0,
            Self::Inverse => qty.approximate() / price.approximate(),
        }
    }

    /// The profit of `qty` from one price to another.
    #[must_use]
    #[inline]
    pub fn profit(self, qty: Qty, from: Price, to: Price) -> Cash {
        match self {
            Self::Linear => ((to - from) * qty).cash(),
            Self::Inverse => (coins(from, qty) - coins(to, qty)).cash(),
        }
    }

    /// The quantity whose exposure is this value, rounded as asked. `None` at a zero price, or if it does not fit.
    #[must_use]
    #[inline]
    pub fn qty_for(self, value: Notional, price: Price, round: Round) -> Option<Qty> {
        match self {
            Self::Linear => value.qty_at(price, round),
            Self::Inverse => value.times_price(price, round),
        }
    }
}

/// `qty ÷ price` toward zero at 1e-16: i64 × 1e16 always fits.
fn coins(price: Price, qty: Qty) -> Notional {
    const SHIFT: i128 = 10_i128.pow(Notional::SCALE);
    match price.raw() {
        0 => Notional::ZERO,
        price => Notional::from_raw(i128::from(qty.raw()) * SHIFT / i128::from(price)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qty(text: &str) -> Qty {
        text.parse().unwrap()
    }

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    /// Deribit's published example: 1,000 USD long from 600 to 700 earns 0.238095 BTC.
    #[test]
    fn an_inverse_long_earns_coin() {
        let profit = Contract::Inverse.profit(qty("1000"), price("600"), price("700"));
        assert_eq!(profit.to_string(), "0.2380952380952381");
        assert_eq!(Contract::Inverse.profit(qty("-1000"), price("600"), price("700")), -profit);
        assert_eq!(Contract::Inverse.exposure(price("500"), qty("1000")).to_string(), "2");
        assert_eq!(Contract::Inverse.value(price("500"), qty("1000")).to_string(), "-2");
        assert_eq!(Contract::Inverse.value(Price::ZERO, qty("1000")), Notional::ZERO);
    }

    #[test]
    fn division_is_toward_zero_on_both_sides() {
        assert_eq!(Contract::Inverse.exposure(price("3"), qty("1")).to_string(), "0.3333333333333333");
        assert_eq!(Contract::Inverse.exposure(price("3"), qty("-1")).to_string(), "-0.3333333333333333");
        assert_eq!(
            Contract::Inverse.exposure(Price::from_raw(1), Qty::MAX).raw(),
            i128::from(i64::MAX) * 10_i128.pow(16)
        );
    }

    #[test]
    fn a_quantity_is_found_from_its_exposure() {
        let coin: Notional = "2.5".parse().unwrap();
        assert_eq!(Contract::Inverse.qty_for(coin, price("40000.1"), Round::TowardZero), Some(qty("100000.25")));
        assert_eq!(Contract::Linear.qty_for(coin, price("0.5"), Round::TowardZero), Some(qty("5")));
        assert_eq!(Contract::Linear.qty_for(coin, Price::ZERO, Round::TowardZero), None);
        assert_eq!(Contract::Inverse.qty_for(coin, Price::ZERO, Round::TowardZero), None);
        assert_eq!(Contract::Inverse.qty_for(Notional::MAX, Price::MAX, Round::TowardZero), None);
        let third: Notional = "0.3333333333333333".parse().unwrap();
        assert_eq!(Contract::Inverse.qty_for(third, price("3"), Round::TowardZero), Some(qty("0.99999999")));
        assert_eq!(Contract::Inverse.qty_for(third, price("3"), Round::AwayFromZero), Some(qty("1")));
    }
}
