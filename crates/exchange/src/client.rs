//! One account at the venue, with what the venue keeps of it beside its money.

use crate::fees::{FeeMeter, FeeSchedule};
use crate::{AccountTerms, ExchangeConfig};
use market::{Account, Catalogue, Fill, Forced};
use units::state::StateWriter;

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
        Self { account: Account::new(catalogue, venue, numeraire), fees: FeeMeter::new(fees), executions: 0 }
    }

    /// Numbers a fill and takes it in.
    pub(crate) fn take(&mut self, fill: &mut Fill) {
        self.executions += 1;
        fill.execution = self.executions;
        self.account.fill(fill);
        let is_traded = !matches!(fill.forced, Some(Forced::Settlement | Forced::Opening));
        if is_traded && self.fees.is_tiered() {
            let instrument = fill.instrument.index();
            let value = self.account.contract(instrument).exposure(fill.price, fill.qty).cash();
            self.fees.count(self.account.translate(self.account.settlement(instrument).currency, value));
        }
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        self.account.save(out);
        self.fees.save(out);
        out.u64(self.executions);
    }
}
