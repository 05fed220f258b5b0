#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
//! The page of an invented run: structure, honesty about what is missing, escaping, sizes, golden figures.
//!
//! `UPDATE_GOLDEN=1 cargo test -p trimtab-backtest --test report` writes `tests/golden` anew; look at the difference
//! before it is committed. `REPORT_OUT=folder` keeps the pages to look at.

mod synthetic;

use backtest::report::{Bars, Campaign, Fill, Plan, Purpose, RunSummary, Twin, html};
use std::path::PathBuf;

/// 5-minute bars for 31 days and some.
fn month() -> RunSummary {
    synthetic::run(11_000, 5, 4)
}

/// A month that acts on every fifth bar and opens a campaign an hour.
fn busy() -> RunSummary {
    let mut run = month();
    let (fill, plan) = (run.fills[0].clone(), run.plans[0].clone());
    let campaign = run.campaigns[0].clone();
    for at in (0..run.bars.time.len()).step_by(5) {
        let number = run.plans.len() as u64 + 1;
        let (time, price) = (run.bars.time[at], run.bars.close[at]);
        let purpose = [Purpose::Resize, Purpose::Add(2), Purpose::Stop, Purpose::Entry][at % 4];
        run.fills.push(Fill { time, price, plan: number, purpose, ..fill.clone() });
        run.plans.push(Plan { plan: number, time, price, ..plan.clone() });
        run.campaigns.push(Campaign { campaign: number, opened: time, ..campaign.clone() });
    }
    run.fills.sort_by_key(|fill| fill.time);
    run
}

fn keep(name: &str, page: &str) {
    if let Some(folder) = std::env::var_os("REPORT_OUT") {
        std::fs::write(PathBuf::from(folder).join(name), page).unwrap();
    }
}

fn empty() -> RunSummary {
    let mut run = synthetic::run(3, 5, 1);
    (run.bars, run.twin) = (Bars::default(), Twin::default());
    run.header.end = run.header.start;
    run
}

/// Starts of the tags of one kind with what follows them.
fn tags<'a>(page: &'a str, tag: &str) -> Vec<&'a str> {
    let open = format!("<{tag}");
    let tag_ends = |rest: &&str| rest.starts_with([' ', '>', '/']);
    page.split(open.as_str()).skip(1).filter(tag_ends).collect()
}

#[test]
fn a_page_has_every_section_in_order_and_headings_without_a_jump() {
    let page = html(&month());
    keep("month.html", &page);
    let sections =
        ["overview", "price", "campaigns", "exposure", "drawdown", "costs", "months", "limits", "integrity", "method"];
    let at: Vec<usize> = sections.iter().map(|id| page.find(&format!("id=\"{id}\"")).unwrap()).collect();
    assert!(at.is_sorted());
    for id in sections {
        assert!(page.contains(&format!("href=\"#{id}\"")), "the navigation knows {id}");
    }
    let mut before = 0;
    for (at, _) in page.match_indices("<h") {
        let Some(level) = page[at + 2..].chars().next().and_then(|char| char.to_digit(10)) else { continue };
        assert!(level <= before + 1, "h{level} after h{before}: {}", &page[at..at + 60]);
        before = level;
    }
    assert_eq!(tags(&page, "h1").len(), 1);
    for tag in ["section", "div", "svg", "table", "details", "article", "a", "g", "ul"] {
        assert_eq!(tags(&page, tag).len(), page.matches(&format!("</{tag}>")).count(), "<{tag}> closes");
    }
}

#[test]
fn a_page_needs_nothing_else_and_says_so_to_the_browser() {
    let page = html(&month());
    assert!(page.contains(
        "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\""
    ));
    for outside in ["http://", "https://", "src=", "@import", "<link", "url(\"", "url(//"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for handler in [" onclick=", " onload=", "javascript:"] {
        assert!(!page.contains(handler), "{handler}");
    }
}

#[test]
fn no_number_escapes_the_formatter() {
    for run in [month(), synthetic::run(1_095, 1_440, 3), synthetic::run(300, 5, 2), empty()] {
        let page = html(&run);
        for wrong in ["NaN", "inf<", "−0<", ">-0", "None", "Some("] {
            assert!(!page.contains(wrong), "{wrong}");
        }
    }
}

#[test]
fn plots_speak_and_links_lead_somewhere() {
    let page = html(&month());
    for svg in tags(&page, "svg") {
        let head = svg.split('>').next().unwrap();
        let spoken = ["img", "group"].iter().any(|role| head.contains(&format!("role=\"{role}\"")))
            && head.contains("aria-label=\"");
        assert!(spoken || head.contains("aria-hidden=\"true\""), "{head}");
    }
    let mut links = 0;
    for anchor in tags(&page, "a") {
        let target = anchor.split("href=\"#").nth(1).and_then(|rest| rest.split('"').next());
        if let Some(target) = target.filter(|_| anchor.starts_with(" href=\"#")) {
            assert!(page.contains(&format!("id=\"{target}\"")), "#{target} leads nowhere");
            links += 1;
        }
    }
    assert!(links > 40, "{links}");
    let ids: Vec<&str> =
        page.match_indices(" id=\"").map(|(at, _)| page[at + 5..].split('"').next().unwrap()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "every id once");
}

#[test]
fn sizes_stay_under_their_budgets() {
    let page = html(&month());
    assert!(page.len() <= 400_000, "one month: {} bytes", page.len());
    let long = html(&synthetic::run(150_000, 15, 9));
    keep("years.html", &long);
    assert!(long.len() <= 3_000_000, "four years: {} bytes", long.len());
    let busy = html(&busy());
    keep("busy.html", &busy);
    assert!(busy.len() <= 400_000, "one busy month: {} bytes", busy.len());
    assert!(busy.contains("further plans are not on this page") && busy.contains("marks are drawn"));
    assert!(busy.matches("class=\"pl\"").count() > 20, "room is left for plans");
    let script = page.rsplit("<script>").next().and_then(|rest| rest.split("</script>").next()).unwrap();
    assert!(script.len() <= 8_000, "{} bytes of script", script.len());
}

#[test]
fn foreign_text_stays_text() {
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&";
    let mut run = month();
    run.header.policy = evil.into();
    run.header.instrument = evil.into();
    run.header.run = evil.into();
    run.method.policy = evil.into();
    run.method.twin = evil.into();
    run.method.tapes = vec![(evil.into(), evil.into())];
    run.bars.caps = vec![evil.into(), evil.into()];
    run.integrity.refused = vec![(evil.into(), 1)];
    run.integrity.notes = vec![evil.into()];
    run.fills.iter_mut().for_each(|fill| fill.because = evil.into());
    run.refusals.iter_mut().for_each(|refusal| refusal.because = evil.into());
    run.plans.iter_mut().flat_map(|plan| &mut plan.steps).for_each(|step| step.rule = evil.into());
    run.campaigns.iter_mut().for_each(|campaign| campaign.ended_by = evil.into());
    let page = html(&run);
    assert_eq!(tags(&page, "script").len(), 2, "the data and the page's own");
    assert_eq!(tags(&page, "img").len(), 0);
    assert!(page.contains("&lt;script&gt;alert(1)"));
    let json = page.split("id=\"run\">").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap();
    let read: RunSummary = serde_json::from_str(json).unwrap();
    assert_eq!(read.header.policy, evil, "the embedded summary still says what was written");
    assert!(read.bars.time.is_empty() && read.plans.is_empty(), "reduced");
}

#[test]
fn a_summary_survives_its_json() {
    let run = synthetic::run(600, 5, 4);
    let again: RunSummary = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
    assert_eq!(again.version, 1);
    assert_eq!(again.fills.len(), run.fills.len());
    assert_eq!(html(&again).len(), html(&run).len());
}

#[test]
fn what_does_not_exist_is_left_out_or_named() {
    let page = html(&empty());
    assert!(page.contains("The run has no bars."));
    assert!(!page.contains("id=\"f\""), "an empty plot is left out");
    let short = html(&synthetic::run(300, 5, 2));
    keep("day.html", &short);
    assert!(short.contains("title=\"needs 64 days\"") && short.contains("n=2 days"));
    assert!(!short.contains("CAGR") && !short.contains("Realised volatility"));
    let month = html(&month());
    assert!(month.contains("7 days of hourly returns"));
    assert!(month.contains("Each technique switched off") && month.contains("without pyramid"));
    let years = html(&synthetic::run(1_095, 1_440, 3));
    keep("daily.html", &years);
    assert!(years.contains("CAGR") && years.contains("Realised volatility, 63 days"));
}

#[test]
fn golden_figures() {
    let page = html(&synthetic::run(900, 60, 11));
    let is_figure = |svg: &&str| svg.starts_with(" viewBox=") && svg.split('>').next().unwrap().contains(" role=");
    let figures: Vec<&str> = tags(&page, "svg").into_iter().filter(is_figure).collect();
    // Of the price plots of campaigns the first stands for all.
    let (plots, mut figures): (Vec<&str>, Vec<&str>) = figures.into_iter().partition(|svg| svg.contains("id=\"clip-c"));
    figures.insert(5, plots[0]);
    let names = [
        "overview",
        "dots",
        "price",
        "move",
        "campaigns",
        "campaign",
        "held",
        "forecast",
        "distribution",
        "drawdowns",
        "tail",
        "costs",
        "limits",
    ];
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for (name, figure) in names.iter().zip(&figures) {
        let svg = format!("<svg{}</svg>\n", figure.split("</svg>").next().unwrap()).replace("><", ">\n<");
        let path = folder.join(format!("{name}.svg"));
        if update {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &svg).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(svg == golden, "{name} differs from {}; UPDATE_GOLDEN=1 writes it anew", path.display());
    }
    assert_eq!(figures.len(), names.len());
}
