//! What keeps a run from being evidence is said beside its figures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

#[path = "common/tapes.rs"]
mod tapes;

use backtest::records::CampaignRow;
use backtest::{Next, PolicyFile, Question, Request, Run, Trigger, demo};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tape::{TapeHeader, TapeReader, TapeWriter};
use tapes::beginning;
use units::Duration;

fn run(size: &str, tapes: Vec<PathBuf>) -> Run {
    let text = format!(
        "policy = 1\nname = \"held\"\ninstrument = \"{}\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n{size}\n\
         [backtest]\ndeposit = \"1_000_000 USDT\"\n",
        demo::SYMBOL
    );
    let request = Request { policies: vec![PolicyFile::new("held.toml", text)], tapes, ..Request::default() };
    backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap()
}

const HALF: &str = "[size]\nkind = \"fixed_fraction\"\nfraction = 0.5\n";

#[test]
fn a_perpetual_without_funding_rates_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(3, folder.path());
    assert_eq!(run(HALF, tapes.clone()).summary().integrity.notes, Vec::<String>::new());
    let notes = run(HALF, vec![tapes[0].clone()]).summary().integrity.notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("`demo:BTCUSDT-PERP` was held for 2 d 23 h without funding: "), "{notes:?}");
}

#[test]
fn of_many_perpetuals_without_funding_three_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = run(HALF, vec![beginning(3, folder.path())[0].clone()]);
    let (known, campaign) = (run.record.instruments[0].clone(), run.tables.campaigns[0].clone());
    for other in 1..=9 {
        let symbol = format!("demo:COIN{other}USDT-PERP");
        let mut stamp = known.clone();
        stamp.symbol.clone_from(&symbol);
        run.record.instruments.push(stamp);
        // An hour less each, in two campaigns that overlap by an hour and count once.
        let close = |hours: i64| Some(campaign.opened + Duration::from_nanos(hours * Duration::HOUR.nanos()));
        for (opened, closed) in [(campaign.opened, close(20)), (close(19).unwrap(), close(71 - other))] {
            let row = campaign.clone();
            run.tables.campaigns.push(CampaignRow { instrument: symbol.clone(), opened, closed, ..row });
        }
    }
    assert_eq!(
        run.summary().integrity.notes,
        ["`demo:BTCUSDT-PERP`, `demo:COIN1USDT-PERP`, `demo:COIN2USDT-PERP` and 7 more were held for up to 2 d 23 h \
          without funding: no tape has their rates, so their cost is missing"]
    );
}

#[test]
fn a_perpetual_whose_funding_begins_late_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = run(HALF, beginning(3, folder.path()));
    let opened = run.tables.campaigns[0].opened;
    let late = |hours: i64| opened + Duration::from_nanos(hours * Duration::HOUR.nanos());
    // One missing payment is no proof: a rate may have been told late.
    run.tables.funding.retain(|row| row.time > late(8));
    assert_eq!(run.summary().integrity.notes, Vec::<String>::new());
    run.tables.funding.retain(|row| row.time > late(30));
    let notes = run.summary().integrity.notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("`demo:BTCUSDT-PERP` was held for 1 d 7 h before its first funding: "), "{notes:?}");
}

#[test]
fn money_that_did_not_move_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = run(HALF, beginning(1, folder.path()));
    let refused = |number: i32| format!("the withdrawal of {number} USDT was refused");
    run.record.refused_flows = (0..4).map(refused).collect();
    assert_eq!(run.summary().integrity.notes, (0..4).map(refused).collect::<Vec<_>>());
    run.record.refused_flows = (0..9).map(refused).collect();
    let notes = run.summary().integrity.notes;
    assert_eq!(notes[..3], (0..3).map(refused).collect::<Vec<_>>());
    assert_eq!(notes[3..], ["6 more movements of money were refused"]);
}

#[test]
fn a_run_that_traded_nothing_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(1, folder.path());
    // A unit of 20 days is never known in one.
    let size =
        "[size]\nkind = \"risk_per_trade\"\nrisk = \"1%\"\n[unit]\nn = \"atr(20, 1d)\"\n[stop]\ninitial = \"2N\"\n";
    let notes = run(size, tapes).summary().integrity.notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("nothing was traded in 289 bars"), "{notes:?}");
    assert!(notes[0].contains("volatility unit N is not known yet"), "{notes:?}");
}

#[test]
fn the_most_frequent_refusal_is_told_with_the_numbers_of_the_last_time() {
    let folder = tempfile::tempdir().unwrap();
    let size =
        "[size]\nkind = \"risk_per_trade\"\nrisk = \"1%\"\n[unit]\nn = \"atr(20, 1d)\"\n[stop]\ninitial = \"2N\"\n";
    let mut run = run(size, beginning(1, folder.path()));
    let row = run.tables.plans.iter().find(|row| *row.outcome == *"refused").unwrap().clone();
    for said in ["3 of 9 are not quoted", "5 of 9 are not quoted", "5 of 9 are crossed"] {
        run.tables.plans.push(backtest::records::PlanRow { because: said.into(), ..row.clone() });
    }
    run.record.triggers.refused =
        [(format!("{}: … of … are not quoted", row.rule), 2), (format!("{}: … of … are crossed", row.rule), 1)].into();
    let notes = run.summary().integrity.notes;
    let told = format!("most often refused, 2 times, the last time: {}: 5 of 9 are not quoted", row.rule);
    assert!(notes[0].ends_with(&told), "{notes:?}");
}

#[test]
fn orders_that_the_venue_took_back_for_margin_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(1, folder.path());
    // 100,000,000 at 100 times equity: the tiers of margin allow far less.
    let run = run(&HALF.replace("0.5", "100.0"), tapes);
    let notes = run.summary().integrity.notes;
    assert!(run.tables.fills.is_empty(), "nothing was filled");
    let why = "nothing was traded in 289 bars: the venue cancelled ";
    assert!(notes.iter().any(|note| note.starts_with(why) && note.contains("for margin")), "{notes:?}");
    assert!(notes.iter().all(|note| !note.contains('…')), "{notes:?}");
}

/// Two policies of one account that size on 80 % of it each hold 160 % together, which no run of either would.
#[test]
fn capital_of_more_than_all_of_an_account_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(1, folder.path());
    let file = |name: &str, capital: &str, size: &str| {
        let text = format!(
            "policy = 1\nname = \"{name}\"\ninstrument = \"{}\"\ncapital = \"{capital}\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
             [size]\n{size}\n",
            demo::SYMBOL
        );
        PolicyFile::new(name, text)
    };
    let notes = |policies: Vec<PolicyFile>| {
        let request = Request { policies, tapes: tapes.clone(), ..Request::default() };
        let run = backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
        let held = run.tables.equity.iter().map(|row| row.gross).fold(0.0, f64::max);
        let notes = run.summary().integrity.notes;
        (held, notes.into_iter().filter(|note| note.contains("`capital`")).collect::<Vec<_>>())
    };
    let share = "kind = \"fixed_fraction\"\nfraction = 1.0";
    let (held, said) = notes(vec![file("one", "80%", share), file("other", "80%", share)]);
    assert!((1.5..1.7).contains(&held), "{held}");
    assert_eq!(
        said,
        [
            "policies size on 160 % of the account at demo together (`one` 80 %, `other` 80 %): each holds what its part of it bears, and \
          all of them more; give them parts of 100 % with `capital`"
        ]
    );
    let (held, said) = notes(vec![file("one", "80%", share), file("other", "20%", share)]);
    assert!(held < 1.05 && said.is_empty(), "{held} {said:?}");
    // An amount in dollars is no share of anything.
    let amount = "kind = \"fixed_notional\"\nnotional = \"1_000 USDT\"";
    assert_eq!(notes(vec![file("one", "100%", share), file("other", "100%", amount)]).1, Vec::<String>::new());
}

/// A series that stops: the run says since when, and what comes next takes nothing from its last value.
#[test]
fn a_series_that_stopped_is_told_as_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(6, folder.path());
    let (cut, mut last) = (folder.path().join("cut.tape"), None);
    let mut first = None;
    tapes::rewrite(&tapes[2], &cut, |_, at, event| {
        let begin = *first.get_or_insert(at);
        let is_kept = at.since(begin) <= Duration::from_nanos(2 * Duration::DAY.nanos());
        last = if is_kept { Some(at) } else { last };
        is_kept.then_some(event)
    });
    let last = last.unwrap();
    let sized = format!("{HALF}[caps]\nleverage = \"if(series(dvol.demo, 1d) < 10%, 0.2, 2)\"\n");
    let whole = run(&sized, tapes.clone());
    let stopped = run(&sized, vec![tapes[0].clone(), tapes[1].clone(), cut]);
    let told = |run: &Run| {
        let notes = run.summary().integrity.notes;
        notes.into_iter().filter(|note| note.contains("dvol.demo")).collect::<Vec<_>>()
    };
    assert_eq!(told(&whole), Vec::<String>::new());
    let end = &stopped.record.last;
    assert_eq!(
        told(&stopped),
        [format!(
            "`dvol.demo`, which is read, told nothing after {last}: over 1 d old it was not known until the end at {end}"
        )]
    );
    // The audit tells it too, of the folder alone.
    for (name, run, sentences) in [("whole", &whole, 0), ("stopped", &stopped, 1)] {
        let folder = folder.path().join(name);
        run.write(&folder, false).unwrap();
        let audit = backtest::audit::audit(&folder, &mut |_| ControlFlow::Continue(())).unwrap();
        let by_run = run.record.stopped_series.clone();
        assert_eq!((audit.stopped_series.len(), audit.stopped_series), (sentences, by_run), "{name}");
    }
    let next =
        |run: &Run, at| run.next(&Question { at, ..Question::default() }, &mut |_| ControlFlow::Continue(())).unwrap();
    let by_series = |next: &Next| next.actions.iter().any(|action| matches!(action.trigger, Trigger::Series { .. }));
    let before = next(&whole, None);
    assert!(by_series(&before) && before.stopped.is_empty(), "{:?}", before.stopped);
    let after = next(&stopped, None);
    assert!(!by_series(&after), "{:?}", after.actions);
    let [of] = &after.stopped[..] else { panic!("{:?}", after.stopped) };
    assert_eq!((of.name.as_str(), of.told, of.max_age), ("dvol.demo", last, Duration::DAY));
    // Within its age it is what it last told.
    let fresh = next(&stopped, Some(last + Duration::from_nanos(20 * Duration::HOUR.nanos())));
    assert!(by_series(&fresh) && fresh.stopped.is_empty(), "{:?}", fresh.stopped);
}

/// The demo's tapes, the index of which is told for two days only.
fn stopped(tapes: &[PathBuf], cut: &Path) -> Vec<PathBuf> {
    let mut first = None;
    tapes::rewrite(&tapes[2], cut, |_, at, event| {
        let begin = *first.get_or_insert(at);
        (at.since(begin) <= Duration::from_nanos(2 * Duration::DAY.nanos())).then_some(event)
    });
    vec![tapes[0].clone(), tapes[1].clone(), cut.to_owned()]
}

/// A limit on a series which has stopped is no cap that could not be met: it is counted apart, and the audit counts the same.
#[test]
fn a_limit_on_what_is_not_known_is_no_missed_cap() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(4, folder.path());
    let stopped = stopped(&tapes, &folder.path().join("cut.tape"));
    let limited = format!(
        "{HALF}[[limits]]\nof = \"series(dvol.demo, 1d)\"\nover = \"900%\"\nrestore = \"800%\"\naction = \"no_increase\"\n"
    );
    let run = run(&limited, stopped);
    let (triggers, integrity) = (&run.record.triggers, run.summary().integrity);
    let many = triggers.unknown.unwrap();
    assert!(many > 0 && (integrity.unmet_caps, integrity.unknown_limits) == (0, many), "{triggers:?}");
    assert_eq!(triggers.unmet, 0);
    let folder = folder.path().join("run");
    // Older runs know one number.
    let told = [(0, Some(many), true), (1, Some(many - 1), false), (many, None, true), (0, None, false)];
    for (unmet, unknown, is_clean) in told {
        let mut run = run.clone();
        (run.record.triggers.unmet, run.record.triggers.unknown) = (unmet, unknown);
        run.write(&folder, true).unwrap();
        let audit = backtest::audit::audit(&folder, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(audit.is_clean(), is_clean, "{unmet} {unknown:?}: {:?}", audit.findings);
    }
}

/// The step of a pyramid that reads a series which has stopped: no unit is added, and plans say which fact is missing.
#[test]
fn a_step_that_is_not_known_names_the_fact() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(4, folder.path());
    let stopped = stopped(&tapes, &folder.path().join("cut.tape"));
    let sized = format!(
        "{HALF}resize = \"continuous\"\n[unit]\nn = \"atr(4, 1h)\"\n[pyramid]\nunits = 3\n\
         step = \"500N * max(1, series(dvol.demo, 1d))\"\n"
    );
    let said = |run: &Run| {
        let rows =
            run.tables.plans.iter().filter(|row| &*row.rule == "pyramid" && row.because.contains("not known now"));
        rows.map(|row| row.because.clone()).collect::<Vec<_>>()
    };
    assert_eq!(said(&run(&sized, tapes.clone())), Vec::<String>::new());
    let told = said(&run(&sized, stopped));
    let names = |because: &String| {
        because.starts_with("1 of 3 units, no add: `pyramid.step` is not known now: ") && because.contains("dvol.demo")
    };
    assert!(!told.is_empty() && told.iter().all(names), "{told:?}");
}

/// A hedge of each of two policies at the positions of a third: each would hedge all of them, so the run is refused.
#[test]
fn hedges_of_two_policies_do_not_look_at_the_same_positions() {
    let folder = tempfile::tempdir().unwrap();
    let bars = beginning(1, folder.path())[0].clone();
    let of = |symbol: &str| {
        let out = folder.path().join(format!("{}.tape", symbol.replace(':', "-")));
        let mut reader = TapeReader::open(&bars).unwrap();
        let (mut catalogue, provenance) = (reader.catalogue().clone(), reader.info().provenance.clone());
        catalogue.instruments.iter_mut().for_each(|known| known.symbol = symbol.to_owned());
        let mut writer = TapeWriter::create(&out, &TapeHeader { catalogue, provenance }).unwrap();
        while let Some((at, event)) = reader.next().unwrap() {
            writer.push(at, at, &event).unwrap();
        }
        writer.finish().unwrap();
        out
    };
    let tapes = vec![bars.clone(), of("demo:BTCUSDC-PERP"), of("demo:BTCUSD-PERP")];
    let file = |name: &str, hedge: &str| {
        let text = format!(
            "policy = 1\nname = \"{name}\"\ninstrument = \"{}\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n{HALF}{hedge}",
            demo::SYMBOL
        );
        PolicyFile::new(name, text)
    };
    let hedge = |symbol: &str, of: &str| {
        format!("[[hedges]]\ninstrument = \"demo:{symbol}-PERP\"\nstrategies = [\"{of}\"]\nband = \"0.1 BTC\"\n")
    };
    let run = |other: &str| {
        let policies =
            vec![file("held", ""), file("one", &hedge("BTCUSDC", "held")), file("other", &hedge("BTCUSD", other))];
        let request = Request { policies, tapes: tapes.clone(), ..Request::default() };
        backtest::run(&request, &mut |_| ControlFlow::Continue(()))
    };
    let refused = run("held").unwrap_err().to_string();
    assert!(
        refused.contains("`demo:BTCUSDC-PERP` of `one` and `demo:BTCUSD-PERP` of `other` both hedge the BTC of `held`"),
        "{refused}"
    );
    assert!(run("one").is_ok());
}
