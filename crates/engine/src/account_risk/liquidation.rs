//! How far a strategy's account is from being liquidated, and how likely it is to get there.

use super::edges::Edges;
use super::{AccountRisk, RiskRefusal, YEAR};
use crate::engine::Engine;
use policy::facts;
use policy::spec::MAX_AGE;
use risk::liquidation::{Drift, Path};
use units::Duration;

impl AccountRisk {
    /// Where the account of a strategy is liquidated, as multiples of the present price of its underlying.
    pub(super) fn edges(&mut self, engine: &Engine, scope: usize) -> Result<Edges, RiskRefusal> {
        let scope = &engine.scopes[scope];
        let (at, base) = (scope.account.index(), engine.catalogue.instruments[scope.instrument.index()].base);
        if self.held[at].model.is_none() {
            return Err(RiskRefusal::NoModel(self.held[at].venue.clone()));
        }
        self.update(engine, at)?;
        let coin = self.coin(base);
        let (account, held) = (&engine.books[at].account, &self.held[at]);
        held.pools.iter().try_fold(Edges::default(), |edges, pool| {
            Ok(edges.nearer(Edges::of(engine, account, pool, (base, coin.and_then(|coin| coin.price(engine))))?))
        })
    }

    pub(super) fn probability(&mut self, engine: &Engine, scope: usize, horizon: Duration) -> Result<f64, RiskRefusal> {
        let edges = self.edges(engine, scope)?;
        if edges.is_liquidated {
            return Ok(1.0);
        }
        if (edges.below, edges.above) == (None, None) {
            return Ok(0.0);
        }
        let years = horizon.nanos() as f64 / YEAR;
        let own = &engine.scopes[scope];
        let base = engine.catalogue.instruments[own.instrument.index()].base;
        let largest = engine.structures.chains.largest(base.as_str());
        let surface = largest.and_then(|chain| engine.surfaces.of(chain));
        let surface = surface.filter(|fitted| engine.now.since(fitted.at()) <= MAX_AGE);
        let implied = surface.and_then(|fitted| Some(fitted.surface()?.tenor(years).ok()?.atm()));
        let vol = implied.or_else(|| own.facts.get(facts::VOLATILITY).map(units::Vol::get));
        let vol = vol.ok_or(RiskRefusal::NoVolatility(base))?;
        let path = Path { price: 1.0, vol, years, drift: Drift::Martingale };
        path.touches(edges.below, edges.above).map_err(RiskRefusal::Touch)
    }
}
