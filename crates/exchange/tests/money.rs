//! Margin, liquidation, funding and the tape of trades, as rows.

mod common;

use common::check;

#[test]
fn what_opens_needs_initial_margin_and_what_reduces_never_does() {
    check(
        "
        config deposit 100 taker 0.001
        bar 100 100 100 100
        place 1 buy 21 market                       # 2,100 / 20 = 105
        place 2 buy 19.65 market                    # 98.25 is within 100, with the fee of 1.965 it is not
        place 3 buy 19.6 market                     # 98 + 1.96 is
        bar 100 100 100 100     → ack 1, ack 2, ack 3 → cancelled 1 margin → cancelled 2 margin
                                → fill 3 buy 19.6 @ 100 fee 1.96
        place 4 buy 0.1 limit 99
        place 5 sell 35 market                      # closes; opening 15.4 short would need 75.46
        bar 98 98 98 98         → ack 4, ack 5 → cancelled 4 margin
                                → fill 5 sell 19.6 @ 98 fee 1.9208, cancelled 5 margin
        is net 0 orders -
        ",
    );
}

#[test]
fn funding_rounds_against_the_account() {
    check(
        "
        bar 100 100 100 100
        place 1 sell 0.01 market
        bar 100 100 100 100 + mark 100.00000001 → ack 1 → fill 1 sell 0.01 @ 100
        bar 100 100 100 100 + funding 0.000000000001  → funding 0.000000000001
        bar 100 100 100 100 + funding -0.000000000001 → funding -0.0000000000010001
        ",
    );
}

#[test]
fn funding_is_paid_at_the_mark_known_before() {
    check(
        "
        bar 100 100 100 100 + funding 0.01          # flat: nothing
        place 1 buy 2 market
        bar 100 110 100 110 + funding 0.001 → ack 1 → fill 1 buy 2 @ 100 → funding -0.22   # at this bar's close
        bar 110 110 110 120 + funding -0.001 + mark 300 → funding 0.24                     # not at its own mark
        bar 120 120 120 120 + funding 0.001 → funding -0.6                                 # marks come from the feed now
        is equity 1000399.42
        ",
    );
}

#[test]
fn trades_are_paths_of_one_point() {
    check(
        "
        config latency 90 spread 0.001
        trade 100
        place 1 buy 1 market
        trade 101                   → ack 1
        trade 102                   → fill 1 buy 1 @ 102.2 ref 102 ! place 2 sell 1 stop 103 reduce ! place 3 sell 1 limit 103
                                    → ack 2, ack 3
        trade 90                    # an answer on the tape has latency, protective or not
        trade 100 + trade 104       → triggered 2, fill 2 sell 1 @ 99.9 ref 100 → fill 3 sell 1 @ 104 maker
        is net -1 bars 0
        ",
    );
}

#[test]
fn a_leg_that_passes_the_liquidation_price_closes_the_position_there() {
    check(
        "
        config deposit 100 taker 0.001 liqfee 0.005 spread 0.001
        bar 100 100 100 100
        place 1 buy 10 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 10 @ 100.1 ref 100 fee 1.001
        place 2 buy 1 limit 50
        place 3 buy 1 Y limit 10
        # 97.999 + 10 (p - 100) + ... : equity 98.999 - 1 at 100; root of 10 p - 902.001 = 0.25 p
        bar 100 101 80 90       → ack 2, ack 3
                                → fill 0 sell 10 @ 92.4 ref 92.51292308 fee 5.544 liquidation
                                → cancelled 2 liquidated, cancelled 3 liquidated
        is net 0 orders -
        ",
    );
}

#[test]
fn a_stop_before_the_liquidation_price_comes_first_and_a_gap_liquidates_at_the_open() {
    check(
        "
        config deposit 100
        bar 100 100 100 100
        place 1 buy 10 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 10 @ 100
        place 2 sell 9 stop 93 reduce
        bar 100 100 92 95       → ack 2 → triggered 2, fill 2 sell 9 @ 93
        is net 1
        place 3 buy 3 market
        bar 95 95 95 95         → ack 3 → fill 3 buy 3 @ 95
        bar 60 60 60 60         → fill 0 sell 4 @ 60 liquidation
        is net 0 equity -108
        ",
    );
}

#[test]
fn a_stop_at_the_liquidation_price_comes_first() {
    check(
        "
        config deposit 83.5                         # 83.5 + 10 (94 - 100) = 2.5 % of 940
        bar 100 100 100 100
        place 1 buy 10 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 10 @ 100
        place 2 sell 10 stop 94 reduce
        bar 100 100 90 95       → ack 2 → triggered 2, fill 2 sell 10 @ 94
        ",
    );
}

#[test]
fn a_short_is_liquidated_on_the_way_up_and_by_mark() {
    check(
        "
        config deposit 100
        bar 100 100 100 100
        place 1 sell 10 market
        bar 100 100 100 100     → ack 1 → fill 1 sell 10 @ 100
        bar 100 120 100 100     → fill 0 buy 10 @ 107.4 ref 107.31707317 liquidation
        is net 0
        ",
    );
    check(
        "
        config deposit 100
        bar 100 100 100 100 + mark 100
        place 1 sell 10 market
        bar 100 100 100 100     → ack 1 → fill 1 sell 10 @ 100
        bar 100 100 100 100 + mark 108 → fill 0 buy 10 @ 108 liquidation
        ",
    );
}

#[test]
fn one_position_can_pull_down_another() {
    check(
        "
        config deposit 100
        bar 100 100 100 100 + bar Y 100 100 100 100
        place 1 buy 5 market
        place 2 buy 5 Y market
        bar 100 100 100 100 + bar Y 100 100 100 100 → ack 1, ack 2 → fill 1 buy 5 @ 100 → fill 2 buy 5 @ 100
        bar 100 100 100 100 + bar Y 84 84 84 84     → fill 0 sell 5 @ 84 liquidation   # equity 20 under 23
        is net 5
        bar 100 100 100 100
        bar 94 94 94 94         → fill 0 sell 5 @ 94 liquidation
        is net 0 equity -10
        ",
    );
}

/// 1,000 USD at 100 are 10 coins: fees, funding and margin are in coin, and the loss grows as the price falls.
#[test]
fn inverse_contracts_pay_and_owe_coin() {
    check(
        "
        config kind inverse deposit 1 taker 0.001 liqfee 0.005
        bar 100 100 100 100
        place 1 buy 2000 market                     # 20 coins: 1 of margin, but 0.02 of fee
        place 2 buy 1000 market
        bar 100 100 100 100     → ack 1, ack 2 → cancelled 1 margin → fill 2 buy 1000 @ 100 fee 0.01
        bar 100 100 100 100 + funding 0.001 → funding -0.01
        is net 1000 equity 0.98
        bar 100 125 100 125
        is equity 2.98                              # 10 coins owed became 8
        bar 125 125 93.4 93.4
        bar 93.4 93.4 90 90     → fill 0 sell 1000 @ 93.3 ref 93.35154827 fee 0.0643086816720258 liquidation
        is net 0
        ",
    );
}

#[test]
fn an_inverse_short_of_all_its_coin_is_never_liquidated() {
    check(
        "
        config kind inverse deposit 10
        bar 100 100 100 100
        place 1 sell 1000 market
        bar 100 100 100 100     → ack 1 → fill 1 sell 1000 @ 100
        bar 100 10000 100 10000
        is equity 0.1 net -1000
        bar 10000 10000 50 50
        is equity 20 net -1000
        ",
    );
}
