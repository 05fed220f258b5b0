//! Levels of drawdown and loss through the real engine: they act where the account stands at them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

mod common;
mod script;

use script::{check, setup};

const HUNDRED_THOUSAND: &str = "[backtest]\ndeposit = \"100_000 USDT\"\ntaker_fee = 0.0\nmaker_fee = 0.0\nhalf_spread = 0.0\n\
                                slippage = 0.0\nlatency = \"0ms\"\n";

/// 1,000 units at 100, whose fall by so many percent is one of the account by as many; then so many units are sold as a purpose.
fn falls_to(percent: u32, sections: &str, sold: &str) {
    let size = "[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\nresize = \"entry\"\n";
    let price = 100 - percent;
    check(
        &setup(&format!("{size}{sections}{HUNDRED_THOUSAND}")),
        &format!(
            "100 100 100 100 → : +entry 1000 at market\n100 100 {price} {price} → entry buy 1000 @ 100 → : {sold} at market"
        ),
    );
}

#[test]
fn a_fall_to_the_level_reaches_it() {
    for percent in [1, 5, 7, 10, 14, 15, 20, 25, 29, 30, 35, 40, 57] {
        let level = format!(
            "[caps]\ndrawdown = [{{ at = \"{percent}%\", restore = \"0.5%\", factor = 0.5 }}, \
             {{ at = \"90%\", restore = \"80%\", factor = 0.0 }}]\n"
        );
        falls_to(percent, &level, "+cut 500");
        falls_to(percent, &format!("[caps]\ndaily_loss = \"{percent}%\"\non_loss = \"flat\"\n"), "+cut 1000");
        falls_to(percent, &format!("[modes]\nflatten = \"drawdown >= {percent}%\"\n"), "+cut 1000");
        falls_to(percent, &format!("[modes]\nflatten = \"loss.day >= {percent}%\"\n"), "+cut 1000");
    }
}
