//! The section "Months": when did it work?

use super::markup::Markup;
use super::view::View;
use crate::metrics::Month;
use std::collections::BTreeMap;
use units::show::{self, Style};

const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Under so many days with a return a month is marked as a part.
const PART: u32 = 27;

pub(super) fn section(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    page.raw("<section class=\"sec\" id=\"months\" aria-labelledby=\"h-months\"><h2 id=\"h-months\">Months<span>")
        .raw("When did it work?</span></h2>");
    let (scaled, twin) = (view.path().months(), view.twin_path().months());
    if scaled.is_empty() {
        page.raw("<p class=\"note\">The run has no whole day.</p></section>");
        return page;
    }
    let by = |months: &[Month]| -> BTreeMap<(u32, u32), Month> {
        months.iter().map(|month| ((month.year, month.month), *month)).collect()
    };
    let (ours, theirs) = (by(&scaled), by(&twin));
    let (first, last) = (scaled[0].year, scaled[scaled.len() - 1].year);
    // The deepest colour is the largest month of either run.
    let most = scaled.iter().chain(&twin).map(|month| month.value.abs()).fold(0.01, f64::max);
    page.raw("<div class=\"card scroll\"><h3>Return of each month, %<span>under each the twin, in grey; hatched where negative</span></h3>")
        .raw("<table class=\"mo\"><thead><tr><th scope=\"col\">Year</th>");
    for name in NAMES {
        page.element("th", &[("scope", "col")], name);
    }
    page.raw("<th scope=\"col\">Whole</th></tr></thead><tbody>");
    let mut is_part = false;
    for year in first..=last {
        page.raw("<tr>").element("th", &[("scope", "row")], &year.to_string());
        for month in 1..=12 {
            let key = (year, month);
            is_part |= cell(&mut page, ours.get(&key).copied(), theirs.get(&key).copied(), most);
        }
        let whole = |months: &[Month]| {
            let of_year = months.iter().filter(|month| month.year == year);
            of_year.map(|month| 1.0 + month.value).product::<f64>() - 1.0
        };
        let (ours, theirs) = (whole(&scaled), whole(&twin));
        page.open("td", &[("class", if ours < 0.0 { "y ng" } else { "y" })]);
        page.element("b", &[], &percent(ours)).element("small", &[], &percent(theirs)).raw("</td></tr>");
    }
    page.raw("</tbody></table>");
    let (won, beat) = (
        scaled.iter().filter(|month| month.value > 0.0).count(),
        scaled.iter().zip(&twin).filter(|(ours, theirs)| ours.value > theirs.value).count(),
    );
    let mut note = format!("{won} of {} months positive; {beat} better than the twin.", scaled.len());
    if is_part {
        note.push_str(&format!(" *: fewer than {PART} days of it were run."));
    }
    page.element("p", &[("class", "note")], &note).raw("</div></section>");
    page
}

fn percent(fraction: f64) -> String {
    show::percent(fraction, 1, Style::Page)
}

/// Writes a month; whether it is only a part of one.
fn cell(page: &mut Markup, ours: Option<Month>, theirs: Option<Month>, most: f64) -> bool {
    let Some(ours) = ours else {
        page.raw("<td></td>");
        return false;
    };
    let depth = ((ours.value.abs() / most * 4.0).ceil() as usize).clamp(1, 4);
    let class = match (ours.value < 0.0, depth) {
        (false, 1) => "p1",
        (false, 2) => "p2",
        (false, 3) => "p3",
        (false, _) => "p4",
        (true, 1) => "ng n1",
        (true, 2) => "ng n2",
        (true, 3) => "ng n3",
        (true, _) => "ng n4",
    };
    let is_part = ours.days < PART;
    page.open("td", &[("class", class)]).element("b", &[], &percent(ours.value));
    if is_part {
        page.raw("*");
    }
    page.element("small", &[], &theirs.map_or_else(|| show::MISSING.to_owned(), |month| percent(month.value)));
    page.raw("</td>");
    is_part
}
