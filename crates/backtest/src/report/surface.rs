//! The section "Surface": what did volatility cost, and what does each strike cost at the end?

use super::markup::Markup;
use super::scale::{Axis, extent, time_ticks};
use super::smiles::{self, Smile};
use super::summary::SurfacePath;
use super::svg::{Anchor, Svg, thin_line};
use super::view::{View, counted, or_missing, time};
use units::show::{self, Style};
use units::{Duration, Timestamp};

/// Rows of the data tables of all chains together.
const ROWS: usize = 60;
/// Pixels that share a column of a line.
const COLUMN: f64 = 2.0;
const HEIGHT: f64 = 110.0;
/// Smiles to a row.
const COLUMNS: usize = 4;

/// The section; none of a run whose tapes have no options on what it trades.
pub(super) fn section(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    if view.run.surfaces.is_empty() {
        return page;
    }
    page.raw("<section class=\"sec\" id=\"surface\" aria-labelledby=\"h-surface\"><h2 id=\"h-surface\">Surface<span>")
        .raw("What did volatility cost?</span></h2>");
    for path in &view.run.surfaces {
        if let Some(figure) = figure(view, path) {
            page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&figure).raw("</div>");
            data(&mut page, path, ROWS / view.run.surfaces.len());
            page.raw("</div>");
        }
        if let Some(missing) = missing(path) {
            page.element("p", &[("class", "note")], &missing);
        }
        if let Some(figure) = at_the_end(path) {
            page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&figure).raw("</div></div>");
        }
    }
    page.raw("<p class=\"note\">Surfaces are fitted to bids and asks, never to a venue's marks, and freed of arbitrage. Volatilities in % ")
        .raw("a year, ACT/365, linear in total variance between expiries; risk reversals at a forward delta of 0.25. A tenor is told from ")
        .raw("half of the first expiry&#39;s on to twice the last one&#39;s: before the first and behind the last it is extrapolated.</p>")
        .raw("</section>");
    page
}

/// One plot: what it shows, the question that it answers, and its values as shares.
type Plot = (&'static str, &'static str, Vec<Option<f64>>);

fn plots(path: &SurfacePath) -> [Plot; 3] {
    let slope = path.atm_90d.iter().zip(&path.atm_7d).map(|(long, short)| Some((*long)? - (*short)?)).collect();
    [
        ("At the money, 30 days, % a year", "What did volatility cost?", path.atm_30d.clone()),
        ("25-delta risk reversal, 30 days, points", "Were calls or puts dearer?", path.risk_reversal_30d.clone()),
        ("90 days less 7 days at the money, points", "Was far or near time dearer?", slope),
    ]
}

/// What is told of each surface: its name, and its values.
fn columns(path: &SurfacePath) -> [(&'static str, &[Option<f64>]); 5] {
    [
        ("7 days", &path.atm_7d),
        ("30 days", &path.atm_30d),
        ("90 days", &path.atm_90d),
        ("risk reversal, 30 days", &path.risk_reversal_30d),
        ("butterfly, 30 days", &path.butterfly_30d),
    ]
}

/// Which numbers are not known, and why; none where all are.
fn missing(path: &SurfacePath) -> Option<String> {
    let all = path.time.len();
    let lacks = |(name, values): &(&str, &[Option<f64>])| {
        let missing = values.iter().filter(|value| value.is_none()).count();
        (missing > 0).then(|| format!("{name} {}", show::count(missing as u64, Style::Page)))
    };
    let lacks: Vec<String> = columns(path).iter().filter_map(lacks).collect();
    if lacks.is_empty() {
        return None;
    }
    let of = counted(all, "surface", "surfaces");
    Some(format!(
        "{} options at {}: not known, and not drawn, of {of}: {}. Quotes tell nothing of a tenor under half of the first \
         expiry's, over twice the last one's, or beside an expiry whose forward lies beyond the quoted strikes; no wing is told where no \
         strike has that delta; and nothing where no smile could be fitted.",
        path.underlying,
        path.venue,
        lacks.join(", ")
    ))
}

fn figure(view: &View<'_>, path: &SurfacePath) -> Option<Markup> {
    let header = &view.run.header;
    let plots: Vec<Plot> =
        plots(path).into_iter().filter(|(_, _, values)| values.iter().flatten().count() > 1).collect();
    if plots.is_empty() {
        return None;
    }
    let (left, right, step) = (72.0, 1252.0, HEIGHT + 44.0);
    let bottom = 54.0 + step * plots.len() as f64 - 44.0;
    let spoken = |(title, _, values): &Plot| {
        let (low, high) = extent(values.iter().flatten().copied()).unwrap_or_default();
        format!("{title}: {} to {}", percent(low), percent(high))
    };
    let told: Vec<String> = plots.iter().map(spoken).collect();
    let name = format!("{} options at {}, in {}", path.underlying, path.venue, path.settle);
    let mut svg = Svg::new(1340.0, bottom + 32.0, &format!("{name}, over time. {}.", told.join("; ")), &[]);
    svg.text("lb", left, 14.0, Anchor::Start, &name);
    let x = Axis::linear((header.start as f64, header.end as f64), (left, right));
    svg.columns(&x, (54.0, bottom), bottom + 20.0, &time_ticks(header.start, header.end, 12));
    svg.gaps(&x, (54.0, bottom), &view.run.gaps);
    let gaps = super::greeks::gaps(&path.time);
    for (at, (title, question, values)) in plots.iter().enumerate() {
        let top = 54.0 + step * at as f64;
        let (low, high) = extent(values.iter().flatten().copied())?;
        let room = ((high - low) * 0.08).max(0.002);
        let (low, high) = (low - room, high + room);
        let y = Axis::linear((low, high), (top + HEIGHT, top));
        svg.title(left, top - 10.0, title, question);
        svg.rows(&y, (left, right), &smiles::percents(low, high, 4));
        if low < 0.0 && high > 0.0 {
            svg.line("ze", (left, y.at(0.0)), (right, y.at(0.0)));
        }
        // Where nothing could be fitted the line ends.
        for run in path.time.iter().zip(values).collect::<Vec<_>>().split(|(_, value)| value.is_none()) {
            let (times, values): (Vec<i64>, Vec<f64>) =
                run.iter().filter_map(|(time, value)| Some((**time, (**value)?))).unzip();
            svg.path("sl", thin_line((&x, &y), &times, &values, &gaps, COLUMN));
        }
        if let Some(last) = values.iter().flatten().last() {
            svg.text("lb", right + 7.0, y.at(*last) + 4.0, Anchor::Start, &percent(*last));
        }
    }
    Some(svg.finish())
}

fn percent(share: f64) -> String {
    show::percent(share, 1, Style::Page)
}

fn data(page: &mut Markup, path: &SurfacePath, rows: usize) {
    let every = path.time.len().div_ceil(rows.max(1)).max(1);
    page.raw("<details class=\"data\"><summary>Data</summary>");
    if every > 1 {
        let told = format!("One row in {every} of {}.", counted(path.time.len(), "surface", "surfaces"));
        page.element("p", &[("class", "note")], &told);
    }
    page.raw("<div class=\"scroll\"><table class=\"dt\"><thead><tr><th scope=\"col\">UTC</th>");
    for name in
        ["7 days, %", "30 days, %", "90 days, %", "Risk reversal, 30 days, points", "Butterfly, 30 days, points"]
    {
        page.element("th", &[("scope", "col")], name);
    }
    page.raw("</tr></thead><tbody>");
    let last = path.time.len() - 1;
    for at in (0..last).step_by(every).chain([last]) {
        let when = Timestamp::from_nanos(path.time[at]).floor(Duration::SECOND);
        page.raw("<tr>").element("th", &[("scope", "row")], &time(when.nanos()));
        for (_, values) in columns(path) {
            page.element("td", &[], &or_missing(values[at], |value| show::percent(value, 2, Style::Page)));
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div></details>");
}

/// The smiles of the last surface.
fn at_the_end(path: &SurfacePath) -> Option<Markup> {
    let smiles: Vec<Smile<'_>> = path
        .smiles
        .iter()
        .take(smiles::SMILES_MAX)
        .map(|curve| Smile {
            expiry: Timestamp::from_nanos(curve.expiry),
            days: (curve.expiry - path.smiles_at) as f64 / Duration::DAY.nanos() as f64,
            quotes: &curve.quotes,
            fitted: curve.quotes.iter().map(|quote| (quote.log_moneyness, quote.fitted)).collect(),
            none_inside: !curve.quotes.iter().any(|quote| (quote.bid..=quote.ask).contains(&quote.fitted)),
        })
        .collect();
    if smiles.is_empty() {
        return None;
    }
    let at = time(Timestamp::from_nanos(path.smiles_at).floor(Duration::SECOND).nanos());
    let title = format!("{} options at {}, {at}", path.underlying, path.venue);
    let summary =
        format!("Bids, asks and fitted smiles of {} of {title}.", counted(smiles.len(), "expiry", "expiries"));
    let mut svg = Svg::new(1340.0, 56.0 + smiles::panels_height(smiles.len(), COLUMNS), &summary, &[]);
    svg.title(60.0, 20.0, &title, "What does each strike cost at the end?");
    svg.text("lb", 60.0, 40.0, Anchor::Start, smiles::KEY);
    smiles::panels(&mut svg, &smiles, 54.0, COLUMNS);
    Some(svg.finish())
}
