//! What waits to be polled. A plan is large, and filled where it will be read: what is handed out is shared, and used again for a later
//! plan once nobody holds it any more, so that a decision neither copies a plan nor allocates.

use crate::{Notice, Output, Plan, Purpose};
use arrayvec::ArrayVec;
use market::Command;
use std::collections::VecDeque;
use std::sync::Arc;
use units::StrategyId;

/// Outputs in the order in which they came about.
#[derive(Debug)]
pub(crate) struct Outputs {
    order: VecDeque<Output>,
    /// Plans made earlier, handed out since or still waiting, the oldest first.
    made: ArrayVec<Arc<Plan>, MADE_MAX>,
}

/// So many earlier plans are looked through for one that nobody holds.
const MADE_MAX: usize = 4;

impl Default for Outputs {
    /// With room for what one decision makes, so that none allocates.
    fn default() -> Self {
        Self { order: VecDeque::with_capacity(64), made: ArrayVec::new() }
    }
}

impl Outputs {
    /// A decision whose outcome changed: `fill` writes all of it.
    pub(crate) fn keep(&mut self, fill: impl FnOnce(&mut Plan)) {
        let free = self.made.iter().position(|plan| Arc::strong_count(plan) == 1);
        let mut plan = free.map(|at| self.made.remove(at)).unwrap_or_default();
        // Always: nobody else holds it.
        if let Some(plan) = Arc::get_mut(&mut plan) {
            fill(plan);
        }
        if self.made.is_full() {
            self.made.remove(0);
        }
        self.made.push(Arc::clone(&plan));
        self.order.push_back(Output::Plan(plan));
    }

    /// Something to do at a venue.
    pub(crate) fn send(&mut self, command: Command, purpose: Purpose, strategy: StrategyId) {
        self.order.push_back(Output::Command { command, purpose, strategy });
    }

    /// Something worth telling.
    pub(crate) fn tell(&mut self, notice: Notice) {
        self.order.push_back(Output::Notice(notice));
    }

    /// The next in order.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Output> {
        self.order.pop_front()
    }
}
