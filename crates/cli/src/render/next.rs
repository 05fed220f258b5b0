//! What comes next.

use super::explanation::Measure;
use super::wrap;
use backtest::records::OrderRow;
use backtest::{Action, Next, Stopped, Trigger};
use policy::expression::Shown;
use serde_json::{Value, json};
use units::show::{self, Style};
use units::{Duration, Price};

/// The lines for a terminal: nearest first, by price, by time, by series.
pub(crate) fn lines(next: &Next, width: usize, verbose: bool) -> Vec<String> {
    let (lot, is_of_run) = (next.lot, next.bar > Duration::ZERO);
    let price = |at: Price| show::price(at, next.tick, Style::Terminal);
    let measure = Measure { contract: next.contract, price: next.unit, equity: next.equity };
    let symbol = next.instrument.split_once(':').map_or(next.instrument.as_str(), |(_, symbol)| symbol);
    let held = measure.exposure(next.position);
    let day = next.daily_move.map_or_else(String::new, |share| {
        format!("   one daily move = {} %", show::percent(share, 1, Style::Terminal))
    });
    let cents = Price::from_raw(Price::ONE / 100);
    let under = next
        .underlying
        .map_or_else(String::new, |at| format!("   underlying {}", show::price(at, cents, Style::Terminal)));
    let mut lines = vec![format!(
        "  next after {}   {symbol}   price {}{under}   holds {held} x equity{day}",
        show::time(next.at),
        price(next.price)
    )];
    if let Some(what_if) = &next.what_if {
        let changed = what_if.changed.iter().map(|(key, value)| format!("the policy said {key} = {value}"));
        let set = what_if.set.iter().map(|(name, value)| match name.as_str() {
            "price" => format!("{name} = {value}"),
            _ => format!("{name} = {}", shown_of(next, name).text(*value)),
        });
        let set = changed.chain(set).collect::<Vec<_>>().join(", ");
        lines.push(format!("  what if {set}{}:", if is_of_run { ", with the next bar" } else { "" }));
        for fill in &what_if.fills {
            let quantity = show::qty(fill.qty, lot, Style::Terminal);
            lines.push(format!("    filled on the way: {}, {quantity} at {}", fill.purpose, price(fill.price)));
        }
        if what_if.plans.is_empty() {
            lines.push("    plan: no change".to_owned());
        }
        for plan in &what_if.plans {
            let (before, after) = (measure.exposure(plan.position), measure.exposure(plan.target));
            lines.push(format!("    plan: {before} -> {after}"));
            for step in &plan.steps {
                lines.push(format!("      {:<14} {}", step.rule, wrap(&step.because, width, 21)));
            }
        }
    }
    for leg in &next.legs {
        let symbol = leg.symbol.split_once(':').map_or(leg.symbol.as_str(), |(_, symbol)| symbol);
        let rolls = leg.rolls.map_or_else(String::new, |at| format!("   rolls from {} on", show::time(at)));
        lines.push(format!("  holds {} {symbol}   expires {}{rolls}", leg.quantity, show::time(leg.expiry)));
    }
    if let Some(hedge) = &next.hedge {
        let coins = |coins: f64| format!("{coins:.4}");
        let delta =
            hedge.delta.map_or_else(|| "delta not known now".to_owned(), |delta| format!("delta {}", coins(delta)));
        lines.push(format!(
            "  {delta}, what is on its way counted; the hedge keeps it within {} of {}",
            coins(hedge.band),
            coins(hedge.target.approximate())
        ));
    }
    let told = |end: Option<Price>| end.map_or_else(|| "as far as was looked".to_owned(), price);
    match (next.quiet(), next.underlying) {
        // Its own price follows the underlying's, the time and volatilities.
        (_, Some(_)) => {}
        ((None, None), None) => lines.push("  nothing is done by price within 30 %".to_owned()),
        ((low, high), None) => lines.push(format!("  quiet between {} and {}", told(low), told(high))),
    }
    let heads: Vec<[String; 3]> = next.actions.iter().map(|action| head(next, action, &price)).collect();
    let widths = [0, 1, 2].map(|column| heads.iter().map(|head| head[column].chars().count()).max().unwrap_or(0));
    let [first, second, third] = widths;
    let what = next.actions.iter().map(|action| action.what.len()).max().unwrap_or(0);
    for (action, [share, at, moves]) in next.actions.iter().zip(&heads) {
        let sizes = match action.before == action.after {
            true => format!("{} =", measure.exposure(action.after)),
            false => format!("{} -> {}", measure.exposure(action.before), measure.exposure(action.after)),
        };
        let who = match action.trigger {
            Trigger::Liquidation { .. } => "the venue",
            Trigger::Resting { .. } if next.underlying.is_some() => "watched by the desk",
            Trigger::Resting { .. } if is_of_run => "rests at the venue",
            Trigger::Resting { .. } => "left resting",
            _ => &action.rule,
        };
        let line =
            format!("  {share:>first$}  {at:>second$}  {moves:>third$}   {:<what$}   {sizes:<14}   {who}", action.what);
        lines.push(line.trim_end().to_owned());
        if verbose && !action.rule.is_empty() {
            lines.push(format!("      {}", wrap(&action.because, width, 6)));
        }
    }
    if next.actions.is_empty() && !next.on_their_way.is_empty() {
        lines.push("  nothing is done by price, time or a series beside what is on its way".to_owned());
    } else if next.actions.is_empty() {
        lines.push("  nothing rests at the venue, and nothing is done by price, time or a series".to_owned());
    }
    for order in &next.on_their_way {
        if let Some(leg) = leg_of(next, order) {
            let leg = leg.split_once(':').map_or(leg, |(_, symbol)| symbol);
            let waits = if order.event == "accepted" { ", where it waits for a quote" } else { "" };
            lines.push(format!(
                "  on its way: {} {} {leg} at the market{waits} ({}, a leg); what is done before it fills counts it",
                order.side, order.quantity, order.purpose
            ));
            continue;
        }
        let quantity = show::qty(order.quantity, lot, Style::Terminal);
        let how = match (order.trigger, order.price) {
            (None, None) => "at the market".to_owned(),
            (None, Some(limit)) => format!("no worse than {}, which the market is at", price(limit)),
            (Some(trigger), None) => format!("by a stop at {}, which the market is beyond", price(trigger)),
            (Some(trigger), Some(limit)) => {
                format!("by a stop at {}, which the market is beyond, no worse than {}", price(trigger), price(limit))
            }
        };
        let change = if order.side == "buy" { order.quantity } else { -order.quantity };
        let sizes = format!("{} -> {}", measure.exposure(next.position), measure.exposure(next.position + change));
        lines.push(format!(
            "  on its way: {} {quantity} {how} ({}, {sizes}); what is done before it fills counts it",
            order.side, order.purpose
        ));
    }
    for name in &next.fixed {
        lines.push(format!("  not varied: {name}, which is not known now"));
    }
    for Stopped { name, last, told, max_age } in &next.stopped {
        lines.push(format!(
            "  stopped: {name}, which told {} at {told} and nothing since; over {max_age} old it is not known, and is not varied",
            show::ratio(*last, Style::Terminal)
        ));
    }
    lines.push(match is_of_run {
        true if next.underlying.is_some() => {
            "  one thing at a time, an hour from now; where the underlying moves each option keeps the volatility of its price".to_owned()
        }
        true => format!(
            "  one thing at a time, the others as they are; `close`: where a bar closes, the next one ({}) if no time is told",
            next.bar
        ),
        false => "  one thing at a time, the others as the state has them; `close`: where the policy is decided on again".to_owned(),
    });
    lines
}

/// The option that an order is of, where it is one of a leg.
fn leg_of<'a>(next: &Next, order: &'a OrderRow) -> Option<&'a str> {
    (next.underlying.is_some() && *order.instrument != *next.instrument).then(|| order.instrument.as_str())
}

/// How far, where, and in daily moves or time.
fn head(next: &Next, action: &Action, price: &dyn Fn(Price) -> String) -> [String; 3] {
    match &action.trigger {
        Trigger::Resting { price: at } | Trigger::Close { price: at, .. } | Trigger::Liquidation { price: at } => {
            let share = next.distance(*at);
            let moves = next
                .daily_move
                .filter(|day| *day > 0.0)
                .map_or_else(String::new, |day| format!("{} moves", show::ratio(share.abs() / day, Style::Terminal)));
            let how = match action.trigger {
                Trigger::Close { at: close, .. } if close.since(next.at) > next.bar => {
                    format!(" close in {}", close.since(next.at))
                }
                Trigger::Close { .. } => " close".to_owned(),
                _ => String::new(),
            };
            [signed(share), format!("{}{how}", price(*at)), moves]
        }
        Trigger::Underlying { price: at, now, .. } => {
            let share = at.approximate() / now.approximate() - 1.0;
            let grid = Price::from_raw(Price::ONE / 100);
            [signed(share), format!("underlying {}", show::price(*at, grid, Style::Terminal)), String::new()]
        }
        Trigger::Time { at } if *at == next.at => ["now".to_owned(), String::new(), String::new()],
        Trigger::Time { at } => [String::new(), show::time(*at), format!("in {}", at.since(next.at))],
        Trigger::Series { name, now, value } => {
            [signed(value / now - 1.0), format!("{name} {}", shown_of(next, name).text(*value)), String::new()]
        }
    }
}

/// How a value of a series or fact is written.
fn shown_of(next: &Next, name: &str) -> Shown {
    let is_share = next.volatilities.iter().any(|known| known == name) || name == "implied volatility";
    if is_share { Shown::Percent } else { Shown::of_fact(name) }
}

fn signed(share: f64) -> String {
    let shown = show::percent(share, 1, Style::Terminal);
    if share > 0.0 { format!("+{shown} %") } else { format!("{shown} %") }
}

/// The same for machines.
pub(crate) fn json(next: &Next) -> Value {
    let (low, high) = next.quiet();
    let action = |action: &Action| {
        let trigger = match &action.trigger {
            Trigger::Resting { price } => {
                json!({ "kind": "resting", "price": price.to_string(), "distance": next.distance(*price) })
            }
            Trigger::Close { price, at } => {
                json!({ "kind": "close", "price": price.to_string(), "distance": next.distance(*price), "time": at.to_string() })
            }
            Trigger::Liquidation { price } => {
                json!({ "kind": "liquidation", "price": price.to_string(), "distance": next.distance(*price) })
            }
            Trigger::Underlying { price, now, at } => json!({
                "kind": "underlying", "price": price.to_string(), "distance": price.approximate() / now.approximate() - 1.0,
                "time": at.to_string(),
            }),
            Trigger::Time { at } => json!({ "kind": "time", "time": at.to_string() }),
            Trigger::Series { name, now, value } => {
                json!({ "kind": "series", "series": name, "now": now, "value": value })
            }
        };
        json!({
            "trigger": trigger, "what": action.what, "before": action.before.to_string(), "after": action.after.to_string(),
            "rule": action.rule, "because": action.because,
        })
    };
    json!({
        "time": next.at.to_string(), "strategy": next.strategy, "instrument": next.instrument, "price": next.price.to_string(),
        "position": next.position.to_string(), "equity": next.equity.to_string(), "daily_move": next.daily_move,
        "underlying": next.underlying.map(|price| price.to_string()),
        "quiet": [low.map(|price| price.to_string()), high.map(|price| price.to_string())], "bar_seconds": next.bar.nanos() / 1_000_000_000,
        "actions": next.actions.iter().map(action).collect::<Vec<_>>(), "not_varied": next.fixed,
        "stopped": next.stopped.iter().map(|of| json!({
            "series": of.name, "last": of.last, "told": of.told.to_string(), "max_age_seconds": of.max_age.nanos() / 1_000_000_000,
        })).collect::<Vec<_>>(),
        "what_if": next.what_if.as_ref().map(|what_if| json!({
            "set": what_if.set.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
            "policy": what_if.changed.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
            "fills": what_if.fills.iter().map(|fill| json!({
                "purpose": fill.purpose, "quantity": fill.qty.to_string(), "price": fill.price.to_string(),
            })).collect::<Vec<_>>(),
            "plans": what_if.plans.iter().map(|plan| json!({
                "position": plan.position.to_string(), "target": plan.target.to_string(),
                "steps": plan.steps.iter().map(|step| json!({
                    "rule": step.rule, "outcome": step.outcome, "before": step.before.to_string(),
                    "after": step.after.to_string(), "because": step.because,
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        })),
        "legs": next.legs.iter().map(|leg| json!({
            "symbol": leg.symbol, "quantity": leg.quantity.to_string(), "expiry": leg.expiry.to_string(),
            "rolls": leg.rolls.map(|at| at.to_string()),
        })).collect::<Vec<_>>(),
        "hedge": next.hedge.map(|hedge| json!({
            "delta": hedge.delta, "band": hedge.band, "target": hedge.target.to_string()
        })),
        "on_their_way": next.on_their_way.iter().map(|order| {
            json!({
                "instrument": leg_of(next, order).unwrap_or(&next.instrument),
                "side": &*order.side, "quantity": order.quantity.to_string(), "purpose": &*order.purpose, "kind": &*order.kind,
                "trigger": order.trigger.map(|price| price.to_string()), "price": order.price.map(|price| price.to_string()),
            })
        }).collect::<Vec<_>>(),
    })
}
