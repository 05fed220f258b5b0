//! Modes: trouble degrades trading one way, and coming back is an event; through the real engine and exchange, against what is
//! computed by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

mod common;
mod script;

use common::Setup;
use script::{check, setup};

/// Equity × the series' conviction: 0.1 of 31,000 at 310 are 10 units. The script's bars close on the hour.
fn followed(sections: &str, reentry: &str) -> Setup {
    setup(&format!(
        "[signal]\nkind = \"series\"\nseries = \"signal.gold\"\nmax_age = \"30d\"\nreentry = \"{reentry}\"\n\
         [size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n{sections}"
    ))
}

/// Over 312 and for two hours from the first bar behind it nothing is added, and what is held may get smaller;
/// then what was wanted all the time goes out.
#[test]
fn reduce_only_lets_go_smaller_and_comes_back_after_its_time() {
    check(
        &followed("[modes]\nreduce_only = \"price > 312\"\nrestore_after = \"2h\"\n", "new_signal"),
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         310 310 310 310 → entry buy 10 @ 310
         [series] 0.2 310 313 310 313 → [mode reduce-only, nothing is opened or added: `modes.reduce_only` holds]
         313 313 310 310 → [mode reduce-only until 2025-10-06T06:00:00Z, unless its condition holds again]
         310 310 310 310
         310 310 310 310 → : +resize 10 at market
         310 310 310 310 → resize buy 10 @ 310",
    );
    check(
        &followed("[modes]\nreduce_only = \"price > 309\"\n", "new_signal"),
        "308 308 308 308
         [series] 0.1 308 308 308 308 → : +entry 10.064 at market
         308 310 308 310 → entry buy 10.064 @ 308 → : +resize 0.058 at market
         [series] 0.05 310 310 310 310 → resize sell 0.058 @ 310 → : +resize 5.003 at market",
    );
}

/// Held at discretion: half of it stays, and the signal's end still closes.
#[test]
fn hold_sends_nothing_new_but_exits() {
    check(
        &followed("[modes]\nhold = \"price > 312\"\nrestore_after = \"1d\"\n", "new_signal"),
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         310 310 310 310 → entry buy 10 @ 310
         [series] 0.05 310 313 310 313
         [series] 0 313 313 313 313 → : +exit 10 at market",
    );
}

/// Everything goes at once, nothing comes back while it lasts: two hours behind the fill, whose price still was under 309.
#[test]
fn flatten_closes_and_opens_nothing() {
    check(
        &followed("[modes]\nflatten = \"price < 309\"\nrestore_after = \"2h\"\n", "at_once"),
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         310 310 310 310 → entry buy 10 @ 310
         310 310 308 308 → : +cut 10 at market
         [series] 0.2 308 310 308 310 → cut sell 10 @ 308 [mode flatten: `modes.flatten` holds] \
         → [mode flatten until 2025-10-06T06:00:00Z, unless its condition holds again]
         310 310 310 310
         310 310 310 310 → : +entry 19.987 at market",
    );
}

/// Loss of data flattens nothing; it opens nothing either.
#[test]
fn what_is_not_known_bars_increases() {
    check(
        &followed("[modes]\nflatten = \"series(signal.gold, 1h) > 5\"\n", "new_signal"),
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         310 310 310 310 → entry buy 10 @ 310
         310 310 305 305 → [mode reduce-only, nothing is opened or added: whether `modes.flatten` holds is not known]",
    );
    // Of a campaign that is not there nothing holds.
    check(
        &followed("[modes]\nflatten = \"campaign.age > 1h\"\n", "at_once"),
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         310 310 310 310 → entry buy 10 @ 310
         310 310 310 310
         310 310 310 310 → : +cut 10 at market
         310 310 310 310 → cut sell 10 @ 310 [mode flatten until 2025-10-06T06:00:00Z, unless its condition holds again]
         310 310 310 310 → : +entry 10 at market",
    );
}
