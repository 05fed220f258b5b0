//! The section "Value at risk": did losses stay within what was told before them?

use super::markup::Markup;
use super::overview::labels;
use super::scale::{Axis, extent, time_ticks};
use super::summary::{LossPart, LossPath, RiskLevel, RiskPath, RiskRecord, RiskShare, RunSummary};
use super::svg::{Anchor, Svg, steps, width_of};
use super::view::{View, counted};
use risk::coverage::{
    Clustering, Coverage, Period, Power, Shortfall, Test, Zone, acerbi_szekely, christoffersen, clustering_power,
    shortfall_power,
};
use serde::Serialize;
use std::ops::RangeInclusive;
use units::Duration;
use units::show::{self, Style};

/// What a test rejects that is as odd as one record in twenty.
const LEVEL: f64 = 0.05;
/// What powers are told of: twice as many breaches, a breach in four after one, a volatility a quarter higher than was told.
const TWICE: f64 = 2.0;
const AGAIN: f64 = 0.25;
const WORSE: f64 = 1.25;

/// What is under this share of equity is rounding.
const SLIP: f64 = 1e-9;

const STILL: &str = "held still";
const TRADED: &str = "as traded";

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

/// The tests of what rules were told, fact by fact: against the positions held still, then as traded. Empty where too little was told.
pub(super) fn tested_facts(run: &RunSummary) -> Vec<Vec<Tested>> {
    let of = |path: &LossPath| {
        let level = level_of(path);
        let mut all: Vec<Tested> = Vec::new();
        for (name, came) in [(STILL, &path.held), (TRADED, &path.made)] {
            let known = test(name, came, &level, &all);
            all.extend(known);
        }
        all
    };
    run.losses.iter().map(of).collect()
}

fn level_of(path: &LossPath) -> RiskLevel {
    let (value_at_risk, expected_shortfall) = (path.value_at_risk.clone(), path.expected_shortfall.clone());
    RiskLevel { confidence: path.confidence, value_at_risk, expected_shortfall }
}

/// As rules name it.
fn name_of(path: &LossPath) -> String {
    let horizon = show::duration(Duration::from_nanos(path.horizon), Style::Page);
    let account = if path.account.is_empty() { String::new() } else { format!(", account at {}", path.account) };
    format!("{} % over {horizon}, {}{account}", percent_of(path.confidence), path.method)
}

/// A confidence with the digits that it has.
fn percent_of(confidence: f64) -> String {
    let points = (confidence * 1e4).round();
    let decimals = if points % 100.0 == 0.0 { 0 } else { 1 + usize::from(points % 10.0 != 0.0) };
    show::number(points / 100.0, decimals, Style::Page)
}

/// A fact of value at risk that rules read, over time, and what tests find of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LossRecord<'a> {
    /// In days.
    pub horizon_days: f64,
    /// What was told at the start of each horizon, what came, and parts.
    #[serde(flatten)]
    pub path: &'a LossPath,
    /// Against the positions held still, then as traded; empty where too little was told.
    pub tests: Vec<LossTest>,
}

/// What tests find of figures that were told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LossTest {
    /// Profits of what: `held still` or `as traded`.
    pub of: String,
    /// Horizons at whose start something was at risk.
    pub periods: u64,
    /// Those in which more was lost.
    pub breaches: u64,
    /// How many were promised.
    pub promised: f64,
    /// How many Kupiec's test accepts at 5 %, the fewest and the most.
    pub accepts: Option<(u64, u64)>,
    /// The probability of a number as odd, if the figures are right.
    pub kupiec: f64,
    /// That the test finds twice as many breaches.
    pub kupiec_power: f64,
    /// The probability of breaches that follow each other as they do, if the figures are right.
    pub christoffersen: Option<f64>,
    /// That the test finds one breach in four after another.
    pub christoffersen_power: Option<f64>,
    /// Basel's traffic light.
    pub zone: &'static str,
    /// That the light is not green with twice as many breaches.
    pub zone_power: f64,
    /// Acerbi and Székely's second statistic.
    pub acerbi_szekely: Option<f64>,
    /// What one right record in twenty is under.
    pub acerbi_szekely_critical: Option<f64>,
    /// That the test finds a volatility a quarter higher than was told.
    pub acerbi_szekely_power: Option<f64>,
    /// Tests that reject at 5 %.
    pub rejected: Vec<&'static str>,
}

/// Every fact of value at risk that the run's rules read, over time and tested.
#[must_use]
pub fn loss_records(run: &RunSummary) -> Vec<LossRecord<'_>> {
    let each = run.losses.iter().zip(tested_facts(run)).map(|(path, tested)| LossRecord {
        horizon_days: Duration::from_nanos(path.horizon).days(),
        path,
        tests: tested.iter().map(Tested::told).collect(),
    });
    each.collect()
}

fn colour(zone: Zone) -> &'static str {
    match zone {
        Zone::Green => "green",
        Zone::Yellow => "yellow",
        Zone::Red => "red",
    }
}

fn test(name: &'static str, made: &[f64], level: &RiskLevel, before: &[Tested]) -> Option<Tested> {
    let confidence = level.confidence;
    let figures = made.iter().zip(&level.value_at_risk).zip(&level.expected_shortfall);
    // Flat at its start: nothing was told.
    let figures = figures.filter(|((_, value_at_risk), _)| **value_at_risk > SLIP);
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
    fn told(&self) -> LossTest {
        let (clustering, shortfall) = (self.clustering.as_ref(), self.shortfall.as_ref());
        LossTest {
            of: self.name.to_owned(),
            periods: self.periods,
            breaches: self.breaches,
            promised: self.periods as f64 * (1.0 - self.confidence),
            accepts: self.accepted.as_ref().map(|accepted| (*accepted.start(), *accepted.end())),
            kupiec: self.coverage.kupiec().probability,
            kupiec_power: self.coverage.power(LEVEL, self.truth()),
            christoffersen: clustering.map(|(clustering, _)| clustering.independence.probability),
            christoffersen_power: clustering.map(|(_, power)| power.power),
            zone: colour(self.coverage.zone()),
            zone_power: self.coverage.zone_power(self.truth()),
            acerbi_szekely: shortfall.map(|(shortfall, _)| shortfall.second),
            acerbi_szekely_critical: shortfall.map(|(_, power)| power.critical),
            acerbi_szekely_power: shortfall.map(|(_, power)| power.power),
            rejected: self.rejected(),
        }
    }

    /// How often figures are breached that the tests are to find.
    fn truth(&self) -> f64 {
        (1.0 - self.confidence) * TWICE
    }

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
    if view.run.risk.is_none() && view.run.losses.is_empty() {
        return page;
    }
    page.raw("<section class=\"sec\" id=\"risk\" aria-labelledby=\"h-risk\"><h2 id=\"h-risk\">Value at risk<span>")
        .raw("Did losses stay within what was told before?</span></h2>");
    facts(&mut page, view);
    if let Some(record) = &view.run.risk {
        own(&mut page, view, record);
    }
    page.raw("</section>");
    page
}

/// What the report's own method would have told: of runs whose rules read no fact of value at risk, or were told none.
fn own(page: &mut Markup, view: &View<'_>, record: &RiskRecord) {
    page.element("h3", &[], "By a method of the report's own");
    if let Some(why) = &record.absent {
        page.element("p", &[("class", "note")], &format!("Value at risk is not told: {why}."));
        return;
    }
    let figure = Record {
        step: step_name(record).to_owned(),
        time: &record.time,
        made: &record.scaled.made,
        levels: &record.scaled.levels,
        breaches: said(view.tested.iter().filter(|tested| tested.name == "scaled")),
    };
    page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&breaches(view, &figure)).raw("</div></div>");
    table(page, &view.tested);
    if !record.shares.is_empty() {
        let named = |share: &RiskShare| {
            let symbol = view.instruments.get(share.instrument).map_or("", |known| known.symbol());
            (view.strategy(share.strategy).to_owned(), symbol.to_owned(), share.path.clone())
        };
        let parts: Vec<(String, String, Vec<f64>)> = record.shares.iter().map(named).collect();
        if let Some(figure) = parts_over_time(view, &record.time, &parts) {
            page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&figure).raw("</div></div>");
        }
        shares(page, view, record);
    }
    for line in sentences(view, record) {
        page.element("p", &[("class", "note")], &line);
    }
}

/// What rules that read value at risk were told, fact by fact.
fn facts(page: &mut Markup, view: &View<'_>) {
    for (path, tested) in view.run.losses.iter().zip(&view.tested_facts) {
        page.element("h3", &[], &format!("As rules were told it: {}", name_of(path)));
        if !path.time.is_empty() {
            let figure = Record {
                step: format!("horizon of {}", show::duration(Duration::from_nanos(path.horizon), Style::Page)),
                time: &path.time,
                made: &path.held,
                levels: &[level_of(path)],
                breaches: said(tested.iter().filter(|tested| tested.name == STILL)),
            };
            let figure = breaches(view, &figure);
            page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&figure).raw("</div></div>");
        }
        if !tested.is_empty() {
            table(page, tested);
        }
        let named = |part: &LossPart| {
            let known = view.instruments.iter().find(|known| known.traded.symbol == part.instrument);
            let instrument = known.map_or(part.instrument.as_str(), |known| known.symbol());
            (part.strategy.clone(), instrument.to_owned(), part.shortfall.clone())
        };
        let parts: Vec<(String, String, Vec<f64>)> = path.parts.iter().map(named).collect();
        if let Some(figure) = parts_over_time(view, &path.time, &parts) {
            page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&figure).raw("</div></div>");
        }
        page.element("p", &[("class", "note")], &told(path, tested));
    }
}

/// What came of a fact that rules read, in words.
fn told(path: &LossPath, tested: &[Tested]) -> String {
    let mut text = "The very figure that the policy reads, noted at the first input at or behind each step of its history: the whole \
                    account priced again in full. Held still: what the positions of then had made by the horizon, without funding \
                    and fees; as \
                    traded: what equity made, trades and costs within it included. Horizons follow one after the other."
        .to_owned();
    for tested in tested {
        let verdict = match tested.rejected().as_slice() {
            [] => "no test rejects the figure".to_owned(),
            rejected => format!("rejected by {}", rejected.join(", ")),
        };
        text += &format!(
            " {}, {} horizons with something at risk accept {} breaches, and there were {}: {verdict}. Figures breached twice as often as \
             promised would be found out in {} % of such records.",
            if tested.name == STILL { "Held still" } else { "As traded" },
            count(tested.periods),
            tested.accepts(),
            count(tested.breaches),
            chance(tested.coverage.power(LEVEL, tested.truth()))
        );
    }
    if tested.is_empty() {
        text +=
            &format!(" {} had something at risk: too few to test.", counted(path.time.len(), "horizon", "horizons"));
    }
    if path.unknown > 0 {
        text += &format!(" {} before it was known.", counted(path.unknown as usize, "horizon began", "horizons began"));
    }
    if path.holes > 0 {
        text +=
            &format!(" {} in a hole of the market.", counted(path.holes as usize, "horizon ended", "horizons ended"));
    }
    text
}

fn said<'t>(tested: impl Iterator<Item = &'t Tested>) -> Vec<String> {
    let each = tested.map(|tested| {
        format!("{} of {} at {} percent", count(tested.breaches), count(tested.periods), percent_of(tested.confidence))
    });
    each.collect()
}

/// Expected shortfall by strategy and instrument over time: the four largest, and what the others add up to.
fn parts_over_time(view: &View<'_>, time: &[i64], parts: &[(String, String, Vec<f64>)]) -> Option<Markup> {
    const LINES: [(&str, &str); 4] = [("r0", "lb t0"), ("r1", "lb t1"), ("r2", "lb t2"), ("r3", "lb t3")];
    let mut order: Vec<usize> = (0..parts.len()).filter(|part| parts[*part].2.len() == time.len()).collect();
    let size = |part: usize| parts[part].2.iter().map(|value| value.abs()).sum::<f64>();
    order.sort_by(|one, other| size(*other).total_cmp(&size(*one)));
    if order.is_empty() || time.len() < 2 {
        return None;
    }
    let mut lines: Vec<(String, Vec<f64>)> = Vec::new();
    let named = if order.len() > LINES.len() { LINES.len() - 1 } else { order.len() };
    for part in &order[..named] {
        let (strategy, instrument, path) = &parts[*part];
        let name = match strategy.as_str() {
            "" => "coins and profit".to_owned(),
            _ if view.run.strategies.len() > 1 => format!("{strategy}, {instrument}"),
            _ => instrument.clone(),
        };
        lines.push((name, path.iter().map(|value| value * 100.0).collect()));
    }
    if named < order.len() {
        let sum = |at: usize| order[named..].iter().map(|part| parts[*part].2[at] * 100.0).sum();
        lines.push((format!("{} more", order.len() - named), (0..time.len()).map(sum).collect()));
    }
    let header = &view.run.header;
    let (left, right, top, bottom) = (72.0, 1252.0, 34.0, 204.0);
    let (low, high) = extent(lines.iter().flat_map(|(_, line)| line).copied().chain([0.0])).unwrap_or_default();
    if low == high {
        return None;
    }
    let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
    let summary = format!("Parts in expected shortfall over time: {}.", names.join(", "));
    let mut svg = Svg::new(1340.0, 240.0, &summary, &[]);
    svg.title(left, 18.0, "Parts in expected shortfall, % of equity", "Whose risk was it when?");
    let x = Axis::linear((header.start as f64, header.end as f64), (left, right));
    let y = Axis::linear((low, high), (bottom - 3.0, top + 3.0));
    svg.columns(&x, (top, bottom), bottom + 20.0, &time_ticks(header.start, header.end, 12));
    svg.gaps(&x, (top, bottom), &view.run.gaps);
    let (ticks, decimals) = y.ticks(4);
    svg.rows(&y, (left, right), &labels(&ticks, decimals));
    svg.line("ze", (left, y.at(0.0)), (right, y.at(0.0)));
    let mut name_at = right;
    for ((name, line), (stroke, fill)) in lines.iter().zip(LINES).rev() {
        let values: Vec<Option<f64>> = line.iter().map(|value| Some(*value)).collect();
        svg.path(stroke, steps(&x, &y, time, &values, &view.run.gaps));
        svg.text(fill, name_at, 18.0, Anchor::End, name);
        name_at -= width_of(name) + 18.0;
    }
    Some(svg.finish())
}

/// Returns, and what was told before them.
struct Record<'a> {
    /// Of each step, or each horizon.
    step: String,
    time: &'a [i64],
    made: &'a [f64],
    levels: &'a [RiskLevel],
    /// How many breaches there were, in words.
    breaches: Vec<String>,
}

fn step_name(record: &RiskRecord) -> &'static str {
    match record.step {
        step if step == Duration::DAY.nanos() => "day",
        step if step == Duration::HOUR.nanos() => "hour",
        _ => "6 hours",
    }
}

/// Returns as dots, value at risk as lines under zero, breaches set off.
fn breaches(view: &View<'_>, record: &Record<'_>) -> Markup {
    let header = &view.run.header;
    let (left, right, top, bottom) = (72.0, 1252.0, 34.0, 254.0);
    let under = |level: &RiskLevel| level.value_at_risk.iter().map(|value| -value * 100.0).collect::<Vec<_>>();
    let lines: Vec<(f64, Vec<f64>)> = record.levels.iter().map(|level| (level.confidence, under(level))).collect();
    let returns: Vec<f64> = record.made.iter().map(|value| value * 100.0).collect();
    let all = returns.iter().chain(lines.iter().flat_map(|(_, line)| line)).copied();
    let (low, high) = extent(all.chain([0.0])).unwrap_or_default();
    let (step, told) = (&record.step, &record.breaches);
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
        let class = if at + 1 < lines.len() { "tg" } else { "sl" };
        let held: Vec<Option<f64>> = line.iter().map(|value| (*value < 0.0).then_some(*value)).collect();
        svg.path(class, steps(&x, &y, record.time, &held, &view.run.gaps));
    }
    for (at, time) in record.time.iter().enumerate() {
        let depth = lines.iter().filter(|(_, line)| line[at] < 0.0 && returns[at] < line[at]).count();
        if depth > 0 {
            svg.circle("wf-l", x.at(*time as f64), y.at(returns[at]), if depth == lines.len() { 3.4 } else { 2.0 });
        }
    }
    let said = match lines.as_slice() {
        [(only, _)] => format!("dots: returns; line: value at risk at {} %; vermilion: breached", percent_of(*only)),
        _ => {
            "dots: returns; dashed: value at risk at 95 %, line: at 99 %; vermilion: breached, large at 99 %".to_owned()
        }
    };
    svg.text("lb", right, 18.0, Anchor::End, &said);
    svg.finish()
}

/// A column a record, a row a figure of a test.
fn table(page: &mut Markup, all: &[Tested]) {
    page.raw("<div class=\"card scroll\"><h3>Tests, and what they would find<span>in %, where nothing else is said</span></h3>")
        .raw("<table class=\"lt\"><thead><tr><th scope=\"col\"></th>");
    for tested in all {
        let name = format!("{}, {} %", tested.name, percent_of(tested.confidence));
        page.element("th", &[("scope", "col"), ("class", "r")], &name);
    }
    page.raw("</tr></thead><tbody>");
    let mut row = |name: &str, value: &dyn Fn(&Tested) -> Option<String>| {
        page.raw("<tr>").element("th", &[("scope", "row")], name);
        for tested in all {
            let shown = value(tested).unwrap_or_else(|| show::MISSING.to_owned());
            page.element("td", &[("class", "r")], &shown);
        }
        page.raw("</tr>");
    };
    let percent = |value: f64| show::percent(value, 1, Style::Page);
    row("Steps that were told (number)", &|tested| Some(count(tested.periods)));
    row("Breaches (number)", &|tested| Some(count(tested.breaches)));
    row("Breaches promised (number)", &|tested| {
        Some(show::number(tested.periods as f64 * (1.0 - tested.confidence), 1, Style::Page))
    });
    row("Kupiec: as odd a number, if right", &|tested| Some(percent(tested.coverage.kupiec().probability)));
    row("accepts so many (number)", &|tested| Some(tested.accepts()));
    row("finds twice as many breaches", &|tested| Some(percent(tested.coverage.power(LEVEL, tested.truth()))));
    row("Christoffersen: as clustered, if right", &|tested| {
        Some(percent(tested.clustering.as_ref()?.0.independence.probability))
    });
    row("with their number", &|tested| Some(percent(tested.clustering.as_ref()?.0.conditional_coverage.probability)));
    row("breaches right after one (number)", &|tested| Some(count(tested.clustering.as_ref()?.0.repeated)));
    row("finds one in four after a breach", &|tested| Some(percent(tested.clustering.as_ref()?.1.power)));
    row("Basel's traffic light (colour)", &|tested| Some(colour(tested.coverage.zone()).to_owned()));
    row("not green with twice as many", &|tested| Some(percent(tested.coverage.zone_power(tested.truth()))));
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
        let power = tested.coverage.power(LEVEL, tested.truth());
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
            percent_of(tested.confidence),
            tested.accepts(),
            count(tested.breaches),
            chance(power)
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
                   step's start, smiles moving along; all tenors move alike. That is an approximation, least good for far moves and \
                   short expiries, where losses lie: a policy that reads `var` or `es` is told, and tested on, a full \
                   revaluation. Of the twin no \
                   Greeks are kept.";
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

/// A probability in percent, without decimals unless it is near one or none: what may fail is never told as certain.
fn chance(share: f64) -> String {
    let decimals = if (0.005..=0.995).contains(&share) { 0 } else { 1 };
    show::percent(share.min(0.999), decimals, Style::Page)
}
