//! From values to pixels: linear, logarithmic and time axes with round ticks.

use units::math::ln;
use units::{Duration, Timestamp};

/// An axis from a domain of values to a range of pixels (which may run backwards: y grows downwards).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    domain: (f64, f64),
    range: (f64, f64),
    log: bool,
}

impl Axis {
    pub(super) fn linear(domain: (f64, f64), range: (f64, f64)) -> Self {
        let widened = if domain.1 > domain.0 { domain } else { (domain.0 - 0.5, domain.0 + 0.5) };
        Self { domain: widened, range, log: false }
    }

    /// Logarithmic; the domain must be positive.
    pub(super) fn log(domain: (f64, f64), range: (f64, f64)) -> Self {
        let low = domain.0.max(1e-9);
        Self { domain: (low, domain.1.max(low * 1.0001)), range, log: true }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let place = |v: f64| if self.log { ln(v.max(1e-9)) } else { v };
        let (low, high) = (place(self.domain.0), place(self.domain.1));
        self.range.0 + (place(value) - low) / (high - low) * (self.range.1 - self.range.0)
    }

    pub(super) fn contains(&self, value: f64) -> bool {
        (self.domain.0..=self.domain.1).contains(&value)
    }

    pub(super) fn range(&self) -> (f64, f64) {
        self.range
    }

    /// Round values inside the domain, about `wanted` of them, and the decimal places they need.
    pub(super) fn ticks(&self, wanted: usize) -> (Vec<f64>, usize) {
        if self.log && self.domain.1 / self.domain.0 > 3.0 { self.log_ticks(wanted) } else { self.linear_ticks(wanted) }
    }

    fn linear_ticks(&self, wanted: usize) -> (Vec<f64>, usize) {
        let rough = (self.domain.1 - self.domain.0) / wanted.max(1) as f64;
        let (mut step, mut decimals) = (1.0, 0_usize);
        while step > rough {
            step /= 10.0;
            decimals += 1;
        }
        while step * 10.0 <= rough {
            step *= 10.0;
        }
        let factor = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|factor| step * factor >= rough).unwrap_or(10.0);
        let step_size = step * factor;
        if factor == 2.5 && step <= 1.0 {
            decimals += 1;
        } else if factor == 10.0 {
            decimals = decimals.saturating_sub(1);
        }
        let first = (self.domain.0 / step_size - 1e-9).ceil() as i64;
        let last = (self.domain.1 / step_size + 1e-9).floor() as i64;
        ((first..=last).map(|at| at as f64 * step_size).collect(), decimals)
    }

    fn log_ticks(&self, wanted: usize) -> (Vec<f64>, usize) {
        let mut all = Vec::new();
        for power in -6..12 {
            let base = units::math::pow(10.0, f64::from(power));
            all.extend([1.0, 1.5, 2.0, 3.0, 5.0, 7.0].map(|factor| factor * base));
        }
        all.retain(|value| self.contains(*value));
        let every = all.len().div_ceil(wanted.max(1)).max(1);
        let ticks: Vec<f64> = all.into_iter().step_by(every).collect();
        let small = ticks.first().copied().unwrap_or(1.0);
        let halves = ticks.iter().any(|value| *value < 10.0 && value.fract() != 0.0);
        (ticks, if small < 1.0 { 2 } else { usize::from(halves) })
    }
}

/// The smallest and largest of finite values. `None` if there are none.
pub(super) fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|value| value.is_finite()).fold(None, |seen, value| match seen {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

/// A tick on the time axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimeTick {
    pub(super) time: i64,
    pub(super) label: String,
    /// Starts a larger unit (a day among hours, a year among months): drawn stronger.
    pub(super) major: bool,
}

/// Round instants between two times, at most `most` of them.
pub(super) fn time_ticks(start: i64, end: i64, most: usize) -> Vec<TimeTick> {
    let span = (end - start).max(1);
    let hour = Duration::HOUR.nanos();
    for hours in [1, 2, 3, 6, 12, 24, 48, 120, 168] {
        let step = hours * hour;
        if span / step < most as i64 {
            return if hours > 24 { days(start, end, hours / 24) } else { hours_of(start, end, step) };
        }
    }
    for months in [1, 2, 3, 6, 12, 24, 60, 120] {
        let ticks = months_of(start, end, months);
        if ticks.len() <= most {
            return ticks;
        }
    }
    Vec::new()
}

fn hours_of(start: i64, end: i64, step: i64) -> Vec<TimeTick> {
    let first = start + (-start).rem_euclid(step);
    let at = |time: i64| {
        let stamp = Timestamp::from_nanos(time);
        let midnight = time.rem_euclid(Duration::DAY.nanos()) == 0;
        let label =
            if midnight { short_day(stamp) } else { stamp.to_string().get(11..16).unwrap_or_default().to_owned() };
        TimeTick { time, label, major: midnight && step < Duration::DAY.nanos() }
    };
    (0..).map(|n| first + n * step).take_while(|time| *time <= end).map(at).collect()
}

/// Every so many days of each month, counted from its first, so that labels repeat from month to month.
fn days(start: i64, end: i64, step: i64) -> Vec<TimeTick> {
    let day = Duration::DAY.nanos();
    let first = start + (-start).rem_euclid(day);
    let mut ticks = Vec::new();
    for time in (0..).map(|n| first + n * day).take_while(|time| *time <= end) {
        let stamp = Timestamp::from_nanos(time);
        let of_month: i64 = stamp.date().get(8..).and_then(|text| text.parse().ok()).unwrap_or(1);
        let crowded = of_month + step / 2 > 31 && of_month > 1;
        if (of_month - 1) % step == 0 && !crowded {
            ticks.push(TimeTick { time, label: short_day(stamp), major: of_month == 1 });
        }
    }
    ticks
}

fn months_of(start: i64, end: i64, step: i64) -> Vec<TimeTick> {
    let year = |time: i64| Timestamp::from_nanos(time).date().get(..4).and_then(|text| text.parse::<i64>().ok());
    let (Some(first), Some(last)) = (year(start), year(end)) else { return Vec::new() };
    let mut ticks = Vec::new();
    for month in (first * 12..last * 12 + 12).filter(|month| month % step == 0) {
        let (year, of_year) = (month / 12, month % 12);
        let Ok(stamp) = format!("{year:04}-{:02}-01", of_year + 1).parse::<Timestamp>() else { continue };
        if (start..=end).contains(&stamp.nanos()) {
            let name = short_day(stamp);
            let label = if of_year == 0 { year.to_string() } else { name.get(2..).unwrap_or_default().to_owned() };
            ticks.push(TimeTick { time: stamp.nanos(), label, major: of_year == 0 });
        }
    }
    ticks
}

/// `10 Oct`.
pub(super) fn short_day(time: Timestamp) -> String {
    let day = units::show::day(time);
    day.rsplit_once(' ').map_or(day.clone(), |(short, _)| short.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().nanos()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let shown = |low, high| Axis::linear((low, high), (0.0, 1.0)).ticks(5);
        assert_eq!(shown(0.0, 1.0), (vec![0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0], 1));
        assert_eq!(shown(-35.0, 0.0).0, [-30.0, -20.0, -10.0, 0.0]);
        assert_eq!(shown(0.0, 1.2).1, 2, "quarters need two places");
        assert_eq!(shown(104_582.0, 126_199.0).0, [105_000.0, 110_000.0, 115_000.0, 120_000.0, 125_000.0]);
        let (ticks, decimals) = Axis::log((0.9, 4.5), (0.0, 1.0)).ticks(6);
        assert_eq!((ticks, decimals), (vec![1.0, 1.5, 2.0, 3.0], 1));
    }

    #[test]
    fn time_ticks_fall_on_the_calendar() {
        let labels = |start, end, most| {
            time_ticks(at(start), at(end), most).into_iter().map(|tick| tick.label).collect::<Vec<_>>()
        };
        assert_eq!(
            labels("2025-10-10T15:20:00Z", "2025-10-11T03:20:00Z", 8),
            ["16:00", "18:00", "20:00", "22:00", "11 Oct", "02:00"]
        );
        assert_eq!(labels("2025-10-01", "2025-10-31", 8), ["1 Oct", "6 Oct", "11 Oct", "16 Oct", "21 Oct", "26 Oct"]);
        assert_eq!(labels("2023-01-01", "2025-12-31", 8), ["2023", "Jul", "2024", "Jul", "2025", "Jul"]);
    }

    #[test]
    fn a_flat_domain_has_a_scale() {
        let axis = Axis::linear((3.0, 3.0), (100.0, 0.0));
        assert_eq!(axis.at(3.0), 50.0);
        assert!(Axis::log((0.0, 0.0), (0.0, 1.0)).at(0.0).is_finite());
        assert_eq!(extent([f64::NAN]), None);
    }
}
