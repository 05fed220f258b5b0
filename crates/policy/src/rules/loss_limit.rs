//! Loss limits by UTC day and week.

use super::{position, same_side};
use crate::Region;
use crate::facts::{self, Fact, FactId, Facts};
use crate::level::{is_reached, turn};
use crate::rule::{Arg, Because, Rule, Target, Verdict};
use crate::spec::OnLoss;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Qty, Ratio, Timestamp};

/// Once the loss since the day or the week began has reached its limit, nothing is increased, or everything is closed, until
/// the period ends. What is lost is counted net of deposits and withdrawals.
pub(crate) struct LossLimit {
    pub(crate) limits: [Option<Ratio>; 2],
    pub(crate) on_loss: OnLoss,
    /// Until when each is in force: the start of the period that it was breached in.
    breached: [Option<Cash>; 2],
    since: [Timestamp; 2],
}

const READS: &[FactId] =
    &[facts::EQUITY.id(), facts::DAY_START.id(), facts::WEEK_START.id(), facts::POSITION.id(), facts::NOW.id()];
const STARTS: [Fact<Cash>; 2] = [facts::DAY_START, facts::WEEK_START];
const DAY: i64 = units::Duration::DAY.nanos();

/// Which day since 1970, or which week from a Monday.
fn begin_of(period: usize, now: Timestamp) -> Timestamp {
    const LENGTHS: [i64; 2] = [DAY, 7 * DAY];
    const SHIFTS: [i64; 2] = [0, 4 * DAY];
    let shift = units::Duration::from_nanos(SHIFTS[period]);
    (now - shift).floor(units::Duration::from_nanos(LENGTHS[period])) + shift
}

impl LossLimit {
    pub(crate) fn new(limits: [Option<Ratio>; 2], on_loss: OnLoss) -> Self {
        Self { limits, on_loss, breached: [None; 2], since: [Timestamp::MIN; 2] }
    }
}

impl Rule for LossLimit {
    fn name(&self) -> &'static str {
        "loss_cap"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn observe(&mut self, facts: &Facts) {
        let Some(equity) = facts.get(facts::EQUITY) else { return };
        for (period, fact) in STARTS.into_iter().enumerate() {
            let begin = begin_of(period, facts.now());
            if begin != self.since[period] {
                (self.since[period], self.breached[period]) = (begin, None);
            }
            let (Some(limit), Some(start)) = (self.limits[period], facts.get(fact)) else { continue };
            let lost = (start - equity).approximate();
            if lost > 0.0 && is_reached(lost, limit.get() * start.approximate()) {
                self.breached[period] = Some(start);
            }
        }
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let Some(period) = (0..2).rev().find(|period| self.breached[*period].is_some()) else {
            return Verdict::keep(proposed);
        };
        let limit = self.limits[period].map_or(0.0, Ratio::get);
        let result = self.breached[period].zip(facts.get(facts::EQUITY)).map_or(Cash::ZERO, |(start, now)| now - start);
        // One sentence, of a gain as well: what was lost may be won back before the period ends, and that is no other decision.
        let sentence = match (period, self.on_loss) {
            (0, OnLoss::NoIncrease) => "loss limit of {} reached today, result now {}: no increase before the day ends",
            (0, OnLoss::Flat) => "loss limit of {} reached today, result now {}: flat until the day ends",
            (_, OnLoss::NoIncrease) => {
                "loss limit of {} reached this week, result now {}: no increase before the week ends"
            }
            (_, OnLoss::Flat) => "loss limit of {} reached this week, result now {}: flat until the week ends",
        };
        let numbers = [Arg::Percent(limit), Arg::Cash(result)];
        if let Some(add) = because.add() {
            because.refused_add(add, sentence, numbers);
            because.set_add(None);
        }
        let held = position(facts);
        let increases = proposed.qty.abs() > held.abs()
            || (!held.is_zero() && !proposed.qty.is_zero() && !same_side(proposed.qty, held));
        match self.on_loss {
            OnLoss::Flat if !proposed.qty.is_zero() => {
                because.say(sentence, numbers);
                Verdict::cut(Target { qty: Qty::ZERO, ..proposed })
            }
            OnLoss::NoIncrease if increases => {
                because.say(sentence, numbers);
                let kept = if same_side(proposed.qty, held) { held } else { Qty::ZERO };
                Verdict::refuse(Target { qty: kept, ..proposed })
            }
            _ => Verdict::keep(proposed),
        }
    }

    /// Until the day ends, while equity stays over where a limit that is not breached would be.
    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        let Some(equity) = facts.get(facts::EQUITY) else { return false };
        let day = begin_of(0, facts.now());
        if self.since != [day, begin_of(1, facts.now())] {
            return false;
        }
        let mut low = i128::MIN;
        for (period, fact) in STARTS.into_iter().enumerate() {
            let Some(limit) = self.limits[period] else { continue };
            let Some(start) = facts.get(fact) else { return false };
            if self.breached[period] != Some(start) {
                let lost = turn(limit.get() * start.approximate_raw());
                // A little inside: what is lost is compared in doubles.
                let slack = 2.0 + start.abs().approximate_raw() * 1e-12;
                low = low.max(start.raw().saturating_sub((lost.max(0.0) - slack) as i128));
            }
        }
        region.within(facts::NOW.id(), i128::from(day.nanos()) - 1, i128::from((day + units::Duration::DAY).nanos()));
        region.within(facts::EQUITY.id(), low, i128::MAX);
        equity.raw() > low
    }

    fn save(&self, out: &mut StateWriter) {
        for (since, breached) in self.since.iter().zip(self.breached) {
            out.i64(since.nanos());
            out.option(breached, |out, start| out.i128(start.raw()));
        }
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        for period in 0..2 {
            self.since[period] = Timestamp::from_nanos(from.i64()?);
            self.breached[period] = from.option(StateReader::i128)?.map(Cash::from_raw);
        }
        Ok(())
    }
}
