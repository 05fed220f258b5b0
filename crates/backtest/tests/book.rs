//! What a page says of a shared book adds up to what the accounts say, by strategy, by order and by bar; and money that was
//! moved is no profit.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use backtest::report::{Part, html};
use backtest::{PolicyFile, Request, Run, demo, run};
use std::ops::ControlFlow;

fn near(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{what}: {found}, not {expected}");
}

/// Two breakouts on the demo's market, a slow and a quick one, each on half of the equity.
fn shared(flows: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let tapes = demo::market(7, folder.path()).unwrap();
    let half = demo::POLICY.replace("[signal]", "capital = \"50%\"\n\n[signal]");
    let quick = half
        .replace("name = \"demo-trend\"", "name = \"demo-quick\"")
        .replace("entry = 48 ", "entry = 16 ")
        .replace("exit = 24 ", "exit = 8 ");
    let policies = vec![PolicyFile::new("a.toml", half + flows), PolicyFile::new("b.toml", quick)];
    let request = Request { policies, tapes, program: "test".to_owned(), seed: Some(7) };
    run(&request, &mut |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn parts_orders_and_bars_add_up_to_the_account() {
    let done = shared("");
    let page = done.summary();
    assert_eq!(page.strategies, ["demo-trend", "demo-quick"]);
    assert_eq!((page.instruments.len(), page.parts.len()), (1, 2));
    let sum = |read: fn(&Part) -> f64| page.parts.iter().map(read).sum::<f64>();
    let number = |text: &str| text.parse::<f64>().unwrap();
    let (last, record) = (done.tables.equity.last().unwrap(), &done.record);
    near(sum(|part| part.profit - part.fees + part.funding), (last.equity - last.paid_in).approximate(), "profit");
    near(sum(|part| part.fees), number(&record.scaled.fees), "fees");
    near(sum(|part| part.funding), number(&record.scaled.funding), "funding");
    near(sum(|part| part.traded), number(&record.scaled.traded), "value traded");
    let orders = |read: fn(&backtest::report::Execution) -> f64| page.executions.iter().map(read).sum::<f64>();
    near(orders(|order| order.value), number(&record.scaled.traded), "value of orders");
    near(orders(|order| order.slippage), number(&record.scaled.slippage), "slippage of orders");
    assert_eq!(sum(|part| part.campaigns as f64), done.tables.campaigns.len() as f64);
    assert!(page.parts.iter().all(|part| part.campaigns > 0 && part.won <= part.closed), "both traded");

    let crossed = done.tables.fills.iter().filter(|fill| fill.liquidity == "internal");
    let crossed: f64 = crossed.map(|fill| fill.quantity.approximate() * fill.price.approximate()).sum();
    near(sum(|part| part.crossed), crossed, "value crossed inside");

    let (book, only) = (&page.bars, &page.instruments[0]);
    assert_eq!(only.time, book.time);
    for at in 0..book.time.len() {
        near(only.exposure[at], book.exposure[at], "the instrument's exposure is the book's");
        near(only.twin_exposure[at], page.twin.exposure[at], "and the twin's");
    }
    assert_eq!(only.stops.len(), 2, "each strategy has its stop");
    assert!(page.executions.iter().all(|order| order.participation.is_none_or(|share| share > 0.0)));
    assert!(html(&page).contains("demo-trend + demo-quick"));
}

#[test]
fn each_stop_and_fill_is_its_strategys() {
    let done = shared("");
    let page = done.summary();
    let only = &page.instruments[0];
    for (strategy, name) in page.strategies.iter().enumerate() {
        let fills = only.fills.iter().filter(|fill| fill.strategy == strategy).count();
        assert_eq!(fills, done.tables.fills.iter().filter(|fill| fill.strategy == *name).count());
        let rows = done.tables.positions.iter().filter(|row| *row.strategy == **name);
        let stops = only.stops.iter().find(|stops| stops.strategy == strategy).unwrap();
        let recorded: Vec<Option<f64>> = rows.map(|row| row.stop.map(units::Price::approximate)).collect();
        assert_eq!(stops.price, recorded);
    }
}

#[test]
fn a_deposit_and_a_withdrawal_change_no_return_of_a_flat_stretch() {
    // Before the first fill and while flat the growth is one, whatever is paid in or out.
    let flows = "\n[[backtest.flows]]\nat = \"2025-01-01T12:00:00Z\"\ndeposit = \"700_000 USDT\"\n\n\
                 [[backtest.flows]]\nat = \"2025-01-02T12:00:00Z\"\nwithdraw = \"500_000 USDT\"\n";
    let done = shared(flows);
    let page = done.summary();
    let columns = page.columns();
    let held = page.bars.gross.iter().zip(&page.twin.exposure).position(|(ours, twin)| *ours != 0.0 || *twin != 0.0);
    // Points begin with the start, before the first row.
    let until = held.unwrap() + 1;
    let moved = page.bars.paid_in[..until - 1].iter().filter(|paid_in| **paid_in != 1e6).count();
    assert!(moved > 0, "money moved before the first fill");
    for at in 0..until {
        near(columns.equity[at], 1e6, "worth while nothing was held");
        near(columns.twin_equity[at], 1e6, "and the twin's");
    }
    near(
        page.costs.scaled.net,
        {
            let last = done.tables.equity.last().unwrap();
            (last.equity - last.paid_in).approximate()
        },
        "net is profit, not what was paid in",
    );
}
