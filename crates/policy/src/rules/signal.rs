//! Conviction to a proposed position.

use super::{contract, exposure_price, position, same_side};
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Rule, Target, Verdict};
use crate::spec::{Reentry, Sides};
use units::{Cash, Price, Qty, Ratio, Round};

/// Proposes strength × what equity buys at the price; closes when the signal ends or turns; opens again only as the policy allows.
pub(crate) struct SignalRule {
    pub(crate) sides: Sides,
    pub(crate) reentry: Reentry,
    /// The twin takes the sign of the signal, not its strength.
    pub(crate) sign_only: bool,
}

const READS: &[FactId] = &[
    facts::SIGNAL.id(),
    facts::SIGNAL_SINCE.id(),
    facts::EQUITY.id(),
    facts::PRICE.id(),
    facts::POSITION.id(),
    facts::CONTRACT.id(),
    facts::EXPOSURE_PRICE.id(),
    facts::BASE.id(),
    facts::CLOSED_AT.id(),
    facts::CLOSED_PEAK.id(),
];

impl SignalRule {
    /// What equity buys at a price, times strength.
    fn wanted(facts: &Facts, equity: Cash, price: Price, strength: f64) -> Option<Qty> {
        let each = exposure_price(facts, price);
        let full = contract(facts).qty_for(equity.notional(), each, Round::TowardZero).filter(|_| equity.raw() > 0)?;
        full.scaled(strength, Round::TowardZero)
    }

    fn strength(&self, facts: &Facts) -> Option<f64> {
        let strength = facts.get(facts::SIGNAL).map(Ratio::get)?;
        let allowed = match self.sides {
            Sides::Both => strength,
            Sides::Long => strength.max(0.0),
            Sides::Short => strength.min(0.0),
        };
        Some(if self.sign_only && allowed != 0.0 { allowed.signum() } else { allowed })
    }

    /// Whether the signal was already traded: the last campaign was on its side and closed after it was issued. One that
    /// turned closed the campaign of the other side, and is still to be traded.
    fn is_spent(&self, facts: &Facts, wanted: Qty) -> bool {
        let traded = facts.get(facts::CLOSED_PEAK).is_none_or(|peak| same_side(peak, wanted));
        self.reentry == Reentry::NewSignal
            && traded
            && facts
                .get(facts::CLOSED_AT)
                .zip(facts.get(facts::SIGNAL_SINCE))
                .is_some_and(|(closed, since)| since <= closed)
    }
}

impl Rule for SignalRule {
    fn name(&self) -> &'static str {
        "signal"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn evaluate(&self, facts: &Facts, _proposed: Target, because: &mut Because) -> Verdict {
        let flat = Target::default();
        let held = position(facts);
        let Some(strength) = self.strength(facts) else {
            if held.is_zero() {
                because.say("no signal, or it is too old", []);
                return Verdict::set(flat);
            }
            // Loss of data alone never flattens: stops and rungs go on, nothing is added.
            because.say("holds {}: the signal is too old", [Arg::Qty(held)]);
            because.hold();
            let base = facts.get(facts::BASE).unwrap_or(held);
            return Verdict::set(Target { base, qty: held });
        };
        let (Some(equity), Some(price)) = (facts.get(facts::EQUITY), facts.get(facts::PRICE)) else {
            because.say("no price yet", []);
            return Verdict::set(flat);
        };
        if strength == 0.0 {
            because.say("signal is flat", []);
            return Verdict::set(flat);
        }
        let Some(wanted) = Self::wanted(facts, equity, price, strength) else {
            because.say("equity {} carries no position", [Arg::Cash(equity)]);
            return Verdict::set(flat);
        };
        if !held.is_zero() && !same_side(held, wanted) {
            because.say("signal turned to {}: close", [Arg::Number(strength)]);
            return Verdict::set(flat);
        }
        if held.is_zero() && self.is_spent(facts, wanted) {
            because.say("waits for a new signal: this one was traded", []);
            return Verdict::refuse(flat);
        }
        because.say("signal {}", [Arg::Number(strength)]);
        Verdict::set(Target { base: wanted, qty: wanted })
    }

    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        let (held, strength) = (position(facts), self.strength(facts));
        if strength.is_none() {
            region.free(&[facts::SIGNAL_SINCE.id(), facts::EQUITY.id(), facts::PRICE.id()]);
            return true;
        }
        let (Some(strength), Some(equity), Some(price)) = (strength, facts.get(facts::EQUITY), facts.get(facts::PRICE))
        else {
            return false;
        };
        if strength == 0.0 {
            region.free(&[facts::SIGNAL_SINCE.id()]);
            region.within(facts::EQUITY.id(), i128::MIN, i128::MAX);
            region.within(facts::PRICE.id(), i128::MIN, i128::MAX);
            return true;
        }
        // From half to twice of each equity buys something, and not more than a quantity can say: on which side is all that counts.
        let equities = [Cash::from_raw(equity.raw() / 2), Cash::from_raw(equity.raw().saturating_mul(2))];
        let prices = [Price::from_raw(price.raw() / 2), Price::from_raw(price.raw().saturating_mul(2))];
        let Some(wanted) = Self::wanted(facts, equity, price, strength).filter(|wanted| !wanted.is_zero()) else {
            return false;
        };
        let corners =
            equities.iter().flat_map(|equity| prices.map(|price| Self::wanted(facts, *equity, price, strength)));
        if !corners.into_iter().all(|corner| corner.is_some_and(|corner| same_side(corner, wanted))) {
            return false;
        }
        region.within(facts::EQUITY.id(), equities[0].raw(), equities[1].raw());
        region.within(facts::PRICE.id(), prices[0].raw().into(), prices[1].raw().into());
        if !held.is_zero() {
            region.free(&[facts::SIGNAL_SINCE.id()]);
        }
        let is_flat = (!held.is_zero() && !same_side(held, wanted)) || (held.is_zero() && self.is_spent(facts, wanted));
        if !is_flat {
            region.vary();
        }
        true
    }
}

/// For rules behind the signal: nothing is wanted.
pub(super) fn is_flat(target: &Target) -> bool {
    target.base == Qty::ZERO
}
