//! A sweep's ranking: what ranked, what came after, and how much of it may be luck.

use crate::terminal::{HINT, Terminal, WARNING};
use backtest::metrics::Figure;
use backtest::sweep::{By, Row, Sweep};
use serde_json::{Value, json};
use std::path::Path;
use units::show::{self, Style};

/// Rows of the ranking in the terminal.
const ROWS: usize = 10;
/// A deflated Sharpe ratio under this is called luck.
const SURE: f64 = 0.95;

/// Prints the ranking.
pub(crate) fn show(sweep: &Sweep, folder: &Path, terminal: &Terminal) {
    for row in &sweep.rows {
        terminal.json("sweep_run", &row_json(sweep, row));
    }
    let mut recipe = sweep.recipe();
    if let Value::Object(fields) = &mut recipe {
        fields.remove("text");
        fields.remove("version");
        fields.insert("folder".to_owned(), json!(folder));
    }
    terminal.json("sweep", &recipe);
    for line in lines(sweep, if terminal.is_verbose() { usize::MAX } else { ROWS }) {
        terminal.result(line);
    }
}

fn shown(figure: Figure, times: f64, decimals: usize) -> String {
    figure.map_or_else(|_| show::MISSING.to_owned(), |value| show::number(value * times, decimals, Style::Terminal))
}

fn lines(sweep: &Sweep, most: usize) -> Vec<String> {
    let axes = &sweep.request.axes;
    let widths: Vec<usize> = axes
        .iter()
        .map(|axis| axis.values.iter().chain([&axis.path]).map(|text| text.chars().count()).max().unwrap_or(0))
        .collect();
    let settings: usize = widths.iter().map(|width| width + 2).sum();
    let (day, by) = (sweep.split.date(), sweep.request.by);
    let mut lines = vec![
        format!("  {:>4}{:settings$}  {:^31}  {:^23}", "", "", format!("before {day}"), format!("from {day}")),
        format!(
            "  {:>4}{}  {:>7}{:>9}{:>9}{:>6}  {:>7}{:>9}{:>7}",
            "rank",
            axes.iter().zip(&widths).map(|(axis, width)| format!("  {:>width$}", axis.path)).collect::<String>(),
            "sharpe",
            "return%",
            "drawd.%",
            "defl.",
            "sharpe",
            "return%",
            "twin"
        ),
    ];
    let ranked = sweep.ranked();
    for row in ranked.iter().take(most) {
        let (train, test) = (&row.scaled.train, &row.scaled.test);
        let values = row.values.iter().zip(&widths).map(|(value, width)| format!("  {value:>width$}"));
        lines.push(format!(
            "  {:>4}{}  {:>7}{:>9}{:>9}{:>6}  {:>7}{:>9}{:>7}",
            row.rank.map_or_else(|| show::MISSING.to_owned(), |rank| rank.to_string()),
            values.collect::<String>(),
            shown(train.sharpe, 1.0, 2),
            shown(train.total_return, 100.0, 1),
            shown(train.drawdown, 100.0, 1),
            shown(row.deflated, 1.0, 2),
            shown(test.sharpe, 1.0, 2),
            shown(test.total_return, 100.0, 1),
            shown(row.twin.test.sharpe, 1.0, 2),
        ));
    }
    if ranked.len() > most {
        lines.push(format!("  and {} more in results.csv (all with --verbose)", ranked.len() - most));
    }
    lines.extend(verdict(sweep, by));
    lines
}

/// What the ranking is worth.
fn verdict(sweep: &Sweep, by: By) -> Vec<String> {
    let ranked = sweep.ranked();
    let Some(best) = ranked.first().filter(|row| row.rank.is_some()) else {
        return vec![format!(
            "  {WARNING}note{WARNING:#}     no run has a {}: the ranking part is too short",
            by.name()
        )];
    };
    let count = sweep.rows.len();
    let luck = match best.deflated {
        Ok(value) if value >= SURE => format!(
            "{HINT}more{HINT:#} than the luck of the best of {count} runs: deflated sharpe {}",
            show::ratio(value, Style::Terminal)
        ),
        Ok(value) => format!(
            "{WARNING}luck{WARNING:#} of the best of {count} runs explains it: deflated sharpe {}, under {SURE}",
            show::ratio(value, Style::Terminal)
        ),
        Err(why) => format!("luck cannot be told: the ranking part {why}"),
    };
    let after = best.rank_after.map_or_else(
        || match by.of(&best.scaled.test) {
            Err(why) => format!("afterwards there is no figure: {why}"),
            Ok(_) => "afterwards it has no rank".to_owned(),
        },
        |rank| format!("afterwards it ranked {rank} of {count}"),
    );
    vec![
        format!("  trust    {luck}"),
        format!("           {after}; `twin` is its twin's sharpe; one path, positions carry over the split"),
    ]
}

fn row_json(sweep: &Sweep, row: &Row) -> Value {
    let part = |part: &backtest::sweep::Part| {
        json!({
            "days": part.days,
            "sharpe": part.sharpe.ok(),
            "return": part.total_return.ok(),
            "volatility": part.volatility.ok(),
            "worst_drawdown": part.drawdown.ok(),
        })
    };
    let parts = |parts: &backtest::sweep::Parts| {
        let [train, test, whole] = [&parts.train, &parts.test, &parts.whole].map(part);
        json!({ "train": train, "test": test, "whole": whole })
    };
    let set: serde_json::Map<String, Value> =
        sweep.request.axes.iter().zip(&row.values).map(|(axis, value)| (axis.path.clone(), json!(value))).collect();
    json!({
        "run": row.run,
        "set": set,
        "rank": row.rank,
        "rank_test": row.rank_after,
        "deflated_sharpe": row.deflated.ok(),
        "scaled": parts(&row.scaled),
        "twin": parts(&row.twin),
        "fills": row.fills,
        "campaigns": row.campaigns,
        "liquidated": row.liquidated,
    })
}
