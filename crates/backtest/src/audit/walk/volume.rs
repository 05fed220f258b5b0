//! What the market traded or what its book held, and what caps on participation and on the time to exit make of it: counted anew from the
//! tapes and the fills.

use super::Walk;
use crate::audit::finding::{At, shown};
use crate::audit::live::Live;
use crate::audit::seat::{Grown, Seat};
use crate::records::PlanRow;
use market::Bar;
use policy::Policy;
use std::collections::BTreeMap;
use units::{Contract, Duration, Qty, SeriesId, Timestamp};

/// Volume of an instrument by windows, for each length that a policy asks for.
#[derive(Default)]
pub(super) struct Volume {
    by: BTreeMap<Duration, Windows>,
    has_bars: bool,
}

/// All windows that the tapes told anything of.
#[derive(Default)]
struct Windows {
    all: Vec<Window>,
}

/// A window from its begin on.
struct Window {
    begin: Timestamp,
    traded: f64,
    /// It was heard from its begin on.
    is_whole: bool,
    is_over: bool,
}

impl Volume {
    /// Windows of this length are asked for.
    pub(super) fn count(&mut self, length: Duration) {
        self.by.entry(length).or_default();
    }

    pub(super) fn bar(&mut self, bar: &Bar, contract: Contract) {
        let price = if contract == Contract::Inverse { bar.close.approximate() } else { 1.0 };
        let traded = bar.volume.approximate() * price;
        for (length, windows) in &mut self.by {
            let lasts = bar.closed.since(bar.opened);
            if lasts <= *length {
                self.has_bars = true;
                let begins = bar.opened.floor(*length) == bar.opened;
                windows.hear((bar.opened, bar.closed), *length, begins, traded);
            }
        }
    }

    pub(super) fn trade(&mut self, qty: Qty, at: Timestamp) {
        if !self.has_bars {
            for (length, windows) in &mut self.by {
                windows.hear((at, at), *length, false, qty.abs().approximate());
            }
        }
    }
}

/// Depth of a book as a series records it.
pub(super) struct Depth {
    pub(super) series: SeriesId,
    readings: Vec<(Timestamp, f64)>,
}

impl Depth {
    pub(super) fn of(series: SeriesId) -> Self {
        Self { series, readings: Vec::new() }
    }

    pub(super) fn read(&mut self, at: Timestamp, depth: f64) {
        self.readings.push((at, depth.max(0.0)));
    }

    /// The last reading, if it is no older than a window; of the one before it, if it is left out.
    fn recent(&self, now: Timestamp, window: Duration, left_out: usize) -> Option<f64> {
        let (at, depth) = self.readings.iter().rev().nth(left_out)?;
        (now.since(*at) <= window).then_some(*depth)
    }

    /// The readings, the latest first, but for so many of the last.
    fn latest(&self, left_out: usize) -> impl Iterator<Item = (Timestamp, f64)> {
        self.readings.iter().rev().skip(left_out).copied()
    }
}

/// The mean of the least depths of the last windows that are over, of whichever side: a reading after them ended them.
fn usual_depth(sides: &[&Depth], count: usize, window: Duration, left_out: usize) -> Option<f64> {
    let mut least = BTreeMap::new();
    for side in sides {
        let mut seen = 0;
        let mut begin = Timestamp::MAX;
        for (at, depth) in side.latest(left_out) {
            let of = at.floor(window);
            if of < begin {
                // The window that goes on, and enough of others.
                if seen > count {
                    break;
                }
                (begin, seen) = (of, seen + 1);
            }
            let kept = least.entry(of).or_insert(depth);
            *kept = depth.min(*kept);
        }
    }
    least.pop_last();
    let over: Vec<f64> = least.into_values().rev().take(count).collect();
    let is_enough = over.len() == count || over.len() as f64 * window.days() >= 1.0;
    let sum: f64 = over.iter().sum();
    (is_enough && sum > 0.0).then(|| sum / over.len() as f64)
}

impl Windows {
    fn hear(&mut self, (from, to): (Timestamp, Timestamp), length: Duration, begins: bool, traded: f64) {
        let begin = from.floor(length);
        if self.all.last().is_none_or(|last| last.begin < begin) {
            let follows = self.all.last().is_some_and(|last| last.begin + length == begin);
            if let Some(last) = self.all.last_mut() {
                last.is_over = true;
            }
            self.all.push(Window { begin, traded: 0.0, is_whole: begins || follows, is_over: false });
        }
        if let Some(last) = self.all.last_mut() {
            last.traded += traded;
            last.is_over |= to >= last.begin + length;
        }
    }

    /// The whole ones before a time that ended and in or before which anything was traded, the latest first.
    fn whole(&self) -> impl Iterator<Item = &Window> {
        let first = self.all.iter().position(|window| window.traded > 0.0).unwrap_or(self.all.len());
        self.all[first..].iter().rev().filter(|window| window.is_whole && window.is_over)
    }

    /// What was traded in the last whole one, if that ended no longer ago than one lasts; of the one before it, if it is left out.
    fn recent(&self, now: Timestamp, length: Duration, left_out: usize) -> Option<f64> {
        let last = self.whole().nth(left_out)?;
        (now.since(last.begin + length) <= length).then_some(last.traded)
    }

    /// The mean of the last of them.
    fn usual(&self, count: usize, length: Duration, left_out: usize) -> Option<f64> {
        let (mut sum, mut found) = (0.0, 0_usize);
        for window in self.whole().skip(left_out).take(count) {
            (sum, found) = (sum + window.traded, found + 1);
        }
        let is_enough = found == count || found as f64 * length.days() >= 1.0;
        (found > 0 && is_enough && sum > 0.0).then(|| sum / found as f64)
    }
}

/// A fill that opens or adds counts in its window; what is told at the end of one was done in it.
pub(super) fn grow(seat: &mut Seat, policy: &Policy, (before, after): (Qty, Qty), at: Timestamp) {
    let Some(cap) = policy.caps.participation else { return };
    let window = (at - Duration::from_nanos(1)).floor(cap.window);
    let last = seat.grown.last().copied();
    let last = last.unwrap_or(Grown { at: Timestamp::MIN, held: before, window: Timestamp::MIN, qty: 0.0 });
    if last.at < at {
        seat.grown.clear();
        seat.grown.push(Grown { held: before, ..last });
    }
    let turned = before.signum() * after.signum() <= 0;
    let more = after.abs().approximate() - if turned { 0.0 } else { before.abs().approximate() };
    let now = if more > 0.0 {
        let so_far = if last.window == window { last.qty } else { 0.0 };
        Grown { at, held: after, window, qty: so_far + more }
    } else {
        Grown { at, held: after, ..last }
    };
    seat.grown.push(now);
}

impl Walk<'_> {
    /// What a plan opens and adds is within the share of what was traded, and what it holds can be got rid of in time. A plan on news
    /// that came before the market's own of the same time goes by the window before.
    pub(super) fn liquidity(&mut self, seat: usize, plan: &PlanRow, at: At<'_>) {
        let Some(cap) = self.policies[self.seats[seat].strategy].caps.participation else { return };
        let Some(market) = self.by_symbol.get(&*plan.instrument) else { return };
        let names = self.policies[self.seats[seat].strategy].depth_series(&plan.instrument);
        let sides: Vec<&Depth> = names.filter_map(|name| self.depths.get(&*name)).collect();
        let windows = self.markets[*market].volume.by.get(&cap.window);
        let recent = |left_out| match sides.is_empty() {
            true => windows?.recent(plan.time, cap.window, left_out),
            false => {
                sides.iter().map(|side| side.recent(plan.time, cap.window, left_out)).reduce(|a, b| Some(a?.min(b?)))?
            }
        };
        let usual = |count, left_out| match sides.is_empty() {
            true => windows?.usual(count, cap.window, left_out),
            false => usual_depth(&sides, count, cap.window, left_out),
        };
        let (target, held) = (plan.target.approximate(), plan.position.approximate());
        let grows = !plan.target.is_zero() && (target.abs() > held.abs() || target * held <= 0.0);
        let change = target.abs() - if target * held > 0.0 { held.abs() } else { 0.0 };
        // Fills of the plan's own time may have come after it: what it held tells.
        let grown = &self.seats[seat].grown;
        let grown = grown.iter().rfind(|grown| grown.held == plan.position).or(grown.last());
        let own = grown.filter(|grown| grown.window == plan.time.floor(cap.window)).map_or(0.0, |grown| grown.qty);
        let share = cap.share.get();
        let behind = 0..=usize::from(self.has_news);
        if grows {
            let most = behind.clone().filter_map(recent).fold(0.0, f64::max);
            // What was sent before cannot be had back.
            let before = |order: &&Live| order.seat == Some(seat) && order.is_market() && order.id.0 < plan.plan;
            let sent = self.markets[*market].orders.iter().filter(before).map(|order| order.signed().approximate());
            let sent = sent.sum::<f64>() * target.signum();
            let fits = change + own <= share * most * (1.0 + 1e-9) + 1e-7 || change <= sent + 1e-7;
            self.found.ensure("cap.participation", fits, at, || {
                let market = if sides.is_empty() { "traded in the one before" } else { "in the book" };
                format!("{change} more beside {own} of this window, where {most} were {market}")
            });
        }
        let Some(exit) = cap.exit else { return };
        let count = (exit.usual.nanos() / cap.window.nanos()) as usize;
        let usual = behind.filter_map(|out| usual(count, out)).reduce(f64::max);
        let time = if grows { exit.restore } else { exit.limit };
        let most = usual.map(|usual| usual * share * time.nanos() as f64 / cap.window.nanos() as f64);
        // What nobody knows cuts nothing.
        let fits = most.map_or(!grows, |most| target.abs() <= most * (1.0 + 1e-9) + 1e-7);
        self.found.ensure("cap.exit_time", fits, at, || {
            format!("{target} is to be held, and {} could be got rid of in time", shown(most))
        });
    }
}
