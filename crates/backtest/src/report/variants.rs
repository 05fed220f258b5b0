//! The table of runs with each technique switched off: what did each one do?

use super::markup::Markup;
use super::summary::Variant;
use super::view::View;
use units::show::{self, Style};

/// A column: label, unit, decimals, and how it is read; shown times the number before it.
type Column = (&'static str, f64, usize, fn(&Variant) -> Option<f64>);

/// The card. `None` where the runs were not made.
pub(super) fn card(view: &View<'_>) -> Option<Markup> {
    let (declared, _) = view.run.variants.split_first()?;
    let earned: Column = if view.is_short() {
        ("Return, %", 100.0, 1, |variant| variant.total_return)
    } else {
        ("CAGR, %", 100.0, 1, |variant| variant.cagr)
    };
    let columns: [Column; 8] = [
        earned,
        ("Sharpe", 1.0, 2, |variant| variant.sharpe),
        ("Vol, % a year", 100.0, 1, |variant| variant.volatility),
        ("Vol of vol, pp", 100.0, 1, |variant| variant.vol_of_vol),
        ("Worst drawdown, %", 100.0, 1, |variant| variant.drawdown),
        ("Worst day, %", 100.0, 2, |variant| variant.worst_day),
        ("Turnover, × eq.", 1.0, 1, |variant| variant.turnover),
        ("Fees and funding, %", 100.0, 2, |variant| variant.cost),
    ];
    let mut page = Markup::new();
    page.raw("<section class=\"card scroll va\" aria-labelledby=\"h-va\"><h2 id=\"h-va\">Each technique switched off, one at a time<span>")
        .raw("What did each one do?</span></h2><table class=\"sc\"><thead><tr><th scope=\"col\">Run</th>");
    for (name, ..) in columns {
        page.element("th", &[("scope", "col")], name);
    }
    page.raw("<th scope=\"col\">Fills</th></tr></thead><tbody>");
    for (at, variant) in view.run.variants.iter().enumerate() {
        page.raw("<tr><th scope=\"row\">").text(&variant.name);
        page.element("small", &[], &variant.instead).raw("</th>");
        for (_, times, decimals, read) in columns {
            let value = read(variant).map(|value| value * times);
            let shown = |value: f64| show::number(value, decimals, Style::Page);
            page.raw("<td>").element("b", &[], &value.map_or_else(|| show::MISSING.to_owned(), shown));
            if let (true, Some(value), Some(before)) = (at > 0, value, read(declared).map(|before| before * times)) {
                page.element("small", &[], &show::change(value, before, decimals, Style::Page));
            }
            page.raw("</td>");
        }
        let fills =
            if variant.name == "twin" { show::MISSING.to_owned() } else { show::count(variant.fills, Style::Page) };
        page.element("td", &[], &fills).raw("</tr>");
    }
    page.raw(
        "</tbody></table><p class=\"note\">Each row is the policy as declared without that one technique, on the same ",
    )
    .raw(
        "tapes; in grey its difference from the first row, of displayed values. Techniques work on each other, so the ",
    )
    .raw("differences do not add up.</p></section>");
    Some(page)
}
