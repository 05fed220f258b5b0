//! What holds after any flow of orders, commands sent between any two deliveries included.

#![allow(clippy::unwrap_used, reason = "literals of tests")]

mod common;

use common::random::{Random, TICK};
use common::{at, catalogue, config, render};
use exchange::*;
use market::*;
use std::collections::BTreeMap;
use units::state::StateWriter;
use units::{AccountId, Cash, Contract, Duration, InstrumentId, Notional, OrderId, Price, Qty, Rate, Side};

const INPUTS: i64 = 120;

/// How often each kind of case was met.
#[derive(Debug, Default)]
struct Coverage(BTreeMap<&'static str, u32>);

impl Coverage {
    fn met(&mut self, case: &'static str) {
        *self.0.entry(case).or_default() += 1;
    }
}

/// The market of a seed: mostly bars, with gaps, funding, marks and trades.
struct World {
    random: Random,
    last: [Price; 2],
    marks: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let marks = random.chance(30);
        Self { random, last: ["100".parse().unwrap(); 2], marks }
    }

    fn events(&mut self, minute: i64) -> Vec<Event> {
        let mut events = Vec::new();
        for instrument in 0..2 {
            let id = InstrumentId(instrument as u32);
            if self.random.chance(10) {
                self.last[instrument] = self.random.near(self.last[instrument], 10);
                events.push(Event::Trade(Trade { instrument: id, price: self.last[instrument], qty: Qty::ZERO }));
            } else {
                events.push(Event::Bar(self.bar(id, minute)));
            }
            if self.random.chance(10) {
                let rate = Rate::from_raw(self.random.below(2_000_001) * 1_000 - 1_000_000_000);
                events.push(Event::Funding(FundingRate { instrument: id, rate, interval: Duration::HOUR }));
            }
            if self.marks && self.random.chance(30) {
                events.push(Event::Mark(Mark { instrument: id, price: self.random.near(self.last[instrument], 5) }));
            }
        }
        events.sort_by_key(Event::rank);
        events
    }

    fn bar(&mut self, instrument: InstrumentId, minute: i64) -> Bar {
        let last = &mut self.last[instrument.index()];
        let reach = if self.random.chance(20) { 60 } else { 0 };
        let open = self.random.near(*last, reach);
        let close = self.random.near(open, 40);
        let (up, down) = (self.random.below(40), self.random.below(40));
        let high = Price::from_raw(open.max(close).raw() + up * TICK);
        let low = Price::from_raw((open.min(close).raw() - down * TICK).max(TICK));
        *last = close;
        Bar { instrument, opened: at(minute - 1), closed: at(minute), open, high, low, close, volume: Qty::ZERO }
    }
}

/// What an account holder knows: orders by their news, and a ledger kept from deliveries alone.
#[derive(Default)]
struct Client {
    orders: BTreeMap<OrderId, (NewOrder, OrderState, Qty)>,
    cash: Cash,
    held: [Qty; 2],
    marks: [Price; 2],
    fed: [bool; 2],
    next: u64,
}

impl Client {
    fn command(&mut self, random: &mut Random, last: [Price; 2]) -> Command {
        let ids: Vec<_> = self.orders.keys().copied().collect();
        let old = ids.len().checked_sub(1 + random.below(6) as usize).map(|index| ids[index]);
        let instrument = random.below(2) as usize;
        let price = random.near(last[instrument], 60);
        let beyond = random.near(price, 10);
        let kind = match random.below(5) {
            0 => OrderKind::Market,
            1 | 2 => OrderKind::Limit { price },
            3 => OrderKind::Stop { trigger: price },
            _ => OrderKind::StopLimit { trigger: price, price: beyond },
        };
        let qty = Qty::from_raw((random.below(40) + 1) * 5_000_000);
        match (random.below(10), old) {
            (0, Some(order)) => Command::Cancel { order },
            (1 | 2, Some(order)) => {
                Command::Amend { order, qty, kind: moved(self.orders[&order].0.kind, price, beyond) }
            }
            _ => self.place(random, InstrumentId(instrument as u32), qty, kind),
        }
    }

    fn place(&mut self, random: &mut Random, instrument: InstrumentId, qty: Qty, kind: OrderKind) -> Command {
        self.next += 1;
        let side = if random.chance(50) { Side::Buy } else { Side::Sell };
        let reduce_only = random.chance(40);
        let id = OrderId(self.next + 255);
        let order = NewOrder { id, account: AccountId(0), instrument, side, qty, kind, reduce_only, exit: reduce_only };
        self.orders.insert(id, (order, OrderState::Sent, Qty::ZERO));
        Command::Place(order)
    }

    fn see(&mut self, input: &Input<'_>, bars: &[Option<Bar>; 2], coverage: &mut Coverage) {
        for event in input.events {
            match event {
                Event::Order(news) => self.news(news, bars, coverage),
                Event::Cash(change) => {
                    self.cash += change.amount;
                    coverage.met(if change.reason == CashReason::Deposit { "deposit" } else { "funding" });
                }
                Event::Bar(bar) if !self.fed[bar.instrument.index()] => self.marks[bar.instrument.index()] = bar.close,
                Event::Mark(mark) => {
                    self.marks[mark.instrument.index()] = mark.price;
                    self.fed[mark.instrument.index()] = true;
                }
                Event::Trade(trade) if !self.fed[trade.instrument.index()] => {
                    self.marks[trade.instrument.index()] = trade.price;
                }
                Event::Bar(_)
                | Event::Trade(_)
                | Event::Funding(_)
                | Event::OptionQuote(_)
                | Event::Series(_)
                | Event::Settlement(_) => {}
            }
        }
    }

    fn news(&mut self, news: &OrderEvent, bars: &[Option<Bar>; 2], coverage: &mut Coverage) {
        if let OrderUpdate::Filled(fill) = &news.update {
            self.filled(news.order, fill, bars[fill.instrument.index()], coverage);
        }
        if news.order == LIQUIDATION {
            return;
        }
        let (order, state, filled) = self.orders.get_mut(&news.order).expect("news of an order that was sent");
        match &news.update {
            OrderUpdate::Filled(fill) => *filled += fill.qty,
            OrderUpdate::Amended { qty, kind } => (order.qty, order.kind) = (*qty, *kind),
            OrderUpdate::Cancelled(CancelReason::NothingToReduce) => coverage.met("nothing to reduce"),
            OrderUpdate::Cancelled(CancelReason::Margin) => coverage.met("margin"),
            OrderUpdate::Cancelled(CancelReason::Liquidated) => coverage.met("cancelled by liquidation"),
            OrderUpdate::Triggered => coverage.met("triggered"),
            _ => {}
        }
        assert!(*filled <= order.qty, "{news:?} fills beyond the quantity");
        *state = state.after(&news.update, *filled == order.qty).expect("the venue's news is never stale");
    }

    fn filled(&mut self, id: OrderId, fill: &Fill, bar: Option<Bar>, coverage: &mut Coverage) {
        let held = &mut self.held[fill.instrument.index()];
        let before = *held;
        *held += fill.signed_qty();
        self.cash = self.cash - (fill.price * fill.signed_qty()).cash() - fill.fee;
        assert!(fill.qty > Qty::ZERO && fill.price.raw() % TICK == 0, "{fill:?}");
        assert!(fill.slippage(Contract::Linear) >= Cash::ZERO, "{fill:?} is better than its reference");
        if let Some(bar) = bar {
            let honest = if fill.side == Side::Buy { fill.price >= bar.low } else { fill.price <= bar.high };
            assert!(honest, "{fill:?} is better than any price of {bar:?}");
        }
        if fill.forced.is_some() {
            assert!(held.is_zero());
            return coverage.met("liquidation");
        }
        let order = self.orders[&id].0;
        if order.reduce_only {
            let reduces = held.abs() < before.abs() && held.signum() * before.signum() >= 0;
            assert!(reduces, "{order:?} raised {before} to {held}");
        }
        self.met(&order, fill, bar, coverage);
    }

    fn met(&self, order: &NewOrder, fill: &Fill, bar: Option<Bar>, coverage: &mut Coverage) {
        let worst = match order.kind {
            OrderKind::Limit { price } | OrderKind::StopLimit { price, .. } => price,
            OrderKind::Market => return coverage.met("market"),
            OrderKind::Stop { trigger } if fill.reference == trigger => return coverage.met("stop at its trigger"),
            OrderKind::Stop { .. } => return coverage.met("stop through a gap"),
        };
        let within = if fill.side == Side::Buy { fill.price <= worst } else { fill.price >= worst };
        assert!(within, "{order:?} filled at {}", fill.price);
        coverage.met(match fill.liquidity {
            Liquidity::Taker => "limit that takes",
            Liquidity::Maker if fill.price != worst => "limit through a gap",
            Liquidity::Maker if bar.is_some_and(|bar| worst < bar.low || worst > bar.high) => "limit sent inside a bar",
            Liquidity::Maker => "limit at its price",
            Liquidity::Internal => unreachable!("a venue does not cross inside its client's book"),
        });
    }

    fn equity(&self) -> Cash {
        let value = |(held, mark): (&Qty, &Price)| (*mark * *held).cash();
        self.cash + self.held.iter().zip(&self.marks).map(value).sum::<Cash>()
    }
}

/// The same kind with other prices.
fn moved(kind: OrderKind, price: Price, beyond: Price) -> OrderKind {
    match kind {
        OrderKind::Market => OrderKind::Market,
        OrderKind::Limit { .. } => OrderKind::Limit { price },
        OrderKind::Stop { .. } => OrderKind::Stop { trigger: price },
        OrderKind::StopLimit { .. } => OrderKind::StopLimit { trigger: price, price: beyond },
    }
}

fn terms(seed: u64) -> ExchangeConfig {
    let mut random = Random(seed ^ 0xABCD);
    let mut terms = config(["60", "200", "1000000"][random.below(3) as usize]);
    terms.taker = "0.0005".parse().unwrap();
    terms.maker = ["0.0002", "-0.0001"][random.below(2) as usize].parse().unwrap();
    terms.half_spread = Rate::from_raw(random.below(3) * 100_000_000);
    terms.slippage = Rate::from_raw(random.below(3) * 100_000_000);
    terms.liquidation_fee = "0.005".parse().unwrap();
    // A tenth, none or a fifth of the price for a million.
    terms.impact = Rate::from_raw([1, 0, 2][(seed % 3) as usize] * Rate::ONE / 10);
    terms.latency = Duration::from_nanos(random.below(3) * Duration::MINUTE.nanos());
    terms
}

struct Outcome {
    log: Vec<String>,
    state: StateWriter,
    exchange: Exchange,
}

/// One seeded run with every invariant checked at every delivery.
fn run(seed: u64, terms: ExchangeConfig, coverage: &mut Coverage) -> Outcome {
    let (mut world, mut random) = (World::new(seed), Random(seed.wrapping_mul(77) + 5));
    let mut exchange = Exchange::new(terms, &catalogue());
    let mut client = Client::default();
    let mut log = Vec::new();
    for minute in 1..=INPUTS {
        let events = world.events(minute);
        let mut bars = [None; 2];
        for event in &events {
            if let Event::Bar(bar) = event {
                bars[bar.instrument.index()] = Some(*bar);
            }
        }
        exchange.advance(at(minute), &events);
        while let Some(input) = exchange.poll() {
            client.see(&input, &bars, coverage);
            log.push(render(input.events));
            let answers = if input.source == Source::Market { random.below(4) } else { random.below(2) };
            for _ in 0..answers {
                let command = client.command(&mut random, world.last);
                exchange.command(command);
            }
        }
        check_books(&client, &exchange, seed, minute);
    }
    let mut state = StateWriter::new();
    exchange.save(&mut state);
    Outcome { log, state, exchange }
}

fn check_books(client: &Client, exchange: &Exchange, seed: u64, minute: i64) {
    let account = exchange.account(AccountId(0));
    assert_eq!(account.equity(), client.equity(), "ledger identity, seed {seed}, minute {minute}");
    assert_eq!([account.position(0).qty, account.position(1).qty], client.held, "seed {seed}, minute {minute}");
    let mut open = exchange.open_orders().map(|order| (order.order.id, order.filled)).collect::<Vec<_>>();
    open.sort();
    // What was sent in answer to the market input is not yet acknowledged to the client.
    let resting = client.orders.iter().filter(|(_, (_, state, _))| !state.is_final() && *state != OrderState::Sent);
    for (id, (_, _, filled)) in resting {
        let known = open.binary_search(&(*id, *filled)).is_ok();
        let cancelled_since = !open.iter().any(|(other, _)| other == id);
        assert!(
            known || cancelled_since,
            "{id} rests at the client with {filled} filled, seed {seed}, minute {minute}"
        );
    }
}

#[test]
fn ledger_orders_and_prices_hold_after_any_flow() {
    let mut coverage = Coverage::default();
    let mut ambiguous = 0;
    for seed in 0..400 {
        let outcome = run(seed, terms(seed), &mut coverage);
        ambiguous += outcome.exchange.ambiguous_bars();
        assert!(outcome.exchange.bars() > 0);
    }
    for case in [
        "funding",
        "nothing to reduce",
        "margin",
        "cancelled by liquidation",
        "liquidation",
        "triggered",
        "market",
        "stop at its trigger",
        "stop through a gap",
        "limit that takes",
        "limit through a gap",
        "limit sent inside a bar",
        "limit at its price",
    ] {
        assert!(coverage.0.get(case).is_some_and(|count| *count >= 100), "{case} too rare in {coverage:?}");
    }
    assert!(ambiguous > 1000, "{ambiguous}");
}

/// At the end of a run without further commands every order of the client is final or open at the venue.
#[test]
fn every_accepted_order_ends_or_rests() {
    let mut resting = 0;
    for seed in 0..50 {
        let mut outcome = run(seed, terms(seed), &mut Coverage::default());
        let mut open: Vec<_> = outcome.exchange.open_orders().map(|order| order.order.id).collect();
        outcome.exchange.advance(at(INPUTS + 1), &[]);
        while let Some(input) = outcome.exchange.poll() {
            outcome.log.push(render(input.events));
        }
        let text = outcome.log.join(", ");
        // The first words of every piece of news, by order.
        let mut news: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        for part in text.split(", ") {
            let mut words = part.split(' ');
            if let (Some(what), Some(Ok(id))) = (words.next(), words.next().map(str::parse)) {
                news.entry(id).or_default().push(what);
            }
        }
        let has = |id: u64, ends: &[&str]| news.get(&id).is_some_and(|all| all.iter().any(|what| ends.contains(what)));
        for id in 256.. {
            if !has(id, &["ack", "rejected"]) {
                break;
            }
            let rests = open.iter().position(|other| *other == OrderId(id));
            resting += usize::from(rests.is_some());
            assert!(rests.is_some() || has(id, &["rejected", "cancelled", "fill"]), "order {id} vanished, seed {seed}");
            rests.map(|index| open.swap_remove(index));
        }
        assert!(open.is_empty(), "{open:?} rest at the venue, but were never acknowledged, seed {seed}");
    }
    assert!(resting > 100, "{resting}");
}

#[test]
fn identical_runs_give_identical_deliveries_and_state() {
    for seed in 0..20 {
        let [first, second] = [(); 2].map(|()| run(seed, terms(seed), &mut Coverage::default()));
        assert_eq!(first.log, second.log);
        assert_eq!(first.state.as_bytes(), second.state.as_bytes());
    }
}

/// A recorded path, walked again, gives the same run; the other rule gives another.
#[test]
fn a_recorded_path_is_walked_again() {
    let mut differ = 0;
    for seed in 0..20 {
        let walked = |path| run(seed, ExchangeConfig { path, ..terms(seed) }, &mut Coverage::default());
        let favourable = walked(PathRule::FavourableFirst);
        let again = walked(PathRule::Recorded(favourable.exchange.paths().clone()));
        assert_eq!(favourable.log, again.log);
        assert_eq!(favourable.exchange.paths(), again.exchange.paths());
        differ += u32::from(walked(PathRule::AdverseFirst).log != favourable.log);
    }
    assert!(differ >= 10, "{differ}");
}

/// SEMANTICS measured 40 bp a fill for a dip-limit strategy on bars that ignore the order of their extremes. The
/// truth here is a driftless walk, on which nothing can be earned: coarse bars may understate it, never overstate it.
#[test]
fn coarse_bars_do_not_flatter_a_dip_limit() {
    let prices = walk(1, 1_000_000);
    let ((coarse, fills), (fine, _)) = (dip_limit(&prices, 16), dip_limit(&prices, 1));
    println!("fine {fine:.2} bp, coarse {coarse:.2} bp a fill over {fills} fills");
    assert!(fills > 400, "{fills}");
    assert!(fine.abs() < 5.0, "fine {fine:.1} bp");
    assert!(coarse < 2.0, "coarse {coarse:.1} bp a fill over {fills} fills, fine {fine:.1}");
}

fn walk(seed: u64, steps: usize) -> Vec<Price> {
    let mut random = Random(seed);
    let mut price: Price = "10000".parse().unwrap();
    let step = |_| {
        price = random.near(price, 40);
        price
    };
    (0..steps).map(step).collect()
}

/// Steps of the walk in a fine bar.
const FINE: usize = 64;

/// Trades the toy on bars of `width` fine bars and returns basis points a fill. Every
/// 16 fine bars: buy limit 0.4 % under the price, take profit 0.4 % above the fill, else out at the end.
fn dip_limit(prices: &[Price], width: usize) -> (f64, u32) {
    let mut exchange = Exchange::new(config("1000000"), &catalogue());
    let (mut fills, mut next, mut entry) = (0, 255, None);
    let size: Qty = "1".parse().unwrap();
    for (index, part) in prices.windows(FINE * width + 1).step_by(FINE * width).enumerate() {
        let bar = Bar {
            instrument: InstrumentId(0),
            opened: at(index as i64),
            closed: at(index as i64 + 1),
            open: part[0],
            high: *part.iter().max().unwrap(),
            low: *part.iter().min().unwrap(),
            close: part[FINE * width],
            volume: Qty::ZERO,
        };
        exchange.advance(bar.closed, &[Event::Bar(bar)]);
        while let Some(input) = exchange.poll() {
            let bought = input.events.iter().find_map(|event| match event {
                Event::Order(OrderEvent { update: OrderUpdate::Filled(fill), .. }) if fill.side == Side::Buy => {
                    Some(*fill)
                }
                _ => None,
            });
            let round_ends = input.source == Source::Market && ((index + 1) * width).is_multiple_of(16);
            let mut place = |side, price: Option<Price>| {
                next += 1;
                let kind = price.map_or(OrderKind::Market, |price| OrderKind::Limit { price });
                let (id, reduce_only) = (OrderId(next), side == Side::Sell);
                exchange.command(Command::Place(NewOrder {
                    id,
                    account: AccountId(0),
                    instrument: InstrumentId(0),
                    side,
                    qty: size,
                    kind,
                    reduce_only,
                    exit: reduce_only,
                }));
                id
            };
            if let Some(fill) = bought {
                fills += 1;
                place(Side::Sell, Some(share(fill.price, 1_004)));
            }
            if round_ends {
                // A target that the close has passed is at the next open before the exit is: smaller id first.
                place(Side::Sell, None);
                let fresh = place(Side::Buy, Some(share(bar.close, 996)));
                if let Some(stale) = entry.replace(fresh) {
                    exchange.command(Command::Cancel { order: stale });
                }
            }
        }
    }
    let profit = exchange.account(AccountId(0)).equity() - "1000000".parse::<Cash>().unwrap();
    let base = Notional::from_raw(prices[0].raw() as i128 * size.raw() as i128).approximate();
    (profit.approximate() / base / f64::from(fills) * 10_000.0, fills)
}

fn share(price: Price, permille: i64) -> Price {
    Price::from_raw(price.raw() / 1_000 * permille / TICK * TICK)
}
