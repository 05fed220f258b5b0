//! Two to four runs side by side: growth overlaid, metrics, what their policies say differently, and whether they can be
//! compared at all.

use super::markup::Markup;
use super::overview::labels;
use super::page::CSS;
use super::scale::{Axis, extent, time_ticks};
use super::scorecard::groups;
use super::summary::RunSummary;
use super::svg::{Anchor, Svg, thin_line};
use super::view::View;
use crate::run::Run;
use std::collections::BTreeSet;
use units::Timestamp;
use units::show::{self, Style};

/// Runs that one comparison takes.
pub const RUNS: std::ops::RangeInclusive<usize> = 2..=4;
const LINES: [(&str, &str); 4] = [("r0", "lb t0"), ("r1", "lb t1"), ("r2", "lb t2"), ("r3", "lb t3")];

/// A key of the policy language and what each run has for it; none: its policy does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `size.target`.
    pub key: String,
    /// In the order of runs.
    pub values: Vec<Option<String>>,
}

/// Keys on which the policies differ, in the order of the language. Defaults that a text leaves out count.
#[must_use]
pub fn differences(runs: &[Run]) -> Vec<Difference> {
    // Of a run's policies the first is compared with the first, the second with the second.
    let keys_of = |run: &Run| -> Vec<(String, String)> {
        let mut keys = Vec::new();
        for (at, strategy) in run.strategies.iter().enumerate() {
            let name = |key: String| if at == 0 { key } else { format!("policy {}: {key}", at + 1) };
            let own = flat(&policy::to_toml(&strategy.policy));
            keys.extend(own.into_iter().map(|(key, value)| (name(key), value)));
        }
        keys
    };
    let all: Vec<Vec<(String, String)>> = runs.iter().map(keys_of).collect();
    let mut seen = BTreeSet::new();
    let keys = all.iter().flatten().map(|(key, _)| key).filter(|key| seen.insert(key.as_str()));
    let keys: Vec<&String> = keys.collect();
    let differing = keys.into_iter().map(|key| {
        let value =
            |list: &Vec<(String, String)>| list.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        Difference { key: key.clone(), values: all.iter().map(value).collect() }
    });
    differing.filter(|found| found.values.windows(2).any(|pair| pair[0] != pair[1])).collect()
}

/// Canonical text as keys with their sections and values; a list over several lines is one value.
fn flat(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let (mut section, mut open) = (String::new(), false);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if open {
            if let Some((_, value)) = found.last_mut() {
                value.push(' ');
                value.push_str(line);
            }
            open = !line.starts_with(']');
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((key, value)) = line.split_once(" = ") {
            found.push((format!("{section}{key}"), value.to_owned()));
            open = value == "[";
        }
    }
    found
}

/// Why the runs cannot be compared as they are, one sentence each.
#[must_use]
pub fn warnings(runs: &[Run]) -> Vec<String> {
    let mut found = Vec::new();
    let differ = |read: &dyn Fn(&Run) -> String| {
        let values: Vec<String> = runs.iter().map(read).collect();
        values.windows(2).any(|pair| pair[0] != pair[1]).then_some(values)
    };
    if differ(&|run| run.record.instruments.iter().map(|known| known.symbol.as_str()).collect::<Vec<_>>().join(", "))
        .is_some()
    {
        found.push("the runs trade different instruments: their markets differ, not only their policies".to_owned());
    }
    if let Some(spans) = differ(&|run| format!("{} to {}", day(&run.record.first), day(&run.record.last))) {
        found.push(format!("the runs span different times ({}): no figure compares", spans.join("; ")));
    }
    let tapes = |run: &Run| {
        let mut hashes: Vec<String> = run.record.tapes.iter().map(|tape| tape.hash.clone()).collect();
        hashes.sort();
        hashes.join(" ")
    };
    if differ(&tapes).is_some() {
        found.push("the runs stand on different tapes: prices, funding or series may differ".to_owned());
    }
    if differ(&|run| run.record.program.clone()).is_some() {
        found.push("the runs were made by different versions of trimtab".to_owned());
    }
    let chains: Vec<&str> = runs.iter().map(|run| run.record.chain.as_str()).collect();
    if chains.iter().enumerate().any(|(at, chain)| chains[..at].contains(chain)) {
        found.push("two of the runs are the same run".to_owned());
    }
    found
}

fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

/// Letters name runs: `A`, `B`.
#[must_use]
pub fn letter(at: usize) -> char {
    char::from(b'A' + at as u8 % 26)
}

/// Growth of 1 of each run over one time axis, as a picture that stands alone.
#[must_use]
pub fn growth_svg(runs: &[RunSummary]) -> String {
    growth(runs, true).into_string() + "\n"
}

/// The same picture as a page: no script, nothing else on it.
#[must_use]
pub fn growth_html(runs: &[RunSummary]) -> String {
    let mut page = Markup::new();
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
        .raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
        .raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">")
        .raw("<title>Trimtab comparison</title></head><body>")
        .piece(&growth(runs, true))
        .raw("</body></html>\n");
    page.into_string()
}

fn growth(runs: &[RunSummary], alone: bool) -> Markup {
    let (width, left, right, top, bottom) = (1000.0, 58.0, 850.0, 34.0, 330.0);
    let all: Vec<_> = runs.iter().map(RunSummary::columns).collect();
    let path = |times: &[Timestamp], equity: &[f64]| -> (Vec<i64>, Vec<f64>) {
        let start = equity.first().copied().unwrap_or(1.0);
        (times.iter().map(|time| time.nanos()).collect(), equity.iter().map(|value| value / start).collect())
    };
    let scaled: Vec<_> = all.iter().map(|run| path(&run.times, &run.equity)).collect();
    let twins: Vec<_> = all.iter().map(|run| path(&run.times, &run.twin_equity)).collect();
    let values = scaled.iter().chain(&twins).flat_map(|(_, growth)| growth.iter().copied());
    let (low, high) = extent(values).unwrap_or((0.9, 1.1));
    let start = runs.iter().map(|run| run.header.start).min().unwrap_or(0);
    let end = runs.iter().map(|run| run.header.end).max().unwrap_or(1);
    let last = |growth: &[f64]| growth.last().copied().unwrap_or(1.0);
    let told: Vec<String> = scaled
        .iter()
        .zip(&twins)
        .enumerate()
        .map(|(at, (ours, twin))| {
            let [ours, twin] = [&ours.1, &twin.1].map(|growth| show::ratio(last(growth), Style::Page));
            format!("{} ends at {ours}, its twin at {twin}", letter(at))
        })
        .collect();
    let summary = format!("Growth of 1 on a logarithmic scale: {}.", told.join("; "));
    let height = bottom + 36.0;
    let mut svg = if alone { Svg::standalone(width, height, &summary) } else { Svg::new(width, height, &summary, &[]) };
    svg.title(left, 18.0, "Growth of 1, log scale", "Which policy, on the same market?");
    let x = Axis::linear((start as f64, end as f64), (left, right));
    let y = Axis::log((low.max(high / 1e4), high), (bottom - 6.0, top + 8.0));
    svg.columns(&x, (top, bottom), bottom + 20.0, &time_ticks(start, end, 8));
    let (ticks, decimals) = y.ticks(6);
    svg.rows(&y, (left, right), &labels(&ticks, decimals));
    for (at, (times, growth)) in twins.iter().enumerate() {
        // Policies that differ in scaling alone share their twin.
        if twins[..at].iter().all(|(_, other)| other != growth) {
            svg.path("tw", thin_line((&x, &y), times, growth, &runs[at].gaps, 2.0));
        }
    }
    for (at, (times, growth)) in scaled.iter().enumerate().rev() {
        svg.path(LINES[at % 4].0, thin_line((&x, &y), times, growth, &runs[at].gaps, 1.0));
    }
    // Labels at the lines' ends, pushed apart from the top down.
    let mut ends: Vec<(f64, usize)> = scaled.iter().enumerate().map(|(at, (_, g))| (y.at(last(g)), at)).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = f64::MIN;
    for (height, at) in ends {
        let place = height.max(free);
        free = place + 15.0;
        let text = format!("{} {}", letter(at), show::ratio(last(&scaled[at].1), Style::Page));
        svg.text(LINES[at % 4].1, right + 7.0, place + 4.0, Anchor::Start, &text);
    }
    svg.text("lb", right, 18.0, Anchor::End, "grey: twins");
    svg.finish()
}

/// One HTML file that needs nothing else. `names` say where each run lies.
#[must_use]
pub fn comparison(runs: &[Run], names: &[String]) -> String {
    let summaries: Vec<RunSummary> = runs.iter().map(Run::summary).collect();
    let mut page = Markup::new();
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
        .raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
        .raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; ")
        .raw("script-src 'unsafe-inline'; img-src data:\"><title>Trimtab comparison</title><style>")
        .raw(CSS)
        .raw(".sc small{display:block;color:var(--mute);font-weight:400}.sc td{vertical-align:top}")
        .raw("</style></head><body><div class=\"wrap\"><main>");
    page.element("h1", &[], &format!("{} runs side by side", runs.len()));
    page.raw("<p class=\"same\">Scaled run above, its twin below it in grey, in every cell.</p>");
    for warning in warnings(runs) {
        page.raw("<p class=\"note\"><b>Beware: </b>").text(&warning).raw(".</p>");
    }
    page.raw("<section class=\"card fig\" aria-label=\"Growth\"><div class=\"plot\">")
        .piece(&growth(&summaries, false));
    page.raw("</div></section><section class=\"sec\"><h2>Measures</h2>");
    measures(&mut page, runs, &summaries, names);
    page.raw("</section><section class=\"sec\"><h2>Policies<span>only what differs, defaults included</span></h2>");
    policies(&mut page, &differences(runs));
    page.raw("</section></main></div></body></html>\n");
    page.into_string()
}

fn measures(page: &mut Markup, runs: &[Run], summaries: &[RunSummary], names: &[String]) {
    let views: Vec<View<'_>> = summaries.iter().map(View::new).collect();
    let is_short = views.iter().any(View::is_short);
    page.raw("<div class=\"card scroll\"><table class=\"sc\"><thead><tr><th><span class=\"sr\">Measure</span></th>");
    for (at, name) in names.iter().enumerate() {
        page.element("th", &[("scope", "col")], &format!("{} {name}", letter(at)));
    }
    page.raw("</tr></thead>");
    let columns = (runs.len() + 1).to_string();
    for (group, rows) in groups(is_short) {
        page.raw("<tbody><tr class=\"g\">");
        page.element("th", &[("colspan", &columns), ("scope", "rowgroup")], group).raw("</tr>");
        for row in rows {
            page.raw("<tr><th scope=\"row\">").text(row.label);
            if !row.unit.is_empty() {
                page.element("i", &[], row.unit);
            }
            page.raw("</th>");
            for view in &views {
                let shown = |figure: crate::metrics::Figure| {
                    let number = |value: f64| show::number(value * row.times, row.decimals, Style::Page);
                    figure.map_or_else(|_| show::MISSING.to_owned(), number)
                };
                page.raw("<td>").element("b", &[], &shown((row.read)(&view.scaled)));
                page.element("small", &[], &shown((row.read)(&view.twin))).raw("</td>");
            }
            page.raw("</tr>");
        }
        page.raw("</tbody>");
    }
    page.raw("<tbody>");
    let mut line = |label: &str, read: &dyn Fn(&Run) -> String| {
        page.raw("<tr>").element("th", &[("scope", "row")], label);
        for run in runs {
            page.element("td", &[], &read(run));
        }
        page.raw("</tr>");
    };
    line("From", &|run| day(&run.record.first).to_owned());
    line("To", &|run| day(&run.record.last).to_owned());
    line("Fills", &|run| show::count(run.tables.fills.len() as u64, Style::Page));
    line("Campaigns", &|run| show::count(run.tables.campaigns.len() as u64, Style::Page));
    page.raw("</tbody></table></div>");
}

fn policies(page: &mut Markup, differences: &[Difference]) {
    if differences.is_empty() {
        page.raw("<p class=\"note\">The policies say the same.</p>");
        return;
    }
    let count = differences[0].values.len();
    page.raw("<div class=\"card scroll\"><table class=\"lt\"><thead><tr><th scope=\"col\">Key</th>");
    for at in 0..count {
        page.element("th", &[("scope", "col")], &letter(at).to_string());
    }
    page.raw("</tr></thead><tbody>");
    for difference in differences {
        page.raw("<tr><th scope=\"row\">").element("code", &[], &difference.key).raw("</th>");
        for value in &difference.values {
            page.raw("<td>").element("code", &[], value.as_deref().unwrap_or(show::MISSING)).raw("</td>");
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_text_is_told_key_by_key() {
        let text = "policy = 1\n\n[caps]\nleverage = 2\ndrawdown = [\n    { at = \"10%\" },\n]\nx = 1\n";
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            flat(text),
            [
                pair("policy", "1"),
                pair("caps.leverage", "2"),
                pair("caps.drawdown", "[ { at = \"10%\" }, ]"),
                pair("caps.x", "1")
            ]
        );
    }
}
