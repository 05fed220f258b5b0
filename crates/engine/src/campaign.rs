//! The life of one position from flat to flat.

use crate::{Adoption, Purpose};
use policy::facts::{self, Facts};
use std::fmt;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Contract, InstrumentId, Notional, Price, Qty, Round, StrategyId, Timestamp};

/// A strategy's open position. Its anchors (entry, N, initial stop, base) are frozen by the first fill.
#[derive(Debug, Clone, PartialEq)]
pub struct Campaign {
    /// Counts the engine's campaigns from 1.
    pub id: u64,
    /// How the instrument's value follows its price.
    contract: Contract,
    /// First fill.
    pub opened: Timestamp,
    /// Price of the first fill, frozen.
    pub entry: Price,
    /// N at the first fill, frozen.
    pub unit: Option<Price>,
    /// Initial stop, frozen; defines R.
    pub initial_stop: Option<Price>,
    /// The stop in force.
    pub stop: Option<Price>,
    /// Signed full size of all units, frozen.
    pub base: Qty,
    /// Signed quantity of the first unit as filled.
    pub first: Qty,
    /// Signed quantity now.
    pub held: Qty,
    /// Signed largest quantity.
    pub peak: Qty,
    /// Signed quantity that would be held had no cap cut it.
    pub uncut: Qty,
    /// One bit per unit filled.
    pub units: u32,
    /// One bit per unit that lapsed.
    pub lapsed: u32,
    /// One bit per rung used.
    pub rungs: u32,
    /// Price of the last unit's fill.
    pub last_fill: Price,
    /// Most favourable price since entry.
    pub best: Price,
    /// Lowest and highest net profit so far, at the prices that the market reached.
    worst_profit: Cash,
    best_profit: Cash,
    /// Highest and lowest price since the last fill or payment: inside them no new extreme of profit can lie.
    high: Price,
    low: Price,
    cost: Notional,
    closed_notional: Notional,
    closed_qty: Qty,
    fees: Cash,
    funding: Cash,
}

/// Why a campaign ended.
pub type Ended = Purpose;

/// A campaign told from its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CampaignRecord {
    /// Counts the engine's campaigns from 1.
    pub id: u64,
    /// Whose.
    pub strategy: StrategyId,
    /// In which instrument.
    pub instrument: InstrumentId,
    /// First fill.
    pub opened: Timestamp,
    /// Last fill; `None`: still open, valued at the mark.
    pub closed: Option<Timestamp>,
    /// Price of the first fill.
    pub entry: Price,
    /// Average price of what was closed, for display.
    pub exit: Option<Price>,
    /// N, frozen at entry.
    pub unit: Option<Price>,
    /// Initial stop.
    pub initial_stop: Option<Price>,
    /// Units filled.
    pub units: u32,
    /// Rungs used.
    pub rungs: u32,
    /// Signed largest quantity.
    pub peak: Qty,
    /// Profit before fees and funding.
    pub profit: Cash,
    /// Fees paid.
    pub fees: Cash,
    /// Funding received less paid.
    pub funding: Cash,
    /// Net profit ÷ the cash risk planned for the first unit.
    pub r: Option<f64>,
    /// Lowest net profit on the way, in R (zero or negative): the maximum adverse excursion.
    pub mae_r: Option<f64>,
    /// Highest net profit on the way, in R: the maximum favourable excursion.
    pub mfe_r: Option<f64>,
    /// What ended it; `None`: still open.
    pub ended: Option<Ended>,
}

impl Campaign {
    pub(crate) fn open(id: u64, at: Timestamp, price: Price, base: Qty, facts: &Facts) -> Self {
        Self {
            id,
            contract: facts.get(facts::CONTRACT).unwrap_or_default(),
            opened: at,
            entry: price,
            unit: facts.get(facts::UNIT),
            initial_stop: None,
            stop: None,
            base,
            first: Qty::ZERO,
            held: Qty::ZERO,
            peak: Qty::ZERO,
            uncut: Qty::ZERO,
            units: 1,
            lapsed: 0,
            rungs: 0,
            last_fill: price,
            best: price,
            worst_profit: Cash::ZERO,
            best_profit: Cash::ZERO,
            high: Price::ZERO,
            low: Price::MAX,
            cost: Notional::ZERO,
            closed_notional: Notional::ZERO,
            closed_qty: Qty::ZERO,
            fees: Cash::ZERO,
            funding: Cash::ZERO,
        }
    }

    /// Sets the anchors of a position that is taken over.
    pub(crate) fn adopt(&mut self, adoption: &Adoption) {
        self.entry = adoption.entry;
        self.last_fill = adoption.entry;
        self.best = adoption.entry;
        self.unit = adoption.unit.or(self.unit);
        self.initial_stop = adoption.stop;
        self.units = (1 << adoption.units) - 1;
        (self.base, self.first) = (adoption.base, adoption.first);
        self.opened = adoption.opened.unwrap_or(self.opened);
    }

    /// Takes in a fill. `signed` is its signed quantity.
    pub(crate) fn fill(&mut self, purpose: Purpose, signed: Qty, price: Price, fee: Cash) {
        let before = self.held;
        self.held += signed;
        self.cost += self.contract.value(price, signed);
        self.fees += fee;
        if before.signum() * signed.signum() < 0 {
            self.closed_notional += self.contract.exposure(price, signed.abs());
            self.closed_qty += signed.abs();
        }
        match purpose {
            Purpose::Entry => self.first += signed,
            Purpose::Opening if self.first.is_zero() => self.first = signed,
            Purpose::Add { unit } => {
                self.units |= 1 << (unit - 1);
                self.last_fill = price;
            }
            Purpose::Rung { index } => self.rungs |= 1 << index,
            Purpose::Resize
            | Purpose::Stop
            | Purpose::Exit
            | Purpose::Cut
            | Purpose::Liquidation
            | Purpose::Settlement
            | Purpose::Opening => {}
        }
        if self.held.abs() > self.peak.abs() {
            self.peak = self.held;
        }
        match purpose {
            Purpose::Cut => {}
            // A rung takes its share of what would be held without cuts too.
            Purpose::Rung { .. } => {
                let left = self.held.approximate() / before.approximate();
                self.uncut = self.uncut.scaled(left, Round::TowardZero).unwrap_or(self.held);
            }
            _ => self.uncut += signed,
        }
        (self.high, self.low) = (Price::ZERO, Price::MAX);
        self.reach(price, price);
    }

    /// Of a unit that a limit halved, the whole would be held without it: `whole` is what the plan would have held after
    /// the fill, or added by it.
    pub(crate) fn without_limits(&mut self, purpose: Purpose, signed: Qty, whole: Qty) {
        match purpose {
            Purpose::Entry | Purpose::Resize => self.uncut = whole,
            Purpose::Add { .. } => self.uncut += whole - signed,
            _ => {}
        }
    }

    /// The market went this high and this low.
    #[inline]
    pub(crate) fn reach(&mut self, high: Price, low: Price) {
        if high > self.high || low < self.low {
            self.extend(high.max(self.high), low.min(self.low));
        }
    }

    fn extend(&mut self, high: Price, low: Price) {
        (self.high, self.low) = (high, low);
        let long = self.peak.signum() >= 0;
        self.best = if long { self.best.max(high) } else { self.best.min(low) };
        for price in [high, low] {
            let profit = self.net_profit(price);
            self.best_profit = self.best_profit.max(profit);
            self.worst_profit = self.worst_profit.min(profit);
        }
    }

    pub(crate) fn pay_funding(&mut self, amount: Cash) {
        self.funding += amount;
        (self.high, self.low) = (Price::ZERO, Price::MAX);
    }

    /// Profit before fees and funding at a price.
    fn profit(&self, price: Price) -> Cash {
        (self.contract.value(price, self.held) - self.cost).cash()
    }

    /// Profit after fees and funding at a price.
    fn net_profit(&self, price: Price) -> Cash {
        self.profit(price) - self.fees + self.funding
    }

    /// The cash that the first unit was planned to risk: from the frozen entry to the frozen stop.
    fn risked(&self) -> Option<f64> {
        let risked = self.contract.profit(self.first, self.initial_stop?, self.entry).abs().approximate();
        Some(risked).filter(|risked| *risked > 0.0)
    }

    /// The average price of what was closed (harmonic for inverse contracts), for display.
    fn exit(&self) -> Option<Price> {
        let (qty, value) = (i128::from(self.closed_qty.raw()), self.closed_notional.raw());
        let raw = match self.contract {
            Contract::Linear => value.checked_div(qty),
            Contract::Inverse => (qty * Notional::ONE).checked_div(value),
        };
        i64::try_from(raw?).ok().map(Price::from_raw)
    }

    /// The campaign told at a mark, or from its end.
    #[must_use]
    pub fn record(
        &self,
        strategy: StrategyId,
        instrument: InstrumentId,
        mark: Price,
        ended: Option<(Timestamp, Ended)>,
    ) -> CampaignRecord {
        let risked = self.risked();
        let in_r = |profit: Cash| risked.map(|risked| profit.approximate() / risked);
        CampaignRecord {
            id: self.id,
            strategy,
            instrument,
            opened: self.opened,
            closed: ended.map(|(at, _)| at),
            entry: self.entry,
            exit: self.exit(),
            unit: self.unit,
            initial_stop: self.initial_stop,
            units: self.units.count_ones(),
            rungs: self.rungs.count_ones(),
            peak: self.peak,
            profit: self.profit(mark),
            fees: self.fees,
            funding: self.funding,
            r: in_r(self.net_profit(mark)),
            mae_r: in_r(self.worst_profit),
            mfe_r: in_r(self.best_profit),
            ended: ended.map(|(_, why)| why),
        }
    }

    /// Sets the campaign's facts; `None` forgets them all.
    pub(crate) fn publish(campaign: Option<&Self>, facts: &mut Facts) {
        facts.put(facts::OPENED, campaign.map(|c| c.opened));
        facts.put(facts::ENTRY, campaign.map(|c| c.entry));
        facts.put(facts::LAST_FILL, campaign.map(|c| c.last_fill));
        facts.put(facts::CAMPAIGN_UNIT, campaign.and_then(|c| c.unit));
        facts.put(facts::INITIAL_STOP, campaign.and_then(|c| c.initial_stop));
        facts.put(facts::STOP, campaign.and_then(|c| c.stop));
        facts.put(facts::BASE, campaign.map(|c| c.base));
        facts.put(facts::UNITS, campaign.map(|c| c.units));
        facts.put(facts::LAPSED, campaign.map(|c| c.lapsed));
        facts.put(facts::RUNGS_USED, campaign.map(|c| c.rungs));
        facts.put(facts::FIRST, campaign.map(|c| c.first));
        facts.put(facts::PEAK, campaign.map(|c| c.peak));
        facts.put(facts::UNCUT, campaign.map(|c| c.uncut));
        facts.put(facts::BEST, campaign.map(|c| c.best));
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.u64(self.id);
        out.bool(self.contract == Contract::Inverse);
        out.i64(self.opened.nanos());
        for price in [self.entry, self.last_fill, self.best, self.high, self.low] {
            out.i64(price.raw());
        }
        for price in [self.unit, self.initial_stop, self.stop] {
            out.option(price, |out, price| out.i64(price.raw()));
        }
        for qty in [self.base, self.first, self.held, self.peak, self.uncut, self.closed_qty] {
            out.i64(qty.raw());
        }
        for bits in [self.units, self.lapsed, self.rungs] {
            out.u32(bits);
        }
        for amount in [
            self.cost.raw(),
            self.closed_notional.raw(),
            self.fees.raw(),
            self.funding.raw(),
            self.worst_profit.raw(),
            self.best_profit.raw(),
        ] {
            out.i128(amount);
        }
    }

    pub(crate) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let id = from.u64()?;
        let contract = if from.bool()? { Contract::Inverse } else { Contract::Linear };
        let opened = Timestamp::from_nanos(from.i64()?);
        let mut price = || from.i64().map(Price::from_raw);
        let (entry, last_fill, best, high, low) = (price()?, price()?, price()?, price()?, price()?);
        let mut optional = || from.option(StateReader::i64).map(|raw| raw.map(Price::from_raw));
        let (unit, initial_stop, stop) = (optional()?, optional()?, optional()?);
        let mut qty = || from.i64().map(Qty::from_raw);
        let (base, first, held, peak, uncut, closed_qty) = (qty()?, qty()?, qty()?, qty()?, qty()?, qty()?);
        let (units, lapsed, rungs) = (from.u32()?, from.u32()?, from.u32()?);
        let (cost, closed_notional) = (Notional::from_raw(from.i128()?), Notional::from_raw(from.i128()?));
        let (fees, funding) = (Cash::from_raw(from.i128()?), Cash::from_raw(from.i128()?));
        let (worst_profit, best_profit) = (Cash::from_raw(from.i128()?), Cash::from_raw(from.i128()?));
        #[rustfmt::skip]
        let campaign = Self {
            id, contract, opened, entry, unit, initial_stop, stop, base, first, held, peak, uncut, units, lapsed, rungs,
            last_fill, best, worst_profit, best_profit, high, low, cost, closed_notional, closed_qty, fees, funding,
        };
        Ok(campaign)
    }
}

impl CampaignRecord {
    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.u64(self.id);
        out.u32(self.strategy.0);
        out.u32(self.instrument.0);
        out.i64(self.opened.nanos());
        out.option(self.closed, |out, at| out.i64(at.nanos()));
        out.i64(self.entry.raw());
        for price in [self.exit, self.unit, self.initial_stop] {
            out.option(price, |out, price| out.i64(price.raw()));
        }
        out.u32(self.units);
        out.u32(self.rungs);
        out.i64(self.peak.raw());
        for amount in [self.profit, self.fees, self.funding] {
            out.i128(amount.raw());
        }
        for number in [self.r, self.mae_r, self.mfe_r] {
            out.option(number, StateWriter::f64);
        }
        out.option(self.ended, |out, why| why.save(out));
    }
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "campaign {} {} from {}", self.id, self.held, self.entry)
    }
}
