//! Runs, and figures of their days with block-bootstrap intervals.

use super::Failed;
use backtest::metrics::{Path, Return, expected_shortfall, vol_of_vol, volatility};
use backtest::{PolicyFile, Request, Run};
use risk::growth::{Bootstrap, Dependence, Future};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use units::{Duration, Timestamp};

/// Runs a policy.
pub(super) fn run(name: &str, text: String, tapes: &[PathBuf]) -> Result<Run, Failed> {
    let policies = vec![PolicyFile::new(format!("{name}.toml"), text)];
    let request = Request { policies, tapes: tapes.to_vec(), program: "trimtab-study".into(), seed: None };
    let run =
        backtest::run(&request, &mut |_| ControlFlow::Continue(())).map_err(|error| format!("{name}: {error}"))?;
    if run.record.residual != "0" {
        return Err(format!("{name}: the money of the run does not add up").into());
    }
    Ok(run)
}

/// Pieces of work over all cores, results in their order.
pub(super) fn each<T: Send, R: Send>(
    pieces: Vec<T>,
    work: impl Fn(T) -> Result<R, Failed> + Sync,
) -> Result<Vec<R>, Failed> {
    let next = AtomicUsize::new(0);
    let pieces: Vec<Mutex<Option<T>>> = pieces.into_iter().map(|piece| Mutex::new(Some(piece))).collect();
    let results: Vec<Mutex<Option<Result<R, Failed>>>> = pieces.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..backtest::cores() {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = pieces.get(at) else { break };
                    let taken = piece.lock().ok().and_then(|mut piece| piece.take());
                    let result = taken.map(&work);
                    if let Ok(mut place) = results[at].lock() {
                        *place = result;
                    }
                }
            });
        }
    });
    let missing = || Err(Failed::from("a piece of work was not done"));
    results.into_iter().map(|place| place.into_inner().ok().flatten().unwrap_or_else(missing)).collect()
}

/// Returns of UTC days of a path.
pub(super) fn days(times: &[Timestamp], worth: &[f64]) -> Vec<f64> {
    Path { times, equity: worth }.days().iter().map(|day| day.value).collect()
}

/// What days say of a path, each as a fraction; none: too few of them.
pub(super) type Measure = fn(&[f64]) -> Option<f64>;

fn as_returns(days: &[f64]) -> Vec<Return> {
    let end = |at: usize| Timestamp::from_nanos((at as i64 + 1) * Duration::DAY.nanos());
    days.iter().enumerate().map(|(at, value)| Return { end: end(at), value: *value }).collect()
}

/// Annualised volatility.
pub(super) fn vol(days: &[f64]) -> Option<f64> {
    volatility(&as_returns(days)).ok()
}

/// Volatility of the 63-day volatility.
pub(super) fn volvol(days: &[f64]) -> Option<f64> {
    vol_of_vol(&as_returns(days)).ok().map(|found| found.spread)
}

/// Mean of the worst 2.5 % of days, as a loss.
pub(super) fn tail(days: &[f64]) -> Option<f64> {
    expected_shortfall(&as_returns(days)).ok().map(|mean| -mean)
}

/// The worst drawdown from close to close of days, as a loss.
pub(super) fn drawdown(days: &[f64]) -> Option<f64> {
    let mut future = Future::NOW;
    days.iter().for_each(|value| future.after(*value));
    (!days.is_empty()).then_some(future.worst_drawdown)
}

/// The whole return.
pub(super) fn total(days: &[f64]) -> Option<f64> {
    let mut future = Future::NOW;
    days.iter().for_each(|value| future.after(*value));
    (!days.is_empty()).then_some(future.growth - 1.0)
}

/// The resampled days of one market: the same days for every path on it, in blocks as long as returns and their swings remember each other.
pub(super) struct Draws<'a> {
    bootstrap: Bootstrap<'a>,
}

impl<'a> Draws<'a> {
    /// `days` say how long blocks are. None: too few of them, or nothing moved.
    pub(super) fn new(days: &'a [f64], seed: u64) -> Option<Self> {
        let block = Dependence::of_returns(days).ok()?.block;
        Bootstrap::new(days, block, days.len(), seed).ok().map(|bootstrap| Self { bootstrap })
    }

    /// The days of a path as draw number `index` has them.
    pub(super) fn of(&self, index: u64, days: &[f64]) -> Vec<f64> {
        let mut drawn = Vec::with_capacity(days.len());
        self.bootstrap.draw(index, |at| drawn.push(days.get(at).copied().unwrap_or_default()));
        drawn
    }
}

/// The value under which a share of the values lies; the values are put in order.
pub(super) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    values.get((share * last as f64).round() as usize).copied()
}

/// Minus signs as a page has them, and zero without one.
pub(super) fn signed(text: &str) -> String {
    let mut shown = text.to_owned();
    for digit in 0..10 {
        for before in [" ", "("] {
            shown = shown.replace(&format!("{before}-{digit}"), &format!("{before}\u{2212}{digit}"));
        }
    }
    for zero in ["0.0", "0.00"] {
        for after in [" ", ")"] {
            shown = shown.replace(&format!("\u{2212}{zero}{after}"), &format!("{zero}{after}"));
        }
    }
    shown
}
