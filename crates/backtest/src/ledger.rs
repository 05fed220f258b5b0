//! What each account has in each currency, recomputed from fills, payments and marks alone, as a stranger would.

use crate::money::Shown;
use crate::record::PaidSums;
use engine::Engine;
use exchange::Exchange;
use market::{CashChange, CashReason, Catalogue, Currency, Fill, Instrument, InstrumentKind, Liquidity};
use std::collections::BTreeMap;
use units::{AccountId, Cash, Notional, Qty};

/// Sums of everything that happened.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    instruments: Vec<Instrument>,
    lines: BTreeMap<(AccountId, Currency), Line>,
    /// Net bought so far, by instrument.
    positions: Vec<Qty>,
}

/// One account in one currency.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    /// Deposits, withdrawals, transfers and conversions.
    moved: Cash,
    funding: Cash,
    fees: Cash,
    /// Σ value of every fill at its price, of what settles in it.
    bought: Notional,
    /// Net bought on spot, of what is held in it.
    held: Cash,
    slippage: Cash,
    /// Of it, that of options.
    of_options: Cash,
    traded: Cash,
}

impl Ledger {
    pub(crate) fn new(catalogue: &Catalogue) -> Self {
        let positions = vec![Qty::ZERO; catalogue.instruments.len()];
        Self { instruments: catalogue.instruments.clone(), lines: BTreeMap::new(), positions }
    }

    pub(crate) fn change(&mut self, change: &CashChange) {
        let line = self.lines.entry((change.account, change.currency)).or_default();
        match change.reason {
            CashReason::Funding { .. } => line.funding += change.amount,
            CashReason::Deposit
            | CashReason::Withdrawal
            | CashReason::Transfer { .. }
            | CashReason::Conversion { .. } => line.moved += change.amount,
        }
    }

    /// A fill that the venue told of.
    pub(crate) fn fill(&mut self, fill: &Fill) {
        let instrument = &self.instruments[fill.instrument.index()];
        let signed = fill.signed_qty();
        self.positions[fill.instrument.index()] += signed;
        let line = self.lines.entry((fill.account, instrument.settle)).or_default();
        line.bought += instrument.kind.contract().value(fill.price, signed);
        line.fees += fill.fee;
        if instrument.kind == InstrumentKind::Spot {
            let held = self.lines.entry((fill.account, instrument.base)).or_default();
            held.held += Cash::from_raw(i128::from(signed.raw()) * (Cash::ONE / i128::from(Qty::ONE)));
        }
    }

    /// A strategy's fill: what it cost against its reference price, and what was traded at the venue.
    pub(crate) fn trade(&mut self, fill: &Fill) {
        if fill.liquidity == Liquidity::Internal {
            return;
        }
        let instrument = &self.instruments[fill.instrument.index()];
        let contract = instrument.kind.contract();
        let line = self.lines.entry((fill.account, instrument.settle)).or_default();
        let slippage = fill.slippage(contract);
        line.slippage += slippage;
        line.of_options += if instrument.kind.is_option() { slippage } else { Cash::ZERO };
        line.traded += contract.exposure(fill.price, fill.qty).cash();
    }

    /// The largest difference to any of the engine's balances, each in its own currency.
    pub(crate) fn residual(&self, engine: &Engine) -> Cash {
        let mut worst = Cash::ZERO;
        for (id, account) in engine.accounts().enumerate().map(|(id, account)| (AccountId(id as u32), account)) {
            for balance in account.balances() {
                let line = self.lines.get(&(id, balance.currency)).copied().unwrap_or_default();
                let mut equity = line.moved + line.funding - line.fees - line.bought.cash() + line.held;
                for (index, instrument) in self.instruments.iter().enumerate() {
                    let settles = instrument.settle == balance.currency && instrument.kind != InstrumentKind::Spot;
                    let own = engine.account_of(units::InstrumentId(index as u32)) == id;
                    if settles && own {
                        equity += instrument.kind.contract().value(account.mark(index), self.positions[index]).cash();
                    }
                }
                let residual = balance.equity() - equity;
                if residual.abs() > worst.abs() {
                    worst = residual;
                }
            }
        }
        worst
    }

    /// What was paid and traded, in the numéraire of the first account at the last marks. The exchange tells what options were filled
    /// worse than their quotes, and what impact cost.
    pub(crate) fn paid(&self, engine: &Engine, shown: &Shown, exchange: &Exchange) -> PaidSums {
        let mut sums = PaidSums::default();
        for (_, currency, amount) in exchange.option_slippage() {
            sums.beyond_quotes += shown.of(engine, currency, amount).unwrap_or_default();
        }
        for (_, currency, amount) in exchange.impact_paid() {
            sums.impact += shown.of(engine, currency, amount).unwrap_or_default();
        }
        for ((_, currency), line) in &self.lines {
            let shown = |amount| shown.of(engine, *currency, amount).unwrap_or_default();
            sums.fees += shown(line.fees);
            sums.funding += shown(line.funding);
            sums.slippage += shown(line.slippage);
            sums.of_options += shown(line.of_options);
            sums.traded += shown(line.traded);
        }
        sums
    }
}
