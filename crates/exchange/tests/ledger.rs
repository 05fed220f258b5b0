//! Two accounts, four currencies, every kind of contract, flows of money, fee tiers: whatever happens, the balance of each
//! currency is what the deliveries say, recomputed here from nothing else.

#![allow(clippy::unwrap_used, reason = "literals of tests")]

mod common;

use common::random::{Random, TICK};
use common::{currency, render};
use exchange::*;
use market::*;
use std::collections::BTreeMap;
use units::{
    AccountId, Cash, Contract, Duration, InstrumentId, Notional, OrderId, Price, Qty, Rate, Round, Side, Timestamp,
};

/// Steps of six hours, so that days pass.
const STEPS: i64 = 240;
const STEP: i64 = 6 * Duration::HOUR.nanos();
const COUNT: usize = 6;
const SPOT: usize = 1;

fn at(step: i64) -> Timestamp {
    Timestamp::from_nanos(step * STEP)
}

/// Four instruments of the first account, two of the second; futures expire on a step, or between two.
fn catalogue(random: &mut Random) -> Catalogue {
    let expiry = |random: &mut Random| at(random.below(STEPS)) + Duration::from_nanos(random.below(2) * STEP / 3);
    let (first, second) = (expiry(random), expiry(random));
    let instrument = |symbol: &str, kind, [base, quote, settle]: [&str; 3]| Instrument {
        symbol: symbol.into(),
        kind,
        base: currency(base),
        quote: currency(quote),
        settle: currency(settle),
        tick: Price::from_raw(TICK),
        lot: "0.001".parse().unwrap(),
        min_qty: "0.01".parse().unwrap(),
    };
    let instruments = vec![
        instrument("sim:X-PERP", InstrumentKind::LinearPerpetual, ["COIN", "USDT", "USDT"]),
        instrument("sim:X-SPOT", InstrumentKind::Spot, ["COIN", "USDT", "USDT"]),
        instrument("sim:X-INVERSE", InstrumentKind::InversePerpetual, ["COIN", "USD", "COIN"]),
        instrument("sim:X-FUTURE", InstrumentKind::InverseFuture { expiry: first }, ["COIN", "USD", "COIN"]),
        instrument("other:Y-PERP", InstrumentKind::LinearPerpetual, ["OTHER", "USDC", "USDC"]),
        instrument("other:Y-FUTURE", InstrumentKind::LinearFuture { expiry: second }, ["OTHER", "USDC", "USDC"]),
    ];
    Catalogue { instruments, series: vec![] }
}

fn account_of(instrument: usize) -> AccountId {
    AccountId(u32::from(instrument >= 4))
}

fn tiers() -> FeeSchedule {
    let tier = |(from, taker, maker): (&str, &str, &str)| FeeTier {
        from: from.parse().unwrap(),
        taker: taker.parse().unwrap(),
        maker: maker.parse().unwrap(),
    };
    let tiers = [("0", "0.001", "0.0005"), ("2000", "0.0008", "0"), ("9000", "0.0005", "-0.0001")];
    FeeSchedule { tiers: tiers.map(tier).to_vec(), currency: currency("USDC") }
}

fn terms(random: &mut Random, catalogue: &Catalogue) -> ExchangeConfig {
    let mut terms = ExchangeConfig::new(Cash::ZERO, catalogue);
    let money = |random: &mut Random| ["50", "300", "100000"][random.below(3) as usize].parse().unwrap();
    let account = |venue: &str, numeraire, deposits, fees| AccountTerms {
        spec: Some(AccountSpec { venue: venue.into(), numeraire: currency(numeraire) }),
        deposits,
        fees,
    };
    let first = vec![
        (money(random), currency("USDT")),
        (Cash::from_raw(random.below(4) as i128 * Cash::ONE), currency("COIN")),
    ];
    let second = vec![(money(random), currency("USDC"))];
    terms.accounts = vec![account("sim", "USDT", first, None), account("other", "USDC", second, Some(tiers()))];
    (terms.taker, terms.maker) = ("0.0005".parse().unwrap(), "-0.0001".parse().unwrap());
    terms.half_spread = Rate::from_raw(random.below(3) * 100_000_000);
    // What is traded is worth hundreds: up to some ticks.
    terms.impact = Rate::from_raw([0, 1, 5][(terms.half_spread.raw() / 100_000_000) as usize] * Rate::ONE);
    terms.liquidation_fee = "0.005".parse().unwrap();
    terms.settlement_fee = "0.0002".parse().unwrap();
    terms.continuous_funding = (0..COUNT).map(|_| random.chance(50)).collect();
    for instrument in (0..COUNT).filter(|instrument| *instrument != SPOT) {
        if random.chance(20) {
            terms.positions.push(OpeningPosition {
                account: account_of(instrument),
                instrument: InstrumentId(instrument as u32),
                qty: Qty::from_raw((random.below(10) - 5) * 10_000_000 + 5_000_000),
                price: "100".parse().unwrap(),
            });
        }
    }
    terms.flows = (0..random.below(40)).map(|_| flow(random)).collect();
    terms
}

fn flow(random: &mut Random) -> Flow {
    let account = AccountId(random.below(2) as u32);
    let codes = ["USDT", "COIN", "USDC", "OTHER"];
    let mut code = || currency(codes[random.below(4) as usize]);
    let (of, to) = (code(), code());
    let amount = Cash::from_raw(i128::from(random.below(30_000) + 1) * Cash::ONE / 1_000);
    let kind = match random.below(4) {
        0 => FlowKind::Deposit { amount, currency: of },
        1 => FlowKind::Withdrawal { amount, currency: of },
        2 if of != to => FlowKind::Conversion { amount, from: of, to },
        _ => FlowKind::Transfer { to: AccountId(1 - account.0), amount, currency: of },
    };
    Flow { at: at(random.below(STEPS)) + Duration::from_nanos(random.below(3) * STEP / 3), account, kind }
}

/// The market: bars, now and then a trade, a mark or a rate; sometimes nothing at all for an instrument.
struct Market {
    last: [Price; COUNT],
    marks: bool,
}

impl Market {
    fn events(&mut self, random: &mut Random, step: i64, expiries: &[Option<Timestamp>]) -> Vec<Event> {
        let mut events = Vec::new();
        for (index, last) in self.last.iter_mut().enumerate() {
            let instrument = InstrumentId(index as u32);
            match random.below(10) {
                0 => {
                    *last = random.near(*last, 10);
                    events.push(Event::Trade(Trade { instrument, price: *last, qty: Qty::ZERO }));
                }
                1 => {}
                _ => {
                    let reach = if random.chance(15) { 80 } else { 5 };
                    let open = random.near(*last, reach);
                    *last = random.near(open, 30);
                    let (high, low) = (open.max(*last).raw() + random.below(20) * TICK, open.min(*last).raw());
                    let low = (low - random.below(20) * TICK).max(TICK);
                    let (high, low) = (Price::from_raw(high), Price::from_raw(low));
                    let (opened, closed) = (at(step - 1), at(step));
                    let (close, volume) = (*last, Qty::ZERO);
                    events.push(Event::Bar(Bar { instrument, opened, closed, open, high, low, close, volume }));
                }
            }
            if random.chance(25) && expiries[index].is_none() {
                let rate = Rate::from_raw(random.below(2_000_001) * 1_000 - 1_000_000_000);
                let interval = Duration::from_nanos((random.below(3) + 1) * STEP);
                events.push(Event::Funding(FundingRate { instrument, rate, interval }));
            }
            if self.marks && random.chance(20) {
                events.push(Event::Mark(Mark { instrument, price: random.near(*last, 5) }));
            }
        }
        events.sort_by_key(Event::rank);
        events
    }
}

/// Coins that a quantity is at a price, cut at 1e-16.
fn coins(qty: Qty, price: Price) -> i128 {
    i128::from(qty.raw()) * 10_i128.pow(16) / i128::from(price.raw())
}

/// What deliveries tell.
struct Client {
    catalogue: Catalogue,
    continuous: Vec<bool>,
    orders: BTreeMap<OrderId, NewOrder>,
    /// In raw units: every movement, and what fills paid and received.
    paid: BTreeMap<(u32, Currency), i128>,
    held: [Qty; COUNT],
    marks: [Price; COUNT],
    fed: [bool; COUNT],
    /// Where the bars of the present input close: that is walked before funding.
    closes: [Option<Price>; COUNT],
    executions: [u64; 2],
    /// What each position was since when.
    steps: Vec<Vec<(Timestamp, Qty)>>,
    funded: [Timestamp; COUNT],
    /// Traded by the second account, by day.
    traded: Vec<(i64, Cash)>,
    liquidated: Option<AccountId>,
    flows: usize,
    next: u64,
    met: BTreeMap<&'static str, u32>,
}

impl Client {
    fn new(catalogue: &Catalogue, terms: &ExchangeConfig) -> Self {
        Self {
            catalogue: catalogue.clone(),
            continuous: terms.continuous_funding.clone(),
            orders: BTreeMap::new(),
            paid: BTreeMap::new(),
            held: [Qty::ZERO; COUNT],
            marks: [Price::ZERO; COUNT],
            fed: [false; COUNT],
            closes: [None; COUNT],
            executions: [0; 2],
            steps: vec![vec![(Timestamp::MIN, Qty::ZERO)]; COUNT],
            funded: [Timestamp::MIN; COUNT],
            traded: Vec::new(),
            liquidated: None,
            flows: 0,
            next: 255,
            met: BTreeMap::new(),
        }
    }

    fn met(&mut self, case: &'static str) {
        *self.met.entry(case).or_default() += 1;
    }

    fn pay(&mut self, account: AccountId, currency: Currency, raw: i128) {
        *self.paid.entry((account.0, currency)).or_default() += raw;
    }

    fn see(&mut self, input: &Input<'_>, exchange: &Exchange) {
        for event in input.events {
            match event {
                Event::Order(news) => self.news(input.at, news, exchange),
                Event::Cash(change) => self.cash(input.at, change),
                Event::Bar(Bar { instrument, close: price, .. }) | Event::Trade(Trade { instrument, price, .. }) => {
                    if !self.fed[instrument.index()] {
                        self.marks[instrument.index()] = *price;
                    }
                }
                Event::Mark(mark) => {
                    self.marks[mark.instrument.index()] = mark.price;
                    self.fed[mark.instrument.index()] = true;
                }
                Event::Funding(due) => self.funded[due.instrument.index()] = input.at,
                Event::OptionQuote(_) | Event::Series(_) | Event::Settlement(_) => {}
            }
        }
    }

    fn cash(&mut self, now: Timestamp, change: &CashChange) {
        self.pay(change.account, change.currency, change.amount.raw());
        self.met(match change.reason {
            CashReason::Deposit => "deposit",
            CashReason::Withdrawal => "withdrawal",
            CashReason::Transfer { other } => {
                assert_eq!(other.0, 1 - change.account.0);
                "transfer"
            }
            CashReason::Conversion { .. } => "conversion",
            CashReason::Funding { instrument, rate, mark, .. } => {
                assert_eq!(
                    (change.account, mark),
                    (account_of(instrument.index()), self.walked_mark(instrument.index()))
                );
                self.funding(now, instrument.index(), rate, change.amount)
            }
        });
        self.flows += usize::from(!matches!(change.reason, CashReason::Funding { .. }));
    }

    /// The mark once the bars of the present input were walked.
    fn walked_mark(&self, index: usize) -> Price {
        self.closes[index].filter(|_| !self.fed[index]).unwrap_or(self.marks[index])
    }

    /// Recomputes a payment as an estimate: whatever an interval is, it is known to the caller's market only, so that the three
    /// that the market tells are tried.
    fn funding(&self, now: Timestamp, index: usize, rate: Rate, amount: Cash) -> &'static str {
        let contract = self.catalogue.instruments[index].kind.contract();
        let mark = self.walked_mark(index).approximate();
        let owed = |qty: f64| match contract {
            Contract::Linear => -rate.approximate() * qty * mark,
            Contract::Inverse => -rate.approximate() * qty / mark,
        };
        let fits = |qty: f64| (owed(qty) - amount.approximate()).abs() <= 1e-12 + owed(qty).abs() * 1e-9;
        if !self.continuous[index] {
            assert!(fits(self.held[index].approximate()), "{amount} for {}", self.held[index]);
            return "interval funding";
        }
        let mean = |steps: i64| {
            let interval = steps * STEP;
            let from = self.funded[index].nanos().max(now.nanos() - interval);
            let times = self.steps[index].iter().skip(1).map(|(time, _)| *time).chain([now]);
            let parts = self.steps[index].iter().zip(times).map(|((since, qty), until)| {
                until.nanos().min(now.nanos()).saturating_sub(since.nanos().max(from)).max(0) as f64 * qty.approximate()
            });
            parts.sum::<f64>() / interval as f64
        };
        assert!((1..=3).any(|steps| fits(mean(steps))), "{amount} for {:?} at {now}", self.steps[index]);
        "continuous funding"
    }

    fn news(&mut self, now: Timestamp, news: &OrderEvent, exchange: &Exchange) {
        match &news.update {
            OrderUpdate::Filled(fill) => self.filled(now, news.order, fill, exchange),
            OrderUpdate::Cancelled(CancelReason::Liquidated) => {
                assert_eq!(Some(self.orders[&news.order].account), self.liquidated, "another account's order");
                self.met("cancelled by liquidation");
            }
            OrderUpdate::Cancelled(CancelReason::Funds) => {
                assert_eq!(self.orders[&news.order].instrument.index(), SPOT);
                self.met("funds");
            }
            OrderUpdate::Cancelled(CancelReason::Margin) => {
                assert_ne!(self.orders[&news.order].instrument.index(), SPOT);
                self.met("margin");
            }
            OrderUpdate::Cancelled(CancelReason::Expired) => {
                assert!(self.expiry(self.orders[&news.order].instrument).unwrap() <= now);
                self.met("cancelled by expiry");
            }
            OrderUpdate::Rejected(RejectReason::Expired) => {
                assert!(self.expiry(self.orders[&news.order].instrument).unwrap() <= now);
                self.met("rejected after expiry");
            }
            OrderUpdate::Rejected(RejectReason::Instrument) => {
                let order = &self.orders[&news.order];
                assert_ne!(order.account, account_of(order.instrument.index()));
                self.met("another's instrument");
            }
            _ => {}
        }
    }

    fn expiry(&self, instrument: InstrumentId) -> Option<Timestamp> {
        self.catalogue.instruments[instrument.index()].kind.expiry()
    }

    fn filled(&mut self, now: Timestamp, id: OrderId, fill: &Fill, exchange: &Exchange) {
        let (index, account) = (fill.instrument.index(), fill.account);
        let instrument = self.catalogue.instruments[index].clone();
        assert_eq!(account, account_of(index));
        self.executions[account.index()] += 1;
        assert_eq!(fill.execution, self.executions[account.index()], "numbers of executions grow by one");
        let before = self.held[index];
        self.held[index] += fill.signed_qty();
        self.steps[index]
            .push((if fill.forced == Some(Forced::Opening) { Timestamp::MIN } else { now }, self.held[index]));
        if self.marks[index].is_zero() {
            self.marks[index] = fill.price;
        }
        let signed = fill.signed_qty();
        let linear = (fill.price * signed).raw();
        self.pay(account, instrument.settle, -fill.fee.raw());
        match (instrument.kind, instrument.kind.contract()) {
            (InstrumentKind::Spot, _) => {
                self.pay(account, instrument.quote, -linear);
                self.pay(account, instrument.base, i128::from(signed.raw()) * i128::from(Qty::ONE));
            }
            (_, Contract::Linear) => self.pay(account, instrument.settle, -linear),
            (_, Contract::Inverse) => self.pay(account, instrument.settle, coins(signed, fill.price)),
        }
        self.check_fill(now, id, fill, before, exchange);
    }

    fn check_fill(&mut self, now: Timestamp, id: OrderId, fill: &Fill, before: Qty, exchange: &Exchange) {
        let index = fill.instrument.index();
        let expiry = self.expiry(fill.instrument);
        let (held, venue) = (self.held[index], exchange.account(fill.account));
        match fill.forced {
            Some(Forced::Settlement) => {
                assert!(id == SETTLEMENT && held.is_zero() && expiry.is_some_and(|expiry| expiry <= now), "{fill:?}");
                return self.met("settlement");
            }
            Some(Forced::Liquidation) => {
                assert!(id == LIQUIDATION && held.is_zero() && index != SPOT, "{fill:?}");
                self.liquidated = Some(fill.account);
                self.met("liquidation");
            }
            Some(Forced::Opening) => {
                assert!(id == OPENING && fill.fee.is_zero());
                return self.met("opening");
            }
            None => {
                assert!(expiry.is_none_or(|expiry| expiry >= now), "{fill:?} after {expiry:?}");
                if index == SPOT {
                    let given = if fill.side == Side::Buy { "USDT" } else { "COIN" };
                    assert!(venue.balance(currency(given)).unwrap().cash >= Cash::ZERO, "{fill:?} overdrew {given}");
                    self.met("spot fill");
                } else if held.abs() > before.abs() || held.signum() * before.signum() < 0 {
                    let settled = venue.settlement(index);
                    let needed = self.initial_margin(venue, settled.currency);
                    assert!(settled.equity() >= needed, "{fill:?} under margin: {} of {needed}", settled.equity());
                    self.met("opening fill");
                }
            }
        }
        if fill.account.0 == 1 {
            self.check_fee(now, fill);
        }
    }

    fn initial_margin(&self, account: &Account, of: Currency) -> Cash {
        let table = risk::TierTable::generic();
        let margin = |(index, instrument): (usize, &Instrument)| {
            let counts = instrument.settle == of && index != SPOT && !self.held[index].is_zero();
            let size = risk::Size::at(instrument.kind.contract(), account.mark(index), self.held[index]);
            if counts { table.initial_margin(size) } else { Cash::ZERO }
        };
        self.catalogue.instruments.iter().enumerate().map(margin).sum()
    }

    /// The second account's fees, by the value that it traded on the 30 days before this one.
    fn check_fee(&mut self, now: Timestamp, fill: &Fill) {
        let day = (now.nanos() - 1).div_euclid(Duration::DAY.nanos());
        let within = self.traded.iter().filter(|(of, _)| (day - 30..day).contains(of));
        let traded: Cash = within.map(|(_, value)| *value).sum();
        let schedule = tiers();
        let tier = schedule.tiers.iter().rev().find(|tier| tier.from <= traded).unwrap();
        let rate = match fill.liquidity {
            Liquidity::Maker => tier.maker,
            _ if fill.forced.is_some() => tier.taker + "0.005".parse().unwrap(),
            _ => tier.taker,
        };
        let round = if rate.raw() < 0 { Round::TowardZero } else { Round::AwayFromZero };
        assert_eq!(fill.fee, (fill.price * fill.qty).at_rate(rate, round).unwrap(), "{traded} traded before");
        self.traded.push((day, (fill.price * fill.qty).cash()));
        self.met(
            ["lowest tier", "middle tier", "highest tier"][schedule.tiers.iter().position(|of| of == tier).unwrap()],
        );
    }

    /// What the balance of a currency is worth, positions that settle in it at their marks.
    fn equity(&self, account: AccountId, of: Currency) -> i128 {
        let value = |(index, instrument): (usize, &Instrument)| {
            let (held, mark) = (self.held[index], self.marks[index]);
            if account_of(index) != account || instrument.settle != of || index == SPOT || held.is_zero() {
                return 0;
            }
            match instrument.kind.contract() {
                Contract::Linear => (mark * held).raw(),
                Contract::Inverse => -coins(held, mark),
            }
        };
        let paid = self.paid.get(&(account.0, of)).copied().unwrap_or(0);
        paid + self.catalogue.instruments.iter().enumerate().map(value).sum::<i128>()
    }

    fn command(&mut self, random: &mut Random, last: &[Price; COUNT]) -> Command {
        if random.chance(15)
            && let Some(order) = self.orders.keys().rev().nth(random.below(8) as usize)
        {
            return Command::Cancel { order: *order };
        }
        let index = random.below(COUNT as i64) as usize;
        let price = random.near(last[index], 40);
        let kind = match random.below(4) {
            0 => OrderKind::Market,
            1 | 2 => OrderKind::Limit { price },
            _ => OrderKind::Stop { trigger: price },
        };
        self.next += 1;
        let account = if random.chance(3) { AccountId(1 - account_of(index).0) } else { account_of(index) };
        // An inverse contract counts dollars, so that a hundred times more of it is about as much.
        let inverse = self.catalogue.instruments[index].kind.contract() == Contract::Inverse;
        let scale = if inverse { 100 } else { 1 };
        let order = NewOrder {
            id: OrderId(self.next),
            account,
            instrument: InstrumentId(index as u32),
            side: if random.chance(50) { Side::Buy } else { Side::Sell },
            qty: Qty::from_raw((random.below(20) + 1) * 10_000_000 * scale),
            kind,
            reduce_only: random.chance(25),
            exit: random.chance(25),
        };
        self.orders.insert(order.id, order);
        Command::Place(order)
    }
}

/// One seeded run; returns what was delivered.
fn run(seed: u64, met: &mut BTreeMap<&'static str, u32>) -> Vec<String> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9) + 1);
    let catalogue = catalogue(&mut random);
    let terms = terms(&mut random, &catalogue);
    let advances = random.chance(50);
    let expiries: Vec<_> = catalogue.instruments.iter().map(|instrument| instrument.kind.expiry()).collect();
    let mut client = Client::new(&catalogue, &terms);
    let mut market = Market { last: ["100".parse().unwrap(); COUNT], marks: random.chance(30) };
    let (flows, openings) = (terms.flows.clone(), terms.positions.len());
    let deposits: usize = terms.accounts.iter().map(|account| account.deposits.len()).sum();
    let mut exchange = Exchange::new(terms, &catalogue);
    let mut log = Vec::new();
    for step in 1..=STEPS {
        client.closes = [None; COUNT];
        while let Some(due) = exchange.next_due().filter(|due| advances && *due < at(step)) {
            exchange.advance(due, &[]);
            drain(&mut exchange, &mut client, &mut random, &market.last, &mut log);
            assert!(exchange.next_due().is_none_or(|next| next > due), "all that was due at {due} is done");
            check_books(&client, &exchange, seed, step);
        }
        let events = market.events(&mut random, step, &expiries);
        for event in &events {
            if let Event::Bar(bar) = event {
                client.closes[bar.instrument.index()] = Some(bar.close);
            }
        }
        exchange.advance(at(step), &events);
        drain(&mut exchange, &mut client, &mut random, &market.last, &mut log);
        check_books(&client, &exchange, seed, step);
    }
    assert_eq!(client.met.get("opening").copied().unwrap_or(0) as usize, openings);
    // Every flow took place or was refused; transfers and conversions are told in two halves.
    let halves =
        |kind: &FlowKind| 1 + usize::from(matches!(kind, FlowKind::Transfer { .. } | FlowKind::Conversion { .. }));
    let due = flows.iter().filter(|flow| flow.at <= at(STEPS)).map(|flow| halves(&flow.kind)).sum::<usize>();
    let refused = exchange.refused_flows().iter().map(|refused| halves(&refused.flow.kind)).sum::<usize>();
    assert_eq!(client.flows - deposits + refused, due);
    *client.met.entry("refused flow").or_default() += exchange.refused_flows().len() as u32;
    client.met.into_iter().for_each(|(case, count)| *met.entry(case).or_default() += count);
    log
}

fn drain(
    exchange: &mut Exchange,
    client: &mut Client,
    random: &mut Random,
    last: &[Price; COUNT],
    log: &mut Vec<String>,
) {
    loop {
        let Some(input) = exchange.poll() else { return };
        let (at, source, events) = (input.at, input.source, input.events.to_vec());
        client.see(&Input { at, source, events: &events }, exchange);
        log.push(render(&events));
        for _ in 0..random.below(if source == Source::Market { 6 } else { 2 }) {
            exchange.command(client.command(random, last));
        }
    }
}

fn check_books(client: &Client, exchange: &Exchange, seed: u64, step: i64) {
    for (number, account) in exchange.accounts().enumerate() {
        let id = AccountId(number as u32);
        for balance in account.balances() {
            let expected = client.equity(id, balance.currency);
            let place = format!("{} of account {number}, seed {seed}, step {step}", balance.currency);
            assert_eq!(balance.equity().raw(), expected, "{place}");
        }
        for (index, held) in client.held.iter().enumerate().filter(|(index, _)| account_of(*index) == id) {
            assert_eq!(account.position(index).qty, *held, "instrument {index}, seed {seed}, step {step}");
        }
    }
    for (index, instrument) in client.catalogue.instruments.iter().enumerate() {
        if instrument.kind.expiry().is_some_and(|expiry| expiry <= at(step) && exchange.next_due() > Some(expiry)) {
            assert!(client.held[index].is_zero(), "seed {seed}, step {step}");
            assert!(exchange.open_orders().all(|open| open.order.instrument.index() != index));
        }
    }
}

#[test]
fn every_currency_adds_up_whatever_happens() {
    let mut met = BTreeMap::new();
    for seed in 0..150 {
        run(seed, &mut met);
    }
    for case in [
        "another's instrument",
        "cancelled by expiry",
        "cancelled by liquidation",
        "continuous funding",
        "conversion",
        "deposit",
        "funds",
        "highest tier",
        "interval funding",
        "liquidation",
        "lowest tier",
        "margin",
        "middle tier",
        "opening",
        "opening fill",
        "refused flow",
        "rejected after expiry",
        "settlement",
        "spot fill",
        "transfer",
        "withdrawal",
    ] {
        assert!(met.get(case).is_some_and(|count| *count >= 50), "{case} too rare in {met:?}");
    }
}

#[test]
fn identical_runs_deliver_the_same() {
    for seed in 0..5 {
        assert_eq!(run(seed, &mut BTreeMap::new()), run(seed, &mut BTreeMap::new()));
    }
}

/// A trillion of each currency stays exact to the last unit through the venue.
#[test]
fn a_trillion_is_exact() {
    let catalogue = catalogue(&mut Random(1));
    let mut terms = ExchangeConfig::new("1000000000000".parse().unwrap(), &catalogue);
    terms.flows = vec![Flow {
        at: at(2),
        account: AccountId(0),
        kind: FlowKind::Conversion {
            amount: "999999999999.9999999999999999".parse().unwrap(),
            from: currency("USDT"),
            to: currency("COIN"),
        },
    }];
    let mut exchange = Exchange::new(terms, &catalogue);
    let price = "0.1".parse().unwrap();
    exchange.advance(at(1), &[Event::Trade(Trade { instrument: InstrumentId(1), price, qty: Qty::ZERO })]);
    while exchange.poll().is_some() {}
    exchange.advance(at(2), &[]);
    while exchange.poll().is_some() {}
    let account = exchange.account(AccountId(0));
    let cash = |code| account.balance(currency(code)).unwrap().cash.to_string();
    assert_eq!([cash("USDT"), cash("COIN")], ["0.0000000000000001", "9999999999999.999999999999999"]);
    assert_eq!(Notional::ONE, 10_i128.pow(16));
}
