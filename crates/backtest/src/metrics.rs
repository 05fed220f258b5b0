//! Figures of one equity path: pure functions over times and equity estimates.
//!
//! Returns are simple and taken between the ends of UTC days; a point at midnight closes the day before. A day without
//! a point gives no return: the next one spans the hole. Volatility is the sample standard deviation of those returns
//! × √365; drawdown and time under water see every point. A figure that the sample cannot carry is [`Missing`], with the
//! reason, instead of a number: a month has no CAGR.

use std::fmt;
use units::math::{pow, sqrt};
use units::{Duration, Timestamp};

/// Days a year, for every annualisation.
pub const YEAR: f64 = 365.0;
/// Days of the rolling volatility whose spread is the volatility of volatility.
pub const WINDOW: usize = 63;
/// Days under which nothing is annualised but volatility: a month's return to the twelfth power is not a year's.
pub const SHORT: u32 = 90;
/// Under so many, a sample carries its size.
pub const SMALL: u32 = 30;
/// The share of days in the tail.
pub const TAIL: f64 = 0.025;

/// Why there is no figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The run has fewer days.
    NeedsDays(u32),
    /// The path never moved, so nothing can be divided by its volatility.
    NeverMoved,
    /// The account was wiped out on the way.
    WipedOut,
    /// The other path of a pair has no such figure.
    NoPair,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsDays(days) => write!(f, "needs {days} days"),
            Self::NeverMoved => f.write_str("equity never moved"),
            Self::WipedOut => f.write_str("the account was wiped out"),
            Self::NoPair => f.write_str("nothing to compare with"),
        }
    }
}

/// A figure, or why there is none.
pub type Figure = Result<f64, Missing>;

/// Times and equity of one path, equally long, times rising. The first point is the start.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    /// When.
    pub times: &'a [Timestamp],
    /// What the account was worth; where money was moved, what it would have been worth without ([`time_weighted`]).
    pub equity: &'a [f64],
}

/// What an account would have been worth had no money been moved after the first point: its returns, time-weighted.
///
/// `paid_in` is deposits less withdrawals up to each point. The profit of a step is the change of equity less what was
/// paid in. It is a return on the equity before the step and what came in during it; what goes out leaves at the step's
/// end. So neither a deposit into an empty account nor the withdrawal of everything is a profit or a loss. What stands
/// at nothing stays there, whatever is paid in later. Without flows the result is the given equity, bit by bit.
#[must_use]
pub fn time_weighted(equity: &[f64], paid_in: &[f64]) -> Vec<f64> {
    let mut worth = Vec::with_capacity(equity.len());
    let Some(first) = equity.first() else { return worth };
    worth.push(*first);
    // What a unit of equity stands for; it changes where money moves.
    let mut unit = 1.0;
    for (step, moved) in equity.windows(2).zip(paid_in.windows(2)) {
        let flow = moved[1] - moved[0];
        let before = worth.last().copied().unwrap_or_default();
        if flow != 0.0 {
            let base = step[0] + flow.max(0.0);
            let earned = if base > 0.0 { (step[1] - flow - step[0]) / base } else { -1.0 };
            let after = (before * (1.0 + earned)).max(0.0);
            unit = if step[1] > 0.0 { after / step[1] } else { 0.0 };
            worth.push(after);
        } else {
            worth.push(if unit > 0.0 { step[1] * unit } else { before });
        }
    }
    worth
}

/// Amounts of a path in money.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Amounts {
    /// Mean of the equity, flows included.
    pub mean_equity: f64,
    /// Value traded.
    pub traded: f64,
    /// Fees and funding paid.
    pub cost: f64,
}

/// The simple return between the ends of two buckets of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Return {
    /// The end of the bucket: for a day, the midnight that closes it.
    pub end: Timestamp,
    /// The return as a fraction.
    pub value: f64,
}

/// The deepest fall under a peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawdown {
    /// As a fraction of the peak, zero or negative.
    pub depth: f64,
    /// When the peak stood.
    pub peak: Timestamp,
    /// When it was deepest.
    pub trough: Timestamp,
}

/// The return of one calendar month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Month {
    /// Its year.
    pub year: u32,
    /// From 1.
    pub month: u32,
    /// The return as a fraction.
    pub value: f64,
    /// Days with a return.
    pub days: u32,
}

/// One stay under a peak: from the peak to the return to it, or to the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// The deepest point, as a negative fraction of the peak.
    pub depth: f64,
    /// When the peak stood.
    pub peak: Timestamp,
    /// When it was deepest.
    pub trough: Timestamp,
    /// When equity stood at the peak again; none: it did not.
    pub recovered: Option<Timestamp>,
}

/// How much the rolling volatility itself moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VolOfVol {
    /// Standard deviation of the rolling figure, as a fraction: `0.062` is 6.2 percentage points.
    pub spread: f64,
    /// The same over the mean of the rolling figure.
    pub of_mean: f64,
}

impl Path<'_> {
    /// Returns between the ends of UTC-aligned buckets of `step`.
    #[must_use]
    pub fn returns(&self, step: Duration) -> Vec<Return> {
        let closes = |time: Timestamp| (time - Duration::from_nanos(1)).floor(step) + step;
        let mut returns = Vec::new();
        let points: Vec<_> = self.times.iter().copied().zip(self.equity.iter().copied()).collect();
        let Some(&(_, mut before)) = points.first() else { return returns };
        for (at, &(time, equity)) in points.iter().enumerate().skip(1) {
            let end = closes(time);
            if points.get(at + 1).is_some_and(|next| closes(next.0) == end) {
                continue;
            }
            let value = if before > 0.0 { equity / before - 1.0 } else { 0.0 };
            returns.push(Return { end, value });
            before = equity;
        }
        returns
    }

    /// Returns of UTC days.
    #[must_use]
    pub fn days(&self) -> Vec<Return> {
        self.returns(Duration::DAY)
    }

    /// The length of the path.
    #[must_use]
    pub fn span(&self) -> Duration {
        match (self.times.first(), self.times.last()) {
            (Some(first), Some(last)) => last.since(*first),
            _ => Duration::ZERO,
        }
    }

    /// Whether the path is too short to annualise anything but volatility.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.span().days() < f64::from(SHORT)
    }

    /// The whole return.
    pub fn total_return(&self) -> Figure {
        match (self.equity.first(), self.equity.last()) {
            (Some(first), Some(last)) if *first > 0.0 => Ok(last / first - 1.0),
            _ => Err(Missing::WipedOut),
        }
    }

    /// Compound annual growth rate.
    pub fn cagr(&self) -> Figure {
        if self.is_short() {
            return Err(Missing::NeedsDays(SHORT));
        }
        let growth = (1.0 + self.total_return()?).max(0.0);
        Ok(pow(growth, YEAR / self.span().days()) - 1.0)
    }

    /// Fall under the highest point so far, as a fraction, for every point.
    #[must_use]
    pub fn drawdowns(&self) -> Vec<f64> {
        let mut peak = f64::MIN;
        let under = |equity: &f64| {
            peak = peak.max(*equity);
            if peak > 0.0 { equity / peak - 1.0 } else { 0.0 }
        };
        self.equity.iter().map(under).collect()
    }

    /// The deepest of [`Self::drawdowns`]; the first of equals. `None` for an empty path.
    #[must_use]
    pub fn worst_drawdown(&self) -> Option<Drawdown> {
        let start = *self.times.first()?;
        let mut worst = Drawdown { depth: 0.0, peak: start, trough: start };
        let (mut peak, mut since) = (f64::MIN, start);
        for (time, equity) in self.times.iter().zip(self.equity) {
            if *equity > peak {
                (peak, since) = (*equity, *time);
            }
            let depth = if peak > 0.0 { equity / peak - 1.0 } else { 0.0 };
            if depth < worst.depth {
                worst = Drawdown { depth, peak: since, trough: *time };
            }
        }
        Some(worst)
    }

    /// Every stay under a peak, deepest first; of equals the earlier.
    #[must_use]
    pub fn episodes(&self) -> Vec<Episode> {
        let mut found: Vec<Episode> = Vec::new();
        let mut open: Option<Episode> = None;
        let (mut peak, mut since) = (f64::MIN, Timestamp::MIN);
        for (time, equity) in self.times.iter().zip(self.equity) {
            if *equity >= peak {
                found.extend(open.take().map(|episode| Episode { recovered: Some(*time), ..episode }));
                (peak, since) = (*equity, *time);
                continue;
            }
            let depth = if peak > 0.0 { equity / peak - 1.0 } else { 0.0 };
            let episode = open.get_or_insert(Episode { depth, peak: since, trough: *time, recovered: None });
            if depth < episode.depth {
                (episode.depth, episode.trough) = (depth, *time);
            }
        }
        found.extend(open);
        found.sort_by(|a, b| a.depth.total_cmp(&b.depth));
        found
    }

    /// Returns of UTC calendar months: year, month from 1, return, and how many days of it the path covers.
    #[must_use]
    pub fn months(&self) -> Vec<Month> {
        let mut months: Vec<Month> = Vec::new();
        let Some(mut before) = self.equity.first().copied() else { return months };
        let mut start = before;
        for day in self.days() {
            let previous = before;
            before *= 1.0 + day.value;
            // A day is named by the midnight that closes it.
            let date = (day.end - Duration::from_nanos(1)).date();
            let year = date.get(..4).and_then(|text| text.parse().ok()).unwrap_or(0);
            let month = date.get(5..7).and_then(|text| text.parse().ok()).unwrap_or(1);
            match months.last_mut().filter(|last| (last.year, last.month) == (year, month)) {
                Some(last) => last.days += 1,
                None => {
                    start = previous;
                    months.push(Month { year, month, value: 0.0, days: 1 });
                }
            }
            if let Some(last) = months.last_mut() {
                last.value = if start > 0.0 { before / start - 1.0 } else { 0.0 };
            }
        }
        months
    }

    /// The longest time from a peak until equity stood at it again, or until the end.
    #[must_use]
    pub fn longest_under_water(&self) -> Duration {
        let (mut peak, mut since, mut sunk) = (f64::MIN, Timestamp::MIN, false);
        let mut longest = Duration::ZERO;
        for (time, equity) in self.times.iter().zip(self.equity) {
            if sunk {
                longest = longest.max(time.since(since));
            }
            if *equity >= peak {
                (peak, since, sunk) = (*equity, *time, false);
            } else {
                sunk = true;
            }
        }
        longest
    }

    /// A sum of money over the path as a multiple of mean equity: a year where the path is long enough, else whole.
    pub fn rate(&self, amount: f64, mean_equity: f64) -> Figure {
        if mean_equity <= 0.0 {
            return Err(Missing::WipedOut);
        }
        let years = if self.is_short() { 1.0 } else { self.span().days() / YEAR };
        Ok(amount / mean_equity / years)
    }
}

/// The arithmetic mean; zero of nothing.
#[must_use]
pub fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    if count == 0.0 { 0.0 } else { values.sum::<f64>() / count }
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values.iter().copied());
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    sqrt(squares / (values.len() as f64 - 1.0))
}

/// Annualised volatility of returns over buckets of `step`.
pub fn volatility_of(returns: &[Return], step: Duration) -> Figure {
    if returns.len() < 2 {
        return Err(Missing::NeedsDays(2));
    }
    let values: Vec<f64> = returns.iter().map(|day| day.value).collect();
    Ok(deviation(&values) * sqrt(YEAR / step.days()))
}

/// Annualised volatility of day returns.
pub fn volatility(days: &[Return]) -> Figure {
    volatility_of(days, Duration::DAY)
}

/// The annualised volatility of each `window` of returns over buckets of `step`, at the window's end.
#[must_use]
pub fn rolling_volatility(returns: &[Return], window: usize, step: Duration) -> Vec<(Timestamp, f64)> {
    let ends = returns.windows(window.max(2));
    ends.filter_map(|part| Some((part.last()?.end, volatility_of(part, step).ok()?))).collect()
}

/// How much the [`WINDOW`]-day volatility moved.
pub fn vol_of_vol(days: &[Return]) -> Result<VolOfVol, Missing> {
    let rolling: Vec<f64> = rolling_volatility(days, WINDOW, Duration::DAY).into_iter().map(|(_, vol)| vol).collect();
    if rolling.len() < 2 {
        return Err(Missing::NeedsDays(WINDOW as u32 + 1));
    }
    let (spread, level) = (deviation(&rolling), mean(rolling.iter().copied()));
    if level > 0.0 { Ok(VolOfVol { spread, of_mean: spread / level }) } else { Err(Missing::NeverMoved) }
}

/// Sharpe ratio at a zero rate: mean over standard deviation of day returns × √365.
pub fn sharpe(days: &[Return]) -> Figure {
    let vol = volatility(days)?;
    if vol > 0.0 { Ok(mean(days.iter().map(|day| day.value)) * YEAR / vol) } else { Err(Missing::NeverMoved) }
}

/// The worst day return; the first of equals.
#[must_use]
pub fn worst_day(days: &[Return]) -> Option<Return> {
    days.iter().copied().reduce(|worst, day| if day.value < worst.value { day } else { worst })
}

/// The mean of the worst 2.5 % of days, their count rounded up. Needs 40 days: of fewer, that is less than one day.
pub fn expected_shortfall(days: &[Return]) -> Figure {
    if days.len() < 40 {
        return Err(Missing::NeedsDays(40));
    }
    let mut values: Vec<f64> = days.iter().map(|day| day.value).collect();
    values.sort_by(f64::total_cmp);
    let worst = (days.len() as f64 * TAIL).ceil() as usize;
    Ok(mean(values[..worst].iter().copied()))
}

/// The standard error of the difference of two Sharpe ratios of the same days (Jobson and Korkie, as corrected by
/// Memmel 2003), annualised. A difference under twice this is within chance.
pub fn sharpe_difference_error(left: &[Return], right: &[Return]) -> Figure {
    let count = left.len().min(right.len());
    if count < SMALL as usize {
        return Err(Missing::NeedsDays(SMALL));
    }
    let (a, b): (Vec<f64>, Vec<f64>) = left.iter().zip(right).map(|(l, r)| (l.value, r.value)).unzip();
    let (mean_a, mean_b) = (mean(a.iter().copied()), mean(b.iter().copied()));
    let (dev_a, dev_b) = (deviation(&a), deviation(&b));
    if dev_a == 0.0 || dev_b == 0.0 {
        return Err(Missing::NeverMoved);
    }
    let covariance: f64 =
        a.iter().zip(&b).map(|(x, y)| (x - mean_a) * (y - mean_b)).sum::<f64>() / (count as f64 - 1.0);
    let (rho, sharpe_a, sharpe_b) = (covariance / dev_a / dev_b, mean_a / dev_a, mean_b / dev_b);
    let spread =
        2.0 * (1.0 - rho) + 0.5 * (sharpe_a * sharpe_a + sharpe_b * sharpe_b - 2.0 * sharpe_a * sharpe_b * rho * rho);
    Ok(sqrt(spread.max(0.0) / count as f64 * YEAR))
}

/// The twin at equal volatility: computed, never run, and never tradable, because it uses the whole sample.
#[derive(Debug, Clone, PartialEq)]
pub struct EqualVol {
    /// What every step was multiplied by.
    pub constant: f64,
    /// The equity path, from the twin's first point.
    pub equity: Vec<f64>,
}

/// Every equity step of the twin times one constant, so that the whole-run volatility of UTC days is `target`.
///
/// The constant starts at the ratio of the two volatilities; because steps compound inside a day, that is off by a
/// little, and a few more divisions make the volatilities equal.
pub fn equal_volatility(twin: Path<'_>, target: f64) -> Result<EqualVol, Missing> {
    let own = volatility(&twin.days())?;
    if own <= 0.0 {
        return Err(Missing::NeverMoved);
    }
    let mut constant = target / own;
    for _ in 0..40 {
        let equity = leveraged(twin.equity, constant);
        let reached = volatility(&Path { times: twin.times, equity: &equity }.days())?;
        if reached <= 0.0 || (reached / target - 1.0).abs() < 1e-13 {
            break;
        }
        constant *= target / reached;
    }
    let equity = leveraged(twin.equity, constant);
    if equity.last().is_some_and(|last| *last <= 0.0) {
        Err(Missing::WipedOut)
    } else {
        Ok(EqualVol { constant, equity })
    }
}

/// A path whose every step is the given path's times a constant. Once at zero it stays there.
fn leveraged(equity: &[f64], constant: f64) -> Vec<f64> {
    let mut value = equity.first().copied().unwrap_or_default();
    let mut path = Vec::with_capacity(equity.len());
    path.push(value);
    for pair in equity.windows(2) {
        let step = if pair[0] > 0.0 { pair[1] / pair[0] - 1.0 } else { 0.0 };
        value = (value * (1.0 + constant * step)).max(0.0);
        path.push(value);
    }
    path
}

/// The scorecard's column for one path.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Count of day returns.
    pub days: usize,
    /// The whole return.
    pub total_return: Figure,
    /// Compound annual growth rate.
    pub cagr: Figure,
    /// Sharpe ratio at a zero rate.
    pub sharpe: Figure,
    /// Annualised volatility of UTC days.
    pub volatility: Figure,
    /// Volatility of the 63-day volatility.
    pub vol_of_vol: Result<VolOfVol, Missing>,
    /// The deepest fall under a peak.
    pub drawdown: Option<Drawdown>,
    /// The longest time under a peak.
    pub under_water: Duration,
    /// Mean of the worst 2.5 % days.
    pub shortfall: Figure,
    /// The worst day.
    pub worst_day: Option<Return>,
    /// Traded value over mean equity, a year (whole where the run is short).
    pub turnover: Figure,
    /// Fees and funding paid over mean equity, a year (whole where the run is short).
    pub cost: Figure,
}

impl Scores {
    /// All figures of a path.
    #[must_use]
    pub fn of(path: Path<'_>, amounts: Amounts) -> Self {
        let days = path.days();
        Self {
            days: days.len(),
            total_return: path.total_return(),
            cagr: path.cagr(),
            sharpe: sharpe(&days),
            volatility: volatility(&days),
            vol_of_vol: vol_of_vol(&days),
            drawdown: path.worst_drawdown(),
            under_water: path.longest_under_water(),
            shortfall: expected_shortfall(&days),
            worst_day: worst_day(&days),
            turnover: path.rate(amounts.traded, amounts.mean_equity),
            cost: path.rate(amounts.cost, amounts.mean_equity),
        }
    }

    /// The column of the twin at equal volatility: figures of its path, trading and costs times its constant.
    #[must_use]
    pub fn of_equal_vol(times: &[Timestamp], equal: &EqualVol, twin: &Self) -> Self {
        let scores = Self::of(Path { times, equity: &equal.equity }, Amounts::default());
        let scaled = |figure: &Figure| figure.map(|value| value * equal.constant);
        Self { turnover: scaled(&twin.turnover), cost: scaled(&twin.cost), ..scores }
    }
}
