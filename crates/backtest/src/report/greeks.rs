//! The section "Greeks": what moves the options that were held?

use super::markup::Markup;
use super::overview::labels;
use super::scale::{Axis, extent, time_ticks};
use super::summary::{Gap, GreekCell, GreekPath};
use super::svg::{Anchor, Svg, thin_line};
use super::view::{View, counted, time};
use std::collections::{BTreeMap, BTreeSet};
use units::show::{self, Style};
use units::{Timestamp, math};

/// Rows of the heat table at most: strikes beyond share a bucket.
const BUCKETS: usize = 14;
/// Rows of the data tables of all coins together.
const ROWS: usize = 60;
/// Pixels that share a column of a line.
const COLUMN: f64 = 2.0;
const HEIGHT: f64 = 110.0;

/// The section; none of a run that held no options.
pub(super) fn section(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    if view.run.greeks.is_empty() {
        return page;
    }
    page.raw("<section class=\"sec\" id=\"greeks\" aria-labelledby=\"h-greeks\"><h2 id=\"h-greeks\">Greeks<span>")
        .raw("What moved the options that were held?</span></h2>");
    for path in &view.run.greeks {
        page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&figure(view, path)).raw("</div>");
        data(&mut page, path, ROWS / view.run.greeks.len());
        page.raw("</div>");
        cells(&mut page, path);
    }
    note(&mut page, view);
    page.raw("</section>");
    page
}

fn significant(value: f64) -> String {
    show::significant(value, 3, Style::Page)
}

/// Stretches far longer than between other rows.
pub(super) fn gaps(times: &[i64]) -> Vec<Gap> {
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0);
    let apart = times.windows(2).filter(|pair| pair[1] - pair[0] > 3 * usual);
    apart.map(|pair| Gap { from: pair[0], to: pair[1] }).collect()
}

/// One plot: what it shows, the question that it answers, and its lines, the last on top.
struct Plot {
    title: String,
    question: &'static str,
    lines: Vec<(&'static str, Vec<f64>)>,
    key: &'static str,
}

fn plots(path: &GreekPath) -> Vec<Plot> {
    let coin = &path.underlying;
    let along: Vec<f64> = path.delta.iter().zip(&path.skew_delta).map(|(delta, skew)| delta + skew).collect();
    let mut lines = vec![("tw", path.delta.clone()), ("sl", along.clone())];
    let mut key = "grey: smile sticky by strike; blue: by moneyness";
    if path.hedge.iter().any(|hedge| *hedge != 0.0) {
        lines.push(("nt", along.iter().zip(&path.hedge).map(|(delta, hedge)| delta + hedge).collect()));
        key = "grey: smile sticky by strike; blue: by moneyness; black: that with spot, perpetuals and futures";
    }
    let one = |title: &str, question, values: &[f64]| Plot {
        title: title.to_owned(),
        question,
        lines: vec![("sl", values.to_vec())],
        key: "",
    };
    vec![
        Plot { title: format!("Delta, {coin}"), question: "How much coin do the options move like?", lines, key },
        one("Gamma, USD of delta for a move of 1 %", "How fast does that change?", &path.cash_gamma),
        one("Vega, USD for a point of volatility", "What does a change of volatility bring?", &path.vega),
        one("Theta, USD a day", "What does a day bring?", &path.theta),
    ]
}

fn figure(view: &View<'_>, path: &GreekPath) -> Markup {
    let header = &view.run.header;
    let (left, right, step) = (92.0, 1252.0, HEIGHT + 44.0);
    let plots = plots(path);
    let bottom = 34.0 + step * plots.len() as f64 - 44.0;
    let spoken = |plot: &Plot| {
        let values = plot.lines.iter().flat_map(|(_, values)| values).copied();
        let (low, high) = extent(values).unwrap_or_default();
        format!("{}: {} to {}", plot.title, significant(low), significant(high))
    };
    let told: Vec<String> = plots.iter().map(spoken).collect();
    let summary = format!("Greeks of the {} options held, over time. {}.", path.underlying, told.join("; "));
    let mut svg = Svg::new(1340.0, bottom + 32.0, &summary, &[]);
    let x = Axis::linear((header.start as f64, header.end as f64), (left, right));
    svg.columns(&x, (34.0, bottom), bottom + 20.0, &time_ticks(header.start, header.end, 12));
    svg.gaps(&x, (34.0, bottom), &view.run.gaps);
    let gaps = gaps(&path.time);
    for (at, plot) in plots.iter().enumerate() {
        let top = 34.0 + step * at as f64;
        let values = plot.lines.iter().flat_map(|(_, values)| values).copied();
        let (low, high) = extent(values.chain([0.0])).unwrap_or((0.0, 1.0));
        let y = Axis::linear((low, high), (top + HEIGHT - 3.0, top + 3.0));
        svg.title(left, top - 10.0, &plot.title, plot.question);
        let (ticks, decimals) = y.ticks(4);
        svg.rows(&y, (left, right), &labels(&ticks, decimals));
        svg.line("ze", (left, y.at(0.0)), (right, y.at(0.0)));
        for (class, values) in &plot.lines {
            svg.path(class, thin_line((&x, &y), &path.time, values, &gaps, COLUMN));
        }
        if let Some(last) = plot.lines.last().and_then(|(_, values)| values.last()) {
            svg.text("lb", right + 7.0, y.at(*last) + 4.0, Anchor::Start, &significant(*last));
        }
        if !plot.key.is_empty() {
            svg.text("lb", right, top - 10.0, Anchor::End, plot.key);
        }
    }
    svg.finish()
}

fn data(page: &mut Markup, path: &GreekPath, rows: usize) {
    let every = path.time.len().div_ceil(rows.max(1)).max(1);
    page.raw("<details class=\"data\"><summary>Data</summary>");
    if every > 1 {
        let told = format!("One row in {every} of {}.", counted(path.time.len(), "row", "rows"));
        page.element("p", &[("class", "note")], &told);
    }
    page.raw("<div class=\"scroll\"><table class=\"dt\"><thead><tr><th scope=\"col\">UTC</th>");
    let coin = &path.underlying;
    for name in [
        format!("{coin}, USD"),
        "Options".to_owned(),
        format!("Delta, sticky strike, {coin}"),
        format!("Delta, sticky moneyness, {coin}"),
        format!("The same less premium, {coin}"),
        format!("Spot, perpetuals, futures, {coin}"),
        "Gamma, USD for 1 %".to_owned(),
        "Vega, USD a point".to_owned(),
        "Theta, USD a day".to_owned(),
    ] {
        page.element("th", &[("scope", "col")], &name);
    }
    page.raw("</tr></thead><tbody>");
    let last = path.time.len() - 1;
    for at in (0..last).step_by(every).chain([last]) {
        page.raw("<tr>").element("th", &[("scope", "row")], &time(path.time[at]));
        let along = path.delta[at] + path.skew_delta[at];
        page.element("td", &[], &show::number(path.price[at], 2, Style::Page));
        page.element("td", &[], &show::count(path.options[at], Style::Page));
        for value in [
            path.delta[at],
            along,
            along - path.premium[at],
            path.hedge[at],
            path.cash_gamma[at],
            path.vega[at],
            path.theta[at],
        ] {
            page.element("td", &[], &significant(value));
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div></details>");
}

/// The least round width at which the strikes make few enough buckets.
fn width(strikes: &BTreeSet<i64>) -> Option<f64> {
    let (Some(low), Some(high)) = (strikes.first(), strikes.last()) else { return None };
    if strikes.len() <= BUCKETS {
        return None;
    }
    let (low, high) = (*low as f64, *high as f64);
    let widths = (0..12).flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * math::pow(10.0, f64::from(power))));
    let count = |width: f64| (high / width).floor() - (low / width).floor() + 1.0;
    widths.into_iter().find(|width| count(*width) <= BUCKETS as f64)
}

/// Expiry by bucket of strikes, at the last moment at which something was held.
fn cells(page: &mut Markup, path: &GreekPath) {
    // Strikes are told to a thousandth: whole numbers tell them apart.
    let strikes: BTreeSet<i64> = path.cells.iter().map(|cell| cell.strike.floor() as i64).collect();
    let width = width(&strikes);
    let bucket = |cell: &GreekCell| width.map_or(cell.strike, |width| (cell.strike / width).floor() * width);
    let expiries: Vec<i64> = path.cells.iter().map(|cell| cell.expiry).collect::<BTreeSet<_>>().into_iter().collect();
    let mut sums: BTreeMap<(i64, i64), GreekCell> = BTreeMap::new();
    for cell in &path.cells {
        let key = ((bucket(cell) * 1_000.0).round() as i64, cell.expiry);
        let sum = sums.entry(key).or_insert(GreekCell { expiry: cell.expiry, ..GreekCell::default() });
        add(sum, cell);
    }
    let Some(at) = path.cells.first().map(|cell| cell.time) else { return };
    let most = sums.values().map(|sum| sum.vega.abs()).fold(1e-12, f64::max);
    page.raw("<div class=\"card scroll\"><h3>");
    page.text(&format!("{} options by strike and expiry, {}", path.underlying, time(at)));
    page.raw("<span>Where does the risk lie?</span></h3><table class=\"mo\"><thead><tr><th scope=\"col\">");
    page.text(&width.map_or("Strike, USD".to_owned(), |width| {
        format!("Strikes from, {} wide", show::number(width, 0, Style::Page))
    }));
    page.raw("</th>");
    for expiry in &expiries {
        page.element("th", &[("scope", "col")], &show::day(Timestamp::from_nanos(*expiry)));
    }
    page.raw("<th scope=\"col\">All</th></tr></thead><tbody>");
    let rows: BTreeSet<i64> = sums.keys().map(|(strike, _)| *strike).collect();
    let sum_of = |chosen: &dyn Fn(&(i64, i64)) -> bool| {
        let all = sums.iter().filter(|(key, _)| chosen(key));
        all.fold((0.0, 0.0), |(vega, delta), (_, sum)| (vega + sum.vega, delta + sum.delta + sum.skew_delta))
    };
    let shown = |page: &mut Markup, class: &str, (vega, delta): (f64, f64)| {
        page.open("td", &[("class", class)]).element("b", &[], &significant(vega));
        page.element("small", &[], &format!("Δ {}", significant(delta))).raw("</td>");
    };
    for strike in rows {
        let decimals = if strike % 1_000 == 0 { 0 } else { 3 };
        let name = show::number(strike as f64 / 1_000.0, decimals, Style::Page);
        page.raw("<tr>").element("th", &[("scope", "row")], &name);
        for expiry in &expiries {
            match sums.get(&(strike, *expiry)) {
                Some(sum) => shown(page, shade(sum.vega, most), (sum.vega, sum.delta + sum.skew_delta)),
                None => {
                    page.raw("<td></td>");
                }
            }
        }
        shown(page, "y", sum_of(&|key| key.0 == strike));
        page.raw("</tr>");
    }
    page.raw("<tr><th scope=\"row\">All</th>");
    for expiry in &expiries {
        shown(page, "", sum_of(&|key| key.1 == *expiry));
    }
    shown(page, "y", sum_of(&|_| true));
    page.raw("</tr></tbody></table>");
    let told = format!(
        "Vega, USD for a point of volatility; under it delta in {}, smile sticky by moneyness. Hatched where vega is negative; the deeper \
         the colour, the larger it is.",
        path.underlying
    );
    page.element("p", &[("class", "note")], &told).raw("</div>");
    let bucket = |(strike, _): &(i64, i64)| {
        let low = *strike as f64 / 1_000.0;
        let decimals = if strike % 1_000 == 0 { 0 } else { 3 };
        let name = |strike: f64| show::number(strike, decimals, Style::Page);
        width.map_or_else(|| name(low), |width| format!("{} to {}", name(low), name(low + width)))
    };
    parts(page, path, &sums, &bucket);
}

fn add(sum: &mut GreekCell, cell: &GreekCell) {
    sum.options += cell.options;
    sum.delta += cell.delta;
    sum.skew_delta += cell.skew_delta;
    sum.premium += cell.premium;
    sum.hedge += cell.hedge;
    sum.cash_gamma += cell.cash_gamma;
    sum.vega += cell.vega;
    sum.theta += cell.theta;
}

/// All Greeks by underlying, expiry, strike, venue and strategy, at the moment of the cells.
fn parts(
    page: &mut Markup,
    path: &GreekPath,
    cells: &BTreeMap<(i64, i64), GreekCell>,
    bucket: &dyn Fn(&(i64, i64)) -> String,
) {
    let Some(at) = path.cells.first().map(|cell| cell.time) else { return };
    let coin = &path.underlying;
    page.raw("<div class=\"card scroll\"><h3>");
    page.text(&format!("{coin} Greeks by part, {}", time(at)));
    page.raw("<span>Whose is the risk?</span></h3><table class=\"dt\"><thead><tr>");
    for name in [
        "Part".to_owned(),
        "Options".to_owned(),
        format!("Delta, sticky strike, {coin}"),
        format!("Sticky moneyness, {coin}"),
        format!("Less premium, {coin}"),
        format!("Spot, perpetuals, futures, {coin}"),
        "Gamma, USD for 1 %".to_owned(),
        "Vega, USD a point".to_owned(),
        "Theta, USD a day".to_owned(),
    ] {
        page.element("th", &[("scope", "col")], &name);
    }
    page.raw("</tr></thead>");
    let summed = |key: &dyn Fn(&(i64, i64)) -> i64, name: &dyn Fn(&(i64, i64)) -> String| {
        let mut sums: BTreeMap<i64, (String, GreekCell)> = BTreeMap::new();
        for (of, cell) in cells {
            add(&mut sums.entry(key(of)).or_insert_with(|| (name(of), GreekCell::default())).1, cell);
        }
        sums.into_values().collect::<Vec<_>>()
    };
    // Expiries and strikes are of options; what is held beside them belongs to the coin, a venue and a strategy.
    let mut whole = GreekCell::default();
    path.parts.iter().filter(|part| !part.is_strategy).for_each(|part| add(&mut whole, &part.sums));
    let whole = if path.parts.is_empty() { Vec::new() } else { vec![(coin.clone(), whole)] };
    let own = |is_strategy| {
        let own = path.parts.iter().filter(move |part| part.is_strategy == is_strategy);
        own.map(|part| (part.name.clone(), part.sums)).collect()
    };
    let groups: [(&str, Vec<(String, GreekCell)>); 5] = [
        ("Underlying", whole),
        ("Expiry", summed(&|(_, expiry)| *expiry, &|(_, expiry)| show::day(Timestamp::from_nanos(*expiry)))),
        ("Strikes, USD", summed(&|(strike, _)| *strike, bucket)),
        ("Venue", own(false)),
        ("Strategy", own(true)),
    ];
    for (group, rows) in groups.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        page.raw("<tbody><tr>").element("th", &[("scope", "rowgroup"), ("colspan", "9")], group).raw("</tr>");
        for (name, sums) in rows {
            page.raw("<tr>").element("th", &[("scope", "row")], &name);
            page.element("td", &[], &show::count(sums.options, Style::Page));
            let along = sums.delta + sums.skew_delta;
            for value in [sums.delta, along, along - sums.premium, sums.hedge, sums.cash_gamma, sums.vega, sums.theta] {
                page.element("td", &[], &significant(value));
            }
            page.raw("</tr>");
        }
        page.raw("</tbody>");
    }
    page.raw("</table></div>");
}

/// The class of a cell by what it holds beside the largest.
fn shade(value: f64, most: f64) -> &'static str {
    const OVER: [&str; 4] = ["p1", "p2", "p3", "p4"];
    const UNDER: [&str; 4] = ["ng n1", "ng n2", "ng n3", "ng n4"];
    let depth = ((value.abs() / most * 4.0).ceil() as usize).clamp(1, 4) - 1;
    if value < 0.0 { UNDER[depth] } else { OVER[depth] }
}

/// The conventions.
fn note(page: &mut Markup, view: &View<'_>) {
    page.raw("<p class=\"note\">Volatilities are those of the surface fitted to bids and asks. Sticky by strike: a strike keeps its ")
        .raw("volatility when the price moves; by moneyness: the smile moves along. Less premium: for options paid for in coin, what is ")
        .raw("left after the premium's own coin. A point of volatility is 1 % a year; a day is a whole one, also where less is left. ")
        .raw("Coin that lies in an account is not counted. ")
        .text(&margin(view).unwrap_or_default())
        .raw("</p>");
    let unpriced: u64 = view.run.greeks.iter().map(|path| path.unpriced).sum();
    if unpriced > 0 {
        let told = format!(
            "At {} some options had no surface of the last day to take a volatility from, and are left out.",
            counted(unpriced as usize, "moment", "moments")
        );
        page.element("p", &[("class", "note")], &told);
    }
}

/// What the venue asks for sold options, as the run assumed it.
fn margin(view: &View<'_>) -> Option<String> {
    let stated = |name: &str| view.run.method.fills.iter().find(|(known, _)| known == name).map(|(_, what)| what);
    if stated("option margin").is_some_and(|what| what == "venue") {
        return Some(
            "Margin of sold options: by the rule of the venue that lists them; no published figure of it exists to compare with."
                .to_owned(),
        );
    }
    let of = |name: &str| Some(show::percent(stated(name)?.parse().ok()?, 0, Style::Page));
    let (initial, maintenance) = (of("option margin")?, of("option maintenance")?);
    Some(format!(
        "Margin of sold options: a flat {initial} % of the underlying, {maintenance} % to be kept: nobody's real rule."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_strikes_share_round_buckets() {
        let few: BTreeSet<i64> = (0..14).map(|at| 60_000 + at * 1_000).collect();
        assert_eq!(width(&few), None);
        let many: BTreeSet<i64> = (0..61).map(|at| 60_000 + at * 1_000).collect();
        assert_eq!(width(&many), Some(5_000.0), "61 strikes to 120,000: 13 buckets");
        let wide: BTreeSet<i64> = (0..61).map(|at| 10_000 + at * 5_000).collect();
        assert_eq!(width(&wide), Some(50_000.0), "to 310,000: 7 buckets, at 20,000 there were 16");
    }

    #[test]
    fn a_long_stretch_without_rows_is_a_gap() {
        assert_eq!(gaps(&[0, 10, 20, 50, 90, 100, 110]), [Gap { from: 50, to: 90 }]);
        assert!(gaps(&[5]).is_empty() && gaps(&[]).is_empty());
    }

    #[test]
    fn shades_are_deepest_at_the_largest_of_either_sign() {
        assert_eq!(
            [shade(8.0, 8.0), shade(0.1, 8.0), shade(-8.0, 8.0), shade(-3.0, 8.0)],
            ["p4", "p1", "ng n4", "ng n2"]
        );
    }
}
