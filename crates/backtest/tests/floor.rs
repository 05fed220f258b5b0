//! Floors under equity: exposure follows what lies above them, through the real engine and exchange, against the recursions of
//! constant-proportion portfolio insurance and of Grossman and Zhou, made here anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

mod common;
mod script;

use common::{Setup, Tick, Turn};
use script::{bar, check, setup};
use units::{Price, Round};

/// A signal that would hold ten times equity, above a floor. 31,000 at 310.
fn above(floor: &str) -> Setup {
    setup(&format!(
        "[signal]\nkind = \"constant\"\nstrength = 1.0\nreentry = \"at_once\"\n\
         [size]\nkind = \"fixed_fraction\"\nfraction = 10.0\n[floor]\n{floor}\n"
    ))
}

/// 80 % of 31,000 are 24,800, and four times the 6,200 above it 80 units at 310. At 300 equity is 30,200: four times 5,400 are 72
/// units, to the lot toward zero. The 719.99 that these earn up to 310 make it 78.967.
#[test]
fn exposure_is_a_multiple_of_what_lies_above_the_floor() {
    check(
        &above("of = \"deposits\"\nshare = \"80%\"\nmultiplier = 4\ntolerance = 0"),
        "310 310 310 310 → : +entry 80 at market
         310 310 300 300 → entry buy 80 @ 310 → : +cut 8.001 at market
         300 310 300 310 → cut sell 8.001 @ 300 → : +resize 6.968 at market",
    );
    // Within a tenth nothing moves: 80 of at most 80 are brought to 72; at 308 at most 78.65 are borne, and at 330 at most
    // 92.61, of which nine tenths are 83.345.
    check(
        &above("of = \"deposits\"\nshare = \"80%\"\nmultiplier = 4"),
        "310 310 310 310 → : +entry 72 at market
         310 310 308 308 → entry buy 72 @ 310
         308 310 308 310
         310 330 310 330 → : +resize 11.345 at market",
    );
}

/// A jump of a third with four times what lies above the floor goes through it, and what is left stays: nothing comes back.
#[test]
fn a_jump_through_the_floor_locks_what_is_left_in_cash() {
    check(
        &above("of = \"deposits\"\nshare = \"80%\"\nmultiplier = 4\ntolerance = 0"),
        "310 310 310 310 → : +entry 80 at market
         310 310 210 210 → entry buy 80 @ 310 → : +cut 80 at market
         210 210 210 210 → cut sell 80 @ 210
         210 400 210 400",
    );
    let prices =
        |text: &str| text.split(' ').map(|price| price.parse().unwrap()).collect::<Vec<Price>>().try_into().unwrap();
    let rows = ["310 310 310 310", "310 310 210 210", "210 210 210 210", "210 400 210 400"];
    let ticks: Vec<Tick> = rows.iter().enumerate().map(|(at, row)| bar(at as i64, prices(row))).collect();
    let setup = above("of = \"deposits\"\nshare = \"80%\"\nmultiplier = 4\ntolerance = 0");
    let (turns, _) = setup.run(&ticks);
    // 6,200 were above the floor, and a third of four times that is gone: 4 × 32.3 % − 1 of them are missing.
    let last = turns.last().unwrap();
    assert_eq!(last.account.equity(), "23000".parse().unwrap());
    let told =
        turns.iter().flat_map(Turn::plans).flat_map(|plan| plan.steps.iter().map(|step| step.reason.to_string()));
    let told: Vec<String> = told.filter(|told| told.contains("cash-lock")).collect();
    assert!(
        told.contains(&"equity 23000.00 is at the floor 24800.00: cash-lock, nothing is held".to_owned()),
        "{told:?}"
    );
}

/// Closes that move by up to `step` each way, from 300 on.
fn path(bars: usize, step: f64, mut seed: u64) -> Vec<Tick> {
    let mut price = 300.0_f64;
    let to_price = |price: f64| Price::from_estimate((price * 100.0).round() / 100.0, Round::Nearest).unwrap();
    let mut ticks = Vec::new();
    for at in 0..bars {
        let open = to_price(price);
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        price *= 1.0 + step * ((seed >> 11) as f64 / (1_u64 << 52) as f64 - 1.0);
        let close = to_price(price);
        ticks.push(bar(at as i64, [open, open.max(close), open.min(close), close]));
    }
    ticks
}

fn closes(ticks: &[Tick]) -> Vec<f64> {
    let close = |tick: &Tick| match tick.events[0] {
        market::Event::Bar(bar) => bar.close.approximate(),
        _ => panic!("a bar"),
    };
    ticks.iter().map(close).collect()
}

/// Equity after each bar, as the engine has it.
fn equities(turns: &[Turn]) -> Vec<f64> {
    let bars = turns.iter().filter(|turn| turn.bar().is_some());
    bars.map(|turn| turn.account.equity().approximate()).collect()
}

/// Discrete trading at every close: V' = V + m (V − F) / S × (S' − S), F a share of the deposit or of the highest equity.
fn recursion(closes: &[f64], share: f64, multiplier: f64, is_of_highest: bool) -> Vec<f64> {
    let (mut equity, mut highest) = (31_000.0_f64, 31_000.0_f64);
    let mut all = vec![equity];
    for pair in closes.windows(2) {
        let floor = share * if is_of_highest { highest } else { 31_000.0 };
        equity += multiplier * (equity - floor).max(0.0) / pair[0] * (pair[1] - pair[0]);
        highest = highest.max(equity);
        all.push(equity);
    }
    all
}

/// On paths that never jump by a quarter a multiplier of four never reaches the floor, and equity is that of the recursion but for
/// lots; of the highest equity the floor moves up with it.
#[test]
fn small_moves_never_break_it_and_equity_is_that_of_the_recursion() {
    for (seed, step) in [(1, 0.02), (2, 0.05), (3, 0.2), (4, 0.24)] {
        for is_of_highest in [false, true] {
            let of = if is_of_highest { "highest" } else { "deposits" };
            let setup = above(&format!("of = \"{of}\"\nshare = \"80%\"\nmultiplier = 4\ntolerance = 0"));
            let ticks = path(600, step, seed);
            let (turns, _) = setup.run(&ticks);
            let (found, exact) = (equities(&turns), recursion(&closes(&ticks), 0.8, 4.0, is_of_highest));
            assert_eq!(found.len(), exact.len());
            let mut highest = 31_000.0_f64;
            for (at, (found, exact)) in found.iter().zip(&exact).enumerate() {
                assert!((found / exact - 1.0).abs() < 2e-3, "{of}, step {step}, bar {at}: {found} and {exact}");
                highest = highest.max(*found);
                let floor = 0.8 * if is_of_highest { highest } else { 31_000.0 };
                assert!(*found >= floor * (1.0 - 1e-9), "{of}, step {step}, bar {at}: {found} under {floor}");
            }
            assert!(found.iter().any(|equity| (equity / 31_000.0 - 1.0).abs() > 0.05), "something happened");
        }
    }
}
