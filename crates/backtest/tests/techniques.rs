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

#[test]
fn a_fixed_notional_is_counted_from_the_amount_itself() {
    let policy = setup("[size]\nkind = \"fixed_notional\"\nnotional = \"700 USDT\"\nresize = \"entry\"\n");
    check(
        &policy,
        "7 7 7 7 → : +entry 100 at market
         7 7 7 7 → entry buy 100 @ 7",
    );
}

#[test]
fn a_fallback_only_shrinks_the_size() {
    let policy = setup(
        r#"[size]
kind = "volatility_target"
target = "30%"
volatility = ["series(signal.gold, 1h)", "ewma(2h, 1h)"]
"#,
    );
    // Prices stand still: realised volatility is zero and never known, then 0.3 of the index. Without either, hold.
    // 31,000 ÷ 310 × 0.3 ÷ 0.6 = 50; an index of 30 % doubles it, and a silent index holds.
    let turns = check(
        &policy,
        "310 310 310 310 → [no entry: the volatility is not known or too old]
         [series] 0.6 310 310 310 310 → : +entry 50 at market
         310 310 310 310 → entry buy 50 @ 310
         310 310 310 310
         [series] 0.3 310 310 310 310 → : +resize 50 at market
         310 310 310 310 → resize buy 50 @ 310
         310 310 310 310",
    );
    assert_eq!(turns.last().unwrap().facts.get(policy::facts::VOLATILITY), None);
}

/// The sources of a script whose index grows old within an hour.
fn with_parkinson(more: &str) -> crate::common::Setup {
    setup(&format!(
        "[size]\nkind = \"volatility_target\"\ntarget = \"30%\"\n\
         volatility = [\"series(signal.gold, 1h)\", \"parkinson(2h, 1h)\"]\n{more}"
    ))
}

/// The range 310 to 313.1 is 1 %: ln(1.01) ÷ (2 √ln 2) × √8,760 = 0.5593. The index of 60 % is 1.0728 times that, so 0.6 is what the
/// fallback says too while ranges stay. The range to 325.5 weighs 1 − 0.5^½: 1.5569 × 1.0728 = 1.6702, of which 17.961 of 100 are held,
/// then 1.3438 × 1.0728 = 1.4415 and 20.810.
#[test]
fn a_realised_fallback_counts_times_the_last_ratio_of_implied_to_it() {
    let turns = check(
        &with_parkinson(""),
        "310 313.1 310 310 → [no entry: the volatility is not known or too old]
         [series] 0.6 310 313.1 310 310 → : +entry 50 at market
         310 313.1 310 310 → entry buy 50 @ 310
         310 313.1 310 310
         310 325.5 310 310 → : +resize 32.039 at market
         310 313.1 310 310 → resize sell 32.039 @ 310 → : +resize 2.849 at market",
    );
    let known = |turn: usize| {
        let facts = &turns[turn].facts;
        let ratio = facts.get(policy::facts::VOLATILITY_SOURCE).unwrap().ratio.map(units::Ratio::get);
        (facts.get(policy::facts::VOLATILITY).unwrap().get(), ratio)
    };
    assert_eq!(known(2), (0.6, None), "the index itself");
    assert!((known(4).0 - 0.6).abs() < 1e-12, "{:?}", known(4));
    let reasons: Vec<String> = turns
        .iter()
        .flat_map(|turn| turn.plans())
        .flat_map(|plan| plan.steps.iter().map(|step| step.reason.to_string()).collect::<Vec<_>>())
        .collect();
    let said = "target 30.0 % / volatility 167.0 %: realised of source 2 x 1.07, what implied was to it 3 h ago";
    assert!(reasons.iter().any(|reason| reason == said), "{reasons:?}");
}

/// Prices swing by more than the index says: 45 % of 55.93 %, so the fallback is 0.8046 times what they do and nothing changes when the
/// index falls silent. Where ranges narrow to 0.5 % the fallback is under the index's last word, which counts: a fallback never enlarges.
#[test]
fn a_ratio_under_one_keeps_the_size_and_calm_prices_do_not_enlarge_it() {
    let turns = check(
        &with_parkinson(""),
        "310 313.1 310 310 → [no entry: the volatility is not known or too old]
         [series] 0.45 310 313.1 310 310 → : +entry 66.666 at market
         310 313.1 310 310 → entry buy 66.666 @ 310
         310 313.1 310 310
         310 313.1 310 310
         310 311.55 310 310
         310 311.55 310 310",
    );
    let facts = &turns.last().unwrap().facts;
    assert_eq!(facts.get(policy::facts::VOLATILITY).unwrap().get(), 0.45);
    let first = policy::facts::VolatilityOrigin { source: 0, ratio: None };
    assert_eq!(facts.get(policy::facts::VOLATILITY_SOURCE), Some(first));
}

/// As long as the ratio may be old the fallback counts, an hour later nothing is known: what is held is kept through wide ranges.
#[test]
fn a_ratio_that_is_too_old_tells_nothing() {
    let turns = check(
        &with_parkinson("ratio_max_age = \"3h\"\n"),
        "310 313.1 310 310 → [no entry: the volatility is not known or too old]
         [series] 0.6 310 313.1 310 310 → : +entry 50 at market
         310 313.1 310 310 → entry buy 50 @ 310
         310 313.1 310 310
         310 325.5 310 310 → : +resize 32.039 at market
         310 325.5 310 310 → resize sell 32.039 @ 310
         310 325.5 310 310",
    );
    let told = |turn: usize| turns[turn].facts.get(policy::facts::VOLATILITY).is_some();
    let at = |hour: i64| turns.iter().rposition(|turn| turn.at == script::hour(hour + 1)).unwrap();
    assert!(told(at(4)) && !told(at(5)) && !told(at(6)));
}

const SHORT_LOSS: &str = "[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\nresize = \"entry\"\n";

fn signalled(sections: &str) -> crate::common::Setup {
    let signal = "[signal]\nkind = \"series\"\nseries = \"signal.gold\"\nmax_age = \"30d\"\nreentry = \"at_once\"\n";
    setup(&format!("{signal}{SHORT_LOSS}{sections}"))
}

#[test]
fn a_drawdown_re_arms_after_its_time_and_counts_from_the_equity_of_then() {
    let policy = signalled("[caps]\ndrawdown = [{ at = \"10%\", restore = \"5%\", factor = 0.0 }]\nrearm = \"3h\"\n");
    // 100 units lose 3,100 at 279: flat at 27,900. Three hours after that decision 27,900 ÷ 279 = 100 units again;
    // 251.1 would be ten per cent of the new mark, though nineteen of the old one.
    check(
        &policy,
        "[series] 1 310 310 310 310 → : +entry 100 at market
         310 310 279 279 → entry buy 100 @ 310 → : +cut 100 at market
         279 279 279 279 → cut sell 100 @ 279
         279 279 279 279
         279 279 279 279 → : +entry 100 at market
         279 279 260 260 → entry buy 100 @ 279
         260 260 251.1 251.1 → : +cut 100 at market
         251.1 251.1 251.1 251.1 → cut sell 100 @ 251.1",
    );
}

#[test]
fn by_hand_is_never_in_a_run() {
    let policy = signalled("[caps]\ndrawdown = [{ at = \"10%\", restore = \"5%\", factor = 0.0 }]\n");
    check(
        &policy,
        "[series] 1 310 310 310 310 → : +entry 100 at market
         310 310 279 279 → entry buy 100 @ 310 → : +cut 100 at market
         279 279 279 279 → cut sell 100 @ 279
         279 400 279 400
         400 400 400 400",
    );
}

/// The script begins on a Monday at midnight; its 24th bar closes with the day.
#[test]
fn a_daily_loss_bars_increases_until_midnight() {
    let quiet = "304 304 304 304\n".repeat(19);
    let policy = signalled("[caps]\ndaily_loss = \"1.9%\"\n");
    check(
        &policy,
        &format!(
            "[series] 0.5 310 310 310 310 → : +entry 50 at market
             310 310 298 298 → entry buy 50 @ 310  # 600 of 31,000 lost: 1.94 %
             [series] 0 298 298 298 298 → : +exit 50 at market
             [series] 1 298 298 298 298 → exit sell 50 @ 298 \
                 → [loss limit of 1.9 % reached today, result now -600.00: no increase before the day ends]
             {quiet}304 304 304 304 → : +entry 100 at market",
        ),
    );
}

/// What was lost is won back before the day ends: the limit stays in force, and its sentence tells a gain as one.
#[test]
fn a_loss_that_was_won_back_is_told_as_a_gain() {
    let policy = signalled("[caps]\ndaily_loss = \"1.9%\"\n");
    check(
        &policy,
        "[series] 0.5 310 310 310 310 → : +entry 50 at market
         310 310 298 298 → entry buy 50 @ 310
         298 340 298 340
         [series] 0 340 340 340 340 → : +exit 50 at market
         [series] 1 340 340 340 340 → exit sell 50 @ 340 \
             → [loss limit of 1.9 % reached today, result now 1500.00: no increase before the day ends]
         340 340 340 340",
    );
}

#[test]
fn a_weekly_loss_may_close_everything() {
    let policy = signalled("[caps]\nweekly_loss = \"1.9%\"\non_loss = \"flat\"\n");
    check(
        &policy,
        "[series] 0.5 310 310 310 310 → : +entry 50 at market
         310 310 298 298 → entry buy 50 @ 310 → : +cut 50 at market
         298 298 298 298 → cut sell 50 @ 298
         298 310 298 310",
    );
}

/// Behind a first bar of range 2.5: with a second one N is exactly 2.5.
fn warmed(rows: &str) -> String {
    format!("308 310 307.5 310\n{rows}")
}

/// N is 2.5 and the stop 5 under the entry: a win of 0.6 R doubles the size. Then N is 2.09375, so that the stop rests at
/// 305.82, and a loss of 0.24 R returns it to the base: 31,009.981 ÷ 309 × 0.1.
#[test]
fn a_streak_doubles_after_a_win_and_ends_with_a_loss() {
    let policy = signalled("[stop]\ninitial = \"2N\"\n[streak]\nfactor = 2\ncap = 3\n");
    check(
        &policy,
        &warmed(
            "[series] 0.1 310 311 308.5 310 → : +entry 10 at market
         310 310.5 309.5 310 → entry buy 10 @ 310 : +stop 10 at 305
         [series] 0 310 313 310 313 → : +exit 10 at market
         313 313 313 313 → exit sell 10 @ 313 : -stop
         [series] 0.1 310 310 310 310 → : +entry 20.019 at market
         [series] 0 310 310 309 309 → entry buy 20.019 @ 310 : +stop 20.019 at 305.82 → : +exit 20.019 at market
         [series] 0.1 309 309 309 309 → exit sell 20.019 @ 309 : -stop → : +entry 10.035 at market",
        ),
    );
}

/// 2 % of 31,000 are 620: 620 ÷ (5 + 1 % of 305) = 77.018 units instead of 100.
#[test]
fn open_risk_lowers_an_entry() {
    let policy = signalled("[stop]\ninitial = \"2N\"\n[caps]\nopen_risk = \"2%\"\ngap = \"1%\"\n");
    check(&policy, &warmed("[series] 1 310 311 308.5 310 → : +entry 77.018 at market"));
}

/// With an impact of a tenth of the price a million, q units lose 8.05 q to the stop and its gap and 305² q² ÷ 10,000,000 for their
/// size: 71.166 of them 620. They are bought at 310 and 71.166 × 310 ÷ 10,000,000, 0.2206 %: at 310.69.
#[test]
fn open_risk_counts_the_impact_of_the_exit() {
    let policy = signalled(
        "[stop]\ninitial = \"2N\"\n[caps]\nopen_risk = \"2%\"\ngap = \"1%\"\n[backtest]\ndeposit = \"31_000 USDT\"\n\
         taker_fee = 0.0\nmaker_fee = 0.0\nhalf_spread = 0.0\nslippage = 0.0\nlatency = \"0ms\"\nimpact = \"10%\"\n",
    );
    check(
        &policy,
        &warmed(
            "[series] 1 310 311 308.5 310 → : +entry 71.166 at market
         310 310 310 310 → entry buy 71.166 @ 310.69 : +stop 71.166 at 305.69",
        ),
    );
}

#[test]
fn a_campaign_that_goes_nowhere_is_closed_by_time() {
    let policy = signalled("[stop]\ninitial = \"2N\"\ntime = \"3h\"\ntime_reach = \"1R\"\n");
    check(
        &policy,
        &warmed(
            "[series] 0.1 310 311 308.5 310 → : +entry 10 at market
         310 310.5 309.5 310 → entry buy 10 @ 310 : +stop 10 at 305
         310 314 310 313
         313 313 313 313
         313 313 313 313 → : +exit 10 at market",
        ),
    );
}

#[test]
fn the_stop_moves_to_the_entry_after_its_rung() {
    let policy =
        signalled("[stop]\ninitial = \"2N\"\nbreak_even_after = 1\n[ladder]\nat = [\"1R\"]\nfractions = [0.5]\n");
    check(
        &policy,
        &warmed(
            "[series] 0.1 310 311 308.5 310 → : +entry 10 at market
         310 310.5 309.5 310 → entry buy 10 @ 310 : +stop 10 at 305 +rung1 5 at 315
         310 316 310 316 → rung1 sell 5 @ 315 : ~stop 5 at 310",
        ),
    );
}
