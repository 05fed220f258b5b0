//! What a margin model looks at.

use super::{MarginError, Place};
use market::{Currency, Instrument, InstrumentKind};
use pricing::options::{Field, Refusal};
use units::{Cash, Duration, Price, Qty, Timestamp};

/// An account as every model takes it. Rows are counted from 0 in errors, list by list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Portfolio {
    /// When this is so.
    pub at: Timestamp,
    /// Marks that were taken longer ago are refused; `None`: however old they are.
    pub stale_after: Option<Duration>,
    /// Money and coin.
    pub balances: Vec<Balance>,
    /// What is held.
    pub positions: Vec<Position>,
    /// What rests at the venue.
    pub orders: Vec<Order>,
    /// Prices of the coins.
    pub underlyings: Vec<Underlying>,
    /// Forwards and rates.
    pub expiries: Vec<Term>,
}

/// An amount of one currency.
#[derive(Debug, Clone, PartialEq)]
pub struct Balance {
    /// Of what.
    pub currency: Currency,
    /// How much; negative if owed.
    pub amount: Cash,
}

/// A position.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// In what.
    pub instrument: Instrument,
    /// How much, signed: of the underlying, of the quote currency for inverse contracts.
    pub quantity: Qty,
    /// Average price at which it was opened.
    pub entry: Option<Price>,
    /// The venue's mark, in the instrument's own currency: a part of a coin for an option that is paid for in coin.
    pub mark: Option<Price>,
    /// Implied volatility a year, of an option.
    pub vol: Option<f64>,
    /// When mark and volatility were taken; `None`: at the portfolio's time.
    pub marked_at: Option<Timestamp>,
    /// Profit that is not settled, if the venue states it; else it is what entry and mark make it.
    pub unrealised: Option<Cash>,
    /// How sure the venue's oracle is of this instrument's price, 0 to 1.
    pub confidence: f64,
    /// What was set aside for it, if it is isolated.
    pub isolated: Option<Cash>,
    /// The leverage that the user chose for it.
    pub leverage: Option<f64>,
    /// In which currency the venue's prices of a linear contract are, where that is not the one that it is quoted in by name: Hyperliquid
    /// pays USDC by a price in USDT, dYdX and Derive by one in USD, one to one ([`Parameters::priced_in`](super::Parameters::priced_in)).
    pub priced_in: Option<Currency>,
}

impl Position {
    /// A position of which nothing but instrument and quantity is known.
    #[must_use]
    pub fn new(instrument: Instrument, quantity: Qty) -> Self {
        Self {
            instrument,
            quantity,
            entry: None,
            mark: None,
            vol: None,
            marked_at: None,
            unrealised: None,
            confidence: 1.0,
            isolated: None,
            leverage: None,
            priced_in: None,
        }
    }
}

/// An order that rests.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The position's row whose instrument it is in; a position of zero stands for an instrument that is not held.
    pub position: usize,
    /// How much would be added, signed.
    pub quantity: Qty,
    /// At which price.
    pub price: Price,
}

/// A coin's price in dollars.
#[derive(Debug, Clone, PartialEq)]
pub struct Underlying {
    /// The coin.
    pub currency: Currency,
    /// Its index.
    pub index: f64,
    /// How sure the venue's oracle is, 0 to 1; 1 where there is none.
    pub confidence: f64,
}

/// What is known of an expiry.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The coin.
    pub underlying: Currency,
    /// When it is settled.
    pub expiry: Timestamp,
    /// Its forward, in dollars.
    pub forward: f64,
    /// Interest a year, continuous.
    pub rate: f64,
    /// The lowest of what the venue's oracles say how sure they are of forward, rate and volatility; 1 where there are none.
    pub confidence: f64,
}

/// The largest amount that a model takes: a quadrillion. Sums of as many rows as fit into memory stay exact under it.
const AMOUNT_MAX: Cash = Cash::from_raw(1_000_000_000_000_000 * Cash::ONE);

impl Portfolio {
    /// Refuses numbers that no account has, so that no sum leaves its range and nothing that is not a number passes for one.
    pub(crate) fn check(&self) -> Result<(), MarginError> {
        let number = |place, what, value, allowed: &str| {
            Err(MarginError::Number { place, what, value, allowed: allowed.to_owned() })
        };
        let share = |place: Place, what: String, value: f64| {
            if (0.0..=1.0).contains(&value) { Ok(()) } else { number(place, what, value, "0 to 1") }
        };
        let fits = |place: Place, amount: Cash| {
            if (-AMOUNT_MAX..=AMOUNT_MAX).contains(&amount) { Ok(()) } else { Err(MarginError::TooLarge { place }) }
        };
        for (row, balance) in self.balances.iter().enumerate() {
            fits(Place::Balance(row), balance.amount)?;
        }
        for (row, position) in self.positions.iter().enumerate() {
            let place = Place::Position(row);
            share(place, format!("the confidence of {}", position.instrument.symbol), position.confidence)?;
            self.check_age(row, position)?;
            let contract = position.instrument.kind.contract();
            for price in [position.mark, position.entry].into_iter().flatten() {
                if price < Price::ZERO {
                    let what = format!("a price of {}", position.instrument.symbol);
                    return number(place, what, price.approximate(), "0 or more");
                }
                fits(place, contract.exposure(price, position.quantity).cash())?;
            }
            for amount in [position.unrealised, position.isolated].into_iter().flatten() {
                fits(place, amount)?;
            }
            if let Some(aside) = position.isolated.filter(|aside| *aside < Cash::ZERO) {
                let what = format!("what is set aside for {}", position.instrument.symbol);
                return number(place, what, aside.approximate(), "0 or more");
            }
        }
        for (row, order) in self.orders.iter().enumerate() {
            let Some(position) = self.positions.get(order.position) else {
                return Err(MarginError::Order { row, position: order.position });
            };
            if order.price < Price::ZERO {
                let what = format!("the price of the order in {}", position.instrument.symbol);
                return number(Place::Order(row), what, order.price.approximate(), "0 or more");
            }
            for price in std::iter::once(order.price).chain(position.mark) {
                fits(Place::Order(row), position.instrument.kind.contract().exposure(price, order.quantity).cash())?;
            }
        }
        for (row, underlying) in self.underlyings.iter().enumerate() {
            share(Place::Underlying(row), format!("the confidence of {}", underlying.currency), underlying.confidence)?;
        }
        for (row, term) in self.expiries.iter().enumerate() {
            let place = Place::Expiry(row);
            share(place, format!("the confidence of {} {}", term.underlying, term.expiry), term.confidence)?;
            if !term.rate.is_finite() {
                let what = format!("the rate of {} {}", term.underlying, term.expiry);
                return number(place, what, term.rate, "a finite number");
            }
        }
        Ok(())
    }

    /// Refuses what a venue that margins all positions together does not do: money set aside for one, a leverage chosen for one.
    pub(crate) fn check_together(&self, model: &'static str) -> Result<(), MarginError> {
        for (row, position) in self.positions.iter().enumerate() {
            let stated = [("isolated", position.isolated.is_some()), ("leverage", position.leverage.is_some())];
            if let Some((what, _)) = stated.into_iter().find(|(_, is_there)| *is_there) {
                return Err(MarginError::NotOfVenue { row, symbol: position.instrument.symbol.clone(), what, model });
            }
        }
        Ok(())
    }

    /// Refuses a mark that is too old, or of a time that is yet to come.
    fn check_age(&self, row: usize, position: &Position) -> Result<(), MarginError> {
        let Some(marked_at) = position.marked_at else { return Ok(()) };
        let age = i128::from(self.at.nanos()) - i128::from(marked_at.nanos());
        if age >= 0 && self.stale_after.is_none_or(|most| age <= i128::from(most.nanos())) {
            return Ok(());
        }
        let symbol = position.instrument.symbol.clone();
        Err(MarginError::Stale { row, symbol, marked_at, at: self.at, stale_after: self.stale_after })
    }

    /// Names the balances that a margin in one currency does not look at.
    pub(crate) fn beside(&self, settle: Currency) -> impl Iterator<Item = String> {
        let beside =
            self.balances.iter().filter(move |balance| balance.currency != settle && !balance.amount.is_zero());
        beside.map(move |balance| {
            format!("{} {} bear nothing here: the margin is in {settle}", balance.amount, balance.currency)
        })
    }

    /// The price of a coin, which the row at `place` needs.
    pub(crate) fn underlying(&self, place: Place, currency: Currency) -> Result<&Underlying, MarginError> {
        let found = self.underlyings.iter().enumerate().find(|(_, underlying)| underlying.currency == currency);
        let (row, found) = found.ok_or(MarginError::NoIndex { place, currency })?;
        let (low, high) = Field::Forward.range();
        if !(low..=high).contains(&found.index) {
            return Err(MarginError::Number {
                place: Place::Underlying(row),
                what: format!("the index of {currency}"),
                value: found.index,
                allowed: allowed(Field::Forward),
            });
        }
        Ok(found)
    }

    /// The price of a coin that the whole account needs: what it is needed for is the first row in it.
    pub(crate) fn underlying_of_all(&self, currency: Currency) -> Result<&Underlying, MarginError> {
        let held = |position: &Position| {
            let instrument = &position.instrument;
            [instrument.base, instrument.quote, instrument.settle].contains(&currency)
        };
        let position = self.positions.iter().position(held).map(Place::Position);
        let balance = || self.balances.iter().position(|balance| balance.currency == currency).map(Place::Balance);
        self.underlying(position.or_else(balance).unwrap_or(Place::Account), currency)
    }

    /// What is known of a position's expiry.
    pub(crate) fn term(&self, row: usize, instrument: &Instrument, expiry: Timestamp) -> Result<&Term, MarginError> {
        let mut terms = self.expiries.iter();
        let found = terms.find(|term| term.underlying == instrument.base && term.expiry == expiry);
        found.ok_or_else(|| MarginError::NoForward { row, symbol: instrument.symbol.clone(), expiry })
    }

    /// The amount of a currency.
    pub(crate) fn amount(&self, currency: Currency) -> Cash {
        self.balances.iter().filter(|balance| balance.currency == currency).map(|balance| balance.amount).sum()
    }
}

/// What a field takes, in words.
fn allowed(field: Field) -> String {
    let (low, high) = field.range();
    if low == 0.0 { format!("0 to {high}") } else { format!("over 0, up to {high}") }
}

/// A number of a row, `of` something, that the pricing of options refuses.
#[must_use]
pub fn refused(place: Place, of: &str, refusal: Refusal) -> MarginError {
    let what = match refusal.field {
        Field::Forward => "the forward",
        Field::Strike => "the strike",
        Field::Years => "the time to expiry in years",
        Field::Vol => "the volatility",
        Field::Discount => "the discount factor",
        Field::Price => "the price",
        Field::Tick => "the tick",
    };
    MarginError::Number {
        place,
        what: format!("{what} of {of}"),
        value: refusal.value,
        allowed: allowed(refusal.field),
    }
}

/// Names a mark that is not what the volatility makes of an option, both in a currency of which a coin is worth `coin`: where they are
/// apart by over a hundredth and by over half of Deribit's step of 0.0001 coin.
pub(crate) fn doubt(position: &Position, mark: f64, model: f64, coin: f64, stands: &str) -> Option<String> {
    let apart = (mark - model).abs();
    let is_doubtful = apart > 0.01 * mark.abs().max(model.abs()) && apart > 5e-5 * coin && !position.quantity.is_zero();
    let symbol = &position.instrument.symbol;
    is_doubtful.then(|| format!("{symbol}: marked at {mark}, and its volatility makes it {model:.6}: {stands}"))
}

impl Position {
    /// In which currency its price is: what scenarios move a mark against.
    #[must_use]
    pub fn priced_in(&self) -> Currency {
        let Instrument { kind, base, quote, settle, .. } = &self.instrument;
        let pays_another = *settle != *base && *kind != InstrumentKind::Spot;
        self.priced_in.filter(|_| pays_another).unwrap_or(*quote)
    }

    pub(crate) fn unknown(&self, row: usize, model: &'static str) -> MarginError {
        MarginError::UnknownInstrument { row, symbol: self.instrument.symbol.clone(), model }
    }

    /// The parameters have no row `parameter` of what the position is in.
    pub(crate) fn without_terms(&self, row: usize, model: &'static str, parameter: String) -> MarginError {
        MarginError::NoTerms { row, symbol: self.instrument.symbol.clone(), model, parameter }
    }

    pub(crate) fn needed_mark(&self, row: usize) -> Result<Price, MarginError> {
        let mark =
            self.mark.filter(|mark| *mark > Price::ZERO || (*mark == Price::ZERO && self.instrument.kind.is_option()));
        mark.ok_or_else(|| MarginError::NoMark { row, symbol: self.instrument.symbol.clone() })
    }

    pub(crate) fn needed_vol(&self, row: usize) -> Result<f64, MarginError> {
        let vol = self.vol.ok_or_else(|| MarginError::NoVol { row, symbol: self.instrument.symbol.clone() })?;
        if !(vol.is_finite() && vol >= 0.0) {
            let what = format!("the volatility of {}", self.instrument.symbol);
            let (place, allowed) = (Place::Position(row), "0 or more".to_owned());
            return Err(MarginError::Number { place, what, value: vol, allowed });
        }
        Ok(vol)
    }

    /// Profit that is not settled: as stated, or of entry and mark.
    pub(crate) fn profit(&self, row: usize) -> Result<Cash, MarginError> {
        if let Some(stated) = self.unrealised {
            return Ok(stated);
        }
        if self.quantity.is_zero() {
            return Ok(Cash::ZERO);
        }
        let mark = self.needed_mark(row)?;
        let entry = self.entry.filter(|entry| *entry > Price::ZERO || self.instrument.kind.is_option());
        let entry = entry.ok_or_else(|| MarginError::NoEntry { row, symbol: self.instrument.symbol.clone() })?;
        Ok(self.instrument.kind.contract().profit(self.quantity, entry, mark))
    }
}
