//! Figures of a book of which each position is kept in part, and their slopes.

use super::master::add_times;
use super::{Figure, Limit, Position, ReductionError, Sample};
use crate::tail::{Tail, TailError};

/// What is asked, checked.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) positions: &'a [Position],
    pub(super) samples: &'a [Sample<'a>],
    pub(super) limits: &'a [Limit<'a>],
}

/// Profits of each sample at one place, and room to look around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// The share of each position that is given up.
    pub(super) given: Vec<f64>,
    pub(super) totals: Vec<Vec<f64>>,
    sorted: Vec<f64>,
    moved: Vec<f64>,
    kept: Vec<f64>,
}

/// Value at risk and expected shortfall.
#[derive(Debug, Clone, Copy)]
struct Tails {
    value_at_risk: f64,
    expected_shortfall: f64,
}

/// n (1 − α): as [`Tail`] has it.
pub(super) fn beyond(count: usize, confidence: f64) -> f64 {
    let raw = count as f64 * (1.0 - confidence);
    if (raw - raw.round()).abs() < 1e-9 * raw.max(1.0) { raw.round() } else { raw }
}

fn tails(profits: &[f64], confidence: f64, sorted: &mut Vec<f64>) -> Tails {
    let beyond = beyond(profits.len(), confidence);
    let whole = beyond.floor() as usize;
    let at = whole.min(profits.len() - 1);
    sorted.clear();
    sorted.extend_from_slice(profits);
    let (inside, edge, _) = sorted.select_nth_unstable_by(at, f64::total_cmp);
    let edge = *edge;
    // In order, so that the sum is of the values alone.
    inside.sort_unstable_by(f64::total_cmp);
    let sum: f64 = inside[..whole.min(at)].iter().sum();
    let part = beyond - whole.min(at) as f64;
    Tails { value_at_risk: -edge, expected_shortfall: -(sum + part * edge) / beyond }
}

impl Place {
    /// The profit at the edge of a tail of so many scenarios, and of one so many times as large.
    pub(super) fn edges(&mut self, sample: usize, beyond: f64, times: f64) -> (f64, f64) {
        let totals = &self.totals[sample];
        let last = totals.len() - 1;
        let near = ((times * beyond).ceil() as usize).min(last);
        let at = (beyond.floor() as usize).min(near);
        self.sorted.clear();
        self.sorted.extend_from_slice(totals);
        let (inside, near, _) = self.sorted.select_nth_unstable_by(near, f64::total_cmp);
        let near = *near;
        let edge = if at < inside.len() { *inside.select_nth_unstable_by(at, f64::total_cmp).1 } else { near };
        (edge, near)
    }
}

impl<'a> Task<'a> {
    pub(super) fn check(&self) -> Result<(), ReductionError> {
        for (position, one) in self.positions.iter().enumerate() {
            let cost = &one.cost;
            for (name, value) in [
                ("what is held", one.held),
                ("the smallest order", one.fewest),
                ("half of the spread", cost.half_spread),
                ("the fee", cost.fee),
                ("the cost of its hedge", cost.hedge),
                ("the impact", cost.impact),
            ] {
                if !(value >= 0.0 && value.is_finite()) {
                    return Err(ReductionError::Position { position, name, value });
                }
            }
            if !(one.lot > 0.0 && one.lot.is_finite()) {
                return Err(ReductionError::Position { position, name: "the lot", value: one.lot });
            }
        }
        for sample in self.samples {
            let needed = sample.scenarios * self.positions.len();
            if sample.profits.len() != needed {
                return Err(ReductionError::Count { name: "profits", found: sample.profits.len(), needed });
            }
            if !(sample.rest.is_empty() || sample.rest.len() == sample.scenarios) {
                let (found, needed) = (sample.rest.len(), sample.scenarios);
                return Err(ReductionError::Count { name: "profits of the rest", found, needed });
            }
        }
        for (limit, one) in self.limits.iter().enumerate() {
            self.check_limit(limit, one)?;
        }
        Ok(())
    }

    fn check_limit(&self, limit: usize, one: &Limit) -> Result<(), ReductionError> {
        if !one.limit.is_finite() {
            return Err(ReductionError::Limit { limit, name: "the limit", value: one.limit });
        }
        if !(one.restore.is_finite() && one.restore <= one.limit) {
            return Err(ReductionError::Limit { limit, name: "the restore level", value: one.restore });
        }
        match one.figure {
            Figure::ExpectedShortfall { sample, confidence } | Figure::ValueAtRisk { sample, confidence } => {
                let Some(of) = self.samples.get(sample) else {
                    let found = self.samples.len();
                    return Err(ReductionError::Count { name: "samples", found, needed: sample + 1 });
                };
                let tail = |why| ReductionError::Tail { limit, why };
                if !(confidence > 0.0 && confidence < 1.0) {
                    return Err(tail(TailError::Confidence(confidence)));
                }
                if beyond(of.scenarios, confidence) < 1.0 {
                    let fewest = (1.0 / (1.0 - confidence) - 1e-9).ceil() as usize;
                    return Err(tail(TailError::TooFew { count: of.scenarios, fewest }));
                }
                // A sum that is finite has no part that is not.
                let finite = |profits: &[f64]| profits.iter().sum::<f64>().is_finite();
                if let Some(bad) = of.profits.chunks(of.scenarios).chain([of.rest]).find(|profits| !finite(profits)) {
                    let scenario = bad.iter().position(|profit| !profit.is_finite()).unwrap_or(0);
                    return Err(tail(TailError::NotFinite { scenario }));
                }
            }
            Figure::Linear { weights, rest } => {
                if weights.len() != self.positions.len() {
                    let (found, needed) = (weights.len(), self.positions.len());
                    return Err(ReductionError::Count { name: "weights", found, needed });
                }
                if let Some(value) = weights.iter().chain([&rest]).find(|value| !value.is_finite()) {
                    return Err(ReductionError::Limit { limit, name: "a weight", value: *value });
                }
            }
            Figure::Given(_) => {}
        }
        Ok(())
    }

    fn column(&self, sample: usize, position: usize) -> &'a [f64] {
        let of = &self.samples[sample];
        &of.profits[position * of.scenarios..(position + 1) * of.scenarios]
    }

    /// Whether cuts of the figure are true of it everywhere.
    pub(super) fn is_convex(&self, limit: usize) -> bool {
        matches!(self.limits[limit].figure, Figure::ExpectedShortfall { .. } | Figure::Linear { .. })
    }

    /// Goes to where these shares are given up.
    pub(super) fn go(&self, place: &mut Place, given: &[f64]) {
        place.given.clear();
        place.given.extend_from_slice(given);
        place.kept.clear();
        place.kept.extend(self.positions.iter().zip(given).map(|(one, share)| one.held * (1.0 - share)));
        place.totals.resize_with(self.samples.len(), Vec::new);
        for (number, sample) in self.samples.iter().enumerate() {
            let totals = &mut place.totals[number];
            totals.clear();
            if sample.rest.is_empty() {
                totals.resize(sample.scenarios, 0.0);
            } else {
                totals.extend_from_slice(sample.rest);
            }
            for (position, share) in given.iter().enumerate() {
                if *share < 1.0 {
                    add_times(totals, self.column(number, position), 1.0 - share);
                }
            }
        }
    }

    /// The figure of a limit at the place.
    pub(super) fn value(&self, place: &mut Place, limit: usize) -> f64 {
        match self.limits[limit].figure {
            Figure::ExpectedShortfall { sample, confidence } => {
                tails(&place.totals[sample], confidence, &mut place.sorted).expected_shortfall
            }
            Figure::ValueAtRisk { sample, confidence } => {
                tails(&place.totals[sample], confidence, &mut place.sorted).value_at_risk
            }
            Figure::Linear { weights, rest } => linear(weights, &place.kept) + rest,
            Figure::Given(function) => function(&place.kept),
        }
    }

    /// Expected shortfall of a limit of value at risk, at the same confidence.
    pub(super) fn shortfall(&self, place: &mut Place, limit: usize) -> f64 {
        match self.limits[limit].figure {
            Figure::ValueAtRisk { sample, confidence } => {
                tails(&place.totals[sample], confidence, &mut place.sorted).expected_shortfall
            }
            _ => self.value(place, limit),
        }
    }

    /// The figure if a single position were given up by another share. Of expected shortfall alone whether it is over a target is told,
    /// if that is quicker: then some number on the right side of it.
    pub(super) fn value_beside(&self, place: &mut Place, limit: usize, changes: &[(usize, f64)]) -> f64 {
        match self.limits[limit].figure {
            Figure::ExpectedShortfall { sample, confidence } => {
                self.move_beside(place, sample, changes);
                tails(&place.moved, confidence, &mut place.sorted).expected_shortfall
            }
            Figure::ValueAtRisk { sample, confidence } => {
                self.move_beside(place, sample, changes);
                tails(&place.moved, confidence, &mut place.sorted).value_at_risk
            }
            Figure::Linear { weights, rest } => {
                let change: f64 = changes.iter().map(|(at, share)| weights[*at] * self.freed(place, *at, *share)).sum();
                linear(weights, &place.kept) + rest - change
            }
            Figure::Given(function) => {
                for (at, share) in changes {
                    place.kept[*at] = self.positions[*at].held * (1.0 - share);
                }
                let value = function(&place.kept);
                for (at, _) in changes {
                    place.kept[*at] = self.positions[*at].held * (1.0 - place.given[*at]);
                }
                value
            }
        }
    }

    fn freed(&self, place: &Place, at: usize, share: f64) -> f64 {
        self.positions[at].held * (share - place.given[at])
    }

    fn move_beside(&self, place: &mut Place, sample: usize, changes: &[(usize, f64)]) {
        place.moved.clear();
        place.moved.extend_from_slice(&place.totals[sample]);
        for (at, share) in changes {
            add_times(&mut place.moved, self.column(sample, *at), place.given[*at] - share);
        }
    }

    /// Changes the place by these shares.
    pub(super) fn change(&self, place: &mut Place, changes: &[(usize, f64)]) {
        for sample in 0..self.samples.len() {
            for (at, share) in changes {
                add_times(&mut place.totals[sample], self.column(sample, *at), place.given[*at] - share);
            }
        }
        for (at, share) in changes {
            place.given[*at] = *share;
            place.kept[*at] = self.positions[*at].held * (1.0 - share);
        }
    }

    /// By how much the figure falls for each position that is given up in full, straight on from the place (of value at risk: its
    /// expected shortfall). With it the figure is never under `value - Σ relief × (share - given)`, where it is convex.
    pub(super) fn reliefs(&self, place: &mut Place, limit: usize, into: &mut Vec<f64>) {
        into.clear();
        match self.limits[limit].figure {
            Figure::ExpectedShortfall { sample, confidence } | Figure::ValueAtRisk { sample, confidence } => {
                let beyond = beyond(self.samples[sample].scenarios, confidence);
                let edge = -tails(&place.totals[sample], confidence, &mut place.sorted).value_at_risk;
                into.resize(self.positions.len(), 0.0);
                let totals = &place.totals[sample];
                let worse = totals.iter().filter(|profit| **profit < edge).count() as f64;
                let mut left = beyond - worse;
                let columns = self.samples[sample].profits;
                let scenarios = self.samples[sample].scenarios;
                for (scenario, profit) in totals.iter().enumerate() {
                    let weight = if *profit < edge {
                        1.0
                    } else if *profit == edge && left > 0.0 {
                        let weight = left.min(1.0);
                        left -= weight;
                        weight
                    } else {
                        continue;
                    };
                    for (position, relief) in into.iter_mut().enumerate() {
                        *relief -= weight * columns[position * scenarios + scenario];
                    }
                }
                into.iter_mut().for_each(|relief| *relief /= beyond);
            }
            Figure::Linear { weights, .. } => {
                into.extend(self.positions.iter().zip(weights).map(|(one, weight)| one.held * weight));
            }
            Figure::Given(_) => {
                let here = self.value(place, limit);
                for at in 0..self.positions.len() {
                    let given = place.given[at];
                    // Towards more of a reduction, where there is room for it.
                    let step = if given < 0.99 { 0.01 } else { -0.01 };
                    let there = self.value_beside(place, limit, &[(at, given + step)]);
                    into.push((here - there) / step);
                }
            }
        }
    }

    /// The figure by [`Tail`] itself, which shares no code with the search.
    pub(super) fn verified(&self, place: &Place, tail: &mut Tail, limit: usize) -> Result<f64, ReductionError> {
        match self.limits[limit].figure {
            Figure::ExpectedShortfall { sample, confidence } | Figure::ValueAtRisk { sample, confidence } => {
                tail.refill(&place.totals[sample], confidence).map_err(|why| ReductionError::Tail { limit, why })?;
                Ok(if matches!(self.limits[limit].figure, Figure::ValueAtRisk { .. }) {
                    tail.value_at_risk()
                } else {
                    tail.expected_shortfall()
                })
            }
            Figure::Linear { weights, rest } => Ok(linear(weights, &place.kept) + rest),
            Figure::Given(function) => Ok(function(&place.kept)),
        }
    }
}

fn linear(weights: &[f64], kept: &[f64]) -> f64 {
    weights.iter().zip(kept).map(|(weight, quantity)| weight * quantity).sum()
}
