//! A portfolio that stands ready while prices tick.

use super::{Portfolio, Ready, Revaluation, ScenarioError};
use market::Currency;
use pricing::options::Simd;
use units::Timestamp;

/// A portfolio with what its revaluations share. After a tick of a price only that is done again which a price changes; the numbers are
/// those of a portfolio made anew, bit for bit.
///
/// ```
/// use risk::scenario::{Bound, Followed, Portfolio, Reach, Scenario};
/// use pricing::options::Simd;
/// let btc = "BTC".parse().unwrap();
/// let mut portfolio = Portfolio::new(market::Currency::USD, "2026-03-01".parse().unwrap());
/// portfolio.set_price(btc, 60_000.0)?;
/// let mut followed = Followed::new(portfolio, Simd::best());
/// followed.set_price(btc, 60_100.0)?; // a tick
/// let mut bound = Bound::default();
/// followed.ready()?.bound(&Scenario::still("equity"), &Reach::default(), &mut bound)?;
/// # Ok::<(), risk::scenario::ScenarioError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Followed {
    portfolio: Portfolio,
    revaluation: Revaluation,
    stale: Stale,
}

/// What has changed since it was made ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stale {
    Nothing,
    Prices,
    All,
}

impl Followed {
    /// Takes a portfolio over. The numbers do not depend on the instructions chosen.
    #[must_use]
    pub fn new(portfolio: Portfolio, simd: Simd) -> Self {
        Self { portfolio, revaluation: Revaluation::new(simd), stale: Stale::All }
    }

    /// The portfolio as it is.
    #[must_use]
    pub fn portfolio(&self) -> &Portfolio {
        &self.portfolio
    }

    /// The portfolio, to be changed in any way.
    pub fn portfolio_mut(&mut self) -> &mut Portfolio {
        self.stale = Stale::All;
        &mut self.portfolio
    }

    /// A tick, as [`Portfolio::set_price`].
    ///
    /// # Errors
    ///
    /// As [`Portfolio::set_price`].
    pub fn set_price(&mut self, currency: Currency, price: f64) -> Result<(), ScenarioError> {
        let known = self.portfolio.currencies.len();
        self.portfolio.set_price(currency, price)?;
        self.priced(known);
        Ok(())
    }

    /// A forward, as [`Portfolio::set_forward`].
    ///
    /// # Errors
    ///
    /// As [`Portfolio::set_forward`].
    pub fn set_forward(&mut self, coin: Currency, expiry: Timestamp, forward: f64) -> Result<(), ScenarioError> {
        let known = self.portfolio.currencies.len();
        self.portfolio.set_forward(coin, expiry, forward)?;
        self.priced(known);
        Ok(())
    }

    fn priced(&mut self, known: usize) {
        let grown = self.portfolio.currencies.len() > known;
        self.stale = if grown || self.stale == Stale::All { Stale::All } else { Stale::Prices };
    }

    /// Ready for runs, values and bounds at the prices of now.
    ///
    /// # Errors
    ///
    /// A price that is missing, or one that throws a forward out of its range.
    pub fn ready(&mut self) -> Result<Ready<'_>, ScenarioError> {
        let Self { portfolio, revaluation, stale } = self;
        // Whatever fails leaves all to be done again.
        match std::mem::replace(stale, Stale::All) {
            Stale::Nothing => {}
            Stale::Prices => revaluation.prepare_prices(portfolio)?,
            Stale::All => revaluation.prepare(portfolio)?,
        }
        *stale = Stale::Nothing;
        Ok(Ready { revaluation, portfolio })
    }
}
