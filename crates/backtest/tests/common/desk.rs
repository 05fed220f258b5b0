//! Several strategies, instruments and accounts through the real exchange, driver and engine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper may fail its test")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

use super::common::{Tick, snapshot};
use drive::{Journal, World};
use engine::{
    Adoption, CampaignRecord, Engine, EngineConfig, HedgeChoice, LiquidationGuard, Notice, Output, Sharing,
    StrategyConfig,
};
use exchange::{Exchange, ExchangeConfig};
use market::*;
use policy::spec::{Hedge, Structure};
use policy::{Policy, Program};
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use units::state::StateReader;
use units::{AccountId, InstrumentId, OrderId, Qty, Ratio, StrategyId, Timestamp};

/// A strategy in its instrument.
#[derive(Debug, Clone)]
pub struct Seat {
    pub policy: Policy,
    pub instrument: InstrumentId,
    pub sharing: Option<Sharing>,
    pub adoption: Option<Adoption>,
    pub structure: Option<Structure>,
    /// It is no strategy of the policy but its hedge, of these.
    pub hedge: Option<(Hedge, Vec<StrategyId>)>,
}

impl Seat {
    pub fn new(policy: Policy, instrument: u32) -> Self {
        let (sharing, adoption, structure, hedge) = (None, None, None, None);
        Self { policy, instrument: InstrumentId(instrument), sharing, adoption, structure, hedge }
    }
}

/// What runs, and where.
#[derive(Debug, Clone)]
pub struct Desk {
    pub catalogue: Catalogue,
    pub accounts: Vec<AccountSpec>,
    pub terms: ExchangeConfig,
    pub seats: Vec<Seat>,
}

/// One delivery and what followed.
#[derive(Debug, Clone)]
pub struct Moment {
    pub at: Timestamp,
    pub source: Source,
    pub events: Vec<Event>,
    pub outputs: Vec<Output>,
    /// The engine's accounts, and the exchange's.
    pub accounts: Vec<Account>,
    pub venues: Vec<Account>,
    /// By strategy.
    pub positions: Vec<Qty>,
    pub open: Vec<Option<CampaignRecord>>,
}

impl Moment {
    /// Fills that strategies were told of, with whose they are.
    pub fn filled(&self) -> impl Iterator<Item = (StrategyId, OrderId, &Fill)> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Notice(Notice::Filled { strategy, order, fill, .. }) => Some((*strategy, *order, fill)),
            _ => None,
        })
    }

    pub fn closed(&self) -> impl Iterator<Item = &CampaignRecord> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Notice(Notice::CampaignClosed(record)) => Some(record),
            _ => None,
        })
    }
}

impl Desk {
    pub fn engine(&self) -> Engine {
        let catalogue = self.catalogue.clone();
        let tiers = self.terms.tiers.clone();
        let mut engine = Engine::new(EngineConfig { catalogue, accounts: self.accounts.clone(), tiers });
        for seat in &self.seats {
            let Seat { policy, instrument, sharing, adoption, structure, hedge } = seat.clone();
            if let Some((hedge, hedged)) = hedge {
                let symbol = &self.catalogue.instruments[instrument.index()].symbol;
                let program = Program::hedge(&policy, &hedge, symbol, &|name| self.catalogue.series_id(name)).unwrap();
                let choice = self.choice(&hedge, instrument);
                let config = StrategyConfig { hedged, choice, structure, ..StrategyConfig::new(instrument, program) };
                engine.add_strategy(config);
                continue;
            }
            let symbol = &self.catalogue.instruments[instrument.index()].symbol;
            let program = Program::compile(&policy, symbol, &|name| self.catalogue.series_id(name)).unwrap();
            let guard = policy.caps.liquidation_distance.map(|distance| LiquidationGuard {
                tiers: self.terms.tiers[instrument.index()].clone(),
                distance,
                initial_stop: policy.stop.as_ref().map(|stop| stop.initial),
            });
            engine.add_strategy(StrategyConfig {
                guard,
                sharing,
                adoption,
                structure,
                ..StrategyConfig::new(instrument, program)
            });
        }
        engine
    }

    /// How an instrument of the only hedge that compares costs is compared.
    fn choice(&self, hedge: &Hedge, instrument: InstrumentId) -> Option<HedgeChoice> {
        let choice = hedge.choice.as_ref()?;
        let known = &self.catalogue.instruments[instrument.index()];
        let other = choice.alternatives.iter().find(|other| other.instrument == known.symbol);
        let terms = other.map_or(choice.own, |other| other.terms);
        let margin = if known.kind == InstrumentKind::Spot { 1.0 } else { 0.1 };
        Some(HedgeChoice {
            group: 0,
            hedge: hedge.clone(),
            cost: terms.cost.map_or(0.0, Ratio::get),
            impact: self.seats.first().map_or(0.0, |seat| seat.policy.backtest.impact_each()),
            margin: terms.margin.map_or(margin, Ratio::get),
            band_cost: 0.0,
            option_fee: self.terms.options.fee.approximate(),
            gives_up: None,
            expected: other.and_then(|other| other.option.as_ref()?.expected(&|_| None)),
        })
    }

    /// The account of an instrument.
    pub fn account_of(&self, instrument: InstrumentId) -> AccountId {
        let venue = self.catalogue.instruments[instrument.index()].venue();
        AccountId(self.accounts.iter().position(|account| account.venue == venue).unwrap_or(0) as u32)
    }

    /// Runs a market to its end.
    pub fn run(&self, market: &[Tick]) -> (Vec<Moment>, Engine) {
        let mut engine = self.engine();
        let exchange = Rc::new(RefCell::new(Exchange::new(self.terms.clone(), &self.catalogue)));
        let mut world = Floor { exchange: exchange.clone(), market, delivered: Vec::new() };
        let mut journal = Minutes { exchange, moments: Vec::new() };
        drive::run(&mut engine, &mut world, &mut journal).unwrap();
        (journal.moments, engine)
    }

    pub fn restore(&self, bytes: &[u8]) -> Engine {
        let mut engine = self.engine();
        engine.load(&mut StateReader::new(bytes)).unwrap();
        assert_eq!(snapshot(&engine), bytes, "a snapshot loads and saves as another");
        engine
    }
}

/// The market and the exchange, as the driver's world.
struct Floor<'a> {
    exchange: Rc<RefCell<Exchange>>,
    market: &'a [Tick],
    delivered: Vec<Event>,
}

impl World for Floor<'_> {
    type Error = Infallible;

    fn next(&mut self, _wakeup: Option<Timestamp>) -> Result<Option<Input<'_>>, Infallible> {
        let mut exchange = self.exchange.borrow_mut();
        loop {
            if let Some(Input { at, source, events }) = exchange.poll() {
                self.delivered.clear();
                self.delivered.extend_from_slice(events);
                return Ok(Some(Input { at, source, events: &self.delivered }));
            }
            let Some((tick, rest)) = self.market.split_first() else { return Ok(None) };
            match exchange.next_due() {
                Some(due) if due < tick.at => exchange.advance(due, &[]),
                _ => {
                    self.market = rest;
                    exchange.advance(tick.at, &tick.events);
                }
            }
        }
    }

    fn send(&mut self, command: Command) {
        self.exchange.borrow_mut().command(command);
    }
}

/// Keeps every moment.
struct Minutes {
    exchange: Rc<RefCell<Exchange>>,
    moments: Vec<Moment>,
}

impl Journal for Minutes {
    type Error = Infallible;

    fn append(&mut self, input: &Input<'_>) -> Result<(), Infallible> {
        self.moments.push(Moment {
            at: input.at,
            source: input.source,
            events: input.events.to_vec(),
            outputs: Vec::new(),
            accounts: Vec::new(),
            venues: Vec::new(),
            positions: Vec::new(),
            open: Vec::new(),
        });
        Ok(())
    }

    fn output(&mut self, output: &Output) -> Result<(), Infallible> {
        self.moments.last_mut().unwrap().outputs.push(output.clone());
        Ok(())
    }

    fn settled(&mut self, _at: Timestamp, engine: &Engine) -> Result<(), Infallible> {
        let moment = self.moments.last_mut().unwrap();
        moment.accounts = engine.accounts().cloned().collect();
        moment.venues = self.exchange.borrow().accounts().cloned().collect();
        moment.positions = engine.strategies().map(|(strategy, _)| engine.position(strategy)).collect();
        moment.open = engine.strategies().map(|(strategy, _)| engine.open_record(strategy)).collect();
        Ok(())
    }
}
