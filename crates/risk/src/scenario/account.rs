//! An account as venues' margins take it, as a portfolio that scenarios move.

use super::{Holding, Portfolio, ScenarioError, Settlement};
use crate::greeks::SmilePoint;
use crate::venues::{self, MarginError, Place};
use market::{Currency, InstrumentKind, is_dollar};
use pricing::options::{Field, Refusal};
use units::math::exp;
use units::{Contract, Duration, Notional, Price, Round};

impl Portfolio {
    /// The same account that margins are asked for, so that margin and stress are of one portfolio. It reckons in `currency`.
    ///
    /// Position `n` is line `n`, whatever it is; then come the balances in their order, then what was set aside for isolated
    /// positions, in theirs. A position of nothing whose market is not told is a balance of nothing.
    ///
    /// Futures and perpetuals are worth the profit that entry and mark make (or that is stated), now, and move from their marks in
    /// proportion with their coin, so that the basis stays as a share; without a mark, from forward or index. What linear contracts are
    /// [priced in](venues::Position::priced_in) may be another currency than they pay: a quanto. Options are worth what
    /// forward and volatility make, not their marks, and their smiles have no slope until [`Self::set_point`] tells it. Spot is a balance
    /// of its coin. What is lost beyond what was set aside for an isolated position is counted. Orders are not looked at.
    ///
    /// # Errors
    ///
    /// By row: an instrument that no scenario can move, a missing index, forward, volatility, mark or entry, a mark that is stale, a
    /// contract past its expiry, a number that cannot be.
    ///
    /// ```
    /// use risk::scenario::{Holding, Portfolio};
    /// use risk::venues;
    /// let (btc, usd) = ("BTC".parse().unwrap(), market::Currency::USD);
    /// let account = venues::Portfolio {
    ///     balances: vec![venues::Balance { currency: btc, amount: "2".parse().unwrap() }],
    ///     ..venues::Portfolio::default()
    /// };
    /// let refused = Portfolio::of(&account, usd).unwrap_err();
    /// assert_eq!(refused.to_string(), "balance 0: BTC has no index; state its price");
    /// let priced = venues::Underlying { currency: btc, index: 60_000.0, confidence: 1.0 };
    /// let portfolio = Portfolio::of(&venues::Portfolio { underlyings: vec![priced], ..account }, usd)?;
    /// assert_eq!(portfolio.len(), 1);
    /// # Ok::<(), venues::MarginError>(())
    /// ```
    pub fn of(account: &venues::Portfolio, currency: Currency) -> Result<Self, MarginError> {
        account.check()?;
        let mut portfolio = Self::new(currency, account.at);
        for (row, underlying) in account.underlyings.iter().enumerate() {
            let place = Place::Underlying(row);
            let index = account.underlying(place, underlying.currency)?.index;
            portfolio.set_price(underlying.currency, index).map_err(|error| refused(place, &error))?;
        }
        for (row, term) in account.expiries.iter().enumerate() {
            let place = Place::Expiry(row);
            account.underlying(place, term.underlying)?;
            let (coin, expiry) = (term.underlying, term.expiry);
            portfolio.set_forward(coin, expiry, term.forward).map_err(|error| refused(place, &error))?;
            let left = i128::from(term.expiry.nanos()) - i128::from(account.at.nanos());
            let years = left.max(0) as f64 / (365.0 * Duration::DAY.nanos() as f64);
            let discount = exp(-term.rate * years);
            portfolio.set_discount(coin, expiry, discount).map_err(|error| refused(place, &error))?;
        }
        for (row, position) in account.positions.iter().enumerate() {
            let (holding, price) = match portfolio.holding(account, row, position) {
                Err(_) if position.quantity.is_zero() => {
                    (Holding::Balance { currency: Currency::USD, amount: units::Cash::ZERO }, f64::NAN)
                }
                other => other?,
            };
            portfolio.hold_at(holding, price).map_err(|error| refused(Place::Position(row), &error))?;
        }
        let balances = account.balances.iter().enumerate();
        let balances = balances.map(|(row, balance)| (Place::Balance(row), balance.currency, balance.amount));
        let aside =
            account.positions.iter().enumerate().filter_map(|(row, position)| {
                Some((Place::Position(row), position.instrument.settle, position.isolated?))
            });
        for (place, currency, amount) in balances.chain(aside) {
            if !is_dollar(currency) {
                account.underlying(place, currency)?;
            }
            portfolio.hold(Holding::Balance { currency, amount }).map_err(|error| refused(place, &error))?;
        }
        if portfolio.currencies[portfolio.account].price.is_nan() {
            return Err(MarginError::NoIndex { place: Place::Account, currency });
        }
        Ok(portfolio)
    }

    /// A position as a holding, and of a future or perpetual the price in USD from which it moves.
    fn holding(
        &self,
        account: &venues::Portfolio,
        row: usize,
        position: &venues::Position,
    ) -> Result<(Holding, f64), MarginError> {
        let instrument = &position.instrument;
        let (kind, underlying, quantity) = (instrument.kind, instrument.base, position.quantity);
        let place = Place::Position(row);
        let index = account.underlying(place, underlying)?.index;
        let expiry = kind.expiry();
        if let Some(expiry) = expiry.filter(|expiry| *expiry < account.at) {
            return Err(MarginError::Expired { row, symbol: instrument.symbol.clone(), expiry });
        }
        let settlement = match kind {
            InstrumentKind::Spot => {
                let amount = (Price::from_raw(Price::ONE) * quantity).cash();
                return Ok((Holding::Balance { currency: underlying, amount }, index));
            }
            InstrumentKind::Structure => return Err(position.unknown(row, "a scenario")),
            InstrumentKind::InversePerpetual
            | InstrumentKind::InverseFuture { .. }
            | InstrumentKind::InverseOption { .. } => Settlement::Coin,
            InstrumentKind::LinearPerpetual
            | InstrumentKind::LinearFuture { .. }
            | InstrumentKind::LinearOption { .. } => Settlement::linear(position.priced_in(), instrument.settle),
        };
        // A dollar comes in at 1, any other currency must have its price.
        let price = |currency: Currency| match is_dollar(currency) {
            false => Ok(account.underlying(place, currency)?.index),
            true => {
                let told = account.underlyings.iter().find(|other| other.currency == currency);
                Ok(told.map_or(1.0, |other| other.index))
            }
        };
        let dollar = match settlement {
            Settlement::Coin => 1.0,
            Settlement::Quote(quoted) => price(quoted)?,
            Settlement::Quanto { quoted, paid } => {
                price(paid)?;
                price(quoted)?
            }
        };
        if let (Some((strike, right)), Some(expiry)) = (kind.option(), expiry) {
            account.term(row, instrument, expiry)?;
            let point = SmilePoint { vol: position.needed_vol(row)?, slope: 0.0 };
            return Ok((Holding::Option { underlying, expiry, strike, right, settlement, quantity, point }, index));
        }
        let profit = position.profit(row)?.approximate();
        let mark = position.mark.filter(|mark| *mark > Price::ZERO).map(|mark| mark.approximate() * dollar);
        let forward = match (mark, expiry) {
            (Some(mark), _) => mark,
            (None, None) => index,
            (None, Some(expiry)) => account.term(row, instrument, expiry)?.forward,
        };
        // What makes the profit of now what it is.
        let value = match kind.contract() {
            Contract::Linear => quantity.approximate() * forward / dollar,
            Contract::Inverse => -quantity.approximate() / forward,
        };
        let cost = Notional::from_estimate(value - profit, Round::Nearest).ok_or(MarginError::TooLarge { place })?;
        Ok((Holding::Future { underlying, expiry, settlement, quantity, cost }, forward))
    }
}

/// A refusal of a number of a row.
fn refused(place: Place, error: &ScenarioError) -> MarginError {
    match error {
        ScenarioError::NoPrice(currency) => MarginError::NoIndex { place, currency: *currency },
        ScenarioError::Price(currency, value) => {
            let refusal = Refusal { field: Field::Forward, value: *value };
            venues::refused(place, &currency.to_string(), refusal)
        }
        ScenarioError::Number(refusal) => venues::refused(place, "it", *refusal),
        // Prices, forwards and volatilities alone are told here.
        other => {
            let allowed = "a number that can be".to_owned();
            MarginError::Number { place, what: other.to_string(), value: f64::NAN, allowed }
        }
    }
}
