//! Units, stops, rungs and exits as SEMANTICS tells them, through the real engine and exchange without costs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

mod common;
mod script;

use common::{Turn, shared};
use market::*;
use script::{bar, check, setup};
use units::Price;

const TURTLE: &str = r#"
[size]
kind = "fixed_fraction"
fraction = 0.4
[pyramid]
units = 4
spacing = "last_fill"
step = "0.5N"
[stop]
initial = "2N"
follow = "last_fill"
"#;

/// Two bars of range 2.5 that make N exactly 2.5, and a decision at 310.
const WARM: &str = "308 310 307.5 310 → [no entry: the volatility unit N is not known yet]\n";

fn script(rows: &str) -> String {
    format!("{WARM}{rows}")
}

#[test]
fn the_worked_example_of_the_turtle_rules() {
    // Units at 310, 311.25, 312.5, 313.75; every stop 2 N under the last fill: 305, 306.25, 307.5, 308.75.
    check(
        &setup(TURTLE),
        &script(
            "310 311 308.5 310      → : +entry 10 at market
             310 310.5 309.5 310    → entry buy 10 @ 310 : +stop 10 at 305 +add2 10 at 311.25
             310 311.25 310 311     → add2 buy 10 @ 311.25 : ~stop 20 at 306.25 +add3 10 at 312.5
             311 312.5 311 312      → add3 buy 10 @ 312.5 : ~stop 30 at 307.5 +add4 10 at 313.75
             312 314 311.5 314      → add4 buy 10 @ 313.75 : ~stop 40 at 308.75
             314 330 313 330
             330 330 300 300        → stop sell 40 @ 308.75 [waits for a new signal: this one was traded]
             300 330 300 330",
        ),
    );
}

#[test]
fn the_same_short() {
    let short = format!("[signal]\nkind = \"constant\"\nstrength = -1.0\n{TURTLE}");
    check(
        &setup(&short),
        &script(
            "310 311 308.5 310      → : +entry 10 at market
             310 310.5 309.5 310    → entry sell 10 @ 310 : +stop 10 at 315 +add2 10 at 308.75
             310 310 308.75 309     → add2 sell 10 @ 308.75 : ~stop 20 at 313.75 +add3 10 at 307.5
             309 309 307.5 308      → add3 sell 10 @ 307.5 : ~stop 30 at 312.5 +add4 10 at 306.25
             308 308 306 306        → add4 sell 10 @ 306.25 : ~stop 40 at 311.25
             306 311.25 306 307     → stop buy 40 @ 311.25 [waits for a new signal: this one was traded]",
        ),
    );
}

/// Rows of the published table, and the same rules at other prices and units.
#[test]
fn rows_of_the_published_table() {
    let mut rows = Vec::new();
    if let Some(folder) = shared("rows_of_the_published_table") {
        let text = std::fs::read_to_string(folder.join("reference/pricing/turtle_pyramid.csv")).unwrap();
        for line in text.lines().skip(1) {
            let cells: Vec<Price> = line.split(',').skip(1).map(|cell| cell.parse().unwrap()).collect();
            assert_eq!(cells.len(), 6, "`{line}`");
            rows.push((cells[0], cells[1], cells[2..].to_vec()));
        }
        assert!(!rows.is_empty());
    }
    for (n, breakout) in [("1", "50"), ("0.6", "28.3"), ("4.8", "117.44"), ("25", "910")] {
        let (n, breakout): (Price, Price) = (n.parse().unwrap(), breakout.parse().unwrap());
        let half = |k: i64| breakout + Price::from_raw(n.raw() * k / 2);
        rows.push((n, breakout, (0..4).map(half).collect()));
    }
    for (n, breakout, units) in rows {
        let part = |tenths: i64| Price::from_raw(n.raw() / 10 * tenths);
        let mut market = vec![
            bar(0, [breakout - part(4), breakout, breakout - n, breakout]),
            bar(1, [breakout, breakout + part(4), breakout - part(6), breakout]),
            bar(2, [breakout, breakout + part(1), breakout - part(1), breakout]),
        ];
        for (number, level) in units.iter().enumerate().skip(1) {
            let before = units[number - 1];
            market.push(bar(number as i64 + 2, [before, *level, before, *level]));
        }
        let (turns, _) = setup(TURTLE).run(&market);
        let fills: Vec<Price> = turns.iter().flat_map(Turn::fills).map(|(_, fill)| fill.price).collect();
        assert_eq!(fills, units, "N {n}, breakout {breakout}");
        let stops: Vec<Price> = turns
            .iter()
            .flat_map(Turn::commands)
            .filter_map(|(command, _)| match command {
                Command::Place(NewOrder { kind: OrderKind::Stop { trigger }, reduce_only: true, .. })
                | Command::Amend { kind: OrderKind::Stop { trigger }, .. } => Some(*trigger),
                _ => None,
            })
            .collect();
        let expected: Vec<Price> = units.iter().map(|unit| *unit - n - n).collect();
        assert_eq!(stops, expected, "N {n}, breakout {breakout}: two N under each fill");
    }
}

#[test]
fn a_fill_beyond_its_level_moves_later_levels_only_when_they_follow_fills() {
    check(
        &setup(TURTLE),
        &script(
            "310 311 308.5 310      → : +entry 10 at market
             310 310.5 309.5 310    → entry buy 10 @ 310 : +stop 10 at 305 +add2 10 at 311.25
             312 312 311.5 311.5    → add2 buy 10 @ 312 : ~stop 20 at 307 +add3 10 at 313.25",
        ),
    );
    check(
        &setup(&TURTLE.replace("last_fill\"\nstep", "entry\"\nstep")),
        &script(
            "310 311 308.5 310      → : +entry 10 at market
             310 310.5 309.5 310    → entry buy 10 @ 310 : +stop 10 at 305 +add2 10 at 311.25
             312 312 311.5 311.5    → add2 buy 10 @ 312 : ~stop 20 at 307 +add3 10 at 312.5
             311.5 312.5 311 312    → add3 buy 10 @ 312.5 : ~stop 30 at 307.5 +add4 10 at 313.75",
        ),
    );
}

#[test]
fn weights_decrease() {
    check(
        &setup(&TURTLE.replace("units = 4", "weights = [4, 3, 2, 1]")),
        &script(
            "310 311 308.5 310      → : +entry 16 at market
             310 310.5 309.5 310    → entry buy 16 @ 310 : +stop 16 at 305 +add2 12 at 311.25
             310 311.25 310 311     → add2 buy 12 @ 311.25 : ~stop 28 at 306.25 +add3 8 at 312.5
             311 312.5 311 312      → add3 buy 8 @ 312.5 : ~stop 36 at 307.5 +add4 4 at 313.75
             312 314 311.5 314      → add4 buy 4 @ 313.75 : ~stop 40 at 308.75",
        ),
    );
}

#[test]
fn a_gap_through_all_levels_adds_one_unit_an_event_and_never_loosens_the_stop() {
    check(
        &setup(&TURTLE.replace("last_fill\"\nstep", "entry\"\nstep")),
        &script(
            "310 311 308.5 310      → : +entry 10 at market
             310 310.5 309.5 310    → entry buy 10 @ 310 : +stop 10 at 305 +add2 10 at 311.25
             320 320 319 319        → add2 buy 10 @ 320 : ~stop 20 at 315 +add3 10 at 312.5
             316 317 315.5 316      → add3 buy 10 @ 316 : ~stop 30 at 315 +add4 10 at 313.75
             316 316 315.2 315.5    → add4 buy 10 @ 316 : ~stop 40 at 315
             315.5 315.5 314 314    → stop sell 40 @ 315 [waits for a new signal: this one was traded]",
        ),
    );
}

const LADDER: &str = r#"
[ladder]
at = ["0.2R", "2R"]
fractions = [0.25, 0.25]
of = "peak"
"#;

#[test]
fn adds_end_with_the_first_rung_and_a_used_rung_stays_used() {
    check(
        &setup(&format!("{TURTLE}{LADDER}")),
        &script(
            "310 311 308.5 310      → : +entry 10 at market
             310 310.5 309.5 310    → entry buy 10 @ 310 : +stop 10 at 305 +rung1 2.5 at 311 +rung2 2.5 at 320 \
                                      +add2 10 at 311.25
             310 311.1 310 310      → rung1 sell 2.5 @ 311 : ~stop 7.5 at 305 -add2
             310 312 309 309        # neither the add nor the rung again
             309 320 309 319        → rung2 sell 2.5 @ 320 : ~stop 5 at 305
             319 330 309 310
             310 310 300 300        → stop sell 5 @ 305 [waits for a new signal: this one was traded]",
        ),
    );
}

#[test]
fn readd_keeps_adding_and_neither_moves_the_ladder_nor_arms_a_used_rung() {
    check(
        &setup(&format!("{TURTLE}{LADDER}readd = true\n")),
        &script(
            "310 311 308.5 310      → : +entry 10 at market
             310 310.5 309.5 310    → entry buy 10 @ 310 : +stop 10 at 305 +rung1 2.5 at 311 +rung2 2.5 at 320 \
                                      +add2 10 at 311.25
             310 311.1 310 310      → rung1 sell 2.5 @ 311 : ~stop 7.5 at 305
             310 311.25 310 311     → add2 buy 10 @ 311.25 : ~stop 17.5 at 306.25 ~rung2 4.375 at 320 +add3 10 at 312.5
             311 311.5 309 310
             310 320 310 319        → add3 buy 10 @ 312.5 : ~stop 27.5 at 307.5 ~rung2 6.875 at 320 +add4 10 at 313.75 \
                                    → rung2 sell 6.875 @ 320 : ~stop 20.625 at 307.5",
        ),
    );
}

#[test]
fn a_rung_that_leaves_less_than_the_smallest_order_closes_all() {
    let policy = TURTLE.replace("[pyramid]\nunits = 4\nspacing = \"last_fill\"\nstep = \"0.5N\"\n", "");
    let ladder = "[ladder]\nat = [\"1R\"]\nfractions = [0.8]\n[trade]\nmin_order = \"10 GOLD\"\n";
    check(
        &setup(&format!("{policy}{ladder}")),
        &script(
            "310 311 308.5 310      → : +entry 40 at market
             310 310.5 309.5 310    → entry buy 40 @ 310 : +stop 40 at 305 +rung1 40 at 315
             310 315 310 314        → rung1 sell 40 @ 315 [waits for a new signal: this one was traded] : -stop",
        ),
    );
}

#[test]
fn a_cut_that_leaves_less_than_the_smallest_order_closes_all() {
    // Equity 31,000 less 40 × 25 = 3.2 % under its highest: the factor 0.2 would leave 8.
    let policy = "[size]\nkind = \"fixed_fraction\"\nfraction = 0.4\nresize = \"entry\"\n[trade]\nmin_order = \"10 GOLD\"\n\
                  [caps]\ndrawdown = [{ at = \"3%\", restore = \"1%\", factor = 0.2 }, { at = \"9%\", restore = \"8%\", \
                  factor = 0.0 }]\n";
    check(
        &setup(policy),
        "310 310 310 310 → : +entry 40 at market
         310 310 310 310 → entry buy 40 @ 310
         310 310 285 285 → : +cut 40 at market
         285 285 285 285 → cut sell 40 @ 285 [waits for a new signal: this one was traded]",
    );
}

#[test]
fn a_chased_add_lapses_and_later_levels_stay() {
    for spacing in ["last_fill", "entry"] {
        let policy = TURTLE
            .replace("last_fill\"\nstep", &format!("{spacing}\"\nstep"))
            .replace("step = \"0.5N\"", "step = \"0.5N\"\nmax_chase = \"0.2N\"");
        check(
            &setup(&policy),
            &script(
                "310 311 308.5 310      → : +entry 10 at market
                 310 310.5 309.5 310    → entry buy 10 @ 310 : +stop 10 at 305 +add2 10 at 311.25 to 311.75
                 312.2 312.4 312.1 312.2 → [unit 2 lapsed: its limit 311.75 was left behind at 312.2] : -add2 \
                                           +add3 10 at 312.5 to 313
                 312.2 312.5 312 312    → add3 buy 10 @ 312.5 : ~stop 20 at 307.5 +add4 10 at 313.75 to 314.25
                 312 312 311 311        # unit 2 is gone",
            ),
        );
    }
}

#[test]
fn a_chased_add_that_the_market_comes_back_to_within_the_bar_is_filled_at_its_limit() {
    let policy = TURTLE.replace("step = \"0.5N\"", "step = \"0.5N\"\nmax_chase = \"0.2N\"");
    check(
        &setup(&policy),
        &script(
            "310 311 308.5 310      → : +entry 10 at market
             310 310.5 309.5 310    → entry buy 10 @ 310 : +stop 10 at 305 +add2 10 at 311.25 to 311.75
             312.2 312.4 311 312    → add2 buy 10 @ 311.75 : ~stop 20 at 306.75 +add3 10 at 313 to 313.5",
        ),
    );
}

/// Breaks out over two bars' highs, leaves over one bar's extreme.
const DONCHIAN: &str = r#"
[signal]
kind = "donchian"
bar = "1h"
entry = 2
exit = 1
[size]
kind = "fixed_fraction"
fraction = 0.4
resize = "entry"
[stop]
initial = "2N"
"#;

#[test]
fn a_flip_closes_first_and_opens_with_the_next_plan() {
    check(
        &setup(&DONCHIAN.replace("2N", "20N")),
        "300 300 300 300
         300 300 300 300        # the channel is full
         300 302.5 300 302.5    → : +entry 40.991 at market
         302.5 302.5 302.5 302.5 → entry buy 40.991 @ 302.5 : +stop 40.991 at 277.5
         302.5 302.5 299 299    → : +exit 40.991 at market
         299 299 299 299        → exit sell 40.991 @ 299 : -stop → : +entry 41.279 at market
         299 299 299 299        → entry sell 41.279 @ 299 : +stop 41.279 at 319.62",
    );
}

#[test]
fn a_crossing_of_averages_flips_too() {
    let policy = "[signal]\nkind = \"ema_cross\"\nbar = \"1h\"\nfast = 1\nslow = 2\n[size]\nkind = \"fixed_fraction\"\n\
                  fraction = 0.4\nresize = \"entry\"\n";
    check(
        &setup(policy),
        "300 300 300 300
         300 300 300 300
         300 310 300 310        → : +entry 40 at market
         310 310 310 310        → entry buy 40 @ 310
         310 310 300 300        → : +exit 40 at market
         300 300 300 300        → exit sell 40 @ 300 → : +entry 40.8 at market
         300 300 300 300        → entry sell 40.8 @ 300",
    );
}

#[test]
fn a_campaign_opens_again_only_on_a_new_signal() {
    let rows = "300 300 300 300
         300 300 300 300        # the channel is full
         300 302.5 300 302.5    → : +entry 40.991 at market
         302.5 302.5 302.5 302.5 → entry buy 40.991 @ 302.5 : +stop 40.991 at 300
         302.5 302.5 300 302    → stop sell 40.991 @ 300 WAITS
         302 302.5 301 302.5";
    let waits = "[waits for a new signal: this one was traded]";
    let again = "\n302.5 302.6 302 302.6 → : +entry 40.842 at market\n302.6 302.6 302.6 302.6 → entry buy 40.842 @ 302.6 : \
                 +stop 40.842 at 300.47";
    // Still long, but nothing new: flat until a close over the channel issues it anew.
    let lasting = DONCHIAN.replace("exit = 1", "exit = 2");
    check(&setup(&lasting), &format!("{}{again}", rows.replace("WAITS", waits)));
    let at_once = lasting.replace("exit = 2", "exit = 2\nreentry = \"at_once\"");
    check(
        &setup(&at_once),
        &rows
            .replace("WAITS", "→ : +entry 40.923 at market")
            .replace("302 302.5 301 302.5", "302 302.5 301 302.5 → entry buy 40.923 @ 302 : +stop 40.923 at 298.88"),
    );
}

#[test]
fn the_size_is_cut_until_the_stop_lies_inside_the_liquidation_price() {
    // 31,000 of equity carries 1,000 units at ten times leverage. Eight N under 310 lies the stop, 290, and 5 % under it
    // 275.5, where the venue wants 2.5 % of the value: 31,000 - 34.5 q = 6.8875 q at 749.018 units.
    let policy = |caps: &str| {
        format!(
            "[size]\nkind = \"fixed_fraction\"\nfraction = 10.0\nresize = \"entry\"\n[stop]\ninitial = \"8N\"\n{caps}"
        )
    };
    let rows = |qty: &str| {
        format!(
            "310 311 308.5 310      → : +entry {qty} at market
             310 310.5 309.5 310    → entry buy {qty} @ 310 : +stop {qty} at 290"
        )
    };
    check(&setup(&policy("")), &script(&rows("1000")));
    check(&setup(&policy("[caps]\nliquidation_distance = \"5%\"\n")), &script(&rows("749.018")));
}
