//! The section "Campaigns": R of each in order, from its worst to its best moment, and the table.

use super::actions::plan_link;
use super::markup::Markup;
use super::overview::labels;
use super::price::{Figure, draw};
use super::scale::{Axis, extent};
use super::summary::Campaign;
use super::svg::{Anchor, PathData, Svg};
use super::view::{View, counted, or_missing, time};
use units::Duration;
use units::show::{self, Style};

/// Marks on the price plot of one campaign.
pub(super) const MARKS: usize = 24;
/// Campaigns in the figure.
const FIGURE: usize = 800;

pub(super) fn section(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    page.raw("<section class=\"sec\" id=\"campaigns\" aria-labelledby=\"h-campaigns\"><h2 id=\"h-campaigns\">Campaigns<span>")
        .raw("Do adds and exits earn their keep?</span></h2>");
    if view.run.campaigns.is_empty() {
        page.raw("<p class=\"note\">No campaign was opened.</p></section>");
        return page;
    }
    if let Some(figure) = figure(view) {
        page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&figure).raw("</div>");
        if view.run.campaigns.len() > FIGURE {
            page.element("p", &[("class", "note")], &format!("The first {FIGURE} campaigns with an R."));
        }
        page.raw("</div>");
    }
    let plots = plots(view);
    table(&mut page, view, &plots);
    for (campaign, plot) in &plots {
        page.piece(&opened(view, campaign, plot));
    }
    if plots.len() < view.run.campaigns.len() && !plots.is_empty() {
        let text = format!(
            "Price plots of the {} with the largest results; trimtab explain RUN --at TIME tells of any other.",
            counted(plots.len(), "campaign", "campaigns")
        );
        page.element("p", &[("class", "note")], &text);
    }
    page.raw("</section>");
    page
}

/// The bar from worst to best open result with a dot at the result. `None` where no campaign has an R.
fn figure(view: &View<'_>) -> Option<Markup> {
    let with_r = view.run.campaigns.iter().filter(|campaign| campaign.r.is_some());
    let shown: Vec<&Campaign> = with_r.take(FIGURE).collect();
    let values = shown.iter().flat_map(|campaign| [campaign.r, campaign.mae_r, campaign.mfe_r]).flatten();
    let (low, high) = extent(values.chain([-1.0, 1.0]))?;
    if shown.is_empty() {
        return None;
    }
    let (left, right, top, bottom) = (72.0, 1252.0, 34.0, 244.0);
    let mut svg = Svg::new(1340.0, 276.0, &summary(&shown), &[]);
    svg.title(
        left,
        18.0,
        "Result in R, from worst to best moment",
        "What did each campaign bring, and what did it give back?",
    );
    let y = Axis::linear((low, high), (bottom - 4.0, top + 4.0));
    let (ticks, decimals) = y.ticks(5);
    svg.rows(&y, (left, right), &labels(&ticks, decimals));
    svg.line("ze", (left, y.at(0.0)), (right, y.at(0.0)));
    let slot = (right - left) / shown.len() as f64;
    let every = (shown.len() / 20).max(1);
    let middle = |at: usize| left + slot * (at as f64 + 0.5);
    let mut bars = PathData::default();
    for (at, campaign) in shown.iter().enumerate() {
        if let (Some(worst), Some(best)) = (campaign.mae_r, campaign.mfe_r) {
            bars.move_to((middle(at), y.at(best)));
            bars.line_to((middle(at), y.at(worst)));
        }
        if at % every == 0 {
            svg.text("ax", middle(at), bottom + 18.0, Anchor::Middle, &show::count(campaign.campaign, Style::Page));
        }
    }
    svg.stroke("mm", (slot * 0.3).clamp(0.8, 7.0), bars);
    let radius = (slot * 0.3).clamp(1.4, 4.5);
    let results = |won: bool| {
        let point = move |(at, campaign): (usize, &&Campaign)| campaign.r.map(|r| (middle(at), r));
        let y = &y;
        shown
            .iter()
            .enumerate()
            .filter_map(point)
            .filter(move |(_, r)| (*r >= 0.0) == won)
            .map(move |(x, r)| (x, y.at(r)))
    };
    svg.dots("rp", radius, results(true));
    // A loss is a ring.
    svg.dots("rp", radius + 0.4, results(false));
    svg.dots("rc", (radius - 1.4).max(0.7), results(false));
    svg.text("lb", right + 7.0, bottom + 18.0, Anchor::Start, "campaign");
    Some(svg.finish())
}

fn summary(shown: &[&Campaign]) -> String {
    let won = shown.iter().filter(|campaign| campaign.r.is_some_and(|r| r > 0.0)).count();
    let range = extent(shown.iter().filter_map(|campaign| campaign.r));
    let (low, high) = range.unwrap_or_default();
    format!(
        "Result of {} in R: {won} above zero, between {} and {}.",
        counted(shown.len(), "campaign", "campaigns"),
        show::ratio(low, Style::Page),
        show::ratio(high, Style::Page)
    )
}

/// The price plot of each of the campaigns that moved most, in order of opening, as far as the page has room.
fn plots<'a>(view: &View<'a>) -> Vec<(&'a Campaign, Markup)> {
    let mut ranked: Vec<&Campaign> = view.run.campaigns.iter().take(view.limits.campaigns).collect();
    ranked.sort_by(|a, b| b.profit.abs().total_cmp(&a.profit.abs()));
    let mut left = view.limits.plot_bytes;
    let mut kept = Vec::new();
    for campaign in ranked.into_iter().take(view.limits.plots) {
        let Some(plot) = plot(view, campaign) else { continue };
        match left.checked_sub(plot.len() + 400) {
            Some(rest) => left = rest,
            None => break,
        }
        kept.push((campaign, plot));
    }
    kept.sort_by_key(|(campaign, _)| campaign.campaign);
    kept
}

/// A campaign with a fifth of its length before and after it.
fn plot(view: &View<'_>, campaign: &Campaign) -> Option<Markup> {
    let known = view.instruments.get(campaign.instrument)?;
    let (from, to) = (campaign.opened, campaign.closed.unwrap_or(view.run.header.end));
    let room = ((to - from) / 5).max(12 * view.run.header.bar);
    let r = campaign.r.map_or_else(String::new, |r| format!(", {} R", show::ratio(r, Style::Page)));
    let title = format!("Campaign {}, {}{r}", campaign.campaign, told(view, campaign));
    let id = format!("c{}", campaign.campaign);
    let figure = Figure {
        id: &id,
        title: &title,
        question: "What did it do, and where?",
        bars: known.between(from - room, to + room),
        marks: MARKS,
        column: view.limits.column,
        strategy: Some(campaign.strategy),
    };
    draw(view, known, &figure)
}

/// `long`, and where a book is shared whose and in what.
fn told(view: &View<'_>, campaign: &Campaign) -> String {
    let mut text = if campaign.long { "long" } else { "short" }.to_owned();
    if view.instruments.len() > 1 {
        text.push_str(&format!(" {}", view.instruments[campaign.instrument].symbol()));
    }
    if view.run.strategies.len() > 1 {
        text.push_str(&format!(", {}", view.strategy(campaign.strategy)));
    }
    text
}

fn opened(view: &View<'_>, campaign: &Campaign, plot: &Markup) -> Markup {
    let mut page = Markup::new();
    let id = format!("c{}", campaign.campaign);
    page.raw("<details class=\"card fig wide cp\"><summary>");
    let text = format!(
        "Campaign {}: {} from {}, {} {}, ended by {}",
        campaign.campaign,
        told(view, campaign),
        time(campaign.opened).get(..16).unwrap_or_default(),
        view.money(campaign.profit),
        view.run.header.currency,
        campaign.ended_by
    );
    page.text(&text)
        .raw("</summary>")
        .open("div", &[("class", "plot"), ("id", &id)])
        .piece(plot)
        .raw("</div></details>");
    page
}

fn table(page: &mut Markup, view: &View<'_>, plots: &[(&Campaign, Markup)]) {
    let ratio = |value: Option<f64>| or_missing(value, |value| show::ratio(value, Style::Page));
    let header = &view.run.header;
    page.raw("<div class=\"card scroll\"><table class=\"lt so\" id=\"ct\"><thead><tr>");
    let money = |name: &str| format!("{name}, {}", header.currency);
    // Quantities of one unit have it in the head; of several each says its own.
    let unit = view.instruments.first().map(|known| known.traded.unit.as_str());
    let unit = unit.filter(|unit| view.instruments.iter().all(|known| known.traded.unit == **unit));
    let (instruments, strategies) = (view.instruments.len() > 1, view.run.strategies.len() > 1);
    let names = [
        ("No.", true),
        ("Instrument", false),
        ("Strategy", false),
        ("Side", false),
        ("Opened, UTC", false),
        ("Held", false),
        ("Entry", true),
        ("Exit", true),
        ("Units", true),
        ("Rungs", true),
        (&unit.map_or_else(|| "Peak".to_owned(), |unit| format!("Peak, {unit}")), true),
        (&money("Profit"), true),
        (&money("Fees"), true),
        (&money("Funding"), true),
        ("R", true),
        ("Worst R", true),
        ("Best R", true),
        ("Ended by", false),
        ("Plan", false),
    ];
    let left_out = |name: &str| name == "Instrument" && !instruments || name == "Strategy" && !strategies;
    for (name, right) in names.into_iter().filter(|(name, _)| !left_out(name)) {
        page.element("th", &[("scope", "col"), ("class", if right { "r" } else { "" })], name);
    }
    page.raw("</tr></thead><tbody>");
    for campaign in view.run.campaigns.iter().take(view.limits.campaigns) {
        let Some(known) = view.instruments.get(campaign.instrument) else { continue };
        let held = campaign.closed.unwrap_or(header.end) - campaign.opened;
        page.raw("<tr>");
        let number = show::count(campaign.campaign, Style::Page);
        page.open("th", &[("scope", "row"), ("class", "r")]);
        match plots.iter().any(|(plotted, _)| plotted.campaign == campaign.campaign) {
            true => page.element("a", &[("href", &format!("#c{}", campaign.campaign))], &number),
            false => page.text(&number),
        };
        page.raw("</th>");
        if instruments {
            page.element("td", &[], known.symbol());
        }
        if strategies {
            page.element("td", &[], view.strategy(campaign.strategy));
        }
        page.element("td", &[], if campaign.long { "long" } else { "short" });
        page.element("td", &[], time(campaign.opened).get(..16).unwrap_or_default());
        let shown = show::duration(Duration::from_nanos(held), Style::Page);
        page.element("td", &[("data-v", &held.to_string())], &shown);
        let right = [
            known.price(campaign.entry),
            or_missing(campaign.exit, |price| known.price(price)),
            show::count(campaign.units.into(), Style::Page),
            show::count(campaign.rungs.into(), Style::Page),
            if unit.is_some() {
                known.qty(campaign.peak)
            } else {
                format!("{} {}", known.qty(campaign.peak), known.traded.unit)
            },
            view.money(campaign.profit),
            view.money(campaign.fees),
            view.money(campaign.funding),
            ratio(campaign.r),
            ratio(campaign.mae_r),
            ratio(campaign.mfe_r),
        ];
        for cell in &right {
            page.element("td", &[("class", "r")], cell);
        }
        page.element("td", &[], &campaign.ended_by).raw("<td>");
        let mut own = known.traded.fills.iter().filter(|fill| fill.strategy == campaign.strategy);
        match own.find(|fill| fill.time >= campaign.opened) {
            Some(fill) => plan_link(page, view, fill.plan),
            None => {
                page.text(show::MISSING);
            }
        }
        page.raw("</td></tr>");
    }
    page.raw("</tbody></table>");
    if let Some(rest) = view.run.campaigns.len().checked_sub(view.limits.campaigns).filter(|rest| *rest > 0) {
        let rest = counted(rest, "more campaign", "more campaigns");
        page.element("p", &[("class", "note")], &format!("{rest} in campaigns.parquet of the run folder."));
    }
    page.raw("</div>");
}
