//! Conviction to a proposed position.

use super::{contract, position, same_side};
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Rule, Target, Verdict};
use crate::spec::{Reentry, Sides};
use units::{Qty, Ratio, Round};

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
];

impl SignalRule {
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
        let exposure =
            contract(facts).qty_for(equity.notional(), price, Round::TowardZero).filter(|_| equity.raw() > 0);
        let Some(wanted) = exposure.and_then(|full| full.scaled(strength, Round::TowardZero)) else {
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
}

/// For rules behind the signal: nothing is wanted.
pub(super) fn is_flat(target: &Target) -> bool {
    target.base == Qty::ZERO
}
