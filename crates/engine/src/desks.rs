//! Desks of structures against a venue that fills in parts, refuses, cancels, settles, and tells all of it late, twice and in any
//! order. Whatever it does, no leg is left over, and what strategies are told they won is what their account won.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use crate::listed::{NOW, days, option};
use crate::{Engine, EngineConfig, Notice, Output, Purpose, StrategyConfig};
use market::{
    Account, CancelReason, CashChange, CashReason, Catalogue, Command, Currency, Event, Fill, Forced, Input,
    Instrument, InstrumentKind, Liquidity, NewOrder, OptionQuote, OrderEvent, OrderUpdate, RejectReason, SeriesPoint,
    SettlementPrice, Source,
};
use policy::facts::{self, FactId, Facts};
use policy::spec::{LegStrike, Roll, Structure, StructureLeg};
use policy::{Add, Because, Exit, Program, Rule, Target, Verdict};
use std::collections::{BTreeMap, VecDeque};
use units::state::{StateReader, StateWriter};
use units::{
    AccountId, Cash, Duration, InstrumentId, OptionRight, OrderId, Price, Qty, Ratio, SeriesId, Side, StrategyId,
    Timestamp,
};

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn btc() -> Currency {
    "BTC".parse().unwrap()
}

const LOT: i64 = Qty::ONE / 10;

/// Of the first series: what is wanted is not known.
const UNKNOWN: f64 = 99.0;

/// Holds what a series says, with a stop and a rung where others say.
struct Script {
    series: u32,
}

impl Script {
    fn told(&self, facts: &Facts, of: u32) -> f64 {
        facts.get(facts::series(SeriesId(self.series + of))).map_or(0.0, Ratio::get)
    }

    fn price(&self, facts: &Facts, of: u32) -> Option<Price> {
        Price::from_estimate(self.told(facts, of), units::Round::Nearest).filter(|price| !price.is_zero())
    }
}

impl Rule for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn reads(&self) -> &[FactId] {
        &[]
    }

    fn evaluate(&self, facts: &Facts, _proposed: Target, because: &mut Because) -> Verdict {
        let held = facts.get(facts::POSITION).unwrap_or_default();
        if self.told(facts, 0) == UNKNOWN {
            because.not_known();
            return Verdict::set(Target { base: held, qty: held });
        }
        let wanted = Qty::from_estimate(self.told(facts, 0), units::Round::Nearest).unwrap();
        let closed = facts.get(facts::RUNGS_USED).unwrap_or(0) != 0;
        let added = facts.get(facts::UNITS).unwrap_or(0) & 2 != 0;
        // After a rung or an add what there is is held.
        let target = if (closed || added) && wanted.signum() == held.signum() { held } else { wanted };
        if !held.is_zero() && !target.is_zero() {
            if let Some(trigger) = self.price(facts, 1) {
                because.rest(Exit::Stop { trigger });
            }
            let lot = facts.get(facts::LOT).unwrap().raw();
            // A unit more on the way to the rung, with a limit for every other strategy.
            if let Some(at) = self.price(facts, 2).filter(|_| !closed && !added) {
                let trigger = Price::from_raw(at.raw() - 20_000 * held.signum());
                let limit = self.series.is_multiple_of(2).then(|| Price::from_raw(at.raw() + 30_000 * held.signum()));
                let qty = Qty::from_raw(lot * held.signum());
                let (whole, rest, chase) = (qty, Qty::ZERO, limit);
                because.set_add(Some(Add { trigger, at: trigger, limit, chase, qty, whole, rest, unit: 2 }));
            }
            let half = Qty::from_raw(held.abs().raw() / lot / 2 * lot);
            if let Some(price) = self.price(facts, 2).filter(|_| !closed && !half.is_zero()) {
                because.rest(Exit::Rung { index: 0, price, qty: half });
            }
        }
        Verdict::set(Target { base: wanted, qty: target })
    }
}

/// A limit on what may be held at once.
struct Most(Qty);

impl Rule for Most {
    fn name(&self) -> &'static str {
        "most"
    }

    fn reads(&self) -> &[FactId] {
        &[]
    }

    fn evaluate(&self, _facts: &Facts, proposed: Target, _because: &mut Because) -> Verdict {
        Verdict::keep(proposed)
    }

    fn most(&self, _facts: &Facts) -> Option<Qty> {
        Some(self.0)
    }
}

/// Of structures that are rolled before they expire: a lot more than is ever wanted.
const MOST: Qty = Qty::from_raw(5 * LOT);

/// Series that each strategy reads.
const SERIES: u32 = 3;

fn leg(right: OptionRight, multiple: f64, days: f64, ratio: &str) -> StructureLeg {
    let of = |number: f64| Ratio::new(number).unwrap();
    StructureLeg { right, strike: LegStrike::Moneyness(of(multiple)), days: of(days), ratio: qty(ratio) }
}

fn strangle(roll: Roll) -> Structure {
    let legs = vec![leg(OptionRight::Call, 1.1, 30.0, "1"), leg(OptionRight::Put, 0.9, 30.0, "1")];
    Structure {
        chain: String::new(),
        legs,
        max_spread: None,
        min_open_interest: None,
        roll,
        sticky: pricing::surface::Sticky::default(),
    }
}

fn calendar(roll: Roll) -> Structure {
    let legs = vec![leg(OptionRight::Call, 1.1, 60.0, "1"), leg(OptionRight::Call, 1.1, 30.0, "-0.5")];
    Structure {
        chain: String::new(),
        legs,
        max_spread: None,
        min_open_interest: None,
        roll,
        sticky: pricing::surface::Sticky::default(),
    }
}

/// Options of four expiries, then an instrument for each structure.
fn catalogue(structures: &[Structure]) -> Catalogue {
    let mut instruments = Vec::new();
    for expiry in 1..=6 {
        for strike in ["90000", "100000", "110000"] {
            for right in [OptionRight::Call, OptionRight::Put] {
                instruments.push(option(days(30 * expiry), strike, right));
            }
        }
    }
    for (index, structure) in structures.iter().enumerate() {
        let (lot, min_qty) = structure.grid(qty("0.1"), qty("0.1")).unwrap();
        let kind = InstrumentKind::Structure;
        instruments.push(Instrument { symbol: format!("sim:S{index}"), kind, lot, min_qty, ..instruments[0].clone() });
    }
    let series = (0..SERIES * structures.len() as u32).map(|index| format!("s{index}")).collect();
    Catalogue { instruments, series }
}

fn engine(structures: &[Structure], catalogue: &Catalogue) -> Engine {
    let mut engine = Engine::new(EngineConfig { catalogue: catalogue.clone(), ..EngineConfig::default() });
    for (index, structure) in structures.iter().enumerate() {
        let series = SERIES * index as u32;
        let mut rules: Vec<Box<dyn Rule>> = vec![Box::new(Script { series }), Box::new(Script { series })];
        if matches!(structure.roll, Roll::Before(_)) {
            rules.push(Box::new(Most(MOST)));
        }
        let program = Program::custom(rules).unwrap();
        let id = InstrumentId((catalogue.instruments.len() - structures.len() + index) as u32);
        engine.add_strategy(StrategyConfig { structure: Some(structure.clone()), ..StrategyConfig::new(id, program) });
    }
    engine
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn chance(&mut self, of_a_thousand: u64) -> bool {
        self.below(1_000) < of_a_thousand
    }
}

/// The venue, and all that was told of it.
struct World {
    engine: Engine,
    structures: Vec<Structure>,
    catalogue: Catalogue,
    random: Random,
    at: Timestamp,
    truth: Account,
    quotes: Vec<OptionQuote>,
    live: Vec<NewOrder>,
    /// News that was not told yet.
    news: Vec<Event>,
    /// What expired options are settled at.
    prices: BTreeMap<InstrumentId, Price>,
    execution: u64,
    /// How badly it behaves, in a thousand.
    malice: u64,
    settled: u64,
    won: Cash,
    rounding: i128,
    counts: BTreeMap<&'static str, u64>,
    /// Options that it cancels for want of margin.
    refuses: Option<OptionRight>,
    outputs: VecDeque<Output>,
}

impl World {
    fn new(structures: Vec<Structure>, seed: u64, malice: u64) -> Self {
        let catalogue = catalogue(&structures);
        let mut world = Self {
            engine: engine(&structures, &catalogue),
            truth: Account::new(&catalogue, None, None),
            quotes: (0..catalogue.instruments.len() as u32)
                .map(|index| OptionQuote::empty(InstrumentId(index)))
                .collect(),
            structures,
            catalogue,
            random: Random(seed),
            at: NOW,
            live: Vec::new(),
            news: Vec::new(),
            prices: BTreeMap::new(),
            execution: 0,
            malice,
            settled: 0,
            won: Cash::ZERO,
            rounding: 0,
            counts: BTreeMap::new(),
            refuses: None,
            outputs: VecDeque::new(),
        };
        let (account, reason) = (AccountId(0), CashReason::Deposit);
        let deposit = CashChange { account, currency: btc(), amount: "100".parse().unwrap(), reason };
        world.truth.change(&deposit);
        world.deliver(Source::Venue, &[Event::Cash(deposit)]);
        world
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn deliver(&mut self, source: Source, events: &[Event]) {
        let before: Vec<_> = self.engine.structures.desks.iter().map(strays).collect();
        let strangles = |world: &Self| {
            let desk = &world.engine.structures.desks[0];
            (desk.rolling, strangles_of(desk))
        };
        let (was_rolling, held) = strangles(self);
        self.engine.handle(&Input { at: self.at, source, events });
        let (rolls, holds) = strangles(self);
        if was_rolling && rolls && matches!(self.structures[0].roll, Roll::Before(_)) {
            let (position, bears) = (self.engine.structures.desks[0].position.abs(), MOST);
            assert!(holds <= held.max(position).max(bears), "{holds} strangles at {}, {held} before", self.at);
            self.count("rolled in parts");
            self.count(if holds > position { "old beside new" } else { "not more" });
        }
        for (desk, (position, alone)) in self.engine.structures.desks.iter().zip(&before) {
            let (_, still) = strays(desk);
            let stays = |(instrument, _): &&(InstrumentId, Qty)| {
                !desk.held(*instrument).is_zero() && still.iter().any(|(of, _)| of == instrument)
            };
            if desk.position == *position && alone.iter().any(|stray| stays(&stray)) {
                let change = desk.goal() - desk.position;
                let reduces = change.is_zero() || change.signum() == -position.signum();
                assert!(reduces, "{change} more at {} beside {still:?}", self.at);
            }
        }
        let alone = before.iter().any(|(_, alone)| !alone.is_empty());
        if alone {
            self.count("alone");
        }
        while let Some(output) = self.engine.poll_output() {
            match &output {
                Output::Command { command, .. } => self.take(*command),
                Output::Notice(Notice::CampaignClosed(record)) => {
                    self.won += record.profit - record.fees + record.funding;
                    self.count("campaigns");
                }
                Output::Notice(Notice::Filled { fill, purpose, .. }) => {
                    self.count(purpose.name());
                    assert_eq!(self.catalogue.instruments[fill.instrument.index()].kind, InstrumentKind::Structure);
                    self.rounding += i128::from(fill.qty.raw());
                    self.count("fills");
                    self.count(if fill.forced.is_some() { "forced" } else { "ordered" });
                }
                Output::Notice(Notice::Unwound { campaign, cost, fee, .. }) => {
                    self.count(if campaign.is_some() { "unwound in a campaign" } else { "unwound" });
                    if campaign.is_none() {
                        self.won = self.won - *cost - *fee;
                    }
                }
                Output::Notice(Notice::Rolled { .. }) => self.count("rolls"),
                _ => {}
            }
            self.outputs.push_back(output);
        }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Place(order) => {
                let of = &self.catalogue.instruments[order.instrument.index()];
                assert!(of.kind.is_option(), "only legs go to the venue");
                assert!(order.qty.raw() > 0 && order.qty.raw() % of.lot.raw() == 0, "{order:?}");
                assert!(order.id.0 % OrderId::PER_PLAN >= 128);
                let expired = of.kind.expiry().unwrap() <= self.at;
                let update = match () {
                    () if expired => OrderUpdate::Rejected(RejectReason::Expired),
                    () if self.random.chance(self.malice / 10) => OrderUpdate::Rejected(RejectReason::Margin),
                    () => OrderUpdate::Accepted,
                };
                if update == OrderUpdate::Accepted {
                    assert!(self.live.iter().all(|live| live.id != order.id), "an id is used once");
                    self.live.push(order);
                }
                self.news.push(Event::Order(OrderEvent { order: order.id, update }));
            }
            Command::Cancel { order } => {
                if let Some(at) = self.live.iter().position(|live| live.id == order) {
                    self.live.remove(at);
                    self.news.push(Event::Order(OrderEvent {
                        order,
                        update: OrderUpdate::Cancelled(CancelReason::Requested),
                    }));
                }
            }
            Command::Amend { .. } => panic!("orders of legs are not amended"),
        }
    }

    fn fill(
        &mut self,
        order: OrderId,
        instrument: InstrumentId,
        side: Side,
        qty: Qty,
        at: Price,
        forced: Option<Forced>,
    ) {
        self.execution += 1;
        let fill = Fill {
            account: AccountId(0),
            instrument,
            side,
            qty,
            price: at,
            reference: self.quotes[instrument.index()].mid().unwrap_or(at),
            fee: Cash::from_raw(i128::from(qty.raw()) * 3_000),
            liquidity: Liquidity::Taker,
            forced,
            execution: self.execution,
        };
        self.truth.fill(&fill);
        self.news.push(Event::Order(OrderEvent { order, update: OrderUpdate::Filled(fill) }));
    }

    /// Works the orders at these quotes.
    fn work(&mut self) {
        for order in std::mem::take(&mut self.live) {
            let quote = self.quotes[order.instrument.index()];
            let chains = &self.engine.structures.chains;
            let right = chains.option(order.instrument).map(|option| option.right);
            if right.is_some() && right == self.refuses {
                let update = OrderUpdate::Cancelled(CancelReason::Margin);
                self.news.push(Event::Order(OrderEvent { order: order.id, update }));
                continue;
            }
            let offered = if order.side == Side::Buy { quote.ask() } else { quote.bid() };
            let Some(at) = offered.filter(|_| !self.random.chance(self.malice / 4)) else {
                self.live.push(order);
                continue;
            };
            let mut left = order.qty;
            let whole = !self.random.chance(self.malice);
            let part = Qty::from_raw(1 + self.random.below((left.raw() / LOT) as u64) as i64).raw() * LOT;
            let part = if whole { left } else { Qty::from_raw(part) };
            self.fill(order.id, order.instrument, order.side, part, at, None);
            left -= part;
            if left.is_zero() {
                continue;
            }
            let ends = match self.random.below(4) {
                0 => Some(CancelReason::Margin),
                1 => Some(CancelReason::NothingToReduce),
                _ => None,
            };
            match ends {
                Some(reason) => {
                    self.news.push(Event::Order(OrderEvent { order: order.id, update: OrderUpdate::Cancelled(reason) }))
                }
                None => self.live.push(NewOrder { qty: left, ..order }),
            }
        }
    }

    /// Settles what has expired.
    fn settle(&mut self) {
        for index in 0..self.catalogue.instruments.len() {
            let of = &self.catalogue.instruments[index];
            let net = self.truth.position(index).qty;
            if of.kind.expiry().is_none_or(|expiry| expiry > self.at) {
                continue;
            }
            let instrument = InstrumentId(index as u32);
            for order in self.live.extract_if(.., |order| order.instrument == instrument) {
                self.news.push(Event::Order(OrderEvent {
                    order: order.id,
                    update: OrderUpdate::Cancelled(CancelReason::Expired),
                }));
            }
            let random = &mut self.random;
            let mut is_new = false;
            let price = *self.prices.entry(instrument).or_insert_with(|| {
                is_new = true;
                Price::from_raw(i64::from(random.below(200) as u32) * 10_000)
            });
            if let Some(side) = (-net).side() {
                self.settled += 1;
                self.fill(OrderId(1), instrument, side, net.abs(), price, Some(Forced::Settlement));
            } else if is_new {
                self.news.push(Event::Settlement(SettlementPrice { instrument, price }));
            }
        }
    }

    /// Tells news: well, or late, twice and in any order.
    fn tell(&mut self, all: bool) {
        if self.random.chance(self.malice) {
            for at in (1..self.news.len()).rev() {
                // Not too far: what is told sixty executions late is beyond any memory.
                let other = at - self.random.below(4.min(at as u64 + 1)) as usize;
                self.news.swap(at, other);
            }
        }
        let mut now = std::mem::take(&mut self.news);
        if !all && self.random.chance(self.malice) {
            let later = now.len() - self.random.below(now.len() as u64 + 1) as usize;
            self.news = now.split_off(later);
        }
        while !now.is_empty() {
            let together = 1 + self.random.below(now.len().min(4) as u64) as usize;
            let mut events: Vec<Event> = now.drain(..together).collect();
            if self.random.chance(self.malice / 2) {
                events.push(events[0]);
            }
            self.deliver(Source::Venue, &events);
            self.check_legs(false);
        }
    }

    /// What desks hold of each option is what the account holds.
    fn check_legs(&self, truth: bool) {
        let account = self.engine.account(AccountId(0));
        for index in 0..self.catalogue.instruments.len() - self.structures.len() {
            let instrument = InstrumentId(index as u32);
            let held: Qty = self.engine.structures.desks.iter().map(|desk| desk.held(instrument)).sum();
            let early: Qty = self.engine.structures.early_of(instrument);
            if self.engine.structures.is_settled(instrument) {
                // The account lacks the fills that are still to be told.
                assert_eq!(held, Qty::ZERO, "{index} at {}", self.at);
            } else {
                assert_eq!(held + early, account.position(index).qty, "{index} at {}", self.at);
            }
            if truth {
                assert_eq!(early, Qty::ZERO);
                assert_eq!(account.position(index), self.truth.position(index));
            }
        }
    }

    /// Where nothing is under way, what campaigns won so far is what the account won, to the rounding of prices.
    fn check_profit(&mut self) {
        let desks = &self.engine.structures.desks;
        let quiet = |desk: &crate::desk::Desk| {
            let whole = |line: &crate::desk::Line| line.held == crate::structure::times(line.ratio, desk.position);
            !desk.is_busy() && desk.lines.iter().all(whole)
        };
        if !self.news.is_empty() || !desks.iter().all(quiet) {
            return;
        }
        let mut won = self.won;
        let mut rounding = self.rounding;
        for strategy in (0..self.structures.len() as u32).map(StrategyId) {
            if let Some(open) = self.engine.open_record(strategy) {
                won += open.profit - open.fees + open.funding;
                rounding += i128::from(self.engine.position(strategy).abs().raw());
            }
        }
        let over = (self.engine.account(AccountId(0)).equity() - "100".parse::<Cash>().unwrap() - won).raw();
        if over.abs() > rounding {
            for output in self.outputs.iter().skip(self.outputs.len().saturating_sub(40)) {
                match output {
                    Output::Plan(plan) => {
                        println!(
                            "PLAN {} input {} of {} held {} target {} {:?}",
                            plan.id, plan.input, plan.strategy.0, plan.position, plan.target.qty, plan.exits
                        );
                        for step in &plan.steps {
                            println!("     {}", step.reason);
                        }
                    }
                    other => println!("{other:?}"),
                }
            }
            for desk in &self.engine.structures.desks {
                println!("DESK {} {:?} {:#?}", desk.position, desk.terms.roll, desk.lines);
                println!(
                    "{:?} {:?} mark {}",
                    desk.orders,
                    desk.sent,
                    self.engine.account(AccountId(0)).mark(desk.instrument.index())
                );
            }
        }
        assert!(over.abs() <= rounding, "{over} of {rounding} at {}", self.at);
        self.count("quiet");
    }

    /// The venue takes a leg away for want of margin.
    fn liquidate(&mut self) {
        let held = (0..self.catalogue.instruments.len()).filter(|index| !self.truth.position(*index).qty.is_zero());
        let held: Vec<usize> = held.collect();
        if held.is_empty() || !self.random.chance(self.malice / 25) {
            return;
        }
        let index = held[self.random.below(held.len() as u64) as usize];
        for order in std::mem::take(&mut self.live) {
            self.news.push(Event::Order(OrderEvent {
                order: order.id,
                update: OrderUpdate::Cancelled(CancelReason::Liquidated),
            }));
        }
        let net = self.truth.position(index).qty;
        let at = self.quotes[index].value().unwrap_or(price("0.02"));
        let side = (-net).side().unwrap();
        self.fill(OrderId(0), InstrumentId(index as u32), side, net.abs(), at, Some(Forced::Liquidation));
        self.count("liquidations");
    }

    fn quote(&mut self, calm: bool) -> Vec<Event> {
        let mut events = Vec::new();
        for index in 0..self.catalogue.instruments.len() - self.structures.len() {
            let of = &self.catalogue.instruments[index];
            if of.kind.expiry().unwrap() <= self.at || (!calm && self.random.chance(self.malice / 3)) {
                continue;
            }
            let ticks = 150 + self.random.below(100) as i64 + 40 * (index as i64 / 6);
            let at = |ticks: i64| Price::from_raw(ticks * 10_000);
            let bid =
                (calm || !self.random.chance(self.malice / 6)).then(|| at(ticks - 1 - self.random.below(4) as i64));
            let ask =
                (calm || !self.random.chance(self.malice / 6)).then(|| at(ticks + 1 + self.random.below(4) as i64));
            let quote = OptionQuote::empty(InstrumentId(index as u32))
                .with_bid(bid, None)
                .with_ask(ask, None)
                .with_mark((index % 2 == 0).then(|| at(ticks)))
                .with_underlying(price("100000"));
            self.quotes[index] = quote;
            if let Some(value) = quote.value() {
                self.truth.set_mark(index, value);
            }
            events.push(Event::OptionQuote(quote));
        }
        events
    }

    /// One market input: what the venue did by then is told before it.
    fn step(&mut self, hours: i64, calm: bool, mut events: Vec<Event>) {
        self.at = self.at + Duration::from_nanos(hours * Duration::HOUR.nanos());
        self.settle();
        let mut quotes = self.quote(calm);
        self.work();
        self.liquidate();
        self.tell(calm);
        quotes.append(&mut events);
        self.deliver(Source::Market, &quotes);
        self.check_legs(false);
        self.check_profit();
    }

    fn want(&mut self, strategy: u32, target: f64, stop: f64, rung: f64) -> Vec<Event> {
        let series = |of: u32, value: f64| {
            Event::Series(SeriesPoint { series: SeriesId(strategy * SERIES + of), value: Ratio::new(value).unwrap() })
        };
        vec![series(0, target), series(1, stop), series(2, rung)]
    }

    /// Saves the engine and goes on with a copy that loaded it.
    fn reload(&mut self) {
        let saved = |engine: &Engine| {
            let mut out = StateWriter::new();
            engine.save(&mut out);
            out.as_bytes().to_vec()
        };
        let before = saved(&self.engine);
        let mut loaded = engine(&self.structures, &self.catalogue);
        loaded.load(&mut StateReader::new(&before)).unwrap();
        assert_eq!(saved(&loaded), before);
        self.engine = loaded;
    }

    /// Everything is closed and told: nothing is left, and what was won is what was told.
    fn finish(&mut self) {
        self.malice = 0;
        for _ in 0..12 {
            let mut events = Vec::new();
            for strategy in 0..self.structures.len() as u32 {
                events.extend(self.want(strategy, 0.0, 0.0, 0.0));
            }
            self.step(1, true, events);
        }
        self.tell(true);
        self.check_legs(true);
        for (index, desk) in self.engine.structures.desks.iter().enumerate() {
            assert!(desk.is_idle() && desk.lines.is_empty() && desk.sent.is_empty(), "{index}: {desk:?}");
            assert_eq!(self.engine.position(StrategyId(index as u32)), Qty::ZERO);
            assert!(self.engine.campaign(StrategyId(index as u32)).is_none());
        }
        let account = self.engine.account(AccountId(0));
        assert_eq!(account.balances(), self.truth.balances());
        let won = account.equity() - "100".parse::<Cash>().unwrap();
        // Each structure's price was rounded against it at 1e-8, once a fill.
        let over = (won - self.won).raw();
        assert!((0..=self.rounding).contains(&over), "{won} and {}: {over} of {}", self.won, self.rounding);
    }
}

/// How many strangles legs stand for: of each expiry as many as it has most of.
fn strangles_of(desk: &crate::desk::Desk) -> Qty {
    let mut most: BTreeMap<Timestamp, Qty> = BTreeMap::new();
    for line in desk.lines.iter().filter(|line| line.settled.is_none()) {
        let of = most.entry(line.expiry).or_default();
        *of = line.held.abs().max(*of);
    }
    most.into_values().sum()
}

/// What a desk holds in structures, and which legs it holds beside them that no order of it asks for.
fn strays(desk: &crate::desk::Desk) -> (Qty, Vec<(InstrumentId, Qty)>) {
    let mut alone = Vec::new();
    if desk.goal() == desk.position && !desk.rolling && desk.closing.is_none() {
        for line in desk.lines.iter().filter(|line| line.settled.is_none()) {
            let beyond = line.held - crate::structure::times(line.ratio, desk.position);
            if !beyond.is_zero() {
                alone.push((line.instrument, beyond));
            }
        }
    }
    (desk.position, alone)
}

/// A year of random wants at a venue that behaves as badly as it can.
fn live(structures: Vec<Structure>, seed: u64, malice: u64, reload: bool) -> World {
    let mut world = World::new(structures, seed, malice);
    let busy = [150, 12][(seed / 3) as usize % 2];
    for step in 0..220 {
        let mut events = Vec::new();
        for strategy in 0..world.structures.len() as u32 {
            if world.random.chance(busy) {
                let lots = world.random.below(9) as f64 - 4.0;
                let grid = world.catalogue.instruments
                    [world.catalogue.instruments.len() - world.structures.len() + strategy as usize]
                    .lot;
                let target = lots * grid.approximate();
                let level = |random: &mut Random, base: f64| if random.chance(600) { base } else { 0.0 };
                // Prices of these structures lie between 0.02 and 0.06.
                let (high, low) = (level(&mut world.random, 0.042), level(&mut world.random, 0.034));
                let (stop, rung) = if target > 0.0 { (low, high) } else { (high, low) };
                events.extend(world.want(strategy, target, stop, rung));
            }
        }
        world.step(12, false, events);
        if reload && step % 17 == 0 {
            world.reload();
        }
    }
    world
}

#[test]
fn no_leg_is_left_over_whatever_the_venue_does() {
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    let week = Roll::Before(Duration::from_nanos(7 * Duration::DAY.nanos()));
    // In the last ones a change of size is brought down to what has filled, and an increase waits for a roll that never comes.
    for seed in (0..120).chain([1523]) {
        let roll = [week, Roll::AtSettlement, Roll::Never][seed as usize % 3];
        let malice = [0, 60, 250, 500][seed as usize % 4];
        let structures = vec![strangle(roll), calendar(roll), strangle(Roll::Never)];
        let mut world = live(structures.clone(), seed, malice, seed % 2 == 0);
        let other = live(structures, seed, malice, seed % 2 == 1);
        let differs = world.outputs.iter().zip(&other.outputs).find(|(one, other)| one != other);
        assert_eq!(differs, None, "a loaded engine goes on as one that was not saved");
        assert_eq!(world.outputs.len(), other.outputs.len());
        world.finish();
        for (what, count) in &world.counts {
            *counts.entry(what).or_default() += count;
        }
        *counts.entry("settlements").or_default() += world.settled;
    }
    for what in [
        "campaigns",
        "forced",
        "ordered",
        "unwound",
        "unwound in a campaign",
        "rolls",
        "settlements",
        "quiet",
        "alone",
        "liquidations",
        "rolled in parts",
        "add",
        "rung",
        "stop",
    ] {
        assert!(counts.get(what).is_some_and(|count| *count > 20), "{what}: {counts:?}");
    }
    assert!(counts["old beside new"] > 10, "{counts:?}");
}

/// The venue has margin for one leg only: that leg goes before another entry is sent, whatever is wanted meanwhile.
#[test]
fn a_leg_that_stayed_alone_goes_before_the_next_entry() {
    let mut world = World::new(vec![strangle(Roll::Never)], 1, 0);
    let entries = |world: &World| {
        let entry = |output: &&Output| {
            matches!(output, Output::Command { command: Command::Place(_), purpose: Purpose::Entry, .. })
        };
        world.outputs.iter().filter(entry).count()
    };
    let held = |world: &World| -> Qty {
        (0..world.catalogue.instruments.len()).map(|index| world.truth.position(index).qty.abs()).sum()
    };
    world.step(1, true, Vec::new());
    let events = world.want(0, -2.0, 0.0, 0.0);
    world.step(1, true, events);
    assert_eq!(entries(&world), 2);
    world.refuses = Some(OptionRight::Call);
    // Another size is wanted, so that the venue's refusal alone keeps nothing back.
    let events = world.want(0, -1.0, 0.0, 0.0);
    world.step(1, true, events);
    assert_eq!(held(&world), qty("2"), "the put stayed alone");
    assert_eq!((world.engine.position(StrategyId(0)), world.engine.exposed(StrategyId(0))), (qty("0"), qty("-2")));
    assert_eq!(entries(&world), 2);
    let told = |world: &World, sentence: &str| {
        let steps = |output: &Output| match output {
            Output::Plan(plan) => plan.steps.iter().any(|step| step.reason.to_string() == sentence),
            _ => false,
        };
        world.outputs.iter().any(steps)
    };
    assert!(told(&world, "legs that stayed alone are traded back first"));
    let events = world.want(0, -1.9, 0.0, 0.0);
    world.refuses = None;
    world.step(1, true, events);
    assert_eq!(held(&world), Qty::ZERO, "the put is gone");
    assert_eq!(world.counts.get("unwound"), Some(&1));
    // About what was refused is not tried again.
    for wanted in [-2.1, -2.0] {
        let events = world.want(0, wanted, 0.0, 0.0);
        world.step(1, true, events);
        assert_eq!(entries(&world), 2);
    }
    assert!(told(&world, "not sent again: the venue refused about as much"), "and the plan says so");
    let events = world.want(0, -1.5, 0.0, 0.0);
    world.step(1, true, events);
    assert_eq!(entries(&world), 4);
    world.step(1, true, Vec::new());
    assert_eq!(world.engine.position(StrategyId(0)), qty("-1.5"), "and the entry is made whole");
    world.finish();
}

/// Of an entry the put is filled, and then nobody knows whether it is wanted: the call is still bought. Once it is known that it is not,
/// what is there goes.
#[test]
fn an_entry_that_is_half_there_goes_on_while_nothing_is_known() {
    for (says, ends_at) in [(UNKNOWN, "-2"), (0.0, "0")] {
        let mut world = World::new(vec![strangle(Roll::Never)], 1, 0);
        world.step(1, true, Vec::new());
        let events = world.want(0, -2.0, 0.0, 0.0);
        world.step(1, true, events);
        let is_put = |world: &World, order: &NewOrder| {
            world.engine.structures.chains.option(order.instrument).unwrap().right == OptionRight::Put
        };
        let at = (0..world.live.len()).find(|at| is_put(&world, &world.live[*at])).unwrap();
        let order = world.live.remove(at);
        let price = world.quotes[order.instrument.index()].mid().unwrap();
        world.fill(order.id, order.instrument, order.side, order.qty, price, None);
        world.tell(true);
        let mut events = world.quote(true);
        events.extend(world.want(0, says, 0.0, 0.0));
        world.deliver(Source::Market, &events);
        let events = world.quote(true);
        world.deliver(Source::Market, &events);
        if says == UNKNOWN {
            assert_eq!(world.live.len(), 1, "the call is still asked for, and nothing is traded back");
        }
        for _ in 0..3 {
            world.step(1, true, Vec::new());
        }
        assert_eq!(world.counts.contains_key("unwound"), says != UNKNOWN);
        assert_eq!(world.engine.position(StrategyId(0)), qty(ends_at), "{says}");
    }
}

/// The same before any leg is filled: an order at the venue may be filled before it is taken back, and would stay alone.
#[test]
fn an_entry_that_is_on_its_way_goes_on_while_nothing_is_known() {
    let mut world = World::new(vec![strangle(Roll::Never)], 1, 0);
    world.step(1, true, Vec::new());
    let events = world.want(0, -2.0, 0.0, 0.0);
    world.step(1, true, events);
    assert_eq!(world.live.len(), 2);
    let sent = world.live.clone();
    let mut events = world.quote(true);
    events.extend(world.want(0, UNKNOWN, 0.0, 0.0));
    world.deliver(Source::Market, &events);
    let events = world.quote(true);
    world.deliver(Source::Market, &events);
    assert_eq!(
        world.live.iter().map(|order| order.id).collect::<Vec<_>>(),
        sent.iter().map(|order| order.id).collect::<Vec<_>>()
    );
    let is_cancel = |output: &Output| matches!(output, Output::Command { command: Command::Cancel { .. }, .. });
    assert!(!world.outputs.iter().any(is_cancel), "nothing is taken back");
    world.step(1, true, Vec::new());
    assert_eq!(world.engine.position(StrategyId(0)), qty("-2"));
}

/// A world in which four strangles are sold.
fn four_sold(roll: Roll) -> World {
    let mut world = World::new(vec![strangle(roll)], 1, 0);
    world.step(1, true, Vec::new());
    let events = world.want(0, -0.4, 0.0, 0.0);
    world.step(1, true, events);
    world.step(1, true, Vec::new());
    assert_eq!(world.engine.position(StrategyId(0)), qty("-0.4"));
    world
}

/// Four strangles are sold and eight more are wanted, which nobody bids for. The rung of those held is reached: its legs go out at once,
/// whatever would be bought beside it.
#[test]
fn a_rung_that_rests_is_not_taken_off_what_has_not_begun() {
    let mut world = four_sold(Roll::Never);
    let mut deliver = |asked: Option<&str>| {
        let mut events = world.quote(true);
        for event in &mut events {
            let Event::OptionQuote(quote) = event else { continue };
            let (_, right) = world.catalogue.instruments[quote.instrument.index()].kind.option().unwrap();
            let ask = asked.map_or(quote.ask(), |ask| Some(price(ask)));
            let bid = quote.bid().filter(|_| asked.is_none()).or(Some(price("0.004")));
            let bid = bid.filter(|_| right == OptionRight::Call);
            *quote = quote.with_ask(ask, None).with_bid(bid, None).with_mark(None);
        }
        events.extend(world.want(0, -1.2, 0.0, 0.02));
        world.deliver(Source::Market, &events);
        world.live.clone()
    };
    assert_eq!(deliver(None), [], "no put is bid for, so nothing is sold");
    let sent = deliver(Some("0.005"));
    let rungs = sent.iter().filter(|order| order.side == Side::Buy && order.qty == qty("0.2"));
    assert_eq!((rungs.count(), sent.len()), (2, 2), "{sent:?}");
    let is_rung = |output: &Output| {
        matches!(output, Output::Command { command: Command::Place(_), purpose: Purpose::Rung { index: 0 }, .. })
    };
    assert_eq!(world.outputs.iter().filter(|output| is_rung(output)).count(), 2);
}

/// Four strangles are sold and half of them go: while each leg is bought back in part, no plan tells fewer as held than its target counts,
/// as a mode that only reduces demands.
#[test]
fn a_reduction_in_parts_is_told_in_whole_structures() {
    let mut world = four_sold(Roll::Never);
    let mut events = world.quote(true);
    events.extend(world.want(0, -0.2, 0.0, 0.0));
    world.deliver(Source::Market, &events);
    let (sent, before) = (world.live.clone(), world.outputs.len());
    assert_eq!(sent.len(), 2, "both legs are bought back");
    for order in &sent {
        let price = world.quotes[order.instrument.index()].mid().unwrap();
        // An odd part of each, of which no whole structure can be told until the other leg has it too.
        let part = if order.id == sent[0].id { order.qty } else { qty("0.1") };
        world.fill(order.id, order.instrument, order.side, part, price, None);
    }
    world.live.retain(|order| order.id != sent[0].id);
    world.tell(true);
    let events = world.want(0, -0.3, 0.0, 0.0);
    world.deliver(Source::Market, &events);
    for output in world.outputs.iter().skip(before) {
        let Output::Plan(plan) = output else { continue };
        let wanted = plan.target.qty;
        assert!(wanted.abs() <= plan.position.abs(), "{} held, {wanted} wanted", plan.position);
    }
}

/// Four strangles are held where five may be: one new one beside them, the others as the old ones close, and a leg that closes in part
/// makes no more room than the other.
#[test]
fn new_legs_of_a_roll_are_opened_as_old_ones_close() {
    let week = Roll::Before(Duration::from_nanos(7 * Duration::DAY.nanos()));
    let mut world = four_sold(week);
    world.step(23 * 24, true, Vec::new());
    let sent = |world: &World, opens: bool| -> Qty {
        let of = world.live.iter().filter(|order| (order.side == Side::Sell) == opens);
        of.map(|order| order.qty).sum()
    };
    // The legs sold are bought back, both of each strangle; one new strangle is sold.
    assert_eq!((sent(&world, false), sent(&world, true)), (qty("0.8"), qty("0.2")));
    let told = world.outputs.iter().any(|output| match output {
        Output::Plan(plan) => plan.steps.iter().any(|step| {
            step.reason.to_string() == "beside the old legs limits bear 0.1 of the 0.4 new: the rest as those close"
        }),
        _ => false,
    });
    assert!(told, "the plan says that the rest waits");
    // Half of one old leg closes: the other still stands for four.
    let fill = |world: &mut World, right: OptionRight, opens: bool, part: &str| {
        let is_of = |order: &NewOrder| {
            let option = world.engine.structures.chains.option(order.instrument).unwrap();
            option.right == right && (order.side == Side::Sell) == opens
        };
        let at = world.live.iter().position(is_of).unwrap();
        let order = world.live.remove(at);
        let left = order.qty - qty(part);
        if !left.is_zero() {
            world.live.push(NewOrder { qty: left, ..order });
        }
        let price = world.quotes[order.instrument.index()].mid().unwrap();
        world.fill(order.id, order.instrument, order.side, qty(part), price, None);
        world.tell(true);
    };
    fill(&mut world, OptionRight::Call, false, "0.2");
    assert_eq!(sent(&world, true), qty("0.2"));
    assert_eq!(world.engine.exposed(StrategyId(0)), qty("-0.4"));
    fill(&mut world, OptionRight::Put, true, "0.1");
    assert_eq!(world.engine.exposed(StrategyId(0)), qty("-0.5"), "four old ones, and a new leg alone");
    // What each of these five is worth, times five, is what the legs are: not the old legs' price.
    let desk = &world.engine.structures.desks[0];
    let worth = |line: &crate::desk::Line| world.quotes[line.instrument.index()].value().unwrap() * line.held;
    let whole: units::Notional = desk.lines.iter().map(worth).sum();
    let shown = world.engine.exposed_mark(StrategyId(0)) * qty("-0.5");
    assert!((shown.raw() - whole.raw()).abs() <= i128::from(qty("0.5").raw()), "{shown:?} {whole:?}");
    assert_ne!(Some(world.engine.exposed_mark(StrategyId(0))), desk.price(&world.engine.structures.chains));
    fill(&mut world, OptionRight::Put, false, "0.2");
    // Two old ones are left, so three new ones may be there: one put is, one call is on its way.
    assert_eq!(sent(&world, true), qty("0.5"));
    world.step(1, true, Vec::new());
    world.step(1, true, Vec::new());
    assert_eq!(world.counts.get("rolls"), Some(&1));
    assert_eq!(world.engine.exposed(StrategyId(0)), qty("-0.4"));
    world.finish();
}

/// The strangle expires with nothing else quoted: its campaign goes on and nothing is held. The plans say that, and what replaced it.
#[test]
fn a_settled_structure_is_exposed_to_nothing_before_it_has_new_legs() {
    let mut world = World::new(vec![strangle(Roll::AtSettlement)], 1, 0);
    world.step(1, true, Vec::new());
    let events = world.want(0, -0.4, 0.0, 0.0);
    world.step(1, true, events);
    world.step(1, true, Vec::new());
    let holds = |world: &World| (world.engine.position(StrategyId(0)), world.engine.exposed(StrategyId(0)));
    assert_eq!(holds(&world), (qty("-0.4"), qty("-0.4")));
    world.at = days(30);
    world.settle();
    // A venue tells in one what expires at one instant.
    let news = std::mem::take(&mut world.news);
    world.deliver(Source::Venue, &news);
    assert_eq!(holds(&world), (qty("-0.4"), Qty::ZERO));
    let told = |world: &World, starts: &str, ends: &str| -> usize {
        let plans =
            world.outputs.iter().filter_map(|output| if let Output::Plan(plan) = output { Some(plan) } else { None });
        let said = plans.flat_map(|plan| &plan.steps).map(|step| step.reason.to_string());
        said.filter(|said| said.starts_with(starts) && said.contains(ends)).count()
    };
    for right in ["call at 110000", "put at 90000"] {
        assert_eq!(told(&world, &format!("expired: -0.4 of the {right} until "), ", settled in cash at "), 1);
        assert_eq!(told(&world, &format!("-0.4 of the {right} until "), ", at "), 1, "as the entry");
    }
    assert_eq!(told(&world, "new legs follow once they are quoted", ""), 1);
    world.step(1, true, Vec::new());
    assert_eq!(told(&world, "legs have expired: replaced by new ones", ""), 1);
    assert_eq!(holds(&world), (qty("-0.4"), Qty::ZERO), "ordered and not there");
    world.step(1, true, Vec::new());
    assert_eq!(holds(&world), (qty("-0.4"), qty("-0.4")));
    let position = |world: &World, sentence: &str| {
        world.outputs.iter().find_map(|output| match output {
            Output::Plan(plan) if plan.steps.iter().any(|step| step.reason.to_string() == sentence) => {
                Some(plan.position)
            }
            _ => None,
        })
    };
    assert_eq!(position(&world, "new legs follow once they are quoted"), Some(Qty::ZERO));
    assert_eq!(position(&world, "legs have expired: replaced by new ones"), Some(Qty::ZERO));
    for right in ["call at 110000", "put at 90000"] {
        assert_eq!(told(&world, &format!("-0.4 of the {right} until "), ", at "), 2, "and as the roll");
    }
    world.finish();
}

/// Two strategies stand against each other in a strangle that expires, and of one of them a last fill is told only after that: nothing is
/// settled at a price that the venue has not told, and the fill has what the venue settled it at, whichever of the two is told first, and
/// where the price was published before.
#[test]
fn a_fill_that_is_told_after_its_option_expired_has_the_price_of_the_venue() {
    for (fills_first, is_published) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut world = World::new(vec![strangle(Roll::Never), strangle(Roll::Never)], 1, 0);
        world.step(1, true, Vec::new());
        let mut events = world.want(0, 0.4, 0.0, 0.0);
        events.extend(world.want(1, -0.4, 0.0, 0.0));
        world.step(1, true, events);
        let events = world.want(0, 0.6, 0.0, 0.0);
        world.step(1, true, events);
        let held = |world: &World| [0, 1].map(|strategy| world.engine.position(StrategyId(strategy)));
        assert_eq!(held(&world), [qty("0.4"), qty("-0.4")]);
        // Of 0.2 more strangles the venue fills one half as they expire, and tells first that the rest is cancelled.
        world.at = days(30);
        let live = std::mem::take(&mut world.live);
        assert_eq!(live.len(), 2);
        for order in &live {
            world.fill(order.id, order.instrument, order.side, qty("0.1"), price("0.01"), None);
        }
        let mut late = vec![std::mem::take(&mut world.news)];
        let expired =
            |order: &NewOrder| OrderEvent { order: order.id, update: OrderUpdate::Cancelled(CancelReason::Expired) };
        world.news = live.iter().map(expired).map(Event::Order).collect();
        world.tell(true);
        world.settle();
        let is_of = |event: &Event| match event {
            Event::Order(OrderEvent { update: OrderUpdate::Filled(fill), .. }) => {
                live.iter().any(|order| order.instrument == fill.instrument)
            }
            _ => false,
        };
        let (settled, others): (Vec<_>, Vec<_>) = std::mem::take(&mut world.news).into_iter().partition(is_of);
        assert_eq!(settled.len(), 2, "a call and a put");
        late.push(settled);
        world.news = others;
        if is_published {
            for order in &live {
                let (instrument, price) = (order.instrument, world.prices[&order.instrument]);
                world.news.push(Event::Settlement(SettlementPrice { instrument, price }));
            }
        }
        world.tell(true);
        let mut events = world.quote(true);
        events.extend(world.want(0, 0.0, 0.0, 0.0));
        events.extend(world.want(1, 0.0, 0.0, 0.0));
        world.deliver(Source::Market, &events);
        let expected = if is_published { [Qty::ZERO; 2] } else { [qty("0.4"), qty("-0.4")] };
        assert_eq!(held(&world), expected, "they settle with each other at the price that was told, and at no other");
        if !fills_first {
            late.swap(0, 1);
        }
        for news in late {
            world.news = news;
            world.tell(true);
        }
        world.finish();
        assert_eq!(held(&world), [Qty::ZERO; 2]);
    }
}
