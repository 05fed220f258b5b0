//! A sweep over two keys as a heat map: the part that ranks beside the part that came after, one colour scale for both.

use super::scale::extent;
use super::svg::{Anchor, Svg, width_of};
use crate::metrics::Figure;
use crate::sweep::{By, Part, Row, Sweep};
use units::show::{self, Style};

const CELL: (f64, f64) = (74.0, 34.0);
const GAP: f64 = 48.0;
/// Colour under numbers stays light enough to read them.
const DEEPEST: f64 = 0.55;

/// The picture, or none where not exactly two keys were varied.
#[must_use]
pub fn heat_map(sweep: &Sweep) -> Option<String> {
    let [down, across] = sweep.request.axes.as_slice() else { return None };
    let by = sweep.request.by;
    let values = |part: fn(&Row) -> &Part| -> Vec<Figure> { sweep.rows.iter().map(|row| by.of(part(row))).collect() };
    let (train, test) = (values(|row| &row.scaled.train), values(|row| &row.scaled.test));
    let all = train.iter().chain(&test).filter_map(|figure| figure.as_ref().ok().copied());
    let most = extent(all).map_or(1.0, |(low, high)| low.abs().max(high.abs())).max(1e-9);
    let labels = down.values.iter().map(|value| width_of(value)).fold(0.0, f64::max);
    let left = (labels + 26.0).max(60.0);
    let panel = CELL.0 * across.values.len() as f64;
    let (top, height) = (70.0, CELL.1 * down.values.len() as f64);
    let (name, unit) = match by {
        By::Sharpe => ("Sharpe ratio", ""),
        By::Return => ("Return", ", %"),
        By::Drawdown => ("Worst drawdown", ", %"),
    };
    let best = sweep.rows.iter().position(|row| row.rank == Some(1));
    let chosen = best.map_or_else(String::new, |best| {
        let row = &sweep.rows[best];
        let shown = |figure: Figure| figure.map_or_else(|_| show::MISSING.to_owned(), |value| number(by, value));
        let luck = row.deflated.map_or_else(|_| show::MISSING.to_owned(), |value| show::ratio(value, Style::Page));
        format!(
            "framed: the best before, {} and then {}; deflated Sharpe ratio {luck} of {} runs",
            shown(train[best]),
            shown(test[best]),
            sweep.rows.len()
        )
    });
    let summary = format!("{name} of {} runs by {} and {}; {chosen}.", sweep.rows.len(), down.path, across.path);
    let title = format!("{name}{unit}: {} down, {} across", down.path, across.path);
    let told = width_of(&title).max(width_of(&chosen) - 130.0) * 1.1 + 150.0;
    let width = (left + panel * 2.0 + GAP + 20.0).max(left + told);
    let mut svg = Svg::standalone(width, top + height + 62.0, &summary);
    svg.title(left, 22.0, &title, "Where did it hold up?");
    for (at, (figures, part)) in [(&train, "before"), (&test, "after")].into_iter().enumerate() {
        let x0 = left + (panel + GAP) * at as f64;
        svg.text("lb", x0, top - 26.0, Anchor::Start, &format!("{part} {}", sweep.split.date()));
        for (column, value) in across.values.iter().enumerate() {
            svg.text("ax", x0 + CELL.0 * (column as f64 + 0.5), top - 8.0, Anchor::Middle, value);
        }
        for (row, value) in down.values.iter().enumerate() {
            let y = top + CELL.1 * row as f64;
            if at == 0 {
                svg.text("ax", left - 10.0, y + CELL.1 * 0.5 + 4.0, Anchor::End, value);
            }
            for column in 0..across.values.len() {
                let index = row * across.values.len() + column;
                let x = x0 + CELL.0 * column as f64;
                let (middle, foot) = (x + CELL.0 * 0.5, y + CELL.1 * 0.5 + 4.0);
                match figures[index] {
                    Ok(value) => {
                        let class = if value < 0.0 { "dn" } else { "up" };
                        let corner = (x + 1.0, y + 1.0);
                        svg.shade(class, value.abs() / most * DEEPEST, corner, (CELL.0 - 2.0, CELL.1 - 2.0));
                        svg.text("in", middle, foot, Anchor::Middle, &number(by, value));
                    }
                    Err(_) => svg.text("ax", middle, foot, Anchor::Middle, show::MISSING),
                }
                if best == Some(index) {
                    svg.rect("best", x + 1.5, y + 1.5, CELL.0 - 3.0, CELL.1 - 3.0);
                }
            }
        }
    }
    svg.text("lb", left, top + height + 24.0, Anchor::Start, &chosen);
    svg.text("lb", left, top + height + 42.0, Anchor::Start, "blue over zero, vermilion under, one scale for both");
    Some(svg.finish().into_string() + "\n")
}

fn number(by: By, value: f64) -> String {
    match by {
        By::Sharpe => show::ratio(value, Style::Page),
        By::Return | By::Drawdown => show::percent(value, 1, Style::Page),
    }
}
