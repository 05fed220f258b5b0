//! The section "Method": can I repeat this? And what do the words mean?

use super::markup::Markup;
use super::view::View;

/// The words of the page.
const GLOSSARY: [(&str, &str); 14] = [
    (
        "Twin",
        "The same signal on the same tape with the same fills, fees and funding, at a constant quantity; no \
        scaling, ladder, stop or limit beyond the venue's margin.",
    ),
    (
        "Twin at equal vol",
        "The twin's equity steps times one constant, so that its whole-run volatility equals the scaled run's. \
        Computed after the fact from the whole sample: it answers whether scaling was only less leverage, and can never be traded.",
    ),
    (
        "Change",
        "The difference of the two displayed values. ▲ better, ▼ worse by the metric's own direction; volatility itself is neither.",
    ),
    (
        "Headline",
        "Of four measures (volatility of volatility, worst drawdown, worst day, what was earned) the largest \
        relative gain, the second if at least half as large, then the largest loss; under 5 % nothing is claimed.",
    ),
    ("Campaign", "One strategy's position in one instrument, from flat to flat. Its anchors are frozen at entry."),
    (
        "R",
        "The distance from entry to the initial stop. A campaign's R is its net profit over the cash risk planned for its first unit.",
    ),
    ("N", "The volatility unit frozen at entry, such as an average true range."),
    ("Unit, add", "A part of the position, added when price has moved in favour."),
    ("Rung", "A step of the ladder: a partial exit at a price set at entry."),
    ("Open risk", "The loss from price to stop on what is held; shaded between stop and average entry."),
    (
        "Exposure",
        "Position value over equity, signed; of a structure of options what it stands for, a unit of the underlying each.",
    ),
    (
        "Volatility",
        "Standard deviation of UTC-day returns × √365. Volatility of volatility: standard deviation of its 63-day \
        figure, in percentage points and over its mean.",
    ),
    ("Drawdown", "Fall under the highest equity so far, on every bar and not on days alone."),
    ("Plan", "The record of one decision: for each rule what it found, what it left, and why."),
];

pub(super) fn section(view: &View<'_>) -> Markup {
    let method = &view.run.method;
    let mut page = Markup::new();
    page.raw("<section class=\"sec\" id=\"method\" aria-labelledby=\"h-method\"><h2 id=\"h-method\">Method<span>")
        .raw("Can I repeat it?</span></h2><div class=\"pair\"><div class=\"card\"><h3>Policy as run</h3>");
    page.raw("<pre tabindex=\"0\">").text(&method.policy).raw("</pre></div><div class=\"card\"><h3>Twin</h3>");
    page.element("p", &[], &method.twin);
    pairs(&mut page, "Fees and fills", &method.fills, false);
    page.raw(
        "<h3>Annualisation</h3><p>UTC-day returns × √365. Under 90 days nothing but volatility is annualised.</p>",
    );
    pairs(&mut page, "Versions", &method.versions, true);
    pairs(&mut page, "Tapes", &method.tapes, true);
    page.raw("</div></div><div class=\"card\"><h3>Glossary</h3><dl>");
    for (word, meaning) in GLOSSARY {
        page.element("dt", &[], word).element("dd", &[], meaning);
    }
    page.raw("</dl></div></section>");
    page
}

fn pairs(page: &mut Markup, title: &'static str, pairs: &[(String, String)], code: bool) {
    if pairs.is_empty() {
        return;
    }
    page.element("h3", &[], title).raw("<table class=\"kv\"><tbody>");
    for (name, value) in pairs {
        page.raw("<tr>").element("th", &[("scope", "row")], name).raw("<td>");
        if code {
            page.element("code", &[], value)
        } else {
            page.text(value)
        };
        page.raw("</td></tr>");
    }
    page.raw("</tbody></table>");
}
