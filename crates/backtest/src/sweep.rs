//! A sweep: one policy with values varied, every run beside its twin, ranked on the first part of the time and shown on
//! the rest, with the deflated Sharpe ratio beside every rank, so that the best of many does not flatter itself.

mod files;

pub(crate) use files::RECIPE;

use crate::bars::Worth;
use crate::chance::{Moments, deflated};
use crate::metrics::{Amounts, Figure, Missing, Path, Scores};
use crate::parallel::{Share, parallel};
use crate::record::Keep;
use crate::run::{self, Pass, TapeStamp, Variant, What, single, stamp};
use crate::{Error, Progress};
use policy::edit;
use std::ops::ControlFlow;
use std::path::PathBuf;
use units::{Duration, Timestamp};

/// Runs of one sweep at most: more is no search any more, and no machine has the time.
pub const RUNS_MAX: usize = 10_000;

/// A key of the policy and the values that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// Such as `size.target`.
    pub path: String,
    /// As written, such as `40%`.
    pub values: Vec<String>,
}

impl Axis {
    /// Reads `size.target=40%,60%`. Commas within brackets, braces and quotes belong to a value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (path, values) = text.split_once('=').unwrap_or((text, ""));
        if path.trim().is_empty() || values.trim().is_empty() {
            return Err("write a key, `=` and its values with commas between: `size.target=40%,60%`".to_owned());
        }
        let (mut depth, mut quote, mut part, mut found) = (0_i32, None, String::new(), Vec::new());
        for char in values.chars() {
            match (char, quote) {
                ('"' | '\'', None) => quote = Some(char),
                (same, Some(open)) if same == open => quote = None,
                ('[' | '{', None) => depth += 1,
                (']' | '}', None) => depth -= 1,
                (',', None) if depth == 0 => {
                    found.push(std::mem::take(&mut part));
                    continue;
                }
                _ => {}
            }
            part.push(char);
        }
        found.push(part);
        let values: Vec<String> = found.iter().map(|value| value.trim().to_owned()).collect();
        if let Some(empty) = values.iter().position(String::is_empty) {
            return Err(format!("value {} of `{path}` is empty", empty + 1));
        }
        if let Some(twice) = values.iter().enumerate().find(|(at, value)| values[..*at].contains(value)) {
            return Err(format!("`{}` stands twice among the values of `{path}`", twice.1));
        }
        Ok(Self { path: path.trim().to_owned(), values })
    }
}

/// One setting of all keys, and the policy text that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// A value a key, in the order of keys.
    pub values: Vec<String>,
    /// The policy with them.
    pub text: String,
}

impl Setting {
    /// `size.target=40%, stop.initial=2N`.
    #[must_use]
    pub fn name(&self, axes: &[Axis]) -> String {
        let pairs = axes.iter().zip(&self.values).map(|(axis, value)| format!("{}={value}", axis.path));
        pairs.collect::<Vec<_>>().join(", ")
    }
}

/// Every combination of values, the last key fastest.
pub fn settings(text: &str, axes: &[Axis]) -> Result<Vec<Setting>, edit::SetError> {
    let mut all = vec![Setting { values: Vec::new(), text: text.to_owned() }];
    for axis in axes {
        let mut next = Vec::with_capacity(all.len() * axis.values.len());
        for setting in &all {
            for value in &axis.values {
                let mut values = setting.values.clone();
                values.push(value.clone());
                next.push(Setting { values, text: edit::set(&setting.text, &axis.path, value)? });
            }
        }
        all = next;
    }
    Ok(all)
}

/// What runs are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Sharpe ratio at a zero rate.
    Sharpe,
    /// The whole return.
    Return,
    /// The least deep worst drawdown.
    Drawdown,
}

impl By {
    /// Its name in files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sharpe => "sharpe",
            Self::Return => "return",
            Self::Drawdown => "drawdown",
        }
    }

    /// The figure of a part; higher is better.
    pub fn of(self, part: &Part) -> Figure {
        match self {
            Self::Sharpe => part.sharpe,
            Self::Return => part.total_return,
            Self::Drawdown => part.drawdown,
        }
    }
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Request {
    /// The policy file's name.
    pub policy_file: String,
    /// Its text, before any value is set.
    pub policy_text: String,
    /// Keys and values.
    pub axes: Vec<Axis>,
    /// Tapes, merged by time.
    pub tapes: Vec<PathBuf>,
    /// The program, for the record.
    pub program: String,
    /// Share of the time that ranks; the rest shows what came of it.
    pub split: f64,
    /// What ranks.
    pub by: By,
    /// Threads.
    pub threads: usize,
}

/// Figures of one path over one part of the time.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Day returns.
    pub days: usize,
    /// The whole return.
    pub total_return: Figure,
    /// Sharpe ratio at a zero rate.
    pub sharpe: Figure,
    /// Annualised volatility.
    pub volatility: Figure,
    /// The deepest fall under a peak.
    pub drawdown: Figure,
}

impl Part {
    fn of(path: Path<'_>) -> Self {
        let scores = Scores::of(path, Amounts::default());
        Self {
            days: scores.days,
            total_return: scores.total_return,
            sharpe: scores.sharpe,
            volatility: scores.volatility,
            drawdown: scores.drawdown.map(|worst| worst.depth).ok_or(Missing::NeverMoved),
        }
    }
}

/// The part that ranks, the part that shows, and both together.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// Ranks.
    pub train: Part,
    /// Shows what came of it.
    pub test: Part,
    /// Both.
    pub whole: Part,
}

/// One run of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Counts from 1, in the order of settings.
    pub run: usize,
    /// A value a key.
    pub values: Vec<String>,
    /// The scaled run.
    pub scaled: Parts,
    /// Its twin.
    pub twin: Parts,
    /// Probability that the Sharpe ratio of the ranking part is more than the luck of so many trials.
    pub deflated: Figure,
    /// Executions.
    pub fills: u64,
    /// Campaigns.
    pub campaigns: u64,
    /// Whether the venue liquidated it.
    pub liquidated: bool,
    /// Rank by the ranking part, from 1; none: it has no such figure.
    pub rank: Option<usize>,
    /// Rank by the same figure of the part after it.
    pub rank_after: Option<usize>,
    moments: Result<Moments, Missing>,
}

/// A finished sweep.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// What was asked.
    pub request: Request,
    /// The tapes, as they were.
    pub tapes: Vec<TapeStamp>,
    /// First and last bar.
    pub span: (Timestamp, Timestamp),
    /// Where ranking ends.
    pub split: Timestamp,
    /// One row a setting, in their order.
    pub rows: Vec<Row>,
}

/// Runs every setting and its twin. Settings must have been checked: one with an error fails the sweep.
pub fn sweep(request: &Request, progress: &mut dyn FnMut(Share) -> ControlFlow<()>) -> Result<Sweep, Error> {
    let settings = settings(&request.policy_text, &request.axes).map_err(|error| Error::State(error.to_string()))?;
    let tapes = request.tapes.iter().map(|path| stamp(path)).collect::<Result<Vec<_>, _>>()?;
    let found = parallel(settings.len(), request.threads, progress, |at, tick| one(request, at, &settings[at], tick))?;
    let span = found.first().map_or((Timestamp::MIN, Timestamp::MIN), |(_, span)| *span);
    let mut rows: Vec<Row> = found.into_iter().map(|(row, _)| row).collect();
    let trials: Vec<_> = rows.iter().map(|row| row.moments).collect();
    for (row, figure) in rows.iter_mut().zip(deflated(&trials)) {
        row.deflated = figure;
    }
    let by = request.by;
    let train = ranks(rows.iter().map(|row| by.of(&row.scaled.train)));
    let test = ranks(rows.iter().map(|row| by.of(&row.scaled.test)));
    for ((row, rank), after) in rows.iter_mut().zip(train).zip(test) {
        (row.rank, row.rank_after) = (rank, after);
    }
    Ok(Sweep { request: request.clone(), tapes, span, split: split_of(span, request.split), rows })
}

/// Ranks from 1 for the highest; of equals the earlier. What has no figure has no rank.
fn ranks(figures: impl Iterator<Item = Figure>) -> Vec<Option<usize>> {
    let figures: Vec<Figure> = figures.collect();
    let mut order: Vec<(usize, f64)> =
        figures.iter().enumerate().filter_map(|(at, figure)| Some((at, figure.ok()?))).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut ranks = vec![None; figures.len()];
    for (rank, (at, _)) in order.into_iter().enumerate() {
        ranks[at] = Some(rank + 1);
    }
    ranks
}

/// The midnight at which ranking ends.
fn split_of((first, last): (Timestamp, Timestamp), share: f64) -> Timestamp {
    let length = (last.since(first).nanos() as f64 * share) as i64;
    (first + Duration::from_nanos(length)).floor(Duration::DAY)
}

type Found = (Row, (Timestamp, Timestamp));

fn one(
    request: &Request,
    at: usize,
    setting: &Setting,
    tick: &mut dyn FnMut(f64) -> ControlFlow<()>,
) -> Result<Found, Error> {
    let policies = [run::checked(&setting.text)?];
    let mut pass = |half: f64, variant| {
        let mut told = |progress: Progress| tick(half + 0.5 * progress.done as f64 / progress.total.max(1) as f64);
        let (policies, keep, until) = (&policies, Keep::Equity, Timestamp::MAX);
        single(What { policies, variant, keep, until }, &request.tapes, &mut told)
    };
    let scaled = pass(0.0, Variant::Scaled)?;
    let twin = pass(0.5, Variant::Twin(scaled.paths.clone()))?;
    let split = split_of(scaled.span, request.split);
    let (ours, moments) = parts(&scaled, split);
    let row = Row {
        run: at + 1,
        values: setting.values.clone(),
        scaled: ours,
        twin: parts(&twin, split).0,
        deflated: moments.map(|_| 0.0),
        fills: scaled.tables.fills.len() as u64,
        campaigns: scaled.tables.campaigns.len() as u64,
        liquidated: scaled.facts.liquidated.is_some(),
        rank: None,
        rank_after: None,
        moments,
    };
    Ok((row, scaled.span))
}

/// Figures before the split, after it, and of all; moments of the ranking part's days.
fn parts(pass: &Pass, split: Timestamp) -> (Parts, Result<Moments, Missing>) {
    let Worth { times, growth, .. } = Worth::of(&pass.tables.equity, |row| (row.equity, row.paid_in));
    let path = |from: usize, to: usize| Path { times: &times[from..to], equity: &growth[from..to] };
    let at = times.partition_point(|time| *time <= split).clamp(1, times.len());
    let train = path(0, at);
    let parts = Parts {
        train: Part::of(train),
        test: Part::of(path(at - 1, times.len())),
        whole: Part::of(path(0, times.len())),
    };
    (parts, Moments::of(&train.days()))
}

impl Sweep {
    /// Rows by rank, those without one last.
    #[must_use]
    pub fn ranked(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| (row.rank.unwrap_or(usize::MAX), row.run));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_apart() {
        let axis = |text: &str| Axis::parse(text).map(|axis| axis.values);
        assert_eq!(axis("size.target=40%, 60%").unwrap(), ["40%", "60%"]);
        assert_eq!(axis("ladder.at=[\"1R\", \"2R\"],['3R']").unwrap(), ["[\"1R\", \"2R\"]", "['3R']"]);
        assert_eq!(axis("name=\"a,b\",c").unwrap(), ["\"a,b\"", "c"]);
        for bad in ["", "x", "x=", "=1", "x=1,,2", "x=1,1"] {
            assert!(axis(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_are_every_combination() {
        let axes = [Axis::parse("size.fraction=1,2").unwrap(), Axis::parse("trade.buffer=5%,10%,20%").unwrap()];
        let all = settings("[size]\nfraction = 0.5\n", &axes).unwrap();
        assert_eq!(all.len(), 6);
        assert_eq!(all[1].name(&axes), "size.fraction=1, trade.buffer=10%");
        assert!(all[5].text.contains("fraction = 2\n") && all[5].text.contains("buffer = \"20%\""));
    }

    #[test]
    fn ranks_leave_out_what_has_no_figure() {
        let figures = [Ok(1.0), Err(Missing::NeverMoved), Ok(3.0), Ok(1.0)];
        assert_eq!(ranks(figures.into_iter()), [Some(2), None, Some(1), Some(3)]);
    }
}
