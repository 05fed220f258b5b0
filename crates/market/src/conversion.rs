//! What one unit of a currency is worth in another: the mark of an instrument between them, or par.

use crate::{Catalogue, Currency, InstrumentKind};
use units::{Cash, Price};

/// How an amount of one currency becomes an amount of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// It is the same currency.
    Same,
    /// Both are dollars of some kind and no instrument tells one in the other: taken at par.
    Par,
    /// Times the mark of the instrument at this index.
    Times(usize),
    /// Divided by the mark of the instrument at this index.
    Over(usize),
    /// Nothing tells.
    Unknown,
}

/// Currencies taken at par with the dollar where no instrument says otherwise.
const DOLLARS: [&str; 9] = ["USD", "USDT", "USDC", "USDE", "FDUSD", "BUSD", "TUSD", "DAI", "USDG"];

/// Whether a currency is a dollar or a stablecoin of it.
#[must_use]
pub fn is_dollar(currency: Currency) -> bool {
    DOLLARS.contains(&currency.as_str())
}

impl Conversion {
    /// The way from one currency to another over the instruments of a catalogue.
    #[must_use]
    pub fn between(from: Currency, to: Currency, catalogue: &Catalogue) -> Self {
        let pair = |of: &crate::Instrument| (of.priced(), of.quote, of.kind == InstrumentKind::Spot);
        Self::find(from, to, &catalogue.instruments.iter().map(pair).collect::<Vec<_>>())
    }

    /// The way from one currency to another over the pairs of a catalogue: base, quote, and whether it is spot. An exact pair
    /// before one against another dollar; spot before derivatives; the first listed of equals.
    pub(crate) fn find(from: Currency, to: Currency, pairs: &[(Currency, Currency, bool)]) -> Self {
        if from == to {
            return Self::Same;
        }
        let alike = |a: Currency, b: Currency, exact: bool| a == b || (!exact && is_dollar(a) && is_dollar(b));
        for exact in [true, false] {
            if !exact && is_dollar(from) && is_dollar(to) {
                return Self::Par;
            }
            let forward = |(base, quote): (Currency, Currency)| base == from && alike(quote, to, exact);
            let backward = |(base, quote): (Currency, Currency)| base == to && alike(quote, from, exact);
            for spot in [true, false] {
                let find = |fits: &dyn Fn((Currency, Currency)) -> bool| {
                    pairs.iter().position(|(base, quote, is_spot)| *is_spot == spot && fits((*base, *quote)))
                };
                if let Some(at) = find(&forward) {
                    return Self::Times(at);
                }
                if let Some(at) = find(&backward) {
                    return Self::Over(at);
                }
            }
        }
        Self::Unknown
    }

    /// The instrument whose mark it reads.
    #[must_use]
    pub fn instrument(self) -> Option<usize> {
        match self {
            Self::Times(instrument) | Self::Over(instrument) => Some(instrument),
            Self::Same | Self::Par | Self::Unknown => None,
        }
    }

    /// An amount translated at a mark, toward zero at 1e-16. `None` while there is no mark.
    #[must_use]
    pub fn forward(self, amount: Cash, mark: Option<Price>) -> Option<Cash> {
        match self {
            Self::Same | Self::Par => Some(amount),
            Self::Times(_) => times(amount, mark?),
            Self::Over(_) => over(amount, mark?),
            Self::Unknown => None,
        }
    }

    /// The way back.
    pub(crate) fn back(self, amount: Cash, mark: Option<Price>) -> Option<Cash> {
        match self {
            Self::Same | Self::Par => Some(amount),
            Self::Times(_) => over(amount, mark?),
            Self::Over(_) => times(amount, mark?),
            Self::Unknown => None,
        }
    }
}

/// Whole ones and the rest apart, so that nothing wider than the amount is needed; both truncate toward zero.
fn times(amount: Cash, price: Price) -> Option<Cash> {
    let (amount, one, price) = (amount.raw(), i128::from(Price::ONE), i128::from(price.raw()));
    let whole = (amount / one).checked_mul(price)?;
    (price != 0).then(|| Cash::from_raw(whole + (amount % one) * price / one))
}

fn over(amount: Cash, price: Price) -> Option<Cash> {
    let (amount, one, price) = (amount.raw(), i128::from(Price::ONE), i128::from(price.raw()));
    let whole = amount.checked_div(price)?.checked_mul(one)?;
    Some(Cash::from_raw(whole + (amount % price) * one / price))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn the_nearest_way_is_found() {
        let pair = |base, quote, spot| (currency(base), currency(quote), spot);
        let pairs = [
            pair("BTC", "USDT", false),
            pair("BTC", "USDT", true),
            pair("ETH", "BTC", true),
            pair("BTC", "USD", false),
            pair("USDT", "USD", true),
        ];
        let find = |from, to| Conversion::find(currency(from), currency(to), &pairs);
        assert_eq!(find("BTC", "BTC"), Conversion::Same);
        assert_eq!(find("BTC", "USDT"), Conversion::Times(1), "spot before the perpetual");
        assert_eq!(find("BTC", "USD"), Conversion::Times(3), "the exact quote before another dollar");
        assert_eq!(find("BTC", "USDC"), Conversion::Times(1), "another dollar");
        assert_eq!(find("USDT", "BTC"), Conversion::Over(1));
        assert_eq!(find("ETH", "BTC"), Conversion::Times(2));
        assert_eq!(find("USDT", "USD"), Conversion::Times(4), "a recorded pair before par");
        assert_eq!(find("USDC", "USD"), Conversion::Par);
        assert_eq!(find("SOL", "USD"), Conversion::Unknown);
    }

    #[test]
    fn amounts_of_a_trillion_do_not_overflow() {
        let amount: Cash = "-1000000000000.0000000000000001".parse().unwrap();
        let price: Price = "120000.5".parse().unwrap();
        // −1e12 × 120000.5, and 1e-16 × 120000.5 cut at 1e-16.
        assert_eq!(times(amount, price).unwrap().to_string(), "-120000500000000000.000000000012");
        assert_eq!(over("-120000500000000000".parse().unwrap(), price).unwrap().to_string(), "-1000000000000");
        assert_eq!((times(amount, Price::ZERO), over(amount, Price::ZERO)), (None, None));
    }
}
