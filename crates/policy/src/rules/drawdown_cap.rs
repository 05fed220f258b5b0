//! Exposure limits by drawdown.

use super::position;
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::level::{is_reached, turn};
use crate::rule::{Add, Arg, Because, Rule, Target, Verdict};
use crate::spec::{DrawdownLevel, Rearm};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Qty, Ratio, Round, Timestamp};

/// From each level on, exposure is multiplied by its factor until drawdown is back under the level's restore point.
/// It limits exposure, since no cut can lower a drawdown that has happened.
pub(crate) struct DrawdownCap {
    pub(crate) levels: Vec<DrawdownLevel>,
    rearm: Option<Rearm>,
    /// How many levels are in force.
    reached: u32,
    /// When the last level was reached, and the worst drawdown since. Nothing while no level is in force.
    flat: Option<(Timestamp, f64)>,
    /// The high-water mark that re-arming restarted, net of deposits, and the deposits that it knows of.
    mark: Option<(Cash, Cash)>,
}

const READS: &[FactId] = &[facts::DRAWDOWN.id(), facts::POSITION.id(), facts::UNCUT.id(), facts::LOT.id()];

impl DrawdownCap {
    pub(crate) fn new(levels: Vec<DrawdownLevel>, rearm: Option<Rearm>) -> Self {
        Self { levels, rearm, reached: 0, flat: None, mark: None }
    }

    /// Drawdown from the account's high-water mark, or from the one that re-arming restarted.
    fn drawdown(&self, facts: &Facts) -> f64 {
        if let Some((mark, _)) = self.mark
            && let Some(equity) = facts.get(facts::EQUITY)
            && mark.raw() > 0
        {
            return ((mark - equity).approximate() / mark.approximate()).max(0.0);
        }
        facts.get(facts::DRAWDOWN).map_or(0.0, Ratio::get)
    }

    /// The restarted mark follows equity up, and deposits; the account's own mark is back in force once it is reached.
    fn follow_mark(&mut self, facts: &Facts) {
        let Some((mark, known)) = &mut self.mark else { return };
        let deposits = facts.get(facts::DEPOSITS).unwrap_or(Cash::ZERO);
        *mark += deposits - *known;
        *known = deposits;
        *mark = facts.get(facts::EQUITY).map_or(*mark, |equity| equity.max(*mark));
        if facts.get(facts::DRAWDOWN).map_or(0.0, Ratio::get) == 0.0 {
            self.mark = None;
        }
    }

    #[inline(never)]
    fn observe_closely(&mut self, facts: &Facts) {
        self.follow_mark(facts);
        let drawdown = self.drawdown(facts);
        while self.levels.get(self.reached as usize).is_some_and(|next| is_reached(drawdown, next.at.get())) {
            self.reached += 1;
        }
        while self.reached > 0 && !is_reached(drawdown, self.levels[self.reached as usize - 1].restore.get()) {
            self.reached -= 1;
        }
        if self.may_rearm(facts, drawdown) {
            (self.reached, self.flat) = (0, None);
            let deposits = facts.get(facts::DEPOSITS).unwrap_or(Cash::ZERO);
            self.mark = facts.get(facts::EQUITY).map(|equity| (equity, deposits));
        }
    }

    /// Where a level is in force, or the mark was restarted. Apart, so that the frequent case has no large frame.
    #[inline(never)]
    fn evaluate_closely(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let Some(level) = self.reached.checked_sub(1).map(|at| self.levels[at as usize]) else {
            if let Some((mark, _)) = self.mark {
                because.say("re-armed: drawdown counts from {}", [Arg::Cash(mark)]);
            }
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
        let drawdown = self.drawdown(facts);
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

    /// Once flat by the last level: whether the declared rule lets it begin again.
    fn may_rearm(&mut self, facts: &Facts, drawdown: f64) -> bool {
        let is_last = self.reached as usize == self.levels.len();
        if !is_last {
            self.flat = None;
            return false;
        }
        let (since, worst) = self.flat.unwrap_or((facts.now(), drawdown));
        self.flat = Some((since, worst.max(drawdown)));
        position(facts).is_zero()
            && match self.rearm {
                None => false,
                Some(Rearm::After(span)) => facts.now().since(since) >= span,
                Some(Rearm::Recovered(share)) => drawdown <= worst * (1.0 - share.get()),
            }
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
        // Nothing in force and nothing reached: by far the most frequent case, told without looking closer.
        if self.reached == 0
            && self.mark.is_none()
            && let Some(first) = self.levels.first()
            && !is_reached(facts.get(facts::DRAWDOWN).map_or(0.0, Ratio::get), first.at.get())
        {
            return;
        }
        self.observe_closely(facts);
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        // Nothing is in force: by far the most frequent case.
        if self.reached == 0 && self.mark.is_none() {
            return Verdict::keep(proposed);
        }
        self.evaluate_closely(facts, proposed, because)
    }

    /// As long as the same levels are in force.
    fn quiet(&self, _facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        let reached = self.reached as usize;
        if self.mark.is_some() || (reached == self.levels.len() && self.rearm.is_some()) {
            return false;
        }
        let restore = reached.checked_sub(1).map_or(0.0, |last| turn(self.levels[last].restore.get()));
        let next = self.levels.get(reached).map(|next| turn(next.at.get()));
        region.within_ratio(facts::DRAWDOWN.id(), restore, next);
        // How far down it came is remembered from the last level on.
        if reached < self.levels.len() {
            region.rest();
        }
        true
    }

    fn save(&self, out: &mut StateWriter) {
        out.u32(self.reached);
        out.option(self.flat, |out, (since, worst)| {
            out.i64(since.nanos());
            out.f64(worst);
        });
        out.option(self.mark, |out, (mark, deposits)| {
            out.i128(mark.raw());
            out.i128(deposits.raw());
        });
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.reached = from.u32()?.min(self.levels.len() as u32);
        self.flat = from.option(|from| Ok((Timestamp::from_nanos(from.i64()?), from.f64()?)))?;
        self.mark = from.option(|from| Ok((Cash::from_raw(from.i128()?), Cash::from_raw(from.i128()?))))?;
        Ok(())
    }
}

fn scaled_add(facts: &Facts, add: Add, factor: f64) -> Option<Add> {
    let qty = add.qty.scaled(factor, Round::TowardZero)?.to_lot(facts.get(facts::LOT)?, Round::TowardZero);
    (!qty.is_zero()).then_some(Add { qty, ..add })
}
