//! The first pass: which column holds the time, in which unit, and at what step.

use crate::ImportError;
use crate::cell::Cell;
use crate::columns::{self, ColumnMap, TimesOf};
use crate::source::{Rows, Source};
use crate::time::{TimeReader, TimeUnit};
use std::collections::BTreeMap;
use units::{Duration, Timestamp};

/// Steps told apart; a file with more is not regular, and its rarer steps no longer matter.
const STEPS_MAX: usize = 10_000;

/// What the first pass found.
#[derive(Debug)]
pub(crate) struct Scan {
    /// The time column.
    pub(crate) column: usize,
    /// The unit of its integers.
    pub(crate) unit: Option<TimeUnit>,
    /// The most common step between rows.
    pub(crate) step: Option<Duration>,
}

/// Tells the caller how far along both passes are.
pub(crate) struct Progress<'a> {
    report: &'a mut dyn FnMut(u64, u64),
    size: u64,
    rows: u32,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(source: &Source, report: &'a mut dyn FnMut(u64, u64)) -> Self {
        Self { report, size: source.size(), rows: 0 }
    }

    /// Called once a row; passes on every 4,096th.
    pub(crate) fn row(&mut self, pass: u64, rows: &Rows) {
        self.rows = self.rows.wrapping_add(1);
        if self.rows.is_multiple_of(4_096) {
            (self.report)(pass * self.size + rows.done().min(self.size), 2 * self.size);
        }
    }

    pub(crate) fn end(&mut self) {
        (self.report)(2 * self.size, 2 * self.size);
    }
}

/// The rows that `--where` lets through.
pub(crate) struct Selected {
    pub(crate) rows: Rows,
    only: Option<(usize, String)>,
}

impl Selected {
    /// Reads the wanted columns of the rows that the map selects.
    pub(crate) fn open(source: &Source, map: &ColumnMap, wanted: &[usize]) -> Result<Self, ImportError> {
        let mut wanted = wanted.to_vec();
        let only = match &map.only {
            None => None,
            Some((name, value)) => {
                wanted.push(columns::named(source, name, "--where")?);
                Some((wanted.len() - 1, value.clone()))
            }
        };
        Ok(Self { rows: source.rows(&wanted)?, only })
    }

    /// Goes to the next selected row. `false` at the end.
    pub(crate) fn next(&mut self) -> Result<bool, ImportError> {
        while self.rows.next()? {
            let Some((at, value)) = &self.only else { return Ok(true) };
            let fits = match self.rows.cell(*at) {
                Cell::Text(text) => text == value,
                cell => cell.to_string() == *value,
            };
            if fits {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A column that may hold the time.
struct Candidate {
    column: usize,
    reader: TimeReader,
    /// Whether its first row was a time.
    alive: bool,
}

/// Reads every candidate column once. Several are fine as long as they tell the same time in every row.
pub(crate) fn scan(
    source: &Source,
    map: &ColumnMap,
    of: TimesOf,
    rounding: Duration,
    progress: &mut Progress<'_>,
) -> Result<Scan, ImportError> {
    let found = columns::times(source, map, of)?;
    let mut candidates: Vec<Candidate> = found
        .iter()
        .map(|column| Candidate { column: *column, reader: TimeReader::new(map.day), alive: true })
        .collect();
    let mut selected = Selected::open(source, map, &found)?;
    let (mut steps, mut previous, mut first) = (Steps::new(rounding), None, true);
    while selected.next()? {
        progress.row(0, &selected.rows);
        let times: Vec<Option<Timestamp>> =
            candidates.iter_mut().enumerate().map(|(at, each)| each.reader.read(selected.rows.cell(at))).collect();
        if first {
            first = false;
            for (candidate, time) in candidates.iter_mut().zip(&times) {
                candidate.alive = time.is_some();
            }
            if times.iter().all(Option::is_none) {
                return Err(no_time(source, &found, &selected.rows));
            }
        }
        let mut told = candidates
            .iter()
            .zip(&times)
            .filter(|(each, _)| each.alive)
            .filter_map(|(each, time)| Some((each, (*time)?)));
        let Some((one, time)) = told.next() else { continue };
        if let Some((other, another)) = told.find(|(_, another)| *another != time) {
            return Err(disagree(source, (one.column, time), (other.column, another), selected.rows.number()));
        }
        steps.add(previous.replace(time), time);
    }
    if first {
        return Err(no_rows(source, map));
    }
    let chosen = candidates.iter().find(|each| each.alive).or(candidates.first());
    let (column, unit) = chosen.map_or((0, None), |each| (each.column, each.reader.unit()));
    if chosen.is_some_and(|each| each.reader.ignores_day()) {
        return Err(has_day(source, column));
    }
    Ok(Scan { column, unit, step: steps.most_common() })
}

/// A day was given for times that have their own.
pub(crate) fn has_day(source: &Source, column: usize) -> ImportError {
    let name = source.columns.get(column).map_or("", String::as_str);
    let what =
        format!("has times in column `{name}` that have their day; leave out `--day`, or `day` in the file of columns");
    ImportError::column(&source.path, "day-twice", what)
}

/// How often each step between rows occurs.
struct Steps {
    rounding: i64,
    counts: BTreeMap<i64, u64>,
}

impl Steps {
    fn new(rounding: Duration) -> Self {
        Self { rounding: rounding.nanos(), counts: BTreeMap::new() }
    }

    fn add(&mut self, previous: Option<Timestamp>, time: Timestamp) {
        let Some(previous) = previous else { return };
        let half = self.rounding / 2;
        let step = time.since(previous).nanos().saturating_add(half) / self.rounding * self.rounding;
        if step <= 0 || (self.counts.len() == STEPS_MAX && !self.counts.contains_key(&step)) {
            return;
        }
        *self.counts.entry(step).or_default() += 1;
    }

    /// The smaller of two that are equally common.
    fn most_common(&self) -> Option<Duration> {
        let best = self.counts.iter().max_by_key(|(step, count)| (**count, std::cmp::Reverse(**step)));
        best.map(|(step, _)| Duration::from_nanos(*step))
    }
}

pub(crate) fn no_rows(source: &Source, map: &ColumnMap) -> ImportError {
    let what = match &map.only {
        None => "has no rows".to_owned(),
        Some((name, value)) => format!("has no row with `{value}` in column `{name}` (`--where`)"),
    };
    ImportError::source(&source.path, "no-rows", what)
}

fn no_time(source: &Source, found: &[usize], rows: &Rows) -> ImportError {
    let name = found.first().and_then(|index| source.columns.get(*index)).map_or("", String::as_str);
    let (unit, number, cell) = (source.unit(), rows.number(), rows.cell(0));
    ImportError::column(
        &source.path,
        "time-unreadable",
        format!(
            "{unit} {number}: `{cell}` in column `{name}` is no time; wanted an ISO date such as `2025-10-10 21:20`, \
             or seconds, ms, us or ns since 1970; another column is named with `--time-column NAME`, and `--day DATE` \
             says that it counts milliseconds since midnight"
        ),
    )
}

fn disagree(source: &Source, one: (usize, Timestamp), other: (usize, Timestamp), number: u64) -> ImportError {
    let name = |column: usize| source.columns.get(column).map_or("", String::as_str);
    ImportError::column(
        &source.path,
        "times-disagree",
        format!(
            "has two time columns that disagree: {} {number} is {} by `{}` and {} by `{}`; say which with \
             `--time-column NAME`",
            source.unit(),
            one.1,
            name(one.0),
            other.1,
            name(other.0),
        ),
    )
}
