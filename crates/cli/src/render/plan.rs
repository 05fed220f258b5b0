//! What to hold now, and why.

use super::explanation::{Measure, step_lines, steps_json};
use backtest::PlanAnswer;
use policy::{Add, Exit};
use serde_json::{Value, json};
use units::show;

/// The lines for a terminal. Prices and quantities are exact, as a state gives no other grid to show them on.
pub(crate) fn lines(answer: &PlanAnswer, width: usize) -> Vec<String> {
    let PlanAnswer { time, instrument, contract, price, equity, position, target, steps, add, exits } = answer;
    let measure = Measure { contract: *contract, price: *price, equity: *equity };
    let change = if position == target {
        format!("{} x equity   {target}", measure.exposure(*target))
    } else {
        format!("{} -> {} x equity   {position} -> {target}", measure.exposure(*position), measure.exposure(*target))
    };
    let mut lines = vec![format!("  plan for {}   {instrument} at {price}   {change}", show::time(*time))];
    lines.extend(step_lines(steps, measure, width));
    if position != target {
        let side = if target > position { "buy" } else { "sell" };
        lines.push(format!("  now     {side} {}", (*target - *position).abs()));
    }
    lines.extend(add.iter().map(|add| format!("  resting {}", add_text(add))));
    // Exits are on the other side of the position that they protect.
    let side = if target.raw() > 0 { "sell" } else { "buy" };
    lines.extend(exits.iter().map(|exit| match exit {
        Exit::Stop { trigger } => format!("  resting {side} all, stop at {trigger}, reduce-only"),
        Exit::Rung { index, price, qty } => {
            format!("  resting {side} {qty}, limit {price}, reduce-only (rung {})", index + 1)
        }
        Exit::WatchedStop { trigger } => format!("  watched {side} all, once {trigger} is crossed"),
        Exit::WatchedRung { index, price, qty } => {
            format!("  watched {side} {qty}, once {price} is crossed (rung {})", index + 1)
        }
        Exit::Take { index, qty } => format!("  now     {side} {qty}, at market, reduce-only (rung {})", index + 1),
    }));
    lines
}

fn add_text(add: &Add) -> String {
    let side = if add.qty.raw() > 0 { "buy" } else { "sell" };
    let limit = add.limit.map_or_else(String::new, |limit| format!(", not beyond {limit}"));
    format!("{side} {}, stop at {}{limit} (unit {})", add.qty.abs(), add.trigger, add.unit)
}

/// The same as a value; decimals are text.
pub(crate) fn json(answer: &PlanAnswer) -> Value {
    let PlanAnswer { time, instrument, contract: _, price, equity, position, target, steps, add, exits } = answer;
    json!({
        "time": time.to_string(),
        "instrument": instrument,
        "price": price.to_string(),
        "equity": equity.to_string(),
        "position": position.to_string(),
        "target": target.to_string(),
        "change": (*target - *position).to_string(),
        "steps": steps_json(steps),
        "add": add.map(|add| json!({
            "unit": add.unit,
            "quantity": add.qty.to_string(),
            "trigger": add.trigger.to_string(),
            "limit": add.limit.map(|limit| limit.to_string()),
        })),
        "exits": exits.iter().map(exit_json).collect::<Vec<_>>(),
    })
}

fn exit_json(exit: &Exit) -> Value {
    match exit {
        Exit::Stop { trigger } => json!({ "kind": "stop", "trigger": trigger.to_string() }),
        Exit::Rung { index, price, qty } => {
            json!({ "kind": "rung", "rung": index + 1, "price": price.to_string(), "quantity": qty.to_string() })
        }
        Exit::WatchedStop { trigger } => json!({ "kind": "watched_stop", "trigger": trigger.to_string() }),
        Exit::WatchedRung { index, price, qty } => {
            let (price, qty) = (price.to_string(), qty.to_string());
            json!({ "kind": "watched_rung", "rung": index + 1, "price": price, "quantity": qty })
        }
        Exit::Take { index, qty } => json!({ "kind": "take", "rung": index + 1, "quantity": qty.to_string() }),
    }
}
