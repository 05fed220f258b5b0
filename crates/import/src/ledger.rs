//! What was seen and done while rows went through.

use crate::Repair;
use crate::report::{Gap, Gaps, count};
use std::collections::{BTreeMap, BTreeSet};
use units::{Duration, Price, Timestamp};

/// Why a row cannot be taken as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Problem {
    NoTime,
    NoInstrument,
    NotANumber,
    TooLarge,
    NotPositive,
    OffTick,
    OffRateGrid,
    HighUnderLow,
    OutsideRange,
    NegativeVolume,
    NameDiffers,
    BookDiffers,
    Expired,
    NotListed,
    Backwards,
    Conflict,
    Overlap,
}

impl Problem {
    fn what(self) -> &'static str {
        match self {
            Self::NoTime => "without a readable time",
            Self::NoInstrument => "that name no instrument of this kind (docs/symbols.md)",
            Self::NotANumber => "with a value that is not a number",
            Self::TooLarge => "with a value too large to keep",
            Self::NotPositive => "with a price that is not above zero",
            Self::OffTick => "with a price off the tick grid",
            Self::OffRateGrid => "with a rate finer than 1e-12",
            Self::HighUnderLow => "whose high is under its low",
            Self::OutsideRange => "whose open or close lies outside low to high",
            Self::NegativeVolume => "with a negative volume",
            Self::NameDiffers => "whose strike, right or expiry is not that of the name",
            Self::BookDiffers => "whose best price is not the first of its list",
            Self::Expired => "quoted when the option had expired",
            Self::NotListed => "dated over five years before the option expires, when it was not listed",
            Self::Backwards => "that go back in time",
            Self::Conflict => "that repeat a time with different content",
            Self::Overlap => "that begin before the one above has ended",
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::NoTime => "no-time",
            Self::NoInstrument => "no-instrument",
            Self::NotANumber => "no-number",
            Self::TooLarge => "too-large",
            Self::NotPositive => "not-positive",
            Self::OffTick => "off-tick",
            Self::OffRateGrid => "off-rate-grid",
            Self::HighUnderLow => "high-under-low",
            Self::OutsideRange => "outside-range",
            Self::NegativeVolume => "negative-volume",
            Self::NameDiffers => "name-differs",
            Self::BookDiffers => "book-differs",
            Self::Expired => "expired",
            Self::NotListed => "not-listed",
            Self::Backwards => "back-in-time",
            Self::Conflict => "two-contents",
            Self::Overlap => "overlap",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::NoTime
            | Self::NoInstrument
            | Self::NotANumber
            | Self::TooLarge
            | Self::NotPositive
            | Self::NegativeVolume
            | Self::NameDiffers
            | Self::BookDiffers
            | Self::Expired => "`--repair drop-row` leaves them out",
            Self::OffTick => "`--repair snap` moves them to the nearest tick, `--tick` names a finer grid",
            Self::OffRateGrid => "`--repair snap` moves them to the nearest 1e-12",
            Self::HighUnderLow | Self::OutsideRange => {
                "`--repair widen` stretches the bar, `--repair drop-row` leaves it out"
            }
            Self::NotListed => "`--repair drop-row` leaves them out, `--time-column` names another column of times",
            Self::Backwards => "`--repair sort` puts them in order",
            Self::Conflict => "`--repair keep-first` or `--repair keep-last` chooses one",
            Self::Overlap => "check `--interval`, or leave them out with `--repair drop-row`",
        }
    }

    /// Whether leaving the row out is an answer. Of two rows that contradict each other one must be chosen instead.
    fn can_drop(self) -> bool {
        self != Self::Conflict
    }
}

/// The rows with one problem.
#[derive(Debug)]
pub(crate) struct Tally {
    problem: Problem,
    /// The grid that rows are off, where that is the problem.
    grid: Option<Price>,
    rows: u64,
    first: Vec<(u64, String)>,
    /// By column and its place, where one row can have the problem more than once.
    columns: BTreeMap<(usize, &'static str), u64>,
}

/// Rows named in a message.
const NAMED_MAX: usize = 5;

impl Tally {
    /// The problem in words that stay the same.
    pub(crate) fn code(&self) -> &'static str {
        self.problem.code()
    }

    /// One line of a message: count, problem, first places, remedy.
    pub(crate) fn line(&self, unit: &str) -> String {
        let mut text = format!("{} {}", count(self.rows, "row"), self.problem.what());
        if let Some(grid) = self.grid {
            text += &format!(" of {grid}");
        }
        if !self.columns.is_empty() {
            let columns: Vec<_> =
                self.columns.iter().map(|((_, name), rows)| format!("{name} {}", count(*rows, ""))).collect();
            text += &format!(" ({})", columns.join(", "));
        }
        let places: Vec<_> = self.first.iter().map(|(number, detail)| format!("{number} ({detail})")).collect();
        let plural = if self.rows == 1 { "" } else { "s" };
        let more = if self.rows > NAMED_MAX as u64 { ", …" } else { "" };
        format!("{text}: {unit}{plural} {}{more}; {}", places.join(", "), self.problem.remedy())
    }
}

/// Counts of one import.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    asked: BTreeSet<Repair>,
    touched: BTreeMap<Repair, u64>,
    tallies: BTreeMap<Problem, Tally>,
    /// The instrument's price grid, for messages.
    pub(crate) tick: Option<Price>,
    pub(crate) bad: u64,
    pub(crate) read: u64,
    pub(crate) written: u64,
    pub(crate) duplicates: u64,
    pub(crate) snapped: u64,
    pub(crate) empty: u64,
    pub(crate) irregular: u64,
    pub(crate) gaps: Gaps,
    /// What files of many instruments count besides.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Plain sentences of the one kind being imported.
    pub(crate) notes: Vec<String>,
}

impl Ledger {
    pub(crate) fn new(asked: &[Repair]) -> Self {
        Self {
            asked: asked.iter().copied().collect(),
            touched: asked.iter().map(|repair| (*repair, 0)).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn is_asked(&self, repair: Repair) -> bool {
        self.asked.contains(&repair)
    }

    /// Counts a row for a repair, if it was asked for.
    pub(crate) fn repair(&mut self, repair: Repair) -> bool {
        match self.touched.get_mut(&repair) {
            Some(rows) => {
                *rows += 1;
                true
            }
            None => false,
        }
    }

    /// Leaves a row out if that was asked for (`true`), else counts it as one that stops the import.
    pub(crate) fn refuse(&mut self, problem: Problem, number: u64, detail: impl FnOnce() -> String) -> bool {
        if problem.can_drop() && self.repair(Repair::DropRow) {
            return true;
        }
        let grid = self.tick.filter(|_| problem == Problem::OffTick);
        let empty = Tally { problem, grid, rows: 0, first: Vec::new(), columns: BTreeMap::new() };
        let tally = self.tallies.entry(problem).or_insert(empty);
        tally.rows += 1;
        if tally.first.len() < NAMED_MAX {
            tally.first.push((number, detail()));
        }
        self.bad += 1;
        false
    }

    /// Adds to the count of one column; the row itself is counted by [`refuse`](Self::refuse).
    pub(crate) fn blame(&mut self, problem: Problem, column: (usize, &'static str)) {
        if let Some(tally) = self.tallies.get_mut(&problem) {
            *tally.columns.entry(column).or_default() += 1;
        }
    }

    /// Looks at the step between two rows that follow each other: a gap is a step of two intervals or more.
    pub(crate) fn step(&mut self, from: Timestamp, to: Timestamp, interval: Duration, width: Duration) {
        let step = to.since(from).nanos();
        if step == interval.nanos() {
            return;
        }
        if step % interval.nanos() != 0 {
            self.irregular += 1;
        }
        if step < 2 * interval.nanos() {
            return;
        }
        let gap = Gap { from: from + width, to, missing: (step / interval.nanos() - 1) as u64 };
        self.gaps.add(gap);
    }

    /// The repairs asked for and what they touched.
    pub(crate) fn repairs(&self) -> impl Iterator<Item = (Repair, u64)> {
        self.touched.iter().map(|(repair, rows)| (*repair, *rows))
    }

    pub(crate) fn into_tallies(self) -> Vec<Tally> {
        self.tallies.into_values().collect()
    }
}
