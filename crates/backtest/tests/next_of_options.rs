//! What `next` foresees of a structure of options is what a run then does: on a market of which each hour moves one thing, the underlying
//! or all volatilities or nothing, with stops and rungs on what the structure costs, rolls and expiries.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/random.rs"]
#[allow(dead_code, reason = "only its random numbers are used here")]
mod random;
#[path = "common/weekly.rs"]
mod weekly;

use backtest::records::OrderRow;
use backtest::{Action, Next, PolicyFile, Question, Request, Run, Trigger};
use common::{Tick, cases, write_tape};
use market::*;
use random::Random;
use std::ops::ControlFlow;
use units::{InstrumentId, Price, Qty, Round, Timestamp};
use weekly::{BEGIN, hours};

fn catalogue() -> Catalogue {
    let instruments = weekly::instruments(7, 20..=70, 2_000);
    Catalogue { instruments, series: Vec::new() }
}

/// What is quoted at a flat volatility, in coin: two ticks on either side of its value, which the venue marks to eight digits.
fn quote(index: usize, of: &Instrument, at: Timestamp, forward: f64, vol: f64) -> Option<OptionQuote> {
    let (value, quote) = weekly::quote(index, of, at, (forward, vol), 2)?;
    Some(quote.with_mark(Price::from_estimate(value.max(0.0), Round::Nearest)))
}

/// What an hour moved, as factors.
#[derive(Debug, Clone, Copy)]
struct Moved {
    underlying: f64,
    volatility: f64,
}

/// Hourly quotes of everything that has not expired.
fn market(catalogue: &Catalogue, seed: u64, count: i64) -> (Vec<Tick>, Vec<Moved>) {
    let mut random = Random(seed ^ 0x0000_0907);
    let (mut forward, mut vol): (f64, f64) = (80_000.0, 0.6);
    let (mut ticks, mut moves) = (Vec::new(), Vec::new());
    for hour in 0..count {
        let what = random.uniform();
        let moved = match () {
            () if hour == 0 || what < 0.4 => Moved { underlying: 1.0, volatility: 1.0 },
            () if what < 0.85 => {
                let underlying = (0.03 * random.normal()).exp();
                // Back to the strikes that there are.
                let back = if forward > 110_000.0 {
                    0.95
                } else if forward < 55_000.0 {
                    1.05
                } else {
                    1.0
                };
                Moved { underlying: underlying * back, volatility: 1.0 }
            }
            () => Moved {
                underlying: 1.0,
                volatility: ((0.15 * random.normal()).exp() * (0.6 / vol).sqrt()).clamp(0.6, 1.7),
            },
        };
        (forward, vol) = (forward * moved.underlying, (vol * moved.volatility).clamp(0.3, 1.5));
        let at = BEGIN + hours(hour);
        let close = Price::from_raw((forward * 2.0).round() as i64 * Price::ONE / 2);
        let (opened, instrument, volume) = (at - hours(1), InstrumentId(0), Qty::ZERO);
        let bar = Bar { instrument, opened, closed: at, open: close, high: close, low: close, close, volume };
        let mut events = vec![Event::Bar(bar)];
        let quotes = catalogue.instruments.iter().enumerate();
        events.extend(quotes.filter_map(|(index, of)| quote(index, of, at, forward, vol)).map(Event::OptionQuote));
        ticks.push(Tick { at, events });
        moves.push(moved);
    }
    (ticks, moves)
}

fn run(text: &str, catalogue: &Catalogue, ticks: &[Tick]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let tape = folder.keep().join("chain.tape");
    write_tape(&tape, catalogue, ticks);
    let request = Request { policies: vec![PolicyFile::new("s.toml", text)], tapes: vec![tape], ..Request::default() };
    backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap()
}

const CALL: &str = r#"policy = 1
name = "calls"
[structure]
chain = "deribit:BTC"
legs = [{ right = "call", delta = 0.25, days = 14 }]
roll = "3d"
[signal]
kind = "constant"
strength = -1.0
reentry = "at_once"
[unit]
n = "of_price(100%)"
[stop]
initial = "1N"
trigger = "synthetic"
[ladder]
at = ["50%"]
fractions = [0.5]
trigger = "synthetic"
[size]
kind = "fixed_fraction"
fraction = 0.5
[caps]
leverage = 2.0
[[accounts]]
venue = "deribit"
deposit = "10 BTC"
"#;

/// What is listed for the next hour: of what is crossed by its one move the last, or what is done anyway then. `None`: as near to a level
/// as quotes on a grid leave open.
fn listed(next: &Next, at: Timestamp, moved: Moved) -> Option<Option<&Action>> {
    let anyway = next.actions.iter().find(|action| matches!(action.trigger, Trigger::Time { at: then } if then == at));
    let mut found: Option<(f64, &Action)> = None;
    for action in &next.actions {
        let (level, to) = match &action.trigger {
            Trigger::Underlying { price, now, at: then } if *then == at => {
                (price.approximate() / now.approximate() - 1.0, moved.underlying - 1.0)
            }
            Trigger::Series { name, now, value } if name == "implied volatility" => {
                (value / now - 1.0, moved.volatility - 1.0)
            }
            _ => continue,
        };
        let near = if matches!(action.trigger, Trigger::Series { .. }) { 0.02 } else { 0.003 };
        if to != 0.0 && (level - to).abs() < near {
            return None;
        }
        if level.signum() == to.signum()
            && level.abs() <= to.abs()
            && found.is_none_or(|(at, _)| at.abs() < level.abs())
        {
            found = Some((level, action));
        }
    }
    Some(found.map(|(_, action)| action).or(anyway))
}

/// What an hour then does was listed an hour before, and what is listed and crossed is done: rolls, stops and rungs on the structure's own
/// price, told by the price of the underlying, by volatility and by time.
#[test]
fn what_an_hour_does_was_listed_the_hour_before() {
    let catalogue = catalogue();
    let (mut asked, mut rolls, mut by_price, mut by_vol) = (0, 0, 0, 0);
    for seed in 0..u64::from(cases(2)) {
        let (ticks, moves) = market(&catalogue, seed, 24 * 30);
        let run = run(CALL, &catalogue, &ticks);
        let symbol =
            run.record.instruments.iter().find(|known| known.symbol.contains("STRUCTURE")).unwrap().symbol.clone();
        let placed = |at: Timestamp| {
            let rows = run.tables.orders.iter().filter(move |row| row.time == at && row.event == "place");
            rows.map(|row| row.purpose.to_string()).collect::<Vec<_>>()
        };
        for hour in 30..ticks.len() - 1 {
            let (now, then) = (ticks[hour].at, ticks[hour + 1].at);
            let done = placed(then);
            // All that acts, and of the rest a part.
            if done.is_empty() && hour % 9 != 0 {
                continue;
            }
            // An order of a leg on its way is answered in between.
            let sent = |order: &str| run.tables.orders.iter().find(|row| row.order == order).map(|row| row.time);
            let mut between = run.tables.fills.iter().filter(|row| row.time > now && row.time <= then);
            if between.any(|row| sent(&row.order).is_some_and(|sent| sent <= now)) {
                continue;
            }
            let question = Question { at: Some(now), instrument: Some(&symbol), ..Question::default() };
            let next = run.next(&question, &mut |_| ControlFlow::Continue(())).unwrap();
            if !next.on_their_way.is_empty() {
                continue;
            }
            let Some(listed) = listed(&next, then, moves[hour + 1]) else { continue };
            asked += 1;
            let what = listed.map_or("nothing", |action| action.what.as_str());
            match done.first() {
                None => assert!(
                    ["nothing", "refuses", "takes an order back"].contains(&what),
                    "{then} {:?}: {what}\n{next:#?}",
                    moves[hour + 1]
                ),
                Some(purpose) => {
                    assert_eq!(what, purpose, "{then} {:?}\n{next:#?}", moves[hour + 1]);
                    rolls += u32::from(purpose == "roll");
                    match listed.unwrap().trigger {
                        Trigger::Underlying { .. } => by_price += 1,
                        Trigger::Series { .. } => by_vol += 1,
                        _ => {}
                    }
                }
            }
            // Legs that are held, with the instant from which they are rolled.
            assert!(next.legs.iter().all(|leg| leg.rolls == Some(leg.expiry - hours(72))), "{:?}", next.legs);
        }
    }
    assert!(
        asked > 40 && rolls >= 1 && by_price >= 4,
        "{asked} asked, {rolls} rolls, {by_price} by price, {by_vol} by volatility"
    );
}

/// Orders of legs that were just sent are told as on their way, with what they are of, until they are filled.
#[test]
fn orders_of_legs_are_told_as_on_their_way() {
    let catalogue = catalogue();
    let (ticks, _) = market(&catalogue, 0, 24 * 30);
    let run = run(CALL, &catalogue, &ticks);
    let is_leg = |row: &&OrderRow| !row.instrument.contains("STRUCTURE");
    let orders = || run.tables.orders.iter().filter(is_leg);
    let symbol = run.record.instruments.iter().find(|known| known.symbol.contains("STRUCTURE")).unwrap();
    let ends = |row: &&OrderRow| ["filled", "cancelled", "rejected"].contains(&row.event.as_str());
    let (mut sent, mut filled) = (0, 0);
    for tick in &ticks {
        let placed: Vec<&OrderRow> = orders().filter(|row| row.time == tick.at && row.event == "place").collect();
        if placed.is_empty() {
            continue;
        }
        let question = Question { at: Some(tick.at), instrument: Some(&symbol.symbol), ..Question::default() };
        let next = run.next(&question, &mut |_| ControlFlow::Continue(())).unwrap();
        for row in &placed {
            let told = next.on_their_way.iter().find(|order| order.order == row.order);
            let told = told.unwrap_or_else(|| panic!("{row:?}\n{:#?}", next.on_their_way));
            assert_eq!(
                (&told.instrument, &told.side, told.quantity, &told.purpose),
                (&row.instrument, &row.side, row.quantity, &row.purpose)
            );
            sent += 1;
        }
        for order in next.on_their_way.iter().filter(is_leg) {
            let end = orders().filter(ends).find(|row| row.order == order.order).map(|row| row.time);
            assert!(end.is_none_or(|end| end > tick.at), "{order:?} ended at {end:?}");
            filled += u32::from(end == Some(tick.at + hours(1)));
        }
    }
    assert!(sent >= 5 && filled >= 5, "{sent} orders sent, {filled} answered by the next hour");
}

/// Where nothing moves, what comes is the roll, three days before its option expires, to the hour.
#[test]
fn the_roll_is_told_to_the_hour() {
    let catalogue = catalogue();
    let still: Vec<Tick> = (0..30)
        .map(|hour| {
            let at = BEGIN + hours(hour);
            let quotes = catalogue.instruments.iter().enumerate();
            Tick {
                at,
                events: quotes
                    .filter_map(|(index, of)| quote(index, of, at, 80_000.0, 0.6))
                    .map(Event::OptionQuote)
                    .collect(),
            }
        })
        .collect();
    let (unit, stop) = (CALL.find("[unit]").unwrap(), CALL.find("[size]").unwrap());
    let run = run(&format!("{}{}", &CALL[..unit], &CALL[stop..]), &catalogue, &still);
    let next = run.next(&Question::default(), &mut |_| ControlFlow::Continue(())).unwrap();
    let roll = next.actions.iter().find(|action| action.what == "roll").unwrap_or_else(|| panic!("{next:#?}"));
    let Trigger::Time { at } = roll.trigger else { panic!("{roll:?}") };
    assert_eq!(Some(at), next.legs.first().and_then(|leg| leg.rolls), "{next:#?}");
    assert_eq!(next.legs.first().map(|leg| leg.expiry), Some(BEGIN + hours(14 * 24)), "the nearest to 14 days");
}
