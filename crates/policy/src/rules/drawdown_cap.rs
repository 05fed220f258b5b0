//! Exposure limits by drawdown.

use super::position;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Add, Arg, Because, Rule, Target, Verdict};
use crate::spec::DrawdownLevel;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Qty, Ratio, Round};

/// From each level on, exposure is multiplied by its factor until drawdown is back under the level's restore point.
/// It limits exposure, since no cut can lower a drawdown that has happened.
pub(crate) struct DrawdownCap {
    pub(crate) levels: Vec<DrawdownLevel>,
    /// How many levels are in force.
    reached: u32,
}

const READS: &[FactId] = &[facts::DRAWDOWN.id(), facts::POSITION.id(), facts::UNCUT.id(), facts::LOT.id()];

impl DrawdownCap {
    pub(crate) fn new(levels: Vec<DrawdownLevel>) -> Self {
        Self { levels, reached: 0 }
    }
}

impl Rule for DrawdownCap {
    fn name(&self) -> &'static str {
        "drawdown_cap"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn observe(&mut self, facts: &Facts) {
        let drawdown = facts.get(facts::DRAWDOWN).map_or(0.0, Ratio::get);
        while self.levels.get(self.reached as usize).is_some_and(|next| drawdown >= next.at.get()) {
            self.reached += 1;
        }
        while self.reached > 0 && drawdown < self.levels[self.reached as usize - 1].restore.get() {
            self.reached -= 1;
        }
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let Some(level) = self.reached.checked_sub(1).map(|at| self.levels[at as usize]) else {
            return Verdict::keep(proposed);
        };
        let factor = level.factor.get();
        let held = position(facts);
        // A proposal to keep what is held is of what would be held without cuts: else each evaluation would cut what the
        // last one left. Any other proposal is whole.
        let kept = !held.is_zero() && proposed.qty == held;
        let whole = if kept { facts.get(facts::UNCUT).unwrap_or(held) } else { proposed.qty };
        let most = whole.abs().scaled(factor, Round::TowardZero).unwrap_or(Qty::ZERO);
        let add = because.add().and_then(|add| {
            let scaled = scaled_add(facts, add, factor);
            if scaled.is_none() {
                because.refused_add(add, "unit {} refused: exposure x {}", [Arg::Count(add.unit), Arg::Number(factor)]);
            }
            scaled
        });
        because.set_add(add);
        let drawdown = facts.get(facts::DRAWDOWN).map_or(0.0, Ratio::get);
        because.say(
            "drawdown {}, limit {} in force: exposure x {}",
            [Arg::Percent(drawdown), Arg::Percent(level.at.get()), Arg::Number(factor)],
        );
        if proposed.qty.abs() <= most {
            if held.abs() > most {
                because.cannot_wait();
            }
            return Verdict::keep(proposed);
        }
        let qty = if proposed.qty.signum() < 0 { -most } else { most };
        Verdict::cut(Target { qty, ..proposed })
    }

    fn save(&self, out: &mut StateWriter) {
        out.u32(self.reached);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.reached = from.u32()?.min(self.levels.len() as u32);
        Ok(())
    }
}

fn scaled_add(facts: &Facts, add: Add, factor: f64) -> Option<Add> {
    let qty = add.qty.scaled(factor, Round::TowardZero)?.to_lot(facts.get(facts::LOT)?, Round::TowardZero);
    (!qty.is_zero()).then_some(Add { qty, ..add })
}
