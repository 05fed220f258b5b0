//! Greeks of a portfolio: by underlying, expiry, strike bucket, venue and strategy, current after every tick.
//!
//! What is kept is a list of *leaves* in canonical order, each a position with what prices it, and per leaf quantity × (price, Greeks).
//! The order is that of [`OptionKey`]: underlying, expiry, strike, right, style, venue, strategy. A sum is taken over leaves in that
//! order, by a tree whose shape the number of leaves decides, never by adding differences to a total. So it depends on what is held
//! now, and on nothing that was held before: after any history the numbers are those of a portfolio made anew, bit for bit.
//!
//! A tick prices the options of its underlying again and adds them up. A group is added up when it is read.

mod book;
mod group;
mod state;

pub use group::{Dimension, Group, Part};
pub use pricing::options::GreekSums;
pub use pricing::surface::Sticky;

use crate::Leg;
use book::Book;
use market::Currency;
use pricing::options::{OptionStyle, Refusal, Simd};
use std::fmt;
use std::ops::Add;
use units::{AccountId, Contract, OptionRight, Price, Qty, StrategyId, Timestamp};

/// What a position in an option is one of. The order of keys is the order in which sums are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OptionKey {
    /// The coin.
    pub underlying: Currency,
    /// When it expires.
    pub expiry: Timestamp,
    /// In USD.
    pub strike: Price,
    /// Call or put.
    pub right: OptionRight,
    /// In what it is paid for.
    pub style: OptionStyle,
    /// The account at its venue: there is one for each.
    pub venue: AccountId,
    /// Whose position it is.
    pub strategy: StrategyId,
}

/// What a position in the underlying is one of: spot, a perpetual or a future. Ordered behind the options of its underlying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaOneKey {
    /// The coin.
    pub underlying: Currency,
    /// When a future is settled; `None`: spot or a perpetual.
    pub expiry: Option<Timestamp>,
    /// Whether its quantity counts the underlying or the quote currency.
    pub contract: Contract,
    /// The account at its venue.
    pub venue: AccountId,
    /// Whose position it is.
    pub strategy: StrategyId,
}

/// A position as a leg.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldLeg {
    /// Whose account it is in.
    pub account: AccountId,
    /// Whose position it is.
    pub strategy: StrategyId,
    /// When it expires, of an option.
    pub expiry: Option<Timestamp>,
    /// What it is.
    pub leg: Leg,
}

/// The smile at an option's strike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SmilePoint {
    /// Volatility a year, as a fraction.
    pub vol: f64,
    /// dσ/dln K; 0 where no smile is known.
    pub slope: f64,
}

/// Why an operation was refused. Nothing is changed then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GreeksError {
    /// The underlying has no price.
    NoPrice(Currency),
    /// An expiry has no forward.
    NoForward(Currency, Timestamp),
    /// An option that is not held.
    NotHeld(OptionKey),
    /// A number that no option can have.
    Number(Refusal),
    /// A slope of the smile that is not finite.
    Slope(f64),
    /// A width of strike buckets that is not above zero.
    BucketWidth(Price),
}

impl fmt::Display for GreeksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPrice(coin) => write!(f, "{coin} has no price; set its price first"),
            Self::NoForward(coin, expiry) => write!(f, "{coin} of {expiry} has no forward; set its forward first"),
            Self::NotHeld(key) => {
                let OptionKey { underlying, expiry, strike, right, venue, strategy, .. } = key;
                write!(f, "no position in the {underlying} {right} of {expiry} at {strike}")?;
                write!(f, " (account {}, strategy {}); add it first", venue.0, strategy.0)
            }
            Self::Number(refusal) => refusal.fmt(f),
            Self::Slope(slope) => {
                write!(f, "the slope of a smile is {slope}; it must be finite, and 0 where there is none")
            }
            Self::BucketWidth(width) => write!(f, "strike buckets are {width} wide; the width must be above zero"),
        }
    }
}

impl std::error::Error for GreeksError {}

impl From<Refusal> for GreeksError {
    fn from(refusal: Refusal) -> Self {
        Self::Number(refusal)
    }
}

/// A portfolio's options and hedges with their Greeks.
///
/// ```
/// use risk::greeks::{OptionKey, PortfolioGreeks, SmilePoint, Sticky};
/// use pricing::options::{OptionStyle, Simd};
/// use units::{AccountId, OptionRight, StrategyId, Timestamp};
///
/// let (btc, expiry) = ("BTC".parse().unwrap(), "2026-03-27T08:00:00Z".parse::<Timestamp>().unwrap());
/// let mut greeks = PortfolioGreeks::new(Simd::best());
/// greeks.set_time("2026-03-01".parse().unwrap())?;
/// greeks.set_price(btc, 60_000.0)?;
/// greeks.set_forward(btc, expiry, 60_300.0)?;
/// let call = OptionKey {
///     underlying: btc,
///     expiry,
///     strike: "65000".parse().unwrap(),
///     right: OptionRight::Call,
///     style: OptionStyle::Inverse,
///     venue: AccountId(0),
///     strategy: StrategyId(0),
/// };
/// greeks.hold(call, "-10".parse().unwrap(), SmilePoint { vol: 0.55, slope: -0.1 })?;
/// greeks.set_price(btc, 60_100.0)?; // a tick
/// let sums = greeks.underlying(btc);
/// assert!(sums.delta < 0.0 && sums.theta > 0.0);
/// assert!(sums.hedge_delta(Sticky::Moneyness) < sums.delta); // volatility rises with the forward where the slope is negative
/// # Ok::<(), risk::greeks::GreeksError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PortfolioGreeks {
    simd: Simd,
    now: Timestamp,
    /// By underlying, in order.
    books: Vec<Book>,
}

impl PortfolioGreeks {
    /// An empty portfolio. The numbers do not depend on the instructions chosen.
    #[must_use]
    pub fn new(simd: Simd) -> Self {
        Self { simd, now: Timestamp::default(), books: Vec::new() }
    }

    /// Moves time. Options past their expiry are worth what exercise would give, until they are taken out.
    ///
    /// # Errors
    ///
    /// A time from which an expiry is more than 200 years away.
    pub fn set_time(&mut self, now: Timestamp) -> Result<(), GreeksError> {
        self.books.iter().try_for_each(|book| book.check_time(now))?;
        self.now = now;
        self.books.iter_mut().for_each(|book| book.set_time(now));
        Ok(())
    }

    /// A tick of the underlying: every forward moves in proportion to its price, as from when the forward was last set.
    ///
    /// # Errors
    ///
    /// A price, or a forward that would follow from it, outside its range.
    pub fn set_price(&mut self, underlying: Currency, price: f64) -> Result<(), GreeksError> {
        match self.find(underlying) {
            Ok(at) => self.books[at].set_price(price),
            Err(at) => {
                let book = Book::new(underlying, price)?;
                self.books.insert(at, book);
                Ok(())
            }
        }
    }

    /// Sets the forward of an expiry at the present price of the underlying.
    ///
    /// # Errors
    ///
    /// An underlying without a price; a forward outside its range; an expiry more than 200 years away.
    pub fn set_forward(&mut self, underlying: Currency, expiry: Timestamp, forward: f64) -> Result<(), GreeksError> {
        let now = self.now;
        self.book(underlying)?.set_forward(now, expiry, forward)
    }

    /// The forward of an expiry at the present price of the underlying. `None`: none was set.
    #[must_use]
    pub fn forward(&self, underlying: Currency, expiry: Timestamp) -> Option<f64> {
        self.find(underlying).ok().and_then(|at| self.books[at].forward(expiry))
    }

    /// Forgets the forwards of expiries that are past and hold nothing.
    pub fn drop_expired(&mut self, underlying: Currency) {
        let now = self.now;
        if let Ok(at) = self.find(underlying) {
            self.books[at].drop_expired(now);
        }
    }

    /// Sets the discount factor to an expiry for options paid for in USD; 1 until set. Options paid for in coin have none.
    ///
    /// # Errors
    ///
    /// An expiry without a forward; a factor outside its range.
    pub fn set_discount(&mut self, underlying: Currency, expiry: Timestamp, discount: f64) -> Result<(), GreeksError> {
        self.book(underlying)?.set_discount(expiry, discount)
    }

    /// Sets volatility and slope of every option held in an expiry, as `smile` tells them.
    ///
    /// # Errors
    ///
    /// An expiry without a forward; a volatility outside its range; a slope that is not finite.
    pub fn set_smile(
        &mut self,
        underlying: Currency,
        expiry: Timestamp,
        smile: impl FnMut(&OptionKey) -> SmilePoint,
    ) -> Result<(), GreeksError> {
        self.book(underlying)?.set_smile(expiry, smile)
    }

    /// Sets how wide buckets of strikes are. Until then every strike is its own.
    ///
    /// # Errors
    ///
    /// An underlying without a price; a width that is not above zero.
    pub fn set_bucket_width(&mut self, underlying: Currency, width: Price) -> Result<(), GreeksError> {
        if width <= Price::ZERO {
            return Err(GreeksError::BucketWidth(width));
        }
        self.book(underlying)?.set_bucket_width(width);
        Ok(())
    }

    /// Holds this quantity of an option, signed, in units of the underlying, in place of what was held. Zero takes it out.
    ///
    /// # Errors
    ///
    /// An expiry without a forward; a strike or volatility outside its range; a slope that is not finite.
    pub fn hold(&mut self, key: OptionKey, quantity: Qty, point: SmilePoint) -> Result<(), GreeksError> {
        self.book(key.underlying)?.hold(key, quantity, point)
    }

    /// Changes the quantity of an option that is held. Zero takes it out.
    ///
    /// # Errors
    ///
    /// An option that is not held.
    pub fn resize(&mut self, key: &OptionKey, quantity: Qty) -> Result<(), GreeksError> {
        self.book(key.underlying).map_err(|_| GreeksError::NotHeld(*key))?.resize(key, quantity)
    }

    /// Holds this quantity of spot, a perpetual or a future, in place of what was held: signed, in units of the underlying, of an
    /// inverse contract in units of the quote currency. Zero takes it out. It has delta alone; an inverse one has quantity ÷ forward,
    /// its profit so far being coins that are counted where they are held.
    ///
    /// # Errors
    ///
    /// An underlying without a price; a future whose expiry has no forward.
    pub fn hold_delta_one(&mut self, key: DeltaOneKey, quantity: Qty) -> Result<(), GreeksError> {
        self.book(key.underlying)?.hold_delta_one(key, quantity)
    }

    /// Number of positions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.books.iter().map(Book::len).sum()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sums of one underlying; none of one that is not known.
    pub fn underlying(&mut self, underlying: Currency) -> GreekSums {
        let simd = self.simd;
        self.find(underlying).map_or_else(|_| GreekSums::default(), |at| self.books[at].sum(simd))
    }

    /// The sums of all underlyings that are in cash: delta and gamma, which are per coin, are left out (0), and so is vanna.
    pub fn total(&mut self) -> GreekSums {
        let simd = self.simd;
        let all = self.books.iter_mut().map(|book| book.sum(simd)).fold(GreekSums::default(), GreekSums::add);
        GreekSums { delta: 0.0, skew_delta: 0.0, premium: 0.0, gamma: 0.0, vanna: 0.0, ..all }
    }

    /// The sums of each group of a dimension that holds something, in order, into `groups`, whose memory is used again.
    pub fn by(&mut self, dimension: Dimension, groups: &mut Vec<(Group, GreekSums)>) {
        let simd = self.simd;
        groups.clear();
        for book in self.books.iter_mut().filter(|book| book.len() > 0) {
            book.by(simd, dimension, groups);
        }
    }

    /// What is held in an underlying at the market as it was set, as legs whose profit [`ex_ante`](crate::ex_ante) can reckon.
    pub fn legs(&self, underlying: Currency) -> impl Iterator<Item = HeldLeg> + '_ {
        let book = self.find(underlying).ok().map(|at| &self.books[at]);
        book.into_iter().flat_map(Book::legs)
    }

    /// What each position in an underlying adds, in the order in which sums are taken: whose position, and its sums.
    pub fn each(&mut self, underlying: Currency) -> impl Iterator<Item = (StrategyId, GreekSums)> + '_ {
        let simd = self.simd;
        let book = self.find(underlying).ok().map(|at| &mut self.books[at]);
        book.into_iter().flat_map(move |book| book.each(simd))
    }

    /// Options exactly at the strike without time or volatility. Their gamma has no finite limit; what is unbounded is left out.
    pub fn unbounded(&mut self) -> usize {
        let simd = self.simd;
        self.books.iter_mut().map(|book| book.unbounded(simd)).sum()
    }

    fn find(&self, underlying: Currency) -> Result<usize, usize> {
        self.books.binary_search_by(|book| book.underlying().cmp(&underlying))
    }

    fn book(&mut self, underlying: Currency) -> Result<&mut Book, GreeksError> {
        let at = self.find(underlying).map_err(|_| GreeksError::NoPrice(underlying))?;
        Ok(&mut self.books[at])
    }
}
