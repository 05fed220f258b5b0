//! Profits under scenarios, and what they say of the tail.

use super::ValueAtRiskError;
use crate::tail::Tail;

/// Profits of a book under equally likely scenarios, of the whole and of each group of its lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Profits {
    totals: Vec<f64>,
    /// Group by group, each scenario by scenario.
    groups: Vec<Vec<f64>>,
}

/// What a part of a book adds to its figures.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Share {
    /// Its share of value at risk (Euler): what value at risk grows by if the part does by a share, divided by that share. Divided by the
    /// part's quantity it is the marginal value at risk. The shares of all parts add up to the whole.
    pub value_at_risk: f64,
    /// Its share of expected shortfall.
    pub expected_shortfall: f64,
    /// How much less the whole would have without the part (incremental); under zero: the part is a hedge.
    pub incremental_value_at_risk: f64,
    /// The same of expected shortfall.
    pub incremental_expected_shortfall: f64,
}

/// What may be lost, over zero where it is a loss.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Value at risk.
    pub value_at_risk: f64,
    /// Its standard error from the number of scenarios; `None` where nothing is drawn.
    pub value_at_risk_error: Option<f64>,
    /// Expected shortfall.
    pub expected_shortfall: f64,
    /// Its standard error.
    pub expected_shortfall_error: Option<f64>,
    /// Group by group.
    pub shares: Vec<Share>,
}

impl Profits {
    pub(super) fn zero(count: usize, groups: usize) -> Self {
        Self { totals: vec![0.0; count], groups: vec![vec![0.0; count]; groups] }
    }

    /// Adds profits of some lines, all of one group, if of any.
    pub(super) fn add(&mut self, group: Option<usize>, profits: &[f64]) {
        let add = |sums: &mut [f64]| sums.iter_mut().zip(profits).for_each(|(sum, profit)| *sum += profit);
        add(&mut self.totals);
        if let Some(group) = group {
            add(&mut self.groups[group]);
        }
    }

    /// Profits of parts of the scenarios, in order, as of all.
    #[must_use]
    pub fn joined(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self { totals: Vec::new(), groups: Vec::new() };
        for part in parts {
            all.totals.extend(part.totals);
            all.groups.resize_with(all.groups.len().max(part.groups.len()), Vec::new);
            for (group, more) in all.groups.iter_mut().zip(part.groups) {
                group.extend(more);
            }
        }
        all
    }

    /// The same with groups put together: `into` tells the new group of each, from zero.
    ///
    /// # Panics
    ///
    /// If `into` is of another number of groups.
    #[must_use]
    pub fn regrouped(&self, into: &[usize]) -> Self {
        assert_eq!(into.len(), self.groups.len(), "each group has its new one");
        let count = into.iter().max().map_or(0, |last| last + 1);
        let mut groups = vec![vec![0.0; self.totals.len()]; count];
        for (group, to) in self.groups.iter().zip(into) {
            groups[*to].iter_mut().zip(group).for_each(|(sum, profit)| *sum += profit);
        }
        Self { totals: self.totals.clone(), groups }
    }

    /// Profit of the whole, scenario by scenario.
    #[must_use]
    pub fn totals(&self) -> &[f64] {
        &self.totals
    }

    /// Profit of a group, scenario by scenario.
    ///
    /// # Panics
    ///
    /// If there is no such group.
    #[must_use]
    pub fn group(&self, group: usize) -> &[f64] {
        &self.groups[group]
    }

    /// Value at risk, expected shortfall and what each group adds, at a confidence such as 0.99.
    ///
    /// # Errors
    ///
    /// A confidence that is none, fewer scenarios than 1 ÷ (1 − confidence).
    pub fn figures(&self, confidence: f64) -> Result<Figures, ValueAtRiskError> {
        let tail = Tail::of(&self.totals, confidence)?;
        let share = |group: &Vec<f64>| -> Result<Share, ValueAtRiskError> {
            let rest: Vec<f64> = self.totals.iter().zip(group).map(|(total, own)| total - own).collect();
            let without = Tail::of(&rest, confidence)?;
            Ok(Share {
                value_at_risk: tail.value_at_risk_of(group)?,
                expected_shortfall: tail.shortfall_of(group)?,
                incremental_value_at_risk: tail.value_at_risk() - without.value_at_risk(),
                incremental_expected_shortfall: tail.expected_shortfall() - without.expected_shortfall(),
            })
        };
        Ok(Figures {
            value_at_risk: tail.value_at_risk(),
            value_at_risk_error: Some(tail.value_at_risk_error()),
            expected_shortfall: tail.expected_shortfall(),
            expected_shortfall_error: Some(tail.expected_shortfall_error()),
            shares: self.groups.iter().map(share).collect::<Result<_, _>>()?,
        })
    }
}
