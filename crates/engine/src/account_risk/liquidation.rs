//! How far a strategy's account is from being liquidated, and how likely it is to get there.

use super::edges::Edges;
use super::{AccountRisk, RiskRefusal, YEAR};
use crate::engine::Engine;
use market::Currency;
use policy::facts;
use policy::spec::MAX_AGE;
use risk::liquidation::{Drift, Path};
use units::{Duration, Timestamp};

impl AccountRisk {
    /// Where the account of a strategy is liquidated, as multiples of the present price of its underlying.
    pub(super) fn edges(&mut self, engine: &Engine, scope: usize) -> Result<Edges, RiskRefusal> {
        let scope = &engine.scopes[scope];
        let (at, base) = (scope.account.index(), engine.catalogue.instruments[scope.instrument.index()].base);
        let found = |(account, coin, moment, _): &&(usize, Currency, u64, Edges)| {
            (*account, *coin, *moment) == (at, base, self.moment)
        };
        if let Some((.., edges)) = self.searched.iter().find(found) {
            return Ok(*edges);
        }
        if self.held[at].model.is_none() {
            return Err(RiskRefusal::NoModel(self.held[at].venue.clone()));
        }
        self.update(engine, at)?;
        let (account, held) = (&engine.books[at].account, &self.held[at]);
        let edges = held.pools.iter().try_fold(Edges::default(), |edges, pool| {
            Ok::<_, RiskRefusal>(edges.nearer(Edges::of(engine, account, pool, base)?))
        })?;
        self.searched.retain(|(account, coin, ..)| (*account, *coin) != (at, base));
        self.searched.push((at, base, self.moment, edges));
        Ok(edges)
    }

    pub(super) fn probability(&mut self, engine: &Engine, scope: usize, horizon: Duration) -> Result<f64, RiskRefusal> {
        let edges = self.edges(engine, scope)?;
        if edges.is_liquidated {
            return Ok(1.0);
        }
        if (edges.below, edges.above) == (None, None) {
            return Ok(0.0);
        }
        let Implied { vol, .. } = implied(engine, scope, horizon)?;
        let path = Path { price: 1.0, vol, years: horizon.nanos() as f64 / YEAR, drift: Drift::Martingale };
        path.touches(edges.below, edges.above).map_err(RiskRefusal::Touch)
    }
}

/// The volatility that a probability goes by.
pub(super) struct Implied {
    pub(super) vol: f64,
    /// It is the one that the strategy sizes by; else that of quotes, which stays until the next.
    pub(super) is_own: bool,
    pub(super) until: Timestamp,
}

/// At the money at a horizon, else the strategy's own.
pub(super) fn implied(engine: &Engine, scope: usize, horizon: Duration) -> Result<Implied, RiskRefusal> {
    let own = &engine.scopes[scope];
    let base = engine.catalogue.instruments[own.instrument.index()].base;
    let largest = engine.structures.chains.largest(base.as_str());
    let surface = largest.and_then(|chain| engine.surfaces.of(chain));
    let fresh = surface.filter(|fitted| engine.now.since(fitted.at()) <= MAX_AGE);
    let years = horizon.nanos() as f64 / YEAR;
    let quoted = fresh.and_then(|fitted| Some((fitted.surface()?.tenor(years).ok()?.atm(), fitted.at() + MAX_AGE)));
    if let Some((vol, until)) = quoted {
        return Ok(Implied { vol, is_own: false, until });
    }
    let vol = own.facts.get(facts::VOLATILITY).map(units::Vol::get).ok_or(RiskRefusal::NoVolatility(base))?;
    Ok(Implied { vol, is_own: true, until: Timestamp::MAX })
}
