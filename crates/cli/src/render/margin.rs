//! A venue's margin in a terminal.

use super::wrap;
use crate::terminal::{Terminal, WARNING};
use backtest::portfolio::{Edge, FigureView, LiquidationView, MarginView, PositionView};
use units::Duration;
use units::show::{self, Style};

/// Prices are shown to so many digits at least.
const DIGITS: usize = 7;

/// Columns of a table, as wide as they are meant to be or as what is put into them: the first from the left, the others from the right.
struct Columns {
    widths: Vec<usize>,
    rows: Vec<Line>,
}

enum Line {
    Cells(Vec<String>, String),
    /// A sentence between rows.
    Text(String),
}

impl Columns {
    fn new(widths: &[usize]) -> Self {
        Self { widths: widths.to_vec(), rows: Vec::new() }
    }

    /// A row, and what stands behind it.
    fn row<const N: usize>(&mut self, cells: [String; N], behind: String) {
        for (at, (width, cell)) in self.widths.iter_mut().zip(&cells).enumerate() {
            // What stands from the right begins with a blank.
            *width = (*width).max(cell.chars().count() + usize::from(at > 0));
        }
        self.rows.push(Line::Cells(cells.into(), behind));
    }

    fn text(&mut self, text: String) {
        self.rows.push(Line::Text(text));
    }

    fn show(self, terminal: &Terminal) {
        for row in self.rows {
            match row {
                Line::Text(text) => terminal.result(text),
                Line::Cells(cells, behind) => {
                    let mut line = String::from("  ");
                    for (at, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
                        line += &if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
                    }
                    line += &behind;
                    terminal.result(line.trim_end());
                }
            }
        }
    }
}

/// Prints one account: totals, positions, where it is liquidated, what must be known; with `explain` every component and scenario.
pub(crate) fn show(view: &MarginView, explain: bool, terminal: &Terminal) {
    terminal.json("margin", view);
    terminal.result(format_args!(
        "  {}   {}   {}   in {}",
        view.model,
        view.account,
        show::time(view.time.floor(Duration::SECOND)),
        view.currency
    ));
    totals(view, terminal);
    components(view, explain, terminal);
    if explain {
        scenarios(view, terminal);
    }
    positions(view, terminal);
    exits(view, terminal);
    liquidation(view, terminal);
    notes(view, explain, terminal);
}

fn totals(view: &MarginView, terminal: &Terminal) {
    let told = |figure: &FigureView| amount(figure, view);
    let ratio = figure_or_missing(&view.ratio, |ratio| show::percent(ratio, 1, Style::Terminal));
    let lines = [
        ("equity", &view.equity, "collateral", &view.collateral, String::new()),
        ("initial margin", &view.initial, "free", &view.free, String::new()),
        ("maintenance margin", &view.maintenance, "headroom", &view.headroom, format!("   ratio {ratio} %")),
    ];
    let width =
        lines.iter().map(|row| told(row.1).chars().count().max(told(row.3).chars().count())).fold(15, usize::max);
    terminal.result("");
    for (name, figure, beside, other, behind) in lines {
        let (figure, other) = (told(figure), told(other));
        // The longest word of the two leaves a blank before a long number.
        let gap = width + usize::from(width > 15);
        terminal.result(format_args!("  {name:<20}{figure:>width$}   {beside:<9}{other:>gap$}{behind}"));
    }
    leverage(view, terminal);
    if let Some(worst) = view.worst.and_then(|worst| view.scenarios.get(worst)) {
        terminal.result(format_args!("  {:<20}{:>15}   {}", "worst scenario", money(worst.profit, view), worst.name));
    }
    if let Some(orders) = &view.orders {
        let which = match (&orders.filled, orders.is_in_initial) {
            (_, true) => "in the initial margin".to_owned(),
            (Some(filled), _) if filled.is_empty() => "no fill of them needs more".to_owned(),
            (Some(filled), _) => {
                let end = if filled.len() == 1 { "fills" } else { "fill" };
                format!("on top, if {} {end}", rows("orders", filled))
            }
            (None, _) => orders.needed.absent.clone().unwrap_or_default(),
        };
        let name = format!("{} open order{}", orders.count, if orders.count == 1 { "" } else { "s" });
        terminal.result(format_args!("  {name:<20}{:>15}   {which}", told(&orders.needed)));
    }
    if view.headroom.value.is_some_and(|headroom| headroom < 0.0) {
        terminal.result(format_args!(
            "  {WARNING}LIQUIDATED{WARNING:#}: equity is under the maintenance margin at these prices"
        ));
    }
    for (name, figure) in [("equity", &view.equity), ("ratio", &view.ratio)] {
        if let Some(reason) = &figure.absent {
            terminal.result(format_args!("  no {name}: {reason}"));
        }
    }
}

/// Assets over equity, and what a little more borrowed, or a little less worth, makes of it.
fn leverage(view: &MarginView, terminal: &Terminal) {
    let found = &view.leverage;
    let (Some(assets), Some(ratio), Some(more), Some(by)) =
        (found.assets, found.ratio, found.per_borrowed, found.per_return)
    else {
        if let Some(reason) = &found.absent {
            terminal.result(format_args!("  {}", wrap(&format!("no leverage: {reason}"), terminal.width(), 4)));
        }
        return;
    };
    if assets == 0.0 {
        return;
    }
    // A coin is much, a dollar little.
    let unit = if show::minor_unit(&view.currency) > 2 { 1.0 } else { 1_000.0 };
    let number = |value: f64| show::significant(value, 3, Style::Terminal);
    let sign = |value: f64| if value > 0.0 { "+" } else { "" };
    let (ratio, fall) = (show::ratio(ratio, Style::Terminal), -by * 0.01);
    terminal.result(format_args!("  {:<20}{:>15}   {ratio} x the equity", "assets", money(assets, view)));
    terminal.result(format_args!(
        "    +{} x per {} {} borrowed, {}{} x per 1 % that prices fall",
        number(more * unit),
        show::number(unit, 0, Style::Terminal),
        view.currency,
        sign(fall),
        number(fall)
    ));
}

fn exits(view: &MarginView, terminal: &Terminal) {
    let Some(whole) = &view.exit else { return };
    let share = show::percent(whole.participation, 1, Style::Terminal);
    let mut table = Columns::new(&[34, 20, 24]);
    table.text(String::new());
    let head = format!("exit at {share} % of the volume");
    table.row([head, "traded a day".to_owned(), "takes".to_owned()], String::new());
    let told = |seconds: Option<f64>| seconds.map_or_else(|| show::MISSING.to_owned(), time);
    for position in &view.positions {
        let Some(exit) = &position.exit else { continue };
        let volume =
            exit.volume.map_or_else(|| show::MISSING.to_owned(), |volume| show::number(volume, 0, Style::Terminal));
        table.row([position.instrument.clone(), volume, told(exit.seconds)], String::new());
    }
    if view.positions.len() > 1 {
        table.row(["all, side by side".to_owned(), String::new(), told(whole.seconds)], String::new());
    }
    table.show(terminal);
    let exits = view.positions.iter().filter_map(|position| Some((position, position.exit.as_ref()?.absent.as_ref()?)));
    let mut reasons: Vec<(&String, Vec<&str>)> = Vec::new();
    for (position, reason) in exits {
        match reasons.iter_mut().find(|(said, _)| *said == reason) {
            Some((_, of)) => of.push(&position.instrument),
            None => reasons.push((reason, vec![&position.instrument])),
        }
    }
    for (reason, of) in reasons {
        let said = format!("{}: {reason}", of.join(", "));
        terminal.result(format_args!("    {}", wrap(&said, terminal.width(), 4)));
    }
}

/// Whole seconds, up, in the two largest parts.
fn time(seconds: f64) -> String {
    show::duration(Duration::from_nanos((seconds.ceil() * 1e9) as i64), Style::Terminal)
}

fn components(view: &MarginView, explain: bool, terminal: &Terminal) {
    let shown = view.components.iter().filter(|component| explain || component.position.is_none());
    let shown: Vec<_> = shown.collect();
    if shown.is_empty() {
        return;
    }
    let mut table = Columns::new(&[44, 20]);
    table.text(String::new());
    table.row(["component".to_owned(), view.currency.clone()], String::new());
    let mut of = None;
    for component in shown {
        if explain && of != Some(&component.position) {
            if let Some(position) = &component.position {
                table.text(format!("  {position}"));
            }
            of = Some(&component.position);
        }
        let indent = if component.position.is_some() { "  " } else { "" };
        let value = match (&component.figure.exact, component.figure.value) {
            (Some(exact), _) if explain => exact.clone(),
            // To be compared with a screen.
            (None, Some(value)) if explain => show::significant(value, 8, Style::Terminal),
            _ => amount(&component.figure, view),
        };
        let why = component.figure.absent.as_ref().map_or(String::new(), |reason| format!("   {reason}"));
        let name = format!("{indent}{}", component.name);
        table.row([name, value], why);
    }
    table.show(terminal);
}

fn scenarios(view: &MarginView, terminal: &Terminal) {
    if view.scenarios.is_empty() {
        return;
    }
    let mut table = Columns::new(&[44, 20]);
    table.text(String::new());
    table.row(["scenario, with its weight".to_owned(), view.currency.clone()], String::new());
    for (at, row) in view.scenarios.iter().enumerate() {
        let worst = if view.worst == Some(at) { "   worst" } else { "" };
        let profit = show::significant(row.profit, 8, Style::Terminal);
        table.row([row.name.clone(), profit], worst.to_owned());
    }
    table.show(terminal);
}

fn positions(view: &MarginView, terminal: &Terminal) {
    if view.positions.is_empty() {
        return;
    }
    let by_tiers = view.positions.iter().any(|position| position.liquidation.is_some());
    let last = if by_tiers { "liquidated" } else { "mark" };
    let mut table = Columns::new(&[29, 11, 14, 12, 12]);
    let head = ["position", "quantity", last, "initial", "maint."];
    table.row(head.map(str::to_owned), String::new());
    for position in &view.positions {
        let more = |figure: fn(&backtest::portfolio::Marginal) -> &FigureView| {
            let found = position.one_more.as_ref().and_then(|more| figure(more).value);
            found.map_or_else(|| show::MISSING.to_owned(), short)
        };
        let (initial, maintenance) = (more(|more| &more.initial), more(|more| &more.maintenance));
        let at = match &position.liquidation {
            Some(found) => figure_or_missing(found, price),
            None => position.price.clone().unwrap_or_else(|| show::MISSING.to_owned()),
        };
        table.row([position.instrument.clone(), position.quantity.clone(), at, initial, maintenance], String::new());
        reasons(position, view, terminal, &mut table);
    }
    // Over the last two columns.
    let end: usize = table.widths[..4].iter().sum();
    terminal.result(format_args!("\n  {:>end$}", "one more needs"));
    table.show(terminal);
    terminal.result("  one more: a coin, or its worth of an inverse contract, in the same direction");
}

fn reasons(position: &PositionView, view: &MarginView, terminal: &Terminal, table: &mut Columns) {
    let end = if position.is_liquidated == Some(true) { ", under its maintenance margin: LIQUIDATED" } else { "" };
    let isolated = position.isolated_equity.as_ref().map(|equity| {
        let equity = equity.parse().map_or_else(|_| equity.clone(), |equity| money(equity, view));
        let ratio = position.leverage.as_ref().and_then(|leverage| leverage.ratio);
        let ratio = ratio.map_or_else(String::new, |ratio| format!(", {} x", show::ratio(ratio, Style::Terminal)));
        format!("isolated, equity {equity} {}{ratio}{end}", view.currency)
    });
    let liquidation = position.liquidation.as_ref().and_then(|found| found.absent.clone());
    let beyond = position.beyond.map(|at| format!("on the other side liquidated at {} too", price(at)));
    let more = position.one_more_absent.as_ref().map(|reason| format!("one more: {reason}"));
    for reason in [isolated, liquidation, beyond, more].into_iter().flatten() {
        table.text(format!("    {}", wrap(&reason, terminal.width(), 4)));
    }
}

fn liquidation(view: &MarginView, terminal: &Terminal) {
    if view.liquidation.is_empty() {
        return;
    }
    let mut table = Columns::new(&[11, 10, 11, 7, 6, 11, 7, 6, 8]);
    table.text(String::new());
    let head = ["liquidation", "now", "under", "%", "moves", "over", "%", "moves", "1 d %"];
    table.row(head.map(str::to_owned), String::new());
    for found in &view.liquidation {
        let LiquidationView { coin, position, price: now, below, above, touch, .. } = found;
        let name = match (coin, position) {
            (Some(coin), Some(_)) => format!("{coin} alone"),
            (Some(coin), None) => coin.clone(),
            (None, _) => "all coins".to_owned(),
        };
        let touch = touch
            .as_ref()
            .map_or_else(|| show::MISSING.to_owned(), |touch| show::percent(touch.martingale, 2, Style::Terminal));
        let now = if coin.is_some() { price(*now) } else { "x 1".to_owned() };
        let ([at, share, moves], [high, high_share, high_moves]) = (edge(below), edge(above));
        table.row([name, now, at, share, moves, high, high_share, high_moves, touch], String::new());
    }
    if let Some(vol) = &view.volatility {
        let told = |edge: &Edge| {
            edge.at.map_or_else(|| show::MISSING.to_owned(), |at| format!("x {}", show::ratio(at, Style::Terminal)))
        };
        let (none, name) = (String::new, "volatility".to_owned());
        let row = [name, "x 1".to_owned(), told(&vol.below), none(), none(), told(&vol.above), none(), none(), none()];
        table.row(row, String::new());
    }
    table.show(terminal);
    terminal.result("  moves: standard deviations of a day; 1 d: touched within a day, without drift");
    if view.liquidation.iter().any(|found| found.position.is_some()) {
        terminal.result("  alone: an isolated position, by its own mark and the money set aside for it");
    }
    let mut said: Vec<String> = Vec::new();
    for found in &view.liquidation {
        let name = found.position.as_deref().or(found.coin.as_deref()).unwrap_or("all coins");
        let none = [&found.below, &found.above].map(|edge| edge.absent.as_deref());
        for (side, reason) in ["under", "over"].into_iter().zip(none) {
            // A dash says that there is none.
            if let Some(reason) = reason.filter(|reason| !reason.starts_with("nothing")) {
                said.push(format!("{name} {side}: {reason}"));
            }
        }
        if let Some(reason) = found.touch_absent.as_ref().filter(|_| found.coin.is_some()) {
            said.push(format!("{name} in 1 d: {reason}"));
        }
    }
    for line in said {
        terminal.result(format_args!("  {}", wrap(&line, terminal.width(), 2)));
    }
}

/// Where, how far as a share, and how many moves of a day.
fn edge(edge: &Edge) -> [String; 3] {
    let missing = || show::MISSING.to_owned();
    let at = edge.at.map_or_else(missing, price);
    let distance = edge.distance.map_or_else(String::new, |share| show::percent(share, 1, Style::Terminal));
    let moves = edge.daily_moves.map_or_else(String::new, |moves| show::number(moves, 1, Style::Terminal));
    [at, distance, moves]
}

fn notes(view: &MarginView, explain: bool, terminal: &Terminal) {
    let until = view.parameters.until.as_ref().map_or(String::new(), |until| format!(" until {until}"));
    let parameters = format!("parameters: {}, valid from {}{until}", view.parameters.file, view.parameters.from);
    let unverified: Vec<&str> = view.notes.iter().filter_map(|note| note.strip_prefix("unverified: ")).collect();
    terminal.result("");
    let mut lines = vec![parameters];
    lines.extend(view.notes.iter().filter(|note| explain || !note.starts_with("unverified: ")).cloned());
    if !explain && !unverified.is_empty() {
        let mut names: Vec<&str> = unverified.iter().map(|row| row.split(" = ").next().unwrap_or(row)).collect();
        names.dedup();
        lines.push(format!("unverified parameters [U]: {}", names.join(", ")));
    }
    for line in lines {
        terminal.result(format_args!("  {}", wrap(&line, terminal.width(), 4)));
    }
}

fn rows(list: &str, rows: &[usize]) -> String {
    let rows: Vec<String> = rows.iter().map(|row| format!("{list}[{row}]")).collect();
    rows.join(" and ")
}

fn amount(figure: &FigureView, view: &MarginView) -> String {
    figure_or_missing(figure, |value| money(value, view))
}

fn figure_or_missing(figure: &FigureView, show: impl Fn(f64) -> String) -> String {
    figure.value.map_or_else(|| show::MISSING.to_owned(), show)
}

fn money(value: f64, view: &MarginView) -> String {
    show::money_estimate(value, show::minor_unit(&view.currency), Style::Terminal)
}

fn price(value: f64) -> String {
    show::significant(value, DIGITS, Style::Terminal)
}

/// An amount in a narrow column.
fn short(value: f64) -> String {
    show::significant(value, 5, Style::Terminal)
}
