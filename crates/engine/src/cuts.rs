//! Limits on the account's gross exposure (`caps.leverage`, `[floor]`) under which several strategies stand: all of them together bring a
//! breach back to the restore level.
//!
//! A rule sees the account's other positions with the worst of their pending orders, which is right for increases. A cut by that would be
//! one too many for each other strategy that cuts as well, and orders that may never fill would make it sell. So where a rule has cut
//! what is held the rules decide once more, with what the others keep: pending increases are none of it, and what is on its way out is
//! gone. Who is over the limit gives up the same part of its position as all others that state the same limit, and those owe theirs: each
//! answers with its next decision, and the last one gives up whatever is missing, in whatever bars orders fill.

use crate::engine::Engine;
use crate::pipeline::tell_wanted;
use crate::scope::Scope;
use market::Source;
use policy::{Beside, Outcome, Step, Target};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Contract, Notional, Qty};

/// Where a strategy is in bringing back a breach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Breach {
    /// There is none, or its part is done.
    #[default]
    None,
    /// Another one has begun: its own part is still to be given up.
    Owes,
    /// Its part is on the way.
    Answered,
}

impl Breach {
    pub(crate) fn save(self, out: &mut StateWriter) {
        out.u8(self as u8);
    }

    pub(crate) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        match from.u8()? {
            0 => Ok(Self::None),
            1 => Ok(Self::Owes),
            2 => Ok(Self::Answered),
            _ => Err(Corrupt { at: 0, what: "no state of a breach" }),
        }
    }
}

/// Whether a decision may be one of several that answer one breach.
#[inline]
pub(crate) fn shares_cuts(scope: &Scope) -> bool {
    let is_concerned = scope.because.limits() != 0 || scope.breach != Breach::None;
    is_concerned && scope.shared_terms.is_some() && !scope.position.is_zero()
}

impl Engine {
    /// Lets the rules decide once more with what of the account's other positions stays, where they have cut what is held, where that is
    /// on its way, or where it is owed. `Because` keeps what they went by.
    #[cold]
    #[inline(never)]
    pub(crate) fn share_cut(&mut self, index: usize, target: Target, source: Source) -> Target {
        let scope = &mut self.scopes[index];
        let held = scope.position;
        let left = match scope.breach {
            Breach::Answered => scope.working.left(held),
            _ => held,
        };
        if scope.breach == Breach::Answered && left == held {
            scope.breach = Breach::None;
        }
        if scope.breach == Breach::None && !cuts(scope, held) {
            return target;
        }
        let Some(beside) = self.beside_kept(index, left) else { return target };
        let scope = &mut self.scopes[index];
        scope.because.restart();
        scope.because.set_beside(Some(beside));
        let shared = scope.evaluate();
        scope.region.forget();
        tell_wanted(scope, &mut self.structures, shared);
        // News of its own orders sends nothing: what is owed then is given up with the next price.
        if source != Source::Venue {
            self.answer(index, left);
        }
        shared
    }

    /// Keeps who owes its part of a breach after the decision of one strategy.
    fn answer(&mut self, index: usize, left: Qty) {
        let scope = &mut self.scopes[index];
        let owed = scope.breach == Breach::Owes;
        if !cuts(scope, left) {
            if owed {
                scope.breach = Breach::None;
            }
            return;
        }
        scope.breach = Breach::Answered;
        if owed {
            return;
        }
        for other in 0..self.scopes.len() {
            if other != index && self.shares_limit(index, other) && !self.scopes[other].position.is_zero() {
                self.scopes[other].breach = Breach::Owes;
                self.scopes[other].region.forget();
            }
        }
    }

    /// Whether two strategies stand under one limit.
    fn shares_limit(&self, one: usize, other: usize) -> bool {
        let [one, other] = [one, other].map(|at| &self.scopes[at]);
        one.account == other.account && one.shared_terms == other.shared_terms
    }

    /// What of the account's other positions stays. `None`: coins that lie in the account are exposed, of which nobody says whose they
    /// are.
    fn beside_kept(&self, index: usize, left: Qty) -> Option<Beside> {
        let scope = &self.scopes[index];
        let (own, book) = (scope.instrument.index(), &self.books[scope.account.index()]);
        if book.has_coins {
            return None;
        }
        let restores = scope.breach == Breach::Owes;
        let (mut kept, mut shares) = (0.0, 0.0);
        for (instrument, traded) in self.traded.iter().enumerate() {
            if traded.account as usize != scope.account.index() {
                continue;
            }
            let settled = |exposed: Notional| book.settled_as(exposed, instrument, own);
            let Some(first) = traded.scopes.first().map(|first| &self.scopes[*first as usize]) else {
                // A position that no strategy trades is exposed all the same.
                kept += settled(book.gross_of(instrument));
                continue;
            };
            let there = || traded.scopes.iter().map(|at| *at as usize).filter(|at| *at != index);
            let (net, side) = if instrument == own {
                // What others hold against it counts as nothing, as in what rules are told.
                let beside: Qty = there().map(|at| stays(&self.scopes[at])).sum();
                (if beside.signum() == left.signum() { beside } else { Qty::ZERO }, left.signum())
            } else {
                let held = match first.desk {
                    Some(desk) => self.structures.desks[desk as usize].exposed(),
                    None => book.account.position(instrument).qty,
                };
                let off: Qty = there().map(|at| self.scopes[at].position - stays(&self.scopes[at])).sum();
                let net = held - off;
                (net, net.signum())
            };
            kept += settled(self.exposure_of(first, net));
            for at in there().filter(|at| self.shares_limit(index, *at)) {
                let (other, stays) = (&self.scopes[at], stays(&self.scopes[at]));
                if stays.signum() == side && (!restores || other.breach == Breach::Owes) {
                    shares += settled(self.exposure_of(other, stays));
                }
            }
        }
        Some(Beside { kept, shares: shares.min(kept), left, restores })
    }

    /// What a quantity of what a strategy trades stands for, unsigned.
    fn exposure_of(&self, scope: &Scope, qty: Qty) -> Notional {
        let instrument = scope.instrument.index();
        let account = &self.books[scope.account.index()].account;
        match scope.desk {
            None => account.contract(instrument).exposure(account.mark(instrument), qty.abs()),
            Some(desk) => {
                let unit = self.exposure_price(desk as usize);
                unit.map_or(Notional::ZERO, |unit| Contract::Linear.exposure(unit, qty.abs()))
            }
        }
    }
}

/// What of its position a strategy keeps once its orders that close are filled.
fn stays(scope: &Scope) -> Qty {
    scope.working.left(scope.position)
}

/// Whether a limit on gross exposure has just cut a position to less than a quantity.
fn cuts(scope: &Scope, held: Qty) -> bool {
    let limits = |step: &&Step| {
        let rule = scope.rules.get(usize::from(step.rule)).map_or("", |rule| rule.name());
        matches!(rule, "leverage_cap" | "floor") && matches!(step.outcome, Outcome::Cut | Outcome::Unmet)
    };
    scope.because.steps().iter().filter(limits).any(|step| step.after.abs() < held.abs())
}
