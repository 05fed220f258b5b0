//! What of a whole portfolio's margin stays for a while, against the margin made anew: random accounts, prices, marks and times.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use common::Random;
use market::{Currency, Instrument, InstrumentKind};
use pricing::options::{EuropeanOption, Inputs};
use risk::venues::{
    Balance, FutureRange, MarginTerms, Portfolio, Position, PriceRanges, Span, Term, Underlying, VenueRules,
};
use units::{Cash, Contract, Duration, OptionRight, Price, Qty, Round, Timestamp};

const SECOND: i64 = 1_000_000_000;
const SPOT: f64 = 60_000.0;
/// Hours; one of them passes thirty days while it is looked at.
const EXPIRIES: [f64; 5] = [3.0, 26.0, 9.0 * 24.0, 30.0 * 24.0 + 0.02, 300.0 * 24.0];

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn price(value: f64) -> Price {
    Price::from_estimate(value, Round::Nearest).unwrap()
}

fn qty(value: f64) -> Qty {
    Qty::from_estimate(value, Round::Nearest).unwrap()
}

fn cash(value: f64) -> Cash {
    Cash::from_estimate(value, Round::Nearest).unwrap()
}

fn start() -> Timestamp {
    "2026-03-01".parse().unwrap()
}

/// Of one venue's whole rules: positions with their entries, so that a mark tells the profit.
fn account(random: &mut Random, rules: VenueRules) -> Portfolio {
    let is_inverse = rules == VenueRules::DeribitPortfolio;
    let settle = currency(if is_inverse { "BTC" } else { "USDC" });
    let instrument = |symbol: String, kind| {
        let (tick, lot) = (Price::from_raw(1), Qty::from_raw(1));
        Instrument { symbol, kind, base: currency("BTC"), quote: settle, settle, tick, lot, min_qty: lot }
    };
    let size = random.between(0.0, 3.0);
    let mut portfolio = Portfolio { at: start(), ..Portfolio::default() };
    portfolio.balances.push(Balance {
        currency: settle,
        amount: cash(random.between(5.0, 50.0) * if is_inverse { 1.0 } else { SPOT }),
    });
    let mut future = |kind, mark: f64, random: &mut Random| {
        let quantity = size * random.between(-8.0, 8.0) * if is_inverse { mark } else { 1.0 };
        let mut position = Position::new(instrument(format!("x:{kind:?}"), kind), qty(quantity));
        (position.mark, position.entry) = (Some(price(mark)), Some(price(mark * random.between(0.9, 1.1))));
        portfolio.positions.push(position);
    };
    if is_inverse {
        future(InstrumentKind::InversePerpetual, SPOT, random);
        let expiry = start() + Duration::from_nanos(40 * 24 * 3_600 * SECOND);
        future(InstrumentKind::InverseFuture { expiry }, SPOT * 1.01, random);
    } else {
        future(InstrumentKind::LinearPerpetual, SPOT, random);
        portfolio.balances.push(Balance { currency: currency("BTC"), amount: cash(random.between(0.0, 5.0)) });
        let stable = random.between(0.95, 1.0);
        portfolio.underlyings.push(Underlying { currency: settle, index: stable, confidence: 1.0 });
    }
    portfolio.underlyings.push(Underlying { currency: currency("BTC"), index: SPOT, confidence: 1.0 });
    for hours in EXPIRIES {
        let expiry = start() + Duration::from_nanos((hours * 3_600.0 * SECOND as f64) as i64);
        let forward = SPOT * (1.0 + 1e-6 * hours);
        portfolio.expiries.push(Term { underlying: currency("BTC"), expiry, forward, rate: 0.0, confidence: 1.0 });
        for _ in 0..random.below(9) {
            let right = if random.below(2) == 0 { OptionRight::Call } else { OptionRight::Put };
            let strike = price((SPOT * random.between(0.6, 1.5) / 500.0).round() * 500.0);
            let kind = match is_inverse {
                true => InstrumentKind::InverseOption { expiry, strike, right },
                false => InstrumentKind::LinearOption { expiry, strike, right },
            };
            let mut position = Position::new(instrument(format!("x:{kind:?}"), kind), qty(random.between(-6.0, 4.0)));
            let vol = random.between(0.2, 1.2);
            let inputs = Inputs { forward, strike: strike.approximate(), years: hours / 8_760.0, vol, discount: 1.0 };
            let worth = EuropeanOption::new(right, inputs).unwrap().greeks().price;
            (position.vol, position.mark) = (Some(vol), Some(price(worth / if is_inverse { forward } else { 1.0 })));
            portfolio.positions.push(position);
        }
    }
    portfolio
}

fn profit(position: &Position, mark: f64) -> f64 {
    let (quantity, entry) = (position.quantity.approximate(), position.entry.unwrap().approximate());
    match position.instrument.kind.contract() {
        Contract::Linear => quantity * (mark - entry),
        Contract::Inverse => quantity * (1.0 / entry - 1.0 / mark),
    }
}

/// Ranges of prices and marks around those of now, and the account somewhere inside, later.
fn draw(portfolio: &Portfolio, width: f64, time: Duration, random: &mut Random) -> (PriceRanges, Portfolio) {
    let mut later = portfolio.clone();
    later.at = later.at + Duration::from_nanos((time.nanos() as f64 * random.unit()) as i64);
    let mut ranges = PriceRanges::default();
    let mut range = |value: f64| {
        let of = Span::between(value * (1.0 - width * random.unit()), value * (1.0 + width * random.unit()));
        let inside = of.low + (of.high - of.low) * [0.0, 1.0, random.unit()][random.below(3) as usize];
        (of, price(inside).approximate().clamp(of.low, of.high))
    };
    for underlying in &mut later.underlyings {
        let (of, inside) = range(underlying.index);
        underlying.index = inside;
        ranges.prices.push((underlying.currency, of));
    }
    for (row, position) in later.positions.iter_mut().enumerate() {
        if !position.instrument.kind.is_option() {
            let (mark, inside) = range(position.mark.unwrap().approximate());
            let profit = Span::between(profit(position, mark.low), profit(position, mark.high));
            position.mark = Some(price(inside));
            ranges.futures.push(FutureRange { row, mark, profit });
        }
    }
    (ranges, later)
}

/// Everything is inside, and what time alone does is narrow.
#[test]
fn a_margin_made_anew_lies_in_between() {
    let mut random = Random(41);
    for rules in [VenueRules::DeribitPortfolio, VenueRules::DerivePortfolio] {
        let btc = currency("BTC");
        let settle = if rules == VenueRules::DeribitPortfolio { btc } else { currency("USDC") };
        let (terms, parameters) = (MarginTerms::of(btc, settle), rules.parameters(btc).unwrap());
        let mut widest = 0.0_f64;
        for round in 0..300 {
            let portfolio = account(&mut random, rules);
            let made = rules.portfolio_margin(&portfolio, &parameters, &terms).unwrap().unwrap();
            let time = Duration::from_nanos((1 + random.below(54) as i64) * SECOND);
            let lasting = made.lasting(time).unwrap();
            for width in [0.0, 0.0, 0.001, 0.01, 0.1] {
                let (ranges, later) = draw(&portfolio, width, time, &mut random);
                let of = lasting.range(&ranges).unwrap();
                let anew = rules.portfolio_margin(&later, &parameters, &terms).unwrap().unwrap().figures();
                for (figure, of) in anew.into_iter().zip([of.equity, of.initial, of.maintenance]) {
                    assert!(of.low <= figure && figure <= of.high, "{rules:?} {round}, {width}: {figure} {of:?}");
                }
                if width == 0.0 {
                    let scale = anew[2].abs().max(if settle == btc { 1.0 } else { SPOT });
                    widest = widest.max((of.maintenance.high - of.maintenance.low) / scale);
                }
            }
        }
        assert!(widest < 0.02, "{rules:?}: {widest}");
    }
}

/// Half an hour before a contract is settled, more than prices and time changes.
#[test]
fn nothing_is_told_into_the_window_of_settlement() {
    let mut random = Random(3);
    let (rules, btc) = (VenueRules::DeribitPortfolio, currency("BTC"));
    let (terms, parameters) = (MarginTerms::of(btc, btc), rules.parameters(btc).unwrap());
    let soon =
        |position: &Position| position.instrument.kind.expiry().is_some_and(|expiry| expiry < start() + Duration::DAY);
    let portfolio = loop {
        let drawn = account(&mut random, rules);
        if drawn.positions.iter().any(soon) {
            break drawn;
        }
    };
    let made = rules.portfolio_margin(&portfolio, &parameters, &terms).unwrap().unwrap();
    let hours = |hours: f64| Duration::from_nanos((hours * 3_600.0 * SECOND as f64) as i64);
    assert!(made.lasting(hours(2.4)).is_some() && made.lasting(hours(2.6)).is_none());
}
