//! Two strategies in one instrument, against what is computed by hand: `A` and `B` each follow a series of their own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/desk.rs"]
mod desk;

use common::Tick;
use desk::{Desk, Moment, Seat};
use engine::{Notice, Output};
use exchange::{AccountTerms, ExchangeConfig};
use market::*;
use units::{Duration, InstrumentId, Price, Qty, Rate, Ratio, SeriesId, Timestamp};

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
