//! The techniques of policy v1 one by one, through the real engine and exchange, against what is computed by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

mod common;
mod script;

use script::{check, setup};

#[test]
fn a_series_signal_trades_its_conviction_and_holds_when_it_is_too_old() {
    let policy = setup(
        r#"[signal]
kind = "series"
series = "signal.gold"
max_age = "2h"
[size]
kind = "fixed_fraction"
fraction = 1.0
"#,
    );
    // 31,000 ÷ 310 × 0.5 = 50. After two hours without a value the position stays; a conviction of -3 counts as -1.
    check(
        &policy,
        "310 310 310 310
         [series] 0.5 310 310 310 310 → : +entry 50 at market
         310 310 310 310 → entry buy 50 @ 310
         310 310 310 310
         310 310 310 310
         310 310 310 310
         [series] 0.25 310 310 310 310 → : +resize 25 at market
         310 310 310 310 → resize sell 25 @ 310
         [series] -3 310 310 310 310 → : +exit 25 at market
         310 310 310 310 → exit sell 25 @ 310 → : +entry 100 at market
         310 310 310 310 → entry sell 100 @ 310
         [series] 0 310 310 310 310 → : +exit 100 at market
         310 310 310 310 → exit buy 100 @ 310",
    );
}

#[test]
fn momentum_is_the_side_of_the_move_over_its_bars() {
    let policy = setup(
        r#"[signal]
kind = "momentum"
bar = "1h"
lookback = 2
[size]
kind = "fixed_fraction"
fraction = 1.0
resize = "entry"
"#,
    );
    // 310 is over 300; then 310 is under 320, and 305 under 310: the short opens once the long is closed. 31,000 ÷ 305.
    check(
        &policy,
        "300 300 300 300
         300 320 300 320
         320 320 310 310 → : +entry 100 at market
         310 310 310 310 → entry buy 100 @ 310 → : +exit 100 at market
         310 310 305 305 → exit sell 100 @ 310 → : +entry 101.639 at market",
    );
}
