//! What does not hold, and where.

use crate::records::{
    CampaignRow, ChoiceRow, EquityRow, FillRow, FundingRow, HedgeRow, LossRow, OrderRow, PlanRow, PositionRow,
};
use std::collections::BTreeMap;
use std::fmt::Display;
use units::Timestamp;

/// Findings of one check that are kept; more are counted.
const KEPT: u64 = 20;

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which check: a stable name of docs/audit.md.
    pub check: &'static str,
    /// The table or file.
    pub table: String,
    /// Its row, from 1.
    pub row: Option<u64>,
    /// The row's time.
    pub time: Option<Timestamp>,
    /// The order.
    pub order: Option<String>,
    /// The plan.
    pub plan: Option<u64>,
    /// What is there and what was expected.
    pub text: String,
}

/// A check, and how it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckCount {
    /// A stable name of docs/audit.md.
    pub check: &'static str,
    /// How often it was made.
    pub made: u64,
    /// How often it failed.
    pub failed: u64,
}

/// A place in a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) table: &'a str,
    pub(super) row: Option<usize>,
    pub(super) time: Option<Timestamp>,
    pub(super) order: Option<&'a str>,
    pub(super) plan: Option<u64>,
}

impl<'a> At<'a> {
    pub(super) fn file(name: &'a str) -> Self {
        Self { table: name, row: None, time: None, order: None, plan: None }
    }

    fn row(table: &'a str, row: usize, time: Timestamp) -> Self {
        Self { row: Some(row), time: Some(time), ..Self::file(table) }
    }

    pub(super) fn order(row: usize, of: &'a OrderRow) -> Self {
        Self { order: Some(&of.order), plan: Some(of.plan), ..Self::row("orders", row, of.time) }
    }

    pub(super) fn fill(row: usize, of: &'a FillRow) -> Self {
        Self { order: Some(&of.order), plan: Some(of.plan), ..Self::row("fills", row, of.time) }
    }

    pub(super) fn plan(row: usize, of: &PlanRow) -> Self {
        Self { plan: Some(of.plan), ..Self::row("plans", row, of.time) }
    }

    pub(super) fn choice(row: usize, of: &ChoiceRow) -> Self {
        Self { plan: Some(of.plan), ..Self::row("choices", row, of.time) }
    }

    pub(super) fn hedge(row: usize, of: &HedgeRow) -> Self {
        Self { plan: Some(of.plan).filter(|plan| *plan > 0), ..Self::row("hedges", row, of.time) }
    }

    pub(super) fn loss(row: usize, of: &LossRow) -> Self {
        Self::row("losses", row, of.time)
    }

    pub(super) fn funding(row: usize, of: &FundingRow) -> Self {
        Self::row("funding", row, of.time)
    }

    pub(super) fn equity(row: usize, of: &EquityRow) -> Self {
        Self::row("equity", row, of.time)
    }

    pub(super) fn position(row: usize, of: &PositionRow) -> Self {
        Self::row("positions", row, of.time)
    }

    pub(super) fn campaign(row: usize, of: &CampaignRow) -> Self {
        Self { ..Self::row("campaigns", row, of.closed.unwrap_or(of.opened)) }
    }
}

/// A number that may be missing, as findings show it.
pub(super) fn shown(value: Option<impl Display>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}

/// What was checked and found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    list: Vec<Finding>,
    counts: BTreeMap<&'static str, (u64, u64)>,
}

impl Found {
    /// Counts a check, and tells of it where it does not hold. Gives back whether it holds.
    pub(super) fn ensure(
        &mut self,
        check: &'static str,
        holds: bool,
        at: At<'_>,
        text: impl FnOnce() -> String,
    ) -> bool {
        let (made, failed) = self.counts.entry(check).or_default();
        *made += 1;
        if holds {
            return true;
        }
        *failed += 1;
        if *failed <= KEPT {
            self.list.push(Finding {
                check,
                table: at.table.to_owned(),
                row: at.row.map(|row| row as u64 + 1),
                time: at.time,
                order: at.order.map(str::to_owned),
                plan: at.plan,
                text: text(),
            });
        }
        false
    }

    pub(super) fn is_clean(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn told(self) -> (Vec<Finding>, Vec<CheckCount>) {
        let count = |(check, (made, failed)): (&'static str, (u64, u64))| CheckCount { check, made, failed };
        (self.list, self.counts.into_iter().map(count).collect())
    }
}
