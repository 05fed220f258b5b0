//! What waits to be polled. A plan is large and rare beside orders and news: each kind waits in its own queue, so that only plans are
//! moved as such.

use crate::{Notice, Output, Plan, Purpose};
use market::Command;
use std::collections::VecDeque;
use units::StrategyId;

/// Outputs in the order in which they came about.
#[derive(Debug)]
pub(crate) struct Outputs {
    order: VecDeque<Waiting>,
    plans: VecDeque<Plan>,
}

#[derive(Debug)]
enum Waiting {
    /// The first of the plans that wait.
    Plan,
    Command {
        command: Command,
        purpose: Purpose,
        strategy: StrategyId,
    },
    Notice(Notice),
}

impl Default for Outputs {
    /// With room for what one decision makes, so that none allocates.
    fn default() -> Self {
        Self { order: VecDeque::with_capacity(64), plans: VecDeque::with_capacity(2) }
    }
}

impl Outputs {
    /// A decision whose outcome changed.
    pub(crate) fn keep(&mut self, plan: Plan) {
        self.order.push_back(Waiting::Plan);
        self.plans.push_back(plan);
    }

    /// The decision that came last.
    pub(crate) fn last_plan(&mut self) -> Option<&mut Plan> {
        self.plans.back_mut()
    }

    /// Something to do at a venue.
    pub(crate) fn send(&mut self, command: Command, purpose: Purpose, strategy: StrategyId) {
        self.order.push_back(Waiting::Command { command, purpose, strategy });
    }

    /// Something worth telling.
    pub(crate) fn tell(&mut self, notice: Notice) {
        self.order.push_back(Waiting::Notice(notice));
    }

    /// The next in order.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Output> {
        match self.order.pop_front()? {
            Waiting::Plan => self.plans.pop_front().map(Output::Plan),
            Waiting::Command { command, purpose, strategy } => Some(Output::Command { command, purpose, strategy }),
            Waiting::Notice(notice) => Some(Output::Notice(notice)),
        }
    }
}
