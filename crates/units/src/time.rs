//! UTC instants and spans, in nanoseconds.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

/// An instant: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A span of time in nanoseconds; negative when it points back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(i64);

/// A text that is no UTC time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseTimeError(String);

impl fmt::Display for ParseTimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no UTC time such as `2025-10-10T21:20:00Z` or `2025-10-10`", self.0)
    }
}

impl std::error::Error for ParseTimeError {}

impl Timestamp {
    /// Before every event.
    pub const MIN: Self = Self(i64::MIN);
    /// After every event.
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds since 1970.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The span since `earlier`; saturates at the range's end.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }

    /// The last instant at or before this one that is a whole number of `step` since 1970 (UTC-aligned buckets).
    #[must_use]
    pub const fn floor(self, step: Duration) -> Self {
        Self(self.0 - self.0.rem_euclid(step.0))
    }

    /// The UTC date, `2025-10-10`.
    #[must_use]
    pub fn date(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

impl Duration {
    /// No time.
    pub const ZERO: Self = Self(0);
    /// One second.
    pub const SECOND: Self = Self(1_000_000_000);
    /// One minute.
    pub const MINUTE: Self = Self(60 * Self::SECOND.0);
    /// One hour.
    pub const HOUR: Self = Self(60 * Self::MINUTE.0);
    /// One day of 24 hours.
    pub const DAY: Self = Self(24 * Self::HOUR.0);

    /// From nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// In days of 24 hours, for estimates.
    #[must_use]
    pub fn days(self) -> f64 {
        self.0 as f64 / Self::DAY.0 as f64
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    /// Saturates at the range's end: "never" plus a day is still never.
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for Timestamp {
    /// ISO 8601, UTC, with as many decimal places of a second as there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(instant) => f.pad(&instant.to_string()),
            Err(_) => write!(f, "{} ns", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimeError;

    /// Reads `2025-10-10T21:20:00Z`, `2025-10-10 21:20:00` (taken as UTC) or `2025-10-10` (midnight UTC).
    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        let refuse = || ParseTimeError(text.to_owned());
        let instant = text.parse::<jiff::Timestamp>().or_else(|_| {
            let civil = text.parse::<jiff::civil::DateTime>().map_err(|_| refuse())?;
            jiff::tz::Offset::UTC.to_timestamp(civil).map_err(|_| refuse())
        })?;
        i64::try_from(instant.as_nanosecond()).map(Self).map_err(|_| refuse())
    }
}

impl fmt::Display for Duration {
    /// In its two largest parts: `3 d 4 h`, `14 min`, `250 ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PARTS: [(&str, i64); 6] = [
            ("d", Duration::DAY.0),
            ("h", Duration::HOUR.0),
            ("min", Duration::MINUTE.0),
            ("s", Duration::SECOND.0),
            ("ms", 1_000_000),
            ("ns", 1),
        ];
        let mut rest = self.0.saturating_abs();
        let mut text = String::from(if self.0 < 0 { "-" } else { "" });
        let mut parts = 0;
        for (name, size) in PARTS {
            let count = rest / size;
            if count > 0 && parts < 2 {
                if parts > 0 {
                    text.push(' ');
                }
                text.push_str(&format!("{count} {name}"));
                parts += 1;
            } else if parts > 0 {
                break;
            }
            rest %= size;
        }
        f.pad(if parts == 0 { "0 s" } else { &text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_shows_utc() {
        for text in ["2025-10-10T21:20:00Z", "2025-10-10 21:20:00", "2025-10-10T23:20:00+02:00"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), "2025-10-10T21:20:00Z", "{text}");
        }
        assert_eq!("2025-10-10".parse::<Timestamp>().unwrap().nanos(), 1_760_054_400_000_000_000);
        assert!("10 Oct".parse::<Timestamp>().is_err());
    }

    #[test]
    fn shows_spans_in_two_parts() {
        assert_eq!((Duration::from_nanos(Duration::DAY.0 * 3 + Duration::HOUR.0 * 4)).to_string(), "3 d 4 h");
        assert_eq!(Duration::from_nanos(250_000_000).to_string(), "250 ms");
        assert_eq!(Duration::ZERO.to_string(), "0 s");
        assert_eq!(Duration::from_nanos(-60_000_000_000).to_string(), "-1 min");
    }

    #[test]
    fn buckets_are_utc_aligned_before_1970_too() {
        assert_eq!(Timestamp::from_nanos(-1).floor(Duration::DAY).nanos(), -Duration::DAY.nanos());
    }
}
