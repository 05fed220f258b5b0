//! Which column is meant: by the flag, else by its name.

use crate::ImportError;
use crate::source::Source;
use units::Timestamp;

/// Columns named by the user. What is `None` is recognised by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnMap {
    /// `--time-column`
    pub time: Option<String>,
    /// `--open-column`
    pub open: Option<String>,
    /// `--high-column`
    pub high: Option<String>,
    /// `--low-column`
    pub low: Option<String>,
    /// `--close-column`
    pub close: Option<String>,
    /// `--volume-column`
    pub volume: Option<String>,
    /// `--rate-column`
    pub rate: Option<String>,
    /// `--column`: the values of a series.
    pub value: Option<String>,
    /// `--where COLUMN=VALUE`: take only the rows in which this column holds this text.
    pub only: Option<(String, String)>,
    /// `--no-header`: the first line is a row already.
    pub no_header: bool,
    /// `--day`: integers in the time column are milliseconds since the midnight that began this day.
    pub day: Option<Timestamp>,
}

impl ColumnMap {
    /// What was named, by the flags that name it.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, String)> {
        let columns = [
            ("time-column", &self.time),
            ("open-column", &self.open),
            ("high-column", &self.high),
            ("low-column", &self.low),
            ("close-column", &self.close),
            ("volume-column", &self.volume),
            ("rate-column", &self.rate),
            ("column", &self.value),
        ];
        let columns = columns.into_iter().filter_map(|(flag, name)| Some((flag, name.clone()?)));
        let only = self.only.iter().map(|(column, text)| ("where", format!("{column}={text}")));
        let day = self.day.iter().map(|day| ("day", day.to_string()));
        columns
            .chain(only)
            .chain(self.no_header.then(|| ("no-header", "true".to_owned())))
            .chain(day)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

const TIMES: [&str; 19] = [
    "date",
    "ts",
    "time",
    "datetime",
    "timestamp",
    "block_timestamp",
    "t",
    "epoch",
    "unix",
    "unix_time",
    "unix_timestamp",
    "start",
    "start_time",
    "period_start",
    "funding_time",
    "fundingtime",
    "calc_time",
    "time_period_start",
    "date_time",
];
const OPEN_TIMES: [&str; 4] = ["open_time", "opentime", "open_ts", "open_timestamp"];
const CLOSE_TIMES: [&str; 6] = ["close_time", "closetime", "close_ts", "close_timestamp", "end_time", "period_end"];
const OPEN: [&str; 3] = ["open", "o", "open_price"];
const HIGH: [&str; 3] = ["high", "h", "high_price"];
const LOW: [&str; 3] = ["low", "l", "low_price"];
const CLOSE: [&str; 3] = ["close", "c", "close_price"];
const VOLUME: [&str; 7] = ["volume", "vol", "v", "base_volume", "volume_base", "volumefrom", "volume_from"];

/// Which of the two ends of a bar a time column may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimesOf {
    Opens,
    Closes,
    Instants,
}

/// The columns that may hold the time: the one named, or all that are called like one.
pub(crate) fn times(source: &Source, map: &ColumnMap, of: TimesOf) -> Result<Vec<usize>, ImportError> {
    if let Some(name) = &map.time {
        return named(source, name, "--time-column").map(|index| vec![index]);
    }
    let is_time = |name: &str| {
        let name = normal(name);
        let stem = without_unit(&name);
        TIMES.contains(&stem)
            || map.day.is_some() && stem == "ms"
            || of != TimesOf::Closes && OPEN_TIMES.contains(&stem)
            || of == TimesOf::Closes && CLOSE_TIMES.contains(&stem)
    };
    let found: Vec<usize> = positions(source, is_time).collect();
    if found.is_empty() { Err(none(source, "time", "--time-column")) } else { Ok(found) }
}

/// The four price columns, and the volume if there is one.
pub(crate) fn prices(source: &Source, map: &ColumnMap) -> Result<([usize; 4], Option<usize>), ImportError> {
    let price = |name: &Option<String>, known: &[&str], what, flag| match name {
        Some(name) => named(source, name, flag),
        None => recognised(source, known).ok_or_else(|| none(source, what, flag)),
    };
    let prices = [
        price(&map.open, &OPEN, "open", "--open-column")?,
        price(&map.high, &HIGH, "high", "--high-column")?,
        price(&map.low, &LOW, "low", "--low-column")?,
        price(&map.close, &CLOSE, "close", "--close-column")?,
    ];
    let volume = match &map.volume {
        Some(name) => Some(named(source, name, "--volume-column")?),
        None => recognised(source, &VOLUME),
    };
    Ok((prices, volume))
}

/// The column of funding rates.
pub(crate) fn rate(source: &Source, map: &ColumnMap) -> Result<usize, ImportError> {
    const FLAG: &str = "--rate-column";
    if let Some(name) = &map.rate {
        return named(source, name, FLAG);
    }
    let is_rate = |name: &str| {
        let name = normal(name);
        (name.contains("rate") || name.contains("funding"))
            && !["time", "date", "interval", "predicted", "next"].iter().any(|other| name.contains(other))
    };
    let found: Vec<usize> = positions(source, is_rate).collect();
    match found.as_slice() {
        [] => Err(none(source, "funding rate", FLAG)),
        [one] => Ok(*one),
        _ => Err(several(source, &found, "the funding rate", FLAG)),
    }
}

/// The column that says what a rate pays for, in hours.
pub(crate) fn interval_hours(source: &Source) -> Option<usize> {
    recognised(source, &["funding_interval_hours", "fundingintervalhours", "interval_hours"])
}

/// A column by the name that a user gave, whatever its case.
pub(crate) fn named(source: &Source, name: &str, flag: &str) -> Result<usize, ImportError> {
    let exact = source.columns.iter().position(|column| column == name);
    let folded = || source.columns.iter().position(|column| column.eq_ignore_ascii_case(name));
    // Where the file names no columns, their numbers do.
    let number =
        || name.parse().ok().filter(|number| source.headless.is_some() && (1..=source.columns.len()).contains(number));
    exact.or_else(folded).or_else(|| number().map(|number: usize| number - 1)).ok_or_else(|| {
        ImportError::column(
            &source.path,
            "column-missing",
            format!("has no column `{name}` (`{flag}`); it has {}", list(source)),
        )
    })
}

/// Several columns could be meant.
pub(crate) fn several(source: &Source, found: &[usize], what: &str, flag: &str) -> ImportError {
    let names: Vec<String> =
        found.iter().filter_map(|index| source.columns.get(*index)).map(|name| format!("`{name}`")).collect();
    ImportError::column(
        &source.path,
        "column-ambiguous",
        format!("has several columns for {what}: {}; say which with `{flag} NAME`", names.join(", ")),
    )
}

fn none(source: &Source, what: &str, flag: &str) -> ImportError {
    let columns = list(source);
    ImportError::column(
        &source.path,
        "column-missing",
        format!("has no column known as {what}; name one with `{flag} NAME`; it has {columns}"),
    )
}

pub(crate) fn recognised(source: &Source, known: &[&str]) -> Option<usize> {
    // The names stand in order of preference: `volume` before `volumefrom`.
    known.iter().find_map(|known| source.columns.iter().position(|name| normal(name) == *known))
}

fn positions(source: &Source, fits: impl Fn(&str) -> bool) -> impl Iterator<Item = usize> {
    source.columns.iter().enumerate().filter(move |(_, name)| fits(name)).map(|(index, _)| index)
}

pub(crate) fn list(source: &Source) -> String {
    const NAMED_MAX: usize = 30;
    let mut names: Vec<String> = source.columns.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
    if let more @ 1.. = source.columns.len().saturating_sub(NAMED_MAX) {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

fn normal(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-', '.'], "_")
}

/// `open_time_us` without its `_us`: the unit is judged by magnitude.
fn without_unit(name: &str) -> &str {
    let units = ["_utc", "_s", "_sec", "_seconds", "_ms", "_millis", "_us", "_micros", "_ns", "_nanos", "_iso"];
    units.iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name)
}
