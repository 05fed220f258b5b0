//! The overview figure: growth, drawdown, realised volatility and exposure over one time axis.

use super::markup::Markup;
use super::scale::{Axis, extent, time_ticks};
use super::svg::{Anchor, Svg, area, line, thin_line, width_of};
use super::view::{View, counted, or_missing, time};
use crate::metrics::{Drawdown, Path, WINDOW, rolling_volatility};
use units::show::{self, Style};
use units::{Duration, Timestamp};

const WIDTH: f64 = 940.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 866.0;
/// Pixels that share a column of the twin's lines, which stand behind.
const TWIN: f64 = 2.0;
/// Rows of the data table, which the reading line reads too.
const ROWS: usize = 128;

/// A rolling volatility of both runs and what it is called.
pub(super) struct Realised {
    pub(super) name: String,
    pub(super) scaled: Vec<(Timestamp, f64)>,
    pub(super) twin: Vec<(Timestamp, f64)>,
}

/// 63 days of UTC-day returns; for a shorter run seven days of hourly ones, which a month can carry.
pub(super) fn realised(view: &View<'_>) -> Option<Realised> {
    let of = |step: Duration, window: usize, name: String| {
        let rolling = |path: Path<'_>| rolling_volatility(&path.returns(step), window, step);
        let found = Realised { name, scaled: rolling(view.path()), twin: rolling(view.twin_path()) };
        (found.scaled.len() > 1).then_some(found)
    };
    let days = view.scaled.days;
    if days > WINDOW * 3 / 2 {
        return of(Duration::DAY, WINDOW, format!("Realised volatility, {WINDOW} days, % a year"));
    }
    let hourly = view.run.header.bar <= Duration::HOUR.nanos() && days >= 14;
    hourly.then(|| of(Duration::HOUR, 7 * 24, "Realised volatility, 7 days of hourly returns, % a year".into()))?
}

/// The figure with its data table. `None` for a run without bars.
pub(super) fn figure(view: &View<'_>) -> Option<Markup> {
    if view.run.bars.time.is_empty() {
        return None;
    }
    let realised = realised(view);
    let growth = |equity: &[f64]| -> Vec<f64> { equity.iter().map(|value| value / view.run.header.deposit).collect() };
    let data = Data {
        times: view.times.iter().map(|time| time.nanos()).collect(),
        growth: [growth(&view.equity), growth(&view.twin_equity)],
        drawdown: [view.path().drawdowns(), view.twin_path().drawdowns()].map(percent),
    };
    let mut page = Markup::new();
    page.raw(
        "<section class=\"card fig ov\" aria-label=\"Scaled run against its twin over time\"><div class=\"plot\">",
    );
    page.piece(&draw(view, &data, realised.as_ref()));
    page.raw("<div id=\"tip\" role=\"status\"></div></div>");
    if view.equal.is_ok() {
        page.raw(
            "<label class=\"eq\"><input type=\"checkbox\" id=\"eq\"> twin at equal volatility, dotted (key v)</label>",
        );
    }
    page.raw("<p class=\"note zh\" hidden>Drag over the plots to zoom; Esc or a double click shows all. The range is in the link.</p>");
    table(&mut page, view, &data, realised.as_ref());
    page.raw("</section>");
    Some(page)
}

struct Data {
    times: Vec<i64>,
    growth: [Vec<f64>; 2],
    drawdown: [Vec<f64>; 2],
}

fn percent(fractions: Vec<f64>) -> Vec<f64> {
    fractions.into_iter().map(|value| value * 100.0).collect()
}

fn draw(view: &View<'_>, data: &Data, realised: Option<&Realised>) -> Markup {
    let header = &view.run.header;
    let x = Axis::linear((header.start as f64, header.end as f64), (LEFT, RIGHT));
    let heights: &[f64] = if realised.is_some() { &[182.0, 96.0, 100.0, 104.0] } else { &[202.0, 120.0, 120.0] };
    let bottom = 32.0 + heights.iter().sum::<f64>() + 42.0 * (heights.len() as f64 - 1.0);
    let plots = if realised.is_some() {
        "growth, drawdown, realised volatility and exposure"
    } else {
        "growth, drawdown and exposure"
    };
    let summary = format!("Plots over time: {plots}. {} Arrow keys move the reading line.", spoken(view, data));
    let (span, frame) = (format!("{} {}", header.start, header.end), format!("{LEFT} {RIGHT} 32 {bottom}"));
    let more = [("id", "f"), ("tabindex", "0"), ("data-t", span.as_str()), ("data-x", frame.as_str())];
    let mut svg = Svg::new(WIDTH, bottom + 32.0, &summary, &more);
    svg.open("tk");
    svg.columns(&x, (32.0, bottom), bottom + 20.0, &time_ticks(header.start, header.end, 8));
    svg.close(1);
    svg.clip("fc", (LEFT, RIGHT), (0.0, bottom + 4.0));
    svg.open_clipped("fc", "z");
    svg.gaps(&x, (32.0, bottom), &view.run.gaps);
    svg.close(2);

    let mut top = 32.0;
    for (at, height) in heights.iter().enumerate() {
        let range = (top, top + height);
        match (at, realised) {
            (0, _) => growth_plot(&mut svg, view, &x, range, data),
            (1, _) => drawdown_plot(&mut svg, view, &x, range, data),
            (2, Some(realised)) => volatility_plot(&mut svg, view, &x, range, realised),
            _ => exposure_plot(&mut svg, view, &x, range),
        }
        top += height + 42.0;
    }
    svg.reading_line();
    svg.finish()
}

fn growth_plot(svg: &mut Svg, view: &View<'_>, x: &Axis, (top, bottom): (f64, f64), data: &Data) {
    svg.title(LEFT, top - 12.0, "Growth of 1, log scale", "What did the account become?");
    let (low, high) = extent(data.growth.iter().flatten().copied().chain([1.0])).unwrap_or((0.9, 1.1));
    let low = low.max(high / 1e4);
    let y = Axis::log((low, high), (bottom - 6.0, top + 8.0));
    let (ticks, decimals) = y.ticks(5);
    svg.rows(&y, (LEFT, RIGHT), &labels(&ticks, decimals));
    let gaps = &view.run.gaps;
    svg.open_clipped("fc", "z");
    if let Ok((equal, _)) = &view.equal {
        let growth: Vec<f64> = equal.equity.iter().map(|value| value / view.run.header.deposit).collect();
        svg.path("ev", thin_line((x, &y), &data.times, &growth, gaps, TWIN));
    }
    svg.path("tw", thin_line((x, &y), &data.times, &data.growth[1], gaps, TWIN));
    svg.path("sl", line(x, &y, &data.times, &data.growth[0], gaps));
    svg.close(2);
    let end = |values: &[f64]| values.last().copied().unwrap_or(1.0);
    let (scaled, twin) = (end(&data.growth[0]), end(&data.growth[1]));
    let (at_scaled, at_twin) = apart(y.at(scaled), y.at(twin), 14.0);
    let decimals = if (0.1..10.0).contains(&scaled) && (0.1..10.0).contains(&twin) { 2 } else { 1 };
    let shown = |value| show::number(value, decimals, Style::Page);
    svg.text("lb ls", RIGHT + 7.0, at_scaled + 4.0, Anchor::Start, &format!("scaled {}", shown(scaled)));
    svg.text("lb", RIGHT + 7.0, at_twin + 4.0, Anchor::Start, &format!("twin {}", shown(twin)));
    if let Some(when) = view.run.twin.liquidated {
        let at = view.bar_at(when);
        let (px, py) = (x.at(when as f64), y.at(data.growth[1].get(at + 1).copied().unwrap_or(low)));
        svg.open_at(px);
        svg.mark("stop", px, py, None, &format!("twin liquidated {}", time(when)));
        let anchor = if px > RIGHT - 150.0 { Anchor::End } else { Anchor::Start };
        let shift = if anchor == Anchor::End { -8.0 } else { 8.0 };
        let day = show::day(Timestamp::from_nanos(when));
        svg.text("lb hl", px + shift, py - 6.0, anchor, &format!("twin liquidated {day}"));
        svg.close(1);
    }
}

fn drawdown_plot(svg: &mut Svg, view: &View<'_>, x: &Axis, (top, bottom): (f64, f64), data: &Data) {
    svg.title(LEFT, top - 12.0, "Drawdown, %", "How far under its peak?");
    let deepest = extent(data.drawdown.iter().flatten().copied()).map_or(-1.0, |(low, _)| low.min(-0.5));
    // Room under the deepest point for the label that names it.
    let y = Axis::linear((deepest * 1.22, 0.0), (bottom, top));
    let (ticks, decimals) = y.ticks(3);
    svg.rows(&y, (LEFT, RIGHT), &labels(&ticks, decimals));
    svg.line("ze", (LEFT, y.at(0.0)), (RIGHT, y.at(0.0)));
    let gaps = &view.run.gaps;
    svg.open_clipped("fc", "z");
    svg.path("fa", area(x, &y, &data.times, &data.drawdown[0], gaps, 0.0));
    svg.path("tw", thin_line((x, &y), &data.times, &data.drawdown[1], gaps, TWIN));
    svg.path("sl", line(x, &y, &data.times, &data.drawdown[0], gaps));
    svg.close(2);

    let worst = |found: Option<Drawdown>| found.filter(|worst| worst.depth < 0.0);
    let place = |worst: &Drawdown| (x.at(worst.trough.nanos() as f64), y.at(worst.depth * 100.0));
    let mut taken: Option<(f64, f64, f64)> = None;
    for (found, name, point, class) in
        [(worst(view.twin.drawdown), "twin", "mt", "lb hl"), (worst(view.scaled.drawdown), "scaled", "ms", "lb ls hl")]
    {
        let Some(found) = found else { continue };
        let (px, py) = place(&found);
        let text = format!("{name} {}", show::percent(found.depth, 1, Style::Page));
        let half = width_of(&text) / 2.0;
        let mut centre = px.clamp(LEFT + half, RIGHT - half);
        let mut under = py + 17.0;
        // Two worst points close together: the second label moves beside its point.
        if let Some((other, other_y, other_half)) = taken
            && (centre - other).abs() < half + other_half + 6.0
            && (under - other_y).abs() < 14.0
        {
            let left = other - other_half - half - 10.0;
            centre = if left > LEFT + half { left } else { other + other_half + half + 10.0 };
            under = other_y;
        }
        taken = Some((centre, under, half));
        svg.open_at(px);
        svg.circle(point, px, py, 3.5);
        svg.text(class, centre, under, Anchor::Middle, &text);
        svg.close(1);
    }
}

fn volatility_plot(svg: &mut Svg, view: &View<'_>, x: &Axis, (top, bottom): (f64, f64), realised: &Realised) {
    svg.title(LEFT, top - 12.0, &realised.name, "Did risk stay at its target?");
    let target = view.run.method.target_vol.map(|target| target * 100.0);
    let all = realised.scaled.iter().chain(&realised.twin).map(|(_, vol)| vol * 100.0).chain(target);
    let y = Axis::linear((0.0, extent(all).map_or(1.0, |(_, high)| high)), (bottom, top));
    let (ticks, decimals) = y.ticks(4);
    svg.rows(&y, (LEFT, RIGHT), &labels(&ticks, decimals));
    if let Some(target) = target {
        svg.line("tg", (LEFT, y.at(target)), (RIGHT, y.at(target)));
        let label = format!("target {}", show::number(target, 0, Style::Page));
        svg.text("lb", RIGHT + 7.0, y.at(target) + 4.0, Anchor::Start, &label);
    }
    svg.open_clipped("fc", "z");
    for (class, rolling) in [("tw", &realised.twin), ("sl", &realised.scaled)] {
        let times: Vec<i64> = rolling.iter().map(|(time, _)| time.nanos()).collect();
        let values: Vec<f64> = rolling.iter().map(|(_, vol)| vol * 100.0).collect();
        svg.path(class, line(x, &y, &times, &values, &view.run.gaps));
    }
    svg.close(2);
}

fn exposure_plot(svg: &mut Svg, view: &View<'_>, x: &Axis, (top, bottom): (f64, f64)) {
    svg.title(LEFT, top - 12.0, "Exposure, × equity", "How much was held?");
    let bars = &view.run.bars;
    let twin = &view.run.twin.exposure;
    let (low, high) = extent(bars.exposure.iter().chain(twin).copied().chain([0.0])).unwrap_or((0.0, 1.0));
    let y = Axis::linear((low, high), (bottom - 3.0, top + 3.0));
    svg.open_clipped("fc", "z");
    let caps = hatch_caps(svg, view, x, (top, bottom));
    svg.close(2);
    let (ticks, decimals) = y.ticks(4);
    svg.rows(&y, (LEFT, RIGHT), &labels(&ticks, decimals));
    svg.line("ze", (LEFT, y.at(0.0)), (RIGHT, y.at(0.0)));
    svg.open_clipped("fc", "z");
    svg.path("tw", thin_line((x, &y), &bars.time, twin, &view.run.gaps, TWIN));
    svg.path("sl", line(x, &y, &bars.time, &bars.exposure, &view.run.gaps));
    svg.close(2);
    if !caps.is_empty() {
        let text = format!("hatched: {} {} size down", caps.join(", "), if caps.len() == 1 { "holds" } else { "hold" });
        svg.text("lb hl", RIGHT, top - 12.0, Anchor::End, &text);
    }
}

/// Hatches where a cap binds; the names of the caps, the busiest first.
fn hatch_caps(svg: &mut Svg, view: &View<'_>, x: &Axis, (top, bottom): (f64, f64)) -> Vec<String> {
    let bars = &view.run.bars;
    let mut counts = vec![0_usize; bars.caps.len()];
    let mut drawn: Option<(f64, f64)> = None;
    let draw = |svg: &mut Svg, (from, to): (f64, f64)| svg.rect("cap", from, top, (to - from).max(1.5), bottom - top);
    for (at, cap) in bars.cap.iter().enumerate() {
        let Some(cap) = cap else { continue };
        if let Some(count) = counts.get_mut(usize::from(*cap)) {
            *count += 1;
        }
        let start = x.at((bars.time[at] - view.run.header.bar) as f64).max(LEFT);
        let end = x.at(bars.time[at] as f64);
        match &mut drawn {
            Some((_, to)) if start - *to < 2.0 => *to = end,
            _ => {
                if let Some(run) = drawn.replace((start, end)) {
                    draw(svg, run);
                }
            }
        }
    }
    if let Some(run) = drawn {
        draw(svg, run);
    }
    let mut names: Vec<_> = counts.into_iter().zip(&bars.caps).filter(|(count, _)| *count > 0).collect();
    names.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    names.into_iter().take(2).map(|(_, name)| name.clone()).collect()
}

/// Ticks with their labels.
pub(super) fn labels(ticks: &[f64], decimals: usize) -> Vec<(f64, String)> {
    ticks.iter().map(|tick| (*tick, trimmed(show::number(*tick, decimals, Style::Page)))).collect()
}

/// Without the zeros that a neighbour's decimal places ask for: an axis reads `1`, `1.5`, `2`.
fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Two heights at least `least` apart, their order kept.
fn apart(a: f64, b: f64, least: f64) -> (f64, f64) {
    let lacking = least - (a - b).abs();
    if lacking <= 0.0 {
        return (a, b);
    }
    let push = if a < b { -lacking / 2.0 } else { lacking / 2.0 };
    (a + push, b - push)
}

fn spoken(view: &View<'_>, data: &Data) -> String {
    let end = |at: usize| show::ratio(data.growth[at].last().copied().unwrap_or(1.0), Style::Page);
    let depth =
        |found: Option<Drawdown>| or_missing(found.map(|worst| worst.depth), |d| show::percent(d, 1, Style::Page));
    let holes = match view.run.gaps.len() {
        0 => String::new(),
        count => format!(" {} in the tape, hatched.", counted(count, "gap", "gaps")),
    };
    format!(
        "Scaled run ends at {}, twin at {}; worst drawdown {} and {} percent.{holes}",
        end(0),
        end(1),
        depth(view.scaled.drawdown),
        depth(view.twin.drawdown)
    )
}

/// The data behind the figure, thinned to [`ROWS`] bars; the reading line reads its cells.
fn table(page: &mut Markup, view: &View<'_>, data: &Data, realised: Option<&Realised>) {
    let bars = &view.run.bars;
    let every = bars.time.len().div_ceil(ROWS).max(1);
    page.raw("<details class=\"data\"><summary>Data</summary>");
    if every > 1 {
        page.element(
            "p",
            &[("class", "note")],
            &format!("One row in {every} of {}.", counted(bars.time.len(), "bar", "bars")),
        );
    }
    page.raw("<div class=\"scroll\"><table class=\"dt\" id=\"fd\"><thead><tr><th scope=\"col\">UTC</th>");
    let mut names = vec!["Growth", "Drawdown, %"];
    names.extend(realised.map(|_| "Volatility, %"));
    names.push("Exposure, ×");
    for name in &names {
        page.element("th", &[("scope", "col")], &format!("{name} scaled")).raw("<th scope=\"col\">twin</th>");
    }
    page.raw("</tr></thead><tbody>");
    let vol = |rolling: &[(Timestamp, f64)], when: i64| {
        let at = rolling.partition_point(|(time, _)| time.nanos() <= when);
        or_missing(at.checked_sub(1).map(|at| rolling[at].1), |vol| show::percent(vol, 1, Style::Page))
    };
    let last = bars.time.len() - 1;
    for at in (0..last).step_by(every).chain([last]) {
        page.raw("<tr>").element("th", &[("scope", "row")], &time(bars.time[at]));
        let mut cell = |text: String| {
            page.element("td", &[], &text);
        };
        for growth in &data.growth {
            cell(show::number(growth[at + 1], 3, Style::Page));
        }
        for drawdown in &data.drawdown {
            cell(show::number(drawdown[at + 1], 1, Style::Page));
        }
        if let Some(realised) = realised {
            cell(vol(&realised.scaled, bars.time[at]));
            cell(vol(&realised.twin, bars.time[at]));
        }
        cell(show::ratio(bars.exposure[at], Style::Page));
        cell(show::ratio(view.run.twin.exposure[at], Style::Page));
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div></details>");
}
