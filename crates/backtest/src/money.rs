//! Amounts of any currency in the one that a run is shown in.

use engine::Engine;
use market::{Catalogue, Conversion, Currency};
use std::cell::RefCell;
use units::{Cash, InstrumentId};

/// The currency that a run is shown in, and the ways to it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    currency: Currency,
    catalogue: Catalogue,
    ways: RefCell<Vec<(Currency, Conversion)>>,
}

impl Shown {
    pub(crate) fn new(catalogue: &Catalogue, currency: Currency) -> Self {
        Self { currency, catalogue: catalogue.clone(), ways: RefCell::default() }
    }

    /// An amount at the last marks. `None`: nothing tells, or not yet.
    pub(crate) fn of(&self, engine: &Engine, currency: Currency, amount: Cash) -> Option<Cash> {
        if currency == self.currency || amount.is_zero() {
            return Some(amount);
        }
        let way = self.way(currency);
        let mark = way.instrument().map(|index| {
            let instrument = InstrumentId(index as u32);
            engine.account(engine.account_of(instrument)).mark(index)
        });
        way.forward(amount, mark)
    }

    /// The instrument whose mark tells what a currency is worth, if one does.
    pub(crate) fn read_from(&self, currency: Currency) -> Option<usize> {
        if currency == self.currency { None } else { self.way(currency).instrument() }
    }

    fn way(&self, currency: Currency) -> Conversion {
        let mut ways = self.ways.borrow_mut();
        if let Some((_, way)) = ways.iter().find(|(known, _)| *known == currency) {
            return *way;
        }
        let way = Conversion::between(currency, self.currency, &self.catalogue);
        ways.push((currency, way));
        way
    }
}
