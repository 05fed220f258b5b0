//! The section "Price & actions": whole run, the largest move, what happened there, and the plans behind it.

use super::campaigns::MARKS as CAMPAIGN_MARKS;
use super::markup::Markup;
use super::price::{Figure, draw, key, largest_move, moment};
use super::summary::Plan;
use super::view::{View, counted, purpose, sentence, time};
use std::collections::BTreeSet;
use std::ops::Range;
use units::show::{self, Style};

/// Rows of a table of actions and of a data table.
const ROWS: usize = 40;
const DATA_ROWS: usize = 80;
/// Bytes of plans on a page, at most: more than a thousand plans nobody reads here.
const PLAN_BYTES: usize = 700_000;

pub(super) fn section(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    page.raw(
        "<section class=\"sec\" id=\"price\" aria-labelledby=\"h-price\"><h2 id=\"h-price\">Price &amp; actions<span>",
    )
    .raw("Where did it act, and was that where I meant it to?</span></h2>");
    let whole = Figure {
        id: "run",
        title: &format!("Price, {}", view.instrument()),
        question: "Where did it act?",
        bars: 0..view.run.bars.time.len(),
        marks: view.limits.marks,
    };
    match draw(view, &whole) {
        Some(figure) => {
            page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&figure).raw("</div>").piece(&key());
            left_out(&mut page, view);
            data(&mut page, view, 0..view.run.bars.time.len());
            page.raw("</div>");
        }
        None => {
            page.raw("<p class=\"note\">The run has no bars.</p>");
        }
    }
    if let Some((largest, bars)) = largest_move(view) {
        zoom(&mut page, view, largest, bars);
    }
    plans(&mut page, view);
    page.raw("</section>");
    page
}

/// Says when not every mark could be drawn.
fn left_out(page: &mut Markup, view: &View<'_>) {
    if view.run.fills.len() > view.limits.marks {
        let text = format!(
            "Of {} and refusals at most {} marks are drawn: rare kinds whole, common ones thinned evenly, one mark \
            for one kind on one spot.",
            counted(view.run.fills.len(), "fill", "fills"),
            show::count(view.limits.marks as u64, Style::Page)
        );
        page.element("p", &[("class", "note")], &text);
    }
}

fn zoom(page: &mut Markup, view: &View<'_>, largest: usize, bars: Range<usize>) {
    let all = &view.run.bars;
    let start = all.time[largest] - view.run.header.bar;
    let share = (all.high[largest] - all.low[largest]) / all.open[largest];
    let title = format!("Around the largest move, {} UTC", moment(start));
    let question = format!("One bar spans {} %: what was done?", show::percent(share, 1, Style::Page));
    let figure =
        Figure { id: "move", title: &title, question: &question, bars: bars.clone(), marks: view.limits.marks };
    let Some(drawn) = draw(view, &figure) else { return };
    page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&drawn).raw("</div>");
    let (from, to) = (all.time[bars.start] - view.run.header.bar, all.time[bars.end - 1]);
    table(page, view, from, to);
    data(page, view, bars);
    page.raw("</div>");
}

/// Fills and refusals of a window, in order of time.
fn table(page: &mut Markup, view: &View<'_>, from: i64, to: i64) {
    struct Row<'a> {
        time: i64,
        what: String,
        price: f64,
        quantity: Option<f64>,
        because: &'a str,
        plan: u64,
    }
    let inside = |time: i64| time > from && time <= to;
    let fills = view.run.fills.iter().filter(|fill| inside(fill.time)).map(|fill| Row {
        time: fill.time,
        what: purpose(fill.purpose).1,
        price: fill.price,
        quantity: Some(fill.quantity),
        because: &fill.because,
        plan: fill.plan,
    });
    let refusals = view.run.refusals.iter().filter(|refusal| inside(refusal.time)).map(|refusal| Row {
        time: refusal.time,
        what: format!("{}, {}", if refusal.held { "held" } else { "refused" }, refusal.rule),
        price: refusal.price,
        quantity: None,
        because: &refusal.because,
        plan: refusal.plan,
    });
    let mut rows: Vec<Row<'_>> = fills.chain(refusals).collect();
    rows.sort_by_key(|row| row.time);
    if rows.is_empty() {
        page.raw("<p class=\"note\">Nothing was done or refused in this window.</p>");
        return;
    }
    page.raw(
        "<h3>What happened here</h3><div class=\"scroll\"><table class=\"lt so\"><thead><tr><th scope=\"col\">UTC</th>",
    )
    .raw("<th scope=\"col\">What</th>");
    for name in [format!("Price, {}", quote(view)), format!("Quantity, {}", view.run.header.base)] {
        page.element("th", &[("scope", "col"), ("class", "r")], &name);
    }
    page.raw("<th scope=\"col\">Because</th><th scope=\"col\">Plan</th></tr></thead><tbody>");
    for row in rows.iter().take(ROWS) {
        page.raw("<tr>").element("th", &[("scope", "row")], &time(row.time));
        page.element("td", &[], &row.what).element("td", &[("class", "r")], &view.price(row.price));
        let quantity = row.quantity.map_or_else(|| show::MISSING.to_owned(), |quantity| view.qty(quantity));
        page.element("td", &[("class", "r")], &quantity).element("td", &[("class", "w")], &sentence(row.because));
        page.raw("<td>");
        plan_link(page, view, row.plan);
        page.raw("</td></tr>");
    }
    page.raw("</tbody></table></div>");
    if rows.len() > ROWS {
        let rest = counted(rows.len() - ROWS, "more row", "more rows");
        page.element(
            "p",
            &[("class", "note")],
            &format!("{rest} in fills.parquet and plans.parquet of the run folder."),
        );
    }
}

/// The currency that prices are in: what the account settles in, for the linear contracts of this version.
fn quote<'a>(view: &'a View<'_>) -> &'a str {
    &view.run.header.currency
}

/// A plan's number, as a link where the page holds it.
pub(super) fn plan_link(page: &mut Markup, view: &View<'_>, plan: u64) {
    let name = format!("p{plan}");
    match view.link(plan) {
        Some(link) => page.open("a", &[("href", &link)]).element("code", &[], &name).raw("</a>"),
        None => page.element("code", &[], &name),
    };
}

/// Prices and positions behind a figure, thinned.
fn data(page: &mut Markup, view: &View<'_>, bars: Range<usize>) {
    let all = &view.run.bars;
    let every = bars.len().div_ceil(DATA_ROWS).max(1);
    page.raw("<details class=\"data\"><summary>Data</summary>");
    if every > 1 {
        let text = format!(
            "One row for {every} bars: the first open, the highest, the lowest, the last close and what was held then."
        );
        page.element("p", &[("class", "note")], &text);
    }
    page.raw("<div class=\"scroll\"><table class=\"dt\"><thead><tr><th scope=\"col\">UTC, close</th>");
    for name in ["Open", "High", "Low", "Close", "Position", "Exposure, ×", "Stop"] {
        page.element("th", &[("scope", "col")], name);
    }
    page.raw("</tr></thead><tbody>");
    let mut at = bars.start;
    while at < bars.end {
        let end = (at + every).min(bars.end);
        let last = end - 1;
        let low = all.low[at..end].iter().copied().fold(f64::INFINITY, f64::min);
        let high = all.high[at..end].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        page.raw("<tr>").element("th", &[("scope", "row")], &time(all.time[last]));
        for value in [all.open[at], high, low, all.close[last]] {
            page.element("td", &[], &view.price(value));
        }
        page.element("td", &[], &view.qty(all.position[last]));
        page.element("td", &[], &show::ratio(all.exposure[last], Style::Page));
        let stop = all.stop[last].map_or_else(|| show::MISSING.to_owned(), |stop| view.price(stop));
        page.element("td", &[], &stop).raw("</tr>");
        at = end;
    }
    page.raw("</tbody></table></div></details>");
}

/// Which plans a page holds: those around the largest move first, then those of fills, then of refusals, each in order
/// of time, until the page's share of bytes is used.
pub(super) fn chosen(view: &View<'_>, room: usize) -> BTreeSet<u64> {
    let run = view.run;
    let window = largest_move(view).map(|(_, bars)| (run.bars.time[bars.start], run.bars.time[bars.end - 1]));
    let near = |time: i64| window.is_some_and(|(from, to)| time >= from - run.header.bar && time <= to);
    let refusals = || run.refusals.iter().map(|refusal| (refusal.time, refusal.plan));
    let fills = || run.fills.iter().map(|fill| (fill.time, fill.plan));
    let order = fills().chain(refusals()).filter(|(time, _)| near(*time)).chain(fills()).chain(refusals());
    // A link to a plan takes room too, at each place that names it.
    let links = 25 * (2 * view.limits.marks + view.limits.campaigns + 2 * ROWS + view.limits.plots * CAMPAIGN_MARKS);
    let mut left = room.saturating_sub(links).min(PLAN_BYTES);
    let mut chosen = BTreeSet::new();
    for (_, plan) in order {
        if chosen.contains(&plan) {
            continue;
        }
        let Ok(at) = run.plans.binary_search_by_key(&plan, |plan| plan.plan) else { continue };
        let size = size(&run.plans[at]);
        if size > left {
            break;
        }
        left -= size;
        chosen.insert(plan);
    }
    chosen
}

/// About how many bytes a plan takes on the page.
fn size(plan: &Plan) -> usize {
    190 + plan.steps.iter().map(|step| 140 + step.rule.len() + step.because.len() + step.outcome.len()).sum::<usize>()
}

fn plans(page: &mut Markup, view: &View<'_>) {
    if view.run.plans.is_empty() {
        return;
    }
    page.raw("<details class=\"card plans\" id=\"plans\"><summary><h3>Plans: why each action was taken<span>");
    page.text(&counted(view.plans.len(), "plan", "plans")).raw("</span></h3></summary>");
    let unit = format!("Before and after in {}.", view.run.header.base);
    page.element("p", &[("class", "note")], &unit);
    let left = view.run.plans.len() - view.plans.len();
    if left > 0 {
        let text = format!(
            "{} not on this page: trimtab explain RUN --at TIME tells each.",
            counted(left, "further plan is", "further plans are")
        );
        page.element("p", &[("class", "note")], &text);
    }
    for plan in view.run.plans.iter().filter(|plan| view.plans.contains(&plan.plan)) {
        write_plan(page, view, plan);
    }
    page.raw("</details>");
}

fn write_plan(page: &mut Markup, view: &View<'_>, plan: &Plan) {
    let name = format!("p{}", plan.plan);
    page.open("article", &[("id", &name), ("class", "pl")]).raw("<h4>").element("code", &[], &name);
    page.text(&format!(" {}, price {}", time(plan.time), view.price(plan.price))).raw("</h4><table><tbody>");
    for step in &plan.steps {
        page.raw("<tr>").element("th", &[("scope", "row")], &step.rule);
        let (before, after) = (view.qty(step.before), view.qty(step.after));
        page.element("td", &[], &before);
        page.element("td", &[], &if before == after { "=".to_owned() } else { format!("→ {after}") });
        let class = if matches!(step.outcome.as_str(), "cut" | "refused" | "unmet") { "o x" } else { "o" };
        page.element("td", &[("class", class)], &step.outcome)
            .element("td", &[], &sentence(&step.because))
            .raw("</tr>");
    }
    page.raw("</tbody></table></article>");
}
