//! One account at the venue, with what the venue keeps of it beside its money.

use crate::fees::{FeeMeter, FeeSchedule};
use crate::{AccountTerms, ExchangeConfig};
use market::{Account, Catalogue, Conversion, Fill, Forced};
use units::state::StateWriter;
use units::{Contract, Price};

#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) account: Account,
    pub(crate) fees: FeeMeter,
    /// The number of its last execution.
    executions: u64,
}

impl Client {
    pub(crate) fn new(terms: &AccountTerms, config: &ExchangeConfig, catalogue: &Catalogue) -> Self {
        let (venue, numeraire) = match &terms.spec {
            Some(spec) => (Some(spec.venue.as_str()), Some(spec.numeraire)),
            None => (None, None),
        };
        let fees = terms.fees.clone().unwrap_or_else(|| FeeSchedule::flat(config.taker, config.maker));
        Self { account: Account::new(catalogue, venue, numeraire), fees: FeeMeter::new(fees, catalogue), executions: 0 }
    }

    /// Numbers a fill and takes it in.
    pub(crate) fn take(&mut self, fill: &mut Fill) {
        self.executions += 1;
        fill.execution = self.executions;
        self.account.fill(fill);
    }

    /// How the value of a fill is counted for fee tiers. `None`: it is not.
    pub(crate) fn counts(&self, fill: &Fill) -> Option<Conversion> {
        let is_traded = !matches!(fill.forced, Some(Forced::Settlement | Forced::Opening));
        (is_traded && self.fees.is_tiered()).then(|| self.fees.way(fill.instrument.index()))
    }

    /// Counts the value of a fill, at the mark that translates it. What cannot be told yet counts as nothing.
    pub(crate) fn count(&mut self, fill: &Fill, way: Conversion, mark: Option<Price>) {
        let value = match self.account.contract(fill.instrument.index()) {
            Contract::Linear => (fill.price * fill.qty).cash(),
            Contract::Inverse => (Price::from_raw(Price::ONE) * fill.qty).cash(),
        };
        self.fees.count(way.forward(value, mark).unwrap_or_default());
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        self.account.save(out);
        self.fees.save(out);
        out.u64(self.executions);
    }
}
