//! Options at the venue: fills at quotes, fees, margin, settlement. Figures are worked by hand in the comments.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use exchange::*;
use market::*;
use units::*;

const MINUTE: i64 = 60_000_000_000;

fn minute(count: i64) -> Timestamp {
    Timestamp::from_nanos(count * MINUTE)
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

/// A perpetual on BTC; a call of strike 100,000 and a put of strike 90,000 that expire at minute 480, in coin; the same call in USDC; of
/// the put and of that call the other side.
fn catalogue() -> Catalogue {
    let (expiry, btc) = (minute(480), "BTC");
    let inverse =
        |strike: &str, right| InstrumentKind::InverseOption { expiry, strike: strike.parse().unwrap(), right };
    let instrument = |symbol: &str, kind, quote: &str| Instrument {
        symbol: symbol.into(),
        kind,
        base: "BTC".parse().unwrap(),
        quote: quote.parse().unwrap(),
        settle: if quote == "USD" { btc } else { quote }.parse().unwrap(),
        tick: "0.0001".parse().unwrap(),
        lot: "0.1".parse().unwrap(),
        min_qty: "0.1".parse().unwrap(),
    };
    let linear = |right| InstrumentKind::LinearOption { expiry, strike: "100000".parse().unwrap(), right };
    let instruments = vec![
        instrument("deribit:BTC-PERPETUAL", InstrumentKind::InversePerpetual, "USD"),
        instrument("deribit:BTC-C", inverse("100000", OptionRight::Call), btc),
        instrument("deribit:BTC-P", inverse("90000", OptionRight::Put), btc),
        instrument("deribit:BTC_USDC-C", linear(OptionRight::Call), "USDC"),
        instrument("deribit:BTC-90000-C", inverse("90000", OptionRight::Call), btc),
        instrument("deribit:BTC_USDC-P", linear(OptionRight::Put), "USDC"),
    ];
    Catalogue { instruments, series: vec![] }
}

const CALL: u32 = 1;
const PUT: u32 = 2;
const LINEAR: u32 = 3;
/// The call of the put's strike, and the put of the linear call's.
const TWIN: u32 = 4;
const LINEAR_PUT: u32 = 5;

struct Desk {
    exchange: Exchange,
    orders: u64,
}

impl Desk {
    fn new(deposit: &str) -> Self {
        Self::with(deposit, |_| ())
    }

    fn with(deposit: &str, change: impl FnOnce(&mut ExchangeConfig)) -> Self {
        let catalogue = catalogue();
        let mut config = ExchangeConfig::new(deposit.parse().unwrap(), &catalogue);
        config.accounts[0].deposits.push(("100000".parse().unwrap(), "USDC".parse().unwrap()));
        change(&mut config);
        config.check(&catalogue).unwrap();
        Self { exchange: Exchange::new(config, &catalogue), orders: 0 }
    }

    fn send(&mut self, instrument: u32, side: Side, amount: &str, kind: OrderKind) -> OrderId {
        self.orders += 1;
        let id = OrderId(self.orders << 8);
        let (account, instrument) = (AccountId(0), InstrumentId(instrument));
        let qty = qty(amount);
        let order = NewOrder { id, account, instrument, side, qty, kind, reduce_only: false, exit: false };
        self.exchange.command(Command::Place(order));
        id
    }

    fn market(&mut self, instrument: u32, side: Side, amount: &str) -> OrderId {
        self.send(instrument, side, amount, OrderKind::Market)
    }

    /// Advances and returns what was told of orders, acknowledgements left out.
    fn advance(&mut self, at: i64, events: &[Event]) -> Vec<String> {
        self.exchange.advance(minute(at), events);
        let mut told = Vec::new();
        while let Some(input) = self.exchange.poll() {
            for event in input.events {
                let Event::Order(news) = event else { continue };
                match news.update {
                    OrderUpdate::Filled(fill) => {
                        let Fill { qty, price, fee, .. } = fill;
                        let forced = fill.forced.map_or(String::new(), |forced| format!(" {forced:?}"));
                        let line =
                            format!("{:?} {qty} of {} at {price} fee {fee}{forced}", fill.side, fill.instrument.0);
                        told.push(line);
                    }
                    OrderUpdate::Accepted => {}
                    update => told.push(format!("{update:?}")),
                }
            }
        }
        told
    }

    /// At what an option was settled.
    fn settled(&self, option: u32) -> OptionSettlement {
        let is_it = |settled: &&OptionSettlement| settled.instrument == InstrumentId(option);
        *self.exchange.settled_options().iter().find(is_it).unwrap()
    }

    fn equity(&self, currency: &str) -> String {
        let balance = self.exchange.account(AccountId(0)).balance(currency.parse().unwrap()).copied();
        balance.unwrap().equity().to_string()
    }
}

fn quote(instrument: u32, bid: &str, ask: &str) -> OptionQuote {
    let told = |text: &str| (!text.is_empty()).then(|| price(text));
    OptionQuote::empty(InstrumentId(instrument)).with_bid(told(bid), None).with_ask(told(ask), None)
}

fn event(quote: OptionQuote) -> Event {
    Event::OptionQuote(quote)
}

fn bar(ends: i64, close: &str) -> Event {
    let (instrument, opened, closed, close) = (InstrumentId(0), minute(ends - 5), minute(ends), price(close));
    Event::Bar(Bar { instrument, opened, closed, open: close, high: close, low: close, close, volume: Qty::ZERO })
}

/// Bought at the ask and sold at the bid of a later quote, never of the one that was decided on; without a bid an order waits.
/// The fee is 3 basis points of a coin, for cheap options 12.5 % of the price: 0.0004 × 12.5 % = 0.00005 a contract.
#[test]
fn an_order_fills_at_the_next_quote() {
    let mut desk = Desk::new("10");
    desk.advance(1, &[event(quote(CALL, "0.010", "0.012"))]);
    desk.market(CALL, Side::Buy, "2");
    assert_eq!(desk.advance(2, &[event(quote(PUT, "0.01", "0.02"))]), [""; 0], "another option's quote");
    assert_eq!(desk.advance(3, &[event(quote(CALL, "0.011", "0.013"))]), ["Buy 2 of 1 at 0.013 fee 0.0006"]);
    // 10 − 0.0006 − 2 × (0.013 − 0.012)
    assert_eq!(desk.equity("BTC"), "9.9974");
    desk.market(CALL, Side::Sell, "2");
    assert_eq!(desk.advance(4, &[event(quote(CALL, "", "0.0008"))]), [""; 0], "nobody bids");
    assert_eq!(desk.equity("BTC"), "9.9742", "halfway between nothing and the ask: 10 − 0.0006 − 2 × (0.013 − 0.0004)");
    assert_eq!(desk.advance(5, &[event(quote(CALL, "0.0004", "0.0008"))]), ["Sell 2 of 1 at 0.0004 fee 0.0001"]);
    // 10 − 0.0006 − 0.0001 − 2 × (0.013 − 0.0004)
    assert_eq!(desk.equity("BTC"), "9.9741");
}

/// 100 bp of 0.013 are 0.00013, up to the next tick 0.0132: two bought are worse by 0.0004 than the quote, by 0.0024 than the middle.
#[test]
fn what_a_fill_is_worse_than_the_quote_is_told_apart_from_the_spread() {
    let mut desk = Desk::with("10", |config| config.slippage = "0.01".parse().unwrap());
    desk.advance(1, &[event(quote(CALL, "0.011", "0.013"))]);
    desk.market(CALL, Side::Buy, "2");
    desk.send(CALL, Side::Buy, "1", OrderKind::Limit { price: price("0.0119") });
    let filled = desk.advance(2, &[event(quote(CALL, "0.011", "0.013"))]);
    assert_eq!(filled, ["Buy 2 of 1 at 0.0132 fee 0.0006"]);
    assert_eq!(desk.advance(3, &[event(quote(CALL, "0.0105", "0.0115"))]), ["Buy 1 of 1 at 0.0119 fee 0.0003"]);
    let told: Vec<_> =
        desk.exchange.option_slippage().map(|(_, currency, told)| (currency.to_string(), told)).collect();
    assert_eq!(told, [("BTC".to_owned(), "0.0004".parse().unwrap())], "a limit has none");
}

#[test]
fn recorded_sizes_bound_what_fills() {
    let mut desk = Desk::new("10");
    let sized = |size: &str| event(quote(CALL, "0.010", "").with_ask(price("0.012"), qty(size)));
    desk.advance(1, &[sized("1")]);
    desk.market(CALL, Side::Buy, "1");
    desk.market(CALL, Side::Buy, "1");
    assert_eq!(
        desk.advance(2, &[sized("1.5")]),
        ["Buy 1 of 1 at 0.012 fee 0.0003", "Buy 0.5 of 1 at 0.012 fee 0.00015"],
        "two orders share one offer"
    );
    assert_eq!(desk.advance(3, &[sized("0")]), [""; 0]);
    assert_eq!(desk.advance(4, &[sized("9")]), ["Buy 0.5 of 1 at 0.012 fee 0.00015"]);
}

/// A limit rests until the ask comes to it, and then fills at its own price; one beyond the ask takes.
#[test]
fn limits_and_stops_of_options() {
    let mut desk = Desk::new("10");
    desk.advance(1, &[event(quote(CALL, "0.010", "0.012"))]);
    desk.send(CALL, Side::Buy, "1", OrderKind::Limit { price: price("0.011") });
    assert_eq!(desk.advance(2, &[event(quote(CALL, "0.010", "0.0115"))]), [""; 0]);
    assert_eq!(desk.advance(3, &[event(quote(CALL, "0.009", "0.0105"))]), ["Buy 1 of 1 at 0.011 fee 0.0003"]);
    desk.send(CALL, Side::Sell, "1", OrderKind::Stop { trigger: price("0.008") });
    assert_eq!(desk.advance(4, &[event(quote(CALL, "0.0085", "0.0105"))]), [""; 0]);
    assert_eq!(
        desk.advance(5, &[event(quote(CALL, "0.007", "0.009"))]),
        ["Triggered", "Sell 1 of 1 at 0.007 fee 0.0003"]
    );
}

/// Six five-minute bars end within the last half hour: their mean is 104,000, so the call pays 4,000 ÷ 104,000 of a coin, toward
/// zero at 1e-8; the bar before counts for nothing. Delivery costs 1.5 basis points.
#[test]
fn a_call_settles_at_the_mean_of_the_last_half_hour() {
    let mut desk = Desk::new("10");
    desk.advance(1, &[event(quote(CALL, "0.010", "0.012")), event(quote(PUT, "0.01", "0.011"))]);
    desk.market(CALL, Side::Buy, "1");
    desk.market(PUT, Side::Sell, "1");
    desk.advance(2, &[event(quote(CALL, "0.010", "0.012")), event(quote(PUT, "0.010", "0.011"))]);
    desk.advance(450, &[bar(450, "200000")]);
    for (at, close) in [(455, "101000"), (460, "103000"), (465, "104000"), (470, "105000"), (475, "106000")] {
        assert_eq!(desk.advance(at, &[bar(at, close)]), [""; 0]);
    }
    assert_eq!(
        desk.advance(480, &[bar(480, "105000")]),
        ["Sell 1 of 1 at 0.03846153 fee 0.00015 Settlement", "Buy 1 of 2 at 0 fee 0 Settlement"]
    );
    let source = SettlementSource::Average { prices: 6 };
    let settled = desk.exchange.settled_options();
    assert!(
        settled.iter().all(|settled| settled.source == source && settled.underlying == price("104000")),
        "{settled:?}"
    );
    // 10 − 0.0003 − 0.0003 − 0.012 + 0.01 + 0.03846153 − 0.00015
    assert_eq!(desk.equity("BTC"), "10.03571153");
    desk.market(CALL, Side::Buy, "1");
    assert_eq!(desk.advance(481, &[event(quote(CALL, "0.01", "0.02"))]), ["Rejected(Expired)"]);
}

/// An account that holds nothing of an option is told what it is settled at; where it holds something the fill tells it.
#[test]
fn what_is_not_held_is_settled_too() {
    let mut desk = Desk::new("10");
    desk.advance(1, &[event(quote(CALL, "0.010", "0.012"))]);
    desk.market(CALL, Side::Buy, "1");
    desk.advance(2, &[event(quote(CALL, "0.010", "0.012"))]);
    desk.exchange.advance(minute(480), &[bar(480, "104000")]);
    let mut told = Vec::new();
    while let Some(input) = desk.exchange.poll() {
        let of =
            |event: &Event| if let Event::Settlement(of) = event { Some((of.instrument.0, of.price)) } else { None };
        told.extend(input.events.iter().filter_map(of));
    }
    assert!(told.iter().all(|(option, _)| *option != CALL), "{told:?}");
    assert!(told.contains(&(LINEAR, price("4000"))) && told.contains(&(LINEAR_PUT, Price::ZERO)), "{told:?}");
}

/// Without prices in the window the last one counts, traded or marked, also where nothing arrives at the expiry itself; without any, the
/// forward of the last quote. A linear call pays in dollars; its fee is of the underlying.
#[test]
fn what_stands_in_for_the_settlement_average() {
    let mut desk = Desk::new("10");
    let linear = || event(quote(LINEAR, "1500", "1600").with_underlying(price("99000")));
    desk.advance(1, &[linear()]);
    desk.market(LINEAR, Side::Buy, "1");
    assert_eq!(desk.advance(2, &[linear()]), ["Buy 1 of 3 at 1600 fee 29.7"], "0.03 % of 99,000");
    let mut other = Desk { exchange: desk.exchange.clone(), orders: 9 };
    desk.advance(400, &[bar(400, "103000")]);
    assert_eq!(desk.advance(600, &[bar(600, "1")]), ["Sell 1 of 3 at 3000 fee 15.45 Settlement"], "0.015 % of 103,000");
    let source = |desk: &Desk| desk.settled(LINEAR).source;
    assert_eq!(source(&desk), SettlementSource::Last { age: Duration::from_nanos(80 * MINUTE) });
    // What is marked after the expiry is too late.
    let mark = |at: i64, told: &str| {
        let mark = Event::Mark(Mark { instrument: InstrumentId(0), price: price(told) });
        (at, mark)
    };
    let mut marked = Desk { exchange: other.exchange.clone(), orders: 9 };
    for (at, mark) in [mark(300, "1"), mark(420, "103000")] {
        marked.advance(at, &[mark]);
    }
    let (at, late) = mark(500, "1");
    assert_eq!(marked.advance(at, &[late]), ["Sell 1 of 3 at 3000 fee 15.45 Settlement"], "the newer of two marks");
    assert_eq!(source(&marked), SettlementSource::Last { age: Duration::HOUR });
    let quoted = event(quote(LINEAR, "2000", "2100").with_underlying(price("102000")));
    other.advance(300, &[quoted]);
    assert_eq!(other.exchange.next_due(), Some(minute(480)));
    assert_eq!(other.advance(480, &[]), ["Sell 1 of 3 at 2000 fee 15.3 Settlement"]);
    assert_eq!(source(&other), SettlementSource::Quote);
}

/// A mark of the perpetual at minute 100 and a forward an hour later settle at the mark; a forward of a minute after that hour is the later
/// price by so much that it stands in its place. Expiry is at minute 480.
#[test]
fn a_forward_over_an_hour_later_goes_before_the_last_price() {
    for (told, paid, source) in [
        (
            160,
            "Sell 1 of 3 at 3000 fee 15.45 Settlement",
            SettlementSource::Last { age: Duration::from_nanos(380 * MINUTE) },
        ),
        (161, "Sell 1 of 3 at 2000 fee 15.3 Settlement", SettlementSource::Quote),
    ] {
        let mut desk = Desk::new("10");
        let quoted = |forward: &str| event(quote(LINEAR, "1500", "1600").with_underlying(price(forward)));
        desk.advance(1, &[quoted("99000")]);
        desk.market(LINEAR, Side::Buy, "1");
        desk.advance(2, &[quoted("99000")]);
        desk.advance(100, &[Event::Mark(Mark { instrument: InstrumentId(0), price: price("103000") })]);
        desk.advance(told, &[quoted("102000")]);
        assert_eq!(desk.advance(480, &[]), [paid], "forward of minute {told}");
        assert_eq!(desk.settled(LINEAR).source, source);
    }
}

/// Half the forward with every quote: calls and puts say (c − p) = 0.1 = 1 − 90,000 ÷ F, F = 100,000. It settles there, as the engine
/// has it, and not at the 50,000 that were quoted last; in dollars the fee is of it too.
#[test]
fn a_forward_that_calls_and_puts_contradict_settles_nothing() {
    let mut desk = Desk::new("10");
    let told = |quote: OptionQuote| event(quote.with_underlying(price("50000")));
    let quotes = || {
        let (call, put) = (quote(TWIN, "0.119", "0.121"), quote(PUT, "0.019", "0.021"));
        let pair = [quote(LINEAR, "1900", "2100"), quote(LINEAR_PUT, "1900", "2100")];
        [call, put].into_iter().chain(pair).map(told).collect::<Vec<_>>()
    };
    desk.advance(1, &quotes());
    desk.market(TWIN, Side::Buy, "1");
    desk.market(LINEAR, Side::Buy, "1");
    assert_eq!(desk.advance(2, &quotes()), ["Buy 1 of 4 at 0.121 fee 0.0003", "Buy 1 of 3 at 2100 fee 30"]);
    // (100,000 − 90,000) ÷ 100,000; delivery costs 1.5 basis points.
    let settled = desk.advance(480, &[]);
    assert_eq!(settled, ["Sell 1 of 3 at 0 fee 0 Settlement", "Sell 1 of 4 at 0.1 fee 0.00015 Settlement"]);
    for option in [LINEAR, TWIN] {
        let OptionSettlement { underlying, source, .. } = desk.settled(option);
        assert_eq!((underlying, source), (price("100000"), SettlementSource::Parity));
    }
}

/// With 1 BTC and 15 % for each call sold, six fit: 6 × 0.15 = 0.9, seven need 1.05. What was sold is worth −0.01 each at once.
#[test]
fn what_is_sold_needs_a_share_of_the_underlying() {
    let mut desk = Desk::new("1");
    let quoted = || event(quote(CALL, "0.010", "0.010"));
    desk.advance(1, &[quoted()]);
    desk.market(CALL, Side::Sell, "7");
    assert_eq!(desk.advance(2, &[quoted()]), ["Cancelled(Margin)"]);
    desk.market(CALL, Side::Sell, "6");
    assert_eq!(desk.advance(3, &[quoted()]), ["Sell 6 of 1 at 0.01 fee 0.0018"]);
    desk.market(CALL, Side::Sell, "0.7");
    assert_eq!(desk.advance(4, &[quoted()]), ["Cancelled(Margin)"]);
    // Buying back needs nothing.
    desk.market(CALL, Side::Buy, "6");
    assert_eq!(desk.advance(5, &[quoted()]), ["Buy 6 of 1 at 0.01 fee 0.0018"]);
}

/// A premium is paid out of what is there: 0.5 × 2 = 1 BTC is all and leaves nothing for the fee; 1.9 fit.
#[test]
fn what_is_bought_is_paid_in_full() {
    let mut desk = Desk::new("1");
    let quoted = || event(quote(CALL, "0.5", "0.5"));
    desk.advance(1, &[quoted()]);
    desk.market(CALL, Side::Buy, "2");
    assert_eq!(desk.advance(2, &[quoted()]), ["Cancelled(Margin)"]);
    desk.market(CALL, Side::Buy, "1.9");
    assert_eq!(desk.advance(3, &[quoted()]), ["Buy 1.9 of 1 at 0.5 fee 0.00057"]);
    // Its value bears nothing else: what is left is 0.04943, and a put sold would need 0.15.
    desk.market(PUT, Side::Sell, "1");
    assert_eq!(desk.advance(4, &[event(quote(PUT, "0.01", "0.01"))]), ["Cancelled(Margin)"]);
}

/// Six calls sold at 0.01 with 1 BTC: equity 1 + 0.06 − 0.0018 − 6 p falls to the 0.6 of maintenance at p = 0.0763667. At 0.0763 the
/// account lives, at 0.0764 it is closed at the ask, for 3 basis points of each coin.
#[test]
fn an_account_that_no_longer_bears_its_options_is_liquidated_at_the_ask() {
    let mut desk = Desk::new("1");
    desk.advance(1, &[event(quote(CALL, "0.010", "0.010"))]);
    desk.market(CALL, Side::Sell, "6");
    desk.advance(2, &[event(quote(CALL, "0.010", "0.010"))]);
    let waiting = desk.send(CALL, Side::Buy, "1", OrderKind::Limit { price: price("0.001") });
    let marked = |mark: &str| event(quote(CALL, "0.07", "0.08").with_mark(price(mark)));
    assert_eq!(desk.advance(3, &[marked("0.0763")]), [""; 0]);
    assert_eq!(
        desk.advance(4, &[marked("0.0764")]),
        ["Buy 6 of 1 at 0.08 fee 0.0018 Liquidation", "Cancelled(Liquidated)"]
    );
    assert!(desk.exchange.open_orders().all(|open| open.order.id != waiting));
    // 1 + 0.06 − 0.0018 − 0.48 − 0.0018
    assert_eq!(desk.equity("BTC"), "0.5764");
}

/// By Deribit's own rule (margin-rules.md): a call 25 % out of the money needs max(0.15 − 0.25, 0.1) of a coin beside its mark, and 0.075
/// to be kept. Nine are sold for 0.09 on 1 BTC less fees of 0.0027; a tenth does not fit, and at the money, where each needs 0.15, not one
/// more. Equity 1.0873 − 9 p falls to 9 × 0.075 at p = 0.045811.
#[test]
fn sold_options_need_what_their_venue_asks_for() {
    let at = "2026-02-01".parse().unwrap();
    let model = risk::venues::VenueModel::of_venue("deribit").unwrap();
    let rule = |option: u32| {
        let mut listed = catalogue().instruments[option as usize].clone();
        if let InstrumentKind::InverseOption { expiry, .. } = &mut listed.kind {
            *expiry = "2026-03-27T08:00:00Z".parse().unwrap();
        }
        Some(model.rule(&listed, option as usize, at).unwrap())
    };
    let mut desk = Desk::with("1", |config| config.options.rules = vec![None, rule(CALL), rule(PUT)]);
    let quoted = || event(quote(CALL, "0.01", "0.01"));
    desk.advance(5, &[bar(5, "80000"), quoted()]);
    desk.market(CALL, Side::Sell, "10");
    assert_eq!(desk.advance(6, &[quoted()]), ["Cancelled(Margin)"]);
    desk.market(CALL, Side::Sell, "9");
    assert_eq!(desk.advance(7, &[quoted()]), ["Sell 9 of 1 at 0.01 fee 0.0027"]);
    desk.advance(10, &[bar(10, "100000"), quoted()]);
    desk.market(CALL, Side::Sell, "0.1");
    assert_eq!(desk.advance(11, &[quoted()]), ["Cancelled(Margin)"]);
    let marked = |mark: &str| event(quote(CALL, "0.04", "0.05").with_mark(price(mark)));
    assert_eq!(desk.advance(12, &[marked("0.0458")]), [""; 0]);
    assert_eq!(desk.advance(13, &[marked("0.0459")]), ["Buy 9 of 1 at 0.05 fee 0.0027 Liquidation"]);
    assert_eq!(desk.equity("BTC"), "0.6346");
}

/// A perpetual of the same currency is liquidated where what the options need is no longer there: 1 BTC, 200,000 USD bought at 100,000,
/// and four calls sold that need 0.4. Without them the position lives on at 77,500: 1 − (2.581 − 2) ≥ 0.026.
#[test]
fn options_count_against_a_perpetual_of_the_same_currency() {
    for (sold, survives) in [("", true), ("4", false)] {
        let mut desk = Desk::new("1");
        desk.advance(5, &[bar(5, "100000"), event(quote(CALL, "0.010", "0.010"))]);
        desk.market(0, Side::Buy, "200000");
        if !sold.is_empty() {
            desk.market(CALL, Side::Sell, sold);
        }
        desk.advance(10, &[bar(10, "100000"), event(quote(CALL, "0.010", "0.010"))]);
        assert_eq!(desk.exchange.account(AccountId(0)).position(0).qty, qty("200000"));
        let told = desk.advance(15, &[bar(15, "77500")]);
        assert_eq!(told.is_empty(), survives, "{told:?}");
    }
}

/// Random orders at random quotes: equity is deposits, less fees, less what fills cost, plus what is held at its marks; every pool's
/// margin bound is the sum of its options'; a second run is the same to the last byte.
#[test]
fn equity_is_what_fills_paid_and_what_is_held_is_worth() {
    for seed in 1..=200_u64 {
        let run = || {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut below = move |end: u64| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % end
            };
            let mut desk = Desk::new("5");
            let (mut held, mut marks) = ([0_i128; 3], [0_i128; 3]);
            let mut cash = 5 * 10_i128.pow(16);
            for at in 1..=60 {
                let mut events = Vec::new();
                for option in [CALL, PUT] {
                    if below(3) > 0 {
                        let bid = below(400) as i64 * 10_000;
                        let ask = bid + (1 + below(30) as i64) * 10_000;
                        let size = (below(2) == 0).then(|| Qty::from_raw(below(50) as i64 * 10_000_000));
                        let quoted = OptionQuote::empty(InstrumentId(option));
                        events.push(event(
                            quoted.with_bid(Price::from_raw(bid), size).with_ask(Price::from_raw(ask), size),
                        ));
                        marks[option as usize] = i128::from(bid.midpoint(ask));
                    }
                }
                desk.exchange.advance(minute(at * 10), &events);
                while let Some(input) = desk.exchange.poll() {
                    for event in input.events {
                        let Event::Order(OrderEvent { update: OrderUpdate::Filled(fill), .. }) = event else {
                            continue;
                        };
                        let signed = i128::from(fill.signed_qty().raw());
                        held[fill.instrument.index()] += signed;
                        cash -= signed * i128::from(fill.price.raw()) + fill.fee.raw();
                    }
                }
                let expected = cash + (1..3).map(|index| held[index] * marks[index]).sum::<i128>();
                let account = desk.exchange.account(AccountId(0));
                let equity = account.balance("BTC".parse().unwrap()).unwrap().equity();
                assert_eq!(equity.raw(), expected, "seed {seed}, minute {at}");
                for _ in 0..below(3) {
                    let amount = Qty::from_raw((1 + below(40) as i64) * 10_000_000).to_string();
                    let side = if below(2) == 0 { Side::Buy } else { Side::Sell };
                    let limit = Price::from_raw((1 + below(400) as i64) * 10_000);
                    let kind =
                        [OrderKind::Market, OrderKind::Limit { price: limit }, OrderKind::Stop { trigger: limit }];
                    desk.send(1 + below(2) as u32, side, &amount, kind[below(3) as usize]);
                }
            }
            let mut out = units::state::StateWriter::new();
            desk.exchange.save(&mut out);
            (out.as_bytes().to_vec(), held)
        };
        let (first, held) = run();
        assert_eq!(held, [0; 3], "all has expired by minute 480");
        assert_eq!(first, run().0);
    }
}

/// Over 0.005 Deribit's options in coin are quoted in steps of 0.0005: orders between them are refused, an amendment to one leaves the
/// terms that stand, and slippage ends on one. Steps have a day from which on they hold.
#[test]
fn prices_lie_on_the_steps_of_the_venue() {
    let steps = [("2026-01-15T00:00:00Z", "0.0125", "0.0115"), ("1990-01-01T00:00:00Z", "0.0121", "0.0119")];
    for (day, bought, sold) in steps {
        let begins = day.parse::<Timestamp>().unwrap();
        let later = |minutes: i64| Timestamp::from_nanos(begins.nanos() + minutes * MINUTE);
        let mut catalogue = catalogue();
        for of in &mut catalogue.instruments {
            let right = OptionRight::Call;
            if let InstrumentKind::InverseOption { strike, .. } = of.kind {
                of.kind = InstrumentKind::InverseOption { expiry: later(480), strike, right };
            }
        }
        let mut config = ExchangeConfig::new("10".parse().unwrap(), &catalogue);
        config.slippage = "0.0001".parse().unwrap();
        config.latency = Duration::ZERO;
        let mut desk = Desk { exchange: Exchange::new(config, &catalogue), orders: 0 };
        let advance = |desk: &mut Desk, minutes: i64, quote: OptionQuote| {
            let shift = later(minutes).nanos() / MINUTE;
            desk.advance(shift, &[event(quote)])
        };
        advance(&mut desk, 1, quote(CALL, "0.0100", "0.0200"));
        let limit = |price: &str| OrderKind::Limit { price: price.parse().unwrap() };
        desk.send(CALL, Side::Buy, "1", limit("0.0101"));
        desk.send(CALL, Side::Sell, "1", OrderKind::Stop { trigger: price("0.0051") });
        let resting = desk.send(CALL, Side::Buy, "1", limit("0.0050"));
        desk.send(CALL, Side::Buy, "1", limit("0.0049"));
        desk.exchange.command(Command::Amend { order: resting, qty: qty("1"), kind: limit("0.0052") });
        let told = advance(&mut desk, 2, quote(CALL, "0.0100", "0.0200"));
        let refused = told.iter().filter(|told| told.as_str() == "Rejected(Grid)").count();
        let (stands, amended) =
            ("Amended { qty: Qty(1), kind: Limit { price: Price(0.005) } }", "Limit { price: Price(0.0052) }");
        if day.starts_with("2026") {
            assert_eq!(refused, 2, "{told:?}");
            assert!(told.iter().any(|told| told == stands), "{told:?}");
        } else {
            assert_eq!(refused, 0, "{told:?}");
            assert!(told.iter().any(|told| told.contains(amended)), "{told:?}");
        }
        desk.market(CALL, Side::Buy, "1");
        let told = advance(&mut desk, 3, quote(CALL, "0.0100", "0.0120"));
        assert!(told.iter().any(|told| told.contains(&format!("at {bought} "))), "{told:?}");
        desk.market(CALL, Side::Sell, "1");
        let told = advance(&mut desk, 4, quote(CALL, "0.0120", "0.0200"));
        assert!(told.iter().any(|told| told.contains(&format!("at {sold} "))), "{told:?}");
    }
}
