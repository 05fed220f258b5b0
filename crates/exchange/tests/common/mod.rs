//! A small text language for what happens at the venue.
//!
//! One row an event, with the deliveries it should cause behind arrows (the market input itself, always last, is left
//! out); `!` before a command sends it in answer to that delivery. A row that begins with either goes on the one before.
//!
//! ```text
//! config deposit 1000 taker 0.0005
//! place 1 buy 1 market
//! bar 100 110 90 105  → ack 1 → fill 1 buy 1 @ 100 ! place 2 sell 1 stop 95 reduce → ack 2 → triggered 2, fill 2 sell 1 @ 95
//! is net 0 orders -
//! ```
//!
//! `x KIND` and `y KIND` make an instrument a `spot`, an `inverse`, or a future that expires (`future@5`: at minute 5).
//! `bar … over 60` is one of an hour, and `closed 5` one that was told later than it closed. `deposit2` gives instrument Y to a second
//! account. `due` advances to what falls due next, without events; `first` tells what was delivered before everything else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a row that cannot be read fails the test")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

pub mod random;

use exchange::*;
use market::*;
use units::{AccountId, Cash, Duration, InstrumentId, OrderId, Price, Qty, Rate, Side, Timestamp};

/// Two instruments, X and Y: tick 0.1, lot 0.001, at least 0.01; margin by the generic table (20x, 2.5 %).
pub fn catalogue() -> Catalogue {
    catalogue_of([InstrumentKind::LinearPerpetual; 2], ["sim"; 2])
}

/// The same of any kinds, at any venues; inverse contracts settle in COIN.
pub fn catalogue_of(kinds: [InstrumentKind; 2], venues: [&str; 2]) -> Catalogue {
    let instrument = |(index, name)| {
        let kind: InstrumentKind = kinds[index];
        let settle = if kind.contract() == units::Contract::Inverse { "COIN" } else { "USDT" };
        Instrument {
            symbol: format!("{}:{name}-PERP", venues[index]),
            kind,
            base: currency("COIN"),
            quote: currency("USDT"),
            settle: currency(settle),
            tick: "0.1".parse().unwrap(),
            lot: "0.001".parse().unwrap(),
            min_qty: "0.01".parse().unwrap(),
        }
    };
    Catalogue { instruments: [(0, "X"), (1, "Y")].map(instrument).to_vec(), series: vec![] }
}

pub fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

pub fn config(deposit: &str) -> ExchangeConfig {
    ExchangeConfig::new(deposit.parse().unwrap(), &catalogue())
}

/// Runs a script and compares every delivery.
pub fn check(script: &str) {
    let settings = Settings {
        kinds: [InstrumentKind::LinearPerpetual; 2],
        deposit: "1000000".parse().unwrap(),
        second: None,
        more: Vec::new(),
        fees: None,
        rest: config("0"),
    };
    let mut run = Run { exchange: None, first: String::new(), settings, minute: 0 };
    for row in rows(script) {
        run.row(&row);
    }
}

/// Rows without comments, continued rows joined.
fn rows(script: &str) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for line in script.lines() {
        let line = line.split('#').next().unwrap().trim();
        match rows.last_mut() {
            Some(last) if line.starts_with(['→', '!']) => *last = format!("{last} {line}"),
            _ if line.is_empty() => {}
            _ => rows.push(line.to_owned()),
        }
    }
    rows
}

/// What `config` and `flow` rows set.
struct Settings {
    kinds: [InstrumentKind; 2],
    deposit: Cash,
    /// The deposit of a second account, which trades Y.
    second: Option<Cash>,
    /// Further deposits of the first account.
    more: Vec<(Cash, Currency)>,
    fees: Option<FeeSchedule>,
    rest: ExchangeConfig,
}

impl Settings {
    fn open(&self) -> Exchange {
        let catalogue = catalogue_of(self.kinds, ["sim", if self.second.is_some() { "other" } else { "sim" }]);
        let mut config = self.rest.clone();
        config.accounts = ExchangeConfig::new(self.deposit, &catalogue).accounts;
        config.accounts[0].deposits.extend(&self.more);
        config.accounts[0].fees.clone_from(&self.fees);
        if let Some(second) = self.second {
            let numeraire = catalogue.instruments[0].settle;
            config.accounts[0].spec = Some(AccountSpec { venue: "sim".into(), numeraire });
            let numeraire = currency("USDT");
            let spec = Some(AccountSpec { venue: "other".into(), numeraire });
            config.accounts.push(AccountTerms { spec, deposits: vec![(second, numeraire)], fees: None });
        }
        config.check(&catalogue).unwrap();
        Exchange::new(config, &catalogue)
    }
}

struct Run {
    exchange: Option<Exchange>,
    /// The delivery before everything else.
    first: String,
    settings: Settings,
    minute: i64,
}

impl Run {
    fn exchange(&mut self) -> &mut Exchange {
        let (settings, first) = (&self.settings, &mut self.first);
        self.exchange.get_or_insert_with(|| {
            let mut exchange = settings.open();
            exchange.advance(Timestamp::from_nanos(0), &[]);
            let events = exchange.poll().unwrap().events;
            assert!(matches!(events, [Event::Cash(_), ..]), "the deposit comes first");
            *first = render(events);
            assert!(exchange.poll().is_none());
            exchange
        })
    }

    fn row(&mut self, row: &str) {
        match row.split_whitespace().next().unwrap() {
            "config" => self.configure(row),
            "flow" => self.settings.rest.flows.push(flow(row)),
            "first" => {
                self.exchange();
                assert_eq!(self.first, row.trim_start_matches("first").trim());
            }
            "place" | "amend" | "cancel" => {
                let command = self.command(row);
                self.exchange().command(command);
            }
            "is" => self.state(row),
            _ => self.input(row),
        }
    }

    fn configure(&mut self, row: &str) {
        assert!(self.exchange.is_none(), "`{row}` comes too late");
        let settings = &mut self.settings;
        for pair in row.split_whitespace().skip(1).collect::<Vec<_>>().chunks(2) {
            let [key, value] = pair else { panic!("`{row}` is no list of pairs") };
            let rate = || value.parse::<Rate>().unwrap();
            match *key {
                "deposit" => settings.deposit = value.parse().unwrap(),
                "deposit2" => settings.second = Some(value.parse().unwrap()),
                "coin" => settings.more.push((value.parse().unwrap(), currency("COIN"))),
                "usdt" => settings.more.push((value.parse().unwrap(), currency("USDT"))),
                "kind" => settings.kinds = [instrument_kind(value); 2],
                "x" => settings.kinds[0] = instrument_kind(value),
                "y" => settings.kinds[1] = instrument_kind(value),
                "taker" => settings.rest.taker = rate(),
                "maker" => settings.rest.maker = rate(),
                "spread" => settings.rest.half_spread = rate(),
                "slippage" => settings.rest.slippage = rate(),
                "impact" => settings.rest.impact = rate(),
                "liqfee" => settings.rest.liquidation_fee = rate(),
                "settlefee" => settings.rest.settlement_fee = rate(),
                "settle" => settings.rest.settlements = vec![(InstrumentId(0), value.parse().unwrap())],
                "continuous" => settings.rest.continuous_funding = vec![true, value == &"both"],
                "tiers" => settings.fees = Some(fee_tiers(value)),
                "open" => settings.rest.positions.push(opening(value, settings.second.is_some())),
                "latency" => {
                    settings.rest.latency = Duration::from_nanos(value.parse::<i64>().unwrap() * 1_000_000_000);
                }
                "path" => settings.rest.path = path(value),
                other => panic!("`{other}` is no setting"),
            }
        }
    }

    /// A command; an order of the account that trades its instrument, unless the word `as1` or `as2` says whose it is.
    fn command(&self, text: &str) -> Command {
        let mut command = command(text);
        if let Command::Place(order) = &mut command {
            let whose = |word: &str| text.split_whitespace().any(|other| other == word);
            let second = (self.settings.second.is_some() && order.instrument.0 == 1 && !whose("as1")) || whose("as2");
            order.account = AccountId(u32::from(second));
        }
        command
    }

    /// Feeds a market input, or advances to what falls due, and compares what comes of it.
    fn input(&mut self, row: &str) {
        let mut steps = row.split('→').map(str::trim);
        let what = steps.next().unwrap();
        let events: Vec<Event> = if what == "due" {
            let due = self.exchange().next_due().unwrap();
            self.exchange().advance(due, &[]);
            Vec::new()
        } else {
            // `at 7: …` skips minutes.
            let (minute, what) = match what.strip_prefix("at ").and_then(|rest| rest.split_once(':')) {
                Some((minute, what)) => (minute.parse().unwrap(), what),
                None => (self.minute + 1, what),
            };
            self.minute = minute;
            let events: Vec<Event> = what.split('+').map(|text| event(text, minute)).collect();
            self.exchange().advance(at(minute), &events);
            events
        };
        for step in steps {
            let mut parts = step.split('!').map(str::trim);
            let told = self.exchange().poll().map(|input| (input.source, render(input.events)));
            assert_eq!(told, Some((Source::Venue, parts.next().unwrap().to_owned())), "in `{row}`");
            for text in parts {
                let command = self.command(text);
                self.exchange().command(command);
            }
        }
        let minute = self.minute;
        let exchange = self.exchange();
        if !events.is_empty() {
            let last = exchange.poll().map(|input| (input.at, input.source, render(input.events)));
            assert_eq!(last, Some((at(minute), Source::Market, render(&events))), "at the end of `{row}`");
        }
        let more = exchange.poll().map(|input| render(input.events));
        assert_eq!(more, None, "after `{row}`");
    }

    fn state(&mut self, row: &str) {
        let exchange = self.exchange();
        let account = exchange.account(AccountId(0));
        for pair in row.split_whitespace().skip(1).collect::<Vec<_>>().chunks(2) {
            let ids: Vec<_> = exchange.open_orders().map(|order| order.order.id.0.to_string()).collect();
            let bar = |bar| if exchange.paths().low_first(0, bar).unwrap() { 'L' } else { 'H' };
            let found = match pair[0] {
                "equity" => account.equity().to_string(),
                "fees" => account.settlement(0).fees.to_string(),
                "net" => account.position(0).qty.to_string(),
                "net2" => exchange.accounts().map(|account| account.position(1).qty).sum::<Qty>().to_string(),
                "equity2" => exchange.account(AccountId(1)).equity().to_string(),
                "USDT" | "COIN" => account.balance(currency(pair[0])).unwrap().cash.to_string(),
                "USDT2" => exchange.account(AccountId(1)).balance(currency("USDT")).unwrap().cash.to_string(),
                "COIN2" => exchange.account(AccountId(1)).balance(currency("COIN")).unwrap().cash.to_string(),
                "refused" => exchange.refused_flows().len().to_string(),
                "due" => exchange.next_due().map_or("-".to_owned(), minute_of),
                "expiry" => exchange.next_expiry().map_or("-".to_owned(), minute_of),
                "impact" => exchange.impact_paid().map(|(.., paid)| paid).sum::<Cash>().to_string(),
                "orders" if ids.is_empty() => "-".to_owned(),
                "orders" => ids.join(","),
                "bars" => exchange.bars().to_string(),
                "ambiguous" => exchange.ambiguous_bars().to_string(),
                "path" => (0..exchange.paths().bars(0)).map(bar).collect(),
                other => panic!("`{other}` is no fact"),
            };
            assert_eq!(found, pair[1], "{} in `{row}`", pair[0]);
        }
    }
}

fn instrument_kind(name: &str) -> InstrumentKind {
    if let Some((kind, minute)) = name.split_once('@') {
        let expiry = moment(minute);
        return match kind {
            "future" => InstrumentKind::LinearFuture { expiry },
            "inversefuture" => InstrumentKind::InverseFuture { expiry },
            other => panic!("`{other}` does not expire"),
        };
    }
    match name {
        "linear" => InstrumentKind::LinearPerpetual,
        "inverse" => InstrumentKind::InversePerpetual,
        "spot" => InstrumentKind::Spot,
        other => panic!("`{other}` is no kind"),
    }
}

/// `0:0.001,1000:0.0005`: from which traded value on which fee, the same for both sides.
fn fee_tiers(text: &str) -> FeeSchedule {
    let tier = |text: &str| {
        let (from, fee) = text.split_once(':').unwrap();
        let fee = fee.parse().unwrap();
        FeeTier { from: from.parse().unwrap(), taker: fee, maker: fee }
    };
    FeeSchedule { tiers: text.split(',').map(tier).collect(), currency: Currency::USD }
}

/// `X:-2@100`: instrument, signed quantity and price.
fn opening(text: &str, two: bool) -> OpeningPosition {
    let (name, rest) = text.split_once(':').unwrap();
    let (qty, price) = rest.split_once('@').unwrap();
    let instrument = u32::from(name == "Y");
    OpeningPosition {
        account: AccountId(if two { instrument } else { 0 }),
        instrument: InstrumentId(instrument),
        qty: qty.parse().unwrap(),
        price: price.parse().unwrap(),
    }
}

/// `flow MINUTE deposit|withdraw|transfer AMOUNT CODE` or `flow MINUTE convert AMOUNT CODE CODE`, of the first account.
fn flow(row: &str) -> Flow {
    let words: Vec<_> = row.split_whitespace().skip(1).collect();
    let (amount, code) = (words[2].parse().unwrap(), currency(words[3]));
    let kind = match words[1] {
        "deposit" => FlowKind::Deposit { amount, currency: code },
        "withdraw" => FlowKind::Withdrawal { amount, currency: code },
        "transfer" => FlowKind::Transfer { to: AccountId(1), amount, currency: code },
        "convert" => FlowKind::Conversion { amount, from: code, to: currency(words[4]) },
        other => panic!("`{other}` is no flow"),
    };
    Flow { at: moment(words[0]), account: AccountId(0), kind }
}

/// Minutes, with a fraction.
fn moment(minutes: &str) -> Timestamp {
    let thousandths: i64 = (minutes.parse::<f64>().unwrap() * 1_000.0) as i64;
    Timestamp::from_nanos(thousandths * Duration::MINUTE.nanos() / 1_000)
}

fn minute_of(at: Timestamp) -> String {
    (at.nanos() as f64 / Duration::MINUTE.nanos() as f64).to_string()
}

fn path(name: &str) -> PathRule {
    match name {
        "adverse" => PathRule::AdverseFirst,
        "favourable" => PathRule::FavourableFirst,
        other => panic!("`{other}` is no path"),
    }
}

pub fn at(minute: i64) -> Timestamp {
    Timestamp::from_nanos(minute * Duration::MINUTE.nanos())
}

fn event(text: &str, minute: i64) -> Event {
    let (instrument, words) = instrument(text);
    let price = |index: usize| words[index].parse::<Price>().unwrap();
    let setting =
        |name: &str| words.iter().position(|word| *word == name).map(|at| words[at + 1].parse::<i64>().unwrap());
    let closed = setting("closed").unwrap_or(minute);
    match words[0] {
        "bar" => Event::Bar(Bar {
            instrument,
            opened: at(closed - setting("over").unwrap_or(1)),
            closed: at(closed),
            open: price(1),
            high: price(2),
            low: price(3),
            close: price(4),
            volume: Qty::ZERO,
        }),
        "trade" => Event::Trade(Trade { instrument, price: price(1), qty: Qty::ZERO }),
        "mark" => Event::Mark(Mark { instrument, price: price(1) }),
        "funding" => {
            let minutes = words.get(2).map_or(480, |minutes| minutes.parse().unwrap());
            let interval = Duration::from_nanos(minutes * Duration::MINUTE.nanos());
            Event::Funding(FundingRate { instrument, rate: words[1].parse().unwrap(), interval })
        }
        other => panic!("`{other}` is no event"),
    }
}

/// The instrument named by a word `Y` (else X), and the other words.
fn instrument(text: &str) -> (InstrumentId, Vec<&str>) {
    let all = text.split_whitespace();
    (InstrumentId(u32::from(all.clone().any(|word| word == "Y"))), all.filter(|word| *word != "Y").collect())
}

fn command(text: &str) -> Command {
    let (instrument, words) = instrument(text);
    let order = OrderId(words[1].parse().unwrap());
    match words[0] {
        "place" => Command::Place(NewOrder {
            id: order,
            account: AccountId(0),
            instrument,
            side: if words[2] == "buy" { Side::Buy } else { Side::Sell },
            qty: words[3].parse().unwrap(),
            kind: kind(&words[4..]),
            reduce_only: words.contains(&"reduce"),
            exit: words.contains(&"reduce") || words.contains(&"exit"),
        }),
        "amend" => Command::Amend { order, qty: words[2].parse().unwrap(), kind: kind(&words[3..]) },
        "cancel" => Command::Cancel { order },
        other => panic!("`{other}` is no command"),
    }
}

fn kind(words: &[&str]) -> OrderKind {
    let price = |index: usize| words[index].parse().unwrap();
    match words[0] {
        "market" => OrderKind::Market,
        "limit" => OrderKind::Limit { price: price(1) },
        "stop" => OrderKind::Stop { trigger: price(1) },
        "stoplimit" => OrderKind::StopLimit { trigger: price(1), price: price(2) },
        other => panic!("`{other}` is no kind of order"),
    }
}

/// A delivery as text.
pub fn render(events: &[Event]) -> String {
    events.iter().map(render_event).collect::<Vec<_>>().join(", ")
}

fn render_event(event: &Event) -> String {
    match event {
        Event::Order(news) => render_update(news.order.0, &news.update),
        Event::Cash(CashChange { amount, reason: CashReason::Funding { .. }, .. }) => format!("funding {amount}"),
        Event::Cash(CashChange { amount, currency, reason, .. }) => {
            let reason = match reason {
                CashReason::Deposit => "deposit",
                CashReason::Withdrawal => "withdrawal",
                CashReason::Transfer { .. } => "transfer",
                CashReason::Conversion { .. } => "conversion",
                CashReason::Funding { .. } => "funding",
            };
            format!("{reason} {amount} {currency}")
        }
        other => format!("{other:?}"),
    }
}

fn render_update(id: u64, update: &OrderUpdate) -> String {
    match update {
        OrderUpdate::Accepted => format!("ack {id}"),
        OrderUpdate::Triggered => format!("triggered {id}"),
        OrderUpdate::Amended { qty, .. } => format!("amended {id} {qty}"),
        OrderUpdate::Filled(fill) => render_fill(id, fill),
        OrderUpdate::Cancelled(reason) => {
            let reason = match reason {
                CancelReason::Requested => "requested",
                CancelReason::NothingToReduce => "nothing",
                CancelReason::Liquidated => "liquidated",
                CancelReason::Margin => "margin",
                CancelReason::Expired => "expired",
                CancelReason::Funds => "funds",
            };
            format!("cancelled {id} {reason}")
        }
        OrderUpdate::Rejected(reason) => format!("rejected {id} {reason:?}").to_lowercase(),
    }
}

fn render_fill(id: u64, fill: &Fill) -> String {
    let mut text = format!("fill {id} {} {} @ {}", fill.side, fill.qty, fill.price);
    if fill.reference != fill.price {
        text += &format!(" ref {}", fill.reference);
    }
    if fill.fee != Cash::ZERO {
        text += &format!(" fee {}", fill.fee);
    }
    if fill.liquidity == Liquidity::Maker {
        text += " maker";
    }
    if let Some(forced) = fill.forced {
        text += match forced {
            Forced::Liquidation => " liquidation",
            Forced::Settlement => " settlement",
            Forced::Opening => " opening",
        };
    }
    text
}
