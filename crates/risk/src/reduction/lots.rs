//! From shares to orders: rounded up, repaired, given back, exchanged; every place that is considered is evaluated in full.

use super::Position;
use super::book::{Place, Task};

/// A figure that is over its target by rounding alone keeps it: so much of its size.
const ROUNDING: f64 = 1e-9;

/// Which amounts of a position can be given up: nothing, so many lots from the smallest order on, or all.
#[derive(Debug, Clone, Copy, Default)]
struct Steps {
    first: f64,
    between: f64,
}

impl Steps {
    fn of(one: &Position) -> Self {
        let first = (one.fewest / one.lot - ROUNDING).ceil().max(1.0);
        // Something is left, and no less than the smallest order.
        let last = ((one.held - one.fewest) / one.lot + ROUNDING).floor();
        let last = if one.held - last * one.lot <= ROUNDING * one.lot { last - 1.0 } else { last };
        Self { first, between: (last - first + 1.0).max(0.0) }
    }

    /// How many there are behind nothing; the last is all.
    fn count(&self) -> f64 {
        self.between + 1.0
    }

    fn share(&self, one: &Position, step: f64) -> f64 {
        if step <= 0.0 {
            0.0
        } else if step > self.between {
            1.0
        } else {
            (self.first + step - 1.0) * one.lot / one.held
        }
    }

    /// The first that is no less than a share.
    fn up(&self, one: &Position, share: f64) -> f64 {
        let lots = share * one.held / one.lot;
        if lots <= 1e-6 {
            return 0.0;
        }
        (lots - 1e-6 - self.first + 1.0).ceil().clamp(1.0, self.count())
    }
}

/// The search over steps. Memory is used again.
#[derive(Debug, Clone, Default)]
pub(super) struct Lots {
    steps: Vec<Steps>,
    /// Which step each position is at.
    at: Vec<f64>,
    best: Vec<f64>,
    order: Vec<usize>,
    shares: Vec<f64>,
    spare: usize,
    /// Of each limit that is convex: its value at the place, less its target, and its reliefs there. Made when first asked.
    excess: Vec<f64>,
    reliefs: Vec<f64>,
    relief: Vec<f64>,
    is_cut: bool,
}

/// What the search keeps to.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) targets: &'a [f64],
    pub(super) scales: &'a [f64],
    /// Shares that keep every target, if all given up does.
    pub(super) is_flat_inside: bool,
    /// What is worth giving up, for a unit of money: one a position.
    pub(super) worths: &'a [f64],
    /// How many places may be looked at to exchange lots.
    pub(super) exchanges: usize,
}

impl Lots {
    /// From the shares of the plan without lots to those of orders, where `place` is left. Whether every target is kept there.
    pub(super) fn round(&mut self, task: &Task, place: &mut Place, bounds: Bounds, shares: &[f64]) -> bool {
        let positions = task.positions;
        self.steps.clear();
        self.steps.extend(positions.iter().map(Steps::of));
        self.at.clear();
        self.at.extend(
            positions.iter().zip(shares).zip(&self.steps).map(
                |((one, share), steps)| {
                    if one.held > 0.0 { steps.up(one, *share) } else { 0.0 }
                },
            ),
        );
        self.go(task, place);
        let mut is_kept = self.over(task, place, &bounds, &[]) <= 0.0 || self.repair(task, place, &bounds);
        if !is_kept && bounds.is_flat_inside {
            is_kept = self.toward_flat(task, place, &bounds, shares);
        }
        if is_kept {
            self.order.clear();
            self.order.extend((0..positions.len()).filter(|at| positions[*at].held > 0.0));
            let worths = bounds.worths;
            self.order.sort_unstable_by(|one, other| worths[*one].total_cmp(&worths[*other]).then(one.cmp(other)));
            self.give_back(task, place, &bounds);
            self.spare = bounds.exchanges;
            self.exchange(task, place, &bounds);
        }
        // Sums that were changed step by step are made anew.
        self.go(task, place);
        is_kept
    }

    fn go(&mut self, task: &Task, place: &mut Place) {
        let mut shares = std::mem::take(&mut self.shares);
        shares.clear();
        shares.extend((0..self.at.len()).map(|at| self.share(task, at, self.at[at])));
        task.go(place, &shares);
        self.shares = shares;
        self.is_cut = false;
    }

    fn share(&self, task: &Task, position: usize, step: f64) -> f64 {
        self.steps[position].share(&task.positions[position], step)
    }

    fn cost(&self, task: &Task, position: usize, step: f64) -> f64 {
        let one = &task.positions[position];
        one.cost.of(one.held * self.share(task, position, step))
    }

    /// By how much targets are missed beside the place, all together, in the units of the limits.
    fn over(&mut self, task: &Task, place: &mut Place, bounds: &Bounds, changes: &[(usize, f64)]) -> f64 {
        let mut sum = 0.0;
        for limit in 0..bounds.targets.len() {
            let value = task.value_beside(place, limit, changes);
            let over = (value - bounds.targets[limit]) / bounds.scales[limit];
            // What is no number keeps nothing.
            if over.is_nan() {
                return f64::INFINITY;
            }
            if over > ROUNDING {
                sum += over;
            }
        }
        sum
    }

    fn is_kept(&mut self, task: &Task, place: &mut Place, bounds: &Bounds, changes: &[(usize, f64)]) -> bool {
        // A straight line that is never over the figure is over the target already.
        self.cut(task, place, bounds);
        let count = self.at.len();
        for limit in 0..bounds.targets.len() {
            let falls = |(at, share): &(usize, f64)| self.reliefs[limit * count + at] * (share - place.given[*at]);
            let least = self.excess[limit] - changes.iter().map(falls).sum::<f64>();
            if least > 2.0 * ROUNDING * bounds.scales[limit] {
                return false;
            }
        }
        (0..bounds.targets.len()).all(|limit| {
            let value = task.value_beside(place, limit, changes);
            (value - bounds.targets[limit]) / bounds.scales[limit] <= ROUNDING
        })
    }

    fn cut(&mut self, task: &Task, place: &mut Place, bounds: &Bounds) {
        if self.is_cut {
            return;
        }
        self.is_cut = true;
        self.excess.clear();
        self.reliefs.clear();
        for (limit, target) in bounds.targets.iter().enumerate() {
            if task.is_convex(limit) {
                self.excess.push(task.value(place, limit) - target);
                task.reliefs(place, limit, &mut self.relief);
                self.reliefs.extend_from_slice(&self.relief);
            } else {
                self.excess.push(f64::NEG_INFINITY);
                self.reliefs.resize(self.reliefs.len() + self.at.len(), 0.0);
            }
        }
    }

    fn set(&mut self, task: &Task, place: &mut Place, position: usize, step: f64) {
        let share = self.share(task, position, step);
        self.at[position] = step;
        self.is_cut = false;
        task.change(place, &[(position, share)]);
    }

    /// Step by step what brings the most for its cost, until targets are kept; `false` where nothing helps any more.
    fn repair(&mut self, task: &Task, place: &mut Place, bounds: &Bounds) -> bool {
        let mut over = self.over(task, place, bounds, &[]);
        for round in 0..64 {
            let width = f64::from(1_u32 << (round / 4).min(20));
            let mut best: Option<(f64, usize, f64, f64)> = None;
            for position in 0..self.at.len() {
                if task.positions[position].held <= 0.0 {
                    continue;
                }
                let (here, count) = (self.at[position], self.steps[position].count());
                for step in [(here + width).min(count), (here - 1.0).max(0.0)] {
                    if step == here {
                        continue;
                    }
                    let share = self.share(task, position, step);
                    let there = self.over(task, place, bounds, &[(position, share)]);
                    let more = self.cost(task, position, step) - self.cost(task, position, here);
                    // What helps and saves comes first.
                    let score = (over - there) / more.max(1e-12 * self.cost(task, position, count) + 1e-300);
                    if there < over && best.is_none_or(|(most, ..)| score > most) {
                        best = Some((score, position, step, there));
                    }
                }
            }
            let Some((_, position, step, there)) = best else { return false };
            self.set(task, place, position, step);
            over = there;
            if over <= 0.0 {
                return true;
            }
        }
        false
    }

    /// From the shares straight towards giving up everything, as far as needed.
    fn toward_flat(&mut self, task: &Task, place: &mut Place, bounds: &Bounds, shares: &[f64]) -> bool {
        let (mut low, mut high) = (0.0, 1.0);
        for round in 0..12 {
            let mix = if round == 0 { 1.0 } else { (low + high) / 2.0 };
            for (position, share) in shares.iter().enumerate() {
                let one = &task.positions[position];
                let share = share + mix * (1.0 - share);
                self.at[position] = if one.held > 0.0 { self.steps[position].up(one, share) } else { 0.0 };
            }
            self.go(task, place);
            if self.over(task, place, bounds, &[]) <= 0.0 {
                self.best.clone_from(&self.at);
                high = mix;
            } else if round == 0 {
                return false;
            } else {
                low = mix;
            }
        }
        self.at.clone_from(&self.best);
        self.go(task, place);
        true
    }

    /// Gives back what is not needed, the least worth its cost first.
    fn give_back(&mut self, task: &Task, place: &mut Place, bounds: &Bounds) {
        for _ in 0..2 {
            let mut is_changed = false;
            for number in 0..self.order.len() {
                let position = self.order[number];
                let step = self.least(task, place, bounds, position);
                if step < self.at[position] {
                    self.set(task, place, position, step);
                    is_changed = true;
                }
            }
            if !is_changed {
                break;
            }
        }
    }

    /// The least step of a position that keeps the targets while the others stay.
    fn least(&mut self, task: &Task, place: &mut Place, bounds: &Bounds, position: usize) -> f64 {
        let (mut low, mut high) = (0.0, self.at[position]);
        let mut next = high - 1.0;
        while low < high {
            let share = self.share(task, position, next);
            if self.is_kept(task, place, bounds, &[(position, share)]) {
                high = next;
                next = if high == self.at[position] - 1.0 { low } else { ((low + high) / 2.0).floor() };
            } else if high == self.at[position] {
                break;
            } else {
                low = next + 1.0;
                next = ((low + high) / 2.0).floor();
            }
        }
        high
    }

    /// A lot more of one, and what that lets others keep: done where it saves.
    fn exchange(&mut self, task: &Task, place: &mut Place, bounds: &Bounds) {
        let mut is_changed = true;
        while is_changed && self.spare > 0 {
            is_changed = false;
            for number in (0..self.order.len()).rev() {
                let position = self.order[number];
                let here = self.at[position];
                if here >= self.steps[position].count() {
                    continue;
                }
                let share = self.share(task, position, here + 1.0);
                let more = self.cost(task, position, here + 1.0) - self.cost(task, position, here);
                // One that another lot would break something of is not tried.
                if let Some((other, step)) = self.partner(task, place, bounds, (position, share), more) {
                    self.set(task, place, position, here + 1.0);
                    self.set(task, place, other, step);
                    self.give_back(task, place, bounds);
                    is_changed = true;
                }
                if self.spare == 0 {
                    return;
                }
            }
        }
    }

    /// Who gives back the most when one takes a lot more: over `more`.
    fn partner(
        &mut self,
        task: &Task,
        place: &mut Place,
        bounds: &Bounds,
        taken: (usize, f64),
        more: f64,
    ) -> Option<(usize, f64)> {
        let mut best: Option<(f64, usize, f64)> = None;
        for number in 0..self.order.len() {
            let other = self.order[number];
            let here = self.at[other];
            if other == taken.0 || here <= 0.0 {
                continue;
            }
            // So many steps back that it pays; then ever more.
            let whole = self.cost(task, other, here);
            let mut back = 1.0_f64;
            while back <= here && whole - self.cost(task, other, here - back) <= more * (1.0 + 1e-12) {
                back = if back < here { (2.0 * back).min(here) } else { here + 1.0 };
            }
            while back <= here && self.spare > 0 {
                self.spare -= 1;
                let share = self.share(task, other, here - back);
                if !self.is_kept(task, place, bounds, &[taken, (other, share)]) {
                    break;
                }
                let saved = whole - self.cost(task, other, here - back);
                if best.is_none_or(|(most, ..)| saved > most) {
                    best = Some((saved, other, here - back));
                }
                back = if back < here { (2.0 * back).min(here) } else { here + 1.0 };
            }
        }
        best.map(|(_, other, step)| (other, step))
    }
}
