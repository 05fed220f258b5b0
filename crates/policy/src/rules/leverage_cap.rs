//! Leverage: gross exposure over equity.

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
        let equity_at = (contract(facts), equity, price);
        let verdict = self.capped(equity_at, held, proposed, because);
        if let Some(add) = because.add() {
            let base = if verdict.target.qty.abs() > held.abs() { verdict.target.qty } else { held };
            // The worst of what may fill: with the increase that goes out now, and without its profit up to the trigger.
            let mut capped = self.capped_add(facts, equity, price, base, add, because);
            if base != held {
                capped = capped.and_then(|add| self.capped_add(facts, equity, price, held, add, because));
            }
            because.set_add(capped);
        }
        verdict
    }
}

impl LeverageCap {
    fn capped(
        &self,
        (contract, equity, price): (Contract, Cash, Price),
        held: Qty,
        proposed: Target,
        because: &mut Because,
    ) -> Verdict {
        let qty = proposed.qty;
        let increases = qty.abs() > held.abs() || !same_side(qty, held);
        let level = if increases { self.limit.restore } else { self.limit.limit };
        // Far inside, where rounding cannot matter, two multiplications say so without a wide division.
        let largest = qty.abs().max(held.abs());
        if contract.approximate_exposure(price, largest) < equity.approximate() * level.get() * 0.999_999 {
            return Verdict::keep(proposed);
        }
        let Some(most) = carried(contract, equity, price, level) else {
            return Verdict::keep(proposed);
        };
        if qty.abs() <= most {
            if !increases && held.abs() > most {
                because.cannot_wait();
            }
            return Verdict::keep(proposed);
        }
        let least = if increases && same_side(qty, held) { held.abs() } else { Qty::ZERO };
        let restored = carried(contract, equity, price, self.limit.restore).unwrap_or(Qty::ZERO).max(least.min(most));
        let leverage = contract.approximate_exposure(price, qty.abs()) / equity.approximate();
        if equity.raw() > 0 {
            because.say(
                "leverage {} is over {}: back to {}",
                [Arg::Number(leverage), Arg::Number(level.get()), Arg::Number(self.limit.restore.get())],
            );
        } else {
            because.say("equity {} carries no position", [Arg::Cash(equity)]);
        }
        let side = if qty.signum() < 0 { -restored } else { restored };
        Verdict { target: Target { qty: side, ..proposed }, outcome: Outcome::Cut }
    }

    /// The add that leverage still carries at its trigger, where the position's profit has moved equity.
    fn capped_add(
        &self,
        facts: &Facts,
        equity: Cash,
        price: Price,
        held: Qty,
        add: Add,
        because: &mut Because,
    ) -> Option<Add> {
        let contract = contract(facts);
        let there = equity + contract.profit(held, price, add.trigger);
        let room = carried(contract, there, add.trigger, self.limit.restore)?.raw() - held.abs().raw();
        if add.qty.abs().raw() <= room {
            return Some(add);
        }
        let fits = Qty::from_raw(room.max(0)).to_lot(facts.get(facts::LOT)?, Round::TowardZero);
        if fits.is_zero() || fits < facts.get(facts::MIN_QTY)? {
            because.refused_add(
                add,
                "unit {} refused: leverage at {} would be over {}",
                [Arg::Count(add.unit), Arg::Price(add.trigger), Arg::Number(self.limit.restore.get())],
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

/// The unsigned quantity that equity carries at a leverage; nothing without equity.
fn carried(contract: Contract, equity: Cash, price: Price, leverage: Ratio) -> Option<Qty> {
    if equity.raw() <= 0 {
        return Some(Qty::ZERO);
    }
    contract.qty_for(equity.notional(), price, Round::TowardZero)?.scaled(leverage.get(), Round::TowardZero)
}
