//! An account as the engine knows it: what it is worth, how far under its highest, and how much of it is exposed.

use crate::periods::Periods;
use market::{Account, AccountSpec, Catalogue};
use policy::facts::{self, Facts};
use risk::TierTable;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Notional, Qty, Ratio, Timestamp};

/// One account and what is derived from it.
pub(crate) struct Book {
    pub(crate) account: Account,
    /// Highest equity, net of deposits and withdrawals.
    high_water: Cash,
    /// One over it, so that an event costs no division.
    per_high_water: f64,
    pub(crate) drawdown: f64,
    pub(crate) periods: Periods,
    /// Of each instrument, the gross exposure with the worst of its pending orders, at its mark.
    gross: Vec<Notional>,
    /// Σ of them while all settle in one currency: exact, so that a running sum is right.
    gross_sum: Notional,
    /// Whether every instrument settles in the numéraire, so that nothing is translated.
    plain: bool,
    /// The venue's number of the last execution that no order of ours caused.
    pub(crate) forced: u64,
}

impl Book {
    pub(crate) fn new(catalogue: &Catalogue, spec: Option<&AccountSpec>) -> Self {
        let account = Account::new(catalogue, spec.map(|spec| spec.venue.as_str()), spec.map(|spec| spec.numeraire));
        let plain = account.balances().iter().all(|balance| balance.currency == account.numeraire());
        Self {
            account,
            high_water: Cash::ZERO,
            per_high_water: 0.0,
            drawdown: 0.0,
            periods: Periods::default(),
            gross: vec![Notional::ZERO; catalogue.instruments.len()],
            gross_sum: Notional::ZERO,
            plain,
            forced: 0,
        }
    }

    /// Money was paid in or out: a drawdown is of trading, not of money moved.
    pub(crate) fn deposit(&mut self, amount: Cash) {
        self.set_high_water(self.high_water + amount);
        self.periods.deposit(amount);
    }

    #[inline]
    pub(crate) fn measure_drawdown(&mut self, now: Timestamp) {
        let equity = self.account.equity();
        self.periods.reach(now, equity);
        if equity >= self.high_water {
            self.set_high_water(equity);
            self.drawdown = 0.0;
        } else {
            self.drawdown = (self.high_water - equity).approximate() * self.per_high_water;
        }
    }

    fn set_high_water(&mut self, high_water: Cash) {
        self.high_water = high_water;
        self.per_high_water = if high_water.raw() > 0 { 1.0 / high_water.approximate() } else { 0.0 };
    }

    /// Sets what a scope knows of its account, in the settlement currency of its instrument. `told` is the version of days and
    /// weeks that it knows.
    #[inline]
    pub(crate) fn publish(&self, instrument: usize, told: &mut u32, facts: &mut Facts) {
        facts.set(facts::EQUITY, self.account.equity_for(instrument));
        facts.put(facts::DRAWDOWN, Ratio::new(self.drawdown));
        if *told != self.periods.version || !self.plain {
            *told = self.periods.version;
            let currency = self.account.settlement(instrument).currency;
            let settled = |amount| self.account.translate_back(currency, amount).unwrap_or_default();
            self.periods.publish(settled, facts);
        }
    }

    /// Takes in what the pending orders of an instrument could make of its position at worst.
    pub(crate) fn reserve(&mut self, instrument: usize, bought: Qty, sold: Qty) {
        let (net, contract) = (self.account.position(instrument).qty, self.account.contract(instrument));
        let worst = (net + bought).abs().max((net - sold).abs()).max(net.abs());
        let gross = contract.exposure(self.account.mark(instrument), worst);
        self.gross_sum += gross - std::mem::replace(&mut self.gross[instrument], gross);
    }

    /// The gross exposure of all other instruments, in the settlement currency of this one.
    #[inline]
    pub(crate) fn others(&self, instrument: usize) -> Cash {
        if self.plain {
            return (self.gross_sum - self.gross[instrument]).cash();
        }
        let others = self.gross.iter().enumerate().filter(|(other, gross)| *other != instrument && !gross.is_zero());
        let translated =
            others.map(|(other, gross)| self.account.translate(self.account.settlement(other).currency, gross.cash()));
        let currency = self.account.settlement(instrument).currency;
        self.account.translate_back(currency, translated.sum()).unwrap_or_default()
    }

    /// What stands against the margin of an instrument: equity in its settlement currency less the maintenance margin of
    /// the other positions that settle in it.
    pub(crate) fn margin_equity(&self, instrument: usize, tiers: &[TierTable]) -> Cash {
        let margined = self.account.margined_with(instrument).zip(tiers).enumerate();
        let others = margined.filter(|(other, (exposure, _))| *other != instrument && !exposure.is_zero());
        let needed: Cash = others.map(|(_, (exposure, table))| table.maintenance_margin(exposure)).sum();
        self.account.settlement(instrument).equity() - needed
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        self.account.save(out);
        out.i128(self.high_water.raw());
        out.f64(self.per_high_water);
        out.f64(self.drawdown);
        self.periods.save(out);
        out.u64(self.forced);
        for gross in &self.gross {
            out.i128(gross.raw());
        }
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.account.load(from)?;
        self.high_water = Cash::from_raw(from.i128()?);
        self.per_high_water = from.f64()?;
        self.drawdown = from.f64()?;
        self.periods = Periods::load(from)?;
        self.forced = from.u64()?;
        self.gross_sum = Notional::ZERO;
        for gross in &mut self.gross {
            *gross = Notional::from_raw(from.i128()?);
            self.gross_sum += *gross;
        }
        Ok(())
    }
}
