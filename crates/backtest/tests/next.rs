//! What `next` foresees is what a run then does.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "common/tapes.rs"]
mod tapes;

use backtest::{Next, PolicyFile, Request, Run, Trigger, demo};
use std::ops::ControlFlow;
use std::path::PathBuf;
use tapes::beginning;
use units::{Price, Timestamp};

fn run(text: String, tapes: Vec<PathBuf>) -> Run {
    let parsed = policy::parse(&text);
    assert!(parsed.policy.is_some(), "{:?}\n{text}", parsed.diagnostics);
    let request = Request { policies: vec![PolicyFile::new("next.toml", text)], tapes, ..Request::default() };
    backtest::run(&request, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn next(run: &Run, at: Timestamp) -> Next {
    run.next(Some(at), None, None, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// A size that follows the price outside a buffer: the next bar's close is beyond a foreseen price just where the run then resizes.
#[test]
fn a_close_beyond_a_foreseen_price_is_acted_on_and_no_other_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "policy = 1\nname = \"follows\"\ninstrument = \"{}\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
         [size]\nkind = \"fixed_fraction\"\nfraction = 2.0\nresize = \"continuous\"\n[trade]\nbuffer = \"0.2%\"\n",
        demo::SYMBOL
    );
    let run = run(text, beginning(3, folder.path()));
    let rows = &run.tables.equity;
    let (mut beyond, mut inside) = (0, 0);
    for pair in rows.windows(2).skip(20).step_by(7) {
        let (now, then) = (pair[0].time, pair[1].time);
        // What was sent and not yet filled would be answered by the venue in between.
        let is_resting = run.tables.fills.iter().any(|fill| fill.time > now && fill.time <= then);
        if is_resting {
            continue;
        }
        let foreseen = next(&run, now);
        let close = run.tables.positions.iter().find(|row| row.time == then).unwrap().mark;
        let is_beyond = |price: Price| if price > foreseen.price { close >= price } else { close <= price };
        let listed = foreseen.actions.iter().any(|action| {
            matches!(action.trigger, Trigger::Close { price, .. } if is_beyond(price)) && action.what == "resize"
        });
        let acted = run.tables.orders.iter().any(|order| order.time == then && order.event == "place");
        assert_eq!(listed, acted, "from {now} at {} to {close}: {:?}", foreseen.price, foreseen.actions);
        if acted { beyond += 1 } else { inside += 1 }
    }
    assert!(beyond >= 10 && inside >= 10, "{beyond} beyond a foreseen price, {inside} not");
}

/// The demo's policy with stop, units and rungs: every fill of an order that rested was listed before, with its price.
#[test]
fn what_rests_was_listed_before_it_was_filled() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(demo::POLICY.to_owned(), beginning(60, folder.path()));
    let rows = &run.tables.equity;
    let mut seen = 0;
    for fill in run.tables.fills.iter().filter(|fill| fill.liquidity != "internal").take(60) {
        let at = rows[..rows.partition_point(|row| row.time < fill.time)].last();
        let order = run.tables.orders.iter().find(|order| order.order == fill.order && order.event == "place").unwrap();
        let (Some(at), false) = (at, order.kind == "market") else { continue };
        // A bar's fills are told before the bar: the order has to have been there at the bar before.
        if order.time > at.time {
            continue;
        }
        seen += 1;
        let foreseen = next(&run, at.time);
        let listed = foreseen.actions.iter().any(|action| {
            matches!(action.trigger, Trigger::Resting { .. })
                && action.what == *fill.purpose
                && action.before != action.after
        });
        assert!(listed, "{fill:?}\n{:?}", foreseen.actions);
    }
    assert!(seen >= 10, "{seen} fills of resting orders");
}

/// A run is foreseen at its own instants only, and from its own tapes.
#[test]
fn what_cannot_be_foreseen_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let tapes = beginning(3, folder.path());
    let run = run(demo::POLICY.to_owned(), tapes.clone());
    let at = |text: &str| run.next(Some(text.parse().unwrap()), None, None, &mut |_| ControlFlow::Continue(()));
    assert!(at("2031-01-01").unwrap_err().to_string().contains("outside"), "{:?}", at("2031-01-01"));
    let said = run.next(None, Some("nobody"), None, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(said.contains("no such strategy"), "{said}");
    std::fs::write(&tapes[0], b"another").unwrap();
    let said = run.next(None, None, None, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(said.contains("is not the tape"), "{said}");
}
