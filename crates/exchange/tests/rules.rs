//! Every sentence of "Triggers and fills" and of `docs/exchange.md`, as rows.

mod common;

use common::check;

#[test]
fn a_market_order_fills_at_the_next_open_with_costs() {
    check(
        "
        config spread 0.0002 slippage 0.0003 taker 0.0005
        bar 100 100 100 100
        place 1 buy 1 market
        bar 200 210 190 205     → ack 1 → fill 1 buy 1 @ 200.1 ref 200 fee 0.10005
        place 2 sell 1 market
        bar 300 300 300 300     → ack 2 → fill 2 sell 1 @ 299.8 ref 300 fee 0.1499   # 299.85 to the worse tick
        is net 0 equity 1000099.45005 fees 0.24995
        ",
    );
}

/// One percent a million: a tenth of it for 100,000, and four times the size pays sixteen times as much. A limit that rests pays none.
#[test]
fn what_takes_pays_for_its_size() {
    check(
        "
        config impact 0.01
        bar 100 100 100 100
        place 1 buy 1000 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 1000 @ 100.1 ref 100
        is impact 100
        place 2 buy 4000 market
        bar 100 100 100 100     → ack 2 → fill 2 buy 4000 @ 100.4 ref 100
        is impact 1700
        place 3 sell 2500 stop 90 reduce
        place 4 sell 2500 limit 110
        bar 100 110 90 105      → ack 3, ack 4 → triggered 3, fill 3 sell 2500 @ 89.7 ref 90    # 225,000: 89.7975 to the worse tick
                                → fill 4 sell 2500 @ 110 maker
        is impact 2450
        is net 0 equity 997550
        place 5 buy 5000 limit 105.2                    # 105 and 0.525 %, but no worse than its price
        bar 105 105 105 105     → ack 5 → fill 5 buy 5000 @ 105.2 ref 105
        is impact 3450
        ",
    );
}

/// Of an inverse contract the quantity is the value in the quote currency, at whatever price.
#[test]
fn the_size_of_an_inverse_contract_is_its_quantity() {
    check(
        "
        config kind inverse deposit 1000 impact 0.01
        bar 50000 50000 50000 50000
        place 1 buy 500000 market
        bar 50000 50000 50000 50000     → ack 1 → fill 1 buy 500000 @ 50250 ref 50000
        is impact 0.0497512437810946                    # 10 - 500000 / 50250 coins
        ",
    );
}

/// For what an account has no margin for it pays no impact, and what is liquidated pays for its size.
#[test]
fn impact_is_of_what_is_filled() {
    check(
        "
        config deposit 10000 impact 0.01
        bar 100 100 100 100
        place 1 buy 1000 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 1000 @ 100.1 ref 100
        place 2 sell 100000 market
        bar 100 100 100 100     → ack 2 → fill 2 sell 1000 @ 99.9 ref 100, cancelled 2 margin
        is net 0 equity 9800 impact 200
        place 3 buy 1000 market
        bar 100 100 100 100     → ack 3 → fill 3 buy 1000 @ 100.1 ref 100
        bar 80 80 80 80         → fill 0 sell 1000 @ 79.9 ref 80 liquidation    # 80,000: 0.08 %: 79.936 to the worse tick
        is net 0 equity -10400 impact 400
        ",
    );
}

#[test]
fn latency_keeps_an_order_out_of_bars_that_end_before_it_arrives() {
    check(
        "
        config latency 90
        bar 100 100 100 100
        place 1 buy 1 market                    # at minute 1; arrives at 2:30
        bar 101 101 101 101     → ack 1         # ends at 2:00
        bar 102 102 102 102     → fill 1 buy 1 @ 102
        place 2 sell 1 stop 100 reduce          # a protective stop sent outside a bar has latency too
        bar 101 101 99 101      → ack 2
        place 3 buy 1 limit 95
        bar 101 101 99 101      → ack 3 → triggered 2, fill 2 sell 1 @ 100
        bar 101 101 95 101      → fill 3 buy 1 @ 95 maker ! place 4 buy 1 stop 110
                                → ack 4
        bar 101 110 95 101      → triggered 4, fill 4 buy 1 @ 110  # an answer inside a bar waits for the next, no longer
        ",
    );
}

/// Nobody knows how far a bar had come when something was sent while it ran: the open was before, the close will be after.
#[test]
fn what_is_sent_while_a_bar_runs_meets_none_of_its_prices_but_the_close() {
    check(
        "
        config spread 0.001 taker 0.0005 maker 0.0002
        bar 100 100 100 100
        at 5: bar Y 50 50 50 50
        place 1 buy 1 market
        place 2 buy 1 limit 101                 # over the last price: it takes
        place 3 buy 1 limit 99                  # a venue would have filled it on the way to the close
        place 4 buy 1 limit 95                  # before or after it was sent? Not for sure
        place 5 buy 1 stop 105
        place 6 buy 1 stop 97                   # when it came, the price may have been under it: at the close it is not
        at 61: bar 100 110 90 98 over 60
                                → ack 1, ack 2, ack 3, ack 4, ack 5, ack 6
                                → fill 1 buy 1 @ 98.1 ref 98 fee 0.04905
                                → fill 2 buy 1 @ 98.1 ref 98 fee 0.04905
                                → fill 3 buy 1 @ 99 fee 0.0198 maker
                                → triggered 6, fill 6 buy 1 @ 98.1 ref 98 fee 0.04905
        is orders 4,5
        at 121: bar 98 105 94 98 over 60
                                → fill 4 buy 1 @ 95 fee 0.019 maker
                                → triggered 5, fill 5 buy 1 @ 105.2 ref 105 fee 0.0526
        ",
    );
}

/// The account's life depends on it: that it was sent before the price came to it is taken for granted, unless the open lay beyond it.
#[test]
fn a_protective_stop_sent_while_a_bar_runs_works_on_all_that_follows_the_open() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 3 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 3 @ 100
        at 5: bar Y 50 50 50 50
        place 2 sell 1 stop 95 reduce
        at 62: bar 100 110 90 108 over 60       → ack 2 → triggered 2, fill 2 sell 1 @ 95
        at 65: bar Y 50 50 50 50
        place 3 sell 1 stop 95 reduce
        at 122: bar 94 110 90 96 over 60        → ack 3
        at 125: bar Y 50 50 50 50
        place 4 sell 1 stop 97 reduce
        at 182: bar 96 100 94.9 96 over 60      → ack 4 → triggered 3, fill 3 sell 1 @ 95
                                                → triggered 4, fill 4 sell 1 @ 96
        is net 0
        ",
    );
}

#[test]
fn an_order_moved_while_a_bar_runs_is_as_if_sent_then_and_one_resized_is_not() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 1 limit 95
        place 2 buy 1 limit 94
        bar 100 100 100 100     → ack 1, ack 2
        at 5: bar Y 50 50 50 50
        amend 1 1 limit 96
        amend 2 2 limit 94
        at 62: bar 93 110 90 98 over 60         → amended 1 1, amended 2 2 → fill 2 buy 2 @ 93 maker
        at 122: bar 98 110 95 98 over 60        → fill 1 buy 1 @ 96 maker
        ",
    );
}

/// What answers a bar was decided on what was known at its close, however late that was told. What answers a fill inside one bar does not
/// meet the open of another that closes with it.
#[test]
fn a_bar_told_late_was_still_known_at_its_close() {
    check(
        "
        config latency 1
        bar 100 100 100 100
        at 2: bar Y 50 50 50 50 closed 1
        place 1 buy 1 market
        at 3: bar 101 105 99 102 over 2 closed 3    → ack 1 → fill 1 buy 1 @ 101
        at 4: bar 102 102 102 102 + bar Y 50 50 50 50
        place 2 buy 1 limit 103
        at 5: bar 101 104 90 100 + bar Y 48 60 40 50
                                → ack 2 → fill 2 buy 1 @ 101
                                ! place 3 sell 2 stop 100.5 reduce ! place 4 sell 1 stop 49 exit Y ! place 5 sell 1 stop 47 exit Y
                                → ack 3, ack 4, ack 5 → triggered 3, fill 3 sell 2 @ 100.5
                                → triggered 5, fill 5 sell 1 @ 47
        is orders 4
        ",
    );
}

#[test]
fn stops_trigger_at_touch_and_gap_to_the_open() {
    check(
        "
        config spread 0.001
        bar 100 100 100 100
        place 1 buy 1 stop 110
        bar 100 109.9 95 100    → ack 1
        bar 100 110 95 100      → triggered 1, fill 1 buy 1 @ 110.2 ref 110     # 110.11 to the worse tick
        place 2 sell 1 stop 90 reduce
        bar 80 85 75 80         → ack 2 → triggered 2, fill 2 sell 1 @ 79.9 ref 80
        is net 0 orders -
        ",
    );
}

#[test]
fn limits_fill_at_their_price_and_better_where_the_open_is() {
    check(
        "
        config spread 0.001 taker 0.0005 maker -0.0001
        bar 100 100 100 100
        place 1 buy 1 limit 95
        bar 100 105 95.1 100    → ack 1
        bar 100 105 95 100      → fill 1 buy 1 @ 95 fee -0.0095 maker           # a touch fills
        place 2 sell 1 limit 110
        bar 120 125 118 121     → ack 2 → fill 2 sell 1 @ 120 fee -0.012 maker  # gapped through: the open
        ",
    );
}

#[test]
fn a_limit_that_crosses_when_sent_takes() {
    check(
        "
        config spread 0.001 taker 0.0005
        bar 100 100 100 100
        place 1 buy 1 limit 105
        bar 100 101 99 100      → ack 1 → fill 1 buy 1 @ 100.1 ref 100 fee 0.05005
        place 2 buy 1 limit 100                     # its own price is the worst it gets
        bar 100 101 99 100      → ack 2 → fill 2 buy 1 @ 100 fee 0.05
        place 3 buy 1 limit 101                     # the market ran away: it rests
        bar 103 104 102 103     → ack 3
        bar 99 104 98 103       → fill 3 buy 1 @ 99 maker
        ",
    );
}

#[test]
fn a_limit_sent_before_any_price_takes_if_it_crosses() {
    check(
        "
        config spread 0.001
        place 1 sell 1 limit 95
        bar 100 100 100 100     → ack 1 → fill 1 sell 1 @ 99.9 ref 100
        ",
    );
}

#[test]
fn a_stop_limit_becomes_a_limit() {
    check(
        "
        config spread 0.001
        bar 100 100 100 100
        place 1 buy 1 stoplimit 105 106
        bar 100 107 99 105      → ack 1 → triggered 1, fill 1 buy 1 @ 105.2 ref 105
        place 2 buy 1 stoplimit 110 110             # no room for costs: at its limit
        bar 105 112 104 111     → ack 2 → triggered 2, fill 2 buy 1 @ 110
        place 3 buy 1 stoplimit 115 116
        bar 120 125 118 121     → ack 3 → triggered 3     # gapped over trigger and limit: rests
        is orders 3
        bar 121 122 116 117     → fill 3 buy 1 @ 116 maker
        place 4 sell 1 stoplimit 110 109
        bar 105 108 104 106     → ack 4 → triggered 4
        bar 106 108.9 104 106
        bar 106 109 104 106     → fill 4 sell 1 @ 109 maker
        is net 2
        ",
    );
}

#[test]
fn a_gap_lands_between_trigger_and_limit() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 1 stoplimit 105 108
        bar 107 107 107 107     → ack 1 → triggered 1, fill 1 buy 1 @ 107
        ",
    );
}

#[test]
fn one_leg_fills_in_the_order_of_prices_then_protective_stops_then_ids() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 3 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 3 @ 100
        place 2 sell 1 limit 110
        place 3 sell 1 limit 105
        place 4 sell 1 limit 110
        bar 100 111 100 110     → ack 2, ack 3, ack 4
                                → fill 3 sell 1 @ 105 maker → fill 2 sell 1 @ 110 maker → fill 4 sell 1 @ 110 maker
        place 5 buy 1 market
        bar 110 110 110 110     → ack 5 → fill 5 buy 1 @ 110
        place 6 buy 1 limit 105                             # an add at the same price as the stop
        place 7 sell 1 stop 105 reduce
        bar 110 110 104 106     → ack 6, ack 7 → triggered 7, fill 7 sell 1 @ 105 → fill 6 buy 1 @ 105 maker
        is net 1
        ",
    );
}

#[test]
fn at_the_open_everything_gapped_fills_in_one_place() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 2 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 2 @ 100
        place 2 sell 1 stop 96
        place 3 sell 1 stop 98 reduce
        place 4 buy 1 limit 97
        bar 90 90 90 90         → ack 2, ack 3, ack 4
                                → triggered 3, fill 3 sell 1 @ 90 → triggered 2, fill 2 sell 1 @ 90
                                → fill 4 buy 1 @ 90 maker
        ",
    );
}

#[test]
fn the_adverse_extreme_comes_first() {
    check(
        "
        bar 100 110 90 105                          # flat, no orders: rose, low first
        bar 105 110 90 100                          # fell, high first
        place 1 buy 1 market
        bar 100 110 90 90       → ack 1 → fill 1 buy 1 @ 100      # long as it leaves the open: low first
        place 2 sell 2 market
        bar 90 110 80 110       → ack 2 → fill 2 sell 2 @ 90      # short: high first
        place 3 buy 1 market
        place 4 buy 1 limit 70
        bar 110 111 100 100     → ack 3, ack 4 → fill 3 buy 1 @ 110   # flat: on the side of the first resting order
        place 5 buy 1 stop 130
        cancel 4
        bar 100 101 99 101      → ack 5, cancelled 4 requested
        is path LHLHLH
        ",
    );
}

#[test]
fn the_favourable_path_is_the_other_one() {
    check(
        "
        config path favourable
        bar 100 110 90 105
        bar 105 110 90 100
        place 1 buy 1 market
        bar 100 110 90 90       → ack 1 → fill 1 buy 1 @ 100
        is path HLH
        ",
    );
}

#[test]
fn stop_and_target_in_one_bar_the_stop_wins_when_adverse_is_first() {
    let script = "
        bar 100 100 100 100
        place 1 buy 1 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 1 @ 100
        place 2 sell 1 stop 95 reduce
        place 3 sell 1 limit 105 reduce
        bar 100 106 94 100      → ack 2, ack 3
    ";
    check(&format!(
        "{script} → triggered 2, fill 2 sell 1 @ 95 → cancelled 3 nothing
        is net 0 orders - bars 3 ambiguous 1"
    ));
    check(&format!(
        "config path favourable
        {script} → fill 3 sell 1 @ 105 maker → cancelled 2 nothing
        is net 0 orders - bars 3 ambiguous 1"
    ));
}

#[test]
fn a_bar_is_ambiguous_only_where_orders_wait_on_both_sides_within_it() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 1 stop 105
        place 2 sell 1 stop 95
        bar 100 104 96 100      → ack 1, ack 2
        is ambiguous 0
        bar 100 104 95 100      → triggered 2, fill 2 sell 1 @ 95
        is ambiguous 0
        place 3 sell 1 stop 90
        bar 100 100 85 99       → ack 3 → triggered 3, fill 3 sell 1 @ 90
        is ambiguous 0
        bar 99 100 97 98
        place 4 sell 1 limit 101
        bar 98 101 97 98        → ack 4 → fill 4 sell 1 @ 101 maker
        is ambiguous 0 net -3
        bar 98 105 90 100       → triggered 1, fill 1 buy 1 @ 105 ! place 5 buy 2 stop 108 reduce ! place 6 sell 1 stop 96
                                → ack 5, ack 6
        is ambiguous 0
        bar 100 106 95 100      → triggered 6, fill 6 sell 1 @ 96 ! amend 5 2 stop 106 → amended 5 2
        is ambiguous 1          # the amended stop was the one over the open
        ",
    );
}

#[test]
fn protective_stops_sent_inside_a_bar_meet_the_rest_of_it() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 1 stop 105
        bar 100 108 96 97       → ack 1         # flat with a stop above: high first
                                → triggered 1, fill 1 buy 1 @ 105 ! place 2 sell 1 stop 98 reduce → ack 2
                                → triggered 2, fill 2 sell 1 @ 98
        is path LH net 0
        ",
    );
}

#[test]
fn a_protective_stop_beyond_the_market_fires_where_the_path_stands() {
    check(
        "
        config spread 0.001
        bar 100 100 100 100
        place 1 buy 1 limit 95
        bar 100 105 90 100      → ack 1
                                → fill 1 buy 1 @ 95 maker ! place 2 sell 1 stop 97 reduce → ack 2
                                → triggered 2, fill 2 sell 1 @ 94.9 ref 95
        is net 0
        ",
    );
}

#[test]
fn adds_and_targets_sent_inside_a_bar_work_from_the_next() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 1 stop 102
        bar 100 120 100 119     → ack 1
                                → triggered 1, fill 1 buy 1 @ 102
                                ! place 2 buy 1 stop 104 ! place 3 sell 1 limit 110 reduce ! place 4 buy 1 limit 101 ! place 5 buy 1 market
                                → ack 2, ack 3, ack 4, ack 5
        is net 1 orders 2,3,4,5
        bar 119 119 101 101     → triggered 2, fill 2 buy 1 @ 119
                                → fill 3 sell 1 @ 110 maker     # not 119: the close proves a fill at 110 on the way
                                → fill 5 buy 1 @ 119 → fill 4 buy 1 @ 101 maker
        is net 3
        ",
    );
}

#[test]
fn amendments_and_cancellations_inside_a_bar_take_effect_at_once() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 2 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 2 @ 100
        place 2 sell 2 stop 90 reduce
        place 3 sell 1 limit 110 reduce
        place 4 sell 1 limit 112 reduce
        place 5 buy 1 stop 106
        bar 100 115 95 96       → ack 2, ack 3, ack 4, ack 5
                                → triggered 5, fill 5 buy 1 @ 106 ! amend 2 3 stop 99 ! amend 3 2 limit 110 ! cancel 4
                                → amended 2 3, amended 3 2, cancelled 4 requested
                                → fill 3 sell 2 @ 110 maker
                                → triggered 2, fill 2 sell 1 @ 99 → cancelled 2 nothing
        is net 0 orders -
        ",
    );
}

/// The dip-limit case of SEMANTICS: buy limit 0.4 % under the open, take profit 0.4 % above the fill.
#[test]
fn what_a_limit_opened_takes_profit_in_its_bar_only_if_the_close_is_beyond() {
    let script = |close: &str| {
        format!(
            "
            bar 1000 1000 1000 1000
            place 1 buy 1 limit 996
            bar 1000 1010 990 {close}   → ack 1
                                        → fill 1 buy 1 @ 996 maker ! place 2 sell 1 limit 1000 reduce ! place 3 sell 1 stop 980 reduce
                                        → ack 2, ack 3
            is net 1
            "
        )
    };
    check(&format!("{} bar 1001 1002 999 1000 → fill 2 sell 1 @ 1000 maker → cancelled 3 nothing", script("1001")));
    check(&format!("{} bar 997 999 979 980 → triggered 3, fill 3 sell 1 @ 980 → cancelled 2 nothing", script("997")));
}

#[test]
fn a_target_that_was_live_may_not_close_what_a_limit_opened_in_the_bar() {
    let script = "
        bar 100 100 100 100
        place 1 buy 1 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 1 @ 100
        place 2 buy 1 limit 95
        place 3 sell 2 limit 105 reduce
    ";
    check(&format!(
        "{script}
        bar 100 106 94 105      → ack 2, ack 3 → fill 2 buy 1 @ 95 maker → fill 3 sell 1 @ 105 maker
        is net 1 orders 3
        bar 105 105 105 105     → fill 3 sell 1 @ 105 maker"
    ));
    check(&format!(
        "{script}
        bar 100 106 94 105.1    → ack 2, ack 3 → fill 2 buy 1 @ 95 maker → fill 3 sell 2 @ 105 maker
        is net 0 orders -"
    ));
}

#[test]
fn what_a_limit_opened_is_counted_after_flips_and_partial_stops() {
    check(
        "
        config path favourable
        bar 100 100 100 100
        place 1 buy 1 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 1 @ 100
        place 2 sell 3 limit 105
        place 3 buy 2 limit 95 reduce
        bar 100 106 94 100      → ack 2, ack 3 → fill 2 sell 3 @ 105 maker      # both that are short are of this bar
        is net -2 orders 3
        ",
    );
    check(
        "
        bar 100 100 100 100
        place 1 buy 2 limit 95
        place 2 buy 1 stop 105
        place 3 sell 2 limit 108 reduce
        bar 100 110 92 104      → ack 1, ack 2, ack 3
                                → fill 1 buy 2 @ 95 maker ! place 4 sell 1 stop 93 reduce → ack 4
                                → triggered 4, fill 4 sell 1 @ 93 → triggered 2, fill 2 buy 1 @ 105
                                → fill 3 sell 1 @ 108 maker     # what the stop entry bought; the rest waits
        is net 1 orders 3
        ",
    );
}

#[test]
fn what_a_limit_opened_can_be_stopped_in_its_bar() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 1 limit 95
        bar 100 100 90 99       → ack 1 → fill 1 buy 1 @ 95 maker ! place 2 sell 1 stop 92 reduce → ack 2
                                → triggered 2, fill 2 sell 1 @ 92
        ",
    );
}

#[test]
fn reduce_only_is_judged_when_it_fills() {
    check(
        "
        bar 100 100 100 100
        place 1 sell 1 market reduce
        place 2 buy 1 market
        place 3 sell 5 market reduce
        bar 100 100 100 100     → ack 1, ack 2, ack 3 → cancelled 1 nothing → fill 2 buy 1 @ 100
                                → fill 3 sell 1 @ 100 → cancelled 3 nothing
        place 4 buy 1 limit 90 reduce               # rests while flat, ends when it would open
        bar 100 100 90 100      → ack 4 → cancelled 4 nothing
        place 5 buy 1 market
        place 6 buy 1 stop 120 reduce
        place 7 sell 1 stop 80 reduce
        bar 100 100 100 100     → ack 5, ack 6, ack 7 → fill 5 buy 1 @ 100 → cancelled 6 nothing   # on the side of the position
        place 8 sell 2 market
        bar 100 100 100 100     → ack 8 → fill 8 sell 2 @ 100 → cancelled 7 nothing                # after a flip too
        is net -1 orders -
        ",
    );
}

#[test]
fn off_grid_and_repeated_orders_are_rejected_and_unknown_ones_ignored() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 1.0005 market
        place 2 buy 0.009 market
        place 3 buy 1 limit 99.95
        place 4 buy 1 stop 0
        place 5 buy 0 market
        place 6 buy 0.01 market
        place 6 buy 1 market
        cancel 77
        amend 78 1 market
        bar 100 100 100 100     → rejected 1 grid, rejected 2 grid, rejected 3 grid, \
                                  rejected 4 grid, rejected 5 grid, ack 6, rejected 6 duplicateid
                                → fill 6 buy 0.01 @ 100
        place 6 buy 1 market
        cancel 6
        place 9 sell 0.005 market
        place 10 sell 0.01 market reduce
        bar 100 100 100 100     → rejected 6 duplicateid, rejected 9 grid, ack 10 → fill 10 sell 0.01 @ 100
        ",
    );
}

#[test]
fn a_remainder_under_the_minimum_can_be_closed() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 0.015 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 0.015 @ 100
        place 2 sell 0.01 market
        bar 100 100 100 100     → ack 2 → fill 2 sell 0.01 @ 100
        place 3 sell 0.005 market
        place 4 sell 0.005 market reduce
        bar 100 100 100 100     → rejected 3 grid, ack 4 → fill 4 sell 0.005 @ 100
        is net 0
        ",
    );
}

#[test]
fn an_amendment_that_is_refused_is_answered_with_the_standing_terms() {
    check(
        "
        bar 100 100 100 100
        place 1 buy 2 limit 90
        bar 100 100 100 100     → ack 1
        amend 1 3 limit 90.05
        amend 1 3 stop 110
        amend 1 1.5 limit 91
        bar 100 100 91 100      → amended 1 2, amended 1 2, amended 1 1.5 → fill 1 buy 1.5 @ 91 maker
        place 2 sell 1 limit 120
        amend 2 0 limit 120                         # nothing left of it
        bar 100 100 100 100     → ack 2, cancelled 2 requested
        ",
    );
}
