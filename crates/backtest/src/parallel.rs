//! Independent work over threads, its results in the order of its numbers: how many threads there are changes no result.

use crate::Error;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How far parallel work has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Pieces done.
    pub finished: usize,
    /// Pieces in all.
    pub count: usize,
    /// Of the whole, begun pieces counted by their own share.
    pub done: f64,
}

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(40);
/// A piece's own share is kept in whole millionths.
const WHOLE: u64 = 1_000_000;

/// What a piece of work reports its share through, from 0 to 1; it stops when told to.
pub(crate) type Tick<'a> = dyn FnMut(f64) -> ControlFlow<()> + 'a;

/// As many threads as the machine has cores.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does pieces `0..count` on `threads` threads. The error of the lowest number that failed stops the rest.
pub(crate) fn parallel<T: Send>(
    count: usize,
    threads: usize,
    progress: &mut dyn FnMut(Share) -> ControlFlow<()>,
    work: impl Fn(usize, &mut Tick<'_>) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let (next, alive, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let shares: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
    let results: Mutex<Vec<Option<Result<T, Error>>>> = Mutex::new((0..count).map(|_| None).collect());
    let caller = thread::current();
    let worker = || {
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                break;
            }
            let share = &shares[at];
            let result = work(at, &mut |done| {
                share.store((done.clamp(0.0, 1.0) * (WHOLE - 1) as f64) as u64, Ordering::Relaxed);
                if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            share.store(WHOLE, Ordering::Relaxed);
            if result.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            if let Ok(mut results) = results.lock() {
                results[at] = Some(result);
            }
        }
        alive.fetch_sub(1, Ordering::Release);
        caller.unpark();
    };
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, count.max(1)) {
            alive.fetch_add(1, Ordering::Relaxed);
            scope.spawn(worker);
        }
        while alive.load(Ordering::Acquire) > 0 {
            thread::park_timeout(LOOK);
            let shares = || shares.iter().map(|share| share.load(Ordering::Relaxed));
            let finished = shares().filter(|share| *share == WHOLE).count();
            let done = shares().sum::<u64>() as f64 / (WHOLE * count.max(1) as u64) as f64;
            if progress(Share { finished, count, done }).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut all = Vec::with_capacity(count);
    let mut interrupted = false;
    for result in results {
        match result {
            Some(Ok(result)) => all.push(result),
            // Stopped because another failed, or on request: the failure itself says more.
            Some(Err(Error::Interrupted)) | None => interrupted = true,
            Some(Err(error)) => return Err(error),
        }
    }
    if interrupted { Err(Error::Interrupted) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go_on(_: Share) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn results_come_in_order_whatever_the_threads() {
        let squares = |threads| parallel(50, threads, &mut go_on, |at, _| Ok(at * at)).unwrap();
        assert_eq!(squares(1), squares(7));
        assert_eq!(squares(3)[7], 49);
        assert!(parallel(0, 4, &mut go_on, |at, _| Ok(at)).unwrap().is_empty());
    }

    #[test]
    fn a_failure_stops_the_rest_and_is_told() {
        let failed =
            parallel(20, 2, &mut go_on, |at, _| if at == 3 { Err(Error::State("bad".into())) } else { Ok(at) });
        assert!(matches!(failed, Err(Error::State(_))));
        let stopped = parallel(4, 2, &mut |_| ControlFlow::Break(()), |at, tick| {
            while tick(0.5).is_continue() {
                thread::yield_now();
            }
            if at < 99 { Err::<usize, _>(Error::Interrupted) } else { Ok(at) }
        });
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }
}
