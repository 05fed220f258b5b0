//! How the instruments of a strategy move together, and what part of its capital each sizes on for that.
//!
//! A row a UTC day holds the last price of each. Behind it the correlations of the last days' returns, shrunk toward their mean (Ledoit
//! and Wolf 2004), tell how much the whole moves where each moves as much: with weights w in units of risk and correlations ρ that is
//! √(w'ρw), and its inverse is what all may be multiplied by so that the whole moves as much as one was to (a diversification multiplier,
//! as Carver's "Systematic Trading" has it). What moves against the rest is not counted on: under zero a correlation counts as none.

use policy::spec::{Correlation, Weights};
use risk::budgets::{Toward, equal_risk, shrink};
use std::collections::VecDeque;
use units::math::{ln, sqrt};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, Price, Timestamp};

/// Returns of days under which nothing is known of how instruments move together: then they count as one.
const LEAST: usize = 30;

/// What members of a group did, and the shares that follow.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Together {
    terms: Correlation,
    /// The largest multiplier.
    most: f64,
    /// When the next row is due; `None` before the first price.
    next: Option<Timestamp>,
    /// By member: its last price, zero where it told none since the last row, and how many prices it had told then.
    told: Vec<(f64, u32)>,
    /// Day by day, the oldest first; a price of zero is not known.
    rows: VecDeque<f64>,
    /// By member: whether it has a part in the capital.
    counted: Vec<bool>,
    /// What each sizes on, as a multiple of the capital. They follow from the above, and are no state.
    shares: Vec<f64>,
    is_made: bool,
}

impl Together {
    pub(crate) fn new(terms: Correlation, most: f64) -> Self {
        let (told, rows) = (Vec::new(), VecDeque::new());
        Self { terms, most, next: None, told, rows, counted: Vec::new(), shares: Vec::new(), is_made: false }
    }

    pub(crate) fn join(&mut self) {
        self.told.push((0.0, 0));
        self.counted.push(false);
        self.is_made = false;
    }

    /// An input at this time: days that ended before it have their rows.
    pub(crate) fn reach(&mut self, now: Timestamp) {
        let count = self.told.len();
        let kept = (self.terms.days as usize + 1) * count;
        let mut due = self.next.unwrap_or_else(|| now.floor(Duration::DAY) + Duration::DAY);
        while due < now {
            self.rows.extend(self.told.iter_mut().map(|(price, _)| std::mem::take(price)));
            self.rows.drain(..self.rows.len().saturating_sub(kept));
            self.is_made = false;
            due = due + Duration::DAY;
            // Of a hole nothing is known: what is longer than all that is kept is passed over.
            let missed = now.since(due).nanos() / Duration::DAY.nanos() - i64::from(self.terms.days);
            if missed > 0 {
                due = due + Duration::from_nanos(missed * Duration::DAY.nanos());
            }
        }
        self.next = Some(due);
    }

    /// What is known of a member now: its price, how many it has told, whether it has a part.
    pub(crate) fn see(&mut self, member: usize, price: Option<Price>, prices: u32, has_part: bool) {
        if let Some(price) = price.filter(|price| price.raw() > 0 && prices != self.told[member].1) {
            self.told[member] = (price.approximate(), prices);
        }
        if self.counted[member] != has_part {
            self.counted[member] = has_part;
            self.is_made = false;
        }
    }

    /// What a member sizes on, as a multiple of the capital.
    pub(crate) fn share(&mut self, member: usize) -> f64 {
        if !self.is_made {
            self.make();
        }
        self.shares[member]
    }

    #[cold]
    fn make(&mut self) {
        self.is_made = true;
        self.shares.clear();
        self.shares.resize(self.told.len(), 0.0);
        let members: Vec<usize> = (0..self.counted.len()).filter(|at| self.counted[*at]).collect();
        if members.is_empty() {
            // Whoever asks while nobody counts would be the only one.
            self.shares.fill(1.0);
            return;
        }
        let (weights, multiplier) = self.weights(&members);
        for (member, weight) in members.into_iter().zip(weights) {
            self.shares[member] = weight * multiplier;
        }
    }

    /// Weights in units of risk, and what all of them are multiplied by.
    fn weights(&self, members: &[usize]) -> (Vec<f64>, f64) {
        let count = members.len();
        let equal = vec![1.0 / count as f64; count];
        let Some(correlations) = self.correlations(members) else { return (equal, 1.0) };
        let weights = match self.terms.weights {
            Weights::Equal => equal,
            Weights::EqualRisk => equal_risk(&correlations, count).map_or(equal, |found| found.weights),
        };
        let of =
            |row: usize| (0..count).map(|at| weights[row] * weights[at] * correlations[row * count + at]).sum::<f64>();
        let variance: f64 = (0..count).map(of).sum();
        let multiplier = if variance > 0.0 { (1.0 / sqrt(variance)).min(self.most) } else { 1.0 };
        (weights, multiplier)
    }

    /// Row by row; none under zero. `None`: too few days are known.
    fn correlations(&self, members: &[usize]) -> Option<Vec<f64>> {
        let count = members.len();
        let width = self.told.len();
        let price = |row: usize, member: usize| self.rows[row * width + member];
        let days = self.rows.len() / width;
        let mut returns = Vec::new();
        for row in 1..days {
            let is_known = members.iter().all(|member| price(row - 1, *member) > 0.0 && price(row, *member) > 0.0);
            if is_known {
                returns.extend(members.iter().map(|member| ln(price(row, *member) / price(row - 1, *member))));
            }
        }
        if returns.len() < LEAST * count {
            return None;
        }
        let shrunk = shrink(&returns, count, Toward::ConstantCorrelation).ok()?.covariance;
        let deviation = |at: usize| sqrt(shrunk[at * count + at]);
        let correlation = |row: usize, at: usize| {
            if row == at { 1.0 } else { (shrunk[row * count + at] / (deviation(row) * deviation(at))).clamp(0.0, 1.0) }
        };
        let all: Vec<f64> = (0..count * count).map(|at| correlation(at / count, at % count)).collect();
        all.iter().all(|of| of.is_finite()).then_some(all)
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.option(self.next, |out, next| out.i64(next.nanos()));
        for (price, prices) in &self.told {
            out.f64(*price);
            out.u32(*prices);
        }
        for counted in &self.counted {
            out.bool(*counted);
        }
        out.len(self.rows.len());
        for price in &self.rows {
            out.f64(*price);
        }
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.next = from.option(|from| Ok(Timestamp::from_nanos(from.i64()?)))?;
        for told in &mut self.told {
            *told = (from.f64()?, from.u32()?);
        }
        for counted in &mut self.counted {
            *counted = from.bool()?;
        }
        self.rows = (0..from.len()?).map(|_| from.f64()).collect::<Result<_, _>>()?;
        self.is_made = false;
        Ok(())
    }
}
