//! The page around the sections.

use super::markup::Markup;
use super::summary::{AccountPath, Bars, Fill, Method, RunSummary, Traded, Twin};
use super::view::View;
use super::{actions, book, campaigns, cards, costs, drawdown, exposure, greeks, integrity, limits, method, months};
use super::{overview, risk, scorecard, sentence, surface, variants};
use units::show;
use units::{Duration, Timestamp};

pub(super) const CSS: &str = include_str!("../../assets/report.css");
const SCRIPT: &str = include_str!("../../assets/report.js");

/// A run as one HTML file: complete without script, printable, opening no connection.
#[must_use]
pub fn html(run: &RunSummary) -> String {
    let mut view = View::new(run);
    // What the page takes without plots of campaigns and plans says how many of them it can hold.
    let most = std::mem::take(&mut view.limits.plot_bytes);
    let room = view.limits.page.saturating_sub(render(&view).len());
    view.limits.plot_bytes = most.min(room.saturating_sub(40_000) / 2);
    let mut for_plans = room.saturating_sub(view.limits.plot_bytes);
    view.plans = actions::chosen(&view, for_plans);
    let mut page = render(&view);
    // Links were reckoned at their most; what they left is room for more plans.
    for _ in 0..2 {
        let slack = view.limits.page.saturating_sub(page.len());
        if slack < 5_000 || view.plans.len() == run.plans.len() {
            break;
        }
        for_plans += slack * 3 / 4;
        view.plans = actions::chosen(&view, for_plans);
        let fuller = render(&view);
        if fuller.len() > view.limits.page {
            break;
        }
        page = fuller;
    }
    page
}

fn render(view: &View<'_>) -> String {
    let run = view.run;
    let mut page = Markup::new();
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
        .raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
        .raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; ")
        .raw("script-src 'unsafe-inline'; img-src data:\">");
    page.element("title", &[], &format!("{}, {}: Trimtab report", run.policy_names(), run.instrument_names()));
    page.raw("<style>")
        .raw(CSS)
        .text(&actions::picker_rules(view))
        .raw("</style></head><body>")
        .raw(SHAPES)
        .raw("<div class=\"wrap\">");
    header(&mut page, view);
    page.raw("<main>");
    overview(&mut page, view);
    for section in [
        actions::section,
        campaigns::section,
        exposure::section,
        drawdown::section,
        risk::section,
        greeks::section,
        surface::section,
        costs::section,
        months::section,
        limits::section,
        integrity::section,
        method::section,
    ] {
        page.piece(&section(view));
    }
    page.raw("</main></div><script type=\"application/json\" id=\"run\">").json(&embedded(view)).raw("</script>");
    page.raw("<script>").script(SCRIPT);
    page.raw("</script></body></html>\n");
    page.into_string()
}

fn header(page: &mut Markup, view: &View<'_>) {
    let header = &view.run.header;
    page.raw("<header><div class=\"brand\"><svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M3 20 9.5 4.5h4.2L11.6 20Z\" ")
        .raw("fill=\"var(--ink)\"/><path d=\"M13.6 20 15 9.6 21 20Z\" fill=\"var(--scaled)\"/></svg>Trimtab</div><div class=\"run\">");
    page.raw("<span><b>").text(&view.run.policy_names()).raw("</b></span>").element(
        "span",
        &[],
        &view.run.instrument_names(),
    );
    // A run that ends at midnight ends with the day before.
    let last = Timestamp::from_nanos(header.end) - Duration::from_nanos(1);
    let span = format!("{} – {} UTC", show::day(Timestamp::from_nanos(header.start)), show::day(last));
    page.element("span", &[], &span);
    page.element("span", &[], &format!("equity in {}, start {}", header.currency, view.money(header.deposit)));
    page.raw("<span>run ").element("code", &[], view.run.run_name()).raw("</span></div>");
    page.raw("<button id=\"th\" type=\"button\" hidden>Dark</button></header>");
    page.raw(
        "<nav aria-label=\"Sections\"><a href=\"#overview\" aria-current=\"true\">Overview</a><a \
    href=\"#price\">Price &amp; actions</a>",
    )
    .raw(
        "<a href=\"#campaigns\">Campaigns</a><a href=\"#exposure\">Exposure &amp; vol</a><a \
        href=\"#drawdown\">Drawdown &amp; tail</a>",
    )
    .raw(if view.run.risk.is_some() || !view.run.losses.is_empty() {
        "<a href=\"#risk\">Value at risk</a>"
    } else {
        ""
    })
    .raw(if view.run.greeks.is_empty() { "" } else { "<a href=\"#greeks\">Greeks</a>" })
    .raw(if view.run.surfaces.is_empty() { "" } else { "<a href=\"#surface\">Surface</a>" })
    .raw("<a href=\"#costs\">Costs &amp; fills</a><a href=\"#months\">Months</a><a href=\"#limits\">Limits</a>")
    .raw("<a href=\"#integrity\">Integrity</a>")
    .raw("<a href=\"#method\">Method</a></nav>");
}

fn overview(page: &mut Markup, view: &View<'_>) {
    page.raw("<section id=\"overview\" aria-labelledby=\"h-overview\">");
    page.element("h1", &[("id", "h-overview")], &sentence::headline(view));
    page.element("p", &[("class", "same")], &sentence::context(view));
    page.raw("<div class=\"grid\">");
    if let Some(figure) = overview::figure(view) {
        page.piece(&figure);
    }
    page.piece(&scorecard::card(view)).raw("</div><div class=\"row\">");
    for card in [cards::moved(view), cards::dots(view), Some(cards::trust(view))].into_iter().flatten() {
        page.piece(&card);
    }
    page.raw("</div>");
    if let Some(card) = book::card(view) {
        page.piece(&card);
    }
    if let Some(card) = variants::card(view) {
        page.piece(&card);
    }
    page.raw("</section>");
}

/// The summary without what the page already shows or could not carry: per-bar lists, plans, sentences, policy text.
/// What later builds draw live charts from.
fn embedded(view: &View<'_>) -> String {
    let (run, most) = (view.run, view.limits.embedded);
    let account = |path: &AccountPath| AccountPath {
        venue: path.venue.clone(),
        currency: path.currency.clone(),
        drawdown: path.drawdown,
        ..AccountPath::default()
    };
    let small = RunSummary {
        version: run.version,
        header: run.header.clone(),
        strategies: run.strategies.clone(),
        bars: Bars { caps: run.bars.caps.clone(), ..Bars::default() },
        instruments: run.instruments.iter().map(|traded| reduced(traded, most)).collect(),
        twin: Twin { liquidated: run.twin.liquidated, ..Twin::default() },
        accounts: run.accounts.iter().map(account).collect(),
        gaps: run.gaps.iter().take(most).copied().collect(),
        campaigns: run.campaigns.iter().take(most).cloned().collect(),
        twin_r: run.twin_r.clone(),
        parts: run.parts.clone(),
        executions: Vec::new(),
        costs: run.costs,
        integrity: run.integrity.clone(),
        method: Method { policy: String::new(), ..run.method.clone() },
        plans: Vec::new(),
        variants: run.variants.clone(),
        greeks: Vec::new(),
        surfaces: Vec::new(),
        losses: Vec::new(),
        risk: None,
    };
    serde_json::to_string(&small).unwrap_or_else(|_| "null".to_owned())
}

/// An instrument without its bars and sentences.
fn reduced(traded: &Traded, most: usize) -> Traded {
    let fill = |fill: &Fill| Fill { because: String::new(), ..fill.clone() };
    Traded {
        symbol: traded.symbol.clone(),
        unit: traded.unit.clone(),
        quote: traded.quote.clone(),
        currency: traded.currency.clone(),
        tick: traded.tick,
        lot: traded.lot,
        gaps: traded.gaps.iter().take(most).copied().collect(),
        fills: traded.fills.iter().take(most).map(fill).collect(),
        ..Traded::default()
    }
}

/// Hatches and marks, drawn once and used by every figure. Shapes first, colour second.
const SHAPES: &str = "<svg width=\"0\" height=\"0\" class=\"sr\" aria-hidden=\"true\"><defs>\
<pattern id=\"hx\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path \
d=\"M0 0V6\" class=\"hxp\"/></pattern>\
<pattern id=\"hg\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(-45)\"><path \
d=\"M0 0V5\" class=\"hgp\"/></pattern>\
<path id=\"m-entry\" class=\"m1\" d=\"M0-6.5 6 4.5H-6Z\"/>\
<path id=\"m-entry-short\" class=\"m1\" d=\"M0 6.5 6-4.5H-6Z\"/>\
<path id=\"m-add\" class=\"m2\" d=\"M0-6 5.5 4H-5.5Z\"/>\
<path id=\"m-rung\" class=\"m3\" d=\"M0 6 5.5-4H-5.5Z\"/>\
<circle id=\"m-exit\" class=\"m1\" r=\"4.6\"/><path id=\"m-held\" class=\"m9\" d=\"M-4.5 0H4.5\"/>\
<path id=\"m-resize\" class=\"m1\" d=\"M0-4.5 4.5 0 0 4.5-4.5 0Z\"/>\
<g id=\"m-stop\"><path class=\"m0\" d=\"M-4.5-4.5 4.5 4.5M4.5-4.5-4.5 4.5\"/><path class=\"m4\" d=\"M-4.5-4.5 4.5 \
4.5M4.5-4.5-4.5 4.5\"/></g>\
<path id=\"m-cut\" class=\"m5\" d=\"M-4-4H4V4H-4Z\"/>\
<circle id=\"m-hedge\" class=\"m6\" r=\"4.5\"/>\
<g id=\"m-liquidation\"><circle class=\"m7\" r=\"6.5\"/><path class=\"m4\" d=\"M-3.5-3.5 3.5 3.5M3.5-3.5-3.5 3.5\"/></g>\
<path id=\"m-refused\" class=\"m8\" d=\"M-3.5-3.5H3.5V3.5H-3.5Z\"/>\
</defs></svg>";
