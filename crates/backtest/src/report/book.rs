//! The card "Who earned it": each instrument, each strategy and each account of a book that several share.

use super::markup::Markup;
use super::overview::labels;
use super::scale::{Axis, extent, time_ticks};
use super::summary::{AccountPath, Part};
use super::svg::{Anchor, Svg, thin_line};
use super::view::{View, or_missing};
use units::show::{self, Style};

/// Rows of instruments, and of strategies in instruments, at most.
const ROWS: usize = 120;

/// Several parts together. Their mean exposures add up; the largest ones need not have stood at the same time.
fn together(parts: &[&Part]) -> Part {
    parts.iter().fold(Part::default(), |sum, part| Part {
        strategy: part.strategy,
        instrument: part.instrument,
        profit: sum.profit + part.profit,
        fees: sum.fees + part.fees,
        funding: sum.funding + part.funding,
        traded: sum.traded + part.traded,
        crossed: sum.crossed + part.crossed,
        campaigns: sum.campaigns + part.campaigns,
        closed: sum.closed + part.closed,
        won: sum.won + part.won,
        r: sum.r + part.r,
        with_r: sum.with_r + part.with_r,
        mean_exposure: sum.mean_exposure + part.mean_exposure,
        largest_exposure: sum.largest_exposure.max(part.largest_exposure),
    })
}

fn net(part: &Part) -> f64 {
    part.profit - part.fees + part.funding
}

/// The card. `None` where one strategy trades one instrument in one account.
pub(super) fn card(view: &View<'_>) -> Option<Markup> {
    if !view.is_shared() && view.run.accounts.is_empty() {
        return None;
    }
    let mut page = Markup::new();
    page.raw("<section class=\"card va\" aria-labelledby=\"h-book\"><h2 id=\"h-book\">Who earned it<span>")
        .text(&format!("by instrument and strategy, {}", view.run.header.currency))
        .raw("</span></h2>");
    if view.is_shared() {
        table(&mut page, view);
    }
    if !view.run.accounts.is_empty() {
        accounts(&mut page, view);
    }
    page.raw("</section>");
    Some(page)
}

fn table(page: &mut Markup, view: &View<'_>) {
    page.raw("<div class=\"scroll bk\"><table class=\"sc\"><thead><tr><th><span class=\"sr\">Part</span></th>");
    for name in [
        "Profit, net",
        "Share of<br>profit, %",
        "Before costs",
        "Fees",
        "Funding",
        "Campaigns",
        "Won, %",
        "Mean R",
        "Traded",
        "Mean<br>exposure, ×",
        "Largest<br>exposure, ×",
    ] {
        page.raw("<th scope=\"col\">").raw(name).raw("</th>");
    }
    page.raw("</tr></thead>");
    let parts: Vec<&Part> = view.run.parts.iter().collect();
    let of = |keep: &dyn Fn(&Part) -> bool| -> Vec<&Part> { parts.iter().copied().filter(|part| keep(part)).collect() };
    let symbol = |at: usize| view.instruments.get(at).map_or("", |known| known.symbol());
    let (instruments, strategies) = (view.instruments.len(), view.run.strategies.len());
    let mut groups: Vec<(&'static str, Vec<(String, Part)>)> = Vec::new();
    if instruments > 1 {
        let rows = (0..instruments).map(|at| (symbol(at).to_owned(), together(&of(&|part| part.instrument == at))));
        groups.push(("Instrument", rows.collect()));
    }
    if strategies > 1 {
        let rows = (0..strategies).map(|at| (view.strategy(at).to_owned(), together(&of(&|part| part.strategy == at))));
        groups.push(("Strategy", rows.collect()));
    }
    // Where each instrument has one strategy the pairs would say the same again.
    if instruments > 1 && strategies > 1 && parts.len() > instruments {
        let name = |part: &&Part| format!("{} in {}", view.strategy(part.strategy), symbol(part.instrument));
        groups.push(("Strategy in instrument", parts.iter().map(|part| (name(part), **part)).collect()));
    }
    let whole = together(&parts);
    let account = view.run.costs.scaled.net;
    for (name, mut rows) in groups {
        page.raw("<tbody><tr class=\"g\"><th colspan=\"12\" scope=\"rowgroup\">").raw(name).raw("</th></tr>");
        rows.sort_by(|a, b| net(&b.1).total_cmp(&net(&a.1)));
        // Of too many rows the largest gains and losses stay, the others are one row.
        if rows.len() > ROWS {
            let middle: Vec<(String, Part)> = rows.drain(ROWS / 2..rows.len() - ROWS / 2).collect();
            let sum = together(&middle.iter().map(|(_, part)| part).collect::<Vec<_>>());
            rows.insert(ROWS / 2, (format!("{} between these", middle.len()), sum));
        }
        for (name, part) in &rows {
            row(page, view, name, part, account);
        }
        page.raw("</tbody>");
    }
    page.raw("<tbody><tr class=\"g\"><th colspan=\"12\" scope=\"rowgroup\">All together</th></tr>");
    row(page, view, "Attributed", &whole, account);
    for (name, value) in [("Not attributed", account - net(&whole)), ("The accounts' profit", account)] {
        page.raw("<tr>").element("th", &[("scope", "row")], name);
        page.element("td", &[("class", "s")], &view.money(value)).raw("<td colspan=\"10\"></td></tr>");
    }
    page.raw("</tbody></table></div>");
    let is_rounding = (account - net(&whole)).abs() <= whole.traded.max(1.0) * 1e-6;
    let mut note = String::from(
        "Net of fees and funding, what is open at its mark. Exposure is over the equity of the account, mean over all \
        bars, flat ones included; mean exposures add up, largest ones need not have stood together. ",
    );
    note.push_str(if is_rounding {
        "Not attributed: rounding of shared costs."
    } else {
        "Not attributed: what balances in other currencies gained or lost against the run's, and rounding of shared costs."
    });
    if whole.crossed > 0.0 {
        note.push_str(&format!(
            " {} {} were crossed between strategies of one account, without fee and spread; they are not in what was traded.",
            view.money(whole.crossed),
            view.run.header.currency
        ));
    }
    page.element("p", &[("class", "note")], &note);
}

fn row(page: &mut Markup, view: &View<'_>, name: &str, part: &Part, account: f64) {
    let share = (account != 0.0).then(|| net(part) / account);
    let won = (part.closed > 0).then(|| part.won as f64 / part.closed as f64);
    let mean_r = (part.with_r > 0).then(|| part.r / part.with_r as f64);
    page.raw("<tr>").element("th", &[("scope", "row")], name);
    page.element("td", &[("class", "s")], &view.money(net(part)));
    for cell in [
        or_missing(share, |share| show::percent(share, 0, Style::Page)),
        view.money(part.profit),
        view.money(-part.fees),
        view.money(part.funding),
        show::count(part.campaigns, Style::Page),
        or_missing(won, |won| show::percent(won, 0, Style::Page)),
        or_missing(mean_r, |r| show::ratio(r, Style::Page)),
        view.money(part.traded),
        show::ratio(part.mean_exposure, Style::Page),
        show::ratio(part.largest_exposure, Style::Page),
    ] {
        page.element("td", &[], &cell);
    }
    page.raw("</tr>");
}

/// Equity of each account in its own currency, a lane each, the twin under it.
fn accounts(page: &mut Markup, view: &View<'_>) {
    let header = &view.run.header;
    let all: Vec<&AccountPath> = view.run.accounts.iter().filter(|path| !path.time.is_empty()).collect();
    let (left, right, top, height) = (86.0, 1220.0, 34.0, 92.0);
    let step = height + 40.0;
    let bottom = top + step * all.len() as f64 - 40.0;
    let end = |values: &[f64]| values.last().copied().unwrap_or_default();
    let money =
        |path: &AccountPath, value: f64| show::money_estimate(value, show::minor_unit(&path.currency), Style::Page);
    let told =
        |path: &&AccountPath| format!("{} ends at {} {}", path.venue, money(path, end(&path.equity)), path.currency);
    let summary = format!("Equity of each account: {}.", all.iter().map(told).collect::<Vec<_>>().join("; "));
    let mut svg = Svg::new(1340.0, bottom + 32.0, &summary, &[]);
    let x = Axis::linear((header.start as f64, header.end as f64), (left, right));
    svg.columns(&x, (top, bottom), bottom + 20.0, &time_ticks(header.start, header.end, 12));
    for (lane, path) in all.iter().enumerate() {
        let from = top + step * lane as f64;
        let Some((low, high)) = extent(path.equity.iter().chain(&path.twin_equity).copied()) else { continue };
        let y = Axis::linear((low, high), (from + height - 3.0, from + 3.0));
        let drawdown = show::percent(path.drawdown, 1, Style::Page);
        let title = format!("{}, equity in {}; worst drawdown {drawdown} %", path.venue, path.currency);
        svg.title(left, from - 12.0, &title, "How did each account fare?");
        let (ticks, decimals) = y.ticks(3);
        svg.rows(&y, (left, right), &labels(&ticks, decimals));
        svg.path("tw", thin_line((&x, &y), &path.time, &path.twin_equity, &view.run.gaps, 2.0));
        svg.path("sl", thin_line((&x, &y), &path.time, &path.equity, &view.run.gaps, 2.0));
        let (ours, theirs) = (y.at(end(&path.equity)), y.at(end(&path.twin_equity)));
        let apart = if (ours - theirs).abs() < 14.0 { if ours <= theirs { 7.0 } else { -7.0 } } else { 0.0 };
        let place = |value: f64, shift: f64| value + 4.0 + shift;
        svg.text("lb ls", right + 7.0, place(ours, -apart), Anchor::Start, &money(path, end(&path.equity)));
        svg.text(
            "lb",
            right + 7.0,
            place(theirs, apart),
            Anchor::Start,
            &format!("twin {}", money(path, end(&path.twin_equity))),
        );
    }
    page.raw("<h3>Equity by account<span>money that was moved included</span></h3><div class=\"plot\">");
    page.piece(&svg.finish()).raw("</div>");
}
