//! Limits on facts under which structures of options stand beside contracts, through the real engine and exchange.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/desk.rs"]
mod desk;
#[path = "common/weekly.rs"]
mod weekly;

use common::Tick;
use desk::{Desk, Moment, Seat};
use engine::{Notice, Output, Purpose};
use exchange::ExchangeConfig;
use market::*;
use policy::Policy;
use policy::spec::{LegStrike, Roll, Structure, StructureLeg};
use units::{AccountId, InstrumentId, OptionRight, Price, Qty, Ratio, StrategyId};
use weekly::{BEGIN, hours};

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

/// A call and a put a tenth away from the money, four weeks out.
fn strangle() -> Structure {
    strangle_of(28.0)
}

fn strangle_of(days: f64) -> Structure {
    let of = |number: f64| Ratio::new(number).unwrap();
    let leg = |right, at| StructureLeg { right, strike: LegStrike::Moneyness(of(at)), days: of(days), ratio: qty("1") };
    Structure {
        chain: String::new(),
        legs: vec![leg(OptionRight::Call, 1.1), leg(OptionRight::Put, 0.9)],
        max_spread: None,
        min_open_interest: None,
        roll: Roll::Never,
        sticky: pricing::surface::Sticky::default(),
    }
}

/// The perpetual, options, then as many structures.
fn catalogue(structures: usize, facts: &[&str]) -> Catalogue {
    let mut instruments = weekly::instruments(6, 16..=24, 5_000);
    for number in 0..structures {
        let (lot, min_qty) = strangle().grid(qty("0.1"), qty("0.1")).unwrap();
        let (symbol, kind) = (format!("deribit:BTC-STRUCTURE.{number}"), InstrumentKind::Structure);
        let tick = "0.0001".parse().unwrap();
        instruments.push(Instrument { symbol, kind, lot, min_qty, tick, ..instruments[1].clone() });
    }
    Catalogue { instruments, series: facts.iter().map(|fact| (*fact).to_owned()).collect() }
}

/// Six-hourly prices, and quotes of those options that are quoted at that step.
fn market(catalogue: &Catalogue, path: &[f64], is_quoted: impl Fn(usize, &Instrument) -> bool) -> Vec<Tick> {
    let tick = |(step, spot): (usize, &f64)| {
        let at = BEGIN + hours(6 * step as i64);
        let close = Price::from_raw((spot * 2.0).round() as i64 * Price::ONE / 2);
        let (opened, instrument, volume) = (at - hours(6), InstrumentId(0), Qty::ZERO);
        let bar = Bar { instrument, opened, closed: at, open: close, high: close, low: close, close, volume };
        let mut events = vec![Event::Bar(bar)];
        let listed = catalogue.instruments.iter().enumerate();
        let listed = listed.filter(|(_, of)| of.kind.is_option() && is_quoted(step, of));
        let quotes = listed.filter_map(|(index, of)| {
            let (value, quote) = weekly::quote(index, of, at, (*spot, 0.6), 3)?;
            Some(quote.with_mark(Price::from_raw((value / 0.0001).round() as i64 * 10_000)))
        });
        events.extend(quotes.map(Event::OptionQuote));
        Tick { at, events }
    };
    path.iter().enumerate().map(tick).collect()
}

/// A constant side, so much of equity, under limits.
fn policy(side: &str, fraction: f64, limits: &str) -> Policy {
    let text = format!(
        "policy = 1\nname = \"limited\"\ninstrument = \"deribit:BTC-PERPETUAL\"\n[signal]\nkind = \"constant\"\nstrength = {side}1.0\n\
         reentry = \"at_once\"\n[size]\nkind = \"fixed_fraction\"\nfraction = {fraction}\nresize = \"entry\"\n{limits}"
    );
    let parsed = policy::parse(&text);
    parsed.policy.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics))
}

fn limit(of: &str, (over, restore): (f64, f64), cut: &str) -> String {
    format!("[[limits]]\nname = \"lever\"\nof = \"{of}\"\nover = {over}\nrestore = {restore}\ncut = \"{cut}\"\n")
}

/// Ten coins in an account that counts in them.
fn desk(catalogue: Catalogue, seats: Vec<Seat>) -> Desk {
    let btc: Currency = "BTC".parse().unwrap();
    let accounts = vec![AccountSpec { venue: "deribit".into(), numeraire: btc }];
    let mut terms = ExchangeConfig::new("10".parse().unwrap(), &catalogue);
    terms.accounts[0].spec = Some(accounts[0].clone());
    terms.accounts[0].deposits = vec![("10".parse().unwrap(), btc)];
    Desk { catalogue, accounts, terms, seats }
}

/// Sentences of a strategy's plans, from a time on.
fn said(moments: &[Moment], strategy: StrategyId) -> Vec<String> {
    let outputs = moments.iter().flat_map(|moment| &moment.outputs);
    let plans = outputs.filter_map(|output| match output {
        Output::Plan(plan) if plan.strategy == strategy => Some(plan),
        _ => None,
    });
    plans.flat_map(|plan| (0..plan.steps.len()).map(|step| plan.because(step))).collect()
}

/// Plans that say that a limit is breached, and those of them that follow from fills: news of orders sends nothing.
fn breaches(moments: &[Moment]) -> [usize; 2] {
    let is_breach =
        |said: &String| said.contains(" is over ") || said.contains(" is under ") || said.contains(", over ");
    let of = |source: Source| {
        let those = moments.iter().filter(move |moment| moment.source == source).cloned();
        let those: Vec<Moment> = those.collect();
        let each = [0, 1].map(|at| said(&those, StrategyId(at)).iter().filter(|said| is_breach(said)).count());
        each.iter().sum::<usize>()
    };
    [of(Source::Market), of(Source::Venue)]
}

/// What an account's contracts and structures stand for over its equity.
fn leverage(moment: &Moment, contract: StrategyId, price: f64) -> f64 {
    let held = moment.positions[contract.index()].approximate() / price;
    held / moment.accounts[0].equity().approximate()
}

/// Of a strangle the call is sold and nobody quotes the put when the price falls and leverage is over its limit: the entry is given up.
/// Where that is enough the contract beside it stays, and else it gives up what is missing, whichever of the two decides first.
#[test]
fn what_has_begun_of_a_structure_goes_first() {
    for (cut, fallen) in [("alike", 92_000.0), ("cheapest", 92_000.0), ("alike", 78_000.0), ("cheapest", 78_000.0)] {
        let path = [100_000.0, 100_000.0, 100_000.0, fallen, fallen, fallen, fallen];
        for first in [0, 1] {
            let what = format!("{cut}, at {fallen}, structure {first}");
            let limits = limit("leverage()", (2.8, 2.55), cut);
            let catalogue = catalogue(1, &["leverage()"]);
            let structure = catalogue.instruments.len() as u32 - 1;
            let mut seats = vec![
                Seat { structure: Some(strangle()), ..Seat::new(policy("-", 1.0, &limits), structure) },
                Seat::new(policy("", 1.5, &limits), 0),
            ];
            if first == 1 {
                seats.reverse();
            }
            let [options, contract] = [StrategyId(first), StrategyId(1 - first)];
            let market = market(&catalogue, &path, |step, of| {
                step == 0 || of.kind.option().is_some_and(|(_, right)| right == OptionRight::Call)
            });
            let (moments, engine) = desk(catalogue, seats).run(&market);
            let fell = moments.iter().position(|moment| moment.at == BEGIN + hours(18)).unwrap();
            let leg = moments[fell - 1].accounts[0].positions().filter(|(position, _)| position.qty == qty("-10"));
            assert_eq!(leg.count(), 1, "{what}: the call is there");
            assert_eq!(engine.position(options), Qty::ZERO, "{what}");
            let left = engine.account(AccountId(0)).positions().filter(|(position, _)| !position.qty.is_zero());
            assert_eq!(left.count(), 1, "{what}: the call is bought back");
            let sentences = said(&moments[fell..], contract);
            let is_lost = |said: &String| said.starts_with("no reduction gets back");
            assert!(!sentences.iter().any(is_lost), "{what}: {sentences:#?}");
            if fallen > 90_000.0 {
                let held = moments[fell - 1].positions[contract.index()];
                assert_eq!(engine.position(contract), held, "{what}: {sentences:#?}");
            } else {
                let leverage = leverage(moments.last().unwrap(), contract, fallen);
                assert!((leverage - 2.55).abs() < 0.01, "{what}: {leverage} {sentences:#?}");
            }
        }
    }
}

/// A series that is one from a step on and nothing before.
fn arm(catalogue: &Catalogue, market: &mut [Tick], from: usize) {
    for (step, tick) in market.iter_mut().enumerate() {
        let (series, value) = (catalogue.series_id("armed").unwrap(), if step < from { 0.0 } else { 1.0 });
        tick.events.push(Event::Series(SeriesPoint { series, value: Ratio::new(value).unwrap() }));
    }
}

/// A limit that is far away before the series is one.
fn armed(of: &str, side: &str, [most, back, far]: [&str; 3]) -> String {
    let level = |level: &str| format!("\"if(series(armed, 30d) > 0.5, {level}, {far})\"");
    format!("[[limits]]\nof = \"{of}\"\n{side} = {}\nrestore = {}\n", level(most), level(back))
}

/// Delta of two perpetuals, one in bars of six hours and one in bars of a day: what the second has on its way out is not given up by the
/// first.
#[test]
fn a_limit_on_delta_counts_what_is_on_its_way_out_as_gone() {
    const FROM: usize = 9;
    let mut catalogue = catalogue(0, &["greeks.delta(BTC)", "armed"]);
    let other = InstrumentId(catalogue.instruments.len() as u32);
    let second = Instrument { symbol: "deribit:BTC-DAILY".into(), ..catalogue.instruments[0].clone() };
    catalogue.instruments.push(second);
    let mut market = market(&catalogue, &[100_000.0; 20], |_, _| true);
    for tick in market.iter_mut().step_by(4) {
        let Some(Event::Bar(bar)) = tick.events.first().cloned() else { panic!("{tick:?}") };
        tick.events.insert(1, Event::Bar(Bar { instrument: other, opened: bar.closed - hours(24), ..bar }));
    }
    arm(&catalogue, &mut market, FROM);
    let limits = armed("greeks.delta(BTC)", "over", ["15", "12", "1_000"]);
    let seats = vec![Seat::new(policy("", 1.0, &limits), 0), Seat::new(policy("", 1.0, &limits), other.0)];
    let (moments, engine) = desk(catalogue, seats).run(&market);
    let before = moments.iter().rev().find(|moment| moment.at < BEGIN + hours(6 * FROM as i64)).unwrap();
    assert_eq!(before.positions, [qty("1000000"), qty("1000000")]);
    for strategy in [0, 1].map(StrategyId) {
        let left = engine.position(strategy).approximate();
        assert!((left - 600_000.0).abs() <= 20.0, "{left}: {:#?}", said(&moments, strategy));
    }
    // Once by each, and no more as the cuts are filled: what is held then is what Greeks are of.
    let sentences = [0, 1].map(|at| said(&moments, StrategyId(at)));
    assert_eq!(breaches(&moments), [2, 0], "{sentences:#?}");
}

/// Vega of two strangles, one of which is quoted once a day: what it has on its way out is not given up by the other.
#[test]
fn a_limit_on_vega_counts_what_is_on_its_way_out_as_gone() {
    const FROM: usize = 9;
    let catalogue = catalogue(2, &["greeks.vega(BTC)", "armed"]);
    let first = catalogue.instruments.len() as u32 - 2;
    let late = BEGIN + hours(6 * 7 * 24);
    let quoted = |step: usize, of: &Instrument| of.kind.expiry() != Some(late) || step.is_multiple_of(4);
    let seats = |limits: &str| {
        let seat = |at: u32, days| Seat {
            structure: Some(strangle_of(days)),
            ..Seat::new(policy("-", 1.0, limits), first + at)
        };
        vec![seat(0, 28.0), seat(1, 42.0)]
    };
    let mut ticks = market(&catalogue, &[100_000.0; 20], quoted);
    let (_, free) = desk(catalogue.clone(), seats("")).run(&ticks[..=FROM]);
    assert_eq!([0, 1].map(|at| free.position(StrategyId(at))), [qty("-10"), qty("-10")]);
    let vega = free.greeks().unwrap().clone().underlying("BTC".parse().unwrap()).vega;
    assert!(vega < 0.0, "{vega}");
    arm(&catalogue, &mut ticks, FROM);
    let levels = [0.75 * vega, 0.6 * vega, 1_000.0 * vega].map(|level| format!("{level:.2} USD"));
    let limits = armed("greeks.vega(BTC)", "under", [0, 1, 2].map(|at| &*levels[at]));
    let (moments, engine) = desk(catalogue, seats(&limits)).run(&ticks);
    for strategy in [0, 1].map(StrategyId) {
        let left = engine.position(strategy).approximate();
        assert!((left + 6.0).abs() <= 0.11, "{left}: {:#?}", said(&moments, strategy));
    }
    let sentences = [0, 1].map(|at| said(&moments, StrategyId(at)));
    assert_eq!(breaches(&moments), [2, 0], "{sentences:#?}");
}

/// Two strangles, and a strangle beside a contract, that each fit a limit and together do not: what is opened at one instant fits it,
/// whoever decides first.
#[test]
fn entries_of_structures_fit_a_limit_together() {
    let limits = limit("leverage()", (2.0, 1.5), "alike");
    for seats in 0..3 {
        let catalogue = catalogue(2, &["leverage()"]);
        let first = catalogue.instruments.len() as u32 - 2;
        let sold = |at: u32| Seat { structure: Some(strangle()), ..Seat::new(policy("-", 1.0, &limits), first + at) };
        let contract = || Seat::new(policy("", 1.0, &limits), 0);
        let seats = match seats {
            0 => vec![sold(0), sold(1)],
            1 => vec![sold(0), contract()],
            _ => vec![contract(), sold(0)],
        };
        let contract = seats.iter().position(|seat| seat.instrument == InstrumentId(0));
        let ticks = market(&catalogue, &[100_000.0; 8], |_, _| true);
        let (moments, engine) = desk(catalogue, seats).run(&ticks);
        let held = [0, 1].map(|at| {
            let held = engine.position(StrategyId(at)).approximate().abs();
            if contract == Some(at as usize) { held / 100_000.0 } else { held }
        });
        let sentences = [0, 1].map(|at| said(&moments, StrategyId(at))).concat();
        let what = format!("{held:?}, {contract:?}: {sentences:#?}");
        // Who decides first has ten, the other what is left, to a lot; costs of the entries are in it.
        let (least, most) = (held[0].min(held[1]), held[0].max(held[1]));
        assert!((most - 10.0).abs() < 1e-9 && least > 4.7 && least <= 5.0, "{what}");
        let is_told =
            |said: &String| said.starts_with("limit lever: an increase to ") && said.contains(" leaves it at 1.5");
        assert!(sentences.iter().any(is_told), "{what}");
        let cuts = moments.iter().flat_map(|moment| &moment.outputs).filter(|output| {
            matches!(output, Output::Notice(Notice::Filled { purpose: Purpose::Cut, .. } | Notice::Unwound { .. }))
        });
        assert_eq!(cuts.count(), 0, "{what}");
    }
}

/// An entry of a strangle waits for quotes, of both legs or of the put, when a limit is breached: what waits is asked back and never
/// goes out once there are quotes again, what is there of it is traded back, and the plan of that input says why.
#[test]
fn an_entry_that_waits_for_quotes_ends_with_a_breach() {
    const FROM: usize = 3;
    let armed = |action: &str| {
        format!("[[limits]]\nof = \"series(armed, 30d)\"\nover = 0.5\nrestore = 0.2\naction = \"{action}\"\n")
    };
    for (limits, sentence) in [
        (armed("no_increase"), "limit 1: 1.00, no increase until it is back at 0.20"),
        (armed("flat"), "limit 1: 1.00, flat until it is back at 0.20"),
        (limit("leverage()", (2.8, 2.55), "alike"), "limit lever: "),
    ] {
        for calls_are_quoted in [false, true] {
            for first in [0, 1] {
                let what = format!("{limits}: calls {calls_are_quoted}, structure {first}");
                let catalogue = catalogue(1, &["leverage()", "armed"]);
                let structure = catalogue.instruments.len() as u32 - 1;
                let contract = if limits.contains("leverage") { limits.as_str() } else { "" };
                let mut seats = vec![
                    Seat { structure: Some(strangle()), ..Seat::new(policy("-", 1.0, &limits), structure) },
                    Seat::new(policy("", 1.5, contract), 0),
                ];
                if first == 1 {
                    seats.reverse();
                }
                let options = StrategyId(first);
                let fallen = if contract.is_empty() { 100_000.0 } else { 78_000.0 };
                let path: Vec<f64> = (0..12).map(|step| if step < FROM { 100_000.0 } else { fallen }).collect();
                let is_call = |of: &Instrument| of.kind.option().is_some_and(|(_, right)| right == OptionRight::Call);
                let mut market = market(&catalogue, &path, |step, of| {
                    step == 0 || step > FROM + 2 || (calls_are_quoted && is_call(of))
                });
                arm(&catalogue, &mut market, FROM);
                let (moments, engine) = desk(catalogue.clone(), seats).run(&market);
                let breached = BEGIN + hours(6 * FROM as i64);
                let plans = moments.iter().filter(|moment| moment.at == breached).cloned().collect::<Vec<_>>();
                let sentences = said(&plans, options);
                let is_told = |said: &String| said.starts_with(sentence) && !said.contains(" leaves it at ");
                assert!(sentences.iter().any(is_told), "{what}: {sentences:#?}");
                // What was sent of the entry and not filled is asked back.
                let (mut open, mut bought) = (Vec::new(), Vec::new());
                for moment in &moments {
                    for output in &moment.outputs {
                        match output {
                            Output::Command { command: Command::Place(order), strategy, .. }
                                if *strategy == options =>
                            {
                                open.push(order.id);
                            }
                            Output::Command { command: Command::Cancel { order }, .. } => open.retain(|id| id != order),
                            _ => {}
                        }
                    }
                    for event in &moment.events {
                        let Event::Order(news) = event else { continue };
                        if let OrderUpdate::Filled(fill) = &news.update {
                            open.retain(|id| *id != news.order);
                            let of = &catalogue.instruments[fill.instrument.index()];
                            if moment.at > breached && of.kind.is_option() {
                                bought.push((of.symbol.clone(), fill.side));
                            }
                        }
                    }
                }
                assert_eq!(open, [], "{what}");
                let back: Vec<bool> = bought
                    .iter()
                    .map(|(symbol, side)| symbol.ends_with("-call") && *side == units::Side::Buy)
                    .collect();
                assert_eq!(back, vec![true; usize::from(calls_are_quoted)], "{what}: {bought:?}");
                assert_eq!(engine.position(options), Qty::ZERO, "{what}");
            }
        }
    }
}
