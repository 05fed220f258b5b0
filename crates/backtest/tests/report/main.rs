#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
//! The page of an invented run: structure, honesty about what is missing, escaping, sizes, golden figures.
//!
//! `UPDATE_GOLDEN=1 cargo test -p trimtab-backtest --test report` writes `tests/golden` anew; look at the difference
//! before it is committed. `REPORT_OUT=folder` keeps the pages to look at.

mod options;
mod synthetic;

use backtest::report::{
    AccountPath, Bars, Campaign, Fill, Plan, Purpose, RiskLevel, RiskPath, RiskRecord, RiskShare, RunSummary, Traded,
    Twin, html,
};
use std::path::PathBuf;

/// 5-minute bars for 31 days and some.
fn month() -> RunSummary {
    synthetic::run(11_000, 5, 4)
}

/// A month that acts on every fifth bar and opens a campaign an hour.
fn busy() -> RunSummary {
    let mut run = month();
    let (fill, plan) = (run.instruments[0].fills[0].clone(), run.plans[0].clone());
    let campaign = run.campaigns[0].clone();
    for at in (0..run.bars.time.len()).step_by(5) {
        let number = run.plans.len() as u64 + 1;
        let (time, price) = (run.bars.time[at], run.instruments[0].close[at]);
        let purpose = [Purpose::Resize, Purpose::Add(2), Purpose::Stop, Purpose::Entry][at % 4];
        run.instruments[0].fills.push(Fill { time, price, plan: number, purpose, ..fill.clone() });
        run.plans.push(Plan { plan: number, time, price, ..plan.clone() });
        run.campaigns.push(Campaign { campaign: number, opened: time, ..campaign.clone() });
    }
    run.instruments[0].fills.sort_by_key(|fill| fill.time);
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
    run.executions.clear();
    let only = &run.instruments[0];
    run.instruments[0] = Traded { symbol: only.symbol.clone(), tick: only.tick, lot: only.lot, ..Traded::default() };
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
    run.strategies = vec![evil.into()];
    run.instruments[0].symbol = evil.into();
    run.instruments[0].unit = evil.into();
    run.instruments[0].quote = evil.into();
    let second = run.instruments[0].clone();
    run.instruments.push(second);
    run.accounts = vec![AccountPath {
        venue: evil.into(),
        currency: evil.into(),
        time: vec![run.header.start, run.header.end],
        equity: vec![1.0, 2.0],
        twin_equity: vec![1.0, 2.0],
        drawdown: 0.0,
    }];
    run.header.run = evil.into();
    run.method.policy = evil.into();
    run.method.twin = evil.into();
    run.method.tapes = vec![(evil.into(), evil.into())];
    run.bars.caps = vec![evil.into(), evil.into()];
    run.integrity.refused = vec![(evil.into(), 1)];
    run.integrity.notes = vec![evil.into()];
    let traded = &mut run.instruments[0];
    traded.fills.iter_mut().for_each(|fill| fill.because = evil.into());
    traded.refusals.iter_mut().for_each(|refusal| refusal.because = evil.into());
    run.plans.iter_mut().flat_map(|plan| &mut plan.steps).for_each(|step| step.rule = evil.into());
    run.campaigns.iter_mut().for_each(|campaign| campaign.ended_by = evil.into());
    let page = html(&run);
    assert_eq!(tags(&page, "script").len(), 2, "the data and the page's own");
    assert_eq!(tags(&page, "img").len(), 0);
    assert!(page.contains("&lt;script&gt;alert(1)"));
    let json = page.split("id=\"run\">").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap();
    let read: RunSummary = serde_json::from_str(json).unwrap();
    assert_eq!(read.strategies, [evil], "the embedded summary still says what was written");
    assert!(read.bars.time.is_empty() && read.plans.is_empty(), "reduced");
}

#[test]
fn a_summary_survives_its_json() {
    let run = synthetic::run(600, 5, 4);
    let again: RunSummary = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
    assert_eq!(again.version, 2);
    assert_eq!(again.instruments, run.instruments);
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
        "hours",
        "sizes",
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

/// The text between a heading row and the end of its body, tags left out.
fn cells(page: &str, after: &str) -> Vec<String> {
    let row = page.split(after).nth(1).and_then(|rest| rest.split("</tr>").next()).unwrap();
    row.split("<td").skip(1).map(|cell| cell.split_once('>').unwrap().1.split('<').next().unwrap().to_owned()).collect()
}

#[test]
fn a_book_of_several_shows_each_instrument_once_and_adds_up() {
    let run = synthetic::book(3, 3_000, 60);
    let page = html(&run);
    keep("book.html", &page);
    for symbol in ["BTCUSDT-PERP", "COIN1USDT-PERP", "COIN2USDT-PERP"] {
        assert!(page.contains(&format!("Price of {symbol}, USDT")), "{symbol} has its figure");
        assert!(page.contains(&format!(">{symbol}</label>")), "{symbol} can be chosen");
    }
    assert_eq!(page.matches("type=\"radio\"").count(), 3);
    assert_eq!(page.matches("checked=\"\"").count(), 1, "the main one shows first");
    assert!(page.contains("#price:has(#i2:checked) #s2{display:block}"));
    assert!(page.contains("Exposure by instrument, × equity") && page.contains("dashed: gross"));
    assert!(page.contains("btc-trend + turtle"), "both policies are named");
    // The three instruments' profits are attributed, and what is left is nothing.
    let number = |text: &str| text.replace(',', "").replace('\u{2212}', "-").parse::<f64>().unwrap();
    let profits: f64 = ["BTCUSDT-PERP", "COIN1USDT-PERP", "COIN2USDT-PERP"]
        .iter()
        .map(|symbol| number(&cells(&page, &format!("<th scope=\"row\">{symbol}</th>"))[0]))
        .sum();
    let attributed = number(&cells(&page, "<th scope=\"row\">Attributed</th>")[0]);
    assert!((profits - attributed).abs() <= 2.0, "{profits} and {attributed}: rounding to whole units alone");
    assert_eq!(cells(&page, "<th scope=\"row\">Not attributed</th>")[0], "0");
    let account = number(&cells(&page, "<th scope=\"row\">The accounts&#39; profit</th>")[0]);
    assert!((account - run.costs.scaled.net).abs() < 1.0);
}

#[test]
fn a_hundred_instruments_stay_within_the_budget() {
    let run = synthetic::book(100, 2_000, 240);
    let started = std::time::Instant::now();
    let page = html(&run);
    eprintln!("100 instruments: {} bytes in {:?}", page.len(), started.elapsed());
    keep("hundred.html", &page);
    assert!(page.len() <= 3_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("type=\"radio\"").count(), 100, "all can be looked at");
    assert!(page.contains("BTCUSDT-PERP, COIN1USDT-PERP, COIN2USDT-PERP and 97 more"));
    assert!(page.contains("96 more"), "the stack names four and the rest together");
}

#[test]
fn money_paid_in_is_no_profit_on_the_page() {
    let mut run = synthetic::run(3_000, 60, 4);
    let before = run.columns();
    // Half a million comes in after a third, and works with the rest: equity and profits grow by the same factor.
    let at = run.bars.time.len() / 3;
    let factor = 1.0 + 5e5 / run.bars.equity[at - 1];
    for equity in &mut run.bars.equity[at..] {
        *equity *= factor;
    }
    run.bars.paid_in[at..].fill(1.5e6);
    let after = run.columns();
    for (found, expected) in after.equity.iter().zip(&before.equity) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{found}, not {expected}");
    }
    assert_eq!(after.scaled.drawdown.unwrap().trough, before.scaled.drawdown.unwrap().trough);
    assert!((after.scaled.total_return.unwrap() - before.scaled.total_return.unwrap()).abs() < 1e-9);
    assert!(html(&run).contains("% of the most that was paid in"));
}

/// Forecasts of 108 days with two breaches at 99 %: accepted, and the page says how little that proves. A run that is too short gets the
/// reason.
#[test]
fn tests_of_value_at_risk_come_with_their_power() {
    let mut run = month();
    let days = 108_usize;
    let span = (run.header.end - run.header.start) / days as i64;
    let level = |confidence, value: f64| RiskLevel {
        confidence,
        value_at_risk: vec![value; days],
        expected_shortfall: vec![value * 1.2; days],
    };
    let mut made = vec![0.001; days];
    for at in [20, 50, 51, 90] {
        made[at] = -0.025;
    }
    made[20] = -0.04;
    made[90] = -0.05;
    let path = RiskPath { still: made.clone(), made, levels: vec![level(0.95, 0.02), level(0.99, 0.03)] };
    run.risk = Some(RiskRecord {
        step: 86_400_000_000_000,
        time: (0..days as i64).map(|at| run.header.start + at * span).collect(),
        twin: path.clone(),
        scaled: path,
        shares: vec![RiskShare { strategy: 0, instrument: 0, shortfall: 0.024, path: vec![0.024; days] }],
        ..RiskRecord::default()
    });
    let page = html(&run);
    keep("risk.html", &page);
    assert!(page.contains("108 forecasts at 99 % accept 0 to 3 breaches; there were 2: no test rejects them"));
    assert!(page.contains("108 forecasts at 95 % accept 2 to 10 breaches; there were 4"));
    assert!(page.contains("href=\"#risk\"") && page.contains("finds twice as many breaches"));
    let figure = page.split("id=\"risk\"").nth(1).unwrap();
    assert_eq!(figure.split("</svg>").next().unwrap().matches("<circle").count(), 4, "a mark a breach");
    assert!(page.len() < 400_000, "{}", page.len());

    run.risk = Some(RiskRecord { absent: Some("the run is short".to_owned()), ..RiskRecord::default() });
    assert!(html(&run).contains("Value at risk is not told: the run is short."));
}
