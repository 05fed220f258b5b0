//! A limit on gross exposure over several instruments of an account, in one policy or in one for each: while prices stand still, an account
//! that a withdrawal brought over its limit comes back to the restore level, to a lot of each instrument, in whatever bars they fill.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/random.rs"]
#[allow(dead_code, reason = "only its numbers are used here")]
mod random;

use backtest::{PolicyFile, Question, Request, Run, Trigger};
use import::{BarsRequest, Labelled};
use market::{Instrument, InstrumentKind};
use random::Random;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use units::Timestamp;

const COINS: [(&str, f64, &str); 3] = [("BTC", 40_000.0, "0.001"), ("ETH", 2_000.0, "0.01"), ("SOL", 80.0, "0.1")];

/// Two days of bars of so many minutes at one price.
fn tape(folder: &Path, coin: (&str, f64, &str), minutes: usize) -> PathBuf {
    walk(folder, coin, minutes, 2 * 24 * 60, &mut |price| price)
}

/// Bars of so many minutes until a time, each closing where `next` takes its open.
fn walk(
    folder: &Path,
    (coin, price, lot): (&str, f64, &str),
    minutes: usize,
    until: usize,
    next: &mut dyn FnMut(f64) -> f64,
) -> PathBuf {
    let instrument = Instrument {
        symbol: format!("binance:{coin}USDT-PERP"),
        kind: InstrumentKind::LinearPerpetual,
        base: coin.parse().unwrap(),
        quote: "USDT".parse().unwrap(),
        settle: "USDT".parse().unwrap(),
        tick: "0.01".parse().unwrap(),
        lot: lot.parse().unwrap(),
        min_qty: lot.parse().unwrap(),
    };
    let mut text = String::from("time,open,high,low,close,volume\n");
    let mut open = price;
    for at in (0..until).step_by(minutes) {
        let (day, hour, minute) = (1 + at / 1440, at / 60 % 24, at % 60);
        let close = (next(open) * 100.0).round() / 100.0;
        let (low, high) = (open.min(close), open.max(close));
        writeln!(text, "2025-01-0{day}T{hour:02}:{minute:02}:00Z,{open},{high},{low},{close},1000").unwrap();
        open = close;
    }
    let (bars, out) = (folder.join(format!("{coin}.csv")), folder.join(format!("{coin}.tape")));
    std::fs::write(&bars, text).unwrap();
    import::bars(&BarsRequest::new(bars, instrument, Labelled::Open, &out), &mut |_, _| {}).unwrap();
    out
}

fn policy(name: &str, instruments: &[&str], notional: u32, cap: &str, withdrawn: u32) -> PolicyFile {
    let symbols: Vec<String> = instruments.iter().map(|coin| format!("\"binance:{coin}USDT-PERP\"")).collect();
    // The account is declared by the first of several policies.
    let costs = "taker_fee = \"0bp\"\nmaker_fee = \"0bp\"\nhalf_spread = \"0bp\"\nslippage = \"0bp\"";
    let account = match withdrawn {
        0 => String::new(),
        _ => format!(
            "[backtest]\n{costs}\ndeposit = \"1_000_000 USDT\"\n\
             [[backtest.flows]]\nat = \"2025-01-01T12:30:00Z\"\nwithdraw = \"{withdrawn} USDT\"\n"
        ),
    };
    let text = format!(
        "policy = 1\nname = \"{name}\"\ninstruments = [{}]\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
         [size]\nkind = \"fixed_notional\"\nnotional = \"{notional} USDT\"\nresize = \"entry\"\n{cap}\n{account}",
        symbols.join(", ")
    );
    PolicyFile::new(format!("{name}.toml"), text)
}

/// Positions at the end, and their gross exposure over equity.
fn ends(policies: Vec<PolicyFile>, tapes: &[PathBuf]) -> (Vec<f64>, f64) {
    let request = Request { policies, tapes: tapes.to_vec(), program: "test".into(), seed: None };
    let run: Run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    common::assert_it_holds(&run);
    let mut held = vec![0.0; 3];
    for fill in &run.tables.fills {
        let at = COINS.iter().position(|(coin, ..)| fill.instrument.contains(coin)).unwrap();
        let sign = if fill.side == "buy" { 1.0 } else { -1.0 };
        held[at] += sign * fill.quantity.approximate();
    }
    let gross: f64 = held.iter().zip(COINS).map(|(qty, (_, price, _))| qty.abs() * price).sum();
    let equity = run.tables.equity.last().unwrap().equity.approximate();
    (held, gross / equity)
}

/// Under the restore level by no more than a lot of each, and never over it.
fn assert_restored(leverage: f64, restore: f64, equity: f64, what: &str) {
    let lots = (40_000.0 * 0.001 + 2_000.0 * 0.01 + 80.0 * 0.1) / equity;
    assert!(leverage <= restore + 1e-9 && leverage > restore - 1.01 * lots, "{what}: {leverage} instead of {restore}");
}

const CAP: &str = "[caps]\nleverage = 3.2\nleverage_restore = 2.5";

#[test]
fn a_breach_is_brought_back_once_by_all_together() {
    let coins = ["BTC", "ETH", "SOL"];
    for minutes in [[60, 60, 60], [5, 60, 60], [60, 5, 15]] {
        let folder = tempfile::tempdir().unwrap();
        let tapes: Vec<PathBuf> =
            COINS.into_iter().zip(minutes).map(|(coin, minutes)| tape(folder.path(), coin, minutes)).collect();
        for withdrawn in [270_000, 400_000, 600_000] {
            let what = format!("{minutes:?}, {withdrawn} paid out");
            let equity = f64::from(1_000_000 - withdrawn);
            let (held, leverage) = ends(vec![policy("one", &coins, 800_000, CAP, withdrawn)], &tapes);
            assert_restored(leverage, 2.5, equity, &what);
            // What decides in one input gives up the same part.
            if minutes == [60, 60, 60] {
                let kept: Vec<f64> = held.iter().zip(COINS).map(|(qty, (_, price, _))| qty * price).collect();
                assert!(kept.iter().all(|each| (each / kept[0] - 1.0).abs() < 1e-3), "{what}: {kept:?}");
            }
            let each = coins.iter().enumerate();
            let each = each.map(|(at, coin)| policy(coin, &[coin], 800_000, CAP, if at == 0 { withdrawn } else { 0 }));
            let (of_three, leverage) = ends(each.collect(), &tapes);
            assert_restored(leverage, 2.5, equity, &format!("{what}, a policy each"));
            assert_eq!(of_three, held, "{what}");
        }
    }
}

#[test]
fn policies_in_one_instrument_bring_a_breach_back_together() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = [tape(folder.path(), COINS[0], 60)];
    let three = ["a", "b", "c"].iter().enumerate();
    let three = three.map(|(at, name)| policy(name, &["BTC"], 800_000, CAP, if at == 0 { 400_000 } else { 0 }));
    let (_, leverage) = ends(three.collect(), &tapes);
    assert_restored(leverage, 2.5, 600_000.0, "three in one");
}

#[test]
fn what_states_no_limit_gives_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tapes: Vec<PathBuf> = COINS.into_iter().map(|coin| tape(folder.path(), coin, 60)).collect();
    let policies =
        vec![policy("limited", &["BTC", "ETH"], 800_000, CAP, 400_000), policy("free", &["SOL"], 800_000, "", 0)];
    let (held, leverage) = ends(policies, &tapes);
    assert_restored(leverage, 2.5, 600_000.0, "one without a limit");
    assert!((held[2] - 10_000.0).abs() < 0.2, "{held:?}");
    assert!((held[0] * 40_000.0 - held[1] * 2_000.0).abs() < 45.0, "{held:?}");
}

#[test]
fn a_floor_over_several_instruments_is_restored_once() {
    // 2.4 million is held. Of 700,000 a floor of half leaves five times 350,000 to be held, 2.5 x equity; what is over it comes down to
    // nine tenths of that.
    let floor = "[floor]\nof = \"deposits\"\nshare = \"50%\"\nmultiplier = 5";
    let folder = tempfile::tempdir().unwrap();
    for minutes in [[60, 60, 60], [5, 60, 15]] {
        let tapes: Vec<PathBuf> =
            COINS.into_iter().zip(minutes).map(|(coin, minutes)| tape(folder.path(), coin, minutes)).collect();
        let (_, leverage) = ends(vec![policy("floor", &["BTC", "ETH", "SOL"], 800_000, floor, 300_000)], &tapes);
        assert_restored(leverage, 2.25, 700_000.0, &format!("{minutes:?}"));
    }
}

fn limit(cut: &str) -> String {
    format!("[[limits]]\nname = \"lever\"\nof = \"leverage()\"\nover = 3.2\nrestore = 2.5\ncut = \"{cut}\"")
}

/// An order that is filled an hour later takes something off all the same: nobody else gives that up again, nor does it itself.
#[test]
fn limits_count_what_is_on_its_way_out_as_gone() {
    let coins = ["BTC", "ETH", "SOL"];
    for minutes in [[60, 60, 60], [5, 60, 60], [60, 5, 15]] {
        let folder = tempfile::tempdir().unwrap();
        let tapes: Vec<PathBuf> =
            COINS.into_iter().zip(minutes).map(|(coin, minutes)| tape(folder.path(), coin, minutes)).collect();
        for (cut, withdrawn) in [("cheapest", 270_000), ("cheapest", 600_000), ("alike", 270_000), ("alike", 600_000)] {
            let what = format!("{minutes:?}, {cut}, {withdrawn} paid out");
            let equity = f64::from(1_000_000 - withdrawn);
            let (held, leverage) = ends(vec![policy("one", &coins, 800_000, &limit(cut), withdrawn)], &tapes);
            assert_restored(leverage, 2.5, equity, &what);
            if cut == "alike" {
                let kept: Vec<f64> = held.iter().zip(COINS).map(|(qty, (_, price, _))| qty * price).collect();
                assert!(kept.iter().all(|each| (each / kept[0] - 1.0).abs() < 1e-3), "{what}: {kept:?}");
            }
            let each = coins.iter().enumerate();
            let of = |(at, coin): (usize, &&str)| {
                policy(coin, &[coin], 800_000, &limit(cut), if at == 0 { withdrawn } else { 0 })
            };
            let (_, leverage) = ends(each.map(of).collect(), &tapes);
            assert_restored(leverage, 2.5, equity, &format!("{what}, a policy each"));
        }
    }
}

/// Where all cost the same for what they bring a part of each goes, and each plan says so; while it waits, a plan tells what is left then.
#[test]
fn plans_tell_what_is_on_its_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let tapes: Vec<PathBuf> =
        COINS.into_iter().zip([5, 60, 60]).map(|(coin, minutes)| tape(folder.path(), coin, minutes)).collect();
    let mut policies = vec![policy("one", &["BTC", "ETH", "SOL"], 800_000, &limit("cheapest"), 600_000)];
    policies[0].text = policies[0].text.replace("[backtest]\n", "[backtest]\nimpact = \"20bp\"\n");
    let request = Request { policies, tapes, program: "test".into(), seed: None };
    let run: Run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    common::assert_it_holds(&run);
    let sales = run.tables.fills.iter().filter(|fill| fill.side == "sell");
    let mut sold: Vec<&str> = sales.map(|fill| &*fill.instrument).collect();
    sold.sort_unstable();
    assert_eq!(sold, ["binance:BTCUSDT-PERP", "binance:ETHUSDT-PERP", "binance:SOLUSDT-PERP"], "one sale each");
    let plans = &run.tables.plans;
    let beside = plans.iter().filter(|row| row.because.contains("of which a part goes too"));
    assert!(
        beside.clone().count() == 3 && beside.clone().all(|row| row.because.contains("bp of equity it costs, beside "))
    );
    // 2.4 million over 400,000 is 6: once all is filled it is 2.5, but for what the sales cost.
    let waits: Vec<_> = plans.iter().filter(|row| row.because.contains("on its way out")).collect();
    assert!(!waits.is_empty());
    for row in waits {
        assert!(row.because.starts_with("limit lever: 2.5"), "{}", row.because);
        assert!(row.target <= row.position, "{}", row.because);
    }
}

/// The tape of one coin ends before the breach, so that its order is never filled: for two hours it counts as on its way, as ever. Then it
/// does not, the other gives up what is missing, and plans say why.
#[test]
fn what_nothing_fills_any_more_is_not_on_its_way_out() {
    for (cut, most) in [("alike", 3.2), ("cheapest", 2.5)] {
        let folder = tempfile::tempdir().unwrap();
        let ended = walk(folder.path(), COINS[1], 60, 12 * 60, &mut |price| price);
        let tapes = [tape(folder.path(), COINS[0], 5), ended];
        let each = [("BTC", 600_000), ("ETH", 0)]
            .map(|(coin, withdrawn)| policy(coin, &[coin], 800_000, &limit(cut), withdrawn));
        for policies in [vec![policy("one", &["BTC", "ETH"], 800_000, &limit(cut), 600_000)], each.to_vec()] {
            let what = format!("{cut}, {} policies", policies.len());
            let request =
                Request { policies: policies.clone(), tapes: tapes.to_vec(), program: "test".into(), seed: None };
            let run: Run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
            let said = |row: &&backtest::records::PlanRow| row.because.contains("has on its way out does not count");
            let told = run.tables.plans.iter().filter(said).collect::<Vec<_>>();
            let sentence = "what ETH has on its way out does not count: no price since 2025-01-01T12:00:00Z";
            assert!(!told.is_empty() && told.iter().all(|row| &*row.because == sentence), "{what}: {told:#?}");
            assert!(told.iter().all(|row| row.instrument.contains("BTC")), "{what}");
            assert_eq!(told[0].time.to_string(), "2025-01-01T14:05:00Z", "{what}");
            let (held, leverage) = ends(policies, &tapes);
            assert_eq!(held[1], 400.0, "{what}: nothing fills it");
            assert!(leverage <= most && leverage > 2.4, "{what}: {leverage}");
        }
    }
}

/// A limit on delta in bitcoin that holds once equity is small.
fn delta(over: u32, restore: u32) -> String {
    let level = |level: u32| format!("\"if(equity > 500_000 USDT, 1_000, {level})\"");
    format!(
        "[[limits]]\nname = \"delta\"\nof = \"greeks.delta(BTC)\"\nover = {}\nrestore = {}",
        level(over),
        level(restore)
    )
}

/// What plans say, and when.
fn sentences(run: &Run) -> Vec<String> {
    run.tables.plans.iter().map(|row| format!("{} {} {}", row.time, row.instrument, row.because)).collect()
}

/// Other coins have no part in the delta of one: they stay, whoever states the limit, and plans say so, each once.
#[test]
fn a_limit_on_the_greek_of_a_coin_gives_up_that_coin_alone() {
    let coins = ["ETH", "BTC", "SOL"];
    for minutes in [[60, 60, 60], [60, 5, 15]] {
        let folder = tempfile::tempdir().unwrap();
        let tapes: Vec<PathBuf> =
            COINS.into_iter().zip(minutes).map(|(coin, minutes)| tape(folder.path(), coin, minutes)).collect();
        let limit = delta(15, 12);
        let each = coins.iter().enumerate();
        let each = each.map(|(at, coin)| policy(coin, &[coin], 800_000, &limit, if at == 0 { 600_000 } else { 0 }));
        for policies in [vec![policy("one", &coins, 800_000, &limit, 600_000)], each.collect()] {
            let what = format!("{minutes:?}, {} policies", policies.len());
            let request =
                Request { policies: policies.clone(), tapes: tapes.clone(), program: "test".into(), seed: None };
            let run: Run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
            let told = |sentence: &str| -> Vec<String> {
                let rows = run.tables.plans.iter().filter(|row| row.because.contains(sentence));
                rows.map(|row| row.instrument.to_string()).collect()
            };
            let mut stay = told("limit delta: 20, limit 15: all of it stays, giving it up brings nothing back");
            stay.sort_unstable();
            assert_eq!(stay, ["binance:ETHUSDT-PERP", "binance:SOLUSDT-PERP"], "{what}: {:#?}", sentences(&run));
            assert_eq!(told("preferred to ETH, which brings nothing back"), ["binance:BTCUSDT-PERP"], "{what}");
            assert_eq!(told("limit delta: 20 is over 15: back to 12"), ["binance:BTCUSDT-PERP"], "{what}");
            let (held, _) = ends(policies, &tapes);
            assert_eq!(held, [12.0, 400.0, 10_000.0], "{what}");
        }
    }
}

/// What `next` foresees of a Greek that moves: the coin is brought back to the restore level, the others stay.
#[test]
fn next_foresees_who_is_given_up_for_a_greek() {
    let folder = tempfile::tempdir().unwrap();
    let tapes: Vec<PathBuf> = COINS.into_iter().map(|coin| tape(folder.path(), coin, 60)).collect();
    let limit = "[[limits]]\nname = \"delta\"\nof = \"greeks.delta(BTC)\"\nover = 25\nrestore = 20.5";
    let request = Request {
        policies: vec![policy("one", &["BTC", "ETH", "SOL"], 800_000, limit, 100_000)],
        tapes,
        program: "test".into(),
        seed: None,
    };
    let run: Run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    for (coin, kept) in [("BTC", 0.82), ("ETH", 1.0), ("SOL", 1.0)] {
        let symbol = format!("binance:{coin}USDT-PERP");
        let question = Question { instrument: Some(&symbol), ..Question::default() };
        let foreseen = run.next(&question, &mut |_| ControlFlow::Continue(())).unwrap();
        let breach = foreseen
            .actions
            .iter()
            .find(|action| matches!(&action.trigger, Trigger::Series { value, .. } if (value - 25.0).abs() < 0.01));
        let breach = breach.unwrap_or_else(|| panic!("{coin}: {:#?}", foreseen.actions));
        let share = breach.after.approximate() / breach.before.approximate();
        assert!((share - kept).abs() < 2e-3, "{coin}: {breach:?}");
    }
}

/// A short position makes a delta over its limit smaller: it stays, and the long one gives up all that is too much.
#[test]
fn a_limit_on_a_greek_never_gives_up_what_would_raise_it() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = [tape(folder.path(), COINS[0], 60)];
    for is_first in [false, true] {
        let limit = delta(12, 10);
        let [mut long, mut short] = [("long", 800_000), ("short", 200_000)].map(|(name, notional)| {
            policy(name, &["BTC"], notional, &limit, if (name == "short") == is_first { 600_000 } else { 0 })
        });
        short.text = short.text.replace("strength = 1.0", "strength = -1.0");
        if is_first {
            std::mem::swap(&mut long, &mut short);
        }
        let policies = vec![long, short];
        let request = Request { policies: policies.clone(), tapes: tapes.to_vec(), program: "test".into(), seed: None };
        let run: Run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
        let stays = "limit delta: 15, limit 12: all of it stays, with less of it there would be more to bring back";
        let stay = run.tables.plans.iter().filter(|row| row.because.contains(stays));
        let stay: Vec<(&str, f64)> = stay.map(|row| (&*row.strategy, row.position.approximate())).collect();
        assert_eq!(stay, [("short", -5.0)], "{:#?}", sentences(&run));
        let told = sentences(&run);
        assert!(told.iter().any(|said| said.contains("preferred to BTC, of which less makes it worse")), "{told:#?}");
        let last = |name: &str| {
            let plan = run.tables.plans.iter().rfind(|row| &*row.strategy == name).unwrap();
            plan.target.approximate()
        };
        assert_eq!([last("long"), last("short")], [15.0, -5.0]);
        assert_eq!(ends(policies, &tapes).0[0], 10.0);
    }
}

/// What was sent while a bar ran, at another's or at a payment, was filled at none of its prices but the close. How many were.
fn filled_at_closes(run: &Run, tapes: &[PathBuf]) -> usize {
    let mut bars = BTreeMap::new();
    for tape in tapes {
        let mut reader = tape::TapeReader::open(tape).unwrap();
        let symbol = reader.catalogue().instruments[0].symbol.clone();
        while let Some((_, event)) = reader.next().unwrap() {
            if let market::Event::Bar(bar) = event {
                bars.insert((symbol.clone(), bar.closed), bar);
            }
        }
    }
    let orders = run.tables.orders.iter().filter(|row| &*row.event == "place");
    let sent: BTreeMap<&str, Timestamp> = orders.map(|row| (row.order.as_str(), row.time)).collect();
    let mut late = 0;
    for fill in run.tables.fills.iter().filter(|fill| fill.liquidity == "taker") {
        let (bar, sent) = (bars[&(fill.instrument.to_string(), fill.time)], sent[fill.order.as_str()]);
        if sent > bar.opened {
            assert_eq!(fill.reference, bar.close, "sent at {sent}, filled at {}", fill.time);
            late += 1;
        }
    }
    late
}

/// Random walks in bars of several lengths, some of which end early, under limits that breach again and again: the audit holds, and in
/// builds that check, no strategy is quiet where it would decide something else.
#[test]
fn random_accounts_under_one_limit_hold() {
    let limits = [
        CAP.to_owned(),
        limit("cheapest"),
        limit("alike"),
        "[floor]\nof = \"highest\"\nshare = \"60%\"\nmultiplier = 6".to_owned(),
    ];
    let (mut cuts, mut late) = ([0; 4], 0);
    for seed in 0..u64::from(common::cases(240)) {
        let mut random = Random(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x77);
        let folder = tempfile::tempdir().unwrap();
        let tapes: Vec<PathBuf> = COINS
            .into_iter()
            .map(|coin| {
                let minutes = [5, 15, 60][random.below(3) as usize];
                let until = if random.chance(0.2) { 24 * 60 } else { 2 * 24 * 60 };
                // Of the quiet ones a breach is answered while nothing else happens.
                let width = [0.000_05, 0.002][random.below(2) as usize] * (minutes as f64).sqrt();
                let drift = [-0.000_05, 0.0, 0.000_05][random.below(3) as usize] * minutes as f64;
                let mut next = |open: f64| open * (1.0 + drift + width * (random.below(2_001) as f64 / 1_000.0 - 1.0));
                walk(folder.path(), coin, minutes, until, &mut next)
            })
            .collect();
        let kind = (seed % 4) as usize;
        let coins = ["BTC", "ETH", "SOL"];
        let withdrawn = 100_000 + 100_000 * random.below(5) as u32;
        let together = random.chance(0.6);
        let mut policies = if together {
            vec![policy("one", &coins, 800_000, &limits[kind], withdrawn)]
        } else {
            let each = coins.iter().enumerate();
            let of = |(at, coin): (usize, &&str)| {
                policy(coin, &[coin], 800_000, &limits[kind], if at == 0 { withdrawn } else { 0 })
            };
            each.map(of).collect()
        };
        for policy in &mut policies {
            if random.chance(0.5) {
                policy.text = policy.text.replace("strength = 1.0", "strength = -1.0");
            }
        }
        let request = Request { policies, tapes: tapes.clone(), program: "test".into(), seed: None };
        let run: Run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
        common::assert_it_holds(&run);
        late += filled_at_closes(&run, &tapes);
        cuts[kind] += run.tables.fills.iter().filter(|fill| fill.purpose == "cut").count();
    }
    assert!(cuts.iter().all(|cuts| *cuts > 20) && late > 20, "{cuts:?}, {late} at closes");
}
