//! What the venue tells: money, news of orders, executions.

use super::Engine;
use crate::{Campaign, CampaignRecord, ENGINE_RULE, Notice, Purpose};
use market::{CancelReason, CashChange, CashReason, Fill, OrderEvent, OrderUpdate, RejectReason};
use policy::Arg;
use policy::facts;
use policy::spec::StreakOver;
use units::{OrderId, Ratio};

impl Engine {
    pub(super) fn on_cash(&mut self, change: &CashChange) {
        if self.books[change.account.index()].change(change) {
            self.find_heeded();
            self.find_counts();
            self.lone.clear();
        }
        if let CashReason::Funding { instrument, position, .. } = change.reason {
            self.attribute_funding(instrument, position, change.amount);
        }
    }

    pub(super) fn on_order(&mut self, news: &OrderEvent) {
        if let OrderUpdate::Filled(fill) = &news.update
            && let Some(forced) = fill.forced
        {
            self.on_forced(news.order, fill, forced);
            return;
        }
        let Some(index) = self.scopes.iter().position(|scope| scope.working.knows(news.order)) else {
            if !self.structures.desks.is_empty() {
                self.on_leg(news);
            }
            return;
        };
        if let OrderUpdate::Filled(fill) = &news.update
            && !self.books[fill.account.index()].executions.counts(fill.execution)
        {
            return;
        }
        self.scopes[index].region.forget();
        let Some(order) = self.scopes[index].working.update(news.order, &news.update) else { return };
        self.books[self.scopes[index].account.index()].on_order();
        // What an order at the market would have taken off is covered again at once.
        let ended = matches!(news.update, OrderUpdate::Rejected(_) | OrderUpdate::Cancelled(_));
        if ended && order.kind == market::OrderKind::Market && !self.scopes[index].alone {
            self.dirty.touch(index as u32);
        }
        match &news.update {
            OrderUpdate::Filled(fill) => {
                self.books[fill.account.index()].fill(fill);
                self.on_fill(index, news.order, order.purpose, fill);
                if !self.early.is_empty() {
                    self.close_late(index, fill);
                }
            }
            OrderUpdate::Rejected(reason) => {
                let (purpose, reason) = (order.purpose, *reason);
                self.outputs.tell(Notice::Rejected { order: news.order, purpose, reason });
                let poor = matches!(reason, RejectReason::Margin | RejectReason::Funds);
                self.scopes[index].note_refusal(&order, poor);
                self.see_refusal(index, order.side);
            }
            OrderUpdate::Cancelled(CancelReason::Margin | CancelReason::Funds) => {
                self.scopes[index].note_refusal(&order, true);
                self.see_refusal(index, order.side);
            }
            // Answered by the next decision on the market: answering at once could go round in circles with the venue.
            OrderUpdate::Cancelled(_) => {}
            OrderUpdate::Accepted | OrderUpdate::Triggered | OrderUpdate::Amended { .. } => {}
        }
    }

    /// A strategy's position changed by a fill that its account has taken in already.
    pub(crate) fn on_fill(&mut self, index: usize, order: OrderId, purpose: Purpose, fill: &Fill) {
        let book = &self.books[fill.account.index()];
        let (now, mark) = (self.now, book.account.mark(fill.instrument.index()));
        let scope = &mut self.scopes[index];
        let (signed, before) = (fill.signed_qty(), scope.position);
        scope.region.forget();
        scope.facts.set_now(now);
        // What a position is carried at is no price of the market.
        if purpose != Purpose::Opening {
            scope.facts.set(facts::PRICE, fill.reference);
            // Marks of their own are no prices.
            scope.ahead = !self.traded[fill.instrument.index()].has_marks && scope.desk.is_none();
        }
        if !scope.alone {
            scope.held.step(now, before);
        }
        scope.position += signed;
        if let Some(volume) = scope.volume.as_mut().filter(|_| purpose != Purpose::Opening) {
            volume.grow(now, before, scope.position);
        }
        self.has_traded = true;
        if before.is_zero() && scope.campaign.is_none() {
            self.campaigns += 1;
            let mut campaign = Campaign::open(self.campaigns, now, fill.price, scope.planned_base, &scope.facts);
            campaign.unit = scope.planned_unit.or(campaign.unit);
            if let Some(adoption) = scope.adoption.take_if(|_| purpose == Purpose::Opening) {
                campaign.adopt(&adoption);
            }
            scope.campaign = Some(campaign);
        }
        scope.tell();
        let (sentence, numbers) = note_of(purpose, fill);
        scope.because.note(ENGINE_RULE, before, scope.position, sentence, numbers);
        scope.stale = true;
        let is_piece = scope.go_on(purpose, signed);
        let mut ended: Option<CampaignRecord> = None;
        let mut id = 0;
        if let Some(campaign) = &mut scope.campaign {
            id = campaign.id;
            let whole = if matches!(purpose, Purpose::Add { .. }) { scope.planned_add } else { scope.planned_whole };
            campaign.fill(purpose, signed, fill.price, fill.fee);
            // A further piece of an add adds to the whole what it fills, no more.
            let whole = if is_piece { signed } else { whole };
            campaign.without_limits(purpose, signed, whole);
            if campaign.initial_stop.is_none() && before.is_zero() {
                let (tick, is_structure) =
                    (self.catalogue.instruments[scope.instrument.index()].tick, scope.desk.is_some());
                campaign.initial_stop = scope.terms.initial_stop.zip(campaign.unit).and_then(|(distance, unit)| {
                    let distance = distance.get() * unit.approximate();
                    policy::initial_stop(campaign.entry, distance, scope.position, tick, is_structure)
                });
            }
            if scope.position.is_zero() {
                ended = Some(campaign.record(scope.id, scope.instrument, mark, Some((now, purpose))));
            }
        }
        let strategy = scope.id;
        let filled = Notice::Filled { strategy, order, purpose, campaign: id, fill: *fill };
        self.outputs.tell(filled);
        if let Some(record) = ended {
            scope.campaign = None;
            scope.refused_trigger = None;
            scope.entering = None;
            scope.facts.set(facts::CLOSED_AT, now);
            scope.facts.set(facts::CLOSED_PEAK, record.peak);
            scope.facts.set(facts::CLOSED, scope.facts.get(facts::CLOSED).unwrap_or(0).wrapping_add(1));
            scope.facts.put(facts::CLOSED_R, record.r.and_then(Ratio::new));
            scope.earned += record.profit - record.fees + record.funding;
            self.outputs.tell(Notice::CampaignClosed(record));
            self.count_wins(index, record.r);
        }
        self.dirty.touch(index as u32);
        if self.counts_others {
            self.reserve(fill.instrument.index());
        }
    }

    /// Tells of a campaign that has closed to those whose streaks it counts for: all in the account, or in all instruments of the strategy
    /// there. A hedge has no streak, and none of its campaigns an R.
    fn count_wins(&mut self, closed: usize, r: Option<f64>) {
        let of = &self.scopes[closed];
        let (account, group) = (of.account, of.sharing.map(|sharing| sharing.group));
        for at in 0..self.scopes.len() {
            let scope = &mut self.scopes[at];
            let counts = match scope.terms.streak {
                Some(StreakOver::Account) => scope.account == account,
                Some(StreakOver::Strategy) => {
                    let is_one = group.is_some() && group == scope.sharing.map(|sharing| sharing.group);
                    at == closed || (is_one && scope.account == account)
                }
                Some(StreakOver::Instrument) | None => false,
            };
            if counts {
                let wins = scope.facts.get(facts::WINS).unwrap_or(0);
                scope.facts.set_now(self.now);
                scope.facts.set(facts::WINS, policy::wins_after(wins, r));
            }
        }
    }
}

fn note_of(purpose: Purpose, fill: &Fill) -> (&'static str, [Arg; 3]) {
    let (qty, price) = (Arg::Qty(fill.qty), Arg::Price(fill.price));
    match purpose {
        Purpose::Add { unit } => ("unit {} added: {} filled at {}", [Arg::Count(unit), qty, price]),
        Purpose::Rung { index } => ("rung {} reached: {} filled at {}", [Arg::Count(u32::from(index) + 1), qty, price]),
        Purpose::Entry => ("entered: {} filled at {}", [qty, price, Arg::None]),
        Purpose::Resize => ("resized: {} filled at {}", [qty, price, Arg::None]),
        Purpose::Stop => ("stop crossed: {} filled at {}", [qty, price, Arg::None]),
        Purpose::Exit => ("closed: {} filled at {}", [qty, price, Arg::None]),
        Purpose::Cut => ("cut by a limit: {} filled at {}", [qty, price, Arg::None]),
        Purpose::Liquidation => ("liquidated by the venue: {} filled at {}", [qty, price, Arg::None]),
        Purpose::Roll => ("rolled: {} filled at {}", [qty, price, Arg::None]),
        Purpose::Hedge => ("hedged: {} filled at {}", [qty, price, Arg::None]),
        Purpose::Settlement => ("expired: {} settled in cash at {}", [qty, price, Arg::None]),
        Purpose::Opening => ("taken over: {} carried at {}", [qty, price, Arg::None]),
    }
}
