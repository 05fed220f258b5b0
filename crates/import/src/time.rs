//! Times as sources write them.

use crate::cell::Cell;
use std::fmt;
use units::{Duration, Timestamp};

/// The unit of an integer time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl TimeUnit {
    /// Judged by magnitude, never by a name: each unit covers the years 1973 to 5138 alone.
    pub(crate) fn of(value: i64) -> Option<Self> {
        match value.unsigned_abs() {
            0..100_000_000 => None,
            100_000_000..100_000_000_000 => Some(Self::Seconds),
            100_000_000_000..100_000_000_000_000 => Some(Self::Milliseconds),
            100_000_000_000_000..100_000_000_000_000_000 => Some(Self::Microseconds),
            _ => Some(Self::Nanoseconds),
        }
    }

    /// What a column's name claims, such as `open_time_us`.
    pub(crate) fn claimed_by(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().rsplit_once('_')?.1 {
            "s" | "sec" | "secs" | "seconds" => Some(Self::Seconds),
            "ms" | "millis" => Some(Self::Milliseconds),
            "us" | "micros" => Some(Self::Microseconds),
            "ns" | "nanos" => Some(Self::Nanoseconds),
            _ => None,
        }
    }

    fn nanos(self) -> i64 {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
            Self::Nanoseconds => 1,
        }
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        })
    }
}

/// Reads the times of one column. An integer column keeps the unit of its first row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TimeReader {
    unit: Option<TimeUnit>,
    /// Where integers are milliseconds since the midnight that began this day.
    day: Option<Timestamp>,
    /// Whether a time was read that has its day.
    is_dated: bool,
}

impl TimeReader {
    /// A reader of times since 1970, or of milliseconds since the midnight that began `day`.
    pub(crate) fn new(day: Option<Timestamp>) -> Self {
        Self { day, ..Self::default() }
    }

    /// The unit found, where the column holds integers.
    pub(crate) fn unit(self) -> Option<TimeUnit> {
        self.unit
    }

    /// Whether a day was given for times that have their own.
    pub(crate) fn ignores_day(self) -> bool {
        self.day.is_some() && self.is_dated
    }

    /// The instant in a cell, or `None` if there is none.
    pub(crate) fn read(&mut self, cell: Cell<'_>) -> Option<Timestamp> {
        match cell {
            Cell::Time(time) => self.dated(Some(time)),
            Cell::Int(value) => self.integer(value),
            Cell::Double(value) => self.double(value),
            Cell::Text(text) => self.text(text.trim()),
            Cell::Empty | Cell::Decimal(..) => None,
        }
    }

    fn integer(&mut self, value: i64) -> Option<Timestamp> {
        if let Some(day) = self.day {
            let inside = (0..=86_400_000).contains(&value);
            return inside.then(|| day + Duration::from_nanos(value * 1_000_000));
        }
        let unit = TimeUnit::of(value)?;
        if *self.unit.get_or_insert(unit) != unit {
            return None;
        }
        value.checked_mul(unit.nanos()).map(Timestamp::from_nanos)
    }

    /// Whole numbers as integers; a fraction of a second is kept to the microsecond, which is what a double holds.
    fn double(&mut self, value: f64) -> Option<Timestamp> {
        if !value.is_finite() || value.abs() >= 9e18 {
            return None;
        }
        let whole = self.integer(value.trunc() as i64)?;
        let micros = (value.fract() * 1e6).round() as i64;
        if micros == 0 || self.unit != Some(TimeUnit::Seconds) {
            return Some(whole);
        }
        whole.nanos().checked_add(micros * 1_000).map(Timestamp::from_nanos)
    }

    fn text(&mut self, text: &str) -> Option<Timestamp> {
        if self.day.is_none()
            && let Some(time) = compact_date(text)
        {
            return self.dated(Some(time));
        }
        if let Ok(value) = text.parse::<i64>() {
            return self.integer(value);
        }
        if let Ok(value) = text.parse::<f64>() {
            return self.double(value);
        }
        self.dated(text.strip_suffix(" UTC").unwrap_or(text).parse().ok())
    }

    fn dated(&mut self, time: Option<Timestamp>) -> Option<Timestamp> {
        self.is_dated |= time.is_some();
        time
    }
}

/// `20141201` and `20141201 00:00`: eight digits are a date, for no unit puts so small an integer into a market's time.
fn compact_date(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(8)?;
    if !date.bytes().all(|byte| byte.is_ascii_digit()) || !(rest.is_empty() || rest.starts_with([' ', 'T'])) {
        return None;
    }
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    format!("{year}-{month}-{day}{rest}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cell: Cell<'_>) -> Option<String> {
        TimeReader::default().read(cell).map(|time| time.to_string())
    }

    #[test]
    fn integers_are_judged_by_magnitude() {
        for value in [1_759_276_800, 1_759_276_800_000, 1_759_276_800_000_000, 1_759_276_800_000_000_000] {
            assert_eq!(read(Cell::Int(value)).unwrap(), "2025-10-01T00:00:00Z", "{value}");
            assert_eq!(read(Cell::Text(&value.to_string())).unwrap(), "2025-10-01T00:00:00Z", "{value}");
        }
        assert_eq!(read(Cell::Int(0)), None);
        assert_eq!(read(Cell::Int(86_400_000)), None);
        assert_eq!(read(Cell::Double(1_759_276_800.25)).unwrap(), "2025-10-01T00:00:00.25Z");
    }

    #[test]
    fn a_day_makes_milliseconds_of_it() {
        let mut reader = TimeReader::new("2022-12-13".parse().ok());
        let mut read = |cell| reader.read(cell).map(|time| time.to_string());
        assert_eq!(read(Cell::Int(0)).as_deref(), Some("2022-12-13T00:00:00Z"));
        assert_eq!(read(Cell::Text("28800000")).as_deref(), Some("2022-12-13T08:00:00Z"));
        assert_eq!(read(Cell::Double(86_400_000.0)).as_deref(), Some("2022-12-14T00:00:00Z"));
        assert_eq!([read(Cell::Int(-1)), read(Cell::Int(86_400_001))], [None, None]);
    }

    #[test]
    fn a_column_keeps_one_unit() {
        let mut reader = TimeReader::default();
        assert!(reader.read(Cell::Int(1_759_276_800_000)).is_some());
        assert!(reader.read(Cell::Int(1_759_276_800)).is_none());
        assert_eq!(reader.unit(), Some(TimeUnit::Milliseconds));
    }

    #[test]
    fn dates_are_utc() {
        for text in [
            "2014-12-01",
            "20141201",
            "20141201 00:00",
            "2014-12-01 00:00:00.000",
            "2014-12-01T00:00:00+00:00",
            "2014-12-01 00:00:00 UTC",
        ] {
            assert_eq!(read(Cell::Text(text)).as_deref(), Some("2014-12-01T00:00:00Z"), "{text}");
        }
        for text in ["", "Monday", "2014-13-01", "01/12/2014", "20141301"] {
            assert_eq!(read(Cell::Text(text)), None, "{text}");
        }
    }
}
