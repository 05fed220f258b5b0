//! One input in, one decision out.

use crate::periods::Periods;
use crate::plan::ENGINE_RULE;
use crate::route::{Outbox, Wanted};
use crate::scope::Scope;
use crate::{Campaign, CampaignRecord, LiquidationGuard, Notice, Output, Plan, Purpose};
use market::{
    Account, Bar, CancelReason, CashChange, CashReason, Catalogue, Event, Fill, Input, OrderEvent, OrderUpdate,
    RejectReason, Source,
};
use policy::facts::{self, Facts};
use policy::{Arg, Because, Outcome, Program, Target};
use pricing::Ohlc;
use std::collections::VecDeque;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{AccountId, Cash, InstrumentId, PlanId, Qty, Ratio, StrategyId, Timestamp};

/// What the engine is built for.
#[derive(Debug, Clone, Default)]
pub struct EngineConfig {
    /// Instruments and series that inputs speak of.
    pub catalogue: Catalogue,
}

/// A strategy to run.
pub struct StrategyConfig {
    /// For which account. The engine has one account for now.
    pub account: AccountId,
    /// In which instrument.
    pub instrument: InstrumentId,
    /// Its indicators and rules.
    pub program: Program,
    /// Keeps stops inside the liquidation price; runs before the last rule, which rounds.
    pub guard: Option<LiquidationGuard>,
}

/// The state machine.
pub struct Engine {
    catalogue: Catalogue,
    account: Account,
    /// Highest equity, net of deposits and withdrawals.
    high_water: Cash,
    /// One over it, so that an event costs no division.
    per_high_water: f64,
    drawdown: f64,
    periods: Periods,
    scopes: Vec<Scope>,
    /// Scopes by instrument.
    by_instrument: Vec<Vec<u32>>,
    /// Instruments that have a mark feed of their own.
    has_marks: Vec<bool>,
    now: Timestamp,
    inputs: u64,
    plans: u64,
    campaigns: u64,
    /// Scopes to decide after the input's last event.
    dirty: Vec<u32>,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// An engine without strategies.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        let count = config.catalogue.instruments.len();
        Self {
            account: Account::new(&config.catalogue, None, None),
            high_water: Cash::ZERO,
            per_high_water: 0.0,
            drawdown: 0.0,
            periods: Periods::default(),
            scopes: Vec::new(),
            by_instrument: vec![Vec::new(); count],
            has_marks: vec![false; count],
            now: Timestamp::MIN,
            inputs: 0,
            plans: 0,
            campaigns: 0,
            dirty: Vec::new(),
            outputs: VecDeque::with_capacity(64),
            catalogue: config.catalogue,
        }
    }

    /// Adds a strategy.
    pub fn add_strategy(&mut self, mut config: StrategyConfig) -> StrategyId {
        let id = StrategyId(self.scopes.len() as u32);
        if let Some(guard) = config.guard.take() {
            let last = config.program.rules.len().saturating_sub(1);
            config.program.rules.insert(last, Box::new(guard));
        }
        let index = config.instrument.index();
        self.by_instrument[index].push(id.0);
        let instrument = &self.catalogue.instruments[index];
        self.scopes.push(Scope::new(id, config, instrument, self.catalogue.series.len()));
        id
    }

    /// Takes in one delivery: all its events, then one decision for each strategy that they concern.
    pub fn handle(&mut self, input: &Input<'_>) {
        // Time never runs back: a late delivery is known now.
        self.now = self.now.max(input.at);
        self.inputs += 1;
        for event in input.events {
            self.apply(event);
        }
        self.measure_drawdown();
        for at in 0..self.dirty.len() {
            self.decide(self.dirty[at] as usize, input.source);
        }
        self.dirty.clear();
    }

    /// What follows from the last input. `None`: nothing more until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the engine wants to be woken though nothing happens. Rules of this version watch no clock.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        None
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Bar(bar) => self.see(bar.instrument, ohlc(bar)),
            Event::Trade(trade) => {
                let Self { now, .. } = *self;
                let price = trade.price;
                let seen = Ohlc { opened: now, closed: now, open: price, high: price, low: price, close: price };
                self.see(trade.instrument, seen);
            }
            Event::Mark(mark) => {
                self.has_marks[mark.instrument.index()] = true;
                self.account.set_mark(mark.instrument.index(), mark.price);
                for &scope in &self.by_instrument[mark.instrument.index()] {
                    touch(&mut self.dirty, scope);
                }
            }
            Event::Series(point) => {
                for index in 0..self.scopes.len() {
                    let scope = &mut self.scopes[index];
                    scope.facts.set_now(self.now);
                    scope.facts.set(facts::series(point.series), point.value);
                    touch(&mut self.dirty, index as u32);
                }
            }
            // What a rate costs arrives as a cash change of the account.
            Event::Funding(_) => {}
            Event::Order(news) => self.on_order(news),
            Event::Cash(change) => self.on_cash(change),
        }
    }

    #[inline]
    fn see(&mut self, instrument: InstrumentId, seen: Ohlc) {
        let index = instrument.index();
        if !self.has_marks[index] {
            self.account.set_mark(index, seen.close);
        }
        for &scope in &self.by_instrument[index] {
            let state = &mut self.scopes[scope as usize];
            state.facts.set_now(self.now);
            state.see(seen);
            touch(&mut self.dirty, scope);
        }
    }

    fn on_cash(&mut self, change: &CashChange) {
        self.account.change(change);
        match change.reason {
            // A drawdown is of trading, not of money moved.
            CashReason::Deposit | CashReason::Withdrawal => {
                self.set_high_water(self.high_water + change.amount);
                self.periods.deposit(change.amount);
            }
            CashReason::Transfer { .. } | CashReason::Conversion { .. } => {}
            CashReason::Funding { instrument, .. } => {
                let payers = &self.by_instrument[instrument.index()];
                let payer = payers.iter().find(|scope| self.scopes[**scope as usize].campaign.is_some());
                if let Some(scope) = payer.copied()
                    && let Some(campaign) = &mut self.scopes[scope as usize].campaign
                {
                    campaign.pay_funding(change.amount);
                }
            }
        }
    }

    fn on_order(&mut self, news: &OrderEvent) {
        if let OrderUpdate::Filled(fill) = &news.update
            && fill.forced.is_some()
        {
            self.on_liquidation(news, fill);
            return;
        }
        let Some(index) = self.scopes.iter().position(|scope| scope.working.get(news.order).is_some()) else {
            return;
        };
        let Some(order) = self.scopes[index].working.update(news.order, &news.update) else { return };
        match &news.update {
            OrderUpdate::Filled(fill) => self.on_fill(index, news, order.purpose, fill),
            OrderUpdate::Rejected(reason) => {
                let (purpose, reason) = (order.purpose, *reason);
                self.outputs.push_back(Output::Notice(Notice::Rejected { order: news.order, purpose, reason }));
                self.scopes[index].note_refusal(&order, reason == RejectReason::Margin);
            }
            OrderUpdate::Cancelled(CancelReason::Margin) => self.scopes[index].note_refusal(&order, true),
            // Answered by the next decision on the market: answering at once could go round in circles with the venue.
            OrderUpdate::Cancelled(_) => {}
            OrderUpdate::Accepted | OrderUpdate::Triggered | OrderUpdate::Amended { .. } => {}
        }
    }

    /// The venue closed a position by force: its fill belongs to no order of ours.
    fn on_liquidation(&mut self, news: &OrderEvent, fill: &Fill) {
        let holders = &self.by_instrument[fill.instrument.index()];
        match holders.iter().find(|scope| !self.scopes[**scope as usize].position.is_zero()) {
            Some(scope) => self.on_fill(*scope as usize, news, Purpose::Liquidation, fill),
            None => self.account.fill(fill),
        }
    }

    fn on_fill(&mut self, index: usize, news: &OrderEvent, purpose: Purpose, fill: &Fill) {
        self.account.fill(fill);
        let (now, mark) = (self.now, self.account.mark(fill.instrument.index()));
        let scope = &mut self.scopes[index];
        let (signed, before) = (fill.signed_qty(), scope.position);
        scope.facts.set_now(now);
        scope.facts.set(facts::PRICE, fill.reference);
        scope.position += signed;
        if before.is_zero() && scope.campaign.is_none() {
            self.campaigns += 1;
            let mut campaign = Campaign::open(self.campaigns, now, fill.price, scope.planned_base, &scope.facts);
            campaign.unit = campaign.unit.or(scope.planned_unit);
            scope.campaign = Some(campaign);
        }
        scope.tell();
        let (sentence, numbers) = note_of(purpose, fill);
        scope.because.note(ENGINE_RULE, before, scope.position, sentence, numbers);
        scope.stale = true;
        let mut ended: Option<CampaignRecord> = None;
        let mut id = 0;
        if let Some(campaign) = &mut scope.campaign {
            id = campaign.id;
            let whole = if matches!(purpose, Purpose::Add { .. }) { scope.planned_add } else { scope.planned_whole };
            campaign.fill(purpose, signed, fill.price, fill.fee);
            campaign.without_limits(purpose, signed, whole);
            if campaign.initial_stop.is_none() && before.is_zero() {
                let tick = self.catalogue.instruments[scope.instrument.index()].tick;
                campaign.initial_stop = scope.terms.initial_stop.zip(campaign.unit).and_then(|(distance, unit)| {
                    policy::initial_stop(fill.price, distance.get() * unit.approximate(), scope.position, tick)
                });
            }
            if scope.position.is_zero() {
                ended = Some(campaign.record(scope.id, scope.instrument, mark, Some((now, purpose))));
            }
        }
        let strategy = scope.id;
        let filled = Notice::Filled { strategy, order: news.order, purpose, campaign: id, fill: *fill };
        self.outputs.push_back(Output::Notice(filled));
        if let Some(record) = ended {
            scope.campaign = None;
            scope.refused_trigger = None;
            scope.facts.set(facts::CLOSED_AT, now);
            scope.facts.set(facts::CLOSED_PEAK, record.peak);
            scope.facts.set(facts::CLOSED, scope.facts.get(facts::CLOSED).unwrap_or(0).wrapping_add(1));
            scope.facts.put(facts::CLOSED_R, record.r.and_then(Ratio::new));
            self.outputs.push_back(Output::Notice(Notice::CampaignClosed(record)));
        }
        touch(&mut self.dirty, index as u32);
    }

    #[inline]
    fn measure_drawdown(&mut self) {
        let equity = self.account.equity();
        self.periods.reach(self.now, equity);
        if equity >= self.high_water {
            self.set_high_water(equity);
            self.drawdown = 0.0;
        } else {
            self.drawdown = (self.high_water - equity).approximate() * self.per_high_water;
        }
    }

    fn set_high_water(&mut self, high_water: Cash) {
        self.high_water = high_water;
        self.per_high_water = if high_water.raw() > 0 { 1.0 / high_water.approximate() } else { 0.0 };
    }

    /// Evaluates one strategy and, if anything changed, records the plan and sends its commands.
    #[inline]
    fn decide(&mut self, index: usize, source: Source) {
        let (equity, now) = (self.account.equity(), self.now);
        let scope = &mut self.scopes[index];
        scope.facts.set_now(now);
        scope.facts.set(facts::EQUITY, equity);
        scope.facts.put(facts::DRAWDOWN, Ratio::new(self.drawdown));
        if scope.periods != self.periods.version {
            scope.periods = self.periods.version;
            self.periods.publish(&mut scope.facts);
        }
        scope.tell_refusals();
        lapse_chased_add(scope);
        scope.observe();
        // Notes of fills come first in the same plan.
        if !scope.crossed {
            scope.because.clear();
        }
        let target = scope.evaluate();
        let refused = scope.because.last_refused_add();
        scope.refused_trigger = refused.map(|add| add.trigger);
        let limits = scope.because.limits();
        // Nothing wanted, nothing working: by far the most frequent case, told without looking closer.
        let idle = target.qty == scope.position && scope.because.rests_nothing() && scope.working.is_empty();
        let sends = !idle && scope.working.would_send(&wanted(&scope.because, scope.position, target, source));
        let crossed = std::mem::take(&mut scope.crossed);
        if !sends && !crossed && limits == scope.limits {
            return;
        }
        scope.limits = limits;
        self.record(index, target, source);
    }

    /// Records the plan of the decision just made and sends its commands. Rare beside evaluations, and kept apart from
    /// them because of its large frame.
    #[cold]
    #[inline(never)]
    fn record(&mut self, index: usize, target: Target, source: Source) {
        self.plans += 1;
        let (id, at, equity) = (PlanId(self.plans), self.now, self.account.equity());
        let scope = &mut self.scopes[index];
        let plan = plan_of(scope, id, self.inputs, at, equity, target);
        for step in plan.steps.iter().filter(|step| step.rule != ENGINE_RULE) {
            scope.rules[usize::from(step.rule)].commit(step);
        }
        self.outputs.push_back(Output::Plan(plan));
        let (outputs, strategy) = (&mut self.outputs, scope.id);
        let mut send = |command, purpose| outputs.push_back(Output::Command { command, purpose, strategy });
        let (account, instrument) = (scope.account, scope.instrument);
        let mut outbox = Outbox { plan: id, next: 0, account, instrument, alone: true, send: &mut send };
        scope.working.route(&wanted(&scope.because, scope.position, target, source), &mut outbox);
        adopt(scope, target);
    }

    /// The account as the engine knows it.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// How far equity is under its highest, net of deposits and withdrawals.
    #[must_use]
    pub fn drawdown(&self) -> f64 {
        self.drawdown
    }

    /// Inputs handled so far.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// What a strategy holds.
    #[must_use]
    pub fn position(&self, strategy: StrategyId) -> Qty {
        self.scopes[strategy.index()].position
    }

    /// A strategy's open campaign.
    #[must_use]
    pub fn campaign(&self, strategy: StrategyId) -> Option<&Campaign> {
        self.scopes[strategy.index()].campaign.as_ref()
    }

    /// A strategy's open campaign told at the present mark.
    #[must_use]
    pub fn open_record(&self, strategy: StrategyId) -> Option<CampaignRecord> {
        let scope = &self.scopes[strategy.index()];
        let mark = self.account.mark(scope.instrument.index());
        scope.campaign.as_ref().map(|campaign| campaign.record(scope.id, scope.instrument, mark, None))
    }

    /// The cap that binds in the last decision: one that cut, or one that spoke up at all.
    #[must_use]
    pub fn binding_rule(&self, strategy: StrategyId) -> Option<u8> {
        let scope = &self.scopes[strategy.index()];
        let is_cap = |rule: u8| {
            let name = scope.rules.get(usize::from(rule)).map_or("", |rule| rule.name());
            name.ends_with("_cap") || name == "liquidation_distance"
        };
        let steps = scope.because.steps();
        steps.iter().rev().find(|step| step.outcome == Outcome::Cut || is_cap(step.rule)).map(|step| step.rule)
    }

    /// What a strategy's rules know.
    #[must_use]
    pub fn facts(&self, strategy: StrategyId) -> &Facts {
        &self.scopes[strategy.index()].facts
    }

    /// The name of a rule in a strategy's plans.
    #[must_use]
    pub fn rule_name(&self, strategy: StrategyId, rule: u8) -> &'static str {
        if rule == ENGINE_RULE {
            return "market";
        }
        self.scopes[strategy.index()].rules.get(usize::from(rule)).map_or("?", |rule| rule.name())
    }

    /// The strategy's plan were it decided now, without adopting it: the answer to "what should I hold, and why".
    pub fn preview(&mut self, strategy: StrategyId) -> Plan {
        let equity = self.account.equity();
        let scope = &mut self.scopes[strategy.index()];
        scope.because.clear();
        let target = scope.evaluate();
        plan_of(scope, PlanId(self.plans + 1), self.inputs, self.now, equity, target)
    }

    /// Writes every field that changes: the state hash is a hash of this.
    pub fn save(&self, out: &mut StateWriter) {
        out.i64(self.now.nanos());
        for count in [self.inputs, self.plans, self.campaigns] {
            out.u64(count);
        }
        self.account.save(out);
        out.i128(self.high_water.raw());
        out.f64(self.per_high_water);
        out.f64(self.drawdown);
        self.periods.save(out);
        for marked in &self.has_marks {
            out.bool(*marked);
        }
        for scope in &self.scopes {
            scope.save(out);
        }
    }

    /// Restores what [`Self::save`] wrote, into an engine built with the same configuration and strategies.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.now = Timestamp::from_nanos(from.i64()?);
        (self.inputs, self.plans, self.campaigns) = (from.u64()?, from.u64()?, from.u64()?);
        self.account.load(from)?;
        self.high_water = Cash::from_raw(from.i128()?);
        self.per_high_water = from.f64()?;
        self.drawdown = from.f64()?;
        self.periods = Periods::load(from)?;
        for marked in &mut self.has_marks {
            *marked = from.bool()?;
        }
        for scope in &mut self.scopes {
            scope.load(from)?;
        }
        from.end()
    }
}

/// Marks a strategy to be decided after the input's last event.
#[inline]
fn touch(dirty: &mut Vec<u32>, scope: u32) {
    if !dirty.contains(&scope) {
        dirty.push(scope);
    }
}

/// The decision that a strategy's rules have just made, as a plan.
fn plan_of(scope: &Scope, id: PlanId, input: u64, at: Timestamp, equity: Cash, target: Target) -> Plan {
    Plan {
        id,
        input,
        at,
        strategy: scope.id,
        instrument: scope.instrument,
        price: scope.facts.get(facts::PRICE).unwrap_or_default(),
        equity,
        position: scope.position,
        target,
        add: scope.because.add().filter(|_| !target.qty.is_zero()),
        steps: scope.because.steps().iter().copied().collect(),
        exits: scope.because.exits().iter().copied().collect(),
    }
}

fn ohlc(bar: &Bar) -> Ohlc {
    let Bar { opened, closed, open, high, low, close, .. } = *bar;
    Ohlc { opened, closed, open, high, low, close }
}

/// What should work at the venue after a decision. News of our own orders moves exits and adds only.
fn wanted(because: &Because, held: Qty, target: Target, source: Source) -> Wanted<'_> {
    // Nothing is added to a position that is to go.
    let add = because.add().filter(|_| !target.qty.is_zero());
    Wanted { target, exits: because.exits(), add, held, cut: because.was_cut(), may_trade: source != Source::Venue }
}

/// An add whose fill would be worse than its limit lapses; later levels do not move.
fn lapse_chased_add(scope: &mut Scope) {
    let (Some(order), Some(price)) = (scope.working.add(), scope.facts.get(facts::PRICE)) else { return };
    let (Purpose::Add { unit }, market::OrderKind::StopLimit { price: limit, .. }) = (order.purpose, order.kind) else {
        return;
    };
    let beyond = match order.side {
        units::Side::Buy => price > limit,
        units::Side::Sell => price < limit,
    };
    if order.state != market::OrderState::Triggered || !beyond || !order.filled.is_zero() {
        return;
    }
    if let Some(campaign) = &mut scope.campaign {
        campaign.lapsed |= 1 << (unit - 1);
        let held = scope.position;
        scope.tell();
        let numbers = [Arg::Count(unit), Arg::Price(limit), Arg::Price(price)];
        scope.because.note(ENGINE_RULE, held, held, "unit {} lapsed: its limit {} was left behind at {}", numbers);
        scope.stale = true;
    }
}

/// The plan is in force: the campaign's stop is what rests, and an entry remembers its full size.
fn adopt(scope: &mut Scope, target: Target) {
    if scope.position.is_zero() && !target.qty.is_zero() {
        scope.planned_base = target.base;
        scope.planned_unit = scope.facts.get(facts::UNIT);
    }
    if !target.qty.is_zero() {
        let cut = scope.because.steps().iter().find(|step| step.outcome == Outcome::Cut);
        scope.planned_whole = cut.map_or(target.qty, |cut| cut.before);
    }
    if let Some(add) = scope.because.add() {
        scope.planned_add = add.whole;
    }
    let stop = scope.because.exits().iter().find_map(|exit| match exit {
        policy::Exit::Stop { trigger } => Some(*trigger),
        policy::Exit::Rung { .. } => None,
    });
    if let (Some(campaign), Some(stop)) = (&mut scope.campaign, stop)
        && campaign.stop != Some(stop)
    {
        campaign.stop = Some(stop);
        scope.stale = true;
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
    }
}
