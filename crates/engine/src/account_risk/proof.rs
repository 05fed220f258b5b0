//! That a fact of risk is still inside the room that a strategy's region leaves it, without computing it again.
//!
//! Between two quotes and trades only marks of futures and perpetuals move. Over a box of their prices the profit of each position is
//! least and most at an end of its range, and so is its maintenance margin, which grows with what the position is worth. So equity and
//! maintenance margin lie between sums that are exact, and a ratio between quotients of them: no sampling, no expansion. What an option
//! is marked at changes with its quotes alone, which end every proof. A stress is a profit, between whose ends
//! [`risk::scenario::Bound`] proves that it lies until prices or time have gone far.

use super::margins::{Held, Pool};
use super::stress::equity_of_all;
use super::{AccountRisk, NEVER};
use crate::engine::Engine;
use market::{Account, Currency};
use policy::spec::MAX_AGE;
use policy::{MarginFigure, RiskFact};
use risk::scenario::{Bound, Drift, Reach, Scenario};
use units::{Cash, Duration, Price, Round, Timestamp};

/// How wide a box is tried to each side, as a share of the price.
const WIDTHS: [f64; 5] = [0.2, 0.05, 0.01, 0.003, 0.001];
/// What a distance is off at most, which the search and its rounding leave.
const SLIP: f64 = 1e-9;

/// A proof and what it is of.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    Prices(PriceBox),
    Stress(Box<Stressed>),
}

impl Proof {
    /// Whether it still stands.
    #[inline]
    pub(super) fn holds(&mut self, risk: &AccountRisk, engine: &Engine) -> bool {
        match self {
            Self::Prices(prices) => prices.holds(engine),
            Self::Stress(stressed) => stressed.holds(risk, engine),
        }
    }

    /// For a fact that has to stay over `low` and under `high`. `None`: no box is wide enough, or nothing is known of the fact.
    pub(super) fn of(
        risk: &mut AccountRisk,
        engine: &Engine,
        scope: usize,
        fact: &RiskFact,
        within: (f64, f64),
    ) -> Option<Self> {
        match fact {
            RiskFact::Stress { name } => Stressed::of(risk, engine, name, within).map(Box::new).map(Self::Stress),
            _ => PriceBox::of(risk, engine, scope, fact, within).map(Self::Prices),
        }
    }
}

/// What a stress costs, as far as it is known without pricing anything again.
#[derive(Debug, Clone)]
pub(super) struct Stressed {
    /// The profit.
    bound: Bound,
    drift: Drift,
    /// Coins whose prices it follows.
    coins: Vec<usize>,
    /// Perpetuals, which move from their marks: the book, the instrument and the coin of each.
    perpetuals: Vec<(usize, usize, usize)>,
    made: u64,
    quotes: u64,
    until: Timestamp,
    low: f64,
    high: f64,
}

impl Stressed {
    fn of(risk: &mut AccountRisk, engine: &Engine, name: &str, (low, high): (f64, f64)) -> Option<Self> {
        let at = risk.stresses.iter().position(|(known, _)| known == name)?;
        let AccountRisk { whole, stresses, revaluation, coins, .. } = risk;
        let (whole, scenario) = (whole.as_ref()?, stresses[at].1.as_ref()?);
        let kinds = || whole.lines.iter().map(|index| engine.catalogue.instruments[*index].kind);
        // A future's own price is not its coin's.
        if kinds().any(|kind| kind.expiry().is_some() && !kind.is_option()) {
            return None;
        }
        let has_options = kinds().any(market::InstrumentKind::is_option);
        // What is linear is known far; the nearer, the less is known of options only roughly.
        let (price, hours) = if has_options { (0.03, 2) } else { (0.3, 24) };
        let reach = Reach { price, time: Duration::from_nanos(hours * Duration::HOUR.nanos()), ..Reach::default() };
        let (mut bound, mut still) = (Bound::default(), Bound::default());
        let mut ready = revaluation.ready(&whole.portfolio).ok()?;
        ready.bound(scenario, &reach, &mut bound).ok()?;
        ready.bound(&Scenario::still(""), &reach, &mut still).ok()?;
        let mut drift = Drift::of(&whole.portfolio);
        let followed = (0..coins.len()).filter(|coin| {
            let price = coins[*coin].price(engine).map(Price::approximate);
            price.is_some_and(|price| drift.set_price(coins[*coin].base, price).is_ok())
        });
        let followed = followed.collect();
        let perpetual = |(_, book, index): &(usize, usize, usize)| {
            let base = engine.catalogue.instruments[*index].base;
            Some((*book, *index, coins.iter().position(|coin| coin.base == base)?))
        };
        let perpetuals: Vec<_> = whole.futures.iter().filter_map(perpetual).collect();
        if perpetuals.len() < whole.futures.len() {
            return None;
        }
        let quoted = whole.lines.iter().filter_map(|index| {
            let option = engine.structures.chains.option(units::InstrumentId(*index as u32))?;
            Some(option.quoted + MAX_AGE)
        });
        let expires = kinds().filter_map(market::InstrumentKind::expiry);
        let until = quoted.chain(expires).fold(Timestamp::MAX, Timestamp::min);
        let (made, quotes) = (whole.made, whole.quotes);
        let bound = bound.less(&still);
        let mut stressed = Self { bound, drift, coins: followed, perpetuals, made, quotes, until, low, high };
        // What does not hold now would be looked at for nothing.
        stressed.holds(risk, engine).then_some(stressed)
    }

    fn holds(&mut self, risk: &AccountRisk, engine: &Engine) -> bool {
        let made: u64 = engine.books.iter().map(|book| book.moves).sum();
        if made != self.made || engine.structures.chains.changes() != self.quotes || engine.now >= self.until {
            return false;
        }
        // The bound follows coins alone: a mark that is not its coin's price has a basis, which may have changed.
        let has_basis = |(book, index, coin): &(usize, usize, usize)| {
            risk.coins[*coin].price(engine) != Some(engine.books[*book].account.mark(*index))
        };
        if self.perpetuals.iter().any(has_basis) {
            return false;
        }
        self.drift.set_time(engine.now);
        for coin in &self.coins {
            let coin = &risk.coins[*coin];
            let price = coin.price(engine).map(Price::approximate);
            let is_set = price.is_some_and(|price| self.drift.set_price(coin.base, price).is_ok());
            if !is_set {
                return false;
            }
        }
        let (Some((least, most)), Ok(equity)) = (self.bound.interval(&self.drift), equity_of_all(engine)) else {
            return false;
        };
        let equity = equity.approximate();
        // A share is a quotient, rounded alike; what is lost is the profit without its sign.
        equity > 0.0 && self.low < -most / equity && -least / equity < self.high
    }
}

/// A box of prices, and what must not have changed beside them.
#[derive(Debug, Clone)]
pub(super) struct PriceBox {
    account: usize,
    moves: u64,
    quotes: u64,
    until: Timestamp,
    /// Instruments with the least and most of their marks.
    marks: Vec<(usize, Price, Price)>,
}

/// Between what equity and maintenance margin lie.
struct Between {
    equity: (Cash, Cash),
    maintenance: (Cash, Cash),
}

impl PriceBox {
    #[inline]
    fn holds(&self, engine: &Engine) -> bool {
        let book = &engine.books[self.account];
        let inside = |(index, low, high): &(usize, Price, Price)| (*low..=*high).contains(&book.account.mark(*index));
        book.moves == self.moves
            && engine.structures.chains.changes() == self.quotes
            && engine.now < self.until
            && self.marks.iter().all(inside)
    }

    fn of(risk: &AccountRisk, engine: &Engine, scope: usize, fact: &RiskFact, (low, high): (f64, f64)) -> Option<Self> {
        let scope = &engine.scopes[scope];
        let at = match fact {
            RiskFact::Margin { figure: MarginFigure::Ratio, venue, portfolio: false } => risk.account_at(venue).ok()?,
            RiskFact::Distance => scope.account.index(),
            _ => return None,
        };
        let held = &risk.held[at];
        // The rows must be those of now.
        if held.moment != risk.moment || held.result.is_err() {
            return None;
        }
        let account = &engine.books[at].account;
        let base = engine.catalogue.instruments[scope.instrument.index()].base;
        let fits = |width: f64| match fact {
            RiskFact::Distance => stays_away(engine, account, held, base, width, (low, high)),
            _ => stays_between(engine, account, held, base, width, (low, high)),
        };
        let width = WIDTHS.into_iter().find(|width| fits(*width) == Some(true))?;
        let mut marks = Vec::new();
        for row in held.pools.iter().flat_map(|pool| &pool.rows).filter(|row| !row.is_option) {
            let (low, high) = range(row.mark, (1.0 - width, 1.0 + width))?;
            marks.push((row.instrument, low, high));
        }
        Some(Self {
            account: at,
            moves: engine.books[at].moves,
            quotes: engine.structures.chains.changes(),
            until: until(engine, held),
            marks,
        })
    }
}

/// When a fact may be refused though no price moved: parameters end, a contract expires, a quote is too old.
fn until(engine: &Engine, held: &Held) -> Timestamp {
    let ends = held.model.as_ref().and_then(|model| model.parameters().valid_until()).unwrap_or(Timestamp::MAX);
    let expiries = held.pools.iter().flat_map(|pool| &pool.rows);
    let expiries = expiries.filter_map(|row| engine.catalogue.instruments[row.instrument].kind.expiry());
    let (oldest, _) = held.oldest;
    let stale = if oldest == Timestamp::MAX { oldest } else { oldest + MAX_AGE };
    expiries.fold(ends.min(stale), Timestamp::min)
}

/// Prices between two multiples of a mark, rounded outward.
fn range(mark: Price, (low, high): (f64, f64)) -> Option<(Price, Price)> {
    let mark = mark.approximate();
    let low = Price::from_estimate(mark * low, Round::TowardZero)?;
    let high = Price::from_estimate(mark * high, Round::AwayFromZero)?;
    (low > Price::ZERO).then_some((low, high))
}

/// Over a box in which contracts on a coin lie between two multiples of their marks, and all others between two.
fn between(
    engine: &Engine,
    account: &Account,
    pool: &Pool,
    base: Currency,
    (own, others): ((f64, f64), (f64, f64)),
) -> Option<Between> {
    let equity = pool.equity(account);
    let mut found = Between { equity: (equity, equity), maintenance: (Cash::ZERO, Cash::ZERO) };
    for (number, row) in pool.rows.iter().enumerate() {
        if row.is_option {
            found.maintenance.0 += row.maintenance;
            found.maintenance.1 += row.maintenance;
            continue;
        }
        // What follows a price beside its own mark has a box of more sides.
        if row.rule.needs_index() {
            return None;
        }
        let is_own = engine.catalogue.instruments[row.instrument].base == base;
        let ends = range(row.mark, if is_own { own } else { others })?;
        let contract = account.contract(row.instrument);
        let profit = |to: Price| contract.profit(row.qty, row.mark, to);
        let needed = |at: Price| Some(row.rule.margins(row.qty, at, None, number).ok()?.1);
        let (low, high) = (profit(ends.0), profit(ends.1));
        found.equity = (found.equity.0 + low.min(high), found.equity.1 + low.max(high));
        let (low, high) = (needed(ends.0)?, needed(ends.1)?);
        found.maintenance = (found.maintenance.0 + low.min(high), found.maintenance.1 + low.max(high));
    }
    Some(found)
}

/// Whether the ratio of maintenance margin to equity stays over `low` and under `high`.
fn stays_between(
    engine: &Engine,
    account: &Account,
    held: &Held,
    base: Currency,
    width: f64,
    (low, high): (f64, f64),
) -> Option<bool> {
    let sides = (1.0 - width, 1.0 + width);
    let (mut least, mut most) = (0.0_f64, 0.0_f64);
    for pool in &held.pools {
        let Between { equity, maintenance } = between(engine, account, pool, base, (sides, sides))?;
        if equity.0 <= Cash::ZERO {
            return Some(false);
        }
        // Conversion and division round the same way everywhere, so they keep the order.
        least = least.max(maintenance.0.approximate() / equity.1.approximate());
        most = most.max(maintenance.1.approximate() / equity.0.approximate());
    }
    Some(low < least && most < high)
}

/// Whether the nearest price that liquidates stays farther than `low` and nearer than `high`.
fn stays_away(
    engine: &Engine,
    account: &Account,
    held: &Held,
    base: Currency,
    width: f64,
    (low, high): (f64, f64),
) -> Option<bool> {
    let on = |index: usize| engine.catalogue.instruments[index].base == base;
    if held.pools.iter().flat_map(|pool| &pool.rows).any(|row| row.is_option && on(row.instrument)) {
        return None;
    }
    let sides = (1.0 - width, 1.0 + width);
    let low = low.max(0.0) + SLIP;
    // Everywhere between, the account lives.
    let reach = (sides.0 * (1.0 - low), sides.1 * (1.0 + low));
    if low >= 1.0 {
        return Some(false);
    }
    for pool in &held.pools {
        let Between { equity, maintenance } = between(engine, account, pool, base, (reach, sides))?;
        if equity.0 <= maintenance.1 {
            return Some(false);
        }
    }
    if high > NEVER {
        return Some(true);
    }
    // On one side no farther than that, it does not.
    let high = high - SLIP;
    let dies = |times: f64| {
        let there = (sides.0 * times, sides.1 * times);
        held.pools.iter().any(|pool| {
            let found = between(engine, account, pool, base, (there, sides));
            found.is_some_and(|Between { equity, maintenance }| equity.1 < maintenance.0)
        })
    };
    Some((high < 1.0 && dies(1.0 - high)) || dies(1.0 + high))
}
