//! What the market traded, and what caps on participation and on the time to exit make of it: counted anew from the tapes and the fills.

use super::Walk;
use crate::audit::finding::{At, shown};
use crate::audit::seat::{Grown, Seat};
use crate::records::PlanRow;
use market::Bar;
use policy::Policy;
use std::collections::BTreeMap;
use units::{Contract, Duration, Qty, Timestamp};

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
        let Some(windows) = self.markets[*market].volume.by.get(&cap.window) else { return };
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
            let most = behind.clone().filter_map(|out| windows.recent(plan.time, cap.window, out)).fold(0.0, f64::max);
            let fits = change + own <= share * most * (1.0 + 1e-9) + 1e-7;
            self.found.ensure("cap.participation", fits, at, || {
                format!("{change} more beside {own} of this window, where {most} were traded in the one before")
            });
        }
        let Some(exit) = cap.exit else { return };
        let count = (exit.usual.nanos() / cap.window.nanos()) as usize;
        let usual = behind.filter_map(|out| windows.usual(count, cap.window, out)).reduce(f64::max);
        let time = if grows { exit.restore } else { exit.limit };
        let most = usual.map(|usual| usual * share * time.nanos() as f64 / cap.window.nanos() as f64);
        // What nobody knows cuts nothing.
        let fits = most.map_or(!grows, |most| target.abs() <= most * (1.0 + 1e-9) + 1e-7);
        self.found.ensure("cap.exit_time", fits, at, || {
            format!("{target} is to be held, and {} could be got rid of in time", shown(most))
        });
    }
}
