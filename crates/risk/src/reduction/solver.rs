//! From a question to a plan.

use super::book::{Place, Task};
use super::lots::{Bounds, Lots};
use super::relaxed::{Aim, Relaxed, spent};
use super::{Cut, Figure, Level, Limit, Outcome, Plan, Position, ReductionError, Sample};
use crate::tail::Tail;

/// Finds reductions, in memory that is used again: after the first question of a size nothing more is asked for.
#[derive(Debug, Clone, Default)]
pub struct Solver {
    place: Place,
    relaxed: Relaxed,
    lots: Lots,
    tail: Tail,
    none: Vec<f64>,
    inside: Vec<f64>,
    shares: Vec<f64>,
    targets: Vec<f64>,
    convex: Vec<f64>,
    scales: Vec<f64>,
    misses: Vec<f64>,
    reliefs: Vec<f64>,
    worths: Vec<f64>,
    plan: Plan,
}

/// Of the cost: how exact the plan without lots is.
const EXACT: f64 = 2e-7;

impl Solver {
    /// Without memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What to give up so that every breached limit is at its restore level, at the least cost, and no other limit is the worse for it.
    ///
    /// # Errors
    ///
    /// Numbers that are none, restore levels over their limits, tails of too few scenarios, lists of the wrong length.
    pub fn solve(
        &mut self,
        positions: &[Position],
        samples: &[Sample],
        limits: &[Limit],
    ) -> Result<&Plan, ReductionError> {
        let task = Task { positions, samples, limits };
        task.check()?;
        self.relaxed.begin(&task);
        self.none.clear();
        self.none.resize(positions.len(), 0.0);
        self.begin_plan(&task)?;
        if !self.plan.levels.iter().any(|level| level.breached) {
            self.keep_all(&task);
            return Ok(&self.plan);
        }
        self.aim();
        let is_flat_inside = self.find_inside(&task);
        self.plan.of_all_alike = if is_flat_inside { Some(self.all_alike(&task)) } else { None };
        self.least_cost(&task, is_flat_inside);
        self.weigh(&task);
        let shares = std::mem::take(&mut self.shares);
        let bounds = Bounds {
            targets: &self.targets,
            scales: &self.scales,
            is_flat_inside,
            worths: &self.worths,
            exchanges: 4 * positions.len(),
        };
        self.lots.round(&task, &mut self.place, bounds, &shares);
        self.shares = shares;
        self.end_plan(&task)?;
        Ok(&self.plan)
    }

    /// Every figure of the book as it is.
    fn begin_plan(&mut self, task: &Task) -> Result<(), ReductionError> {
        let plan = &mut self.plan;
        plan.levels.clear();
        plan.cuts.clear();
        (plan.cost, plan.bound, plan.without_lots) = (0.0, 0.0, 0.0);
        (plan.of_all_alike, plan.leading, plan.rounds) = (None, None, 0);
        task.go(&mut self.place, &self.none);
        for (number, limit) in task.limits.iter().enumerate() {
            let before = task.verified(&self.place, &mut self.tail, number)?;
            if !before.is_finite() {
                return Err(ReductionError::Limit { limit: number, name: "the figure", value: before });
            }
            let breached = before > limit.limit;
            let target = if breached { limit.restore } else { limit.restore.max(before) };
            plan.levels.push(Level { before, after: before, target, breached, missed: 0.0, price: 0.0 });
        }
        Ok(())
    }

    fn keep_all(&mut self, task: &Task) {
        self.plan.outcome = Outcome::Within;
        self.plan.cuts.extend(task.positions.iter().map(|one| Cut { kept: one.held, ..Cut::default() }));
    }

    fn aim(&mut self) {
        self.targets.clear();
        self.targets.extend(self.plan.levels.iter().map(|level| level.target));
        self.scales.clear();
        self.scales.extend(self.plan.levels.iter().map(|level| {
            let size = level.before.abs().max(level.target.abs());
            if size > 0.0 { size } else { 1.0 }
        }));
    }

    /// Targets of what is convex; the others are not looked at.
    fn aim_convex(&mut self, task: &Task) {
        self.convex.clear();
        let own = |(limit, target): (usize, &f64)| if task.is_convex(limit) { *target } else { f64::INFINITY };
        self.convex.extend(self.targets.iter().enumerate().map(own));
    }

    /// Shares that keep the targets: all given up, or what misses them least, and then targets are what can be reached.
    fn find_inside(&mut self, task: &Task) -> bool {
        self.inside.clear();
        self.inside.resize(task.positions.len(), 1.0);
        task.go(&mut self.place, &self.inside);
        let is_kept = |(limit, target): (usize, &f64)| task.value(&mut self.place, limit) <= *target;
        if self.targets.iter().enumerate().all(is_kept) {
            return true;
        }
        self.aim_convex(task);
        self.misses.clear();
        let miss = |level: &Level| if level.breached { 1.2 * (level.before - level.target) } else { 0.0 };
        self.misses.extend(self.plan.levels.iter().map(miss));
        let aim = Aim {
            targets: &self.convex,
            scales: &self.scales,
            inside: &self.none,
            exact: 1e-9,
            misses: Some(&self.misses),
        };
        self.relaxed.least_cost(task, &mut self.place, aim);
        self.inside.clone_from(&self.relaxed.found);
        task.go(&mut self.place, &self.inside);
        for limit in 0..self.targets.len() {
            if self.plan.levels[limit].breached && task.is_convex(limit) {
                let reached = task.value(&mut self.place, limit);
                if reached > self.targets[limit] {
                    // A little more room than there is, so that there is an inside at all.
                    self.targets[limit] = reached + 1e-6 * self.scales[limit];
                }
            }
        }
        false
    }

    /// The cost of giving up the same share of everything.
    fn all_alike(&mut self, task: &Task) -> f64 {
        let mut share = 0.0_f64;
        for limit in 0..self.targets.len() {
            let target = self.targets[limit];
            let level = self.plan.levels[limit];
            let is_all = match task.limits[limit].figure {
                Figure::ExpectedShortfall { sample, .. } | Figure::ValueAtRisk { sample, .. } => {
                    task.samples[sample].rest.is_empty()
                }
                Figure::Linear { rest, .. } => rest == 0.0,
                Figure::Given(_) => false,
            };
            if level.before <= target {
                continue;
            }
            if is_all {
                // What all of a figure belongs to grows with it.
                share = share.max(1.0 - target / level.before);
                continue;
            }
            let (mut low, mut high) = (0.0, 1.0);
            for _ in 0..20 {
                let middle = (low + high) / 2.0;
                self.shares.clear();
                self.shares.resize(task.positions.len(), middle);
                task.go(&mut self.place, &self.shares);
                if task.value(&mut self.place, limit) > target { low = middle } else { high = middle }
            }
            share = share.max(high);
        }
        task.positions.iter().map(|one| one.cost.of(one.held * share.clamp(0.0, 1.0))).sum()
    }

    /// The plan without lots: of what is convex, with its bound; then of the rest, planned through it.
    fn least_cost(&mut self, task: &Task, is_flat_inside: bool) {
        self.aim_convex(task);
        self.go_on(task);
        self.plan.bound = self.relaxed.bound.max(0.0);
        self.plan.without_lots = self.relaxed.cost;
        for (level, price) in self.plan.levels.iter_mut().zip(&self.relaxed.prices) {
            level.price = *price;
        }
        if (0..task.limits.len()).all(|limit| task.is_convex(limit)) {
            return;
        }
        // The cheapest that keeps everything; failing that, the last.
        let mut best = f64::INFINITY;
        let mut last = std::mem::take(&mut self.misses);
        for _ in 0..12 {
            task.go(&mut self.place, &self.relaxed.found);
            let mut is_kept = true;
            let mut is_at_target = true;
            for limit in 0..task.limits.len() {
                if task.is_convex(limit) {
                    continue;
                }
                let (value, target) = (task.value(&mut self.place, limit), self.targets[limit]);
                let over = (value - target) / self.scales[limit];
                is_kept &= over <= 1e-9;
                if let Figure::Given(_) = task.limits[limit].figure {
                    if over > 1e-9 {
                        self.relaxed.bend(task, &mut self.place, limit, value);
                        self.convex[limit] = target;
                        is_at_target = false;
                    }
                    continue;
                }
                // Value at risk through expected shortfall: its target moves until value at risk is where it should be.
                if over.abs() > 1e-4 && (over > 0.0 || self.convex[limit].is_finite()) {
                    let now = if self.convex[limit].is_finite() {
                        self.convex[limit]
                    } else {
                        task.shortfall(&mut self.place, limit)
                    };
                    let ratio = if value > 0.0 && target > 0.0 { (target / value).clamp(0.3, 2.0) } else { 0.5 };
                    self.convex[limit] = now * ratio;
                    is_at_target = false;
                } else if over > 1e-9 {
                    self.convex[limit] -= over * self.scales[limit];
                    is_at_target = false;
                }
            }
            if is_kept && self.relaxed.cost < best {
                best = self.relaxed.cost;
                last.clone_from(&self.relaxed.found);
                self.plan.without_lots = best;
                for (level, price) in self.plan.levels.iter_mut().zip(&self.relaxed.prices) {
                    level.price = *price;
                }
            }
            if is_at_target {
                break;
            }
            self.go_on(task);
        }
        if best.is_finite() {
            self.shares.clone_from(&last);
        } else if is_flat_inside {
            // What lots repair from here.
            self.plan.without_lots = self.relaxed.cost;
        }
        self.misses = last;
    }

    fn go_on(&mut self, task: &Task) {
        let aim = Aim { targets: &self.convex, scales: &self.scales, inside: &self.inside, exact: EXACT, misses: None };
        self.relaxed.least_cost(task, &mut self.place, aim);
        self.shares.clone_from(&self.relaxed.found);
    }

    /// What each position is worth giving up, and which limit leads.
    fn weigh(&mut self, task: &Task) {
        self.worths.clear();
        self.worths.resize(task.positions.len(), 0.0);
        task.go(&mut self.place, &self.shares);
        for limit in 0..task.limits.len() {
            let price = self.plan.levels[limit].price;
            if price > 0.0 {
                task.reliefs(&mut self.place, limit, &mut self.reliefs);
                for (worth, relief) in self.worths.iter_mut().zip(&self.reliefs) {
                    *worth += price * relief;
                }
            }
        }
        for (at, worth) in self.worths.iter_mut().enumerate() {
            let one = &task.positions[at];
            *worth = per_money(one, one.held * self.shares[at], *worth);
        }
        let decided = |limit: &usize| {
            let level = &self.plan.levels[*limit];
            let far = (level.before - level.target) / self.scales[*limit];
            (level.price * (level.before - level.target), far)
        };
        let breached = (0..task.limits.len()).filter(|limit| self.plan.levels[*limit].breached);
        self.plan.leading = breached.max_by(|one, other| {
            let (one, other) = (decided(one), decided(other));
            one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1))
        });
    }

    fn end_plan(&mut self, task: &Task) -> Result<(), ReductionError> {
        let Self { plan, place, .. } = self;
        plan.rounds = self.relaxed.rounds;
        plan.outcome = Outcome::Restored;
        for limit in 0..task.limits.len() {
            let after = task.verified(place, &mut self.tail, limit)?;
            let level = &mut plan.levels[limit];
            level.after = after;
            let over = after - level.target;
            level.missed = if over > 1e-8 * self.scales[limit] { over } else { 0.0 };
            if level.missed > 0.0 {
                plan.outcome = Outcome::Missed;
            }
        }
        for (at, one) in task.positions.iter().enumerate() {
            let amount = one.held * place.given[at];
            let worth = self.worths[at];
            let cost = one.cost.of(amount);
            plan.cuts.push(Cut { amount, kept: one.held - amount, cost, worth, ..Cut::default() });
        }
        plan.cost = spent(task, &place.given);
        // Where lots miss more than parts of them would, nothing was compared.
        plan.bound = plan.bound.min(plan.cost);
        let Some(leading) = plan.leading else { return Ok(()) };
        task.reliefs(place, leading, &mut self.reliefs);
        for (at, one) in task.positions.iter().enumerate() {
            plan.cuts[at].relief_after = per_money(one, plan.cuts[at].amount, self.reliefs[at]);
        }
        let mut first: [Option<usize>; 2] = [None; 2];
        for (at, cut) in plan.cuts.iter().enumerate() {
            let more =
                |other: Option<usize>| other.is_none_or(|other| cut.relief_after > plan.cuts[other].relief_after);
            if cut.kept > 0.0 && cut.relief_after > 0.0 {
                if more(first[0]) {
                    first = [Some(at), first[0]];
                } else if more(first[1]) {
                    first[1] = Some(at);
                }
            }
        }
        task.go(place, &self.none);
        task.reliefs(place, leading, &mut self.reliefs);
        for (at, one) in task.positions.iter().enumerate() {
            let cut = &mut plan.cuts[at];
            cut.relief_before = per_money(one, 0.0, self.reliefs[at]);
            if cut.amount > 0.0 {
                cut.instead = first.into_iter().flatten().find(|other| *other != at);
            }
        }
        Ok(())
    }
}

/// Of the relief of a whole position: of the next unit behind an amount, for a unit of money.
fn per_money(one: &Position, amount: f64, relief: f64) -> f64 {
    if one.held <= 0.0 || relief == 0.0 {
        return 0.0;
    }
    relief / one.held / one.cost.marginal(amount)
}
