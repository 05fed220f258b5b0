//! A made-up chain of weekly options on BTC beside a perpetual, and what is quoted for them at a flat volatility.

#![allow(clippy::unwrap_used, reason = "a helper may fail its test")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

use market::*;
use pricing::options::functions::{ln, normal_distribution};
use std::ops::RangeInclusive;
use units::{Duration, InstrumentId, OptionRight, Price, Qty, Round, Timestamp};

/// Friday, 2 January 2026, 8:00, when options expire.
pub const BEGIN: Timestamp = Timestamp::from_nanos(1_767_340_800_000_000_000);

pub fn hours(hours: i64) -> Duration {
    Duration::from_nanos(hours * Duration::HOUR.nanos())
}

/// The perpetual, then calls and puts of so many weeks at strikes that are these multiples of a step in dollars.
pub fn instruments(weeks: i64, strikes: RangeInclusive<i64>, step: i64) -> Vec<Instrument> {
    let (btc, price, qty): (Currency, _, _) =
        ("BTC".parse().unwrap(), |text: &str| text.parse().unwrap(), |text: &str| text.parse().unwrap());
    let mut instruments = vec![Instrument {
        symbol: "deribit:BTC-PERPETUAL".into(),
        kind: InstrumentKind::InversePerpetual,
        base: btc,
        quote: Currency::USD,
        settle: btc,
        tick: price("0.5"),
        lot: qty("10"),
        min_qty: qty("10"),
    }];
    for week in 1..=weeks {
        let expiry = BEGIN + hours(week * 7 * 24);
        for strike in strikes.clone().map(|at| Price::from_raw(at * step * Price::ONE)) {
            for right in [OptionRight::Call, OptionRight::Put] {
                instruments.push(Instrument {
                    symbol: format!("deribit:BTC-{week}-{strike}-{right}"),
                    kind: InstrumentKind::InverseOption { expiry, strike, right },
                    base: btc,
                    quote: btc,
                    settle: btc,
                    tick: price("0.0001"),
                    lot: qty("0.1"),
                    min_qty: qty("0.1"),
                });
            }
        }
    }
    instruments
}

/// What an option is worth at a flat volatility, in coin (Black 1976), and what is quoted for it: so many ticks on either side. Nothing of
/// what has expired or is no option.
pub fn quote(
    index: usize,
    of: &Instrument,
    at: Timestamp,
    (forward, vol): (f64, f64),
    half: i64,
) -> Option<(f64, OptionQuote)> {
    let ((strike, right), expiry) = (of.kind.option()?, of.kind.expiry()?);
    let years = expiry.since(at).days() / 365.0;
    if years <= 0.0 {
        return None;
    }
    let (strike, sign, s) = (strike.approximate(), right.sign(), vol * years.sqrt());
    let d1 = ln(forward / strike) / s + s / 2.0;
    let value =
        sign * (forward * normal_distribution(sign * d1) - strike * normal_distribution(sign * (d1 - s))) / forward;
    let ticks = (value / 0.0001).round() as i64;
    let at = |ticks: i64| (ticks > 0).then(|| Price::from_raw(ticks * 10_000));
    let amount: Qty = "50".parse().unwrap();
    let quote = OptionQuote::empty(InstrumentId(index as u32))
        .with_bid(at(ticks - half), amount)
        .with_ask(at(ticks + half), amount)
        .with_underlying(Price::from_estimate(forward, Round::Nearest))
        .with_open_interest("100".parse::<Qty>().unwrap());
    Some((value, quote))
}
