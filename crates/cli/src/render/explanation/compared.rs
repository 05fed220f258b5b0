//! Two instants of a run beside each other: what differs in the state, in the plans in force and in their steps.

use super::{Grids, json, plan_lines};
use crate::render::wrap;
use backtest::{Explanation, RunRecord, StepView};
use serde_json::{Value, json as value};
use units::show::{self, Style};

/// A line of the comparison: its name, and what each of the two instants has.
struct Pair {
    name: &'static str,
    each: [String; 2],
}

impl Pair {
    fn differs(&self) -> bool {
        self.each[0] != self.each[1]
    }
}

/// What of two states and plans can be compared by one word.
fn pairs(both: [&Explanation; 2], grids: [Grids<'_>; 2]) -> Vec<Pair> {
    let of = |name: &'static str, read: &dyn Fn(&Explanation, Grids<'_>) -> String| Pair {
        name,
        each: [read(both[0], grids[0]), read(both[1], grids[1])],
    };
    let none = || show::MISSING.to_owned();
    vec![
        of("price", &|of, grids| grids.price(of.state.price)),
        of("equity", &|of, grids| grids.money(of.state.equity)),
        of("drawdown", &|of, _| format!("{} %", show::percent(of.state.drawdown, 1, Style::Terminal))),
        of("position", &|of, grids| grids.qty(of.state.position)),
        of("exposure", &|of, _| format!("{} x", show::ratio(of.state.exposure, Style::Terminal))),
        of("stop", &|of, grids| of.state.stop.map_or_else(none, |stop| grids.price(stop))),
        of("plan", &|of, _| of.plan.as_ref().map_or_else(none, |plan| plan.plan.to_string())),
        of("target", &|of, grids| of.plan.as_ref().map_or_else(none, |plan| grids.qty(plan.target))),
        of("twin position", &|of, grids| grids.qty(of.state.twin_position)),
    ]
}

/// Steps of two plans, each beside the one of the same rule: as many pairs of a rule as the plan has that names it more often.
fn steps<'a>(both: [&'a Explanation; 2]) -> Vec<(&'a str, [Option<&'a StepView>; 2])> {
    let of = |explained: &'a Explanation| explained.plan.as_ref().map_or(&[][..], |plan| &plan.steps[..]);
    let (first, mut left) = (of(both[0]), of(both[1]).iter().collect::<Vec<_>>());
    let mut told = Vec::new();
    for step in first {
        let Some(place) = left.iter().position(|other| other.rule == step.rule) else {
            told.push((step.rule.as_str(), [Some(step), None]));
            continue;
        };
        // Rules are asked in one order: what the other plan names before was not asked by this one.
        told.extend(left.drain(..place).map(|other| (other.rule.as_str(), [None, Some(other)])));
        told.push((step.rule.as_str(), [Some(step), Some(left.remove(0))]));
    }
    told.extend(left.into_iter().map(|other| (other.rule.as_str(), [None, Some(other)])));
    told
}

/// The lines for a terminal.
pub(crate) fn lines(both: [&Explanation; 2], record: &RunRecord, width: usize, verbose: bool) -> Vec<String> {
    let grids = both.map(|explained| Grids::of(record, explained));
    let symbol = both[0].instrument.split_once(':').map_or(both[0].instrument.as_str(), |(_, symbol)| symbol);
    let mut lines = vec![format!("  {} in {symbol}", both[0].strategy)];
    let all = pairs(both, grids);
    let times = both.map(|explained| show::time(explained.at));
    let columns =
        all.iter().flat_map(|pair| &pair.each).chain(&times).map(|text| text.chars().count()).max().unwrap_or(0);
    lines.push(format!("  {:<13}   {:>columns$}   {:>columns$}", "", times[0], times[1]));
    for pair in all.iter().filter(|pair| verbose || pair.differs()) {
        lines.push(format!("  {:<13}   {:>columns$}   {:>columns$}", pair.name, pair.each[0], pair.each[1]));
    }
    let same: Vec<&str> = all.iter().filter(|pair| !pair.differs()).map(|pair| pair.name).collect();
    if !verbose && !same.is_empty() {
        lines.push(format!("  {}", wrap(&format!("the same: {}", same.join(", ")), width, 4)));
    }
    let plans = both.map(|explained| explained.plan.as_ref());
    if let [Some(one), Some(other)] = plans
        && one.plan == other.plan
    {
        lines.push(format!("  plan {} was in force at both", one.plan));
        lines.extend(plan_lines(one, both[0], grids[0], width, "in force"));
        return lines;
    }
    let mut alike = Vec::new();
    for (rule, each) in steps(both) {
        if let [Some(one), Some(other)] = each
            && (&one.outcome, one.before, one.after, &one.because)
                == (&other.outcome, other.before, other.after, &other.because)
            && !verbose
        {
            alike.push(rule);
            continue;
        }
        lines.push(format!("  {rule}"));
        for ((step, plan), grids) in each.iter().zip(plans).zip(grids) {
            let number = plan.map_or_else(|| "no plan".to_owned(), |plan| format!("plan {}", plan.plan));
            let text = match (step, plan) {
                (Some(step), Some(plan)) => {
                    let measure = grids.measure(plan.price, plan.equity);
                    let (before, after) = (measure.exposure(step.before), measure.exposure(step.after));
                    let sizes = if before == after { format!("{after} =") } else { format!("{before} -> {after}") };
                    format!("{number:<9}  {sizes:<14}  {}: {}", step.outcome, step.because)
                }
                _ => format!("{number:<9}  not asked"),
            };
            lines.push(format!("    {}", wrap(text.trim_end(), width, 31)));
        }
    }
    if !alike.is_empty() {
        lines.push(format!("  {}", wrap(&format!("rules that say the same: {}", alike.join(", ")), width, 4)));
    }
    lines
}

/// The same as a value: both explanations, and what differs.
pub(crate) fn compared_json(both: [&Explanation; 2], record: &RunRecord) -> Value {
    let grids = both.map(|explained| Grids::of(record, explained));
    let shown = |step: Option<&StepView>| {
        step.map(|step| {
            value!({
                "outcome": step.outcome,
                "before": step.before.to_string(),
                "after": step.after.to_string(),
                "because": step.because,
            })
        })
    };
    let differs = |each: &[Option<&StepView>; 2]| each[0] != each[1];
    let steps = steps(both).into_iter().filter(|(_, each)| differs(each));
    value!({
        "run": record.chain,
        "strategy": both[0].strategy,
        "instrument": both[0].instrument,
        "at": json(both[0], record),
        "against": json(both[1], record),
        "differs": pairs(both, grids).iter().filter(|pair| pair.differs()).map(|pair| pair.name).collect::<Vec<_>>(),
        "steps": steps.map(|(rule, each)| value!({ "rule": rule, "at": shown(each[0]), "against": shown(each[1]) })).collect::<Vec<_>>(),
    })
}
