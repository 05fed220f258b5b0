//! An account as the engine knows it: what it is worth, how far under its highest, and how much of it is exposed.

use crate::periods::Periods;
use arrayvec::ArrayVec;
use market::{Account, AccountSpec, CashChange, CashReason, Catalogue, Currency, Fill, Source};
use policy::facts::{self, Facts};
use risk::TierTable;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Notional, Price, Qty, Ratio, Round, Timestamp};

/// One account and what is derived from it.
pub(crate) struct Book {
    pub(crate) account: Account,
    /// Highest equity, net of deposits and withdrawals.
    high_water: Cash,
    /// One over it in raw units, so that an event costs no division.
    per_high_water: f64,
    pub(crate) periods: Periods,
    /// Of each instrument, the gross exposure with the worst of its pending orders, at its mark.
    gross: Vec<Gross>,
    /// Σ of them while all settle in one currency: exact, so that a running sum is right.
    gross_sum: Notional,
    /// Whether every instrument settles in the numéraire, so that nothing is translated.
    plain: bool,
    /// Whether coins that lie in the account are exposure of their own.
    pub(crate) has_coins: bool,
    /// Of each instrument, the signed exposure once all pending sales were filled, and all purchases; kept where coins lie beside it.
    ranges: Vec<(Notional, Notional)>,
    /// Which executions were counted.
    pub(crate) executions: Executions,
    /// Money paid in or out whose worth in the numéraire is not known yet.
    untold: Vec<(Currency, Cash)>,
    /// Positions from before whose first price is not known yet: what they had earned by then is no profit of the run.
    pub(crate) carried: Vec<(u32, Qty, Price)>,
    /// How often a position or a balance changed since the engine was built or loaded: no state.
    pub(crate) moves: u64,
    /// How many of those were only supposed, or took that back.
    supposed: u64,
    /// How often a position of the account or an order of its strategies changed, from one on: no state.
    pub(crate) changes: u64,
}

/// The gross exposure of one instrument.
#[derive(Debug, Clone, Copy, Default)]
struct Gross {
    value: Notional,
    /// The quantity that it is the value of, and after how many changes of orders and positions that was so: no state.
    worst: Qty,
    as_of: u64,
}

/// Numbers of executions that were counted: each counts once, in whatever order they are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Executions {
    /// All up to this one were told, or would be told too late to be told apart.
    to: u64,
    /// Later ones, in order.
    later: ArrayVec<u64, LATER_MAX>,
}

/// How many executions beyond a missing one are remembered.
const LATER_MAX: usize = 64;

impl Executions {
    /// Whether an execution counts: it is the first of its number. Without a number, zero, it always does.
    pub(crate) fn counts(&mut self, number: u64) -> bool {
        if number == 0 {
            return true;
        }
        let Err(mut at) = self.later.binary_search(&number) else { return false };
        if number <= self.to {
            return false;
        }
        if self.later.is_full() {
            // What is still missing before the oldest of them is given up.
            if at == 0 {
                self.to = number;
                return true;
            }
            self.to = self.later.remove(0);
            at -= 1;
        }
        self.later.insert(at, number);
        while self.later.first() == Some(&(self.to + 1)) {
            self.to = self.later.remove(0);
        }
        true
    }

    /// Whether none up to this one is still to be told.
    pub(crate) fn all_told(&self, number: u64) -> bool {
        number <= self.to
    }

    fn save(&self, out: &mut StateWriter) {
        out.u64(self.to);
        out.len(self.later.len());
        self.later.iter().for_each(|number| out.u64(*number));
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let to = from.u64()?;
        let later = (0..from.len()?.min(LATER_MAX)).map(|_| from.u64()).collect::<Result<_, _>>()?;
        Ok(Self { to, later })
    }
}

/// An earlier equity after money was paid in or out while `before` was there: in the same proportion to the equity as before, so
/// that the share that was lost or won since stays what it was.
pub(crate) fn with_money(earlier: Cash, paid: Cash, before: Cash) -> Cash {
    if earlier == before || before.signum() <= 0 || earlier.signum() <= 0 {
        return earlier + paid;
    }
    let share = earlier.approximate() / before.approximate();
    earlier + Cash::from_estimate(paid.approximate() * share, Round::Nearest).unwrap_or(paid)
}

/// The largest position, unsigned, that pending orders could make of this one.
fn worst(net: Qty, bought: Qty, sold: Qty) -> Qty {
    (net + bought).abs().max((net - sold).abs()).max(net.abs())
}

/// Whether an instrument's mark is still what a position from before is carried at, which is no price of the market.
fn is_carried(carried: &[(u32, Qty, Price)], instrument: Option<usize>) -> bool {
    instrument.is_some_and(|index| carried.iter().any(|(known, ..)| *known as usize == index))
}

impl Book {
    pub(crate) fn new(catalogue: &Catalogue, spec: Option<&AccountSpec>) -> Self {
        let account = Account::new(catalogue, spec.map(|spec| spec.venue.as_str()), spec.map(|spec| spec.numeraire));
        let plain = account.balances().iter().all(|balance| balance.currency == account.numeraire());
        Self {
            has_coins: account.has_coins(),
            ranges: vec![(Notional::ZERO, Notional::ZERO); catalogue.instruments.len()],
            account,
            high_water: Cash::ZERO,
            per_high_water: 0.0,
            periods: Periods::default(),
            gross: vec![Gross::default(); catalogue.instruments.len()],
            gross_sum: Notional::ZERO,
            plain,
            executions: Executions::default(),
            untold: Vec::new(),
            carried: Vec::new(),
            moves: 0,
            supposed: 0,
            changes: 1,
        }
    }

    /// An order of one of its strategies was sent or changed.
    #[inline]
    pub(crate) fn on_order(&mut self) {
        self.changes += 1;
    }

    /// Its account was supposed to be another, or is what it was again: nothing that was computed of it stands.
    pub(crate) fn suppose(&mut self) {
        self.moves += 1;
        self.supposed += 1;
        self.changes += 1;
    }

    /// How often positions and money changed, not counting what was supposed.
    pub(crate) fn changed(&self) -> u64 {
        self.moves - self.supposed
    }

    /// A position changed.
    pub(crate) fn fill(&mut self, fill: &Fill) {
        self.moves += 1;
        self.changes += 1;
        self.account.fill(fill);
    }

    /// Money moved other than by a fill. Whether a currency is new to the account, so that it may need marks that it did not
    /// heed.
    pub(crate) fn change(&mut self, change: &CashChange) -> bool {
        let known = self.account.balances().len();
        self.moves += 1;
        self.account.change(change);
        if matches!(change.reason, CashReason::Deposit | CashReason::Withdrawal | CashReason::Transfer { .. }) {
            self.untold.push((change.currency, change.amount));
            self.deposit();
        }
        self.has_coins = self.account.has_coins();
        self.account.balances().len() > known
    }

    /// The first price of an instrument that a position is carried in: what it has earned by then was brought in, as if it were paid.
    pub(crate) fn bring_in(&mut self, instrument: u32, price: Price) {
        let (index, currency) = (instrument as usize, self.account.settlement(instrument as usize).currency);
        let contract = self.account.contract(index);
        let own = self.carried.iter().filter(|(known, ..)| *known == instrument);
        let earned: Cash = own.map(|(_, qty, carried)| contract.profit(*qty, *carried, price)).sum();
        self.carried.retain(|(known, ..)| *known != instrument);
        self.untold.push((currency, earned));
        self.deposit();
    }

    /// Money was paid in or out: a drawdown is of trading, not of money moved. What cannot be translated yet is no equity
    /// either, and counts as paid in when it becomes some.
    #[cold]
    fn deposit(&mut self) {
        let mut told = Cash::ZERO;
        let (account, carried) = (&self.account, &self.carried);
        self.untold.retain(|(currency, amount)| {
            let known = account.translates(*currency) && !is_carried(carried, account.translated_by(*currency));
            told += if known { account.translate(*currency, *amount) } else { Cash::ZERO };
            !known
        });
        if !told.is_zero() {
            let before = self.account.equity() - told;
            self.set_high_water(with_money(self.high_water, told, before));
            self.periods.deposit(told, before);
        }
    }

    /// Counts as paid what can be translated by now.
    #[cold]
    fn still_waits(&mut self) -> bool {
        self.deposit();
        self.waits()
    }

    /// Whether money is translated by what a position is carried at: until the first price, equity tells of no gain and no loss.
    #[cold]
    fn waits(&self) -> bool {
        self.untold.iter().any(|(currency, _)| is_carried(&self.carried, self.account.translated_by(*currency)))
    }

    /// What the account is worth now, after an input from there; its highest follows.
    #[inline(always)]
    pub(crate) fn measure(&mut self, now: Timestamp, source: Source) -> Cash {
        let equity = self.account.equity();
        if !self.untold.is_empty() && self.still_waits() {
            return equity;
        }
        self.periods.reach(now, equity, source == Source::Market);
        if equity > self.high_water {
            self.set_high_water(equity);
        }
        equity
    }

    /// How far under its highest the account was when it was last measured.
    pub(crate) fn drawdown(&self) -> Ratio {
        let missing = self.high_water - self.periods.last();
        let share = if missing.signum() > 0 { missing.approximate_raw() * self.per_high_water } else { 0.0 };
        // A difference over a mark that is not zero: it is finite.
        Ratio::new(share).unwrap_or_default()
    }

    /// The highest equity, where drawdown of it is what is missing to it in the equity that scopes are told: nothing is translated.
    pub(crate) fn highest_told(&self) -> Option<Cash> {
        self.account.is_single().then_some(self.high_water)
    }

    fn set_high_water(&mut self, high_water: Cash) {
        self.periods.on_highest();
        self.high_water = high_water;
        self.per_high_water = if high_water.raw() > 0 { 1.0 / high_water.approximate_raw() } else { 0.0 };
    }

    /// Sets what a scope knows of its account, in the settlement currency of its instrument. `told` is the version of days and
    /// weeks that it knows.
    #[inline(always)]
    pub(crate) fn publish(&self, instrument: usize, told: &mut u32, facts: &mut Facts) {
        facts.set(facts::EQUITY, self.account.equity_for(instrument));
        self.publish_drawdown(facts);
        self.publish_periods(instrument, told, facts);
    }

    /// How far it is under its highest.
    #[inline(always)]
    pub(crate) fn publish_drawdown(&self, facts: &mut Facts) {
        facts.set(facts::DRAWDOWN, self.drawdown());
    }

    /// The same as [`Self::publish`] but for drawdown, with a price of the market, after which the account is worth this. Whether
    /// nothing but equity has changed of the account.
    #[inline(always)]
    pub(crate) fn publish_price(
        &self,
        instrument: usize,
        (now, price, equity): (Timestamp, Price, Cash),
        told: &mut u32,
        facts: &mut Facts,
    ) -> bool {
        // One currency, so nothing to translate, no new day and no new highest: nearly always.
        if self.account.is_single() && *told == self.periods.version {
            facts.set_market(now, price, equity);
            return true;
        }
        facts.set_market(now, price, self.account.settled_equity(instrument, equity));
        self.publish_periods(instrument, told, facts);
        false
    }

    #[inline(always)]
    fn publish_periods(&self, instrument: usize, told: &mut u32, facts: &mut Facts) {
        if *told != self.periods.version || !self.plain || self.has_coins {
            self.publish_more(instrument, told, facts);
        }
    }

    /// What changes with a day or a deposit, and with every mark where amounts are translated or coins count.
    #[inline(never)]
    fn publish_more(&self, instrument: usize, told: &mut u32, facts: &mut Facts) {
        if *told != self.periods.version || !self.plain {
            *told = self.periods.version;
            let currency = self.account.settlement(instrument).currency;
            let settled = |amount| self.account.translate_back(currency, amount).unwrap_or_default();
            self.periods.publish(settled, facts);
        }
        if self.has_coins {
            facts.set(facts::COLLATERAL, self.account.collateral(instrument));
        }
    }

    /// Takes in what the pending orders of an instrument could make of its position at worst.
    pub(crate) fn reserve(&mut self, instrument: usize, bought: Qty, sold: Qty) {
        let gross = &mut self.gross[instrument];
        (gross.worst, gross.as_of) = (worst(self.account.position(instrument).qty, bought, sold), self.changes);
        self.value_gross(instrument);
        if self.has_coins {
            let net = self.account.position(instrument).qty;
            self.reserve_range(instrument, net - sold, net + bought);
        }
    }

    /// The same when only the mark is another: `false` where more has changed.
    #[inline]
    pub(crate) fn reserve_as_before(&mut self, instrument: usize) -> bool {
        let same = self.gross[instrument].as_of == self.changes && !self.has_coins;
        if same {
            self.value_gross(instrument);
        }
        same
    }

    /// Whether what is reserved for an instrument, if it is known to be of now, is what these pending orders ask for.
    #[cfg(debug_assertions)]
    pub(crate) fn reserves(&self, instrument: usize, bought: Qty, sold: Qty) -> bool {
        let reserved = self.gross[instrument];
        reserved.as_of != self.changes || reserved.worst == worst(self.account.position(instrument).qty, bought, sold)
    }

    #[inline]
    fn value_gross(&mut self, instrument: usize) {
        let Gross { value, worst, .. } = &mut self.gross[instrument];
        if worst.is_zero() && value.is_zero() {
            return;
        }
        let now = self.account.contract(instrument).exposure(self.account.mark(instrument), *worst);
        self.gross_sum += now - std::mem::replace(value, now);
    }

    fn reserve_range(&mut self, instrument: usize, least: Qty, most: Qty) {
        let (mark, contract) = (self.account.mark(instrument), self.account.contract(instrument));
        self.ranges[instrument] = (contract.exposure(mark, least), contract.exposure(mark, most));
    }

    /// The same of a structure of options: its legs are what the account holds of it, and one unit stands for this much. `legs`: as
    /// many structures as they stand for at worst.
    pub(crate) fn reserve_at(&mut self, instrument: usize, price: Price, held: Qty, bought: Qty, sold: Qty, legs: Qty) {
        let worst = (held + bought).abs().max((held - sold).abs()).max(legs);
        let gross = price * worst;
        self.gross_sum += gross - std::mem::replace(&mut self.gross[instrument].value, gross);
    }

    /// The gross exposure of all other instruments, in the settlement currency of this one.
    #[inline(always)]
    fn other_instruments(&self, instrument: usize) -> Cash {
        if self.plain && !self.has_coins {
            return (self.gross_sum - self.gross[instrument].value).cash();
        }
        self.translated_instruments(instrument)
    }

    /// The same where they settle in other currencies or coins lie beside them.
    #[inline(never)]
    fn translated_instruments(&self, instrument: usize) -> Cash {
        if self.has_coins {
            return self.beside_coins(instrument);
        }
        let known = self.gross.iter().map(|gross| gross.value).enumerate();
        let others = known.filter(|(other, gross)| *other != instrument && !gross.is_zero());
        let translated =
            others.map(|(other, gross)| self.account.translate(self.account.settlement(other).currency, gross.cash()));
        let currency = self.account.settlement(instrument).currency;
        self.account.translate_back(currency, translated.sum()).unwrap_or_default()
    }

    /// What is exposed in an instrument with the worst of its pending orders.
    pub(crate) fn gross_of(&self, instrument: usize) -> Notional {
        self.gross[instrument].value
    }

    /// What an amount that is exposed in one instrument is in the settlement currency of another.
    pub(crate) fn settled_as(&self, amount: Notional, from: usize, to: usize) -> f64 {
        let [from, to] = [from, to].map(|instrument| self.account.settlement(instrument).currency);
        if from == to {
            return amount.cash().approximate();
        }
        let translated = self.account.translate(from, amount.cash());
        self.account.translate_back(to, translated).unwrap_or_default().approximate()
    }

    /// The same where coins lie in the account: other coins than this instrument's are exposure too, as far as contracts on them,
    /// with the worst of their pending orders, do not make up for them. Contracts on one coin that are long and short count both.
    fn beside_coins(&self, instrument: usize) -> Cash {
        let own = self.account.coin_of(instrument);
        let worth = |other: usize, amount: Notional| {
            self.account.translate(self.account.settlement(other).currency, amount.cash())
        };
        let others =
            || (0..self.gross.len()).filter(|other| *other != instrument && !self.gross[*other].value.is_zero());
        let of_coin = |coin: usize| others().filter(move |other| self.account.coin_of(*other) == Some(coin));
        let plain: Cash = others()
            .filter(|other| self.account.coin_of(*other).is_none_or(|coin| Some(coin) == own))
            .map(|other| worth(other, self.gross[other].value))
            .sum();
        let coins = self.account.coins().filter(|(coin, _)| Some(*coin) != own).map(|(coin, held)| {
            let held = self.account.translate(self.account.balances()[coin].currency, held);
            let gross: Cash = of_coin(coin).map(|other| worth(other, self.gross[other].value)).sum();
            let low: Cash = of_coin(coin).map(|other| worth(other, self.ranges[other].0)).sum();
            let high: Cash = of_coin(coin).map(|other| worth(other, self.ranges[other].1)).sum();
            gross - low.abs().max(high.abs()) + (held + low).abs().max((held + high).abs())
        });
        let all = plain + coins.sum();
        self.account.translate_back(self.account.settlement(instrument).currency, all).unwrap_or_default()
    }

    /// The same with what other strategies hold and may yet hold in this instrument.
    #[inline(always)]
    pub(crate) fn others(&self, instrument: usize, beside: Qty) -> Cash {
        let others = self.other_instruments(instrument);
        if beside.is_zero() {
            return others;
        }
        others + self.account.contract(instrument).exposure(self.account.mark(instrument), beside).cash()
    }

    /// What spot can be bought with: what is free in the currency that it is paid in, less what other orders are about to buy.
    pub(crate) fn funds(&self, instrument: usize, tiers: &[TierTable], spoken_for: Cash) -> Cash {
        let currency = self.account.settlement(instrument).currency;
        risk::free(&self.account, tiers, currency) - spoken_for
    }

    /// What stands against the margin of an instrument: equity in its settlement currency less the maintenance margin of
    /// the other positions that settle in it.
    pub(crate) fn margin_equity(&self, instrument: usize, tiers: &[TierTable]) -> Cash {
        self.account.settlement(instrument).equity() - risk::maintenance_beside(&self.account, tiers, instrument)
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        self.account.save(out);
        out.i128(self.high_water.raw());
        out.f64(self.per_high_water);
        self.periods.save(out);
        self.executions.save(out);
        out.len(self.untold.len());
        for (currency, amount) in &self.untold {
            out.bytes(currency.as_str().as_bytes());
            out.i128(amount.raw());
        }
        out.len(self.carried.len());
        for (instrument, qty, price) in &self.carried {
            out.u32(*instrument);
            out.i64(qty.raw());
            out.i64(price.raw());
        }
        for gross in &self.gross {
            out.i128(gross.value.raw());
        }
        for (low, high) in self.ranges.iter().filter(|_| self.has_coins) {
            out.i128(low.raw());
            out.i128(high.raw());
        }
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.moves += 1;
        self.changes += 1;
        self.account.load(from)?;
        self.high_water = Cash::from_raw(from.i128()?);
        self.per_high_water = from.f64()?;
        self.periods.load(from)?;
        self.executions = Executions::load(from)?;
        self.untold.clear();
        for _ in 0..from.len()? {
            let code = std::str::from_utf8(from.bytes()?).ok().and_then(|code| code.parse().ok());
            let currency = code.ok_or(Corrupt { at: 0, what: "no currency" })?;
            self.untold.push((currency, Cash::from_raw(from.i128()?)));
        }
        self.carried.clear();
        for _ in 0..from.len()? {
            self.carried.push((from.u32()?, Qty::from_raw(from.i64()?), Price::from_raw(from.i64()?)));
        }
        self.gross_sum = Notional::ZERO;
        for gross in &mut self.gross {
            gross.value = Notional::from_raw(from.i128()?);
            self.gross_sum += gross.value;
        }
        self.has_coins = self.account.has_coins();
        for (low, high) in self.ranges.iter_mut().filter(|_| self.has_coins) {
            (*low, *high) = (Notional::from_raw(from.i128()?), Notional::from_raw(from.i128()?));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::with_money;
    use units::Cash;

    fn cash(text: &str) -> Cash {
        text.parse().unwrap()
    }

    /// A fifth under the highest stays a fifth, whatever is paid in or out.
    #[test]
    fn money_moved_changes_no_share_lost() {
        let after = |paid: &str| format!("{:.6}", with_money(cash("1000000"), cash(paid), cash("800000")));
        assert_eq!(after("-700000"), "125000.000000", "of 100,000 left");
        assert_eq!(after("8000000"), "11000000.000000", "of 8,800,000");
        assert_eq!(with_money(cash("5"), cash("2"), cash("5")), cash("7"), "nothing lost: exact");
        assert_eq!(with_money(Cash::ZERO, cash("2"), Cash::ZERO), cash("2"), "the first deposit");
    }
}
