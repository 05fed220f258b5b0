//! From the quotes of one underlying's options to a forward for each expiry and what a smile is fitted to.
//!
//! A [`Chain`] keeps the last quote of each option, by expiry and strike. [`Chain::remake`] makes one expiry anew after a tick, in the
//! storage it has; [`Chain::remake_all`] all of them. What a venue marks is never looked at: only bids and asks are.

use super::smile::{SmilePoint, SmileQuotes};
use crate::options::{Field, ImpliedVols, OptionKind, OptionStyle, QuoteInputs, Quotes, Refusal, Simd};
use std::fmt;
use units::math::{exp, ln};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, Timestamp};

/// The quote of one option, as it arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptionQuote {
    /// When the option expires.
    pub expiry: Timestamp,
    /// Strike.
    pub strike: f64,
    /// Call or put.
    pub kind: OptionKind,
    /// Best bid in the currency of the premium: coin for an inverse option. Zero is no bid.
    pub bid: Option<f64>,
    /// Best ask, likewise.
    pub ask: Option<f64>,
    /// Smallest step of those prices.
    pub tick: f64,
    /// When the quote was made.
    pub at: Timestamp,
    /// Price of the forward that the venue recorded with the quote.
    pub forward: Option<f64>,
}

/// Which of a strike's two options gives its volatility.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sides {
    /// The put under the forward, the call from the forward on.
    #[default]
    OutOfTheMoney,
    /// The one whose bid and ask are closer, in volatility.
    Tighter,
}

/// What a chain lets pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChainSettings {
    /// Older quotes are stale.
    pub maximum_age: Duration,
    /// A bid of not more ticks than this is the lowest that can be bid, and tells little.
    pub one_tick: f64,
    /// Which side of a strike counts.
    pub sides: Sides,
    /// Continuous rate a year at which what is paid in the currency of the strike is discounted; options in coin are not.
    pub rate: f64,
}

impl Default for ChainSettings {
    fn default() -> Self {
        let maximum_age = Duration::from_nanos(15 * 60 * 1_000_000_000);
        Self { maximum_age, one_tick: 1.0, sides: Sides::OutOfTheMoney, rate: 0.0 }
    }
}

/// Why a quote has no part in a smile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// Made after the moment that is asked about.
    Later,
    /// Too old.
    Stale,
    /// Neither bid nor ask.
    Missing,
    /// No bid, or one of zero.
    NoBid,
    /// No ask, or one of zero.
    NoAsk,
    /// The bid is over the ask.
    Crossed,
    /// The bid is the lowest that can be bid.
    OneTick,
    /// The forward recorded with it lies over 1 % from that of its expiry.
    Forward,
    /// The strike's other option is the one that counts.
    OtherSide,
    /// Bid, middle or ask has no volatility.
    NoVol,
}

impl Dropped {
    /// All reasons, in order.
    pub const ALL: [Self; 10] = [
        Self::Later,
        Self::Stale,
        Self::Missing,
        Self::NoBid,
        Self::NoAsk,
        Self::Crossed,
        Self::OneTick,
        Self::Forward,
        Self::OtherSide,
        Self::NoVol,
    ];
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Later => "made later",
            Self::Stale => "stale",
            Self::Missing => "neither bid nor ask",
            Self::NoBid => "no bid",
            Self::NoAsk => "no ask",
            Self::Crossed => "crossed",
            Self::OneTick => "bid of one tick",
            Self::Forward => "another forward",
            Self::OtherSide => "the other side counts",
            Self::NoVol => "no volatility",
        })
    }
}

/// How many quotes of an expiry were dropped, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DropCounts([usize; Dropped::ALL.len()]);

impl DropCounts {
    /// Of one reason.
    #[must_use]
    pub fn of(&self, reason: Dropped) -> usize {
        self.0[reason as usize]
    }

    /// Of all reasons.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Dropped, usize)> + '_ {
        Dropped::ALL.into_iter().map(|reason| (reason, self.of(reason))).filter(|(_, count)| *count > 0)
    }
}

/// Where a forward comes from; the first that there is and that parity does not contradict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardSource {
    /// The median of the forwards recorded with the expiry's quotes.
    Recorded,
    /// A future that expires with the options.
    Future,
    /// Put–call parity.
    Parity,
    /// ln(forward) linear in time between the neighbours, spot among them; beyond the last, at its carry.
    Interpolated,
}

impl fmt::Display for ForwardSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recorded => "recorded",
            Self::Future => "future",
            Self::Parity => "parity",
            Self::Interpolated => "interpolated",
        })
    }
}

/// How far a forward may lie outside what calls and puts allow before it is taken for an error, as a fraction: six times the furthest of
/// 12,843 recorded ones (0.035 %).
pub const PARITY_TOLERANCE: f64 = 0.002;

/// What put–call parity says about a forward.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parity {
    /// Median over the strikes, weighted by 1 ÷ width² of what each strike's bids and asks allow, and moved into `low`…`high` where
    /// those are in order.
    pub forward: f64,
    /// The highest lower bound that a strike's bids and asks give.
    pub low: f64,
    /// The lowest upper bound. Under `low` where the quotes of different strikes contradict each other.
    pub high: f64,
    /// Strikes with a call and a put.
    pub strikes: usize,
}

/// The forward of one expiry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forward {
    /// Its price.
    pub price: f64,
    /// Where that comes from.
    pub source: ForwardSource,
    /// What parity says, wherever the price comes from.
    pub parity: Option<Parity>,
    /// The price that was recorded, or the future's, where parity [contradicts](Parity::contradicts) it and took its place.
    pub refused: Option<f64>,
}

impl Forward {
    /// How far the price, or the one that was refused, lies over what parity says, as a fraction; 0 of a forward that is parity's for
    /// want of another.
    #[must_use]
    pub fn disagreement(&self) -> Option<f64> {
        self.parity.map(|parity| self.refused.unwrap_or(self.price) / parity.forward - 1.0)
    }

    /// Whether that price lies outside what the bids and asks of calls and puts allow. No answer where those contradict each other.
    #[must_use]
    pub fn outside_parity(&self) -> Option<bool> {
        let parity = self.parity.filter(|parity| parity.low <= parity.high)?;
        Some(!(parity.low..=parity.high).contains(&self.refused.unwrap_or(self.price)))
    }
}

impl Parity {
    /// Whether a forward lies further outside what calls and puts allow than [`PARITY_TOLERANCE`] of it; where strikes contradict each
    /// other, outside of what either of them allows.
    #[must_use]
    pub fn contradicts(&self, forward: f64) -> bool {
        let (low, high) = (self.low.min(self.high), self.low.max(self.high));
        !(low * (1.0 - PARITY_TOLERANCE)..=high * (1.0 + PARITY_TOLERANCE)).contains(&forward)
    }
}

/// Why an expiry has no smile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoSmile {
    /// Not made yet.
    NotMade,
    /// It is past.
    Expired,
    /// No forward is recorded, no future expires with it, no strike has both options, and no neighbour has a forward.
    NoForward,
    /// All quotes that have both a bid and an ask, and are not stale, are crossed.
    Crossed {
        /// How many.
        quotes: usize,
    },
    /// No quote is left.
    NoQuotes,
    /// One strike is left: a volatility, but no smile.
    OneStrike {
        /// The strike.
        strike: f64,
        /// The volatility at the middle of bid and ask.
        vol: f64,
    },
}

impl fmt::Display for NoSmile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMade => write!(f, "not made yet"),
            Self::Expired => write!(f, "expired"),
            Self::NoForward => write!(
                f,
                "no forward: none recorded, no future, no strike with call and put, no neighbour with a forward"
            ),
            Self::Crossed { quotes } => write!(f, "all {quotes} quotes are crossed"),
            Self::NoQuotes => write!(f, "no usable quote"),
            Self::OneStrike { strike, vol } => write!(f, "one strike only: {strike}, at {:.2} %", vol * 100.0),
        }
    }
}

impl std::error::Error for NoSmile {}

/// What became of a quote that was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// The first of its option.
    New,
    /// In place of an earlier one, or of one of the same time.
    Replaced,
    /// Not taken: a later one is there.
    Older,
}

/// What became of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadCounts {
    /// First of their option.
    pub new: usize,
    /// In place of another.
    pub replaced: usize,
    /// Not taken, because a later one was there.
    pub older: usize,
    /// Not taken, because a number in them is none that an option can have.
    pub refused: usize,
}

/// What one expiry's quotes gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpiryReport {
    /// When it is.
    pub expiry: Timestamp,
    /// Its forward, if there is one.
    pub forward: Option<Forward>,
    /// Options with a quote, of whatever worth.
    pub listed: usize,
    /// Those in the smile.
    pub used: usize,
    /// The others; of an expiry without a forward only what was looked at before one is needed.
    pub dropped: DropCounts,
    /// Which of [`Chain::smiles`] it is, or why none.
    pub smile: Result<usize, NoSmile>,
}

/// Quotes of the options of one underlying, and what follows from them.
///
/// ```
/// use pricing::options::{OptionKind, OptionStyle};
/// use pricing::surface::{Chain, ChainSettings, ForwardSource, OptionQuote};
/// use units::{Duration, Timestamp};
/// let now = Timestamp::from_nanos(0);
/// let expiry = Timestamp::from_nanos(30 * Duration::DAY.nanos());
/// let mut chain = Chain::new(OptionStyle::Inverse, ChainSettings::default());
/// for (strike, kind, bid, ask) in [
///     (60_000.0, OptionKind::Put, 0.0570, 0.0580),
///     (60_000.0, OptionKind::Call, 0.0570, 0.0580),
///     (65_000.0, OptionKind::Call, 0.0280, 0.0290),
/// ] {
///     let quote = OptionQuote { expiry, strike, kind, bid: Some(bid), ask: Some(ask), tick: 1e-4, at: now, forward: None };
///     chain.push(&quote)?;
/// }
/// chain.remake_all(now);
/// let report = chain.report(0);
/// let forward = report.forward.unwrap();
/// assert_eq!(forward.source, ForwardSource::Parity);
/// assert!((forward.price - 60_000.0).abs() < 1e-6);
/// assert_eq!(chain.smiles()[0].points.len(), 2);
/// # Ok::<(), pricing::options::Refusal>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chain {
    style: OptionStyle,
    settings: ChainSettings,
    spot: Option<f64>,
    /// By expiry.
    expiries: Vec<Expiring>,
    /// Of the expiries that have one, in their order.
    smiles: Vec<SmileQuotes>,
    scratch: Scratch,
}

/// Storage that is used again.
#[derive(Debug, Clone, Default)]
struct Scratch {
    quotes: Quotes,
    vols: ImpliedVols,
    /// Forward and weight of each strike, or forwards recorded.
    forwards: Vec<(f64, f64)>,
    candidates: Vec<Candidate>,
    points: Vec<SmilePoint>,
}

/// A quote whose volatility is sought.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    row: usize,
    side: usize,
    log_moneyness: f64,
}

#[derive(Debug, Clone)]
struct Expiring {
    expiry: Timestamp,
    future: Option<f64>,
    /// By strike.
    rows: Vec<Row>,
    forward: Option<Forward>,
    smile: Result<usize, NoSmile>,
}

/// The options of one strike.
#[derive(Debug, Clone, Copy)]
struct Row {
    strike: f64,
    /// Call, put.
    sides: [Option<Side>; 2],
}

impl Row {
    fn drop(&mut self, side: usize, reason: Dropped) {
        if let Some(side) = &mut self.sides[side] {
            side.dropped = Some(reason);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Side {
    /// 0 where there is none, as is the ask.
    bid: f64,
    ask: f64,
    tick: f64,
    at: Timestamp,
    /// The forward recorded with it.
    forward: Option<f64>,
    dropped: Option<Dropped>,
}

const SIDES: [OptionKind; 2] = [OptionKind::Call, OptionKind::Put];

/// A recorded forward further from its expiry's is taken for an error.
const RECORDED_APART: f64 = 0.01;

/// Bid and ask lie at least this far from the middle, in volatility: the same price on both sides is no exact volatility.
const LEAST_HALF_SPREAD: f64 = 1e-4;

impl Chain {
    /// A chain without quotes.
    #[must_use]
    pub fn new(style: OptionStyle, settings: ChainSettings) -> Self {
        let (expiries, smiles, scratch) = (Vec::new(), Vec::new(), Scratch::default());
        Self { style, settings, spot: None, expiries, smiles, scratch }
    }

    /// The price of the underlying now, of an index or a perpetual: where carry is measured from. What is not a price counts as none.
    pub fn set_spot(&mut self, price: Option<f64>) {
        self.spot = price.filter(|price| accepts(Field::Forward, *price));
    }

    /// The underlying's price as it was set, in the currency of forwards.
    #[must_use]
    pub fn spot(&self) -> Option<f64> {
        self.spot
    }

    /// The price of a future that expires with options. What is not a price counts as none.
    pub fn set_future(&mut self, expiry: Timestamp, price: Option<f64>) {
        let price = price.filter(|price| accepts(Field::Forward, *price));
        match (self.place(expiry), price) {
            (Ok(index), price) => self.expiries[index].future = price,
            (Err(_), None) => {}
            (Err(index), price) => self.insert(index, expiry).future = price,
        }
    }

    /// Takes a quote; the later of two of one option stays, and of equal times the last pushed.
    ///
    /// # Errors
    ///
    /// A number that no option can have; nothing is changed then.
    pub fn push(&mut self, quote: &OptionQuote) -> Result<Placed, Refusal> {
        let check =
            |field: Field, value: f64| if accepts(field, value) { Ok(value) } else { Err(Refusal { field, value }) };
        let price = |value: Option<f64>| check(Field::Price, value.unwrap_or(0.0));
        let strike = check(Field::Strike, quote.strike)?;
        let (bid, ask, tick) = (price(quote.bid)?, price(quote.ask)?, check(Field::Tick, quote.tick)?);
        let forward = quote.forward.map(|forward| check(Field::Forward, forward)).transpose()?;
        let side = Side { bid, ask, tick, at: quote.at, forward, dropped: None };

        let expiring = match self.place(quote.expiry) {
            Ok(index) => &mut self.expiries[index],
            Err(index) => self.insert(index, quote.expiry),
        };
        let row = match expiring.rows.binary_search_by(|row| row.strike.total_cmp(&strike)) {
            Ok(index) => index,
            Err(index) => {
                expiring.rows.insert(index, Row { strike, sides: [None; 2] });
                index
            }
        };
        let kept = &mut expiring.rows[row].sides[usize::from(quote.kind == OptionKind::Put)];
        let placed = match kept {
            None => Placed::New,
            Some(there) if there.at > side.at => return Ok(Placed::Older),
            Some(_) => Placed::Replaced,
        };
        *kept = Some(side);
        Ok(placed)
    }

    /// Takes many quotes, in any order, and counts what became of them.
    pub fn read(&mut self, quotes: impl IntoIterator<Item = OptionQuote>) -> ReadCounts {
        let mut counts = ReadCounts::default();
        for quote in quotes {
            *match self.push(&quote) {
                Ok(Placed::New) => &mut counts.new,
                Ok(Placed::Replaced) => &mut counts.replaced,
                Ok(Placed::Older) => &mut counts.older,
                Err(_) => &mut counts.refused,
            } += 1;
        }
        counts
    }

    /// Forgets all quotes and futures; spot and settings stay.
    pub fn clear(&mut self) {
        self.expiries.clear();
        self.smiles.clear();
    }

    /// Forgets what has expired.
    pub fn drop_expired(&mut self, now: Timestamp) {
        while self.expiries.first().is_some_and(|first| first.expiry <= now) {
            self.set_smile(0, Err(NoSmile::Expired));
            self.expiries.remove(0);
        }
    }

    /// Number of expiries, with or without a smile.
    #[must_use]
    pub fn len(&self) -> usize {
        self.expiries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expiries.is_empty()
    }

    /// Which of the expiries one is.
    #[must_use]
    pub fn index_of(&self, expiry: Timestamp) -> Option<usize> {
        self.place(expiry).ok()
    }

    /// What smiles are fitted to, by expiry, without the expiries that have none.
    #[must_use]
    pub fn smiles(&self) -> &[SmileQuotes] {
        &self.smiles
    }

    /// What became of one expiry when it was last made.
    ///
    /// # Panics
    ///
    /// If there is no such expiry.
    #[must_use]
    pub fn report(&self, index: usize) -> ExpiryReport {
        let Expiring { expiry, forward, smile, .. } = self.expiries[index];
        let mut counts = DropCounts::default();
        let mut listed = 0;
        for side in self.expiries[index].sides() {
            listed += 1;
            if let Some(reason) = side.dropped {
                counts.0[reason as usize] += 1;
            }
        }
        let used = smile.map_or(0, |slot| self.smiles[slot].points.len());
        ExpiryReport { expiry, forward, listed, used, dropped: counts, smile }
    }

    /// Which of [`Self::smiles`] an expiry is.
    ///
    /// # Errors
    ///
    /// Why it has none.
    ///
    /// # Panics
    ///
    /// If there is no such expiry.
    pub fn smile(&self, index: usize) -> Result<usize, NoSmile> {
        self.expiries[index].smile
    }

    /// The quotes of one expiry that were dropped when it was last made, with the reason.
    ///
    /// # Panics
    ///
    /// If there is no such expiry.
    pub fn dropped(&self, index: usize) -> impl Iterator<Item = (f64, OptionKind, Dropped)> + '_ {
        self.expiries[index].rows.iter().flat_map(|row| {
            let one = |(side, kind): (Option<Side>, OptionKind)| Some((row.strike, kind, side?.dropped?));
            row.sides.into_iter().zip(SIDES).filter_map(one)
        })
    }

    /// Makes forwards and smiles of all expiries anew.
    pub fn remake_all(&mut self, now: Timestamp) {
        for index in 0..self.expiries.len() {
            self.look(index, now);
        }
        for index in 0..self.expiries.len() {
            self.finish(index, now);
        }
    }

    /// Makes one expiry anew, with the forwards that its neighbours had; gives which of [`Self::smiles`] it is.
    ///
    /// # Errors
    ///
    /// Why it has no smile.
    ///
    /// # Panics
    ///
    /// If there is no such expiry.
    pub fn remake(&mut self, index: usize, now: Timestamp) -> Result<usize, NoSmile> {
        self.look(index, now);
        self.finish(index, now);
        self.expiries[index].smile
    }

    /// The forward that an expiry has by itself, of its quotes and its future: no smile is made, and no neighbour asked.
    ///
    /// # Panics
    ///
    /// If there is no such expiry.
    pub fn forward_of(&mut self, index: usize, now: Timestamp) -> Option<Forward> {
        self.look(index, now);
        self.expiries[index].forward
    }

    /// Writes the state: quotes, and what was made of them when.
    pub fn save(&self, out: &mut StateWriter) {
        out.option(self.spot, StateWriter::f64);
        out.len(self.expiries.len());
        for expiring in &self.expiries {
            expiring.save(out);
            if let Ok(slot) = expiring.smile {
                let SmileQuotes { years, forward, discount, points } = &self.smiles[slot];
                for value in [years, forward, discount] {
                    out.f64(*value);
                }
                out.len(points.len());
                for point in points {
                    for value in [point.log_moneyness, point.bid_vol, point.ask_vol, point.mid_vol, point.weight] {
                        out.f64(value);
                    }
                }
            }
        }
    }

    /// Reads what [`Self::save`] wrote, into a chain of the same style and settings.
    ///
    /// # Errors
    ///
    /// A snapshot that is not of a chain; the chain is then to be thrown away.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.clear();
        self.spot = from.option(StateReader::f64)?;
        for _ in 0..from.len()? {
            let mut expiring = Expiring::load(from)?;
            let ascending = self.expiries.last().is_none_or(|last| last.expiry < expiring.expiry);
            corrupt_unless(ascending, "expiries out of order")?;
            if let Ok(slot) = &mut expiring.smile {
                *slot = self.smiles.len();
                let (years, forward, discount) = (from.f64()?, from.f64()?, from.f64()?);
                let mut points = Vec::new();
                for _ in 0..from.len()? {
                    let [log_moneyness, bid_vol, ask_vol, mid_vol, weight] =
                        [from.f64()?, from.f64()?, from.f64()?, from.f64()?, from.f64()?];
                    points.push(SmilePoint { log_moneyness, bid_vol, ask_vol, mid_vol, weight });
                }
                self.smiles.push(SmileQuotes { years, forward, discount, points });
            }
            self.expiries.push(expiring);
        }
        Ok(())
    }

    fn place(&self, expiry: Timestamp) -> Result<usize, usize> {
        self.expiries.binary_search_by_key(&expiry, |there| there.expiry)
    }

    fn insert(&mut self, index: usize, expiry: Timestamp) -> &mut Expiring {
        let new = Expiring { expiry, future: None, rows: Vec::new(), forward: None, smile: Err(NoSmile::NotMade) };
        self.expiries.insert(index, new);
        &mut self.expiries[index]
    }

    /// Judges each quote by itself, and finds the forward that the expiry has by itself.
    fn look(&mut self, index: usize, now: Timestamp) {
        let expiring = &mut self.expiries[index];
        for side in expiring.rows.iter_mut().flat_map(|row| &mut row.sides).flatten() {
            side.dropped = side.judge(now, &self.settings);
        }
        let discount = expiring.years(now).and_then(|years| discount(self.style, &self.settings, years));
        expiring.forward = discount.and_then(|discount| {
            let parity = expiring.parity(self.style, discount, &mut self.scratch.forwards);
            let recorded = expiring.recorded(&mut self.scratch.forwards);
            let recorded = recorded.map(|price| (price, ForwardSource::Recorded));
            let future = expiring.future.map(|price| (price, ForwardSource::Future));
            let told = [recorded, future].into_iter().flatten();
            let is_wrong = |price: f64| parity.is_some_and(|parity| parity.contradicts(price));
            let first = told.clone().find(|(price, _)| !is_wrong(*price));
            let (price, source) = first.or(parity.map(|parity| (parity.forward, ForwardSource::Parity)))?;
            let refused = told.map(|(price, _)| price).find(|price| is_wrong(*price));
            Some(Forward { price, source, parity, refused })
        });
    }

    /// Forwards by carry, and the smile.
    fn finish(&mut self, index: usize, now: Timestamp) {
        let smile = self.smile_of(index, now);
        match smile {
            Ok((years, forward, discount)) => {
                self.set_smile(index, Ok(0));
                // `set_smile` has just given it a place.
                if let Ok(slot) = self.expiries[index].smile {
                    let quotes = &mut self.smiles[slot];
                    (quotes.years, quotes.forward, quotes.discount) = (years, forward, discount);
                    // Copied, not swapped, so that each keeps the storage that is enough for it.
                    quotes.points.clone_from(&self.scratch.points);
                }
            }
            Err(reason) => self.set_smile(index, Err(reason)),
        }
    }

    /// Gives an expiry a place among the smiles if it has none, or takes it away. What stands in `Ok` does not matter.
    fn set_smile(&mut self, index: usize, smile: Result<usize, NoSmile>) {
        let before = self.expiries[index].smile;
        self.expiries[index].smile = match (before, smile) {
            (Ok(slot), Ok(_)) => Ok(slot),
            (Err(_), Err(reason)) => Err(reason),
            (Err(_), Ok(_)) => {
                let slot = self.expiries[..index].iter().filter(|expiring| expiring.smile.is_ok()).count();
                let empty = SmileQuotes { years: 0.0, forward: 0.0, discount: 1.0, points: Vec::new() };
                self.smiles.insert(slot, empty);
                for later in self.expiries[index + 1..].iter_mut().filter_map(|expiring| expiring.smile.as_mut().ok()) {
                    *later += 1;
                }
                Ok(slot)
            }
            (Ok(slot), Err(reason)) => {
                self.smiles.remove(slot);
                for later in self.expiries[index + 1..].iter_mut().filter_map(|expiring| expiring.smile.as_mut().ok()) {
                    *later -= 1;
                }
                Err(reason)
            }
        };
    }

    /// Years, forward and discount; the points in the scratch.
    fn smile_of(&mut self, index: usize, now: Timestamp) -> Result<(f64, f64, f64), NoSmile> {
        let years = self.expiries[index].years(now).ok_or(NoSmile::Expired)?;
        let discount = discount(self.style, &self.settings, years).ok_or(NoSmile::NoForward)?;
        if self.expiries[index].forward.is_none() {
            self.expiries[index].forward = self.interpolated(index, now);
        }
        let expiring = &mut self.expiries[index];
        let Forward { price: forward, refused, .. } = expiring.forward.ok_or(NoSmile::NoForward)?;
        let none_left = expiring.nothing_left();

        let Scratch { quotes, vols, candidates, points, .. } = &mut self.scratch;
        quotes.clear();
        candidates.clear();
        points.clear();
        for (row_index, row) in expiring.rows.iter_mut().enumerate() {
            for (side_index, side) in row.sides.iter_mut().enumerate() {
                let Some(side) = side.as_mut().filter(|side| side.dropped.is_none()) else { continue };
                // What parity contradicts is no forward of any quote.
                let own = side.forward.filter(|_| refused.is_none()).unwrap_or(forward);
                if (own / forward - 1.0).abs() > RECORDED_APART {
                    side.dropped = Some(Dropped::Forward);
                    continue;
                }
                let in_the_money = (side_index == 0) == (row.strike < own);
                if self.settings.sides == Sides::OutOfTheMoney && in_the_money {
                    side.dropped = Some(Dropped::OtherSide);
                    continue;
                }
                let prices = [side.bid, (side.bid + side.ask) * 0.5, side.ask];
                let pushed = prices.into_iter().try_for_each(|price| {
                    let inputs = QuoteInputs { forward: own, strike: row.strike, years, discount, price, tick: 0.0 };
                    quotes.push(SIDES[side_index], self.style, inputs)
                });
                if pushed.is_err() {
                    // All three or none: they share all numbers but the price, and prices were checked when they came.
                    side.dropped = Some(Dropped::NoVol);
                    continue;
                }
                candidates.push(Candidate { row: row_index, side: side_index, log_moneyness: ln(row.strike / own) });
            }
        }
        quotes.implied(Simd::best(), vols);

        let mut kept: Option<Candidate> = None;
        for (index, candidate) in candidates.iter().enumerate() {
            let row = &mut expiring.rows[candidate.row];
            let of = |place: usize| vols.get(3 * index + place).vol();
            let Some(point) = Side::point(candidate.log_moneyness, [of(0), of(1), of(2)]) else {
                row.drop(candidate.side, Dropped::NoVol);
                continue;
            };
            // Both of one strike: only where the tighter counts.
            if let Some(other) = kept.filter(|other| other.row == candidate.row) {
                let last = points.len() - 1;
                let better = point.ask_vol - point.bid_vol < points[last].ask_vol - points[last].bid_vol;
                let loser = if better { other.side } else { candidate.side };
                row.drop(loser, Dropped::OtherSide);
                if better {
                    points[last] = point;
                    kept = Some(*candidate);
                }
                continue;
            }
            points.push(point);
            kept = Some(*candidate);
        }
        // Quotes with forwards of their own may change places; equal places hold one.
        points.sort_unstable_by(|a, b| a.log_moneyness.total_cmp(&b.log_moneyness));
        points.dedup_by(|later, kept| later.log_moneyness == kept.log_moneyness);
        match (points.as_slice(), none_left) {
            ([], Some(reason)) => Err(reason),
            ([], None) => Err(NoSmile::NoQuotes),
            ([one], _) => {
                let strike = kept.map_or(f64::NAN, |kept| expiring.rows[kept.row].strike);
                Err(NoSmile::OneStrike { strike, vol: one.mid_vol })
            }
            _ => Ok((years, forward, discount)),
        }
    }

    /// The forward by carry: from spot and the neighbours that have one of their own.
    fn interpolated(&self, index: usize, now: Timestamp) -> Option<Forward> {
        let years = self.expiries[index].years(now)?;
        let known = |expiring: &Expiring| {
            let forward = expiring.forward.filter(|forward| forward.source != ForwardSource::Interpolated)?;
            Some((expiring.years(now)?, ln(forward.price)))
        };
        let spot = self.spot.map(|spot| (0.0, ln(spot)));
        let mut before = self.expiries[..index].iter().rev().filter_map(known).chain(spot);
        let mut after = self.expiries[index + 1..].iter().filter_map(known);
        let (first, second) = match (before.next(), after.next()) {
            (Some(low), Some(high)) => (low, Some(high)),
            (Some(last), None) => (last, before.next()),
            (None, Some(first)) => (first, after.next()),
            (None, None) => return None,
        };
        let slope = second.map_or(0.0, |second| (second.1 - first.1) / (second.0 - first.0));
        let price = exp((first.1 + slope * (years - first.0)).clamp(-700.0, 700.0));
        let price = Some(price).filter(|price| accepts(Field::Forward, *price))?;
        Some(Forward { price, source: ForwardSource::Interpolated, parity: None, refused: None })
    }
}

fn accepts(field: Field, value: f64) -> bool {
    let (low, high) = field.range();
    (low..=high).contains(&value)
}

/// `None` where the rate makes it nothing that discounts.
fn discount(style: OptionStyle, settings: &ChainSettings, years: f64) -> Option<f64> {
    let discount = match style {
        OptionStyle::Inverse => 1.0,
        OptionStyle::Linear => exp((-settings.rate * years).clamp(-700.0, 700.0)),
    };
    accepts(Field::Discount, discount).then_some(discount)
}

impl Side {
    /// Why the quote is of no use, as far as it tells by itself.
    fn judge(&self, now: Timestamp, settings: &ChainSettings) -> Option<Dropped> {
        if self.at > now {
            Some(Dropped::Later)
        } else if now.since(self.at) > settings.maximum_age {
            Some(Dropped::Stale)
        } else if self.bid <= 0.0 && self.ask <= 0.0 {
            Some(Dropped::Missing)
        } else if self.bid <= 0.0 {
            Some(Dropped::NoBid)
        } else if self.ask <= 0.0 {
            Some(Dropped::NoAsk)
        } else if self.bid > self.ask {
            Some(Dropped::Crossed)
        } else if self.bid <= self.tick * settings.one_tick * (1.0 + 1e-9) {
            Some(Dropped::OneTick)
        } else {
            None
        }
    }

    /// What the volatilities of bid, middle and ask make of it; `None` where one is missing or beyond all use.
    fn point(log_moneyness: f64, [bid, mid, ask]: [Option<f64>; 3]) -> Option<SmilePoint> {
        let (bid_vol, mid_vol, ask_vol) = (bid?, mid?, ask?);
        // Bid and ask that are equal, or a rounding apart, still hide a little.
        let bid_vol = bid_vol.min((mid_vol - LEAST_HALF_SPREAD).max(0.0));
        let ask_vol = ask_vol.max(mid_vol + LEAST_HALF_SPREAD);
        let fine = ask_vol <= Field::Vol.range().1 && log_moneyness.is_finite();
        fine.then_some(SmilePoint { log_moneyness, bid_vol, ask_vol, mid_vol, weight: 1.0 })
    }
}

fn corrupt_unless(fine: bool, what: &'static str) -> Result<(), Corrupt> {
    if fine { Ok(()) } else { Err(Corrupt { at: 0, what }) }
}

/// The one of `all` that a snapshot names by its place.
fn named<T: Copy>(from: &mut StateReader<'_>, all: &[T]) -> Result<T, Corrupt> {
    let place = from.u8()?;
    all.get(usize::from(place)).copied().ok_or(Corrupt { at: 0, what: "no such word of a chain" })
}

const SOURCES: [ForwardSource; 4] =
    [ForwardSource::Recorded, ForwardSource::Future, ForwardSource::Parity, ForwardSource::Interpolated];

impl Side {
    fn save(self, out: &mut StateWriter) {
        for value in [self.bid, self.ask, self.tick] {
            out.f64(value);
        }
        out.i64(self.at.nanos());
        out.option(self.forward, StateWriter::f64);
        out.option(self.dropped, |out, reason| out.u8(reason as u8));
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            bid: from.f64()?,
            ask: from.f64()?,
            tick: from.f64()?,
            at: Timestamp::from_nanos(from.i64()?),
            forward: from.option(StateReader::f64)?,
            dropped: from.option(|from| named(from, &Dropped::ALL))?,
        })
    }
}

impl Forward {
    fn save(self, out: &mut StateWriter) {
        out.f64(self.price);
        out.u8(self.source as u8);
        out.option(self.parity, |out, Parity { forward, low, high, strikes }| {
            for value in [forward, low, high] {
                out.f64(value);
            }
            out.u64(strikes as u64);
        });
        out.option(self.refused, StateWriter::f64);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (price, source) = (from.f64()?, named(from, &SOURCES)?);
        let parity = from.option(|from| {
            let (forward, low, high) = (from.f64()?, from.f64()?, from.f64()?);
            Ok(Parity { forward, low, high, strikes: from.u64()? as usize })
        })?;
        Ok(Self { price, source, parity, refused: from.option(StateReader::f64)? })
    }
}

impl Expiring {
    fn save(&self, out: &mut StateWriter) {
        out.i64(self.expiry.nanos());
        out.option(self.future, StateWriter::f64);
        out.len(self.rows.len());
        for row in &self.rows {
            out.f64(row.strike);
            for side in row.sides {
                out.option(side, |out, side| side.save(out));
            }
        }
        out.option(self.forward, |out, forward| forward.save(out));
        let (tag, count, strike, vol) = match self.smile {
            Ok(_) => (0, 0, 0.0, 0.0),
            Err(NoSmile::NotMade) => (1, 0, 0.0, 0.0),
            Err(NoSmile::Expired) => (2, 0, 0.0, 0.0),
            Err(NoSmile::NoForward) => (3, 0, 0.0, 0.0),
            Err(NoSmile::Crossed { quotes }) => (4, quotes, 0.0, 0.0),
            Err(NoSmile::NoQuotes) => (5, 0, 0.0, 0.0),
            Err(NoSmile::OneStrike { strike, vol }) => (6, 0, strike, vol),
        };
        out.u8(tag);
        out.u64(count as u64);
        out.f64(strike);
        out.f64(vol);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let expiry = Timestamp::from_nanos(from.i64()?);
        let future = from.option(StateReader::f64)?;
        let mut rows: Vec<Row> = Vec::new();
        for _ in 0..from.len()? {
            let strike = from.f64()?;
            corrupt_unless(accepts(Field::Strike, strike), "no strike")?;
            corrupt_unless(rows.last().is_none_or(|last| last.strike < strike), "strikes out of order")?;
            rows.push(Row { strike, sides: [from.option(Side::load)?, from.option(Side::load)?] });
        }
        let forward = from.option(Forward::load)?;
        let (tag, quotes, strike, vol) = (from.u8()?, from.u64()? as usize, from.f64()?, from.f64()?);
        let smile = match tag {
            0 => Ok(0),
            1 => Err(NoSmile::NotMade),
            2 => Err(NoSmile::Expired),
            3 => Err(NoSmile::NoForward),
            4 => Err(NoSmile::Crossed { quotes }),
            5 => Err(NoSmile::NoQuotes),
            6 => Err(NoSmile::OneStrike { strike, vol }),
            _ => return Err(Corrupt { at: 0, what: "no such answer of a chain" }),
        };
        Ok(Self { expiry, future, rows, forward, smile })
    }

    fn sides(&self) -> impl Iterator<Item = &Side> {
        self.rows.iter().flat_map(|row| &row.sides).flatten()
    }

    /// Years of 365 days to expiry; `None` from the instant on.
    fn years(&self, now: Timestamp) -> Option<f64> {
        let left = i128::from(self.expiry.nanos()) - i128::from(now.nanos());
        let years = left as f64 / (365.0 * Duration::DAY.nanos() as f64);
        (years > 0.0 && accepts(Field::Years, years)).then_some(years)
    }

    /// Where no quote passed: that they are all crossed, if that is the reason.
    fn nothing_left(&self) -> Option<NoSmile> {
        let crossed = self.sides().filter(|side| side.dropped == Some(Dropped::Crossed)).count();
        let passed = self.sides().any(|side| matches!(side.dropped, None | Some(Dropped::OneTick)));
        (crossed > 0 && !passed).then_some(NoSmile::Crossed { quotes: crossed })
    }

    /// Median of the forwards recorded with quotes that are neither later nor stale.
    fn recorded(&self, forwards: &mut Vec<(f64, f64)>) -> Option<f64> {
        forwards.clear();
        let timely = |side: &&Side| !matches!(side.dropped, Some(Dropped::Later | Dropped::Stale));
        forwards.extend(self.sides().filter(timely).filter_map(|side| Some((side.forward?, 1.0))));
        weighted_median(forwards)
    }

    /// The forward that call and put imply: of a strike call − put = discount × (F − K), or in coin 1 − K/F.
    fn parity(&self, style: OptionStyle, discount: f64, forwards: &mut Vec<(f64, f64)>) -> Option<Parity> {
        forwards.clear();
        let (mut low, mut high) = (0.0_f64, f64::INFINITY);
        for row in &self.rows {
            let [Some(call), Some(put)] = row.sides else { continue };
            if call.dropped.is_some() || put.dropped.is_some() {
                continue;
            }
            let forward = |difference: f64| match style {
                OptionStyle::Linear => row.strike + difference / discount,
                OptionStyle::Inverse => row.strike / (1.0 - difference / discount),
            };
            let range = (call.bid - put.ask, call.ask - put.bid);
            let middle = (range.0 + range.1) * 0.5;
            if style == OptionStyle::Inverse && range.1 >= discount {
                continue;
            }
            let (at, below, above) = (forward(middle), forward(range.0), forward(range.1));
            let ticks = (call.tick + put.tick) * 0.5 * if style == OptionStyle::Inverse { at } else { 1.0 };
            let width = (above - below).max(ticks).max(at * 1e-7);
            if !(accepts(Field::Forward, at) && above.is_finite() && width > 0.0) {
                continue;
            }
            (low, high) = (low.max(below), high.min(above));
            forwards.push((at, 1.0 / (width * width)));
        }
        let median = weighted_median(forwards)?;
        let forward = if low <= high { median.clamp(low, high) } else { median };
        let strikes = forwards.len();
        accepts(Field::Forward, forward).then_some(Parity { forward, low, high, strikes })
    }
}

/// The value up to which half of the weight lies; between two values if half lies exactly there.
fn weighted_median(values: &mut [(f64, f64)]) -> Option<f64> {
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|value| value.1).sum::<f64>() * 0.5;
    let mut sum = 0.0;
    for (index, value) in values.iter().enumerate() {
        sum += value.1;
        if sum > half {
            return Some(value.0);
        }
        if sum == half {
            return Some(values.get(index + 1).map_or(value.0, |next| (value.0 + next.0) * 0.5));
        }
    }
    values.last().map(|value| value.0)
}
