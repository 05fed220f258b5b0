//! Conditions of a policy, from its text to the orders of a run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

#[path = "common/tapes.rs"]
mod tapes;

use backtest::{PolicyFile, Request, Run, demo};
use std::ops::ControlFlow;
use std::path::PathBuf;
use tape::{TapeHeader, TapeReader, TapeWriter};
use tapes::beginning;
use units::{Cash, Duration, Qty};

const DAYS: usize = 10;

fn try_run(signal: &str, rest: &str, tapes: Vec<PathBuf>) -> Result<Run, backtest::Error> {
    let text = format!(
        "policy = 1\nname = \"asks\"\ninstrument = \"{}\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n{signal}\n\
         [size]\nkind = \"fixed_fraction\"\nfraction = 3.0\nresize = \"continuous\"\n{rest}\n\
         [backtest]\ndeposit = \"1_000_000 USDT\"\n",
        demo::SYMBOL
    );
    let errors = policy::parse(&text).diagnostics;
    let mut errors = errors.iter().filter(|found| found.is_error());
    assert!(errors.all(|error| error.code == policy::Code::Accounts), "{text}: {errors:?}");
    let request = Request { policies: vec![PolicyFile::new("asks.toml", text)], tapes, ..Request::default() };
    backtest::run(&request, &mut |_| ControlFlow::Continue(()))
}

fn run(signal: &str, rest: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    try_run(signal, rest, beginning(DAYS as i64, folder.path())).unwrap()
}

/// A condition on the price: what is traded is as if the signal had been on only there.
#[test]
fn nothing_is_opened_before_the_condition_holds() {
    let free = run("", "");
    let first = free.tables.fills[0].clone();
    let highest = free.tables.fills.iter().map(|fill| fill.price).max().unwrap();
    let waits = run(&format!("when = \"price > {highest}\""), "");
    let opened = waits.tables.fills.first();
    assert!(
        opened.is_none_or(|fill| fill.time > first.time && fill.price.approximate() > highest.approximate() * 0.999)
    );
    let never = run("when = \"price < 1\"", "");
    assert_eq!(never.tables.fills.len(), 0);
    let always = run("when = \"price > 1 && drawdown < 100%\"", "");
    assert_eq!(always.tables.fills, free.tables.fills, "a condition that always holds changes nothing");
}

/// The venue's own margin holds a position back: it stops growing where the ratio would be passed, though the size asks for more.
#[test]
fn a_fact_of_risk_holds_increases_back() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(DAYS as i64, folder.path());
    let stepped = "[guards]\nmax_order = \"100_000 USDT\"\n";
    let free = try_run("", stepped, tapes.clone()).unwrap();
    let held = |run: &Run| {
        run.tables.fills.iter().filter(|fill| fill.side == "buy").map(|fill| fill.quantity.approximate()).sum::<f64>()
    };
    let capped = try_run("when = \"stress(2025-10-10) < 10%\"", stepped, tapes.clone()).unwrap();
    let (all, some) = (held(&free), held(&capped));
    assert!(some > 0.0 && some < all * 0.9, "{some} of {all}");
    let said = "nothing is opened or added: `signal.when` does not hold: stress(2025-10-10) ";
    let is_told = |because: &str| because.starts_with(said) && because.ends_with(" % is not < 10 %");
    assert!(capped.tables.plans.iter().any(|step| &*step.outcome == "refused" && is_told(&step.because)));

    for (condition, said) in [
        ("margin.ratio(nowhere) < 50%", "there is no account at `nowhere`"),
        ("stress(2025-13-13) < 50%", "there is no stress `2025-13-13`"),
        ("series(dvol.moon, 4d) < 50%", "which no tape has"),
    ] {
        let refused = try_run(&format!("when = \"{condition}\""), "", tapes.clone()).map(|_| ()).unwrap_err();
        let refused = match refused {
            backtest::Error::Policy(found) => found.into_iter().map(|found| found.message).collect(),
            other => other.to_string(),
        };
        assert!(refused.contains(said), "{refused}");
    }
}

/// What is not known is told with its reason: in plans that went without it, and of the run, for as long as it was.
#[test]
fn a_fact_that_is_not_known_says_why_and_how_long() {
    let run = run("when = \"kelly(60d) > 50% || price > 1\"", "");
    let [unknown] = run.record.unknown_facts.as_slice() else { panic!("{:?}", run.record.unknown_facts) };
    let time = |text: &str| text.parse::<units::Timestamp>().unwrap();
    let whole = time(&run.record.last).since(time(&run.record.first));
    // From the first delivery on, which is that of the first bar's opening.
    let more = unknown.seconds - whole.nanos() / 1_000_000_000;
    assert!(unknown.fact == "kelly(60d)" && (0..=300).contains(&more), "{unknown:?} in {whole}");
    assert!(unknown.reason.starts_with("the account has returns of 10 days, and 60 are the fewest"), "{unknown:?}");
    let remedy = "let the tapes begin 60 days before it is to be known, and let rules pass meanwhile \
                  (`!known(kelly(60d)) || …`), for a first entry";
    assert!(unknown.reason.contains(remedy), "{unknown:?}");
    let said = |row: &backtest::records::PlanRow| row.because.starts_with("`kelly(60d)` is not known: the account has");
    let plans = run.tables.plans.chunk_by(|one, other| one.plan == other.plan);
    assert!(
        !run.tables.plans.is_empty() && plans.clone().all(|steps| steps.iter().filter(|row| said(row)).count() == 1)
    );
    let notes = run.summary().integrity.notes;
    assert!(notes.iter().any(|note| note.starts_with("`kelly(60d)`, which is read, was not known for ")), "{notes:?}");
}

/// The same tapes of a coin of another name.
fn renamed(tapes: &[PathBuf], folder: &std::path::Path, other: impl Fn(&str) -> String) -> Vec<PathBuf> {
    let rewritten = |tape: &PathBuf| {
        let out = folder.join(format!("eth-{}", tape.file_name().unwrap().to_str().unwrap()));
        let mut reader = TapeReader::open(tape).unwrap();
        let (mut catalogue, provenance) = (reader.catalogue().clone(), reader.info().provenance.clone());
        for instrument in &mut catalogue.instruments {
            (instrument.symbol, instrument.base) = (other(&instrument.symbol), "ETH".parse().unwrap());
        }
        let mut writer = TapeWriter::create(&out, &TapeHeader { catalogue, provenance }).unwrap();
        while let Some((at, event)) = reader.next().unwrap() {
            writer.push(at, at, &event).unwrap();
        }
        writer.finish().unwrap();
        out
    };
    tapes.iter().map(rewritten).collect()
}

/// What other strategies of the account have ordered at the same instant counts: together they do not lead beyond a limit.
#[test]
fn entries_of_one_instant_fit_a_limit_together() {
    let folder = tempfile::tempdir().unwrap();
    let other = |symbol: &str| symbol.replace("BTC", "ETH");
    let mut tapes = beginning(DAYS as i64, folder.path());
    let eth = renamed(&tapes[..1], folder.path(), other);
    tapes.extend(eth);
    let text = format!(
        "policy = 1\nname = \"both\"\ninstruments = [\"{}\", \"{}\"]\n[allocation]\nmultiplier = 2.0\n[signal]\nkind = \"constant\"\n\
         strength = 1.0\n[size]\nkind = \"fixed_fraction\"\nfraction = 2.0\nresize = \"entry\"\n[[limits]]\nof = \"leverage()\"\n\
         over = 2.5\nrestore = 2.2\n[backtest]\ndeposit = \"1_000_000 USDT\"\n",
        demo::SYMBOL,
        other(demo::SYMBOL)
    );
    let request = Request { policies: vec![PolicyFile::new("both.toml", text)], tapes, ..Request::default() };
    let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    let first = run.tables.fills.first().unwrap().time;
    let opened: f64 = run
        .tables
        .fills
        .iter()
        .filter(|fill| fill.time == first)
        .map(|fill| fill.quantity.approximate() * fill.price.approximate() / 1e6)
        .sum();
    assert!(opened > 2.15 && opened < 2.23, "{opened} × equity, in {} fills", run.tables.fills.len());
    assert!(
        run.tables
            .fills
            .iter()
            .all(|fill| fill.side == "buy" || fill.time > first + Duration::from_nanos(Duration::HOUR.nanos()))
    );
}

/// Nobody knows the margin of a contract whose terms are not there: an increase under a limit on it is refused, not let through.
#[test]
fn what_an_increase_would_make_unknown_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let other = |symbol: &str| symbol.replace("BTC", "ETH").replace("demo:", "binance:");
    let tapes = renamed(&beginning(DAYS as i64, folder.path()), folder.path(), other);
    for limit in [
        "of = \"margin.ratio(binance)\"\nover = \"80%\"\nrestore = \"70%\"",
        "of = \"liquidation.distance()\"\nunder = \"1%\"\nrestore = \"2%\"",
    ] {
        let text = format!(
            "policy = 1\nname = \"asks\"\ninstrument = \"{}\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
             [size]\nkind = \"fixed_fraction\"\nfraction = 1.0\nresize = \"entry\"\n[[limits]]\n{limit}\n\
             [backtest]\ndeposit = \"1_000_000 USDT\"\n",
            other(demo::SYMBOL)
        );
        let request =
            Request { policies: vec![PolicyFile::new("asks.toml", text)], tapes: tapes.clone(), ..Request::default() };
        let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(run.tables.fills.len(), 0, "{limit}");
        let first: Vec<&str> = run.tables.plans.iter().map(|row| &*row.because).collect();
        assert!(
            first
                .iter()
                .any(|because| because
                    .starts_with("limit 1: nobody knows what it would be with more: nothing is opened")),
            "{first:?}"
        );
        assert!(
            first.iter().any(|because| because.contains("is not known: margin by tiers: no terms of")),
            "{first:?}"
        );
    }
}

/// Days enough, on which nothing was earned or lost: the fact says what is missing, and the remedy is another one.
#[test]
fn an_account_that_never_moved_is_told_to_trade_first() {
    let folder = tempfile::tempdir().unwrap();
    // Sixty days are between their midnights; a policy that waits for what only trading tells never trades.
    let tapes = demo::market(7, folder.path()).unwrap();
    let run = try_run("when = \"ruin(50%) < 1% || price < 1\"", "", tapes).unwrap();
    let unknown = &run.record.unknown_facts;
    assert_eq!(run.tables.fills.len(), 0);
    let remedy = "let rules pass meanwhile (`!known(ruin(50%)) || …`)";
    assert!(unknown.len() == 2 && unknown.iter().all(|of| of.reason.contains(remedy)), "{unknown:?}");
    assert!(unknown[1].reason.contains("The account's worth never moved over these days"), "{unknown:?}");
}

/// A rung that waits for a condition goes out at the market once it holds, and once only.
#[test]
fn a_rung_waits_for_its_condition() {
    let stop = "[unit]\nn = \"atr(20, 1h)\"\n[stop]\ninitial = \"50N\"\n";
    let ladder = "[ladder]\nat = [\"campaign.age >= 1d && unrealised > -50%\"]\nfractions = [0.25]\n";
    let run = run("reentry = \"new_signal\"", &format!("{stop}{ladder}"));
    let fills = &run.tables.fills;
    let rungs: Vec<_> = fills.iter().filter(|fill| fill.purpose.starts_with("rung")).collect();
    assert_eq!(rungs.len(), 1, "{fills:?}");
    let waited = rungs[0].time.since(fills[0].time);
    assert!(waited >= Duration::DAY && waited.nanos() < Duration::DAY.nanos() * 11 / 10, "{waited}");
}

/// A limit on a stress, which only the venue's positions tell: the entry itself is cut to the restore level, which nothing held told
/// anything of before, and increases stop there from then on.
#[test]
fn a_limit_on_a_stress_cuts_the_entry_to_its_restore_level() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(DAYS as i64, folder.path());
    let limits = "[[limits]]\nname = \"crash\"\nof = \"stress(2025-10-10)\"\nover = \"10%\"\nrestore = \"8%\"\n";
    let held = |run: &Run| -> Vec<f64> {
        let rows = run.tables.positions.iter().filter(|row| !row.position.is_zero());
        rows.map(|row| row.exposure).collect()
    };
    let free = held(&try_run("", "", tapes.clone()).unwrap());
    let limited = try_run("", limits, tapes).unwrap();
    let cut = limited.tables.plans.iter().find(|step| &*step.rule == "limit" && &*step.outcome == "cut").unwrap();
    assert!(cut.because.starts_with("limit crash: an increase to ") && cut.position.is_zero(), "{cut:?}");
    let told = limited.tables.plans.iter().filter_map(|step| {
        let share = step.because.strip_prefix("the stress costs ")?.split(' ').next()?;
        Some((step.time, step.position, share.parse::<f64>().unwrap()))
    });
    let told: Vec<_> = told.filter(|(_, position, _)| !position.is_zero()).collect();
    // The entry filled within a few basis points of the decision.
    assert!((7.8..8.2).contains(&told[0].2), "{:?}", told[0]);
    assert!(told.iter().all(|(.., share)| *share < 10.5), "{told:?}");
    let most = |all: &[f64]| all.iter().copied().fold(0.0, f64::max);
    assert!(most(&free) > 2.9 && most(&held(&limited)) < 1.0, "{} of {}", most(&held(&limited)), most(&free));
}

/// "A limit of 5, and 8 are held": no order leads beyond a limit, from flat or by an add, whatever action answers a breach. The position
/// after each fill is told by the venue's executions alone.
#[test]
fn no_order_of_ours_leads_beyond_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(DAYS as i64, folder.path());
    let adds = "[unit]\nn = \"of_price(0.2%)\"\n[pyramid]\nunits = 6\nstep = \"0.5N\"\nspacing = \"last_fill\"\n";
    for (of, action, most) in [
        ("leverage()", "reduce", 1.5),
        ("exposure", "reduce", 1.5),
        ("abs(exposure)", "reduce", 1.5),
        ("leverage()", "no_increase", 2.0),
        ("leverage()", "flat", 2.0),
    ] {
        for sections in ["", adds] {
            let limits = format!("[[limits]]\nof = \"{of}\"\nover = 2.0\nrestore = 1.5\naction = \"{action}\"\n");
            let run = try_run("", &format!("{sections}{limits}"), tapes.clone()).unwrap();
            let told = format!("{of} {action} {sections}");
            let (mut held, mut highest) = (0.0_f64, 0.0_f64);
            for fill in &run.tables.fills {
                let signed = fill.quantity.approximate() * if fill.side == "buy" { 1.0 } else { -1.0 };
                held += signed;
                let decided = run.tables.plans.iter().find(|plan| plan.plan == fill.plan).unwrap();
                let leverage = held * decided.price.approximate() / decided.equity.approximate();
                // An add rests at a trigger: it is judged there, by the plan of its own fill.
                let is_add = fill.purpose.starts_with("add");
                if signed > 0.0 && !is_add {
                    assert!(leverage <= most * (1.0 + 1e-6), "{told}: {leverage} by {fill:?}");
                }
                let on_fill = run.tables.plans.iter().find(|plan| plan.input == fill.input && plan.step == 1);
                if let Some(plan) = on_fill.filter(|_| signed > 0.0) {
                    let after = held * plan.price.approximate() / plan.equity.approximate();
                    // Spread, slippage and the way to the next open.
                    assert!(after <= most * 1.01, "{told}: {after} after {fill:?}");
                    highest = highest.max(after);
                }
            }
            assert!(highest > most * 0.9, "{told}: {highest} at most, so that nothing was put to the test");
            let cuts = run.tables.plans.iter().filter(|step| &*step.rule == "limit").count();
            assert!(cuts > 0, "{told}");
        }
    }
}

/// A plan that is made on a fill tells one price: its equity is that of the position at this very price, from the account's own rows.
#[test]
fn equity_and_price_of_a_plan_on_a_fill_are_of_one_moment() {
    let adds = "[unit]\nn = \"of_price(0.2%)\"\n[pyramid]\nunits = 6\nstep = \"0.5N\"\nspacing = \"last_fill\"\n[stop]\ninitial = \"9N\"\n";
    let run = run("reentry = \"at_once\"", adds);
    let tables = &run.tables;
    let mut checked = 0;
    for plan in tables.plans.iter().filter(|plan| plan.step == 1 && plan.because.contains(" filled at ")) {
        let paid_in: Cash = tables.flows.iter().filter(|flow| flow.time <= plan.time).map(|flow| flow.amount).sum();
        let (mut cash, mut held) = (paid_in.notional(), Qty::ZERO);
        for fill in tables.fills.iter().filter(|fill| fill.input <= plan.input) {
            let signed = if fill.side == "buy" { fill.quantity } else { -fill.quantity };
            cash -= fill.price * signed + fill.fee.notional();
            held += signed;
        }
        // What is due at the very time of a bar comes behind its fills.
        let paid = tables.funding.iter().filter(|paid| paid.time < plan.time).map(|paid| paid.amount).sum::<Cash>();
        let equity = (cash + paid.notional() + plan.price * held).cash();
        assert_eq!(equity, plan.equity, "plan {} at {}", plan.plan, plan.price);
        checked += 1;
    }
    assert!(checked > 20, "{checked}");
}

/// What rules were told of losses stands in the run and is read back; the report tests it against what the positions of then made, held
/// still, and against what equity made.
#[test]
fn what_rules_were_told_of_losses_is_tested() {
    let folder = tempfile::tempdir().unwrap();
    let when = "when = \"!known(var(90%, 6h)) || var(90%, 6h) < 50%\"";
    let run = try_run(when, "", beginning(30, folder.path())).unwrap();
    let out = folder.path().join("run");
    run.write(&out, false).unwrap();
    let read = backtest::open(&out).unwrap();
    assert_eq!(read.tables.losses, run.tables.losses);
    let summary = read.page();
    let [path] = summary.losses.as_slice() else { panic!("{}", summary.losses.len()) };
    assert_eq!((path.confidence, path.horizon, path.method.as_str()), (0.9, 6 * Duration::HOUR.nanos(), "filtered"));
    // Thirty changes come before the first figure, and no horizon is left out behind it.
    assert!(path.time.len() > 60 && (30..35).contains(&path.unknown), "{} {}", path.time.len(), path.unknown);
    assert!(path.time.windows(2).all(|pair| pair[1] - pair[0] == path.horizon) && path.holes == 0);
    let (mut breaches, mut traded) = (0, 0);
    for (at, end) in path.time.iter().enumerate() {
        let [(equity, position, mark), (later, _, moved)] = [*end - path.horizon, *end].map(|time| {
            let equity = run.tables.equity.iter().find(|row| row.time.nanos() == time).unwrap();
            let held = run.tables.positions.iter().find(|row| row.time.nanos() == time).unwrap();
            (equity.equity.approximate(), held.position.approximate(), held.mark.approximate())
        });
        let (held, made) = (position * (moved - mark) / equity, later / equity - 1.0);
        assert!((path.held[at] - held).abs() < 1e-12 && (path.made[at] - made).abs() < 1e-12, "{held} {made}");
        assert!(path.expected_shortfall[at] >= path.value_at_risk[at] && path.value_at_risk[at] > 0.0);
        // One strategy, and dollars in the account: its part is all.
        assert!((path.parts[0].shortfall[at] / path.expected_shortfall[at] - 1.0).abs() < 1e-9);
        breaches += u64::from(-held > path.value_at_risk[at]);
        traded += u64::from(-made > path.value_at_risk[at]);
    }
    assert_eq!((path.parts.len(), summary.risk.is_none()), (1, true));
    let [record] = &backtest::report::loss_records(&summary)[..] else { panic!() };
    let [still, as_traded] = &record.tests[..] else { panic!("{:?}", record.tests) };
    assert_eq!((still.periods, still.breaches), (path.time.len() as u64, breaches));
    assert_eq!((as_traded.periods, as_traded.breaches), (path.time.len() as u64, traded));
    let (least, most) = still.accepts.unwrap();
    assert_eq!(still.rejected.contains(&"Kupiec"), !(least..=most).contains(&breaches), "{still:?}");
    assert!((0.0..=1.0).contains(&still.kupiec_power));
    let page = backtest::report::html(&summary);
    assert!(page.contains("As rules were told it: 90 % over 6") && page.contains("Parts in expected shortfall"));
    assert!(!page.contains("method of the report's own"));
}
