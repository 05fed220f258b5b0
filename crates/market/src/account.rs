//! Positions and accounts: exact by integer arithmetic; only the value of an inverse contract is a quotient.

use crate::{CashChange, Fill};
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

/// Cash and positions in one settlement currency. Equity = cash + Σ profit of positions at their marks.
///
/// The total profit is kept as a running sum of integers, which is exact whatever the order of events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// Deposits, realised profit, funding and fees.
    pub cash: Cash,
    /// Fees paid so far.
    pub fees: Cash,
    /// Funding received less funding paid so far.
    pub funding: Cash,
    /// Deposits less withdrawals so far.
    pub deposits: Cash,
    lines: Vec<Line>,
    open_profit: Cash,
}

/// A position at its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Line {
    position: Position,
    mark: Price,
    /// Of the position at its mark: kept, so that an inverse contract divides once an event.
    value: Notional,
    contract: Contract,
}

impl Line {
    fn exposure(&self) -> Notional {
        match self.contract {
            Contract::Linear => self.value,
            Contract::Inverse => -self.value,
        }
    }
}

impl Account {
    /// An empty account that can hold positions in these contracts, by instrument index. All settle in its currency.
    #[must_use]
    pub fn new(contracts: impl IntoIterator<Item = Contract>) -> Self {
        let line = |contract| Line { contract, ..Line::default() };
        Self { lines: contracts.into_iter().map(line).collect(), ..Self::default() }
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

    /// The signed value of the position in the instrument at this index, at its mark.
    #[must_use]
    pub fn exposure(&self, instrument: usize) -> Notional {
        self.lines[instrument].exposure()
    }

    /// Revalues one position.
    #[inline]
    pub fn set_mark(&mut self, instrument: usize, mark: Price) {
        let line = &mut self.lines[instrument];
        let value = line.contract.value(mark, line.position.qty);
        self.open_profit += (value - line.value).cash();
        (line.mark, line.value) = (mark, value);
    }

    /// Takes in a fill: fee, cost and realised profit. The mark stays what it was, or becomes the fill's price if there was none.
    pub fn fill(&mut self, fill: &Fill) {
        let Line { position, mark, value, contract } = &mut self.lines[fill.instrument.index()];
        if mark.is_zero() {
            *mark = fill.price;
        }
        self.open_profit -= (*value - position.cost).cash();
        self.cash += position.apply(*contract, fill) - fill.fee;
        *value = contract.value(*mark, position.qty);
        self.open_profit += (*value - position.cost).cash();
        self.fees += fill.fee;
    }

    /// Takes in a deposit, withdrawal or funding payment.
    pub fn change(&mut self, change: &CashChange) {
        self.cash += change.amount;
        match change.reason {
            crate::CashReason::Funding { .. } => self.funding += change.amount,
            crate::CashReason::Deposit | crate::CashReason::Withdrawal => self.deposits += change.amount,
        }
    }

    /// Cash plus the profit of all positions at their marks.
    #[must_use]
    #[inline]
    pub fn equity(&self) -> Cash {
        self.cash + self.open_profit
    }

    /// Positions and marks by instrument index.
    pub fn positions(&self) -> impl Iterator<Item = (Position, Price)> + '_ {
        self.lines.iter().map(|line| (line.position, line.mark))
    }

    /// Signed values of all positions at their marks, by instrument index.
    pub fn exposures(&self) -> impl Iterator<Item = Notional> + '_ {
        self.lines.iter().map(Line::exposure)
    }

    /// Writes every field.
    pub fn save(&self, out: &mut StateWriter) {
        for amount in [self.cash, self.fees, self.funding, self.deposits, self.open_profit] {
            out.i128(amount.raw());
        }
        out.len(self.lines.len());
        for line in &self.lines {
            line.position.save(out);
            out.i64(line.mark.raw());
        }
    }

    /// Reads what [`Self::save`] wrote, into an account of the same contracts.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let Self { cash, fees, funding, deposits, open_profit, lines } = self;
        for amount in [cash, fees, funding, deposits, open_profit] {
            *amount = Cash::from_raw(from.i128()?);
        }
        if from.len()? != lines.len() {
            return Err(Corrupt { at: 0, what: "another number of instruments" });
        }
        for line in lines {
            (line.position, line.mark) = (Position::load(from)?, Price::from_raw(from.i64()?));
            line.value = line.contract.value(line.mark, line.position.qty);
        }
        Ok(())
    }
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
            liquidation: false,
        }
    }

    /// Equity recomputed from the fills alone: −Σ signed quantity × price − Σ fees + position × mark.
    #[test]
    fn the_ledger_identity_holds_over_a_million_random_fills() {
        let mut account = Account::new([Contract::Linear]);
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
        let mut account = Account::new([Contract::Inverse]);
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
        let mut account = Account::new([Contract::Linear]);
        account.fill(&fill(Side::Buy, "10000000", "99999.9", "0"));
        account.set_mark(0, "100000.0".parse().unwrap());
        assert_eq!(account.equity().to_string(), "1000000");
        account.fill(&fill(Side::Sell, "10000000", "100000.1", "0.00000001"));
        assert_eq!(account.equity().to_string(), "1999999.99999999");
        assert_eq!(account.position(0), Position::default());
    }
}
