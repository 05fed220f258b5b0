//! What is quoted for options: by underlying and venue, expiry, strike and right.
//!
//! All rows are there from the catalogue on, so that a quote is one look-up and never an allocation.

use market::{Catalogue, Currency, Instrument, OptionQuote};
use std::collections::BTreeMap;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{InstrumentId, OptionRight, Price, Qty, Timestamp};

/// The quotes of all options of a run.
#[derive(Debug, Clone, Default)]
pub struct Chains {
    chains: Vec<Chain>,
    /// By instrument, where its row is. Empty: there is no option.
    places: Vec<Option<Place>>,
    /// When the next options expire.
    next_expiry: Timestamp,
    /// How many quotes came so far.
    changes: u64,
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
}

/// The options of one expiry.
#[derive(Debug, Clone)]
pub struct ChainExpiry {
    at: Timestamp,
    forward: Option<Price>,
    changes: u64,
    /// By strike, the call before the put.
    rows: Vec<QuotedOption>,
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

    /// The forward that was last told with any of its quotes.
    #[must_use]
    pub fn forward(&self) -> Option<Price> {
        self.forward
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
            // Of two that are one option the first is taken; the other stays without a row.
            rows.entry((expiry, strike, right)).or_insert(InstrumentId(index as u32));
        }
        if found.is_empty() {
            return Self { next_expiry: Timestamp::MAX, ..Self::default() };
        }
        let mut chains = Self { places: vec![None; catalogue.instruments.len()], ..Self::default() };
        for ((venue, base, settle), rows) in found {
            let mut chain =
                Chain { venue: venue.to_owned(), base, settle, expiries: Vec::new(), expired: 0, changes: 0 };
            for ((at, strike, right), instrument) in rows {
                if chain.expiries.last().is_none_or(|last| last.at != at) {
                    chain.expiries.push(ChainExpiry { at, forward: None, changes: 0, rows: Vec::new() });
                }
                let expiry = chain.expiries.len() - 1;
                let rows = &mut chain.expiries[expiry].rows;
                chains.places[instrument.index()] =
                    Some(Place { chain: chains.chains.len() as u32, expiry: expiry as u32, row: rows.len() as u32 });
                rows.push(QuotedOption::new(instrument, &catalogue.instruments[instrument.index()], strike, right));
            }
            chains.chains.push(chain);
        }
        chains.find_next_expiry();
        chains
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
        let place = self.place(instrument)?;
        let expiry = &self.chains[place.chain as usize].expiries[place.expiry as usize];
        Some((expiry.at, expiry.forward))
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
        expiry.forward = quote.underlying().or(expiry.forward);
        expiry.changes += 1;
        chain.changes += 1;
        self.changes += 1;
        row.value
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
        for chain in &mut self.chains {
            chain.expired = chain.expiries.partition_point(|expiry| expiry.at <= now);
        }
        self.find_next_expiry();
    }

    fn find_next_expiry(&mut self) {
        let next = self.chains.iter().filter_map(|chain| chain.expiries().first()).map(|expiry| expiry.at);
        self.next_expiry = next.min().unwrap_or(Timestamp::MAX);
    }

    /// Writes what was quoted. Of expired options too: what they were last valued at is what is left of them.
    pub(crate) fn save(&self, out: &mut StateWriter) {
        for chain in &self.chains {
            out.len(chain.expired);
            out.u64(chain.changes);
            for expiry in &chain.expiries {
                out.u64(expiry.changes);
                if expiry.changes == 0 {
                    continue;
                }
                out.option(expiry.forward, |out, price| out.i64(price.raw()));
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
    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        for chain in &mut self.chains {
            chain.expired = from.len()?.min(chain.expiries.len());
            chain.changes = from.u64()?;
            for expiry in &mut chain.expiries {
                expiry.changes = from.u64()?;
                expiry.forward = None;
                for row in &mut expiry.rows {
                    (row.quote, row.quoted, row.value) = (OptionQuote::empty(row.instrument), Timestamp::MIN, None);
                }
                if expiry.changes == 0 {
                    continue;
                }
                expiry.forward = from.option(StateReader::i64)?.map(Price::from_raw);
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
        self.find_next_expiry();
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
    use super::*;
    use market::InstrumentKind;
    use units::Duration;

    /// The beginning of time in these tests.
    pub(crate) const NOW: Timestamp = Timestamp::from_nanos(1_767_254_400_000_000_000);

    pub(crate) fn days(days: i64) -> Timestamp {
        NOW + Duration::from_nanos(days * Duration::DAY.nanos())
    }

    pub(crate) fn option(expiry: Timestamp, strike: &str, right: OptionRight) -> Instrument {
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

    #[test]
    fn a_catalogue_without_options_has_no_chains() {
        let mut instruments = catalogue().instruments;
        instruments.retain(|of| !of.kind.is_option());
        let mut chains = Chains::new(&Catalogue { instruments, series: Vec::new() });
        assert_eq!((chains.chains().len(), chains.quote(&quote(0, "1", "2", "3"), NOW)), (0, None));
        chains.expire(Timestamp::MAX);
    }
}
