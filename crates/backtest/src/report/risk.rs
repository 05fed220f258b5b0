//! The section "Value at risk": did losses stay within what was told before them?

use super::markup::Markup;
use super::overview::labels;
use super::scale::{Axis, extent, time_ticks};
use super::summary::{RiskLevel, RiskPath, RiskRecord, RunSummary};
use super::svg::{Anchor, Svg, steps};
use super::view::{View, counted};
use risk::coverage::{
    Clustering, Coverage, Period, Power, Shortfall, Test, Zone, acerbi_szekely, christoffersen, clustering_power,
    shortfall_power,
};
use std::ops::RangeInclusive;
use units::Duration;
use units::show::{self, Style};

/// What a test rejects that is as odd as one record in twenty.
const LEVEL: f64 = 0.05;
/// What powers are told of: twice as many breaches, a breach in four after one, a volatility a quarter higher than was told.
const TWICE: f64 = 2.0;
const AGAIN: f64 = 0.25;
const WORSE: f64 = 1.25;

const STILL: &str = "held still";

/// The tests of one record of breaches.
pub(super) struct Tested {
    /// Whose.
    name: &'static str,
    confidence: f64,
    periods: u64,
    breaches: u64,
    coverage: Coverage,
    accepted: Option<RangeInclusive<u64>>,
    clustering: Option<(Clustering, Power)>,
    shortfall: Option<(Shortfall, Power)>,
}

/// All tests of a run: as traded, held still and of the twin, at each confidence. Made once, as powers are simulated.
pub(super) fn tested(run: &RunSummary) -> Vec<Tested> {
    let Some(record) = run.risk.as_ref().filter(|record| record.absent.is_none()) else { return Vec::new() };
    let subjects: [(&'static str, &RiskPath, &Vec<f64>); 3] = [
        ("scaled", &record.scaled, &record.scaled.made),
        (STILL, &record.scaled, &record.scaled.still),
        ("twin", &record.twin, &record.twin.made),
    ];
    let mut all: Vec<Tested> = Vec::new();
    for (name, path, made) in subjects {
        for level in &path.levels {
            // Powers depend on how many periods there are and on the confidence alone.
            let known = test(name, made, level, &all);
            all.extend(known);
        }
    }
    all
}

fn test(name: &'static str, made: &[f64], level: &RiskLevel, before: &[Tested]) -> Option<Tested> {
    let confidence = level.confidence;
    let figures = made.iter().zip(&level.value_at_risk).zip(&level.expected_shortfall);
    // Flat at its start: nothing was told.
    let figures = figures.filter(|((_, value_at_risk), _)| **value_at_risk > 0.0);
    let periods: Vec<Period> = figures
        .map(|((profit, value_at_risk), expected_shortfall)| Period {
            profit: *profit,
            value_at_risk: *value_at_risk,
            expected_shortfall: *expected_shortfall,
        })
        .collect();
    let breached: Vec<bool> = periods.iter().map(|period| -period.profit > period.value_at_risk).collect();
    let (count, breaches) = (periods.len() as u64, breached.iter().filter(|breached| **breached).count() as u64);
    let coverage = Coverage::new(count, breaches, confidence).ok()?;
    let same = before.iter().find(|known| known.periods == count && known.confidence == confidence);
    let clustering = christoffersen(&breached, confidence).ok().map(|clustering| {
        let known = same.and_then(|same| Some(same.clustering.as_ref()?.1));
        (clustering, known.unwrap_or_else(|| clustering_power(count, confidence, LEVEL, AGAIN)))
    });
    let shortfall = acerbi_szekely(&periods, confidence).ok().map(|shortfall| {
        let known = same.and_then(|same| Some(same.shortfall.as_ref()?.1));
        (shortfall, known.unwrap_or_else(|| shortfall_power(count, confidence, LEVEL, WORSE)))
    });
    Some(Tested {
        name,
        confidence,
        periods: count,
        breaches,
        coverage,
        accepted: coverage.accepted(LEVEL),
        clustering,
        shortfall,
    })
}

impl Tested {
    /// Names of the tests that reject the figures.
    fn rejected(&self) -> Vec<&'static str> {
        let is_odd = |test: &Test| test.probability < LEVEL;
        let clustered = self.clustering.as_ref().is_some_and(|(clustering, _)| is_odd(&clustering.independence));
        let deep = self.shortfall.as_ref().is_some_and(|(shortfall, power)| shortfall.second < power.critical);
        [
            (is_odd(&self.coverage.kupiec()), "Kupiec"),
            (clustered, "Christoffersen"),
            (self.coverage.zone() != Zone::Green, "the traffic light"),
            (deep, "Acerbi and Székely"),
        ]
        .into_iter()
        .filter_map(|(rejects, name)| rejects.then_some(name))
        .collect()
    }

    fn accepts(&self) -> String {
        self.accepted.as_ref().map_or_else(
            || "none".to_owned(),
            |accepted| format!("{} to {}", count(*accepted.start()), count(*accepted.end())),
        )
    }
}

pub(super) fn section(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    let Some(record) = &view.run.risk else { return page };
    page.raw("<section class=\"sec\" id=\"risk\" aria-labelledby=\"h-risk\"><h2 id=\"h-risk\">Value at risk<span>")
        .raw("Did losses stay within what was told before?</span></h2>");
    if let Some(why) = &record.absent {
        page.element("p", &[("class", "note")], &format!("Value at risk is not told: {why}."));
        page.raw("</section>");
        return page;
    }
    page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&breaches(view, record)).raw("</div></div>");
    table(&mut page, view);
    if !record.shares.is_empty() {
        shares(&mut page, view, record);
    }
    for line in sentences(view, record) {
        page.element("p", &[("class", "note")], &line);
    }
    page.raw("</section>");
    page
}

fn step_name(record: &RiskRecord) -> &'static str {
    match record.step {
        step if step == Duration::DAY.nanos() => "day",
        step if step == Duration::HOUR.nanos() => "hour",
        _ => "6 hours",
    }
}

/// Returns as dots, value at risk as lines under zero, breaches set off.
fn breaches(view: &View<'_>, record: &RiskRecord) -> Markup {
    let header = &view.run.header;
    let (left, right, top, bottom) = (72.0, 1252.0, 34.0, 254.0);
    let RiskPath { made, levels, .. } = &record.scaled;
    let under = |level: &RiskLevel| level.value_at_risk.iter().map(|value| -value * 100.0).collect::<Vec<_>>();
    let lines: Vec<(f64, Vec<f64>)> = levels.iter().map(|level| (level.confidence, under(level))).collect();
    let returns: Vec<f64> = made.iter().map(|value| value * 100.0).collect();
    let all = returns.iter().chain(lines.iter().flat_map(|(_, line)| line)).copied();
    let (low, high) = extent(all.chain([0.0])).unwrap_or_default();
    let told: Vec<String> = view
        .tested
        .iter()
        .filter(|tested| tested.name == "scaled")
        .map(|tested| {
            format!(
                "{} of {} at {} percent",
                count(tested.breaches),
                count(tested.periods),
                confidence(tested.confidence)
            )
        })
        .collect();
    let step = step_name(record);
    let summary = format!("Return of each {step} and the value at risk told before it. Breaches: {}.", told.join(", "));
    let mut svg = Svg::new(1340.0, 290.0, &summary, &[]);
    let title = format!("Return of each {step} and value at risk told before it, % of equity");
    svg.title(left, 18.0, &title, "When was more lost?");
    let x = Axis::linear((header.start as f64, header.end as f64), (left, right));
    let y = Axis::linear((low, high), (bottom - 3.0, top + 3.0));
    svg.columns(&x, (top, bottom), bottom + 20.0, &time_ticks(header.start, header.end, 12));
    svg.gaps(&x, (top, bottom), &view.run.gaps);
    let (ticks, decimals) = y.ticks(5);
    svg.rows(&y, (left, right), &labels(&ticks, decimals));
    svg.line("ze", (left, y.at(0.0)), (right, y.at(0.0)));
    svg.dots("sd", 1.2, record.time.iter().zip(&returns).map(|(time, value)| (x.at(*time as f64), y.at(*value))));
    for (at, (_, line)) in lines.iter().enumerate() {
        let class = if at == 0 { "tg" } else { "sl" };
        let held: Vec<Option<f64>> = line.iter().map(|value| (*value < 0.0).then_some(*value)).collect();
        svg.path(class, steps(&x, &y, &record.time, &held, &view.run.gaps));
    }
    for (at, time) in record.time.iter().enumerate() {
        let depth = lines.iter().filter(|(_, line)| line[at] < 0.0 && returns[at] < line[at]).count();
        if depth > 0 {
            svg.circle("wf-l", x.at(*time as f64), y.at(returns[at]), if depth == lines.len() { 3.4 } else { 2.0 });
        }
    }
    let said = "dots: returns; dashed: value at risk at 95 %, line: at 99 %; vermilion: breached, large at 99 %";
    svg.text("lb", right, 18.0, Anchor::End, said);
    svg.finish()
}

/// A column a record, a row a figure of a test.
fn table(page: &mut Markup, view: &View<'_>) {
    page.raw("<div class=\"card scroll\"><h3>Tests, and what they would find<span>in %, where nothing else is said</span></h3>")
        .raw("<table class=\"lt\"><thead><tr><th scope=\"col\"></th>");
    for tested in &view.tested {
        let name = format!("{}, {} %", tested.name, confidence(tested.confidence));
        page.element("th", &[("scope", "col"), ("class", "r")], &name);
    }
    page.raw("</tr></thead><tbody>");
    let mut row = |name: &str, value: &dyn Fn(&Tested) -> Option<String>| {
        page.raw("<tr>").element("th", &[("scope", "row")], name);
        for tested in &view.tested {
            let shown = value(tested).unwrap_or_else(|| show::MISSING.to_owned());
            page.element("td", &[("class", "r")], &shown);
        }
        page.raw("</tr>");
    };
    let percent = |value: f64| show::percent(value, 1, Style::Page);
    let truth = |tested: &Tested| (1.0 - tested.confidence) * TWICE;
    row("Steps that were told (number)", &|tested| Some(count(tested.periods)));
    row("Breaches (number)", &|tested| Some(count(tested.breaches)));
    row("Breaches promised (number)", &|tested| {
        Some(show::number(tested.periods as f64 * (1.0 - tested.confidence), 1, Style::Page))
    });
    row("Kupiec: as odd a number, if right", &|tested| Some(percent(tested.coverage.kupiec().probability)));
    row("accepts so many (number)", &|tested| Some(tested.accepts()));
    row("finds twice as many breaches", &|tested| Some(percent(tested.coverage.power(LEVEL, truth(tested)))));
    row("Christoffersen: as clustered, if right", &|tested| {
        Some(percent(tested.clustering.as_ref()?.0.independence.probability))
    });
    row("with their number", &|tested| Some(percent(tested.clustering.as_ref()?.0.conditional_coverage.probability)));
    row("breaches right after one (number)", &|tested| Some(count(tested.clustering.as_ref()?.0.repeated)));
    row("finds one in four after a breach", &|tested| Some(percent(tested.clustering.as_ref()?.1.power)));
    row("Basel's traffic light (colour)", &|tested| {
        Some(
            match tested.coverage.zone() {
                Zone::Green => "green",
                Zone::Yellow => "yellow",
                Zone::Red => "red",
            }
            .to_owned(),
        )
    });
    row("not green with twice as many", &|tested| Some(percent(tested.coverage.zone_power(truth(tested)))));
    row("Acerbi–Székely: second (0 is right)", &|tested| {
        Some(show::ratio(tested.shortfall.as_ref()?.0.second, Style::Page))
    });
    row("one in twenty right ones is under", &|tested| {
        Some(show::ratio(tested.shortfall.as_ref()?.1.critical, Style::Page))
    });
    row("finds a volatility 1.25 × that told", &|tested| Some(percent(tested.shortfall.as_ref()?.1.power)));
    page.raw("</tbody></table></div>");
}

/// Whose risk it was.
fn shares(page: &mut Markup, view: &View<'_>, record: &RiskRecord) {
    page.raw("<div class=\"card scroll\"><h3>Whose risk<span>mean expected shortfall at 95 %, % of equity</span></h3>")
        .raw("<table class=\"lt so\"><thead><tr>");
    for (name, right) in [("Strategy", false), ("Instrument", false), ("Shortfall, %", true), ("Share, %", true)] {
        page.element("th", &[("scope", "col"), ("class", if right { "r" } else { "" })], name);
    }
    page.raw("</tr></thead><tbody>");
    let whole: f64 = record.shares.iter().map(|share| share.shortfall).sum();
    let mut row = |strategy: &str, instrument: &str, shortfall: f64| {
        page.raw("<tr>").element("td", &[], strategy).element("th", &[("scope", "row")], instrument);
        let cells = [show::percent(shortfall, 2, Style::Page), show::percent(shortfall / whole, 1, Style::Page)];
        cells.iter().for_each(|cell| {
            page.element("td", &[("class", "r")], cell);
        });
        page.raw("</tr>");
    };
    for share in record.shares.iter().take(SHARES) {
        let symbol = view.instruments.get(share.instrument).map_or("", |known| known.symbol());
        row(view.strategy(share.strategy), symbol, share.shortfall);
    }
    if record.shares.len() > SHARES {
        let rest = &record.shares[SHARES..];
        row("", &format!("{} more", rest.len()), rest.iter().map(|share| share.shortfall).sum());
    }
    row("all", "", whole);
    page.raw("</tbody></table></div>");
}

/// Parts named.
const SHARES: usize = 15;

fn sentences(view: &View<'_>, record: &RiskRecord) -> Vec<String> {
    let mut lines = Vec::new();
    for tested in view.tested.iter().filter(|tested| tested.name == "scaled") {
        let power = tested.coverage.power(LEVEL, (1.0 - tested.confidence) * TWICE);
        let rejected = tested.rejected();
        let still = view.tested.iter().find(|other| other.name == STILL && other.confidence == tested.confidence);
        let verdict = match (rejected.as_slice(), still.map(Tested::rejected).as_deref()) {
            ([], _) => "no test rejects them".to_owned(),
            (rejected, Some([])) => format!(
                "rejected by {}, and not with the positions held still: what went beyond came of trades within the step",
                rejected.join(", ")
            ),
            (rejected, _) => format!("rejected by {}", rejected.join(", ")),
        };
        lines.push(format!(
            "{} forecasts at {} % accept {} breaches; there were {}: {verdict}. Figures breached twice as often as promised would be \
             found out in {} % of such records.",
            count(tested.periods),
            confidence(tested.confidence),
            tested.accepts(),
            count(tested.breaches),
            show::percent(power, 0, Style::Page)
        ));
    }
    let all = counted(record.time.len(), "step", "steps");
    let told = record
        .scaled
        .levels
        .first()
        .map_or(0, |level| level.value_at_risk.iter().filter(|value| **value > 0.0).count());
    let flat = record.time.len() - told;
    let mut method = format!(
        "Filtered historical simulation: before each {} the positions held meet the last {} to {} changes of their coins' prices, each \
         divided by the volatility that was forecast of it (exponential weights, {}) and multiplied by the present one. Only what was \
         known then is used. Scaled: what equity made, trades and costs within the step included; held still: what the positions at \
         its start would have made. Coin held as money stands still.",
        step_name(record),
        record.behind,
        record.window,
        show::ratio(record.decay, Style::Page)
    );
    if record.has_options {
        method += " Options meet moves of the coin and of its volatility at the money together, by delta, gamma, vega and theta of the \
                   step's start, smiles moving along; all tenors move alike. Of the twin no Greeks are kept.";
    }
    if flat > 0 {
        method += &format!(
            " Of {all}, {} began flat, or with options that no volatility was known of, and were told nothing.",
            count(flat as u64)
        );
    }
    if record.holes > 0 {
        method += &format!(" {} a hole in the market.", counted(record.holes as usize, "step spans", "steps span"));
    }
    lines.push(method);
    lines
}

fn count(value: u64) -> String {
    show::count(value, Style::Page)
}

fn confidence(value: f64) -> String {
    show::percent(value, 0, Style::Page)
}
