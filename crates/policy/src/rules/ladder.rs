//! Scaling out in rungs.

use super::signal::is_flat;
use super::{away, dust_at, position};
use crate::Region;
use crate::expression::Condition;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Exit, Rule, Step, Target, Verdict};
use crate::spec::{FractionOf, Ladder, OrderSize, Resize, RungAt, Trigger};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Price, Qty, Round};

/// Leaves each unused rung resting as a reduce-only limit order, or watches it. A used rung is never armed again.
pub(crate) struct LadderRule {
    ladder: Ladder,
    resize: Resize,
    /// The policy's own smallest order.
    min_order: Option<Qty>,
    dust: Option<OrderSize>,
    /// Some rung is watched.
    watches: bool,
    /// Those of the ladder, compiled.
    conditions: Vec<Condition>,
    reads: Vec<FactId>,
    /// One bit per watched rung that was reached: it is taken, whatever the market does then.
    reached: u32,
}

const READS: &[FactId] = &[
    facts::POSITION.id(),
    facts::ENTRY.id(),
    facts::INITIAL_STOP.id(),
    facts::CAMPAIGN_UNIT.id(),
    facts::AVERAGE.id(),
    facts::PAID.id(),
    facts::EXPOSURE_PRICE.id(),
    facts::RUNGS_USED.id(),
    facts::FIRST.id(),
    facts::PEAK.id(),
    facts::LOT.id(),
    facts::TICK.id(),
    facts::MIN_QTY.id(),
    facts::CONTRACT.id(),
    facts::PRICE.id(),
    facts::OPENED.id(),
    facts::VOLATILITY.id(),
    facts::DUST.id(),
    facts::HIGH.id(),
    facts::LOW.id(),
];
/// What it reads of a campaign that is open: all but the position.
const READS_RESTING_WHEN_HELD: &[FactId] = READS.split_at(1).1;
/// What a ladder that only rests reads: all but the last two.
const READS_RESTING: usize = READS.len() - 2;

/// Of a rung whose condition holds.
const CONDITION: &str = "rung {}: its condition holds, {} go out";

impl Rule for LadderRule {
    fn name(&self) -> &'static str {
        "ladder"
    }

    fn reads(&self) -> &[FactId] {
        &self.reads
    }

    fn observe(&mut self, facts: &Facts) {
        if !self.watches {
            return;
        }
        let held = position(facts);
        if held.is_zero() {
            self.reached = 0;
            return;
        }
        let best = facts.get(if held.signum() > 0 { facts::HIGH } else { facts::LOW });
        for (index, rung) in self.ladder.rungs.iter().enumerate() {
            if self.reached & (1 << index) == 0 && self.is_watched(rung.at) {
                self.reached |= u32::from(self.is_reached(facts, held, rung.at, best)) << index;
            }
        }
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let held = position(facts);
        if is_flat(&proposed) || held.is_zero() {
            return Verdict::keep(proposed);
        }
        let used = facts.get(facts::RUNGS_USED).unwrap_or(0);
        let takes = self.rest_unused(facts, held, used, because).unwrap_or(false);
        if used == 0 || self.resize == Resize::Entry || because.holds() {
            return Verdict::keep(proposed);
        }
        let remaining = self.remaining(used);
        if !takes {
            because
                .say("{} of the size is left after {} rungs", [Arg::Percent(remaining), Arg::Count(used.count_ones())]);
        }
        let qty = proposed.qty.scaled(remaining, Round::TowardZero).unwrap_or_default();
        Verdict::set(Target { qty, ..proposed })
    }

    /// The comparisons of a rung's condition, while it still holds.
    fn detail(&self, facts: &Facts, step: &Step, out: &mut String) {
        let Arg::Count(number) = step.reason.args[0] else { return };
        let rung = self.ladder.rungs.get(number as usize - usize::from(number > 0));
        if let (Some(RungAt::When(condition)), true) = (rung.map(|rung| rung.at), step.reason.template == CONDITION)
            && let Some(condition) = self.conditions.get(usize::from(condition))
            && condition.holds(facts) == Some(true)
        {
            condition.tell(facts, out);
        }
    }

    fn quiet(&self, facts: &Facts, proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        if self.watches {
            return false;
        }
        if is_flat(&proposed) || position(facts).is_zero() {
            region.free(READS_RESTING_WHEN_HELD);
        }
        // Only what is watched looks at them.
        region.free(&[facts::PRICE.id(), facts::VOLATILITY.id()]);
        true
    }

    fn save(&self, out: &mut StateWriter) {
        out.u32(self.reached);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.reached = from.u32()?;
        Ok(())
    }
}

/// Quantities that rungs share.
struct Shares {
    /// What is still held after the rungs so far.
    left: Qty,
    /// What they must leave.
    runner: Qty,
}

impl LadderRule {
    pub(crate) fn new(
        ladder: Ladder,
        conditions: Vec<Condition>,
        resize: Resize,
        min_order: Option<Qty>,
        dust: Option<OrderSize>,
    ) -> Self {
        let is_synthetic = ladder.trigger == Trigger::Synthetic;
        let watches = is_synthetic || ladder.rungs.iter().any(|rung| rung.at.is_watched());
        let own = if watches { READS } else { &READS[..READS_RESTING] };
        let asked = conditions.iter().flat_map(|condition| condition.reads()).filter(|fact| !own.contains(fact));
        let reads = own.iter().chain(asked).copied().collect();
        Self { ladder, resize, min_order, dust, watches, conditions, reads, reached: 0 }
    }

    fn is_watched(&self, at: RungAt) -> bool {
        self.ladder.trigger == Trigger::Synthetic || at.is_watched()
    }

    fn is_reached(&self, facts: &Facts, held: Qty, at: RungAt, best: Option<Price>) -> bool {
        let reached = match at {
            RungAt::Time(span) => facts.get(facts::OPENED).map(|opened| facts.now().since(opened) >= span),
            RungAt::Volatility(level) => facts.get(facts::VOLATILITY).map(|vol| vol.get() >= level.get()),
            RungAt::When(at) => self.conditions.get(usize::from(at)).and_then(|condition| condition.holds(facts)),
            _ => best.zip(self.price(facts, held, at)).map(|(best, price)| match held.signum() > 0 {
                true => best >= price,
                false => best <= price,
            }),
        };
        reached.unwrap_or(false)
    }

    /// The share of the size that used rungs leave.
    fn remaining(&self, used: u32) -> f64 {
        let taken = self.ladder.rungs.iter().enumerate().filter(|(index, _)| used & (1 << index) != 0);
        let left = match self.ladder.of {
            FractionOf::Current => taken.map(|(_, rung)| 1.0 - rung.fraction).product(),
            FractionOf::First | FractionOf::Peak => 1.0 - taken.map(|(_, rung)| rung.fraction).sum::<f64>(),
        };
        f64::max(left, self.ladder.runner)
    }

    /// Leaves unused rungs resting or watched, and takes those that were reached. Whether any is taken now.
    fn rest_unused(&self, facts: &Facts, held: Qty, used: u32, because: &mut Because) -> Option<bool> {
        let (lot, peak) = (facts.get(facts::LOT)?, facts.get(facts::PEAK)?.abs());
        let runner = match self.ladder.runner {
            0.0 => Qty::ZERO,
            runner => peak.scaled(runner, Round::AwayFromZero)?.to_lot(lot, Round::AwayFromZero),
        };
        let mut shares = Shares { left: held.abs(), runner };
        let reached = self.reached & !used;
        let rungs = || self.ladder.rungs.iter().enumerate();
        // What was reached goes first; a rung without a price takes nothing before it is.
        for (index, rung) in rungs().filter(|(index, _)| reached & (1 << index) != 0) {
            let price = facts.get(facts::PRICE)?;
            if let Some(qty) = self.part(facts, &mut shares, rung.fraction, price) {
                let number = Arg::Count(index as u32 + 1);
                match rung.at {
                    RungAt::Time(span) => {
                        because.say("rung {} after {}: {} go out", [number, Arg::Duration(span), Arg::Qty(qty)]);
                    }
                    RungAt::Volatility(level) => {
                        let numbers = [number, Arg::Percent(level.get()), Arg::Qty(qty)];
                        because.say("rung {} at a volatility of {}: {} go out", numbers);
                    }
                    RungAt::When(_) => because.say(CONDITION, [number, Arg::Qty(qty)]),
                    at => {
                        let price = self.price(facts, held, at).map_or(Arg::None, Arg::Price);
                        because.say("rung {} at {} crossed: {} go out", [number, price, Arg::Qty(qty)]);
                    }
                }
                because.rest(Exit::Take { index: index as u8, qty });
            }
        }
        let mut nearest: Option<(u32, Price)> = None;
        for (index, rung) in rungs().filter(|(index, _)| (used | reached) & (1 << index) == 0) {
            let Some(price) = self.price(facts, held, rung.at) else { continue };
            let Some(qty) = self.part(facts, &mut shares, rung.fraction, price) else { continue };
            nearest = nearest.or(Some((index as u32 + 1, price)));
            let index = index as u8;
            because.rest(match self.ladder.trigger {
                Trigger::Resting => Exit::Rung { index, price, qty },
                Trigger::Synthetic => Exit::WatchedRung { index, price, qty },
            });
        }
        if let (Some((rung, price)), 0) = (nearest, reached) {
            let sentence = match self.ladder.trigger {
                Trigger::Resting => "{} rungs used, rung {} rests at {}",
                Trigger::Synthetic => "{} rungs used, rung {} is watched at {}",
            };
            because.say(sentence, [Arg::Count(used.count_ones()), Arg::Count(rung), Arg::Price(price)]);
        }
        Some(reached != 0)
    }

    /// What a rung takes at a price, if anything: its fraction in lots and at least the smallest order, but not the runner. What
    /// would leave less than the smallest order, or dust, takes all.
    fn part(&self, facts: &Facts, shares: &mut Shares, fraction: f64, price: Price) -> Option<Qty> {
        let (lot, least) = (facts.get(facts::LOT)?, facts.get(facts::MIN_QTY)?);
        let least = least.max(self.min_order.unwrap_or_default());
        let whole = match self.ladder.of {
            FractionOf::First => facts.get(facts::FIRST)?.abs(),
            FractionOf::Peak => facts.get(facts::PEAK)?.abs(),
            FractionOf::Current => shares.left,
        };
        let part = whole.scaled(fraction, Round::AwayFromZero)?.to_lot(lot, Round::AwayFromZero).max(least);
        let free = Qty::from_raw((shares.left.raw() - shares.runner.raw()).max(0));
        let mut qty = part.min(free);
        if qty.is_zero() {
            return None;
        }
        let left = shares.left - qty;
        if left < least.max(dust_at(facts, self.dust, price)) {
            qty = shares.left;
        } else if qty < least {
            return None;
        }
        shares.left -= qty;
        Some(qty)
    }

    /// Where a rung is, if it is at a price: in favour of the entry, rounded to the tick that is farther.
    fn price(&self, facts: &Facts, held: Qty, at: RungAt) -> Option<Price> {
        let entry = facts.get(facts::ENTRY)?;
        let price = match at {
            RungAt::R(r) => {
                let each = (entry - facts.get(facts::INITIAL_STOP)?).abs().approximate();
                away(entry, r.get() * each, held, true)?
            }
            RungAt::N(n) => away(entry, n.get() * facts.get(facts::CAMPAIGN_UNIT)?.approximate(), held, true)?,
            RungAt::Profit(share) => {
                let average = facts.get(facts::AVERAGE)?;
                away(average, share.get() * facts::paid(facts)?.approximate(), held, true)?
            }
            RungAt::Price(price) => {
                Some(price).filter(|price| if held.signum() > 0 { *price > entry } else { *price < entry })?
            }
            RungAt::Time(_) | RungAt::Volatility(_) | RungAt::When(_) => return None,
        };
        let round = if held.signum() > 0 { Round::AwayFromZero } else { Round::TowardZero };
        Some(price.to_tick(facts.get(facts::TICK)?, round)).filter(|price| price.raw() > 0)
    }
}

#[cfg(test)]
mod tests {
    use crate::facts::{self, FactId};
    use crate::{Program, parse};
    use std::collections::BTreeSet;

    /// What all rules of a policy read, with a ladder and a stop of one trigger.
    fn reads(trigger: &str) -> BTreeSet<FactId> {
        let text = format!(
            "policy = 1\nname = \"p\"\ninstrument = \"sim:A\"\n[signal]\nkind = \"donchian\"\nbar = \"1h\"\nentry = 8\nexit = 4\n\
             [unit]\nn = \"atr(8, 1h)\"\n[size]\nkind = \"fixed_fraction\"\nfraction = 0.5\n\
             [stop]\ninitial = \"2N\"\ntrigger = \"{trigger}\"\n[ladder]\nat = [\"2R\"]\nfractions = [0.5]\ntrigger = \"{trigger}\"\n"
        );
        let parsed = parse(&text);
        let policy = parsed.policy.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics));
        let program = Program::compile(&policy, "sim:A", &|_| None).unwrap();
        program.rules.iter().flat_map(|rule| rule.reads().iter().copied()).collect()
    }

    /// Extremes of an input change with every input: whoever reads them without need is evaluated on every input.
    #[test]
    fn only_what_is_watched_reads_the_extremes_of_an_input() {
        let extremes = [facts::HIGH.id(), facts::LOW.id()];
        let (resting, watched) = (reads("resting"), reads("synthetic"));
        assert!(extremes.iter().all(|fact| watched.contains(fact) && !resting.contains(fact)));
        assert_eq!(watched.difference(&resting).count(), extremes.len(), "all else is read by both");
    }
}
