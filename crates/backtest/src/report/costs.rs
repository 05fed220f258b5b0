//! The section "Costs": from gross to net, scaled beside the twin.

use super::markup::Markup;
use super::overview::labels;
use super::scale::{Axis, extent};
use super::summary::CostLines;
use super::svg::{Anchor, Svg};
use super::view::View;
use units::show::{self, Style};

/// A step from gross to net: its name, what it changed, whether it is a level of its own.
type Step = (&'static str, f64, bool);

fn steps(lines: &CostLines) -> [Step; 5] {
    [
        ("Gross", lines.gross, true),
        ("Fees", -lines.fees, false),
        ("Spread and slippage", -lines.spread - lines.slippage, false),
        ("Funding", lines.funding, false),
        ("Net", lines.net, true),
    ]
}

pub(super) fn section(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    page.raw(
        "<section class=\"sec\" id=\"costs\" aria-labelledby=\"h-costs\"><h2 id=\"h-costs\">Costs &amp; fills<span>",
    )
    .raw("Does trading more eat the gain?</span></h2><div class=\"pair\">");
    page.raw("<div class=\"card fig\"><div class=\"plot\">").piece(&waterfall(view)).raw("</div></div>");
    table(&mut page, view);
    page.raw("</div>").piece(&super::execution::part(view)).raw("</section>");
    page
}

fn waterfall(view: &View<'_>) -> Markup {
    let share = |value: f64| value / view.put_in() * 100.0;
    let (scaled, twin) = (steps(&view.run.costs.scaled), steps(&view.run.costs.twin));
    let spoken: Vec<String> =
        scaled.iter().map(|step| format!("{} {}", step.0, show::number(share(step.1), 2, Style::Page))).collect();
    let of = if view.has_flows() { "the most that was paid in" } else { "the deposit" };
    let summary = format!("From gross to net profit in percent of {of}, scaled run: {}.", spoken.join(", "));
    let (left, right, top, bottom) = (58.0, 664.0, 34.0, 236.0);
    let mut svg = Svg::new(680.0, 284.0, &summary, &[]);
    svg.title(left, 18.0, &format!("From gross to net, % of {of}"), "What was taken on the way?");
    let levels = |steps: &[Step; 5]| {
        let mut level = 0.0;
        steps.map(|(_, change, whole)| {
            let from = if whole { 0.0 } else { level };
            level = if whole { change } else { level + change };
            (share(from), share(level))
        })
    };
    let (scaled_levels, twin_levels) = (levels(&scaled), levels(&twin));
    let all = scaled_levels.iter().chain(&twin_levels).flat_map(|(from, to)| [*from, *to]);
    let (low, high) = extent(all.chain([0.0])).unwrap_or((0.0, 1.0));
    let room = (high - low).max(1e-6) * 0.12;
    let y = Axis::linear((if low < 0.0 { low - room } else { low }, high + room), (bottom, top));
    let (ticks, decimals) = y.ticks(4);
    svg.rows(&y, (left, right), &labels(&ticks, decimals));
    let slot = (right - left) / 5.0;
    for (at, step) in scaled.iter().enumerate() {
        let x = left + slot * at as f64;
        let (from, to) = scaled_levels[at];
        let class = match step {
            (_, _, true) => "wf-s",
            (_, change, _) if *change < 0.0 => "wf-l",
            _ => "wf-g",
        };
        bar(&mut svg, class, &y, x + slot * 0.16, slot * 0.4, scaled_levels[at]);
        bar(&mut svg, "wf-t", &y, x + slot * 0.6, slot * 0.2, twin_levels[at]);
        if at < 4 {
            svg.line("wf-c", (x + slot * 0.16, y.at(to)), (x + slot * 1.16, y.at(to)));
        }
        let value = show::number(share(step.1), 2, Style::Page);
        svg.text("lb ls hl", x + slot * 0.36, y.at(from.max(to)) - 6.0, Anchor::Middle, &value);
        svg.text("ax", x + slot * 0.48, bottom + 18.0, Anchor::Middle, step.0);
    }
    svg.line("ze", (left, y.at(0.0)), (right, y.at(0.0)));
    svg.text("lb", left, bottom + 38.0, Anchor::Start, "wide: scaled; narrow, grey: twin");
    svg.finish()
}

fn bar(svg: &mut Svg, class: &'static str, y: &Axis, x: f64, width: f64, (from, to): (f64, f64)) {
    let (top, bottom) = (y.at(from.max(to)), y.at(from.min(to)));
    svg.rect(class, x, top, width, (bottom - top).max(1.0));
}

fn table(page: &mut Markup, view: &View<'_>) {
    let (scaled, twin) = (&view.run.costs.scaled, &view.run.costs.twin);
    let header = &view.run.header;
    let is_coin = show::minor_unit(&header.currency) > 2;
    page.raw("<div class=\"card scroll\"><h3>From gross to net<span>")
        .text(&header.currency)
        .raw("</span></h3><table class=\"sc\"><thead><tr>")
        .raw("<th><span class=\"sr\">Line</span></th><th scope=\"col\">Scaled</th><th scope=\"col\">Twin</th>")
        .raw("<th scope=\"col\">Change</th><th scope=\"col\">Scaled,<br>bp of traded</th></tr></thead><tbody>");
    let rows = [
        ("Gross, at undisturbed prices", scaled.gross, twin.gross),
        ("Fees", -scaled.fees, -twin.fees),
        ("Half spreads", -scaled.spread, -twin.spread),
        ("Slippage and impact", -scaled.slippage, -twin.slippage),
        ("Funding", scaled.funding, twin.funding),
        ("Net", scaled.net, twin.net),
        ("Value traded, both sides", scaled.traded, twin.traded),
    ];
    for (name, scaled_value, twin_value) in rows {
        let largest = scaled_value.abs().max(twin_value.abs());
        let decimals = match largest {
            10_000.0.. => 0,
            ..100.0 if is_coin => 4,
            _ => 2,
        };
        let money = |value: f64| show::number(value, decimals, Style::Page);
        page.raw("<tr>").element("th", &[("scope", "row")], name);
        page.element("td", &[("class", "s")], &money(scaled_value)).element("td", &[], &money(twin_value));
        page.element("td", &[("class", "d nu")], &show::change(scaled_value, twin_value, decimals, Style::Page));
        let points = if scaled.traded > 0.0 && name != "Value traded, both sides" {
            show::basis_points(scaled_value / scaled.traded, Style::Page)
        } else {
            show::MISSING.to_owned()
        };
        page.element("td", &[("class", "m")], &points).raw("</tr>");
    }
    page.raw("</tbody></table><p class=\"note\">Funding is what was received; negative is paid. Net is gross less fees, half ")
        .raw("spreads and slippage, plus funding, to the last unit in the run folder.</p></div>");
}
