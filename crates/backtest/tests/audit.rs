//! The audit: it finds nothing in runs as they were made, and each kind of alteration in runs that were altered.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::print_stdout, reason = "what the random runs covered is worth a line")]

mod common;
#[path = "common/random.rs"]
#[allow(dead_code, reason = "only markets and policies are used here")]
mod random;
#[path = "common/tape.rs"]
mod tape;
#[path = "common/tapes.rs"]
mod tapes;

use backtest::audit::{Audit, audit};
use backtest::records::{FillRow, OrderRow, PlanRow};
use backtest::{PolicyFile, Request, Run};
use common::{Setup, cases};
use market::Event;
use policy::Policy;
use policy::testing::policies;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use units::{Cash, Duration, Price, Qty, Timestamp};

fn audited(folder: &Path) -> Audit {
    audit(folder, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn told(audit: &Audit) -> String {
    let line = |finding: &backtest::audit::Finding| format!("{finding:?}");
    audit.findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Random policies on a random market, run from a tape into a folder. `None`: they do not go together.
fn run_of(policies: &[Policy], seed: u64, bars: usize, folder: &Path) -> Option<Run> {
    let setups: Vec<Setup> = policies.iter().map(|policy| random::setup(policy.clone(), seed)).collect();
    let path = folder.join(format!("{seed}.tape"));
    let reads = |of: &Setup| matches!(of.policy.signal.kind, policy::spec::SignalKind::Series { .. });
    let signed = setups.iter().any(reads);
    common::write_tape(&path, &setups[0].catalogue, &random::market(seed, bars, signed));
    let file = |of: &Setup| PolicyFile::new("random.toml", policy::to_toml(&of.policy));
    let request = Request {
        policies: setups.iter().map(file).collect(),
        tapes: vec![path],
        program: "test".to_owned(),
        seed: None,
    };
    backtest::run(&request, &mut |_| ControlFlow::Continue(())).ok()
}

/// What the run counts otherwise than the audit does. A liquidation within a bar is told without its orders.
fn counted_otherwise(run: &Run, audit: &Audit) -> Option<String> {
    let told = run.record.ambiguous_bars;
    let is_other = told != audit.ambiguous_bars && run.record.scaled.liquidated.is_none();
    is_other.then(|| format!("{told} bars are ambiguous, the audit counts {}", audit.ambiguous_bars))
}

/// Policies and markets of many kinds: whatever the engine did with them holds by the audit's own code, and nothing that the market
/// crossed is unexplained.
#[test]
fn random_runs_hold() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut checks, mut broken) = (BTreeMap::<&str, u64>::new(), Vec::new());
    let (mut runs, mut bars, mut acted, mut refused, mut ambiguous) = (0, 0, 0, 0, 0);
    for seed in 0..u64::from(cases(36)) {
        let policy = policies().new_tree(&mut runner).unwrap().current();
        let home = tempfile::tempdir().unwrap();
        let Some(run) = run_of(&[policy], seed, 400, home.path()) else { continue };
        let folder = home.path().join("run");
        run.write(&folder, false).unwrap();
        let audit = audited(&folder);
        runs += 1;
        bars += audit.bars;
        acted += audit.triggers.acted;
        refused += audit.triggers.refusals();
        for check in &audit.checks {
            *checks.entry(check.check).or_default() += check.made;
        }
        if !audit.is_clean() || audit.triggers.unexplained > 0 {
            broken.push(format!("seed {seed}: {}\n{}", audit.failed(), told(&audit)));
        }
        ambiguous += audit.ambiguous_bars;
        broken.extend(counted_otherwise(&run, &audit).map(|why| format!("seed {seed}: {why}")));
    }
    assert!(broken.is_empty(), "{} of {runs}\n{}\n{checks:?}", broken.len(), broken.join("\n\n"));
    assert!(runs > 20 && acted > 100 && refused > 100, "{runs} runs, {bars} bars, {acted} acted, {refused} refused");
    assert!(ambiguous > 3, "{ambiguous} bars are ambiguous");
    println!("{runs} runs, {bars} bars, {ambiguous} ambiguous, {acted} acted, {refused} refused: {checks:?}");
}

/// Two or three random policies in one instrument, whose opposite orders cross inside the book: the audit holds of them too.
#[test]
fn random_runs_of_several_strategies_hold() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut runs, mut crossed, mut paid, mut ambiguous, mut broken) = (0, 0, 0, 0, Vec::new());
    for seed in 0..u64::from(cases(48)) {
        let mut all: Vec<Policy> =
            (0..2 + seed % 2).map(|_| policies().new_tree(&mut runner).unwrap().current()).collect();
        // One account, one venue.
        let first = all[0].clone();
        for (number, policy) in all.iter_mut().enumerate() {
            policy.name = format!("s{number}");
            (policy.backtest, policy.accounts) = (first.backtest.clone(), first.accounts.clone());
            policy.adopt.clear();
        }
        let home = tempfile::tempdir().unwrap();
        let Some(run) = run_of(&all, seed, 400, home.path()) else { continue };
        let folder = home.path().join("run");
        run.write(&folder, false).unwrap();
        let audit = audited(&folder);
        runs += 1;
        crossed += run.tables.fills.iter().filter(|fill| fill.liquidity == "internal").count();
        paid += run.tables.funding.len();
        if !audit.is_clean() || audit.triggers.unexplained > 0 {
            broken.push(format!("seed {seed}: {}\n{}", audit.failed(), told(&audit)));
        }
        ambiguous += audit.ambiguous_bars;
        broken.extend(counted_otherwise(&run, &audit).map(|why| format!("seed {seed}: {why}")));
    }
    assert!(broken.is_empty(), "{} of {runs}\n{}", broken.len(), broken.join("\n\n"));
    assert!(runs > 20 && crossed > 100 && paid > 20, "{runs} runs, {crossed} fills crossed, {paid} payments");
    assert!(ambiguous > 20, "{ambiguous} bars are ambiguous");
}

/// The demo's policy, with adds that nights and a small open risk refuse.
fn demo_with(more: &[(&str, &str)]) -> String {
    let mut text = backtest::demo::POLICY.to_owned();
    for (from, to) in more {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

/// A run of the demo's market in a folder beside its tapes.
struct Stored {
    home: tempfile::TempDir,
    run: Run,
}

fn stored(policy: &str) -> Stored {
    let home = tempfile::tempdir().unwrap();
    let tapes = backtest::demo::market(7, home.path()).unwrap();
    let policies = vec![PolicyFile::new("demo.toml", policy)];
    let request = Request { policies, tapes, program: "test".to_owned(), seed: Some(7) };
    let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    Stored { home, run }
}

impl Stored {
    fn write(&self, name: &str, run: &Run) -> PathBuf {
        let folder = self.home.path().join(name);
        run.write(&folder, false).unwrap();
        folder
    }

    /// Alters the run, writes it with hashes that fit, and audits it: the checks that failed, and what they said.
    fn failed(&self, name: &str, alter: impl FnOnce(&mut Run)) -> (Vec<&'static str>, String) {
        let mut run = self.run.clone();
        alter(&mut run);
        assert!(run != self.run, "{name} alters nothing");
        let audit = audited(&self.write(name, &run));
        let failed = audit.checks.iter().filter(|check| check.failed > 0).map(|check| check.check).collect();
        (failed, told(&audit))
    }
}

fn place_of<T>(rows: &[T], is_it: impl Fn(&T) -> bool) -> usize {
    rows.iter().position(is_it).expect("the run has such a row")
}

/// Where an order of a purpose is filled that rested over several bars before.
fn filled(run: &Run, purpose: &str) -> (usize, usize) {
    let of_it = |row: &OrderRow| &*row.event == "filled" && row.purpose.starts_with(purpose);
    let rested = |row: &OrderRow| {
        let is_last = |other: &&OrderRow| other.order == row.order && matches!(&*other.event, "place" | "amend");
        let last = run.tables.orders.iter().rfind(is_last);
        last.is_some_and(|last| row.time.since(last.time) > Duration::from_nanos(4 * Duration::HOUR.nanos()))
    };
    let order = place_of(&run.tables.orders, |row| of_it(row) && rested(row));
    let row = &run.tables.orders[order];
    (order, place_of(&run.tables.fills, |fill| fill.order == row.order && fill.time == row.time))
}

fn ids_of(rows: &[PlanRow], plan: u64) -> std::ops::Range<usize> {
    let begin = place_of(rows, |row| row.plan == plan);
    begin..begin + rows[begin..].iter().take_while(|row| row.plan == plan).count()
}

fn cash(text: &str) -> Cash {
    text.parse().unwrap()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

#[test]
fn the_demo_holds() {
    let stored = stored(backtest::demo::POLICY);
    let audit = audited(&stored.write("run", &stored.run));
    assert!(audit.is_clean(), "{}", told(&audit));
    let triggers = &audit.triggers;
    assert_eq!((triggers.acted, triggers.unexplained), (stored.run.record.triggers.acted, 0));
    assert_eq!((audit.bars, audit.overrides.fills), (17_280, 0));
    let limits = audit.caps.iter().map(|cap| (cap.cap.as_str(), cap.worst <= cap.limit)).collect::<Vec<_>>();
    assert_eq!(limits, [("leverage", true), ("drawdown", true)]);
    let held: f64 =
        audit.time.iter().filter(|time| matches!(time.mode.as_str(), "held" | "flat")).map(|time| time.share).sum();
    assert!((held - 1.0).abs() < 1e-9, "a run is held or flat: {held}");
}

/// Two longs of one account's whole equity each have its leverage together, and neither has it alone.
#[test]
fn leverage_is_told_of_the_account_and_not_of_a_position_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, cap: &str| {
        let text = format!(
            "policy = 1\nname = \"{name}\"\ninstrument = \"{}\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
             [size]\nkind = \"fixed_fraction\"\nfraction = 1.0\nresize = \"entry\"\n{cap}",
            backtest::demo::SYMBOL
        );
        PolicyFile::new(name, text)
    };
    let request = Request {
        policies: vec![file("one", "[caps]\nleverage = 3.0\n"), file("other", "")],
        tapes: tapes::beginning(5, folder.path()),
        ..Request::default()
    };
    let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    let out = folder.path().join("run");
    run.write(&out, false).unwrap();
    let audit = audited(&out);
    let worst = |cap: &str| audit.caps.iter().find(|of| of.cap == cap).map(|of| (of.worst, of.at)).unwrap();
    // Quantity × price ÷ equity, by hand from fills and the rows of bars.
    let by_hand = run.tables.equity.iter().map(|row| {
        let held = run.tables.fills.iter().filter(|fill| fill.time <= row.time);
        let coins: f64 =
            held.map(|fill| fill.quantity.approximate() * if fill.side == "buy" { 1.0 } else { -1.0 }).sum();
        let mark = run.tables.positions.iter().find(|of| of.time == row.time).unwrap().mark;
        coins.abs() * mark.approximate() / row.equity.approximate()
    });
    let by_hand = by_hand.fold(0.0, f64::max);
    let (account, position) = (worst("account leverage").0, worst("leverage").0);
    assert!((account - by_hand).abs() < 1e-9 && (1.8..2.5).contains(&account), "{account} {by_hand}");
    assert!((0.9..1.3).contains(&position), "{position}");
}

type Alteration<'a> = (&'a str, &'a str, Box<dyn FnOnce(&mut Run)>);

fn altered<'a>(name: &'a str, check: &'a str, alter: impl FnOnce(&mut Run) + 'static) -> Alteration<'a> {
    (name, check, Box::new(alter))
}

/// Of each kind of alteration, with every hash made anew, the check that is there for it says so.
#[test]
fn every_kind_of_alteration_is_found() {
    let stored = stored(backtest::demo::POLICY);
    let fills = |change: fn(&mut FillRow)| move |run: &mut Run| change(&mut run.tables.fills[20]);
    let alterations = vec![
        altered("a fill is gone", "fill.order", |run| drop(run.tables.fills.remove(20))),
        altered("a fill is twice", "fill.order", |run| {
            let twice = run.tables.fills[20].clone();
            run.tables.fills.insert(20, twice);
        }),
        altered("a fill has another order", "fill.order", fills(|fill| fill.order = "p3-9".to_owned())),
        altered("a fill is a minute later", "fill.order", fills(|fill| fill.time = fill.time + Duration::MINUTE)),
        altered("an exposure is less", "exposure", |run| {
            let at = place_of(&run.tables.equity, |row| row.exposure > 0.1);
            run.tables.equity[at].exposure -= 1e-6;
        }),
        altered("a gross exposure is less", "exposure", |run| {
            let at = place_of(&run.tables.equity, |row| row.gross > 0.1);
            run.tables.equity[at].gross -= 1e-6;
        }),
        altered("the exposure of a position is less", "exposure", |run| {
            let at = place_of(&run.tables.positions, |row| row.exposure > 0.1);
            run.tables.positions[at].exposure -= 1e-6;
        }),
        altered("a drawdown is less", "drawdown", |run| {
            let at = place_of(&run.tables.equity, |row| row.drawdown > 0.01);
            run.tables.equity[at].drawdown -= 1e-3;
        }),
        altered("a drawdown is more", "drawdown", |run| {
            let at = place_of(&run.tables.equity, |row| row.drawdown > 0.01);
            run.tables.equity[at].drawdown += 1e-6;
        }),
        altered("the twin's equity is a last digit more", "twin", |run| {
            let at = run.tables.equity.len() / 2;
            run.tables.equity[at].twin_equity += Cash::from_raw(1);
        }),
        altered("the twin holds more", "twin", |run| {
            let at = place_of(&run.tables.positions, |row| !row.twin_position.is_zero());
            run.tables.positions[at].twin_position += Qty::from_raw(1_000_000);
        }),
        altered("the twin's exposure is less", "twin", |run| {
            let at = place_of(&run.tables.equity, |row| row.twin_exposure > 0.1);
            run.tables.equity[at].twin_exposure -= 1e-6;
        }),
        altered("the twin paid less", "twin", |run| run.record.twin.fees = "1".to_owned()),
        altered("a protective stop waits for nothing", "order.kind", |run| {
            let at = place_of(&run.tables.orders, |row| &*row.event == "place" && &*row.purpose == "stop");
            run.tables.orders[at].kind = "market".into();
        }),
        altered("a stop is a limit, all through", "order.kind", |run| {
            let is_stop = |row: &OrderRow| &*row.event == "place" && &*row.purpose == "stop";
            let order = run.tables.orders[place_of(&run.tables.orders, is_stop)].order.clone();
            for row in run.tables.orders.iter_mut().filter(|row| row.order == order && &*row.event != "filled") {
                (row.kind, row.price, row.trigger) = ("limit".into(), row.trigger, None);
            }
        }),
        altered("an exit is a limit order", "order.kind", |run| {
            let at = place_of(&run.tables.orders, |row| &*row.event == "place" && &*row.purpose == "exit");
            (run.tables.orders[at].kind, run.tables.orders[at].price) = ("limit".into(), Some(price("100000")));
        }),
        altered("a step is of another rule", "plan.rule", |run| {
            let at = place_of(&run.tables.plans, |row| &*row.rule == "vol_target" || &*row.rule == "size");
            run.tables.plans[at].rule = "price_collar".into();
        }),
        altered("a step is of a later rule", "plan.rule", |run| {
            let at = place_of(&run.tables.plans, |row| &*row.rule == "signal");
            run.tables.plans[at].rule = "trim".into();
        }),
        altered("a step has another outcome", "plan.outcome", |run| {
            let at = place_of(&run.tables.plans, |row| &*row.rule == "signal" && &*row.outcome == "set");
            run.tables.plans[at].outcome = "held".into();
        }),
        altered("a step says something else", "plan.sentence", |run| {
            let at = place_of(&run.tables.plans, |row| &*row.rule == "trim");
            run.tables.plans[at].because = "as it was wished".to_owned();
        }),
        altered("a step says another number", "plan.sentence", |run| {
            let at = place_of(&run.tables.plans, |row| row.because.starts_with("target "));
            run.tables.plans[at].because = run.tables.plans[at].because.replacen("target ", "target 9", 1);
        }),
        altered("a plan tells another fill", "plan.sentence", |run| {
            let at = place_of(&run.tables.plans, |row| row.because.contains(" filled at "));
            run.tables.plans[at].because = run.tables.plans[at].because.replace(" filled at ", " filled at 1");
        }),
        altered("a fee is a last digit less", "fill.fee", fills(|fill| fill.fee -= Cash::from_raw(1))),
        altered(
            "a fill is of the other side",
            "fill.order",
            fills(|fill| fill.side = if fill.side == "buy" { "sell" } else { "buy" }.to_owned()),
        ),
        altered("a fill is of another campaign", "campaign", fills(|fill| fill.campaign += 1)),
        altered("a reference is another", "fill.price", fills(|fill| fill.reference += price("0.1"))),
        altered("a price is better in both tables", "fill.price", |run| {
            let (order, fill) = filled(run, "rung");
            run.tables.orders[order].price = run.tables.orders[order].price.map(|at| at + price("10"));
            run.tables.fills[fill].price += price("10");
            run.tables.fills[fill].reference = run.tables.fills[fill].price;
        }),
        altered("a quantity is less in both tables", "position", |run| {
            let (order, fill) = filled(run, "rung");
            let half = |qty: Qty| Qty::from_raw(qty.raw() / 2);
            run.tables.orders[order].quantity = half(run.tables.orders[order].quantity);
            run.tables.fills[fill].quantity = half(run.tables.fills[fill].quantity);
        }),
        altered("an order was never placed", "order.life", |run| {
            let order = run.tables.orders[filled(run, "stop").0].order.clone();
            run.tables.orders.retain(|row| row.order != order || &*row.event != "place");
        }),
        altered("nobody asked an order back", "order.life", |run| {
            let ended = place_of(&run.tables.orders, |row| &*row.reason == "as asked");
            let order = run.tables.orders[ended].order.clone();
            run.tables.orders.retain(|row| row.order != order || &*row.event != "cancel");
        }),
        altered("a stop is moved against the position", "stop.moved", |run| {
            let at = place_of(&run.tables.orders, |row| &*row.event == "amend" && &*row.purpose == "stop");
            let against = price(if &*run.tables.orders[at].side == "sell" { "-5000" } else { "5000" });
            run.tables.orders[at].trigger = run.tables.orders[at].trigger.map(|trigger| trigger + against);
        }),
        altered("a stop is nearer than declared", "stop.level", |run| {
            let at = place_of(&run.tables.orders, |row| &*row.event == "place" && &*row.purpose == "stop");
            let nearer = price(if &*run.tables.orders[at].side == "sell" { "50" } else { "-50" });
            run.tables.orders[at].trigger = run.tables.orders[at].trigger.map(|trigger| trigger + nearer);
        }),
        altered("a stop covers less", "stop.covers", |run| {
            let at = place_of(&run.tables.orders, |row| &*row.event == "place" && &*row.purpose == "stop");
            run.tables.orders[at].quantity = Qty::from_raw(run.tables.orders[at].quantity.raw() / 2);
        }),
        altered("a rung is elsewhere", "rung.level", |run| {
            let at = place_of(&run.tables.orders, |row| &*row.event == "place" && row.purpose.starts_with("rung"));
            run.tables.orders[at].price = run.tables.orders[at].price.map(|at| at + price("25"));
        }),
        altered("a rung takes more", "rung.size", |run| {
            let at = place_of(&run.tables.orders, |row| &*row.event == "place" && row.purpose.starts_with("rung"));
            run.tables.orders[at].quantity = Qty::from_raw(run.tables.orders[at].quantity.raw() * 3);
        }),
        altered("a rung is used twice", "rung.twice", |run| {
            let second = place_of(&run.tables.fills, |fill| fill.purpose == "rung 2");
            let order = run.tables.fills[second].order.clone();
            run.tables.fills[second].purpose = "rung 1".to_owned();
            for row in run.tables.orders.iter_mut().filter(|row| row.order == order) {
                row.purpose = "rung 1".into();
            }
        }),
        altered("a unit is elsewhere", "add.level", |run| {
            let at = place_of(&run.tables.orders, |row| &*row.event == "place" && row.purpose.starts_with("add"));
            run.tables.orders[at].trigger = run.tables.orders[at].trigger.map(|at| at + price("15"));
        }),
        altered("a unit is larger", "add.size", |run| {
            let at = place_of(&run.tables.orders, |row| &*row.event == "place" && row.purpose.starts_with("add"));
            run.tables.orders[at].quantity = Qty::from_raw(run.tables.orders[at].quantity.raw() * 2);
        }),
        altered("two steps are swapped", "plan.chain", |run| {
            let at = place_of(&run.tables.plans, |row| &*row.rule == "vol_target" || &*row.rule == "size");
            let rows = &mut run.tables.plans;
            let [first, second] = [at, at + 1].map(|row| (rows[row].rule.clone(), rows[row].before, rows[row].after));
            (rows[at].rule, rows[at].before, rows[at].after) = second;
            (rows[at + 1].rule, rows[at + 1].before, rows[at + 1].after) = first;
        }),
        altered("a refusal is gone", "record", |run| {
            let at = place_of(&run.tables.plans, |row| &*row.outcome == "refused");
            run.tables.plans.remove(at);
        }),
        altered("a limit raises", "plan.limit", |run| {
            let at = place_of(&run.tables.plans, |row| &*row.outcome == "cut");
            run.tables.plans[at].after = Qty::from_raw(run.tables.plans[at].after.raw() * 100);
        }),
        altered("a target is not what the steps give", "plan.target", |run| {
            let plan = run.tables.plans[place_of(&run.tables.plans, |row| !row.target.is_zero())].plan;
            for row in ids_of(&run.tables.plans, plan) {
                run.tables.plans[row].target = Qty::from_raw(run.tables.plans[row].target.raw() * 4);
            }
        }),
        altered("leverage is over its cap", "cap.leverage", |run| {
            let plan = run.tables.plans[place_of(&run.tables.plans, |row| !row.target.is_zero())].plan;
            for row in ids_of(&run.tables.plans, plan) {
                run.tables.plans[row].target = Qty::from_raw(run.tables.plans[row].target.raw() * 20);
            }
        }),
        altered("an entry is not what was planned", "order.quantity", |run| {
            let at = place_of(&run.tables.orders, |row| &*row.event == "place" && &*row.purpose == "entry");
            run.tables.orders[at].quantity = Qty::from_raw(run.tables.orders[at].quantity.raw() + Qty::ONE);
        }),
        altered("a plan holds something else", "plan.position", |run| {
            for row in ids_of(&run.tables.plans, 100) {
                run.tables.plans[row].position += Qty::from_raw(1);
            }
        }),
        altered("a plan is gone", "plan.number", |run| run.tables.plans.retain(|row| row.plan != 100)),
        altered("an order has no plan", "order.plan", |run| {
            let at = place_of(&run.tables.orders, |row| &*row.event == "place" && &*row.purpose == "entry");
            let plan = run.tables.orders[at].plan;
            run.tables.plans.retain(|row| row.plan != plan);
        }),
        altered("an order sold beyond flat", "order.reduce_only", |run| {
            let order = run.tables.orders[filled(run, "rung").0].order.clone();
            run.tables.orders.iter_mut().filter(|row| row.order == order).for_each(|row| row.reduce_only = false);
        }),
        altered("a stop was crossed and not filled", "order.crossed", |run| {
            let (order, fill) = filled(run, "stop");
            let (id, time) = (run.tables.orders[order].order.clone(), run.tables.orders[order].time);
            run.tables.fills.remove(fill);
            run.tables.orders.retain(|row| row.order != id || row.time != time);
        }),
        altered("a rung was filled before it was reached", "order.not_crossed", |run| {
            let (order, fill) = filled(run, "rung");
            let earlier = run.tables.orders[order].time - Duration::HOUR;
            let row = move_to(&mut run.tables.orders, order, |row| row.time, earlier);
            run.tables.orders[row].time = earlier;
            let row = move_to(&mut run.tables.fills, fill, |row| row.time, earlier);
            run.tables.fills[row].time = earlier;
        }),
        altered("an exit was not sent", "exit.blocked", |run| {
            let at =
                place_of(&run.tables.orders, |row| &*row.event == "place" && matches!(&*row.purpose, "exit" | "cut"));
            let order = run.tables.orders[at].order.clone();
            run.tables.orders.retain(|row| row.order != order);
            run.tables.fills.retain(|row| row.order != order);
        }),
        altered("funding is another", "funding", |run| run.tables.funding[9].amount += Cash::from_raw(1)),
        altered("funding was not paid", "funding", |run| drop(run.tables.funding.remove(9))),
        altered("more was paid in", "equity", |run| run.tables.flows[0].amount += cash("1")),
        altered("equity is another", "equity", |run| run.tables.equity[500].equity += Cash::from_raw(1)),
        altered("a position is another", "position", |run| {
            run.tables.positions[500].position += Qty::from_raw(1);
        }),
        altered("a mark is another", "bars", |run| run.tables.positions[500].mark += price("0.1")),
        altered("a high is another", "bars", |run| run.tables.positions[500].high += price("0.1")),
        altered("a row of positions is gone", "bars", |run| drop(run.tables.positions.remove(500))),
        altered("a campaign earned more", "campaign", |run| run.tables.campaigns[3].profit += cash("1")),
        altered("a campaign's R is another", "campaign", |run| {
            run.tables.campaigns[3].r = run.tables.campaigns[3].r.map(|r| r + 0.01)
        }),
        altered("a campaign was cheaper", "campaign", |run| run.tables.campaigns[3].fees -= cash("1")),
        altered("a campaign is gone", "campaign", |run| drop(run.tables.campaigns.remove(3))),
        altered("times run back", "times", |run| run.tables.equity.swap(10, 11)),
        altered("more triggers were acted on", "record", |run| run.record.triggers.acted += 1),
        altered("the policy had a wider stop", "campaign", |run| {
            let text = run.strategies[0].text.replace("initial = \"3N\"", "initial = \"4N\"");
            run.record.policies[0].hash = blake3::hash(text.as_bytes()).to_hex().to_string();
            run.strategies[0].text = text;
        }),
        altered("the policy was to be flat earlier", "cap.drawdown", |run| {
            let level = "    { at = \"10%\", restore = \"5%\", factor = 0.5 },\n";
            let text = run.strategies[0]
                .text
                .replace(level, "")
                .replace("{ at = \"20%\", restore = \"10%\"", "{ at = \"8%\", restore = \"4%\"");
            run.record.policies[0].hash = blake3::hash(text.as_bytes()).to_hex().to_string();
            run.strategies[0].text = text;
        }),
        altered("the policy had a lower cap", "cap.leverage", |run| {
            let text = run.strategies[0].text.replace("leverage_restore = 2.0", "leverage_restore = 0.5");
            run.record.policies[0].hash = blake3::hash(text.as_bytes()).to_hex().to_string();
            run.strategies[0].text = text;
        }),
    ];
    assert!(alterations.len() >= 40);
    let mut missed = Vec::new();
    for (name, check, alter) in alterations {
        let (failed, told) = stored.failed(name, alter);
        assert!(!failed.contains(&"files"), "{name}: its hashes fit\n{told}");
        if !failed.contains(&check) {
            missed.push(format!("{name}: `{check}` did not fail, but {failed:?}\n{told}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
}

/// Whatever `run.json` says of a run that tables, tapes and the policy give, and each column that they determine: one small alteration of
/// each is found by the check that is there for it, with every hash made anew.
#[test]
fn each_figure_that_is_determined_is_checked() {
    let stored = stored(backtest::demo::POLICY);
    let clean = audited(&stored.write("as it was", &stored.run));
    assert!(clean.is_clean(), "{}", told(&clean));
    let more = |text: &str| (text.parse::<Cash>().unwrap() + Cash::from_raw(1)).to_string();
    let record = |name: &'static str, change: fn(&mut backtest::RunRecord)| {
        altered(name, "record", move |run: &mut Run| change(&mut run.record))
    };
    let configuration = |name: &'static str| {
        altered(name, "record", move |run: &mut Run| {
            let of = run.record.configuration.get_mut(name).unwrap();
            *of = format!("{of}1");
        })
    };
    let money = |name: &'static str, of: fn(&mut backtest::RunRecord) -> &mut String| {
        altered(name, "record", move |run: &mut Run| {
            let of = of(&mut run.record);
            *of = more(of);
        })
    };
    let of_twin = |name: &'static str, of: fn(&mut backtest::Paid) -> &mut String| {
        altered(name, "twin", move |run: &mut Run| {
            let of = of(&mut run.record.twin);
            *of = more(of);
        })
    };
    let order = |name: &'static str, event: &'static str, change: fn(&mut OrderRow)| {
        altered(name, if name.contains("strategy") { "order.life" } else { "order.terms" }, move |run: &mut Run| {
            let orders = &mut run.tables.orders;
            let at = place_of(orders, |row| &*row.event == event && (row.price.is_some() || row.trigger.is_some()));
            change(&mut orders[at]);
        })
    };
    let digit = |price: Option<Price>| price.map(|price| price + Price::from_raw(1));
    let mut alterations = vec![
        record("unexplained", |record| record.triggers.unexplained += 1),
        record("unmet", |record| record.triggers.unmet += 1),
        record("unknown limits", |record| *record.triggers.unknown.as_mut().unwrap() += 1),
        record("acted", |record| record.triggers.acted += 1),
        record("refused", |record| *record.triggers.refused.values_mut().next().unwrap() += 1),
        record("another sentence", |record| {
            let (sentence, times) = record.triggers.refused.pop_first().unwrap();
            let (rule, _) = sentence.split_once(": ").unwrap();
            record.triggers.refused.insert(format!("{rule}: it was late"), times);
        }),
        record("liquidated", |record| record.scaled.liquidated = Some(record.first.clone())),
        record("inputs", |record| record.inputs += 1),
        record("fewer inputs", |record| record.inputs -= 1),
        record("quiet inputs", |record| record.quiet.as_mut().unwrap().inputs = record.inputs + 1),
        record("evaluations", |record| record.quiet.as_mut().unwrap().evaluations = 1),
        record("ambiguous bars", |record| record.ambiguous_bars += 1),
        record("rate", |record| *record.rates.values_mut().next().unwrap() = "1.0001".to_owned()),
        record("no rate", |record| record.rates.clear()),
        record("currency", |record| record.currency = "USDC".to_owned()),
        record("tick", |record| record.instruments[0].tick = "0.2".to_owned()),
        record("lot", |record| record.instruments[0].lot = "0.002".to_owned()),
        record("settle", |record| record.instruments[0].settle = "USDC".to_owned()),
        record("kind", |record| record.instruments[0].kind = "linear_future".to_owned()),
        record("expiry", |record| record.instruments[0].expiry = Some(record.last.clone())),
        record("base", |record| record.instruments[0].base = "ETH".to_owned()),
        record("quote", |record| record.instruments[0].quote = "USD".to_owned()),
        record("rows of a tape", |record| record.tapes[0].rows += 1),
        record("gap", |record| {
            let hole = (record.instruments[0].symbol.clone(), record.first.clone(), record.last.clone());
            record.gaps.push(backtest::GapStamp { instrument: hole.0, from: hole.1, to: hole.2 });
        }),
        record("refused flow", |record| {
            record.refused_flows.push("the withdrawal of 5 USDT was refused: 4 were free".to_owned())
        }),
        record("name", |record| record.policies[0].name.push('x')),
        record("options", |record| record.scaled.options = Some("1".to_owned())),
        record("rejected", |record| record.rejected += 1),
        record("bars", |record| record.bars += 1),
        money("paid in", |record| &mut record.paid_in),
        money("residual", |record| &mut record.residual),
        money("profit", |record| &mut record.profit_adverse_first),
        money("fees", |record| &mut record.scaled.fees),
        money("funding", |record| &mut record.scaled.funding),
        money("slippage", |record| &mut record.scaled.slippage),
        money("traded", |record| &mut record.scaled.traded),
        of_twin("the twin's fees", |paid| &mut paid.fees),
        of_twin("the twin's funding", |paid| &mut paid.funding),
        of_twin("the twin's slippage", |paid| &mut paid.slippage),
        of_twin("what the twin traded", |paid| &mut paid.traded),
        altered("the twin was liquidated", "twin", |run| run.record.twin.liquidated = Some(run.record.last.clone())),
        altered("a fill's account", "account", |run| run.tables.fills[20].account = 1),
        altered("a fill's currency", "account", |run| run.tables.fills[20].currency = "BTC".to_owned()),
        altered("a payment's account", "account", |run| run.tables.funding[9].account = 1),
        altered("a payment's currency", "account", |run| run.tables.funding[9].currency = "BTC".to_owned()),
        altered("a flow's account", "record", |run| run.tables.flows[0].account = 1),
        altered("a flow's currency", "record", |run| run.tables.flows[0].currency = "BTC".to_owned()),
        altered("a flow's reason", "record", |run| run.tables.flows[0].reason = "conversion".to_owned()),
        altered("before a fill", "plan.chain", |run| {
            let is_fill = |row: &PlanRow| row.step == 1 && row.because.contains(" filled at ");
            let at = place_of(&run.tables.plans, is_fill);
            run.tables.plans[at].before += Qty::from_raw(1);
        }),
        altered("after a fill", "plan.chain", |run| {
            let is_fill = |row: &PlanRow| row.step == 1 && row.because.contains(" filled at ");
            let at = place_of(&run.tables.plans, is_fill);
            run.tables.plans[at].after += Qty::from_raw(1);
        }),
        altered("before the first rule", "plan.chain", |run| {
            let at = place_of(&run.tables.plans, |row| row.step == 1 && !row.because.contains(" filled at "));
            run.tables.plans[at].before += Qty::from_raw(1);
        }),
        altered("a best", "campaign", |run| {
            run.tables.campaigns[3].mfe_r = run.tables.campaigns[3].mfe_r.map(|r| r + 1e-6);
        }),
        altered("a worst", "campaign", |run| {
            run.tables.campaigns[3].mae_r = run.tables.campaigns[3].mae_r.map(|r| r - 1e-6);
        }),
        altered("a volatility", "volatility", |run| {
            let at = place_of(&run.tables.positions, |row| row.volatility.is_some());
            run.tables.positions[at].volatility = run.tables.positions[at].volatility.map(|of| of + 1e-9);
        }),
        altered("an exposure of the twin", "twin", |run| {
            let at = place_of(&run.tables.positions, |row| row.twin_exposure > 0.1);
            run.tables.positions[at].twin_exposure -= 1e-6;
        }),
    ];
    alterations.extend(
        ["deposit", "taker_fee", "maker_fee", "half_spread", "slippage", "latency", "liquidation_fee"]
            .map(configuration),
    );
    alterations.extend(["path", "twin_base", "rows"].map(configuration));
    for event in ["accepted", "amended", "triggered", "cancel", "cancelled"] {
        alterations.extend([
            order("a quantity", event, |row| row.quantity += Qty::from_raw(1)),
            order("a strategy", event, |row| row.strategy = "somebody".into()),
        ]);
    }
    for event in ["accepted", "amended", "cancel", "cancelled"] {
        let change = move |row: &mut OrderRow| {
            (row.price, row.trigger) = (digit(row.price), digit(row.trigger));
        };
        alterations.push(altered(event, "order.terms", move |run: &mut Run| {
            let orders = &mut run.tables.orders;
            let at = place_of(orders, |row| &*row.event == event && (row.price.is_some() || row.trigger.is_some()));
            change(&mut orders[at]);
        }));
    }
    let mut missed = Vec::new();
    for (number, (name, check, alter)) in alterations.into_iter().enumerate() {
        let (failed, told) = stored.failed(&format!("{number} {name}"), alter);
        if !failed.contains(&check) {
            missed.push(format!("{name}: `{check}` did not fail, but {failed:?}\n{told}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
}

/// Figures of losses and what came of them are made again from prices and other tables. What is taken on trust is said.
#[test]
fn altered_losses_are_found() {
    let when = "[signal]\nwhen = \"!known(var(95%, 6h)) || var(95%, 6h) < 50%\"\n";
    let stored = stored(&demo_with(&[("[signal]\n", when)]));
    let clean = audited(&stored.write("as it was", &stored.run));
    assert!(clean.is_clean(), "{}", told(&clean));
    let made = |of: &str| clean.checks.iter().find(|check| check.check == of).map_or(0, |check| check.made);
    for of in ["loss.rows", "loss.figures", "loss.told", "loss.ended", "loss.equity", "loss.held", "loss.made"] {
        assert!(made(of) > 100, "{of}: {}", made(of));
    }
    assert!(
        clean.unchecked.iter().any(|of| of.contains("what strategies have in value at risk")),
        "{:?}",
        clean.unchecked
    );
    assert!(!clean.unchecked.iter().any(|of| of.contains("no table has their scenarios")), "{:?}", clean.unchecked);
    // A figure that is known, of an account that held something, whose horizon ended.
    let at = place_of(&stored.run.tables.losses, |row| {
        let is_told = row.value_at_risk.is_some_and(|loss| loss > 0.0);
        row.strategy.is_empty() && is_told && row.held.is_some_and(|held| held != 0.0)
    });
    let alterations = vec![
        altered("a value at risk is less", "loss.figures", move |run| run.tables.losses[at].value_at_risk = Some(1e-4)),
        altered("a shortfall is less", "loss.figures", move |run| run.tables.losses[at].expected_shortfall = Some(0.0)),
        altered("a shortfall is less in both rows", "loss.figures", move |run| {
            run.tables.losses[at..=at + 1].iter_mut().for_each(|row| row.expected_shortfall = Some(0.0));
        }),
        altered("all figures are a millionth less", "loss.told", move |run| {
            run.tables.losses[at..=at + 1].iter_mut().for_each(|row| {
                row.value_at_risk = row.value_at_risk.map(|loss| loss - 1e-6);
                row.expected_shortfall = row.expected_shortfall.map(|loss| loss - 1e-6);
            });
        }),
        altered("equity was a last digit more", "loss.equity", move |run| {
            run.tables.losses[at].equity += Cash::from_raw(1);
        }),
        altered("positions lost less", "loss.held", move |run| {
            run.tables.losses[at].held = run.tables.losses[at].held.map(|held| held + 1e-6);
        }),
        altered("equity made more", "loss.made", move |run| {
            run.tables.losses[at].made = run.tables.losses[at].made.map(|made| made + 1e-6);
        }),
        altered("the horizon ended later", "loss.ended", move |run| {
            let ended = &mut run.tables.losses[at].ended;
            *ended = ended.map(|ended| ended + Duration::from_nanos(6 * Duration::HOUR.nanos()));
        }),
        altered("nothing came of it", "loss.ended", move |run| {
            let row = &mut run.tables.losses[at];
            (row.ended, row.held, row.made) = (None, None, None);
        }),
        altered("an account's row is gone", "loss.rows", move |run| drop(run.tables.losses.remove(at))),
        altered("the last time is gone", "loss.rows", move |run| {
            let last = run.tables.losses.last().map(|row| row.time);
            run.tables.losses.retain(|row| Some(row.time) != last);
        }),
        altered("a figure is there twice", "loss.rows", move |run| {
            let twice = [run.tables.losses[at].clone(), run.tables.losses[at + 1].clone()];
            run.tables.losses.splice(at..at, twice);
        }),
        altered("a part is there twice", "loss.rows", move |run| {
            let twice = run.tables.losses[at + 1].clone();
            run.tables.losses.insert(at + 1, twice);
        }),
        altered("a part is gone", "loss.rows", move |run| drop(run.tables.losses.remove(at + 1))),
        altered("a time is gone", "loss.ended", move |run| {
            let time = run.tables.losses[at].time;
            run.tables.losses.retain(|row| row.time != time);
        }),
    ];
    for (name, check, alter) in alterations {
        let (failed, told) = stored.failed(name, alter);
        assert!(failed.contains(&check) && !failed.contains(&"files"), "{name}: {failed:?}\n{told}");
    }
}

/// Figures by models that are fitted are made again by a fit of the audit's own, and a millionth of equity is found.
#[test]
fn altered_figures_of_models_are_found() {
    for (method, other) in [("garch", "gjr"), ("garch-t", "garch"), ("gjr", "garch"), ("gjr-t", "garch-t")] {
        let when = format!("[signal]\nwhen = \"!known(var(95%, 6h, {method})) || var(95%, 6h, {method}) < 50%\"\n");
        let stored = stored(&demo_with(&[("[signal]\n", &when)]));
        let clean = audited(&stored.write("as it was", &stored.run));
        assert!(clean.is_clean(), "{method}: {}", told(&clean));
        let made = clean.checks.iter().find(|check| check.check == "loss.told").map_or(0, |check| check.made);
        assert!(made > 100, "{method}: {made}");
        println!("{method}: {made} figures made again");
        assert!(!clean.unchecked.iter().any(|of| of.contains("no table has their scenarios")), "{:?}", clean.unchecked);
        // One figure whose position gives it a size, by a millionth of equity; and as if another model had been fitted.
        let at = place_of(&stored.run.tables.losses, |row| {
            row.strategy.is_empty() && row.value_at_risk.is_some_and(|loss| loss > 0.01)
        });
        let (failed, told) = stored.failed("a figure is a millionth off", move |run: &mut Run| {
            run.tables.losses[at..=at + 1].iter_mut().for_each(|row| {
                row.value_at_risk = row.value_at_risk.map(|loss| loss - 1e-6);
                row.expected_shortfall = row.expected_shortfall.map(|loss| loss - 1e-6);
            });
        });
        assert!(failed.contains(&"loss.told"), "{method}: {failed:?}\n{told}");
        let (failed, told) = stored.failed("another model", move |run: &mut Run| {
            run.tables.losses[at..=at + 1].iter_mut().for_each(|row| row.method = other.into());
        });
        assert!(failed.contains(&"loss.told"), "{method} as {other}: {failed:?}\n{told}");
    }
}

/// Caps that are shares of what is traded, under which the demo's campaigns come in pieces and are cut.
#[test]
fn volumes_are_counted_again() {
    let caps =
        "[caps]\nparticipation = \"20bp\"\nexit_time = \"4h\"\nexit_time_restore = \"3h\"\nusual_volume = \"1d\"\n";
    let stored = stored(&demo_with(&[("[caps]\n", caps)]));
    let clean = audited(&stored.write("as it was", &stored.run));
    assert!(clean.is_clean(), "{}", told(&clean));
    let made = |of: &str| clean.checks.iter().find(|check| check.check == of).map_or(0, |check| check.made);
    assert!(made("cap.participation") > 15, "{}", made("cap.participation"));
    assert!(made("cap.exit_time") > 100, "{}", made("cap.exit_time"));
    let said = |rule: &str, outcome: &str| {
        let rows = stored.run.tables.plans.iter();
        rows.filter(|row| &*row.rule == rule && &*row.outcome == outcome).count()
    };
    let (pieces, cuts) = (said("participation_cap", "held"), said("exit_time_cap", "cut"));
    assert!(pieces > 30 && cuts > 3, "{pieces} pieces, {cuts} cuts");
    let lower = |from: &'static str, to: &'static str| {
        move |run: &mut Run| {
            let text = run.strategies[0].text.replace(from, to);
            run.record.policies[0].hash = blake3::hash(text.as_bytes()).to_hex().to_string();
            run.strategies[0].text = text;
        }
    };
    let alterations = vec![
        altered("the policy had a smaller share", "cap.participation", lower("\"20bp\"", "\"5bp\"")),
        altered(
            "the policy had another window",
            "cap.participation",
            lower("\"20bp\"", "\"20bp\"\nparticipation_window = \"15m\""),
        ),
        altered("the policy had less time", "cap.exit_time", lower("\"3h\"", "\"1h\"")),
        altered("a piece is larger", "cap.participation", |run| {
            let at = place_of(&run.tables.plans, |row| &*row.rule == "participation_cap" && &*row.outcome == "held");
            let plan = run.tables.plans[at].plan;
            for row in ids_of(&run.tables.plans, plan) {
                run.tables.plans[row].target = Qty::from_raw(run.tables.plans[row].target.raw() * 2);
            }
        }),
    ];
    for (name, check, alter) in alterations {
        let (failed, told) = stored.failed(name, alter);
        assert!(failed.contains(&check) && !failed.contains(&"files"), "{name}: {failed:?}\n{told}");
    }
}

/// Moves a row to where rows of an earlier time end; gives its new place.
fn move_to<T>(rows: &mut Vec<T>, from: usize, time: impl Fn(&T) -> Timestamp, earlier: Timestamp) -> usize {
    let row = rows.remove(from);
    let at = rows.partition_point(|other| time(other) <= earlier);
    rows.insert(at, row);
    at
}

/// Bytes that are not those that were written are found by their hashes, and a tape by its own.
#[test]
fn altered_bytes_are_found() {
    let stored = stored(backtest::demo::POLICY);
    let folder = stored.write("run", &stored.run);
    for file in ["fills.parquet", "policy.toml"] {
        let path = folder.join(file);
        let whole = std::fs::read(&path).unwrap();
        let mut other = stored.run.clone();
        other.tables.fills[0].purpose = "entry ".to_owned();
        let text = format!("{}\n", stored.run.strategies[0].text);
        if file == "policy.toml" {
            std::fs::write(&path, text).unwrap();
        } else {
            let aside = stored.write("aside", &other);
            std::fs::copy(aside.join(file), &path).unwrap();
        }
        let audit = audited(&folder);
        let named = audit.findings.iter().any(|finding| finding.check == "files" && finding.table == file);
        assert!(named, "{file}: {}", told(&audit));
        std::fs::write(&path, whole).unwrap();
    }
    // A record of which nothing can be read is one finding, and is named.
    let path = folder.join("run.json");
    let whole = std::fs::read(&path).unwrap();
    let mut less: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    less.as_object_mut().unwrap().remove("version");
    for damaged in [vec![0xff, 0xfe, 0x00], less.to_string().into_bytes(), b"{".to_vec()] {
        std::fs::write(&path, damaged).unwrap();
        let audit = audited(&folder);
        assert!(
            !audit.is_clean() && audit.findings.len() == 1 && told(&audit).contains("run.json"),
            "{}",
            told(&audit)
        );
    }
    std::fs::write(&path, whole).unwrap();
    let tape = &stored.run.record.tapes[0].path;
    let other = stored.home.path().join("other.tape");
    tapes::rewrite(tape, &other, |number, _, event| match event {
        Event::Bar(bar) if number == 5_000 => Some(Event::Bar(market::Bar { high: bar.high + price("50"), ..bar })),
        event => Some(event),
    });
    std::fs::copy(&other, tape).unwrap();
    let audit = audited(&folder);
    for check in ["files", "bars"] {
        assert!(audit.findings.iter().any(|finding| finding.check == check), "{check}: {}", told(&audit));
    }
}

/// Adds that nights refuse: a plan that is to say so and does not, is missed.
#[test]
fn a_crossed_unit_that_no_plan_tells_of_is_unexplained() {
    let night = "[trade]\nmin_order = 0.001\n\n[guards]\nblackout = [\"16:00-04:00\"]";
    let stored = stored(&demo_with(&[("[trade]\nmin_order = 0.001", night)]));
    let audit = audited(&stored.write("run", &stored.run));
    assert!(audit.is_clean(), "{}", told(&audit));
    assert!(audit.triggers.refused.get("blackout").is_some_and(|times| *times > 10), "{:?}", audit.triggers);
    assert!(
        audit.time.iter().any(|time| time.mode == "blackout" && (0.45..0.55).contains(&time.share)),
        "{:?}",
        audit.time
    );
    let (failed, told) = stored.failed("silent", |run| {
        for step in run.tables.plans.iter_mut().filter(|step| &*step.rule == "blackout") {
            step.outcome = "held".into();
        }
        run.record.triggers.refused.retain(|sentence, _| !sentence.starts_with("blackout"));
    });
    // Nor is it what the rule does with what it says.
    assert_eq!(failed, ["add.unexplained", "plan.outcome"], "{told}");
}

/// Time in a mode is told, and what a mode forbids is found.
#[test]
fn what_is_sent_against_a_mode_is_found() {
    let modes = "[modes]\nreduce_only = \"drawdown > 2%\"\nrestore_after = \"4h\"\n\n[trade]\nmin_order = 0.001";
    let stored = stored(&demo_with(&[("[trade]\nmin_order = 0.001", modes)]));
    let audit = audited(&stored.write("run", &stored.run));
    assert!(audit.is_clean(), "{}", told(&audit));
    let time = audit.time.iter().find(|time| time.mode == "mode reduce-only").unwrap();
    assert!((0.05..0.95).contains(&time.share), "{time:?}");
    let (failed, told) = stored.failed("an add", |run| {
        let is_add = |row: &OrderRow| &*row.event == "place" && row.purpose.starts_with("add");
        let add = run.tables.orders[place_of(&run.tables.orders, is_add)].plan;
        let step = place_of(&run.tables.plans, |step| step.plan == add);
        run.tables.plans[step].rule = "hold".into();
        run.tables.plans[step].because = "mode hold: as it is said".to_owned();
    });
    assert!(failed.contains(&"plan.mode"), "{failed:?}\n{told}");
}

/// A stop that is watched and crossed, and of which nothing goes out.
#[test]
fn a_watched_stop_that_is_crossed_goes_out() {
    let watched = [("trail = \"6N\"", "trail = \"6N\"\ntrigger = \"synthetic\"")];
    let stored = stored(&demo_with(&watched));
    let audit = audited(&stored.write("run", &stored.run));
    assert!(audit.is_clean(), "{}", told(&audit));
    let (failed, told) = stored.failed("silent", |run| {
        let at = place_of(&run.tables.orders, |row| {
            &*row.event == "place" && &*row.purpose == "stop" && &*row.kind == "market"
        });
        let order = run.tables.orders[at].order.clone();
        run.tables.orders.retain(|row| row.order != order);
        run.tables.fills.retain(|row| row.order != order);
    });
    assert!(failed.contains(&"watched.stop"), "{failed:?}\n{told}");
}

/// An order that nobody planned: it is counted, and what it cost is told in R.
#[test]
fn what_is_done_by_hand_is_counted() {
    let stored = stored(backtest::demo::POLICY);
    let mut run = stored.run.clone();
    let (order, fill) = filled(&run, "rung");
    let id = run.tables.orders[order].order.clone();
    let campaign = run.tables.fills[fill].campaign;
    for row in run.tables.orders.iter_mut().filter(|row| row.order == id) {
        (row.order, row.plan) = ("p0-7".to_owned(), 0);
    }
    (run.tables.fills[fill].order, run.tables.fills[fill].plan) = ("p0-7".to_owned(), 0);
    let audit = audited(&stored.write("by hand", &run));
    assert_eq!((audit.overrides.fills, audit.overrides.winners_cut), (1, 1), "{}", told(&audit));
    let fills = || run.tables.fills.iter().filter(|fill| fill.campaign == campaign);
    let (first, last) = (fills().next().unwrap(), fills().next_back().unwrap());
    let row = run.tables.campaigns.iter().find(|row| row.campaign == campaign).unwrap();
    let sign = if run.tables.fills[fill].side == "buy" { 1.0 } else { -1.0 };
    let entry = fills().filter(|fill| fill.purpose == "entry").map(|fill| fill.quantity.approximate()).sum::<f64>();
    let risk = entry * (first.price - row.initial_stop.unwrap()).abs().approximate();
    let taken = &run.tables.fills[fill];
    let cost = sign * taken.quantity.approximate() * (taken.price - last.price).approximate() / risk;
    assert!((audit.overrides.cost_r - cost).abs() < 1e-9, "{} {cost}", audit.overrides.cost_r);
}

/// Runs policies on the demo's market, and audits them; how many fills crossed inside the book.
fn shared(policies: [String; 2]) -> (Audit, usize) {
    let home = tempfile::tempdir().unwrap();
    let tapes = backtest::demo::market(7, home.path()).unwrap();
    let policies = policies.into_iter().map(|text| PolicyFile::new("shared.toml", text)).collect();
    let request = Request { policies, tapes, program: "test".to_owned(), seed: Some(7) };
    let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    let folder = home.path().join("run");
    run.write(&folder, false).unwrap();
    let audit = audited(&folder);
    assert!(audit.is_clean(), "{}", told(&audit));
    assert!(audit.unchecked.iter().any(|sentence| sentence.contains("share an instrument")));
    (audit, run.tables.fills.iter().filter(|fill| fill.liquidity == "internal").count())
}

/// Two strategies in one instrument, the second always on one side or the other with watched stops.
#[test]
fn strategies_that_share_an_instrument_hold() {
    let text = backtest::demo::POLICY;
    let (begin, end) = (text.find("[signal]").unwrap(), text.find("[unit]").unwrap());
    let signal = "[signal]\nkind = \"momentum\"\nbar = \"1h\"\nlookback = 4\nreentry = \"at_once\"\n\n";
    let other = format!("{}{signal}{}", &text[..begin], &text[end..])
        .replace("name = \"demo-trend\"", "name = \"demo-fast\"")
        .replace("trail = \"6N\"", "trail = \"5N\"\ntrigger = \"synthetic\"");
    // An execution pays for its whole size, whoever's it is.
    let costly =
        |text: &str| format!("{}\n[backtest]\nimpact = \"50bp\"\n", text.split("\n[backtest]").next().unwrap());
    for texts in [[text.to_owned(), other.clone()], [costly(text), costly(&other)]] {
        let (audit, _) = shared(texts);
        assert!(audit.triggers.acted > 60, "{:?}", audit.triggers);
    }
}

/// With no other cost beside fees, what fills cost is impact: value × value × 0.5 % ÷ a million of each execution, and up to a tick. The
/// report tells it as slippage and not as spread, and the audit finds a fill that is a tick too good.
#[test]
fn impact_is_charged_told_and_checked() {
    const COSTS: &str = "\n[backtest]\nhalf_spread = 0\nslippage = 0\n";
    let policy = |more: &str| format!("{}{COSTS}{more}", backtest::demo::POLICY.split("\n[backtest]").next().unwrap());
    let (free, stored) = (stored(&policy("")), stored(&policy("impact = \"50bp\"\n")));
    assert_eq!((&free.run.record.scaled.impact, free.run.record.scaled.slippage.as_str()), (&None, "0"));
    let (run, record) = (&stored.run, &stored.run.record.scaled);
    assert_eq!(record.impact.as_deref(), Some(record.slippage.as_str()));
    assert_eq!(record.impact.as_deref().map(|_| record.liquidated.is_none()), Some(true));
    let tick: f64 = run.record.instruments[0].tick.parse().unwrap();
    let (mut least, mut most, mut takers) = (0.0, 0.0, 0);
    for fill in run.tables.fills.iter().filter(|fill| fill.liquidity == "taker") {
        let value = fill.quantity.approximate() * fill.reference.approximate();
        least += value * value * 0.005 / 1e6;
        most += value * value * 0.005 / 1e6 + fill.quantity.approximate() * tick;
        takers += 1;
    }
    let paid: f64 = record.slippage.parse().unwrap();
    assert!(takers > 20 && least < paid && paid < most, "{takers} fills: {least} {paid} {most}");
    let (spread, slippage) = (run.summary().costs.scaled.spread, run.summary().costs.scaled.slippage);
    assert!(spread == 0.0 && (slippage - paid).abs() < 1e-6, "{spread} {slippage}");
    let audit = audited(&stored.write("kept", run));
    assert!(audit.is_clean(), "{}", told(&audit));
    let (failed, text) = stored.failed("a tick too good", |run| {
        let fill = run.tables.fills.iter_mut().find(|fill| fill.liquidity == "taker").unwrap();
        let tick: Price = run.record.instruments[0].tick.parse().unwrap();
        fill.price = if fill.side == "buy" { fill.price - tick } else { fill.price + tick };
    });
    assert!(failed.contains(&"fill.price") && text.contains("with half spread, slippage and impact is"), "{text}");
}

/// Two strategies that follow volatility, the one quickly and the other slowly: what one sells the other buys.
#[test]
fn what_crosses_inside_the_book_holds() {
    let policy = |name: &str, half_life: &str| {
        format!(
            "policy = 1\nname = \"{name}\"\ninstrument = \"demo:BTCUSDT-PERP\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
             [size]\nkind = \"volatility_target\"\ntarget = \"20%\"\nvolatility = \"ewma({half_life}, 1h)\"\nresize = \"continuous\"\n"
        )
    };
    let (_, crossed) = shared([policy("quick", "1d"), policy("slow", "10d")]);
    assert!(crossed > 20, "{crossed} crossed");
}

/// Two strategies, each hedged in the same contract: what the one hedge sells the other buys, inside the book. Rows tell what each saw when
/// it decided, which is what its plan says.
#[test]
fn hedges_that_cross_inside_the_book_hold() {
    let home = tempfile::tempdir().unwrap();
    let contract =
        |symbol: &str| tape::instrument(symbol, market::InstrumentKind::LinearPerpetual, "BTC", "USDT", "USDT");
    let closes: Vec<f64> = (0..60).map(|hour| 50_000.0 + f64::from(hour % 7) * 20.0).collect();
    let walk = |symbol: &str| tape::Walk::new(contract(symbol), "2026-01-05T00:00:00Z", &closes);
    let sides = |first: f64| -> Vec<(i64, f64)> {
        (1..8).map(|turn| (turn * 8, if turn % 2 == 0 { -first } else { first })).collect()
    };
    let own = walk("binance:BTCUSDT-PERP").telling("signal.a", &sides(1.0)).telling("signal.b", &sides(-1.0));
    let tapes = vec![
        tape::tape(&own, &home.path().join("own.tape")),
        tape::tape(&walk("binance:BTCUSDC-PERP"), &home.path().join("hedge.tape")),
    ];
    let policy = |name: &str, notional: &str| {
        let text = format!(
            "policy = 1\nname = \"{name}\"\ninstrument = \"binance:BTCUSDT-PERP\"\n[signal]\nkind = \"series\"\n\
             series = \"signal.{name}\"\nmax_age = \"30d\"\nreentry = \"at_once\"\n[size]\nkind = \"fixed_notional\"\n\
             notional = \"{notional}\"\n[backtest]\ndeposit = \"1_000_000 USDT\"\n[[hedges]]\n\
             instrument = \"binance:BTCUSDC-PERP\"\nstrategies = [\"{name}\"]\nband = 0.1\n"
        );
        PolicyFile::new(format!("{name}.toml"), text)
    };
    let policies = vec![policy("a", "100_000 USDT"), policy("b", "150_000 USDT")];
    let request = Request { policies, tapes, program: "test".to_owned(), seed: None };
    let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    let is_inside = |fill: &&FillRow| fill.liquidity == "internal" && fill.instrument == "binance:BTCUSDC-PERP";
    assert!(run.tables.fills.iter().filter(is_inside).count() > 5);
    let folder = home.path().join("run");
    run.write(&folder, false).unwrap();
    let audit = audited(&folder);
    assert!(audit.is_clean(), "{}", told(&audit));
    assert!(audit.checks.iter().any(|check| check.check == "hedge.plan" && check.made > 10));
    // What rows tell is held against fills, with a plan and without one.
    type Alter = fn(&mut backtest::records::HedgeRow);
    const SOME: Qty = Qty::from_raw(Qty::ONE / 1_000);
    let alterations: [(&str, bool, Alter); 5] = [
        ("hedge.plan", true, |row| row.position += SOME),
        ("position", false, |row| row.position += SOME),
        ("hedge.delta", true, |row| row.delta += SOME),
        ("hedge.delta", false, |row| row.delta += SOME),
        ("hedge.delta", false, |row| row.gross += SOME),
    ];
    for (at, (check, has_plan, alter)) in alterations.into_iter().enumerate() {
        let mut altered = run.clone();
        let rows = &mut altered.tables.hedges;
        let row = rows.iter_mut().filter(|row| (row.plan > 0) == has_plan).nth(3).unwrap();
        alter(row);
        let folder = home.path().join(format!("altered {at}"));
        altered.write(&folder, false).unwrap();
        let audit = audited(&folder);
        let fails = |of: &backtest::audit::CheckCount| of.check == check && of.failed > 0;
        assert!(audit.checks.iter().any(fails), "{at} {check}: {}", told(&audit));
    }
}
