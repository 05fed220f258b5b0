//! Hedges of random strategies on random markets, against delta by hand: what is held, in coins.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/desk.rs"]
mod desk;
#[path = "common/random.rs"]
mod random;

use common::{Tick, cases, feed, snapshot};
use desk::{Desk, Moment, Seat};
use engine::{Output, Purpose};
use exchange::{AccountTerms, ExchangeConfig};
use market::*;
use policy::Outcome;
use policy::spec::{Band, Caps, Guards, Hedge, HedgeTo, Policy};
use policy::testing::policies;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use random::Random;
use std::cell::RefCell;
use std::collections::BTreeMap;
use units::{OrderId, Price, Qty, Ratio, StrategyId, Timestamp};

const HEDGE: StrategyId = StrategyId(1);

/// A random strategy, and beside it a hedge of it in another contract on the same coin, linear or inverse.
fn desk(policy: Policy, seed: u64) -> Desk {
    let mut random = Random(seed);
    let setup = random::setup(policy, seed);
    let (mut catalogue, policy) = (setup.catalogue.clone(), setup.policy.clone());
    let inverse = random.chance(0.5);
    let own = &catalogue.instruments[0];
    let coins = |coins: f64| Qty::from_raw((coins * Qty::ONE as f64) as i64);
    let instrument = Instrument {
        symbol: "binance:BTCUSD-HEDGE".to_owned(),
        kind: if inverse { InstrumentKind::InversePerpetual } else { InstrumentKind::LinearPerpetual },
        settle: if inverse { own.base } else { own.settle },
        lot: if inverse { coins(10.0) } else { coins(0.01) },
        min_qty: if inverse { coins(10.0) } else { coins(0.01) },
        ..own.clone()
    };
    catalogue.instruments.push(instrument);
    let band = match random.below(2) {
        0 => Band::Coins(coins(0.05 + 2.0 * random.uniform())),
        _ => Band::OfGross(Ratio::new(0.05 + 0.5 * random.uniform()).unwrap()),
    };
    let target = if random.chance(0.3) { coins(random.uniform() - 0.5) } else { Qty::ZERO };
    let to = if random.chance(0.5) { HedgeTo::Edge } else { HedgeTo::Target };
    let symbol = catalogue.instruments[1].symbol.clone();
    let hedge = Hedge { instrument: symbol, strategies: vec![policy.name.clone()], target, band, to, choice: None };
    let spec = AccountSpec { venue: "binance".to_owned(), numeraire: own_settle(&catalogue) };
    let mut terms = ExchangeConfig::new("0".parse().unwrap(), &catalogue);
    let dollars = ("1000000".parse().unwrap(), own_settle(&catalogue));
    let coin = ("30".parse().unwrap(), "BTC".parse().unwrap());
    let deposits = if inverse { vec![dollars, coin] } else { vec![dollars] };
    terms.accounts = vec![AccountTerms { spec: Some(spec.clone()), deposits, fees: None }];
    let of_hedge = Policy {
        caps: Caps { leverage: policy.caps.leverage.clone().filter(|_| !inverse), ..Caps::default() },
        guards: Guards::default(),
        ..policy.clone()
    };
    let seats =
        vec![Seat::new(policy, 0), Seat { hedge: Some((hedge, vec![StrategyId(0)])), ..Seat::new(of_hedge, 1) }];
    Desk { catalogue, accounts: vec![spec], terms, seats }
}

fn own_settle(catalogue: &Catalogue) -> Currency {
    catalogue.instruments[0].settle
}

/// A random market, in which the contract of the hedge has most bars too, a little apart.
fn market(desk: &Desk, seed: u64, bars: usize) -> Vec<Tick> {
    let signed = matches!(desk.seats[0].policy.signal.kind, policy::spec::SignalKind::Series { .. });
    let mut random = Random(seed ^ 0x7ed6e);
    let mut ticks = random::market(seed, bars, signed);
    for tick in &mut ticks {
        let own = tick.events.iter().find_map(|event| if let Event::Bar(bar) = event { Some(*bar) } else { None });
        if let Some(bar) = own.filter(|_| random.chance(0.9)) {
            let off = Price::from_raw(random.below(20) as i64 * random::TICK);
            let Bar { open, high, low, close, .. } = bar;
            let [open, high, low, close] = [open, high, low, close].map(|price| price + off);
            let hedge = Bar { instrument: units::InstrumentId(1), open, high, low, close, ..bar };
            tick.events.push(Event::Bar(hedge));
            tick.events.sort_by_key(Event::rank);
        }
    }
    ticks
}

#[derive(Debug, Default)]
struct Seen {
    hedged: u64,
    limited: u64,
    inside: u64,
    outside: u64,
    evaluations: u64,
    inputs: u64,
}

/// Delta by hand at each moment of the market, and what the hedge did about it.
fn check_delta(desk: &Desk, moments: &[Moment], seen: &mut Seen) -> Result<(), String> {
    let (hedge, _) = desk.seats[1].hedge.as_ref().unwrap();
    let (own, other) = (&desk.catalogue.instruments[1], &desk.catalogue.instruments[0]);
    let coins = |instrument: &Instrument, qty: Qty, price: Price| match instrument.kind {
        InstrumentKind::InversePerpetual => qty.approximate() / price.approximate(),
        _ => qty.approximate(),
    };
    let mut last = [Price::ZERO; 2];
    let mut working: BTreeMap<OrderId, Qty> = BTreeMap::new();
    let mut is_limited = false;
    for moment in moments {
        for event in &moment.events {
            match event {
                Event::Bar(bar) => last[bar.instrument.index()] = bar.close,
                Event::Order(OrderEvent { order, update }) => match update {
                    OrderUpdate::Filled(fill) if fill.instrument.0 == 1 => {
                        if let Some(left) = working.get_mut(order) {
                            *left -= fill.qty;
                        }
                    }
                    OrderUpdate::Cancelled(_) | OrderUpdate::Rejected(_) => {
                        working.remove(order);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        working.retain(|_, left| left.raw() > 0);
        let plan = moment.outputs.iter().find_map(|output| match output {
            Output::Plan(plan) if plan.strategy == HEDGE => Some(plan),
            _ => None,
        });
        let mut sends = false;
        for output in &moment.outputs {
            if let Output::Command { command: Command::Place(order), purpose, strategy: HEDGE } = output {
                working.insert(order.id, order.qty);
                assert!(matches!(purpose, Purpose::Hedge | Purpose::Cut));
                sends = true;
            }
        }
        if let Some(plan) = plan {
            let is_limit =
                |outcome| matches!(outcome, Outcome::Cut | Outcome::Held | Outcome::Unmet | Outcome::Refused);
            is_limited = plan.steps.iter().any(|step| is_limit(step.outcome));
        }
        // A venue that refuses or liquidates is no matter of the hedge.
        if moment.source != Source::Market || last.iter().any(|price| price.is_zero()) || last[1].raw() < 0 {
            continue;
        }
        let (held, hedged) = (moment.positions[1], coins(other, moment.positions[0], last[0]));
        let off = |qty: Qty| hedged + coins(own, qty, last[1]) - hedge.target.approximate();
        let width = match hedge.band {
            Band::Coins(coins) => coins.approximate(),
            Band::OfGross(share) => share.get() * hedged.abs(),
            Band::WhalleyWilmott { .. } => return Err("what is hedged here has no gamma".to_owned()),
        };
        let lot = coins(own, own.lot, last[1]);
        if let Some(plan) = plan.filter(|_| sends && !is_limited && hedged != 0.0) {
            let flips = plan.target.qty.signum() * held.signum() < 0;
            let left = off(plan.target.qty).abs();
            let most = if hedge.to == HedgeTo::Target { lot / 2.0 } else { width.max(lot / 2.0) };
            if left > most + 1e-7 || plan.position != held {
                return Err(format!("at {}: {left} is left of {most} ({flips}): {plan:#?}", moment.at));
            }
            seen.hedged += 1;
        }
        seen.limited += u64::from(sends && is_limited);
        let is_outside = hedged != 0.0 && off(held).abs() > width + lot.max(1e-6);
        (seen.outside, seen.inside) = (seen.outside + u64::from(is_outside), seen.inside + u64::from(!is_outside));
        // A band that is left is answered at once, or an answer is on its way, or a limit was told.
        if is_outside && working.is_empty() && !is_limited && !is_refused(moments, moment) {
            return Err(format!("at {}: {} off, {width} wide, and nothing was done", moment.at, off(held)));
        }
        if hedged == 0.0 && !held.is_zero() && working.is_empty() && !is_refused(moments, moment) {
            return Err(format!("at {}: {held} hedge nothing", moment.at));
        }
    }
    Ok(())
}

/// Whether the venue refused an order of the hedge so far for want of margin: it is not sent again until another one is wanted.
fn is_refused(moments: &[Moment], until: &Moment) -> bool {
    let so_far = moments.iter().take_while(|moment| moment.at <= until.at);
    so_far.flat_map(|moment| &moment.events).any(|event| match event {
        Event::Order(OrderEvent { update, .. }) => {
            matches!(
                update,
                OrderUpdate::Rejected(_) | OrderUpdate::Cancelled(CancelReason::Margin | CancelReason::Funds)
            ) || matches!(update, OrderUpdate::Filled(fill) if fill.forced.is_some())
        }
        _ => false,
    })
}

fn check(desk: &Desk, seed: u64, bars: usize, seen: &mut Seen) -> Result<(), String> {
    let market = market(desk, seed, bars);
    let (moments, engine) = desk.run(&market);
    let mut always = desk.engine();
    always.evaluate_always();
    let mut resumed = desk.engine();
    let mut random = Random(seed ^ 0x0071_e700);
    for (number, moment) in moments.iter().enumerate() {
        for engine in [&mut always, &mut resumed] {
            let outputs = feed(engine, moment.at, moment.source, &moment.events);
            if outputs != moment.outputs {
                return Err(format!("turn {number} gives {:?}, evaluated {outputs:?}", moment.outputs));
            }
        }
        if random.chance(0.05) {
            resumed = desk.restore(&snapshot(&resumed));
        }
    }
    let states = [snapshot(&engine), snapshot(&always), snapshot(&resumed)];
    if states[0] != states[1] || states[0] != states[2] {
        return Err("the states differ".to_owned());
    }
    seen.inputs += always.evaluations();
    seen.evaluations += engine.evaluations();
    check_delta(desk, &moments, seen)
}

#[test]
fn a_hedge_keeps_delta_in_its_band_with_and_without_quiet_regions() {
    let cases = cases(200);
    let config = Config { cases, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let seen = RefCell::new(Seen::default());
    let done = runner.run(&(policies(), any::<u64>(), 150..400_usize), |(policy, seed, bars)| {
        check(&desk(policy, seed), seed, bars, &mut seen.borrow_mut()).map_err(TestCaseError::fail)
    });
    if let Err(error) = done {
        panic!("{error}");
    }
    let seen = seen.into_inner();
    let per = u64::from(cases);
    assert!(seen.hedged > 5 * per && seen.limited > per / 20 && seen.inside > seen.outside, "{seen:?}");
    assert!(seen.evaluations * 20 < seen.inputs * 19, "{seen:?}");
}

/// The band of a policy is that of the library, whose asymptotics stand against simulation there: in dollars and in coin.
#[test]
fn a_band_as_wide_as_costs_are_worth_is_that_of_the_library() {
    use policy::facts::{self, Facts};
    use risk::bands::{Hedged, Numeraire};
    use units::{Cash, Contract, Round};
    let (price, gamma, cost, risk_aversion) = (64_000.0, 3.1e-4, 7e-4, 12.0);
    for (contract, numeraire, equity) in
        [(Contract::Linear, Numeraire::Dollar, 250_000.0), (Contract::Inverse, Numeraire::Coin, 250_000.0 / price)]
    {
        let mut facts = Facts::new(0);
        facts.set_now(Timestamp::from_nanos(1));
        facts.set(facts::CONTRACT, contract);
        facts.set(facts::PRICE, Price::from_estimate(price, Round::Nearest).unwrap());
        facts.set(facts::HEDGED_GAMMA, Ratio::new(gamma).unwrap());
        facts.set(facts::EQUITY, Cash::from_estimate(equity, Round::Nearest).unwrap());
        let band = Band::WhalleyWilmott { risk_aversion: Ratio::new(risk_aversion).unwrap() };
        let library = Hedged { price, gamma, cost, equity, risk_aversion, discount: 1.0, numeraire };
        let (told, library) = (band.width(cost, &facts).unwrap(), library.half_band().unwrap());
        assert!((told / library - 1.0).abs() < 1e-9, "{told} {library}");
    }
}
