//! Growth that is drawn from a run's own returns, and how deep its drawdowns go.

use super::scale::Axis;
use super::svg::{Anchor, PathData, Svg};
use crate::ruin::{CurveRow, RuinView};
use units::show::{self, Style};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 660.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 880.0;
const FAN: (f64, f64) = (60.0, 280.0);
const CURVE: (f64, f64) = (376.0, 596.0);

/// The picture: quantiles of growth over time, and the distribution of the worst drawdown with the levels asked for.
#[must_use]
pub fn ruin_svg(view: &RuinView) -> String {
    let told = view.drawdowns.iter().map(|chance| {
        let (level, drawn) = (show::percent(chance.level, 0, Style::Page), show::percent(chance.drawn, 1, Style::Page));
        format!("a drawdown of {level} percent on {drawn} percent of paths")
    });
    let days = show::number(view.horizon_days, 0, Style::Page);
    let summary = format!("Within {days} days: {}.", told.collect::<Vec<_>>().join(", "));
    let mut svg = Svg::standalone(WIDTH, HEIGHT, &summary);
    fan(&mut svg, view);
    curve(&mut svg, view);
    svg.finish().into_string() + "\n"
}

fn fan(svg: &mut Svg, view: &RuinView) {
    let (top, bottom) = FAN;
    let lows = view.fan.iter().map(|row| row.quantiles[0]);
    let highs = view.fan.iter().map(|row| row.quantiles[4]);
    let low = lows.fold(1.0, f64::min).max(0.01);
    let high = highs.fold(1.0, f64::max).max(low * 1.01);
    let x = Axis::linear((0.0, view.horizon_days), (LEFT, RIGHT));
    let y = Axis::log((low, high), (bottom, top));
    svg.title(LEFT, top - 34.0, "Growth of 1, ×", "Where may capital be?");
    let said = format!(
        "{} paths of {} returns in blocks; 5, 25, 50, 75 and 95 % of them are under each line",
        show::count(view.paths, Style::Page),
        show::count(view.returns as u64, Style::Page)
    );
    svg.text("lb", LEFT, top - 16.0, Anchor::Start, &said);
    let (ticks, decimals) = y.ticks(6);
    let rows: Vec<(f64, String)> =
        ticks.into_iter().map(|value| (value, show::number(value, decimals.max(1), Style::Page))).collect();
    svg.rows(&y, (LEFT, RIGHT), &rows);
    let (ticks, decimals) = x.ticks(8);
    for value in ticks {
        svg.line("gr", (x.at(value), top), (x.at(value), bottom));
        svg.text("ax", x.at(value), bottom + 18.0, Anchor::Middle, &number(value, decimals));
    }
    svg.text("lb", RIGHT, bottom + 36.0, Anchor::End, "days from now");
    let point = |at: usize, quantile: usize| (x.at(view.fan[at].days), y.at(view.fan[at].quantiles[quantile].max(low)));
    for (from, to) in [(0, 4), (1, 3)] {
        let mut band = PathData::default();
        let there = (0..view.fan.len()).map(|at| point(at, from));
        let back = (0..view.fan.len()).rev().map(|at| point(at, to));
        for (at, place) in there.chain(back).enumerate() {
            if at == 0 { band.move_to(place) } else { band.line_to(place) }
        }
        band.close();
        svg.shaded_path("up", 0.16, band);
    }
    svg.path("sl", line((0..view.fan.len()).map(|at| point(at, 2))));
    svg.line("ze", (LEFT, y.at(1.0)), (RIGHT, y.at(1.0)));
    if let Some(last) = view.fan.last() {
        // Labels that would lie on each other give way from the middle outwards.
        let mut taken: Vec<f64> = Vec::new();
        for (at, name) in [(2, "half"), (0, "5 %"), (4, "95 %"), (1, "25 %"), (3, "75 %")] {
            let place = y.at(last.quantiles[at].max(low)) + 4.0;
            if taken.iter().all(|other| (other - place).abs() >= 13.0) {
                let growth = show::ratio(last.quantiles[at], Style::Page);
                svg.text("lb", RIGHT + 8.0, place, Anchor::Start, &format!("{name} {growth}"));
                taken.push(place);
            }
        }
    }
}

fn curve(svg: &mut Svg, view: &RuinView) {
    let (top, bottom) = CURVE;
    let deepest = |value: fn(&CurveRow) -> Option<f64>| {
        view.worst
            .iter()
            .filter(|row| value(row).is_some_and(|share| share >= 0.002))
            .map(|row| row.drawdown)
            .fold(0.0, f64::max)
    };
    let levels = view.drawdowns.iter().map(|chance| chance.level).fold(0.0, f64::max);
    let reach = [deepest(|row| Some(row.drawn)), deepest(|row| row.twin), deepest(|row| Some(row.brownian)), levels];
    let most = (reach.into_iter().fold(0.1, f64::max) + 0.03).min(1.0);
    let x = Axis::linear((0.0, most * 100.0), (LEFT, RIGHT));
    // Over all curves there is room for what is said of the levels, a line for each of up to four.
    let room = 1.0 + 7.0 * view.drawdowns.len().min(4) as f64;
    let y = Axis::linear((0.0, 100.0 + room), (bottom, top));
    svg.title(LEFT, top - 34.0, "Worst drawdown at least so deep, % of paths", "How deep may it fall?");
    svg.text(
        "lb",
        LEFT,
        top - 16.0,
        Anchor::Start,
        "from the run's returns; Brownian: same mean and volatility, watched at every moment",
    );
    svg.rows(
        &y,
        (LEFT, RIGHT),
        &[0.0, 25.0, 50.0, 75.0, 100.0].map(|value| (value, show::number(value, 0, Style::Page))),
    );
    let (ticks, decimals) = x.ticks(10);
    for value in ticks {
        svg.line("gr", (x.at(value), top), (x.at(value), bottom));
        svg.text("ax", x.at(value), bottom + 18.0, Anchor::Middle, &number(value, decimals));
    }
    svg.text("lb", RIGHT, bottom + 36.0, Anchor::End, "drawdown, % of the highest");
    let points = |share: fn(&CurveRow) -> Option<f64>| {
        let inside = view.worst.iter().filter(move |row| row.drawdown <= most);
        inside.filter_map(move |row| Some((x.at(row.drawdown * 100.0), y.at(share(row)? * 100.0))))
    };
    svg.path("r1", line(points(|row| Some(row.brownian))));
    svg.path("tw", line(points(|row| row.twin)));
    svg.path("sl", line(points(|row| Some(row.drawn))));
    let names = [("sl", "scaled"), ("tw", "twin"), ("r1", "Brownian")];
    for (at, (class, name)) in names.into_iter().enumerate().filter(|(at, _)| *at != 1 || view.twin_kelly.is_some()) {
        let place = top + 12.0 + 16.0 * at as f64;
        svg.line(class, (RIGHT + 8.0, place - 4.0), (RIGHT + 28.0, place - 4.0));
        svg.text("lb", RIGHT + 34.0, place, Anchor::Start, name);
    }
    for (at, chance) in view.drawdowns.iter().enumerate() {
        let place = x.at(chance.level * 100.0);
        svg.stroke("lq", 1.2, PathData::default().moved((place, top)).lined((place, bottom)));
        let said = format!(
            "{} %: {} ± {}",
            number(chance.level * 100.0, 0),
            show::percent(chance.drawn, 1, Style::Page),
            show::percent(chance.error, 2, Style::Page)
        );
        let anchor = if place > RIGHT - 120.0 { Anchor::End } else { Anchor::Start };
        let aside = if anchor == Anchor::End { -5.0 } else { 5.0 };
        svg.text("in", place + aside, top + 12.0 + 15.0 * (at % 4) as f64, anchor, &said);
    }
}

fn line(points: impl Iterator<Item = (f64, f64)>) -> PathData {
    let mut path = PathData::default();
    for (at, place) in points.enumerate() {
        if at == 0 { path.move_to(place) } else { path.line_to(place) }
    }
    path
}

fn number(value: f64, decimals: usize) -> String {
    show::number(value, decimals, Style::Page)
}
