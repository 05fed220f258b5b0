//! What holds for any desk: several strategies in several instruments of one or two accounts, with positions that are
//! virtual, money in several currencies, and one net at the venue. Looked at from outside.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/desk.rs"]
mod desk;
#[path = "common/random.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod random;

use common::{Tick, cases, feed, snapshot};
use desk::{Desk, Moment, Seat};
use engine::{Engine, Output, Plan, Purpose};
use exchange::{AccountTerms, Exchange, ExchangeConfig};
use market::*;
use policy::Policy;
use policy::spec::{Caps, LeverageLimit, Sides, SignalKind, SizeKind, StreakOver, Trigger};
use policy::testing::{SERIES, policies};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use random::{Random, TICK};
use std::cell::RefCell;
use std::collections::BTreeMap;
use units::{AccountId, Cash, InstrumentId, Notional, OrderId, Price, Qty, Rate, Ratio, StrategyId};

type Checked = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        let holds: bool = $holds;
        if !holds {
            return Err(format!($($message)+));
        }
    };
}

/// How often each situation that is checked came up.
#[derive(Default)]
struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    fn add(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }
}

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

/// Four instruments at one venue or two: linear, settled in coin, spot, and a dated one.
fn catalogue(random: &mut Random, bars: usize) -> Catalogue {
    let second = if random.chance(0.5) { "other" } else { "sim" };
    let instrument = |symbol: String, kind, base: &str, settle: &str, lot: i64| Instrument {
        symbol,
        kind,
        base: currency(base),
        quote: currency(if settle == base { "USD" } else { settle }),
        settle: currency(settle),
        tick: Price::from_raw(TICK),
        lot: Qty::from_raw(lot),
        min_qty: Qty::from_raw(lot * 10),
    };
    let expiry = random::opening(1 + random.below(bars as u64) as i64);
    let milli = Qty::ONE / 1_000;
    let instruments = vec![
        instrument("sim:AUSDT-PERP".into(), InstrumentKind::LinearPerpetual, "A", "USDT", milli),
        instrument(format!("{second}:BUSD-PERP"), InstrumentKind::InversePerpetual, "B", "B", Qty::ONE),
        instrument(format!("{second}:CUSDT"), InstrumentKind::Spot, "C", "USDT", milli),
        instrument("sim:DUSDT-27DEC24".into(), InstrumentKind::LinearFuture { expiry }, "D", "USDT", milli),
    ];
    Catalogue { instruments, series: vec![SERIES.to_owned()] }
}

/// Each instrument has a market of its own; the index is the first one's.
fn market(seed: u64, bars: usize, catalogue: &Catalogue) -> Vec<Tick> {
    let mut merged: BTreeMap<_, Vec<Event>> = BTreeMap::new();
    for (index, known) in catalogue.instruments.iter().enumerate() {
        for tick in random::market(seed.wrapping_mul(31).wrapping_add(index as u64), bars, true) {
            let expired = known.kind.expiry().is_some_and(|expiry| tick.at > expiry);
            let of = InstrumentId(index as u32);
            let events = tick.events.into_iter().filter(|_| !expired).filter_map(|event| match event {
                Event::Bar(bar) => Some(Event::Bar(Bar { instrument: of, ..bar })),
                Event::Mark(mark) => Some(Event::Mark(Mark { instrument: of, ..mark })),
                Event::Funding(_) if known.kind == InstrumentKind::Spot => None,
                Event::Funding(rate) => Some(Event::Funding(FundingRate { instrument: of, ..rate })),
                other => (index == 0).then_some(other),
            });
            merged.entry(tick.at).or_default().extend(events);
        }
    }
    let tick = |(at, mut events): (_, Vec<Event>)| {
        events.sort_by_key(Event::rank);
        Tick { at, events }
    };
    merged.into_iter().filter(|(_, events)| !events.is_empty()).map(tick).collect()
}

fn desk(policies: Vec<Policy>, seed: u64, bars: usize) -> Desk {
    let mut random = Random(seed);
    let catalogue = catalogue(&mut random, bars);
    let mut venues: Vec<&str> = catalogue.instruments.iter().map(Instrument::venue).collect();
    venues.sort_unstable();
    venues.dedup();
    let numeraire = currency(["USDT", "USD", "B"][random.below(3) as usize]);
    let accounts: Vec<AccountSpec> =
        venues.iter().rev().map(|venue| AccountSpec { venue: (*venue).to_owned(), numeraire }).collect();
    let first = &policies[0].backtest;
    let mut terms = ExchangeConfig::new(Cash::ZERO, &catalogue);
    let money = |amount: &str, code: &str| (amount.parse().unwrap(), currency(code));
    terms.accounts = accounts
        .iter()
        .map(|spec| AccountTerms {
            spec: Some(spec.clone()),
            deposits: vec![money("200000", "USDT"), money(["3", "300"][random.below(2) as usize], "B")],
            fees: None,
        })
        .collect();
    (terms.taker, terms.maker) = (first.taker_fee, first.maker_fee);
    (terms.half_spread, terms.slippage, terms.latency) = (first.half_spread, first.slippage, first.latency);
    terms.liquidation_fee = Rate::from_raw(Rate::ONE / 200);
    // Mostly two in one instrument.
    let shared = random.below(4) as u32;
    let seats = policies
        .into_iter()
        .map(|policy| {
            let instrument = if random.chance(0.6) { shared } else { random.below(4) as u32 };
            Seat::new(random::shortened(policy), instrument)
        })
        .collect();
    let mut desk = Desk { catalogue, accounts, terms, seats };
    if random.chance(0.2) {
        oppose(&mut desk);
    }
    desk
}

/// Makes the first two want the opposite of each other in the dated contract, in equal quantities.
fn oppose(desk: &mut Desk) {
    for (seat, strength) in desk.seats.iter_mut().zip([0.5, -0.5]) {
        seat.instrument = InstrumentId(3);
        let policy = &mut seat.policy;
        policy.signal.kind = SignalKind::Constant { strength: Ratio::new(strength).unwrap() };
        policy.signal.sides = Sides::Both;
        policy.size.kind = SizeKind::FixedNotional { notional: "5000".parse().unwrap() };
        policy.size.resize = policy::spec::Resize::Entry;
        (policy.caps, policy.trade) = (Caps::default(), policy::spec::Trade::default());
        (policy.pyramid, policy.ladder, policy.stop, policy.streak) = (None, None, None, None);
    }
}

/// Virtual positions add up to the account's net, and to the venue's, after every delivery; stops cover what each holds.
fn positions(desk: &Desk, moments: &[Moment], counts: &mut Counts) -> Checked {
    for moment in moments {
        for (index, known) in desk.catalogue.instruments.iter().enumerate() {
            let account = desk.account_of(InstrumentId(index as u32)).index();
            let holders = desk.seats.iter().zip(&moment.positions).filter(|(seat, _)| seat.instrument.index() == index);
            let held: Vec<Qty> = holders.map(|(_, held)| *held).filter(|held| !held.is_zero()).collect();
            let (sum, net) = (held.iter().copied().sum::<Qty>(), moment.accounts[account].position(index).qty);
            ensure!(sum == net, "{} {}: {sum} held, {net} in the account", moment.at, known.symbol);
            let venue = moment.venues[account].position(index).qty;
            ensure!(net == venue, "{} {}: {net} in the account, {venue} at the venue", moment.at, known.symbol);
            if held.len() > 1 {
                let opposite = held.iter().any(|one| one.signum() != held[0].signum());
                counts.add(if opposite { "held against each other" } else { "held together" });
            }
        }
    }
    Ok(())
}

/// The engine's books are the exchange's, and what crossed inside moved no money.
fn books(desk: &Desk, moments: &[Moment], counts: &mut Counts) -> Checked {
    for moment in moments {
        if moment.source == Source::Market {
            for (ours, venue) in moment.accounts.iter().zip(&moment.venues) {
                // The engine may know of a currency that it has nothing of.
                let there = |account: &Account| -> Vec<Balance> {
                    let zero = Cash::ZERO;
                    let moved = |of: &&Balance| (of.cash, of.equity(), of.deposits) != (zero, zero, zero);
                    account.balances().iter().filter(moved).copied().collect()
                };
                ensure!(there(ours) == there(venue), "{}: {:?}\n{:?}", moment.at, there(ours), there(venue));
                ensure!(ours.equity() == venue.equity(), "{}: {} and {}", moment.at, ours.equity(), venue.equity());
                let same = ours.positions().zip(venue.positions()).all(|(ours, venue)| ours.0 == venue.0);
                ensure!(same, "{}: other positions", moment.at);
            }
        }
        let mut inside: BTreeMap<InstrumentId, (Qty, Cash)> = BTreeMap::new();
        for (_, order, fill) in moment.filled().filter(|(.., fill)| fill.liquidity == Liquidity::Internal) {
            let contract = desk.catalogue.instruments[fill.instrument.index()].kind.contract();
            let sum = inside.entry(fill.instrument).or_insert((Qty::ZERO, Cash::ZERO));
            sum.0 += fill.signed_qty();
            sum.1 += contract.value(fill.price, fill.signed_qty()).cash();
            ensure!(fill.fee.is_zero(), "{}: {order} crossed inside for a fee of {}", moment.at, fill.fee);
            counts.add(if fill.forced.is_some() { "settled between" } else { "crossed inside" });
        }
        for (instrument, sum) in inside {
            ensure!(sum == (Qty::ZERO, Cash::ZERO), "{}: {sum:?} came from inside {instrument:?}", moment.at);
        }
    }
    Ok(())
}

/// Σ of all campaigns, open ones at the mark, is what each currency earned: to the last unit for linear contracts and spot. In
/// coin each campaign's value at the mark, and each part of a forced fill, is cut once at 1e-16.
fn campaigns(desk: &Desk, moments: &[Moment], counts: &mut Counts) -> Checked {
    let mut closed: BTreeMap<(AccountId, Currency), (Cash, i128)> = BTreeMap::new();
    for moment in moments {
        for record in moment.closed() {
            let known = &desk.catalogue.instruments[record.instrument.index()];
            let sum = closed.entry((desk.account_of(record.instrument), known.settle)).or_default();
            sum.0 += record.profit - record.fees + record.funding;
        }
        for (_, _, fill) in moment.filled() {
            let known = &desk.catalogue.instruments[fill.instrument.index()];
            closed.entry((fill.account, known.settle)).or_default().1 += i128::from(fill.forced.is_some());
        }
        if moment.source != Source::Market {
            continue;
        }
        for (number, account) in moment.accounts.iter().enumerate() {
            let id = AccountId(number as u32);
            for balance in account.balances() {
                let (mut earned, splits) = closed.get(&(id, balance.currency)).copied().unwrap_or_default();
                let settles = |record: &&engine::CampaignRecord| {
                    let known = &desk.catalogue.instruments[record.instrument.index()];
                    desk.account_of(record.instrument) == id && known.settle == balance.currency
                };
                let mut open = 0;
                for record in moment.open.iter().flatten().filter(settles) {
                    earned += record.profit - record.fees + record.funding;
                    open += 1;
                }
                let mut there = balance.equity() - balance.deposits;
                let mut is_coin = false;
                for (index, known) in desk.catalogue.instruments.iter().enumerate() {
                    if desk.account_of(InstrumentId(index as u32)) != id {
                        continue;
                    }
                    let position = account.position(index);
                    match known.kind {
                        // What was paid for is worth the mark.
                        InstrumentKind::Spot if known.settle == balance.currency => {
                            there += (account.mark(index) * position.qty).cash();
                        }
                        // Coins bought are told by what they cost.
                        InstrumentKind::Spot if known.base == balance.currency => {
                            there -= Cash::from_raw(i128::from(position.qty.raw()) * i128::from(Qty::ONE));
                        }
                        _ => {}
                    }
                    is_coin |= known.settle == balance.currency && known.kind.contract() == units::Contract::Inverse;
                }
                let off = (there - earned).raw().abs();
                let most = if is_coin { open + splits + 1 } else { 0 };
                ensure!(
                    off <= most,
                    "{}: campaigns earned {earned} {}, the account {there}",
                    moment.at,
                    balance.currency
                );
                counts.add(if is_coin { "coin earned" } else { "money earned" });
            }
        }
    }
    Ok(())
}

/// An order that has not ended, and whose.
#[derive(Debug, Clone, Copy)]
struct Sent {
    order: NewOrder,
    purpose: Purpose,
    strategy: StrategyId,
    filled: Qty,
    cancelling: bool,
}

#[derive(Default)]
struct Orders(BTreeMap<OrderId, Sent>);

impl Orders {
    fn news(&mut self, moment: &Moment) {
        for event in &moment.events {
            let Event::Order(OrderEvent { order, update }) = event else { continue };
            let Some(sent) = self.0.get_mut(order) else { continue };
            match update {
                OrderUpdate::Filled(fill) => sent.filled += fill.qty,
                OrderUpdate::Amended { qty, kind } => (sent.order.qty, sent.order.kind) = (*qty, *kind),
                _ => {}
            }
            let ended = matches!(update, OrderUpdate::Cancelled(_) | OrderUpdate::Rejected(_));
            if ended || sent.filled >= sent.order.qty {
                self.0.remove(order);
            }
        }
    }

    fn output(&mut self, output: &Output) {
        let Output::Command { command, purpose, strategy } = output else { return };
        match *command {
            Command::Place(order) => {
                let (purpose, strategy) = (*purpose, *strategy);
                let sent = Sent { order, purpose, strategy, filled: Qty::ZERO, cancelling: false };
                self.0.insert(order.id, sent);
            }
            Command::Amend { order, qty, kind } => {
                if let Some(sent) = self.0.get_mut(&order) {
                    (sent.order.qty, sent.order.kind) = (qty, kind);
                }
            }
            Command::Cancel { order } => {
                if let Some(sent) = self.0.get_mut(&order) {
                    sent.cancelling = true;
                }
            }
        }
    }

    /// What others than one strategy could still buy and sell in an instrument with orders that may raise a position.
    fn pending(&self, instrument: InstrumentId, but: Option<StrategyId>) -> (Qty, Qty) {
        let raises = |sent: &&Sent| {
            sent.order.instrument == instrument
                && Some(sent.strategy) != but
                && !matches!(sent.purpose, Purpose::Stop | Purpose::Rung { .. })
        };
        let of = |side| {
            let on_side = self.0.values().filter(raises).filter(|sent| sent.order.side == side);
            on_side.map(|sent| sent.order.qty - sent.filled).sum::<Qty>()
        };
        (of(units::Side::Buy), of(units::Side::Sell))
    }
}

/// Stops of each strategy cover exactly what it holds, whatever the others do; nothing of theirs is reduce-only.
fn stops(desk: &Desk, moments: &[Moment], counts: &mut Counts) -> Checked {
    let mut orders = Orders::default();
    for moment in moments {
        orders.news(moment);
        moment.outputs.iter().for_each(|output| orders.output(output));
        for (index, seat) in desk.seats.iter().enumerate() {
            let of = StrategyId(index as u32);
            let own = orders.0.values().filter(|sent| sent.strategy == of && !sent.cancelling);
            let stops: Vec<&Sent> =
                own.filter(|sent| sent.purpose == Purpose::Stop && sent.order.kind != OrderKind::Market).collect();
            let covered: Qty = stops.iter().map(|sent| (sent.order.qty - sent.filled).on(sent.order.side)).sum();
            let held = moment.positions[index];
            let shared = desk.seats.iter().filter(|other| other.instrument == seat.instrument).count() > 1;
            // Beside others what is on its way out at the market is no longer covered, or both could be filled.
            let market = orders.0.values().filter(|sent| sent.strategy == of && sent.order.kind == OrderKind::Market);
            let leaves = market.filter(|sent| shared && sent.order.side.sign() == -held.signum());
            let out: Qty = leaves.map(|sent| (sent.order.qty - sent.filled).on(sent.order.side)).sum();
            let left = if (held + out).signum() == held.signum() { held + out } else { Qty::ZERO };
            ensure!(
                covered.is_zero() || covered == -left,
                "{}: strategy {index} holds {held}, {out} on its way, stops of {covered}",
                moment.at
            );
            // What the venue ended is sent again with the next decision on the market.
            let rests = seat.policy.stop.as_ref().is_some_and(|stop| stop.trigger == Trigger::Resting);
            let has_stop = moment.open[index].as_ref().is_some_and(|campaign| campaign.initial_stop.is_some());
            if rests && has_stop && moment.source == Source::Market {
                ensure!(covered == -left, "{}: strategy {index} holds {held}, {out} on its way, no stop", moment.at);
                counts.add("stop there");
            }
            if shared && !out.is_zero() && !covered.is_zero() {
                counts.add("stop of what a part leaves");
            }
            if !covered.is_zero() {
                counts.add(if shared { "stop beside others" } else { "stop alone" });
                ensure!(stops.iter().all(|sent| sent.order.exit), "{}: a stop that is no exit", moment.at);
                ensure!(
                    stops.iter().all(|sent| sent.order.reduce_only != shared),
                    "{}: reduce-only beside others, or not alone",
                    moment.at
                );
            }
        }
    }
    Ok(())
}

/// What takes a position off never takes more than the strategy holds, also where no order can be reduce-only.
fn exits(desk: &Desk, moments: &[Moment], counts: &mut Counts) -> Checked {
    let mut positions = vec![Qty::ZERO; desk.seats.len()];
    for moment in moments {
        for output in &moment.outputs {
            let Output::Notice(engine::Notice::Filled { strategy, purpose, fill, .. }) = output else {
                continue;
            };
            let (index, signed) = (strategy.index(), fill.signed_qty());
            let held = positions[index];
            positions[index] += signed;
            if !matches!(purpose, Purpose::Stop | Purpose::Rung { .. } | Purpose::Exit | Purpose::Cut) {
                continue;
            }
            let instrument = desk.seats[index].instrument;
            let shared = desk.seats.iter().filter(|other| other.instrument == instrument).count() > 1;
            counts.add(if shared { "exit beside others" } else { "exit alone" });
            let fits = signed.signum() * held.signum() < 0 && signed.abs() <= held.abs();
            ensure!(fits, "{}: {purpose} of {signed} on {held} of strategy {index}", moment.at);
        }
    }
    Ok(())
}

/// No increase beyond the leverage that its policy restores, all positions of the account and what may yet fill counted.
fn leverage(desk: &Desk, moments: &[Moment], counts: &mut Counts) -> Checked {
    let mut orders = Orders::default();
    let mut positions = vec![Qty::ZERO; desk.seats.len()];
    for moment in moments {
        orders.news(moment);
        for output in &moment.outputs {
            match output {
                Output::Notice(engine::Notice::Filled { strategy, fill, .. }) => {
                    positions[strategy.index()] += fill.signed_qty();
                }
                Output::Plan(plan) => leverage_of(desk, moment, plan, &orders, &positions, counts)?,
                output => orders.output(output),
            }
        }
        ensure!(positions == moment.positions, "{}: fills tell other positions", moment.at);
    }
    Ok(())
}

/// What coins of an instrument's underlying are worth that lie in the account beside positions, where they are exposure.
fn coins(account: &Account, known: &Instrument, catalogue: &Catalogue) -> f64 {
    if known.base == account.numeraire() {
        return 0.0;
    }
    let held = account.balance(known.base).map_or(Cash::ZERO, |balance| balance.equity());
    let spot = catalogue.instruments.iter().zip(account.positions());
    let bought = spot.filter(|(other, _)| other.kind == InstrumentKind::Spot && other.base == known.base);
    let bought: Qty = bought.map(|(_, (position, _))| position.qty).sum();
    let bought = Cash::from_raw(i128::from(bought.raw()) * i128::from(Qty::ONE));
    account.translate(known.base, held - bought).approximate()
}

fn leverage_of(
    desk: &Desk,
    moment: &Moment,
    plan: &Plan,
    orders: &Orders,
    positions: &[Qty],
    counts: &mut Counts,
) -> Checked {
    let seat = &desk.seats[plan.strategy.index()];
    let (target, held) = (plan.target.qty, positions[plan.strategy.index()]);
    let declared = seat.policy.caps.leverage.as_ref().and_then(LeverageLimit::declared);
    let Some(limit) = declared.filter(|_| target.abs() > held.abs()) else { return Ok(()) };
    if plan.steps.iter().any(|step| step.outcome == policy::Outcome::Unmet) {
        return Ok(());
    }
    let id = desk.account_of(seat.instrument);
    let account = &moment.accounts[id.index()];
    let held_by = |instrument: InstrumentId, but: Option<StrategyId>| -> Qty {
        let seats = desk.seats.iter().zip(positions).enumerate();
        let own =
            seats.filter(|(index, (seat, _))| seat.instrument == instrument && Some(StrategyId(*index as u32)) != but);
        own.map(|(_, (_, held))| *held).sum()
    };
    let mut gross = 0.0;
    for (index, known) in desk.catalogue.instruments.iter().enumerate() {
        let of = InstrumentId(index as u32);
        if desk.account_of(of) != id {
            continue;
        }
        let (price, contract) = (account.mark(index), known.kind.contract());
        let worth = |exposure: Notional| account.translate(known.settle, exposure.cash()).approximate();
        let coins = coins(account, known, &desk.catalogue);
        gross += if of == seat.instrument {
            let (net, (bought, sold)) = (held_by(of, Some(plan.strategy)), orders.pending(of, Some(plan.strategy)));
            let beside = if target.signum() > 0 { net + bought } else { sold - net };
            let whole = |qty| (coins + worth(contract.exposure(plan.price, qty))).abs();
            if whole(target) <= whole(held) && coins != 0.0 {
                // What makes up for a coin lowers what is exposed.
                counts.add("increase against a coin");
                return Ok(());
            }
            whole(target) + worth(contract.exposure(price, beside.max(Qty::ZERO)))
        } else {
            let (net, (bought, sold)) = (held_by(of, None), orders.pending(of, None));
            let worst = [net + bought, net - sold].map(|qty| (coins + worth(contract.exposure(price, qty))).abs());
            worst[0].max(worst[1])
        };
    }
    let settle = desk.catalogue.instruments[seat.instrument.index()].settle;
    let equity = account.translate(settle, plan.equity).approximate();
    let most = limit.restore.get() * equity * (1.0 + 1e-9) + 1e-6;
    counts.add("increase under a leverage cap");
    ensure!(
        gross <= most,
        "{}: strategy {} goes from {held} to {target} at gross {gross} of {equity}, allowed {}",
        moment.at,
        plan.strategy.0,
        limit.restore.get()
    );
    Ok(())
}

/// The same commands again, and from snapshots.
fn repeats(desk: &Desk, market: &[Tick], moments: &[Moment], state: &[u8], random: &mut Random) -> Checked {
    let (again, engine) = desk.run(market);
    let same = moments.iter().zip(&again).all(|(a, b)| (a.at, &a.events, &a.outputs) == (b.at, &b.events, &b.outputs));
    ensure!(same && again.len() == moments.len(), "a second run differs");
    ensure!(snapshot(&engine) == state, "a second run ends in another state");
    let mut engine = desk.engine();
    for (number, moment) in moments.iter().enumerate() {
        let outputs = feed(&mut engine, moment.at, moment.source, &moment.events);
        ensure!(
            outputs == moment.outputs,
            "moment {number} differs after a snapshot: {outputs:?}\n{:?}",
            moment.outputs
        );
        if random.chance(0.02) {
            engine = desk.restore(&snapshot(&engine));
        }
    }
    ensure!(snapshot(&engine) == state, "restored engines end in another state");
    Ok(())
}

/// Orders' news that come late and in another order, closes by the venue too: once all is told, strategies hold what the account
/// does, and that what the venue says.
fn late(desk: &Desk, market: &[Tick], random: &mut Random, counts: &mut Counts) -> Checked {
    let (mut engine, mut exchange) = (desk.engine(), Exchange::new(desk.terms.clone(), &desk.catalogue));
    let (mut kept, mut number): (Vec<Event>, u64) = (Vec::new(), 0);
    let mut deliver = |engine: &mut Engine, exchange: &mut Exchange, at, source, events: &[Event]| {
        for output in feed(engine, at, source, events) {
            if let Output::Command { command, .. } = output {
                exchange.command(command);
            }
        }
        number += 1;
        if number.is_multiple_of(64) {
            *engine = desk.restore(&snapshot(engine));
        }
    };
    let forced = |event: &Event| match event {
        Event::Order(OrderEvent { update: OrderUpdate::Filled(fill), .. }) => Some(fill.forced.is_some()),
        _ => None,
    };
    for tick in market {
        exchange.advance(tick.at, &tick.events);
        while let Some(input) = exchange.poll() {
            let (at, source, events) = (input.at, input.source, input.events.to_vec());
            let is_late = |event: &Event, random: &mut Random| {
                // A rejection ends what was never there: it comes in time.
                let told = |update: &OrderUpdate| !matches!(update, OrderUpdate::Rejected(_));
                matches!(event, Event::Order(news) if told(&news.update)) && random.chance(0.2)
            };
            let (later, now): (Vec<Event>, Vec<Event>) = events.iter().partition(|event| is_late(event, random));
            if source == Source::Market && !kept.is_empty() {
                counts.add("told late");
                deliver(&mut engine, &mut exchange, at, Source::Venue, &std::mem::take(&mut kept));
            }
            if kept.iter().any(|event| forced(event) == Some(false))
                && now.iter().any(|event| forced(event) == Some(true))
            {
                counts.add("close told before a fill");
            }
            for event in later {
                kept.insert(random.below(kept.len() as u64 + 1) as usize, event);
            }
            deliver(&mut engine, &mut exchange, at, source, &now);
            if !kept.is_empty() {
                continue;
            }
            for (index, known) in desk.catalogue.instruments.iter().enumerate() {
                let of = InstrumentId(index as u32);
                let account = desk.account_of(of);
                let strategies = engine.strategies().filter(|(_, instrument)| *instrument == of);
                let held: Qty = strategies.map(|(strategy, _)| engine.position(strategy)).sum();
                let ours = engine.account(account).position(index).qty;
                let venue = exchange.account(account).position(index).qty;
                ensure!(ours == venue, "{at} {}: {ours} in the account, {venue} at the venue", known.symbol);
                ensure!(held == ours, "{at} {}: strategies hold {held}, the account {ours}", known.symbol);
            }
        }
    }
    Ok(())
}

fn check(policies: &[Policy], seed: u64, bars: usize, counts: &mut Counts) -> Checked {
    let desk = desk(policies.to_vec(), seed, bars);
    let market = market(seed, bars, &desk.catalogue);
    let (moments, engine) = desk.run(&market);
    positions(&desk, &moments, counts)?;
    books(&desk, &moments, counts)?;
    campaigns(&desk, &moments, counts)?;
    stops(&desk, &moments, counts)?;
    exits(&desk, &moments, counts)?;
    leverage(&desk, &moments, counts)?;
    for moment in &moments {
        for (_, _, fill) in moment.filled() {
            match fill.forced {
                Some(Forced::Liquidation) => counts.add("liquidation"),
                Some(Forced::Settlement) => counts.add("settlement"),
                _ => {}
            }
        }
        for event in &moment.events {
            if let Event::Cash(change) = event
                && matches!(change.reason, CashReason::Funding { .. })
            {
                counts.add("funding");
            }
        }
    }
    let mut random = Random(seed ^ 0x5EED);
    late(&desk, &market, &mut random, counts)?;
    repeats(&desk, &market, &moments, &snapshot(&engine), &mut random)
}

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn told(policies: Vec<Policy>) -> String {
    policies.into_iter().map(|policy| policy::to_toml(&random::shortened(policy))).collect::<Vec<_>>().join("\n---\n")
}

#[test]
fn any_desk_on_any_market() {
    let counts = RefCell::new(Counts::default());
    let desks = (prop::collection::vec(policies(), 2..=4), any::<u64>(), 60..300_usize);
    let done = runner(cases(400)).run(&desks, |(policies, seed, bars)| {
        check(&policies, seed, bars, &mut counts.borrow_mut()).map_err(TestCaseError::fail)
    });
    match done {
        Ok(()) => {}
        Err(TestError::Fail(reason, (policies, seed, bars))) => {
            panic!("seed {seed}, {bars} bars: {reason}\n{}", told(policies))
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    let counts = counts.into_inner().0;
    for situation in [
        "held together",
        "held against each other",
        "crossed inside",
        "settled between",
        "coin earned",
        "money earned",
        "stop beside others",
        "stop alone",
        "stop of what a part leaves",
        "stop there",
        "exit beside others",
        "exit alone",
        "increase under a leverage cap",
        "increase against a coin",
        "liquidation",
        "settlement",
        "funding",
        "told late",
        "close told before a fill",
    ] {
        assert!(counts.get(situation).is_some_and(|count| *count > 0), "{situation} never came up: {counts:#?}");
    }
}

/// Strategies that size on an amount of their own, each in an instrument of its own and with money enough, do what they do
/// alone.
#[test]
fn apart_they_do_the_same() {
    let compared = RefCell::new(0_usize);
    let desks = (prop::collection::vec(policies(), 3..=3), any::<u64>(), 60..200_usize);
    let done = runner(cases(100)).run(&desks, |(mut policies, seed, bars)| {
        for policy in &mut policies {
            policy.size.kind = SizeKind::FixedNotional { notional: "5000".parse().unwrap() };
            policy.caps = Caps::default();
            // Wins of others count for who says so.
            if let Some(streak) = &mut policy.streak {
                streak.over = StreakOver::Instrument;
            }
        }
        let mut whole = desk(policies, seed, bars);
        for account in &mut whole.terms.accounts {
            account.deposits.iter_mut().for_each(|(amount, _)| *amount = "1000000000".parse().unwrap());
        }
        for (seat, instrument) in whole.seats.iter_mut().zip([0, 1, 3]) {
            seat.instrument = InstrumentId(instrument);
        }
        let market = market(seed, bars, &whole.catalogue);
        let fills = |desk: &Desk, of: usize| -> Vec<String> {
            let (moments, _) = desk.run(&market);
            let fill = |moment: &Moment, fill: &Fill| {
                format!("{} {} {} {} {} {}", moment.at, fill.side, fill.qty, fill.price, fill.fee, fill.liquidity)
            };
            let told = moments.iter().flat_map(|moment| moment.filled().map(move |(who, _, made)| (who, moment, made)));
            told.filter(|(who, ..)| who.index() == of).map(|(_, moment, made)| fill(moment, made)).collect()
        };
        for (index, seat) in whole.seats.iter().enumerate() {
            let alone = Desk { seats: vec![seat.clone()], ..whole.clone() };
            let (beside, alone) = (fills(&whole, index), fills(&alone, 0));
            *compared.borrow_mut() += alone.len();
            prop_assert_eq!(beside, alone, "strategy {}", index);
        }
        Ok(())
    });
    match done {
        Ok(()) => {}
        Err(TestError::Fail(reason, (policies, seed, bars))) => {
            panic!("seed {seed}, {bars} bars: {reason}\n{}", told(policies))
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    assert!(compared.into_inner() > 200);
}
