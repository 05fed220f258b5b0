//! The workload against its reference script: the same orders for any seed, in both shapes, and one hash.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use workload::{engine_run, floor_run};

/// Seed, orders with one instrument, orders with a hundred: `python3 ../shared/bench/decision_workload.py SEED`.
const REFERENCE: [(u64, u64, u64); 4] =
    [(20_240_607, 1_851, 1_601), (1, 1_820, 1_676), (2, 1_752, 1_668), (3, 1_817, 1_688)];
const EVENTS: u64 = 1_000_000;

#[test]
fn as_many_orders_as_the_reference_script() {
    for (seed, one, hundred) in REFERENCE {
        for (instruments, orders) in [(1, one), (100, hundred)] {
            let what = format!("seed {seed}, {instruments} instruments");
            let (quiet, always) =
                (engine_run(seed, instruments, EVENTS, false), engine_run(seed, instruments, EVENTS, true));
            assert_eq!((quiet.orders, always.orders), (orders, orders), "{what}");
            assert_eq!(quiet.hash, always.hash, "{what}: with and without the quiet region");
            assert!(quiet.evaluations * 10 < always.evaluations, "{what}: {} evaluations", quiet.evaluations);
            assert_eq!(floor_run(seed, instruments, EVENTS).orders, orders, "bare, {what}");
        }
    }
}

#[test]
fn repeated_runs_give_one_hash_and_another_seed_another() {
    for instruments in [1, 100] {
        let hashes: Vec<String> = (0..5).map(|_| engine_run(5, instruments, 200_000, false).hash).collect();
        assert!(!hashes[0].is_empty() && hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
        assert_ne!(engine_run(6, instruments, 200_000, false).hash, hashes[0]);
    }
}
