//! The life of one position from flat to flat.

use crate::{Adoption, Purpose};
use policy::facts::{self, Facts};
use std::fmt;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Contract, InstrumentId, Notional, Price, Qty, Round, StrategyId, Timestamp};

/// Under every price: structures have prices under zero.
const UNDER_ALL: Price = Price::from_raw(-i64::MAX);

/// A strategy's open position. Its anchors (entry, N, initial stop, base) are frozen by the first fill. Laid out as it is written: what
/// every price asks for comes first.
#[derive(Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Campaign {
    /// Highest and lowest price since the last fill or payment: inside them no new extreme of profit can lie.
    high: Price,
    low: Price,
    /// Counts the engine's campaigns from 1.
    pub id: u64,
    /// How the instrument's value follows its price.
    contract: Contract,
    /// First fill.
    pub opened: Timestamp,
    /// Price of the first fill, frozen.
    pub entry: Price,
    /// N that the entry was decided at, frozen.
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
    cost: Notional,
    closed_notional: Notional,
    closed_qty: Qty,
    fees: Cash,
    funding: Cash,
    /// Average entry price of what is held (harmonic for inverse contracts), and its best so far.
    average: Price,
    best_average: Price,
    /// The same of the prices that were paid: rolls do not move them, and their size has no sign. What a profit is a share of.
    paid: Price,
    best_paid: Price,
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
            high: UNDER_ALL,
            low: Price::MAX,
            cost: Notional::ZERO,
            closed_notional: Notional::ZERO,
            closed_qty: Qty::ZERO,
            fees: Cash::ZERO,
            funding: Cash::ZERO,
            average: price,
            best_average: price,
            paid: price.abs(),
            best_paid: price.abs(),
        }
    }

    /// Sets the anchors of a position that is taken over.
    pub(crate) fn adopt(&mut self, adoption: &Adoption) {
        self.entry = adoption.entry;
        self.last_fill = adoption.entry;
        self.best = adoption.entry;
        (self.average, self.best_average) = (adoption.entry, adoption.entry);
        (self.paid, self.best_paid) = (adoption.entry.abs(), adoption.entry.abs());
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
        if purpose != Purpose::Opening && before.signum() * signed.signum() >= 0 {
            self.average = self.averaged(self.average, before, signed, price).unwrap_or(price);
            self.paid = self.averaged(self.paid, before, signed, price.abs()).unwrap_or(price.abs());
            let better = if signed.signum() > 0 { Price::max } else { Price::min };
            self.best_average = better(self.best_average, self.average);
            if self.best_average == self.average {
                self.best_paid = self.paid;
            }
        }
        match purpose {
            Purpose::Entry => self.first += signed,
            Purpose::Opening if self.first.is_zero() => self.first = signed,
            Purpose::Add { unit } => {
                self.units |= self.units_up_to(unit);
                self.last_fill = price;
            }
            Purpose::Rung { index } => self.rungs |= 1 << index,
            Purpose::Resize
            | Purpose::Stop
            | Purpose::Exit
            | Purpose::Cut
            | Purpose::Liquidation
            | Purpose::Settlement
            | Purpose::Roll
            | Purpose::Hedge
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
        (self.high, self.low) = (UNDER_ALL, Price::MAX);
        self.reach(price, price);
    }

    /// One bit for each unit that an add of this one fills: those behind the last one filled that have not lapsed.
    pub(crate) fn units_up_to(&self, unit: u32) -> u32 {
        let filled = u32::BITS - self.units.leading_zeros();
        let to = (1_u32 << unit.min(31)) - 1;
        to & !((1 << filled.min(31)) - 1) & !self.lapsed
    }

    /// An average of entry prices after more of the same side: by value, so that it is harmonic for inverse contracts.
    fn averaged(&self, average: Price, before: Qty, signed: Qty, price: Price) -> Option<Price> {
        let (held, more) = (i128::from(before.abs().raw()), i128::from(signed.abs().raw()));
        let (average, price) = (i128::from(average.raw()), i128::from(price.raw()));
        let raw = match self.contract {
            Contract::Linear => (average * held + price * more).checked_div(held + more)?,
            Contract::Inverse => {
                let value = self.contract.exposure(Price::from_raw(average as i64), before.abs())
                    + self.contract.exposure(Price::from_raw(price as i64), signed.abs());
                // To the nearest: toward zero, equal halves would come out a last digit under their own price.
                let value = value.raw();
                ((held + more) * Notional::ONE + value / 2).checked_div(value)?
            }
        };
        i64::try_from(raw).ok().map(Price::from_raw)
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

    /// The market went this high and this low. Whether that is better than ever since entry.
    #[inline]
    pub(crate) fn reach(&mut self, high: Price, low: Price) -> bool {
        (high > self.high || low < self.low) && self.extend(high.max(self.high), low.min(self.low))
    }

    /// The lowest and the highest price that it has seen: between them [`Self::reach`] changes nothing.
    pub(crate) fn extremes(&self) -> (Price, Price) {
        (self.low, self.high)
    }

    #[inline(never)]
    fn extend(&mut self, high: Price, low: Price) -> bool {
        let before = self.best;
        (self.high, self.low) = (high, low);
        let long = self.peak.signum() >= 0;
        self.best = if long { self.best.max(high) } else { self.best.min(low) };
        for price in [high, low] {
            let profit = self.net_profit(price);
            self.best_profit = self.best_profit.max(profit);
            self.worst_profit = self.worst_profit.min(profit);
        }
        self.best != before
    }

    pub(crate) fn pay_funding(&mut self, amount: Cash) {
        self.funding += amount;
        (self.high, self.low) = (UNDER_ALL, Price::MAX);
    }

    /// What is held was replaced by something else of another price: the anchors move with it, and what that paid is the campaign's.
    pub(crate) fn roll(&mut self, moved: Price, paid: Notional, fees: Cash, price: Price) {
        for anchor in [&mut self.entry, &mut self.last_fill, &mut self.best, &mut self.average, &mut self.best_average]
        {
            *anchor += moved;
        }
        for anchor in [&mut self.initial_stop, &mut self.stop] {
            *anchor = anchor.map(|anchor| anchor + moved);
        }
        self.pay(paid, fees);
        let _is_best = self.reach(price, price);
    }

    /// Something was paid for what is held, beside fills of it.
    pub(crate) fn pay(&mut self, paid: Notional, fees: Cash) {
        self.cost += paid;
        self.fees += fees;
        (self.high, self.low) = (UNDER_ALL, Price::MAX);
    }

    /// Profit before fees and funding at a price.
    fn profit(&self, price: Price) -> Cash {
        (self.contract.value(price, self.held) - self.cost).cash()
    }

    /// Profit after fees and funding at a price.
    pub(crate) fn net_profit(&self, price: Price) -> Cash {
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
        facts.put(facts::AVERAGE, campaign.map(|c| c.best_average));
        // Only a structure's entry moves; of anything else the slot tells something else.
        if facts.get(facts::EXPOSURE_PRICE).is_some() {
            facts.put(facts::PAID, campaign.map(|c| c.best_paid));
        }
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.u64(self.id);
        out.bool(self.contract == Contract::Inverse);
        out.i64(self.opened.nanos());
        for price in [self.entry, self.last_fill, self.best, self.high, self.low, self.average, self.best_average] {
            out.i64(price.raw());
        }
        for price in [self.paid, self.best_paid] {
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
        let (average, best_average, paid, best_paid) = (price()?, price()?, price()?, price()?);
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
            average, best_average, paid, best_paid,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn qty(text: &str) -> Qty {
        text.parse().unwrap()
    }

    fn campaign(contract: Contract, first: &str) -> Campaign {
        let mut facts = Facts::new(0);
        facts.set_now(Timestamp::from_nanos(1));
        facts.set(facts::CONTRACT, contract);
        Campaign::open(1, Timestamp::from_nanos(1), price(first), qty("100"), &facts)
    }

    fn fill(campaign: &mut Campaign, signed: &str, at: &str) -> String {
        campaign.fill(Purpose::Resize, qty(signed), price(at), Cash::ZERO);
        campaign.average.to_string()
    }

    /// 10 at 100 and 30 at 120 are (1,000 + 3,600) ÷ 40; what is sold changes nothing; 20 left and 20 at 95 are 105.
    #[test]
    fn the_average_is_of_what_is_held_and_its_best_never_moves_back() {
        let mut campaign = campaign(Contract::Linear, "100");
        assert_eq!(fill(&mut campaign, "10", "100"), "100");
        assert_eq!(fill(&mut campaign, "30", "120"), "115");
        assert_eq!(fill(&mut campaign, "-20", "130"), "115");
        assert_eq!(fill(&mut campaign, "20", "95"), "105");
        assert_eq!(campaign.best_average.to_string(), "115");
    }

    /// 1,000 USD at 10,000 are 0.1 coins and 1,000 at 20,000 are 0.05: 2,000 ÷ 0.15. Of a short lower is better.
    #[test]
    fn of_an_inverse_contract_it_is_harmonic() {
        let mut long = campaign(Contract::Inverse, "10000");
        fill(&mut long, "1000", "10000");
        assert_eq!(fill(&mut long, "1000", "20000"), "13333.33333333");
        let mut short = campaign(Contract::Inverse, "20000");
        fill(&mut short, "-1000", "20000");
        assert_eq!(fill(&mut short, "-1000", "10000"), "13333.33333333");
        assert_eq!(short.best_average.to_string(), "13333.33333333");
        assert_eq!(fill(&mut short, "-2000", "40000"), "20000");
        assert_eq!(short.best_average.to_string(), "13333.33333333");
    }

    /// A structure that was bought under zero has been no better than at its entry, until it is; also once money was paid.
    #[test]
    fn what_was_bought_under_zero_begins_at_its_entry() {
        let mut bought = campaign(Contract::Linear, "-0.016");
        bought.fill(Purpose::Entry, qty("10"), price("-0.016"), Cash::ZERO);
        assert_eq!(bought.best, price("-0.016"));
        bought.reach(price("-0.02"), price("-0.02"));
        assert_eq!(bought.best, price("-0.016"));
        bought.pay_funding("-1".parse().unwrap());
        bought.reach(price("-0.012"), price("-0.012"));
        assert_eq!(bought.best, price("-0.012"));
    }

    /// An add of several units fills those behind the last one filled, without those that lapsed.
    #[test]
    fn an_add_of_several_units_fills_all_of_them() {
        let mut campaign = campaign(Contract::Linear, "100");
        campaign.fill(Purpose::Entry, qty("10"), price("100"), Cash::ZERO);
        campaign.lapsed = 0b10;
        campaign.fill(Purpose::Add { unit: 4 }, qty("20"), price("110"), Cash::ZERO);
        assert_eq!(campaign.units, 0b1101);
        assert_eq!(campaign.units_up_to(4), 0);
    }
}
