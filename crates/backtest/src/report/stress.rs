//! Profit of a portfolio over spot and volatility as a heat map.

use super::svg::{Anchor, Svg, width_of};
use crate::portfolio::StressView;
use units::show::{self, Style};

const CELL: (f64, f64) = (88.0, 34.0);
/// Colour under numbers stays light enough to read them.
const DEEPEST: f64 = 0.55;

/// The picture. `None`: no grid was asked for.
#[must_use]
pub fn stress_svg(view: &StressView) -> Option<String> {
    let grid = view.grid.as_ref()?;
    let most = grid.profits.iter().fold(0.0_f64, |most, profit| most.max(profit.abs())).max(1e-9);
    let (left, top) = (96.0, 78.0);
    let (width, height) = (CELL.0 * grid.spots.len() as f64, CELL.1 * grid.vols.len() as f64);
    let (low, high) =
        grid.profits.iter().fold((0.0_f64, 0.0_f64), |(low, high), profit| (low.min(*profit), high.max(*profit)));
    let summary = format!(
        "Profit in USD over {} moves of all coins and {} of all volatilities: from {} to {}.",
        grid.spots.len(),
        grid.vols.len(),
        money(low),
        money(high)
    );
    let title = "P&L, USD";
    let question = "What if all coins and all volatilities move at once?";
    let least = left + width_of(title) + width_of(question) + 60.0;
    let mut svg = Svg::standalone((left + width + 24.0).max(least), top + height + 48.0, &summary);
    svg.title(left, 22.0, title, question);
    let worth = view.value.map_or_else(String::new, |value| format!("; worth {} USD now", money(value)));
    svg.text("lb", left, 42.0, Anchor::Start, &format!("{}{worth}", show::time(view.time)));
    svg.text("lb", left - 10.0, top - 8.0, Anchor::End, "vol \\ spot, %");
    for (column, spot) in grid.spots.iter().enumerate() {
        let x = left + CELL.0 * (column as f64 + 0.5);
        svg.text("ax", x, top - 8.0, Anchor::Middle, &show::percent(*spot, 1, Style::Page));
    }
    for (row, vol) in grid.vols.iter().enumerate() {
        let y = top + CELL.1 * row as f64;
        svg.text("ax", left - 10.0, y + CELL.1 * 0.5 + 4.0, Anchor::End, &show::percent(*vol, 1, Style::Page));
        for column in 0..grid.spots.len() {
            let profit = grid.profits[column * grid.vols.len() + row];
            let x = left + CELL.0 * column as f64;
            let class = if profit < 0.0 { "dn" } else { "up" };
            let (corner, size) = ((x + 1.0, y + 1.0), (CELL.0 - 2.0, CELL.1 - 2.0));
            svg.shade(class, profit.abs() / most * DEEPEST, corner, size);
            if (grid.spots[column], *vol) == (0.0, 0.0) {
                svg.rect("best", corner.0, corner.1, size.0, size.1);
                svg.text("lb", x + 5.0, y + 12.0, Anchor::Start, "now");
            }
            svg.text("in", x + CELL.0 * 0.5, y + CELL.1 * 0.5 + 4.0, Anchor::Middle, &money(profit));
        }
    }
    svg.text("lb", left, top + height + 26.0, Anchor::Start, "blue over zero, vermilion under, one scale for both");
    Some(svg.finish().into_string() + "\n")
}

fn money(value: f64) -> String {
    show::money_estimate(value, 2, Style::Page)
}
