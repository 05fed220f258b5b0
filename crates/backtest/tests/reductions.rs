//! A limit that cuts what is cheapest, over the summer of 2022 in three perpetuals: what is given up first brings most for its cost, what
//! hedges stays, the restore level is reached, and it costs less than cutting all alike.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::print_stdout, reason = "the result of a run on real data is worth a line")]

mod common;

use backtest::records::PlanRow;
use backtest::{Action, PolicyFile, Question, Request, Run, Trigger};
use common::shared;
use import::{BarsRequest, Labelled, SeriesRequest, SeriesUnit};
use market::{Instrument, InstrumentKind};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use units::{Contract, Duration, Price, Qty, Timestamp};

const COINS: [&str; 3] = ["BTC", "ETH", "SOL"];

/// Bars of the first source that these name, and a conviction for each coin from a time on.
fn tapes(source: &Source, shared: &Path, folder: &Path, convictions: &[f64]) -> Vec<PathBuf> {
    let mut tapes = Vec::new();
    for (coin, conviction) in COINS.into_iter().zip(convictions) {
        let instrument = Instrument {
            symbol: source.symbol(coin),
            kind: InstrumentKind::LinearPerpetual,
            base: coin.parse().unwrap(),
            quote: source.quote.parse().unwrap(),
            settle: source.quote.parse().unwrap(),
            tick: "0.001".parse().unwrap(),
            lot: "0.001".parse().unwrap(),
            min_qty: "0.001".parse().unwrap(),
        };
        let bars = shared.join("data").join(source.bars.replace("COIN", coin));
        let out = folder.join(format!("{coin}.tape"));
        import::bars(&BarsRequest::new(bars, instrument, Labelled::Open, &out), &mut |_, _| {}).unwrap();
        tapes.push(out);
        let (text, out) = (folder.join(format!("{coin}.csv")), folder.join(format!("{coin}-signal.tape")));
        std::fs::write(&text, format!("time,value\n{},0\n{},{conviction}\n", source.begin, source.entry)).unwrap();
        let name = format!("signal.{}", coin.to_ascii_lowercase());
        import::series(&SeriesRequest::new(text, "value", &name, SeriesUnit::Fraction, &out), &mut |_, _| {}).unwrap();
        tapes.push(out);
    }
    tapes
}

/// Recorded perpetuals of a venue.
struct Source {
    venue: &'static str,
    quote: &'static str,
    bars: &'static str,
    begin: &'static str,
    entry: &'static str,
    /// What is paid out once all is held: no entry leads beyond a limit, so that something else has to.
    flows: &'static str,
}

impl Source {
    fn symbol(&self, coin: &str) -> String {
        format!("{}:{coin}{}-PERP", self.venue, self.quote)
    }
}

/// Five minutes each.
const SUMMER_2022: Source = Source {
    venue: "okx",
    quote: "USDT",
    bars: "bars_crash/2022-05_COINUSDT_okx_swap_5m.parquet",
    begin: "2022-05-01T00:00:00Z",
    entry: "2022-06-05T00:00:00Z",
    flows: "",
};
/// Minutes of the first two coins, Binance's as those of a venue whose tiers are known of both.
const SPRING_2025: Source = Source {
    venue: "hyperliquid",
    quote: "USDC",
    bars: "bars_minute/2025-05_COINUSDT_binance_perp_1m.parquet",
    begin: "2025-05-25T10:33:00Z",
    entry: "2025-06-11T12:00:00Z",
    flows: "[[backtest.flows]]\nat = \"2025-06-11T13:00:00Z\"\nwithdraw = \"250_000 USDC\"\n",
};

/// Each coin is worth 30 % of equity. Six hours ahead, of the worst fortieth.
fn policy(cut: &str, (over, restore): (u32, u32)) -> String {
    limited(&SUMMER_2022, "es(97.5%, 6h)", ("over", over), restore, (cut, 0.9), 3)
}

/// All three coins together are worth so many times equity, and a fact is limited.
fn limited(
    source: &Source,
    of: &str,
    (side, limit): (&str, u32),
    restore: u32,
    (cut, fraction): (&str, f64),
    coins: usize,
) -> String {
    let instruments: Vec<String> = COINS[..coins].iter().map(|coin| format!("\"{}\"", source.symbol(coin))).collect();
    format!(
        "policy = 1\nname = \"three coins\"\ninstruments = [{}]\n\
         [signal]\nkind = \"series\"\nseries = \"signal.{{base}}\"\nmax_age = \"200d\"\n\
         [size]\nkind = \"fixed_fraction\"\nfraction = {fraction}\nresize = \"entry\"\n\
         [[limits]]\nname = \"tail\"\nof = \"{of}\"\n{side} = \"{limit}%\"\nrestore = \"{restore}%\"\ncut = \"{cut}\"\n\
         [backtest]\ndeposit = \"1_000_000 {}\"\ntaker_fee = \"5bp\"\nmaker_fee = \"2bp\"\nhalf_spread = \"1bp\"\nslippage = \"2bp\"\n{}",
        instruments.join(", "),
        source.quote,
        source.flows
    )
}

fn run(text: String, tapes: &[PathBuf]) -> Run {
    let policies = vec![PolicyFile::new("policy.toml", text)];
    let request = Request { policies, tapes: tapes.to_vec(), program: "test".into(), seed: None };
    let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    let record = &run.record;
    assert_eq!((record.residual.as_str(), record.triggers.unexplained), ("0", 0));
    common::assert_it_holds(&run);
    run
}

/// Plans of the first input in which a limit cut, a strategy each.
fn first_cut(run: &Run) -> Vec<Vec<&PlanRow>> {
    let is_cut = |row: &&PlanRow| &*row.rule == "limit" && &*row.outcome == "cut" && row.because.contains("is over");
    let input = run.tables.plans.iter().find(is_cut).unwrap().input;
    let rows: Vec<&PlanRow> = run.tables.plans.iter().filter(|row| row.input == input).collect();
    rows.chunk_by(|one, other| one.plan == other.plan).map(<[_]>::to_vec).collect()
}

/// What is sold by these plans, as a share of equity, by instrument.
fn sold(plans: &[Vec<&PlanRow>]) -> Vec<(String, f64)> {
    let of = |plan: &Vec<&PlanRow>| {
        let first = plan[0];
        let sold = (first.position - first.target).abs().approximate() * first.price.approximate();
        (first.instrument.to_string(), sold / first.equity.approximate())
    };
    plans.iter().map(of).collect()
}

/// What the tail was told to be at each step of its history.
fn tails(run: &Run) -> Vec<(Timestamp, f64)> {
    let whole = run.tables.losses.iter().filter(|row| row.strategy.is_empty());
    whole.filter_map(|row| Some((row.time, row.expected_shortfall?))).collect()
}

#[test]
fn what_costs_least_for_what_it_brings_goes_first() {
    let Some(shared) = shared("what_costs_least_for_what_it_brings_goes_first") else { return };
    let folder = tempfile::tempdir().unwrap();
    let tapes = tapes(&SUMMER_2022, &shared, folder.path(), &[1.0, 1.0, 1.0]);
    let (cheapest, alike) = (run(policy("cheapest", (8, 6)), &tapes), run(policy("alike", (8, 6)), &tapes));
    let (chosen, all) = (first_cut(&cheapest), first_cut(&alike));
    assert_eq!((chosen[0][0].time, chosen[0][0].equity), (all[0][0].time, all[0][0].equity), "until then they are one");
    let (chosen_sold, all_sold) = (sold(&chosen), sold(&all));
    println!("cheapest {chosen_sold:?}, alike {all_sold:?}");
    let total = |sold: &[(String, f64)]| sold.iter().map(|(_, share)| share).sum::<f64>();
    // Of equal costs for what is sold, what moves most brings most: SOL alone, and less than a part of each.
    assert_eq!(chosen_sold.iter().filter(|(_, share)| *share > 0.0).count(), 1, "{chosen_sold:?}");
    let most = chosen_sold.iter().max_by(|one, other| one.1.total_cmp(&other.1)).unwrap();
    assert_eq!(most.0, "okx:SOLUSDT-PERP");
    assert!(total(&chosen_sold) < 0.9 * total(&all_sold), "{chosen_sold:?} {all_sold:?}");
    // What it was preferred to is told.
    let told: Vec<&str> = chosen.iter().flatten().map(|row| row.because.as_str()).collect();
    assert!(
        told.iter().any(|told| told.contains("of the breach for each bp of equity it costs, preferred to")),
        "{told:#?}"
    );
    assert!(told.iter().any(|told| told.starts_with("the reduction costs ")), "{told:#?}");
    // Six hours later, with the market's fall in it, both tails are as far over the restore level: where it was, both stood.
    let [one, other] = [&cheapest, &alike].map(|run| {
        let cut = first_cut(run)[0][0].time;
        tails(run).into_iter().find(|(time, _)| *time > cut).unwrap().1
    });
    println!("then {one} and {other}");
    assert!((one / other - 1.0).abs() < 0.03 && one < 0.07, "{one} {other}");
    let out = folder.path().join("run");
    cheapest.write(&out, true).unwrap();
    let audit = backtest::audit::audit(&out, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    // What comes next supposes the tail to be over its limit.
    let at = first_cut(&cheapest)[0][0].time - Duration::HOUR;
    let question = Question { at: Some(at), instrument: Some("okx:SOLUSDT-PERP"), ..Question::default() };
    let next = cheapest.next(&question, &mut |_| ControlFlow::Continue(())).unwrap();
    let of_tail = |action: &Action| matches!(&action.trigger, Trigger::Series { name, .. } if name == "es(97.5%, 6h)");
    assert!(next.actions.iter().any(of_tail), "{:#?}", next.actions);
}

/// Short of ETH as large as the others together: selling it back would leave more risk than it takes.
#[test]
fn what_hedges_the_others_stays() {
    let Some(shared) = shared("what_hedges_the_others_stays") else { return };
    let folder = tempfile::tempdir().unwrap();
    let tapes = tapes(&SUMMER_2022, &shared, folder.path(), &[1.0, -0.3, 1.0]);
    let run = run(policy("cheapest", (5, 3)), &tapes);
    let cuts = run.tables.plans.chunk_by(|one, other| one.plan == other.plan).filter(|plan| {
        plan.iter().any(|row| &*row.rule == "limit" && &*row.outcome == "cut" && row.because.contains("is over"))
    });
    let (mut cut, mut hedges) = (0, 0);
    for plan in cuts {
        cut += 1;
        hedges += usize::from(plan[0].instrument.contains("ETH") && plan[0].target != plan[0].position);
    }
    assert!(cut > 0 && hedges == 0, "{cut} {hedges}");
}

/// The venue's own margin, and how far its liquidation is: what is kept is at the restore level by the venue's tiers, and one in a thousand
/// more would not be. A stress costs what it may.
#[test]
fn margins_distances_and_stresses_are_brought_back_too() {
    let Some(shared) = shared("margins_distances_and_stresses_are_brought_back_too") else { return };
    let folder = tempfile::tempdir().unwrap();
    let tapes = tapes(&SPRING_2025, &shared, folder.path(), &[1.0, 1.0]);
    let run_of = |of: &str, side: (&str, u32), restore: u32, fraction: f64| {
        let run = run(limited(&SPRING_2025, of, side, restore, ("cheapest", fraction), 2), &tapes);
        let told =
            first_cut(&run).iter().flatten().any(|row| row.because.contains("of the breach for each bp of equity"));
        assert!(told, "{of}");
        run
    };
    let margined = run_of("margin.ratio(hyperliquid)", ("over", 5), 4, 2.5);
    let cut = first_cut(&margined);
    let mut positions: Vec<(String, Qty, Price)> = Vec::new();
    let at = cut[0][0].time;
    for coin in &COINS[..2] {
        let symbol = SPRING_2025.symbol(coin);
        let row = margined.tables.positions.iter().rfind(|row| row.time <= at && *row.instrument == *symbol).unwrap();
        let plan = cut.iter().find(|plan| *plan[0].instrument == *symbol);
        positions.push((symbol, plan.map_or(row.position, |plan| plan[0].target), row.mark));
    }
    let equity = cut[0][0].equity.approximate();
    let margin = |times: f64| {
        let of = |(symbol, qty, price): &(String, Qty, Price)| {
            let base = symbol[12..15].parse().unwrap();
            let tiers = risk::venues::tiers_of(symbol, Contract::Linear, (base, "USDC".parse().unwrap()));
            let qty = qty.scaled(times, units::Round::Nearest).unwrap();
            tiers.maintenance_margin(risk::Size::at(Contract::Linear, *price, qty)).approximate()
        };
        positions.iter().map(of).sum::<f64>() / equity
    };
    println!("{positions:?}: {}", margin(1.0));
    assert!(margin(1.0) <= 0.04 + 1e-9 && margin(1.001) > 0.04, "{} {}", margin(1.0), margin(1.001));
    // After each fill the distance is what was asked for, but for what the price did in a minute.
    let far = run_of("liquidation.distance()", ("under", 45), 55, 3.5);
    let rows = &far.tables.plans;
    let cuts: Vec<u64> =
        rows.iter().filter(|row| row.because.starts_with("cut by a limit")).map(|row| row.plan).collect();
    let told = |row: &&PlanRow| cuts.contains(&row.plan) && row.because.starts_with("liquidated ");
    let told: Vec<&str> = rows.iter().filter(told).map(|row| row.because.as_str()).collect();
    let distance = |text: &&str| text.split(' ').nth(1).unwrap().parse::<f64>().unwrap();
    assert!(!told.is_empty() && told.iter().all(|text| (54.0..56.0).contains(&distance(text))), "{told:?}");
    assert!(!rows.iter().any(|row| row.because.starts_with("no reduction gets back")));
    let _stressed = run_of("stress(2025-10-10)", ("over", 10), 8, 1.2);
}

/// Gross exposure over equity: what is sold brings it to the restore level and no lot more is sold than that takes, at the cost of that.
#[test]
fn leverage_is_brought_back_for_what_that_costs() {
    let Some(shared) = shared("leverage_is_brought_back_for_what_that_costs") else { return };
    let folder = tempfile::tempdir().unwrap();
    let tapes = tapes(&SPRING_2025, &shared, folder.path(), &[1.0, 1.0]);
    for impact in [0.0, 20.0] {
        geared_to_the_restore_level(&tapes, impact);
    }
}

/// An impact is in basis points for a million. With one, of coins that cost the same otherwise as much is sold of each.
fn geared_to_the_restore_level(tapes: &[PathBuf], impact: f64) {
    let text = limited(&SPRING_2025, "leverage()", ("over", 250), 200, ("cheapest", 2.45), 2);
    let text = text.replace("[backtest]\n", &format!("[backtest]\nimpact = \"{impact}bp\"\n"));
    let geared = run(text, tapes);
    let cut = first_cut(&geared);
    let (at, equity) = (cut[0][0].time, cut[0][0].equity.approximate());
    let (mut gross, mut kept, mut sold) = (0.0, 0.0, 0.0);
    let (mut lots, mut each) = (0.0, Vec::new());
    for coin in &COINS[..2] {
        let symbol = SPRING_2025.symbol(coin);
        let row = geared.tables.positions.iter().rfind(|row| row.time <= at && *row.instrument == *symbol).unwrap();
        let plan = cut.iter().find(|plan| *plan[0].instrument == *symbol);
        let target = plan.map_or(row.position, |plan| plan[0].target);
        let price = row.mark.approximate();
        gross += row.position.abs().approximate() * price;
        kept += target.abs().approximate() * price;
        each.push((row.position - target).abs().approximate() * price);
        sold += each[each.len() - 1];
        lots += 0.001 * price;
    }
    println!("{gross} of {equity}, {kept} kept");
    assert!(gross / equity > 2.5 && kept / equity <= 2.0 + 1e-9, "{gross} {kept} {equity}");
    assert!((sold - (gross - 2.0 * equity)).abs() <= lots, "{sold} of {}", gross - 2.0 * equity);
    let told = cut.iter().flatten().find(|row| row.because.starts_with("the reduction costs ")).unwrap();
    let cost: f64 = told.because.split(' ').nth(3).unwrap().parse().unwrap();
    // Five basis points of fee, one of spread and two of slippage, and the impact of each order.
    let by_hand = 8e-4 * sold + each.iter().map(|sold| impact * 1e-4 * sold * sold / 1e6).sum::<f64>();
    println!("{each:?}: {cost} for {by_hand}");
    assert!(impact == 0.0 || (each[0] - each[1]).abs() <= lots, "{each:?}");
    assert!((cost / by_hand - 1.0).abs() < 1e-3, "{cost} for {sold}: {}", told.because);
    assert!(told.because.contains("more than the least that does it"), "{}", told.because);
}
