//! The sections on Greeks and surfaces, of an invented run that holds options.

use super::{keep, month, tags};
use backtest::report::{GreekCell, GreekPart, GreekPath, RunSummary, SmileCurve, SurfacePath, html};
use backtest::surface::QuoteView;

const HOUR: i64 = 3_600_000_000_000;

/// Hourly Greeks with a stretch in which nothing was held; `strikes` of three expiries at the end.
fn greeks(run: &RunSummary, coin: &str, strikes: u64) -> GreekPath {
    let end = run.header.end;
    let time: Vec<i64> = (run.header.start..=end).step_by(HOUR as usize).collect();
    let held: Vec<i64> = time.iter().copied().filter(|time| (time - run.header.start) / HOUR % 300 < 250).collect();
    let wave = |most: f64, period: f64| -> Vec<f64> {
        held.iter().map(|time| most * ((time - run.header.start) as f64 / HOUR as f64 / period).sin()).collect()
    };
    let cell = |at: u64| GreekCell {
        time: end,
        expiry: end + (1 + at as i64 % 3) * 24 * 7 * HOUR,
        strike: 60_000.0 + 1_000.0 * (at / 3) as f64,
        options: 1,
        delta: 0.1,
        skew_delta: -0.01,
        theta: 0.5,
        vega: if at.is_multiple_of(2) { -2.5 } else { 1.25 },
        ..GreekCell::default()
    };
    let part = |name: &str, is_strategy, share: f64| {
        let sums = GreekCell {
            options: 1,
            delta: 0.6 * share,
            hedge: -0.5 * share,
            vega: -7.5 * share,
            ..GreekCell::default()
        };
        GreekPart { name: name.to_owned(), is_strategy, sums }
    };
    GreekPath {
        underlying: coin.to_owned(),
        price: held.iter().map(|_| 96_000.0).collect(),
        options: held.iter().map(|_| strikes * 3).collect(),
        delta: wave(1.5, 20.0),
        skew_delta: wave(0.1, 31.0),
        premium: wave(0.2, 50.0),
        hedge: wave(-1.0, 20.0),
        cash_gamma: wave(-12_000.0, 44.0),
        vega: wave(800.0, 60.0),
        theta: wave(-300.0, 70.0),
        unpriced: 3,
        cells: (0..strikes * 3).map(cell).collect(),
        parts: vec![part("deribit", false, 1.0), part("calls & puts", true, 0.25), part("strangle", true, 0.75)],
        time: held,
    }
}

fn surface(run: &RunSummary, coin: &str) -> SurfacePath {
    let time: Vec<i64> = (run.header.start..run.header.end).step_by(6 * HOUR as usize).collect();
    let vol = |level: f64| -> Vec<Option<f64>> {
        let one = |at: usize| (at % 17 != 5).then(|| level + 0.05 * (at as f64 / 9.0).sin());
        (0..time.len()).map(one).collect()
    };
    let quote = |at: i32| {
        let k = f64::from(at) * 0.03;
        let mid = 0.5 - 0.1 * k + 0.4 * k * k;
        let bid = if at == -9 { 0.0 } else { mid - 0.004 };
        QuoteView { log_moneyness: k, bid, mid, ask: mid + 0.004, fitted: mid + 0.0005 }
    };
    let curve = |at: i64| SmileCurve {
        expiry: run.header.end + at * at * 24 * HOUR,
        forward: 96_000.0,
        quotes: (-9..=9).map(quote).collect(),
    };
    SurfacePath {
        venue: "deribit".to_owned(),
        underlying: coin.to_owned(),
        settle: coin.to_owned(),
        atm_7d: vol(0.45),
        atm_30d: vol(0.5),
        atm_90d: vol(0.52),
        risk_reversal_30d: vol(-0.02),
        butterfly_30d: vol(0.01),
        smiles_at: run.header.end - HOUR,
        smiles: (1..=14).map(curve).collect(),
        time,
    }
}

fn with_options(strikes: u64) -> RunSummary {
    let mut run = month();
    run.greeks = vec![greeks(&run, "BTC", strikes), greeks(&run, "ETH", 2)];
    run.surfaces = vec![surface(&run, "BTC"), surface(&run, "ETH")];
    run
}

/// The text between two headings.
fn part<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let from = page.find(from).unwrap();
    &page[from..from + page[from..].find(to).unwrap()]
}

#[test]
fn the_sections_stand_in_order_close_what_they_open_and_keep_the_budget() {
    let page = html(&with_options(61));
    keep("options.html", &page);
    let mut one = with_options(61);
    one.greeks.truncate(1);
    one.surfaces.truncate(1);
    let bytes = html(&one).len();
    assert!(bytes <= 400_000, "one instrument, its month and its options: {bytes} bytes");
    let at =
        ["exposure", "drawdown", "greeks", "surface", "costs"].map(|id| page.find(&format!("href=\"#{id}\"")).unwrap());
    assert!(at.is_sorted(), "the navigation has them: {at:?}");
    for tag in ["section", "div", "svg", "table", "details", "g", "ul", "p"] {
        assert_eq!(tags(&page, tag).len(), page.matches(&format!("</{tag}>")).count(), "<{tag}> closes");
    }
    let own = part(&page, "id=\"greeks\"", "id=\"costs\"");
    for leak in ["NaN", "inf<", ">-0", "\u{2212}0<", "Some("] {
        assert!(!own.contains(leak), "{leak}");
    }
    for svg in tags(own, "svg") {
        let summary = svg.split("aria-label=\"").nth(1).unwrap();
        assert!(summary.split('"').next().unwrap().len() > 40, "{}", &summary[..60]);
    }
    assert!(!html(&month()).contains("#greeks") && !html(&month()).contains("#surface"));
}

#[test]
fn what_is_held_is_told_by_strike_and_expiry_and_adds_up() {
    let page = html(&with_options(4));
    let table = part(&page, "BTC options by strike and expiry", "</table>");
    // Of twelve cells half have -2.5, half 1.25; of an expiry's four two of each, and a theta of 0.5 each.
    let parts = part(&page, "BTC Greeks by part", "</table>");
    let row = |name: &str| part(parts, &format!("<th scope=\"row\">{name}</th>"), "</tr>");
    for group in ["Underlying", "Expiry", "Strikes, USD", "Venue", "Strategy"] {
        assert!(parts.contains(&format!("colspan=\"9\">{group}</th>")), "{group}: {parts}");
    }
    assert!(row("BTC").ends_with("<td>\u{2212}0.500</td><td>0</td><td>\u{2212}7.50</td><td>0</td>"), "{}", row("BTC"));
    assert!(
        row("calls &amp; puts").contains("<td>\u{2212}1.88</td>") && row("strangle").contains("<td>0.450</td>"),
        "{parts}"
    );
    assert_eq!(parts.matches("<td>\u{2212}2.50</td><td>2.00</td>").count(), 3, "of each expiry: {parts}");
    let all = table.rsplit("<b>").next().unwrap();
    assert!(all.starts_with("\u{2212}7.50</b><small>Δ 1.08"), "{all}");
    assert_eq!(table.matches("<tr>").count(), 1 + 4 + 1, "{table}");
    assert_eq!(table.matches("class=\"ng").count(), 6, "half are negative");
    let wide = html(&with_options(61));
    let table = part(&wide, "BTC options by strike and expiry", "</table>");
    assert!(table.contains("Strikes from, 5,000 wide"), "{table}");
    assert_eq!(table.matches("<tr>").count(), 1 + 13 + 1, "from 60,000 to 120,000");
}

#[test]
fn both_deltas_are_named_and_what_is_left_out_is_told() {
    let page = html(&with_options(4));
    let own = part(&page, "id=\"greeks\"", "id=\"surface\"");
    for told in [
        "grey: smile sticky by strike; blue: by moneyness; black: that with spot, perpetuals and futures",
        "Delta, sticky strike, BTC",
        "Delta, sticky moneyness, ETH",
        "Vega, USD for a point of volatility",
        "Theta, USD a day",
        "At 6 moments some options had no surface of the last day",
    ] {
        assert!(own.contains(told), "{told}");
    }
    let own = part(&page, "<section class=\"sec\" id=\"surface\"", "id=\"costs\"");
    assert_eq!(own.matches("What does each strike cost at the end?").count(), 2, "of each chain");
    assert_eq!(own.matches(" d</text>").count(), 24, "twelve smiles of each, the nearest");
}
