//! What is quoted for options: by underlying and venue, expiry, strike and right.
//!
//! All rows are there from the catalogue on, so that a quote is one look-up and never an allocation.

mod prices;

use market::{Catalogue, Currency, Event, Instrument, OptionQuote, is_dollar};
pub use prices::LastPrice;
use prices::Prices;
use pricing::options::{OptionKind, OptionStyle};
use pricing::surface::{ChainSettings, ForwardSource};
use std::collections::BTreeMap;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, InstrumentId, OptionRight, Price, Qty, Round, Timestamp};

/// A price of the underlying from so long before is no price of it now.
pub const SPOT_AGE_MAX: Duration = Duration::HOUR;

/// The quotes of all options of a run.
#[derive(Debug, Clone, Default)]
pub struct Chains {
    chains: Vec<Chain>,
    /// By instrument, where its row is. Empty: there is no option.
    places: Vec<Option<Place>>,
    /// By instrument, the chains whose underlying's price it tells, or of which expiry the forward. Empty: there is no option.
    prices: Vec<Vec<(u32, Option<u32>)>>,
    /// When the next options expire.
    next_expiry: Timestamp,
    /// How many quotes came so far, and how many when implied forwards were last looked for.
    changes: u64,
    implied: u64,
}

/// Where an option's row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    chain: u32,
    expiry: u32,
    row: u32,
}

/// The options on one underlying at one venue that settle in one currency.
#[derive(Debug, Clone)]
pub struct Chain {
    venue: String,
    base: Currency,
    settle: Currency,
    /// In order of time; the first `expired` of them are past.
    expiries: Vec<ChainExpiry>,
    expired: usize,
    changes: u64,
    /// Quotes when implied forwards were last looked for, as of each expiry.
    implied: u64,
    /// When the last quote came.
    quoted: Timestamp,
    /// What tells the price of the underlying.
    spots: Prices,
}

/// The options of one expiry.
#[derive(Debug, Clone)]
pub struct ChainExpiry {
    at: Timestamp,
    forward: Option<Price>,
    /// When calls and puts implied it, or a future told it; `None`: quotes told it.
    implied_at: Option<Timestamp>,
    /// Whether it was a future.
    is_of_future: bool,
    /// The futures that expire with it.
    futures: Prices,
    /// The one that was last told with any of its quotes.
    told: Option<Price>,
    /// The forward told that calls and puts contradicted most, if they ever did; and whether they contradict the present one.
    refused: Option<RefusedForward>,
    is_refused: bool,
    changes: u64,
    implied: u64,
    /// By strike, the call before the put.
    rows: Vec<QuotedOption>,
}

/// A forward that came with quotes and that put–call parity contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedForward {
    /// As it was recorded.
    pub told: Price,
    /// What calls and puts implied, and was taken in its place.
    pub parity: Price,
}

impl RefusedForward {
    /// How far the recorded one lies over parity's, as a fraction.
    #[must_use]
    pub fn over(&self) -> f64 {
        self.told.approximate() / self.parity.approximate() - 1.0
    }
}

/// An option as it was last quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotedOption {
    /// Which.
    pub instrument: InstrumentId,
    /// Its strike.
    pub strike: Price,
    /// Call or put.
    pub right: OptionRight,
    /// Its price grid.
    pub tick: Price,
    /// Its quantity grid.
    pub lot: Qty,
    /// Its smallest order.
    pub min_qty: Qty,
    /// What is quoted.
    pub quote: OptionQuote,
    /// What it was last valued at, which a quote without any price leaves as it was.
    pub value: Option<Price>,
    /// When it was quoted; the beginning of time: never.
    pub quoted: Timestamp,
}

impl QuotedOption {
    fn new(instrument: InstrumentId, of: &Instrument, strike: Price, right: OptionRight) -> Self {
        Self {
            instrument,
            strike,
            right,
            tick: of.tick,
            lot: of.lot,
            min_qty: of.min_qty,
            quote: OptionQuote::empty(instrument),
            value: None,
            quoted: Timestamp::MIN,
        }
    }
}

impl ChainExpiry {
    /// When they expire.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The forward that was last told with any of its quotes; where none ever was, that of a future as of its last quote; without one, or
    /// where calls and puts contradict what was told, the one that they last implied.
    #[must_use]
    pub fn forward(&self) -> Option<Price> {
        self.forward
    }

    /// Whether its forward is that of put–call parity: no quote ever told one, or calls and puts contradict it.
    #[must_use]
    pub fn is_implied(&self) -> bool {
        self.implied_at.is_some() && !self.is_of_future
    }

    /// The last price of a future in dollars that expires with it, as it stood beside the last quote of the chain or since: of the latest
    /// one; of equal times that of the chain's venue, then by name. `None`: there is none, or it is older than quotes may be.
    #[must_use]
    pub fn future(&self, now: Timestamp) -> Option<LastPrice> {
        self.futures.latest(now, ChainSettings::default().maximum_age)
    }

    /// Whether calls and puts contradict the forward that its quotes tell.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// When its calls and puts implied its forward last, or a future told it.
    #[must_use]
    pub fn implied_at(&self) -> Option<Timestamp> {
        self.implied_at
    }

    /// When its forward was told: by calls and puts or a future, else with the latest of the last quotes that tell one. `None`: not known.
    #[must_use]
    pub fn forward_at(&self) -> Option<Timestamp> {
        let telling = self.rows.iter().filter(|row| row.quote.underlying().is_some()).map(|row| row.quoted);
        self.implied_at.or_else(|| telling.max())
    }

    /// How many quotes of it came so far: whoever keeps the number knows whether anything changed since.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Its options, by strike, the call before the put.
    #[must_use]
    pub fn options(&self) -> &[QuotedOption] {
        &self.rows
    }

    /// Its options that were ever quoted, as a surface takes them.
    pub fn quotes(&self) -> impl Iterator<Item = pricing::surface::OptionQuote> + '_ {
        self.rows.iter().filter(|option| option.quoted != Timestamp::MIN).map(|option| {
            let side = |price: Option<Price>| price.map(Price::approximate);
            let kind = match option.right {
                OptionRight::Call => OptionKind::Call,
                OptionRight::Put => OptionKind::Put,
            };
            pricing::surface::OptionQuote {
                expiry: self.at,
                strike: option.strike.approximate(),
                kind,
                bid: side(option.quote.bid()),
                ask: side(option.quote.ask()),
                tick: option.tick.approximate(),
                at: option.quoted,
                forward: side(option.quote.underlying()),
            }
        })
    }

    /// The forward by its quotes, as the surface has it.
    fn seen(&self, in_coin: bool, now: Timestamp) -> Option<pricing::surface::Forward> {
        let style = if in_coin { OptionStyle::Inverse } else { OptionStyle::Linear };
        let mut chain = pricing::surface::Chain::new(style, ChainSettings::default());
        chain.read(self.quotes());
        if self.told.is_none() {
            chain.set_future(self.at, self.future(now).map(|future| future.price.approximate()));
        }
        chain.forward_of(chain.index_of(self.at)?, now)
    }

    /// Takes a future's forward or parity's where no quote ever told one, and parity's where calls and puts contradict what they tell.
    fn imply_forward(&mut self, in_coin: bool, now: Timestamp) {
        let seen = self.seen(in_coin, now);
        let price = |estimate| Price::from_estimate(estimate, Round::Nearest).filter(|price| price.raw() > 0);
        let refused = seen.filter(|_| self.told.is_some()).and_then(|seen| {
            let (told, parity) = (price(seen.refused?)?, price(seen.price)?);
            (seen.source == ForwardSource::Parity).then_some(RefusedForward { told, parity })
        });
        match (seen, refused) {
            (_, Some(refused)) => {
                let is_most = |before: &RefusedForward| refused.over().abs() > before.over().abs();
                if self.refused.as_ref().is_none_or(is_most) {
                    self.refused = Some(refused);
                }
                (self.forward, self.implied_at, self.is_refused) = (Some(refused.parity), Some(now), true);
                self.is_of_future = false;
            }
            (Some(seen), None) if self.told.is_none() => {
                // What no strike implies now leaves the last one, as what is not told does.
                if let Some(forward) = price(seen.price) {
                    (self.forward, self.implied_at) = (Some(forward), Some(now));
                    self.is_of_future = seen.source == ForwardSource::Future;
                }
            }
            (Some(seen), None) if self.is_refused && seen.parity.is_some() => {
                (self.forward, self.implied_at, self.is_refused) = (self.told, None, false);
            }
            _ => {}
        }
    }
}

impl Chain {
    /// Where they are listed.
    #[must_use]
    pub fn venue(&self) -> &str {
        &self.venue
    }

    /// What they are on.
    #[must_use]
    pub fn base(&self) -> Currency {
        self.base
    }

    /// What they are paid and settled in.
    #[must_use]
    pub fn settle(&self) -> Currency {
        self.settle
    }

    /// Whether they are paid in the coin that they are on.
    #[must_use]
    pub fn is_in_coin(&self) -> bool {
        self.base == self.settle
    }

    /// How many quotes of it came so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// How many of its expiries, past ones counted, have a forward that their calls and puts imply because no quote told one.
    #[must_use]
    pub fn implied(&self) -> usize {
        self.expiries.iter().filter(|expiry| expiry.is_implied() && expiry.told.is_none()).count()
    }

    /// The forwards that calls and puts contradicted: of each expiry, past ones counted, the one that lay furthest off.
    pub fn refused_forwards(&self) -> impl Iterator<Item = RefusedForward> + '_ {
        self.expiries.iter().filter_map(|expiry| expiry.refused)
    }

    /// The last price of the underlying in dollars, of a perpetual or spot, as it stood beside the last quote or since: of the latest one;
    /// of equal times a perpetual's before spot's, then that of the chain's venue, then by name. `None`: there is none, or it is over
    /// [`SPOT_AGE_MAX`] old.
    #[must_use]
    pub fn spot(&self, now: Timestamp) -> Option<LastPrice> {
        self.spots.latest(now, SPOT_AGE_MAX)
    }

    /// The expiries to come, in order of time.
    #[must_use]
    pub fn expiries(&self) -> &[ChainExpiry] {
        &self.expiries[self.expired..]
    }
}

impl Chains {
    /// A row for each option of a catalogue.
    #[must_use]
    pub fn new(catalogue: &Catalogue) -> Self {
        type Rows = BTreeMap<(Timestamp, Price, OptionRight), InstrumentId>;
        let mut found: BTreeMap<(&str, Currency, Currency), Rows> = BTreeMap::new();
        for (index, of) in catalogue.instruments.iter().enumerate() {
            let (Some((strike, right)), Some(expiry)) = (of.kind.option(), of.kind.expiry()) else { continue };
            let rows = found.entry((of.venue(), of.base, of.settle)).or_default();
            // Of two that are one option that of the first name is taken, whichever tape comes first; the other stays without a row.
            let taken = rows.entry((expiry, strike, right)).or_insert(InstrumentId(index as u32));
            if of.symbol < catalogue.instruments[taken.index()].symbol {
                *taken = InstrumentId(index as u32);
            }
        }
        if found.is_empty() {
            return Self { next_expiry: Timestamp::MAX, ..Self::default() };
        }
        let mut chains = Self { places: vec![None; catalogue.instruments.len()], ..Self::default() };
        for ((venue, base, settle), rows) in found {
            let mut chain = Chain {
                venue: venue.to_owned(),
                base,
                settle,
                expiries: Vec::new(),
                expired: 0,
                changes: 0,
                implied: 0,
                quoted: Timestamp::MIN,
                spots: Prices::default(),
            };
            for ((at, strike, right), instrument) in rows {
                if chain.expiries.last().is_none_or(|last| last.at != at) {
                    chain.expiries.push(ChainExpiry {
                        at,
                        forward: None,
                        implied_at: None,
                        is_of_future: false,
                        futures: Prices::default(),
                        told: None,
                        refused: None,
                        is_refused: false,
                        changes: 0,
                        implied: 0,
                        rows: Vec::new(),
                    });
                }
                let expiry = chain.expiries.len() - 1;
                let rows = &mut chain.expiries[expiry].rows;
                chains.places[instrument.index()] =
                    Some(Place { chain: chains.chains.len() as u32, expiry: expiry as u32, row: rows.len() as u32 });
                rows.push(QuotedOption::new(instrument, &catalogue.instruments[instrument.index()], strike, right));
            }
            chains.chains.push(chain);
        }
        chains.find_prices(catalogue);
        chains.find_next_expiry();
        chains
    }

    /// What tells the price of each chain's coin; and the futures in dollars on it that expire with options, those of its venue first,
    /// then by name.
    fn find_prices(&mut self, catalogue: &Catalogue) {
        self.prices = vec![Vec::new(); catalogue.instruments.len()];
        let is_future = |of: &Instrument| !of.kind.is_option() && of.kind.expiry().is_some() && is_dollar(of.quote);
        let mut futures: Vec<_> = catalogue.instruments.iter().enumerate().filter(|(_, of)| is_future(of)).collect();
        futures.sort_by_key(|(_, of)| &of.symbol);
        for (at, chain) in self.chains.iter_mut().enumerate() {
            let mut spots: Vec<_> = catalogue.prices_of(chain.base).collect();
            spots.sort_by_key(|spot| {
                let of = &catalogue.instruments[spot.index()];
                (!of.kind.is_perpetual(), of.venue() != chain.venue, &of.symbol)
            });
            spots.iter().for_each(|spot| self.prices[spot.index()].push((at as u32, None)));
            chain.spots = Prices::of(spots);
            for (place, expiry) in chain.expiries.iter_mut().enumerate() {
                let with = |of: &Instrument| of.base == chain.base && of.kind.expiry() == Some(expiry.at);
                let mut with: Vec<_> = futures.iter().filter(|(_, of)| with(of)).collect();
                with.sort_by_key(|(_, of)| of.venue() != chain.venue);
                expiry.futures = Prices::of(with.into_iter().map(|(index, _)| InstrumentId(*index as u32)));
                for instrument in expiry.futures.instruments() {
                    self.prices[instrument.index()].push((at as u32, Some(place as u32)));
                }
            }
        }
    }

    /// Takes in a price where the event is one that tells something of options: of their underlying, or of a future that expires with them.
    pub fn see(&mut self, event: &Event, now: Timestamp) {
        let (instrument, price) = match event {
            Event::Bar(bar) => (bar.instrument, bar.close),
            Event::Mark(mark) => (mark.instrument, mark.price),
            Event::Trade(trade) => (trade.instrument, trade.price),
            Event::OptionQuote(_)
            | Event::Funding(_)
            | Event::Series(_)
            | Event::Cash(_)
            | Event::Order(_)
            | Event::Settlement(_) => return,
        };
        for (chain, expiry) in self.prices.get(instrument.index()).into_iter().flatten() {
            let Chain { quoted, spots, expiries, .. } = &mut self.chains[*chain as usize];
            let prices = expiry.map_or(spots, |expiry| &mut expiries[expiry as usize].futures);
            prices.tell(instrument, price, now, *quoted);
        }
    }

    /// All chains, by venue and underlying.
    #[must_use]
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// How many quotes of all chains came so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The number of the chain at a venue, on an underlying, settled in a currency.
    #[must_use]
    pub fn find(&self, venue: &str, base: Currency, settle: Currency) -> Option<usize> {
        self.chains.iter().position(|chain| chain.venue == venue && chain.base == base && chain.settle == settle)
    }

    /// Whether a chain's options are on a coin and paid in it.
    #[must_use]
    pub fn is_in_coin(&self, chain: Option<usize>, coin: Currency) -> bool {
        chain.is_some_and(|chain| self.chains[chain].base == coin && self.chains[chain].is_in_coin())
    }

    /// The number of the chain on a coin that lists most options now; of equals the first.
    #[must_use]
    pub fn largest(&self, base: &str) -> Option<usize> {
        let on = self.chains.iter().enumerate().filter(|(_, chain)| chain.base.as_str() == base);
        let size = |chain: &Chain| chain.expiries().iter().map(|expiry| expiry.options().len()).sum::<usize>();
        on.max_by_key(|(at, chain)| (size(chain), std::cmp::Reverse(*at))).map(|(at, _)| at)
    }

    fn place(&self, instrument: InstrumentId) -> Option<Place> {
        self.places.get(instrument.index()).copied().flatten()
    }

    /// The number of the chain that an option is of. `None`: it is none.
    #[must_use]
    pub fn chain_of(&self, instrument: InstrumentId) -> Option<usize> {
        self.place(instrument).map(|place| place.chain as usize)
    }

    /// An option as it was last quoted, also after it has expired. `None`: it is none.
    #[must_use]
    pub fn option(&self, instrument: InstrumentId) -> Option<&QuotedOption> {
        let place = self.place(instrument)?;
        Some(&self.chains[place.chain as usize].expiries[place.expiry as usize].rows[place.row as usize])
    }

    /// When an option expires, and the forward that was last told for that moment.
    #[must_use]
    pub fn expiry(&self, instrument: InstrumentId) -> Option<(Timestamp, Option<Price>)> {
        self.expiry_of(instrument).map(|expiry| (expiry.at, expiry.forward))
    }

    /// The options that expire with an option, also after they have. `None`: it is none.
    #[must_use]
    pub fn expiry_of(&self, instrument: InstrumentId) -> Option<&ChainExpiry> {
        let place = self.place(instrument)?;
        Some(&self.chains[place.chain as usize].expiries[place.expiry as usize])
    }

    /// Takes in a quote. What the option is valued at from now on; `None`: nothing was ever quoted, or it has expired.
    #[inline]
    pub fn quote(&mut self, quote: &OptionQuote, now: Timestamp) -> Option<Price> {
        let place = self.place(quote.instrument)?;
        let chain = &mut self.chains[place.chain as usize];
        if (place.expiry as usize) < chain.expired {
            return None;
        }
        let expiry = &mut chain.expiries[place.expiry as usize];
        let row = &mut expiry.rows[place.row as usize];
        (row.quote, row.quoted) = (*quote, now);
        row.value = quote.value().or(row.value);
        if let Some(told) = quote.underlying() {
            expiry.told = Some(told);
            // What calls and puts contradict stays refused until they allow what is told.
            if !expiry.is_refused {
                (expiry.forward, expiry.implied_at, expiry.is_of_future) = (Some(told), None, false);
            }
        }
        expiry.changes += 1;
        chain.changes += 1;
        chain.quoted = now;
        self.changes += 1;
        row.value
    }

    /// Finds the forwards of expiries whose quotes tell none, or one that calls and puts contradict, by put–call parity. After the quotes
    /// of an input.
    pub fn imply_forwards(&mut self, now: Timestamp) {
        if self.changes == self.implied {
            return;
        }
        self.implied = self.changes;
        for chain in &mut self.chains {
            if std::mem::replace(&mut chain.implied, chain.changes) == chain.changes {
                continue;
            }
            let in_coin = chain.is_in_coin();
            for expiry in &mut chain.expiries[chain.expired..] {
                if std::mem::replace(&mut expiry.implied, expiry.changes) != expiry.changes {
                    expiry.imply_forward(in_coin, now);
                }
            }
        }
    }

    /// Drops what has expired.
    #[inline]
    pub fn expire(&mut self, now: Timestamp) {
        if now >= self.next_expiry {
            self.drop_expired(now);
        }
    }

    #[cold]
    fn drop_expired(&mut self, now: Timestamp) {
        for chain in 0..self.chains.len() {
            self.expire_chain(chain, now);
        }
    }

    /// Drops what of one chain has expired.
    pub fn expire_chain(&mut self, chain: usize, now: Timestamp) {
        let chain = &mut self.chains[chain];
        chain.expired = chain.expiries.partition_point(|expiry| expiry.at <= now);
        self.find_next_expiry();
    }

    fn find_next_expiry(&mut self) {
        let next = self.chains.iter().filter_map(|chain| chain.expiries().first()).map(|expiry| expiry.at);
        self.next_expiry = next.min().unwrap_or(Timestamp::MAX);
    }

    /// Writes what was quoted. Of expired options too: what they were last valued at is what is left of them.
    pub fn save(&self, out: &mut StateWriter) {
        for chain in &self.chains {
            out.len(chain.expired);
            out.u64(chain.changes);
            out.i64(chain.quoted.nanos());
            chain.spots.save(out);
            for expiry in &chain.expiries {
                expiry.futures.save(out);
                out.u64(expiry.changes);
                if expiry.changes == 0 {
                    continue;
                }
                out.option(expiry.forward, |out, price| out.i64(price.raw()));
                out.option(expiry.implied_at, |out, at| out.i64(at.nanos()));
                out.bool(expiry.is_of_future);
                out.option(expiry.told, |out, price| out.i64(price.raw()));
                out.bool(expiry.is_refused);
                out.option(expiry.refused, |out, refused| {
                    out.i64(refused.told.raw());
                    out.i64(refused.parity.raw());
                });
                for row in &expiry.rows {
                    out.i64(row.quoted.nanos());
                    if row.quoted != Timestamp::MIN {
                        row.quote.save(out);
                        out.option(row.value, |out, price| out.i64(price.raw()));
                    }
                }
            }
        }
    }

    /// Reads what [`Self::save`] wrote, into the rows of the same catalogue.
    ///
    /// # Errors
    ///
    /// Bytes that are no chains of it.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        for chain in &mut self.chains {
            chain.expired = from.len()?.min(chain.expiries.len());
            chain.changes = from.u64()?;
            chain.implied = chain.changes;
            chain.quoted = Timestamp::from_nanos(from.i64()?);
            chain.spots.load(from)?;
            for expiry in &mut chain.expiries {
                expiry.futures.load(from)?;
                expiry.changes = from.u64()?;
                (expiry.forward, expiry.implied_at, expiry.refused) = (None, None, None);
                (expiry.told, expiry.is_refused, expiry.is_of_future) = (None, false, false);
                // Between inputs nothing is left to be looked for.
                expiry.implied = expiry.changes;
                for row in &mut expiry.rows {
                    (row.quote, row.quoted, row.value) = (OptionQuote::empty(row.instrument), Timestamp::MIN, None);
                }
                if expiry.changes == 0 {
                    continue;
                }
                expiry.forward = from.option(StateReader::i64)?.map(Price::from_raw);
                expiry.implied_at = from.option(StateReader::i64)?.map(Timestamp::from_nanos);
                expiry.is_of_future = from.bool()?;
                expiry.told = from.option(StateReader::i64)?.map(Price::from_raw);
                expiry.is_refused = from.bool()?;
                expiry.refused = from.option(|from| {
                    let [told, parity] = [Price::from_raw(from.i64()?), Price::from_raw(from.i64()?)];
                    Ok(RefusedForward { told, parity })
                })?;
                for row in &mut expiry.rows {
                    row.quoted = Timestamp::from_nanos(from.i64()?);
                    if row.quoted != Timestamp::MIN {
                        row.quote = OptionQuote::load(from)?;
                        row.value = from.option(StateReader::i64)?.map(Price::from_raw);
                    }
                }
            }
        }
        self.changes = self.chains.iter().map(|chain| chain.changes).sum();
        self.implied = self.changes;
        self.find_next_expiry();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
    use super::*;
    use market::InstrumentKind;
    use units::Duration;

    /// The beginning of time in these tests.
    const NOW: Timestamp = Timestamp::from_nanos(1_767_254_400_000_000_000);

    fn days(days: i64) -> Timestamp {
        NOW + Duration::from_nanos(days * Duration::DAY.nanos())
    }

    fn option(expiry: Timestamp, strike: &str, right: OptionRight) -> Instrument {
        let btc: Currency = "BTC".parse().unwrap();
        let strike: Price = strike.parse().unwrap();
        Instrument {
            symbol: format!("sim:BTC-{expiry}-{strike}-{right}"),
            kind: InstrumentKind::InverseOption { expiry, strike, right },
            base: btc,
            quote: btc,
            settle: btc,
            tick: "0.0001".parse().unwrap(),
            lot: "0.1".parse().unwrap(),
            min_qty: "0.1".parse().unwrap(),
        }
    }

    fn quote(instrument: u32, bid: &str, ask: &str, forward: &str) -> OptionQuote {
        let price = |text: &str| text.parse::<Price>().unwrap();
        OptionQuote::empty(InstrumentId(instrument))
            .with_bid(price(bid), None)
            .with_ask(price(ask), None)
            .with_underlying(price(forward))
    }

    fn catalogue() -> Catalogue {
        let mut instruments = vec![
            option(days(60), "90000", OptionRight::Call),
            option(days(30), "110000", OptionRight::Put),
            option(days(30), "90000", OptionRight::Put),
            option(days(30), "90000", OptionRight::Call),
        ];
        instruments.push(Instrument {
            symbol: "sim:BTC-PERP".into(),
            kind: InstrumentKind::InversePerpetual,
            ..instruments[0].clone()
        });
        instruments.push(Instrument { symbol: "other:X".into(), ..instruments[0].clone() });
        Catalogue { instruments, series: Vec::new() }
    }

    #[test]
    fn options_stand_by_expiry_and_strike_and_what_has_expired_is_gone() {
        let mut chains = Chains::new(&catalogue());
        assert_eq!(chains.chains().len(), 2, "one of each venue");
        let btc = "BTC".parse().unwrap();
        let chain = chains.find("sim", btc, btc).unwrap();
        assert!(chains.chains()[chain].is_in_coin());
        let listed = |chains: &Chains| -> Vec<Vec<u32>> {
            let expiries = chains.chains()[chain].expiries().iter();
            expiries.map(|expiry| expiry.options().iter().map(|row| row.instrument.0).collect()).collect()
        };
        assert_eq!(listed(&chains), [vec![3, 2, 1], vec![0]]);
        assert_eq!(chains.quote(&quote(2, "0.01", "0.02", "100000"), NOW), Some("0.015".parse().unwrap()));
        assert_eq!(chains.quote(&quote(4, "1", "2", "3"), NOW), None, "no option");
        let expiry = &chains.chains()[chain].expiries()[0];
        assert_eq!((expiry.changes(), expiry.forward()), (1, Some("100000".parse().unwrap())));
        assert_eq!(chains.chains()[chain].expiries()[1].changes(), 0);
        // A quote without any price leaves what the option was last valued at, and takes its sides away.
        assert_eq!(chains.quote(&OptionQuote::empty(InstrumentId(2)), days(1)), Some("0.015".parse().unwrap()));
        assert_eq!(chains.option(InstrumentId(2)).unwrap().quote.bid(), None);
        chains.expire(days(29));
        assert_eq!(listed(&chains).len(), 2);
        chains.expire(days(30));
        assert_eq!(listed(&chains), [vec![0]]);
        assert_eq!(chains.quote(&quote(2, "0.01", "0.02", "100000"), days(30)), None, "it has expired");
        assert_eq!(chains.expiry(InstrumentId(2)).unwrap().0, days(30));
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let catalogue = catalogue();
        let mut chains = Chains::new(&catalogue);
        chains.quote(&quote(2, "0.01", "0.02", "100000"), days(1));
        chains.quote(&quote(0, "0.03", "0.05", "101000"), days(2));
        chains.imply_forwards(days(2));
        chains.expire(days(30));
        let mut out = StateWriter::new();
        chains.save(&mut out);
        let mut loaded = Chains::new(&catalogue);
        loaded.quote(&quote(3, "0.5", "0.6", "1"), NOW);
        let mut from = StateReader::new(out.as_bytes());
        loaded.load(&mut from).unwrap();
        from.end().unwrap();
        assert_eq!(format!("{chains:?}"), format!("{loaded:?}"));
    }

    /// F = K ÷ (1 − (call − put)) in coin: 90,000 ÷ (1 − 0.1).
    #[test]
    fn where_no_forward_is_told_calls_and_puts_imply_it_until_one_is() {
        let mut chains = Chains::new(&catalogue());
        let side = |instrument, bid, ask| {
            let told = quote(instrument, bid, ask, "1");
            told.with_underlying(None)
        };
        let forward = |chains: &Chains| {
            let expiry = &chains.chains()[1].expiries()[0];
            (expiry.forward().map(|forward| forward.to_string()), expiry.is_implied())
        };
        chains.quote(&side(3, "0.119", "0.121"), NOW);
        chains.imply_forwards(NOW);
        assert_eq!(forward(&chains), (None, false), "a call alone implies none");
        chains.quote(&side(2, "0.019", "0.021"), NOW);
        chains.imply_forwards(NOW);
        assert_eq!(forward(&chains), (Some("100000".into()), true));
        // What no strike implies now leaves the last one.
        chains.quote(&side(2, "0.03", "0.02"), days(1));
        chains.imply_forwards(days(1));
        assert_eq!(forward(&chains), (Some("100000".into()), true));
        chains.quote(&quote(2, "0.019", "0.021", "100100"), days(1));
        chains.imply_forwards(days(1));
        assert_eq!(forward(&chains), (Some("100100".into()), false));
    }

    /// 90,000 ÷ (1 − 0.1) again, bounds 1 − 0.098 and 1 − 0.102: 99,778 to 100,223, and 0.2 % beyond.
    #[test]
    fn a_forward_that_calls_and_puts_contradict_is_refused_until_they_allow_it() {
        let mut chains = Chains::new(&catalogue());
        let mut say = |call: [&str; 3], put: [&str; 3], now| {
            chains.quote(&quote(3, call[0], call[1], call[2]), now);
            chains.quote(&quote(2, put[0], put[1], put[2]), now);
            chains.imply_forwards(now);
            let expiry = &chains.chains()[1].expiries()[0];
            let refused: Vec<_> =
                chains.chains()[1].refused_forwards().map(|refused| refused.told.to_string()).collect();
            (expiry.forward().unwrap().to_string(), expiry.is_refused(), chains.chains()[1].implied(), refused)
        };
        let halved = |told| (["0.119", "0.121", told], ["0.019", "0.021", told]);
        let (call, put) = halved("50000");
        assert_eq!(say(call, put, NOW), ("100000".into(), true, 0, vec!["50000".into()]));
        // Quotes that imply nothing leave it refused.
        let crossed = ["0.021", "0.019", "50000"];
        assert_eq!(say(call, crossed, days(1)), ("100000".into(), true, 0, vec!["50000".into()]));
        let (call, put) = halved("100400");
        assert_eq!(say(call, put, days(2)), ("100400".into(), false, 0, vec!["50000".into()]), "within the tolerance");
        let (call, put) = halved("100500");
        assert_eq!(say(call, put, days(3)), ("100000".into(), true, 0, vec!["50000".into()]), "the furthest is told");
    }

    /// No forward is told and calls alone imply none: that of the future, as it stood beside the last quote; then of the venue's own
    /// before another's of the same time.
    #[test]
    fn a_future_tells_the_forward_of_an_expiry_as_it_stood_beside_its_last_quote() {
        let mut catalogue = catalogue();
        let usd = Currency::USD;
        let future = |symbol: &str, expiry| Instrument {
            symbol: symbol.into(),
            kind: InstrumentKind::InverseFuture { expiry },
            quote: usd,
            ..catalogue.instruments[0].clone()
        };
        let futures = [future("a:BTC-F", days(30)), future("sim:BTC-F", days(30)), future("sim:BTC-G", days(29))];
        catalogue.instruments.extend(futures);
        let mut chains = Chains::new(&catalogue);
        let mark = |instrument: u32, price: &str| {
            Event::Mark(market::Mark { instrument: InstrumentId(instrument), price: price.parse().unwrap() })
        };
        let call = quote(3, "0.119", "0.121", "1").with_underlying(None);
        let second = Duration::SECOND;
        let told = |chains: &Chains, now| {
            let of = chains.chains()[1].expiries()[0].future(now)?;
            Some((of.instrument.0, of.price.to_string()))
        };
        chains.see(&mark(8, "90000"), NOW);
        assert_eq!(told(&chains, NOW), None, "another day");
        chains.see(&mark(6, "99000"), NOW);
        chains.see(&mark(7, "99500"), NOW);
        chains.quote(&call, NOW);
        chains.imply_forwards(NOW);
        let expiry = &chains.chains()[1].expiries()[0];
        assert_eq!((expiry.forward().unwrap().to_string(), expiry.is_implied()), ("99500".into(), false));
        chains.see(&mark(6, "98000"), NOW + second);
        chains.see(&mark(6, "97000"), NOW + second + second);
        assert_eq!(told(&chains, NOW), Some((7, "99500".into())), "what came since is not of the quote's moment");
        assert_eq!(told(&chains, NOW + second + second), Some((6, "97000".into())));
        let quarter = Duration::from_nanos(15 * Duration::MINUTE.nanos());
        assert_eq!(told(&chains, NOW + second + second + quarter), Some((6, "97000".into())));
        assert_eq!(told(&chains, NOW + second + second + quarter + second), None, "older than a quote may be");
        let mut out = StateWriter::new();
        chains.save(&mut out);
        let mut loaded = Chains::new(&catalogue);
        loaded.load(&mut StateReader::new(out.as_bytes())).unwrap();
        assert_eq!(format!("{chains:?}"), format!("{loaded:?}"));
    }

    /// A perpetual that told its mark hours ago, and a spot bar of half an hour ago; then nothing for over an hour.
    #[test]
    fn the_latest_price_of_the_underlying_counts_and_an_old_one_does_not() {
        let mut catalogue = catalogue();
        let of = |symbol: &str, kind| Instrument {
            symbol: symbol.into(),
            kind,
            quote: Currency::USD,
            ..catalogue.instruments[0].clone()
        };
        let prices = [of("a:BTC-USD", InstrumentKind::Spot), of("z:BTC-PERP", InstrumentKind::InversePerpetual)];
        catalogue.instruments.extend(prices);
        let mut chains = Chains::new(&catalogue);
        let mut mark = |instrument: u32, price: &str, minute: i64| {
            let now = NOW + Duration::from_nanos(minute * Duration::MINUTE.nanos());
            let price = price.parse().unwrap();
            chains.see(&Event::Mark(market::Mark { instrument: InstrumentId(instrument), price }), now);
            let spot = |minutes: i64| {
                let later = now + Duration::from_nanos(minutes * Duration::MINUTE.nanos());
                Some(chains.chains()[1].spot(later)?.price.to_string())
            };
            [spot(0), spot(60), spot(61)]
        };
        let told = |price: &str| Some(price.to_owned());
        assert_eq!(mark(7, "67000", 0), [told("67000"), told("67000"), None]);
        assert_eq!(mark(6, "63000", 308), [told("63000"), told("63000"), None], "the later one");
        assert_eq!(mark(7, "63100", 308), [told("63100"), told("63100"), None], "a perpetual of the same time");
        assert_eq!(mark(6, "63200", 309)[0], told("63200"));
    }

    #[test]
    fn a_catalogue_without_options_has_no_chains() {
        let mut instruments = catalogue().instruments;
        instruments.retain(|of| !of.kind.is_option());
        let mut chains = Chains::new(&Catalogue { instruments, series: Vec::new() });
        assert_eq!((chains.chains().len(), chains.quote(&quote(0, "1", "2", "3"), NOW)), (0, None));
        chains.expire(Timestamp::MAX);
    }
}
