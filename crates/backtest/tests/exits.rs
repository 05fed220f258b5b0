//! How positions go out and how orders may go in: kinds of rungs, watched exits, dust, guards, several units at once; through the
//! real engine and exchange, against what is computed by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

mod common;
mod script;

use common::{Setup, Turn};
use script::{check, setup};

const SIGNAL: &str = "[signal]\nkind = \"series\"\nseries = \"signal.gold\"\nmax_age = \"30d\"\n";

/// Equity × the series' conviction, frozen at entry: 0.1 of 31,000 at 310 are 10 units.
fn frozen(sections: &str) -> Setup {
    setup(&format!("{SIGNAL}[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\nresize = \"entry\"\n{sections}"))
}

/// The same, followed with every value of the series.
fn followed(sections: &str) -> Setup {
    setup(&format!("{SIGNAL}[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n{sections}"))
}

/// N is exactly 2.5 when the entry is filled at 310, and a stop of 2 N is at 305: R is 5.
fn warmed(rows: &str) -> String {
    format!("308 310 307.5 310\n[series] 0.1 310 311 308.5 310 → : +entry 10 at market\n{rows}")
}

/// Every sentence of the plans, for what a script does not show.
fn sentences(turns: &[Turn]) -> Vec<String> {
    let steps = turns.iter().flat_map(Turn::plans).flat_map(|plan| plan.steps.iter());
    steps.map(|step| step.reason.to_string()).collect()
}

#[track_caller]
fn assert_said(turns: &[Turn], sentence: &str) {
    let said = sentences(turns);
    assert!(said.iter().any(|said| said == sentence), "`{sentence}` is not among {said:#?}");
}

/// 1 R = 5, 3 N = 7.5, 5 % of 310 = 15.5, and a price.
#[test]
fn rungs_of_four_kinds_rest_together() {
    let policy = frozen(
        "[stop]\ninitial = \"2N\"\n[ladder]\nat = [\"1R\", \"3N\", \"5%\", \"330 USDT\"]\nfractions = [0.1, 0.2, 0.2, 0.2]\n",
    );
    check(
        &policy,
        &warmed(
            "310 310.5 309.5 310 → entry buy 10 @ 310 : +stop 10 at 305 +rung1 1 at 315 +rung2 2 at 317.5 +rung3 2 at 325.5 \
             +rung4 2 at 330
         310 331 310 330 → rung1 sell 1 @ 315 : ~stop 9 at 305 → rung2 sell 2 @ 317.5 : ~stop 7 at 305 \
             → rung3 sell 2 @ 325.5 : ~stop 5 at 305 → rung4 sell 2 @ 330 : ~stop 3 at 305",
        ),
    );
}

/// Of a short 5 % is at 294.5; 330 is on its losing side and is no rung of it.
#[test]
fn a_price_counts_where_it_is_in_favour() {
    let policy = frozen("[stop]\ninitial = \"2N\"\n[ladder]\nat = [\"5%\", 330]\nfractions = [0.2, 0.2]\n");
    check(
        &policy,
        "308 310 307.5 310
         [series] -0.1 310 311 308.5 310 → : +entry 10 at market
         310 310.5 309.5 310 → entry sell 10 @ 310 : +stop 10 at 315 +rung1 2 at 294.5
         310 310 294 295 → rung1 buy 2 @ 294.5 : ~stop 8 at 315",
    );
}

/// 10 at 310 and 10 at 312.5 are 311.25 on average: 5 % more is 326.8125, on the tick beyond it 326.82.
#[test]
fn a_rung_by_profit_follows_the_average_of_adds() {
    let policy = frozen(
        "[pyramid]\nunits = 2\nspacing = \"entry\"\nstep = \"1N\"\n[ladder]\nat = [\"5%\"]\nfractions = [0.5]\n",
    );
    check(
        &policy,
        "308 310 307.5 310
         [series] 0.2 310 311 308.5 310 → : +entry 10 at market
         310 310.5 309.5 310 → entry buy 10 @ 310 : +rung1 5 at 325.5 +add2 10 at 312.5
         310 313 310 313 → add2 buy 10 @ 312.5 : ~rung1 10 at 326.82
         313 327 313 327 → rung1 sell 10 @ 326.82",
    );
}

#[test]
fn a_rung_by_time_goes_out_at_the_market() {
    let policy = frozen("[ladder]\nat = [\"3h\"]\nfractions = [0.5]\n");
    let turns = check(
        &policy,
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         310 310 310 310 → entry buy 10 @ 310
         310 310 310 310
         310 310 310 310
         311 311 311 311 → : +rung1 5 at market
         312 312 312 312 → rung1 sell 5 @ 312
         312 312 312 312",
    );
    assert_said(&turns, "rung 1 after 3 h: 5 go out");
}

/// 30 % ÷ 60 % of 100 units. The rung goes once, though the volatility falls back and rises again.
#[test]
fn a_rung_by_volatility_goes_out_once_it_is_reached() {
    let policy = setup(
        "[size]\nkind = \"volatility_target\"\ntarget = \"30%\"\nvolatility = \"series(signal.gold)\"\nresize = \"entry\"\n\
             [ladder]\nat = [\"volatility(80%)\"]\nfractions = [0.5]\n",
    );
    let turns = check(
        &policy,
        "[series] 0.6 310 310 310 310 → : +entry 50 at market
         [series] 0.79 310 310 310 310 → entry buy 50 @ 310
         [series] 0.8 310 310 310 310 → : +rung1 25 at market
         [series] 0.5 310 310 310 310 → rung1 sell 25 @ 310
         [series] 0.9 310 310 310 310
         310 310 310 310",
    );
    assert_said(&turns, "rung 1 at a volatility of 80.0 %: 25 go out");
}

#[test]
fn a_watched_stop_is_out_though_the_price_comes_back() {
    let policy = frozen("[stop]\ninitial = \"2N\"\ntrigger = \"synthetic\"\n");
    let turns = check(
        &policy,
        &warmed(
            "310 310.5 309.5 310 → entry buy 10 @ 310
         310 310 305.01 306
         306 309 305 309 → : +stop 10 at market
         309.5 309.5 309.5 309.5 → stop sell 10 @ 309.5 [waits for a new signal: this one was traded]
         309.5 309.5 309.5 309.5",
        ),
    );
    assert_said(&turns, "stop at 305");
    assert_said(&turns, "stop 305 crossed: out at the market");
}

/// The bar to 320 moves the level to 315, of which only its close can tell; the low of the next bar crosses it.
#[test]
fn a_watched_stop_trails() {
    let policy = frozen("[stop]\ninitial = \"2N\"\ntrail = \"2N\"\ntrigger = \"synthetic\"\n");
    let turns = check(
        &policy,
        &warmed(
            "310 310.5 309.5 310 → entry buy 10 @ 310
         310 320 310 318
         318 318 315 317 → : +stop 10 at market
         317 317 317 317 → stop sell 10 @ 317 [waits for a new signal: this one was traded]",
        ),
    );
    assert_said(&turns, "stop trails to 315");
    check(
        &policy,
        &warmed(
            "310 310.5 309.5 310 → entry buy 10 @ 310
         310 320 310 314 → : +stop 10 at market
         317 317 317 317 → stop sell 10 @ 317 [waits for a new signal: this one was traded]",
        ),
    );
}

/// What a rung took is not bought back, and the stop at the venue covers the rest.
#[test]
fn a_watched_rung_is_taken_at_the_market() {
    let policy =
        frozen("[stop]\ninitial = \"2N\"\n[ladder]\nat = [\"1R\"]\nfractions = [0.25]\ntrigger = \"synthetic\"\n");
    let turns = check(
        &policy,
        &warmed(
            "310 310.5 309.5 310 → entry buy 10 @ 310 : +stop 10 at 305
         310 315 310 312 → : +rung1 2.5 at market
         313 313 313 313 → rung1 sell 2.5 @ 313 : ~stop 7.5 at 305
         313 320 313 320
         320 320 320 320",
        ),
    );
    assert_said(&turns, "0 rungs used, rung 1 is watched at 315");
    assert_said(&turns, "rung 1 at 315 crossed: 2.5 go out");
}

/// Orders take an hour here, so that a closing signal finds the rung's order on its way.
#[test]
fn a_close_does_not_double_a_rung_on_its_way() {
    let policy = frozen(
        "[ladder]\nat = [\"2%\"]\nfractions = [0.25]\ntrigger = \"synthetic\"\n\
             [backtest]\ndeposit = \"31_000 USDT\"\ntaker_fee = 0.0\n\
             maker_fee = 0.0\nhalf_spread = 0.0\nslippage = 0.0\nlatency = \"1h\"\n",
    );
    check(
        &policy,
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         310 310 310 310
         310 310 310 310 → entry buy 10 @ 310
         310 317 310 317 → : +rung1 2.5 at market
         [series] 0 317 317 317 317 → : +exit 7.5 at market
         316 316 316 316 → rung1 sell 2.5 @ 316
         315 315 315 315 → exit sell 7.5 @ 315
         315 315 315 315",
    );
}

/// Half and a quarter leave the runner of a quarter; nine tenths of the current half are bounded by it.
#[test]
fn the_runner_is_never_taken() {
    let policy = frozen("[ladder]\nat = [\"1%\", \"2%\"]\nfractions = [0.5, 0.25]\nrunner = 0.25\n");
    let rows = "[series] 0.1 310 310 310 310 → : +entry 10 at market
         310 310 310 310 → entry buy 10 @ 310 : +rung1 5 at 313.1 +rung2 2.5 at 316.2
         310 320 310 320 → rung1 sell 5 @ 313.1 → rung2 sell 2.5 @ 316.2
         320 320 320 320";
    check(&policy, rows);
    let policy = frozen("[ladder]\nat = [\"1%\", \"2%\"]\nfractions = [0.5, 0.9]\nof = \"current\"\nrunner = 0.25\n");
    check(&policy, rows);
}

/// A rung of three quarters would leave 2.5 at 313.1, worth 782.75; a conviction of 0.005 half a unit.
#[test]
fn a_reduction_that_would_leave_dust_closes_all() {
    let policy = frozen("[ladder]\nat = [\"1%\"]\nfractions = [0.75]\n[trade]\ndust = \"1_000 USDT\"\n");
    check(
        &policy,
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         310 310 310 310 → entry buy 10 @ 310 : +rung1 10 at 313.1",
    );
    check(
        &followed("[trade]\ndust = 0.6\n"),
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         [series] 0.005 310 310 310 310 → entry buy 10 @ 310 → : +exit 10 at market",
    );
}

/// 4 units are worth 1,252.4 at the rung and 980 at 245. An entry that is worth less than dust is no remainder.
#[test]
fn a_remainder_that_became_dust_is_closed() {
    let policy = frozen("[ladder]\nat = [\"1%\"]\nfractions = [0.6]\n[trade]\ndust = \"1_000 USDT\"\n");
    let turns = check(
        &policy,
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         310 310 310 310 → entry buy 10 @ 310 : +rung1 6 at 313.1
         310 314 310 314 → rung1 sell 6 @ 313.1
         314 314 250 250.01
         250 250 245 245 → : +exit 4 at market
         245 245 245 245 → exit sell 4 @ 245 [waits for a new signal: this one was traded]",
    );
    assert_said(&turns, "the remainder 4 is dust, less than 4.08163266: closed");
    check(
        &policy,
        "[series] 0.01 310 310 310 310 → : +entry 1 at market
         310 310 310 310 → entry buy 1 @ 310 : +rung1 1 at 313.1
         310 310 310 310",
    );
}

/// 1 % over 310 is 313.1: the market opens over it and does not come back, so the order is taken back and decided anew.
#[test]
fn an_entry_within_its_collar() {
    let policy = frozen("[guards]\nprice_collar = \"1%\"\n");
    let turns = check(
        &policy,
        "[series] 0.1 310 310 310 310 → : +entry 10 at 313.1
         315 316 314 315 → : -entry
         315 315 315 315 → : +entry 9.841 at 318.15
         316 316 316 316 → entry buy 9.841 @ 316
         [series] 0 316 316 316 316 → : +exit 9.841 at market
         300 300 300 300 → exit sell 9.841 @ 300",
    );
    assert_said(&turns, "no worse than 313.1: within 1.0 % of 310");
    assert_said(&turns, "10 not filled within the collar: taken back");
}

/// The add's limit is 1 % beyond its level, 315.625 on the tick inside; then around the market's 320.
#[test]
fn an_add_within_its_collar_is_decided_anew() {
    let policy = frozen("[pyramid]\nunits = 2\nspacing = \"entry\"\nstep = \"1N\"\n[guards]\nprice_collar = \"1%\"\n");
    check(
        &policy,
        "308 310 307.5 310
         [series] 0.2 310 311 308.5 310 → : +entry 10 at 313.1
         310 310.5 309.5 310 → entry buy 10 @ 310 : +add2 10 at 312.5 to 315.62
         320 320 319 320 → : -add2
         320 320 320 320 → : +add2 10 at 312.5 to 323.2
         321 321 321 321 → add2 buy 10 @ 321",
    );
}

#[test]
fn a_large_entry_goes_out_in_pieces_and_its_exit_whole() {
    let policy = frozen("[stop]\ninitial = \"2N\"\n[guards]\nmax_order = \"4 GOLD\"\n");
    let turns = check(
        &policy,
        "308 310 307.5 310
         [series] 0.1 310 311 308.5 310 → : +entry 4 at market
         310 310.5 309.5 310 → entry buy 4 @ 310 : +stop 4 at 305 → : +entry 4 at market
         310 310 310 310 → entry buy 4 @ 310 : ~stop 8 at 305 → : +entry 2 at market
         310 310 310 310 → entry buy 2 @ 310 : ~stop 10 at 305
         [series] 0 310 310 310 310 → : +exit 10 at market
         310 310 310 310 → exit sell 10 @ 310 : -stop",
    );
    assert_said(&turns, "the largest order is 4: 4 of 10 go out now");
    assert_said(&turns, "holds 4 on the way to 10");
    let campaign = turns.iter().rev().find_map(|turn| turn.campaign.clone()).unwrap();
    assert_eq!((campaign.first.to_string(), campaign.peak.to_string()), ("10".to_owned(), "10".to_owned()));
}

/// The unit of 10 goes out by 4, 4 and 2 behind its level.
#[test]
fn a_large_add_goes_out_in_pieces() {
    let policy =
        frozen("[pyramid]\nunits = 2\nspacing = \"entry\"\nstep = \"1N\"\n[guards]\nmax_order = \"1_250 USDT\"\n");
    check(
        &policy,
        "308 310 307.5 310
         [series] 0.2 310 311 308.5 310 → : +entry 4.032 at market
         310 310.5 309.5 310 → entry buy 4.032 @ 310 : +add2 4 at 312.5 → : +entry 4.032 at market
         310 310 310 310 → entry buy 4.032 @ 310 → : +entry 1.936 at market
         310 310 310 310 → entry buy 1.936 @ 310
         310 312.5 310 312.5 → add2 buy 4 @ 312.5 → : +add2 4 at market
         312.5 312.5 312.5 312.5 → add2 buy 4 @ 312.5 → : +add2 2 at market
         312.5 312.5 312.5 312.5 → add2 buy 2 @ 312.5
         312.5 312.5 312.5 312.5",
    );
}

/// Two orders within three hours: the third change waits until the first order is three hours old; the exit does not.
#[test]
fn changes_wait_for_the_order_rate_and_exits_do_not() {
    let policy = followed("[guards]\nmax_orders = 2\nper = \"3h\"\n");
    let turns = check(
        &policy,
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         [series] 0.2 310 310 310 310 → entry buy 10 @ 310 → : +resize 10 at market
         [series] 0.3 310 310 310 310 → resize buy 10 @ 310
         310 310 310 310 → : +resize 10 at market
         [series] 0.1 310 310 310 310 → resize buy 10 @ 310 → : +resize 20 at market
         [series] 0 310 310 310 310 → resize sell 20 @ 310 → : +exit 10 at market
         310 310 310 310 → exit sell 10 @ 310",
    );
    assert_said(&turns, "2 orders sent within 3 h, limit 2: the change to 30 waits");
}

/// From three to five nothing is increased nor taken off at discretion. The script's bars close on the hour.
#[test]
fn a_blackout_holds_changes_and_lets_exits_go() {
    let policy = followed("[guards]\nblackout = [\"03:00-05:00\", \"tue\"]\n");
    let turns = check(
        &policy,
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         310 310 310 310 → entry buy 10 @ 310
         [series] 0.2 310 310 310 310 → [blackout until 2025-10-06T05:00:00Z: nothing is increased]
         [series] 0.05 310 310 310 310
         310 310 310 310 → : +resize 5 at market
         310 310 310 310 → resize sell 5 @ 310",
    );
    assert_said(&turns, "blackout until 2025-10-06T05:00:00Z: 10 stays");
    check(
        &policy,
        "[series] 0.1 310 310 310 310 → : +entry 10 at market
         310 310 310 310 → entry buy 10 @ 310
         [series] 0 310 310 310 310 → : +exit 10 at market
         310 310 310 310 → exit sell 10 @ 310",
    );
}

#[test]
fn a_blackout_takes_resting_adds_back() {
    let policy = frozen(
        "[pyramid]\nunits = 2\nspacing = \"entry\"\nstep = \"1N\"\n[guards]\nblackout = [\"2025-10-06T03:30Z/1h\"]\n",
    );
    check(
        &policy,
        "308 310 307.5 310
         [series] 0.2 310 311 308.5 310 → : +entry 10 at market
         310 310.5 309.5 310 → entry buy 10 @ 310 : +add2 10 at 312.5
         310 310 310 310 → [unit 2 refused: blackout until 2025-10-06T04:30:00Z] : -add2
         310 310 310 310 → : +add2 10 at 312.5
         310 313 310 313 → add2 buy 10 @ 312.5",
    );
}

/// A gap through the levels 312.5, 315 and 317.5: the resting unit fills, and the other two follow in one order.
#[test]
fn a_gap_adds_as_many_units_an_event_as_declared() {
    let pyramid = |at_once: u32, caps: &str| {
        frozen(&format!(
            "[pyramid]\nunits = 4\nspacing = \"entry\"\nstep = \"1N\"\nmax_units_per_event = {at_once}\n[stop]\ninitial = \"2N\"\n{caps}"
        ))
    };
    let begin = "308 310 307.5 310
         [series] 0.4 310 311 308.5 310 → : +entry 10 at market
         310 310.5 309.5 310 → entry buy 10 @ 310 : +stop 10 at 305 +add2 10 at 312.5\n";
    check(
        &pyramid(2, ""),
        &format!(
            "{begin}320 320 319 320 → add2 buy 10 @ 320 : ~stop 20 at 305 +add4 20 at 315
         320 320 320 320 → add4 buy 20 @ 320 : ~stop 40 at 305"
        ),
    );
    check(
        &pyramid(1, ""),
        &format!(
            "{begin}320 320 319 320 → add2 buy 10 @ 320 : ~stop 20 at 305 +add3 10 at 315
         320 320 320 320 → add3 buy 10 @ 320 : ~stop 30 at 305 +add4 10 at 317.5
         320 320 320 320 → add4 buy 10 @ 320 : ~stop 40 at 305"
        ),
    );
    // At the fill equity is counted at its price of 320 (not at 310, where 30,900 would carry 33.796): 31,100 carry 34.015 at 0.35, and not
    // the 34.444 that 31,000 at the level of 315 would.
    check(
        &pyramid(2, "[caps]\nleverage = 0.35\n"),
        &format!("{begin}320 320 319 320 → add2 buy 10 @ 320 : ~stop 20 at 305 +add4 14.015 at 315"),
    );
}

/// A change of size is an hour and a half on its way, and the stop is crossed before it arrives: it would open what the stop has closed.
#[test]
fn what_is_on_its_way_as_a_stop_fills_is_asked_back() {
    let mut policy = followed("[stop]\ninitial = \"2N\"\n");
    policy.policy.backtest.latency = units::Duration::from_nanos(90 * units::Duration::MINUTE.nanos());
    check(
        &policy,
        "308 310 307.5 310
         [series] 0.1 310 311 308.5 310 → : +entry 10 at market
         310 310 310 310
         310 310.5 309.5 310 → entry buy 10 @ 310 : +stop 10 at 305
         [series] 0.2 310 310 310 310 → : +resize 10 at market
         310 310 304 306 → stop sell 10 @ 305 [waits for a new signal: this one was traded] : -resize
         306 306 306 306
         306 306 306 306",
    );
}
