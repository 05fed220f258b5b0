//! The journal of a backtest: a hash chain over everything, and the rows of the run folder.

use crate::Error;
use crate::records::{CampaignRow, EquityRow, FillRow, FundingRow, OrderRow, PlanRow, Tables};
use drive::Journal;
use engine::{CampaignRecord, Engine, Notice, Output, Plan, Purpose};
use market::{
    Bar, CashReason, Catalogue, Command, Event, Fill, Forced, Input, NewOrder, OrderKind, OrderUpdate, Source,
};
use policy::Outcome;
use std::collections::BTreeMap;
use units::state::StateWriter;
use units::{AccountId, Cash, Contract, InstrumentId, Notional, OrderId, Price, Qty, StrategyId, Timestamp};

/// An order as it was last sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    order: NewOrder,
    purpose: Purpose,
    /// The market input that it was sent on: it can be crossed from the next one on.
    since: u64,
    live: bool,
    cancelling: bool,
}

/// Keeps what a run did.
pub(crate) struct Recorder {
    catalogue: Catalogue,
    strategy: StrategyId,
    instrument: InstrumentId,
    currency: String,
    contract: Contract,
    hasher: blake3::Hasher,
    scratch: StateWriter,
    pub(crate) tables: Tables,
    sent: BTreeMap<OrderId, Sent>,
    pub(crate) facts: RunFacts,
    ledger: Ledger,
    bar: Option<Bar>,
    last_close: Option<Timestamp>,
    at: Timestamp,
    source: Source,
    market_inputs: u64,
    rule_names: Vec<&'static str>,
}

/// What a run shows beside its tables.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RunFacts {
    pub(crate) inputs: u64,
    pub(crate) bars: u64,
    pub(crate) gaps: Vec<(Timestamp, Timestamp)>,
    /// Triggers that the market crossed and that filled.
    pub(crate) acted: u64,
    /// Refusals by rule and sentence.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Resting orders whose price a bar crossed and that neither filled nor ended.
    pub(crate) unexplained: u64,
    pub(crate) unmet: u64,
    /// Largest difference between the engine's equity and the one recomputed from fills, funding and marks.
    pub(crate) residual: Cash,
    pub(crate) liquidated: Option<Timestamp>,
    pub(crate) slippage: Cash,
    pub(crate) traded: Cash,
    pub(crate) rejected: u64,
}

/// Equity recomputed from fills, payments and marks alone, as a stranger would.
#[derive(Debug, Clone, Copy, Default)]
struct Ledger {
    deposits: Cash,
    /// Σ value of every fill at its price.
    bought: Notional,
    fees: Cash,
    funding: Cash,
    position: Qty,
}

impl Ledger {
    fn equity(&self, contract: Contract, mark: Price) -> Cash {
        let held = contract.value(mark, self.position).cash();
        self.deposits - self.bought.cash() - self.fees + self.funding + held
    }
}

impl Recorder {
    pub(crate) fn new(engine: &Engine, catalogue: &Catalogue, strategy: StrategyId, instrument: InstrumentId) -> Self {
        Self {
            currency: catalogue.instruments[instrument.index()].settle.to_string(),
            contract: catalogue.instruments[instrument.index()].kind.contract(),
            catalogue: catalogue.clone(),
            strategy,
            instrument,
            hasher: blake3::Hasher::new(),
            scratch: StateWriter::new(),
            tables: Tables::default(),
            sent: BTreeMap::new(),
            facts: RunFacts::default(),
            ledger: Ledger::default(),
            bar: None,
            last_close: None,
            at: Timestamp::MIN,
            source: Source::Market,
            market_inputs: 0,
            rule_names: (0..=u8::MAX).map(|rule| engine.rule_name(strategy, rule)).collect(),
        }
    }

    /// The hash of all inputs and outputs so far.
    pub(crate) fn chain(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    fn symbol(&self, instrument: InstrumentId) -> String {
        self.catalogue.instruments[instrument.index()].symbol.clone()
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Bar(bar) if bar.instrument == self.instrument => {
                if let Some(last) = self.last_close.filter(|last| *last < bar.opened) {
                    self.facts.gaps.push((last, bar.opened));
                }
                self.last_close = Some(bar.closed);
                self.facts.bars += 1;
                self.bar = Some(*bar);
                self.audit(bar);
            }
            Event::Cash(change) => match change.reason {
                CashReason::Deposit
                | CashReason::Withdrawal
                | CashReason::Transfer { .. }
                | CashReason::Conversion { .. } => self.ledger.deposits += change.amount,
                CashReason::Funding { instrument, rate, mark, position } => {
                    self.ledger.funding += change.amount;
                    self.tables.funding.push(FundingRow {
                        time: self.at,
                        account: u64::from(change.account.0),
                        instrument: self.symbol(instrument),
                        position,
                        mark,
                        rate,
                        amount: change.amount,
                        currency: self.currency.clone(),
                    });
                }
            },
            Event::Order(news) => self.on_news(news.order, &news.update),
            Event::Bar(_) | Event::Trade(_) | Event::Mark(_) | Event::Funding(_) | Event::Series(_) => {}
        }
    }

    /// A naive look at the finished bar: an order that rested all through it and lies inside its range must have filled.
    fn audit(&mut self, bar: &Bar) {
        for sent in self.sent.values() {
            let (OrderKind::Limit { price } | OrderKind::Stop { trigger: price }) = sent.order.kind else { continue };
            let rested = sent.live && sent.since < self.market_inputs && sent.order.instrument == bar.instrument;
            let crossed = (bar.low..=bar.high).contains(&price);
            self.facts.unexplained += u64::from(rested && crossed && !sent.cancelling);
        }
    }

    fn on_news(&mut self, id: OrderId, update: &OrderUpdate) {
        let sent = self.sent.get_mut(&id);
        let ends = matches!(update, OrderUpdate::Cancelled(_) | OrderUpdate::Rejected(_));
        let (event, reason) = match update {
            OrderUpdate::Accepted => ("accepted", String::new()),
            OrderUpdate::Triggered => ("triggered", String::new()),
            OrderUpdate::Amended { .. } => ("amended", String::new()),
            OrderUpdate::Filled(fill) => {
                self.ledger.bought += self.contract.value(fill.price, fill.signed_qty());
                self.ledger.fees += fill.fee;
                self.ledger.position += fill.signed_qty();
                ("filled", String::new())
            }
            OrderUpdate::Cancelled(why) => ("cancelled", why.to_string()),
            OrderUpdate::Rejected(why) => {
                self.facts.rejected += 1;
                ("rejected", why.to_string())
            }
        };
        let Some(sent) = sent else { return };
        sent.live |= matches!(update, OrderUpdate::Accepted);
        let mut shown = *sent;
        if let OrderUpdate::Filled(fill) = update {
            sent.order.qty -= fill.qty;
            shown.order.qty = fill.qty;
            shown.order.kind = OrderKind::Limit { price: fill.price };
        }
        let done = ends || sent.order.qty.raw() <= 0;
        self.order_row(&shown, event, reason);
        if done {
            self.sent.remove(&id);
        }
    }

    fn on_command(&mut self, command: &Command, purpose: Purpose) {
        // What is sent inside a bar did not rest all through it: that bar's own input is still to come.
        let since = self.market_inputs + u64::from(self.source == Source::Venue);
        match *command {
            Command::Place(order) => {
                let sent = Sent { order, purpose, since, live: false, cancelling: false };
                self.sent.insert(order.id, sent);
                self.order_row(&sent, "place", String::new());
            }
            Command::Amend { order, qty, kind } => {
                let Some(sent) = self.sent.get_mut(&order) else { return };
                (sent.order.qty, sent.order.kind, sent.since) = (qty, kind, since);
                let shown = *sent;
                self.order_row(&shown, "amend", String::new());
            }
            Command::Cancel { order } => {
                let Some(sent) = self.sent.get_mut(&order) else { return };
                sent.cancelling = true;
                let shown = *sent;
                self.order_row(&shown, "cancel", String::new());
            }
        }
    }

    fn order_row(&mut self, sent: &Sent, event: &str, reason: String) {
        let order = &sent.order;
        let (kind, price, trigger) = match order.kind {
            OrderKind::Market => ("market", None, None),
            OrderKind::Limit { price } => ("limit", Some(price), None),
            OrderKind::Stop { trigger } => ("stop", None, Some(trigger)),
            OrderKind::StopLimit { trigger, price } => ("stop_limit", Some(price), Some(trigger)),
        };
        self.tables.orders.push(OrderRow {
            time: self.at,
            order: order.id.to_string(),
            plan: order.id.plan().0,
            instrument: self.symbol(order.instrument),
            purpose: sent.purpose.to_string(),
            side: order.side.to_string(),
            quantity: order.qty,
            kind: kind.to_owned(),
            price,
            trigger,
            reduce_only: order.reduce_only,
            event: event.to_owned(),
            reason,
        });
    }

    fn on_plan(&mut self, plan: &Plan) {
        for (index, step) in plan.steps.iter().enumerate() {
            let rule = self.rule_names[usize::from(step.rule)];
            match step.outcome {
                Outcome::Refused => {
                    let sentence = step.reason.template.replace("{}", "…");
                    *self.facts.refused.entry(format!("{rule}: {sentence}")).or_default() += 1;
                }
                Outcome::Unmet => self.facts.unmet += 1,
                Outcome::Kept | Outcome::Set | Outcome::Cut | Outcome::Held => {}
            }
            self.tables.plans.push(PlanRow {
                time: plan.at,
                plan: plan.id.0,
                input: plan.input,
                instrument: self.symbol(plan.instrument),
                step: index as u64 + 1,
                rule: rule.to_owned(),
                outcome: step.outcome.name().to_owned(),
                before: step.before,
                after: step.after,
                because: step.reason.to_string(),
                price: plan.price,
                equity: plan.equity,
                position: plan.position,
                target: plan.target.qty,
            });
        }
    }

    fn on_fill(&mut self, strategy: StrategyId, order: OrderId, purpose: Purpose, campaign: u64, fill: &Fill) {
        let triggered = matches!(purpose, Purpose::Stop | Purpose::Rung { .. } | Purpose::Add { .. });
        self.facts.acted += u64::from(triggered);
        self.facts.slippage += fill.slippage(self.contract);
        self.facts.traded += self.contract.exposure(fill.price, fill.qty).cash();
        if fill.forced == Some(Forced::Liquidation) {
            self.facts.liquidated = self.facts.liquidated.or(Some(self.at));
        }
        self.tables.fills.push(FillRow {
            time: self.at,
            input: self.facts.inputs,
            account: u64::from(fill.account.0),
            strategy: u64::from(strategy.0),
            instrument: self.symbol(fill.instrument),
            order: order.to_string(),
            plan: order.plan().0,
            purpose: purpose.to_string(),
            side: fill.side.to_string(),
            quantity: fill.qty,
            price: fill.price,
            reference: fill.reference,
            fee: fill.fee,
            currency: self.currency.clone(),
            liquidity: fill.liquidity.to_string(),
            liquidation: fill.forced == Some(Forced::Liquidation),
            campaign,
        });
    }

    /// Adds the campaign that is still open at the end, valued at the mark.
    pub(crate) fn finish(&mut self, engine: &Engine) {
        if let Some(record) = engine.open_record(self.strategy) {
            self.on_campaign(&record);
        }
    }

    fn on_campaign(&mut self, record: &CampaignRecord) {
        self.tables.campaigns.push(CampaignRow {
            campaign: record.id,
            instrument: self.symbol(record.instrument),
            side: if record.peak.signum() < 0 { "short" } else { "long" }.to_owned(),
            opened: record.opened,
            closed: record.closed,
            entry: record.entry,
            exit: record.exit,
            unit_n: record.unit,
            initial_stop: record.initial_stop,
            units: u64::from(record.units),
            rungs: u64::from(record.rungs),
            peak: record.peak,
            profit: record.profit,
            fees: record.fees,
            funding: record.funding,
            r: record.r,
            mae_r: record.mae_r,
            mfe_r: record.mfe_r,
            ended_by: record.ended.map_or_else(String::new, |why| why.name().to_owned()),
        });
    }

    fn equity_row(&mut self, bar: &Bar, engine: &Engine) {
        let (account, index) = (engine.account(AccountId(0)), bar.instrument.index());
        let (mark, position, equity) = (account.mark(index), account.position(index).qty, account.equity());
        let residual = equity - self.ledger.equity(self.contract, mark);
        if residual.abs() > self.facts.residual.abs() {
            self.facts.residual = residual;
        }
        // Cash as the file defines it: equity less the position's value at its mark; partial exits stay in the position's cost.
        let cash = equity - self.contract.value(mark, position).cash();
        let cap = engine.binding_rule(self.strategy).map_or("", |rule| self.rule_names[usize::from(rule)]);
        self.tables.equity.push(EquityRow {
            time: self.at,
            mark,
            open: bar.open,
            high: bar.high,
            low: bar.low,
            position,
            cash,
            equity,
            twin_position: Qty::ZERO,
            twin_equity: Cash::ZERO,
            stop: engine.campaign(self.strategy).and_then(|campaign| campaign.stop),
            drawdown: engine.drawdown(AccountId(0)),
            exposure: exposure(self.contract, mark, position, equity),
            twin_exposure: 0.0,
            volatility: engine.facts(self.strategy).get(policy::facts::VOLATILITY).map(units::Vol::get),
            cap: cap.to_owned(),
            chain: self.hasher.finalize().to_hex()[..16].to_owned(),
        });
    }
}

/// Signed exposure over equity; zero without equity.
pub(crate) fn exposure(contract: Contract, mark: Price, position: Qty, equity: Cash) -> f64 {
    if equity.raw() > 0 { contract.exposure(mark, position).approximate() / equity.approximate() } else { 0.0 }
}

impl Journal for Recorder {
    type Error = Error;

    fn append(&mut self, input: &Input<'_>) -> Result<(), Error> {
        self.scratch.clear();
        input.save(&mut self.scratch);
        self.hasher.update(self.scratch.as_bytes());
        self.facts.inputs += 1;
        (self.at, self.source, self.bar) = (input.at, input.source, None);
        self.market_inputs += u64::from(input.source == Source::Market);
        for event in input.events {
            self.on_event(event);
        }
        Ok(())
    }

    fn output(&mut self, output: &Output) -> Result<(), Error> {
        self.scratch.clear();
        output.save(&mut self.scratch);
        self.hasher.update(self.scratch.as_bytes());
        match output {
            Output::Plan(plan) => self.on_plan(plan),
            Output::Command { command, purpose, .. } => self.on_command(command, *purpose),
            Output::Notice(Notice::Filled { strategy, order, purpose, campaign, fill }) => {
                self.on_fill(*strategy, *order, *purpose, *campaign, fill);
            }
            Output::Notice(Notice::CampaignClosed(record)) => self.on_campaign(record),
            Output::Notice(Notice::Rejected { .. }) => {}
        }
        Ok(())
    }

    fn settled(&mut self, _at: Timestamp, engine: &Engine) -> Result<(), Error> {
        if let (Source::Market, Some(bar)) = (self.source, self.bar) {
            self.equity_row(&bar, engine);
        }
        Ok(())
    }
}
