//! In which bars the order of the extremes could matter: the rows of a time tell how far each path has come, and what waits on it then.

use super::Walk;
use crate::audit::live::Live;
use market::{Bar, CancelReason};
use units::{Duration, Price, Side, Timestamp};

/// How far a path has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Leg {
    #[default]
    Open,
    /// Between the open and the close.
    Way,
    /// On the close, where what was sent while the bar ran works too.
    Close,
}

/// One instrument's path through the bar of now.
#[derive(Debug, Default)]
pub(super) struct Course {
    leg: Leg,
    /// Orders waited over the open; under it; one came on the way, which the other path would have met or missed.
    over: bool,
    under: bool,
    /// The rows do not tell: trades came too, something was liquidated, or payments may have come in between.
    is_unsure: bool,
}

impl Course {
    /// Whether the order of the extremes could matter.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.over && self.under
    }

    /// Whether nobody can tell from the tables.
    pub(super) fn is_unsure(&self) -> bool {
        self.is_unsure
    }

    pub(super) fn doubt(&mut self, is_unsure: bool) {
        self.is_unsure |= is_unsure;
    }

    /// Something waits at a price.
    fn note(&mut self, bar: &Bar, level: Option<Price>) {
        let Some(level) = level.filter(|level| (bar.low..=bar.high).contains(level)) else { return };
        self.over |= self.leg > Leg::Open || level > bar.open;
        self.under |= self.leg > Leg::Open || level < bar.open;
    }
}

impl Live {
    /// Whether it had arrived before a path ends.
    pub(super) fn works_before(&self, ends: Timestamp, latency: Duration) -> bool {
        let arrived = self.placed + if self.inside { Duration::ZERO } else { latency };
        arrived < ends || (self.inside && self.is_resting_stop())
    }

    /// Whether it works on a path that has come so far.
    fn works_on(&self, bar: &Bar, leg: Leg) -> bool {
        match leg {
            Leg::Open => self.sent <= bar.opened,
            Leg::Way => !self.meets_only_close(bar),
            Leg::Close => true,
        }
    }
}

impl Walk<'_> {
    /// The path of an instrument leaves its open: all that works on it waits now.
    fn leave_open(&mut self, index: usize) {
        let latency = self.policies[0].backtest.latency;
        let market = &mut self.markets[index];
        let Some(bar) = market.now.bar.filter(|_| market.now.course.leg == Leg::Open) else { return };
        for order in market.orders.iter().filter(|order| !order.cancelling && order.works_before(bar.closed, latency)) {
            if !order.meets_only_close(&bar) {
                market.now.course.note(&bar, order.wait().level());
            }
        }
        market.now.course.leg = Leg::Way;
    }

    /// Bars are walked one after the other: those before this one are at their end.
    fn leave_opens_before(&mut self, market: Option<usize>) {
        for at in 0..self.bars_now.len() {
            let index = self.bars_now[at];
            if market == Some(index) {
                return;
            }
            self.leave_open(index);
        }
    }

    /// All bars of now are walked.
    pub(super) fn leave_opens(&mut self) {
        self.leave_opens_before(None);
        self.walked = None;
    }

    /// A path has come to an order.
    pub(super) fn comes_to(&mut self, index: usize, order: &Live) {
        // Trades and quotes come behind all bars.
        let Some(bar) = self.markets[index].now.bar else { return self.leave_opens() };
        self.leave_opens_before(Some(index));
        self.walked = Some(index);
        let at_open = order.sent <= bar.opened && order.wait().meets(bar.open, bar.open);
        if !at_open {
            self.leave_open(index);
        }
        let now = &mut self.markets[index].now;
        now.course.doubt(!now.trades.is_empty());
        if now.course.leg == Leg::Way && order.meets_only_close(&bar) {
            now.course.leg = Leg::Close;
        }
    }

    /// An order came or changed in answer to what its own path did.
    pub(super) fn came_on_path(&mut self, index: usize, order: usize) {
        if self.walked != Some(index) {
            return;
        }
        let latency = self.policies[0].backtest.latency;
        let has_flows = self.tables.flows.get(self.next.flow).is_some_and(|flow| flow.time <= self.at);
        let is_paid = has_flows || self.busy.iter().any(|market| !self.markets[*market].now.funding.is_empty());
        let market = &mut self.markets[index];
        let (Some(bar), order) = (market.now.bar, &mut market.orders[order]) else { return };
        if order.inside && order.is_resting_stop() && order.placed == self.at {
            // As if it had been there from the first: what opened the position and what protects it are one.
            order.sent = Timestamp::MIN;
        }
        let course = &mut market.now.course;
        if order.works_before(bar.closed, latency) && order.works_on(&bar, course.leg) {
            let before = course.is_ambiguous();
            course.note(&bar, order.wait().level());
            course.doubt(is_paid && course.is_ambiguous() != before);
        }
    }

    /// A stop became a limit order: where the price is beyond that, it waits.
    pub(super) fn became_limit(&mut self, index: usize, order: &Live) {
        let market = &mut self.markets[index];
        let (Some(bar), Some(trigger), Some(limit)) = (market.now.bar, order.trigger, order.price) else { return };
        let here = match market.now.course.leg {
            Leg::Open => bar.open,
            Leg::Way => trigger,
            Leg::Close => bar.close,
        };
        let is_beyond = if order.side == Side::Buy { here > limit } else { here < limit };
        if is_beyond {
            market.now.course.note(&bar, Some(limit));
        }
    }

    /// The venue took an order back: for want of money where a path came to it.
    pub(super) fn taken_back(&mut self, index: usize, order: &Live, reason: &str) {
        let is = |of: &[CancelReason]| of.iter().any(|of| of.to_string() == reason);
        if is(&[CancelReason::Margin, CancelReason::Funds]) {
            self.comes_to(index, order);
        } else if is(&[CancelReason::NothingToReduce]) && self.walked != Some(index) {
            self.markets[index].now.course.doubt(true);
        }
    }
}
