//! The section "Limits": which limit ran the book?

use super::actions::plan_link;
use super::markup::Markup;
use super::scale::{Axis, time_ticks};
use super::summary::{Headroom, LimitCut};
use super::svg::{Anchor, PathData, Svg, thin_line, unbroken};
use super::view::{View, or_missing, time};
use units::show::{self, Style};

pub(super) fn section(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    page.raw("<section class=\"sec\" id=\"limits\" aria-labelledby=\"h-limits\"><h2 id=\"h-limits\">Limits<span>")
        .raw("Which limit ran the book?</span></h2>");
    let bars = &view.run.bars;
    let limits: Vec<&Headroom> = bars.headroom.iter().filter(|limit| limit.left.len() == bars.time.len()).collect();
    if limits.is_empty() || bars.time.is_empty() {
        let why = if bars.time.is_empty() { "The run has no bars." } else { "The policy declares no limit." };
        page.element("p", &[("class", "note")], why).raw("</section>");
        return page;
    }
    page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&lanes(view, &limits)).raw("</div></div>");
    table(&mut page, view, &limits);
    page.raw("</section>");
    page
}

/// The least that was left, and at which bar.
fn tightest(limit: &Headroom) -> Option<(usize, f64)> {
    let left = limit.left.iter().enumerate().filter_map(|(at, left)| Some((at, (*left)?)));
    left.min_by(|a, b| a.1.total_cmp(&b.1))
}

fn is_bound(view: &View<'_>, limit: &Headroom, at: usize) -> bool {
    let cap = view.run.bars.cap.get(at).copied().flatten();
    cap.and_then(|cap| view.run.bars.caps.get(usize::from(cap))) == Some(&limit.name)
}

fn lanes(view: &View<'_>, limits: &[&Headroom]) -> Markup {
    let header = &view.run.header;
    let bars = &view.run.bars;
    let (left, right, top, height) = (72.0, 1252.0, 40.0, 74.0);
    let step = height + 40.0;
    let bottom = top + step * limits.len() as f64 - 40.0;
    let told: Vec<String> = limits
        .iter()
        .map(|limit| {
            let least = or_missing(tightest(limit).map(|(_, left)| left), |left| show::percent(left, 0, Style::Page));
            format!("{}: {least} percent at least left, {} cuts", limit.name, limit.cuts.len())
        })
        .collect();
    let mut svg = Svg::new(1340.0, bottom + 32.0, &format!("What was left of each limit. {}.", told.join("; ")), &[]);
    let x = Axis::linear((header.start as f64, header.end as f64), (left, right));
    svg.columns(&x, (top, bottom), bottom + 20.0, &time_ticks(header.start, header.end, 12));
    svg.gaps(&x, (top, bottom), &view.run.gaps);
    for (lane, limit) in limits.iter().enumerate() {
        let from = top + step * lane as f64;
        let y = Axis::linear((0.0, 1.0), (from + height, from));
        let name = limit.name.get(..1).unwrap_or_default().to_uppercase() + limit.name.get(1..).unwrap_or_default();
        svg.title(left, from - 10.0, &format!("{name} ({}), % left", limit.limit), "How near did it come?");
        let mut bound = PathData::default();
        let mut drawn = f64::MIN;
        for at in (0..bars.time.len()).filter(|at| is_bound(view, limit, *at)) {
            let px = x.at(bars.time[at] as f64);
            if px - drawn > 1.0 {
                bound.move_to((px, from));
                bound.line_to((px, from + height));
                drawn = px;
            }
        }
        svg.path("bd", bound);
        let rows = [0.0, 0.5, 1.0].map(|share| (share, show::percent(share, 0, Style::Page)));
        svg.rows(&y, (left, right), &rows);
        for level in &limit.levels {
            svg.line("tg", (left, y.at(*level)), (right, y.at(*level)));
        }
        let clamped = |range: std::ops::Range<usize>| -> (Vec<i64>, Vec<f64>) {
            let known = range.filter_map(|at| Some((bars.time[at], limit.left[at]?.clamp(0.0, 1.0))));
            known.unzip()
        };
        for range in runs(&limit.left, unbroken(&bars.time, &view.run.gaps)) {
            let (times, values) = clamped(range);
            svg.path("sl", thin_line((&x, &y), &times, &values, &[], 3.0));
        }
        let mut ticks = PathData::default();
        let mut drawn = f64::MIN;
        for cut in &limit.cuts {
            let px = x.at(cut.time as f64);
            if px - drawn > 0.8 {
                ticks.move_to((px, from + height - 9.0));
                ticks.line_to((px, from + height));
                drawn = px;
            }
        }
        svg.path("ct", ticks);
        if let Some((_, least)) = tightest(limit).filter(|(_, least)| *least < 0.995) {
            let label = format!("least {}", show::percent(least.max(0.0), 0, Style::Page));
            svg.text("lb", right + 7.0, y.at(least.clamp(0.06, 0.94)) + 4.0, Anchor::Start, &label);
        }
    }
    svg.text("lb", right, 18.0, Anchor::End, "shaded: it held size down; ticks: it cut; dashed: a milder level");
    svg.finish()
}

/// Stretches of bars that have a value, within runs without a gap.
fn runs(values: &[Option<f64>], ranges: Vec<std::ops::Range<usize>>) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for range in ranges {
        let mut start = None;
        for at in range.clone() {
            match (values[at].is_some(), start) {
                (true, None) => start = Some(at),
                (false, Some(from)) => {
                    found.push(from..at);
                    start = None;
                }
                _ => {}
            }
        }
        found.extend(start.map(|from| from..range.end));
    }
    found
}

fn table(page: &mut Markup, view: &View<'_>, limits: &[&Headroom]) {
    let bars = &view.run.bars;
    page.raw("<div class=\"card scroll\"><table class=\"lt so\"><thead><tr><th scope=\"col\">Limit</th>");
    // Quantities of several instruments are no sum: their value over equity is.
    let only = if let [only] = view.instruments.as_slice() { Some(only) } else { None };
    let cut_unit = format!("Cut in all, {}", only.map_or("× equity", |known| known.traded.unit.as_str()));
    let shown = |cut: &LimitCut| match only {
        Some(known) => known.qty(cut.quantity),
        None => show::ratio(cut.exposure, Style::Page),
    };
    for (name, right) in [
        ("At", false),
        ("Least left, %", true),
        ("When, UTC", false),
        ("Held size down, % of bars", true),
        ("Cuts", true),
        (cut_unit.as_str(), true),
        ("Largest cut", true),
        ("Its plan", false),
    ] {
        page.element("th", &[("scope", "col"), ("class", if right { "r" } else { "" })], name);
    }
    page.raw("</tr></thead><tbody>");
    for limit in limits {
        let bound = (0..bars.time.len()).filter(|at| is_bound(view, limit, *at)).count();
        let least = tightest(limit);
        let largest = limit.cuts.iter().max_by(|a, b| a.exposure.total_cmp(&b.exposure));
        page.raw("<tr>").element("th", &[("scope", "row")], &limit.name).element("td", &[], &limit.limit);
        let left = or_missing(least.map(|(_, left)| left.max(0.0)), |left| show::percent(left, 1, Style::Page));
        page.element("td", &[("class", "r")], &left);
        page.element("td", &[], &least.map_or_else(|| show::MISSING.to_owned(), |(at, _)| time(bars.time[at])));
        let share = bound as f64 / bars.time.len() as f64;
        page.element("td", &[("class", "r")], &show::percent(share, 1, Style::Page));
        page.element("td", &[("class", "r")], &show::count(limit.cuts.len() as u64, Style::Page));
        let sum = |read: fn(&LimitCut) -> f64| limit.cuts.iter().map(read).sum::<f64>();
        let all =
            LimitCut { quantity: sum(|cut| cut.quantity), exposure: sum(|cut| cut.exposure), ..LimitCut::default() };
        page.element("td", &[("class", "r")], &shown(&all));
        page.element("td", &[("class", "r")], &largest.map_or_else(|| show::MISSING.to_owned(), shown));
        page.raw("<td>");
        match largest {
            Some(cut) => plan_link(page, view, cut.plan),
            None => {
                page.text(show::MISSING);
            }
        }
        page.raw("</td></tr>");
    }
    page.raw("</tbody></table></div>");
}
