//! Smiles with their quotes, the term structure and the density: a surface as a picture.

use super::overview::labels;
use super::scale::{Axis, extent};
use super::svg::{Anchor, PathData, Svg};
use crate::surface::{QuoteView, SmileView, SurfaceView};
use units::show::{self, Style};
use units::{Duration, Timestamp};

const WIDTH: f64 = 1000.0;
/// Smiles to a row.
const COLUMNS: usize = 3;
/// Smiles drawn at most: the nearest ones, which most is traded in.
pub(super) const SMILES_MAX: usize = 12;
const SMILE: (f64, f64) = (320.0, 190.0);
const WIDE: f64 = 230.0;
/// What stands over the smiles of one surface.
const HEAD: f64 = 58.0;

/// How curves and dots look where they are extrapolated.
const BEYOND: &str =
    ".xt{stroke-width:1.4;stroke-dasharray:4 3}.xh{fill:var(--bg);stroke:var(--scaled);stroke-width:1.4}";

/// One smile as it is drawn.
pub(super) struct Smile<'a> {
    pub(super) expiry: Timestamp,
    pub(super) days: f64,
    /// By strike.
    pub(super) quotes: &'a [QuoteView],
    /// Log-moneyness and fitted volatility.
    pub(super) fitted: Vec<(f64, f64)>,
    /// Whether the fit is between bid and ask nowhere.
    pub(super) none_inside: bool,
}

/// Whether a place lies beyond what is quoted: what a curve says there is extrapolated.
type Beyond<'a> = &'a dyn Fn(f64) -> bool;

/// The picture of surfaces, one under the other: every smile with bid, ask and fit; volatility at the money and risk reversals
/// against time; the density of some expiries.
#[must_use]
pub fn surface_svg(views: &[SurfaceView]) -> String {
    let shown: Vec<Vec<usize>> = views.iter().map(drawn).collect();
    let heights: Vec<f64> =
        shown.iter().map(|shown| HEAD + panels_height(shown.len(), COLUMNS) + 2.0 * WIDE + 20.0).collect();
    let told: Vec<String> = views.iter().zip(&shown).map(|(view, shown)| summary(view, shown)).collect();
    let mut svg = Svg::standalone(WIDTH, heights.iter().sum(), &told.join(" "));
    svg.style(BEYOND);
    let mut top = 0.0;
    for ((view, shown), height) in views.iter().zip(&shown).zip(heights) {
        surface(&mut svg, view, shown, top);
        top += height;
    }
    svg.finish().into_string() + "\n"
}

/// The expiries that are drawn.
fn drawn(view: &SurfaceView) -> Vec<usize> {
    (0..view.expiries.len()).filter(|at| view.expiries[*at].smile.is_some()).take(SMILES_MAX).collect()
}

/// The picture in words: what it is of, what its curves say at each expiry, and whether arbitrage is left.
fn summary(view: &SurfaceView, shown: &[usize]) -> String {
    let told: Vec<String> = shown
        .iter()
        .filter_map(|at| Some((&view.expiries[*at], view.expiries[*at].smile.as_ref()?)))
        .map(|(expiry, smile)| {
            let points = |number: f64| show::number(number * 100.0, 1, Style::Page);
            let reversal =
                smile.risk_reversal.map_or(String::new(), |points_of| format!(", risk reversal {}", points(points_of)));
            let days = show::ratio(expiry.days, Style::Page);
            let doubt = match smile {
                SmileView { none_inside: true, .. } => " (between bid and ask nowhere)",
                SmileView { atm_extrapolated: true, .. } => " (extrapolated)",
                SmileView { wings_extrapolated: true, .. } => " (risk reversal extrapolated)",
                _ => "",
            };
            format!("{days} days {} %{reversal}{doubt}", show::percent(smile.atm, 1, Style::Page))
        })
        .collect();
    let title = title(view);
    if told.is_empty() {
        return format!("{title}: no smile could be fitted.");
    }
    let more = match view.expiries.iter().filter(|expiry| expiry.smile.is_some()).count() - told.len() {
        0 => String::new(),
        more => format!("; {more} later not drawn"),
    };
    let free = match view.arbitrage {
        Some(arbitrage) if arbitrage.free => " No arbitrage is left.",
        _ => "",
    };
    format!(
        "{title}: implied volatility at the money and 25-delta risk reversal in points by expiry: {}{more}.{free}",
        told.join("; ")
    )
}

fn title(view: &SurfaceView) -> String {
    let at = show::time(view.at.floor(Duration::SECOND));
    format!("{} options at {}, in {}, {at}", view.underlying, view.venue, view.settle)
}

fn surface(svg: &mut Svg, view: &SurfaceView, shown: &[usize], top: f64) {
    svg.title(20.0, top + 24.0, &title(view), "What does the market pay for each strike, and does the fit say so?");
    svg.text("lb", 20.0, top + 44.0, Anchor::Start, &format!("{KEY}; dashed, hollow: extrapolated beyond the quotes"));
    let smiles: Vec<Smile<'_>> = shown
        .iter()
        .filter_map(|at| {
            let (expiry, slice) = (&view.expiries[*at], view.slice(*at)?);
            let smile = expiry.smile.as_ref()?;
            let quotes = smile.quotes.as_slice();
            let (low, high) = reach(quotes);
            let grid = (0..=80).map(|step| low + (high - low) * f64::from(step) / 80.0);
            let fitted = with_ends(grid, quotes).into_iter().map(|k| (k, slice.vol(k))).collect();
            Some(Smile { expiry: expiry.expiry, days: expiry.days, quotes, fitted, none_inside: smile.none_inside })
        })
        .collect();
    panels(svg, &smiles, top + HEAD, COLUMNS);
    let below = top + HEAD + panels_height(shown.len(), COLUMNS);
    let by_expiry = |read: fn(&SmileView) -> Option<(f64, bool)>| -> Vec<Told> {
        let point = |at: &usize| {
            let (value, is_extrapolated) = read(view.expiries[*at].smile.as_ref()?)?;
            Some(Told { days: view.expiries[*at].days.max(0.05), value, is_extrapolated })
        };
        shown.iter().filter_map(point).collect()
    };
    let atm = by_expiry(|smile| Some((smile.atm, smile.atm_extrapolated)));
    against_days(svg, &atm, (60.0, 480.0), below, ("At the money, % a year", "What does time cost?"));
    let reversal = by_expiry(|smile| Some((smile.risk_reversal?, smile.wings_extrapolated)));
    let title = ("25-delta risk reversal, points", "Are calls or puts dearer?");
    against_days(svg, &reversal, (560.0, 980.0), below, title);
    densities(svg, view, shown, below + WIDE);
}

/// What the marks of smiles mean, in words.
pub(super) const KEY: &str =
    "implied volatility, % a year; across: strike as % of the forward; grey: bid to ask, blue: the fit";

/// How high so many smiles are together.
pub(super) fn panels_height(smiles: usize, columns: usize) -> f64 {
    smiles.div_ceil(columns) as f64 * SMILE.1
}

/// Smiles side by side, so many to a row.
pub(super) fn panels(svg: &mut Svg, smiles: &[Smile<'_>], top: f64, columns: usize) {
    for (place, smile) in smiles.iter().enumerate() {
        panel(svg, smile, (20.0 + (place % columns) as f64 * SMILE.0, top + (place / columns) as f64 * SMILE.1));
    }
}

/// Places of a grid with the outermost quotes among them, in order.
fn with_ends(grid: impl Iterator<Item = f64>, quotes: &[QuoteView]) -> Vec<f64> {
    let ends = extent(quotes.iter().map(|quote| quote.log_moneyness));
    let mut places: Vec<f64> = grid.chain(ends.into_iter().flat_map(|(low, high)| [low, high])).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    places
}

/// The log-moneyness that a panel spans.
fn reach(quotes: &[QuoteView]) -> (f64, f64) {
    let (low, high) = extent(quotes.iter().map(|quote| quote.log_moneyness)).unwrap_or((-0.1, 0.1));
    let margin = ((high - low) * 0.03).max(0.005);
    (low - margin, high + margin)
}

fn panel(svg: &mut Svg, smile: &Smile<'_>, (left, top): (f64, f64)) {
    let (width, height) = (SMILE.0 - 58.0, SMILE.1 - 58.0);
    let (low, high) = reach(smile.quotes);
    let x = Axis::linear((low, high), (left + 40.0, left + 40.0 + width));
    // A wing without a bid would press all else into a line: bids and asks may reach out of the picture.
    let all = smile.fitted.iter().map(|(_, vol)| *vol).chain(smile.quotes.iter().map(|quote| quote.mid));
    let (least, most) = extent(all).unwrap_or((0.0, 1.0));
    let room = ((most - least) * 0.15).max(0.005);
    let (floor, ceiling) = ((least - room).max(0.0), most + room);
    let y = Axis::linear((floor, ceiling), (top + 20.0 + height, top + 20.0));
    let doubt = if smile.none_inside { ": between bid and ask nowhere" } else { "" };
    let name = format!("{}, {} d{doubt}", show::day(smile.expiry), show::ratio(smile.days, Style::Page));
    svg.text("lb", left + 40.0, top + 12.0, Anchor::Start, &name);
    svg.rows(&y, (left + 40.0, left + 40.0 + width), &percents(floor, ceiling, 4));
    let bottom = top + 20.0 + height;
    of_forward(svg, &x, (low, high), (top + 20.0, bottom), 4);
    let mut spreads = PathData::default();
    for quote in smile.quotes {
        let px = x.at(quote.log_moneyness);
        spreads.move_to((px, y.at(quote.bid.max(floor))));
        spreads.line_to((px, y.at(quote.ask.min(ceiling))));
    }
    svg.stroke("bt", 2.4, spreads);
    let quoted = extent(smile.quotes.iter().map(|quote| quote.log_moneyness));
    let is_beyond = |k: f64| quoted.is_none_or(|(low, high)| !(low..=high).contains(&k));
    curve(svg, ("sl", "sl xt"), &smile.fitted, &is_beyond, |(k, vol)| (x.at(k), y.at(vol)));
}

/// A curve that is dashed where it is extrapolated; its two classes. A piece is dashed if either of its ends lies beyond.
fn curve(
    svg: &mut Svg,
    (line, dashed): (&'static str, &'static str),
    points: &[(f64, f64)],
    is_beyond: Beyond<'_>,
    place: impl Fn((f64, f64)) -> (f64, f64),
) {
    let pieces: Vec<&[(f64, f64)]> = points.windows(2).collect();
    let is_dashed = |piece: &[(f64, f64)]| piece.iter().any(|(at, _)| is_beyond(*at));
    for run in pieces.chunk_by(|one, other| is_dashed(one) == is_dashed(other)) {
        let ends = run.iter().flat_map(|piece| piece.first()).chain(run.last().and_then(|piece| piece.last()));
        svg.path(if is_dashed(run[0]) { dashed } else { line }, through(ends.map(|point| place(*point))));
    }
}

/// Labels of an axis of shares, in percent.
pub(super) fn percents(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    let (ticks, decimals) = Axis::linear((low * 100.0, high * 100.0), (0.0, 1.0)).ticks(most);
    labels(&ticks, decimals).into_iter().map(|(value, label)| (value / 100.0, label)).collect()
}

/// Vertical grid of an axis of log-moneyness, with labels in percent of the forward.
fn of_forward(svg: &mut Svg, x: &Axis, (low, high): (f64, f64), (top, bottom): (f64, f64), most: usize) {
    let percent = |k: f64| units::math::exp(k) * 100.0;
    let (ticks, decimals) = Axis::linear((percent(low), percent(high)), (0.0, 1.0)).ticks(most);
    for (tick, label) in labels(&ticks, decimals).into_iter().filter(|(tick, _)| *tick > 0.0) {
        let px = x.at(units::math::ln(tick / 100.0));
        svg.line("gr", (px, top), (px, bottom));
        svg.text("ax", px, bottom + 16.0, Anchor::Middle, &label);
    }
}

fn through(points: impl Iterator<Item = (f64, f64)>) -> PathData {
    let mut line = PathData::default();
    for (at, point) in points.enumerate() {
        if at == 0 { line.move_to(point) } else { line.line_to(point) }
    }
    line
}

/// Something of an expiry.
#[derive(Clone, Copy)]
struct Told {
    days: f64,
    value: f64,
    is_extrapolated: bool,
}

/// Something of each expiry, over the days to it.
fn against_days(svg: &mut Svg, told: &[Told], (left, right): (f64, f64), top: f64, (title, question): (&str, &str)) {
    let across = extent(told.iter().map(|point| point.days));
    // What is extrapolated may be anything: it does not press the rest into a line.
    let is_quoted = |point: &&Told| !point.is_extrapolated;
    let up = extent(told.iter().filter(is_quoted).map(|point| point.value))
        .filter(|_| told.iter().filter(is_quoted).count() > 1)
        .or_else(|| extent(told.iter().map(|point| point.value)));
    let (Some(days), Some((least, most))) = (across, up) else { return };
    let bottom = top + WIDE - 50.0;
    svg.title(left - 40.0, top + 16.0, title, question);
    let x = Axis::log(days, (left, right));
    let room = ((most - least) * 0.15).max(0.005);
    let y = Axis::linear((least - room, most + room), (bottom, top + 30.0));
    svg.rows(&y, (left, right), &percents(least - room, most + room, 5));
    let (ticks, decimals) = x.ticks(6);
    for (days, label) in labels(&ticks, decimals) {
        svg.text("ax", x.at(days), bottom + 18.0, Anchor::Middle, &label);
    }
    svg.text("lb", right, bottom + 36.0, Anchor::End, "days to expiry, log");
    let (floor, ceiling) = (least - room, most + room);
    let points: Vec<(f64, f64)> = told.iter().map(|point| (point.days, point.value.clamp(floor, ceiling))).collect();
    let place = |(days, value): (f64, f64)| (x.at(days), y.at(value));
    let is_beyond = |days: f64| told.iter().any(|point| point.days == days && point.is_extrapolated);
    curve(svg, ("sl", "sl xt"), &points, &is_beyond, place);
    svg.dots("bs", 2.8, points.iter().filter(|point| !is_beyond(point.0)).map(|point| place(*point)));
    for (px, py) in points.iter().filter(|point| is_beyond(point.0)).map(|point| place(*point)) {
        svg.circle("xh", px, py, 2.6);
    }
}

fn densities(svg: &mut Svg, view: &SurfaceView, shown: &[usize], top: f64) {
    const LINES: [(&str, &str, &str); 4] =
        [("r0", "r0 xt", "lb t0"), ("r1", "r1 xt", "lb t1"), ("r2", "r2 xt", "lb t2"), ("r3", "r3 xt", "lb t3")];
    let (left, right, bottom) = (60.0, 980.0, top + WIDE - 50.0);
    // The nearest, and up to three more spread over the rest: more lines would hide each other.
    let step = shown.len().div_ceil(LINES.len()).max(1);
    let picked: Vec<_> =
        shown.iter().step_by(step).filter_map(|at| Some((view.expiries[*at].days, view.slice(*at)?))).collect();
    let deviations = picked.iter().map(|(_, slice)| 3.0 * units::math::sqrt(slice.total_variance(0.0)));
    let Some(widest) = deviations.reduce(f64::max) else { return };
    let (low, high) = (-widest.min(1.2), widest.min(1.2));
    let grid = || (0..=240).map(|step| low + (high - low) * f64::from(step) / 240.0);
    let curves: Vec<Vec<(f64, f64)>> =
        picked.iter().map(|(_, slice)| grid().map(|k| (k, slice.tenor().log_density(k))).collect()).collect();
    let quoted: Vec<(f64, f64)> = picked.iter().map(|(_, slice)| slice.tenor().quoted()).collect();
    let is_quoted = |at: usize, k: f64| (quoted[at].0..=quoted[at].1).contains(&k);
    // The scale is that of what quotes say: a peak beyond them would press it into a line.
    let said = curves.iter().enumerate().flat_map(|(at, curve)| curve.iter().filter(move |(k, _)| is_quoted(at, *k)));
    let all = || extent(curves.iter().flatten().map(|point| point.1));
    let Some((_, most)) = extent(said.map(|point| point.1)).filter(|(_, most)| *most > 0.0).or_else(all) else {
        return;
    };
    let title = "Risk-neutral density of ln(price ÷ forward)";
    svg.title(20.0, top + 16.0, title, "How likely does the market hold each price?");
    let x = Axis::linear((low, high), (left, right));
    let y = Axis::linear((0.0, most * 1.05), (bottom, top + 30.0));
    of_forward(svg, &x, (low, high), (top + 30.0, bottom), 9);
    svg.line("ze", (left, bottom), (right, bottom));
    svg.text("lb", right, bottom + 36.0, Anchor::End, "price as % of the forward");
    for (at, (density, (line, dashed, name))) in curves.iter().zip(LINES).enumerate() {
        let place = |(k, density): (f64, f64)| (x.at(k), y.at(density.clamp(0.0, most * 1.05)));
        curve(svg, (line, dashed), density, &|k| !is_quoted(at, k), place);
        let days = format!("{} d", show::ratio(picked[at].0, Style::Page));
        svg.text(name, right - 4.0, top + 44.0 + at as f64 * 16.0, Anchor::End, &days);
    }
}
