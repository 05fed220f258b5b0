//! The least cost without lots: scenarios are gathered until the tails of the answer are among them.

use super::Figure;
use super::book::{Place, Task, beyond};
use super::master::Master;

/// What is gathered, and what was found. Memory is used again.
#[derive(Debug, Clone, Default)]
pub(super) struct Relaxed {
    pub(super) master: Master,
    /// Positions of which something is held, in their order: the variables.
    pub(super) active: Vec<usize>,
    /// The first so many are in use: those behind keep their memory.
    tails: Vec<TailSet>,
    used: usize,
    straight: Vec<usize>,
    /// Rows of given figures at places that were visited: the limit, its target, the value and what is given up there, and the slopes.
    bent: Vec<Bent>,
    slopes: Vec<f64>,
    reliefs: Vec<f64>,
    shares: Vec<f64>,
    mixed: Vec<f64>,
    values: Vec<f64>,
    inner: Vec<f64>,
    /// The shares found, one a position: limits are kept there.
    pub(super) found: Vec<f64>,
    /// What they cost, and what nothing that keeps the limits costs less than.
    pub(super) cost: f64,
    pub(super) bound: f64,
    /// What a unit less of each limit would cost.
    pub(super) prices: Vec<f64>,
    pub(super) rounds: usize,
}

/// The scenarios of a limit of expected shortfall that are looked at.
#[derive(Debug, Clone, Default)]
struct TailSet {
    limit: usize,
    sample: usize,
    beyond: f64,
    kept: Vec<u32>,
    is_kept: Vec<bool>,
}

#[derive(Debug, Clone, Copy)]
struct Bent {
    limit: usize,
    /// The figure where nothing is given up, straight on from the place.
    at_none: f64,
}

/// Where limits must come to, and a place where they do.
#[derive(Clone, Copy)]
pub(super) struct Aim<'a> {
    /// One a limit; infinite: not looked at.
    pub(super) targets: &'a [f64],
    /// How far from them counts, in the unit of each.
    pub(super) scales: &'a [f64],
    /// Shares that keep every target, with room to spare if there are any such.
    pub(super) inside: &'a [f64],
    /// Relative to the cost.
    pub(super) exact: f64,
    /// Instead of the least cost: the least share of `scales` by which targets must be missed. What belongs to a scale of zero is not.
    pub(super) misses: Option<&'a [f64]>,
}

impl Relaxed {
    pub(super) fn begin(&mut self, task: &Task) {
        self.active.clear();
        self.active.extend((0..task.positions.len()).filter(|at| task.positions[*at].held > 0.0));
        self.rounds = 0;
        self.bent.clear();
        self.slopes.clear();
    }

    /// A given figure is taken for straight from here on.
    pub(super) fn bend(&mut self, task: &Task, place: &mut Place, limit: usize, value: f64) {
        let mut reliefs = std::mem::take(&mut self.reliefs);
        task.reliefs(place, limit, &mut reliefs);
        let here: f64 = self.active.iter().map(|at| reliefs[*at] * place.given[*at]).sum();
        self.bent.push(Bent { limit, at_none: value + here });
        self.slopes.extend(self.active.iter().map(|at| reliefs[*at]));
        self.reliefs = reliefs;
    }

    /// The unit of costs.
    fn costs(&mut self, task: &Task, aim: &Aim) -> f64 {
        let count = self.active.len();
        self.master.begin(count + usize::from(aim.misses.is_some()));
        let whole = |at: usize| task.positions[at].cost.of(task.positions[at].held);
        let sum: f64 = self.active.iter().map(|at| whole(*at)).sum();
        let unit = if sum > 0.0 && aim.misses.is_none() { sum / count as f64 } else { 1.0 };
        for (column, at) in self.active.iter().enumerate() {
            let one = &task.positions[*at];
            self.master.inside[column] = aim.inside[*at];
            if aim.misses.is_some() {
                continue;
            }
            // A trifle, so that what costs nothing is not given up for nothing.
            self.master.cost[column] = one.cost.marginal(0.0) * one.held / unit + 1e-10;
            self.master.curve[column] = 2.0 * one.cost.impact * one.held * one.held / unit;
        }
        if aim.misses.is_some() {
            (self.master.cost[count], self.master.inside[count]) = (1.0, 0.9);
        }
        unit
    }

    /// Rows of what is straight, in the units of the limits.
    fn rows(&mut self, task: &Task, aim: &Aim) {
        self.straight.clear();
        for (limit, target) in aim.targets.iter().enumerate() {
            let scale = aim.scales[limit];
            if let (Figure::Linear { weights, rest }, true) = (task.limits[limit].figure, target.is_finite()) {
                let (mut sum, from) = (rest, self.master.rows.len());
                for at in &self.active {
                    let of = weights[*at] * task.positions[*at].held;
                    sum += of;
                    self.master.rows.push(of / scale);
                }
                self.end_row(aim, limit, sum, *target, from);
            }
        }
        let count = self.active.len();
        for number in 0..self.bent.len() {
            let Bent { limit, at_none } = self.bent[number];
            let (scale, from) = (aim.scales[limit], self.master.rows.len());
            self.master
                .rows
                .extend(self.slopes[number * count..(number + 1) * count].iter().map(|slope| slope / scale));
            self.end_row(aim, limit, at_none, aim.targets[limit], from);
        }
    }

    fn end_row(&mut self, aim: &Aim, limit: usize, at_none: f64, target: f64, from: usize) {
        // What nothing can change is verified, not planned.
        if self.master.rows[from..].iter().all(|entry| *entry == 0.0) {
            self.master.rows.truncate(from);
            return;
        }
        if let Some(misses) = aim.misses {
            self.master.rows.push(misses[limit]);
        }
        self.master.need.push((at_none - target) / aim.scales[limit]);
        self.straight.push(limit);
    }

    fn tails(&mut self, task: &Task, place: &mut Place, aim: &Aim) {
        let mut number = 0;
        for (limit, target) in aim.targets.iter().enumerate() {
            let (Figure::ExpectedShortfall { sample, confidence } | Figure::ValueAtRisk { sample, confidence }) =
                task.limits[limit].figure
            else {
                continue;
            };
            if !target.is_finite() {
                continue;
            }
            if self.tails.len() == number {
                self.tails.push(TailSet::default());
            }
            let set = &mut self.tails[number];
            let scenarios = task.samples[sample].scenarios;
            (set.limit, set.sample, set.beyond) = (limit, sample, beyond(scenarios, confidence));
            set.kept.clear();
            set.is_kept.clear();
            set.is_kept.resize(scenarios, false);
            set.gather(place, 2.0);
            number += 1;
        }
        self.used = number;
    }

    fn fill_tails(&mut self, task: &Task, aim: &Aim) {
        self.master.forget();
        for set in &self.tails[..self.used] {
            let sample = &task.samples[set.sample];
            let unit = 1.0 / aim.scales[set.limit];
            for scenario in &set.kept {
                let scenario = *scenario as usize;
                let profit = |at: &usize| sample.profits[at * sample.scenarios + scenario] * unit;
                let rest = sample.rest.get(scenario).map_or(0.0, |rest| rest * unit);
                let loss = -rest - self.active.iter().map(profit).sum::<f64>();
                // One unit of missing takes this much off every loss.
                let missed = aim.misses.map(|misses| -misses[set.limit]);
                self.master.scenario(loss, self.active.iter().map(profit).chain(missed));
            }
            self.master.tail(aim.targets[set.limit] * unit, set.beyond);
        }
    }

    /// The least cost that comes to the targets. `place` is left at the last that was looked at.
    pub(super) fn least_cost(&mut self, task: &Task, place: &mut Place, aim: Aim) {
        let unit = self.costs(task, &aim);
        self.rows(task, &aim);
        self.found.clear();
        self.found.extend_from_slice(aim.inside);
        self.cost = if aim.misses.is_some() { 1.0 } else { spent(task, &self.found) };
        self.bound = 0.0;
        task.go(place, aim.inside);
        self.look(task, place, &aim);
        std::mem::swap(&mut self.inner, &mut self.values);
        // From the book as it is.
        self.shares.clear();
        self.shares.resize(task.positions.len(), 0.0);
        task.go(place, &self.shares);
        self.tails(task, place, &aim);
        // Exact answers to scenarios that are not the last ones are not worth their time.
        let mut exact = 3e-3;
        for _ in 0..60 {
            self.rounds += 1;
            self.fill_tails(task, &aim);
            let bound = self.master.solve(exact) * unit;
            self.bound = self.bound.max(bound);
            self.shares.iter_mut().for_each(|share| *share = 0.0);
            for (column, at) in self.active.iter().enumerate() {
                self.shares[*at] = self.master.x(column).clamp(0.0, 1.0);
            }
            task.go(place, &self.shares);
            if aim.misses.is_some() {
                self.found.clone_from(&self.shares);
                self.cost = self.master.x(self.active.len());
            } else {
                self.look(task, place, &aim);
                self.mix(task, &aim);
            }
            if self.cost - self.bound <= aim.exact * self.cost && aim.misses.is_none() {
                break;
            }
            let mut is_new = false;
            for set in &mut self.tails[..self.used] {
                is_new |= set.gather(place, 1.5);
            }
            if is_new {
                exact = (exact * 0.1).max(0.2 * aim.exact);
            } else if exact <= 0.2 * aim.exact {
                break;
            } else {
                exact = 0.2 * aim.exact;
            }
        }
        self.price(task, &aim, unit);
    }

    /// As far inside as straight lines between the place and the inner one are sure to keep the targets.
    fn mix(&mut self, task: &Task, aim: &Aim) {
        let mut mix = 0.0_f64;
        for limit in 0..aim.targets.len() {
            let over = self.values[limit] - aim.targets[limit];
            // Less is rounding, which where there is no room at all would lead all the way inside.
            if over > 5e-10 * aim.scales[limit] {
                let room = aim.targets[limit] - self.inner[limit];
                mix = mix.max(if room > 0.0 { over / (over + room) } else { 1.0 });
            }
        }
        self.mixed.clear();
        self.mixed.extend(self.shares.iter().zip(aim.inside).map(|(share, inside)| share + mix * (inside - share)));
        let cost = spent(task, &self.mixed);
        if cost < self.cost {
            self.cost = cost;
            std::mem::swap(&mut self.found, &mut self.mixed);
        }
    }

    fn look(&mut self, task: &Task, place: &mut Place, aim: &Aim) {
        self.values.clear();
        for limit in 0..aim.targets.len() {
            self.values.push(if aim.targets[limit].is_finite() { task.shortfall(place, limit) } else { 0.0 });
        }
    }

    fn price(&mut self, task: &Task, aim: &Aim, unit: f64) {
        self.prices.clear();
        self.prices.resize(task.limits.len(), 0.0);
        for (row, limit) in self.straight.iter().enumerate() {
            self.prices[*limit] += self.master.row_price(row) * unit / aim.scales[*limit];
        }
        for (number, set) in self.tails[..self.used].iter().enumerate() {
            self.prices[set.limit] += self.master.tail_price(number) * unit / aim.scales[set.limit];
        }
    }
}

impl TailSet {
    /// Takes in the worst scenarios at a place, so many times as many as are in the tail; whether one was new.
    fn gather(&mut self, place: &mut Place, times: f64) -> bool {
        let before = self.kept.len();
        let (edge, near) = place.edges(self.sample, self.beyond, times);
        let totals = &place.totals[self.sample];
        // What is near the tail is taken in only along with what is in it.
        let is_new = totals.iter().zip(&self.is_kept).any(|(profit, is_kept)| *profit <= edge && !is_kept);
        if is_new {
            for (scenario, profit) in totals.iter().enumerate() {
                if *profit <= near && !self.is_kept[scenario] {
                    self.is_kept[scenario] = true;
                    self.kept.push(scenario as u32);
                }
            }
        }
        self.kept.len() > before
    }
}

/// What shares of all positions cost.
pub(super) fn spent(task: &Task, shares: &[f64]) -> f64 {
    task.positions.iter().zip(shares).map(|(one, share)| one.cost.of(one.held * share)).sum()
}
