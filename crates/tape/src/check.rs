//! What a row must hold. The writer and the reader ask the same question, so that no tape is written that cannot be
//! read.

use market::{Bar, Catalogue, Event, OptionQuote};
use std::fmt;
use units::{Duration, Price, Qty, Timestamp};

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Received before the row above it.
    BackInTime {
        /// Its receipt time.
        at: Timestamp,
        /// That of the row above.
        previous: Timestamp,
    },
    /// The catalogue has no instrument of this id.
    UnknownInstrument(u32),
    /// The catalogue has no series of this id.
    UnknownSeries(u32),
    /// An event kind that this format does not record.
    UnknownKind(i32),
    /// A price at or under zero.
    PriceNotPositive(Price),
    /// A mark of an option under zero.
    PriceNegative(Price),
    /// An option's size or open interest under zero.
    AmountNegative(Qty),
    /// A price that eighteen digits do not hold.
    PriceTooLarge(Price),
    /// A bar whose high is under its low.
    HighUnderLow {
        /// Its high.
        high: Price,
        /// Its low.
        low: Price,
    },
    /// A bar that opens or closes outside its own range.
    OutsideRange {
        /// The open or close.
        price: Price,
        /// Its low.
        low: Price,
        /// Its high.
        high: Price,
    },
    /// A negative volume.
    VolumeNegative,
    /// A bar that ends at or before its begin.
    BarInverted,
    /// A bar received before it closed.
    BarEarly {
        /// When it closed.
        closed: Timestamp,
    },
    /// A bar whose venue time is not its close.
    BarVenueTime,
    /// A funding interval of no length.
    IntervalNotPositive,
    /// A series value that is not finite.
    NotFinite,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackInTime { at, previous } => {
                write!(f, "received at {at}, before the row above it ({previous}); rows go by receipt time")
            }
            Self::UnknownInstrument(id) => write!(f, "instrument {id} is not in the catalogue"),
            Self::UnknownSeries(id) => write!(f, "series {id} is not in the catalogue"),
            Self::UnknownKind(kind) => write!(f, "event kind {kind} is none that a tape records"),
            Self::PriceNotPositive(price) => write!(f, "price {price} is not above zero"),
            Self::PriceNegative(price) => write!(f, "mark {price} is under zero"),
            Self::AmountNegative(qty) => write!(f, "the size or open interest {qty} is under zero"),
            Self::PriceTooLarge(price) => write!(f, "price {price} is beyond 9,999,999,999"),
            Self::HighUnderLow { high, low } => write!(f, "high {high} is under low {low}"),
            Self::OutsideRange { price, low, high } => write!(f, "{price} is outside the bar's range {low} to {high}"),
            Self::VolumeNegative => f.write_str("volume is negative"),
            Self::BarInverted => f.write_str("the bar ends at or before its begin"),
            Self::BarEarly { closed } => write!(f, "received before the bar closed at {closed}"),
            Self::BarVenueTime => f.write_str("a bar's venue time is its close"),
            Self::IntervalNotPositive => f.write_str("the funding interval is not above zero"),
            Self::NotFinite => f.write_str("the value is not finite"),
        }
    }
}

/// How many ids a catalogue gives a meaning to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    instruments: u32,
    series: u32,
}

impl Ids {
    pub(crate) fn of(catalogue: &Catalogue) -> Self {
        Self { instruments: catalogue.instruments.len() as u32, series: catalogue.series.len() as u32 }
    }

    /// Checks everything about a row but its place in time.
    #[inline]
    pub(crate) fn check(self, receipt: Timestamp, venue: Timestamp, event: &Event) -> Result<(), Fault> {
        match event {
            Event::Bar(bar) => {
                self.instrument(bar.instrument.0)?;
                if venue != bar.closed {
                    return Err(Fault::BarVenueTime);
                }
                check_bar(receipt, bar)
            }
            Event::Funding(funding) => {
                self.instrument(funding.instrument.0)?;
                if funding.interval <= Duration::ZERO { Err(Fault::IntervalNotPositive) } else { Ok(()) }
            }
            Event::Series(point) if point.series.0 >= self.series => Err(Fault::UnknownSeries(point.series.0)),
            Event::Series(_) => Ok(()),
            Event::Mark(mark) => {
                self.instrument(mark.instrument.0)?;
                check_price(mark.price, true)
            }
            Event::OptionQuote(quote) => {
                self.instrument(quote.instrument.0)?;
                check_quote(quote)
            }
            Event::Trade(_) => Err(Fault::UnknownKind(3)),
            Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => Err(Fault::UnknownKind(-1)),
        }
    }

    #[inline]
    fn instrument(self, id: u32) -> Result<(), Fault> {
        if id < self.instruments { Ok(()) } else { Err(Fault::UnknownInstrument(id)) }
    }
}

/// The largest price that `DECIMAL(18, 8)` holds.
const PRICE_MAX: Price = Price::from_raw(10_i64.pow(18) - 1);

#[inline]
fn check_bar(receipt: Timestamp, bar: &Bar) -> Result<(), Fault> {
    let inside = bar.low <= bar.open && bar.open <= bar.high && bar.low <= bar.close && bar.close <= bar.high;
    let sane = bar.low > Price::ZERO && bar.high <= PRICE_MAX && !bar.volume.raw().is_negative();
    let timed = bar.opened < bar.closed && bar.closed <= receipt;
    if inside && sane && timed { Ok(()) } else { Err(bar_fault(receipt, bar)) }
}

/// A mark may be zero (`or_zero`): that of a worthless option is.
fn check_price(price: Price, or_zero: bool) -> Result<(), Fault> {
    if price > PRICE_MAX {
        Err(Fault::PriceTooLarge(price))
    } else if price < Price::ZERO && or_zero {
        Err(Fault::PriceNegative(price))
    } else if price <= Price::ZERO && !or_zero {
        Err(Fault::PriceNotPositive(price))
    } else {
        Ok(())
    }
}

/// Crossed quotes are recorded as they were.
fn check_quote(quote: &OptionQuote) -> Result<(), Fault> {
    for price in [quote.bid(), quote.ask(), quote.underlying()].into_iter().flatten() {
        check_price(price, false)?;
    }
    if let Some(mark) = quote.mark() {
        check_price(mark, true)?;
    }
    let amounts = [quote.bid_qty(), quote.ask_qty(), quote.open_interest()];
    match amounts.into_iter().flatten().find(|amount| amount.raw() < 0) {
        Some(amount) => Err(Fault::AmountNegative(amount)),
        None => Ok(()),
    }
}

#[cold]
fn bar_fault(receipt: Timestamp, bar: &Bar) -> Fault {
    let &Bar { open, high, low, close, .. } = bar;
    let prices = [open, high, low, close];
    if let Some(price) = prices.into_iter().find(|price| *price <= Price::ZERO) {
        Fault::PriceNotPositive(price)
    } else if let Some(price) = prices.into_iter().find(|price| *price > PRICE_MAX) {
        Fault::PriceTooLarge(price)
    } else if high < low {
        Fault::HighUnderLow { high, low }
    } else if let Some(price) = [open, close].into_iter().find(|price| *price < low || *price > high) {
        Fault::OutsideRange { price, low, high }
    } else if bar.volume.raw().is_negative() {
        Fault::VolumeNegative
    } else if bar.opened >= bar.closed {
        Fault::BarInverted
    } else {
        debug_assert!(receipt < bar.closed, "every condition of `check_bar` has its fault");
        Fault::BarEarly { closed: bar.closed }
    }
}
