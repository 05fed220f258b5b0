//! The distribution of a portfolio's profit with value at risk, expected shortfall and what each holding adds.

use super::scale::{Axis, extent};
use super::svg::{Anchor, PathData, Svg, width_of};
use crate::portfolio::{PartView, RiskView};
use units::show::{self, Style};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 960.0;
const TOP: f64 = 82.0;
const PLOT: f64 = 230.0;
/// Between the distribution and the parts.
const BETWEEN: f64 = 92.0;
const ROW: f64 = 22.0;
/// Parts that are drawn: the largest.
const PARTS_MAX: usize = 16;
/// Where the parts' names end, and where their bars begin and end.
const NAMES: f64 = 300.0;
const BARS: (f64, f64) = (316.0, 760.0);

/// The picture: how likely which profit is, what lies beyond value at risk, and the shares of the largest holdings.
#[must_use]
pub fn risk_svg(view: &RiskView) -> String {
    let parts = largest(view);
    let height = TOP + PLOT + BETWEEN + ROW * parts.len() as f64 + 34.0;
    let mut svg = Svg::standalone(WIDTH, height, &summary(view));
    let title = format!("P&L over {}, USD", horizon(view));
    svg.title(LEFT, 22.0, &title, "What may be lost?");
    let drawn = view
        .scenarios
        .map_or_else(String::new, |count| format!(", {} scenarios", show::count(count as u64, Style::Page)));
    let worth = format!("{}; worth {} USD; {}{drawn}", show::time(view.time), money(view.value), view.method);
    svg.text("lb", LEFT, 42.0, Anchor::Start, &worth);
    distribution(&mut svg, view);
    shares(&mut svg, view, &parts, TOP + PLOT + BETWEEN);
    svg.finish().into_string() + "\n"
}

/// The largest shares of expected shortfall, by size.
fn largest(view: &RiskView) -> Vec<(&PartView, String)> {
    let all = view.holdings.iter().zip(view.labels());
    let mut parts: Vec<(&PartView, String)> = all.filter(|(part, _)| share(part) != 0.0).collect();
    parts.sort_by(|(one, _), (other, _)| share(other).abs().total_cmp(&share(one).abs()));
    parts.truncate(PARTS_MAX);
    parts
}

/// Of expected shortfall; none where the whole is nothing.
fn share(part: &PartView) -> f64 {
    part.expected_shortfall.unwrap_or(0.0)
}

fn summary(view: &RiskView) -> String {
    format!(
        "Distribution of the profit over {}: value at risk at {} % {} USD, expected shortfall {} USD, by the method {}.",
        horizon(view),
        percent(view.confidence),
        money(view.value_at_risk),
        money(view.expected_shortfall),
        view.method
    )
}

fn distribution(svg: &mut Svg, view: &RiskView) {
    let (Some(first), Some(last)) = (view.distribution.first(), view.distribution.last()) else {
        svg.text("lb", LEFT, TOP + PLOT / 2.0, Anchor::Start, "Nothing moves the profit, so there is nothing to draw.");
        return;
    };
    let x = Axis::linear((first.from, last.to), (LEFT, RIGHT));
    let (_, most) = extent(view.distribution.iter().map(|bar| bar.share * 100.0)).unwrap_or_default();
    // Over all bars there is room for the names of both figures.
    let y = Axis::linear((0.0, most * 1.2), (TOP + PLOT, TOP));
    let (ticks, decimals) = y.ticks(4);
    let rows: Vec<(f64, String)> =
        ticks.into_iter().map(|value| (value, show::number(value, decimals, Style::Page))).collect();
    svg.rows(&y, (LEFT, RIGHT), &rows);
    svg.text("lb", LEFT, TOP - 8.0, Anchor::Start, "% of scenarios a bar");
    let (ticks, decimals) = x.ticks(7);
    for value in ticks {
        let label = show::number(value, decimals, Style::Page);
        svg.text("ax", x.at(value), TOP + PLOT + 18.0, Anchor::Middle, &label);
    }
    for bar in &view.distribution {
        // What is beyond value at risk has another colour; a bar that it goes through belongs to the larger part.
        let class = if (bar.from + bar.to) / 2.0 < -view.value_at_risk { "dn" } else { "up" };
        let (from, to, top) = (x.at(bar.from), x.at(bar.to), y.at(bar.share * 100.0));
        svg.rect(class, from + 0.5, top, to - from - 1.0, TOP + PLOT - top);
    }
    if x.contains(0.0) {
        svg.line("ze", (x.at(0.0), TOP), (x.at(0.0), TOP + PLOT));
    }
    for (at, (figure, name)) in [(view.value_at_risk, "VaR"), (view.expected_shortfall, "ES")].into_iter().enumerate() {
        if !x.contains(-figure) {
            continue;
        }
        let place = x.at(-figure);
        svg.stroke("lq", 1.6, PathData::default().moved((place, TOP)).lined((place, TOP + PLOT)));
        let label = format!("{name} {} % {}", percent(view.confidence), money(figure));
        let (above, wide) = (TOP + 14.0 + 18.0 * at as f64, width_of(&label) + 6.0);
        // Expected shortfall, which lies to the left, is named on its left, so that neither name is crossed by the other's line.
        let anchor = match at {
            0 if place + wide < RIGHT => Anchor::Start,
            1 if place - wide < LEFT => Anchor::Start,
            _ => Anchor::End,
        };
        let place = if anchor == Anchor::Start { place + 6.0 } else { place - 6.0 };
        svg.text("in", place, above, anchor, &label);
    }
    svg.text("lb", RIGHT, TOP + PLOT + 36.0, Anchor::End, "the outermost bars hold what lies beyond");
}

fn shares(svg: &mut Svg, view: &RiskView, parts: &[(&PartView, String)], top: f64) {
    svg.title(LEFT, top - 30.0, "Shares of expected shortfall, USD", "Whose loss is it?");
    if view.holdings.iter().any(|part| part.expected_shortfall.is_none()) {
        svg.text(
            "lb",
            NAMES,
            top + 11.0,
            Anchor::Start,
            "none: the whole is nothing beside what its parts would lose alone",
        );
    }
    let hidden = view.holdings.iter().filter(|part| share(part) != 0.0).count() - parts.len();
    let (low, high) = extent(parts.iter().map(|(part, _)| share(part)).chain([0.0])).unwrap_or_default();
    let x = Axis::linear((low, high), BARS);
    for (at, (part, label)) in parts.iter().enumerate() {
        let y = top + ROW * at as f64;
        svg.text("in", NAMES, y + 11.0, Anchor::End, label);
        let (from, to) = (x.at(share(part).min(0.0)), x.at(share(part).max(0.0)));
        // What lessens the loss is blue.
        let class = if share(part) > 0.0 { "dn" } else { "up" };
        svg.rect(class, from, y, (to - from).max(1.0), ROW - 8.0);
        let figures = match part.value_at_risk {
            Some(of) => format!("{}, of VaR {}", money(share(part)), money(of)),
            None => money(share(part)),
        };
        svg.text("lb", BARS.1 + 14.0, y + 11.0, Anchor::Start, &figures);
    }
    svg.line("ze", (x.at(0.0), top - 6.0), (x.at(0.0), top + ROW * parts.len() as f64 - 4.0));
    if hidden > 0 {
        let more = format!("{hidden} smaller ones are not drawn");
        svg.text("lb", NAMES, top + ROW * parts.len() as f64 + 14.0, Anchor::End, &more);
    }
}

/// In days, or in hours where that is no whole number of them.
fn horizon(view: &RiskView) -> String {
    let days = view.horizon_days;
    if days.fract() == 0.0 { format!("{days} d") } else { format!("{} h", rounded(days * 24.0)) }
}

fn percent(confidence: f64) -> f64 {
    rounded(confidence * 100.0)
}

/// Without what multiplying leaves behind the last digit.
fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

fn money(value: f64) -> String {
    show::money_estimate(value, 2, Style::Page)
}
