//! A portfolio under stresses in a terminal.

use super::{cell, wrap};
use crate::terminal::{Terminal, WARNING};
use backtest::portfolio::{AfterView, GridView, NumberView, ParameterView, StressRow, StressView, bases};
use units::Duration;
use units::show::{self, Style};

/// Prints the table of stresses, what is left of each margin, the grid and the concentration; with `explain` each holding's profit and
/// what every number rests on.
pub(crate) fn show(view: &StressView, explain: bool, terminal: &Terminal) {
    terminal.json("stress", view);
    let value = view.value.map_or_else(|| show::MISSING.to_owned(), dollars);
    terminal.result(format_args!(
        "  {}   worth {value} USD   smiles stay by {}",
        show::time(view.time.floor(Duration::SECOND)),
        view.sticky
    ));
    stresses(view, terminal);
    margins(view, terminal);
    if explain {
        view.stresses.iter().for_each(|row| explained(row, terminal));
    }
    if let Some(grid) = &view.grid {
        self::grid(grid, terminal);
    }
    concentration(view, terminal);
    for note in &view.notes {
        terminal.result(format_args!("  {}", wrap(note, terminal.width(), 4)));
    }
}

fn stresses(view: &StressView, terminal: &Terminal) {
    terminal.result(format_args!(
        "\n  {:<24}{:>13}{:>9}  {:<20}{:>10}",
        "stress", "P&L, USD", "%", "worst holding", "rec/rep/as"
    ));
    for row in &view.stresses {
        let [recorded, reported, assumed] = bases(row);
        let bases = format!("{recorded}/{reported}/{assumed}");
        let Some(profit) = row.profit else {
            terminal.result(format_args!("  {:<24}{:>13}", row.name, show::MISSING));
            let reason = row.absent.as_deref().unwrap_or_default();
            terminal.result(format_args!("    {}", wrap(reason, terminal.width(), 4)));
            continue;
        };
        let share = view.value.filter(|value| *value > 0.0).map(|value| profit / value);
        let share = share.map_or_else(|| show::MISSING.to_owned(), |share| show::percent(share, 1, Style::Terminal));
        let worst = row.holdings.iter().min_by(|a, b| a.profit.total_cmp(&b.profit));
        let worst = worst.filter(|worst| worst.profit < 0.0).map_or("", |worst| worst.holding.as_str());
        // The contract is what is looked for; the venue stands in the file, unless another one lists that symbol too.
        let symbol = |name: &'_ str| name.split_once(':').map_or(name, |(_, symbol)| symbol).to_owned();
        let is_twice = row.holdings.iter().any(|of| of.holding != worst && symbol(&of.holding) == symbol(worst));
        let worst = if is_twice { worst.to_owned() } else { symbol(worst) };
        terminal.result(format_args!(
            "  {:<24}{}{share:>9}  {worst:<20}{bases:>10}",
            row.name,
            cell(&dollars(profit), 13)
        ));
    }
    terminal.result("  rec/rep/as: how many of a stress's numbers are recorded, reported, assumed");
}

fn margins(view: &StressView, terminal: &Terminal) {
    for (at, now) in view.now.iter().enumerate() {
        let model = if now.model.is_empty() { "margin" } else { now.model.as_str() };
        terminal.result(format_args!("\n  {model}, {}, {}", now.account, now.currency));
        terminal
            .result(format_args!("  {:<25}{:>15}{:>15}{:>9}  liquidated", "after", "equity", "maintenance", "ratio %"));
        line("no move", now, terminal);
        for row in &view.stresses {
            // What is absent for the reason that it is now is told once.
            if let Some(after) = row.after.get(at).filter(|after| after.absent.is_none() || after.absent != now.absent)
            {
                line(&row.name, after, terminal);
            }
        }
    }
    for row in view.stresses.iter().filter(|row| row.parameters.iter().any(|changed| !changed.rows.is_empty())) {
        let told = row.parameters.iter().filter(|changed| !changed.rows.is_empty());
        let told: Vec<String> = told.map(|changed| format!("{} × {}", changed.parameter, factor(changed))).collect();
        let said = format!("{}: {}, wherever it stands", row.name, told.join(", "));
        terminal.result(format_args!("  {}", wrap(&said, terminal.width(), 4)));
    }
    for row in view.stresses.iter().filter(|row| !row.not_applied.is_empty()) {
        let said = format!("{}: no account here has {}, which the venue changed", row.name, row.not_applied.join(", "));
        terminal.result(format_args!("  {}", wrap(&said, terminal.width(), 4)));
    }
}

fn line(name: &str, after: &AfterView, terminal: &Terminal) {
    if let Some(reason) = &after.absent {
        terminal.result(format_args!("  {name:<25}{:>15}", show::MISSING));
        terminal.result(format_args!("    {}", wrap(reason, terminal.width(), 4)));
        return;
    }
    let money = |value: Option<f64>| {
        let minor = show::minor_unit(&after.currency);
        value.map_or_else(|| show::MISSING.to_owned(), |value| show::money_estimate(value, minor, Style::Terminal))
    };
    let ratio = match (after.equity, after.maintenance) {
        (Some(equity), Some(maintenance)) if equity > 0.0 => show::percent(maintenance / equity, 1, Style::Terminal),
        _ => show::MISSING.to_owned(),
    };
    let end = match (after.is_liquidated, after.isolated_liquidated.as_slice()) {
        (Some(true), _) => format!("  {WARNING}LIQUIDATED{WARNING:#}"),
        (_, []) => String::new(),
        (_, isolated) => {
            let names: Vec<&str> =
                isolated.iter().map(|name| name.split_once(':').map_or(name.as_str(), |(_, symbol)| symbol)).collect();
            format!("  {WARNING}{}{WARNING:#}", names.join(", "))
        }
    };
    terminal.result(format_args!(
        "  {name:<25}{}{}{ratio:>9}{end}",
        cell(&money(after.equity), 15),
        cell(&money(after.maintenance), 15)
    ));
}

fn explained(row: &StressRow, terminal: &Terminal) {
    terminal.result(format_args!("\n  {}: {}", row.name, row.title));
    for holding in row.holdings.iter().filter(|holding| holding.profit != 0.0) {
        let name = format!("{} {}", holding.account, holding.holding);
        terminal.result(format_args!("    {name:<44}{:>14}", dollars(holding.profit)));
    }
    for number in &row.numbers {
        let of = if number.subject.is_empty() { String::new() } else { format!(" {}", number.subject) };
        let name = format!("{}{of}", number.field);
        terminal.result(format_args!("    {name:<44}{:>14}  {}", told(number), number.basis));
    }
    if !row.moves.is_empty() {
        let moves: Vec<String> = row.moves.iter().map(|(coin, by)| format!("{coin} {}", percent(*by))).collect();
        let said = format!("prices in USD here: {}", moves.join(", "));
        terminal.result(format_args!("    {}", wrap(&said, terminal.width(), 6)));
    }
    for changed in &row.parameters {
        let said = format!("{} × {}, wherever it stands:", changed.parameter, factor(changed));
        terminal.result(format_args!("    {}", wrap(&said, terminal.width(), 6)));
        for of in &changed.rows {
            let said = format!("{}: {} {} to {}", of.account, of.name, short(&of.before), short(&of.after));
            terminal.result(format_args!("      {}", wrap(&said, terminal.width(), 8)));
        }
        if changed.rows.is_empty() {
            terminal.result("      no account here has it");
        }
    }
    for (of, source) in &row.sources {
        let said = format!("{of}: {source}");
        terminal.result(format_args!("    {}", wrap(&said, terminal.width(), 6)));
    }
}

/// A number of a stress in its unit.
fn told(number: &NumberView) -> String {
    match number.field.as_str() {
        "spot" | "peg" | "vol.relative" | "vol.short" | "vol.twist" | "funding" => percent(number.value),
        "deviations" => format!("{} × daily vol", show::number(number.value, 2, Style::Terminal)),
        "vol.absolute" | "vol.floor" => format!("{} points", show::number(number.value * 100.0, 2, Style::Terminal)),
        _ => show::number(number.value, 4, Style::Terminal),
    }
}

fn percent(share: f64) -> String {
    format!("{} %", show::percent(share, 2, Style::Terminal))
}

/// What a parameter is multiplied by.
fn factor(changed: &ParameterView) -> String {
    plain(changed.factor, 4)
}

/// So many digits, without zeros behind.
fn plain(value: f64, digits: usize) -> String {
    let text = show::significant(value, digits, Style::Terminal);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The numbers of a row of parameters with as many digits as a reader needs.
fn short(value: &str) -> String {
    let part = |part: &str| match part.parse::<f64>() {
        Ok(number) => plain(number, 6),
        Err(_) => part.to_owned(),
    };
    value.split(':').map(part).collect::<Vec<_>>().join(":")
}

/// Columns of a grid beside the label.
const COLUMN: usize = 10;
const LABEL: usize = 8;

fn grid(grid: &GridView, terminal: &Terminal) {
    terminal.result("\n  P&L in USD: all coins across, all volatilities down, %");
    let fits = ((terminal.width() - LABEL - 2) / COLUMN).max(1);
    let indices: Vec<usize> = (0..grid.spots.len()).collect();
    for columns in indices.chunks(fits) {
        let head: String = columns
            .iter()
            .map(|at| format!("{:>COLUMN$}", show::percent(grid.spots[*at], 1, Style::Terminal)))
            .collect();
        terminal.result(format_args!("  {:<LABEL$}{head}", "vol"));
        for (row, vol) in grid.vols.iter().enumerate() {
            let cells: String =
                columns.iter().map(|at| cell(&dollars(grid.profits[at * grid.vols.len() + row]), COLUMN)).collect();
            terminal.result(format_args!("  {:<LABEL$}{cells}", show::percent(*vol, 1, Style::Terminal)));
        }
    }
}

fn concentration(view: &StressView, terminal: &Terminal) {
    let Some(found) = &view.concentration else { return };
    let shares = |parts: &[(String, f64)]| {
        let parts: Vec<String> = parts
            .iter()
            .map(|(name, share)| format!("{name} {} %", show::percent(*share, 1, Style::Terminal)))
            .collect();
        parts.join(", ")
    };
    let (market, counted) = (dollars(found.market), dollars(found.counted));
    let said = format!(
        "balances {market} USD, less haircuts {counted}; by venue, the largest first: {}",
        shares(&found.venues)
    );
    terminal.result(format_args!("\n  {}", wrap(&said, terminal.width(), 4)));
    if !found.stablecoins.is_empty() {
        let share = found.stablecoin_share.map_or_else(String::new, |share| show::percent(share, 1, Style::Terminal));
        let depeg = found.after_depeg.map_or_else(|| show::MISSING.to_owned(), dollars);
        let said = format!(
            "in stablecoins {share} % of all, and of that by coin, the largest first: {}; after their depeg the balances are {depeg}",
            shares(&found.stablecoins)
        );
        terminal.result(format_args!("  {}", wrap(&said, terminal.width(), 4)));
    }
}

fn dollars(value: f64) -> String {
    show::money_estimate(value, 2, Style::Terminal)
}
