//! The section "Integrity": can I trust this?

use super::cards::{findings, list};
use super::markup::Markup;
use super::view::{View, counted, time};
use units::Duration;
use units::show::{self, Style};

/// Rows of the table of gaps.
const GAPS: usize = 40;

pub(super) fn section(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    page.raw("<section class=\"sec\" id=\"integrity\" aria-labelledby=\"h-integrity\"><h2 id=\"h-integrity\">Integrity<span>")
        .raw("Can I trust this?</span></h2><div class=\"pair\"><div class=\"card\"><h3>Findings</h3>");
    page.piece(&list(&findings(view)));
    hashes(&mut page, view);
    page.raw("</div><div class=\"card\">");
    triggers(&mut page, view);
    paths(&mut page, view);
    quiet(&mut page, view);
    sentences(&mut page, "Liquidations and near misses", &view.run.integrity.liquidations);
    sentences(&mut page, "Notes", &view.run.integrity.notes);
    page.raw("</div></div>");
    gaps(&mut page, view);
    page.raw("</section>");
    page
}

fn hashes(page: &mut Markup, view: &View<'_>) {
    let seen = &view.run.integrity;
    page.raw("<h3>Hashes</h3><table class=\"kv\"><tbody>");
    for (name, hash) in [("Everything, in order", &seen.chain), ("Last state", &seen.state)] {
        page.raw("<tr>")
            .element("th", &[("scope", "row")], name)
            .raw("<td>")
            .element("code", &[], hash)
            .raw("</td></tr>");
    }
    page.raw("</tbody></table>");
}

fn triggers(page: &mut Markup, view: &View<'_>) {
    let seen = &view.run.integrity;
    let refused: u64 = seen.refused.iter().map(|(_, count)| count).sum();
    page.raw(
        "<h3>Triggers crossed<span>each acted on, or refused with a reason</span></h3><table class=\"kv\"><tbody>",
    );
    let mut row = |name: &str, count: u64| {
        page.raw("<tr>").element("th", &[("scope", "row")], name);
        page.element("td", &[("class", "r")], &show::count(count, Style::Page)).raw("</tr>");
    };
    row("Crossed", seen.acted + refused + seen.unexplained);
    row("Acted on", seen.acted);
    for (reason, count) in &seen.refused {
        row(&format!("Refused: {reason}"), *count);
    }
    row("Unexplained", seen.unexplained);
    page.raw("</tbody></table>");
}

/// How many inputs were known to change nothing before any rule was asked.
fn quiet(page: &mut Markup, view: &View<'_>) {
    let Some((inputs, quiet, evaluations)) = view.run.integrity.quiet.filter(|(inputs, ..)| *inputs > 0) else {
        return;
    };
    page.raw("<h3>Inputs inside the quiet region</h3><table class=\"kv\"><tbody>");
    let mut row = |name: &str, value: &str| {
        page.raw("<tr>").element("th", &[("scope", "row")], name).element("td", &[("class", "r")], value).raw("</tr>");
    };
    let count = |count: u64| show::count(count, Style::Page);
    let share = show::percent(quiet as f64 / inputs as f64, 2, Style::Page);
    row("Inputs that asked no rule", &format!("{} of {}, {share} %", count(quiet), count(inputs)));
    row("Evaluations of a strategy's rules", &count(evaluations));
    page.raw("</tbody></table>");
}

/// What the unknown order of a bar's extremes is worth.
fn paths(page: &mut Markup, view: &View<'_>) {
    let seen = &view.run.integrity;
    page.raw("<h3>Order of a bar's extremes</h3><table class=\"kv\"><tbody>");
    let share = if seen.bars > 0 { seen.ambiguous_bars as f64 / seen.bars as f64 } else { 0.0 };
    let ambiguous = format!(
        "{} of {}, {} %",
        show::count(seen.ambiguous_bars, Style::Page),
        show::count(seen.bars, Style::Page),
        show::percent(share, 2, Style::Page)
    );
    let mut row = |name: &str, value: &str| {
        page.raw("<tr>").element("th", &[("scope", "row")], name).element("td", &[("class", "r")], value).raw("</tr>");
    };
    row("Bars where the order changes a fill", &ambiguous);
    if let Some((adverse, kind)) = seen.path_profit {
        let unit = &view.run.header.currency;
        row(&format!("Profit, adverse extreme first, {unit}"), &view.money(adverse));
        row(&format!("Profit, other extreme first, {unit}"), &view.money(kind));
    }
    page.raw("</tbody></table>");
}

fn sentences(page: &mut Markup, title: &'static str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    page.element("h3", &[], title).raw("<ul class=\"nt\">");
    for sentence in sentences {
        page.element("li", &[], sentence);
    }
    page.raw("</ul>");
}

fn gaps(page: &mut Markup, view: &View<'_>) {
    let all = view.instruments.iter().flat_map(|known| known.traded.gaps.iter().map(move |gap| (known, gap)));
    let mut gaps: Vec<_> = all.collect();
    gaps.sort_by_key(|(known, gap)| (gap.from, known.at));
    if gaps.is_empty() {
        return;
    }
    let several = view.instruments.len() > 1;
    page.raw("<div class=\"card\"><h3>Gaps in the tape<span>no line is drawn through them</span></h3><div class=\"scroll\">")
        .raw("<table class=\"lt\"><thead><tr><th scope=\"col\">Last bar before, UTC</th><th scope=\"col\">First bar after</th>");
    if several {
        page.raw("<th scope=\"col\">Instrument</th>");
    }
    page.raw("<th scope=\"col\">Missing</th><th scope=\"col\">Held through it</th></tr></thead><tbody>");
    for (known, gap) in gaps.iter().take(GAPS) {
        let missing = Duration::from_nanos((gap.to - gap.from - view.run.header.bar).max(0));
        let before = known.traded.time.partition_point(|time| *time <= gap.from).checked_sub(1);
        let held = before.and_then(|at| known.traded.position.get(at)).copied().unwrap_or_default();
        page.raw("<tr>").element("th", &[("scope", "row")], &time(gap.from)).element("td", &[], &time(gap.to));
        if several {
            page.element("td", &[], known.symbol());
        }
        page.element("td", &[], &show::duration(missing, Style::Page));
        let held = if held == 0.0 { "flat".to_owned() } else { format!("{} {}", known.qty(held), known.traded.unit) };
        page.element("td", &[], &held).raw("</tr>");
    }
    page.raw("</tbody></table></div>");
    if gaps.len() > GAPS {
        page.element(
            "p",
            &[("class", "note")],
            &format!("{} not listed.", counted(gaps.len() - GAPS, "gap is", "gaps are")),
        );
    }
    page.raw("</div>");
}
