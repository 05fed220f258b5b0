//! What an import did, and what it saw.

use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use tape::{AppliedRepair, Kind};
use units::{Duration, Timestamp};

/// What an import did, and what it saw in the file. Serialises to what `--json` shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportReport {
    /// The file that was read.
    pub source: PathBuf,
    /// The tape that was written.
    pub out: PathBuf,
    /// What it holds.
    pub kind: Kind,
    /// The instrument's symbol or the series' name.
    pub subject: String,
    /// The time column.
    pub time_column: String,
    /// The unit of its integers, judged by their magnitude.
    pub time_unit: Option<String>,
    /// Rows read.
    pub rows_read: u64,
    /// Rows written.
    pub rows_written: u64,
    /// Begin of the first bar; time of the first rate or value.
    #[serde(serialize_with = "as_text")]
    pub first: Timestamp,
    /// End of the last bar; time of the last rate or value.
    #[serde(serialize_with = "as_text")]
    pub last: Timestamp,
    /// Given, or the most common step.
    #[serde(serialize_with = "as_text_or_none")]
    pub interval: Option<Duration>,
    /// How much later than its label a value is known.
    #[serde(serialize_with = "as_text")]
    pub lag: Duration,
    /// Where rows are missing.
    pub gaps: Gaps,
    /// Rows off the interval's rhythm.
    pub irregular: u64,
    /// Identical rows that were left out.
    pub duplicates: u64,
    /// Stamps moved to the interval, by at most a second.
    pub snapped: u64,
    /// Empty cells that were skipped.
    pub empty: u64,
    /// The repairs asked for, each with the rows that it touched.
    pub repairs: Vec<AppliedRepair>,
    /// What else was counted, of files that name many instruments.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<&'static str, u64>,
    /// What a user should know before trusting the tape, in plain sentences.
    pub warnings: Vec<String>,
}

/// Where rows are missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Gaps {
    /// How many gaps.
    pub count: u64,
    /// Rows missing in all of them.
    pub missing: u64,
    /// The one with the most rows missing; the first of equals.
    pub longest: Option<Gap>,
}

/// A stretch without rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// End of the bar before it; time of the rate or value before it.
    #[serde(serialize_with = "as_text")]
    pub from: Timestamp,
    /// Begin of the bar after it; time of the rate or value after it.
    #[serde(serialize_with = "as_text")]
    pub to: Timestamp,
    /// Rows missing.
    pub missing: u64,
}

impl Gaps {
    pub(crate) fn add(&mut self, gap: Gap) {
        self.count += 1;
        self.missing += gap.missing;
        if self.longest.is_none_or(|longest| gap.missing > longest.missing) {
            self.longest = Some(gap);
        }
    }

    /// `1 gap, 284 bars missing, 2021-04-25 04:01 .. 08:45 (4 h 44 min)`; `None` without gaps.
    pub(crate) fn sentence(&self, noun: &str) -> Option<String> {
        let gap = self.longest?;
        let longest = if self.count == 1 { "" } else { "the longest " };
        Some(format!(
            "{}, {} missing; {longest}{} .. {} ({})",
            count(self.count, "gap"),
            count(self.missing, noun),
            clock(gap.from),
            clock(gap.to),
            gap.to.since(gap.from),
        ))
    }
}

impl ImportReport {
    /// The report in sentences: first what was written, then what was done to it, then the warnings.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.summary()];
        if self.snapped > 0 {
            lines.push(format!("{} snapped to the interval, none by more than 1 s", count(self.snapped, "stamp")));
        }
        if self.empty > 0 {
            lines.push(format!("{} skipped", count(self.empty, "empty cell")));
        }
        for repair in &self.repairs {
            let done = if repair.rows == 0 { "not needed".to_owned() } else { count(repair.rows, "row") };
            lines.push(format!("repair {}: {done}", repair.rule));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        lines
    }

    fn summary(&self) -> String {
        let rows = match self.kind {
            Kind::Bar => count(self.rows_written, "bar"),
            Kind::Funding => count(self.rows_written, "funding rate"),
            Kind::Mark => format!("{} of {}", count(self.rows_written, "mark"), self.subject),
            Kind::Quote => format!("{} of {}", count(self.rows_written, "quote"), self.subject),
            Kind::Series => format!("{} of {}", count(self.rows_written, "value"), self.subject),
        };
        let mut line = format!("{rows}  {} .. {} UTC", clock(self.first), clock(self.last));
        if let Some(interval) = self.interval {
            line += &format!("  every {interval}");
        }
        // Quotes and marks are told when they are told: they have no rhythm to leave.
        if !matches!(self.kind, Kind::Mark | Kind::Quote) {
            line += &format!("  {}", count(self.gaps.count, "gap"));
        }
        if self.lag > Duration::ZERO {
            line += &format!("  known {} later", self.lag);
        }
        line
    }
}

/// `11,123 bars`, `1 bar`; with no noun the number alone.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if !noun.is_empty() {
        text.push(' ');
        text.push_str(noun);
        if number != 1 {
            text.push('s');
        }
    }
    text
}

/// `2025-10-10 21:20`, with seconds only where there are any.
pub(crate) fn clock(time: Timestamp) -> String {
    let text = time.to_string().replace('T', " ");
    let text = text.trim_end_matches('Z');
    text.strip_suffix(":00").unwrap_or(text).to_owned()
}

fn as_text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_text_or_none<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
