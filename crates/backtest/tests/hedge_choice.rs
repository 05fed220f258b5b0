//! A hedge that may trade several instruments, on random markets: what it trades is what a cash flow by hand says costs least, and delta
//! stays in its band.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/desk.rs"]
mod desk;
#[allow(dead_code, reason = "policies of its own")]
#[path = "common/random.rs"]
mod random;

use common::{Tick, cases, feed, snapshot};
use desk::{Desk, Moment, Seat};
use engine::Output;
use exchange::{AccountTerms, ExchangeConfig};
use market::*;
use policy::Outcome;
use policy::spec::{Alternative, Band, Choice, Hedge, HedgeTerms, HedgeTo};
use random::Random;
use std::collections::BTreeMap;
use units::{Duration, InstrumentId, OrderId, Price, Qty, Rate, Ratio, Side, StrategyId, Timestamp};

/// Instruments that a hedge may trade, behind the one that is hedged.
const WAYS: usize = 4;

const POLICY: &str = r#"
policy = 1
name = "hedged"
instrument = "binance:BTCUSDT-PERP"

[signal]
kind = "momentum"
bar = "4h"
lookback = 5

[size]
kind = "fixed_fraction"
fraction = 0.2

[trade]
buffer = "10%"

[backtest]
deposit = 3_000_000
"#;

fn coins(coins: f64) -> Qty {
    Qty::from_raw((coins * Qty::ONE as f64) as i64)
}

/// A strategy, and a hedge of it in two perpetuals, a future and spot, in random order and on random terms.
fn desk(seed: u64) -> Desk {
    let mut random = Random(seed);
    let mut policy = policy::parse(POLICY).policy.unwrap();
    // Up to 0.3 % for a million, of which some ten coins are a part.
    policy.backtest.impact = Rate::from_raw([0, 1, 3][(seed % 3) as usize] * Rate::ONE / 1_000);
    let mut catalogue = random::catalogue(1);
    let own = catalogue.instruments[0].clone();
    // Funding and basis of a few days weigh as much as a trade; half of the futures end within the horizon.
    let expiry = random::opening(24 * (20 + random.below(60) as i64));
    let mut kinds = vec![
        InstrumentKind::LinearPerpetual,
        InstrumentKind::InversePerpetual,
        InstrumentKind::LinearFuture { expiry },
        InstrumentKind::Spot,
    ];
    for at in (1..kinds.len()).rev() {
        kinds.swap(at, random.below(at as u64 + 1) as usize);
    }
    for (at, kind) in kinds.into_iter().enumerate() {
        let inverse = kind == InstrumentKind::InversePerpetual;
        let lot = if inverse { coins(10.0) } else { coins(0.01) };
        let settle = if inverse { own.base } else { own.settle };
        let symbol = format!("binance:BTCUSDT-WAY{at}");
        catalogue.instruments.push(Instrument { symbol, kind, settle, lot, min_qty: lot, ..own.clone() });
    }
    let share = |random: &mut Random, most: f64| Ratio::new(most * random.uniform()).unwrap();
    let terms = |random: &mut Random| HedgeTerms {
        cost: Some(share(random, 0.002)),
        margin: random.chance(0.7).then(|| share(random, 0.3)),
    };
    let symbols: Vec<String> = catalogue.instruments[1..].iter().map(|known| known.symbol.clone()).collect();
    let choice = Choice {
        horizon: Duration::from_nanos((1 + random.below(60) as i64) * Duration::DAY.nanos()),
        capital_cost: share(&mut random, 0.3),
        own: terms(&mut random),
        alternatives: symbols[1..]
            .iter()
            .map(|symbol| Alternative { instrument: symbol.clone(), terms: terms(&mut random), option: None })
            .collect(),
        gives_up: false,
    };
    let hedge = Hedge {
        instrument: symbols[0].clone(),
        strategies: vec!["hedged".to_owned()],
        target: coins(if random.chance(0.3) { random.uniform() - 0.5 } else { 0.0 }),
        band: if random.chance(0.5) {
            Band::Coins(coins(0.5 + 3.0 * random.uniform()))
        } else {
            Band::OfGross(Ratio::new(0.05 + 0.4 * random.uniform()).unwrap())
        },
        to: if random.chance(0.5) { HedgeTo::Edge } else { HedgeTo::Target },
        choice: Some(choice),
    };
    let spec = AccountSpec { venue: "binance".to_owned(), numeraire: own.settle };
    let mut config = ExchangeConfig::new("0".parse().unwrap(), &catalogue);
    let deposits = vec![("3000000".parse().unwrap(), own.settle), ("100".parse().unwrap(), own.base)];
    config.accounts = vec![AccountTerms { spec: Some(spec.clone()), deposits, fees: None }];
    let mut seats = vec![Seat::new(policy.clone(), 0)];
    for at in 1..=WAYS as u32 {
        seats.push(Seat { hedge: Some((hedge.clone(), vec![StrategyId(0)])), ..Seat::new(policy.clone(), at) });
    }
    Desk { catalogue, accounts: vec![spec], terms: config, seats }
}

/// A random market in which every contract has nearly every bar, each a little apart, and funding of its own every eight hours.
fn market(desk: &Desk, seed: u64, bars: usize) -> Vec<Tick> {
    let mut random = Random(seed ^ 0x007e_d6e5);
    let mut ticks = random::market(seed, bars, false);
    let mut apart = [0.0; WAYS];
    for tick in &mut ticks {
        let own = tick.events.iter().find_map(|event| if let Event::Bar(bar) = event { Some(*bar) } else { None });
        let Some(bar) = own else { continue };
        for (at, apart) in apart.iter_mut().enumerate() {
            *apart = 0.99 * *apart + 0.0005 * random.normal();
            if random.chance(0.05) {
                continue;
            }
            let instrument = InstrumentId(at as u32 + 1);
            let moved = |price: Price| {
                let raw = (price.raw() as f64 * (1.0 + *apart)) as i64 / random::TICK * random::TICK;
                Price::from_raw(raw.max(random::TICK))
            };
            let Bar { open, high, low, close, .. } = bar;
            let [open, high, low, close] = [open, high, low, close].map(moved);
            tick.events.push(Event::Bar(Bar { instrument, open, high, low, close, ..bar }));
            let is_perpetual = desk.catalogue.instruments[instrument.index()].kind.is_perpetual();
            if is_perpetual && bar.closed == bar.closed.floor(Duration::from_nanos(8 * Duration::HOUR.nanos())) {
                let rate = Rate::from_raw((Rate::ONE as f64 * 3e-4 * random.normal()) as i64);
                let interval = Duration::from_nanos(8 * Duration::HOUR.nanos());
                tick.events.push(Event::Funding(FundingRate { instrument, rate, interval }));
            }
        }
        tick.events.sort_by_key(Event::rank);
    }
    ticks
}

/// What the hand knows of the market and of the hedge.
struct Hand<'a> {
    desk: &'a Desk,
    hedge: &'a Hedge,
    last: Vec<f64>,
    funding: Vec<Vec<(Timestamp, f64)>>,
    working: BTreeMap<OrderId, (usize, Side, Qty)>,
    /// When the venue last refused a buy and a sale in it, or a cap did not bear one.
    refused: Vec<[Option<Timestamp>; 2]>,
}

impl Hand<'_> {
    fn kind(&self, at: usize) -> InstrumentKind {
        self.desk.catalogue.instruments[at].kind
    }

    fn coins(&self, at: usize, qty: f64) -> f64 {
        if self.kind(at) == InstrumentKind::InversePerpetual { qty / self.last[at] } else { qty }
    }

    fn on_the_way(&self, at: usize) -> f64 {
        let own = self.working.values().filter(|(of, ..)| *of == at);
        own.map(|(_, side, qty)| qty.approximate() * if *side == Side::Buy { 1.0 } else { -1.0 }).sum()
    }

    fn see(&mut self, moment: &Moment) {
        for event in &moment.events {
            match event {
                Event::Bar(bar) => self.last[bar.instrument.index()] = bar.close.approximate(),
                Event::Funding(due) => {
                    self.funding[due.instrument.index()].push((moment.at, due.rate.approximate()));
                }
                Event::Order(OrderEvent { order, update }) => match update {
                    OrderUpdate::Filled(fill) => {
                        if let Some((.., left)) = self.working.get_mut(order) {
                            *left -= fill.qty;
                        }
                    }
                    OrderUpdate::Cancelled(_) | OrderUpdate::Rejected(_) => {
                        use CancelReason::{Funds, Margin};
                        let is_refused =
                            matches!(update, OrderUpdate::Rejected(_) | OrderUpdate::Cancelled(Margin | Funds));
                        if let Some((at, side, _)) = self.working.remove(order).filter(|_| is_refused) {
                            self.refused[at][usize::from(side == Side::Sell)] = Some(moment.at);
                        }
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        self.working.retain(|_, (.., left)| left.raw() > 0);
    }

    fn held(&self, at: usize, moment: &Moment) -> f64 {
        self.coins(at, moment.positions[at].approximate() + self.on_the_way(at))
    }

    fn off(&self, moment: &Moment) -> Off {
        let hedged = moment.positions[0].approximate();
        let held: f64 = (1..=WAYS).map(|at| self.held(at, moment)).sum();
        let width = match self.hedge.band {
            Band::Coins(coins) => coins.approximate(),
            Band::OfGross(share) => share.get() * hedged.abs(),
            Band::WhalleyWilmott { .. } => unreachable!(),
        };
        Off { off: hedged + held - self.hedge.target.approximate(), width }
    }

    /// What bringing delta back costs in each instrument.
    fn costs(&self, moment: &Moment, off: &Off) -> Vec<f64> {
        let left = if self.hedge.to == HedgeTo::Edge { off.width.copysign(off.off) } else { 0.0 };
        let cost = |at: usize| {
            let lot = self.coins(at, self.desk.catalogue.instruments[at].lot.approximate());
            let more = ((left - off.off) / lot).round() * lot;
            let held = self.held(at, moment);
            let sells_short = self.kind(at) == InstrumentKind::Spot && -more > held.max(0.0);
            // What was refused is not tried again for a day, but to close.
            let refused = self.refused[at][usize::from(more < 0.0)];
            let closes = more * held < 0.0 && more.abs() <= held.abs() + 1e-9;
            let is_refused = !closes && refused.is_some_and(|refused| moment.at.since(refused) <= Duration::DAY);
            let has_ended = self.kind(at).expiry().is_some_and(|end| end <= moment.at);
            if more == 0.0 || sells_short || is_refused || has_ended {
                return f64::INFINITY;
            }
            self.outlay(at, held, more, moment.at) - self.outlay(at, held, 0.0, moment.at)
        };
        (1..=WAYS).map(cost).collect()
    }

    /// All that is paid until the horizon, in shares of the reference price, with so many coins more of one instrument than without: day by
    /// day for what it holds then.
    fn outlay(&self, at: usize, held: f64, more: f64, now: Timestamp) -> f64 {
        let choice = self.hedge.choice.as_ref().unwrap();
        let terms = if at == 1 { choice.own } else { choice.alternatives[at - 2].terms };
        let spot = self.kind(at) == InstrumentKind::Spot;
        let margin = terms.margin.map_or(if spot { 1.0 } else { 0.1 }, Ratio::get);
        let cost = terms.cost.unwrap().get();
        let reference = self.last[1..].iter().copied().find(|price| *price > 0.0).unwrap();
        let days = choice.horizon.days();
        let week: Vec<f64> =
            self.funding[at].iter().filter(|(paid, _)| now.since(*paid).days() <= 7.0).map(|(_, rate)| *rate).collect();
        let ends = self.kind(at).expiry().map(|expiry| expiry.since(now).days());
        let a_day = match ends {
            Some(days) => (self.last[at] / reference - 1.0) / days,
            None if week.is_empty() => 0.0,
            None => 3.0 * week.iter().sum::<f64>() / week.len() as f64,
        };
        let position = held + more;
        // Of a price that is worse by so much for each coin.
        let impact = self.desk.seats[0].policy.backtest.impact.approximate() * reference / 1e6;
        let trade = |coins: f64| coins.abs() * (cost + coins.abs() * impact);
        // Of the future that follows nobody knows what it loses.
        let told = ends.map_or(days, |ends| ends.min(days));
        let capital = days * position.abs() * margin * choice.capital_cost.get() / 365.0;
        let mut paid = trade(more) + told * position * a_day + capital;
        // What has ended is bought anew; at the end all goes, unless it ends by itself just then.
        let mut next = ends;
        let mut is_there = true;
        while let (Some(at), Some(step)) = (next, ends) {
            if at > days + 1e-6 {
                break;
            }
            if (at - days).abs() < 1e-6 {
                is_there = false;
                break;
            }
            paid += trade(position);
            next = Some(at + step);
        }
        if is_there { paid + trade(position) } else { paid }
    }
}

/// How far delta is from its target, and may be.
#[derive(Debug)]
struct Off {
    off: f64,
    width: f64,
}

impl Off {
    fn abs(&self) -> f64 {
        self.off.abs()
    }
}

#[derive(Debug, Default)]
struct Seen {
    chosen: [u64; WAYS],
    close: u64,
    outside: u64,
}

fn check(desk: &Desk, moments: &[Moment], seen: &mut Seen) -> Result<(), String> {
    let hedge = &desk.seats[1].hedge.as_ref().unwrap().0;
    let (count, none) = (desk.catalogue.instruments.len(), vec![0.0; desk.catalogue.instruments.len()]);
    let mut hand = Hand {
        desk,
        hedge,
        last: none,
        funding: vec![Vec::new(); count],
        working: BTreeMap::new(),
        refused: vec![[None; 2]; count],
    };
    for moment in moments {
        hand.see(moment);
        let limits = |outcome| matches!(outcome, Outcome::Cut | Outcome::Unmet | Outcome::Refused);
        for output in &moment.outputs {
            if let Output::Plan(plan) = output
                && plan.steps.iter().any(|step| step.outcome == Outcome::Cut)
            {
                let sells = hand.off(moment).off > 0.0;
                hand.refused[plan.strategy.0 as usize][usize::from(sells)] = Some(moment.at);
            }
        }
        let is_limited = moment.outputs.iter().any(|output| match output {
            Output::Plan(plan) => plan.strategy.0 > 0 && plan.steps.iter().any(|step| limits(step.outcome)),
            _ => false,
        });
        let orders = moment.outputs.iter().filter_map(|output| match output {
            Output::Command { command: Command::Place(order), strategy, .. } if strategy.0 > 0 => {
                Some((strategy.0 as usize, order))
            }
            _ => None,
        });
        let is_told = hand.last[1..].iter().all(|price| *price > 0.0);
        let decides = moment.source == Source::Market && is_told && !moment.positions[0].is_zero();
        let mut acted = false;
        // One may only close in a plan; what is left is the next one's.
        for (at, order) in orders {
            if decides {
                let off = hand.off(moment);
                if off.abs() < off.width - 1e-6 {
                    return Err(format!("at {}: {off:?} is inside, and {at} trades", moment.at));
                }
                let costs = hand.costs(moment, &off);
                let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
                let of = costs[at - 1];
                if of > least + 1e-6 * (1.0 + least.abs()) {
                    return Err(format!("at {}: {at} trades for {of}, of {costs:?}", moment.at));
                }
                seen.chosen[at - 1] += 1;
                let mut others = costs;
                others.sort_by(f64::total_cmp);
                seen.close += u64::from(others[1] - least < 0.3 * least.abs());
            }
            acted = true;
            hand.working.insert(order.id, (at, order.side, order.qty));
        }
        if decides && !acted {
            let off = hand.off(moment);
            if off.abs() > off.width + 1e-6 {
                seen.outside += 1;
                let costs = hand.costs(moment, &off);
                let can = costs.iter().any(|cost| cost.is_finite());
                if can && !is_limited && hand.working.is_empty() {
                    return Err(format!("at {}: {off:?}, and nothing was done: {costs:?}", moment.at));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn what_costs_least_by_hand_is_what_it_trades() {
    let (mut seen, count) = (Seen::default(), cases(200));
    for seed in 0..u64::from(count) {
        let desk = desk(seed);
        let market = market(&desk, seed, 300);
        let (moments, engine) = desk.run(&market);
        // Evaluated always, and taken up from snapshots, it does the same.
        let (mut always, mut resumed) = (desk.engine(), desk.engine());
        always.evaluate_always();
        let mut random = Random(seed);
        for moment in &moments {
            for engine in [&mut always, &mut resumed] {
                assert_eq!(feed(engine, moment.at, moment.source, &moment.events), moment.outputs, "seed {seed}");
            }
            if random.chance(0.02) {
                resumed = desk.restore(&snapshot(&resumed));
            }
        }
        assert_eq!(snapshot(&engine), snapshot(&always), "seed {seed}");
        if let Err(error) = check(&desk, &moments, &mut seen) {
            panic!("seed {seed}: {error}");
        }
    }
    // Every kind is chosen somewhere, and often enough there is something to choose.
    let per = u64::from(count);
    assert!(seen.close > per, "{seen:?}");
    assert!(seen.chosen.iter().all(|chosen| *chosen > per / 10), "{seen:?}");
}
