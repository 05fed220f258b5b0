//! One run as a picture that stands alone: the price with what was done at it, and growth against the twin.

use super::markup::Markup;
use super::overview::labels;
use super::price::{Figure, columns, open_risk, rungs};
use super::scale::{Axis, extent, time_ticks};
use super::summary::{Fill, Purpose, RunSummary};
use super::svg::{Anchor, PathData, Svg, thin_line, width_of};
use super::view::{Known, View, counted, time};
use std::collections::BTreeMap;
use units::show::{self, Style};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 892.0;
const TOP: f64 = 58.0;
/// Instruments with a plot of their own, at most: those with most fills.
const PLOTS: usize = 4;
/// Pixels that share a column: a picture in a page needs no more.
const COLUMN: f64 = 2.0;

/// A kind of mark: its shape in the style sheet and the key, and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Long,
    Short,
    Add,
    Rung,
    Resize,
    Hedge,
    Exit,
    Cut,
    Stop,
    Liquidation,
}

impl Mark {
    fn of(fill: &Fill) -> Self {
        match fill.purpose {
            Purpose::Entry if fill.quantity < 0.0 => Self::Short,
            Purpose::Entry => Self::Long,
            Purpose::Add(_) => Self::Add,
            Purpose::Rung(_) => Self::Rung,
            Purpose::Resize | Purpose::Roll => Self::Resize,
            Purpose::Hedge => Self::Hedge,
            Purpose::Exit | Purpose::Settlement => Self::Exit,
            Purpose::Cut => Self::Cut,
            Purpose::Stop => Self::Stop,
            Purpose::Liquidation => Self::Liquidation,
        }
    }

    /// Its class and what the key calls it.
    fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Long => ("p1", "long"),
            Self::Short => ("p1", "short"),
            Self::Add => ("p2", "add"),
            Self::Rung => ("p3", "rung"),
            Self::Resize => ("p6", "resized, rolled"),
            Self::Hedge => ("p6", "hedge"),
            Self::Exit => ("p7", "exit, settled"),
            Self::Cut => ("p5", "limit cut"),
            Self::Stop => ("p4", "stop"),
            Self::Liquidation => ("p5", "liquidated"),
        }
    }

    /// Its corners around the spot; crosses are two strokes.
    fn draw(self, path: &mut PathData, (x, y): (f64, f64)) {
        let shape: &[(f64, f64)] = match self {
            Self::Long => &[(0.0, -6.0), (5.5, 4.0), (-5.5, 4.0)],
            Self::Short => &[(0.0, 6.0), (5.5, -4.0), (-5.5, -4.0)],
            Self::Add => &[(0.0, -5.0), (4.5, 3.0), (-4.5, 3.0)],
            Self::Rung => &[(0.0, 5.0), (4.5, -3.0), (-4.5, -3.0)],
            Self::Resize | Self::Hedge => &[(0.0, -2.4), (2.4, 0.0), (0.0, 2.4), (-2.4, 0.0)],
            Self::Exit => &[(-2.0, -4.0), (2.0, -4.0), (4.0, 0.0), (2.0, 4.0), (-2.0, 4.0), (-4.0, 0.0)],
            Self::Cut => &[(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0)],
            Self::Liquidation => &[(0.0, -8.0), (8.0, 0.0), (0.0, 8.0), (-8.0, 0.0)],
            Self::Stop => {
                for (from, to) in [((-4.0, -4.0), (4.0, 4.0)), ((4.0, -4.0), (-4.0, 4.0))] {
                    path.move_to((x + from.0, y + from.1));
                    path.line_to((x + to.0, y + to.1));
                }
                return;
            }
        };
        for (at, corner) in shape.iter().enumerate() {
            let corner = (x + corner.0, y + corner.1);
            if at == 0 { path.move_to(corner) } else { path.line_to(corner) }
        }
        path.close();
    }
}

/// The price of up to four instruments with every entry, add, rung, stop and exit at it, and below them the growth of the run and of its
/// twin; under 100 kB. It carries its own colours, for both themes.
#[must_use]
pub fn run_svg(run: &RunSummary) -> String {
    draw(&View::new(run)).into_string() + "\n"
}

fn draw(view: &View<'_>) -> Markup {
    let header = &view.run.header;
    let mut shown: Vec<&Known<'_>> = view.instruments.iter().filter(|known| !known.traded.time.is_empty()).collect();
    shown.sort_by_key(|known| std::cmp::Reverse(known.traded.fills.len()));
    shown.truncate(PLOTS);
    shown.sort_by_key(|known| known.at);
    let height = [300.0, 200.0, 150.0, 120.0][shown.len().saturating_sub(1).min(3)];
    let growth_height = 150.0;
    let bottom = TOP + shown.len() as f64 * (height + 34.0) + growth_height;
    let x = Axis::linear((header.start as f64, header.end as f64), (LEFT, RIGHT));
    let ends = [&view.equity, &view.twin_equity].map(|equity| show::ratio(last(equity) / header.deposit, Style::Page));
    let summary = format!(
        "{} from {} to {}: {}; growth to {}, of its twin to {}.",
        view.run.strategies.join(", "),
        time(header.start),
        time(header.end),
        counted(view.fills().count(), "fill", "fills"),
        ends[0],
        ends[1]
    );
    let mut svg = Svg::standalone(WIDTH, bottom + 34.0, &summary);
    svg.columns(&x, (TOP, bottom), bottom + 20.0, &time_ticks(header.start, header.end, 9));
    let mut top = TOP;
    let mut used: BTreeMap<Mark, usize> = BTreeMap::new();
    for (at, known) in shown.iter().enumerate() {
        price(&mut svg, known, &x, (top, top + height), at, &mut used);
        top += height + 34.0;
    }
    growth(&mut svg, view, &x, (top, bottom));
    key(&mut svg, &used);
    svg.finish()
}

fn last(equity: &[f64]) -> f64 {
    equity.last().copied().unwrap_or(1.0)
}

fn price(
    svg: &mut Svg,
    known: &Known<'_>,
    x: &Axis,
    (top, bottom): (f64, f64),
    at: usize,
    used: &mut BTreeMap<Mark, usize>,
) {
    let all = known.traded;
    let bars = 0..all.time.len();
    let prices = bars.clone().flat_map(|at| [all.low[at], all.high[at]]);
    // A structure trades at bids and asks, which its middle may never reach.
    let traded = all.fills.iter().map(|fill| fill.price);
    let Some((low, high)) = extent(prices.chain(traded)) else { return };
    let room = (high - low).max(high * 1e-6) * 0.05;
    let y = Axis::linear((low - room, high + room), (bottom, top));
    let what = if all.is_structure { "What the options cost, in" } else { "Price, in" };
    let title = format!("{what} {}", all.quote);
    svg.title(LEFT, top - 10.0, &title, known.symbol());
    let (ticks, decimals) = y.ticks(5);
    svg.rows(&y, (LEFT, RIGHT), &labels(&ticks, decimals));
    let clip = format!("c{at}");
    svg.clip(&clip, (LEFT, RIGHT), (top, bottom));
    svg.open_clipped(&clip, "z");
    let figure =
        Figure { id: &clip, title: "", question: "", bars: bars.clone(), marks: 0, column: COLUMN, strategy: None };
    let stops = open_risk(svg, known, &figure, x, &y);
    columns(svg, all, x, &y, &bars, COLUMN);
    svg.path("lq", stops);
    let x_span = (all.time[0], all.time[all.time.len() - 1]);
    rungs(svg, known, &figure, x, &y, x_span);
    svg.close(2);
    marks(svg, all.fills.as_slice(), x, &y, used);
    let close = all.close[all.close.len() - 1];
    svg.text("lb", RIGHT + 7.0, y.at(close).clamp(top, bottom) + 4.0, Anchor::Start, &known.price(close));
}

/// Marks of a kind are one path. Those of one kind on one spot are one mark.
fn marks(svg: &mut Svg, fills: &[Fill], x: &Axis, y: &Axis, used: &mut BTreeMap<Mark, usize>) {
    let mut paths: BTreeMap<Mark, (PathData, (f64, f64))> = BTreeMap::new();
    for fill in fills {
        let (mark, place) = (Mark::of(fill), (x.at(fill.time as f64), y.at(fill.price)));
        *used.entry(mark).or_default() += 1;
        let (path, before) = paths.entry(mark).or_insert((PathData::default(), (f64::MIN, f64::MIN)));
        if (place.0 - before.0).abs() < 3.0 && (place.1 - before.1).abs() < 3.0 {
            continue;
        }
        *before = place;
        mark.draw(path, place);
    }
    // What protects lies over what is done every day.
    let order = [Mark::Resize, Mark::Hedge, Mark::Exit, Mark::Long, Mark::Short, Mark::Add, Mark::Rung];
    for mark in order.into_iter().chain([Mark::Cut, Mark::Stop, Mark::Liquidation]) {
        if let Some((path, _)) = paths.remove(&mark) {
            svg.path(mark.name().0, path);
        }
    }
}

/// What the marks mean, with how many fills each stands for.
fn key(svg: &mut Svg, used: &BTreeMap<Mark, usize>) {
    let mut x = LEFT + 4.0;
    for (mark, count) in used {
        let mut path = PathData::default();
        mark.draw(&mut path, (x, 18.0));
        let (class, name) = mark.name();
        svg.path(class, path);
        let text = format!("{name} {}", show::count(*count as u64, Style::Page));
        svg.text("ax", x + 10.0, 22.0, Anchor::Start, &text);
        x += width_of(&text) + 30.0;
    }
    svg.text("ax", RIGHT, 22.0, Anchor::End, "fills; line: stop");
}

fn growth(svg: &mut Svg, view: &View<'_>, x: &Axis, (top, bottom): (f64, f64)) {
    svg.title(LEFT, top - 10.0, "Growth of 1, log scale", "What did the account become?");
    let times: Vec<i64> = view.times.iter().map(|time| time.nanos()).collect();
    let growth = |equity: &[f64]| -> Vec<f64> { equity.iter().map(|value| value / view.run.header.deposit).collect() };
    let (scaled, twin) = (growth(&view.equity), growth(&view.twin_equity));
    let (low, high) = extent(scaled.iter().chain(&twin).copied().chain([1.0])).unwrap_or((0.9, 1.1));
    let y = Axis::log((low.max(high / 1e3), high), (bottom - 6.0, top + 8.0));
    let (ticks, decimals) = y.ticks(4);
    svg.rows(&y, (LEFT, RIGHT), &labels(&ticks, decimals));
    let gaps = &view.run.gaps;
    svg.path("tw", thin_line((x, &y), &times, &twin, gaps, COLUMN));
    svg.path("sl", thin_line((x, &y), &times, &scaled, gaps, COLUMN));
    let (mut ours, mut other) = (y.at(last(&scaled)), y.at(last(&twin)));
    let lacking = 14.0 - (ours - other).abs();
    if lacking > 0.0 {
        let push = if ours < other { -lacking / 2.0 } else { lacking / 2.0 };
        (ours, other) = (ours + push, other - push);
    }
    let shown = |name: &str, values: &[f64]| format!("{name} {}", show::number(last(values), 2, Style::Page));
    svg.text("in", RIGHT + 7.0, ours + 4.0, Anchor::Start, &shown("scaled", &scaled));
    svg.text("lb", RIGHT + 7.0, other + 4.0, Anchor::Start, &shown("twin", &twin));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_whole_shapes_and_crosses_are_two_strokes() {
        let drawn = |mark: Mark| {
            let mut path = PathData::default();
            mark.draw(&mut path, (10.0, 10.0));
            format!("{path:?}")
        };
        assert!(drawn(Mark::Long).contains("M10 4l5.5 10h-11z"), "{}", drawn(Mark::Long));
        assert!(drawn(Mark::Long).contains('z') && !drawn(Mark::Stop).contains('z'));
        assert_ne!(drawn(Mark::Long), drawn(Mark::Short));
    }
}
