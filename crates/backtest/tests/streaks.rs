//! Streaks over one instrument, all of a strategy's and all of an account's, on a market whose wins and losses were written by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;

use backtest::{PolicyFile, Request, Run};
use common::Tick;
use market::{Bar, Catalogue, Event, Instrument, InstrumentKind, SeriesPoint};
use std::ops::ControlFlow;
use std::path::Path;
use units::{Duration, InstrumentId, Price, Qty, Ratio, SeriesId, Timestamp};

/// Hours of two coins, each with a signal and a price, that of the bar's close; the bar opens where the one before closed. A wins from hour
/// 2 to 4, B from 5 to 7, A is stopped out in hour 8, B wins from 10 to 12.
const HOURS: [[i64; 4]; 14] = [
    [0, 100, 0, 100],
    [1, 100, 0, 100],
    [1, 110, 0, 100],
    [0, 110, 0, 100],
    [0, 110, 1, 100],
    [0, 110, 1, 110],
    [0, 110, 0, 110],
    [1, 110, 0, 110],
    [1, 100, 0, 110],
    [0, 100, 1, 110],
    [0, 100, 1, 120],
    [0, 100, 0, 120],
    [1, 100, 0, 120],
    [1, 100, 0, 120],
];

fn catalogue() -> Catalogue {
    let instrument = |base: &str| Instrument {
        symbol: format!("sim:{base}USDT-PERP"),
        kind: InstrumentKind::LinearPerpetual,
        base: base.parse().unwrap(),
        quote: "USDT".parse().unwrap(),
        settle: "USDT".parse().unwrap(),
        tick: "0.01".parse().unwrap(),
        lot: "0.001".parse().unwrap(),
        min_qty: "0.001".parse().unwrap(),
    };
    let series = vec!["signal.aaa".to_owned(), "signal.bbb".to_owned()];
    Catalogue { instruments: ["AAA", "BBB"].map(instrument).into(), series }
}

fn market() -> Vec<Tick> {
    let begin: Timestamp = "2025-10-06T00:00:00Z".parse().unwrap();
    let hour = |number: usize| begin + Duration::from_nanos(number as i64 * Duration::HOUR.nanos());
    let price = |whole: i64| Price::from_raw(whole * Price::ONE);
    let tick = |number: usize| {
        let (row, before) = (HOURS[number], HOURS[number.saturating_sub(1)]);
        let bar = |coin: usize| {
            let (open, close) = (price(before[2 * coin + 1]), price(row[2 * coin + 1]));
            let (opened, closed, volume) = (hour(number), hour(number + 1), Qty::ZERO);
            let (high, low, instrument) = (open.max(close), open.min(close), InstrumentId(coin as u32));
            Event::Bar(Bar { instrument, opened, closed, open, high, low, close, volume })
        };
        let signal = |coin: usize| {
            let value = Ratio::new(row[2 * coin] as f64).unwrap();
            Event::Series(SeriesPoint { series: SeriesId(coin as u32), value })
        };
        Tick { at: hour(number + 1), events: vec![bar(0), bar(1), signal(0), signal(1)] }
    };
    (0..HOURS.len()).map(tick).collect()
}

fn text(name: &str, instruments: &str, rest: &str) -> PolicyFile {
    let text = format!(
        "policy = 1\nname = \"{name}\"\n{instruments}\n[signal]\nkind = \"series\"\nseries = \"signal.{{base}}\"\n\
         [unit]\nn = \"of_price(1%)\"\n[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\nresize = \"entry\"\n\
         [stop]\ninitial = \"2N\"\n[streak]\nfactor = 1.5\ncap = 2.5\n{rest}\n\
         [backtest]\ndeposit = \"10_000 USDT\"\ntaker_fee = 0\nmaker_fee = 0\nhalf_spread = 0\nslippage = 0\nlatency = \"0ms\"\n"
    );
    PolicyFile::new(format!("{name}.toml"), text)
}

fn run(policies: Vec<PolicyFile>, folder: &Path) -> Run {
    let tape = folder.join("market.tape");
    common::write_tape(&tape, &catalogue(), &market());
    let request = Request { policies, tapes: vec![tape], program: "test".to_owned(), seed: None };
    let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    common::assert_it_holds(&run);
    run
}

/// What streaks made of entries: the coin, by how much it was multiplied, and why.
fn told(run: &Run) -> Vec<(String, String, String)> {
    let steps = run.tables.plans.iter().filter(|row| row.rule == "streak" && row.position.is_zero());
    let told = |row: &backtest::records::PlanRow| {
        let multiple = row.after.approximate() / row.before.approximate();
        (row.instrument[4..7].to_owned(), format!("{multiple:.4}"), row.because.to_string())
    };
    steps.map(told).collect()
}

fn wanted(rows: &[(&str, &str)]) -> Vec<(String, String, String)> {
    let row = |(coin, multiple): &(&str, &str)| {
        let shown = multiple.parse::<f64>().unwrap();
        ((*coin).to_owned(), (*multiple).to_owned(), format!("x {shown:.2} after wins in a row"))
    };
    rows.iter().map(row).collect()
}

fn both(over: &str) -> PolicyFile {
    text("both", "instruments = [\"sim:AAAUSDT-PERP\", \"sim:BBBUSDT-PERP\"]", over)
}

#[test]
fn wins_of_all_instruments_of_a_strategy_count_in_the_order_of_their_closes() {
    let folder = tempfile::tempdir().unwrap();
    let own = run(vec![both("")], folder.path());
    assert_eq!(told(&own), wanted(&[("AAA", "1.5000"), ("BBB", "1.5000")]));
    let all = run(vec![both("over = \"strategy\"")], folder.path());
    assert_eq!(told(&all), wanted(&[("BBB", "1.5000"), ("AAA", "2.2500"), ("AAA", "1.5000")]));
    let r: Vec<String> = all.tables.campaigns.iter().filter_map(|row| Some(format!("{:.2}", row.r?))).collect();
    assert_eq!(r[..4], ["5.00", "5.00", "-1.00", "4.55"], "{r:?}");
}

#[test]
fn wins_of_other_strategies_of_the_account_count_for_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    let half = |coin: &str| format!("instrument = \"sim:{coin}USDT-PERP\"\ncapital = \"50%\"");
    let policies = vec![text("first", &half("AAA"), "over = \"account\""), text("second", &half("BBB"), "")];
    let run = run(policies, folder.path());
    assert_eq!(told(&run), wanted(&[("AAA", "2.2500"), ("BBB", "1.5000"), ("AAA", "1.5000")]));
}

/// The audit makes every multiplier again, and finds a policy that says something else.
#[test]
fn multipliers_are_made_again() {
    let home = tempfile::tempdir().unwrap();
    let run = run(vec![both("over = \"strategy\"")], home.path());
    let audited = |name: &str, run: &Run| {
        let folder = home.path().join(name);
        run.write(&folder, false).unwrap();
        backtest::audit::audit(&folder, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    let clean = audited("clean", &run);
    assert!(clean.is_clean(), "{:?}", clean.findings);
    let made = clean.checks.iter().find(|check| check.check == "streak.size").map_or(0, |check| check.made);
    assert_eq!(made, 5);
    let failed = |name: &str, alter: &dyn Fn(&mut Run)| {
        let mut run = run.clone();
        alter(&mut run);
        let audit = audited(name, &run);
        audit.checks.iter().find(|check| check.check == "streak.size").map_or(0, |check| check.failed)
    };
    let other = |run: &mut Run| {
        let text = run.strategies[0].text.replace("over = \"strategy\"", "over = \"instrument\"");
        run.record.policies[0].hash = blake3::hash(text.as_bytes()).to_hex().to_string();
        run.strategies[0].text = text;
    };
    assert!(failed("another policy", &other) >= 2);
    let lost = |run: &mut Run| run.tables.campaigns[0].r = Some(-1.0);
    assert!(failed("a win was a loss", &lost) >= 2);
    let larger = |run: &mut Run| {
        let step = run.tables.plans.iter_mut().find(|row| row.rule == "streak").unwrap();
        step.after = Qty::from_raw(step.after.raw() * 2);
    };
    assert_eq!(failed("a size is larger", &larger), 1);
}
