//! The section "Drawdown & tail": how bad, how long, how often?

use super::markup::Markup;
use super::scale::{Axis, TimeTick, extent, time_ticks};
use super::svg::{Anchor, Svg, width_of};
use super::view::{View, or_missing};
use crate::metrics::{Episode, Return};
use units::show::{self, Style};
use units::{Duration, Timestamp};

/// Drawdowns shown.
const WORST: usize = 10;
/// Losing days that a tail needs to be one.
const LOSSES: usize = 10;

pub(super) fn section(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    page.raw("<section class=\"sec\" id=\"drawdown\" aria-labelledby=\"h-drawdown\"><h2 id=\"h-drawdown\">Drawdown &amp; tail<span>")
        .raw("How bad, how long, how often?</span></h2>");
    let (scaled, twin) = (worst(view.path().episodes()), worst(view.twin_path().episodes()));
    if scaled.is_empty() {
        page.raw("<p class=\"note\">Equity never stood under its peak.</p></section>");
        return page;
    }
    page.raw("<div class=\"card fig wide\"><div class=\"plot\">")
        .piece(&bars(view, &scaled, &twin))
        .raw("</div></div>");
    page.raw("<div class=\"pair\">");
    let tail = tail(view);
    if let Some(tail) = &tail {
        page.raw("<div class=\"card fig\"><div class=\"plot\">").piece(tail).raw("</div></div>");
    }
    table(&mut page, view, &scaled, &twin);
    page.raw("</div>");
    if tail.is_none() {
        let why = format!("Tail of daily losses: needs {LOSSES} losing days.");
        page.element("p", &[("class", "note")], &why);
    }
    page.raw("</section>");
    page
}

fn worst(mut episodes: Vec<Episode>) -> Vec<Episode> {
    episodes.truncate(WORST);
    episodes
}

fn depth(episode: &Episode) -> String {
    show::percent(episode.depth, 1, Style::Page)
}

/// A lane a rank: the scaled run's bar, and under it in grey the twin's of the same rank.
fn bars(view: &View<'_>, scaled: &[Episode], twin: &[Episode]) -> Markup {
    let header = &view.run.header;
    let lanes = scaled.len().max(twin.len());
    let (left, right, top, lane) = (72.0, 1252.0, 34.0, 24.0);
    let bottom = top + lane * lanes as f64;
    let named = |name: &str, list: &[Episode]| {
        let depths: Vec<String> = list.iter().map(depth).collect();
        format!("{name} {}", depths.join(", "))
    };
    let summary = format!("Ten worst drawdowns in percent: {}; {}.", named("scaled", scaled), named("twin", twin));
    let mut svg = Svg::new(1340.0, bottom + 34.0, &summary, &[]);
    svg.title(left, 18.0, "Worst drawdowns, from peak to recovery, %", "How bad, and how long?");
    let x = Axis::linear((header.start as f64, header.end as f64), (left, right));
    let ticks: Vec<TimeTick> = time_ticks(header.start, header.end, 12);
    svg.columns(&x, (top, bottom), bottom + 20.0, &ticks);
    for at in 0..lanes {
        let y = top + lane * at as f64;
        svg.text("ax", left - 8.0, y + 15.0, Anchor::End, &(at + 1).to_string());
        if let Some(episode) = twin.get(at) {
            lane_bar(&mut svg, view, &x, episode, ("wf-t", "lb hl"), (y + 14.0, 5.0), None);
        }
        if let Some(episode) = scaled.get(at) {
            let other = twin.get(at).map(|twin| format!("twin {}", depth(twin)));
            lane_bar(&mut svg, view, &x, episode, ("wf-s", "lb ls hl"), (y + 4.0, 9.0), other);
        }
    }
    svg.text("lb", right, 18.0, Anchor::End, "wide: scaled; thin, grey: twin of the same rank; tick: deepest point");
    svg.finish()
}

type Box2 = (f64, f64);

fn lane_bar(
    svg: &mut Svg,
    view: &View<'_>,
    x: &Axis,
    episode: &Episode,
    (class, label): (&'static str, &'static str),
    (y, height): Box2,
    other: Option<String>,
) {
    let (left, right) = x.range();
    let end = episode.recovered.map_or(view.run.header.end, Timestamp::nanos);
    let (from, to) = (x.at(episode.peak.nanos() as f64), x.at(end as f64));
    svg.rect(class, from, y, (to - from).max(1.5), height);
    let trough = x.at(episode.trough.nanos() as f64);
    svg.line("dt2", (trough, y - 1.5), (trough, y + height + 1.5));
    let Some(other) = other else { return };
    // Beside the bar where there is room, else before it.
    let open = if episode.recovered.is_none() { ", not recovered" } else { "" };
    let text = format!("{}{open}", depth(episode));
    let wide = width_of(&text) * 1.12;
    let whole = wide + width_of(&other) + 20.0;
    let at = if to + whole < right + 86.0 { to + 7.0 } else { from - whole };
    if at < left + 4.0 {
        // The bar fills the plot and ends at its edge: the numbers alone, beside it.
        svg.text(label, right + 7.0, y + 9.0, Anchor::Start, &depth(episode));
        let at = right + 14.0 + width_of(&depth(episode));
        svg.text("lb", at, y + 9.0, Anchor::Start, other.trim_start_matches("twin "));
        return;
    }
    svg.text(label, at, y + 9.0, Anchor::Start, &text);
    svg.text("lb hl", at + wide + 8.0, y + 9.0, Anchor::Start, &other);
}

/// How many days lost at least so much, both axes logarithmic: a straight line is a power law.
fn tail(view: &View<'_>) -> Option<Markup> {
    let losses = |days: Vec<Return>| -> (Vec<f64>, usize) {
        let mut losses: Vec<f64> = days.iter().map(|day| -day.value * 100.0).filter(|loss| *loss > 0.0).collect();
        losses.sort_by(|a, b| b.total_cmp(a));
        (losses, days.len())
    };
    let (scaled, count) = losses(view.path().days());
    let (twin, twin_count) = losses(view.twin_path().days());
    if scaled.len() < LOSSES {
        return None;
    }
    let (low, high) = extent(scaled.iter().chain(&twin).copied())?;
    let low = low.max(high / 300.0).max(0.01);
    let (left, right, top, bottom) = (58.0, 664.0, 34.0, 316.0);
    let worst = |list: &[f64]| show::number(list.first().copied().unwrap_or(0.0), 1, Style::Page);
    let summary = format!(
        "Share of days that lost at least so much, both axes logarithmic. Worst day: scaled {} percent, twin {} percent.",
        worst(&scaled),
        worst(&twin)
    );
    let mut svg = Svg::new(680.0, 354.0, &summary, &[]);
    svg.title(left, 18.0, "Days that lost at least so much, % of days", "How often?");
    let x = Axis::log((low, high * 1.1), (left, right));
    let y = Axis::log((100.0 / count.max(twin_count).max(1) as f64 * 0.8, 70.0), (bottom, top));
    for value in [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0_f64] {
        let decimals = if value < 0.1 { 2 } else { usize::from(value < 1.0) };
        let label = show::number(value, decimals, Style::Page);
        if y.contains(value) {
            svg.rows(&y, (left, right), &[(value, label.clone())]);
        }
        if x.contains(value) {
            svg.line("gr", (x.at(value), top), (x.at(value), bottom));
            svg.text("ax", x.at(value), bottom + 16.0, Anchor::Middle, &label);
        }
    }
    let points = |losses: &[f64], days: usize| -> Vec<(f64, f64)> {
        let ranked = losses.iter().enumerate().filter(|(_, loss)| **loss >= low);
        let at = |(rank, loss): (usize, &f64)| (x.at(*loss), y.at((rank + 1) as f64 / days as f64 * 100.0));
        // Where dots would lie on each other one stands for them.
        let mut kept: Vec<(f64, f64)> = Vec::new();
        for point in ranked.map(at) {
            if kept.last().is_none_or(|last| (last.0 - point.0).abs() + (last.1 - point.1).abs() > 1.5) {
                kept.push(point);
            }
        }
        kept
    };
    svg.dots("bt", 2.0, points(&twin, twin_count));
    svg.dots("bs", 2.4, points(&scaled, count));
    svg.text("lb", left, bottom + 33.0, Anchor::Start, "across: loss of a UTC day, %; blue: scaled, grey: twin");
    Some(svg.finish())
}

fn table(page: &mut Markup, view: &View<'_>, scaled: &[Episode], twin: &[Episode]) {
    page.raw("<div class=\"card scroll\"><h3>Worst drawdowns</h3><table class=\"lt so\"><thead><tr>");
    for (name, right) in [
        ("No.", true),
        ("Scaled, %", true),
        ("Peak, UTC", false),
        ("Deepest", false),
        ("Recovered", false),
        ("Length", true),
        ("Twin, %", true),
        ("Twin's length", true),
    ] {
        page.element("th", &[("scope", "col"), ("class", if right { "r" } else { "" })], name);
    }
    page.raw("</tr></thead><tbody>");
    let length = |episode: &Episode| {
        let end = episode.recovered.unwrap_or(Timestamp::from_nanos(view.run.header.end));
        end.since(episode.peak)
    };
    let cell = |page: &mut Markup, span: Option<Duration>| {
        let sort = span.map_or_else(String::new, |span| span.nanos().to_string());
        let shown = span.map_or_else(|| show::MISSING.to_owned(), |span| show::duration(span, Style::Page));
        page.element("td", &[("class", "r"), ("data-v", &sort)], &shown);
    };
    for at in 0..scaled.len().max(twin.len()) {
        let (ours, theirs) = (scaled.get(at), twin.get(at));
        page.raw("<tr>").element("th", &[("scope", "row"), ("class", "r")], &(at + 1).to_string());
        page.element("td", &[("class", "r")], &or_missing(ours.map(|e| e.depth), |d| show::percent(d, 1, Style::Page)));
        let date = |time: Option<Timestamp>| time.map_or_else(|| show::MISSING.to_owned(), |time| time.date());
        page.element("td", &[], &date(ours.map(|episode| episode.peak)));
        page.element("td", &[], &date(ours.map(|episode| episode.trough)));
        match ours {
            Some(episode) if episode.recovered.is_none() => page.element("td", &[], "not yet"),
            ours => page.element("td", &[], &date(ours.and_then(|episode| episode.recovered))),
        };
        cell(page, ours.map(length));
        let depth = or_missing(theirs.map(|e| e.depth), |d| show::percent(d, 1, Style::Page));
        page.element("td", &[("class", "r")], &depth);
        cell(page, theirs.map(length));
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div>");
}
