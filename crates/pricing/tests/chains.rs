//! Quotes to forwards and smiles: by hand, from invented smiles, from garbage, and from recorded chains.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "the recordings are files, and a skip is said"
)]

mod common;

use pricing::options::{DeltaConvention, EuropeanOption, Inputs, OptionKind, OptionStyle};
use pricing::surface::{
    Chain, ChainSettings, Dropped, ForwardSource, NoAnswer, NoSmile, OptionQuote, Placed, Reading, Sides, Slice,
    SmileQuotes, SmileRefusal, Sticky, Surface,
};
use units::math::{exp, ln};
use units::state::{StateReader, StateWriter};
use units::{Duration, Timestamp};

const KINDS: [OptionKind; 2] = [OptionKind::Call, OptionKind::Put];
const CONVENTIONS: [DeltaConvention; 2] = [DeltaConvention::BlackScholes, DeltaConvention::Net];
const NOW: Timestamp = Timestamp::from_nanos(1_800_000_000_000_000_000);

fn days(days: f64) -> Timestamp {
    Timestamp::from_nanos(NOW.nanos() + (days * Duration::DAY.nanos() as f64) as i64)
}

/// A smile with skew and curvature.
fn vol(k: f64) -> f64 {
    0.55 - 0.12 * k + 0.25 * k * k
}

/// What an option costs at that smile, in its own currency.
fn price(style: OptionStyle, kind: OptionKind, forward: f64, strike: f64, years: f64, discount: f64) -> f64 {
    let inputs = Inputs { forward, strike, years, vol: vol(ln(strike / forward)), discount };
    let usd = EuropeanOption::new(kind, inputs).unwrap().greeks().price;
    if style == OptionStyle::Inverse { usd / forward } else { usd }
}

/// Quotes around those prices: a tenth of the price, or two ticks, wide.
fn quotes(style: OptionStyle, expiry: f64, forward: f64, rate: f64, strikes: &[f64]) -> Vec<OptionQuote> {
    let years = expiry / 365.0;
    let tick = if style == OptionStyle::Inverse { 1e-4 } else { 1.0 };
    let discount = if style == OptionStyle::Inverse { 1.0 } else { exp(-rate * years) };
    let of = |strike: f64, kind: OptionKind| {
        let price = price(style, kind, forward, strike, years, discount);
        let half = (price * 0.05).max(tick);
        let grid = |price: f64| (price / tick).round().max(0.0) * tick;
        let (bid, ask) = (Some(grid(price - half)), Some(grid(price + half)));
        OptionQuote { expiry: days(expiry), strike, kind, bid, ask, tick, at: NOW, forward: None }
    };
    strikes.iter().flat_map(|strike| KINDS.map(|kind| of(*strike, kind))).collect()
}

fn strikes(forward: f64) -> Vec<f64> {
    (-12..=12).map(|step| (forward * (1.0 + f64::from(step) * 0.03) / 500.0).round() * 500.0).collect()
}

fn chain(style: OptionStyle, quotes: &[OptionQuote]) -> Chain {
    let mut chain = Chain::new(style, ChainSettings::default());
    chain.read(quotes.iter().copied());
    chain.remake_all(NOW);
    chain
}

#[test]
fn an_invented_smile_comes_back_between_bid_and_ask() {
    for (style, rate) in [(OptionStyle::Inverse, 0.0), (OptionStyle::Linear, 0.05)] {
        for (expiry, forward) in [(0.5, 60_000.0), (7.0, 61_234.5), (180.0, 63_000.0)] {
            let quotes = quotes(style, expiry, forward, rate, &strikes(forward));
            let mut chain = Chain::new(style, ChainSettings { rate, ..ChainSettings::default() });
            assert_eq!(chain.read(quotes.iter().copied()).new, quotes.len());
            chain.remake_all(NOW);
            let report = chain.report(0);
            let found = report.forward.unwrap();
            assert_eq!((found.source, found.outside_parity()), (ForwardSource::Parity, Some(false)));
            let parity = found.parity.unwrap();
            assert!(parity.low <= forward && forward <= parity.high, "{style:?} {expiry}: {parity:?}");
            assert!((found.price / forward - 1.0).abs() < 2e-3, "{style:?} {expiry}: {found:?}");
            assert_eq!(report.listed, report.used + report.dropped.total());
            assert!(report.dropped.of(Dropped::OtherSide) >= report.used.saturating_sub(1), "{report:?}");
            let smile = &chain.smiles()[0];
            assert_eq!((smile.check(), smile.points.len()), (Ok(()), report.used));
            assert!((smile.years - expiry / 365.0).abs() < 1e-12);
            for point in &smile.points {
                // The middle at the parity forward is off by what the forward is.
                let strike = exp(point.log_moneyness) * smile.forward;
                let truth = vol(ln(strike / forward));
                assert!(point.bid_vol - 0.01 <= truth && truth <= point.ask_vol + 0.01, "{expiry} {point:?} {truth}");
            }
        }
    }
}

#[test]
fn a_recorded_forward_gives_the_volatility_to_the_tick() {
    // Each quote has its own forward, as when a chain is read option by option while the market moves.
    let (expiry, years) = (30.0, 30.0 / 365.0);
    let mut all = Vec::new();
    for (index, strike) in strikes(60_000.0).into_iter().enumerate() {
        let forward = 60_000.0 + 3.0 * index as f64;
        let kind = if strike < forward { OptionKind::Put } else { OptionKind::Call };
        let exact = price(OptionStyle::Inverse, kind, forward, strike, years, 1.0);
        let (bid, ask, tick) = (Some(exact * 0.99), Some(exact * 1.01), 1e-9);
        all.push(OptionQuote { expiry: days(expiry), strike, kind, bid, ask, tick, at: NOW, forward: Some(forward) });
    }
    let chain = chain(OptionStyle::Inverse, &all);
    let report = chain.report(0);
    assert_eq!(report.used, all.len());
    assert_eq!(report.forward.unwrap().source, ForwardSource::Recorded);
    assert!((report.forward.unwrap().price - 60_036.0).abs() < 1e-9, "the median of 60,000, 60,003 … 60,072");
    for (point, quote) in chain.smiles()[0].points.iter().zip(&all) {
        let k = ln(quote.strike / quote.forward.unwrap());
        assert!((point.log_moneyness - k).abs() < 1e-15 && (point.mid_vol - vol(k)).abs() < 1e-12, "{point:?}");
    }
}

/// Half the forward with every quote, the index in place of a forward of a carry of 2 %: the smile is that of the true one, to the bit of
/// a chain without any.
#[test]
fn a_forward_that_calls_and_puts_contradict_is_not_taken() {
    for style in [OptionStyle::Inverse, OptionStyle::Linear] {
        let all = quotes(style, 90.0, 60_000.0, 0.0, &strikes(60_000.0));
        let telling = |told: f64| {
            let all: Vec<_> = all.iter().map(|quote| OptionQuote { forward: Some(told), ..*quote }).collect();
            let chain = chain(style, &all);
            (chain.report(0), chain.smiles()[0].clone())
        };
        let blind = chain(style, &all);
        for wrong in [30_000.0, 58_800.0, 120_000.0] {
            let (report, smile) = telling(wrong);
            let forward = report.forward.unwrap();
            assert_eq!((forward.source, forward.refused), (ForwardSource::Parity, Some(wrong)));
            assert_eq!((report.dropped.of(Dropped::Forward), &smile), (0, &blind.smiles()[0]), "{style:?} {wrong}");
        }
        assert_eq!(telling(60_000.0).0.forward.unwrap().refused, None);
    }
}

#[test]
fn forwards_by_hand() {
    // In coin c − p = 1 − K/F: of 0.0570…0.0580 and 0.0370…0.0380 at 60,000 the middle is 0.02, so F = 60,000 ÷ 0.98.
    let one = |strike: f64, kind, bid: f64, ask: f64| OptionQuote {
        expiry: days(30.0),
        strike,
        kind,
        bid: Some(bid),
        ask: Some(ask),
        tick: 1e-4,
        at: NOW,
        forward: None,
    };
    let pair = [one(60_000.0, KINDS[0], 0.0570, 0.0580), one(60_000.0, KINDS[1], 0.0370, 0.0380)];
    let mut chain = chain(OptionStyle::Inverse, &pair);
    let forward = chain.report(0).forward.unwrap();
    let parity = forward.parity.unwrap();
    assert!((forward.price - 60_000.0 / 0.98).abs() < 1e-6);
    assert!((parity.low - 60_000.0 / 0.981).abs() < 1e-6 && (parity.high - 60_000.0 / 0.979).abs() < 1e-6);
    assert_eq!((parity.strikes, forward.disagreement()), (1, Some(0.0)));

    // A future goes before it, and how far it lies away is told.
    chain.set_future(days(30.0), Some(61_400.0));
    chain.remake_all(NOW);
    let forward = chain.report(0).forward.unwrap();
    assert_eq!((forward.source, forward.price), (ForwardSource::Future, 61_400.0));
    assert!((forward.disagreement().unwrap() - (61_400.0 * 0.98 / 60_000.0 - 1.0)).abs() < 1e-12);
    assert_eq!(forward.outside_parity(), Some(true));

    // Further off than the tolerance it is refused, and parity takes its place.
    chain.set_future(days(30.0), Some(61_600.0));
    chain.remake_all(NOW);
    let forward = chain.report(0).forward.unwrap();
    assert_eq!((forward.source, forward.refused), (ForwardSource::Parity, Some(61_600.0)));
    assert!((forward.price - 60_000.0 / 0.98).abs() < 1e-6);
    assert!((forward.disagreement().unwrap() - (61_600.0 * 0.98 / 60_000.0 - 1.0)).abs() < 1e-12);
    chain.set_future(days(30.0), Some(61_400.0));

    // Without either: ln F is linear in time. Spot 60,000 now, 61,400 in 30 days; in 10 days 60,000 × (61,400/60,000)^(1/3), in 60
    // at the same carry.
    chain.set_spot(Some(60_000.0));
    for expiry in [10.0, 60.0] {
        for strike in [50_000.0, 55_000.0] {
            let put = OptionQuote { expiry: days(expiry), ..one(strike, OptionKind::Put, 0.01, 0.011) };
            chain.push(&put).unwrap();
        }
    }
    chain.remake_all(NOW);
    for (index, power) in [(0, 1.0 / 3.0), (2, 2.0)] {
        let forward = chain.report(index).forward.unwrap();
        assert_eq!(forward.source, ForwardSource::Interpolated);
        let expected = 60_000.0 * exp(ln(61_400.0 / 60_000.0) * power);
        assert!((forward.price / expected - 1.0).abs() < 1e-12, "{index}: {forward:?}, {expected}");
    }
}

#[test]
fn one_bad_strike_does_not_move_the_parity_forward() {
    let mut all = quotes(OptionStyle::Inverse, 30.0, 60_000.0, 0.0, &strikes(60_000.0));
    let before = chain(OptionStyle::Inverse, &all).report(0).forward.unwrap().price;
    // A call 5 % of the forward too dear, and as tight as the others.
    let bad = all.iter_mut().find(|quote| quote.strike == 60_000.0 && quote.kind == OptionKind::Call).unwrap();
    (bad.bid, bad.ask) = (bad.bid.map(|bid| bid + 0.05), bad.ask.map(|ask| ask + 0.05));
    let forward = chain(OptionStyle::Inverse, &all).report(0).forward.unwrap();
    assert!((forward.price / before - 1.0).abs() < 1e-3, "{before} {forward:?}");
    assert_eq!(forward.outside_parity(), None, "the strikes contradict each other, and it is told");
}

#[test]
fn each_kind_of_bad_quote_is_named() {
    let good = quotes(OptionStyle::Inverse, 30.0, 60_000.0, 0.0, &[54_000.0, 57_000.0, 60_000.0, 63_000.0, 66_000.0]);
    let stale = Timestamp::from_nanos(NOW.nanos() - 16 * 60 * 1_000_000_000);
    let later = Timestamp::from_nanos(NOW.nanos() + 1);
    type Spoil = fn(&mut OptionQuote, Timestamp);
    let spoils: [(Dropped, Timestamp, Spoil); 9] = [
        (Dropped::Later, later, |quote, at| quote.at = at),
        (Dropped::Stale, stale, |quote, at| quote.at = at),
        (Dropped::Missing, NOW, |quote, _| (quote.bid, quote.ask) = (None, None)),
        (Dropped::NoBid, NOW, |quote, _| quote.bid = Some(0.0)),
        (Dropped::NoAsk, NOW, |quote, _| quote.ask = None),
        (Dropped::Crossed, NOW, |quote, _| (quote.bid, quote.ask) = (quote.ask, quote.bid)),
        (Dropped::OneTick, NOW, |quote, _| quote.bid = Some(1e-4)),
        (Dropped::Forward, NOW, |quote, _| quote.forward = Some(66_000.0)),
        // A call of more than a coin.
        (Dropped::NoVol, NOW, |quote, _| quote.ask = Some(1.5)),
    ];
    for (reason, at, spoil) in spoils {
        let mut all = good.clone();
        for quote in &mut all {
            // So that one recorded forward does not become the expiry's.
            quote.forward = Some(60_000.0);
        }
        let bad = all.iter_mut().find(|quote| quote.strike == 66_000.0 && quote.kind == OptionKind::Call).unwrap();
        spoil(bad, at);
        let chain = chain(OptionStyle::Inverse, &all);
        let report = chain.report(0);
        assert_eq!((report.dropped.of(reason), report.used), (1, 4), "{reason}: {report:?}");
        assert_eq!(report.dropped.iter().count(), 2, "that, and the other sides");
        assert!(chain.dropped(0).any(|dropped| dropped == (66_000.0, OptionKind::Call, reason)), "{reason}");
    }
}

#[test]
fn chains_without_a_smile_say_why() {
    let good = quotes(OptionStyle::Inverse, 30.0, 60_000.0, 0.0, &strikes(60_000.0));
    let smile = |quotes: &[OptionQuote]| chain(OptionStyle::Inverse, quotes).report(0).smile;
    let each = |change: fn(&mut OptionQuote)| -> Vec<OptionQuote> {
        let mut all = good.clone();
        all.iter_mut().for_each(change);
        all
    };
    assert_eq!(smile(&each(|quote| quote.expiry = NOW)), Err(NoSmile::Expired));
    assert_eq!(smile(&each(|quote| (quote.bid, quote.ask) = (None, None))), Err(NoSmile::NoForward));
    // With a forward, what is missing are quotes.
    let crossed = each(|quote| {
        (quote.bid, quote.ask) = (Some(0.05), Some(0.04));
        quote.forward = Some(60_000.0);
    });
    assert_eq!(smile(&crossed), Err(NoSmile::Crossed { quotes: 50 }));
    let empty = each(|quote| {
        (quote.bid, quote.ask) = (None, None);
        quote.forward = Some(60_000.0);
    });
    assert_eq!(smile(&empty), Err(NoSmile::NoQuotes));
    let one: Vec<OptionQuote> = good.iter().copied().filter(|quote| quote.strike == 60_000.0).collect();
    let Err(NoSmile::OneStrike { strike, vol }) = smile(&one) else { panic!("{:?}", smile(&one)) };
    assert!(strike == 60_000.0 && (vol - 0.55).abs() < 0.02, "{strike} {vol}");
    let two: Vec<OptionQuote> =
        good.iter().copied().filter(|quote| (quote.strike - 60_000.0).abs() < 2_500.0).collect();
    let two = chain(OptionStyle::Inverse, &two[..4]);
    assert_eq!(two.smiles()[0].check(), Err(SmileRefusal::TooFewPoints { count: 2 }), "three are for the fit to ask");
    assert!(Chain::new(OptionStyle::Linear, ChainSettings::default()).is_empty());
}

#[test]
fn order_and_repetition_do_not_matter_but_time_does() {
    let mut all = quotes(OptionStyle::Inverse, 7.0, 60_000.0, 0.0, &strikes(60_000.0));
    all.extend(quotes(OptionStyle::Inverse, 30.0, 60_500.0, 0.0, &strikes(60_500.0)));
    let sorted = chain(OptionStyle::Inverse, &all);
    // Each once more, a second older, with another price; all shuffled.
    let second = Duration::from_nanos(1_000_000_000).nanos();
    let older = all.clone().into_iter().map(|quote| OptionQuote {
        at: Timestamp::from_nanos(quote.at.nanos() - second),
        bid: Some(0.3),
        ask: Some(0.4),
        ..quote
    });
    let mut mixed: Vec<OptionQuote> = all.iter().copied().chain(older).collect();
    let mut random = Random(7);
    for index in (1..mixed.len()).rev() {
        mixed.swap(index, random.below(index + 1));
    }
    let mut shuffled = Chain::new(OptionStyle::Inverse, ChainSettings::default());
    let counts = shuffled.read(mixed);
    assert_eq!(counts.new + counts.replaced + counts.older, 2 * all.len());
    assert_eq!(counts.new, all.len());
    shuffled.remake_all(NOW);
    assert_eq!(sorted.smiles(), shuffled.smiles());

    // Of equal times the last counts.
    let mut chain = Chain::new(OptionStyle::Inverse, ChainSettings::default());
    let quote = all[0];
    assert_eq!(chain.push(&quote), Ok(Placed::New));
    assert_eq!(chain.push(&quote), Ok(Placed::Replaced));
    assert_eq!(chain.push(&OptionQuote { at: Timestamp::from_nanos(0), ..quote }), Ok(Placed::Older));
    let refused = chain.push(&OptionQuote { bid: Some(f64::NAN), ..quote }).unwrap_err();
    assert_eq!(refused.to_string(), "`price` is NaN; it must lie between 0 and 1000000000000000");
}

#[test]
fn one_expiry_remade_is_all_remade() {
    let mut all = Vec::new();
    for (expiry, forward) in [(7.0, 60_000.0), (30.0, 60_500.0), (90.0, 61_500.0)] {
        all.extend(quotes(OptionStyle::Inverse, expiry, forward, 0.0, &strikes(forward)));
    }
    let mut one = chain(OptionStyle::Inverse, &all);
    let mut every = one.clone();
    let middle = all.iter().copied().filter(|quote| quote.expiry == days(30.0));
    for (turn, mut quote) in middle.enumerate() {
        // A quote becomes useless, another gets dearer, and so on; then all are useless, and the expiry's smile is gone.
        (quote.bid, quote.ask) = if turn % 3 == 0 { (quote.ask, quote.bid) } else { (None, quote.ask) };
        for chain in [&mut one, &mut every] {
            chain.push(&quote).unwrap();
        }
        let index = one.index_of(quote.expiry).unwrap();
        let remade = one.remake(index, NOW);
        every.remake_all(NOW);
        assert_eq!(one.smiles(), every.smiles());
        assert_eq!(remade, one.report(index).smile);
        assert_eq!(one.report(2).smile, Ok(if remade.is_ok() { 2 } else { 1 }));
    }
    assert_eq!(one.smiles().len(), 2);
    for quote in all.iter().filter(|quote| quote.expiry == days(30.0)) {
        one.push(quote).unwrap();
    }
    assert_eq!(one.remake(1, NOW), Ok(1));
    assert_eq!(one.smiles(), chain(OptionStyle::Inverse, &all).smiles());
    // A week later the first is gone.
    one.drop_expired(days(8.0));
    assert_eq!((one.len(), one.smiles().len(), one.report(0).smile), (2, 2, Ok(0)));
}

#[test]
fn forwards_and_smiles_of_recorded_chains() {
    let quantile = |values: &mut Vec<f64>, rank: f64| {
        values.sort_by(f64::total_cmp);
        values[((values.len() - 1) as f64 * rank) as usize]
    };
    for coin in ["BTC", "ETH"] {
        let (mut apart, mut outside, mut agree, mut expiries) = (Vec::new(), 0, 0, 0);
        let (mut listed, mut used, mut dropped) = (0, 0, [0; Dropped::ALL.len()]);
        let mut without: Vec<String> = Vec::new();
        for month in ["2026-01", "2026-03"] {
            let name = format!("deribit_options_6h/{coin}_{month}.parquet");
            let Some(path) = common::recording("forwards_and_smiles_of_recorded_chains", &name) else { return };
            let (mut chain, mut blind) = (
                Chain::new(OptionStyle::Inverse, ChainSettings::default()),
                Chain::new(OptionStyle::Inverse, ChainSettings::default()),
            );
            for snapshot in common::snapshots(&path) {
                for (chain, recorded) in [(&mut chain, true), (&mut blind, false)] {
                    chain.clear();
                    chain.set_spot(Some(snapshot.index));
                    let keep =
                        |quote: &OptionQuote| OptionQuote { forward: quote.forward.filter(|_| recorded), ..*quote };
                    let counts = chain.read(snapshot.quotes.iter().map(keep));
                    assert_eq!(counts.new, snapshot.quotes.len(), "the recordings have each option once");
                    chain.remake_all(snapshot.at);
                }
                for index in 0..chain.len() {
                    let (report, seen) = (chain.report(index), blind.report(index));
                    let Some(forward) = report.forward else {
                        assert_eq!(report.smile, Err(NoSmile::Expired));
                        continue;
                    };
                    expiries += 1;
                    assert_eq!((forward.source, forward.refused), (ForwardSource::Recorded, None));
                    // With spot, there is always a forward.
                    let found = seen.forward.unwrap();
                    if found.source == ForwardSource::Parity {
                        apart.push((found.price / forward.price - 1.0).abs() * 1e4);
                        agree += usize::from(forward.outside_parity() == Some(false));
                        outside += usize::from(forward.outside_parity() == Some(true));
                    }
                    if report.smile.is_ok() {
                        assert_eq!(report.listed, report.used + report.dropped.total());
                    }
                    listed += report.listed;
                    used += report.used;
                    for (reason, count) in report.dropped.iter() {
                        dropped[reason as usize] += count;
                    }
                    match report.smile {
                        Ok(slot) => assert!(chain.smiles()[slot].check().is_ok() || report.used < 3),
                        Err(reason) => without.push(format!(
                            "{:.1} hours left: {reason}",
                            report.expiry.since(snapshot.at).days() * 24.0
                        )),
                    }
                }
            }
        }
        let parity = apart.len();
        let [median, ninetieth, high] = [0.5, 0.9, 0.99].map(|rank| quantile(&mut apart, rank));
        println!(
            "{coin}: {expiries} expiries, {parity} with parity; its forward off the recorded one by {median:.2} bp in the median, \
             {ninetieth:.2} bp at the 90th, {high:.2} bp at the 99th percentile; recorded inside parity's bounds in {agree}, \
             outside in {outside}"
        );
        println!(
            "{coin}: {listed} quotes, {used} used, dropped {:?}",
            Dropped::ALL.map(|reason| (reason, dropped[reason as usize]))
        );
        println!("{coin}: {} without a smile: {without:?}", without.len());
        assert!(median < 2.0 && high < 15.0, "{coin}: {median} {high}");
        assert!(
            parity * 100 >= expiries * 95 && without.len() * 100 <= expiries,
            "{coin}: {parity} of {expiries}; {without:?}"
        );
    }
}

#[test]
fn the_tighter_side_counts_if_asked() {
    let mut all = quotes(OptionStyle::Inverse, 30.0, 60_000.0, 0.0, &[55_000.0, 60_000.0, 65_000.0]);
    // The call in the money becomes exact.
    let call = all.iter_mut().find(|quote| quote.strike == 55_000.0 && quote.kind == OptionKind::Call).unwrap();
    let exact = price(OptionStyle::Inverse, OptionKind::Call, 60_000.0, 55_000.0, 30.0 / 365.0, 1.0);
    (call.bid, call.ask) = (Some(exact - 1e-6), Some(exact + 1e-6));
    for quote in &mut all {
        quote.forward = Some(60_000.0);
    }
    let settings = ChainSettings { sides: Sides::Tighter, ..ChainSettings::default() };
    let mut chain = Chain::new(OptionStyle::Inverse, settings);
    chain.read(all);
    chain.remake_all(NOW);
    let point = chain.smiles()[0].points[0];
    assert!((point.mid_vol - vol(point.log_moneyness)).abs() < 1e-9, "{point:?}");
    assert_eq!((chain.report(0).used, chain.report(0).dropped.of(Dropped::OtherSide)), (3, 3));
    assert!(chain.dropped(0).any(|dropped| dropped == (55_000.0, OptionKind::Put, Dropped::OtherSide)));
}

/// Xorshift: enough to make garbage.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of any kind.
    fn wild(&mut self) -> f64 {
        const SPECIAL: [f64; 12] = [
            0.0,
            -0.0,
            -1.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e-320,
            1e-15,
            1e15,
            1e300,
            f64::MIN_POSITIVE,
            1.0,
        ];
        match self.below(4) {
            0 => SPECIAL[self.below(SPECIAL.len())],
            1 => f64::from_bits(self.next()),
            2 => exp((self.unit() - 0.5) * 80.0),
            _ => self.unit(),
        }
    }
}

#[test]
fn a_chain_comes_back_from_a_snapshot() {
    let mut all = Vec::new();
    for (expiry, forward) in [(7.0, 60_000.0), (30.0, 60_500.0), (90.0, 61_500.0)] {
        all.extend(quotes(OptionStyle::Inverse, expiry, forward, 0.0, &strikes(forward)));
    }
    // One expiry of one strike, one without a forward of its own, one recorded, one not made.
    all.retain(|quote| quote.expiry != days(7.0) || quote.strike == 60_000.0);
    all.retain(|quote| quote.expiry != days(30.0) || quote.kind == OptionKind::Put);
    for quote in all.iter_mut().filter(|quote| quote.expiry == days(90.0)) {
        quote.forward = Some(61_500.0);
    }
    let mut before = chain(OptionStyle::Inverse, &all);
    before.set_future(days(7.0), Some(60_010.0));
    before.set_spot(Some(60_000.0));
    before.push(&OptionQuote { expiry: days(200.0), ..all[0] }).unwrap();
    before.remake(0, NOW).unwrap_err();
    before.remake(1, NOW).unwrap();
    let saved = |chain: &Chain| {
        let mut out = StateWriter::new();
        chain.save(&mut out);
        out.as_bytes().to_vec()
    };
    let bytes = saved(&before);
    let mut after = Chain::new(OptionStyle::Inverse, ChainSettings::default());
    let mut from = StateReader::new(&bytes);
    after.load(&mut from).unwrap();
    from.end().unwrap();
    for turn in 0..2 {
        assert_eq!(before.smiles(), after.smiles(), "{turn}");
        for index in 0..before.len() {
            assert_eq!(before.report(index), after.report(index), "{turn}");
        }
        assert_eq!(saved(&before), saved(&after));
        before.remake_all(NOW);
        after.remake_all(NOW);
    }
    // What is cut or changed is refused, or is a chain; nothing panics.
    let mut random = Random(99);
    for _ in 0..2_000 {
        let mut bad = bytes.clone();
        bad.truncate(random.below(bytes.len() + 1));
        if !bad.is_empty() {
            let place = random.below(bad.len());
            bad[place] = random.next() as u8;
        }
        let mut chain = Chain::new(OptionStyle::Inverse, ChainSettings::default());
        if chain.load(&mut StateReader::new(&bad)).is_ok() {
            chain.remake_all(NOW);
        }
    }
}

#[test]
fn garbage_gives_an_answer_and_smiles_that_are_in_order() {
    let mut random = Random(0x5EED);
    let (mut usable, mut unusable, mut fitted) = (0, 0, 0);
    for round in 0..3_000 {
        let style = if random.below(2) == 0 { OptionStyle::Inverse } else { OptionStyle::Linear };
        let sides = if random.below(2) == 0 { Sides::OutOfTheMoney } else { Sides::Tighter };
        let rate = if random.below(8) == 0 { random.wild() } else { 0.03 };
        let mut chain = Chain::new(style, ChainSettings { sides, rate, ..ChainSettings::default() });
        let mut all = Vec::new();
        for expiry in [0.0001, 1.0, 30.0] {
            all.extend(quotes(style, expiry, 60_000.0, 0.03, &strikes(60_000.0)));
        }
        let spoilt = random.below(all.len() + 1);
        for _ in 0..spoilt {
            let index = random.below(all.len());
            let quote = &mut all[index];
            match random.below(8) {
                0 => quote.bid = Some(random.wild()),
                1 => quote.ask = Some(random.wild()),
                2 => quote.strike = if random.below(2) == 0 { random.wild() } else { 60_000.0 },
                3 => quote.tick = random.wild(),
                4 => quote.forward = Some(random.wild()),
                5 => quote.forward = Some(60_000.0 * (1.0 + 0.02 * random.unit())),
                6 => quote.expiry = Timestamp::from_nanos(random.next() as i64),
                _ => quote.at = if random.below(2) == 0 { Timestamp::from_nanos(random.next() as i64) } else { NOW },
            }
        }
        if random.below(3) == 0 {
            chain.set_spot(Some(random.wild()));
            chain.set_future(days(1.0), Some(random.wild()));
            chain.set_future(Timestamp::from_nanos(random.next() as i64), Some(random.wild()));
        }
        let counts = chain.read(all.iter().copied());
        assert_eq!(counts.new + counts.replaced + counts.older + counts.refused, all.len());
        chain.remake_all(NOW);
        let mut slots = 0;
        for index in 0..chain.len() {
            let report = chain.report(index);
            assert!(report.used + report.dropped.total() <= report.listed, "{round}: {report:?}");
            if let Some(forward) = report.forward {
                assert!(forward.price.is_finite() && forward.price > 0.0, "{round}: {report:?}");
            }
            match report.smile {
                Ok(slot) => {
                    assert_eq!(slot, slots, "{round}");
                    slots += 1;
                    let smile = &chain.smiles()[slot];
                    let check = smile.check();
                    assert!(
                        matches!(check, Ok(()) | Err(SmileRefusal::TooFewPoints { count: 2 })),
                        "{round}: {check:?} {smile:?}"
                    );
                    usable += 1;
                }
                Err(reason) => {
                    assert!(!reason.to_string().is_empty());
                    unusable += 1;
                }
            }
        }
        assert_eq!(slots, chain.smiles().len());
        assert!(chain.smiles().windows(2).all(|pair| pair[0].years < pair[1].years));
        if round % 4 == 0 {
            fitted += usize::from(ask_everything(chain.smiles(), &mut random, round));
        }
        // Nothing is left of before.
        let before = chain.smiles().to_vec();
        let index = random.below(chain.len());
        chain.remake(index, NOW).ok();
        assert_eq!(before, chain.smiles(), "{round}");
    }
    println!("{usable} smiles, {unusable} expiries without; {fitted} surfaces asked");
    assert!(usable > 5_000 && unusable > 5_000 && fitted > 500);
}

/// Fits what came of garbage and asks of it all that there is: an answer or a refusal, and every number finite.
fn ask_everything(smiles: &[SmileQuotes], random: &mut Random, round: usize) -> bool {
    let Ok(surface) = Surface::fit(smiles) else { return false };
    let forward = surface.slices()[0].forward();
    for years in [1e-9, 0.0001 / 365.0, 0.01, 1.0, 150.0, random.wild()] {
        let Ok(tenor) = surface.tenor(years) else { continue };
        let place = format!(
            "round {round}: {years:e} years, slices of {:?}",
            surface.slices().iter().map(Slice::years).collect::<Vec<_>>()
        );
        for k in [-60.0, -20.0, -1.0, -0.01, 0.0, 0.01, 1.0, 20.0, 60.0] {
            let (variance, slope, second) = tenor.with_derivatives(k);
            assert!(
                variance > 0.0 && (slope + second + variance).is_finite(),
                "{k}: {variance} {slope} {second}, {place}"
            );
            assert!(tenor.log_density(k).is_finite() && tenor.vol_slope(k).is_finite(), "{k}: {place}");
        }
        for delta in [1e-6, 0.1, 0.25, 0.9, 0.999_999, random.unit()] {
            for (kind, convention) in
                KINDS.into_iter().flat_map(|kind| CONVENTIONS.map(|convention| (kind, convention)))
            {
                match tenor.at_delta(kind, convention, delta) {
                    Ok(point) => {
                        let found = tenor.delta(kind, convention, point.log_moneyness);
                        assert!(
                            (found - delta).abs() < 1e-6,
                            "{kind:?} {convention:?} {delta}: {point:?} {found}, {place}"
                        );
                    }
                    Err(error) => assert!(matches!(error, NoAnswer::NoStrike { .. }), "{error}: {place}"),
                }
            }
        }
        let swap = tenor.variance_swap();
        assert!(swap.vol.is_finite() && swap.vol > 0.0 && swap.quoted_vol <= swap.vol, "{swap:?} {place}");
        for strike in [forward, forward * random.unit() * 2.0, random.wild()] {
            if let Ok(deltas) = tenor.hedge_deltas(KINDS[random.below(2)], strike) {
                assert!(
                    (deltas.sticky_strike + deltas.sticky_moneyness + deltas.coin_price).is_finite(),
                    "{deltas:?} {place}"
                );
            }
            if let Ok(probability) = tenor.probability_below(strike) {
                assert!((0.0..=1.0).contains(&probability), "{probability} {place}");
            }
            tenor.vol_after_move(strike, random.wild(), Sticky::Moneyness).ok();
        }
    }
    true
}

/// Thread CPU time in microseconds, the median of many turns.
fn micros(mut turn: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..51)
        .map(|_| {
            let start = cpu_time::ThreadTime::now();
            turn();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[25]
}

#[test]
fn a_recorded_chain_is_remade_in_a_fraction_of_a_millisecond() {
    let name = "deribit_options_6h/BTC_2026-03.parquet";
    let Some(path) = common::recording("a_recorded_chain_is_remade_in_a_fraction_of_a_millisecond", name) else {
        return;
    };
    let snapshot = common::snapshots(&path).into_iter().max_by_key(|snapshot| snapshot.quotes.len()).unwrap();
    let mut chain = Chain::new(OptionStyle::Inverse, ChainSettings::default());
    let read = micros(|| {
        chain.clear();
        chain.read(snapshot.quotes.iter().copied());
    });
    let all = micros(|| chain.remake_all(snapshot.at));
    let expiries = 0..chain.len();
    let largest = expiries.max_by_key(|index| chain.report(*index).listed).unwrap();
    let one = micros(|| {
        chain.remake(largest, snapshot.at).unwrap();
    });
    let surface = Surface::fit(chain.smiles()).unwrap();
    let tenor = surface.tenor(30.0 / 365.0).unwrap();
    let reading = micros(|| {
        Reading::of(&tenor).unwrap();
    });
    println!(
        "{} options, {} expiries: read {read:.0} µs, all remade {all:.0} µs, the largest expiry ({} options) {one:.0} µs; a reading of the \
         30-day tenor {reading:.0} µs",
        snapshot.quotes.len(),
        chain.len(),
        chain.report(largest).listed
    );
    // Ten times what was measured: a change of order, not of the machine.
    assert!(all < 3_000.0 && one < 500.0, "{all} {one}");
}
