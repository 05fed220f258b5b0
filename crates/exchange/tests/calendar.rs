//! Expiry and settlement, funding over time, fee tiers by the day, as rows.

mod common;

use common::check;

#[test]
fn a_future_ends_at_its_last_mark_after_its_last_bar() {
    check(
        "
        config x future@3 deposit 1000 taker 0.002 settlefee 0.001
        is due 3 expiry 3
        bar 100 100 100 100
        place 1 buy 2 market
        place 2 buy 1 limit 90
        place 3 sell 0.5 limit 105 reduce
        bar 100 100 100 100     → ack 1, ack 2, ack 3 → fill 1 buy 2 @ 100 fee 0.4
        bar 100 110 100 110 + funding 0.01 → fill 3 sell 0.5 @ 105 maker
                                → cancelled 2 expired, fill 1 sell 1.5 @ 110 fee 0.165 settlement ! place 4 buy 1 market
                                → rejected 4 expired
        is net 0 orders - equity 1016.935 USDT 1016.935 due - expiry -
        place 5 buy 1 market
        bar 110 110 110 110     → rejected 5 expired
        ",
    );
}

#[test]
fn an_expiry_between_inputs_is_advanced_to_or_comes_first() {
    check(
        "
        config x future@2.5 y future@3.5
        bar 100 100 100 100 + bar Y 50 50 50 50
        place 1 sell 2 market
        place 2 buy 1 Y market
        bar 100 100 100 100 + bar Y 50 50 50 50 → ack 1, ack 2 → fill 1 sell 2 @ 100 → fill 2 buy 1 @ 50
        is due 2.5
        due                     → fill 1 buy 2 @ 100 settlement
        is due 3.5 net 0 net2 1
        bar 100 100 100 100 + bar Y 51 51 51 51
        place 3 buy 1 Y limit 40
        bar Y 60 60 30 60       → ack 3 → cancelled 3 expired, fill 1 sell 1 @ 51 settlement   # before that bar
        is net2 0 due -
        ",
    );
}

#[test]
fn the_settlement_price_is_the_mark_or_the_recorded_one() {
    check(
        "
        config x future@3
        bar 100 100 100 100 + mark 100
        place 1 buy 2 market
        bar 100 110 100 110 + mark 104.25 → ack 1 → fill 1 buy 2 @ 100
        bar 110 120 110 120 + mark 130 → fill 1 sell 2 @ 104.25 settlement  # this instant's own mark comes after
        ",
    );
    check(
        "
        config x future@3 settle 107.77
        bar 100 100 100 100
        place 1 buy 2 market
        bar 100 110 100 110     → ack 1 → fill 1 buy 2 @ 100
        bar 110 120 110 120     → fill 1 sell 2 @ 107.77 settlement
        is equity 1000015.54
        ",
    );
}

#[test]
fn an_inverse_future_is_settled_in_coin() {
    check(
        "
        config kind inversefuture@3 deposit 1 settlefee 0.001
        bar 100 100 100 100
        place 1 buy 1000 market
        bar 100 125 100 125     → ack 1 → fill 1 buy 1000 @ 100
        due                     → fill 1 sell 1000 @ 125 fee 0.008 settlement
        is COIN 2.992
        ",
    );
}

#[test]
fn contracts_that_expire_at_once_are_settled_together() {
    check(
        "
        config kind future@3
        flow 3 withdraw 1000005 USDT
        bar 100 100 100 100 + bar Y 100 100 100 100
        place 1 buy 1 market
        place 2 buy 1 Y market
        bar 100 100 100 100 + bar Y 100 100 100 100 → ack 1, ack 2 → fill 1 buy 1 @ 100 → fill 2 buy 1 @ 100
        bar 104 104 104 104 + bar Y 101 101 101 101 → fill 1 sell 1 @ 104 settlement, fill 1 sell 1 @ 101 settlement
                                → withdrawal -1000005 USDT          # what was settled is free at once
        is USDT 0
        ",
    );
}

#[test]
fn continuous_funding_is_of_the_time_held() {
    check(
        "
        config continuous x
        bar 100 100 100 100
        place 1 buy 2 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 2 @ 100
        bar 100 100 100 100
        place 2 buy 2 market
        bar 100 100 100 100     → ack 2 → fill 2 buy 2 @ 100
        # of minutes 1 to 5: none for one, 2 for two, 4 for one: 8 / 4 = 2
        bar 100 100 100 100 + funding 0.01 4 → funding -2
        place 3 sell 5 market
        bar 100 100 100 100     → ack 3 → fill 3 sell 5 @ 100
        # 4 for one minute, -1 for two; the event reaches back over what was paid, which is not paid again: 2 / 10
        bar 100 100 100 100
        bar 200 200 200 200 + funding 0.01 10 → funding -0.4
        place 4 buy 1 market
        bar 200 200 200 200     → ack 4 → fill 4 buy 1 @ 200
        bar 200 200 200 200 + funding 0.01 2 → funding 1                # flat now, -1 for one of two minutes
        bar 200 200 200 200 + funding 0.01 1
        ",
    );
}

#[test]
fn interval_funding_is_of_what_is_held_when_it_falls_due() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 2 market
        bar 100 100 100 100 + funding 0.01 480 → ack 1 → fill 1 buy 2 @ 100 → funding -2
        place 2 sell 2 market
        bar 100 100 100 100 + funding 0.01 480 → ack 2 → fill 2 sell 2 @ 100
        ",
    );
}

#[test]
fn a_settled_future_still_owes_the_time_that_it_was_held() {
    check(
        "
        config x future@3 continuous x open X:4@100
        bar 100 100 100 100
        due                     → fill 1 sell 4 @ 100 settlement
        at 4: funding 0.01 4    → funding -3                            # three of four minutes
        ",
    );
    check(
        "
        config x future@3 continuous x open X:4@100
        bar 100 100 100 100
        at 4: funding 0.01 4    → fill 1 sell 4 @ 100 settlement → funding -3   # told late, not held longer
        ",
    );
}

#[test]
fn fees_follow_what_was_traded_in_thirty_days() {
    check(
        "
        config tiers 0:0.001,300:0.0005,1000:-0.0001
        bar 100 100 100 100
        place 1 buy 3 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 3 @ 100 fee 0.3
        place 2 buy 7 market
        bar 100 100 100 100     → ack 2 → fill 2 buy 7 @ 100 fee 0.7    # the day is not over
        place 3 sell 1 market
        at 1440: bar 100 100 100 100 → ack 3 → fill 3 sell 1 @ 100 fee 0.1  # nor is it at midnight
        place 4 sell 1 market
        bar 100 100 100 100     → ack 4 → fill 4 sell 1 @ 100 fee -0.01
        place 5 sell 2 market
        at 43201: bar 100 100 100 100 → ack 5 → fill 5 sell 2 @ 100 fee -0.02   # the thirtieth day after
        place 6 sell 1 market
        at 44641: bar 100 100 100 100 → ack 6 → fill 6 sell 1 @ 100 fee 0.05    # 100 of day 1 and 200 of day 30
        place 7 sell 1 market
        at 46081: bar 100 100 100 100 → ack 7 → fill 7 sell 1 @ 100 fee 0.05    # 200 and 100
        at 99999: bar 100 100 100 100
        place 8 sell 1 market
        bar 100 100 100 100     → ack 8 → fill 8 sell 1 @ 100 fee 0.1
        ",
    );
}
