//! Options as tests list them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use market::{Currency, Instrument, InstrumentKind};
use units::{Duration, OptionRight, Price, Timestamp};

/// The beginning of time in these tests.
pub(crate) const NOW: Timestamp = Timestamp::from_nanos(1_767_254_400_000_000_000);

pub(crate) fn days(days: i64) -> Timestamp {
    NOW + Duration::from_nanos(days * Duration::DAY.nanos())
}

pub(crate) fn option(expiry: Timestamp, strike: &str, right: OptionRight) -> Instrument {
    let btc: Currency = "BTC".parse().unwrap();
    let strike: Price = strike.parse().unwrap();
    Instrument {
        symbol: format!("sim:BTC-{expiry}-{strike}-{right}"),
        kind: InstrumentKind::InverseOption { expiry, strike, right },
        base: btc,
        quote: btc,
        settle: btc,
        tick: "0.0001".parse().unwrap(),
        lot: "0.1".parse().unwrap(),
        min_qty: "0.1".parse().unwrap(),
    }
}
