//! Equity and maintenance margin over the price of a coin, with the points of liquidation.

use super::scale::{Axis, extent};
use super::svg::{Anchor, PathData, Svg};
use crate::portfolio::{Curve, MarginView};
use units::show::{self, Style};

const WIDTH: f64 = 1000.0;
const PLOT: f64 = 240.0;
const HEAD: f64 = 56.0;
const FOOT: f64 = 44.0;
const LEFT: f64 = 96.0;
const RIGHT: f64 = 860.0;

/// The picture, one plot for each coin of each account. `None`: there is nothing to draw.
#[must_use]
pub fn margin_svg(views: &[MarginView]) -> Option<String> {
    let drawable = |curve: &&Curve| curve.points.len() > 1;
    let plots: Vec<(&MarginView, &Curve)> =
        views.iter().flat_map(|view| view.curves.iter().filter(drawable).map(move |curve| (view, curve))).collect();
    if plots.is_empty() {
        return None;
    }
    let told: Vec<String> = plots.iter().map(|(view, curve)| summary(view, curve)).collect();
    let height = (HEAD + PLOT + FOOT) * plots.len() as f64;
    let mut svg = Svg::standalone(WIDTH, height, &told.join(" "));
    for (at, (view, curve)) in plots.into_iter().enumerate() {
        plot(&mut svg, view, curve, (HEAD + PLOT + FOOT) * at as f64 + HEAD);
    }
    Some(svg.finish().into_string() + "\n")
}

fn name(curve: &Curve) -> &str {
    curve.position.as_deref().or(curve.coin.as_deref()).unwrap_or("all coins")
}

fn summary(view: &MarginView, curve: &Curve) -> String {
    let edges: Vec<String> = curve.edges.iter().map(|edge| price(*edge)).collect();
    let liquidated =
        if edges.is_empty() { "nowhere in sight".to_owned() } else { format!("at {}", edges.join(" and ")) };
    format!("{} of {} over {}: liquidated {liquidated}.", view.model, view.account, name(curve))
}

fn plot(svg: &mut Svg, view: &MarginView, curve: &Curve, top: f64) {
    let Curve { points, edges, price: now, .. } = curve;
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let all = points.iter().flat_map(|(_, equity, maintenance)| [*equity, *maintenance]);
    let (low, high) = extent(all.chain([0.0])).unwrap_or_default();
    let x = Axis::linear((first, last), (LEFT, RIGHT));
    let y = Axis::linear((low, high), (top + PLOT, top));
    let alone = curve.position.as_ref().map_or_else(String::new, |symbol| format!(", {symbol} by itself"));
    let title = format!("{}, {}{alone}: equity and maintenance margin, {}", view.model, view.account, view.currency);
    svg.title(LEFT, top - 34.0, &title, "At which price is it liquidated?");
    let (ticks, decimals) = y.ticks(5);
    let rows: Vec<(f64, String)> =
        ticks.into_iter().map(|value| (value, show::number(value, decimals, Style::Page))).collect();
    svg.rows(&y, (LEFT, RIGHT), &rows);
    let (ticks, decimals) = x.ticks(7);
    for value in ticks {
        svg.line("gr", (x.at(value), top), (x.at(value), top + PLOT));
        let label = show::number(value, decimals, Style::Page);
        svg.text("ax", x.at(value), top + PLOT + 18.0, Anchor::Middle, &label);
    }
    let unit = match (&curve.position, &curve.coin) {
        (Some(_), _) => "its mark",
        (None, Some(_)) => "USD",
        (None, None) => "times the present",
    };
    let label = format!("{}, {unit}", name(curve));
    svg.text("lb", RIGHT, top + PLOT + 36.0, Anchor::End, &label);
    svg.line("ze", (LEFT, y.at(0.0)), (RIGHT, y.at(0.0)));
    if x.contains(*now) {
        svg.line("ze", (x.at(*now), top), (x.at(*now), top + PLOT));
        svg.text("lb", x.at(*now), top - 8.0, Anchor::Middle, &format!("now {}", price(*now)));
    }
    let path = |value: fn(&(f64, f64, f64)) -> f64| {
        let mut path = PathData::default();
        for (at, point) in points.iter().enumerate() {
            let to = (x.at(point.0), y.at(value(point)));
            if at == 0 { path.move_to(to) } else { path.line_to(to) }
        }
        path
    };
    svg.path("tw", path(|point| point.2));
    svg.path("sl", path(|point| point.1));
    let end = points[points.len() - 1];
    let (equity, maintenance) = (y.at(end.1), y.at(end.2));
    // Labels at the lines' ends, apart from each other.
    let apart = if (equity - maintenance).abs() < 14.0 { 7.0_f64.copysign(equity - maintenance) } else { 0.0 };
    svg.text("lb", RIGHT + 8.0, equity + 4.0 + apart, Anchor::Start, "equity");
    svg.text("lb", RIGHT + 8.0, maintenance + 4.0 - apart, Anchor::Start, "maintenance margin");
    for edge in edges.iter().filter(|edge| x.contains(**edge)) {
        let at = x.at(*edge);
        svg.stroke("lq", 1.4, PathData::default().moved((at, top)).lined((at, top + PLOT)));
        // A label keeps clear of that of the present price.
        let (anchor, place) = if edge < now { (Anchor::End, at - 4.0) } else { (Anchor::Start, at + 4.0) };
        svg.text("in", place, top + 12.0, anchor, &format!("✕ {}", price(*edge)));
    }
}

fn price(value: f64) -> String {
    show::significant(value, 6, Style::Page)
}
