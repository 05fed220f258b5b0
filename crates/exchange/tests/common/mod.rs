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

#![allow(clippy::unwrap_used, clippy::panic, reason = "a row that cannot be read fails the test")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

use exchange::{Exchange, ExchangeConfig, PathRule};
use market::*;
use units::{AccountId, Cash, Duration, InstrumentId, OrderId, Price, Qty, Rate, Side, Timestamp};

/// Two instruments, X and Y: tick 0.1, lot 0.001, at least 0.01; margin by the generic table (20x, 2.5 %).
pub fn catalogue() -> Catalogue {
    catalogue_of(InstrumentKind::LinearPerpetual)
}

fn catalogue_of(kind: InstrumentKind) -> Catalogue {
    let instrument = |symbol: &str| Instrument {
        symbol: symbol.into(),
        kind,
        base: "COIN".parse().unwrap(),
        quote: "USDT".parse().unwrap(),
        settle: "USDT".parse().unwrap(),
        tick: "0.1".parse().unwrap(),
        lot: "0.001".parse().unwrap(),
        min_qty: "0.01".parse().unwrap(),
    };
    Catalogue { instruments: vec![instrument("sim:X-PERP"), instrument("sim:Y-PERP")], series: vec![] }
}

pub fn config(deposit: &str) -> ExchangeConfig {
    ExchangeConfig::new(deposit.parse().unwrap(), &catalogue())
}

/// Runs a script and compares every delivery.
pub fn check(script: &str) {
    let kind = InstrumentKind::LinearPerpetual;
    let mut run = Run { exchange: None, config: config("1000000"), kind, minute: 0 };
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

struct Run {
    exchange: Option<Exchange>,
    config: ExchangeConfig,
    kind: InstrumentKind,
    minute: i64,
}

impl Run {
    fn exchange(&mut self) -> &mut Exchange {
        let (config, kind) = (self.config.clone(), self.kind);
        self.exchange.get_or_insert_with(|| {
            let mut exchange = Exchange::new(config, &catalogue_of(kind));
            exchange.advance(Timestamp::from_nanos(0), &[]);
            assert!(matches!(exchange.poll().unwrap().events, [Event::Cash(_)]), "the deposit comes first");
            assert!(exchange.poll().is_none());
            exchange
        })
    }

    fn row(&mut self, row: &str) {
        match row.split_whitespace().next().unwrap() {
            "config" => self.configure(row),
            "place" | "amend" | "cancel" => self.exchange().command(command(row)),
            "is" => self.state(row),
            _ => self.input(row),
        }
    }

    fn configure(&mut self, row: &str) {
        assert!(self.exchange.is_none(), "`{row}` comes too late");
        for pair in row.split_whitespace().skip(1).collect::<Vec<_>>().chunks(2) {
            let [key, value] = pair else { panic!("`{row}` is no list of pairs") };
            let rate = || value.parse::<Rate>().unwrap();
            match *key {
                "deposit" => self.config.deposit = value.parse().unwrap(),
                "kind" => self.kind = instrument_kind(value),
                "taker" => self.config.taker = rate(),
                "maker" => self.config.maker = rate(),
                "spread" => self.config.half_spread = rate(),
                "slippage" => self.config.slippage = rate(),
                "liqfee" => self.config.liquidation_fee = rate(),
                "latency" => {
                    self.config.latency = Duration::from_nanos(value.parse::<i64>().unwrap() * 1_000_000_000);
                }
                "path" => self.config.path = path(value),
                other => panic!("`{other}` is no setting"),
            }
        }
    }

    /// Feeds a market input and compares what comes of it.
    fn input(&mut self, row: &str) {
        self.minute += 1;
        let minute = self.minute;
        let mut steps = row.split('→').map(str::trim);
        let events: Vec<Event> = steps.next().unwrap().split('+').map(|text| event(text, minute)).collect();
        let exchange = self.exchange();
        exchange.advance(at(minute), &events);
        for step in steps {
            let mut parts = step.split('!').map(str::trim);
            let told = exchange.poll().map(|input| (input.source, render(input.events)));
            assert_eq!(told, Some((Source::Venue, parts.next().unwrap().to_owned())), "in `{row}`");
            parts.for_each(|text| exchange.command(command(text)));
        }
        let last = exchange.poll().map(|input| (input.at, input.source, render(input.events)));
        assert_eq!(last, Some((at(minute), Source::Market, render(&events))), "at the end of `{row}`");
        assert!(exchange.poll().is_none(), "after `{row}`");
    }

    fn state(&mut self, row: &str) {
        let exchange = self.exchange();
        let account = exchange.account();
        for pair in row.split_whitespace().skip(1).collect::<Vec<_>>().chunks(2) {
            let ids: Vec<_> = exchange.open_orders().map(|order| order.order.id.0.to_string()).collect();
            let bar = |bar| if exchange.paths().low_first(0, bar).unwrap() { 'L' } else { 'H' };
            let found = match pair[0] {
                "equity" => account.equity().to_string(),
                "fees" => account.settlement(0).fees.to_string(),
                "net" => account.position(0).qty.to_string(),
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
    match name {
        "inverse" => InstrumentKind::InversePerpetual,
        "spot" => InstrumentKind::Spot,
        other => panic!("`{other}` is no kind"),
    }
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
    match words[0] {
        "bar" => Event::Bar(Bar {
            instrument,
            opened: at(minute - 1),
            closed: at(minute),
            open: price(1),
            high: price(2),
            low: price(3),
            close: price(4),
            volume: Qty::ZERO,
        }),
        "trade" => Event::Trade(Trade { instrument, price: price(1), qty: Qty::ZERO }),
        "mark" => Event::Mark(Mark { instrument, price: price(1) }),
        "funding" => {
            let interval = Duration::from_nanos(8 * Duration::HOUR.nanos());
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
            reduce_only: words.last() == Some(&"reduce"),
            exit: words.last() == Some(&"reduce"),
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
        Event::Cash(change) => format!("cash {}", change.amount),
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
    if fill.forced.is_some() {
        text += " liquidation";
    }
    text
}
