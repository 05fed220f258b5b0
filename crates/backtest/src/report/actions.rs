//! The section "Price & actions": each instrument over the whole run, the largest move of the main one, what happened
//! there, and the plans behind it.

use super::campaigns::MARKS as CAMPAIGN_MARKS;
use super::markup::Markup;
use super::price::{Figure, draw, key, largest_move, moment, move_of};
use super::summary::Plan;
use super::view::{Known, View, counted, purpose, sentence, time};
use std::collections::BTreeSet;
use std::ops::Range;
use units::show::{self, Style};

/// Rows of a table of actions.
const ROWS: usize = 40;
/// Bytes of plans on a page, at most: more than some hundreds of plans nobody reads here, and each is a table that a browser has to
/// make before the page is ready.
const PLAN_BYTES: usize = 350_000;
/// Marks on the figure of the main instrument, at least.
const MARKS: usize = 120;
/// How often a figure is tried again, coarser.
const COARSER: usize = 3;
/// Up to so many instruments each has a figure of its largest move.
const MOVES: usize = 4;

pub(super) fn section(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    page.raw(
        "<section class=\"sec\" id=\"price\" aria-labelledby=\"h-price\"><h2 id=\"h-price\">Price &amp; actions<span>",
    )
    .raw("Where did it act, and was that where I meant it to?</span></h2>");
    let panels = panels(view);
    if panels.is_empty() {
        page.raw("<p class=\"note\">The run has no bars.</p>");
    }
    let several = panels.len() > 1;
    if several {
        picker(&mut page, view, panels.len());
    }
    for (at, panel) in panels.iter().enumerate() {
        let id = format!("s{at}");
        if several {
            page.open("div", &[("class", "pi"), ("id", &id)]).piece(panel).close("div");
        } else {
            page.piece(panel);
        }
    }
    plans(&mut page, view);
    page.raw("</section>");
    page
}

/// One panel an instrument, as far as the page has room for them: the instruments come in order of what was traded.
fn panels(view: &View<'_>) -> Vec<Markup> {
    let mut left = view.limits.instrument_bytes;
    let mut panels = Vec::new();
    for known in &view.instruments {
        let share = left / (view.instruments.len() - known.at).max(1);
        let Some(panel) = fitting(view, known, share) else { continue };
        match left.checked_sub(panel.len()) {
            Some(rest) => left = rest,
            None if panels.is_empty() => left = 0,
            None => break,
        }
        panels.push(panel);
    }
    panels
}

/// How finely an instrument is drawn: marks, pixels a column, rows of data.
#[derive(Clone, Copy)]
struct Detail {
    marks: usize,
    column: f64,
    rows: usize,
}

/// An instrument's panel, coarser where it would take more than its share; the main one is drawn finely in any case.
fn fitting(view: &View<'_>, known: &Known<'_>, share: usize) -> Option<Markup> {
    let limits = &view.limits;
    let mut detail = Detail { marks: limits.marks, column: limits.column, rows: limits.data_rows };
    if known.at == 0 {
        return panel(view, known, Detail { marks: limits.marks.max(MARKS), column: 1.0, ..detail });
    }
    let mut drawn = panel(view, known, detail)?;
    for _ in 0..COARSER {
        if drawn.len() <= share {
            break;
        }
        detail = Detail { marks: detail.marks / 2, column: detail.column * 2.0, rows: (detail.rows / 2).max(4) };
        drawn = panel(view, known, detail)?;
    }
    Some(drawn)
}

/// The choice of an instrument: radio buttons, so that arrow keys move through it, with or without script.
fn picker(page: &mut Markup, view: &View<'_>, shown: usize) {
    page.raw(
        "<fieldset class=\"pick\"><legend>Instrument<span>in order of value traded; arrow keys move on</span></legend>",
    );
    for known in view.instruments.iter().take(shown) {
        let id = format!("i{}", known.at);
        let mut attributes = vec![("type", "radio"), ("name", "ins"), ("id", id.as_str())];
        if known.at == 0 {
            attributes.push(("checked", ""));
        }
        page.open("input", &attributes).element("label", &[("for", &id)], known.symbol());
    }
    page.raw("</fieldset>").piece(&key());
    let missing = view.instruments.len() - shown;
    if missing > 0 {
        let text = format!("{} not drawn here.", counted(missing, "further instrument is", "further instruments are"));
        page.element("p", &[("class", "note")], &text);
    }
}

/// The rules by which the chosen instrument's panel shows alone; a browser that cannot tell shows all.
pub(super) fn picker_rules(view: &View<'_>) -> String {
    let count = view.instruments.len();
    if count < 2 {
        return String::new();
    }
    let rules: Vec<String> = (0..count).map(|at| format!("#price:has(#i{at}:checked) #s{at}")).collect();
    format!("@supports selector(:has(a)){{.pi{{display:none}}{}{{display:block}}}}", rules.join(","))
}

/// An instrument over the whole run. `None` without bars.
fn panel(view: &View<'_>, known: &Known<'_>, detail: Detail) -> Option<Markup> {
    let several = view.instruments.len() > 1;
    let bars = 0..known.traded.time.len();
    let title = format!("Price of {}, {}", known.symbol(), known.traded.quote);
    let id = if known.at == 0 { "run".to_owned() } else { format!("run{}", known.at) };
    let whole = Figure {
        id: &id,
        title: &title,
        question: "Where did it act?",
        bars: bars.clone(),
        marks: detail.marks,
        column: detail.column,
        strategy: None,
    };
    let figure = draw(view, known, &whole)?;
    let mut page = Markup::new();
    page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&figure).raw("</div>");
    if several {
        page.element("p", &[("class", "note")], &result(view, known));
    } else {
        page.piece(&key());
    }
    left_out(&mut page, known, detail.marks);
    data(&mut page, view, known, bars, detail.rows);
    page.raw("</div>");
    if (view.instruments.len() <= MOVES || known.at == 0)
        && let Some(largest) = largest_move(view, known)
    {
        zoom(&mut page, view, known, detail, largest);
    }
    Some(page)
}

/// What came of an instrument, in a sentence.
fn result(view: &View<'_>, known: &Known<'_>) -> String {
    let parts = || view.run.parts.iter().filter(|part| part.instrument == known.at);
    let net: f64 = parts().map(|part| part.profit - part.fees + part.funding).sum();
    let campaigns: u64 = parts().map(|part| part.campaigns).sum();
    let refused = known.traded.refusals.iter().filter(|refusal| !refusal.held).count();
    format!(
        "{}, {}, {} refused; {} {} after fees and funding.",
        counted(known.traded.fills.len(), "fill", "fills"),
        counted(campaigns as usize, "campaign", "campaigns"),
        show::count(refused as u64, Style::Page),
        view.money(net),
        view.run.header.currency
    )
}

/// Says when not every mark could be drawn.
fn left_out(page: &mut Markup, known: &Known<'_>, most: usize) {
    let fills = known.traded.fills.len();
    if fills > most {
        let text = format!(
            "Of {} and refusals at most {} marks are drawn: rare kinds whole, common ones thinned evenly, one mark \
            for one kind on one spot.",
            counted(fills, "fill", "fills"),
            show::count(most as u64, Style::Page)
        );
        page.element("p", &[("class", "note")], &text);
    }
}

fn zoom(page: &mut Markup, view: &View<'_>, known: &Known<'_>, detail: Detail, (largest, bars): (usize, Range<usize>)) {
    let all = known.traded;
    let start = all.time[largest] - view.run.header.bar;
    let went = move_of(known, largest);
    let title = format!("Around the largest move of {}, {} UTC", known.symbol(), moment(start));
    let question = if all.is_structure {
        format!("It moved by {} {} from quote to quote: what was done?", known.price(went), all.quote)
    } else {
        format!("One bar spans {} %: what was done?", show::percent(went, 1, Style::Page))
    };
    let id = if known.at == 0 { "move".to_owned() } else { format!("move{}", known.at) };
    let figure = Figure {
        id: &id,
        title: &title,
        question: &question,
        bars: bars.clone(),
        marks: detail.marks,
        column: 1.0,
        strategy: None,
    };
    let Some(drawn) = draw(view, known, &figure) else { return };
    page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&drawn).raw("</div>");
    let (from, to) = (all.time[bars.start] - view.run.header.bar, all.time[bars.end - 1]);
    table(page, view, known, from, to);
    data(page, view, known, bars, detail.rows);
    page.raw("</div>");
}

/// Fills and refusals of a window, in order of time.
fn table(page: &mut Markup, view: &View<'_>, known: &Known<'_>, from: i64, to: i64) {
    struct Row<'a> {
        time: i64,
        strategy: usize,
        what: String,
        price: f64,
        quantity: Option<f64>,
        because: &'a str,
        plan: u64,
    }
    let inside = |time: i64| time > from && time <= to;
    let fills = known.traded.fills.iter().filter(|fill| inside(fill.time)).map(|fill| Row {
        time: fill.time,
        strategy: fill.strategy,
        what: purpose(fill.purpose).1,
        price: fill.price,
        quantity: Some(fill.quantity),
        because: &fill.because,
        plan: fill.plan,
    });
    let refusals = known.traded.refusals.iter().filter(|refusal| inside(refusal.time)).map(|refusal| Row {
        time: refusal.time,
        strategy: refusal.strategy,
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
    let several = view.run.strategies.len() > 1;
    if several {
        page.raw("<th scope=\"col\">Strategy</th>");
    }
    for name in [format!("Price, {}", known.traded.quote), format!("Quantity, {}", known.traded.unit)] {
        page.element("th", &[("scope", "col"), ("class", "r")], &name);
    }
    page.raw("<th scope=\"col\">Because</th><th scope=\"col\">Plan</th></tr></thead><tbody>");
    for row in rows.iter().take(ROWS) {
        page.raw("<tr>").element("th", &[("scope", "row")], &time(row.time));
        page.element("td", &[], &row.what);
        if several {
            page.element("td", &[], view.strategy(row.strategy));
        }
        page.element("td", &[("class", "r")], &known.price(row.price));
        let quantity = row.quantity.map_or_else(|| show::MISSING.to_owned(), |quantity| known.qty(quantity));
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

/// A plan's number, as a link where the page holds it.
pub(super) fn plan_link(page: &mut Markup, view: &View<'_>, plan: u64) {
    let name = format!("p{plan}");
    match view.link(plan) {
        Some(link) => page.open("a", &[("href", &link)]).element("code", &[], &name).raw("</a>"),
        None => page.element("code", &[], &name),
    };
}

/// Prices and positions behind a figure, thinned.
fn data(page: &mut Markup, view: &View<'_>, known: &Known<'_>, bars: Range<usize>, most: usize) {
    let all = known.traded;
    let every = bars.len().div_ceil(most).max(1);
    page.raw("<details class=\"data\"><summary>Data</summary>");
    if every > 1 {
        let text = format!(
            "One row for {every} bars: the first open, the highest, the lowest, the last close and what was held then."
        );
        page.element("p", &[("class", "note")], &text);
    }
    page.raw("<div class=\"scroll\"><table class=\"dt\"><thead><tr><th scope=\"col\">UTC, close</th>");
    for name in ["Open", "High", "Low", "Close", "Position", "Exposure, ×"] {
        page.element("th", &[("scope", "col")], name);
    }
    for stops in &all.stops {
        let name = if all.stops.len() > 1 { format!("Stop, {}", view.strategy(stops.strategy)) } else { "Stop".into() };
        page.element("th", &[("scope", "col")], &name);
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
            page.element("td", &[], &known.price(value));
        }
        page.element("td", &[], &known.qty(all.position[last]));
        page.element("td", &[], &show::ratio(all.exposure[last], Style::Page));
        for stops in &all.stops {
            let stop = stops.price[last].map_or_else(|| show::MISSING.to_owned(), |stop| known.price(stop));
            page.element("td", &[], &stop);
        }
        page.raw("</tr>");
        at = end;
    }
    page.raw("</tbody></table></div></details>");
}

/// Which plans a page holds: those around the largest move first, then those of fills, then of refusals, each in order
/// of time, until the page's share of bytes is used.
pub(super) fn chosen(view: &View<'_>, room: usize) -> BTreeSet<u64> {
    let run = view.run;
    let main = view.instruments.first();
    let window = main.and_then(|known| {
        let (_, bars) = largest_move(view, known)?;
        Some((known.traded.time[bars.start], known.traded.time[bars.end - 1]))
    });
    let near = |time: i64| window.is_some_and(|(from, to)| time >= from - run.header.bar && time <= to);
    let mut fills: Vec<(i64, u64)> = view.fills().map(|fill| (fill.time, fill.plan)).collect();
    let all = run.instruments.iter().flat_map(|traded| &traded.refusals);
    let mut refusals: Vec<(i64, u64)> = all.map(|refusal| (refusal.time, refusal.plan)).collect();
    fills.sort_unstable();
    refusals.sort_unstable();
    let (fills, refusals) = (|| fills.iter().copied(), || refusals.iter().copied());
    let order = fills().chain(refusals()).filter(|(time, _)| near(*time)).chain(fills()).chain(refusals());
    // A link to a plan takes room too, at each place that names it.
    let figures = (view.instruments.len() + MOVES).min(2 * view.instruments.len());
    let links = 25
        * (figures * view.limits.marks
            + 2 * MARKS
            + view.limits.campaigns
            + 2 * ROWS
            + view.limits.plots * CAMPAIGN_MARKS);
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
    if let [only] = view.instruments.as_slice() {
        let unit = format!("Before and after in {}.", only.traded.unit);
        page.element("p", &[("class", "note")], &unit);
    }
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
    let Some(known) = view.instruments.get(plan.instrument) else { return };
    let name = format!("p{}", plan.plan);
    let whose = match (view.instruments.len() > 1, view.run.strategies.len() > 1) {
        (false, false) => String::new(),
        (true, false) => format!(" {}, in {}:", known.symbol(), known.traded.unit),
        (false, true) => format!(" {}:", view.strategy(plan.strategy)),
        (true, true) => format!(" {} in {}, in {}:", view.strategy(plan.strategy), known.symbol(), known.traded.unit),
    };
    page.open("article", &[("id", &name), ("class", "pl")]).raw("<h4>").element("code", &[], &name);
    page.text(&format!("{whose} {}, price {}", time(plan.time), known.price(plan.price))).raw("</h4><table><tbody>");
    for step in &plan.steps {
        page.raw("<tr>").element("th", &[("scope", "row")], &step.rule);
        let (before, after) = (known.qty(step.before), known.qty(step.after));
        page.element("td", &[], &before);
        page.element("td", &[], &if before == after { "=".to_owned() } else { format!("→ {after}") });
        let class = if matches!(step.outcome.as_str(), "cut" | "refused" | "unmet") { "o x" } else { "o" };
        page.element("td", &[("class", class)], &step.outcome)
            .element("td", &[], &sentence(&step.because))
            .raw("</tr>");
    }
    page.raw("</tbody></table></article>");
}
