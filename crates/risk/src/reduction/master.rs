//! The least cost under limits of expected shortfall, of which the worst scenarios are kept one by one, and under straight rows.
//!
//! min Σ cost x + ½ curve x² over 0 ≤ x ≤ 1, where for each tail b − t − Σ z ÷ n ≥ 0 with z ≥ 0 and z + t − loss(x) ≥ 0 in each of its
//! scenarios (Rockafellar and Uryasev 2000), and A x ≥ need. An interior point method (Mehrotra, "On the Implementation of a Primal-Dual
//! Interior Point Method", SIAM Journal on Optimization 2, 1992); what belongs to a scenario is eliminated by hand, so that the linear
//! systems are as large as positions and tails are many.

use units::math::sqrt;

/// What is above zero, what it is paired with, and the step of both.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    value: f64,
    price: f64,
    value_step: f64,
    price_step: f64,
    /// What their product is to change by.
    change: f64,
}

impl Pair {
    fn new(value: f64, mean: f64) -> Self {
        Self { value, price: mean / value, ..Self::default() }
    }

    fn product(&self) -> f64 {
        self.value * self.price
    }

    /// Price over value.
    fn stiff(&self) -> f64 {
        self.price / self.value
    }

    fn aim(&mut self, mean: f64, corrected: bool) {
        let fix = if corrected { self.value_step * self.price_step } else { 0.0 };
        self.change = mean - self.product() - fix;
    }

    fn follow(&mut self, value_step: f64) {
        self.value_step = value_step;
        self.price_step = (self.change - self.price * value_step) / self.value;
    }

    fn reach(&self, lengths: &mut (f64, f64)) {
        if self.value_step < 0.0 {
            lengths.0 = lengths.0.min(-self.value / self.value_step);
        }
        if self.price_step < 0.0 {
            lengths.1 = lengths.1.min(-self.price / self.price_step);
        }
    }

    fn product_after(&self, (value, price): (f64, f64)) -> f64 {
        (self.value + value * self.value_step) * (self.price + price * self.price_step)
    }

    fn walk(&mut self, (value, price): (f64, f64)) {
        self.value += value * self.value_step;
        self.price += price * self.price_step;
    }
}

/// A limit of expected shortfall.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TailLimit {
    /// What it must come to.
    pub(super) target: f64,
    /// n (1 − confidence).
    pub(super) beyond: f64,
    /// Its scenarios are those up to here, from where those of the tail before it end.
    pub(super) end: usize,
    edge: f64,
    edge_step: f64,
    budget: Pair,
    /// Not yet met: of the budget, of the edge.
    off: f64,
    edge_off: f64,
    sums: Sums,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    stiff: f64,
    share: f64,
    soft: f64,
    moved: f64,
    side: f64,
}

/// A scenario of a tail.
#[derive(Debug, Clone, Copy, Default)]
struct Scenario {
    /// The loss of the book as it is.
    loss: f64,
    /// z with its price, and z + t − loss with its own.
    beyond: Pair,
    under: Pair,
    /// Not yet met, of the row and of the price.
    off: f64,
    price_off: f64,
    /// Of the elimination.
    weight: f64,
    share: f64,
    soft: f64,
    side: f64,
    fixed: f64,
}

/// Tails, rows and variables, and the point reached. Memory is used again.
#[derive(Debug, Clone, Default)]
pub(super) struct Master {
    /// Costs and curvatures of the variables, and where the search begins.
    pub(super) cost: Vec<f64>,
    pub(super) curve: Vec<f64>,
    pub(super) inside: Vec<f64>,
    /// Straight rows, one after the other, and what each must come to.
    pub(super) rows: Vec<f64>,
    pub(super) need: Vec<f64>,
    pub(super) tails: Vec<TailLimit>,
    scenarios: Vec<Scenario>,
    /// By how much the loss of each scenario grows with each variable, one scenario after the other.
    growths: Vec<f64>,
    low: Vec<Pair>,
    high: Vec<Pair>,
    slack: Vec<Pair>,
    slack_off: Vec<f64>,
    dual_off: Vec<f64>,
    matrix: Vec<f64>,
    side: Vec<f64>,
    shares: Vec<f64>,
}

pub(super) fn dot(one: &[f64], other: &[f64]) -> f64 {
    // Four sums at a time, in a shape that does not depend on the machine.
    let mut sums = [0.0; 4];
    let (ones, others) = (one.chunks_exact(4), other.chunks_exact(4));
    let rest: f64 = ones.remainder().iter().zip(others.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in ones.zip(others) {
        for at in 0..4 {
            sums[at] += a[at] * b[at];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

pub(super) fn add_times(into: &mut [f64], list: &[f64], factor: f64) {
    for (sum, value) in into.iter_mut().zip(list) {
        *sum += factor * value;
    }
}

fn fill(list: &mut Vec<f64>, count: usize, value: f64) {
    list.clear();
    list.resize(count, value);
}

impl Master {
    /// Variables without rows and tails.
    pub(super) fn begin(&mut self, count: usize) {
        for list in [&mut self.cost, &mut self.curve, &mut self.inside] {
            fill(list, count, 0.0);
        }
        self.rows.clear();
        self.need.clear();
        self.forget();
    }

    /// Tails are gone, rows stay.
    pub(super) fn forget(&mut self) {
        self.tails.clear();
        self.scenarios.clear();
        self.growths.clear();
    }

    /// A scenario of the tail that is ended next.
    pub(super) fn scenario(&mut self, loss: f64, growths: impl Iterator<Item = f64>) {
        self.scenarios.push(Scenario { loss, ..Scenario::default() });
        self.growths.extend(growths);
    }

    /// A tail of the scenarios since the one before.
    pub(super) fn tail(&mut self, target: f64, beyond: f64) {
        self.tails.push(TailLimit { target, beyond, end: self.scenarios.len(), ..TailLimit::default() });
    }

    fn count(&self) -> usize {
        self.cost.len()
    }

    /// The variables.
    pub(super) fn x(&self, at: usize) -> f64 {
        self.low[at].value
    }

    /// What one unit less of a row's need, and of a tail's target, would save.
    pub(super) fn row_price(&self, row: usize) -> f64 {
        self.slack[row].price
    }

    pub(super) fn tail_price(&self, tail: usize) -> f64 {
        self.tails[tail].budget.price
    }

    /// Cost of the point.
    fn spent(&self) -> f64 {
        (0..self.count()).map(|at| self.x(at) * (self.cost[at] + 0.5 * self.curve[at] * self.x(at))).sum()
    }

    /// What is never more than the least cost: weak duality in closed form, tail by tail and variable by variable.
    fn bound(&mut self) -> f64 {
        let count = self.count();
        let mut slopes = std::mem::take(&mut self.side);
        slopes.clear();
        slopes.extend_from_slice(&self.cost);
        let mut sum = 0.0;
        for (row, pair) in self.slack.iter().enumerate() {
            sum += pair.price * self.need[row];
            add_times(&mut slopes, &self.rows[row * count..(row + 1) * count], -pair.price);
        }
        let mut start = 0;
        for tail in &self.tails {
            let price = tail.budget.price;
            let own = &self.scenarios[start..tail.end];
            // Weights of a mean of losses: none over 1 ÷ n, all together one. What is cut off goes to the others.
            let most = price / tail.beyond;
            let mut all: f64 = own.iter().map(|one| one.under.price).sum();
            let mut cut = all;
            let mut factor = 1.0;
            for _ in 0..20 {
                factor *= price / all.max(1e-300);
                cut = own.iter().map(|one| (one.under.price * factor).min(most)).sum();
                all = cut;
                if (cut / price - 1.0).abs() < 1e-13 {
                    break;
                }
            }
            // What rounding leaves over is shrunk away with the price itself, which any number may be.
            let fair = (cut / price).min(1.0);
            sum -= price * fair * tail.target;
            for (at, one) in own.iter().enumerate() {
                let weight = (one.under.price * factor).min(most) * fair.min(price / cut.max(1e-300));
                sum += weight * one.loss;
                let growths = &self.growths[(start + at) * count..(start + at + 1) * count];
                add_times(&mut slopes, growths, weight);
            }
            start = tail.end;
        }
        for (slope, curve) in slopes.iter().zip(&self.curve) {
            let best = if *slope >= 0.0 {
                0.0
            } else if *curve > 0.0 {
                (-slope / curve).min(1.0)
            } else {
                1.0
            };
            sum += best * (slope + 0.5 * curve * best);
        }
        self.side = slopes;
        sum
    }

    /// Goes to the least cost, until what is left is at most `exact` of it or nothing moves any more. The lower bound of the cost.
    pub(super) fn solve(&mut self, exact: f64) -> f64 {
        self.start();
        let mut best = f64::NEG_INFINITY;
        let pairs = (self.slack.len() + 2 * self.count() + 2 * self.scenarios.len() + self.tails.len()) as f64;
        for _ in 0..50 {
            let off = self.residuals();
            let paired = self.sum_pairs(Pair::product);
            let cost = self.spent();
            if off <= 1e-10 && paired <= 4.0 * exact * cost.abs().max(1e-9) {
                best = best.max(self.bound());
                if cost - best <= exact * cost.abs().max(1e-9) {
                    return best;
                }
            }
            if !self.advance(paired / pairs) {
                break;
            }
        }
        best.max(self.bound())
    }

    fn sum_pairs(&self, of: impl Fn(&Pair) -> f64) -> f64 {
        let lists = [&self.slack, &self.low, &self.high];
        let flat: f64 = lists.into_iter().flatten().map(&of).sum();
        let tails: f64 = self.tails.iter().map(|tail| of(&tail.budget)).sum();
        flat + tails + self.scenarios.iter().map(|one| of(&one.beyond) + of(&one.under)).sum::<f64>()
    }

    fn each_pair(&mut self, mut change: impl FnMut(&mut Pair)) {
        for list in [&mut self.slack, &mut self.low, &mut self.high] {
            list.iter_mut().for_each(&mut change);
        }
        self.tails.iter_mut().for_each(|tail| change(&mut tail.budget));
        for one in &mut self.scenarios {
            change(&mut one.beyond);
            change(&mut one.under);
        }
    }

    /// In the middle of everything, near the place inside.
    fn start(&mut self) {
        let (count, rows) = (self.count(), self.need.len());
        let mean = self.cost.iter().zip(&self.curve).map(|(cost, curve)| cost + curve).sum::<f64>() / count as f64;
        let mean = 0.1 * mean.max(1e-9);
        self.low.clear();
        self.high.clear();
        let mut point = std::mem::take(&mut self.shares);
        point.clear();
        for inside in &self.inside {
            let x = inside.clamp(0.02, 0.98);
            point.push(x);
            self.low.push(Pair::new(x, mean));
            self.high.push(Pair::new(1.0 - x, mean));
        }
        self.slack.clear();
        for row in 0..rows {
            let over = dot(&self.rows[row * count..(row + 1) * count], &point) - self.need[row];
            self.slack.push(Pair::new(over.max(0.02), mean));
        }
        let mut start = 0;
        for tail in &mut self.tails {
            let own = &mut self.scenarios[start..tail.end];
            let mut highest = f64::NEG_INFINITY;
            for (at, one) in own.iter_mut().enumerate() {
                one.side = one.loss + dot(&self.growths[(start + at) * count..(start + at + 1) * count], &point);
                highest = highest.max(one.side);
            }
            tail.edge = highest.min(tail.target);
            let room = 0.02;
            let mut beyond = 0.0;
            for one in own {
                one.beyond = Pair::new((one.side - tail.edge).max(0.0) + room, mean);
                one.under = Pair::new((tail.edge - one.side).max(0.0) + room, mean);
                beyond += one.beyond.value;
            }
            tail.budget = Pair::new((tail.target - tail.edge - beyond / tail.beyond).max(0.05), mean);
            start = tail.end;
        }
        self.shares = point;
        fill(&mut self.slack_off, rows, 0.0);
        fill(&mut self.dual_off, count, 0.0);
    }

    /// What is not yet met; the largest of the rows' and tails'.
    fn residuals(&mut self) -> f64 {
        let count = self.count();
        let mut largest = 0.0_f64;
        let point = &mut self.shares;
        point.clear();
        point.extend(self.low.iter().map(|pair| pair.value));
        for at in 0..count {
            let (low, high) = (self.low[at], self.high[at]);
            self.dual_off[at] = self.cost[at] + self.curve[at] * low.value - low.price + high.price;
        }
        for (row, pair) in self.slack.iter().enumerate() {
            let entries = &self.rows[row * count..(row + 1) * count];
            add_times(&mut self.dual_off, entries, -pair.price);
            self.slack_off[row] = dot(entries, point) - self.need[row] - pair.value;
            largest = largest.max(self.slack_off[row].abs());
        }
        let mut start = 0;
        for tail in &mut self.tails {
            let (mut beyond, mut weight) = (0.0, 0.0);
            for (at, one) in self.scenarios[start..tail.end].iter_mut().enumerate() {
                let growths = &self.growths[(start + at) * count..(start + at + 1) * count];
                add_times(&mut self.dual_off, growths, one.under.price);
                one.off = one.beyond.value + tail.edge - one.loss - dot(growths, point) - one.under.value;
                one.price_off = tail.budget.price / tail.beyond - one.under.price - one.beyond.price;
                beyond += one.beyond.value;
                weight += one.under.price;
                largest = largest.max(one.off.abs());
            }
            tail.off = tail.target - tail.edge - beyond / tail.beyond - tail.budget.value;
            tail.edge_off = tail.budget.price - weight;
            largest = largest.max(tail.off.abs());
            start = tail.end;
        }
        largest
    }

    /// One step, foreseen and corrected; `false` where the system has no answer or the step is none.
    fn advance(&mut self, mean: f64) -> bool {
        self.eliminate();
        let size = self.count() + self.tails.len();
        if !factor(&mut self.matrix, size) {
            return false;
        }
        // Straight to the optimum, to see how far that goes.
        self.step(0.0, false);
        let lengths = self.lengths(1.0);
        let pairs = (self.slack.len() + 2 * self.count() + 2 * self.scenarios.len() + self.tails.len()) as f64;
        let left = self.sum_pairs(|pair| pair.product_after(lengths)) / pairs / mean;
        self.step((left * left * left).max(1e-6) * mean, true);
        let lengths = self.lengths(0.99);
        if !(lengths.0 > 1e-9 || lengths.1 > 1e-9) {
            return false;
        }
        self.each_pair(|pair| pair.walk(lengths));
        for tail in &mut self.tails {
            tail.edge += lengths.0 * tail.edge_step;
        }
        true
    }

    /// The matrix of variables and edges: what scenarios, rows and bounds make of it.
    fn eliminate(&mut self) {
        let count = self.count();
        let size = count + self.tails.len();
        fill(&mut self.matrix, size * size, 0.0);
        for at in 0..count {
            self.matrix[at * size + at] = self.curve[at] + self.low[at].stiff() + self.high[at].stiff();
        }
        for (row, pair) in self.slack.iter().enumerate() {
            let entries = &self.rows[row * count..(row + 1) * count];
            outer(&mut self.matrix, size, entries, pair.stiff());
        }
        let mut start = 0;
        for (number, tail) in self.tails.iter_mut().enumerate() {
            let edge = count + number;
            fill(&mut self.shares, count, 0.0);
            tail.sums = Sums::default();
            for (at, one) in self.scenarios[start..tail.end].iter_mut().enumerate() {
                let (under, beyond) = (one.under.stiff(), one.beyond.stiff());
                one.soft = 1.0 / (under + beyond);
                one.share = under * one.soft;
                one.weight = under * beyond * one.soft;
                let growths = &self.growths[(start + at) * count..(start + at + 1) * count];
                outer(&mut self.matrix, size, growths, one.weight);
                add_times(&mut self.matrix[edge * size..edge * size + count], growths, -one.weight);
                add_times(&mut self.shares, growths, one.share / tail.beyond);
                tail.sums.stiff += one.weight;
                tail.sums.share += one.share / tail.beyond;
                tail.sums.soft += one.soft / (tail.beyond * tail.beyond);
            }
            // The budget's price is eliminated too.
            let open = 1.0 - tail.sums.share;
            let soft = 1.0 / tail.budget.stiff() + tail.sums.soft;
            outer(&mut self.matrix, size, &self.shares, 1.0 / soft);
            add_times(&mut self.matrix[edge * size..edge * size + count], &self.shares, open / soft);
            self.matrix[edge * size + edge] = tail.sums.stiff + open * open / soft;
            start = tail.end;
        }
    }

    /// Towards pairs whose products are all `mean`; corrected by the products of the step before, if asked.
    fn step(&mut self, mean: f64, corrected: bool) {
        let count = self.count();
        let size = count + self.tails.len();
        self.each_pair(|pair| pair.aim(mean, corrected));
        let mut side = std::mem::take(&mut self.side);
        side.clear();
        side.extend(
            self.dual_off
                .iter()
                .zip(self.low.iter().zip(&self.high))
                .map(|(off, (low, high))| -off + low.change / low.value - high.change / high.value),
        );
        side.resize(size, 0.0);
        for (row, pair) in self.slack.iter().enumerate() {
            let moved = pair.change / pair.value - pair.stiff() * self.slack_off[row];
            add_times(&mut side[..count], &self.rows[row * count..(row + 1) * count], moved);
        }
        let mut start = 0;
        for (number, tail) in self.tails.iter_mut().enumerate() {
            fill(&mut self.shares, count, 0.0);
            (tail.sums.moved, tail.sums.side) = (0.0, 0.0);
            for (at, one) in self.scenarios[start..tail.end].iter_mut().enumerate() {
                let under = one.under.change / one.under.value - one.under.stiff() * one.off;
                one.side = under - one.price_off + one.beyond.change / one.beyond.value;
                one.fixed = under - one.share * one.side;
                let growths = &self.growths[(start + at) * count..(start + at + 1) * count];
                add_times(&mut side[..count], growths, -one.fixed);
                add_times(&mut self.shares, growths, one.share / tail.beyond);
                tail.sums.moved += one.fixed;
                tail.sums.side += one.side * one.soft / tail.beyond;
            }
            let open = 1.0 - tail.sums.share;
            let soft = 1.0 / tail.budget.stiff() + tail.sums.soft;
            let budget = tail.budget.change / tail.budget.price - tail.off + tail.sums.side;
            // Of its price: (budget + shares · x + open × edge) ÷ soft.
            add_times(&mut side[..count], &self.shares, -budget / soft);
            side[count + number] = -tail.edge_off + tail.sums.moved - open * budget / soft;
            start = tail.end;
        }
        substitute(&self.matrix, &mut side);
        let (x, edges) = side.split_at(count);
        for ((low, high), step) in self.low.iter_mut().zip(&mut self.high).zip(x) {
            low.follow(*step);
            high.follow(-step);
        }
        for (row, pair) in self.slack.iter_mut().enumerate() {
            pair.follow(dot(&self.rows[row * count..(row + 1) * count], x) + self.slack_off[row]);
        }
        let mut start = 0;
        for (tail, edge) in self.tails.iter_mut().zip(edges) {
            let own = start..tail.end;
            let mut shared = 0.0;
            for at in own.clone() {
                // What the loss grows by, kept where the row's own side is needed no more.
                let one = &mut self.scenarios[at];
                one.fixed = dot(&self.growths[at * count..(at + 1) * count], x);
                shared += one.share / tail.beyond * one.fixed;
            }
            let open = 1.0 - tail.sums.share;
            let soft = 1.0 / tail.budget.stiff() + tail.sums.soft;
            let budget = tail.budget.change / tail.budget.price - tail.off + tail.sums.side;
            let price = (budget + shared + open * edge) / soft;
            let mut beyond = 0.0;
            for one in &mut self.scenarios[own] {
                let apart = edge - one.fixed;
                let step = (one.side - one.under.stiff() * apart - price / tail.beyond) * one.soft;
                one.beyond.follow(step);
                one.under.follow(step + apart + one.off);
                beyond += step;
            }
            tail.edge_step = *edge;
            tail.budget.follow(-edge - beyond / tail.beyond + tail.off);
            start = tail.end;
        }
        self.side = side;
    }

    /// How far values and prices can go and stay over zero, at most one: `share` of the way to it.
    fn lengths(&self, share: f64) -> (f64, f64) {
        let mut lengths = (f64::INFINITY, f64::INFINITY);
        for list in [&self.slack, &self.low, &self.high] {
            list.iter().for_each(|pair| pair.reach(&mut lengths));
        }
        self.tails.iter().for_each(|tail| tail.budget.reach(&mut lengths));
        for one in &self.scenarios {
            one.beyond.reach(&mut lengths);
            one.under.reach(&mut lengths);
        }
        let (value, price) = ((share * lengths.0).min(1.0), (share * lengths.1).min(1.0));
        if self.curve.iter().any(|curve| *curve > 0.0) {
            // With curves the variables' conditions hold both: one length for all.
            let both = value.min(price);
            return (both, both);
        }
        (value, price)
    }
}

/// Adds factor × list list' to the lower half.
fn outer(matrix: &mut [f64], size: usize, list: &[f64], factor: f64) {
    for (at, value) in list.iter().enumerate() {
        add_times(&mut matrix[at * size..at * size + at + 1], list, factor * value);
    }
}

/// Cholesky's factor in the lower half; `false` where there is none.
fn factor(matrix: &mut [f64], count: usize) -> bool {
    for at in 0..count {
        let (before, rest) = matrix.split_at_mut(at * count);
        let row = &mut rest[..count];
        for other in 0..at {
            let upper = &before[other * count..other * count + count];
            row[other] = (row[other] - dot(&row[..other], &upper[..other])) / upper[other];
        }
        let pivot = row[at] - dot(&row[..at], &row[..at]);
        if !pivot.is_finite() {
            return false;
        }
        // A column that says what others say has a pivot of rounding alone: it gets no step of its own.
        row[at] = if pivot > row[at] * 1e-15 { sqrt(pivot) } else { 1e100 };
    }
    true
}

/// Solves with the factor, in place.
fn substitute(matrix: &[f64], side: &mut [f64]) {
    let count = side.len();
    for at in 0..count {
        let row = &matrix[at * count..at * count + at];
        side[at] = (side[at] - dot(row, &side[..at])) / matrix[at * count + at];
    }
    for at in (0..count).rev() {
        let value = side[at] / matrix[at * count + at];
        side[at] = value;
        add_times(&mut side[..at], &matrix[at * count..at * count + at], -value);
    }
}
