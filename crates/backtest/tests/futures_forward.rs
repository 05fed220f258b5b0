//! Options whose quotes tell no forward, beside a dated future on the tape: the forward of their expiry is the future's price, and surface,
//! sizes, choice of legs and Greeks of a run follow it. The market is made from formulas that the run does not know.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "the oracle is computed by other functions than the program's")]

use backtest::{PolicyFile, Request, Run};
use import::{BarsRequest, Labelled, OptionsRequest};
use market::{Instrument, InstrumentKind};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use units::{Duration, Timestamp};

const VOL: f64 = 0.5;
const HOUR: i64 = 3_600_000_000_000;
const DAYS: i64 = 10;
/// Days from the beginning, 2 January 2026 08:00, to the two expiries. Only the first has a future.
const EXPIRIES: [(&str, i64); 2] = [("30JAN26", 28), ("27FEB26", 56)];

fn begin() -> Timestamp {
    "2026-01-02T08:00:00Z".parse().unwrap()
}

fn years(expiry: usize, at: i64) -> f64 {
    (EXPIRIES[expiry].1 * 24 * HOUR - at) as f64 / (365.0 * 24.0 * HOUR as f64)
}

/// The price of the coin: it swings by two per cent, on a grid of half a dollar.
fn spot(at: i64) -> f64 {
    ((90_000.0 + 1_800.0 * (at as f64 / (37.0 * HOUR as f64)).sin()) * 2.0).round() / 2.0
}

/// What the future costs over spot a year: 60 %, from the sixth day on 40 % under it. No option's price alone tells that.
fn carry(at: i64) -> f64 {
    if at < 5 * 24 * HOUR { 0.6 } else { -0.4 }
}

/// The future's price, on its grid of 2.5 dollars; and where no future is listed, the same carry from spot on: ln F linear in time.
fn forward(expiry: usize, at: i64) -> f64 {
    let listed = ((spot(at) * (carry(at) * years(0, at)).exp()) / 2.5).round() * 2.5;
    match expiry {
        0 => listed,
        _ => spot(at) * (listed / spot(at)).powf(years(expiry, at) / years(0, at)),
    }
}

/// Standard normal distribution, by Simpson's rule.
fn normal(x: f64) -> f64 {
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let (steps, width) = (400, x / 400.0);
    let weight = |at: i32| if at == 0 || at == steps { 1.0 } else { f64::from(2 + 2 * (at % 2)) };
    0.5 + width / 3.0 * (0..=steps).map(|at| weight(at) * density(f64::from(at) * width)).sum::<f64>()
}

/// d1 of Black's formula, and the standard deviation.
fn black(forward: f64, strike: f64, years: f64) -> (f64, f64) {
    let deviation = VOL * years.sqrt();
    ((forward / strike).ln() / deviation + deviation / 2.0, deviation)
}

/// Calls at odd thousands and puts at even ones, every six hours, at a flat volatility on the forwards above: no strike has both, so there
/// is no parity, and no quote tells a forward. The perpetual and the future in bars of an hour.
struct Market {
    chain: PathBuf,
    perpetual: PathBuf,
    future: PathBuf,
}

fn market(folder: &Path) -> Market {
    let mut rows =
        String::from("exchange,symbol,timestamp,local_timestamp,bid_price,bid_amount,ask_price,ask_amount\n");
    for at in (0..DAYS * 4).map(|step| step * 6 * HOUR) {
        let micros = (begin() + Duration::from_nanos(at)).nanos() / 1_000;
        for (expiry, (name, _)) in EXPIRIES.iter().enumerate() {
            for strike in (60..=140).map(|thousands| thousands * 1_000) {
                let (d1, deviation) = black(forward(expiry, at), f64::from(strike), years(expiry, at));
                let moneyness = f64::from(strike) / forward(expiry, at);
                let call = normal(d1) - moneyness * normal(d1 - deviation);
                let is_call = strike % 2_000 == 1_000;
                let fair = if is_call { call } else { call - 1.0 + moneyness };
                let step = if fair > 0.005 { 0.0005 } else { 0.0001 };
                let (bid, ask) = ((fair / step - 0.5).floor() * step, (fair / step + 0.5).ceil() * step);
                let bid = if bid > 0.0 { format!("{bid:.4},50") } else { ",".to_owned() };
                let right = if is_call { "C" } else { "P" };
                writeln!(rows, "deribit,BTC-{name}-{strike}-{right},{micros},{micros},{bid},{ask:.4},50").unwrap();
            }
        }
    }
    std::fs::write(folder.join("chain.csv"), rows).unwrap();
    let chain = folder.join("chain.tape");
    import::options(&OptionsRequest::new(folder.join("chain.csv"), &chain), &mut |_, _| {}).unwrap();
    let bars = |name: &str, instrument: Instrument, price: &dyn Fn(i64) -> f64| {
        let mut rows = String::from("time,open,high,low,close,volume\n");
        for at in (-1..DAYS * 24).map(|hour| hour * HOUR) {
            let (open, close) = (price(at), price(at + HOUR));
            let (high, low, opened) = (open.max(close), open.min(close), begin() + Duration::from_nanos(at));
            writeln!(rows, "{opened},{open},{high},{low},{close},1").unwrap();
        }
        let (csv, out) = (folder.join(format!("{name}.csv")), folder.join(format!("{name}.tape")));
        std::fs::write(&csv, rows).unwrap();
        import::bars(&BarsRequest::new(csv, instrument, Labelled::Open, &out), &mut |_, _| {}).unwrap();
        out
    };
    let perpetual = Instrument {
        symbol: "deribit:BTC_USDC-PERPETUAL".to_owned(),
        kind: InstrumentKind::LinearPerpetual,
        base: "BTC".parse().unwrap(),
        quote: "USDC".parse().unwrap(),
        settle: "USDC".parse().unwrap(),
        tick: "0.5".parse().unwrap(),
        lot: "0.0001".parse().unwrap(),
        min_qty: "0.0001".parse().unwrap(),
    };
    let (name, days) = EXPIRIES[0];
    let future = Instrument {
        symbol: format!("deribit:BTC-{name}"),
        kind: InstrumentKind::InverseFuture { expiry: begin() + Duration::from_nanos(days * 24 * HOUR) },
        quote: "USD".parse().unwrap(),
        settle: "BTC".parse().unwrap(),
        tick: "2.5".parse().unwrap(),
        lot: "10".parse().unwrap(),
        min_qty: "10".parse().unwrap(),
        ..perpetual.clone()
    };
    Market {
        chain,
        perpetual: bars("perpetual", perpetual, &spot),
        future: bars("future", future, &|at| forward(0, at)),
    }
}

fn run(name: &str, text: &str, tapes: &[&PathBuf]) -> Run {
    let policies = vec![PolicyFile::new(format!("{name}.toml"), text.to_owned())];
    let tapes = tapes.iter().map(|tape| (*tape).clone()).collect();
    let request = Request { policies, tapes, program: "test".into(), seed: None };
    let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((run.record.residual.as_str(), run.record.triggers.unexplained), ("0", 0), "{name}");
    run
}

/// How long after the beginning.
fn after(at: Timestamp) -> i64 {
    at.since(begin()).nanos()
}

const TARGET: &str = r#"
policy = 1
name = "target"
instrument = "deribit:BTC_USDC-PERPETUAL"

[signal]
kind = "constant"
strength = 1.0
reentry = "at_once"

[size]
kind = "volatility_target"
target = "40%"
volatility = "iv.atm(BTC, 30d)"

[[accounts]]
venue = "deribit"
deposit = "1_000_000 USDC"
"#;

/// The volatility at the money that plans size by: as a percentage, by time.
fn sized_by(run: &Run) -> Vec<(Timestamp, f64)> {
    let told = |text: &str| text.split_once("volatility ")?.1.split(' ').next()?.parse().ok();
    let rows = run.tables.plans.iter().filter(|row| &*row.rule == "vol_target" && &*row.outcome == "set");
    rows.filter_map(|row| Some((row.time, told(&row.because)?))).collect()
}

#[test]
fn the_surface_of_a_run_has_the_forwards_of_its_futures() {
    let folder = tempfile::tempdir().unwrap();
    let Market { chain, perpetual, future } = market(folder.path());
    let with = run("with", TARGET, &[&chain, &perpetual, &future]);

    // The last surface, by hand: the future's close of that hour; and ln F of the second expiry on the line from spot through it.
    let smiles = &with.tables.smiles;
    let last = smiles.iter().map(|row| row.time).max().unwrap();
    assert_eq!(after(last), (DAYS * 4 - 1) * 6 * HOUR);
    for (expiry, (name, days)) in EXPIRIES.iter().enumerate() {
        let at = begin() + Duration::from_nanos(days * 24 * HOUR);
        let told = smiles.iter().find(|row| row.expiry == at).unwrap().forward;
        assert!((told / forward(expiry, after(last)) - 1.0).abs() < 1e-9, "{name}: {told}");
        assert!((told / spot(after(last)) - 1.0).abs() > 0.015, "{name}: {told} tells spot from the future");
    }
    // At every snapshot the flat volatility that calls were made of comes back, through the change of the carry.
    assert_eq!(with.tables.surfaces.len() as i64, DAYS * 4);
    for row in &with.tables.surfaces {
        let Some(atm) = row.atm_30d else { panic!("{row:?}") };
        assert!((atm - VOL).abs() < 0.004, "{}: {atm}", row.time);
    }
    let told = sized_by(&with);
    assert!(told.len() > 20 && told.iter().any(|(at, _)| after(*at) > 6 * 24 * HOUR), "{}", told.len());
    for (at, percent) in &told {
        assert!((percent / 100.0 - VOL).abs() < 0.004, "{at}: sized by {percent} %");
    }
    let out = folder.path().join("run");
    with.write(&out, true).unwrap();
    let verified = backtest::verify(&out, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(verified.difference.is_none(), "{:?}", verified.difference);

    // Without the future nothing but spot is left to be a forward: calls that are dear for it look volatile and puts calm, or the other way
    // round, and at the money of both the true volatility is not found.
    let without = run("without", TARGET, &[&chain, &perpetual]);
    let wrong = sized_by(&without).iter().filter(|(_, percent)| (percent / 100.0 - VOL).abs() > 0.02).count();
    assert!(wrong > 10, "{wrong} of {:?}", sized_by(&without));
}

const CALL: &str = r#"
policy = 1
name = "call"

[structure]
chain = "deribit:BTC"
legs = [{ right = "call", delta = 0.25, days = 28 }]

[signal]
kind = "constant"
strength = -1.0

[size]
kind = "fixed_fraction"
fraction = 0.5
resize = "entry"

[[accounts]]
venue = "deribit"
deposit = "10 BTC"
"#;

#[test]
fn legs_are_chosen_and_weighed_on_the_future() {
    let folder = tempfile::tempdir().unwrap();
    let Market { chain, perpetual, future } = market(folder.path());
    let run = run("call", CALL, &[&chain, &perpetual, &future]);
    // Of the first expiry the strike whose delta N(d1) is nearest to 0.25, by the future; by spot it would be another.
    let nearest = |forward: f64, at: i64| {
        let off = |thousands: &i32| (normal(black(forward, f64::from(thousands * 1_000), years(0, at)).0) - 0.25).abs();
        (61..140).step_by(2).min_by(|one, other| off(one).total_cmp(&off(other))).unwrap() * 1_000
    };
    let entry = run.tables.fills.iter().find(|row| row.side == "sell").unwrap();
    // Decided at the quotes before those that it filled at.
    let decided = after(entry.time) - 6 * HOUR;
    let strike = nearest(forward(0, decided), decided);
    assert_eq!(entry.instrument, format!("deribit:BTC-30JAN26-{strike}-C"));
    assert_ne!(strike, nearest(spot(decided), decided));

    // Delta of what was sold, an hour after each quote: N(d1) a call, by the future of the quote moved as spot has since.
    let sold: f64 = run.tables.fills.iter().map(|row| row.quantity.approximate()).sum();
    let wholes: Vec<_> = run
        .tables
        .greeks
        .iter()
        .filter(|row| row.expiry.is_none() && row.venue.is_empty() && row.strategy.is_empty())
        .collect();
    let mut changed = 0;
    for row in &wholes {
        let at = after(row.time);
        if at % (6 * HOUR) != HOUR {
            continue;
        }
        let moved = forward(0, at - HOUR) * spot(at) / spot(at - HOUR);
        let delta = -sold * normal(black(moved, f64::from(strike), years(0, at)).0);
        assert!((row.delta / delta - 1.0).abs() < 0.02, "{}: {} of {delta}", row.time, row.delta);
        changed += u32::from(at >= 5 * 24 * HOUR);
    }
    assert!(changed > 10, "{} rows", wholes.len());
}
