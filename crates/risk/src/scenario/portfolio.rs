//! What is held and the market it is held in.

use super::{REFERENCE_DAYS, ScenarioError};
use crate::greeks::SmilePoint;
use market::{Currency, is_dollar};
use pricing::options::{Field, Refusal};
use units::{Cash, Duration, Notional, OptionRight, Price, Qty, Timestamp};

/// What a contract's profit is paid in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Settlement {
    /// The underlying coin: inverse contracts. Options have their strike in USD, their premium in coin.
    Coin,
    /// This currency, in which it is quoted too: linear contracts.
    Quote(Currency),
    /// In one currency, one to one what prices make in another: a quanto. A perpetual that goes by a price in USD and pays USDC keeps its
    /// price when USDC loses its peg, and its profit is worth less.
    Quanto {
        /// In which prices and strikes are.
        quoted: Currency,
        /// In which profit is paid.
        paid: Currency,
    },
}

impl Settlement {
    /// Of a linear contract whose prices are in one currency and whose profit is paid in one.
    #[must_use]
    pub fn linear(quoted: Currency, paid: Currency) -> Self {
        if quoted == paid { Self::Quote(paid) } else { Self::Quanto { quoted, paid } }
    }
}

/// An amount of something whose value moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Holding {
    /// A European option.
    Option {
        /// Its coin.
        underlying: Currency,
        /// When it is settled.
        expiry: Timestamp,
        /// In USD if settled in coin, else in the currency of settlement.
        strike: Price,
        /// Call or put.
        right: OptionRight,
        /// In what it is paid for.
        settlement: Settlement,
        /// Signed, in units of the underlying.
        quantity: Qty,
        /// Volatility at its strike, and the smile's slope there.
        point: SmilePoint,
    },
    /// A perpetual (without expiry) or a future.
    Future {
        /// Its coin.
        underlying: Currency,
        /// When it is settled; `None` of a perpetual, which trades at its underlying's price unless it is [held at](Portfolio::hold_at)
        /// its own.
        expiry: Option<Timestamp>,
        /// In what its profit is paid.
        settlement: Settlement,
        /// Signed, in units of the underlying; of one settled in coin in USD.
        quantity: Qty,
        /// What was paid for it: Σ of [`Contract::value`](units::Contract::value) of its fills, as in [`Position`](market::Position).
        cost: Notional,
    },
    /// Coins or money: a balance, collateral, spot that was bought. Debt is negative.
    Balance {
        /// Of what.
        currency: Currency,
        /// How much.
        amount: Cash,
    },
}

/// Index of the US dollar among currencies.
pub(super) const USD: usize = 0;

/// A currency with its price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quoted {
    pub(super) currency: Currency,
    /// In USD.
    pub(super) price: f64,
    /// Moves by its peg alone.
    pub(super) dollar: bool,
    /// A year's volatility, for moves told in deviations.
    pub(super) vol: Option<f64>,
}

/// An expiry of an underlying.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Term {
    /// Index of the underlying.
    pub(super) underlying: usize,
    pub(super) expiry: Timestamp,
    /// In USD, and the underlying's price at which it was told.
    forward: (f64, f64),
    /// Of linear options.
    pub(super) discount: f64,
}

impl Term {
    /// The price of the coin ÷ the forward, which stays as they move together.
    pub(super) fn parity(&self) -> f64 {
        let (forward, at_price) = self.forward;
        at_price / forward
    }
}

/// A holding with the places of what it depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Line {
    pub(super) holding: Holding,
    /// Index of the underlying, or of a balance's currency.
    pub(super) underlying: usize,
    /// Index of the currency of settlement; the underlying's for what is settled in coin.
    pub(super) settlement: usize,
    /// Index of the currency that prices are in, the one of settlement but of a quanto. Not looked at of what is settled in coin.
    pub(super) quote: usize,
    /// Index of its expiry.
    pub(super) term: Option<usize>,
    /// Quantity, or amount of a balance.
    pub(super) quantity: f64,
    /// Strike of an option, cost of a future.
    pub(super) basis: f64,
    /// Of a future that is held at a price of its own: that price over its coin's.
    ratio: Option<f64>,
}

impl Line {
    /// The price of a future that is held at a price of its own over its coin's.
    pub(super) fn own_ratio(&self) -> Option<f64> {
        self.ratio
    }

    /// Whether its worth is followed by itself: of a future with a price of its own, or of a quanto.
    pub(super) fn stands_alone(&self) -> bool {
        matches!(self.holding, Holding::Future { .. }) && (self.ratio.is_some() || self.quanto().is_some())
    }

    /// The currencies that a quanto is quoted and paid in.
    pub(super) fn quanto(&self) -> Option<(usize, usize)> {
        (self.quote != self.settlement).then_some((self.quote, self.settlement))
    }

    /// The cost of a future, and the index of the currency in which it is owed.
    pub(super) fn cost(&self) -> Option<(f64, usize)> {
        match self.holding {
            Holding::Future { .. } => Some((self.basis, self.settlement)),
            Holding::Balance { .. } | Holding::Option { .. } => None,
        }
    }
}

/// An account's holdings with the market that values them.
///
/// ```
/// use risk::greeks::SmilePoint;
/// use risk::scenario::{Holding, Move, Outcomes, Portfolio, Revaluation, Scenario, Settlement, SpotMoves};
/// use pricing::options::Simd;
/// use units::{OptionRight, Timestamp};
///
/// let (btc, usd) = ("BTC".parse().unwrap(), market::Currency::USD);
/// let expiry: Timestamp = "2026-03-27T08:00:00Z".parse().unwrap();
/// let mut portfolio = Portfolio::new(usd, "2026-03-01".parse().unwrap());
/// portfolio.set_price(btc, 60_000.0)?;
/// portfolio.set_forward(btc, expiry, 60_300.0)?;
/// // A synthetic dollar: one coin, and an inverse perpetual sold for all that it is worth.
/// portfolio.hold(Holding::Balance { currency: btc, amount: "1".parse().unwrap() })?;
/// portfolio.hold(Holding::Future {
///     underlying: btc,
///     expiry: None,
///     settlement: Settlement::Coin,
///     quantity: "-60000".parse().unwrap(),
///     cost: "1".parse().unwrap(),
/// })?;
/// let fall = Scenario { spot: SpotMoves::all(Move::Return(-0.5)), ..Scenario::still("half") };
/// let mut outcomes = Outcomes::default();
/// Revaluation::new(Simd::best()).run(&portfolio, &[fall], &mut outcomes)?;
/// assert!(outcomes.total(0).abs() < 1e-9);
/// # Ok::<(), risk::scenario::ScenarioError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Portfolio {
    pub(super) account: usize,
    pub(super) now: Timestamp,
    pub(super) currencies: Vec<Quoted>,
    pub(super) terms: Vec<Term>,
    pub(super) lines: Vec<Line>,
    /// Options' lines, those of one expiry and settlement side by side.
    pub(super) options: Vec<usize>,
    /// The other lines, in order.
    pub(super) others: Vec<usize>,
}

impl Portfolio {
    /// An empty portfolio of an account that reckons in `account`.
    #[must_use]
    pub fn new(account: Currency, now: Timestamp) -> Self {
        let mut portfolio = Self {
            account: 0,
            now,
            currencies: vec![Quoted { currency: Currency::USD, price: 1.0, dollar: true, vol: None }],
            terms: Vec::new(),
            lines: Vec::new(),
            options: Vec::new(),
            others: Vec::new(),
        };
        if account != Currency::USD {
            portfolio.account = 1;
            // One that is no dollar has no price until it is told.
            let price = if is_dollar(account) { 1.0 } else { f64::NAN };
            portfolio.currencies.push(Quoted { currency: account, price, dollar: is_dollar(account), vol: None });
        }
        portfolio
    }

    /// Moves time. Options past their expiry are worth what exercise would give.
    pub fn set_time(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Sets the price of a coin or stablecoin in USD; every forward of it moves along in proportion. Dollars and stablecoins of them
    /// are at 1 until set.
    ///
    /// # Errors
    ///
    /// A price outside its range, of USD one that is not 1, or one that throws a forward out of its range.
    pub fn set_price(&mut self, currency: Currency, price: f64) -> Result<(), ScenarioError> {
        if check(Field::Forward, price).is_err() || (currency == Currency::USD && price != 1.0) {
            return Err(ScenarioError::Price(currency, price));
        }
        match self.currencies.iter().position(|quoted| quoted.currency == currency) {
            None => {
                let dollar = is_dollar(currency);
                self.currencies.push(Quoted { currency, price, dollar, vol: None });
            }
            Some(at) => {
                let before = std::mem::replace(&mut self.currencies[at].price, price);
                let fits = |term: &&Term| check(Field::Forward, self.forward(term)).is_err();
                if self.terms.iter().filter(|term| term.underlying == at).find(fits).is_some() {
                    self.currencies[at].price = before;
                    return Err(ScenarioError::Price(currency, price));
                }
            }
        }
        Ok(())
    }

    /// Sets the price of a stablecoin that [`is_dollar`] does not know: scenarios move it where they name it, and not as a coin.
    ///
    /// # Errors
    ///
    /// As [`Self::set_price`].
    pub fn set_stablecoin(&mut self, currency: Currency, price: f64) -> Result<(), ScenarioError> {
        self.set_price(currency, price)?;
        let at = self.currency(currency)?;
        self.currencies[at].dollar = true;
        Ok(())
    }

    /// Sets a coin's volatility a year, by which moves in deviations are measured.
    ///
    /// # Errors
    ///
    /// A coin without a price; a volatility outside its range.
    pub fn set_vol(&mut self, coin: Currency, vol: f64) -> Result<(), ScenarioError> {
        let at = self.currency(coin)?;
        self.currencies[at].vol = Some(check(Field::Vol, vol)?);
        Ok(())
    }

    /// Sets the forward of an expiry in USD, at the present price of its coin.
    ///
    /// # Errors
    ///
    /// A coin without a price; a forward outside its range.
    pub fn set_forward(&mut self, coin: Currency, expiry: Timestamp, forward: f64) -> Result<(), ScenarioError> {
        let underlying = self.currency(coin)?;
        let forward = (check(Field::Forward, forward)?, self.currencies[underlying].price);
        match self.find_term(underlying, expiry) {
            Some(at) => self.terms[at].forward = forward,
            None => self.terms.push(Term { underlying, expiry, forward, discount: 1.0 }),
        }
        Ok(())
    }

    /// Sets the discount factor to an expiry for options that are not paid for in coin; 1 until set.
    ///
    /// # Errors
    ///
    /// An expiry without a forward; a factor outside its range.
    pub fn set_discount(&mut self, coin: Currency, expiry: Timestamp, discount: f64) -> Result<(), ScenarioError> {
        let at = self.term(coin, expiry)?;
        self.terms[at].discount = check(Field::Discount, discount)?;
        Ok(())
    }

    /// Adds a holding; gives its line, by which results name it.
    ///
    /// # Errors
    ///
    /// A currency without a price, an expiry without a forward, a strike, volatility or slope that cannot be.
    pub fn hold(&mut self, holding: Holding) -> Result<usize, ScenarioError> {
        let ((underlying, settlement, quote), term, quantity, basis) = match holding {
            Holding::Balance { currency, amount } => {
                let at = self.currency(currency)?;
                ((at, at, at), None, amount.approximate(), 0.0)
            }
            Holding::Future { underlying, expiry, settlement, quantity, cost } => {
                let term = expiry.map(|expiry| self.term(underlying, expiry)).transpose()?;
                (self.places_of(underlying, settlement)?, term, quantity.approximate(), cost.approximate())
            }
            Holding::Option { underlying, expiry, strike, settlement, quantity, point, .. } => {
                let strike = check(Field::Strike, strike.approximate())?;
                check_point(point)?;
                let term = self.term(underlying, expiry)?;
                (self.places_of(underlying, settlement)?, Some(term), quantity.approximate(), strike)
            }
        };
        Ok(self.push(Line { holding, underlying, settlement, quote, term, quantity, basis, ratio: None }))
    }

    /// Adds a future or perpetual that trades at a price of its own, in USD: it moves from there in proportion with its coin, so that what
    /// it stands over or under the index or the forward stays as a share. Gives its line. Of another holding the price is not looked at.
    ///
    /// # Errors
    ///
    /// A currency without a price, a price that cannot be.
    pub fn hold_at(&mut self, holding: Holding, price: f64) -> Result<usize, ScenarioError> {
        let Holding::Future { underlying, settlement, quantity, cost, .. } = holding else {
            return self.hold(holding);
        };
        let (underlying, settlement, quote) = self.places_of(underlying, settlement)?;
        let ratio = Some(check(Field::Forward, price)? / self.currencies[underlying].price);
        let (term, quantity, basis) = (None, quantity.approximate(), cost.approximate());
        let line = self.push(Line { holding, underlying, settlement, quote, term, quantity, basis, ratio });
        Ok(line)
    }

    /// A tick of a future that is held at a price of its own, in USD, at the present price of its coin. Of another line nothing changes.
    ///
    /// # Errors
    ///
    /// A price that cannot be.
    pub fn set_own_price(&mut self, line: usize, price: f64) -> Result<(), ScenarioError> {
        let price = check(Field::Forward, price)?;
        if let Some(Line { underlying, ratio: Some(ratio), .. }) = self.lines.get_mut(line) {
            *ratio = price / self.currencies[*underlying].price;
        }
        Ok(())
    }

    fn push(&mut self, added: Line) -> usize {
        let (line, holding) = (self.lines.len(), added.holding);
        self.lines.push(added);
        if matches!(holding, Holding::Option { .. }) {
            let key = |line: usize| (self.lines[line].term, self.lines[line].settlement, self.style(line));
            let at = self.options.partition_point(|other| key(*other) <= key(line));
            self.options.insert(at, line);
        } else {
            self.others.push(line);
        }
        line
    }

    /// Changes an option's volatility and the smile's slope at it.
    ///
    /// # Errors
    ///
    /// A line that is no option; a volatility or slope that cannot be.
    pub fn set_point(&mut self, line: usize, to: SmilePoint) -> Result<(), ScenarioError> {
        let to = check_point(to)?;
        match self.lines.get_mut(line) {
            Some(Line { holding: Holding::Option { point, .. }, .. }) => *point = to,
            _ => return Err(ScenarioError::NoOption(line)),
        }
        Ok(())
    }

    /// What is held, line by line.
    pub fn holdings(&self) -> impl Iterator<Item = &Holding> {
        self.lines.iter().map(|line| &line.holding)
    }

    /// The moment that it is priced at.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Coins that what is held depends on, or that the account reckons in, in order; dollars are none.
    #[must_use]
    pub fn coins(&self) -> Vec<Currency> {
        let held = self.lines.iter().filter(|line| line.quantity != 0.0);
        let mut places: Vec<usize> = held.flat_map(|line| [line.underlying, line.settlement, line.quote]).collect();
        places.push(self.account);
        places.sort_unstable();
        places.dedup();
        places.retain(|at| !self.currencies[*at].dollar);
        places.into_iter().map(|at| self.currencies[at].currency).collect()
    }

    /// Currencies with their prices, in USD.
    pub fn prices(&self) -> impl Iterator<Item = (Currency, f64)> + '_ {
        self.currencies.iter().map(|quoted| (quoted.currency, quoted.price))
    }

    /// Coins that options are held on.
    pub fn coins_of_options(&self) -> impl Iterator<Item = Currency> + '_ {
        let held = self.options.iter().map(|line| &self.lines[*line]).filter(|line| line.quantity != 0.0);
        held.map(|line| self.currencies[line.underlying].currency)
    }

    /// Coins that options of under thirty days are held on, in order.
    #[must_use]
    pub fn coins_of_short_options(&self) -> Vec<Currency> {
        let until = self.now + Duration::from_nanos(REFERENCE_DAYS as i64 * Duration::DAY.nanos());
        let of = |line: &Line| match line.holding {
            Holding::Option { underlying, expiry, .. } if expiry < until => Some(underlying),
            _ => None,
        };
        let mut short: Vec<Currency> = self.lines.iter().filter_map(of).collect();
        short.sort_unstable();
        short.dedup();
        short
    }

    /// ln(strike ÷ forward) of each line that is an option, the forward in the currency that it is quoted in.
    pub(crate) fn places(&self) -> Vec<f64> {
        let place = |line: &Line| match (line.holding, line.term) {
            (Holding::Option { settlement, .. }, Some(term)) => {
                let forward = self.forward(&self.terms[term]);
                let quoted = match settlement {
                    Settlement::Coin => forward,
                    Settlement::Quote(_) | Settlement::Quanto { .. } => forward / self.currencies[line.quote].price,
                };
                units::math::ln(line.basis / quoted)
            }
            _ => 0.0,
        };
        self.lines.iter().map(place).collect()
    }

    /// Number of holdings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// In what the account reckons.
    #[must_use]
    pub fn account(&self) -> Currency {
        self.currencies[self.account].currency
    }

    /// The forward now, in USD.
    pub(super) fn forward(&self, term: &Term) -> f64 {
        let (forward, at_price) = term.forward;
        forward * (self.currencies[term.underlying].price / at_price)
    }

    /// Years of 365 days to an expiry, after some time; 0 once it is past.
    pub(super) fn years(&self, term: &Term, after: Duration) -> f64 {
        let left = i128::from(term.expiry.nanos()) - i128::from(self.now.nanos()) - i128::from(after.nanos());
        left.max(0) as f64 / (365.0 * Duration::DAY.nanos() as f64)
    }

    /// What a unit of a line that is no option is worth in USD at such prices.
    pub(super) fn unit(&self, line: &Line, funding: f64, prices: &[f64]) -> f64 {
        let (currency, unit) = self.linear(line, funding);
        match line.quanto() {
            None => unit * prices[currency],
            Some((quote, paid)) => unit * prices[currency] / prices[quote] * prices[paid],
        }
    }

    /// What a unit of a line that is no option is worth: so much of a currency, its index first. Funding is a share of notional, of
    /// perpetuals. Of a quanto it is that over the price of what it is quoted in, in what it is paid in ([`Line::quanto`]).
    pub(super) fn linear(&self, line: &Line, funding: f64) -> (usize, f64) {
        let Holding::Future { settlement, expiry, .. } = line.holding else {
            return (line.underlying, 1.0);
        };
        let of_term = |term: usize| {
            let term = &self.terms[term];
            self.forward(term) / self.currencies[term.underlying].price
        };
        let ratio = line.ratio.or_else(|| line.term.map(of_term)).unwrap_or(1.0);
        // Futures pay no funding.
        let paid = if expiry.is_none() { funding } else { 0.0 };
        match settlement {
            // −1 ÷ forward coins are as many dollars whatever the coin's price: the two move alike.
            Settlement::Coin => (USD, -(1.0 + paid) / ratio),
            Settlement::Quote(_) | Settlement::Quanto { .. } => (line.underlying, ratio * (1.0 - paid)),
        }
    }

    /// Whether the settlement is in coin.
    pub(super) fn style(&self, line: usize) -> bool {
        match self.lines[line].holding {
            Holding::Option { settlement, .. } | Holding::Future { settlement, .. } => settlement == Settlement::Coin,
            Holding::Balance { .. } => false,
        }
    }

    /// The coin, what it is settled in and what it is quoted in.
    fn places_of(&mut self, coin: Currency, settlement: Settlement) -> Result<(usize, usize, usize), ScenarioError> {
        let coin = self.currency(coin)?;
        Ok(match settlement {
            Settlement::Coin => (coin, coin, coin),
            Settlement::Quote(currency) => {
                let at = self.currency(currency)?;
                (coin, at, at)
            }
            Settlement::Quanto { quoted, paid } => (coin, self.currency(paid)?, self.currency(quoted)?),
        })
    }

    /// Where a currency stands; a dollar comes in at 1.
    fn currency(&mut self, currency: Currency) -> Result<usize, ScenarioError> {
        match self.currencies.iter().position(|quoted| quoted.currency == currency) {
            Some(at) if self.currencies[at].price.is_nan() => Err(ScenarioError::NoPrice(currency)),
            Some(at) => Ok(at),
            None if is_dollar(currency) => {
                self.currencies.push(Quoted { currency, price: 1.0, dollar: true, vol: None });
                Ok(self.currencies.len() - 1)
            }
            None => Err(ScenarioError::NoPrice(currency)),
        }
    }

    fn find_term(&self, underlying: usize, expiry: Timestamp) -> Option<usize> {
        self.terms.iter().position(|term| term.underlying == underlying && term.expiry == expiry)
    }

    fn term(&mut self, coin: Currency, expiry: Timestamp) -> Result<usize, ScenarioError> {
        let underlying = self.currency(coin)?;
        self.find_term(underlying, expiry).ok_or(ScenarioError::NoForward(coin, expiry))
    }
}

pub(super) fn check(field: Field, value: f64) -> Result<f64, Refusal> {
    let (low, high) = field.range();
    if (low..=high).contains(&value) { Ok(value) } else { Err(Refusal { field, value }) }
}

fn check_point(point: SmilePoint) -> Result<SmilePoint, ScenarioError> {
    check(Field::Vol, point.vol)?;
    if point.slope.is_finite() { Ok(point) } else { Err(ScenarioError::Slope(point.slope)) }
}
