//! News of orders that is missed, repeated, late and in another order converges: what is counted is what was executed.

use crate::book::Executions;
use crate::route::{Outbox, Wanted, Working};
use market::{CancelReason, Command, Fill, Liquidity, OrderKind, OrderUpdate};
use policy::Target;
use units::{AccountId, Cash, InstrumentId, OrderId, PlanId, Price, Qty, Side};

fn qty(lots: i64) -> Qty {
    Qty::from_raw(lots * Qty::ONE)
}

fn fill(execution: u64, lots: i64) -> OrderUpdate {
    let price: Price = "100".parse().unwrap();
    OrderUpdate::Filled(Fill {
        account: AccountId(0),
        instrument: InstrumentId(0),
        side: Side::Buy,
        qty: qty(lots),
        price,
        reference: price,
        fee: Cash::ZERO,
        liquidity: Liquidity::Taker,
        forced: None,
        execution,
    })
}

/// One working market order to buy ten.
fn working() -> (Working, OrderId) {
    let (mut working, mut sent) = (Working::default(), None);
    let mut send = |command: Command, _| {
        if let Command::Place(order) = command {
            sent = Some(order.id);
        }
    };
    let mut outbox = Outbox {
        plan: PlanId(1),
        next: 0,
        account: AccountId(0),
        instrument: InstrumentId(0),
        alone: true,
        send: &mut send,
    };
    let target = Target { base: qty(10), qty: qty(10) };
    working.route(&Wanted { target, may_trade: true, ..Wanted::default() }, &mut outbox);
    (working, sent.unwrap())
}

/// What of these updates counts as filled, and whether the order works on.
fn told(news: &[OrderUpdate]) -> (Qty, bool) {
    let ((mut working, id), mut executions, mut filled) = (working(), Executions::default(), Qty::ZERO);
    for update in news {
        if let OrderUpdate::Filled(fill) = update {
            if !executions.counts(fill.execution) {
                continue;
            }
            if working.update(id, update).is_some() {
                filled += fill.qty;
            }
        } else {
            working.update(id, update);
        }
    }
    (filled, !working.is_empty())
}

/// Every order of a list, by exchanging (Heap).
fn orders(list: &mut Vec<OrderUpdate>, count: usize, look: &mut dyn FnMut(&[OrderUpdate])) {
    if count <= 1 {
        return look(list);
    }
    for at in 0..count {
        orders(list, count - 1, look);
        list.swap(if count.is_multiple_of(2) { at } else { 0 }, count - 1);
    }
}

#[test]
fn any_order_of_the_news_counts_the_same() {
    let amended = OrderUpdate::Amended { qty: qty(10), kind: OrderKind::Market };
    let cancelled = OrderUpdate::Cancelled(CancelReason::Requested);
    let lives: [(Vec<OrderUpdate>, i64, bool); 5] = [
        (vec![OrderUpdate::Accepted, fill(1, 3), fill(2, 7)], 10, false),
        (vec![OrderUpdate::Accepted, OrderUpdate::Triggered, fill(1, 3), fill(2, 4)], 7, true),
        (vec![OrderUpdate::Accepted, fill(1, 3), fill(2, 2), cancelled], 5, false),
        (vec![OrderUpdate::Accepted, amended, fill(1, 10)], 10, false),
        (vec![OrderUpdate::Accepted, cancelled], 0, false),
    ];
    let mut looked = 0;
    for (news, filled, works) in lives {
        // Each told twice, too.
        for mut list in [news.clone(), [&news[..], &news[..2]].concat()] {
            let count = list.len();
            orders(&mut list, count, &mut |list| {
                assert_eq!(told(list), (qty(filled), works), "{list:?}");
                looked += 1;
            });
        }
    }
    assert!(looked > 1_000, "{looked}");
}

/// Without numbers a repeated part cannot be told from a new one; beyond the whole it can.
#[test]
fn executions_without_a_number_count_up_to_the_whole() {
    assert_eq!(told(&[fill(0, 6), fill(0, 6)]), (qty(6), true));
    assert_eq!(told(&[fill(0, 10), fill(0, 10)]), (qty(10), false));
}

/// Against a set of all numbers, told in bursts out of order, each now and then again.
#[test]
fn an_execution_counts_once() {
    let mut seed = 5_u64;
    let mut random = |most: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    for begin in [1, 1_000_000_007] {
        let (mut executions, mut counted) = (Executions::default(), std::collections::BTreeSet::new());
        let mut next = begin;
        for _ in 0..2_000 {
            let burst = 1 + random(30);
            let mut numbers: Vec<u64> = (next..next + burst).collect();
            for at in (1..numbers.len()).rev() {
                numbers.swap(at, random(at as u64 + 1) as usize);
            }
            for number in numbers {
                let again = next.saturating_sub(random(40)).max(begin);
                for told in [number, again].into_iter().filter(|told| *told <= number || *told < next) {
                    let is_new = counted.insert(told);
                    assert_eq!(executions.counts(told), is_new, "{told} of {next}");
                }
            }
            next += burst;
        }
    }
}
