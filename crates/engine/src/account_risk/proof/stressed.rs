//! A stress between the ends of a profit, until prices or time have gone far.

use crate::account_risk::AccountRisk;
use crate::account_risk::stress::equity_of_all;
use crate::engine::Engine;
use policy::spec::MAX_AGE;
use risk::scenario::{Bound, Drift, Reach, Scenario};
use units::{Duration, Price, Timestamp};

/// What a stress costs, as far as it is known without pricing anything again.
#[derive(Debug, Clone)]
pub(in crate::account_risk) struct Stressed {
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
    pub(super) fn of(risk: &mut AccountRisk, engine: &Engine, name: &str, (low, high): (f64, f64)) -> Option<Self> {
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

    pub(super) fn holds(&mut self, risk: &AccountRisk, engine: &Engine) -> bool {
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
