//! Two strategies in one instrument, against what is computed by hand: `A` and `B` each follow a series of their own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/desk.rs"]
mod desk;

use common::{Tick, feed, snapshot};
use desk::{Desk, Moment, Seat};
use engine::{Notice, Output};
use exchange::{AccountTerms, ExchangeConfig};
use market::*;
use units::{AccountId, Cash, Duration, InstrumentId, OrderId, Price, Qty, Rate, Ratio, SeriesId, Side, Timestamp};

const SYMBOL: &str = "sim:GOLDUSDT-PERP";

fn hour(number: i64) -> Timestamp {
    let begin: Timestamp = "2025-10-06T00:00:00Z".parse().unwrap();
    begin + Duration::from_nanos(number * Duration::HOUR.nanos())
}

/// A desk without costs but a taker fee, and 31,000 of equity: 100 units at 310. `sections` of A, then of B.
struct Script {
    kind: InstrumentKind,
    deposit: &'static str,
    taker: &'static str,
    sections: [&'static str; 2],
}

impl Default for Script {
    fn default() -> Self {
        let kind = InstrumentKind::LinearPerpetual;
        Self { kind, deposit: "31000", taker: "0.001", sections: [TEN, TEN] }
    }
}

/// Ten units at 310, fifteen, and four.
const TEN: &str = "[size]\nkind = \"fixed_notional\"\nnotional = \"3_100 USDT\"\nresize = \"entry\"\n";
const FIFTEEN: &str = "[size]\nkind = \"fixed_notional\"\nnotional = \"4_650 USDT\"\nresize = \"entry\"\n";
const FOUR: &str = "[size]\nkind = \"fixed_notional\"\nnotional = \"1_240 USDT\"\nresize = \"entry\"\n";

impl Script {
    fn desk(&self) -> Desk {
        let instrument = Instrument {
            symbol: SYMBOL.to_owned(),
            kind: self.kind,
            base: "GOLD".parse().unwrap(),
            quote: "USDT".parse().unwrap(),
            settle: "USDT".parse().unwrap(),
            tick: "0.01".parse().unwrap(),
            lot: "0.001".parse().unwrap(),
            min_qty: "1".parse().unwrap(),
        };
        let series = vec!["signal.a".to_owned(), "signal.b".to_owned()];
        let catalogue = Catalogue { instruments: vec![instrument], series };
        let spec = AccountSpec { venue: "sim".to_owned(), numeraire: "USDT".parse().unwrap() };
        let mut terms = ExchangeConfig::new("0".parse().unwrap(), &catalogue);
        terms.accounts = vec![AccountTerms {
            spec: Some(spec.clone()),
            deposits: vec![(self.deposit.parse().unwrap(), "USDT".parse().unwrap())],
            fees: None,
        }];
        (terms.taker, terms.liquidation_fee) = (self.taker.parse().unwrap(), Rate::from_raw(Rate::ONE / 200));
        let seat = |(name, sections): (&str, &str)| {
            let text = format!(
                "policy = 1\nname = \"{name}\"\ninstrument = \"{SYMBOL}\"\n[signal]\nkind = \"series\"\n\
                 series = \"signal.{name}\"\nmax_age = \"30d\"\nreentry = \"at_once\"\n{sections}"
            );
            let parsed = policy::parse(&text);
            Seat::new(parsed.policy.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics)), 0)
        };
        let seats = ["a", "b"].into_iter().zip(self.sections).map(seat).collect();
        Desk { catalogue, accounts: vec![spec], terms, seats }
    }

    /// Runs rows of `open high low close`, each with what is told at its close (`a=1`, `b=-1`, `funding=0.001`) and behind
    /// arrows what each delivery filled and sent.
    #[track_caller]
    fn check(&self, script: &str) -> Vec<Moment> {
        let desk = self.desk();
        // A line that begins with a comma goes on with the delivery before it.
        let mut lines: Vec<String> = Vec::new();
        for line in script.lines().map(|line| line.split('#').next().unwrap().trim()).filter(|line| !line.is_empty()) {
            match lines.last_mut() {
                Some(before) if line.starts_with(',') => before.push_str(line),
                _ => lines.push(line.to_owned()),
            }
        }
        let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split('→').map(str::trim).collect()).collect();
        let market: Vec<Tick> = rows.iter().enumerate().map(|(number, row)| tick(number as i64, row[0])).collect();
        let (moments, _) = desk.run(&market);
        let mut said = vec![Vec::new(); rows.len()];
        for moment in &moments {
            let row = market.iter().position(|tick| tick.at >= moment.at).unwrap();
            said[row].extend(Some(render(moment)).filter(|text| !text.is_empty()));
        }
        let found: Vec<String> =
            rows.iter().zip(&said).map(|(row, said)| [&[row[0].to_owned()], &said[..]].concat().join(" → ")).collect();
        let wanted: Vec<String> = rows.iter().map(|row| row.join(" → ")).collect();
        assert!(found == wanted, "found\n{}\nwanted\n{}", found.join("\n"), wanted.join("\n"));
        moments
    }
}

fn tick(number: i64, row: &str) -> Tick {
    let words: Vec<&str> = row.split_whitespace().collect();
    let list: Vec<Price> = words[..4].iter().map(|word| word.parse().unwrap()).collect();
    let [open, high, low, close] = list[..] else { panic!("`{row}` is no open, high, low, close") };
    let (opened, closed, instrument) = (hour(number), hour(number + 1), InstrumentId(0));
    let bar = Bar { instrument, opened, closed, open, high, low, close, volume: Qty::ZERO };
    let told = words[4..].iter().map(|word| {
        let (what, value) = word.split_once('=').unwrap();
        let series = |id| {
            Event::Series(SeriesPoint { series: SeriesId(id), value: Ratio::new(value.parse().unwrap()).unwrap() })
        };
        match what {
            "a" => series(0),
            "b" => series(1),
            "mark" => Event::Mark(Mark { instrument, price: value.parse().unwrap() }),
            _ => Event::Funding(FundingRate { instrument, rate: value.parse().unwrap(), interval: Duration::HOUR }),
        }
    });
    let mut events: Vec<Event> = [Event::Bar(bar)].into_iter().chain(told).collect();
    events.sort_by_key(Event::rank);
    Tick { at: closed, events }
}

fn render(moment: &Moment) -> String {
    let who = |strategy: units::StrategyId| ["A", "B"][strategy.index()];
    let mut parts = Vec::new();
    for output in &moment.outputs {
        parts.push(match output {
            Output::Notice(Notice::Filled { strategy, purpose, fill, .. }) => {
                let inside = if fill.liquidity == Liquidity::Internal { " inside" } else { "" };
                let fee = if fill.fee.is_zero() { String::new() } else { format!(" fee {}", fill.fee) };
                format!("{} {purpose} {} {} @ {}{fee}{inside}", who(*strategy), fill.side, fill.qty, fill.price)
            }
            Output::Command { command: Command::Place(order), purpose, strategy } => {
                let at = match order.kind {
                    OrderKind::Market => "market".to_owned(),
                    OrderKind::Limit { price } => price.to_string(),
                    OrderKind::Stop { trigger } | OrderKind::StopLimit { trigger, .. } => trigger.to_string(),
                };
                assert!(!order.reduce_only, "beside another strategy nothing is reduce-only");
                assert_eq!(order.exit, !matches!(purpose, engine::Purpose::Entry), "{purpose}");
                format!("+{} {purpose} {} {} at {at}", who(*strategy), order.side, order.qty)
            }
            Output::Command { command: Command::Cancel { .. }, purpose, strategy } => {
                format!("-{} {purpose}", who(*strategy))
            }
            Output::Command { command: Command::Amend { qty, .. }, purpose, strategy } => {
                format!("~{} {purpose} {qty}", who(*strategy))
            }
            _ => continue,
        });
    }
    parts.join(", ")
}

/// Profit less fees and funding of each strategy's campaigns, closed and open.
fn earned(moments: &[Moment]) -> [String; 2] {
    let closed = moments.iter().flat_map(Moment::closed);
    let open = moments.last().unwrap().open.iter().flatten();
    let all: Vec<_> = closed.chain(open).collect();
    let of = |strategy: usize| {
        let own = all.iter().filter(|record| record.strategy.index() == strategy);
        own.map(|record| record.profit - record.fees + record.funding).sum::<units::Cash>().to_string()
    };
    [of(0), of(1)]
}

#[test]
fn an_entry_meets_an_exit_inside_and_nothing_is_sent() {
    let moments = Script::default().check(
        "310 310 310 310 a=1        → +A entry buy 10 at market
         310 310 310 310            → A entry buy 10 @ 310 fee 3.1
         310 312 310 310 a=0 b=1    → B entry buy 10 @ 310 inside, A exit sell 10 @ 310 inside
         310 320 310 320
         320 320 320 320 b=0        → +B exit sell 10 at market
         320 320 320 320            → B exit sell 10 @ 320 fee 3.2",
    );
    assert_eq!(earned(&moments), ["-3.1", "96.8"]);
    assert_eq!(moments.last().unwrap().venues[0].equity().to_string(), "31093.7");
}

#[test]
fn only_the_net_is_sent() {
    let moments = Script { sections: [TEN, FIFTEEN], ..Script::default() }.check(
        "310 310 310 310 a=1        → +A entry buy 10 at market
         310 310 310 310            → A entry buy 10 @ 310 fee 3.1
         310 310 310 310 a=0 b=1    → B entry buy 10 @ 310 inside, A exit sell 10 @ 310 inside, +B entry buy 5 at market
         311 311 311 311            → B entry buy 5 @ 311 fee 1.555
         310 310 310 310 a=-1       → +A entry sell 10 at market
         310 310 310 310            → A entry sell 10 @ 310 fee 3.1
         310 310 310 310 a=0 b=0    → A exit buy 10 @ 310 inside, B exit sell 10 @ 310 inside, +B exit sell 5 at market
         310 310 310 310            → B exit sell 5 @ 310 fee 1.55",
    );
    assert_eq!(earned(&moments), ["-6.2", "-8.105"]);
}

/// The venue takes no order under 1: as much less crosses as leaves both at least that.
#[test]
fn nothing_is_left_that_the_venue_would_not_take() {
    let almost = "[size]\nkind = \"fixed_notional\"\nnotional = \"3_255 USDT\"\nresize = \"entry\"\n";
    Script { sections: [TEN, almost], taker: "0", ..Script::default() }.check(
        "310 310 310 310 a=1        → +A entry buy 10 at market
         310 310 310 310            → A entry buy 10 @ 310
         # 10.5 against 10
         310 310 310 310 a=0 b=1    → B entry buy 9 @ 310 inside, A exit sell 9 @ 310 inside
                                    , +A exit sell 1 at market, +B entry buy 1.5 at market
         310 310 310 310            → A exit sell 1 @ 310 → B entry buy 1.5 @ 310",
    );
}

/// What crosses inside crosses at the last price, whatever the mark is.
#[test]
fn the_mark_is_no_price_to_cross_at() {
    Script { taker: "0", ..Script::default() }.check(
        "310 310 310 310 a=1 mark=309        → +A entry buy 10 at market
         310 310 310 310 mark=309            → A entry buy 10 @ 310
         310 310 310 310 mark=300 a=0 b=1    → B entry buy 10 @ 310 inside, A exit sell 10 @ 310 inside",
    );
}

const NEAR: &str = "[size]\nkind = \"fixed_notional\"\nnotional = \"3_100 USDT\"\nresize = \"entry\"\n\
                    [unit]\nn = \"atr(2, 1h)\"\n[stop]\ninitial = \"2N\"\n";
const FAR: &str = "[size]\nkind = \"fixed_notional\"\nnotional = \"4_650 USDT\"\nresize = \"entry\"\n\
                   [unit]\nn = \"atr(2, 1h)\"\n[stop]\ninitial = \"4N\"\n";

/// Two bars of range 2.5 make N 2.5: stops 5 and 10 from the entry.
#[test]
fn each_stop_covers_its_own_and_one_goes_while_the_other_stays() {
    let moments = Script { sections: [NEAR, FAR], taker: "0", ..Script::default() }.check(
        "308 310 307.5 310
         310 311 308.5 310 a=1 b=1  → +A entry buy 10 at market, +B entry buy 15 at market
         310 310.5 309.5 310        → A entry buy 10 @ 310, +A stop sell 10 at 305 → B entry buy 15 @ 310, +B stop sell 15 at 300
         310 310 304 306 a=0        → A stop sell 10 @ 305
         306 306 300 302 b=0        → B stop sell 15 @ 300",
    );
    assert_eq!(earned(&moments), ["-50", "-150"]);
}

/// Beside others no exit is reduce-only: the stop is taken back before the exit goes out, or both could sell.
#[test]
fn a_closing_signal_takes_the_stop_back_first() {
    let moments = Script { sections: [NEAR, FAR], taker: "0", ..Script::default() }.check(
        "308 310 307.5 310
         310 311 308.5 310 a=1      → +A entry buy 10 at market
         310 310.5 309.5 310        → A entry buy 10 @ 310, +A stop sell 10 at 305
         310 310 309 309 a=0        → -A stop, +A exit sell 10 at market
         304 304 303 304            → A exit sell 10 @ 304",
    );
    assert_eq!(earned(&moments), ["-60", "0"]);
    assert_eq!(moments.last().unwrap().positions, [Qty::ZERO; 2]);
}

/// The stop of a long beside a larger short raises the account's net. It is an exit all the same, and covers what the long holds.
#[test]
fn a_stop_may_raise_the_net() {
    let moments = Script { sections: [NEAR, FAR], taker: "0", ..Script::default() }.check(
        "308 310 307.5 310
         310 311 308.5 310 a=1 b=-1 → A entry buy 10 @ 310 inside, B entry sell 10 @ 310 inside
                                    , +B entry sell 5 at market, +A stop sell 10 at 305, +B stop buy 10 at 320
         310 310.5 309.5 310        → B entry sell 5 @ 310, ~B stop 15
         310 310 304 306 a=0        → A stop sell 10 @ 305
         306 321 306 320 b=0        → B stop buy 15 @ 320",
    );
    let nets: Vec<String> = moments.iter().map(|moment| moment.venues[0].position(0).qty.to_string()).collect();
    assert_eq!(nets.last().unwrap(), "0");
    assert!(nets.contains(&"-15".to_owned()), "{nets:?}");
    assert_eq!(earned(&moments), ["-50", "-150"]);
}

/// Net 6 at 310 on 200: 200 + 6 (p - 310) = 0.025 × 6 p at 1,660 ÷ 5.85 = 283.7607. Half a percent of 6 × 283.76 is 8.5128, which
/// the two share by what was closed, 10 and 4.
#[test]
fn a_liquidated_net_closes_every_strategy() {
    let moments = Script { deposit: "200", taker: "0", sections: [TEN, FOUR], ..Script::default() }.check(
        "310 310 310 310 a=1 b=-1   → A entry buy 4 @ 310 inside, B entry sell 4 @ 310 inside, +A entry buy 6 at market
         310 310 310 310            → A entry buy 6 @ 310
         310 310 280 280 a=0 b=0    → A liquidation sell 10 @ 283.76 fee 6.0805714285714285
                                    , B liquidation buy 4 @ 283.76 fee 2.4322285714285715",
    );
    assert_eq!(earned(&moments), ["-268.4805714285714285", "102.5277714285714285"]);
    let equity = moments.last().unwrap().venues[0].equity();
    assert_eq!(equity.to_string(), "34.0472", "200 - 157.44 - 8.5128");
    assert_eq!(moments.last().unwrap().accounts, moments.last().unwrap().venues);
}

/// Fifteen long beside ten short: the venue asks a thousandth of 5 × 310. Each pays or receives by what it holds.
#[test]
fn funding_is_shared_by_signed_positions() {
    let moments = Script { taker: "0", sections: [FIFTEEN, TEN], ..Script::default() }.check(
        "310 310 310 310 a=1 b=-1   → A entry buy 10 @ 310 inside, B entry sell 10 @ 310 inside, +A entry buy 5 at market
         310 310 310 310            → A entry buy 5 @ 310
         310 310 310 310 funding=0.001
         310 310 310 310",
    );
    assert_eq!(earned(&moments), ["-4.65", "3.1"]);
    assert_eq!(moments.last().unwrap().venues[0].settlement(0).funding.to_string(), "-1.55");
}

#[test]
fn who_cancels_out_pays_each_other() {
    let moments = Script { taker: "0", ..Script::default() }.check(
        "310 310 310 310 a=1 b=-1   → A entry buy 10 @ 310 inside, B entry sell 10 @ 310 inside
         310 310 310 310 funding=0.001
         310 310 310 310 funding=-0.0003",
    );
    assert_eq!(earned(&moments), ["-2.17", "2.17"]);
    assert!(moments.last().unwrap().venues[0].settlement(0).funding.is_zero());
}

#[test]
fn a_contract_expires_while_its_strategies_cancel_out() {
    let kind = InstrumentKind::LinearFuture { expiry: hour(3) };
    let moments = Script { kind, taker: "0", ..Script::default() }.check(
        "310 310 310 310 a=1 b=-1   → A entry buy 10 @ 310 inside, B entry sell 10 @ 310 inside
         310 330 310 330
         330 330 320 320            → A settlement sell 10 @ 320 inside, B settlement buy 10 @ 320 inside",
    );
    assert_eq!(earned(&moments), ["100", "-100"]);
    assert_eq!(moments.last().unwrap().positions, [Qty::ZERO; 2]);
}

/// With a limit of one, the second may take what the first leaves of it: 100 units at 310, of which the first has 60.
#[test]
fn leverage_counts_what_another_strategy_holds_in_the_same_instrument() {
    let most = |share: &str| {
        format!(
            "[size]\nkind = \"fixed_fraction\"\nfraction = {share}\nresize = \"entry\"\n[caps]\nleverage = 1.0\nleverage_restore = 1.0\n"
        )
    };
    let (first, second) = (most("0.6"), most("0.6"));
    let sections = [&*Box::leak(first.into_boxed_str()), &*Box::leak(second.into_boxed_str())];
    Script { taker: "0", sections, ..Script::default() }.check(
        "310 310 310 310 a=1 b=1    → +A entry buy 60 at market, +B entry buy 40 at market
         310 310 310 310            → A entry buy 60 @ 310 → B entry buy 40 @ 310",
    );
    // Against it, there is room for all.
    Script { taker: "0", sections, ..Script::default() }
        .check("310 310 310 310 a=1 b=-1   → A entry buy 60 @ 310 inside, B entry sell 60 @ 310 inside");
}

/// As [`NEAR`], with two rungs of a fifth each that are watched at half an R and at one.
const WATCHED: &str = "[size]\nkind = \"fixed_notional\"\nnotional = \"3_100 USDT\"\nresize = \"entry\"\n\
                       [unit]\nn = \"atr(2, 1h)\"\n[stop]\ninitial = \"2N\"\n\
                       [ladder]\nat = [\"0.5R\", \"1R\"]\nfractions = [0.2, 0.2]\ntrigger = \"synthetic\"\n";

/// While a part of A goes out at the market its stop covers the rest, so that a gap through both sells ten and not twelve.
#[test]
fn a_part_on_its_way_is_no_longer_covered_by_the_stop() {
    let moments = Script { sections: [WATCHED, FAR], taker: "0", ..Script::default() }.check(
        "308 310 307.5 310
         310 311 308.5 310 a=1      → +A entry buy 10 at market
         310 310.5 309.5 310        → A entry buy 10 @ 310, +A stop sell 10 at 305
         310 313 310 312            → ~A stop 8, +A rung 1 sell 2 at market
         304 304 303 303 a=0        → A stop sell 8 @ 304 → A rung 1 sell 2 @ 304",
    );
    assert_eq!(earned(&moments), ["-60", "0"]);
    // Filled first, the part leaves the stop as it is.
    Script { sections: [WATCHED, FAR], taker: "0", ..Script::default() }.check(
        "308 310 307.5 310
         310 311 308.5 310 a=1      → +A entry buy 10 at market
         310 310.5 309.5 310        → A entry buy 10 @ 310, +A stop sell 10 at 305
         310 313 310 312            → ~A stop 8, +A rung 1 sell 2 at market
         312 312 304 304 a=0        → A rung 1 sell 2 @ 312 → A stop sell 8 @ 305",
    );
}

/// A long of ten beside a short of ten: what A sells would need margin that is not there. The part that the venue refuses is
/// covered by the stop again at once.
#[test]
fn a_part_that_the_venue_refuses_is_covered_again_at_once() {
    Script { deposit: "5", sections: [WATCHED, TEN], taker: "0", ..Script::default() }.check(
        "308 310 307.5 310
         310 311 308.5 310 a=1 b=-1 → A entry buy 10 @ 310 inside, B entry sell 10 @ 310 inside, +A stop sell 10 at 305
         310 313 310 312            → ~A stop 8, +A rung 1 sell 2 at market
         312 312 311 312            → ~A stop 10 → ~A stop 8, +A rung 1 sell 2 at market",
    );
}

/// What fills in the bar that ends with the contract counts before strategies that cancel out settle with each other.
#[test]
fn a_contract_settles_behind_the_fills_of_its_last_bar() {
    let kind = InstrumentKind::LinearFuture { expiry: hour(4) };
    let moments = Script { kind, sections: [WATCHED, TEN], taker: "0", ..Script::default() }.check(
        "308 310 307.5 310
         310 311 308.5 310 a=1 b=-1 → A entry buy 10 @ 310 inside, B entry sell 10 @ 310 inside, +A stop sell 10 at 305
         310 313 310 312            → ~A stop 8, +A rung 1 sell 2 at market
         312 312 311 311            → A rung 1 sell 2 @ 312 → A settlement sell 8 @ 311, B settlement buy 10 @ 311",
    );
    assert_eq!(earned(&moments), ["12", "-10"]);
    assert_eq!(moments.last().unwrap().positions, [Qty::ZERO; 2]);
}

/// Every order of a list, by exchanging (Heap).
fn orders(list: &mut Vec<Event>, count: usize, look: &mut dyn FnMut(&[Event])) {
    if count <= 1 {
        return look(list);
    }
    for at in 0..count {
        orders(list, count - 1, look);
        list.swap(if count.is_multiple_of(2) { at } else { 0 }, count - 1);
    }
}

/// Lets the strategies of a desk send their entries, one bar each, and gives the engine and the orders.
fn entered(desk: &Desk) -> (engine::Engine, Vec<OrderId>) {
    let mut engine = desk.engine();
    let deposit = CashChange {
        account: AccountId(0),
        currency: "USDT".parse().unwrap(),
        amount: "2000".parse().unwrap(),
        reason: CashReason::Deposit,
    };
    feed(&mut engine, hour(0), Source::Venue, &[Event::Cash(deposit)]);
    let signals = ["a=1", "b=-1"].into_iter().take(desk.seats.len());
    let sent = signals.enumerate().flat_map(|(number, signal)| {
        let tick = tick(number as i64, &format!("310 310 310 310 {signal}"));
        feed(&mut engine, tick.at, Source::Market, &tick.events)
    });
    let placed = sent.filter_map(|output| match output {
        Output::Command { command: Command::Place(order), .. } => Some(order.id),
        _ => None,
    });
    let placed: Vec<OrderId> = placed.collect();
    assert_eq!(placed.len(), desk.seats.len());
    (engine, placed)
}

fn filled(order: OrderId, execution: u64, side: Side, qty: &str, price: &str, fee: &str) -> Event {
    let price: Price = price.parse().unwrap();
    let forced = (order.0 == 0).then_some(Forced::Liquidation);
    let (account, instrument, liquidity) = (AccountId(0), InstrumentId(0), Liquidity::Taker);
    let (qty, fee, reference) = (qty.parse().unwrap(), fee.parse().unwrap(), price);
    let fill = Fill { account, instrument, side, qty, price, reference, fee, liquidity, forced, execution };
    Event::Order(OrderEvent { order, update: OrderUpdate::Filled(fill) })
}

/// Tells news in every order, saved and loaded in between, and compares what is held and earned with the account's.
fn told_in_any_order(
    desk: &Desk,
    news: impl Fn(&[OrderId]) -> Vec<Event>,
    mut look: impl FnMut(&engine::Engine, &[Event]),
) {
    let mut list = news(&entered(desk).1);
    let count = list.len();
    orders(&mut list, count, &mut |told| {
        let (mut engine, _) = entered(desk);
        let mut earned = Cash::ZERO;
        for event in told {
            for output in feed(&mut engine, hour(3), Source::Venue, &[*event]) {
                if let Output::Notice(Notice::CampaignClosed(record)) = output {
                    earned += record.profit - record.fees;
                }
            }
            engine = desk.restore(&snapshot(&engine));
        }
        let strategies: Vec<_> = engine.strategies().map(|(strategy, _)| strategy).collect();
        let held: Qty = strategies.iter().map(|strategy| engine.position(*strategy)).sum();
        let open = strategies.iter().filter_map(|strategy| engine.open_record(*strategy));
        let earned = earned + open.map(|record| record.profit - record.fees).sum::<Cash>();
        let account = engine.account(AccountId(0));
        assert_eq!(held, account.position(0).qty, "{told:#?}");
        assert_eq!(earned, account.equity() - "2000".parse::<Cash>().unwrap(), "{told:#?}");
        look(&engine, told);
    });
}

/// Ten were bought, and closed by the venue: told before, the liquidation waits for the fills that it undoes. Nothing is left.
#[test]
fn a_liquidation_may_be_told_before_the_fills_that_it_undoes() {
    let mut desk = Script::default().desk();
    desk.seats.truncate(1);
    let mut looked = 0;
    for is_numbered in [1, 0] {
        let news = |sent: &[OrderId]| {
            vec![
                filled(sent[0], is_numbered, Side::Buy, "7", "310", "2.17"),
                filled(sent[0], 2 * is_numbered, Side::Buy, "3", "311", "0.933"),
                filled(OrderId(0), 3 * is_numbered, Side::Sell, "10", "280", "14"),
            ]
        };
        told_in_any_order(&desk, news, |engine, told| {
            assert!(engine.position(common::STRATEGY).is_zero(), "{told:#?}");
            assert!(engine.campaign(common::STRATEGY).is_none(), "{told:#?}");
            looked += 1;
        });
    }
    assert_eq!(looked, 12);
}

/// A venue may close a part only: what stays is the account's, whatever was told first.
#[test]
fn a_liquidated_part_may_be_told_first() {
    let mut desk = Script::default().desk();
    desk.seats.truncate(1);
    let news = |sent: &[OrderId]| {
        vec![
            filled(sent[0], 1, Side::Buy, "4", "310", "1.24"),
            filled(OrderId(0), 2, Side::Sell, "1", "280", "1.4"),
            filled(sent[0], 3, Side::Buy, "6", "281", "1.686"),
        ]
    };
    told_in_any_order(&desk, news, |engine, _| assert_eq!(engine.position(common::STRATEGY).to_string(), "9"));
}

/// A holds ten and B four against it; the venue closes the six that the account holds.
#[test]
fn a_liquidated_net_may_be_told_in_any_order() {
    let desk = Script { sections: [TEN, FOUR], ..Script::default() }.desk();
    let mut looked = 0;
    let news = |sent: &[OrderId]| {
        vec![
            filled(sent[0], 1, Side::Buy, "7", "310", "2.17"),
            filled(sent[1], 2, Side::Sell, "4", "310", "1.24"),
            filled(sent[0], 3, Side::Buy, "3", "311", "0.933"),
            filled(OrderId(0), 4, Side::Sell, "6", "280", "8.4"),
        ]
    };
    told_in_any_order(&desk, news, |_, _| looked += 1);
    assert_eq!(looked, 24);
}
