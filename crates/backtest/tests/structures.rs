//! Structures of options through the real engine and exchange: covered calls that roll, strangles that are settled, stops and
//! rungs on what several legs cost together.
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
use std::collections::BTreeMap;
use units::{
    AccountId, Cash, Duration, InstrumentId, OptionRight, OrderId, Price, Qty, Ratio, Side, StrategyId, Timestamp,
};
use weekly::{BEGIN, hours};

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

fn catalogue(structures: &[&Structure]) -> Catalogue {
    let mut instruments = weekly::instruments(16, 12..=32, 5_000);
    for (number, structure) in structures.iter().enumerate() {
        let (lot, min_qty) = structure.grid(qty("0.1"), qty("0.1")).unwrap();
        let (symbol, kind) = (format!("deribit:BTC-STRUCTURE.{number}"), InstrumentKind::Structure);
        instruments.push(Instrument { symbol, kind, lot, min_qty, tick: price("0.0001"), ..instruments[1].clone() });
    }
    Catalogue { instruments, series: Vec::new() }
}

/// What is quoted for an option at a flat volatility: three ticks on either side of its value.
fn quote(index: usize, of: &Instrument, at: Timestamp, forward: f64, vol: f64) -> Option<OptionQuote> {
    let (value, quote) = weekly::quote(index, of, at, (forward, vol), 3)?;
    let ticks = (value / 0.0001).round() as i64;
    Some(quote.with_mark(Price::from_raw(ticks.max(0) * 10_000)))
}

/// Six-hourly quotes of everything that has not expired, along a path of the underlying.
fn market(catalogue: &Catalogue, days: i64, path: impl Fn(i64) -> f64) -> Vec<Tick> {
    let tick = |step: i64| {
        let at = BEGIN + hours(6 * step);
        let spot = path(step);
        let close = Price::from_raw((spot * 2.0).round() as i64 * Price::ONE / 2);
        let (opened, instrument, volume) = (at - hours(6), InstrumentId(0), Qty::ZERO);
        let bar = Bar { instrument, opened, closed: at, open: close, high: close, low: close, close, volume };
        let mut events = vec![Event::Bar(bar)];
        let quotes = catalogue.instruments.iter().enumerate();
        events.extend(quotes.filter_map(|(index, of)| quote(index, of, at, spot, 0.6)).map(Event::OptionQuote));
        Tick { at, events }
    };
    (0..days * 4).map(tick).collect()
}

/// A walk of one per cent a step, the same each time.
fn walk(seed: u64, steps: i64) -> Vec<f64> {
    let (mut seed, mut spot) = (seed, 100_000.0_f64);
    let step = |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        spot *= if seed >> 63 == 0 { 1.01 } else { 1.0 / 1.01 };
        spot
    };
    (0..steps).map(step).collect()
}

fn leg(right: OptionRight, delta: f64, ratio: &str) -> StructureLeg {
    let of = |number: f64| Ratio::new(number).unwrap();
    StructureLeg { right, strike: LegStrike::Delta(of(delta)), days: of(30.0), ratio: qty(ratio) }
}

fn structure(legs: Vec<StructureLeg>, roll: Roll) -> Structure {
    let (max_spread, min_open_interest) = (Some(Ratio::new(0.5).unwrap()), Some(qty("10")));
    Structure {
        chain: String::new(),
        legs,
        max_spread,
        min_open_interest,
        roll,
        sticky: pricing::surface::Sticky::default(),
    }
}

/// Sold once, a unit for each coin, with what else is said.
fn policy(more: &str) -> Policy {
    let parsed = policy::parse(&policy_text(more));
    parsed.policy.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics))
}

fn policy_text(more: &str) -> String {
    format!(
        "policy = 1\nname = \"sold\"\ninstrument = \"deribit:BTC-PERPETUAL\"\n[signal]\nkind = \"constant\"\nstrength = -1.0\n\
         reentry = \"at_once\"\n[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\nresize = \"entry\"\n[caps]\nleverage = 3.0\n{more}"
    )
}

fn run(
    structures: Vec<(Structure, Policy)>,
    days: i64,
    path: impl Fn(i64) -> f64,
) -> (Vec<Moment>, engine::Engine, Desk) {
    run_on(structures, |catalogue| market(catalogue, days, path))
}

fn run_on(
    structures: Vec<(Structure, Policy)>,
    market: impl FnOnce(&Catalogue) -> Vec<Tick>,
) -> (Vec<Moment>, engine::Engine, Desk) {
    let known: Vec<&Structure> = structures.iter().map(|(structure, _)| structure).collect();
    let catalogue = catalogue(&known);
    let btc: Currency = "BTC".parse().unwrap();
    let accounts = vec![AccountSpec { venue: "deribit".into(), numeraire: btc }];
    let mut terms = ExchangeConfig::new("10".parse().unwrap(), &catalogue);
    terms.accounts[0].spec = Some(accounts[0].clone());
    terms.accounts[0].deposits = vec![("10".parse().unwrap(), btc)];
    let first = catalogue.instruments.len() - structures.len();
    let seats = structures.into_iter().enumerate().map(|(number, (structure, policy))| Seat {
        structure: Some(structure),
        ..Seat::new(policy, (first + number) as u32)
    });
    let seats = seats.collect();
    let market = market(&catalogue);
    let desk = Desk { catalogue, accounts, terms, seats };
    let (moments, engine) = desk.run(&market);
    check(&desk, &moments);
    (moments, engine, desk)
}

fn notices(moments: &[Moment]) -> impl Iterator<Item = &Notice> {
    moments.iter().flat_map(|moment| &moment.outputs).filter_map(|output| match output {
        Output::Notice(notice) => Some(notice),
        _ => None,
    })
}

/// What holds at every moment: the engine knows what the venue knows, no leg stands alone once everything was told, and what
/// campaigns won is what the account won, to the 1e-8 that each fill's and each mark's price is rounded to.
fn check(desk: &Desk, moments: &[Moment]) {
    let (mut won, mut rounding) = (Cash::ZERO, 0_i128);
    let mut quotes: BTreeMap<InstrumentId, OptionQuote> = BTreeMap::new();
    let mut legs: BTreeMap<InstrumentId, Qty> = BTreeMap::new();
    for moment in moments {
        for event in &moment.events {
            if let Event::OptionQuote(quote) = event {
                quotes.insert(quote.instrument, *quote);
            }
        }
        for notice in notices(std::slice::from_ref(moment)) {
            match notice {
                Notice::Leg { fill, .. } => *legs.entry(fill.instrument).or_default() += fill.signed_qty(),
                Notice::Filled { fill, .. } => {
                    assert_eq!(desk.catalogue.instruments[fill.instrument.index()].kind, InstrumentKind::Structure);
                    rounding += i128::from(fill.qty.raw());
                }
                Notice::CampaignClosed(record) => won += record.profit - record.fees,
                Notice::Unwound { campaign: None, cost, fee, .. } => won = won - *cost - *fee,
                _ => {}
            }
        }
        let (account, venue) = (&moment.accounts[0], &moment.venues[0]);
        for (index, (position, _)) in account.positions().enumerate() {
            let told = legs.get(&InstrumentId(index as u32)).copied().unwrap_or_default();
            assert_eq!(position.qty, told, "{} at {}", desk.catalogue.instruments[index].symbol, moment.at);
            if moment.source == Source::Market {
                assert_eq!(position, venue.position(index));
            }
        }
        if moment.source == Source::Market {
            assert_eq!(account.equity(), venue.equity(), "at {}", moment.at);
            let open: Cash = moment.open.iter().flatten().map(|open| open.profit - open.fees).sum();
            let marks: i128 = moment.positions.iter().map(|held| i128::from(held.abs().raw())).sum();
            let over = (account.equity() - "10".parse().unwrap() - won - open).raw();
            // Between the two legs of an order the account knows of one and the campaign of none.
            let balanced = moments_are_whole(desk, moment);
            assert!(!balanced || over.abs() <= rounding + marks, "{over} over {rounding} at {}", moment.at);
        }
    }
}

/// Whether each strategy holds as many contracts of each right as structures.
fn moments_are_whole(desk: &Desk, moment: &Moment) -> bool {
    let mut wanted: BTreeMap<OptionRight, Qty> = BTreeMap::new();
    for (seat, position) in desk.seats.iter().zip(&moment.positions) {
        for leg in &seat.structure.as_ref().unwrap().legs {
            let each = i128::from(leg.ratio.raw()) * i128::from(position.raw()) / i128::from(Qty::ONE);
            *wanted.entry(leg.right).or_default() += Qty::from_raw(each as i64);
        }
    }
    for (of, (position, _)) in desk.catalogue.instruments.iter().zip(moment.accounts[0].positions()) {
        if let Some((_, right)) = of.kind.option() {
            *wanted.entry(right).or_default() -= position.qty;
        }
    }
    wanted.values().all(|left| left.is_zero())
}

fn held(engine: &engine::Engine, desk: &Desk) -> Vec<(String, Qty)> {
    let positions = engine.account(AccountId(0)).positions();
    let named = desk.catalogue.instruments.iter().zip(positions).filter(|(_, (position, _))| !position.qty.is_zero());
    named.map(|(of, (position, _))| (of.symbol.clone(), position.qty)).collect()
}

/// Ten coins, ten calls sold on them: one campaign over every roll, and each sale at the bid, each purchase at the ask.
#[test]
fn a_covered_call_rolls_and_its_campaign_goes_on() {
    let calls = structure(vec![leg(OptionRight::Call, 0.25, "1")], Roll::Before(hours(5 * 24)));
    let path = walk(3, 400);
    let (moments, engine, desk) = run(vec![(calls, policy(""))], 90, |step| path[step as usize]);
    assert_eq!(engine.position(StrategyId(0)), qty("-10"), "base 1.0 on ten coins");
    let legs = held(&engine, &desk);
    assert!(matches!(&legs[..], [(_, sold)] if *sold == qty("-10")), "{legs:?}");
    let rolls: Vec<&Notice> = notices(&moments).filter(|notice| matches!(notice, Notice::Rolled { .. })).collect();
    assert!(rolls.len() >= 3, "{} rolls in 90 days", rolls.len());
    let campaign = engine.campaign(StrategyId(0)).unwrap();
    assert_eq!(campaign.id, 1);
    // The anchors moved by what the options' prices differed, so that profit from the entry is profit made.
    let moved: i64 =
        rolls.iter().map(|notice| if let Notice::Rolled { moved, .. } = notice { moved.raw() } else { 0 }).sum();
    let entered = moments.iter().flat_map(Moment::filled).next().unwrap().2;
    assert_eq!(campaign.entry.raw(), entered.price.raw() + moved);
    // Spread: each of the two sides of a roll pays three ticks on ten calls.
    for roll in rolls {
        let Notice::Rolled { spread, .. } = roll else { continue };
        assert_eq!(*spread, "0.006".parse().unwrap());
    }
    let (mut bought, mut sold) = (0, 0);
    let mut before: BTreeMap<InstrumentId, OptionQuote> = BTreeMap::new();
    for moment in moments.iter().rev() {
        // Read backwards, the input's own quotes are seen before the fills that they made.
        for event in &moment.events {
            if let Event::OptionQuote(quote) = event {
                before.insert(quote.instrument, *quote);
            }
        }
        for notice in notices(std::slice::from_ref(moment)) {
            let Notice::Leg { fill, purpose, .. } = notice else { continue };
            let quote = before[&fill.instrument];
            assert!(matches!(purpose, Purpose::Entry | Purpose::Roll));
            match fill.side {
                Side::Buy => assert_eq!((Some(fill.price), bought += 1), (quote.ask(), ())),
                Side::Sell => assert_eq!((Some(fill.price), sold += 1), (quote.bid(), ())),
            }
        }
    }
    assert_eq!(sold, bought + 1);
    let ids: Vec<OrderId> = moments
        .iter()
        .flat_map(|moment| &moment.outputs)
        .filter_map(|output| match output {
            Output::Command { command: Command::Place(order), .. } => Some(order.id),
            _ => None,
        })
        .collect();
    assert!(ids.iter().all(|id| id.0 % OrderId::PER_PLAN >= 128) && ids.windows(2).all(|pair| pair[0] < pair[1]));
}

/// Held to expiry: what a campaign won is the premium less what the options were worth at the settlement price, in coin.
#[test]
fn a_strangle_is_settled_and_opened_anew() {
    let legs = vec![leg(OptionRight::Call, 0.25, "1"), leg(OptionRight::Put, 0.25, "1")];
    let path = walk(11, 400);
    let (moments, engine, desk) =
        run(vec![(structure(legs, Roll::Never), policy(""))], 100, |step| path[step as usize]);
    let closed: Vec<_> = moments.iter().flat_map(Moment::closed).collect();
    assert!(closed.len() >= 3, "{} campaigns", closed.len());
    let mut legs: BTreeMap<u64, (i128, i128)> = BTreeMap::new();
    let mut next = 1;
    for notice in notices(&moments) {
        match notice {
            Notice::Leg { campaign, fill, .. } => {
                let sums = legs.entry(campaign.unwrap_or(next)).or_default();
                if fill.forced == Some(Forced::Settlement) {
                    let (strike, right) = desk.catalogue.instruments[fill.instrument.index()].kind.option().unwrap();
                    let settles = |event: &Event| match event {
                        Event::Order(OrderEvent { update: OrderUpdate::Filled(told), .. }) => {
                            told.instrument == fill.instrument && told.forced.is_some()
                        }
                        _ => false,
                    };
                    let at = moments.iter().find(|moment| moment.events.iter().any(settles));
                    // The bar that closes with the expiry is the only price of its last half hour.
                    let step = at.unwrap().at.since(BEGIN).nanos() / hours(6).nanos();
                    let spot = (path[step as usize] * 2.0).round() / 2.0;
                    let exercise = ((spot - strike.approximate()) * right.sign()).max(0.0) / spot;
                    assert!((fill.price.approximate() - exercise).abs() < 2e-8, "{} and {exercise}", fill.price);
                }
                sums.0 -= i128::from(fill.price.raw()) * i128::from(fill.signed_qty().raw());
                sums.1 += fill.fee.raw();
            }
            Notice::CampaignClosed(record) => {
                next = record.id + 1;
                assert_eq!((record.ended, record.peak.signum()), (Some(Purpose::Settlement), -1));
            }
            _ => {}
        }
    }
    for record in closed {
        let (profit, fees) = legs[&record.id];
        assert_eq!(record.fees.raw(), fees);
        let (rounded, most) = (profit - record.profit.raw(), 2 * i128::from(record.peak.abs().raw()));
        assert!((0..=most).contains(&rounded), "{rounded}");
    }
    assert!(engine.campaign(StrategyId(0)).is_some_and(|campaign| campaign.id > 3));
}

/// Legs of two expiries: when the first is settled the other is closed at the market, and both are one campaign's.
#[test]
fn what_is_left_of_a_calendar_goes_with_its_first_leg() {
    let far = StructureLeg { days: Ratio::new(60.0).unwrap(), ..leg(OptionRight::Call, 0.5, "1") };
    let calendar = structure(vec![far, leg(OptionRight::Call, 0.5, "-1")], Roll::Never);
    let path = walk(7, 400);
    let (moments, _, desk) = run(vec![(calendar, policy(""))], 45, |step| path[step as usize]);
    let closed = moments.iter().flat_map(Moment::closed).next().unwrap();
    assert_eq!(closed.ended, Some(Purpose::Settlement));
    let of = |notice: &Notice| match notice {
        Notice::Leg { fill, purpose, campaign: Some(1), .. } => Some((fill.forced, *purpose, fill.signed_qty())),
        _ => None,
    };
    let ends: Vec<_> = notices(&moments).filter_map(of).collect();
    let (settled, market) = (Some(Forced::Settlement), None);
    let (up, down) = (qty("10"), qty("-10"));
    assert_eq!(ends, [(settled, Purpose::Settlement, down), (market, Purpose::Settlement, up)]);
    let at = moments.iter().position(|moment| moment.closed().next().is_some()).unwrap();
    assert!(moments[at].accounts[0].positions().all(|(position, _)| position.qty.is_zero()), "{:?}", desk.accounts);
}

/// Rolled once the legs are settled: the campaign goes on over a time without any.
#[test]
fn a_roll_at_settlement_keeps_the_campaign() {
    let legs = vec![leg(OptionRight::Call, 0.25, "1"), leg(OptionRight::Put, 0.25, "1")];
    let path = walk(13, 400);
    let sold = vec![(structure(legs, Roll::AtSettlement), policy(""))];
    let (moments, engine, _) = run(sold, 100, |step| path[step as usize]);
    let rolls = notices(&moments).filter(|notice| matches!(notice, Notice::Rolled { .. })).count();
    assert!(rolls >= 2, "{rolls} rolls");
    let settled = |notice: &&Notice| matches!(notice, Notice::Leg { purpose: Purpose::Settlement, .. });
    assert_eq!(notices(&moments).filter(settled).count(), 2 * rolls);
    let campaign = engine.campaign(StrategyId(0)).unwrap();
    assert_eq!((campaign.id, engine.position(StrategyId(0))), (1, qty("-10")));
    let moved = |notice: &Notice| if let Notice::Rolled { moved, .. } = notice { moved.raw() } else { 0 };
    let entered = moments.iter().flat_map(Moment::filled).next().unwrap().2;
    assert_eq!(campaign.entry.raw(), entered.price.raw() + notices(&moments).map(moved).sum::<i64>());
}

/// What one bought the other sold, so that the venue settles nothing: they settle with each other at what it tells, the mean of the last
/// half hour and not the last forward. (101,000 + 105,000 + 100,000) ÷ 3 = 102,000, so that a call at 100,000 pays 2,000 ÷ 102,000.
#[test]
fn opposite_strategies_settle_at_the_mean_of_the_last_half_hour() {
    let at_the_money = || StructureLeg {
        strike: LegStrike::Moneyness(Ratio::new(1.0).unwrap()),
        days: Ratio::new(14.0).unwrap(),
        ..leg(OptionRight::Call, 0.5, "1")
    };
    let text = policy_text("");
    let bought = policy::parse(&text.replace("\"sold\"", "\"bought\"").replace("-1.0", "1.0")).policy.unwrap();
    let seats = [policy(""), bought].map(|policy| (structure(vec![at_the_money()], Roll::Never), policy));
    let expiry = BEGIN + hours(14 * 24);
    let (moments, ..) = run_on(seats.into(), |catalogue| {
        let mut market = market(catalogue, 15, |_| 100_000.0);
        let trade = |minutes: i64, at: &str| {
            let trade = Trade { instrument: InstrumentId(0), price: price(at), qty: qty("1") };
            let at = expiry - Duration::from_nanos(minutes * Duration::MINUTE.nanos());
            Tick { at, events: vec![Event::Trade(trade)] }
        };
        market.extend([trade(40, "300000"), trade(20, "101000"), trade(10, "105000")]);
        market.sort_by_key(|tick| tick.at);
        market
    });
    let settled = notices(&moments).filter_map(|notice| match notice {
        Notice::Leg { purpose: Purpose::Settlement, fill, .. } => Some((fill.signed_qty(), fill.price, fill.liquidity)),
        _ => None,
    });
    let settled: Vec<_> = settled.collect();
    let pays = price("0.01960784");
    assert_eq!(settled[..2], [(qty("10"), pays, Liquidity::Internal), (qty("-10"), pays, Liquidity::Internal)]);
}

/// A price of what the legs cost together stops the campaign, takes half of it off on the way, and is the same at both legs.
#[test]
fn a_stop_and_a_rung_close_all_legs_in_proportion() {
    let legs = || vec![leg(OptionRight::Call, 0.25, "1"), leg(OptionRight::Put, 0.25, "1")];
    let sold = |scaled: &str| vec![(structure(legs(), Roll::Never), policy(scaled))];
    // Nothing moves: time takes the premium away.
    let (moments, engine, desk) =
        run(sold("[ladder]\nat = [\"40%\"]\nfractions = [0.5]\nof = \"peak\"\n"), 25, |_| 100_000.0);
    let purposes: Vec<Purpose> = notices(&moments)
        .filter_map(|notice| if let Notice::Filled { purpose, .. } = notice { Some(*purpose) } else { None })
        .collect();
    assert_eq!(purposes, [Purpose::Entry, Purpose::Rung { index: 0 }]);
    assert_eq!(held(&engine, &desk).iter().map(|(_, held)| *held).collect::<Vec<_>>(), [qty("-5"), qty("-5")]);
    // It rallies: the calls cost more than the puts bring, and both go.
    let stop = sold("[unit]\nn = \"atr(8, 6h)\"\n[stop]\ninitial = \"3N\"\n");
    let path = walk(11, 100);
    let (moments, _, desk) =
        run(stop, 20, |step| path[step.min(20) as usize] * (1.0 + 0.01 * (step - 20).max(0) as f64));
    let closed = moments.iter().flat_map(Moment::closed).next().unwrap();
    assert_eq!(closed.ended, Some(Purpose::Stop));
    assert!(closed.r.unwrap() <= -1.0, "{:?}", closed.r);
    let stopped = moments.iter().position(|moment| moment.closed().next().is_some()).unwrap();
    for (index, (position, _)) in moments[stopped].accounts[0].positions().enumerate() {
        assert_eq!(position.qty, Qty::ZERO, "{}", desk.catalogue.instruments[index].symbol);
    }
}

/// A straddle whose legs are quoted by hand, minute by minute: bid and ask of the call and of the put, and how much the ask is for.
fn straddle(minutes: &[[(&str, &str, &str); 2]]) -> (Vec<Moment>, Vec<(Purpose, Qty)>) {
    let at_the_money = |right| StructureLeg {
        strike: LegStrike::Moneyness(Ratio::new(1.0).unwrap()),
        days: Ratio::new(14.0).unwrap(),
        ..leg(right, 0.5, "1")
    };
    let legs = vec![at_the_money(OptionRight::Call), at_the_money(OptionRight::Put)];
    let text = "policy = 1\nname = \"bought\"\ninstrument = \"deribit:BTC-PERPETUAL\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
                reentry = \"at_once\"\n[unit]\nn = \"of_price(100%)\"\n[stop]\ninitial = \"0.5N\"\ntrigger = \"resting\"\n\
                [size]\nkind = \"risk_per_trade\"\nrisk = \"2%\"\nresize = \"entry\"\n[caps]\nleverage = 3.0\n";
    let bought = vec![(structure(legs, Roll::Never), policy::parse(text).policy.unwrap())];
    let (moments, _, _) = run_on(bought, |catalogue| {
        let of = |right| {
            let is_it = |of: &Instrument| {
                of.kind.option() == Some((price("100000"), right)) && of.kind.expiry() == Some(BEGIN + hours(14 * 24))
            };
            InstrumentId(catalogue.instruments.iter().position(is_it).unwrap() as u32)
        };
        let legs = [of(OptionRight::Call), of(OptionRight::Put)];
        let tick = |(minute, quotes): (usize, &[(&str, &str, &str); 2])| {
            let at = BEGIN + Duration::from_nanos((minute as i64 + 1) * Duration::MINUTE.nanos());
            let (close, instrument, volume) = (price("100000"), InstrumentId(0), Qty::ZERO);
            let opened = at - Duration::MINUTE;
            let bar = Bar { instrument, opened, closed: at, open: close, high: close, low: close, close, volume };
            let mut events = vec![Event::Bar(bar)];
            for (leg, (bid, ask, size)) in legs.iter().zip(quotes) {
                let of = |text: &str| text.parse::<Price>().ok();
                let quote = OptionQuote::empty(*leg)
                    .with_bid(of(bid), qty("50"))
                    .with_ask(of(ask), size.parse::<Qty>().ok())
                    .with_mark(of(bid))
                    .with_underlying(close)
                    .with_open_interest(qty("100"));
                events.push(Event::OptionQuote(quote));
            }
            Tick { at, events }
        };
        minutes.iter().enumerate().map(tick).collect()
    });
    let sent = moments.iter().flat_map(|moment| &moment.outputs).filter_map(|output| match output {
        Output::Command { command: Command::Place(order), purpose, .. } => Some((*purpose, order.qty)),
        _ => None,
    });
    let sent = sent.collect();
    (moments, sent)
}

/// The put of an entry is filled in part as the stop is crossed: all of it goes, and the next entry is one of its own, in the size that its
/// plan says, not what was left of the first.
#[test]
fn a_stop_beside_an_entry_under_way_ends_the_entry() {
    let (begin, part) = (("0.05", "0.052", "50"), ("0.05", "0.052", "1"));
    let (fallen, no_ask) = (("0.02", "0.022", "50"), ("0.02", "", ""));
    let risen = ("0.2", "0.21", "50");
    let minutes = [
        [begin, begin],
        [begin, part],
        [fallen, no_ask],
        [fallen, no_ask],
        [risen, risen],
        [risen, risen],
        [risen, risen],
    ];
    let (moments, sent) = straddle(&minutes);
    let entry = |size: &str| (Purpose::Entry, qty(size));
    let expected =
        [entry("4"), entry("4"), (Purpose::Stop, qty("4")), (Purpose::Stop, qty("1")), entry("0.9"), entry("0.9")];
    assert_eq!(sent, expected);
    assert_eq!(moments.last().unwrap().positions, [qty("0.9")]);
}

/// A leg waits for its quote while the other has lost most of its price: N is what the size was planned by.
#[test]
fn the_unit_is_that_of_the_decision_however_long_a_leg_waits() {
    let begin = ("0.05", "0.052", "50");
    let (fallen, no_ask) = (("0.02", "0.022", "50"), ("0.02", "", ""));
    let (moments, _) =
        straddle(&[[begin, begin], [begin, ("0.05", "", "")], [fallen, no_ask], [fallen, fallen], [fallen, fallen]]);
    let campaign = moments.iter().find_map(|moment| moment.open[0]).unwrap();
    // Both were quoted at 0.05 to 0.052 as it was decided, and cost 0.052 and 0.022: the stop is half of N under that.
    assert_eq!((campaign.unit, campaign.entry), (Some(price("0.1")), price("0.074")));
    assert_eq!(campaign.initial_stop, Some(price("0.024")));
}

/// A strangle that is rolled at a loss greater than what it brought: its entry is under zero, and no share of profit is reached, neither
/// the one at a price nor that of a condition, while every unit has lost.
#[test]
fn no_rung_of_profit_is_reached_where_rolls_moved_the_entry_under_zero() {
    let legs = || vec![leg(OptionRight::Call, 0.25, "1"), leg(OptionRight::Put, 0.25, "1")];
    for rung in ["60%", "unrealised > 60%"] {
        let ladder = policy(&format!("[ladder]\nat = [\"{rung}\"]\nfractions = [0.5]\n"));
        // It rallies to the day of the roll, and stands still.
        let path = |step: i64| 100_000.0 * (1.0 + 0.0042 * step.min(88) as f64);
        let (moments, engine, _) = run(vec![(structure(legs(), Roll::Before(hours(5 * 24))), ladder)], 40, path);
        let campaign = engine.campaign(StrategyId(0)).unwrap();
        assert!(campaign.entry.raw() < 0, "{}", campaign.entry);
        assert_eq!((campaign.id, campaign.rungs), (1, 0), "{rung}");
        let rungs =
            notices(&moments).filter(|notice| matches!(notice, Notice::Filled { purpose: Purpose::Rung { .. }, .. }));
        assert_eq!(rungs.count(), 0, "{rung}");
    }
}

/// Quotes that reach two rungs at once: each leg is traded for each of them, as much as it asks for.
#[test]
fn legs_are_told_for_the_rung_that_they_are_sold_for() {
    let legs = vec![leg(OptionRight::Call, 0.25, "1"), leg(OptionRight::Call, 0.15, "1")];
    let ladder = "[ladder]\nat = [\"40%\", \"60%\"]\nfractions = [0.2, 0.5]\nof = \"peak\"\n";
    // It falls, and the calls lose most of what they are worth at once.
    let path = |step: i64| if step < 12 { 100_000.0 } else { 85_000.0 };
    let (moments, engine, desk) = run(vec![(structure(legs, Roll::Never), policy(ladder))], 8, path);
    let of_rungs = |purpose: &Purpose| matches!(purpose, Purpose::Rung { .. });
    let told = notices(&moments).filter_map(|notice| match notice {
        Notice::Leg { purpose, fill, .. } if of_rungs(purpose) => Some((*purpose, fill.qty)),
        _ => None,
    });
    let first = |index: u8| Purpose::Rung { index };
    let expected = [(first(0), qty("2")), (first(1), qty("5")), (first(0), qty("2")), (first(1), qty("5"))];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let structures: Vec<(Purpose, Qty)> = notices(&moments)
        .filter_map(|notice| match notice {
            Notice::Filled { purpose, fill, .. } if of_rungs(purpose) => Some((*purpose, fill.qty)),
            _ => None,
        })
        .collect();
    assert_eq!(structures, [(first(0), qty("2")), (first(1), qty("5"))]);
    assert_eq!(held(&engine, &desk).iter().map(|(_, held)| *held).collect::<Vec<_>>(), [qty("-3"), qty("-3")]);
}

/// Two strategies on opposite sides of the same options: each has its own, the account holds nothing, and nothing goes out: they trade with
/// each other at the middle, without a fee.
#[test]
fn opposite_structures_cancel_out_at_the_venue() {
    let call = || structure(vec![leg(OptionRight::Call, 0.25, "1")], Roll::Never);
    let mut long = policy("");
    long.name = "bought".into();
    long.signal.kind = policy::spec::SignalKind::Constant { strength: Ratio::new(1.0).unwrap() };
    let path = walk(5, 400);
    let (moments, engine, desk) = run(vec![(call(), policy("")), (call(), long)], 40, |step| path[step as usize]);
    let sent =
        moments.iter().flat_map(|moment| &moment.outputs).filter(|output| matches!(output, Output::Command { .. }));
    assert_eq!(sent.count(), 0);
    let mut crossed = 0;
    for moment in &moments {
        for fill in notices(std::slice::from_ref(moment)).filter_map(|notice| match notice {
            Notice::Leg { fill, .. } if fill.forced.is_none() => Some(fill),
            _ => None,
        }) {
            let quotes = moment.events.iter().filter_map(|event| match event {
                Event::OptionQuote(quote) if quote.instrument == fill.instrument => quote.mid(),
                _ => None,
            });
            assert_eq!(quotes.collect::<Vec<_>>().last(), Some(&fill.price), "{fill:?}");
            assert_eq!((fill.liquidity, fill.fee), (Liquidity::Internal, Cash::ZERO));
            crossed += 1;
        }
    }
    assert_eq!(crossed, 4, "both sides of two campaigns");
    let whole = moments.iter().filter(|moment| moment.positions == [qty("-10"), qty("10")]);
    assert!(whole.clone().count() > 100, "{}", whole.count());
    let closed: Vec<_> = moments.iter().flat_map(Moment::closed).collect();
    // The venue settles nothing, so they settle with each other, at one price.
    assert_eq!(closed.iter().filter(|record| record.ended == Some(Purpose::Settlement)).count(), 2, "{closed:?}");
    let exits: Vec<_> = closed.iter().map(|record| record.exit).collect();
    assert_eq!(exits[0], exits[1]);
    assert_eq!(held(&engine, &desk), []);
}

/// No option passes: nothing is traded, and the plan says why.
#[test]
fn no_choice_is_no_trade_and_says_so() {
    let mut calls = structure(vec![leg(OptionRight::Call, 0.25, "1")], Roll::Never);
    calls.min_open_interest = Some(qty("1000"));
    let (moments, engine, _) = run(vec![(calls, policy(""))], 5, |_| 100_000.0);
    assert_eq!(engine.position(StrategyId(0)), Qty::ZERO);
    let said: Vec<String> = moments
        .iter()
        .flat_map(|moment| &moment.outputs)
        .filter_map(|output| if let Output::Plan(plan) = output { Some(plan) } else { None })
        .flat_map(|plan| plan.steps.iter().map(|step| step.reason.to_string()))
        .collect();
    // Of the four highest strikes two have no bid, and two are worth so few ticks that the spread is over half of it.
    let sentence = "no call near delta 0.25 at 30.00 days: 17 of 21 have too little open interest";
    assert_eq!(said.iter().filter(|said| *said == sentence).count(), 1, "{said:?}");
}

/// A run that is broken off, saved and gone on with is the run that was not.
#[test]
fn a_saved_engine_goes_on_in_the_middle_of_a_roll() {
    let calls = structure(
        vec![leg(OptionRight::Call, 0.25, "1"), leg(OptionRight::Put, 0.2, "-1")],
        Roll::Before(hours(24 * 6)),
    );
    let path = walk(3, 400);
    let (moments, _, desk) = run(vec![(calls, policy(""))], 60, |step| path[step as usize]);
    let rolled = moments.iter().position(|moment| {
        moment.outputs.iter().any(|output| matches!(output, Output::Command { purpose: Purpose::Roll, .. }))
    });
    for cut in [1, rolled.unwrap(), rolled.unwrap() + 1, rolled.unwrap() + 2, moments.len() - 1] {
        let mut engine = desk.engine();
        for moment in &moments[..=cut] {
            common::feed(&mut engine, moment.at, moment.source, &moment.events);
        }
        let mut restored = desk.restore(&common::snapshot(&engine));
        for moment in &moments[cut + 1..] {
            let outputs = common::feed(&mut restored, moment.at, moment.source, &moment.events);
            assert_eq!(outputs, moment.outputs, "at {}", moment.at);
        }
    }
}
