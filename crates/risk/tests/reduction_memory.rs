//! The second reduction of a size asks for no memory.
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the test's own count is no part of the crate")]

mod common;

use common::Random;
use risk::reduction::{Cost, Figure, Limit, Outcome, Position, Sample, Solver};
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

#[test]
fn the_second_reduction_allocates_nothing() {
    let mut random = Random(37);
    let profits: Vec<f64> = (0..12 * 200).map(|_| random.normal()).collect();
    let cost = |at: usize| Cost { half_spread: 0.01 + 0.001 * at as f64, impact: 0.001, ..Cost::default() };
    let positions: Vec<Position> =
        (0..12).map(|at| Position { held: 5.0, lot: 0.1, fewest: 0.3, cost: cost(at) }).collect();
    let weights = [1.0; 12];
    let gross = |kept: &[f64]| kept.iter().sum::<f64>() / 60.0;
    let figures = [
        (Figure::ExpectedShortfall { sample: 0, confidence: 0.95 }, 3.0),
        (Figure::ValueAtRisk { sample: 0, confidence: 0.95 }, 2.5),
        (Figure::Linear { weights: &weights, rest: 0.0 }, 40.0),
        (Figure::Given(&gross), 0.6),
    ];
    let limits = figures.map(|(figure, limit)| Limit { figure, limit, restore: limit * 0.8 });
    let sample = [Sample { profits: &profits, rest: &[], scenarios: 200 }];
    let mut solver = Solver::new();
    let first = solver.solve(&positions, &sample, &limits).unwrap().clone();
    assert_eq!(first.outcome, Outcome::Restored);
    let before = COUNT.get();
    let second = solver.solve(&positions, &sample, &limits).unwrap();
    assert_eq!(COUNT.get() - before, 0);
    assert_eq!(&first, second);
}
