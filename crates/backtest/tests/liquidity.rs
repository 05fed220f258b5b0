//! Caps on participation and on the time to exit, through the real engine and exchange: against scripts reckoned by hand and against
//! recursions over the same volumes, made here anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

mod common;
mod script;

use common::{Setup, Tick, Turn};
use market::Event;
use script::{bar, check, setup};
use units::{Price, Qty};

/// A signal that would hold 40 units, 12,400 of 31,000 at 310.
fn under(caps: &str) -> Setup {
    setup(&format!("[caps]\n{caps}\n"))
}

/// A tenth of what was traded in the hour before goes out in each; nothing before anything was recorded.
#[test]
fn increases_are_a_share_of_what_was_traded_and_the_rest_follows() {
    check(
        &under("participation = \"10%\""),
        "310 310 310 310 → [no volume was recorded in the last 1 h: nothing is opened or added]
         [volume] 100 310 310 310 310 → : +entry 10 at market
         [volume] 50 310 310 310 310 → entry buy 10 @ 310 → : +entry 5 at market
         [volume] 4 310 310 310 310 → entry buy 5 @ 310 → : +entry 0.4 at market
         [volume] 0 310 310 310 310 → entry buy 0.4 @ 310 → [at most 10.0 % of the 0 that were traded, and 0 of that are done: 0 more now]
         [volume] 400 310 310 310 310 → : +entry 24.6 at market
         [volume] 400 310 310 310 310 → entry buy 24.6 @ 310",
    );
}

/// A limit on a fact beside it, which bears all that is wanted, changes nothing.
#[test]
fn a_limit_that_bears_all_changes_nothing() {
    let limits = "[[limits]]\nof = \"abs(exposure)\"\nover = \"500%\"\nrestore = \"400%\"\n";
    check(
        &under(&format!("participation = \"10%\"\n{limits}")),
        "310 310 310 310 → [no volume was recorded in the last 1 h: nothing is opened or added]
         [volume] 100 310 310 310 310 → : +entry 10 at market
         [volume] 50 310 310 310 310 → entry buy 10 @ 310 → : +entry 5 at market
         [volume] 400 310 310 310 310 → entry buy 5 @ 310 → : +entry 25 at market",
    );
}

/// What was done in a window of four hours is gone from its share; the next window begins anew.
#[test]
fn a_window_of_several_bars_is_used_once() {
    check(
        &under("participation = \"10%\"\nparticipation_window = \"4h\""),
        "[volume] 50 310 310 310 310 → [no volume was recorded in the last 4 h: nothing is opened or added]
         [volume] 20 310 310 310 310
         [volume] 20 310 310 310 310
         [volume] 30 310 310 310 310 → : +entry 12 at market
         [volume] 40 310 310 310 310 → entry buy 12 @ 310 [at most 10.0 % of the 120 that were traded, and 12 of that are done: 0 more now]
         [volume] 40 310 310 310 310
         [volume] 40 310 310 310 310
         [volume] 40 310 310 310 310 → : +entry 16 at market",
    );
}

/// With a base that is fixed at entry the campaign goes on to its whole size; units of a pyramid come piece by piece too. The exit waits
/// for nothing.
#[test]
fn a_fixed_base_is_reached_in_pieces_and_left_at_once() {
    let sections = "[signal]\nkind = \"series\"\nseries = \"signal.gold\"\n\
                    [size]\nkind = \"fixed_fraction\"\nfraction = 0.4\nresize = \"entry\"\n\
                    [caps]\nparticipation = \"50%\"\n";
    check(
        &setup(sections),
        "[series] 1 [volume] 40 310 310 310 310 → : +entry 20 at market
         [volume] 10 310 310 310 310 → entry buy 20 @ 310 → : +entry 5 at market
         [volume] 80 310 310 310 310 → entry buy 5 @ 310 → : +entry 15 at market
         [volume] 80 310 310 310 310 → entry buy 15 @ 310
         [series] 0 [volume] 1 310 310 310 310 → : +exit 40 at market
         [volume] 1 310 310 310 310 → exit sell 40 @ 310",
    );
}

/// A mean of two hours. Traded whole, 10 an hour get rid of 10 in one hour and of 20 in two.
#[test]
fn what_cannot_be_got_rid_of_in_time_is_cut_to_the_restore_level() {
    check(
        &under("participation = \"100%\"\nexit_time = \"2h\"\nexit_time_restore = \"1h\"\nusual_volume = \"2h\""),
        "[volume] 10 310 310 310 310 → [what is usually traded in 1 h is not known: nothing is opened or added]
         [volume] 10 310 310 310 310 → : +entry 10 at market
         [volume] 2 310 310 310 310 → entry buy 10 @ 310
         [volume] 4 310 310 310 310 → : +cut 7 at market
         [volume] 2 310 310 310 310 → cut sell 7 @ 310
         [volume] 40 310 310 310 310 → : +resize 18 at market
         [volume] 40 310 310 310 310 → resize buy 18 @ 310 → : +resize 19 at market",
    );
}

/// A tenth of what the book holds goes out in an hour. The last that was recorded counts, as long as it is no older than a window.
#[test]
fn increases_are_a_share_of_what_the_book_holds() {
    check(
        &under("participation = \"10%\"\ndepth = \"signal.gold\""),
        "[volume] 1000 310 310 310 310 → [no depth was recorded in the last 1 h: nothing is opened or added]
         [series] 100 310 310 310 310 → : +entry 10 at market
         [series] 50 310 310 310 310 → entry buy 10 @ 310 → : +entry 5 at market
         310 310 310 310 → entry buy 5 @ 310 → : +entry 5 at market
         310 310 310 310 → entry buy 5 @ 310 [no depth was recorded in the last 1 h: nothing is opened or added]
         [series] -3 310 310 310 310 → [at most 10.0 % of the 0 in the book, and 0 of that are done: 0 more now]
         [series] 1000 310 310 310 310 → : +entry 20 at market
         310 310 310 310 → entry buy 20 @ 310",
    );
}

/// A mean of two hours that are over: one is once the next begins. What went out is out, whatever the book holds later.
#[test]
fn what_books_usually_hold_bounds_what_is_held() {
    check(
        &under(
            "participation = \"100%\"\nexit_time = \"2h\"\nexit_time_restore = \"1h\"\nusual_volume = \"2h\"\n\
             depth = [\"signal.gold\"]",
        ),
        "[series] 10 310 310 310 310 → [what a book usually holds in 1 h is not known: nothing is opened or added]
         [series] 10 310 310 310 310
         [series] 10 310 310 310 310 → : +entry 10 at market
         [series] 2 310 310 310 310 → entry buy 10 @ 310
         [series] 4 310 310 310 310
         [series] 2 310 310 310 310 → : +cut 7 at market
         [series] 40 310 310 310 310 → cut sell 7 @ 310
         [series] 40 310 310 310 310 → : +resize 18 at market
         [series] 40 310 310 310 310 → resize buy 18 @ 310 → : +resize 19 at market",
    );
}

/// Without a declared mean it is one of a week, known after a day. A tape without volume opens nothing, and cuts nothing.
#[test]
fn the_usual_volume_takes_a_day_to_be_known() {
    let setup = under("participation = \"10%\"\nexit_time = \"1d\"");
    let ticks: Vec<Tick> = (0..30).map(|at| traded(at, "310", "7")).collect();
    let (turns, _) = setup.run(&ticks);
    let first = turns.iter().find(|turn| turn.commands().next().is_some()).unwrap();
    assert_eq!(first.at, script::hour(24));
    let none: Vec<Tick> = (0..60).map(|at| traded(at, "310", "0")).collect();
    let (turns, _) = setup.run(&none);
    assert!(turns.iter().all(|turn| turn.commands().next().is_none()));
}

fn traded(at: i64, price: &str, volume: &str) -> Tick {
    let price: Price = price.parse().unwrap();
    let mut tick = bar(at, [price; 4]);
    if let Event::Bar(bar) = &mut tick.events[0] {
        bar.volume = volume.parse().unwrap();
    }
    tick
}

fn held(turns: &[Turn]) -> Vec<Qty> {
    turns.iter().filter(|turn| turn.bar().is_some()).map(|turn| turn.position).collect()
}

/// At one price what is held follows from volumes alone: h' = h + min(want − h, share × volume of the window before less what the window
/// has), cut to what the mean of the last windows carries. In thousandths, because lots are.
fn recursion(volumes: &[i64], share: (i64, i64), window: usize, exit: Option<(i64, i64, usize)>) -> Vec<i64> {
    const WANT: i64 = 40_000;
    let (num, den) = share;
    let (mut held, mut own, mut sent) = (0_i64, 0_i64, 0_i64);
    let mut all = Vec::new();
    for at in 0..volumes.len() {
        // What went out with the last bar filled in this one.
        held += sent;
        own += sent.max(0);
        let over = at + 1;
        if over % window == 0 {
            own = 0;
        }
        all.push(held);
        let whole: Vec<i64> = volumes[..over / window * window].chunks(window).map(|of| of.iter().sum()).collect();
        let Some(last) = whole.last().filter(|_| whole.iter().any(|of| *of > 0)) else {
            sent = 0;
            continue;
        };
        let mut want = WANT.max(held);
        if let Some((limit, restore, usual)) = exit {
            let begun = whole.iter().position(|of| *of > 0).unwrap();
            let known = &whole[begun..];
            let known = &known[known.len().saturating_sub(usual)..];
            let sum: i64 = known.iter().sum();
            let is_known = (known.len() == usual || known.len() * window >= 24) && sum > 0;
            if !is_known {
                sent = 0;
                continue;
            }
            // The mean of what is counted to eight decimals, rounded down, and lots of three.
            let mean = i128::from(sum) * 100_000 / known.len() as i128;
            let carried =
                |bars: i64| (mean * i128::from(num * bars) / i128::from(den * window as i64) / 100_000) as i64;
            if held > carried(limit) {
                sent = carried(restore) - held;
                continue;
            }
            want = want.min(carried(restore)).max(held);
        }
        let room = (last * num / den - own).max(0);
        sent = (want - held).min(room);
    }
    all
}

/// Random volumes, among them hours without a trade.
#[test]
fn what_is_held_is_that_of_the_recursion() {
    let mut seed = 7_u64;
    let mut next = |most: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    let (mut grown, mut cut) = (0, 0);
    for case in 0..60 {
        let largest = [2_000, 20_000, 100_000][case % 3];
        let volumes: Vec<i64> = (0..200).map(|_| if next(7) == 0 { 0 } else { next(largest) as i64 }).collect();
        // Shares and times whose products are whole.
        let (percent, window) = ([100, 50, 25, 10][case % 4], [1, 2, 4, 24][case / 4 % 4]);
        let exit = (case % 5 != 0).then(|| (1 + next(8) as i64, 1 + next(4) as usize));
        let exit = exit.map(|(restore, usual)| (restore + next(8) as i64, restore, usual));
        let mut caps = format!("participation = \"{percent}%\"\nparticipation_window = \"{window}h\"");
        if let Some((limit, restore, usual)) = exit {
            let usual = usual * window;
            caps +=
                &format!("\nexit_time = \"{limit}h\"\nexit_time_restore = \"{restore}h\"\nusual_volume = \"{usual}h\"");
        }
        let decimal = |thousandths: i64| format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
        let ticks: Vec<Tick> =
            volumes.iter().enumerate().map(|(at, volume)| traded(at as i64, "310", &decimal(*volume))).collect();
        let (turns, _) = under(&caps).run(&ticks);
        let wanted = recursion(&volumes, (percent, 100), window, exit);
        let found: Vec<i64> = held(&turns).iter().map(|held| held.raw() / (Qty::ONE / 1_000)).collect();
        for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            // A lot of rounding each time, of which a cut takes what is left.
            assert!((found - wanted).abs() <= 1 + at as i64 / 50, "{caps}, bar {at}: {found} and {wanted}");
        }
        grown += wanted.windows(2).filter(|pair| pair[1] > pair[0]).count();
        cut += wanted.windows(2).filter(|pair| pair[1] < pair[0]).count();
    }
    assert!(grown > 300 && cut > 100, "{grown} grown, {cut} cut");
}
