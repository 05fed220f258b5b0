//! The journal of a backtest: a hash chain over everything, and the rows of the run folder.

use crate::Error;
use crate::greeks::{GreeksRecorder, Names};
use crate::ledger::Ledger;
use crate::losses::LossRecorder;
use crate::money::Shown;
use crate::records::{
    AccountRow, CampaignRow, ChoiceRow, EquityRow, FillRow, FlowRow, FundingRow, HedgeRow, OptionRow, OrderRow,
    PlanRow, PositionRow, Tables,
};
use crate::table::Name;
use drive::Journal;
use engine::{CampaignRecord, Compared, ENGINE_RULE, Engine, HedgeView, Notice, Output, Plan, Purpose, RiskRefusal};
use exchange::Exchange;
use market::{
    AccountSpec, Bar, CashChange, CashReason, Catalogue, Command, Event, Fill, Forced, Input, InstrumentKind, NewOrder,
    OrderKind, OrderUpdate, Source, is_dollar,
};
use policy::Outcome;
use policy::facts;
use risk::hedging::Kind;
use std::collections::{BTreeMap, BTreeSet};
use units::state::StateWriter;
use units::{AccountId, Cash, Contract, Duration, InstrumentId, OrderId, Price, Qty, Side, StrategyId, Timestamp};

/// An order as it was last sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    order: NewOrder,
    purpose: Purpose,
    strategy: StrategyId,
    /// When it was sent or amended: bars that opened later can cross it.
    since: Timestamp,
    live: bool,
    cancelling: bool,
}

/// What a limit says that cannot be judged: such a step is of no cap that was missed.
const NOT_KNOWN: &str = "what it limits is not known";

/// Bytes that are hashed at once: the hash of many is several times faster than that of a few.
const HASHED_AT_ONCE: usize = 64 * 1024;

/// What a pass keeps beside its equity, fills, payments and campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Everything: the hash chain, plans, orders, positions.
    All,
    /// Positions.
    Positions,
    /// Nothing more.
    Equity,
    /// Only what the run comes to in the end: no rows at all.
    Total,
}

/// Who trades what, by [`StrategyId`].
#[derive(Debug, Clone)]
pub(crate) struct Trader {
    /// The policy's name.
    pub(crate) policy: Name,
    pub(crate) instrument: InstrumentId,
}

/// Keeps what a run did.
pub(crate) struct Recorder {
    catalogue: Catalogue,
    accounts: Vec<AccountSpec>,
    traders: Vec<Trader>,
    symbols: Vec<Name>,
    /// Instruments that somebody trades.
    traded: Vec<bool>,
    /// Strategies that trade structures of options, by their place among the traders.
    structures: Vec<usize>,
    /// Rows of fills of legs that opened a structure whose own fill is still to come, and whose they are.
    opening: Vec<(usize, StrategyId)>,
    /// What structures are on: a price of it makes a row.
    watched: Vec<bool>,
    /// Instruments that are options.
    options: Vec<bool>,
    keep: Keep,
    /// One row for each of these spans; zero: for each bar.
    every: Duration,
    hasher: blake3::Hasher,
    /// What happened and is not hashed yet.
    scratch: StateWriter,
    pub(crate) tables: Tables,
    /// Orders that have not ended, by instrument.
    sent: Vec<Vec<Sent>>,
    pub(crate) facts: RunFacts,
    ledger: Ledger,
    shown: Shown,
    /// Highest equity of all accounts together, net of what was paid in and out.
    high_water: Cash,
    /// Bars since the last row, merged, by instrument.
    bars: Vec<Option<Bar>>,
    /// A bar of this input, or before it since the last row; where options are traded, also a quote or price of their underlying.
    has_bars: bool,
    /// This input settles options.
    has_settled: bool,
    /// The last rows are those of a settlement, and no input of the market came after it.
    has_settled_row: bool,
    last_row: Timestamp,
    /// Money moved that is not translated yet.
    moved: Vec<CashChange>,
    /// Positions from before whose first bar is not there yet.
    carried: Vec<Fill>,
    /// Those that became known with this input, each with its first price.
    brought_in: Vec<(Fill, Price)>,
    /// Deposits less withdrawals of each account, in the run's currency.
    paid_by: Vec<Cash>,
    paid_in: Cash,
    /// Of the money that is not translated yet, what it is worth at prices that positions from before are carried at.
    paid_in_for_now: Cash,
    /// The last bar of each instrument; of a structure, which has none, its first price.
    pub(crate) last_bar: Vec<Option<LastBar>>,
    at: Timestamp,
    source: Source,
    rule_names: Vec<Vec<&'static str>>,
    /// Of a run on whose underlyings options are listed.
    greeks: Option<GreeksRecorder>,
    losses: LossRecorder,
    /// Plans of the present input: whose, their numbers, and what hedges made them from.
    plans_now: Vec<(StrategyId, u64, Option<HedgeView>)>,
    /// Words that rows share, each kept once.
    words: Words,
}

/// Words that many rows share: each is kept once.
#[derive(Debug, Default)]
struct Words {
    known: BTreeMap<String, Name>,
}

impl Words {
    fn of(&mut self, word: &str) -> Name {
        if let Some(name) = self.known.get(word) {
            return name.clone();
        }
        let name = Name::from(word);
        self.known.insert(word.to_owned(), name.clone());
        name
    }
}

/// When the last bar of an instrument opened and closed, and when it was told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastBar {
    pub(crate) opened: Timestamp,
    pub(crate) closed: Timestamp,
    pub(crate) told: Timestamp,
}

/// What a run shows beside its tables.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RunFacts {
    pub(crate) inputs: u64,
    /// How often rules of a strategy were asked, and inputs at which none were.
    pub(crate) evaluations: u64,
    pub(crate) quiet_inputs: u64,
    pub(crate) bars: u64,
    /// Instrument, last close before, first open after.
    pub(crate) gaps: Vec<(InstrumentId, Timestamp, Timestamp)>,
    /// Triggers that the market crossed and that filled.
    pub(crate) acted: u64,
    /// Refusals by rule and sentence.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Resting orders whose price a bar crossed and that neither filled nor ended.
    pub(crate) unexplained: u64,
    /// Caps that could not be met, and limits of which nobody knew how what is held stands to them.
    pub(crate) unmet: u64,
    pub(crate) unknown: u64,
    /// Largest difference between a balance of the engine and the one recomputed from fills, payments and marks.
    pub(crate) residual: Cash,
    pub(crate) liquidated: Option<Timestamp>,
    /// How long before a row an option that was held then had been quoted last, at most.
    pub(crate) stalest: Duration,
    /// Options that strategies held as they expired.
    pub(crate) settled: BTreeSet<InstrumentId>,
    /// In the run's currency, at the end.
    pub(crate) paid: PaidSums,
    pub(crate) rejected: u64,
    pub(crate) fills: u64,
    /// Deposits less withdrawals, each at its worth when it was made.
    pub(crate) paid_in: Cash,
    pub(crate) equity: Cash,
}

/// What was paid and traded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PaidSums {
    pub(crate) fees: Cash,
    pub(crate) funding: Cash,
    pub(crate) slippage: Cash,
    /// Of it, what options cost beside the middle of bid and ask; and of that, what they were filled worse than bid or ask.
    pub(crate) of_options: Cash,
    pub(crate) beyond_quotes: Cash,
    /// Of `slippage`, what fills paid for their size.
    pub(crate) impact: Cash,
    pub(crate) traded: Cash,
}

impl Recorder {
    pub(crate) fn new(
        engine: &Engine,
        catalogue: &Catalogue,
        accounts: Vec<AccountSpec>,
        traders: Vec<Trader>,
        keep: Keep,
        every: Duration,
    ) -> Self {
        let count = catalogue.instruments.len();
        let mut traded = vec![false; count];
        traders.iter().for_each(|trader| traded[trader.instrument.index()] = true);
        let is_structure =
            |trader: &Trader| catalogue.instruments[trader.instrument.index()].kind == InstrumentKind::Structure;
        let structures: Vec<usize> = (0..traders.len()).filter(|at| is_structure(&traders[*at])).collect();
        let bases: Vec<_> =
            structures.iter().map(|at| catalogue.instruments[traders[*at].instrument.index()].base).collect();
        let watched = catalogue.instruments.iter().map(|known| bases.contains(&known.base)).collect();
        // Quotes come as often as they like.
        let every = if structures.is_empty() { every } else { every.max(Duration::MINUTE) };
        let rules =
            |strategy: usize| (0..=u8::MAX).map(|rule| engine.rule_name(StrategyId(strategy as u32), rule)).collect();
        Self {
            symbols: catalogue.instruments.iter().map(|known| Name::from(known.symbol.as_str())).collect(),
            rule_names: (0..traders.len()).map(rules).collect(),
            ledger: Ledger::new(catalogue),
            shown: Shown::new(catalogue, accounts[0].numeraire),
            high_water: Cash::ZERO,
            catalogue: catalogue.clone(),
            paid_by: vec![Cash::ZERO; accounts.len()],
            accounts,
            traders,
            traded,
            structures,
            opening: Vec::new(),
            watched,
            options: catalogue.instruments.iter().map(|known| known.kind.is_option()).collect(),
            keep,
            every,
            hasher: blake3::Hasher::new(),
            scratch: StateWriter::new(),
            tables: Tables::default(),
            sent: vec![Vec::new(); count],
            facts: RunFacts::default(),
            bars: vec![None; count],
            has_bars: false,
            has_settled: false,
            has_settled_row: false,
            last_row: Timestamp::from_nanos(0),
            moved: Vec::new(),
            carried: Vec::new(),
            brought_in: Vec::new(),
            paid_in: Cash::ZERO,
            paid_in_for_now: Cash::ZERO,
            last_bar: vec![None; count],
            at: Timestamp::MIN,
            source: Source::Market,
            greeks: None,
            losses: LossRecorder::default(),
            plans_now: Vec::new(),
            words: Words::default(),
        }
    }

    /// Keeps rows of the options on what is traded too, if there are any. `span` is that of the run.
    pub(crate) fn follow_options(&mut self, span: (Timestamp, Timestamp)) {
        let names = Names {
            strategies: self.traders.iter().map(|trader| trader.policy.clone()).collect(),
            venues: self.accounts.iter().map(|account| Name::from(account.venue.as_str())).collect(),
        };
        let base = |trader: &Trader| self.catalogue.instruments[trader.instrument.index()].base;
        let bases: Vec<_> = self.traders.iter().map(base).collect();
        self.greeks = GreeksRecorder::new(&self.catalogue, &bases, span, names);
    }

    /// The hash of all inputs and outputs so far.
    pub(crate) fn chain(&self) -> String {
        let mut hasher = self.hasher.clone();
        hasher.update(self.scratch.as_bytes());
        hasher.finalize().to_hex().to_string()
    }

    /// Hashes what is waiting, once it is enough to be hashed fast.
    #[inline]
    fn hash_on(&mut self) {
        if self.scratch.as_bytes().len() >= HASHED_AT_ONCE {
            self.hasher.update(self.scratch.as_bytes());
            self.scratch.clear();
        }
    }

    fn symbol(&self, instrument: InstrumentId) -> String {
        self.symbols[instrument.index()].to_string()
    }

    fn policy(&self, strategy: StrategyId) -> String {
        self.traders[strategy.index()].policy.to_string()
    }

    fn settle(&self, instrument: InstrumentId) -> String {
        self.catalogue.instruments[instrument.index()].settle.to_string()
    }

    #[inline]
    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Bar(bar) if self.traded[bar.instrument.index()] => self.on_bar(bar),
            Event::Bar(bar) => self.has_bars |= self.watched[bar.instrument.index()],
            Event::OptionQuote(quote) => self.has_bars |= self.watched[quote.instrument.index()],
            Event::Cash(change) => self.on_cash(change),
            Event::Order(news) => self.on_news(news.order, &news.update),
            Event::Mark(mark) => self.has_bars |= self.watched[mark.instrument.index()],
            Event::Trade(trade) => self.has_bars |= self.watched[trade.instrument.index()],
            Event::Funding(_) | Event::Series(_) | Event::Settlement(_) => {}
        }
    }

    #[inline]
    fn on_bar(&mut self, bar: &Bar) {
        let index = bar.instrument.index();
        if let Some(last) = self.last_bar[index].filter(|last| last.closed < bar.opened) {
            self.facts.gaps.push((bar.instrument, last.closed, bar.opened));
        }
        self.last_bar[index] = Some(LastBar { opened: bar.opened, closed: bar.closed, told: self.at });
        if !self.carried.is_empty() {
            self.bring_in(bar);
        }
        self.facts.bars += 1;
        self.has_bars = true;
        self.bars[index] = Some(match self.bars[index] {
            Some(before) => Bar {
                opened: before.opened,
                open: before.open,
                high: before.high.max(bar.high),
                low: before.low.min(bar.low),
                volume: Qty::from_raw(before.volume.raw().saturating_add(bar.volume.raw())),
                ..*bar
            },
            None => *bar,
        });
        if !self.sent[index].is_empty() {
            self.audit(bar);
        }
    }

    /// What a position from before has earned by the first price of the run was brought into it, like money paid in.
    #[cold]
    fn bring_in(&mut self, bar: &Bar) {
        let known = &self.catalogue.instruments[bar.instrument.index()];
        let (contract, currency) = (known.kind.contract(), known.settle);
        for fill in self.carried.extract_if(.., |fill| fill.instrument == bar.instrument) {
            let amount = contract.profit(fill.signed_qty(), fill.price, bar.open);
            self.moved.push(CashChange { account: fill.account, currency, amount, reason: CashReason::Deposit });
            self.brought_in.push((fill, bar.open));
        }
    }

    fn on_cash(&mut self, change: &CashChange) {
        self.ledger.change(change);
        let (time, account, currency) = (self.at, u64::from(change.account.0), change.currency.to_string());
        let (reason, other) = match change.reason {
            CashReason::Funding { instrument, rate, mark, position } => {
                self.tables.funding.push(FundingRow {
                    time,
                    account,
                    instrument: self.symbol(instrument),
                    position,
                    mark,
                    rate,
                    amount: change.amount,
                    currency,
                });
                return;
            }
            CashReason::Deposit => ("deposit", String::new()),
            CashReason::Withdrawal => ("withdrawal", String::new()),
            CashReason::Transfer { other } => ("transfer", other.0.to_string()),
            CashReason::Conversion { other } => ("conversion", other.to_string()),
        };
        if matches!(change.reason, CashReason::Deposit | CashReason::Withdrawal) {
            self.moved.push(*change);
        }
        self.tables.flows.push(FlowRow {
            time,
            account,
            reason: reason.to_owned(),
            amount: change.amount,
            currency,
            other,
        });
    }

    /// A naive look at the finished bar: an order that rested all through it and lies inside its range must have filled.
    fn audit(&mut self, bar: &Bar) {
        for sent in &self.sent[bar.instrument.index()] {
            let (OrderKind::Limit { price } | OrderKind::Stop { trigger: price }) = sent.order.kind else { continue };
            let rested = sent.live && sent.since <= bar.opened;
            let crossed = (bar.low..=bar.high).contains(&price);
            self.facts.unexplained += u64::from(rested && crossed && !sent.cancelling);
        }
    }

    fn find(&self, id: OrderId) -> Option<(usize, usize)> {
        let at = |orders: &Vec<Sent>| orders.iter().position(|sent| sent.order.id == id);
        self.sent.iter().enumerate().find_map(|(instrument, orders)| Some((instrument, at(orders)?)))
    }

    fn on_news(&mut self, id: OrderId, update: &OrderUpdate) {
        let ends = matches!(update, OrderUpdate::Cancelled(_) | OrderUpdate::Rejected(_));
        let (event, reason) = match update {
            OrderUpdate::Accepted => ("accepted", String::new()),
            OrderUpdate::Triggered => ("triggered", String::new()),
            OrderUpdate::Amended { .. } => ("amended", String::new()),
            OrderUpdate::Filled(fill) => {
                self.ledger.fill(fill);
                self.has_settled |= fill.forced == Some(Forced::Settlement) && self.options[fill.instrument.index()];
                ("filled", String::new())
            }
            OrderUpdate::Cancelled(why) => ("cancelled", why.to_string()),
            OrderUpdate::Rejected(why) => {
                self.facts.rejected += 1;
                ("rejected", why.to_string())
            }
        };
        let Some((instrument, at)) = self.find(id) else { return };
        let sent = &mut self.sent[instrument][at];
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
            self.sent[instrument].remove(at);
        }
    }

    fn on_command(&mut self, command: &Command, purpose: Purpose, strategy: StrategyId) {
        // What is sent inside a bar did not rest all through it: that bar's own input is still to come.
        let since = self.at;
        match *command {
            Command::Place(order) => {
                let sent = Sent { order, purpose, strategy, since, live: false, cancelling: false };
                self.sent[order.instrument.index()].push(sent);
                self.order_row(&sent, "place", String::new());
            }
            Command::Amend { order, qty, kind } => {
                let Some((instrument, at)) = self.find(order) else { return };
                let sent = &mut self.sent[instrument][at];
                (sent.order.qty, sent.order.kind, sent.since) = (qty, kind, since);
                let shown = *sent;
                self.order_row(&shown, "amend", String::new());
            }
            Command::Cancel { order } => {
                let Some((instrument, at)) = self.find(order) else { return };
                let sent = &mut self.sent[instrument][at];
                sent.cancelling = true;
                let shown = *sent;
                self.order_row(&shown, "cancel", String::new());
            }
        }
    }

    fn order_row(&mut self, sent: &Sent, event: &str, reason: String) {
        if self.keep != Keep::All {
            return;
        }
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
            strategy: self.traders[sent.strategy.index()].policy.clone(),
            instrument: self.symbols[order.instrument.index()].clone(),
            purpose: self.words.of(&sent.purpose.to_string()),
            side: self.words.of(if order.side == Side::Buy { "buy" } else { "sell" }),
            quantity: order.qty,
            kind: self.words.of(kind),
            price,
            trigger,
            reduce_only: order.reduce_only,
            event: self.words.of(event),
            reason: self.words.of(&reason),
        });
    }

    fn on_plan(&mut self, plan: &Plan) {
        self.plans_now.push((plan.strategy, plan.id.0, plan.hedged));
        self.steps_of(plan);
        if self.keep != Keep::All {
            return;
        }
        // Behind the steps, one line a fact.
        for (at, (series, refusal)) in plan.unknown.iter().enumerate() {
            let rule = self.rule_names[plan.strategy.index()][usize::from(ENGINE_RULE)];
            self.tables.plans.push(PlanRow {
                time: plan.at,
                plan: plan.id.0,
                input: plan.input,
                strategy: self.traders[plan.strategy.index()].policy.clone(),
                instrument: self.symbols[plan.instrument.index()].clone(),
                step: (plan.steps.len() + at) as u64 + 1,
                rule: self.words.of(rule),
                outcome: self.words.of(Outcome::Kept.name()),
                before: plan.position,
                after: plan.position,
                because: unknown(&self.catalogue.series[series.index()], refusal),
                price: plan.price,
                equity: plan.equity,
                position: plan.position,
                target: plan.target.qty,
            });
        }
    }

    fn steps_of(&mut self, plan: &Plan) {
        for (index, step) in plan.steps.iter().enumerate() {
            let rule = self.rule_names[plan.strategy.index()][usize::from(step.rule)];
            match step.outcome {
                Outcome::Refused => {
                    let sentence = step.reason.template.replace("{}", "…");
                    *self.facts.refused.entry(format!("{rule}: {sentence}")).or_default() += 1;
                }
                Outcome::Unmet if step.reason.template.contains(NOT_KNOWN) => self.facts.unknown += 1,
                Outcome::Unmet => self.facts.unmet += 1,
                Outcome::Kept | Outcome::Set | Outcome::Cut | Outcome::Held => {}
            }
            if self.keep != Keep::All {
                continue;
            }
            self.tables.plans.push(PlanRow {
                time: plan.at,
                plan: plan.id.0,
                input: plan.input,
                strategy: self.traders[plan.strategy.index()].policy.clone(),
                instrument: self.symbols[plan.instrument.index()].clone(),
                step: index as u64 + 1,
                rule: self.words.of(rule),
                outcome: self.words.of(step.outcome.name()),
                before: step.before,
                after: step.after,
                because: plan.because(index),
                price: plan.price,
                equity: plan.equity,
                position: plan.position,
                target: plan.target.qty,
            });
        }
    }

    fn on_fill(&mut self, strategy: StrategyId, order: OrderId, purpose: Purpose, campaign: u64, fill: &Fill) {
        self.facts.fills += 1;
        self.ledger.trade(fill);
        self.losses.on_fill(fill);
        if purpose == Purpose::Opening {
            self.carried.push(*fill);
        }
        if fill.forced == Some(Forced::Liquidation) {
            self.facts.liquidated = self.facts.liquidated.or(Some(self.at));
        }
        self.tables.fills.push(FillRow {
            time: self.at,
            input: self.facts.inputs,
            account: u64::from(fill.account.0),
            strategy: self.policy(strategy),
            instrument: self.symbol(fill.instrument),
            order: order.to_string(),
            plan: order.plan().0,
            purpose: purpose.to_string(),
            side: fill.side.to_string(),
            quantity: fill.qty,
            price: fill.price,
            reference: fill.reference,
            fee: fill.fee,
            currency: self.settle(fill.instrument),
            liquidity: fill.liquidity.to_string(),
            liquidation: fill.forced == Some(Forced::Liquidation),
            campaign,
        });
    }

    fn count_trigger(&mut self, purpose: Purpose) {
        let triggered = matches!(purpose, Purpose::Stop | Purpose::Rung { .. } | Purpose::Add { .. });
        self.facts.acted += u64::from(triggered);
    }

    /// A structure was filled: the legs that opened it are of its campaign.
    fn on_structure(&mut self, strategy: StrategyId, purpose: Purpose, campaign: u64) {
        self.count_trigger(purpose);
        // A policy may trade several: its own, and options that its hedges buy.
        for (row, _) in self.opening.extract_if(.., |(_, of)| *of == strategy) {
            self.tables.fills[row].campaign = campaign;
        }
    }

    /// Adds what is still open at the end, valued at the mark, and the last row.
    pub(crate) fn finish(&mut self, engine: &Engine, exchange: &Exchange) {
        for strategy in 0..self.traders.len() {
            if let Some(record) = engine.open_record(StrategyId(strategy as u32)) {
                self.on_campaign(&record);
            }
        }
        // What came after the last row's bar, a settlement among it, may have moved no price that makes one.
        let is_told = self.tables.equity.last().is_none_or(|row| row.equity == self.total(engine));
        if (self.has_bars || !is_told) && self.keep != Keep::Total {
            self.rows(engine);
        }
        if let Some(mut greeks) = self.greeks.take() {
            greeks.finish(self.at, &engine.holdings().collect::<Vec<_>>());
            (self.tables.greeks, self.tables.surfaces, self.tables.smiles) =
                (greeks.greeks, greeks.surfaces, greeks.smiles);
        }
        self.facts.paid_in = self.paid_in + self.paid_in_for_now;
        self.facts.equity = self.total(engine);
        self.facts.paid = self.ledger.paid(engine, &self.shown, exchange);
    }

    fn on_campaign(&mut self, record: &CampaignRecord) {
        self.tables.campaigns.push(CampaignRow {
            campaign: record.id,
            strategy: self.policy(record.strategy),
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

    /// Money that moved, in the run's currency, as soon as that can be told. What a position is carried at is no price of the
    /// market: at that it is told only for now.
    fn translate_moved(&mut self, engine: &Engine) {
        let (mut told, mut for_now) = (Cash::ZERO, Cash::ZERO);
        self.moved.retain(|change| {
            let worth = self.shown.of(engine, change.currency, change.amount);
            let from = self.shown.read_from(change.currency);
            let is_carried = self.carried.iter().any(|fill| Some(fill.instrument.index()) == from);
            let worth_now = worth.unwrap_or_default();
            if is_carried {
                for_now += worth_now;
            } else {
                told += worth_now;
                self.paid_by[change.account.index()] += worth_now;
            }
            is_carried || worth.is_none()
        });
        self.paid_in_for_now = for_now;
        self.paid_in += told;
        self.high_water += told;
    }

    /// What a position from before had lost by its first price was paid for by its account, and left something.
    #[cold]
    fn check_brought_in(&mut self) -> Result<(), Error> {
        for (fill, price) in std::mem::take(&mut self.brought_in) {
            let account = fill.account;
            let waits = self.carried.iter().any(|other| other.account == account)
                || self.moved.iter().any(|other| other.account == account);
            let paid = self.paid_by[account.index()];
            if waits || paid.signum() > 0 {
                continue;
            }
            let known = &self.catalogue.instruments[fill.instrument.index()];
            let (symbol, settle, numeraire) = (&known.symbol, known.settle, self.accounts[0].numeraire);
            let venue = &self.accounts[account.index()].venue;
            let profit = known.kind.contract().profit(fill.signed_qty(), fill.price, price);
            return Err(Error::Setup(format!(
                "`[[adopt]]` takes over {} of `{symbol}` at {}; at the run's first price of it, {price}, that has earned {profit:.2} \
                 {settle}, which leaves the account at `{venue}` with {paid:.2} {numeraire}: correct `quantity` or `entry`, or state \
                 the deposit that bears it",
                fill.signed_qty(),
                fill.price
            )));
        }
        Ok(())
    }

    /// All accounts together.
    fn total(&self, engine: &Engine) -> Cash {
        let balances = engine.accounts().flat_map(|account| account.balances());
        let worth = balances.map(|balance| self.shown.of(engine, balance.currency, balance.equity()));
        worth.map(Option::unwrap_or_default).sum()
    }

    /// How far equity of all accounts is under its highest.
    fn drawdown(&mut self, engine: &Engine, equity: Cash) -> f64 {
        if self.accounts.len() == 1 {
            return engine.drawdown(AccountId(0));
        }
        let equity = equity - self.paid_in_for_now;
        self.high_water = self.high_water.max(equity);
        let under = (self.high_water - equity).approximate();
        let highest = (self.high_water + self.paid_in_for_now).approximate();
        if highest > 0.0 { under / highest } else { 0.0 }
    }

    fn rows(&mut self, engine: &Engine) {
        self.last_row = self.at;
        if self.keep == Keep::All {
            let residual = self.ledger.residual(engine);
            if residual.abs() > self.facts.residual.abs() {
                self.facts.residual = residual;
            }
        }
        self.see_structures(engine);
        if self.keep == Keep::All && !self.structures.is_empty() {
            self.option_rows(engine);
        }
        let (equity, held) = (self.total(engine), held(engine, &self.shown, &self.options));
        let drawdown = self.drawdown(engine, equity);
        let over = |value: Cash| if equity.raw() > 0 { value.approximate() / equity.approximate() } else { 0.0 };
        self.tables.equity.push(EquityRow {
            time: self.at,
            paid_in: self.paid_in + self.paid_in_for_now,
            // As the file defines it: partial exits stay in the position's cost.
            cash: equity - held.value,
            equity,
            twin_equity: Cash::ZERO,
            twin_paid_in: Cash::ZERO,
            drawdown,
            exposure: over(held.net),
            gross: over(held.gross),
            twin_exposure: 0.0,
            chain: if self.keep == Keep::All { self.chain()[..16].to_owned() } else { String::new() },
        });
        if self.accounts.len() > 1 {
            self.account_rows(engine);
        }
        if matches!(self.keep, Keep::All | Keep::Positions) {
            self.position_rows(engine);
        }
    }

    /// Takes out the rows of this instant.
    fn forget_rows(&mut self) {
        let (at, tables) = (self.at, &mut self.tables);
        let _ = tables.equity.pop_if(|row| row.time == at);
        while tables.accounts.pop_if(|row| row.time == at).is_some() {}
        while tables.positions.pop_if(|row| row.time == at).is_some() {}
        while tables.options.pop_if(|row| row.time == at).is_some() {}
    }

    /// The legs that are held: with their marks, and what is paid for them, equity can be recomputed.
    fn option_rows(&mut self, engine: &Engine) {
        for (account, of) in engine.accounts().enumerate() {
            let held =
                of.positions().enumerate().filter(|(index, (held, _))| self.options[*index] && !held.qty.is_zero());
            let row = |(index, (held, mark)): (usize, (market::Position, Price))| {
                let quoted = engine.chains().option(InstrumentId(index as u32)).map(|option| option.quoted);
                let age = quoted.filter(|quoted| *quoted > Timestamp::default()).map(|quoted| self.at.since(quoted));
                self.facts.stalest = self.facts.stalest.max(age.unwrap_or_default());
                OptionRow {
                    time: self.at,
                    account: account as u64,
                    instrument: self.symbols[index].clone(),
                    position: held.qty,
                    mark,
                }
            };
            self.tables.options.extend(held.map(row));
        }
    }

    /// A structure has no bars: its row shows what it is worth now.
    fn see_structures(&mut self, engine: &Engine) {
        for &at in &self.structures {
            let instrument = self.traders[at].instrument;
            let price = engine.exposed_mark(StrategyId(at as u32));
            let (opened, closed, volume) = (self.at, self.at, Qty::ZERO);
            let bar = Bar { instrument, opened, closed, open: price, high: price, low: price, close: price, volume };
            // From its first price on, worth nothing or between two choices too: the twin's rows stand at the same times.
            let index = instrument.index();
            let first = LastBar { opened, closed, told: self.at };
            self.last_bar[index] = self.last_bar[index].or((!price.is_zero()).then_some(first));
            self.bars[index] = self.last_bar[index].map(|_| bar);
        }
    }

    /// What facts of value at risk told in this input, and what came of what they told before.
    fn loss_rows(&mut self, engine: &Engine) {
        let Self { losses, tables, traders, symbols, .. } = self;
        losses.on_input(engine, self.at, &mut tables.losses, |forecast| {
            let part = forecast.strategy.map(|strategy| &traders[strategy.index()]);
            let no = || Name::from("");
            (
                part.map_or_else(no, |trader| trader.policy.clone()),
                part.map_or_else(no, |trader| symbols[trader.instrument.index()].clone()),
            )
        });
    }

    /// What hedges saw at their plans of this input; at a row of equity, what they see.
    fn hedge_rows(&mut self, engine: &Engine, plans: &[(StrategyId, u64, Option<HedgeView>)], makes_row: bool) {
        for (index, trader) in self.traders.iter().enumerate() {
            let strategy = StrategyId(index as u32);
            // Of several plans of one input the first: a later one answers what it made cross inside the book.
            let (plan, view) = match plans.iter().find(|(of, ..)| *of == strategy) {
                Some((_, plan, view)) => (*plan, *view),
                None if makes_row => (0, engine.hedge_view(strategy)),
                None => continue,
            };
            let seen = engine.facts(strategy);
            let (Some(view), Some(price)) = (view, seen.get(facts::PRICE)) else { continue };
            let HedgeView { delta, gross, gamma, position, on_the_way } = view;
            self.tables.hedges.push(HedgeRow {
                time: self.at,
                strategy: trader.policy.clone(),
                instrument: self.symbols[trader.instrument.index()].clone(),
                plan,
                price,
                delta,
                gross,
                gamma: gamma.get(),
                equity: seen.get(facts::EQUITY).unwrap_or_default(),
                position,
                on_the_way,
            });
        }
    }

    /// What hedges compared for their plans of this input.
    fn choice_rows(&mut self, engine: &Engine, plans: &[(StrategyId, u64, Option<HedgeView>)]) {
        for (at, (strategy, plan, _)) in plans.iter().enumerate() {
            // Of several plans of one input the first is made of it.
            if plans[..at].iter().any(|(of, ..)| of == strategy) {
                continue;
            }
            for Compared { strategy: of, need, instrument: way, offer, is_chosen } in
                engine.compared(*strategy).copied()
            {
                let trader = &self.traders[of.index()];
                let bound = |most: f64| Some(most).filter(|most| most.is_finite());
                let kind = match way.kind {
                    Kind::Perpetual => "perpetual",
                    Kind::Future => "future",
                    Kind::Spot => "spot",
                    Kind::Option => "option",
                };
                self.tables.choices.push(ChoiceRow {
                    time: self.at,
                    plan: *plan,
                    strategy: trader.policy.clone(),
                    instrument: self.symbols[trader.instrument.index()].clone(),
                    kind: self.words.of(kind),
                    need: need.delta,
                    years: need.years,
                    capital: need.capital,
                    delta: way.delta,
                    half_spread: way.half_spread,
                    impact: way.impact,
                    fee: way.fee,
                    carry: way.carry,
                    margin: way.margin,
                    delivery: way.delivery,
                    expiry: way.expiry,
                    lot: way.lot,
                    most_bought: bound(way.most[0]),
                    most_sold: bound(way.most[1]),
                    held: way.held,
                    units: offer.units,
                    cost: offer.costs.ok().map(|costs| costs.total()),
                    is_chosen,
                });
            }
        }
    }

    fn account_rows(&mut self, engine: &Engine) {
        for (index, (account, spec)) in engine.accounts().zip(&self.accounts).enumerate() {
            self.tables.accounts.push(AccountRow {
                time: self.at,
                account: index as u64,
                venue: Name::from(spec.venue.as_str()),
                currency: Name::from(spec.numeraire.as_str()),
                equity: account.equity(),
                twin_equity: Cash::ZERO,
                drawdown: engine.drawdown(AccountId(index as u32)),
            });
        }
    }

    fn position_rows(&mut self, engine: &Engine) {
        for (index, trader) in self.traders.iter().enumerate() {
            let Some(bar) = self.bars[trader.instrument.index()] else { continue };
            let (strategy, instrument) = (StrategyId(index as u32), trader.instrument.index());
            let account = engine.account(engine.account_of(trader.instrument));
            let (mark, position) = (engine.exposed_mark(strategy), engine.exposed(strategy));
            let equity = account.equity_for(instrument);
            let unit = unit_of(engine, strategy).unwrap_or(mark);
            let cap = engine.binding_rule(strategy).map_or("", |rule| self.rule_names[index][usize::from(rule)]);
            self.tables.positions.push(PositionRow {
                time: self.at,
                strategy: trader.policy.clone(),
                instrument: self.symbols[instrument].clone(),
                mark,
                open: bar.open,
                high: bar.high,
                low: bar.low,
                position,
                twin_position: Qty::ZERO,
                stop: engine.campaign(strategy).and_then(|campaign| campaign.stop),
                exposure: if equity.raw() > 0 {
                    account.contract(instrument).exposure(unit, position).approximate() / equity.approximate()
                } else {
                    0.0
                },
                twin_exposure: 0.0,
                volume: bar.volume,
                volatility: engine.facts(strategy).get(policy::facts::VOLATILITY).map(units::Vol::get),
                cap: self.words.of(cap),
            });
        }
    }
}

/// Positions at their marks, in the numéraire of the first account.
struct Held {
    /// What changes with the price.
    value: Cash,
    net: Cash,
    gross: Cash,
}

/// What one unit of a strategy's structure stands for in the currency that it settles in. `None`: it trades something else.
/// That a fact was not known, and why.
pub(crate) fn unknown(fact: &str, refusal: &RiskRefusal) -> String {
    format!("`{fact}` is not known: {}", refusal.reason())
}

fn unit_of(engine: &Engine, strategy: StrategyId) -> Option<Price> {
    engine.facts(strategy).get(policy::facts::EXPOSURE_PRICE)
}

fn held(engine: &Engine, shown: &Shown, options: &[bool]) -> Held {
    let mut held = Held { value: Cash::ZERO, net: Cash::ZERO, gross: Cash::ZERO };
    for account in engine.accounts() {
        for (index, (position, mark)) in account.positions().enumerate().filter(|(_, (held, _))| !held.qty.is_zero()) {
            let shown = |amount| shown.of(engine, account.settlement(index).currency, amount).unwrap_or_default();
            held.value += shown(account.contract(index).value(mark, position.qty).cash());
            // What options stand for is told by the structures that they are legs of.
            if options[index] {
                continue;
            }
            let exposure = account.exposure(index).cash();
            held.gross += shown(exposure.abs());
            // A spot position is told by the coins that it holds, where coin counts.
            if account.holding(index).is_none() || !shown_in_dollars(engine) {
                held.net += shown(exposure);
            }
        }
        let structures =
            engine.strategies().filter_map(|(id, instrument)| Some((id, instrument, unit_of(engine, id)?)));
        for (strategy, instrument, unit) in
            structures.filter(|(_, of, _)| std::ptr::eq(engine.account(engine.account_of(*of)), account))
        {
            let exposure = Contract::Linear.exposure(unit, engine.exposed(strategy)).cash();
            let exposure =
                shown.of(engine, account.settlement(instrument.index()).currency, exposure).unwrap_or_default();
            held.net += exposure;
            held.gross += exposure.abs();
        }
        if shown_in_dollars(engine) {
            let coins = account.balances().iter().filter(|balance| !is_dollar(balance.currency));
            let worth = coins.map(|coin| shown.of(engine, coin.currency, coin.equity()).unwrap_or_default());
            held.net += worth.sum();
        }
    }
    held
}

/// In dollars, coin that is held is a position in it, collateral too.
fn shown_in_dollars(engine: &Engine) -> bool {
    is_dollar(engine.account(AccountId(0)).numeraire())
}

impl Journal for Recorder {
    type Error = Error;

    fn append(&mut self, input: &Input<'_>) -> Result<(), Error> {
        if self.keep == Keep::All {
            input.save(&mut self.scratch);
            self.hash_on();
        }
        self.facts.inputs += 1;
        (self.at, self.source) = (input.at, input.source);
        for event in input.events {
            self.on_event(event);
        }
        if let Some(greeks) = self.greeks.as_mut().filter(|_| input.source == Source::Market) {
            greeks.observe(input.at, input.events);
        }
        Ok(())
    }

    fn output(&mut self, output: &Output) -> Result<(), Error> {
        if self.keep == Keep::All {
            output.save(&mut self.scratch);
            self.hash_on();
        }
        match output {
            Output::Plan(plan) => self.on_plan(plan),
            Output::Command { command, purpose, strategy } => self.on_command(command, *purpose, *strategy),
            Output::Notice(Notice::Filled { strategy, purpose, campaign, .. })
                if self.structures.contains(&strategy.index()) =>
            {
                self.on_structure(*strategy, *purpose, *campaign);
            }
            Output::Notice(Notice::Filled { strategy, order, purpose, campaign, fill }) => {
                self.count_trigger(*purpose);
                self.on_fill(*strategy, *order, *purpose, *campaign, fill);
            }
            // What the venue did; the structure's own fill sums it up, and says of which campaign the first ones are.
            Output::Notice(Notice::Leg { strategy, order, purpose, campaign, fill }) => {
                let row = self.tables.fills.len();
                if *purpose == Purpose::Settlement {
                    self.facts.settled.insert(fill.instrument);
                }
                self.on_fill(*strategy, *order, *purpose, campaign.unwrap_or(0), fill);
                if campaign.is_none() && self.tables.fills.len() > row {
                    self.opening.push((row, *strategy));
                }
            }
            Output::Notice(Notice::CampaignClosed(record)) => self.on_campaign(record),
            // What an attempt to enter had filled is of no campaign: one that opens later pays nothing of it.
            Output::Notice(Notice::Unwound { strategy, campaign: None, .. }) => {
                self.opening.retain(|(_, of)| of != strategy);
            }
            Output::Notice(Notice::Rejected { .. } | Notice::Rolled { .. } | Notice::Unwound { .. }) => {}
        }
        Ok(())
    }

    fn settled(&mut self, _at: Timestamp, engine: &Engine) -> Result<(), Error> {
        let evaluations = engine.evaluations();
        self.facts.quiet_inputs += u64::from(evaluations == self.facts.evaluations);
        self.facts.evaluations = evaluations;
        let plans_now = std::mem::take(&mut self.plans_now);
        let has_settled = std::mem::take(&mut self.has_settled) && self.keep != Keep::Total;
        if self.source != Source::Market {
            if has_settled {
                self.rows(engine);
                self.has_settled_row = true;
            }
            return Ok(());
        }
        if !self.moved.is_empty() {
            self.translate_moved(engine);
        }
        if !self.brought_in.is_empty() {
            self.check_brought_in()?;
        }
        let due = self.every == Duration::ZERO || self.at.floor(self.every) != self.last_row.floor(self.every);
        // Prices of the instant of a settlement belong into its row.
        let has_row = std::mem::take(&mut self.has_settled_row) && self.at == self.last_row;
        let makes_row = self.has_bars && (due || has_row) && self.keep != Keep::Total;
        if self.keep == Keep::All {
            self.hedge_rows(engine, &plans_now, makes_row);
            self.choice_rows(engine, &plans_now);
        }
        if makes_row {
            if has_row {
                self.forget_rows();
            }
            self.rows(engine);
            self.has_bars = false;
            self.bars.fill(None);
        }
        self.loss_rows(engine);
        if let Some(greeks) = self.greeks.as_mut().filter(|greeks| greeks.is_due(self.at)) {
            greeks.row(self.at, &engine.holdings().collect::<Vec<_>>());
        }
        Ok(())
    }
}
