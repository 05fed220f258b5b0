//! The three cards under the overview: what moved the position, campaigns in R, can this run be trusted.

use super::markup::Markup;
use super::scale::{Axis, extent};
use super::summary::Purpose;
use super::svg::{Anchor, Svg};
use super::view::View;
use std::collections::{BTreeMap, BTreeSet};
use units::Duration;
use units::show::{self, Style};

/// Actions by rule, counted by plan: a stop filled in three slices is one stop.
pub(super) fn moved(view: &View<'_>) -> Option<Markup> {
    let mut plans: BTreeMap<&'static str, BTreeSet<(u64, Purpose)>> = BTreeMap::new();
    for fill in view.fills() {
        // The venue settles under a number of its own.
        let plan = if fill.purpose == Purpose::Settlement { fill.time as u64 } else { fill.plan };
        plans.entry(kind(fill.purpose)).or_default().insert((plan, fill.purpose));
    }
    let done = |kind: &str| plans.get(kind).map_or(0, BTreeSet::len);
    let refusals = || view.run.instruments.iter().flat_map(|traded| &traded.refusals);
    let held = refusals().filter(|refusal| refusal.held).count();
    let rows = [
        ("resize", "c-scaled", "Volatility target resized", done("resize")),
        ("entry", "c-scaled", "Campaigns entered", done("entry")),
        ("add", "c-gain", "Pyramid units added", done("add")),
        ("rung", "c-warn", "Ladder rungs filled", done("rung")),
        ("exit", "c-scaled", "Signals ended", done("exit")),
        ("roll", "c-scaled", "Options rolled", done("roll")),
        ("settlement", "c-scaled", "Options settled at expiry", done("settlement")),
        ("stop", "c-loss", "Stops hit", done("stop")),
        ("cut", "c-loss", "Limits cut size", done("cut")),
        ("hedge", "c-hedge", "Hedges", done("hedge")),
        ("liquidation", "c-loss", "Liquidations by the venue", done("liquidation")),
        ("refused", "c-twin", "Triggers and adds refused", refusals().count() - held),
        ("held", "c-twin", "Held by trim buffer", held),
    ];
    let rows: Vec<_> = rows.into_iter().filter(|row| row.3 > 0).collect();
    // What was held back can be many times what was done; its bar is cut, and says so.
    let most = rows.iter().filter(|row| row.1 != "c-twin").map(|row| row.3).max().or(rows.first().map(|row| row.3))?;
    let mut page = Markup::new();
    page.raw("<section class=\"card\"><h2>What moved the position<span>actions by rule</span></h2><table class=\"act\"><tbody>");
    for (mark, class, name, count) in rows {
        let share = (count as f64 / most as f64).min(1.0);
        let width = format!("width:{}%", show::number((share * 88.0).max(1.0), 0, Style::Terminal));
        let shape = match mark {
            "roll" => "resize",
            "settlement" => "exit",
            own => own,
        };
        page.raw("<tr><td>").piece(&mark_alone(shape)).raw("</td>");
        page.element("th", &[("scope", "row")], name);
        page.element("td", &[("class", "n")], &show::count(count as u64, Style::Page));
        page.raw("<td class=\"b\">").open("i", &[("class", class), ("style", &width)]).close("i");
        if count > most {
            page.raw("<em>⟩</em>");
        }
        page.raw("</td></tr>");
    }
    page.raw("</tbody></table></section>");
    Some(page)
}

/// A mark of the charts, in a line of text.
pub(super) fn mark_alone(mark: &str) -> Markup {
    let mut page = Markup::new();
    page.raw("<svg class=\"mk\" viewBox=\"-8 -8 16 16\" aria-hidden=\"true\">");
    page.empty("use", &[("href", &format!("#m-{mark}"))]).raw("</svg>");
    page
}

fn kind(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Roll => "roll",
        Purpose::Settlement => "settlement",
        other => super::view::purpose(other).0,
    }
}

/// One dot a campaign over its R; the twin under it where it has an R.
pub(super) fn dots(view: &View<'_>) -> Option<Markup> {
    let scaled: Vec<f64> = view.run.campaigns.iter().filter_map(|campaign| campaign.r).collect();
    let twin = &view.run.twin_r;
    let (low, high) = extent(scaled.iter().chain(twin).copied().chain([-1.0, 1.0]))?;
    if scaled.is_empty() {
        return None;
    }
    let mut page = Markup::new();
    page.raw("<section class=\"card\"><h2>Campaigns<span>");
    page.text(&format!("{}, result in R, one dot each", show::count(scaled.len() as u64, Style::Page)));
    page.raw("</span></h2>");
    let summary = format!("Result of each campaign in R. {}", stated("scaled", &scaled));
    let height = if twin.is_empty() { 104.0 } else { 168.0 };
    let mut svg = Svg::new(390.0, height, &summary, &[]);
    let x = Axis::linear((low - 0.3, high + 0.3), (18.0, 372.0));
    let bottom = height - 20.0;
    let (ticks, decimals) = x.ticks(8);
    for tick in ticks {
        let at = x.at(tick);
        svg.line(if tick == 0.0 { "ze" } else { "gr" }, (at, 16.0), (at, bottom));
        svg.text("ax", at, height - 5.0, Anchor::Middle, &show::number(tick, decimals, Style::Page));
    }
    let base = if twin.is_empty() { bottom - 5.0 } else { 78.0 };
    svg.text("lb ls hl", 18.0, 12.0, Anchor::Start, &stated("scaled", &scaled));
    stack(&mut svg, "bs", &x, base, &scaled);
    if !twin.is_empty() {
        svg.text("lb hl", 18.0, 94.0, Anchor::Start, &stated("twin", twin));
        stack(&mut svg, "bt", &x, bottom - 5.0, twin);
    }
    page.piece(&svg.finish()).raw("</section>");
    Some(page)
}

/// Dots in bins of a fixed width, stacked upwards; a high stack is pressed together.
fn stack(svg: &mut Svg, class: &'static str, x: &Axis, base: f64, values: &[f64]) {
    const BIN: f64 = 9.0;
    let mut bins: BTreeMap<i64, u32> = BTreeMap::new();
    for value in values {
        *bins.entry((x.at(*value) / BIN).round() as i64).or_default() += 1;
    }
    let highest = bins.values().copied().max().unwrap_or(1);
    let (step, radius) = if highest <= 8 { (6.6, 3.0) } else { (52.0 / f64::from(highest), 2.1) };
    let stacks = bins.into_iter().flat_map(|(bin, count)| (0..count.min(400)).map(move |level| (bin, level)));
    svg.dots(class, radius, stacks.map(|(bin, level)| (bin as f64 * BIN, base - f64::from(level) * step)));
}

/// `scaled, median 0.80`, with the sample's size where it is small.
fn stated(name: &str, values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
    let size = if sorted.len() < 30 { format!(", n={}", sorted.len()) } else { String::new() };
    format!("{name}, median {}{size}", show::ratio(median, Style::Page))
}

/// A line of the trust list.
pub(super) struct Finding {
    pub(super) good: bool,
    pub(super) text: String,
    pub(super) value: String,
}

/// What speaks for and against the run.
pub(super) fn findings(view: &View<'_>) -> Vec<Finding> {
    let seen = &view.run.integrity;
    let count = |value: u64| show::count(value, Style::Page);
    let refused: u64 = seen.refused.iter().map(|(_, count)| count).sum();
    let explained = seen.acted + refused;
    let finding = |good: bool, text: &str, value: String| Finding { good, text: text.to_owned(), value };
    let mut list = vec![
        match seen.replayed {
            Some(true) => finding(true, "Replay gives the same commands", format!("hash {}", view.run.run_name())),
            Some(false) => finding(false, "Replay gave other commands", format!("hash {}", view.run.run_name())),
            None => finding(false, "Replay not tried yet", "trimtab replay --verify".into()),
        },
        finding(
            seen.unexplained == 0,
            "Triggers crossed and accounted for",
            format!("{} of {}", count(explained), count(explained + seen.unexplained)),
        ),
        finding(
            seen.residual.trim_start_matches('-') == "0",
            "Ledger identity, largest residual",
            seen.residual.clone(),
        ),
        finding(seen.unmet_caps == 0, "Caps that could not be met", count(seen.unmet_caps)),
    ];
    if seen.unknown_limits > 0 {
        list.push(finding(false, "Limits on what was not known while held", count(seen.unknown_limits)));
    }
    let gaps = || view.run.instruments.iter().flat_map(|traded| &traded.gaps);
    let longest = gaps().map(|gap| gap.to - gap.from - view.run.header.bar).max();
    list.push(match longest {
        None => finding(true, "Gaps in the tape", "0".into()),
        Some(longest) => {
            let longest = show::duration(Duration::from_nanos(longest.max(0)), Style::Page);
            finding(false, "Gaps in the tape", format!("{}, longest {longest}", count(gaps().count() as u64)))
        }
    });
    if view.instruments.iter().any(|known| known.traded.is_structure) {
        list.push(finding(false, "Options fill at quotes, in full where no size is recorded", String::new()));
    }
    if view.instruments.iter().any(|known| !known.traded.is_structure) {
        let fills = format!("Fills from {} bars, not trades", view.bar_name());
        list.push(finding(false, &fills, format!("ambiguous {} of {}", count(seen.ambiguous_bars), count(seen.bars))));
    }
    if !seen.liquidations.is_empty() {
        list.push(finding(false, "Liquidations and near misses", count(seen.liquidations.len() as u64)));
    }
    list
}

/// The trust card.
pub(super) fn trust(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    page.raw("<section class=\"card\"><h2>Can this run be trusted?</h2>");
    page.piece(&list(&findings(view)));
    page.raw("<p class=\"note\"><a href=\"#integrity\">Details under Integrity</a></p></section>");
    page
}

/// Findings as a list; the sign is doubled by a word.
pub(super) fn list(findings: &[Finding]) -> Markup {
    let mut page = Markup::new();
    page.raw("<ul class=\"ok\">");
    for finding in findings {
        page.raw(if finding.good {
            "<li><b aria-hidden=\"true\">✓</b>"
        } else {
            "<li class=\"w\"><b aria-hidden=\"true\">!</b>"
        });
        page.raw("<div>").element("span", &[("class", "sr")], if finding.good { "good: " } else { "note: " });
        page.text(&finding.text).raw("</div>").element("span", &[], &finding.value).raw("</li>");
    }
    page.raw("</ul>");
    page
}
