//! A portfolio's value at risk in a terminal.

use super::{cell, wrap};
use crate::terminal::Terminal;
use backtest::portfolio::{PartView, RiskView};
use units::Duration;
use units::show::{self, Style};

/// Prints the figures with what they rest on, and what each part adds; with `explain` how each factor moves.
pub(crate) fn show(view: &RiskView, explain: bool, terminal: &Terminal) {
    terminal.json("risk", view);
    let confidence = rounded(view.confidence * 100.0);
    terminal.result(format_args!(
        "  {}   worth {} USD   {confidence} %, {} ahead",
        show::time(view.time.floor(Duration::SECOND)),
        dollars(view.value),
        span(view.horizon_days)
    ));
    let seed = view.seed.map_or_else(String::new, |seed| format!(", seed {seed}"));
    let drawn = view
        .scenarios
        .map_or_else(String::new, |count| format!("; {} scenarios{seed}", show::count(count as u64, Style::Terminal)));
    let history = &view.history;
    let of = format!(
        "{}: {}{drawn}; history {} .. {}, {} changes of {}",
        view.method,
        view.method_text,
        show::time(history.from.floor(Duration::SECOND)),
        show::time(history.to.floor(Duration::SECOND)),
        show::count(history.changes as u64, Style::Terminal),
        span(history.step_days)
    );
    terminal.result(format_args!("  {}", wrap(&of, terminal.width(), 4)));
    figures(view, terminal);
    parts("holding", &view.holdings, &view.labels(), terminal);
    parts("underlying", &view.underlyings, &[], terminal);
    parts("strategy", &view.strategies, &[], terminal);
    parts("account", &view.accounts, &[], terminal);
    let mut parts = view.holdings.iter();
    if parts.any(|part| part.value_at_risk.is_none() || part.expected_shortfall.is_none()) {
        terminal.result("  no shares: the whole is nothing beside what its parts would lose alone");
    }
    terminal.result("  of: shares, which add up to the whole; w/out: how much less it is without");
    factors(view, explain, terminal);
    terminal.result("");
    terminal.result(format_args!("  {}", wrap(&view.quantile_text, terminal.width(), 4)));
    for note in &view.notes {
        terminal.result(format_args!("  {}", wrap(note, terminal.width(), 4)));
    }
}

fn figures(view: &RiskView, terminal: &Terminal) {
    terminal.result(format_args!("\n  {:<34}{:>24}", "", "standard error of"));
    terminal.result(format_args!("  {:<20}{:>14}{:>12}{:>12}{:>12}", "", "USD", "drawing", "history", "% of worth"));
    let (of_var, of_es) = (view.value_at_risk_history_error, view.expected_shortfall_history_error);
    for (name, figure, error, of_history) in [
        ("value at risk", view.value_at_risk, view.value_at_risk_error, of_var),
        ("expected shortfall", view.expected_shortfall, view.expected_shortfall_error, of_es),
    ] {
        let share = if view.value > 0.0 {
            show::percent(figure / view.value, 2, Style::Terminal)
        } else {
            show::MISSING.to_owned()
        };
        let [error, of_history] =
            [error, of_history].map(|error| error.map_or_else(|| show::MISSING.to_owned(), dollars));
        terminal.result(format_args!(
            "  {name:<20}{}{}{}{share:>12}",
            cell(&dollars(figure), 14),
            cell(&error, 12),
            cell(&of_history, 12)
        ));
    }
    terminal.result(format_args!("  {:<20}{:>14}", "P&L if nothing moves", dollars(view.time_alone)));
}

/// Holdings have labels of their own, and figures by unit.
fn parts(what: &str, parts: &[PartView], labels: &[String], terminal: &Terminal) {
    /// As wide as names are; a longer one has a line of its own.
    const NAME: usize = 25;
    let by_unit = !labels.is_empty();
    // What adds nothing, and lessens nothing, is not told.
    let told = |part: &PartView| {
        part.value_at_risk.unwrap_or(part.incremental_value_at_risk) != 0.0
            || part.expected_shortfall.unwrap_or(part.incremental_expected_shortfall) != 0.0
    };
    let parts: Vec<(&PartView, &str)> = parts
        .iter()
        .enumerate()
        .filter(|(_, part)| told(part))
        .map(|(at, part)| (part, labels.get(at).map_or(part.name.as_str(), String::as_str)))
        .collect();
    // One coin or strategy alone is the whole.
    if parts.is_empty() || (parts.len() == 1 && !by_unit) {
        return;
    }
    let unit = if by_unit { "VaR a unit" } else { "" };
    terminal.result(format_args!(
        "{}",
        format!("\n  {what:<NAME$}{:>10}{:>10}{:>11}{:>11}{unit:>11}", "of VaR", "of ES", "VaR w/out", "ES w/out")
            .trim_end()
    ));
    for (part, label) in parts {
        let unit = part.marginal_value_at_risk.filter(|_| by_unit);
        let share = |share: Option<f64>| share.map_or_else(|| show::MISSING.to_owned(), dollars);
        let figures = format!(
            "{}{}{}{}{}",
            cell(&share(part.value_at_risk), 10),
            cell(&share(part.expected_shortfall), 10),
            cell(&dollars(part.incremental_value_at_risk), 11),
            cell(&dollars(part.incremental_expected_shortfall), 11),
            unit.map_or_else(String::new, |unit| cell(&show::significant(unit, 4, Style::Terminal), 11))
        );
        if label.chars().count() > NAME {
            terminal.result(format_args!("  {label}\n  {:<NAME$}{figures}", ""));
        } else {
            terminal.result(format_args!("  {label:<NAME$}{figures}"));
        }
    }
}

fn factors(view: &RiskView, explain: bool, terminal: &Terminal) {
    terminal.result(format_args!("\n  {:<25}{:>10}  from", "moves", "dev., %"));
    for factor in &view.history.factors {
        let deviation = show::percent(factor.deviation, 2, Style::Terminal);
        let unit = if factor.unit == "share" { "" } else { ", pt per ln K" };
        let line = format!("{:<25}{deviation:>10}  {}", format!("{}{unit}", factor.name), factor.source);
        terminal.result(format_args!("  {}", wrap_behind(&line, terminal.width())));
    }
    if let Some(degrees) = view.degrees {
        let degrees = show::number(degrees, 1, Style::Terminal);
        terminal.result(format_args!("  tails of Student's law with {degrees} degrees of freedom"));
    }
    if let Some(correlation) = view.correlation.as_ref().filter(|_| explain) {
        terminal.result("\n  correlation");
        for (factor, row) in view.history.factors.iter().zip(correlation) {
            let row: String =
                row.iter().map(|value| format!("{:>7}", show::number(*value, 2, Style::Terminal))).collect();
            terminal.result(format_args!("  {:<25}{row}", factor.name));
        }
    }
}

/// A line whose last column goes on below itself; what stands before it keeps its room.
fn wrap_behind(line: &str, width: usize) -> String {
    const COLUMN: usize = 37;
    match line.char_indices().nth(COLUMN) {
        Some((at, _)) => {
            let (head, tail) = line.split_at(at);
            format!("{head}{}", wrap(tail, width, COLUMN + 2))
        }
        None => line.to_owned(),
    }
}

/// In days, or in hours where that is no whole number of them.
fn span(days: f64) -> String {
    if days.fract() == 0.0 { format!("{days} d") } else { format!("{} h", rounded(days * 24.0)) }
}

/// Without what multiplying leaves behind the last digit.
fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

fn dollars(value: f64) -> String {
    show::money_estimate(value, 2, Style::Terminal)
}
