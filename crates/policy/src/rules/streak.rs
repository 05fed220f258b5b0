//! Size after wins and losses.

use super::position;
use super::signal::is_flat;
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Rule, Target, Verdict};
use crate::spec::{Resize, Streak, StreakOver};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Qty, Ratio, Round};

/// Anti-martingale: a win multiplies the size by a factor up to a cap, a loss returns it to the base. Closed campaigns count,
/// by net R in order of close; within a tenth of an R is a scratch and counts for nothing. The multiplier is frozen at entry.
/// Where campaigns of other instruments count too, the engine counts them.
pub(crate) struct StreakRule {
    streak: Streak,
    resize: Resize,
    /// Closed campaigns counted so far; of several instruments wins in a row.
    counted: u32,
    multiplier: f64,
    /// The multiplier of the campaign that is open, or of the next one.
    frozen: f64,
}

/// Results nearer to zero than this many R are a scratch.
const SCRATCH: f64 = 0.1;
const OWN: &[FactId] = &[facts::POSITION.id(), facts::CLOSED.id(), facts::CLOSED_R.id()];
const ALL: &[FactId] = &[facts::POSITION.id(), facts::WINS.id()];

/// Wins in a row once a campaign has closed with a net result in R; of one that has none nothing is known.
#[must_use]
pub fn wins_after(wins: u32, r: Option<f64>) -> u32 {
    match r.unwrap_or(0.0) {
        r if r > SCRATCH => wins.saturating_add(1),
        r if r < -SCRATCH => 0,
        _ => wins,
    }
}

impl StreakRule {
    pub(crate) fn new(streak: Streak, resize: Resize) -> Self {
        Self { streak, resize, counted: 0, multiplier: 1.0, frozen: 1.0 }
    }

    /// The multiplier after so many wins in a row. Once it is at its cap more of them change nothing.
    fn after(&self, wins: u32) -> f64 {
        let (factor, cap) = (self.streak.factor.get(), self.streak.cap.get());
        let mut multiplier = 1.0;
        for _ in 0..wins {
            if multiplier >= cap {
                break;
            }
            multiplier = (multiplier * factor).min(cap);
        }
        multiplier
    }
}

impl Rule for StreakRule {
    fn name(&self) -> &'static str {
        "streak"
    }

    fn reads(&self) -> &[FactId] {
        if self.streak.over == StreakOver::Instrument { OWN } else { ALL }
    }

    fn observe(&mut self, facts: &Facts) {
        let is_own = self.streak.over == StreakOver::Instrument;
        let counted = facts.get(if is_own { facts::CLOSED } else { facts::WINS }).unwrap_or(0);
        if counted != self.counted && !is_own {
            self.counted = counted;
            self.multiplier = self.after(counted);
        } else if counted != self.counted {
            self.counted = counted;
            let r = facts.get(facts::CLOSED_R).map_or(0.0, Ratio::get);
            if r > SCRATCH {
                self.multiplier = (self.multiplier * self.streak.factor.get()).min(self.streak.cap.get());
            } else if r < -SCRATCH {
                self.multiplier = 1.0;
            }
        }
        if position(facts).is_zero() {
            self.frozen = self.multiplier;
        }
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        // A base that was frozen at entry has the multiplier in it.
        let is_frozen = self.resize == Resize::Entry && !position(facts).is_zero();
        if is_flat(&proposed) || because.holds() || is_frozen || self.frozen == 1.0 {
            return Verdict::keep(proposed);
        }
        let scaled = |qty: Qty| qty.scaled(self.frozen, Round::TowardZero).unwrap_or(qty);
        because.say("x {} after wins in a row", [Arg::Number(self.frozen)]);
        let add = because.add().map(|add| crate::Add {
            qty: facts.get(facts::LOT).map_or(add.qty, |lot| scaled(add.qty).to_lot(lot, Round::TowardZero)),
            ..add
        });
        because.set_add(add);
        Verdict::set(Target { base: scaled(proposed.base), qty: scaled(proposed.qty) })
    }

    /// Until a campaign is closed or opened.
    fn quiet(&self, _facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        true
    }

    fn save(&self, out: &mut StateWriter) {
        out.u32(self.counted);
        out.f64(self.multiplier);
        out.f64(self.frozen);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        (self.counted, self.multiplier, self.frozen) = (from.u32()?, from.f64()?, from.f64()?);
        Ok(())
    }
}
