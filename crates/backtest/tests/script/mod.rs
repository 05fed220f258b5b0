//! A script of a market and what the engine did in it, one row a bar: `open high low close`, and behind arrows what each
//! delivery filled and sent. `[series] 0.5` before a row's prices is a value of the run's series, known with that bar; `[volume] 20`
//! before them what was traded in it.
//!
//! ```text
//! 310 310.5 309.5 310 → entry buy 10 @ 310 : +stop 10 at 305 +add2 10 at 311.25
//! ```
//!
//! `+` places, `~` amends, `-` cancels; a note in brackets is a refusal or a lapse from the plan of that delivery.

use crate::common::{Orders, Setup, Tick, Turn};
use engine::{ENGINE_RULE, Purpose};
use market::*;
use policy::Outcome;
use policy::spec::Trigger;
use units::{Duration, InstrumentId, Price, Qty, Ratio, SeriesId, Timestamp};

pub const SYMBOL: &str = "sim:GOLDUSDT-PERP";
pub const SERIES: &str = "signal.gold";

fn catalogue() -> Catalogue {
    let instrument = Instrument {
        symbol: SYMBOL.to_owned(),
        kind: InstrumentKind::LinearPerpetual,
        base: "GOLD".parse().unwrap(),
        quote: "USDT".parse().unwrap(),
        settle: "USDT".parse().unwrap(),
        tick: "0.01".parse().unwrap(),
        lot: "0.001".parse().unwrap(),
        min_qty: "0.001".parse().unwrap(),
    };
    Catalogue { instruments: vec![instrument], series: vec![SERIES.to_owned()] }
}

/// A policy without costs. 31,000 of equity at 310 are 100 units of gold. Sections that every policy needs are added.
pub fn setup(sections: &str) -> Setup {
    let absent = |header: &str, text: &'static str| if sections.contains(header) { "" } else { text };
    let signal = absent("[signal]", "[signal]\nkind = \"constant\"\nstrength = 1.0\n");
    let size = absent("[size]", "[size]\nkind = \"fixed_fraction\"\nfraction = 0.4\n");
    let unit =
        if sections.contains("[stop]") || sections.contains("[pyramid]") { "[unit]\nn = \"atr(2, 1h)\"\n" } else { "" };
    let costs = absent(
        "[backtest]",
        "[backtest]\ndeposit = \"31_000 USDT\"\ntaker_fee = 0.0\nmaker_fee = 0.0\nhalf_spread = 0.0\nslippage = 0.0\nlatency = \"0ms\"\n",
    );
    let text =
        format!("policy = 1\nname = \"script\"\ninstrument = \"{SYMBOL}\"\n{signal}{size}{sections}\n{unit}{costs}");
    let parsed = policy::parse(&text);
    let Some(policy) = parsed.policy else { panic!("{:?}\n{text}", parsed.diagnostics) };
    Setup { policy, catalogue: catalogue() }
}

/// The time of a bar's open, in hours from the script's begin: midnight of a Monday.
pub fn hour(number: i64) -> Timestamp {
    // 2025-10-06T00:00:00Z is a Monday.
    let begin: Timestamp = "2025-10-06T00:00:00Z".parse().unwrap();
    begin + Duration::from_nanos(number * Duration::HOUR.nanos())
}

fn tick(number: i64, row: &str) -> Tick {
    let words: Vec<&str> = row.split_whitespace().collect();
    let (series, words) = match words.split_first() {
        Some((&"[series]", rest)) => (Some(rest[0].parse::<f64>().unwrap()), &rest[1..]),
        _ => (None, &words[..]),
    };
    let (volume, words) = match words.split_first() {
        Some((&"[volume]", rest)) => (rest[0].parse().unwrap(), &rest[1..]),
        _ => (Qty::ZERO, words),
    };
    let list: Vec<Price> = words.iter().map(|word| word.parse().unwrap()).collect();
    let [open, high, low, close] = list[..] else { panic!("`{row}` is no open, high, low, close") };
    let mut tick = bar(number, [open, high, low, close]);
    if let Event::Bar(bar) = &mut tick.events[0] {
        bar.volume = volume;
    }
    let point = series.map(|value| SeriesPoint { series: SeriesId(0), value: Ratio::new(value).unwrap() });
    tick.events.extend(point.map(Event::Series));
    tick
}

/// The bar of an hour, from its open, high, low and close.
pub fn bar(number: i64, [open, high, low, close]: [Price; 4]) -> Tick {
    let (opened, closed, volume) = (hour(number), hour(number + 1), Qty::ZERO);
    let bar = Bar { instrument: InstrumentId(0), opened, closed, open, high, low, close, volume };
    Tick { at: closed, events: vec![Event::Bar(bar)] }
}

/// What a turn filled and sent, in the script's words; empty when nothing.
pub fn render(turn: &Turn, purpose_of: &Orders) -> String {
    let mut parts = Vec::new();
    for (order, fill) in turn.fills() {
        let name = purpose_of.0.get(&order).map_or("liquidation".to_owned(), |sent| name(sent.purpose));
        parts.push(format!("{name} {} {} @ {}", fill.side, fill.qty, fill.price));
    }
    for step in turn.plans().flat_map(|plan| plan.steps.iter()) {
        let lapsed = step.rule == ENGINE_RULE && step.reason.template.contains("lapsed");
        if lapsed || step.outcome == Outcome::Refused {
            parts.push(format!("[{}]", step.reason));
        }
    }
    let sent: Vec<String> = turn.commands().map(|(command, purpose)| sentence(command, &name(purpose))).collect();
    if !sent.is_empty() {
        parts.push(format!(": {}", sent.join(" ")));
    }
    parts.join(" ")
}

fn name(purpose: Purpose) -> String {
    match purpose {
        Purpose::Add { unit } => format!("add{unit}"),
        Purpose::Rung { index } => format!("rung{}", index + 1),
        other => other.to_string(),
    }
}

fn sentence(command: &Command, name: &str) -> String {
    let at = |kind: OrderKind| match kind {
        OrderKind::Market => "at market".to_owned(),
        OrderKind::Limit { price } => format!("at {price}"),
        OrderKind::Stop { trigger } => format!("at {trigger}"),
        OrderKind::StopLimit { trigger, price } => format!("at {trigger} to {price}"),
    };
    match command {
        Command::Place(order) => format!("+{name} {} {}", order.qty, at(order.kind)),
        Command::Amend { qty, kind, .. } => format!("~{name} {qty} {}", at(*kind)),
        Command::Cancel { .. } => format!("-{name}"),
    }
}

/// Runs a script and compares every delivery that did something; then that stops covered what was filled, always.
#[track_caller]
pub fn check(setup: &Setup, script: &str) -> Vec<Turn> {
    let rows: Vec<Vec<&str>> = script
        .lines()
        .map(|line| line.split('#').next().unwrap().trim())
        .filter(|line| !line.is_empty())
        .map(|line| line.split('→').map(str::trim).collect())
        .collect();
    let market: Vec<Tick> = rows.iter().enumerate().map(|(n, row)| tick(n as i64, row[0])).collect();
    let (turns, _) = setup.run(&market);
    let mut orders = Orders::default();
    let mut said = vec![Vec::new(); rows.len()];
    for turn in &turns {
        let row = market.iter().position(|tick| tick.at == turn.at).unwrap();
        let text = render(turn, &orders);
        orders.news(turn);
        orders.sent(turn);
        said[row].extend(Some(text).filter(|text| !text.is_empty()));
        if setup.policy.stop.as_ref().is_some_and(|stop| stop.trigger == Trigger::Resting) {
            assert_eq!(orders.stops(), turn.position, "stops cover what is filled, at {}: {said:?}", turn.at);
        }
    }
    let found: Vec<String> =
        rows.iter().zip(&said).map(|(row, said)| [&[row[0].to_owned()], &said[..]].concat().join(" → ")).collect();
    let wanted: Vec<String> = rows.iter().map(|row| row.join(" → ")).collect();
    assert!(found == wanted, "found\n{}\nwanted\n{}", found.join("\n"), wanted.join("\n"));
    turns
}
