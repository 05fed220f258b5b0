//! Leverage: gross exposure over equity, the account's other positions counted.

use super::{contract, position, same_side};
use crate::facts::{self, FactId, Facts};
use crate::rule::{Add, Arg, Because, Outcome, Rule, Target, Verdict};
use crate::spec::Limit;
use units::{Cash, Contract, Price, Qty, Ratio, Round};

/// Over the limit the position is brought back to the restore level; increases, untriggered adds included, stop there.
pub(crate) struct LeverageCap {
    pub(crate) limit: Limit,
}

const READS: &[FactId] = &[
    facts::EQUITY.id(),
    facts::PRICE.id(),
    facts::POSITION.id(),
    facts::LOT.id(),
    facts::MIN_QTY.id(),
    facts::CONTRACT.id(),
    facts::OTHERS.id(),
];

impl Rule for LeverageCap {
    fn name(&self) -> &'static str {
        "leverage_cap"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let (Some(equity), Some(price)) = (facts.get(facts::EQUITY), facts.get(facts::PRICE)) else {
            return Verdict::keep(proposed);
        };
        let held = position(facts);
        let account = Account { contract: contract(facts), equity, others: facts.get(facts::OTHERS) };
        let verdict = self.capped(account, price, held, proposed, because);
        if let Some(add) = because.add() {
            let base = if verdict.target.qty.abs() > held.abs() { verdict.target.qty } else { held };
            // The worst of what may fill: with the increase that goes out now, and without its profit up to the trigger.
            let mut capped = self.capped_add(facts, account, price, base, add, because);
            if base != held {
                capped = capped.and_then(|add| self.capped_add(facts, account, price, held, add, because));
            }
            because.set_add(capped);
        }
        verdict
    }
}

impl LeverageCap {
    #[inline]
    fn capped(&self, account: Account, price: Price, held: Qty, proposed: Target, because: &mut Because) -> Verdict {
        let qty = proposed.qty;
        let increases = qty.abs() > held.abs() || !same_side(qty, held);
        let level = if increases { self.limit.restore } else { self.limit.limit };
        // Far inside, where rounding cannot matter, two multiplications say so without a wide division.
        let largest = qty.abs().max(held.abs());
        let carries = account.equity.approximate() * level.get() * 0.999_999;
        if account.with_others(account.contract.approximate_exposure(price, largest)) < carries {
            return Verdict::keep(proposed);
        }
        self.exactly(account, price, (held, increases, level), proposed, because)
    }

    /// Near the limit or over it: with exact quantities. Apart, because most of the time nothing is.
    #[cold]
    fn exactly(
        &self,
        account: Account,
        price: Price,
        (held, increases, level): (Qty, bool, Ratio),
        proposed: Target,
        because: &mut Because,
    ) -> Verdict {
        let qty = proposed.qty;
        let Some(most) = account.carried(price, level) else {
            return Verdict::keep(proposed);
        };
        if qty.abs() <= most {
            if !increases && held.abs() > most {
                because.cannot_wait();
            }
            return Verdict::keep(proposed);
        }
        let least = if increases && same_side(qty, held) { held.abs() } else { Qty::ZERO };
        let restored = account.carried(price, self.limit.restore).unwrap_or(Qty::ZERO).max(least.min(most));
        let equity = account.equity.approximate();
        let leverage = account.with_others(account.contract.approximate_exposure(price, qty.abs())) / equity;
        let (level, restore) = (Arg::Number(level.get()), Arg::Number(self.limit.restore.get()));
        if account.equity.raw() <= 0 {
            because.say("equity {} carries no position", [Arg::Cash(account.equity)]);
        } else if account.others.is_none_or(Cash::is_zero) {
            because.say("leverage {} is over {}: back to {}", [Arg::Number(leverage), level, restore]);
        } else {
            let others = account.with_others(0.0) / equity;
            let over = others - self.limit.limit.get();
            if over > 0.0 {
                // What the others hold is not this strategy's to sell.
                because.cannot_wait();
                let limit = Arg::Number(self.limit.limit.get());
                let numbers = [Arg::Number(others), limit, Arg::Number(over)];
                because.say(
                    "other positions alone have leverage {}, limit {}: {} too much with nothing held here",
                    numbers,
                );
                return Verdict { target: Target { qty: Qty::ZERO, ..proposed }, outcome: Outcome::Unmet };
            }
            let numbers = [Arg::Number(leverage), Arg::Number(others), level, restore];
            because.say("leverage {}, {} of it in other positions, is over {}: back to {}", numbers);
        }
        let side = if qty.signum() < 0 { -restored } else { restored };
        Verdict { target: Target { qty: side, ..proposed }, outcome: Outcome::Cut }
    }

    /// The add that leverage still carries where it is expected to fill, where the position's profit has moved equity.
    fn capped_add(
        &self,
        facts: &Facts,
        account: Account,
        price: Price,
        held: Qty,
        add: Add,
        because: &mut Because,
    ) -> Option<Add> {
        let there = Account { equity: account.equity + account.contract.profit(held, price, add.at), ..account };
        // As above, without a wide division.
        let largest = Qty::from_raw(held.abs().raw().saturating_add(add.qty.abs().raw()));
        let carries = there.equity.approximate() * self.limit.restore.get() * 0.999_999;
        if there.with_others(there.contract.approximate_exposure(add.at, largest)) < carries {
            return Some(add);
        }
        let room = there.carried(add.at, self.limit.restore)?.raw() - held.abs().raw();
        if add.qty.abs().raw() <= room {
            return Some(add);
        }
        let fits = Qty::from_raw(room.max(0)).to_lot(facts.get(facts::LOT)?, Round::TowardZero);
        if fits.is_zero() || fits < facts.get(facts::MIN_QTY)? {
            because.refused_add(
                add,
                "unit {} refused: leverage at {} would be over {}",
                [Arg::Count(add.unit), Arg::Price(add.at), Arg::Number(self.limit.restore.get())],
            );
            return None;
        }
        because.say(
            "unit {} cut to {}: leverage {}",
            [Arg::Count(add.unit), Arg::Qty(fits), Arg::Number(self.limit.restore.get())],
        );
        Some(Add { qty: if add.qty.signum() < 0 { -fits } else { fits }, ..add })
    }
}

/// What carries a position.
#[derive(Debug, Clone, Copy)]
struct Account {
    contract: Contract,
    equity: Cash,
    /// Exposure of the other positions. `None`: nothing is said of any.
    others: Option<Cash>,
}

impl Account {
    #[inline]
    fn with_others(self, exposure: f64) -> f64 {
        self.others.map_or(exposure, |others| exposure + others.approximate())
    }

    /// The unsigned quantity that equity carries at a leverage beside the other positions; nothing without equity.
    fn carried(self, price: Price, leverage: Ratio) -> Option<Qty> {
        if self.equity.raw() <= 0 {
            return Some(Qty::ZERO);
        }
        let whole = self.contract.qty_for(self.equity.notional(), price, Round::TowardZero)?;
        let carried = whole.scaled(leverage.get(), Round::TowardZero)?;
        let Some(others) = self.others else { return Some(carried) };
        // Beyond what a quantity can say, the others leave no room.
        let taken = self.contract.qty_for(others.notional(), price, Round::AwayFromZero);
        Some(taken.map_or(Qty::ZERO, |taken| Qty::from_raw((carried.raw() - taken.raw()).max(0))))
    }
}
