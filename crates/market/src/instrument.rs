//! What can be traded, and the catalogue of a run.

use std::fmt;
use std::str::FromStr;
use units::{Contract, InstrumentId, OptionRight, Price, Qty, SeriesId, Timestamp};

/// A currency code of at most eight upper-case letters or digits: `USDT`, `BTC`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 8]);

/// A text that is no currency code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseCurrencyError;

impl fmt::Display for ParseCurrencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a currency is one to eight upper-case letters or digits, such as USDT")
    }
}

impl std::error::Error for ParseCurrencyError {}

impl FromStr for Currency {
    type Err = ParseCurrencyError;
    fn from_str(text: &str) -> Result<Self, ParseCurrencyError> {
        let fits = (1..=8).contains(&text.len());
        if !fits || !text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
            return Err(ParseCurrencyError);
        }
        let mut code = [0; 8];
        code[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(code))
    }
}

impl Currency {
    /// The dollar.
    pub const USD: Self = Self(*b"USD\0\0\0\0\0");

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        // Only ASCII gets in through `from_str`.
        std::str::from_utf8(&self.0[..end]).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstrumentKind {
    /// The underlying itself, bought with the quote currency in full; nothing can be sold that is not held.
    Spot,
    /// A perpetual future quoted, margined and settled in the quote currency; one contract is one unit of the underlying.
    LinearPerpetual,
    /// A perpetual future margined and settled in the underlying coin; one contract is one unit of the quote currency.
    InversePerpetual,
    /// As a linear perpetual, until it is settled in cash.
    LinearFuture {
        /// When it is settled.
        expiry: Timestamp,
    },
    /// As an inverse perpetual, until it is settled in coin.
    InverseFuture {
        /// When it is settled.
        expiry: Timestamp,
    },
    /// A European option priced, margined and settled in the quote currency; one contract is on one unit of the underlying.
    LinearOption {
        /// When it is settled.
        expiry: Timestamp,
        /// In the quote currency.
        strike: Price,
        /// Call or put.
        right: OptionRight,
    },
    /// A European option priced, margined and settled in the underlying coin: its price is a part of one unit of the underlying,
    /// and one contract is on one unit of it. Its quote currency is that coin.
    InverseOption {
        /// When it is settled.
        expiry: Timestamp,
        /// In dollars.
        strike: Price,
        /// Call or put.
        right: OptionRight,
    },
    /// Several options that a policy trades as one, in a fixed proportion: priced and settled in what they settle in, and one unit is
    /// on one unit of the underlying. No venue lists it and no tape has it: the engine trades its legs.
    Structure,
}

impl InstrumentKind {
    /// How its value follows its price. That of an option is its price times its quantity, also where both are in coin.
    #[must_use]
    pub fn contract(self) -> Contract {
        match self {
            Self::Spot
            | Self::LinearPerpetual
            | Self::LinearFuture { .. }
            | Self::LinearOption { .. }
            | Self::InverseOption { .. }
            | Self::Structure => Contract::Linear,
            Self::InversePerpetual | Self::InverseFuture { .. } => Contract::Inverse,
        }
    }

    /// When it is settled; `None`: never.
    #[must_use]
    pub fn expiry(self) -> Option<Timestamp> {
        match self {
            Self::LinearFuture { expiry }
            | Self::InverseFuture { expiry }
            | Self::LinearOption { expiry, .. }
            | Self::InverseOption { expiry, .. } => Some(expiry),
            Self::Spot | Self::LinearPerpetual | Self::InversePerpetual | Self::Structure => None,
        }
    }

    /// Strike and right of an option; `None`: it is none.
    #[must_use]
    pub fn option(self) -> Option<(Price, OptionRight)> {
        match self {
            Self::LinearOption { strike, right, .. } | Self::InverseOption { strike, right, .. } => {
                Some((strike, right))
            }
            Self::Spot
            | Self::LinearPerpetual
            | Self::InversePerpetual
            | Self::LinearFuture { .. }
            | Self::InverseFuture { .. }
            | Self::Structure => None,
        }
    }

    /// What the holder of an option gets for one unit if the underlying is at a price: in coin of an inverse one (toward zero at
    /// 1e-8), else in dollars. `None`: it is none.
    #[must_use]
    pub fn exercise(self, underlying: Price) -> Option<Price> {
        let (strike, right) = self.option()?;
        let above = i128::from(underlying.raw()) - i128::from(strike.raw());
        let dollars = if right == OptionRight::Call { above } else { -above }.max(0);
        let raw = match self {
            Self::InverseOption { .. } => (dollars * i128::from(Price::ONE)).checked_div(underlying.raw().into()),
            _ => Some(dollars),
        };
        Some(Price::from_raw(raw.and_then(|raw| i64::try_from(raw).ok()).unwrap_or_default()))
    }

    /// Whether it is an option.
    #[must_use]
    pub fn is_option(self) -> bool {
        self.option().is_some()
    }

    /// Whether it is a perpetual.
    #[must_use]
    pub fn is_perpetual(self) -> bool {
        matches!(self, Self::LinearPerpetual | Self::InversePerpetual)
    }
}

/// What can be traded, as its venue defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// `venue:SYMBOL`, such as `binance:BTCUSDT-PERP`.
    pub symbol: String,
    /// The kind of contract.
    pub kind: InstrumentKind,
    /// The underlying.
    pub base: Currency,
    /// What prices are in.
    pub quote: Currency,
    /// What profit, fees and margin are in.
    pub settle: Currency,
    /// Price grid.
    pub tick: Price,
    /// Quantity grid: of the underlying, or of the quote currency for inverse contracts.
    pub lot: Qty,
    /// Smallest order.
    pub min_qty: Qty,
}

impl Instrument {
    /// The currency that its price is worth one of. The price of an option is no rate between currencies: its quote currency.
    pub(crate) fn priced(&self) -> Currency {
        if self.kind.is_option() || self.kind == InstrumentKind::Structure { self.quote } else { self.base }
    }

    /// The part of its symbol before the colon.
    #[must_use]
    pub fn venue(&self) -> &str {
        self.symbol.split_once(':').map_or("", |(venue, _)| venue)
    }
}

/// The instruments and series of a run; ids are positions in these lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// By [`InstrumentId`].
    pub instruments: Vec<Instrument>,
    /// Series names (`dvol.btc`) by [`SeriesId`].
    pub series: Vec<String>,
}

impl Catalogue {
    /// The id of an instrument by its symbol. It walks the list: who asks for many builds an index of his own.
    #[must_use]
    pub fn instrument_id(&self, symbol: &str) -> Option<InstrumentId> {
        self.instruments.iter().position(|instrument| instrument.symbol == symbol).map(|at| InstrumentId(at as u32))
    }

    /// How the value of each instrument follows its price, by [`InstrumentId`].
    pub fn contracts(&self) -> impl Iterator<Item = Contract> + '_ {
        self.instruments.iter().map(|instrument| instrument.kind.contract())
    }

    /// The instruments whose price is that of a coin in dollars, the first that has one tells it: its perpetuals, then spot.
    pub fn prices_of(&self, coin: Currency) -> impl Iterator<Item = InstrumentId> + '_ {
        let of = move |is: fn(InstrumentKind) -> bool| {
            let all = self.instruments.iter().enumerate();
            all.filter(move |(_, of)| of.base == coin && crate::is_dollar(of.quote) && is(of.kind))
                .map(|(index, _)| InstrumentId(index as u32))
        };
        of(InstrumentKind::is_perpetual).chain(of(|kind| kind == InstrumentKind::Spot))
    }

    /// The id of a series by its name.
    #[must_use]
    pub fn series_id(&self, name: &str) -> Option<SeriesId> {
        self.series.iter().position(|series| series == name).map(|at| SeriesId(at as u32))
    }
}
