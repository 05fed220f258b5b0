//! What `next` foresees is what a run then does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/random.rs"]
#[allow(dead_code, reason = "only markets and policies are used here")]
mod random;
#[path = "common/tape.rs"]
mod tape;
#[path = "common/tapes.rs"]
mod tapes;

use backtest::records::PlanRow;
use backtest::{Action, Next, PolicyFile, Question, Request, Run, Trigger, demo};
use common::{Setup, Tick, cases};
use market::{Bar, Event, InstrumentKind, SeriesPoint};
use policy::testing::policies;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use tapes::beginning;
use units::{Duration, Price, Qty, Ratio, SeriesId, Timestamp};

fn run(text: String, tapes: Vec<PathBuf>) -> Run {
    let parsed = policy::parse(&text);
    assert!(parsed.policy.is_some(), "{:?}\n{text}", parsed.diagnostics);
    let request = Request { policies: vec![PolicyFile::new("next.toml", text)], tapes, ..Request::default() };
    backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// A policy of the demo's market with a section of its own.
fn demo_of(sections: &str) -> String {
    format!(
        "policy = 1\nname = \"next\"\ninstrument = \"{}\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n{sections}",
        demo::SYMBOL
    )
}

fn next(run: &Run, at: Timestamp) -> Next {
    run.next(&Question { at: Some(at), ..Question::default() }, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// Two strategies in one instrument share its bars: the next one is as long as for one of them alone.
#[test]
fn strategies_that_share_an_instrument_have_its_bars() {
    let folder = tempfile::tempdir().unwrap();
    let text = |name: &str| {
        let text = demo_of("[size]\nkind = \"fixed_fraction\"\nfraction = 0.5\n");
        PolicyFile::new(name, text.replace("\"next\"", &format!("\"{name}\"")))
    };
    let tapes = beginning(3, folder.path());
    let request = |policies| Request { policies, tapes: tapes.clone(), ..Request::default() };
    let of = |request| backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    let (alone, both) = (of(request(vec![text("one")])), of(request(vec![text("one"), text("other")])));
    let at = alone.tables.equity[alone.tables.equity.len() / 2].time;
    assert_eq!(next(&both, at).bar, next(&alone, at).bar);
}

/// Bars of two instruments of unequal span, of unequal length, and with a hole: the exit by time of each was told to the bar, the bar
/// before it and while it went by.
#[test]
fn the_next_bar_is_as_long_as_the_last_one_of_its_own_instrument() {
    let text = "policy = 1\nname = \"two\"\ninstruments = [\"test:BTC\", \"test:ETH\"]\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
                [unit]\nn = \"atr(5, 1h)\"\n[size]\nkind = \"fixed_fraction\"\nfraction = 0.5\n\
                [stop]\ninitial = \"20N\"\ntime = \"30h\"\ntime_reach = \"50R\"\n";
    let folder = tempfile::tempdir().unwrap();
    let write = |base: &str, (begin, minutes, count): (&str, i64, i64)| {
        let of = tape::instrument(&format!("test:{base}"), InstrumentKind::LinearPerpetual, base, "USDT", "USDT");
        let closes: Vec<f64> = (0..count).map(|number| 1_000.0 + (number % 7) as f64).collect();
        let path = folder.path().join(format!("{base}{minutes}{count}.tape"));
        tape::tape(&tape::Walk::new(of, begin, &closes).of_minutes(minutes), &path)
    };
    let (begin, after) = ("2024-01-01T00:00:00Z", "2024-01-21T00:00:00Z");
    let eth = || write("ETH", (begin, 60, 100));
    let (short, quick) = (write("BTC", (begin, 60, 10)), write("BTC", (begin, 5, 1_200)));
    let with_hole = [write("BTC", (begin, 60, 60)), write("BTC", (after, 60, 50))];
    let alone = text.replace(", \"test:ETH\"", "");
    let worlds = [
        (text, vec![short, eth()], [60, 60]),
        (text, vec![quick, eth()], [5, 60]),
        (alone.as_str(), with_hole.to_vec(), [60, 60]),
    ];
    let mut told = 0;
    for (text, tapes, minutes) in worlds {
        let run = run(text.to_owned(), tapes);
        for (symbol, minutes) in ["test:BTC", "test:ETH"].into_iter().zip(minutes) {
            let exits = |row: &&backtest::records::OrderRow| row.event == "place" && row.purpose == "exit";
            let mut orders = run.tables.orders.iter().filter(|row| row.instrument == symbol);
            let Some(exit) = orders.find(exits).map(|row| row.time) else { continue };
            for before in [minutes, 1] {
                let at = exit - Duration::from_nanos(before * Duration::MINUTE.nanos());
                let question = Question { at: Some(at), instrument: Some(symbol), ..Question::default() };
                let foreseen = run.next(&question, &mut |_| ControlFlow::Continue(())).unwrap();
                assert_eq!(foreseen.bar.nanos(), minutes * Duration::MINUTE.nanos(), "{symbol} {at}");
                let is_exit = |action: &Action| action.trigger == Trigger::Time { at: exit } && action.what == "exit";
                assert!(foreseen.actions.iter().any(is_exit), "{symbol} {at} {exit}\n{:#?}", foreseen.actions);
                told += 1;
            }
        }
    }
    assert_eq!(told, 8, "exits by time, each asked for twice");
}

/// A size that follows the price outside a buffer: the next bar's close is beyond a foreseen price just where the run then resizes.
#[test]
fn a_close_beyond_a_foreseen_price_is_acted_on_and_no_other_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = demo_of(
        "[size]\nkind = \"fixed_fraction\"\nfraction = 2.0\nresize = \"continuous\"\n[trade]\nbuffer = \"0.2%\"\n",
    );
    let run = run(text, beginning(3, folder.path()));
    let rows = &run.tables.equity;
    let (mut beyond, mut inside) = (0, 0);
    for pair in rows.windows(2).skip(20).step_by(7) {
        let (now, then) = (pair[0].time, pair[1].time);
        // What was sent and not yet filled would be answered by the venue in between.
        let is_resting = run.tables.fills.iter().any(|fill| fill.time > now && fill.time <= then);
        if is_resting {
            continue;
        }
        let foreseen = next(&run, now);
        let close = run.tables.positions.iter().find(|row| row.time == then).unwrap().mark;
        let is_beyond = |price: Price| if price > foreseen.price { close >= price } else { close <= price };
        let listed = foreseen.actions.iter().any(|action| {
            matches!(action.trigger, Trigger::Close { price, .. } if is_beyond(price)) && action.what == "resize"
        });
        let acted = run.tables.orders.iter().any(|order| order.time == then && order.event == "place");
        assert_eq!(listed, acted, "from {now} at {} to {close}: {:?}", foreseen.price, foreseen.actions);
        if acted { beyond += 1 } else { inside += 1 }
    }
    assert!(beyond >= 10 && inside >= 10, "{beyond} beyond a foreseen price, {inside} not");
}

/// The demo's policy with stop, units and rungs: every fill of an order that rested was listed before, with its price.
#[test]
fn what_rests_was_listed_before_it_was_filled() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(demo::POLICY.to_owned(), beginning(60, folder.path()));
    let rows = &run.tables.equity;
    let mut seen = 0;
    for fill in run.tables.fills.iter().filter(|fill| fill.liquidity != "internal").take(60) {
        let at = rows[..rows.partition_point(|row| row.time < fill.time)].last();
        let order = run.tables.orders.iter().find(|order| order.order == fill.order && order.event == "place").unwrap();
        let (Some(at), false) = (at, order.kind == "market") else { continue };
        // A bar's fills are told before the bar: the order has to have been there at the bar before.
        if order.time > at.time {
            continue;
        }
        seen += 1;
        let foreseen = next(&run, at.time);
        let listed = foreseen.actions.iter().any(|action| {
            matches!(action.trigger, Trigger::Resting { .. })
                && action.what == *fill.purpose
                && action.before != action.after
        });
        assert!(listed, "{fill:?}\n{:?}", foreseen.actions);
    }
    assert!(seen >= 10, "{seen} fills of resting orders");
}

/// A size that is reckoned by a series and resized at every bar: the level at which it jumps is listed, though the next bar trades anyway.
#[test]
fn a_threshold_that_a_small_trade_hides_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let text = demo_of(
        "[size]\nkind = \"volatility_target\"\ntarget = \"if(series(dvol.demo,4d) > 40%, 20%, 60%)\"\n\
                        volatility = [\"series(dvol.demo,4d)\"]\nresize = \"continuous\"\n",
    );
    let run = run(text, beginning(3, folder.path()));
    let at = run.tables.equity[500].time;
    let foreseen = next(&run, at);
    let mut levels = foreseen.actions.iter().filter_map(|action| match &action.trigger {
        Trigger::Series { value, now, .. } => Some((*now, *value, action)),
        _ => None,
    });
    let jump = levels.find(|(_, value, _)| (value - 0.40).abs() < 1e-4);
    let (now, _, action) = jump.unwrap_or_else(|| panic!("{:#?}", foreseen.actions));
    let shrinks = action.after.approximate() / foreseen.position.approximate();
    assert!((now > 0.40) == (shrinks > 1.5), "from {now}: {action:?}");
}

/// The beginning of the demo's market, whose index stops after thirty hours; and when it told something last.
fn stopped(folder: &tempfile::TempDir) -> (Vec<PathBuf>, Timestamp) {
    let mut tapes = beginning(3, folder.path());
    let cut = folder.path().join("cut.tape");
    let (mut from, mut last) = (Timestamp::MAX, Timestamp::MAX);
    let index = tapes.pop().unwrap();
    tapes::rewrite(&index, &cut, |number, at, event| {
        from = if number == 0 { at } else { from };
        let is_kept = at.since(from).nanos() < 30 * Duration::HOUR.nanos();
        last = if is_kept { at } else { last };
        is_kept.then_some(event)
    });
    tapes.push(cut);
    (tapes, last)
}

/// What plans say, and when.
fn sentences(run: &Run) -> Vec<String> {
    run.tables.plans.iter().map(|row| format!("{} {} {}", row.time, row.outcome, row.because)).collect()
}

/// The plan of the first bar that is too late for a series says so, once, and `next` had it listed.
fn assert_told_once(run: &Run, last: Timestamp, (sentence, outcome, what): (&str, &str, &str)) {
    let bars = &run.tables.equity;
    let late = bars.iter().find(|row| row.time.since(last).nanos() > 26 * Duration::HOUR.nanos()).unwrap().time;
    let told: Vec<&PlanRow> = run.tables.plans.iter().filter(|row| row.because.starts_with(sentence)).collect();
    let [told] = told[..] else { panic!("{told:#?} of {:#?}", sentences(run)) };
    assert_eq!((told.time, &*told.outcome, told.target), (late, outcome, told.position), "{told:?}");
    let foreseen = next(run, last);
    let listed = foreseen.actions.iter().any(|action| {
        action.trigger == Trigger::Time { at: late } && action.because.starts_with(sentence) && action.what == what
    });
    assert!(listed, "{:#?}", foreseen.actions);
}

/// A series stops while something is held under a limit on it: nothing is sold for it.
#[test]
fn what_a_limit_no_longer_knows_is_told_once() {
    let sentence = "limit panic: what it limits is not known: nothing is opened or added";
    for (action, levels) in [("flat", "over = 9.0\nrestore = 8.0"), ("no_increase", "over = 9.0\nrestore = 8.0")] {
        let folder = tempfile::tempdir().unwrap();
        let (tapes, last) = stopped(&folder);
        let text = demo_of(&format!(
            "[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\nresize = \"entry\"\n\
             [[limits]]\nname = \"panic\"\nof = \"series(dvol.demo, 26h)\"\n{levels}\naction = \"{action}\"\n"
        ));
        let run = run(text, tapes);
        common::assert_it_holds(&run);
        assert_eq!(run.tables.fills.len(), 1, "{action}");
        assert_told_once(&run, last, (sentence, "unmet", "refuses"));
    }
}

/// A series stops by which a stop trails: the stop that was placed last stands.
#[test]
fn a_trail_that_is_no_longer_known_is_told_once() {
    for trigger in ["resting", "synthetic"] {
        let folder = tempfile::tempdir().unwrap();
        let (tapes, last) = stopped(&folder);
        let run = run(
            demo_of(&format!(
                "[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\nresize = \"entry\"\n\
                 [unit]\nn = \"atr(2, 1h)\"\n\
                 [stop]\ninitial = \"40N\"\ntrigger = \"{trigger}\"\ntrail = \"if(series(dvol.demo, 26h) > 0, 30N, 30N)\"\n"
            )),
            tapes,
        );
        common::assert_it_holds(&run);
        let stop = |from: Timestamp| {
            let trails = |row: &&PlanRow| row.because.starts_with("stop trails to ") && row.time <= from;
            run.tables.plans.iter().rfind(trails).map(|row| row.because["stop trails to ".len()..].to_owned())
        };
        let stands = stop(Timestamp::MAX).unwrap();
        assert_eq!(stop(last + Duration::from_nanos(26 * Duration::HOUR.nanos())).unwrap(), stands, "{trigger}");
        let sentence = "the trail is not known: the stop is at ";
        let told = run.tables.plans.iter().find(|row| row.because.starts_with(sentence)).unwrap();
        assert!(told.because.starts_with(&format!("{sentence}{stands}: dvol.demo is not known")), "{told:?}");
        assert_told_once(&run, last, (sentence, "held", "keeps the stop"));
    }
}

/// The market's bars without wicks and gaps, of which each moves one thing: the price, or the index, or nothing.
fn one_at_a_time(seed: u64, bars: usize, signed: bool) -> Vec<Tick> {
    let mut random = Random(seed ^ 0x0000_0e7e);
    let (mut last, mut index) = (None, 0.6);
    let mut tick = |tick: Tick| {
        let bar = tick.events.iter().find_map(|event| if let Event::Bar(bar) = event { Some(*bar) } else { None })?;
        let (open, is_first) = (last.unwrap_or(bar.close), last.is_none());
        let what = random.uniform();
        let close = if what < 0.6 { bar.close } else { open };
        last = Some(close);
        let (high, low) = (open.max(close), open.min(close));
        let mut events = vec![Event::Bar(Bar { open, high, low, close, ..bar })];
        if what > 0.8 || is_first {
            index = match signed {
                true => 2.0 * random.uniform() - 1.0,
                false => (index * (0.5 * random.normal()).exp()).clamp(0.05, 2.0),
            };
            let value = Ratio::new((index * 1e4).round() / 1e4).unwrap();
            events.push(Event::Series(SeriesPoint { series: SeriesId(0), value }));
        }
        Some(Tick { at: tick.at, events })
    };
    random::market(seed, bars, signed).into_iter().filter_map(&mut tick).collect()
}

/// What is done: the first order that is sent or moved, all rungs that are taken, else what is refused; which modes begin and end; and what
/// would be held then.
#[derive(Debug, PartialEq)]
struct Done {
    what: String,
    modes: BTreeSet<String>,
    after: Qty,
}

/// The modes that a plan's rows tell to be in force, by their rules.
fn modes_of<'a>(rows: impl Iterator<Item = &'a PlanRow>) -> BTreeMap<&'a str, String> {
    let told = rows.filter_map(|row| {
        let (mode, rest) = row.because.strip_prefix("mode ")?.split_once([' ', ',', ':'])?;
        (!rest.starts_with("ended")).then_some((row.rule.as_str(), mode.to_owned()))
    });
    told.collect()
}

/// The modes that begin and end with the plan of an instant, against the last one before it.
fn modes_changed(run: &Run, at: Timestamp) -> BTreeSet<String> {
    let plans = &run.tables.plans;
    let of = |plan: Option<&PlanRow>| {
        plan.map_or_else(BTreeMap::new, |plan| modes_of(plans.iter().filter(|row| row.plan == plan.plan)))
    };
    let (before, after) = (of(plans.iter().rfind(|row| row.time < at)), of(plans.iter().rfind(|row| row.time == at)));
    if !plans.iter().any(|row| row.time == at) {
        return BTreeSet::new();
    }
    let begun =
        after.iter().filter(|(rule, mode)| before.get(*rule) != Some(*mode)).map(|(_, mode)| format!("{mode} begins"));
    let ended = before.iter().filter(|(rule, _)| !after.contains_key(*rule)).map(|(_, mode)| format!("{mode} ends"));
    begun.chain(ended).collect()
}

impl Done {
    fn of(action: &Action) -> Self {
        let is_of_mode = |part: &&str| part.ends_with(" begins") || part.ends_with(" ends");
        let modes = action.what.split(", ").filter(is_of_mode).map(str::to_owned).collect();
        let what: Vec<&str> = action.what.split(", ").filter(|part| !is_of_mode(part)).collect();
        Self { what: what.join(", "), modes, after: action.after }.without_numbers()
    }

    fn nothing(position: Qty) -> Self {
        Self { what: "nothing".to_owned(), modes: BTreeSet::new(), after: position }
    }

    /// As far as it is compared: where a stop is moved to is of the bar that moves it.
    fn without_numbers(mut self) -> Self {
        if self.what.starts_with("moves the ") {
            self.what = "moves".to_owned();
        }
        self
    }

    /// The same, within the tenth by which a size that follows is told.
    fn is_as(&self, other: &Self, whole: f64) -> bool {
        let follows = |done: &Self| ["nothing", "resize"].contains(&done.what.as_str());
        let (a, b) = (self.after.approximate(), other.after.approximate());
        self.modes == other.modes
            && (self.what == other.what || (follows(self) && follows(other)))
            && (a - b).abs() <= 0.13 * a.abs().max(b.abs()).max(whole) + 0.002
    }

    /// What a run did at an instant.
    fn in_run(run: &Run, at: Timestamp, position: Qty) -> Self {
        let mut orders = run.tables.orders.iter().filter(|row| row.time == at);
        let sent = orders.clone().find(|row| ["place", "amend"].contains(&row.event.as_str()));
        let plans: Vec<_> = run.tables.plans.iter().filter(|row| row.time == at).collect();
        let target = plans.last().map_or(position, |row| row.target);
        let rungs = orders
            .clone()
            .filter(|row| row.event == "place" && row.kind == "market")
            .filter_map(|row| Some((row.purpose.strip_prefix("rung ")?.to_owned(), row.quantity)));
        let rungs: Vec<(String, Qty)> = rungs.collect();
        let taken = rungs.iter().fold(Qty::ZERO, |sum, (_, qty)| sum + *qty);
        let left = if position.signum() < 0 { position + taken } else { position - taken };
        let modes = modes_changed(run, at);
        let done = match sent {
            Some(row) if row.purpose.starts_with("rung ") && rungs.len() > 1 => {
                let numbers: Vec<&str> = rungs.iter().map(|(number, _)| number.as_str()).collect();
                let (last, first) = numbers.split_last().unwrap();
                (format!("rungs {} and {last}", first.join(", ")), left)
            }
            Some(row) if row.purpose.starts_with("rung ") && !rungs.is_empty() => (row.purpose.to_string(), left),
            Some(row) if row.event == "amend" && row.kind == "stop" => ("moves the".to_owned(), position),
            Some(row) if row.event == "amend" => (format!("changes the {}", row.purpose), position),
            Some(row) => (row.purpose.to_string(), target),
            None if orders.any(|row| row.event == "cancel") => ("takes an order back".to_owned(), target),
            None if !modes.is_empty() => (String::new(), target),
            None if plans.iter().any(|row| ["refused", "unmet"].contains(&row.outcome.as_str())) => {
                ("refuses".to_owned(), target)
            }
            None => return Self::nothing(position),
        };
        let what = if done.0 == "moves the" { "moves the ".to_owned() } else { done.0 };
        Self { what, modes, after: done.1 }.without_numbers()
    }
}

/// What is listed for the next bar that closes at a price, or with a value of the series. `None`: further out than is told.
fn listed(foreseen: &Next, closes: Timestamp, close: Price, index: Option<f64>) -> Option<Done> {
    let is_anyway = |action: &&Action| match &action.trigger {
        Trigger::Time { at } => *at == closes,
        Trigger::Series { now, value, .. } => index.is_some() && now == value,
        _ => false,
    };
    let anyway = foreseen.actions.iter().rfind(is_anyway);
    let anyway = anyway.map_or(Done::nothing(foreseen.position), Done::of);
    let mut crossed: Vec<(f64, &Action)> = Vec::new();
    for action in &foreseen.actions {
        match &action.trigger {
            Trigger::Close { price, at } if *at == closes => {
                let (to, level) = ((close - foreseen.price).raw(), (*price - foreseen.price).raw());
                if to.signum() == level.signum() && to.abs() >= level.abs() {
                    crossed.push((level.abs() as f64, action));
                }
            }
            Trigger::Series { now, value, .. } if index.is_some() => {
                let (to, level) = (index? - now, value - now);
                // As near as a level is found, or further than is looked.
                if (to - level).abs() < 2e-4 * now.abs().max(0.5) || to > 9.0 * now.abs().max(0.5) {
                    return None;
                }
                if to * level > 0.0 && to.abs() >= level.abs() {
                    crossed.push((level.abs(), action));
                }
            }
            _ => {}
        }
    }
    if crossed.len() >= 12 {
        return None;
    }
    let last = crossed.iter().max_by(|a, b| a.0.total_cmp(&b.0));
    Some(last.map_or(anyway, |(_, action)| Done::of(action)))
}

/// Each fill of an order that was there before was listed: as on its way, or as resting where the bar then was. And all that was on its way
/// is answered. How many fills there were.
fn as_foreseen(run: &Run, foreseen: &Next, (now, then): (&Tick, &Tick)) -> usize {
    let Event::Bar(bar) = &then.events[0] else { panic!("{:?}", then.events) };
    let is_between = |time: Timestamp| time > now.at && time <= then.at;
    // What a fill within the bar moves or lowers is another order than the one that was foreseen.
    let was_there = |order: &str| {
        let mut rows = run.tables.orders.iter().filter(|row| row.order == order);
        rows.clone().any(|row| row.event == "place" && row.time <= now.at)
            && !rows.any(|row| row.event == "amend" && is_between(row.time))
    };
    let mut seen = 0;
    for fill in run.tables.fills.iter().filter(|fill| is_between(fill.time) && was_there(&fill.order)) {
        let is_on_its_way = foreseen.on_their_way.iter().any(|order| order.order == fill.order);
        let rested = foreseen.actions.iter().any(|action| {
            matches!(action.trigger, Trigger::Resting { price } if (bar.low..=bar.high).contains(&price) && price != foreseen.price)
                && action.what == *fill.purpose
        });
        assert!(is_on_its_way || rested, "{fill:?}, {} to {}\n{foreseen:#?}", foreseen.price, bar.close);
        assert!(!(is_on_its_way && rested), "{fill:?}\n{foreseen:#?}");
        seen += 1;
    }
    let ends = |event: &str| ["filled", "cancelled", "rejected"].contains(&event);
    for order in &foreseen.on_their_way {
        let is_answered =
            run.tables.orders.iter().any(|row| row.order == order.order && is_between(row.time) && ends(&row.event));
        assert!(is_answered, "{order:?}, {} to {}\n{foreseen:#?}", foreseen.price, bar.close);
    }
    seen
}

/// Random policies on markets of which each bar moves one thing: what is done at a bar was listed the bar before, with the size that
/// follows, and what was listed and is crossed is done.
#[test]
fn what_fires_was_listed_and_what_is_crossed_is_done() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[8; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut asked, mut by_price, mut by_series, mut wrong) = (0, 0, 0, Vec::new());
    let (mut fills, mut at_once, mut in_modes, mut in_rungs) = (0, 0, 0, 0);
    for seed in 0..u64::from(cases(60)) {
        let mut policy = policies().new_tree(&mut runner).unwrap().current();
        // What will have been traded by then nobody supposes.
        policy.caps.participation = None;
        let Setup { policy, catalogue } = random::setup(policy, seed);
        let signed = matches!(policy.signal.kind, policy::spec::SignalKind::Series { .. });
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("random.tape");
        let market = one_at_a_time(seed, 240, signed);
        common::write_tape(&path, &catalogue, &market);
        let request = Request {
            policies: vec![PolicyFile::new("random.toml", policy::to_toml(&policy))],
            tapes: vec![path],
            ..Request::default()
        };
        let Ok(run) = backtest::run(&request, &mut |_| ControlFlow::Continue(())) else { continue };
        let mut random = Random(seed);
        for pair in market[60..].windows(2) {
            let (now, then) = (&pair[0], &pair[1]);
            // Every bar at which something is done, and some of the others.
            if !run.tables.plans.iter().any(|row| row.time == then.at) && !random.chance(0.04) {
                continue;
            }
            let is_between = |time: Timestamp| time > now.at && time <= then.at;
            if run.tables.fills.iter().any(|fill| is_between(fill.time)) && random.chance(0.5) {
                let foreseen = next(&run, now.at);
                fills += as_foreseen(&run, &foreseen, (now, then));
                at_once += foreseen.on_their_way.iter().filter(|order| order.kind != "market").count();
            }
            // What the venue says in between changes what is decided on.
            let ends = |event: &str| ["cancelled", "rejected", "triggered"].contains(&event);
            if run.tables.fills.iter().any(|fill| is_between(fill.time))
                || run.tables.orders.iter().any(|row| ends(&row.event) && is_between(row.time))
            {
                continue;
            }
            let bar = |tick: &Tick| match &tick.events[0] {
                Event::Bar(bar) => *bar,
                other => panic!("{other:?}"),
            };
            let index = then.events.iter().find_map(|event| match event {
                Event::Series(point) => Some(point.value.get()),
                _ => None,
            });
            let moved = bar(then).close.approximate() / bar(now).close.approximate() - 1.0;
            if moved.abs() > 0.29 {
                continue;
            }
            let foreseen = next(&run, now.at);
            if !foreseen.on_their_way.is_empty() {
                continue;
            }
            fills += as_foreseen(&run, &foreseen, (now, then));
            let Some(listed) = listed(&foreseen, then.at, bar(then).close, index) else { continue };
            let done = Done::in_run(&run, then.at, foreseen.position);
            asked += 1;
            if done.what != "nothing" {
                by_price += u32::from(moved != 0.0);
                by_series += u32::from(index.is_some());
            }
            in_modes += done.modes.len();
            in_rungs += u32::from(done.what.starts_with("rung"));
            // Sizes are measured by what would be held anyway, else by the largest.
            let of_now = |action: &&Action| match &action.trigger {
                Trigger::Time { at } => *at == then.at,
                Trigger::Series { now, value, .. } => now == value,
                _ => false,
            };
            let anyway = foreseen.actions.iter().filter(of_now).map(|action| action.after.abs());
            let anyway = anyway.max().unwrap_or_default().max(foreseen.position.abs());
            let largest = foreseen.actions.iter().map(|action| action.after.abs()).max().unwrap_or_default();
            let whole = if anyway.is_zero() { largest } else { anyway }.approximate();
            if !done.is_as(&listed, whole) {
                wrong.push(format!(
                    "seed {seed} {} to {} {index:?}: did {done:?}, listed {listed:?}\n{:#?}\n{}",
                    foreseen.price,
                    bar(then).close,
                    foreseen.actions,
                    policy::to_toml(&policy)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(
        asked > 500 && by_price > 100 && by_series > 40,
        "{asked} asked, {by_price} by price, {by_series} by series"
    );
    assert!(
        fills > 60 && at_once > 5 && in_modes > 8 && in_rungs > 5,
        "{fills} fills, {at_once} at once, {in_modes} changes of mode, {in_rungs} rungs"
    );
}

/// What if the market did what it then did: the plan that the run then made. And at four times the equity the venue's liquidation, where a
/// bar goes there, is what the exchange does; nothing of a tick before it.
#[test]
fn what_if_is_what_the_run_does_then() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(
        demo_of(
            "[size]\nkind = \"fixed_fraction\"\nfraction = 4.0\nresize = \"continuous\"\n[trade]\nbuffer = \"0.2%\"\n",
        ),
        beginning(3, folder.path()),
    );
    let ask = |at, what_if: &[(String, f64)]| {
        run.next(&Question { at: Some(at), what_if, ..Question::default() }, &mut |_| ControlFlow::Continue(()))
    };
    let rows = &run.tables.equity;
    let mut planned = 0;
    for pair in rows.windows(2).skip(20).step_by(31) {
        let (now, then) = (pair[0].time, pair[1].time);
        let close = run.tables.positions.iter().find(|row| row.time == then).unwrap().mark;
        let supposed = ask(now, &[("price".to_owned(), close.approximate())]).unwrap();
        let made = run.tables.plans.iter().rfind(|row| row.time == then);
        let plans = supposed.what_if.unwrap().plans;
        // A bar of the tape has wicks and a gap of its own, but nothing of this policy looks at them.
        assert_eq!(plans.last().map(|plan| plan.target), made.map(|row| row.target), "{now}");
        planned += u32::from(made.is_some());
    }
    assert!(planned >= 5, "{planned} plans");
    let at = rows[40].time;
    let foreseen = ask(at, &[]).unwrap();
    let is_liquidation = |action: &&Action| matches!(action.trigger, Trigger::Liquidation { .. });
    let Some(Action { trigger: Trigger::Liquidation { price }, .. }) = foreseen.actions.iter().find(is_liquidation)
    else {
        panic!("{:?}", foreseen.actions);
    };
    let liquidated = |price: f64| {
        let fills = ask(at, &[("price".to_owned(), price)]).unwrap().what_if.unwrap().fills;
        fills.iter().any(|fill| fill.purpose == "liquidation")
    };
    assert!(liquidated(price.approximate() - 0.1) && !liquidated(price.approximate() + 0.1), "{price}");
    let said = ask(at, &[("iv.atm".to_owned(), 0.5)]).unwrap_err().to_string();
    assert!(said.contains("`iv.atm=0.5`: the policy decides by `price`"), "{said}");
}

/// What if the policy said something else: the same said again changes nothing, a cap cuts to what it bears, a stop moves, and what only a
/// backtest can tell is refused.
#[test]
fn what_if_the_policy_said_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let sections = "[unit]\nn = \"of_price(1%)\"\n[size]\nkind = \"fixed_fraction\"\nfraction = 2.0\nresize = \"entry\"\n\
                    [stop]\ninitial = \"9N\"\n\
                    [caps]\nleverage = 8.0\n";
    let run = run(demo_of(sections), beginning(3, folder.path()));
    let ask = |set: &[(&str, &str)], what_if: &[(String, f64)]| {
        let set: Vec<(String, String)> =
            set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let question = Question { at: Some(run.tables.equity[300].time), what_if, set: &set, ..Question::default() };
        run.next(&question, &mut |_| ControlFlow::Continue(()))
    };
    let now = ask(&[], &[]).unwrap();
    assert!(!now.position.is_zero());
    let unmoved = ask(&[], &[("price".to_owned(), now.price.approximate())]).unwrap();
    let same = ask(&[("caps.leverage", "8.0")], &[]).unwrap();
    assert_eq!(same.actions, unmoved.actions);
    assert_eq!(same.what_if.as_ref().unwrap().plans, unmoved.what_if.unwrap().plans);
    let cut = ask(&[("caps.leverage", "0.5")], &[]).unwrap();
    let plan = &cut.what_if.as_ref().unwrap().plans[0];
    let most = 0.5 * plan.equity.approximate() / plan.price.approximate();
    let target = plan.target.approximate();
    assert!(target <= most && target > most - 0.002, "{target} of {most}");
    // The stop moves only in favour: to 5 N from the entry, each of a hundredth of it.
    let closer = ask(&[("stop.initial", "5N")], &[]).unwrap();
    let stop = |next: &Next| {
        next.actions.iter().find_map(|action| match action.trigger {
            Trigger::Resting { price } if action.what == "stop" => Some(price.approximate()),
            _ => None,
        })
    };
    let (wide, near) = (stop(&now).unwrap(), stop(&closer).unwrap());
    let entry = wide / 0.91;
    assert!((near / entry - 0.95).abs() < 1e-3, "{wide} {near}");
    for (set, wanted) in [
        (("signal.strength", "-1"), ""),
        (("signal.kind", "ema_cross"), "with `--set` the policy is refused"),
        (("size.fraction", "much"), "with `--set` the policy is refused"),
        (("caps.drawdown", "[{ at = \"10%\", restore = \"5%\", factor = 0.0 }]"), "adds or takes out a rule"),
        (("unit.n", "of_price(2%)"), "changes the unit N"),
        (("backtest.deposit", "5"), "changes what the backtest assumes"),
        (("nothing", "1"), "with `--set` the policy is refused"),
    ] {
        match ask(&[set], &[]) {
            Ok(_) => assert!(wanted.is_empty(), "{set:?}"),
            Err(error) => assert!(!wanted.is_empty() && error.to_string().contains(wanted), "{set:?}: {error}"),
        }
    }
}

/// A run is foreseen at its own instants only, and from its own tapes.
#[test]
fn what_cannot_be_foreseen_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(3, folder.path());
    let run = run(demo::POLICY.to_owned(), tapes.clone());
    let ask = |question: Question<'_>| run.next(&question, &mut |_| ControlFlow::Continue(()));
    let at = |text: &str| ask(Question { at: Some(text.parse().unwrap()), ..Question::default() });
    assert!(at("2031-01-01").unwrap_err().to_string().contains("outside"), "{:?}", at("2031-01-01"));
    let said = ask(Question { strategy: Some("nobody"), ..Question::default() }).unwrap_err().to_string();
    assert!(said.contains("no such strategy"), "{said}");
    std::fs::write(&tapes[0], b"another").unwrap();
    let said = ask(Question::default()).unwrap_err().to_string();
    assert!(said.contains("is not the tape"), "{said}");
}
