//! Price and actions: neutral candles, the decisions on them, the size held under them.

use super::markup::Markup;
use super::overview::labels;
use super::scale::{Axis, extent, time_ticks};
use super::summary::{Fill, Purpose, Refusal, RungEnd, Traded};
use super::svg::{Anchor, PathData, Svg, pixels, thin_line, unbroken};
use super::view::{Known, View, counted, purpose, sentence, time};
use std::collections::BTreeMap;
use std::ops::Range;
use units::show::{self, Style};
use units::{Duration, Timestamp};

const WIDTH: f64 = 1340.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 1252.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 330.0;
const STRIP: (f64, f64) = (374.0, 440.0);
/// Under this many pixels a bar, candles become one line from low to high a pixel column.
const CANDLE: f64 = 3.6;

/// A window of an instrument as a figure.
pub(super) struct Figure<'a> {
    /// Distinguishes the ids of this figure.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) question: &'a str,
    /// Indices of the instrument's bars.
    pub(super) bars: Range<usize>,
    /// Marks at most.
    pub(super) marks: usize,
    /// Pixels that share a column.
    pub(super) column: f64,
    /// What this strategy did alone; none: what all did.
    pub(super) strategy: Option<usize>,
}

impl Figure<'_> {
    fn shows(&self, strategy: usize) -> bool {
        self.strategy.is_none_or(|only| only == strategy)
    }
}

/// The bars around the largest range of one bar: at least six hours and 72 bars on either side. `None` where that is
/// nearly the whole run.
pub(super) fn largest_move(view: &View<'_>, known: &Known<'_>) -> Option<(usize, Range<usize>)> {
    let bars = known.traded;
    let largest =
        (0..bars.time.len()).max_by(|a, b| move_of(known, *a).total_cmp(&move_of(known, *b)).then(b.cmp(a)))?;
    let reach = (6 * Duration::HOUR.nanos()).max(72 * view.run.header.bar);
    let middle = bars.time[largest];
    let around = known.between(middle - reach, middle + reach);
    (around.len() < bars.time.len() * 4 / 5).then_some((largest, around))
}

/// How far a bar went, over its open. A structure of options is quoted now and then: how far from the quotes before, in its
/// currency, while the same options were held.
pub(super) fn move_of(known: &Known<'_>, at: usize) -> f64 {
    let bars = known.traded;
    if !bars.is_structure {
        return (bars.high[at] - bars.low[at]) / bars.open[at].max(f64::MIN_POSITIVE);
    }
    let Some(before) = at.checked_sub(1).filter(|before| bars.position[*before] != 0.0) else { return 0.0 };
    let mut fills = bars.fills.iter().filter(|fill| fill.time > bars.time[before] && fill.time <= bars.time[at]);
    match fills.next() {
        Some(fill) if fill.purpose == Purpose::Roll => 0.0,
        // What is held after it are other options, or none.
        Some(fill) => (fill.price - bars.close[before]).abs(),
        None => (bars.close[at] - bars.close[before]).abs(),
    }
}

/// The figure. `None` for an empty window.
pub(super) fn draw(view: &View<'_>, known: &Known<'_>, figure: &Figure<'_>) -> Option<Markup> {
    let all = known.traded;
    let bars = figure.bars.clone();
    let (first, last) = (*all.time.get(bars.start)?, *all.time.get(bars.end.checked_sub(1)?)?);
    let span = (first - view.run.header.bar, last);
    let x = Axis::linear((span.0 as f64, span.1 as f64), (LEFT, RIGHT));
    // A structure trades at bids and asks, which its middle may never reach.
    let traded = all.fills.iter().filter(|fill| all.is_structure && fill.time > span.0 && fill.time <= span.1);
    let prices = bars.clone().flat_map(|at| [all.low[at], all.high[at]]);
    let (low, high) = extent(prices.chain(traded.map(|fill| fill.price)))?;
    let room = (high - low).max(high * 1e-6) * 0.06;
    let y = Axis::linear((low - room, high + room), (BOTTOM, TOP));

    let per_bar = (RIGHT - LEFT) / bars.len() as f64;
    let mut title = figure.title.to_owned();
    if per_bar < CANDLE {
        let per_column = (figure.column / per_bar).ceil();
        if per_column >= 2.0 {
            let wide =
                if figure.column > 1.0 { format!("in {} pixels", pixels(figure.column)) } else { "a pixel".into() };
            title.push_str(&format!("; lowest to highest of {} bars {wide}", show::number(per_column, 0, Style::Page)));
        }
    }
    let summary = summary(known, figure, &span, &bars);
    // What the script needs to zoom: the time and the prices that the frame shows, and where it stands.
    let time = format!("{} {}", span.0, span.1);
    let prices = format!("{} {} {BOTTOM}", low - room, high + room);
    let frame = format!("{LEFT} {RIGHT} {TOP} {}", STRIP.1);
    let more = [("data-t", time.as_str()), ("data-x", &frame), ("data-y", &prices), ("tabindex", "0")];
    let mut svg = Svg::with_links(WIDTH, STRIP.1 + 30.0, &summary, &more);
    let clips = [format!("clip-{}", figure.id), format!("clip-{}-s", figure.id)];
    svg.clip(&clips[0], (LEFT, RIGHT), (TOP, BOTTOM));
    svg.clip(&clips[1], (LEFT, RIGHT), (TOP, STRIP.1));
    svg.title(LEFT, 18.0, &title, figure.question);
    svg.open("tk");
    svg.columns(&x, (TOP, STRIP.1), STRIP.1 + 20.0, &time_ticks(span.0, span.1, 12));
    svg.close(1);
    svg.open_clipped(&clips[1], "z");
    svg.gaps(&x, (TOP, STRIP.1), &all.gaps);
    svg.close(2);
    let (ticks, decimals) = y.ticks(6);
    svg.open("ty");
    svg.rows(&y, (LEFT, RIGHT), &labels(&ticks, decimals));
    svg.close(1);

    svg.open_clipped(&clips[0], "z zy");
    let stops = open_risk(&mut svg, known, figure, &x, &y);
    if per_bar >= CANDLE {
        candles(&mut svg, all, &x, &y, &bars, per_bar)
    } else {
        columns(&mut svg, all, &x, &y, &bars, figure.column)
    }
    svg.path("st", stops);
    rungs(&mut svg, known, figure, &x, &y, span);
    svg.close(2);
    svg.open("zm");
    marks(&mut svg, view, known, &x, &y, span, figure);
    svg.close(1);
    end_labels(&mut svg, known, figure, &y);
    strip(&mut svg, known, &clips[1], &x, figure);
    Some(svg.finish())
}

fn candles(svg: &mut Svg, all: &Traded, x: &Axis, y: &Axis, bars: &Range<usize>, width: f64) {
    let body = (width * 0.68).clamp(1.4, 9.0);
    let (mut up, mut down, mut wicks) = (PathData::default(), PathData::default(), PathData::default());
    let half_bar = if bars.len() > 1 { (all.time[bars.start + 1] - all.time[bars.start]) as f64 / 2.0 } else { 0.0 };
    for at in bars.clone() {
        let middle = x.at(all.time[at] as f64 - half_bar);
        let (open, close) = (y.at(all.open[at]), y.at(all.close[at]));
        let (top, bottom) = (open.min(close), open.max(close).max(open.min(close) + 0.8));
        wicks.move_to((middle, y.at(all.high[at])));
        wicks.line_to((middle, top));
        wicks.move_to((middle, bottom));
        wicks.line_to((middle, y.at(all.low[at])));
        let path = if all.close[at] >= all.open[at] { &mut up } else { &mut down };
        path.move_to((middle - body / 2.0, top));
        for corner in [(middle + body / 2.0, top), (middle + body / 2.0, bottom), (middle - body / 2.0, bottom)] {
            path.line_to(corner);
        }
        path.close();
    }
    svg.path("wk", wicks);
    svg.path("cu", up);
    svg.path("cd", down);
}

/// One vertical from low to high for each column of pixels, joined so that no column is empty within a run of bars.
pub(super) fn columns(svg: &mut Svg, all: &Traded, x: &Axis, y: &Axis, bars: &Range<usize>, width: f64) {
    let mut path = PathData::default();
    for run in unbroken(&all.time, &all.gaps) {
        let range = run.start.max(bars.start)..run.end.min(bars.end);
        let mut seen: Option<(i64, f64, f64)> = None;
        let mut before: Option<(f64, f64)> = None;
        let draw = |path: &mut PathData, (column, low, high): (i64, f64, f64), before: &mut Option<(f64, f64)>| {
            // Reach the neighbour, or a gap between two columns would look like a hole in the data.
            let (mut from, mut to) = (high, low);
            if let Some((other_low, other_high)) = *before {
                (from, to) = (from.max(other_low), to.min(other_high));
            }
            let middle = (column as f64 + 0.5) * width;
            path.move_to((middle, y.at(from)));
            path.line_to((middle, y.at(to).max(y.at(from) + 0.7)));
            *before = Some((low, high));
        };
        for at in range {
            let column = (x.at(all.time[at] as f64) / width).floor() as i64;
            match &mut seen {
                Some((same, low, high)) if *same == column => {
                    (*low, *high) = (low.min(all.low[at]), high.max(all.high[at]))
                }
                _ => {
                    if let Some(done) = seen.replace((column, all.low[at], all.high[at])) {
                        draw(&mut path, done, &mut before);
                    }
                }
            }
        }
        if let Some(done) = seen {
            draw(&mut path, done, &mut before);
        }
    }
    if width > 1.0 {
        svg.stroke("pc", width, path);
    } else {
        svg.path("pc", path);
    }
}

/// The area between stop and average entry, what is open to loss; the stops as stepped lines, to be drawn over the price.
pub(super) fn open_risk(svg: &mut Svg, known: &Known<'_>, figure: &Figure<'_>, x: &Axis, y: &Axis) -> PathData {
    let (mut lines, mut shade) = (PathData::default(), PathData::default());
    // Coarser figures leave out the smallest steps.
    let least = if figure.column > 1.0 { figure.column / 2.0 } else { 0.05 };
    let both = known.traded.stops.iter().zip(&known.average);
    for (stops, average) in both.filter(|(stops, _)| figure.shows(stops.strategy)) {
        let bars = &figure.bars;
        let mut at = bars.start;
        while at < bars.end {
            if stops.price[at].is_none() {
                at += 1;
                continue;
            }
            let start = at;
            while at < bars.end && stops.price[at].is_some() {
                at += 1;
            }
            let px = |at: usize| x.at(known.traded.time[at] as f64);
            let place = |values: &[Option<f64>]| -> Vec<(f64, f64)> {
                (start..at).filter_map(|at| Some((px(at), y.at(values[at]?)))).collect()
            };
            // On a coarse figure what is narrower than a column is not seen.
            if figure.column > 1.0 && px(at - 1) - px(start) < figure.column {
                continue;
            }
            let (run, entries) = (place(&stops.price), place(average));
            stepped(&mut lines, &run, least);
            if let (Some(_), Some(last)) = (entries.first(), run.last()) {
                stepped(&mut shade, &run, least);
                shade.line_to(*last);
                // Back along the average entry, changes only, each corner in reverse.
                let mut corners = vec![entries[0]];
                for pair in entries.windows(2).filter(|pair| (pair[0].1 - pair[1].1).abs() > least) {
                    corners.extend([(pair[1].0, pair[0].1), pair[1]]);
                }
                corners.push((last.0, entries[entries.len() - 1].1));
                corners.into_iter().rev().for_each(|corner| shade.line_to(corner));
                shade.close();
            }
        }
    }
    svg.path("risk", shade);
    lines
}

/// A level that holds until it changes.
fn stepped(path: &mut PathData, points: &[(f64, f64)], least: f64) {
    let Some(first) = points.first() else { return };
    path.move_to(*first);
    let mut level = first.1;
    for point in points {
        if (point.1 - level).abs() > least {
            path.step_to(*point);
            level = point.1;
        }
    }
    if let Some(last) = points.last() {
        path.line_to((last.0, level));
    }
}

/// Rungs as horizontals from arming to use: dashed while armed, solid when filled, faint when the campaign ended first.
pub(super) fn rungs(svg: &mut Svg, known: &Known<'_>, figure: &Figure<'_>, x: &Axis, y: &Axis, span: (i64, i64)) {
    let mut paths = [PathData::default(), PathData::default(), PathData::default()];
    let own = known.traded.rungs.iter().filter(|rung| figure.shows(rung.strategy));
    for rung in own.filter(|rung| rung.to > span.0 && rung.from < span.1 && y.contains(rung.price)) {
        let at = y.at(rung.price);
        let (from, to) = (x.at(rung.from.max(span.0) as f64), x.at(rung.to.min(span.1) as f64));
        if figure.column > 1.0 && to - from < figure.column {
            continue;
        }
        let path = &mut paths[match rung.end {
            RungEnd::Filled => 0,
            RungEnd::Lapsed => 1,
            RungEnd::Armed => 2,
        }];
        path.move_to((from, at));
        path.line_to((to.max(from + 2.0), at));
    }
    let [filled, lapsed, armed] = paths;
    svg.path("rf", filled);
    svg.path("rl", lapsed);
    svg.path("ra", armed);
}

/// A mark before it is drawn.
struct Mark<'a> {
    shape: &'static str,
    at: (f64, f64),
    plan: u64,
    unit: Option<u32>,
    what: What<'a>,
}

enum What<'a> {
    Fill(&'a Fill),
    Refused(&'a Refusal),
}

/// Marks in order of time. Those of one kind on one spot are one mark; of too many the commonest kinds go first.
fn marks(svg: &mut Svg, view: &View<'_>, known: &Known<'_>, x: &Axis, y: &Axis, span: (i64, i64), figure: &Figure<'_>) {
    let inside = |time: i64, strategy: usize| time > span.0 && time <= span.1 && figure.shows(strategy);
    let place = |time: i64, price: f64| (x.at(time as f64), y.at(price).clamp(TOP + 4.0, BOTTOM - 4.0));
    let refused = known.traded.refusals.iter().filter(|refusal| !refusal.held);
    let refusals = refused.filter(|refusal| inside(refusal.time, refusal.strategy)).map(|refusal| Mark {
        shape: "refused",
        at: place(refusal.time, refusal.price),
        plan: refusal.plan,
        unit: None,
        what: What::Refused(refusal),
    });
    let fills = known.traded.fills.iter().filter(|fill| inside(fill.time, fill.strategy)).map(|fill| {
        let shape = match purpose(fill.purpose).0 {
            "entry" if fill.quantity < 0.0 => "entry-short",
            shape => shape,
        };
        let unit = if let Purpose::Add(unit) = fill.purpose { Some(unit) } else { None };
        Mark { shape, at: place(fill.time, fill.price), plan: fill.plan, unit, what: What::Fill(fill) }
    });
    let mut latest: BTreeMap<&'static str, (f64, f64)> = BTreeMap::new();
    let mut kept: Vec<Mark<'_>> = Vec::new();
    for mark in refusals.chain(fills) {
        let same_spot = |other: &(f64, f64)| (mark.at.0 - other.0).abs() < 3.0 && (mark.at.1 - other.1).abs() < 3.0;
        if !latest.get(mark.shape).is_some_and(same_spot) {
            latest.insert(mark.shape, mark.at);
            kept.push(mark);
        }
    }
    let mut kept = share_out(kept, figure.marks);
    kept.sort_by(|a, b| a.at.0.total_cmp(&b.at.0));
    let mut numbered: Option<(f64, f64)> = None;
    for mark in kept {
        let ((px, py), link) = (mark.at, view.link(mark.plan));
        svg.mark(mark.shape, px, py, link.as_deref(), &story(view, known, &mark.what));
        // The unit's number stands beside an add unless it would run into the one before.
        let free = numbered.is_none_or(|(other_x, other_y)| (px - other_x).abs() > 12.0 || (py - other_y).abs() > 12.0);
        if let Some(unit) = mark.unit.filter(|_| free) {
            svg.text("un hl", px + 7.0, py + 4.0, Anchor::Start, &show::count(u64::from(unit), Style::Page));
            numbered = Some((px, py));
        }
    }
}

/// At most so many marks: rare kinds whole, common ones thinned evenly over time.
fn share_out(marks: Vec<Mark<'_>>, most: usize) -> Vec<Mark<'_>> {
    let mut kinds: BTreeMap<&'static str, Vec<Mark<'_>>> = BTreeMap::new();
    for mark in marks {
        kinds.entry(mark.shape).or_default().push(mark);
    }
    let mut kinds: Vec<_> = kinds.into_values().collect();
    kinds.sort_by_key(Vec::len);
    let (mut left, count) = (most, kinds.len());
    let mut kept = Vec::new();
    for (at, kind) in kinds.into_iter().enumerate() {
        let share = (left / (count - at)).min(kind.len());
        let all = kind.len();
        // The mark n is kept where n × share / all moves on.
        kept.extend(
            kind.into_iter()
                .enumerate()
                .filter(|(n, _)| n * share / all != (n + 1) * share / all)
                .map(|(_, mark)| mark),
        );
        left -= share;
    }
    kept
}

/// What a mark says when the pointer rests on it.
fn story(view: &View<'_>, known: &Known<'_>, what: &What<'_>) -> String {
    let (strategy, story) = match what {
        What::Refused(refusal) => {
            let because = sentence(&refusal.because);
            (refusal.strategy, format!("{} refused by {}: {because}", time(refusal.time), refusal.rule))
        }
        What::Fill(fill) => {
            let (at, name) = (time(fill.time), purpose(fill.purpose).1);
            let (quantity, price) = (known.qty(fill.quantity), known.price(fill.price));
            (fill.strategy, format!("{at} {name}: {quantity} at {price}. {}", sentence(&fill.because)))
        }
    };
    if view.run.strategies.len() > 1 { format!("{}: {story}", view.strategy(strategy)) } else { story }
}

/// Price and stop at the right end, where their lines end.
fn end_labels(svg: &mut Svg, known: &Known<'_>, figure: &Figure<'_>, y: &Axis) {
    let all = known.traded;
    let Some(last) = figure.bars.end.checked_sub(1) else { return };
    let price = y.at(all.close[last]);
    svg.text("lb", RIGHT + 7.0, price + 4.0, Anchor::Start, &known.price(all.close[last]));
    let own = all.stops.iter().filter(|stops| figure.shows(stops.strategy));
    if let Some(stop) = own.filter_map(|stops| stops.price[last]).find(|stop| y.contains(*stop)) {
        let at = y.at(stop);
        let at = if (at - price).abs() < 14.0 { price + if at < price { -14.0 } else { 14.0 } } else { at };
        svg.text("lb c-loss-t", RIGHT + 7.0, at + 4.0, Anchor::Start, &format!("stop {}", known.price(stop)));
    }
}

fn strip(svg: &mut Svg, known: &Known<'_>, clip: &str, x: &Axis, figure: &Figure<'_>) {
    let (all, bars) = (known.traded, &figure.bars);
    let twin = &all.twin_exposure;
    let both = bars.clone().flat_map(|at| [all.exposure[at], twin[at]]);
    let (low, high) = extent(both.chain([0.0])).unwrap_or((0.0, 1.0));
    let y = Axis::linear((low, high), (STRIP.1 - 2.0, STRIP.0 + 2.0));
    svg.title(LEFT, STRIP.0 - 12.0, "Exposure, × equity", "How much was held?");
    let (ticks, decimals) = y.ticks(3);
    svg.rows(&y, (LEFT, RIGHT), &labels(&ticks, decimals));
    svg.line("ze", (LEFT, y.at(0.0)), (RIGHT, y.at(0.0)));
    let times = &all.time[bars.clone()];
    svg.open_clipped(clip, "z");
    svg.path("tw", thin_line((x, &y), times, &twin[bars.clone()], &all.gaps, figure.column));
    svg.path("sl", thin_line((x, &y), times, &all.exposure[bars.clone()], &all.gaps, figure.column));
    svg.close(2);
    let Some(last) = bars.end.checked_sub(1) else { return };
    let (scaled, twin) = (y.at(all.exposure[last]), y.at(twin[last]));
    let (up, down) = if scaled <= twin { (scaled, scaled.max(twin)) } else { (scaled, twin) };
    let apart = if (up - down).abs() < 13.0 { 13.0 - (up - down).abs() } else { 0.0 };
    let sign = if up <= down { -1.0 } else { 1.0 };
    svg.text("lb ls", RIGHT + 7.0, up + 4.0 + sign * apart / 2.0, Anchor::Start, "scaled");
    svg.text("lb", RIGHT + 7.0, down + 4.0 - sign * apart / 2.0, Anchor::Start, "twin");
}

fn summary(known: &Known<'_>, figure: &Figure<'_>, span: &(i64, i64), bars: &Range<usize>) -> String {
    let all = known.traded;
    let low = bars.clone().map(|at| all.low[at]).fold(f64::INFINITY, f64::min);
    let high = bars.clone().map(|at| all.high[at]).fold(f64::NEG_INFINITY, f64::max);
    let inside = |fill: &&Fill| fill.time > span.0 && fill.time <= span.1 && figure.shows(fill.strategy);
    let fills = all.fills.iter().filter(inside).count();
    format!(
        "Price of {} with actions from {} to {}: between {} and {}, {}.",
        known.symbol(),
        time(span.0),
        time(span.1),
        known.price(low),
        known.price(high),
        counted(fills, "fill", "fills")
    )
}

/// What the marks mean, beside the figure and not in it: shapes first.
pub(super) fn key() -> Markup {
    const MARKS: [(&str, &str); 9] = [
        ("entry", "entry"),
        ("add", "add, unit number"),
        ("resize", "resize"),
        ("rung", "rung"),
        ("exit", "exit"),
        ("stop", "stop"),
        ("cut", "limit cut"),
        ("liquidation", "liquidated"),
        ("refused", "refused"),
    ];
    let mut page = Markup::new();
    page.raw("<p class=\"key\">");
    for (shape, name) in MARKS {
        page.raw("<span>").piece(&super::cards::mark_alone(shape)).text(name).raw("</span>");
    }
    page.raw("<span><i class=\"k-st\"></i>stop, with open risk to the average entry</span>");
    page.raw("<span><i class=\"k-ra\"></i>rung armed</span><span><i class=\"k-rf\"></i>rung filled</span></p>");
    page
}

/// A day and time for a title: `10 Oct 2025 21:20`.
pub(super) fn moment(nanos: i64) -> String {
    let at = Timestamp::from_nanos(nanos);
    format!("{} {}", show::day(at), at.to_string().get(11..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_fit_at_the_right_end() {
        assert!(super::super::svg::width_of("stop 117,904.1") < WIDTH - RIGHT - 7.0 + 16.0);
        assert_eq!(moment(1_760_131_200_000_000_000), "10 Oct 2025 21:20");
    }

    #[test]
    fn a_level_holds_until_it_changes() {
        let mut path = PathData::default();
        stepped(&mut path, &[(0.0, 5.0), (1.0, 5.0), (2.0, 7.0), (3.0, 7.0)], 0.05);
        let mut same = PathData::default().moved((0.0, 5.0)).lined((2.0, 5.0)).lined((2.0, 7.0));
        same.line_to((3.0, 7.0));
        assert_eq!(format!("{path:?}"), format!("{same:?}"));
    }
}
