//! Runs side by side in a terminal, each figure over that of its twin.

use super::summary::{Card, rows, short};
use crate::terminal::{Terminal, WARNING};
use backtest::Run;
use backtest::metrics::Figure;
use backtest::report::{RunSummary, differences, letter, warnings};
use serde_json::{Value, json};
use std::path::PathBuf;
use units::show::{self, Style};

/// Characters of a run's column.
const COLUMN: usize = 12;

/// Prints the comparison.
pub(crate) fn show(paths: &[PathBuf], names: &[String], runs: &[Run], pages: &[RunSummary], terminal: &Terminal) {
    let cards: Vec<Card<'_>> = pages.iter().map(Card::of).collect();
    terminal.json("comparison", &as_json(paths, runs, &cards));
    for (at, ((name, run), page)) in names.iter().zip(runs).zip(pages).enumerate() {
        let (from, to) = (&run.record.first, &run.record.last);
        let span = format!("{} .. {}", from.get(..10).unwrap_or(from), to.get(..10).unwrap_or(to));
        let line =
            format!("  {}  {name}   {}   {span}   hash {}", letter(at), page.policy_names(), short(&run.record.chain));
        terminal.result(line);
    }
    for warning in warnings(runs) {
        terminal.note(format_args!("{WARNING}warning{WARNING:#}: {warning}"));
    }
    let cells = |texts: Vec<String>| texts.iter().map(|text| format!("{text:>COLUMN$}")).collect::<String>();
    terminal.result(format_args!(
        "\n  {:<26}{}",
        "",
        cells((0..runs.len()).map(|at| letter(at).to_string()).collect())
    ));
    let is_short = cards.iter().any(Card::is_short);
    for row in rows(is_short).iter().filter(|row| terminal.is_verbose() || !row.detail) {
        let shown = |figure: Figure| {
            let number = |value: f64| show::number(value * row.times, row.decimals, Style::Terminal);
            figure.map_or_else(|_| show::MISSING.to_owned(), number)
        };
        let scaled = cards.iter().map(|card| shown((row.read)(&card.scaled))).collect();
        let twin = cards.iter().map(|card| shown((row.read)(&card.twin))).collect();
        terminal.result(format_args!("  {:<26}{}", row.label, cells(scaled)));
        terminal.result(format_args!("    {:<24}{}", "twin", cells(twin)));
    }
    let count = |read: &dyn Fn(&Run) -> usize| {
        cells(runs.iter().map(|run| show::count(read(run) as u64, Style::Terminal)).collect())
    };
    terminal.result(format_args!("  {:<26}{}", "fills", count(&|run| run.tables.fills.len())));
    terminal.result(format_args!("  {:<26}{}", "campaigns", count(&|run| run.tables.campaigns.len())));
    let differing = differences(runs);
    if differing.is_empty() {
        terminal.result("\n  the policies say the same");
        return;
    }
    terminal.result("\n  the policies differ in");
    let widest = differing.iter().map(|found| found.key.chars().count()).max().unwrap_or(0);
    for found in &differing {
        let values = found
            .values
            .iter()
            .enumerate()
            .map(|(at, value)| format!("{} {}", letter(at), value.as_deref().unwrap_or(show::MISSING)));
        terminal.result(format_args!("  {:<widest$}   {}", found.key, values.collect::<Vec<_>>().join("   ")));
    }
    terminal.result("");
}

fn as_json(paths: &[PathBuf], runs: &[Run], cards: &[Card<'_>]) -> Value {
    let is_short = cards.iter().any(Card::is_short);
    let column = |read: &dyn Fn(&super::summary::Row) -> Figure| -> Value {
        rows(is_short).iter().map(|row| (row.key.to_owned(), read(row).ok().map_or(Value::Null, Value::from))).collect()
    };
    let runs_json = paths.iter().zip(runs).zip(cards).map(|((path, run), card)| {
        json!({
            "run": path,
            "policies": run.record.policies,
            "first": run.record.first,
            "last": run.record.last,
            "chain": run.record.chain,
            "scaled": column(&|row| (row.read)(&card.scaled)),
            "twin": column(&|row| (row.read)(&card.twin)),
            "fills": run.tables.fills.len(),
            "campaigns": run.tables.campaigns.len(),
        })
    });
    let differing: serde_json::Map<String, Value> =
        differences(runs).into_iter().map(|found| (found.key, json!(found.values))).collect();
    json!({ "runs": runs_json.collect::<Vec<_>>(), "policy_differences": differing, "warnings": warnings(runs) })
}
