//! Positions and accounts: exact by integer arithmetic; only the value of an inverse contract and a translation into
//! another currency are quotients.

use crate::conversion::{Conversion, is_dollar};
use crate::{CashChange, CashReason, Catalogue, Currency, Fill, Instrument, InstrumentKind};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Contract, Notional, Price, Qty};

/// A signed position with its exact cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Signed quantity: positive is long.
    pub qty: Qty,
    /// Sum of the [value](Contract::value) of every fill at its price since the position was last flat.
    /// Partial exits stay in it, so that profit needs no average; the average price is display only.
    pub cost: Notional,
}

impl Position {
    /// Takes in a fill. Returns the profit realised when it makes the position flat, else nothing.
    pub fn apply(&mut self, contract: Contract, fill: &Fill) -> Cash {
        let signed = fill.signed_qty();
        self.qty += signed;
        self.cost += contract.value(fill.price, signed);
        if self.qty.is_zero() { -std::mem::take(&mut self.cost).cash() } else { Cash::ZERO }
    }

    /// Profit since the position was last flat, at a mark: realised by partial exits and unrealised together.
    #[must_use]
    #[inline]
    pub fn profit(&self, contract: Contract, mark: Price) -> Cash {
        (contract.value(mark, self.qty) - self.cost).cash()
    }

    /// The price at which the profit since flat is zero (harmonic for inverse contracts). Display only. `None` when flat, or
    /// if there is no such price.
    #[must_use]
    pub fn break_even(&self, contract: Contract) -> Option<Price> {
        let (qty, cost) = (i128::from(self.qty.raw()), self.cost.raw());
        let raw = match contract {
            Contract::Linear => cost.checked_div(qty)?,
            Contract::Inverse => (-qty * Notional::ONE).checked_div(cost).filter(|raw| *raw > 0)?,
        };
        i64::try_from(raw).ok().map(Price::from_raw)
    }

    /// Writes every field.
    pub fn save(&self, out: &mut StateWriter) {
        out.i64(self.qty.raw());
        out.i128(self.cost.raw());
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { qty: Qty::from_raw(from.i64()?), cost: Notional::from_raw(from.i128()?) })
    }
}

/// An account at a venue: which instruments it trades, and what it is measured in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSpec {
    /// The part of symbols before the colon. An account trades all instruments of its venue, and no other account does.
    pub venue: String,
    /// What equity, drawdown and limits are in (SEMANTICS, Money).
    pub numeraire: Currency,
}

/// Balances in one or several currencies, and positions that settle in them. Equity in a currency = its cash + Σ profit of
/// the positions that settle in it, at their marks; equity of the account = all of them in its numéraire.
///
/// The total profit is kept as a running sum of integers, which is exact whatever the order of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    numeraire: Currency,
    balances: Vec<Balance>,
    lines: Vec<Line>,
    /// Of each line, what is priced, in which currency, and whether it is spot that is held here.
    pairs: Vec<(Currency, Currency, bool)>,
    /// How much is worth one unit of each balance's currency, in the same order.
    conversions: Vec<Conversion>,
    /// It has one currency only, its numéraire: nothing is translated.
    is_single: bool,
}

/// What an account has in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Of which currency.
    pub currency: Currency,
    /// Deposits, realised profit, funding, conversions and spot trades, less fees.
    pub cash: Cash,
    /// Fees paid so far.
    pub fees: Cash,
    /// Funding received less funding paid so far.
    pub funding: Cash,
    /// Deposits and transfers in, less withdrawals and transfers out, so far.
    pub deposits: Cash,
    /// Of positions that settle in it, at their marks.
    open_profit: Cash,
    /// Coins that spot positions bought into it, less those that they sold out of it.
    in_positions: Cash,
}

impl Balance {
    fn new(currency: Currency) -> Self {
        let zero = Cash::ZERO;
        Self { currency, cash: zero, fees: zero, funding: zero, deposits: zero, open_profit: zero, in_positions: zero }
    }

    /// Cash plus the profit of the positions that settle in this currency, at their marks.
    #[must_use]
    #[inline]
    pub fn equity(&self) -> Cash {
        self.cash + self.open_profit
    }
}

/// A position at its mark: in one line of memory, which is all that a price asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(align(64))]
struct Line {
    position: Position,
    mark: Price,
    /// Of the position at its mark: kept, so that an inverse contract divides once an event.
    value: Notional,
    contract: Contract,
    /// Which balance it settles in.
    settles: u8,
    /// Which balance a spot position is held in: what it is worth is told by that balance.
    holds: Option<u8>,
    /// Which balance holds the coin that it is a contract on, where that coin is exposure of its own.
    coin: Option<u8>,
}

const _: () = assert!(size_of::<Line>() == 64, "one line of memory");

impl Line {
    fn exposure(&self) -> Notional {
        match self.contract {
            Contract::Linear => self.value,
            Contract::Inverse => -self.value,
        }
    }
}

impl Account {
    /// An empty account at a venue: it trades the catalogue's instruments of that venue, and marks of all others serve to
    /// translate. Without a venue it trades all. The numéraire is by default what its first instrument settles in.
    #[must_use]
    pub fn new(catalogue: &Catalogue, venue: Option<&str>, numeraire: Option<Currency>) -> Self {
        let is_own = |instrument: &&Instrument| venue.is_none_or(|venue| instrument.venue() == venue);
        let first = catalogue.instruments.iter().find(is_own).map(|instrument| instrument.settle);
        let numeraire = numeraire.or(first).unwrap_or(Currency::USD);
        let (balances, lines, pairs, conversions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut account = Self { numeraire, balances, lines, pairs, conversions, is_single: false };
        for instrument in &catalogue.instruments {
            let own = is_own(&instrument);
            let settles = if own { account.balance_index(instrument.settle) } else { 0 };
            let spot = instrument.kind == InstrumentKind::Spot;
            let holds = (own && spot).then(|| account.balance_index(instrument.base));
            account.lines.push(Line {
                position: Position::default(),
                mark: Price::ZERO,
                value: Notional::ZERO,
                contract: instrument.kind.contract(),
                settles,
                holds,
                coin: None,
            });
            account.pairs.push((instrument.priced(), instrument.quote, holds.is_some()));
        }
        if account.balances.is_empty() {
            account.balance_index(numeraire);
        }
        account.find_conversions();
        account
    }

    /// An account of one currency, in which all of these contracts settle: for calculations without a catalogue.
    #[must_use]
    pub fn of_contracts(contracts: impl IntoIterator<Item = Contract>) -> Self {
        let kind = |contract| match contract {
            Contract::Linear => InstrumentKind::LinearPerpetual,
            Contract::Inverse => InstrumentKind::InversePerpetual,
        };
        let instrument = |contract| Instrument {
            symbol: String::new(),
            kind: kind(contract),
            base: Currency::USD,
            quote: Currency::USD,
            settle: Currency::USD,
            tick: Price::from_raw(1),
            lot: Qty::from_raw(1),
            min_qty: Qty::from_raw(1),
        };
        let instruments = contracts.into_iter().map(instrument).collect();
        Self::new(&Catalogue { instruments, series: Vec::new() }, None, None)
    }

    /// The position of a currency in the list of balances, which it is added to if it is new.
    fn balance_index(&mut self, currency: Currency) -> u8 {
        if let Some(index) = self.balances.iter().position(|balance| balance.currency == currency) {
            return index as u8;
        }
        self.balances.push(Balance::new(currency));
        (self.balances.len() - 1) as u8
    }

    fn find_conversions(&mut self) {
        let (to, pairs) = (self.numeraire, &self.pairs);
        self.conversions = self.balances.iter().map(|balance| Conversion::find(balance.currency, to, pairs)).collect();
        self.is_single = self.conversions == [Conversion::Same];
        for line in 0..self.lines.len() {
            let base = self.pairs[line].0;
            let held = self.balances.iter().position(|balance| balance.currency == base);
            self.lines[line].coin = held.filter(|_| self.is_exposed(base)).map(|index| index as u8);
        }
    }

    /// Whether holding a currency is exposure to its price: it is a coin, and not the numéraire.
    fn is_exposed(&self, currency: Currency) -> bool {
        currency != self.numeraire && !is_dollar(currency)
    }

    /// Whether any coin of the account is exposure of its own.
    #[must_use]
    pub fn has_coins(&self) -> bool {
        self.balances.iter().any(|balance| self.is_exposed(balance.currency))
    }

    /// The coins that are exposure of their own, by the index of their balance: what is there beside the positions in spot, profit
    /// at the present marks included.
    ///
    /// With it the delta of an account in a coin, at the marks, is `coins + Σ exposure of its contracts on that coin`: an inverse
    /// contract's profit is in the balance, so what its value still gains is its quantity ÷ price.
    pub fn coins(&self) -> impl Iterator<Item = (usize, Cash)> + '_ {
        let exposed = self.balances.iter().enumerate().filter(|(_, balance)| self.is_exposed(balance.currency));
        exposed.map(|(index, balance)| (index, balance.equity() - balance.in_positions))
    }

    /// Which balance holds the coin of the instrument at this index, where that coin is exposure of its own.
    #[must_use]
    #[inline]
    pub fn coin_of(&self, instrument: usize) -> Option<usize> {
        self.lines[instrument].coin.map(usize::from)
    }

    /// The coins of the instrument's underlying that are exposure of their own; see [`Self::coins`].
    #[must_use]
    #[inline]
    pub fn collateral(&self, instrument: usize) -> Cash {
        self.lines[instrument].coin.map_or(Cash::ZERO, |index| {
            let balance = &self.balances[usize::from(index)];
            balance.equity() - balance.in_positions
        })
    }

    /// Makes a currency translatable, though the account may never hold any of it.
    pub fn watch(&mut self, currency: Currency) {
        let known = self.balances.len();
        self.balance_index(currency);
        if self.balances.len() > known {
            self.find_conversions();
        }
    }

    /// What equity is measured in.
    #[must_use]
    pub fn numeraire(&self) -> Currency {
        self.numeraire
    }

    /// What the account has in each currency.
    #[must_use]
    pub fn balances(&self) -> &[Balance] {
        &self.balances
    }

    /// The balance in one currency.
    #[must_use]
    pub fn balance(&self, currency: Currency) -> Option<&Balance> {
        self.balances.iter().find(|balance| balance.currency == currency)
    }

    /// The balance that the instrument at this index settles in.
    #[must_use]
    #[inline]
    pub fn settlement(&self, instrument: usize) -> &Balance {
        &self.balances[usize::from(self.lines[instrument].settles)]
    }

    /// Of a spot instrument, the balance that what is bought goes to.
    #[must_use]
    pub fn holding(&self, instrument: usize) -> Option<&Balance> {
        self.lines[instrument].holds.map(|index| &self.balances[usize::from(index)])
    }

    /// How a currency is translated into the numéraire. `None`: the account has none of it.
    #[must_use]
    pub fn conversion(&self, currency: Currency) -> Option<Conversion> {
        let index = self.balances.iter().position(|balance| balance.currency == currency)?;
        Some(self.conversions[index])
    }

    /// Whether a mark of the instrument at this index changes anything here: one that it holds or may hold, or that
    /// translates a balance.
    #[must_use]
    pub fn heeds(&self, instrument: usize, is_own: bool) -> bool {
        is_own || self.conversions.iter().any(|conversion| conversion.instrument() == Some(instrument))
    }

    /// The position in the instrument at this index.
    #[must_use]
    pub fn position(&self, instrument: usize) -> Position {
        self.lines[instrument].position
    }

    /// The last mark of the instrument at this index; zero before the first.
    #[must_use]
    pub fn mark(&self, instrument: usize) -> Price {
        self.lines[instrument].mark
    }

    /// How the value of the instrument at this index follows its price.
    #[must_use]
    pub fn contract(&self, instrument: usize) -> Contract {
        self.lines[instrument].contract
    }

    /// The signed value of the position in the instrument at this index, at its mark, in its settlement currency.
    #[must_use]
    pub fn exposure(&self, instrument: usize) -> Notional {
        self.lines[instrument].exposure()
    }

    /// Revalues one position.
    #[inline]
    pub fn set_mark(&mut self, instrument: usize, mark: Price) {
        let line = &mut self.lines[instrument];
        if line.position.qty.is_zero() {
            // Flat before too: a fill that closes leaves no value.
            line.mark = mark;
            return;
        }
        let value = line.contract.value(mark, line.position.qty);
        if line.holds.is_none() {
            self.balances[usize::from(line.settles)].open_profit += (value - line.value).cash();
        }
        (line.mark, line.value) = (mark, value);
    }

    /// Takes in a fill: fee, cost and realised profit; of a spot fill, both currencies change hands in full. The mark stays
    /// what it was, or becomes the fill's price if there was none.
    pub fn fill(&mut self, fill: &Fill) {
        let Line { position, mark, value, contract, settles, holds, .. } = &mut self.lines[fill.instrument.index()];
        let settled = &mut self.balances[usize::from(*settles)];
        if mark.is_zero() {
            *mark = fill.price;
        }
        settled.fees += fill.fee;
        settled.cash -= fill.fee;
        if let Some(held) = *holds {
            settled.cash -= contract.value(fill.price, fill.signed_qty()).cash();
            let held = &mut self.balances[usize::from(held)];
            held.cash += cash_of(fill.signed_qty());
            held.in_positions += cash_of(fill.signed_qty());
            // Its profit is in the balances already.
            let _counted = position.apply(*contract, fill);
            *value = contract.value(*mark, position.qty);
            return;
        }
        settled.open_profit -= (*value - position.cost).cash();
        settled.cash += position.apply(*contract, fill);
        *value = contract.value(*mark, position.qty);
        settled.open_profit += (*value - position.cost).cash();
    }

    /// Takes in money that moved other than by a fill.
    pub fn change(&mut self, change: &CashChange) {
        let known = self.balances.len();
        let index = usize::from(self.balance_index(change.currency));
        if self.balances.len() > known {
            self.find_conversions();
        }
        let balance = &mut self.balances[index];
        balance.cash += change.amount;
        match change.reason {
            CashReason::Funding { .. } => balance.funding += change.amount,
            CashReason::Deposit | CashReason::Withdrawal | CashReason::Transfer { .. } => {
                balance.deposits += change.amount
            }
            CashReason::Conversion { .. } => {}
        }
    }

    /// An amount of a currency in the numéraire, toward zero at 1e-16. What cannot be translated (yet) counts as nothing.
    #[must_use]
    pub fn translate(&self, currency: Currency, amount: Cash) -> Cash {
        if currency == self.numeraire {
            return amount;
        }
        let index = self.balances.iter().position(|balance| balance.currency == currency);
        index.map_or(Cash::ZERO, |index| self.translate_at(index, amount))
    }

    /// Whether what a currency is worth in the numéraire can be told now.
    #[must_use]
    pub fn translates(&self, currency: Currency) -> bool {
        let index = self.balances.iter().position(|balance| balance.currency == currency);
        currency == self.numeraire
            || index.is_some_and(|index| match self.conversions[index] {
                Conversion::Same | Conversion::Par => true,
                Conversion::Times(instrument) | Conversion::Over(instrument) => !self.lines[instrument].mark.is_zero(),
                Conversion::Unknown => false,
            })
    }

    /// The instrument whose mark tells what a currency of the account is worth in the numéraire, if one does.
    #[must_use]
    pub fn translated_by(&self, currency: Currency) -> Option<usize> {
        let index = self.balances.iter().position(|balance| balance.currency == currency)?;
        if currency == self.numeraire { None } else { self.conversions[index].instrument() }
    }

    /// An amount of the numéraire in a currency, toward zero at 1e-16. `None` while that cannot be told.
    #[must_use]
    pub fn translate_back(&self, currency: Currency, amount: Cash) -> Option<Cash> {
        if currency == self.numeraire {
            return Some(amount);
        }
        let index = self.balances.iter().position(|balance| balance.currency == currency)?;
        let conversion = self.conversions[index];
        conversion.back(amount, conversion.instrument().map(|instrument| self.lines[instrument].mark))
    }

    fn translate_at(&self, index: usize, amount: Cash) -> Cash {
        let conversion = self.conversions[index];
        let mark = conversion.instrument().map(|instrument| self.lines[instrument].mark);
        conversion.forward(amount, mark).unwrap_or_default()
    }

    /// What the account is worth in its numéraire, all positions at their marks.
    #[must_use]
    #[inline]
    pub fn equity(&self) -> Cash {
        if self.is_single { self.balances[0].equity() } else { self.translated_equity() }
    }

    #[inline(never)]
    fn translated_equity(&self) -> Cash {
        self.balances.iter().enumerate().map(|(index, balance)| self.translate_at(index, balance.equity())).sum()
    }

    /// What the account is worth in the settlement currency of the instrument at this index. Zero while that cannot be told.
    #[must_use]
    #[inline]
    pub fn equity_for(&self, instrument: usize) -> Cash {
        self.settled_equity(instrument, self.equity())
    }

    /// Whether it has one currency only, its numéraire: nothing is translated, and no coin is exposure of its own.
    #[must_use]
    #[inline]
    pub fn is_single(&self) -> bool {
        self.is_single
    }

    /// What the account is worth in its numéraire, in the settlement currency of the instrument at this index.
    #[must_use]
    #[inline]
    pub fn settled_equity(&self, instrument: usize, equity: Cash) -> Cash {
        if self.is_single { equity } else { self.translated_to(instrument, equity) }
    }

    #[inline(never)]
    fn translated_to(&self, instrument: usize, equity: Cash) -> Cash {
        self.translate_back(self.settlement(instrument).currency, equity).unwrap_or_default()
    }

    /// Positions and marks by instrument index.
    pub fn positions(&self) -> impl Iterator<Item = (Position, Price)> + '_ {
        self.lines.iter().map(|line| (line.position, line.mark))
    }

    /// Signed values of all positions at their marks, by instrument index, each in its settlement currency.
    pub fn exposures(&self) -> impl Iterator<Item = Notional> + '_ {
        self.lines.iter().map(Line::exposure)
    }

    /// The same of the positions that settle in the same currency as the instrument at this index; zero for all others,
    /// and for spot, which is paid in full.
    pub fn margined_with(&self, instrument: usize) -> impl Iterator<Item = Notional> + '_ {
        let settles = self.lines[instrument].settles;
        let margined = move |line: &Line| line.settles == settles && line.holds.is_none();
        self.lines.iter().map(move |line| if margined(line) { line.exposure() } else { Notional::ZERO })
    }

    /// Writes every field.
    pub fn save(&self, out: &mut StateWriter) {
        out.len(self.balances.len());
        for balance in &self.balances {
            out.bytes(balance.currency.as_str().as_bytes());
            let Balance { cash, fees, funding, deposits, open_profit, .. } = *balance;
            for amount in [cash, fees, funding, deposits, open_profit] {
                out.i128(amount.raw());
            }
        }
        out.len(self.lines.len());
        for line in &self.lines {
            line.position.save(out);
            out.i64(line.mark.raw());
        }
    }

    /// Reads what [`Self::save`] wrote, into an account of the same instruments.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        for _ in 0..from.len()? {
            let code = std::str::from_utf8(from.bytes()?).ok().and_then(|code| code.parse().ok());
            let currency = code.ok_or(Corrupt { at: 0, what: "no currency" })?;
            let index = usize::from(self.balance_index(currency));
            let Balance { cash, fees, funding, deposits, open_profit, .. } = &mut self.balances[index];
            for amount in [cash, fees, funding, deposits, open_profit] {
                *amount = Cash::from_raw(from.i128()?);
            }
        }
        self.find_conversions();
        if from.len()? != self.lines.len() {
            return Err(Corrupt { at: 0, what: "another number of instruments" });
        }
        self.balances.iter_mut().for_each(|balance| balance.in_positions = Cash::ZERO);
        for line in &mut self.lines {
            (line.position, line.mark) = (Position::load(from)?, Price::from_raw(from.i64()?));
            line.value = line.contract.value(line.mark, line.position.qty);
            if let Some(held) = line.holds {
                self.balances[usize::from(held)].in_positions += cash_of(line.position.qty);
            }
        }
        Ok(())
    }
}

/// A quantity of a currency as money: 1e-8 to 1e-16.
fn cash_of(qty: Qty) -> Cash {
    Cash::from_raw(i128::from(qty.raw()) * i128::from(Qty::ONE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Liquidity;
    use units::{AccountId, InstrumentId, Side};

    fn fill(side: Side, qty: &str, price: &str, fee: &str) -> Fill {
        let price = price.parse().unwrap();
        Fill {
            account: AccountId(0),
            instrument: InstrumentId(0),
            side,
            qty: qty.parse().unwrap(),
            price,
            reference: price,
            fee: fee.parse().unwrap(),
            liquidity: Liquidity::Taker,
            forced: None,
            execution: 0,
        }
    }

    /// Equity recomputed from the fills alone: −Σ signed quantity × price − Σ fees + position × mark.
    #[test]
    fn the_ledger_identity_holds_over_a_million_random_fills() {
        let mut account = Account::of_contracts([Contract::Linear]);
        let (mut seed, mut cash, mut qty) = (7_u64, 0_i128, 0_i64);
        for _ in 0..1_000_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let side = if seed >> 63 == 0 { Side::Buy } else { Side::Sell };
            let (lots, price) = ((seed >> 40) as i64 % 5_000 + 1, (seed >> 20) as i64 % 1_000_000 + 1);
            let mut next = fill(side, "1", "1", "0");
            (next.qty, next.price) = (Qty::from_raw(lots * 100_000), Price::from_raw(price * 10_000_000));
            next.fee = Cash::from_raw(i128::from(seed >> 50));
            account.fill(&next);
            let signed = next.signed_qty().raw();
            qty += signed;
            cash -= i128::from(signed) * i128::from(next.price.raw()) + next.fee.raw();
            account.set_mark(0, next.price);
            assert_eq!(account.equity().raw(), cash + i128::from(qty) * i128::from(next.price.raw()));
        }
        assert_eq!(account.position(0).qty.raw(), qty);
    }

    /// The same in coin, each fill and the position cut toward zero once: Σ signed quantity ÷ price − Σ fees − position ÷ mark.
    #[test]
    fn the_ledger_identity_holds_in_coin() {
        let coins = |qty: i64, price: i64| i128::from(qty) * 10_i128.pow(16) / i128::from(price);
        let mut account = Account::of_contracts([Contract::Inverse]);
        let (mut seed, mut cash, mut qty) = (9_u64, 0_i128, 0_i64);
        for _ in 0..200_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let side = if seed >> 63 == 0 { Side::Buy } else { Side::Sell };
            let (lots, price) = ((seed >> 40) as i64 % 5_000 + 1, (seed >> 20) as i64 % 1_000_000 + 1);
            let mut next = fill(side, "1", "1", "0");
            (next.qty, next.price) = (Qty::from_raw(lots * 1_000_000_000), Price::from_raw(price * 10_000_007));
            next.fee = Cash::from_raw(i128::from(seed >> 50));
            account.fill(&next);
            let signed = next.signed_qty().raw();
            qty += signed;
            cash += coins(signed, next.price.raw()) - next.fee.raw();
            let mark = Price::from_raw(price * 9_999_999);
            account.set_mark(0, mark);
            assert_eq!(account.equity().raw(), cash - coins(qty, mark.raw()));
            assert_eq!(account.exposure(0).raw(), coins(qty, mark.raw()));
        }
        assert_eq!(account.position(0).qty.raw(), qty);
    }

    #[test]
    fn a_trillion_units_stay_exact() {
        let mut account = Account::of_contracts([Contract::Linear]);
        account.fill(&fill(Side::Buy, "10000000", "99999.9", "0"));
        account.set_mark(0, "100000.0".parse().unwrap());
        assert_eq!(account.equity().to_string(), "1000000");
        account.fill(&fill(Side::Sell, "10000000", "100000.1", "0.00000001"));
        assert_eq!(account.equity().to_string(), "1999999.99999999");
        assert_eq!(account.position(0), Position::default());
    }
}
