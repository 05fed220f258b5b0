//! Why a run held what it held.

mod compared;

pub(crate) use compared::{compared_json, lines as compared_lines};

use super::wrap;
use crate::terminal::WARNING;
use backtest::records::{FillRow, OrderRow};
use backtest::{Explanation, OrderView, PlanView, RunRecord, StepView};
use serde_json::{Value, json};
use units::show::{self, Style};
use units::{Cash, Contract, Price, Qty};

/// The instrument's grids, for showing.
#[derive(Debug, Clone, Copy)]
struct Grids<'a> {
    tick: Price,
    lot: Qty,
    /// What quantities count.
    unit: &'a str,
    contract: Contract,
    minor: usize,
    /// What a unit of a structure stands for; `None`: its price.
    exposure: Option<Price>,
}

impl<'a> Grids<'a> {
    fn of(record: &'a RunRecord, explained: &Explanation) -> Self {
        let own = record.instruments.iter().find(|known| known.symbol == explained.instrument);
        let instrument = own.unwrap_or_else(|| record.instrument());
        let contract = instrument.contract();
        Self {
            tick: instrument.tick.parse().unwrap_or(Price::from_raw(1)),
            lot: instrument.lot.parse().unwrap_or(Qty::from_raw(1)),
            unit: match contract {
                Contract::Linear => &instrument.base,
                Contract::Inverse => &instrument.quote,
            },
            contract,
            minor: show::minor_unit(&instrument.settle),
            exposure: explained.state.unit,
        }
    }

    fn measure(self, price: Price, equity: Cash) -> Measure {
        Measure { contract: self.contract, price: self.exposure.unwrap_or(price), equity }
    }

    fn price(self, value: Price) -> String {
        show::price(value, self.tick, Style::Terminal)
    }

    fn qty(self, value: Qty) -> String {
        show::qty(value, self.lot, Style::Terminal)
    }

    fn money(self, value: Cash) -> String {
        show::money(value, self.minor, Style::Terminal)
    }
}

/// What makes a size of a quantity: the contract, a price and an equity in the currency that the contract settles in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    pub(super) contract: Contract,
    pub(super) price: Price,
    pub(super) equity: Cash,
}

impl Measure {
    /// Size as a multiple of equity, the unit of all steps.
    pub(super) fn exposure(self, quantity: Qty) -> String {
        let value = self.contract.approximate_exposure(self.price, quantity);
        let shown = show::ratio(value / self.equity.approximate(), Style::Terminal);
        // A column of sizes keeps its decimal places.
        if shown == "0" { "0.00".to_owned() } else { shown }
    }
}

/// The lines for a terminal.
pub(crate) fn lines(explained: &Explanation, record: &RunRecord, width: usize, verbose: bool) -> Vec<String> {
    let grids = Grids::of(record, explained);
    let mut lines = Vec::new();
    match &explained.plan {
        None => lines.push(format!("  no plan yet at {}: nothing was decided before", show::time(explained.at))),
        Some(plan) => {
            // What the market did to the position is why the plan in force is there.
            let is_shown = |earlier: &&PlanView| verbose || earlier.steps.iter().any(|step| step.rule == "market");
            for earlier in explained.before.iter().filter(is_shown) {
                lines.extend(plan_lines(earlier, explained, grids, width, "before it in the same bar"));
            }
            let count = explained.before.iter().filter(|earlier| !is_shown(earlier)).count();
            if count > 0 {
                let plans = if count == 1 { "1 plan".to_owned() } else { format!("{count} plans") };
                lines.push(format!("  {plans} before it in the same bar (--verbose shows them)"));
            }
            lines.extend(plan_lines(plan, explained, grids, width, "in force"));
            let own = &explained.instrument;
            lines.extend(explained.orders.iter().map(|order| order_line(order, plan, grids, own)));
        }
    }
    lines.extend(state_lines(explained, grids));
    lines.extend(now_lines(explained, grids, width, verbose));
    if let Some(table) = assumed_margin(explained, record) {
        lines.push(format!("  {}", wrap(&format!("margin by {table}"), width, 4)));
    }
    if let Some((plan, time)) = explained.replaced {
        lines.push(format!("  replaced by plan {plan} at {}", show::time(time)));
    }
    lines
}

/// What the instrument is margined by where its venue's terms are not known.
fn assumed_margin<'a>(explained: &Explanation, record: &'a RunRecord) -> Option<&'a str> {
    record.configuration.get(&format!("margin of {}", explained.instrument)).map(String::as_str)
}

fn plan_lines(plan: &PlanView, explained: &Explanation, grids: Grids<'_>, width: usize, standing: &str) -> Vec<String> {
    let measure = grids.measure(plan.price, plan.equity);
    let symbol = explained.instrument.split_once(':').map_or(explained.instrument.as_str(), |(_, symbol)| symbol);
    let (number, since) = (plan.plan, show::time(plan.time));
    let (from, to) = (measure.exposure(plan.position), measure.exposure(plan.target));
    let (held, wanted) = (grids.qty(plan.position), grids.qty(plan.target));
    let change = if plan.position == plan.target {
        format!("{to} x equity   {wanted} {}", grids.unit)
    } else {
        format!("{from} -> {to} x equity   {held} -> {wanted} {}", grids.unit)
    };
    let mut lines = vec![format!("  plan {number} {standing} since {since}   {symbol}   {change}")];
    lines.extend(step_lines(&plan.steps, measure, width));
    lines
}

/// Steps in columns: rule, size before and after, sentence.
pub(super) fn step_lines(steps: &[StepView], measure: Measure, width: usize) -> Vec<String> {
    let rules = steps.iter().map(|step| step.rule.len()).max().unwrap_or(0);
    let line = |step: &StepView| {
        let (before, after) = (measure.exposure(step.before), measure.exposure(step.after));
        let sizes =
            if step.before == step.after { format!("{after:>5} =") } else { format!("{before:>5} -> {after:>5}") };
        let mark = match step.outcome.as_str() {
            outcome @ ("cut" | "refused" | "held" | "unmet") => format!("{WARNING}{outcome}{WARNING:#}: "),
            _ => String::new(),
        };
        let head = format!("  {:<rules$}   {sizes:<14}   ", step.rule);
        let sentence = wrap(&format!("{mark}{}", step.because), width, head.len());
        format!("{head}{sentence}").trim_end().to_owned()
    };
    steps.iter().map(line).collect()
}

fn order_line(view: &OrderView, plan: &PlanView, grids: Grids<'_>, own: &str) -> String {
    let OrderView { order, fills, state } = view;
    let mut line = format!("  sent {}", order_text(order, grids));
    // An option of a structure has a price of its own.
    let is_leg = order.instrument != *own;
    if is_leg {
        line += &format!(" of {}", order.instrument.split_once(':').map_or(&*order.instrument, |(_, symbol)| symbol));
    }
    let filled: Qty = fills.iter().map(|fill| fill.quantity).sum();
    if let Some(average) = average(fills, grids.contract) {
        let shown = show::price_estimate(average, grids.tick, Style::Terminal);
        line += &format!(", filled {} at {shown}", grids.qty(filled));
        if !is_leg {
            line += &slippage(average, plan.price, &order.side, fills.iter().any(|fill| fill.liquidity == "maker"));
        }
    } else {
        line += match state.as_str() {
            "place" | "amend" => ", on its way",
            "accepted" if order.kind == "market" => ", waiting for a price",
            "accepted" => ", resting",
            "cancelled" => ", cancelled",
            "rejected" => ", rejected",
            _ => "",
        };
    }
    line
}

/// What an order says: `sell 0.346 reduce-only market (cut)`.
fn order_text(order: &OrderRow, grids: Grids<'_>) -> String {
    let mut text = format!("{} {} {}", order.side, grids.qty(order.quantity), order.kind.replace('_', " "));
    if let Some(trigger) = order.trigger {
        text += &format!(" at {}", grids.price(trigger));
    } else if let Some(price) = order.price.filter(|_| order.kind != "market") {
        text += &format!(" at {}", grids.price(price));
    }
    if order.reduce_only {
        text += " reduce-only";
    }
    format!("{text} ({})", order.purpose)
}

/// The price at which all of it at once would have cost the same; of an inverse contract the harmonic mean.
fn average(fills: &[FillRow], contract: Contract) -> Option<f64> {
    let quantity: f64 = fills.iter().map(|fill| fill.quantity.approximate()).sum();
    let value: f64 = fills.iter().map(|fill| contract.approximate_exposure(fill.price, fill.quantity)).sum();
    (quantity > 0.0 && value > 0.0).then(|| match contract {
        Contract::Linear => value / quantity,
        Contract::Inverse => quantity / value,
    })
}

/// Against the price of the decision; says nothing of an order that waited for its price.
fn slippage(average: f64, decided: Price, side: &str, waited: bool) -> String {
    let decided = decided.approximate();
    if waited || decided <= 0.0 {
        return String::new();
    }
    let worse = if side == "buy" { average / decided - 1.0 } else { 1.0 - average / decided };
    let word = if worse > 0.0 { "worse" } else { "better" };
    format!(" ({} bp {word} than at the decision)", show::basis_points(worse.abs(), Style::Terminal))
}

fn state_lines(explained: &Explanation, grids: Grids<'_>) -> Vec<String> {
    let state = &explained.state;
    let mut lines = vec![format!(
        "  at {}: price {}, equity {}, position {} ({} x equity), drawdown {} %{}",
        show::time(state.time),
        grids.price(state.price),
        grids.money(state.equity),
        grids.qty(state.position),
        show::ratio(state.exposure, Style::Terminal),
        show::percent(state.drawdown, 1, Style::Terminal),
        state.stop.map_or_else(String::new, |stop| format!(", stop {}", grids.price(stop)))
    )];
    lines.extend(state.resting.iter().map(|order| format!("  resting {}", order_text(order, grids))));
    lines.push(format!(
        "  the twin holds {} with equity {}",
        grids.qty(state.twin_position),
        grids.money(state.twin_equity)
    ));
    lines
}

fn now_lines(explained: &Explanation, grids: Grids<'_>, width: usize, verbose: bool) -> Vec<String> {
    let Some(now) = &explained.now else { return Vec::new() };
    let (state, sizes) = (&explained.state, |steps: &[StepView]| steps.last().map(|step| step.after));
    let planned = explained.plan.as_ref().map(|plan| plan.target);
    let wanted = sizes(now);
    if wanted == planned && !verbose {
        return vec!["  the rules at that instant want the same".to_owned()];
    }
    let mut lines = vec![format!(
        "  the rules at that instant want {}",
        wanted.map_or(show::MISSING.to_owned(), |size| grids.qty(size))
    )];
    let measure = grids.measure(state.price, explained.now_equity.unwrap_or(state.equity));
    lines.extend(step_lines(now, measure, width));
    lines
}

/// The same as a value. Quantities, prices and amounts are exact decimals as text.
pub(crate) fn json(explained: &Explanation, record: &RunRecord) -> Value {
    let Explanation { at, strategy, instrument, plan, before, replaced, orders, state, now, .. } = explained;
    json!({
        "run": record.chain,
        "at": at.to_string(),
        "strategy": strategy,
        "instrument": instrument,
        "assumed_margin": assumed_margin(explained, record),
        "plan": plan.as_ref().map(plan_json),
        "before": before.iter().map(plan_json).collect::<Vec<_>>(),
        "replaced": replaced.map(|(plan, time)| json!({ "plan": plan, "time": time.to_string() })),
        "orders": orders.iter().map(|view| json!({
            "order": order_json(&view.order),
            "state": view.state,
            "fills": view.fills.iter().map(fill_json).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "state": {
            "time": state.time.to_string(),
            "price": state.price.to_string(),
            "equity": state.equity.to_string(),
            "position": state.position.to_string(),
            "exposure": state.exposure,
            "drawdown": state.drawdown,
            "stop": state.stop.map(|stop| stop.to_string()),
            "twin_position": state.twin_position.to_string(),
            "twin_equity": state.twin_equity.to_string(),
            "resting": state.resting.iter().map(order_json).collect::<Vec<_>>(),
        },
        "now": now.as_ref().map(|steps| steps_json(steps)),
    })
}

fn plan_json(plan: &PlanView) -> Value {
    json!({
        "plan": plan.plan,
        "time": plan.time.to_string(),
        "price": plan.price.to_string(),
        "equity": plan.equity.to_string(),
        "position": plan.position.to_string(),
        "target": plan.target.to_string(),
        "steps": steps_json(&plan.steps),
    })
}

pub(super) fn steps_json(steps: &[StepView]) -> Vec<Value> {
    let step = |step: &StepView| {
        json!({
            "rule": step.rule,
            "outcome": step.outcome,
            "before": step.before.to_string(),
            "after": step.after.to_string(),
            "because": step.because,
        })
    };
    steps.iter().map(step).collect()
}

fn order_json(order: &OrderRow) -> Value {
    json!({
        "order": order.order,
        "time": order.time.to_string(),
        "plan": order.plan,
        "purpose": order.purpose,
        "side": order.side,
        "quantity": order.quantity.to_string(),
        "kind": order.kind,
        "price": order.price.map(|price| price.to_string()),
        "trigger": order.trigger.map(|trigger| trigger.to_string()),
        "reduce_only": order.reduce_only,
    })
}

fn fill_json(fill: &FillRow) -> Value {
    json!({
        "time": fill.time.to_string(),
        "quantity": fill.quantity.to_string(),
        "price": fill.price.to_string(),
        "fee": fill.fee.to_string(),
        "liquidity": fill.liquidity,
    })
}

/// A moment and what the run decided then, in a few lines.
pub(crate) fn brief(explained: &Explanation, record: &RunRecord, width: usize) -> Vec<String> {
    let grids = Grids::of(record, explained);
    let Some(plan) = &explained.plan else { return Vec::new() };
    plan_lines(plan, explained, grids, width, "in force")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slippage_has_a_side() {
        let decided: Price = "100".parse().unwrap();
        assert_eq!(slippage(100.1, decided, "buy", false), " (10.0 bp worse than at the decision)");
        assert_eq!(slippage(100.1, decided, "sell", false), " (10.0 bp better than at the decision)");
        assert_eq!(slippage(100.1, decided, "sell", true), "");
    }
    #[test]
    fn a_size_is_of_the_contract() {
        // 600,000 dollars of contracts at 100,000 are 6 coins, 0.6 of 10; 6 coins at 100,000 are 0.6 of a million dollars.
        let exposure = |contract, quantity: &str, equity: &str| {
            let (price, equity) = ("100000".parse().unwrap(), equity.parse().unwrap());
            Measure { contract, price, equity }.exposure(quantity.parse().unwrap())
        };
        assert_eq!(exposure(Contract::Inverse, "600000", "10"), "0.60");
        assert_eq!(exposure(Contract::Inverse, "0", "10"), "0.00");
        assert_eq!(exposure(Contract::Linear, "6", "1000000"), "0.60");
    }
}
