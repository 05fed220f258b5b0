//! What tells the price of a coin.

use crate::engine::Engine;
use market::{Catalogue, Currency, InstrumentKind, is_dollar};
use risk::chain::{ChainExpiry, Chains};
use units::Price;

/// A coin and what tells its price.
#[derive(Debug, Clone)]
pub(super) struct Coin {
    pub(super) base: Currency,
    /// Instruments whose price is that of the coin in dollars: the first that has one tells it.
    pub(super) sources: Vec<u32>,
    pub(super) chains: Vec<usize>,
}

impl Coin {
    /// In dollars: as for the Greeks of what is held, else the nearest forward.
    pub(super) fn price(&self, engine: &Engine) -> Option<Price> {
        let last = |source: &u32| engine.last[*source as usize];
        let own = self.sources.iter().map(last).find(|last| !last.is_zero());
        let forward = |chain: &usize| {
            let listed = engine.structures.chains.chains()[*chain].expiries();
            listed.iter().find_map(ChainExpiry::forward)
        };
        own.or_else(|| self.chains.iter().find_map(forward))
    }
}

/// Coins of a catalogue, in order.
pub(super) fn coins(catalogue: &Catalogue, chains: &Chains) -> Vec<Coin> {
    let mut coins: Vec<Coin> = Vec::new();
    for of in &catalogue.instruments {
        let Err(at) = coins.binary_search_by_key(&of.base, |coin| coin.base) else { continue };
        let all = |kinds: fn(InstrumentKind) -> bool| {
            let listed = catalogue.instruments.iter().enumerate();
            let fits = move |(_, other): &(usize, &market::Instrument)| {
                other.base == of.base && is_dollar(other.quote) && kinds(other.kind)
            };
            listed.filter(fits).map(|(index, _)| index as u32)
        };
        let perpetual = |kind| matches!(kind, InstrumentKind::LinearPerpetual | InstrumentKind::InversePerpetual);
        let listed = chains.chains().iter().enumerate().filter(|(_, chain)| chain.base() == of.base);
        let coin = Coin {
            base: of.base,
            sources: all(perpetual).chain(all(|kind| kind == InstrumentKind::Spot)).collect(),
            chains: listed.map(|(at, _)| at).collect(),
        };
        coins.insert(at, coin);
    }
    coins
}
