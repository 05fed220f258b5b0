//! What is quoted for an option at one moment.

use std::fmt;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{InstrumentId, Price, Qty};

/// What is quoted for an option: best bid and ask with their sizes, the venue's mark, the forward that it is priced on, and the
/// open interest; each where it is known. It replaces what was quoted before: a side that it leaves out is no longer quoted.
///
/// ```
/// use market::OptionQuote;
/// use units::{InstrumentId, Price, Qty};
///
/// let price = |text: &str| text.parse::<Price>().unwrap();
/// let quote = OptionQuote::empty(InstrumentId(3)).with_bid(price("0.0105"), None).with_underlying(price("97000.5"));
/// assert_eq!((quote.bid(), quote.bid_qty(), quote.ask()), (Some(price("0.0105")), None, None));
/// assert_eq!(quote.with_mark(Price::ZERO).mark(), Some(Price::ZERO));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OptionQuote {
    /// Of which option.
    pub instrument: InstrumentId,
    bid: Price,
    ask: Price,
    mark: Price,
    underlying: Price,
    bid_qty: Qty,
    ask_qty: Qty,
    open_interest: Qty,
}

// A quote must not make every event larger: with an `Option` for each field it would be half as large again.
const _: () = assert!(size_of::<OptionQuote>() <= size_of::<crate::Bar>());

/// Stands for "not told": no price or amount of an option is below zero.
const NO_PRICE: Price = Price::from_raw(i64::MIN);
const NO_QTY: Qty = Qty::from_raw(i64::MIN);

fn price(kept: Price) -> Option<Price> {
    (kept != NO_PRICE).then_some(kept)
}

fn qty(kept: Qty) -> Option<Qty> {
    (kept != NO_QTY).then_some(kept)
}

impl OptionQuote {
    /// Nothing is quoted.
    #[must_use]
    pub const fn empty(instrument: InstrumentId) -> Self {
        Self {
            instrument,
            bid: NO_PRICE,
            ask: NO_PRICE,
            mark: NO_PRICE,
            underlying: NO_PRICE,
            bid_qty: NO_QTY,
            ask_qty: NO_QTY,
            open_interest: NO_QTY,
        }
    }

    /// With this best bid and its size. A bid of zero is none.
    #[must_use]
    pub fn with_bid(mut self, price: impl Into<Option<Price>>, size: impl Into<Option<Qty>>) -> Self {
        (self.bid, self.bid_qty) = side(price.into(), size.into());
        self
    }

    /// With this best ask and its size. An ask of zero is none.
    #[must_use]
    pub fn with_ask(mut self, price: impl Into<Option<Price>>, size: impl Into<Option<Qty>>) -> Self {
        (self.ask, self.ask_qty) = side(price.into(), size.into());
        self
    }

    /// With the venue's mark price; zero is one: a worthless option.
    #[must_use]
    pub fn with_mark(mut self, mark: impl Into<Option<Price>>) -> Self {
        self.mark = mark.into().unwrap_or(NO_PRICE);
        self
    }

    /// With the price of the forward that the venue prices it on, in dollars.
    #[must_use]
    pub fn with_underlying(mut self, underlying: impl Into<Option<Price>>) -> Self {
        self.underlying = underlying.into().unwrap_or(NO_PRICE);
        self
    }

    /// With its open interest, in units of the underlying.
    #[must_use]
    pub fn with_open_interest(mut self, open_interest: impl Into<Option<Qty>>) -> Self {
        self.open_interest = open_interest.into().unwrap_or(NO_QTY);
        self
    }

    /// Best bid; `None`: nobody bids.
    #[must_use]
    pub fn bid(&self) -> Option<Price> {
        price(self.bid)
    }

    /// Best ask; `None`: nobody offers.
    #[must_use]
    pub fn ask(&self) -> Option<Price> {
        price(self.ask)
    }

    /// Size of the best bid; `None`: not recorded, or nobody bids.
    #[must_use]
    pub fn bid_qty(&self) -> Option<Qty> {
        qty(self.bid_qty)
    }

    /// Size of the best ask; `None`: not recorded, or nobody offers.
    #[must_use]
    pub fn ask_qty(&self) -> Option<Qty> {
        qty(self.ask_qty)
    }

    /// The venue's mark price.
    #[must_use]
    pub fn mark(&self) -> Option<Price> {
        price(self.mark)
    }

    /// The price of the forward that the venue prices it on, in dollars.
    #[must_use]
    pub fn underlying(&self) -> Option<Price> {
        price(self.underlying)
    }

    /// Open interest, in units of the underlying.
    #[must_use]
    pub fn open_interest(&self) -> Option<Qty> {
        qty(self.open_interest)
    }

    /// Halfway between bid and ask, toward zero at 1e-8; `None` where one of them is not quoted.
    #[must_use]
    pub fn mid(&self) -> Option<Price> {
        let (bid, ask) = (self.bid()?.raw(), self.ask()?.raw());
        Some(Price::from_raw(bid.midpoint(ask)))
    }

    /// What it is valued at: the venue's mark, else the middle, where nobody bids between nothing and the ask. `None`: nothing is
    /// quoted.
    #[must_use]
    pub fn value(&self) -> Option<Price> {
        let between = |ask: Price| Price::from_raw(self.bid().unwrap_or_default().raw().midpoint(ask.raw()));
        self.mark().or(self.ask().map(between)).or(self.bid())
    }

    /// Whether the bid is above the ask.
    #[must_use]
    pub fn is_crossed(&self) -> bool {
        matches!((self.bid(), self.ask()), (Some(bid), Some(ask)) if bid > ask)
    }

    /// Writes every field.
    pub fn save(&self, out: &mut StateWriter) {
        out.u32(self.instrument.0);
        for price in [self.bid, self.ask, self.mark, self.underlying] {
            out.i64(price.raw());
        }
        for qty in [self.bid_qty, self.ask_qty, self.open_interest] {
            out.i64(qty.raw());
        }
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let instrument = InstrumentId(from.u32()?);
        let mut price = || from.i64().map(Price::from_raw);
        let (bid, ask, mark, underlying) = (price()?, price()?, price()?, price()?);
        let mut qty = || from.i64().map(Qty::from_raw);
        let (bid_qty, ask_qty, open_interest) = (qty()?, qty()?, qty()?);
        Ok(Self { instrument, bid, ask, mark, underlying, bid_qty, ask_qty, open_interest })
    }
}

/// A side of the book as it is kept.
fn side(price: Option<Price>, size: Option<Qty>) -> (Price, Qty) {
    match price {
        Some(price) if !price.is_zero() => (price, size.unwrap_or(NO_QTY)),
        _ => (NO_PRICE, NO_QTY),
    }
}

impl fmt::Debug for OptionQuote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptionQuote")
            .field("instrument", &self.instrument)
            .field("bid", &self.bid())
            .field("ask", &self.ask())
            .field("bid_qty", &self.bid_qty())
            .field("ask_qty", &self.ask_qty())
            .field("mark", &self.mark())
            .field("underlying", &self.underlying())
            .field("open_interest", &self.open_interest())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn qty(text: &str) -> Qty {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_told_is_none_and_zero_is_told_of_marks_and_amounts_alone() {
        let quote = OptionQuote::empty(InstrumentId(1));
        assert_eq!(
            (quote.bid(), quote.ask(), quote.mark(), quote.underlying(), quote.mid()),
            (None, None, None, None, None)
        );
        assert_eq!((quote.bid_qty(), quote.ask_qty(), quote.open_interest()), (None, None, None));
        let quote = quote.with_bid(Price::ZERO, qty("3")).with_mark(Price::ZERO).with_open_interest(Qty::ZERO);
        assert_eq!((quote.bid(), quote.bid_qty()), (None, None), "nobody bids, so no size stands for it");
        assert_eq!((quote.mark(), quote.open_interest()), (Some(Price::ZERO), Some(Qty::ZERO)));
        let quote = quote.with_bid(price("0.012"), qty("3")).with_ask(price("0.0125"), None);
        assert_eq!((quote.bid_qty(), quote.ask_qty(), quote.mid()), (Some(qty("3")), None, Some(price("0.01225"))));
        assert!(!quote.is_crossed() && quote.with_bid(price("0.013"), None).is_crossed());
        assert_eq!(quote.with_bid(None, None).mid(), None);
    }

    #[test]
    fn the_mark_is_its_value_else_what_is_quoted() {
        let quote = OptionQuote::empty(InstrumentId(1));
        assert_eq!(quote.value(), None);
        assert_eq!(quote.with_bid(price("0.02"), None).value(), Some(price("0.02")));
        assert_eq!(
            quote.with_ask(price("0.03"), None).value(),
            Some(price("0.015")),
            "nobody bids: nothing is the other end"
        );
        let both = quote.with_bid(price("0.02"), None).with_ask(price("0.03"), None);
        assert_eq!(both.value(), Some(price("0.025")));
        assert_eq!(both.with_mark(Price::ZERO).value(), Some(Price::ZERO));
    }

    #[test]
    fn quotes_that_differ_are_written_differently() {
        let written = |quote: OptionQuote| {
            let mut out = StateWriter::new();
            quote.save(&mut out);
            assert_eq!(OptionQuote::load(&mut StateReader::new(out.as_bytes())), Ok(quote));
            out.as_bytes().to_vec()
        };
        let quote = OptionQuote::empty(InstrumentId(1)).with_ask(price("0.5"), None);
        let others = [
            quote.with_bid(price("0.5"), None),
            quote.with_ask(price("0.5"), Qty::ZERO),
            quote.with_mark(Price::ZERO),
            quote.with_underlying(price("1")),
            quote.with_open_interest(Qty::ZERO),
            OptionQuote { instrument: InstrumentId(2), ..quote },
        ];
        for other in others {
            assert_ne!(written(quote), written(other), "{other:?}");
        }
    }
}
