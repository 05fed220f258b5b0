//! A floor under equity: exposure is at most a multiple of what lies above it.
//!
//! With a floor of deposits this is constant-proportion portfolio insurance (Black and Jones 1987; Perold and Sharpe 1988), with one of the
//! highest equity the drawdown control of Grossman and Zhou (1993). In continuous time the floor is never reached; a jump of over
//! 1 ÷ multiplier goes through it.

use super::{LeverageCap, increases, position, same_side};
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Outcome, Rule, Target, Verdict};
use crate::spec::{Floor, FloorOf, Limit};
use units::{Cash, Qty, Ratio, Round};

/// Holds exposure under multiplier × (equity − floor), and lets it drift by the tolerance before it is changed.
pub(crate) struct FloorCap {
    floor: Floor,
    reads: Vec<FactId>,
}

/// What the floor lets be held now.
struct Now {
    /// In the currency that equity is told in.
    floor: Cash,
    cap: LeverageCap,
}

impl FloorCap {
    pub(crate) fn new(floor: Floor) -> Self {
        let of = match floor.of {
            FloorOf::Deposits => facts::DEPOSITS.id(),
            FloorOf::Highest => facts::DRAWDOWN.id(),
        };
        let inner = LeverageCap { limit: Limit { limit: Ratio::default(), restore: Ratio::default() } };
        Self { reads: [inner.reads(), &[of]].concat(), floor }
    }

    /// `None`: equity, or what the floor is a share of, is not known.
    fn now(&self, facts: &Facts) -> Option<Now> {
        let equity = facts.get(facts::EQUITY)?;
        let share = self.floor.share.get();
        let whole = equity.approximate();
        let floor = match self.floor.of {
            FloorOf::Deposits => facts.get(facts::DEPOSITS)?.approximate() * share,
            // Before equity was ever lower than it was there is no drawdown.
            FloorOf::Highest => self.under_highest(whole, facts.get(facts::DRAWDOWN).map_or(0.0, Ratio::get)),
        };
        let most = if whole > 0.0 { self.floor.multiplier.get() * (1.0 - floor / whole) } else { 0.0 };
        Some(Now { floor: Cash::from_estimate(floor, Round::Nearest)?, cap: self.cap(most)? })
    }

    /// The floor under the highest equity, from which equity is down by `drawdown`.
    fn under_highest(&self, equity: f64, drawdown: f64) -> f64 {
        if drawdown < 1.0 { equity / (1.0 - drawdown) * self.floor.share.get() } else { equity }
    }

    fn cap(&self, most: f64) -> Option<LeverageCap> {
        let limit = Ratio::new(most.max(0.0))?;
        let restore = Ratio::new(limit.get() * (1.0 - self.floor.tolerance.get()))?;
        Some(LeverageCap { limit: Limit { limit, restore } })
    }

    /// An increase under the tolerance is not worth an order, as a decrease under it is none.
    fn is_small(&self, now: &Now, facts: &Facts, held: Qty, capped: Qty) -> bool {
        let most = now.cap.most(facts).unwrap_or(Qty::ZERO).approximate();
        let step = most * self.floor.tolerance.get();
        !held.is_zero() && same_side(capped, held) && capped.abs() > held.abs() && {
            let more = (capped.abs() - held.abs()).approximate();
            more < step
        }
    }
}

impl Rule for FloorCap {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn reads(&self) -> &[FactId] {
        &self.reads
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let held = position(facts);
        let Some(now) = self.now(facts) else {
            let sentence = "what the floor is measured from is not known: nothing is opened or added";
            if let Some(add) = because.add() {
                because.refused_add(add, sentence, []);
                because.set_add(None);
            }
            if !increases(proposed.qty, held) {
                return Verdict::keep(proposed);
            }
            because.say(sentence, []);
            let kept = if same_side(proposed.qty, held) { held } else { Qty::ZERO };
            return Verdict::refuse(Target { qty: kept, ..proposed });
        };
        let verdict = now.cap.evaluate(facts, proposed, because);
        if verdict.outcome != Outcome::Cut {
            return verdict;
        }
        let (equity, most) = (facts.get(facts::EQUITY).unwrap_or_default(), now.cap.limit.limit.get());
        if most == 0.0 {
            because.say("equity {} is at the floor {}: cash-lock, nothing is held", [equity, now.floor].map(Arg::Cash));
            return verdict;
        }
        let numbers =
            [Arg::Cash(now.floor), Arg::Cash(equity), Arg::Number(self.floor.multiplier.get()), Arg::Number(most)];
        if self.is_small(&now, facts, held, verdict.target.qty) {
            because.say(
                "floor {} under equity {}: {} x what lies between is {} of equity, and what is held is near it",
                numbers,
            );
            return Verdict { target: Target { qty: held, ..verdict.target }, outcome: Outcome::Held };
        }
        because.say("floor {} under equity {}: {} x what lies between is {} of equity", numbers);
        verdict
    }

    fn shared_terms(&self) -> Option<String> {
        Some(format!("{:?}", self.floor))
    }

    fn most(&self, facts: &Facts) -> Option<Qty> {
        self.now(facts)?.cap.most(facts)
    }

    /// Far inside what the floor lets be held: a tenth of what lies above it may be lost before anybody looks again, under a cap as it
    /// would be then.
    fn quiet(&self, facts: &Facts, proposed: Target, because: &Because, region: &mut Region) -> bool {
        let (Some(now), Some(equity)) = (self.now(facts), facts.get(facts::EQUITY)) else { return false };
        let (floor, whole) = (now.floor.approximate(), equity.approximate());
        let worst = whole - (whole - floor) / 10.0;
        if worst <= floor || worst <= 0.0 {
            return false;
        }
        match self.floor.of {
            FloorOf::Deposits => {
                // Exposure that is borne at the worst equity is borne at any higher one.
                let (Some(cap), Some(least)) = (
                    self.cap(self.floor.multiplier.get() * (1.0 - floor / worst) * (worst / whole)),
                    Cash::from_estimate(worst, Round::AwayFromZero),
                ) else {
                    return false;
                };
                if !cap.quiet(facts, proposed, because, region) {
                    return false;
                }
                region.within(facts::EQUITY.id(), least.raw(), i128::MAX);
                true
            }
            FloorOf::Highest => {
                // The cap follows from the drawdown alone.
                let highest = floor / self.floor.share.get();
                let deepest = 1.0 - worst / highest;
                let share = self.floor.share.get() / (1.0 - deepest);
                let Some(cap) = self.cap(self.floor.multiplier.get() * (1.0 - share)) else { return false };
                if deepest <= 0.0 || !cap.quiet(facts, proposed, because, region) {
                    return false;
                }
                region.within_ratio(facts::DRAWDOWN.id(), 0.0, Some(deepest));
                true
            }
        }
    }
}
