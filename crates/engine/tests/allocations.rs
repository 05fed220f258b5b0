//! A decision that goes by what may be lost asks for no memory between two quotes and two steps of the history: what was used is used
//! again.
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test's own count is no part of the engine"
)]

#[path = "../benches/common/mod.rs"]
mod common;

use common::{FORWARD, World};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often memory was asked for in so many ticks.
fn ticks(world: &mut World, jump: f64, count: usize) -> u64 {
    let before = COUNT.get();
    (0..count).for_each(|at| world.tick(FORWARD * (1.0 + jump * (at % 2) as f64)));
    COUNT.get() - before
}

#[test]
fn a_decision_by_what_may_be_lost_allocates_nothing() {
    for fact in ["es(95%, 1h)", "var(99%, 1h, montecarlo)", "es.component(95%, 1h)"] {
        // A rule that says within what it decides the same, and one that does not.
        for bounds in [Some((0.0, Some(0.5))), None] {
            let mut world = World::new(Some(fact), bounds, 25);
            let mut nothing = World::new(None, bounds, 25);
            // Prices near each other, for which a proof stands; and far apart, for which each time another is looked for.
            for jump in [0.0001, 0.3] {
                ticks(&mut world, jump, 30);
                ticks(&mut nothing, jump, 30);
                // An engine that rests checks that with memory of its own where assertions are on.
                let own = ticks(&mut nothing, jump, 60);
                assert!(own == 0 || cfg!(debug_assertions), "{own}");
                assert_eq!(ticks(&mut world, jump, 60), own, "{fact} {bounds:?} {jump}");
                let refusal = world.engine.risk_refusal(units::StrategyId(0), units::SeriesId(0));
                assert_eq!(refusal, None, "{fact}");
                let (computed, spared) = world.engine.risk_readings();
                // A part has no proof.
                let proves = bounds.is_some() && !fact.contains("component");
                assert_eq!(spared > computed, proves, "{fact} {bounds:?} {jump}: {computed}, {spared}");
            }
        }
    }
}
